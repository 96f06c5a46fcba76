//! Topology domains: for each label key in use, the domain of every node as a small number.

use std::collections::BTreeMap;

use crate::ids::NodeId;
use crate::policy::scheduler::kube::NodeInfo;

/// A label key in use, by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyId(pub(super) u16);

/// The domain of nodes that lack the key.
pub(super) const NO_DOMAIN: u32 = u32::MAX;

/// The domains under one key.
#[derive(Clone, Debug, Default)]
pub(super) struct Key {
    /// The label.
    pub(super) label: String,
    /// Domain by position in the order of nodes; [`NO_DOMAIN`] where the node lacks the label.
    pub(super) of: Vec<u32>,
    /// How many domains there are.
    pub(super) count: u32,
}

/// The keys in use.
#[derive(Clone, Debug, Default)]
pub(super) struct Domains {
    keys: Vec<Key>,
}

impl Domains {
    /// The key for a label; its domains are numbered in the order of the nodes.
    pub(super) fn intern<'a>(&mut self, label: &str, order: impl Iterator<Item = NodeInfo<'a>>) -> KeyId {
        let position = self.keys.iter().position(|key| key.label == label).unwrap_or_else(|| {
            let mut numbers = BTreeMap::new();
            let mut key = Key { label: label.to_owned(), ..Key::default() };
            key.of = order
                .map(|node| {
                    node.label(label).map_or(NO_DOMAIN, |value| {
                        let next = numbers.len() as u32;
                        *numbers.entry(value).or_insert(next)
                    })
                })
                .collect();
            key.count = numbers.len() as u32;
            self.keys.push(key);
            self.keys.len() - 1
        });
        KeyId(position as u16)
    }

    /// A key.
    pub(super) fn key(&self, id: KeyId) -> &Key {
        &self.keys[usize::from(id.0)]
    }
}

/// The nodes in their order, and back.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    /// By position.
    pub(super) nodes: Vec<NodeId>,
    /// By node; [`u32::MAX`] for nodes that are not up.
    position: Vec<u32>,
}

impl Order {
    /// The order of these nodes.
    pub(super) fn new(nodes: &[NodeId]) -> Order {
        let len = nodes.iter().map(|node| node.index() + 1).max().unwrap_or(0);
        let mut position = vec![u32::MAX; len];
        for (at, node) in nodes.iter().enumerate() {
            position[node.index()] = at as u32;
        }
        Order { nodes: nodes.to_vec(), position }
    }

    /// Where a node stands, if it is up.
    #[inline]
    pub(super) fn position(&self, node: NodeId) -> Option<usize> {
        let position = *self.position.get(node.index())?;
        (position != u32::MAX).then_some(position as usize)
    }
}

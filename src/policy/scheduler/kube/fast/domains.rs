//! Topology domains: for each label key in use, the domain of every node as a small number.
//!
//! A node keeps its domain for good, so that counts by domain stay what they are while other nodes come and go.
//!
//! Cost: O(nodes x keys in use) when the order of nodes changes, a label looked up for each new node.

use std::collections::BTreeMap;

use super::order::Order;
use crate::ids::NodeId;
use crate::policy::scheduler::kube::NodeInfo;
use crate::world::View;

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
    /// The same by node, for all nodes that there have been since the key is in use; [`NO_DOMAIN`] for those that were down
    /// already when somebody asked.
    of_node: Vec<u32>,
    /// The domain of each value.
    numbers: BTreeMap<String, u32>,
}

impl Key {
    /// How many domains there are or were.
    pub(super) fn count(&self) -> usize {
        self.numbers.len()
    }

    /// The domain of a node.
    #[inline]
    pub(super) fn of_node(&self, node: NodeId) -> u32 {
        self.of_node.get(node.index()).copied().unwrap_or(NO_DOMAIN)
    }

    /// Takes in the nodes that there are, and their order.
    fn follow(&mut self, view: View<'_>, order: &Order) {
        for index in self.of_node.len()..view.world.nodes.len() {
            let value = match view.world.nodes.state[index].is_up() {
                true => NodeInfo::new(view, NodeId::from_index(index)).label(&self.label),
                false => None,
            };
            let next = self.numbers.len() as u32;
            self.of_node.push(match value.map(|value| self.numbers.get(value).copied().ok_or(value)) {
                None => NO_DOMAIN,
                Some(Ok(known)) => known,
                Some(Err(new)) => {
                    self.numbers.insert(new.to_owned(), next);
                    next
                }
            });
        }
        self.of.clear();
        self.of.extend(order.nodes.iter().map(|node| self.of_node[node.index()]));
    }
}

/// The keys in use.
#[derive(Clone, Debug, Default)]
pub(super) struct Domains {
    keys: Vec<Key>,
}

impl Domains {
    /// The key for a label.
    pub(super) fn intern(&mut self, label: &str, view: View<'_>, order: &Order) -> KeyId {
        let position = self.keys.iter().position(|key| key.label == label).unwrap_or_else(|| {
            let mut key = Key { label: label.to_owned(), ..Key::default() };
            key.follow(view, order);
            self.keys.push(key);
            self.keys.len() - 1
        });
        KeyId(position as u16)
    }

    /// A key.
    #[inline]
    pub(super) fn key(&self, id: KeyId) -> &Key {
        &self.keys[usize::from(id.0)]
    }

    /// Takes in that nodes joined or left.
    pub(super) fn follow(&mut self, view: View<'_>, order: &Order) {
        self.keys.iter_mut().for_each(|key| key.follow(view, order));
    }

    /// Whether most of the domains that are known belong to nodes that are gone.
    pub(super) fn is_mostly_past(&self, order: &Order) -> bool {
        const DOMAINS_MIN: usize = 4096;
        self.keys.iter().any(|key| key.count() > DOMAINS_MIN.max(4 * order.nodes.len()))
    }
}

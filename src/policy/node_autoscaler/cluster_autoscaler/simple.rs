//! A snapshot that asks resources, selectors, taints, host ports and one spreading constraint: for tests, examples, and
//! callers without filters of their own. Forks copy the nodes, so it is no fast one.

use std::collections::BTreeMap;

use super::estimator::Amount;
use super::snapshot::{Fits, Growing, NodeKey, Refusal, Snapshot};
use crate::ids::PodId;
use crate::units::{Bytes, MilliCpu};

/// A required spreading constraint over pods of the same `app`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// The label whose values are the domains.
    pub key: String,
    /// By how many pods a domain may exceed the emptiest one.
    pub max_skew: i64,
    /// Domains there must be; with fewer, the emptiest counts as having no pod.
    pub min_domains: usize,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimplePod {
    /// What it asks for.
    pub request: Amount,
    /// Labels a node must have.
    pub selector: BTreeMap<String, String>,
    /// Keys of taints it tolerates.
    pub tolerates: Vec<String>,
    /// Ports of the host it needs.
    pub host_ports: Vec<u16>,
    /// Pods with the same number are counted together when they spread.
    pub app: u32,
    /// How it spreads.
    pub spread: Option<Spread>,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimpleNode {
    /// What pods can ask for.
    pub allocatable: Amount,
    /// How many pods it takes.
    pub max_pods: usize,
    /// Its labels. The label `kubernetes.io/hostname` is set by the snapshot.
    pub labels: BTreeMap<String, String>,
    /// Keys of its taints; all refuse pods that do not tolerate them.
    pub taints: Vec<String>,
    /// Whether it is cordoned.
    pub is_cordoned: bool,
    /// Its pods.
    pub pods: Vec<PodId>,
}

const HOST_NAME: &str = "kubernetes.io/hostname";

/// The taint of a node that is being deleted.
pub const TO_BE_DELETED: &str = "ToBeDeletedByClusterAutoscaler";

/// The snapshot.
#[derive(Clone, Debug, Default)]
pub struct SimpleSnapshot {
    pods: Vec<SimplePod>,
    nodes: Vec<(NodeKey, SimpleNode)>,
    forks: Vec<Vec<(NodeKey, SimpleNode)>>,
    /// The place of every node by its key.
    places: BTreeMap<NodeKey, usize>,
    next_key: u32,
    template: SimpleNode,
    free: Vec<Amount>,
}

impl SimpleSnapshot {
    /// A snapshot of nodes, whose keys are their positions, with the pods that all ids stand for, and the template of
    /// further nodes.
    ///
    /// # Panics
    /// When there are more than 2^32 - 1 nodes.
    pub fn new(pods: Vec<SimplePod>, nodes: Vec<SimpleNode>, template: SimpleNode) -> SimpleSnapshot {
        let mut snapshot = SimpleSnapshot { pods, template, ..SimpleSnapshot::default() };
        for node in nodes {
            snapshot.add(node);
        }
        snapshot
    }

    /// Adds a node; upstream names those of an estimate after the template with `e-0`, `e-1` and so on.
    ///
    /// # Panics
    /// When there are more than 2^32 - 1 nodes.
    pub fn add(&mut self, mut node: SimpleNode) -> NodeKey {
        let key = NodeKey(self.next_key);
        self.next_key = self.next_key.checked_add(1).expect("fewer than 2^32 nodes");
        node.labels.insert(HOST_NAME.to_owned(), format!("node-{}", key.0));
        self.nodes.push((key, node));
        self.index();
        key
    }

    /// The node; `None`: it is not in the snapshot.
    pub fn node(&self, key: NodeKey) -> Option<&SimpleNode> {
        self.places.get(&key).map(|place| &self.nodes[*place].1)
    }

    /// Works out anew where nodes are and what they have free, from the first that changed.
    fn index(&mut self) {
        let from = self.free.len().min(self.nodes.len());
        for (place, (key, node)) in self.nodes.iter().enumerate().skip(from) {
            self.places.insert(*key, place);
            self.free.push(free(node, &self.pods));
        }
    }

    fn index_all(&mut self) {
        self.places.clear();
        self.free.clear();
        self.index();
    }

    fn refusal(&self, pod: &SimplePod, place: usize) -> Option<Refusal> {
        let (_, node) = &self.nodes[place];
        let has_room = pod.request.cpu <= self.free[place].cpu && pod.request.memory <= self.free[place].memory;
        let takes =
            |other: &PodId| self.pods[other.index()].host_ports.iter().any(|port| pod.host_ports.contains(port));
        let passes = has_room
            && node.pods.len() < node.max_pods
            && node.taints.iter().all(|taint| pod.tolerates.contains(taint))
            && pod.selector.iter().all(|(label, value)| node.labels.get(label) == Some(value))
            && (pod.host_ports.is_empty() || !node.pods.iter().any(takes));
        match (passes, &pod.spread) {
            (false, _) => Some(Refusal::Filter),
            (true, Some(spread)) if self.skews(pod, spread, node) => Some(Refusal::TopologySpread),
            (true, _) => None,
        }
    }

    fn skews(&self, pod: &SimplePod, spread: &Spread, node: &SimpleNode) -> bool {
        let Some(own) = node.labels.get(&spread.key) else { return true };
        let mut domains: BTreeMap<&str, i64> = BTreeMap::new();
        for (_, other) in &self.nodes {
            if let Some(value) = other.labels.get(&spread.key) {
                let count = other.pods.iter().filter(|id| self.pods[id.index()].app == pod.app).count();
                *domains.entry(value).or_default() += count as i64;
            }
        }
        let fewest = if domains.len() < spread.min_domains { 0 } else { domains.values().copied().min().unwrap_or(0) };
        domains[own.as_str()] + 1 - fewest > spread.max_skew
    }
}

fn free(node: &SimpleNode, pods: &[SimplePod]) -> Amount {
    let asked = |of: fn(&Amount) -> u64| node.pods.iter().map(|pod| of(&pods[pod.index()].request)).sum::<u64>();
    Amount {
        cpu: MilliCpu(node.allocatable.cpu.0.saturating_sub(asked(|amount| amount.cpu.0))),
        memory: Bytes(node.allocatable.memory.0.saturating_sub(asked(|amount| amount.memory.0))),
    }
}

impl Fits for SimpleSnapshot {
    fn node_count(&self) -> usize {
        self.nodes.len()
    }

    fn node_at(&self, position: usize) -> NodeKey {
        self.nodes[position].0
    }

    fn is_cordoned(&self, node: NodeKey) -> bool {
        self.nodes[self.places[&node]].1.is_cordoned
    }

    fn place(&mut self, pod: PodId, node: NodeKey) -> Result<(), Refusal> {
        let place = self.places[&node];
        let asking = &self.pods[pod.index()];
        if let Some(refusal) = self.refusal(asking, place) {
            return Err(refusal);
        }
        self.free[place].cpu -= asking.request.cpu;
        self.free[place].memory -= asking.request.memory;
        self.nodes[place].1.pods.push(pod);
        Ok(())
    }

    fn refuses_for_good(&self, pod: PodId) -> bool {
        self.pods[pod.index()].spread.is_none()
    }
}

impl Growing for SimpleSnapshot {
    fn add_node(&mut self) -> NodeKey {
        self.add(self.template.clone())
    }
}

impl Growing for &mut SimpleSnapshot {
    fn add_node(&mut self) -> NodeKey {
        (**self).add_node()
    }
}

impl Fits for &mut SimpleSnapshot {
    fn node_count(&self) -> usize {
        (**self).node_count()
    }

    fn node_at(&self, position: usize) -> NodeKey {
        (**self).node_at(position)
    }

    fn is_cordoned(&self, node: NodeKey) -> bool {
        (**self).is_cordoned(node)
    }

    fn place(&mut self, pod: PodId, node: NodeKey) -> Result<(), Refusal> {
        (**self).place(pod, node)
    }

    fn refuses_for_good(&self, pod: PodId) -> bool {
        (**self).refuses_for_good(pod)
    }
}

impl Snapshot for SimpleSnapshot {
    fn fork(&mut self) {
        self.forks.push(self.nodes.clone());
    }

    fn revert(&mut self) {
        self.nodes = self.forks.pop().expect("a fork");
        self.index_all();
    }

    fn commit(&mut self) {
        self.forks.pop().expect("a fork");
    }

    fn holds(&self, node: NodeKey) -> bool {
        self.places.contains_key(&node)
    }

    fn pods_on(&self, node: NodeKey) -> Vec<PodId> {
        self.nodes[self.places[&node]].1.pods.clone()
    }

    fn unplace(&mut self, pod: PodId, node: NodeKey) {
        let place = self.places[&node];
        self.nodes[place].1.pods.retain(|other| *other != pod);
        self.free[place] = free(&self.nodes[place].1, &self.pods);
    }

    fn make_ghost(&mut self, node: NodeKey) {
        let place = self.places[&node];
        let ghost = &mut self.nodes[place].1;
        ghost.pods.clear();
        ghost.taints.push(TO_BE_DELETED.to_owned());
        self.free[place] = ghost.allocatable;
    }

    fn remove(&mut self, node: NodeKey) {
        self.nodes.remove(self.places[&node]);
        self.index_all();
    }
}

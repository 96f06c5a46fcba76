//! Which pods wait for which nodes that preemption is making room on.
//!
//! Kept by pod and by node, with a log of the nodes whose promises changed: readers that keep verdicts of nodes catch up
//! from there, as with [`ChangeLog`].
//!
//! Cost: O(log pods that wait) a change.

use std::collections::BTreeMap;

use super::ChangeLog;
use crate::ids::{NodeId, PodId};

/// The promises.
#[derive(Clone, Debug)]
pub struct Nominations {
    node_of: BTreeMap<PodId, NodeId>,
    /// Sorted; no node is listed without pods.
    pods_on: BTreeMap<NodeId, Vec<PodId>>,
    changes: ChangeLog,
}

impl Nominations {
    /// No promises, in a cluster of about `nodes` nodes.
    pub fn new(nodes: usize) -> Nominations {
        Nominations { node_of: BTreeMap::new(), pods_on: BTreeMap::new(), changes: ChangeLog::new(nodes) }
    }

    /// Promises a node to a pod, and takes back what was promised before, which is returned.
    pub fn insert(&mut self, pod: PodId, node: NodeId) -> Option<NodeId> {
        let before = self.remove(&pod);
        self.node_of.insert(pod, node);
        let pods = self.pods_on.entry(node).or_default();
        let at = pods.partition_point(|other| *other < pod);
        pods.insert(at, pod);
        self.changes.record(node);
        before
    }

    /// Takes back what is promised to a pod, and returns it.
    pub fn remove(&mut self, pod: &PodId) -> Option<NodeId> {
        let node = self.node_of.remove(pod)?;
        if let Some(pods) = self.pods_on.get_mut(&node) {
            pods.retain(|other| other != pod);
            if pods.is_empty() {
                self.pods_on.remove(&node);
            }
        }
        self.changes.record(node);
        Some(node)
    }

    /// The node promised to a pod.
    pub fn get(&self, pod: &PodId) -> Option<&NodeId> {
        self.node_of.get(pod)
    }

    /// The pods that a node is promised to, in order.
    #[inline]
    pub fn on(&self, node: NodeId) -> &[PodId] {
        if self.pods_on.is_empty() { &[] } else { self.pods_on.get(&node).map_or(&[], Vec::as_slice) }
    }

    /// The nodes that are promised, in order.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.pods_on.keys().copied()
    }

    /// Whether nothing is promised.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.node_of.is_empty()
    }

    /// The nodes whose promises changed.
    #[inline]
    pub fn changes(&self) -> &ChangeLog {
        &self.changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_are_found_by_pod_and_by_node() {
        let mut nominations = Nominations::new(4);
        let (a, b) = (NodeId(0), NodeId(1));
        assert_eq!(nominations.insert(PodId(7), a), None);
        nominations.insert(PodId(3), a);
        assert_eq!(nominations.on(a), [PodId(3), PodId(7)]);
        // A new promise takes the place of the old one.
        assert_eq!(nominations.insert(PodId(7), b), Some(a));
        assert_eq!((nominations.on(a), nominations.on(b)), (&[PodId(3)][..], &[PodId(7)][..]));
        assert_eq!(nominations.get(&PodId(7)), Some(&b));
        assert_eq!((nominations.remove(&PodId(3)), nominations.remove(&PodId(3))), (Some(a), None));
        assert_eq!(nominations.nodes().collect::<Vec<_>>(), [b]);
        // Promised: a, a; from a to b; taken back: a.
        let changed: Vec<NodeId> = nominations.changes().since(0).expect("recent").collect();
        assert_eq!(changed, [a, a, a, b, a]);
        nominations.remove(&PodId(7));
        assert!(nominations.is_empty() && nominations.on(b).is_empty());
    }
}

//! Whether the pods of a node find other places (`simulator/scheduling`, `simulator/cluster.go`).
//!
//! A pod is first tried where it went the last time, then on any other node in rotation. This is the autoscaler's guess;
//! the scheduler may choose otherwise when the pods really move.
//!
//! Cost: a question a pod if hints hold; else one for every node that does not take it. Pods like one that found no place
//! are not tried.

use std::collections::{BTreeMap, BTreeSet};

use super::drain::{Blocking, PodsToMove};
use super::snapshot::{NodeKey, Rotation, Snapshot, place_on_any};
use crate::ids::PodId;

/// Unlike pods of one controller that are remembered to find no place.
pub const MAX_KINDS_BY_CONTROLLER: usize = 10;

/// What is known of a pod that needs a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MovedPod {
    /// The pod.
    pub pod: PodId,
    /// Its priority; higher ones choose first.
    pub priority: i32,
    /// Its controller, if it has one.
    pub controller: Option<u64>,
    /// Whether it is of a DaemonSet.
    pub is_daemon: bool,
    /// Pods of one controller with the same number are equal (see `equivalence`).
    pub kind: u32,
}

/// Where pods went in this turn and in the last (`Hints`).
#[derive(Clone, Debug, Default)]
pub struct Hints {
    current: BTreeMap<PodId, NodeKey>,
    old: BTreeMap<PodId, NodeKey>,
}

impl Hints {
    /// Where the pod went.
    pub fn get(&self, pod: PodId) -> Option<NodeKey> {
        self.current.get(&pod).or_else(|| self.old.get(&pod)).copied()
    }

    /// Remembers where the pod went.
    pub fn set(&mut self, pod: PodId, node: NodeKey) {
        self.current.insert(pod, node);
    }

    /// Ends a turn: what was not used in it is forgotten.
    pub fn drop_old(&mut self) {
        self.old = std::mem::take(&mut self.current);
    }
}

/// Finds places and remembers them (`HintingSimulator`).
#[derive(Clone, Debug, Default)]
pub struct Simulator {
    hints: Hints,
}

impl Simulator {
    /// Places pods, the most important first, within one priority those with a hint that holds first. With
    /// `stop_at_failure` a priority's further pods are passed over once one finds no place; lower priorities go on.
    /// Returns the pods that found one, with their nodes, in the order in which they did.
    pub fn place<S: Snapshot>(
        &mut self,
        snapshot: &mut S,
        rotation: &mut Rotation,
        pods: &[MovedPod],
        stop_at_failure: bool,
        is_acceptable: impl Fn(NodeKey) -> bool,
    ) -> Vec<(PodId, NodeKey)> {
        let mut by_priority: BTreeMap<i32, Vec<&MovedPod>> = BTreeMap::new();
        pods.iter().for_each(|pod| by_priority.entry(pod.priority).or_default().push(pod));
        let mut hopeless: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
        let mut placed = Vec::new();
        for group in by_priority.into_values().rev() {
            let mut unhinted = Vec::new();
            for pod in group {
                match self.by_hint(snapshot, pod.pod, &is_acceptable) {
                    Some(node) => placed.push((pod.pod, node)),
                    None => unhinted.push(pod),
                }
            }
            for pod in unhinted {
                match self.anywhere(snapshot, rotation, pod, &mut hopeless, &is_acceptable) {
                    Some(node) => placed.push((pod.pod, node)),
                    None if stop_at_failure => break,
                    None => {}
                }
            }
        }
        placed
    }

    fn by_hint<S: Snapshot>(
        &mut self,
        snapshot: &mut S,
        pod: PodId,
        is_acceptable: &impl Fn(NodeKey) -> bool,
    ) -> Option<NodeKey> {
        let node = self.hints.get(pod).filter(|node| snapshot.holds(*node) && is_acceptable(*node))?;
        snapshot.place(pod, node).ok()?;
        self.hints.set(pod, node);
        Some(node)
    }

    fn anywhere<S: Snapshot>(
        &mut self,
        snapshot: &mut S,
        rotation: &mut Rotation,
        pod: &MovedPod,
        hopeless: &mut BTreeMap<u64, BTreeSet<u32>>,
        is_acceptable: &impl Fn(NodeKey) -> bool,
    ) -> Option<NodeKey> {
        let is_hopeless = |controller| hopeless.get(&controller).is_some_and(|kinds| kinds.contains(&pod.kind));
        if pod.controller.is_some_and(is_hopeless) {
            return None;
        }
        let found = place_on_any(snapshot, rotation, pod.pod, is_acceptable);
        match (found, pod.controller) {
            (Some(node), _) => self.hints.set(pod.pod, node),
            (None, Some(controller)) if !pod.is_daemon => {
                let kinds = hopeless.entry(controller).or_default();
                if kinds.len() < MAX_KINDS_BY_CONTROLLER {
                    kinds.insert(pod.kind);
                }
            }
            (None, _) => {}
        }
        found
    }

    /// Ends a turn.
    pub fn drop_old_hints(&mut self) {
        self.hints.drop_old();
    }
}

/// A node that may go (`NodeToBeRemoved`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removable {
    /// The node.
    pub node: NodeKey,
    /// What draining it does with its pods.
    pub moved: PodsToMove,
    /// Where its pods were placed, in the order in which they were.
    pub destinations: Vec<(PodId, NodeKey)>,
    /// Whether a budget does not let all its pods go at once.
    pub is_risky: bool,
}

/// Why the pods of a node keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// The node is not there.
    NoNode,
    /// A pod keeps the node.
    Blocked(PodId, Blocking),
    /// A pod found no place.
    NoPlace,
}

/// Tries to remove a node: its pods must find places among `destinations`. If they do, the snapshot is left with the pods
/// there and without the node; otherwise as before (`SimulateNodeRemoval`).
///
/// # Errors
/// With what keeps the node.
pub fn simulate_removal<S: Snapshot>(
    simulator: &mut Simulator,
    snapshot: &mut S,
    rotation: &mut Rotation,
    node: NodeKey,
    destinations: &BTreeSet<NodeKey>,
    part: impl FnOnce(&[PodId]) -> Result<PodsToMove, (PodId, Blocking)>,
    describe: impl Fn(PodId) -> MovedPod,
) -> Result<Removable, Stuck> {
    if !snapshot.holds(node) {
        return Err(Stuck::NoNode);
    }
    let moved = part(&snapshot.pods_on(node)).map_err(|(pod, reason)| Stuck::Blocked(pod, reason))?;
    snapshot.fork();
    moved.pods.iter().for_each(|pod| snapshot.unplace(*pod, node));
    snapshot.make_ghost(node);
    let pods: Vec<MovedPod> = moved.pods.iter().map(|pod| describe(*pod)).collect();
    let is_candidate = |other: NodeKey| other != node && destinations.contains(&other);
    let placed = simulator.place(snapshot, rotation, &pods, true, is_candidate);
    if placed.len() < pods.len() {
        snapshot.revert();
        return Err(Stuck::NoPlace);
    }
    snapshot.remove(node);
    snapshot.commit();
    Ok(Removable { node, moved, destinations: placed, is_risky: false })
}

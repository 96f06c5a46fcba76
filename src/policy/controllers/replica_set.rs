//! What the ReplicaSet controller decides: how many pods to make, or which to delete.
//!
//! Follows `pkg/controller/replicaset/replica_set.go` (`manageReplicas`, `getPodsToDelete`),
//! `replica_set_utils.go` (`calculateStatus`) and `pkg/controller/controller_utils.go` (`ActivePodsWithRanks`) of
//! v1.37.0. ReplicationControllers are decided alike.
//!
//! Known deviations:
//! - Where upstream lets the pods' random UIDs decide (times of one logarithmic bucket), the lower [`PodId`] goes first.
//! - Two ready times that differ within one bucket are a tie, upon which restarts are looked at; upstream lets the UIDs
//!   decide at once, which is no order that one could sort by.
//! - A creation never fails, so there is no slow start and no `ReplicaFailure`.
//!
//! Cost: [`plan`] costs nothing where the counts are at hand and no pod goes; [`ranked`] costs O(p) for `p` candidates, and
//! O(g log g) for those that go.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{ObservedPod, PodPhase, earlier, next_available};
use crate::ids::{NodeId, PodId};
use crate::model::controllers::ReplicaSetSpec;
use crate::units::{SimDuration, SimTime};

/// How many pods one sync makes or deletes at most (`BurstReplicas`).
pub const BURST_REPLICAS: usize = 500;

/// What one sync writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// How many pods to make.
    pub create: u32,
    /// Pods to delete, the first to go first.
    pub delete: Vec<PodId>,
    /// When to look again, if nothing happens before: now where the burst was too small, else when the next pod becomes
    /// available.
    pub wake: Option<SimTime>,
}

/// `apps/v1.ReplicaSetStatus`: pods that are neither finished nor told to end, unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicaSetStatus {
    /// `replicas`: all of them.
    pub replicas: i32,
    /// `readyReplicas`.
    pub ready: i32,
    /// `availableReplicas`: ready for the minimum ready time.
    pub available: i32,
    /// `terminatingReplicas`: told to end and not yet finished.
    pub terminating: i32,
}

/// Counts the pods of a ReplicaSet.
pub fn status(min_ready: SimDuration, pods: &[ObservedPod], now: SimTime) -> ReplicaSetStatus {
    let count = |counts: &dyn Fn(&ObservedPod) -> bool| {
        i32::try_from(pods.iter().filter(|pod| counts(pod)).count()).expect("pods are counted in i32, as upstream's")
    };
    ReplicaSetStatus {
        replicas: count(&|pod| pod.is_active()),
        ready: count(&|pod| pod.is_active() && pod.is_ready()),
        available: count(&|pod| pod.is_active() && pod.is_available(min_ready, now)),
        terminating: count(&|pod| pod.is_terminating && !pod.phase.is_finished()),
    }
}

/// What one sync looks at where no pod is too many.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// Pods that are neither finished nor told to end.
    pub active: usize,
    /// When the next of them becomes available.
    pub next_available: Option<SimTime>,
}

/// One sync of a ReplicaSet that is not being deleted, from counts. `give_up` names that many pods to delete, the first to
/// go first; it is asked only where some are too many.
pub fn plan(spec: &ReplicaSetSpec, counted: Counted, now: SimTime, give_up: impl FnOnce(usize) -> Vec<PodId>) -> Plan {
    let wanted = usize::try_from(spec.replicas).unwrap_or(0);
    let missing = wanted.saturating_sub(counted.active);
    let surplus = counted.active.saturating_sub(wanted);
    let again = (missing.max(surplus) > BURST_REPLICAS).then_some(now);
    Plan {
        create: missing.min(BURST_REPLICAS) as u32,
        delete: if surplus > 0 { give_up(surplus.min(BURST_REPLICAS)) } else { Vec::new() },
        wake: earlier(again, counted.next_available),
    }
}

/// One sync of a ReplicaSet that is not being deleted.
///
/// `pods` are all its pods, `related` those of all ReplicaSets of the Deployment that owns it, its own among them; none
/// where it stands alone.
pub fn manage_replicas(spec: &ReplicaSetSpec, pods: &[ObservedPod], related: &[ObservedPod], now: SimTime) -> Plan {
    let active: Vec<ObservedPod> = pods.iter().filter(|pod| pod.is_active()).copied().collect();
    let counted = Counted { active: active.len(), next_available: next_available(pods, spec.min_ready, now) };
    plan(spec, counted, now, |count| pods_to_delete(&active, related, count, now))
}

/// The `count` active pods that go: where all do, in the order given.
fn pods_to_delete(active: &[ObservedPod], related: &[ObservedPod], count: usize, now: SimTime) -> Vec<PodId> {
    if count >= active.len() {
        return active.iter().map(|pod| pod.id).collect();
    }
    let mut on_node: BTreeMap<Option<NodeId>, u32> = BTreeMap::new();
    for pod in related.iter().filter(|pod| pod.is_active()) {
        *on_node.entry(pod.node).or_default() += 1;
    }
    ranked(active, |node| on_node.get(&Some(node)).copied().unwrap_or(0), count, now)
}

/// The first `count` of the active pods in the order in which they are given up. `related_on` is how many related pods are on
/// a node.
pub fn ranked(active: &[ObservedPod], related_on: impl Fn(NodeId) -> u32, count: usize, now: SimTime) -> Vec<PodId> {
    // Those without a node are alike in this.
    let related_on = |pod: &ObservedPod| pod.node.map_or(0, &related_on);
    let mut keys: Vec<_> = active.iter().map(|pod| rank(pod, related_on(pod), now)).collect();
    if count < keys.len() {
        keys.select_nth_unstable(count);
        keys.truncate(count);
    }
    keys.sort_unstable();
    keys.into_iter().map(|rank| rank.4).collect()
}

/// Fitness; company on the node; age of readiness; restarts and age; the pod.
type Rank = ((bool, u8, bool, i32), Reverse<u32>, Option<i64>, (Reverse<u32>, Reverse<u32>, i64), PodId);

/// The order in which pods are given up, as a key: rule after rule of `ActivePodsWithRanks`, the least goes first.
/// `related_on_node` is how many related pods share the pod's node.
fn rank(pod: &ObservedPod, related_on_node: u32, now: SimTime) -> Rank {
    let phase = match pod.phase {
        PodPhase::Pending => 0,
        PodPhase::Running | PodPhase::Succeeded | PodPhase::Failed => 2,
    };
    (
        (pod.node.is_some(), phase, pod.is_ready(), pod.deletion_cost),
        Reverse(related_on_node),
        pod.ready_since.map(|since| bucket(since, now)),
        (Reverse(pod.restarts), Reverse(pod.sidecar_restarts), bucket(pod.created, now)),
        pod.id,
    )
}

/// The binary logarithm of a time's age in nanoseconds, rounded down; -1 for what is not past. Upstream's is a
/// floating-point logarithm, which differs within 3 ns below powers of two beyond 13 days.
fn bucket(time: SimTime, now: SimTime) -> i64 {
    match now.0.saturating_sub(time.0) {
        0 => -1,
        age => i64::from(age.ilog2()),
    }
}

#[cfg(test)]
mod tests;

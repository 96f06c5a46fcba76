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
//! Cost: O(p log p) for `p` pods when some of them go, else O(p).

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

/// One sync of a ReplicaSet that is not being deleted.
///
/// `pods` are all its pods, `related` those of all ReplicaSets of the Deployment that owns it, its own among them; none
/// where it stands alone.
pub fn manage_replicas(spec: &ReplicaSetSpec, pods: &[ObservedPod], related: &[ObservedPod], now: SimTime) -> Plan {
    let active: Vec<&ObservedPod> = pods.iter().filter(|pod| pod.is_active()).collect();
    let wanted = usize::try_from(spec.replicas).unwrap_or(0);
    let missing = wanted.saturating_sub(active.len());
    let surplus = active.len().saturating_sub(wanted);
    let again = (missing.max(surplus) > BURST_REPLICAS).then_some(now);
    Plan {
        create: missing.min(BURST_REPLICAS) as u32,
        delete: pods_to_delete(active, related, surplus.min(BURST_REPLICAS), now),
        wake: earlier(again, next_available(pods, spec.min_ready, now)),
    }
}

/// The first `count` of the active pods in the order in which they are given up.
fn pods_to_delete(mut active: Vec<&ObservedPod>, related: &[ObservedPod], count: usize, now: SimTime) -> Vec<PodId> {
    if count > 0 && count < active.len() {
        let mut on_node: BTreeMap<Option<NodeId>, u32> = BTreeMap::new();
        for pod in related.iter().filter(|pod| pod.is_active()) {
            *on_node.entry(pod.node).or_default() += 1;
        }
        active.sort_by_cached_key(|pod| rank(pod, on_node.get(&pod.node).copied().unwrap_or(0), now));
    }
    active.iter().take(count).map(|pod| pod.id).collect()
}

/// The order in which pods are given up, as a key: rule after rule of `ActivePodsWithRanks`, the least goes first.
/// `related_on_node` is how many related pods share the pod's node.
fn rank(pod: &ObservedPod, related_on_node: u32, now: SimTime) -> impl Ord + use<> {
    let phase = match pod.phase {
        PodPhase::Pending => 0,
        PodPhase::Running | PodPhase::Succeeded | PodPhase::Failed => 2,
    };
    (
        (pod.node.is_some(), phase, pod.is_ready(), pod.deletion_cost),
        Reverse(related_on_node),
        pod.ready_since.map(|since| bucket(since, now)),
        (Reverse(pod.restarts), Reverse(pod.sidecar_restarts)),
        bucket(pod.created, now),
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

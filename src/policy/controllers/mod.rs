//! What the controllers of Kubernetes v1.37.0 decide: pure functions from what a controller sees to what it writes.
//!
//! One file a controller. Each function is one `sync` of upstream's loop: it is called when something changed that the
//! controller watches, or at the instant that it asked for, and says what to write now and when to look again. Writing
//! is the engine's.
//!
//! What all of them leave out: objects that change hands (adoption, orphans), and the bookkeeping of writes that are
//! under way (upstream's expectations). A caller that delays what a controller sees holds the controller back until it
//! sees its own writes, as upstream does. Instants are exact here; upstream's are cut to whole seconds where they pass
//! through the API, so that its minimum ready times end up to a second earlier.

pub mod analysis;
pub mod cron;
pub mod cron_job;
pub mod daemon_set;
pub mod deployment;
pub mod job;
pub mod replica_set;
pub mod rollout;
pub mod stateful_set;

pub mod node_lifecycle;

use crate::ids::{NodeId, PodId, RevisionId};
use crate::model::objects::CountOrPercent;
use crate::units::{SimDuration, SimTime};

pub use crate::world::lives::PodPhase;

/// A pod as its controller sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObservedPod {
    /// The pod.
    pub id: PodId,
    /// `metadata.creationTimestamp`.
    pub created: SimTime,
    /// `status.phase`.
    pub phase: PodPhase,
    /// `spec.nodeName`.
    pub node: Option<NodeId>,
    /// Since when the condition `Ready` has been true.
    pub ready_since: Option<SimTime>,
    /// Whether it has been told to end (`metadata.deletionTimestamp`).
    pub is_terminating: bool,
    /// The template that it was made from.
    pub revision: RevisionId,
    /// Ordinal in a StatefulSet, completion index in an indexed Job; else 0.
    pub ordinal: u32,
    /// How often containers were started again: the largest number of one container that is not a sidecar.
    pub restarts: u32,
    /// How often sidecars were started again: the largest number of one sidecar.
    pub sidecar_restarts: u32,
    /// `controller.kubernetes.io/pod-deletion-cost`; unset: 0.
    pub deletion_cost: i32,
}

impl ObservedPod {
    /// Whether it is neither finished nor told to end (`controller.IsPodActive`).
    pub fn is_active(&self) -> bool {
        !self.phase.is_finished() && !self.is_terminating
    }

    /// Whether it is ready.
    pub fn is_ready(&self) -> bool {
        self.ready_since.is_some()
    }

    /// Whether it has been ready for `min_ready` (`podutil.IsPodAvailable`).
    pub fn is_available(&self, min_ready: SimDuration, now: SimTime) -> bool {
        self.ready_since.is_some_and(|since| since.after(min_ready) <= now)
    }
}

/// The number of pods that a count or a share of `of` pods means (`intstr.GetScaledValueFromIntOrPercent`).
pub(crate) fn scaled(value: CountOrPercent, of: i32, rounds_up: bool) -> i32 {
    match value {
        CountOrPercent::Count(count) => count.min(SCALED_MAX),
        CountOrPercent::Percent(percent) => {
            let hundredths = i64::from(percent) * i64::from(of);
            let whole = if rounds_up { (hundredths + 99).div_euclid(100) } else { hundredths.div_euclid(100) };
            i32::try_from(whole).unwrap_or(SCALED_MAX).min(SCALED_MAX)
        }
    }
}

/// More than any number of replicas, and so little that sums with those stay in range, where upstream's overflow.
const SCALED_MAX: i32 = 1 << 29;

/// When the first of the pods that are ready now, and not yet for `min_ready`, will have been ready so long
/// (`controller.FindMinNextPodAvailabilityCheck`).
pub(crate) fn next_available(pods: &[ObservedPod], min_ready: SimDuration, now: SimTime) -> Option<SimTime> {
    let due = pods.iter().filter(|pod| pod.is_active()).filter_map(|pod| pod.ready_since);
    due.map(|since| since.after(min_ready)).filter(|&at| at > now).min()
}

/// The earlier of two instants to look again.
pub(crate) fn earlier(one: Option<SimTime>, other: Option<SimTime>) -> Option<SimTime> {
    one.into_iter().chain(other).min()
}

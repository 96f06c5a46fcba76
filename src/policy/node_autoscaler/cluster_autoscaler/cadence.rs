//! When a turn of the loop may scale up or down (`core/static_autoscaler.go`).
//!
//! A turn, every ten seconds: refresh; delete instances that never registered; stop if too many nodes are unready; put
//! groups' sizes right, and if any was wrong stop; add nodes that are on their way to the snapshot; pack pods on them that
//! fit there; scale up for the rest if this module lets it; look for unneeded nodes; return some if this module lets it.

use super::options::Options;
use crate::units::{SimDuration, SimTime};

/// Age of the oldest pod without a place before anything is bought.
pub const POD_BUFFER: SimDuration = SimDuration(2_000_000_000);

/// The same among pods that ask for GPUs.
pub const GPU_POD_BUFFER: SimDuration = SimDuration(30_000_000_000);

/// A pod without a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingPod {
    /// When it was made.
    pub created: SimTime,
    /// Its annotation `cluster-autoscaler.kubernetes.io/pod-scale-up-delay`.
    pub scale_up_delay: Option<SimDuration>,
    /// Whether it asks for GPUs.
    pub asks_gpu: bool,
}

/// Whether a pod is old enough to be helped (`filterOutYoungPods`); an annotation can only lengthen the delay.
pub fn is_old_enough(pod: &WaitingPod, options: &Options, now: SimTime) -> bool {
    let delay = options.new_pod_scale_up_delay;
    let delay = pod.scale_up_delay.map_or(delay, |annotated| annotated.max(delay));
    now > pod.created.after(delay)
}

/// Whether a turn scales up, and if not why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayScaleUp {
    /// It does.
    Yes,
    /// There is no pod to help.
    NotNeeded,
    /// The cluster has all the nodes it may have.
    MaxNodesReached,
    /// All pods are new, and more may come; nothing is returned in this turn, either.
    TooSoon,
}

/// Decides whether to scale up for the pods that are old enough (`shouldScaleUp`).
pub fn may_scale_up(pods: &[WaitingPod], ready_nodes: usize, options: &Options, now: SimTime) -> MayScaleUp {
    let oldest = |gpu_only: bool| {
        let pods = pods.iter().filter(|pod| !gpu_only || pod.asks_gpu);
        pods.map(|pod| pod.created).min()
    };
    let is_new = |oldest: Option<SimTime>, buffer| oldest.is_some_and(|created| created.after(buffer) > now);
    if pods.is_empty() {
        MayScaleUp::NotNeeded
    } else if options.max_nodes_total > 0 && ready_nodes >= options.max_nodes_total {
        MayScaleUp::MaxNodesReached
    } else if is_new(oldest(false), POD_BUFFER) || is_new(oldest(true), GPU_POD_BUFFER) {
        MayScaleUp::TooSoon
    } else {
        MayScaleUp::Yes
    }
}

/// When things last happened; at the start of the autoscaler, an hour before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastTimes {
    /// The last scale-up.
    pub scale_up: Option<SimTime>,
    /// The last deletion of a node that was begun.
    pub delete: Option<SimTime>,
    /// The last scale-down that failed.
    pub failure: Option<SimTime>,
}

impl LastTimes {
    /// Whether scale-down pauses (`isScaleDownInCooldown`). Unneeded nodes are looked for all the same. With pauses of each
    /// group's own, ask this of the group's times and leave its nodes out of the candidates.
    pub fn in_cooldown(&self, options: &Options, now: SimTime) -> bool {
        let lasts = |last: Option<SimTime>, pause| last.is_some_and(|last| last.after(pause) > now);
        lasts(self.scale_up, options.scale_down_delay_after_add)
            || lasts(self.failure, options.scale_down_delay_after_failure)
            || lasts(self.delete, options.scale_down_delay_after_delete)
    }
}

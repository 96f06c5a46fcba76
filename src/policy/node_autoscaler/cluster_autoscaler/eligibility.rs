//! Which nodes are looked at for scale-down (`core/scaledown/eligibility`).

use super::options::NodeGroupOptions;
use super::planner::Unremovable;
use super::utilization::{Judged, Utilization};
use crate::units::{SimDuration, SimTime};

/// How long the taint of a node that is being deleted is believed (`MaxCloudProviderNodeDeletionTime`).
pub const MAX_DELETION_TIME: SimDuration = SimDuration(300_000_000_000);

/// What is seen of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// When it was tainted as one that is deleted, if it was.
    pub to_be_deleted_since: Option<SimTime>,
    /// Whether its annotation `cluster-autoscaler.kubernetes.io/scale-down-disabled` is `true`.
    pub scale_down_disabled: bool,
    /// Whether it is of a node group.
    pub has_group: bool,
    /// Whether it is ready.
    pub is_ready: bool,
    /// How much of it is used; `None`: it cannot be said.
    pub utilization: Option<Utilization>,
}

/// Why a node is not looked at, or its pods' places looked for (`FilterOutUnremovable`). `None`: it is.
pub fn unremovable_reason(
    node: &Candidate,
    options: &NodeGroupOptions,
    scale_down_unready_enabled: bool,
    now: SimTime,
) -> Option<Unremovable> {
    // A taint from the future counts as fresh.
    let is_fresh = |since: SimTime| now.0.saturating_sub(since.0) < MAX_DELETION_TIME.0;
    if node.to_be_deleted_since.is_some_and(is_fresh) {
        return Some(Unremovable::CurrentlyBeingDeleted);
    }
    if node.scale_down_disabled {
        return Some(Unremovable::ScaleDownDisabledAnnotation);
    }
    if !node.has_group {
        return Some(Unremovable::NotAutoscaled);
    }
    let Some(utilization) = node.utilization else { return Some(Unremovable::UnexpectedError) };
    if !scale_down_unready_enabled && !node.is_ready {
        return Some(Unremovable::ScaleDownUnreadyDisabled);
    }
    let threshold = match utilization.judged {
        Judged::Gpu => options.scale_down_gpu_utilization_threshold,
        Judged::Cpu | Judged::Memory => options.scale_down_utilization_threshold,
    };
    (utilization.share > threshold).then_some(Unremovable::NotUnderutilized)
}

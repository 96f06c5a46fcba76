//! What the controllers of Kubernetes v1.37.0 decide: pure functions from what a controller sees to what it writes.
//!
//! One file a controller. Each function is one `sync` of upstream's loop: it is called when something changed that the
//! controller watches, or at the instant that it asked for, and says what to write now and when to look again. Writing
//! is the engine's.

pub mod node_lifecycle;

use crate::ids::{NodeId, PodId, RevisionId};
use crate::units::{SimDuration, SimTime};

/// `v1.PodPhase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodPhase {
    /// Not all containers have started.
    Pending,
    /// On a node, and started.
    Running,
    /// All containers have ended well.
    Succeeded,
    /// All containers have ended, and one of them badly, or the pod was ended.
    Failed,
}

impl PodPhase {
    /// Whether the pod has ended.
    pub fn is_finished(self) -> bool {
        matches!(self, PodPhase::Succeeded | PodPhase::Failed)
    }
}

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
    /// How often containers were started again: the largest number of one container.
    pub restarts: u32,
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

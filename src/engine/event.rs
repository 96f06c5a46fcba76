//! The glossary of the simulation: everything that can happen, and in which order at one instant.

use crate::ids::{ControllerId, NodeId, PodId};

/// What comes first at one instant: ends before changes of nodes before arrivals before decisions, so that a decision
/// sees everything that its instant brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Pods end, and give back what they held.
    Completion,
    /// Pods get on: bound, started.
    Progress,
    /// The script changes nodes.
    Script,
    /// Pods arrive.
    Arrival,
    /// Controllers look at what they own.
    Control,
    /// The scheduler decides.
    Scheduling,
}

/// What a pod does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    /// The scheduler has finished thinking about the pod. Scheduled by [`Event::Schedule`], handled in
    /// `handlers::scheduling`: decides for it.
    Decide,
    /// The binding is done. Scheduled by the decision, handled in `handlers::pod`: the pod begins to start.
    Bind,
    /// The pod has started. Scheduled by the binding, handled in `handlers::pod`: the pod runs.
    Start,
    /// The pod's work is done. Scheduled by its start, handled in `handlers::pod`: gives back what it held.
    Finish,
    /// Something happens in the life of the pod: a container starts, ends, is probed. Scheduled by its life for the
    /// instant that it asks for, handled in `handlers::life`; stale when the life asks for another by now.
    Life,
    /// The containers of a pod have ended, or it was told to end before they began. Scheduled by its life and its
    /// deletion, handled in `handlers::life`.
    End,
}

/// Everything that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The next pod of a source arrives. Scheduled by the source's previous arrival (one pending event a source),
    /// handled in `handlers::arrival`: adds a pending pod.
    Arrive {
        /// Position in the workload's sources.
        source: u16,
    },
    /// A controller looks at what it owns. Scheduled by whatever it watches and by itself, handled in
    /// `handlers::controllers`: makes and ends pods.
    Sync {
        /// The controller.
        controller: ControllerId,
    },
    /// The scheduler looks at the waiting pods. Scheduled by whatever can help one of them, handled in
    /// `handlers::scheduling`: decides for pod after pod, or becomes busy with the first.
    Schedule,
    /// The scheduling queue of kube-scheduler moves pods that have waited long enough. Scheduled by the queue's timers,
    /// handled in `handlers::queue`.
    Flush,
    /// A pod takes its next step.
    Pod {
        /// The step.
        step: Step,
        /// How often the pod had lost its node when the event was scheduled: when it lost its node in between, the
        /// event belongs to an earlier life, is stale, and is ignored.
        generation: u16,
        /// The pod.
        pod: PodId,
    },
    /// A node that is being drained is looked at again. Scheduled by the drain, handled in `handlers::drain`.
    Drain {
        /// The node.
        node: NodeId,
    },
    /// What containers use on a node is looked at: memory may be short, or CPU shared in another way. Scheduled by whatever
    /// changes it and by itself, handled in `handlers::usage`; stale when the node asks for another instant by now.
    Usage {
        /// The node.
        node: NodeId,
    },
    /// Images have been transferred, or are to be collected. Scheduled by whoever changes the transfers, handled in
    /// `handlers::life`: pods get on whose images are there.
    Images,
    /// A scripted action is due. Scheduled at the start of the run, handled in `handlers::node`.
    Script {
        /// Position in the model's script.
        index: u32,
    },
}

// Millions of events are moved in and out of the queue: they stay as small as a pointer.
const _: () = assert!(size_of::<Event>() <= 8);

impl Event {
    /// Its place among the events of one instant.
    pub fn phase(self) -> Phase {
        match self {
            Event::Pod { step: Step::Finish | Step::Life | Step::End, .. } => Phase::Completion,
            Event::Pod { step: Step::Bind | Step::Start, .. } | Event::Images | Event::Usage { .. } => {
                Phase::Progress
            },
            Event::Script { .. } | Event::Drain { .. } => Phase::Script,
            Event::Arrive { .. } => Phase::Arrival,
            Event::Sync { .. } => Phase::Control,
            Event::Schedule | Event::Flush | Event::Pod { step: Step::Decide, .. } => Phase::Scheduling,
        }
    }
}

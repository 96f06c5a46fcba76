//! The glossary of the simulation: everything that can happen, and in which order at one instant.

use crate::ids::{AutoscalerId, ControllerId, MachineId, NodeId, PodId};

/// What comes first at one instant: ends before changes of nodes before arrivals before decisions, so that a decision
/// sees everything that its instant brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Pods end, and give back what they held.
    Completion,
    /// Pods get on: bound, started.
    Progress,
    /// The script and faults change nodes and services.
    Script,
    /// The control plane notices which nodes do not report, and asks the others what containers use.
    Monitoring,
    /// It taints them.
    Tainting,
    /// Pods whose time on a tainted node is over are told to end.
    TaintEviction,
    /// Pods arrive.
    Arrival,
    /// Writes to the API are done, so that whoever looks at this instant sees all of them.
    Writing,
    /// Controllers look at what they own.
    Control,
    /// The scheduler decides.
    Scheduling,
    /// Node autoscalers look at what it could not place.
    Provisioning,
}

/// What a pod does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    /// A pod that can wait has waited long enough. Scheduled by its arrival, handled in `handlers::deferral`: the scheduler gets it.
    Release,
    /// The scheduler has finished thinking about the pod. Scheduled by [`Event::Schedule`], handled in
    /// `handlers::scheduling`: decides for it.
    Decide,
    /// The binding is done. Scheduled by the decision, handled in `handlers::pod`: the pod begins to start.
    Bind,
    /// The pod has started. Scheduled by the binding, handled in `handlers::pod`: the pod runs.
    Start,
    /// A container of the pod dies, as its distribution has it. Scheduled when the pod begins on its node and by the crash
    /// before, handled in `handlers::faults`.
    Crash,
    /// The pod's work is done. Scheduled by its start, handled in `handlers::pod`: gives back what it held.
    Finish,
    /// Something happens in the life of the pod: a container starts, ends, is probed. Scheduled by its life for the
    /// instant that it asks for, handled in `handlers::life`; stale when the life asks for another by now.
    Life,
    /// The containers of a pod have ended, or it was told to end before they began. Scheduled by its life and its
    /// deletion, handled in `handlers::life`.
    End,
}

/// What happens to a node by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum NodeStep {
    /// It fails, as its distribution has it. Scheduled when it joins or is repaired, handled in `handlers::faults`.
    Fail,
    /// It is repaired. Scheduled by its failure, handled in `handlers::faults`.
    Repair,
    /// It has booted and is ready. Scheduled when it reports after a boot, handled in `handlers::node_lifecycle`.
    BecomeReady,
    /// The provider says that it will take it back. Scheduled when it joins, handled in `handlers::faults`.
    ReclaimNotice,
    /// The provider takes it back. Scheduled by the notice, handled in `handlers::faults`.
    Reclaim,
    /// Its pods are deleted because it is gone. Scheduled when it goes, handled in `handlers::node_lifecycle`.
    Collect,
    /// Pods that have been told to end are taken for gone because it is out of service. Scheduled when it is said to be so
    /// and when pods are told, handled in `handlers::out_of_service`.
    CollectTerminating,
}

/// What a machine that was ordered does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MachineStep {
    /// The provider begins to charge for it. Scheduled by the order, handled in `handlers::provisioning`.
    Launch,
    /// Its node joins. Scheduled by the launch, handled in `handlers::provisioning`.
    Join,
    /// Its node takes pods. Scheduled when it joins, handled in `handlers::provisioning`.
    BecomeReady,
    /// Its node is to be empty, and is looked at again. Scheduled by the order to return it, by itself, and by pods that leave;
    /// handled in `handlers::provisioning`.
    Empty,
    /// The provider says that it will take it back. Scheduled when it is launched, handled in `handlers::market`.
    ReclaimNotice,
    /// The provider takes it back although it has no node yet. Scheduled by the notice, handled in `handlers::market`.
    Reclaim,
    /// It has been shut down. Scheduled when its node is empty, handled in `handlers::provisioning`.
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
    /// A write to the API is done. Scheduled by who writes, handled in `handlers::writes`.
    Write {
        /// Its number.
        number: u32,
    },
    /// Nodes are asked what containers use. Scheduled by the time before, handled in `handlers::autoscaling`.
    Scrape,
    /// An autoscaler looks at its target. Scheduled by its sync before, handled in `handlers::autoscaling`: scales the target.
    Autoscale {
        /// The autoscaler.
        autoscaler: AutoscalerId,
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
    /// Vertical autoscalers learn what containers used, and evict or resize pods. Scheduled by the time before, handled in
    /// `handlers::autoscaling::vertical`.
    SizePods,
    /// A node that is being drained is looked at again. Scheduled by the drain, handled in `handlers::drain`.
    Drain {
        /// The node.
        node: NodeId,
    },
    /// A window of traffic is over: what requests used becomes the usage of containers. Scheduled by the window before, handled
    /// in `handlers::traffic`.
    Window,
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
    /// A listed fault begins. Scheduled at the start of the run, handled in `handlers::faults`.
    Fault {
        /// Position in the model's list of faults.
        index: u32,
    },
    /// A listed fault is over. Scheduled by its beginning, handled in `handlers::faults`.
    FaultEnds {
        /// Position in the model's list of faults.
        index: u32,
    },
    /// Something happens to a node by itself.
    Node {
        /// What.
        step: NodeStep,
        /// How often the node had gone down when the event was scheduled; [`NodeStep::BecomeReady`] is stale when it
        /// has gone down since.
        boot: u16,
        /// The node.
        node: NodeId,
    },
    /// The node lifecycle controller looks at all nodes. Scheduled for the passes of its loop that can change anything,
    /// handled in `handlers::node_lifecycle`.
    Monitor,
    /// Nodes that wait for a taint get it as far as the rates allow. Scheduled for the passes that can change anything,
    /// handled in `handlers::node_lifecycle`.
    Taint,
    /// A node autoscaler has its turn. Scheduled by its turn before and by pods that fit nowhere, handled in
    /// `handlers::provisioning`; stale when its turn is at another instant by now.
    Provision {
        /// Position in the model's list of node autoscalers.
        autoscaler: u16,
    },
    /// What a node autoscaler wanted reaches whoever does it. Scheduled by its turn, handled in `handlers::provisioning`.
    Orders {
        /// Position in the model's list of node autoscalers.
        autoscaler: u16,
    },
    /// A machine takes its next step; stale when it went another way in the meantime.
    Machine {
        /// The step.
        step: MachineStep,
        /// The machine.
        machine: MachineId,
    },
    /// The provider has more or fewer machines of a kind. Scheduled by the change before, handled in `handlers::market`.
    Market {
        /// Position among the goods of the market.
        good: u32,
    },
    /// A pod has stayed on a tainted node for as long as it tolerates. Scheduled when the taint comes, handled in
    /// `handlers::node_lifecycle`; stale when the pod has another date, or none, by then.
    TaintEviction {
        /// The pod.
        pod: PodId,
    },
}

// Millions of events are moved in and out of the queue: they stay as small as a pointer.
const _: () = assert!(size_of::<Event>() <= 8);

impl Event {
    /// Its place among the events of one instant.
    pub fn phase(self) -> Phase {
        match self {
            Event::Pod { step: Step::Crash | Step::Finish | Step::Life | Step::End, .. } => Phase::Completion,
            Event::Pod { step: Step::Bind | Step::Start, .. } | Event::Images | Event::Usage { .. } => Phase::Progress,
            Event::Script { .. }
            | Event::Drain { .. }
            | Event::Window
            | Event::Fault { .. }
            | Event::FaultEnds { .. }
            | Event::Node { .. }
            | Event::Machine { .. }
            | Event::Market { .. } => Phase::Script,
            Event::Monitor | Event::Scrape => Phase::Monitoring,
            Event::Taint => Phase::Tainting,
            Event::TaintEviction { .. } => Phase::TaintEviction,
            Event::Arrive { .. } | Event::Pod { step: Step::Release, .. } => Phase::Arrival,
            Event::Write { .. } => Phase::Writing,
            Event::Sync { .. } | Event::Autoscale { .. } | Event::SizePods => Phase::Control,
            Event::Schedule | Event::Flush | Event::Pod { step: Step::Decide, .. } => Phase::Scheduling,
            Event::Provision { .. } | Event::Orders { .. } => Phase::Provisioning,
        }
    }
}

//! The pods that have arrived, in columns. About 100 bytes a pod.

use super::nodes::{GpuMask, NO_POD, Nodes};
use crate::ids::{ClassId, NodeId, PodId};
use crate::units::SimTime;

/// Where a pod is on its way (invariant I1: in exactly one phase).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Arrived, and has no node.
    Pending,
    /// A node is chosen and reserved, the binding is under way.
    Bound,
    /// Bound; the node is starting it.
    Starting,
    /// Works.
    Running,
    /// Ended its work.
    Succeeded,
    /// Ended by a failure.
    Failed,
    /// Ended by a drain.
    Evicted,
    /// Ended by deletion.
    Deleted,
}

impl Phase {
    /// How many phases there are.
    pub const COUNT: usize = 8;
    /// All phases.
    pub const ALL: [Phase; Phase::COUNT] = [
        Phase::Pending,
        Phase::Bound,
        Phase::Starting,
        Phase::Running,
        Phase::Succeeded,
        Phase::Failed,
        Phase::Evicted,
        Phase::Deleted,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Pending => "pending",
            Phase::Bound => "bound",
            Phase::Starting => "starting",
            Phase::Running => "running",
            Phase::Succeeded => "succeeded",
            Phase::Failed => "failed",
            Phase::Evicted => "evicted",
            Phase::Deleted => "deleted",
        }
    }

    /// Whether a pod in this phase holds a node's resources.
    pub fn holds_node(self) -> bool {
        matches!(self, Phase::Bound | Phase::Starting | Phase::Running)
    }
}

/// Why a pod ended or waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// Nothing to say.
    None,
    /// No node fits.
    Unschedulable,
    /// Its node was drained.
    NodeDrained,
    /// Its node left the cluster.
    NodeRemoved,
    /// Its node crashed.
    NodeCrashed,
    /// It came bound to a node that could not take it.
    OutOfResources,
    /// It made room for a pod of higher priority.
    Preempted,
    /// Something went wrong when it was tried or bound: an extender failed.
    SchedulerError,
    /// Its controller or a user deleted it.
    Deleted,
    /// Its node got a taint that it does not tolerate, or no longer does.
    TaintEviction,
    /// The provider took its node back.
    NodeReclaimed,
    /// Memory was short on its node.
    Evicted,
    /// It used more memory than there was for it.
    OomKilled,
    /// A vertical autoscaler evicted it, so that its replacement gets another size.
    VerticallyScaled,
    /// It can wait, and its hour has not come.
    Deferred,
}

impl Reason {
    /// All reasons, in order of their numbers.
    pub const ALL: [Reason; 15] = [
        Reason::None,
        Reason::Unschedulable,
        Reason::NodeDrained,
        Reason::NodeRemoved,
        Reason::NodeCrashed,
        Reason::OutOfResources,
        Reason::Preempted,
        Reason::SchedulerError,
        Reason::Deleted,
        Reason::TaintEviction,
        Reason::NodeReclaimed,
        Reason::Evicted,
        Reason::OomKilled,
        Reason::VerticallyScaled,
        Reason::Deferred,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Reason::None => "",
            Reason::Unschedulable => "Unschedulable",
            Reason::NodeDrained => "NodeDrained",
            Reason::NodeRemoved => "NodeRemoved",
            Reason::NodeCrashed => "NodeCrashed",
            Reason::OutOfResources => "OutOfResources",
            Reason::Preempted => "Preempted",
            Reason::SchedulerError => "SchedulerError",
            Reason::Deleted => "Deleted",
            Reason::TaintEviction => "TaintEviction",
            Reason::NodeReclaimed => "NodeReclaimed",
            Reason::Evicted => "Evicted",
            Reason::OomKilled => "OOMKilled",
            Reason::VerticallyScaled => "EvictedByVPA",
            Reason::Deferred => "Deferred",
        }
    }
}

/// Whether a pod that still holds its node has been told to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Deletion {
    /// It has not.
    #[default]
    None,
    /// It has: `metadata.deletionTimestamp` is set.
    Requested,
    /// It has, to make room for a pod of higher priority.
    Preempted,
}

/// The source of pods that controllers make.
pub const MADE_BY_CONTROLLER: u16 = u16::MAX;

/// The start of a pod that has not started.
pub const NOT_STARTED_NS: i64 = i64::MAX;

const NO_NODE: u32 = u32::MAX;

/// Columns of pods by [`PodId`].
#[derive(Clone, Debug, Default)]
pub struct Pods {
    /// Which source it came from, and its number there: the key to its name. Pods that a controller made come from
    /// [`MADE_BY_CONTROLLER`], and the number is that in [`Pods::member`].
    pub origin: Vec<(u16, u32)>,
    /// Its entry among the pods that have an owner, or [`super::owners::NO_MEMBER`].
    pub member: Vec<u32>,
    /// Its class.
    pub class: Vec<ClassId>,
    /// Where it is on its way.
    pub phase: Vec<Phase>,
    /// Why it ended or waits.
    pub reason: Vec<Reason>,
    /// Whether it is on its way out.
    pub deletion: Vec<Deletion>,
    /// How often it lost its node; events of earlier lives are stale.
    pub generation: Vec<u16>,
    /// How often the scheduler tried to place it.
    pub attempts: Vec<u32>,
    /// How long it runs, in ns; `u64::MAX`: for ever.
    pub duration_ns: Vec<u64>,
    /// When it arrived.
    pub arrival: Vec<SimTime>,
    /// When it started (`status.startTime`), in ns from the start of the run: when it was last bound; negative for pods
    /// that ran before; [`NOT_STARTED_NS`] until it is bound. Of two pods of equal priority the one that started later
    /// is preempted first.
    pub start_ns: Vec<i64>,
    /// When it was first bound.
    pub bound: Vec<SimTime>,
    /// When it last began to run.
    pub running: Vec<SimTime>,
    /// When it ended.
    pub finished: Vec<SimTime>,
    /// Where it is or was; a row and not columns, because all of it changes at once.
    places: Vec<Place>,
}

/// Where a pod is.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The node it holds, or held last.
    node: u32,
    /// The GPUs it holds, or held last.
    gpus: GpuMask,
    /// The pods before and after it in the list of its node.
    next: u32,
    previous: u32,
}

/// Stands for the pod before one that is in no list.
const IN_NO_LIST: u32 = u32::MAX - 1;

impl Pods {
    /// How many pods have arrived.
    pub fn len(&self) -> usize {
        self.class.len()
    }

    /// Whether no pod has arrived.
    pub fn is_empty(&self) -> bool {
        self.class.is_empty()
    }

    /// Adds a pending pod that arrives now.
    pub fn push(&mut self, origin: (u16, u32), class: ClassId, now: SimTime, duration_ns: u64) -> PodId {
        let id = PodId::from_index(self.len());
        self.origin.push(origin);
        self.member.push(super::owners::NO_MEMBER);
        self.class.push(class);
        self.phase.push(Phase::Pending);
        self.reason.push(Reason::None);
        self.deletion.push(Deletion::None);
        self.generation.push(0);
        self.attempts.push(0);
        self.duration_ns.push(duration_ns);
        self.arrival.push(now);
        self.start_ns.push(NOT_STARTED_NS);
        self.bound.push(SimTime::NEVER);
        self.running.push(SimTime::NEVER);
        self.finished.push(SimTime::NEVER);
        self.places.push(Place { node: NO_NODE, gpus: 0, next: NO_POD, previous: IN_NO_LIST });
        id
    }

    /// The node the pod holds now.
    #[inline]
    pub fn node(&self, pod: PodId) -> Option<NodeId> {
        let place = &self.places[pod.index()];
        (place.previous != IN_NO_LIST).then_some(NodeId(place.node))
    }

    /// The node the pod holds now or held last.
    pub fn last_node(&self, pod: PodId) -> Option<NodeId> {
        let node = self.places[pod.index()].node;
        (node != NO_NODE).then_some(NodeId(node))
    }

    /// The GPUs that the pod holds now or held last.
    #[inline]
    pub fn gpus(&self, pod: PodId) -> GpuMask {
        self.places[pod.index()].gpus
    }

    pub(super) fn next_on_node(&self, pod: PodId) -> Option<PodId> {
        let next = self.places[pod.index()].next;
        (next != NO_POD).then_some(PodId(next))
    }

    /// Puts the pod at the head of the node's list.
    ///
    /// # Panics
    /// When the pod is in a list already.
    #[inline]
    pub(super) fn link(&mut self, nodes: &mut Nodes, pod: PodId, node: NodeId, gpus: GpuMask) {
        let head = std::mem::replace(&mut nodes.first_pod[node.index()], pod.0);
        if head != NO_POD {
            self.places[head as usize].previous = pod.0;
        }
        let place = &mut self.places[pod.index()];
        assert!(place.previous == IN_NO_LIST, "a pod is placed twice");
        *place = Place { node: node.0, gpus, next: head, previous: NO_POD };
        nodes.pod_count[node.index()] += 1;
    }

    /// Takes the pod out of its node's list, and gives the node and the GPUs it held.
    ///
    /// # Panics
    /// When the pod holds no node.
    #[inline]
    pub(super) fn unlink(&mut self, nodes: &mut Nodes, pod: PodId) -> (NodeId, GpuMask) {
        let place = &mut self.places[pod.index()];
        let Place { node, gpus, next, previous } = *place;
        assert!(previous != IN_NO_LIST, "a pod without a node is released");
        place.previous = IN_NO_LIST;
        if previous == NO_POD {
            nodes.first_pod[node as usize] = next;
        } else {
            self.places[previous as usize].next = next;
        }
        if next != NO_POD {
            self.places[next as usize].previous = previous;
        }
        nodes.pod_count[node as usize] -= 1;
        (NodeId(node), gpus)
    }
}

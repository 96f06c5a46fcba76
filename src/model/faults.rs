//! What goes wrong in a run, at given instants or drawn.
//!
//! Drawn faults of a node come from streams of that node alone, so that they stay the same when policies, other nodes
//! or other faults change.

use super::Dist;
use crate::ids::{ControllerId, NodeId, PoolId, ZoneId};
use crate::units::{SimDuration, SimTime};

/// All faults of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Faults at given instants, in order of time.
    pub listed: Vec<Fault>,
    /// Nodes that fail and are repaired.
    pub nodes: Vec<NodeFailures>,
    /// Nodes that the provider takes back.
    pub spot: Vec<SpotReclaims>,
    /// Pods of which a container dies.
    pub pods: Vec<PodCrashes>,
}

/// A fault at a given instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// When it begins.
    pub at: SimTime,
    /// How long it lasts; none: for ever.
    pub span: Option<SimDuration>,
    /// What it is.
    pub kind: FaultKind,
}

/// Kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FaultKind {
    /// A node is down, with everything on it.
    NodeDown(NodeId),
    /// All nodes that a zone has at the beginning are down.
    ZoneDown(ZoneId),
    /// All nodes that a zone has at the beginning run on, but cannot be reached.
    ZoneCutOff(ZoneId),
    /// Nothing can be read from the API server or written to it.
    ApiServerDown,
    /// Writes to the API server take so many times as long.
    ApiServerSlow(f64),
    /// Pulling images takes so many times as long.
    RegistrySlow(f64),
    /// A pool gets no new nodes.
    StockOut(PoolId),
    /// The provider takes a node back: at once it takes no more pods and its pods are told to end; when the span is over
    /// it goes.
    Reclaim(NodeId),
}

/// Nodes that fail and are repaired, each by itself, again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeFailures {
    /// The pool; none: all nodes.
    pub pool: Option<PoolId>,
    /// From joining or repair to the next failure.
    pub time_to_failure: Dist,
    /// From failure to repair.
    pub time_to_repair: Dist,
}

/// Nodes that the provider takes back.
#[derive(Clone, Debug, PartialEq)]
pub struct SpotReclaims {
    /// The pool.
    pub pool: PoolId,
    /// From joining to the notice.
    pub time_to_reclaim: Dist,
    /// From the notice until the node goes.
    pub notice: SimDuration,
}

/// Pods of an object, of which a container dies again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct PodCrashes {
    /// The object.
    pub controller: ControllerId,
    /// From when a pod has come to its node, or a crash, to the next crash of its first container that is neither an
    /// init container nor a sidecar. A crash meets nothing where that container does not run.
    pub time_to_crash: Dist,
    /// What the container ends with.
    pub exit_code: i32,
}

impl Faults {
    /// Whether nothing goes wrong.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.nodes.is_empty() && self.spot.is_empty() && self.pods.is_empty()
    }
}

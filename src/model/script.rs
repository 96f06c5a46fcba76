//! Scripted changes to the cluster and to the objects that make pods.

use super::controllers::Operation;
use crate::ids::{NodeId, PoolId};
use crate::units::SimTime;

/// Something that happens at a given instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptedAction {
    /// When.
    pub at: SimTime,
    /// What.
    pub action: Action,
}

/// A change to the cluster or to an object that makes pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// New nodes of a pool join.
    AddNodes {
        /// The pool.
        pool: PoolId,
        /// How many.
        count: u32,
    },
    /// The node takes no new pods.
    Cordon(NodeId),
    /// The node takes new pods again.
    Uncordon(NodeId),
    /// The node is cordoned and its pods are evicted.
    Drain(NodeId),
    /// The node leaves the cluster, its pods with it.
    Remove(NodeId),
    /// The node fails for good, its pods with it.
    Crash(NodeId),
    /// The node is out of service (taint `node.kubernetes.io/out-of-service`): its pods are told to end, and are gone
    /// without its word while it is not ready.
    OutOfService(NodeId),
    /// An object that makes pods changes.
    Operate(Operation),
}

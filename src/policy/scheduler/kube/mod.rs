//! kube-scheduler v1.37.0: its framework, its plug-ins, its arithmetic.
//!
//! This is the plain form: every plug-in looks at one node after another, as upstream's code does, and nothing is kept
//! between decisions. `explain` and the conformance vectors use it, and the fast path is held against it.
//!
//! ```text
//! configuration -> Framework (plug-ins by extension point)
//! pod + view    -> Cycle -> PreFilter -> Filter (each node) -> Diagnosis
//!                                     -> PreScore -> Score -> normalise -> weights -> totals
//! ```
//!
//! Cost of a decision: O(nodes x plug-ins), and for pod affinity and spreading O(pods) more.

pub mod cycle;
pub mod diagnosis;
pub mod explain;
pub mod extender;
pub(super) mod fast;
pub mod framework;
pub mod labels;
pub mod node_info;
pub mod node_tree;
pub mod nominated;
pub mod own_policies;
pub mod plugins;
pub mod preemption;
pub mod queue;
pub mod sampling;
pub mod schedule;
pub mod select;
#[cfg(test)]
mod test_cluster;

#[cfg(test)]
pub(in crate::policy) use fast::random_model;

pub use cycle::Cycle;
pub use diagnosis::{Code, Diagnosis, Rejection, Summary};
pub use framework::Framework;
pub use node_info::NodeInfo;
pub use node_tree::NodeTree;
pub use plugins::dynamic_resources::allocate as allocate_claims;
pub use plugins::volumes::{allow as volumes_allow, bind as bind_volumes, reach as volumes_reach};
pub use preemption::Nomination;

/// The release whose decisions are reproduced.
pub const RELEASE: &str = "v1.37.0";
/// The name of our own filter of GPU devices.
pub const GPU_DEVICES: &str = "wavetank.dev/GpuDevices";
/// The highest score of a plug-in.
pub const MAX_NODE_SCORE: i64 = 100;

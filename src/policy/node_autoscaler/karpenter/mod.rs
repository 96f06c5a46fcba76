//! Karpenter: pods that wait get machines chosen for them by price, and machines that cost more than they need to go.
//!
//! After Karpenter v1.15.0 (`sigs.k8s.io/karpenter`). Fit is Karpenter's own arithmetic (requests against what is left,
//! requirements on labels, taints, topology), not kube-scheduler's filters.

pub mod batcher;
pub mod disruption;
pub mod go_sort;
pub mod instance_type;
pub mod lifecycle;
pub mod node_pool;
pub mod requirement;
pub mod requirements;
pub mod resources;
pub mod scheduler;

#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;

pub use batcher::Batcher;
pub use instance_type::{InstanceType, Offering};
pub use node_pool::NodePool;
pub use requirement::{Operator, Requirement};
pub use requirements::{Requirements, WellKnownLabels};
pub use resources::{ResourceKind, ResourceList};
pub use scheduler::{Batch, BatchPod, Environment, NodeState, Results, Scheduler};

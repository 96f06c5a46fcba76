//! Karpenter: pods that wait get machines chosen for them by price, and machines that cost more than they need to go.
//!
//! After Karpenter v1.15.0 (`sigs.k8s.io/karpenter`). Fit is Karpenter's own arithmetic (requests against what is left,
//! requirements on labels, taints, topology), not kube-scheduler's filters.
//!
//! All of it is pure: what is decided follows from what is given. A pass of provisioning is a [`Batcher`] that says when,
//! a [`Scheduler`] that says where pods go and what to buy, and [`lifecycle`] for what becomes of an order. A pass of
//! disruption asks the [`disruption::METHODS`] in turn, on the same scheduler.
//!
//! Deviations: upstream leaves to chance which of equally good domains, daemon groups, candidates and pools come first, as it
//! walks maps in random order; here they have an order. Two rules of pods are one where upstream's hash says so, but
//! selectors that say the same as labels or as expressions are one, too. Left out: devices, volumes but for what `operator` makes of them, node overlays, capacity
//! buffers, node repair, static pools, terminate-first replacement of reserved nodes, offerings whose capacity differs from
//! their type's, default spread constraints of a scheduler's configuration, and limits on the time of searches.

pub mod batcher;
pub mod disruption;
pub mod go_sort;
pub mod instance_type;
pub mod lifecycle;
pub mod node_pool;
pub mod operator;
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

//! Policies that buy and return nodes.
//!
//! What each decides is a function of what it is shown; the engine decides when it is asked, how long a machine takes and
//! what it costs. One folder an autoscaler: each follows its own rules about which pod fits where, which are not the
//! scheduler's.

pub mod cluster_autoscaler;
pub mod karpenter;

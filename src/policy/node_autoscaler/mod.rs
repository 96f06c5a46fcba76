//! Node autoscalers: who buys and returns machines.
//!
//! One folder an autoscaler; each follows its own rules about which pod fits where, which are not the scheduler's.

pub mod karpenter;

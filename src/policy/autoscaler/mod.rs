//! How many pods a workload should have.

pub mod functions;
pub mod keda;
pub mod knative;

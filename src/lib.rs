//! wavetank: a discrete-event simulator of Kubernetes-style clusters.

pub mod document;
pub mod ids;
pub mod rng;
pub mod units;

pub mod model;
pub mod policy;
pub mod results;
pub mod scenario;
pub mod world;

//! wavetank: a discrete-event simulator of Kubernetes-style clusters.

pub mod ids;
pub mod rng;
pub mod units;

pub mod experiment;
pub mod model;
pub mod policy;
pub mod results;
pub mod stats;
pub mod world;

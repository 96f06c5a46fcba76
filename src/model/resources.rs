//! Amounts of every resource kind that a node offers or a pod requests.

use crate::units::{Bytes, MilliCpu};

/// Amounts of cpu, memory, ephemeral storage, pod slots, and the extended resources of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resources {
    /// CPU in milli-cores.
    pub cpu: MilliCpu,
    /// Memory in bytes.
    pub memory: Bytes,
    /// Ephemeral storage in bytes.
    pub ephemeral_storage: Bytes,
    /// Pod slots: how many pods a node takes; 1 for a pod.
    pub pods: u64,
    /// Extended resources in whole units, by position in [`super::Cluster::extended_resources`]; shorter lists mean
    /// zero for the rest.
    pub extended: Vec<u64>,
}

impl Resources {
    /// The amount of one extended resource.
    pub fn extended(&self, position: usize) -> u64 {
        self.extended.get(position).copied().unwrap_or(0)
    }
}

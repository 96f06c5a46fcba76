//! Sizes of tasks in the manner of AWS Fargate (Amazon ECS developer guide, "Task CPU and memory"; Amazon EKS user guide,
//! "Fargate Pod configuration"; as of 2025).

use crate::units::{Bytes, MilliCpu};

const GIB: u64 = 1 << 30;
/// Memory that a pod's task has for Kubernetes' own parts.
const POD_OVERHEAD: Bytes = Bytes(256 << 20);

/// What a task has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskSize {
    /// CPU.
    pub cpu: MilliCpu,
    /// Memory.
    pub memory: Bytes,
}

/// Sizes with one CPU: memory from one number to another, in steps.
struct Sizes {
    cpu_milli: u64,
    memory_mib: &'static [u64],
    from_gib: u64,
    to_gib: u64,
    step_gib: u64,
}

const fn stepped(cpu_milli: u64, from_gib: u64, to_gib: u64, step_gib: u64) -> Sizes {
    Sizes { cpu_milli, memory_mib: &[], from_gib, to_gib, step_gib }
}

const SIZES: [Sizes; 7] = [
    Sizes { cpu_milli: 250, memory_mib: &[512], from_gib: 1, to_gib: 2, step_gib: 1 },
    stepped(500, 1, 4, 1),
    stepped(1000, 2, 8, 1),
    stepped(2000, 4, 16, 1),
    stepped(4000, 8, 30, 1),
    stepped(8000, 16, 60, 4),
    stepped(16_000, 32, 120, 8),
];

/// Every size, by CPU and memory.
pub fn task_sizes() -> impl Iterator<Item = TaskSize> {
    SIZES.iter().flat_map(|sizes| {
        let small = sizes.memory_mib.iter().map(|mib| mib << 20);
        let steps = (sizes.from_gib..=sizes.to_gib).step_by(sizes.step_gib as usize).map(|gib| gib * GIB);
        small.chain(steps).map(|memory| TaskSize { cpu: MilliCpu(sizes.cpu_milli), memory: Bytes(memory) })
    })
}

/// The smallest size that holds so much, by CPU first; none: there is none so large.
pub fn task_size(cpu: MilliCpu, memory: Bytes) -> Option<TaskSize> {
    task_sizes().find(|size| size.cpu >= cpu && size.memory >= memory)
}

/// The size of the task that a pod gets: its requests, and 256 MiB of memory for Kubernetes' own parts.
pub fn pod_size(cpu: MilliCpu, memory: Bytes) -> Option<TaskSize> {
    task_size(cpu, memory + POD_OVERHEAD)
}

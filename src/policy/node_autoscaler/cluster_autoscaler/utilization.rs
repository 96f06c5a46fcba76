//! How much of a node its pods ask for (`simulator/utilization`).
//!
//! Cost: a look at every pod of the node.

/// A resource of a node with what each pod asks of it, all in thousandths of the resource's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodShare {
    /// What the pod asks for.
    pub request: u64,
    /// Whether the pod is of a DaemonSet.
    pub is_daemon: bool,
    /// Whether it mirrors a pod that the node started by itself.
    pub is_mirror: bool,
    /// Whether it should have ended by now.
    pub is_long_terminating: bool,
}

/// Which pods do not count: neither as use nor, what they ask for, as room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    /// Those of DaemonSets.
    pub daemons: bool,
    /// Mirror pods.
    pub mirrors: bool,
}

/// The resource by which a node is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// CPU.
    Cpu,
    /// Memory.
    Memory,
    /// Its GPUs.
    Gpu,
}

/// A node's utilisation, as shares of one; more than one where pods ask for more than there is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Utilization {
    /// Share of CPU, where CPU was looked at.
    pub cpu: f64,
    /// Share of memory, where memory was looked at.
    pub memory: f64,
    /// Share of GPUs, where GPUs were looked at.
    pub gpu: f64,
    /// The resource that decided.
    pub judged: Judged,
    /// Its share.
    pub share: f64,
}

/// Share of a resource (`CalculateUtilizationOfResource`). `None`: the node has nothing of it.
pub fn share(allocatable: u64, pods: impl IntoIterator<Item = PodShare>, ignored: Ignored) -> Option<f64> {
    if allocatable == 0 {
        return None;
    }
    let (mut used, mut left_out) = (0_i128, 0_i128);
    for pod in pods {
        if (ignored.daemons && pod.is_daemon) || (ignored.mirrors && pod.is_mirror) {
            left_out += i128::from(pod.request);
        } else if !pod.is_long_terminating {
            used += i128::from(pod.request);
        }
    }
    Some(used as f64 / (i128::from(allocatable) - left_out) as f64)
}

/// A node with GPUs is judged by them alone, and counts as idle while they are missing; any other by the larger share of
/// CPU and memory, memory in case of a tie (`Calculate`). `gpu` is given for nodes with GPUs; the inner `None` of each
/// says that the node has nothing of it.
///
/// Returns `None` if CPU or memory of a node without GPUs is missing.
pub fn utilization(cpu: Option<f64>, memory: Option<f64>, gpu: Option<Option<f64>>) -> Option<Utilization> {
    if let Some(gpu) = gpu {
        let share = gpu.unwrap_or(0.0);
        return Some(Utilization { cpu: 0.0, memory: 0.0, gpu: share, judged: Judged::Gpu, share });
    }
    let (cpu, memory) = (cpu?, memory?);
    let (judged, share) = if cpu > memory { (Judged::Cpu, cpu) } else { (Judged::Memory, memory) };
    Some(Utilization { cpu, memory, gpu: 0.0, judged, share })
}

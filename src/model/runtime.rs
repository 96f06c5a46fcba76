//! What runs containers: what it takes to start a pod's sandbox, and what it costs beside the containers.
//!
//! The figures are those that their sources give for small pods on idle machines; they are starting points, and whoever
//! measured their own should write those into the scenario and into `overhead` of the RuntimeClass.

use super::Dist;
use crate::units::{Bytes, MilliCpu, SimDuration};

/// A kind of runtime.
#[derive(Clone, Debug, PartialEq)]
pub struct RuntimeProfile {
    /// What it is called.
    pub name: &'static str,
    /// Handlers of RuntimeClasses that mean it (`handler`).
    pub handlers: &'static [&'static str],
    /// How long the sandbox of a pod takes to start.
    pub sandbox_start: Dist,
    /// CPU that a pod takes beside its containers.
    pub cpu_overhead: MilliCpu,
    /// Memory that a pod takes beside its containers.
    pub memory_overhead: Bytes,
}

const fn milliseconds(count: u64) -> Dist {
    Dist::Constant(SimDuration(count * 1_000_000))
}

const fn mebibytes(count: u64) -> Bytes {
    Bytes(count << 20)
}

/// All profiles, lightest first.
pub const PROFILES: [RuntimeProfile; 5] = [CONTAINER, GVISOR, KATA_FIRECRACKER, KATA, VM];

/// Namespaces and control groups of the node's kernel. Start 20 ms: `runc` in the comparison of five runtimes on one 3
/// MB web server, "Five container runtimes: when runc is not the answer" (stuzhuk.page, 2026). No overhead, as
/// Kubernetes has none by default.
pub const CONTAINER: RuntimeProfile = RuntimeProfile {
    name: "container",
    handlers: &["runc", "crun", "containerd"],
    sandbox_start: milliseconds(20),
    cpu_overhead: MilliCpu(0),
    memory_overhead: mebibytes(0),
};

/// A kernel in user space. Start 180 ms: `runsc create` and `runsc start` took 81 to 280 ms on eight kinds of hosts, of
/// which this is the middle, "gVisor cold start: where the time goes" (apoxy.dev). Memory 11 MiB: 18 MB against 7 MB of
/// `runc` in the comparison named at [`CONTAINER`].
pub const GVISOR: RuntimeProfile = RuntimeProfile {
    name: "gvisor",
    handlers: &["runsc", "gvisor"],
    sandbox_start: milliseconds(180),
    cpu_overhead: MilliCpu(0),
    memory_overhead: mebibytes(11),
};

/// Kata Containers on Firecracker, a microVM. Start 125 ms until the guest runs user code: Agache et al., "Firecracker:
/// Lightweight Virtualization for Serverless Applications", NSDI 2020. Overhead 250m and 120 MiB: the example `kata-fc`
/// of the page "Pod Overhead" of the Kubernetes documentation, which counts the guest's system, not only the 5 MiB of
/// the monitor that Firecracker's specification bounds.
pub const KATA_FIRECRACKER: RuntimeProfile = RuntimeProfile {
    name: "kata-firecracker",
    handlers: &["kata-fc"],
    sandbox_start: milliseconds(125),
    cpu_overhead: MilliCpu(250),
    memory_overhead: mebibytes(120),
};

/// Kata Containers on QEMU. Start 500 ms: the comparison named at [`CONTAINER`]. Overhead 250m and 160 MiB: the
/// RuntimeClasses of `kata-deploy`.
pub const KATA: RuntimeProfile = RuntimeProfile {
    name: "kata",
    handlers: &["kata", "kata-qemu", "kata-clh"],
    sandbox_start: milliseconds(500),
    cpu_overhead: MilliCpu(250),
    memory_overhead: mebibytes(160),
};

/// A virtual machine with an ordinary system for each pod, as KubeVirt runs them. Start 10 s: boots take from a few
/// seconds on idle hosts to minutes on busy ones, Nguyen and Lebre, "Conducting Thousands of Experiments to Analyze
/// VMs, Dockers and Nested Dockers Boot Time", INRIA RR-9221, 2018. Memory 228 MiB: 218 MiB, 8 MiB for one virtual CPU
/// and 0.2 % of 1 GiB, "Physical resource overhead requirements" of the OpenShift Virtualization documentation.
pub const VM: RuntimeProfile = RuntimeProfile {
    name: "vm",
    handlers: &["kubevirt", "virt-launcher"],
    sandbox_start: milliseconds(10_000),
    cpu_overhead: MilliCpu(0),
    memory_overhead: mebibytes(228),
};

/// The profile that a RuntimeClass with that handler means.
pub fn of_handler(handler: &str) -> Option<&'static RuntimeProfile> {
    static TABLE: [RuntimeProfile; 5] = PROFILES;
    TABLE.iter().find(|profile| profile.handlers.contains(&handler))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_and_handlers_are_unique() {
        let names: Vec<&str> = PROFILES.iter().map(|profile| profile.name).collect();
        let handlers: Vec<&str> = PROFILES.iter().flat_map(|profile| profile.handlers).copied().collect();
        for list in [&names, &handlers] {
            assert_eq!(list.iter().collect::<BTreeSet<_>>().len(), list.len());
        }
        for handler in handlers {
            assert!(of_handler(handler).is_some_and(|profile| profile.handlers.contains(&handler)));
        }
        assert_eq!(of_handler("wasm"), None);
    }

    #[test]
    fn stronger_walls_cost_more_memory() {
        assert!(PROFILES.is_sorted_by_key(|profile| profile.memory_overhead.0));
    }
}

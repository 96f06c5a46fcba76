//! How much of a machine pods can have, by each provider's published formula.
//!
//! | provider | memory that the node sees | kept CPU | kept memory | threshold of eviction |
//! |---|---|---|---|---|
//! | `aws` | 92.5 % of what is sold; 64 MiB less before that on arm64 | 6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % of the rest | 255 MiB + 11 MiB a pod | 100 MiB |
//! | `gcp` | less 1/64 + 16 MiB, 64 MiB above 3 GiB, 8 MiB up to 8 GiB, and 0.175 % (at most 248 MiB); 99.71 % of that on arm64 | as `aws`; 1060 m of the shared `e2` types | 25 % of the first 4 GiB, 20 % of the next 4, 10 % of the next 8, 6 % of the next 112, 2 % of the rest; 255 MiB up to 1 GiB | 100 MiB |
//! | `azure` | what is sold | 6 % of the first core, 4 % of the second, 2 % of the next two, 1 % of the rest | as `gcp` without its exception | 750 MiB |
//! | `private` | what is there | nothing | nothing | 100 MiB, the kubelet's default |
//!
//! Sources: `aws`: amazon-eks-ami 81fec2e `nodeadm/internal/kubelet/config.go`, and for what the node sees Karpenter v1.14.1
//! `pkg/providers/instancetype/types.go`, whose 7.5 % is an estimate that it corrects by what nodes report; `gcp`:
//! autoscaler 55c37cd `cluster-autoscaler/cloudprovider/gce/gce_reserved.go` (Container-Optimized OS) and GKE's page on node
//! sizes as karpenter-provider-gcp 417f047 `pkg/utils/utils.go` has it; `azure`: karpenter-provider-azure 352646f
//! `pkg/providers/instancetype/instancetype.go`, which is AKS before Kubernetes 1.29.

use super::{Architecture, InstanceType, Provider};
use crate::units::{Bytes, MilliCpu};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What a node has, and what of that pods can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocatable {
    /// CPU of the node (`status.capacity`).
    pub capacity_cpu: MilliCpu,
    /// Memory of the node (`status.capacity`).
    pub capacity_memory: Bytes,
    /// CPU for pods.
    pub cpu: MilliCpu,
    /// Memory for pods.
    pub memory: Bytes,
    /// Pods.
    pub pods: u32,
}

/// How many pods the addresses of EKS's network interfaces allow: all but the first address of each interface, and two more
/// for pods on the host's network.
pub fn eni_pods(interfaces: u32, addresses_per_interface: u32) -> u32 {
    interfaces * addresses_per_interface.saturating_sub(1) + 2
}

/// See [`InstanceType::allocatable`].
pub(super) fn of(kind: &InstanceType) -> Allocatable {
    let capacity_memory = seen_memory(kind);
    let (cpu, memory) = kind.reserved.unwrap_or_else(|| reserved(kind));
    Allocatable {
        capacity_cpu: kind.cpu,
        capacity_memory,
        cpu: MilliCpu(kind.cpu.0.saturating_sub(cpu.0)),
        memory: Bytes(capacity_memory.0.saturating_sub(memory.0)),
        pods: kind.pods_max,
    }
}

/// The memory that the node sees, where hypervisor and kernel keep some.
fn seen_memory(kind: &InstanceType) -> Bytes {
    let sold = kind.memory.0;
    match kind.provider {
        Provider::Aws => {
            let sold = if kind.architecture == Architecture::Arm64 { sold.saturating_sub(64 * MIB) } else { sold };
            // 7.5 %, rounded up to whole MiB.
            Bytes(sold.saturating_sub((sold * 3).div_ceil(40 * MIB) * MIB))
        }
        Provider::Gcp => {
            let mut kept = sold / 64 + 16 * MIB;
            kept += if sold > 3 * GIB { 64 * MIB } else { 0 };
            kept += if sold <= 8 * GIB { 8 * MIB } else { 0 };
            kept += (sold * 7 / 4000).min(248 * MIB);
            let is_arm = kind.architecture == Architecture::Arm64;
            Bytes(sold.saturating_sub(if is_arm { (kept * 9971 + 5000) / 10_000 } else { kept }))
        }
        Provider::Azure | Provider::Private => Bytes(sold),
    }
}

/// CPU and memory that are kept, the threshold of eviction included.
fn reserved(kind: &InstanceType) -> (MilliCpu, Bytes) {
    let (cpu, memory_mib) = (kind.cpu.0, kind.memory.0 / MIB);
    match kind.provider {
        Provider::Aws => (MilliCpu(eks_cpu(cpu)), Bytes((255 + 11 * u64::from(kind.pods_max) + 100) * MIB)),
        Provider::Gcp => {
            let is_shared = matches!(kind.name.as_str(), "e2-micro" | "e2-small" | "e2-medium");
            let memory = if memory_mib <= 1024 { 255 } else { gke_memory(memory_mib) };
            (MilliCpu(if is_shared { 1060 } else { eks_cpu(cpu) }), Bytes((memory + 100) * MIB))
        }
        Provider::Azure => (MilliCpu(aks_cpu(cpu)), Bytes((aks_memory(memory_mib) + 750) * MIB)),
        Provider::Private => (MilliCpu(0), Bytes(100 * MIB)),
    }
}

/// What is kept of each range, in ten-thousandths: a part of what of the amount lies in it.
fn graduated(amount: u64, ranges: &[(u64, u64)]) -> impl Iterator<Item = u64> {
    let froms = std::iter::once(0).chain(ranges.iter().map(|range| range.0));
    froms.zip(ranges).map(move |(from, &(to, parts))| amount.min(to).saturating_sub(from) * parts)
}

/// Each range's part is rounded down.
fn eks_cpu(milli: u64) -> u64 {
    graduated(milli, &[(1000, 600), (2000, 100), (4000, 50), (u64::MAX, 25)]).map(|part| part / 10_000).sum()
}

/// The sum is rounded down.
fn aks_cpu(milli: u64) -> u64 {
    graduated(milli, &[(1000, 600), (2000, 400), (4000, 200), (u64::MAX, 100)]).sum::<u64>() / 10_000
}

/// Memory in MiB; each range's part is rounded down.
fn gke_memory(mib: u64) -> u64 {
    graduated(mib, &MEMORY_TIERS).map(|part| part / 10_000).sum()
}

/// Memory in MiB; the sum is rounded down.
fn aks_memory(mib: u64) -> u64 {
    graduated(mib, &MEMORY_TIERS).sum::<u64>() / 10_000
}

/// Up to how many MiB how many ten-thousandths are kept, at GKE and AKS.
const MEMORY_TIERS: [(u64, u64); 5] = [(4096, 2500), (8192, 2000), (16_384, 1000), (131_072, 600), (u64::MAX, 200)];

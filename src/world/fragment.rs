//! GPU fragments as Weng et al. define them ("Beware of Fragmentation", USENIX ATC 2023): the part of a node's idle
//! GPUs that a typical pod of the workload could not use, averaged over the workload's typical pods.
//!
//! The sums follow the order of the authors' simulator (hkust-adsl/kubernetes-scheduler-simulator at 8f3d641), bin by
//! bin and without fused multiply-add: another order changes the last bit of a sum, and with it placements.
//!
//! Cost of one node: O(typical pods x GPUs of the node), about 35 x 8 steps on the paper's trace.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::ids::GpuModelId;
use crate::model::{Cluster, Workload};

/// A kind of pod that is common in the workload.
#[derive(Clone, Debug, PartialEq)]
pub struct TypicalPod {
    /// Requested milli-cores.
    pub cpu_milli: u64,
    /// Requested devices; 0 for a pod without GPU.
    pub gpu_count: u32,
    /// Requested share of each device in milli-GPU.
    pub gpu_milli: u16,
    /// Acceptable models as bits by [`GpuModelId`]; all ones: any. Models from 64 on share the last bit.
    pub gpu_models: u64,
    /// Its share of the typical pods; the shares sum to 1.
    pub share: f64,
}

/// The bit of a model in [`TypicalPod::gpu_models`].
fn model_bit(model: GpuModelId) -> u64 {
    1 << model.0.min(63)
}

/// The most common kinds of pods, which together make up `coverage` (0 to 1) of the workload, the most common first.
///
/// Kinds are told apart by cpu, GPU share, number of GPUs and model list; memory does not matter.
pub fn typical_pods(cluster: &Cluster, workload: &Workload, coverage: f64) -> Vec<TypicalPod> {
    let mut weights: BTreeMap<(u64, u16, u32, String), (f64, u64)> = BTreeMap::new();
    for &(class, weight) in &workload.popularity {
        let class = workload.class(class);
        let (count, milli, models) = match &class.gpu {
            None => (0, 0, &[][..]),
            Some(gpu) => (gpu.count, gpu.milli, &gpu.models[..]),
        };
        let names: Vec<&str> = models.iter().map(|model| cluster.gpu_models[model.index()].as_str()).collect();
        let bits =
            if models.is_empty() { u64::MAX } else { models.iter().map(|&m| model_bit(m)).fold(0, |a, b| a | b) };
        let key = (class.requests.cpu.0, milli, count, names.join("|"));
        weights.entry(key).or_insert((0.0, bits)).0 += weight;
    }
    let total: f64 = weights.values().map(|entry| entry.0).sum();
    let mut kinds: Vec<_> = weights.into_iter().collect();
    kinds.sort_by(|(a_key, (a, _)), (b_key, (b, _))| b.total_cmp(a).then_with(|| Reverse(a_key).cmp(&Reverse(b_key))));
    let mut covered = 0.0;
    let mut typical = Vec::new();
    for ((cpu_milli, gpu_milli, gpu_count, _), (weight, gpu_models)) in kinds {
        typical.push(TypicalPod { cpu_milli, gpu_count, gpu_milli, gpu_models, share: weight / total });
        covered += weight;
        if covered >= coverage * total {
            break;
        }
    }
    for pod in &mut typical {
        pod.share /= covered / total;
    }
    typical
}

/// The fragment of a node in milli-GPU, expected over the typical pods.
///
/// `cpu_left` in milli-cores, `gpu_left` in milli-GPU per device.
pub fn node_fragment(typical: &[TypicalPod], cpu_left: u64, model: GpuModelId, gpu_left: &[u16]) -> f64 {
    if gpu_left.is_empty() {
        return 0.0;
    }
    let left_total: u32 = gpu_left.iter().map(|&left| u32::from(left)).sum();
    let all = f64::from(left_total);
    let bit = model_bit(model);
    // Cpu lacks and GPUs too; only GPUs lack; only cpu lacks; no GPU wanted and cpu fits, or not; wrong model.
    let (mut q1, mut q2, mut q4, mut xl, mut xr, mut no_access) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    for pod in typical {
        let cpu_fits = cpu_left >= pod.cpu_milli;
        if pod.gpu_count == 0 {
            *(if cpu_fits { &mut xl } else { &mut xr }) += pod.share * all;
            continue;
        }
        if pod.gpu_models & bit == 0 {
            no_access += pod.share * all;
            continue;
        }
        let (mut fitting, mut usable) = (0u32, 0u32);
        for &left in gpu_left {
            let fits = u32::from(left >= pod.gpu_milli);
            fitting += fits;
            usable += fits * u32::from(left);
        }
        if fitting < pod.gpu_count {
            *(if cpu_fits { &mut q2 } else { &mut q1 }) += pod.share * all;
        } else if !cpu_fits {
            q4 += pod.share * all;
        } else {
            q2 += pod.share * f64::from(left_total - usable);
        }
    }
    q1 + q2 + q4 + xl + xr + no_access
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typical(cpu_milli: u64, gpu_count: u32, gpu_milli: u16, share: f64) -> TypicalPod {
        TypicalPod { cpu_milli, gpu_count, gpu_milli, gpu_models: u64::MAX, share }
    }

    #[test]
    fn fragments_follow_the_definition() {
        let model = GpuModelId(0);
        // One device of 1000 and one of 400 left, 4 cores.
        let left = [1000, 400];
        for (pod, expected) in [
            (typical(1000, 1, 500, 1.0), 400.0),   // only the device that is too small
            (typical(1000, 1, 400, 1.0), 0.0),     // both devices fit
            (typical(1000, 2, 1000, 1.0), 1400.0), // two whole devices are not there
            (typical(8000, 1, 400, 1.0), 1400.0),  // cpu lacks
            (typical(1000, 0, 0, 1.0), 1400.0),    // wants no GPU
            (TypicalPod { gpu_models: 2, ..typical(1000, 1, 400, 1.0) }, 1400.0), // wrong model
            (typical(1000, 1, 500, 0.25), 100.0),
        ] {
            assert_eq!(node_fragment(std::slice::from_ref(&pod), 4000, model, &left), expected, "{pod:?}");
        }
        assert_eq!(node_fragment(&[typical(1, 1, 1, 1.0)], 4000, model, &[]), 0.0);
    }
}

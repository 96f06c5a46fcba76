//! GPU fragments as Weng et al. define them ("Beware of Fragmentation", USENIX ATC 2023): the part of a node's idle
//! GPUs that a typical pod of the workload could not use, averaged over the workload's typical pods.
//!
//! The sums follow the order of the authors' simulator (hkust-adsl/kubernetes-scheduler-simulator at 8f3d641), bin by
//! bin and without fused multiply-add: another order changes the last bit of a sum, and with it placements.
//!
//! Cost of one node: [`node_fragment`] takes O(typical pods x GPUs of the node), about 35 x 8 steps on the paper's
//! trace. [`FragmentTable`] gives the same numbers, bit for bit, in O(typical pods) for the question that a scheduler
//! asks over and over: what if this node had less cpu and less left on one device?

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::ids::{GpuModelId, NodeId};
use crate::model::{Cluster, Workload};
use crate::world::Nodes;

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
    // The quotient of the counts, not the sum of the shares, which differs in the last bit and so in placements.
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

/// A typical pod that wants GPUs, as nodes of one GPU model see it.
#[derive(Clone, Copy, Debug)]
struct GpuPod {
    cpu_milli: u64,
    share: f64,
    milli: u16,
    count: u32,
}

/// How the typical pods look to nodes of one GPU model.
#[derive(Clone, Debug)]
struct ModelView {
    /// Those that accept the model, the most common first.
    accepted: Vec<GpuPod>,
    /// The shares of those that want another model, the most common first.
    refused_shares: Vec<f64>,
}

/// What the devices of a node offer to one typical pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Offer {
    /// How many devices have enough left.
    fitting: u32,
    /// What is left on those, in milli-GPU.
    usable: u32,
}

impl Offer {
    #[inline]
    fn of(gpu_left: &[u16], milli: u16) -> Offer {
        let mut offer = Offer::default();
        for &left in gpu_left {
            let fits = u32::from(left >= milli);
            offer.fitting += fits;
            offer.usable += fits * u32::from(left);
        }
        offer
    }

    /// The offer when what is left on one device changes.
    #[inline]
    fn with(self, change: DeviceChange, milli: u16) -> Offer {
        let (was, is) = (u32::from(change.from >= milli), u32::from(change.to >= milli));
        Offer {
            fitting: self.fitting + is - was,
            usable: self.usable + is * u32::from(change.to) - was * u32::from(change.from),
        }
    }
}

/// What is left on one device, before and after, in milli-GPU.
#[derive(Clone, Copy, Debug)]
pub struct DeviceChange {
    /// Before.
    pub from: u16,
    /// After.
    pub to: u16,
}

impl DeviceChange {
    /// No change.
    const NONE: DeviceChange = DeviceChange { from: 0, to: 0 };
}

/// Fragments of nodes, with what the devices offer to each typical pod kept until the devices change.
///
/// Adding the zero of a bin that a pod does not belong to leaves the bin as it is, bit for bit, because all amounts
/// are positive or zero; so the loops need no branch for the bin.
#[derive(Clone, Debug)]
pub struct FragmentTable {
    /// Typical pods that want no GPU: cpu and share.
    cpu_only: Vec<(u64, f64)>,
    /// By [`GpuModelId`].
    models: Vec<ModelView>,
    /// How many typical pods want GPUs: the length of a row of `offers`.
    row: usize,
    nodes: Vec<NodeEntry>,
    /// Milli-GPU left on the devices for which `offers` was computed, all nodes side by side.
    gpu_left: Vec<u16>,
    offers: Vec<Offer>,
}

#[derive(Clone, Copy, Debug)]
struct NodeEntry {
    model: GpuModelId,
    first_device: usize,
    devices: usize,
    left_total: u32,
    cpu_left: u64,
    fragment: f64,
}

impl FragmentTable {
    /// A table for `typical` pods on nodes whose models are below `models`.
    pub fn new(typical: &[TypicalPod], models: usize) -> FragmentTable {
        let with_gpu = || typical.iter().filter(|pod| pod.gpu_count > 0);
        let view = |model: usize| {
            let bit = model_bit(GpuModelId::from_index(model));
            let accepted = with_gpu().filter(|pod| pod.gpu_models & bit != 0).map(|pod| GpuPod {
                cpu_milli: pod.cpu_milli,
                share: pod.share,
                milli: pod.gpu_milli,
                count: pod.gpu_count,
            });
            let refused = with_gpu().filter(|pod| pod.gpu_models & bit == 0);
            ModelView { accepted: accepted.collect(), refused_shares: refused.map(|pod| pod.share).collect() }
        };
        FragmentTable {
            cpu_only: typical.iter().filter(|pod| pod.gpu_count == 0).map(|pod| (pod.cpu_milli, pod.share)).collect(),
            models: (0..models).map(view).collect(),
            row: with_gpu().count(),
            nodes: Vec::new(),
            gpu_left: Vec::new(),
            offers: Vec::new(),
        }
    }

    /// The fragment of `node` as it is; see [`node_fragment`].
    pub fn fragment(&mut self, nodes: &Nodes, node: NodeId) -> f64 {
        while self.nodes.len() <= node.index() {
            self.add_node(nodes, NodeId::from_index(self.nodes.len()));
        }
        let mut entry = self.nodes[node.index()];
        let cpu_left = nodes.free_cpu[node.index()];
        let left = nodes.gpu_left(node);
        let same_devices = self.gpu_left[entry.first_device..entry.first_device + entry.devices] == *left;
        if !same_devices {
            self.read_devices(node, left);
            entry = self.nodes[node.index()];
        }
        if !same_devices || entry.cpu_left != cpu_left {
            entry.cpu_left = cpu_left;
            entry.fragment = self.fragment_after(node, cpu_left, DeviceChange::NONE);
            self.nodes[node.index()] = entry;
        }
        entry.fragment
    }

    /// The fragment of `node` if `cpu_left` were left and one device changed, the rest being as it was at the last
    /// call of [`FragmentTable::fragment`] for the node.
    ///
    /// # Panics
    /// When [`FragmentTable::fragment`] was never called for the node.
    #[inline]
    pub fn fragment_after(&self, node: NodeId, cpu_left: u64, change: DeviceChange) -> f64 {
        let entry = &self.nodes[node.index()];
        if entry.devices == 0 {
            return 0.0;
        }
        let offers = &self.offers[node.index() * self.row..][..self.row];
        let left_total = entry.left_total + u32::from(change.to) - u32::from(change.from);
        let (all, model) = (f64::from(left_total), &self.models[entry.model.index()]);
        let (mut q1, mut q2, mut q4, mut xl, mut xr, mut no_access) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for (pod, offer) in model.accepted.iter().zip(offers) {
            let offer = offer.with(change, pod.milli);
            let (cpu_fits, gpus_fit) = (cpu_left >= pod.cpu_milli, offer.fitting >= pod.count);
            let usable = if cpu_fits && gpus_fit { offer.usable } else { 0 };
            let amount = pod.share * f64::from(left_total - usable);
            q1 += if !cpu_fits && !gpus_fit { amount } else { 0.0 };
            q2 += if cpu_fits { amount } else { 0.0 };
            q4 += if !cpu_fits && gpus_fit { amount } else { 0.0 };
        }
        for &(cpu_milli, share) in &self.cpu_only {
            let amount = share * all;
            xl += if cpu_left >= cpu_milli { amount } else { 0.0 };
            xr += if cpu_left >= cpu_milli { 0.0 } else { amount };
        }
        for share in &model.refused_shares {
            no_access += share * all;
        }
        q1 + q2 + q4 + xl + xr + no_access
    }

    fn add_node(&mut self, nodes: &Nodes, node: NodeId) {
        let left = nodes.gpu_left(node);
        self.nodes.push(NodeEntry {
            model: nodes.gpu_model[node.index()],
            first_device: self.gpu_left.len(),
            devices: left.len(),
            left_total: 0,
            cpu_left: nodes.free_cpu[node.index()],
            fragment: 0.0,
        });
        self.gpu_left.extend(left);
        self.offers.resize(self.nodes.len() * self.row, Offer::default());
        if !left.is_empty() {
            self.read_devices(node, left);
            let fragment = self.fragment_after(node, nodes.free_cpu[node.index()], DeviceChange::NONE);
            self.nodes[node.index()].fragment = fragment;
        }
    }

    fn read_devices(&mut self, node: NodeId, left: &[u16]) {
        let entry = &mut self.nodes[node.index()];
        entry.left_total = left.iter().map(|&left| u32::from(left)).sum();
        self.gpu_left[entry.first_device..entry.first_device + entry.devices].copy_from_slice(left);
        let offers = &mut self.offers[node.index() * self.row..][..self.row];
        for (pod, offer) in self.models[entry.model.index()].accepted.iter().zip(offers) {
            *offer = Offer::of(left, pod.milli);
        }
    }
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

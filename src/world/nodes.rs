//! The machines, in columns.

use crate::ids::{GpuModelId, NodeId, PodId};
use crate::model::cluster::{GPU_MILLI, NodeShape, ShapeId};
use crate::model::{GpuRequest, PodClass};
use crate::results::TextColumn;
use crate::units::SimTime;

/// Devices of one node as bits: bit 0 is device 0.
pub type GpuMask = u32;

/// What Kubernetes assumes for scoring when a container requests no CPU: 100 milli-cores
/// (`pkg/scheduler/util/pod_resources.go`, v1.34).
pub const DEFAULT_SCORING_CPU_MILLI: u64 = 100;
/// What Kubernetes assumes for scoring when a container requests no memory: 200 MiB (same place).
pub const DEFAULT_SCORING_MEMORY_BYTES: u64 = 200 * 1024 * 1024;

/// Whether a node works and takes pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum NodeState {
    /// Takes pods.
    Ready,
    /// Up, but takes no new pods.
    Cordoned,
    /// Left the cluster.
    Removed,
    /// Failed for good.
    Crashed,
}

impl NodeState {
    /// Whether the node is part of the cluster.
    pub fn is_up(self) -> bool {
        matches!(self, NodeState::Ready | NodeState::Cordoned)
    }

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            NodeState::Ready => "ready",
            NodeState::Cordoned => "cordoned",
            NodeState::Removed => "removed",
            NodeState::Crashed => "crashed",
        }
    }
}

/// Marks the end of a list of pods.
pub(super) const NO_POD: u32 = u32::MAX;

/// Columns of nodes by [`NodeId`]. What is allocatable never changes; what is free follows every placement.
#[derive(Clone, Debug)]
pub struct Nodes {
    names: TextColumn,
    /// What kind of node it is.
    pub shape: Vec<ShapeId>,
    /// Whether it takes pods.
    pub state: Vec<NodeState>,
    /// Allocatable milli-cores.
    pub cpu: Vec<u64>,
    /// Allocatable bytes of memory.
    pub memory: Vec<u64>,
    /// Free milli-cores.
    pub free_cpu: Vec<u64>,
    /// Free bytes of memory.
    pub free_memory: Vec<u64>,
    /// Free bytes of ephemeral storage.
    pub free_ephemeral_storage: Vec<u64>,
    /// Free pod slots.
    pub free_pods: Vec<u64>,
    /// Free units of each extended resource: outer by resource, inner by node.
    pub free_extended: Vec<Vec<u64>>,
    /// Requested milli-cores as upstream's scorers count them: pods without a CPU request count as
    /// [`DEFAULT_SCORING_CPU_MILLI`].
    pub scoring_cpu: Vec<u64>,
    /// Requested bytes as upstream's scorers count them: pods without a memory request count as
    /// [`DEFAULT_SCORING_MEMORY_BYTES`].
    pub scoring_memory: Vec<u64>,
    /// Model of the node's GPUs; meaningless where it has none.
    pub gpu_model: Vec<GpuModelId>,
    /// Milli-GPU left, summed over the node's devices.
    pub gpu_left_total: Vec<u32>,
    /// How many pods of each GPU kind run here; see [`gpu_kind`].
    pub gpu_kind_pods: Vec<[u16; GPU_KINDS]>,
    /// Milli-GPU left on each device of all nodes, a node's devices side by side.
    gpu_left: Vec<u16>,
    /// Where each node's devices start in `gpu_left`, and one past the last.
    gpu_start: Vec<u32>,
    /// How many pods hold a place here.
    pub pod_count: Vec<u32>,
    /// First pod of the list of pods on each node.
    pub(super) first_pod: Vec<u32>,
    /// When the node joined.
    pub added: Vec<SimTime>,
    /// When it left; [`SimTime::NEVER`] while it is up.
    pub removed: Vec<SimTime>,
}

/// How many GPU kinds of pods are told apart.
pub const GPU_KINDS: usize = 6;

/// The GPU kind of a request: 0 shares one device, 1 takes one whole, 2 two, 3 four, 4 eight, 5 any other number.
pub fn gpu_kind(request: &GpuRequest) -> usize {
    match (request.count, request.milli) {
        (1, milli) if milli < GPU_MILLI => 0,
        (1, _) => 1,
        (2, _) => 2,
        (4, _) => 3,
        (8, _) => 4,
        _ => 5,
    }
}

/// Requested (milli-cores, bytes) as upstream's scorers count them.
#[inline]
pub fn scoring_request(class: &PodClass) -> (u64, u64) {
    if let Some(request) = class.spec.scoring_request {
        return request;
    }
    let or_default = |amount: u64, default: u64| if amount == 0 { default } else { amount };
    (
        or_default(class.requests.cpu.0, DEFAULT_SCORING_CPU_MILLI),
        or_default(class.requests.memory.0, DEFAULT_SCORING_MEMORY_BYTES),
    )
}

impl Nodes {
    pub(super) fn new(extended_resources: usize) -> Nodes {
        Nodes {
            names: TextColumn::default(),
            shape: Vec::new(),
            state: Vec::new(),
            cpu: Vec::new(),
            memory: Vec::new(),
            free_cpu: Vec::new(),
            free_memory: Vec::new(),
            free_ephemeral_storage: Vec::new(),
            free_pods: Vec::new(),
            free_extended: vec![Vec::new(); extended_resources],
            scoring_cpu: Vec::new(),
            scoring_memory: Vec::new(),
            gpu_model: Vec::new(),
            gpu_left_total: Vec::new(),
            gpu_kind_pods: Vec::new(),
            gpu_left: Vec::new(),
            gpu_start: vec![0],
            pod_count: Vec::new(),
            first_pod: Vec::new(),
            added: Vec::new(),
            removed: Vec::new(),
        }
    }

    /// How many nodes there are or were.
    #[inline]
    pub fn len(&self) -> usize {
        self.shape.len()
    }

    /// Whether there never was a node.
    pub fn is_empty(&self) -> bool {
        self.shape.is_empty()
    }

    /// The node's name.
    pub fn name(&self, node: NodeId) -> &str {
        self.names.get(node.index())
    }

    /// Milli-GPU left on each device of the node.
    #[inline]
    pub fn gpu_left(&self, node: NodeId) -> &[u16] {
        &self.gpu_left[self.gpu_range(node)]
    }

    /// How many GPUs the node has.
    #[inline]
    pub fn gpu_count(&self, node: NodeId) -> u32 {
        self.gpu_start[node.index() + 1] - self.gpu_start[node.index()]
    }

    #[inline]
    fn gpu_range(&self, node: NodeId) -> std::ops::Range<usize> {
        self.gpu_start[node.index()] as usize..self.gpu_start[node.index() + 1] as usize
    }

    pub(super) fn push(&mut self, name: &str, shape: ShapeId, kind: &NodeShape, now: SimTime) -> NodeId {
        let id = NodeId::from_index(self.len());
        let offered = &kind.allocatable;
        self.names.push(name);
        self.shape.push(shape);
        self.state.push(NodeState::Ready);
        self.cpu.push(offered.cpu.0);
        self.memory.push(offered.memory.0);
        self.free_cpu.push(offered.cpu.0);
        self.free_memory.push(offered.memory.0);
        self.free_ephemeral_storage.push(offered.ephemeral_storage.0);
        self.free_pods.push(offered.pods);
        for (position, column) in self.free_extended.iter_mut().enumerate() {
            column.push(offered.extended(position));
        }
        self.scoring_cpu.push(0);
        self.scoring_memory.push(0);
        let gpus = kind.gpu.map_or(0, |gpu| gpu.count);
        self.gpu_model.push(kind.gpu.map_or(GpuModelId(u32::MAX), |gpu| gpu.model));
        self.gpu_left_total.push(gpus * u32::from(GPU_MILLI));
        self.gpu_kind_pods.push([0; GPU_KINDS]);
        self.gpu_left.extend((0..gpus).map(|_| GPU_MILLI));
        self.gpu_start.push(self.gpu_left.len() as u32);
        self.pod_count.push(0);
        self.first_pod.push(NO_POD);
        self.added.push(now);
        self.removed.push(SimTime::NEVER);
        id
    }

    /// Takes what a pod of `class` requests from `node`.
    #[inline]
    pub(super) fn take(&mut self, class: &PodClass, node: NodeId, gpus: GpuMask) {
        let i = node.index();
        let less = |free: &mut u64, amount: u64| {
            *free = free.checked_sub(amount).expect("I2: a node would be over its allocatable");
        };
        less(&mut self.free_cpu[i], class.requests.cpu.0);
        less(&mut self.free_memory[i], class.requests.memory.0);
        // Most pods request none: the column stays out of the cache.
        if class.requests.ephemeral_storage.0 > 0 {
            less(&mut self.free_ephemeral_storage[i], class.requests.ephemeral_storage.0);
        }
        less(&mut self.free_pods[i], class.requests.pods);
        for (column, amount) in self.free_extended.iter_mut().zip(&class.requests.extended) {
            less(&mut column[i], *amount);
        }
        let (cpu, memory) = scoring_request(class);
        self.scoring_cpu[i] += cpu;
        self.scoring_memory[i] += memory;
        if let Some(request) = &class.gpu {
            assert_eq!(gpus.count_ones(), request.count, "a pod takes another number of GPUs than it requests");
            self.gpu_kind_pods[i][gpu_kind(request)] += 1;
            self.gpu_left_total[i] -= request.total_milli() as u32;
            let range = self.gpu_range(node);
            for device in mask_devices(gpus) {
                let left = &mut self.gpu_left[range.clone()][device];
                *left = left.checked_sub(request.milli).expect("I2: a GPU would be over its capacity");
            }
        }
    }

    /// Gives back to `node` what a pod of `class` took.
    #[inline]
    pub(super) fn give_back(&mut self, class: &PodClass, node: NodeId, gpus: GpuMask) {
        let i = node.index();
        self.free_cpu[i] += class.requests.cpu.0;
        self.free_memory[i] += class.requests.memory.0;
        if class.requests.ephemeral_storage.0 > 0 {
            self.free_ephemeral_storage[i] += class.requests.ephemeral_storage.0;
        }
        self.free_pods[i] += class.requests.pods;
        for (column, amount) in self.free_extended.iter_mut().zip(&class.requests.extended) {
            column[i] += amount;
        }
        let (cpu, memory) = scoring_request(class);
        self.scoring_cpu[i] -= cpu;
        self.scoring_memory[i] -= memory;
        if let Some(request) = &class.gpu {
            self.gpu_kind_pods[i][gpu_kind(request)] -= 1;
            self.gpu_left_total[i] += request.total_milli() as u32;
            let range = self.gpu_range(node);
            for device in mask_devices(gpus) {
                self.gpu_left[range.clone()][device] += request.milli;
            }
        }
    }

    /// The pods that hold a place on `node`, latest first.
    pub fn pods<'a>(&'a self, pods: &'a super::Pods, node: NodeId) -> impl Iterator<Item = PodId> + 'a {
        let first = self.first_pod[node.index()];
        std::iter::successors((first != NO_POD).then_some(PodId(first)), |pod| pods.next_on_node(*pod))
    }
}

/// The devices in a mask, lowest first.
pub fn mask_devices(mask: GpuMask) -> impl Iterator<Item = usize> {
    (0..GpuMask::BITS as usize).filter(move |device| mask & (1 << device) != 0)
}

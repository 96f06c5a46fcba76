//! Whether a pod fits a node: the one set of filters that all policies of this release share.
//!
//! Order of tests, cheapest and most telling first: node takes pods; cpu; memory; pod slots; ephemeral storage;
//! extended resources; selector, taints and GPU model; GPU devices.

use std::ops::Range;

use crate::ids::{ClassId, NodeId};
use crate::model::GpuRequest;
use crate::world::constraints::Verdict;
use crate::world::{NodeState, View};

/// Why a node refuses a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The node is cordoned, or gone.
    NodeUnschedulable,
    /// Too little cpu is left.
    InsufficientCpu,
    /// Too little memory is left.
    InsufficientMemory,
    /// No pod slot is left.
    TooManyPods,
    /// Too little ephemeral storage is left.
    InsufficientEphemeralStorage,
    /// Too little of an extended resource is left.
    InsufficientExtendedResource,
    /// A label that the pod asks for is missing.
    SelectorMismatch,
    /// A taint is not tolerated.
    UntoleratedTaint,
    /// There is no GPU of an acceptable model.
    GpuModelMismatch,
    /// Too few GPUs have enough left.
    InsufficientGpu,
}

impl Refusal {
    /// Words for people, in the manner of the scheduler's own events.
    pub fn message(self) -> &'static str {
        match self {
            Refusal::NodeUnschedulable => "node(s) were unschedulable",
            Refusal::InsufficientCpu => "Insufficient cpu",
            Refusal::InsufficientMemory => "Insufficient memory",
            Refusal::TooManyPods => "Too many pods",
            Refusal::InsufficientEphemeralStorage => "Insufficient ephemeral-storage",
            Refusal::InsufficientExtendedResource => "Insufficient extended resource",
            Refusal::SelectorMismatch => "node(s) didn't match the node selector",
            Refusal::UntoleratedTaint => "node(s) had untolerated taint(s)",
            Refusal::GpuModelMismatch => "node(s) had no GPU of an acceptable model",
            Refusal::InsufficientGpu => "Insufficient GPU",
        }
    }
}

/// Whether a pod of `class` fits on `node` now.
#[inline(always)]
pub fn fits(view: &View<'_>, class: ClassId, node: NodeId) -> bool {
    refusal(view, class, node).is_none()
}

/// Why a pod of `class` does not fit on `node` now: the first test that fails.
#[inline(always)]
pub fn refusal(view: &View<'_>, class: ClassId, node: NodeId) -> Option<Refusal> {
    let nodes = &view.world.nodes;
    if nodes.state[node.index()] != NodeState::Ready {
        return Some(Refusal::NodeUnschedulable);
    }
    if let Some(refusal) = resource_refusal(view, class, node) {
        return Some(refusal);
    }
    if view.world.constraints.is_free(class) {
        return None;
    }
    match view.world.constraints.verdict_on_node(class, nodes, node) {
        Verdict::Allowed => {}
        Verdict::SelectorMismatch => return Some(Refusal::SelectorMismatch),
        Verdict::UntoleratedTaint => return Some(Refusal::UntoleratedTaint),
        Verdict::GpuModelMismatch => return Some(Refusal::GpuModelMismatch),
    }
    match &view.class(class).gpu {
        Some(request) if !gpus_fit(request, nodes.gpu_left(node)) => Some(Refusal::InsufficientGpu),
        _ => None,
    }
}

/// Which resource, GPUs aside, `node` has too little of for a pod of `class`: the first in order of the tests.
#[inline(always)]
pub fn resource_refusal(view: &View<'_>, class: ClassId, node: NodeId) -> Option<Refusal> {
    let (nodes, i) = (&view.world.nodes, node.index());
    let wanted = &view.class(class).requests;
    if wanted.cpu.0 > nodes.free_cpu[i] {
        return Some(Refusal::InsufficientCpu);
    }
    if wanted.memory.0 > nodes.free_memory[i] {
        return Some(Refusal::InsufficientMemory);
    }
    if wanted.pods > nodes.free_pods[i] {
        return Some(Refusal::TooManyPods);
    }
    // Most pods request none: the column stays out of the cache.
    if wanted.ephemeral_storage.0 > 0 && wanted.ephemeral_storage.0 > nodes.free_ephemeral_storage[i] {
        return Some(Refusal::InsufficientEphemeralStorage);
    }
    if nodes.free_extended.iter().zip(&wanted.extended).any(|(free, &amount)| amount > free[i]) {
        return Some(Refusal::InsufficientExtendedResource);
    }
    None
}

/// Whether enough devices have enough left.
#[inline]
pub fn gpus_fit(request: &GpuRequest, left: &[u16]) -> bool {
    let fitting = left.iter().filter(|&&left| left >= request.milli).count();
    fitting >= request.count as usize
}

/// Moves the nodes on which a pod of `class` fits to the front, and says how many they are.
pub(super) fn partition_fitting(view: &View<'_>, class: ClassId, nodes: &mut [NodeId]) -> usize {
    let mut fitting = 0;
    for i in 0..nodes.len() {
        if fits(view, class, nodes[i]) {
            nodes.swap(fitting, i);
            fitting += 1;
        }
    }
    fitting
}

/// Writes for each node of a range whether a pod of `class` fits: 1 or 0. One pass a column, so that it vectorises.
pub(super) fn fitting_range(view: &View<'_>, class: ClassId, range: Range<usize>, fits: &mut [u8]) {
    let nodes = &view.world.nodes;
    let wanted = &view.class(class).requests;
    for (fits, state) in fits.iter_mut().zip(&nodes.state[range.clone()]) {
        *fits = u8::from(*state == NodeState::Ready);
    }
    let mut require = |column: &[u64], amount: u64| {
        if amount > 0 {
            for (fits, &free) in fits.iter_mut().zip(&column[range.clone()]) {
                *fits &= u8::from(free >= amount);
            }
        }
    };
    require(&nodes.free_cpu, wanted.cpu.0);
    require(&nodes.free_memory, wanted.memory.0);
    require(&nodes.free_pods, wanted.pods);
    require(&nodes.free_ephemeral_storage, wanted.ephemeral_storage.0);
    for (column, &amount) in nodes.free_extended.iter().zip(&wanted.extended) {
        require(column, amount);
    }
    let request = view.class(class).gpu.as_ref();
    if request.is_none() && view.world.constraints.is_free(class) {
        return;
    }
    for (i, fits) in range.zip(fits) {
        let node = NodeId::from_index(i);
        if *fits == 1 {
            let allowed = view.world.constraints.verdict_on_node(class, nodes, node) == Verdict::Allowed;
            *fits = u8::from(allowed && request.is_none_or(|request| gpus_fit(request, nodes.gpu_left(node))));
        }
    }
}

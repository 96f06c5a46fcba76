//! One node as a plug-in sees it, with pods thought away or added (`framework.NodeInfo`).

use crate::ids::{NodeId, PodId};
use crate::model::{NodeShape, Resources, Taint};
use crate::policy::scheduler::kube::labels::{self, NodeLabels};
use crate::world::{NodeState, View};

/// A node, and a what-if.
#[derive(Clone, Debug)]
pub struct NodeInfo<'a> {
    /// The model and the world.
    pub view: View<'a>,
    /// The node.
    pub node: NodeId,
    /// Pods that are thought away, sorted.
    without: Vec<PodId>,
    /// Pods that are thought to be here.
    with: Vec<PodId>,
}

impl NodeLabels for NodeInfo<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        NodeInfo::label(self, key)
    }

    fn name(&self) -> &str {
        NodeInfo::name(self)
    }

    fn taints(&self) -> &[Taint] {
        &self.shape().taints
    }
}

impl<'a> NodeInfo<'a> {
    /// The node as it is.
    pub fn new(view: View<'a>, node: NodeId) -> NodeInfo<'a> {
        NodeInfo { view, node, without: Vec::new(), with: Vec::new() }
    }

    /// Thinks a pod away that is here.
    pub fn remove_pod(&mut self, pod: PodId) {
        match self.with.iter().position(|other| *other == pod) {
            Some(position) => drop(self.with.remove(position)),
            None => {
                let at = self.without.binary_search(&pod).unwrap_or_else(|at| at);
                self.without.insert(at, pod);
            }
        }
    }

    /// Thinks a pod here: one that was thought away, or one that waits.
    pub fn add_pod(&mut self, pod: PodId) {
        match self.without.binary_search(&pod) {
            Ok(position) => drop(self.without.remove(position)),
            Err(_) => self.with.push(pod),
        }
    }

    /// The pods here, in no order that means anything.
    pub fn pods(&self) -> impl Iterator<Item = PodId> + '_ {
        let world = self.view.world;
        let here = world.nodes.pods(&world.pods, self.node).filter(|pod| self.without.binary_search(pod).is_err());
        here.chain(self.with.iter().copied())
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        self.view.world.nodes.name(self.node)
    }

    /// What it has in common with others.
    pub fn shape(&self) -> &'a NodeShape {
        self.view.model.cluster.shape(self.view.world.nodes.shape[self.node.index()])
    }

    /// Whether it is cordoned.
    pub fn is_unschedulable(&self) -> bool {
        self.view.world.nodes.state[self.node.index()] == NodeState::Cordoned
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&'a str> {
        labels::of_node(&self.view, self.node, self.shape(), key)
    }

    /// Milli-cores that its pods request. A node of a dump can be over its allocatable; then what is free has wrapped
    /// around below zero, here and below.
    pub fn requested_cpu(&self) -> u64 {
        let i = self.node.index();
        let nodes = &self.view.world.nodes;
        self.adjust(nodes.cpu[i].wrapping_sub(nodes.free_cpu[i]), |requests| requests.cpu.0)
    }

    /// Bytes of memory that its pods request.
    pub fn requested_memory(&self) -> u64 {
        let i = self.node.index();
        let nodes = &self.view.world.nodes;
        self.adjust(nodes.memory[i].wrapping_sub(nodes.free_memory[i]), |requests| requests.memory.0)
    }

    /// Bytes of ephemeral storage that its pods request.
    pub fn requested_ephemeral_storage(&self) -> u64 {
        let free = self.view.world.nodes.free_ephemeral_storage[self.node.index()];
        let taken = self.shape().allocatable.ephemeral_storage.0.wrapping_sub(free);
        self.adjust(taken, |requests| requests.ephemeral_storage.0)
    }

    /// How many pods there are.
    pub fn requested_pods(&self) -> u64 {
        let taken = self.shape().allocatable.pods.wrapping_sub(self.view.world.nodes.free_pods[self.node.index()]);
        self.adjust(taken, |requests| requests.pods)
    }

    /// Units of an extended resource that its pods request.
    pub fn requested_extended(&self, position: usize) -> u64 {
        let free = self.view.world.nodes.free_extended[position][self.node.index()];
        let taken = self.shape().allocatable.extended(position).wrapping_sub(free);
        self.adjust(taken, |requests| requests.extended(position))
    }

    /// What is taken in the what-if, given what really is.
    fn adjust(&self, taken: u64, amount: impl Fn(&Resources) -> u64) -> u64 {
        let of = |pod: &PodId| amount(&self.view.class_of(*pod).requests);
        let more: u64 = self.with.iter().map(of).sum();
        let less: u64 = self.without.iter().map(of).sum();
        taken.wrapping_add(more).wrapping_sub(less)
    }

    /// Milli-cores and bytes that its pods request as the scorers count them.
    pub fn scoring_requested(&self) -> (u64, u64) {
        let nodes = &self.view.world.nodes;
        let i = self.node.index();
        let of = |pod: PodId| crate::world::nodes::scoring_request(self.view.class_of(pod));
        let (mut cpu, mut memory) = (nodes.scoring_cpu[i], nodes.scoring_memory[i]);
        for &pod in &self.without {
            let (less_cpu, less_memory) = of(pod);
            cpu -= less_cpu;
            memory -= less_memory;
        }
        for &pod in &self.with {
            let (more_cpu, more_memory) = of(pod);
            cpu += more_cpu;
            memory += more_memory;
        }
        (cpu, memory)
    }
}

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

    /// What its pods request in all; `pods` is their number.
    pub fn requested(&self) -> Resources {
        let nodes = &self.view.world.nodes;
        let i = self.node.index();
        let offered = &self.shape().allocatable;
        let mut sum = Resources::default();
        // A node of a dump can be over its allocatable; then what is free has wrapped around below zero.
        let taken = |offered: u64, free: u64| offered.wrapping_sub(free);
        sum.cpu.0 = taken(nodes.cpu[i], nodes.free_cpu[i]);
        sum.memory.0 = taken(nodes.memory[i], nodes.free_memory[i]);
        sum.ephemeral_storage.0 = taken(offered.ephemeral_storage.0, nodes.free_ephemeral_storage[i]);
        sum.pods = taken(offered.pods, nodes.free_pods[i]);
        sum.extended = (0..nodes.free_extended.len())
            .map(|position| taken(offered.extended(position), nodes.free_extended[position][i]))
            .collect();
        for &pod in &self.without {
            self.change(&mut sum, pod, |sum, amount| *sum -= amount);
        }
        for &pod in &self.with {
            self.change(&mut sum, pod, |sum, amount| *sum += amount);
        }
        sum
    }

    fn change(&self, sum: &mut Resources, pod: PodId, step: impl Fn(&mut u64, u64)) {
        let requests = &self.view.class_of(pod).requests;
        step(&mut sum.cpu.0, requests.cpu.0);
        step(&mut sum.memory.0, requests.memory.0);
        step(&mut sum.ephemeral_storage.0, requests.ephemeral_storage.0);
        step(&mut sum.pods, requests.pods);
        for (position, column) in sum.extended.iter_mut().enumerate() {
            step(column, requests.extended(position));
        }
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

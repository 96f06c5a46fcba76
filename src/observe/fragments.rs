//! The cluster's GPU fragment, kept up to date as nodes change.
//!
//! Cost: one node's fragment a changed node, and one sum over blocks of nodes a look.

use crate::ids::NodeId;
use crate::world::View;
use crate::world::fragment::{TypicalPod, node_fragment, typical_pods};

/// How much of the workload the typical pods make up: the paper's choice.
const COVERAGE: f64 = 0.95;
/// Nodes whose fragments are summed together.
const BLOCK: usize = 32;

/// The fragment of every node.
#[derive(Clone, Debug)]
pub struct Fragments {
    typical: Vec<TypicalPod>,
    of_node: Vec<f64>,
    of_block: Vec<f64>,
    changed: Vec<NodeId>,
}

impl Fragments {
    /// The fragments of a cluster as it begins.
    pub fn new(view: &View<'_>) -> Fragments {
        let mut fragments = Fragments {
            typical: typical_pods(&view.model.cluster, &view.model.workload, COVERAGE),
            of_node: Vec::new(),
            of_block: Vec::new(),
            changed: Vec::new(),
        };
        (0..view.world.nodes.len()).for_each(|i| fragments.note(NodeId::from_index(i)));
        fragments
    }

    /// Notes that a node changes.
    pub fn note(&mut self, node: NodeId) {
        if self.changed.last() != Some(&node) {
            self.changed.push(node);
        }
    }

    /// The fragment of all nodes that are up, in milli-GPU.
    pub fn total(&mut self, view: &View<'_>) -> f64 {
        let nodes = &view.world.nodes;
        self.of_node.resize(nodes.len(), 0.0);
        self.of_block.resize(nodes.len().div_ceil(BLOCK), 0.0);
        for &node in &self.changed {
            let i = node.index();
            self.of_node[i] = match nodes.state[i].is_up() {
                true => node_fragment(&self.typical, nodes.free_cpu[i], nodes.gpu_model[i], nodes.gpu_left(node)),
                false => 0.0,
            };
        }
        for &node in &self.changed {
            let block = node.index() / BLOCK;
            let end = self.of_node.len().min((block + 1) * BLOCK);
            self.of_block[block] = self.of_node[block * BLOCK..end].iter().sum();
        }
        self.changed.clear();
        self.of_block.iter().sum()
    }
}

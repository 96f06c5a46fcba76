//! The slow obvious version of every scored policy: each decision scans all nodes and keeps nothing.
//!
//! Scores come from the policies' own scorers, one node at a time; FGD is written here once more, straight from its
//! definition, because its scorer is made for speed.

use super::balanced_allocation::BalancedAllocation;
use super::best_fit::BestFit;
use super::cosine::Cosine;
use super::dot_product::DotProduct;
use super::fgd_best_fit::FgdBestFit;
use super::fgd_dot_product::FgdDotProduct;
use super::gpu_clustering::GpuClustering;
use super::gpu_packing::GpuPacking;
use super::l2_norm::L2Norm;
use super::least_allocated::LeastAllocated;
use super::most_allocated::MostAllocated;
use super::worst_fit::WorstFit;
use super::{Decision, Placement, Scheduler, Score, Scorer, filter, gpus};
use crate::ids::{ClassId, NodeId};
use crate::model::Model;
use crate::world::fragment::{TypicalPod, node_fragment, typical_pods};
use crate::world::nodes::mask_devices;
use crate::world::{GpuMask, View};

/// The oracle of a scored policy; none for the others.
pub(in crate::policy) fn oracle(name: &str, model: &Model) -> Option<Box<dyn Scheduler>> {
    let scorer: Box<dyn Scorer> = match name {
        "best-fit" => Box::new(BestFit),
        "worst-fit" => Box::new(WorstFit),
        "least-allocated" => Box::new(LeastAllocated),
        "most-allocated" => Box::new(MostAllocated),
        "balanced-allocation" => Box::new(BalancedAllocation),
        "dot-product" => Box::new(DotProduct),
        "cosine" => Box::new(Cosine),
        "l2-norm" => Box::new(L2Norm),
        "gpu-packing" => Box::new(GpuPacking),
        "gpu-clustering" => Box::new(GpuClustering),
        "fgd-best-fit" => Box::new(FgdBestFit),
        "fgd-dot-product" => Box::new(FgdDotProduct),
        "fgd" => Box::new(NaiveFgd { typical: typical_pods(&model.cluster, &model.workload, 0.95) }),
        _ => return None,
    };
    Some(Box::new(Scan { scorer }))
}

/// Scans all nodes.
struct Scan {
    scorer: Box<dyn Scorer>,
}

impl Scheduler for Scan {
    fn decide(&mut self, view: &View<'_>, class: ClassId) -> Decision {
        let mut scored: Vec<(NodeId, Score)> = Vec::new();
        for node in (0..view.world.nodes.len()).map(NodeId::from_index) {
            if filter::fits(view, class, node) {
                // Scorers append: what is there already must stay.
                let mut scores = vec![-7];
                self.scorer.score(view, class, &[node], &mut scores);
                assert!(scores.len() == 2 && scores[0] == -7, "one score is appended per node");
                scored.push((node, scores[1]));
            }
        }
        let Some(high) = scored.iter().map(|&(_, score)| score).max() else {
            return Decision::Unschedulable;
        };
        let low = scored.iter().map(|&(_, score)| score).min().unwrap_or(high);
        let ties: Vec<NodeId> = scored.iter().filter(|&&(_, score)| score == high).map(|&(node, _)| node).collect();
        let best = match (scored.len(), self.scorer.normalised()) {
            (1, _) => -1,
            (_, true) if high == low => 0,
            (_, true) => 100,
            (_, false) => i64::from(high),
        };
        let gpus = self.scorer.choose_gpus(view, class, ties[0]);
        let (feasible, ties_count) = (scored.len() as u32, ties.len() as u32);
        Decision::Place(Placement { node: ties[0], gpus, feasible, best, ties: ties_count })
    }
}

/// FGD from its definition: try every way to take the GPUs, compare the node's fragment before and after.
struct NaiveFgd {
    typical: Vec<TypicalPod>,
}

impl NaiveFgd {
    /// The ways to take GPUs on a node, in order of preference among equals.
    fn ways(view: &View<'_>, class: ClassId, node: NodeId) -> Vec<GpuMask> {
        let left = view.world.nodes.gpu_left(node);
        match &view.class(class).gpu {
            None => vec![0],
            Some(request) if request.count == 1 && request.milli < 1000 => {
                (0..left.len()).filter(|&device| left[device] >= request.milli).map(|device| 1 << device).collect()
            }
            Some(request) => vec![gpus::best_fit(request, left)],
        }
    }

    fn score_of(&self, view: &View<'_>, class: ClassId, node: NodeId, way: GpuMask) -> Score {
        let (nodes, i, class) = (&view.world.nodes, node.index(), view.class(class));
        let fragment = |cpu, left: &[u16]| node_fragment(&self.typical, cpu, nodes.gpu_model[i], left);
        let mut left = nodes.gpu_left(node).to_vec();
        let before = fragment(nodes.free_cpu[i], &left);
        for device in mask_devices(way) {
            left[device] -= class.gpu.as_ref().map_or(0, |request| request.milli);
        }
        let after = fragment(nodes.free_cpu[i] - class.requests.cpu.0, &left);
        (1.0 / (1.0 + libm::exp(-(before - after) / 1000.0)) * 100.0) as Score
    }
}

impl Scorer for NaiveFgd {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        for &node in nodes {
            let ways = NaiveFgd::ways(view, class, node);
            scores.push(ways.into_iter().map(|way| self.score_of(view, class, node, way)).max().expect("it fits"));
        }
    }

    fn choose_gpus(&mut self, view: &View<'_>, class: ClassId, node: NodeId) -> GpuMask {
        let ways = NaiveFgd::ways(view, class, node);
        let best = ways.iter().map(|&way| self.score_of(view, class, node, way)).max().expect("it fits");
        ways.into_iter().find(|&way| self.score_of(view, class, node, way) == best).expect("one of them is best")
    }
}

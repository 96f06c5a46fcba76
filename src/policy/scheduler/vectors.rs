//! Request and node as vectors of shares: what the vector bin-packing policies of our own have in common.
//!
//! Three components: cpu, memory, GPU, each as a share of what the node offers. A component that the node does not offer
//! is left out. Grades lie between 0 and 1 and become integer scores of one part in a million, so that ties are exact.

use super::Score;
use crate::ids::{ClassId, NodeId};
use crate::world::View;

/// The score of grade 1.
const SCORE_MAX: f64 = 1_000_000.0;
/// Lowest and highest score of a grade between 0 and 1, with room for rounding.
pub(super) const RANGE: std::ops::RangeInclusive<Score> = -1..=1_000_001;

/// Demand and free resources of one node as shares of what it offers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vectors {
    pub(super) demand: [f64; 3],
    pub(super) free: [f64; 3],
    pub(super) offered: [bool; 3],
}

impl Vectors {
    /// The sum of `of(demand, free)` over the components that the node offers.
    pub(super) fn sum_over_offered(&self, of: impl Fn(f64, f64) -> f64) -> f64 {
        (0..3).filter(|&kind| self.offered[kind]).map(|kind| of(self.demand[kind], self.free[kind])).sum()
    }

    /// The mean of `of(demand, free)` over the components that the node offers; 0 without any.
    pub(super) fn mean_over_offered(&self, of: impl Fn(f64, f64) -> f64) -> f64 {
        let offered = self.offered.iter().filter(|&&offered| offered).count();
        self.sum_over_offered(of) / offered.max(1) as f64
    }

    /// The mean share that is left after placing.
    pub(super) fn mean_left_after(&self) -> f64 {
        self.mean_over_offered(|demand, free| free - demand)
    }
}

/// Appends the score of each node: its grade in parts per million.
pub(super) fn score_each(
    view: &View<'_>,
    class: ClassId,
    nodes: &[NodeId],
    scores: &mut Vec<Score>,
    grade: fn(&Vectors) -> f64,
) {
    let class = view.class(class);
    let gpu = class.gpu.as_ref().map_or(0, |gpu| gpu.total_milli());
    let demand = [class.requests.cpu.0, class.requests.memory.0, gpu].map(|amount| amount as f64);
    let columns = &view.world.nodes;
    scores.extend(nodes.iter().map(|&node| {
        let i = node.index();
        let offers = [columns.cpu[i] as f64, columns.memory[i] as f64, f64::from(columns.gpu_count(node)) * 1000.0];
        let free = [columns.free_cpu[i] as f64, columns.free_memory[i] as f64, columns.gpu_left_total[i].into()];
        let share = |amounts: &[f64; 3]| std::array::from_fn(|kind| amounts[kind] / offers[kind].max(1.0));
        let vectors = Vectors { demand: share(&demand), free: share(&free), offered: offers.map(|offer| offer > 0.0) };
        (grade(&vectors) * SCORE_MAX).round() as Score
    }));
}

//! Cosine: the node whose free resources point the way of the request, whatever their size.
//!
//! Decides: the highest demand . free / (|demand| |free|); 0 where either has no length.
//! Vectors are (cpu, memory, GPU) as shares of what the node offers; see [`vectors`].
//! Parameters: none.
//! Source: the alignment of Grandl et al., "Multi-Resource Packing for Cluster Schedulers" (SIGCOMM 2014), divided by the
//! lengths.
//! Known deviations: scores are rounded to one part in a million.
//! Example: demand (0.3, 0.4) on a node with (0.6, 0.8) free scores 1.

use super::scored::{self, Scorer};
use super::vectors::{self, Vectors};
use super::{Build, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "cosine",
    summary: "the node whose free resources point the way of the request",
    source: "cosine similarity of demand and free resources (Tetris, Grandl et al. 2014, without the lengths)",
    parameters: &[],
    build: Build::Score(|parameters, _| scored::without_parameters(parameters, Cosine)),
};

pub(super) struct Cosine;

impl Scorer for Cosine {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        vectors::score_each(view, class, nodes, scores, grade);
    }

    fn range(&self) -> std::ops::RangeInclusive<Score> {
        vectors::RANGE
    }
}

/// The cosine of the angle between demand and free shares.
fn grade(vectors: &Vectors) -> f64 {
    let product = vectors.sum_over_offered(|demand, free| demand * free);
    let demand = vectors.sum_over_offered(|demand, _| demand * demand);
    let free = vectors.sum_over_offered(|_, free| free * free);
    let lengths = libm::sqrt(demand * free);
    if lengths > 0.0 { product / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parallel_is_one_and_orthogonal_is_zero() {
        let vectors = |demand, free| Vectors { demand, free, offered: [true, true, false] };
        assert!((grade(&vectors([0.3, 0.4, 0.0], [0.6, 0.8, 0.0])) - 1.0).abs() < 1e-12);
        assert_eq!(grade(&vectors([0.5, 0.0, 0.0], [0.0, 0.5, 0.0])), 0.0);
        assert_eq!(grade(&vectors([0.0, 0.0, 0.0], [0.5, 0.5, 0.0])), 0.0);
    }
}

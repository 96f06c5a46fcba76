//! Dot product: the node whose free resources are most aligned with the request, large ones first.
//!
//! Decides: the highest sum over resources of demand x free, divided by the number of resources that the node offers.
//! Vectors are (cpu, memory, GPU) as shares of what the node offers; see [`vectors`].
//! Parameters: none.
//! Source: Panigrahy et al., "Heuristics for Vector Bin Packing" (2011), dot product with weights 1.
//! Known deviations: scores are rounded to one part in a million.
//! Example: demand (0.5, 0.25) on a node with (1, 0.5) free scores (0.5 + 0.125) / 2 = 0.3125.

use super::scored::{self, Scorer};
use super::vectors::{self, Vectors};
use super::{Build, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "dot-product",
    summary: "the node whose free resources point the way of the request, and are large",
    source: "dot product (Panigrahy et al. 2011)",
    parameters: &[],
    build: Build::Score(|parameters, _| scored::without_parameters(parameters, DotProduct)),
};

pub(super) struct DotProduct;

impl Scorer for DotProduct {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        vectors::score_each(view, class, nodes, scores, grade);
    }

    fn range(&self) -> std::ops::RangeInclusive<Score> {
        vectors::RANGE
    }
}

/// The mean product of demand and free share.
fn grade(vectors: &Vectors) -> f64 {
    vectors.mean_over_offered(|demand, free| demand * free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_averaged() {
        let vectors = Vectors { demand: [0.5, 0.25, 0.0], free: [1.0, 0.5, 0.0], offered: [true, true, false] };
        assert_eq!(grade(&vectors), 0.3125);
    }
}

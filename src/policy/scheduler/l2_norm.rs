//! L2 norm: the node whose free resources are nearest to the request.
//!
//! Decides: the lowest sum over resources of (free - demand)^2, divided by the number of resources that the node offers;
//! the score is one less that.
//! Vectors are (cpu, memory, GPU) as shares of what the node offers; see [`vectors`].
//! Parameters: none.
//! Source: Panigrahy et al., "Heuristics for Vector Bin Packing" (2011), norm-based greedy with weights 1.
//! Known deviations: scores are rounded to one part in a million.
//! Example: demand (0.5, 0.25) on a node with (1, 0.5) free scores 1 - (0.25 + 0.0625) / 2 = 0.84375.

use super::scored::{self, Scorer};
use super::vectors::{self, Vectors};
use super::{Build, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "l2-norm",
    summary: "the node whose free resources are nearest to the request",
    source: "L2 norm greedy (Panigrahy et al. 2011)",
    parameters: &[],
    build: Build::Score(|parameters, _| scored::without_parameters(parameters, L2Norm)),
};

pub(super) struct L2Norm;

impl Scorer for L2Norm {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        vectors::score_each(view, class, nodes, scores, grade);
    }

    fn range(&self) -> std::ops::RangeInclusive<Score> {
        vectors::RANGE
    }
}

/// One less the mean squared distance between free and demanded shares.
fn grade(vectors: &Vectors) -> f64 {
    1.0 - vectors.mean_over_offered(|demand, free| (free - demand) * (free - demand))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_better() {
        let vectors = Vectors { demand: [0.5, 0.25, 0.0], free: [1.0, 0.5, 0.0], offered: [true, true, false] };
        assert_eq!(grade(&vectors), 0.84375);
    }
}

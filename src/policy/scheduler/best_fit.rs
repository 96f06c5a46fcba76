//! Best fit: the node with the least left.
//!
//! Decides: the lowest sum over resources of the share of the node that is left after placing, averaged over the
//! resources that the node offers.
//! Vectors are (cpu, memory, GPU) as shares of what the node offers; see [`vectors`].
//! Parameters: none.
//! Source: best fit (Johnson 1973), with the sum of shares as size; ours.
//! Known deviations: scores are rounded to one part in a million.
//! Example: after placing, 25 % of cpu and 75 % of memory are left: the score is 1 - 0.5 = 0.5.

use super::scored::{self, Scorer};
use super::vectors::{self, Vectors};
use super::{Build, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "best-fit",
    summary: "the node with the smallest share left after placing",
    source: "best fit, with the sum of shares as size",
    parameters: &[],
    build: Build::Score(|parameters, _| scored::without_parameters(parameters, BestFit)),
};

pub(super) struct BestFit;

impl Scorer for BestFit {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        vectors::score_each(view, class, nodes, scores, grade);
    }

    fn range(&self) -> std::ops::RangeInclusive<Score> {
        vectors::RANGE
    }
}

/// One less the mean share left after placing.
fn grade(vectors: &Vectors) -> f64 {
    1.0 - vectors.mean_left_after()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuller_node_wins() {
        // cpu 0.5 - 0.25 and memory 1 - 0.25 are left: 1 - (0.25 + 0.75) / 2
        let vectors = Vectors { demand: [0.25, 0.25, 0.0], free: [0.5, 1.0, 0.0], offered: [true, true, false] };
        assert_eq!(grade(&vectors), 0.5);
    }
}

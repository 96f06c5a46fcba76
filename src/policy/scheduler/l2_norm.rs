//! The node where least is left over, large leftovers counting most.
//!
//! Decides: the highest of trunc(1 000 000 (1 - s / 3)), with s the sum, over cpu, memory and GPU, of
//! ((free - requested) / allocatable)^2; 0 for what the node does not offer.
//! Parameters: none. Source: the norm-based greedy heuristic with the L2 norm of Panigrahy et al., "Heuristics for
//! Vector Bin Packing" (2011). Known deviations: they fill one bin and choose the item, here the pod is given and the
//! node is chosen; all weights are 1.
//! Example: a pod of a quarter of a node's cpu: a node with half of its cpu and memory free (1/16 + 1/4) is taken
//! before one with a quarter of its cpu and all memory free (0 + 1).

use serde_json::Value;

use super::scored::{Scored, Scorer};
use super::shares::{SCALE, Shares, dot};
use super::{Scheduler, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::policy::parameters::{self, ParameterError};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "l2-norm",
    summary: "the node with the smallest Euclidean norm of what is left",
    source: "Panigrahy et al., Heuristics for Vector Bin Packing (2011)",
    parameters: &[],
    build: |parameters, _, _| build(parameters),
};

struct L2Norm;

fn build(parameters: &Value) -> Result<Box<dyn Scheduler>, ParameterError> {
    parameters::none(parameters)?;
    Ok(Box::new(Scored::new(L2Norm)))
}

impl Scorer for L2Norm {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        scores.extend(nodes.iter().map(|&node| grade(&Shares::new(view, class, node))));
    }
}

fn grade(shares: &Shares) -> Score {
    let left = std::array::from_fn(|r| shares.free[r] - shares.demand[r]);
    (SCALE * (1.0 - dot(left, left) / 3.0)) as Score
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_follow_the_formula() {
        for (demand, free, score) in [
            // Left 0.25, 0.5, 0: 1 - (0.0625 + 0.25) / 3 = 0.895833...
            ([0.25, 0.0, 0.0], [0.5, 0.5, 0.0], 895_833),
            // Left 0, 1, 0: 1 - 1 / 3 = 0.666666...
            ([0.25, 0.0, 0.0], [0.25, 1.0, 0.0], 666_666),
            // Nothing left.
            ([0.25, 0.5, 1.0], [0.25, 0.5, 1.0], 1_000_000),
            // An idle node, and a pod that requests nothing.
            ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], 0),
        ] {
            assert_eq!(grade(&Shares { demand, free }), score, "{demand:?} of {free:?}");
        }
    }
}

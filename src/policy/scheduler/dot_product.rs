//! The node whose free resources point the way of the request and are plentiful.
//!
//! Decides: the highest of trunc(1 000 000 (d . f)), with d the request and f what is free before placing, each a
//! vector of cpu, memory and GPU as shares of the node's allocatable; 0 for what the node does not offer.
//! Parameters: none. Source: the dot-product heuristic of Panigrahy et al., "Heuristics for Vector Bin Packing" (2011).
//! Known deviations: they fill one bin and choose the item, here the pod is given and the node is chosen; all weights
//! are 1. The DotProd of the FGD simulator, `fgd-dot-product`, takes the lowest product.
//! Example: a pod of half a node's cpu and a tenth of its memory: a node with all cpu and half of its memory free
//! (0.5 + 0.05) is taken before one with half of its cpu and all memory free (0.25 + 0.1).

use serde_json::Value;

use super::scored::{Scored, Scorer};
use super::shares::{SCALE, Shares, dot};
use super::{Scheduler, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::policy::parameters::{self, ParameterError};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "dot-product",
    summary: "the node with the largest dot product of request and free resources",
    source: "Panigrahy et al., Heuristics for Vector Bin Packing (2011)",
    parameters: &[],
    build: |parameters, _, _| build(parameters),
};

struct DotProduct;

fn build(parameters: &Value) -> Result<Box<dyn Scheduler>, ParameterError> {
    parameters::none(parameters)?;
    Ok(Box::new(Scored::new(DotProduct)))
}

impl Scorer for DotProduct {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        scores.extend(nodes.iter().map(|&node| grade(&Shares::new(view, class, node))));
    }
}

fn grade(shares: &Shares) -> Score {
    (SCALE * dot(shares.demand, shares.free)) as Score
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_follow_the_formula() {
        for (demand, free, score) in [
            // 0.5 x 1 + 0.125 x 0.5
            ([0.5, 0.125, 0.0], [1.0, 0.5, 1.0], 562_500),
            // 0.5 x 0.5 + 0.125 x 1
            ([0.5, 0.125, 0.0], [0.5, 1.0, 1.0], 375_000),
            // 0.25 x 0.5 + 0.25 x 0.5 + 1 x 1
            ([0.25, 0.25, 1.0], [0.5, 0.5, 1.0], 1_250_000),
            ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], 0),
        ] {
            assert_eq!(grade(&Shares { demand, free }), score, "{demand:?} of {free:?}");
        }
    }
}

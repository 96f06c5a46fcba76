//! The node that is left emptiest.
//!
//! Decides: the highest of trunc(1 000 000 L), with L the mean, over cpu, memory and GPU as far as the pod requests
//! them, of (free - requested) / allocatable. A pod that requests none of them scores 0 everywhere. GPU counts as the
//! sum over the node's devices.
//! Parameters: none. Source: worst fit (Johnson 1973); the measure of emptiness for several resources is ours.
//! Known deviations: none.
//! Example: nodes of 4 cores with 3 and 2 left, a pod of 1 core: L is 2/4 and 1/4, so the first node is taken.

use serde_json::Value;

use super::scored::{Scored, Scorer};
use super::shares::{SCALE, Shares};
use super::{Scheduler, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::policy::parameters::{self, ParameterError};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "worst-fit",
    summary: "the node that is left emptiest",
    source: "worst fit (Johnson 1973), mean share left",
    parameters: &[],
    build: |parameters, _, _| build(parameters),
};

struct WorstFit;

fn build(parameters: &Value) -> Result<Box<dyn Scheduler>, ParameterError> {
    parameters::none(parameters)?;
    Ok(Box::new(Scored::new(WorstFit)))
}

impl Scorer for WorstFit {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        scores.extend(nodes.iter().map(|&node| grade(&Shares::new(view, class, node))));
    }
}

fn grade(shares: &Shares) -> Score {
    shares.mean_left().map_or(0, |left| (SCALE * left) as Score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_follow_the_formula() {
        for (demand, free, score) in [
            // Left: (3 - 1) / 4 = 0.5 of the cpu.
            ([0.25, 0.0, 0.0], [0.75, 1.0, 1.0], 500_000),
            // Left: 0.25 of the cpu.
            ([0.25, 0.0, 0.0], [0.5, 1.0, 1.0], 250_000),
            // Left: (0.5 + 0.25) / 2 = 0.375.
            ([0.25, 0.25, 0.0], [0.75, 0.5, 0.0], 375_000),
            ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], 0),
        ] {
            assert_eq!(grade(&Shares { demand, free }), score, "{demand:?} of {free:?}");
        }
    }
}

//! The node whose free resources have the shape of the request.
//!
//! Decides: the highest of trunc(1 000 000 (d . f) / (|d| |f|)), the cosine of the angle between the request d and what
//! is free before placing f, each a vector of cpu, memory and GPU as shares of the node's allocatable; 0 for what the
//! node does not offer. The score is 0 where either vector is zero.
//! Parameters: none. Source: ours, after the dot product of Panigrahy et al. (2011) made independent of size.
//! Known deviations: none.
//! Example: a pod of a quarter of a node's cpu and memory: a node with half of both free (cosine 1) is taken before an
//! empty node with GPUs (cosine 2 / (sqrt 2 sqrt 3) = 0.816), which is thus kept for pods that want them.

use serde_json::Value;

use super::scored::{Scored, Scorer};
use super::shares::{SCALE, Shares, dot};
use super::{Scheduler, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::policy::parameters::{self, ParameterError};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "cosine",
    summary: "the node whose free resources are most alike in shape to the request",
    source: "cosine similarity of request and free resources",
    parameters: &[],
    build: |parameters, _, _| build(parameters),
};

struct Cosine;

fn build(parameters: &Value) -> Result<Box<dyn Scheduler>, ParameterError> {
    parameters::none(parameters)?;
    Ok(Box::new(Scored::new(Cosine)))
}

impl Scorer for Cosine {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        scores.extend(nodes.iter().map(|&node| grade(&Shares::new(view, class, node))));
    }
}

fn grade(shares: &Shares) -> Score {
    let product = dot(shares.demand, shares.free);
    if product == 0.0 {
        return 0;
    }
    let lengths = libm::sqrt(dot(shares.demand, shares.demand)) * libm::sqrt(dot(shares.free, shares.free));
    (SCALE * product / lengths) as Score
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_follow_the_formula() {
        for (demand, free, score) in [
            // 0.25 x 0.5 / (0.25 x 0.5): the same direction.
            ([0.25, 0.0, 0.0], [0.5, 0.0, 0.0], 1_000_000),
            // 0.25 / (0.25 x sqrt(2)) = 0.707106...
            ([0.25, 0.0, 0.0], [1.0, 1.0, 0.0], 707_106),
            // (0.5 + 0.5) / (sqrt(0.5) x sqrt(3)) = 0.816496...
            ([0.5, 0.5, 0.0], [1.0, 1.0, 1.0], 816_496),
            // At right angles: nothing that is wanted is free.
            ([0.5, 0.0, 0.0], [0.0, 1.0, 0.0], 0),
            ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], 0),
        ] {
            assert_eq!(grade(&Shares { demand, free }), score, "{demand:?} of {free:?}");
        }
    }
}

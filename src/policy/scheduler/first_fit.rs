//! The first node that fits, in order of node rank.
//!
//! Decides: the feasible node with the lowest id.
//! Parameters: none. Source: first fit (Johnson 1973). Known deviations: none.
//! Example: nodes of 4 cores, pods of 3, 2 and 1 cores: nodes 0, 1, 0.

use serde_json::Value;

use super::index::NodeIndex;
use super::{Decision, Placement, Scheduler, SchedulerRow, gpus, unscored};
use crate::ids::{ClassId, NodeId};
use crate::policy::parameters::{self, ParameterError};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "first-fit",
    summary: "the first node that fits",
    source: "first fit (Johnson 1973)",
    parameters: &[],
    build: |parameters, _, _| build(parameters),
};

#[derive(Default)]
struct FirstFit {
    index: NodeIndex,
}

fn build(parameters: &Value) -> Result<Box<dyn Scheduler>, ParameterError> {
    parameters::none(parameters)?;
    Ok(Box::<FirstFit>::default())
}

impl Scheduler for FirstFit {
    fn decide(&mut self, view: &View<'_>, class: ClassId) -> Decision {
        let candidates = self.index.refresh(view, class, &mut unscored);
        let Some(node) = candidates.next_from(NodeId(0)) else {
            return Decision::Unschedulable;
        };
        let gpus = gpus::best_fit_on(view, class, node);
        Decision::Place(Placement { node, gpus, feasible: candidates.feasible(), best: -1, ties: 1 })
    }
}

#[cfg(test)]
mod tests {
    use crate::testkit::{cluster, nodes_chosen};

    #[test]
    fn the_lowest_node_that_fits_is_taken() {
        let fixture = cluster().node("n").cpu(4000).times(2).pod("3").cpu(3000).pod("2").cpu(2000).pod("1").cpu(1000);
        // Left after each pod: 1 4, 1 2, 0 2, 0 0; then nothing fits.
        assert_eq!(nodes_chosen(&fixture, "first-fit", &[0, 1, 2, 1, 2]), [Some(0), Some(1), Some(0), Some(1), None]);
    }
}

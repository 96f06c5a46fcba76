//! The first node that fits, in order of node rank.
//!
//! Decides: the feasible node with the lowest id. Parameters: none. Source: first fit (Johnson 1973).

use serde_json::Value;

use super::index::NodeIndex;
use super::{Decision, Placement, Scheduler, SchedulerRow, gpus};
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
        let unscored = &mut |_: &View<'_>, _, nodes: &[NodeId], scores: &mut Vec<_>| scores.resize(nodes.len(), 0);
        let candidates = self.index.refresh(view, class, unscored);
        let Some(node) = candidates.next_from(NodeId(0)) else {
            return Decision::Unschedulable;
        };
        let request = view.class(class).gpu.as_ref();
        let gpus = request.map_or(0, |request| gpus::best_fit(request, view.world.nodes.gpu_left(node)));
        Decision::Place(Placement { node, gpus, feasible: candidates.feasible(), best: -1, ties: 1 })
    }
}

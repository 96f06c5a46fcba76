//! Every node in turn.
//!
//! Decides: the first feasible node after the one that took the last pod, in order of node rank and going round; the
//! first pod begins at the first node.
//! Parameters: none. Source: ours; the customary round robin. Known deviations: none.
//! Example: three nodes with room, four pods: nodes 0, 1, 2, 0.

use serde_json::Value;

use super::index::NodeIndex;
use super::{Decision, Placement, Scheduler, SchedulerRow, gpus, unscored};
use crate::ids::{ClassId, NodeId};
use crate::policy::parameters::{self, ParameterError};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "round-robin",
    summary: "the next node that fits after the node of the last pod",
    source: "round robin",
    parameters: &[],
    build: |parameters, _, _| build(parameters),
};

struct RoundRobin {
    index: NodeIndex,
    next: NodeId,
}

fn build(parameters: &Value) -> Result<Box<dyn Scheduler>, ParameterError> {
    parameters::none(parameters)?;
    Ok(Box::new(RoundRobin { index: NodeIndex::default(), next: NodeId(0) }))
}

impl Scheduler for RoundRobin {
    fn decide(&mut self, view: &View<'_>, class: ClassId) -> Decision {
        let candidates = self.index.refresh(view, class, &mut unscored);
        let Some(node) = candidates.next_from(self.next) else {
            return Decision::Unschedulable;
        };
        self.next = NodeId::from_index((node.index() + 1) % view.world.nodes.len());
        let gpus = gpus::best_fit_on(view, class, node);
        Decision::Place(Placement { node, gpus, feasible: candidates.feasible(), best: -1, ties: 1 })
    }
}

#[cfg(test)]
mod tests {
    use crate::testkit::{cluster, nodes_chosen};

    #[test]
    fn nodes_take_turns() {
        let fixture = cluster().node("n").cpu(4000).times(3).pod("1").cpu(1000).pod("4").cpu(4000);
        for (requests, nodes) in [
            (&[0, 0, 0, 0][..], &[Some(0), Some(1), Some(2), Some(0)][..]),
            // Node 0 has 3 cores left after the first pod, so 4 cores go to nodes 1 and 2, and then nowhere; the turn
            // stays with node 0.
            (&[0, 1, 1, 1, 0][..], &[Some(0), Some(1), Some(2), None, Some(0)][..]),
            // Full nodes are passed over.
            (&[0, 1, 0, 0, 0][..], &[Some(0), Some(1), Some(2), Some(0), Some(2)][..]),
        ] {
            assert_eq!(nodes_chosen(&fixture, "round-robin", requests), nodes, "{requests:?}");
        }
    }
}

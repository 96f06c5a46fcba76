//! The node that took the last pod, and when it does not fit there, the next one that does.
//!
//! Decides: the first feasible node from the current one on, in order of node rank and going round; it becomes the
//! current node. The first node is current at the start.
//! Parameters: none. Source: next fit (Johnson 1973).
//! Known deviation: the classic rule closes a bin that was left behind for good; here pods end, so the search goes
//! round and nodes are tried again.
//! Example: three nodes of 4 cores, pods of 3, 2, 2 and 1 cores: nodes 0, 1, 1, 2, though the last would fit node 0.

use serde_json::Value;

use super::index::NodeIndex;
use super::{Decision, Placement, Scheduler, SchedulerRow, gpus, unscored};
use crate::ids::{ClassId, NodeId};
use crate::policy::parameters::{self, ParameterError};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "next-fit",
    summary: "the node of the last pod while pods fit, then the next that fits, going round",
    source: "next fit (Johnson 1973)",
    parameters: &[],
    build: |parameters, _, _| build(parameters),
};

struct NextFit {
    index: NodeIndex,
    current: NodeId,
}

fn build(parameters: &Value) -> Result<Box<dyn Scheduler>, ParameterError> {
    parameters::none(parameters)?;
    Ok(Box::new(NextFit { index: NodeIndex::default(), current: NodeId(0) }))
}

impl Scheduler for NextFit {
    fn decide(&mut self, view: &View<'_>, class: ClassId) -> Decision {
        let candidates = self.index.refresh(view, class, &mut unscored);
        let Some(node) = candidates.next_from(self.current) else {
            return Decision::Unschedulable;
        };
        self.current = node;
        let gpus = gpus::best_fit_on(view, class, node);
        Decision::Place(Placement { node, gpus, feasible: candidates.feasible(), best: -1, ties: 1 })
    }
}

#[cfg(test)]
mod tests {
    use crate::testkit::{cluster, nodes_chosen};

    #[test]
    fn the_current_node_is_kept_while_pods_fit() {
        let pods = cluster().node("n").cpu(4000).times(3).pod("3").cpu(3000).pod("2").cpu(2000);
        let fixture = pods.pod("1").cpu(1000).pod("4").cpu(4000);
        for (requests, nodes) in [
            // Left: 4 4 4, 1 4 4, 1 2 4, 1 0 4; the pod of 1 core goes on to node 2, though it would fit node 0.
            (&[0, 1, 1, 2][..], &[Some(0), Some(1), Some(1), Some(2)][..]),
            // From node 2 the search goes round: 1 core is left on node 0 only.
            (&[0, 3, 3, 2][..], &[Some(0), Some(1), Some(2), Some(0)][..]),
            // A pod that fits nowhere leaves the current node as it is: left are 1 2 4 when 4 + 4 cores come, the first
            // of which goes to node 2; then the search for 1 core goes round from there to node 0.
            (&[0, 1, 3, 3, 2][..], &[Some(0), Some(1), Some(2), None, Some(0)][..]),
        ] {
            assert_eq!(nodes_chosen(&fixture, "next-fit", requests), nodes, "{requests:?}");
        }
    }
}

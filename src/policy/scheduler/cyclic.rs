//! Nodes in turn: what first fit, next fit and round robin have in common.

use super::index::NodeIndex;
use super::scored::FeasibleOnly;
use super::{Decision, Placement, Scheduler, gpus};
use crate::ids::{ClassId, NodeId};
use crate::world::View;

/// Where the search for a feasible node begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// At the first node.
    AlwaysFirst,
    /// At the node that was taken last.
    AtLast,
    /// After the node that was taken last.
    AfterLast,
}

/// Takes the first feasible node from its start on, going round.
pub(super) struct Cyclic {
    start: Start,
    last: Option<NodeId>,
    index: NodeIndex,
}

impl Cyclic {
    pub(super) fn new(start: Start) -> Cyclic {
        Cyclic { start, last: None, index: NodeIndex::default() }
    }
}

impl Scheduler for Cyclic {
    fn decide(&mut self, view: &View<'_>, class: ClassId) -> Decision {
        let from = match (self.start, self.last) {
            (Start::AlwaysFirst, _) | (_, None) => NodeId(0),
            (Start::AtLast, Some(last)) => last,
            (Start::AfterLast, Some(last)) => NodeId((last.0 + 1) % view.world.nodes.len() as u32),
        };
        let candidates = self.index.refresh(view, class, &mut FeasibleOnly);
        let Some(node) = candidates.next_from(from) else {
            return Decision::Unschedulable;
        };
        self.last = Some(node);
        let gpus = gpus::best_fit_on(view, class, node);
        Decision::Place(Placement { node, gpus, feasible: candidates.feasible(), best: -1, ties: 1 })
    }
}

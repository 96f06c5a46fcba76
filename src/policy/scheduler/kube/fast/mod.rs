//! The fast path: the decisions of the plain form, kept up to date instead of made anew.
//!
//! For each class of pods it keeps which nodes pass the filters and how they score, looks again only at nodes that
//! changed, and counts pods by topology domain as they come and go. A decision then walks the order of nodes from the
//! rotating start over a bit set, and takes the highest sum. The arithmetic is that of the plain plug-ins, which it calls
//! for every node that changed; what it cannot keep (volumes, claims, plug-ins that name nodes) it leaves to them.
//!
//! Cost: a decision O(nodes looked at / 64 + feasible nodes) for classes that look at nodes alone, O(nodes looked at x
//! terms) with topology, plus O(plug-ins) for every node that changed since the class was last looked at. A class holds
//! about 5 bytes a node.
//!
//! Invariant, held by a test over random clusters: under every tie-break the fast path
//! and the plain form choose the same nodes.

mod bits;
mod class;
mod domains;
mod locality;
mod topology;

use class::{Best, ClassState};
use domains::{Domains, Order};
use topology::Surroundings;

use super::framework::Framework;
use super::{Cycle, select};
use crate::ids::NodeId;

/// What the fast path found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy::scheduler) struct Found {
    /// The class, to ask for one of the best nodes.
    class: usize,
    start: usize,
    best: Best,
}

impl Found {
    /// How many nodes passed, of those that were looked at.
    pub(in crate::policy::scheduler) fn feasible(&self) -> usize {
        self.best.feasible
    }

    /// How many nodes were looked at.
    pub(in crate::policy::scheduler) fn examined(&self) -> usize {
        self.best.examined
    }

    /// The highest total; -1 where one node alone passed.
    pub(in crate::policy::scheduler) fn score(&self) -> i64 {
        self.best.score
    }

    /// How many nodes have it.
    pub(in crate::policy::scheduler) fn ties(&self) -> usize {
        self.best.ties
    }
}

/// The classes under one profile.
#[derive(Debug, Default)]
pub(in crate::policy::scheduler) struct FastPath {
    order: Order,
    domains: Domains,
    /// By class; unknown, then known or known to be left to the plain form.
    classes: Vec<Option<Option<Box<ClassState>>>>,
}

impl FastPath {
    /// Starts afresh with other nodes.
    pub(in crate::policy::scheduler) fn reset(&mut self, nodes: &[NodeId]) {
        *self = FastPath { order: Order::new(nodes), ..FastPath::default() };
    }

    /// Finds up to `wanted` feasible nodes from position `start` around, and the best of them; none when the class is
    /// left to the plain form.
    pub(in crate::policy::scheduler) fn find(
        &mut self,
        framework: &Framework,
        cycle: &Cycle<'_>,
        start: usize,
        wanted: usize,
    ) -> Option<Found> {
        let class = cycle.class.index();
        if self.classes.len() <= class {
            self.classes.resize_with(class + 1, || None);
        }
        let around = Surroundings { cycle, order: &self.order };
        let domains = &mut self.domains;
        let state = self.classes[class]
            .get_or_insert_with(|| ClassState::new(framework, around, domains).map(Box::new))
            .as_mut()?;
        state.catch_up(framework, around, domains);
        Some(Found { class, start, best: state.best(domains, start, wanted) })
    }

    /// The `n`-th of the best nodes, in the order in which they were looked at.
    pub(in crate::policy::scheduler) fn nth_best(&self, found: &Found, n: usize) -> NodeId {
        self.order.nodes[self.state(found).nth_best(&found.best, found.start, n)]
    }

    /// The one of the best nodes that comes to the top of a heap.
    pub(in crate::policy::scheduler) fn top_of_heap(&self, found: &Found) -> NodeId {
        let mut best = self.state(found).all_best(&found.best, found.start);
        let first = best.next().expect("there is a best node");
        // What stands at the top already stays there.
        let top = if first.0 == 0 {
            first
        } else {
            best.fold(first, |top, other| if select::is_above(other.0, top.0) { other } else { top })
        };
        self.order.nodes[top.1]
    }

    fn state(&self, found: &Found) -> &ClassState {
        self.classes[found.class].as_ref().and_then(Option::as_ref).expect("the class was found")
    }
}

#[cfg(test)]
mod tests;

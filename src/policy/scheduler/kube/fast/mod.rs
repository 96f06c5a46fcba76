//! The fast path: the decisions of the plain form, kept up to date instead of made anew.
//!
//! For each class of pods it keeps what the filters that look at the node alone say of every node, promised nodes
//! included, and how the nodes score; it looks again only at nodes that changed, and counts pods by topology domain as
//! they come and go. A decision then walks the order of nodes from the rotating start over a bit set, and takes the
//! highest sum. A refusal is told from how many nodes are rejected for what, and preemption from dry runs that are kept
//! until their node changes. The arithmetic is that of the plain plug-ins, which are called for every node that changed.
//! Pods with volumes, claims or GPUs are left to the plain form, and so are pods of whose named nodes several would do.
//!
//! When nodes join or leave, what is known of the others is kept. Classes that have not been asked for long are forgotten
//! once there are many.
//!
//! Cost: a decision O(nodes looked at / 64) for classes that look at nodes alone, O(nodes looked at x terms) with
//! topology, plus O(plug-ins) for every node that changed since the class was last looked at. A refusal O(reasons), with
//! topology O(nodes x terms); preemption O(candidates looked at), plus a dry run for each that changed, with topology for
//! each. Nodes that join or leave cost every class that is asked for O(nodes that stand elsewhere in the order) in memory
//! moved, and O(plug-ins) for each that joined. A class holds about 7 bytes a node, and 56 more once it preempts.
//!
//! Invariant, held by a test over random clusters: under every tie-break the fast path and the plain form choose the same
//! nodes and the same victims, and refuse for the same reasons.

mod bits;
mod class;
mod domains;
mod locality;
mod order;
mod preemption;
mod prepared;
mod sums;
mod topology;
mod verdicts;
mod what_if;

use class::{Best, ClassState};
use domains::Domains;
use order::Order;
use topology::Surroundings;

use super::framework::Framework;
use super::preemption::{NoPreemption, Nomination};
use super::{Cycle, Summary, sampling, select};
use crate::ids::NodeId;
use crate::rng::Stream;
use crate::world::View;

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

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy::scheduler) enum Find {
    /// The pod passes on the node that is promised to it.
    Promised(NodeId),
    /// The best of the nodes that were looked at.
    Best(Found),
}

/// So many classes are kept, however long they have not been asked for.
const KEPT_MAX: usize = 256;

/// For so many orders of the nodes a class is kept that is not asked for, when there are more of them.
const KEPT_ORDERS: u64 = 64;

/// The classes under one profile.
#[derive(Debug, Default)]
pub(in crate::policy::scheduler) struct FastPath {
    order: Order,
    /// How many orders there have been.
    orders: u64,
    domains: Domains,
    /// By class; unknown, then known or known to be left to the plain form.
    classes: Vec<Option<Option<Box<ClassState>>>>,
    /// The classes that are known, and can take in another order.
    kept: Vec<usize>,
    /// The other classes that are known.
    fleeting: Vec<usize>,
}

impl FastPath {
    /// Takes in that nodes joined or left.
    pub(in crate::policy::scheduler) fn follow(&mut self, view: View<'_>, nodes: &[NodeId]) {
        self.order.follow(nodes);
        self.orders += 1;
        for class in self.fleeting.drain(..) {
            self.classes[class] = None;
        }
        if self.domains.is_mostly_past(&self.order) {
            self.domains = Domains::default();
            self.kept.drain(..).for_each(|class| self.classes[class] = None);
        }
        self.domains.follow(view, &self.order);
        if self.kept.len() > KEPT_MAX {
            self.forget_unused();
        }
    }

    fn forget_unused(&mut self) {
        let (classes, orders) = (&mut self.classes, self.orders);
        self.kept.retain(|&class| {
            let known = classes[class].as_ref().and_then(Option::as_ref);
            let is_used = known.is_some_and(|state| state.used + KEPT_ORDERS >= orders);
            if !is_used {
                classes[class] = None;
            }
            is_used
        });
    }

    /// Makes the class of the cycle known as the nodes stand now.
    fn prepare(&mut self, framework: &Framework, around: &Cycle<'_>) {
        let class = around.class.index();
        if self.classes.len() <= class {
            self.classes.resize_with(class + 1, || None);
        }
        let (order, domains) = (&self.order, &mut self.domains);
        let around = Surroundings { cycle: around, order };
        let known = &mut self.classes[class];
        match known {
            Some(Some(state)) if !state.is_ordered(order) => state.follow(framework, around, domains),
            Some(_) => {}
            None => {
                let state = ClassState::new(framework, around, domains).map(Box::new);
                let can_follow = state.as_ref().is_some_and(|state| state.can_follow());
                *known = Some(state);
                if can_follow { self.kept.push(class) } else { self.fleeting.push(class) }
            }
        }
        if let Some(Some(state)) = known {
            state.used = self.orders;
            state.catch_up(framework, around, domains);
        }
    }

    /// Looks from position `start` around for as many feasible nodes as are enough by that percentage, and for the best
    /// of them; none when the class is left to the plain form.
    pub(in crate::policy::scheduler) fn find(
        &mut self,
        framework: &Framework,
        cycle: &Cycle<'_>,
        start: usize,
        percentage: i32,
    ) -> Option<Find> {
        self.prepare(framework, &Cycle { pod: None, ..*cycle });
        let class = cycle.class.index();
        let (order, domains) = (&self.order, &mut self.domains);
        let state = self.classes[class].as_mut().and_then(Option::as_mut)?;
        let around = Surroundings { cycle, order };
        let world = cycle.view.world;
        let promised = cycle.pod.and_then(|pod| order.position(*world.nominated.get(&pod)?));
        if let Some(position) = promised {
            if state.passes_on(framework, around, domains, position) {
                return Some(Find::Promised(order.nodes[position]));
            }
            if state.is_named() {
                return None;
            }
            state.look_as(framework, around, position);
        }
        let wanted = |nodes| sampling::nodes_to_find(percentage, nodes);
        let mut best = match state.is_named() {
            true => state.best_named(framework, around, domains, start, wanted)?,
            false => state.best(around, domains, start, wanted(order.nodes.len())),
        };
        // Upstream has looked at the promised node before.
        let offset = |position| (position + order.nodes.len() - start) % order.nodes.len();
        best.examined += usize::from(promised.is_some_and(|position| offset(position) >= best.examined));
        Some(Find::Best(Found { class, start, best }))
    }

    /// Why the pod of the cycle fits nowhere, after [`FastPath::find`] has found no node.
    pub(in crate::policy::scheduler) fn refusal(&mut self, framework: &Framework, cycle: &Cycle<'_>) -> Summary {
        let (state, order, domains) = self.parts(cycle);
        state.refusal(framework, Surroundings { cycle, order }, domains)
    }

    /// The best way to make room for the pod of the cycle, after [`FastPath::refusal`].
    ///
    /// # Errors
    /// Why there is none.
    pub(in crate::policy::scheduler) fn make_room(
        &mut self,
        framework: &Framework,
        cycle: &Cycle<'_>,
        stream: Option<&mut Stream>,
    ) -> Result<Nomination, NoPreemption> {
        let (state, order, domains) = self.parts(cycle);
        state.make_room(framework, Surroundings { cycle, order }, domains, stream)
    }

    fn parts(&mut self, cycle: &Cycle<'_>) -> (&mut ClassState, &Order, &mut Domains) {
        let state = self.classes[cycle.class.index()].as_mut().and_then(Option::as_mut);
        (state.expect("the class was looked at"), &self.order, &mut self.domains)
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
pub(in crate::policy) use tests::random_model;

#[cfg(test)]
mod tests;

//! What a scheduler has found out, kept from one pass to the next: what has not changed is not looked at again.

use super::bound::Refuted;
use super::existing::Existing;
use super::limits::{self, Limits};
use super::memo::Memo;
use super::prices::Prices;
use super::reservations::Reservations;
use super::topology::Universe;
use super::variants::Variants;
use super::{Environment, NodeState, Options, Scheduler, claims};
use crate::model::PodClass;

#[cfg(test)]
mod tests;

/// So many kinds of requirements are remembered at most.
const SHAPES_MAX: usize = 20_000;

/// What a scheduler knows of pools, kinds of pod and nodes, with nobody to ask it.
#[derive(Debug)]
pub struct Kept {
    options: Options,
    pub(super) templates: Vec<claims::Template>,
    pub(super) memo: Memo,
    pub(super) variants: Variants,
    pub(super) existing: Existing,
    /// By position of the pool; none: a pool without limits.
    pub(super) limits: Vec<Option<Limits>>,
    pub(super) reservations: Reservations,
    pub(super) prices: Prices,
    pub(super) domains: Universe,
    pub(super) refuted: Refuted,
    daemons: Vec<PodClass>,
}

impl Kept {
    pub(super) fn new(environment: &Environment, nodes: &[NodeState], options: Options) -> Kept {
        let mut memo = Memo::new(environment.well_known.clone());
        let mut daemons = environment.daemons.clone();
        let variants = Variants::new(environment, options.preferences);
        let kinds = variants.kinds();
        let templates = claims::templates(environment, options, &mut daemons, (kinds, &mut memo));
        let existing = Existing::new(&daemons, nodes, kinds, &mut memo);
        let domains = universe(&variants, environment, nodes);
        Kept {
            options,
            templates,
            memo,
            variants,
            existing,
            limits: limits::limits(environment, nodes),
            reservations: Reservations::new(environment),
            prices: Prices::default(),
            domains,
            refuted: Refuted::default(),
            daemons,
        }
    }

    /// Looks at what has changed. Returns whether that was enough; if not, all must be looked at anew.
    fn catch_up(&mut self, environment: &Environment, nodes: &[NodeState], changed: &[usize]) -> bool {
        if !self.variants.catch_up(environment) || self.memo.len() > SHAPES_MAX {
            return false;
        }
        let moves = self.existing.catch_up(&self.daemons, (nodes, changed), self.variants.kinds(), &mut self.memo);
        let places: Vec<usize> = changed.iter().filter_map(|at| self.existing.place[*at]).collect();
        self.variants.forget_unfit(moves.as_deref(), &places);
        self.refuted.forget(changed);
        if !changed.is_empty() && self.limits.iter().any(Option::is_some) {
            self.limits = limits::limits(environment, nodes);
        }
        // Where pods have rules about others, all pods count.
        if self.variants.have_rules() {
            self.domains = universe(&self.variants, environment, nodes);
        }
        true
    }
}

fn universe(variants: &Variants, environment: &Environment, nodes: &[NodeState]) -> Universe {
    if variants.have_rules() { Universe::new(environment, nodes) } else { Universe::without_rules() }
}

impl<'e> Scheduler<'e> {
    /// A scheduler that goes on with what another one has found out. Pools, their types and daemon sets must be what they
    /// were, classes may have been added; nodes must be at the positions where they were, `changed` are those that differ from
    /// what they were, and new ones. Whether nodes are under `consolidateAfter` may differ anyway.
    pub fn resume(
        kept: Kept,
        environment: &'e Environment,
        nodes: &'e [NodeState],
        changed: &[usize],
        options: Options,
    ) -> Scheduler<'e> {
        let mut kept = kept;
        let is_alike = Options { reserved: options.reserved, ..kept.options } == options;
        if !is_alike || !kept.catch_up(environment, nodes, changed) {
            return Scheduler::new(environment, nodes, options);
        }
        kept.options = options;
        Scheduler::over(environment, nodes, options, kept)
    }

    /// Keeps what it has found out.
    pub fn keep(self) -> Kept {
        self.known
    }
}

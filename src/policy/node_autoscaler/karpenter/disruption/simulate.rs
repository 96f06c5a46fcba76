//! What would become of the pods if nodes were gone.
//!
//! Source: `SimulateScheduling` of `helpers.go` and `validateCommand` of `validation.go`.

use super::super::scheduler::{Batch, BatchPod, Environment, Failure, INSTANCE_TYPES_MAX, NewNode, Results, Scheduler};
use super::{Candidate, Command};

/// Pods that need a place whatever is decided, presorted.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pending: Vec<BatchPod>,
    of_deleting: Vec<BatchPod>,
}

impl Surroundings {
    /// Pods that wait, of which it does not matter whether they find a place, and pods of nodes that go already.
    pub fn new(environment: &Environment, mut pending: Vec<BatchPod>, mut of_deleting: Vec<BatchPod>) -> Surroundings {
        environment.presort(&mut pending);
        environment.presort(&mut of_deleting);
        Surroundings { pending, of_deleting }
    }

    /// The pods that come first in either list.
    pub(super) fn heads(&self) -> impl Iterator<Item = &BatchPod> {
        self.pending.first().into_iter().chain(self.of_deleting.first())
    }
}

/// What would become of the pods.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// Where they would go; pods by position: those that wait first, then those of the candidates, then those of nodes
    /// that go already.
    pub results: Results,
    /// Whether all that do not wait already find a place on which one can rely.
    pub all_scheduled: bool,
}

/// Finds places for the pods of candidates that are taken to be gone.
pub fn simulate(
    scheduler: &mut Scheduler<'_>,
    surroundings: &Surroundings,
    candidates: &[&Candidate],
    enforces_consolidate_after: bool,
) -> Simulation {
    let (batch, pending) = batch(surroundings, candidates, enforces_consolidate_after);
    let results = scheduler.solve(&batch);
    finish(scheduler, results, pending, batch.pods.len() - surroundings.of_deleting.len())
}

/// The same as consolidation asks it, unless it becomes plain on the way that more than one node is to be bought, or one of
/// which a launch costs so much or more ([`Scheduler::solve_below`]).
pub fn simulate_below(
    scheduler: &mut Scheduler<'_>,
    surroundings: &Surroundings,
    candidates: &[&Candidate],
    bar: (f64, bool),
) -> Option<Simulation> {
    let (batch, pending) = batch(surroundings, candidates, true);
    let results = scheduler.solve_below(&batch, bar)?;
    Some(finish(scheduler, results, pending, batch.pods.len() - surroundings.of_deleting.len()))
}

/// The pods to find places for, and how many of them, from the first on, wait.
fn batch(surroundings: &Surroundings, candidates: &[&Candidate], enforces_consolidate_after: bool) -> (Batch, usize) {
    let pending = surroundings.pending.len();
    let moving = candidates.iter().map(|candidate| candidate.pods.len()).sum::<usize>();
    let mut pods = Vec::with_capacity(pending + moving + surroundings.of_deleting.len());
    pods.extend_from_slice(&surroundings.pending);
    pods.extend(candidates.iter().flat_map(|candidate| candidate.pods.iter().copied()));
    pods.extend_from_slice(&surroundings.of_deleting);
    let without = candidates.iter().map(|candidate| candidate.node).collect();
    // The pods of several candidates are in no order.
    let bounds = (candidates.len() == 1).then_some([pending, pending + moving]);
    (Batch { pods, without, enforces_consolidate_after, bounds }, pending)
}

fn finish(scheduler: &mut Scheduler<'_>, mut results: Results, pending: usize, moving: usize) -> Simulation {
    scheduler.truncate(&mut results, INSTANCE_TYPES_MAX);
    // Nodes that are not initialised may never be, so only pods of nodes that go anyway may count on them.
    let nodes = scheduler.nodes();
    let unsure = results.existing.iter().filter(|(node, _)| !nodes[**node].is_initialized);
    let unsure: Vec<usize> = unsure.flat_map(|(_, pods)| pods.iter().copied()).filter(|pod| *pod < moving).collect();
    results.failed.extend(unsure.into_iter().map(|pod| (pod, Failure::Uninitialized)));
    let all_scheduled = results.failed.keys().all(|pod| *pod < pending);
    Simulation { results, all_scheduled }
}

/// Whether a consolidation that was found still holds (`validateCommand`): all pods find places, and the node to buy, if one
/// was wanted, can still be of the types chosen.
///
/// That its nodes are still candidates, that no pod was promised a place there and that budgets still allow it is for the
/// caller to see.
pub fn validate(
    scheduler: &mut Scheduler<'_>,
    surroundings: &Surroundings,
    command: &Command,
    candidates: &[&Candidate],
) -> bool {
    let simulation = simulate(scheduler, surroundings, candidates, true);
    if candidates.is_empty() || !simulation.all_scheduled {
        return false;
    }
    let is_subset = |wanted: &NewNode, found: &NewNode| {
        let types = |node: &NewNode| &scheduler.environment().pools[node.pool].1;
        let found: Vec<&str> = found.types.iter().map(|at| types(found)[*at].name.as_str()).collect();
        wanted.types.iter().all(|at| found.contains(&types(wanted)[*at].name.as_str()))
    };
    match (&command.replacements[..], &simulation.results.new_nodes[..]) {
        ([], []) => true,
        ([wanted, ..], [found]) => is_subset(wanted, found),
        _ => false,
    }
}

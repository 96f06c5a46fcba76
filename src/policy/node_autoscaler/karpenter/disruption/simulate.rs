//! What would become of the pods if nodes were gone.
//!
//! Source: `SimulateScheduling` of `helpers.go` and `validateCommand` of `validation.go`.

use super::super::scheduler::{Batch, BatchPod, Failure, INSTANCE_TYPES_MAX, NewNode, Results, Scheduler};
use super::{Candidate, Command};

/// Pods that need a place whatever is decided.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    /// Pods that wait. It does not matter whether they find a place.
    pub pending: &'a [BatchPod],
    /// Pods of nodes that go already.
    pub of_deleting: &'a [BatchPod],
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
    surroundings: Surroundings<'_>,
    candidates: &[&Candidate],
    enforces_consolidate_after: bool,
) -> Simulation {
    let pending = surroundings.pending.len();
    let mut pods = surroundings.pending.to_vec();
    pods.extend(candidates.iter().flat_map(|candidate| candidate.pods.iter().copied()));
    let moving = pods.len();
    pods.extend_from_slice(surroundings.of_deleting);
    let without = candidates.iter().map(|candidate| candidate.node).collect();
    let batch = Batch { pods, without, enforces_consolidate_after };
    let mut results = scheduler.solve(&batch);
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
    surroundings: Surroundings<'_>,
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

//! `DefaultPreemption`: which pods of lower priority make room for one that fits nowhere.
//!
//! ```text
//! diagnosis -> nodes that are only Unschedulable -> dry run on some of them: all of lower priority away,
//!                                                   then as many back as possible -> candidates -> the best
//! ```
//!
//! Nothing is changed: what comes back is a [`Nomination`], and the engine ends the victims. Extenders are asked between
//! [`Preemption::candidates`] and [`choose`].
//!
//! The dry run starts at a random one of the nodes, drawn from the stream it is given, or at the first without one. It
//! stops as soon as there are enough candidates, one of which breaks no budget; upstream looks at several nodes at a time
//! and may have a few more by then. Of equally good candidates the first is taken; upstream takes any. Among victims of
//! one priority and start the one that was placed first is the more important; upstream's order is that of its cache.
//! Start times count in whole seconds, as the API carries them.
//!
//! Cost: O(candidate nodes x pods on the node x filters), each step with a copy of what the filters know.
//!
//! Source: `pkg/scheduler/framework/plugins/defaultpreemption` and `framework/preemption`, v1.37.0, with the feature
//! `GenericWorkload` off, as by default.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use super::framework::Filters;
use super::{Code, Cycle, Diagnosis, NodeInfo, Rejection, Summary};
use crate::ids::{NodeId, PodId};
pub(super) use crate::policy::disruption::{Budgets, is_covered};
use crate::rng::Stream;
use crate::world::pods::NOT_STARTED_NS;
use crate::world::{Deletion, View};

/// Its name.
pub const NAME: &str = "DefaultPreemption";

const NO_VICTIMS: &str = "No preemption victims found for incoming pod";
const NOT_HELPFUL: &str = "Preemption is not helpful for scheduling";
const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;

/// A node that a pod is to wait for, and the pods that must leave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nomination {
    /// The node.
    pub node: NodeId,
    /// The victims, at least one, the most important first.
    pub victims: Vec<PodId>,
    /// How many of them a disruption budget would have kept.
    pub pdb_violations: usize,
}

impl Nomination {
    /// What upstream says of it.
    pub fn message(&self, view: &View<'_>) -> String {
        let (node, victims) = (view.world.nodes.name(self.node), self.victims.len());
        format!("preemption: found a potential placement for pod on node {node}, preempting {victims} victims")
    }
}

/// Why nobody makes room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPreemption {
    /// [`Code::Unschedulable`], or [`Code::Error`] when a dry run went wrong.
    pub code: Code,
    /// The reason in upstream's words.
    pub message: String,
    /// Whether the pod loses the node it was nominated for.
    pub clears_nomination: bool,
}

impl NoPreemption {
    fn new(code: Code, message: &str, clears_nomination: bool) -> NoPreemption {
        NoPreemption { code, message: format!("preemption: {message}"), clears_nomination }
    }

    /// No node is a candidate; `failed` says why those that were looked at are none.
    pub(super) fn not_helpful(mut failed: Summary, nodes: usize) -> NoPreemption {
        let code = Code::UnschedulableAndUnresolvable;
        failed.absent_nodes = Some(Rejection { plugin: NAME.into(), code, reasons: vec![NOT_HELPFUL.into()] });
        NoPreemption::new(Code::Unschedulable, &failed.message(nodes), true)
    }

    /// Dry runs went wrong.
    pub(super) fn errors(errors: &[String]) -> NoPreemption {
        match errors {
            [error] => NoPreemption::new(Code::Error, error, false),
            _ => NoPreemption::new(Code::Error, &format!("[{}]", errors.join(", ")), false),
        }
    }
}

/// The attempt to make room for one pod.
#[derive(Debug)]
pub struct Preemption<'c, 'a> {
    /// The pod and what can be seen.
    pub cycle: &'c Cycle<'a>,
    /// The filters that were prepared for it; none where a PreFilter plug-in rejected it.
    pub filters: &'c Filters<'a>,
    /// Why it fits nowhere.
    pub diagnosis: &'c Diagnosis,
}

impl<'a> Preemption<'_, 'a> {
    /// The best way to make room, of those that are looked at from a random node on (`Evaluator.Preempt`).
    ///
    /// # Errors
    /// Why there is none.
    pub fn nominate(&self, stream: Option<&mut Stream>) -> Result<Nomination, NoPreemption> {
        let candidates = self.candidates(stream)?;
        choose(&self.cycle.view, candidates)
            .ok_or_else(|| NoPreemption::new(Code::Unschedulable, "no candidate node for preemption", false))
    }

    /// Ways to make room, one a node; those that break no budget first.
    ///
    /// # Errors
    /// Why there are none.
    pub fn candidates(&self, stream: Option<&mut Stream>) -> Result<Vec<Nomination>, NoPreemption> {
        let cycle = self.cycle;
        check_eligibility(cycle, |node| self.diagnosis.code(node))?;
        let is_candidate = |node: &NodeId| self.diagnosis.code(*node) == Code::Unschedulable;
        let nodes: Vec<NodeId> = cycle.nodes.iter().copied().filter(is_candidate).collect();
        let offset = match stream {
            Some(stream) if !nodes.is_empty() => stream.below(nodes.len() as u64) as usize,
            _ => 0,
        };
        let (candidates, failed) = self.dry_run(&nodes, offset, candidates_wanted(cycle, nodes.len()));
        if !candidates.is_empty() {
            return Ok(candidates);
        }
        let errors: Vec<String> =
            failed.nodes.values().filter(|rejection| rejection.code == Code::Error).map(Rejection::message).collect();
        if errors.is_empty() {
            return Err(NoPreemption::not_helpful(failed.summary(), cycle.nodes.len()));
        }
        Err(NoPreemption::errors(&errors))
    }

    /// Candidates, and why the other nodes are none (`DryRunPreemption`).
    fn dry_run(&self, nodes: &[NodeId], offset: usize, wanted: usize) -> (Vec<Nomination>, Diagnosis) {
        let budgets = Budgets::new(&self.cycle.view);
        let (mut kind, mut violating) = (Vec::new(), Vec::new());
        let mut failed = Diagnosis::default();
        for step in 0..nodes.len() {
            let node = nodes[(offset + step) % nodes.len()];
            match select_victims(self.cycle, self.filters, node, &budgets) {
                Ok(candidate) => {
                    let list = if candidate.pdb_violations == 0 { &mut kind } else { &mut violating };
                    if list.len() < wanted {
                        list.push(candidate);
                    }
                    if !kind.is_empty() && kind.len() + violating.len() >= wanted {
                        break;
                    }
                }
                Err(rejection) => drop(failed.nodes.insert(node, rejection)),
            }
        }
        kind.append(&mut violating);
        (kind, failed)
    }
}

/// Whether the pod may preempt (`PodEligibleToPreemptOthers`), and there are nodes at all.
///
/// # Errors
/// Why not.
pub(super) fn check_eligibility(cycle: &Cycle<'_>, code: impl Fn(NodeId) -> Code) -> Result<(), NoPreemption> {
    if let Some(reason) = ineligibility(cycle, code) {
        return Err(NoPreemption::new(Code::Unschedulable, reason, false));
    }
    if cycle.nodes.is_empty() {
        return Err(NoPreemption::new(Code::Error, "no nodes available", false));
    }
    Ok(())
}

fn ineligibility(cycle: &Cycle<'_>, code: impl Fn(NodeId) -> Code) -> Option<&'static str> {
    let Cycle { view, pod, .. } = cycle;
    if cycle.spec().never_preempts {
        return Some("not eligible due to preemptionPolicy=Never.");
    }
    let node = *view.world.nominated.get(&(*pod)?)?;
    if code(node) == Code::UnschedulableAndUnresolvable {
        return None;
    }
    let makes_room = |pod: PodId| view.world.pods.deletion[pod.index()] == Deletion::Preempted;
    let is_waiting = NodeInfo::new(*view, node).pods().any(|pod| may_go(cycle, pod) && makes_room(pod));
    is_waiting.then_some("not eligible due to a terminating pod on the nominated node.")
}

/// Whether a pod is less important than the one that wants room.
pub(super) fn may_go(cycle: &Cycle<'_>, pod: PodId) -> bool {
    cycle.view.class_of(pod).priority < cycle.pod_class().priority
}

/// How many candidates are enough among so many nodes (`calculateNumCandidates`).
pub(super) fn candidates_wanted(cycle: &Cycle<'_>, nodes: usize) -> usize {
    let arguments = cycle.arguments;
    let share = nodes * arguments.preemption_candidates_percentage.max(0) as usize / 100;
    share.max(arguments.preemption_candidates_min.max(0) as usize).min(nodes)
}

/// The fewest pods of a node that must go (`SelectVictimsOnNode`).
///
/// # Errors
/// Why the node is no candidate.
pub(super) fn select_victims<'a>(
    cycle: &Cycle<'a>,
    filters: &Filters<'a>,
    node: NodeId,
    budgets: &Budgets<'a>,
) -> Result<Nomination, Rejection> {
    let mut info = NodeInfo::new(cycle.view, node);
    let mut potential: Vec<PodId> = info.pods().filter(|pod| may_go(cycle, *pod)).collect();
    if potential.is_empty() {
        return Err(no_victims());
    }
    let mut filters = filters.fork();
    // The world lists the latest first.
    potential.reverse();
    for &pod in &potential {
        info.remove_pod(pod);
        filters.remove_pod(pod, &info);
    }
    filters.filter_with_nominated_pods(cycle, &info)?;
    potential.sort_by_key(|pod| importance(&cycle.view, *pod));
    let (kept, free) = budgets.partition(&cycle.view, &potential);
    let mut victims = Vec::new();
    let mut pdb_violations = 0;
    for (pod, is_kept) in kept.into_iter().map(|pod| (pod, true)).chain(free.into_iter().map(|pod| (pod, false))) {
        info.add_pod(pod);
        filters.add_pod(pod, &info);
        if filters.filter_with_nominated_pods(cycle, &info).is_err() {
            info.remove_pod(pod);
            filters.remove_pod(pod, &info);
            victims.push(pod);
            pdb_violations += usize::from(is_kept);
        }
    }
    if victims.is_empty() {
        let message = format!("expected at least one victim pod on node {:?}", info.name());
        return Err(Rejection { plugin: NAME.into(), code: Code::Error, reasons: vec![message.into()] });
    }
    victims.sort_by_key(|pod| importance(&cycle.view, *pod));
    Ok(Nomination { node, victims, pdb_violations })
}

/// A node has no pod that is less important.
pub(super) fn no_victims() -> Rejection {
    Rejection::unresolvable(NAME, NO_VICTIMS)
}

/// The best candidate, the first of several (`pickOneNodeForPreemption`): fewest broken budgets; then the lowest highest
/// priority of a victim; then the smallest sum of priorities, each raised by 2^31 so that more victims are never better;
/// then the fewest victims; then the latest start of the earliest victim of the highest priority.
pub fn choose(view: &View<'_>, candidates: Vec<Nomination>) -> Option<Nomination> {
    candidates.into_iter().min_by_key(|candidate| rank(view, candidate))
}

/// How bad a candidate is: the tests of [`choose`], one after the other.
pub(super) type Rank = (usize, Option<i64>, i64, usize, Reverse<Option<i64>>);

/// How bad a candidate is.
pub(super) fn rank(view: &View<'_>, candidate: &Nomination) -> Rank {
    let priority = |pod: &PodId| i64::from(view.class_of(*pod).priority);
    let highest = candidate.victims.iter().map(priority).max();
    let sum: i64 = candidate.victims.iter().map(|pod| priority(pod) + (1 << 31)).sum();
    let most_important = candidate.victims.iter().filter(|pod| Some(priority(pod)) == highest);
    let earliest = most_important.map(|pod| start_ns(view, *pod)).min();
    (candidate.pdb_violations, highest, sum, candidate.victims.len(), Reverse(earliest))
}

/// Sorts pods by importance, the most important first (`MoreImportantVictim`).
fn importance(view: &View<'_>, pod: PodId) -> (Reverse<i32>, i64) {
    (Reverse(view.class_of(pod).priority), start_ns(view, pod))
}

/// Whether the start of a pod is the present, as long as its node has not seen it.
pub(super) fn has_not_started(view: &View<'_>, pod: PodId) -> bool {
    view.world.pods.start_ns[pod.index()] == NOT_STARTED_NS
}

/// `status.startTime` in ns, cut to whole seconds; the present for a pod whose node has not seen it yet
/// (`GetPodStartTime`).
fn start_ns(view: &View<'_>, pod: PodId) -> i64 {
    match view.world.pods.start_ns[pod.index()] {
        NOT_STARTED_NS => i64::try_from(view.world.time.0).unwrap_or(NOT_STARTED_NS),
        start_ns => start_ns - start_ns.rem_euclid(NANOSECONDS_PER_SECOND),
    }
}

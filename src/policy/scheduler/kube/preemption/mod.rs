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

mod budgets;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use super::framework::Filters;
use super::{Code, Cycle, Diagnosis, NodeInfo, Rejection};
use crate::ids::{NodeId, PodId};
use crate::rng::Stream;
use crate::world::pods::NOT_STARTED_NS;
use crate::world::{Deletion, View};
use budgets::Budgets;

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
        if let Some(reason) = self.ineligibility() {
            return Err(NoPreemption::new(Code::Unschedulable, reason, false));
        }
        let cycle = self.cycle;
        if cycle.nodes.is_empty() {
            return Err(NoPreemption::new(Code::Error, "no nodes available", false));
        }
        let is_candidate = |node: &NodeId| self.diagnosis.code(*node) == Code::Unschedulable;
        let nodes: Vec<NodeId> = cycle.nodes.iter().copied().filter(is_candidate).collect();
        let offset = match stream {
            Some(stream) if !nodes.is_empty() => stream.below(nodes.len() as u64) as usize,
            _ => 0,
        };
        let (candidates, mut failed) = self.dry_run(&nodes, offset, self.candidates_wanted(nodes.len()));
        if !candidates.is_empty() {
            return Ok(candidates);
        }
        let errors: Vec<String> =
            failed.nodes.values().filter(|rejection| rejection.code == Code::Error).map(Rejection::message).collect();
        match &errors[..] {
            [] => {
                let code = Code::UnschedulableAndUnresolvable;
                failed.absent_nodes = Some(Rejection { plugin: NAME.into(), code, reasons: vec![NOT_HELPFUL.into()] });
                Err(NoPreemption::new(Code::Unschedulable, &failed.message(cycle.nodes.len()), true))
            }
            [error] => Err(NoPreemption::new(Code::Error, error, false)),
            _ => Err(NoPreemption::new(Code::Error, &format!("[{}]", errors.join(", ")), false)),
        }
    }

    /// Why the pod may not preempt, if it may not (`PodEligibleToPreemptOthers`).
    fn ineligibility(&self) -> Option<&'static str> {
        let Cycle { view, pod, .. } = self.cycle;
        if self.cycle.spec().never_preempts {
            return Some("not eligible due to preemptionPolicy=Never.");
        }
        let node = *view.world.nominated.get(&(*pod)?)?;
        if self.diagnosis.code(node) == Code::UnschedulableAndUnresolvable {
            return None;
        }
        let makes_room = |pod: PodId| view.world.pods.deletion[pod.index()] == Deletion::Preempted;
        let is_waiting = NodeInfo::new(*view, node).pods().any(|pod| self.may_go(pod) && makes_room(pod));
        is_waiting.then_some("not eligible due to a terminating pod on the nominated node.")
    }

    /// Whether a pod is less important than the one that wants room.
    fn may_go(&self, pod: PodId) -> bool {
        self.cycle.view.class_of(pod).priority < self.cycle.pod_class().priority
    }

    /// How many candidates are enough (`calculateNumCandidates`).
    fn candidates_wanted(&self, nodes: usize) -> usize {
        let arguments = self.cycle.arguments;
        let share = nodes * arguments.preemption_candidates_percentage.max(0) as usize / 100;
        share.max(arguments.preemption_candidates_min.max(0) as usize).min(nodes)
    }

    /// Candidates, and why the other nodes are none (`DryRunPreemption`).
    fn dry_run(&self, nodes: &[NodeId], offset: usize, wanted: usize) -> (Vec<Nomination>, Diagnosis) {
        let budgets = Budgets::new(&self.cycle.view);
        let (mut kind, mut violating) = (Vec::new(), Vec::new());
        let mut failed = Diagnosis::default();
        for step in 0..nodes.len() {
            let node = nodes[(offset + step) % nodes.len()];
            match self.select_victims(node, &budgets) {
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

    /// The fewest pods of a node that must go (`SelectVictimsOnNode`).
    fn select_victims(&self, node: NodeId, budgets: &Budgets<'a>) -> Result<Nomination, Rejection> {
        let cycle = self.cycle;
        let (mut info, mut filters) = (NodeInfo::new(cycle.view, node), self.filters.fork());
        let mut potential: Vec<PodId> = info.pods().filter(|pod| self.may_go(*pod)).collect();
        if potential.is_empty() {
            return Err(Rejection::unresolvable(NAME, NO_VICTIMS));
        }
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
}

/// The best candidate, the first of several (`pickOneNodeForPreemption`): fewest broken budgets; then the lowest highest
/// priority of a victim; then the smallest sum of priorities, each raised by 2^31 so that more victims are never better;
/// then the fewest victims; then the latest start of the earliest victim of the highest priority.
pub fn choose(view: &View<'_>, candidates: Vec<Nomination>) -> Option<Nomination> {
    let priority = |pod: &PodId| i64::from(view.class_of(*pod).priority);
    let rank = |candidate: &Nomination| {
        let highest = candidate.victims.iter().map(priority).max();
        let sum: i64 = candidate.victims.iter().map(|pod| priority(pod) + (1 << 31)).sum();
        let most_important = candidate.victims.iter().filter(|pod| Some(priority(pod)) == highest);
        let earliest = most_important.map(|pod| start_ns(view, *pod)).min();
        (candidate.pdb_violations, highest, sum, candidate.victims.len(), Reverse(earliest))
    };
    candidates.into_iter().min_by_key(rank)
}

/// Sorts pods by importance, the most important first (`MoreImportantVictim`).
fn importance(view: &View<'_>, pod: PodId) -> (Reverse<i32>, i64) {
    (Reverse(view.class_of(pod).priority), start_ns(view, pod))
}

/// `status.startTime` in ns, cut to whole seconds; the present for a pod whose node has not seen it yet
/// (`GetPodStartTime`).
fn start_ns(view: &View<'_>, pod: PodId) -> i64 {
    match view.world.pods.start_ns[pod.index()] {
        NOT_STARTED_NS => i64::try_from(view.world.time.0).unwrap_or(NOT_STARTED_NS),
        start_ns => start_ns - start_ns.rem_euclid(NANOSECONDS_PER_SECOND),
    }
}

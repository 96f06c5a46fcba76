//! What the controller of Argo Rollouts decides: which ReplicaSets there are, how large each is, and which share of the
//! traffic each gets.
//!
//! Follows v1.9.1: `rollout/{controller,context,sync,pause}.go` here, `rollout/replicaset.go` in `sets`, `rollout/analysis.go`
//! in `runs`, `rollout/canary.go`, `rollout/trafficrouting.go` and `utils/replicaset/canary.go` in `canary`,
//! `rollout/bluegreen.go` in `blue_green`, and `utils/conditions` and `utils/rollout` in `conditions`. [`sync`] is one
//! `reconcile`: like upstream it stops after most of what it writes and asks to be woken at once.
//!
//! Known deviations:
//! - Two templates are equal when they are one [`RevisionId`]; the steps never change.
//! - Instants are exact, where upstream's are cut to whole seconds: a span is over at its instant, not after it.
//! - Services and routers do at once what they are told, and there are always Services; which Service it is does not matter.
//!   Weights are not verified, target groups neither.
//! - With `scaleDownDelaySeconds: 0` an old ReplicaSet goes at once; upstream gives it no deadline and keeps it.
//! - Experiments, plug-ins, restarts (`restartAt`), ephemeral metadata, `workloadRef` and injected anti-affinity are left out.
//!
//! Cost: O(s log s) for `s` ReplicaSets.

mod blue_green;
mod canary;
mod conditions;
mod runs;
mod sets;
mod shares;
mod status;

use std::collections::BTreeMap;

use super::deployment::ObservedReplicaSet;
use crate::ids::{OwnerId, RevisionId};
use crate::model::rollouts::{BlueGreenStrategy, CanaryStep, CanaryStrategy, RolloutSpec, RolloutStrategy};
use crate::units::{SimDuration, SimTime};

pub use conditions::{Condition, Reason};
pub use runs::{ObservedRun, RunKind, analysis_of};
pub use shares::{divides_traffic, traffic_shares};
pub use status::{Pause, PauseReason, RolloutPhase, RolloutStatus, Weights};

/// `DefaultScaleDownDelaySeconds` and `DefaultAbortScaleDownDelaySeconds`.
const SCALE_DOWN_DELAY: SimDuration = SimDuration(30_000_000_000);

/// A ReplicaSet as its Rollout sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseSet {
    /// What a Deployment would see of it. Its annotation of the desired replicas is the Rollout's own.
    pub set: ObservedReplicaSet,
    /// Annotation `argo-rollouts.argoproj.io/scale-down-deadline`.
    pub scale_down_at: Option<SimTime>,
}

/// A Rollout as its controller sees it.
#[derive(Clone, Copy, Debug)]
pub struct ObservedRollout<'a> {
    /// `spec`, without the template.
    pub spec: &'a RolloutSpec,
    /// `spec.template`.
    pub template: RevisionId,
    /// `metadata.generation`.
    pub generation: u64,
    /// `status`, as the last sync or a user left it.
    pub status: &'a RolloutStatus,
    /// Its ReplicaSets, in any order.
    pub replica_sets: &'a [ReleaseSet],
    /// Its current analysis runs.
    pub runs: &'a BTreeMap<RunKind, ObservedRun>,
}

/// What the controller writes, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// A ReplicaSet without pods is made.
    CreateReplicaSet {
        /// `spec.template`.
        template: RevisionId,
        /// `spec.minReadySeconds`.
        min_ready: SimDuration,
        /// Annotation `rollout.argoproj.io/revision`.
        revision: i64,
    },
    /// A ReplicaSet becomes the present one again.
    AdoptReplicaSet {
        /// Which.
        id: OwnerId,
        /// `spec.minReadySeconds`.
        min_ready: SimDuration,
        /// Annotation `rollout.argoproj.io/revision`.
        revision: i64,
    },
    /// A ReplicaSet gets another size, or its annotation is renewed.
    ScaleReplicaSet {
        /// Which.
        id: OwnerId,
        /// `spec.replicas`.
        replicas: i32,
        /// Annotation `rollout.argoproj.io/desired-replicas`.
        desired_replicas: i32,
    },
    /// A ReplicaSet is to go at an instant, or no longer.
    SetDeadline {
        /// Which.
        id: OwnerId,
        /// When.
        at: Option<SimTime>,
    },
    /// A ReplicaSet without pods goes, by the history limit.
    DeleteReplicaSet(OwnerId),
    /// An analysis begins; one of its kind before it is forgotten.
    StartRun {
        /// Which.
        kind: RunKind,
        /// The step that it belongs to; of other kinds 0.
        step: usize,
    },
    /// An analysis is told to end.
    TerminateRun(RunKind),
    /// An analysis is no longer the current one of its kind.
    ForgetRun(RunKind),
}

/// What one sync brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// What to write, in order.
    pub writes: Vec<Write>,
    /// The new `status`.
    pub status: RolloutStatus,
    /// When to look again, if nothing happens before: now where anything changed.
    pub wake: Option<SimTime>,
}

/// One sync of a Rollout that is not being deleted.
pub fn sync(object: &ObservedRollout<'_>, now: SimTime) -> Sync {
    let Some(mut release) = Release::new(object, now) else { return create(object, now) };
    if release.is_fully_promoted() && release.is_aborted() {
        release.pausing.removes_abort = true;
    }
    release.note_pause();
    release.sync_revision();
    let is_scaling = release.is_scaling_event();
    match (&object.spec.strategy, is_scaling) {
        (_, true) => release.sync_replicas_only(),
        (RolloutStrategy::Canary(canary), _) => release.canary(canary),
        (RolloutStrategy::BlueGreen(blue_green), _) => release.blue_green(blue_green),
    }
    release.finish()
}

/// `createDesiredReplicaSet`.
fn create(object: &ObservedRollout<'_>, now: SimTime) -> Sync {
    let mut status = object.status.clone();
    let revision = object.replica_sets.iter().map(|other| other.set.revision).max().unwrap_or(0).max(0) + 1;
    status.revision = revision;
    conditions::set(&mut status.progressing, Reason::NewReplicaSetCreated, String::new(), now);
    let min_ready = object.spec.min_ready;
    let writes = vec![Write::CreateReplicaSet { template: object.template, min_ready, revision }];
    Sync { writes, status, wake: Some(now) }
}

/// What a sync does to pauses and aborts (`pauseContext`).
#[derive(Clone, Debug, Default)]
struct Pausing {
    adds: Vec<PauseReason>,
    removes: Vec<PauseReason>,
    clears: bool,
    aborts: bool,
    removes_abort: bool,
    abort_message: String,
}

/// One sync under way: what the ReplicaSets are like with what was written so far.
struct Release<'a> {
    object: &'a ObservedRollout<'a>,
    spec: &'a RolloutSpec,
    now: SimTime,
    /// The oldest first.
    sets: Vec<ReleaseSet>,
    /// The one of the present template.
    new: usize,
    /// The one to which an abort goes back.
    stable: Option<usize>,
    /// `status` as it was found, with the conditions that were written since.
    before: RolloutStatus,
    /// `status` as it becomes.
    next: RolloutStatus,
    /// Current analysis runs, with what was written so far.
    runs: BTreeMap<RunKind, ObservedRun>,
    pausing: Pausing,
    writes: Vec<Write>,
    wake: Option<SimTime>,
}

impl<'a> Release<'a> {
    /// None where the ReplicaSet of the present template is missing.
    fn new(object: &'a ObservedRollout<'a>, now: SimTime) -> Option<Release<'a>> {
        let mut sets = object.replica_sets.to_vec();
        sets.sort_by_key(|other| (other.set.created, other.set.id));
        let of = |template| sets.iter().position(|other| other.set.template == template);
        let new = of(object.template)?;
        let stable = object.status.stable.and_then(of);
        let before = object.status.clone();
        let next = before.clone();
        let (spec, runs) = (object.spec, object.runs.clone());
        let (pausing, writes, wake) = (Pausing::default(), Vec::new(), None);
        Some(Release { object, spec, now, sets, new, stable, before, next, runs, pausing, writes, wake })
    }

    fn canary_strategy(&self) -> Option<&'a CanaryStrategy> {
        match &self.spec.strategy {
            RolloutStrategy::Canary(canary) => Some(canary),
            RolloutStrategy::BlueGreen(_) => None,
        }
    }

    fn new_set(&self) -> &ReleaseSet {
        &self.sets[self.new]
    }

    /// Positions of the ReplicaSets that are neither new nor stable.
    fn others(&self) -> Vec<usize> {
        (0..self.sets.len()).filter(|&at| at != self.new && Some(at) != self.stable).collect()
    }

    /// The stable ReplicaSet, where it is not the new one.
    fn stable_apart(&self) -> Option<usize> {
        self.stable.filter(|&stable| stable != self.new)
    }

    fn total_available(&self) -> i32 {
        self.sets.iter().map(|other| other.set.status.available).sum()
    }

    /// `IsFullyPromoted`.
    fn is_fully_promoted(&self) -> bool {
        self.before.stable == self.before.current
    }

    /// `IsAborted`.
    fn is_aborted(&self) -> bool {
        !self.pausing.removes_abort && (self.pausing.aborts || self.before.is_aborted)
    }

    /// `haltProgress`.
    fn is_halted(&self) -> bool {
        self.spec.is_paused || self.before.pause(PauseReason::InconclusiveAnalysisRun).is_some()
    }

    /// `CheckPodSpecChange`.
    fn has_new_template(&self) -> bool {
        self.before.current.is_some_and(|current| current != self.object.template)
    }

    fn look_again(&mut self, at: SimTime) {
        self.wake = super::earlier(self.wake, Some(at));
    }

    /// `syncReplicaSetRevision`: the present ReplicaSet gets the highest revision.
    fn sync_revision(&mut self) {
        let others = self.sets.iter().enumerate().filter(|(at, _)| *at != self.new);
        let highest = others.map(|(_, other)| other.set.revision).max().unwrap_or(0).max(0);
        let min_ready = self.spec.min_ready;
        let set = &mut self.sets[self.new].set;
        let revision = set.revision.max(highest + 1);
        if set.revision != revision || set.min_ready != min_ready {
            (set.revision, set.min_ready) = (revision, min_ready);
            self.writes.push(Write::AdoptReplicaSet { id: set.id, min_ready, revision });
        }
        self.before.revision = revision;
        if self.before.progressing.is_none() {
            conditions::set(&mut self.before.progressing, Reason::FoundNewReplicaSet, String::new(), self.now);
        }
    }

    /// `isScalingEvent`: `spec.replicas` has changed.
    fn is_scaling_event(&self) -> bool {
        let relevant = [Some(self.new), self.stable].into_iter().flatten();
        let mut active = relevant.map(|at| &self.sets[at].set).filter(|set| set.replicas > 0);
        active.any(|set| set.desired_replicas.is_some_and(|desired| desired != self.spec.replicas))
    }

    /// `syncReplicasOnly`.
    fn sync_replicas_only(&mut self) {
        self.next = self.before.clone();
        match &self.spec.strategy {
            RolloutStrategy::Canary(canary) => {
                self.reconcile_canary_sets(canary);
                self.next.available = self.total_available();
            }
            RolloutStrategy::BlueGreen(blue_green) => {
                self.reconcile_blue_green_sets(blue_green);
                let active = self.sets.iter().find(|other| Some(other.set.template) == self.before.active);
                self.next.available = active.map_or(self.total_available(), |active| active.set.status.available);
            }
        }
        self.persist();
    }

    /// `isRollbackWithinWindow`.
    fn is_within_window(&self) -> bool {
        let (Some(window), Some(stable)) = (self.spec.rollback_window.filter(|window| *window > 0), self.stable) else {
            return false;
        };
        let (new, stable) = (self.new_set().set.created, self.sets[stable].set.created);
        let between = self.sets.iter().filter(|other| new < other.set.created && other.set.created < stable);
        new < stable && between.count() < usize::try_from(window).unwrap_or(0)
    }

    /// `resetRolloutStatus`: a new release begins.
    fn reset(&mut self) {
        self.pausing.clears = true;
        self.pausing.removes_abort = true;
        self.next.promotes_fully = false;
        self.next.is_past_preview = false;
        self.next.step = self.canary_strategy().filter(|canary| !canary.steps.is_empty()).map(|_| 0);
        for kind in self.runs.keys().copied().collect::<Vec<_>>() {
            self.forget_run(kind);
        }
    }

    /// `calculateBaseStatus`.
    fn count(&mut self) {
        let sets = &self.sets;
        let sum = |of: fn(&ReleaseSet) -> i32| sets.iter().map(of).sum::<i32>();
        let next = &mut self.next;
        next.revision = self.before.revision;
        next.progressing = self.before.progressing.clone();
        next.has_paused = self.before.has_paused;
        next.current = Some(self.object.template);
        next.replicas = sum(|other| other.set.status.replicas);
        next.updated = sets[self.new].set.status.replicas;
        next.ready = sum(|other| other.set.status.ready);
        next.promotes_fully = next.current != next.stable && self.before.promotes_fully;
    }

    /// `promoteStable`: the present template becomes the stable one.
    fn promote_stable(&mut self) {
        self.pausing.clears = true;
        self.pausing.removes_abort = true;
        self.next.promotes_fully = false;
        self.next.is_past_preview = false;
        if let Some(canary) = self.canary_strategy() {
            self.next.step = (!canary.steps.is_empty()).then_some(canary.steps.len());
        }
        self.next.stable = self.next.current;
    }

    /// `persistRolloutStatus` and `CalculatePauseStatus`.
    fn persist(&mut self) {
        let pausing = &self.pausing;
        let (before, next) = (&self.before, &mut self.next);
        next.is_aborted = pausing.aborts || (!pausing.removes_abort && before.is_aborted);
        next.aborted = next.is_aborted.then(|| before.aborted.unwrap_or(self.now));
        next.pauses.clear();
        next.is_paused_by_controller = false;
        if !next.is_aborted && !pausing.clears {
            next.pauses = before.pauses.clone();
            next.pauses.retain(|pause| !pausing.removes.contains(&pause.reason));
            let mut is_by_controller = before.is_paused_by_controller;
            for &reason in &pausing.adds {
                if before.pause(reason).is_none() {
                    next.pauses.push(Pause { reason, started: self.now });
                    is_by_controller = true;
                }
            }
            next.is_paused_by_controller = !next.pauses.is_empty() && is_by_controller;
        }
        next.observed_generation = self.object.generation;
        (next.phase, next.message) = conditions::phase(self.spec, next);
    }

    fn finish(self) -> Sync {
        let has_changed = !self.writes.is_empty() || self.next != *self.object.status;
        let wake = if has_changed { Some(self.now) } else { super::earlier(self.wake, self.deadline_check()) };
        Sync { writes: self.writes, status: self.next, wake }
    }
}

/// The step at which a canary is, and its number; the step is none after the last (`GetCurrentCanaryStep`).
fn present_step(canary: &CanaryStrategy, step: Option<usize>) -> Option<(usize, Option<&CanaryStep>)> {
    let index = (!canary.steps.is_empty()).then(|| step.unwrap_or(0))?;
    Some((index, canary.steps.get(index)))
}

#[cfg(test)]
mod tests;

//! What the controller of Argo Rollouts decides: which ReplicaSets there are, how large each is, and which share of the
//! traffic each gets.
//!
//! Follows v1.9.1: `rollout/{controller,context,sync,pause,replicaset,analysis}.go` here, `rollout/canary.go`,
//! `rollout/trafficrouting.go` and `utils/replicaset/canary.go` in `canary`, `rollout/bluegreen.go` in `blue_green`, and
//! `utils/conditions` and `utils/rollout` in `conditions`. [`sync`] is one `reconcile`: like upstream it stops after most of
//! what it writes and asks to be woken at once.
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

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::analysis::AnalysisPhase;
use super::deployment::ObservedReplicaSet;
use crate::ids::{OwnerId, RevisionId};
use crate::model::rollouts::{
    AbortScaleDown, Analysis, BlueGreenStrategy, CanaryStep, CanaryStrategy, RolloutSpec, RolloutStrategy,
};
use crate::units::{SimDuration, SimTime};

pub use conditions::{Condition, Reason};

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

/// Which analysis of a Rollout a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunKind {
    /// Of the present step of a canary.
    Step,
    /// Beside the steps of a canary.
    Background,
    /// Before the promotion.
    PrePromotion,
    /// After the promotion.
    PostPromotion,
}

/// A current analysis run as its Rollout sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedRun {
    /// The step that it belongs to; of other kinds 0.
    pub step: usize,
    /// `status.phase`.
    pub phase: AnalysisPhase,
    /// `status.message`.
    pub message: String,
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

/// Why a Rollout waits (`PauseReason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PauseReason {
    /// A step says so.
    CanaryPauseStep,
    /// The new pods are there, and the promotion waits.
    BlueGreenPause,
    /// An analysis said nothing.
    InconclusiveAnalysisRun,
}

impl PauseReason {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            PauseReason::CanaryPauseStep => "CanaryPauseStep",
            PauseReason::BlueGreenPause => "BlueGreenPause",
            PauseReason::InconclusiveAnalysisRun => "InconclusiveAnalysisRun",
        }
    }
}

/// `PauseCondition`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// `reason`.
    pub reason: PauseReason,
    /// `startTime`.
    pub started: SimTime,
}

/// `TrafficWeights`: how a router divides the traffic. The weights sum to the weight of all traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// Of the canary.
    pub canary: i32,
    /// Which template the canary is.
    pub canary_template: RevisionId,
    /// Of the stable ReplicaSet.
    pub stable: i32,
    /// Which template is stable.
    pub stable_template: Option<RevisionId>,
}

/// `RolloutPhase`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RolloutPhase {
    /// A release is under way.
    #[default]
    Progressing,
    /// It waits for somebody, or for a span to pass.
    Paused,
    /// All is as it should be.
    Healthy,
    /// The release was aborted, or makes no progress.
    Degraded,
}

impl RolloutPhase {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            RolloutPhase::Progressing => "Progressing",
            RolloutPhase::Paused => "Paused",
            RolloutPhase::Healthy => "Healthy",
            RolloutPhase::Degraded => "Degraded",
        }
    }
}

/// `RolloutStatus`, and the annotation with the revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolloutStatus {
    /// `observedGeneration`.
    pub observed_generation: u64,
    /// Annotation `rollout.argoproj.io/revision`; 0: it has none yet.
    pub revision: i64,
    /// Whether the steps have been seen (`currentStepHash`).
    pub has_steps: bool,
    /// `currentPodHash`: the template that was seen last.
    pub current: Option<RevisionId>,
    /// `stableRS`: the template to which an abort goes back.
    pub stable: Option<RevisionId>,
    /// `currentStepIndex`; none without steps.
    pub step: Option<usize>,
    /// `pauseConditions`.
    pub pauses: Vec<Pause>,
    /// `controllerPause`: whether the controller paused; stays when somebody resumes, until the controller has seen it.
    pub is_paused_by_controller: bool,
    /// `abort`.
    pub is_aborted: bool,
    /// `abortedAt`.
    pub aborted: Option<SimTime>,
    /// `promoteFull`: all steps, pauses and analyses are left out.
    pub promotes_fully: bool,
    /// `canary.weights`; none: there is no router, or it has not been told yet.
    pub weights: Option<Weights>,
    /// `blueGreen.activeSelector`.
    pub active: Option<RevisionId>,
    /// `blueGreen.previewSelector`.
    pub preview: Option<RevisionId>,
    /// `blueGreen.scaleUpPreviewCheckPoint`.
    pub is_past_preview: bool,
    /// `replicas`.
    pub replicas: i32,
    /// `updatedReplicas`.
    pub updated: i32,
    /// `readyReplicas`.
    pub ready: i32,
    /// `availableReplicas`; of blue-green releases those of the active ReplicaSet.
    pub available: i32,
    /// Condition `Progressing`.
    pub progressing: Option<Condition>,
    /// Status of the condition `Paused`.
    pub has_paused: bool,
    /// Status of the condition `Healthy`; none: it has not been healthy yet.
    pub has_been_healthy: Option<bool>,
    /// `phase`.
    pub phase: RolloutPhase,
    /// `message`.
    pub message: String,
}

impl RolloutStatus {
    fn pause(&self, reason: PauseReason) -> Option<&Pause> {
        self.pauses.iter().find(|pause| pause.reason == reason)
    }

    /// Somebody lets it go on (`kubectl argo rollouts promote` of one that waits).
    pub fn resume(&mut self) {
        self.pauses.clear();
    }

    /// `kubectl argo rollouts promote`: ends the pause, and where there is none the step; with `--full` all there are.
    pub fn promote(&mut self, spec: &RolloutSpec, fully: bool) {
        if fully {
            self.promotes_fully = self.current != self.stable;
            return;
        }
        let steps = match &spec.strategy {
            RolloutStrategy::Canary(canary) => canary.steps.len(),
            RolloutStrategy::BlueGreen(_) => 0,
        };
        let is_inconclusive =
            self.is_paused_by_controller && self.pause(PauseReason::InconclusiveAnalysisRun).is_some() && steps > 0;
        if is_inconclusive {
            self.is_paused_by_controller = false;
        }
        if is_inconclusive || self.pauses.is_empty() {
            self.step = self.step.map(|step| (step + 1).min(steps));
        }
        self.pauses.clear();
    }
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

    /// `scaleReplicaSetAndRecordEvent`. Returns whether the size changed.
    fn scale_set(&mut self, at: usize, replicas: i32) -> bool {
        let desired_replicas = self.spec.replicas;
        let clears = replicas == 0 && !self.delays_abort();
        let entry = &mut self.sets[at];
        let changes = entry.set.replicas != replicas;
        if changes || entry.set.desired_replicas != Some(desired_replicas) {
            entry.set.replicas = replicas;
            entry.set.desired_replicas = Some(desired_replicas);
            let id = entry.set.id;
            self.writes.push(Write::ScaleReplicaSet { id, replicas, desired_replicas });
            if clears {
                self.set_deadline(at, None);
            }
        }
        changes
    }

    fn set_deadline(&mut self, at: usize, deadline: Option<SimTime>) {
        let entry = &mut self.sets[at];
        if entry.scale_down_at != deadline {
            entry.scale_down_at = deadline;
            self.writes.push(Write::SetDeadline { id: entry.set.id, at: deadline });
        }
    }

    /// `removeScaleDownDeadlines`: of ReplicaSets that have become new or stable again.
    fn remove_deadlines(&mut self) {
        if !self.delays_abort() {
            self.set_deadline(self.new, None);
        }
        if let Some(stable) = self.stable {
            self.set_deadline(stable, None);
        }
    }

    /// The delay of `abortScaleDownDelaySeconds`, none: the pods stay; and whether it was given.
    fn abort_delay(&self) -> (Option<SimDuration>, bool) {
        let written = match &self.spec.strategy {
            RolloutStrategy::Canary(canary) => canary.routing.map(|routing| routing.abort_scale_down),
            RolloutStrategy::BlueGreen(blue_green) => Some(blue_green.abort_scale_down),
        };
        match written {
            None => (Some(SimDuration::ZERO), false),
            Some(AbortScaleDown::Default) => (Some(SCALE_DOWN_DELAY), false),
            Some(AbortScaleDown::After(delay)) => (Some(delay), true),
            Some(AbortScaleDown::Never) => (None, true),
        }
    }

    /// `shouldDelayScaleDownOnAbort`.
    fn delays_abort(&self) -> bool {
        let (delay, is_given) = self.abort_delay();
        if !self.is_aborted() || self.stable.is_none() || delay.is_none() {
            return false;
        }
        match self.canary_strategy().map(|canary| canary.routing) {
            Some(None) => false,
            Some(Some(routing)) => !routing.scales_stable || is_given,
            None => true,
        }
    }

    /// `reconcileNewReplicaSet`: gives the new ReplicaSet its size, or after an abort its deadline. Returns whether the size
    /// changed.
    fn reconcile_new(&mut self, wanted: i32) -> bool {
        let mut wanted = wanted;
        if self.delays_abort() {
            let (delay, _) = self.abort_delay();
            match (self.new_set().scale_down_at, delay) {
                (Some(at), _) if at > self.now => {
                    self.look_again(at);
                    return false;
                }
                (Some(_), _) => wanted = 0,
                (None, Some(delay)) => {
                    let stable = self.stable.map(|stable| self.sets[stable].set.status.available);
                    if stable == Some(self.spec.replicas) {
                        self.set_deadline(self.new, Some(self.now.after(delay)));
                    }
                    return false;
                }
                (None, None) => {}
            }
        }
        self.scale_set(self.new, wanted)
    }

    /// `scaleDownDelayHelper`: the size of an old ReplicaSet that may stay for a while. `kept` counts those that may.
    fn delayed_size(&mut self, at: usize, kept: &mut i32, full: i32, delay: SimDuration, limit: Option<i32>) -> i32 {
        let limit = limit.unwrap_or(i32::MAX);
        let ReleaseSet { set, scale_down_at } = self.sets[at];
        match scale_down_at {
            None if set.replicas > 0 && *kept < limit && delay > SimDuration::ZERO => {
                *kept += 1;
                let due = self.now.after(delay);
                self.set_deadline(at, Some(due));
                self.look_again(due);
                set.replicas
            }
            None => 0,
            Some(due) => {
                *kept += 1;
                if *kept > limit || due <= self.now {
                    return 0;
                }
                self.look_again(due);
                full
            }
        }
    }

    /// Old ReplicaSets that ought to have pods, the highest revision first.
    fn active_others(&self) -> Vec<usize> {
        let mut others = self.others();
        others.retain(|&at| self.sets[at].set.replicas > 0);
        others.sort_by_key(|&at| Reverse((self.sets[at].set.revision, at)));
        others
    }

    /// `isReplicaSetReferenced`: whether traffic may go to it.
    fn is_referenced(&self, at: usize) -> bool {
        let template = Some(self.sets[at].set.template);
        let status = &self.before;
        let of_weights = status.weights.map(|weights| [Some(weights.canary_template), weights.stable_template]);
        let selectors = [status.stable, status.current, status.active, status.preview];
        selectors.contains(&template) || of_weights.is_some_and(|templates| templates.contains(&template))
    }

    /// `reconcileRevisionHistoryLimit`: of the old ReplicaSets beyond the limit, those without pods go.
    fn clean_up(&mut self) {
        let others = self.others();
        let limit = usize::try_from(self.spec.revision_history_limit).unwrap_or(0);
        for &at in &others[..others.len().saturating_sub(limit)] {
            let set = &self.sets[at].set;
            if set.status.replicas == 0 && set.replicas == 0 {
                self.writes.push(Write::DeleteReplicaSet(set.id));
            }
        }
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

    fn forget_run(&mut self, kind: RunKind) {
        if self.runs.remove(&kind).is_some() {
            self.writes.push(Write::ForgetRun(kind));
        }
    }

    fn terminate_run(&mut self, kind: RunKind) {
        if let Some(run) = self.runs.get(&kind)
            && !run.phase.is_over()
        {
            self.writes.push(Write::TerminateRun(kind));
        }
    }

    fn start_run(&mut self, kind: RunKind, step: usize) {
        self.writes.push(Write::StartRun { kind, step });
        self.runs.insert(kind, ObservedRun { step, phase: AnalysisPhase::Running, message: String::new() });
    }

    /// `needsNewAnalysisRun`.
    fn needs_run(&self, kind: RunKind) -> bool {
        let Some(run) = self.runs.get(&kind) else { return true };
        let status = &self.before;
        let is_resumed = status.is_paused_by_controller
            && status.pause(PauseReason::CanaryPauseStep).is_none()
            && status.pause(PauseReason::BlueGreenPause).is_none();
        if is_resumed { run.phase == AnalysisPhase::Inconclusive } else { status.aborted.is_some() }
    }

    /// What the end of a run means for the release.
    fn heed_run(&mut self, kind: RunKind) {
        let Some(run) = self.runs.get(&kind) else { return };
        match run.phase {
            AnalysisPhase::Running | AnalysisPhase::Successful => {}
            AnalysisPhase::Inconclusive => self.pausing.adds.push(PauseReason::InconclusiveAnalysisRun),
            AnalysisPhase::Error | AnalysisPhase::Failed => {
                let what = match kind {
                    RunKind::Step => "Step-based",
                    RunKind::Background => "Background",
                    RunKind::PrePromotion => "Blue/green pre-promotion",
                    RunKind::PostPromotion => "Blue/green post-promotion",
                };
                let cause = if run.message.is_empty() { String::new() } else { format!(": {}", run.message) };
                self.pausing.abort_message = format!("{what} analysis phase error/failed{cause}");
                self.pausing.aborts = true;
            }
        }
    }

    /// `reconcileAnalysisRuns`.
    fn reconcile_runs(&mut self) {
        let is_skipped = self.is_aborted()
            || self.before.promotes_fully
            || self.new_set().scale_down_at.is_some()
            || self.before.stable.is_none()
            || self.is_within_window();
        if is_skipped {
            self.runs.keys().copied().collect::<Vec<_>>().into_iter().for_each(|kind| self.terminate_run(kind));
            return;
        }
        match &self.spec.strategy {
            RolloutStrategy::Canary(canary) => {
                self.reconcile_step_run(canary);
                self.reconcile_background_run(canary);
            }
            RolloutStrategy::BlueGreen(blue_green) => {
                self.reconcile_promotion_run(RunKind::PrePromotion, blue_green);
                self.heed_run(RunKind::PrePromotion);
                self.reconcile_promotion_run(RunKind::PostPromotion, blue_green);
                self.heed_run(RunKind::PostPromotion);
            }
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

/// The analysis that a run is of.
pub fn analysis_of(spec: &RolloutSpec, kind: RunKind, step: usize) -> Option<&Analysis> {
    match (&spec.strategy, kind) {
        (RolloutStrategy::Canary(canary), RunKind::Step) => match canary.steps.get(step) {
            Some(CanaryStep::Analysis(analysis)) => Some(analysis),
            _ => None,
        },
        (RolloutStrategy::Canary(canary), RunKind::Background) => {
            canary.background.as_ref().map(|background| &background.analysis)
        }
        (RolloutStrategy::BlueGreen(blue_green), RunKind::PrePromotion) => blue_green.before_promotion.as_ref(),
        (RolloutStrategy::BlueGreen(blue_green), RunKind::PostPromotion) => blue_green.after_promotion.as_ref(),
        _ => None,
    }
}

/// Whether something divides the traffic, rather than that it goes to all pods alike.
pub fn divides_traffic(spec: &RolloutSpec, status: &RolloutStatus) -> bool {
    matches!(spec.strategy, RolloutStrategy::BlueGreen(_)) || status.weights.is_some()
}

/// The share of the traffic in percent that goes to each ReplicaSet, in the order given: what a router was told, the one
/// that a Service selects, or where a Service selects all pods the share of the available ones.
pub fn traffic_shares(spec: &RolloutSpec, status: &RolloutStatus, sets: &[ReleaseSet]) -> Vec<f64> {
    let by_pods = || {
        let available: i32 = sets.iter().map(|other| other.set.status.available).sum();
        let share = |other: &ReleaseSet| f64::from(other.set.status.available) * 100.0 / f64::from(available.max(1));
        sets.iter().map(share).collect()
    };
    let max_weight = match &spec.strategy {
        RolloutStrategy::BlueGreen(_) => {
            let share = |other: &ReleaseSet| if status.active == Some(other.set.template) { 100.0 } else { 0.0 };
            return sets.iter().map(share).collect();
        }
        RolloutStrategy::Canary(canary) => canary.routing.map(|routing| routing.max_weight),
    };
    let (Some(weights), Some(max_weight)) = (status.weights, max_weight) else { return by_pods() };
    let share = |other: &ReleaseSet| {
        let template = other.set.template;
        let canary = if template == weights.canary_template { weights.canary } else { 0 };
        let stable = if Some(template) == weights.stable_template { weights.stable } else { 0 };
        f64::from(canary + stable) * 100.0 / f64::from(max_weight)
    };
    sets.iter().map(share).collect()
}

#[cfg(test)]
mod tests;

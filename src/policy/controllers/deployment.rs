//! What the Deployment controller decides: which ReplicaSets there are, and how large each is.
//!
//! Follows `pkg/controller/deployment/{deployment_controller,sync,rolling,recreate,progress}.go` and
//! `pkg/controller/deployment/util/deployment_util.go` of v1.37.0. [`sync`] is one `syncDeployment`: upstream returns
//! after most of what it writes, since the write comes back as an event; here it asks to be woken at once for the same
//! reason, and what it writes converges.
//!
//! Where a second `getAllReplicaSetsAndSyncRevision` of one sync would fail upstream for a conflict with the first and be
//! tried again 5 ms later, this goes on at once.
//!
//! Known deviations:
//! - Two templates are equal when they are one [`RevisionId`]; there are no hash collisions.
//! - Making a ReplicaSet never fails (`ReplicaSetCreateError`), and its pods' creation neither (`ReplicaFailure`).
//! - A roll back is a change of the template, as `kubectl rollout undo` makes it ([`template_before`]); the deprecated
//!   `rollbackTo` is not read. Annotations of users are not copied.
//! - Nothing is asked to look again after a rollout that is over, where upstream asks in vain.
//!
//! Cost: O(s log s) for `s` ReplicaSets.

use std::cmp::Reverse;

use super::replica_set::ReplicaSetStatus;
use super::scaled;
use crate::ids::{OwnerId, RevisionId};
use crate::model::controllers::{DeploymentSpec, DeploymentStrategy};
use crate::model::objects::CountOrPercent;
use crate::units::{SimDuration, SimTime};

/// The `revisionHistoryLimit` with which all are kept.
const HISTORY_WITHOUT_LIMIT: i32 = i32::MAX;
/// A deadline is looked at this much after it has passed.
const DEADLINE_SLACK: SimDuration = SimDuration(1_000_000_000);
/// The first delay of upstream's rate limited queue.
const RATE_LIMIT_BASE: SimDuration = SimDuration(5_000_000);
/// Stands for the ReplicaSet that this very sync makes.
const UNBORN: OwnerId = OwnerId(u32::MAX);

/// A ReplicaSet as its Deployment sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObservedReplicaSet {
    /// The ReplicaSet.
    pub id: OwnerId,
    /// `metadata.creationTimestamp`.
    pub created: SimTime,
    /// Whether it has been told to go (`metadata.deletionTimestamp`).
    pub is_terminating: bool,
    /// `spec.template`.
    pub template: RevisionId,
    /// `spec.replicas`.
    pub replicas: i32,
    /// `spec.minReadySeconds`.
    pub min_ready: SimDuration,
    /// Annotation `deployment.kubernetes.io/revision`; 0: it has none.
    pub revision: i64,
    /// Annotation `deployment.kubernetes.io/desired-replicas`.
    pub desired_replicas: Option<i32>,
    /// Annotation `deployment.kubernetes.io/max-replicas`.
    pub max_replicas: Option<i32>,
    /// `status`, as of the last sync of its own controller.
    pub status: ReplicaSetStatus,
    /// Whether that sync saw its present `spec` (`observedGeneration`).
    pub is_observed: bool,
    /// Its pods that have not finished, those that are told to end among them. Recreate waits for them.
    pub unfinished_pods: u32,
}

/// A Deployment as its controller sees it.
#[derive(Clone, Copy, Debug)]
pub struct ObservedDeployment<'a> {
    /// `spec`, without the template.
    pub spec: &'a DeploymentSpec,
    /// `spec.template`.
    pub template: RevisionId,
    /// `metadata.generation`: grows with every change of spec or template.
    pub generation: u64,
    /// `status`, as the last sync left it.
    pub status: &'a DeploymentStatus,
    /// Its ReplicaSets, in any order.
    pub replica_sets: &'a [ObservedReplicaSet],
}

/// `apps/v1.DeploymentStatus`, and the annotation with the revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeploymentStatus {
    /// `observedGeneration`.
    pub observed_generation: u64,
    /// Annotation `deployment.kubernetes.io/revision`; 0: it has none yet.
    pub revision: i64,
    /// `replicas`: pods there are.
    pub replicas: i32,
    /// `updatedReplicas`: pods of the present template.
    pub updated: i32,
    /// `readyReplicas`.
    pub ready: i32,
    /// `availableReplicas`.
    pub available: i32,
    /// `unavailableReplicas`: what the ReplicaSets lack to what they should have.
    pub unavailable: i32,
    /// `terminatingReplicas`.
    pub terminating: i32,
    /// Status of the condition `Available`: no more pods are unavailable than may be.
    pub has_minimum: bool,
    /// Condition `Progressing`.
    pub progressing: Option<Progressing>,
}

/// The condition `Progressing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progressing {
    /// `reason`, from which `status` follows.
    pub reason: ProgressReason,
    /// `lastUpdateTime`: from here the deadline counts.
    pub updated: SimTime,
    /// `lastTransitionTime`: when `status` changed.
    pub changed: SimTime,
}

/// `reason` of the condition `Progressing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressReason {
    /// `NewReplicaSetCreated`.
    NewReplicaSetCreated,
    /// `FoundNewReplicaSet`.
    FoundNewReplicaSet,
    /// `ReplicaSetUpdated`.
    ReplicaSetUpdated,
    /// `NewReplicaSetAvailable`: the rollout is complete.
    NewReplicaSetAvailable,
    /// `ProgressDeadlineExceeded`.
    ProgressDeadlineExceeded,
    /// `DeploymentPaused`.
    DeploymentPaused,
    /// `DeploymentResumed`.
    DeploymentResumed,
}

impl ProgressReason {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            ProgressReason::NewReplicaSetCreated => "NewReplicaSetCreated",
            ProgressReason::FoundNewReplicaSet => "FoundNewReplicaSet",
            ProgressReason::ReplicaSetUpdated => "ReplicaSetUpdated",
            ProgressReason::NewReplicaSetAvailable => "NewReplicaSetAvailable",
            ProgressReason::ProgressDeadlineExceeded => "ProgressDeadlineExceeded",
            ProgressReason::DeploymentPaused => "DeploymentPaused",
            ProgressReason::DeploymentResumed => "DeploymentResumed",
        }
    }

    /// `status` of the condition; none: `Unknown`.
    pub fn is_true(self) -> Option<bool> {
        match self {
            ProgressReason::ProgressDeadlineExceeded => Some(false),
            ProgressReason::DeploymentPaused | ProgressReason::DeploymentResumed => None,
            _ => Some(true),
        }
    }
}

/// What the controller writes, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// A ReplicaSet is made.
    CreateReplicaSet {
        /// `spec.template`.
        template: RevisionId,
        /// `spec.replicas`.
        replicas: i32,
        /// `spec.minReadySeconds`.
        min_ready: SimDuration,
        /// Annotation `deployment.kubernetes.io/revision`.
        revision: i64,
        /// Annotation `deployment.kubernetes.io/desired-replicas`.
        desired_replicas: i32,
        /// Annotation `deployment.kubernetes.io/max-replicas`.
        max_replicas: i32,
    },
    /// A ReplicaSet becomes the present one, again or with another minimum ready time.
    AdoptReplicaSet {
        /// Which.
        id: OwnerId,
        /// `spec.minReadySeconds`.
        min_ready: SimDuration,
        /// Annotation `deployment.kubernetes.io/revision`.
        revision: i64,
    },
    /// A ReplicaSet gets another size, or its annotations are renewed.
    ScaleReplicaSet {
        /// Which.
        id: OwnerId,
        /// `spec.replicas`.
        replicas: i32,
        /// Annotation `deployment.kubernetes.io/desired-replicas`.
        desired_replicas: i32,
        /// Annotation `deployment.kubernetes.io/max-replicas`.
        max_replicas: i32,
    },
    /// A ReplicaSet without pods goes, by the history limit.
    DeleteReplicaSet(OwnerId),
}

/// What one sync brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// What to write, in order.
    pub writes: Vec<Write>,
    /// The new `status`.
    pub status: DeploymentStatus,
    /// When to look again, if nothing happens before: now where anything changed, else when the deadline for progress
    /// has passed.
    pub wake: Option<SimTime>,
}

/// One sync of a Deployment that is not being deleted.
pub fn sync(object: &ObservedDeployment<'_>, now: SimTime) -> Sync {
    let mut rollout = Rollout::new(object, now);
    rollout.note_pause();
    rollout.sync_revision();
    let estimates_progress = !object.spec.is_paused && !rollout.is_scaling_event();
    let status = if estimates_progress {
        match object.spec.strategy {
            DeploymentStrategy::Recreate => rollout.recreate(),
            DeploymentStrategy::RollingUpdate { .. } => rollout.roll(),
        }
        rollout.status_with_progress()
    } else {
        rollout.scale();
        if object.spec.is_paused {
            rollout.clean_up();
        }
        rollout.counted_status()
    };
    let has_changed = !rollout.writes.is_empty() || status != *object.status;
    let wake = match has_changed {
        true => Some(now),
        false if estimates_progress => rollout.deadline_check(&status),
        false => None,
    };
    Sync { writes: rollout.writes, status, wake }
}

/// The template to which `kubectl rollout undo` goes back: that of the ReplicaSet with the second highest revision.
pub fn template_before(replica_sets: &[ObservedReplicaSet]) -> Option<RevisionId> {
    let mut by_revision: Vec<&ObservedReplicaSet> = replica_sets.iter().collect();
    by_revision.sort_by_key(|set| Reverse((set.revision, set.created, set.id)));
    by_revision.get(1).map(|set| set.template)
}

/// `ResolveFenceposts`: how many pods there may be above `desired`, and how many may be unavailable.
pub fn resolve_fenceposts(max_surge: CountOrPercent, max_unavailable: CountOrPercent, desired: i32) -> (i32, i32) {
    match (scaled(max_surge, desired, true), scaled(max_unavailable, desired, false)) {
        // Both can round to 0, and then nothing would ever move.
        (0, 0) => (0, 1),
        resolved => resolved,
    }
}

/// How many pods a rolling update may make above `spec.replicas` (`MaxSurge`).
pub fn max_surge(spec: &DeploymentSpec) -> i32 {
    match spec.strategy {
        DeploymentStrategy::Recreate => 0,
        DeploymentStrategy::RollingUpdate { max_surge, max_unavailable } => {
            resolve_fenceposts(max_surge, max_unavailable, spec.replicas).0
        }
    }
}

/// How many pods a rolling update may leave unavailable (`MaxUnavailable`).
pub fn max_unavailable(spec: &DeploymentSpec) -> i32 {
    match spec.strategy {
        DeploymentStrategy::RollingUpdate { max_surge, max_unavailable } if spec.replicas > 0 => {
            resolve_fenceposts(max_surge, max_unavailable, spec.replicas).1.min(spec.replicas)
        }
        _ => 0,
    }
}

/// `DeploymentComplete`: all pods are of the present template and available.
fn is_complete(object: &ObservedDeployment<'_>, status: &DeploymentStatus) -> bool {
    let wanted = object.spec.replicas;
    (status.updated, status.replicas, status.available) == (wanted, wanted, wanted)
        && status.observed_generation >= object.generation
}

/// `DeploymentProgressing`: more new pods, fewer old ones, more ready or more available.
fn has_progressed(before: &DeploymentStatus, after: &DeploymentStatus) -> bool {
    after.updated > before.updated
        || after.replicas - after.updated < before.replicas - before.updated
        || after.ready > before.ready
        || after.available > before.available
}

/// `SetDeploymentCondition`: nothing changes where status and reason stay.
fn set_progressing(status: &mut DeploymentStatus, reason: ProgressReason, now: SimTime) {
    match status.progressing {
        Some(present) if present.reason == reason => {}
        Some(present) if present.reason.is_true() == reason.is_true() => {
            status.progressing = Some(Progressing { reason, updated: now, changed: present.changed });
        }
        _ => status.progressing = Some(Progressing { reason, updated: now, changed: now }),
    }
}

/// One sync under way: what the ReplicaSets are like with what was written so far.
struct Rollout<'a> {
    object: &'a ObservedDeployment<'a>,
    now: SimTime,
    /// The oldest first.
    sets: Vec<ObservedReplicaSet>,
    /// The one of the present template.
    new: Option<usize>,
    status: DeploymentStatus,
    writes: Vec<Write>,
}

impl<'a> Rollout<'a> {
    fn new(object: &'a ObservedDeployment<'a>, now: SimTime) -> Self {
        let mut sets = object.replica_sets.to_vec();
        sets.sort_by_key(|set| (set.created, set.id));
        let new = sets.iter().position(|set| set.template == object.template);
        Rollout { object, now, sets, new, status: *object.status, writes: Vec::new() }
    }

    /// Positions of the ReplicaSets of other templates, the oldest first.
    fn old(&self) -> Vec<usize> {
        (0..self.sets.len()).filter(|&at| Some(at) != self.new).collect()
    }

    /// Those of the positions whose ReplicaSets ought to have pods.
    fn active(&self, positions: Vec<usize>) -> Vec<usize> {
        positions.into_iter().filter(|&at| self.sets[at].replicas > 0).collect()
    }

    /// The pods that all ReplicaSets ought to have.
    fn total_replicas(&self) -> i32 {
        self.sets.iter().map(|set| set.replicas).sum()
    }

    fn total_available(&self) -> i32 {
        self.sets.iter().map(|set| set.status.available).sum()
    }

    /// `checkPausedConditions`: a pause stops the clock of the deadline, and its end starts it anew.
    fn note_pause(&mut self) {
        let reason = self.status.progressing.map(|present| present.reason);
        if self.object.spec.progress_deadline.is_none() || reason == Some(ProgressReason::ProgressDeadlineExceeded) {
            return;
        }
        match (self.object.spec.is_paused, reason == Some(ProgressReason::DeploymentPaused)) {
            (true, false) => set_progressing(&mut self.status, ProgressReason::DeploymentPaused, self.now),
            (false, true) => set_progressing(&mut self.status, ProgressReason::DeploymentResumed, self.now),
            _ => {}
        }
    }

    /// The revision that comes after those of the old ReplicaSets.
    fn next_revision(&self) -> i64 {
        self.old().into_iter().map(|at| self.sets[at].revision).max().unwrap_or(0).max(0) + 1
    }

    /// `getNewReplicaSet`, as far as it does not make one: the present ReplicaSet gets the highest revision.
    fn sync_revision(&mut self) {
        let Some(new) = self.new else { return };
        let revision = self.next_revision().max(self.sets[new].revision);
        let min_ready = self.object.spec.min_ready;
        let set = &mut self.sets[new];
        if set.revision != revision || set.min_ready != min_ready {
            (set.revision, set.min_ready) = (revision, min_ready);
            self.writes.push(Write::AdoptReplicaSet { id: set.id, min_ready, revision });
        }
        self.status.revision = revision;
        if self.object.spec.progress_deadline.is_some() && self.status.progressing.is_none() {
            set_progressing(&mut self.status, ProgressReason::FoundNewReplicaSet, self.now);
        }
    }

    /// `getNewReplicaSet`: makes the ReplicaSet of the present template where there is none. Returns its position.
    fn ensure_new(&mut self) -> usize {
        if let Some(new) = self.new {
            return new;
        }
        let spec = self.object.spec;
        let set = ObservedReplicaSet {
            id: UNBORN,
            created: self.now,
            is_terminating: false,
            template: self.object.template,
            replicas: self.new_replicas(0),
            min_ready: spec.min_ready,
            revision: self.next_revision(),
            desired_replicas: Some(spec.replicas),
            max_replicas: Some(spec.replicas + max_surge(spec)),
            status: ReplicaSetStatus::default(),
            is_observed: false,
            unfinished_pods: 0,
        };
        self.writes.push(Write::CreateReplicaSet {
            template: set.template,
            replicas: set.replicas,
            min_ready: set.min_ready,
            revision: set.revision,
            desired_replicas: spec.replicas,
            max_replicas: spec.replicas + max_surge(spec),
        });
        self.status.revision = set.revision;
        if spec.progress_deadline.is_some() {
            set_progressing(&mut self.status, ProgressReason::NewReplicaSetCreated, self.now);
        }
        self.sets.push(set);
        self.new = Some(self.sets.len() - 1);
        self.sets.len() - 1
    }

    /// `NewRSNewReplicas`: the size of the present ReplicaSet, which is `present` now, as the surge allows.
    fn new_replicas(&self, present: i32) -> i32 {
        let spec = self.object.spec;
        match spec.strategy {
            DeploymentStrategy::Recreate => spec.replicas,
            DeploymentStrategy::RollingUpdate { .. } => {
                let room = spec.replicas + max_surge(spec) - self.total_replicas();
                if room <= 0 { present } else { present + room.min(spec.replicas - present) }
            }
        }
    }

    /// `scaleReplicaSet`. Returns whether the size changed.
    ///
    /// # Panics
    /// When the ReplicaSet was made by this sync and needs a change: it was made as it should be.
    fn scale_set(&mut self, at: usize, replicas: i32, renews_annotations: bool) -> bool {
        let spec = self.object.spec;
        let (desired_replicas, max_replicas) = (spec.replicas, spec.replicas + max_surge(spec));
        let set = &mut self.sets[at];
        let changes = set.replicas != replicas;
        let annotates = (set.desired_replicas, set.max_replicas) != (Some(desired_replicas), Some(max_replicas));
        if changes || (renews_annotations && annotates) {
            assert!(set.id != UNBORN, "a ReplicaSet is made with its size");
            set.replicas = replicas;
            (set.desired_replicas, set.max_replicas) = (Some(desired_replicas), Some(max_replicas));
            self.writes.push(Write::ScaleReplicaSet { id: set.id, replicas, desired_replicas, max_replicas });
        }
        changes
    }

    /// `isScalingEvent`: `spec.replicas` is another than when a ReplicaSet was last sized.
    fn is_scaling_event(&self) -> bool {
        let wanted = self.object.spec.replicas;
        self.sets.iter().any(|set| set.replicas > 0 && set.desired_replicas.is_some_and(|desired| desired != wanted))
    }

    /// `scale`: carries a change of `spec.replicas` over to the ReplicaSets.
    fn scale(&mut self) {
        let wanted = self.object.spec.replicas;
        let active = self.active((0..self.sets.len()).collect());
        match active[..] {
            [] => {
                if let Some(newest) = self.new.or(self.sets.len().checked_sub(1)) {
                    self.scale_set(newest, wanted, false);
                }
            }
            [only] => {
                self.scale_set(only, wanted, false);
            }
            _ if self.is_saturated() => {
                for at in self.active(self.old()) {
                    self.scale_set(at, 0, false);
                }
            }
            _ if matches!(self.object.spec.strategy, DeploymentStrategy::RollingUpdate { .. }) => {
                self.scale_proportionally(active);
            }
            _ => {}
        }
    }

    /// `IsSaturated`: the present ReplicaSet has all the pods, and they are available.
    fn is_saturated(&self) -> bool {
        let wanted = self.object.spec.replicas;
        self.new.is_some_and(|new| {
            let set = &self.sets[new];
            set.replicas == wanted && set.desired_replicas == Some(wanted) && set.status.available == wanted
        })
    }

    /// Spreads what there is more or less than allowed over the ReplicaSets by their sizes; the largest takes the rest.
    fn scale_proportionally(&mut self, mut active: Vec<usize>) {
        let spec = self.object.spec;
        let allowed = if spec.replicas > 0 { spec.replicas + max_surge(spec) } else { 0 };
        let to_add = allowed - self.total_replicas();
        // Of equal ones the newest grows first, the oldest shrinks first. Positions are in order of age.
        if to_add > 0 {
            active.sort_by_key(|&at| Reverse((self.sets[at].replicas, at)));
        } else {
            active.sort_by_key(|&at| (Reverse(self.sets[at].replicas), at));
        }
        let mut added = 0;
        let mut sizes = Vec::with_capacity(active.len());
        for &at in &active {
            let part = self.proportion(&self.sets[at], to_add, added);
            sizes.push(self.sets[at].replicas + part);
            added += part;
        }
        if to_add != 0 {
            sizes[0] = (sizes[0] + to_add - added).max(0);
        }
        for (at, size) in active.into_iter().zip(sizes) {
            self.scale_set(at, size, true);
        }
    }

    /// `GetReplicaSetProportion`: what falls to one ReplicaSet of `to_add`, of which `added` is gone.
    fn proportion(&self, set: &ObservedReplicaSet, to_add: i32, added: i32) -> i32 {
        if set.replicas == 0 || to_add == 0 || to_add == added {
            return 0;
        }
        let fraction = self.fraction(set);
        if to_add > 0 { fraction.min(to_add - added) } else { fraction.max(to_add - added) }
    }

    /// `getReplicaSetFraction`: by how much a ReplicaSet would grow with its Deployment.
    fn fraction(&self, set: &ObservedReplicaSet) -> i32 {
        let spec = self.object.spec;
        if spec.replicas == 0 {
            return -set.replicas;
        }
        let before = match set.max_replicas {
            None | Some(0) => self.object.status.replicas,
            Some(before) => before,
        };
        if before == 0 {
            return 0;
        }
        // Upstream multiplies in 32 bits, and rounds half away from zero.
        let size = set.replicas.wrapping_mul(spec.replicas + max_surge(spec));
        (f64::from(size) / f64::from(before)).round() as i32 - set.replicas
    }

    /// `rolloutRolling`.
    fn roll(&mut self) {
        let new = self.ensure_new();
        if !self.reconcile_new(new) && !self.reconcile_old(new) && is_complete(self.object, &self.status) {
            self.clean_up();
        }
    }

    /// `reconcileNewReplicaSet`: grows the present ReplicaSet as far as the surge allows. Returns whether it changed.
    fn reconcile_new(&mut self, new: usize) -> bool {
        let (present, wanted) = (self.sets[new].replicas, self.object.spec.replicas);
        let replicas = if present < wanted { self.new_replicas(present) } else { wanted };
        self.scale_set(new, replicas, false)
    }

    /// `reconcileOldReplicaSets`: shrinks the old ones as far as availability allows. Returns whether they changed.
    fn reconcile_old(&mut self, new: usize) -> bool {
        let active = self.active(self.old());
        let min_available = self.object.spec.replicas - max_unavailable(self.object.spec);
        let new_unavailable = self.sets[new].replicas - self.sets[new].status.available;
        let spare = self.total_replicas() - min_available - new_unavailable;
        if active.is_empty() || spare <= 0 {
            return false;
        }
        let Some(cleaned) = self.clean_up_unhealthy(&active, spare) else { return false };
        cleaned + self.scale_down_old(&active, min_available) > 0
    }

    /// `cleanupUnhealthyReplicas`: pods that are not available go first, at most `most` of them. Returns how many; none
    /// where a ReplicaSet has more available pods than it ought to have pods, which upstream takes for an error.
    fn clean_up_unhealthy(&mut self, old: &[usize], most: i32) -> Option<i32> {
        let mut cleaned = 0;
        for &at in old {
            let set = &self.sets[at];
            let unhealthy = set.replicas - set.status.available;
            if cleaned >= most {
                break;
            }
            if unhealthy < 0 {
                return None;
            }
            let count = unhealthy.min(most - cleaned);
            self.scale_set(at, set.replicas - count, false);
            cleaned += count;
        }
        Some(cleaned)
    }

    /// `scaleDownOldReplicaSetsForRollingUpdate`: as many as there are available above the minimum, the oldest first.
    fn scale_down_old(&mut self, old: &[usize], min_available: i32) -> i32 {
        let most = (self.total_available() - min_available).max(0);
        let mut removed = 0;
        for &at in old {
            let count = self.sets[at].replicas.min(most - removed);
            self.scale_set(at, self.sets[at].replicas - count, false);
            removed += count;
        }
        removed
    }

    /// `rolloutRecreate`.
    fn recreate(&mut self) {
        let mut has_shrunk = false;
        for at in self.active(self.old()) {
            has_shrunk |= self.scale_set(at, 0, false);
        }
        if has_shrunk || self.has_old_pods() {
            return;
        }
        let new = self.ensure_new();
        self.scale_set(new, self.object.spec.replicas, false);
        if is_complete(self.object, &self.status) {
            self.clean_up();
        }
    }

    /// `oldPodsRunning`.
    fn has_old_pods(&self) -> bool {
        self.old().into_iter().any(|at| self.sets[at].status.replicas > 0 || self.sets[at].unfinished_pods > 0)
    }

    /// `cleanupDeployment`: of the old ReplicaSets beyond the history limit, those without pods go.
    fn clean_up(&mut self) {
        let limit = self.object.spec.revision_history_limit;
        if limit == HISTORY_WITHOUT_LIMIT {
            return;
        }
        let mut old = self.old();
        old.retain(|&at| !self.sets[at].is_terminating);
        old.sort_by_key(|&at| (self.sets[at].revision, at));
        let surplus = old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        for &at in &old[..surplus] {
            let set = &self.sets[at];
            if set.status.replicas == 0 && set.replicas == 0 && set.is_observed {
                self.writes.push(Write::DeleteReplicaSet(set.id));
            }
        }
    }

    /// `calculateStatus`.
    fn counted_status(&self) -> DeploymentStatus {
        let sum = |of: fn(&ReplicaSetStatus) -> i32| self.sets.iter().map(|set| of(&set.status)).sum::<i32>();
        let available = self.total_available();
        DeploymentStatus {
            observed_generation: self.object.generation,
            revision: self.status.revision,
            replicas: sum(|status| status.replicas),
            updated: self.new.map_or(0, |new| self.sets[new].status.replicas),
            ready: sum(|status| status.ready),
            available,
            unavailable: (self.total_replicas() - available).max(0),
            terminating: sum(|status| status.terminating),
            has_minimum: available >= self.object.spec.replicas - max_unavailable(self.object.spec),
            progressing: self.status.progressing,
        }
    }

    /// `syncRolloutStatus`: the counts, and what they say of the progress.
    fn status_with_progress(&self) -> DeploymentStatus {
        let mut next = self.counted_status();
        let Some(deadline) = self.object.spec.progress_deadline else {
            next.progressing = None;
            return next;
        };
        let present = self.status.progressing;
        let reason = present.map(|present| present.reason);
        if next.replicas == next.updated && reason == Some(ProgressReason::NewReplicaSetAvailable) {
            return next;
        }
        if is_complete(self.object, &next) {
            set_progressing(&mut next, ProgressReason::NewReplicaSetAvailable, self.now);
        } else if has_progressed(&self.status, &next) {
            // Another update with the same reason counts as well: the deadline begins anew.
            let since = present.filter(|present| present.reason.is_true() == Some(true)).map(|present| present.changed);
            let (reason, changed) = (ProgressReason::ReplicaSetUpdated, since.unwrap_or(self.now));
            next.progressing = Some(Progressing { reason, updated: self.now, changed });
        } else if present.is_some_and(|present| {
            present.reason != ProgressReason::NewReplicaSetAvailable && present.updated.after(deadline) < self.now
        }) {
            set_progressing(&mut next, ProgressReason::ProgressDeadlineExceeded, self.now);
        }
        next
    }

    /// `requeueStuckDeployment`: when the deadline for progress will have passed.
    fn deadline_check(&self, status: &DeploymentStatus) -> Option<SimTime> {
        let (deadline, present) = (self.object.spec.progress_deadline?, status.progressing?);
        let is_over =
            matches!(present.reason, ProgressReason::ProgressDeadlineExceeded | ProgressReason::NewReplicaSetAvailable);
        if is_over || is_complete(self.object, status) {
            return None;
        }
        let due = present.updated.after(deadline);
        let slack = if due >= self.now.after(DEADLINE_SLACK) { DEADLINE_SLACK } else { RATE_LIMIT_BASE };
        Some(due.after(slack))
    }
}

#[cfg(test)]
mod tests;

//! What the Job controller decides: pods to make and to delete, and how the Job ends.
//!
//! Follows `pkg/controller/job/{job_controller,backoff_utils,indexed_job_utils,pod_failure_policy}.go` and, for the time
//! to live, `pkg/controller/ttlafterfinished/ttlafterfinished_controller.go` of v1.37.0. [`sync`] is one `syncJob`: each
//! pod counts once, which upstream sees to by a finalizer, and this by [`JobPod::is_counted`].
//!
//! Known deviations:
//! - All finished pods are counted in one sync, where upstream counts 500 at a time.
//! - Failures that a rule ignores prolong the back-off for good; upstream forgets them when nothing else changes the status
//!   in the same sync.
//! - There is no success policy, and no controller of others (`managedBy`).
//! - Upstream waits for [`SYNC_BATCH_PERIOD`] before it looks at what happened to pods; that is the caller's to add (it
//!   does where the control plane is realistic).
//!
//! Cost: O(p log p + c) for `p` pods and `c` completions.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{ObservedPod, PodPhase, earlier};
use crate::ids::PodId;
use crate::model::controllers::{JobSpec, PodFailureAction, PodFailureRequirement};
use crate::units::{SimDuration, SimTime};

/// How long upstream gathers what happens to a Job's pods before it syncs (`SyncJobBatchPeriod`).
pub const SYNC_BATCH_PERIOD: SimDuration = SimDuration(1_000_000_000);
/// How many pods one sync makes, or deletes for being too many, at most (`MaxPodCreateDeletePerSync`).
pub const MAX_PODS_PER_SYNC: usize = 500;
/// The back-off after one failure (`DefaultJobPodFailureBackOff`).
const BACKOFF_BASE: SimDuration = SimDuration(10_000_000_000);
/// The longest back-off (`MaxJobPodFailureBackOff`).
const BACKOFF_MAX: SimDuration = SimDuration(600_000_000_000);

/// A pod of a Job as its controller sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct JobPod {
    /// The pod; its ordinal is the completion index.
    pub pod: ObservedPod,
    /// Whether an earlier sync named it in [`Plan::counted`].
    pub is_counted: bool,
    /// When its last container ended; where it never ran, when it was told to end, else when it was made.
    pub finished: SimTime,
    /// How its containers ended: position as the failure rules count them, and exit code.
    pub exit_codes: Vec<(u32, i32)>,
    /// Whether it has the condition `DisruptionTarget`.
    pub is_disrupted: bool,
    /// How often its containers were started again, all together.
    pub restarts_total: u32,
    /// Failures of its index before it that count, and that do not: as in the [`NewPod`] that it came from.
    pub index_failures: (i32, i32),
}

/// A pod to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewPod {
    /// Completion index; 0 where the Job is not indexed.
    pub index: u32,
    /// Failures of its index so far that count, and that do not. Kept with the pod where limits are per index.
    pub index_failures: (i32, i32),
}

/// How a Job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobEnd {
    /// `CompletionsReached`: it is complete.
    CompletionsReached,
    /// `PodFailurePolicy`: a rule fails the Job.
    PodFailurePolicy,
    /// `BackoffLimitExceeded`.
    BackoffLimitExceeded,
    /// `DeadlineExceeded`.
    DeadlineExceeded,
    /// `MaxFailedIndexesExceeded`.
    MaxFailedIndexesExceeded,
    /// `FailedIndexes`: every index has ended, and not all of them well.
    FailedIndexes,
}

impl JobEnd {
    /// Its name in the API: the `reason` of the condition.
    pub fn name(self) -> &'static str {
        match self {
            JobEnd::CompletionsReached => "CompletionsReached",
            JobEnd::PodFailurePolicy => "PodFailurePolicy",
            JobEnd::BackoffLimitExceeded => "BackoffLimitExceeded",
            JobEnd::DeadlineExceeded => "DeadlineExceeded",
            JobEnd::MaxFailedIndexesExceeded => "MaxFailedIndexesExceeded",
            JobEnd::FailedIndexes => "FailedIndexes",
        }
    }

    /// Whether the Job is complete, and has not failed.
    pub fn is_success(self) -> bool {
        self == JobEnd::CompletionsReached
    }
}

/// `batch/v1.JobStatus`, and what the controller remembers of failures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobStatus {
    /// `startTime`: when it was first not suspended, or resumed.
    pub started: Option<SimTime>,
    /// `active`: pods neither finished nor told to end.
    pub active: i32,
    /// `ready`.
    pub ready: i32,
    /// `terminating`.
    pub terminating: i32,
    /// `succeeded`.
    pub succeeded: i32,
    /// `failed`.
    pub failed: i32,
    /// `completedIndexes`.
    pub succeeded_indexes: BTreeSet<u32>,
    /// `failedIndexes`.
    pub failed_indexes: BTreeSet<u32>,
    /// Whether the condition `Suspended` is true.
    pub is_suspended: bool,
    /// How it will end once its pods are gone (`SuccessCriteriaMet`, `FailureTarget`).
    pub target: Option<JobEnd>,
    /// How and when it ended (`Complete`, `Failed`).
    pub finished: Option<(JobEnd, SimTime)>,
    /// Failed pods since the last one that succeeded: the back-off grows with them.
    pub failures_since_success: i32,
    /// When the last of them failed.
    pub last_failure: Option<SimTime>,
}

/// What one sync brings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Pods to make.
    pub create: Vec<NewPod>,
    /// Pods to delete.
    pub delete: Vec<PodId>,
    /// Pods that have been counted, and need not be shown again once they have ended.
    pub counted: Vec<PodId>,
    /// The new `status`.
    pub status: JobStatus,
    /// Whether the Job is to be deleted: its time to live is over.
    pub deletes_job: bool,
    /// When to look again, if nothing happens before.
    pub wake: Option<SimTime>,
}

/// A Job as its controller sees it.
#[derive(Clone, Copy, Debug)]
pub struct ObservedJob<'a> {
    /// `spec`, without the template.
    pub spec: &'a JobSpec,
    /// Whether the template's `restartPolicy` is `OnFailure`.
    pub restarts_on_failure: bool,
    /// `status`, as the last sync left it.
    pub status: &'a JobStatus,
    /// Its pods; those that were counted and have ended may be left out.
    pub pods: &'a [JobPod],
}

/// One sync of a Job that is not being deleted.
pub fn sync(object: &ObservedJob<'_>, now: SimTime) -> Plan {
    if let Some((_, at)) = object.status.finished {
        return expire(object, at, now);
    }
    let mut round = Round::new(object, now);
    if round.target.is_none() {
        round.target = round.failure().or_else(|| round.index_failure());
    }
    if round.target.is_some() {
        round.delete = round.active.iter().map(|pod| pod.pod.id).collect();
    } else {
        round.manage();
        let active = round.active.len() + round.create.len() - round.delete.len();
        if round.is_complete(active) {
            round.target = Some(JobEnd::CompletionsReached);
        } else {
            round.note_suspension();
        }
    }
    round.finish()
}

/// What becomes of a Job that has ended: it stays for its time to live.
fn expire(object: &ObservedJob<'_>, finished: SimTime, now: SimTime) -> Plan {
    let due = object.spec.ttl_after_finished.map(|ttl| finished.after(ttl));
    let deletes_job = due.is_some_and(|due| due <= now);
    let wake = due.filter(|_| !deletes_job);
    Plan { status: object.status.clone(), deletes_job, wake, ..Plan::default() }
}

/// `getRemainingTime`: when a pod may be made again after so many failures; none: now.
fn backoff_end(failures: i32, last_failure: Option<SimTime>, now: SimTime) -> Option<SimTime> {
    let doublings = u32::try_from(failures.checked_sub(1)?).ok()?.min(16);
    let backoff = SimDuration((BACKOFF_BASE.0 << doublings).min(BACKOFF_MAX.0));
    let end = last_failure?.after(backoff);
    // Upstream never waits for less than its batch period.
    (end > now).then(|| end.max(now.after(SYNC_BATCH_PERIOD)))
}

/// The order in which active pods are given up (`controller.ActivePods`), the least goes first.
fn rank(pod: &JobPod) -> impl Ord + use<> {
    let pod = &pod.pod;
    (
        (pod.node.is_some(), pod.phase, pod.is_ready()),
        Reverse(pod.ready_since),
        (Reverse(pod.restarts), Reverse(pod.sidecar_restarts)),
        Reverse(pod.created),
        pod.id,
    )
}

/// One sync under way.
struct Round<'a> {
    object: &'a ObservedJob<'a>,
    now: SimTime,
    /// Pods neither finished nor told to end.
    active: Vec<&'a JobPod>,
    /// Pods to be counted that succeeded.
    succeeded: Vec<&'a JobPod>,
    /// Pods to be counted that failed.
    failed: Vec<&'a JobPod>,
    /// For each index that is to be tried again, the pod that failed last: it is counted when the next one is there.
    delayed: BTreeMap<u32, &'a JobPod>,
    status: JobStatus,
    target: Option<JobEnd>,
    create: Vec<NewPod>,
    delete: Vec<PodId>,
    /// Whether pods to be deleted do not count, as those do not that were too many.
    forgets_deleted: bool,
    wake: Option<SimTime>,
}

impl<'a> Round<'a> {
    fn new(object: &'a ObservedJob<'a>, now: SimTime) -> Self {
        let mut round = Round {
            object,
            now,
            active: object.pods.iter().filter(|pod| pod.pod.is_active()).collect(),
            succeeded: Vec::new(),
            failed: Vec::new(),
            delayed: BTreeMap::new(),
            status: object.status.clone(),
            target: object.status.target,
            create: Vec::new(),
            delete: Vec::new(),
            forgets_deleted: false,
            wake: None,
        };
        let uncounted = object.pods.iter().filter(|pod| !pod.is_counted && round.has_valid_index(pod));
        let (succeeded, others): (Vec<&JobPod>, Vec<&JobPod>) =
            uncounted.partition(|pod| pod.pod.phase == PodPhase::Succeeded);
        round.failed = others.into_iter().filter(|pod| round.is_failed(pod)).collect();
        round.succeeded = succeeded;
        if round.status.started.is_none() && !object.spec.is_suspended {
            round.status.started = Some(now);
        }
        round.note_failures();
        round.note_indexes();
        round
    }

    fn has_valid_index(&self, pod: &JobPod) -> bool {
        let completions = self.object.spec.completions.unwrap_or(0);
        !self.object.spec.is_indexed || i64::from(pod.pod.ordinal) < i64::from(completions)
    }

    /// `onlyReplaceFailedPods`.
    fn replaces_only_failed(&self) -> bool {
        self.object.spec.replaces_only_failed || !self.object.spec.failure_rules.is_empty()
    }

    /// `isPodFailed`: a pod that is told to end counts as failed, unless it is waited for.
    fn is_failed(&self, pod: &JobPod) -> bool {
        let is_lost = pod.pod.is_terminating && pod.pod.phase != PodPhase::Succeeded;
        pod.pod.phase == PodPhase::Failed || (is_lost && !self.replaces_only_failed())
    }

    /// `matchPodFailurePolicy`: what the first rule that matches says of a failed pod.
    fn action(&self, pod: &JobPod) -> Option<PodFailureAction> {
        let matches = |requirement: &PodFailureRequirement| match requirement {
            PodFailureRequirement::DisruptionTarget => pod.is_disrupted,
            PodFailureRequirement::ExitCodes { container, is_in, codes } => pod.exit_codes.iter().any(|&(at, code)| {
                container.is_none_or(|wanted| wanted == at) && code != 0 && codes.contains(&code) == *is_in
            }),
        };
        self.object.spec.failure_rules.iter().find(|rule| matches(&rule.requirement)).map(|rule| rule.action)
    }

    /// Whether the pod's failure counts towards limits.
    fn counts(&self, pod: &JobPod) -> bool {
        self.action(pod) != Some(PodFailureAction::Ignore)
    }

    /// `newBackoffRecord`: failures since the last success. Where limits are per index nobody asks for them, and pods whose
    /// index is to be tried again would be counted anew at each sync.
    fn note_failures(&mut self) {
        if self.object.spec.backoff_limit_per_index.is_some() {
            return;
        }
        let last_success = self.succeeded.iter().map(|pod| pod.finished).max();
        if last_success.is_some() {
            (self.status.failures_since_success, self.status.last_failure) = (0, None);
        }
        let later = self.failed.iter().map(|pod| pod.finished).filter(|&at| last_success.is_none_or(|last| at > last));
        for at in later {
            self.status.failures_since_success += 1;
            self.status.last_failure = self.status.last_failure.max(Some(at));
        }
    }

    /// `calculateSucceededIndexes`, `calculateFailedIndexes` and `getPodsWithDelayedDeletionPerIndex`.
    fn note_indexes(&mut self) {
        if !self.object.spec.is_indexed {
            return;
        }
        self.status.succeeded_indexes.extend(self.succeeded.iter().map(|pod| pod.pod.ordinal));
        let Some(limit) = self.object.spec.backoff_limit_per_index else { return };
        for pod in &self.failed {
            let action = self.action(pod);
            let is_over = action != Some(PodFailureAction::Ignore) && pod.index_failures.0 >= limit;
            if is_over || action == Some(PodFailureAction::FailIndex) {
                self.status.failed_indexes.insert(pod.pod.ordinal);
            }
        }
        for pod in &self.failed {
            let index = pod.pod.ordinal;
            let is_settled = self.status.succeeded_indexes.contains(&index)
                || self.status.failed_indexes.contains(&index)
                || self.active.iter().any(|active| active.pod.ordinal == index);
            let tries = |pod: &JobPod| pod.index_failures.0 + pod.index_failures.1;
            let is_later =
                self.delayed.get(&index).is_none_or(|last| tries(last) <= tries(pod) && last.finished <= pod.finished);
            if !is_settled && is_later {
                self.delayed.insert(index, pod);
            }
        }
    }

    /// Pods that have succeeded, with those to be counted.
    fn succeeded_total(&self) -> i32 {
        match self.object.spec.is_indexed {
            true => self.status.succeeded_indexes.len() as i32,
            false => self.status.succeeded + self.succeeded.len() as i32,
        }
    }

    /// How the Job fails by its pods or its deadline. Sees to it that the deadline is looked at.
    fn failure(&mut self) -> Option<JobEnd> {
        let spec = self.object.spec;
        let fails_job = |pod: &JobPod| self.is_failed(pod) && self.action(pod) == Some(PodFailureAction::FailJob);
        if self.object.pods.iter().any(fails_job) {
            return Some(JobEnd::PodFailurePolicy);
        }
        let failed = self.status.failed + self.failed.iter().filter(|pod| self.counts(pod)).count() as i32;
        if failed > spec.backoff_limit || self.has_too_many_restarts() {
            return Some(JobEnd::BackoffLimitExceeded);
        }
        let due = self.status.started?.after(spec.active_deadline?);
        if spec.is_suspended {
            return None;
        }
        if due <= self.now {
            return Some(JobEnd::DeadlineExceeded);
        }
        self.wake = Some(due);
        None
    }

    /// `pastBackoffLimitOnFailure`: restarts of containers count as failures of pods do, where containers restart.
    fn has_too_many_restarts(&self) -> bool {
        let runs = self.object.pods.iter().filter(|pod| !pod.pod.phase.is_finished());
        let restarts: i64 = runs.map(|pod| i64::from(pod.restarts_total)).sum();
        self.object.restarts_on_failure && restarts >= i64::from(self.object.spec.backoff_limit.max(1))
    }

    /// How the Job fails by its indexes.
    fn index_failure(&self) -> Option<JobEnd> {
        let (spec, failed) = (self.object.spec, self.status.failed_indexes.len() as i64);
        spec.backoff_limit_per_index?;
        if spec.max_failed_indexes.is_some_and(|most| failed > i64::from(most)) {
            return Some(JobEnd::MaxFailedIndexesExceeded);
        }
        let ended = failed + self.status.succeeded_indexes.len() as i64;
        (failed > 0 && ended >= i64::from(spec.completions.unwrap_or(0))).then_some(JobEnd::FailedIndexes)
    }

    /// Whether all completions are there, and no pod is active.
    fn is_complete(&self, active: usize) -> bool {
        let wanted = self.object.spec.completions.unwrap_or(1);
        active == 0 && self.succeeded_total() >= wanted
    }

    /// The condition `Suspended`; a Job that is resumed starts anew.
    fn note_suspension(&mut self) {
        let is_suspended = self.object.spec.is_suspended;
        if is_suspended != self.status.is_suspended {
            self.status.is_suspended = is_suspended;
            self.status.started = (!is_suspended).then_some(self.now);
            // The deadline counts from here.
            let deadline = self.object.spec.active_deadline.filter(|_| !is_suspended);
            self.wake = earlier(self.wake, deadline.map(|deadline| self.now.after(deadline)));
        }
    }

    /// How many pods are to be active (`manageJob`).
    fn wanted(&self) -> usize {
        let spec = self.object.spec;
        let wanted = match spec.completions {
            _ if spec.is_suspended => 0,
            None if self.succeeded_total() > 0 => self.active.len() as i32,
            None => spec.parallelism,
            Some(completions) => (completions - self.succeeded_total()).min(spec.parallelism),
        };
        usize::try_from(wanted).unwrap_or(0)
    }

    /// `manageJob`: deletes what is too much, else makes what is missing.
    fn manage(&mut self) {
        let wanted = self.wanted();
        self.delete = self.surplus(self.active.len().saturating_sub(wanted));
        self.forgets_deleted = true;
        if !self.delete.is_empty() || self.object.spec.is_suspended {
            if self.delete.len() > MAX_PODS_PER_SYNC && !self.object.spec.is_suspended {
                self.delete.truncate(MAX_PODS_PER_SYNC);
                self.wake = Some(self.now);
            }
            return;
        }
        let waited_for = if self.replaces_only_failed() { self.terminating() } else { 0 };
        let missing = wanted.saturating_sub(waited_for + self.active.len());
        if missing == 0 {
            return;
        }
        let is_limited_per_index = self.object.spec.backoff_limit_per_index.is_some();
        let end = backoff_end(self.status.failures_since_success, self.status.last_failure, self.now);
        if let Some(end) = end.filter(|_| !is_limited_per_index) {
            self.wake = earlier(self.wake, Some(end));
            return;
        }
        let count = missing.min(MAX_PODS_PER_SYNC);
        if missing > count {
            self.wake = Some(self.now);
        }
        self.make(count);
    }

    fn make(&mut self, count: usize) {
        if !self.object.spec.is_indexed {
            self.create = vec![NewPod { index: 0, index_failures: (0, 0) }; count];
            return;
        }
        let mut first_end = None;
        for index in self.pending_indexes(count) {
            let last = self.delayed.get(&index).copied();
            let end = last.and_then(|last| {
                backoff_end(last.index_failures.0 + last.index_failures.1 + 1, Some(last.finished), self.now)
            });
            match end {
                Some(_) => first_end = earlier(first_end, end),
                None => self.create.push(NewPod { index, index_failures: self.failures_after(last) }),
            }
        }
        // Upstream looks again when none can be made; else the pods that are made see to it.
        if self.create.is_empty() {
            self.wake = earlier(self.wake, first_end);
        }
    }

    /// `getNewIndexFailureCounts`: what the next pod of an index is to know of those before it.
    fn failures_after(&self, last: Option<&JobPod>) -> (i32, i32) {
        match last {
            None => (0, 0),
            Some(last) if self.counts(last) => (last.index_failures.0 + 1, last.index_failures.1),
            Some(last) => (last.index_failures.0, last.index_failures.1 + 1),
        }
    }

    /// `firstPendingIndexes`: the first `count` indexes for which there is nothing.
    fn pending_indexes(&self, count: usize) -> Vec<u32> {
        let mut taken: BTreeSet<u32> = self.active.iter().map(|pod| pod.pod.ordinal).collect();
        if self.replaces_only_failed() {
            let terminating = self.object.pods.iter().filter(|pod| is_terminating(pod));
            taken.extend(terminating.map(|pod| pod.pod.ordinal));
        }
        taken.extend(self.status.succeeded_indexes.iter().chain(&self.status.failed_indexes));
        let completions = u32::try_from(self.object.spec.completions.unwrap_or(0)).unwrap_or(0);
        (0..completions).filter(|index| !taken.contains(index)).take(count).collect()
    }

    fn terminating(&self) -> usize {
        self.object.pods.iter().filter(|pod| is_terminating(pod)).count()
    }

    /// `activePodsForRemoval`: pods with an index that another has or that is none, and then others up to `at_least`.
    fn surplus(&self, at_least: usize) -> Vec<PodId> {
        let mut pods = self.active.clone();
        let mut surplus = Vec::new();
        if self.object.spec.is_indexed {
            // Of each index the one stays that would go last.
            pods.sort_by_cached_key(|pod| (pod.pod.ordinal, rank(pod)));
            let is_last = |at: usize| pods.get(at + 1).is_none_or(|next| next.pod.ordinal != pods[at].pod.ordinal);
            let (kept, gone): (Vec<usize>, Vec<usize>) =
                (0..pods.len()).partition(|&at| is_last(at) && self.has_valid_index(pods[at]));
            surplus = gone.into_iter().map(|at| pods[at].pod.id).collect();
            pods = kept.into_iter().map(|at| pods[at]).collect();
        }
        if surplus.len() < at_least {
            pods.sort_by_cached_key(|pod| rank(pod));
            surplus.extend(pods.iter().take(at_least - surplus.len()).map(|pod| pod.pod.id));
        }
        surplus
    }

    /// `trackJobStatusAndRemoveFinalizers` and `enactJobFinished`: counts, and says how it ended once no pod is left.
    fn finish(mut self) -> Plan {
        let is_ending = self.target.is_some();
        let fails = self.target.is_some_and(|end| !end.is_success());
        let mut counted = Vec::new();
        for pod in self.object.pods.iter().filter(|pod| !pod.is_counted) {
            let id = pod.pod.id;
            let is_failed = self.is_failed(pod);
            let is_delayed = self.delayed.get(&pod.pod.ordinal).is_some_and(|last| last.pod.id == id);
            let is_forgotten = self.forgets_deleted && self.delete.contains(&id);
            let is_due = is_ending || pod.pod.phase == PodPhase::Succeeded || (is_failed && !is_delayed);
            if !is_due && !is_forgotten {
                continue;
            }
            counted.push(id);
            if is_forgotten || !self.has_valid_index(pod) {
                continue;
            }
            if pod.pod.phase == PodPhase::Succeeded {
                self.status.succeeded += 1;
            } else if is_failed || fails {
                self.status.failed += i32::from(self.counts(pod));
            }
        }
        if self.object.spec.is_indexed {
            self.status.succeeded = self.status.succeeded_indexes.len() as i32;
        }
        let gone = |pod: &&&JobPod| self.delete.contains(&pod.pod.id);
        let gone_ready = self.active.iter().filter(gone).filter(|pod| pod.pod.is_ready()).count();
        let ready = self.active.iter().filter(|pod| pod.pod.is_ready()).count() - gone_ready;
        self.status.active = (self.active.len() + self.create.len() - self.delete.len()) as i32;
        self.status.ready = ready as i32;
        self.status.terminating = (self.terminating() + self.delete.len()) as i32;
        self.status.target = self.target;
        if self.status.terminating == 0 {
            self.status.finished = self.target.map(|end| (end, self.now));
        }
        let ttl_end = self.status.finished.and(self.object.spec.ttl_after_finished).map(|ttl| self.now.after(ttl));
        let wake = if is_ending { ttl_end } else { self.wake };
        Plan { create: self.create, delete: self.delete, counted, status: self.status, deletes_job: false, wake }
    }
}

/// `IsPodTerminating`: told to end, and has not ended.
fn is_terminating(pod: &JobPod) -> bool {
    pod.pod.is_terminating && !pod.pod.phase.is_finished()
}

#[cfg(test)]
mod tests;

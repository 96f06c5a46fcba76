//! Whether a release gets on, is over, or is stuck, and what is said of it.

use super::{CanaryStep, Release, RolloutPhase, RolloutStatus, present_step};
use crate::model::rollouts::{RolloutSpec, RolloutStrategy};
use crate::units::{SimDuration, SimTime};

/// A deadline is looked at this much after it has passed.
const DEADLINE_SLACK: SimDuration = SimDuration(1_000_000_000);
/// The first delay of upstream's rate limited queue.
const RATE_LIMIT_BASE: SimDuration = SimDuration(5_000_000);

/// The condition `Progressing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `reason`, from which `status` follows.
    pub reason: Reason,
    /// `message`, where it is said to the user.
    pub message: String,
    /// `lastUpdateTime`: from here the deadline counts.
    pub updated: SimTime,
}

/// `reason` of the condition `Progressing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// `NewReplicaSetCreated`.
    NewReplicaSetCreated,
    /// `FoundNewReplicaSet`.
    FoundNewReplicaSet,
    /// `ReplicaSetUpdated`.
    ReplicaSetUpdated,
    /// `ReplicaSetNotAvailable`: a release that was over lacks pods.
    ReplicaSetNotAvailable,
    /// `NewReplicaSetAvailable`: the release is over.
    NewReplicaSetAvailable,
    /// `ProgressDeadlineExceeded`.
    ProgressDeadlineExceeded,
    /// `RolloutPaused`.
    RolloutPaused,
    /// `RolloutResumed`.
    RolloutResumed,
    /// `RolloutAborted`.
    RolloutAborted,
    /// `RolloutRetry`: an aborted release is tried again.
    RolloutRetry,
}

impl Reason {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Reason::NewReplicaSetCreated => "NewReplicaSetCreated",
            Reason::FoundNewReplicaSet => "FoundNewReplicaSet",
            Reason::ReplicaSetUpdated => "ReplicaSetUpdated",
            Reason::ReplicaSetNotAvailable => "ReplicaSetNotAvailable",
            Reason::NewReplicaSetAvailable => "NewReplicaSetAvailable",
            Reason::ProgressDeadlineExceeded => "ProgressDeadlineExceeded",
            Reason::RolloutPaused => "RolloutPaused",
            Reason::RolloutResumed => "RolloutResumed",
            Reason::RolloutAborted => "RolloutAborted",
            Reason::RolloutRetry => "RolloutRetry",
        }
    }
}

/// `SetRolloutCondition`: nothing changes where the reason stays, from which the status follows.
pub(super) fn set(condition: &mut Option<Condition>, reason: Reason, message: String, now: SimTime) {
    if condition.as_ref().is_none_or(|present| present.reason != reason) {
        *condition = Some(Condition { reason, message, updated: now });
    }
}

/// `CalculateRolloutPhase`.
pub(super) fn phase(spec: &RolloutSpec, status: &RolloutStatus) -> (RolloutPhase, String) {
    let progressing = |message: &str| (RolloutPhase::Progressing, message.to_owned());
    if let Some(condition) = &status.progressing
        && matches!(condition.reason, Reason::RolloutAborted | Reason::ProgressDeadlineExceeded)
    {
        return (RolloutPhase::Degraded, format!("{}: {}", condition.reason.name(), condition.message));
    }
    if spec.is_paused {
        return (RolloutPhase::Paused, "manually paused".to_owned());
    }
    if let Some(pause) = status.pauses.first() {
        return (RolloutPhase::Paused, pause.reason.name().to_owned());
    }
    if status.updated < spec.replicas {
        return progressing("more replicas need to be updated");
    }
    if status.available < status.updated {
        return progressing("updated replicas are still becoming available");
    }
    let is_promoted = status.stable.is_some() && status.stable == status.current;
    match &spec.strategy {
        RolloutStrategy::BlueGreen(_) if status.active.is_none() || status.active != status.current => {
            progressing("active service cutover pending")
        }
        RolloutStrategy::BlueGreen(_) if !is_promoted => progressing("waiting for analysis to complete"),
        RolloutStrategy::Canary(canary) if canary.routing.is_none() && status.replicas > status.updated => {
            progressing("old replicas are pending termination")
        }
        RolloutStrategy::Canary(_) if !is_promoted => progressing("waiting for all steps to complete"),
        _ => (RolloutPhase::Healthy, String::new()),
    }
}

impl Release<'_> {
    fn is_paused(&self) -> bool {
        self.spec.is_paused || !self.before.pauses.is_empty()
    }

    /// `checkPausedConditions`: a pause stops the clock of the deadline, and its end starts it anew.
    pub(super) fn note_pause(&mut self) {
        let is_paused = self.is_paused();
        let reason = self.before.progressing.as_ref().map(|present| present.reason);
        let is_noted = reason == Some(Reason::RolloutPaused);
        let was_aborted = reason == Some(Reason::RolloutAborted);
        let is_completed = self.before.stable.is_some() && self.is_fully_promoted();
        if is_paused != is_noted && !was_aborted && !is_completed {
            let reason = if is_paused { Reason::RolloutPaused } else { Reason::RolloutResumed };
            set(&mut self.before.progressing, reason, String::new(), self.now);
        }
        if was_aborted && !self.before.is_aborted {
            set(&mut self.before.progressing, Reason::RolloutRetry, String::new(), self.now);
        }
        if !was_aborted {
            self.before.has_paused = is_paused;
        }
    }

    /// `RolloutHealthy`.
    fn is_healthy(&self) -> bool {
        let (next, all) = (&self.next, self.spec.replicas);
        let is_done = match &self.spec.strategy {
            RolloutStrategy::BlueGreen(blue_green) => {
                next.active == next.current && (!blue_green.has_preview || next.preview == next.current)
            }
            RolloutStrategy::Canary(canary) => {
                let has_all_steps = next.step.is_none_or(|step| step == canary.steps.len());
                has_all_steps && next.stable.is_some() && next.stable == next.current && next.replicas == all
            }
        };
        let is_observed = self.before.observed_generation == self.object.generation;
        next.updated == all && next.available == all && is_observed && is_done
    }

    /// `RolloutProgressing`.
    fn has_progressed(&self) -> bool {
        let (before, next) = (&self.before, &self.next);
        let of_strategy = match &self.spec.strategy {
            RolloutStrategy::BlueGreen(_) => before.active != next.active || before.preview != next.preview,
            RolloutStrategy::Canary(_) => {
                let has_stepped = before.step.is_some() && next.step.is_some() && before.step != next.step;
                before.stable != next.stable || has_stepped || before.has_steps != next.has_steps
            }
        };
        next.updated != before.updated
            || next.replicas - next.updated < before.replicas - before.updated
            || next.ready > before.ready
            || next.available > before.available
            || of_strategy
    }

    /// `RolloutTimedOut`.
    fn has_timed_out(&self) -> bool {
        let Some(present) = &self.next.progressing else { return false };
        match present.reason {
            Reason::RolloutAborted | Reason::RolloutPaused => false,
            Reason::ProgressDeadlineExceeded => true,
            _ => present.updated.after(self.spec.progress_deadline) < self.now,
        }
    }

    /// `isIndefiniteStep`: what takes its time is no lack of progress.
    fn takes_its_time(&self) -> bool {
        let step = self.canary_strategy().and_then(|canary| present_step(canary, self.before.step)?.1);
        self.before.has_paused || matches!(step, Some(CanaryStep::Analysis(_) | CanaryStep::Pause(_)))
    }

    /// `isWaitingForReplicaSetScaleDown`.
    fn waits_for_old(&self) -> bool {
        self.others().iter().any(|&at| self.sets[at].scale_down_at.is_some())
    }

    /// `calculateRolloutConditions`.
    pub(super) fn calculate_conditions(&mut self) {
        let now = self.now;
        let is_healthy = self.is_healthy();
        let mut is_worse = false;
        if is_healthy && !self.is_paused() {
            self.next.has_been_healthy = Some(true);
        } else if self.before.has_been_healthy.is_some() {
            is_worse = self.before.has_been_healthy == Some(true);
            self.next.has_been_healthy = Some(false);
        }
        if self.is_aborted() {
            let mut message = format!("Rollout aborted update to revision {}", self.before.revision);
            if !self.pausing.abort_message.is_empty() {
                message = format!("{message}: {}", self.pausing.abort_message);
            }
            set(&mut self.next.progressing, Reason::RolloutAborted, message, now);
        } else if is_healthy {
            set(&mut self.next.progressing, Reason::NewReplicaSetAvailable, String::new(), now);
        } else if self.has_progressed() || is_worse {
            let is_over = self.next.stable == self.next.current && is_worse;
            let reason = if is_over { Reason::ReplicaSetNotAvailable } else { Reason::ReplicaSetUpdated };
            // Another update with the same reason counts as well: the deadline begins anew.
            self.next.progressing = Some(Condition { reason, message: String::new(), updated: now });
        } else if !self.takes_its_time() && !self.waits_for_old() && self.has_timed_out() {
            let message = format!("ReplicaSet of revision {} has timed out progressing", self.before.revision);
            if self.spec.aborts_at_deadline {
                self.pausing.abort_message.clone_from(&message);
                self.pausing.aborts = true;
            }
            set(&mut self.next.progressing, Reason::ProgressDeadlineExceeded, message, now);
        }
    }

    /// `requeueStuckRollout`: when the deadline for progress will have passed.
    pub(super) fn deadline_check(&self) -> Option<SimTime> {
        let present = self.before.progressing.as_ref()?;
        let is_over = matches!(present.reason, Reason::ProgressDeadlineExceeded) || self.is_healthy();
        if is_over || self.is_paused() || self.before.is_aborted || self.takes_its_time() || self.waits_for_old() {
            return None;
        }
        let due = present.updated.after(self.spec.progress_deadline);
        let slack = if due >= self.now.after(DEADLINE_SLACK) { DEADLINE_SLACK } else { RATE_LIMIT_BASE };
        Some(if due < self.now { self.now.after(slack) } else { due.after(slack) })
    }
}

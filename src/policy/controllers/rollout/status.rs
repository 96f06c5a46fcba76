//! `RolloutStatus`, and what somebody at the command line changes in it.

use super::conditions::Condition;
use crate::ids::RevisionId;
use crate::model::rollouts::{RolloutSpec, RolloutStrategy};
use crate::units::SimTime;

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
    pub(super) fn pause(&self, reason: PauseReason) -> Option<&Pause> {
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

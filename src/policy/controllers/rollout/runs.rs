//! Which analyses there are and what their ends mean for the release: `rollout/analysis.go`.

use super::{PauseReason, Release, Write};
use crate::model::rollouts::{Analysis, CanaryStep, RolloutSpec, RolloutStrategy};
use crate::policy::controllers::analysis::AnalysisPhase;

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

impl Release<'_> {
    pub(super) fn forget_run(&mut self, kind: RunKind) {
        if self.runs.remove(&kind).is_some() {
            self.writes.push(Write::ForgetRun(kind));
        }
    }

    pub(super) fn terminate_run(&mut self, kind: RunKind) {
        if let Some(run) = self.runs.get(&kind)
            && !run.phase.is_over()
        {
            self.writes.push(Write::TerminateRun(kind));
        }
    }

    pub(super) fn start_run(&mut self, kind: RunKind, step: usize) {
        self.writes.push(Write::StartRun { kind, step });
        self.runs.insert(kind, ObservedRun { step, phase: AnalysisPhase::Running, message: String::new() });
    }

    /// `needsNewAnalysisRun`.
    pub(super) fn needs_run(&self, kind: RunKind) -> bool {
        let Some(run) = self.runs.get(&kind) else { return true };
        let status = &self.before;
        let is_resumed = status.is_paused_by_controller
            && status.pause(PauseReason::CanaryPauseStep).is_none()
            && status.pause(PauseReason::BlueGreenPause).is_none();
        if is_resumed { run.phase == AnalysisPhase::Inconclusive } else { status.aborted.is_some() }
    }

    /// What the end of a run means for the release.
    pub(super) fn heed_run(&mut self, kind: RunKind) {
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
    pub(super) fn reconcile_runs(&mut self) {
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
}

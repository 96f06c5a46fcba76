//! Blue-green releases: the new pods are made beside the old ones, and get all of the traffic at once.

use super::{BlueGreenStrategy, PauseReason, Release, RunKind, SCALE_DOWN_DELAY};
use crate::ids::RevisionId;
use crate::policy::controllers::analysis::AnalysisPhase;
use crate::units::SimDuration;

impl Release<'_> {
    /// `rolloutBlueGreen`.
    pub(super) fn blue_green(&mut self, blue_green: &BlueGreenStrategy) {
        if blue_green.has_preview && !self.is_halted() {
            self.next.preview = Some(self.object.template);
        }
        if !self.has_new_template() {
            self.reconcile_blue_green_sets(blue_green);
            self.reconcile_blue_green_pause(blue_green);
            self.switch_active(blue_green);
            self.reconcile_runs();
        }
        self.sync_blue_green_status(blue_green);
    }

    /// `reconcileBlueGreenReplicaSets`.
    pub(super) fn reconcile_blue_green_sets(&mut self, blue_green: &BlueGreenStrategy) {
        self.remove_deadlines();
        if let Some(stable) = self.stable {
            self.scale_set(stable, self.spec.replicas);
        }
        let wanted = self.preview_size(blue_green);
        self.reconcile_new(wanted);
        self.shrink_old(blue_green);
        self.clean_up();
    }

    /// `NewRSNewReplicas`: how many new pods there are to be.
    fn preview_size(&self, blue_green: &BlueGreenStrategy) -> i32 {
        let (all, status) = (self.spec.replicas, &self.before);
        let Some(preview) = blue_green.preview_replicas else { return all };
        let active = self.sets.iter().find(|other| Some(other.set.template) == status.active);
        let is_active = active.is_none_or(|active| active.set.template == self.object.template);
        if is_active || status.promotes_fully {
            return all;
        }
        let goes_on = !self.spec.is_paused && status.pauses.is_empty() && status.is_past_preview;
        if !self.has_new_template() && goes_on { all } else { preview }
    }

    /// `ReadyForPause`: the new pods are all there.
    fn is_ready(&self, blue_green: &BlueGreenStrategy) -> bool {
        let (set, wanted) = (&self.new_set().set, self.preview_size(blue_green));
        set.replicas == wanted && set.status.available == wanted
    }

    /// `IsSaturated`.
    fn is_saturated(&self) -> bool {
        let (set, all) = (&self.new_set().set, self.spec.replicas);
        set.replicas == all && set.desired_replicas == Some(all) && set.status.available == all
    }

    /// `isBlueGreenFastTracked`.
    fn is_fast_tracked(&self) -> bool {
        self.new_set().scale_down_at.is_some()
            || self.before.promotes_fully
            || self.next.active.is_none_or(|active| active == self.object.template)
    }

    /// `completedPrePromotionAnalysis`.
    fn has_passed_analysis(&self, blue_green: &BlueGreenStrategy) -> bool {
        let run = self.runs.get(&RunKind::PrePromotion);
        blue_green.before_promotion.is_none() || run.is_some_and(|run| run.phase == AnalysisPhase::Successful)
    }

    /// `CompletedBlueGreenPause`.
    fn has_completed_pause(&self, blue_green: &BlueGreenStrategy) -> bool {
        let pause = self.before.pause(PauseReason::BlueGreenPause);
        if !self.pausing.adds.is_empty() {
            false
        } else if self.before.is_past_preview {
            true
        } else if !blue_green.promotes {
            self.before.is_paused_by_controller && pause.is_none()
        } else if blue_green.promotes_after == SimDuration::ZERO {
            true
        } else {
            pause.is_some_and(|pause| pause.started.after(blue_green.promotes_after) <= self.now)
        }
    }

    /// `reconcileBlueGreenPause`.
    fn reconcile_blue_green_pause(&mut self, blue_green: &BlueGreenStrategy) {
        if self.before.is_aborted || !self.is_ready(blue_green) || self.is_halted() {
            return;
        }
        let needs_pause = !blue_green.promotes || blue_green.promotes_after > SimDuration::ZERO;
        if self.is_fast_tracked() || self.before.is_past_preview || !needs_pause {
            self.pausing.removes.push(PauseReason::BlueGreenPause);
            return;
        }
        if !self.has_passed_analysis(blue_green) {
            return;
        }
        match self.before.pause(PauseReason::BlueGreenPause).copied() {
            Some(_) if self.has_completed_pause(blue_green) => self.pausing.removes.push(PauseReason::BlueGreenPause),
            Some(pause) if blue_green.promotes_after > SimDuration::ZERO => {
                let due = pause.started.after(blue_green.promotes_after);
                if due > self.now {
                    self.look_again(due);
                }
            }
            Some(_) => {}
            None if !self.before.is_paused_by_controller => self.pausing.adds.push(PauseReason::BlueGreenPause),
            None => {}
        }
    }

    /// `reconcileActiveService`.
    fn switch_active(&mut self, blue_green: &BlueGreenStrategy) {
        if self.is_halted() || !self.is_ready(blue_green) || !self.is_saturated() {
            return;
        }
        let is_passed = self.has_completed_pause(blue_green) && self.has_passed_analysis(blue_green);
        if self.before.is_aborted {
            self.next.active = self.before.stable;
        } else if self.is_fast_tracked() || is_passed {
            self.next.active = Some(self.object.template);
        }
    }

    /// `scaleDownOldReplicaSetsForBlueGreen`.
    fn shrink_old(&mut self, blue_green: &BlueGreenStrategy) {
        let is_inconclusive = self.before.pause(PauseReason::InconclusiveAnalysisRun).is_some();
        let run = self.runs.get(&RunKind::PostPromotion);
        let is_analysed = blue_green.after_promotion.is_none()
            || blue_green.scale_down_delay.is_some()
            || self.skips_run(RunKind::PostPromotion, blue_green)
            || run.is_some_and(|run| run.phase == AnalysisPhase::Successful);
        if is_inconclusive || !is_analysed {
            return;
        }
        let delay = blue_green.scale_down_delay.unwrap_or(SCALE_DOWN_DELAY);
        let mut kept = 0;
        for at in self.active_others() {
            if !self.is_referenced(at) && !self.is_selected(at) {
                let full = self.spec.replicas;
                let wanted = self.delayed_size(at, &mut kept, full, delay, blue_green.scale_down_revision_limit);
                if self.sets[at].set.replicas != wanted {
                    self.scale_set(at, wanted);
                }
            }
        }
    }

    /// Whether a Service selects it by now.
    fn is_selected(&self, at: usize) -> bool {
        let template = Some(self.sets[at].set.template);
        self.next.active == template || self.next.preview == template
    }

    /// `skipPrePromotionAnalysisRun` and `skipPostPromotionAnalysisRun`.
    fn skips_run(&self, kind: RunKind, blue_green: &BlueGreenStrategy) -> bool {
        let present: Option<RevisionId> = Some(self.object.template);
        let status = &self.before;
        let is_early_or_late = match kind {
            RunKind::PrePromotion => status.active.is_none() || status.active == present,
            _ => status.active != present,
        };
        if status.stable == present || is_early_or_late {
            return true;
        }
        if self.runs.contains_key(&kind) {
            return false;
        }
        match blue_green.preview_replicas.filter(|_| kind == RunKind::PrePromotion) {
            Some(preview) => {
                let set = &self.new_set().set;
                set.replicas != preview || set.status.available != preview
            }
            None => !self.is_saturated(),
        }
    }

    /// `reconcilePrePromotionAnalysisRun` and `reconcilePostPromotionAnalysisRun`.
    pub(super) fn reconcile_promotion_run(&mut self, kind: RunKind, blue_green: &BlueGreenStrategy) {
        let analysis = match kind {
            RunKind::PrePromotion => &blue_green.before_promotion,
            _ => &blue_green.after_promotion,
        };
        if analysis.is_none() {
            return;
        }
        if self.skips_run(kind, blue_green) {
            self.terminate_run(kind);
        } else if self.before.pause(PauseReason::InconclusiveAnalysisRun).is_none() && self.needs_run(kind) {
            self.start_run(kind, 0);
        }
    }

    /// `shouldFullPromote`.
    fn is_switched_for_good(&self, blue_green: &BlueGreenStrategy) -> bool {
        if self.stable.is_none() || self.next.active.is_none() {
            return true;
        }
        if self.next.active != self.next.current {
            return false;
        }
        if self.before.promotes_fully || self.is_within_window() {
            return true;
        }
        let run = self.runs.get(&RunKind::PostPromotion);
        let is_analysed = blue_green.after_promotion.is_none()
            || self.new_set().scale_down_at.is_some()
            || run.is_some_and(|run| run.phase == AnalysisPhase::Successful);
        !self.is_aborted() && is_analysed
    }

    /// `syncRolloutStatusBlueGreen`.
    fn sync_blue_green_status(&mut self, blue_green: &BlueGreenStrategy) {
        let is_new = self.has_new_template();
        self.count();
        self.next.has_steps = true;
        if is_new {
            self.reset();
        }
        if self.before.promotes_fully || self.is_within_window() {
            self.pausing.clears = true;
            self.pausing.removes_abort = true;
        }
        if self.is_switched_for_good(blue_green) {
            self.promote_stable();
        } else {
            self.next.is_past_preview = self.is_past_preview(blue_green);
        }
        let active = self.sets.iter().find(|other| Some(other.set.template) == self.next.active);
        match active.map(|active| active.set.status) {
            Some(status) => (self.next.available, self.next.ready) = (status.available, status.ready),
            None => self.next.available = self.total_available(),
        }
        self.calculate_conditions();
        self.persist();
    }

    /// `calculateScaleUpPreviewCheckPoint`.
    fn is_past_preview(&self, blue_green: &BlueGreenStrategy) -> bool {
        let Some(preview) = blue_green.preview_replicas else { return false };
        let is_passed = self.has_passed_analysis(blue_green) && self.has_completed_pause(blue_green);
        self.before.is_past_preview || (is_passed && self.new_set().set.status.available == preview)
    }
}

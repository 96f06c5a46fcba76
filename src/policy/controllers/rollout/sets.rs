//! How large ReplicaSets are and when they go: `rollout/replicaset.go` and `rollout/sync.go`.

use std::cmp::Reverse;

use super::{Release, ReleaseSet, SCALE_DOWN_DELAY, Write};
use crate::model::rollouts::{AbortScaleDown, RolloutStrategy};
use crate::units::{SimDuration, SimTime};

impl Release<'_> {
    /// `scaleReplicaSetAndRecordEvent`. Returns whether the size changed.
    pub(super) fn scale_set(&mut self, at: usize, replicas: i32) -> bool {
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

    pub(super) fn set_deadline(&mut self, at: usize, deadline: Option<SimTime>) {
        let entry = &mut self.sets[at];
        if entry.scale_down_at != deadline {
            entry.scale_down_at = deadline;
            self.writes.push(Write::SetDeadline { id: entry.set.id, at: deadline });
        }
    }

    /// `removeScaleDownDeadlines`: of ReplicaSets that have become new or stable again.
    pub(super) fn remove_deadlines(&mut self) {
        if !self.delays_abort() {
            self.set_deadline(self.new, None);
        }
        if let Some(stable) = self.stable {
            self.set_deadline(stable, None);
        }
    }

    /// The delay of `abortScaleDownDelaySeconds`, none: the pods stay; and whether it was given.
    pub(super) fn abort_delay(&self) -> (Option<SimDuration>, bool) {
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
    pub(super) fn delays_abort(&self) -> bool {
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
    pub(super) fn reconcile_new(&mut self, wanted: i32) -> bool {
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
    pub(super) fn delayed_size(
        &mut self,
        at: usize,
        kept: &mut i32,
        full: i32,
        delay: SimDuration,
        limit: Option<i32>,
    ) -> i32 {
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
    pub(super) fn active_others(&self) -> Vec<usize> {
        let mut others = self.others();
        others.retain(|&at| self.sets[at].set.replicas > 0);
        others.sort_by_key(|&at| Reverse((self.sets[at].set.revision, at)));
        others
    }

    /// `isReplicaSetReferenced`: whether traffic may go to it.
    pub(super) fn is_referenced(&self, at: usize) -> bool {
        let template = Some(self.sets[at].set.template);
        let status = &self.before;
        let of_weights = status.weights.map(|weights| [Some(weights.canary_template), weights.stable_template]);
        let selectors = [status.stable, status.current, status.active, status.preview];
        selectors.contains(&template) || of_weights.is_some_and(|templates| templates.contains(&template))
    }

    /// `reconcileRevisionHistoryLimit`: of the old ReplicaSets beyond the limit, those without pods go.
    pub(super) fn clean_up(&mut self) {
        let others = self.others();
        let limit = usize::try_from(self.spec.revision_history_limit).unwrap_or(0);
        for &at in &others[..others.len().saturating_sub(limit)] {
            let set = &self.sets[at].set;
            if set.status.replicas == 0 && set.replicas == 0 {
                self.writes.push(Write::DeleteReplicaSet(set.id));
            }
        }
    }
}

//! Canary releases: weights, the sizes that follow from them, and steps.

use super::{CanaryStep, CanaryStrategy, PauseReason, Release, RunKind, Weights, present_step};
use crate::ids::RevisionId;
use crate::model::objects::CountOrPercent;
use crate::model::rollouts::{CanaryScale, TrafficRouting};
use crate::policy::controllers::analysis::AnalysisPhase;
use crate::policy::controllers::deployment::resolve_fenceposts;

/// The weight of all traffic where there is no router.
const FULL_WEIGHT: i32 = 100;

/// Size and available pods of a ReplicaSet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scale {
    pub(super) replicas: i32,
    pub(super) available: i32,
}

impl Scale {
    /// `GetReplicasForScaleDown`: the pods that count when others are to go.
    fn counted(self, ignores_availability: bool) -> i32 {
        if ignores_availability || self.replicas < self.available { self.replicas } else { self.available }
    }
}

/// What the sizes of a canary without a router follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BasicCanary {
    /// `spec.replicas`.
    pub(super) replicas: i32,
    /// The weight that is wanted, in percent.
    pub(super) weight: i32,
    pub(super) max_surge: i32,
    pub(super) max_unavailable: i32,
    pub(super) canary: Scale,
    pub(super) stable: Option<Scale>,
    /// Whether canary and stable are one.
    pub(super) is_same: bool,
    /// Sum of the sizes of all other ReplicaSets.
    pub(super) others: i32,
}

impl BasicCanary {
    /// `CalculateReplicaCountsForBasicCanary`: the sizes of canary and stable to go for now.
    pub(super) fn counts(&self) -> (i32, i32) {
        let apart = self.stable.filter(|_| !self.is_same);
        let (wanted_canary, wanted_stable) = match apart {
            Some(_) => approximate(self.replicas, self.weight, FULL_WEIGHT, self.max_surge),
            None => (self.replicas, 0),
        };
        let most = self.replicas + self.max_surge;
        let stable_replicas = apart.map_or(0, |stable| stable.replicas);
        let mut spare = most - (self.others + self.canary.replicas + stable_replicas);
        let (mut canary, mut stable) = (self.canary.replicas, stable_replicas);
        // The stable one grows first.
        if apart.is_some() && stable < wanted_stable && spare > 0 {
            let grown = wanted_stable.min(stable + spare);
            spare -= grown - stable;
            stable = grown;
        }
        if canary < wanted_canary && spare > 0 {
            canary = wanted_canary.min(canary + spare);
        }
        let least = self.replicas - self.max_unavailable;
        let is_growing = wanted_canary >= self.canary.replicas;
        let counted = self.canary.counted(!is_growing) + self.stable.map_or(0, |stable| stable.counted(is_growing));
        if self.others > 0 || counted <= least {
            return (canary, stable);
        }
        let limits = Limits { most, least };
        if !is_growing {
            let drained = scaled_down(self.canary.replicas, wanted_canary, counted - least, canary);
            limits.adjusted(self.canary, drained, self.stable, stable)
        } else if apart.is_some() {
            let drained = scaled_down(stable_replicas, wanted_stable, counted - least, stable);
            let (stable, canary) = limits.adjusted(apart.unwrap_or_default(), drained, Some(self.canary), canary);
            (canary, stable)
        } else {
            (canary, stable)
        }
    }
}

/// `calculateScaleDownReplicaCount`.
fn scaled_down(present: i32, wanted: i32, most: i32, otherwise: i32) -> i32 {
    if present > wanted { wanted.max(present - most) } else { otherwise }
}

/// How many pods there may be, and how many must be available.
struct Limits {
    most: i32,
    least: i32,
}

impl Limits {
    /// `adjustReplicaWithinLimits`: sizes for the ReplicaSet that shrinks and for the other one.
    fn adjusted(&self, drain: Scale, drained: i32, other: Option<Scale>, adjusted: i32) -> (i32, i32) {
        let Some(other) = other else { return (drained, adjusted) };
        let excess = (adjusted + drained - self.most).max(0);
        let reduced = adjusted - excess;
        let available = drain.available.min(drained) + other.available.min(reduced);
        let lost = (other.available - reduced).max(0);
        let lacking = (self.least - available).max(0);
        let adjusted = reduced + lost.min(lacking);
        (drained - (adjusted + drained - self.most).max(0), adjusted)
    }
}

/// `approximateWeightedCanaryStableReplicaCounts`: the numbers of pods that come closest to a weight.
pub(super) fn approximate(replicas: i32, weight: i32, max_weight: i32, max_surge: i32) -> (i32, i32) {
    if replicas == 0 {
        return (0, 0);
    }
    let exact = f64::from(replicas.wrapping_mul(weight)) / f64::from(max_weight);
    let (ceiling, floor) = (exact.ceil() as i32, exact.floor() as i32);
    let is_tied =
        |total: i32| (f64::from(total) * (f64::from(weight) / f64::from(max_weight))).fract().to_bits() == HALF_BITS;
    // Part of the traffic must not become none of it, where there are pods enough.
    let may_be_none = weight == max_weight || weight == 0 || (replicas == 1 && max_surge == 0);
    let mut options = Vec::with_capacity(4);
    if ceiling < replicas || may_be_none {
        options.push((ceiling, replicas));
    }
    if !is_tied(replicas) && (floor != 0 || may_be_none) {
        options.push((floor, replicas));
    }
    if max_surge > 0 {
        options.push((ceiling, replicas + 1));
        if !is_tied(replicas + 1) && (floor != 0 || may_be_none) {
            options.push((floor, replicas + 1));
        }
    }
    let delta = |(canary, total): (i32, i32)| {
        (f64::from(canary.wrapping_mul(max_weight)) / f64::from(total) - f64::from(weight)).abs()
    };
    let best = options.into_iter().reduce(|best, other| if delta(other) < delta(best) { other } else { best });
    best.map_or((0, replicas), |(canary, total)| (canary, total - canary))
}

/// One half, exactly.
const HALF_BITS: u64 = 0.5f64.to_bits();

/// `trafficWeightToReplicas`, which rounds up.
pub(super) fn weight_to_replicas(replicas: i32, weight: i32, max_weight: i32) -> i32 {
    (f64::from(weight) * f64::from(replicas) / f64::from(max_weight)).ceil() as i32
}

/// `ReplicaProgressThresholdMet`.
pub(super) fn meets_threshold(threshold: Option<CountOrPercent>, scale: Scale, wanted: i32) -> bool {
    const EPSILON: f64 = 1e-10;
    match threshold {
        None => scale.replicas == wanted && scale.available == wanted,
        Some(CountOrPercent::Percent(percent)) => {
            let present = f64::from(scale.available) / f64::from(wanted) * 100.0;
            wanted == 0 || present >= f64::from(percent) - EPSILON
        }
        Some(CountOrPercent::Count(pods)) => scale.available >= pods,
    }
}

fn max_weight(canary: &CanaryStrategy) -> i32 {
    canary.routing.map_or(FULL_WEIGHT, |routing| routing.max_weight)
}

/// The weight of the last `setWeight` among the first so many steps; none: 0.
fn last_weight(steps: &[CanaryStep]) -> i32 {
    let weight = |step: &CanaryStep| if let CanaryStep::SetWeight(weight) = step { Some(*weight) } else { None };
    steps.iter().rev().find_map(weight).unwrap_or(0)
}

impl Release<'_> {
    /// `rolloutCanary`.
    pub(super) fn canary(&mut self, canary: &CanaryStrategy) {
        if !self.before.has_steps || self.has_new_template() {
            return self.sync_canary_status(canary);
        }
        self.clean_up();
        self.route_traffic(canary);
        self.reconcile_runs();
        if self.pausing.adds.is_empty() && !self.reconcile_canary_sets(canary) {
            self.reconcile_canary_pause(canary);
        }
        self.sync_canary_status(canary);
    }

    /// The steps that have been begun, the present one among them; none after the last.
    fn begun_steps<'c>(&self, canary: &'c CanaryStrategy) -> Option<&'c [CanaryStep]> {
        let (index, step) = present_step(canary, self.before.step)?;
        step.map(|_| &canary.steps[..=index])
    }

    fn scale_of(&self, at: usize) -> Scale {
        let set = &self.sets[at].set;
        Scale { replicas: set.replicas, available: set.status.available }
    }

    /// `GetCurrentSetWeight`.
    fn set_weight(&self, canary: &CanaryStrategy) -> i32 {
        match self.begun_steps(canary) {
            _ if self.before.is_aborted => 0,
            Some(steps) => last_weight(steps),
            None => max_weight(canary),
        }
    }

    /// `GetDesiredCanaryWeight`: with `dynamicStableScale` an abort goes back weight by weight.
    fn wanted_weight(&self, canary: &CanaryStrategy) -> i32 {
        let Some(stable) = self.stable.filter(|_| self.before.is_aborted && scales_stable(canary)) else {
            return self.set_weight(canary);
        };
        let replicas = self.spec.replicas;
        let expected = replicas - self.scale_of(stable).available;
        let (_, is_given) = self.abort_delay();
        let present = if is_given { expected } else { expected.max(self.scale_of(self.new).available) };
        step_below(canary, replicas, present)
    }

    /// `UseSetCanaryScale`.
    fn canary_scale(&self, canary: &CanaryStrategy) -> Option<CanaryScale> {
        if canary.routing.is_none() || (self.before.is_aborted && self.abort_delay().0.is_some()) {
            return None;
        }
        let scale = |step: &CanaryStep| if let CanaryStep::SetCanaryScale(scale) = step { Some(*scale) } else { None };
        let latest = self.begun_steps(canary)?.iter().rev().find_map(scale);
        latest.filter(|scale| *scale != CanaryScale::TrafficWeight)
    }

    /// `GetCanaryReplicasOrWeight`: a number of pods, or a weight.
    fn replicas_or_weight(&self, canary: &CanaryStrategy) -> Result<i32, i32> {
        let status = &self.before;
        if status.promotes_fully || status.stable.is_none() || self.is_fully_promoted() {
            return Err(max_weight(canary));
        }
        match self.canary_scale(canary) {
            Some(CanaryScale::Replicas(replicas)) => Ok(replicas),
            Some(CanaryScale::Weight(weight)) => Err(weight),
            _ => Err(self.wanted_weight(canary)),
        }
    }

    /// The sizes of canary and stable to go for now. `weights` are those that the router has.
    fn canary_counts(&self, canary: &CanaryStrategy, weights: Option<Weights>) -> (i32, i32) {
        let wanted = self.replicas_or_weight(canary);
        if let Some(routing) = &canary.routing {
            return routed_counts(routing, self.spec.replicas, wanted, weights, self.before.is_aborted);
        }
        let replicas = self.spec.replicas;
        let (max_surge, max_unavailable) = resolve_fenceposts(canary.max_surge, canary.max_unavailable, replicas);
        let others = self.others().iter().map(|&at| self.sets[at].set.replicas).sum();
        let basic = BasicCanary {
            replicas,
            weight: wanted.unwrap_or_else(|weight| weight),
            max_surge,
            max_unavailable: max_unavailable.min(replicas),
            canary: self.scale_of(self.new),
            stable: self.stable.map(|stable| self.scale_of(stable)),
            is_same: self.stable == Some(self.new),
            others,
        };
        basic.counts()
    }

    /// `AtDesiredReplicaCountsForCanary`.
    fn is_at_size(&self, canary: &CanaryStrategy, weights: Option<Weights>) -> bool {
        let (wanted_canary, wanted_stable) = self.canary_counts(canary, weights);
        if !meets_threshold(canary.progress_threshold, self.scale_of(self.new), wanted_canary) {
            return false;
        }
        let stable = self.stable.map(|stable| &self.sets[stable].set);
        let is_stable_made =
            stable.is_some_and(|stable| stable.replicas == wanted_stable && stable.status.replicas == wanted_stable);
        let has_old = self.others().iter().any(|&at| self.sets[at].set.status.available != 0);
        (scales_stable(canary) || is_stable_made) && (canary.routing.is_some() || !has_old)
    }

    /// `reconcileCanaryReplicaSets`. Returns whether a size changed.
    pub(super) fn reconcile_canary_sets(&mut self, canary: &CanaryStrategy) -> bool {
        if self.is_halted() {
            return false;
        }
        self.remove_deadlines();
        if let Some(stable) = self.stable_apart() {
            // By the weights before this sync: the stable one follows the traffic, one sync later.
            let (_, wanted) = self.canary_counts(canary, self.before.weights);
            if self.scale_set(stable, wanted) {
                return true;
            }
        }
        let (wanted, _) = self.canary_counts(canary, self.next.weights);
        self.reconcile_new(wanted) || self.shrink_others(canary)
    }

    /// `scaleDownOldReplicaSetsForCanary`. Returns whether a size changed.
    fn shrink_others(&mut self, canary: &CanaryStrategy) -> bool {
        let mut total = self.drop_unhealthy();
        let (_, unavailable) = resolve_fenceposts(canary.max_surge, canary.max_unavailable, self.spec.replicas);
        let least = self.spec.replicas - unavailable.min(self.spec.replicas);
        let mut most = self.total_available() - least;
        let mut kept = 0;
        for at in self.active_others() {
            let present = self.sets[at].set.replicas;
            let wanted = match &canary.routing {
                _ if most <= 0 => break,
                None => (present - most).max(0),
                Some(_) if self.is_referenced(at) => continue,
                Some(routing) if routing.scales_stable => 0,
                Some(routing) if self.is_fully_promoted() || self.sets[at].scale_down_at.is_some() => {
                    let (delay, limit) = (routing.scale_down_delay, routing.scale_down_revision_limit);
                    self.delayed_size(at, &mut kept, present, delay, limit)
                }
                Some(_) => 0,
            };
            if present != wanted {
                self.scale_set(at, wanted);
                most -= present - wanted;
                total += present - wanted;
            }
        }
        total > 0
    }

    /// `cleanupUnhealthyReplicas`: pods of old ReplicaSets that are not available go first. Returns how many.
    fn drop_unhealthy(&mut self) -> i32 {
        let mut dropped = 0;
        for at in self.active_others() {
            let Scale { replicas, available } = self.scale_of(at);
            if available < replicas {
                self.scale_set(at, available);
                dropped += replicas - available;
            }
        }
        dropped
    }

    /// `reconcileTrafficRouting`.
    fn route_traffic(&mut self, canary: &CanaryStrategy) {
        let Some(routing) = &canary.routing else {
            self.next.weights = None;
            return;
        };
        let mut canary_template = self.object.template;
        let wanted = if let Some(previous) = self.rolling_back(routing) {
            canary_template = previous;
            self.weight_going_back(canary, routing)
        } else if self.is_fully_promoted() {
            0
        } else if self.is_aborted() {
            self.weight_going_back(canary, routing)
        } else if self.scale_of(self.new).available == 0 {
            0
        } else if self.before.promotes_fully {
            match routing.scales_stable {
                true => routing.max_weight * self.scale_of(self.new).available / self.spec.replicas.max(1),
                false => self.before.weights.map_or(0, |weights| weights.canary),
            }
        } else {
            match present_step(canary, self.before.step) {
                None => 0,
                Some((index, _)) if !self.is_at_size(canary, None) => {
                    last_weight(&canary.steps[..index.min(canary.steps.len())])
                }
                Some((_, Some(_))) => self.set_weight(canary),
                Some((_, None)) => routing.max_weight,
            }
        };
        let Some(stable) = self.stable else { return };
        let needed = (routing.max_weight - wanted) * self.spec.replicas / routing.max_weight;
        let scale = self.scale_of(stable);
        if scale.available < needed && !meets_threshold(canary.progress_threshold, scale, needed) {
            return;
        }
        self.next.weights = Some(Weights {
            canary: wanted,
            canary_template,
            stable: routing.max_weight - wanted,
            stable_template: Some(self.sets[stable].set.template),
        });
    }

    /// `IsDynamicallyRollingBackToStable`: the template whose release was given up for the stable one.
    fn rolling_back(&self, routing: &TrafficRouting) -> Option<RevisionId> {
        let previous = self.before.weights?.canary_template;
        let is_back = self.is_fully_promoted() && routing.scales_stable && previous != self.object.template;
        (is_back && self.scale_of(self.new).available < self.spec.replicas).then_some(previous)
    }

    /// `calculateDesiredWeightOnAbortOrStableRollback`.
    fn weight_going_back(&self, canary: &CanaryStrategy, routing: &TrafficRouting) -> i32 {
        let replicas = self.spec.replicas;
        let Some(stable) = self.stable.filter(|_| routing.scales_stable && replicas > 0) else { return 0 };
        let wanted = self.wanted_weight(canary);
        let stable_weight = routing.max_weight * self.scale_of(stable).available / replicas;
        let expected = (routing.max_weight - stable_weight).max(0);
        match self.before.weights.map(|weights| weights.canary) {
            None => expected.max(wanted),
            Some(present) if wanted <= 0 => expected.min(present),
            Some(present) if stable_weight < routing.max_weight - wanted => present,
            Some(present) => wanted.min(present),
        }
    }

    /// `reconcileCanaryPause`.
    fn reconcile_canary_pause(&mut self, canary: &CanaryStrategy) {
        if self.spec.is_paused || self.before.promotes_fully {
            return;
        }
        let Some((_, Some(CanaryStep::Pause(duration)))) = present_step(canary, self.before.step) else { return };
        match (self.before.pause(PauseReason::CanaryPauseStep), duration) {
            (None, _) => {
                if !self.before.is_paused_by_controller {
                    self.pausing.adds.push(PauseReason::CanaryPauseStep);
                }
            }
            (Some(pause), Some(duration)) => {
                let due = pause.started.after(*duration);
                if due > self.now {
                    self.look_again(due);
                }
            }
            (Some(_), None) => {}
        }
    }

    /// `completedCurrentCanaryStep`.
    fn has_completed_step(&self, canary: &CanaryStrategy) -> bool {
        let Some((_, Some(step))) = present_step(canary, self.before.step) else { return false };
        if self.spec.is_paused {
            return false;
        }
        match step {
            CanaryStep::Pause(duration) => match (self.before.pause(PauseReason::CanaryPauseStep), duration) {
                (None, _) => self.before.is_paused_by_controller,
                (Some(pause), Some(duration)) => pause.started.after(*duration) <= self.now,
                (Some(_), None) => false,
            },
            CanaryStep::SetCanaryScale(_) | CanaryStep::SetWeight(_) => self.is_at_size(canary, self.next.weights),
            CanaryStep::Analysis(_) => {
                self.runs.get(&RunKind::Step).is_some_and(|run| run.phase == AnalysisPhase::Successful)
            }
            CanaryStep::Nothing => true,
        }
    }

    /// `reconcileStepBasedAnalysisRun`.
    pub(super) fn reconcile_step_run(&mut self, canary: &CanaryStrategy) {
        if !self.before.pauses.is_empty() || self.before.is_aborted {
            return;
        }
        let index = match present_step(canary, self.before.step) {
            Some((index, Some(CanaryStep::Analysis(_)))) => Some(index),
            _ => None,
        };
        let of = self.runs.get(&RunKind::Step).map(|run| run.step);
        match index.filter(|index| of.is_none_or(|of| of == *index)) {
            None => self.forget_run(RunKind::Step),
            Some(index) if self.needs_run(RunKind::Step) => self.start_run(RunKind::Step, index),
            Some(_) => self.heed_run(RunKind::Step),
        }
    }

    /// `reconcileBackgroundAnalysisRun`.
    pub(super) fn reconcile_background_run(&mut self, canary: &CanaryStrategy) {
        let present = present_step(canary, self.before.step).map(|(index, _)| index);
        let is_begun = |first: usize| present.is_none_or(|index| index >= first);
        let is_wanted = canary.background.as_ref().is_some_and(|background| is_begun(background.starting_step));
        if !is_wanted || self.is_fully_promoted() || self.before.current.is_none() {
            self.forget_run(RunKind::Background);
        } else if self.before.pause(PauseReason::InconclusiveAnalysisRun).is_none() {
            match self.needs_run(RunKind::Background) {
                true => self.start_run(RunKind::Background, 0),
                false => self.heed_run(RunKind::Background),
            }
        }
    }

    /// `shouldFullPromote`: whether the present template becomes the stable one.
    fn is_promoted(&self, canary: &CanaryStrategy) -> bool {
        if self.stable.is_none() {
            return true;
        }
        let (scale, wanted) = (self.scale_of(self.new), self.spec.replicas);
        let is_there = scale.available >= wanted || meets_threshold(canary.progress_threshold, scale, wanted);
        let is_done = match present_step(canary, self.before.step) {
            Some((index, _)) => index == canary.steps.len(),
            None => true,
        };
        let is_due = self.before.promotes_fully || self.is_within_window() || is_done;
        !self.is_aborted() && is_there && is_due
    }

    /// `syncRolloutStatusCanary`.
    fn sync_canary_status(&mut self, canary: &CanaryStrategy) {
        let is_new = !self.before.has_steps || self.has_new_template();
        let steps = canary.steps.len();
        self.count();
        self.next.available = self.total_available();
        self.next.has_steps = true;
        if is_new {
            self.reset();
            let is_back = self.before.stable == Some(self.object.template)
                || (self.is_within_window() && self.new_set().set.replicas > 0);
            if steps > 0 && is_back {
                self.next.step = Some(steps);
            }
        } else {
            if self.before.promotes_fully || self.is_within_window() {
                self.pausing.clears = true;
                self.pausing.removes_abort = true;
                if steps > 0 {
                    self.next.step = Some(steps);
                }
            }
            if self.is_promoted(canary) {
                self.promote_stable();
            } else if self.is_aborted() {
                let is_back = self.next.stable == self.next.current;
                self.next.step = (steps > 0).then_some(if is_back { steps } else { 0 });
            } else if self.has_completed_step(canary) {
                self.next.step = self.next.step.map(|step| (step + 1).min(steps));
                self.forget_run(RunKind::Step);
                self.pausing.removes.push(PauseReason::CanaryPauseStep);
            }
        }
        self.calculate_conditions();
        self.persist();
    }
}

fn scales_stable(canary: &CanaryStrategy) -> bool {
    canary.routing.is_some_and(|routing| routing.scales_stable)
}

/// The largest weight of a step that needs fewer pods than there are; none: 0.
pub(super) fn step_below(canary: &CanaryStrategy, replicas: i32, present: i32) -> i32 {
    let is_below = |step: &CanaryStep| match step {
        CanaryStep::SetWeight(weight) => {
            Some(*weight).filter(|weight| weight_to_replicas(replicas, *weight, max_weight(canary)) < present)
        }
        _ => None,
    };
    canary.steps.iter().rev().find_map(is_below).unwrap_or(0)
}

/// `CalculateReplicaCountsForTrafficRoutedCanary`: sizes of canary and stable; wanted are pods, or a weight.
pub(super) fn routed_counts(
    routing: &TrafficRouting,
    replicas: i32,
    wanted: Result<i32, i32>,
    weights: Option<Weights>,
    is_aborted: bool,
) -> (i32, i32) {
    let max_weight = routing.max_weight;
    let pods = |weight| weight_to_replicas(replicas, weight, max_weight);
    let at_least = |count: i32| if count == 0 { 0 } else { count.max(routing.min_pods.unwrap_or(0)) };
    let mut canary = wanted.unwrap_or_else(|weight| at_least(pods(weight)));
    if !routing.scales_stable {
        return (canary, replicas);
    }
    let weight = wanted.err().unwrap_or(0);
    let mut stable = pods(max_weight - weight);
    if let Some(weights) = weights {
        // The stable one stays large until its traffic has gone, and so does the canary after an abort.
        stable = stable.max(pods(weights.stable));
        if is_aborted {
            canary = canary.max(pods(weights.canary));
        }
    }
    (at_least(canary), at_least(stable))
}

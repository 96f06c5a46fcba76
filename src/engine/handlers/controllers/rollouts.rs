//! Rollouts act through ReplicaSets as Deployments do, measure, and divide the traffic.

use std::collections::BTreeMap;

use super::deployments::SYNCS_MAX;
use crate::engine::run::Simulation;
use crate::ids::{ControllerId, OwnerId, RevisionId};
use crate::model::controllers::{ControllerKind, Verb};
use crate::model::rollouts::{Measured, Metric, Outcome, RolloutSpec, TrafficCondition, TrafficValue};
use crate::observe::Observer;
use crate::policy::controllers::analysis::AnalysisRun;
use crate::policy::controllers::earlier;
use crate::policy::controllers::rollout::{
    self, ObservedRollout, ObservedRun, ReleaseSet, RolloutStatus, RunKind, Sync, Write,
};
use crate::rng::Seed;
use crate::traffic::Window;
use crate::units::SimTime;
use crate::world::owners::Release;

/// What the controller of Rollouts keeps of one of them.
#[derive(Debug, Default)]
pub(super) struct RolloutState {
    status: RolloutStatus,
    runs: BTreeMap<RunKind, Run>,
    /// How many analyses there were.
    runs_begun: u32,
}

/// A current analysis.
#[derive(Debug)]
struct Run {
    step: usize,
    /// The template that is released.
    template: RevisionId,
    /// The how-many-th of its Rollout it is.
    serial: u32,
    run: AnalysisRun,
}

impl<O: Observer> Simulation<'_, O> {
    /// Syncs a Rollout, its ReplicaSets and its analyses until nothing is left to do at this instant.
    pub(super) fn sync_rollout(&mut self, controller: ControllerId) -> Option<SimTime> {
        let now = self.world.time;
        let spec = self.rollout_spec(controller);
        for _ in 0..SYNCS_MAX {
            let mut wake = self.sync_replica_sets_of(controller);
            wake = earlier(wake, self.sync_runs(controller, &spec));
            let sets = self.observe_release_sets(controller);
            let sync = self.decide_rollout(controller, &spec, &sets);
            self.rollout_state(controller).status = sync.status;
            for write in sync.writes {
                self.write_release(controller, &spec, write);
            }
            wake = earlier(wake, sync.wake);
            if wake != Some(now) || !self.model.control_plane.is_ideal() {
                self.divide_traffic(controller, &spec);
                return if wake == Some(now) { Some(self.own_write_seen_at(controller)) } else { wake };
            }
        }
        panic!("the Rollout `{}` does not settle", self.controller(controller).name);
    }

    fn rollout_spec(&self, controller: ControllerId) -> RolloutSpec {
        let ControllerKind::Rollout(spec) = &self.controller(controller).kind else {
            unreachable!("asked for Rollouts only")
        };
        let state = &self.world.owners.controllers[controller.index()];
        RolloutSpec { replicas: state.replicas, is_paused: state.is_paused, ..spec.clone() }
    }

    fn rollout_state(&mut self, controller: ControllerId) -> &mut RolloutState {
        self.controller_loops.rollouts.entry(controller).or_default()
    }

    fn observe_release_sets(&self, controller: ControllerId) -> Vec<ReleaseSet> {
        let deadline = |id: OwnerId| self.controller_loops.annotations[&id].scale_down_at;
        let sets = self.observe_replica_sets(controller);
        sets.into_iter().map(|set| ReleaseSet { set, scale_down_at: deadline(set.id) }).collect()
    }

    fn decide_rollout(&mut self, controller: ControllerId, spec: &RolloutSpec, sets: &[ReleaseSet]) -> Sync {
        let owned = &self.world.owners.controllers[controller.index()];
        let (template, generation, now) = (owned.template, owned.generation, self.world.time);
        let state = self.rollout_state(controller);
        let observed =
            |run: &Run| ObservedRun { step: run.step, phase: run.run.phase, message: run.run.message.clone() };
        let runs = state.runs.iter().map(|(kind, run)| (*kind, observed(run))).collect();
        let object =
            ObservedRollout { spec, template, generation, status: &state.status, replica_sets: sets, runs: &runs };
        rollout::sync(&object, now)
    }

    /// Measures what is due.
    fn sync_runs(&mut self, controller: ControllerId, spec: &RolloutSpec) -> Option<SimTime> {
        let (seed, now) = (self.model.seed, self.world.time);
        let whose = self.controller(controller);
        let name = format!("{}/{}", whose.namespace, whose.name);
        let answered = self.answered_of(controller);
        let (mut wake, mut has_measured) = (None, false);
        for (kind, Run { step, template, serial, run }) in &mut self.rollout_state(controller).runs {
            let Some(analysis) = rollout::analysis_of(spec, *kind, *step) else { continue };
            let answered = answered.iter().find(|(one, _)| one == template).map(|(_, window)| window);
            let has_measured = &mut has_measured;
            let mut measure = |at: usize, number: u32| {
                let entity = u64::from(*serial) << 32 | u64::from(number);
                let metric = &analysis.metrics[at];
                match metric.measured.get(template.index()) {
                    Some(Measured::Traffic(condition)) => {
                        *has_measured = true;
                        judge(condition, answered)
                    }
                    Some(Measured::TrafficValue(value)) => {
                        *has_measured = true;
                        metric.conditions.judge(number_of(*value, answered).as_slice())
                    }
                    _ => measurement(metric, *template, number as usize, seed, &name, entity),
                }
            };
            wake = earlier(wake, run.sync(&analysis.metrics, now, &mut measure));
        }
        if has_measured {
            self.begin_groups_of(controller);
        }
        wake
    }

    fn write_release(&mut self, controller: ControllerId, spec: &RolloutSpec, write: Write) {
        let now = self.world.time;
        let template = self.world.owners.controllers[controller.index()].template;
        match write {
            Write::CreateReplicaSet { template, min_ready, revision } => {
                self.make_release_set(controller, template, min_ready, revision);
            }
            Write::AdoptReplicaSet { id, min_ready, revision } => {
                let written = self.annotations_of(id);
                written.min_ready = min_ready;
                written.revision = revision;
            }
            Write::ScaleReplicaSet { id, replicas, desired_replicas } => {
                self.annotations_of(id).desired_replicas = Some(desired_replicas);
                self.world.owners.list[id.index()].replicas = replicas;
            }
            Write::SetDeadline { id, at } => self.annotations_of(id).scale_down_at = at,
            Write::DeleteReplicaSet(id) => {
                self.controller_loops.annotations.remove(&id);
                self.delete_owner(id);
            }
            Write::StartRun { kind, step } => {
                let metrics = rollout::analysis_of(spec, kind, step).map_or(0, |analysis| analysis.metrics.len());
                let state = self.rollout_state(controller);
                let serial = state.runs_begun;
                state.runs_begun += 1;
                state.runs.insert(kind, Run { step, template, serial, run: AnalysisRun::new(metrics, now) });
            }
            Write::TerminateRun(kind) => {
                if let Some(run) = self.rollout_state(controller).runs.get_mut(&kind) {
                    run.run.is_terminated = true;
                }
            }
            Write::ForgetRun(kind) => {
                self.rollout_state(controller).runs.remove(&kind);
            }
        }
    }

    /// Notes how the release stands and which share of the traffic each ReplicaSet gets.
    fn divide_traffic(&mut self, controller: ControllerId, spec: &RolloutSpec) {
        let sets = self.observe_release_sets(controller);
        let state = self.rollout_state(controller);
        let status = &state.status;
        let shares = rollout::traffic_shares(spec, status, &sets);
        let of = |template: Option<RevisionId>| {
            let position = sets.iter().position(|other| Some(other.set.template) == template);
            position.map_or(0.0, |position| shares[position])
        };
        let canary = if status.current == status.stable { 0.0 } else { of(status.current) };
        let release = Release {
            step: u32::try_from(status.step.unwrap_or(0)).expect("there are fewer than 2^32 steps"),
            stable_weight_pct: of(status.stable),
            canary_weight_pct: canary,
            phase: status.phase.name(),
            message: status.message.clone(),
        };
        let is_divided = rollout::divides_traffic(spec, status);
        for (other, share) in sets.iter().zip(shares) {
            self.world.owners.list[other.set.id.index()].traffic_weight_pct = is_divided.then_some(share);
        }
        self.tell_split(controller);
        let present = &mut self.world.owners.controllers[controller.index()].release;
        if present.as_deref() != Some(&release) {
            *present = Some(Box::new(release));
            self.note_change(controller);
        }
    }

    /// Somebody changes the `status` of a Rollout.
    pub(super) fn operate_rollout(&mut self, controller: ControllerId, verb: Verb) {
        if !matches!(self.controller(controller).kind, ControllerKind::Rollout(_)) {
            return;
        }
        let spec = self.rollout_spec(controller);
        let state = self.rollout_state(controller);
        match verb {
            Verb::Resume => state.status.resume(),
            Verb::Promote => state.status.promote(&spec, false),
            Verb::PromoteFully => state.status.promote(&spec, true),
            Verb::Abort => state.status.is_aborted = true,
            Verb::Retry => state.status.is_aborted = false,
            Verb::Delete => *state = RolloutState::default(),
            _ => {}
        }
    }
}

/// What a metric measures; what is not said succeeds.
fn measurement(
    metric: &Metric,
    template: RevisionId,
    number: usize,
    seed: Seed,
    rollout: &str,
    entity: u64,
) -> Outcome {
    match metric.measured.get(template.index()) {
        Some(Measured::Drawn(success)) => {
            let stream = format!("analysis/{rollout}/{}/{}", metric.template, metric.name);
            let drawn = seed.stream(&stream, entity).unit();
            if drawn < *success { Outcome::Successful } else { Outcome::Failed }
        }
        Some(Measured::Series(outcomes)) => {
            outcomes.get(number).or(outcomes.last()).copied().unwrap_or(Outcome::Successful)
        }
        Some(Measured::Values(values)) => {
            let value = values.get(number).or(values.last());
            metric.conditions.judge(value.map_or(&[], std::slice::from_ref))
        }
        Some(Measured::Traffic(_) | Measured::TrafficValue(_)) | None => Outcome::Successful,
    }
}

/// What is measured of the requests that the release answered; none: there were none, or none that ended well.
fn number_of(value: TrafficValue, answered: Option<&Window>) -> Option<f64> {
    let window = answered.filter(|window| window.count() > 0)?;
    let failure_ratio = window.failures() as f64 / window.count() as f64;
    let number = match value {
        TrafficValue::SuccessRatio => 1.0 - failure_ratio,
        TrafficValue::FailureRatio => failure_ratio,
        TrafficValue::Requests => window.count() as f64,
        TrafficValue::LatencyMeanS => window.latency.mean_s(),
        TrafficValue::LatencyP50S => window.latency.quantile_s(0.5),
        TrafficValue::LatencyP95S => window.latency.quantile_s(0.95),
        TrafficValue::LatencyP99S => window.latency.quantile_s(0.99),
    };
    Some(number).filter(|number| !number.is_nan())
}

/// What requests say of the release whose pods answered them.
fn judge(condition: &TrafficCondition, answered: Option<&Window>) -> Outcome {
    let Some(window) = answered.filter(|window| window.count() > 0) else { return Outcome::Error };
    let fails = window.failures() as f64 > condition.max_failure_ratio * window.count() as f64;
    let is_slow = condition.max_p95.is_some_and(|most| window.latency.quantile_s(0.95) > most.as_seconds());
    if fails || is_slow { Outcome::Failed } else { Outcome::Successful }
}

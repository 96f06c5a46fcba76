//! The horizontal pod autoscaler of Kubernetes v1.37.0: what its controller decides each time that it looks.
//!
//! Follows `pkg/controller/podautoscaler/{horizontal,replica_calculator}.go`, `metrics/{client,utilization}.go` and
//! `config/v1alpha1/defaults.go`. [`Autoscaler::sync`] is one `reconcileAutoscaler`: a function of what is seen and what is
//! remembered, to what is written and said. [`State`] is what is remembered. Conditions, events and errors are in
//! upstream's words.
//!
//! A caller looks as soon as an autoscaler is made or its spec changes, and [`Settings::sync_period`] after each look.
//! It hands in a spec with defaults ([`spec::HorizontalPodAutoscalerSpec::with_defaults`]) that has no
//! [problems](spec::HorizontalPodAutoscalerSpec::problems).
//!
//! Known deviations:
//! - Selectors of metrics and of the target are right: what upstream says of those that cannot be parsed is left out.
//! - Instants are exact, where the API cuts those of pods and conditions to whole seconds. A caller that wants to see what
//!   upstream's controller sees cuts them.
//! - The controller's own writes are seen at the next look; upstream waits for them (`StaleControllerConsistencyHPA`).
//!   Writing the status never fails.
//! - Where upstream's order is that of a hash table the order of ids or names is taken here: which pod without a request is
//!   named first, and which two of several autoscalers that share pods.
//! - Numbers beyond the range of an integer become what they become on amd64; Go leaves it to the machine.

mod behavior;
mod metrics;
pub mod replica_calculator;
pub mod seen;
pub mod status;

#[cfg(test)]
mod tests;

pub use crate::model::horizontal_pod_autoscaler as spec;
pub use behavior::State;

use behavior::Bounds;
use seen::{ObservedScale, Seen};
use spec::{HorizontalPodAutoscalerSpec, MetricSpec, ObjectReference};
use status::{ConditionType, Event, Outcome};

use crate::units::{SimDuration, SimTime};

/// Flags of the kube-controller-manager, and the feature gate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// `--horizontal-pod-autoscaler-sync-period`.
    pub sync_period: SimDuration,
    /// `--horizontal-pod-autoscaler-downscale-stabilization`: the window of scaling down, where a behaviour names none.
    pub downscale_stabilization: SimDuration,
    /// `--horizontal-pod-autoscaler-tolerance`, as a ratio.
    pub tolerance: f64,
    /// `--horizontal-pod-autoscaler-cpu-initialization-period`.
    pub cpu_initialization_period: SimDuration,
    /// `--horizontal-pod-autoscaler-initial-readiness-delay`.
    pub initial_readiness_delay: SimDuration,
    /// The feature gate `HPAScaleToZero`.
    pub can_scale_to_zero: bool,
}

impl Default for Settings {
    /// Upstream's: every 15 s, a window of 5 minutes, 10 per cent, 5 minutes, 30 s, and on.
    fn default() -> Settings {
        const SECOND: u64 = 1_000_000_000;
        Settings {
            sync_period: SimDuration(15 * SECOND),
            downscale_stabilization: SimDuration(300 * SECOND),
            tolerance: 0.1,
            cpu_initialization_period: SimDuration(300 * SECOND),
            initial_readiness_delay: SimDuration(30 * SECOND),
            can_scale_to_zero: true,
        }
    }
}

/// A HorizontalPodAutoscaler.
#[derive(Clone, Copy, Debug)]
pub struct Autoscaler<'a> {
    /// `metadata.namespace`.
    pub namespace: &'a str,
    /// `metadata.name`.
    pub name: &'a str,
    /// `spec.scaleTargetRef`.
    pub target: &'a ObjectReference,
    /// The rest of `spec`, with defaults.
    pub spec: &'a HorizontalPodAutoscalerSpec,
    /// Flags of the controller.
    pub settings: &'a Settings,
}

/// What is to become of the replicas.
struct Plan {
    desired: i32,
    reason: String,
    /// Whether the scale is written.
    is_written: bool,
}

impl Autoscaler<'_> {
    /// Looks once: `reconcileAutoscaler`. `now` is not before the last look.
    pub fn sync(&self, state: &mut State, now: SimTime, seen: &Seen<'_>) -> Outcome {
        let mut outcome = Outcome::default();
        match &seen.scale {
            Err(why) => {
                outcome.warn("FailedGetScale", *why);
                let message = format!("the HPA controller was unable to get the target's current scale: {why}");
                state.status.set_condition(now, ConditionType::AbleToScale, false, "FailedGetScale", message);
                let reference = self.reference();
                outcome.error = Some(format!("failed to query scale subresource for {reference}: {why}"));
            }
            Ok(scale) => {
                let message = "the HPA controller was able to get the target's current scale";
                state.status.set_condition(now, ConditionType::AbleToScale, true, "SucceededGetScale", message);
                state.record_initial(now, scale.spec_replicas);
                if let Some(plan) = self.plan(state, (now, seen, scale), &mut outcome) {
                    self.carry_out(state, (now, seen, scale), &plan, &mut outcome);
                }
            }
        }
        outcome
    }

    fn reference(&self) -> String {
        format!("{}/{}/{}", self.target.kind, self.namespace, self.target.name)
    }

    fn min_replicas(&self) -> i32 {
        self.spec.min_replicas.unwrap_or(1)
    }

    fn has_object_or_external_metric(&self) -> bool {
        let is_one = |metric: &MetricSpec| matches!(metric, MetricSpec::Object { .. } | MetricSpec::External { .. });
        self.spec.metrics.iter().any(is_one)
    }

    /// What is to become of the replicas; none: the metrics do not tell.
    fn plan(
        &self,
        state: &mut State,
        (now, seen, scale): (SimTime, &Seen<'_>, &ObservedScale<'_>),
        outcome: &mut Outcome,
    ) -> Option<Plan> {
        let (current, min, max) = (scale.spec_replicas, self.min_replicas(), self.spec.max_replicas);
        state.status.current_replicas = current;
        let written = |desired, reason: &str| Plan { desired, reason: reason.to_owned(), is_written: true };
        let was_scaled_to_zero = self.settings.can_scale_to_zero
            && state.status.condition(ConditionType::ScaledToZero).is_some_and(|condition| condition.is_true);
        let wakes = was_scaled_to_zero && (min != 0 || self.has_object_or_external_metric());
        let plan = if current == 0 && !wakes {
            self.disable(state, now);
            Plan { desired: 0, reason: String::new(), is_written: false }
        } else if current > max {
            written(max, "Current number of replicas above Spec.MaxReplicas")
        } else if current != 0 && current < min {
            written(min, "Current number of replicas below Spec.MinReplicas")
        } else {
            let (computed, values) = metrics::compute(self, (now, seen, scale), (&mut state.status, outcome));
            state.status.current_metrics = values;
            let computed = match computed {
                Ok(computed) => computed,
                Err(error) => {
                    let what = "failed to compute desired number of replicas based on listed metrics";
                    outcome.error = Some(format!("{what} for {}: {error}", self.reference()));
                    outcome.warn("FailedComputeMetricsReplicas", error);
                    return None;
                }
            };
            outcome.error = computed.error;
            outcome.proposed = Some(computed.replicas);
            let plan = self.follow_metrics(state, now, current, computed.replicas, &computed.metric);
            outcome.metric = computed.metric;
            return Some(plan);
        };
        state.status.current_metrics = Vec::new();
        Some(plan)
    }

    /// A target without replicas is left alone.
    fn disable(&self, state: &mut State, now: SimTime) {
        let message = "scaling is disabled since the replica count of the target is zero";
        state.status.set_condition(now, ConditionType::ScalingActive, false, "ScalingDisabled", message);
        if !self.settings.can_scale_to_zero {
            state.status.remove_condition(ConditionType::ScaledToZero);
        }
    }

    /// What becomes of what the metrics ask for.
    fn follow_metrics(&self, state: &mut State, now: SimTime, current: i32, proposed: i32, metric: &str) -> Plan {
        let (min, max) = (self.min_replicas(), self.spec.max_replicas);
        let asked = proposed.max(0);
        let mut reason = if asked > current {
            format!("{metric} above target")
        } else if asked < current {
            "All metrics below target".to_owned()
        } else {
            String::new()
        };
        let mut desired = state.normalize(self, now, Bounds { current, min, max }, asked);
        // Back from zero there are at least as many as the spec wants by now.
        if current == 0 && min != 0 && desired < min {
            desired = min;
            if reason.is_empty() {
                reason.push_str("Current number of replicas below Spec.MinReplicas");
            }
        }
        Plan { desired, reason, is_written: desired != current }
    }

    /// Writes the scale, if there is something to write, and says so.
    fn carry_out(
        &self,
        state: &mut State,
        (now, seen, scale): (SimTime, &Seen<'_>, &ObservedScale<'_>),
        plan: &Plan,
        outcome: &mut Outcome,
    ) {
        let (current, desired) = (scale.spec_replicas, plan.desired);
        if !plan.is_written {
            state.status.desired_replicas = current;
            return;
        }
        let news = format!("New size: {desired}; reason: {}", plan.reason);
        if let Some(why) = seen.update_error {
            outcome.warn("FailedRescale", format!("{news}; error: {why}"));
            let message = format!("the HPA controller was unable to update the target scale: {why}");
            state.status.set_condition(now, ConditionType::AbleToScale, false, "FailedUpdateScale", message);
            outcome.error = Some(format!("failed to rescale {}: {why}", self.reference()));
            return;
        }
        let message = format!("the HPA controller was able to update the target scale to {desired}");
        state.status.set_condition(now, ConditionType::AbleToScale, true, "SucceededRescale", message);
        outcome.events.push(Event { is_warning: false, reason: "SuccessfulRescale", message: news });
        state.store_scale_event(self.spec, now, current, desired);
        self.note_zero(state, now, current, desired);
        state.status.desired_replicas = desired;
        state.status.last_scale = Some(now);
        outcome.scale_to = Some(desired);
        outcome.reason.clone_from(&plan.reason);
    }

    /// Says after each change whether it was the controller that scaled to zero.
    fn note_zero(&self, state: &mut State, now: SimTime, current: i32, desired: i32) {
        if !self.settings.can_scale_to_zero {
            state.status.remove_condition(ConditionType::ScaledToZero);
            return;
        }
        let did = current > 0 && desired == 0 && self.min_replicas() == 0 && self.has_object_or_external_metric();
        let (reason, message) = if did {
            ("ScaledToZero", "the HPA controller scaled the workload to zero")
        } else {
            ("NotScaledToZero", "the HPA controller did not scale the workload to zero")
        };
        state.status.set_condition(now, ConditionType::ScaledToZero, did, reason, message);
    }
}

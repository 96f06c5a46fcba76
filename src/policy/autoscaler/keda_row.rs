//! `keda`: KEDA's ScaledObject, on queues, schedules and metrics, from and to zero.
//!
//! The rules are those of [`super::keda`]; above one replica (or the minimum) the HorizontalPodAutoscaler of
//! [`super::horizontal_pod_autoscaler`] decides on external metrics, one for each trigger. It rests at zero.
//!
//! Parameters: `triggers`, `pollingInterval`, `cooldownPeriod`, `initialCooldownPeriod`, `idleReplicaCount`,
//! `minReplicaCount`, `maxReplicaCount`, `advanced`, as in the spec of a ScaledObject. Triggers: `queue` counts what waits and is
//! worked on in the service of the target, as upstream's trigger on SQS does; `cron`; and `metric`, a named metric of the
//! scenario in place of a query to Prometheus.
//!
//! Known deviations from upstream:
//! - Where a poll writes replicas, the HPA looks 15 s later; upstream's looks whenever its own 15 s are over.
//! - `fallback`, `scalingModifiers`, and the names of triggers and their authentication are not here.
//!
//! Source: KEDA v2.21.0, `pkg/scaling/executor` and `pkg/scalers`; Kubernetes v1.37.0, `pkg/controller/podautoscaler`.
//! Cost: O(triggers).

use super::horizontal_pod_autoscaler::seen::{MetricSamples, ObservedScale, PodsSeen, Seen};
use super::horizontal_pod_autoscaler::spec::{
    HorizontalPodAutoscalerSpec, MetricIdentifier, MetricSpec, MetricTarget, ObjectReference,
};
use super::horizontal_pod_autoscaler::status::Outcome as HpaOutcome;
use super::horizontal_pod_autoscaler::{Autoscaler, Settings, State};
use super::keda::fallback::Health;
use super::keda::scaled_object::{Activity, Polled, ScaledObject, Status};
use super::keda::trigger::Target;
use super::wish::bounds;
use super::{AutoscalerRow, Condition, Decision, HorizontalAutoscaler, Observation, Reads, SYNC_PERIOD, Setting};
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::units::{SimDuration, SimTime};

pub(super) mod jobs;
mod written;

use written::{Params, Trigger};

pub(super) const ROW: AutoscalerRow = AutoscalerRow {
    name: "keda",
    aliases: &["scaled-object"],
    summary: "KEDA's ScaledObject: queues, schedules and metrics, from and to zero, with an HPA above",
    source: "KEDA v2.21.0, pkg/scaling/executor and pkg/scalers",
    parameters: &[
        parameter(
            "triggers",
            "[]",
            "each with `type` (queue, cron, metric), `metadata` and `metricType`; none: one queue",
        ),
        parameter("pollingInterval", "30", "seconds from one poll of the triggers to the next, above 0"),
        parameter(
            "cooldownPeriod",
            "300",
            "seconds from the last activity until replicas go to zero, or the idle number",
        ),
        parameter("initialCooldownPeriod", "0", "the same from the start, where there was no activity"),
        parameter(
            "idleReplicaCount",
            "null",
            "replicas without activity, less than the fewest; none: as few as there may be",
        ),
        parameter("minReplicaCount", "null", "fewest replicas, at least those of the autoscaler; none: those"),
        parameter("maxReplicaCount", "null", "most replicas, at most those of the autoscaler; none: those"),
        parameter("advanced", "null", "`horizontalPodAutoscalerConfig.behavior` as in autoscaling/v2"),
    ],
    is_clairvoyant: false,
    build: |parameters, setting| Ok(Box::new(Keda::new(parameters::read(parameters)?, setting)?)),
};

const fn parameter(name: &'static str, default: &'static str, meaning: &'static str) -> Parameter {
    Parameter { name, unit: "", default, meaning }
}

/// See the module.
#[derive(Clone, Debug)]
struct Keda {
    bounds: Setting<'static>,
    object: ScaledObject,
    triggers: Vec<Trigger>,
    health: Vec<Health>,
    spec: HorizontalPodAutoscalerSpec,
    settings: Settings,
    target: ObjectReference,
    period: SimDuration,
    status: Option<Status>,
    activity: Activity,
    next_poll: SimTime,
    next_look: SimTime,
    state: State,
}

impl Keda {
    fn new(params: Params, setting: &Setting<'_>) -> Result<Keda, ParameterError> {
        let (object, triggers, behavior) = params.read(setting)?;
        let (min, max) = object.hpa_bounds();
        let metric = |(position, trigger): (usize, &Trigger)| MetricSpec::External {
            metric: MetricIdentifier { name: format!("s{position}-{}", trigger.name()), selector: None },
            target: match trigger.target() {
                Target::AverageValue(milli) => MetricTarget::average_value(milli.0 as i64),
                Target::Value(milli) => MetricTarget::value(milli.0 as i64),
            },
        };
        let spec = HorizontalPodAutoscalerSpec {
            min_replicas: Some(min as i32),
            max_replicas: max as i32,
            metrics: triggers.iter().enumerate().map(metric).collect(),
            behavior,
        }
        .with_defaults();
        let settings = Settings::default();
        if let Some(problem) = spec.problems(settings.can_scale_to_zero).first() {
            return Err(ParameterError(problem.to_string()));
        }
        Ok(Keda {
            bounds: bounds(setting),
            health: vec![Health::default(); triggers.len()],
            period: SimDuration(common_divisor(object.polling_interval.0, SYNC_PERIOD.0)),
            object,
            triggers,
            spec,
            settings,
            target: ObjectReference { kind: String::new(), name: String::new(), api_version: String::new() },
            status: None,
            activity: Activity::Inactive,
            next_poll: SimTime::ZERO,
            next_look: SimTime::ZERO,
            state: State::default(),
        })
    }

    /// Asks the triggers; the replicas to write, if any.
    fn poll(&mut self, seen: &Observation<'_>) -> Option<i32> {
        let (replicas, ready) = (count(seen.replicas.wanted), count(seen.replicas.ready));
        let triggers = self.triggers.iter().zip(&mut self.health);
        let outcomes: Vec<_> = triggers
            .map(|(trigger, health)| health.observe(None, trigger.read(seen), trigger.target(), replicas, ready))
            .collect();
        let status = self.status.get_or_insert(Status { created: seen.now, last_active: None });
        let decision = self.object.decide(status, Polled::of(&outcomes, false), replicas, seen.now);
        self.activity = decision.activity;
        decision.replicas.map(|replicas| self.bounds.clamp(replicas as i32))
    }

    /// The look of the HPA.
    fn look(&mut self, seen: &Observation<'_>) -> HpaOutcome {
        let values: Vec<Option<[i64; 1]>> =
            self.triggers.iter().map(|one| one.read(seen).map(|reading| [reading.metric.0 as i64])).collect();
        let samples: Vec<MetricSamples<'_>> = values
            .iter()
            .map(|value| MetricSamples::OfSeries(value.as_ref().map(<[i64; 1]>::as_slice).ok_or("the trigger failed")))
            .collect();
        let scale = ObservedScale {
            spec_replicas: seen.replicas.wanted,
            status_replicas: seen.replicas.current,
            selector: "target",
        };
        let (spec, settings) = (&self.spec, &self.settings);
        Autoscaler { namespace: "", name: "", target: &self.target, spec, settings }.sync(
            &mut self.state,
            seen.now,
            &Seen {
                scale: Ok(scale),
                pods: PodsSeen::NONE,
                samples: &samples,
                also_selected_by: &[],
                pod_name: &|pod| format!("{}", pod.0),
                update_error: None,
            },
        )
    }

    /// What it says: its own condition, then those of the HPA.
    fn conditions(&self, seen: &Observation<'_>) -> Vec<Condition> {
        let (is_active, reason, message) = match self.activity {
            Activity::Active => (true, "ScalerActive", "a trigger is active"),
            Activity::Inactive => (false, "ScalerNotActive", "no trigger is active"),
            Activity::Cooldown => (false, "ScalerCooldown", "no trigger is active, and the cooldown goes on"),
        };
        let text = |message: &str| {
            if seen.wants_text { message.to_owned() } else { String::new() }
        };
        let own = Condition { kind: "Active", is_true: is_active, reason, message: text(message) };
        let hpa = self.state.status.conditions.iter().map(|one| Condition {
            kind: one.kind.name(),
            is_true: one.is_true,
            reason: one.reason,
            message: text(&one.message),
        });
        std::iter::once(own).chain(hpa).collect()
    }
}

fn count(replicas: i32) -> u32 {
    u32::try_from(replicas).unwrap_or(0)
}

fn common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { common_divisor(other, one % other) }
}

impl HorizontalAutoscaler for Keda {
    fn sync(&mut self, seen: &Observation<'_>) -> Decision {
        let mut replicas = None;
        let mut reason = String::new();
        if self.next_poll <= seen.now {
            self.next_poll = seen.now.after(self.object.polling_interval);
            replicas = self.poll(seen);
            if replicas.is_some() {
                reason = match self.activity {
                    Activity::Active => "a trigger has become active".to_owned(),
                    _ => "no trigger is active".to_owned(),
                };
            }
        }
        if self.next_look <= seen.now {
            self.next_look = seen.now.after(SYNC_PERIOD);
            if replicas.is_none() {
                let outcome = self.look(seen);
                replicas = outcome.scale_to.map(|replicas| self.bounds.clamp(replicas));
                reason = outcome.reason;
            }
        }
        let first = self.triggers.first().and_then(|trigger| Some((trigger, trigger.read(seen)?)));
        let metric = first.map(|(trigger, reading)| trigger.shown(reading));
        let replicas = Some(replicas.unwrap_or_else(|| self.bounds.clamp(seen.replicas.wanted)));
        Decision { replicas, reason, metric, conditions: self.conditions(seen), warnings: Vec::new() }
    }

    fn sync_period(&self) -> SimDuration {
        self.period
    }

    fn first_sync(&self) -> SimDuration {
        SimDuration::ZERO
    }

    fn reads(&self) -> Reads {
        written::reads(&self.triggers)
    }
}

#[cfg(test)]
mod tests;

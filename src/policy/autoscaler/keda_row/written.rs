//! The specs of ScaledObjects and ScaledJobs as they are written, and their triggers.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::policy::autoscaler::horizontal_pod_autoscaler::spec::Behavior;
use crate::policy::autoscaler::hpa::written::WrittenBehavior;
use crate::policy::autoscaler::keda::cron::CronTrigger;
use crate::policy::autoscaler::keda::scaled_job::{Calculation, ScaledJob, ScalingStrategy};
use crate::policy::autoscaler::keda::scaled_object::ScaledObject;
use crate::policy::autoscaler::keda::trigger::{Milli, QueryTrigger, Reading, SqsQueue, SqsTrigger, Target};
use crate::policy::autoscaler::{MetricSource, Observation, Reading as Shown, Reads, Setting};
use crate::policy::controllers::cron::WallClock;
use crate::policy::parameters::ParameterError;
use crate::units::SimDuration;

const SECOND: u64 = 1_000_000_000;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Params {
    triggers: Vec<WrittenTrigger>,
    polling_interval: u32,
    cooldown_period: u32,
    initial_cooldown_period: u32,
    idle_replica_count: Option<u32>,
    min_replica_count: Option<u32>,
    max_replica_count: Option<u32>,
    advanced: Option<Advanced>,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            triggers: Vec::new(),
            polling_interval: 30,
            cooldown_period: 300,
            initial_cooldown_period: 0,
            idle_replica_count: None,
            min_replica_count: None,
            max_replica_count: None,
            advanced: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Advanced {
    horizontal_pod_autoscaler_config: Option<HpaConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct HpaConfig {
    behavior: Option<WrittenBehavior>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WrittenTrigger {
    r#type: String,
    #[serde(default)]
    metadata: Map<String, Value>,
    metric_type: Option<String>,
}

/// A trigger, and what its metric is compared with.
#[derive(Clone, Debug)]
pub(super) struct Trigger {
    kind: Kind,
    is_value: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    Queue(SqsTrigger),
    Cron(CronTrigger),
    Metric(QueryTrigger, MetricSource),
}

impl Params {
    /// What is meant, within the bounds of the autoscaler.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn read(
        self,
        setting: &Setting<'_>,
    ) -> Result<(ScaledObject, Vec<Trigger>, Option<Behavior>), ParameterError> {
        let mut problems = Vec::new();
        let bound = |replicas: i32| u32::try_from(replicas).unwrap_or(0);
        let (least, most) = (bound(setting.min_replicas), bound(setting.max_replicas));
        let object = ScaledObject {
            polling_interval: SimDuration(u64::from(self.polling_interval) * SECOND),
            cooldown_period: SimDuration(u64::from(self.cooldown_period) * SECOND),
            initial_cooldown_period: SimDuration(u64::from(self.initial_cooldown_period) * SECOND),
            idle_replica_count: self.idle_replica_count,
            min_replica_count: Some(self.min_replica_count.unwrap_or(least)),
            max_replica_count: Some(self.max_replica_count.unwrap_or(most)),
            fallback: None,
        };
        if self.polling_interval == 0 {
            problems.push("`pollingInterval` must be above 0".to_owned());
        }
        for (name, given) in
            [("min", self.min_replica_count), ("max", self.max_replica_count), ("idle", self.idle_replica_count)]
        {
            if let Some(given) = given.filter(|given| !(least..=most).contains(given)) {
                problems.push(format!(
                    "`{name}ReplicaCount` {given} is not within minReplicas {least} and maxReplicas {most}"
                ));
            }
        }
        problems.extend(object.problems());
        let triggers = read_triggers(self.triggers, &mut problems);
        let config = self.advanced.and_then(|advanced| advanced.horizontal_pod_autoscaler_config);
        let behavior = config.and_then(|config| config.behavior).map(WrittenBehavior::spec).transpose()?;
        if problems.is_empty() { Ok((object, triggers, behavior)) } else { Err(ParameterError(problems.join("; "))) }
    }
}

/// The triggers as they are meant; none written: one queue.
fn read_triggers(written: Vec<WrittenTrigger>, problems: &mut Vec<String>) -> Vec<Trigger> {
    let written = if written.is_empty() { vec![WrittenTrigger::queue()] } else { written };
    let mut triggers = Vec::new();
    for (position, one) in written.into_iter().enumerate() {
        match one.read() {
            Ok(trigger) => triggers.push(trigger),
            Err(found) => problems.extend(found.iter().map(|why| format!("trigger {position}: {why}"))),
        }
    }
    triggers
}

/// The spec of a ScaledJob, as far as it decides on numbers.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct JobParams {
    triggers: Vec<WrittenTrigger>,
    polling_interval: u32,
    scaling_strategy: Option<WrittenStrategy>,
}

impl Default for JobParams {
    fn default() -> JobParams {
        JobParams { triggers: Vec::new(), polling_interval: 30, scaling_strategy: None }
    }
}

/// `scalingStrategy`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct WrittenStrategy {
    strategy: String,
    custom_scaling_queue_length_deduction: Option<i32>,
    custom_scaling_running_job_percentage: String,
    multiple_scalers_calculation: String,
}

impl JobParams {
    /// What is meant: the object, its triggers, and how often they are asked.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn read(self, setting: &Setting<'_>) -> Result<(ScaledJob, Vec<Trigger>, SimDuration), ParameterError> {
        let mut problems = Vec::new();
        if self.polling_interval == 0 {
            problems.push("`pollingInterval` must be above 0".to_owned());
        }
        let written = self.scaling_strategy.unwrap_or_default();
        let percentage = &written.custom_scaling_running_job_percentage;
        let strategy =
            ScalingStrategy::named(&written.strategy, written.custom_scaling_queue_length_deduction, percentage);
        // Upstream takes what it does not know for the default; that is more often a slip of the pen than meant.
        if !["", "default", "custom", "accurate", "eager"].contains(&written.strategy.as_str()) {
            problems
                .push(format!("there is no strategy `{}`: write default, custom, accurate or eager", written.strategy));
        }
        if !["", "max", "min", "avg", "sum"].contains(&written.multiple_scalers_calculation.as_str()) {
            let given = &written.multiple_scalers_calculation;
            problems.push(format!("`multipleScalersCalculation` is `{given}`: write max, min, avg or sum"));
        }
        let bound = |jobs: i32| Some(u32::try_from(jobs).unwrap_or(0));
        let object = ScaledJob {
            min_replica_count: bound(setting.min_replicas),
            max_replica_count: bound(setting.max_replicas),
            strategy,
            calculation: Calculation::named(&written.multiple_scalers_calculation),
        };
        let triggers = read_triggers(self.triggers, &mut problems);
        let interval = SimDuration(u64::from(self.polling_interval) * SECOND);
        if problems.is_empty() { Ok((object, triggers, interval)) } else { Err(ParameterError(problems.join("; "))) }
    }
}

impl WrittenTrigger {
    fn queue() -> WrittenTrigger {
        WrittenTrigger { r#type: "queue".to_owned(), metadata: Map::new(), metric_type: None }
    }

    fn read(self) -> Result<Trigger, Vec<String>> {
        let mut from = Metadata { map: self.metadata, problems: Vec::new() };
        let is_value = match self.metric_type.as_deref() {
            None | Some("AverageValue") => false,
            Some("Value") => true,
            Some(other) => {
                from.problems.push(format!("`metricType` is `{other}`: write AverageValue or Value"));
                false
            }
        };
        let kind = match self.r#type.as_str() {
            "queue" => Some(from.queue()),
            "cron" => from.cron(),
            "metric" => Some(from.metric()),
            other => {
                return Err(vec![format!("there is no type `{other}`: write queue, cron or metric")]);
            }
        };
        let left = from.map.keys().map(|key| format!("a trigger of type {} has no `{key}`", self.r#type));
        from.problems.extend(left);
        match kind {
            Some(kind) if from.problems.is_empty() => Ok(Trigger { kind, is_value }),
            _ => Err(from.problems),
        }
    }
}

/// Metadata, of which what is read is taken out.
struct Metadata {
    map: Map<String, Value>,
    problems: Vec<String>,
}

impl Metadata {
    fn text(&mut self, key: &str) -> Option<String> {
        let value = self.map.shift_remove(key)?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    fn value<T: std::str::FromStr>(&mut self, key: &str, default: T, what: &str, is_right: fn(&T) -> bool) -> T {
        let Some(text) = self.text(key) else {
            return default;
        };
        text.parse().ok().filter(is_right).unwrap_or_else(|| {
            self.problems.push(format!("`{key}` is `{text}`, and must be {what}"));
            default
        })
    }

    fn needed(&mut self, key: &str) -> String {
        self.text(key).unwrap_or_else(|| {
            self.problems.push(format!("`{key}` is missing"));
            String::new()
        })
    }

    fn queue(&mut self) -> Kind {
        let usual = SqsTrigger::default();
        Kind::Queue(SqsTrigger {
            queue_length: self
                .value("queueLength", usual.queue_length, "a whole number above 0", |&n| n > 0 && n < 1 << 40),
            activation_queue_length: self.value("activationQueueLength", 0, "a whole number", |_| true),
            scale_on_in_flight: self.value("scaleOnInFlight", true, "true or false", |_| true),
            scale_on_delayed: false,
        })
    }

    fn cron(&mut self) -> Option<Kind> {
        let (start, end, zone) = (self.needed("start"), self.needed("end"), self.needed("timezone"));
        let replicas = self.value("desiredReplicas", 0, "a whole number above 0", |&n| n > 0 && n < 1 << 31);
        match CronTrigger::new(&start, &end, &zone, replicas) {
            Ok(trigger) => Some(Kind::Cron(trigger)),
            Err(found) => {
                self.problems.extend(found.iter().map(ToString::to_string));
                None
            }
        }
    }

    fn metric(&mut self) -> Kind {
        let name = self.needed("metricName");
        let is_above_zero = |number: &f64| *number >= 0.001 && *number < 1e12;
        if !self.map.contains_key("threshold") {
            self.problems.push("`threshold` is missing".to_owned());
        }
        let trigger = QueryTrigger {
            threshold: self.value("threshold", 1.0, "a number of at least 0.001", is_above_zero),
            activation_threshold: self.value("activationThreshold", 0.0, "a number", |number| number.is_finite()),
            ignore_null_values: self.value("ignoreNullValues", true, "true or false", |_| true),
        };
        Kind::Metric(trigger, MetricSource { name, object: None, selector: String::new() })
    }
}

/// What must be seen for triggers to be read.
pub(super) fn reads(triggers: &[Trigger]) -> Reads {
    let metrics = triggers.iter().filter_map(Trigger::source).cloned().collect();
    Reads { traffic: triggers.iter().any(Trigger::reads_traffic), metrics, ..Reads::default() }
}

impl Trigger {
    /// What it reported, beside what that is compared with.
    pub(super) fn shown(&self, reading: Reading) -> Shown {
        let (current, target) = (reading.metric.value(), self.target().milli().value());
        Shown { name: self.name().to_owned(), current, target }
    }

    /// What its metric is called.
    pub(super) fn name(&self) -> &str {
        match &self.kind {
            Kind::Queue(_) => "queue",
            Kind::Cron(_) => "cron",
            Kind::Metric(_, source) => &source.name,
        }
    }

    pub(super) fn target(&self) -> Target {
        let target = match &self.kind {
            Kind::Queue(trigger) => trigger.target(),
            Kind::Cron(trigger) => trigger.target(),
            Kind::Metric(trigger, _) => trigger.target(),
        };
        if self.is_value { Target::Value(target.milli()) } else { target }
    }

    /// The named metric that it reads, if it reads one.
    fn source(&self) -> Option<&MetricSource> {
        if let Kind::Metric(_, source) = &self.kind { Some(source) } else { None }
    }

    fn reads_traffic(&self) -> bool {
        matches!(self.kind, Kind::Queue(_))
    }

    /// What it reports now; none: it fails.
    pub(super) fn read(&self, seen: &Observation<'_>) -> Option<Reading> {
        match &self.kind {
            Kind::Queue(trigger) => {
                let traffic = seen.traffic?;
                let whole = |number: f64| libm::round(number.max(0.0)) as u64;
                let visible = whole(traffic.queued.max(traffic.held));
                let in_flight = whole(traffic.in_flight).saturating_sub(visible);
                Some(trigger.read(&SqsQueue { visible, in_flight, delayed: 0 }))
            }
            Kind::Cron(trigger) => Some(trigger.read(WallClock::RUN.unix_seconds(seen.now))),
            Kind::Metric(trigger, source) => {
                let values =
                    seen.metrics.iter().find(|one| one.source == source).map_or(&[][..], |one| one.values_milli);
                // A query that finds several series is a failure.
                let value =
                    (values.len() <= 1).then(|| values.first().map(|&milli| Milli(milli.max(0) as u64).value()))?;
                trigger.read(value)
            }
        }
    }
}

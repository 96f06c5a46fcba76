//! What the metrics of an autoscaler ask for, one by one and together: `computeReplicasForMetrics`.

use super::Autoscaler;
use super::replica_calculator::{Goal, Proposal, ReplicaCalculator, Tolerances, sum_of_series};
use super::seen::{MetricSamples, ObservedScale, Seen};
use super::spec::{MetricIdentifier, MetricSpec, MetricTarget, ObjectReference, ResourceName, TargetKind};
use super::status::{ConditionType, MetricValue, Outcome, Status};
use crate::units::SimTime;

/// What all metrics together ask for.
pub(super) struct Computed {
    /// The largest proposal.
    pub(super) replicas: i32,
    /// Whose it is.
    pub(super) metric: String,
    /// What is wrong with some of the others.
    pub(super) error: Option<String>,
}

/// A metric that can be had.
struct Asked {
    replicas: i32,
    /// What upstream calls it.
    name: String,
    value: MetricValue,
}

/// A metric that cannot.
struct Failure {
    /// Reason of condition and event.
    reason: &'static str,
    /// What both say of it.
    cause: String,
    /// The error that the sync ends with.
    error: String,
}

/// What a metric needs to be worked out.
struct Metrics<'a> {
    autoscaler: &'a Autoscaler<'a>,
    calculator: ReplicaCalculator<'a>,
    scale: &'a ObservedScale<'a>,
}

/// What the metrics together ask for, with values of all of them.
///
/// # Errors
/// When none can be had, or some cannot and the others would take replicas away.
pub(super) fn compute<'a>(
    autoscaler: &'a Autoscaler<'a>,
    (now, seen, scale): (SimTime, &'a Seen<'a>, &'a ObservedScale<'a>),
    (status, outcome): (&mut Status, &mut Outcome),
) -> (Result<Computed, String>, Vec<Option<MetricValue>>) {
    if let Err(error) = check_selector(autoscaler, (now, seen, scale), (status, outcome)) {
        return (Err(error), Vec::new());
    }
    let tolerances = tolerances_of(autoscaler);
    let calculator = ReplicaCalculator { now, settings: autoscaler.settings, seen, tolerances };
    let metrics = Metrics { autoscaler, calculator, scale };
    let specs = &autoscaler.spec.metrics;
    let mut values = vec![None; specs.len()];
    let (mut replicas, mut metric) = (0, String::new());
    let (mut first_failure, mut failures) = (None, 0);
    for (position, spec) in specs.iter().enumerate() {
        match metrics.ask(spec, seen.samples.get(position).unwrap_or(&MetricSamples::OfUsage)) {
            Ok(asked) => {
                values[position] = Some(asked.value);
                if replicas == 0 || asked.replicas > replicas {
                    (replicas, metric) = (asked.replicas, asked.name);
                }
            }
            Err(failure) => {
                outcome.warn(failure.reason, failure.cause.clone());
                failures += 1;
                first_failure.get_or_insert(failure);
            }
        }
    }
    let of = specs.len();
    let error_of = |failure: &Failure| {
        format!("invalid metrics ({failures} invalid out of {of}), first error is: {}", failure.error)
    };
    let error = first_failure.as_ref().map(error_of);
    match first_failure {
        Some(first) if failures >= of || replicas < scale.spec_replicas => {
            let message = format!("the HPA was unable to compute the replica count: {}", first.cause);
            status.set_condition(now, ConditionType::ScalingActive, false, first.reason, message);
            (Err(error.unwrap_or_default()), values)
        }
        _ => {
            let message = format!("the HPA was able to successfully calculate a replica count from {metric}");
            status.set_condition(now, ConditionType::ScalingActive, true, "ValidMetricFound", message);
            (Ok(Computed { replicas, metric, error }), values)
        }
    }
}

/// `validateAndParseSelector`: there is a selector, and no other autoscaler has pods that this one has.
fn check_selector(
    autoscaler: &Autoscaler<'_>,
    (now, seen, scale): (SimTime, &Seen<'_>, &ObservedScale<'_>),
    (status, outcome): (&mut Status, &mut Outcome),
) -> Result<(), String> {
    if scale.selector.is_empty() {
        outcome.warn("SelectorRequired", "selector is required");
        let message = "the HPA target's scale is missing a selector";
        status.set_condition(now, ConditionType::ScalingActive, false, "InvalidSelector", message);
        return Err("selector is required".to_owned());
    }
    let Some(other) = seen.also_selected_by.first() else { return Ok(()) };
    // Upstream names two of them in no particular order.
    let mut names = [autoscaler.name, other];
    names.sort_unstable();
    let namespace = autoscaler.namespace;
    let message = format!(
        "pods by selector {} are controlled by more than one HPA (e.g. [{namespace}/{} {namespace}/{}])",
        scale.selector, names[0], names[1],
    );
    outcome.warn("AmbiguousSelector", message.clone());
    status.set_condition(now, ConditionType::ScalingActive, false, "AmbiguousSelector", message.clone());
    Err(message)
}

/// `tolerancesForHpa`.
fn tolerances_of(autoscaler: &Autoscaler<'_>) -> Tolerances {
    let behavior = autoscaler.spec.behavior.as_ref();
    let down = behavior.and_then(|behavior| behavior.scale_down.as_ref()?.tolerance);
    let up = behavior.and_then(|behavior| behavior.scale_up.as_ref()?.tolerance);
    let default = autoscaler.settings.tolerance;
    Tolerances {
        down: down.map_or(default, |tolerance| tolerance.as_ratio()),
        up: up.map_or(default, |tolerance| tolerance.as_ratio()),
    }
}

impl Metrics<'_> {
    /// `computeReplicasForMetric`.
    fn ask(&self, spec: &MetricSpec, samples: &MetricSamples<'_>) -> Result<Asked, Failure> {
        match spec {
            MetricSpec::Resource { name, target } => self.usage(name, None, target).map_err(|cause| Failure {
                reason: "FailedGetResourceMetric",
                error: format!("failed to get {name} resource metric value: {cause}"),
                cause,
            }),
            MetricSpec::ContainerResource { name, container, target } => {
                self.usage(name, Some(container), target).map_err(|cause| Failure {
                    reason: "FailedGetContainerResourceMetric",
                    error: format!("failed to get {container} container metric value: {cause}"),
                    cause,
                })
            }
            MetricSpec::Pods { metric, average_value_milli } => {
                self.of_pods(metric, *average_value_milli, samples).map_err(|cause| Failure {
                    reason: "FailedGetPodsMetric",
                    error: format!("failed to get pods metric value: {cause}"),
                    cause,
                })
            }
            MetricSpec::Object { described_object, metric, target } => {
                self.of_object(described_object, metric, target, samples)
            }
            MetricSpec::External { metric, target } => self.external(metric, target, samples),
        }
    }

    /// `computeStatusForResourceMetricGeneric`.
    fn usage(&self, name: &ResourceName, container: Option<&str>, target: &MetricTarget) -> Result<Asked, String> {
        let current = self.scale.spec_replicas;
        if let Some(target) = target.average_value_milli {
            let asked = self.calculator.resource(current, Goal::Usage(target), name, container);
            let proposal = asked.map_err(|why| format!("failed to get {name} usage: {why}"))?;
            return Ok(average(&proposal, format!("{name} resource")));
        }
        let Some(target) = target.average_utilization else {
            return Err("invalid resource metric source: neither an average utilization target nor an average value \
                        (usage) target was set"
                .to_owned());
        };
        let asked = self.calculator.resource(current, Goal::Utilization(target), name, container);
        let proposal = asked.map_err(|why| format!("failed to get {name} utilization: {why}"))?;
        let of = if container.is_some() { "container resource" } else { "resource" };
        Ok(average(&proposal, format!("{name} {of} utilization (percentage of request)")))
    }

    /// `computeStatusForPodsMetric`.
    fn of_pods(
        &self,
        metric: &MetricIdentifier,
        target_milli: i64,
        samples: &MetricSamples<'_>,
    ) -> Result<Asked, String> {
        let current = self.scale.spec_replicas;
        let proposal = self.calculator.pods_metric(current, target_milli, &metric.name, samples)?;
        Ok(average(&proposal, format!("pods metric {}", metric.name)))
    }

    /// `computeStatusForObjectMetric`.
    fn of_object(
        &self,
        object: &ObjectReference,
        metric: &MetricIdentifier,
        target: &MetricTarget,
        samples: &MetricSamples<'_>,
    ) -> Result<Asked, Failure> {
        let name = &metric.name;
        let failed = |before: &str, cause: String| Failure {
            reason: "FailedGetObjectMetric",
            error: format!("failed to get object metric value: {before}{cause}"),
            cause,
        };
        let value = self.object_value(object, name, samples);
        match (target.kind, target.value_milli, target.average_value_milli) {
            (TargetKind::Value, Some(target), _) => {
                let current = self.scale.spec_replicas;
                let asked = value.and_then(|value| self.calculator.shared_value(current, value, target));
                let proposal = asked.map_err(|cause| failed("", cause))?;
                Ok(whole(&proposal, format!("{} metric {name}", object.kind)))
            }
            (TargetKind::AverageValue, _, Some(target)) => {
                let before = format!("failed to get {name} object metric: ");
                let value = value.map_err(|cause| failed(&before, cause))?;
                let proposal = self.calculator.object_per_pod(self.scale.status_replicas, value, target);
                Ok(average(&proposal, format!("external metric {name}({})", metric.selector_text())))
            }
            _ => {
                let cause = "invalid object metric source: neither a value target nor an average value target was set";
                Err(failed("", cause.to_owned()))
            }
        }
    }

    fn object_value(&self, object: &ObjectReference, name: &str, samples: &MetricSamples<'_>) -> Result<i64, String> {
        let why = match samples {
            MetricSamples::OfObject(Ok(value)) => return Ok(*value),
            MetricSamples::OfObject(Err(why)) => why,
            _ => "no metrics returned",
        };
        let place = format!("{} {}/{}", object.kind, self.autoscaler.namespace, object.name);
        let api = "unable to fetch metrics from custom metrics API";
        Err(format!("unable to get metric {name} on {place}: {api}: {why}"))
    }

    /// `computeStatusForExternalMetric`.
    fn external(
        &self,
        metric: &MetricIdentifier,
        target: &MetricTarget,
        samples: &MetricSamples<'_>,
    ) -> Result<Asked, Failure> {
        let name = &metric.name;
        let failed = |before: &str, cause: String| Failure {
            reason: "FailedGetExternalMetric",
            error: format!("failed to get {name} external metric value: {before}{cause}"),
            cause,
        };
        let label = || format!("external metric {name}({})", metric.selector_text());
        let series = self.series(metric, samples);
        if let Some(target) = target.average_value_milli {
            let before = format!("failed to get {name} external metric: ");
            let sum = sum_of_series(series.map_err(|cause| failed(&before, cause))?, true);
            let proposal = self.calculator.external_per_pod(self.scale.status_replicas, sum, target);
            return Ok(average(&proposal, label()));
        }
        if let Some(target) = target.value_milli {
            let current = self.scale.spec_replicas;
            let asked =
                series.and_then(|series| self.calculator.shared_value(current, sum_of_series(series, false), target));
            let before = format!("failed to get external metric {name}: ");
            return Ok(whole(&asked.map_err(|cause| failed(&before, cause))?, label()));
        }
        let cause = "invalid external metric source: neither a value target nor an average value target was set";
        Err(failed("", cause.to_owned()))
    }

    fn series<'s>(&self, metric: &MetricIdentifier, samples: &MetricSamples<'s>) -> Result<&'s [i64], String> {
        let why = match samples {
            MetricSamples::OfSeries(Ok(values)) if !values.is_empty() => return Ok(values),
            MetricSamples::OfSeries(Err(why)) => format!("unable to fetch metrics from external metrics API: {why}"),
            _ => "no metrics returned from external metrics API".to_owned(),
        };
        let which = format!("{}/{}/{}", self.autoscaler.namespace, metric.name, metric.selector_text());
        Err(format!("unable to get external metric {which}: {why}"))
    }
}

/// A metric that is a mean of the pods.
fn average(proposal: &Proposal, name: String) -> Asked {
    let Proposal { replicas, usage_milli, utilization } = *proposal;
    let value = MetricValue {
        average_utilization: utilization,
        average_value_milli: Some(usage_milli),
        ..MetricValue::default()
    };
    Asked { replicas, name, value }
}

/// A metric that is one value.
fn whole(proposal: &Proposal, name: String) -> Asked {
    let value = MetricValue { value_milli: Some(proposal.usage_milli), ..MetricValue::default() };
    Asked { replicas: proposal.replicas, name, value }
}

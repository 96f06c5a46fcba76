//! What the API server refuses of a HorizontalPodAutoscaler.

use std::fmt;

use super::{
    Behavior, HorizontalPodAutoscalerSpec, MetricIdentifier, MetricSpec, MetricTarget, ObjectReference, ResourceName,
    ScalingPolicy, ScalingRules,
};

/// The longest period of a policy in s (`MaxPeriodSeconds`).
const PERIOD_MAX_S: i32 = 1800;
/// The longest window of stabilisation in s (`MaxStabilizationWindowSeconds`).
const WINDOW_MAX_S: i32 = 3600;

/// A field that the API server refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecProblem {
    /// The field, below `spec`: `metrics[0].resource.target.averageUtilization`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for SpecProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.field, self.message)
    }
}

impl HorizontalPodAutoscalerSpec {
    /// Everything that the API server refuses, as `ValidateHorizontalPodAutoscaler` does
    /// (`pkg/apis/autoscaling/validation/validation.go`); `can_scale_to_zero` is the feature gate `HPAScaleToZero`, which is
    /// on in v1.37. Names are only required to be there.
    pub fn problems(&self, can_scale_to_zero: bool) -> Vec<SpecProblem> {
        let mut found = Found::default();
        let fewest = i32::from(!can_scale_to_zero);
        if self.min_replicas.is_some_and(|min| min < fewest) {
            found.add("minReplicas", format!("must be greater than or equal to {fewest}"));
        }
        if self.max_replicas == 0 {
            found.add("maxReplicas", "must be set and greater than 0");
        } else if self.max_replicas < 0 {
            found.add("maxReplicas", "must be greater than or equal to 1");
        }
        if self.min_replicas.is_some_and(|min| self.max_replicas < min) {
            found.add("maxReplicas", "must be greater than or equal to `minReplicas`");
        }
        for (position, metric) in self.metrics.iter().enumerate() {
            found.metric(&format!("metrics[{position}]"), metric);
        }
        let is_of_object =
            |metric: &MetricSpec| matches!(metric, MetricSpec::Object { .. } | MetricSpec::External { .. });
        if self.min_replicas == Some(0) && !self.metrics.iter().any(is_of_object) {
            found.add(
                "metrics",
                "must specify at least one Object or External metric to support scaling to zero replicas",
            );
        }
        if let Some(Behavior { scale_up, scale_down }) = &self.behavior {
            found.rules("behavior.scaleUp", scale_up.as_ref());
            found.rules("behavior.scaleDown", scale_down.as_ref());
        }
        found.problems
    }
}

#[derive(Default)]
struct Found {
    problems: Vec<SpecProblem>,
}

impl Found {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.problems.push(SpecProblem { field: field.into(), message: message.into() });
    }

    fn metric(&mut self, place: &str, metric: &MetricSpec) {
        match metric {
            MetricSpec::Resource { name, target } => self.usage(&format!("{place}.resource"), name, target),
            MetricSpec::ContainerResource { name, container, target } => {
                let place = format!("{place}.containerResource");
                if container.is_empty() {
                    self.add(format!("{place}.container"), "must specify a container");
                }
                self.usage(&place, name, target);
            }
            MetricSpec::Pods { metric, average_value_milli } => {
                let target = MetricTarget::average_value(*average_value_milli);
                self.identified(&format!("{place}.pods"), metric, &target);
            }
            MetricSpec::Object { described_object, metric, target } => {
                let place = format!("{place}.object");
                self.reference(&format!("{place}.describedObject"), described_object);
                self.identified(&place, metric, target);
                if target.value_milli.is_none() && target.average_value_milli.is_none() {
                    let message = "must set either a target value or averageValue";
                    self.add(format!("{place}.target.averageValue"), message);
                }
            }
            MetricSpec::External { metric, target } => {
                let place = format!("{place}.external");
                self.identified(&place, metric, target);
                let message = match (target.value_milli, target.average_value_milli) {
                    (None, None) => ("averageValue", "must set either a target value for metric or a per-pod target"),
                    (Some(_), Some(_)) => ("value", "may not set both a target value for metric and a per-pod target"),
                    _ => return,
                };
                self.add(format!("{place}.target.{}", message.0), message.1);
            }
        }
    }

    /// A metric of requests: utilisation or a raw value, one of them.
    fn usage(&mut self, place: &str, name: &ResourceName, target: &MetricTarget) {
        if matches!(name, ResourceName::Other(name) if name.is_empty()) {
            self.add(format!("{place}.name"), "must specify a resource name");
        }
        self.target(place, target);
        match (target.average_utilization, target.average_value_milli) {
            (None, None) => self.add(
                format!("{place}.target.averageUtilization"),
                "must set either a target raw value or a target utilization",
            ),
            (Some(_), Some(_)) => self.add(
                format!("{place}.target.averageValue"),
                "may not set both a target raw value and a target utilization",
            ),
            _ => {}
        }
    }

    fn identified(&mut self, place: &str, metric: &MetricIdentifier, target: &MetricTarget) {
        if metric.name.is_empty() {
            self.add(format!("{place}.metric.name"), "must specify a metric name");
        }
        self.target(place, target);
    }

    fn target(&mut self, place: &str, target: &MetricTarget) {
        for (name, value) in [("value", target.value_milli), ("averageValue", target.average_value_milli)] {
            if value.is_some_and(|milli| milli <= 0) {
                self.add(format!("{place}.target.{name}"), "must be positive");
            }
        }
        if target.average_utilization.is_some_and(|percent| percent < 1) {
            self.add(format!("{place}.target.averageUtilization"), "must be greater than 0");
        }
    }

    fn reference(&mut self, place: &str, ObjectReference { kind, name, .. }: &ObjectReference) {
        for (field, value) in [("kind", kind), ("name", name)] {
            if value.is_empty() {
                self.add(format!("{place}.{field}"), "must be set");
            }
        }
    }

    /// Rules of one direction, before or after defaults are put in.
    fn rules(&mut self, place: &str, rules: Option<&ScalingRules>) {
        let Some(rules) = rules else { return };
        match rules.stabilization_window_s {
            Some(..0) => {
                self.add(format!("{place}.stabilizationWindowSeconds"), "must be greater than or equal to zero");
            }
            Some(window_s) if window_s > WINDOW_MAX_S => self.add(
                format!("{place}.stabilizationWindowSeconds"),
                format!("must be less than or equal to {WINDOW_MAX_S}"),
            ),
            _ => {}
        }
        if rules.policies.as_ref().is_some_and(Vec::is_empty) {
            self.add(format!("{place}.policies"), "must specify at least one Policy");
        }
        for (position, policy) in rules.policies.iter().flatten().enumerate() {
            self.policy(&format!("{place}.policies[{position}]"), policy);
        }
    }

    fn policy(&mut self, place: &str, policy: &ScalingPolicy) {
        if policy.value <= 0 {
            self.add(format!("{place}.value"), "must be greater than zero");
        }
        if policy.period_s <= 0 {
            self.add(format!("{place}.periodSeconds"), "must be greater than zero");
        }
        if policy.period_s > PERIOD_MAX_S {
            self.add(format!("{place}.periodSeconds"), format!("must be less than or equal to {PERIOD_MAX_S}"));
        }
    }
}

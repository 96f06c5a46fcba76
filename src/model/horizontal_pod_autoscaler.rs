//! Horizontal pod autoscalers: what a manifest of kind HorizontalPodAutoscaler says (`autoscaling/v2`).
//!
//! The types mirror `k8s.io/api/autoscaling/v2` of v1.37.0, with amounts in thousandths of their unit as the controller
//! reads them. [`HorizontalPodAutoscalerSpec::with_defaults`] puts in the defaults of
//! `pkg/apis/autoscaling/v2/defaults.go`, [`HorizontalPodAutoscalerSpec::problems`] finds what the API server would refuse.

use std::fmt;

use super::pod_spec::{LabelRequirement, LabelSelector, SelectorOperator};
use crate::units::{QuantityError, parse_quantity_nano};

mod problems;

#[cfg(test)]
mod tests;

pub use problems::SpecProblem;

/// The utilisation of CPU that is aimed at where no metric is named, in per cent (`autoscaling.DefaultCPUUtilization`).
pub const DEFAULT_CPU_UTILIZATION: i32 = 80;

/// `HorizontalPodAutoscalerSpec`, without `scaleTargetRef`.
#[derive(Clone, Debug, PartialEq)]
pub struct HorizontalPodAutoscalerSpec {
    /// `minReplicas`; none: 1. 0 needs an object or external metric.
    pub min_replicas: Option<i32>,
    /// `maxReplicas`, at least 1 and `minReplicas`.
    pub max_replicas: i32,
    /// `metrics`; the largest proposal of them wins.
    pub metrics: Vec<MetricSpec>,
    /// `behavior`; none: the rules of `autoscaling/v1`, which the flags of the controller set.
    pub behavior: Option<Behavior>,
}

/// `MetricSpec`: what is measured, and what it should be.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricSpec {
    /// `resource`: usage of the pods.
    Resource {
        /// `name`.
        name: ResourceName,
        /// `target`.
        target: MetricTarget,
    },
    /// `containerResource`: usage of one container of each pod.
    ContainerResource {
        /// `name`.
        name: ResourceName,
        /// `container`.
        container: String,
        /// `target`.
        target: MetricTarget,
    },
    /// `pods`: a metric of each pod.
    Pods {
        /// `metric`.
        metric: MetricIdentifier,
        /// `target.averageValue`, in thousandths of its unit.
        average_value_milli: i64,
    },
    /// `object`: a metric of another object.
    Object {
        /// `describedObject`.
        described_object: ObjectReference,
        /// `metric`.
        metric: MetricIdentifier,
        /// `target`.
        target: MetricTarget,
    },
    /// `external`: a metric of no object of the cluster.
    External {
        /// `metric`.
        metric: MetricIdentifier,
        /// `target`.
        target: MetricTarget,
    },
}

/// `v1.ResourceName`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceName {
    /// `cpu`.
    Cpu,
    /// `memory`.
    Memory,
    /// Another one, which the resource metrics API does not measure.
    Other(String),
}

impl fmt::Display for ResourceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            ResourceName::Cpu => "cpu",
            ResourceName::Memory => "memory",
            ResourceName::Other(name) => name,
        })
    }
}

impl From<&str> for ResourceName {
    fn from(name: &str) -> ResourceName {
        match name {
            "cpu" => ResourceName::Cpu,
            "memory" => ResourceName::Memory,
            other => ResourceName::Other(other.to_owned()),
        }
    }
}

/// `MetricTarget`. Which of the numbers counts depends on the kind of metric; upstream reads `type` for objects alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricTarget {
    /// `type`.
    pub kind: TargetKind,
    /// `value`, in thousandths of its unit.
    pub value_milli: Option<i64>,
    /// `averageValue`, in thousandths of its unit (of CPU milli-cores, of memory thousandths of a byte).
    pub average_value_milli: Option<i64>,
    /// `averageUtilization`, in per cent of the requests.
    pub average_utilization: Option<i32>,
}

impl MetricTarget {
    /// So many per cent of the requests.
    pub fn utilization(percent: i32) -> MetricTarget {
        MetricTarget { average_utilization: Some(percent), ..MetricTarget::none(TargetKind::Utilization) }
    }

    /// That value as a whole, in thousandths of its unit.
    pub fn value(milli: i64) -> MetricTarget {
        MetricTarget { value_milli: Some(milli), ..MetricTarget::none(TargetKind::Value) }
    }

    /// That value for each pod, in thousandths of its unit.
    pub fn average_value(milli: i64) -> MetricTarget {
        MetricTarget { average_value_milli: Some(milli), ..MetricTarget::none(TargetKind::AverageValue) }
    }

    fn none(kind: TargetKind) -> MetricTarget {
        MetricTarget { kind, value_milli: None, average_value_milli: None, average_utilization: None }
    }
}

/// `MetricTargetType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// `Utilization`.
    Utilization,
    /// `Value`.
    Value,
    /// `AverageValue`.
    AverageValue,
}

/// `MetricIdentifier`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricIdentifier {
    /// `name`.
    pub name: String,
    /// `selector`; none: the metric is picked by its name alone.
    pub selector: Option<MetricSelector>,
}

impl MetricIdentifier {
    /// The selector as upstream's messages show it.
    pub fn selector_text(&self) -> String {
        self.selector.as_ref().map_or_else(|| "nil".to_owned(), MetricSelector::to_string)
    }
}

/// The selector of a metric: a `LabelSelector` that still knows how it was written, which upstream's messages show.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricSelector {
    /// `matchLabels`, sorted by key.
    pub match_labels: Vec<(String, String)>,
    /// `matchExpressions`, as written.
    pub match_expressions: Vec<LabelRequirement>,
}

impl MetricSelector {
    /// The same for matching.
    pub fn to_label_selector(&self) -> LabelSelector {
        let is_value = |(key, value): &(String, String)| LabelRequirement {
            key: key.clone(),
            operator: SelectorOperator::In,
            values: vec![value.clone()],
        };
        let mut expressions = self.match_expressions.clone();
        expressions.sort();
        LabelSelector { requirements: self.match_labels.iter().map(is_value).chain(expressions).collect() }
    }
}

impl fmt::Display for MetricSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("&LabelSelector{MatchLabels:map[string]string{")?;
        for (key, value) in &self.match_labels {
            write!(formatter, "{key}: {value},")?;
        }
        formatter.write_str("},MatchExpressions:[]LabelSelectorRequirement{")?;
        for LabelRequirement { key, operator, values } in &self.match_expressions {
            let values = values.join(" ");
            write!(formatter, "LabelSelectorRequirement{{Key:{key},Operator:{operator:?},Values:[{values}],}},")?;
        }
        formatter.write_str("},}")
    }
}

/// `CrossVersionObjectReference`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectReference {
    /// `kind`.
    pub kind: String,
    /// `name`.
    pub name: String,
    /// `apiVersion`; it may be empty.
    pub api_version: String,
}

/// `HorizontalPodAutoscalerBehavior`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Behavior {
    /// `scaleUp`.
    pub scale_up: Option<ScalingRules>,
    /// `scaleDown`.
    pub scale_down: Option<ScalingRules>,
}

/// `HPAScalingRules`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScalingRules {
    /// `stabilizationWindowSeconds`, 0 to 3600.
    pub stabilization_window_s: Option<i32>,
    /// `selectPolicy`.
    pub select_policy: Option<SelectPolicy>,
    /// `policies`.
    pub policies: Option<Vec<ScalingPolicy>>,
    /// `tolerance`.
    pub tolerance: Option<Tolerance>,
}

/// `ScalingPolicySelect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectPolicy {
    /// The policy that allows the largest change.
    Max,
    /// The policy that allows the smallest change.
    Min,
    /// No change in this direction.
    Disabled,
}

/// `HPAScalingPolicy`: so much change within a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScalingPolicy {
    /// `type`.
    pub kind: PolicyKind,
    /// `value`, more than 0.
    pub value: i32,
    /// `periodSeconds`, 1 to 1800.
    pub period_s: i32,
}

/// `HPAScalingPolicyType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// `Pods`.
    Pods,
    /// `Percent` of the replicas at the start of the period.
    Percent,
}

/// A tolerance: how far the ratio of usage to target may be from 1 without a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance(f64);

impl Tolerance {
    /// A tolerance as manifests write it, such as `0.05` or `50m`.
    ///
    /// Upstream reads the quantity in the form into which the API server brings it, and multiplies its digits by a power
    /// of ten (`Quantity.AsApproximateFloat64`), which need not give the number that is nearest; so does this.
    ///
    /// # Errors
    /// When the text is no quantity or negative.
    pub fn parse(text: &str) -> Result<Tolerance, QuantityError> {
        let nano = parse_quantity_nano(text)?;
        let (digits, divisor) = [(1_000_000_000, 1e0), (1_000_000, 1e3), (1000, 1e6), (1, 1e9)]
            .into_iter()
            .find(|(nanos, _)| nano % nanos == 0)
            .map_or((nano, 1e9), |(nanos, divisor)| (nano / nanos, divisor));
        Ok(Tolerance(digits as f64 * (1.0 / divisor)))
    }

    /// The ratio, not negative: 0.1 stands for 10 per cent.
    pub fn as_ratio(self) -> f64 {
        self.0
    }
}

impl HorizontalPodAutoscalerSpec {
    /// The spec with upstream's defaults put in: one replica at least, 80 per cent of CPU without a metric, and both
    /// directions of a behaviour complete. The window of scaling down stays unset: a flag of the controller gives it.
    pub fn with_defaults(mut self) -> HorizontalPodAutoscalerSpec {
        self.min_replicas.get_or_insert(1);
        if self.metrics.is_empty() {
            let target = MetricTarget::utilization(DEFAULT_CPU_UTILIZATION);
            self.metrics.push(MetricSpec::Resource { name: ResourceName::Cpu, target });
        }
        if let Some(behavior) = &mut self.behavior {
            behavior.scale_up = Some(ScalingRules::over(behavior.scale_up.take(), ScalingRules::default_up()));
            behavior.scale_down = Some(ScalingRules::over(behavior.scale_down.take(), ScalingRules::default_down()));
        }
        self
    }
}

impl ScalingRules {
    /// `defaultHPAScaleUpRules`: 4 pods or 100 per cent in 15 s, whichever is more, at once.
    pub fn default_up() -> ScalingRules {
        ScalingRules {
            stabilization_window_s: Some(0),
            select_policy: Some(SelectPolicy::Max),
            policies: Some(vec![
                ScalingPolicy { kind: PolicyKind::Pods, value: 4, period_s: 15 },
                ScalingPolicy { kind: PolicyKind::Percent, value: 100, period_s: 15 },
            ]),
            tolerance: None,
        }
    }

    /// `defaultHPAScaleDownRules`: everything in 15 s, after the window that the controller's flag gives.
    pub fn default_down() -> ScalingRules {
        ScalingRules {
            stabilization_window_s: None,
            select_policy: Some(SelectPolicy::Max),
            policies: Some(vec![ScalingPolicy { kind: PolicyKind::Percent, value: 100, period_s: 15 }]),
            tolerance: None,
        }
    }

    /// `copyHPAScalingRules`: what is written wins over the default.
    fn over(written: Option<ScalingRules>, default: ScalingRules) -> ScalingRules {
        let written = written.unwrap_or_default();
        ScalingRules {
            stabilization_window_s: written.stabilization_window_s.or(default.stabilization_window_s),
            select_policy: written.select_policy.or(default.select_policy),
            policies: written.policies.or(default.policies),
            tolerance: written.tolerance.or(default.tolerance),
        }
    }
}

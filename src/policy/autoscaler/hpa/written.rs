//! `spec.metrics` and `spec.behavior` of `autoscaling/v2` as manifests write them.

use serde::Deserialize;
use serde_json::Value;

use crate::model::pod_spec::{LabelRequirement, SelectorOperator};
use crate::policy::autoscaler::horizontal_pod_autoscaler::spec::{
    Behavior, MetricIdentifier, MetricSelector, MetricSpec, MetricTarget, ObjectReference, PolicyKind, ResourceName,
    ScalingPolicy, ScalingRules, SelectPolicy, TargetKind, Tolerance,
};
use crate::policy::parameters::ParameterError;
use crate::units::parse_quantity_milli;

/// `MetricSpec`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::policy::autoscaler) struct WrittenMetric {
    r#type: String,
    resource: Option<WrittenResource>,
    container_resource: Option<WrittenResource>,
    pods: Option<WrittenCustom>,
    object: Option<WrittenCustom>,
    external: Option<WrittenCustom>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WrittenResource {
    name: String,
    container: Option<String>,
    target: WrittenTarget,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WrittenCustom {
    described_object: Option<WrittenObject>,
    metric: WrittenIdentifier,
    target: WrittenTarget,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WrittenObject {
    kind: String,
    name: String,
    #[serde(default)]
    api_version: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WrittenIdentifier {
    name: String,
    selector: Option<WrittenSelector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WrittenSelector {
    #[serde(default)]
    match_labels: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    match_expressions: Vec<WrittenExpression>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WrittenExpression {
    key: String,
    operator: String,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WrittenTarget {
    r#type: String,
    value: Option<Value>,
    average_value: Option<Value>,
    average_utilization: Option<i32>,
}

/// `HorizontalPodAutoscalerBehavior`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::policy::autoscaler) struct WrittenBehavior {
    scale_up: Option<WrittenRules>,
    scale_down: Option<WrittenRules>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WrittenRules {
    stabilization_window_seconds: Option<i32>,
    select_policy: Option<String>,
    policies: Option<Vec<WrittenPolicy>>,
    tolerance: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WrittenPolicy {
    r#type: String,
    value: i32,
    period_seconds: i32,
}

fn refuse<T>(message: String) -> Result<T, ParameterError> {
    Err(ParameterError(message))
}

/// A quantity, which may be written as a number, as text.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn milli(value: Option<&Value>) -> Result<Option<i64>, ParameterError> {
    let Some(value) = value else { return Ok(None) };
    match parse_quantity_milli(&text(value)).map(i64::try_from) {
        Ok(Ok(milli)) => Ok(Some(milli)),
        _ => refuse(format!("`{}` is no quantity", text(value))),
    }
}

fn choice<T: Copy>(written: &str, allowed: &[(&str, T)]) -> Result<T, ParameterError> {
    let found = allowed.iter().find(|(name, _)| *name == written).map(|(_, value)| *value);
    let names = || allowed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| ParameterError(format!("`{written}` is none of {}", names())))
}

impl WrittenMetric {
    /// What is meant.
    ///
    /// # Errors
    /// When the part that the type names is missing, or a word or quantity is wrong.
    pub(in crate::policy::autoscaler) fn spec(self) -> Result<MetricSpec, ParameterError> {
        let missing = |part: &str| ParameterError(format!("a metric of type {} needs `{part}`", self.r#type));
        match self.r#type.as_str() {
            "Resource" => {
                let one = self.resource.ok_or_else(|| missing("resource"))?;
                Ok(MetricSpec::Resource { name: ResourceName::from(one.name.as_str()), target: one.target.spec()? })
            }
            "ContainerResource" => {
                let one = self.container_resource.ok_or_else(|| missing("containerResource"))?;
                let container = one.container.unwrap_or_default();
                Ok(MetricSpec::ContainerResource {
                    name: ResourceName::from(one.name.as_str()),
                    container,
                    target: one.target.spec()?,
                })
            }
            "Pods" => {
                let one = self.pods.ok_or_else(|| missing("pods"))?;
                let average = one.target.spec()?.average_value_milli;
                let average_value_milli = average.ok_or_else(|| missing("target.averageValue"))?;
                Ok(MetricSpec::Pods { metric: one.metric.spec()?, average_value_milli })
            }
            "Object" => {
                let one = self.object.ok_or_else(|| missing("object"))?;
                let object =
                    one.described_object.ok_or_else(|| ParameterError("`describedObject` is missing".into()))?;
                let described_object =
                    ObjectReference { kind: object.kind, name: object.name, api_version: object.api_version };
                Ok(MetricSpec::Object { described_object, metric: one.metric.spec()?, target: one.target.spec()? })
            }
            "External" => {
                let one = self.external.ok_or_else(|| missing("external"))?;
                Ok(MetricSpec::External { metric: one.metric.spec()?, target: one.target.spec()? })
            }
            other => refuse(format!(
                "`{other}` is no type of metric: there are Resource, ContainerResource, Pods, Object and External"
            )),
        }
    }
}

impl WrittenIdentifier {
    fn spec(self) -> Result<MetricIdentifier, ParameterError> {
        let selector = self.selector.map(WrittenSelector::spec).transpose()?;
        Ok(MetricIdentifier { name: self.name, selector })
    }
}

impl WrittenSelector {
    fn spec(self) -> Result<MetricSelector, ParameterError> {
        let operators = [
            ("In", SelectorOperator::In),
            ("NotIn", SelectorOperator::NotIn),
            ("Exists", SelectorOperator::Exists),
            ("DoesNotExist", SelectorOperator::DoesNotExist),
        ];
        let requirement = |one: WrittenExpression| {
            let operator = choice(&one.operator, &operators)?;
            Ok(LabelRequirement { key: one.key, operator, values: one.values })
        };
        let match_expressions =
            self.match_expressions.into_iter().map(requirement).collect::<Result<_, ParameterError>>()?;
        Ok(MetricSelector { match_labels: self.match_labels.into_iter().collect(), match_expressions })
    }
}

impl WrittenTarget {
    fn spec(self) -> Result<MetricTarget, ParameterError> {
        let kinds = [
            ("Utilization", TargetKind::Utilization),
            ("Value", TargetKind::Value),
            ("AverageValue", TargetKind::AverageValue),
        ];
        Ok(MetricTarget {
            kind: choice(&self.r#type, &kinds)?,
            value_milli: milli(self.value.as_ref())?,
            average_value_milli: milli(self.average_value.as_ref())?,
            average_utilization: self.average_utilization,
        })
    }
}

impl WrittenBehavior {
    /// What is meant.
    ///
    /// # Errors
    /// When a word or a tolerance is wrong.
    pub(in crate::policy::autoscaler) fn spec(self) -> Result<Behavior, ParameterError> {
        Ok(Behavior {
            scale_up: self.scale_up.map(WrittenRules::spec).transpose()?,
            scale_down: self.scale_down.map(WrittenRules::spec).transpose()?,
        })
    }
}

impl WrittenRules {
    fn spec(self) -> Result<ScalingRules, ParameterError> {
        let selections = [("Max", SelectPolicy::Max), ("Min", SelectPolicy::Min), ("Disabled", SelectPolicy::Disabled)];
        let kinds = [("Pods", PolicyKind::Pods), ("Percent", PolicyKind::Percent)];
        let policy = |one: WrittenPolicy| {
            let kind = choice(&one.r#type, &kinds)?;
            Ok(ScalingPolicy { kind, value: one.value, period_s: one.period_seconds })
        };
        let policies = self.policies.map(|list| list.into_iter().map(policy).collect::<Result<_, ParameterError>>());
        let tolerance = self
            .tolerance
            .map(|value| Tolerance::parse(&text(&value)).map_err(|why| ParameterError(format!("`tolerance`: {why}"))));
        Ok(ScalingRules {
            stabilization_window_s: self.stabilization_window_seconds,
            select_policy: self.select_policy.map(|word| choice(&word, &selections)).transpose()?,
            policies: policies.transpose()?,
            tolerance: tolerance.transpose()?,
        })
    }
}

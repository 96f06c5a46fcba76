//! The vectors as they are written, and what the autoscaler sees of them.

use std::collections::BTreeMap;

use serde::Deserialize;
use wavetank::ids::PodId;
use wavetank::model::horizontal_pod_autoscaler::{
    Behavior, HorizontalPodAutoscalerSpec, MetricIdentifier, MetricSelector, MetricSpec, MetricTarget, ObjectReference,
    PolicyKind, ResourceName, ScalingPolicy, ScalingRules, SelectPolicy, TargetKind, Tolerance,
};
use wavetank::model::pod_spec::{LabelRequirement, SelectorOperator};
use wavetank::policy::autoscaler::horizontal_pod_autoscaler::Settings;
use wavetank::policy::autoscaler::horizontal_pod_autoscaler::seen::{
    Amounts, ConditionStatus, ContainerAmounts, ObservedPod, PodRequests, PodSample, PodUsage, ReadyCondition,
};
use wavetank::units::{Bytes, MilliCpu, SimDuration, SimTime, parse_quantity_milli};
use wavetank::world::lives::PodPhase;

/// An instant in milliseconds since the start of the case.
pub(crate) fn at(ms: i64) -> SimTime {
    SimTime(u64::try_from(ms).expect("not before the start") * 1_000_000)
}

pub(crate) fn span(ms: i64) -> SimDuration {
    SimDuration(at(ms).0)
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Flags {
    downscale: i64,
    tolerance: f64,
    initialization: i64,
    readiness: i64,
    #[serde(rename = "noZero")]
    no_zero: bool,
}

impl Default for Flags {
    fn default() -> Flags {
        Flags { downscale: 0, tolerance: 0.1, initialization: 0, readiness: 0, no_zero: false }
    }
}

impl Flags {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            downscale_stabilization: span(self.downscale),
            tolerance: self.tolerance,
            cpu_initialization_period: span(self.initialization),
            initial_readiness_delay: span(self.readiness),
            can_scale_to_zero: !self.no_zero,
            ..Settings::default()
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Container {
    name: String,
    cpu: Option<u64>,
    memory: Option<u64>,
}

impl Container {
    fn amounts(&self) -> Amounts {
        Amounts { cpu: self.cpu.map(MilliCpu), memory: self.memory.map(Bytes) }
    }
}

fn amounts_of(containers: &[Container]) -> Vec<ContainerAmounts<'_>> {
    containers.iter().map(|one| ContainerAmounts { name: &one.name, amounts: one.amounts() }).collect()
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Template {
    containers: Vec<Container>,
    sidecars: Vec<Container>,
    pod_level: Option<Container>,
}

impl Template {
    /// What a pod requests as a whole: what it says itself, for the rest what all its containers say together.
    fn pod_level(&self) -> Option<Amounts> {
        let own = self.pod_level.as_ref()?.amounts();
        if own == Amounts::default() {
            return None;
        }
        let containers = || self.containers.iter().chain(&self.sidecars).map(Container::amounts);
        let cpu = containers().filter_map(|one| one.cpu).reduce(|sum, cpu| sum + cpu);
        let memory = containers().filter_map(|one| one.memory).reduce(|sum, memory| sum + memory);
        Some(Amounts { cpu: own.cpu.or(cpu), memory: own.memory.or(memory) })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pod {
    id: u32,
    template: usize,
    phase: String,
    deleted: bool,
    started: Option<i64>,
    ready: String,
    since: i64,
}

#[derive(Debug, Deserialize)]
struct Usage {
    pod: u32,
    at: i64,
    window: i64,
    containers: Option<Vec<Container>>,
}

#[derive(Debug, Deserialize)]
struct Sample {
    pod: u32,
    value: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Samples {
    pub(crate) error: String,
    pods: Vec<Sample>,
    pub(crate) object: Option<i64>,
    pub(crate) series: Vec<i64>,
}

impl Samples {
    pub(crate) fn of_pods(&self) -> Vec<PodSample> {
        self.pods.iter().map(|one| PodSample { pod: PodId(one.pod), value_milli: one.value }).collect()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct World {
    pub(crate) templates: Vec<Template>,
    pods: Vec<Pod>,
    usage: Vec<Usage>,
    pub(crate) usage_error: String,
    pub(crate) samples: BTreeMap<String, Samples>,
}

/// Amounts, put where the autoscaler can look at them.
pub(crate) struct Laid<'a> {
    requests: Vec<(Vec<ContainerAmounts<'a>>, Option<Amounts>)>,
    usage: Vec<Vec<ContainerAmounts<'a>>>,
}

impl World {
    pub(crate) fn lay<'a>(&'a self, templates: &'a [Template]) -> Laid<'a> {
        let requests = templates.iter().map(|template| {
            let mut containers = amounts_of(&template.containers);
            containers.extend(amounts_of(&template.sidecars));
            (containers, template.pod_level())
        });
        let usage = self.usage.iter().map(|usage| usage.containers.as_deref().map_or_else(Vec::new, amounts_of));
        Laid { requests: requests.collect(), usage: usage.collect() }
    }

    pub(crate) fn pods<'a>(&self, laid: &'a Laid<'_>) -> Vec<ObservedPod<'a>> {
        let observed = |pod: &Pod| {
            let (containers, pod_level) = &laid.requests[pod.template];
            ObservedPod {
                id: PodId(pod.id),
                phase: phase(&pod.phase),
                is_terminating: pod.deleted,
                started: pod.started.map(at),
                ready: ready(pod),
                requests: PodRequests { containers, pod_level: *pod_level },
            }
        };
        self.pods.iter().map(observed).collect()
    }

    pub(crate) fn usage<'a>(&self, laid: &'a Laid<'_>) -> Vec<PodUsage<'a>> {
        let both = self.usage.iter().zip(&laid.usage);
        both.map(|(usage, containers)| PodUsage {
            pod: PodId(usage.pod),
            at: at(usage.at),
            window: span(usage.window),
            containers,
        })
        .collect()
    }
}

fn phase(name: &str) -> PodPhase {
    match name {
        "" => PodPhase::Running,
        "Pending" => PodPhase::Pending,
        "Failed" => PodPhase::Failed,
        "Succeeded" => PodPhase::Succeeded,
        other => panic!("no phase: {other}"),
    }
}

fn ready(pod: &Pod) -> Option<ReadyCondition> {
    let status = match pod.ready.as_str() {
        "" => return None,
        "True" => ConditionStatus::True,
        "False" => ConditionStatus::False,
        _ => ConditionStatus::Unknown,
    };
    Some(ReadyCondition { status, since: at(pod.since) })
}

/// A manifest's spec.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spec {
    pub(crate) scale_target_ref: Reference,
    min_replicas: Option<i32>,
    #[serde(default)]
    max_replicas: i32,
    #[serde(default)]
    metrics: Vec<Metric>,
    behavior: Option<WrittenBehavior>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reference {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    api_version: String,
}

impl Reference {
    pub(crate) fn read(&self) -> ObjectReference {
        let (kind, name, api_version) = (self.kind.clone(), self.name.clone(), self.api_version.clone());
        ObjectReference { kind, name, api_version }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metric {
    resource: Option<Source>,
    container_resource: Option<Source>,
    pods: Option<Source>,
    object: Option<Source>,
    external: Option<Source>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    #[serde(default)]
    name: String,
    #[serde(default)]
    container: String,
    described_object: Option<Reference>,
    metric: Option<Identifier>,
    target: Target,
}

#[derive(Debug, Deserialize)]
struct Identifier {
    #[serde(default)]
    name: String,
    selector: Option<Selector>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Selector {
    #[serde(default)]
    match_labels: BTreeMap<String, String>,
    #[serde(default)]
    match_expressions: Vec<Expression>,
}

#[derive(Clone, Debug, Deserialize)]
struct Expression {
    key: String,
    operator: String,
    #[serde(default)]
    values: Vec<String>,
}

impl Selector {
    pub(crate) fn read(&self) -> MetricSelector {
        let operator = |name: &str| match name {
            "In" => SelectorOperator::In,
            "NotIn" => SelectorOperator::NotIn,
            "Exists" => SelectorOperator::Exists,
            "DoesNotExist" => SelectorOperator::DoesNotExist,
            other => panic!("no operator: {other}"),
        };
        let requirement = |one: &Expression| LabelRequirement {
            key: one.key.clone(),
            operator: operator(&one.operator),
            values: one.values.clone(),
        };
        MetricSelector {
            match_labels: self.match_labels.clone().into_iter().collect(),
            match_expressions: self.match_expressions.iter().map(requirement).collect(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    #[serde(default)]
    r#type: String,
    value: Option<String>,
    average_value: Option<String>,
    average_utilization: Option<i32>,
}

impl Target {
    fn read(&self) -> MetricTarget {
        let kind = match self.r#type.as_str() {
            "Utilization" => TargetKind::Utilization,
            "Value" => TargetKind::Value,
            "AverageValue" => TargetKind::AverageValue,
            other => panic!("no type of target: {other}"),
        };
        let milli = |text: &String| parse_quantity_milli(text).expect("a quantity") as i64;
        MetricTarget {
            kind,
            value_milli: self.value.as_ref().map(milli),
            average_value_milli: self.average_value.as_ref().map(milli),
            average_utilization: self.average_utilization,
        }
    }
}

impl Metric {
    fn read(&self) -> MetricSpec {
        let identifier = |source: &Source| {
            let Identifier { name, selector } = source.metric.as_ref().expect("a metric");
            MetricIdentifier { name: name.clone(), selector: selector.as_ref().map(Selector::read) }
        };
        let name = |source: &Source| ResourceName::from(source.name.as_str());
        if let Some(source) = &self.resource {
            MetricSpec::Resource { name: name(source), target: source.target.read() }
        } else if let Some(source) = &self.container_resource {
            let container = source.container.clone();
            MetricSpec::ContainerResource { name: name(source), container, target: source.target.read() }
        } else if let Some(source) = &self.pods {
            let average_value_milli = source.target.read().average_value_milli.expect("an average value");
            MetricSpec::Pods { metric: identifier(source), average_value_milli }
        } else if let Some(source) = &self.object {
            let described_object = source.described_object.as_ref().expect("an object").read();
            MetricSpec::Object { described_object, metric: identifier(source), target: source.target.read() }
        } else {
            let source = self.external.as_ref().expect("a kind of metric");
            MetricSpec::External { metric: identifier(source), target: source.target.read() }
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenBehavior {
    scale_up: Option<Rules>,
    scale_down: Option<Rules>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rules {
    stabilization_window_seconds: Option<i32>,
    select_policy: Option<String>,
    policies: Option<Vec<Policy>>,
    tolerance: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Policy {
    r#type: String,
    value: i32,
    period_seconds: i32,
}

impl Rules {
    fn read(&self) -> ScalingRules {
        let select = |name: &String| match name.as_str() {
            "Max" => SelectPolicy::Max,
            "Min" => SelectPolicy::Min,
            "Disabled" => SelectPolicy::Disabled,
            other => panic!("no way to select: {other}"),
        };
        let policy = |one: &Policy| ScalingPolicy {
            kind: if one.r#type == "Pods" { PolicyKind::Pods } else { PolicyKind::Percent },
            value: one.value,
            period_s: one.period_seconds,
        };
        ScalingRules {
            stabilization_window_s: self.stabilization_window_seconds,
            select_policy: self.select_policy.as_ref().map(select),
            policies: self.policies.as_ref().map(|policies| policies.iter().map(policy).collect()),
            tolerance: self.tolerance.as_ref().map(|text| Tolerance::parse(text).expect("a tolerance")),
        }
    }
}

impl Spec {
    pub(crate) fn read(&self) -> HorizontalPodAutoscalerSpec {
        HorizontalPodAutoscalerSpec {
            min_replicas: self.min_replicas,
            max_replicas: self.max_replicas,
            metrics: self.metrics.iter().map(Metric::read).collect(),
            behavior: self.behavior.as_ref().map(|behavior| Behavior {
                scale_up: behavior.scale_up.as_ref().map(Rules::read),
                scale_down: behavior.scale_down.as_ref().map(Rules::read),
            }),
        }
    }
}

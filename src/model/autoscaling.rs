//! Pod autoscalers, and the metrics between pods and them.

use super::scheduling::PolicyChoice;
use super::vertical_pod_autoscaler::{EvictionRequirement, LimitRanges, ResourcePolicy, UpdateMode};
use crate::ids::{ControllerId, ServiceId};
use crate::units::{SimDuration, SimTime};

/// Everything that scales pods.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Autoscaling {
    /// Horizontal autoscalers by [`crate::ids::AutoscalerId`], in order of namespace and name; a target has at most one.
    pub horizontal: Vec<HorizontalAutoscaler>,
    /// Vertical autoscalers by [`crate::ids::VerticalId`], in order of namespace and name; a target has at most one.
    pub vertical: Vec<VerticalAutoscaler>,
    /// How usage reaches them.
    pub pipeline: MetricsPipeline,
    /// Percentiles of latency are those of the complete windows of traffic that lie within such a time, at least of the last.
    pub latency_window: SimDuration,
    /// Metrics of objects, pods and from outside.
    pub metrics: Vec<CustomMetric>,
}

/// What sets the number of replicas of one workload.
#[derive(Clone, Debug, PartialEq)]
pub struct HorizontalAutoscaler {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `spec.scaleTargetRef`.
    pub target: ControllerId,
    /// Who decides, and its parameters.
    pub policy: PolicyChoice,
    /// `spec.minReplicas`, at least 0. Upstream's default: 1.
    pub min_replicas: i32,
    /// `spec.maxReplicas`, at least 1 and not below the fewest.
    pub max_replicas: i32,
    /// The service whose traffic it sees; none: none of those there are.
    pub service: Option<ServiceId>,
}

/// What sizes the containers of one workload: a VerticalPodAutoscaler, or another rule in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct VerticalAutoscaler {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `spec.targetRef`.
    pub target: ControllerId,
    /// The rule that says how large containers should be, and its parameters.
    pub policy: PolicyChoice,
    /// `spec.updatePolicy.updateMode`. Upstream's default: `Recreate`.
    pub mode: UpdateMode,
    /// `spec.updatePolicy.minReplicas`; none: the updater's flag.
    pub min_replicas: Option<usize>,
    /// `spec.updatePolicy.evictionRequirements`; none: there is no update policy.
    pub eviction_requirements: Option<Vec<EvictionRequirement>>,
    /// `spec.resourcePolicy`.
    pub resource_policy: ResourcePolicy,
    /// LimitRanges of its namespace.
    pub limit_ranges: LimitRanges,
}

/// How usage of containers becomes what autoscalers see (metrics-server).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricsPipeline {
    /// How often all nodes are asked (`--metric-resolution`), more than 0. Usage of CPU is the mean between two answers.
    pub resolution: SimDuration,
    /// When they are first asked.
    pub phase: SimTime,
    /// How long after they were asked the answers can be read, less than the resolution.
    pub delay: SimDuration,
}

impl Default for MetricsPipeline {
    /// As in the manifests of metrics-server v0.8, with answers that can be read at once.
    fn default() -> MetricsPipeline {
        let resolution = SimDuration(15_000_000_000);
        MetricsPipeline { resolution, phase: SimTime::ZERO.after(resolution), delay: SimDuration::ZERO }
    }
}

/// A metric that is neither CPU nor memory.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomMetric {
    /// Its name.
    pub name: String,
    /// Whose metric it is, as `kind/name` in lower case; none: it is external, or one of pods.
    pub object: Option<String>,
    /// What it is.
    pub source: MetricValues,
}

/// Where the values of a metric come from.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricValues {
    /// From each of these instants on, which ascend, that much, in thousandths; nothing before the first.
    Series(Vec<(SimTime, i64)>),
    /// A figure of a service; none: of the service of the autoscaler that asks.
    Traffic(Option<ServiceId>, TrafficFigure),
}

/// A figure of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrafficFigure {
    /// Requests a second that came in, over the time since the last sync.
    ArrivalRate,
    /// Mean number of requests there, over the same time.
    Concurrency,
    /// Requests there now that wait.
    QueueLength,
    /// Requests there now.
    InFlight,
    /// 95th percentile of the latency in s.
    LatencyP95,
    /// 99th percentile of the latency in s.
    LatencyP99,
}

impl Autoscaling {
    /// Whether nothing scales anything.
    pub fn is_empty(&self) -> bool {
        self.horizontal.is_empty() && self.vertical.is_empty()
    }
}

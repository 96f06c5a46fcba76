//! Autoscaling as it is written: a mirror for serde and schemars, without logic, like [`crate::scenario::spec`].

use schemars::JsonSchema;
use serde_json::{Map, Value as Json};

use crate::scenario::spec::Duration;

/// Who scales pods, and what they see.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AutoscalingSpec {
    /// Horizontal autoscalers. One for a target that a HorizontalPodAutoscaler of the manifests scales stands in its place,
    /// and has its numbers of replicas unless it says others. Default: none beside those of the manifests.
    pub autoscalers: Vec<AutoscalerSpec>,
    /// Rules that size containers. One for a target that a VerticalPodAutoscaler of the manifests sizes stands in its place, and
    /// has its modes and policies unless it says others. Default: none beside those of the manifests.
    pub vertical_autoscalers: Vec<VerticalAutoscalerSpec>,
    /// How usage of containers reaches autoscalers.
    pub metrics_server: MetricsServerSpec,
    /// Over which time percentiles of latency are taken: the windows of `traffic.usageWindow` that are complete and lie within it,
    /// at least the last. Default: the last alone.
    pub latency_window: Option<Duration>,
    /// Metrics that are neither CPU nor memory. Default: none.
    pub metrics: Vec<CustomMetricSpec>,
}

/// What sets the number of replicas of one workload.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AutoscalerSpec {
    /// Kind and name of the workload, such as `deployment/web`: a Deployment, ReplicaSet, ReplicationController, StatefulSet or
    /// Rollout.
    pub target: String,
    /// Its namespace. Default: `default`.
    #[serde(default = "default_namespace")]
    pub namespace: String,
    /// Name of the autoscaler. Default: that of the manifest's autoscaler, or of its target.
    pub name: Option<String>,
    /// Who decides; `wavetank policies` lists them.
    pub policy: String,
    /// Parameters of the policy. Default: its own.
    #[serde(default)]
    pub parameters: Map<String, Json>,
    /// The fewest replicas. Default: as the manifest's autoscaler, or 1.
    #[schemars(range(min = 0))]
    pub min_replicas: Option<i32>,
    /// The most replicas. Default: as the manifest's autoscaler; else it is required.
    #[schemars(range(min = 1))]
    pub max_replicas: Option<i32>,
    /// The service of `traffic` whose requests it sees. Default: the first that pods of the target serve, if there is one.
    pub service: Option<String>,
}

/// What sizes the containers of one workload.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerticalAutoscalerSpec {
    /// Kind and name of the workload, such as `deployment/web`.
    pub target: String,
    /// Its namespace. Default: `default`.
    #[serde(default = "default_namespace")]
    pub namespace: String,
    /// Name of the autoscaler. Default: that of the manifest's autoscaler, or of its target.
    pub name: Option<String>,
    /// The rule that says how large containers should be: `vpa`, `autopilot-window`, `autopilot-ensemble`, `oracle` or `static`.
    #[serde(default = "default_sizing")]
    pub policy: String,
    /// Parameters of the rule. Default: its own.
    #[serde(default)]
    pub parameters: Map<String, Json>,
    /// When pods get what is recommended. Default: as the manifest's autoscaler, or `Recreate`.
    pub update_mode: Option<UpdateModeSpec>,
    /// Workloads with fewer living pods are left alone. Default: as the manifest's autoscaler, or 2.
    #[schemars(range(min = 1))]
    pub min_replicas: Option<i32>,
}

/// When pods get what is recommended.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
pub enum UpdateModeSpec {
    /// Never.
    Off,
    /// When they are made.
    Initial,
    /// When they are made; those that are off by too much are evicted.
    Recreate,
    /// When they are made; those that are off by too much are resized where they run, and evicted where that fails.
    InPlaceOrRecreate,
}

fn default_sizing() -> String {
    crate::policy::autoscaler::vertical::table::VPA_NAME.to_owned()
}

fn default_namespace() -> String {
    crate::model::pod_spec::DEFAULT_NAMESPACE.to_owned()
}

/// How usage of containers reaches autoscalers.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetricsServerSpec {
    /// How often nodes are asked (`--metric-resolution`); more than 0. CPU is the mean between two answers. Default: 15s.
    pub resolution: Option<Duration>,
    /// When they are first asked. Default: after one resolution.
    pub phase: Option<Duration>,
    /// How long after that the answers can be read; less than the resolution. Default: no time.
    pub delay: Option<Duration>,
}

/// A metric that is neither CPU nor memory: `series`, or a `figure` of a service. Manifests ask for it by its name: as a
/// metric of pods or an external one, or with `object` as that of an object. Figures that are sums are divided evenly among the
/// pods that are ready where they are asked for as a metric of pods.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomMetricSpec {
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Kind and name of the object that it describes, such as `ingress/main`. Default: none.
    pub object: Option<String>,
    /// A figure of a service of `traffic`.
    pub figure: Option<FigureSpec>,
    /// That service. Default: the service of the autoscaler that asks.
    pub service: Option<String>,
    /// Values over time, in order of time; before the first there is none.
    #[serde(default)]
    pub series: Vec<MetricPointSpec>,
}

/// A figure of a service.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FigureSpec {
    /// Requests a second that came in since the last sync.
    RequestsPerSecond,
    /// Mean number of requests there since the last sync.
    Concurrency,
    /// Requests that wait now.
    QueueLength,
    /// Requests there now.
    InFlight,
    /// 95th percentile of the latency in seconds, in the last complete `usageWindow`, or in `latencyWindow`.
    LatencyP95,
    /// 99th percentile of the latency in seconds, in the last complete `usageWindow`, or in `latencyWindow`.
    LatencyP99,
}

/// A value from an instant on.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricPointSpec {
    /// From then on, up to the next.
    pub at: Duration,
    /// The value, in the metric's unit.
    pub value: f64,
}

//! Services: backends behind one name, and what they do with requests.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::Value as Json;

use super::{CallSpec, CircuitBreakerSpec, OutlierDetectionSpec, RequestLimitSpec, SidecarSpec};
use crate::scenario::spec::{DistributionSpec, Duration, Quantity};

/// What answers requests: backends behind one name. Without `pods`, `external` and `routes` they are the pods of the
/// Service of the manifests that has this name.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceSpec {
    /// Its name, unique: a word, or `namespace/name`.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The pods that serve, while they are ready. Default: those of the Service of the manifests that has this name.
    pub pods: Option<PodsSpec>,
    /// Something outside the cluster that serves instead of pods.
    pub external: Option<ExternalSpec>,
    /// How each backend serves.
    #[serde(default)]
    pub server: ServerSpec,
    /// Where requests wait. Default: `backends`.
    #[serde(default)]
    pub queue: QueueSpec,
    /// Which backend a request goes to: see `wavetank policies`. Default: `random`, as kube-proxy does with iptables.
    pub balancer: Option<BalancerSpec>,
    /// What is done with a request, one after the other, where there is one operation only; it is called `request`.
    /// Excludes `operations`. Default: nothing, which takes no time.
    #[serde(default)]
    pub steps: Vec<StepSpec>,
    /// What can be asked for. Default: one operation called `request`, with `steps`.
    #[serde(default)]
    pub operations: Vec<OperationSpec>,
    /// Bytes of a request in the mean, as a Kubernetes quantity, with all that wraps it: what `billing` charges for bytes that leave
    /// a zone. Default: 0.
    pub request_size: Option<Quantity>,
    /// The same of an answer. Default: 0.
    pub response_size: Option<Quantity>,
    /// Limits of each client. Default: none.
    pub circuit_breaker: Option<CircuitBreakerSpec>,
    /// Backends that fail are left out for a while. Default: they are not.
    pub outlier_detection: Option<OutlierDetectionSpec>,
    /// How many requests the service takes, counted in one place. Default: all.
    pub rate_limit: Option<RequestLimitSpec>,
    /// Proxies beside callers and servers. Default: none.
    pub sidecar: Option<SidecarSpec>,
    /// What the service promises. Default: nothing.
    pub objective: Option<ObjectiveSpec>,
    /// Other services that take a part of its requests; of several entries the first that fits a request holds. Those
    /// services have operations of the same names. Default: none.
    #[serde(default)]
    pub routes: Vec<RouteSpec>,
    /// Name of the service that requests go to which find no backend with room. Default: they fail or wait.
    pub overflow: Option<String>,
    /// A service that gets copies of requests, whose answers nobody waits for. Default: none.
    pub mirror: Option<MirrorSpec>,
    /// Releases of the software that serve otherwise than the rest says, by the image of the pods. Default: none.
    #[serde(default)]
    pub releases: Vec<ReleaseSpec>,
}

/// A release that is slower, or that fails.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseSpec {
    /// The image of the first container of its pods, such as `example/web:1.2`.
    #[schemars(length(min = 1))]
    pub image: String,
    /// How fast it computes: 0.5 takes twice as long. More than 0. Default: 1.
    #[schemars(range(min = 0.000001))]
    pub speed: Option<f64>,
    /// How likely its answers are errors, 0 to 1, beside those of the operation. Default: 0.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub failure: Option<f64>,
}

/// The pods that serve: either those with labels, those of an object that makes pods, or those of a template.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodsSpec {
    /// Labels that the pods have, all of them. Default: none are looked at.
    #[serde(default)]
    pub selector: BTreeMap<String, String>,
    /// Kind and name of the object that makes the pods, such as `deployment/web`.
    pub target: Option<String>,
    /// Name of an entry of `workload.templates`.
    pub template: Option<String>,
    /// Namespace of the pods or of the object. Default: `default`.
    pub namespace: Option<String>,
}

/// Something outside the cluster: a number of backends that do not change.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalSpec {
    /// How many backends. Default: 1.
    #[serde(default = "one_u32")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: u32,
    /// Zones that the backends take in turn. Default: nowhere in particular.
    #[serde(default)]
    pub zones: Vec<String>,
    /// Weights that the backends take in turn, for balancers that look at them; at least 1. Default: 1.
    #[serde(default)]
    pub weights: Vec<u32>,
    /// Speeds that the backends take in turn: 0.5 takes twice as long. More than 0. Default: 1.
    #[serde(default)]
    pub speeds: Vec<f64>,
}

fn one_u32() -> u32 {
    1
}

/// How each backend serves.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServerSpec {
    /// Requests in service at once. Default: all that are there, which share the cores (processor sharing).
    #[schemars(range(min = 1))]
    pub workers: Option<u32>,
    /// Which of the requests that wait is next. Default: `fifo`.
    pub order: RequestOrderSpec,
    /// Requests that may wait; one more is refused. Default: without limit.
    pub queue_limit: Option<u32>,
    /// Cores for computing, as a Kubernetes quantity. Default: those of the pod; outside the cluster one for each worker.
    pub cpu: Option<Quantity>,
    /// Over which period the limit of CPU is enforced; 0: at every instant, by slowing all requests alike. Default: 100ms,
    /// as the kubelet sets it.
    pub quota_period: Option<Duration>,
    /// Slowness of a backend that is new. Default: none.
    pub warm_up: Option<WarmUpSpec>,
    /// Memory that requests drive. Default: they drive none.
    pub memory: RequestMemorySpec,
    /// A limit of requests in service that the server finds by itself. Default: none.
    pub adaptive_concurrency: Option<AdaptiveConcurrencySpec>,
    /// What a backend does with new requests that has been told to end. Default: `refuse`.
    pub while_ending: EndingSpec,
    /// How many requests a pod takes from a shared queue before it ends by itself, as workers of Jobs do. Default: without
    /// end.
    #[schemars(range(min = 1))]
    pub requests_per_pod: Option<u32>,
}

/// Which of the requests that wait is next.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RequestOrderSpec {
    /// The one that came first.
    #[default]
    Fifo,
    /// The one that came last.
    Lifo,
}

/// What becomes of new requests at a backend that has been told to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum EndingSpec {
    /// They are refused.
    #[default]
    Refuse,
    /// They are served while that is possible.
    Serve,
}

/// Where requests wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum QueueSpec {
    /// At the backend that was chosen for them.
    #[default]
    Backends,
    /// In one queue from which backends take them, as from a message broker; no balancer is asked.
    Shared,
}

/// Slowness of a backend that is new.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WarmUpSpec {
    /// How many times as long its first requests take; it falls evenly to 1.
    #[schemars(range(min = 1.0))]
    pub slowdown: f64,
    /// How long that takes; more than 0.
    pub span: Duration,
}

/// Memory that requests drive.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RequestMemorySpec {
    /// Without requests. Default: 0.
    pub base: Option<Quantity>,
    /// For each request that is there. Default: 0.
    pub per_request: Option<Quantity>,
}

/// A limit of requests at a server that follows latency; what comes beyond it is refused, as Envoy's adaptive concurrency with the gradient controller.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AdaptiveConcurrencySpec {
    /// How often the limit is set anew (`concurrency_update_interval`); more than 0. Default: 100ms.
    pub interval: Option<Duration>,
    /// How often the least latency is measured anew (`min_rtt_calc_params.interval`); more than 0. Default: 60s.
    pub measure_every: Option<Duration>,
    /// How many requests that measurement takes (`request_count`). Default: 50.
    #[schemars(range(min = 1))]
    pub measure_requests: Option<u32>,
    /// By which part of its distance that measurement may come later, at random (`jitter`). Default: 0.15.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub jitter: Option<f64>,
    /// Which percentile of the latencies is taken, as a part of one (`sample_aggregate_percentile`). Default: 0.5.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub percentile: Option<f64>,
    /// What is added to the least latency, as a part of it (`buffer`). Default: 0.25.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub buffer: Option<f64>,
    /// The least limit (`min_concurrency`). Default: 3.
    #[schemars(range(min = 1))]
    pub min: Option<u32>,
    /// The greatest limit (`max_concurrency_limit`). Default: 1000.
    #[schemars(range(min = 1))]
    pub max: Option<u32>,
}

/// Which backend a request goes to: the name of a balancer, or a mapping with its parameters.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BalancerSpec {
    /// By name, with its default parameters.
    Named(String),
    /// With parameters, or in clients.
    With(BalancerWithSpec),
}

/// A balancer with parameters.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BalancerWithSpec {
    /// Its name: see `wavetank policies`.
    pub name: String,
    /// Its parameters. Default: those of the balancer.
    #[serde(default)]
    pub parameters: serde_json::Map<String, Json>,
    /// Where it decides. Default: `one-place`.
    #[serde(default, rename = "in")]
    pub place: BalancingSpec,
}

/// Where a balancer decides.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BalancingSpec {
    /// In one place that sees all requests for the service, such as a load balancer before it.
    #[default]
    OnePlace,
    /// In every client by itself, which sees its own requests only.
    Clients,
}

/// One kind of request that a service answers.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperationSpec {
    /// Its name, unique within the service.
    #[schemars(length(min = 1))]
    pub name: String,
    /// What is done, one after the other. Default: nothing, which takes no time.
    #[serde(default)]
    pub steps: Vec<StepSpec>,
    /// How likely the answer is an error, 0 to 1. Default: 0.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub failure: Option<f64>,
    /// Bytes of its requests in the mean. Default: those of the service.
    pub request_size: Option<Quantity>,
    /// The same of its answers. Default: those of the service.
    pub response_size: Option<Quantity>,
}

/// One part of the work on a request.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum StepSpec {
    /// Time of one core.
    Compute(DistributionSpec),
    /// Time during which nothing is used but the worker.
    Wait(DistributionSpec),
    /// A call of another service, whose answer is waited for.
    Call(CallSpec),
    /// Calls of other services at once; the step ends with the last answer.
    Parallel(Vec<CallSpec>),
    /// A call of another service whose answer nobody waits for, such as a message to a queue.
    Send(CallSpec),
}

/// A service level objective.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectiveSpec {
    /// A request is good when it is answered well within that; more than 0.
    pub latency: Duration,
    /// Which part of the requests is to be good, such as 0.999; below 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub ratio: f64,
}

/// A part of the requests of a service goes to others.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteSpec {
    /// A header that requests must have. Default: all requests are meant.
    pub header: Option<HeaderSpec>,
    /// Where they go.
    pub to: Vec<RouteTargetSpec>,
}

/// A header of requests.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderSpec {
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A service that takes requests of another.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteTargetSpec {
    /// Its name; that of the service itself stands for its own backends.
    pub service: String,
    /// Its share; shares are scaled so that they sum to 1. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub weight: f64,
}

fn one() -> f64 {
    1.0
}

/// Copies of requests.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MirrorSpec {
    /// Name of the service that gets them.
    pub to: String,
    /// Which part of the requests is copied. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
}

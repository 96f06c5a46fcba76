//! The files as they are written: a mirror for serde and schemars, without logic.
//!
//! Doc comments here become the descriptions in the JSON Schema, so they speak to the person who writes the file. Every
//! description says unit and default. What one field cannot say alone is checked in `validate`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::Value as Json;

use super::autoscaling::AutoscalingSpec;
use super::billing::BillingSpec;
use super::cloud::{CloudSpec, MarketKindSpec};
use super::energy::{CarbonSpec, PowerSpec};
use super::functions::FunctionsSpec;
use super::provisioning::{ProvisioningSpec, ScalingSpec};
use super::sizing::SizingSpec;
use super::traffic::TrafficSpec;
use crate::units::SimDuration;

/// A scenario: one cluster, one workload, one scheduler.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScenarioSpec {
    /// Version of the format: `wavetank.dev/v1`.
    pub api_version: ApiVersion,
    /// `Scenario`.
    pub kind: ScenarioKind,
    /// Another scenario, relative to this file, whose keys hold where this one has none: mappings are merged key by
    /// key, everything else is replaced. Default: none.
    pub base: Option<String>,
    /// What the scenario is called and shows.
    pub metadata: Metadata,
    /// Seed of all randomness. Default: 42.
    #[serde(default = "defaults::seed")]
    pub seed: u64,
    /// When the run ends, such as `24h`. Default: when nothing is left to happen.
    pub horizon: Option<Duration>,
    /// The machines. Only where everything that serves `traffic` is outside the cluster, or there is no pod but `functions` or
    /// `sizing`, there may be none.
    #[serde(default)]
    pub cluster: ClusterSpec,
    /// The pods and when they arrive. Default: none.
    #[serde(default)]
    pub workload: WorkloadSpec,
    /// Requests: who sends them, who answers them, and how they find their way. Default: there are none.
    pub traffic: Option<TrafficSpec>,
    /// Who scales pods, and what they see. Default: what the manifests' HorizontalPodAutoscalers say.
    pub autoscaling: Option<AutoscalingSpec>,
    /// What can be bought for the NodePools of `cluster.manifests`. Default: nothing.
    pub cloud: Option<CloudSpec>,
    /// Who buys machines and returns them. Default: nobody.
    pub provisioning: Option<ProvisioningSpec>,
    /// By what rules machines are paid for, and what else is paid: `bill.csv`. Default: by their price, for as long as they are
    /// there, and nothing else.
    pub billing: Option<BillingSpec>,
    /// A function platform beside the cluster. Default: there is none.
    pub functions: Option<FunctionsSpec>,
    /// A back-test of a rule that sizes containers, beside the cluster. Default: there is none.
    pub sizing: Option<SizingSpec>,
    /// Who decides where pods go.
    #[serde(default)]
    pub scheduler: SchedulerSpec,
    /// How long the API server, watches and controllers take. Default: no time.
    pub control_plane: Option<ControlPlaneSpec>,
    /// What happens to the cluster during the run. Default: nothing.
    #[serde(default)]
    pub script: Vec<ScriptSpec>,
    /// What goes wrong, at given instants or drawn. Default: nothing.
    #[serde(default)]
    pub faults: FaultsSpec,
    /// What nodes draw from the mains. Default: nobody asks.
    pub power: Option<PowerSpec>,
    /// What a kWh costs the climate, and which pods heed it. Default: nobody asks.
    pub carbon: Option<CarbonSpec>,
    /// What is recorded.
    #[serde(default)]
    pub outputs: OutputsSpec,
}

/// An experiment: a scenario, what is varied in it, and how often each variant is run.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExperimentSpec {
    /// Version of the format: `wavetank.dev/v1`.
    pub api_version: ApiVersion,
    /// `Experiment`.
    pub kind: ExperimentKind,
    /// What the experiment is called and shows.
    pub metadata: Metadata,
    /// Path of the scenario file, relative to this file.
    #[schemars(length(min = 1))]
    pub scenario: String,
    /// Changes to the scenario in every cell: path to value, as with `--set`. Default: none.
    #[serde(default)]
    pub set: BTreeMap<String, Json>,
    /// What is varied; every combination is a cell. Default: nothing, one cell.
    #[serde(default)]
    pub factors: Vec<FactorSpec>,
    /// Runs of each cell, each with its own randomness. Default: 1.
    #[serde(default = "defaults::one_u32")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub replications: u32,
    /// The cells that others are compared with: factor name to the label of one of its values. Default: no comparison.
    #[serde(default)]
    pub baseline: BTreeMap<String, Scalar>,
    /// Metrics of the summary to report. Default: all.
    #[serde(default)]
    pub metrics: Vec<String>,
}

/// Something that is varied: either one path with values, or settings of several paths under labels.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FactorSpec {
    /// Name of the factor, the heading of its column.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Path in the scenario, such as `scheduler.policy`. Needs `values`.
    pub path: Option<String>,
    /// Values that the path takes. Needs `path`.
    #[serde(default)]
    pub values: Vec<Json>,
    /// Labelled settings, where one factor changes several paths at once. Excludes `path` and `values`.
    #[serde(default)]
    pub settings: Vec<SettingSpec>,
}

/// One labelled setting of a factor.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettingSpec {
    /// Name of the setting, as it stands in the tables.
    pub label: Scalar,
    /// Changes to the scenario: path to value, as with `--set`.
    pub set: BTreeMap<String, Json>,
}

/// Version of the file formats.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The first version.
    #[serde(rename = "wavetank.dev/v1")]
    V1,
}

/// `kind` of a scenario.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
pub enum ScenarioKind {
    /// A scenario.
    Scenario,
}

/// `kind` of an experiment.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
pub enum ExperimentKind {
    /// An experiment.
    Experiment,
}

/// Name and description.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Name, a word or a few.
    #[schemars(length(min = 1))]
    pub name: String,
    /// What this shows, in a sentence. Default: empty.
    #[serde(default)]
    pub description: String,
}

/// The machines; all sources given are put together in the order of this list.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterSpec {
    /// Files or directories with Kubernetes `Node` objects, YAML or JSON, gzip or not.
    #[serde(default)]
    pub manifests: Vec<String>,
    /// Groups of like nodes.
    #[serde(default)]
    pub pools: Vec<PoolSpec>,
    /// Single nodes.
    #[serde(default)]
    pub nodes: Vec<NodeSpec>,
    /// The node list of the openb GPU trace, as CSV.
    pub openb: Option<OpenbNodesSpec>,
    /// Nodes drawn from the seed.
    pub synthetic: Option<SyntheticNodesSpec>,
    /// How nodes that stop reporting are treated: `kubernetes`, or a mapping with some of its parameters. Default:
    /// `kubernetes` if there are `faults`; else a node that fails is gone at once, its pods with it.
    pub node_lifecycle: Option<NodeLifecycleSpec>,
    /// Settings of the kubelets of all nodes, named as in `KubeletConfiguration`.
    #[serde(default)]
    pub kubelet: KubeletSpec,
}

/// How nodes that stop reporting are treated.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NodeLifecycleSpec {
    /// As Kubernetes does by default.
    Kubernetes,
    /// As Kubernetes does, with other parameters.
    #[serde(untagged)]
    With(NodeLifecycleParameters),
}

/// Parameters of the node lifecycle of Kubernetes.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NodeLifecycleParameters {
    /// How often nodes are looked at (`--node-monitor-period`). Default: 5s.
    pub monitor_period: Option<Duration>,
    /// How long a node may be silent before its condition becomes `Unknown` (`--node-monitor-grace-period`). Default:
    /// 50s.
    pub monitor_grace_period: Option<Duration>,
    /// How often nodes report: a quarter of the kubelet's `nodeLeaseDurationSeconds`. Default: 10s.
    pub heartbeat_period: Option<Duration>,
    /// Nodes a second and zone whose pods begin to be evicted (`--node-eviction-rate`). Default: 0.1.
    #[schemars(range(min = 0.0))]
    pub eviction_rate: Option<f32>,
    /// The same in a zone of which too many nodes are not ready (`--secondary-node-eviction-rate`). Default: 0.01.
    #[schemars(range(min = 0.0))]
    pub secondary_eviction_rate: Option<f32>,
    /// Share of a zone's nodes, and at least 3, that are too many (`--unhealthy-zone-threshold`). Default: 0.55.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub unhealthy_zone_threshold: Option<f32>,
    /// Unhealthy zones of so many nodes or fewer have no evictions (`--large-cluster-size-threshold`). Default: 50.
    pub large_cluster_size_threshold: Option<u32>,
    /// How long pods that do not say otherwise stay on a node that is not ready. Default: 300s.
    pub not_ready_toleration: Option<Duration>,
    /// How long pods that do not say otherwise stay on a node that cannot be reached. Default: 300s.
    pub unreachable_toleration: Option<Duration>,
    /// How long a node that has booted reports that it is not ready. Default: no time.
    pub boot_not_ready: Option<DistributionSpec>,
}

/// When kubelets evict pods because memory is short. It matters where `workload.behaviours` say how much is used.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KubeletSpec {
    /// Below what is available pods are evicted at once. Default: `memory.available: 100Mi`.
    pub eviction_hard: EvictionAmountSpec,
    /// Below what is available pods are evicted after a grace period. Default: there is no such threshold.
    pub eviction_soft: EvictionAmountSpec,
    /// How long less than `evictionSoft` must be available.
    pub eviction_soft_grace_period: EvictionSpanSpec,
    /// How long pods have to end at a soft threshold, at most. Default: 0.
    pub eviction_max_pod_grace_period: Option<Duration>,
    /// How much more than a threshold must be available before evictions stop. Default: 0.
    pub eviction_minimum_reclaim: EvictionAmountSpec,
    /// How long a node stays under pressure after a threshold was last met. Default: 5m.
    pub eviction_pressure_transition_period: Option<Duration>,
}

/// Amounts by eviction signal.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvictionAmountSpec {
    /// Memory that is available.
    #[serde(rename = "memory.available")]
    pub memory_available: Option<Quantity>,
}

/// Spans by eviction signal.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvictionSpanSpec {
    /// Memory that is available.
    #[serde(rename = "memory.available")]
    pub memory_available: Option<Duration>,
}

/// A group of like nodes, called `<name>-0`, `<name>-1` and so on.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolSpec {
    /// Name of the pool, unique.
    #[schemars(length(min = 1))]
    pub name: String,
    /// How many nodes at the start; the script can add more. Default: 1.
    #[serde(default = "defaults::one_u32")]
    pub count: u32,
    /// Zones that the nodes take in turn. Default: none.
    #[serde(default)]
    pub zones: Vec<String>,
    /// Labels. Default: none but the hostname.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Taints. Default: none.
    #[serde(default)]
    pub taints: Vec<TaintSpec>,
    /// What pods can request on one node: `cpu`, `memory`, `ephemeral-storage`, `pods` (default: 110) and any extended
    /// resource such as `example.com/fpga`, as Kubernetes quantities. Default: what `capacity` leaves.
    #[serde(default)]
    pub allocatable: BTreeMap<String, Quantity>,
    /// What one node has, instead of `allocatable`: that is then what is left of it after `reserved` and `evictionHard`.
    #[serde(default)]
    pub capacity: BTreeMap<String, Quantity>,
    /// What of `capacity` is kept for the system and the kubelet (`systemReserved` and `kubeReserved` together): `cpu`,
    /// `memory`, `ephemeral-storage`. Default: nothing.
    #[serde(default)]
    pub reserved: BTreeMap<String, Quantity>,
    /// GPUs of one node. Default: those of `instanceType`, or none.
    pub gpu: Option<GpuSpec>,
    /// A type of the catalogue: what is not said here is as it has it, which is what pods can request, GPUs, price, how long
    /// machines take, and the zones of the region. Amounts in `allocatable` take the place of the type's, one by one.
    #[schemars(length(min = 1))]
    pub instance_type: Option<String>,
    /// The region of the nodes, value of the label `topology.kubernetes.io/region`. Default: none; with `instanceType`,
    /// `cloud.region`.
    #[schemars(length(min = 1))]
    pub region: Option<String>,
    /// How machines of the pool are bought. Default: as spot where `faults.spot` takes them back, else on demand.
    pub market: Option<MarketKindSpec>,
    /// Price of one node in US dollars per hour. Default: that of `instanceType` in its region, or 0.
    #[schemars(range(min = 0.0))]
    pub usd_per_hour: Option<f64>,
    /// Annotations of its nodes that node autoscalers heed: `cluster-autoscaler.kubernetes.io/scale-down-disabled` and
    /// `karpenter.sh/do-not-disrupt`, each "true". Default: none.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// How far node autoscalers may let the pool grow and shrink. Default: they may not.
    pub scaling: Option<ScalingSpec>,
}

/// One node.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeSpec {
    /// Name of the node, unique.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Zone. Default: none.
    pub zone: Option<String>,
    /// Labels. Default: none but the hostname.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Taints. Default: none.
    #[serde(default)]
    pub taints: Vec<TaintSpec>,
    /// What pods can request: see the pools.
    #[serde(default)]
    pub allocatable: BTreeMap<String, Quantity>,
    /// What it has: see the pools.
    #[serde(default)]
    pub capacity: BTreeMap<String, Quantity>,
    /// What of that is kept for the system: see the pools.
    #[serde(default)]
    pub reserved: BTreeMap<String, Quantity>,
    /// GPUs. Default: none.
    pub gpu: Option<GpuSpec>,
    /// Price in US dollars per hour. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub usd_per_hour: f64,
}

/// GPUs of a node.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GpuSpec {
    /// Model, such as `T4`.
    #[schemars(length(min = 1))]
    pub model: String,
    /// How many devices, at most 32. Default: 1.
    #[serde(default = "defaults::one_u32")]
    #[schemars(range(min = 1, max = 32))]
    pub count: u32,
}

/// A taint, as in Kubernetes.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaintSpec {
    /// Key.
    #[schemars(length(min = 1))]
    pub key: String,
    /// Value. Default: empty.
    #[serde(default)]
    pub value: String,
    /// What happens to pods that do not tolerate the taint.
    pub effect: EffectSpec,
}

/// Effect of a taint.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
pub enum EffectSpec {
    /// New pods are kept away.
    NoSchedule,
    /// New pods are kept away if there is a choice; this release does not look at it.
    PreferNoSchedule,
    /// New pods are kept away.
    NoExecute,
}

/// Nodes of the openb GPU trace.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenbNodesSpec {
    /// Path of the node list, CSV with the columns of the trace.
    pub nodes: String,
    /// Every how many-th node is taken, beginning with the first. Default: 1, all.
    #[serde(default = "defaults::one_u32")]
    #[schemars(range(min = 1))]
    pub stride: u32,
    /// Which of two equally good nodes wins. Default: `nameOrder`.
    #[serde(default)]
    pub rank: RankSpec,
}

/// The order of nodes that settles ties.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum RankSpec {
    /// By name.
    #[default]
    NameOrder,
    /// Drawn from the seed.
    Shuffled,
    /// As a CSV file with the columns `node` and `rank` says; the lower rank is the earlier.
    File(String),
}

/// Nodes drawn from the seed.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SyntheticNodesSpec {
    /// What the nodes resemble.
    pub kind: SyntheticKind,
    /// Nodes are called `<name>-0000` and so on. Default: `node`.
    #[serde(default = "defaults::node")]
    #[schemars(length(min = 1))]
    pub name: String,
    /// Whether nodes without GPUs are left out. Default: false.
    #[serde(default)]
    pub gpu_only: bool,
    /// How many.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub nodes: u32,
}

/// What synthetic data resembles.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SyntheticKind {
    /// The published marginals of the openb GPU trace.
    Openb,
}

/// The pods; all sources given run side by side.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadSpec {
    /// Files or directories with Kubernetes objects, YAML or JSON, gzip or not: `Pod`, which arrive at the start and stay,
    /// and `Deployment`, `ReplicaSet`, `StatefulSet`, `DaemonSet`, `Job`, `CronJob`, KEDA's `ScaledJob` and Argo's `Rollout`,
    /// whose pods are made as the cluster does. Docker Compose files are read as the Deployments, DaemonSets, Jobs and
    /// Services that their services come to.
    #[serde(default)]
    pub manifests: Vec<String>,
    /// How the containers of those objects behave. Of entries that are about one container the later ones win, key by key.
    /// Default: they work at once, serve until they are stopped, and end at once; those of Jobs run for 60 s and succeed.
    #[serde(default)]
    pub behaviours: Vec<BehaviourSpec>,
    /// What the analyses of Rollouts measure. Of entries that are about one metric the last counts. Default: every
    /// measurement is successful, with a warning.
    #[serde(default)]
    pub analyses: Vec<AnalysisSpec>,
    /// Images of those containers and where they come from. Default: they are there at once.
    pub images: Option<ImagesSpec>,
    /// The pod list of the openb GPU trace, as CSV.
    pub openb: Option<OpenbPodsSpec>,
    /// Pods drawn from the seed.
    pub synthetic: Option<SyntheticPodsSpec>,
    /// Like pods, arriving by a rule.
    #[serde(default)]
    pub templates: Vec<TemplateSpec>,
}

/// Images of containers. They are named as in the manifests, with `:latest` where there is neither tag nor digest; a `*`
/// at the end stands for anything, and of several names that fit the longest counts.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImagesSpec {
    /// The registry that sends them. Default: it sends any amount.
    pub registry: Option<RegistrySpec>,
    /// How nodes pull and keep them.
    #[serde(default)]
    pub node: NodeImagesSpec,
    /// How much is sent of an image that shares nothing with others: name to size.
    #[serde(default)]
    pub sizes: BTreeMap<String, Quantity>,
    /// Layers of images: name to layers. Layers of one digest are sent and kept once.
    #[serde(default)]
    pub layers: BTreeMap<String, Vec<LayerSpec>>,
}

/// A registry of images.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistrySpec {
    /// What it sends at most to all nodes together, such as `1Gbps`.
    pub bandwidth: Bandwidth,
}

/// How nodes pull and keep images.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeImagesSpec {
    /// What a node receives at most, such as `1Gbps`. Default: any amount.
    pub bandwidth: Option<Bandwidth>,
    /// How many images it pulls at once. Default: 1, as `serializeImagePulls` says.
    #[schemars(range(min = 1))]
    pub max_parallel_pulls: Option<u32>,
    /// Room for images on it. Default: any amount.
    pub disk: Option<Quantity>,
    /// Share of the disk in percent at which it removes unused images. Default: 85.
    #[schemars(range(min = 0, max = 100))]
    pub image_gc_high_threshold_percent: Option<u8>,
    /// Share of the disk in percent at which it stops removing them. Default: 80.
    #[schemars(range(min = 0, max = 100))]
    pub image_gc_low_threshold_percent: Option<u8>,
    /// Images that have been there for less are kept. Default: 2m.
    #[serde(rename = "imageMinimumGCAge")]
    pub image_minimum_gc_age: Option<Duration>,
}

/// A layer of an image.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LayerSpec {
    /// What tells it from others.
    #[schemars(length(min = 1))]
    pub digest: String,
    /// How much of it is sent and kept.
    pub size: Quantity,
}

/// How containers behave. It is about those that all of `kind`, `namespace`, `name` and `container` fit.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BehaviourSpec {
    /// Kind of the object, such as `Deployment`. Default: any.
    pub kind: Option<String>,
    /// Namespace of the object. Default: any.
    pub namespace: Option<String>,
    /// Name of the object. Default: any.
    pub name: Option<String>,
    /// Name of the container. Default: any.
    pub container: Option<String>,
    /// From the start of a container until it works, which its probes see. Default: no time.
    pub start_up: Option<DistributionSpec>,
    /// How long it works until it ends by itself: a distribution, or `forever`. Default: `forever`; in Jobs 60s, in init
    /// containers no time.
    pub run_time: Option<LifetimeSpec>,
    /// How long its hook `preStop` takes, within the grace period. Default: what it sleeps; other hooks no time.
    pub pre_stop: Option<DistributionSpec>,
    /// How long it takes to end once it is told to, after `preStop`. Default: no time.
    pub shut_down: Option<DistributionSpec>,
    /// How it ends when it ends by itself: exit code to its share. Default: always 0.
    #[serde(default)]
    pub exit_codes: BTreeMap<String, f64>,
    /// Work between two checkpoints, from the last of which it goes on when it is started again. Default: it begins anew.
    pub checkpoint_every: Option<Duration>,
    /// CPU that it uses where there is enough, whatever it requests. Nodes of whose containers this is known share their
    /// CPU by requests, and work slows down. Default: nothing is known, and the container never waits for CPU.
    pub cpu: Option<UsageSpec>,
    /// Memory that it uses, whatever it requests. Over its limit it is killed, and nodes that run short of memory evict.
    /// Default: nothing is known.
    pub memory: Option<UsageSpec>,
}

/// How much of a resource a container uses, as Kubernetes quantities; a plain quantity is always the same, and
/// distributions are drawn from when the container is started.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum UsageSpec {
    /// Recorded steps: each amount holds until the next.
    Series(UsageSeriesSpec),
    /// Even growth, or decline: a leak.
    Ramp {
        /// At the start of the container.
        from: Quantity,
        /// At the end of the ramp, and from then on.
        to: Quantity,
        /// How long that takes; more than 0.
        over: Duration,
    },
    /// Uniform between two amounts.
    Uniform {
        /// Least.
        min: Quantity,
        /// Most.
        max: Quantity,
    },
    /// Exponential.
    Exponential {
        /// Mean.
        mean: Quantity,
    },
    /// Normal, cut at zero.
    Normal {
        /// Mean before the cut.
        mean: Quantity,
        /// Standard deviation before the cut.
        sd: Quantity,
    },
    /// Lognormal, by its mean and either its standard deviation or its 99th percentile.
    Lognormal {
        /// Mean.
        mean: Quantity,
        /// Standard deviation.
        sd: Option<Quantity>,
        /// 99th percentile, between the mean and 14.97 times the mean.
        p99: Option<Quantity>,
    },
    /// One of the listed amounts, each equally likely.
    Empirical(Vec<Quantity>),
    /// Always the same.
    #[serde(untagged)]
    Constant(Quantity),
}

/// Recorded usage of a container, from its start on.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum UsageSeriesSpec {
    /// Path of a CSV file with the columns `time_s`, seconds since the start of the container, ascending from 0, and `value`, a
    /// quantity.
    File(String),
    /// A part of a table of measurements.
    Table(UsageTableSpec),
}

/// A part of a table of measurements: CSV with a heading, gzip or not. Amounts are numbers: cores, or bytes, after `scale`.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UsageTableSpec {
    /// Path of the file.
    pub file: String,
    /// Column of the instants: seconds, or dates with times; they do not descend. Default: `time_s`, `timestamp`, `period`,
    /// `time` or `date`, whichever there is.
    pub time: Option<String>,
    /// What 1 means in the column of instants, such as `1m`; more than 0. Default: 1s, or the column has dates.
    pub time_unit: Option<Duration>,
    /// Column of the amounts. Default: `value` or `usage`, whichever there is.
    pub column: Option<String>,
    /// What amounts are multiplied by: `0.001` where they are milli-cores, `1024` where they are KB. More than 0. Default: 1.
    #[serde(default = "unscaled")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub scale: f64,
    /// The instant of the file at which a container starts, as it is written there. Default: that of the first row that is
    /// meant.
    pub from: Option<String>,
    /// Only rows with these texts in these columns are meant, such as `{pod: "4"}`. Default: all.
    #[serde(default)]
    pub rows: BTreeMap<String, String>,
}

fn unscaled() -> f64 {
    1.0
}

/// What an analysis measures: one of `success`, `results`, `values` and `traffic`. It is about the metrics that all of `template`, `metric`,
/// `namespace`, `rollout` and `image` fit.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnalysisSpec {
    /// Name of the `AnalysisTemplate` or `ClusterAnalysisTemplate`.
    pub template: String,
    /// Name of the metric. Default: any.
    pub metric: Option<String>,
    /// Namespace of the Rollout. Default: any.
    pub namespace: Option<String>,
    /// Name of the Rollout. Default: any.
    pub rollout: Option<String>,
    /// An image of the pods that are released, such as `example/web:1.2`. Default: any.
    pub image: Option<String>,
    /// Probability with which a measurement succeeds; else it fails.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub success: Option<f64>,
    /// The measurements of each analysis, one after the other; the last is measured again and again.
    #[serde(default)]
    pub results: Vec<OutcomeSpec>,
    /// Numbers that each analysis measures, one after the other, for the `successCondition` and `failureCondition` of the metric
    /// to judge; the last is measured again and again.
    #[serde(default)]
    pub values: Vec<f64>,
    /// What requests of `traffic` that pods of the new release answered since the last measurement have to be like. Without
    /// such requests a measurement is an error, as a query without data is, and is repeated.
    pub traffic: Option<TrafficConditionSpec>,
}

/// What requests have to be like for a release to go on: within bounds, or so that the metric's own conditions are met.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrafficConditionSpec {
    /// Which part of them may fail at the most, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_failure_ratio: Option<f64>,
    /// What the 95th percentile of latencies may be at the most. Default: anything.
    pub max_p95: Option<Duration>,
    /// The number that `successCondition` and `failureCondition` of the metric judge. Default: the bounds judge.
    pub value: Option<TrafficValueSpec>,
}

/// A number that is measured of requests.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TrafficValueSpec {
    /// Which part of them ended well, 0 to 1.
    SuccessRatio,
    /// Which part of them failed, 0 to 1.
    FailureRatio,
    /// How many there were.
    Requests,
    /// The mean latency of those that ended well, in seconds.
    LatencyMean,
    /// The median of those latencies, in seconds.
    LatencyP50,
    /// Their 95th percentile, in seconds.
    LatencyP95,
    /// Their 99th percentile, in seconds.
    LatencyP99,
}

/// What one measurement says.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
pub enum OutcomeSpec {
    /// As it should be.
    Successful,
    /// Not as it should be.
    Failed,
    /// Neither the condition of success nor that of failure is met.
    Inconclusive,
    /// Nothing could be measured.
    Error,
}

/// Pods of the openb GPU trace.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenbPodsSpec {
    /// Path of the pod list, CSV with the columns of the trace.
    pub pods: String,
    /// Which rows of the file are taken. Default: all.
    pub rows: Option<RowsSpec>,
    /// In which order they arrive. Default: `fileOrder`.
    #[serde(default)]
    pub order: OrderSpec,
    /// GPU demand to reach, as a share of the cluster's GPU capacity: pods drawn from the list are added, or left out,
    /// until it is. Default: the list as it is.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub inflate_to: Option<f64>,
    /// When pods arrive and how long they stay. Default: `sequence`.
    #[serde(default)]
    pub times: TimesSpec,
    /// Time between two arrivals of a sequence. Default: 1s.
    pub interval: Option<Duration>,
}

/// A range of rows, counted from 0 without the heading.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RowsSpec {
    /// First row. Default: 0.
    #[serde(default)]
    pub from: u64,
    /// First row that is left out. Default: the end of the file.
    pub to: Option<u64>,
}

/// An order of arrival.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum OrderSpec {
    /// As in the pod list.
    #[default]
    FileOrder,
    /// Drawn from the seed.
    Shuffled,
    /// As a CSV file with the columns `seq` and `pod_row` says.
    File(String),
}

/// Arrival times of a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TimesSpec {
    /// One after the other at a fixed interval; nothing departs.
    #[default]
    Sequence,
    /// As recorded: creation and deletion times of the trace.
    Trace,
}

/// Pods drawn from the seed.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SyntheticPodsSpec {
    /// What the pods resemble.
    pub kind: SyntheticKind,
    /// Pods are called `<name>-0` and so on. Default: `pod`.
    #[serde(default = "defaults::pod")]
    #[schemars(length(min = 1))]
    pub name: String,
    /// How many.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub pods: u64,
    /// How arrivals follow each other. Default: as in what the pods resemble.
    pub arrivals: Option<ArrivalsSpec>,
    /// How long pods run: a distribution, or `forever`. Default: as in what the pods resemble.
    pub duration: Option<LifetimeSpec>,
}

/// Like pods, called `<name>-0`, `<name>-1` and so on.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TemplateSpec {
    /// Name of the template, unique.
    #[schemars(length(min = 1))]
    pub name: String,
    /// A file with one Kubernetes `Pod` that all pods of the template are like, for what only a manifest can say, such
    /// as labels and affinity; other objects may stand beside it. Requests, priority, selector and tolerations are then
    /// the manifest's. Default: the template says everything itself.
    pub manifest: Option<String>,
    /// What each pod requests: `cpu`, `memory`, `ephemeral-storage` and extended resources, as Kubernetes quantities.
    /// Default: nothing.
    #[serde(default)]
    pub requests: BTreeMap<String, Quantity>,
    /// What each pod may use at most; not below the requests. Default: no limits.
    #[serde(default)]
    pub limits: BTreeMap<String, Quantity>,
    /// GPUs that each pod requests. Default: none.
    pub gpu: Option<GpuRequestSpec>,
    /// Priority; the larger goes first under the priority queue. Default: 0.
    #[serde(default)]
    pub priority: i32,
    /// Labels that the node must carry. Default: none.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that the pods tolerate. Default: none.
    #[serde(default)]
    pub tolerations: Vec<TolerationSpec>,
    /// Annotations of the pods that node autoscalers heed, such as `cluster-autoscaler.kubernetes.io/safe-to-evict` and
    /// `karpenter.sh/do-not-disrupt`. Default: none.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// How many pods. Default: 1 without `arrivals`, else as many as arrive until the horizon.
    pub count: Option<u64>,
    /// How arrivals follow each other. Default: all at `start`.
    pub arrivals: Option<ArrivalsSpec>,
    /// When the first pod can arrive. Default: 0s.
    #[serde(default)]
    pub start: Duration,
    /// How long pods run: a distribution, or `forever`. Default: `forever`.
    pub duration: Option<LifetimeSpec>,
}

/// GPUs that a pod requests.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GpuRequestSpec {
    /// How many devices, at most 32. Default: 1.
    #[serde(default = "defaults::one_u32")]
    #[schemars(range(min = 1, max = 32))]
    pub count: u32,
    /// Share of each device in thousandths; below 1000 only with one device. Default: 1000.
    #[serde(default = "defaults::whole_gpu")]
    #[schemars(range(min = 1, max = 1000))]
    pub milli: u16,
    /// Acceptable models. Default: any.
    #[serde(default)]
    pub models: Vec<String>,
}

/// A toleration, as in Kubernetes.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TolerationSpec {
    /// Key of the taint. Default: empty, every key, which needs the operator `Exists`.
    #[serde(default)]
    pub key: String,
    /// How the value is compared. Default: `Equal`.
    #[serde(default)]
    pub operator: OperatorSpec,
    /// Value of the taint. Default: empty.
    #[serde(default)]
    pub value: String,
    /// Effect of the taint. Default: every effect.
    pub effect: Option<EffectSpec>,
    /// Seconds that a running pod stays when the taint comes with the effect `NoExecute`; only a `nodeLifecycle` looks
    /// at it. Default: for ever.
    pub toleration_seconds: Option<u64>,
}

/// How a toleration compares values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
pub enum OperatorSpec {
    /// Key and value are equal.
    #[default]
    Equal,
    /// The key is there, whatever its value.
    Exists,
}

/// How arrivals follow each other.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum ArrivalsSpec {
    /// Independently of each other, at a mean rate.
    Poisson(PoissonSpec),
    /// The first at the start, then at equal distances.
    Every(Duration),
    /// At the listed instants after the start.
    At(Vec<Duration>),
    /// The gap before each arrival, the first included, is drawn.
    Distribution(DistributionSpec),
}

/// A Poisson process.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoissonSpec {
    /// Mean arrivals per second; more than 0.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub per_second: f64,
}

/// A distribution of spans of time; a plain duration is a constant.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum DistributionSpec {
    /// Exponential.
    Exponential {
        /// Mean.
        mean: Duration,
    },
    /// Uniform between two spans.
    Uniform {
        /// Shortest.
        min: Duration,
        /// Longest.
        max: Duration,
    },
    /// Normal, cut at zero.
    Normal {
        /// Mean before the cut.
        mean: Duration,
        /// Standard deviation before the cut.
        sd: Duration,
    },
    /// Lognormal, by its mean and either its standard deviation or its 99th percentile.
    Lognormal {
        /// Mean.
        mean: Duration,
        /// Standard deviation.
        sd: Option<Duration>,
        /// 99th percentile, between the mean and 14.97 times the mean.
        p99: Option<Duration>,
    },
    /// Weibull.
    Weibull {
        /// Scale.
        scale: Duration,
        /// Shape; below 1 the hazard falls with age. More than 0.
        #[schemars(extend("exclusiveMinimum" = 0))]
        shape: f64,
    },
    /// Pareto.
    Pareto {
        /// Shortest.
        min: Duration,
        /// Tail index; more than 0.
        #[schemars(extend("exclusiveMinimum" = 0))]
        shape: f64,
        /// Longest. Default: no bound.
        max: Option<Duration>,
    },
    /// Gamma; a whole number as shape makes it Erlang, a sum of that many equal exponentials.
    Gamma {
        /// Mean.
        mean: Duration,
        /// Shape; one over it is the squared coefficient of variation. More than 0.
        #[schemars(extend("exclusiveMinimum" = 0))]
        shape: f64,
    },
    /// A mixture of exponentials.
    Hyperexponential(Vec<BranchSpec>),
    /// One of the listed spans, each equally likely.
    Empirical(Vec<Duration>),
    /// Spans at percentiles, such as `{p0: 1ms, p50: 5ms, p99: 40ms, p100: 1s}`; straight lines run between them. Spans below
    /// the first percentile and above the last are as there.
    Percentiles(BTreeMap<String, Duration>),
    /// Always the same span.
    #[serde(untagged)]
    Constant(Duration),
}

/// How long pods run.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LifetimeSpec {
    /// Until they are evicted or the run ends.
    Forever,
    /// A span drawn for each pod.
    #[serde(untagged)]
    Drawn(DistributionSpec),
}

/// A branch of a hyperexponential distribution.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BranchSpec {
    /// Its share; shares are scaled so that they sum to 1. More than 0.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub weight: f64,
    /// Its mean.
    pub mean: Duration,
}

/// The scheduler.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SchedulerSpec {
    /// The policy that chooses nodes: see `wavetank policies`. Default: `least-allocated`.
    pub policy: String,
    /// Parameters of the policy. Default: those of the policy.
    pub parameters: serde_json::Map<String, Json>,
    /// A `KubeSchedulerConfiguration` file for the policy `kube-scheduler`. Default: the defaults of Kubernetes.
    pub configuration: Option<String>,
    /// Which of equally good nodes the policy `kube-scheduler` takes. Default: `random`.
    pub tie_break: Option<TieBreakSpec>,
    /// The order of waiting pods: `fifo`, `priority`, `shortest-first`, `largest-first`. Default: `fifo`.
    pub queue: String,
    /// What becomes of a pod that fits nowhere. Default: `wait`.
    pub on_unschedulable: OnUnschedulableSpec,
    /// What becomes of a pod that loses its node. Default: `requeue`.
    pub on_eviction: OnEvictionSpec,
    /// How long each step takes. Default: no time.
    pub delays: DelaysSpec,
}

impl Default for SchedulerSpec {
    fn default() -> Self {
        SchedulerSpec {
            policy: "least-allocated".to_owned(),
            parameters: serde_json::Map::new(),
            configuration: None,
            tie_break: None,
            queue: "fifo".to_owned(),
            on_unschedulable: OnUnschedulableSpec::default(),
            on_eviction: OnEvictionSpec::default(),
            delays: DelaysSpec::default(),
        }
    }
}

/// Which of equally good nodes is taken.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TieBreakSpec {
    /// Any, drawn at random, as kube-scheduler does.
    #[default]
    Random,
    /// The first in the order in which nodes are looked at.
    First,
}

/// What becomes of a pod that fits nowhere.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnUnschedulableSpec {
    /// It waits and is tried again when something changed that can help it.
    #[default]
    Wait,
    /// It is deleted at once.
    Drop,
}

/// What becomes of a pod that loses its node.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnEvictionSpec {
    /// It waits for a place again and starts its work anew.
    #[default]
    Requeue,
    /// It ends.
    End,
}

/// How long each step of a pod's way takes.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DelaysSpec {
    /// How long the scheduler is busy with one pod; it takes one at a time. Default: no time.
    pub scheduling: Option<DistributionSpec>,
    /// From the decision until the pod is bound. Default: no time.
    pub binding: Option<DistributionSpec>,
    /// From bound until the pod runs. Default: no time.
    pub start: Option<DistributionSpec>,
}

/// One change to the cluster or to an object that makes pods: `at` and exactly one of the others.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScriptSpec {
    /// When, from the start.
    pub at: Duration,
    /// Name of a node that takes no new pods from now on.
    pub cordon: Option<String>,
    /// Name of a node that takes pods again.
    pub uncordon: Option<String>,
    /// Name of a node that is cordoned and whose pods are evicted.
    pub drain: Option<String>,
    /// Name of a node that leaves the cluster.
    pub remove: Option<String>,
    /// Name of a node that fails for good.
    pub crash: Option<String>,
    /// Name of a node that somebody says is out of service (taint `node.kubernetes.io/out-of-service`, until it is uncordoned): only
    /// pods that tolerate that stay and come, and others need not be heard of any more once the node is not ready.
    pub out_of_service: Option<String>,
    /// Nodes that join.
    pub add: Option<AddSpec>,
    /// Path of a file with objects that make pods: those that are there get its template and replicas, others come into
    /// being.
    pub apply: Option<String>,
    /// An object that goes, its pods with it.
    pub delete: Option<TargetSpec>,
    /// An object that gets another number of replicas.
    pub scale: Option<ScaleSpec>,
    /// A container that gets another image.
    pub set_image: Option<SetImageSpec>,
    /// A Deployment or Rollout whose release is paused, or a Job or CronJob that is suspended.
    pub pause: Option<TargetSpec>,
    /// A Deployment, Job or CronJob that goes on, or a Rollout whose present pause ends.
    pub resume: Option<TargetSpec>,
    /// A Deployment, Rollout, StatefulSet or DaemonSet that goes back to the template before the present one.
    pub roll_back: Option<TargetSpec>,
    /// A Rollout whose present pause or step ends, or all of them.
    pub promote: Option<PromoteSpec>,
    /// A Rollout that gives its release up.
    pub abort: Option<TargetSpec>,
    /// A Rollout that begins a release anew that was given up.
    pub retry: Option<TargetSpec>,
}

/// An object that makes pods.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetSpec {
    /// Kind and name, such as `deployment/web`.
    pub target: String,
    /// Its namespace. Default: `default`.
    #[serde(default = "defaults::namespace")]
    pub namespace: String,
}

/// How far a Rollout gets.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PromoteSpec {
    /// Kind and name, such as `rollout/web`.
    pub target: String,
    /// Its namespace. Default: `default`.
    #[serde(default = "defaults::namespace")]
    pub namespace: String,
    /// Whether all steps, pauses and analyses that are left are left out. Default: false.
    #[serde(default)]
    pub full: bool,
}

/// A number of replicas of an object.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScaleSpec {
    /// Kind and name, such as `deployment/web`.
    pub target: String,
    /// Its namespace. Default: `default`.
    #[serde(default = "defaults::namespace")]
    pub namespace: String,
    /// How many pods it keeps from then on.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub replicas: i32,
}

/// The image of a container.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetImageSpec {
    /// Kind and name, such as `deployment/web`.
    pub target: String,
    /// Its namespace. Default: `default`.
    #[serde(default = "defaults::namespace")]
    pub namespace: String,
    /// Name of the container.
    #[schemars(length(min = 1))]
    pub container: String,
    /// The image, such as `nginx:1.29`.
    #[schemars(length(min = 1))]
    pub image: String,
}

/// What goes wrong.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FaultsSpec {
    /// Faults at given instants. Default: none.
    pub events: Vec<FaultSpec>,
    /// Nodes that fail and are repaired, drawn for each node by itself. Of several entries the first that names a
    /// node's pool holds. Default: none.
    pub nodes: Vec<NodeFailuresSpec>,
    /// Nodes that the provider takes back, drawn for each node by itself. Default: none.
    pub spot: Vec<SpotSpec>,
    /// A CSV file of failures with the columns `node`, `start_s` and `end_s`, in seconds; an empty `end_s` stands for
    /// ever. Default: none.
    pub trace: Option<String>,
    /// Recorded availability of spot nodes: see the entries. Default: none.
    pub spot_traces: Vec<SpotTraceSpec>,
    /// Pods of which a container dies, drawn for each pod by itself. Default: none.
    pub pods: Vec<PodCrashesSpec>,
}

/// One fault: `at`, how long it lasts, and exactly one of the others.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FaultSpec {
    /// When it begins, from the start.
    pub at: Duration,
    /// How long it lasts; for `reclaim`: from the notice until the node goes. Default: for ever; for `reclaim`: no time.
    #[serde(rename = "for")]
    pub span: Option<Duration>,
    /// Name of a node that is down, with everything on it; it boots when the fault is over.
    pub node_down: Option<String>,
    /// Name of a zone whose nodes are all down.
    pub zone_down: Option<String>,
    /// Name of a zone whose nodes run on, but cannot be reached.
    pub zone_cut_off: Option<String>,
    /// Whether the API server does not answer: `true`.
    pub api_server_down: Option<bool>,
    /// How many times as long writes to the API server take.
    #[schemars(range(min = 1.0))]
    pub api_server_slowdown: Option<f64>,
    /// How many times as long pulling images takes.
    #[schemars(range(min = 1.0))]
    pub registry_slowdown: Option<f64>,
    /// Name of a pool that gets no new nodes.
    pub stock_out: Option<String>,
    /// Name of a node that the provider takes back: its pods are told to end, and it goes when the span is over.
    pub reclaim: Option<String>,
}

/// Nodes that fail and are repaired.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeFailuresSpec {
    /// Name of the pool. Default: all nodes.
    pub pool: Option<String>,
    /// From joining or repair to the next failure.
    pub time_to_failure: DistributionSpec,
    /// From failure to repair.
    pub time_to_repair: DistributionSpec,
}

/// Nodes that the provider takes back.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SpotSpec {
    /// Name of the pool.
    pub pool: String,
    /// From joining to the notice.
    pub time_to_reclaim: DistributionSpec,
    /// From the notice until the node goes. Default: 120s.
    pub notice: Option<Duration>,
}

/// Pods of which a container dies.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodCrashesSpec {
    /// Kind and name of the object that makes the pods, such as `deployment/web`.
    pub target: String,
    /// Its namespace. Default: `default`.
    #[serde(default = "defaults::namespace")]
    pub namespace: String,
    /// From when a pod has come to its node, or a crash, to the next crash of its first container.
    pub time_to_crash: DistributionSpec,
    /// The exit code of the container. Default: 1.
    #[serde(default = "defaults::exit_code")]
    pub exit_code: i32,
}

/// Recorded availability of spot nodes.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SpotTraceSpec {
    /// Name of the pool: its n-th node, from 0, is down in each step at which the file has n nodes or fewer.
    pub pool: String,
    /// A JSON file as of SkyPilot's spot traces: `metadata.gap_seconds`, and `data`, the nodes available at each step.
    pub file: String,
}

/// Nodes that join.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddSpec {
    /// Name of the pool.
    pub pool: String,
    /// How many. Default: 1.
    #[serde(default = "defaults::one_u32")]
    #[schemars(range(min = 1))]
    pub count: u32,
}

/// How long the control plane takes.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ControlPlaneSpec {
    /// What holds where nothing else is said. Default: `ideal`.
    pub preset: ControlPlanePreset,
    /// From sending a write to its answer. Default: the preset's.
    pub api_write: Option<DistributionSpec>,
    /// From a write to the moment a watcher has seen it. Default: the preset's.
    pub watch: Option<DistributionSpec>,
    /// How fast each kind of controller may write. Default: the preset's.
    pub controller_writes: Option<RateLimitSpec>,
    /// How fast the scheduler may bind pods. Default: the preset's.
    pub scheduler_writes: Option<RateLimitSpec>,
    /// For how long the controller of Jobs gathers what happens to their pods before it looks. Default: the preset's.
    pub job_batch_period: Option<Duration>,
}

/// A control plane by name.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ControlPlanePreset {
    /// Nothing takes time, and nothing is limited.
    #[default]
    Ideal,
    /// Writes and watches take some 10 ms; each kind of controller writes at most 20 objects a second (burst 30) and the
    /// scheduler binds at most 50 pods a second (burst 100), and the controller of Jobs looks 1 s after something happened
    /// to their pods: the defaults of Kubernetes.
    Realistic,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimitSpec {
    /// Writes a second, at least 0.001.
    #[schemars(range(min = 0.001))]
    pub per_second: f64,
    /// How many may come at once after a pause. Default: 1.
    #[serde(default = "defaults::one_u32")]
    #[schemars(range(min = 1))]
    pub burst: u32,
}

/// What a run records beside its summary.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OutputsSpec {
    /// Spacing of the time series. Default: chosen so that a few hundred points cover the run.
    pub sample_every: Option<Duration>,
    /// Whether every decision is written to `decisions.csv`. Default: false.
    pub decisions: bool,
    /// Whether the state after every arrival is written to `arrivals.csv`. Default: false.
    pub arrivals: bool,
    /// Whether one row per pod is written to `pods.csv`. Default: true.
    pub pods: bool,
    /// Whether charts and report are drawn. Default: true.
    pub charts: bool,
}

impl Default for OutputsSpec {
    fn default() -> Self {
        OutputsSpec { sample_every: None, decisions: false, arrivals: false, pods: true, charts: true }
    }
}

impl std::fmt::Display for Duration {
    /// Seconds with their unit.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}s", self.0)
    }
}

/// A span of simulated time, such as `250ms`, `90s`, `1h30m`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub SimDuration);

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // A bare 0 is a duration; every other number lacks its unit, which the format's parser says.
        json_schema!({ "type": ["string", "integer"], "format": "duration" })
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Scalar(text) = Scalar::deserialize(deserializer)?;
        SimDuration::parse(&text).map(Duration).map_err(D::Error::custom)
    }
}

/// A rate of transfer in bits a second, such as `100Mbps` or `1Gbps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bandwidth(pub crate::model::images::Bandwidth);

impl JsonSchema for Bandwidth {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Bandwidth".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "bandwidth" })
    }
}

impl<'de> Deserialize<'de> for Bandwidth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Scalar(text) = Scalar::deserialize(deserializer)?;
        crate::model::images::Bandwidth::parse(&text).map(Bandwidth).map_err(D::Error::custom)
    }
}

/// A Kubernetes quantity as text, such as `500m`, `2`, `1Gi`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity(pub String);

impl JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"], "format": "quantity" })
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Scalar::deserialize(deserializer).map(|Scalar(text)| Quantity(text))
    }
}

/// A text, number or truth value, as text: the label of something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scalar(pub String);

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Json::deserialize(deserializer)? {
            Json::String(text) => Ok(Scalar(text)),
            Json::Number(number) => Ok(Scalar(number.to_string())),
            Json::Bool(truth) => Ok(Scalar(truth.to_string())),
            _ => Err(D::Error::custom("a text or number is expected")),
        }
    }
}

mod defaults {
    pub(super) fn seed() -> u64 {
        42
    }

    pub(super) fn one_u32() -> u32 {
        1
    }

    pub(super) fn namespace() -> String {
        crate::model::pod_spec::DEFAULT_NAMESPACE.to_owned()
    }

    pub(super) fn node() -> String {
        "node".to_owned()
    }

    pub(super) fn pod() -> String {
        "pod".to_owned()
    }

    pub(super) fn exit_code() -> i32 {
        1
    }

    pub(super) fn whole_gpu() -> u16 {
        1000
    }
}

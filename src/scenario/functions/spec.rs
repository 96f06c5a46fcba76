//! Function platforms as they are written: a mirror for serde and schemars, without logic, like [`crate::scenario::spec`].

use schemars::JsonSchema;

use crate::scenario::spec::{DistributionSpec, Duration, Quantity};
use crate::scenario::traffic::{RateSpec, RequestArrivalsSpec};

/// A function platform beside the cluster: functions and tasks, who calls them, and how the platform runs them.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FunctionsSpec {
    /// How the platform is run.
    pub platform: PlatformSpec,
    /// Functions, one by one. Default: none.
    pub list: Vec<FunctionSpec>,
    /// Functions drawn from the seed. Default: none.
    pub population: Option<PopulationSpec>,
    /// Functions of the tables of Azure Functions 2019. Default: none.
    pub azure2019: Option<Azure2019Spec>,
    /// Functions of the table of calls of Azure Functions 2021. Default: none.
    pub azure2021: Option<Azure2021Spec>,
    /// Containers without a machine of their own, as with Fargate. Default: none.
    pub tasks: Vec<TaskSpec>,
}

/// How the platform is run: as AWS Lambda, unless it is said otherwise.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PlatformSpec {
    /// How long an instance stays after a call. Default: `{fixed: 10m}`.
    pub keep_alive: KeepAliveSpec,
    /// Which of the instances that wait a call goes to. Default: `mostRecentlyUsed`.
    pub routing: RoutingSpec,
    /// Which calls are throttled, and so lost. Default: the limits of AWS Lambda.
    pub limits: LimitsSpec,
    /// Instances that are always ready, of each function that does not say it for itself. Default: 0.
    #[schemars(range(max = 1_000_000))]
    pub provisioned_concurrency: u32,
    /// The processors that functions and tasks run on, of which prices depend. Default: `x86`.
    pub architecture: ArchitectureSpec,
    /// Prices that differ from those of AWS.
    pub prices: PricesSpec,
}

/// How long an instance stays after a call.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum KeepAliveSpec {
    /// It ends with its call.
    None,
    /// It stays for that time.
    Fixed(Duration),
    /// As the function's past idle times say: Shahrad et al., "Serverless in the Wild", USENIX ATC 2020.
    HybridHistogram(HybridHistogramSpec),
}

impl Default for KeepAliveSpec {
    fn default() -> KeepAliveSpec {
        KeepAliveSpec::Fixed(Duration(crate::units::SimDuration(600_000_000_000)))
    }
}

/// Parameters of the hybrid histogram policy.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HybridHistogramSpec {
    /// The longest idle time that the histogram counts; at least `bin`, and no more than 100 000 of it. Default: 4h.
    pub range: Option<Duration>,
    /// The width of a bin; more than 0. Default: 1m.
    pub bin: Option<Duration>,
    /// The part of idle times before which the function is not loaded. Default: 0.05.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub head: Option<f64>,
    /// The part of idle times after which it is unloaded; at least `head`. Default: 0.99.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub tail: Option<f64>,
    /// How much earlier and later than these, as a part. Default: 0.1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub margin: Option<f64>,
    /// From which coefficient of variation of the bins the histogram is trusted; before that, functions stay for `range`.
    /// Default: 2.
    #[schemars(range(min = 0.0))]
    pub variation_min: Option<f64>,
    /// From which part of idle times beyond `range` they are forecast. Default: 0.5.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub beyond_min: Option<f64>,
    /// How much earlier and later than a forecast the function is there, as a part. Default: 0.15.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub forecast_margin: Option<f64>,
}

/// Which of the instances that wait a call goes to.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RoutingSpec {
    /// The one that was busy last.
    #[default]
    MostRecentlyUsed,
    /// The one that has waited longest.
    LeastRecentlyUsed,
    /// The one that started last.
    NewestFirst,
}

/// Which calls are throttled.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LimitsSpec {
    /// No call is.
    None,
    /// Those beyond these limits.
    #[serde(untagged)]
    Some(LambdaLimitsSpec),
}

impl Default for LimitsSpec {
    fn default() -> LimitsSpec {
        LimitsSpec::Some(LambdaLimitsSpec::default())
    }
}

/// Limits of an account in a region, in the manner of AWS Lambda.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LambdaLimitsSpec {
    /// Calls under way at a time, of all functions. Default: 1000.
    #[schemars(range(min = 1))]
    pub account_concurrency: Option<u32>,
    /// Instances that a function may start in `scalingPeriod`: refilled evenly, and never more than that at once. Default: 1000.
    #[schemars(range(min = 1))]
    pub scaling_instances: Option<u32>,
    /// See there; more than 0. Default: 10s.
    pub scaling_period: Option<Duration>,
    /// Requests a second that a function gets in, for each call that it may have under way. Default: 10.
    #[schemars(range(min = 1))]
    pub requests_per_concurrency: Option<u32>,
}

/// Processors.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ArchitectureSpec {
    /// x86-64.
    #[default]
    X86,
    /// Arm.
    Arm,
}

/// Prices in US dollars. Default: those of AWS in US East, by `architecture`.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PricesSpec {
    /// A call.
    #[schemars(range(min = 0.0))]
    pub request: Option<f64>,
    /// A GB-second of execution, however many. Default: by tiers.
    #[schemars(range(min = 0.0))]
    pub gb_second: Option<f64>,
    /// A GB-second of execution on a provisioned instance.
    #[schemars(range(min = 0.0))]
    pub provisioned_execution_gb_second: Option<f64>,
    /// A GB-second of a provisioned instance, busy or not.
    #[schemars(range(min = 0.0))]
    pub provisioned_gb_second: Option<f64>,
    /// Whether the start of an instance is billed like execution. Default: true, as since August 2025.
    pub bills_initialisation: Option<bool>,
    /// A vCPU of a task for an hour.
    #[schemars(range(min = 0.0))]
    pub vcpu_hour: Option<f64>,
    /// A GB of memory of a task for an hour.
    #[schemars(range(min = 0.0))]
    pub gb_hour: Option<f64>,
    /// A GB of storage of a task for an hour, beyond the 20 that come with it.
    #[schemars(range(min = 0.0))]
    pub storage_gb_hour: Option<f64>,
}

/// A function.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FunctionSpec {
    /// Its name, unique.
    #[schemars(length(min = 1))]
    pub name: String,
    /// How many alike there are: more than one are called `name-0`, `name-1` and so on. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: u32,
    /// Memory of an instance, more than 0.
    pub memory: Quantity,
    /// How often it is called, over time, as the `rate` of a source of `traffic`. Required unless `arrivals` is `replay`.
    pub rate: Option<RateSpec>,
    /// How calls follow each other, as with a source of `traffic`; not `closed`. Default: `poisson`.
    #[serde(default)]
    pub arrivals: RequestArrivalsSpec,
    /// How long a call takes on an instance that is warm.
    pub duration: DistributionSpec,
    /// How long an instance takes to start; a call that starts one waits for it. Default: no time.
    pub cold_start: Option<DistributionSpec>,
    /// How long a call takes that starts an instance, start and all. Default: `coldStart` and `duration` together.
    pub cold_duration: Option<DistributionSpec>,
    /// Instances that only it may use, and more than which it may not. Default: it shares what the others leave.
    pub reserved_concurrency: Option<u32>,
    /// Instances that are always ready. Default: as the platform.
    #[schemars(range(max = 1_000_000))]
    pub provisioned_concurrency: Option<u32>,
}

fn one() -> u32 {
    1
}

/// Functions drawn from the seed, like those of a provider: `docs/functions.md` says of which distributions.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PopulationSpec {
    /// What they are called, before their number. Default: `function`.
    pub name: Option<String>,
    /// How many there are.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: u32,
    /// So often the one in the middle is called in a day; more than 0. Default: 120.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub median_calls_per_day: Option<f64>,
    /// The standard deviation of the logarithm of how often they are called. Default: 2.5.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub spread: Option<f64>,
    /// The part of them that timers call, at equal distances. Default: 0.5.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub timers: Option<f64>,
    /// The standard deviation of gaps between the calls of others over their mean; more than 0. Default: 2.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub burstiness: Option<f64>,
    /// How long an instance takes to start. Default: 500ms.
    pub cold_start: Option<DistributionSpec>,
}

/// Tables of a day of Azure Functions 2019. The first minute of the counts is the first of the run.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Azure2019Spec {
    /// Path of the counts by minute.
    pub invocations: String,
    /// Path of the percentiles of durations. Default: calls take no time.
    pub durations: Option<String>,
    /// Path of the memory of functions. Default: they have `memory`.
    pub memory_table: Option<String>,
    /// Memory of functions of which none is known. Default: 170Mi.
    pub memory: Option<Quantity>,
    /// How long an instance takes to start. Default: 500ms.
    pub cold_start: Option<DistributionSpec>,
}

/// The table of calls of Azure Functions 2021.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Azure2021Spec {
    /// Path of the table.
    pub file: String,
    /// Memory of functions. Default: 170Mi.
    pub memory: Option<Quantity>,
    /// How long an instance takes to start. Default: 500ms.
    pub cold_start: Option<DistributionSpec>,
}

/// Containers that are started one by one, each in the smallest size that holds it.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskSpec {
    /// Its name, unique.
    #[schemars(length(min = 1))]
    pub name: String,
    /// CPU that one asks for.
    pub cpu: Quantity,
    /// Memory that one asks for.
    pub memory: Quantity,
    /// Storage that one asks for. Default: 20Gi, which comes with it.
    pub storage: Option<Quantity>,
    /// How often one is started, over time, as the `rate` of a source of `traffic`. Required unless `arrivals` is `replay`.
    pub rate: Option<RateSpec>,
    /// How starts follow each other, as with a source of `traffic`; not `closed`. Default: `poisson`.
    #[serde(default)]
    pub arrivals: RequestArrivalsSpec,
    /// How long one runs.
    pub duration: DistributionSpec,
    /// How long it takes until one runs, such as the pull of its image; billed. Default: no time.
    pub start_up: Option<DistributionSpec>,
}

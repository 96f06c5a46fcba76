//! Back-tests of sizes as they are written: a mirror for serde and schemars, without logic, like [`crate::scenario::spec`].

use schemars::JsonSchema;
use serde_json::{Map, Value as Json};

use crate::scenario::spec::{Duration, Quantity};

/// A back-test beside the cluster: what a rule that sizes containers would have done with usage that is known. Containers meet
/// nothing, not even each other.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SizingSpec {
    /// The rule; `wavetank policies` lists them.
    pub policy: String,
    /// Parameters of the rule. Default: its own.
    #[serde(default)]
    pub parameters: Map<String, Json>,
    /// How often usage is sampled and the rule is asked; more than 0. Default: 1m.
    pub interval: Option<Duration>,
    /// When what the rule says is applied. Default: `updater` for the policy `vpa`, and `atOnce` for others.
    pub apply: Option<SizingApplySpec>,
    /// Containers whose usage is drawn, or read of a file each. Default: none.
    #[serde(default)]
    pub containers: Vec<SizedContainerSpec>,
    /// Containers of a table. Default: none.
    pub table: Option<UsageTableSpec>,
    /// Virtual machines of Bitbrains GWA-T-12, whose requests and limits are what was provisioned for them. Default: none.
    pub bitbrains: Option<BitbrainsSpec>,
}

/// When what a rule says is applied.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SizingApplySpec {
    /// As soon as it differs.
    AtOnce,
    /// When the Vertical Pod Autoscaler's updater would.
    Updater,
}

/// CPU and memory.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SizeSpec {
    /// CPU. Default: nothing is said.
    pub cpu: Option<Quantity>,
    /// Memory. Default: nothing is said.
    pub memory: Option<Quantity>,
}

/// A container, or several of one kind.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SizedContainerSpec {
    /// Its name, unique.
    #[schemars(length(min = 1))]
    pub name: String,
    /// How many there are, each drawn for itself: more than one are called `name-0`, `name-1` and so on. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100_000))]
    pub count: u32,
    /// How much their means differ: the standard deviation of the logarithm of a factor that each draws. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 5.0))]
    pub spread: f64,
    /// Requests at the start.
    pub requests: SizeSpec,
    /// Limits at the start; they follow requests in proportion. Default: none, and nothing is throttled or killed.
    #[serde(default)]
    pub limits: SizeSpec,
    /// How long a drawn amount lasts; more than 0. Default: as `interval`.
    pub every: Option<Duration>,
    /// CPU that it would use. Default: none.
    pub cpu: Option<CourseSpec>,
    /// Memory that it would use. Default: none.
    pub memory: Option<CourseSpec>,
}

fn one() -> u32 {
    1
}

/// Usage over time.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CourseSpec {
    /// A CSV file with the columns `time_s`, ascending from 0, and `value`. The last amount lasts until the horizon.
    Series(String),
    /// The course of a day, again and again, with noise and bursts.
    Daily(DailyUsageSpec),
    /// Always the same.
    #[serde(untagged)]
    Constant(Quantity),
}

/// Usage that follows the course of a day: `mean * (1 + swing * cos(2 pi (t - peak) / day)) * (1 + growthPerDay * t / day)`, times
/// noise, times a burst.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DailyUsageSpec {
    /// The mean of a day, without growth and bursts.
    pub mean: Quantity,
    /// How far it goes above and below the mean, as a part of that. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub swing: f64,
    /// When it is at its highest, from midnight, at which the run begins. Default: 12h.
    pub peak: Option<Duration>,
    /// The standard deviation of the logarithm of the noise, which is drawn anew for each step. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 5.0))]
    pub noise: f64,
    /// What it gains in a day, as a part of the mean; below 0 it falls, to nothing at last. Default: 0.
    #[serde(default)]
    #[schemars(range(min = -10.0, max = 10.0))]
    pub growth_per_day: f64,
    /// Times of more. Default: none.
    pub bursts: Option<BurstsSpec>,
}

/// Times of more, which begin independently of each other.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BurstsSpec {
    /// How many begin in a day, on average.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub per_day: f64,
    /// What usage is multiplied by.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub factor: f64,
    /// How long one lasts; more than 0.
    #[serde(rename = "for")]
    pub span: Duration,
}

/// A CSV table with the usage of many containers, gzip or not: a row for each container and time.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UsageTableSpec {
    /// Path of the file.
    pub file: String,
    /// Column with the names of containers.
    pub container: String,
    /// Column with times, by which the rows of a container ascend. Where rows are missing its time goes on with the next.
    pub time: String,
    /// How long what a row says lasts; more than 0.
    pub every: Duration,
    /// Column with CPU in cores. Default: none is used.
    pub cpu_column: Option<String>,
    /// Column with memory in bytes. Default: none is used.
    pub memory_column: Option<String>,
    /// Requests at the start. Default: `peakPart` of the most that each container uses.
    pub requests: Option<SizeSpec>,
    /// Requests at the start as a part of the most that each container uses; at least 1m of CPU and 1 MiB of memory. More than
    /// 0. Default: 1.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub peak_part: Option<f64>,
    /// Limits as multiples of requests, at least 1. Default: there are none.
    #[schemars(range(min = 1.0, max = 1000.0))]
    pub limit_ratio: Option<f64>,
}

/// Virtual machines of Bitbrains.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BitbrainsSpec {
    /// Path of a file, or of a directory of which all files are read; gzip or not.
    pub path: String,
}

//! Sources of requests, and rates over time.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::{HedgingSpec, Rate, RetriesSpec};
use crate::scenario::spec::{DistributionSpec, Duration};

/// Clients that send requests.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceSpec {
    /// Its name, unique.
    #[schemars(length(min = 1))]
    pub name: String,
    /// What is asked for: the name of a service with one operation, or a list of operations with weights.
    pub to: TargetsSpec,
    /// How many requests there are, over time: a rate such as `100/s`, something that changes, or a list of such that are
    /// added. Required unless `arrivals` is `closed` or `replay`. With `sessions` it is the rate at which sessions begin.
    pub rate: Option<RateSpec>,
    /// How requests follow each other. Default: `poisson`.
    #[serde(default)]
    pub arrivals: RequestArrivalsSpec,
    /// What clients do after their first request. Default: nothing, every request is a client of its own.
    pub sessions: Option<SessionSpec>,
    /// The zone that clients are in. Default: nowhere in particular, at no distance from anything.
    pub zone: Option<String>,
    /// How many clients there are that balance load by themselves; requests go to them in turn. Default: 1.
    #[serde(default = "one_u32")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub clients: u32,
    /// Headers by which routes tell these requests from others. Default: none.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Keys by which requests can be kept together. Default: every request, or session, has one of its own.
    pub keys: Option<KeysSpec>,
    /// How long an attempt may take; more than 0. Default: for ever.
    pub timeout: Option<Duration>,
    /// How long a request may take with all its attempts; what is called for it ends by then as well. More than 0. Default:
    /// for ever.
    pub deadline: Option<Duration>,
    /// How failed attempts are made again. Default: they are not.
    pub retries: Option<RetriesSpec>,
    /// A second attempt beside a slow one. Default: none.
    pub hedging: Option<HedgingSpec>,
}

fn one_u32() -> u32 {
    1
}

fn one() -> f64 {
    1.0
}

/// What is asked for.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TargetsSpec {
    /// A service with one operation.
    Service(String),
    /// Operations and their weights.
    Operations(Vec<TargetOperationSpec>),
}

/// An operation that is asked for.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetOperationSpec {
    /// Name of the service.
    pub service: String,
    /// Name of its operation. Default: the only one it has.
    pub operation: Option<String>,
    /// Its share; shares are scaled so that they sum to 1. More than 0. Default: 1.
    #[serde(default = "one")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub weight: f64,
}

/// A rate over time: one component, or a list of components that are added.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RateSpec {
    /// The sum of these.
    Sum(Vec<ComponentSpec>),
    /// This alone.
    One(ComponentSpec),
}

/// A rate over time; a plain rate is constant. Straight lines run between the points that a component has; where a sum
/// would be below 0 it is 0.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ComponentSpec {
    /// Constant from each instant to the next; before the first nothing.
    Steps(Vec<RatePointSpec>),
    /// Straight lines between these instants; before the first nothing, after the last as there.
    Lines(Vec<RatePointSpec>),
    /// Even growth or decline.
    Ramp {
        /// Before and at the start. Default: 0.
        #[serde(default)]
        from: Rate,
        /// At the end, and from then on.
        to: Rate,
        /// When it starts. Default: 0s.
        #[serde(default)]
        at: Duration,
        /// How long it takes; 0 makes a step.
        over: Duration,
    },
    /// A sinusoid, sampled at 1/96 of its period.
    Sinusoid {
        /// Its mean.
        mean: Rate,
        /// How far it goes above and below the mean.
        amplitude: Rate,
        /// Its period, more than 0, such as `24h`.
        period: Duration,
        /// When it is at its highest for the first time. Default: a quarter of the period.
        peak: Option<Duration>,
    },
    /// The course of a day, again and again: values at equal distances from midnight on, 24 of them every hour.
    Daily(CycleSpec),
    /// The course of a week, again and again: values at equal distances from midnight before its first day on, 168 of them
    /// every hour.
    Weekly(CycleSpec),
    /// More for a while: up evenly, a plateau, and down evenly.
    Spike {
        /// When it begins.
        at: Duration,
        /// How much it adds at its highest.
        peak: Rate,
        /// How long it rises. Default: no time.
        #[serde(default)]
        rise: Duration,
        /// How long it stays. Default: no time.
        #[serde(default)]
        hold: Duration,
        /// How long it falls. Default: no time.
        #[serde(default)]
        fall: Duration,
    },
    /// A crowd that comes quickly and leaves slowly: up evenly, a plateau, and down by half in each `halfLife` until a
    /// thousandth is left; sampled at 1/16 of the half-life.
    FlashCrowd {
        /// When it begins.
        at: Duration,
        /// How much it adds at its highest.
        peak: Rate,
        /// How long it rises.
        rise: Duration,
        /// How long it stays. Default: no time.
        #[serde(default)]
        hold: Duration,
        /// How long it takes until half of it is gone; more than 0.
        half_life: Duration,
    },
    /// Recorded rates.
    Series(SeriesSpec),
    /// Always the same.
    #[serde(untagged)]
    Constant(Rate),
}

/// A rate from an instant on.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RatePointSpec {
    /// When, from the start.
    pub at: Duration,
    /// The rate.
    pub rate: Rate,
}

/// Values of a cycle: rates, or a shape with its mean.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CycleSpec {
    /// Rates at equal distances; straight lines run between them, and from the last to the first.
    Rates(Vec<Rate>),
    /// A shape that is scaled.
    Plan(CyclePlanSpec),
}

/// A shape and its mean.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CyclePlanSpec {
    /// The mean over the cycle, before `days` change it.
    pub mean: Rate,
    /// Values at equal distances, in any unit; at least 0, not all 0.
    pub shape: Vec<f64>,
    /// How far the cycle has gone when the run starts, such as `8h` for a day that begins at eight. Default: 0s.
    #[serde(default)]
    pub start: Duration,
    /// Factors of the days of the week, of which a daily cycle is multiplied by one after the other. Default: all 1.
    #[serde(default)]
    pub days: Vec<f64>,
}

/// Recorded rates, from a CSV file with a heading, gzip or not. Each value holds until the next row; where rows are missing
/// there are no requests.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeriesSpec {
    /// Path of the file. Its rows are instants; or, in the format of Azure Functions 2019, functions, with a column for each
    /// minute.
    pub file: String,
    /// Column of the instants: seconds, or dates with times such as `1998-06-10 14:00`. Default: `time_s`, `timestamp`,
    /// `period`, `time` or `date`, whichever there is.
    pub time: Option<String>,
    /// Column of the values. Default: `count`, `value`, `requests` or `rate`, whichever there is.
    pub column: Option<String>,
    /// In which time each value was counted: `1s` if values are rates a second. More than 0. Default: the least distance
    /// between rows; for Azure Functions 1m.
    pub every: Option<Duration>,
    /// What values are multiplied by; more than 0. Default: 1.
    #[serde(default = "one")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub scale: f64,
    /// The instant of the file at which the run starts, as it is written there; rows before it are left out. Default: that of
    /// the first row.
    pub from: Option<String>,
    /// For Azure Functions: how the `HashFunction` of the row that is meant begins. Default: the sum of all rows.
    pub function: Option<String>,
}

/// How requests follow each other.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum RequestArrivalsSpec {
    /// Independently of each other.
    #[default]
    Poisson,
    /// At equal distances while the rate does not change.
    Deterministic,
    /// Gaps are gamma distributed.
    Gamma {
        /// Shape, more than 0; a whole number makes it Erlang, below 1 requests come in bursts.
        #[schemars(extend("exclusiveMinimum" = 0))]
        shape: f64,
    },
    /// Gaps are Weibull distributed.
    Weibull {
        /// Shape, more than 0; below 1 requests come in bursts.
        #[schemars(extend("exclusiveMinimum" = 0))]
        shape: f64,
    },
    /// Gaps are lognormal.
    Lognormal {
        /// Coefficient of variation: the standard deviation as a part of the mean. More than 0.
        #[schemars(extend("exclusiveMinimum" = 0))]
        cv: f64,
    },
    /// Independently of each other, at a rate that is multiplied by the factor of the present state of a Markov chain.
    Modulated(Vec<ModulatedStateSpec>),
    /// At recorded instants.
    Replay(ReplaySpec),
    /// Users that each send a request, wait for the answer, think, and begin again.
    Closed {
        /// How many users.
        #[schemars(range(min = 1, max = 10_000_000))]
        users: u32,
        /// How long they think. Default: no time.
        think: Option<DistributionSpec>,
    },
}

/// A state of a modulated process; the chain moves to each of the others with equal probability.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModulatedStateSpec {
    /// What the rate is multiplied by.
    #[schemars(range(min = 0.0))]
    pub factor: f64,
    /// How long the chain stays on average; the stay is exponential. More than 0.
    pub stay: Duration,
}

/// Recorded instants, from a CSV file with a heading, gzip or not.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplaySpec {
    /// Path of the file.
    pub file: String,
    /// Column of the instants: seconds, or dates with times; they do not descend. Default: `time_s`, `timestamp`, `period`,
    /// `time` or `date`, whichever there is.
    pub time: Option<String>,
    /// Column with the name of the operation that is asked for, one of `to`. Default: `operation` if there is such a column,
    /// else operations are drawn by their weights.
    pub operation: Option<String>,
    /// The instant of the file at which the run starts, as it is written there; rows before it are left out. Default: that of
    /// the first row if they are dates, else 0.
    pub from: Option<String>,
}

/// What clients do after their first request: they think, and ask again with the same key.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionSpec {
    /// Requests of a session on average; their number is geometric.
    #[schemars(range(min = 1.0))]
    pub mean_requests: f64,
    /// How long a client thinks between an answer and the next request. Default: no time.
    pub think: Option<DistributionSpec>,
}

/// Keys of requests, drawn by Zipf's law.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeysSpec {
    /// How many there are.
    #[schemars(range(min = 1))]
    pub count: u64,
    /// The exponent: 0 makes all keys equally likely. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub exponent: f64,
}

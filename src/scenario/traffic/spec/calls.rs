//! Calls of services, what callers do about slow and failed ones, and what protects services from their callers.

use schemars::JsonSchema;

use super::Rate;
use crate::scenario::spec::{DistributionSpec, Duration, Quantity};

/// A call of a service.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallSpec {
    /// Name of the service.
    pub service: String,
    /// Name of its operation. Default: the only one it has.
    pub operation: Option<String>,
    /// How likely the call is made at all. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub probability: f64,
    /// How likely a cache has the answer, so that the call is not made. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub cache_hit: f64,
    /// How often it is made, all at once. Default: 1.
    #[serde(default = "one_u32")]
    #[schemars(range(min = 1, max = 10_000))]
    pub count: u32,
    /// Whether the caller goes on without an answer when the call fails. Default: false, it fails as well.
    #[serde(default)]
    pub optional: bool,
    /// How long an attempt may take; more than 0. Default: for ever.
    pub timeout: Option<Duration>,
    /// How long the call may take with all its attempts; what is called by the callee ends by then as well. More than 0.
    /// Default: for ever.
    pub deadline: Option<Duration>,
    /// How failed attempts are made again. Default: they are not.
    pub retries: Option<RetriesSpec>,
    /// A second attempt beside a slow one. Default: none.
    pub hedging: Option<HedgingSpec>,
}

fn one() -> f64 {
    1.0
}

fn one_u32() -> u32 {
    1
}

/// How failed attempts are made again: after a pause that doubles from attempt to attempt.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetriesSpec {
    /// How many attempts are made again at most.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: u32,
    /// The longest first pause. Default: 25ms, Envoy's.
    pub base: Option<Duration>,
    /// The longest pause of all. Default: ten times `base`, as in Envoy.
    pub max: Option<Duration>,
    /// Whether each pause is drawn evenly between nothing and its longest (full jitter). Default: true.
    pub jitter: Option<bool>,
    /// How many retries there may be beside other calls. Default: as many as there are failures.
    pub budget: Option<RetryBudgetSpec>,
    /// Which failures are worth another attempt. Default: all of them.
    pub on: Option<Vec<RetryOnSpec>>,
}

/// A failure that is worth another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RetryOnSpec {
    /// The attempt took too long.
    Timeouts,
    /// The attempt was refused: the queue was full, a limit was reached, nobody listened.
    Refusals,
    /// The answer says that something went wrong.
    Errors,
}

/// A token bucket that calls fill and retries empty.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetryBudgetSpec {
    /// Retries for each call. Default: 0.2, as in Finagle and Linkerd.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub ratio: Option<f64>,
    /// Retries beside those. Default: 10/s, as in Finagle and Linkerd.
    pub min_rate: Option<Rate>,
    /// For how long calls count; more than 0. Default: 10s, as in Finagle and Linkerd.
    pub window: Option<Duration>,
}

/// Another attempt when the one before has no answer after a while; the first answer counts.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HedgingSpec {
    /// How long after the attempt before.
    pub after: Duration,
    /// How many more attempts at most. Default: 1.
    #[serde(default = "one_u32")]
    #[schemars(range(min = 1, max = 100))]
    pub limit: u32,
}

/// Limits of a client for a service, named after Envoy's `circuit_breakers`; beyond them requests are refused at once.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CircuitBreakerSpec {
    /// Requests in flight. Default: without limit (Envoy itself: 1024).
    #[schemars(range(min = 1))]
    pub max_requests: Option<u32>,
    /// Retries in flight. Default: without limit (Envoy itself: 3).
    pub max_retries: Option<u32>,
}

/// Backends that fail often are left out for a while, as by Envoy's `outlier_detection`.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OutlierDetectionSpec {
    /// So many failures one after the other (`consecutive_5xx`). Default: 5.
    #[schemars(range(min = 1))]
    pub consecutive_failures: Option<u32>,
    /// How often ejections are looked at (`interval`); more than 0. Default: 10s.
    pub interval: Option<Duration>,
    /// How long a first ejection lasts; the n-th lasts n times as long (`base_ejection_time`). Default: 30s.
    pub base_ejection: Option<Duration>,
    /// The longest ejection (`max_ejection_time`). Default: 300s.
    pub max_ejection: Option<Duration>,
    /// Which part of the backends may be left out (`max_ejection_percent`); one may always. Default: 0.1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_ejected: Option<f64>,
}

/// A token bucket for the requests of a service.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestLimitSpec {
    /// Requests that are let through; more than 0.
    pub rate: Rate,
    /// How many may come at once after a pause. Default: 1.
    #[serde(default = "one_u32")]
    #[schemars(range(min = 1))]
    pub burst: u32,
}

/// Proxies beside callers and servers.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SidecarSpec {
    /// Time that each proxy adds to a request, and to its answer. Default: no time.
    pub latency: Option<DistributionSpec>,
    /// Time of one core for each request, taken from the server's cores. Default: no time.
    pub compute: Duration,
    /// What the proxy beside a server holds, which counts to the server's `memory.base`. Default: 0.
    pub memory: Option<Quantity>,
}

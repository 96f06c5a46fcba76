//! What callers do about slow and failed calls, and what protects services from their callers.

use crate::model::Dist;
use crate::model::control_plane::RateLimit;
use crate::units::SimDuration;

/// What a caller does about slow and failed calls. By default it waits for ever and takes failures as they come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallPolicy {
    /// How long an attempt may take; none: for ever.
    pub timeout: Option<SimDuration>,
    /// How long the call may take with all its attempts; what the callee calls ends by then as well.
    pub deadline: Option<SimDuration>,
    /// Whether failed attempts are made again.
    pub retries: Option<Retries>,
    /// A second attempt beside a slow one.
    pub hedging: Option<Hedging>,
}

impl CallPolicy {
    /// Whether an attempt is all there is of a call.
    pub fn is_plain(&self) -> bool {
        *self == CallPolicy::default()
    }
}

/// How failed attempts are made again: after a pause that is drawn evenly between nothing and `base`, `2 base`,
/// `4 base` and so on up to `max` (full jitter).
#[derive(Clone, Debug, PartialEq)]
pub struct Retries {
    /// How many attempts are made again at most.
    pub limit: u32,
    /// The longest first pause.
    pub base: SimDuration,
    /// The longest pause of all.
    pub max: SimDuration,
    /// Whether pauses are drawn; if not they are as long as they can be.
    pub has_jitter: bool,
    /// How many retries there may be beside other calls; none: as many as there are failures.
    pub budget: Option<RetryBudget>,
    /// Which failures are worth another attempt.
    pub on: RetryOn,
}

/// Which failures are worth another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryOn {
    /// Attempts that took too long.
    pub timeouts: bool,
    /// Attempts that were refused: the queue was full, a limit was reached, nobody listened.
    pub refusals: bool,
    /// Answers that say that something went wrong.
    pub errors: bool,
}

/// A token bucket that calls fill and retries empty (Finagle's and Linkerd's retry budget).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    /// Retries for each call.
    pub ratio: f64,
    /// Retries a second beside those.
    pub min_per_second: f64,
    /// For how long calls count.
    pub window: SimDuration,
}

/// Another attempt is made when the first has no answer after a while; the first answer counts (Dean and Barroso 2013).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedging {
    /// How long after the attempt before.
    pub after: SimDuration,
    /// How many more attempts at most.
    pub limit: u32,
}

/// What stands between a service and its callers, as a proxy at the caller's side enforces it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Guard {
    /// Limits of each client for the whole service.
    pub circuit_breaker: CircuitBreaker,
    /// Backends that fail are left out for a while.
    pub outlier_detection: Option<OutlierDetection>,
    /// Requests a second that the service takes, counted in one place.
    pub rate_limit: Option<RateLimit>,
    /// Proxies beside callers and servers.
    pub sidecar: Option<Sidecar>,
}

/// Limits of a client for a service (Envoy's `circuit_breakers`); beyond them requests are refused at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CircuitBreaker {
    /// Requests in flight (`max_requests`); none: without limit.
    pub max_requests: Option<u32>,
    /// Retries in flight (`max_retries`); none: without limit.
    pub max_retries: Option<u32>,
}

/// Backends that fail often are left out for a while (Envoy's `outlier_detection`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutlierDetection {
    /// So many failures one after the other (`consecutive_5xx`).
    pub consecutive_failures: u32,
    /// How often ejections are looked at (`interval`).
    pub interval: SimDuration,
    /// How long a first ejection lasts; the n-th lasts n times as long (`base_ejection_time`).
    pub base_ejection: SimDuration,
    /// The longest ejection (`max_ejection_time`).
    pub max_ejection: SimDuration,
    /// Which part of the backends may be left out, 0 to 1 (`max_ejection_percent`); one may always.
    pub max_ejected: f64,
}

/// What a proxy beside a container costs, at each end of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Sidecar {
    /// Time that it adds to a request, and to its answer.
    pub latency: Dist,
    /// Time of one core for each request, taken from the server's cores.
    pub compute: SimDuration,
}

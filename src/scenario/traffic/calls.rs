//! Policies of callers, and what protects services from them.

use super::Builder;
use super::spec::{CallSpec, HedgingSpec, RetriesSpec, RetryBudgetSpec, RetryOnSpec, ServiceSpec, SourceSpec};
use crate::document::Code;
use crate::model::control_plane::RateLimit;
use crate::model::traffic::{
    CallPolicy, CircuitBreaker, Guard, Hedging, OutlierDetection, Retries, RetryBudget, RetryOn, Sidecar,
};
use crate::scenario::spec::Duration;
use crate::units::SimDuration;

/// Envoy v1.35: `retry_back_off.base_interval`.
const RETRY_BASE: SimDuration = SimDuration(25_000_000);
/// Envoy v1.35: `retry_back_off.max_interval` is so many times the base interval.
const RETRY_MAX_FACTOR: u64 = 10;
/// Finagle's `RetryBudget` and Linkerd's `retryBudget`: 20 % of calls, 10 a second, over 10 s.
const BUDGET: RetryBudget = RetryBudget { ratio: 0.2, min_per_second: 10.0, window: SimDuration(10_000_000_000) };
/// Envoy v1.35: the defaults of `OutlierDetection`.
const OUTLIERS: OutlierDetection = OutlierDetection {
    consecutive_failures: 5,
    interval: SimDuration(10_000_000_000),
    base_ejection: SimDuration(30_000_000_000),
    max_ejection: SimDuration(300_000_000_000),
    max_ejected: 0.1,
};

/// The keys of a policy, which stand among others.
pub(super) struct PolicyKeys<'s> {
    timeout: Option<Duration>,
    deadline: Option<Duration>,
    retries: Option<&'s RetriesSpec>,
    hedging: Option<&'s HedgingSpec>,
}

impl<'s> From<&'s CallSpec> for PolicyKeys<'s> {
    fn from(spec: &'s CallSpec) -> Self {
        let CallSpec { timeout, deadline, retries, hedging, .. } = spec;
        PolicyKeys { timeout: *timeout, deadline: *deadline, retries: retries.as_ref(), hedging: hedging.as_ref() }
    }
}

impl<'s> From<&'s SourceSpec> for PolicyKeys<'s> {
    fn from(spec: &'s SourceSpec) -> Self {
        let SourceSpec { timeout, deadline, retries, hedging, .. } = spec;
        PolicyKeys { timeout: *timeout, deadline: *deadline, retries: retries.as_ref(), hedging: hedging.as_ref() }
    }
}

impl Builder<'_, '_, '_> {
    /// What a caller does about slow and failed calls; its keys stand under `at`.
    pub(super) fn policy(&mut self, keys: PolicyKeys<'_>, at: &str) -> CallPolicy {
        let timeout = self.optional(keys.timeout, &format!("{at}.timeout"));
        if let (Some(hedging), Some(timeout)) = (keys.hedging, timeout)
            && hedging.after.0 >= timeout
        {
            let at = format!("{at}.hedging.after");
            let message = format!("`{at}` is not before the timeout: there would never be a second attempt");
            self.context.report(&at, Code::Contradiction, message);
        }
        CallPolicy {
            timeout,
            deadline: self.optional(keys.deadline, &format!("{at}.deadline")),
            retries: keys.retries.map(|spec| self.retries(spec, &format!("{at}.retries"))),
            hedging: keys.hedging.map(|spec| Hedging { after: spec.after.0, limit: spec.limit }),
        }
    }

    fn retries(&mut self, spec: &RetriesSpec, at: &str) -> Retries {
        let base = spec.base.map_or(RETRY_BASE, |base| base.0);
        let max = spec.max.map_or(SimDuration(base.0.saturating_mul(RETRY_MAX_FACTOR)), |max| max.0);
        if max < base {
            let at = format!("{at}.max");
            self.context.report(&at, Code::Contradiction, format!("`{at}` is less than `base`, {base}s"));
        }
        let on = spec.on.as_deref();
        if on.is_some_and(<[_]>::is_empty) {
            let at = format!("{at}.on");
            let hint = "write some of timeouts, refusals, errors, or leave the key out for all of them";
            self.context.report_with_hint(&at, Code::MissingKey, format!("`{at}` lists no failures"), hint);
        }
        let is_on = |kind| on.is_none_or(|list| list.contains(&kind));
        Retries {
            limit: spec.limit,
            base,
            max,
            has_jitter: spec.jitter.unwrap_or(true),
            budget: spec.budget.as_ref().map(|spec| self.budget(spec, &format!("{at}.budget"))),
            on: RetryOn {
                timeouts: is_on(RetryOnSpec::Timeouts),
                refusals: is_on(RetryOnSpec::Refusals),
                errors: is_on(RetryOnSpec::Errors),
            },
        }
    }

    fn budget(&mut self, spec: &RetryBudgetSpec, at: &str) -> RetryBudget {
        RetryBudget {
            ratio: spec.ratio.unwrap_or(BUDGET.ratio),
            min_per_second: spec.min_rate.map_or(BUDGET.min_per_second, |rate| rate.0),
            window: self.positive(spec.window, BUDGET.window, &format!("{at}.window")),
        }
    }

    /// What protects a service.
    pub(super) fn guard(&mut self, spec: &ServiceSpec, at: &str) -> Guard {
        let circuit_breaker = spec.circuit_breaker.as_ref().map_or(CircuitBreaker::default(), |spec| CircuitBreaker {
            max_requests: spec.max_requests,
            max_retries: spec.max_retries,
        });
        if let Some(limit) = &spec.rate_limit
            && limit.rate.0 <= 0.0
        {
            let at = format!("{at}.rateLimit.rate");
            self.context.report(&at, Code::OutOfRange, format!("`{at}` must be more than 0"));
        }
        Guard {
            circuit_breaker,
            outlier_detection: self.outliers(spec, &format!("{at}.outlierDetection")),
            rate_limit: spec.rate_limit.map(|limit| RateLimit { per_second: limit.rate.0, burst: limit.burst }),
            sidecar: spec.sidecar.as_ref().map(|sidecar| Sidecar {
                latency: self.dist(sidecar.latency.as_ref(), &format!("{at}.sidecar.latency")),
                compute: sidecar.compute.0,
            }),
        }
    }

    fn outliers(&mut self, spec: &ServiceSpec, at: &str) -> Option<OutlierDetection> {
        let spec = spec.outlier_detection.as_ref()?;
        let base_ejection = spec.base_ejection.map_or(OUTLIERS.base_ejection, |span| span.0);
        // As in Envoy, where the larger of both is the default.
        let default = OUTLIERS.max_ejection.max(base_ejection);
        let max_ejection = spec.max_ejection.map_or(default, |span| span.0);
        if max_ejection < base_ejection {
            let at = format!("{at}.maxEjection");
            let message = format!("`{at}` is less than `baseEjection`, {base_ejection}s");
            self.context.report(&at, Code::Contradiction, message);
        }
        Some(OutlierDetection {
            consecutive_failures: spec.consecutive_failures.unwrap_or(OUTLIERS.consecutive_failures),
            interval: self.positive(spec.interval, OUTLIERS.interval, &format!("{at}.interval")),
            base_ejection,
            max_ejection,
            max_ejected: spec.max_ejected.unwrap_or(OUTLIERS.max_ejected),
        })
    }
}

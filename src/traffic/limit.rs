//! A limit of requests in service that a server finds by itself.
//!
//! Envoy's adaptive concurrency filter with its gradient controller (v1.34,
//! `source/extensions/filters/http/adaptive_concurrency/controller/gradient_controller.cc`): every interval the limit is
//! multiplied by the ratio of the least latency, with a buffer, to the sampled latency, plus room for a queue of the square
//! root of the limit. The least latency is measured anew now and then with the limit at its minimum.
//!
//! Deviations: latencies are averaged rather than taken at a percentile, and the measurements have no jitter.

use crate::model::traffic::AdaptiveConcurrency;
use crate::units::{SimDuration, SimTime};

/// The state of a gradient controller.
#[derive(Clone, Debug)]
pub(super) struct ConcurrencyLimit {
    rules: AdaptiveConcurrency,
    limit: u32,
    /// Least latency in ns, once measured.
    least_ns: Option<f64>,
    /// Whether the least latency is being measured.
    is_measuring: bool,
    measured: SimTime,
    sum_ns: u64,
    count: u32,
}

impl ConcurrencyLimit {
    /// A controller that begins with a measurement.
    pub(super) fn new(rules: AdaptiveConcurrency, now: SimTime) -> ConcurrencyLimit {
        let limit = rules.min.max(1);
        ConcurrencyLimit { rules, limit, least_ns: None, is_measuring: true, measured: now, sum_ns: 0, count: 0 }
    }

    /// How many requests may be served at once.
    #[inline]
    pub(super) fn now(&self) -> u32 {
        self.limit
    }

    /// A request was there for so long.
    pub(super) fn note(&mut self, latency: SimDuration, now: SimTime) {
        self.sum_ns = self.sum_ns.saturating_add(latency.0);
        self.count += 1;
        if self.is_measuring && self.count >= self.rules.measure_requests {
            self.least_ns = Some(self.sum_ns as f64 / f64::from(self.count));
            (self.sum_ns, self.count, self.is_measuring, self.measured) = (0, 0, false, now);
        }
    }

    /// Sets the limit anew.
    pub(super) fn update(&mut self, now: SimTime) {
        if self.is_measuring {
            return;
        }
        if now.since(self.measured) >= self.rules.measure_every {
            (self.sum_ns, self.count, self.is_measuring) = (0, 0, true);
            self.limit = self.rules.min.max(1);
            return;
        }
        let (Some(least), true) = (self.least_ns, self.count > 0) else { return };
        let sampled = self.sum_ns as f64 / f64::from(self.count);
        let gradient = (least * (1.0 + self.rules.buffer) / sampled).clamp(0.5, 2.0);
        let limit = f64::from(self.limit) * gradient;
        let limit = (limit + limit.sqrt()) as u32;
        self.limit = limit.clamp(self.rules.min.max(1), self.rules.max.max(1));
        (self.sum_ns, self.count) = (0, 0);
    }
}

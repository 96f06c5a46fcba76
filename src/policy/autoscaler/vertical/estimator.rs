//! How much a container needs, from what is known of its usage.
//!
//! Follows `pkg/recommender/logic/estimator.go` of the Vertical Pod Autoscaler 1.8.1: a percentile, plus a margin, times a
//! factor that nears 1 as history grows, at least a minimum.

use super::aggregate::{AggregateState, amount_from_float, scale_amount};
use super::numeric;
use super::spec::Resource;
use crate::units::SimDuration;

const NS_PER_MINUTE: u64 = 60_000_000_000;

/// Widens or narrows an estimate by how little is known: times `(1 + multiplier / confidence)^exponent`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConfidenceMultiplier {
    /// See above.
    pub multiplier: f64,
    /// See above; below 0 it narrows.
    pub exponent: i32,
    /// With a sample a minute for so long, confidence is 1.
    pub interval: SimDuration,
}

impl ConfidenceMultiplier {
    /// An amount times the factor that belongs to the history of an aggregate.
    pub fn apply(&self, base: u64, state: &AggregateState) -> u64 {
        let confidence = confidence(state, self.interval);
        scale_amount(base, numeric::power(1.0 + self.multiplier / confidence, self.exponent))
    }
}

/// How much is known: the lesser of the time between first and last sample and the number of samples, such that a sample
/// a minute over `n` intervals gives `n` (`getConfidence`).
pub fn confidence(state: &AggregateState, interval: SimDuration) -> f64 {
    let lifespan_ns = match (state.first_sample, state.last_sample) {
        (Some(first), Some(last)) => last.since(first).0,
        _ => 0,
    };
    let minutes = (interval.0 / NS_PER_MINUTE) as f64 + (interval.0 % NS_PER_MINUTE) as f64 / NS_PER_MINUTE as f64;
    let lifespan = lifespan_ns as f64 / interval.0 as f64;
    let samples = state.samples as f64 / minutes;
    lifespan.min(samples)
}

/// An amount and a fraction of it on top (`WithCPUMargin`, `WithMemoryMargin`).
pub fn with_margin(base: u64, margin_fraction: f64) -> u64 {
    base + scale_amount(base, margin_fraction)
}

/// A percentile of the usage of an aggregate: milli-cores or bytes.
pub fn percentile(state: &AggregateState, resource: Resource, percentile: f64) -> u64 {
    match resource {
        Resource::Cpu => amount_from_float(state.cpu_usage.percentile(percentile) * 1000.0),
        Resource::Memory => amount_from_float(state.memory_peaks.percentile(percentile)),
    }
}

/// The chain of estimators of one bound of one resource.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimator {
    /// Fraction: 0.9 means the 90th.
    pub percentile: f64,
    /// What is added, as a fraction.
    pub margin_fraction: f64,
    /// What little history does to it; none: nothing.
    pub confidence: Option<ConfidenceMultiplier>,
}

impl Estimator {
    /// Milli-cores or bytes, at least `min`.
    pub fn estimate(&self, state: &AggregateState, resource: Resource, min: u64) -> u64 {
        let base = with_margin(percentile(state, resource, self.percentile), self.margin_fraction);
        self.confidence.map_or(base, |multiplier| multiplier.apply(base, state)).max(min)
    }
}

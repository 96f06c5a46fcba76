//! What the recommender recommends for containers, from what is known of their usage.
//!
//! Follows `pkg/recommender/{logic/recommender,config/config,routines}` of the Vertical Pod Autoscaler 1.8.1, in the order in which
//! `processVPAUpdate` does it: estimate, round, whole cores where that is asked for, least and most.
//!
//! Known deviations: `humanize-memory`, which is deprecated, is not there. With a pod minimum of 0 and without samples
//! upstream's upper bound is a negative number, here it is 0.
//!
//! Cost: O(buckets) a container.

use super::aggregate::{AggregateState, amount_from_float, scale_amount};
use super::estimator::{ConfidenceMultiplier, Estimator};
use super::spec::{Amounts, ContainerRecommendation, Resource, ResourcePolicy};
use crate::units::SimDuration;

/// Flags of the recommender that concern what is recommended; their names in brackets.
#[derive(Clone, Debug, PartialEq)]
pub struct RecommenderConfig {
    /// How often it looks (`recommender-interval`).
    pub interval: SimDuration,
    /// Fraction that is added (`recommendation-margin-fraction`).
    pub safety_margin_fraction: f64,
    /// Least CPU of a pod, split evenly among its containers (`pod-recommendation-min-cpu-millicores`).
    pub pod_min_cpu_milli: f64,
    /// Least memory of a pod in MiB, split evenly (`pod-recommendation-min-memory-mb`).
    pub pod_min_memory_mib: f64,
    /// Percentiles of CPU.
    pub cpu: Percentiles,
    /// Percentiles of memory.
    pub memory: Percentiles,
    /// CPU is rounded up to multiples of this (`round-cpu-millicores`).
    pub round_cpu_milli: u64,
    /// Memory is rounded up to multiples of this (`round-memory-bytes`).
    pub round_memory_bytes: u64,
    /// Whether CPU is rounded up to whole cores where the policy asks for that (`cpu-integer-post-processor-enabled`).
    pub rounds_to_integer_cpu: bool,
    /// The most for a container whose policy says nothing (`container-recommendation-max-allowed-cpu`, `-memory`).
    pub max_allowed: Amounts,
}

/// Which percentiles stand for the target and its bounds, of one resource.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentiles {
    /// `target-cpu-percentile`, `target-memory-percentile`.
    pub target: f64,
    /// `recommendation-lower-bound-cpu-percentile`, `-memory-`.
    pub lower_bound: f64,
    /// `recommendation-upper-bound-cpu-percentile`, `-memory-`.
    pub upper_bound: f64,
    /// `confidence-interval-cpu`, `confidence-interval-memory`.
    pub confidence_interval: SimDuration,
}

impl Default for Percentiles {
    fn default() -> Percentiles {
        let day = SimDuration(86_400_000_000_000);
        Percentiles { target: 0.9, lower_bound: 0.5, upper_bound: 0.95, confidence_interval: day }
    }
}

impl Default for RecommenderConfig {
    fn default() -> RecommenderConfig {
        RecommenderConfig {
            interval: SimDuration(60_000_000_000),
            safety_margin_fraction: 0.15,
            pod_min_cpu_milli: 25.0,
            pod_min_memory_mib: 250.0,
            cpu: Percentiles::default(),
            memory: Percentiles::default(),
            round_cpu_milli: 1,
            round_memory_bytes: 1,
            rounds_to_integer_cpu: false,
            max_allowed: Amounts::default(),
        }
    }
}

impl RecommenderConfig {
    /// Target, lower and upper bound of a resource (`CreatePodResourceRecommender`).
    fn estimators(&self, resource: Resource) -> [Estimator; 3] {
        let Percentiles { target, lower_bound, upper_bound, confidence_interval: interval } = match resource {
            Resource::Cpu => self.cpu,
            Resource::Memory => self.memory,
        };
        let margin_fraction = self.safety_margin_fraction;
        let narrower = ConfidenceMultiplier { multiplier: 0.001, exponent: -2, interval };
        let wider = ConfidenceMultiplier { multiplier: 1.0, exponent: 1, interval };
        [
            Estimator { percentile: target, margin_fraction, confidence: None },
            Estimator { percentile: lower_bound, margin_fraction, confidence: Some(narrower) },
            Estimator { percentile: upper_bound, margin_fraction, confidence: Some(wider) },
        ]
    }

    /// The least that is recommended for one of so many containers, in milli-cores or bytes.
    fn min(&self, resource: Resource, containers: usize) -> u64 {
        let of_pod = match resource {
            Resource::Cpu => amount_from_float(self.pod_min_cpu_milli * 0.001 * 1000.0),
            Resource::Memory => amount_from_float(self.pod_min_memory_mib * 1024.0 * 1024.0),
        };
        scale_amount(of_pod, 1.0 / containers as f64)
    }

    /// Recommendations for the containers of a pod, in the order of their names, with everything that the policy asks for
    /// (`processVPAUpdate`). Containers that the policy does not scale are left out, and have no share in the least of a pod.
    pub fn recommend(
        &self,
        containers: &[(&str, &AggregateState)],
        policy: &ResourcePolicy,
    ) -> Vec<ContainerRecommendation> {
        let mut scaled: Vec<_> = containers.iter().filter(|(name, _)| policy.scales(name)).collect();
        scaled.sort_by_key(|(name, _)| *name);
        let count = scaled.len();
        let mut recommendations: Vec<ContainerRecommendation> =
            scaled.into_iter().map(|(name, state)| self.estimate(name, state, count, policy)).collect();
        if self.rounds_to_integer_cpu {
            round_to_integer_cpu(&mut recommendations, policy);
        }
        cap_to_policy(&mut recommendations, policy, self.max_allowed);
        recommendations
    }

    fn estimate(
        &self,
        name: &str,
        state: &AggregateState,
        containers: usize,
        policy: &ResourcePolicy,
    ) -> ContainerRecommendation {
        let mut bounds = [Amounts::default(); 3];
        let own = policy.of(name);
        for resource in Resource::ALL.into_iter().filter(|resource| own.is_none_or(|own| own.controls(*resource))) {
            let min = self.min(resource, containers);
            for (bound, estimator) in bounds.iter_mut().zip(self.estimators(resource)) {
                let amount = self.rounded(resource, estimator.estimate(state, resource, min));
                bound.set(resource, Some(amount));
            }
        }
        let [target, lower_bound, upper_bound] = bounds;
        let container = name.to_owned();
        ContainerRecommendation { container, target, lower_bound, upper_bound, uncapped_target: target }
    }

    /// Rounded up to the scale of the resource (`RoundUpToScale`); a scale of 0 leaves everything as it is.
    fn rounded(&self, resource: Resource, amount: u64) -> u64 {
        let scale = match resource {
            Resource::Cpu => self.round_cpu_milli,
            Resource::Memory => self.round_memory_bytes,
        };
        if scale <= 1 { amount } else { libm::ceil(amount as f64 / scale as f64) as u64 * scale }
    }
}

/// Rounds CPU up to whole cores for the containers that the policy names (`IntegerCPUPostProcessor`).
pub fn round_to_integer_cpu(recommendations: &mut [ContainerRecommendation], policy: &ResourcePolicy) {
    for recommendation in recommendations.iter_mut().filter(|one| policy.integer_cpu.contains(&one.container)) {
        let ContainerRecommendation { target, lower_bound, upper_bound, uncapped_target, .. } = recommendation;
        for amounts in [target, lower_bound, upper_bound, uncapped_target] {
            amounts.update(|resource, amount| match resource {
                Resource::Cpu => amount.div_ceil(1000) * 1000,
                Resource::Memory => amount,
            });
        }
    }
}

/// Raises recommendations to the least and lowers them to the most that the policy allows; the uncapped target stays
/// (`ApplyVPAPolicy`). 0 means that there is no bound. What the policy leaves open is bounded by `max_allowed`.
pub fn cap_to_policy(recommendations: &mut [ContainerRecommendation], policy: &ResourcePolicy, max_allowed: Amounts) {
    for recommendation in recommendations {
        let own = policy.of(&recommendation.container);
        let min = own.map_or(Amounts::default(), |own| own.min_allowed);
        let max = own.map_or(max_allowed, |own| own.max_allowed.or(max_allowed));
        let ContainerRecommendation { target, lower_bound, upper_bound, .. } = recommendation;
        for amounts in [target, lower_bound, upper_bound] {
            amounts.update(|resource, amount| at_most(at_least(amount, min.or_zero(resource)), max.or_zero(resource)));
        }
    }
}

/// `maybeCapToMin`.
pub(super) fn at_least(amount: u64, min: u64) -> u64 {
    amount.max(min)
}

/// `maybeCapToMax`: 0 is no bound.
pub(super) fn at_most(amount: u64, max: u64) -> u64 {
    if max == 0 { amount } else { amount.min(max) }
}

#[cfg(test)]
mod tests;

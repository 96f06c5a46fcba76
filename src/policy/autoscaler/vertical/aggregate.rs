//! What the recommender keeps of the usage of containers.
//!
//! Follows `pkg/recommender/model/{aggregate_container_state,aggregations_config,container}.go` of the Vertical Pod
//! Autoscaler 1.8.1. Containers of one name in pods with like labels share an [`AggregateState`]. Every sample of CPU
//! counts alike (older releases weighed it by the request). Of memory, each container gives one sample for each
//! aggregation interval, its peak; a container that ran out of memory gives what it may have needed.
//!
//! Cost: O(1) a sample, now and then O(buckets).

use super::histogram::{Buckets, CheckpointError, DecayingHistogram, HistogramCheckpoint};
use super::spec::{ContainerPolicy, Resource};
use crate::units::{SimDuration, SimTime};

/// The weight of a sample of CPU (`minSampleWeight`).
const CPU_SAMPLE_WEIGHT: f64 = 0.1;
/// The weight of a peak of memory.
const MEMORY_PEAK_WEIGHT: f64 = 1.0;
/// The weight below which a bucket counts as empty.
const EPSILON: f64 = 0.001 * CPU_SAMPLE_WEIGHT;
/// No amount is larger (`MaxResourceAmount`).
const AMOUNT_MAX: f64 = 1e14;

/// How usage is aggregated (`AggregationsConfig`); the flags of the recommender in brackets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AggregationsConfig {
    /// How often a container gives a peak of memory (`memory-aggregation-interval`).
    pub memory_aggregation_interval: SimDuration,
    /// After so many intervals without samples an aggregate is forgotten (`memory-aggregation-interval-count`).
    pub memory_aggregation_interval_count: u64,
    /// `memory-histogram-decay-half-life`.
    pub memory_half_life: SimDuration,
    /// `cpu-histogram-decay-half-life`.
    pub cpu_half_life: SimDuration,
    /// How much wider each bucket is than the one before.
    pub bucket_size_growth: f64,
    /// `oom-bump-up-ratio`.
    pub oom_bump_up_ratio: f64,
    /// `oom-min-bump-up-bytes`.
    pub oom_min_bump_up_bytes: f64,
    /// Whether VPAs may have figures of their own (feature gate `PerVPAConfig`, alpha).
    pub per_vpa_config: bool,
}

impl Default for AggregationsConfig {
    fn default() -> AggregationsConfig {
        let day = SimDuration(86_400_000_000_000);
        AggregationsConfig {
            memory_aggregation_interval: day,
            memory_aggregation_interval_count: 8,
            memory_half_life: day,
            cpu_half_life: day,
            bucket_size_growth: 0.05,
            oom_bump_up_ratio: 1.2,
            oom_min_bump_up_bytes: 100.0 * 1024.0 * 1024.0,
            per_vpa_config: false,
        }
    }
}

impl AggregationsConfig {
    /// Buckets of CPU in cores: from 0.01 to 1000.
    pub fn cpu_buckets(&self) -> Buckets {
        Buckets::exponential(1000.0, 0.01, 1.0 + self.bucket_size_growth, EPSILON)
    }

    /// Buckets of memory in bytes: from 10 MB to 1 TB.
    pub fn memory_buckets(&self) -> Buckets {
        Buckets::exponential(1e12, 1e7, 1.0 + self.bucket_size_growth, EPSILON)
    }
}

/// What is known of the usage of a set of containers (`AggregateContainerState`).
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateState {
    /// Cores used.
    pub cpu_usage: DecayingHistogram,
    /// Peaks of memory, in bytes.
    pub memory_peaks: DecayingHistogram,
    /// The earliest sample of CPU.
    pub first_sample: Option<SimTime>,
    /// The latest sample of CPU.
    pub last_sample: Option<SimTime>,
    /// Samples of CPU.
    pub samples: u64,
    /// When it was made.
    pub created: SimTime,
    oom_bump_up_ratio: f64,
    oom_min_bump_up_bytes: f64,
    memory_aggregation_interval: SimDuration,
    memory_aggregation_interval_count: u64,
}

/// What is stored of an aggregate (`VerticalPodAutoscalerCheckpointStatus`, version `v3`).
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateCheckpoint {
    /// Cores used.
    pub cpu_usage: HistogramCheckpoint,
    /// Peaks of memory.
    pub memory_peaks: HistogramCheckpoint,
    /// The earliest sample of CPU.
    pub first_sample: Option<SimTime>,
    /// The latest sample of CPU.
    pub last_sample: Option<SimTime>,
    /// Samples of CPU.
    pub samples: u64,
}

impl AggregateState {
    /// Without samples.
    pub fn new(config: &AggregationsConfig, now: SimTime) -> AggregateState {
        AggregateState {
            cpu_usage: DecayingHistogram::new(config.cpu_buckets(), config.cpu_half_life),
            memory_peaks: DecayingHistogram::new(config.memory_buckets(), config.memory_half_life),
            first_sample: None,
            last_sample: None,
            samples: 0,
            created: now,
            oom_bump_up_ratio: config.oom_bump_up_ratio,
            oom_min_bump_up_bytes: config.oom_min_bump_up_bytes,
            memory_aggregation_interval: config.memory_aggregation_interval,
            memory_aggregation_interval_count: config.memory_aggregation_interval_count,
        }
    }

    /// Takes over what a policy says of containers that run out of memory and of intervals (`UpdateFromPolicy`, with the
    /// gate `PerVPAConfig` on).
    pub fn update_from_policy(&mut self, policy: &ContainerPolicy) {
        let update = |own: &mut f64, theirs: Option<f64>| *own = theirs.unwrap_or(*own);
        update(&mut self.oom_bump_up_ratio, policy.oom_bump_up_ratio);
        update(&mut self.oom_min_bump_up_bytes, policy.oom_min_bump_up_bytes);
        self.memory_aggregation_interval =
            policy.memory_aggregation_interval.unwrap_or(self.memory_aggregation_interval);
        self.memory_aggregation_interval_count =
            policy.memory_aggregation_interval_count.unwrap_or(self.memory_aggregation_interval_count);
    }

    /// Adds a sample of CPU, in milli-cores.
    pub fn add_cpu_sample(&mut self, at: SimTime, usage_milli: u64) {
        self.cpu_usage.add(usage_milli as f64 / 1000.0, CPU_SAMPLE_WEIGHT, at);
        self.last_sample = self.last_sample.max(Some(at));
        self.first_sample = Some(self.first_sample.map_or(at, |first| first.min(at)));
        self.samples += 1;
    }

    /// Adds a peak of memory, in bytes.
    pub fn add_memory_peak(&mut self, at: SimTime, usage_bytes: u64) {
        self.memory_peaks.add(usage_bytes as f64, MEMORY_PEAK_WEIGHT, at);
    }

    /// Takes a peak of memory away again.
    pub fn subtract_memory_peak(&mut self, at: SimTime, usage_bytes: u64) {
        self.memory_peaks.subtract(usage_bytes as f64, MEMORY_PEAK_WEIGHT, at);
    }

    /// Adds what another aggregate knows (`MergeContainerState`). The other one may change as in
    /// [`DecayingHistogram::merge`].
    pub fn merge(&mut self, other: &mut AggregateState) {
        self.cpu_usage.merge(&mut other.cpu_usage);
        self.memory_peaks.merge(&mut other.memory_peaks);
        self.first_sample = match (self.first_sample, other.first_sample) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.last_sample = self.last_sample.max(other.last_sample);
        self.samples += other.samples;
    }

    /// Whether it has had no samples for so long that it is forgotten (`isExpired`).
    pub fn is_expired(&self, now: SimTime) -> bool {
        let window = self.memory_aggregation_interval.0.saturating_mul(self.memory_aggregation_interval_count);
        let since = if self.samples == 0 { self.created } else { self.last_sample.unwrap_or(SimTime::ZERO) };
        now.0.saturating_sub(since.0) >= window
    }

    /// What is stored of it.
    pub fn save(&self) -> AggregateCheckpoint {
        AggregateCheckpoint {
            cpu_usage: self.cpu_usage.save(),
            memory_peaks: self.memory_peaks.save(),
            first_sample: self.first_sample,
            last_sample: self.last_sample,
            samples: self.samples,
        }
    }

    /// Takes over what was stored; histograms are added to those that are there.
    ///
    /// # Errors
    /// When a weight is negative or a bucket does not exist.
    pub fn load(&mut self, checkpoint: &AggregateCheckpoint) -> Result<(), CheckpointError> {
        self.samples = checkpoint.samples;
        self.first_sample = checkpoint.first_sample;
        self.last_sample = checkpoint.last_sample;
        self.memory_peaks.load(&checkpoint.memory_peaks)?;
        self.cpu_usage.load(&checkpoint.cpu_usage)
    }
}

/// What is known of one container (`ContainerState`). Its samples go to the aggregate that is handed in, which has to be the
/// same one as long as the labels of its pod stay the same.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ContainerState {
    last_cpu_sample: Option<SimTime>,
    last_memory_sample: Option<SimTime>,
    /// The largest usage within the interval.
    memory_peak_bytes: u64,
    /// The largest need within the interval that was seen from the container running out of memory.
    oom_peak_bytes: u64,
    window_end: Option<SimTime>,
}

/// A container ran out of memory too long ago for the sample to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it ran out of memory more than an aggregation interval before the latest sample")]
pub struct StaleOom;

impl ContainerState {
    /// End of the interval of which the peak of memory is sought, which does not belong to it; none: no samples.
    pub fn window_end(&self) -> Option<SimTime> {
        self.window_end
    }

    /// The peak of memory in the interval, be it used or needed, in bytes.
    pub fn memory_peak_bytes(&self) -> u64 {
        self.memory_peak_bytes.max(self.oom_peak_bytes)
    }

    /// Adds a sample, in milli-cores or bytes; samples that are out of order are left out. Whether it was used.
    pub fn add_sample(&mut self, aggregate: &mut AggregateState, resource: Resource, at: SimTime, usage: u64) -> bool {
        match resource {
            Resource::Cpu if self.last_cpu_sample >= Some(at) => false,
            Resource::Cpu => {
                aggregate.add_cpu_sample(at, usage);
                self.last_cpu_sample = Some(at);
                true
            }
            Resource::Memory if self.last_memory_sample > Some(at) => false,
            Resource::Memory => {
                self.add_memory_sample(aggregate, at, usage, false);
                true
            }
        }
    }

    /// The container was killed since it used more memory than it may, or was evicted since it used too much. What is
    /// added is the larger of its request and its peak, increased.
    ///
    /// # Errors
    /// When that was more than an aggregation interval before the latest sample.
    pub fn record_oom(
        &mut self,
        aggregate: &mut AggregateState,
        at: SimTime,
        request_bytes: u64,
    ) -> Result<(), StaleOom> {
        let interval = aggregate.memory_aggregation_interval;
        if self.last_memory_sample.is_some_and(|last| at.after(interval) < last) {
            return Err(StaleOom);
        }
        let used = request_bytes.max(self.memory_peak_bytes);
        let by_least = used + amount_from_float(aggregate.oom_min_bump_up_bytes);
        let needed = by_least.max(scale_amount(used, aggregate.oom_bump_up_ratio));
        self.add_memory_sample(aggregate, at, needed, true);
        Ok(())
    }

    fn add_memory_sample(&mut self, aggregate: &mut AggregateState, at: SimTime, usage: u64, is_oom: bool) {
        self.last_memory_sample = Some(at);
        let window_end = self.window_end.unwrap_or(at);
        if at < window_end {
            let old = self.memory_peak_bytes();
            if old == 0 || usage <= old {
                return;
            }
            aggregate.subtract_memory_peak(window_end, old);
        } else {
            let interval = aggregate.memory_aggregation_interval.0.max(1);
            let intervals = at.since(window_end).0 / interval + 1;
            self.window_end = Some(window_end.after(SimDuration(intervals.saturating_mul(interval))));
            (self.memory_peak_bytes, self.oom_peak_bytes) = (0, 0);
        }
        aggregate.add_memory_peak(self.window_end.unwrap_or(at), usage);
        let peak = if is_oom { &mut self.oom_peak_bytes } else { &mut self.memory_peak_bytes };
        *peak = usage;
    }
}

/// A whole amount, at least 0 and at most 10^14 (`resourceAmountFromFloat`).
pub(super) fn amount_from_float(amount: f64) -> u64 {
    // What is no number becomes 0.
    if amount > AMOUNT_MAX { AMOUNT_MAX as u64 } else { amount as u64 }
}

/// An amount times a factor (`ScaleResource`).
pub(super) fn scale_amount(amount: u64, factor: f64) -> u64 {
    amount_from_float(amount as f64 * factor)
}

#[cfg(test)]
mod tests;

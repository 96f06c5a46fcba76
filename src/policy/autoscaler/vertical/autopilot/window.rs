//! Recommendations from statistics of past windows, which count the less the longer ago they were.
//!
//! Cost: O(buckets) a window.

use std::collections::VecDeque;

use super::super::histogram::Buckets;
use super::super::numeric;
use super::super::sizing::{Sizing, Usage};
use super::super::spec::{ContainerRecommendation, ContainerResources, Resource};
use super::{Window, WindowConfig, Windows, recommendation, value};
use crate::ids::PodId;
use crate::units::{Bytes, MilliCpu, SimDuration, SimTime};

const HOUR: SimDuration = SimDuration(3_600_000_000_000);

/// Which statistic the limit of CPU follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CpuRule {
    /// Batch: the mean, since a job that is throttled only takes longer.
    Batch,
    /// Serving: the 90th load-adjusted percentile.
    Serving,
    /// Serving that must answer fast: the 95th load-adjusted percentile.
    #[default]
    LatencySensitive,
}

/// Which statistic the limit of memory follows, by how much a task minds running out of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryRule {
    /// Low tolerance: the 98th load-adjusted percentile of peaks.
    #[default]
    LowTolerance,
    /// Minimal tolerance: the highest peak.
    MinimalTolerance,
    /// Intermediate: the 60th load-adjusted percentile or half of the highest peak, whichever is more.
    IntermediateTolerance,
}

/// Parameters of [`MovingWindow`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MovingWindowConfig {
    /// How usage is cut.
    pub windows: WindowConfig,
    /// Weights of CPU halve after so long.
    pub cpu_half_life: SimDuration,
    /// Weights of memory halve after so long.
    pub memory_half_life: SimDuration,
    /// What CPU follows.
    pub cpu: CpuRule,
    /// What memory follows.
    pub memory: MemoryRule,
    /// The highest peak is that of so long.
    pub peak_span: SimDuration,
    /// What is added, as a fraction.
    pub margin_fraction: f64,
    /// What is added to large limits.
    pub large_margin_fraction: f64,
    /// From here on CPU is large.
    pub large_cpu: MilliCpu,
    /// From here on memory is large.
    pub large_memory: Bytes,
    /// The limit is the highest of so long.
    pub hold: SimDuration,
}

impl Default for MovingWindowConfig {
    fn default() -> MovingWindowConfig {
        MovingWindowConfig {
            windows: WindowConfig::default(),
            cpu_half_life: SimDuration(12 * HOUR.0),
            memory_half_life: SimDuration(48 * HOUR.0),
            cpu: CpuRule::default(),
            memory: MemoryRule::default(),
            peak_span: SimDuration(24 * HOUR.0),
            margin_fraction: 0.15,
            large_margin_fraction: 0.1,
            large_cpu: MilliCpu(8000),
            large_memory: Bytes(32 << 30),
            hold: HOUR,
        }
    }
}

/// What is known of one resource.
#[derive(Clone, Debug)]
struct Statistics {
    /// Samples by bucket, decayed.
    weights: Vec<f64>,
    /// Sum of the windows' means and of their weights, decayed.
    mean: f64,
    mean_weight: f64,
    /// The highest bucket of each window of the peak's span, without those that a later one reaches or exceeds.
    peaks: VecDeque<(u64, usize)>,
    windows: u64,
    decay: f64,
    peak_windows: u64,
}

impl Statistics {
    fn new(buckets: &Buckets, half_life: SimDuration, config: &MovingWindowConfig) -> Statistics {
        let length = config.windows.window.0.max(1);
        Statistics {
            weights: vec![0.0; buckets.count()],
            mean: 0.0,
            mean_weight: 0.0,
            peaks: VecDeque::new(),
            windows: 0,
            decay: numeric::exp2(-(length as f64) / half_life.0.max(1) as f64),
            peak_windows: (config.peak_span.0 / length).max(1),
        }
    }

    fn add(&mut self, buckets: &Buckets, window: &Window) {
        self.weights.iter_mut().for_each(|weight| *weight *= self.decay);
        let (mut load, mut samples) = (0.0, 0.0);
        for &(bucket, count) in window {
            self.weights[bucket] += count;
            load += value(buckets, bucket) * count;
            samples += count;
        }
        self.mean = self.mean * self.decay + load / samples;
        self.mean_weight = self.mean_weight * self.decay + 1.0;
        let highest = window.last().map_or(0, |(bucket, _)| *bucket);
        while self.peaks.back().is_some_and(|(_, bucket)| *bucket <= highest) {
            self.peaks.pop_back();
        }
        self.peaks.push_back((self.windows, highest));
        self.windows += 1;
        let first = self.windows.saturating_sub(self.peak_windows);
        while self.peaks.front().is_some_and(|(window, _)| *window < first) {
            self.peaks.pop_front();
        }
    }

    fn average(&self) -> f64 {
        self.mean / self.mean_weight
    }

    fn peak(&self, buckets: &Buckets) -> f64 {
        self.peaks.front().map_or(0.0, |(_, bucket)| value(buckets, *bucket))
    }

    /// The percentile of load: each sample counts as much as it used.
    fn load_percentile(&self, buckets: &Buckets, percentile: f64) -> f64 {
        let load = |bucket: usize| self.weights[bucket] * value(buckets, bucket);
        let threshold = percentile * (0..self.weights.len()).map(load).sum::<f64>();
        let mut sum = 0.0;
        let found = (0..self.weights.len()).find(|&bucket| {
            sum += load(bucket);
            sum >= threshold
        });
        value(buckets, found.unwrap_or(self.weights.len() - 1))
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct MovingWindow {
    config: MovingWindowConfig,
    container: String,
    windows: Windows,
    statistics: [Statistics; 2],
    /// Recommendations of the last hour, per resource those that no later one reaches or exceeds.
    held: [VecDeque<(SimTime, f64)>; 2],
}

impl MovingWindow {
    /// For a container, before its first sample.
    pub fn new(container: &str, config: MovingWindowConfig) -> MovingWindow {
        let windows = Windows::new(config.windows);
        let statistics = [
            Statistics::new(&windows.cpu_buckets, config.cpu_half_life, &config),
            Statistics::new(&windows.memory_buckets, config.memory_half_life, &config),
        ];
        let held = [VecDeque::new(), VecDeque::new()];
        MovingWindow { config, container: container.to_owned(), windows, statistics, held }
    }

    fn raw(&self, resource: Resource) -> f64 {
        let (buckets, statistics) = (self.windows.buckets(resource), &self.statistics[resource as usize]);
        let percentile = |fraction| statistics.load_percentile(buckets, fraction);
        match (resource, self.config.cpu, self.config.memory) {
            (Resource::Cpu, CpuRule::Batch, _) => statistics.average(),
            (Resource::Cpu, CpuRule::Serving, _) => percentile(0.9),
            (Resource::Cpu, CpuRule::LatencySensitive, _) => percentile(0.95),
            (Resource::Memory, _, MemoryRule::LowTolerance) => percentile(0.98),
            (Resource::Memory, _, MemoryRule::MinimalTolerance) => statistics.peak(buckets),
            (Resource::Memory, _, MemoryRule::IntermediateTolerance) => {
                percentile(0.6).max(statistics.peak(buckets) / 2.0)
            }
        }
    }

    fn with_margin(&self, resource: Resource, raw: f64) -> f64 {
        let large = match resource {
            Resource::Cpu => self.config.large_cpu.0,
            Resource::Memory => self.config.large_memory.0,
        };
        let is_large = raw >= large as f64;
        raw * (1.0 + if is_large { self.config.large_margin_fraction } else { self.config.margin_fraction })
    }
}

impl Sizing for MovingWindow {
    fn observe(&mut self, pod: PodId, at: SimTime, usage: Usage) {
        let Some(ended) = self.windows.add(pod, at, usage) else { return };
        for resource in Resource::ALL {
            let buckets = *self.windows.buckets(resource);
            self.statistics[resource as usize].add(&buckets, &ended[resource as usize]);
            let limit = self.with_margin(resource, self.raw(resource));
            let held = &mut self.held[resource as usize];
            while held.back().is_some_and(|(_, other)| *other <= limit) {
                held.pop_back();
            }
            held.push_back((at, limit));
        }
    }

    fn observe_oom(&mut self, pod: PodId, _at: SimTime, resources: &ContainerResources) {
        self.windows.add_oom(pod, resources.limits.or_zero(Resource::Memory));
    }

    // What the pod used in the window that has not ended yet still counts.
    fn forget(&mut self, _pod: PodId) {}

    fn recommend(&mut self, now: SimTime) -> Option<ContainerRecommendation> {
        let hold = self.config.hold;
        for held in &mut self.held {
            while held.len() > 1 && held.front().is_some_and(|(at, _)| at.after(hold) < now) {
                held.pop_front();
            }
        }
        let limit = |resource: Resource| self.held[resource as usize].front().map(|(_, limit)| *limit);
        let limits = [limit(Resource::Cpu)?, limit(Resource::Memory)?];
        Some(recommendation(&self.container, limits))
    }
}

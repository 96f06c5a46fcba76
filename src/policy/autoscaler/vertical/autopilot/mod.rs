//! Google's Autopilot (Rzadca et al. 2020, "Autopilot: workload autoscaling at Google", EuroSys, section 3.2): limits of
//! tasks from windows of five minutes.
//!
//! [`MovingWindow`] takes a statistic of past windows, [`Ensemble`] the cheapest of several models. Both see usage as
//! windows, each a histogram. On Borg a limit is what is reserved, too: target and bounds of a recommendation are one.
//!
//! What the paper leaves open is ours: the edges of the buckets, how many windows count for the peak, from which size on the
//! margin is smaller, all weights and models of the ensemble, and what a task that ran out of memory counts for.

mod ensemble;
mod window;

pub use ensemble::{Ensemble, EnsembleConfig, Weights};
pub use window::{CpuRule, MemoryRule, MovingWindow, MovingWindowConfig};

use std::collections::BTreeMap;

use super::histogram::Buckets;
use super::sizing::Usage;
use super::spec::{Amounts, ContainerRecommendation, Resource};
use crate::ids::PodId;
use crate::units::{Bytes, MilliCpu, SimDuration, SimTime};

/// A task that ran out of memory counts as having needed this many times its limit.
const OOM_BUMP: f64 = 1.2;
/// Each bucket is so much wider than the one before, which makes about 400 of them.
const BUCKET_RATIO: f64 = 1.021;

/// How usage is cut into windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowConfig {
    /// Length of a window.
    pub window: SimDuration,
}

impl Default for WindowConfig {
    fn default() -> WindowConfig {
        WindowConfig { window: SimDuration(300_000_000_000) }
    }
}

/// One window: how often which bucket was hit.
type Window = Vec<(usize, f64)>;

/// Samples of both resources, window by window. Of CPU all samples of a window count, of memory the peak of each
/// task.
#[derive(Clone, Debug)]
struct Windows {
    length: SimDuration,
    cpu_buckets: Buckets,
    memory_buckets: Buckets,
    cpu: Window,
    /// Of each task.
    memory_peaks: BTreeMap<PodId, u64>,
    ends: Option<SimTime>,
}

impl Windows {
    fn new(config: WindowConfig) -> Windows {
        Windows {
            length: config.window,
            cpu_buckets: Buckets::exponential(1e6, 5.0, BUCKET_RATIO, 1e-12),
            memory_buckets: Buckets::exponential(1e12, 5e6, BUCKET_RATIO, 1e-12),
            cpu: vec![],
            memory_peaks: BTreeMap::new(),
            ends: None,
        }
    }

    fn buckets(&self, resource: Resource) -> &Buckets {
        match resource {
            Resource::Cpu => &self.cpu_buckets,
            Resource::Memory => &self.memory_buckets,
        }
    }

    /// Adds a sample; the window that ended with it or before it, if one did.
    fn add(&mut self, pod: PodId, at: SimTime, usage: Usage) -> Option<[Window; 2]> {
        let ends = *self.ends.get_or_insert(at.after(self.length));
        let ended = (at >= ends).then(|| self.take());
        if at >= ends {
            // Windows without samples are left out.
            let windows = at.since(ends).0 / self.length.0.max(1) + 1;
            self.ends = Some(ends.after(SimDuration(windows * self.length.0)));
        }
        let bucket = self.cpu_buckets.find(usage.cpu.0 as f64);
        count(&mut self.cpu, bucket);
        self.add_peak(pod, usage.memory.0);
        ended
    }

    fn add_oom(&mut self, pod: PodId, limit_bytes: u64) {
        self.add_peak(pod, (limit_bytes as f64 * OOM_BUMP) as u64);
    }

    fn add_peak(&mut self, pod: PodId, bytes: u64) {
        let peak = self.memory_peaks.entry(pod).or_default();
        *peak = bytes.max(*peak);
    }

    fn take(&mut self) -> [Window; 2] {
        let mut cpu = std::mem::take(&mut self.cpu);
        let mut memory = vec![];
        for peak in std::mem::take(&mut self.memory_peaks).into_values() {
            count(&mut memory, self.memory_buckets.find(peak as f64));
        }
        cpu.sort_by_key(|(bucket, _)| *bucket);
        memory.sort_by_key(|(bucket, _)| *bucket);
        [cpu, memory]
    }
}

/// One sample more in a bucket.
fn count(window: &mut Window, bucket: usize) {
    match window.iter_mut().find(|(own, _)| *own == bucket) {
        Some((_, count)) => *count += 1.0,
        None => window.push((bucket, 1.0)),
    }
}

/// The value that stands for a bucket: its end.
fn value(buckets: &Buckets, bucket: usize) -> f64 {
    buckets.start((bucket + 1).min(buckets.count() - 1))
}

/// Requests and bounds are the limit.
fn recommendation(container: &str, limits: [f64; 2]) -> ContainerRecommendation {
    let [cpu, memory] = limits.map(|limit| libm::ceil(limit) as u64);
    let target = Amounts::both(MilliCpu(cpu), Bytes(memory));
    ContainerRecommendation {
        container: container.to_owned(),
        target,
        lower_bound: target,
        upper_bound: target,
        uncapped_target: target,
    }
}

#[cfg(test)]
mod tests;

//! What policies that follow one metric can follow.

use serde::Deserialize;

use super::{Observation, ObservedContainer, ObservedPod, Reads};
use crate::units::SimDuration;

/// One number that tells how loaded a target is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) enum Metric {
    /// Mean CPU usage of the pods, in per cent of what they request.
    Cpu,
    /// Mean memory of the pods, in per cent of what they request.
    Memory,
    /// Requests a second for each replica that is ready.
    Requests,
    /// Requests in the service for each replica that is ready.
    Concurrency,
    /// 95th percentile of the latency, in s.
    Latency,
}

/// What a parameter `metric` is described by.
pub(super) const METRIC_MEANING: &str = "cpu or memory (per cent of requests), requests (a second for each ready replica), \
                                         concurrency (for each ready replica) or latency (95th percentile in s)";

impl Metric {
    /// Its name in readings.
    pub(super) fn name(self) -> &'static str {
        match self {
            Metric::Cpu => "cpu",
            Metric::Memory => "memory",
            Metric::Requests => "requests",
            Metric::Concurrency => "concurrency",
            Metric::Latency => "latency",
        }
    }

    /// What has to be gathered for it.
    pub(super) fn reads(self) -> Reads {
        let is_usage = matches!(self, Metric::Cpu | Metric::Memory);
        Reads { pods: is_usage, traffic: !is_usage, ..Reads::default() }
    }

    /// Its present value; pods that have not been ready for `warmup` are left out of usage. None: nothing is known.
    pub(super) fn value(self, seen: &Observation<'_>, warmup: SimDuration) -> Option<f64> {
        let per_replica = |sum: f64| sum / f64::from(seen.replicas.ready.max(1));
        match self {
            Metric::Cpu => usage_pct(seen, warmup, |one| (one.cpu_milli, one.cpu_request_milli)),
            Metric::Memory => usage_pct(seen, warmup, |one| (one.memory_bytes, one.memory_request_bytes)),
            Metric::Requests => seen.traffic.map(|traffic| per_replica(traffic.arrival_rate_per_s())),
            Metric::Concurrency => seen.traffic.map(|traffic| per_replica(traffic.concurrency)),
            Metric::Latency => seen.traffic.and_then(|traffic| traffic.latency_p95_s),
        }
    }
}

/// What sampled pods use, in per cent of what they request; none: nothing was sampled, or nothing requested.
fn usage_pct(
    seen: &Observation<'_>,
    warmup: SimDuration,
    of: impl Fn(&ObservedContainer<'_>) -> (u64, Option<u64>),
) -> Option<f64> {
    let is_warm = |pod: &ObservedPod| {
        warmup == SimDuration::ZERO || pod.ready.is_some_and(|(is, since)| is && since.after(warmup) <= seen.now)
    };
    let counts = |pod: &&ObservedPod| pod.sample.is_some() && !pod.is_terminating && is_warm(pod);
    let containers = seen.pods.iter().filter(counts).flat_map(|pod| seen.containers_of(pod));
    let (used, requested) = containers.fold((0u64, 0u64), |(used, sum), one| {
        let (usage, request) = of(one);
        (used.saturating_add(usage), sum.saturating_add(request.unwrap_or(0)))
    });
    (requested > 0).then(|| 100.0 * used as f64 / requested as f64)
}

#[cfg(test)]
mod tests {
    use super::super::{Names, ReplicaCounts, Sample, TrafficSample};
    use super::*;
    use crate::ids::PodId;
    use crate::units::SimTime;
    use crate::world::lives::PodPhase;

    const SECOND: u64 = 1_000_000_000;

    /// A pod that has been ready since some second, and has a sample.
    fn pod(position: u32, since: u64) -> ObservedPod {
        ObservedPod {
            id: PodId(position),
            phase: PodPhase::Running,
            is_terminating: false,
            started: Some(SimTime::ZERO),
            ready: Some((true, SimTime(since * SECOND))),
            sample: Some(Sample { at: SimTime(100 * SECOND), window: SimDuration(15 * SECOND) }),
            first_container: position,
            container_count: 1,
        }
    }

    fn container(cpu_milli: u64) -> ObservedContainer<'static> {
        ObservedContainer {
            name: "app",
            cpu_request_milli: Some(500),
            memory_request_bytes: None,
            cpu_milli,
            memory_bytes: 7,
        }
    }

    #[test]
    fn usage_is_that_of_pods_that_count() {
        // Ready since 10 and 90; the third is ending, the fourth has no sample.
        let mut pods = [pod(0, 10), pod(1, 90), pod(2, 10), pod(3, 10)];
        pods[2].is_terminating = true;
        pods[3].sample = None;
        let containers = [container(300), container(500), container(9000), container(9000)];
        let traffic = TrafficSample {
            window: SimDuration(10 * SECOND),
            arrivals: 60.0,
            concurrency: 9.0,
            latency_p95_s: Some(0.25),
            ..TrafficSample::default()
        };
        let seen = Observation {
            now: SimTime(100 * SECOND),
            replicas: ReplicaCounts { wanted: 4, current: 4, ready: 3 },
            pods: &pods,
            containers: &containers,
            totals: None,
            traffic: Some(&traffic),
            pod_metrics: &[],
            metrics: &[],
            wants_text: false,
            names: Names::default(),
        };
        let value = |metric: Metric, warmup_s: u64| metric.value(&seen, SimDuration(warmup_s * SECOND));
        // (300 + 500) / 1000; with 30 s of warm-up the first alone: 300 / 500; with 200 s nobody.
        assert_eq!([0, 30, 200].map(|warmup_s| value(Metric::Cpu, warmup_s)), [Some(80.0), Some(60.0), None]);
        // Nothing is requested. 6 a second and 9 at a time are for three.
        let others = [Metric::Memory, Metric::Requests, Metric::Concurrency, Metric::Latency];
        assert_eq!(others.map(|metric| value(metric, 0)), [None, Some(2.0), Some(3.0), Some(0.25)]);
    }
}

//! The tables of upstream's `cluster_test.go`, as far as they concern samples and aggregates.

use super::*;
use crate::units::{Bytes, MilliCpu};

const HOUR: SimDuration = SimDuration(3_600_000_000_000);
const OLD: LabelSet = LabelSet(0);
const NEW: LabelSet = LabelSet(1);

fn hour(count: u64) -> SimTime {
    SimTime(count * HOUR.0)
}

/// A pod of the old template and one of the new, each with a container `app` that uses 1 and 3 cores.
fn two_templates() -> ClusterState {
    let mut cluster = ClusterState::new(AggregationsConfig::default());
    for (pod, labels, cpu_milli) in [(PodId(0), OLD, 1000), (PodId(1), NEW, 3000)] {
        cluster.set_pod(pod, labels, ["app", "sidecar"], hour(0));
        assert!(cluster.add_sample(pod, "app", Resource::Cpu, hour(1), cpu_milli));
        assert!(cluster.add_sample(pod, "app", Resource::Memory, hour(1), cpu_milli << 20));
    }
    cluster
}

#[test]
fn containers_of_one_name_are_taken_together() {
    let mut cluster = two_templates();
    let by_name = cluster.aggregates_by_name(&[OLD, NEW].into(), &ResourcePolicy::default(), hour(1));
    let samples: Vec<_> = by_name.iter().map(|(name, state)| (name.as_str(), state.samples)).collect();
    assert_eq!(samples, [("app", 2), ("sidecar", 0)]);
    let by_name = cluster.aggregates_by_name(&[NEW].into(), &ResourcePolicy::default(), hour(1));
    assert_eq!(by_name["app"].samples, 1);
}

#[test]
fn usage_outlives_its_pod() {
    let mut cluster = two_templates();
    cluster.remove_pod(PodId(0));
    assert!(!cluster.add_sample(PodId(0), "app", Resource::Cpu, hour(2), 1000), "the pod is gone");
    assert!(!cluster.add_sample(PodId(1), "other", Resource::Cpu, hour(2), 1000), "there is no such container");
    assert_eq!(cluster.aggregate(OLD, "app").map(|state| state.samples), Some(1));
    let unknown = cluster.record_oom(PodId(0), "app", hour(2), 1 << 20);
    assert_eq!(unknown, Err(UnknownContainer::Unknown));
    let stale = cluster.record_oom(PodId(1), "app", hour(1), 1 << 30);
    assert_eq!(stale, Ok(()));
    assert!(cluster.add_sample(PodId(1), "app", Resource::Memory, hour(30), 1 << 20));
    let stale = cluster.record_oom(PodId(1), "app", hour(1), 1 << 30);
    assert_eq!(stale, Err(UnknownContainer::Stale(StaleOom)));
}

#[test]
fn aggregates_are_forgotten_when_nothing_feeds_them_or_they_are_old() {
    let there = |cluster: &ClusterState, labels, name| cluster.aggregate(labels, name).is_some();
    let mut cluster = two_templates();
    cluster.collect_garbage(hour(2), |labels| labels == NEW);
    // The old sidecar has neither samples nor pods.
    assert!(!there(&cluster, OLD, "sidecar") && there(&cluster, NEW, "sidecar") && there(&cluster, OLD, "app"));
    // Eight days are 192 hours, from the last sample or from the start.
    assert!(cluster.add_sample(PodId(1), "app", Resource::Cpu, hour(100), 1000));
    cluster.collect_garbage(hour(192), |_| true);
    assert!(!there(&cluster, NEW, "sidecar") && there(&cluster, OLD, "app"));
    let before = hour(193).0 - 1;
    cluster.collect_garbage(SimTime(before), |_| true);
    assert!(there(&cluster, OLD, "app"), "it was looked for within the hour");
    cluster.collect_garbage(hour(193), |_| true);
    assert!(!there(&cluster, OLD, "app") && there(&cluster, NEW, "app"));
    assert!(cluster.add_sample(PodId(0), "app", Resource::Cpu, hour(193), 1000), "a sample brings it back");
}

#[test]
fn recommendations_come_by_name() {
    let mut cluster = two_templates();
    let recommender = RecommenderConfig::default();
    let both = cluster.recommend(&recommender, &[OLD, NEW].into(), &ResourcePolicy::default(), hour(2));
    let targets: Vec<_> = both.iter().map(|one| (one.container.as_str(), one.target)).collect();
    // The bucket of 3 cores ends at 0.2 * (1.05^57 - 1) = 3.0274 cores: 3027 + 454. Half of the least of a pod, of MiB too.
    let sidecar = crate::policy::autoscaler::vertical::spec::Amounts::both(MilliCpu(12), Bytes(125 << 20));
    assert_eq!(targets[1], ("sidecar", sidecar));
    assert_eq!((targets[0].0, targets[0].1.cpu), ("app", Some(MilliCpu(3481))));
}

//! The tables of upstream's `container_test.go` and `aggregate_container_state_test.go`.

use super::*;

const HOUR: SimDuration = SimDuration(3_600_000_000_000);
const DAY: SimDuration = SimDuration(24 * HOUR.0);
/// 2017-04-18T17:35:05Z.
const START: SimTime = SimTime(1_492_536_905_000_000_000);
const MIB: u64 = 1 << 20;

fn new() -> (AggregateState, ContainerState) {
    (AggregateState::new(&AggregationsConfig::default(), START), ContainerState::default())
}

fn later(spans: u64, span: SimDuration) -> SimTime {
    START.after(SimDuration(spans * span.0))
}

/// An aggregate with these peaks, each at the end of so many days.
fn peaks(peaks: &[(u64, u64)]) -> AggregateState {
    let (mut aggregate, _) = new();
    peaks.iter().for_each(|&(days, bytes)| aggregate.add_memory_peak(later(days, DAY), bytes));
    aggregate
}

#[test]
fn default_buckets_are_upstreams() {
    let config = AggregationsConfig::default();
    // log(1000 * 0.05 / 0.01 + 1) / log(1.05) = 174.6, and log(10^12 * 0.05 / 10^7 + 1) / log(1.05) likewise.
    assert_eq!((config.cpu_buckets().count(), config.memory_buckets().count()), (176, 176));
}

#[test]
fn samples_of_memory_leave_one_peak_an_interval() {
    let (mut aggregate, mut container) = new();
    for (half_days, cpu_milli, memory_bytes) in [(0, 3140, 5), (1, 6280, 10), (2, 1570, 2)] {
        let at = later(half_days, SimDuration(DAY.0 / 2));
        assert!(container.add_sample(&mut aggregate, Resource::Cpu, at, cpu_milli));
        assert!(container.add_sample(&mut aggregate, Resource::Memory, at, memory_bytes));
    }
    // At most one sample of CPU an instant, and none of the past.
    assert!(!container.add_sample(&mut aggregate, Resource::Cpu, later(1, DAY), 1000));
    assert!(!container.add_sample(&mut aggregate, Resource::Memory, later(23, HOUR), 1000));
    assert_eq!(
        (aggregate.samples, aggregate.first_sample, aggregate.last_sample),
        (3, Some(START), Some(later(1, DAY)))
    );
    assert_eq!(container.window_end(), Some(later(2, DAY)));
    // Adding, taking away and adding again is no different from adding: 10 at the end of the first day, 2 of the second.
    assert_eq!(aggregate.memory_peaks, peaks(&[(1, 10), (2, 2)]).memory_peaks);
}

#[test]
fn running_out_of_memory_bumps_the_peak() {
    // (usage sampled before, request, expected): the request or what was used, plus a fifth or 100 MiB.
    for (sample_mib, request_mib, expected_mib) in [(None, 1000, 1200), (None, 1, 101), (Some(3000), 1000, 3600)] {
        let (mut aggregate, mut container) = new();
        if let Some(sample) = sample_mib {
            assert!(container.add_sample(&mut aggregate, Resource::Memory, START, sample * MIB));
        }
        container.record_oom(&mut aggregate, START, request_mib * MIB).expect("it is fresh");
        assert_eq!(container.memory_peak_bytes(), expected_mib * MIB);
        assert_eq!(
            aggregate.memory_peaks.percentile(1.0),
            peaks(&[(1, expected_mib * MIB)]).memory_peaks.percentile(1.0)
        );
    }
}

#[test]
fn running_out_again_does_not_run_away() {
    let (mut aggregate, mut container) = new();
    // A peak that was needed is not the base of the next bump; only a larger request raises it.
    for (request_mib, expected_mib) in [(1000, 1200), (999, 1200), (999, 1200), (2000, 2400)] {
        container.record_oom(&mut aggregate, START, request_mib * MIB).expect("it is fresh");
        assert_eq!(container.memory_peak_bytes(), expected_mib * MIB);
    }
    assert_eq!(aggregate.memory_peaks, peaks(&[(1, 2400 * MIB)]).memory_peaks);
}

#[test]
fn old_events_are_left_out_and_new_ones_open_an_interval() {
    let (mut aggregate, mut container) = new();
    assert!(container.add_sample(&mut aggregate, Resource::Memory, START, 2000 * MIB));
    let old = SimTime(START.0 - 30 * HOUR.0);
    assert_eq!(container.record_oom(&mut aggregate, old, 1000 * MIB), Err(StaleOom));
    container.record_oom(&mut aggregate, later(2, DAY), 2000 * MIB).expect("it is fresh");
    assert_eq!(container.window_end(), Some(later(3, DAY)));
    assert_eq!(aggregate.memory_peaks, peaks(&[(1, 2000 * MIB), (3, 2400 * MIB)]).memory_peaks);
}

#[test]
fn an_event_just_before_the_latest_sample_is_fresh() {
    let (mut aggregate, mut container) = new();
    assert!(container.add_sample(&mut aggregate, Resource::Memory, START, 100 * MIB));
    assert!(container.add_sample(&mut aggregate, Resource::Memory, later(1, DAY), 2000 * MIB));
    let before = SimTime(later(1, DAY).0 - 1_000_000_000);
    container.record_oom(&mut aggregate, before, 1000 * MIB).expect("it is fresh");
    assert_eq!(container.memory_peak_bytes(), 2400 * MIB);
}

#[test]
fn policies_change_intervals_and_bumps() {
    let (mut aggregate, mut container) = new();
    let mut policy = ContainerPolicy::named("app");
    policy.oom_bump_up_ratio = Some(2.0);
    policy.memory_aggregation_interval = Some(HOUR);
    policy.memory_aggregation_interval_count = Some(3);
    aggregate.update_from_policy(&policy);
    assert!(container.add_sample(&mut aggregate, Resource::Memory, START, 5));
    assert!(container.add_sample(&mut aggregate, Resource::Memory, later(2, HOUR), 10));
    assert_eq!(container.window_end(), Some(later(3, HOUR)));
    assert_eq!(container.record_oom(&mut aggregate, START, MIB), Err(StaleOom));
    container.record_oom(&mut aggregate, later(2, HOUR), 1000 * MIB).expect("it is fresh");
    assert_eq!(container.memory_peak_bytes(), 2000 * MIB);
    assert!(aggregate.is_expired(later(3, HOUR)) && !aggregate.is_expired(later(2, HOUR)));
}

#[test]
fn aggregates_expire_after_eight_days() {
    let (mut aggregate, mut container) = new();
    assert!(!aggregate.is_expired(later(7, DAY)) && aggregate.is_expired(later(8, DAY)));
    container.add_sample(&mut aggregate, Resource::Cpu, later(3, DAY), 1000);
    assert!(!aggregate.is_expired(later(10, DAY)) && aggregate.is_expired(later(11, DAY)));
}

#[test]
fn merging_adds_samples_and_spans_their_times() {
    let (mut first, mut container) = new();
    container.add_sample(&mut first, Resource::Cpu, later(1, DAY), 1000);
    let (mut second, mut container) = new();
    container.add_sample(&mut second, Resource::Cpu, START, 3000);
    container.add_sample(&mut second, Resource::Cpu, later(2, DAY), 3000);
    let (mut sum, _) = new();
    sum.merge(&mut first);
    sum.merge(&mut second);
    assert_eq!((sum.samples, sum.first_sample, sum.last_sample), (3, Some(START), Some(later(2, DAY))));
    let (mut loaded, _) = new();
    loaded.load(&sum.save()).expect("a right one");
    assert_eq!((loaded.samples, loaded.first_sample, loaded.last_sample), (3, Some(START), Some(later(2, DAY))));
    for percentile in [0.1, 0.5, 0.9] {
        assert_eq!(loaded.cpu_usage.percentile(percentile), sum.cpu_usage.percentile(percentile));
    }
}

//! The tables of upstream's `priority_processor_test.go`, `update_priority_calculator_test.go` and
//! `scaling_direction_pod_eviction_admission_test.go`.

use super::super::spec::{Amounts, ContainerPolicy};
use super::*;
use crate::units::{Bytes, MilliCpu};

const HOUR: SimDuration = SimDuration(3_600_000_000_000);
const MINUTE: SimDuration = SimDuration(60_000_000_000);
const MB: u64 = 1_000_000;

fn amounts(cpu_milli: u64, memory_mb: u64) -> Amounts {
    let some = |amount: u64| (amount > 0).then_some(amount);
    Amounts { cpu: some(cpu_milli).map(MilliCpu), memory: some(memory_mb).map(|mb| Bytes(mb * MB)) }
}

fn container(name: &str, requests: Amounts) -> RunningContainer {
    let resources = ContainerResources { container: name.to_owned(), requests, limits: Amounts::default() };
    RunningContainer { resources, last_termination: None, is_observed: true }
}

fn recommended(name: &str, target: Amounts, lower: Amounts, upper: Amounts) -> ContainerRecommendation {
    ContainerRecommendation {
        container: name.to_owned(),
        target,
        lower_bound: lower,
        upper_bound: upper,
        uncapped_target: target,
    }
}

/// `TestGetUpdatePriority`, pods of one container.
#[test]
fn priority_is_the_relative_difference() {
    // (request, target, lower, upper) in milli-cores and MB, 0 for none; (outside, up, difference).
    for (request, target, lower, upper, outside, up, diff) in [
        ((2000, 0), (10_000, 0), (0, 0), (0, 0), false, true, 4.0),
        ((4000, 0), (2000, 0), (0, 0), (0, 0), false, false, 0.5),
        ((2000, 0), (2000, 0), (0, 0), (0, 0), false, false, 0.0),
        ((10, 0), (900, 0), (0, 0), (0, 0), false, true, 89.0),
        ((4000, 0), (10_000, 0), (6000, 0), (14_000, 0), true, true, 1.5),
        ((8000, 0), (2000, 0), (1000, 0), (3000, 0), true, false, 0.75),
        ((3000, 10), (6000, 20), (0, 0), (0, 0), false, true, 2.0),
        ((4000, 10), (2000, 20), (0, 0), (0, 0), false, true, 1.5),
        ((4000, 20), (2000, 10), (0, 0), (0, 0), false, false, 1.0),
        ((4000, 20), (2000, 10), (1000, 5), (3000, 30), true, false, 1.0),
        // No request counts as one thousandth.
        ((0, 0), (10, 0), (0, 0), (0, 0), true, true, 9.0),
    ] {
        let of = |(cpu, memory)| amounts(cpu, memory);
        let ours = priority(&[container("a", of(request))], &[recommended("a", of(target), of(lower), of(upper))]);
        let expected = Priority { is_outside_recommended_range: outside, scales_up: up, resource_diff: diff };
        assert_eq!(ours, expected, "{request:?} {target:?}");
    }
}

/// `TestGetUpdatePriority`, pods of two containers: the difference is that of the sums.
#[test]
fn containers_of_a_pod_are_summed() {
    let nothing = Amounts::default();
    // Requests 6 and 4 cores, 10 and 30 MB; targets 8 and 7 cores, 20 and 30 MB: 15 / 10 - 1, and 50 / 40 - 1.
    let containers = [container("a", amounts(6000, 10)), container("b", amounts(4000, 30))];
    let targets =
        [recommended("a", amounts(8000, 20), nothing, nothing), recommended("b", amounts(7000, 30), nothing, nothing)];
    assert_eq!(priority(&containers, &targets).resource_diff, 0.75);
    // 1 and 2 cores, 4 and 8 wanted, the second one is below its bound.
    let containers = [container("a", amounts(1000, 0)), container("b", amounts(2000, 0))];
    let targets = [
        recommended("a", amounts(4000, 0), amounts(1000, 0), nothing),
        recommended("b", amounts(8000, 0), amounts(3000, 0), amounts(10_000, 0)),
    ];
    let expected = Priority { is_outside_recommended_range: true, scales_up: true, resource_diff: 3.0 };
    assert_eq!(priority(&containers, &targets), expected);
    // Containers that were injected later do not count.
    let mut injected = containers.clone();
    injected[1].is_observed = false;
    assert_eq!(priority(&injected, &targets).resource_diff, 3.0);
    assert!(!priority(&injected, &targets).is_outside_recommended_range);
    assert_eq!(priority(&containers, &[]), Priority::default());
}

/// `TestSortPriority` and `TestSortPriorityResourcesDecrease`.
#[test]
fn growing_comes_before_shrinking_and_much_before_little() {
    let of = |scales_up, resource_diff| Priority { is_outside_recommended_range: false, scales_up, resource_diff };
    for (lower, higher) in
        [(of(true, 1.5), of(true, 2.33)), (of(false, 0.25), of(false, 0.5)), (of(false, 9.0), of(true, 0.25))]
    {
        assert!(lower.is_less(&higher) && !higher.is_less(&lower), "{lower:?} {higher:?}");
    }
    assert!(!of(true, 1.0).is_less(&of(true, 1.0)));
}

/// `TestUpdateLonglivedPods`, `TestUpdateShortlivedPods`, `TestUpdateNotRequired` and those of quick ends.
#[test]
fn pods_are_changed_when_it_matters_or_they_are_old() {
    let thresholds = UpdateThresholds { min_change_priority: 0.5, ..UpdateThresholds::default() };
    let oom = |started, finished, is_oom| Some((started, finished, is_oom));
    // (age in hours, outside, difference, minutes since the last start and end, whether it was for memory; changed).
    for (age, outside, diff, end, expected) in [
        (13, false, 0.25, None, false),
        (13, false, 4.0, None, true),
        (13, true, 0.25, None, true),
        (12, false, 0.5, None, true),
        (11, false, 4.0, None, false),
        (11, false, 0.0, None, false),
        (11, true, 0.9, None, true),
        // It ran for two minutes and ended three minutes ago.
        (11, false, 0.25, oom(5, 3, true), true),
        (11, false, 0.25, oom(5, 3, false), false),
        // Nothing would change, so that it would only end again.
        (11, false, 0.0, oom(5, 3, true), false),
        (13, true, 0.0, oom(5, 3, true), false),
        // It ran for an hour.
        (11, false, 0.25, oom(63, 3, true), false),
        // Ten minutes are not less than ten minutes.
        (11, false, 0.25, oom(13, 3, true), false),
        (11, false, 0.25, oom(12, 10, true), false),
    ] {
        let now = SimTime(100 * HOUR.0);
        let ago = |span: SimDuration, count: u64| SimTime(now.0 - count * span.0);
        let mut own = container("a", amounts(4000, 0));
        own.last_termination = end.map(|(started, finished, is_oom)| Termination {
            started: ago(MINUTE, started),
            finished: ago(MINUTE, finished),
            is_oom,
        });
        let priority = Priority { is_outside_recommended_range: outside, scales_up: true, resource_diff: diff };
        let started = Some(ago(HOUR, age));
        let accepts = |own: &RunningContainer, policy: &ResourcePolicy, started| {
            thresholds.accepts(&priority, std::slice::from_ref(own), policy, started, now)
        };
        assert_eq!(accepts(&own, &ResourcePolicy::default(), started), expected, "{age} {outside} {diff} {end:?}");
        if end.is_none() && !outside {
            assert!(!accepts(&own, &ResourcePolicy::default(), None), "its start is not known");
        }
        // Ends of containers that are not scaled or not seen do not count.
        if end.is_some() {
            let off = ContainerPolicy { is_scaled: false, ..ContainerPolicy::named("a") };
            let off = ResourcePolicy { containers: vec![off], ..ResourcePolicy::default() };
            assert_eq!(accepts(&own, &off, started), outside);
            own.is_observed = false;
            assert_eq!(accepts(&own, &ResourcePolicy::default(), started), outside);
        }
    }
}

/// `scaling_direction_pod_eviction_admission_test.go`.
#[test]
fn requirements_name_the_direction() {
    let higher = |resources: &[Resource]| EvictionRequirement { resources: resources.to_vec(), is_target_higher: true };
    let lower = |resources: &[Resource]| EvictionRequirement { is_target_higher: false, ..higher(resources) };
    let (cpu, memory) = (Resource::Cpu, Resource::Memory);
    let own = [container("a", amounts(1000, 100))];
    // Targets against 1000 milli-cores and 100 MB.
    for (target, requirements, expected) in [
        ((2000, 50), vec![], true),
        ((2000, 50), vec![higher(&[cpu])], true),
        ((2000, 50), vec![higher(&[memory])], false),
        ((2000, 50), vec![higher(&[cpu, memory])], true),
        ((2000, 50), vec![higher(&[cpu]), higher(&[memory])], false),
        ((2000, 50), vec![higher(&[cpu]), lower(&[memory])], true),
        ((1000, 100), vec![lower(&[cpu, memory])], false),
    ] {
        let nothing = Amounts::default();
        let targets = [recommended("a", amounts(target.0, target.1), nothing, nothing)];
        assert_eq!(admits(&own, &targets, Some(&requirements)), expected, "{target:?} {requirements:?}");
        assert!(admits(&own, &targets, None));
        assert!(!admits(&own, &[], Some(&requirements)), "there is no recommendation");
        assert!(admits(&[container("a", amounts(1000, 0))], &targets, Some(&requirements)), "a request is missing");
    }
}

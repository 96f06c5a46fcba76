//! The tables of upstream's `capping_test.go`.

use super::super::spec::ContainerPolicy;
use super::*;
use crate::units::{Bytes, MilliCpu};

fn amounts(cpu_milli: u64, memory_bytes: u64) -> Amounts {
    Amounts::both(MilliCpu(cpu_milli), Bytes(memory_bytes))
}

fn cpu(milli: u64) -> Amounts {
    Amounts { cpu: Some(MilliCpu(milli)), memory: None }
}

fn memory(bytes: u64) -> Amounts {
    Amounts { cpu: None, memory: Some(Bytes(bytes)) }
}

fn container(name: &str, requests: Amounts, limits: Amounts) -> ContainerResources {
    ContainerResources { container: name.to_owned(), requests, limits }
}

fn recommended(name: &str, target: Amounts) -> ContainerRecommendation {
    let container = name.to_owned();
    ContainerRecommendation { container, target, ..ContainerRecommendation::default() }
}

fn targets(recommendations: &[ContainerRecommendation]) -> Vec<Amounts> {
    recommendations.iter().map(|one| one.target).collect()
}

/// `TestRecommendationToLimitCapping`.
#[test]
fn requests_stay_within_limits_that_stay() {
    let own = container("a", amounts(1, 1), amounts(3000, 7000));
    for (values, target, expected) in [
        (ControlledValues::RequestsAndLimits, amounts(10_000, 2000), amounts(10_000, 2000)),
        (ControlledValues::RequestsOnly, amounts(10_000, 2000), amounts(3000, 2000)),
        (ControlledValues::RequestsOnly, amounts(2000, 10_000), amounts(2000, 7000)),
    ] {
        let policy = ContainerPolicy { controlled_values: values, ..ContainerPolicy::named("a") };
        let policy = ResourcePolicy { containers: vec![policy], ..ResourcePolicy::default() };
        let recommendation = ContainerRecommendation { upper_bound: target, ..recommended("a", target) };
        let capped = cap_for_pod(&[recommendation], std::slice::from_ref(&own), &policy, &LimitRanges::default());
        assert_eq!((capped[0].target, capped[0].upper_bound), (expected, expected), "{values:?}");
    }
}

#[test]
fn recommendations_for_others_are_left_out() {
    let own = [container("a", amounts(1, 1), Amounts::default())];
    let both = [recommended("a", cpu(10)), recommended("b", cpu(10))];
    let capped = cap_for_pod(&both, &own, &ResourcePolicy::default(), &LimitRanges::default());
    assert_eq!(capped, [recommended("a", cpu(10))]);
    assert_eq!(cap_for_pod(&[], &own, &ResourcePolicy::default(), &LimitRanges::default()), []);
}

/// `TestApplyCapsToLimitRange` and `TestApplyLimitRangeMinToRequest`: limits follow in proportion, and have to stay within.
#[test]
fn ranges_of_containers_bound_requests_through_their_limits() {
    // (request, limit, target, least, most, default, expected), of CPU.
    for (request, limit, target, min, max, default, expected) in [
        // The limit is the request: 1000 at most.
        (1000, 1000, 2000, 500, 1000, 0, 1000),
        (1000, 1000, 200, 500, 1000, 0, 500),
        // The limit is twice the request: at 500 it is 1000.
        (1000, 2000, 2000, 0, 1000, 0, 500),
        // Of 300, the limit would be 600, but the request has to be 500, too.
        (1000, 2000, 300, 500, 0, 0, 500),
        // Without a limit only the least bounds.
        (1000, 0, 2000, 500, 1000, 0, 2000),
        (1000, 0, 200, 500, 1000, 0, 500),
        // The default stands for the limit: 2000 : 1000.
        (1000, 0, 2000, 0, 1000, 2000, 500),
    ] {
        let own = container("a", cpu(request), cpu(limit));
        let range = LimitRangeItem { min: cpu(min), max: cpu(max), default: cpu(default) };
        let ranges = LimitRanges { container: Some(range), pod: None };
        let capped = cap_for_pod(&[recommended("a", cpu(target))], &[own], &ResourcePolicy::default(), &ranges);
        assert_eq!(targets(&capped), [cpu(expected)], "{request} {limit} {target} {min} {max} {default}");
    }
}

fn cap_pod(containers: &[ContainerResources], own: &[ContainerRecommendation], range: LimitRangeItem) -> Vec<Amounts> {
    let ranges = LimitRanges { container: None, pod: Some(range) };
    targets(&cap_for_pod(own, containers, &ResourcePolicy::default(), &ranges))
}

/// `TestApplyPodLimitRange` and `TestCapPodMemoryWithUnderByteSplit`.
#[test]
fn ranges_of_pods_scale_all_containers() {
    let nothing = LimitRangeItem::default();
    let at_most = |max| LimitRangeItem { max, ..nothing };
    let at_least = |min| LimitRangeItem { min, ..nothing };
    let two = |requests, limits| [container("a", requests, limits), container("b", requests, limits)];
    let both = |a, b| [recommended("a", a), recommended("b", b)];
    // Limits as requests: 1000 + 1000 come down to 1000.
    let own = two(cpu(1000), cpu(1000));
    assert_eq!(cap_pod(&own, &both(cpu(1000), cpu(1000)), at_most(cpu(1000))), [cpu(500), cpu(500)]);
    // 2 000 000 000 bytes come down to 10^9; then odd bytes are cut off: 2 : 1 of 10^9.
    let own = two(memory(1), memory(1));
    let giga = 1_000_000_000;
    assert_eq!(cap_pod(&own, &both(memory(giga), memory(giga)), at_most(memory(giga))), [memory(giga / 2); 2]);
    assert_eq!(
        cap_pod(&own, &both(memory(2 * giga), memory(giga)), at_most(memory(giga))),
        [memory(666_666_666), memory(333_333_333)]
    );
    // Raised to the least: 4 * 10^9 of 2 * 10^9.
    assert_eq!(cap_pod(&own, &both(memory(giga), memory(giga)), at_least(memory(4 * giga))), [memory(2 * giga); 2]);
    // CPU is rounded up: 1000 * 1001 / 2000 = 500.5.
    let own = two(cpu(1000), cpu(1000));
    assert_eq!(cap_pod(&own, &both(cpu(500), cpu(500)), at_least(cpu(1001))), [cpu(501), cpu(501)]);
    // Limits are twice the requests, 4000 in all; the least is between them, and the pod stays.
    let own = two(cpu(1000), cpu(2000));
    assert_eq!(cap_pod(&own, &both(cpu(1000), cpu(1000)), at_least(cpu(2000))), [cpu(1000), cpu(1000)]);
    // Without limits there is nothing to scale.
    let own = two(cpu(1000), Amounts::default());
    assert_eq!(cap_pod(&own, &both(cpu(1000), cpu(1000)), at_most(cpu(1000))), [cpu(1000), cpu(1000)]);
}

#[test]
fn containers_without_a_recommendation_take_part_with_their_requests() {
    let own = [container("a", cpu(1000), cpu(1000)), container("b", cpu(3000), cpu(3000))];
    let range = LimitRangeItem { max: cpu(2000), ..LimitRangeItem::default() };
    // 1000 + 3000 come down to half.
    assert_eq!(cap_pod(&own, &[recommended("a", cpu(1000))], range), [cpu(500), cpu(1500)]);
    let own = [container("a", cpu(1000), cpu(1000)), container("b", Amounts::default(), cpu(3000))];
    // b requests nothing: its limit is not known before it is recommended something.
    assert_eq!(cap_pod(&own, &[recommended("a", cpu(4000))], range), [cpu(2000)]);
}

//! Cases of upstream's `recommendation_provider_test.go`.

use super::super::spec::{ContainerPolicy, LimitRangeItem};
use super::*;
use crate::units::{Bytes, MilliCpu};

fn amounts(cpu_milli: u64, memory_bytes: u64) -> Amounts {
    let some = |amount: u64| (amount > 0).then_some(amount);
    Amounts { cpu: some(cpu_milli).map(MilliCpu), memory: some(memory_bytes).map(Bytes) }
}

fn container(requests: Amounts, limits: Amounts) -> ContainerResources {
    ContainerResources { container: "app".to_owned(), requests, limits }
}

#[test]
fn limits_follow_requests_in_proportion() {
    let target = amounts(2000, 200);
    // (requests, limits, only requests are controlled, default limit; new limits).
    for (requests, limits, requests_only, default, expected) in [
        (amounts(1000, 100), amounts(0, 0), false, amounts(0, 0), amounts(0, 0)),
        // Twice as much of each.
        (amounts(1000, 100), amounts(3000, 150), false, amounts(0, 0), amounts(6000, 300)),
        (amounts(1000, 100), amounts(3000, 0), false, amounts(0, 0), amounts(6000, 0)),
        (amounts(1000, 100), amounts(3000, 300), true, amounts(0, 0), amounts(0, 0)),
        // A limit without a request is the request.
        (amounts(0, 0), amounts(3000, 150), false, amounts(0, 0), amounts(2000, 200)),
        // The default stands for a limit that is missing.
        (amounts(1000, 100), amounts(0, 150), false, amounts(5000, 500), amounts(10_000, 300)),
    ] {
        let own = container(requests, limits);
        let values = if requests_only { ControlledValues::RequestsOnly } else { ControlledValues::RequestsAndLimits };
        let policy = ContainerPolicy { controlled_values: values, ..ContainerPolicy::named("*") };
        let policy = ResourcePolicy { containers: vec![policy], ..ResourcePolicy::default() };
        let range = LimitRangeItem { default, ..LimitRangeItem::default() };
        let ranges = LimitRanges { container: Some(range), pod: None };
        let container = "app".to_owned();
        let all = [ContainerRecommendation { container, target, ..ContainerRecommendation::default() }];
        let ours = resources_for_pod(&all, std::slice::from_ref(&own), UpdateMode::Recreate, &policy, &ranges);
        assert_eq!((ours[0].requests, ours[0].limits), (target, expected), "{requests:?} {limits:?}");
        let whole = applied(&own, &ours[0]);
        assert_eq!((whole.requests, whole.limits), (target, expected.or(limits)));
    }
}

#[test]
fn nothing_is_applied_without_a_recommendation_or_in_mode_off() {
    let own = [container(amounts(1000, 100), amounts(3000, 300))];
    let (policy, ranges) = (ResourcePolicy::default(), LimitRanges::default());
    let nothing = ContainerResources { container: "app".to_owned(), ..ContainerResources::default() };
    assert_eq!(resources_for_pod(&[], &own, UpdateMode::Recreate, &policy, &ranges), std::slice::from_ref(&nothing));
    let container = "app".to_owned();
    let all = [ContainerRecommendation { container, target: amounts(1, 1), ..ContainerRecommendation::default() }];
    assert_eq!(resources_for_pod(&all, &own, UpdateMode::Off, &policy, &ranges), std::slice::from_ref(&nothing));
    assert_eq!(applied(&own[0], &nothing), own[0]);
}

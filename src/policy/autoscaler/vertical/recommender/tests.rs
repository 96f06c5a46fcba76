//! The tables of upstream's `estimator_test.go`, `recommender_test.go`, `cpu_integer_post_processor_test.go` and
//! `TestApplyVPAPolicy`.

use super::super::aggregate::AggregationsConfig;
use super::super::estimator::{confidence, percentile, with_margin};
use super::super::spec::ContainerPolicy;
use super::*;
use crate::units::{Bytes, MilliCpu, SimTime};

const MINUTE: SimDuration = SimDuration(60_000_000_000);
const DAY: SimDuration = SimDuration(1440 * MINUTE.0);
const MIB: u64 = 1 << 20;

fn empty() -> AggregateState {
    AggregateState::new(&AggregationsConfig::default(), SimTime::ZERO)
}

/// Nine samples of a core over 16 minutes, from the start of 1970.
fn nine_samples() -> AggregateState {
    let mut state = empty();
    (0..9).for_each(|sample| state.add_cpu_sample(SimTime(2 * sample * MINUTE.0), 1000));
    state
}

#[test]
fn percentiles_are_within_a_bucket_of_the_samples() {
    let mut state = empty();
    for sample in 1..=3 {
        state.add_cpu_sample(SimTime(0), sample * 1000);
        state.add_memory_peak(SimTime(0), sample * 1_000_000_000);
    }
    let near = |amount: u64, expected: f64| assert!((amount as f64 / expected - 1.0).abs() < 0.05, "{amount}");
    near(percentile(&state, Resource::Cpu, 0.2), 1000.0);
    near(percentile(&state, Resource::Memory, 0.5), 2e9);
}

#[test]
fn little_history_widens_the_estimate() {
    let multiplier = |multiplier, exponent, interval| ConfidenceMultiplier { multiplier, exponent, interval };
    // Without history the widest, and the narrowest.
    assert_eq!(multiplier(1.0, 1, DAY).apply(3140, &empty()), 100_000_000_000_000);
    assert_eq!(multiplier(1.0, -1, DAY).apply(3140, &empty()), 0);
    assert_eq!(multiplier(0.1, 2, DAY).apply(3140, &empty()), 100_000_000_000_000);
    // 9 / 1440 = 0.00625; 3.14 * (1 + 0.1 / 0.00625)^2 = 907.46.
    assert_eq!(confidence(&nine_samples(), DAY), 0.00625);
    assert_eq!(multiplier(0.1, 2, DAY).apply(3140, &nine_samples()), 907_460);
    assert_eq!(multiplier(0.1, 2, DAY).apply(3_140_000_000, &nine_samples()), 907_460_000_000);
    // 9 / 18 = 0.5; 3.14 * (1 + 0.1 / 0.5)^2 = 4.5216, of which whole milli-cores stay.
    let interval = SimDuration(18 * MINUTE.0);
    assert_eq!(confidence(&nine_samples(), interval), 0.5);
    assert_eq!(multiplier(0.1, 2, interval).apply(3140, &nine_samples()), 4521);
    assert_eq!(multiplier(0.1, 2, interval).apply(3_140_000_000, &nine_samples()), 4_521_600_000);
}

#[test]
fn margins_are_added() {
    // 3.14 * 1.1.
    assert_eq!(with_margin(3140, 0.1), 3454);
    assert_eq!(with_margin(3_140_000_000, 0.1), 3_454_000_000);
}

#[test]
fn the_least_of_a_pod_is_split_among_its_containers() {
    let state = empty();
    let config = RecommenderConfig::default();
    let one = config.recommend(&[("a", &state)], &ResourcePolicy::default());
    assert_eq!(one[0].target, Amounts::both(MilliCpu(25), Bytes(250 * MIB)));
    let two = config.recommend(&[("b", &state), ("a", &state)], &ResourcePolicy::default());
    let names: Vec<_> = two.iter().map(|one| one.container.as_str()).collect();
    assert_eq!(names, ["a", "b"], "they are sorted");
    // 25 / 2, cut off.
    assert!(two.iter().all(|one| one.target == Amounts::both(MilliCpu(12), Bytes(125 * MIB))));
    let mut off = ResourcePolicy::default();
    off.containers.push(ContainerPolicy { is_scaled: false, ..ContainerPolicy::named("b") });
    let rest = config.recommend(&[("b", &state), ("a", &state)], &off);
    assert_eq!((rest.len(), rest[0].target), (1, Amounts::both(MilliCpu(25), Bytes(250 * MIB))));
}

#[test]
fn only_controlled_resources_are_recommended() {
    let state = nine_samples();
    let policy = ContainerPolicy { controls_cpu: false, ..ContainerPolicy::named("*") };
    let policy = ResourcePolicy { containers: vec![policy], ..ResourcePolicy::default() };
    let [one] = &RecommenderConfig::default().recommend(&[("a", &state)], &policy)[..] else { panic!("one") };
    for amounts in [one.target, one.lower_bound, one.upper_bound, one.uncapped_target] {
        assert!(amounts.cpu.is_none() && amounts.memory.is_some());
    }
}

#[test]
fn bounds_lie_around_the_target() {
    let [one] = &RecommenderConfig::default().recommend(&[("a", &nine_samples())], &ResourcePolicy::default())[..]
    else {
        panic!("one")
    };
    // The bucket of a core ends at 0.2 * (1.05^37 - 1) = 1.0163 cores; with 15 % on top, cut off twice: 1016 + 152.
    let base = 1168;
    assert_eq!(one.target.cpu, Some(MilliCpu(base)));
    // * (1 + 1 / 0.00625), and * (1 + 0.001 / 0.00625)^-2 = 1 / 1.16^2.
    assert_eq!(one.upper_bound.cpu, Some(MilliCpu(base * 161)));
    assert_eq!(one.lower_bound.cpu, Some(MilliCpu((base as f64 / (1.16 * 1.16)) as u64)));
}

#[test]
fn amounts_are_rounded_up_to_their_scale() {
    let config = RecommenderConfig { round_cpu_milli: 100, round_memory_bytes: MIB, ..RecommenderConfig::default() };
    let [one] = &config.recommend(&[("a", &nine_samples())], &ResourcePolicy::default())[..] else { panic!("one") };
    assert_eq!(one.target, Amounts::both(MilliCpu(1200), Bytes(250 * MIB)));
    for (amount, scale, expected) in [(0, 100, 0), (1, 100, 100), (100, 100, 100), (101, 100, 200), (7, 0, 7)] {
        let config = RecommenderConfig { round_cpu_milli: scale, ..RecommenderConfig::default() };
        assert_eq!(config.rounded(Resource::Cpu, amount), expected, "{amount} {scale}");
    }
}

fn recommended(container: &str, cpu_milli: u64, memory_mib: u64) -> ContainerRecommendation {
    let amounts = Amounts::both(MilliCpu(cpu_milli), Bytes(memory_mib * MIB));
    ContainerRecommendation {
        container: container.to_owned(),
        target: amounts,
        lower_bound: amounts,
        upper_bound: amounts,
        uncapped_target: amounts,
    }
}

#[test]
fn whole_cores_are_for_those_that_ask_for_them() {
    let policy = ResourcePolicy { integer_cpu: ["one".to_owned()].into(), ..ResourcePolicy::default() };
    let mut both = [recommended("one", 8600, 200), recommended("two", 8200, 300)];
    round_to_integer_cpu(&mut both, &policy);
    assert_eq!(both, [recommended("one", 9000, 200), recommended("two", 8200, 300)]);
}

#[test]
fn policies_cap_all_but_the_uncapped_target() {
    let limits = |cpu: Option<u64>, memory: Option<u64>| Amounts {
        cpu: cpu.map(MilliCpu),
        memory: memory.map(|mib| Bytes(mib * MIB)),
    };
    let nothing = Amounts::default();
    // (least, most, most of all, expected CPU and memory) for 4000 milli-cores and 400 MiB.
    for (min, max, global, cpu, memory) in [
        (nothing, nothing, nothing, 4000, 400),
        (limits(Some(5000), Some(100)), nothing, nothing, 5000, 400),
        (nothing, limits(Some(1000), Some(500)), nothing, 1000, 400),
        // 0 is no bound.
        (limits(Some(0), None), limits(Some(0), Some(0)), nothing, 4000, 400),
        // The most wins over the least.
        (limits(Some(5000), None), limits(Some(1000), None), nothing, 1000, 400),
        (nothing, nothing, limits(Some(2000), Some(200)), 2000, 200),
        // The policy's own comes before that of all.
        (nothing, limits(Some(3000), None), limits(Some(2000), Some(200)), 3000, 200),
    ] {
        let own = ContainerPolicy { min_allowed: min, max_allowed: max, ..ContainerPolicy::named("one") };
        let policy = ResourcePolicy { containers: vec![own], ..ResourcePolicy::default() };
        let mut recommendations = [recommended("one", 4000, 400)];
        cap_to_policy(&mut recommendations, &policy, global);
        let mut expected = recommended("one", cpu, memory);
        expected.uncapped_target = recommended("one", 4000, 400).target;
        assert_eq!(recommendations, [expected], "{min:?} {max:?} {global:?}");
    }
}

#[test]
fn a_container_has_its_own_policy_or_the_one_for_all() {
    let mut policy = ResourcePolicy::default();
    assert_eq!(policy.of("a"), None);
    policy.containers.push(ContainerPolicy { is_scaled: false, ..ContainerPolicy::named("*") });
    policy.containers.push(ContainerPolicy::named("a"));
    assert!(policy.scales("a") && !policy.scales("b"));
}

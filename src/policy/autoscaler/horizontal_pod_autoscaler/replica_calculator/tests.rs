//! The tables of `replica_calculator_test.go` of v1.37.0: with these pods and values, so many replicas.

use super::super::Settings;
use super::super::seen::{
    Amounts, ConditionStatus, ContainerAmounts, MetricSamples, Observed, ObservedPod, ObservedScale, PodRequests,
    PodSample, PodUsage, PodsSeen, ReadyCondition, Seen,
};
use super::super::spec::ResourceName;
use super::{Goal, Proposal, ReplicaCalculator, Settled, SettledPods, Tolerances, sum_of_series};
use crate::ids::PodId;
use crate::policy::autoscaler::observation;
use crate::rng::Stream;
use crate::units::{Bytes, MilliCpu, SimDuration, SimTime};
use crate::world::lives::PodPhase;

const SECOND: u64 = 1_000_000_000;
const NOW: SimTime = SimTime(3600 * SECOND);
const TEN_PERCENT: Tolerances = Tolerances { down: 0.1, up: 0.1 };

/// The settings of upstream's tests: an initialisation period of 2 minutes, a delay of 10 s.
fn settings() -> Settings {
    Settings {
        cpu_initialization_period: SimDuration(120 * SECOND),
        initial_readiness_delay: SimDuration(10 * SECOND),
        ..Settings::default()
    }
}

/// A pod by a letter: ready, unready, hot (it has just started), unready and hot (x), failed, deleted, pending.
fn pod<'a>(position: usize, letter: char, containers: &'a [ContainerAmounts<'a>]) -> ObservedPod<'a> {
    let status = if "uxfdp".contains(letter) { ConditionStatus::False } else { ConditionStatus::True };
    let phase = match letter {
        'f' => PodPhase::Failed,
        'p' => PodPhase::Pending,
        _ => PodPhase::Running,
    };
    ObservedPod {
        id: PodId(position as u32),
        phase,
        is_terminating: letter == 'd',
        started: Some(if "hx".contains(letter) { NOW } else { SimTime::ZERO }),
        ready: Some(ReadyCondition { status, since: SimTime::ZERO }),
        requests: PodRequests { containers, pod_level: None },
    }
}

fn cpu<'a>(name: &'a str, milli: u64) -> ContainerAmounts<'a> {
    ContainerAmounts { name, amounts: Amounts { cpu: Some(MilliCpu(milli)), memory: None } }
}

/// Runs `ask` with pods of two containers of one request, and with what these use.
fn with_usage<T>(
    states: &str,
    requests: &[u64],
    levels: &[(u64, u64)],
    tolerances: Tolerances,
    ask: impl FnOnce(&ReplicaCalculator<'_>) -> T,
) -> T {
    let containers: Vec<Vec<ContainerAmounts<'_>>> =
        requests.iter().map(|&milli| vec![cpu("container1", milli), cpu("container2", milli)]).collect();
    let used: Vec<Vec<ContainerAmounts<'_>>> =
        levels.iter().map(|&(one, two)| vec![cpu("container1", one), cpu("container2", two)]).collect();
    let pods: Vec<ObservedPod<'_>> =
        states.chars().enumerate().map(|(number, letter)| pod(number, letter, &containers[number])).collect();
    let usage: Vec<PodUsage<'_>> = (0..)
        .zip(&used)
        .map(|(id, containers)| PodUsage {
            pod: PodId(id),
            at: SimTime::ZERO,
            window: SimDuration(60 * SECOND),
            containers,
        })
        .collect();
    ask_of(&pods, &usage, tolerances, ask)
}

fn ask_of<T>(
    pods: &[ObservedPod<'_>],
    usage: &[PodUsage<'_>],
    tolerances: Tolerances,
    ask: impl FnOnce(&ReplicaCalculator<'_>) -> T,
) -> T {
    let seen = Seen {
        scale: Ok(ObservedScale { spec_replicas: 0, status_replicas: 0, selector: "app=web" }),
        pods: PodsSeen::Listed { pods, usage: Ok(usage) },
        samples: &[],
        also_selected_by: &[],
        pod_name: &|pod| format!("pod-{}", pod.0),
        update_error: None,
    };
    let settings = settings();
    ask(&ReplicaCalculator { now: NOW, settings: &settings, seen: &seen, tolerances })
}

/// Levels that both containers have.
fn both(levels: &[u64]) -> Vec<(u64, u64)> {
    levels.iter().map(|&level| (level, level)).collect()
}

struct UsageRow {
    states: &'static str,
    current: i32,
    requests: &'static [u64],
    levels: Vec<(u64, u64)>,
    container: Option<&'static str>,
    target: i32,
    tolerances: Tolerances,
    /// Replicas, utilisation in per cent, mean in milli-cores.
    want: (i32, i32, i64),
}

fn check(rows: Vec<UsageRow>) {
    for (number, row) in rows.into_iter().enumerate() {
        let UsageRow { states, current, requests, levels, container, target, tolerances, want } = row;
        let goal = Goal::Utilization(target);
        let ours = with_usage(states, requests, &levels, tolerances, |calculator| {
            calculator.resource(current, goal, &ResourceName::Cpu, container)
        });
        let wanted = Proposal { replicas: want.0, usage_milli: want.2, utilization: Some(want.1) };
        assert_eq!(ours, Ok(wanted), "row {number}, pods {states}");
    }
}

/// One core for each container.
const CORES: &[u64] = &[1000; 8];

fn row(states: &'static str, current: i32, levels: Vec<(u64, u64)>, target: i32, want: (i32, i32, i64)) -> UsageRow {
    UsageRow { states, current, requests: CORES, levels, container: None, target, tolerances: TEN_PERCENT, want }
}

/// The same of the second container alone.
fn of_second(
    states: &'static str,
    current: i32,
    levels: Vec<(u64, u64)>,
    target: i32,
    want: (i32, i32, i64),
) -> UsageRow {
    UsageRow { container: Some("container2"), ..row(states, current, levels, target, want) }
}

#[test]
fn utilisation_above_target_adds_pods() {
    let levels = || both(&[300, 500, 700]);
    check(vec![
        // (300 + 500 + 700) / 3000 = 50 %; 50 / 30 * 3 = 5.
        row("rrr", 3, levels(), 30, (5, 50, 1000)),
        of_second("rrr", 3, vec![(1000, 300), (1000, 500), (1000, 700)], 30, (5, 50, 500)),
        // The ready ones: 60 %. With the other one at 0: 1200 / 3000 = 40 %; 40 / 30 * 3 = 4.
        row("urr", 3, levels(), 30, (4, 60, 1200)),
        row("hrr", 3, levels(), 30, (4, 60, 1200)),
        of_second("hrr", 3, vec![(0, 300), (0, 500), (0, 700)], 30, (4, 60, 600)),
        // The ready one: 40 %. With two at 0: 13 % is below the target, which would turn the change round.
        row("ruu", 3, both(&[400, 500, 700]), 30, (3, 40, 800)),
        row("rxx", 3, both(&[400, 500, 700]), 30, (3, 40, 800)),
        // Pods that have failed or are going count for nothing: 60 / 30 * 2 = 4.
        row("rrff", 2, both(&[500, 700]), 30, (4, 60, 1200)),
        of_second("rrff", 2, vec![(1000, 500), (9000, 700), (1000, 0), (9000, 0)], 30, (4, 60, 600)),
        of_second("rrff", 2, vec![(1000, 500), (9000, 700)], 30, (4, 60, 600)),
        row("rrdd", 2, both(&[500, 700]), 30, (4, 60, 1200)),
        of_second("rrdd", 2, both(&[500, 700]), 30, (4, 60, 600)),
    ]);
}

#[test]
fn utilisation_below_target_takes_pods() {
    let levels = || both(&[100, 300, 500, 250, 250]);
    let second = |last: u64| vec![(1000, 100), (1000, 300), (1000, 500), (1000, last), (1000, last)];
    check(vec![
        // 1400 / 5000 = 28 %; 28 / 50 * 5 = 2.8.
        row("rrrrr", 5, levels(), 50, (3, 28, 560)),
        of_second("rrrrr", 5, second(250), 50, (3, 28, 280)),
        // 900 / 3000 = 30 %; 30 / 50 * 3 = 1.8. Pods that are not ready are not put at 0 here.
        row("rrruu", 5, levels(), 50, (2, 30, 600)),
        of_second("rrruu", 5, second(250), 50, (2, 30, 300)),
        row("rrrhh", 5, levels(), 50, (2, 30, 600)),
        of_second("rrrhh", 5, second(1000), 50, (2, 30, 300)),
        // 10 / 50 * 1 = 0.2.
        row("rpppp", 5, both(&[100]), 50, (1, 10, 200)),
        of_second("rpppp", 5, second(250), 50, (1, 10, 100)),
        row("rrrrrff", 5, levels(), 50, (3, 28, 560)),
        of_second("rrrrrff", 5, second(250), 50, (3, 28, 280)),
        row("rrrrrdd", 5, levels(), 50, (3, 28, 560)),
        of_second("rrrrrdd", 5, second(250), 50, (3, 28, 280)),
    ]);
}

#[test]
fn utilisation_within_the_tolerance_changes_nothing() {
    let row = |levels: &[u64], (down, up), want| UsageRow {
        requests: &[900, 1000, 1100],
        tolerances: Tolerances { down, up },
        ..row("rrr", 3, both(levels), 100, want)
    };
    check(vec![
        // 3060 / 3000 = 102 %.
        row(&[1010, 1030, 1020], (0.1, 0.1), (3, 102, 2040)),
        // 101 % of 3 pods is 3.03.
        row(&[909, 1010, 1111], (0.0, 0.0), (4, 101, 2020)),
        row(&[1890, 1910, 1900], (0.1, 2.0), (3, 190, 3800)),
        row(&[1100, 1080, 1090], (2.0, 0.08), (4, 109, 2180)),
        row(&[660, 640, 650], (0.36, 0.1), (3, 65, 1300)),
        // 65 % of 3 pods is 1.95.
        row(&[660, 640, 650], (0.34, 0.1), (2, 65, 1300)),
    ]);
    // 3000 / 6000 = 50 %. 50 / 56 = 0.893 is 10.7 % off, and of ten pods 8.9; 50 / 55 = 0.909 is 9.1 % off.
    let ten = |target, replicas| UsageRow {
        requests: &[400, 200, 310, 290, 302, 298, 301, 299, 300, 300],
        ..self::row("rrrrrrrrrr", 10, both(&[150; 10]), target, (replicas, 50, 300))
    };
    check(vec![ten(56, 9), ten(55, 10)]);
}

#[test]
fn pods_without_a_sample_count_against_the_change() {
    check(vec![
        // Samples without a pod count in the number of pods only where pods are missing, too: 587 / 100 * 4 = 23.5.
        row("rrrr", 4, both(&[4000, 9500, 3000, 7000, 3200, 2000]), 100, (24, 587, 11750)),
        // 495 / 2000 = 24 %. The other two at 100 %: 2495 / 4000 = 62 %; 62 / 100 * 4 = 2.5.
        row("rrrr", 4, both(&[400, 95]), 100, (3, 24, 495)),
        row("rr", 2, both(&[1000]), 100, (2, 100, 2000)),
        // 190 %, with the other one at 0: 95 %, which turns round.
        row("rr", 2, both(&[1900]), 100, (2, 190, 3800)),
        // 60 %, with the other one at 100 %: 80 %, and 80 / 100 * 2 = 1.6.
        row("rr", 2, both(&[600]), 100, (2, 60, 1200)),
        // 45 %, with the missing one at 100 %: 72 %, which turns round.
        row("urr", 3, both(&[100, 450]), 50, (3, 45, 900)),
        row("hrr", 3, both(&[100, 450]), 50, (3, 45, 900)),
        // 200 %, with two at 0: 66 %; 66 / 50 * 3 = 3.96.
        row("urr", 3, both(&[100, 2000]), 50, (4, 200, 4000)),
        row("xrr", 3, both(&[100, 2000]), 50, (4, 200, 4000)),
        // 10 %, with the missing one at 100 %: 1200 / 3000 = 40 %; 40 / 50 * 3 = 2.4.
        row("urrr", 4, both(&[100, 100, 100]), 50, (3, 10, 200)),
        // 200 / 3000 = 6 %, with the missing one at 300 % of 2 cores: 6200 / 5000 = 124 %; 124 / 300 * 3 = 1.24.
        UsageRow { requests: &[1000, 1000, 2000, 2000], ..row("urrr", 4, both(&[200, 100, 100]), 300, (2, 6, 200)) },
        // 10 %, with the third at 100 %: 40 %; 40 / 50 * 3 = 2.4 is more than there are, though it is to be less.
        row("rrr", 2, both(&[100, 100]), 50, (2, 10, 200)),
    ]);
}

#[test]
fn what_is_not_known_is_said() {
    let error = |states: &str, requests: &[u64], levels: &[(u64, u64)], container| {
        with_usage(states, requests, levels, TEN_PERCENT, |calculator| {
            calculator.resource(1, Goal::Utilization(100), &ResourceName::Cpu, container).expect_err("it fails")
        })
    };
    let none = "unable to get metrics for resource cpu: no metrics returned from resource metrics API";
    assert_eq!(error("rrr", CORES, &[], None), none);
    let unready = "did not receive metrics for targeted pods (pods might be unready)";
    assert_eq!(error("d", CORES, &both(&[100]), None), unready);
    assert_eq!(error("r", CORES, &both(&[100]), Some("container3")), unready);
    assert_eq!(error("", CORES, &both(&[100]), None), "no pods returned by selector while calculating replica count");
    // Nothing of a pod that is there.
    let pods = [pod(7, 'r', &[])];
    let used = [cpu("container1", 100)];
    let usage = [PodUsage { pod: PodId(3), at: NOW, window: SimDuration(SECOND), containers: &used }];
    let ask = |calculator: &ReplicaCalculator<'_>| {
        calculator.resource(1, Goal::Utilization(100), &ResourceName::Cpu, None).expect_err("it fails")
    };
    assert_eq!(ask_of(&pods, &usage, TEN_PERCENT, ask), "no metrics returned matched known pods");
}

#[test]
fn requests_are_of_the_pod_a_container_or_all() {
    let none = |name| ContainerAmounts { name, amounts: Amounts::default() };
    let level = Some(Amounts { cpu: Some(MilliCpu(800)), memory: None });
    let memory = Some(Amounts { cpu: None, memory: Some(Bytes(1)) });
    let (two, missing) = ([cpu("container1", 100), cpu("container2", 50)], [none("container1"), cpu("container2", 50)]);
    let rows: [(&[ContainerAmounts<'_>], _, _, Result<i32, &str>); 8] = [
        // Of 75 milli-cores used: 75 / 150, 75 / 800, 75 / 100.
        (&two, None, None, Ok(50)),
        (&two, level, None, Ok(9)),
        (&missing, level, None, Ok(9)),
        (&two, None, Some("container1"), Ok(75)),
        (&two, level, Some("container1"), Ok(75)),
        (&missing, None, None, Err("missing request for cpu in container container1 of Pod pod-0")),
        (&two, memory, None, Err("missing pod-level request for cpu in Pod pod-0")),
        (&missing[1..], None, Some("container1"), Err("container container1 not found in Pod pod-0")),
    ];
    for (number, (containers, pod_level, container, want)) in rows.into_iter().enumerate() {
        let pods = [ObservedPod { requests: PodRequests { containers, pod_level }, ..pod(0, 'r', containers) }];
        let used = [cpu("container1", 75), cpu("container2", 0)];
        let usage = [PodUsage { pod: PodId(0), at: NOW, window: SimDuration(SECOND), containers: &used }];
        let ours = ask_of(&pods, &usage, TEN_PERCENT, |calculator| {
            calculator.resource(1, Goal::Utilization(100), &ResourceName::Cpu, container)
        });
        let ours = ours.map(|proposal| proposal.utilization.expect("a share"));
        assert_eq!(ours, want.map_err(str::to_owned), "row {number}");
    }
}

#[test]
fn a_metric_of_pods() {
    // Pods, replicas, target, values; replicas and mean.
    type Row = (&'static str, i32, i64, &'static [i64], f64, (i32, i64));
    let rows: [Row; 8] = [
        // 20 000 / 15 000 * 3 = 4.
        ("rrr", 3, 15_000, &[20_000, 10_000, 30_000], 0.1, (4, 20_000)),
        // Readiness is of no concern where it is not CPU: 30 000 / 15 000 * 3 = 6.
        ("rrx", 3, 15_000, &[50_000, 10_000, 30_000], 0.1, (6, 30_000)),
        // 31 666 / 15 000 * 3 = 6.33.
        ("xrx", 3, 15_000, &[50_000, 15_000, 30_000], 0.1, (7, 31_666)),
        // 12 000 / 20 000 * 5 = 3.
        ("rrrrr", 5, 20_000, &[12_000; 5], 0.1, (3, 12_000)),
        ("rrr", 3, 20_000, &[20_000, 21_000, 21_000], 0.1, (3, 20_666)),
        ("rrr", 3, 20_000, &[20_000, 21_000, 21_000], 0.01, (4, 20_666)),
        ("rrrrr", 5, 20_000, &[20_000, 19_000, 21_000], 0.1, (5, 20_000)),
        // 10 / 17, with the third at 17: 12 333 / 17 000 * 3 = 2.2 is more than there are.
        ("rrr", 2, 17_000, &[10_000, 10_000], 0.1, (2, 10_000)),
    ];
    for (number, (states, current, target, values, up, want)) in rows.into_iter().enumerate() {
        let values: Vec<PodSample> =
            (0..).zip(values).map(|(id, &value_milli)| PodSample { pod: PodId(id), value_milli }).collect();
        let tolerances = Tolerances { down: 0.1, up };
        let ours = with_usage(states, CORES, &[], tolerances, |calculator| {
            calculator.pods_metric(current, target, "qps", &MetricSamples::OfPods(Ok(&values)))
        });
        assert_eq!(ours, Ok(proposal(want)), "row {number}");
    }
}

fn proposal((replicas, usage_milli): (i32, i64)) -> Proposal {
    Proposal { replicas, usage_milli, utilization: None }
}

#[test]
fn a_value_that_pods_share() {
    // Pods, replicas, value, target, tolerance; replicas.
    let rows: [(&str, i32, i64, i64, f64, i32); 12] = [
        // Of an object: 20 / 15 * 3 = 4.
        ("rrr", 3, 20_000, 15_000, 0.1, 4),
        ("rrr", 3, i64::MAX, 1, 0.1, i32::MAX),
        // 50 / 10 * 1 = 5: one is ready.
        ("uru", 3, 50_000, 10_000, 0.1, 5),
        ("rrrrr", 5, 12_000, 20_000, 0.1, 3),
        ("rrr", 3, 20_666, 20_000, 0.1, 3),
        ("rrr", 3, 20_666, 20_000, 0.01, 4),
        // External: 8600 / 4400 * 1 = 1.95.
        ("uru", 3, 8600, 4400, 0.1, 2),
        ("rrrrr", 5, 8600, 14_334, 0.1, 3),
        ("rrr", 3, 8600, 8888, 0.1, 3),
        ("rrr", 3, 8900, 8800, 0.01, 4),
        // From zero the ratio is the number.
        ("", 0, 2500, 1000, 0.1, 3),
        ("", 0, 0, 1000, 0.1, 0),
    ];
    for (number, (states, current, value, target, up, want)) in rows.into_iter().enumerate() {
        let tolerances = Tolerances { down: 0.1, up };
        let ours =
            with_usage(states, CORES, &[], tolerances, |calculator| calculator.shared_value(current, value, target));
        assert_eq!(ours, Ok(proposal((want, value))), "row {number}");
    }
    let sum = sum_of_series(&[i64::MAX / 2 + 1, i64::MAX / 2 + 1], false);
    let ours = with_usage("rrr", CORES, &[], TEN_PERCENT, |calculator| calculator.shared_value(3, sum, i64::MAX));
    assert_eq!(ours, Ok(proposal((3, i64::MAX))));
    let none = with_usage("", CORES, &[], TEN_PERCENT, |calculator| calculator.shared_value(3, 9, 1));
    let why = "unable to calculate ready pods: no pods returned by selector while calculating replica count";
    assert_eq!(none, Err(why.to_owned()));
}

#[test]
fn a_value_for_each_pod() {
    // Replicas, value, target, tolerance; replicas and mean.
    let of_object = [
        // 20 / 5 = 4; 20 000 / 3 = 6666.7.
        (3, 20_000, 5000, 0.1, (4, 6667)),
        (5, 6000, 2000, 0.1, (3, 1200)),
        (4, 20_166, 5000, 0.1, (4, 5042)),
        (4, 20_208, 5000, 0.01, (5, 5052)),
        // Without replicas there is no mean; amd64 makes this of infinity.
        (0, 6000, 2000, 0.1, (3, i64::MIN)),
        // 2^40 replicas are out of range.
        (1, 1 << 40, 1, 0.1, (i32::MIN, 1 << 40)),
    ];
    let external = [
        (1, i64::MAX, 1, 0.1, (i32::MAX, i64::MAX)),
        (1, i64::MAX, i64::MAX, 0.1, (1, i64::MAX)),
        (3, 8600, 2150, 0.1, (4, 2867)),
        (5, 8600, 2867, 0.1, (3, 1720)),
        (3, 8600, 2900, 0.1, (3, 2867)),
        (3, 8600, 2800, 0.01, (4, 2867)),
    ];
    for (status, value, target, up, want) in of_object {
        let tolerances = Tolerances { down: 0.1, up };
        let ask = |calculator: &ReplicaCalculator<'_>| calculator.object_per_pod(status, value, target);
        assert_eq!(ask_of(&[], &[], tolerances, ask), proposal(want), "{value} of an object at {status}");
    }
    for (status, value, target, up, want) in external {
        let tolerances = Tolerances { down: 0.1, up };
        let ask = |calculator: &ReplicaCalculator<'_>| calculator.external_per_pod(status, value, target);
        assert_eq!(ask_of(&[], &[], tolerances, ask), proposal(want), "external {value} at {status}");
    }
}

#[test]
fn series_are_summed_up_to_the_largest_number() {
    assert_eq!(sum_of_series(&[1, 2, -5], false), -2);
    // A sum below 0 is taken for one that wrapped around.
    assert_eq!(sum_of_series(&[1, 2, -5], true), i64::MAX);
    assert_eq!(sum_of_series(&[i64::MAX, 1], true), i64::MAX);
    assert_eq!(sum_of_series(&[i64::MAX, 1], false), i64::MAX);
}

/// Upstream's table of `groupPods`: phase, age in s, the condition and its age in s, the sample's age and window in s.
#[test]
fn cpu_of_a_pod_counts_once_it_has_been_ready_for_a_window() {
    use ConditionStatus::{False, True, Unknown};
    // Age of the pod, condition with age, age of the sample, window: does it count?
    type Row = (Option<u64>, Option<(ConditionStatus, u64)>, u64, u64, bool);
    let rows: [Row; 12] = [
        // It is not old enough to have a start or a condition.
        (None, Some((True, 5)), 0, 30, false),
        (Some(180), None, 0, 30, false),
        // Ready, and older than the initialisation period.
        (Some(180), Some((True, 180)), 0, 30, true),
        // Within the period: one window after it became ready.
        (Some(60), Some((True, 30)), 0, 30, true),
        (Some(60), Some((True, 30)), 1, 30, false),
        (Some(60), Some((False, 30)), 0, 30, false),
        (Some(60), Some((Unknown, 30)), 0, 30, true),
        // The period ends with its last instant.
        (Some(120), Some((True, 5)), 0, 30, true),
        (Some(119), Some((True, 5)), 0, 30, false),
        // Later: unready from the start (within 10 s), or again.
        (Some(600), Some((False, 591)), 0, 30, false),
        (Some(600), Some((False, 590)), 0, 30, true),
        (Some(600), Some((False, 540)), 0, 30, true),
    ];
    let ago = |age_s: u64| SimTime(NOW.0 - age_s * SECOND);
    for (number, (age, ready, sample, window, counts)) in rows.into_iter().enumerate() {
        let request = [cpu("container1", 100)];
        let ready = ready.map(|(status, age_s)| ReadyCondition { status, since: ago(age_s) });
        let pods = [ObservedPod { started: age.map(ago), ready, ..pod(0, 'r', &request) }];
        let usage =
            [PodUsage { pod: PodId(0), at: ago(sample), window: SimDuration(window * SECOND), containers: &request }];
        let ours = ask_of(&pods, &usage, TEN_PERCENT, |calculator| {
            calculator.resource(1, Goal::Utilization(100), &ResourceName::Cpu, None)
        });
        assert_eq!(ours.is_ok(), counts, "row {number}: {ours:?}");
    }
}

/// Pods of one or two containers in all states, some without samples, and of some no requests.
fn observation(stream: &mut Stream) -> (Vec<observation::ObservedPod>, Vec<observation::ObservedContainer<'static>>) {
    let (mut pods, mut containers) = (Vec::new(), Vec::new());
    for id in 0..stream.below(12) as u32 {
        let ago = |seconds: u64| SimTime(NOW.0 - seconds * SECOND);
        let first_container = containers.len() as u32;
        let container_count = 1 + stream.below(2) as u32;
        for name in ["app", "side"].iter().take(container_count as usize) {
            containers.push(observation::ObservedContainer {
                name,
                cpu_request_milli: Some(100).filter(|_| stream.below(40) > 0),
                memory_request_bytes: Some(1 << 20).filter(|_| stream.below(40) > 0),
                cpu_milli: stream.below(200),
                memory_bytes: stream.below(1 << 21),
            });
        }
        pods.push(observation::ObservedPod {
            id: PodId(id),
            phase: [PodPhase::Running, PodPhase::Running, PodPhase::Pending, PodPhase::Failed]
                [stream.below(4) as usize],
            is_terminating: stream.below(8) == 0,
            started: Some(ago(stream.below(300))).filter(|_| stream.below(8) > 0),
            ready: Some((stream.below(3) > 0, ago(stream.below(300)))).filter(|_| stream.below(8) > 0),
            sample: Some(observation::Sample { at: ago(stream.below(60)), window: SimDuration(15 * SECOND) })
                .filter(|_| stream.below(6) > 0),
            first_container,
            container_count,
        });
    }
    (pods, containers)
}

#[test]
fn observed_pods_count_as_listed_ones() {
    let mut stream = Stream::of_word(7);
    let settings = settings();
    for _ in 0..3000 {
        let (known, all) = observation(&mut stream);
        let amounts = |one: &observation::ObservedContainer<'static>, is_used: bool| {
            let requests =
                Amounts { cpu: one.cpu_request_milli.map(MilliCpu), memory: one.memory_request_bytes.map(Bytes) };
            let used = Amounts { cpu: Some(MilliCpu(one.cpu_milli)), memory: Some(Bytes(one.memory_bytes)) };
            ContainerAmounts { name: one.name, amounts: if is_used { used } else { requests } }
        };
        let [requests, used] = [false, true].map(|is_used| all.iter().map(|one| amounts(one, is_used)).collect());
        let (requests, used): (Vec<ContainerAmounts<'_>>, Vec<ContainerAmounts<'_>>) = (requests, used);
        let list = |pod: &observation::ObservedPod| {
            let requests = PodRequests { containers: &requests[pod.containers()], pod_level: None };
            ObservedPod { requests, ..ObservedPod::of(pod) }
        };
        let measure = |pod: &observation::ObservedPod| {
            let observation::Sample { at, window } = pod.sample?;
            Some(PodUsage { pod: pod.id, at, window, containers: &used[pod.containers()] })
        };
        let pods: Vec<ObservedPod<'_>> = known.iter().map(list).collect();
        let usage: Vec<PodUsage<'_>> = known.iter().filter_map(measure).collect();
        let values: Vec<PodSample> = usage
            .iter()
            .map(|one| PodSample { pod: one.pod, value_milli: i64::from(one.pod.0) * 25_000 + 10_000 })
            .collect();
        let listed = Seen {
            scale: Ok(ObservedScale { spec_replicas: 4, status_replicas: 4, selector: "app" }),
            pods: PodsSeen::Listed { pods: &pods, usage: Ok(&usage) },
            samples: &[],
            also_selected_by: &[],
            pod_name: &|pod| format!("pod-{}", pod.0),
            update_error: None,
        };
        let observed =
            Seen { pods: PodsSeen::Observed(Observed { pods: &known, containers: &all, settled: None }), ..listed };
        for resource in [ResourceName::Cpu, ResourceName::Memory, ResourceName::Other("gpu".to_owned())] {
            for container in [None, Some("app"), Some("side"), Some("none")] {
                for goal in [Goal::Usage(120), Goal::Utilization(60)] {
                    let [one, other] = [&listed, &observed].map(|seen| {
                        let settings = &settings;
                        let calculator = ReplicaCalculator { now: NOW, settings, seen, tolerances: TEN_PERCENT };
                        let shared = calculator.shared_value(4, 900, 100);
                        let of_pods = MetricSamples::OfPods(Ok(&values));
                        let metric = calculator.pods_metric(4, 100_000, "qps", &of_pods);
                        (calculator.resource(4, goal, &resource, container), shared, metric)
                    });
                    assert_eq!(one, other);
                }
            }
        }
    }
}

#[test]
fn pods_that_have_settled_need_not_be_looked_at() {
    let (mut stream, settings, mut settled) = (Stream::of_word(8), settings(), SettledPods::default());
    let mut counts = [0; 2];
    for version in 0..400 {
        let (mut pods, mut containers) = observation(&mut stream);
        // Often all samples are there, and all requests.
        let has_gaps = stream.below(3) == 0;
        for minutes in 0..8 {
            let now = SimTime(NOW.0 + minutes * 60 * SECOND);
            for pod in &mut pods {
                let is_there = !has_gaps || stream.below(6) > 0;
                pod.sample = is_there.then_some(observation::Sample { at: now, window: SimDuration(15 * SECOND) });
            }
            let amount = |one: &mut u64, stream: &mut Stream| *one = stream.below(200);
            containers.iter_mut().for_each(|one| amount(&mut one.cpu_milli, &mut stream));
            let mut totals = observation::Totals { version, ..observation::Totals::default() };
            pods.iter().for_each(|pod| totals.add(pod, &containers[pod.containers()]));
            let observed = Observed { pods: &pods, containers: &containers, settled: None };
            settled.look(&settings, now, version, &observed);
            counts[0] += settled.count;
            counts[1] += settled.others.len();
            let quick = Observed { settled: Some(Settled { pods: &settled, totals: &totals }), ..observed };
            for goal in [Goal::Usage(120), Goal::Utilization(60)] {
                let [one, other] = [observed, quick].map(|observed| {
                    let seen = Seen {
                        scale: Ok(ObservedScale { spec_replicas: 4, status_replicas: 4, selector: "app" }),
                        pods: PodsSeen::Observed(observed),
                        samples: &[],
                        also_selected_by: &[],
                        pod_name: &|pod| format!("pod-{}", pod.0),
                        update_error: None,
                    };
                    let calculator =
                        ReplicaCalculator { now, settings: &settings, seen: &seen, tolerances: TEN_PERCENT };
                    calculator.resource(4, goal, &ResourceName::Cpu, None)
                });
                assert_eq!(one, other, "version {version}, minute {minutes}");
            }
        }
    }
    assert!(counts.iter().all(|count| *count > 1000), "{counts:?}");
}

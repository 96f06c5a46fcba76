use std::collections::BTreeMap;

use super::activator::{Admission, Breaker, PodChoice, assigned_pods, capacity, number_of_activators};
use super::config::{AutoscalerConfig, Reachability, RevisionSettings};
use super::decider::{Autoscaler, RevisionScaler};
use super::delay::MaximumWindow;
use super::metrics::{RevisionMetrics, Stat, sample_size};
use super::reconciler::{Activity, Decision, Mode, Observed, Reconciler};
use super::window::{Aggregation, Window};
use crate::rng::Seed;
use crate::units::{SimDuration, SimTime};

fn seconds(count: u64) -> SimDuration {
    SimDuration(count * 1_000_000_000)
}

fn at(count: u64) -> SimTime {
    SimTime(count * 1_000_000_000)
}

fn annotated(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
    texts.iter().map(|(key, text)| (format!("autoscaling.knative.dev/{key}"), (*text).to_owned())).collect()
}

fn revision(texts: &[(&str, &str)]) -> RevisionSettings {
    let config = AutoscalerConfig::default();
    RevisionSettings::resolve(&config, &annotated(texts), 0, Reachability::Reachable).expect("the annotations are good")
}

/// Settings as upstream's tests of the autoscaler have them: 75 % of a pod is the target, factors of 10.
fn decider(target: f64, burst: f64) -> RevisionSettings {
    RevisionSettings {
        target_value: target,
        total_value: target / 0.75,
        target_burst_capacity: burst,
        panic_threshold: 2.0,
        max_scale_up_rate: 10.0,
        max_scale_down_rate: 10.0,
        ..revision(&[])
    }
}

#[test]
fn a_linear_window_averages_what_was_recorded() {
    // Upstream's table of a window of 5 s. Each row: second, what is recorded there, second of the question, average.
    let mut window = Window::new(seconds(5), seconds(1), Aggregation::Linear);
    let start = 1_000_000;
    let rows: [(u64, f64, u64, f64); 8] = [
        // The first record counts for its second alone, not for five.
        (0, 1.0, 0, 1.0),
        // (1 + 2) / 2
        (1, 2.0, 1, 1.5),
        // (1 + 2 + 3 + 4 + 5) / 5, when all are there.
        (2, 3.0, 2, 2.0),
        (3, 4.0, 3, 2.5),
        (4, 5.0, 4, 3.0),
        // Seconds 0 and 1 are out of the window, 5 is empty: (3 + 4 + 5 + 0 + 91) / 5
        (6, 91.0, 6, 20.6),
        // A minute later all begins anew.
        (60, 1984.0, 60, 1984.0),
        // A value from three seconds before: (4 + 1984) / 4
        (57, 4.0, 60, 497.0),
    ];
    for (when, value, asked, average) in rows {
        window.record(at(start + when), value);
        assert_eq!(window.average(at(start + asked)), average, "second {when}");
    }
    // With two silent seconds the rest is averaged over the seconds before: 1984 in two of them (4 is out): 1984 / 3.
    assert_eq!(window.average(at(start + 62)), 661.333333);
    assert_eq!(window.average(at(start + 65)), 0.0);
    assert!(!window.is_empty(at(start + 65)) && window.is_empty(at(start + 66)));
    // Older than the window: not heeded.
    window.record(at(start + 55), 1e6);
    assert_eq!(window.average(at(start + 60)), 497.0);
}

#[test]
fn weights_decay_so_that_they_add_up() {
    let mut window = Window::new(seconds(5), seconds(1), Aggregation::WeightedExponential);
    let now = 50;
    // Decay m = 1 - 0.0001^(1/5) = 0.841511; six values 2, 3, 4, 5, 6 from old to new.
    for (number, value) in [2.0, 3.0, 4.0, 5.0, 6.0].into_iter().enumerate() {
        window.record(at(now + number as u64), value);
    }
    let m = 1.0 - libm::pow(1.0 - 0.9999, 0.2);
    let r = 1.0 - m;
    let expected = m * (6.0 + r * (5.0 + r * (4.0 + r * (3.0 + r * 2.0))));
    assert!((window.average(at(now + 4)) - expected).abs() < 1e-12);
    // Two seconds later without records each weight is two steps older, and the oldest two buckets are out.
    let expected = m * r * r * (6.0 + r * (5.0 + r * 4.0));
    assert!((window.average(at(now + 6)) - expected).abs() < 1e-12);
    assert_eq!(window.average(at(now + 16)), 0.0);
}

#[test]
fn a_long_window_decays_by_a_fifth() {
    // 1 - 0.0001^(1/60) = 0.142 is slower than the slowest decay of 0.2.
    let mut window = Window::new(seconds(60), seconds(1), Aggregation::WeightedExponential);
    window.record(at(9), 10.0);
    assert_eq!(window.average(at(9)), 2.0);
    assert_eq!(window.average(at(10)), 10.0 * (0.2 * 0.8));
}

#[test]
fn a_window_that_grows_keeps_its_values() {
    let mut window = Window::new(seconds(3), seconds(1), Aggregation::Linear);
    for second in 1..=3 {
        window.record(at(second), 6.0);
    }
    window.resize(at(3), seconds(6));
    assert_eq!(window.average(at(3)), 6.0);
    // Upstream counts all old buckets from now on, and the new one: (6 + 6 + 6 + 2) / 4.
    window.record(at(4), 2.0);
    assert_eq!(window.average(at(4)), 5.0);
    window.resize(at(4), seconds(2));
    // The newest two: (6 + 2) / 2.
    assert_eq!(window.average(at(4)), 4.0);
}

#[test]
fn the_maximum_of_late_follows_upstreams_table() {
    // Upstream's tables of a window of 5: slots, values, maxima after each.
    let rows: [(&[u64], &[i32], &[i32]); 5] = [
        (&[0, 1, 2], &[1, 2, 1], &[1, 2, 2]),
        (&[0, 1, 2, 3, 4, 5, 6], &[5, 6, 5, 5, 5, 5, 5], &[5, 6, 6, 6, 6, 6, 5]),
        (&[0, 1, 2, 6], &[6, 5, 2, 1], &[6, 6, 6, 2]),
        (&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], &[5, 8, 5, 7, 5, 5, 1, 4, 4, 4, 4], &[5, 8, 8, 8, 8, 8, 7, 7, 5, 5, 4]),
        (&[1, 1, 1, 1], &[7, 6, 5, 4], &[7, 7, 7, 7]),
    ];
    for (slots, values, maxima) in rows {
        let mut window = MaximumWindow::new(seconds(5), seconds(1));
        for ((slot, value), maximum) in slots.iter().zip(values).zip(maxima) {
            window.record_at(*slot, *value);
            assert_eq!(window.maximum(), *maximum, "{slots:?} {values:?}");
        }
    }
}

#[test]
fn decisions_follow_upstreams_table() {
    // Columns: target, burst, change, ready pods, stable, panic; pods wanted, excess burst capacity.
    type Change = fn(&mut RevisionSettings);
    type Row = (f64, f64, Change, u32, (f64, f64), (i32, i32));
    let same: Change = |_| {};
    let rows: [Row; 10] = [
        // Nothing is under way: no pods. 1 * 13.33 - 100 = -86.7, down to -87.
        (10.0, 100.0, same, 1, (0.0, 0.0), (0, -87)),
        // 21 / 181: one pod. No limit of bursts: the activator stays.
        (181.0, -1.0, same, 1, (21.0, 26.0), (1, -1)),
        // 50 / 10 = 5; no burst is asked for.
        (10.0, 0.0, same, 1, (50.0, 49.0), (5, 0)),
        // 5 * 13.33 - 100 - 50 = -83.3
        (10.0, 100.0, same, 5, (50.0, 50.0), (5, -84)),
        // 10 pods by the panic window, which is ten times the one pod: 13.33 - 84 - 100 = -170.7
        (10.0, 84.0, same, 1, (50.0, 100.0), (10, -171)),
        // 3 pods are wanted, 1.1 * 2 = 2.2 is rounded up to 3. 2 * 1.333 - 1982 - 3.1 = -1982.4
        (1.0, 1982.0, |s| s.max_scale_up_rate = 1.1, 2, (3.0, 3.1), (3, -1983)),
        // 100 / 1.1 = 90.9, down to 90. 100 * 13.33 - 1982 - 1 = -649.7
        (10.0, 1982.0, |s| s.max_scale_down_rate = 1.1, 100, (1.0, 1.0), (90, -650)),
        // No route leads there: down at once.
        (10.0, 1982.0, |s| s.reachability = Reachability::Unreachable, 100, (1.0, 1.0), (1, -650)),
        // One request wants one pod, two at least are to be started.
        (10.0, 75.0, |s| s.activation_scale = 2, 1, (1.0, 0.0), (2, -62)),
        // No pod is ready: as with one, at most ten times as many. 0 - 81 - 888
        (10.0, 81.0, same, 0, (1000.0, 888.0), (10, -969)),
    ];
    for (number, (target, burst, change, ready, values, wanted)) in rows.into_iter().enumerate() {
        let mut settings = decider(target, burst);
        change(&mut settings);
        let mut autoscaler = Autoscaler::new(&settings, 1, at(0));
        let said = autoscaler.scale(&settings, values, ready, at(0));
        assert_eq!((said.desired_pods, said.excess_burst_capacity), wanted, "row {number}");
    }
}

#[test]
fn panic_holds_pods_until_a_stable_window_after() {
    let settings = decider(10.0, 93.0);
    let mut autoscaler = Autoscaler::new(&settings, 1, at(0));
    let mut scale = |values, ready, second| autoscaler.scale(&settings, values, ready, at(second)).desired_pods;
    assert_eq!(scale((100.0, 100.0), 1, 100), 10);
    // 1000 / 10 = 100 pods are ten times those that are ready.
    assert_eq!(scale((100.0, 1000.0), 10, 102), 100);
    assert_eq!(scale((1.0, 1.0), 10, 132), 100);
    // Until the 60 s are over, not at their end.
    assert_eq!(scale((1.0, 1.0), 10, 162), 100);
    assert_eq!(scale((1.0, 1.0), 10, 163), 1);
}

#[test]
fn panic_takes_the_larger_of_both_windows() {
    // The example of upstream's change 8106: 1000 requests in the first and the last of six seconds, target 10. The panic
    // window of 5 s has 1000 / 5 = 200, 20 pods; the stable one of 6 s has 2000 / 6 = 333.3, 34 pods.
    let settings = revision(&[
        ("window", "6s"),
        ("panic-window-percentage", "85"),
        ("target", "10"),
        ("target-utilization-percentage", "100"),
    ]);
    assert_eq!(settings.panic_window(), seconds(5));
    let mut metrics = RevisionMetrics::new(&settings);
    for (second, concurrency) in [1000.0, 0.0, 0.0, 0.0, 0.0, 1000.0].into_iter().enumerate() {
        metrics.record(at(second as u64), Stat { concurrency, ..Stat::default() });
    }
    let values = metrics.stable_and_panic(settings.metric, at(5)).expect("there is a measurement");
    assert_eq!(values, (333.333333, 200.0));
    let mut autoscaler = Autoscaler::new(&settings, 2, at(5));
    assert!(autoscaler.panic_since().is_some(), "with pods it begins in panic");
    assert_eq!(autoscaler.scale(&settings, values, 2, at(5)).desired_pods, 34);
}

#[test]
fn a_delay_holds_higher_recommendations() {
    let settings = RevisionSettings { scale_down_delay: seconds(300), panic_threshold: 100.0, ..decider(10.0, 0.0) };
    let mut autoscaler = Autoscaler::new(&settings, 0, at(0));
    let mut scale = |load, second| autoscaler.scale(&settings, (load, load), 0, at(second)).desired_pods;
    // Upstream's example: 4 pods at second 2 hold for five minutes.
    assert_eq!(scale(40.0, 2), 4);
    assert_eq!(scale(0.0, 300), 4);
    assert_eq!(scale(0.0, 302), 0);
    assert_eq!(scale(40.0, 540), 4);
    assert_eq!(scale(30.0, 600), 4);
    assert_eq!(scale(0.0, 660), 4);
    // 4 is out of the window, 3 is not.
    assert_eq!(scale(0.0, 840), 3);
    assert_eq!(scale(0.0, 900), 0);
}

#[test]
fn what_an_activator_passed_on_counts_once() {
    let settings = revision(&[]);
    let mut metrics = RevisionMetrics::new(&settings);
    assert_eq!(metrics.stable_and_panic(settings.metric, at(0)), None);
    let pods = Stat { concurrency: 7.0, proxied_concurrency: 5.0, requests: 20.0, proxied_requests: 15.0 };
    let activator = Stat { concurrency: 5.0, requests: 15.0, ..Stat::default() };
    metrics.record(at(1), pods);
    metrics.record(at(1), activator);
    assert_eq!(metrics.stable_and_panic(settings.metric, at(1)), Some((7.0, 7.0)));
    // Pods that were asked stand for all: 2 of 10.
    assert_eq!(activator.plus(activator).extrapolated(2.0, 10.0).concurrency, 50.0);
    // Upstream's table of sample sizes: 15.3664 p / (p + 14.3664), rounded up.
    let sizes = [0.0, 1.0, 3.0, 4.0, 10.0, 50.0, 1000.0].map(sample_size);
    assert_eq!(sizes, [0.0, 1.0, 3.0, 4.0, 7.0, 12.0, 16.0]);
}

#[test]
fn settings_are_resolved_as_upstream_does() {
    // 70 % of 100 by default; of the container's limit; of the smaller of limit and target.
    let config = AutoscalerConfig::default();
    let resolve = |texts: &[(&str, &str)], limit| {
        let settings = RevisionSettings::resolve(&config, &annotated(texts), limit, Reachability::Unknown);
        settings.map(|settings| (settings.target_value, settings.total_value)).expect("the annotations are good")
    };
    assert_eq!(resolve(&[], 0), (70.0, 100.0));
    assert_eq!(resolve(&[], 10), (7.0, 10.0));
    assert_eq!(resolve(&[("target", "50")], 10), (7.0, 10.0));
    assert_eq!(resolve(&[("target", "5"), ("target-utilization-percentage", "100")], 10), (5.0, 5.0));
    assert_eq!(resolve(&[("metric", "rps")], 10), (140.0, 200.0));
    assert_eq!(resolve(&[("target", "0.01")], 0), (0.01, 0.01));
}

#[test]
fn everything_that_is_wrong_is_told() {
    let data = [("stable-window", "5s"), ("max-scale-up-rate", "1"), ("min-scale", "3"), ("max-scale", "2"), ("x", "")];
    let data = data.map(|(key, text)| (key.to_owned(), text.to_owned())).into_iter().collect();
    let problems = AutoscalerConfig::from_data(&data).expect_err("it is wrong");
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["max-scale-up-rate", "stable-window", "min-scale"]);
    let texts = [("metric", "cpu"), ("window", "one"), ("min-scale", "5"), ("max-scale", "2"), ("target", "0")];
    let config = AutoscalerConfig::default();
    let problems = RevisionSettings::resolve(&config, &annotated(&texts), 0, Reachability::Unknown);
    assert_eq!(problems.expect_err("it is wrong").len(), 4);
    assert!(AutoscalerConfig::default().problems().is_empty());
}

/// A revision that has been in a state for so long, with one pod behind the activator, that nobody wants.
fn idle(activity: Activity, lasted: u64) -> (Reconciler, Observed, SimTime) {
    let reconciler = Reconciler { activity, since: at(0), is_initialized: true, desired_scale: None };
    let observed = Observed {
        desired_pods: 0,
        excess_burst_capacity: 0,
        ready_pods: 1,
        replicas: 1,
        mode: Mode::Serve,
        proxied_for: SimDuration::ZERO,
        is_behind_activator: true,
    };
    (reconciler, observed, at(lasted))
}

#[test]
fn the_last_pod_goes_by_upstreams_table() {
    // Columns: state, for how long; annotations; in the activator's path for; wanted, written, look again after. The stable
    // window is 60 s, the grace period 30 s, the deadline 600 s and 30 s more.
    type Row<'r> = (Activity, u64, &'r [(&'r str, &'r str)], u64, (i32, Option<i32>, Option<u64>));
    let retention = [("scale-to-zero-pod-retention-period", "60s")];
    let rows: [Row<'_>; 11] = [
        // It must have been active for a window: one pod stays for the second that is missing.
        (Activity::Active, 59, &[], 0, (1, None, Some(1))),
        (Activity::Active, 60, &[], 0, (0, None, None)),
        (Activity::Active, 59, &[("window", "50s")], 0, (0, None, None)),
        // Inactive for the grace period.
        (Activity::NoTraffic, 30, &[], 0, (0, Some(0), None)),
        (Activity::NoTraffic, 29, &[], 0, (0, None, Some(30))),
        (Activity::NoTraffic, 29, &[], 29, (0, None, Some(1))),
        // The activator has been there for longer.
        (Activity::NoTraffic, 1, &[], 30, (0, Some(0), None)),
        // The last pod is kept for longer, whatever the activator.
        (Activity::NoTraffic, 30, &retention, 90, (0, None, Some(30))),
        (Activity::NoTraffic, 60, &retention, 0, (0, Some(0), None)),
        // Pods that do not become ready.
        (Activity::Activating, 300, &[], 0, (-1, None, Some(630))),
        (Activity::Activating, 631, &[], 0, (0, Some(0), None)),
    ];
    for (number, (activity, lasted, texts, proxied, expected)) in rows.into_iter().enumerate() {
        let (reconciler, observed, now) = idle(activity, lasted);
        let observed = Observed { proxied_for: seconds(proxied), ..observed };
        let said = reconciler.scale(&revision(texts), &observed, now);
        let again = said.again_after.map(|after| after.0 / 1_000_000_000);
        assert_eq!((said.want, said.replicas, again), expected, "row {number}");
    }
}

#[test]
fn the_last_pod_waits_for_the_activator() {
    let (reconciler, observed, now) = idle(Activity::NoTraffic, 300);
    let observed = Observed { is_behind_activator: false, ..observed };
    let said = reconciler.scale(&revision(&[]), &observed, now);
    assert_eq!((said.want, said.replicas, said.awaits_probe), (0, None, true));
    // With unlimited bursts it is always there.
    let said = reconciler.scale(&revision(&[("target-burst-capacity", "-1")]), &observed, now);
    assert_eq!((said.want, said.replicas, said.awaits_probe), (0, Some(0), false));
}

#[test]
fn bounds_hold_before_zero_is_asked_for() {
    let (reconciler, observed, now) = idle(Activity::NoTraffic, 300);
    let want = |texts: &[(&str, &str)], desired, is_initialized| {
        let reconciler = Reconciler { is_initialized, ..reconciler };
        reconciler.scale(&revision(texts), &Observed { desired_pods: desired, ..observed }, now).want
    };
    assert_eq!(want(&[("min-scale", "2")], 0, true), 2);
    assert_eq!(want(&[("max-scale", "8")], 10, true), 8);
    // The initial scale holds until it has been reached.
    assert_eq!(want(&[("initial-scale", "5")], 1, false), 5);
    assert_eq!(want(&[("initial-scale", "5")], 1, true), 1);
    // Nothing is known: nothing is done, but for pods that are on their way.
    assert_eq!(want(&[("min-scale", "2")], -1, true), -1);
}

#[test]
fn a_revision_lives_from_start_to_zero_and_back() {
    let settings = revision(&[("target-burst-capacity", "0")]);
    let mut reconciler = Reconciler::new(at(0));
    let mut run = |second, desired_pods, ready_pods, replicas, mode, proxied: u64| -> (Decision, Activity) {
        let observed = Observed {
            desired_pods,
            excess_burst_capacity: 0,
            ready_pods,
            replicas,
            mode,
            proxied_for: seconds(proxied),
            is_behind_activator: mode == Mode::Proxy,
        };
        let decision = reconciler.reconcile(&settings, &observed, at(second));
        (decision, reconciler.activity)
    };
    // Nothing is known yet: the pod that the deployment starts with is waited for.
    let (said, activity) = run(0, -1, 0, 1, Mode::Proxy, 0);
    assert_eq!((said.want, said.replicas, said.mode, activity), (-1, None, Mode::Proxy, Activity::Activating));
    let (said, activity) = run(5, 2, 1, 1, Mode::Proxy, 5);
    assert_eq!((said.replicas, said.mode, activity), (Some(2), Mode::Serve, Activity::Active));
    // No more traffic: the second pod goes at once, the last one after a window of activity.
    let (said, activity) = run(30, 0, 2, 2, Mode::Serve, 0);
    assert_eq!((said.replicas, said.again_after, activity), (Some(1), Some(seconds(35)), Activity::Active));
    let (said, activity) = run(65, 0, 1, 1, Mode::Serve, 0);
    assert_eq!((said.replicas, said.mode, activity), (None, Mode::Proxy, Activity::NoTraffic));
    let (said, _) = run(70, 0, 1, 1, Mode::Proxy, 4);
    assert_eq!((said.replicas, said.again_after), (None, Some(seconds(26))));
    let (said, _) = run(96, 0, 1, 1, Mode::Proxy, 30);
    assert_eq!(said.replicas, Some(0));
    // A request comes.
    let (said, activity) = run(200, 1, 0, 0, Mode::Proxy, 134);
    assert_eq!((said.replicas, said.mode, activity), (Some(1), Mode::Serve, Activity::Activating));
}

#[test]
fn a_revision_at_zero_is_poked() {
    let mut scaler = RevisionScaler::new(revision(&[]), 0, at(0));
    // One pod of 100 requests, less a burst of 211.
    assert_eq!(scaler.latest().excess_burst_capacity, -111);
    assert!(!scaler.tick(0, at(2)), "there is no measurement");
    scaler.metrics().record(at(3), Stat::default());
    assert!(scaler.tick(0, at(4)));
    assert!(scaler.wants_poke(1.0) && !scaler.wants_poke(0.0));
    scaler.metrics().record(at(5), Stat { concurrency: 1.0, ..Stat::default() });
    assert!(scaler.tick(0, at(5)));
    assert_eq!(scaler.latest().desired_pods, 1);
    assert!(!scaler.wants_poke(1.0));
}

#[test]
fn activators_share_pods_and_capacity() {
    // Upstream's examples: 20 pods, 3 activators: 6 each and 2 over; 24 and 5: 4 each and 4 over.
    assert_eq!(assigned_pods(20, Some(0), 3), (0..6, Some(18)));
    assert_eq!(assigned_pods(20, Some(2), 3), (12..18, None));
    assert_eq!(assigned_pods(24, Some(3), 5), (12..16, Some(23)));
    assert_eq!(assigned_pods(24, Some(4), 5), (16..20, None));
    // Fewer pods than activators: in turn.
    assert_eq!(assigned_pods(3, Some(5), 7), (2..3, None));
    assert_eq!(assigned_pods(3, None, 7), (0..3, None));
    assert_eq!(capacity(10, 4, 4, 2), 40);
    // By the service's address: a share of all.
    assert_eq!(capacity(10, 4, 0, 2), 20);
    assert_eq!(capacity(1, 2, 0, 5), 1);
    assert_eq!(capacity(0, 3, 3, 1), i32::MAX as u64);
    assert_eq!(capacity(0, 0, 0, 1), 0);
    // (10 * 100 + 211) / 100 = 12.11
    assert_eq!(number_of_activators(&revision(&[]), 10), 13);
    assert_eq!(number_of_activators(&revision(&[("target-burst-capacity", "0")]), 1000), 2);
}

#[test]
fn pods_are_picked_by_the_limit_of_containers() {
    let mut random = Seed { base: 1, replication: 0 }.stream("test", 0);
    let mut first = PodChoice::for_concurrency(3);
    assert_eq!(first.pick(&[3, 3, 0], 3, &mut random), Some(2));
    let mut turn = PodChoice::for_concurrency(10);
    let mut in_flight = [0, 10, 0];
    let mut picks = Vec::new();
    for _ in 0..4 {
        let pod = turn.pick(&in_flight, 10, &mut random).expect("there is room");
        in_flight[pod] += 1;
        picks.push(pod);
    }
    assert_eq!(picks, [0, 2, 0, 2]);
    assert_eq!(turn.pick(&[10, 10, 10], 10, &mut random), None);
    let mut two = PodChoice::for_concurrency(0);
    // Of two pods the one with fewer; of many never the fullest.
    assert_eq!(two.pick(&[5, 1], u32::MAX, &mut random), Some(1));
    let full = [9, 0, 0, 0];
    assert!((0..1000).all(|_| two.pick(&full, u32::MAX, &mut random) != Some(0)));
}

#[test]
fn a_breaker_holds_and_refuses() {
    let mut breaker = Breaker::new(2, 10, 1);
    let arrivals: Vec<Admission> = (0..3).map(|_| breaker.arrive()).collect();
    assert_eq!(arrivals, [Admission::Passes, Admission::Waits, Admission::Waits]);
    assert_eq!(breaker.finish(), 1);
    assert_eq!(breaker.set_capacity(5), 1);
    assert_eq!((breaker.active(), breaker.waiting()), (2, 0));
    breaker.set_capacity(0);
    // Two under way and ten more fill the twelve slots.
    let waiting = (0..20).filter(|_| breaker.arrive() == Admission::Waits).count();
    assert_eq!(waiting, 10);
    assert_eq!(breaker.arrive(), Admission::Refused);
    breaker.abandon();
    assert_eq!(breaker.arrive(), Admission::Waits);
}

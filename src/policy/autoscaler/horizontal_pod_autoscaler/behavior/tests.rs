//! The tables of `horizontal_test.go` of v1.37.0 for rates, windows, and what is remembered.

use super::{Bounds, Recommendation, ScaleEvent, State, limit_plainly};
use crate::model::horizontal_pod_autoscaler::{
    Behavior, HorizontalPodAutoscalerSpec, PolicyKind, ScalingPolicy, ScalingRules, SelectPolicy,
};
use crate::units::{SimDuration, SimTime};

const SECOND: u64 = 1_000_000_000;
const NOW: SimTime = SimTime(10_000 * SECOND);

fn ago(seconds: u64) -> SimTime {
    SimTime(NOW.0 - seconds * SECOND)
}

/// So many pods or so many per cent within so many seconds, whichever is more; 0: no such policy.
fn rules((pods, pods_s): (i32, i32), (percent, percent_s): (i32, i32), window_s: i32) -> ScalingRules {
    let policies = [(PolicyKind::Pods, pods, pods_s), (PolicyKind::Percent, percent, percent_s)];
    ScalingRules {
        stabilization_window_s: Some(window_s),
        select_policy: Some(SelectPolicy::Max),
        policies: Some(
            policies
                .into_iter()
                .filter(|&(_, value, _)| value != 0)
                .map(|(kind, value, period_s)| ScalingPolicy { kind, value, period_s })
                .collect(),
        ),
        tolerance: None,
    }
}

/// Changes in the middle of equal parts of the last seconds, the oldest first, at whole seconds.
fn spread(changes: &[i32], period_s: u64) -> Vec<ScaleEvent> {
    let part = period_s as f64 / changes.len() as f64;
    (1..)
        .zip(changes)
        .map(|(number, &change)| {
            let age_s = period_s as f64 - part * f64::from(number) + part / 2.0;
            ScaleEvent { change, at: ago(age_s as u64), is_outdated: false }
        })
        .collect()
}

fn state(scale_ups: Vec<ScaleEvent>, scale_downs: Vec<ScaleEvent>) -> State {
    State { scale_ups, scale_downs, ..State::default() }
}

#[test]
fn without_a_behaviour_replicas_double_at_most() {
    // Now, asked for, least, most; replicas, reason.
    let rows = [
        (5, 7, 3, 8, 7, "DesiredWithinRange"),
        (3, 1, 2, 8, 2, "TooFewReplicas"),
        (1, 0, 0, 10, 0, "DesiredWithinRange"),
        (20, 1000, 1, 10, 10, "TooManyReplicas"),
        // max(2 * 3, 4) = 6.
        (3, 1000, 1, 2000, 6, "ScaleUpLimit"),
        // max(2 * 1, 4) = 4.
        (1, 1000, 1, 2000, 4, "ScaleUpLimit"),
    ];
    for (current, asked, min, max, replicas, reason) in rows {
        let ours = limit_plainly(Bounds { current, min, max }, asked);
        assert_eq!((ours.replicas, ours.reason), (replicas, reason), "{current} to {asked}");
    }
}

#[test]
fn the_smaller_of_two_policies() {
    let both = ScalingRules { select_policy: Some(SelectPolicy::Min), ..rules((2, 60), (50, 60), 300) };
    // min(1 + 2, ceil(1 * 1.5)) = 2; max(5 - 2, trunc(5 * 0.5)) = 3.
    assert_eq!(State::default().scale_up_limit(NOW, 1, &both), 2);
    assert_eq!(State::default().scale_down_limit(NOW, 5, &both), 3);
    let none = ScalingRules { select_policy: Some(SelectPolicy::Disabled), ..both };
    assert_eq!(State::default().scale_up_limit(NOW, 7, &none), 7);
    assert_eq!(State::default().scale_down_limit(NOW, 7, &none), 7);
}

/// A row of `TestScalingWithRules`.
struct Rate {
    rules: Option<ScalingRules>,
    ups: Vec<ScaleEvent>,
    downs: Vec<ScaleEvent>,
    bounds: (i32, i32),
    change: (i32, i32),
    want: (i32, &'static str),
}

fn check(rates: Vec<Rate>, are_ups: bool) {
    for (number, Rate { rules, ups, downs, bounds: (min, max), change: (current, asked), want }) in
        rates.into_iter().enumerate()
    {
        let of = |is_up: bool, default: ScalingRules| rules.clone().filter(|_| is_up == are_ups).unwrap_or(default);
        let (up, down) = (of(true, ScalingRules::default_up()), of(false, ScalingRules::default_down()));
        let ours = state(ups, downs).limit_rate(NOW, (&up, &down), Bounds { current, min, max }, asked);
        assert_eq!((ours.replicas, ours.reason), want, "row {number}, up {are_ups}: {current} to {asked}");
    }
}

fn rate(rules: Option<ScalingRules>, bounds: (i32, i32), change: (i32, i32), want: (i32, &'static str)) -> Rate {
    Rate { rules, ups: Vec::new(), downs: Vec::new(), bounds, change, want }
}

#[test]
fn rates_of_scaling_up() {
    const WITHIN: &str = "DesiredWithinRange";
    const LIMIT: &str = "ScaleUpLimit";
    let pods = |pods, period_s| Some(rules((pods, period_s), (0, 0), 0));
    let percent = |percent, period_s| Some(rules((0, 0), (percent, period_s), 0));
    let all = (1, 1000);
    let after =
        |ups: &[i32], rules, bounds, change, want| Rate { ups: spread(ups, 120), ..rate(rules, bounds, change, want) };
    check(
        vec![
            rate(None, (3, 8), (5, 7), (7, WITHIN)),
            rate(None, (1, 10), (20, 1000), (10, "TooManyReplicas")),
            rate(None, (100, 150), (100, 1000), (150, "TooManyReplicas")),
            // ceil(3 * 1.01) = 4.
            rate(percent(1, 60), (1, 2000), (3, 1000), (4, LIMIT)),
            // max(10 + 4, 10 * 2) = 20.
            rate(None, all, (10, 50), (20, LIMIT)),
            rate(Some(rules((100, 60), (100, 60), 0)), all, (10, 500), (110, LIMIT)),
            rate(Some(rules((2, 60), (100, 60), 0)), all, (10, 500), (20, LIMIT)),
            rate(pods(100, 60), all, (10, 50), (50, WITHIN)),
            rate(pods(10_000, 60), all, (10, 50), (50, WITHIN)),
            rate(pods(30, 60), all, (10, 50), (40, LIMIT)),
            rate(percent(200, 60), all, (10, 50), (30, LIMIT)),
            after(&[1, 5, 9], pods(300, 60), (1, 200), (100, 500), (200, "TooManyReplicas")),
            after(&[1, 5, 9], percent(10_000, 60), (1, 200), (100, 500), (200, "TooManyReplicas")),
            // 100 - 15 + 5 is below what there is.
            after(&[1, 5, 9], pods(5, 120), all, (100, 500), (100, LIMIT)),
            // 100 - 15 + 150.
            after(&[1, 5, 9], pods(150, 120), all, (100, 500), (235, LIMIT)),
            // (100 - 15) * 3.
            after(&[1, 5, 9], percent(200, 120), all, (100, 500), (255, LIMIT)),
            // (6 - 4 + 2) * 4.
            Rate { downs: spread(&[2], 120), ..after(&[4], percent(300, 300), all, (6, 24), (16, LIMIT)) },
            after(&[8, 12, 9, 11], pods(1000, 60), all, (100, 200), (200, WITHIN)),
            after(&[8, 12, 9, 11], Some(rules((1000, 120), (100, 60), 0)), all, (100, 200), (200, WITHIN)),
            after(&[8, 12, 9, 11], Some(rules((1000, 30), (100, 60), 0)), all, (100, 200), (200, WITHIN)),
        ],
        true,
    );
}

#[test]
fn rates_of_scaling_down() {
    const WITHIN: &str = "DesiredWithinRange";
    const LIMIT: &str = "ScaleDownLimit";
    let pods = |pods, period_s| Some(rules((pods, period_s), (0, 0), 300));
    let percent = |percent, period_s| Some(rules((0, 0), (percent, period_s), 300));
    let all = (1, 1000);
    let after = |downs: &[i32], rules, bounds, change, want| Rate {
        downs: spread(downs, 120),
        ..rate(rules, bounds, change, want)
    };
    check(
        vec![
            rate(None, (2, 8), (3, 1), (2, "TooFewReplicas")),
            rate(None, (0, 10), (1, 0), (0, WITHIN)),
            // min(100 - 20, 100 * 0.99) = 80.
            rate(Some(rules((20, 60), (1, 60), 300)), all, (100, 2), (80, LIMIT)),
            rate(Some(rules((2, 60), (1, 60), 300)), all, (100, 2), (98, LIMIT)),
            rate(pods(100, 60), all, (10, 0), (1, "TooFewReplicas")),
            rate(percent(100, 60), (5, 1000), (10, 2), (5, "TooFewReplicas")),
            rate(pods(5, 60), all, (10, 2), (5, LIMIT)),
            rate(percent(50, 60), all, (10, 5), (5, WITHIN)),
            after(&[1, 5, 9], None, all, (10, 5), (5, WITHIN)),
            after(&[1, 5, 9], pods(115, 120), all, (100, 0), (1, "TooFewReplicas")),
            after(&[1, 5, 9], pods(130, 120), (5, 1000), (100, 0), (5, "TooFewReplicas")),
            after(&[1, 5, 9], percent(100, 120), (5, 1000), (100, 2), (5, "TooFewReplicas")),
            // 100 + 15 - 5 is above what there is.
            after(&[1, 5, 9], pods(5, 120), all, (100, 2), (100, LIMIT)),
            // (100 + 12) * 0.5.
            after(&[2, 4, 6], percent(50, 120), all, (100, 0), (56, LIMIT)),
            // (10 - 2 + 4) * 0.5.
            Rate { ups: spread(&[2], 120), ..after(&[4], percent(50, 180), all, (10, 1), (6, LIMIT)) },
            // (100 + 30) * 0.9 = 117 is above what there is.
            after(&[10, 10, 10], percent(10, 120), all, (100, 0), (100, LIMIT)),
            // (10 + 30) * -9 = -360.
            after(&[10, 10, 10], percent(1000, 120), all, (10, 5), (5, WITHIN)),
            after(&[8, 12, 9, 11], pods(1000, 60), all, (100, 5), (5, WITHIN)),
            after(&[8, 12, 9, 11], Some(rules((1000, 120), (100, 60), 300)), all, (100, 5), (5, WITHIN)),
            after(&[8, 12, 9, 11], Some(rules((1000, 30), (100, 60), 300)), all, (100, 5), (5, WITHIN)),
        ],
        false,
    );
}

fn remembered(recommendations: &[(i32, u64)]) -> State {
    let one = |&(replicas, age_s): &(i32, u64)| Recommendation { replicas, at: ago(age_s) };
    State { recommendations: recommendations.iter().map(one).collect(), ..State::default() }
}

#[test]
fn without_a_behaviour_the_highest_of_five_minutes_counts() {
    // Remembered with ages, asked for; what counts, how many are remembered then.
    type Row = (&'static [(i32, u64)], i32, i32, usize);
    let rows: [Row; 5] = [
        (&[], 5, 5, 1),
        (&[(4, 120), (5, 60)], 3, 5, 3),
        (&[(1, 120), (2, 60)], 3, 3, 3),
        (&[(10, 600), (9, 540)], 3, 3, 2),
        (&[(10, 600), (4, 60), (5, 120), (9, 540)], 3, 5, 4),
    ];
    for (recommendations, asked, want, length) in rows {
        let mut state = remembered(recommendations);
        assert_eq!(state.stabilize_down(NOW, SimDuration(300 * SECOND), asked), want, "{recommendations:?}");
        assert_eq!(state.recommendations.len(), length, "{recommendations:?}");
    }
    // The edge of the window belongs to it.
    assert_eq!(remembered(&[(9, 300)]).stabilize_down(NOW, SimDuration(300 * SECOND), 3), 9);
}

#[test]
fn windows_of_both_directions() {
    // Remembered with ages, windows up and down in s, now, asked for; what counts; what is remembered then.
    type Row = (&'static [(i32, u64)], (u64, u64), (i32, i32), i32, &'static [i32]);
    let rows: [Row; 12] = [
        (&[], (0, 0), (100, 5), 5, &[5]),
        (&[(4, 120), (5, 60)], (0, 180), (100, 3), 5, &[4, 5, 3]),
        (&[(4, 120), (5, 60)], (300, 0), (1, 7), 4, &[4, 5, 7]),
        (&[(1, 120), (2, 60)], (300, 0), (100, 3), 3, &[1, 2, 3]),
        (&[(4, 120), (5, 60)], (0, 300), (1, 3), 3, &[4, 5, 3]),
        (&[(10, 600), (9, 540)], (0, 0), (100, 3), 3, &[10, 3]),
        (&[(10, 600), (9, 540)], (0, 0), (1, 100), 100, &[10, 100]),
        (&[(10, 600), (4, 60), (5, 120), (9, 540)], (0, 180), (100, 3), 5, &[10, 4, 5, 3]),
        (&[(10, 6000), (6, 60), (5, 120), (9, 180)], (300, 0), (1, 100), 5, &[100, 6, 5, 9]),
        // A number that goes down does not raise, and one that goes up does not lower.
        (&[(2, 6000), (3, 180)], (300, 300), (2, 1), 2, &[1, 3]),
        (&[(2, 6000), (1, 180)], (300, 300), (2, 3), 2, &[3, 1]),
        // The edge of a window does not belong to it, and is not forgotten either.
        (&[(9, 300)], (0, 300), (9, 3), 3, &[9, 3]),
    ];
    for (recommendations, (up_s, down_s), (current, asked), want, kept) in rows {
        let mut state = remembered(recommendations);
        let windows = (SimDuration(up_s * SECOND), SimDuration(down_s * SECOND));
        assert_eq!(state.stabilize(NOW, windows, current, asked), want, "{recommendations:?}");
        let ours: Vec<i32> = state.recommendations.iter().map(|one| one.replicas).collect();
        assert_eq!(ours, kept, "{recommendations:?}");
    }
}

#[test]
fn changes_are_remembered_while_a_policy_looks_back() {
    let change = |(change, age_s): &(i32, u64)| ScaleEvent { change: *change, at: ago(*age_s), is_outdated: false };
    // Changes with ages; rules; changes that are remembered, and whether they are outdated.
    type Row = (&'static [(i32, u64)], Option<ScalingRules>, &'static [(i32, bool)]);
    let rows: [Row; 8] = [
        (&[], None, &[]),
        (&[], Some(rules((10, 60), (100, 60), 0)), &[(5, false)]),
        (&[(7, 61)], None, &[(7, false)]),
        (&[(7, 61)], Some(rules((10, 60), (100, 60), 0)), &[(5, false)]),
        (&[(7, 58)], Some(rules((10, 60), (100, 60), 0)), &[(7, false), (5, false)]),
        (&[(7, 61), (6, 59)], Some(rules((10, 60), (0, 0), 0)), &[(5, false), (6, false)]),
        (
            &[(8, 29), (6, 59), (7, 61), (9, 61)],
            Some(rules((10, 60), (100, 30), 0)),
            &[(8, false), (6, false), (7, true), (5, false)],
        ),
        (&[(7, 58), (6, 59)], Some(rules((10, 120), (100, 30), 0)), &[(7, false), (6, false), (5, false)]),
    ];
    for (changes, rules, want) in rows {
        for is_up in [true, false] {
            let events: Vec<ScaleEvent> = changes.iter().map(change).collect();
            let mut state = if is_up { state(events, Vec::new()) } else { state(Vec::new(), events) };
            let behavior = rules.clone().map(|rules| Behavior {
                scale_up: is_up.then(|| rules.clone()),
                scale_down: (!is_up).then_some(rules),
            });
            let spec =
                HorizontalPodAutoscalerSpec { min_replicas: None, max_replicas: 100, metrics: Vec::new(), behavior };
            state.store_scale_event(&spec, NOW, 10, if is_up { 15 } else { 5 });
            let kept = if is_up { &state.scale_ups } else { &state.scale_downs };
            let ours: Vec<(i32, bool)> = kept.iter().map(|event| (event.change, event.is_outdated)).collect();
            assert_eq!(ours, want, "{changes:?}, up {is_up}");
        }
    }
}

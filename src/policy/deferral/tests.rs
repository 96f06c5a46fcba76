use serde_json::json;

use super::*;
use crate::rng::Stream;

fn hours(hours: f64) -> SimTime {
    SimTime::ZERO.after(span(hours))
}

fn span(hours: f64) -> SimDuration {
    SimDuration::from_seconds(hours * 3600.0)
}

/// A value for each hour.
fn hourly(values: &[f64]) -> Intensity {
    Intensity::steps(values.iter().enumerate().map(|(hour, value)| (hours(hour as f64), *value)).collect())
}

#[test]
fn starts_and_places_of_a_pod() {
    let here = hourly(&[300.0, 250.0, 100.0, 400.0, 150.0, 140.0, 500.0]);
    let there = hourly(&[280.0, 280.0, 280.0, 280.0, 90.0, 280.0]);
    let (one, both) = ([&here], [&here, &there]);
    for (name, parameters, places, length, deadline, start, place) in [
        ("none", json!({}), &both[..], 1.0, 6.0, 0.0, 0),
        // The first hour of no more than 200 is the third.
        ("threshold", json!({}), &one, 1.0, 6.0, 2.0, 0),
        ("threshold", json!({"g_per_kwh": 260}), &one, 1.0, 6.0, 1.0, 0),
        // Never so low: the latest start.
        ("threshold", json!({"g_per_kwh": 99}), &one, 2.0, 6.0, 4.0, 0),
        // There it falls to 90 in the fifth hour.
        ("threshold", json!({"g_per_kwh": 99}), &both, 2.0, 6.0, 4.0, 1),
        // Of 100, 140, 150, 250, 300, 400 half lie up to 150, which the third hour is the first to meet.
        ("percentile", json!({"percent": 50}), &one, 1.0, 6.0, 2.0, 0),
        ("percentile", json!({"percent": 60}), &one, 1.0, 6.0, 1.0, 0),
        ("lowest-slot", json!({}), &one, 2.0, 6.0, 2.0, 0),
        // Two hours: (150 + 140) / 2 beats (100 + 400) / 2.
        ("lowest-window", json!({}), &one, 2.0, 6.0, 4.0, 0),
        ("lowest-window", json!({}), &one, 1.0, 6.0, 2.0, 0),
        // An hour and a half: half an hour of 150 and one of 140, 143.3, against 150 for half an hour of 250 and one of 100.
        ("lowest-window", json!({}), &one, 1.5, 6.0, 4.5, 0),
        ("lowest-window", json!({}), &both, 1.0, 6.0, 4.0, 1),
        // No time to wait.
        ("lowest-window", json!({}), &one, 3.0, 2.0, 0.0, 0),
        // At once 280 there against 300 here.
        ("lowest-region", json!({}), &both, 1.0, 6.0, 0.0, 1),
        // Saved over the time to completion: 200 / 3 in the third hour, 50 / 2 in the second, 150 / 5 and 160 / 6 later.
        ("carbon-time", json!({}), &one, 1.0, 6.0, 2.0, 0),
        // Three hours: at once 216.7; after one 250; after two 216.7; after three 230: nothing saves.
        ("carbon-time", json!({}), &one, 3.0, 6.0, 0.0, 0),
    ] {
        let policy = find(name).expect("it is in the table").build(&parameters).expect("right parameters");
        let ask = Ask { now: SimTime::ZERO, deadline: hours(deadline), length: span(length), places };
        let expected = Choice { start: hours(start), place };
        assert_eq!(policy.decide(&ask), expected, "{name} {parameters} {length} {deadline}");
    }
}

#[test]
fn wrong_parameters_are_refused() {
    for (name, parameters, said) in [
        ("none", json!({"x": 1}), "there is no parameter `x`: this policy has none"),
        ("threshold", json!({"g_per_kwh": -1}), "`g_per_kwh` must not be negative"),
        ("percentile", json!({"percent": 101}), "`percent` must be from 0 to 100"),
        ("percentile", json!({"percents": 1}), "unknown field"),
    ] {
        let error = find(name).expect("it is in the table").build(&parameters).expect_err("it is refused");
        assert!(error.to_string().contains(said), "{name}: {error}");
    }
}

/// What every row promises: a start between now and the latest, a place that is there, the same answer twice; and that the lowest
/// window is no worse than any other choice.
#[test]
fn every_policy_keeps_the_contract() {
    let mut stream = Stream::of_word(7);
    for _ in 0..300 {
        let places: Vec<Intensity> = (0..=stream.below(3))
            .map(|_| hourly(&(0..=stream.below(30)).map(|_| stream.below(500) as f64).collect::<Vec<_>>()))
            .collect();
        let places: Vec<&Intensity> = places.iter().collect();
        let now = hours(stream.unit() * 5.0);
        let (deadline, length) = (now.after(span(stream.unit() * 24.0)), span(stream.unit() * 6.0));
        let ask = Ask { now, deadline, length, places: &places };
        let cost = |choice: Choice| ask.mean(choice.place, choice.start);
        let lowest = cost(find("lowest-window").unwrap().build(&json!({})).unwrap().decide(&ask));
        for row in DEFERRALS {
            assert!(!row.summary.is_empty() && !row.source.is_empty());
            let policy = row.build(&json!({})).expect("defaults are right");
            let choice = policy.decide(&ask);
            assert!((now..=ask.latest()).contains(&choice.start), "{}: {choice:?} of {ask:?}", row.name);
            assert!(choice.place < places.len());
            assert_eq!(choice, policy.decide(&ask));
            assert!(lowest <= cost(choice) + 1e-9, "{}: {choice:?} of {ask:?}", row.name);
        }
    }
}

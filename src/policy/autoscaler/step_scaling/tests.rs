//! The examples of the user guides, and what cooldowns and warm-up do.

use serde_json::json;

use super::super::testing::{asked, built, driven, refused, second};
use super::*;

/// Of a policy whose alarms take one point and whose cooldowns are over at the next: the replicas after a metric's value.
fn after(parameters: serde_json::Value, replicas: i32, value: f64) -> i32 {
    let mut all = json!({"metric": "requests", "highPoints": 1, "lowPoints": 1, "cooldown": "0s"});
    let given = parameters.as_object().expect("parameters").clone();
    all.as_object_mut().expect("parameters").extend(given);
    let mut policy = built("step-scaling", all);
    asked(policy.as_mut(), second(60.0), replicas, value * f64::from(replicas)).replicas.expect("a number")
}

#[test]
fn the_example_of_the_guide() {
    // From 10: 60 is in [10, 20) above 50: 10 % of 10 = 1. 70 is in [20, ..): 30 % of 11 = 3.3, so 3.
    // 40 is in (-20, -10] below: 10 % of 14 = 1.4, so 1. 30 is in (.., -20]: 30 % of 13 = 3.9, so 3.
    for (replicas, value, expected) in [(10, 60.0, 11), (11, 70.0, 14), (14, 40.0, 13), (13, 30.0, 10)] {
        assert_eq!(after(json!({}), replicas, value), expected, "{replicas} at {value}");
    }
    // Steps of 0 either side of the threshold: nothing from above 40 to below 60.
    for value in [40.1, 45.0, 50.0, 55.0, 59.9] {
        assert_eq!(after(json!({}), 10, value), 10, "at {value}");
    }
}

#[test]
fn rounding_of_per_cent() {
    let params = |least| Params { min_adjustment_magnitude: least, ..Params::default() };
    // 12.7 -> 12, 0.67 -> 1, -0.58 -> -1, -6.67 -> -6, as the guide has it.
    let rows = [(127, 10, 139), (67, 1, 68), (58, -1, 57), (667, -1, 661), (10, 0, 10), (0, 50, 1), (1, -100, 0)];
    for (replicas, per_cent, expected) in rows {
        assert_eq!(params(1).adjusted(replicas, per_cent), expected, "{per_cent} % of {replicas}");
    }
    // 25 % of 4 is 1, but 2 are asked for.
    assert_eq!(params(2).adjusted(4, 25), 6);
}

#[test]
fn other_types_of_adjustment() {
    let steps = |kind: &str, adjustment: i32| {
        json!({"adjustmentType": kind, "scaleOutSteps": [{"lower": 0, "adjustment": adjustment}],
            "scaleInSteps": [{"upper": 0, "adjustment": if kind == "exactCapacity" { 2 } else { -2 }}]})
    };
    assert_eq!(after(steps("changeInCapacity", 5), 3, 50.0), 8);
    assert_eq!(after(steps("changeInCapacity", 5), 3, 49.0), 1);
    assert_eq!(after(steps("exactCapacity", 5), 3, 50.0), 5);
    // An exact number below the present one is no scale-out.
    assert_eq!(after(steps("exactCapacity", 5), 7, 90.0), 7);
    assert_eq!(after(steps("exactCapacity", 5), 3, 49.0), 2);
}

#[test]
fn a_cooldown_counts_what_was_added() {
    // Alarm at the third minute above: 30 % of 2 is 0.6, so 1: 3. In the 5 minutes after it is worked out from 2, so 3
    // again; at minute 8 from 3: 30 % is 0.9, so 4.
    let mut policy = built("step-scaling", json!({"metric": "requests"}));
    assert_eq!(driven(policy.as_mut(), &[500.0; 9]), [2, 2, 3, 3, 3, 3, 3, 4, 4]);

    // Of 2 more at 50 and 3 more at 60, the latter adds one to the former's two.
    let steps = json!([{"lower": 0, "upper": 10, "adjustment": 2}, {"lower": 10, "adjustment": 3}]);
    let parameters = json!({"metric": "requests", "highPoints": 1, "adjustmentType": "changeInCapacity",
        "scaleOutSteps": steps, "scaleInSteps": [{"upper": 0, "adjustment": -1}]});
    let mut policy = built("step-scaling", parameters);
    // 100 / 2 = 50: +2; 260 / 4 = 65: +3 of 2; 300 / 5 = 60: nothing more.
    assert_eq!(driven(policy.as_mut(), &[100.0, 260.0, 300.0]), [4, 5, 5]);
}

#[test]
fn scaling_in_waits_for_its_alarm_and_cooldown_but_scaling_out_does_not() {
    let mut policy = built("step-scaling", json!({"metric": "requests", "lowPoints": 2, "highPoints": 1}));
    // From 2: at 0 twice, 30 % of 2 is 0.6: one less.
    assert_eq!(driven(policy.as_mut(), &[0.0, 0.0, 0.0]), [2, 1, 1]);
    let mut ask = |minute: f64, replicas, rate: f64| {
        asked(policy.as_mut(), second(60.0 * minute), replicas, rate).replicas.expect("a number")
    };
    // The cooldown lasts up to minute 7; a scale-out at minute 5 ends it.
    assert_eq!((ask(4.0, 9, 0.0), ask(5.0, 9, 900.0)), (9, 11));
    assert_eq!((ask(6.0, 11, 0.0), ask(7.0, 11, 0.0)), (11, 8));
    assert_eq!(ask(8.0, 8, 0.0), 8);
}

#[test]
fn a_warm_up_holds_back_scaling_in() {
    let parameters = json!({"metric": "requests", "lowPoints": 1, "highPoints": 1, "cooldown": "0s", "warmup": "3m"});
    let mut policy = built("step-scaling", parameters);
    // 10 more per cent of 10 at minute 1; then up to minute 4 no less, and 30 % of 10 rather than of 11 more.
    assert_eq!(asked(policy.as_mut(), second(60.0), 10, 600.0).replicas, Some(11));
    assert_eq!(asked(policy.as_mut(), second(120.0), 11, 0.0).replicas, Some(11));
    assert_eq!(asked(policy.as_mut(), second(180.0), 11, 1100.0).replicas, Some(13));
    assert_eq!(asked(policy.as_mut(), second(300.0), 13, 0.0).replicas, Some(13));
    assert_eq!(asked(policy.as_mut(), second(360.0), 13, 0.0).replicas, Some(10));
}

#[test]
fn steps_must_cover_everything_once() {
    let out = |steps: serde_json::Value| refused("step-scaling", json!({ "scaleOutSteps": steps }));
    for steps in [
        json!([]),
        json!([{"lower": 0, "upper": 10, "adjustment": 1}]),
        json!([{"lower": 5, "adjustment": 1}]),
        json!([{"lower": 0, "upper": 10, "adjustment": 1}, {"lower": 11, "adjustment": 1}]),
        json!([{"lower": 0, "upper": 10, "adjustment": 1}, {"lower": 9, "adjustment": 1}]),
    ] {
        assert!(out(steps.clone()).contains("without gaps"), "{steps}");
    }
    assert!(out(json!([{"lower": 0, "adjustment": -1}])).contains("wrong direction"));
}

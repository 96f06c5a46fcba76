use serde_json::json;

use super::super::testing::{ask, built, built_for, refused, second};
use super::super::{HorizontalAutoscaler, ReplicaCounts, Setting};
use super::*;

fn replicas(count: i32) -> ReplicaCounts {
    ReplicaCounts { wanted: count, current: count, ready: count }
}

/// Two seconds with so many requests in flight.
fn in_flight(concurrency: f64) -> TrafficSample {
    TrafficSample { window: TICK_INTERVAL, arrivals: concurrency, concurrency, ..TrafficSample::default() }
}

/// Looks every two seconds with so much in flight, pods being ready at once; the number of replicas at each change.
fn driven(policy: &mut dyn HorizontalAutoscaler, start_s: u64, loads: &[f64], mut wanted: i32) -> Vec<(u64, i32)> {
    let mut changes = Vec::new();
    for (step, &load) in loads.iter().enumerate() {
        let at_s = start_s + 2 * step as u64;
        let decision = ask(policy, second(at_s as f64), replicas(wanted), Some(&in_flight(load)));
        if let Some(next) = decision.replicas.filter(|&next| next != wanted) {
            assert!(!decision.reason.is_empty(), "{at_s}: {decision:?}");
            changes.push((at_s, next));
            wanted = next;
        }
    }
    changes
}

fn to_zero(parameters: serde_json::Value) -> Box<dyn HorizontalAutoscaler> {
    built_for("kpa", parameters, &Setting { min_replicas: 0, max_replicas: 20, foresight: &[] })
}

#[test]
fn the_target_is_a_share_of_what_a_pod_holds() {
    // 50 in flight: 100 x 0.7 = 70 a pod are 1; limited to 10 x 0.7 = 7 are 8; a target of 20 x 0.5 = 10 makes 5.
    for (parameters, wanted) in [
        (json!({}), 1),
        (json!({"containerConcurrency": 10}), 8),
        (json!({"annotations": {"target": 20, "target-utilization-percentage": "50"}}), 5),
        (
            json!({"annotations": {"autoscaling.knative.dev/target": "20"}, "config": {"container-concurrency-target-percentage": 50}}),
            5,
        ),
    ] {
        let mut policy = built("kpa", parameters.clone());
        let decision = ask(policy.as_mut(), second(2.0), replicas(1), Some(&in_flight(50.0)));
        assert_eq!(decision.replicas, Some(wanted), "{parameters}: {decision:?}");
    }
    // 25 requests came in two seconds: 12.5 a second at 10 x 0.7 are 2.
    let mut policy = built("kpa", json!({"annotations": {"metric": "rps", "target": 10}}));
    let decision = ask(policy.as_mut(), second(2.0), replicas(1), Some(&in_flight(25.0)));
    assert_eq!(decision.replicas, Some(2));
    assert_eq!(decision.metric, Some(Reading { name: "rps".to_owned(), current: 12.5, target: 7.0 }));
}

/// A target of 10. With 5 in flight for a minute one pod is enough. Then 50: the panic window of 6 s has 5, 5, 5, 5, 50, 50
/// after two of them, 20 on average, 2 pods or twice the one that there is: panic. Two seconds later 35 are 4 pods, then 50
/// are 5. The stable window alone would say 5 + 45 x 6 / 60 = 9.5 at that time, which is one pod.
#[test]
fn a_burst_is_followed_in_panic() {
    let mut policy = built("kpa", json!({"annotations": {"target": 10, "target-utilization-percentage": 100}}));
    assert_eq!(driven(policy.as_mut(), 2, &[5.0; 31], 1), []);
    assert_eq!(driven(policy.as_mut(), 64, &[50.0; 8], 1), [(64, 2), (66, 4), (68, 5)]);
}

/// Active from 2 s on. Nothing is in flight after 20 s: the stable window of 60 s is at zero from 80 s on, as the last record
/// that counts is of second 20. The revision is then inactive. The activator has been in the path all the time, as one pod
/// holds less than the burst capacity of 211, and the pod goes at the next look. Where the activator comes into the path at
/// 80 s only (burst capacity 0), 30 s of grace go by.
#[test]
fn the_last_pod_goes_after_window_and_grace() {
    let mut policy = to_zero(json!({}));
    assert_eq!(driven(policy.as_mut(), 2, &[3.0; 10], 1), []);
    assert_eq!(driven(policy.as_mut(), 22, &[0.0; 60], 1), [(82, 0)]);
    let mut policy = to_zero(json!({"annotations": {"target-burst-capacity": 0}}));
    assert_eq!(driven(policy.as_mut(), 2, &[3.0; 10], 1), []);
    assert_eq!(driven(policy.as_mut(), 22, &[0.0; 60], 1), [(110, 0)]);
    // Retention of 2 minutes instead.
    let mut policy = to_zero(json!({"annotations": {"scale-to-zero-pod-retention-period": "2m"}}));
    assert_eq!(driven(policy.as_mut(), 2, &[3.0; 10], 1), []);
    assert_eq!(driven(policy.as_mut(), 22, &[0.0; 120], 1), [(200, 0)]);
    // It may not go where the bounds, the cluster or the revision forbid.
    let forbidden = json!({"config": {"enable-scale-to-zero": "false"}});
    for mut policy in [built("kpa", json!({})), to_zero(forbidden), to_zero(json!({"annotations": {"min-scale": 1}}))] {
        assert_eq!(driven(policy.as_mut(), 2, &[3.0; 10], 1), []);
        assert_eq!(driven(policy.as_mut(), 22, &[0.0; 120], 1), []);
    }
}

/// One request that waits for a pod wakes the revision, and so does one that was refused for want of a pod.
#[test]
fn a_request_wakes_it_from_zero() {
    let held = TrafficSample { arrivals: 1.0, held: 1.0, in_flight: 1.0, concurrency: 0.1, ..in_flight(0.0) };
    let refused = TrafficSample { arrivals: 1.0, failed: 1.0, ..in_flight(0.0) };
    for traffic in [held, refused] {
        let mut policy = to_zero(json!({"annotations": {"activation-scale": 3}}));
        driven(policy.as_mut(), 2, &[1.0; 10], 1);
        assert_eq!(driven(policy.as_mut(), 22, &[0.0; 100], 1).last().map(|change| change.1), Some(0));
        assert_eq!(ask(policy.as_mut(), second(222.0), replicas(0), Some(&in_flight(0.0))).replicas, Some(0));
        let decision = ask(policy.as_mut(), second(224.0), replicas(0), Some(&traffic));
        assert_eq!(decision.replicas, Some(3), "{decision:?}");
        assert_eq!((decision.conditions[0].is_true, decision.conditions[0].reason), (false, "Queued"));
    }
}

#[test]
fn everything_wrong_is_said_at_once() {
    let why = refused(
        "kpa",
        json!({"annotations": {"windows": "1m", "target": -1, "max-scale": 50}, "config": {"stable-window": "1s", "x": 1}}),
    );
    for part in ["`windows`", "autoscaling.knative.dev/target", "stable-window: must be from 6s", "no key `x`"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let why = refused("kpa", json!({"annotations": {"min-scale": 0, "max-scale": 50}}));
    assert_eq!(
        why,
        "min-scale 0 is below minReplicas 1: write that as 0; max-scale 50 is above maxReplicas 20: write that as 50"
    );
}

use serde_json::json;

use super::super::testing::{ask, built_for, refused, second};
use super::super::{HorizontalAutoscaler, ReplicaCounts, Setting, TrafficSample};

fn built(parameters: serde_json::Value) -> Box<dyn HorizontalAutoscaler> {
    built_for("keda", parameters, &Setting { min_replicas: 0, max_replicas: 20, foresight: &[] })
}

/// What it makes of so many jobs at an instant.
fn asked(policy: &mut dyn HorizontalAutoscaler, at_s: f64, jobs: f64, wanted: i32) -> Option<i32> {
    let traffic = TrafficSample { queued: jobs, in_flight: jobs, ..TrafficSample::default() };
    let replicas = ReplicaCounts { wanted, current: wanted, ready: wanted };
    ask(policy, second(at_s), replicas, Some(&traffic)).replicas
}

/// 18 jobs at 5 a worker: at the poll of 30 s the first worker, at the HPA's look of 45 s 18 / 5, rounded up: 4. The last
/// activity is that of the poll of 60 s; 300 s after it are not over at 360 s, and are at 390 s.
#[test]
fn from_zero_to_the_queue_and_back() {
    let mut policy = built(json!({}));
    assert_eq!(asked(policy.as_mut(), 0.0, 0.0, 0), Some(0));
    assert_eq!(asked(policy.as_mut(), 15.0, 18.0, 0), Some(0));
    assert_eq!(asked(policy.as_mut(), 30.0, 18.0, 0), Some(1));
    assert_eq!(asked(policy.as_mut(), 45.0, 18.0, 1), Some(4));
    assert_eq!(asked(policy.as_mut(), 60.0, 18.0, 4), Some(4));
    let mut changes = Vec::new();
    let mut wanted = 4;
    for step in 5..30 {
        let at_s = 15.0 * f64::from(step);
        let next = asked(policy.as_mut(), at_s, 0.0, wanted).unwrap();
        if next == 0 && wanted != 0 {
            changes.push(at_s);
        }
        wanted = next;
    }
    assert_eq!(changes, [390.0]);
}

/// A run begins on Monday at midnight: from 00:10 to 00:20 there are three.
#[test]
fn a_schedule_wakes_it() {
    let metadata = json!({"start": "10 * * * *", "end": "20 * * * *", "timezone": "UTC", "desiredReplicas": "3"});
    let mut policy = built(json!({"triggers": [{"type": "cron", "metadata": metadata}]}));
    assert_eq!(asked(policy.as_mut(), 570.0, 0.0, 0), Some(0));
    assert_eq!(asked(policy.as_mut(), 600.0, 0.0, 0), Some(1));
    assert_eq!(asked(policy.as_mut(), 615.0, 0.0, 1), Some(3));
}

#[test]
fn everything_wrong_is_said_at_once() {
    let triggers =
        json!([{"type": "kafka"}, {"type": "queue", "metadata": {"queueLength": 0, "length": 1}}, {"type": "metric"}]);
    let why = refused("keda", json!({"triggers": triggers, "minReplicaCount": 0, "pollingInterval": 0}));
    for part in [
        "no type `kafka`",
        "`queueLength` is `0`",
        "no `length`",
        "`metricName` is missing",
        "within minReplicas 1",
        "`pollingInterval`",
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
}

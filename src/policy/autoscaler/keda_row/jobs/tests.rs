use serde_json::{Value, json};

use crate::policy::autoscaler::testing::{ask, built_for, refused, second};
use crate::policy::autoscaler::{ReplicaCounts, Setting, TrafficSample};

/// How many more jobs it asks for with so many messages that wait and are worked on, and so many jobs, of which so many have
/// begun.
fn more(parameters: &Value, messages: (f64, f64), jobs: (i32, i32)) -> i32 {
    let setting = Setting { min_replicas: 0, max_replicas: 20, foresight: &[] };
    let mut policy = built_for("keda-scaled-job", parameters.clone(), &setting);
    let (waiting, worked_on) = messages;
    let traffic = TrafficSample { queued: waiting, in_flight: waiting + worked_on, ..TrafficSample::default() };
    let (wanted, ready) = jobs;
    let replicas = ReplicaCounts { wanted, current: wanted, ready };
    ask(policy.as_mut(), second(0.0), replicas, Some(&traffic)).replicas.unwrap() - wanted
}

#[test]
fn as_many_jobs_as_each_strategy_says() {
    let queue = |in_flight: bool, length: u32| json!([{"type": "queue", "metadata": {"queueLength": length.to_string(), "scaleOnInFlight": in_flight}}]);
    let of = |strategy: Value, triggers: Value| json!({"scalingStrategy": strategy, "triggers": triggers});
    let custom = json!({"strategy": "custom", "customScalingQueueLengthDeduction": 1, "customScalingRunningJobPercentage": "0.5"});
    let rows = [
        // Nothing waits: no trigger is active.
        (of(json!({}), queue(true, 1)), (0.0, 0.0), (0, 0), 0),
        // 7 messages at 5 a job: 1.4, rounded up.
        (of(json!({}), queue(true, 5)), (7.0, 0.0), (0, 0), 2),
        // 4 wait, 3 are worked on by 3 jobs: 7 - 3.
        (of(json!({}), queue(true, 1)), (4.0, 3.0), (3, 3), 4),
        // 50 messages: 20 jobs at most, less the 15 that run.
        (of(json!({}), queue(true, 1)), (35.0, 15.0), (15, 15), 5),
        // Only the 4 that wait count, for 2 of which jobs have been made that have not begun: 4 - 2.
        (of(json!({"strategy": "accurate"}), queue(false, 1)), (4.0, 3.0), (5, 3), 2),
        // 18 + 5 - 2 are more than 20: 20 - 5.
        (of(json!({"strategy": "accurate"}), queue(false, 1)), (18.0, 3.0), (5, 3), 15),
        // 10 - 1 - 4 * 0.5 = 7.
        (of(custom, queue(true, 1)), (6.0, 4.0), (4, 4), 7),
        // As many as there is room for: min(10, 20 - 6 - 1).
        (of(json!({"strategy": "eager"}), queue(true, 1)), (6.0, 4.0), (6, 5), 10),
    ];
    for (position, (parameters, messages, jobs, wanted)) in rows.into_iter().enumerate() {
        assert_eq!(more(&parameters, messages, jobs), wanted, "row {position}");
    }
}

#[test]
fn everything_wrong_is_said_at_once() {
    let strategy = json!({"strategy": "greedy", "multipleScalersCalculation": "mean"});
    let why = refused(
        "keda-scaled-job",
        json!({"triggers": [{"type": "kafka"}], "pollingInterval": 0, "scalingStrategy": strategy}),
    );
    for part in
        ["no type `kafka`", "`pollingInterval`", "no strategy `greedy`", "`multipleScalersCalculation` is `mean`"]
    {
        assert!(why.contains(part), "{part}: {why}");
    }
}

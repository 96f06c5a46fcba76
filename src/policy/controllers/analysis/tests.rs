use super::*;
use crate::model::conditions::Conditions;
use crate::model::rollouts::Outcome::{Error, Failed, Inconclusive, Successful};

const SECOND: u64 = 1_000_000_000;

fn metric() -> Metric {
    Metric {
        template: "rate".to_owned(),
        name: "rate".to_owned(),
        interval: Some(SimDuration(20 * SECOND)),
        initial_delay: SimDuration::ZERO,
        count: Some(3),
        failure_limit: Some(0),
        inconclusive_limit: 0,
        consecutive_error_limit: 4,
        consecutive_success_limit: 0,
        is_dry_run: false,
        conditions: Conditions::default(),
        measured: Vec::new(),
    }
}

/// Runs an analysis that begins at 100 s, each metric with its series of outcomes: phase, second of its end and message.
fn run(metrics: &[Metric], outcomes: &[&[Outcome]]) -> (AnalysisPhase, u64, String) {
    let mut now = SimTime(100 * SECOND);
    let mut run = AnalysisRun::new(metrics.len(), now);
    let mut measure = |at: usize, number: u32| outcomes[at][(number as usize).min(outcomes[at].len() - 1)];
    while let Some(next) = run.sync(metrics, now, &mut measure) {
        assert!(next > now);
        now = next;
    }
    (run.phase, now.0 / SECOND, run.message)
}

#[test]
fn limits_and_counts_end_a_metric() {
    let once = Metric { interval: None, count: None, ..metric() };
    let lenient = Metric { failure_limit: Some(1), ..metric() };
    let successes = Metric { consecutive_success_limit: 2, failure_limit: None, ..metric() };
    let late = Metric { initial_delay: SimDuration(60 * SECOND), ..metric() };
    let unreliable = Metric { consecutive_error_limit: 1, ..metric() };
    let rows: [(&Metric, &[Outcome], AnalysisPhase, u64, &str); 11] = [
        // At 100 s, 120 s and 140 s.
        (&metric(), &[Successful], AnalysisPhase::Successful, 140, ""),
        (
            &metric(),
            &[Successful, Failed],
            AnalysisPhase::Failed,
            120,
            "Metric \"rate\" assessed Failed due to failed (1) > failureLimit (0)",
        ),
        (&lenient, &[Successful, Failed, Successful], AnalysisPhase::Successful, 140, ""),
        (
            &lenient,
            &[Failed],
            AnalysisPhase::Failed,
            120,
            "Metric \"rate\" assessed Failed due to failed (2) > failureLimit (1)",
        ),
        (
            &metric(),
            &[Inconclusive],
            AnalysisPhase::Inconclusive,
            100,
            "Metric \"rate\" assessed Inconclusive due to inconclusive (1) > inconclusiveLimit (0)",
        ),
        // An error is repeated after 10 s and does not count: 100, 110, then 130 and 150 s.
        (&metric(), &[Error, Successful], AnalysisPhase::Successful, 150, ""),
        (
            &unreliable,
            &[Error],
            AnalysisPhase::Error,
            110,
            "Metric \"rate\" assessed Error due to consecutiveErrors (2) > consecutiveErrorLimit (1)",
        ),
        (&once, &[Successful], AnalysisPhase::Successful, 100, ""),
        (&late, &[Successful], AnalysisPhase::Successful, 200, ""),
        // Two in a row at 140 s.
        (&successes, &[Failed, Successful], AnalysisPhase::Successful, 140, ""),
        (&successes, &[Successful, Failed, Successful], AnalysisPhase::Failed, 140, ""),
    ];
    for (metric, outcomes, phase, ended, message) in rows {
        let found = run(std::slice::from_ref(metric), &[outcomes]);
        assert_eq!(found, (phase, ended, message.to_owned()), "{outcomes:?}");
    }
}

#[test]
fn the_worst_metric_decides_and_ends_the_others() {
    let metrics = [metric(), Metric { name: "latency".to_owned(), ..metric() }];
    let message = "Metric \"latency\" assessed Failed due to failed (1) > failureLimit (0)";
    assert_eq!(
        run(&metrics, &[&[Successful], &[Successful, Failed]]),
        (AnalysisPhase::Failed, 120, message.to_owned())
    );
    // One without a say is heard to its end, which does not matter.
    let quiet = [metric(), Metric { is_dry_run: true, ..metric() }];
    assert_eq!(run(&quiet, &[&[Successful], &[Failed]]), (AnalysisPhase::Successful, 140, String::new()));
}

#[test]
fn an_analysis_that_is_told_to_end_is_successful() {
    let endless = [Metric { count: None, ..metric() }];
    let mut run = AnalysisRun::new(1, SimTime::ZERO);
    let mut measure = |_: usize, _: u32| Successful;
    // Every 20 s, for as long as it is let.
    assert_eq!(run.sync(&endless, SimTime::ZERO, &mut measure), Some(SimTime(20 * SECOND)));
    run.is_terminated = true;
    assert_eq!(run.sync(&endless, SimTime(5 * SECOND), &mut measure), None);
    assert_eq!((run.phase, run.message.as_str()), (AnalysisPhase::Successful, "Run Terminated"));
}

//! What unit tests of policies drive them with.

use serde_json::Value;

use super::{Decision, HorizontalAutoscaler, Names, Observation, ReplicaCounts, Setting, TrafficSample, find};
use crate::units::{SimDuration, SimTime};

/// An instant in seconds.
pub(super) fn second(s: f64) -> SimTime {
    SimTime((s * 1e9) as u64)
}

/// A policy with bounds of 1 and 20.
pub(super) fn built(name: &str, parameters: Value) -> Box<dyn HorizontalAutoscaler> {
    built_for(name, parameters, &Setting { min_replicas: 1, max_replicas: 20, foresight: &[] })
}

/// A policy with these bounds.
pub(super) fn built_for(name: &str, parameters: Value, setting: &Setting<'_>) -> Box<dyn HorizontalAutoscaler> {
    find(name).expect("a row").build(&parameters, setting).expect("right parameters")
}

/// Why parameters were refused.
pub(super) fn refused(name: &str, parameters: Value) -> String {
    let setting = Setting { min_replicas: 1, max_replicas: 20, foresight: &[] };
    find(name).expect("a row").build(&parameters, &setting).expect_err("wrong parameters").to_string()
}

/// Traffic of so many requests a second since the last sync, all answered, each of which takes a tenth of a second.
pub(super) fn traffic(policy: &dyn HorizontalAutoscaler, rate_per_s: f64, ready: i32) -> TrafficSample {
    let window = policy.sync_period();
    let arrivals = rate_per_s * window.as_seconds();
    let utilisation = (rate_per_s * 0.1 / f64::from(ready.max(1))).min(1.0);
    let concurrency = rate_per_s * 0.1;
    TrafficSample { window, arrivals, answered: arrivals, concurrency, utilisation, ..TrafficSample::default() }
}

/// What a policy says of traffic when it has so many replicas, which all are ready.
pub(super) fn asked(policy: &mut dyn HorizontalAutoscaler, now: SimTime, replicas: i32, rate_per_s: f64) -> Decision {
    let traffic = traffic(policy, rate_per_s, replicas);
    ask(policy, now, ReplicaCounts { wanted: replicas, current: replicas, ready: replicas }, Some(&traffic))
}

/// What a policy says of these replicas and that traffic.
pub(super) fn ask(
    policy: &mut dyn HorizontalAutoscaler,
    now: SimTime,
    replicas: ReplicaCounts,
    traffic: Option<&TrafficSample>,
) -> Decision {
    let (pods, containers, pod_metrics, metrics) = (&[], &[], &[], &[]);
    policy.sync(&Observation {
        now,
        replicas,
        pods,
        containers,
        totals: None,
        traffic,
        pod_metrics,
        metrics,
        wants_text: true,
        names: Names::default(),
    })
}

/// Drives a policy with the rate of each sync; the number of replicas after each, from 2 on. Replicas are ready at once.
pub(super) fn driven(policy: &mut dyn HorizontalAutoscaler, rates_per_s: &[f64]) -> Vec<i32> {
    let (mut wanted, mut now, period) = (2, SimTime::ZERO, policy.sync_period());
    let mut sync = |&rate: &f64| {
        now = now.after(SimDuration(period.0));
        wanted = asked(policy, now, wanted, rate).replicas.unwrap_or(wanted);
        wanted
    };
    rates_per_s.iter().map(&mut sync).collect()
}

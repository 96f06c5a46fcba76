//! The contract, held against every row of the table of horizontal autoscalers.
//!
//! Load goes up and down at random, pods start, fail to report and end as they do in a cluster; whatever happens an
//! autoscaler stays within its bounds, says why it changes something, and decides the same when it is asked again.

use std::collections::BTreeSet;

use super::{
    AUTOSCALERS, AutoscalerRow, Decision, HorizontalAutoscaler, Names, Observation, ObservedContainer, ObservedPod,
    ReplicaCounts, Sample, Setting, TrafficSample, find,
};
use crate::ids::PodId;
use crate::rng::{Seed, Stream};
use crate::units::{SimDuration, SimTime};
use crate::world::lives::PodPhase;

const SEED: Seed = Seed { base: 42, replication: 0 };
const SECOND: u64 = 1_000_000_000;
/// Requests a second that a replica can serve.
const RATE_OF_ONE: f64 = 10.0;

/// A target whose pods come a while after they are asked for and go at once.
struct Target {
    stream: Stream,
    now: SimTime,
    wanted: i32,
    /// Pods and when they were made.
    pods: Vec<(PodId, SimTime)>,
    rate_per_s: f64,
    /// Whether samples may be missing.
    has_gaps: bool,
}

impl Target {
    fn new(entity: u64, wanted: i32) -> Target {
        let stream = SEED.stream("test/autoscaler", entity);
        let mut target =
            Target { stream, now: SimTime::ZERO, wanted, pods: Vec::new(), rate_per_s: 20.0, has_gaps: true };
        target.follow();
        target
    }

    /// Pods come and go until there are as many as wanted.
    fn follow(&mut self) {
        self.pods.truncate(self.wanted.max(0) as usize);
        while self.pods.len() < self.wanted.max(0) as usize {
            let id = self.pods.last().map_or(0, |(id, _)| id.0 + 1);
            self.pods.push((PodId(id), self.now));
        }
    }

    fn observed(&mut self) -> Vec<ObservedPod> {
        let mut pods = Vec::with_capacity(self.pods.len());
        for (position, &(id, made)) in self.pods.iter().enumerate() {
            let ready_at = made.after(SimDuration(20 * SECOND));
            let is_ready = ready_at <= self.now;
            let has_sample = is_ready && !(self.has_gaps && self.stream.below(10) == 0);
            pods.push(ObservedPod {
                id,
                phase: if is_ready { PodPhase::Running } else { PodPhase::Pending },
                is_terminating: false,
                started: Some(made),
                ready: Some((is_ready, if is_ready { ready_at } else { made })),
                sample: has_sample.then_some(Sample { at: self.now, window: SimDuration(15 * SECOND) }),
                first_container: position as u32,
                container_count: 1,
            });
        }
        pods
    }

    /// One sync after `period`.
    fn sync(&mut self, policy: &mut dyn HorizontalAutoscaler) -> Decision {
        let period = policy.sync_period();
        self.now = self.now.after(period);
        let pods = self.observed();
        let ready = pods.iter().filter(|pod| pod.is_ready()).count() as i32;
        let load = self.rate_per_s / RATE_OF_ONE / f64::from(ready.max(1));
        let container = ObservedContainer {
            name: "app",
            cpu_request_milli: Some(1000),
            memory_request_bytes: Some(1 << 30),
            cpu_milli: (1000.0 * load.min(2.0)) as u64,
            memory_bytes: (f64::from(1 << 30) * load.min(2.0)) as u64,
        };
        let containers = vec![container; pods.len()];
        let traffic = TrafficSample {
            window: period,
            arrivals: self.rate_per_s * period.as_seconds(),
            answered: self.rate_per_s * period.as_seconds(),
            concurrency: self.rate_per_s / RATE_OF_ONE,
            in_flight: self.rate_per_s / RATE_OF_ONE,
            latency_p50_s: Some(0.1),
            latency_p95_s: Some(0.2 * load.max(1.0)),
            latency_p99_s: Some(0.3 * load.max(1.0)),
            latency_mean_s: Some(0.1 * load.max(1.0)),
            utilisation: load.min(1.0),
            ..TrafficSample::default()
        };
        policy.sync(&Observation {
            now: self.now,
            replicas: ReplicaCounts { wanted: self.wanted, current: self.pods.len() as i32, ready },
            pods: &pods,
            containers: &containers,
            totals: None,
            traffic: Some(&traffic),
            pod_metrics: &[],
            metrics: &[],
            wants_text: true,
            names: Names::default(),
        })
    }
}

/// What arrives, as a clairvoyant is told it.
const FORESIGHT: &[(SimTime, f64)] = &[(SimTime(0), 20.0), (SimTime(600 * SECOND), 200.0)];

fn built(row: &AutoscalerRow, min_replicas: i32, max_replicas: i32) -> Box<dyn HorizontalAutoscaler> {
    let foresight = if row.is_clairvoyant { FORESIGHT } else { &[] };
    let setting = Setting { min_replicas, max_replicas, foresight };
    row.build(&serde_json::json!({}), &setting).expect("the defaults are right")
}

/// The decisions of a storm, each checked.
fn storm(row: &AutoscalerRow, entity: u64, (min, max): (i32, i32)) -> Vec<Decision> {
    let mut policy = built(row, min, max);
    let mut target = Target::new(entity, min.max(2));
    let mut decisions = Vec::new();
    for step in 0..500 {
        match target.stream.below(40) {
            0 => target.rate_per_s = 0.0,
            1..=4 => target.rate_per_s = target.stream.unit() * 40.0 * RATE_OF_ONE,
            _ => target.rate_per_s *= 0.9 + 0.2 * target.stream.unit(),
        }
        let decision = target.sync(policy.as_mut());
        if let Some(replicas) = decision.replicas {
            let place = format!("{}, storm {entity}, step {step}: {decision:?}", row.name);
            assert!((min..=max).contains(&replicas), "out of bounds: {place}");
            // Upstream's event names none where a window alone changes the number; its conditions do.
            let is_explained = !decision.reason.is_empty() || !decision.conditions.is_empty();
            assert!(replicas == target.wanted || is_explained, "no reason: {place}");
            target.wanted = replicas;
            target.follow();
        }
        decisions.push(decision);
    }
    decisions
}

#[test]
fn every_autoscaler_stays_within_bounds_and_decides_the_same_again() {
    for row in AUTOSCALERS {
        for (entity, bounds) in [(0, (1, 10)), (1, (0, 50)), (2, (3, 3)), (3, (2, 40))] {
            let first = storm(row, entity, bounds);
            assert_eq!(first, storm(row, entity, bounds), "{}, storm {entity}", row.name);
        }
    }
}

/// With the same load for hours, an autoscaler comes to rest.
#[test]
fn every_autoscaler_settles_under_a_constant_load() {
    for row in AUTOSCALERS.iter().filter(|row| !row.is_clairvoyant) {
        let mut policy = built(row, 1, 50);
        let (mut target, mut numbers) = (Target::new(9, 2), Vec::new());
        (target.has_gaps, target.rate_per_s) = (false, 8.4 * RATE_OF_ONE);
        while target.now < SimTime(8 * 3600 * SECOND) {
            if let Some(replicas) = target.sync(policy.as_mut()).replicas {
                target.wanted = replicas;
                target.follow();
            }
            numbers.push(target.wanted);
        }
        let last: BTreeSet<i32> = numbers[numbers.len() * 3 / 4..].iter().copied().collect();
        assert!(last.len() <= 2, "{} does not settle: {last:?}", row.name);
    }
}

/// Nothing is known: no pods, no traffic, no metric; then there are no replicas either.
#[test]
fn every_autoscaler_endures_seeing_nothing() {
    for row in AUTOSCALERS {
        let mut policy = built(row, 1, 10);
        for step in 0..40u64 {
            let now = SimTime(step * policy.sync_period().0);
            let wanted = if step < 20 { 3 } else { 0 };
            let replicas = ReplicaCounts { wanted, current: wanted, ready: 0 };
            let (pods, containers, pod_metrics, metrics) = (&[], &[], &[], &[]);
            let idle = TrafficSample::default();
            let traffic = (step % 2 == 0).then_some(&idle);
            let seen = Observation {
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
            };
            let decision = policy.sync(&seen);
            // Upstream leaves a target alone that has been set to none.
            let is_within = decision.replicas.is_none_or(|replicas| (1..=10).contains(&replicas) || replicas == wanted);
            assert!(is_within, "{}, step {step}: {decision:?}", row.name);
        }
    }
}

#[test]
fn every_row_is_described_and_checks_its_parameters() {
    let mut names = BTreeSet::new();
    let setting = Setting { min_replicas: 1, max_replicas: 10, foresight: FORESIGHT };
    for row in AUTOSCALERS {
        for name in row.aliases.iter().chain([&row.name]) {
            assert!(names.insert(*name), "{name} is there twice");
            assert_eq!(find(name).map(|found| found.name), Some(row.name), "{name}");
        }
        assert!(row.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", row.name);
        assert!(!row.summary.is_empty() && !row.source.is_empty(), "{} says nothing about itself", row.name);
        assert!(built(row, 1, 10).sync_period() > SimDuration::ZERO, "{}", row.name);
        let refused = |parameters: serde_json::Value| row.build(&parameters, &setting).err();
        let why = refused(serde_json::json!({ "no-such-thing": 1 })).unwrap_or_else(|| panic!("{}", row.name));
        assert!(why.to_string().contains("no-such-thing"), "{}: {why}", row.name);
        for parameter in row.parameters {
            let given = |value: serde_json::Value| serde_json::json!({ (parameter.name): value });
            let default = serde_json::from_str(parameter.default).unwrap_or_else(|_| parameter.default.into());
            assert_eq!(refused(given(default)), None, "{}: the default of {}", row.name, parameter.name);
            // A mapping may be empty.
            let is_mapping = parameter.default == "null";
            let wrongs = [serde_json::json!({}), serde_json::json!(-1), serde_json::json!("no")];
            for wrong in wrongs.into_iter().skip(usize::from(is_mapping)) {
                assert!(refused(given(wrong)).is_some(), "{}: {} is not checked", row.name, parameter.name);
            }
            assert!(!parameter.meaning.is_empty(), "{}: {}", row.name, parameter.name);
        }
    }
}

#[test]
fn listed_defaults_are_the_defaults() {
    let setting = Setting { min_replicas: 1, max_replicas: 10, foresight: FORESIGHT };
    for row in AUTOSCALERS {
        let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::from(text));
        let listed: serde_json::Map<_, _> =
            row.parameters.iter().map(|one| (one.name.to_owned(), value(one.default))).collect();
        let build = |parameters: serde_json::Value| format!("{:?}", row.build(&parameters, &setting).expect("right"));
        assert_eq!(build(listed.into()), build(serde_json::json!({})), "{}", row.name);
    }
}

//! All policies on one spike and on a day, in closed loop with a fluid plant: do they fare as they should?
//!
//! The plant is a service of replicas that serve ten requests a second each and take a minute to start. What is beyond their
//! capacity waits; who waits for a backlog or, by the M/M/c formula, for a worker, has a latency of that wait and a tenth of a
//! second. Seven requests a second are what a replica serves well: demand is the rate over seven, rounded up.

use serde_json::{Value, json};

use super::{
    HorizontalAutoscaler, Names, Observation, ObservedContainer, ObservedPod, ReplicaCounts, Sample, Setting,
    TrafficSample, find,
};
use crate::ids::PodId;
use crate::rng::split_mix;
use crate::stats::elasticity::violation::{Objective, ViolationMeter, Violations};
use crate::stats::elasticity::{Elasticity, ElasticityMeter, ElasticityOptions};
use crate::stats::queueing::Mmc;
use crate::units::{SimDuration, SimTime};
use crate::world::lives::PodPhase;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
/// The plant moves on by so much.
const TICK: SimDuration = SimDuration(5 * SECOND);
const STARTUP: SimDuration = SimDuration(60 * SECOND);
const SERVICE_S: f64 = 0.1;
const SERVED_WELL_PER_S: f64 = 7.0;
/// Latency that may not be exceeded.
const LATENCY_S: f64 = 0.3;

/// A rate of requests: instants, and requests a second from then on.
struct Load {
    rates: Vec<(SimTime, f64)>,
    end: SimTime,
    /// From when on it is measured.
    measured: SimTime,
}

/// 40 a second, for 20 minutes 160.
fn spike() -> Load {
    let rates = [(0, 40.0), (30, 160.0), (50, 40.0)].map(|(minute, rate)| (SimTime(minute * MINUTE), rate));
    Load { rates: rates.to_vec(), end: SimTime(2 * HOUR), measured: SimTime(10 * MINUTE) }
}

/// Days between 20 and 180 a second with some noise, of which the fourth is measured.
fn days() -> Load {
    let rate = |minute: u64| {
        let phase = minute as f64 / (24.0 * 60.0) * std::f64::consts::TAU;
        let noise = (split_mix(minute) % 1000) as f64 / 1000.0 - 0.5;
        (100.0 - 80.0 * libm::cos(phase)) * (1.0 + 0.06 * noise)
    };
    let rates = (0..4 * 24 * 60).map(|minute| (SimTime(minute * MINUTE), rate(minute))).collect();
    Load { rates, end: SimTime(4 * 24 * HOUR), measured: SimTime(3 * 24 * HOUR) }
}

/// The service: when its replicas are ready, the oldest first, and how many requests wait.
struct Plant {
    now: SimTime,
    ready_at: Vec<SimTime>,
    backlog: f64,
    sums: TrafficSample,
    busy_s: f64,
    ready_s: f64,
    latency_s: f64,
}

impl Plant {
    fn new(replicas: usize) -> Plant {
        let ready_at = vec![SimTime::ZERO; replicas];
        let sums = TrafficSample::default();
        Plant { now: SimTime::ZERO, ready_at, backlog: 0.0, sums, busy_s: 0.0, ready_s: 0.0, latency_s: SERVICE_S }
    }

    fn ready(&self) -> usize {
        self.ready_at.iter().filter(|&&at| at <= self.now).count()
    }

    /// Those that are too many go, the youngest first; those that are missing start.
    fn scale(&mut self, replicas: i32) {
        self.ready_at.resize(replicas as usize, self.now.after(STARTUP));
    }

    fn tick(&mut self, rate_per_s: f64) {
        let (span_s, ready) = (TICK.as_seconds(), self.ready());
        let capacity_per_s = ready as f64 / SERVICE_S;
        let offered = self.backlog + rate_per_s * span_s;
        let served = offered.min(capacity_per_s * span_s);
        self.backlog = offered - served;
        let wait_s = if self.backlog > 0.0 || ready == 0 {
            self.backlog / capacity_per_s.max(1e-9)
        } else {
            Mmc::new(rate_per_s, SERVICE_S, ready as u32).mean_wait().min(span_s)
        };
        self.latency_s = wait_s + SERVICE_S;
        self.busy_s += served * SERVICE_S;
        self.ready_s += ready as f64 * span_s;
        self.sums.window = SimDuration(self.sums.window.0 + TICK.0);
        self.sums.arrivals += rate_per_s * span_s;
        self.sums.answered += served;
        self.now = self.now.after(TICK);
    }

    /// What happened since the last look.
    fn look(&mut self) -> TrafficSample {
        let utilisation = if self.ready_s > 0.0 { self.busy_s / self.ready_s } else { 0.0 };
        let concurrency = self.backlog + self.busy_s / self.sums.window.as_seconds();
        let latency = Some(self.latency_s);
        let sample = TrafficSample {
            utilisation,
            concurrency,
            in_flight: concurrency,
            queued: self.backlog,
            latency_p50_s: latency,
            latency_p95_s: latency,
            latency_p99_s: latency,
            latency_mean_s: latency,
            ..self.sums
        };
        (self.sums, self.busy_s, self.ready_s) = (TrafficSample::default(), 0.0, 0.0);
        sample
    }
}

/// One sync.
fn decide(policy: &mut dyn HorizontalAutoscaler, plant: &mut Plant) -> Option<i32> {
    let traffic = plant.look();
    let (now, wanted) = (plant.now, plant.ready_at.len());
    let pod = |(position, &ready_at): (usize, &SimTime)| {
        let is_ready = ready_at <= now;
        ObservedPod {
            id: PodId(position as u32),
            phase: if is_ready { PodPhase::Running } else { PodPhase::Pending },
            is_terminating: false,
            started: Some(now),
            ready: Some((is_ready, ready_at.min(now))),
            sample: is_ready.then_some(Sample { at: now, window: traffic.window }),
            first_container: position as u32,
            container_count: 1,
        }
    };
    let pods: Vec<ObservedPod> = plant.ready_at.iter().enumerate().map(pod).collect();
    let container = ObservedContainer {
        name: "app",
        cpu_request_milli: Some(1000),
        memory_request_bytes: None,
        cpu_milli: (1000.0 * traffic.utilisation) as u64,
        memory_bytes: 0,
    };
    let containers = vec![container; wanted];
    let replicas = ReplicaCounts { wanted: wanted as i32, current: wanted as i32, ready: plant.ready() as i32 };
    let decision = policy.sync(&Observation {
        now,
        replicas,
        pods: &pods,
        containers: &containers,
        totals: None,
        traffic: Some(&traffic),
        pod_metrics: &[],
        metrics: &[],
        wants_text: false,
        names: Names::default(),
    });
    decision.replicas
}

/// How a policy fared.
struct Outcome {
    name: &'static str,
    /// Demand against replicas that were ready.
    ready: Elasticity,
    /// What was paid for, in replica hours: those that start count.
    paid_h: f64,
    latency: Violations,
}

impl Outcome {
    /// Missing replicas, in replica hours.
    fn missing_h(&self) -> f64 {
        self.ready.under.area_unit_s / 3600.0
    }

    /// What was paid, and ten times what was missing.
    fn cost_h(&self) -> f64 {
        self.paid_h + 10.0 * self.missing_h()
    }

    /// Whether nobody paid more.
    fn is_dearest_of(&self, outcomes: &[Outcome]) -> bool {
        outcomes.iter().all(|other| other.paid_h <= self.paid_h)
    }
}

fn run(name: &'static str, parameters: &Value, load: &Load) -> Outcome {
    let row = find(name).expect("a row");
    let foresight = if row.is_clairvoyant { load.rates.as_slice() } else { &[] };
    let setting = Setting { min_replicas: 1, max_replicas: 60, foresight };
    let mut policy = row.build(parameters, &setting).expect("right parameters");
    let mut plant = Plant::new(6);
    let mut meters = None;
    let (mut at, mut next_sync, mut paid_s) = (0, SimTime::ZERO.after(policy.sync_period()), 0.0);
    while plant.now < load.end {
        if plant.now >= next_sync {
            next_sync = plant.now.after(policy.sync_period());
            if let Some(replicas) = decide(policy.as_mut(), &mut plant) {
                plant.scale(replicas);
            }
        }
        while load.rates.get(at + 1).is_some_and(|(since, _)| *since <= plant.now) {
            at += 1;
        }
        let rate = load.rates[at].1;
        let (demand, ready) = (libm::ceil(rate / SERVED_WELL_PER_S), plant.ready() as f64);
        let now = plant.now;
        plant.tick(rate);
        if now >= load.measured {
            let start = || {
                let options = ElasticityOptions::default();
                (
                    ElasticityMeter::new(now, demand, ready, options),
                    ViolationMeter::new(now, Objective::AtMost(LATENCY_S)),
                )
            };
            let (elasticity, latency) = meters.get_or_insert_with(start);
            elasticity.set_demand(now, demand);
            elasticity.set_supply(now, ready);
            latency.set(now, plant.latency_s);
            paid_s += plant.ready_at.len() as f64 * TICK.as_seconds();
        }
    }
    let (elasticity, latency) = meters.expect("something was measured");
    let (ready, latency) = (elasticity.figures(load.end), latency.figures(load.end));
    Outcome { name, ready, paid_h: paid_s / 3600.0, latency }
}

/// The policies, told what a replica serves well and how long it takes to start where they ask for it.
fn contenders() -> Vec<(&'static str, Value)> {
    let per_replica = json!({"requestsPerReplica": SERVED_WELL_PER_S});
    let with_start = json!({"requestsPerReplica": SERVED_WELL_PER_S, "startupDelay": "60s"});
    vec![
        ("clairvoyant", with_start.clone()),
        ("static", json!({"replicas": 27})),
        ("target-tracking", json!({})),
        ("step-scaling", json!({})),
        (
            "scheduled",
            json!({"actions": [{"schedule": "0 6 * * *", "replicas": 27}, {"schedule": "0 18 * * *", "replicas": 16}]}),
        ),
        ("holt-winters", per_replica.clone()),
        ("seasonal-naive", per_replica.clone()),
        ("erlang-c", json!({})),
        ("pid", json!({})),
        ("mpc", with_start),
        ("q-learning", per_replica),
    ]
}

fn outcomes(load: &Load) -> Vec<Outcome> {
    contenders().iter().map(|(name, parameters)| run(name, parameters, load)).collect()
}

/// A table of all outcomes, for the message of a check that fails.
fn table(outcomes: &[Outcome]) -> String {
    let line = |one: &Outcome| {
        format!(
            "{:16} paid {:7.2} h, missing {:6.2} h, cost {:7.2}, tau U {:5.1} %, tau O {:5.1} %, theta U {:5.1} %, theta O {:5.1} %, \
             adapts in {:5.0} s, oscillations {:3}, changes {:3}, slow {:5.0} s\n",
            one.name,
            one.paid_h,
            one.missing_h(),
            one.cost_h(),
            one.ready.under_timeshare_percent,
            one.ready.over_timeshare_percent,
            one.ready.under_accuracy_percent,
            one.ready.over_accuracy_percent,
            one.ready.under.mean_s(),
            one.ready.supply.oscillations,
            one.ready.supply.changes,
            one.latency.violated_s
        )
    };
    outcomes.iter().map(line).collect()
}

/// The outcome of that name.
fn of<'a>(outcomes: &'a [Outcome], name: &str) -> &'a Outcome {
    outcomes.iter().find(|one| one.name == name).expect("an outcome")
}

/// Who knows what comes is never short of a replica, and nobody else is so cheap without being short.
fn check_bound(outcomes: &[Outcome]) {
    let bound = of(outcomes, "clairvoyant");
    assert_eq!((bound.missing_h(), bound.latency.violated_s), (0.0, 0.0), "\n{}", table(outcomes));
    for other in outcomes.iter().filter(|one| one.name != "clairvoyant") {
        assert!(other.cost_h() > bound.cost_h(), "{} beats the bound\n{}", other.name, table(outcomes));
        let cost = other.ready.cost_against(bound.ready.supply_unit_s);
        assert!(other.missing_h() > 0.0 || cost > 1.0, "{} beats the bound\n{}", other.name, table(outcomes));
    }
}

#[test]
fn on_a_spike_alarms_are_slow_and_loops_are_quick() {
    let outcomes = outcomes(&spike());
    check_bound(&outcomes);
    let (fixed, alarms) = (of(&outcomes, "static"), of(&outcomes, "target-tracking"));
    assert!(fixed.missing_h() == 0.0 && fixed.is_dearest_of(&outcomes), "\n{}", table(&outcomes));
    // Three points of a minute and a minute to start.
    assert!(alarms.ready.under.longest_s >= 240.0, "\n{}", table(&outcomes));
    for name in ["holt-winters", "seasonal-naive", "erlang-c", "pid", "mpc", "q-learning"] {
        let quick = of(&outcomes, name);
        // Nobody sees it coming, and whoever looks twice a minute sees it soon.
        assert!(quick.missing_h() > 0.0 && quick.latency.violated_s > 0.0, "{name}\n{}", table(&outcomes));
        assert!(quick.missing_h() < alarms.missing_h(), "{name}\n{}", table(&outcomes));
        assert!(quick.latency.violated_s < alarms.latency.violated_s, "{name}\n{}", table(&outcomes));
    }
}

#[test]
fn on_a_day_like_the_last_ones_forecasts_are_nearest_to_the_bound() {
    let outcomes = outcomes(&days());
    check_bound(&outcomes);
    let (fixed, bound) = (of(&outcomes, "static"), of(&outcomes, "clairvoyant"));
    assert!(fixed.missing_h() == 0.0 && fixed.is_dearest_of(&outcomes), "\n{}", table(&outcomes));
    for name in ["holt-winters", "seasonal-naive"] {
        let forecast = of(&outcomes, name);
        assert!(forecast.paid_h < 1.05 * bound.paid_h, "{name}\n{}", table(&outcomes));
        for other in ["target-tracking", "erlang-c", "pid", "mpc", "q-learning"] {
            let other = of(&outcomes, other);
            assert!(forecast.missing_h() < other.missing_h(), "{name}, {}\n{}", other.name, table(&outcomes));
            assert!(forecast.cost_h() < other.cost_h(), "{name}, {}\n{}", other.name, table(&outcomes));
        }
    }
    // Who reckons with a queue needs fewer replicas for the same latency, as many of them share it.
    let queueing = of(&outcomes, "erlang-c");
    assert!(queueing.latency.violated_s == 0.0 && queueing.paid_h < bound.paid_h, "\n{}", table(&outcomes));
}

/// With more load there are never fewer replicas at rest, but for those that promise no such thing: where steps come to rest
/// hangs on the way there, and a table that was learned knows no order.
#[test]
fn more_load_never_rests_at_fewer_replicas() {
    for (name, parameters) in contenders() {
        if ["step-scaling", "q-learning"].contains(&name) {
            continue;
        }
        let mut before = 0.0;
        for rate in [0.0, 3.0, 8.0, 20.0, 39.0, 55.0, 84.0, 120.0, 180.0, 250.0] {
            let rates = vec![(SimTime::ZERO, rate)];
            let load = Load { rates, end: SimTime(3 * HOUR), measured: SimTime(2 * HOUR + 55 * MINUTE) };
            let rest = run(name, &parameters, &load).ready;
            assert!(rest.supply.reversals == 0, "{name} is not at rest with {rate} a second: {:?}", rest.supply);
            let replicas = rest.supply_unit_s / rest.duration_s;
            assert!(replicas >= before, "{name} has {replicas} replicas for {rate} a second and {before} for less");
            before = replicas;
        }
    }
}

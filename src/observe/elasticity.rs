//! How well the replicas of autoscaled services followed what was asked of them.
//!
//! Demand is the number of replicas that would just have sufficed. In each window of traffic the first attempts that came in at
//! the service, times what one of them takes of a replica, is how many replicas would have been wholly busy; they are to be
//! busy to 80 % ([`UTILISATION`]), and the number is rounded up. What a request takes of a replica is the larger of two:
//!
//! - its mean compute time over the cores of a replica: the mean limit of those that were there, and where they have none
//!   what pods of the service request;
//! - its mean time in compute and wait steps over the workers of a replica. How long calls of other services hold a worker
//!   hangs on those services, so it is left out, and demand is a lower bound where that counts.
//!
//! Retries are not demanded: they come of too few replicas, and would make a policy's shortage the reason for its surplus.
//! Supply is the number of ready pods of the target, at the instant at which it changes. Neither heeds an autoscaler's
//! bounds. Windows that began before the end of the warm-up do not count.
//!
//! Cost: O(services scaled) each window of traffic, and 16 bytes for each of them; O(n log n) once at the end.

use super::controllers::ControllerLog;
use crate::ids::{ControllerId, ServiceId};
use crate::model::Model;
use crate::model::traffic::{Backends, Operation, Service, Step};
use crate::results::{Column, Table};
use crate::stats::elasticity::bound::{area_unit_s, cheapest_supply};
use crate::stats::elasticity::violation::{Objective, ViolationMeter, Violations};
use crate::stats::{Elasticity, ElasticityMeter, ElasticityOptions};
use crate::traffic::{Outcome, Plane};
use crate::units::{SimDuration, SimTime};
use crate::world::View;

/// How busy replicas are to be at most. It is what a HorizontalPodAutoscaler without metrics aims at (`autoscaling/v2` defaults,
/// Kubernetes v1.37.0), and where an M/M/1 queue's requests take five times as long as alone.
pub const UTILISATION: f64 = 0.8;

/// A step function: from each instant on that many, in ascending order.
type Steps = Vec<(SimTime, u32)>;

/// What is kept of the services whose pods are scaled.
#[derive(Clone, Debug)]
pub struct ElasticityLog {
    scaled: Vec<Scaled>,
    window_begin: SimTime,
}

/// A service whose pods are scaled.
#[derive(Clone, Debug)]
struct Scaled {
    /// Position of the autoscaler.
    autoscaler: usize,
    service: ServiceId,
    target: ControllerId,
    /// Attempts made again, and requests there, at the beginning of the window.
    retries: u64,
    in_flight: u64,
    /// First attempts a second from each instant on.
    rates: Vec<(SimTime, f64)>,
    objective: Option<ViolationMeter>,
    /// How long a request takes a replica, in s, at the target utilisation; none: it is not known.
    replica_s: Option<f64>,
}

/// How the replicas of one target followed demand.
#[derive(Clone, Debug)]
pub struct TargetElasticity {
    /// Position of the autoscaler in the model.
    pub autoscaler: usize,
    /// The service.
    pub service: ServiceId,
    /// Demand and supply of ready replicas.
    pub figures: Elasticity,
    /// How long the service broke its objective; none: it has none.
    pub violations: Option<Violations>,
    /// How long a pod took to become ready on average, in s; NaN where none was made.
    pub start_s: f64,
    /// Replicas that were there, starting ones too, times s.
    pub replica_s: f64,
    /// The same of the cheapest supply that always suffices, which knows what comes and orders replicas as long before.
    pub cheapest_replica_s: f64,
    /// Demand and supply from the warm-up on, at every instant at which one of them changes: ascending, the first at its
    /// end.
    pub course: Vec<(SimTime, [u32; 2])>,
}

/// Key figures of all targets together; NaN where there is nothing to measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ElasticityTotals {
    /// Replicas that were missing on average, summed over targets.
    pub missing_mean: f64,
    /// Replicas that were too many on average, summed over targets.
    pub surplus_mean: f64,
    /// Share of the time with too few, in percent: the mean over targets.
    pub under_pct: f64,
    /// Share of the time with too many, in percent: the mean over targets.
    pub over_pct: f64,
    /// How long services broke their objectives in all, in s; NaN without objectives.
    pub violated_s: f64,
    /// Replica-time over that of the cheapest supplies.
    pub cost_ratio: f64,
}

impl ElasticityLog {
    /// The log of a run; none where no autoscaler's target serves requests.
    pub fn new(model: &Model) -> Option<ElasticityLog> {
        let autoscalers = model.autoscaling.horizontal.iter().enumerate();
        let scaled = autoscalers.filter_map(|(autoscaler, one)| {
            let service = one.service?;
            let objective = model.traffic.services[service.index()].objective;
            let meter = |ratio| ViolationMeter::new(model.traffic.warm_up, Objective::AtLeast(ratio));
            Some(Scaled {
                autoscaler,
                service,
                target: one.target,
                retries: 0,
                in_flight: 0,
                rates: Vec::new(),
                objective: objective.map(|objective| meter(objective.ratio)),
                replica_s: None,
            })
        });
        let scaled: Vec<Scaled> = scaled.collect();
        (!scaled.is_empty()).then_some(ElasticityLog { scaled, window_begin: SimTime::ZERO })
    }

    /// A window of traffic is over.
    pub fn see(&mut self, view: &View<'_>, plane: &Plane<'_>) {
        let (begin, now) = (self.window_begin, view.world.time);
        let span_s = now.since(begin).as_seconds();
        if span_s == 0.0 {
            return;
        }
        let is_measured = begin >= view.model.traffic.warm_up;
        for one in &mut self.scaled {
            one.see(plane, (begin, span_s), is_measured);
        }
        self.window_begin = now;
    }

    /// Traffic has reached the end of the run.
    pub fn end(&mut self, view: &View<'_>, plane: &Plane<'_>) {
        self.see(view, plane);
        for one in &mut self.scaled {
            one.replica_s = replica_seconds(view.model, plane, one.service, view.world.time);
        }
    }

    /// How each target fared, in the order of autoscalers; those of which nothing is known are left out.
    pub fn targets(&self, controllers: &ControllerLog, end: SimTime) -> Vec<TargetElasticity> {
        self.scaled.iter().filter_map(|one| one.fared(controllers, end)).collect()
    }

    /// The key figures.
    pub fn totals(&self, controllers: &ControllerLog, end: SimTime) -> ElasticityTotals {
        let targets = self.targets(controllers, end);
        let sum = |of: fn(&TargetElasticity) -> f64| match targets.is_empty() {
            true => f64::NAN,
            false => targets.iter().map(of).fold(0.0, |sum, value| sum + value),
        };
        let violated = targets.iter().filter_map(|one| one.violations).map(|found| found.violated_s);
        let count = targets.len() as f64;
        ElasticityTotals {
            missing_mean: sum(|one| one.figures.under_accuracy),
            surplus_mean: sum(|one| one.figures.over_accuracy),
            under_pct: sum(|one| one.figures.under_timeshare_percent) / count,
            over_pct: sum(|one| one.figures.over_timeshare_percent) / count,
            violated_s: violated.reduce(|sum, seconds| sum + seconds).unwrap_or(f64::NAN),
            cost_ratio: sum(|one| one.replica_s) / sum(|one| one.cheapest_replica_s),
        }
    }

    /// One row a target.
    pub fn table(&self, model: &Model, controllers: &ControllerLog, end: SimTime) -> Table {
        let targets = self.targets(controllers, end);
        let number = |of: &dyn Fn(&TargetElasticity) -> f64| Column::Fixed(3, targets.iter().map(of).collect());
        let figure = |of: fn(&Elasticity) -> f64| number(&|one| of(&one.figures));
        let violated = |of: fn(&Violations) -> f64| number(&|one| one.violations.as_ref().map_or(f64::NAN, of));
        let oscillations = targets.iter().map(|one| one.figures.supply.oscillations).collect();
        Table::new()
            .with("autoscaler", Column::Text(targets.iter().map(|one| full_name(model, one)).collect()))
            .with("service", Column::Text(targets.iter().map(|one| service_name(model, one)).collect()))
            .with("measured_s", figure(|of| of.duration_s))
            .with("demand_mean", figure(|of| of.demand_unit_s / of.duration_s))
            .with("supply_mean", figure(|of| of.supply_unit_s / of.duration_s))
            .with("under_accuracy", figure(|of| of.under_accuracy))
            .with("over_accuracy", figure(|of| of.over_accuracy))
            .with("under_accuracy_pct", figure(|of| of.under_accuracy_percent))
            .with("over_accuracy_pct", figure(|of| of.over_accuracy_percent))
            .with("under_timeshare_pct", figure(|of| of.under_timeshare_percent))
            .with("over_timeshare_pct", figure(|of| of.over_timeshare_percent))
            .with("jitter_per_minute", figure(|of| of.jitter_per_minute))
            .with("instability_pct", figure(|of| of.instability_percent))
            .with("under_adapt_mean_s", figure(|of| of.under.mean_s()))
            .with("over_adapt_mean_s", figure(|of| of.over.mean_s()))
            .with("oscillations", Column::Count(oscillations))
            .with("objective_violated_s", violated(|of| of.violated_s))
            .with("objective_violated_pct", violated(Violations::percent))
            .with("start_mean_s", number(&|one| one.start_s))
            .with("replica_hours", number(&|one| one.replica_s / 3600.0))
            .with("cheapest_replica_hours", number(&|one| one.cheapest_replica_s / 3600.0))
            .with("cost_ratio", number(&|one| one.replica_s / one.cheapest_replica_s))
    }
}

impl ElasticityLog {
    /// Demand and supply over time: a row for each target whenever one of them changes, target by target.
    pub fn course(&self, model: &Model, controllers: &ControllerLog, end: SimTime) -> Table {
        let targets = self.targets(controllers, end);
        let rows = || targets.iter().flat_map(|one| one.course.iter().map(move |step| (one, step)));
        let names: Vec<String> = targets.iter().map(|one| full_name(model, one)).collect();
        let name = targets.iter().zip(&names).flat_map(|(one, name)| one.course.iter().map(move |_| name));
        let number = |side: usize| Column::Count(rows().map(|(_, (_, values))| values[side].into()).collect());
        Table::new()
            .with("time_s", Column::Seconds(rows().map(|(_, (at, _))| *at).collect()))
            .with("autoscaler", Column::Text(name.collect()))
            .with("service", Column::Text(rows().map(|(one, _)| service_name(model, one)).collect()))
            .with("demand", number(0))
            .with("supply", number(1))
    }
}

fn full_name(model: &Model, one: &TargetElasticity) -> String {
    let autoscaler = &model.autoscaling.horizontal[one.autoscaler];
    format!("{}/{}", autoscaler.namespace, autoscaler.name)
}

fn service_name<'m>(model: &'m Model, one: &TargetElasticity) -> &'m str {
    &model.traffic.services[one.service.index()].name
}

impl Scaled {
    /// What requests did in the window that began then.
    fn see(&mut self, plane: &Plane<'_>, (begin, span_s): (SimTime, f64), is_measured: bool) {
        let statistics = plane.statistics(self.service);
        let window = &statistics.attempts.window;
        let ended = window.count() - window.outcomes[Outcome::Superseded as usize];
        let before = std::mem::replace(&mut self.retries, statistics.retries);
        // At the end of the warm-up they are counted anew.
        let retries = self.retries.checked_sub(before).unwrap_or(self.retries);
        let before = std::mem::replace(&mut self.in_flight, statistics.in_flight.value());
        if !is_measured {
            return;
        }
        let arrivals = ended as f64 + self.in_flight as f64 - before as f64 - retries as f64;
        self.rates.push((begin, arrivals.max(0.0) / span_s));
        if let Some(meter) = &mut self.objective {
            // Without requests nothing is measured: NaN.
            meter.set(begin, window.good as f64 / ended as f64);
        }
    }

    fn fared(&self, controllers: &ControllerLog, end: SimTime) -> Option<TargetElasticity> {
        let replica_s = self.replica_s?;
        let start = self.rates.first()?.0;
        let need = self.rates.iter().map(|&(at, rate)| (at, libm::ceil(rate * replica_s - 1e-9) as u32));
        let need: Steps = need.collect();
        let ready: Steps = controllers.of(self.target).map(|(at, standing)| (at, standing.ready as u32)).collect();
        let pods: Steps = controllers.of(self.target).map(|(at, standing)| (at, standing.pods as u32)).collect();
        let start_s = start_seconds(&pods, &ready, end);
        let lead = SimDuration((start_s.max(0.0) * 1e9) as u64);
        let area = |steps: &[(SimTime, u32)]| area_unit_s(&since(steps, start), end);
        let supply = since(&ready, start);
        Some(TargetElasticity {
            autoscaler: self.autoscaler,
            service: self.service,
            figures: follow(&need, &supply, end),
            violations: self.objective.map(|meter| meter.figures(end)),
            start_s,
            replica_s: area(&pods),
            cheapest_replica_s: area(&cheapest_supply(&need, lead)),
            course: merged(&need, &supply),
        })
    }
}

/// How a supply followed a demand; both begin at the same instant.
fn follow(demand: &[(SimTime, u32)], supply: &[(SimTime, u32)], end: SimTime) -> Elasticity {
    let (begin, options) = (demand[0].0, ElasticityOptions::default());
    let mut meter = ElasticityMeter::new(begin, demand[0].1.into(), supply[0].1.into(), options);
    let mut supply = supply[1..].iter().peekable();
    for &(at, value) in &demand[1..] {
        while let Some(&(at, value)) = supply.next_if(|step| step.0 < at) {
            meter.set_supply(at, value.into());
        }
        meter.set_demand(at, value.into());
    }
    supply.for_each(|&(at, value)| meter.set_supply(at, value.into()));
    meter.figures(end)
}

/// Both at every instant at which one of them changes; both begin at the same instant.
fn merged(demand: &[(SimTime, u32)], supply: &[(SimTime, u32)]) -> Vec<(SimTime, [u32; 2])> {
    let demand = demand.iter().map(|&(at, value)| (at, 0, value));
    let mut changes: Vec<(SimTime, usize, u32)> =
        demand.chain(supply.iter().map(|&(at, value)| (at, 1, value))).collect();
    // Of several at one instant the last counts.
    changes.sort_by_key(|&(at, side, _)| (at, side));
    let mut course: Vec<(SimTime, [u32; 2])> = Vec::new();
    let mut values = [0; 2];
    for of_instant in changes.chunk_by(|one, other| one.0 == other.0) {
        of_instant.iter().for_each(|&(_, side, value)| values[side] = value);
        if course.last().is_none_or(|last| last.1 != values) {
            course.push((of_instant[0].0, values));
        }
    }
    course
}

/// A step function from `start` on, with a step there; 0 before its first.
fn since(steps: &[(SimTime, u32)], start: SimTime) -> Steps {
    let begun = steps.partition_point(|step| step.0 <= start);
    let first = begun.checked_sub(1).map_or(0, |last| steps[last].1);
    [(start, first)].into_iter().chain(steps[begun..].iter().copied()).collect()
}

/// How long pods took to become ready on average, in s, by Little's law: the time that pods were there and not ready, over
/// the pods that were made. NaN where none was.
fn start_seconds(pods: &[(SimTime, u32)], ready: &[(SimTime, u32)], end: SimTime) -> f64 {
    let mut made = pods.first().map_or(0, |step| u64::from(step.1));
    made += pods.windows(2).map(|pair| u64::from(pair[1].1.saturating_sub(pair[0].1))).sum::<u64>();
    (area_unit_s(pods, end) - area_unit_s(ready, end)) / made as f64
}

/// How long a request for a service takes a replica, in s, at the target utilisation; none where a replica has neither a share of
/// CPU nor workers, and where a request takes nothing.
fn replica_seconds(model: &Model, plane: &Plane<'_>, service: ServiceId, now: SimTime) -> Option<f64> {
    let statistics = plane.statistics(service);
    let of = &model.traffic.services[service.index()];
    let limits = statistics.limit_milli.area(now) as f64 / statistics.servers.area(now) as f64 / 1000.0;
    let cores = if limits > 0.0 { limits } else { requested_cores(model, of) };
    // Which operations were asked for, since the warm-up; without any all are alike.
    let mut weights = vec![0.0; of.operations.len()];
    statistics.cells().for_each(|cell| weights[cell.operation as usize] += cell.latency.count() as f64);
    if weights.iter().sum::<f64>() == 0.0 {
        weights.fill(1.0);
    }
    let mean = |of_step: fn(&Step) -> f64| {
        let spent = |operation: &Operation| operation.steps.iter().map(of_step).sum::<f64>();
        let all = of.operations.iter().zip(&weights).map(|(operation, weight)| weight * spent(operation)).sum::<f64>();
        all / weights.iter().sum::<f64>()
    };
    let compute = (cores > 0.0).then(|| mean(compute_seconds) / cores);
    let workers = of.server.workers.map(|workers| mean(busy_seconds) / f64::from(workers));
    let busy = compute.into_iter().chain(workers).reduce(f64::max)?;
    (busy.is_finite() && busy > 0.0).then_some(busy / UTILISATION)
}

/// Core-time of a step.
fn compute_seconds(step: &Step) -> f64 {
    if let Step::Compute(time) = step { time.mean_seconds() } else { 0.0 }
}

/// How long a step holds a worker, calls apart.
fn busy_seconds(step: &Step) -> f64 {
    match step {
        Step::Compute(time) | Step::Wait(time) => time.mean_seconds(),
        Step::Call(_) => 0.0,
    }
}

/// Cores that a pod of a service requests; 0: none.
fn requested_cores(model: &Model, service: &Service) -> f64 {
    let Backends::Pods(classes) = &service.backends else { return 0.0 };
    let class = classes.first().map(|class| &model.workload.classes[class.index()]);
    class.map_or(0.0, |class| class.requests.cpu.0 as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(of: &[(u64, u32)]) -> Steps {
        of.iter().map(|&(second, value)| (SimTime(second * 1_000_000_000), value)).collect()
    }

    #[test]
    fn supply_is_met_with_demand_from_the_start_on() {
        let end = SimTime(100_000_000_000);
        let ready = since(&steps(&[(0, 1), (10, 2), (50, 4), (80, 1)]), SimTime(20_000_000_000));
        assert_eq!(ready, steps(&[(20, 2), (50, 4), (80, 1)]));
        // From 20: 2 of 2; from 30: 2 of 4; from 50: 4 of 4; from 60: 4 of 1; from 80: 1 of 1.
        let found = follow(&steps(&[(20, 2), (30, 4), (60, 1)]), &ready, end);
        assert_eq!((found.under.area_unit_s, found.over.area_unit_s), (40.0, 60.0));
        assert_eq!((found.under_timeshare_percent, found.over_timeshare_percent), (25.0, 25.0));
        assert_eq!((found.demand_unit_s, found.supply_unit_s), (20.0 + 120.0 + 40.0, 60.0 + 120.0 + 20.0));
    }

    #[test]
    fn the_course_of_demand_and_supply() {
        let (demand, supply) =
            (steps(&[(0, 2), (15, 2), (30, 4), (60, 1)]), steps(&[(0, 1), (30, 3), (40, 3), (40, 4)]));
        let second = |s: u64| SimTime(s * 1_000_000_000);
        let expected = [(0, [2, 1]), (30, [4, 3]), (40, [4, 4]), (60, [1, 4])];
        assert_eq!(merged(&demand, &supply), expected.map(|(at, values)| (second(at), values)));
    }

    #[test]
    fn a_step_function_that_begins_later_is_nothing_before() {
        assert_eq!(since(&steps(&[(30, 3)]), SimTime(20_000_000_000)), steps(&[(20, 0), (30, 3)]));
        assert_eq!(since(&[], SimTime::ZERO), steps(&[(0, 0)]));
    }

    #[test]
    fn start_up_by_littles_law() {
        // 2 pods that are ready after 10 s, a third after 25 s: 45 s for 3.
        let (pods, ready) = (steps(&[(0, 2), (20, 3), (60, 1)]), steps(&[(0, 0), (10, 2), (45, 3), (60, 1)]));
        assert_eq!(start_seconds(&pods, &ready, SimTime(100_000_000_000)), 15.0);
        assert!(start_seconds(&[], &[], SimTime(1)).is_nan());
    }
}

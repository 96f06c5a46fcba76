//! What a run says of its traffic: figures of services and sources since the warm-up, with intervals at 95 %.

use crate::ids::ServiceId;
use crate::model::traffic::Objective;
use crate::stats::{BatchMeans, LatencyRecorder, SteadyInterval, SteadyLatency};
use crate::traffic::{Cell, Fate, Outcome, Plane};
use crate::world::View;

/// The confidence level of intervals.
const LEVEL: f64 = 0.95;

/// All figures of traffic.
#[derive(Clone, Debug)]
pub struct Figures {
    /// How each service fared, in the model's order.
    pub services: Vec<ServiceFigures>,
    /// How each source fared, in the model's order.
    pub sources: Vec<SourceFigures>,
    /// Requests of all sources together.
    pub total: Totals,
    /// How many events traffic has taken.
    pub events: u64,
}

/// Requests of all sources together.
#[derive(Clone, Debug)]
pub struct Totals {
    /// How many have ended.
    pub requests: u64,
    /// How many a second.
    pub rate: f64,
    /// How many of those that nobody overtook did not end well, as a part of them; NaN without any.
    pub failed_ratio: f64,
    /// Latencies of those that ended well.
    pub latency: Latency,
    /// Which part of the requests that were promised something met the objective; NaN where nothing was promised.
    pub good_ratio: f64,
    /// How many requests missed their objective over how many were allowed to; NaN where nothing was promised.
    pub budget_spent_ratio: f64,
    /// Attempts made again, over first attempts, at all services; NaN without any.
    pub retries_ratio: f64,
}

/// Mean, quantiles and maximum of latencies in seconds; NaN without any.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// The mean.
    pub mean_s: f64,
    /// The quantiles 0.5, 0.95 and 0.99.
    pub quantiles_s: [f64; 3],
    /// The longest.
    pub max_s: f64,
}

/// A figure with its interval at 95 %; the ends are NaN where the run is too short for one.
pub type Interval = SteadyInterval;

/// How requests of a source, or attempts at a service, fared.
#[derive(Clone, Debug)]
pub struct FateFigures {
    /// How many ended in which way, by [`Outcome`].
    pub outcomes: [u64; Outcome::COUNT],
    /// How many ended.
    pub count: u64,
    /// How many a second.
    pub rate: f64,
    /// Of those that nobody overtook, which part did not end well; NaN without any.
    pub failed_ratio: f64,
    /// Latencies of those that ended well.
    pub latency: Latency,
    /// Intervals of their mean and of the quantiles 0.5, 0.95 and 0.99.
    pub latency_intervals: [Interval; 4],
    /// What was promised.
    pub objective: Option<Objective>,
    /// Of those that nobody overtook, which part met the objective, or without one ended well; NaN without any.
    pub good_ratio: f64,
    /// Which part is left of the failures that the objective allows, below 0 when there were more; NaN without an objective.
    pub budget_left_ratio: f64,
}

/// How a source's requests fared from end to end.
#[derive(Clone, Debug)]
pub struct SourceFigures {
    /// Its name.
    pub name: String,
    /// How they fared.
    pub fate: FateFigures,
}

/// How attempts at a service fared.
#[derive(Clone, Debug)]
pub struct ServiceFigures {
    /// Its name.
    pub name: String,
    /// How they fared.
    pub fate: FateFigures,
    /// The interval of their rate.
    pub rate_interval: Interval,
    /// How long requests waited for a worker, in s.
    pub wait: Interval,
    /// How many requests were at its servers or in its queue, and how many of those waited: the mean over time.
    pub present: [f64; 2],
    /// The intervals of these.
    pub present_intervals: [Interval; 2],
    /// Servers that were there: the mean over time.
    pub servers: f64,
    /// Which part of the workers was busy; NaN where their number has no limit.
    pub worker_utilisation: f64,
    /// Cores that requests used: the mean over time.
    pub cpu_cores: f64,
    /// Which part of the cores that is, of servers whose CPU is limited; NaN where it is not.
    pub cpu_utilisation: f64,
    /// Attempts that were made again.
    pub retries: u64,
    /// By operation, zone and outcome.
    pub cells: Vec<CellFigures>,
}

/// Attempts for one operation that were answered in one zone and ended in one way.
#[derive(Clone, Debug)]
pub struct CellFigures {
    /// The operation.
    pub operation: String,
    /// The zone of the server; empty: nowhere, or there was no server.
    pub zone: String,
    /// How they ended.
    pub outcome: &'static str,
    /// How many.
    pub count: u64,
    /// How many a second.
    pub rate: f64,
    /// How long that took.
    pub latency: Latency,
}

/// What windows have seen of a service: batches for intervals.
#[derive(Clone, Debug)]
pub(super) struct ServiceSeries {
    /// Attempts that ended a second.
    pub rate: BatchMeans,
    /// Requests there, and those of them that wait.
    pub present: [BatchMeans; 2],
}

impl ServiceSeries {
    pub(super) fn record(&mut self, rate: f64, present: [f64; 2]) {
        self.rate.record(rate);
        self.present.iter_mut().zip(present).for_each(|(mean, value)| mean.record(value));
    }
}

impl Latency {
    fn of(recorder: &LatencyRecorder) -> Latency {
        Latency {
            // Without digits that are beyond what is counted.
            mean_s: libm::round(recorder.mean_s() * 1e12) / 1e12,
            quantiles_s: recorder.quantiles_s(super::QUANTILES),
            max_s: recorder.max_s(),
        }
    }
}

impl Figures {
    /// The figures at the end of a run.
    pub(super) fn new(view: &View<'_>, plane: &mut Plane<'_>, series: &[&ServiceSeries]) -> Figures {
        let (traffic, now) = (&view.model.traffic, view.world.time);
        // Over no time at all there are no rates: they are NaN, as 0 / 0 is.
        let span_s = now.since(traffic.warm_up.min(now)).as_seconds();
        let fates = plane.sources().iter().zip(plane.objectives());
        let sources = traffic.sources.iter().zip(fates).map(|(source, (fate, objective))| SourceFigures {
            name: source.name.clone(),
            fate: FateFigures::new(fate, *objective, span_s),
        });
        let sources = sources.collect();
        let services = (0..traffic.services.len()).map(|at| service(view, plane, at, series[at], span_s));
        let services: Vec<ServiceFigures> = services.collect();
        let total = Totals::new(plane, &services, span_s);
        Figures { services, sources, total, events: plane.events_handled() }
    }
}

impl FateFigures {
    fn new(fate: &Fate, objective: Option<Objective>, span_s: f64) -> FateFigures {
        let counted = counted(fate);
        let good_ratio = fate.good as f64 / counted;
        FateFigures {
            outcomes: fate.outcomes,
            count: fate.count(),
            rate: fate.count() as f64 / span_s,
            failed_ratio: fate.failures() as f64 / counted,
            latency: Latency::of(&fate.latency.recorder()),
            latency_intervals: latency_intervals(&fate.latency),
            objective,
            good_ratio,
            budget_left_ratio: objective.map_or(f64::NAN, |one| 1.0 - (1.0 - good_ratio) / (1.0 - one.ratio)),
        }
    }
}

/// Requests that nobody overtook.
fn counted(fate: &Fate) -> f64 {
    (fate.count() - fate.outcomes[Outcome::Superseded as usize]) as f64
}

fn latency_intervals(latency: &SteadyLatency) -> [Interval; 4] {
    let [p50, p95, p99] = latency.quantile_intervals_s(LEVEL);
    [latency.mean_interval_s(LEVEL), p50, p95, p99]
}

fn service(
    view: &View<'_>,
    plane: &mut Plane<'_>,
    position: usize,
    series: &ServiceSeries,
    span_s: f64,
) -> ServiceFigures {
    let (model, now) = (&view.model.traffic.services[position], view.world.time);
    let id = ServiceId::from_index(position);
    let cpu_cores = plane.measured_compute_ns(id) as f64 / 1e9 / span_s;
    let statistics = plane.statistics(id);
    let (area, sojourn) = statistics.littles_law(now);
    debug_assert_eq!(area, sojourn, "I6: Little's law at {}", model.name);
    let present = [&statistics.in_flight, &statistics.waiting].map(|level| level.mean(now));
    let (servers, limit_cores) = (statistics.servers.mean(now), statistics.limit_milli.mean(now) / 1000.0);
    let workers = model.server.workers.map_or(f64::NAN, f64::from) * servers;
    let around = |estimate: f64, mean: &BatchMeans| SteadyInterval { estimate, ..mean.interval(LEVEL) };
    let fate = FateFigures::new(&statistics.attempts, model.objective, span_s);
    ServiceFigures {
        name: model.name.clone(),
        rate_interval: around(fate.rate, &series.rate),
        fate,
        wait: statistics.wait.interval(LEVEL),
        present,
        present_intervals: [0, 1].map(|at| around(present[at], &series.present[at])),
        servers,
        worker_utilisation: part(present[0] - present[1], workers),
        cpu_cores,
        cpu_utilisation: part(cpu_cores, limit_cores),
        retries: statistics.retries,
        cells: statistics.cells().map(|one| cell(view, position, one, span_s)).collect(),
    }
}

/// A part of a whole; NaN where there is no whole.
fn part(some: f64, whole: f64) -> f64 {
    if whole > 0.0 { some / whole } else { f64::NAN }
}

fn cell(view: &View<'_>, service: usize, cell: &Cell, span_s: f64) -> CellFigures {
    let operation = &view.model.traffic.services[service].operations[cell.operation as usize];
    let zone = cell.zone.and_then(|zone| view.model.cluster.zones.get(zone.index()));
    CellFigures {
        operation: operation.name.clone(),
        zone: zone.cloned().unwrap_or_default(),
        outcome: cell.outcome.map_or("", Outcome::as_str),
        count: cell.latency.count(),
        rate: cell.latency.count() as f64 / span_s,
        latency: Latency::of(&cell.latency),
    }
}

impl Totals {
    fn new(plane: &Plane<'_>, services: &[ServiceFigures], span_s: f64) -> Totals {
        let mut latency = LatencyRecorder::default();
        let (mut requests, mut failures, mut all) = (0, 0, 0.0);
        let (mut promised, mut missed, mut allowed) = (0.0, 0.0, 0.0);
        for (fate, objective) in plane.sources().iter().zip(plane.objectives()) {
            latency.merge(&fate.latency.recorder());
            requests += fate.count();
            failures += fate.failures();
            all += counted(fate);
            if let Some(objective) = objective {
                promised += counted(fate);
                missed += counted(fate) - fate.good as f64;
                allowed += counted(fate) * (1.0 - objective.ratio);
            }
        }
        let retries: u64 = services.iter().map(|service| service.retries).sum();
        let attempts: u64 = services.iter().map(|service| service.fate.count).sum();
        Totals {
            requests,
            rate: requests as f64 / span_s,
            failed_ratio: failures as f64 / all,
            latency: Latency::of(&latency),
            good_ratio: 1.0 - missed / promised,
            budget_spent_ratio: missed / allowed,
            retries_ratio: part(retries as f64, attempts.saturating_sub(retries) as f64),
        }
    }
}

//! The tables of traffic.

use super::figures::{FateFigures, Figures, Interval, Latency, ServiceFigures};
use super::{Point, TrafficLog};
use crate::model::Model;
use crate::results::{Column, Table, TextColumn};
use crate::traffic::Outcome;

/// Names of the figures of latency, in the order of [`FateFigures::latency_intervals`].
const LATENCIES: [&str; 4] = ["latency_s_mean", "latency_s_p50", "latency_s_p95", "latency_s_p99"];

/// Outcomes that are failures.
const CAUSES: [Outcome; 5] = [Outcome::Error, Outcome::Timeout, Outcome::Refused, Outcome::Unavailable, Outcome::Lost];

impl TrafficLog {
    /// `traffic.csv`: one row a window and source or service, and one for all sources together.
    pub fn table(&self, model: &Model) -> Table {
        let points = &self.points;
        let number = |of: &dyn Fn(&Point) -> f64| Column::Number(points.iter().map(of).collect());
        let rate = |of: &dyn Fn(&Point) -> u64| number(&|point| of(point) as f64 / point.span_s);
        let service =
            |of: fn(&super::ServicePoint) -> f64| number(&|point| point.service.as_ref().map_or(f64::NAN, of));
        let kind = |point: &Point| match point.lane as usize {
            0 => 0,
            lane if lane <= self.sources => 1,
            _ => 2,
        };
        let counted = |point: &Point| point.outcomes.iter().sum::<u64>() - point.outcomes[Outcome::Superseded as usize];
        let failed = |point: &Point| counted(point) - point.outcomes[Outcome::Well as usize];
        let table = Table::new()
            .with("time_s", Column::Seconds(points.iter().map(|point| point.time).collect()))
            .with("span_s", number(&|point| point.span_s))
            .with("kind", dictionary(points.iter().map(kind), &["all", "source", "service"]))
            .with("name", names(points.iter().map(|point| point.lane), model))
            .with("requests_per_s", rate(&|point| point.outcomes.iter().sum()))
            .with("failures_per_s", rate(&failed));
        let table = CAUSES.into_iter().fold(table, |table, cause| {
            table.with(&format!("{}_per_s", cause.as_str()), rate(&|point| point.outcomes[cause as usize]))
        });
        let table = table.with("good_ratio", number(&|point| point.good as f64 / counted(point) as f64));
        let quantile = |at: usize| number(&|point| point.latency_s[at]);
        table
            .with("latency_s_p50", quantile(0))
            .with("latency_s_p95", quantile(1))
            .with("latency_s_p99", quantile(2))
            .with("in_flight_mean", service(|point| point.in_flight_mean))
            .with("waiting_mean", service(|point| point.waiting_mean))
            .with("backends", Column::MaybeCount(points.iter().map(|one| Some(one.service?.backends)).collect()))
            .with("cpu_cores_mean", service(|point| point.cpu_cores))
            .with(
                "retries_per_s",
                number(&|point| point.service.map_or(f64::NAN, |service| service.retries as f64 / point.span_s)),
            )
    }
}

fn dictionary(codes: impl Iterator<Item = u32>, values: &[&str]) -> Column {
    Column::Dictionary { codes: codes.collect(), values: values.iter().map(|&value| value.to_owned()).collect() }
}

/// Names of lanes; that of all sources together is missing.
fn names(lanes: impl Iterator<Item = u32>, model: &Model) -> Column {
    let sources = model.traffic.sources.iter().map(|source| source.name.clone());
    let services = model.traffic.services.iter().map(|service| service.name.clone());
    Column::Dictionary {
        codes: lanes.map(|lane| lane.wrapping_sub(1)).collect(),
        values: sources.chain(services).collect(),
    }
}

/// `services.csv`: for each service a row of all its attempts, and one for each operation, zone and outcome.
pub fn services(figures: &Figures) -> Table {
    let rows: Vec<Row<'_>> = figures.services.iter().flat_map(rows_of).collect();
    let number = |of: &dyn Fn(&Row<'_>) -> f64| Column::Number(rows.iter().map(of).collect());
    let text = |of: &dyn for<'r> Fn(&'r Row<'_>) -> &'r str| Column::Text(rows.iter().map(of).collect());
    let service = |of: fn(&ServiceFigures) -> f64| number(&|row| row.whole.map_or(f64::NAN, of));
    let table = Table::new()
        .with("service", text(&|row| row.name))
        .with("scope", text(&|row| if row.whole.is_some() { "service" } else { "cell" }))
        .with("operation", text(&|row| row.cell[0]))
        .with("zone", text(&|row| row.cell[1]))
        .with("outcome", text(&|row| row.cell[2]))
        .with("count", Column::Count(rows.iter().map(|row| row.count).collect()))
        .with("throughput_per_s", number(&|row| row.rate));
    latencies(table, &rows.iter().map(|row| row.latency).collect::<Vec<_>>())
        .with("failed_ratio", service(|all| all.fate.failed_ratio))
        .with("good_ratio", service(|all| all.fate.good_ratio))
        .with("objective_latency_s", service(|all| objective(&all.fate)[0]))
        .with("objective_ratio", service(|all| objective(&all.fate)[1]))
        .with("error_budget_left_ratio", service(|all| all.fate.budget_left_ratio))
        .with("retries", Column::MaybeCount(rows.iter().map(|row| Some(row.whole?.retries)).collect()))
        .with("wait_s_mean", service(|all| all.wait.estimate))
        .with("in_flight_mean", service(|all| all.present[0]))
        .with("waiting_mean", service(|all| all.present[1]))
        .with("servers_mean", service(|all| all.servers))
        .with("worker_utilisation_ratio", service(|all| all.worker_utilisation))
        .with("cpu_cores_mean", service(|all| all.cpu_cores))
        .with("cpu_utilisation_ratio", service(|all| all.cpu_utilisation))
        .with_intervals(&rows.iter().map(|row| row.whole.map(service_intervals)).collect::<Vec<_>>())
}

/// `sources.csv`: one row a source, from end to end.
pub fn sources(figures: &Figures) -> Table {
    let fates: Vec<&FateFigures> = figures.sources.iter().map(|source| &source.fate).collect();
    let number = |of: fn(&FateFigures) -> f64| Column::Number(fates.iter().map(|fate| of(fate)).collect());
    let table = Table::new()
        .with("source", Column::Text(figures.sources.iter().map(|source| &source.name).collect()))
        .with("count", Column::Count(fates.iter().map(|fate| fate.count).collect()))
        .with("throughput_per_s", number(|fate| fate.rate));
    let table = Outcome::ALL.into_iter().fold(table, |table, outcome| {
        let counts = fates.iter().map(|fate| fate.outcomes[outcome as usize]).collect();
        table.with(outcome.as_str(), Column::Count(counts))
    });
    latencies(table, &fates.iter().map(|fate| fate.latency).collect::<Vec<_>>())
        .with("failed_ratio", number(|fate| fate.failed_ratio))
        .with("good_ratio", number(|fate| fate.good_ratio))
        .with("objective_latency_s", number(|fate| objective(fate)[0]))
        .with("objective_ratio", number(|fate| objective(fate)[1]))
        .with("error_budget_left_ratio", number(|fate| fate.budget_left_ratio))
        .with_intervals(&fates.iter().map(|fate| Some(latency_intervals(fate))).collect::<Vec<_>>())
}

/// A row of `services.csv`.
struct Row<'f> {
    name: &'f str,
    /// Operation, zone and outcome of a cell.
    cell: [&'f str; 3],
    count: u64,
    rate: f64,
    latency: Latency,
    /// The service, in the row of all its attempts.
    whole: Option<&'f ServiceFigures>,
}

fn rows_of(service: &ServiceFigures) -> impl Iterator<Item = Row<'_>> {
    let name = &service.name;
    let FateFigures { count, rate, latency, .. } = service.fate;
    let whole = Row { name, cell: [""; 3], count, rate, latency, whole: Some(service) };
    let cells = service.cells.iter().map(move |one| {
        let cell = [one.operation.as_str(), &one.zone, one.outcome];
        Row { name, cell, count: one.count, rate: one.rate, latency: one.latency, whole: None }
    });
    std::iter::once(whole).chain(cells)
}

/// Latency in seconds and part of the requests that an objective promises; NaN without one.
fn objective(fate: &FateFigures) -> [f64; 2] {
    fate.objective.map_or([f64::NAN; 2], |one| [one.latency.as_seconds(), one.ratio])
}

fn latencies(table: Table, rows: &[Latency]) -> Table {
    let number = |of: fn(&Latency) -> f64| Column::Number(rows.iter().map(of).collect());
    table
        .with(LATENCIES[0], number(|one| one.mean_s))
        .with(LATENCIES[1], number(|one| one.quantiles_s[0]))
        .with(LATENCIES[2], number(|one| one.quantiles_s[1]))
        .with(LATENCIES[3], number(|one| one.quantiles_s[2]))
        .with("latency_s_max", number(|one| one.max_s))
}

type Intervals = Vec<(&'static str, Interval)>;

fn latency_intervals(fate: &FateFigures) -> Intervals {
    LATENCIES.into_iter().zip(fate.latency_intervals).collect()
}

fn service_intervals(service: &ServiceFigures) -> Intervals {
    let mut intervals = latency_intervals(&service.fate);
    intervals.push(("throughput_per_s", service.rate_interval));
    intervals.push(("wait_s_mean", service.wait));
    intervals.push(("in_flight_mean", service.present_intervals[0]));
    intervals.push(("waiting_mean", service.present_intervals[1]));
    intervals
}

/// Columns of intervals.
trait WithIntervals {
    /// Adds for each figure the ends of its interval at 95 %, and at last those figures whose batches are still correlated:
    /// the run is too short for their intervals to be trusted. Rows without intervals have empty cells.
    fn with_intervals(self, rows: &[Option<Intervals>]) -> Self;
}

impl WithIntervals for Table {
    fn with_intervals(mut self, rows: &[Option<Intervals>]) -> Table {
        let names: Vec<&str> =
            rows.iter().flatten().next().iter().flat_map(|row| row.iter().map(|one| one.0)).collect();
        for (at, name) in names.iter().enumerate() {
            let end = |of: fn(&Interval) -> f64| {
                Column::Number(rows.iter().map(|row| row.as_ref().map_or(f64::NAN, |row| of(&row[at].1))).collect())
            };
            self = self
                .with(&format!("{name}_ci95_low"), end(|interval| interval.low))
                .with(&format!("{name}_ci95_high"), end(|interval| interval.high));
        }
        let too_short = |row: &Option<Intervals>| {
            let names = row.iter().flatten().filter(|one| one.1.is_too_short).map(|one| one.0);
            names.collect::<Vec<_>>().join(" ")
        };
        self.with("too_short", Column::Text(rows.iter().map(too_short).collect::<TextColumn>()))
    }
}

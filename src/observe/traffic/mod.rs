//! How requests fared: a time series by window, the figures of the whole run, and recorded requests.
//!
//! Memory does not grow with the number of requests. A run of known length has about a thousand rows of the series for each
//! source and service: windows are put together where there would be more.

pub mod figures;
mod spans;
pub mod tables;

use crate::ids::ServiceId;
use crate::model::Model;
use crate::stats::{BatchMeans, LatencyRecorder};
use crate::traffic::{Level, Outcome, Plane, Window};
use crate::units::SimTime;
use crate::world::View;
use figures::{Figures, ServiceSeries};

/// Rows of the series that a source or service has at most, where the length of the run is known.
const ROWS_MAX: u64 = 1000;

/// The probabilities of the quantiles of latency in tables.
pub(crate) const QUANTILES: [f64; 3] = [0.5, 0.95, 0.99];

/// What is recorded of traffic.
#[derive(Clone, Debug)]
pub struct TrafficLog {
    /// How many windows make a row, and how many the present one has.
    windows_per_row: u64,
    windows: u64,
    /// When the present row, and the present window, began.
    row_begin: SimTime,
    window_begin: SimTime,
    /// All sources together, each source, each service.
    lanes: Vec<Lane>,
    sources: usize,
    points: Vec<Point>,
    /// How the run went; none before its end.
    figures: Option<Box<Figures>>,
    /// Recorded requests in JSON.
    spans: Vec<u8>,
}

/// What the rows of one source or service are made of.
#[derive(Clone, Debug, Default)]
struct Lane {
    outcomes: [u64; Outcome::COUNT],
    good: u64,
    latency: LatencyRecorder,
    /// Of a service.
    service: Option<ServiceLane>,
}

#[derive(Clone, Debug, Default)]
struct ServiceLane {
    /// What stood at the beginning of the row: retries, core-time, and the integrals of requests there and of those that
    /// wait.
    retries: u64,
    compute_ns: u64,
    areas: [u128; 2],
    /// The integrals at the beginning of the window, and what came of windows since the warm-up.
    window_areas: [u128; 2],
    series: ServiceSeries,
}

/// A row of the series.
#[derive(Clone, Debug)]
struct Point {
    time: SimTime,
    span_s: f64,
    lane: u32,
    outcomes: [u64; Outcome::COUNT],
    good: u64,
    /// Seconds at [`QUANTILES`].
    latency_s: [f64; 3],
    service: Option<ServicePoint>,
}

#[derive(Clone, Copy, Debug)]
struct ServicePoint {
    retries: u64,
    in_flight_mean: f64,
    waiting_mean: f64,
    backends: u64,
    cpu_cores: f64,
}

impl TrafficLog {
    /// A log for the traffic of a model; none: it has no traffic.
    pub fn new(model: &Model) -> Option<TrafficLog> {
        let traffic = &model.traffic;
        if traffic.services.is_empty() {
            return None;
        }
        let window_ns = traffic.usage_window.0.max(1);
        let windows_per_row = match (model.outputs.sample_every, model.horizon) {
            (Some(spacing), _) => spacing.0.div_ceil(window_ns),
            (None, Some(horizon)) => horizon.0.div_ceil(window_ns).div_ceil(ROWS_MAX),
            (None, None) => 1,
        };
        let service = || Lane { service: Some(ServiceLane::default()), ..Lane::default() };
        let mut lanes = vec![Lane::default(); traffic.sources.len() + 1];
        lanes.extend(traffic.services.iter().map(|_| service()));
        Some(TrafficLog {
            windows_per_row: windows_per_row.max(1),
            windows: 0,
            row_begin: SimTime::ZERO,
            window_begin: SimTime::ZERO,
            lanes,
            sources: traffic.sources.len(),
            points: Vec::new(),
            figures: None,
            spans: Vec::new(),
        })
    }

    /// A window is over.
    pub fn see(&mut self, view: &View<'_>, plane: &mut Plane<'_>) {
        let now = view.world.time;
        let is_measured = self.window_begin >= view.model.traffic.warm_up;
        let span_s = now.since(self.window_begin).as_seconds();
        let (sources, services) = self.lanes.split_at_mut(self.sources + 1);
        for (position, fate) in plane.sources().iter().enumerate() {
            sources[0].take(&fate.window);
            sources[position + 1].take(&fate.window);
        }
        for (position, lane) in services.iter_mut().enumerate() {
            let statistics = plane.statistics(ServiceId::from_index(position));
            lane.take(&statistics.attempts.window);
            let areas = [&statistics.in_flight, &statistics.waiting].map(|level: &Level| level.area(now));
            let Some(service) = &mut lane.service else { continue };
            let before = std::mem::replace(&mut service.window_areas, areas);
            if is_measured && span_s > 0.0 {
                let rate = statistics.attempts.window.count() as f64 / span_s;
                service.series.record(rate, [0, 1].map(|at| (areas[at] - before[at]) as f64 / 1e9 / span_s));
            }
        }
        self.window_begin = now;
        self.windows += 1;
        if self.windows >= self.windows_per_row {
            self.close_row(now, plane);
        }
    }

    /// The present row ends.
    fn close_row(&mut self, now: SimTime, plane: &mut Plane<'_>) {
        let (time, span_s) = (self.row_begin, now.since(self.row_begin).as_seconds());
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            let id = (number > self.sources).then(|| ServiceId::from_index(number - self.sources - 1));
            let service = id.map(|id| lane.service_point(id, now, span_s, plane));
            self.points.push(Point {
                time,
                span_s,
                lane: number as u32,
                outcomes: lane.outcomes,
                good: lane.good,
                latency_s: lane.latency.quantiles_s(QUANTILES),
                service,
            });
            (lane.outcomes, lane.good) = ([0; Outcome::COUNT], 0);
            lane.latency.clear();
        }
        (self.row_begin, self.windows) = (now, 0);
    }

    /// The run is over.
    pub fn end(&mut self, view: &View<'_>, plane: &mut Plane<'_>) {
        let now = view.world.time;
        if now > self.window_begin {
            self.see(view, plane);
        }
        if self.windows > 0 {
            self.close_row(now, plane);
        }
        let series: Vec<&ServiceSeries> =
            self.lanes.iter().filter_map(|lane| Some(&lane.service.as_ref()?.series)).collect();
        self.figures = Some(Box::new(Figures::new(view, plane, &series)));
        self.spans = spans::to_json(view.model, plane.spans(), now);
    }

    /// The figures of the whole run; none before its end.
    pub fn figures(&self) -> Option<&Figures> {
        self.figures.as_deref()
    }

    /// Recorded requests as OTLP/JSON; none where none were to be recorded.
    pub fn spans_json(&self) -> Option<&[u8]> {
        (!self.spans.is_empty()).then_some(&self.spans[..])
    }
}

impl Lane {
    /// Takes in what a window has seen.
    fn take(&mut self, window: &Window) {
        self.outcomes.iter_mut().zip(window.outcomes).for_each(|(sum, count)| *sum += count);
        self.good += window.good;
        if window.latency.count() > 0 {
            self.latency.merge(&window.latency);
        }
    }

    /// What the row of a service has beside how requests ended.
    ///
    /// # Panics
    /// When it is a source's.
    fn service_point(&mut self, id: ServiceId, now: SimTime, span_s: f64, plane: &mut Plane<'_>) -> ServicePoint {
        let service = self.service.as_mut().expect("it is a service's lane");
        let compute_ns = plane.compute_ns(id);
        let statistics = plane.statistics(id);
        let retries = statistics.retries;
        let areas = [&statistics.in_flight, &statistics.waiting].map(|level: &Level| level.area(now));
        let mean = |at: usize| (areas[at] - service.areas[at]) as f64 / 1e9 / span_s;
        let point = ServicePoint {
            // At the end of the warm-up they are counted anew.
            retries: retries.checked_sub(service.retries).unwrap_or(retries),
            in_flight_mean: mean(0),
            waiting_mean: mean(1),
            backends: plane.backends(id) as u64,
            cpu_cores: (compute_ns - service.compute_ns) as f64 / 1e9 / span_s,
        };
        (service.retries, service.compute_ns, service.areas) = (retries, compute_ns, areas);
        point
    }
}

/// An empty series of means.
impl Default for ServiceSeries {
    fn default() -> Self {
        ServiceSeries { rate: BatchMeans::default(), present: [BatchMeans::default(), BatchMeans::default()] }
    }
}

#[cfg(test)]
mod tests;

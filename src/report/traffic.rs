//! How requests fared: `traffic.csv` and `services.csv` into charts and a table of the page.

use std::collections::BTreeMap;
use std::path::Path;

use super::chart::dots::{DotChart, Estimate, Panel};
use super::chart::lines::{Axis, Curve, LineChart, Stroke};
use super::chart::scale::{Spread, duration_range, duration_tick, short_duration, short_number};
use super::chart::trace::Trace;
use super::chart::{Chart, SERIES as COLORS};
use super::files::Rows;
use super::run_charts::time_axis;
use super::{NamedChart, ReportError};

/// No more sources or services in one chart than there are colours beside that of the whole.
const SHOWN_MAX: usize = 7;
/// No more services than that in the chart of figures.
const SERVICES_MAX: usize = 40;
/// A curve is broken where values are missing, at so many places at most.
const BREAKS_MAX: usize = 100;
/// A latency that varies by more than that factor is drawn on a logarithmic axis.
const LINEAR_MAX: f64 = 20.0;

/// Columns of failures by cause, and what they are called.
const CAUSES: [(&str, &str); 5] = [
    ("error_per_s", "Error"),
    ("timeout_per_s", "Timeout"),
    ("refused_per_s", "Refused"),
    ("unavailable_per_s", "No backend"),
    ("lost_per_s", "Lost with the server"),
];
const LATENCIES: [&str; 3] = ["latency_s_p50", "latency_s_p95", "latency_s_p99"];
/// Further columns that charts show.
const LEVELS: [&str; 6] =
    ["requests_per_s", "failures_per_s", "in_flight_mean", "backends", "cpu_cores_mean", "retries_per_s"];

/// A value over time, window by window.
#[derive(Debug, Default)]
struct Course {
    /// Cut where values are missing.
    pieces: Vec<Trace>,
    /// Where the last window with a value ended.
    end_s: f64,
    is_open: bool,
}

impl Course {
    fn push(&mut self, time_s: f64, span_s: f64, value: f64) {
        if !value.is_finite() {
            self.is_open = false;
            return;
        }
        if !self.is_open && self.pieces.len() < BREAKS_MAX {
            self.close();
            self.pieces.push(Trace::default());
        }
        self.is_open = true;
        self.end_s = time_s + span_s;
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(time_s, value);
        }
    }

    /// The last value holds to the end of its window.
    fn close(&mut self) {
        let end_s = self.end_s;
        if let Some(piece) = self.pieces.last_mut()
            && let Some((_, value)) = piece.last()
        {
            piece.push(end_s, value);
        }
    }

    fn peak(&self) -> Option<(f64, f64)> {
        let peaks = self.pieces.iter().filter_map(Trace::peak);
        peaks.reduce(|best, point| if point.1 > best.1 { point } else { best })
    }

    fn highest(&self) -> f64 {
        self.peak().map_or(0.0, |point| point.1)
    }

    fn varies(&self) -> bool {
        let mut values = self.pieces.iter().flat_map(Trace::points).map(|point| point.1);
        values.next().is_some_and(|first| values.any(|value| value != first))
    }

    /// Curves of one colour, of which the first has the name.
    fn curves(&self, name: &str, color: usize, length_s: f64, factor: f64, stroke: Stroke) -> Vec<Curve> {
        let piece = |(at, trace): (usize, &Trace)| Curve {
            name: if at == 0 { name.to_owned() } else { String::new() },
            color: COLORS[color % COLORS.len()],
            points: trace.points().into_iter().map(|(time_s, value)| (time_s / length_s, value * factor)).collect(),
            band: Vec::new(),
            stroke,
        };
        self.pieces.iter().enumerate().map(piece).collect()
    }
}

/// What is known of all requests, of those of a source, or of the attempts at a service.
#[derive(Debug, Default)]
struct Lane {
    causes: [Course; CAUSES.len()],
    latency: [Course; LATENCIES.len()],
    levels: [Course; LEVELS.len()],
}

impl Lane {
    fn level(&self, name: &str) -> &Course {
        let at = LEVELS.iter().position(|level| *level == name).expect("the column is read");
        &self.levels[at]
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Course> {
        self.causes.iter_mut().chain(&mut self.latency).chain(&mut self.levels)
    }
}

/// The figures of a service over the whole run; NaN where there are none.
#[derive(Clone, Debug)]
pub(super) struct ServiceRow {
    pub(super) name: String,
    pub(super) figures: BTreeMap<&'static str, f64>,
}

/// Columns of `services.csv` that the page shows, with their headings and units.
pub(super) const FIGURES: [(&str, &str, &str); 10] = [
    ("count", "Attempts", "count"),
    ("throughput_per_s", "Per second", "1/s"),
    ("failed_ratio", "Failed", "ratio"),
    ("latency_s_p50", "p50", "s"),
    ("latency_s_p95", "p95", "s"),
    ("latency_s_p99", "p99", "s"),
    ("wait_s_mean", "Mean wait", "s"),
    ("worker_utilisation_ratio", "Workers busy", "ratio"),
    ("cpu_cores_mean", "Cores used", "count"),
    ("error_budget_left_ratio", "Budget left", "ratio"),
];
/// Ends of intervals.
const INTERVALS: [&str; 4] =
    ["latency_s_p50_ci95_low", "latency_s_p50_ci95_high", "latency_s_p99_ci95_low", "latency_s_p99_ci95_high"];

/// What the report shows of traffic.
#[derive(Debug)]
pub(super) struct Traffic {
    all: Lane,
    sources: Vec<(String, Lane)>,
    services: Vec<(String, Lane)>,
    end_s: f64,
    pub(super) rows: Vec<ServiceRow>,
}

/// Reads the tables of traffic; none without them.
///
/// # Errors
/// When a table is broken.
pub(super) fn read(directory: &Path) -> Result<Option<Traffic>, ReportError> {
    let mut picks = vec!["time_s", "span_s", "kind", "name"];
    picks.extend(CAUSES.map(|cause| cause.0).into_iter().chain(LATENCIES).chain(LEVELS));
    let Some(mut rows) = Rows::open(directory, "traffic.csv", &picks)? else { return Ok(None) };
    let (mut all, mut sources, mut services) = (Lane::default(), Vec::new(), Vec::new());
    let mut end_s = 0.0f64;
    while rows.advance()? {
        let (time_s, span_s) = (rows.number(0)?, rows.number(1)?);
        let name = rows.text(3).into_owned();
        let lane = match &*rows.text(2) {
            "source" => lane_of(&mut sources, name),
            "service" => lane_of(&mut services, name),
            _ => &mut all,
        };
        for (at, course) in lane.all().enumerate() {
            course.push(time_s, span_s, rows.number(at + 4)?);
        }
        end_s = end_s.max(time_s + span_s);
    }
    let lanes = std::iter::once(&mut all).chain(sources.iter_mut().chain(&mut services).map(|(_, lane)| lane));
    lanes.flat_map(Lane::all).for_each(Course::close);
    Ok(Some(Traffic { all, sources, services, end_s, rows: read_services(directory)? }))
}

fn lane_of(lanes: &mut Vec<(String, Lane)>, name: String) -> &mut Lane {
    let position = lanes.iter().position(|(other, _)| *other == name).unwrap_or_else(|| {
        lanes.push((name, Lane::default()));
        lanes.len() - 1
    });
    &mut lanes[position].1
}

fn read_services(directory: &Path) -> Result<Vec<ServiceRow>, ReportError> {
    let mut picks = vec!["service", "scope"];
    picks.extend(FIGURES.map(|figure| figure.0).into_iter().chain(INTERVALS));
    let mut list = Vec::new();
    let Some(mut rows) = Rows::open(directory, "services.csv", &picks)? else { return Ok(list) };
    while rows.advance()? {
        if rows.text(1) == "service" {
            let columns = picks.iter().enumerate().skip(2);
            let figures =
                columns.map(|(at, name)| Ok((*name, rows.number(at)?))).collect::<Result<_, ReportError>>()?;
            list.push(ServiceRow { name: rows.text(0).into_owned(), figures });
        }
    }
    Ok(list)
}

impl Traffic {
    /// The charts, in the order in which a reader wants them.
    pub(super) fn charts(&self, end_s: f64) -> Vec<NamedChart> {
        let end_s = end_s.max(self.end_s);
        let mut charts = Vec::new();
        let mut add = |name, chart| charts.push(NamedChart::new(name, chart));
        add("traffic", Chart::Lines(self.rate_chart(end_s)));
        add("latency", Chart::Lines(self.latency_chart(end_s)));
        if self.all.causes.iter().any(|cause| cause.highest() > 0.0) {
            add("failures", Chart::Lines(self.failure_chart(end_s)));
        }
        if self.services.len() > 1 {
            add("services_latency", Chart::Lines(self.service_latency_chart(end_s)));
        }
        if self.any("in_flight_mean") {
            let title = "Requests at each service, waiting ones included";
            add(
                "services_in_flight",
                Chart::Lines(self.level_chart(title, "Requests (mean)", "in_flight_mean", end_s)),
            );
        }
        if self.any("cpu_cores_mean") {
            let title = "Cores that requests used at each service";
            add("services_cpu", Chart::Lines(self.level_chart(title, "Cores (mean)", "cpu_cores_mean", end_s)));
        }
        if self.services.iter().any(|(_, lane)| lane.level("backends").varies()) {
            let title = "Backends of each service that were ready";
            add("services_backends", Chart::Lines(self.level_chart(title, "Backends", "backends", end_s)));
        }
        if self.any("retries_per_s") {
            let title = "Attempts that were made again, by service";
            add(
                "services_retries",
                Chart::Lines(self.level_chart(title, "Retries per second", "retries_per_s", end_s)),
            );
        }
        if self.rows.len() > 1 {
            add("services", Chart::Dots(self.figure_chart()));
        }
        charts
    }

    /// Whether any service ever has more than 0 of it.
    fn any(&self, level: &str) -> bool {
        self.services.iter().any(|(_, lane)| lane.level(level).highest() > 0.0)
    }

    fn rate_chart(&self, end_s: f64) -> LineChart {
        let (x, length_s) = time_axis(end_s);
        let (all, failed) = (self.all.level("requests_per_s"), self.all.level("failures_per_s"));
        let mut curves = all.curves("All requests", 0, length_s, 1.0, Stroke::Area);
        if self.sources.len() > 1 {
            let shown = largest(&self.sources, |lane| lane.level("requests_per_s"));
            for (color, (_, (name, lane))) in (2..).zip(shown) {
                let course = lane.level("requests_per_s");
                curves.extend(course.curves(&format!("From {name}"), color, length_s, 1.0, Stroke::Steps));
            }
        }
        if failed.highest() > 0.0 {
            curves.extend(failed.curves("Failed", 1, length_s, 1.0, Stroke::Steps));
        }
        let mut remark = most("At most", all, |rate| format!("{} requests a second", short_number(rate)));
        remark.push_str(&match failed.highest() {
            0.0 => " None failed.".to_owned(),
            _ => format!(" {}", most("At most", failed, |rate| format!("{} failures a second", short_number(rate)))),
        });
        let title = "Requests that ended, from end to end".to_owned();
        LineChart { title, remark, x, y: axis("Requests per second", &curves), curves }
    }

    fn latency_chart(&self, end_s: f64) -> LineChart {
        let (x, length_s) = time_axis(end_s);
        let names = ["Half took at most (p50)", "95 % (p95)", "99 % (p99)"];
        let mut curves = Vec::new();
        for (at, name) in names.into_iter().enumerate() {
            curves.extend(self.all.latency[at].curves(name, at, length_s, 1e3, Stroke::Steps));
        }
        let longest = |at: usize| self.all.latency[at].highest() * 1e3;
        let remark = match self.all.latency[0].pieces.is_empty() {
            true => "No request was answered well.".to_owned(),
            false => format!(
                "Requests that were answered well. In the worst windows p50 is {}, p99 {}.",
                short_duration(longest(0)),
                short_duration(longest(2))
            ),
        };
        let title = "Latency of requests, from end to end".to_owned();
        LineChart { title, remark, x, y: latency_axis(&curves), curves }
    }

    fn failure_chart(&self, end_s: f64) -> LineChart {
        let (x, length_s) = time_axis(end_s);
        let mut curves = Vec::new();
        for (color, (course, (_, name))) in (1..).zip(self.all.causes.iter().zip(CAUSES)) {
            if course.highest() > 0.0 {
                curves.extend(course.curves(name, color, length_s, 1.0, Stroke::Steps));
            }
        }
        LineChart {
            title: "Requests that failed, by cause".to_owned(),
            remark: "As their sources see it, after all attempts.".to_owned(),
            x,
            y: axis("Requests per second", &curves),
            curves,
        }
    }

    fn service_latency_chart(&self, end_s: f64) -> LineChart {
        let (x, length_s) = time_axis(end_s);
        let shown = largest(&self.services, |lane| &lane.latency[2]);
        let mut curves = Vec::new();
        for (color, (name, lane)) in &shown {
            curves.extend(lane.latency[2].curves(name, *color, length_s, 1e3, Stroke::Steps));
        }
        LineChart {
            title: "Latency that 99 % of attempts at each service did not exceed".to_owned(),
            remark: format!("As callers see it, attempts that were answered well.{}", self.left_out(shown.len())),
            x,
            y: latency_axis(&curves),
            curves,
        }
    }

    fn level_chart(&self, title: &str, label: &str, level: &str, end_s: f64) -> LineChart {
        let (x, length_s) = time_axis(end_s);
        let shown = largest(&self.services, |lane| lane.level(level));
        let mut curves = Vec::new();
        for (color, (name, lane)) in &shown {
            curves.extend(lane.level(level).curves(name, *color, length_s, 1.0, Stroke::Steps));
        }
        let remark = shown.first().map_or_else(String::new, |(_, (name, lane))| {
            most("At most", lane.level(level), |value| format!("{} at {name}", short_number(value)))
        });
        let remark = format!("{remark}{}", self.left_out(shown.len()));
        LineChart { title: title.to_owned(), remark, x, y: axis(label, &curves), curves }
    }

    fn left_out(&self, shown: usize) -> String {
        match self.services.len() - shown {
            0 => String::new(),
            others => format!(" The {shown} highest; {others} more are in traffic.csv."),
        }
    }

    fn figure_chart(&self) -> DotChart {
        let rows: Vec<&ServiceRow> = self.rows.iter().take(SERVICES_MAX).collect();
        let panel = |title: &str, unit: &str, column: &'static str, factor: f64| Panel {
            title: title.to_owned(),
            unit: unit.to_owned(),
            estimates: rows.iter().map(|row| row.estimate(column, factor)).collect(),
        };
        let mut panels = vec![
            panel("Latency, half of attempts", "ms", "latency_s_p50", 1e3),
            panel("Latency, 99 % of attempts", "ms", "latency_s_p99", 1e3),
        ];
        let has = |column: &str| rows.iter().any(|row| row.figures[column] > 0.0);
        if has("worker_utilisation_ratio") {
            panels.push(panel("Workers busy", "%", "worker_utilisation_ratio", 100.0));
        }
        if has("failed_ratio") {
            panels.push(panel("Attempts that failed", "%", "failed_ratio", 100.0));
        }
        let cut = match self.rows.len() - rows.len() {
            0 => String::new(),
            others => format!(" {others} more services are in services.csv."),
        };
        DotChart {
            title: "The services compared".to_owned(),
            remark: format!("Over the whole run after the warm-up, with 95 % intervals where they are known.{cut}"),
            rows: rows.iter().map(|row| (row.name.clone(), COLORS[0])).collect(),
            panels,
        }
    }
}

impl ServiceRow {
    fn estimate(&self, column: &'static str, factor: f64) -> Estimate {
        let of = |name: &str| self.figures.get(name).map_or(f64::NAN, |value| value * factor);
        Estimate { mean: of(column), low: of(&format!("{column}_ci95_low")), high: of(&format!("{column}_ci95_high")) }
    }
}

/// Those with the highest values, highest first, with their colours: the same in all charts where these are enough for all.
fn largest(lanes: &[(String, Lane)], of: impl Fn(&Lane) -> &Course) -> Vec<(usize, &(String, Lane))> {
    let mut order: Vec<usize> = (0..lanes.len()).collect();
    order.sort_by(|&one, &other| of(&lanes[other].1).highest().total_cmp(&of(&lanes[one].1).highest()));
    order.truncate(SHOWN_MAX);
    let color = |(rank, &at): (usize, &usize)| if lanes.len() <= COLORS.len() { at } else { rank };
    order.iter().enumerate().map(|one| (color(one), &lanes[*one.1])).collect()
}

fn most(begin: &str, course: &Course, say: impl Fn(f64) -> String) -> String {
    course.peak().map_or_else(String::new, |(time_s, value)| {
        format!("{begin} {}, at {}.", say(value), short_duration(1000.0 * time_s))
    })
}

/// An axis from zero to the highest curve.
fn axis(label: &str, curves: &[Curve]) -> Axis {
    let highest = curves.iter().flat_map(|curve| &curve.points).map(|point| point.1).fold(0.0, f64::max);
    let range = Some((0.0, if highest > 0.0 { highest } else { 1.0 }));
    Axis { label: label.to_owned(), spread: Spread::Linear, range, format: short_number }
}

/// An axis of milliseconds: logarithmic where they vary much.
fn latency_axis(curves: &[Curve]) -> Axis {
    let values = || curves.iter().flat_map(|curve| &curve.points).map(|point| point.1).filter(|value| *value > 0.0);
    let (shortest, longest) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    if longest > LINEAR_MAX * shortest {
        let range = Some(duration_range(shortest, longest));
        let label = "Latency (logarithmic)".to_owned();
        return Axis { label, spread: Spread::Durations, range, format: duration_tick };
    }
    Axis { format: short_duration, ..axis("Latency", curves) }
}

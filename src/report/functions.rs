//! What a function platform did: `function_series.csv` and `functions.csv` into charts.

use std::path::Path;

use super::chart::lines::{Axis, Curve, LineChart, Stroke};
use super::chart::scale::{Spread, short_duration, short_number};
use super::chart::trace::Trace;
use super::chart::{Chart, SERIES as COLORS};
use super::files::Rows;
use super::run_charts::time_axis;
use super::{NamedChart, ReportError};

/// What the report shows of functions.
#[derive(Debug)]
pub(super) struct Functions {
    end_s: f64,
    calls: Trace,
    cold: Trace,
    throttled: Trace,
    cold_pct: Trace,
    /// Of functions that were called: how many of a hundred calls met a cold start.
    parts: Vec<f64>,
}

/// Reads the tables of functions; none without them.
///
/// # Errors
/// When a table is broken.
pub(super) fn read(directory: &Path) -> Result<Option<Functions>, ReportError> {
    let picks = ["time_s", "span_s", "invocations", "cold", "throttled"];
    let Some(mut rows) = Rows::open(directory, "function_series.csv", &picks)? else { return Ok(None) };
    let trace = Trace::default;
    let mut found = Functions {
        end_s: 0.0,
        calls: trace(),
        cold: trace(),
        throttled: trace(),
        cold_pct: trace(),
        parts: Vec::new(),
    };
    while rows.advance()? {
        let [time_s, span_s, calls] = [rows.number(0)?, rows.number(1)?, rows.number(2)?];
        let [cold, throttled] = [rows.number(3)?, rows.number(4)?];
        found.end_s = time_s + span_s;
        found.calls.push(time_s, calls / span_s);
        found.cold.push(time_s, cold / span_s);
        found.throttled.push(time_s, throttled / span_s);
        if calls > 0.0 {
            found.cold_pct.push(time_s, 100.0 * cold / calls);
        }
    }
    if let Some(mut rows) = Rows::open(directory, "functions.csv", &["cold_pct"])? {
        while rows.advance()? {
            let part = rows.number(0)?;
            found.parts.extend(part.is_finite().then_some(part));
        }
    }
    found.parts.sort_by(f64::total_cmp);
    Ok((found.end_s > 0.0).then_some(found))
}

impl Functions {
    /// Calls over time, the part of them that met a cold start, and how that part differs between functions.
    pub(super) fn charts(&self) -> Vec<NamedChart> {
        let named = |name: &str, chart| NamedChart::new(name, Chart::Lines(chart));
        let mut charts = vec![named("functions", self.call_chart()), named("functions_cold", self.cold_chart())];
        if !self.parts.is_empty() {
            charts.push(named("functions_spread", self.spread_chart()));
        }
        charts
    }

    fn call_chart(&self) -> LineChart {
        let (x, length_s) = time_axis(self.end_s);
        let curve = |name: &str, color: usize, trace: &Trace, stroke| self.curve(name, color, trace, length_s, stroke);
        let mut curves =
            vec![curve("Calls", 0, &self.calls, Stroke::Area), curve("Cold starts", 1, &self.cold, Stroke::Steps)];
        if self.throttled.peak().is_some_and(|(_, most)| most > 0.0) {
            curves.push(curve("Throttled", 3, &self.throttled, Stroke::Steps));
        }
        let remark = self.calls.peak().map_or_else(String::new, |(time_s, most)| {
            format!("At most {} calls a second, at {}.", short_number(most), short_duration(1000.0 * time_s))
        });
        let highest = self.calls.peak().map_or(1.0, |peak| peak.1);
        let y = Axis {
            label: "A second".to_owned(),
            spread: Spread::Linear,
            range: Some((0.0, highest)),
            format: short_number,
        };
        LineChart { title: "Calls of functions".to_owned(), remark, x, y, curves }
    }

    fn cold_chart(&self) -> LineChart {
        let (x, length_s) = time_axis(self.end_s);
        let curves = vec![self.curve("", 1, &self.cold_pct, length_s, Stroke::Steps)];
        let highest = self.cold_pct.peak().map_or(1.0, |peak| peak.1.max(0.1));
        let y = Axis {
            label: "Calls that met a cold start (%)".to_owned(),
            spread: Spread::Linear,
            range: Some((0.0, highest)),
            format: short_number,
        };
        let remark = "Of all calls that came in a window of time.".to_owned();
        LineChart { title: "Cold starts over time".to_owned(), remark, x, y, curves }
    }

    /// The last window lasts to the end.
    fn curve(&self, name: &str, color: usize, trace: &Trace, length_s: f64, stroke: Stroke) -> Curve {
        let mut points: Vec<(f64, f64)> =
            trace.points().into_iter().map(|(time_s, value)| (time_s / length_s, value)).collect();
        if let Some((_, value)) = trace.last() {
            points.push((self.end_s / length_s, value));
        }
        Curve { name: name.to_owned(), color: COLORS[color], points, band: Vec::new(), stroke }
    }

    /// How many functions have no more than so many cold starts.
    fn spread_chart(&self) -> LineChart {
        let count = self.parts.len() as f64;
        let mut points = vec![(0.0, 0.0)];
        points.extend(self.parts.iter().enumerate().map(|(index, part)| (*part, 100.0 * (index as f64 + 1.0) / count)));
        points.push((100.0, 100.0));
        let axis = |label: &str| Axis {
            label: label.to_owned(),
            spread: Spread::Linear,
            range: Some((0.0, 100.0)),
            format: short_number,
        };
        let at = |part: f64| self.parts[((part * count).ceil() as usize).clamp(1, self.parts.len()) - 1];
        let remark = format!(
            "Half of the {} functions that were called meet one in at most {:.1} % of their calls, three quarters in at most {:.1} %.",
            short_number(count),
            at(0.5),
            at(0.75)
        );
        let curves =
            vec![Curve { name: String::new(), color: COLORS[0], points, band: Vec::new(), stroke: Stroke::Steps }];
        LineChart {
            title: "How cold starts differ between functions".to_owned(),
            remark,
            x: axis("Cold starts of a function (% of its calls)"),
            y: axis("Functions (%)"),
            curves,
        }
    }
}

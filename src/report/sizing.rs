//! What came of a back-test of sizes: `sizing_series.csv` into charts.

use std::path::Path;

use super::chart::lines::{Axis, Curve, LineChart, Stroke};
use super::chart::scale::{Spread, short_number};
use super::chart::trace::Trace;
use super::chart::{Chart, SERIES as COLORS};
use super::files::Rows;
use super::run_charts::time_axis;
use super::{NamedChart, ReportError};

/// What the report shows of sizes: requests and usage of CPU and of memory.
#[derive(Debug)]
pub(super) struct Sizing {
    end_s: f64,
    cpu: [Trace; 2],
    memory: [Trace; 2],
}

/// Reads the table of sizes; none without it.
///
/// # Errors
/// When the table is broken.
pub(super) fn read(directory: &Path) -> Result<Option<Sizing>, ReportError> {
    let picks =
        ["time_s", "span_s", "cpu_requested_cores", "cpu_used_cores", "memory_requested_gib", "memory_used_gib"];
    let Some(mut rows) = Rows::open(directory, "sizing_series.csv", &picks)? else { return Ok(None) };
    let mut found = Sizing { end_s: 0.0, cpu: Default::default(), memory: Default::default() };
    while rows.advance()? {
        let time_s = rows.number(0)?;
        found.end_s = time_s + rows.number(1)?;
        for (at, trace) in found.cpu.iter_mut().chain(&mut found.memory).enumerate() {
            trace.push(time_s, rows.number(2 + at)?);
        }
    }
    Ok((found.end_s > 0.0).then_some(found))
}

impl Sizing {
    /// What is requested and used, of CPU and of memory.
    pub(super) fn charts(&self) -> Vec<NamedChart> {
        let charts = [("sizing_cpu", "CPU", "cores", &self.cpu), ("sizing_memory", "Memory", "GiB", &self.memory)];
        let there = charts.into_iter().filter(|(.., traces)| traces[1].peak().is_some_and(|(_, most)| most > 0.0));
        there
            .map(|(name, what, unit, traces)| NamedChart::new(name, Chart::Lines(self.chart(what, unit, traces))))
            .collect()
    }

    fn chart(&self, what: &str, unit: &str, traces: &[Trace; 2]) -> LineChart {
        let (x, length_s) = time_axis(self.end_s);
        let curve = |name: &str, color: usize, trace: &Trace, stroke| {
            let mut points: Vec<(f64, f64)> =
                trace.points().into_iter().map(|(time_s, value)| (time_s / length_s, value)).collect();
            if let Some((_, value)) = trace.last() {
                points.push((self.end_s / length_s, value));
            }
            Curve { name: name.to_owned(), color: COLORS[color], points, band: Vec::new(), stroke }
        };
        let [requested, used] = traces;
        let curves = vec![curve("Used", 0, used, Stroke::Area), curve("Requested", 1, requested, Stroke::Steps)];
        let highest = traces.iter().filter_map(Trace::peak).map(|peak| peak.1).fold(0.0, f64::max);
        LineChart {
            title: format!("{what} of all containers, requested and used"),
            remark: "Means over windows of time; what is used is cut at the limits.".to_owned(),
            x,
            y: Axis {
                label: format!("{what} ({unit})"),
                spread: Spread::Linear,
                range: Some((0.0, highest)),
                format: short_number,
            },
            curves,
        }
    }
}

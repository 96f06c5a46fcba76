//! What nodes drew and what it cost the climate: `energy.csv` into charts.

use std::path::Path;

use super::chart::lines::{Axis, Curve, LineChart, Stroke};
use super::chart::scale::{Spread, short_number};
use super::chart::trace::Trace;
use super::chart::{Chart, SERIES as COLORS};
use super::files::Rows;
use super::run_charts::time_axis;
use super::{NamedChart, ReportError};

/// No more pools get curves of their own.
const SHOWN_MAX: usize = 6;

/// The course of one pool.
#[derive(Debug, Default)]
struct Course {
    name: String,
    power_kw: Trace,
    intensity: Trace,
    energy_kwh: f64,
    carbon_kg: f64,
}

/// What the report shows of energy.
#[derive(Debug, Default)]
pub(super) struct Energy {
    list: Vec<Course>,
}

/// Reads the table of energy; nothing without it.
///
/// # Errors
/// When the table is broken.
pub(super) fn read(directory: &Path) -> Result<Energy, ReportError> {
    let picks = ["time_s", "pool", "power_w", "intensity_g_per_kwh", "energy_kwh", "carbon_kg"];
    let mut found = Energy::default();
    let Some(mut rows) = Rows::open(directory, "energy.csv", &picks)? else { return Ok(found) };
    while rows.advance()? {
        let name = rows.text(1).into_owned();
        let at = found.list.iter().position(|course| course.name == name).unwrap_or_else(|| {
            found.list.push(Course { name, ..Course::default() });
            found.list.len() - 1
        });
        let course = &mut found.list[at];
        let time_s = rows.number(0)?;
        course.power_kw.push(time_s, rows.number(2)? / 1000.0);
        course.intensity.push(time_s, rows.number(3)?);
        (course.energy_kwh, course.carbon_kg) = (rows.number(4)?, rows.number(5)?);
    }
    Ok(found)
}

impl Energy {
    /// A chart of power by pool, and one of carbon intensity where it is known.
    pub(super) fn charts(&self, end_s: f64) -> Vec<NamedChart> {
        let mut charts = Vec::new();
        let sum = |of: fn(&Course) -> f64| self.list.iter().map(of).sum::<f64>();
        if self.list.iter().any(|course| course.power_kw.len() > 0) {
            let carbon_kg = sum(|course| course.carbon_kg);
            let carbon = match carbon_kg.is_finite() {
                true => format!(", {} kg CO2e", short_number(carbon_kg)),
                false => String::new(),
            };
            let remark = format!("{} kWh in all{carbon}.", short_number(sum(|course| course.energy_kwh)));
            let chart = self.chart(end_s, ["Power at the mains", &remark, "Power (kW)"], |course| &course.power_kw);
            charts.push(NamedChart::new("power", Chart::Lines(chart)));
        }
        if self.list.iter().any(|course| course.intensity.len() > 0) {
            let remark = "Mean of the zones in which nodes are, by their power.";
            let texts = ["Carbon intensity", remark, "g CO2e a kWh"];
            let chart = self.chart(end_s, texts, |course| &course.intensity);
            charts.push(NamedChart::new("carbon_intensity", Chart::Lines(chart)));
        }
        charts
    }

    fn chart(&self, end_s: f64, [title, remark, label]: [&str; 3], of: fn(&Course) -> &Trace) -> LineChart {
        let (x, length_s) = time_axis(end_s);
        let curve = |(position, course): (usize, &Course)| {
            let trace = of(course);
            let points = trace.points().into_iter().map(|(time_s, value)| (time_s / length_s, value)).collect();
            let name = if course.name.is_empty() { "Nodes without a pool" } else { &course.name };
            Curve { name: name.to_owned(), color: COLORS[position], points, band: Vec::new(), stroke: Stroke::Steps }
        };
        let curves: Vec<Curve> = self.list.iter().take(SHOWN_MAX).enumerate().map(curve).collect();
        let left_out = match self.list.len().saturating_sub(SHOWN_MAX) {
            0 => String::new(),
            others => format!(" {others} more pools are in energy.csv."),
        };
        let highest = curves.iter().flat_map(|curve| &curve.points).map(|point| point.1).fold(0.0, f64::max);
        let range = Some((0.0, if highest > 0.0 { highest } else { 1.0 }));
        LineChart {
            title: title.to_owned(),
            remark: format!("{remark}{left_out}"),
            x,
            y: Axis { label: label.to_owned(), spread: Spread::Linear, range, format: short_number },
            curves,
        }
    }
}

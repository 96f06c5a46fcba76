//! What autoscalers did: `autoscalers.csv` into charts.

use std::path::Path;

use super::chart::lines::{Axis, Curve, LineChart, Stroke};
use super::chart::scale::{Spread, short_duration, short_number};
use super::chart::trace::Trace;
use super::chart::{Chart, SERIES as COLORS};
use super::files::Rows;
use super::run_charts::time_axis;
use super::{NamedChart, ReportError};

/// No more autoscalers get charts of their own.
const SHOWN_MAX: usize = 4;

/// The course of one autoscaler.
#[derive(Debug, Default)]
struct Course {
    name: String,
    desired: Trace,
    ready: Trace,
    metric: String,
    value: Trace,
    target: Trace,
    changes: u64,
}

/// What the report shows of autoscalers.
#[derive(Debug, Default)]
pub(super) struct Autoscaling {
    list: Vec<Course>,
}

/// Reads the table of autoscalers; none without it.
///
/// # Errors
/// When the table is broken.
pub(super) fn read(directory: &Path) -> Result<Autoscaling, ReportError> {
    let picks = [
        "time_s",
        "autoscaler",
        "replicas_wanted",
        "replicas_desired",
        "replicas_ready",
        "metric",
        "metric_value",
        "metric_target",
    ];
    let mut found = Autoscaling::default();
    let Some(mut rows) = Rows::open(directory, "autoscalers.csv", &picks)? else { return Ok(found) };
    while rows.advance()? {
        let name = rows.text(1).into_owned();
        let at = found.list.iter().position(|course| course.name == name).unwrap_or_else(|| {
            found.list.push(Course { name, ..Course::default() });
            found.list.len() - 1
        });
        let course = &mut found.list[at];
        let [time_s, wanted, desired, ready] = [rows.number(0)?, rows.number(2)?, rows.number(3)?, rows.number(4)?];
        course.changes += u64::from(wanted != desired);
        if course.desired.len() == 0 {
            course.desired.push(0.0, wanted);
            course.ready.push(0.0, ready);
        }
        course.desired.push(time_s, desired);
        course.ready.push(time_s, ready);
        let (value, target) = (rows.number(6)?, rows.number(7)?);
        if value.is_finite() && target.is_finite() {
            course.metric = rows.text(5).into_owned();
            course.value.push(time_s, value);
            course.target.push(time_s, target);
        }
    }
    Ok(found)
}

impl Autoscaling {
    /// A chart of replicas for each, and of the metric that it follows.
    pub(super) fn charts(&self, end_s: f64) -> Vec<NamedChart> {
        let mut charts = Vec::new();
        for (position, course) in self.list.iter().take(SHOWN_MAX).enumerate() {
            let number = if self.list.len() > 1 { format!("_{}", position + 1) } else { String::new() };
            let left_out = match self.list.len().saturating_sub(SHOWN_MAX) {
                others if others > 0 && position + 1 == SHOWN_MAX => {
                    format!(" {others} more autoscalers are in autoscalers.csv.")
                }
                _ => String::new(),
            };
            let chart = course.replica_chart(end_s, &left_out);
            charts.push(NamedChart::new(&format!("replicas{number}"), Chart::Lines(chart)));
            if course.value.len() > 0 {
                let chart = course.metric_chart(end_s);
                charts.push(NamedChart::new(&format!("replicas_metric{number}"), Chart::Lines(chart)));
            }
        }
        charts
    }
}

impl Course {
    fn replica_chart(&self, end_s: f64, left_out: &str) -> LineChart {
        let (x, length_s) = time_axis(end_s);
        let curves = vec![
            curve("Ready", 0, &self.ready, end_s, length_s, Stroke::Area),
            curve("Asked for", 1, &self.desired, end_s, length_s, Stroke::Steps),
        ];
        let peak = self.desired.peak().map_or_else(String::new, |(time_s, replicas)| {
            format!(" At most {}, at {}.", short_number(replicas), short_duration(1000.0 * time_s))
        });
        let times = if self.changes == 1 { "once".to_owned() } else { format!("{} times", self.changes) };
        LineChart {
            title: format!("Replicas of {}", self.name),
            remark: format!("The number was changed {times}.{peak}{left_out}"),
            x,
            y: axis("Replicas", &curves),
            curves,
        }
    }

    fn metric_chart(&self, end_s: f64) -> LineChart {
        let (x, length_s) = time_axis(end_s);
        let curves = vec![
            curve("As it was seen", 0, &self.value, end_s, length_s, Stroke::Steps),
            curve("Target", 1, &self.target, end_s, length_s, Stroke::Steps),
        ];
        LineChart {
            title: format!("What {} follows: {}", self.name, self.metric),
            remark: "The metric that decided, at the times when the autoscaler looked.".to_owned(),
            x,
            y: axis(&self.metric, &curves),
            curves,
        }
    }
}

/// The last value holds to the end.
pub(super) fn curve(name: &str, color: usize, trace: &Trace, end_s: f64, length_s: f64, stroke: Stroke) -> Curve {
    let mut points: Vec<(f64, f64)> =
        trace.points().into_iter().map(|(time_s, value)| (time_s / length_s, value)).collect();
    if let Some((_, value)) = trace.last() {
        points.push((end_s / length_s, value));
    }
    Curve { name: name.to_owned(), color: COLORS[color], points, band: Vec::new(), stroke }
}

/// An axis from zero to the highest curve.
pub(super) fn axis(label: &str, curves: &[Curve]) -> Axis {
    let highest = curves.iter().flat_map(|curve| &curve.points).map(|point| point.1).fold(1.0, f64::max);
    Axis { label: label.to_owned(), spread: Spread::Linear, range: Some((0.0, highest)), format: short_number }
}

//! What vertical autoscalers did: `verticals.csv` into charts.

use std::path::Path;

use super::autoscaling::{axis, curve};
use super::chart::Chart;
use super::chart::lines::{LineChart, Stroke};
use super::chart::trace::Trace;
use super::files::Rows;
use super::run_charts::time_axis;
use super::{NamedChart, ReportError};

/// No more containers get charts of their own.
const SHOWN_MAX: usize = 3;
const MIB: f64 = 1_048_576.0;

/// What is shown of a resource, and in which unit.
const RESOURCES: [(&str, &str, f64); 2] = [("CPU", "milli-cores", 1.0), ("memory", "MiB", MIB)];

/// The course of one container.
#[derive(Debug, Default)]
struct Course {
    name: String,
    /// Used, requested and recommended, of CPU and of memory.
    traces: [[Trace; 3]; 2],
    evictions: f64,
    resizes: f64,
}

/// What the report shows of vertical autoscalers.
#[derive(Debug, Default)]
pub(super) struct Verticals {
    list: Vec<Course>,
}

/// Reads the table of vertical autoscalers; none without it.
///
/// # Errors
/// When the table is broken.
pub(super) fn read(directory: &Path) -> Result<Verticals, ReportError> {
    let picks = [
        "time_s",
        "vertical",
        "container",
        "cpu_used_mean_milli",
        "cpu_request_mean_milli",
        "cpu_target_milli",
        "memory_used_mean_bytes",
        "memory_request_mean_bytes",
        "memory_target_bytes",
        "evictions",
        "resizes",
    ];
    let mut found = Verticals::default();
    let Some(mut rows) = Rows::open(directory, "verticals.csv", &picks)? else { return Ok(found) };
    while rows.advance()? {
        let name = format!("{} of {}", rows.text(2), rows.text(1));
        let at = found.list.iter().position(|course| course.name == name).unwrap_or_else(|| {
            found.list.push(Course { name, ..Course::default() });
            found.list.len() - 1
        });
        let time_s = rows.number(0)?;
        let course = &mut found.list[at];
        for (resource, (_, _, unit)) in RESOURCES.iter().enumerate() {
            for (position, trace) in course.traces[resource].iter_mut().enumerate() {
                let value = rows.number(3 + 3 * resource + position)?;
                if value.is_finite() {
                    trace.push(time_s, value / unit);
                }
            }
        }
        (course.evictions, course.resizes) = (rows.number(9)?, rows.number(10)?);
    }
    Ok(found)
}

impl Verticals {
    /// A chart of CPU and one of memory for each container.
    pub(super) fn charts(&self, end_s: f64) -> Vec<NamedChart> {
        let mut charts = Vec::new();
        for (position, course) in self.list.iter().take(SHOWN_MAX).enumerate() {
            let number = if self.list.len() > 1 { format!("_{}", position + 1) } else { String::new() };
            for (resource, name) in ["sizes_cpu", "sizes_memory"].iter().enumerate() {
                let chart = Chart::Lines(course.chart(resource, end_s));
                charts.push(NamedChart::new(&format!("{name}{number}"), chart));
            }
        }
        charts
    }
}

impl Course {
    fn chart(&self, resource: usize, end_s: f64) -> LineChart {
        let (x, length_s) = time_axis(end_s);
        let [used, requested, target] = &self.traces[resource];
        let curves = vec![
            curve("Used", 0, used, end_s, length_s, Stroke::Area),
            curve("Requested", 1, requested, end_s, length_s, Stroke::Steps),
            curve("Recommended", 2, target, end_s, length_s, Stroke::Steps),
        ];
        let (what, unit, _) = RESOURCES[resource];
        LineChart {
            title: format!("{}: {what}", self.name),
            remark: format!(
                "A container on average. {} pods were evicted for another size, {} resized where they ran.",
                self.evictions, self.resizes
            ),
            x,
            y: axis(unit, &curves),
            curves,
        }
    }
}

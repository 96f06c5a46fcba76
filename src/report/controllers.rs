//! How the objects that make pods fared: `controllers.csv` into charts.

use std::collections::BTreeMap;
use std::path::Path;

use super::chart::lines::{Curve, LineChart, Stroke};
use super::chart::trace::Trace;
use super::files::Rows;
use super::run_charts::{count_axis, over_time, time_axis};
use super::{NamedChart, ReportError};
use crate::report::chart::Chart;
use crate::report::chart::scale::short_number;

/// No more controllers than there are colours.
const SHOWN_MAX: usize = 8;

/// The course of one controller.
#[derive(Debug, Default)]
struct Course {
    wanted: Trace,
    ready: Trace,
    pods: Trace,
    updated: Trace,
    /// How often its pods changed.
    changes: u64,
    /// The most pods at a time.
    pods_max: f64,
    /// The fewest that were ready, since for the first time all were.
    ready_min: Option<f64>,
}

impl Course {
    fn note(&mut self, wanted: f64, ready: f64, pods: f64) {
        self.changes += 1;
        self.pods_max = self.pods_max.max(pods);
        if self.ready_min.is_some() || (wanted > 0.0 && ready >= wanted) {
            self.ready_min = Some(self.ready_min.map_or(ready, |least| least.min(ready)));
        }
    }
}

/// Reads the courses of all controllers by name; empty without the table.
///
/// # Errors
/// When the table is broken.
pub(super) fn read(directory: &Path) -> Result<Controllers, ReportError> {
    let picks = ["time_s", "controller", "wanted", "ready", "pods", "updated"];
    let mut courses: BTreeMap<String, Course> = BTreeMap::new();
    if let Some(mut rows) = Rows::open(directory, "controllers.csv", &picks)? {
        while rows.advance()? {
            let time_s = rows.number(0)?;
            let name = rows.text(1).into_owned();
            let course = courses.entry(name.strip_prefix("default/").map(str::to_owned).unwrap_or(name)).or_default();
            course.note(rows.number(2)?, rows.number(3)?, rows.number(4)?);
            for (trace, at) in
                [(&mut course.wanted, 2), (&mut course.ready, 3), (&mut course.pods, 4), (&mut course.updated, 5)]
            {
                trace.push(time_s, rows.number(at)?);
            }
        }
    }
    Ok(Controllers { courses: courses.into_iter().collect() })
}

/// The courses of all controllers.
#[derive(Debug)]
pub(super) struct Controllers {
    courses: Vec<(String, Course)>,
}

impl Controllers {
    /// Ready pods of each controller, and the whole story of the one that changed most.
    pub(super) fn charts(&self, end_s: f64) -> Vec<NamedChart> {
        let mut busiest: Vec<&(String, Course)> = self.courses.iter().collect();
        busiest.sort_by_key(|(_, course)| std::cmp::Reverse(course.changes));
        let Some((name, course)) = busiest.first() else { return Vec::new() };
        vec![
            NamedChart::new("controllers", Chart::Lines(ready_chart(&busiest, end_s))),
            NamedChart::new("rollout", Chart::Lines(rollout_chart(name, course, end_s))),
        ]
    }
}

/// Steps to the end of the run: a controller has a row only when something changes.
fn to_the_end(name: &str, color: usize, trace: &Trace, (length_s, end_s): (f64, f64), stroke: Stroke) -> Curve {
    let mut curve = over_time(name, color, trace, length_s, stroke);
    if let Some(&(_, last)) = curve.points.last() {
        curve.points.push((end_s / length_s, last));
    }
    curve
}

fn ready_chart(busiest: &[&(String, Course)], end_s: f64) -> LineChart {
    let (x, length_s) = time_axis(end_s);
    let shown = busiest.iter().take(SHOWN_MAX);
    let curves: Vec<Curve> = (0..)
        .zip(shown)
        .map(|(color, (name, course))| to_the_end(name, color, &course.ready, (length_s, end_s), Stroke::Steps))
        .collect();
    let remark = match busiest.len().checked_sub(SHOWN_MAX) {
        None | Some(0) => String::new(),
        Some(others) => format!("The {SHOWN_MAX} that changed most; {others} more are in controllers.csv."),
    };
    LineChart {
        title: "Pods that are ready, by the object that makes them".to_owned(),
        remark,
        x,
        y: count_axis("Ready pods", &curves),
        curves,
    }
}

fn rollout_chart(name: &str, course: &Course, end_s: f64) -> LineChart {
    let (x, length_s) = time_axis(end_s);
    let rows = [
        ("Pods", &course.pods, Stroke::Area),
        ("Wanted", &course.wanted, Stroke::Steps),
        ("Ready", &course.ready, Stroke::Steps),
        ("Of the present template", &course.updated, Stroke::Steps),
    ];
    let curves: Vec<Curve> = (0..)
        .zip(rows)
        .map(|(color, (label, trace, stroke))| to_the_end(label, color, trace, (length_s, end_s), stroke))
        .collect();
    let ready = course.ready_min.map_or_else(
        || "never all of them ready".to_owned(),
        |least| format!("at least {} ready since all were for the first time", short_number(least)),
    );
    LineChart {
        title: format!("The pods of {name}"),
        remark: format!("At most {} pods at a time, {ready}.", short_number(course.pods_max)),
        x,
        y: count_axis("Pods", &curves),
        curves,
    }
}

//! How replicas followed demand: `demand.csv` into charts.

use std::path::Path;

use super::chart::lines::{Axis, Curve, LineChart, Stroke};
use super::chart::scale::{Spread, short_duration, short_number};
use super::chart::{Chart, SERIES as COLORS};
use super::files::Rows;
use super::run_charts::time_axis;
use super::{NamedChart, ReportError};

/// No more targets get charts of their own.
const SHOWN_MAX: usize = 4;
/// Courses with more steps are drawn as means over as many equal spans.
const SPANS_MAX: usize = 1024;

/// Colours of demand, supply, what was missing and what was too much.
const DEMAND: usize = 1;
const SUPPLY: usize = 0;
const MISSING: usize = 4;
const SURPLUS: usize = 5;

/// Demand and supply from an instant on, in s and replicas.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    time_s: f64,
    demand: f64,
    supply: f64,
}

/// The course of one target.
#[derive(Debug, Default)]
struct Course {
    name: String,
    steps: Vec<Step>,
}

/// What the report shows of elasticity.
#[derive(Debug, Default)]
pub(super) struct Elasticity {
    list: Vec<Course>,
}

/// Reads the table of demand and supply; none without it.
///
/// # Errors
/// When the table is broken.
pub(super) fn read(directory: &Path) -> Result<Elasticity, ReportError> {
    let mut found = Elasticity::default();
    let picks = ["time_s", "autoscaler", "demand", "supply"];
    let Some(mut rows) = Rows::open(directory, "demand.csv", &picks)? else { return Ok(found) };
    while rows.advance()? {
        let step = Step { time_s: rows.number(0)?, demand: rows.number(2)?, supply: rows.number(3)? };
        if [step.time_s, step.demand, step.supply].iter().any(|value| !value.is_finite()) {
            continue;
        }
        let name = rows.text(1);
        let at = found.list.iter().position(|course| course.name == name).unwrap_or_else(|| {
            found.list.push(Course { name: name.into_owned(), steps: Vec::new() });
            found.list.len() - 1
        });
        found.list[at].steps.push(step);
    }
    Ok(found)
}

impl Elasticity {
    /// A chart of demand and supply for each target.
    pub(super) fn charts(&self, end_s: f64) -> Vec<NamedChart> {
        let name = |position: usize| match self.list.len() {
            1 => "elasticity".to_owned(),
            _ => format!("elasticity_{}", position + 1),
        };
        let shown = self.list.iter().take(SHOWN_MAX).enumerate();
        shown.map(|(position, course)| NamedChart::new(&name(position), Chart::Lines(course.chart(end_s)))).collect()
    }
}

impl Course {
    fn chart(&self, end_s: f64) -> LineChart {
        let (x, length_s) = time_axis(end_s);
        let (steps, span_s) = thinned(&self.steps, end_s);
        let mut remark = self.remark(end_s);
        if let Some(span_s) = span_s {
            remark.push_str(&format!(" Drawn as means over {} each.", short_duration(1000.0 * span_s)));
        }
        let highest = steps.iter().map(|step| step.demand.max(step.supply)).fold(1.0, f64::max);
        let ends = || steps.iter().skip(1).map(|step| step.time_s).chain([end_s]);
        let band = |of: fn(&Step) -> (f64, f64)| {
            let corners = steps.iter().zip(ends()).flat_map(|(step, end_s)| {
                let (low, high) = of(step);
                [(step.time_s / length_s, low, high), (end_s / length_s, low, high)]
            });
            corners.collect::<Vec<_>>()
        };
        let line = |of: fn(&Step) -> f64| {
            let last = steps.last().map(|step| (end_s / length_s, of(step)));
            steps.iter().map(|step| (step.time_s / length_s, of(step))).chain(last).collect::<Vec<_>>()
        };
        let shade = |name: &str, color: usize, band| Curve { band, ..curve(name, color, Vec::new()) };
        let missing = band(|step| (step.demand.min(step.supply), step.demand));
        let surplus = band(|step| (step.demand.min(step.supply), step.supply));
        LineChart {
            title: format!("Demand and supply of {}", self.name),
            remark,
            x,
            y: Axis {
                label: "Replicas".to_owned(),
                spread: Spread::Linear,
                range: Some((0.0, highest)),
                format: short_number,
            },
            curves: vec![
                shade("Too many", SURPLUS, surplus),
                shade("Missing", MISSING, missing),
                curve("Supply: ready", SUPPLY, line(|step| step.supply)),
                curve("Demand: would just have sufficed", DEMAND, line(|step| step.demand)),
            ],
        }
    }

    /// How long, and by how much, supply was off.
    fn remark(&self, end_s: f64) -> String {
        let ends = self.steps.iter().skip(1).map(|step| step.time_s).chain([end_s]);
        let mut sums = [[0.0; 2]; 2];
        let mut all_s = 0.0;
        for (step, end_s) in self.steps.iter().zip(ends) {
            let span_s = (end_s - step.time_s).max(0.0);
            all_s += span_s;
            for (side, excess) in [step.demand - step.supply, step.supply - step.demand].into_iter().enumerate() {
                if excess > 0.0 {
                    sums[side][0] += span_s;
                    sums[side][1] += excess * span_s;
                }
            }
        }
        // A course of one instant has no means; all of it is 0.
        let all_s = all_s.max(f64::MIN_POSITIVE);
        let [missing, surplus] =
            sums.map(|[time_s, area]| (short_number(100.0 * time_s / all_s), short_number(area / all_s)));
        format!(
            "Too few {} % of the time, {} missing on average; too many {} %, {} on average.",
            missing.0, missing.1, surplus.0, surplus.1
        )
    }
}

fn curve(name: &str, color: usize, points: Vec<(f64, f64)>) -> Curve {
    Curve { name: name.to_owned(), color: COLORS[color], points, band: Vec::new(), stroke: Stroke::Steps }
}

/// The steps themselves where they are few; else their means over equal spans, and how long those are in s.
fn thinned(steps: &[Step], end_s: f64) -> (Vec<Step>, Option<f64>) {
    let Some(first) = steps.first().filter(|first| steps.len() > SPANS_MAX && end_s > first.time_s) else {
        return (steps.to_vec(), None);
    };
    let span_s = (end_s - first.time_s) / SPANS_MAX as f64;
    let at = |index: usize| first.time_s + span_s * index as f64;
    let mut means: Vec<Step> =
        (0..SPANS_MAX).map(|index| Step { time_s: at(index), demand: 0.0, supply: 0.0 }).collect();
    let ends = steps.iter().skip(1).map(|step| step.time_s).chain([end_s]);
    for (step, until_s) in steps.iter().zip(ends) {
        let mut from_s = step.time_s;
        let mut index = (((from_s - first.time_s) / span_s) as usize).min(SPANS_MAX - 1);
        while from_s < until_s {
            let to_s = if index + 1 < SPANS_MAX { until_s.min(at(index + 1)) } else { until_s };
            let part = (to_s - from_s).max(0.0) / span_s;
            means[index].demand += part * step.demand;
            means[index].supply += part * step.supply;
            from_s = to_s;
            if index + 1 == SPANS_MAX {
                break;
            }
            index += 1;
        }
    }
    (means, Some(span_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(time_s: f64, demand: f64, supply: f64) -> Step {
        Step { time_s, demand, supply }
    }

    #[test]
    fn the_remark_tells_times_and_means() {
        // 20 of 100 s with 2 missing: 40 / 100; 50 s with one too many.
        let steps = vec![step(0.0, 3.0, 3.0), step(30.0, 5.0, 3.0), step(50.0, 2.0, 3.0)];
        let course = Course { name: "web".to_owned(), steps };
        let expected = "Too few 20 % of the time, 0.4 missing on average; too many 50 %, 0.5 on average.";
        assert_eq!(course.remark(100.0), expected);
    }

    #[test]
    fn many_steps_become_means_with_the_same_area() {
        let count = 5000;
        let steps: Vec<Step> =
            (0..count).map(|index| step(f64::from(index), f64::from(index % 7), f64::from(index % 3))).collect();
        let end_s = f64::from(count);
        let (means, span_s) = thinned(&steps, end_s);
        let span_s = span_s.expect("too many steps");
        assert_eq!(means.len(), SPANS_MAX);
        let area = |of: fn(&Step) -> f64| {
            let all = steps.iter().map(of).sum::<f64>();
            (all, means.iter().map(of).sum::<f64>() * span_s)
        };
        for (all, kept) in [area(|step| step.demand), area(|step| step.supply)] {
            assert!((all - kept).abs() < 1e-6 * all, "{kept} of {all}");
        }
        assert_eq!(thinned(&steps[..10], end_s), (steps[..10].to_vec(), None));
    }

    #[test]
    fn shades_lie_between_demand_and_supply() {
        let course = Course { name: "web".to_owned(), steps: vec![step(0.0, 3.0, 1.0), step(60.0, 2.0, 4.0)] };
        let chart = course.chart(120.0);
        // Seconds: nothing too many, then from 2 to 4; from 1 to 3 missing, then nothing.
        assert_eq!(chart.curves[0].band, [(0.0, 1.0, 1.0), (60.0, 1.0, 1.0), (60.0, 2.0, 4.0), (120.0, 2.0, 4.0)]);
        assert_eq!(chart.curves[1].band, [(0.0, 1.0, 3.0), (60.0, 1.0, 3.0), (60.0, 2.0, 2.0), (120.0, 2.0, 2.0)]);
        assert_eq!(chart.curves[3].points, [(0.0, 3.0), (60.0, 2.0), (120.0, 2.0)]);
    }
}

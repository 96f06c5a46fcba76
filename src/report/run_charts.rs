//! The charts of a single run, each from one table.

use super::NamedChart;
use super::chart::heat::HeatChart;
use super::chart::lines::{Axis, Curve, LineChart, Stroke};
use super::chart::scale::{Spread, duration_range, duration_tick, short_duration, short_number, time_unit};
use super::chart::trace::Trace;
use super::chart::{Chart, SERIES as COLORS};
use super::functions::Functions;
use super::run::{Clock, Fullness, PACKING, Run, SERIES, SeriesCurves};
use super::sizing::Sizing;
use super::waits::Waits;

/// Places of columns among [`SERIES`].
const EVICTIONS: usize = 6;
const PREEMPTIONS: usize = 7;

/// All charts that the run has data for, in the order in which a reader wants them.
pub(super) fn charts(run: &Run) -> Vec<NamedChart> {
    let mut charts = match &run.traffic {
        Some(traffic) => traffic.charts(run.clock.seconds()),
        None => Vec::new(),
    };
    charts.extend(run.autoscaling.charts(run.clock.seconds()));
    charts.extend(run.machines.charts(run.clock.seconds()));
    charts.extend(run.costs.charts(run.clock.seconds()));
    charts.extend(run.spot_prices.charts(run.clock.seconds()));
    charts.extend(run.elasticity.charts(run.clock.seconds()));
    charts.extend(run.verticals.charts(run.clock.seconds()));
    charts.extend(run.functions.iter().flat_map(Functions::charts));
    charts.extend(run.sizing.iter().flat_map(Sizing::charts));
    charts.extend(run.energy.charts(run.clock.seconds()));
    if !run.has_cluster {
        return charts;
    }
    if let Some(traces) = &run.packing {
        charts.push(NamedChart::new("packing", Chart::Lines(packing_chart(traces, run.gpu_cluster))));
    }
    if let Some(SeriesCurves { traces, zones }) = &run.series {
        let end_s = run.clock.seconds();
        charts.push(NamedChart::new("utilisation", Chart::Lines(utilisation_chart(traces, end_s))));
        charts.push(NamedChart::new("pending", Chart::Lines(pending_chart(traces, end_s))));
        let most = |trace: &Trace| trace.peak().map_or(0.0, |point| point.1);
        if zones.iter().any(|(_, trace)| most(trace) > 0.0) {
            charts.push(NamedChart::new("zones", Chart::Lines(zone_chart(zones, end_s))));
        }
        if most(&traces[EVICTIONS]) > 0.0 {
            charts.push(NamedChart::new("evictions", Chart::Lines(eviction_chart(traces, end_s))));
        }
    }
    charts.extend(run.controllers.charts(run.clock.seconds()));
    if let Some(waits) = &run.waits {
        charts.push(NamedChart::new("wait", Chart::Lines(wait_chart(waits))));
    }
    for fullness in &run.fullness {
        let name = if fullness.gpu { "nodes_gpu" } else { "nodes" };
        charts.push(NamedChart::new(name, Chart::Heat(heat_chart(fullness, run.clock))));
    }
    charts
}

fn percent_axis(label: &str) -> Axis {
    Axis { label: label.to_owned(), spread: Spread::Linear, range: Some((0.0, 100.0)), format: short_number }
}

fn curve(name: &str, color: usize, points: Vec<(f64, f64)>, stroke: Stroke) -> Curve {
    Curve { name: name.to_owned(), color: COLORS[color], points, band: Vec::new(), stroke }
}

pub(super) fn time_axis(end_s: f64) -> (Axis, f64) {
    let (unit, length_s) = time_unit(end_s);
    let range = Some((0.0, if end_s > 0.0 { end_s / length_s } else { 1.0 }));
    let label = format!("Simulated time ({unit})");
    (Axis { label, spread: Spread::Linear, range, format: short_number }, length_s)
}

fn packing_chart(traces: &[Trace; PACKING.len()], gpu_cluster: bool) -> LineChart {
    let resource = if gpu_cluster { "GPU" } else { "CPU" };
    let [allocated, frag_ratio, frag_amount] = traces;
    let arrived_end = allocated.last().map_or(100.0, |point| point.0.max(1.0));
    let bound =
        vec![(0.0, 0.0), (arrived_end.min(100.0), arrived_end.min(100.0)), (arrived_end, arrived_end.min(100.0))];
    let mut curves = Vec::new();
    if allocated.len() > 0 {
        // Where pods leave again, what arrived so far bounds nothing.
        if allocated.points().is_sorted_by(|left, right| left.1 <= right.1 + 0.5) {
            curves.push(curve("All that arrived, as far as it fits", 7, bound, Stroke::Straight));
        }
        curves.push(curve("Allocated", 0, allocated.points(), Stroke::Straight));
    }
    let names = ["Fragmented share of what is idle", "Fragmented share of all"];
    for (index, trace) in [frag_ratio, frag_amount].into_iter().enumerate() {
        if trace.len() > 0 {
            curves.push(curve(names[index], index + 1, trace.points(), Stroke::Straight));
        }
    }
    let mut remark = String::new();
    if let Some((arrived, share)) = allocated.last() {
        remark = format!("When {arrived:.0} % of capacity had been asked for, {share:.1} % was allocated");
        if let Some((_, lost)) = frag_amount.last() {
            remark.push_str(&format!(" and {lost:.1} % lay idle where the workload's average pod cannot use it"));
        }
        remark.push('.');
    }
    LineChart {
        title: format!("{resource} allocation and fragmentation as pods arrive"),
        remark,
        x: Axis {
            label: format!("{resource} asked for by all pods so far (% of the cluster's {resource} capacity)"),
            spread: Spread::Linear,
            range: Some((0.0, arrived_end)),
            format: short_number,
        },
        y: percent_axis(&format!("Share of {resource} capacity (%)")),
        curves,
    }
}

fn utilisation_chart(traces: &[Trace; SERIES.len()], end_s: f64) -> LineChart {
    let (x, length_s) = time_axis(end_s);
    let shown = [("CPU", 2), ("Memory", 3), ("GPU", 4), ("GPU idle but fragmented", 5)];
    let mut curves = Vec::new();
    let mut peaks = Vec::new();
    for (color, (name, index)) in shown.into_iter().enumerate() {
        let Some((_, peak)) = traces[index].peak() else { continue };
        let points = traces[index].points().into_iter().map(|(time_s, value)| (time_s / length_s, value)).collect();
        curves.push(curve(name, color, points, Stroke::Steps));
        peaks.push(format!("{name} {peak:.1} %"));
    }
    let remark = if peaks.is_empty() { String::new() } else { format!("Highest: {}.", peaks.join(", ")) };
    LineChart {
        title: "How much of the cluster was allocated over time".to_owned(),
        remark,
        x,
        y: percent_axis("Share of what nodes offer to pods (%)"),
        curves,
    }
}

fn pending_chart(traces: &[Trace; SERIES.len()], end_s: f64) -> LineChart {
    let (x, length_s) = time_axis(end_s);
    let rows = [("Waiting for a node", 0, Stroke::Area), ("Bound, not yet running", 1, Stroke::Steps)];
    let mut curves = Vec::new();
    let mut highest = 0.0f64;
    for (color, (name, index, stroke)) in rows.into_iter().enumerate() {
        let peak = traces[index].peak().map_or(0.0, |point| point.1);
        if traces[index].len() > 0 && (index == 0 || peak > 0.0) {
            let points = traces[index].points().into_iter().map(|(time_s, value)| (time_s / length_s, value)).collect();
            curves.push(curve(name, color, points, stroke));
            highest = highest.max(peak);
        }
    }
    let remark = match (traces[0].peak(), traces[0].last()) {
        (Some((_, 0.0)), _) => "No pod was waiting at any sample.".to_owned(),
        (Some((time_s, most)), Some((_, last))) => format!(
            "At most {} at {}; {} at the end.",
            short_number(most),
            short_duration(1000.0 * time_s),
            short_number(last)
        ),
        _ => String::new(),
    };
    LineChart {
        title: "Pods waiting for a node over time".to_owned(),
        remark,
        x,
        y: Axis {
            label: "Pods".to_owned(),
            spread: Spread::Linear,
            range: Some((0.0, highest.max(4.0))),
            format: short_number,
        },
        curves,
    }
}

/// A curve over time in the unit of the axis.
pub(super) fn over_time(name: &str, color: usize, trace: &Trace, length_s: f64, stroke: Stroke) -> Curve {
    let points = trace.points().into_iter().map(|(time_s, value)| (time_s / length_s, value)).collect();
    curve(name, color % COLORS.len(), points, stroke)
}

/// The axis of a number of things, from zero to the highest curve.
pub(super) fn count_axis(label: &str, curves: &[Curve]) -> Axis {
    let highest = curves.iter().flat_map(|curve| &curve.points).map(|point| point.1).fold(4.0, f64::max);
    Axis { label: label.to_owned(), spread: Spread::Linear, range: Some((0.0, highest)), format: short_number }
}

fn zone_chart(zones: &[(String, Trace)], end_s: f64) -> LineChart {
    let (x, length_s) = time_axis(end_s);
    let curves: Vec<Curve> =
        (0..).zip(zones).map(|(color, (zone, trace))| over_time(zone, color, trace, length_s, Stroke::Steps)).collect();
    let last: Vec<String> = zones
        .iter()
        .filter_map(|(zone, trace)| trace.last().map(|(_, pods)| format!("{zone} {}", short_number(pods))))
        .collect();
    LineChart {
        title: "Pods on the nodes of each zone over time".to_owned(),
        remark: format!("At the end: {}.", last.join(", ")),
        x,
        y: count_axis("Pods", &curves),
        curves,
    }
}

fn eviction_chart(traces: &[Trace; SERIES.len()], end_s: f64) -> LineChart {
    let (x, length_s) = time_axis(end_s);
    let last = |at: usize| traces[at].last().map_or(0.0, |point| point.1);
    let (all, preempted) = (last(EVICTIONS), last(PREEMPTIONS));
    let mut curves = Vec::new();
    // Where every one of them was preempted, or none, one curve says it all.
    if all > preempted {
        let name = if preempted > 0.0 { "For any reason" } else { "Drained, removed or crashed node" };
        curves.push(over_time(name, 0, &traces[EVICTIONS], length_s, Stroke::Steps));
    }
    if preempted > 0.0 {
        curves.push(over_time("Preempted", 1, &traces[PREEMPTIONS], length_s, Stroke::Steps));
    }
    LineChart {
        title: "Pods that have lost their node so far".to_owned(),
        remark: format!("{} in all, {} of them preempted.", short_number(all), short_number(preempted)),
        x,
        y: count_axis("Pods (cumulative)", &curves),
        curves,
    }
}

/// The curve of a distribution from the left edge of the axis to its right edge.
fn distribution(waits: &Waits, (low, high): (f64, f64)) -> Vec<(f64, f64)> {
    if waits.arrived == 0 {
        return Vec::new();
    }
    let mut points = vec![(low, 100.0 * waits.at_once as f64 / waits.arrived as f64)];
    points.extend(waits.curve());
    let reached = points[points.len() - 1].1;
    points.push((high, reached));
    points
}

fn wait_chart(waits: &[Waits; 3]) -> LineChart {
    let all = &waits[0];
    let curve_of_all = all.curve();
    // Without any wait there is no scale to take from the data: a millisecond to a second stands in.
    let longest = curve_of_all.last().map_or(1000.0, |point| point.0);
    let shortest = curve_of_all.first().map_or(1.0, |point| point.0);
    let range = duration_range(shortest, longest);
    let mut curves = Vec::new();
    let names = ["All pods", "Pods with a GPU", "Pods without a GPU"];
    let split = waits[1].arrived > 0 && waits[2].arrived > 0;
    for (index, name) in names.into_iter().enumerate() {
        let points = distribution(&waits[index], range);
        if (index == 0 || split) && !points.is_empty() {
            curves.push(curve(name, index, points, Stroke::Steps));
        }
    }
    let lowest = curves.iter().flat_map(|curve| &curve.points).map(|point| point.1).fold(100.0, f64::min);
    // Where hardly any pod waits, all of the curve lies in the upper part: that part is shown.
    let lowest = if lowest > 60.0 && lowest < 100.0 { (lowest / 10.0).floor() * 10.0 } else { 0.0 };
    let mut remark = String::new();
    if all.bound() > 0 && all.bound() == all.at_once {
        remark = "Every pod that got a node got it at once.".to_owned();
    } else if let (Some(median), Some(tail)) = (all.quantile(0.5), all.quantile(0.99)) {
        remark = match 100.0 * all.at_once as f64 / all.bound() as f64 {
            share if median == 0.0 => format!("{share:.1} % of placed pods did not wait"),
            _ => format!("Half waited at most {}", short_duration(median)),
        };
        remark.push_str(&format!("; 99 % waited at most {}.", short_duration(tail)));
    }
    let never = all.arrived - all.bound();
    if never > 0 {
        remark.push_str(&format!(" {never} of {} pods never got a node: the curve ends below 100 %.", all.arrived));
    }
    LineChart {
        title: "How long pods waited for a node".to_owned(),
        remark: remark.trim_start().to_owned(),
        x: Axis {
            label: "Time from arrival to binding (logarithmic; no wait at the left edge)".to_owned(),
            spread: Spread::Durations,
            range: Some(range),
            format: duration_tick,
        },
        y: Axis { range: Some((lowest, 100.0)), ..percent_axis("Share of all pods that waited at most so long (%)") },
        curves,
    }
}

fn heat_chart(fullness: &Fullness, clock: Clock) -> HeatChart {
    let resource = if fullness.gpu { "GPU" } else { "CPU" };
    let (x_label, x_end) = match clock {
        Clock::Seconds(end_s) => {
            let (unit, length_s) = time_unit(end_s);
            (format!("Simulated time ({unit})"), end_s / length_s)
        }
        Clock::Arrivals(pods) => ("Pods that have arrived (count)".to_owned(), pods.max(1.0)),
    };
    HeatChart {
        title: match clock {
            Clock::Seconds(_) => format!("{resource} allocated on each node over time"),
            Clock::Arrivals(_) => format!("{resource} allocated on each node as pods arrived"),
        },
        remark: format!("{}; blank where no node existed.", fullness.row_meaning),
        x_label,
        x_end,
        shade_label: format!("{resource} allocated"),
        rows: fullness.rows.clone(),
        cells: fullness.cells.clone(),
    }
}

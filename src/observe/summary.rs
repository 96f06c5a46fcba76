//! The key figures of a run, one row a metric.

use super::Recorder;
use super::node_usage::cost_usd;
use crate::ids::NodeId;
use crate::results::{Column, Metric, Table};
use crate::stats::Direction;
use crate::units::SimTime;
use crate::world::{Phase, View};

/// The key figures of a run.
pub fn summary(view: &View<'_>, recorder: &Recorder, events: u64) -> Vec<Metric> {
    let mut metrics = Vec::new();
    let mut add = |name: &str, unit: &str, value: f64, better| {
        metrics.push(Metric { name: name.to_owned(), unit: unit.to_owned(), value, better });
    };
    let world = view.world;
    let phase = |phase: Phase| world.pods_by_phase[phase as usize] as f64;
    let bound = world.pods.bound.iter().filter(|&&bound| bound != SimTime::NEVER).count();
    add("pods_arrived", "count", world.pods.len() as f64, Direction::Neutral);
    add("pods_placed", "count", bound as f64, Direction::Higher);
    add("pods_unplaced", "count", (world.pods.len() - bound) as f64, Direction::Lower);
    for each in Phase::ALL {
        let better = if each == Phase::Succeeded { Direction::Higher } else { Direction::Neutral };
        add(&format!("pods_{}", each.name()), "count", phase(each), better);
    }
    add("evictions_total", "count", recorder.evictions_total as f64, Direction::Lower);
    add("decisions_total", "count", recorder.decisions_total as f64, Direction::Neutral);
    add("decisions_unschedulable", "count", recorder.unschedulable_total as f64, Direction::Lower);
    for (name, value) in waits_ms(view) {
        add(name, "ms", value, Direction::Lower);
    }
    let totals = &world.totals;
    let percent = |part: u64, whole: u64| if whole == 0 { f64::NAN } else { 100.0 * part as f64 / whole as f64 };
    add("cpu_allocated_pct", "%", percent(totals.cpu_allocated, totals.cpu_allocatable), Direction::Higher);
    add("memory_allocated_pct", "%", percent(totals.memory_allocated, totals.memory_allocatable), Direction::Higher);
    add("gpu_allocated_pct", "%", percent(totals.gpu_allocated, totals.gpu_allocatable), Direction::Higher);
    let means = recorder.usage.cluster_mean_pct(view);
    add("cpu_allocated_mean_pct", "%", means[0], Direction::Higher);
    add("memory_allocated_mean_pct", "%", means[1], Direction::Higher);
    add("gpu_allocated_mean_pct", "%", means[2], Direction::Higher);
    let fragmented = 100.0 * recorder.fragmented_gpu_milli / totals.gpu_allocatable as f64;
    add("gpu_fragmented_pct", "%", fragmented, Direction::Lower);
    let used = (0..world.nodes.len()).filter(|&i| world.nodes.pod_count[i] > 0).count();
    add("nodes_up", "count", totals.nodes_up as f64, Direction::Neutral);
    add("nodes_used", "count", used as f64, Direction::Lower);
    let cost: f64 = (0..world.nodes.len()).map(|i| cost_usd(view, NodeId::from_index(i))).sum();
    add("cost_usd_total", "USD", cost, Direction::Lower);
    add("end_time_s", "s", world.time.as_seconds(), Direction::Neutral);
    add("events_total", "count", events as f64, Direction::Neutral);
    metrics
}

/// How long bound pods waited for their first node.
fn waits_ms(view: &View<'_>) -> [(&'static str, f64); 5] {
    let pods = &view.world.pods;
    let waits = pods.bound.iter().zip(&pods.arrival).filter(|(bound, _)| **bound != SimTime::NEVER);
    let mut waits: Vec<u64> = waits.map(|(bound, arrival)| bound.since(*arrival).0).collect();
    let quantiles = crate::stats::quantile::quantiles(&mut waits, &[0.5, 0.95, 0.99, 1.0]);
    let mean = waits.iter().map(|&wait| wait as f64).sum::<f64>() / waits.len() as f64 / 1e6;
    [
        ("wait_ms_mean", mean),
        ("wait_ms_p50", quantiles[0] / 1e6),
        ("wait_ms_p95", quantiles[1] / 1e6),
        ("wait_ms_p99", quantiles[2] / 1e6),
        ("wait_ms_max", quantiles[3] / 1e6),
    ]
}

/// The figures as a table; figures without a value are left out.
pub fn table(metrics: &[Metric]) -> Table {
    let present = || metrics.iter().filter(|metric| !metric.value.is_nan());
    Table::new()
        .with("metric", Column::Text(present().map(|metric| metric.name.as_str()).collect()))
        .with("unit", Column::Text(present().map(|metric| metric.unit.as_str()).collect()))
        .with("value", Column::Number(present().map(|metric| metric.value).collect()))
}

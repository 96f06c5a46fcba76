//! The key figures of a run, one row a metric.

use super::Recorder;
use super::bill::BillLog;
use super::losses::LossLog;
use super::machines::nodeless_cost_usd;
use super::node_usage::cost_usd;
use super::promises::late_pods;
use super::sizing;
use crate::ids::NodeId;
use crate::results::{Column, Metric, Table};
use crate::stats::Direction;
use crate::units::SimTime;
use crate::world::{Phase, View};

/// Every key figure: name, unit, and which way it is better.
const METRICS: [(&str, &str, Direction); 107] = [
    ("pods_arrived", "count", Direction::Neutral),
    ("pods_placed", "count", Direction::Higher),
    ("pods_unplaced", "count", Direction::Lower),
    ("pods_pending", "count", Direction::Lower),
    ("pods_bound", "count", Direction::Neutral),
    ("pods_starting", "count", Direction::Neutral),
    ("pods_running", "count", Direction::Neutral),
    ("pods_succeeded", "count", Direction::Higher),
    ("pods_failed", "count", Direction::Lower),
    ("pods_evicted", "count", Direction::Lower),
    ("pods_deleted", "count", Direction::Lower),
    ("evictions_total", "count", Direction::Lower),
    ("preemptions_total", "count", Direction::Lower),
    ("evictions_by_taint", "count", Direction::Lower),
    ("evictions_by_reclaim", "count", Direction::Lower),
    ("node_silent_s_total", "s", Direction::Lower),
    ("node_not_ready_s_total", "s", Direction::Lower),
    ("decisions_total", "count", Direction::Neutral),
    ("decisions_unschedulable", "count", Direction::Lower),
    ("wait_ms_mean", "ms", Direction::Lower),
    ("wait_ms_p50", "ms", Direction::Lower),
    ("wait_ms_p95", "ms", Direction::Lower),
    ("wait_ms_p99", "ms", Direction::Lower),
    ("wait_ms_max", "ms", Direction::Lower),
    ("cpu_allocated_pct", "%", Direction::Higher),
    ("memory_allocated_pct", "%", Direction::Higher),
    ("gpu_allocated_pct", "%", Direction::Higher),
    ("cpu_allocated_mean_pct", "%", Direction::Higher),
    ("memory_allocated_mean_pct", "%", Direction::Higher),
    ("gpu_allocated_mean_pct", "%", Direction::Higher),
    ("gpu_fragmented_pct", "%", Direction::Lower),
    ("nodes_up", "count", Direction::Neutral),
    ("nodes_used", "count", Direction::Lower),
    ("cost_usd_total", "USD", Direction::Lower),
    ("cost_idle_usd_total", "USD", Direction::Lower),
    ("cost_bound_usd", "USD", Direction::Neutral),
    ("cost_bound_instants_usd", "USD", Direction::Neutral),
    ("cost_over_bound_ratio", "ratio", Direction::Lower),
    ("lost_work_core_h_total", "core h", Direction::Lower),
    ("lost_work_usd_total", "USD", Direction::Lower),
    ("cold_starts_total", "count", Direction::Lower),
    ("image_pull_bytes_total", "bytes", Direction::Lower),
    ("pods_late_total", "count", Direction::Lower),
    ("evictions_beyond_budget_total", "count", Direction::Lower),
    ("machines_ordered_total", "count", Direction::Neutral),
    ("machines_refused_total", "count", Direction::Lower),
    ("machines_ended_total", "count", Direction::Neutral),
    ("machines_ready_mean", "count", Direction::Lower),
    ("machine_ready_after_s_mean", "s", Direction::Lower),
    ("energy_kwh_total", "kWh", Direction::Lower),
    ("carbon_kg_total", "kg", Direction::Lower),
    ("carbon_embodied_kg_total", "kg", Direction::Lower),
    ("oom_kills_total", "count", Direction::Lower),
    ("memory_evictions_total", "count", Direction::Lower),
    ("memory_pressure_s_total", "s", Direction::Lower),
    ("cpu_contended_s_total", "s", Direction::Lower),
    ("cpu_throttled_s_total", "s", Direction::Lower),
    ("requests_total", "count", Direction::Neutral),
    ("requests_per_s", "1/s", Direction::Neutral),
    ("requests_failed_ratio", "ratio", Direction::Lower),
    ("request_latency_ms_mean", "ms", Direction::Lower),
    ("request_latency_ms_p50", "ms", Direction::Lower),
    ("request_latency_ms_p95", "ms", Direction::Lower),
    ("request_latency_ms_p99", "ms", Direction::Lower),
    ("request_latency_ms_max", "ms", Direction::Lower),
    ("requests_in_objective_ratio", "ratio", Direction::Higher),
    ("error_budget_spent_ratio", "ratio", Direction::Lower),
    ("retries_ratio", "ratio", Direction::Lower),
    ("scalings_total", "count", Direction::Lower),
    ("scaling_reversals_total", "count", Direction::Lower),
    ("scaled_pods_ready_mean", "count", Direction::Lower),
    ("vertical_evictions_total", "count", Direction::Lower),
    ("vertical_resizes_total", "count", Direction::Neutral),
    ("vertical_slack_core_hours", "core-hours", Direction::Lower),
    ("vertical_short_core_hours", "core-hours", Direction::Lower),
    ("vertical_slack_gib_hours", "GiB-hours", Direction::Lower),
    ("vertical_short_gib_hours", "GiB-hours", Direction::Lower),
    ("replicas_missing_mean", "count", Direction::Lower),
    ("replicas_surplus_mean", "count", Direction::Lower),
    ("underprovisioned_mean_pct", "%", Direction::Lower),
    ("overprovisioned_mean_pct", "%", Direction::Lower),
    ("objective_violated_s_total", "s", Direction::Lower),
    ("replica_cost_ratio", "ratio", Direction::Lower),
    ("function_calls_total", "count", Direction::Neutral),
    ("function_cold_start_pct", "%", Direction::Lower),
    ("function_cold_start_p75_pct", "%", Direction::Lower),
    ("function_throttled_pct", "%", Direction::Lower),
    ("function_latency_ms_mean", "ms", Direction::Lower),
    ("function_latency_ms_p50", "ms", Direction::Lower),
    ("function_latency_ms_p95", "ms", Direction::Lower),
    ("function_latency_ms_p99", "ms", Direction::Lower),
    ("function_wasted_gb_s_total", "GB s", Direction::Lower),
    ("function_instances_mean", "count", Direction::Lower),
    ("function_cost_usd_total", "USD", Direction::Lower),
    ("task_cost_usd_total", "USD", Direction::Lower),
    ("sizing_cpu_slack_core_h_total", "core h", Direction::Lower),
    ("sizing_cpu_short_core_h_total", "core h", Direction::Lower),
    ("sizing_cpu_throttled_s_total", "s", Direction::Lower),
    ("sizing_cpu_throttled_core_h_total", "core h", Direction::Lower),
    ("sizing_memory_slack_gib_h_total", "GiB h", Direction::Lower),
    ("sizing_memory_short_gib_h_total", "GiB h", Direction::Lower),
    ("sizing_ooms_total", "count", Direction::Lower),
    ("sizing_ooms_per_day", "1/d", Direction::Lower),
    ("sizing_changes_total", "count", Direction::Lower),
    ("sizing_cpu_requested_ratio", "ratio", Direction::Neutral),
    ("end_time_s", "s", Direction::Neutral),
    ("events_total", "count", Direction::Neutral),
];

/// Which way a key figure is better; others are neutral.
pub fn direction(name: &str) -> Direction {
    METRICS.iter().find(|row| row.0 == name).map_or(Direction::Neutral, |row| row.2)
}

/// The key figures of a run.
pub fn summary(view: &View<'_>, recorder: &Recorder, events: u64) -> Vec<Metric> {
    let (world, totals) = (view.world, &view.world.totals);
    let bound = world.pods.bound.iter().filter(|&&bound| bound != SimTime::NEVER).count();
    let percent = |part: u64, whole: u64| if whole == 0 { f64::NAN } else { 100.0 * part as f64 / whole as f64 };
    let used = (0..world.nodes.len()).filter(|&i| world.nodes.pod_count[i] > 0).count();
    // An empty sum of floats is negative zero.
    let cost = (0..world.nodes.len()).fold(0.0, |sum, i| sum + cost_usd(view, NodeId::from_index(i)));
    let cost = cost + nodeless_cost_usd(view, &world.fleet);
    let mut values = vec![world.pods.len() as f64, bound as f64, (world.pods.len() - bound) as f64];
    values.extend(Phase::ALL.map(|phase| world.pods_by_phase[phase as usize] as f64));
    // Other policies never preempt, which is no figure of theirs.
    let preempts = view.model.scheduling.kube_scheduler.is_some();
    let preemptions = if preempts { recorder.preemptions_total as f64 } else { f64::NAN };
    values.extend([recorder.evictions_total as f64, preemptions]);
    values.extend(faults(view, recorder));
    values.extend([recorder.decisions_total, recorder.unschedulable_total].map(|n| n as f64));
    values.extend(waits_ms(view));
    values.push(percent(totals.cpu_allocated, totals.cpu_allocatable));
    values.push(percent(totals.memory_allocated, totals.memory_allocatable));
    values.push(percent(totals.gpu_allocated, totals.gpu_allocatable));
    values.extend(recorder.usage.cluster_mean_pct(view));
    values.push(100.0 * recorder.fragmented_gpu_milli / totals.gpu_allocatable as f64);
    let [cost, idle] = recorder.bill.as_ref().map_or([cost, f64::NAN], BillLog::totals_usd);
    values.extend([totals.nodes_up as f64, used as f64, cost, idle]);
    values.extend(bounds(recorder, cost));
    values.extend(losses(view, recorder));
    values.extend(machines(view, recorder));
    values.extend(energy(view, recorder));
    values.extend(usage(view));
    values.extend(traffic(recorder));
    values.extend(autoscaling(view, recorder));
    values.extend(verticals(recorder));
    values.extend(elasticity(view, recorder));
    values.extend(functions(view, recorder));
    values.extend(recorder.sizing.as_ref().map_or([f64::NAN; sizing::FIGURES], sizing::figures));
    let end = recorder.ends_beside().max(world.time);
    values.extend([end.as_seconds(), events as f64]);
    assert_eq!(values.len(), METRICS.len(), "every key figure has a value");
    let has_others = recorder.traffic.is_some() || recorder.functions.is_some() || recorder.sizing.is_some();
    if has_others && world.pods.len() + world.nodes.len() == 0 {
        // Requests or functions alone: figures of pods and nodes would be zeros of no meaning.
        let figures = METRICS.iter().zip(&mut values);
        figures.take_while(|(row, _)| row.0 != "requests_total").for_each(|(_, value)| *value = f64::NAN);
    }
    let metric = |((name, unit, better), value): (&(&str, &str, Direction), f64)| Metric {
        name: (*name).to_owned(),
        unit: (*unit).to_owned(),
        value,
        better: *better,
    };
    METRICS.iter().zip(values).map(metric).collect()
}

/// What machines could have cost at least, planned with knowledge of the future and each instant by itself, and how many times
/// the first the cost was; no figures where nobody asks.
fn bounds(recorder: &Recorder, cost_usd: f64) -> [f64; 3] {
    let Some(bounds) = recorder.bound.as_ref().and_then(|log| log.bounds()) else { return [f64::NAN; 3] };
    let over = if bounds.planned_usd > 0.0 { cost_usd / bounds.planned_usd } else { f64::NAN };
    [bounds.planned_usd, bounds.instants_usd, over]
}

/// Work that was lost, what that cost, pods that waited for an image, bytes of images, pods that waited long for a node, and
/// evictions beyond disruption budgets; figures of runs in which machines are bought or billed only, and where images take time
/// and there are budgets.
fn losses(view: &View<'_>, recorder: &Recorder) -> [f64; 6] {
    let Some(losses) = recorder.losses.as_ref().map(LossLog::total) else { return [f64::NAN; 6] };
    let pulls = [losses.cold_starts as f64, losses.image_bytes as f64];
    let [starts, bytes] = if view.model.workload.images.are_ideal() { [f64::NAN; 2] } else { pulls };
    let has_budgets = !view.model.objects.disruption_budgets.is_empty();
    let beyond = if has_budgets { losses.beyond_budget as f64 } else { f64::NAN };
    [losses.work_core_h(), losses.work_usd, starts, bytes, late_pods(view) as f64, beyond]
}

/// Energy, carbon of it, and carbon of making the nodes; no figures where nobody says what nodes draw.
fn energy(view: &View<'_>, recorder: &Recorder) -> [f64; 3] {
    let Some(log) = &recorder.energy else { return [f64::NAN; 3] };
    let figures = log.figures(view);
    [figures.energy_kwh, figures.carbon_kg, figures.embodied_kg]
}

/// Evictions for taints and for reclaims, and how long nodes did not report and were not ready in all, in s; figures of
/// runs with a node lifecycle only.
fn faults(view: &View<'_>, recorder: &Recorder) -> [f64; 4] {
    if view.model.cluster.lifecycle.is_none() {
        return [f64::NAN; 4];
    }
    let [taint, reclaim] = recorder.evictions_by_fault.map(|count| count as f64);
    let (health, now) = (&view.world.health, view.world.time);
    let seconds = |of: &dyn Fn(NodeId) -> u64| {
        (0..view.world.nodes.len()).map(|i| of(NodeId::from_index(i))).sum::<u64>() as f64 / 1e9
    };
    [taint, reclaim, seconds(&|node| health.silent_ns(node, now)), seconds(&|node| health.not_ready_ns(node, now))]
}

/// Machines ordered, refused and ended, how many took pods on average, and how long it took until one did; figures of runs in
/// which machines can be bought only.
fn machines(view: &View<'_>, recorder: &Recorder) -> [f64; 5] {
    let Some(log) = &recorder.machines else { return [f64::NAN; 5] };
    let of = log.figures(view);
    [of.ordered as f64, of.refused as f64, of.ended as f64, of.ready_mean, of.ready_after_mean_s]
}

/// Containers killed and pods evicted for memory, seconds that nodes were under memory pressure or short of CPU, and seconds
/// that containers were throttled; no figures where nothing is known of what containers use.
fn usage(view: &View<'_>) -> [f64; 5] {
    if !view.model.controllers.tracks_usage() {
        return [f64::NAN; 5];
    }
    let mut sums = [0; 5];
    for (node, _) in view.world.usage.iter() {
        let of = view.world.usage.totals(node, view.world.time);
        let figures = [of.oom_kills, of.evictions, of.pressure_ns, of.contended_ns, of.throttled_ns];
        sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
    }
    let [kills, evictions, times @ ..] = sums.map(|sum| sum as f64);
    let [pressure, contended, throttled] = times.map(|ns| ns / 1e9);
    [kills, evictions, pressure, contended, throttled]
}

/// Requests of all sources from end to end since the warm-up, and attempts made again; no figures without traffic.
fn traffic(recorder: &Recorder) -> [f64; 11] {
    let Some(figures) = recorder.traffic.as_ref().and_then(|traffic| traffic.figures()) else { return [f64::NAN; 11] };
    let total = &figures.total;
    let [p50, p95, p99] = total.latency.quantiles_s.map(|seconds| seconds * 1e3);
    [
        total.requests as f64,
        total.rate,
        total.failed_ratio,
        total.latency.mean_s * 1e3,
        p50,
        p95,
        p99,
        total.latency.max_s * 1e3,
        total.good_ratio,
        total.budget_spent_ratio,
        total.retries_ratio,
    ]
}

/// How often autoscalers changed a number of replicas, and turned round, and the mean number of ready pods of their targets;
/// no figures without autoscalers.
fn autoscaling(view: &View<'_>, recorder: &Recorder) -> [f64; 3] {
    let Some(log) = &recorder.autoscalers else { return [f64::NAN; 3] };
    let figures = log.figures(view.world.time);
    [figures.changes as f64, figures.reversals as f64, figures.ready_mean]
}

/// Pods that vertical autoscalers evicted and resized, and by how much requests were more and less than what was used; no figures
/// where there are none.
fn verticals(recorder: &Recorder) -> [f64; 6] {
    let Some(log) = &recorder.verticals else { return [f64::NAN; 6] };
    let of = log.figures();
    let amounts = [of.slack_core_hours, of.short_core_hours, of.slack_gib_hours, of.short_gib_hours];
    let [cpu_slack, cpu_short, memory_slack, memory_short] = amounts;
    [of.evictions as f64, of.resizes as f64, cpu_slack, cpu_short, memory_slack, memory_short]
}

/// Replicas that were missing and too many on average, the shares of time with too few and too many, how long objectives were
/// broken, and the cost over the least possible; no figures where no service is scaled.
fn elasticity(view: &View<'_>, recorder: &Recorder) -> [f64; 6] {
    let Some(log) = &recorder.elasticity else { return [f64::NAN; 6] };
    let of = log.totals(&recorder.controllers, view.world.time);
    [of.missing_mean, of.surplus_mean, of.under_pct, of.over_pct, of.violated_s, of.cost_ratio]
}

/// Figures of the function platform; none without one.
fn functions(view: &View<'_>, recorder: &Recorder) -> [f64; super::functions::FIGURES] {
    match (&recorder.functions, &view.model.functions) {
        (Some(run), Some(model)) => super::functions::figures(run, model),
        _ => [f64::NAN; super::functions::FIGURES],
    }
}

/// How long bound pods waited for their first node: mean, quantiles 0.5, 0.95, 0.99, and the longest.
fn waits_ms(view: &View<'_>) -> [f64; 5] {
    let pods = &view.world.pods;
    let waits = pods.bound.iter().zip(&pods.arrival).filter(|(bound, _)| **bound != SimTime::NEVER);
    let mut waits: Vec<u64> = waits.map(|(bound, arrival)| bound.since(*arrival).0).collect();
    let quantiles = crate::stats::quantile::quantiles(&mut waits, &[0.5, 0.95, 0.99, 1.0]);
    let mean = waits.iter().map(|&wait| wait as f64).sum::<f64>() / waits.len() as f64 / 1e6;
    [mean, quantiles[0] / 1e6, quantiles[1] / 1e6, quantiles[2] / 1e6, quantiles[3] / 1e6]
}

/// The figures as a table; figures without a value are left out.
pub fn table(metrics: &[Metric]) -> Table {
    let present = || metrics.iter().filter(|metric| !metric.value.is_nan());
    Table::new()
        .with("metric", Column::Text(present().map(|metric| metric.name.as_str()).collect()))
        .with("unit", Column::Text(present().map(|metric| metric.unit.as_str()).collect()))
        .with("value", Column::Number(present().map(|metric| metric.value).collect()))
}

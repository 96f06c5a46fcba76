//! What a function platform did: key figures and tables.

use crate::model::functions::Functions;
use crate::results::{Column, Table, TextColumn};
use crate::traffic::functions::{FunctionReport, FunctionRun, Latencies, TaskReport};
use crate::units::SimTime;

/// How many key figures there are.
pub const FIGURES: usize = 12;

/// Key figures: calls; the part of those served that met a cold start, in percent, and the third quartile over functions of that
/// part, which Shahrad et al. compare policies by; the part that was throttled, in percent; latencies in
/// ms (mean, median, 95th and 99th percentile), wasted GB-seconds of memory, instances on average, cost of functions, and
/// cost of tasks. NaN where there is no function, or no task.
pub fn figures(run: &FunctionRun, model: &Functions) -> [f64; FIGURES] {
    let total = run.report.total();
    let has = |is_there: bool, value: f64| if is_there { value } else { f64::NAN };
    let of_functions = |value: f64| has(!run.functions.is_empty(), value);
    let latencies = run.all_latencies.figures_s().map(|seconds| seconds * 1e3);
    let instances: f64 = rows(run).map(|(function, report, _)| report.instances_mean(function, run.report.end)).sum();
    let task_cost = run.tasks.iter().fold(0.0, |sum, task| sum + task.cost.0);
    let [mean, p50, p95, p99] = latencies;
    [
        of_functions(total.calls as f64),
        cold_pct(&total),
        third_quartile(run.report.functions.iter().map(cold_pct)),
        throttled_pct(&total),
        mean,
        p50,
        p95,
        p99,
        of_functions(run.report.wasted_gb_seconds(&run.functions) + 0.0),
        of_functions(instances),
        of_functions(run.report.cost(&run.functions, &model.settings.prices).0),
        has(!run.tasks.is_empty(), task_cost),
    ]
}

fn cold_pct(report: &FunctionReport) -> f64 {
    100.0 * report.cold_start_probability()
}

/// The least value that at least three quarters do not exceed; NaN are left out.
fn third_quartile(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let rank = (3 * sorted.len()).div_ceil(4);
    rank.checked_sub(1).map_or(f64::NAN, |at| sorted[at])
}

fn throttled_pct(report: &FunctionReport) -> f64 {
    100.0 * report.throttled() as f64 / report.calls as f64
}

type Row<'r> = (&'r crate::model::functions::Function, &'r FunctionReport, &'r Latencies);

fn rows(run: &FunctionRun) -> impl Iterator<Item = Row<'_>> {
    let rows = run.functions.iter().zip(&run.report.functions).zip(&run.latencies);
    rows.map(|((function, report), latencies)| (function, report, latencies))
}

/// `functions.csv`: one row a function.
pub fn functions(run: &FunctionRun, model: &Functions) -> Table {
    let (end, prices) = (run.report.end, &model.settings.prices);
    let count = |of: fn(&FunctionReport) -> u64| Column::Count(run.report.functions.iter().map(of).collect());
    let number = |of: &dyn Fn(Row<'_>) -> f64| Column::Number(rows(run).map(of).collect());
    let latencies: Vec<[f64; 4]> =
        run.latencies.iter().map(|one| one.figures_s().map(|seconds| seconds * 1e3)).collect();
    let latency = |at: usize| Column::Number(latencies.iter().map(|figures| figures[at]).collect());
    let mut names = TextColumn::default();
    run.functions.iter().for_each(|function| names.push(&function.name));
    Table::new()
        .with("function", Column::Text(names))
        .with("memory_bytes", Column::Count(run.functions.iter().map(|function| function.memory.0).collect()))
        .with("invocations", count(|report| report.calls))
        .with("cold", count(|report| report.cold_starts))
        .with("cold_pct", number(&|(_, report, _)| cold_pct(report)))
        .with("provisioned", count(|report| report.provisioned_calls))
        .with("throttled", count(FunctionReport::throttled))
        .with("throttled_reserved", count(|report| report.throttled_reserved))
        .with("throttled_account", count(|report| report.throttled_account))
        .with("throttled_scaling", count(|report| report.throttled_scaling))
        .with("throttled_rate", count(|report| report.throttled_rate))
        .with("latency_ms_mean", latency(0))
        .with("latency_ms_p50", latency(1))
        .with("latency_ms_p95", latency(2))
        .with("latency_ms_p99", latency(3))
        .with("concurrency_peak", count(|report| report.concurrency_max.into()))
        .with("instances_peak", count(|report| report.instances_max.into()))
        .with("instances_mean", number(&|(function, report, _)| report.instances_mean(function, end)))
        .with("wasted_gb_s", number(&|(function, report, _)| report.wasted_gb_seconds(function, end)))
        .with("billed_ms", count(|report| report.billed_ms + report.provisioned_billed_ms))
        .with("cost_usd", number(&|(function, report, _)| report.cost(function, prices, end.since(SimTime::ZERO)).0))
}

/// `function_series.csv`: what arrived in each window of time.
pub fn series(run: &FunctionRun) -> Table {
    let windows = &run.windows;
    let start = |at: usize| SimTime(at as u64 * run.window.0);
    Table::new()
        .with("time_s", Column::Seconds((0..windows.len()).map(start).collect()))
        .with("span_s", Column::Number(vec![run.window.as_seconds(); windows.len()]))
        .with("invocations", Column::Count(windows.iter().map(|window| window.calls).collect()))
        .with("cold", Column::Count(windows.iter().map(|window| window.cold_starts).collect()))
        .with("throttled", Column::Count(windows.iter().map(|window| window.throttled).collect()))
}

/// `tasks.csv`: one row a kind of task.
pub fn tasks(run: &FunctionRun, model: &Functions) -> Table {
    let end_ns = run.end.0 as f64;
    let number = |of: &dyn Fn(&TaskReport) -> f64| Column::Number(run.tasks.iter().map(of).collect());
    let spans: Vec<[f64; 4]> = run.tasks.iter().map(|task| task.spans.figures_s()).collect();
    let span = |at: usize| Column::Number(spans.iter().map(|figures| figures[at]).collect());
    let mut names = TextColumn::default();
    model.tasks.iter().for_each(|task| names.push(&task.name));
    Table::new()
        .with("task", Column::Text(names))
        .with("started", Column::Count(run.tasks.iter().map(|task| task.started).collect()))
        .with("concurrency_peak", Column::Count(run.tasks.iter().map(|task| task.concurrency_max.into()).collect()))
        .with("concurrency_mean", number(&|task| task.busy_ns as f64 / end_ns))
        .with("span_s_mean", span(0))
        .with("span_s_p50", span(1))
        .with("span_s_p95", span(2))
        .with("span_s_p99", span(3))
        .with("vcpu_hours", number(&|task| task.cpu_hours))
        .with("gb_hours", number(&|task| task.gb_hours))
        .with("cost_usd", number(&|task| task.cost.0))
}

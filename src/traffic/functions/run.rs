//! A run of a platform: its calls, from the first to the last, and what is measured of them.

use super::calls::CallStream;
use super::latencies::Latencies;
use super::platform::{Fate, Platform};
use super::report::Report;
use crate::model::functions::{FargatePrices, Function, Functions, Task};
use crate::policy::autoscaler::functions::fargate::task_size;
use crate::rng::Seed;
use crate::traffic::arrivals::ArrivalTimes;
use crate::units::{Dollars, SimDuration, SimTime};

/// Windows of a run where nothing is said: so many points make a readable curve.
const WINDOWS: u64 = 288;
/// The shortest window where nothing is said; also that of runs without a known end.
const WINDOW_MIN: SimDuration = SimDuration(60_000_000_000);

/// What came of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionRun {
    /// The functions, in the order of the model.
    pub functions: Vec<Function>,
    /// What happened to each.
    pub report: Report,
    /// How long calls took that were served, from their arrival to their end, by function.
    pub latencies: Vec<Latencies>,
    /// The same of all functions.
    pub all_latencies: Latencies,
    /// How long a window is.
    pub window: SimDuration,
    /// What happened in each.
    pub windows: Vec<FunctionWindow>,
    /// What happened to tasks, in the order of the model.
    pub tasks: Vec<TaskReport>,
    /// When the run ended: with the last call and task, unless an end was set.
    pub end: SimTime,
}

/// What arrived in a window of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FunctionWindow {
    /// Calls.
    pub calls: u64,
    /// Calls that instances were started for.
    pub cold_starts: u64,
    /// Calls that were throttled.
    pub throttled: u64,
}

/// What happened to tasks of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskReport {
    /// Tasks that were started before the end of the run.
    pub started: u64,
    /// How long they took from their start to their end, all of it though the run may end before.
    pub spans: Latencies,
    /// Time of tasks, start and all, in ns; up to the end of the run.
    pub busy_ns: u128,
    /// When the last one ended.
    pub last_end: SimTime,
    /// Most tasks at a time.
    pub concurrency_max: u32,
    /// Hours of CPUs that are billed.
    pub cpu_hours: f64,
    /// Hours of a GB of memory that are billed.
    pub gb_hours: f64,
    /// What they cost, to their end.
    pub cost: Dollars,
}

/// Runs a platform. `window` is the length of the windows; none: one that suits the length of the run.
///
/// # Panics
/// When functions do not fit the limits, or a task is larger than any size there is: a checked scenario has none such.
pub fn run(model: &Functions, seed: Seed, window: Option<SimDuration>) -> FunctionRun {
    let functions: Vec<Function> = model.functions.iter().map(|called| called.function.clone()).collect();
    let horizon = model.settings.horizon;
    let suitable = || SimDuration(horizon.map_or(0, |end| end.0.div_ceil(WINDOWS)).max(WINDOW_MIN.0));
    let window = window.unwrap_or_else(suitable);
    let mut platform = Platform::new(&functions, model.settings).expect("functions fit the limits");
    let mut latencies = vec![Latencies::default(); functions.len()];
    let (mut all_latencies, mut windows) = (Latencies::default(), Vec::new());
    for call in CallStream::new(&model.functions, seed, horizon.unwrap_or(SimTime::NEVER)) {
        let fate = platform.call(&call).expect("calls are in order, of functions that are there");
        let at = (call.arrival.0 / window.0) as usize;
        if windows.len() <= at {
            windows.resize(at + 1, FunctionWindow::default());
        }
        windows[at].calls += 1;
        let end = match fate {
            Fate::Throttled(_) => {
                windows[at].throttled += 1;
                continue;
            }
            Fate::Cold(end) => {
                windows[at].cold_starts += 1;
                end
            }
            Fate::Warm(end) | Fate::Provisioned(end) => end,
            Fate::Late => continue,
        };
        let latency = end.since(call.arrival);
        latencies[call.function as usize].record(latency);
        all_latencies.record(latency);
    }
    let tasks: Vec<TaskReport> =
        model.tasks.iter().map(|task| run_tasks(task, &model.task_prices, seed, horizon)).collect();
    let report = platform.finish();
    let last = tasks.iter().map(|task| task.last_end).fold(report.end, SimTime::max);
    let end = horizon.unwrap_or(last);
    FunctionRun { functions, report, latencies, all_latencies, window, windows, tasks, end }
}

/// Starts tasks of one kind and lets each come to its end.
fn run_tasks(task: &Task, prices: &FargatePrices, seed: Seed, horizon: Option<SimTime>) -> TaskReport {
    let size = task_size(task.cpu, task.memory).expect("a size was found for the task");
    let stream = |what: &str| seed.stream(&format!("tasks/{what}/{}", task.name), 0);
    let mut work = stream("durations");
    let mut report = TaskReport::default();
    let mut ends = std::collections::BinaryHeap::new();
    let horizon = horizon.unwrap_or(SimTime::NEVER);
    for arrival in ArrivalTimes::new(&task.starts, stream("arrivals")).take_while(|arrival| arrival.at < horizon) {
        let span = task.start_up.fast_sample(&mut work) + task.duration.fast_sample(&mut work);
        let end = arrival.at.after(span);
        while ends.peek().is_some_and(|&std::cmp::Reverse(end)| end <= arrival.at) {
            ends.pop();
        }
        ends.push(std::cmp::Reverse(end));
        report.started += 1;
        report.last_end = report.last_end.max(end);
        report.concurrency_max = report.concurrency_max.max(ends.len() as u32);
        report.spans.record(span);
        report.busy_ns += u128::from(end.min(horizon).since(arrival.at).0);
        let hours = prices.billed_seconds(span) as f64 / 3600.0;
        report.cpu_hours += size.cpu.as_cores() * hours;
        report.gb_hours += size.memory.0 as f64 / 1_073_741_824.0 * hours;
        report.cost.0 += prices.task(size, task.storage, span).0;
    }
    report
}

impl FunctionRun {
    /// How many calls and tasks there were: what the run had to do.
    pub fn events(&self) -> u64 {
        self.report.total().calls + self.tasks.iter().map(|task| task.started).sum::<u64>()
    }
}

//! A run of a platform: its calls, from the first to the last, and what is measured of them.

use super::latencies::Latencies;
use super::platform::{Fate, Platform};
use super::report::Report;
use super::slices::{CALLS, Slices};
use crate::model::functions::{FargatePrices, Function, Functions, Invocation, Task};
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
    let until = horizon.unwrap_or(SimTime::NEVER);
    let measures =
        serve(&mut platform, Slices::new(&model.functions, seed, until, CALLS), Measures::new(functions.len(), window));
    let tasks: Vec<TaskReport> =
        model.tasks.iter().map(|task| run_tasks(task, &model.task_prices, seed, horizon)).collect();
    let report = platform.finish();
    let last = tasks.iter().map(|task| task.last_end).fold(report.end, SimTime::max);
    let end = horizon.unwrap_or(last);
    let Measures { latencies, all_latencies, windows, .. } = measures;
    FunctionRun { functions, report, latencies, all_latencies, window, windows, tasks, end }
}

/// Lets all calls come, slice by slice, in order where that may matter.
fn serve(platform: &mut Platform, mut slices: Slices<'_>, mut measures: Measures) -> Measures {
    let mut fates = Vec::new();
    while let Some((start, end)) = slices.draw() {
        let room_until = platform.room_until((start, end), slices.by_function());
        // A short part alone would cost more than it saves.
        if room_until.since(start) >= SimDuration(end.since(start).0.div_ceil(4)) {
            slices.shorten(room_until);
            for calls in slices.by_function() {
                fates.clear();
                platform.call_alone(calls, room_until, &mut fates);
                measures.take_all(calls, &fates);
            }
            platform.end_slice(room_until);
            slices.settle();
        } else {
            for call in slices.in_order() {
                let fate = platform.call(&call).expect("calls are in order, of functions that are there");
                measures.take(&call, fate);
            }
        }
        slices.forget();
    }
    measures
}

/// What is measured of calls.
#[derive(Debug)]
struct Measures {
    latencies: Vec<Latencies>,
    all_latencies: Latencies,
    window: SimDuration,
    windows: Vec<FunctionWindow>,
    /// The window of the last call: its place, and when it begins and ends.
    at: (usize, SimTime, SimTime),
    /// How long calls of a function took; kept for its memory.
    served: Vec<SimDuration>,
}

impl Measures {
    fn new(functions: usize, window: SimDuration) -> Measures {
        let latencies = vec![Latencies::default(); functions];
        let at = (0, SimTime::ZERO, SimTime::ZERO);
        let (windows, served) = (Vec::new(), Vec::new());
        Measures { latencies, all_latencies: Latencies::default(), window, windows, at, served }
    }

    /// What became of calls of one function.
    fn take_all(&mut self, calls: &[Invocation], fates: &[Fate]) {
        let Some(first) = calls.first() else { return };
        let mut served = std::mem::take(&mut self.served);
        served.clear();
        served.extend(calls.iter().zip(fates).filter_map(|(call, &fate)| self.count(call, fate)));
        self.latencies[first.function as usize].record_all(&served);
        self.all_latencies.record_all(&served);
        self.served = served;
    }

    /// What became of a call.
    fn take(&mut self, call: &Invocation, fate: Fate) {
        if let Some(latency) = self.count(call, fate) {
            self.latencies[call.function as usize].record(latency);
            self.all_latencies.record(latency);
        }
    }

    /// Counts a call, and says how long it took; none: it was not served.
    #[inline]
    fn count(&mut self, call: &Invocation, fate: Fate) -> Option<SimDuration> {
        let window = self.window_at(call.arrival);
        window.calls += 1;
        window.cold_starts += u64::from(matches!(fate, Fate::Cold(_)));
        window.throttled += u64::from(matches!(fate, Fate::Throttled(_)));
        fate.end().map(|end| end.since(call.arrival))
    }

    #[inline]
    fn window_at(&mut self, arrival: SimTime) -> &mut FunctionWindow {
        let (_, start, end) = self.at;
        if !(start..end).contains(&arrival) {
            let at = (arrival.0 / self.window.0) as usize;
            let start = SimTime(at as u64 * self.window.0);
            self.at = (at, start, start.after(self.window));
            self.windows.resize(self.windows.len().max(at + 1), FunctionWindow::default());
        }
        &mut self.windows[self.at.0]
    }
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

#[cfg(test)]
mod tests {
    use super::super::calls::CallStream;
    use super::*;
    use crate::importers::functions::population::{PopulationOptions, population};
    use crate::model::functions::{CalledFunction, HybridSettings, KeepAlive, LambdaLimits, PlatformSettings};

    const SEED: Seed = Seed { base: 2, replication: 0 };
    const UNTIL: SimTime = SimTime(20_000_000_000_000);

    /// Calls one after the other, as they come.
    fn in_order(called: &[CalledFunction], functions: &[Function], settings: PlatformSettings) -> (Report, Measures) {
        let mut platform = Platform::new(functions, settings).expect("functions fit the limits");
        let mut measures = Measures::new(functions.len(), SimDuration(100_000_000_000));
        for call in CallStream::new(called, SEED, UNTIL) {
            measures.take(&call, platform.call(&call).expect("calls are in order"));
        }
        (platform.finish(), measures)
    }

    #[test]
    fn slices_are_served_as_the_calls_one_after_the_other() {
        let options =
            PopulationOptions { count: 60, median_calls_per_day: 2000.0, spread: 1.0, ..PopulationOptions::default() };
        let mut called = population(&options, SEED);
        called[50].function.reserved_concurrency = Some(4);
        called[51].function.reserved_concurrency = Some(4);
        called[51].function.provisioned_concurrency = 2;
        called[52].function.provisioned_concurrency = 3;
        let functions: Vec<Function> = called.iter().map(|called| called.function.clone()).collect();
        let mut throttled = Vec::new();
        for (account, keep_alive) in [
            (None, KeepAlive::Fixed(SimDuration(60_000_000_000))),
            (Some(1000), KeepAlive::None),
            (Some(40), KeepAlive::Fixed(SimDuration(60_000_000_000))),
            (Some(30), KeepAlive::Hybrid(HybridSettings::default())),
            (Some(20), KeepAlive::Fixed(SimDuration(60_000_000_000))),
        ] {
            let limits =
                account.map(|account_concurrency| LambdaLimits { account_concurrency, ..LambdaLimits::default() });
            let settings = PlatformSettings { keep_alive, limits, horizon: Some(UNTIL), ..PlatformSettings::default() };
            let (report, expected) = in_order(&called, &functions, settings);
            for size in [50, 1000, CALLS] {
                let mut platform = Platform::new(&functions, settings).expect("functions fit the limits");
                let slices = Slices::new(&called, SEED, UNTIL, size);
                let measures = serve(&mut platform, slices, Measures::new(functions.len(), expected.window));
                assert_eq!(platform.finish(), report, "{account:?}, slices of {size}");
                assert_eq!(measures.windows, expected.windows, "{account:?}, slices of {size}");
                let figures = |latencies: &[Latencies]| {
                    format!("{:?}", latencies.iter().map(Latencies::figures_s).collect::<Vec<_>>())
                };
                assert_eq!(figures(&measures.latencies), figures(&expected.latencies), "{account:?}, slices of {size}");
                assert_eq!(measures.all_latencies.figures_s(), expected.all_latencies.figures_s());
            }
            throttled.push(report.total().throttled_account as f64 / report.total().calls as f64);
        }
        // Never, sometimes, and often.
        assert_eq!(throttled[..2], [0.0, 0.0]);
        assert!(
            throttled[2..].is_sorted() && (0.0001..0.1).contains(&throttled[2]) && throttled[4] > 0.1,
            "{throttled:?}"
        );
    }
}

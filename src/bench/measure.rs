//! One timed run: the engine, a policy inside a stopwatch, and a light observer.
//!
//! The stopwatch runs from the first measured arrival to the end of the run, so it holds arrivals, queue, decisions and
//! what they change. Wall time is what users wait for; CPU time of the thread is what comparisons go by, since it stays
//! the same when other processes take their turns on the processor. Cost of measuring: two looks at the clock a decision, about 50 ns together, which the latencies
//! hold in part and the rates in full.

use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::draft::MEASURED_FROM;
use super::workloads::{self, Size};
use crate::engine::Simulation;
use crate::ids::{ClassId, PodId};
use crate::model::{Model, PolicyChoice};
use crate::observe::Observer;
use crate::policy::scheduler::kube::queue::SchedulingQueue;
use crate::policy::scheduler::{Decision, Refusal, Scheduler};
use crate::policy::{queue, scheduler};
use crate::results::manifest::peak_memory_bytes;
use crate::rng::split_mix;
use crate::stats::{quantile, quantiles};
use crate::units::SimTime;
use crate::world::{Phase, View};

/// The position of the measured pods among the sources of a workload's model.
const MEASURED_SOURCE: u16 = 1;

/// What is measured: a workload of a size under a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Name of the workload.
    pub workload: String,
    /// Name of the scheduling policy, with its default parameters.
    pub policy: String,
    /// Nodes at the start.
    pub nodes: u32,
    /// Pods placed before measuring begins.
    pub initial_pods: u32,
    /// Measured pods.
    pub pods: u32,
}

/// Why a case cannot be measured: it names what does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    /// There is no such workload.
    #[error("there is no workload called `{0}`")]
    UnknownWorkload(String),
    /// There is no such policy.
    #[error("there is no scheduler policy called `{0}`")]
    UnknownPolicy(String),
    /// The policy needs parameters, or the model is none it can run on.
    #[error("policy `{policy}`: {message}")]
    Policy {
        /// The policy.
        policy: String,
        /// What it says.
        message: String,
    },
}

/// The figures of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// Wall time from the first measured arrival to the end of the run, s; the median of the repeats.
    pub wall_s: f64,
    /// CPU time of the same stretch, s, which leaves out what other processes took of the processor; the median of the
    /// repeats. Wall time where the system does not tell.
    pub cpu_s: f64,
    /// How often the workload was run in this process: a short one is repeated. Latencies are those of all repeats,
    /// other figures those of one.
    pub repeats: u32,
    /// How often the policy was asked in that time, for measured and other pods.
    pub decisions: u64,
    /// How many of the decisions were that a pod fits nowhere.
    pub refusals: u64,
    /// Measured pods that got a node.
    pub placed: u64,
    /// Measured pods that had none at the end.
    pub unplaced: u64,
    /// Pods that lost their node in that time.
    pub evictions: u64,
    /// Median time of a decision, us.
    pub latency_us_p50: f64,
    /// 90th percentile of the time of a decision, us.
    pub latency_us_p90: f64,
    /// 99th percentile of the time of a decision, us.
    pub latency_us_p99: f64,
    /// Longest time of a decision, us.
    pub latency_us_max: f64,
    /// The most memory the process held; none where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
    /// CPU time of the fixed calibration loop in the same process: the mean of before and after the run, s.
    pub calibration_s: f64,
    /// Hash of which pod got which node in which order, initial pods included, and of who lost it; several, joined by
    /// dashes, when repeats decided differently.
    pub placements_hash: String,
}

impl Measurement {
    /// Decisions per second of wall time.
    pub fn decisions_per_s(&self) -> f64 {
        self.decisions as f64 / self.wall_s
    }

    /// Decisions per second of CPU time.
    pub fn decisions_per_cpu_s(&self) -> f64 {
        self.decisions as f64 / self.cpu_s
    }

    /// Measured pods placed per second of wall time.
    pub fn pods_per_s(&self) -> f64 {
        self.placed as f64 / self.wall_s
    }
}

impl Case {
    /// The size as the workload's table knows it.
    pub fn size(&self) -> Size {
        Size { nodes: self.nodes, initial: self.initial_pods, measured: self.pods }
    }

    /// The model of this case, with the policy in place.
    ///
    /// # Errors
    /// When there is no such workload.
    pub fn model(&self) -> Result<Model, CaseError> {
        let workload =
            workloads::find(&self.workload).ok_or_else(|| CaseError::UnknownWorkload(self.workload.clone()))?;
        let mut model = workload.build(self.size());
        model.scheduling.policy = PolicyChoice::named(&self.policy);
        Ok(model)
    }
}

/// The shortest time that is measured: a short workload is repeated until its repeats add up to it.
const MEASURED_MIN_S: f64 = 0.25;
const REPEATS_MAX: u32 = 50;

/// Measures a case: runs it, and a short one again and again. Memory is that of the whole process, so a process should
/// measure one case only.
///
/// # Errors
/// When the case names a workload or policy that does not exist.
pub fn measure(case: &Case) -> Result<Measurement, CaseError> {
    let model = case.model()?;
    let before = calibrate();
    let mut latencies_ns = Vec::new();
    let first = run_once(&model, &mut latencies_ns)?;
    let peak_memory_bytes = peak_memory_bytes();
    let (mut walls, mut cpus) = (vec![first.elapsed.wall_s], vec![first.elapsed.cpu_s]);
    let mut hashes = vec![first.hash];
    while walls.iter().sum::<f64>() < MEASURED_MIN_S && walls.len() < REPEATS_MAX as usize {
        let again = run_once(&model, &mut latencies_ns)?;
        walls.push(again.elapsed.wall_s);
        cpus.push(again.elapsed.cpu_s);
        if !hashes.contains(&again.hash) {
            hashes.push(again.hash);
        }
    }
    let repeats = walls.len() as u32;
    let max = latencies_ns.iter().copied().max().unwrap_or(0);
    let found = match max {
        // JSON knows no NaN, and no decision took no time.
        0 => vec![0.0; 3],
        _ => quantiles(&mut latencies_ns, &[0.5, 0.9, 0.99]),
    };
    Ok(Measurement {
        wall_s: quantile(&mut walls, 0.5),
        cpu_s: quantile(&mut cpus, 0.5),
        repeats,
        decisions: first.decisions,
        refusals: first.refusals,
        placed: first.placed,
        unplaced: first.unplaced,
        evictions: first.evictions,
        latency_us_p50: found[0] / 1e3,
        latency_us_p90: found[1] / 1e3,
        latency_us_p99: found[2] / 1e3,
        latency_us_max: max as f64 / 1e3,
        peak_memory_bytes,
        calibration_s: (before + calibrate()) / 2.0,
        placements_hash: hashes.iter().map(|hash| format!("{hash:016x}")).collect::<Vec<_>>().join("-"),
    })
}

/// What one run gives.
struct Run {
    elapsed: Elapsed,
    decisions: u64,
    refusals: u64,
    placed: u64,
    unplaced: u64,
    evictions: u64,
    hash: u64,
}

/// One run; the latencies of its decisions are appended.
fn run_once(model: &Model, latencies_ns: &mut Vec<u64>) -> Result<Run, CaseError> {
    let choice = &model.scheduling.policy;
    let refused = |message: String| CaseError::Policy { policy: choice.name.clone(), message };
    let row = scheduler::find(&choice.name).ok_or_else(|| CaseError::UnknownPolicy(choice.name.clone()))?;
    let inner = row.build(&choice.parameters, model, model.seed).map_err(|error| refused(error.to_string()))?;
    let order = queue::find(&model.scheduling.queue.name).expect("workloads name a queue order of the table");
    let order = order.build(&model.scheduling.queue.parameters).map_err(|error| refused(error.to_string()))?;
    let collected = Arc::new(Mutex::new(Latencies::default()));
    let timed = Timed { inner, latencies: Latencies::default(), collected: Arc::clone(&collected) };
    let finished = Simulation::with_policies(model, Box::new(timed), order, Watcher::default()).run();
    let watcher = &finished.observer;
    let latencies = std::mem::take(&mut *collected.lock().expect("no thread panicked with it"));
    latencies_ns.extend_from_slice(&latencies.ns);
    let pods = &finished.world.pods;
    let (mut placed, mut unplaced) = (0, 0);
    for i in (0..pods.len()).filter(|&i| pods.origin[i].0 == MEASURED_SOURCE) {
        match pods.phase[i] {
            phase if phase.holds_node() => placed += 1,
            Phase::Succeeded => placed += 1,
            _ => unplaced += 1,
        }
    }
    Ok(Run {
        elapsed: watcher.elapsed,
        decisions: latencies.ns.len() as u64,
        refusals: latencies.refusals,
        placed,
        unplaced,
        evictions: watcher.evictions,
        hash: watcher.hash,
    })
}

/// Wall times of decisions from the first measured arrival on.
#[derive(Debug, Default)]
struct Latencies {
    ns: Vec<u64>,
    refusals: u64,
}

/// A scheduler inside a stopwatch. The engine drops it at the end; then it hands over what it has collected, so that no
/// lock is taken per decision.
struct Timed {
    inner: Box<dyn Scheduler>,
    latencies: Latencies,
    collected: Arc<Mutex<Latencies>>,
}

impl Timed {
    fn timed(&mut self, view: &View<'_>, decide: impl FnOnce(&mut dyn Scheduler) -> Decision) -> Decision {
        if view.world.time < MEASURED_FROM {
            return decide(self.inner.as_mut());
        }
        let start = Instant::now();
        let decision = decide(self.inner.as_mut());
        let ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.latencies.ns.push(ns);
        self.latencies.refusals += u64::from(decision == Decision::Unschedulable);
        decision
    }
}

/// Every method of the trait is passed on: a default here would hide what the policy does.
impl Scheduler for Timed {
    fn decide(&mut self, view: &View<'_>, class: ClassId) -> Decision {
        self.timed(view, |inner| inner.decide(view, class))
    }

    fn decide_for(&mut self, view: &View<'_>, pod: PodId) -> Decision {
        self.timed(view, |inner| inner.decide_for(view, pod))
    }

    fn follows_placements(&self) -> bool {
        self.inner.follows_placements()
    }

    fn queue(&self) -> Option<SchedulingQueue> {
        self.inner.queue()
    }

    fn refusal(&mut self) -> Refusal {
        self.inner.refusal()
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        if let Ok(mut collected) = self.collected.lock() {
            *collected = std::mem::take(&mut self.latencies);
        }
    }
}

/// Runs the stopwatch and hashes what was decided.
#[derive(Debug, Default)]
struct Watcher {
    started: Option<Stopwatch>,
    elapsed: Elapsed,
    hash: u64,
    evictions: u64,
}

impl Watcher {
    fn add_to_hash(&mut self, pod: PodId, what: u64) {
        self.hash = split_mix(self.hash ^ (u64::from(pod.0) << 32 | what));
    }
}

impl Observer for Watcher {
    fn time_advances(&mut self, _view: &View<'_>, to: SimTime) {
        if to >= MEASURED_FROM && self.started.is_none() {
            self.started = Some(Stopwatch::start());
        }
    }

    fn decided(&mut self, _view: &View<'_>, pod: PodId, decision: &Decision) {
        if let Decision::Place(placement) = decision {
            self.add_to_hash(pod, placement.node.0.into());
        }
    }

    fn pod_evicted(&mut self, view: &View<'_>, pod: PodId) {
        self.add_to_hash(pod, u32::MAX.into());
        self.evictions += u64::from(view.world.time >= MEASURED_FROM);
    }

    fn end(&mut self, _view: &View<'_>) {
        self.elapsed = self.started.map(Stopwatch::elapsed).unwrap_or_default();
    }
}

/// Wall and CPU time of this thread since a moment.
#[derive(Clone, Copy, Debug)]
struct Stopwatch {
    wall: Instant,
    cpu_s: Option<f64>,
}

/// What a stopwatch shows.
#[derive(Clone, Copy, Debug, Default)]
struct Elapsed {
    wall_s: f64,
    cpu_s: f64,
}

impl Stopwatch {
    fn start() -> Stopwatch {
        Stopwatch { wall: Instant::now(), cpu_s: thread_cpu_s() }
    }

    fn elapsed(self) -> Elapsed {
        let now = thread_cpu_s();
        let wall_s = self.wall.elapsed().as_secs_f64();
        let cpu_s = self.cpu_s.zip(now).map_or(wall_s, |(start, end)| end - start);
        Elapsed { wall_s, cpu_s }
    }
}

/// CPU time that this thread has taken, s.
#[cfg(target_os = "linux")]
fn thread_cpu_s() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
}

#[cfg(not(target_os = "linux"))]
fn thread_cpu_s() -> Option<f64> {
    None
}

/// CPU time in seconds of a fixed piece of work: half arithmetic in registers, half dependent reads over 4 MiB, as
/// schedulers do both. Two machines, or one machine at two times, compare by it.
pub fn calibrate() -> f64 {
    const WORDS: usize = 1 << 19;
    const STEPS: usize = 2_000_000;
    let mut words: Vec<u64> = (0..WORDS as u64).map(split_mix).collect();
    let start = Stopwatch::start();
    let mut state = 1u64;
    for _ in 0..STEPS * 10 {
        state = split_mix(state);
    }
    let mut position = state as usize % WORDS;
    for _ in 0..STEPS {
        let word = &mut words[position];
        *word = word.wrapping_add(state);
        position = (*word >> 20) as usize % WORDS;
    }
    black_box((state, position));
    start.elapsed().cpu_s
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(workload: &str, pods: u32) -> Case {
        Case { workload: workload.to_owned(), policy: "least-allocated".to_owned(), nodes: 4, initial_pods: 8, pods }
    }

    #[test]
    fn all_that_is_asked_is_counted() {
        // 4 nodes of 4 cores take 160 pods of 100 milli-cores; 8 are there already, so 152 of 200 find a place. The
        // first refusal blocks the class, so the policy is asked 153 times.
        let measurement = measure(&case("basic", 200)).expect("workload and policy exist");
        assert_eq!((measurement.placed, measurement.unplaced), (152, 48));
        assert_eq!((measurement.decisions, measurement.refusals), (153, 1));
        assert!(measurement.wall_s > 0.0 && measurement.cpu_s > 0.0 && measurement.calibration_s > 0.0);
        assert!(measurement.latency_us_p50 <= measurement.latency_us_p90);
        assert!(measurement.latency_us_p99 <= measurement.latency_us_max);
    }

    #[test]
    fn the_hash_tells_decisions_apart() {
        let hash = |policy: &str| {
            let case = Case { policy: policy.to_owned(), ..case("basic", 20) };
            measure(&case).expect("workload and policy exist").placements_hash
        };
        assert_eq!(hash("least-allocated"), hash("least-allocated"));
        assert_ne!(hash("least-allocated"), hash("most-allocated"));
    }

    #[test]
    fn unknown_names_are_errors() {
        assert_eq!(measure(&case("basics", 1)), Err(CaseError::UnknownWorkload("basics".to_owned())));
        let case = Case { policy: "best".to_owned(), ..case("basic", 1) };
        assert_eq!(measure(&case), Err(CaseError::UnknownPolicy("best".to_owned())));
    }

    #[test]
    fn a_measurement_survives_writing_and_reading() {
        let measurement = measure(&case("gated", 10)).expect("workload and policy exist");
        let text = serde_json::to_string(&measurement).expect("it is plain data");
        assert_eq!(serde_json::from_str::<Measurement>(&text).expect("it reads back"), measurement);
    }
}

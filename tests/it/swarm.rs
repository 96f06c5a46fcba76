//! Thousands of random scenarios, each held against every invariant after every event.
//!
//! A seed that fails is printed; `WAVETANK_SWARM_SEED=<seed> cargo test --test it swarm` runs it alone, and
//! `WAVETANK_SWARM_COUNT` changes how many there are.
#![allow(clippy::disallowed_methods, reason = "tests look at the environment")]

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use rayon::prelude::*;

use super::audit::Audit;
use super::random_model::random_model;
use wavetank::engine::{Finished, Simulation, watch};
use wavetank::experiment::single::{Detail, run_model};
use wavetank::ids::{ClassId, NodeId, PodId};
use wavetank::model::{GpuRequest, Model, PolicyChoice};
use wavetank::observe::summary::{self, summary};
use wavetank::observe::{CheckEveryEvent, Recorder, tables};
use wavetank::policy::queue::{self, QueueOrder};
use wavetank::policy::scheduler::{Decision, Placement, SCHEDULERS, Scheduler, filter, gpus};
use wavetank::results::{Column, Table};
use wavetank::units::SimTime;
use wavetank::world::{NodeState, Phase, View, World};

const SCENARIOS: u64 = 3000;

fn csv(table: &Table) -> String {
    let mut out = Vec::new();
    table.write_csv(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// What a swarm run did: a swarm that never places, refuses or evicts would prove nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Activity {
    placements: u64,
    refusals: u64,
    evictions: u64,
}

/// Runs the model of `seed` under all checks.
fn check_seed(seed: u64) -> Activity {
    let model = random_model(seed);
    let observer = ((CheckEveryEvent, Audit::default()), Recorder::new(&model));
    let finished = watch(&model, observer).unwrap();
    let ((_, audit), recorder) = &finished.observer;
    check_cost(&model, &finished.world);
    check_tables(&model, &finished.world, recorder, finished.events);
    Activity { placements: audit.placements, refusals: audit.refusals, evictions: recorder.evictions_total }
}

/// I7: parts of the cost sum to the whole, and each is price times the time the node was there.
fn check_cost(model: &Model, world: &World) {
    let view = View { model, world };
    let recorder = Recorder::new(model);
    let metrics = summary(&view, &recorder, 0);
    let total = metrics.iter().find(|metric| metric.name == "cost_usd_total").unwrap().value;
    let nodes = tables::nodes(&view, &recorder);
    let Some(Column::Fixed(_, parts)) = nodes.column("cost_usd") else { panic!("nodes have no cost") };
    assert!((parts.iter().sum::<f64>() - total).abs() <= 1e-9 * total, "I7: costs {parts:?} do not sum to {total}");
    for (i, part) in parts.iter().enumerate() {
        let added = world.nodes.added[i];
        let until = if world.nodes.state[i].is_up() { world.time } else { world.nodes.removed[i] };
        assert!(until <= world.time && added <= until, "I7: node {i} was there from {added} to {until}");
        let price = model.cluster.shape(world.nodes.shape[i]).usd_per_hour;
        let expected = price * until.since(added).as_seconds() / 3600.0;
        assert!((part - expected).abs() <= 1e-9 * expected, "I7: node {i} costs {part}, not {expected}");
    }
}

/// I4: another run of the same model gives the same tables, whoever watches.
fn check_tables(model: &Model, world: &World, recorder: &Recorder, events: u64) {
    let again = run_model(model, Detail::Tables).unwrap();
    let view = View { model, world };
    for (name, table) in &again.tables {
        let first = match *name {
            "summary" => summary::table(&summary(&view, recorder, events)),
            "timeseries" => recorder.series.table(),
            "packing" => recorder.packing.table(),
            "nodes" => tables::nodes(&view, recorder),
            "pods" => tables::pods(&view),
            "decisions" => recorder.decisions.as_ref().unwrap().table(&view),
            "arrivals" => recorder.arrivals.as_ref().unwrap().table(&view),
            other => panic!("table {other} is not compared"),
        };
        assert_eq!(csv(&first), csv(table), "I4: table {name} differs between two runs");
    }
}

thread_local! {
    /// Whether panics of this thread are expected, and not worth a backtrace.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What was said when a check failed; none: all held.
pub(crate) fn failure<T>(check: impl FnOnce() -> T) -> Option<String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    QUIET.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(check));
    QUIET.set(false);
    let panic = outcome.err()?;
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    Some(text.unwrap_or("a panic without words").to_owned())
}

pub(crate) fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is `{text}`")))
}

#[test]
fn invariants_hold_in_thousands_of_random_scenarios() {
    if let Some(seed) = number_from("WAVETANK_SWARM_SEED") {
        println!("swarm seed {seed}: {:#?}", random_model(seed));
        println!("{:?}", check_seed(seed));
        return;
    }
    let count = number_from("WAVETANK_SWARM_COUNT").unwrap_or(SCENARIOS);
    println!("swarm seeds 0..{count}");
    let outcomes: Vec<Result<Activity, String>> = (0..count)
        .into_par_iter()
        .map(|seed| {
            let mut activity = Activity::default();
            match failure(|| activity = check_seed(seed)) {
                None => Ok(activity),
                Some(words) => Err(format!("WAVETANK_SWARM_SEED={seed} replays: {words}")),
            }
        })
        .collect();
    let failures: Vec<&String> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    let shown: Vec<&str> = failures.iter().take(10).map(|failure| failure.as_str()).collect();
    assert!(failures.is_empty(), "{} of {count} scenarios fail:\n{}", failures.len(), shown.join("\n"));
    let with = |of: fn(&Activity) -> u64| outcomes.iter().flatten().filter(|activity| of(activity) > 0).count() as u64;
    let active = [with(|a| a.placements), with(|a| a.refusals), with(|a| a.evictions)];
    println!("scenarios with placements, refusals, evictions: {active:?}");
    assert!(active.iter().all(|&scenarios| scenarios > count / 5), "the swarm is too quiet: {active:?}");
}

#[test]
fn the_swarm_meets_every_policy() {
    let models: Vec<Model> = (0..SCENARIOS).map(random_model).collect();
    for row in SCHEDULERS {
        let met = models.iter().filter(|model| model.scheduling.policy.name == row.name).count();
        assert!(met >= 10, "{} is met {met} times", row.name);
    }
    for row in queue::QUEUE_ORDERS {
        let met = models.iter().filter(|model| model.scheduling.queue.name == row.name).count();
        assert!(met >= 10, "{} is met {met} times", row.name);
    }
}

/// How a scheduler can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// None: shows that the canary's own scheduler is sound without a fault.
    Sound,
    /// Places wherever there are resources, whatever selectors and taints say.
    IgnoresConstraints,
    /// Places on cordoned nodes.
    IgnoresCordon,
    /// Places on a node that is full.
    Overcommits,
    /// Takes the first devices, free or not.
    TakesBusyGpus,
    /// Refuses every third pod.
    Refuses,
    /// Reports another number of feasible nodes.
    Miscounts,
}

/// First fit with a fault.
struct Canary {
    fault: Fault,
    asked: u32,
}

impl Canary {
    fn accepts(&self, view: &View<'_>, class: ClassId, node: NodeId) -> bool {
        let nodes = &view.world.nodes;
        let gpu: Option<&GpuRequest> = view.class(class).gpu.as_ref();
        let resources = filter::resource_refusal(view, class, node).is_none()
            && gpu.is_none_or(|request| filter::gpus_fit(request, nodes.gpu_left(node)));
        let state = nodes.state[node.index()];
        match self.fault {
            Fault::IgnoresConstraints => state == NodeState::Ready && resources,
            Fault::IgnoresCordon => filter::fits(view, class, node) || (state == NodeState::Cordoned && resources),
            Fault::Overcommits => state.is_up() && gpu.is_none(),
            Fault::TakesBusyGpus => {
                let enough = gpu.is_some_and(|request| nodes.gpu_count(node) >= request.count);
                let bare = filter::resource_refusal(view, class, node).is_none() && state == NodeState::Ready;
                filter::fits(view, class, node) || (bare && enough)
            }
            Fault::Sound | Fault::Refuses | Fault::Miscounts => filter::fits(view, class, node),
        }
    }
}

impl Scheduler for Canary {
    fn decide(&mut self, view: &View<'_>, class: ClassId) -> Decision {
        self.asked += 1;
        let accepted = (0..view.world.nodes.len()).map(NodeId::from_index).filter(|&n| self.accepts(view, class, n));
        let accepted: Vec<NodeId> = accepted.collect();
        if accepted.is_empty() || (self.fault == Fault::Refuses && self.asked.is_multiple_of(3)) {
            return Decision::Unschedulable;
        }
        let (node, gpu) = (accepted[0], view.class(class).gpu.as_ref());
        let devices = gpu.map_or(0, |request| match self.fault {
            Fault::TakesBusyGpus => (1 << request.count) - 1,
            _ => gpus::best_fit(request, view.world.nodes.gpu_left(node)),
        });
        let feasible = accepted.len() as u32 + u32::from(self.fault == Fault::Miscounts);
        Decision::Place(Placement { node, gpus: devices, feasible, best: -1, ties: 1 })
    }
}

/// A queue that takes the latest first, and says it is first in, first out.
struct LatestFirst;

impl QueueOrder for LatestFirst {
    fn rank(&self, _: &View<'_>, pod: PodId) -> i64 {
        -i64::from(pod.0)
    }
}

fn run_canary(seed: u64, fault: Fault, order: Option<Box<dyn QueueOrder>>) -> Finished<(CheckEveryEvent, Audit)> {
    let mut model = random_model(seed);
    model.scheduling.queue = PolicyChoice::named("fifo");
    let order = order.unwrap_or_else(|| queue::find("fifo").unwrap().build(&serde_json::json!({})).unwrap());
    let observer = (CheckEveryEvent, Audit::default());
    Simulation::with_policies(&model, Box::new(Canary { fault, asked: 0 }), order, observer).run()
}

#[test]
fn broken_schedulers_are_caught() {
    const SEEDS: u64 = 60;
    for (fault, words) in [
        (Fault::IgnoresConstraints, "I10: pod"),
        (Fault::IgnoresCordon, "I10: pod"),
        (Fault::Overcommits, "I2: a node would be over its allocatable"),
        (Fault::TakesBusyGpus, "I2: a GPU would be over its capacity"),
        (Fault::Refuses, "is refused, but fits on"),
        (Fault::Miscounts, "I10: feasible nodes"),
    ] {
        let said: Vec<String> = (0..SEEDS).filter_map(|seed| failure(|| run_canary(seed, fault, None))).collect();
        let caught = said.iter().filter(|said| said.contains(words)).count();
        assert!(caught >= 5, "{fault:?} is caught {caught} times of {SEEDS}; said: {:?}", said.first());
    }
    for seed in 0..SEEDS {
        assert_eq!(failure(|| run_canary(seed, Fault::Sound, None)), None, "seed {seed}: the sound canary is accused");
    }
}

#[test]
fn a_broken_queue_order_is_caught() {
    let said = (0..60).filter_map(|seed| failure(|| run_canary(seed, Fault::Sound, Some(Box::new(LatestFirst)))));
    let caught = said.filter(|said| said.contains("overtakes class")).count();
    assert!(caught >= 5, "caught {caught} times of 60");
}

#[test]
fn broken_worlds_are_caught() {
    let model = (0..).map(random_model).find(|model| {
        let world = watch(model, ()).unwrap().world;
        world.pods_by_phase[Phase::Running as usize] > 0 && world.totals.gpu_allocated > 0
    });
    let model = model.unwrap();
    let sound = watch(&model, ()).unwrap().world;
    assert_eq!(sound.check(&model), Ok(()));
    let running = PodId::from_index(sound.pods.phase.iter().position(|&phase| phase == Phase::Running).unwrap());
    type Break = fn(&mut World, PodId);
    let breaks: [(&str, Break, &str); 9] = [
        ("a pod in two phases", |world, _| world.pods_by_phase[0] += 1, "I1"),
        ("a pod that runs nowhere", |world, pod| world.set_phase(pod, Phase::Pending), "I1"),
        ("a pod from the future", |world, pod| world.pods.arrival[pod.index()] = SimTime::NEVER, "I3"),
        ("free cpu", |world, _| world.nodes.free_cpu[0] += 1, "I2"),
        ("free memory", |world, _| world.nodes.free_memory[0] += 1, "I2"),
        ("pod slots", |world, _| world.nodes.free_pods[0] += 1, "I2"),
        ("cpu for scoring", |world, _| world.nodes.scoring_cpu[0] += 1, "I2"),
        ("GPUs in all", |world, _| world.nodes.gpu_left_total[0] += 1, "I2"),
        ("totals", |world, _| world.totals.cpu_allocated += 1, "I2"),
    ];
    for (what, break_it, invariant) in breaks {
        let mut world = sound.clone();
        break_it(&mut world, running);
        let violation = world.check(&model).expect_err(what);
        assert!(violation.starts_with(invariant), "{what}: {violation}");
    }
}

//! Random scenarios with objects that make pods, read from files and held against every invariant after every event.
//!
//! A seed that fails is printed; `WAVETANK_SWARM_SEED=<seed> cargo test --test it workload_swarm` runs it alone and says
//! where its files are, and `WAVETANK_SWARM_COUNT` changes how many there are.
#![allow(clippy::disallowed_methods, reason = "tests write files")]

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use super::random_workload::random_scenario;
use super::swarm::{failure, number_from};
use super::workload_audit::WorkloadAudit;
use wavetank::engine::watch;
use wavetank::model::Model;
use wavetank::observe::{CheckEveryEvent, Recorder};
use wavetank::scenario::{Environment, load_scenario};

const SCENARIOS: u64 = 600;

fn load(directory: &Path, seed: u64) -> Model {
    let files = random_scenario(seed).0;
    for (name, text) in &files {
        std::fs::write(directory.join(name), text).unwrap();
    }
    match load_scenario(&directory.join(&files[0].0), &[], 0, &Environment::default()) {
        Ok(loaded) => loaded.model,
        Err(error) => panic!("the reader refuses it: {error}"),
    }
}

/// Runs the scenario of a seed under all checks.
fn check_seed(directory: &Path, seed: u64) -> BTreeMap<&'static str, u64> {
    let model = load(directory, seed);
    let observer = ((CheckEveryEvent, WorkloadAudit::default()), Recorder::new(&model));
    let finished = watch(&model, observer).unwrap();
    let ((_, audit), _) = finished.observer;
    let mut activity = audit.evictions;
    activity.insert("restarts", audit.restarts);
    activity.insert("successes", audit.successes);
    activity.insert("OOM kills", finished.world.usage.iter().map(|(_, usage)| usage.totals.oom_kills).sum());
    activity
}

#[test]
fn invariants_hold_in_random_scenarios_with_controllers() {
    if let Some(seed) = number_from("WAVETANK_SWARM_SEED") {
        let directory = tempfile::tempdir().unwrap().keep();
        println!("swarm seed {seed}: {}", directory.display());
        println!("{:?}", check_seed(&directory, seed));
        return;
    }
    let count = number_from("WAVETANK_SWARM_COUNT").unwrap_or(SCENARIOS);
    println!("workload swarm seeds 0..{count}");
    let run = |seed: u64| {
        let directory = tempfile::tempdir().unwrap();
        let mut activity = BTreeMap::new();
        match failure(|| activity = check_seed(directory.path(), seed)) {
            None => Ok(activity),
            Some(words) => Err(format!("WAVETANK_SWARM_SEED={seed} replays: {words}")),
        }
    };
    let outcomes: Vec<Result<BTreeMap<&str, u64>, String>> = (0..count).into_par_iter().map(run).collect();
    let failures: Vec<&String> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    let shown: Vec<&str> = failures.iter().take(20).map(|failure| failure.as_str()).collect();
    assert!(failures.is_empty(), "{} of {count} scenarios fail:\n{}", failures.len(), shown.join("\n"));
    let mut active: BTreeMap<&str, u64> = BTreeMap::new();
    for (what, times) in outcomes.iter().flatten().flatten() {
        *active.entry(what).or_default() += u64::from(*times > 0);
    }
    println!("scenarios with evictions by reason and the like: {active:?}");
    for what in
        ["NodeDrained", "Preempted", "TaintEviction", "NodeReclaimed", "Evicted", "restarts", "successes", "OOM kills"]
    {
        assert!(active.get(what).copied().unwrap_or(0) > count / 100, "the swarm is too quiet: {active:?}");
    }
}

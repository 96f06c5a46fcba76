//! Runs whose whole outcome is known: one worked out by hand, and the scenarios of the repository as they were reviewed.
#![allow(clippy::disallowed_methods, reason = "tests read files and start the program")]

use std::fs;
use std::path::{Path, PathBuf};

use super::event_log::{model, run};
use super::program::wavetank_ok;
use wavetank::experiment::single::{Detail, run_model};

/// Three nodes of 4 cores, six pods, a drain, a crash and a node that joins; first fit.
const BY_HAND: &str = "
cluster: {pools: [{name: n, count: 3, allocatable: {cpu: 4, memory: 8Gi, pods: 10}, usdPerHour: 3.6}]}
workload:
  templates:
    - {name: a, count: 3, requests: {cpu: 2}, arrivals: {at: [0s, 0s, 0s]}, duration: 20s}
    - {name: b, count: 2, requests: {cpu: 4}, arrivals: {at: [5s, 6s]}, duration: 10s}
    - {name: c, count: 1, requests: {cpu: 1}, arrivals: {at: [8s]}, duration: 4s}
scheduler: {policy: first-fit}
script:
  - {at: 10s, drain: n-0}
  - {at: 17s, crash: n-1}
  - {at: 18s, add: {pool: n}}
outputs: {decisions: true}
";

/// Free cores of n-0, n-1, n-2, n-3 stand at the end of the comments.
const LOG_BY_HAND: &[&str] = &[
    "0 a-0 pending",
    "0 a-1 pending",
    "0 a-2 pending",
    "0 a-0 running n-0",
    "0 a-1 running n-0",
    "0 a-2 running n-1", // 0 2 4
    "5 b-0 pending",
    "5 b-0 running n-2", // 0 2 0
    "6 b-1 pending",
    "6 b-1 refused", // needs 4
    "8 c-0 pending",
    "8 c-0 running n-1", // 0 1 0
    "10 n-0 cordoned",   // drained: - 1 0
    "10 a-0 pending",
    "10 a-1 pending",
    "10 a-0 refused",     // needs 2, and n-0 takes no pods
    "10 a-1 refused",     // of the same class
    "12 c-0 succeeded",   // - 2 0
    "12 a-1 refused",     // a-0 came first and takes both cores
    "12 a-0 running n-1", // - 0 0
    "15 b-0 succeeded",   // - 0 4
    "15 b-1 refused",     // a-1 is earlier in the queue
    "15 a-1 running n-2", // - 0 2
    "17 n-1 crashed",     // a-0 (ran 5 of 20 s) and a-2 (17 of 20 s) start anew: - - 2
    "17 a-0 pending",
    "17 a-2 pending",
    "17 a-2 refused",
    "17 a-0 running n-2", // - - 0
    "18 n-3 ready",       // - - 0 4
    "18 b-1 refused",     // a-2 is earlier in the queue
    "18 a-2 running n-3", // - - 0 2
    "35 a-1 succeeded",   // 15 + 20; - - 2 2: b-1 is not even tried
    "37 a-0 succeeded",   // 17 + 20; - - 4 2
    "37 b-1 running n-2", // - - 0 2
    "38 a-2 succeeded",   // 18 + 20; - - 0 4
    "47 b-1 succeeded",   // 37 + 10
];

#[test]
fn a_small_run_goes_as_worked_out_by_hand() {
    let model = model(BY_HAND);
    assert_eq!(run(&model).observer.lines, LOG_BY_HAND);

    let record = run_model(&model, Detail::Tables).unwrap();
    let value = |name: &str| record.metrics.iter().find(|metric| metric.name == name).unwrap().value;
    for (name, expected) in [
        ("pods_arrived", 6.0),
        ("pods_succeeded", 6.0),
        // a-0 and a-1 by the drain, a-0 and a-2 by the crash.
        ("evictions_total", 4.0),
        // 6 first placements and 4 after evictions; the log has 7 refusals.
        ("decisions_total", 17.0),
        ("decisions_unschedulable", 7.0),
        // b-1 alone waited for its first node: 37 - 6 = 31 s of 6 pods.
        ("wait_ms_mean", 31_000.0 / 6.0),
        ("wait_ms_max", 31_000.0),
        ("nodes_up", 3.0),
        // 3.6 USD an hour are 0.001 USD a second: 47 s of n-0, 17 s of n-1, 47 s of n-2, 47 - 18 s of n-3.
        ("cost_usd_total", 0.140),
        ("end_time_s", 47.0),
        // Core seconds: a-0 2 * (10 + 5 + 20), a-1 2 * (10 + 20), a-2 2 * (17 + 20), b 4 * (10 + 10), c 1 * 4: 288 of
        // 4 * 140 = 560.
        ("cpu_allocated_mean_pct", 100.0 * 288.0 / 560.0),
    ] {
        let found = value(name);
        assert!((found - expected).abs() < 1e-9 * expected.max(1.0), "{name} is {found}, not {expected}");
    }
}

/// The files below `directory` that end in `.yaml`, in order.
fn yaml_files_below(directory: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let files = entries.into_iter().flat_map(|path| if path.is_dir() { yaml_files_below(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

/// What the program prints for each scenario and experiment that needs no data from elsewhere. A change of any figure
/// is a change of the simulation, and is to be looked at: `INSTA_UPDATE=always cargo test --test it golden` writes the
/// snapshots anew, `git diff` shows what moved. Large ones are cut short.
#[test]
fn the_scenarios_of_the_repository_print_what_was_reviewed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = Vec::new();
    for path in yaml_files_below(&root.join("scenarios")) {
        let text = fs::read_to_string(&path).unwrap();
        // Manifests stand beside the scenarios that name them. The scenario with an extender has a test of its own, which
        // starts the extender.
        let is_manifest = !text.contains("apiVersion: wavetank.dev/");
        if is_manifest || text.contains("${WAVETANK_DATA}") || path.ends_with("kube-scheduler/extender.yaml") {
            continue;
        }
        let relative = path.strip_prefix(root.join("scenarios")).unwrap().with_extension("");
        let name = relative.to_string_lossy().replace(['/', '\\'], "-");
        let place = tempfile::tempdir().unwrap();
        let file = path.to_str().unwrap();
        let ended = match (text.contains("kind: Experiment"), relative.starts_with("performance")) {
            (true, _) => wavetank_ok(place.path(), &["sweep", file, "--set", "replications=2"]),
            // What starts after the first minute is left out.
            (false, true) if text.contains("start: ") => {
                wavetank_ok(place.path(), &["run", file, "--set", "horizon=1m", "--set", "workload.templates=[]"])
            }
            (false, true) => wavetank_ok(place.path(), &["run", file, "--set", "horizon=1m"]),
            (false, false) => wavetank_ok(place.path(), &["run", file, "--set", "outputs.charts=false"]),
        };
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name.as_str(), ended.stdout));
        names.push(format!("{name}.snap"));
    }
    assert!(names.iter().any(|name| name == "quickstart.snap"), "{names:?}");
    for entry in fs::read_dir(root.join("tests/it/snapshots")).unwrap() {
        let found = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&found), "snapshot {found} belongs to no scenario");
    }
}

//! Dumps of clusters as people have them: parts are missing, extracts lie beside the objects, and they load all the same.
//!
//! The real ones stand in the directory that `WAVETANK_DATA` names; without it that test says 'skipped'.
#![allow(clippy::disallowed_methods, reason = "tests read files")]

use std::fs;
use std::path::{Path, PathBuf};

use wavetank::document::Source;
use wavetank::engine::watch;
use wavetank::observe::CheckEveryEvent;
use wavetank::scenario::{Environment, Loaded, load_scenario_text};
use wavetank::units::{SimDuration, SimTime};
use wavetank::world::{Phase, World};

use super::workload_audit::WorkloadAudit;

/// A scenario of these manifests and two nodes more, over half an hour.
fn load(nodes: &[&Path], pods: &[&Path], policy: &str) -> Result<Loaded, String> {
    let list = |paths: &[&Path]| {
        let texts: Vec<String> = paths.iter().map(|path| format!("\"{}\"", path.display())).collect();
        texts.join(", ")
    };
    let text = format!(
        "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {{name: dump}}\nhorizon: 30m\n\
         cluster: {{pools: [{{name: extra, count: 2, allocatable: {{cpu: 8, memory: 32Gi}}}}], manifests: [{}]}}\n\
         workload: {{manifests: [{}]}}\nscheduler: {{policy: {policy}}}\n",
        list(nodes),
        list(pods)
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("dump.yaml").to_string_lossy().as_ref().into();
    let source = Source { file, text };
    load_scenario_text(&source, &[], 0, &Environment::default()).map_err(|error| error.to_string())
}

/// The end of a run under all checks.
fn run(loaded: &Loaded) -> World {
    watch(&loaded.model, (CheckEveryEvent, WorkloadAudit::default())).expect("it can begin").world
}

/// A folder, what is below it, and its files.
fn all_below(path: &Path, found: &mut Vec<PathBuf>) {
    let name = path.to_string_lossy();
    if path.is_dir() {
        found.push(path.to_owned());
        let mut entries: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        entries.iter().for_each(|entry| all_below(entry, found));
    } else if [".json", ".json.gz", ".yaml", ".yaml.gz"].iter().any(|end| name.ends_with(end)) {
        found.push(path.to_owned());
    }
}

#[test]
fn what_a_dump_lacks_is_left_out_with_a_warning() {
    let dump = Path::new("tests/data/dump");
    let objects = dump.join("namespaces");
    for policy in ["kube-scheduler", "first-fit"] {
        let loaded = load(&[dump], &[&objects], policy).unwrap_or_else(|error| panic!("{error}"));
        let here = format!("{}/", env!("CARGO_MANIFEST_DIR"));
        let warnings: Vec<String> =
            loaded.warnings.iter().map(|warning| warning.to_string().replace(&here, "")).collect();
        assert_eq!(
            warnings,
            [
                "tests/data/dump/namespaces/extracts.json:2:3: warning: nothing is read from this file: what it holds has \
                 no `kind` and is no Kubernetes object (3 objects)",
                "tests/data/dump/namespaces/pods.json:22:21: warning: pods of the dump are bound to nodes that the cluster \
                 does not have (`two`) and are left out; list the dump under `cluster.manifests` too, or take \
                 `spec.nodeName` away (2 objects)",
            ],
            "{policy}"
        );
        // One pod of the Deployment is where it was, the other is made anew; the bare one is gone.
        let world = run(&loaded);
        assert_eq!(world.pods_by_phase[Phase::Running as usize], 2, "{policy}");
        assert_eq!(world.pods.len(), 2, "{policy}");
    }
}

#[test]
fn a_file_without_objects_says_so() {
    let file = Path::new("tests/data/dump/namespaces/extracts.json");
    let loaded = load(&[], &[file], "kube-scheduler").unwrap_or_else(|error| panic!("{error}"));
    let warnings: Vec<&str> = loaded.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(warnings, ["nothing is read from this file: what it holds has no `kind` and is no Kubernetes object"]);
}

/// Every file and folder of the real dumps loads, as nodes and as pods, and every dump runs.
#[test]
fn real_dumps_load_and_run() {
    let Some(data) = std::env::var_os("WAVETANK_DATA").map(PathBuf::from) else {
        println!("real_dumps_load_and_run: skipped, WAVETANK_DATA is not set");
        return;
    };
    let mut dumps: Vec<PathBuf> =
        fs::read_dir(data.join("k8s-dumps")).unwrap().map(|entry| entry.unwrap().path()).collect();
    dumps.retain(|path| path.is_dir());
    dumps.sort();
    assert!(dumps.len() >= 4, "{dumps:?}");
    let mut places = Vec::new();
    dumps.iter().for_each(|dump| all_below(dump, &mut places));
    for size in ["100", "400", "1200"] {
        places.extend(["nodes", "pods"].map(|what| data.join(format!("k8s-sims/{what}-{size}.yaml.gz"))));
    }
    assert!(places.len() > 50, "{places:?}");
    for place in &places {
        for policy in ["kube-scheduler", "best-fit"] {
            let loaded = load(&[place], &[place], policy);
            assert!(loaded.is_ok(), "{}: {}", place.display(), loaded.unwrap_err());
        }
    }
    for dump in &dumps {
        let loaded = load(&[dump], &[dump], "kube-scheduler").unwrap_or_else(|error| panic!("{error}"));
        let world = run(&loaded);
        assert_eq!(world.time, SimTime::ZERO.after(SimDuration::from_seconds(1800.0)), "{}", dump.display());
        // The extracts name no objects; of all others something runs to the end.
        let runs = world.pods_by_phase[Phase::Running as usize];
        assert_eq!(runs > 0, !dump.ends_with("small-prod-cluster-2021"), "{}: {runs}", dump.display());
    }
}

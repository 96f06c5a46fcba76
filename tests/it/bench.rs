//! `wavetank bench`, started as users start it.
#![allow(clippy::disallowed_methods, reason = "tests read and write files")]

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::program::{wavetank, wavetank_ok};

const SMALL: [&str; 6] = ["bench", "basic", "--nodes", "20", "--pods", "100"];

fn bench(directory: &Path, more: &[&str]) -> super::program::Ended {
    wavetank(directory, &[&SMALL, more].concat())
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_bench_prints_and_writes_its_figures() {
    let place = tempfile::tempdir().unwrap();
    let ended =
        bench(place.path(), &["--runs", "1", "--policy", "first-fit", "--policy", "least-allocated", "--out", "out"]);
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    let lines: Vec<Vec<&str>> = ended.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..5], ["workload", "policy", "nodes", "pods", "decisions/s"]);
    assert_eq!(lines[1][..4], ["basic", "first-fit", "20", "100"]);
    assert_eq!(lines[2][..2], ["basic", "least-allocated"]);
    let out = place.path().join("out");
    for name in ["manifest.json", "bench.csv", "charts/bench.svg", "charts/bench.png", "report.html"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let suite = json(&out.join("bench.json"));
    let run = &suite["cases"][0]["runs"][0];
    assert_eq!((&run["decisions"], &run["placed"]), (&100.into(), &100.into()));
    let hash = |case: usize| suite["cases"][case]["runs"][0]["placements_hash"].as_str().unwrap();
    assert_ne!(hash(0), hash(1), "first-fit and least-allocated place pods differently");
}

#[test]
fn formats_are_what_they_are_called() {
    let place = tempfile::tempdir().unwrap();
    let ended = wavetank_ok(place.path(), &[&SMALL[..], &["--runs", "1", "--format", "json"]].concat());
    let suite: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(suite["cases"][0]["case"]["pods"], 100);
    let ended = wavetank_ok(place.path(), &[&SMALL[..], &["--runs", "1", "--format", "csv"]].concat());
    assert!(ended.stdout.starts_with("workload,policy,nodes,initial_pods,pods,runs,decisions_per_s,"));
    assert_eq!(ended.stdout.lines().count(), 2);
    let ended = wavetank_ok(place.path(), &["bench", "--list"]);
    assert!(ended.stdout.contains("5000 nodes, 1000 initial and 10000 measured pods"), "{}", ended.stdout);
}

#[test]
fn a_program_is_not_slower_than_itself() {
    let place = tempfile::tempdir().unwrap();
    let itself = env!("CARGO_BIN_EXE_wavetank");
    // Wide limit: the machine that runs the tests is busy.
    let ended = bench(place.path(), &["--runs", "4", "--against", itself, "--limit", "60%"]);
    assert_eq!(ended.status, Some(0), "{}{}", ended.stdout, ended.stderr);
    let row: Vec<&str> = ended.stdout.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(row[row.len() - 2..], ["ok", "same"], "{}", ended.stdout);
}

#[test]
fn a_baseline_that_is_out_of_reach_fails_the_gate() {
    let place = tempfile::tempdir().unwrap();
    let ended = bench(place.path(), &["--runs", "3", "--out", "out"]);
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    let mut suite = json(&place.path().join("out/bench.json"));
    for run in suite["cases"][0]["runs"].as_array_mut().unwrap() {
        run["cpu_s"] = (run["cpu_s"].as_f64().unwrap() / 100.0).into();
    }
    fs::write(place.path().join("fast.json"), suite.to_string()).unwrap();
    let ended = wavetank(place.path(), &["bench", "--baseline", "fast.json", "--runs", "3"]);
    assert_eq!(ended.status, Some(1), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("SLOWER"), "{}", ended.stdout);
    assert!(ended.stderr.contains("1 of 1 slower by more than 5 %"), "{}", ended.stderr);
    // The other way round the same file shows another decision, and no slowness.
    for run in suite["cases"][0]["runs"].as_array_mut().unwrap() {
        run["cpu_s"] = (run["cpu_s"].as_f64().unwrap() * 10_000.0).into();
        run["placements_hash"] = "0".into();
    }
    fs::write(place.path().join("slow.json"), suite.to_string()).unwrap();
    let ended = wavetank(place.path(), &["bench", "--baseline", "slow.json", "--runs", "3"]);
    assert_eq!(ended.status, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("warning: basic under least-allocated decides differently"), "{}", ended.stderr);
}

#[test]
fn wrong_input_is_refused_before_anything_is_measured() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("empty.json"), "{}").unwrap();
    let cases: [(&[&str], &str); 12] = [
        (&["basics"], "did you mean `basic`?"),
        (&["basic", "--policy", "frist-fit"], "did you mean `first-fit`?"),
        (&["basic", "--nodes", "0"], "0 is not in 1..=1000000"),
        (&["basic", "--runs", "0"], "0 is not in 1..=1000"),
        (&["basic", "--limit", "100"], "it should be from 0 to less than 100"),
        (&["basic", "--limit", "much"], "it should be a number of percent"),
        (&["basic", "--runs", "2", "--against", "x"], "at least --runs 3"),
        (&["basic", "--nodes", "2", "--against", "no/such/program"], "cannot start `no/such/program`"),
        (&["--baseline", "nowhere.json"], "nowhere.json: No such file"),
        (&["--baseline", "empty.json"], "is no bench.json: missing field"),
        (&["basic", "--baseline", "empty.json"], "cannot be used with"),
        (&["--one", "{}"], "--one: missing field"),
    ];
    for (arguments, said) in cases {
        let ended = wavetank(place.path(), &[&["bench"], arguments].concat());
        assert_eq!(ended.status, Some(2), "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert!(ended.stderr.contains(said), "{arguments:?} does not say `{said}`, but:\n{}", ended.stderr);
    }
}

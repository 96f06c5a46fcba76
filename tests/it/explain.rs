//! `wavetank explain` on the scenarios of kube-scheduler, as reviewed, and the example extender at work.
//!
//! `INSTA_UPDATE=always cargo test --test it explain` writes the texts anew.
#![allow(clippy::disallowed_methods, reason = "tests read files and start programs")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::program::{wavetank, wavetank_ok};
use serde_json::Value;

fn scenario(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/kube-scheduler");
    directory.join(name).to_str().expect("the path is text").to_owned()
}

fn explain(file: &str, arguments: &[&str]) -> String {
    let place = tempfile::tempdir().unwrap();
    let all: Vec<&str> = ["explain", file, "--pod"].into_iter().chain(arguments.iter().copied()).collect();
    wavetank_ok(place.path(), &all).stdout
}

fn reviewed(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("explain_snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn texts_are_what_was_reviewed() {
    for (name, file, arguments) in [
        // Two nodes share the best score: one is drawn. Six of fifteen rows.
        ("scores", "affinity-and-spread.yaml", &["report-3", "--nodes", "6"][..]),
        // Tried again and again: more caches than machines.
        ("waiting", "affinity-and-spread.yaml", &["cache-15", "--nodes", "3"]),
        // The attempt that finds no place, and its victims; the next finds the node promised.
        ("preemptor", "preemption.yaml", &["checkout-3"]),
        ("preemptor-first-attempt", "preemption.yaml", &["checkout-3", "--attempt", "1", "--nodes", "2"]),
        // A pod that was made to go.
        ("victim", "preemption.yaml", &["search-11"]),
        ("never-preempts", "preemption.yaml", &["audit-0", "--at", "5m"]),
        ("not-yet-tried", "preemption.yaml", &["audit-0", "--at", "4m59s"]),
        // Another profile, without one of the scorers.
        ("profile", "two-profiles.yaml", &["batch-20", "--nodes", "3"]),
        // The same pod under a policy of our own.
        (
            "classic",
            "two-profiles.yaml",
            &[
                "batch-20",
                "--nodes",
                "3",
                "--set",
                "scheduler.policy=most-allocated",
                "--set",
                "scheduler.configuration=",
            ],
        ),
    ] {
        reviewed(name, &explain(&scenario(file), arguments));
    }
}

#[test]
fn json_has_every_node_and_every_score() {
    let text = explain(&scenario("affinity-and-spread.yaml"), &["report-3", "--json"]);
    let all: Value = serde_json::from_str(&text).unwrap();
    let nodes = all["explained"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 15);
    for node in nodes {
        let scores = node["scores"].as_object().unwrap();
        let sum: i64 = scores.values().map(|score| score["weighted"].as_i64().unwrap()).sum();
        assert_eq!(Some(sum), node["total"].as_i64(), "the weighted scores sum to the total: {node}");
        for score in scores.values() {
            let product = score["normalised"].as_i64().unwrap() * score["weight"].as_i64().unwrap();
            assert_eq!(score["weighted"].as_i64(), Some(product), "{node}");
        }
    }
    let best = nodes.iter().map(|node| node["total"].as_i64()).max().unwrap();
    let chosen: Vec<&Value> = nodes.iter().filter(|node| node["chosen"] == true).collect();
    assert_eq!(chosen.len(), 1);
    assert_eq!(chosen[0]["total"].as_i64(), best, "the chosen node has the best score");

    let text = explain(&scenario("preemption.yaml"), &["search-11", "--json"]);
    let all: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(all["losses"][0]["preemptor"], "checkout-44");
    assert_eq!(all["attempts"].as_array().unwrap().len(), 4);
}

#[test]
fn what_is_wrong_is_said() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("preemption.yaml");
    for (arguments, said) in [
        (&["serch-3"][..], "did you mean `search-3`?"),
        (&["search"], "the pods of `search` are called search-0 to search-11"),
        (&["search-12"], "the pods of `search` are called search-0 to search-11"),
        (&["search-03"], "the pods of `search` are called search-0 to search-11"),
        (
            &[
                "checkout-3",
                "--set",
                "horizon=15m",
                "--set",
                "workload.templates.checkout.start=14m",
                "--set",
                "workload.templates.checkout.arrivals={every: 30s}",
                "--set",
                "workload.templates.checkout.count=10",
            ],
            "the run ends at 900 s, before it arrives",
        ),
        (&["checkout-3", "--at", "soon"], "error: --at: `soon` has an unknown unit"),
    ] {
        let all: Vec<&str> = ["explain", &file, "--pod"].into_iter().chain(arguments.iter().copied()).collect();
        let ended = wavetank(place.path(), &all);
        assert_eq!(ended.status, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stdout.is_empty(), "{arguments:?}: {}", ended.stdout);
    }
}

#[test]
fn an_extender_that_is_not_there_is_an_error_that_says_how_to_start_it() {
    let place = tempfile::tempdir().unwrap();
    let configuration = configuration(place.path(), 1);
    let change = format!("scheduler.configuration={}", configuration.display());
    for command in [&["run"][..], &["explain", "--pod", "api-0"]] {
        let file = scenario("extender.yaml");
        let mut arguments = vec![command[0], &file, "--set", &change];
        arguments.extend(&command[1..]);
        let ended = wavetank(place.path(), &arguments);
        assert_eq!(ended.status, Some(1), "{}", ended.stderr);
        for said in ["error: the extender http://127.0.0.1:1/scheduler cannot be reached", "python3 scenarios/kube"] {
            assert!(ended.stderr.contains(said), "{}", ended.stderr);
        }
    }
    assert!(!place.path().join("out").exists(), "nothing was run");
}

/// The extender of the scenario; ends with its owner.
struct Extender {
    program: Child,
    port: u16,
}

impl Drop for Extender {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Starts the extender on a free port; none without Python.
fn start() -> Option<Extender> {
    let mut command = Command::new("python3");
    command.arg(scenario("extender.py")).args(["--port", "0"]).stdout(Stdio::piped());
    let mut program = command.spawn().ok()?;
    let mut line = String::new();
    BufReader::new(program.stdout.take()?).read_line(&mut line).ok()?;
    let port = line.split("127.0.0.1:").nth(1)?.split('/').next()?.parse().ok()?;
    Some(Extender { program, port })
}

/// The configuration of the scenario for an extender on another port.
fn configuration(place: &Path, port: u16) -> PathBuf {
    let text = fs::read_to_string(scenario("manifests/extender-configuration.yaml")).unwrap();
    let path = place.join(format!("configuration-{port}.yaml"));
    fs::write(&path, text.replace("18888", &port.to_string())).unwrap();
    path
}

#[test]
fn the_example_extender_filters_and_scores() {
    let Some(extender) = start() else {
        println!("skipped: there is no python3");
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let change = format!("scheduler.configuration={}", configuration(place.path(), extender.port).display());
    let file = scenario("extender.yaml");
    let arguments = ["run", &file, "--set", &change, "--set", "outputs.charts=false"];
    let text = wavetank_ok(place.path(), &arguments).stdout;
    reviewed("extender-summary", &text);
    reviewed("extender-scores", &explain(&file, &["training-10", "--nodes", "4", "--set", &change]));
    reviewed("extender-filter", &explain(&file, &["api-29", "--set", &change]));
}

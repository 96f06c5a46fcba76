//! Passes of a node autoscaler, as one table: `cargo bench --bench node_autoscaler_table`. A word behind `--` picks the rows whose
//! name contains it.
//!
//! A pass is what a run does: the scheduler is made over all nodes, asked, and its answer cut. What counts is the time that the
//! processor was ours; medians of some turns.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    missing_debug_implementations
)]

#[path = "cells/node_autoscaler.rs"]
mod cells;
#[path = "cells/clock.rs"]
mod clock;

use cells::{CORES_MAX, Mix, waiting};
use clock::cpu_s;

/// Turns of each row; medians count.
const TURNS: usize = 5;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    println!("| pass | pods | nodes | ms | outcome |\n|{}", " --- |".repeat(5));
    for mix in [Mix::Diverse, Mix::Plain] {
        for pods in [1000, 5000, 20_000] {
            let name = format!("provisioning, {mix:?} {pods}");
            if is_wanted(&name) {
                let waiting = waiting(mix, pods, CORES_MAX);
                let (seconds, results) = timed(|| waiting.pass());
                let (nodes, failed) = (results.new_nodes.len(), results.failed.len());
                let types: usize = results.new_nodes.iter().map(|node| node.types.len()).sum();
                println!("| {name} | {pods} | {nodes} | {:.1} | {failed} failed, {types} types |", seconds * 1e3);
            }
        }
    }
    for (mix, pods, cores_max) in [(Mix::Diverse, 5000, CORES_MAX), (Mix::Plain, 20_000, 16)] {
        for (kind, ended) in [("spot", 0), ("spot", 10), ("on-demand", 0), ("on-demand", 10), ("on-demand", 30)] {
            let name = format!("consolidation, {mix:?}, {kind}, {ended} of 100 pods have ended");
            if is_wanted(&name) {
                let filled = waiting(mix, pods, cores_max).of_kind(kind).filled(ended);
                let pods: usize = filled.candidates.iter().map(|candidate| candidate.pods.len()).sum();
                let (seconds, command) = timed(|| filled.pass());
                let outcome = command.map_or((0, 0), |it| (it.nodes.len(), it.replacements.len()));
                let (nodes, (go, come)) = (filled.nodes.len(), outcome);
                println!("| {name} | {pods} | {nodes} | {:.1} | {go} go, {come} come |", seconds * 1e3);
            }
        }
    }
}

/// Seconds of processor time, median of the turns, and what came of it.
fn timed<T>(pass: impl Fn() -> T) -> (f64, T) {
    let mut turns: Vec<f64> = Vec::new();
    loop {
        let before = cpu_s();
        let outcome = pass();
        turns.push(cpu_s() - before);
        if turns.len() == TURNS {
            turns.sort_by(f64::total_cmp);
            return (turns[TURNS / 2], outcome);
        }
    }
}

//! A day of function calls beside a loop written by hand, as one table: `cargo bench --bench functions_table`.
//!
//! A population as `functions.population` draws it is called about 2.6 million times in a day: calls are drawn, brought into order,
//! served, and measured by function. The loop by hand knows the calls beforehand, in order, and keeps the least account that a
//! fixed keep-alive time needs: when the instances of each function are free. Both take turns, and what counts is the time that the
//! processor was theirs. `memory` alone is the peak of memory, each in a process of its own.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    missing_debug_implementations
)]

#[path = "cells/clock.rs"]
mod clock;

use std::process::Command;

use clock::cpu_s;
use wavetank::importers::functions::population::{PopulationOptions, population};
use wavetank::model::functions::{
    FargatePrices, Functions, HybridSettings, Invocation, KeepAlive, LambdaLimits, PlatformSettings,
};
use wavetank::rng::Seed;
use wavetank::traffic::functions::{CallStream, run};
use wavetank::units::{SimDuration, SimTime};

/// Turns of each way; medians count.
const TURNS: usize = 9;
/// Functions that are called 2.6 million times a day together.
const FUNCTIONS: u32 = 1070;
const DAY: SimTime = SimTime(86_400_000_000_000);
const SEED: Seed = Seed { base: 1, replication: 0 };
const TEN_MINUTES: SimDuration = SimDuration(600_000_000_000);
/// Ways by name: how long instances stay, and whether the account has limits.
const WAYS: [(&str, KeepAlive, bool); 4] = [
    ("no keep-alive, no limits", KeepAlive::None, false),
    ("10 minutes, no limits", KeepAlive::Fixed(TEN_MINUTES), false),
    ("10 minutes, limits of Lambda", KeepAlive::Fixed(TEN_MINUTES), true),
    ("hybrid histogram, limits of Lambda", KeepAlive::Hybrid(HYBRID), true),
];
const HYBRID: HybridSettings = HybridSettings {
    range: SimDuration(14_400_000_000_000),
    bin: SimDuration(60_000_000_000),
    head: 0.05,
    tail: 0.99,
    margin: 0.1,
    variation_min: 2.0,
    beyond_min: 0.5,
    forecast_margin: 0.15,
};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if let [word, way] = words.as_slice()
        && word == "peak-of"
    {
        let way = WAYS[way.parse::<usize>().expect("a number")];
        run(&day(way.1, way.2), SEED, None);
        println!("{}", peak_mb());
        return;
    }
    if !words.iter().any(|word| word == "memory") {
        time();
    }
    memory();
}

fn day(keep_alive: KeepAlive, is_limited: bool) -> Functions {
    let options = PopulationOptions { count: FUNCTIONS, ..PopulationOptions::default() };
    let limits = is_limited.then(LambdaLimits::default);
    let settings = PlatformSettings { keep_alive, limits, horizon: Some(DAY), ..PlatformSettings::default() };
    Functions { settings, functions: population(&options, SEED), task_prices: FargatePrices::X86, tasks: Vec::new() }
}

fn time() {
    let model = day(KeepAlive::Fixed(TEN_MINUTES), false);
    let calls: Vec<Invocation> = CallStream::new(&model.functions, SEED, DAY).collect();
    let cold = run(&model, SEED, None).report.total().cold_starts;
    assert_eq!(by_hand(&calls), cold, "both ways agree");
    println!("| {} calls of {FUNCTIONS} functions | s | million a second | times the loop's |", calls.len());
    println!("|{}", " --- |".repeat(4));
    let models: Vec<Functions> = WAYS.iter().map(|(_, keep_alive, is_limited)| day(*keep_alive, *is_limited)).collect();
    let mut seconds = vec![Vec::new(); WAYS.len() + 1];
    for _ in 0..TURNS {
        let mut turn = |way: usize, work: &dyn Fn() -> u64| {
            let start = cpu_s();
            std::hint::black_box(work());
            seconds[way].push(cpu_s() - start);
        };
        turn(WAYS.len(), &|| by_hand(&calls));
        for (way, model) in models.iter().enumerate() {
            turn(way, &|| run(model, SEED, None).report.total().calls);
        }
    }
    let limit = seconds[WAYS.len()].clone();
    let names = WAYS.iter().map(|way| way.0).chain(["loop by hand, calls known and in order"]);
    for (name, all) in names.zip(&seconds) {
        let ratio = median(all.iter().zip(&limit).map(|(ours, limit)| ours / limit).collect());
        let own = median(all.clone());
        println!("| {name} | {own:.2} | {:.1} | {ratio:.1} |", calls.len() as f64 / own * 1e-6);
    }
    println!();
}

/// Cold starts when instances stay for ten minutes: of each function, when its instances were or will be free; the one that was busy
/// last is taken.
fn by_hand(calls: &[Invocation]) -> u64 {
    let mut free: Vec<Vec<u64>> = vec![Vec::new(); FUNCTIONS as usize];
    let mut cold = 0;
    for call in calls {
        let now = call.arrival.0;
        let own = &mut free[call.function as usize];
        own.retain(|&at| at + TEN_MINUTES.0 > now);
        let warm = own.iter().enumerate().filter(|(_, at)| **at <= now).max_by_key(|(_, at)| **at);
        let span = match warm.map(|(position, _)| position) {
            Some(position) => {
                own.swap_remove(position);
                call.duration
            }
            None => {
                cold += 1;
                call.cold_duration
            }
        };
        own.push(now + span.0);
    }
    cold
}

fn memory() {
    println!("| peak of memory | MB |\n| --- | --- |");
    let program = std::env::current_exe().expect("a program");
    for (way, (name, ..)) in WAYS.iter().enumerate() {
        let output = Command::new(&program).args(["peak-of", &way.to_string()]).output().expect("it runs");
        println!("| {name} | {} |", String::from_utf8_lossy(&output.stdout).trim());
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// The most memory that this process ever had, in MB; NaN where the system does not tell.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kilobytes.map_or(f64::NAN, |kilobytes: f64| (kilobytes / 1024.0 * 10.0).round() / 10.0)
}

//! Requests a second beside loops written by hand, as one table: `cargo bench --bench traffic_table`. Words behind `--` pick
//! rows by parts of their names; `day` alone is the day of function calls, `memory` alone is the peak of memory.
//!
//! The ways take short turns within a row, so that a neighbour on the machine hurts all of them alike, and what counts is the
//! time that the processor was theirs.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    missing_debug_implementations
)]

#[path = "cells/traffic.rs"]
mod cells;
#[path = "cells/clock.rs"]
mod clock;
#[path = "limits/traffic.rs"]
mod limits;

use std::process::Command;

use cells::{Cell, Wavetank, day_of_calls, plane};
use clock::cpu_s;
use wavetank::units::SimTime;

/// Turns of each way; medians count.
const TURNS: usize = 41;
/// Requests of a turn: some milliseconds. As many go before it untimed, to bring back into the caches what the others have
/// driven out.
const REQUESTS: u64 = 40_000;
/// Requests before the first turn.
const WARM_UP: u64 = 500_000;
/// Calls of the day.
const CALLS: f64 = 86.4e6;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if let [word, name, requests] = words.as_slice()
        && word == "peak-of"
    {
        return run_alone(name, requests.parse().expect("a number"));
    }
    let picks = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let cells: Vec<Cell> = Cell::all().into_iter().filter(|cell| picks(cell.name)).collect();
    if !cells.is_empty() {
        println!(
            "| model | loop with events | recursion | with events | as it runs | events / loop | as it runs / loop |"
        );
        println!("|{}", " --- |".repeat(7));
        cells.iter().for_each(row);
        println!("\nmillion requests a second; medians of {TURNS} turns\n");
    }
    if picks("memory") {
        memory();
    }
    if picks("day") {
        day();
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// A way that goes on for so many requests.
type Way<'m> = Box<dyn FnMut(u64) + 'm>;

fn row(cell: &Cell) {
    let traffic = cell.traffic();
    let (mut events, mut own) = (Wavetank::new(cell, &traffic, true), Wavetank::new(cell, &traffic, false));
    check(cell, &mut events, &mut own);
    let mut by_hand = (cell.event_loop)();
    let mut ways: Vec<Way<'_>> = vec![
        Box::new(move |requests| {
            std::hint::black_box(by_hand.run(requests));
        }),
        Box::new(move |requests| {
            std::hint::black_box(events.run(requests));
        }),
        Box::new(move |requests| {
            std::hint::black_box(own.run(requests));
        }),
    ];
    if let Some(mut recursion) = cell.recursion.map(|make| make()) {
        ways.push(Box::new(move |requests| {
            std::hint::black_box(recursion.run(requests));
        }));
    }
    ways.iter_mut().for_each(|way| way(WARM_UP));
    let mut seconds = vec![Vec::new(); ways.len()];
    for _ in 0..TURNS {
        for (way, seconds) in ways.iter_mut().zip(&mut seconds) {
            way(REQUESTS);
            let start = cpu_s();
            way(REQUESTS);
            seconds.push((cpu_s() - start) / REQUESTS as f64);
        }
    }
    let rate = |way: usize| seconds.get(way).map_or(String::new(), |all| format!("{:.2}", 1e-6 / median(all.clone())));
    // Of ratios within a turn: a neighbour that comes for half of the turns must not decide between two medians.
    let ratio = |way: usize| median(seconds[0].iter().zip(&seconds[way]).map(|(limit, ours)| limit / ours).collect());
    let (events, own) = (ratio(1), ratio(2));
    println!("| {} | {} | {} | {} | {} | {events:.2} | {own:.2} |", cell.name, rate(0), rate(3), rate(1), rate(2));
}

/// Both ways agree to the last bit, and with the loop and theory within a few per cent.
fn check(cell: &Cell, events: &mut Wavetank<'_>, own: &mut Wavetank<'_>) {
    assert_eq!(events.run(WARM_UP), own.run(WARM_UP));
    assert_eq!(events.mean_latency_s(), own.mean_latency_s());
    let sums = (cell.event_loop)().run(WARM_UP);
    let limit_s = cell.latency_s.unwrap_or(sums.latency / sums.requests as f64);
    let error = own.mean_latency_s() / limit_s - 1.0;
    assert!(error.abs() < 0.06, "{}: latency {} instead of {limit_s}", cell.name, own.mean_latency_s());
}

/// The peak of memory for few and for many requests, each in a process of its own.
fn memory() {
    println!("| model | 1 million requests, MB | 10 million | with events: 1 million | 10 million |");
    println!("|{}", " --- |".repeat(5));
    let program = std::env::current_exe().expect("a program");
    for cell in Cell::all() {
        let peak = |ways: &str, requests: &str| {
            let name = format!("{ways}{}", cell.name);
            let output = Command::new(&program).args(["peak-of", &name, requests]).output().expect("it runs");
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        let [few, many] = ["1000000", "10000000"].map(|requests| peak("", requests));
        let [events_few, events_many] = ["1000000", "10000000"].map(|requests| peak("events ", requests));
        println!("| {} | {few} | {many} | {events_few} | {events_many} |", cell.name);
    }
    println!();
}

fn run_alone(name: &str, requests: u64) {
    let (with_events, name) = name.strip_prefix("events ").map_or((false, name), |name| (true, name));
    let cell = Cell::all().into_iter().find(|cell| cell.name == name).expect("a model");
    let traffic = cell.traffic();
    Wavetank::new(&cell, &traffic, with_events).run(requests);
    println!("{}", peak_mb());
}

/// The most memory that this process ever had, in MB; NaN where the system does not tell.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kilobytes.map_or(f64::NAN, |kilobytes: f64| (kilobytes / 1024.0 * 10.0).round() / 10.0)
}

fn day() {
    println!("| a day of function calls | calls | s | million a second | peak of memory, MB |");
    println!("|{}", " --- |".repeat(5));
    for (name, with_events, calls) in [("as it runs", false, CALLS), ("with events, a tenth of it", true, CALLS / 10.0)]
    {
        let traffic = day_of_calls(calls);
        let start = cpu_s();
        let mut plane = plane(&traffic, with_events);
        for hour in 1..=24 {
            plane.advance(SimTime(hour * 3_600_000_000_000));
            plane.begin_windows();
        }
        let calls: u64 = plane.sources().iter().map(|fate| fate.count()).sum();
        let seconds = cpu_s() - start;
        println!("| {name} | {calls} | {seconds:.1} | {:.2} | {} |", calls as f64 / seconds * 1e-6, peak_mb());
    }
}

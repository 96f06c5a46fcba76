//! The event queue against its limits, as one table within a minute: `cargo bench --bench event_queue_table`.
//!
//! The queues take turns within a row, so that a noisy neighbour disturbs them alike; the median of the turns counts.
#![allow(clippy::disallowed_methods, clippy::print_stdout, missing_docs, unreachable_pub)]

mod limits;

use limits::{Delays, FourAryHeap, MEAN_NS, Payload, PendingSet, StdHeap, TunedBuckets, fill, hold};
use std::time::Instant;
use wavetank::event_queue::EventQueue;

const TURNS: usize = 5;

/// A filled queue that can be asked for a turn of the hold model; gives ns per event and the hash of the order.
type Turn = Box<dyn FnMut(usize) -> (f64, u64)>;

fn turn(mut queue: impl PendingSet + 'static, mut delays: Delays, pending: usize) -> Turn {
    fill(&mut queue, &mut delays, pending);
    Box::new(move |operations| {
        let start = Instant::now();
        let hash = hold(&mut queue, &mut delays, operations);
        (start.elapsed().as_nanos() as f64 / operations as f64, hash)
    })
}

/// Name, delays and numbers of pending events.
type Load = (&'static str, fn() -> Delays, &'static [usize]);

/// Median million events a second of each queue, after a warm-up of one turnover or a part of it.
fn measure(mut turns: Vec<Turn>, pending: usize) -> Vec<f64> {
    let hashes: Vec<u64> = turns.iter_mut().map(|turn| turn(pending.clamp(200_000, 3_000_000)).1).collect();
    assert!(hashes.iter().all(|&hash| hash == hashes[0]), "the queues disagree on the order of events");
    let mut times = vec![Vec::new(); turns.len()];
    for _ in 0..TURNS {
        for (turn, times) in turns.iter_mut().zip(&mut times) {
            times.push(turn(400_000).0);
        }
    }
    times
        .into_iter()
        .map(|mut times| {
            times.sort_by(f64::total_cmp);
            1e3 / times[TURNS / 2]
        })
        .collect()
}

fn print_row(name: &str, rates: &[f64]) {
    let [wavetank, four_ary, std, rest @ ..] = rates else { unreachable!("three queues at least") };
    print!("| {name} | {wavetank:.1} | {four_ary:.1} | {std:.1} |");
    match rest.first() {
        Some(limit) => print!(" {limit:.1} | {:.2} |", wavetank / limit),
        None => print!(" | |"),
    }
    println!(" {:.2} |", wavetank / four_ary);
}

fn main() {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    println!("| load | wavetank | 4-ary heap | std heap | tuned buckets | ratio to tuned | ratio to 4-ary |");
    println!("|---|---|---|---|---|---|---|");
    let loads: [Load; 5] = [
        ("exponential", Delays::exponential, &[30, 100, 300, 1_000, 100_000, 1_000_000, 10_000_000]),
        ("one instant", Delays::none, &[1_000, 100_000, 1_000_000]),
        ("Pareto 1.1", Delays::pareto, &[1_000, 100_000, 1_000_000]),
        ("bimodal 1 us, 10 s", Delays::bimodal, &[1_000, 100_000, 1_000_000]),
        ("whole seconds", Delays::ticks, &[1_000, 100_000, 1_000_000]),
    ];
    for (load, delays, sizes) in loads {
        for &pending in sizes {
            if only.as_ref().is_some_and(|only| !load.contains(only.as_str())) {
                continue;
            }
            let mut turns = vec![
                turn(EventQueue::<Payload>::new(), delays(), pending),
                turn(FourAryHeap::default(), delays(), pending),
                turn(StdHeap::default(), delays(), pending),
            ];
            if load == "exponential" {
                turns.push(turn(TunedBuckets::new(pending, MEAN_NS), delays(), pending));
            }
            print_row(&format!("{load}, {pending}"), &measure(turns, pending));
        }
    }
}

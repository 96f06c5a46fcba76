//! Requests under criterion, beside loops written by hand: `cargo bench --bench traffic`.
#![allow(clippy::disallowed_methods, missing_docs, unreachable_pub, missing_debug_implementations)]

// The table run uses more of both.
#[allow(dead_code)]
#[path = "cells/traffic.rs"]
mod cells;
#[allow(dead_code)]
#[path = "limits/traffic.rs"]
mod limits;

use std::time::{Duration, Instant};

use cells::{Cell, Wavetank};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};

/// Requests before anything is measured.
const WARM_UP: u64 = 200_000;

fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, mut run: impl FnMut(u64)) {
    let mut is_warm = false;
    group.bench_function(name, |bencher| {
        if !std::mem::replace(&mut is_warm, true) {
            run(WARM_UP);
        }
        bencher.iter_custom(|requests| {
            let start = Instant::now();
            run(requests);
            start.elapsed()
        });
    });
}

fn traffic(criterion: &mut Criterion) {
    for cell in Cell::all() {
        let mut group = criterion.benchmark_group(format!("traffic/{}", cell.name));
        group.throughput(Throughput::Elements(1)).sample_size(20);
        group.warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(300));
        let traffic = cell.traffic();
        for (name, with_events) in [("wavetank", false), ("wavetank with events", true)] {
            let mut plane = Wavetank::new(&cell, &traffic, with_events);
            bench(&mut group, name, |requests| {
                plane.run(requests);
            });
        }
        let mut by_hand = (cell.event_loop)();
        bench(&mut group, "limit/loop with events", |requests| {
            by_hand.run(requests);
        });
        if let Some(mut recursion) = cell.recursion.map(|make| make()) {
            bench(&mut group, "limit/recursion", |requests| {
                recursion.run(requests);
            });
        }
        group.finish();
    }
}

criterion_group!(benches, traffic);
criterion_main!(benches);

//! The event queue on the hold model, beside its limits: `cargo bench --bench event_queue`.
#![allow(missing_docs, unreachable_pub)]

mod limits;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use limits::{Delays, FourAryHeap, MEAN_NS, Payload, PendingSet, StdHeap, TunedBuckets, fill, hold};
use std::hint::black_box;
use std::time::Duration;
use wavetank::event_queue::EventQueue;

/// Events per iteration: enough to pass many buckets.
const OPERATIONS: usize = 10_000;

fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    pending: usize,
    mut queue: impl PendingSet,
    mut delays: Delays,
) {
    // Filled on first use, so that a filter on the names does not wait for what it leaves out.
    let mut filled = false;
    group.bench_function(BenchmarkId::new(name, pending), |bencher| {
        if !std::mem::replace(&mut filled, true) {
            fill(&mut queue, &mut delays, pending);
            hold(&mut queue, &mut delays, pending.clamp(100_000, 1_000_000));
        }
        bencher.iter(|| black_box(hold(&mut queue, &mut delays, OPERATIONS)));
    });
}

fn start<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(OPERATIONS as u64)).sample_size(20);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group
}

fn hold_model(criterion: &mut Criterion) {
    let mut group = start(criterion, "hold");
    for pending in [1_000, 100_000, 1_000_000, 10_000_000] {
        let delays = Delays::exponential();
        bench(&mut group, "wavetank", pending, EventQueue::<Payload>::new(), delays.clone());
        bench(&mut group, "limit/tuned_buckets", pending, TunedBuckets::new(pending, MEAN_NS), delays.clone());
        bench(&mut group, "limit/4ary_heap", pending, FourAryHeap::default(), delays.clone());
        bench(&mut group, "limit/std_heap", pending, StdHeap::default(), delays);
    }
    group.finish();
}

fn worst_cases(criterion: &mut Criterion) {
    let pending = 100_000;
    let loads = [
        ("one_instant", Delays::none()),
        ("pareto", Delays::pareto()),
        ("bimodal", Delays::bimodal()),
        ("whole_seconds", Delays::ticks()),
    ];
    for (name, delays) in loads {
        let mut group = start(criterion, name);
        bench(&mut group, "wavetank", pending, EventQueue::<Payload>::new(), delays.clone());
        bench(&mut group, "limit/4ary_heap", pending, FourAryHeap::default(), delays);
        group.finish();
    }
}

criterion_group!(benches, hold_model, worst_cases);
criterion_main!(benches);

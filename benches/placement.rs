//! Best-node decisions beside their limits under criterion: `cargo bench --bench placement`.
#![allow(clippy::disallowed_methods, missing_docs, unreachable_pub, missing_debug_implementations)]

// The table run uses more of both.
#[allow(dead_code)]
#[path = "cells/placement.rs"]
mod cells;
#[allow(dead_code)]
#[path = "limits/placement.rs"]
mod limits;

use std::time::Duration;

use cells::{Cell, Contestant, Course, Limit, Run, Wavetank};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use limits::{BucketIndex, CachedScan, Recompute};

/// Steps before anything is measured: the ways that learn from the pace of changes have done so.
const WARM_UP_STEPS: usize = 500;

fn bench<C: Contestant>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    cell: Cell,
    contestant: impl Fn(Cell) -> C,
) {
    // Made on first use, so that a filter on the names does not wait for what it leaves out.
    let mut course = None;
    group.bench_function(name, |bencher| {
        let course = course.get_or_insert_with(|| {
            let mut course = Course::new(cell, contestant(cell), &cell.filling());
            course.run(WARM_UP_STEPS);
            course
        });
        bencher.iter_custom(|steps| course.run(steps as usize));
    });
}

fn placement(criterion: &mut Criterion) {
    for cell in Cell::all() {
        let name = format!("placement/{} nodes/{} classes", cell.nodes, cell.classes_name());
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(1)).sample_size(20);
        group.warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(300));
        bench(&mut group, "wavetank", cell, Wavetank::new);
        if cell.classes.is_some() {
            bench(&mut group, "limit/sets by score", cell, Limit::<BucketIndex>::new);
            bench(&mut group, "limit/cached bytes", cell, Limit::<CachedScan>::new);
        }
        bench(&mut group, "limit/recompute", cell, Limit::<Recompute>::new);
        group.finish();
    }
}

criterion_group!(benches, placement);
criterion_main!(benches);

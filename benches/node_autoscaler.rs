//! Passes of a node autoscaler under criterion: `cargo bench --bench node_autoscaler`.
#![allow(clippy::disallowed_methods, missing_docs, unreachable_pub, missing_debug_implementations)]

#[path = "cells/node_autoscaler.rs"]
mod cells;

use cells::{CORES_MAX, Mix, waiting};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn provisioning(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("karpenter/provisioning");
    for pods in [1000, 5000, 20_000] {
        group.throughput(Throughput::Elements(pods)).sample_size(10);
        for mix in [Mix::Diverse, Mix::Plain] {
            let waiting = waiting(mix, pods as usize, CORES_MAX);
            group.bench_function(format!("{mix:?}, {pods} pods"), |bencher| bencher.iter(|| waiting.pass()));
        }
    }
    group.finish();
}

fn consolidation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("karpenter/consolidation");
    group.sample_size(10);
    for (mix, pods, cores_max, kind, ended_percent) in [
        (Mix::Diverse, 5000, CORES_MAX, "spot", 0),
        (Mix::Diverse, 5000, CORES_MAX, "on-demand", 30),
        (Mix::Plain, 20_000, 16, "spot", 0),
        (Mix::Plain, 20_000, 16, "on-demand", 30),
    ] {
        let filled = waiting(mix, pods, cores_max).of_kind(kind).filled(ended_percent);
        let name = format!("{mix:?}, {} nodes, {kind}, {ended_percent} of 100 pods have ended", filled.nodes.len());
        group.bench_function(name, |bencher| bencher.iter(|| filled.pass()));
    }
    group.finish();
}

criterion_group!(benches, provisioning, consolidation);
criterion_main!(benches);

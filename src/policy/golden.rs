//! The five deterministic policies of the FGD study against decisions recorded from the authors' simulator.
//!
//! The recordings are not part of the repository: the environment variable `WAVETANK_DATA` names the directory that
//! holds `openb/`. Without it these tests say 'skipped'.

#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "tests read recorded data and say what they skip")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::ids::ClassId;
use crate::model::cluster::GPU_MILLI;
use crate::model::{Cluster, GpuDevices, GpuRequest, Model, Node, NodeShape, PodClass, Resources, Workload};
use crate::policy::scheduler::Decision;
use crate::testkit::{self, MIB};
use crate::units::{Bytes, MilliCpu};
use crate::world::World;
use crate::world::nodes::mask_devices;

/// Names of the policies, there and here.
const POLICIES: [(&str, &str); 5] = [
    ("BestFit", "fgd-best-fit"),
    ("DotProd", "fgd-dot-product"),
    ("GpuClustering", "gpu-clustering"),
    ("GpuPacking", "gpu-packing"),
    ("FGD", "fgd"),
];

fn data() -> Option<PathBuf> {
    let root = std::env::var("WAVETANK_DATA").ok();
    if root.is_none() {
        eprintln!("skipped: WAVETANK_DATA is not set");
    }
    root.map(|root| PathBuf::from(root).join("openb"))
}

/// The rows of a CSV file, each by the names of its columns.
fn rows(path: PathBuf) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    reader.deserialize().map(|row| row.expect("the file has as many cells as columns in every row")).collect()
}

fn number(row: &BTreeMap<String, String>, column: &str) -> u64 {
    row[column].parse().unwrap_or_else(|_| panic!("`{}` in {column} is no number", row[column]))
}

/// The nodes of a list, in order of `rank`.
fn cluster(mut nodes: Vec<BTreeMap<String, String>>, rank: impl Fn(&str) -> u64) -> Cluster {
    nodes.sort_by_key(|row| (rank(&row["sn"]), row["sn"].clone()));
    let mut cluster = Cluster::default();
    for row in nodes {
        let gpu = match number(&row, "gpu") {
            0 => None,
            count => Some(GpuDevices { model: cluster.intern_gpu_model(&row["model"]), count: count as u32 }),
        };
        let allocatable = Resources {
            cpu: MilliCpu(number(&row, "cpu_milli")),
            memory: Bytes(number(&row, "memory_mib") * MIB),
            pods: 1001,
            ..Resources::default()
        };
        let shape = cluster.intern_shape(NodeShape { allocatable, gpu, ..NodeShape::default() });
        cluster.nodes.push(Node { name: row["sn"].clone(), shape, unschedulable: false });
    }
    cluster
}

/// A model with these pods as its workload, and the class of each.
fn model(mut cluster: Cluster, pods: &[BTreeMap<String, String>]) -> (Model, Vec<ClassId>) {
    let mut workload = Workload::default();
    let mut counts: BTreeMap<ClassId, f64> = BTreeMap::new();
    let mut class_of = |row: &BTreeMap<String, String>| {
        let count = number(row, "num_gpu") as u32;
        let spec = row.get("gpu_spec").map_or("", String::as_str);
        let models =
            spec.split('|').filter(|name| !name.is_empty()).map(|name| cluster.intern_gpu_model(name)).collect();
        let milli = number(row, "gpu_milli").min(u64::from(GPU_MILLI)) as u16;
        let class = workload.intern_class(PodClass {
            requests: Resources {
                cpu: MilliCpu(number(row, "cpu_milli")),
                memory: Bytes(number(row, "memory_mib") * MIB),
                pods: 1,
                ..Resources::default()
            },
            gpu: (count > 0).then_some(GpuRequest { count, milli, models }),
            ..PodClass::default()
        });
        *counts.entry(class).or_default() += 1.0;
        class
    };
    let classes = pods.iter().map(&mut class_of).collect();
    workload.popularity = counts.into_iter().collect();
    (testkit::model(cluster, workload), classes)
}

/// What a policy did with one pod, as the recordings write it: node, gpus, feasible, best, ties.
fn written(world: &World, decision: Decision) -> [String; 5] {
    match decision {
        Decision::Place(placement) => {
            let gpus: Vec<String> = mask_devices(placement.gpus).map(|device| device.to_string()).collect();
            [
                world.nodes.name(placement.node).to_owned(),
                gpus.join("-"),
                placement.feasible.to_string(),
                placement.best.to_string(),
                placement.ties.to_string(),
            ]
        }
        Decision::Unschedulable => [String::new(), String::new(), "0".into(), "-1".into(), "0".into()],
    }
}

/// Runs the arrivals through a policy and compares the columns of each row.
fn compare(what: &str, policy: &str, model: &Model, arrivals: &[ClassId], recorded: &[BTreeMap<String, String>]) {
    assert_eq!(arrivals.len(), recorded.len(), "{what}: recorded rows");
    let (mut world, mut scheduler) = (World::new(model), testkit::policy(policy, model));
    for (seq, (&class, row)) in arrivals.iter().zip(recorded).enumerate() {
        let decision = testkit::step(&mut *scheduler, model, &mut world, class);
        let here = written(&world, decision);
        for (column, here) in ["node", "gpus", "feasible", "best", "ties"].into_iter().zip(&here) {
            if let Some(there) = row.get(column) {
                assert_eq!(here, there, "{what}: row {seq} ({}): {column} of {row:?}", row["pod"]);
            }
        }
        if row.contains_key("used_gpu_milli") {
            assert_eq!(world.totals.gpu_allocated, number(row, "used_gpu_milli"), "{what}: row {seq}");
        }
    }
}

/// One of the small cases: pods of a list from `first` on, every `stride`-th node of a list.
fn case(case: &str, trace: &str, first: usize, nodes: &str, stride: usize) {
    let Some(data) = data() else { return };
    let nodes = rows(data.join(format!("openb_node_list_{nodes}.csv"))).into_iter().step_by(stride).collect();
    let pods: Vec<_> =
        rows(data.join(format!("openb_pod_list_{trace}.csv"))).into_iter().skip(first).take(2000).collect();
    let (model, arrivals) = model(cluster(nodes, |_| 0), &pods);
    for (there, here) in POLICIES {
        let recorded = rows(data.join(format!("golden/case_{case}_{there}.csv")));
        compare(&format!("case {case}, {there}"), here, &model, &arrivals, &recorded);
    }
}

#[test]
fn case_a_uncontended_with_huge_tie_sets() {
    case("A", "default", 0, "gpu_node", 1);
}

#[test]
fn case_b_gpu_models_and_contention() {
    case("B", "gpuspec33", 0, "gpu_node", 6);
}

#[test]
fn case_c_nodes_without_gpus() {
    case("C", "default", 2000, "all_node", 5);
}

#[test]
fn the_published_runs_arrival_by_arrival() {
    let Some(data) = data() else { return };
    let golden = data.join("golden");
    let ranks: BTreeMap<String, u64> = rows(golden.join("node_rank_default_seed42.csv"))
        .iter()
        .map(|row| (row["node"].clone(), number(row, "rank")))
        .collect();
    let nodes = rows(data.join("openb_node_list_gpu_node.csv"));
    let (model, classes) = model(cluster(nodes, |name| ranks[name]), &rows(data.join("openb_pod_list_default.csv")));
    let order = rows(golden.join("order_default_seed42.csv"));
    let arrivals: Vec<ClassId> = order.iter().map(|row| classes[number(row, "pod_row") as usize]).collect();
    for (there, here) in [("BestFit", "fgd-best-fit"), ("FGD", "fgd")] {
        let recorded = rows(golden.join(format!("full_default_seed42_{there}.csv")));
        compare(&format!("whole run, {there}"), here, &model, &arrivals, &recorded);
    }
}

//! `wavetank generate`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{Failure, say};
use crate::importers::openb::{write_nodes, write_pods};
use crate::importers::synthetic::{self, SyntheticNodes, SyntheticPods};
use crate::model::{Cluster, Workload};
use crate::results::ResultWriter;
use crate::rng::Seed;
use crate::units::SimTime;

#[derive(Debug, Args)]
pub(super) struct GenerateArguments {
    /// What the workload resembles
    #[arg(value_enum)]
    kind: Kind,
    /// Directory that gets nodes.csv and pods.csv, in the format of the openb trace
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Seed of all random streams
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// How many nodes
    #[arg(long, value_name = "N", default_value_t = 1523)]
    nodes: u32,
    /// How many pods
    #[arg(long, value_name = "N", default_value_t = 8152)]
    pods: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The published marginals of Alibaba's GPU trace of 2023
    Openb,
}

pub(super) fn run(arguments: &GenerateArguments) -> Result<(), Failure> {
    let Kind::Openb = arguments.kind;
    let seed = Seed { base: arguments.seed, replication: 0 };
    let (mut cluster, mut workload) = (Cluster::default(), Workload::default());
    let nodes = SyntheticNodes { name: "node".to_owned(), count: arguments.nodes, with_gpu_only: false };
    synthetic::generate_nodes(&nodes, seed, &mut cluster);
    let pods = SyntheticPods {
        name: "pod".to_owned(),
        count: arguments.pods,
        start: SimTime::ZERO,
        arrivals: synthetic::openb_arrivals(),
        duration: Some(synthetic::openb_lifetimes()),
    };
    synthetic::list_pods(&pods, seed, &mut cluster, &mut workload);
    write_trace(&arguments.out, &cluster, &workload)?;
    say(&format!("{} nodes and {} pods: {}", arguments.nodes, arguments.pods, arguments.out.display()));
    Ok(())
}

/// Writes nodes and pods as a trace.
pub(super) fn write_trace(directory: &Path, cluster: &Cluster, workload: &Workload) -> Result<(), Failure> {
    let writer = ResultWriter::create(directory)?;
    writer.file("nodes.csv", |out| out.write_all(write_nodes(cluster).as_bytes()))?;
    Ok(writer.file("pods.csv", |out| out.write_all(write_pods(cluster, workload).as_bytes()))?)
}

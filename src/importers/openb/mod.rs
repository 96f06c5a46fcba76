//! The CSV files of the openb GPU cluster trace (Alibaba `cluster-trace-gpu-v2023`; Weng et al., "Beware of
//! Fragmentation", USENIX ATC 2023), the order files of its reference results, and a writer for the same format.
//!
//! - Node list: `sn`, `cpu_milli`, `memory_mib`, `gpu` (whole GPUs), `model`.
//! - Pod list: `name`, `cpu_milli`, `memory_mib`, `num_gpu`, `gpu_milli` (thousandths of each GPU), `gpu_spec`
//!   (acceptable models, separated by `|`), `qos`, `pod_phase`, `creation_time`, `deletion_time`, `scheduled_time` (seconds from
//!   the trace's start). Only the first five are required.
//! - Arrival order: `seq`, `pod_row` (row of the pod list, from 0).
//! - Node rank: `node`, `rank`.

mod arrange;
mod nodes;
mod pods;
mod write;

use std::path::Path;

use super::{ImportError, Problems, table};
use crate::model::{Cluster, Workload};
use crate::rng::Seed;

pub use arrange::Order;
pub use nodes::{NodeOptions, Rank, read_nodes};
pub(super) use nodes::{PODS_PER_NODE, shape as node_shape};
pub(super) use pods::class as pod_class;
pub use pods::{PodOptions, Times, read_pods};
pub use write::{write_nodes, write_pods};

/// Reads node and pod lists, told apart by their headings, with the trace's times where it has them; nodes first, whatever the order of the
/// files.
///
/// # Errors
/// Everything that is wrong with the files, up to [`super::PROBLEMS_MAX`] problems.
pub fn read(files: &[&Path], seed: Seed) -> Result<(Cluster, Workload), Vec<ImportError>> {
    let mut problems = Problems::default();
    let (mut node_lists, mut pod_lists) = (Vec::new(), Vec::new());
    for file in files {
        match table::heading(file) {
            Ok(heading) if heading.iter().any(|name| name == "sn") => node_lists.push(*file),
            Ok(heading) if heading.iter().any(|name| name == "num_gpu") => {
                let timed = heading.iter().any(|name| name == "creation_time");
                pod_lists.push((*file, if timed { Times::Trace } else { PodOptions::default().times }));
            }
            Ok(_) => problems.push(
                &file.display().to_string(),
                1,
                "is neither a node list (heading sn,cpu_milli,memory_mib,gpu,model) nor a pod list (heading \
                 name,cpu_milli,memory_mib,num_gpu,gpu_milli,...)",
            ),
            Err(why) => problems.push(&file.display().to_string(), 0, why),
        }
    }
    let (mut cluster, mut workload) = (Cluster::default(), Workload::default());
    let nodes = node_lists.iter().map(|file| read_nodes(file, &NodeOptions::default(), seed, &mut cluster));
    problems.list.extend(nodes.filter_map(Result::err).flatten());
    let pods = pod_lists.into_iter().map(|(file, times)| {
        let options = PodOptions { times, ..PodOptions::default() };
        read_pods(file, &options, seed, &mut cluster, &mut workload)
    });
    problems.list.extend(pods.filter_map(Result::err).flatten());
    problems.list.truncate(super::PROBLEMS_MAX);
    problems.into_result((cluster, workload))
}

/// Most CPU that a cell can mean, in milli-cores: a million cores.
const CPU_MILLI_MAX: u64 = 1_000_000_000;
/// Most memory that a cell can mean, in MiB: 8 PiB.
const MEMORY_MIB_MAX: u64 = 1 << 33;
/// Most models of GPU: far more than exist, and few enough for lists.
const GPU_MODELS_MAX: usize = 1000;
/// Bytes of a MiB.
const MIB: u64 = 1 << 20;

#[cfg(test)]
mod tests;

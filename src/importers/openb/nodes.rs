//! The node list, and the order that settles ties.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::table::{ColumnName, CsvTable, required};
use super::super::{ImportError, Problems};
use super::{CPU_MILLI_MAX, GPU_MODELS_MAX, MEMORY_MIB_MAX, MIB};
use crate::model::cluster::GPUS_PER_NODE_MAX;
use crate::model::{Cluster, GpuDevices, Node, NodeShape, Resources, ShapeId};
use crate::rng::Seed;
use crate::units::{Bytes, MilliCpu};

/// Which nodes are taken, and in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeOptions {
    /// Rows whose number from 0 is a multiple of this are taken; at least 1.
    pub stride: u32,
    /// Which of two equally good nodes wins.
    pub rank: Rank,
    /// Pod slots of each node. The trace has none; the FGD simulator gives each node 1001, the default.
    pub pods_per_node: u64,
}

impl Default for NodeOptions {
    fn default() -> Self {
        NodeOptions { stride: 1, rank: Rank::NameOrder, pods_per_node: PODS_PER_NODE }
    }
}

/// Pod slots that the FGD simulator gives each node.
pub(in crate::importers) const PODS_PER_NODE: u64 = 1001;

/// The order of nodes that settles ties: the earlier wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Rank {
    /// By name.
    #[default]
    NameOrder,
    /// As a rank file says (columns `node`, `rank`; the lower rank is the earlier). It may list more nodes than are taken.
    File(PathBuf),
    /// Drawn from the run's seed.
    Shuffled,
}

const NODE_COLUMNS: &[ColumnName<'_>] =
    &[required("sn"), required("cpu_milli"), required("memory_mib"), required("gpu"), required("model")];
const RANK_COLUMNS: &[ColumnName<'_>] = &[required("node"), required("rank")];

/// A row of the node list.
struct Row {
    name: String,
    line: u64,
    shape: ShapeId,
}

/// Reads a node list and appends its nodes to the cluster, in order of rank.
///
/// # Errors
/// Everything that is wrong with the file and the rank file, up to [`super::super::PROBLEMS_MAX`] problems.
pub fn read_nodes(
    path: &Path,
    options: &NodeOptions,
    seed: Seed,
    cluster: &mut Cluster,
) -> Result<(), Vec<ImportError>> {
    let mut problems = Problems::default();
    let mut rows = node_rows(path, options, cluster, &mut problems);
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    for pair in rows.windows(2).filter(|pair| pair[0].name == pair[1].name) {
        let message = format!(
            "column `sn`: the name `{}` stands in line {} already; node names are unique",
            pair[1].name.escape_debug(),
            pair[0].line
        );
        problems.push(&path.display().to_string(), pair[1].line, message);
    }
    match &options.rank {
        Rank::NameOrder => {}
        Rank::Shuffled => seed.stream("openb node rank", 0).shuffle(&mut rows),
        Rank::File(rank_path) => {
            let ranks = node_ranks(rank_path, &mut problems);
            for row in rows.iter().filter(|row| !ranks.contains_key(&row.name)) {
                let message = format!("the node `{}` of the node list has no rank: add a row", row.name.escape_debug());
                problems.push(&rank_path.display().to_string(), 0, message);
            }
            rows.sort_by_key(|row| ranks.get(&row.name).copied());
        }
    }
    cluster.nodes.extend(rows.into_iter().map(|row| Node { name: row.name, shape: row.shape, unschedulable: false }));
    problems.into_result(())
}

fn node_rows(path: &Path, options: &NodeOptions, cluster: &mut Cluster, problems: &mut Problems) -> Vec<Row> {
    let mut rows = Vec::new();
    let Some(mut table) = CsvTable::open(path, NODE_COLUMNS, problems) else { return rows };
    if options.stride == 0 {
        problems.push(table.file(), 0, "the stride is 0; write 1 to take every node");
        return rows;
    }
    let mut shapes: BTreeMap<(u64, u64, u64, String), ShapeId> = BTreeMap::new();
    let mut number = 0u64;
    while let Some(line) = table.next_row(problems) {
        let is_taken = number.is_multiple_of(u64::from(options.stride));
        number += 1;
        if !is_taken {
            continue;
        }
        let name = table.text(0, line, problems).map(str::to_owned);
        if name.as_deref() == Some("") {
            table.refuse(0, line, "is empty", "write the node's name", problems);
        }
        let cpu = table.number(1, line, CPU_MILLI_MAX, "CPU in thousandths of a core, such as 64000", problems);
        let memory = table.number(2, line, MEMORY_MIB_MAX, "memory in MiB, such as 262144", problems);
        let gpu = table.number(3, line, u64::from(GPUS_PER_NODE_MAX), "the number of whole GPUs, 0 to 32", problems);
        let model = table.text(4, line, problems);
        if gpu.is_some_and(|count| count > 0) && model == Some("") {
            table.refuse(4, line, "is empty though the node has GPUs", "write their model, such as T4", problems);
        }
        let (Some(name), Some(cpu), Some(memory), Some(gpu), Some(model)) = (name, cpu, memory, gpu, model) else {
            continue;
        };
        if cluster.gpu_models.len() > GPU_MODELS_MAX {
            let fix = "name models, not single devices, in this column";
            table.refuse(4, line, &format!("comes after {GPU_MODELS_MAX} other models"), fix, problems);
            break;
        }
        let model = if gpu == 0 { "" } else { model };
        let shape = *shapes.entry((cpu, memory, gpu, model.to_owned())).or_insert_with(|| {
            let shape = shape(cpu, memory, gpu as u32, model, options.pods_per_node, cluster);
            cluster.intern_shape(shape)
        });
        rows.push(Row { name, line, shape });
    }
    if rows.is_empty() && problems.list.is_empty() {
        problems.push(table.file(), 0, "has no node: a heading alone is not a node list");
    }
    rows
}

/// The shape of a node as a row describes it.
pub(in crate::importers) fn shape(
    cpu_milli: u64,
    memory_mib: u64,
    gpu: u32,
    model: &str,
    pods_per_node: u64,
    cluster: &mut Cluster,
) -> NodeShape {
    NodeShape {
        allocatable: Resources {
            cpu: MilliCpu(cpu_milli),
            memory: Bytes(memory_mib * MIB),
            pods: pods_per_node,
            ..Resources::default()
        },
        gpu: (gpu > 0).then(|| GpuDevices { model: cluster.intern_gpu_model(model), count: gpu }),
        ..NodeShape::default()
    }
}

/// Reads a rank file: node name to rank.
fn node_ranks(path: &Path, problems: &mut Problems) -> BTreeMap<String, u64> {
    let (mut ranks, mut lines_by_rank) = (BTreeMap::new(), BTreeMap::new());
    let Some(mut table) = CsvTable::open(path, RANK_COLUMNS, problems) else { return ranks };
    while let Some(line) = table.next_row(problems) {
        let name = table.text(0, line, problems).map(str::to_owned);
        let rank = table.number(1, line, u64::MAX, "the rank, a whole number from 0", problems);
        let (Some(name), Some(rank)) = (name, rank) else { continue };
        if let Some(other) = lines_by_rank.insert(rank, line) {
            let why = format!("stands in line {other} already");
            table.refuse(1, line, &why, "give every node its own rank", problems);
        }
        if ranks.insert(name, rank).is_some() {
            table.refuse(0, line, "is ranked twice", "remove one of the rows", problems);
        }
    }
    ranks
}

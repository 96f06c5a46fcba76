//! The pod list: classes, arrival times, names.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::super::table::{ColumnName, CsvTable, optional, required};
use super::super::{ImportError, Problems};
use super::arrange::{Arrival, GpuDemand, Order, arrange, tune};
use super::{CPU_MILLI_MAX, GPU_MODELS_MAX, MEMORY_MIB_MAX, MIB};
use crate::ids::{ClassId, GpuModelId};
use crate::model::cluster::{GPU_MILLI, GPUS_PER_NODE_MAX};
use crate::model::{ArrivalSource, Cluster, GpuRequest, ListedPod, ListedPods, PodClass, Resources, Workload};
use crate::results::TextColumn;
use crate::rng::Seed;
use crate::units::{Bytes, MilliCpu, SimDuration, SimTime};

/// Which pods arrive, in which order and when.
#[derive(Clone, Debug, PartialEq)]
pub struct PodOptions {
    /// First row taken, from 0 without the heading.
    pub from: u64,
    /// First row left out; none: the end of the file.
    pub to: Option<u64>,
    /// In which order the rows arrive.
    pub order: Order,
    /// GPU demand to reach by copies, or by leaving pods out, as a share of the GPU capacity of the cluster as it is when the
    /// pods are read; none: as in the list.
    pub inflate_to: Option<f64>,
    /// When pods arrive and leave.
    pub times: Times,
}

impl Default for PodOptions {
    /// All rows in their order, one a second, for ever.
    fn default() -> Self {
        PodOptions {
            from: 0,
            to: None,
            order: Order::FileOrder,
            inflate_to: None,
            times: Times::Sequence { interval: SimDuration(1_000_000_000) },
        }
    }
}

/// When pods arrive and leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// One after the other from the start; none leaves.
    Sequence {
        /// Time from one arrival to the next.
        interval: SimDuration,
    },
    /// As recorded. A pod arrives at its `creation_time` on the trace's clock, so a run begins at the trace's start even if the
    /// first rows are left out, and the order of arrival settles ties only. It runs for `deletion_time` less
    /// `scheduled_time`, whatever its `pod_phase`: failed pods used their node until then too. Where `scheduled_time` is
    /// empty, as for pods that were pending to the end, it runs for `deletion_time` less `creation_time`, the only
    /// span known; where `deletion_time` is empty it stays for ever. A copy has the times of its original.
    Trace,
}

const NAME: usize = 0;
const CPU: usize = 1;
const MEMORY: usize = 2;
const GPU_COUNT: usize = 3;
const GPU_SHARE: usize = 4;
const GPU_MODELS: usize = 5;
const CREATION: usize = 6;
const DELETION: usize = 7;
const SCHEDULED: usize = 8;
const POD_COLUMNS: &[ColumnName<'_>] = &[
    required("name"),
    required("cpu_milli"),
    required("memory_mib"),
    required("num_gpu"),
    required("gpu_milli"),
    optional("gpu_spec"),
    optional("creation_time"),
    optional("deletion_time"),
    optional("scheduled_time"),
];
/// Latest second that a time can be: 290 years, so that two of them can be added.
const TIME_S_MAX: u64 = 9_000_000_000;
/// Most rows of one list.
const ROWS_MAX: u64 = 100_000_000;

/// The selected rows of a pod list, as columns.
#[derive(Default)]
struct Rows {
    names: TextColumn,
    lines: Vec<u64>,
    classes: Vec<ClassId>,
    /// Arrival and time to run; empty unless times are of the trace.
    times: Vec<(SimTime, Option<SimDuration>)>,
    /// Of each class of the workload: demand of one GPU and of the pod, in milli-GPU.
    gpu_milli: Vec<(u64, u64)>,
}

impl GpuDemand for Rows {
    fn gpu_milli(&self, row: u32) -> (u64, u64) {
        self.gpu_milli[self.classes[row as usize].index()]
    }
}

/// Reads a pod list and appends its pods to the workload as one source, in order of arrival. GPU models that no node
/// has are added to the cluster. [`Workload::popularity`] counts the selected rows, before any copy.
///
/// # Errors
/// Everything that is wrong with the file, the order file and the options, up to [`super::super::PROBLEMS_MAX`] problems.
pub fn read_pods(
    path: &Path,
    options: &PodOptions,
    seed: Seed,
    cluster: &mut Cluster,
    workload: &mut Workload,
) -> Result<(), Vec<ImportError>> {
    let mut problems = Problems::default();
    let file = path.display().to_string();
    let mut rows = pod_rows(path, options, cluster, workload, &mut problems);
    rows.gpu_milli = workload.classes.iter().map(class_gpu_milli).collect();
    let by_name = rows_by_name(&rows, &file, &mut problems);
    if problems.is_full() || rows.classes.is_empty() {
        return problems.into_result(());
    }
    let taken = options.from..options.from + rows.classes.len() as u64;
    let mut arrivals = arrange(&options.order, &taken, seed, &mut problems);
    if let Some(share) = options.inflate_to {
        let tuned = target_milli(share, cluster).and_then(|target| {
            let mut stream = seed.stream("openb inflation", 0);
            tune(&mut arrivals, &by_name, &rows, target, &mut stream)
        });
        if let Err(why) = tuned {
            problems.push(&file, 0, format!("the GPU demand cannot be brought to {share} of the capacity: {why}"));
        }
    }
    let source = ArrivalSource::Listed(listed(&arrivals, &rows, options.times));
    workload.sources.push(source);
    add_popularity(&rows.classes, workload);
    problems.into_result(())
}

fn class_gpu_milli(class: &PodClass) -> (u64, u64) {
    class.gpu.as_ref().map_or((0, 0), |gpu| (u64::from(gpu.milli), gpu.total_milli()))
}

fn pod_rows(
    path: &Path,
    options: &PodOptions,
    cluster: &mut Cluster,
    workload: &mut Workload,
    problems: &mut Problems,
) -> Rows {
    let mut rows = Rows::default();
    let Some(mut table) = CsvTable::open(path, POD_COLUMNS, problems) else { return rows };
    let with_times = options.times == Times::Trace;
    if with_times && !(table.has(CREATION) && table.has(DELETION)) {
        let message = "has no columns `creation_time` and `deletion_time`, which the trace's own times need; \
                       let the pods arrive in sequence instead";
        problems.push(table.file(), 1, message);
        return rows;
    }
    let mut interner = ClassInterner::default();
    let selected = options.from..options.to.unwrap_or(ROWS_MAX);
    let mut number = 0;
    while number < selected.end
        && let Some(line) = table.next_row(problems)
    {
        number += 1;
        if number <= selected.start {
            continue;
        }
        let name_is_there = !table.cell(NAME).is_empty();
        if !name_is_there {
            table.refuse(NAME, line, "is empty", "write the pod's name", problems);
        }
        let times = if with_times { pod_times(&table, line, problems) } else { Some((SimTime::ZERO, None)) };
        let class = pod_class(&table, line, &mut interner, cluster, workload, problems);
        let name = table.text(NAME, line, problems);
        let (Some(times), Some(class), Some(name)) = (times, class, name) else { continue };
        rows.names.push(name);
        rows.lines.push(line);
        rows.classes.push(class);
        if with_times {
            rows.times.push(times);
        }
    }
    check_selection(&selected, options.to, number, table.file(), problems);
    rows
}

/// Reports a selection that the file cannot fill.
fn check_selection(selected: &Range<u64>, to: Option<u64>, rows: u64, file: &str, problems: &mut Problems) {
    if !problems.list.is_empty() {
        return;
    }
    let message = match to {
        Some(to) if to <= selected.start => {
            format!("the rows {} to {to} are none: the end is left out", selected.start)
        }
        Some(to) if rows < to => format!("has {rows} rows, but the rows up to {to} are asked for"),
        _ if rows == 0 => "has no pod: a heading alone is not a pod list".to_owned(),
        _ if rows <= selected.start => format!("has {rows} rows, but those from {} on are asked for", selected.start),
        None if rows == ROWS_MAX => format!("has more than {ROWS_MAX} rows"),
        _ => return,
    };
    problems.push(file, 0, message);
}

/// Arrival and time to run of a row; see [`Times::Trace`].
fn pod_times(table: &CsvTable, line: u64, problems: &mut Problems) -> Option<(SimTime, Option<SimDuration>)> {
    const MEANING: &str = "seconds from the trace's start";
    let mut maybe = |column| {
        if table.cell(column).is_empty() {
            return Some(None);
        }
        table.number(column, line, TIME_S_MAX, MEANING, problems).map(Some)
    };
    let (deletion, scheduled) = (maybe(DELETION), maybe(SCHEDULED));
    let creation = table.number(CREATION, line, TIME_S_MAX, MEANING, problems);
    let (creation, deletion, scheduled) = (creation?, deletion?, scheduled?);
    let start = scheduled.unwrap_or(creation);
    if start < creation {
        let why = format!("is before `creation_time` {creation}");
        table.refuse(SCHEDULED, line, &why, "a pod cannot be scheduled before it is created", problems);
        return None;
    }
    if deletion.is_some_and(|deletion| deletion < start) {
        let why = format!("is before the pod was there, at {start}");
        table.refuse(DELETION, line, &why, "leave it empty if the pod stayed", problems);
        return None;
    }
    let arrival = SimTime(creation * 1_000_000_000);
    Some((arrival, deletion.map(|deletion| SimDuration((deletion - start) * 1_000_000_000))))
}

/// Classes by what tells them apart, in logarithmic time.
#[derive(Default)]
struct ClassInterner {
    /// CPU in milli, memory in MiB, GPUs, milli of each, acceptable models.
    classes: BTreeMap<(u64, u64, u32, u16, u32), ClassId>,
    /// Numbers of the texts that name acceptable models, from 1; 0 is any model.
    model_texts: BTreeMap<String, u32>,
}

fn pod_class(
    table: &CsvTable,
    line: u64,
    interner: &mut ClassInterner,
    cluster: &mut Cluster,
    workload: &mut Workload,
    problems: &mut Problems,
) -> Option<ClassId> {
    let cpu = table.number(CPU, line, CPU_MILLI_MAX, "CPU in thousandths of a core, such as 4000", problems);
    let memory = table.number(MEMORY, line, MEMORY_MIB_MAX, "memory in MiB, such as 16384", problems);
    let count = table.number(GPU_COUNT, line, u64::from(GPUS_PER_NODE_MAX), "the number of GPUs, 0 to 32", problems);
    let milli = table.number(GPU_SHARE, line, u64::MAX, "thousandths of each GPU, 1 to 1000", problems);
    let (cpu, memory, count, milli) = (cpu?, memory?, count? as u32, milli?);
    if count > 0 && milli == 0 {
        let fix = "write 1 to 1000 thousandths of each GPU, or 0 in `num_gpu`";
        table.refuse(GPU_SHARE, line, "is no share though the pod requests GPUs", fix, problems);
        return None;
    }
    // As in the FGD simulator, more than a whole GPU is a whole GPU, and pods without GPU have no model constraint.
    let milli = if count == 0 { 0 } else { milli.min(u64::from(GPU_MILLI)) as u16 };
    let models = if count == 0 { "" } else { table.text(GPU_MODELS, line, problems)? };
    if models.split('|').count() + cluster.gpu_models.len() > 2 * GPU_MODELS_MAX {
        let fix = "name models, not single devices, in this column";
        table.refuse(GPU_MODELS, line, &format!("makes more than {GPU_MODELS_MAX} models"), fix, problems);
        return None;
    }
    let models_key = match interner.model_texts.get(models) {
        _ if models.is_empty() => 0,
        Some(&key) => key,
        None => {
            let key = interner.model_texts.len() as u32 + 1;
            interner.model_texts.insert(models.to_owned(), key);
            key
        }
    };
    let key = (cpu, memory, count, milli, models_key);
    Some(*interner.classes.entry(key).or_insert_with(|| {
        workload.classes.push(class(cpu, memory, count, milli, models, cluster));
        ClassId::from_index(workload.classes.len() - 1)
    }))
}

/// The class of pods as a row describes them; its template says what kind of GPU demand it is.
pub(in crate::importers) fn class(
    cpu_milli: u64,
    memory_mib: u64,
    gpu_count: u32,
    gpu_milli: u16,
    models: &str,
    cluster: &mut Cluster,
) -> PodClass {
    let accepted: Vec<GpuModelId> = models
        .split('|')
        .map(str::trim)
        .filter(|model| !model.is_empty())
        .map(|model| cluster.intern_gpu_model(model))
        .collect();
    PodClass {
        template: match (gpu_count, gpu_milli) {
            (0, _) => "cpu-only".to_owned(),
            (1, milli) if milli < GPU_MILLI => "gpu-share".to_owned(),
            (count, _) => format!("gpu-{count}"),
        },
        requests: Resources {
            cpu: MilliCpu(cpu_milli),
            memory: Bytes(memory_mib * MIB),
            pods: 1,
            ..Resources::default()
        },
        gpu: (gpu_count > 0).then_some(GpuRequest { count: gpu_count, milli: gpu_milli, models: accepted }),
        ..PodClass::default()
    }
}

/// The rows in order of their names; names that come twice are reported.
fn rows_by_name(rows: &Rows, file: &str, problems: &mut Problems) -> Vec<u32> {
    let mut by_name: Vec<u32> = (0..rows.names.len() as u32).collect();
    // Stable, and fast on lists that are in order already, as the published ones are.
    by_name.sort_by(|&a, &b| rows.names.get(a as usize).cmp(rows.names.get(b as usize)));
    for pair in by_name.windows(2) {
        let (first, second) = (pair[0] as usize, pair[1] as usize);
        let name = rows.names.get(second);
        if rows.names.get(first) == name {
            let message = format!(
                "column `name`: the name `{}` stands in line {} already; pod names are unique",
                name.escape_debug(),
                rows.lines[first]
            );
            problems.push(file, rows.lines[second], message);
        }
    }
    by_name
}

/// GPU demand in milli-GPU that is `share` of the cluster's GPUs.
fn target_milli(share: f64, cluster: &Cluster) -> Result<u64, String> {
    let gpus = |node: &crate::model::Node| cluster.shape(node.shape).gpu.map_or(0, |gpu| u64::from(gpu.count));
    let capacity = cluster.nodes.iter().map(gpus).sum::<u64>() * u64::from(GPU_MILLI);
    if !(share.is_finite() && share >= 0.0) {
        return Err("the share must be a number that is not negative, such as 1.3".to_owned());
    }
    if capacity == 0 {
        return Err("the cluster has no GPU".to_owned());
    }
    Ok((share * capacity as f64).round() as u64)
}

/// The pods as they arrive. Copies are called `<original>-tuned-<number>`, numbered from 0 in order of `arrivals`.
fn listed(arrivals: &[Arrival], rows: &Rows, times: Times) -> ListedPods {
    let copy_numbers = number_copies(arrivals);
    let mut order: Vec<usize> = (0..arrivals.len()).collect();
    if times == Times::Trace {
        order.sort_by_key(|&at| rows.times[arrivals[at].row as usize].0);
    }
    let mut listed = ListedPods::default();
    listed.pods.reserve_exact(arrivals.len());
    for (sequence, &at) in order.iter().enumerate() {
        let Arrival { row, is_copy } = arrivals[at];
        let row = row as usize;
        let name = rows.names.get(row);
        if is_copy {
            listed.names.push_fmt(format_args!("{name}-tuned-{}", copy_numbers[at]));
        } else {
            listed.names.push(name);
        }
        let (arrival, duration) = match times {
            Times::Trace => rows.times[row],
            Times::Sequence { interval } => (SimTime(interval.0.saturating_mul(sequence as u64)), None),
        };
        listed.pods.push(ListedPod { class: rows.classes[row], arrival, duration, node: None });
    }
    listed
}

/// How many copies come before each arrival.
fn number_copies(arrivals: &[Arrival]) -> Vec<u32> {
    let mut copies = 0;
    arrivals
        .iter()
        .map(|arrival| {
            let number = copies;
            copies += u32::from(arrival.is_copy);
            number
        })
        .collect()
}

/// Adds the counts of classes to the popularity, which stays in order of class.
fn add_popularity(classes: &[ClassId], workload: &mut Workload) {
    let mut counts = vec![0u64; workload.classes.len()];
    classes.iter().for_each(|class| counts[class.index()] += 1);
    let mut popularity: BTreeMap<ClassId, f64> = workload.popularity.drain(..).collect();
    for (index, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        *popularity.entry(ClassId::from_index(index)).or_insert(0.0) += count as f64;
    }
    workload.popularity = popularity.into_iter().collect();
}

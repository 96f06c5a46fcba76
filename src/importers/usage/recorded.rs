//! Recorded usage of containers and virtual machines: a table of many containers, and the machines of Bitbrains.
//!
//! Bitbrains GWA-T-12 (Shen, van Beek and Iosup, "Statistical Characterization of Business-Critical Workloads Hosted in Cloud
//! Datacenters", CCGrid 2015) has one file a machine, with fields between semicolons and a row every five minutes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::table::{CsvTable, required};
use super::super::{ImportError, Problems};
use crate::model::sizing::{Size, SizedContainer, Usage, UsageStep};
use crate::units::{Bytes, MilliCpu, SimDuration};

/// The step of Bitbrains.
const BITBRAINS_STEP: SimDuration = SimDuration(300_000_000_000);
/// The columns of Bitbrains: time, cores, percent of them used, and memory provisioned and used in KB of 1024 bytes. Times are
/// seconds, whatever the heading says.
const BITBRAINS: [&str; 5] =
    ["Timestamp [ms]", "CPU cores", "CPU usage [%]", "Memory capacity provisioned [KB]", "Memory usage [KB]"];

/// How a table of usage is read.
#[derive(Clone, Copy, Debug)]
pub struct UsageTable<'o> {
    /// Column with the names of containers.
    pub container: &'o str,
    /// Column with times, by which the rows of a container ascend.
    pub time: &'o str,
    /// Column with cores; none: no CPU is used.
    pub cpu: Option<&'o str>,
    /// Column with bytes; none: no memory is used.
    pub memory: Option<&'o str>,
    /// How long what a row says lasts.
    pub every: SimDuration,
}

/// The steps of each container of a table, by name. Where rows are missing the container was not there, and its time goes on with
/// the next.
///
/// # Errors
/// When columns are missing, cells are no numbers, or rows of a container do not ascend.
pub fn read_usage_table(
    path: &Path,
    options: &UsageTable<'_>,
) -> Result<BTreeMap<String, Vec<UsageStep>>, Vec<ImportError>> {
    let mut problems = Problems::default();
    let mut found: BTreeMap<String, (f64, Vec<UsageStep>)> = BTreeMap::new();
    let mut columns = vec![required(options.container), required(options.time)];
    columns.extend(options.cpu.iter().chain(&options.memory).map(|name| required(name)));
    let Some(mut table) = CsvTable::open(path, &columns, &mut problems) else {
        return problems.into_result(BTreeMap::new());
    };
    while let Some(line) = table.next_row(&mut problems) {
        let Some(name) = table.text(0, line, &mut problems).map(str::to_owned) else { continue };
        let numbers: Vec<f64> =
            (1..columns.len()).filter_map(|column| table.amount(column, line, &mut problems)).collect();
        if numbers.len() + 1 < columns.len() {
            continue;
        }
        let mut rest = numbers[1..].iter();
        let cpu = options.cpu.and_then(|_| rest.next()).map_or(0.0, |cores| cores * 1000.0);
        let memory = options.memory.and_then(|_| rest.next()).copied().unwrap_or(0.0);
        let (last, steps) = found.entry(name).or_insert((f64::NEG_INFINITY, Vec::new()));
        if numbers[0] <= *last {
            table.refuse(1, line, "is not after the row before it of this container", "sort the rows", &mut problems);
            continue;
        }
        *last = numbers[0];
        let usage = Usage { cpu: MilliCpu(cpu.round() as u64), memory: Bytes(memory as u64) };
        steps.push(UsageStep { span: options.every, usage });
    }
    problems.into_result(found.into_iter().map(|(name, (_, steps))| (name, steps)).collect())
}

/// The machines of Bitbrains: a file, or all files of a directory, in the order of their names. A machine requests the most that
/// was provisioned for it, and that is its limit. Rows in which it has no capacity, or that are not after the ones before
/// them, are left out.
///
/// # Errors
/// When there is no file, or columns are missing, or cells are no numbers.
pub fn read_bitbrains(path: &Path) -> Result<Vec<SizedContainer>, Vec<ImportError>> {
    let mut problems = Problems::default();
    let files = files(path, &mut problems);
    let machines = files.iter().map(|file| machine(file, &mut problems)).collect();
    problems.into_result(machines)
}

fn files(path: &Path, problems: &mut Problems) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let listed = std::fs::read_dir(path).and_then(|entries| {
        let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
        paths
    });
    let mut files = listed.unwrap_or_default();
    files.retain(|file| file.is_file());
    files.sort();
    if files.is_empty() {
        problems.push(&path.display().to_string(), 0, "has no files that can be read");
    }
    files
}

fn machine(path: &Path, problems: &mut Problems) -> SizedContainer {
    let columns = BITBRAINS.map(required);
    let (mut last, mut cores_max, mut memory_max) = (0.0, 0.0f64, 0.0f64);
    let mut steps = Vec::new();
    if let Some(mut table) = CsvTable::open(path, &columns, problems) {
        while let Some(line) = table.next_row(problems) {
            let numbers: Vec<f64> =
                (0..columns.len()).filter_map(|column| table.amount(column, line, problems)).collect();
            let [time, cores, percent, memory, used] = numbers[..] else { continue };
            if time <= last || cores == 0.0 || memory == 0.0 {
                continue;
            }
            last = time;
            (cores_max, memory_max) = (cores_max.max(cores), memory_max.max(memory));
            let cpu = MilliCpu((cores * 10.0 * percent) as u64);
            let usage = Usage { cpu, memory: Bytes((used * 1024.0) as u64) };
            steps.push(UsageStep { span: BITBRAINS_STEP, usage });
        }
    }
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let name = name.trim_end_matches(".gz").trim_end_matches(".csv").to_owned();
    let size =
        Size { cpu: Some(MilliCpu((cores_max * 1000.0) as u64)), memory: Some(Bytes((memory_max * 1024.0) as u64)) };
    SizedContainer { name, requests: size, limits: size, series: steps.into() }
}

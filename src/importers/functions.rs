//! Calls of functions: Azure Functions 2019 (counts a minute, with distributions of durations and memory) and 2021 (one row a
//! call).
//!
//! 2019 is the data set of Shahrad et al., "Serverless in the Wild" (USENIX ATC 2020); 2021 that of Zhang et al., "Faster and
//! Cheaper Serverless Computing on Harvested Resources" (SOSP 2021); both from `github.com/Azure/AzurePublicDataset`. Neither
//! tells how long instances take to start: the caller says.
//!
//! Of 2019 the counts by minute are kept: calls are drawn within their minutes while a run goes on, and their durations from
//! the function's percentiles, linearly between them. (The published percentiles are of averages over 30 seconds.) Functions
//! without a row of durations take no time, those without memory have what the options say.

pub mod population;

use std::collections::BTreeMap;
use std::path::Path;

use super::table::{ColumnName, CsvTable, heading, required};
use super::{ImportError, Problems};
use crate::model::Dist;
use crate::model::functions::{CalledFunction, Calls, ColdCall, Function};
use crate::units::{Bytes, SimDuration, SimTime};

const MINUTE_NS: u64 = 60_000_000_000;
const MIB: f64 = 1_048_576.0;
/// The percentiles of durations that are published.
const PERCENTILES: [(f64, &str); 7] = [
    (0.0, "percentile_Average_0"),
    (0.01, "percentile_Average_1"),
    (0.25, "percentile_Average_25"),
    (0.5, "percentile_Average_50"),
    (0.75, "percentile_Average_75"),
    (0.99, "percentile_Average_99"),
    (1.0, "percentile_Average_100"),
];

/// What the data do not tell.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionOptions {
    /// How long an instance takes to start.
    pub cold_start: Dist,
    /// Memory of functions of which none is known.
    pub memory: Bytes,
}

impl Default for FunctionOptions {
    /// Half a second, and 170 MiB: half of the applications of 2019 have that or less.
    fn default() -> FunctionOptions {
        FunctionOptions { cold_start: Dist::Constant(SimDuration(500_000_000)), memory: Bytes(170 << 20) }
    }
}

/// Owner, application and function.
type Key = (String, String, String);

const KEY_COLUMNS: [ColumnName<'_>; 3] = [required("HashOwner"), required("HashApp"), required("HashFunction")];

fn key(table: &CsvTable, line: u64, problems: &mut Problems) -> Option<Key> {
    let mut text = |column| table.text(column, line, problems).map(str::to_owned);
    Some((text(0)?, text(1)?, text(2)?))
}

/// Reads the three tables of a day of 2019: counts, durations and memory; the last two may be missing. The first minute of
/// the table is the first of the run.
///
/// # Errors
/// When columns are missing or cells are no numbers.
pub fn read_azure_2019(
    invocations: &Path,
    durations: Option<&Path>,
    memory: Option<&Path>,
    options: &FunctionOptions,
) -> Result<Vec<CalledFunction>, Vec<ImportError>> {
    let mut problems = Problems::default();
    let counts = read_counts(invocations, &mut problems);
    let columns: Vec<&str> = PERCENTILES.iter().map(|(_, name)| *name).collect();
    let durations = durations.map(|path| read_numbers(path, &columns, &mut problems)).unwrap_or_default();
    let memory = memory.map(|path| read_numbers(path, &["AverageAllocatedMb"], &mut problems)).unwrap_or_default();
    let bytes = |key: &Key| match memory.get(key) {
        Some(mebibytes) => Bytes((mebibytes[0] * MIB).round() as u64),
        None => options.memory,
    };
    let called = |(key, minutes): (Key, Vec<(u32, u32)>)| CalledFunction {
        function: Function::new(&key.2, bytes(&key)),
        calls: Calls::Counted(minutes.into()),
        duration: durations.get(&key).map_or(Dist::ZERO, |row| percentiles(row)),
        cold: ColdCall::Start(options.cold_start.clone()),
    };
    let functions = counts.into_iter().map(called).collect();
    problems.into_result(functions)
}

/// The distribution with these percentiles, in milliseconds. Some of the published ones descend by a little.
fn percentiles(milliseconds: &[f64]) -> Dist {
    let mut least = 0.0f64;
    let points = PERCENTILES.iter().zip(milliseconds).map(|((part, _), milliseconds)| {
        least = least.max(milliseconds / 1e3);
        (*part, least)
    });
    Dist::Percentiles(points.collect())
}

/// The functions of a table of counts, and in which minutes each was called how often, the first column being minute 0.
fn read_counts(path: &Path, problems: &mut Problems) -> Vec<(Key, Vec<(u32, u32)>)> {
    let file = path.display().to_string();
    let columns = match heading(path) {
        Ok(columns) => columns,
        Err(why) => {
            problems.push(&file, 0, why);
            return Default::default();
        }
    };
    let mut numbers: Vec<(u32, &str)> =
        columns.iter().filter_map(|name| Some((name.parse().ok()?, name.as_str()))).collect();
    numbers.sort_unstable();
    let (Some(&(first, _)), Some(&(last, _))) = (numbers.first(), numbers.last()) else {
        problems.push(&file, 1, "has no columns that are called after minutes, such as 1, 2 and so on");
        return Default::default();
    };
    let names: Vec<ColumnName<'_>> =
        KEY_COLUMNS.into_iter().chain(numbers.iter().map(|(_, name)| required(name))).collect();
    if last - first >= 1_000_000 {
        problems.push(&file, 1, format!("has minutes from {first} to {last}: more than a year is not meant"));
        return Default::default();
    }
    let mut functions = Vec::new();
    let Some(mut table) = CsvTable::open(path, &names, problems) else { return Default::default() };
    while let Some(line) = table.next_row(problems) {
        let Some(key) = key(&table, line, problems) else { continue };
        let mut minutes = Vec::new();
        for (position, (minute, _)) in numbers.iter().enumerate() {
            let column = position + KEY_COLUMNS.len();
            let count = table.number(column, line, u64::from(u32::MAX), "how often it was called", problems);
            if let Some(count) = count.filter(|&count| count > 0) {
                minutes.push((minute - first, count as u32));
            }
        }
        functions.push((key, minutes));
    }
    functions
}

/// Numbers of some columns by function; of functions that come twice, the first.
fn read_numbers(path: &Path, columns: &[&str], problems: &mut Problems) -> BTreeMap<Key, Vec<f64>> {
    let names: Vec<ColumnName<'_>> = KEY_COLUMNS.into_iter().chain(columns.iter().map(|name| required(name))).collect();
    let mut rows = BTreeMap::new();
    let Some(mut table) = CsvTable::open(path, &names, problems) else { return rows };
    while let Some(line) = table.next_row(problems) {
        let Some(key) = key(&table, line, problems) else { continue };
        let mut numbers = Vec::with_capacity(columns.len());
        for column in KEY_COLUMNS.len()..KEY_COLUMNS.len() + columns.len() {
            if let Some(number) = table.amount(column, line, problems) {
                numbers.push(number);
            }
        }
        if numbers.len() == columns.len() {
            rows.entry(key).or_insert(numbers);
        }
    }
    rows
}

/// Reads the calls of 2021. Time 0 of the run is time 0 of the file; what began before then begins there. Functions come in
/// the order in which they come in the file.
///
/// # Errors
/// When columns are missing or cells are no numbers.
pub fn read_azure_2021(path: &Path, options: &FunctionOptions) -> Result<Vec<CalledFunction>, Vec<ImportError>> {
    let mut problems = Problems::default();
    let columns = [required("app"), required("func"), required("end_timestamp"), required("duration")];
    let mut known: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut functions: Vec<(Function, Vec<(SimTime, SimDuration)>)> = Vec::new();
    let Some(mut table) = CsvTable::open(path, &columns, &mut problems) else {
        return problems.into_result(Vec::new());
    };
    while let Some(line) = table.next_row(&mut problems) {
        let mut text = |column| table.text(column, line, &mut problems).map(str::to_owned);
        let (Some(app), Some(name)) = (text(0), text(1)) else { continue };
        let (end, duration) = (table.amount(2, line, &mut problems), table.amount(3, line, &mut problems));
        let (Some(end), Some(duration)) = (end, duration) else { continue };
        let function = *known.entry((app, name)).or_insert_with_key(|(_, name)| {
            functions.push((Function::new(name, options.memory), Vec::new()));
            functions.len() - 1
        });
        let arrival = SimTime(SimDuration::from_seconds(end - duration).0);
        functions[function].1.push((arrival, SimDuration::from_seconds(duration)));
    }
    let called = functions.into_iter().map(|(function, mut calls)| {
        // The rows are in no order.
        calls.sort_by_key(|call| call.0);
        let cold = ColdCall::Start(options.cold_start.clone());
        CalledFunction { function, calls: Calls::Recorded(calls.into()), duration: Dist::ZERO, cold }
    });
    let called = called.collect();
    problems.into_result(called)
}

/// Recorded calls: how many there are, and the part of a scenario that names their files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// How many functions there are.
    pub functions: usize,
    /// How many calls.
    pub calls: u64,
    /// Whole minutes until the last call has come, at least one.
    pub minutes: u64,
    /// Keys below `functions` and the positions of the files that they name.
    keys: &'static [&'static str],
    section: &'static str,
}

/// The first line of every scenario that [`scenario`] writes.
pub const HEADING: &str = "# A function platform, made by `wavetank import`";

/// Reads a day of 2019 as [`read_azure_2019`] does, from one to three files.
///
/// # Errors
/// See there; and when there are more files.
pub fn record_2019(files: &[&Path]) -> Result<Recording, Vec<ImportError>> {
    let &[invocations, ref rest @ ..] = files else { return Err(Vec::new()) };
    if let [_, _, more, ..] = rest {
        let message = "is one file too many: counts, durations and memory are expected, in that order".to_owned();
        return Err(vec![ImportError { file: more.display().to_string(), line: 0, message }]);
    }
    let [durations, memory] = [0, 1].map(|at| rest.get(at).copied());
    let called = read_azure_2019(invocations, durations, memory, &FunctionOptions::default())?;
    Ok(recording(&called, "azure2019", &["invocations", "durations", "memoryTable"]))
}

/// Reads calls of 2021 as [`read_azure_2021`] does, from one file.
///
/// # Errors
/// See there; and when there are more files.
pub fn record_2021(files: &[&Path]) -> Result<Recording, Vec<ImportError>> {
    let &[file, ref rest @ ..] = files else { return Err(Vec::new()) };
    if let [more, ..] = rest {
        let message = "is one file too many: one table of calls is expected".to_owned();
        return Err(vec![ImportError { file: more.display().to_string(), line: 0, message }]);
    }
    let called = read_azure_2021(file, &FunctionOptions::default())?;
    Ok(recording(&called, "azure2021", &["file"]))
}

fn recording(called: &[CalledFunction], section: &'static str, keys: &'static [&'static str]) -> Recording {
    let (mut calls, mut minutes) = (0, 0);
    for one in called {
        match &one.calls {
            Calls::Counted(counts) => {
                calls += counts.iter().map(|(_, count)| u64::from(*count)).sum::<u64>();
                minutes = minutes.max(counts.last().map_or(0, |(minute, _)| u64::from(*minute) + 1));
            }
            Calls::Recorded(list) => {
                calls += list.len() as u64;
                minutes = minutes.max(list.last().map_or(0, |(at, _)| at.0 / MINUTE_NS + 1));
            }
            Calls::Rule(_) => {}
        }
    }
    Recording { functions: called.len(), calls, minutes: minutes.max(1), keys, section }
}

/// A scenario that replays a recording: it names the files as they are named here.
pub fn scenario(recording: &Recording, files: &[String]) -> String {
    use std::fmt::Write as _;
    let Recording { functions, calls, minutes, keys, section } = recording;
    let mut text = format!(
        "{HEADING}: {functions} functions, {calls} calls.\n# How long instances take to start is not recorded: `coldStart` says it. \
         Keys: docs/functions.md.\napiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata:\n  name: functions\n  description: \
         Recorded calls of {functions} functions.\nhorizon: {minutes}m\nfunctions:\n  platform:\n    keepAlive: {{fixed: 10m}}\n  \
         {section}:\n"
    );
    for (key, file) in keys.iter().zip(files) {
        let _ = writeln!(text, "    {key}: {}", serde_json::Value::from(file.as_str()));
    }
    text.push_str("    coldStart: 500ms\n");
    text
}

#[cfg(test)]
mod tests;

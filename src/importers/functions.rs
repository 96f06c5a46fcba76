//! Calls of functions: Azure Functions 2019 (counts a minute, with distributions of durations and memory) and 2021 (one row a
//! call).
//!
//! 2019 is the data set of Shahrad et al., "Serverless in the Wild" (USENIX ATC 2020); 2021 that of Zhang et al., "Faster and
//! Cheaper Serverless Computing on Harvested Resources" (SOSP 2021); both from `github.com/Azure/AzurePublicDataset`. Neither
//! tells how long instances take to start: the caller says.
//!
//! Of 2019 the counts are kept, and calls are drawn while they are asked for, a minute at a time: arrivals uniformly in their
//! minute, durations from the function's percentiles, linearly between them. (The published percentiles are of averages over
//! 30 seconds.) Functions without a row of durations
//! take no time, those without memory have what the options say.

use std::collections::BTreeMap;
use std::path::Path;

use super::table::{ColumnName, CsvTable, heading, required};
use super::{ImportError, Problems};
use crate::model::functions::{Function, Invocation};
use crate::rng::{Seed, Stream};
use crate::units::{Bytes, SimDuration, SimTime};

const MINUTE: SimDuration = SimDuration(60_000_000_000);
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionOptions {
    /// How long an instance takes to start.
    pub initialisation: SimDuration,
    /// Memory of functions of which none is known.
    pub memory: Bytes,
}

impl Default for FunctionOptions {
    /// Half a second, and 170 MiB: half of the applications of 2019 have that or less.
    fn default() -> FunctionOptions {
        FunctionOptions { initialisation: SimDuration(500_000_000), memory: Bytes(170 << 20) }
    }
}

/// Functions with their counts by minute.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionCounts {
    /// The functions, in the order of the file.
    pub functions: Vec<Function>,
    /// By minute: functions that were called in it, and how often.
    minutes: Vec<Vec<(u32, u32)>>,
    /// The percentiles of each function's durations, in seconds.
    durations: Vec<[f64; PERCENTILES.len()]>,
    initialisation: SimDuration,
}

/// Owner, application and function.
type Key = (String, String, String);

const KEY_COLUMNS: [ColumnName<'_>; 3] = [required("HashOwner"), required("HashApp"), required("HashFunction")];

fn key(table: &CsvTable, line: u64, problems: &mut Problems) -> Option<Key> {
    let mut text = |column| table.text(column, line, problems).map(str::to_owned);
    Some((text(0)?, text(1)?, text(2)?))
}

/// Reads the three tables of a day of 2019: counts, durations and memory; the last two may be missing.
///
/// # Errors
/// When columns are missing or cells are no numbers.
pub fn read_azure_2019(
    invocations: &Path,
    durations: Option<&Path>,
    memory: Option<&Path>,
    options: &FunctionOptions,
) -> Result<FunctionCounts, Vec<ImportError>> {
    let mut problems = Problems::default();
    let (keys, minutes) = read_counts(invocations, &mut problems);
    let columns: Vec<&str> = PERCENTILES.iter().map(|(_, name)| *name).collect();
    let durations = durations.map(|path| read_numbers(path, &columns, &mut problems)).unwrap_or_default();
    let memory = memory.map(|path| read_numbers(path, &["AverageAllocatedMb"], &mut problems)).unwrap_or_default();
    let bytes = |key: &Key| match memory.get(key) {
        Some(mebibytes) => Bytes((mebibytes[0] * MIB).round() as u64),
        None => options.memory,
    };
    let functions = keys.iter().map(|key| Function::new(&key.2, bytes(key))).collect();
    let milliseconds = |key| durations.get(key).map_or([0.0; PERCENTILES.len()], |row| std::array::from_fn(|i| row[i]));
    let durations = keys.iter().map(|key| milliseconds(key).map(|duration| duration / 1e3)).collect();
    let initialisation = options.initialisation;
    problems.into_result(FunctionCounts { functions, minutes, durations, initialisation })
}

/// The functions of a table of counts, and by minute which were called how often.
fn read_counts(path: &Path, problems: &mut Problems) -> (Vec<Key>, Vec<Vec<(u32, u32)>>) {
    let file = path.display().to_string();
    let columns = match heading(path) {
        Ok(columns) => columns,
        Err(why) => {
            problems.push(&file, 0, why);
            return Default::default();
        }
    };
    let numbers: Vec<(u32, &str)> =
        columns.iter().filter_map(|name| Some((name.parse().ok()?, name.as_str()))).collect();
    let Some(first) = numbers.iter().map(|(minute, _)| *minute).min() else {
        problems.push(&file, 1, "has no columns that are called after minutes, such as 1, 2 and so on");
        return Default::default();
    };
    let names: Vec<ColumnName<'_>> =
        KEY_COLUMNS.into_iter().chain(numbers.iter().map(|(_, name)| required(name))).collect();
    let last = numbers.iter().map(|(minute, _)| *minute).max().unwrap_or(first);
    if last - first >= 1_000_000 {
        problems.push(&file, 1, format!("has minutes from {first} to {last}: more than a year is not meant"));
        return Default::default();
    }
    let mut minutes = vec![Vec::new(); (last - first) as usize + 1];
    let mut keys = Vec::new();
    let Some(mut table) = CsvTable::open(path, &names, problems) else { return Default::default() };
    while let Some(line) = table.next_row(problems) {
        let Some(key) = key(&table, line, problems) else { continue };
        let function = keys.len() as u32;
        keys.push(key);
        for (position, (minute, _)) in numbers.iter().enumerate() {
            let column = position + KEY_COLUMNS.len();
            let count = table.number(column, line, u64::from(u32::MAX), "how often it was called", problems);
            if let Some(count) = count.filter(|&count| count > 0) {
                minutes[(minute - first) as usize].push((function, count as u32));
            }
        }
    }
    (keys, minutes)
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
            if let Some(number) = decimal(&table, column, line, problems) {
                numbers.push(number);
            }
        }
        if numbers.len() == columns.len() {
            rows.entry(key).or_insert(numbers);
        }
    }
    rows
}

/// A number that is not negative.
fn decimal(table: &CsvTable, column: usize, line: u64, problems: &mut Problems) -> Option<f64> {
    let number = table.text(column, line, problems)?.parse().ok().filter(|number: &f64| number.is_finite());
    if number.is_none_or(|number| number < 0.0) {
        table.refuse(column, line, "is no number of 0 or more", "write a number such as 12.5", problems);
        return None;
    }
    number
}

impl FunctionCounts {
    /// All calls.
    pub fn call_count(&self) -> u64 {
        self.minutes.iter().flatten().map(|(_, count)| u64::from(*count)).sum()
    }

    /// When the last minute is over.
    pub fn end(&self) -> SimTime {
        SimTime(self.minutes.len() as u64 * MINUTE.0)
    }

    /// The calls in order, a minute at a time: memory holds those of the busiest minute.
    pub fn calls(&self, seed: Seed) -> impl Iterator<Item = Invocation> + '_ {
        let mut buffer: Vec<(u64, u32)> = Vec::new();
        (0..self.minutes.len()).flat_map(move |minute| {
            let mut stream = seed.stream("function-calls", minute as u64);
            self.draw_arrivals(minute, &mut buffer, &mut stream);
            let calls: Vec<Invocation> =
                buffer.iter().map(|&(arrival, function)| self.draw_call(arrival, function, &mut stream)).collect();
            calls
        })
    }

    fn draw_arrivals(&self, minute: usize, into: &mut Vec<(u64, u32)>, stream: &mut Stream) {
        into.clear();
        let start = minute as u64 * MINUTE.0;
        for &(function, count) in &self.minutes[minute] {
            into.extend((0..count).map(|_| (start + stream.below(MINUTE.0), function)));
        }
        into.sort_unstable();
    }

    fn draw_call(&self, arrival: u64, function: u32, stream: &mut Stream) -> Invocation {
        let part = stream.unit();
        let values = &self.durations[function as usize];
        let above = PERCENTILES.iter().position(|(at, _)| *at > part).unwrap_or(PERCENTILES.len() - 1).max(1);
        let (from, to) = (PERCENTILES[above - 1].0, PERCENTILES[above].0);
        let seconds = values[above - 1] + (part - from) / (to - from) * (values[above] - values[above - 1]);
        let duration = SimDuration::from_seconds(seconds);
        let cold_duration = duration + self.initialisation;
        Invocation { function, arrival: SimTime(arrival), duration, cold_duration }
    }
}

/// Functions with every call of them, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionCalls {
    /// The functions, in the order in which they come in the file.
    pub functions: Vec<Function>,
    /// The calls.
    pub calls: Vec<Invocation>,
}

/// Reads the calls of 2021. Time 0 of the run is time 0 of the file; what began before then begins there.
///
/// # Errors
/// When columns are missing or cells are no numbers.
pub fn read_azure_2021(path: &Path, options: &FunctionOptions) -> Result<FunctionCalls, Vec<ImportError>> {
    let mut problems = Problems::default();
    let columns = [required("app"), required("func"), required("end_timestamp"), required("duration")];
    let mut known: BTreeMap<(String, String), u32> = BTreeMap::new();
    let (mut functions, mut calls) = (Vec::new(), Vec::new());
    let Some(mut table) = CsvTable::open(path, &columns, &mut problems) else {
        return problems.into_result(FunctionCalls { functions, calls });
    };
    while let Some(line) = table.next_row(&mut problems) {
        let mut text = |column| table.text(column, line, &mut problems).map(str::to_owned);
        let (Some(app), Some(name)) = (text(0), text(1)) else { continue };
        let (end, duration) = (decimal(&table, 2, line, &mut problems), decimal(&table, 3, line, &mut problems));
        let (Some(end), Some(duration)) = (end, duration) else { continue };
        let function = *known.entry((app, name)).or_insert_with_key(|(_, name)| {
            functions.push(Function::new(name, options.memory));
            functions.len() as u32 - 1
        });
        let arrival = SimTime(SimDuration::from_seconds(end - duration).0);
        let duration = SimDuration::from_seconds(duration);
        let cold_duration = duration + options.initialisation;
        calls.push(Invocation { function, arrival, duration, cold_duration });
    }
    // The rows are in no order.
    calls.sort_by_key(|call| call.arrival);
    problems.into_result(FunctionCalls { functions, calls })
}

#[cfg(test)]
mod tests;

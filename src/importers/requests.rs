//! Recorded requests: how many there were over time, or when each of them came.
//!
//! Rates come in two layouts. Rows are instants with a value each: the WorldCup98 counts a minute (`period,count`; Arlitt and
//! Jin, HPL-99-35R1), the series of the Numenta Anomaly Benchmark (`timestamp,value`), and whatever else looks like them. Or
//! rows are functions with a column for each minute, as in Azure Functions 2019 (`HashOwner,HashApp,HashFunction,Trigger,1,
//! 2,...`; Shahrad et al., USENIX ATC 2020).

use std::path::Path;

use super::instant::{Instant, parse_instant};
use super::table::{ColumnName, CsvTable, heading, required};
use super::{ImportError, Problems};
use crate::units::{SimDuration, SimTime};

/// Columns of instants, where none is named.
pub(super) const TIME_COLUMNS: &[&str] = &["time_s", "timestamp", "period", "time", "date"];
/// Columns of values, where none is named.
const VALUE_COLUMNS: &[&str] = &["count", "value", "requests", "rate"];
/// The column that tells the layout of Azure Functions.
const FUNCTION_COLUMN: &str = "HashFunction";
/// The column of operations, where none is named.
const OPERATION_COLUMN: &str = "operation";
const MINUTE_NS: u64 = 60_000_000_000;

/// What is read of a file, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateOptions<'o> {
    /// The column of instants; none: the first of those that are usual.
    pub time: Option<&'o str>,
    /// The column of values; none: the first of those that are usual.
    pub column: Option<&'o str>,
    /// In which time a value was counted; none: the most common distance between rows.
    pub every: Option<SimDuration>,
    /// The instant at which the run starts; none: that of the first row.
    pub from: Option<&'o str>,
    /// When the run ends; none: with the file.
    pub until: Option<SimTime>,
    /// How the function begins that is meant; none: the sum of all.
    pub function: Option<&'o str>,
}

/// Requests a second, constant from each of the instants on; 0 where rows are missing, and after the last.
///
/// # Errors
/// When columns are missing, instants descend, or cells are no instants and numbers.
pub fn read_rates(path: &Path, options: &RateOptions<'_>) -> Result<Vec<(SimTime, f64)>, Vec<ImportError>> {
    let mut problems = Problems::default();
    let file = path.display().to_string();
    let columns = match heading(path) {
        Ok(columns) => columns,
        Err(why) => {
            problems.push(&file, 0, why);
            return problems.into_result(Vec::new());
        }
    };
    let counts = match columns.iter().any(|name| name == FUNCTION_COLUMN) {
        true => minute_columns(path, &columns, options, &mut problems),
        false => rows(path, &columns, options, &mut problems),
    };
    if counts.is_empty() && problems.list.is_empty() {
        problems.push(&file, 0, "has no rows that could be used");
    }
    let distance = common_distance(&counts);
    let every = options.every.map_or(distance, |every| every.0);
    problems.into_result(steps(&counts, distance, every, options.until))
}

/// Values by instant, in ns from the start of the run, which may be before it.
type Counts = Vec<(i64, f64)>;

fn rows(path: &Path, columns: &[String], options: &RateOptions<'_>, problems: &mut Problems) -> Counts {
    let file = path.display().to_string();
    if options.function.is_some() {
        problems.push(&file, 1, format!("has no column `{FUNCTION_COLUMN}`, so that no function can be meant"));
    }
    let names = [
        choose(options.time, TIME_COLUMNS, "time", columns, &file, problems),
        choose(options.column, VALUE_COLUMNS, "column", columns, &file, problems),
    ];
    let [Some(time), Some(value)] = names else { return Counts::new() };
    let Some(mut table) = CsvTable::open(path, &[required(time), required(value)], problems) else {
        return Counts::new();
    };
    let mut axis = Axis::new(options.from, &file, problems);
    let mut counts = Counts::new();
    while let Some(line) = table.next_row(problems) {
        let Some(at) = axis.place(&table, 0, line, problems) else { continue };
        if options.until.is_some_and(|until| at > until.0 as i64) {
            break;
        }
        let number = table.text(1, line, problems).map(str::parse::<f64>);
        match number {
            Some(Ok(number)) if number >= 0.0 && number.is_finite() => match counts.last_mut() {
                Some((last, sum)) if *last == at => *sum += number,
                _ => counts.push((at, number)),
            },
            Some(_) => table.refuse(1, line, "is no rate", "write a number of at least 0", problems),
            None => {}
        }
    }
    counts
}

/// The column that is named, or the first that is usual; reports that there is none.
pub(super) fn choose<'n>(
    named: Option<&'n str>,
    usual: &[&'n str],
    key: &str,
    columns: &[String],
    file: &str,
    problems: &mut Problems,
) -> Option<&'n str> {
    let found = named.or_else(|| usual.iter().copied().find(|name| columns.iter().any(|column| column == name)));
    if found.is_none() {
        let usual = usual.join("`, `");
        problems.push(file, 1, format!("has none of the columns `{usual}`: name the one that is meant with `{key}`"));
    }
    found
}

/// The time axis of a file: where the run starts on it, and what came last.
pub(super) struct Axis {
    start: Option<i64>,
    last: Option<i64>,
}

impl Axis {
    pub(super) fn new(from: Option<&str>, file: &str, problems: &mut Problems) -> Axis {
        let start = from.and_then(|text| {
            let found = parse_instant(text).map(Instant::nanoseconds);
            if found.is_none() {
                let fix = "write an instant as the file writes them, such as 90 or 1998-06-10 14:00";
                problems.push(file, 0, format!("cannot begin at `{text}`; {fix}"));
            }
            found
        });
        Axis { start, last: None }
    }

    /// Where a row is, in ns from the start of the run; reports what is no instant or comes too late in the file.
    pub(super) fn place(&mut self, table: &CsvTable, column: usize, line: u64, problems: &mut Problems) -> Option<i64> {
        let text = table.text(column, line, problems)?;
        let Some(instant) = parse_instant(text) else {
            let fix = "write seconds such as 90 or 12.5, or a date with a time such as 1998-06-10 14:00";
            table.refuse(column, line, "is no instant", fix, problems);
            return None;
        };
        let at = instant.nanoseconds();
        if self.last.is_some_and(|last| at < last) {
            table.refuse(column, line, "is before the instant of the row above", "sort the rows", problems);
            return None;
        }
        self.last = Some(at);
        at.checked_sub(*self.start.get_or_insert(at))
    }
}

/// The sum of the functions that are meant, by minute.
fn minute_columns(path: &Path, columns: &[String], options: &RateOptions<'_>, problems: &mut Problems) -> Counts {
    let file = path.display().to_string();
    for (key, given) in [("time", options.time), ("column", options.column)] {
        if given.is_some() {
            problems.push(&file, 1, format!("has a column for each minute, so that `{key}` has no meaning"));
        }
    }
    let minutes: Vec<(u32, &str)> =
        columns.iter().filter_map(|name| Some((name.parse().ok()?, name.as_str()))).collect();
    let Some(&(first, _)) = minutes.iter().min() else {
        problems.push(&file, 1, "has no columns that are called after minutes, such as 1, 2 and so on".to_owned());
        return Counts::new();
    };
    let start: u32 = match options.from.map(str::parse) {
        None => first,
        Some(Ok(minute)) => minute,
        Some(Err(_)) => {
            problems.push(&file, 0, "begins at a minute: give `from` the number of one".to_owned());
            return Counts::new();
        }
    };
    let names: Vec<ColumnName<'_>> =
        std::iter::once(FUNCTION_COLUMN).chain(minutes.iter().map(|(_, name)| *name)).map(required).collect();
    let Some(mut table) = CsvTable::open(path, &names, problems) else { return Counts::new() };
    let mut sums = vec![0.0; minutes.len()];
    let mut is_found = false;
    while let Some(line) = table.next_row(problems) {
        let Some(function) = table.text(0, line, problems) else { continue };
        if options.function.is_some_and(|meant| !function.starts_with(meant)) {
            continue;
        }
        is_found = true;
        for (position, sum) in sums.iter_mut().enumerate() {
            let count = table.number(position + 1, line, u64::from(u32::MAX), "how often it was invoked", problems);
            *sum += count.unwrap_or(0) as f64;
        }
    }
    if let (false, Some(function)) = (is_found, options.function) {
        problems.push(&file, 0, format!("has no function whose `{FUNCTION_COLUMN}` begins with `{function}`"));
    }
    let at = |minute: u32| (i64::from(minute) - i64::from(start)).saturating_mul(MINUTE_NS as i64);
    let mut counts: Counts = minutes.iter().zip(sums).map(|((minute, _), sum)| (at(*minute), sum)).collect();
    counts.sort_by_key(|(at, _)| *at);
    counts
}

/// The distance between rows that is most common, of equally common ones the least; of a single row a minute.
fn common_distance(counts: &Counts) -> u64 {
    let mut distances: Vec<u64> = counts.windows(2).map(|pair| pair[1].0.abs_diff(pair[0].0)).collect();
    distances.sort_unstable();
    let mut best = (0, MINUTE_NS);
    for same in distances.chunk_by(|a, b| a == b) {
        if same.len() > best.0 {
            best = (same.len(), same[0]);
        }
    }
    best.1
}

/// Rates from each instant on. A value holds until the next row; where that is further away than it usually is, for the usual
/// distance.
fn steps(counts: &Counts, distance: u64, every: u64, until: Option<SimTime>) -> Vec<(SimTime, f64)> {
    let mut steps: Vec<(SimTime, f64)> = Vec::with_capacity(counts.len() + 1);
    let mut push = |at: i64, rate: f64| match steps.last_mut() {
        // Of what begins before the run, the last counts.
        Some((time, last)) if *time == SimTime::ZERO && at <= 0 => *last = rate,
        _ if until.is_none_or(|until| at <= until.0 as i64) => steps.push((SimTime(at.max(0) as u64), rate)),
        _ => {}
    };
    for (index, &(at, count)) in counts.iter().enumerate() {
        push(at, count / (every as f64 / 1e9));
        let end = at.saturating_add(distance as i64);
        let next = counts.get(index + 1).map(|(next, _)| *next);
        // A row that is a little late leaves no gap.
        if next.is_none_or(|next| next > end.saturating_add(distance as i64 / 2)) {
            push(end, 0.0);
        }
    }
    steps
}

/// What is read of a file of instants, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplayOptions<'o> {
    /// The column of instants; none: the first of those that are usual.
    pub time: Option<&'o str>,
    /// The column of operations; none: that is not read.
    pub operation: Option<&'o str>,
    /// The instant at which the run starts; none: that of the first row where instants are dates, else 0.
    pub from: Option<&'o str>,
    /// When the run ends; none: with the file.
    pub until: Option<SimTime>,
}

/// The instants of requests, and what `operations` finds for the operation that each asks for.
///
/// # Errors
/// When columns are missing, instants descend, cells are no instants, or `operations` finds nothing.
pub fn read_replay(
    path: &Path,
    options: &ReplayOptions<'_>,
    operations: impl Fn(&str) -> Option<u32>,
) -> Result<Vec<(SimTime, Option<u32>)>, Vec<ImportError>> {
    let mut problems = Problems::default();
    let file = path.display().to_string();
    let columns = heading(path).unwrap_or_default();
    let mut requests = Vec::new();
    let time = choose(options.time, TIME_COLUMNS, "time", &columns, &file, &mut problems);
    let Some(time) = time else { return problems.into_result(requests) };
    let names: Vec<ColumnName<'_>> = std::iter::once(time).chain(options.operation).map(required).collect();
    let mut axis = Axis::new(options.from, &file, &mut problems);
    let Some(mut table) = CsvTable::open(path, &names, &mut problems) else { return problems.into_result(requests) };
    while let Some(line) = table.next_row(&mut problems) {
        let is_elapsed = |text: &str| matches!(parse_instant(text), Some(Instant::Elapsed(_)));
        if axis.start.is_none() && table.text(0, line, &mut problems).is_some_and(is_elapsed) {
            axis.start = Some(0);
        }
        let Some(at) = axis.place(&table, 0, line, &mut problems) else { continue };
        let Ok(at) = u64::try_from(at).map(SimTime) else { continue };
        if options.until.is_some_and(|until| at > until) {
            break;
        }
        let mut operation = None;
        if options.operation.is_some() {
            let Some(name) = table.text(1, line, &mut problems) else { continue };
            operation = operations(name);
            if operation.is_none() {
                table.refuse(
                    1,
                    line,
                    "is none of the operations that are asked for",
                    "name it under `to`",
                    &mut problems,
                );
                continue;
            }
        }
        requests.push((at, operation));
    }
    problems.into_result(requests)
}

/// The usual column of operations, if the file has it.
pub fn operation_column(path: &Path) -> Option<&'static str> {
    let columns = heading(path).ok()?;
    columns.iter().any(|name| name == OPERATION_COLUMN).then_some(OPERATION_COLUMN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    /// Instants in seconds, or the messages.
    fn rates(text: &str, options: &RateOptions<'_>) -> Result<Vec<(u64, f64)>, String> {
        match read_rates(file(text).path(), options) {
            Ok(steps) => Ok(steps.into_iter().map(|(at, rate)| (at.0 / 1_000_000_000, rate)).collect()),
            Err(errors) => Err(errors.into_iter().map(|error| format!("{}:{} ", error.line, error.message)).collect()),
        }
    }

    const WORLD_CUP: &str = "period,count\n1998-06-10 14:00,60\n1998-06-10 14:01,120\n1998-06-10 14:03,30\n";
    const NAB: &str = "timestamp,value\n2014-04-10 00:04:00,300.0\n2014-04-10 00:09:00,600.0\n";
    const AZURE: &str =
        "HashOwner,HashApp,HashFunction,Trigger,480,481,482\no,a,f1,http,60,0,120\no,a,g1,queue,0,30,0\n";

    #[test]
    fn rates_of_the_published_layouts() {
        let default = RateOptions::default();
        let second = SimDuration(1_000_000_000);
        for (text, options, expected) in [
            // The minute of 14:02 is missing.
            (WORLD_CUP, default, &[(0, 1.0), (60, 2.0), (120, 0.0), (180, 0.5), (240, 0.0)][..]),
            (
                WORLD_CUP,
                RateOptions { from: Some("1998-06-10 14:01"), ..default },
                &[(0, 2.0), (60, 0.0), (120, 0.5), (180, 0.0)],
            ),
            (
                WORLD_CUP,
                RateOptions { from: Some("1998-06-10 13:59"), ..default },
                &[(60, 1.0), (120, 2.0), (180, 0.0), (240, 0.5), (300, 0.0)],
            ),
            (WORLD_CUP, RateOptions { until: Some(SimTime(60_000_000_000)), ..default }, &[(0, 1.0), (60, 2.0)]),
            // Five minutes.
            (NAB, default, &[(0, 1.0), (300, 2.0), (600, 0.0)]),
            (NAB, RateOptions { every: Some(second), ..default }, &[(0, 300.0), (300, 600.0), (600, 0.0)]),
            (AZURE, default, &[(0, 1.0), (60, 0.5), (120, 2.0), (180, 0.0)]),
            (
                AZURE,
                RateOptions { function: Some("g"), from: Some("481"), ..default },
                &[(0, 0.5), (60, 0.0), (120, 0.0)],
            ),
            (
                "time_s,rate\n0,5\n10,6\n10,1\n20,7\n",
                RateOptions { every: Some(second), ..default },
                &[(0, 5.0), (10, 7.0), (20, 7.0), (30, 0.0)],
            ),
            (
                "when,a,b\n0,5,6\n2,5,8\n",
                RateOptions { time: Some("when"), column: Some("b"), ..default },
                &[(0, 3.0), (2, 4.0), (4, 0.0)],
            ),
        ] {
            assert_eq!(rates(text, &options).as_deref(), Ok(expected), "{text} {options:?}");
        }
    }

    #[test]
    fn what_is_no_series_is_refused() {
        let default = RateOptions::default();
        for (text, options, said) in [
            ("when,count\n0,1\n", default, "1:has none of the columns `time_s`, `timestamp`, `period`, `time`, `date`"),
            ("time,a\n0,1\n", default, "name the one that is meant with `column`"),
            ("time,count\n5,1\n4,1\n", default, "3:column `time`: `4` is before the instant of the row above"),
            ("time,count\nnoon,1\n", default, "2:column `time`: `noon` is no instant"),
            ("time,count\n0,-1\n", default, "2:column `count`: `-1` is no rate"),
            ("time,count\n", default, "has no rows"),
            ("time,count\n0,1\n", RateOptions { from: Some("noon"), ..default }, "0:cannot begin at `noon`"),
            ("time,count\n0,1\n", RateOptions { function: Some("f"), ..default }, "so that no function can be meant"),
            (AZURE, RateOptions { function: Some("x"), ..default }, "no function whose `HashFunction` begins with `x`"),
            (AZURE, RateOptions { column: Some("480"), ..default }, "`column` has no meaning"),
            (AZURE, RateOptions { from: Some("1998-06-10"), ..default }, "the number of one"),
            ("HashFunction,Trigger\nf,http\n", default, "has no columns that are called after minutes"),
        ] {
            let refused = rates(text, &options).unwrap_err();
            assert!(refused.contains(said), "{text:?}: {refused}");
        }
    }

    #[test]
    fn replays_are_read() {
        let operations = |name: &str| ["read", "write"].iter().position(|one| *one == name).map(|at| at as u32);
        let read = |text: &str, options: &ReplayOptions<'_>| match read_replay(file(text).path(), options, operations) {
            Ok(list) => Ok(list.into_iter().map(|(at, operation)| (at.0 / 1_000_000, operation)).collect::<Vec<_>>()),
            Err(errors) => {
                Err(errors.into_iter().map(|error| format!("{}:{} ", error.line, error.message)).collect::<String>())
            }
        };
        let default = ReplayOptions::default();
        let named = ReplayOptions { operation: Some("operation"), ..default };
        assert_eq!(read("time_s\n0.5\n0.5\n2\n", &default), Ok(vec![(500, None), (500, None), (2000, None)]));
        assert_eq!(read("time_s,operation\n1,write\n2,read\n", &named), Ok(vec![(1000, Some(1)), (2000, Some(0))]));
        let dates = "timestamp\n2014-04-10 00:04:00\n2014-04-10 00:04:01.5\n";
        assert_eq!(read(dates, &default), Ok(vec![(0, None), (1500, None)]));
        let later = ReplayOptions { from: Some("1"), until: Some(SimTime(3_000_000_000)), ..default };
        assert_eq!(read("time_s\n0.5\n1\n3\n9\n", &later), Ok(vec![(0, None), (2000, None)]));
        for (text, options, said) in [
            ("time_s,operation\n1,delete\n", named, "2:column `operation`: `delete` is none of the operations"),
            ("time_s\n1\n", named, "operation"),
            ("time_s\n2\n1\n", default, "3:column `time_s`: `1` is before"),
            ("t\n2\n", default, "has none of the columns"),
        ] {
            let refused = read(text, &options).unwrap_err();
            assert!(refused.contains(said), "{text:?}: {refused}");
        }
    }
}

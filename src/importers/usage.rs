//! Usage of resources over time.

pub mod drawn;
pub mod recorded;

use std::collections::BTreeMap;
use std::path::Path;

use super::instant::{Instant, parse_instant};
use super::requests::{Axis, TIME_COLUMNS, choose};
use super::table::{ColumnName, CsvTable, heading, required};
use super::{ImportError, Problems};
use crate::units::SimDuration;

const COLUMNS: &[ColumnName<'_>] = &[required("time_s"), required("value")];
const TIME: usize = 0;
const VALUE: usize = 1;

/// The steps of a CSV file with the columns `time_s`, which ascends from 0, and `value`, which `parse` reads.
///
/// # Errors
/// When a time or value is none, or times do not ascend from 0.
pub fn read_series(
    path: &Path,
    parse: impl Fn(&str) -> Result<u64, String>,
) -> Result<Vec<(SimDuration, u64)>, Vec<ImportError>> {
    let mut problems = Problems::default();
    let mut steps: Vec<(SimDuration, u64)> = Vec::new();
    let Some(mut table) = CsvTable::open(path, COLUMNS, &mut problems) else { return problems.into_result(steps) };
    while let Some(line) = table.next_row(&mut problems) {
        let Some(time) = table.text(TIME, line, &mut problems) else { continue };
        let time = SimDuration::parse(&format!("{time}s")).ok();
        let is_next = |time: &SimDuration| match steps.last() {
            None => *time == SimDuration::ZERO,
            Some((before, _)) => time > before,
        };
        let Some(time) = time.filter(is_next) else {
            let fix =
                "write seconds since the start of the container: 0 in the first row, and more in each of the others";
            table.refuse(TIME, line, "is not the next time", fix, &mut problems);
            continue;
        };
        let Some(value) = table.text(VALUE, line, &mut problems) else { continue };
        match parse(value) {
            Ok(value) => steps.push((time, value)),
            Err(_) => table.refuse(VALUE, line, "is no quantity", "write one such as 500m or 1Gi", &mut problems),
        }
    }
    if steps.is_empty() {
        problems.push(table.file(), 0, "has no rows that could be used".to_owned());
    }
    problems.into_result(steps)
}

/// Columns of amounts, where none is named.
const AMOUNT_COLUMNS: &[&str] = &["value", "usage"];
const SECOND_NS: i128 = 1_000_000_000;

/// What of a table of measurements is read, and how.
#[derive(Clone, Copy, Debug)]
pub struct TableOptions<'o> {
    /// The column of instants; none: the first of those that are usual.
    pub time: Option<&'o str>,
    /// What 1 means in the column of instants; none: a second, and instants can be dates.
    pub time_unit: Option<SimDuration>,
    /// The column of amounts; none: the first of those that are usual.
    pub column: Option<&'o str>,
    /// What amounts are multiplied by.
    pub scale: f64,
    /// The instant at which a container starts; none: that of the first row that is meant.
    pub from: Option<&'o str>,
    /// Only rows that have these texts in these columns are meant.
    pub rows: &'o BTreeMap<String, String>,
}

/// The steps of a part of a table of measurements: each amount holds until the next. Of several rows at one instant the last
/// counts.
///
/// # Errors
/// When columns are missing, instants descend, cells are no instants and amounts, or no row is meant.
pub fn read_table(path: &Path, options: &TableOptions<'_>) -> Result<Vec<(SimDuration, u64)>, Vec<ImportError>> {
    let mut problems = Problems::default();
    let mut steps = Vec::new();
    let file = path.display().to_string();
    let columns = match heading(path) {
        Ok(columns) => columns,
        Err(why) => {
            problems.push(&file, 0, why);
            return problems.into_result(steps);
        }
    };
    let time = choose(options.time, TIME_COLUMNS, "time", &columns, &file, &mut problems);
    let amount = choose(options.column, AMOUNT_COLUMNS, "column", &columns, &file, &mut problems);
    if let (Some(time), Some(amount)) = (time, amount) {
        steps = table_steps(path, time, amount, options, &mut problems);
    }
    if steps.is_empty() && problems.list.is_empty() {
        problems.push(&file, 0, "has no rows that are meant".to_owned());
    }
    problems.into_result(steps)
}

fn table_steps(
    path: &Path,
    time: &str,
    amount: &str,
    options: &TableOptions<'_>,
    problems: &mut Problems,
) -> Vec<(SimDuration, u64)> {
    let mut steps: Vec<(SimDuration, u64)> = Vec::new();
    let chosen = options.rows.keys().map(String::as_str);
    let names: Vec<ColumnName<'_>> = [time, amount].into_iter().chain(chosen).map(required).collect();
    let Some(mut table) = CsvTable::open(path, &names, problems) else { return steps };
    let mut axis = Axis::new(options.from, table.file(), problems);
    while let Some(line) = table.next_row(problems) {
        let is_meant = options.rows.values().zip(2..).all(|(text, column)| table.cell(column) == text.as_bytes());
        if !is_meant {
            continue;
        }
        let Some(at) = place(&mut axis, &table, options, line, problems) else { continue };
        if let Some(number) = table.amount(1, line, problems) {
            push(&mut steps, at, (number * options.scale).round() as u64);
        }
    }
    steps
}

/// When after the start of a container a row is; what is before it has a negative time.
fn place(
    axis: &mut Axis,
    table: &CsvTable,
    options: &TableOptions<'_>,
    line: u64,
    problems: &mut Problems,
) -> Option<i128> {
    let at = i128::from(axis.place(table, 0, line, problems)?);
    let Some(unit) = options.time_unit else { return Some(at) };
    if let Some(Instant::Date(_)) = table.text(0, line, problems).and_then(parse_instant) {
        table.refuse(0, line, "is a date", "leave out `timeUnit`, which is for numbers", problems);
        return None;
    }
    Some(at * i128::from(unit.0) / SECOND_NS)
}

/// Of what begins before the container, and of what is at one instant, the last counts.
fn push(steps: &mut Vec<(SimDuration, u64)>, at: i128, amount: u64) {
    let at = SimDuration(u64::try_from(at.max(0)).unwrap_or(u64::MAX));
    match steps.last_mut() {
        Some((last, held)) if *last == at => *held = amount,
        // Nothing is known before the first row.
        None if at > SimDuration::ZERO => steps.extend([(SimDuration::ZERO, 0), (at, amount)]),
        _ => steps.push((at, amount)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MilliCpu;

    const VMS: &str = "Timestamp [ms];\tvm;\tCPU usage [MHZ]\n90;\ta;\t1.0E3\n90;\tb;\t9\n100;\ta;\t2000.4\n\
                       100;\ta;\t1500\n400;\ta;\t0.0\n";

    /// Seconds and amounts, or the messages.
    fn table(text: &str, options: &TableOptions<'_>) -> Result<Vec<(u64, u64)>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        match read_table(file.path(), options) {
            Ok(steps) => Ok(steps.into_iter().map(|(time, amount)| (time.0 / 1_000_000_000, amount)).collect()),
            Err(errors) => Err(errors.into_iter().map(|error| format!("{}:{} ", error.line, error.message)).collect()),
        }
    }

    fn vm(name: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("vm".to_owned(), name.to_owned())])
    }

    #[test]
    fn parts_of_tables_are_read() {
        let (a, none) = (vm("a"), BTreeMap::new());
        let all = TableOptions { time: None, time_unit: None, column: None, scale: 1.0, from: None, rows: &none };
        let of_a =
            TableOptions { time: Some("Timestamp [ms]"), column: Some("CPU usage [MHZ]"), scale: 0.5, rows: &a, ..all };
        for (text, options, expected) in [
            // Half of each, from the first row of `a` on; of the two at 100 the second.
            (VMS, of_a, &[(0, 500), (10, 750), (310, 0)][..]),
            // What came last before the start holds at it.
            (VMS, TableOptions { from: Some("120"), ..of_a }, &[(0, 750), (280, 0)]),
            (VMS, TableOptions { from: Some("80"), ..of_a }, &[(0, 0), (10, 500), (20, 750), (320, 0)]),
            // Minutes.
            (
                "step,value\n3,5\n5,6\n",
                TableOptions { time: Some("step"), time_unit: Some(SimDuration(60_000_000_000)), ..all },
                &[(0, 5), (120, 6)],
            ),
            ("date,usage\n2014-04-10 00:04,7\n2014-04-10 00:05,8\n", all, &[(0, 7), (60, 8)]),
        ] {
            assert_eq!(table(text, &options).as_deref(), Ok(expected), "{text} {options:?}");
        }
    }

    #[test]
    fn tables_that_are_none_are_refused() {
        let (c, none) = (vm("c"), BTreeMap::new());
        let all = TableOptions { time: None, time_unit: None, column: None, scale: 1.0, from: None, rows: &none };
        let minutes = TableOptions { time_unit: Some(SimDuration(60_000_000_000)), ..all };
        for (text, options, said) in [
            ("a,value\n0,1\n", all, "name the one that is meant with `time`"),
            ("time,a\n0,1\n", all, "1:has none of the columns `value`, `usage`: name the one that is meant"),
            ("time,value\n5,1\n4,1\n", all, "3:column `time`: `4` is before the instant of the row above"),
            ("time,value\n0,-1\n", all, "2:column `value`: `-1` is no amount; write a number of at least 0"),
            ("date,value\n2014-04-10,1\n", minutes, "2:column `date`: `2014-04-10` is a date; leave out `timeUnit`"),
            ("time,vm,value\n0,a,1\n", TableOptions { rows: &c, ..all }, "0:has no rows that are meant"),
            ("time,value\n0,1\n", TableOptions { rows: &c, ..all }, "the column `vm` is missing from the heading"),
        ] {
            let refused = table(text, &options).unwrap_err();
            assert!(refused.contains(said), "{text:?}: {refused}");
        }
    }

    fn read(text: &str) -> Result<Vec<(u64, u64)>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let parse = |text: &str| MilliCpu::parse(text).map(|amount| amount.0).map_err(|refused| refused.to_string());
        match read_series(file.path(), parse) {
            Ok(steps) => Ok(steps.into_iter().map(|(time, value)| (time.0 / 1_000_000, value)).collect()),
            Err(errors) => Err(errors.into_iter().map(|error| format!("{}:{} ", error.line, error.message)).collect()),
        }
    }

    #[test]
    fn steps_are_read() {
        assert_eq!(read("value,time_s\n500m,0\n2,1.5\n"), Ok(vec![(0, 500), (1500, 2000)]));
    }

    #[test]
    fn what_is_no_series_is_refused() {
        for (text, said) in [
            ("time_s,value\n5,1\n", "2:column `time_s`: `5` is not the next time"),
            ("time_s,value\n0,1\n0,2\n", "3:column `time_s`"),
            ("time_s,value\n0,x\n", "2:column `value`: `x` is no quantity"),
            ("time_s\n0\n", "value"),
            ("time_s,value\n", "has no rows"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(said), "{text:?}: {refused}");
        }
    }
}

//! Usage of resources over time.

pub mod drawn;
pub mod recorded;

use std::path::Path;

use super::table::{ColumnName, CsvTable, required};
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MilliCpu;

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

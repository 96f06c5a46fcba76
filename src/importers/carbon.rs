//! Recorded carbon intensity.

use std::path::Path;

use super::instant::parse_instant;
use super::table::{ColumnName, CsvTable, required};
use super::{ImportError, Problems};
use crate::model::Intensity;
use crate::units::SimTime;

const COLUMNS: &[ColumnName<'_>] = &[required("timestamp"), required("carbon_intensity")];
const TIME: usize = 0;
const VALUE: usize = 1;

/// The intensity of a CSV file with the columns `timestamp`, in ascending order, and `carbon_intensity`, in g CO2e a kWh. A value
/// holds until the next row, however late that comes. `from` is the instant of the file that is the start of the run; none: its
/// first.
///
/// # Errors
/// When a row has no time after that of the row before it, or no intensity that is 0 or more; when `from` is no instant, or not
/// one of the file's time.
pub fn read_intensity(path: &Path, from: Option<&str>) -> Result<Intensity, Vec<ImportError>> {
    let mut problems = Problems::default();
    let mut steps: Vec<(i64, f64)> = Vec::new();
    let Some(mut table) = CsvTable::open(path, COLUMNS, &mut problems) else { return Err(problems.list) };
    while let Some(line) = table.next_row(&mut problems) {
        let time = table.text(TIME, line, &mut problems).and_then(parse_instant).map(|instant| instant.nanoseconds());
        let Some(time) = time.filter(|time| steps.last().is_none_or(|(before, _)| time > before)) else {
            let fix = "write a later date with a time, such as 2022-01-01 00:15";
            table.refuse(TIME, line, "is not the next time", fix, &mut problems);
            continue;
        };
        let value = table.text(VALUE, line, &mut problems).and_then(|text| text.parse::<f64>().ok());
        match value.filter(|value| value.is_finite() && *value >= 0.0) {
            Some(value) => steps.push((time, value)),
            None => table.refuse(VALUE, line, "is no intensity", "write g CO2e a kWh, 0 or more", &mut problems),
        }
    }
    let start = match (from, steps.first()) {
        (_, None) => None,
        (None, Some(first)) => Some(first.0),
        (Some(from), Some(first)) => {
            let instant = parse_instant(from).map(|instant| instant.nanoseconds());
            instant.filter(|instant| (first.0..=steps[steps.len() - 1].0).contains(instant))
        }
    };
    let Some(start) = start else {
        let why = match from.filter(|_| !steps.is_empty()) {
            Some(from) => format!("`{from}` is no instant between its first and last row"),
            None => "has no rows that could be used".to_owned(),
        };
        problems.push(table.file(), 0, why);
        return Err(problems.list);
    };
    let first = steps.partition_point(|(time, _)| *time <= start) - 1;
    let since = |time: i64| SimTime(u64::try_from(time.saturating_sub(start)).unwrap_or(0));
    let steps = steps[first..].iter().map(|&(time, value)| (since(time), value)).collect();
    problems.into_result(Intensity::steps(steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, from: Option<&str>) -> Result<Intensity, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("it is written");
        let lines = |errors: Vec<ImportError>| {
            errors.into_iter().map(|error| format!("{}:{} ", error.line, error.message)).collect::<String>()
        };
        read_intensity(file.path(), from).map_err(lines)
    }

    fn minutes(minutes: u64) -> SimTime {
        SimTime(minutes * 60_000_000_000)
    }

    #[test]
    fn values_hold_until_the_next() {
        let text =
            "carbon_intensity,timestamp\n100,2020-01-01 00:00:00\n200.5,2020-01-01 00:30:00\n50,2020-01-01 02:00:00\n";
        for (from, at, value) in [
            (None, 29, 100.0),
            (None, 30, 200.5),
            // Steps are missing: the last value holds.
            (None, 119, 200.5),
            (None, 500, 50.0),
            // A quarter to one is 45 minutes on.
            (Some("2020-01-01 00:45"), 0, 200.5),
            (Some("2020-01-01 00:45"), 74, 200.5),
            (Some("2020-01-01 00:45"), 75, 50.0),
        ] {
            assert_eq!(read(text, from).map(|read| read.at(minutes(at))), Ok(value), "{from:?} {at}");
        }
    }

    #[test]
    fn what_is_no_series_is_refused() {
        let row = "timestamp,carbon_intensity\n2020-01-01 00:00,1\n";
        for (text, from, said) in [
            (
                format!("{row}2020-01-01 00:00,2\n"),
                None,
                "3:column `timestamp`: `2020-01-01 00:00` is not the next time",
            ),
            (format!("{row}2020-01-01 00:30,-2\n"), None, "3:column `carbon_intensity`: `-2` is no intensity"),
            (format!("{row}2020-01-01 00:30,x\n"), None, "3:column `carbon_intensity`: `x` is no intensity"),
            (row.to_owned(), Some("2021-01-01"), "0:`2021-01-01` is no instant between its first and last row"),
            (row.to_owned(), Some("noon"), "0:`noon` is no instant"),
            ("timestamp,carbon_intensity\n".to_owned(), None, "0:has no rows"),
            ("timestamp\n1\n".to_owned(), None, "carbon_intensity"),
        ] {
            let refused = read(&text, from).expect_err("it is refused");
            assert!(refused.contains(said), "{text:?}: {refused}");
        }
    }
}

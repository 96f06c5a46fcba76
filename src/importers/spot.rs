//! Recorded markets: prices of spot instances, and how many there were.

use std::collections::BTreeMap;
use std::path::Path;

use super::instant::parse_instant;
use super::table::{ColumnName, CsvTable, required};
use super::{ImportError, Problems, faults};
use crate::model::market::{Capacity, PriceSeries};
use crate::model::money::Money;
use crate::units::SimTime;

const COLUMNS: &[ColumnName<'_>] = &[
    required("timestamp"),
    required("instance_type"),
    required("availability_zone"),
    required("spot_price_usd_per_hour"),
];
const TIMESTAMP: usize = 0;
const TYPE: usize = 1;
const ZONE: usize = 2;
const PRICE: usize = 3;

/// Prices by instance type and zone.
pub type Prices = BTreeMap<(String, String), PriceSeries>;

/// The changes of a series, in nanoseconds since 1970 or the file's own beginning.
type Changes = Vec<(i64, Money)>;

/// The prices of a file: a CSV table with the columns `timestamp`, `instance_type`, `availability_zone` and
/// `spot_price_usd_per_hour`, a row a change, or the JSON that `aws ec2 describe-spot-price-history` writes. The run begins at
/// `begin`, or else at the file's first change; a series whose first change is later has that price from the start on.
/// Rows may come in any order; of two changes of a series at one instant the last counts.
///
/// # Errors
/// When the file is neither, or `begin` is no date with a time.
pub fn read_prices(path: &Path, begin: Option<&str>) -> Result<Prices, Vec<ImportError>> {
    let mut problems = Problems::default();
    let file = path.display().to_string();
    let begin_ns = begin.map(|text| parse_instant(text).map(|instant| instant.nanoseconds()));
    if begin_ns == Some(None) {
        let said = begin.unwrap_or_default();
        problems.push(&file, 0, format!("`{said}` is no beginning; write one such as 2016-03-01T00:00:00Z"));
    }
    let series = if is_json(path) { json_changes(path, &mut problems) } else { csv_changes(path, &mut problems) };
    if series.is_empty() && problems.list.is_empty() {
        problems.push(&file, 0, "has no prices");
    }
    let first = series.values().flatten().map(|(at, _)| *at).min().unwrap_or(0);
    let begin_ns = begin_ns.flatten().unwrap_or(first);
    let prices = series.into_iter().filter_map(|(key, changes)| Some((key, series_from(changes, begin_ns)?)));
    let prices = prices.collect();
    problems.into_result(prices)
}

/// How many spot instances could be had or kept at each step of a trace of SkyPilot (Wu et al., NSDI 2024): JSON with
/// `metadata.gap_seconds` and a list `data`. After its end the last number stays.
///
/// # Errors
/// When the file is no such trace.
pub fn read_capacity(path: &Path) -> Result<Capacity, Vec<ImportError>> {
    let mut problems = Problems::default();
    let file = path.display().to_string();
    let steps = match faults::spot_trace(path) {
        Ok((step, counts)) => {
            let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
            let at = |index: usize| SimTime(step.0.saturating_mul(index as u64));
            counts.into_iter().enumerate().map(|(index, number)| (at(index), count(number))).collect()
        }
        Err(why) => {
            problems.push(&file, 0, why);
            Vec::new()
        }
    };
    match Capacity::new(steps) {
        Some(capacity) => problems.into_result(capacity),
        None => {
            if problems.list.is_empty() {
                problems.push(&file, 0, "has an empty list `data`");
            }
            Err(problems.list)
        }
    }
}

fn is_json(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.trim_end_matches(".gz").ends_with(".json")
}

/// The series from `begin_ns` on; what was before holds at the beginning.
fn series_from(mut changes: Changes, begin_ns: i64) -> Option<PriceSeries> {
    changes.sort_by_key(|(at, _)| *at);
    let before = changes.partition_point(|(at, _)| *at <= begin_ns);
    let mut steps: Vec<(SimTime, Money)> = Vec::new();
    for (at, price) in changes.into_iter().skip(before.saturating_sub(1)) {
        let at = SimTime(u64::try_from(at.saturating_sub(begin_ns)).unwrap_or(0));
        match steps.last_mut() {
            Some((last, known)) if *last == at => *known = price,
            _ => steps.push((at, price)),
        }
    }
    PriceSeries::new(steps)
}

fn csv_changes(path: &Path, problems: &mut Problems) -> BTreeMap<(String, String), Changes> {
    let mut series: BTreeMap<(String, String), Changes> = BTreeMap::new();
    let Some(mut table) = CsvTable::open(path, COLUMNS, problems) else { return series };
    while let Some(line) = table.next_row(problems) {
        let at = table.text(TIMESTAMP, line, problems).map(parse_instant);
        if at == Some(None) {
            let fix = "write one such as 2016-03-01T12:00:00Z";
            table.refuse(TIMESTAMP, line, "is no date with a time", fix, problems);
        }
        let price = table.text(PRICE, line, problems).map(Money::parse);
        if price == Some(None) {
            table.refuse(PRICE, line, "is no price", "write US dollars by the hour, such as 0.096", problems);
        }
        let names = table.text(TYPE, line, problems).zip(table.text(ZONE, line, problems));
        let (Some(Some(at)), Some(Some(price)), Some((kind, zone))) = (at, price, names) else { continue };
        let key = (kind.to_owned(), zone.to_owned());
        series.entry(key).or_default().push((at.nanoseconds(), price));
    }
    series
}

/// The history that the command of AWS writes: newest first, so it is read from its end.
fn json_changes(path: &Path, problems: &mut Problems) -> BTreeMap<(String, String), Changes> {
    let mut series: BTreeMap<(String, String), Changes> = BTreeMap::new();
    let file = path.display().to_string();
    let history = match history(path) {
        Ok(history) => history,
        Err(why) => {
            problems.push(&file, 0, why);
            return series;
        }
    };
    for (number, change) in history.iter().enumerate().rev() {
        let text = |key: &str| change[key].as_str();
        let at = text("Timestamp").and_then(parse_instant);
        let (kind, zone) = (text("InstanceType"), text("AvailabilityZone"));
        match (at, text("SpotPrice").and_then(Money::parse), kind, zone) {
            (Some(at), Some(price), Some(kind), Some(zone)) => {
                let key = (kind.to_owned(), zone.to_owned());
                series.entry(key).or_default().push((at.nanoseconds(), price));
            }
            _ => {
                let what = "needs `Timestamp`, `InstanceType`, `AvailabilityZone` and `SpotPrice`, as texts";
                problems.push(&file, 0, format!("entry {} of `SpotPriceHistory` {what}", number + 1));
            }
        }
        if problems.is_full() {
            break;
        }
    }
    series
}

fn history(path: &Path) -> Result<Vec<serde_json::Value>, String> {
    let text = super::table::text(path)?;
    let mut history: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("is not JSON: {error}"))?;
    match history["SpotPriceHistory"].take() {
        serde_json::Value::Array(list) => Ok(list),
        _ => Err("has no list `SpotPriceHistory`: it is what `aws ec2 describe-spot-price-history` writes".to_owned()),
    }
}

#[cfg(test)]
mod tests;

//! Spot prices over time: `prices.csv` into a chart.

use std::collections::BTreeMap;
use std::path::Path;

use super::autoscaling::curve;
use super::chart::lines::{Axis, LineChart, Stroke};
use super::chart::scale::{Spread, short_number};
use super::chart::trace::Trace;
use super::chart::{Chart, SERIES as COLORS};
use super::files::Rows;
use super::run_charts::time_axis;
use super::{NamedChart, ReportError};

/// Prices by type and zone.
#[derive(Debug, Default)]
pub(super) struct SpotPrices {
    /// Those of which most machines were bought first.
    series: Vec<(String, Trace)>,
    /// So many of them are shown.
    shown: usize,
    /// How many machines were bought of those.
    machines: u64,
}

/// Reads the tables; nothing without them.
///
/// # Errors
/// When a table is broken.
pub(super) fn read(directory: &Path) -> Result<SpotPrices, ReportError> {
    let picks = ["time_s", "instance_type", "zone", "usd_per_hour"];
    let Some(mut rows) = Rows::open(directory, "prices.csv", &picks)? else { return Ok(SpotPrices::default()) };
    let mut series: BTreeMap<(String, String), Trace> = BTreeMap::new();
    while rows.advance()? {
        let key = (rows.text(1).into_owned(), rows.text(2).into_owned());
        let (time_s, price) = (rows.number(0)?, rows.number(3)?);
        series.entry(key).or_default().push(time_s, price);
    }
    let mut bought: BTreeMap<(String, String), u64> = BTreeMap::new();
    if let Some(mut rows) = Rows::open(directory, "machines.csv", &["instance_type", "zone", "market", "launched_s"])? {
        while rows.advance()? {
            if &*rows.text(2) == "spot" && rows.number(3)?.is_finite() {
                *bought.entry((rows.text(0).into_owned(), rows.text(1).into_owned())).or_default() += 1;
            }
        }
    }
    let mut counted: Vec<(u64, String, Trace)> = series
        .into_iter()
        .map(|(key, trace)| {
            (bought.get(&key).copied().unwrap_or(0), format!("{} {}", key.0, key.1).trim().to_owned(), trace)
        })
        .collect();
    counted.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    let machines = counted.iter().map(|one| one.0).sum();
    // What nobody bought is shown where nothing was bought.
    let bought = counted.iter().filter(|one| one.0 > 0).count();
    let shown = if bought > 0 { bought } else { counted.len() }.min(COLORS.len());
    Ok(SpotPrices { series: counted.into_iter().map(|(_, name, trace)| (name, trace)).collect(), shown, machines })
}

impl SpotPrices {
    /// The prices of what was bought most.
    pub(super) fn charts(&self, end_s: f64) -> Vec<NamedChart> {
        if self.series.is_empty() {
            return Vec::new();
        }
        let (x, length_s) = time_axis(end_s);
        let shown = self.series.iter().take(self.shown).enumerate();
        let curves: Vec<_> =
            shown.map(|(color, (name, trace))| curve(name, color, trace, end_s, length_s, Stroke::Steps)).collect();
        let highest = curves.iter().flat_map(|curve| &curve.points).map(|point| point.1).fold(0.0, f64::max);
        let others = self.series.len() - self.shown;
        let rest = if others > 0 { format!(" {others} more series are in prices.csv.") } else { String::new() };
        let remark = format!("{} spot machines were launched.{rest}", self.machines);
        let y = Axis {
            label: "US dollars an hour".to_owned(),
            spread: Spread::Linear,
            range: Some((0.0, if highest > 0.0 { highest } else { 1.0 })),
            format: short_number,
        };
        let title = "Spot prices".to_owned();
        vec![NamedChart::new("spot_prices", Chart::Lines(LineChart { title, remark, x, y, curves }))]
    }
}

//! Machines that were bought and returned: `fleet.csv` and `machines.csv` into charts.

use std::collections::BTreeMap;
use std::path::Path;

use super::autoscaling::{axis, curve};
use super::chart::lines::{LineChart, Stroke};
use super::chart::scale::{short_duration, short_number};
use super::chart::trace::Trace;
use super::chart::{Chart, SERIES as COLORS};
use super::files::Rows;
use super::run_charts::time_axis;
use super::{NamedChart, ReportError};

/// Numbers of machines, and what they cost, over time.
#[derive(Debug, Default)]
pub(super) struct Machines {
    /// Ready, on their way, and leaving, of all pools.
    all: [Trace; 3],
    /// Ready machines by pool.
    ready: Vec<(String, Trace)>,
    /// US dollars an hour.
    usd_per_hour: Trace,
    usd_total: f64,
}

/// Reads the tables; nothing without them.
///
/// # Errors
/// When a table is broken.
pub(super) fn read(directory: &Path) -> Result<Machines, ReportError> {
    let mut found = Machines::default();
    let picks = ["time_s", "pool", "ready", "ordered", "joined", "draining", "ending"];
    let Some(mut rows) = Rows::open(directory, "fleet.csv", &picks)? else { return Ok(found) };
    let mut latest: BTreeMap<String, [f64; 3]> = BTreeMap::new();
    while rows.advance()? {
        let (time_s, pool) = (rows.number(0)?, rows.text(1).into_owned());
        let [ready, ordered, joined] = [rows.number(2)?, rows.number(3)?, rows.number(4)?];
        let counts = [ready, ordered + joined, rows.number(5)? + rows.number(6)?];
        let at = found.ready.iter().position(|(name, _)| *name == pool).unwrap_or_else(|| {
            found.ready.push((pool.clone(), Trace::default()));
            found.ready.len() - 1
        });
        found.ready[at].1.push(time_s, ready);
        latest.insert(pool, counts);
        for (kind, trace) in found.all.iter_mut().enumerate() {
            trace.push(time_s, latest.values().map(|counts| counts[kind]).sum());
        }
    }
    found.read_costs(directory)?;
    Ok(found)
}

impl Machines {
    fn read_costs(&mut self, directory: &Path) -> Result<(), ReportError> {
        let picks = ["launched_s", "ended_s", "usd_per_hour", "cost_usd"];
        let Some(mut rows) = Rows::open(directory, "machines.csv", &picks)? else { return Ok(()) };
        let mut changes: Vec<(f64, f64)> = Vec::new();
        while rows.advance()? {
            let [launched_s, ended_s, price, cost] =
                [rows.number(0)?, rows.number(1)?, rows.number(2)?, rows.number(3)?];
            self.usd_total += cost;
            if launched_s.is_finite() {
                changes.push((launched_s, price));
                changes.extend(ended_s.is_finite().then_some((ended_s, -price)));
            }
        }
        changes.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut rate = 0.0;
        for (time_s, change) in changes {
            rate += change;
            // What is left of sums and differences of prices is no price.
            self.usd_per_hour.push(time_s, if rate < 1e-9 { 0.0 } else { rate });
        }
        Ok(())
    }

    /// Machines on their way, there and leaving; by pool where there are several; and their price.
    pub(super) fn charts(&self, end_s: f64) -> Vec<NamedChart> {
        let mut charts = Vec::new();
        if self.all[0].len() == 0 {
            return charts;
        }
        charts.push(NamedChart::new("machines", Chart::Lines(self.machine_chart(end_s))));
        if self.ready.len() > 1 {
            charts.push(NamedChart::new("machines_by_pool", Chart::Lines(self.pool_chart(end_s))));
        }
        if self.usd_total > 0.0 {
            charts.push(NamedChart::new("machines_price", Chart::Lines(self.price_chart(end_s))));
        }
        charts
    }

    fn machine_chart(&self, end_s: f64) -> LineChart {
        let (x, length_s) = time_axis(end_s);
        let [ready, coming, leaving] = &self.all;
        let curves = vec![
            curve("Take pods", 0, ready, end_s, length_s, Stroke::Area),
            curve("On their way", 1, coming, end_s, length_s, Stroke::Steps),
            curve("Leaving", 2, leaving, end_s, length_s, Stroke::Steps),
        ];
        let remark = ready.peak().map_or_else(String::new, |(time_s, most)| {
            format!("At most {}, at {}.", short_number(most), short_duration(1000.0 * time_s))
        });
        LineChart { title: "Machines".to_owned(), remark, x, y: axis("Machines", &curves), curves }
    }

    fn pool_chart(&self, end_s: f64) -> LineChart {
        let (x, length_s) = time_axis(end_s);
        let shown = self.ready.iter().take(COLORS.len()).enumerate();
        let curves: Vec<_> =
            shown.map(|(color, (name, trace))| curve(name, color, trace, end_s, length_s, Stroke::Steps)).collect();
        let remark = match self.ready.len().saturating_sub(COLORS.len()) {
            0 => "Machines that take pods.".to_owned(),
            others => format!("Machines that take pods. {others} more pools are in fleet.csv."),
        };
        LineChart { title: "Machines by pool".to_owned(), remark, x, y: axis("Machines", &curves), curves }
    }

    fn price_chart(&self, end_s: f64) -> LineChart {
        let (x, length_s) = time_axis(end_s);
        let curves = vec![curve("Price", 0, &self.usd_per_hour, end_s, length_s, Stroke::Area)];
        LineChart {
            title: "What the machines cost".to_owned(),
            remark: format!("${} over the run.", short_number(self.usd_total)),
            x,
            y: axis("US dollars an hour", &curves),
            curves,
        }
    }
}

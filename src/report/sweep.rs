//! What a sweep left behind: cells with intervals, paired comparisons, curves; and its charts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use plotters::style::RGBColor;
use serde_json::Value;

use super::chart::dots::{DotChart, Estimate, Panel};
use super::chart::lines::{Axis, Curve, LineChart, Stroke};
use super::chart::scale::{Spread, round_step, short_number};
use super::chart::trace::Trace;
use super::chart::{Chart, SERIES as COLORS, distinct_color};
use super::files::{Rows, read_manifest};
use super::{NamedChart, ReportError};

/// Rows that a chart shows at most; more would not fit a page.
const CELLS_CHARTED_MAX: usize = 120;
/// Panels that a chart shows at most.
const PANELS_MAX: usize = 12;
/// A pair of metrics of which one is bought with the other: the name of the chart, its title, and the metrics of both axes with
/// what they mean.
type TradeOff = (&'static str, &'static str, [(&'static str, &'static str); 2]);
/// Such pairs.
const TRADE_OFFS: [TradeOff; 3] = [
    (
        "cold_starts_against_memory",
        "Cold starts against memory that waits",
        [
            ("function_wasted_gb_s_total", "Memory of instances that wait (GB-seconds)"),
            ("function_cold_start_p75_pct", "Cold starts of the function in the third quartile (% of its calls)"),
        ],
    ),
    (
        "throttling_against_slack",
        "CPU that was not got against CPU that was not used",
        [
            ("sizing_cpu_slack_core_h_total", "Requested and not used (core-hours)"),
            ("sizing_cpu_throttled_core_h_total", "Wanted beyond the limit (core-hours)"),
        ],
    ),
    (
        "ooms_against_slack",
        "Kills for memory against memory that was not used",
        [
            ("sizing_memory_slack_gib_h_total", "Requested and not used (GiB-hours)"),
            ("sizing_ooms_total", "Kills for memory"),
        ],
    ),
];
/// Metrics that a reader wants first, when the sweep has them.
const METRICS_FIRST: [&str; 14] = [
    "request_latency_ms_mean",
    "request_latency_ms_p99",
    "requests_failed_ratio",
    "requests_in_objective_ratio",
    "gpu_allocated_pct",
    "gpu_fragmented_pct",
    "cpu_allocated_pct",
    "wait_ms_mean",
    "wait_ms_p99",
    "pods_pending",
    "pods_unscheduled",
    "cost_usd_total",
    "evictions_total",
    "machines_ordered_total",
];

/// One row of `cells.csv`.
#[derive(Clone, Debug)]
pub(super) struct CellRow {
    pub(super) cell: usize,
    pub(super) metric: String,
    pub(super) unit: String,
    pub(super) n: f64,
    pub(super) estimate: Estimate,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// One row of `comparisons.csv`.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    pub(super) metric: String,
    pub(super) baseline: String,
    pub(super) cell: String,
    pub(super) n: f64,
    pub(super) difference: Estimate,
    pub(super) verdict: String,
}

/// All that the report of a sweep shows.
pub(super) struct Sweep {
    pub(super) manifest: Value,
    pub(super) runs: u64,
    pub(super) factors: Vec<String>,
    /// Name and factor values of each cell, in the table's order.
    pub(super) cells: Vec<(String, Vec<String>)>,
    pub(super) rows: Vec<CellRow>,
    pub(super) comparisons: Vec<Comparison>,
    /// Curves by metric, then cell: means, and the band from lowest to highest.
    curves: BTreeMap<String, BTreeMap<String, [Trace; 3]>>,
}

impl Sweep {
    /// Reads a sweep's directory.
    pub(super) fn read(directory: &Path) -> Result<Sweep, ReportError> {
        let manifest = read_manifest(directory)?;
        let mut runs = 0;
        if let Some(mut rows) = Rows::open(directory, "runs.csv", &[])? {
            while rows.advance()? {
                runs += 1;
            }
        }
        let (factors, cells, rows) = read_cells(directory)?;
        let (comparisons, curves) = (read_comparisons(directory)?, read_curves(directory)?);
        Ok(Sweep { manifest, runs, factors, cells, rows, comparisons, curves })
    }

    /// What a cell is called in charts: the values of the factors that differ between cells.
    pub(super) fn label(&self, cell: usize) -> String {
        let (name, values) = &self.cells[cell];
        let varying = values.iter().enumerate().filter(|&(factor, _)| self.varies(factor));
        let label = varying.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" · ");
        if label.is_empty() { name.clone() } else { label }
    }

    fn varies(&self, factor: usize) -> bool {
        self.cells.iter().any(|cell| cell.1.get(factor) != self.cells[0].1.get(factor))
    }

    /// What a cell's colour stands for: itself while there are few, else the value of the policy or first factor.
    fn color_key(&self, cell: usize) -> String {
        let varying: Vec<usize> = (0..self.factors.len()).filter(|&factor| self.varies(factor)).collect();
        let policy = varying.iter().copied().find(|&factor| self.factors[factor].contains("policy"));
        match policy.or(varying.first().copied()) {
            Some(factor) if self.cells.len() > COLORS.len() || varying.len() > 1 => {
                self.cells[cell].1.get(factor).cloned().unwrap_or_default()
            }
            _ => self.label(cell),
        }
    }

    /// The colour of every cell; the twelfth key and later ones share grey.
    fn colors(&self) -> Vec<RGBColor> {
        let mut keys: Vec<String> = Vec::new();
        let positions = (0..self.cells.len()).map(|cell| {
            let key = self.color_key(cell);
            keys.iter().position(|known| *known == key).unwrap_or_else(|| {
                keys.push(key);
                keys.len() - 1
            })
        });
        positions.map(distinct_color).collect()
    }

    /// Metrics worth a panel: those compared first, then those that readers want; never one without any difference.
    pub(super) fn charted_metrics(&self) -> Vec<String> {
        let compared = self.comparisons.iter().map(|comparison| comparison.metric.as_str());
        let wanted = METRICS_FIRST.into_iter();
        let all = self.rows.iter().map(|row| row.metric.as_str());
        let mut charted: Vec<String> = Vec::new();
        let mut seen = BTreeSet::new();
        for metric in compared.chain(wanted).chain(all) {
            if charted.len() < PANELS_MAX && seen.insert(metric) && self.differs(metric) {
                charted.push(metric.to_owned());
            }
        }
        charted
    }

    fn differs(&self, metric: &str) -> bool {
        let means = || self.rows.iter().filter(|row| row.metric == metric).map(|row| row.estimate.mean);
        let Some(first) = means().find(|mean| mean.is_finite()) else {
            return false;
        };
        self.cells.len() == 1 || means().any(|mean| mean != first)
    }

    /// The row of a cell and metric.
    pub(super) fn row(&self, cell: usize, metric: &str) -> Option<&CellRow> {
        self.rows.iter().find(|row| row.cell == cell && row.metric == metric)
    }

    /// All charts that the sweep has data for.
    pub(super) fn charts(&self) -> Vec<NamedChart> {
        let mut charts = vec![NamedChart::new("comparison", Chart::Dots(self.comparison_chart()))];
        let named = |(name, title, axes): &(&str, &str, [(&str, &str); 2])| {
            self.trade_off(title, axes).map(|chart| NamedChart::new(name, Chart::Lines(chart)))
        };
        charts.extend(TRADE_OFFS.iter().filter_map(named));
        let has_points = |by_cell: &BTreeMap<String, [Trace; 3]>| by_cell.values().any(|[mean, ..]| mean.len() > 0);
        for (metric, by_cell) in self.curves.iter().filter(|(_, by_cell)| has_points(by_cell)) {
            let letters = metric.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' });
            let name = format!("curves_{}", letters.collect::<String>());
            charts.push(NamedChart::new(&name, Chart::Lines(self.curve_chart(metric, by_cell))));
        }
        charts
    }

    fn comparison_chart(&self) -> DotChart {
        let shown = self.cells.len().min(CELLS_CHARTED_MAX);
        let colors = self.colors();
        let panels = self.charted_metrics().into_iter().map(|metric| {
            let row = |cell| self.row(cell, &metric);
            let unit = (0..shown).find_map(row).map_or_else(String::new, |row| row.unit.clone());
            let missing = Estimate { mean: f64::NAN, low: f64::NAN, high: f64::NAN };
            let estimates = (0..shown).map(|cell| row(cell).map_or(missing, |row| row.estimate)).collect();
            Panel { title: metric.clone(), unit, estimates }
        });
        let mut remark = "Dot: mean over replications. Whisker: 95 % interval of the mean.".to_owned();
        if shown < self.cells.len() {
            remark.push_str(&format!(" The first {shown} of {} cells.", self.cells.len()));
        }
        DotChart {
            title: "How the cells of the sweep compare".to_owned(),
            remark,
            panels: panels.collect(),
            rows: (0..shown).map(|cell| (self.label(cell), colors[cell])).collect(),
        }
    }

    /// A dot for each cell, at its means of two metrics; none unless several cells have both, and differ in them.
    fn trade_off(&self, title: &str, axes: &[(&str, &str); 2]) -> Option<LineChart> {
        let colors = self.colors();
        let place = |cell| {
            let [x, y] = axes.map(|(metric, _)| self.row(cell, metric).map_or(f64::NAN, |row| row.estimate.mean));
            (x, y)
        };
        let is_there = |cell: &usize| place(*cell).0.is_finite() && place(*cell).1.is_finite();
        let cells: Vec<usize> = (0..self.cells.len()).filter(is_there).collect();
        if cells.len() < 2 || axes.iter().any(|(metric, _)| !self.differs(metric)) {
            return None;
        }
        let dot = |&cell: &usize| Curve {
            name: self.label(cell),
            color: colors[cell],
            points: vec![place(cell)],
            band: Vec::new(),
            stroke: Stroke::Straight,
        };
        let axis = |at: usize| {
            let values = cells.iter().map(|&cell| if at == 0 { place(cell).0 } else { place(cell).1 });
            let highest = values.fold(0.0, f64::max);
            let step = round_step(highest.max(1e-9), 5);
            let range = Some((0.0, (highest / step).ceil() * step));
            Axis { label: axes[at].1.to_owned(), spread: Spread::Linear, range, format: short_number }
        };
        Some(LineChart {
            title: title.to_owned(),
            remark: "Dot: means over replications. Nearer to the corner is better.".to_owned(),
            x: axis(0),
            y: axis(1),
            curves: cells.iter().map(dot).collect(),
        })
    }

    fn curve_chart(&self, metric: &str, by_cell: &BTreeMap<String, [Trace; 3]>) -> LineChart {
        let colors = self.colors();
        let mut named: Vec<String> = Vec::new();
        let mut curves = Vec::new();
        let few = by_cell.len() <= COLORS.len();
        // In the order of the cell table, so that colours and legend agree with the comparison.
        for (cell, (name, _)) in self.cells.iter().enumerate() {
            let Some([mean, low, high]) = by_cell.get(name) else { continue };
            let key = if few { self.label(cell) } else { self.color_key(cell) };
            let fresh = !named.contains(&key) && named.len() < 24;
            let band = if few { band(low, high) } else { Vec::new() };
            let name = if fresh { key.clone() } else { String::new() };
            if fresh {
                named.push(key);
            }
            let color = if few { COLORS[curves.len() % COLORS.len()] } else { colors[cell] };
            curves.push(Curve { name, color, points: mean.points(), band, stroke: Stroke::Straight });
        }
        let tops = curves.iter().flat_map(|curve| curve.band.iter().map(|edge| edge.2));
        let means = curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.1));
        let highest = tops.chain(means).fold(0.0, f64::max);
        let bottom = curves.iter().flat_map(|curve| &curve.points).map(|point| point.1).fold(0.0, f64::min);
        let step = round_step((highest - bottom).max(1e-9), 5);
        let range = (bottom, (highest / step).ceil() * step);
        let remark = if few {
            "Line: mean over replications. Band: from the lowest to the highest run."
        } else {
            "Line: mean over replications."
        };
        LineChart {
            title: format!("{metric} as pods arrive"),
            remark: remark.to_owned(),
            x: Axis {
                label: "Asked for by all pods so far (% of the cluster's capacity)".to_owned(),
                spread: Spread::Linear,
                range: None,
                format: short_number,
            },
            y: Axis {
                label: if metric.ends_with("_pct") { "Share (%)".to_owned() } else { metric.to_owned() },
                spread: Spread::Linear,
                range: Some(range),
                format: short_number,
            },
            curves,
        }
    }
}

/// Both edges of a band. They are thinned alike only as long as they are short, so places are taken from the lower.
fn band(low: &Trace, high: &Trace) -> Vec<(f64, f64, f64)> {
    let highs = high.points();
    let lows = low.points();
    let same_places = lows.len() == highs.len() && lows.iter().zip(&highs).all(|(low, high)| low.0 == high.0);
    if !same_places {
        return Vec::new();
    }
    lows.iter().zip(&highs).map(|(low, high)| (low.0, low.1, high.1)).collect()
}

type Cells = (Vec<String>, Vec<(String, Vec<String>)>, Vec<CellRow>);

fn read_cells(directory: &Path) -> Result<Cells, ReportError> {
    let picks = ["cell", "metric", "unit", "n", "mean", "ci95_low", "ci95_high", "min", "max", "sd"];
    let Some(mut rows) = Rows::open(directory, "cells.csv", &picks)? else {
        return Ok(Default::default());
    };
    // Columns that are none of ours are factors.
    let factor_columns: Vec<usize> =
        (0..rows.header.len()).filter(|&column| !picks.contains(&rows.header[column].as_str())).collect();
    let factors = factor_columns.iter().map(|&column| rows.header[column].clone()).collect();
    let mut cells: Vec<(String, Vec<String>)> = Vec::new();
    let mut positions: BTreeMap<String, usize> = BTreeMap::new();
    let mut cell_rows = Vec::new();
    while rows.advance()? {
        let name = rows.text(0).into_owned();
        let cell = *positions.entry(name.clone()).or_insert_with(|| {
            cells.push((name, factor_columns.iter().map(|&column| rows.text_at(column).into_owned()).collect()));
            cells.len() - 1
        });
        cell_rows.push(CellRow {
            cell,
            metric: rows.text(1).into_owned(),
            unit: rows.text(2).into_owned(),
            n: rows.number(3)?,
            estimate: Estimate { mean: rows.number(4)?, low: rows.number(5)?, high: rows.number(6)? },
            low: rows.number(7)?,
            high: rows.number(8)?,
        });
    }
    Ok((factors, cells, cell_rows))
}

fn read_comparisons(directory: &Path) -> Result<Vec<Comparison>, ReportError> {
    let picks = ["metric", "baseline", "cell", "n", "mean_difference", "ci95_low", "ci95_high", "verdict"];
    let mut comparisons = Vec::new();
    if let Some(mut rows) = Rows::open(directory, "comparisons.csv", &picks)? {
        while rows.advance()? {
            comparisons.push(Comparison {
                metric: rows.text(0).into_owned(),
                baseline: rows.text(1).into_owned(),
                cell: rows.text(2).into_owned(),
                n: rows.number(3)?,
                difference: Estimate { mean: rows.number(4)?, low: rows.number(5)?, high: rows.number(6)? },
                verdict: rows.text(7).into_owned(),
            });
        }
    }
    Ok(comparisons)
}

fn read_curves(directory: &Path) -> Result<BTreeMap<String, BTreeMap<String, [Trace; 3]>>, ReportError> {
    let mut curves: BTreeMap<String, BTreeMap<String, [Trace; 3]>> = BTreeMap::new();
    if let Some(mut rows) = Rows::open(directory, "curves.csv", &["cell", "x", "metric", "mean", "min", "max"])? {
        while rows.advance()? {
            let by_cell = curves.entry(rows.text(2).into_owned()).or_default();
            let traces = by_cell.entry(rows.text(0).into_owned()).or_default();
            let arrived = rows.number(1)?;
            for (index, trace) in traces.iter_mut().enumerate() {
                trace.push(arrived, rows.number(3 + index)?);
            }
        }
    }
    Ok(curves)
}

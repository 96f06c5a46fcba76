//! The tables of a sweep, made cell by cell in the order of the design.
//!
//! `runs.csv` has a row a run; `cells.csv` a row for each cell and metric; `comparisons.csv` a row for each metric and
//! cell that has a baseline, paired by replication; `curves.csv` a row for each place on a curve's axis. Only curves'
//! sums are kept in memory, not their points.

use std::collections::BTreeMap;

use super::design::{Cell, Design, HEADINGS};
use super::outcome::{Curve, RunOutcome};
use crate::results::{Column, Table, TextColumn};
use crate::stats::{Direction, Summary, mean_interval, paired_difference};

/// The tables so far.
#[derive(Debug)]
pub(super) struct SweepTables<'d> {
    design: &'d Design,
    metrics: Vec<MetricInfo>,
    positions: BTreeMap<String, usize>,
    runs: Vec<RunRow>,
    /// For each cell, where its runs start and end.
    cell_runs: Vec<std::ops::Range<usize>>,
    curves: Vec<CurveRow>,
}

#[derive(Debug)]
struct MetricInfo {
    name: String,
    unit: String,
    better: Direction,
}

#[derive(Debug)]
struct RunRow {
    cell: usize,
    replication: u32,
    error: Option<String>,
    /// By position among the metrics; metrics past the end are missing.
    values: Vec<f64>,
}

#[derive(Debug)]
struct CurveRow {
    cell: usize,
    metric: String,
    x: f64,
    summary: Summary,
}

impl RunRow {
    fn value(&self, metric: usize) -> f64 {
        self.values.get(metric).copied().unwrap_or(f64::NAN)
    }
}

impl<'d> SweepTables<'d> {
    pub(super) fn new(design: &'d Design) -> Self {
        SweepTables {
            design,
            metrics: Vec::new(),
            positions: BTreeMap::new(),
            runs: Vec::new(),
            cell_runs: Vec::new(),
            curves: Vec::new(),
        }
    }

    /// Adds the stored runs of the next cell, in order of replication.
    pub(super) fn add_cell(&mut self, cell: &Cell, runs: Vec<(u32, Result<RunOutcome, String>)>) {
        assert_eq!(cell.index, self.cell_runs.len(), "cells come in order");
        let start = self.runs.len();
        let mut curves = Vec::new();
        for (replication, result) in runs {
            let mut row = RunRow { cell: cell.index, replication, error: None, values: Vec::new() };
            match result {
                Ok(outcome) => {
                    row.values = self.values(outcome.metrics);
                    curves.extend(outcome.curves);
                }
                Err(error) => row.error = Some(error),
            }
            self.runs.push(row);
        }
        self.cell_runs.push(start..self.runs.len());
        self.add_curves(cell.index, &curves);
    }

    /// The metrics of a run by position; names not met before get the next position.
    fn values(&mut self, metrics: Vec<super::Metric>) -> Vec<f64> {
        let mut values = vec![f64::NAN; self.metrics.len()];
        for metric in metrics {
            let position = *self.positions.entry(metric.name.clone()).or_insert(self.metrics.len());
            if position == self.metrics.len() {
                self.metrics.push(MetricInfo { name: metric.name, unit: metric.unit, better: metric.better });
                values.push(f64::NAN);
            }
            values[position] = metric.value;
        }
        values
    }

    /// Sums the curves of a cell's runs place by place.
    fn add_curves(&mut self, cell: usize, curves: &[Curve]) {
        let mut names: Vec<&str> = Vec::new();
        for curve in curves {
            if !names.contains(&curve.metric.as_str()) {
                names.push(&curve.metric);
            }
        }
        for name in names {
            let same = curves.iter().filter(|curve| curve.metric == name);
            // Adding zero makes -0 and 0 one place. The sort is stable: values stay in order of replication.
            let mut points: Vec<(f64, f64)> =
                same.flat_map(|curve| curve.points.iter().map(|(x, y)| (x.0 + 0.0, y.0))).collect();
            points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            for place in points.chunk_by(|(a, _), (b, _)| a.total_cmp(b).is_eq()) {
                let summary = place.iter().map(|&(_, y)| y).filter(|y| !y.is_nan()).collect();
                self.curves.push(CurveRow { cell, metric: name.to_owned(), x: place[0].0, summary });
            }
        }
    }

    /// The tables, each under its file's name.
    pub(super) fn finish(&self) -> [(&'static str, Table); 4] {
        [
            ("runs.csv", self.runs_table()),
            ("cells.csv", self.cells_table()),
            ("comparisons.csv", self.comparisons_table()),
            ("curves.csv", self.curves_table()),
        ]
    }

    fn runs_table(&self) -> Table {
        let cells: Vec<usize> = self.runs.iter().map(|run| run.cell).collect();
        let replications = self.runs.iter().map(|run| u64::from(run.replication)).collect();
        let mut table =
            Table::new().with("cell", self.cell_column(&cells)).with("replication", Column::Count(replications));
        table = self.with_factors(table, &cells);
        let status = self.runs.iter().map(|run| u32::from(run.error.is_some())).collect();
        let errors: TextColumn = self.runs.iter().map(|run| run.error.as_deref().unwrap_or_default()).collect();
        table = table
            .with("status", Column::Dictionary { codes: status, values: vec!["ok".into(), "failed".into()] })
            .with("error", Column::Text(errors));
        for (position, metric) in self.metrics.iter().enumerate() {
            let values = self.runs.iter().map(|run| run.value(position)).collect();
            table = table.with(&self.metric_heading(&metric.name), Column::Number(values));
        }
        table
    }

    /// The heading of a metric in `runs.csv`: its name, unless another column has that.
    fn metric_heading(&self, name: &str) -> String {
        let mut heading = name.to_owned();
        while HEADINGS.contains(&heading.as_str())
            || self.design.factors().iter().any(|factor| factor.name == heading)
            || (heading != name && self.positions.contains_key(&heading))
        {
            heading.push_str("_metric");
        }
        heading
    }

    fn cells_table(&self) -> Table {
        let (mut cells, mut metrics, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        let mut numbers: [Vec<f64>; 6] = Default::default();
        for (cell, runs) in self.cell_runs.iter().enumerate().filter(|(_, runs)| !runs.is_empty()) {
            for metric in 0..self.metrics.len() {
                let values: Vec<f64> = self.runs[runs.clone()].iter().map(|run| run.value(metric)).collect();
                let values: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
                let summary: Summary = values.iter().copied().collect();
                let interval = mean_interval(&values);
                cells.push(cell);
                metrics.push(metric);
                counts.push(interval.count);
                let deviation = summary.standard_deviation();
                let row = [interval.mean, interval.low, interval.high, summary.min(), summary.max(), deviation];
                numbers.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
            }
        }
        let mut table = self.with_factors(Table::new().with("cell", self.cell_column(&cells)), &cells);
        table = self.with_metrics(table, &metrics).with("n", Column::Count(counts));
        for (name, values) in ["mean", "ci95_low", "ci95_high", "min", "max", "sd"].into_iter().zip(numbers) {
            table = table.with(name, Column::Number(values));
        }
        table
    }

    fn comparisons_table(&self) -> Table {
        let (mut cells, mut baselines, mut metrics, mut counts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut numbers: [Vec<f64>; 3] = Default::default();
        let mut verdicts = TextColumn::default();
        let stored = |cell: usize| !self.cell_runs[cell].is_empty();
        for (metric, info) in self.metrics.iter().enumerate() {
            for cell in self.design.cells().iter().filter(|cell| stored(cell.index)) {
                let Some(baseline) = self.design.baseline_of(cell).filter(|&baseline| stored(baseline)) else {
                    continue;
                };
                let (base, other) = self.pairs(metric, baseline, cell.index);
                let compared = paired_difference(&base, &other, info.better);
                cells.push(cell.index);
                baselines.push(baseline);
                metrics.push(metric);
                counts.push(compared.difference.count);
                let row = [compared.difference.mean, compared.difference.low, compared.difference.high];
                numbers.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
                verdicts.push(compared.verdict.as_str());
            }
        }
        let mut table = self.with_metrics(Table::new(), &metrics);
        table = table.with("baseline", self.cell_column(&baselines)).with("cell", self.cell_column(&cells));
        table = self.with_factors(table, &cells).with("n", Column::Count(counts));
        for (name, values) in ["mean_difference", "ci95_low", "ci95_high"].into_iter().zip(numbers) {
            table = table.with(name, Column::Number(values));
        }
        table.with("verdict", Column::Text(verdicts))
    }

    /// The values of the replications in which both cells have one.
    fn pairs(&self, metric: usize, baseline: usize, cell: usize) -> (Vec<f64>, Vec<f64>) {
        let by_replication = |cell: usize| -> BTreeMap<u32, f64> {
            let runs = self.runs[self.cell_runs[cell].clone()].iter();
            runs.map(|run| (run.replication, run.value(metric))).filter(|(_, value)| !value.is_nan()).collect()
        };
        let base = by_replication(baseline);
        let both = by_replication(cell).into_iter().filter_map(|(run, value)| Some((*base.get(&run)?, value)));
        both.unzip()
    }

    fn curves_table(&self) -> Table {
        let cells: Vec<usize> = self.curves.iter().map(|row| row.cell).collect();
        let numbers = |value: fn(&CurveRow) -> f64| Column::Number(self.curves.iter().map(value).collect());
        let table = self.with_factors(Table::new().with("cell", self.cell_column(&cells)), &cells);
        table
            .with("metric", Column::Text(self.curves.iter().map(|row| &row.metric).collect()))
            .with("x", numbers(|row| row.x))
            .with("n", Column::Count(self.curves.iter().map(|row| row.summary.count()).collect()))
            .with("mean", numbers(|row| row.summary.mean()))
            .with("min", numbers(|row| row.summary.min()))
            .with("max", numbers(|row| row.summary.max()))
    }

    fn cell_column(&self, cells: &[usize]) -> Column {
        let values = self.design.cells().iter().map(|cell| cell.name.clone()).collect();
        Column::Dictionary { codes: codes(cells.iter().copied()), values }
    }

    fn with_factors(&self, mut table: Table, cells: &[usize]) -> Table {
        for (position, factor) in self.design.factors().iter().enumerate() {
            let levels = cells.iter().map(|&cell| self.design.cells()[cell].levels[position]);
            let column = Column::Dictionary { codes: codes(levels), values: factor.labels.clone() };
            table = table.with(&factor.name, column);
        }
        table
    }

    fn with_metrics(&self, table: Table, metrics: &[usize]) -> Table {
        let column = |text: fn(&MetricInfo) -> &String| Column::Dictionary {
            codes: codes(metrics.iter().copied()),
            values: self.metrics.iter().map(|metric| text(metric).clone()).collect(),
        };
        table.with("metric", column(|metric| &metric.name)).with("unit", column(|metric| &metric.unit))
    }
}

fn codes(positions: impl Iterator<Item = usize>) -> Vec<u32> {
    positions.map(|position| u32::try_from(position).expect("designs are smaller")).collect()
}

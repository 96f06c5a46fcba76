//! What `wavetank bench` left behind: medians of each case, ratios to another program; and their charts.

use std::path::Path;

use serde_json::Value;

use super::chart::dots::{DotChart, Estimate, Panel};
use super::chart::{Chart, SERIES as COLORS};
use super::files::{Rows, read_manifest};
use super::{NamedChart, ReportError};

/// One row of `bench.csv`: names, then the figures of [`FIGURES`].
pub(super) struct CaseRow {
    pub(super) workload: String,
    pub(super) policy: String,
    pub(super) figures: [f64; FIGURES.len()],
}

/// Columns of `bench.csv` that are shown, after workload and policy.
pub(super) const FIGURES: [&str; 12] = [
    "nodes",
    "pods",
    "runs",
    "decisions_per_s",
    "decisions_per_s_min",
    "decisions_per_s_max",
    "pods_per_s",
    "latency_us_p50",
    "latency_us_p99",
    "latency_us_max",
    "peak_memory_mib",
    "unplaced",
];

/// One row of `bench_comparisons.csv`.
pub(super) struct RatioRow {
    pub(super) workload: String,
    pub(super) policy: String,
    pub(super) ratio: Estimate,
    pub(super) verdict: String,
    pub(super) placements: String,
}

/// All that the report of a bench shows.
pub(super) struct Bench {
    pub(super) manifest: Value,
    pub(super) cases: Vec<CaseRow>,
    pub(super) ratios: Vec<RatioRow>,
}

impl Bench {
    /// Reads a directory that `wavetank bench --out` has written.
    pub(super) fn read(directory: &Path) -> Result<Bench, ReportError> {
        let picks: Vec<&str> = ["workload", "policy"].into_iter().chain(FIGURES).collect();
        let mut cases = Vec::new();
        if let Some(mut rows) = Rows::open(directory, "bench.csv", &picks)? {
            while rows.advance()? {
                let mut figures = [f64::NAN; FIGURES.len()];
                for (position, figure) in figures.iter_mut().enumerate() {
                    *figure = rows.number(position + 2)?;
                }
                let (workload, policy) = (rows.text(0).into_owned(), rows.text(1).into_owned());
                cases.push(CaseRow { workload, policy, figures });
            }
        }
        let picks = ["workload", "policy", "ratio", "ratio_ci95_low", "ratio_ci95_high", "verdict", "placements"];
        let mut ratios = Vec::new();
        if let Some(mut rows) = Rows::open(directory, "bench_comparisons.csv", &picks)? {
            while rows.advance()? {
                ratios.push(RatioRow {
                    workload: rows.text(0).into_owned(),
                    policy: rows.text(1).into_owned(),
                    ratio: Estimate { mean: rows.number(2)?, low: rows.number(3)?, high: rows.number(4)? },
                    verdict: rows.text(5).into_owned(),
                    placements: rows.text(6).into_owned(),
                });
            }
        }
        Ok(Bench { manifest: read_manifest(directory)?, cases, ratios })
    }

    /// The chart of speed, and that of ratios if there are any.
    pub(super) fn charts(&self) -> Vec<NamedChart> {
        let mut charts = vec![NamedChart::new("bench", Chart::Dots(self.speed_chart()))];
        if !self.ratios.is_empty() {
            charts.push(NamedChart::new("bench_ratios", Chart::Dots(self.ratio_chart())));
        }
        charts
    }

    fn speed_chart(&self) -> DotChart {
        let panel = |title: &str, unit: &str, [dot, low, high]: [&str; 3]| {
            let column = |name: &str| FIGURES.iter().position(|figure| *figure == name);
            let value = |row: &CaseRow, name: &str| column(name).map_or(f64::NAN, |position| row.figures[position]);
            let estimate =
                |row: &CaseRow| Estimate { mean: value(row, dot), low: value(row, low), high: value(row, high) };
            Panel {
                title: title.to_owned(),
                unit: unit.to_owned(),
                estimates: self.cases.iter().map(estimate).collect(),
            }
        };
        DotChart {
            title: "How fast the policies decide".to_owned(),
            remark: "Dot: median over runs. Whisker: lowest to highest run; for latency, median to 99th percentile."
                .to_owned(),
            rows: self.names(self.cases.iter().map(|row| (&row.workload, &row.policy))),
            panels: vec![
                panel("Decisions", "per second", ["decisions_per_s", "decisions_per_s_min", "decisions_per_s_max"]),
                panel("Time of a decision", "microseconds", ["latency_us_p50", "latency_us_p50", "latency_us_p99"]),
            ],
        }
    }

    fn ratio_chart(&self) -> DotChart {
        DotChart {
            title: "Decisions per second of CPU time, this program to the other".to_owned(),
            remark: "Dot: ratio; below 1 this program is slower. Whisker: 95 % interval.".to_owned(),
            rows: self.names(self.ratios.iter().map(|row| (&row.workload, &row.policy))),
            panels: vec![Panel {
                title: "Ratio".to_owned(),
                unit: "this to other".to_owned(),
                estimates: self.ratios.iter().map(|row| row.ratio).collect(),
            }],
        }
    }

    /// Names of rows, with the policy where there are several, and a colour for each policy.
    fn names<'a>(
        &self,
        rows: impl Iterator<Item = (&'a String, &'a String)>,
    ) -> Vec<(String, plotters::style::RGBColor)> {
        let mut policies: Vec<&String> = Vec::new();
        for row in &self.cases {
            if !policies.contains(&&row.policy) {
                policies.push(&row.policy);
            }
        }
        rows.map(|(workload, policy)| {
            let color = policies.iter().position(|known| *known == policy).unwrap_or(0);
            let name = if policies.len() > 1 { format!("{workload} · {policy}") } else { workload.clone() };
            (name, COLORS[color.min(COLORS.len() - 1)])
        })
        .collect()
    }
}

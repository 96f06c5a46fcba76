//! Suites and comparisons as tables: for people, and as CSV.

use std::fmt::Write as _;

use super::compare::Comparison;
use super::measure::Measurement;
use super::suite::CaseRuns;
use crate::results::{Column, Table};

const MEBIBYTE: f64 = (1 << 20) as f64;

/// A figure of a run as it stands in tables: column, decimals, value.
type Figure = (&'static str, usize, fn(&Measurement) -> f64);

const FIGURES: [Figure; 13] = [
    ("decisions_per_s", 0, Measurement::decisions_per_s),
    ("decisions_per_cpu_s", 0, Measurement::decisions_per_cpu_s),
    ("pods_per_s", 0, Measurement::pods_per_s),
    ("latency_us_p50", 3, |run| run.latency_us_p50),
    ("latency_us_p90", 3, |run| run.latency_us_p90),
    ("latency_us_p99", 3, |run| run.latency_us_p99),
    ("latency_us_max", 3, |run| run.latency_us_max),
    ("peak_memory_mib", 1, |run| run.peak_memory_bytes.map_or(f64::NAN, |bytes| bytes as f64 / MEBIBYTE)),
    ("decisions", 0, |run| run.decisions as f64),
    ("refusals", 0, |run| run.refusals as f64),
    ("placed", 0, |run| run.placed as f64),
    ("unplaced", 0, |run| run.unplaced as f64),
    ("evictions", 0, |run| run.evictions as f64),
];

/// One row a case: medians over its runs, and the lowest and highest rate.
pub fn suite_table(cases: &[CaseRuns]) -> Table {
    let texts = |of: fn(&CaseRuns) -> &str| Column::Text(cases.iter().map(of).collect());
    let counts = |of: fn(&CaseRuns) -> u64| Column::Count(cases.iter().map(of).collect());
    let mut table = Table::new()
        .with("workload", texts(|runs| &runs.case.workload))
        .with("policy", texts(|runs| &runs.case.policy))
        .with("nodes", counts(|runs| runs.case.nodes.into()))
        .with("initial_pods", counts(|runs| runs.case.initial_pods.into()))
        .with("pods", counts(|runs| runs.case.pods.into()))
        .with("runs", counts(|runs| runs.runs.len() as u64));
    for (name, decimals, figure) in FIGURES {
        table = table.with(name, Column::Fixed(decimals, cases.iter().map(|runs| runs.median(figure)).collect()));
    }
    let rates = |fold: fn(f64, f64) -> f64| {
        let fold = |runs: &CaseRuns| runs.values(Measurement::decisions_per_s).into_iter().fold(f64::NAN, fold);
        Column::Fixed(0, cases.iter().map(fold).collect())
    };
    table
        .with("decisions_per_s_min", rates(f64::min))
        .with("decisions_per_s_max", rates(f64::max))
        .with("placements_hash", Column::Text(cases.iter().map(|runs| runs.placements_hashes().join(" ")).collect()))
}

/// One row a comparison.
pub fn comparison_table(comparisons: &[Comparison]) -> Table {
    let texts = |of: fn(&Comparison) -> &str| Column::Text(comparisons.iter().map(of).collect());
    let numbers = |decimals, of: fn(&Comparison) -> f64| Column::Fixed(decimals, comparisons.iter().map(of).collect());
    Table::new()
        .with("workload", texts(|row| &row.case.workload))
        .with("policy", texts(|row| &row.case.policy))
        .with("base_decisions_per_cpu_s", numbers(0, |row| row.base_decisions_per_cpu_s))
        .with("decisions_per_cpu_s", numbers(0, |row| row.decisions_per_cpu_s))
        .with("ratio", numbers(4, |row| row.ratio))
        .with("ratio_ci95_low", numbers(4, |row| row.ratio_low))
        .with("ratio_ci95_high", numbers(4, |row| row.ratio_high))
        .with("verdict", texts(|row| if row.slower { "slower" } else { "ok" }))
        .with("placements", texts(|row| if row.same_placements { "same" } else { "different" }))
}

/// A suite for people: the figures that readers look for first.
pub fn suite_text(cases: &[CaseRuns]) -> String {
    let mut rows = vec![
        ["workload", "policy", "nodes", "pods", "decisions/s", "pods/s", "p50 us", "p90 us", "p99 us", "max us"]
            .into_iter()
            .chain(["MiB", "unplaced"])
            .map(str::to_owned)
            .collect::<Vec<_>>(),
    ];
    for runs in cases {
        let mut row = vec![runs.case.workload.clone(), runs.case.policy.clone()];
        row.extend([runs.case.nodes, runs.case.pods].map(|count| grouped(count.into())));
        for (position, decimals) in [(0, 0), (2, 0), (3, 2), (4, 2), (5, 2), (6, 1), (7, 0), (11, 0)] {
            let median = runs.median(FIGURES[position].2);
            row.push(if decimals == 0 { grouped(median) } else { format!("{median:.decimals$}") });
        }
        rows.push(row);
    }
    aligned(&rows)
}

/// Comparisons for people.
pub fn comparison_text(comparisons: &[Comparison]) -> String {
    let header = ["workload", "policy", "base/CPU s", "this/CPU s", "ratio", "95 % interval", "verdict", "placements"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for row in comparisons {
        rows.push(vec![
            row.case.workload.clone(),
            row.case.policy.clone(),
            grouped(row.base_decisions_per_cpu_s),
            grouped(row.decisions_per_cpu_s),
            format!("{:.3}", row.ratio),
            format!("{:.3} to {:.3}", row.ratio_low, row.ratio_high),
            if row.slower { "SLOWER" } else { "ok" }.to_owned(),
            if row.same_placements { "same" } else { "DIFFERENT" }.to_owned(),
        ]);
    }
    aligned(&rows)
}

/// The first two columns to the left, the others to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            let _ = if column < 2 { write!(line, "{gap}{cell:width$}") } else { write!(line, "{gap}{cell:>width$}") };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// A whole number with thousands apart; a dash for what is not known.
fn grouped(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

//! Result directories that appear whole, and summaries for the terminal.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use tempfile::TempDir;

use super::Failure;
use crate::experiment::single::RunRecord;
use crate::model::Model;
use crate::observe::traffic::figures::{FateFigures, Figures};
use crate::results::ResultWriter;
use crate::scenario::Experiment;

/// The formats of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Tables {
    /// CSV
    Csv,
    /// CSV, and each table as Parquet beside it
    Parquet,
}

/// A result directory in the making: it stands beside its place under a hidden name until it is published, so a run
/// that fails or is killed leaves what was there before.
#[derive(Debug)]
pub(super) struct OutputDirectory {
    target: PathBuf,
    staging: TempDir,
    writer: ResultWriter,
}

impl OutputDirectory {
    /// Begins a directory that will replace `target`.
    ///
    /// Fails when `target` is something else than an earlier result, or its place cannot be written.
    pub(super) fn create(target: &Path, tables: Tables) -> Result<OutputDirectory, Failure> {
        if target.exists() && !is_replaceable(target) {
            let message = format!(
                "error: {} exists and is not a result directory of wavetank\nhint: choose another place with --out",
                target.display()
            );
            return Err(Failure::Input(message));
        }
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let refuse =
            |error: std::io::Error| Failure::Run(format!("error: cannot write to {}: {error}", parent.display()));
        fs::create_dir_all(parent).map_err(refuse)?;
        let staging = tempfile::Builder::new().prefix(".wavetank-").tempdir_in(parent).map_err(refuse)?;
        let writer = ResultWriter::create(staging.path())?.with_parquet(tables == Tables::Parquet);
        Ok(OutputDirectory { target: target.to_owned(), staging, writer })
    }

    /// Where files go for now.
    pub(super) fn path(&self) -> &Path {
        self.staging.path()
    }

    /// Writes files into the directory.
    pub(super) fn writer(&self) -> &ResultWriter {
        &self.writer
    }

    /// Puts the directory into its place.
    pub(super) fn publish(self) -> Result<(), Failure> {
        let refuse = |error: std::io::Error| {
            Failure::Run(format!("error: cannot put the results into {}: {error}", self.target.display()))
        };
        if self.target.exists() {
            fs::remove_dir_all(&self.target).map_err(refuse)?;
        }
        let staging = self.staging.keep();
        make_readable(&staging).map_err(refuse)?;
        fs::rename(&staging, &self.target).map_err(|error| {
            // The staging directory no longer removes itself.
            let _ = fs::remove_dir_all(&staging);
            refuse(error)
        })
    }
}

/// Temporary directories are private to the user; results are as readable as other files.
#[cfg(unix)]
fn make_readable(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_readable(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// An earlier result, or an empty directory.
fn is_replaceable(target: &Path) -> bool {
    target.join("manifest.json").is_file() || fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none())
}

/// The summary as a table for people: what was run, then its figures.
pub(super) fn summary_text(model: &Model, record: &RunRecord) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", model.name);
    if !model.description.is_empty() {
        let _ = writeln!(text, "{}", model.description);
    }
    let scheduling = &model.scheduling;
    let _ = writeln!(
        text,
        "{} nodes, policy {}, queue {}, seed {}\n",
        model.cluster.nodes.len(),
        scheduling.policy.name,
        scheduling.queue.name,
        model.seed.base
    );
    let shown = || record.metrics.iter().filter(|metric| !metric.value.is_nan());
    let width = shown().map(|metric| metric.name.len()).max().unwrap_or(0);
    for metric in shown() {
        let unit = if metric.unit == "count" { "" } else { &metric.unit };
        let value = if unit == "ratio" { ratio(metric.value) } else { figure(metric.value) };
        let line = format!("  {:width$}  {value:>14}  {unit}", metric.name);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if let Some(figures) = &record.traffic {
        text.push_str(&traffic_text(figures));
    }
    text
}

/// Sources and services line by line.
fn traffic_text(figures: &Figures) -> String {
    const SHOWN_MAX: usize = 12;
    const HEADINGS: [&str; 6] = ["per s", "failed %", "p50 ms", "p95 ms", "p99 ms", "workers busy %"];
    let sources = figures.sources.iter().map(|one| (format!("from {}", one.name), &one.fate, f64::NAN));
    let services = figures.services.iter().map(|one| (one.name.clone(), &one.fate, one.worker_utilisation));
    let rows: Vec<(String, &FateFigures, f64)> = sources.take(SHOWN_MAX).chain(services.take(SHOWN_MAX)).collect();
    let width = rows.iter().map(|row| row.0.chars().count()).max().unwrap_or(0);
    let mut text = format!("\n  {:width$}", "");
    HEADINGS.iter().for_each(|heading| text.push_str(&format!("  {heading:>14}")));
    text.push('\n');
    for (name, fate, utilisation) in rows {
        let [p50, p95, p99] = fate.latency.quantiles_s.map(|seconds| seconds * 1e3);
        let _ = write!(text, "  {name:width$}");
        for value in [fate.rate, fate.failed_ratio * 100.0, p50, p95, p99, utilisation * 100.0] {
            let shown = if value.is_nan() { "-".to_owned() } else { figure(value) };
            let _ = write!(text, "  {shown:>14}");
        }
        text.push('\n');
    }
    let hidden = figures.sources.len().saturating_sub(SHOWN_MAX) + figures.services.len().saturating_sub(SHOWN_MAX);
    if hidden > 0 {
        let _ = writeln!(text, "  and {hidden} more in sources.csv and services.csv");
    }
    text
}

/// The summary as JSON for programs.
pub(super) fn summary_json(model: &Model, record: &RunRecord) -> String {
    let metrics: serde_json::Map<String, serde_json::Value> =
        record.metrics.iter().map(|metric| (metric.name.clone(), metric.value.into())).collect();
    let summary = serde_json::json!({
        "name": model.name,
        "policy": model.scheduling.policy.name,
        "queue": model.scheduling.queue.name,
        "seed": model.seed.base,
        "replication": model.seed.replication,
        "metrics": metrics,
    });
    format!("{summary:#}\n")
}

/// The cells of a sweep as a table for people: mean and half-width of the 95 % interval of each key metric.
pub(super) fn cells_text(directory: &Path, experiment: &Experiment) -> Result<String, Failure> {
    const SHOWN: [&str; 9] = [
        "pods_placed",
        "wait_ms_mean",
        "wait_ms_p99",
        "cpu_allocated_mean_pct",
        "gpu_allocated_pct",
        "cost_usd_total",
        "request_latency_ms_mean",
        "request_latency_ms_p99",
        "requests_failed_ratio",
    ];
    let path = directory.join("cells.csv");
    let unreadable = |error: csv::Error| Failure::Run(format!("error: {}: {error}", path.display()));
    let mut reader = csv::Reader::from_path(&path).map_err(unreadable)?;
    let headers = reader.headers().map_err(unreadable)?.clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap_or(usize::MAX);
    let [cell, metric, mean, low] = ["cell", "metric", "mean", "ci95_low"].map(column);
    let shown = |name: &str| match experiment.metrics.is_empty() {
        true => SHOWN.contains(&name),
        false => experiment.metrics.iter().any(|metric| metric == name),
    };
    let mut text = format!("{}\n{}\n", experiment.name, experiment.description);
    let mut before = String::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let get = |position: usize| record.get(position).unwrap_or("");
        let number = |position: usize| get(position).parse::<f64>().ok();
        if !shown(get(metric)) {
            continue;
        }
        if before != get(cell) {
            before = get(cell).to_owned();
            let _ = writeln!(text, "\n{before}");
        }
        if let Some(value) = number(mean) {
            let interval = number(low).map_or(String::new(), |low| format!(" +- {}", figure(value - low)));
            let _ = writeln!(text, "  {:26}{:>14}{interval}", get(metric), figure(value));
        }
    }
    Ok(text)
}

/// A part of a whole, for people: with four digits that count, however close to none or all it is.
fn ratio(value: f64) -> String {
    let distance = value.abs().min((1.0 - value).abs());
    if distance == 0.0 {
        return figure(value);
    }
    let decimals = (3.0 - distance.log10().floor()).clamp(2.0, 9.0) as usize;
    format!("{value:.decimals$}")
}

/// A figure for people: whole numbers whole, others with two decimals, thousands apart.
pub(super) fn figure(value: f64) -> String {
    let text = if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") };
    let (whole, decimals) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    match decimals {
        Some(decimals) => format!("{sign}{grouped}.{decimals}"),
        None => format!("{sign}{grouped}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{figure, ratio};

    #[test]
    fn ratios_tell_nines_apart() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.5, "0.5000"),
            (0.999_123_4, "0.9991234"),
            (0.001_234_56, "0.001235"),
            (2.4, "2.400"),
            (79.81, "79.81"),
            (1e-12, "0.000000000"),
        ] {
            assert_eq!(ratio(value), text);
        }
    }

    #[test]
    fn figures_are_readable() {
        for (value, text) in [
            (0.0, "0"),
            (999.0, "999"),
            (1000.0, "1 000"),
            (-1_234_567.0, "-1 234 567"),
            (1234.567, "1 234.57"),
            (0.004, "0.00"),
        ] {
            assert_eq!(figure(value), text);
        }
    }
}

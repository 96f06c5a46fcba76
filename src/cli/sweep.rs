//! `wavetank sweep`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::output::Tables;
use super::{Failure, environment, overrides, print, say};
use crate::experiment::single::{Detail, run_model};
use crate::experiment::{Design, Fingerprint, Progress, RunOutcome, Store, Sweep, parse_cells, run_sweep};
use crate::report::{self, ReportOptions};
use crate::results::{Manifest, ResultWriter};
use crate::scenario::{Environment, Experiment, load_experiment};

#[derive(Debug, Args)]
pub(super) struct SweepArguments {
    /// The experiment file
    experiment: PathBuf,
    /// Where results go (default: out/NAME, as the file says)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Runs at a time (default: one a processor)
    #[arg(short, long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    jobs: usize,
    /// Keep runs that were finished earlier with the same input
    #[arg(long)]
    resume: bool,
    /// Run these cells only, such as 0..4
    #[arg(long, value_name = "A..B")]
    cells: Option<String>,
    /// Changes a value of the experiment file, such as replications=3; can be given several times
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Formats of the tables
    #[arg(long, value_enum, default_value_t = Tables::Csv)]
    tables: Tables,
}

pub(super) fn run(arguments: &SweepArguments) -> Result<(), Failure> {
    let begin = Instant::now();
    let environment = environment();
    let overrides = overrides(&arguments.set, None)?;
    let experiment = load_experiment(&arguments.experiment, &overrides, &environment)?;
    let input = |message: String| Failure::Input(format!("error: {message}"));
    let cells = arguments.cells.as_deref().map(parse_cells).transpose().map_err(input)?;
    let design = Design::try_from(&experiment).map_err(|error| input(error.to_string()))?;
    if let Some(cells) = cells.as_ref().filter(|cells| cells.end > design.cells().len()) {
        let (from, to, count) = (cells.start, cells.end, design.cells().len());
        return Err(input(format!("cells {from}..{to} are not within the {count} cells of the experiment")));
    }
    let (fingerprints, seed) = check_cells(&experiment, &environment)?;
    let target = arguments.out.clone().unwrap_or_else(|| PathBuf::from("out").join(&experiment.name));
    if target.exists() && !target.join("manifest.json").is_file() && !is_empty(&target) {
        let words = "exists and is not a result directory of wavetank\nhint: choose another place with --out";
        return Err(input(format!("{} {words}", target.display())));
    }
    let store = Store::create(&target)?.with_parquet(arguments.tables == Tables::Parquet);
    let bar = progress_bar();
    let failed = |error: &dyn std::fmt::Display| Failure::Run(format!("error: {error}"));
    write_manifest(&experiment, &target, seed, begin)?;
    let report = run_sweep(&Sweep {
        design: &design,
        store: &store,
        fingerprints: &fingerprints,
        run: &|cell, replication| run_cell(&experiment, cell.index, replication, &environment),
        progress: &|progress: Progress| {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.finished as u64);
        },
        threads: arguments.jobs,
        resume: arguments.resume,
        cells,
    })
    .map_err(|error| failed(&error))?;
    bar.finish_and_clear();
    write_manifest(&experiment, &target, seed, begin)?;
    report::render(&target, &ReportOptions::default())?;
    print(&super::output::cells_text(&target, &experiment)?)?;
    say(&format!(
        "{} runs done, {} kept, {} failed in {:.2} s: {}",
        report.done,
        report.kept,
        report.failed,
        begin.elapsed().as_secs_f64(),
        target.join("report.html").display()
    ));
    match report.failed {
        0 => Ok(()),
        count => Err(Failure::Run(format!("error: {count} runs failed; runs.csv says why"))),
    }
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

/// Loads every cell once, so that nothing is run when one of them is wrong, and fingerprints what was loaded: the
/// scenario as resolved, and the model with all that its traces and manifests say. Gives the seed, too.
fn check_cells(experiment: &Experiment, environment: &Environment) -> Result<(Vec<Fingerprint>, u64), Failure> {
    let mut fingerprints = Vec::new();
    let mut seed = 0;
    for cell in experiment.cells() {
        let loaded = experiment.load_cell(&cell, 0, environment)?;
        let (resolved, model) = (loaded.resolved.to_string(), format!("{:?}", loaded.model));
        fingerprints.push(Fingerprint::of(&[resolved.as_bytes(), model.as_bytes()]));
        seed = loaded.model.seed.base;
    }
    Ok((fingerprints, seed))
}

fn run_cell(
    experiment: &Experiment,
    cell: usize,
    replication: u32,
    environment: &Environment,
) -> Result<RunOutcome, String> {
    let cell = &experiment.cells()[cell];
    let model = experiment.load_cell(cell, replication, environment).map_err(|error| error.to_string())?.model;
    let record = run_model(&model, Detail::Figures).map_err(|error| error.to_string())?;
    Ok(RunOutcome::from(record).restricted_to(&experiment.metrics))
}

fn write_manifest(experiment: &Experiment, target: &Path, seed: u64, begin: Instant) -> Result<(), Failure> {
    let manifest = Manifest {
        seed,
        wall_seconds: begin.elapsed().as_secs_f64(),
        ..Manifest::new(&experiment.name, &experiment.description, experiment.resolved.clone())
    };
    Ok(ResultWriter::create(target)?.json("manifest.json", &manifest)?)
}

/// A bar on a terminal; nothing elsewhere.
fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} runs, {eta} left");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

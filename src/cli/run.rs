//! `wavetank run`.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};

use super::output::{self, OutputDirectory, Tables};
use super::{Failure, environment, overrides, print, say};
use crate::experiment::single::{Detail, RunRecord, run_model};
use crate::model::Model;
use crate::report::{self, ReportOptions};
use crate::results::Manifest;
use crate::scenario::load_scenario;

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// The scenario file
    scenario: PathBuf,
    /// Where results go (default: out/NAME, as the file says)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seed of all random streams; overrides the file's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Which replication of the scenario to run
    #[arg(long, value_name = "N", default_value_t = 0)]
    replication: u32,
    /// Changes a value of the file, such as scheduler.policy=fgd; can be given several times
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// How the summary is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Formats of the tables
    #[arg(long, value_enum, default_value_t = Tables::Csv)]
    tables: Tables,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people
    Table,
    /// JSON for programs
    Json,
}

pub(super) fn run(arguments: &RunArguments) -> Result<(), Failure> {
    let begin = Instant::now();
    let overrides = overrides(&arguments.set, arguments.seed)?;
    let loaded = load_scenario(&arguments.scenario, &overrides, arguments.replication, &environment())?;
    loaded.warnings.iter().for_each(|warning| say(&warning.to_string()));
    let (model, resolved) = (loaded.model, loaded.resolved);
    super::extenders::check(&model, &arguments.scenario)?;
    let target = arguments.out.clone().unwrap_or_else(|| PathBuf::from("out").join(&model.name));
    let directory = OutputDirectory::create(&target, arguments.tables)?;
    let read = begin.elapsed();
    let record = run_model(&model, Detail::Tables).map_err(|error| Failure::Input(format!("error: {error}")))?;
    let simulated = begin.elapsed();
    for (message, count) in &record.errors {
        say(&format!("warning: the scheduler failed {count} times: {message}"));
    }
    for (name, table) in &record.tables {
        directory.writer().table(&format!("{name}.csv"), table)?;
    }
    for (name, content) in &record.files {
        directory.writer().file(name, |out| out.write_all(content))?;
    }
    let manifest = Manifest {
        policy: Some(model.scheduling.policy.name.clone()),
        queue: Some(model.scheduling.queue.name.clone()),
        seed: model.seed.base,
        replication: model.seed.replication,
        events: record.events,
        wall_seconds: begin.elapsed().as_secs_f64(),
        ..Manifest::new(&model.name, &model.description, resolved)
    };
    directory.writer().json("manifest.json", &manifest)?;
    if model.outputs.charts {
        report::render(directory.path(), &ReportOptions::default())?;
    }
    directory.publish()?;
    match arguments.format {
        Format::Table => print(&output::summary_text(&model, &record))?,
        Format::Json => print(&output::summary_json(&model, &record))?,
    }
    say(&closing_words(&model, &record, &target, [read, simulated, begin.elapsed()]));
    Ok(())
}

fn closing_words(model: &Model, record: &RunRecord, target: &std::path::Path, at: [std::time::Duration; 3]) -> String {
    let [loaded, simulated, written] = at.map(|at| at.as_secs_f64());
    let place = if model.outputs.charts { target.join("report.html") } else { target.to_owned() };
    format!(
        "loaded in {loaded:.2} s, simulated {} events in {:.2} s, written in {:.2} s: {}",
        record.events,
        simulated - loaded,
        written - simulated,
        place.display()
    )
}

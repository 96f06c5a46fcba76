//! `wavetank validate`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, environment, say};
use crate::scenario::{ScenarioError, file_kind, load_experiment, load_scenario};

#[derive(Debug, Args)]
pub(super) struct ValidateArguments {
    /// Scenario and experiment files
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub(super) fn run(arguments: &ValidateArguments) -> Result<(), Failure> {
    let mut issues = Vec::new();
    for file in &arguments.files {
        match check(file) {
            Ok(words) => say(&format!("{}: ok: {words}", file.display())),
            Err(error) => issues.extend(error.0),
        }
    }
    if issues.is_empty() { Ok(()) } else { Err(ScenarioError(issues).into()) }
}

/// Checks one file with everything that it names, and says what it is.
fn check(file: &Path) -> Result<String, ScenarioError> {
    let environment = environment();
    if file_kind(file).as_deref() != Some("Experiment") {
        let loaded = load_scenario(file, &[], 0, &environment)?;
        loaded.warnings.iter().for_each(|warning| say(&warning.to_string()));
        let model = loaded.model;
        return Ok(format!("scenario `{}`, {} nodes", model.name, model.cluster.nodes.len()));
    }
    let experiment = load_experiment(file, &[], &environment)?;
    let cells = experiment.cells();
    for cell in &cells {
        experiment.load_cell(cell, 0, &environment)?;
    }
    let runs = cells.len() * experiment.replications as usize;
    Ok(format!("experiment `{}`, {} cells, {runs} runs", experiment.name, cells.len()))
}

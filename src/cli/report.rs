//! `wavetank report`.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, say};
use crate::report::{self, ReportOptions};

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// A result directory of `wavetank run`, `wavetank sweep` or `wavetank bench`
    directory: PathBuf,
}

pub(super) fn run(arguments: &ReportArguments) -> Result<(), Failure> {
    let directory = &arguments.directory;
    if !directory.join("manifest.json").is_file() {
        let message = format!("error: {} is not a result directory: it has no manifest.json", directory.display());
        return Err(Failure::Input(message));
    }
    let written = report::render(directory, &ReportOptions::default())?;
    say(&format!("{} files drawn: {}", written.len(), directory.join("report.html").display()));
    Ok(())
}

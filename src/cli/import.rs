//! `wavetank import`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::generate::write_trace;
use super::{Failure, say};
use crate::importers::{IMPORTERS, find};
use crate::rng::Seed;

#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// Format of the files
    format: String,
    /// The files, in the order that the format asks for
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Directory that gets nodes.csv and pods.csv, in the format of the openb trace
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn run(arguments: &ImportArguments) -> Result<(), Failure> {
    let Some(importer) = find(&arguments.format) else {
        let known: Vec<String> =
            IMPORTERS.iter().map(|row| format!("  {}  {} ({})", row.name, row.summary, row.files)).collect();
        let message = format!("error: unknown format `{}`; known formats:\n{}", arguments.format, known.join("\n"));
        return Err(Failure::Input(message));
    };
    let files: Vec<&Path> = arguments.files.iter().map(PathBuf::as_path).collect();
    let (cluster, workload) = (importer.read)(&files, Seed { base: 0, replication: 0 }).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| format!("error: {error}")).collect();
        Failure::Input(lines.join("\n"))
    })?;
    write_trace(&arguments.out, &cluster, &workload)?;
    say(&format!("{} nodes imported: {}", cluster.nodes.len(), arguments.out.display()));
    Ok(())
}

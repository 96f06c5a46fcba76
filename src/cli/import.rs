//! `wavetank import`.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use super::generate::write_trace;
use super::{Failure, say};
use crate::importers::call_graph::{self, Options, Spans};
use crate::importers::functions::{self, Recording};
use crate::importers::{IMPORTERS, ImportError, Importer, Reader, find};
use crate::results::write_atomically;
use crate::rng::Seed;
use crate::units::parse_rate;

#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// Format of the files; an unknown one lists those that are known
    format: String,
    /// The files, in the order that the format asks for
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Directory that gets nodes.csv and pods.csv, in the format of the openb trace; for call graphs and functions the scenario
    /// file
    #[arg(short, long, value_name = "PATH")]
    out: PathBuf,
    /// For call graphs: requests that enter, such as 100/s, for which backends are sized [default: as in the files, or 100/s]
    #[arg(long)]
    rate: Option<String>,
}

pub(super) fn run(arguments: &ImportArguments) -> Result<(), Failure> {
    let Some(importer) = find(&arguments.format) else {
        let known: Vec<String> = IMPORTERS.iter().map(listed).collect();
        let message = format!("error: unknown format `{}`; known formats:\n{}", arguments.format, known.join("\n"));
        return Err(Failure::Input(message));
    };
    let files: Vec<&Path> = arguments.files.iter().map(PathBuf::as_path).collect();
    match importer.read {
        Reader::Spans(read) => write_scenario(arguments, read(&files).map_err(refused)?),
        Reader::Trace(_) | Reader::Functions(_) if arguments.rate.is_some() => {
            let message = format!("error: --rate is for call graphs, which `{}` is not: leave it out", importer.name);
            Err(Failure::Input(message))
        }
        Reader::Functions(read) => write_functions(arguments, &read(&files).map_err(refused)?),
        Reader::Trace(read) => {
            let (cluster, workload) = read(&files, Seed { base: 0, replication: 0 }).map_err(refused)?;
            write_trace(&arguments.out, &cluster, &workload)?;
            say(&format!("{} nodes imported: {}", cluster.nodes.len(), arguments.out.display()));
            Ok(())
        }
    }
}

fn listed(importer: &Importer) -> String {
    let Importer { name, summary, files, read, .. } = importer;
    format!("  {name}  {summary}: from {files} to {}", read.result())
}

fn refused(errors: Vec<ImportError>) -> Failure {
    let lines: Vec<String> = errors.iter().map(|error| format!("error: {error}")).collect();
    Failure::Input(lines.join("\n"))
}

fn write_scenario(arguments: &ImportArguments, spans: Spans) -> Result<(), Failure> {
    let rate_per_second = match arguments.rate.as_deref().map(|text| (text, parse_rate(text))) {
        None => None,
        Some((_, Ok(rate))) if rate > 0.0 => Some(rate),
        Some((text, Ok(_))) => return Err(Failure::Input(format!("error: --rate: `{text}` must be more than 0"))),
        Some((_, Err(error))) => return Err(Failure::Input(format!("error: --rate: {error}"))),
    };
    let out = &arguments.out;
    if !may_be_replaced(out, call_graph::HEADING) {
        let message =
            format!("error: {} exists and is no imported call graph: name another file with --out", out.display());
        return Err(Failure::Input(message));
    }
    // Names alone: where files lie on this machine says nothing to whoever reads the scenario.
    let names = arguments.files.iter().filter_map(|file| file.file_name()).map(|name| name.to_string_lossy());
    let origin = format!("{} ({})", names.collect::<Vec<_>>().join(", "), arguments.format);
    let text = call_graph::scenario(&spans, &Options { origin, rate_per_second });
    write_atomically(out, |file| file.write_all(text.as_bytes()))?;
    say(&format!("{} traces of {} spans imported: {}", spans.traces(), spans.count(), out.display()));
    Ok(())
}

/// Writes a scenario that names the files: as they were named, from where the scenario lies.
fn write_functions(arguments: &ImportArguments, recording: &Recording) -> Result<(), Failure> {
    let out = &arguments.out;
    if !may_be_replaced(out, functions::HEADING) {
        let message = format!(
            "error: {} exists and is no imported function platform: name another file with --out",
            out.display()
        );
        return Err(Failure::Input(message));
    }
    let place = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = place(out).parent().map_or_else(PathBuf::new, Path::to_owned);
    // Beside the scenario by their names alone; from elsewhere in full.
    let named = |file: &PathBuf| {
        let file = place(file);
        file.strip_prefix(&folder).unwrap_or(&file).to_string_lossy().into_owned()
    };
    let files: Vec<String> = arguments.files.iter().map(named).collect();
    let text = functions::scenario(recording, &files);
    write_atomically(out, |file| file.write_all(text.as_bytes()))?;
    say(&format!("{} functions with {} calls imported: {}", recording.functions, recording.calls, out.display()));
    Ok(())
}

/// Whether there is nothing at a path that an import could destroy.
fn may_be_replaced(path: &Path, heading: &str) -> bool {
    if !path.is_file() {
        return !path.is_dir();
    }
    let mut start = Vec::new();
    let length = heading.len() as u64;
    let read = std::fs::File::open(path).and_then(|file| file.take(length).read_to_end(&mut start));
    read.is_ok() && start == heading.as_bytes()
}

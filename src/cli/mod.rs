//! The command line: thin, one file a command.
//!
//! Data goes to stdout or files, words for people to stderr. Exit status: 0 ok, 1 the run or the gate failed, 2 the
//! input is wrong.

mod bench;
mod compare;
mod explain;
mod extenders;
mod generate;
mod import;
mod output;
mod policies;
mod report;
mod run;
mod schema;
mod sweep;
mod validate;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::scenario::{Environment, Override, ScenarioError};

/// Simulate Kubernetes-style clusters and compare scheduling policies on them.
#[derive(Debug, Parser)]
#[command(name = "wavetank", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one scenario: a table on the terminal; CSV files, charts and a report in a directory
    Run(run::RunArguments),
    /// Run an experiment: every combination of its factors, several times, in parallel
    Sweep(sweep::SweepArguments),
    /// Compare two result directories
    Compare(compare::CompareArguments),
    /// Draw charts and report of a result directory again
    Report(report::ReportArguments),
    /// Generate a synthetic workload
    Generate(generate::GenerateArguments),
    /// Read a public trace, check it, and write it as nodes.csv and pods.csv, or a call graph as a scenario
    Import(import::ImportArguments),
    /// Check files, and say everything that is wrong with them
    Validate(validate::ValidateArguments),
    /// List policies with their parameters, units, defaults and sources
    Policies(policies::PoliciesArguments),
    /// Say why a pod went where it went, or why it waits
    Explain(explain::ExplainArguments),
    /// Measure the speed of scheduling policies on named workloads, and compare two programs
    Bench(bench::BenchArguments),
    /// Print the JSON Schema of the file formats
    Schema(schema::SchemaArguments),
}

/// Why a command ended early.
#[derive(Debug)]
enum Failure {
    /// The input is wrong.
    Input(String),
    /// The run or the gate failed.
    Run(String),
}

impl From<ScenarioError> for Failure {
    fn from(error: ScenarioError) -> Failure {
        let count = error.0.len();
        let problems = if count == 1 { "problem" } else { "problems" };
        Failure::Input(format!("{error}\n{count} {problems} found; nothing was run"))
    }
}

impl From<crate::results::WriteError> for Failure {
    fn from(error: crate::results::WriteError) -> Failure {
        Failure::Run(format!("error: {error}"))
    }
}

impl From<crate::report::ReportError> for Failure {
    fn from(error: crate::report::ReportError) -> Failure {
        Failure::Run(format!("error: {error}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::Run(format!("error: {error}"))
    }
}

/// Parses the arguments, runs the command, and gives the exit status.
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Sweep(arguments) => sweep::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Policies(arguments) => policies::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Input(message)) => {
            say(&message);
            ExitCode::from(2)
        }
        Err(Failure::Run(message)) => {
            say(&message);
            ExitCode::from(1)
        }
    }
}

/// Words for people. A closed stderr is nobody's problem.
fn say(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

/// Data. A closed pipe (`wavetank policies | head`) ends the output quietly.
fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// What files may see of the world outside: the only look at the environment.
fn environment() -> Environment {
    Environment { data_directory: std::env::var_os("WAVETANK_DATA").map(PathBuf::from) }
}

/// Reads `--set` and `--seed`.
fn overrides(set: &[String], seed: Option<u64>) -> Result<Vec<Override>, Failure> {
    let seed = seed.map(|seed| format!("seed={seed}"));
    let mut issues = Vec::new();
    let mut overrides = Vec::new();
    for (text, origin) in set.iter().map(|text| (text, "--set")).chain(seed.iter().map(|text| (text, "--seed"))) {
        match Override::parse(text, origin) {
            Ok(change) => overrides.push(change),
            Err(issue) => issues.push(issue),
        }
    }
    if issues.is_empty() { Ok(overrides) } else { Err(ScenarioError(issues).into()) }
}

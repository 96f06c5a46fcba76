//! `wavetank bench`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};

use super::output::{OutputDirectory, Tables};
use super::{Failure, print, say};
use crate::bench::compare::{Comparison, RUNS_MIN, compare_pairs, compare_with_baseline};
use crate::bench::measure::{Case, measure};
use crate::bench::suite::{CaseRuns, Suite, SuiteError, measure_case, measure_pairs};
use crate::bench::workloads::{self, DEFAULT_POLICY, WORKLOADS};
use crate::bench::{suite, tables};
use crate::policy::scheduler::{self, SCHEDULERS};
use crate::report::{self, ReportOptions};
use crate::results::{Manifest, Table};

#[derive(Debug, Args)]
pub(super) struct BenchArguments {
    /// Workloads to measure; none: all
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    /// Lists the workloads with their sizes and sources, and measures nothing
    #[arg(long)]
    list: bool,
    /// Scheduling policy to measure; can be given several times
    #[arg(long = "policy", value_name = "NAME", default_value = DEFAULT_POLICY)]
    policies: Vec<String>,
    /// Nodes of each workload (default: upstream's); pods follow in proportion
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    nodes: Option<u32>,
    /// Measured pods of each workload (default: upstream's, in proportion to the nodes)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pods: Option<u32>,
    /// How often each case is measured; the table shows medians
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// How the figures are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Writes bench.csv, bench.json with every run, charts and a report into a directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Measures another wavetank program in turn with this one, and compares
    #[arg(long, value_name = "OTHER_BINARY", conflicts_with = "baseline")]
    against: Option<PathBuf>,
    /// Measures again what a bench.json holds, corrects for the machine, and compares
    #[arg(long, value_name = "FILE", conflicts_with_all = ["workloads", "policies", "nodes", "pods"])]
    baseline: Option<PathBuf>,
    /// Slowdown in percent beyond which a comparison fails
    #[arg(long, value_name = "PERCENT", default_value = "5", value_parser = percent)]
    limit: f64,
    /// Measures one case, given as JSON, in this process
    #[arg(long, value_name = "CASE", hide = true)]
    one: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people
    Table,
    /// JSON for programs, with every run
    Json,
    /// CSV for programs, medians
    Csv,
}

fn percent(text: &str) -> Result<f64, String> {
    let value: f64 = text.trim_end_matches('%').trim().parse().map_err(|_| "it should be a number of percent")?;
    if (0.0..100.0).contains(&value) { Ok(value) } else { Err("it should be from 0 to less than 100".to_owned()) }
}

/// What a whole invocation found.
struct Found {
    cases: Vec<CaseRuns>,
    /// The runs of the other program.
    other: Vec<CaseRuns>,
    comparisons: Vec<Comparison>,
}

pub(super) fn run(arguments: &BenchArguments) -> Result<(), Failure> {
    if let Some(case) = &arguments.one {
        return measure_one(case);
    }
    if arguments.list {
        return print(&listing());
    }
    let compares = arguments.against.is_some() || arguments.baseline.is_some();
    if compares && arguments.runs < RUNS_MIN {
        return Err(Failure::Input(format!("error: a comparison needs at least --runs {RUNS_MIN}")));
    }
    let baseline = arguments.baseline.as_deref().map(read_baseline).transpose()?;
    let cases = match &baseline {
        Some(suite) => suite.cases.iter().map(|runs| runs.case.clone()).collect(),
        None => chosen_cases(arguments)?,
    };
    for case in &cases {
        check(case)?;
    }
    let begin = Instant::now();
    let directory = arguments.out.as_deref().map(|out| OutputDirectory::create(out, Tables::Csv)).transpose()?;
    let found = measure_all(arguments, &cases, baseline.as_ref())?;
    print(&printed(&found, arguments.format)?)?;
    if let Some(directory) = directory {
        write_results(&directory, &found, begin)?;
        directory.publish()?;
    }
    verdict(&found.comparisons, arguments.limit)
}

/// The case of the hidden option `--one`: JSON in, JSON out.
fn measure_one(case: &str) -> Result<(), Failure> {
    let case: Case = serde_json::from_str(case).map_err(|error| Failure::Input(format!("error: --one: {error}")))?;
    let measurement = measure(&case).map_err(|error| Failure::Input(format!("error: {error}")))?;
    print(&format!("{}\n", serde_json::json!(measurement)))
}

fn listing() -> String {
    let mut text = String::new();
    let width = WORKLOADS.iter().map(|row| row.name.len()).max().unwrap_or(0);
    for row in WORKLOADS {
        let size = row.defaults;
        text.push_str(&format!(
            "{:width$}  {}\n{:width$}  {} nodes, {} initial and {} measured pods; after scheduler_perf, {}\n",
            row.name, row.summary, "", size.nodes, size.initial, size.measured, row.source
        ));
    }
    text
}

fn chosen_cases(arguments: &BenchArguments) -> Result<Vec<Case>, Failure> {
    let rows = match arguments.workloads.as_slice() {
        [] => WORKLOADS.iter().collect(),
        names => names.iter().map(|name| find_workload(name)).collect::<Result<Vec<_>, _>>()?,
    };
    let cases = rows.into_iter().flat_map(|row| {
        let size = row.size(arguments.nodes, arguments.pods);
        arguments.policies.iter().map(move |policy| Case {
            workload: row.name.to_owned(),
            policy: policy.clone(),
            nodes: size.nodes,
            initial_pods: size.initial,
            pods: size.measured,
        })
    });
    Ok(cases.collect())
}

fn find_workload(name: &str) -> Result<&'static workloads::BenchWorkload, Failure> {
    workloads::find(name).ok_or_else(|| unknown("workload", name, WORKLOADS.iter().map(|row| row.name)))
}

/// Wrong names are found before anything is measured.
fn check(case: &Case) -> Result<(), Failure> {
    find_workload(&case.workload)?;
    match scheduler::find(&case.policy) {
        Some(_) => Ok(()),
        None => Err(unknown("scheduler policy", &case.policy, SCHEDULERS.iter().map(|row| row.name))),
    }
}

fn unknown(what: &str, name: &str, known: impl Iterator<Item = &'static str>) -> Failure {
    let nearest = known.max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    let hint = nearest.map_or(String::new(), |nearest| format!("\nhint: did you mean `{nearest}`?"));
    Failure::Input(format!("error: there is no {what} called `{name}`{hint}"))
}

fn read_baseline(path: &Path) -> Result<Suite, Failure> {
    let wrong = |what: String| Failure::Input(format!("error: {}: {what}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let suite: Suite = serde_json::from_str(&text).map_err(|error| wrong(format!("is no bench.json: {error}")))?;
    if suite.cases.is_empty() {
        return Err(wrong("holds no cases".to_owned()));
    }
    match suite.cases.iter().find(|runs| runs.runs.len() < RUNS_MIN as usize) {
        Some(runs) => Err(wrong(format!("`{}` has fewer than {RUNS_MIN} runs", runs.case.workload))),
        None => Ok(suite),
    }
}

fn measure_all(arguments: &BenchArguments, cases: &[Case], baseline: Option<&Suite>) -> Result<Found, Failure> {
    let own = std::env::current_exe()?;
    let mut found = Found { cases: Vec::new(), other: Vec::new(), comparisons: Vec::new() };
    let limit = arguments.limit / 100.0;
    for (position, case) in cases.iter().enumerate() {
        say(&format!("{} of {}: {} under {}", position + 1, cases.len(), case.workload, case.policy));
        let runs = match &arguments.against {
            Some(other) => {
                let [runs, base] = measure_pairs(&own, other, case, arguments.runs)?;
                found.comparisons.push(compare_pairs(&base, &runs, limit));
                found.other.push(base);
                runs
            }
            None => measure_case(&own, case, arguments.runs)?,
        };
        if let Some(suite) = baseline {
            found.comparisons.push(compare_with_baseline(&suite.cases[position], &runs, limit));
        }
        found.cases.push(runs);
    }
    Ok(found)
}

impl From<SuiteError> for Failure {
    fn from(error: SuiteError) -> Failure {
        match error {
            SuiteError::Start { .. } => Failure::Input(format!("error: {error}")),
            _ => Failure::Run(format!("error: {error}")),
        }
    }
}

fn printed(found: &Found, format: Format) -> Result<String, Failure> {
    let compared = !found.comparisons.is_empty();
    match format {
        Format::Table => {
            let mut text = tables::suite_text(&found.cases);
            if compared {
                text.push('\n');
                text.push_str(&tables::comparison_text(&found.comparisons));
            }
            Ok(text)
        }
        Format::Json => {
            let mut value = serde_json::json!(suite::Suite::new(found.cases.clone()));
            if compared {
                value = serde_json::json!({ "suite": value, "comparisons": found.comparisons });
            }
            Ok(format!("{value:#}\n"))
        }
        Format::Csv if compared => csv(&tables::comparison_table(&found.comparisons)),
        Format::Csv => csv(&tables::suite_table(&found.cases)),
    }
}

fn csv(table: &Table) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    table.write_csv(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write_results(directory: &OutputDirectory, found: &Found, begin: Instant) -> Result<(), Failure> {
    let writer = directory.writer();
    let suite = Suite::new(found.cases.clone());
    writer.table("bench.csv", &tables::suite_table(&found.cases))?;
    writer.json("bench.json", &suite)?;
    if !found.comparisons.is_empty() {
        writer.table("bench_comparisons.csv", &tables::comparison_table(&found.comparisons))?;
    }
    if !found.other.is_empty() {
        writer.table("bench_other.csv", &tables::suite_table(&found.other))?;
    }
    let cases: Vec<&Case> = found.cases.iter().map(|runs| &runs.case).collect();
    let manifest = Manifest {
        wall_seconds: begin.elapsed().as_secs_f64(),
        ..Manifest::new("bench", "Speed of scheduling policies on named workloads.", serde_json::json!(cases))
    };
    writer.json("manifest.json", &manifest)?;
    report::render(directory.path(), &ReportOptions::default())?;
    Ok(())
}

fn verdict(comparisons: &[Comparison], limit: f64) -> Result<(), Failure> {
    for row in comparisons.iter().filter(|row| !row.same_placements) {
        say(&format!("warning: {} under {} decides differently", row.case.workload, row.case.policy));
    }
    match comparisons.iter().filter(|row| row.slower).count() {
        0 => Ok(()),
        count => Err(Failure::Run(format!("{count} of {} slower by more than {limit} %", comparisons.len()))),
    }
}

//! `wavetank compare`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::output::figure;
use super::{Failure, print, say};
use crate::experiment::{Comparison, Gate, compare};
use crate::observe::summary::direction;
use crate::stats::Verdict;

#[derive(Debug, Args)]
pub(super) struct CompareArguments {
    /// The result directory that the other is held against
    base: PathBuf,
    /// The result directory to judge
    other: PathBuf,
    /// Exit with status 1 when a metric moved further than this, such as wait_ms_p99:+5% or gpu_allocated_pct:-1
    #[arg(long, value_name = "METRIC:LIMIT", allow_hyphen_values = true)]
    fail_on: Vec<String>,
    /// Show metrics that did not move, too
    #[arg(long)]
    all: bool,
}

pub(super) fn run(arguments: &CompareArguments) -> Result<(), Failure> {
    let input = |error: &dyn std::fmt::Display| Failure::Input(format!("error: {error}"));
    let gates: Vec<Gate> =
        arguments.fail_on.iter().map(|text| text.parse()).collect::<Result<_, _>>().map_err(|error| input(&error))?;
    let comparison = compare(&arguments.base, &arguments.other, &direction).map_err(|error| input(&error))?;
    // All limits are checked before a word is printed: a misspelt metric is wrong input, and wrong input has no output.
    let results: Vec<_> =
        gates.iter().map(|gate| comparison.check(gate)).collect::<Result<_, _>>().map_err(|error| input(&error))?;
    print(&table(&comparison, arguments.all))?;
    let mut failed = 0;
    for result in results {
        failed += usize::from(!result.passed);
        say(&format!("{}: {}", if result.passed { "passed" } else { "FAILED" }, result.message));
    }
    match failed {
        0 => Ok(()),
        count => Err(Failure::Run(format!("{count} of {} limits broken", gates.len()))),
    }
}

fn table(comparison: &Comparison, all: bool) -> String {
    let mut text = format!("{:44}{:>14}{:>14}{:>14}{:>11}\n", "metric", "base", "other", "difference", "percent");
    let mut hidden = 0;
    for row in &comparison.rows {
        let difference = row.difference.difference.mean;
        if !all && (difference == 0.0 || difference.is_nan()) {
            hidden += 1;
            continue;
        }
        let label = row.labels.iter().chain([&row.metric]).map(String::as_str).collect::<Vec<_>>().join(" ");
        let percent = row.difference_pct();
        let percent = if percent.is_nan() { String::new() } else { format!("{percent:+.2} %") };
        let values = [row.base_mean, row.other_mean, difference].map(figure);
        let _ = write!(text, "{label:44}{:>14}{:>14}{:>14}{percent:>11}", values[0], values[1], values[2]);
        let verdict = row.difference.verdict;
        let verdict = if verdict == Verdict::Undecided { String::new() } else { format!("  {}", verdict.as_str()) };
        text.push_str(&verdict);
        text.push('\n');
    }
    if hidden > 0 {
        let _ = writeln!(text, "{hidden} metrics did not move (--all shows them)");
    }
    for (which, labels) in [("base", &comparison.only_base), ("other", &comparison.only_other)] {
        for labels in labels {
            let _ = writeln!(text, "only in {which}: {}", labels.join(" "));
        }
    }
    text
}

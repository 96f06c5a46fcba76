//! `wavetank policies`.

use std::fmt::Write as _;

use clap::Args;

use super::{Failure, print};
use crate::policy::Parameter;
use crate::policy::queue::QUEUE_ORDERS;
use crate::policy::scheduler::SCHEDULERS;
use crate::scenario::suggestion;

#[derive(Debug, Args)]
pub(super) struct PoliciesArguments {
    /// Show only the policy of this name, in full
    name: Option<String>,
}

struct Row {
    kind: &'static str,
    name: &'static str,
    summary: &'static str,
    source: &'static str,
    parameters: &'static [Parameter],
}

fn rows() -> Vec<Row> {
    let schedulers = SCHEDULERS.iter().map(|row| Row {
        kind: "scheduler",
        name: row.name,
        summary: row.summary,
        source: row.source,
        parameters: row.parameters,
    });
    let queues = QUEUE_ORDERS.iter().map(|row| Row {
        kind: "queue",
        name: row.name,
        summary: row.summary,
        source: row.source,
        parameters: row.parameters,
    });
    schedulers.chain(queues).collect()
}

pub(super) fn run(arguments: &PoliciesArguments) -> Result<(), Failure> {
    let rows = rows();
    let mut text = String::new();
    match &arguments.name {
        None => {
            let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
            let mut kind = "";
            for row in &rows {
                if row.kind != kind {
                    kind = row.kind;
                    let key = if kind == "scheduler" { "scheduler.policy" } else { "scheduler.queue" };
                    let blank = if text.is_empty() { "" } else { "\n" };
                    let _ = writeln!(text, "{blank}{kind} policies ({key} in a scenario)");
                }
                let _ = writeln!(text, "  {:width$}  {}", row.name, row.summary);
            }
        }
        Some(name) => {
            let Some(row) = rows.iter().find(|row| row.name == name) else {
                let names: Vec<&str> = rows.iter().map(|row| row.name).collect();
                let hint = suggestion(name, &names, "the policies are");
                return Err(Failure::Input(format!("error: there is no policy called `{name}`\nhint: {hint}")));
            };
            describe(row, &mut text);
        }
    }
    print(&text)
}

fn describe(row: &Row, text: &mut String) {
    let _ =
        writeln!(text, "{} ({} policy)\n\n  takes    {}\n  source   {}", row.name, row.kind, row.summary, row.source);
    if row.parameters.is_empty() {
        let _ = writeln!(text, "  no parameters");
        return;
    }
    let _ = writeln!(text, "  parameters");
    for parameter in row.parameters {
        let unit = if parameter.unit.is_empty() { String::new() } else { format!(" {}", parameter.unit) };
        let _ = writeln!(text, "    {}: {} (default {}{unit})", parameter.name, parameter.meaning, parameter.default);
    }
}

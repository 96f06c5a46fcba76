//! `wavetank policies`.

use std::fmt::Write as _;

use clap::Args;

use super::{Failure, print};
use crate::policy::Parameter;
use crate::policy::autoscaler::AUTOSCALERS;
use crate::policy::autoscaler::vertical::table::SIZINGS;
use crate::policy::balancer::BALANCERS;
use crate::policy::deferral::DEFERRALS;
use crate::policy::node_autoscaler::NODE_AUTOSCALERS;
use crate::policy::queue::QUEUE_ORDERS;
use crate::policy::scheduler::SCHEDULERS;
use crate::policy::scheduler::kube::own_policies;
use crate::scenario::suggestion;

#[derive(Debug, Args)]
pub(super) struct PoliciesArguments {
    /// Show only the policy of this name, in full
    name: Option<String>,
}

struct Row {
    kind: &'static str,
    name: &'static str,
    aliases: &'static [&'static str],
    summary: &'static str,
    source: &'static str,
    /// Its name as a plug-in of kube-scheduler, if it is one.
    plugin: Option<String>,
    parameters: &'static [Parameter],
}

/// A row without other names that is no plug-in.
fn row(
    kind: &'static str,
    name: &'static str,
    (summary, source): (&'static str, &'static str),
    parameters: &'static [Parameter],
) -> Row {
    Row { kind, name, aliases: &[], summary, source, plugin: None, parameters }
}

fn rows() -> Vec<Row> {
    let schedulers = SCHEDULERS.iter().map(|one| Row {
        plugin: own_policies::plugin_name(one),
        ..row("scheduler", one.name, (one.summary, one.source), one.parameters)
    });
    let queues = QUEUE_ORDERS.iter().map(|one| row("queue", one.name, (one.summary, one.source), one.parameters));
    let balancers = BALANCERS.iter().map(|one| Row {
        aliases: one.aliases,
        ..row("balancer", one.name, (one.summary, one.source), one.parameters)
    });
    let autoscalers = AUTOSCALERS.iter().map(|one| Row {
        aliases: one.aliases,
        ..row("autoscaler", one.name, (one.summary, one.source), one.parameters)
    });
    let node_autoscalers = NODE_AUTOSCALERS.iter().map(|one| Row {
        aliases: one.aliases,
        ..row("node autoscaler", one.name, (one.summary, one.source), one.parameters)
    });
    let sizings = SIZINGS.iter().map(|one| row("sizing", one.name, (one.summary, one.source), one.parameters));
    let deferrals = DEFERRALS.iter().map(|one| row("deferral", one.name, (one.summary, one.source), one.parameters));
    let of_pods = autoscalers.chain(sizings).chain(deferrals);
    schedulers.chain(queues).chain(balancers).chain(of_pods).chain(node_autoscalers).collect()
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
                    let place = match kind {
                        "scheduler" => "scheduler.policy in a scenario",
                        "queue" => "scheduler.queue in a scenario",
                        "deferral" => "when pods start that can wait: carbon.deferrable[].policy",
                        "balancer" => "how requests for a service find a backend",
                        "sizing" => "how large containers are: autoscaling.verticalAutoscalers[].policy, sizing.policy",
                        "autoscaler" => "how many replicas a workload has: autoscaling.autoscalers[].policy",
                        _ => "which machines there are: provisioning.autoscalers[].policy",
                    };
                    let blank = if text.is_empty() { "" } else { "\n" };
                    let _ = writeln!(text, "{blank}{kind} policies ({place})");
                }
                let _ = writeln!(text, "  {:width$}  {}", row.name, row.summary);
            }
        }
        Some(name) => {
            // A scheduler and a balancer may share a name.
            for row in rows.iter().filter(|row| row.name == name || row.aliases.contains(&name.as_str())) {
                let blank = if text.is_empty() { "" } else { "\n" };
                text.push_str(blank);
                describe(row, &mut text);
            }
            if text.is_empty() {
                let names: Vec<&str> = rows.iter().map(|row| row.name).collect();
                let hint = suggestion(name, &names, "the policies are");
                return Err(Failure::Input(format!("error: there is no policy called `{name}`\nhint: {hint}")));
            }
        }
    }
    print(&text)
}

fn describe(row: &Row, text: &mut String) {
    let _ =
        writeln!(text, "{} ({} policy)\n\n  takes    {}\n  source   {}", row.name, row.kind, row.summary, row.source);
    if !row.aliases.is_empty() {
        let _ = writeln!(text, "  aliases  {}", row.aliases.join(", "));
    }
    if let Some(plugin) = &row.plugin {
        let _ = writeln!(text, "  plug-in  {plugin}, at score and reserve of a KubeSchedulerConfiguration");
    }
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

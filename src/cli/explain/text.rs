//! The explanation for people.

use std::cmp::Reverse;
use std::fmt::Write as _;

use super::watcher::{Attempt, Loss, Story, Wanted};
use crate::ids::{NodeId, PodId};
use crate::observe::tables::{gpu_list, pod_names};
use crate::policy::scheduler::{Explanation, Placement, Verdict};
use crate::world::View;
use crate::world::pods::Reason;

/// The list of attempts shows so many at its beginning and its end.
const ATTEMPTS_SHOWN: usize = 10;

/// Everything that is to be said, with at most `rows` rows a table.
pub(super) fn text(view: &View<'_>, story: &Story<'_>, rows: usize) -> String {
    let policy = &view.model.scheduling.policy.name;
    let mut text = format!("pod {} under policy {policy}\n", pod_name(view, story.pod));
    text.push_str(&course(view, story));
    story.losses.iter().for_each(|loss| text.push_str(&loss_in_words(view, loss)));
    if story.attempts.len() > 1 {
        text.push_str(&list(view, story.attempts));
    }
    match (story.shown, story.attempts.first()) {
        (Some((number, explanation)), _) => {
            let attempt = &story.attempts[number];
            let mut seen = String::new();
            if story.attempts.len() > 1 {
                let _ = write!(seen, "\nattempt {} ", number + 1);
            }
            seen.push_str(&outcome(view, attempt, explanation));
            text.push_str(&seen);
            text.push_str(&rejections(view, explanation, rows));
            text.push_str(&scores(view, explanation, attempt.placement.map(|placement| placement.node), rows));
        }
        (None, Some(first)) => {
            let _ = match story.asked_for {
                Wanted::UpTo(time) => {
                    writeln!(text, "at {time} s it had not been tried; the first attempt is at {} s", first.time)
                }
                Wanted::Attempt(number) => writeln!(text, "there is no attempt {number}"),
                Wanted::Last => Ok(()),
            };
        }
        (None, None) => text.push_str(&untried(view, story.pod)),
    }
    text
}

pub(super) fn pod_name(view: &View<'_>, pod: PodId) -> String {
    pod_names(view, std::iter::once(pod)).get(0).to_owned()
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// What became of the pod.
fn course(view: &View<'_>, story: &Story<'_>) -> String {
    let (pods, i) = (&view.world.pods, story.pod.index());
    let mut text = format!("arrived at {} s; at the end it is {}", pods.arrival[i], pods.phase[i].name());
    if let Some(node) = pods.node(story.pod) {
        let _ = write!(text, " on {}", view.world.nodes.name(node));
    }
    if let Some(node) = view.world.nominated.get(&story.pod) {
        let _ = write!(text, ", and {} is promised to it", view.world.nodes.name(*node));
    }
    text.push('\n');
    text
}

fn loss_in_words(view: &View<'_>, loss: &Loss) -> String {
    let node = loss.node.map_or("", |node| view.world.nodes.name(node));
    let why = match (loss.preemptor, loss.reason) {
        (Some(preemptor), _) => format!("preempted, to make room for {}", pod_name(view, preemptor)),
        (None, Reason::NodeDrained) => "the node was drained".to_owned(),
        (None, Reason::NodeRemoved) => "the node left the cluster".to_owned(),
        (None, Reason::NodeCrashed) => "the node crashed".to_owned(),
        (None, other) => other.name().to_owned(),
    };
    format!("lost {node} at {} s: {why}\n", loss.time)
}

/// Why there is no attempt at all.
fn untried(view: &View<'_>, pod: PodId) -> String {
    let class = view.class_of(pod);
    let gates = &class.spec.scheduling_gates;
    if view.world.pods.last_node(pod).is_some() {
        return "it came with a node, so that no scheduler looked at it\n".to_owned();
    }
    if gates.is_empty() {
        return "it has not been tried\n".to_owned();
    }
    format!("it has not been tried: its scheduling gates are {}\n", gates.join(", "))
}

/// One line an attempt, and one more where others had to go for the pod.
fn list(view: &View<'_>, attempts: &[Attempt]) -> String {
    let mut text = format!("\n{}\n", count(attempts.len(), "attempt"));
    for (number, attempt) in attempts.iter().enumerate() {
        if number == ATTEMPTS_SHOWN && attempts.len() > 2 * ATTEMPTS_SHOWN {
            let _ = writeln!(text, "       ... {} more", attempts.len() - 2 * ATTEMPTS_SHOWN);
        }
        if number >= ATTEMPTS_SHOWN && number + ATTEMPTS_SHOWN < attempts.len() {
            continue;
        }
        let is_after_gap = attempts.len() > 2 * ATTEMPTS_SHOWN && number + ATTEMPTS_SHOWN == attempts.len();
        let is_repeated = number > 0 && !is_after_gap;
        let what = match &attempt.placement {
            Some(placement) => format!("placed on {}", place(view, placement)),
            None if is_repeated && attempts[number - 1].message == attempt.message => "the same".to_owned(),
            None => attempt.message.clone(),
        };
        let _ = writeln!(text, "{:>4}  at {} s: {what}", number + 1, attempt.time);
        if let Some(nomination) = &attempt.nomination {
            let _ = write!(text, "      {}", nomination_in_words(view, nomination));
        }
    }
    text
}

fn place(view: &View<'_>, placement: &Placement) -> String {
    let mut text = view.world.nodes.name(placement.node).to_owned();
    if placement.gpus != 0 {
        let _ = write!(text, ", GPU {}", gpu_list(placement.gpus));
    }
    text
}

/// What the attempt came to.
fn outcome(view: &View<'_>, attempt: &Attempt, explanation: &Explanation) -> String {
    let mut text = format!("at {} s: ", attempt.time);
    let Some(placement) = &attempt.placement else {
        let _ = writeln!(text, "{}", attempt.message);
        if let Some(nomination) = &attempt.nomination {
            text.push_str(&nomination_in_words(view, nomination));
        }
        return text;
    };
    let _ = write!(text, "placed on {}", place(view, placement));
    let (nodes, feasible) = (explanation.nodes.len(), explanation.feasible());
    let unexamined = explanation.nodes.iter().filter(|(_, verdict)| *verdict == Verdict::NotExamined).count();
    let _ = write!(text, "; {feasible} of {nodes} nodes passed the filters");
    if explanation.nominated.is_some_and(|node| node == placement.node) && feasible == 1 && unexamined > 0 {
        text.push_str(", and as it was promised to the pod, no other was looked at");
    } else if unexamined > 0 {
        let _ = write!(text, ", which was enough: {unexamined} were not looked at");
    }
    if let Some(best) = explanation.totals.iter().max() {
        let ties = explanation.totals.iter().filter(|total| *total == best).count();
        let _ = match ties {
            1 => write!(text, ", and it has the best score, {best}"),
            _ => write!(text, "; {ties} share the best score, {best}, and {}", explanation.tie_break),
        };
    }
    text.push('\n');
    text
}

fn nomination_in_words(view: &View<'_>, nomination: &crate::policy::scheduler::kube::Nomination) -> String {
    let victims: Vec<String> = nomination.victims.iter().map(|&victim| pod_name(view, victim)).collect();
    let mut text = format!(
        "preemption: {} is promised to it, and {} of lower priority had to go: {}",
        view.world.nodes.name(nomination.node),
        count(victims.len(), "pod"),
        victims.join(", ")
    );
    if nomination.pdb_violations > 0 {
        let _ = write!(text, "; against a disruption budget: {}", nomination.pdb_violations);
    }
    text.push('\n');
    text
}

/// The nodes that did not pass, and why.
fn rejections(view: &View<'_>, explanation: &Explanation, rows: usize) -> String {
    let rejected: Vec<[String; 3]> = explanation
        .nodes
        .iter()
        .filter_map(|(node, verdict)| match verdict {
            Verdict::Rejected(rejection) => {
                Some([view.world.nodes.name(*node).to_owned(), rejection.plugin.to_string(), rejection.message()])
            }
            Verdict::Feasible | Verdict::NotExamined => None,
        })
        .collect();
    if rejected.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{} of {} nodes did not pass\n", rejected.len(), explanation.nodes.len());
    let width = |column: usize| {
        rejected[..rows.min(rejected.len())].iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    };
    let (first, second) = (width(0), width(1));
    for [node, plugin, reasons] in rejected.iter().take(rows) {
        let plugin = if second == 0 { String::new() } else { format!("  {plugin:second$}") };
        let _ = writeln!(text, "  {node:first$}{plugin}  {reasons}");
    }
    text.push_str(&left_out(rejected.len(), rows));
    text
}

fn left_out(found: usize, rows: usize) -> String {
    if found <= rows {
        return String::new();
    }
    format!("  ... and {} more; --nodes {found} shows all\n", found - rows)
}

/// One column of the table of scores.
struct Column<'e> {
    name: &'e str,
    weight: String,
    values: Vec<i64>,
}

/// The scores of the nodes that passed, the best first.
fn scores(view: &View<'_>, explanation: &Explanation, chosen: Option<NodeId>, rows: usize) -> String {
    if explanation.totals.is_empty() {
        return String::new();
    }
    let mut columns: Vec<Column<'_>> = Vec::new();
    let mut silent = Vec::new();
    for plugin in &explanation.scores {
        let values: Vec<i64> = plugin.normalised.iter().map(|score| score * plugin.weight).collect();
        match values.iter().all(|value| *value == 0) {
            true => silent.push(plugin.plugin.as_str()),
            false => columns.push(Column { name: &plugin.plugin, weight: format!("x {}", plugin.weight), values }),
        }
    }
    if !explanation.extender_scores.is_empty() {
        columns.push(Column { name: "Extenders", weight: String::new(), values: explanation.extender_scores.clone() });
    }
    let name = if columns.is_empty() { "Score" } else { "Total" };
    columns.push(Column { name, weight: String::new(), values: explanation.totals.clone() });
    let mut order: Vec<usize> = (0..explanation.scored.len()).collect();
    order.sort_by_key(|&at| (Reverse(explanation.totals[at]), Some(explanation.scored[at]) != chosen, at));
    let found = order.len();
    order.truncate(rows);
    let weighted = if explanation.scores.is_empty() { "" } else { ", each times the plug-in's weight" };
    let mut text = format!("\nscores of the {}{weighted}\n", count(found, "feasible node"));
    text.push_str(&table(view, explanation, chosen, &columns, &order));
    text.push_str(&left_out(found, rows));
    if !silent.is_empty() {
        let _ = writeln!(text, "  0 everywhere: {}", silent.join(", "));
    }
    text
}

fn table(
    view: &View<'_>,
    explanation: &Explanation,
    chosen: Option<NodeId>,
    columns: &[Column<'_>],
    order: &[usize],
) -> String {
    let headings: Vec<Vec<String>> = columns.iter().map(|column| heading(column)).collect();
    let height = headings.iter().map(Vec::len).max().unwrap_or(0);
    let name = |at: usize| view.world.nodes.name(explanation.scored[at]);
    let first = order.iter().map(|&at| name(at).chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = columns
        .iter()
        .zip(&headings)
        .map(|(column, heading)| {
            let values = order.iter().map(|&at| column.values[at].to_string().len());
            heading.iter().map(String::len).chain(values).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in 0..height {
        let mut row = format!("  {:first$}", "");
        for (heading, &width) in headings.iter().zip(&widths) {
            // Words stand at the bottom, above the figures.
            let word = (line + heading.len()).checked_sub(height).map_or("", |at| heading[at].as_str());
            let _ = write!(row, "  {word:>width$}");
        }
        let _ = writeln!(text, "{}", row.trim_end());
    }
    for &at in order {
        let mark = if Some(explanation.scored[at]) == chosen { '*' } else { ' ' };
        let _ = write!(text, "{mark} {:first$}", name(at));
        for (column, &width) in columns.iter().zip(&widths) {
            let _ = write!(text, "  {:>width$}", column.values[at]);
        }
        text.push('\n');
    }
    text
}

/// `NodeResourcesFit` word by word, then the weight, one below the other, so that columns stay narrow.
fn heading(column: &Column<'_>) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for character in column.name.chars() {
        match words.last_mut() {
            Some(word) if !character.is_uppercase() => word.push(character),
            _ => words.push(character.to_string()),
        }
    }
    if !column.weight.is_empty() {
        words.push(column.weight.clone());
    }
    words
}

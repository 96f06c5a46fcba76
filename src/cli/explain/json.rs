//! The explanation for programs.

use serde_json::{Map, Value, json};

use super::text::pod_name;
use super::watcher::{Attempt, Loss, Story};
use crate::ids::NodeId;
use crate::observe::tables::gpu_list;
use crate::policy::scheduler::kube::Code;
use crate::policy::scheduler::{Explanation, Verdict};
use crate::world::View;

/// Everything there is, as one object.
pub(super) fn json(view: &View<'_>, story: &Story<'_>) -> String {
    let (pods, i) = (&view.world.pods, story.pod.index());
    let class = view.class_of(story.pod);
    let name = |node: Option<NodeId>| node.map(|node| view.world.nodes.name(node));
    let numbered = |(number, attempt): (usize, &Attempt)| attempt_json(view, number, attempt);
    let explained = story.shown.map(|(number, explanation)| {
        let chosen = story.attempts[number].placement.map(|placement| placement.node);
        explanation_json(view, number, explanation, chosen)
    });
    let value = json!({
        "pod": pod_name(view, story.pod),
        "template": class.template,
        "namespace": class.spec.namespace,
        "priority": class.priority,
        "policy": view.model.scheduling.policy.name,
        "arrivalSeconds": pods.arrival[i].as_seconds(),
        "phase": pods.phase[i].name(),
        "reason": pods.reason[i].name(),
        "node": name(pods.node(story.pod)),
        "nominatedNode": name(view.world.nominated.get(&story.pod).copied()),
        "schedulingGates": class.spec.scheduling_gates,
        "attempts": story.attempts.iter().enumerate().map(numbered).collect::<Vec<_>>(),
        "losses": story.losses.iter().map(|loss| loss_json(view, loss)).collect::<Vec<_>>(),
        "explained": explained,
    });
    format!("{value:#}\n")
}

fn attempt_json(view: &View<'_>, number: usize, attempt: &Attempt) -> Value {
    let nomination = attempt.nomination.as_ref().map(|nomination| {
        json!({
            "node": view.world.nodes.name(nomination.node),
            "victims": nomination.victims.iter().map(|&victim| pod_name(view, victim)).collect::<Vec<_>>(),
            "disruptionBudgetViolations": nomination.pdb_violations,
        })
    });
    json!({
        "number": number + 1,
        "timeSeconds": attempt.time.as_seconds(),
        "node": attempt.placement.map(|placement| view.world.nodes.name(placement.node)),
        "gpus": attempt.placement.map(|placement| gpu_list(placement.gpus)).unwrap_or_default(),
        "message": attempt.message,
        "preemption": nomination,
    })
}

fn loss_json(view: &View<'_>, loss: &Loss) -> Value {
    json!({
        "timeSeconds": loss.time.as_seconds(),
        "node": loss.node.map(|node| view.world.nodes.name(node)),
        "reason": loss.reason.name(),
        "preemptor": loss.preemptor.map(|preemptor| pod_name(view, preemptor)),
    })
}

fn explanation_json(view: &View<'_>, number: usize, explanation: &Explanation, chosen: Option<NodeId>) -> Value {
    let nodes = explanation.nodes.iter().map(|(node, verdict)| {
        let mut row = Map::new();
        row.insert("node".to_owned(), view.world.nodes.name(*node).into());
        match verdict {
            Verdict::Feasible => {
                row.insert("verdict".to_owned(), "feasible".into());
                row.insert("chosen".to_owned(), (chosen == Some(*node)).into());
                add_scores(&mut row, explanation, *node);
            }
            Verdict::NotExamined => {
                row.insert("verdict".to_owned(), "notExamined".into());
            }
            Verdict::Rejected(rejection) => {
                let code = match rejection.code {
                    Code::Error => "Error",
                    Code::Unschedulable => "Unschedulable",
                    Code::UnschedulableAndUnresolvable => "UnschedulableAndUnresolvable",
                };
                row.insert("verdict".to_owned(), "rejected".into());
                row.insert("plugin".to_owned(), rejection.plugin.to_string().into());
                row.insert("code".to_owned(), code.into());
                row.insert("reasons".to_owned(), json!(rejection.reasons));
            }
        }
        Value::Object(row)
    });
    json!({
        "attempt": number + 1,
        "profile": explanation.profile,
        "message": explanation.message,
        "tieBreak": explanation.tie_break,
        "nodes": nodes.collect::<Vec<_>>(),
    })
}

/// The total of a node, and what each plug-in gave it; one feasible node alone has none.
fn add_scores(row: &mut Map<String, Value>, explanation: &Explanation, node: NodeId) {
    let Some(at) = explanation.scored.iter().position(|other| *other == node) else { return };
    row.insert("total".to_owned(), explanation.totals[at].into());
    let mut scores = Map::new();
    for plugin in &explanation.scores {
        let raw = plugin.raw.as_ref().map(|raw| raw[at]);
        let normalised = plugin.normalised[at];
        let score = json!({
            "raw": raw,
            "normalised": normalised,
            "weight": plugin.weight,
            "weighted": plugin.weight * normalised,
        });
        scores.insert(plugin.plugin.clone(), score);
    }
    if !scores.is_empty() {
        row.insert("scores".to_owned(), Value::Object(scores));
    }
    if let Some(added) = explanation.extender_scores.get(at) {
        row.insert("extenders".to_owned(), (*added).into());
    }
}

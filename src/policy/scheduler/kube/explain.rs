//! An attempt in the plain form, told node by node.

use std::collections::BTreeMap;

use super::extender::EXTENDER;
use super::framework::totals;
use super::schedule::Attempt;
use super::{Cycle, Diagnosis, Rejection};
use crate::ids::NodeId;
use crate::policy::scheduler::explanation::{Explanation, Verdict};

/// What the attempt saw; `asks_extenders`: whether extenders may have added to the totals.
pub fn explain(cycle: &Cycle<'_>, attempt: &Attempt<'_>, asks_extenders: bool) -> Explanation {
    let feasible: BTreeMap<NodeId, usize> = attempt.feasible.iter().map(|node| node.node).zip(0..).collect();
    let verdict = |node: NodeId| match attempt.diagnosis.nodes.get(&node) {
        _ if feasible.contains_key(&node) => Verdict::Feasible,
        // Upstream knows of no plug-in where an extender rejects a node.
        Some(rejection) if rejection.plugin.is_empty() => {
            Verdict::Rejected(Rejection { plugin: EXTENDER.into(), ..rejection.clone() })
        }
        Some(rejection) => Verdict::Rejected(rejection.clone()),
        None => unlisted(node, attempt),
    };
    let scored: Vec<NodeId> = match attempt.totals.is_empty() {
        true => Vec::new(),
        false => attempt.feasible.iter().map(|node| node.node).collect(),
    };
    let own = totals(&attempt.scores, scored.len());
    let extender_scores = match asks_extenders {
        true => attempt.totals.iter().zip(&own).map(|(total, own)| total - own).collect(),
        false => Vec::new(),
    };
    Explanation {
        nodes: cycle.nodes.iter().map(|&node| (node, verdict(node))).collect(),
        scored,
        scores: attempt.scores.clone(),
        extender_scores,
        totals: attempt.totals.clone(),
        nominated: cycle.pod.and_then(|pod| cycle.view.world.nominated.get(&pod).copied()),
        ..Explanation::default()
    }
}

/// What holds for a node that no filter has looked at: a PreFilter plug-in has ruled it out, or it was not needed.
fn unlisted(node: NodeId, attempt: &Attempt<'_>) -> Verdict {
    let Diagnosis { absent_nodes, pre_filter_message, .. } = &attempt.diagnosis;
    let only = attempt.filters.as_ref().and_then(|filters| filters.nodes.as_ref());
    let is_ruled_out = !pre_filter_message.is_empty() || only.is_some_and(|(nodes, _)| !nodes.contains(&node));
    match absent_nodes {
        Some(rejection) if is_ruled_out => Verdict::Rejected(rejection.clone()),
        _ => Verdict::NotExamined,
    }
}

//! What a policy saw when it decided about a pod: what each node had against it, and the scores of those that had
//! nothing.
//!
//! Explanations are made for whoever asks about one pod; other decisions pay nothing for them.

use super::filter;
use super::kube::framework::PluginScores;
use super::kube::{Code, Diagnosis, Rejection};
use crate::ids::{ClassId, NodeId};
use crate::world::View;

/// What a policy saw when it decided about a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The profile that was used; empty where the policy has none.
    pub profile: String,
    /// Every node and what was said of it, in the order in which the policy counts its nodes.
    pub nodes: Vec<(NodeId, Verdict)>,
    /// The nodes that were scored, in the order in which they were found; one feasible node alone is not scored.
    pub scored: Vec<NodeId>,
    /// Scores by plug-in, one a scored node. Policies that do not sum plug-ins have none.
    pub scores: Vec<PluginScores>,
    /// What extenders added, one a scored node; empty where none was asked.
    pub extender_scores: Vec<i64>,
    /// What decides, one a scored node; empty where the policy does not score.
    pub totals: Vec<i64>,
    /// The node that was promised to the pod before, and is looked at first.
    pub nominated: Option<NodeId>,
    /// How the policy chooses of equals, in words; empty: nothing to say.
    pub tie_break: &'static str,
    /// `0/5 nodes are available: ...`, where no node is feasible, or what went wrong.
    pub message: String,
}

/// What was said of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes every filter.
    Feasible,
    /// It was not looked at: there were enough others.
    NotExamined,
    /// It does not pass.
    Rejected(Rejection),
}

impl Explanation {
    /// How many nodes passed.
    pub fn feasible(&self) -> usize {
        self.nodes.iter().filter(|(_, verdict)| *verdict == Verdict::Feasible).count()
    }
}

/// What the filters say that all policies but kube-scheduler share.
pub fn of_filters(view: &View<'_>, class: ClassId) -> Explanation {
    let ids = || (0..view.world.nodes.len()).map(NodeId::from_index);
    let mut diagnosis = Diagnosis::default();
    for node in ids() {
        if let Some(refusal) = filter::refusal(view, class, node) {
            let reasons = vec![refusal.message().into()];
            diagnosis.nodes.insert(node, Rejection { plugin: "".into(), code: Code::Unschedulable, reasons });
        }
    }
    let verdict = |node| match diagnosis.nodes.get(&node) {
        None => Verdict::Feasible,
        Some(rejection) => Verdict::Rejected(rejection.clone()),
    };
    let nodes: Vec<(NodeId, Verdict)> = ids().map(|node| (node, verdict(node))).collect();
    let message = if diagnosis.nodes.len() == nodes.len() { diagnosis.message(nodes.len()) } else { String::new() };
    Explanation { nodes, message, ..Explanation::default() }
}

//! Why a pod does not fit, in upstream's words.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::ids::NodeId;

/// How final a rejection is (`framework.Code`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// Something went wrong: the attempt is over.
    Error,
    /// The node is not for the pod, but might be after other pods have left.
    Unschedulable,
    /// The node is not for the pod, and preemption cannot help.
    UnschedulableAndUnresolvable,
}

/// A plug-in's no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The plug-in.
    pub plugin: Cow<'static, str>,
    /// How final it is.
    pub code: Code,
    /// The reasons, in the plug-in's order.
    pub reasons: Vec<Cow<'static, str>>,
}

impl Rejection {
    /// A rejection that the leaving of other pods may lift.
    pub fn unschedulable(plugin: &'static str, reason: impl Into<Cow<'static, str>>) -> Rejection {
        Rejection { plugin: plugin.into(), code: Code::Unschedulable, reasons: vec![reason.into()] }
    }

    /// A rejection that stays whatever pods leave.
    pub fn unresolvable(plugin: &'static str, reason: impl Into<Cow<'static, str>>) -> Rejection {
        Rejection { plugin: plugin.into(), code: Code::UnschedulableAndUnresolvable, reasons: vec![reason.into()] }
    }

    /// The reasons in one sentence (`Status.Message`).
    pub fn message(&self) -> String {
        self.reasons.join(", ")
    }
}

/// What an attempt without success has shown (`framework.Diagnosis`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// Nodes and why they were rejected.
    pub nodes: BTreeMap<NodeId, Rejection>,
    /// What holds for the nodes that are not listed: what a PreFilter plug-in said, or none.
    pub absent_nodes: Option<Rejection>,
    /// Message of the PreFilter plug-in that rejected the pod; empty if none did.
    pub pre_filter_message: String,
    /// Message of the PostFilter plug-ins; empty if they have nothing to say.
    pub post_filter_message: String,
    /// The plug-ins that rejected something: only events that concern them can help.
    pub unschedulable_plugins: BTreeSet<Cow<'static, str>>,
}

impl Diagnosis {
    /// How final the rejection of a node is.
    pub fn code(&self, node: NodeId) -> Code {
        let absent = self.absent_nodes.as_ref().map_or(Code::UnschedulableAndUnresolvable, |rejection| rejection.code);
        self.nodes.get(&node).map_or(absent, |rejection| rejection.code)
    }

    /// The same without telling nodes apart.
    pub fn summary(&self) -> Summary {
        let mut reasons = BTreeMap::new();
        for reason in self.nodes.values().flat_map(|rejection| &rejection.reasons) {
            *reasons.entry(reason.clone()).or_insert(0) += 1;
        }
        Summary {
            nodes: self.nodes.len(),
            reasons,
            absent_nodes: self.absent_nodes.clone(),
            pre_filter_message: self.pre_filter_message.clone(),
            post_filter_message: self.post_filter_message.clone(),
            unschedulable_plugins: self.unschedulable_plugins.clone(),
        }
    }

    /// `0/5 nodes are available: ...`, as the event `FailedScheduling` says it (`FitError.Error`).
    pub fn message(&self, nodes: usize) -> String {
        self.summary().message(nodes)
    }
}

/// A diagnosis that counts nodes instead of listing them: all that is ever said of them, at the cost of the reasons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many nodes were rejected.
    pub nodes: usize,
    /// How many of them gave each reason.
    pub reasons: BTreeMap<Cow<'static, str>, usize>,
    /// What holds for the other nodes; see [`Diagnosis::absent_nodes`].
    pub absent_nodes: Option<Rejection>,
    /// Message of the PreFilter plug-in that rejected the pod; empty if none did.
    pub pre_filter_message: String,
    /// Message of the PostFilter plug-ins; empty if they have nothing to say.
    pub post_filter_message: String,
    /// The plug-ins that rejected something: only events that concern them can help.
    pub unschedulable_plugins: BTreeSet<Cow<'static, str>>,
}

impl Summary {
    /// Counts `nodes` nodes that were rejected for the same reasons.
    pub fn add(&mut self, rejection: &Rejection, nodes: usize) {
        self.nodes += nodes;
        for reason in &rejection.reasons {
            *self.reasons.entry(reason.clone()).or_insert(0) += nodes;
        }
        if !rejection.plugin.is_empty() {
            self.unschedulable_plugins.insert(rejection.plugin.clone());
        }
    }

    /// `0/5 nodes are available: ...`, as the event `FailedScheduling` says it (`FitError.Error`).
    pub fn message(&self, nodes: usize) -> String {
        let mut message = format!("0/{nodes} nodes are available:");
        if self.pre_filter_message.is_empty() {
            let mut counts: BTreeMap<&str, usize> =
                self.reasons.iter().map(|(reason, count)| (reason.as_ref(), *count)).collect();
            let absent = nodes.saturating_sub(self.nodes);
            for reason in self.absent_nodes.iter().flat_map(|rejection| &rejection.reasons).filter(|_| absent > 0) {
                *counts.entry(reason).or_insert(0) += absent;
            }
            let mut sentences: Vec<String> =
                counts.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            sentences.sort();
            if !sentences.is_empty() {
                message.push_str(&format!(" {}.", sentences.join(", ")));
            }
        } else {
            message.push_str(&format!(" {}.", self.pre_filter_message));
        }
        if !self.post_filter_message.is_empty() {
            message.push_str(&format!(" {}", self.post_filter_message));
        }
        message
    }
}

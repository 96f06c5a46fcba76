//! Whether nodes report, what the cluster believes of them, and what else is out of order.
//!
//! What a node is and what is known of it differ: a node that has crashed keeps its condition until the control plane
//! notices. Columns by [`NodeId`], a few bytes a node.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{NodeId, PodId};
use crate::model::node_lifecycle::Trouble;
use crate::units::SimTime;

/// What the kubelet of a node does, whatever the control plane believes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kubelet {
    /// Works and reports.
    Reporting,
    /// Works with its pods, but nobody hears of it.
    CutOff,
    /// Does not run, and neither do its pods.
    Down,
}

/// The condition `Ready` of a node, as the control plane has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Condition {
    /// `True`.
    Ready,
    /// `False`: the node says so.
    NotReady,
    /// `Unknown`: the node has not said anything for too long.
    Unknown,
}

impl Condition {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Condition::Ready => "Ready",
            Condition::NotReady => "NotReady",
            Condition::Unknown => "Unknown",
        }
    }

    /// What is wrong with such a node.
    pub fn trouble(self) -> Option<Trouble> {
        match self {
            Condition::Ready => None,
            Condition::NotReady => Some(Trouble::NotReady),
            Condition::Unknown => Some(Trouble::Unreachable),
        }
    }
}

/// Columns of nodes by [`NodeId`], and what is out of order beside them.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// What the kubelet does.
    pub kubelet: Vec<Kubelet>,
    /// What the control plane believes.
    pub condition: Vec<Condition>,
    /// The taint of the effect `NoExecute` that the node lifecycle has put on the node.
    pub no_execute: Vec<Option<Trouble>>,
    /// Since when it has not been reporting, or not ready, and how long it had been so before, in ns.
    silent: Vec<Spans>,
    not_ready: Vec<Spans>,
    /// The services that others depend on.
    pub services: Services,
    /// Nodes that somebody says are out of service.
    pub out_of_service: BTreeSet<NodeId>,
    /// How often pods were interrupted because their nodes went down, without losing their places; pods that are not
    /// listed never were.
    pub interruptions: BTreeMap<PodId, u16>,
}

/// Services around the nodes that can be slow or away.
#[derive(Clone, Debug, PartialEq)]
pub struct Services {
    /// Whether the API server answers.
    pub api_server_is_up: bool,
    /// How many times as long writes to it take, at least 1.
    pub api_server_slowdown: f64,
    /// How many times as long image pulls take, at least 1.
    pub registry_slowdown: f64,
    /// Whether a pool gets no new nodes, by pool; a pool that is not listed does.
    pub stocked_out: Vec<bool>,
}

impl Default for Services {
    fn default() -> Self {
        Services { api_server_is_up: true, api_server_slowdown: 1.0, registry_slowdown: 1.0, stocked_out: Vec::new() }
    }
}

/// Time spent in a state.
#[derive(Clone, Copy, Debug)]
struct Spans {
    since: SimTime,
    before_ns: u64,
}

impl Spans {
    const NONE: Spans = Spans { since: SimTime::NEVER, before_ns: 0 };

    fn set(&mut self, is_so: bool, now: SimTime) {
        if is_so && self.since == SimTime::NEVER {
            self.since = now;
        } else if !is_so && self.since != SimTime::NEVER {
            self.before_ns += now.since(self.since).0;
            self.since = SimTime::NEVER;
        }
    }

    fn total_ns(self, until: SimTime) -> u64 {
        self.before_ns + until.0.saturating_sub(self.since.0)
    }
}

impl Health {
    /// Adds a node that reports and is ready.
    pub(super) fn push(&mut self) {
        self.kubelet.push(Kubelet::Reporting);
        self.condition.push(Condition::Ready);
        self.no_execute.push(None);
        self.silent.push(Spans::NONE);
        self.not_ready.push(Spans::NONE);
    }

    /// Whether the node runs and reports.
    pub fn is_reporting(&self, node: NodeId) -> bool {
        self.kubelet[node.index()] == Kubelet::Reporting
    }

    /// Whether the node's pods run, whoever hears of it.
    pub fn is_running(&self, node: NodeId) -> bool {
        self.kubelet[node.index()] != Kubelet::Down
    }

    /// Whether the control plane takes the node's pods for not ready, whatever they are: it has lost contact, and the
    /// node has not been ready since.
    pub fn hides_readiness(&self, node: NodeId) -> bool {
        self.condition[node.index()] != Condition::Ready
    }

    pub(super) fn set_kubelet(&mut self, node: NodeId, kubelet: Kubelet, now: SimTime) {
        self.kubelet[node.index()] = kubelet;
        self.silent[node.index()].set(kubelet != Kubelet::Reporting, now);
    }

    pub(super) fn set_condition(&mut self, node: NodeId, condition: Condition, now: SimTime) {
        self.condition[node.index()] = condition;
        self.not_ready[node.index()].set(condition != Condition::Ready, now);
    }

    /// How long the node did not report until `until`, in ns.
    pub fn silent_ns(&self, node: NodeId, until: SimTime) -> u64 {
        self.silent[node.index()].total_ns(until)
    }

    /// How long its condition was not `Ready` until `until`, in ns.
    pub fn not_ready_ns(&self, node: NodeId, until: SimTime) -> u64 {
        self.not_ready[node.index()].total_ns(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_add_up() {
        let mut spans = Spans::NONE;
        spans.set(true, SimTime(10));
        spans.set(true, SimTime(12));
        assert_eq!(spans.total_ns(SimTime(15)), 5);
        spans.set(false, SimTime(20));
        spans.set(false, SimTime(25));
        assert_eq!(spans.total_ns(SimTime(30)), 10);
        spans.set(true, SimTime(40));
        // 10 to 20, and 40 to 43.
        assert_eq!(spans.total_ns(SimTime(43)), 13);
    }
}

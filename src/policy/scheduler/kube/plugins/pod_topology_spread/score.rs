//! Soft constraints.

use std::collections::{BTreeMap, BTreeSet};

use super::constraint::{Constraint, has_all_keys};
use crate::ids::NodeId;
use crate::model::cluster::HOSTNAME_LABEL;
use crate::model::kube_scheduler::DefaultSpread;
use crate::model::pod_spec::WhenUnsatisfiable;
use crate::policy::scheduler::kube::framework::NodeScorer;
use crate::policy::scheduler::kube::{Cycle, MAX_NODE_SCORE, NodeInfo};

/// Soft constraints and the pods that they count.
#[derive(Debug)]
pub(super) struct SpreadScorer<'a> {
    namespace: &'a str,
    constraints: Vec<Weighted<'a>>,
    /// Feasible nodes that lack a label; they score 0.
    ignored: BTreeSet<NodeId>,
}

#[derive(Debug)]
struct Weighted<'a> {
    constraint: Constraint<'a>,
    /// Pods by domain, for the domains of feasible nodes; empty for hostnames, which are counted one by one.
    pods: BTreeMap<&'a str, i64>,
    /// The natural logarithm of domains + 2: few large domains weigh less than many small ones.
    weight: f64,
}

impl<'a> SpreadScorer<'a> {
    /// Counts pods in the domains of the feasible nodes; none if the pod has no soft constraints.
    pub(super) fn new(cycle: &Cycle<'a>, feasible: &[NodeInfo<'a>]) -> Option<SpreadScorer<'a>> {
        let constraints = Constraint::all(cycle, WhenUnsatisfiable::ScheduleAnyway);
        if constraints.is_empty() {
            return None;
        }
        let needs_all_keys = needs_all_keys(cycle);
        let takes_part = |node: &NodeInfo<'_>| !needs_all_keys || has_all_keys(node, &constraints);
        let ignored: BTreeSet<NodeId> =
            feasible.iter().filter(|node| !takes_part(node)).map(|node| node.node).collect();
        let mut domains = vec![BTreeMap::new(); constraints.len()];
        let scored = feasible.iter().filter(|node| !ignored.contains(&node.node));
        for node in scored.clone() {
            for (constraint, pods) in constraints.iter().zip(&mut domains) {
                if constraint.topology_key != HOSTNAME_LABEL {
                    pods.insert(node.label(constraint.topology_key).unwrap_or(""), 0);
                }
            }
        }
        for &node in cycle.nodes {
            let node = NodeInfo::new(cycle.view, node);
            if takes_part(&node) {
                count(cycle, &constraints, &mut domains, &node);
            }
        }
        let hosts = scored.count();
        let weighted = |(constraint, pods): (Constraint<'a>, BTreeMap<&'a str, i64>)| {
            let domains = if constraint.topology_key == HOSTNAME_LABEL { hosts } else { pods.len() };
            Weighted { constraint, pods, weight: libm::log((domains + 2) as f64) }
        };
        let constraints = constraints.iter().cloned().zip(domains).map(weighted).collect();
        Some(SpreadScorer { namespace: &cycle.spec().namespace, constraints, ignored })
    }
}

/// Whether nodes that lack one of the soft constraints' labels are not scored. With the system's defaults a node without
/// zone is still spread over by hostname.
pub(in crate::policy::scheduler::kube) fn needs_all_keys(cycle: &Cycle<'_>) -> bool {
    let is_system = cycle.arguments.default_spread == DefaultSpread::System;
    !cycle.spec().topology_spread.is_empty() || !is_system
}

/// Turns sums of pods around and brings them to 0 to 100; nodes that are not scored have none and get 0.
pub(in crate::policy::scheduler::kube) fn normalise(sums: &[Option<i64>], scores: &mut [i64]) {
    let counted = || sums.iter().flatten().copied();
    let (min, max) = (counted().min().unwrap_or(i64::MAX), counted().max().unwrap_or(0).max(0));
    for (score, sum) in scores.iter_mut().zip(sums) {
        *score = match sum {
            None => 0,
            Some(_) if max == 0 => MAX_NODE_SCORE,
            Some(sum) => MAX_NODE_SCORE * (max + min - sum) / max,
        };
    }
}

/// Adds the pods of a node to its domains, if these have feasible nodes.
fn count<'a>(
    cycle: &Cycle<'a>,
    constraints: &[Constraint<'a>],
    domains: &mut [BTreeMap<&'a str, i64>],
    node: &NodeInfo<'a>,
) {
    for (constraint, pods) in constraints.iter().zip(domains) {
        let value = node.label(constraint.topology_key).unwrap_or("");
        if let Some(count) = pods.get_mut(value)
            && constraint.includes(cycle, node)
        {
            *count += constraint.count(node, &cycle.spec().namespace);
        }
    }
}

impl<'a> NodeScorer<'a> for SpreadScorer<'a> {
    fn score(&self, node: &NodeInfo<'a>) -> i64 {
        if self.ignored.contains(&node.node) {
            return 0;
        }
        let mut score = 0.0;
        for Weighted { constraint, pods, weight } in &self.constraints {
            if let Some(value) = node.label(constraint.topology_key) {
                let count = if constraint.topology_key == HOSTNAME_LABEL {
                    constraint.count(node, self.namespace)
                } else {
                    pods.get(value).copied().unwrap_or(0)
                };
                score += count as f64 * weight + (constraint.max_skew - 1) as f64;
            }
        }
        libm::round(score) as i64
    }

    fn normalise(&self, nodes: &[NodeInfo<'a>], scores: &mut [i64]) {
        let is_ignored = |node: &NodeInfo<'_>| self.ignored.contains(&node.node);
        let sum = |(node, score): (&NodeInfo<'a>, &i64)| (!is_ignored(node)).then_some(*score);
        let sums: Vec<Option<i64>> = nodes.iter().zip(&*scores).map(sum).collect();
        normalise(&sums, scores);
    }
}

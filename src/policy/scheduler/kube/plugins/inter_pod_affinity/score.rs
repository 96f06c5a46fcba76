//! Preferred terms.

use super::term::{self, Domains};
use crate::ids::PodId;
use crate::model::pod_spec::PodAffinityTerm;
use crate::policy::scheduler::kube::framework::NodeScorer;
use crate::policy::scheduler::kube::{Cycle, MAX_NODE_SCORE, NodeInfo};

/// Sums of weights by domain.
#[derive(Debug)]
pub(super) struct AffinityScorer<'a> {
    sums: Domains<'a>,
}

impl<'a> AffinityScorer<'a> {
    /// Looks at all pods; none if no term bears on the pod.
    pub(super) fn new(cycle: &Cycle<'a>) -> Option<AffinityScorer<'a>> {
        let spec = cycle.spec();
        let has_terms = !spec.pod_affinity.preferred.is_empty() || !spec.pod_anti_affinity.preferred.is_empty();
        if cycle.arguments.ignores_preferred_terms_of_existing_pods && !has_terms {
            return None;
        }
        let mut sums = Domains::default();
        for &node in cycle.nodes {
            let node = NodeInfo::new(cycle.view, node);
            for pod in node.pods() {
                add_pod(cycle, &mut sums, &node, pod);
            }
        }
        (!sums.is_empty()).then_some(AffinityScorer { sums })
    }
}

/// Adds what an existing pod and the pod to be placed think of each other (`processExistingPod`).
fn add_pod<'a>(cycle: &Cycle<'a>, sums: &mut Domains<'a>, node: &NodeInfo<'a>, pod: PodId) {
    let view = &cycle.view;
    let (own, other) = (cycle.spec(), &*view.class_of(pod).spec);
    let mut add = |term: &'a PodAffinityTerm, weight: i64, is_own: bool| {
        let is_found = if is_own { term::finds(view, term, own, other) } else { term::finds(view, term, other, own) };
        if is_found {
            sums.add(node, &term.topology_key, weight);
        }
    };
    let sides = [(&own.pod_affinity, 1, true), (&own.pod_anti_affinity, -1, true)];
    let other_sides = [(&other.pod_affinity, 1, false), (&other.pod_anti_affinity, -1, false)];
    for (affinity, sign, is_own) in sides.into_iter().chain(other_sides) {
        for (weight, term) in &affinity.preferred {
            add(term, sign * i64::from(*weight), is_own);
        }
    }
    if cycle.arguments.hard_pod_affinity_weight > 0 {
        for term in &other.pod_affinity.required {
            add(term, cycle.arguments.hard_pod_affinity_weight, false);
        }
    }
}

impl<'a> NodeScorer<'a> for AffinityScorer<'a> {
    fn score(&self, node: &NodeInfo<'a>) -> i64 {
        let of_domain = |(key, values): (&&str, &std::collections::BTreeMap<&str, i64>)| {
            node.label(key).and_then(|value| values.get(value)).copied().unwrap_or(0)
        };
        self.sums.by_key.iter().map(of_domain).sum()
    }

    fn normalise(&self, _nodes: &[NodeInfo<'a>], scores: &mut [i64]) {
        normalise(scores);
    }
}

/// Stretches sums of weights to 0 to 100.
pub(in crate::policy::scheduler::kube) fn normalise(scores: &mut [i64]) {
    let (min, max) = (scores.iter().min().copied().unwrap_or(0), scores.iter().max().copied().unwrap_or(0));
    let range = max - min;
    for score in scores {
        // Upstream divides before it multiplies, in floating point.
        let share = if range > 0 { (*score - min) as f64 / range as f64 } else { 0.0 };
        *score = (MAX_NODE_SCORE as f64 * share) as i64;
    }
}

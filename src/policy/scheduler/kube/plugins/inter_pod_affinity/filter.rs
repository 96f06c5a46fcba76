//! Required terms.

use super::NAME;
use super::term::{self, Domains};
use crate::ids::PodId;
use crate::policy::scheduler::kube::framework::NodeFilter;
use crate::policy::scheduler::kube::{Cycle, NodeInfo, Rejection};

const NO_AFFINITY: &str = "node(s) didn't match pod affinity rules";
const ANTI_AFFINITY: &str = "node(s) didn't match pod anti-affinity rules";
const EXISTING_ANTI_AFFINITY: &str = "node(s) didn't satisfy existing pods anti-affinity rules";

/// What required terms have found, by domain.
#[derive(Clone, Debug)]
pub(super) struct AffinityFilter<'a> {
    cycle: Cycle<'a>,
    /// Terms of existing pods that keep the pod away.
    existing_anti_affinity: Domains<'a>,
    /// Pods that all terms of the pod's affinity find.
    affinity: Domains<'a>,
    /// Pods that a term of the pod's anti-affinity finds.
    anti_affinity: Domains<'a>,
}

impl<'a> AffinityFilter<'a> {
    /// Looks at all pods; none if no required term bears on the pod.
    pub(super) fn new(cycle: &Cycle<'a>) -> Option<AffinityFilter<'a>> {
        let mut filter = AffinityFilter {
            cycle: *cycle,
            existing_anti_affinity: Domains::default(),
            affinity: Domains::default(),
            anti_affinity: Domains::default(),
        };
        for &node in cycle.nodes {
            let node = NodeInfo::new(cycle.view, node);
            for pod in node.pods() {
                filter.change(pod, &node, 1);
            }
        }
        let spec = cycle.spec();
        let has_no_terms = spec.pod_affinity.required.is_empty() && spec.pod_anti_affinity.required.is_empty();
        (!has_no_terms || !filter.existing_anti_affinity.is_empty()).then_some(filter)
    }

    /// Counts a pod that came to a node or left it.
    fn change(&mut self, pod: PodId, node: &NodeInfo<'a>, change: i64) {
        let view = &self.cycle.view;
        let (own, other) = (self.cycle.spec(), &*view.class_of(pod).spec);
        for term in &other.pod_anti_affinity.required {
            if term::finds(view, term, other, own) {
                self.existing_anti_affinity.count(node, &term.topology_key, change);
            }
        }
        if term::all_find(view, &own.pod_affinity.required, own, other) {
            for term in &own.pod_affinity.required {
                self.affinity.count(node, &term.topology_key, change);
            }
        }
        for term in &own.pod_anti_affinity.required {
            if term::finds(view, term, own, other) {
                self.anti_affinity.count(node, &term.topology_key, change);
            }
        }
    }

    /// Whether the node's domains hold a pod that the affinity finds. While no such pod is anywhere, a pod that its own
    /// terms find may be the first of its group, on any node that has the labels.
    fn meets_affinity(&self, node: &NodeInfo<'a>) -> bool {
        let own = self.cycle.spec();
        let terms = &own.pod_affinity.required;
        let mut is_found = true;
        for term in terms {
            let Some(value) = node.label(&term.topology_key) else { return false };
            is_found &= self.affinity.sum(&term.topology_key, value) > 0;
        }
        is_found || self.affinity.is_empty() && term::all_find(&self.cycle.view, terms, own, own)
    }

    fn meets_anti_affinity(&self, node: &NodeInfo<'a>) -> bool {
        self.cycle.spec().pod_anti_affinity.required.iter().all(|term| {
            let value = node.label(&term.topology_key);
            value.is_none_or(|value| self.anti_affinity.sum(&term.topology_key, value) <= 0)
        })
    }

    fn meets_existing_anti_affinity(&self, node: &NodeInfo<'a>) -> bool {
        self.existing_anti_affinity.by_key.iter().all(|(key, values)| {
            let sum = node.label(key).and_then(|value| values.get(value));
            sum.is_none_or(|sum| *sum <= 0)
        })
    }
}

/// What speaks against a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super::super) enum AffinityRefusal {
    /// A term of the pod's affinity finds nobody.
    NoCompany,
    /// A term of the pod's anti-affinity finds somebody.
    AntiAffinity,
    /// A term of a pod that is there finds the pod.
    ExistingAntiAffinity,
}

impl AffinityRefusal {
    /// In upstream's words.
    pub(in super::super::super) fn rejection(self) -> Rejection {
        match self {
            AffinityRefusal::NoCompany => Rejection::unresolvable(NAME, NO_AFFINITY),
            AffinityRefusal::AntiAffinity => Rejection::unschedulable(NAME, ANTI_AFFINITY),
            AffinityRefusal::ExistingAntiAffinity => Rejection::unschedulable(NAME, EXISTING_ANTI_AFFINITY),
        }
    }
}

impl<'a> NodeFilter<'a> for AffinityFilter<'a> {
    fn filter(&self, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        if !self.meets_affinity(node) {
            return Err(AffinityRefusal::NoCompany.rejection());
        }
        if !self.meets_anti_affinity(node) {
            return Err(AffinityRefusal::AntiAffinity.rejection());
        }
        if !self.meets_existing_anti_affinity(node) {
            return Err(AffinityRefusal::ExistingAntiAffinity.rejection());
        }
        Ok(())
    }

    fn add_pod(&mut self, pod: PodId, node: &NodeInfo<'a>) {
        self.change(pod, node, 1);
    }

    fn remove_pod(&mut self, pod: PodId, node: &NodeInfo<'a>) {
        self.change(pod, node, -1);
    }

    fn fork(&self) -> Box<dyn NodeFilter<'a> + 'a> {
        Box::new(self.clone())
    }
}

//! Affinity and spreading of pods, completed as the API server does.
//!
//! `matchLabelKeys` and `mismatchLabelKeys` of affinity terms, and `matchLabelKeys` of spread constraints, are merged into the
//! selectors when a pod is created (`pkg/registry/core/pod`, v1.37.0); where a dump shows a pod that has been through that,
//! the requirement stands there already, and twice is as good as once. The scheduler merges the keys of spread constraints
//! again, which changes nothing either.

use crate::document::{Code, Node as Tree};
use crate::model::Label;
use crate::model::pod_spec::{
    LabelRequirement, LabelSelector, NodeAffinity, PodAffinity, PodAffinityTerm, PodSpec, SelectorOperator,
    TopologySpreadConstraint, WhenUnsatisfiable,
};
use crate::scenario::kubernetes::read::Notes;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Reads `spec.affinity` into a pod's spec, whose labels are known.
pub(super) fn read_affinity(tree: Option<&Tree>, spec: &mut PodSpec, notes: &mut Notes) {
    let Some(tree) = notes.mapping(tree, "spec.affinity") else { return };
    for entry in tree.entries() {
        let (value, field) = (Some(&entry.value), format!("spec.affinity.{}", entry.key));
        match &*entry.key {
            "nodeAffinity" => spec.node_affinity = notes.node_affinity(value, &field),
            "podAffinity" => spec.pod_affinity = pod_affinity(value, &field, &spec.labels, notes),
            "podAntiAffinity" => spec.pod_anti_affinity = pod_affinity(value, &field, &spec.labels, notes),
            _ => notes.unused(field, &entry.value),
        }
    }
}

impl Notes {
    /// A `NodeAffinity`; an absent one says nothing.
    pub(in crate::scenario::kubernetes) fn node_affinity(&mut self, tree: Option<&Tree>, field: &str) -> NodeAffinity {
        let Some(tree) = self.mapping(tree, field) else { return NodeAffinity::default() };
        let at = format!("{field}.{REQUIRED}");
        let required = self.mapping(tree.get(REQUIRED), &at);
        let required = required
            .map(|tree| self.node_selector_terms(tree.get("nodeSelectorTerms"), &format!("{at}.nodeSelectorTerms")));
        let at = format!("{field}.{PREFERRED}");
        let mut preferred = Vec::new();
        for item in self.list(tree.get(PREFERRED), &at) {
            let weight = self.weight(item, &at);
            if let Some(term) = self.mapping(item.get("preference"), &format!("{at}[].preference")) {
                preferred.push((weight, self.node_selector_term(term, &format!("{at}[].preference"))));
            }
        }
        NodeAffinity { required, preferred }
    }

    /// The weight of a preference.
    fn weight(&mut self, tree: &Tree, field: &str) -> i32 {
        let before = self.issues.len();
        let weight = self.number_within(tree.get("weight"), &format!("{field}[].weight"), 1..=100);
        if weight.is_none() && self.issues.len() == before {
            self.refuse(Code::MissingKey, tree.span, format!("`{field}[]` has no `weight` from 1 to 100"));
        }
        weight.unwrap_or(1)
    }
}

fn pod_affinity(tree: Option<&Tree>, field: &str, labels: &[Label], notes: &mut Notes) -> PodAffinity {
    let Some(tree) = notes.mapping(tree, field) else { return PodAffinity::default() };
    let at = format!("{field}.{REQUIRED}");
    let items = notes.list(tree.get(REQUIRED), &at);
    let required = items.iter().map(|item| pod_affinity_term(item, &format!("{at}[]"), labels, notes)).collect();
    let at = format!("{field}.{PREFERRED}");
    let mut preferred = Vec::new();
    for item in notes.list(tree.get(PREFERRED), &at) {
        let weight = notes.weight(item, &at);
        match item.get("podAffinityTerm") {
            Some(term) => {
                let term = pod_affinity_term(term, &format!("{at}[].podAffinityTerm"), labels, notes);
                preferred.push((weight, term));
            }
            None => notes.refuse(Code::MissingKey, item.span, format!("`{at}[]` has no `podAffinityTerm`")),
        }
    }
    PodAffinity { required, preferred }
}

fn pod_affinity_term(tree: &Tree, field: &str, labels: &[Label], notes: &mut Notes) -> PodAffinityTerm {
    notes.mapping(Some(tree), field);
    let mut selector = notes.label_selector(tree.get("labelSelector"), &format!("{field}.labelSelector"));
    for (key, operator) in [("matchLabelKeys", SelectorOperator::In), ("mismatchLabelKeys", SelectorOperator::NotIn)] {
        let keys = notes.texts(tree.get(key), &format!("{field}.{key}"));
        merge_label_keys(selector.as_mut(), &keys, operator, labels);
    }
    let namespaces = notes.texts(tree.get("namespaces"), &format!("{field}.namespaces"));
    PodAffinityTerm {
        selector,
        namespaces: namespaces.into_iter().map(str::to_owned).collect(),
        namespace_selector: notes.label_selector(tree.get("namespaceSelector"), &format!("{field}.namespaceSelector")),
        topology_key: notes.required_text(tree, "topologyKey", field).to_owned(),
    }
}

/// Adds the pod's own values of some labels to a selector; keys that the pod lacks are passed over.
fn merge_label_keys(selector: Option<&mut LabelSelector>, keys: &[&str], operator: SelectorOperator, labels: &[Label]) {
    let Some(selector) = selector else { return };
    for &key in keys {
        if let Some(label) = labels.iter().find(|label| label.key == key) {
            let values = vec![label.value.clone()];
            let requirement = LabelRequirement { key: key.to_owned(), operator, values };
            if !selector.requirements.contains(&requirement) {
                selector.requirements.push(requirement);
            }
        }
    }
}

impl Notes {
    /// A list of `TopologySpreadConstraint`s of a pod with these labels.
    pub(in crate::scenario::kubernetes) fn topology_spread(
        &mut self,
        tree: Option<&Tree>,
        field: &str,
        labels: &[Label],
    ) -> Vec<TopologySpreadConstraint> {
        let items = self.list(tree, field);
        let mut constraints: Vec<TopologySpreadConstraint> = Vec::new();
        for item in items {
            let Some(constraint) = self.spread_constraint(item, &format!("{field}[]"), labels) else { continue };
            let (key, when) = (&constraint.topology_key, constraint.when_unsatisfiable);
            if constraints.iter().any(|other| other.topology_key == *key && other.when_unsatisfiable == when) {
                let message = format!("`{field}` has two constraints with the topologyKey `{key}` and {when:?}");
                self.refuse(Code::DuplicateName, item.span, message);
            }
            constraints.push(constraint);
        }
        constraints
    }

    fn spread_constraint(&mut self, tree: &Tree, field: &str, labels: &[Label]) -> Option<TopologySpreadConstraint> {
        const WHEN: &[(&str, WhenUnsatisfiable)] = &[
            ("DoNotSchedule", WhenUnsatisfiable::DoNotSchedule),
            ("ScheduleAnyway", WhenUnsatisfiable::ScheduleAnyway),
        ];
        const POLICIES: &[(&str, bool)] = &[("Honor", true), ("Ignore", false)];
        let before = self.issues.len();
        self.mapping(Some(tree), field);
        let at = |key: &str| format!("{field}.{key}");
        let max_skew = self.number_within(tree.get("maxSkew"), &at("maxSkew"), 1..=i32::MAX);
        let topology_key = self.required_text(tree, "topologyKey", field).to_owned();
        let when = self.choice(tree.get("whenUnsatisfiable"), &at("whenUnsatisfiable"), WHEN);
        let min_domains = self.number_within(tree.get("minDomains"), &at("minDomains"), 1..=i32::MAX);
        let mut selector = self.label_selector(tree.get("labelSelector"), &at("labelSelector"));
        let keys = self.texts(tree.get("matchLabelKeys"), &at("matchLabelKeys"));
        merge_label_keys(selector.as_mut(), &keys, SelectorOperator::In, labels);
        let affinity = self.choice(tree.get("nodeAffinityPolicy"), &at("nodeAffinityPolicy"), POLICIES);
        let taints = self.choice(tree.get("nodeTaintsPolicy"), &at("nodeTaintsPolicy"), POLICIES);
        for (key, is_missing) in [("maxSkew", max_skew.is_none()), ("whenUnsatisfiable", when.is_none())] {
            if is_missing && self.issues.len() == before {
                self.refuse(Code::MissingKey, tree.span, format!("`{field}` has no `{key}`"));
            }
        }
        if min_domains.is_some() && when == Some(WhenUnsatisfiable::ScheduleAnyway) {
            let message = format!("`{field}.minDomains` needs `whenUnsatisfiable: DoNotSchedule`");
            self.refuse(Code::Contradiction, tree.span, message);
        }
        Some(TopologySpreadConstraint {
            max_skew: max_skew?,
            topology_key,
            when_unsatisfiable: when?,
            selector,
            min_domains,
            honors_node_affinity: affinity.unwrap_or(true),
            honors_node_taints: taints.unwrap_or(false),
            match_label_keys: keys.into_iter().map(str::to_owned).collect(),
        })
    }
}

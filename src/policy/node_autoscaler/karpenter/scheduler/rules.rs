//! The rules about other pods that a pod states.
//!
//! Source: `newForTopologies`, `newForAffinities` and `buildNamespaceList` of `topology.go`.

use std::collections::BTreeSet;

use super::super::requirements::Requirements;
use super::memo::Memo;
use super::topology::Sources;
use super::topology_group::{Filter, Kind, Rule};
use super::{Environment, PreferencePolicy};
use crate::model::PodClass;
use crate::model::pod_spec::{
    LabelRequirement, PodAffinityTerm, SelectorOperator, TopologySpreadConstraint, WhenUnsatisfiable,
};
use crate::policy::scheduler::kube::labels::selects;

/// All rules that a pod states itself (`newForTopologies`, `newForAffinities`).
pub(super) fn rules(pod: &PodClass, policy: PreferencePolicy, sources: &mut Sources<'_, '_>) -> Vec<Rule> {
    let respects = policy == PreferencePolicy::Respect;
    let mut rules = Vec::new();
    for constraint in &pod.spec.topology_spread {
        if respects || constraint.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule {
            rules.push(spread_rule(constraint, pod, sources.memo));
        }
    }
    let affinities = [(Kind::Affinity, &pod.spec.pod_affinity), (Kind::AntiAffinity, &pod.spec.pod_anti_affinity)];
    for (kind, affinity) in affinities {
        let preferred = affinity.preferred.iter().filter(|_| respects).map(|(_, term)| term);
        let terms = affinity.required.iter().chain(preferred);
        rules.extend(terms.map(|term| affinity_rule(kind, term, pod, sources.environment)));
    }
    rules
}

fn spread_rule(constraint: &TopologySpreadConstraint, pod: &PodClass, memo: &mut Memo) -> Rule {
    let mut selector = constraint.selector.clone();
    for key in &constraint.match_label_keys {
        let value = pod.spec.labels.iter().find(|label| label.key == *key);
        if let (Some(selector), Some(label)) = (&mut selector, value) {
            selector.requirements.push(LabelRequirement {
                key: key.clone(),
                operator: SelectorOperator::In,
                values: vec![label.value.clone()],
            });
        }
    }
    let selected = Requirements::of_labels(&pod.node_selector);
    let alternatives = match &pod.spec.node_affinity.required {
        None => vec![selected],
        Some(terms) => {
            let both = |expressions: &Vec<LabelRequirement>| {
                let mut both = selected.clone();
                both.add_all(&Requirements::of_selector(expressions));
                both
            };
            terms.iter().map(|term| both(&term.expressions)).collect()
        }
    };
    let filter = Filter {
        asks: alternatives.into_iter().map(|alternative| memo.ask(alternative)).collect(),
        honors_affinity: constraint.honors_node_affinity,
        honors_taints: constraint.honors_node_taints,
        tolerations: memo.toleration_set(&pod.tolerations),
    };
    Rule {
        key: constraint.topology_key.clone(),
        kind: Kind::Spread,
        namespaces: BTreeSet::from([pod.spec.namespace.clone()]),
        selector,
        max_skew: constraint.max_skew,
        min_domains: constraint.min_domains,
        filter: Some(filter),
    }
}

pub(super) fn affinity_rule(kind: Kind, term: &PodAffinityTerm, pod: &PodClass, environment: &Environment) -> Rule {
    let mut namespaces: BTreeSet<String> = term.namespaces.iter().cloned().collect();
    if let Some(selector) = &term.namespace_selector {
        let selected = environment.namespaces.iter().filter(|(_, labels)| selects(Some(selector), labels));
        namespaces.extend(selected.map(|(name, _)| name.clone()));
    } else if namespaces.is_empty() {
        namespaces.insert(pod.spec.namespace.clone());
    }
    Rule {
        key: term.topology_key.clone(),
        kind,
        namespaces,
        selector: term.selector.clone(),
        max_skew: i32::MAX,
        min_domains: None,
        filter: None,
    }
}

//! Affinity terms, and sums by domain.

use std::collections::BTreeMap;

use crate::model::pod_spec::PodAffinityTerm;
use crate::model::{Label, PodSpec};
use crate::policy::scheduler::kube::{NodeInfo, labels};
use crate::world::View;

/// The label that every namespace carries with its own name.
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Whether a term of a pod finds another pod (`AffinityTerm.Matches`): its namespace is one of those named, the pod's own
/// where none is, or is found by label; and so are its labels.
pub(super) fn finds(view: &View<'_>, term: &PodAffinityTerm, of: &PodSpec, other: &PodSpec) -> bool {
    let is_named = match (&term.namespaces[..], &term.namespace_selector) {
        ([], None) => of.namespace == other.namespace,
        (names, _) => names.contains(&other.namespace),
    };
    (is_named || finds_namespace(view, term, &other.namespace))
        && labels::selects(term.selector.as_ref(), &other.labels)
}

fn finds_namespace(view: &View<'_>, term: &PodAffinityTerm, namespace: &str) -> bool {
    let selector = term.namespace_selector.as_ref();
    match view.model.objects.namespaces.get(namespace) {
        Some(found) => labels::selects(selector, found),
        None => {
            let label = Label { key: NAMESPACE_NAME_LABEL.to_owned(), value: namespace.to_owned() };
            labels::selects(selector, &[label])
        }
    }
}

/// Whether all terms of a pod find another pod, and there are any.
pub(super) fn all_find(view: &View<'_>, terms: &[PodAffinityTerm], of: &PodSpec, other: &PodSpec) -> bool {
    !terms.is_empty() && terms.iter().all(|term| finds(view, term, of, other))
}

/// Sums by topology key and value.
#[derive(Clone, Debug, Default)]
pub(super) struct Domains<'a> {
    pub(super) by_key: BTreeMap<&'a str, BTreeMap<&'a str, i64>>,
}

impl<'a> Domains<'a> {
    /// Adds to the sum of a node's domain, if the node has the label.
    pub(super) fn add(&mut self, node: &NodeInfo<'a>, key: &'a str, change: i64) {
        if let Some(value) = node.label(key) {
            *self.by_key.entry(key).or_default().entry(value).or_insert(0) += change;
        }
    }

    /// As [`Domains::add`], but forgets sums that are back at 0.
    pub(super) fn count(&mut self, node: &NodeInfo<'a>, key: &'a str, change: i64) {
        self.add(node, key, change);
        if let Some(value) = node.label(key)
            && let Some(values) = self.by_key.get_mut(key)
        {
            if values.get(value) == Some(&0) {
                values.remove(value);
            }
            if values.is_empty() {
                self.by_key.remove(key);
            }
        }
    }

    /// The sum of a domain.
    pub(super) fn sum(&self, key: &str, value: &str) -> i64 {
        self.by_key.get(key).and_then(|values| values.get(value)).copied().unwrap_or(0)
    }

    /// Whether there are no sums at all.
    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

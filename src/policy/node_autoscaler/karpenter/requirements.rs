//! Requirements on labels by label, how they combine, and what pods and node pools require.
//!
//! Source: `pkg/scheduling/requirements.go` and `pkg/apis/v1/labels.go` of Karpenter v1.15.0.

use std::collections::{BTreeMap, BTreeSet};

use super::requirement::Requirement;
use crate::model::pod_spec::LabelRequirement;
use crate::model::{Label, PodClass};

/// The label with the name of the node pool.
pub const NODE_POOL_LABEL: &str = "karpenter.sh/nodepool";
/// The label with the capacity type.
pub const CAPACITY_TYPE_LABEL: &str = "karpenter.sh/capacity-type";
/// The label of nodes that have registered.
pub const REGISTERED_LABEL: &str = "karpenter.sh/registered";
/// The label of nodes that are initialised.
pub const INITIALIZED_LABEL: &str = "karpenter.sh/initialized";
/// The label with the instance type.
pub const INSTANCE_TYPE_LABEL: &str = "node.kubernetes.io/instance-type";
/// Capacity that can be taken back.
pub const SPOT: &str = "spot";
/// Capacity at the list price.
pub const ON_DEMAND: &str = "on-demand";
/// Capacity that was paid for beforehand.
pub const RESERVED: &str = "reserved";

/// Labels that instance types may have without a node pool saying so (`WellKnownLabels`).
const WELL_KNOWN_LABELS: [&str; 8] = [
    NODE_POOL_LABEL,
    crate::model::cluster::ZONE_LABEL,
    "topology.kubernetes.io/region",
    INSTANCE_TYPE_LABEL,
    "kubernetes.io/arch",
    "kubernetes.io/os",
    CAPACITY_TYPE_LABEL,
    "node.kubernetes.io/windows-build",
];

/// Older names of labels (`NormalizedLabels`).
const NORMALIZED_LABELS: [(&str, &str); 5] = [
    ("failure-domain.beta.kubernetes.io/zone", crate::model::cluster::ZONE_LABEL),
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    ("beta.kubernetes.io/instance-type", INSTANCE_TYPE_LABEL),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
];

/// The name by which a label is known.
pub fn normalized_label(key: &str) -> &str {
    NORMALIZED_LABELS.iter().find(|(old, _)| *old == key).map_or(key, |(_, new)| new)
}

/// Labels that need not be defined by a node pool to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WellKnownLabels(BTreeSet<String>);

impl WellKnownLabels {
    /// Upstream's labels and those of the cloud provider.
    pub fn with(of_provider: impl IntoIterator<Item = String>) -> WellKnownLabels {
        WellKnownLabels(WELL_KNOWN_LABELS.map(str::to_owned).into_iter().chain(of_provider).collect())
    }

    /// No label: what nodes that exist are asked with.
    pub fn none() -> WellKnownLabels {
        WellKnownLabels(BTreeSet::new())
    }

    /// Whether the label is one of them.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains(key)
    }
}

impl Default for WellKnownLabels {
    fn default() -> WellKnownLabels {
        WellKnownLabels::with([])
    }
}

/// Requirements by label; labels without one may have any value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requirements(BTreeMap<String, Requirement>);

impl Requirements {
    /// No requirements.
    pub fn new() -> Requirements {
        Requirements::default()
    }

    /// Each label has the value given.
    pub fn of_labels<'a>(labels: impl IntoIterator<Item = &'a Label>) -> Requirements {
        let mut requirements = Requirements::new();
        for label in labels {
            requirements.add(&label.key, &Requirement::is(&label.value));
        }
        requirements
    }

    /// What a selector requires.
    pub fn of_selector<'a>(selector: impl IntoIterator<Item = &'a LabelRequirement>) -> Requirements {
        let mut requirements = Requirements::new();
        for requirement in selector {
            requirements.add(&requirement.key, &Requirement::of_selector(requirement));
        }
        requirements
    }

    /// What a pod requires: its selector and the first of its alternatives. Preferred node affinity is left out
    /// (`NewStrictPodRequirements`).
    pub fn of_pod(pod: &PodClass) -> Requirements {
        let mut requirements = Requirements::of_labels(&pod.node_selector);
        if let Some(term) = pod.spec.node_affinity.required.as_ref().and_then(|terms| terms.first()) {
            requirements.add_all(&Requirements::of_selector(&term.expressions));
        }
        requirements
    }

    /// What a pod requires, the preferred term of the largest weight counted as required (`NewPodRequirements`).
    pub fn of_pod_with_preference(pod: &PodClass) -> Requirements {
        let mut requirements = Requirements::of_labels(&pod.node_selector);
        let affinity = &pod.spec.node_affinity;
        // Of equal weights the first one counts, so the search must not take the last maximum.
        let heaviest = affinity.preferred.iter().rev().max_by_key(|(weight, _)| *weight);
        if let Some((_, term)) = heaviest {
            requirements.add_all(&Requirements::of_selector(&term.expressions));
        }
        if let Some(term) = affinity.required.as_ref().and_then(|terms| terms.first()) {
            requirements.add_all(&Requirements::of_selector(&term.expressions));
        }
        requirements
    }

    /// Tightens a label's requirement by another one.
    pub fn add(&mut self, key: &str, requirement: &Requirement) {
        let key = normalized_label(key);
        match self.0.get_mut(key) {
            Some(existing) => *existing = requirement.intersection(existing),
            None => {
                self.0.insert(key.to_owned(), requirement.clone());
            }
        }
    }

    /// Tightens by all of another's requirements.
    pub fn add_all(&mut self, other: &Requirements) {
        for (key, requirement) in &other.0 {
            self.add(key, requirement);
        }
    }

    /// Sets a label's requirement, whatever it was.
    pub fn set(&mut self, key: &str, requirement: Requirement) {
        self.0.insert(key.to_owned(), requirement);
    }

    /// Drops a label's requirement and returns it.
    pub fn remove(&mut self, key: &str) -> Option<Requirement> {
        self.0.remove(key)
    }

    /// The requirement of a label, if there is one.
    pub fn get(&self, key: &str) -> Option<&Requirement> {
        self.0.get(key)
    }

    /// The requirement of a label; any value where there is none.
    pub fn get_or_any(&self, key: &str) -> Requirement {
        self.0.get(key).cloned().unwrap_or_else(Requirement::exists)
    }

    /// Labels and requirements in order of the labels.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Requirement)> {
        self.0.iter().map(|(key, requirement)| (key.as_str(), requirement))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether some label needs several values.
    pub fn has_min_values(&self) -> bool {
        self.0.values().any(|requirement| requirement.min_values().is_some())
    }

    /// Whether a node with these requirements can meet `wanted` (`Compatible`): labels that it has must agree, others must
    /// be well known or not needed.
    pub fn is_compatible(&self, wanted: &Requirements, allow_undefined: &WellKnownLabels) -> bool {
        let is_defined = |(key, requirement): (&String, &Requirement)| {
            allow_undefined.has(key) || self.0.contains_key(key) || requirement.allows_missing()
        };
        wanted.0.iter().all(is_defined) && self.intersects(wanted)
    }

    /// Whether the labels that both speak of agree (`Intersects`); two requirements that a missing label meets always do.
    pub fn intersects(&self, other: &Requirements) -> bool {
        let (small, large) = if self.0.len() <= other.0.len() { (self, other) } else { (other, self) };
        small.0.iter().all(|(key, one)| {
            large
                .0
                .get(key)
                .is_none_or(|two| one.has_intersection(two) || (one.allows_missing() && two.allows_missing()))
        })
    }
}

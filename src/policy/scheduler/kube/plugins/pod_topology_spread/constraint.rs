//! Spread constraints as the plug-in counts by them, and where they come from.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::model::cluster::{HOSTNAME_LABEL, ZONE_LABEL};
use crate::model::kube_scheduler::DefaultSpread;
use crate::model::pod_spec::{
    LabelRequirement, LabelSelector, SelectorOperator, TopologySpreadConstraint, WhenUnsatisfiable,
};
use crate::model::{Label, PodSpec};
use crate::policy::scheduler::kube::{Cycle, NodeInfo, labels};

/// Topology keys and skews of the system's own default constraints, all of them soft.
const SYSTEM_DEFAULTS: [(&str, i32); 2] = [(HOSTNAME_LABEL, 3), (ZONE_LABEL, 5)];

/// A constraint, with `matchLabelKeys` merged into its selector.
#[derive(Clone, Debug)]
pub(in crate::policy::scheduler::kube) struct Constraint<'a> {
    pub max_skew: i64,
    pub topology_key: &'a str,
    /// None finds no pods.
    pub selector: Option<Cow<'a, LabelSelector>>,
    /// At least 1.
    pub min_domains: usize,
    honors_node_affinity: bool,
    pub honors_node_taints: bool,
}

impl<'a> Constraint<'a> {
    /// The constraints of the pod, or else of the profile, that are hard or soft.
    pub(in crate::policy::scheduler::kube) fn all(cycle: &Cycle<'a>, when: WhenUnsatisfiable) -> Vec<Constraint<'a>> {
        let spec = cycle.spec();
        if !spec.topology_spread.is_empty() {
            return listed(&spec.topology_spread, spec, when);
        }
        let mut defaults = match &cycle.arguments.default_spread {
            DefaultSpread::List(constraints) => listed(constraints, spec, when),
            DefaultSpread::System if when == WhenUnsatisfiable::ScheduleAnyway => {
                SYSTEM_DEFAULTS.map(|(key, max_skew)| Constraint::system(key, max_skew)).into()
            }
            DefaultSpread::System => Vec::new(),
        };
        if defaults.is_empty() {
            return defaults;
        }
        let selector = deduced_selector(cycle);
        if selector.requirements.is_empty() {
            return Vec::new();
        }
        for constraint in &mut defaults {
            constraint.selector = Some(Cow::Owned(selector.clone()));
        }
        defaults
    }

    fn system(topology_key: &'static str, max_skew: i32) -> Constraint<'static> {
        Constraint {
            max_skew: max_skew.into(),
            topology_key,
            selector: None,
            min_domains: 1,
            honors_node_affinity: true,
            honors_node_taints: false,
        }
    }

    fn new(constraint: &'a TopologySpreadConstraint, spec: &'a PodSpec) -> Constraint<'a> {
        Constraint {
            max_skew: constraint.max_skew.into(),
            topology_key: &constraint.topology_key,
            selector: merged_selector(constraint, spec),
            min_domains: constraint.min_domains.map_or(1, |domains| domains.max(0) as usize),
            honors_node_affinity: constraint.honors_node_affinity,
            honors_node_taints: constraint.honors_node_taints,
        }
    }

    /// Whether a node counts for the pod of the cycle (`matchNodeInclusionPolicies`).
    pub(in crate::policy::scheduler::kube) fn includes(&self, cycle: &Cycle<'_>, node: &NodeInfo<'_>) -> bool {
        let class = cycle.pod_class();
        (!self.honors_node_affinity || labels::meets_required_node_affinity(class, node))
            && (!self.honors_node_taints || labels::tolerates_taints(class, node))
    }

    /// Whether the selector finds pods with these labels.
    pub(in crate::policy::scheduler::kube) fn selects(&self, pod_labels: &[Label]) -> bool {
        labels::selects(self.selector.as_deref(), pod_labels)
    }

    /// Whether pods of the namespace with these labels count; an empty selector counts none, although it finds all.
    pub(in crate::policy::scheduler::kube) fn counts_pods_with(&self, pod_labels: &[Label]) -> bool {
        self.selector.as_ref().is_some_and(|selector| !selector.requirements.is_empty()) && self.selects(pod_labels)
    }

    /// How many pods on a node count (`countPodsMatchSelector`): those of the namespace that the selector finds and
    /// that are not on their way out.
    pub(in crate::policy::scheduler::kube) fn count(&self, node: &NodeInfo<'_>, namespace: &str) -> i64 {
        let view = &node.view;
        let counts = |pod: &_| {
            let spec = &view.class_of(*pod).spec;
            spec.namespace == namespace && !view.is_terminating(*pod) && self.counts_pods_with(&spec.labels)
        };
        node.pods().filter(counts).count() as i64
    }
}

/// Whether a node has the labels of all constraints.
pub(in crate::policy::scheduler::kube) fn has_all_keys(node: &NodeInfo<'_>, constraints: &[Constraint<'_>]) -> bool {
    constraints.iter().all(|constraint| node.label(constraint.topology_key).is_some())
}

fn listed<'a>(
    constraints: &'a [TopologySpreadConstraint],
    spec: &'a PodSpec,
    when: WhenUnsatisfiable,
) -> Vec<Constraint<'a>> {
    let wanted = constraints.iter().filter(|constraint| constraint.when_unsatisfiable == when);
    wanted.map(|constraint| Constraint::new(constraint, spec)).collect()
}

/// The selector, narrowed to the pod's own values of `matchLabelKeys`; keys that the pod lacks are passed over.
fn merged_selector<'a>(constraint: &'a TopologySpreadConstraint, spec: &PodSpec) -> Option<Cow<'a, LabelSelector>> {
    let selector = constraint.selector.as_ref()?;
    let keys = constraint.match_label_keys.iter();
    let own: BTreeMap<&str, &str> =
        keys.filter_map(|key| Some((key.as_str(), labels::value(&spec.labels, key)?))).collect();
    if own.is_empty() {
        return Some(Cow::Borrowed(selector));
    }
    let mut requirements = equalities(&own);
    requirements.extend_from_slice(&selector.requirements);
    Some(Cow::Owned(LabelSelector { requirements }))
}

fn equalities(labels: &BTreeMap<&str, &str>) -> Vec<LabelRequirement> {
    let equality = |(key, value): (&&str, &&str)| LabelRequirement {
        key: (*key).to_owned(),
        operator: SelectorOperator::In,
        values: vec![(*value).to_owned()],
    };
    labels.iter().map(equality).collect()
}

/// The selector that follows from the services that select the pod and from the controller that owns it
/// (`helper.DefaultSelector`); empty where there are none.
fn deduced_selector(cycle: &Cycle<'_>) -> LabelSelector {
    let (spec, objects) = (cycle.spec(), &cycle.view.model.objects);
    let is_met = |label: &Label| labels::value(&spec.labels, &label.key) == Some(&label.value);
    let mut equal = BTreeMap::new();
    for service in objects.services.iter().filter(|service| service.namespace == spec.namespace) {
        if service.selector.iter().all(is_met) {
            equal.extend(service.selector.iter().map(|label| (label.key.as_str(), label.value.as_str())));
        }
    }
    let kinds = [("v1", "ReplicationController"), ("apps/v1", "ReplicaSet"), ("apps/v1", "StatefulSet")];
    let owner = spec.owner.as_ref().filter(|owner| kinds.contains(&(owner.api_version.as_str(), owner.kind.as_str())));
    let controller = owner.and_then(|owner| {
        objects.controllers.iter().find(|controller| {
            (&controller.namespace, &controller.kind, &controller.name) == (&spec.namespace, &owner.kind, &owner.name)
        })
    });
    let mut requirements = Vec::new();
    match controller {
        // The selector of a ReplicationController is a map, whose values take the place of the services'.
        Some(controller) if controller.kind == "ReplicationController" => {
            let values = controller.selector.requirements.iter();
            equal.extend(values.filter_map(|label| Some((label.key.as_str(), label.values.first()?.as_str()))));
        }
        Some(controller) => requirements.extend_from_slice(&controller.selector.requirements),
        None => {}
    }
    requirements.splice(0..0, equalities(&equal));
    LabelSelector { requirements }
}

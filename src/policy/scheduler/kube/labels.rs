//! Selectors of labels, matched as `k8s.io/apimachinery/pkg/labels` and `component-helpers/scheduling/corev1/nodeaffinity`
//! do.

use crate::ids::NodeId;
use crate::model::cluster::HOSTNAME_LABEL;
use crate::model::pod_spec::{LabelRequirement, LabelSelector, NodeSelectorTerm, SelectorOperator};
use crate::model::{Label, NodeShape, PodClass, Taint, TaintEffect};
use crate::world::View;
use crate::world::constraints::tolerates;

/// A node, as it is or as it was, by what affinity and tolerations look at.
pub trait NodeLabels {
    /// The value of a label.
    fn label(&self, key: &str) -> Option<&str>;
    /// Its name.
    fn name(&self) -> &str;
    /// Its taints.
    fn taints(&self) -> &[Taint];
}

/// The value of a label of a node of that shape.
pub fn of_node<'a>(view: &View<'a>, node: NodeId, shape: &'a NodeShape, key: &str) -> Option<&'a str> {
    if key == HOSTNAME_LABEL {
        return match view.model.cluster.hostnames.get(&node) {
            Some(hostname) => hostname.as_deref(),
            None => Some(view.world.nodes.name(node)),
        };
    }
    value(&shape.labels, key)
}

/// The value of a label in a list that is sorted by key.
pub fn value<'l>(labels: &'l [Label], key: &str) -> Option<&'l str> {
    let at = labels.binary_search_by(|label| label.key.as_str().cmp(key)).ok()?;
    Some(&labels[at].value)
}

/// Whether labels meet all requirements of a selector; no selector is met by nothing.
pub fn selects(selector: Option<&LabelSelector>, labels: &[Label]) -> bool {
    let of = |key: &str| value(labels, key);
    selector.is_some_and(|selector| {
        selector.requirements.iter().all(|requirement| meets(requirement, of(&requirement.key)))
    })
}

/// Whether a label's value, or its absence, meets a requirement (`Requirement.Matches`).
pub fn meets(requirement: &LabelRequirement, value: Option<&str>) -> bool {
    let is_listed = |value: &str| requirement.values.iter().any(|other| other == value);
    match requirement.operator {
        SelectorOperator::In => value.is_some_and(is_listed),
        SelectorOperator::NotIn => !value.is_some_and(is_listed),
        SelectorOperator::Exists => value.is_some(),
        SelectorOperator::DoesNotExist => value.is_none(),
        SelectorOperator::Gt | SelectorOperator::Lt => {
            let number = value.and_then(|value| value.parse::<i64>().ok());
            let bound = requirement.values.first().and_then(|bound| bound.parse::<i64>().ok());
            match (number, bound, requirement.operator) {
                (Some(number), Some(bound), SelectorOperator::Gt) => number > bound,
                (Some(number), Some(bound), _) => number < bound,
                _ => false,
            }
        }
    }
}

/// Whether a node meets a term: all its requirements; a term without any is met by no node.
pub fn meets_term(term: &NodeSelectorTerm, node: &impl NodeLabels) -> bool {
    let is_empty = term.expressions.is_empty() && term.fields.is_empty();
    let has_label = |requirement: &LabelRequirement| meets(requirement, node.label(&requirement.key));
    let has_field =
        |requirement: &LabelRequirement| meets(requirement, (requirement.key == "metadata.name").then(|| node.name()));
    !is_empty && term.expressions.iter().all(has_label) && term.fields.iter().all(has_field)
}

/// Whether a node meets a pod's selector and required affinity (`nodeaffinity.RequiredNodeAffinity`).
pub fn meets_required_node_affinity(class: &PodClass, node: &impl NodeLabels) -> bool {
    let has_label = |label: &Label| node.label(&label.key) == Some(label.value.as_str());
    let meets_one = |terms: &Vec<NodeSelectorTerm>| terms.iter().any(|term| meets_term(term, node));
    class.node_selector.iter().all(has_label) && class.spec.node_affinity.required.as_ref().is_none_or(meets_one)
}

/// Whether a pod tolerates the taints of a node that keep pods away.
pub fn tolerates_taints(class: &PodClass, node: &impl NodeLabels) -> bool {
    let mut taints = node.taints().iter().filter(|taint| taint.effect != TaintEffect::PreferNoSchedule);
    taints.all(|taint| class.tolerations.iter().any(|toleration| tolerates(toleration, taint)))
}

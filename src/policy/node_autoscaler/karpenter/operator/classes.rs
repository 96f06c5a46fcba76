//! Kinds of pod as Karpenter sees them: what the model has, GPUs that are known by model counted as an extended resource.

use crate::model::cluster::HOSTNAME_LABEL;
use crate::model::controllers::ControllerKind;
use crate::model::pod_spec::NodeSelectorTerm;
use crate::model::{Model, PodClass, Resources};
use crate::policy::scheduler::kube::volumes_reach;
use crate::world::View;

/// Where thousandths of GPUs stand among extended resources: after all that have a name.
const GPU_POSITION: usize = 1000;

/// The classes of the run.
pub(super) fn of_model(model: &Model) -> Vec<PodClass> {
    model.workload.all_classes().map(with_gpus).collect()
}

/// Adds the classes that the run has made since.
pub(super) fn catch_up(model: &Model, classes: &mut Vec<PodClass>) {
    let known = classes.len();
    classes.extend(model.workload.all_classes().skip(known).map(with_gpus));
}

/// Makes the classes of pods with claims anew if claims have been bound since: then a pod must go where its volumes are.
/// Returns whether it did.
pub(super) fn follow_claims(view: View<'_>, bound_before: &mut Option<usize>, classes: &mut [PodClass]) -> bool {
    let bound = view.world.volumes.bound();
    if bound_before.replace(bound) == Some(bound) {
        return false;
    }
    let of_model = view.model.workload.all_classes();
    let mut has_changed = false;
    for (class, original) in classes.iter_mut().zip(of_model) {
        let reach = volumes_reach(view, &original.spec);
        if !reach.is_empty() {
            class.spec.node_affinity.required = Some(within(original.spec.node_affinity.required.clone(), &reach));
            has_changed = true;
        }
    }
    has_changed
}

/// Terms of which a node must meet one: those that a pod has, each with one of those of each of its volumes.
fn within(required: Option<Vec<NodeSelectorTerm>>, reach: &[Vec<NodeSelectorTerm>]) -> Vec<NodeSelectorTerm> {
    let mut terms = required.unwrap_or_else(|| vec![NodeSelectorTerm::default()]);
    for of_volume in reach {
        let with = |term: &NodeSelectorTerm, other: &NodeSelectorTerm| NodeSelectorTerm {
            expressions: term.expressions.iter().chain(&other.expressions).cloned().collect(),
            fields: term.fields.clone(),
        };
        terms = terms.iter().flat_map(|term| of_volume.iter().map(move |other| with(term, other))).collect();
    }
    terms
}

/// A pod of every DaemonSet, as it would run on any node.
pub(super) fn daemons(model: &Model) -> Vec<PodClass> {
    let daemon_sets = model.controllers.list.iter().filter(|one| matches!(one.kind, ControllerKind::DaemonSet(_)));
    let first = |one: &crate::model::controllers::Controller| {
        let class = one.templates.first()?.classes.first()?;
        let mut pod = with_gpus(model.workload.class(*class));
        pod.node_selector.retain(|label| label.key != HOSTNAME_LABEL);
        Some(pod)
    };
    daemon_sets.filter_map(first).collect()
}

/// The class with its request for GPUs among its extended resources. Which models it accepts is not asked.
pub(super) fn with_gpus(class: &PodClass) -> PodClass {
    let mut class = class.clone();
    if let Some(gpu) = &class.gpu {
        add_gpus(&mut class.requests, gpu.total_milli());
    }
    class
}

/// Adds so many thousandths of GPUs.
pub(super) fn add_gpus(resources: &mut Resources, milli: u64) {
    resources.extended.resize(GPU_POSITION + 1, 0);
    resources.extended[GPU_POSITION] += milli;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pod_spec::{LabelRequirement, SelectorOperator};

    /// A term that asks for these labels.
    fn term(keys: &str) -> NodeSelectorTerm {
        let requirement = |key: char| LabelRequirement {
            key: key.to_string(),
            operator: SelectorOperator::Exists,
            values: Vec::new(),
        };
        NodeSelectorTerm { expressions: keys.chars().map(requirement).collect(), fields: Vec::new() }
    }

    /// A node meets one term of the pod and one of each volume.
    #[test]
    fn what_volumes_ask_joins_what_the_pod_asks() {
        let terms = |list: &[&str]| list.iter().map(|keys| term(keys)).collect::<Vec<_>>();
        for (of_pod, of_volumes, expected) in [
            (None, vec![vec!["a"]], vec!["a"]),
            (None, vec![vec!["a", "b"], vec!["c"]], vec!["ac", "bc"]),
            (Some(vec!["x", "y"]), vec![vec!["a", "b"]], vec!["xa", "xb", "ya", "yb"]),
            // A pod that no node meets stays one.
            (Some(vec![]), vec![vec!["a"]], vec![]),
        ] {
            let reach: Vec<_> = of_volumes.iter().map(|volume| terms(volume)).collect();
            assert_eq!(within(of_pod.as_deref().map(terms), &reach), terms(&expected), "{of_pod:?} {of_volumes:?}");
        }
    }
}

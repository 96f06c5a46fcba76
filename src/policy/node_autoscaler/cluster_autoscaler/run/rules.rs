//! What the scheduler's filters say of a class of pods on a node that need not exist, topology aside: selector, affinity,
//! taints, features, host ports.
//!
//! Cost: a look-up for what depends on the shape alone; a walk over the terms where they name nodes.

use crate::ids::{ClassId, NodeId};
use crate::model::cluster::HOSTNAME_LABEL;
use crate::model::pod_spec::NodeSelectorTerm;
use crate::model::{PodClass, ShapeId, Taint, TaintEffect};
use crate::policy::node_autoscaler::cluster_autoscaler::simple::TO_BE_DELETED;
use crate::policy::scheduler::kube::labels::{self, NodeLabels};
use crate::world::View;
use crate::world::constraints::{Verdict, tolerates};

/// The taint that a cordoned node has.
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// The name of nodes that nobody has made yet: no node of a cluster is called so.
const MADE: &str = "<made>";

/// A node by its labels, whether it exists or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Labelled<'a> {
    pub(super) view: View<'a>,
    pub(super) shape: ShapeId,
    /// `None`: it was made from a template.
    pub(super) node: Option<NodeId>,
}

impl NodeLabels for Labelled<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        let shape = self.view.model.cluster.shape(self.shape);
        match self.node {
            Some(node) => labels::of_node(&self.view, node, shape, key),
            None if key == HOSTNAME_LABEL => Some(MADE),
            None => labels::value(&shape.labels, key),
        }
    }

    fn name(&self) -> &str {
        self.node.map_or(MADE, |node| self.view.world.nodes.name(node))
    }

    fn taints(&self) -> &[Taint] {
        &self.view.model.cluster.shape(self.shape).taints
    }
}

/// What is known of a class.
#[derive(Clone, Debug)]
struct OfClass {
    /// Whether affinity or selector look at names, so that nodes of one shape differ.
    looks_at_names: bool,
    tolerates_cordon: bool,
    tolerates_deletion: bool,
    /// By shape.
    verdicts: Vec<Option<bool>>,
}

/// The answers that were given, by class.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    classes: Vec<Option<OfClass>>,
}

impl Rules {
    fn of(&mut self, view: &View<'_>, class: ClassId) -> &mut OfClass {
        if self.classes.len() <= class.index() {
            self.classes.resize_with(class.index() + 1, || None);
        }
        let shapes = view.model.cluster.shapes.len();
        self.classes[class.index()].get_or_insert_with(|| OfClass::new(view.class(class), shapes))
    }

    /// Whether pods of the class may go to the node by what never changes: selector, affinity, taints, GPU model, features.
    pub(super) fn allows(&mut self, class: ClassId, node: &Labelled<'_>) -> bool {
        let known = self.of(&node.view, class);
        if known.looks_at_names {
            return allows(class, node);
        }
        *known.verdicts[node.shape.0 as usize].get_or_insert_with(|| allows(class, node))
    }

    /// Whether pods of the class go to cordoned nodes.
    pub(super) fn tolerates_cordon(&mut self, view: &View<'_>, class: ClassId) -> bool {
        self.of(view, class).tolerates_cordon
    }

    /// Whether pods of the class go to nodes that are being deleted.
    pub(super) fn tolerates_deletion(&mut self, view: &View<'_>, class: ClassId) -> bool {
        self.of(view, class).tolerates_deletion
    }
}

impl OfClass {
    fn new(class: &PodClass, shapes: usize) -> OfClass {
        let tolerates_taint = |key: &str| {
            let taint = Taint { key: key.to_owned(), value: String::new(), effect: TaintEffect::NoSchedule };
            class.tolerations.iter().any(|toleration| tolerates(toleration, &taint))
        };
        let names = |term: &NodeSelectorTerm| {
            !term.fields.is_empty() || term.expressions.iter().any(|expression| expression.key == HOSTNAME_LABEL)
        };
        let terms = class.spec.node_affinity.required.iter().flatten();
        let selects_name = class.node_selector.iter().any(|label| label.key == HOSTNAME_LABEL);
        OfClass {
            looks_at_names: selects_name || terms.into_iter().any(names),
            tolerates_cordon: tolerates_taint(UNSCHEDULABLE),
            tolerates_deletion: tolerates_taint(TO_BE_DELETED),
            verdicts: vec![None; shapes],
        }
    }
}

fn allows(class: ClassId, node: &Labelled<'_>) -> bool {
    let (pods, shape) = (node.view.class(class), node.view.model.cluster.shape(node.shape));
    let declares = |feature: &String| shape.declared_features.binary_search(feature).is_ok();
    node.view.world.constraints.verdict(class, node.shape) == Verdict::Allowed
        && labels::meets_required_node_affinity(pods, node)
        && pods.spec.required_features.iter().all(declares)
}

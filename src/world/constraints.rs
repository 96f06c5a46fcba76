//! Which class of pods may go to which shape of node, by selector, tolerations and GPU model.
//!
//! These never change during a run, so each pair of constraint set and shape is matched once; classes with the same
//! constraints share a row.

use std::collections::BTreeMap;

use crate::ids::{ClassId, NodeId};
use crate::model::cluster::HOSTNAME_LABEL;
use crate::model::{
    Cluster, Label, NodeShape, PodClass, ShapeId, Taint, TaintEffect, Toleration, TolerationOperator, Workload,
};

use super::Nodes;

/// Static constraints, matched.
#[derive(Clone, Debug)]
pub struct Constraints {
    /// The row of each class.
    row_of_class: Vec<u32>,
    /// One row a constraint set: the verdict for every shape.
    rows: Vec<Vec<Verdict>>,
    /// The node name that a class asks for, by class; empty when no class does.
    hostname_of_class: Vec<Option<String>>,
    /// Whether the class may go to every node and asks for no GPU, by class.
    is_free: Vec<bool>,
}

/// Whether a class may go to a shape of node, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Allowed,
    /// The node lacks a label that the selector asks for.
    SelectorMismatch,
    /// The node has a taint that the pods do not tolerate.
    UntoleratedTaint,
    /// The node's GPUs are of another model than the pods accept, or there are none.
    GpuModelMismatch,
}

impl Constraints {
    /// Matches every class with every shape.
    pub fn new(cluster: &Cluster, classes: &[PodClass]) -> Constraints {
        let mut row_by_key = BTreeMap::new();
        let mut constraints = Constraints {
            row_of_class: Vec::new(),
            rows: Vec::new(),
            hostname_of_class: Vec::new(),
            is_free: Vec::new(),
        };
        for class in classes {
            let models = class.gpu.as_ref().map(|gpu| gpu.models.clone());
            let key = (class.node_selector.clone(), class.tolerations.clone(), models);
            let row = *row_by_key.entry(key).or_insert_with(|| {
                constraints.rows.push(cluster.shapes.iter().map(|shape| verdict(class, shape)).collect());
                constraints.rows.len() as u32 - 1
            });
            constraints.row_of_class.push(row);
            let everywhere = constraints.rows[row as usize].iter().all(|&verdict| verdict == Verdict::Allowed);
            constraints.is_free.push(everywhere && class.gpu.is_none() && hostname(class).is_none());
        }
        if classes.iter().any(|class| hostname(class).is_some()) {
            constraints.hostname_of_class = classes.iter().map(hostname).collect();
        }
        constraints
    }

    /// Learns of the classes that the run has made up to that one: whatever keeps pods from nodes is as it was before, names of
    /// nodes apart.
    pub fn learn(&mut self, workload: &Workload, class: ClassId) {
        for index in self.row_of_class.len()..=class.index() {
            let base = workload.base_class(ClassId::from_index(index)).index();
            self.row_of_class.push(self.row_of_class[base]);
            self.is_free.push(self.is_free[base]);
            let own = hostname(workload.class(ClassId::from_index(index)));
            if own.is_some() && self.hostname_of_class.is_empty() {
                self.hostname_of_class = vec![None; index];
            }
            if !self.hostname_of_class.is_empty() {
                self.is_free[index] &= own.is_none();
                self.hostname_of_class.push(own);
            }
        }
    }

    /// Whether neither selector nor taints nor GPUs can keep `class` from any node.
    #[inline]
    pub fn is_free(&self, class: ClassId) -> bool {
        self.is_free[class.index()]
    }

    /// Whether `class` may go to nodes of `shape`, by their shape alone.
    #[inline]
    pub fn verdict(&self, class: ClassId, shape: ShapeId) -> Verdict {
        self.rows[self.row_of_class[class.index()] as usize][shape.0 as usize]
    }

    /// Whether `class` may go to `node`.
    #[inline]
    pub fn verdict_on_node(&self, class: ClassId, nodes: &Nodes, node: NodeId) -> Verdict {
        if let Some(Some(hostname)) = self.hostname_of_class.get(class.index())
            && hostname != nodes.name(node)
        {
            return Verdict::SelectorMismatch;
        }
        self.verdict(class, nodes.shape[node.index()])
    }
}

/// The name of the node that a class asks for.
fn hostname(class: &PodClass) -> Option<String> {
    let label = class.node_selector.iter().find(|label| label.key == HOSTNAME_LABEL);
    label.map(|label| label.value.clone())
}

fn verdict(class: &PodClass, shape: &NodeShape) -> Verdict {
    let has = |wanted: &Label| wanted.key == HOSTNAME_LABEL || shape.labels.binary_search(wanted).is_ok();
    if !class.node_selector.iter().all(has) {
        return Verdict::SelectorMismatch;
    }
    let keeps_away = |taint: &&Taint| taint.effect != TaintEffect::PreferNoSchedule;
    let tolerated = |taint: &Taint| class.tolerations.iter().any(|toleration| tolerates(toleration, taint));
    if !shape.taints.iter().filter(keeps_away).all(tolerated) {
        return Verdict::UntoleratedTaint;
    }
    match (&class.gpu, &shape.gpu) {
        (None, _) => Verdict::Allowed,
        (Some(request), Some(devices)) if request.accepts(devices.model) => Verdict::Allowed,
        (Some(_), _) => Verdict::GpuModelMismatch,
    }
}

/// Whether a toleration covers a taint (`Toleration.ToleratesTaint` of `core/v1/toleration.go`).
pub fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    if toleration.effect.is_some_and(|effect| effect != taint.effect) {
        return false;
    }
    if !toleration.key.is_empty() && toleration.key != taint.key {
        return false;
    }
    match toleration.operator {
        TolerationOperator::Exists => true,
        TolerationOperator::Equal => !toleration.key.is_empty() && toleration.value == taint.value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toleration(key: &str, operator: TolerationOperator, value: &str, effect: Option<TaintEffect>) -> Toleration {
        Toleration { key: key.into(), operator, value: value.into(), effect, duration: None }
    }

    #[test]
    fn classes_of_resized_pods_may_go_where_the_others_may() {
        use crate::model::workload::ResizedClass;
        let class = |pool: &str| PodClass {
            node_selector: vec![Label { key: "pool".into(), value: pool.into() }],
            ..PodClass::default()
        };
        let shape = NodeShape { labels: class("a").node_selector, ..NodeShape::default() };
        let cluster = Cluster { shapes: vec![shape], ..Cluster::default() };
        let workload = Workload { classes: vec![class("a"), class("b")], ..Workload::default() };
        let mut constraints = Constraints::new(&cluster, &workload.classes);
        // Two more of the second class, one of the first; the last is asked for first.
        let resized = |base, milli| {
            let mut class = workload.class(base).clone();
            class.requests.cpu.0 = milli;
            workload.intern_resized(ResizedClass { base, class })
        };
        let ids = [(ClassId(1), 7), (ClassId(0), 8), (ClassId(1), 9)].map(|(base, milli)| resized(base, milli));
        assert_eq!(ids, [ClassId(2), ClassId(3), ClassId(4)]);
        constraints.learn(&workload, ClassId(4));
        let verdicts = [0, 1, 2, 3, 4].map(|class| constraints.verdict(ClassId(class), ShapeId(0)));
        let (yes, no) = (Verdict::Allowed, Verdict::SelectorMismatch);
        assert_eq!(verdicts, [yes, no, no, yes, no]);
        assert_eq!([3, 4].map(|class| constraints.is_free(ClassId(class))), [true, false]);
    }

    #[test]
    fn tolerations_match_as_in_kubernetes() {
        use TaintEffect::{NoExecute, NoSchedule};
        use TolerationOperator::{Equal, Exists};
        let taint = Taint { key: "gpu".into(), value: "yes".into(), effect: NoSchedule };
        for (toleration, expected) in [
            (toleration("gpu", Equal, "yes", None), true),
            (toleration("gpu", Equal, "yes", Some(NoSchedule)), true),
            (toleration("gpu", Equal, "yes", Some(NoExecute)), false),
            (toleration("gpu", Equal, "no", None), false),
            (toleration("gpu", Exists, "", None), true),
            (toleration("", Exists, "", None), true),
            (toleration("disk", Exists, "", None), false),
        ] {
            assert_eq!(tolerates(&toleration, &taint), expected, "{toleration:?}");
        }
    }
}

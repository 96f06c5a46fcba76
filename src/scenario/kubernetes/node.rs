//! `v1/Node` to nodes and shapes.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::Findings;
use super::files::Object;
use super::read::{Amounts, Notes, Resource};
use crate::document::{Code, Entry};
use crate::model::cluster::{HOSTNAME_LABEL, ZONE_LABEL};
use crate::model::{Cluster, Label, Node, NodeShape, ShapeId, Taint, TaintEffect};

/// The taint that Kubernetes puts on cordoned nodes beside `spec.unschedulable`.
const UNSCHEDULABLE_TAINT: &str = "node.kubernetes.io/unschedulable";

/// What a node says about itself.
struct NodeFacts<'t> {
    name: &'t str,
    labels: Vec<Label>,
    taints: Vec<Taint>,
    allocatable: Amounts<'t>,
    unschedulable: bool,
}

/// Appends nodes to the cluster.
pub(super) fn add(objects: &[Object<'_>], cluster: &mut Cluster, findings: &mut Findings) {
    let converted: Vec<(Option<NodeFacts<'_>>, Notes)> = objects.par_iter().map(facts).collect();
    let mut shapes = BTreeMap::new();
    let mut places = BTreeMap::new();
    for (object, (facts, mut notes)) in objects.iter().zip(converted) {
        if let Some(facts) = facts {
            match places.insert(facts.name, object) {
                Some(other) => {
                    let Object { file, tree, .. } = other;
                    let message = format!(
                        "the node `{}` is there already, from {file}:{}:{}",
                        facts.name, tree.span.line, tree.span.column
                    );
                    notes.refuse(Code::DuplicateName, object.tree.span, message);
                }
                None => push(facts, &mut shapes, cluster),
            }
        }
        let stop = notes.too_many_resources(cluster, object.tree.span);
        findings.add("Node", object.file, notes);
        if stop {
            return;
        }
    }
}

/// Shapes by what tells them apart: labels, taints and amounts.
type Shapes<'t> = BTreeMap<(Vec<Label>, Vec<Taint>, Vec<(Resource<'t>, u128)>), ShapeId>;

fn push<'t>(facts: NodeFacts<'t>, shapes: &mut Shapes<'t>, cluster: &mut Cluster) {
    let NodeFacts { name, labels, taints, allocatable, unschedulable } = facts;
    let key = (labels, taints, allocatable.0);
    let shape = match shapes.get(&key) {
        Some(shape) => *shape,
        None => {
            let zone =
                key.0.iter().find(|label| label.key == ZONE_LABEL).map(|label| cluster.intern_zone(&label.value));
            let shape = NodeShape {
                zone,
                labels: key.0.clone(),
                taints: key.1.clone(),
                allocatable: Amounts(key.2.clone()).to_resources(cluster),
                ..NodeShape::default()
            };
            // Not interned by comparison: on a large cluster every node may have a label of its own.
            cluster.shapes.push(shape);
            let id = ShapeId(cluster.shapes.len() as u32 - 1);
            shapes.insert(key, id);
            id
        }
    };
    cluster.nodes.push(Node { name: name.to_owned(), shape, unschedulable });
}

fn facts<'t>(object: &Object<'t>) -> (Option<NodeFacts<'t>>, Notes) {
    let mut notes = Notes::new(object.file);
    let tree = object.tree;
    let name = notes.text(tree.at(&["metadata", "name"]), "metadata.name").unwrap_or_default();
    if name.is_empty() && notes.issues.is_empty() {
        notes.refuse(Code::MissingKey, tree.span, "this Node has no `metadata.name`");
    }
    let mut labels = notes.labels(tree.at(&["metadata", "labels"]), "metadata.labels");
    labels.retain(|label| {
        let is_hostname = label.key == HOSTNAME_LABEL;
        if is_hostname && label.value != name {
            notes.remarks.push(("a Node's label `kubernetes.io/hostname` is taken to be its name", tree.span));
        }
        !is_hostname
    });
    let spec = notes.mapping(tree.get("spec"), "spec");
    let mut facts =
        NodeFacts { name, labels, taints: Vec::new(), allocatable: Amounts::default(), unschedulable: false };
    for Entry { key, value, .. } in spec.map_or(&[][..], |spec| spec.entries()) {
        match &**key {
            "taints" => facts.taints = taints(value, &mut notes),
            "unschedulable" => facts.unschedulable = notes.truth(Some(value), "spec.unschedulable"),
            "podCIDR" | "podCIDRs" | "providerID" | "externalID" => {}
            _ => notes.unused(format!("spec.{key}"), value),
        }
    }
    if facts.unschedulable {
        // The same fact twice; kept as a taint it would outlast an uncordon.
        facts.taints.retain(|taint| taint.key != UNSCHEDULABLE_TAINT);
    }
    facts.allocatable = allocatable(object, &mut notes);
    (notes.issues.is_empty().then_some(facts), notes)
}

/// What pods can request: `status.allocatable`, or where that is absent `status.capacity`.
fn allocatable<'t>(object: &Object<'t>, notes: &mut Notes) -> Amounts<'t> {
    let tree = object.tree;
    let of = |field| tree.at(&["status", field]).filter(|amounts| !amounts.is_null());
    let (field, amounts) = match (of("allocatable"), of("capacity")) {
        (Some(amounts), _) => ("status.allocatable", amounts),
        (None, Some(amounts)) => ("status.capacity", amounts),
        (None, None) => {
            notes.refuse(
                Code::MissingKey,
                tree.span,
                "this Node has neither `status.allocatable` nor `status.capacity`",
            );
            return Amounts::default();
        }
    };
    let found = notes.amounts(Some(amounts), field);
    if found.get(Resource::Pods).is_none() {
        let remark = "a Node without `pods` in its `status.allocatable` takes no pod, as in Kubernetes";
        notes.remarks.push((remark, amounts.span));
    }
    found
}

fn taints(tree: &crate::document::Node, notes: &mut Notes) -> Vec<Taint> {
    let mut taints = Vec::new();
    for item in notes.list(Some(tree), "spec.taints") {
        let key = notes.text(item.get("key"), "spec.taints[].key").unwrap_or_default();
        let value = notes.text(item.get("value"), "spec.taints[].value").unwrap_or_default();
        let effect = notes.text(item.get("effect"), "spec.taints[].effect").unwrap_or_default();
        if key.is_empty() {
            notes.refuse(Code::MissingKey, item.span, "this taint has no `key`");
        }
        let place = item.get("effect").map_or(item.span, |effect| effect.span);
        if let Some(effect) = notes.effect(effect, place) {
            if effect == TaintEffect::PreferNoSchedule {
                notes.remarks.push(("taints with `PreferNoSchedule` are not used by this release", place));
            }
            taints.push(Taint { key: key.to_owned(), value: value.to_owned(), effect });
        }
    }
    taints
}

//! `v1/Node` to nodes and shapes.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::files::Object;
use super::read::{Amounts, Notes, Resource};
use super::{Findings, ReadFor};
use crate::document::{Code, Entry, Node as Tree};
use crate::ids::NodeId;
use crate::model::cluster::{HOSTNAME_LABEL, NodeImage, ZONE_LABEL};
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
    /// The label of its host name, if it is not the name of the node; only kube-scheduler can tell them apart.
    hostname: Option<Option<String>>,
    images: Vec<NodeImage>,
    declared_features: Vec<String>,
}

/// Appends nodes to the cluster.
pub(super) fn add(objects: &[Object<'_>], read_for: ReadFor, cluster: &mut Cluster, findings: &mut Findings) {
    let converted: Vec<(Option<NodeFacts<'_>>, Notes)> =
        objects.par_iter().map(|object| facts(object, read_for)).collect();
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

/// Shapes by what tells them apart.
type Shapes<'t> = BTreeMap<ShapeKey<'t>, ShapeId>;

/// Everything that tells shapes apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct ShapeKey<'t> {
    labels: Vec<Label>,
    taints: Vec<Taint>,
    allocatable: Vec<(Resource<'t>, u128)>,
    images: Vec<NodeImage>,
    declared_features: Vec<String>,
}

fn push<'t>(facts: NodeFacts<'t>, shapes: &mut Shapes<'t>, cluster: &mut Cluster) {
    let NodeFacts { name, labels, taints, allocatable, unschedulable, hostname, images, declared_features } = facts;
    let key = ShapeKey { labels, taints, allocatable: allocatable.0, images, declared_features };
    let shape = match shapes.get(&key) {
        Some(shape) => *shape,
        None => {
            let zone = key.labels.iter().find(|label| label.key == ZONE_LABEL);
            let shape = NodeShape {
                zone: zone.map(|label| cluster.intern_zone(&label.value)),
                labels: key.labels.clone(),
                taints: key.taints.clone(),
                allocatable: Amounts(key.allocatable.clone()).to_resources(cluster),
                images: key.images.clone(),
                declared_features: key.declared_features.clone(),
                ..NodeShape::default()
            };
            // Not interned by comparison: on a large cluster every node may have a label of its own.
            cluster.shapes.push(shape);
            let id = ShapeId(cluster.shapes.len() as u32 - 1);
            shapes.insert(key, id);
            id
        }
    };
    if let Some(hostname) = hostname {
        cluster.hostnames.insert(NodeId::from_index(cluster.nodes.len()), hostname);
    }
    cluster.nodes.push(Node { name: name.to_owned(), shape, unschedulable });
}

fn facts<'t>(object: &Object<'t>, read_for: ReadFor) -> (Option<NodeFacts<'t>>, Notes) {
    let mut notes = Notes::new(object.file);
    let tree = object.tree;
    let name = notes.text(tree.at(&["metadata", "name"]), "metadata.name").unwrap_or_default();
    if name.is_empty() && notes.issues.is_empty() {
        notes.refuse(Code::MissingKey, tree.span, "this Node has no `metadata.name`");
    }
    let mut labels = notes.labels(tree.at(&["metadata", "labels"]), "metadata.labels");
    let hostname = labels.iter().position(|label| label.key == HOSTNAME_LABEL).map(|at| labels.remove(at).value);
    let is_exact = read_for == ReadFor::KubeScheduler;
    if !is_exact && hostname.as_deref().is_some_and(|hostname| hostname != name) {
        notes.remarks.push(("a Node's label `kubernetes.io/hostname` is taken to be its name", tree.span));
    }
    let spec = notes.mapping(tree.get("spec"), "spec");
    let mut facts = NodeFacts {
        name,
        labels,
        taints: Vec::new(),
        allocatable: Amounts::default(),
        unschedulable: false,
        hostname: (is_exact && hostname.as_deref() != Some(name)).then_some(hostname),
        images: if is_exact { images(tree, &mut notes) } else { Vec::new() },
        declared_features: if is_exact { declared_features(tree, &mut notes) } else { Vec::new() },
    };
    for Entry { key, value, .. } in spec.map_or(&[][..], |spec| spec.entries()) {
        match &**key {
            "taints" => facts.taints = taints(value, read_for, &mut notes),
            "unschedulable" => facts.unschedulable = notes.truth(Some(value), "spec.unschedulable"),
            "podCIDR" | "podCIDRs" | "providerID" | "externalID" => {}
            _ => notes.unused(format!("spec.{key}"), value),
        }
    }
    if facts.unschedulable {
        // The same fact twice; kept as a taint it would outlast an uncordon.
        let cordon =
            Taint { key: UNSCHEDULABLE_TAINT.to_owned(), value: String::new(), effect: TaintEffect::NoSchedule };
        facts.taints.retain(|taint| *taint != cordon);
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
    let found = notes.amounts(Some(amounts), field).without_zeros();
    if found.get(Resource::Pods).is_none() {
        let remark = "a Node without `pods` in its `status.allocatable` takes no pod, as in Kubernetes";
        notes.remarks.push((remark, amounts.span));
    }
    found
}

fn taints(tree: &Tree, read_for: ReadFor, notes: &mut Notes) -> Vec<Taint> {
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
            if effect == TaintEffect::PreferNoSchedule && read_for != ReadFor::KubeScheduler {
                let remark = "taints with `PreferNoSchedule` are used by the policy `kube-scheduler` only";
                notes.remarks.push((remark, place));
            }
            taints.push(Taint { key: key.to_owned(), value: value.to_owned(), effect });
        }
    }
    taints
}

/// The images of a node, by which the policy `kube-scheduler` prefers nodes.
fn images(tree: &Tree, notes: &mut Notes) -> Vec<NodeImage> {
    let items = notes.list(tree.at(&["status", "images"]), "status.images");
    let mut images = Vec::with_capacity(items.len());
    for item in items {
        let names = notes.texts(item.get("names"), "status.images[].names");
        let size = item.get("sizeBytes").filter(|size| !size.is_null());
        let size_bytes = size.map_or(Some(0), |size| size.as_int().and_then(|size| u64::try_from(size).ok()));
        if size_bytes.is_none() {
            let message = "`status.images[].sizeBytes` must be a whole number from 0";
            notes.refuse(Code::WrongType, item.span, message);
        }
        let names = names.into_iter().map(str::to_owned).collect();
        images.push(NodeImage { names, size_bytes: size_bytes.unwrap_or_default() });
    }
    images
}

fn declared_features(tree: &Tree, notes: &mut Notes) -> Vec<String> {
    let features = notes.texts(tree.at(&["status", "declaredFeatures"]), "status.declaredFeatures");
    let mut features: Vec<String> = features.into_iter().map(str::to_owned).collect();
    features.sort();
    features
}

//! Volumes, claims and what drivers say about them into [`Objects`].

use super::objects::Header;
use super::read::Notes;
use crate::document::{Code, Node as Tree};
use crate::model::objects::{
    AccessMode, CsiDriver, CsiNodeDriver, Objects, PersistentVolume, PersistentVolumeClaim, StorageCapacity,
    StorageClass,
};
use crate::model::pod_spec::{LabelRequirement, NodeSelectorTerm, SelectorOperator};

/// Annotation of volumes and claims that stands for `spec.storageClassName`, and goes before it.
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
/// Annotation of claims whose binding is done.
const BIND_COMPLETED_ANNOTATION: &str = "pv.kubernetes.io/bind-completed";
/// Annotation of claims for which the scheduler has chosen a node.
const SELECTED_NODE_ANNOTATION: &str = "volume.kubernetes.io/selected-node";
/// Annotations of the class of claims that name none.
const DEFAULT_CLASS_ANNOTATIONS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

fn annotation<'t>(tree: &'t Tree, key: &str) -> Option<&'t str> {
    tree.at(&["metadata", "annotations", key]).and_then(Tree::as_text)
}

fn is_deleting(tree: &Tree) -> bool {
    tree.at(&["metadata", "deletionTimestamp"]).is_some_and(|instant| !instant.is_null())
}

/// The class that a volume or claim names.
fn class<'t>(tree: &'t Tree, notes: &mut Notes) -> Option<&'t str> {
    let written = notes.text(tree.at(&["spec", "storageClassName"]), "spec.storageClassName");
    annotation(tree, CLASS_ANNOTATION).or(written)
}

fn access_modes(tree: &Tree, notes: &mut Notes) -> Vec<AccessMode> {
    const MODES: &[(&str, AccessMode)] = &[
        ("ReadWriteOnce", AccessMode::ReadWriteOnce),
        ("ReadOnlyMany", AccessMode::ReadOnlyMany),
        ("ReadWriteMany", AccessMode::ReadWriteMany),
        ("ReadWriteOncePod", AccessMode::ReadWriteOncePod),
    ];
    let items = notes.list(tree.at(&["spec", "accessModes"]), "spec.accessModes");
    let mut modes: Vec<AccessMode> =
        items.iter().filter_map(|item| notes.choice(Some(item), "spec.accessModes[]", MODES)).collect();
    modes.sort_unstable();
    modes.dedup();
    modes
}

fn is_block(tree: &Tree, notes: &mut Notes) -> bool {
    let mode = tree.at(&["spec", "volumeMode"]);
    notes.choice(mode, "spec.volumeMode", &[("Block", true), ("Filesystem", false)]).unwrap_or(false)
}

pub(super) fn persistent_volume(tree: &Tree, header: &Header<'_>, target: &mut Objects, notes: &mut Notes) {
    let at = |path: &[&str]| tree.at(path).filter(|tree| !tree.is_null());
    let capacity = notes.quantity(at(&["spec", "capacity", "storage"]), "spec.capacity.storage");
    let affinity = at(&["spec", "nodeAffinity", "required"]);
    let terms = "spec.nodeAffinity.required.nodeSelectorTerms";
    let claim = notes.mapping(at(&["spec", "claimRef"]), "spec.claimRef");
    let csi = notes.mapping(at(&["spec", "csi"]), "spec.csi");
    let phase = notes.text(at(&["status", "phase"]), "status.phase").unwrap_or_default();
    let volume = PersistentVolume {
        name: header.name(),
        labels: notes.labels(at(&["metadata", "labels"]), "metadata.labels"),
        capacity_bytes: capacity.unwrap_or_default(),
        access_modes: access_modes(tree, notes),
        storage_class: class(tree, notes).unwrap_or_default().to_owned(),
        is_block: is_block(tree, notes),
        node_affinity: affinity.map(|affinity| notes.node_selector_terms(affinity.get("nodeSelectorTerms"), terms)),
        claim: claim.map(|claim| {
            let namespace = notes.text(claim.get("namespace"), "spec.claimRef.namespace").unwrap_or_default();
            (namespace.to_owned(), notes.required_text(claim, "name", "spec.claimRef").to_owned())
        }),
        is_claim_bound: claim
            .and_then(|claim| claim.get("uid"))
            .and_then(Tree::as_text)
            .is_some_and(|uid| !uid.is_empty()),
        csi: csi.map(|csi| {
            let driver = notes.required_text(csi, "driver", "spec.csi").to_owned();
            (driver, notes.required_text(csi, "volumeHandle", "spec.csi").to_owned())
        }),
        is_available: matches!(phase, "" | "Available"),
        is_deleting: is_deleting(tree),
    };
    target.persistent_volumes.push(volume);
}

pub(super) fn persistent_volume_claim(tree: &Tree, header: &Header<'_>, target: &mut Objects, notes: &mut Notes) {
    let at = |path: &[&str]| tree.at(path).filter(|tree| !tree.is_null());
    let request = "spec.resources.requests.storage";
    let owners = notes.list(at(&["metadata", "ownerReferences"]), "metadata.ownerReferences");
    let controller = owners.iter().find(|owner| owner.get("controller").and_then(Tree::as_bool) == Some(true));
    let owner = controller.filter(|owner| owner.get("kind").and_then(Tree::as_text) == Some("Pod"));
    let claim = PersistentVolumeClaim {
        namespace: header.namespace(),
        name: header.name(),
        selector: notes.label_selector(at(&["spec", "selector"]), "spec.selector"),
        request_bytes: notes.quantity(at(&["spec", "resources", "requests", "storage"]), request).unwrap_or_default(),
        access_modes: access_modes(tree, notes),
        storage_class: class(tree, notes).map(str::to_owned),
        is_block: is_block(tree, notes),
        volume: notes.text(at(&["spec", "volumeName"]), "spec.volumeName").unwrap_or_default().to_owned(),
        is_bind_completed: annotation(tree, BIND_COMPLETED_ANNOTATION).is_some(),
        selected_node: annotation(tree, SELECTED_NODE_ANNOTATION).map(str::to_owned),
        owner_pod: owner.and_then(|owner| owner.get("name")).and_then(Tree::as_text).map(str::to_owned),
        is_lost: notes.text(at(&["status", "phase"]), "status.phase") == Some("Lost"),
        is_deleting: is_deleting(tree),
    };
    target.persistent_volume_claims.push(claim);
}

pub(super) fn storage_class(tree: &Tree, header: &Header<'_>, target: &mut Objects, notes: &mut Notes) {
    let modes = [("Immediate", false), ("WaitForFirstConsumer", true)];
    let provisioner = notes.text(tree.get("provisioner"), "provisioner").unwrap_or_default();
    if provisioner.is_empty() && notes.issues.is_empty() {
        notes.refuse(Code::MissingKey, tree.span, "this StorageClass has no `provisioner`");
    }
    let topologies = notes.list(tree.get("allowedTopologies"), "allowedTopologies");
    let class = StorageClass {
        name: header.name(),
        provisioner: provisioner.to_owned(),
        waits_for_consumer: notes.choice(tree.get("volumeBindingMode"), "volumeBindingMode", &modes).unwrap_or(false),
        allowed_topologies: topologies.iter().map(|term| topology_term(term, notes)).collect(),
        is_default: DEFAULT_CLASS_ANNOTATIONS.iter().any(|key| annotation(tree, key) == Some("true")),
    };
    target.storage_classes.push(class);
}

/// A `TopologySelectorTerm`: labels that must have one of some values.
fn topology_term(tree: &Tree, notes: &mut Notes) -> NodeSelectorTerm {
    const FIELD: &str = "allowedTopologies[].matchLabelExpressions";
    let items = notes.list(tree.get("matchLabelExpressions"), FIELD);
    let mut requirement = |item: &Tree| LabelRequirement {
        key: notes.required_text(item, "key", &format!("{FIELD}[]")).to_owned(),
        operator: SelectorOperator::In,
        values: notes.texts(item.get("values"), &format!("{FIELD}[].values")).into_iter().map(str::to_owned).collect(),
    };
    NodeSelectorTerm { expressions: items.iter().map(&mut requirement).collect(), fields: Vec::new() }
}

pub(super) fn storage_capacity(tree: &Tree, header: &Header<'_>, target: &mut Objects, notes: &mut Notes) {
    let class = notes.text(tree.get("storageClassName"), "storageClassName").unwrap_or_default();
    let capacity = StorageCapacity {
        name: header.name(),
        storage_class: class.to_owned(),
        node_topology: notes.label_selector(tree.get("nodeTopology"), "nodeTopology"),
        capacity_bytes: notes.quantity(tree.get("capacity"), "capacity"),
        maximum_volume_bytes: notes.quantity(tree.get("maximumVolumeSize"), "maximumVolumeSize"),
    };
    target.storage_capacities.push(capacity);
}

pub(super) fn csi_driver(tree: &Tree, header: &Header<'_>, target: &mut Objects, notes: &mut Notes) {
    let truth = |key: &str, default: bool, notes: &mut Notes| {
        let tree = tree.at(&["spec", key]).filter(|tree| !tree.is_null());
        if tree.is_none() { default } else { notes.truth(tree, &format!("spec.{key}")) }
    };
    let driver = CsiDriver {
        name: header.name(),
        has_storage_capacity: truth("storageCapacity", false, notes),
        requires_attach: truth("attachRequired", true, notes),
        prevents_scheduling_if_missing: truth("preventPodSchedulingIfMissing", false, notes),
    };
    target.csi_drivers.push(driver);
}

pub(super) fn csi_node(tree: &Tree, header: &Header<'_>, target: &mut Objects, notes: &mut Notes) {
    let items = notes.list(tree.at(&["spec", "drivers"]), "spec.drivers");
    let mut drivers = Vec::with_capacity(items.len());
    for item in items {
        let count = item.at(&["allocatable", "count"]);
        let count = notes.number_within(count, "spec.drivers[].allocatable.count", 0..=i32::MAX);
        let driver = notes.required_text(item, "name", "spec.drivers[]").to_owned();
        drivers.push(CsiNodeDriver { driver, attachable_max: count.map(i32::unsigned_abs) });
    }
    target.csi_nodes.insert(header.name(), drivers);
}

//! Objects beside nodes and pods into [`Objects`]: one row of [`KINDS`] and one function a kind.
//!
//! They are what the API server would keep: its defaults are filled in. Order in the files does not matter.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::files::Object;
use super::read::Notes;
use super::{Findings, ReadFor, devices, storage};
use crate::document::{Code, Node as Tree, Span};
use crate::model::Label;
use crate::model::objects::{Allowance, Controller, CountOrPercent, DisruptionBudget, Objects, Service};
use crate::model::pod_spec::{DEFAULT_NAMESPACE, LabelRequirement, LabelSelector, SelectorOperator};

/// The label that the API server gives every namespace, with its name.
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The kind that is read for every policy.
pub(super) const DISRUPTION_BUDGET: &str = "PodDisruptionBudget";

/// A kind of object that is read.
struct Kind {
    name: &'static str,
    api_version: &'static str,
    is_namespaced: bool,
    read: fn(&Tree, &Header<'_>, &mut Objects, &mut Notes),
}

/// Where an object of that name has been found.
pub(super) type Places = BTreeMap<(&'static str, String, String), (Arc<str>, Span)>;

/// The name of an object.
pub(super) struct Header<'t> {
    pub(super) kind: &'static str,
    pub(super) namespace: &'t str,
    pub(super) name: &'t str,
}

impl Header<'_> {
    pub(super) fn namespace(&self) -> String {
        self.namespace.to_owned()
    }

    pub(super) fn name(&self) -> String {
        self.name.to_owned()
    }
}

const fn namespaced(
    name: &'static str,
    api_version: &'static str,
    read: fn(&Tree, &Header<'_>, &mut Objects, &mut Notes),
) -> Kind {
    Kind { name, api_version, is_namespaced: true, read }
}

const fn cluster_wide(
    name: &'static str,
    api_version: &'static str,
    read: fn(&Tree, &Header<'_>, &mut Objects, &mut Notes),
) -> Kind {
    Kind { name, api_version, is_namespaced: false, read }
}

/// All kinds that are read.
const KINDS: &[Kind] = &[
    cluster_wide("Namespace", "v1", namespace),
    namespaced("Service", "v1", service),
    namespaced("ReplicationController", "v1", controller),
    namespaced("ReplicaSet", "apps/v1", controller),
    namespaced("StatefulSet", "apps/v1", controller),
    namespaced(DISRUPTION_BUDGET, "policy/v1", disruption_budget),
    cluster_wide("PersistentVolume", "v1", storage::persistent_volume),
    namespaced("PersistentVolumeClaim", "v1", storage::persistent_volume_claim),
    cluster_wide("StorageClass", "storage.k8s.io/v1", storage::storage_class),
    namespaced("CSIStorageCapacity", "storage.k8s.io/v1", storage::storage_capacity),
    cluster_wide("CSIDriver", "storage.k8s.io/v1", storage::csi_driver),
    cluster_wide("CSINode", "storage.k8s.io/v1", storage::csi_node),
    cluster_wide("DeviceClass", "resource.k8s.io/v1", devices::device_class),
    cluster_wide("ResourceSlice", "resource.k8s.io/v1", devices::resource_slice),
    namespaced("ResourceClaim", "resource.k8s.io/v1", devices::resource_claim),
    namespaced("ResourceClaimTemplate", "resource.k8s.io/v1", devices::resource_claim_template),
];

/// Whether objects of this kind and version are read.
pub(super) fn is_read(object: &Object<'_>) -> bool {
    kind_of(object).is_some()
}

fn kind_of(object: &Object<'_>) -> Option<&'static Kind> {
    let version = object.tree.get("apiVersion").and_then(Tree::as_text);
    KINDS.iter().find(|kind| kind.name == object.kind && version.is_none_or(|version| version == kind.api_version))
}

/// Adds objects whose kinds are read. Only kube-scheduler looks at them, disruption budgets excepted.
pub(super) fn add(objects: &[Object<'_>], read_for: ReadFor, target: &mut Objects, findings: &mut Findings) {
    for object in objects {
        let Some(kind) = kind_of(object) else { continue };
        // Evictions heed budgets whatever the policy, and traffic finds pods through Services.
        let is_read = kind.name == DISRUPTION_BUDGET || findings.for_traffic && kind.name == "Service";
        if read_for != ReadFor::KubeScheduler && !is_read {
            let message = || format!("{} objects are used by the policy `kube-scheduler` only", kind.name);
            findings.warn(kind.name, "", object.file, object.tree.span, message);
            continue;
        }
        let mut notes = Notes::new(object.file);
        if let Some(header) = header(object, kind.name, kind.is_namespaced, &mut notes) {
            note_place(object, &header, &mut findings.places, &mut notes);
            (kind.read)(object.tree, &header, target, &mut notes);
        }
        findings.add(kind.name, object.file, notes);
    }
    target.sort();
}

/// The name of an object; reports it if there is none.
pub(super) fn header<'t>(
    object: &Object<'t>,
    kind: &'static str,
    is_namespaced: bool,
    notes: &mut Notes,
) -> Option<Header<'t>> {
    let text = |key, notes: &mut Notes| {
        let field = format!("metadata.{key}");
        notes.text(object.tree.at(&["metadata", key]), &field).filter(|text| !text.is_empty())
    };
    let Some(name) = text("name", notes) else {
        if notes.issues.is_empty() {
            notes.refuse(Code::MissingKey, object.tree.span, format!("this {kind} has no `metadata.name`"));
        }
        return None;
    };
    let namespace = if is_namespaced { text("namespace", notes).unwrap_or(DEFAULT_NAMESPACE) } else { "" };
    Some(Header { kind, namespace, name })
}

/// Reports a second object of the same name.
pub(super) fn note_place(object: &Object<'_>, header: &Header<'_>, places: &mut Places, notes: &mut Notes) {
    let place = (object.file.clone(), object.tree.span);
    if let Some((file, span)) = places.insert((header.kind, header.namespace(), header.name()), place) {
        let of = if header.namespace.is_empty() {
            String::new()
        } else {
            format!(" of the namespace `{}`", header.namespace)
        };
        let message = format!(
            "the {} `{}`{of} is there already, from {file}:{}:{}",
            header.kind, header.name, span.line, span.column
        );
        notes.refuse(Code::DuplicateName, object.tree.span, message);
    }
}

fn namespace(tree: &Tree, header: &Header<'_>, target: &mut Objects, notes: &mut Notes) {
    let mut labels = notes.labels(tree.at(&["metadata", "labels"]), "metadata.labels");
    labels.retain(|label| label.key != NAMESPACE_NAME_LABEL);
    labels.push(Label { key: NAMESPACE_NAME_LABEL.to_owned(), value: header.name() });
    labels.sort();
    target.namespaces.insert(header.name(), labels);
}

fn service(tree: &Tree, header: &Header<'_>, target: &mut Objects, notes: &mut Notes) {
    let selector = notes.labels(tree.at(&["spec", "selector"]), "spec.selector");
    target.services.push(Service { namespace: header.namespace(), name: header.name(), selector });
}

fn controller(tree: &Tree, header: &Header<'_>, target: &mut Objects, notes: &mut Notes) {
    let tree_of_selector = tree.at(&["spec", "selector"]).filter(|selector| !selector.is_null());
    let selector = if header.kind == "ReplicationController" {
        // A plain mapping, which is the labels of the template where it is missing.
        let labels = match tree_of_selector {
            Some(selector) => notes.labels(Some(selector), "spec.selector"),
            None => notes.labels(tree.at(&["spec", "template", "metadata", "labels"]), "spec.template.metadata.labels"),
        };
        let equality = |label: Label| LabelRequirement {
            key: label.key,
            operator: SelectorOperator::In,
            values: vec![label.value],
        };
        Some(LabelSelector { requirements: labels.into_iter().map(equality).collect() })
    } else {
        notes.label_selector(tree_of_selector, "spec.selector")
    };
    match selector {
        Some(selector) => target.controllers.push(Controller {
            namespace: header.namespace(),
            kind: header.kind.to_owned(),
            name: header.name(),
            selector,
        }),
        None if notes.issues.is_empty() => {
            notes.refuse(Code::MissingKey, tree.span, format!("this {} has no `spec.selector`", header.kind));
        }
        None => {}
    }
}

fn disruption_budget(tree: &Tree, header: &Header<'_>, target: &mut Objects, notes: &mut Notes) {
    let given = notes.number(tree.at(&["status", "disruptionsAllowed"]), "status.disruptionsAllowed");
    let minimum = count_or_percent(tree.at(&["spec", "minAvailable"]), "spec.minAvailable", notes);
    let maximum = count_or_percent(tree.at(&["spec", "maxUnavailable"]), "spec.maxUnavailable", notes);
    if minimum.is_some() && maximum.is_some() {
        let message = "a PodDisruptionBudget has either `minAvailable` or `maxUnavailable`";
        notes.refuse(Code::Contradiction, tree.span, message);
    }
    let allowance = match (given, minimum, maximum) {
        (Some(given), _, _) => Allowance::Given(given),
        (None, Some(minimum), _) => Allowance::MinAvailable(minimum),
        (None, None, Some(maximum)) => Allowance::MaxUnavailable(maximum),
        // Of a budget that says nothing, the controller expects no pods and allows nothing.
        (None, None, None) => Allowance::Given(0),
    };
    let disrupted = notes.mapping(tree.at(&["status", "disruptedPods"]), "status.disruptedPods");
    target.disruption_budgets.push(DisruptionBudget {
        namespace: header.namespace(),
        name: header.name(),
        selector: notes.label_selector(tree.at(&["spec", "selector"]), "spec.selector"),
        allowance,
        disrupted_pods: disrupted
            .map_or(Vec::new(), |pods| pods.entries().iter().map(|entry| entry.key.to_string()).collect()),
    });
}

/// An `IntOrString`.
pub(super) fn count_or_percent(tree: Option<&Tree>, field: &str, notes: &mut Notes) -> Option<CountOrPercent> {
    let tree = tree.filter(|tree| !tree.is_null())?;
    let number = |text: &str| text.parse::<i32>().ok().filter(|number| *number >= 0);
    let found = match tree.as_text() {
        Some(text) => text.strip_suffix('%').and_then(number).map(CountOrPercent::Percent),
        None => tree.scalar_text().and_then(|text| number(&text)).map(CountOrPercent::Count),
    };
    if found.is_none() {
        let message = format!("`{field}` must be a number of pods such as 2, or a share such as 50%");
        notes.refuse(Code::BadQuantity, tree.span, message);
    }
    found
}

#[cfg(test)]
mod tests;

//! `karpenter.sh/v1` `NodePool`, and what of node classes decides: checked here with their places, read by the policy.
//!
//! The rules are those of the custom resource and of `RuntimeValidate` of Karpenter v1.15.0; a manifest that upstream would
//! refuse, or take and never act upon, is refused.

mod budgets;
mod requirements;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::Findings;
use super::files::Object;
use super::objects::header;
use super::read::Notes;
use crate::document::{Code, Node as Tree, Span};
use crate::units::SimDuration;

/// A `NodePool` as it is written.
#[derive(Clone, Debug)]
pub struct WrittenNodePool {
    /// `metadata.name`.
    pub name: String,
    /// The file.
    pub file: Arc<str>,
    /// Where it begins.
    pub span: Span,
    /// `spec.template.spec.nodeClassRef`: kind and name.
    pub node_class: (String, String),
    /// `metadata.name` and `spec`, as the policy reads them.
    pub manifest: Json,
}

/// What a node class says of the nodes.
#[derive(Clone, Debug)]
pub struct WrittenNodeClass {
    /// Its kind, such as `EC2NodeClass`.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
    /// `spec.kubelet.maxPods`.
    pub max_pods: Option<u64>,
    /// Zones of `status.subnets`; empty: it does not say.
    pub zones: Vec<String>,
}

/// Whether an object is read here.
pub(super) fn is_read(object: &Object<'_>) -> bool {
    object.kind == "NodePool" || object.kind.ends_with("NodeClass")
}

/// Reads an object, and keeps it with the findings.
pub(super) fn add(object: &Object<'_>, findings: &mut Findings) {
    let mut notes = Notes::new(object.file);
    if object.kind == "NodePool" {
        let found = node_pool(object, &mut notes).filter(|_| notes.issues.is_empty());
        if let Some(found) = &found
            && let Some(other) = findings.node_pools.iter().find(|other| other.name == found.name)
        {
            let (file, span) = (&other.file, other.span);
            let message =
                format!("the NodePool `{}` is there already, from {file}:{}:{}", found.name, span.line, span.column);
            notes.refuse(Code::DuplicateName, object.tree.span, message);
        }
        findings.node_pools.extend(found);
        findings.add("NodePool", object.file, notes);
    } else {
        let found = node_class(object, &mut notes);
        findings.node_classes.extend(found);
        findings.add("NodeClass", object.file, notes);
    }
}

fn node_class(object: &Object<'_>, notes: &mut Notes) -> Option<WrittenNodeClass> {
    let header = header(object, "NodeClass", false, notes)?;
    let max_pods = object.tree.at(&["spec", "kubelet", "maxPods"]);
    let max_pods = notes.number_within(max_pods, "spec.kubelet.maxPods", 0..=i32::MAX);
    let subnets = notes.list(object.tree.at(&["status", "subnets"]), "status.subnets");
    let mut zones: Vec<String> =
        subnets.iter().filter_map(|subnet| subnet.get("zone")?.as_text()).map(str::to_owned).collect();
    zones.sort();
    zones.dedup();
    let max_pods = max_pods.and_then(|pods| u64::try_from(pods).ok());
    Some(WrittenNodeClass { kind: object.kind.to_owned(), name: header.name(), max_pods, zones })
}

fn node_pool(object: &Object<'_>, notes: &mut Notes) -> Option<WrittenNodePool> {
    let version = object.tree.get("apiVersion");
    if let Some(version) = version.filter(|version| version.as_text() != Some("karpenter.sh/v1")) {
        let hint = "older versions are not read: convert the manifest";
        notes.refuse_with_hint(Code::WrongKind, version.span, "`apiVersion` of a NodePool is `karpenter.sh/v1`", hint);
        return None;
    }
    let header = header(object, "NodePool", false, notes)?;
    let Some(spec) = notes.mapping(object.tree.get("spec"), "spec") else {
        notes.refuse(Code::MissingKey, object.tree.span, "this NodePool has no `spec`");
        return None;
    };
    let node_class = template(spec, notes);
    budgets::disruption(spec.get("disruption"), notes);
    notes.amounts_of_limits(spec.get("limits"));
    notes.number_within(spec.get("weight"), "spec.weight", 1..=100);
    notes.number_within(spec.get("replicas"), "spec.replicas", 0..=i32::MAX);
    fixed_number(spec, notes);
    only(spec, "spec", &["template", "disruption", "limits", "weight", "replicas"], notes);
    Some(WrittenNodePool {
        name: header.name(),
        file: object.file.clone(),
        span: object.tree.span,
        node_class: node_class?,
        manifest: json!({"metadata": {"name": header.name()}, "spec": spec.to_json()}),
    })
}

/// A pool of a fixed number of nodes has no weight, and no limits but on nodes.
fn fixed_number(spec: &Tree, notes: &mut Notes) {
    let said = |key: &str| spec.get(key).filter(|tree| !tree.is_null());
    if said("replicas").is_none() {
        return;
    }
    if let Some(weight) = said("weight") {
        let message = "`spec.weight` is for pools that grow, and this one has `spec.replicas`";
        notes.refuse(Code::Contradiction, weight.span, message);
    }
    for limit in said("limits").map_or(&[][..], Tree::entries).iter().filter(|limit| &*limit.key != "nodes") {
        let message = format!("`spec.limits.{}`: a pool with `spec.replicas` limits only `nodes`", limit.key);
        notes.refuse(Code::Contradiction, limit.span, message);
    }
}

/// Checks `spec.template`; gives kind and name of its node class.
fn template(spec: &Tree, notes: &mut Notes) -> Option<(String, String)> {
    let Some(template) = notes.mapping(spec.get("template"), "spec.template") else {
        notes.refuse(Code::MissingKey, spec.span, "this NodePool has no `spec.template`");
        return None;
    };
    let field = "spec.template.metadata.labels";
    for label in notes.labels(template.at(&["metadata", "labels"]), field) {
        let place = template.at(&["metadata", "labels", &label.key]).unwrap_or(template).span;
        requirements::key_is_allowed(&label.key, field, place, notes);
    }
    notes.labels(template.at(&["metadata", "annotations"]), "spec.template.metadata.annotations");
    let field = "spec.template.spec";
    let Some(inner) = notes.mapping(template.get("spec"), field) else {
        notes.refuse(Code::MissingKey, template.span, "this NodePool has no `spec.template.spec`");
        return None;
    };
    requirements::check(inner.get("requirements"), inner, notes);
    taints(inner, notes);
    duration(inner.get("terminationGracePeriod"), &format!("{field}.terminationGracePeriod"), false, notes);
    duration(inner.get("expireAfter"), &format!("{field}.expireAfter"), true, notes);
    let known = ["requirements", "taints", "startupTaints", "terminationGracePeriod", "expireAfter", "nodeClassRef"];
    only(inner, field, &known, notes);
    let Some(class) = notes.mapping(inner.get("nodeClassRef"), "spec.template.spec.nodeClassRef") else {
        let hint = "such as {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}";
        let message = "this NodePool has no `spec.template.spec.nodeClassRef`";
        notes.refuse_with_hint(Code::MissingKey, inner.span, message, hint);
        return None;
    };
    let field = "spec.template.spec.nodeClassRef";
    notes.required_text(class, "group", field);
    let kind = notes.required_text(class, "kind", field).to_owned();
    Some((kind, notes.required_text(class, "name", field).to_owned()))
}

fn taints(spec: &Tree, notes: &mut Notes) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for list in ["taints", "startupTaints"] {
        let field = format!("spec.template.spec.{list}");
        for item in notes.list(spec.get(list), &field) {
            let key = notes.required_text(item, "key", &format!("{field}[]"));
            let effect = notes.required_text(item, "effect", &format!("{field}[]"));
            let place = item.get("effect").map_or(item.span, |effect| effect.span);
            if !effect.is_empty() {
                notes.effect(effect, place);
            }
            notes.text(item.get("value"), &format!("{field}[].value"));
            if seen.contains(&(key, effect)) {
                let message = format!("`{field}`: there is a second taint `{key}` with the effect `{effect}`");
                notes.refuse(Code::DuplicateName, item.span, message);
            }
            seen.push((key, effect));
        }
    }
}

/// A duration in hours, minutes and seconds, or `Never` where that is allowed.
fn duration(tree: Option<&Tree>, field: &str, may_be_never: bool, notes: &mut Notes) {
    let Some(text) = notes.text(tree, field) else { return };
    let is_plain = text.chars().all(|character| character.is_ascii_digit() || "hms".contains(character))
        && text.ends_with(['h', 'm', 's'])
        && SimDuration::parse(text).is_ok();
    let is_never = may_be_never && text == "Never";
    if !is_plain && !is_never {
        let never = if may_be_never { ", or Never" } else { "" };
        let hint = format!("durations are whole numbers of h, m and s, such as 1h30m{never}");
        let place = tree.map_or(Span::default(), |tree| tree.span);
        notes.refuse_with_hint(Code::BadQuantity, place, format!("`{field}`: `{text}` is no duration"), &hint);
    }
}

/// Notes keys that are not known.
fn only(tree: &Tree, field: &str, known: &[&str], notes: &mut Notes) {
    for entry in tree.entries().iter().filter(|entry| !known.contains(&&*entry.key)) {
        notes.unused(format!("{field}.{}", entry.key), &entry.value);
    }
}

impl Notes {
    /// `spec.limits`: quantities by resource, or a number of `nodes`.
    fn amounts_of_limits(&mut self, tree: Option<&Tree>) {
        let Some(tree) = self.mapping(tree, "spec.limits") else { return };
        for entry in tree.entries() {
            self.quantity(Some(&entry.value), &format!("spec.limits.{}", entry.key));
        }
    }
}

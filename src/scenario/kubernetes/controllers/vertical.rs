//! `autoscaling.k8s.io/v1` `VerticalPodAutoscaler`, with the rules of the admission of the Vertical Pod Autoscaler 1.8.1.

use std::sync::Arc;

use super::super::files::Object;
use super::super::objects::header;
use super::super::read::{Amounts as WrittenAmounts, Notes, Resource as WrittenResource};
use crate::document::{Code, Node as Tree, Span};
use crate::model::vertical_pod_autoscaler::{
    Amounts, ContainerPolicy, ControlledValues, EvictionRequirement, Resource, ResourcePolicy, UpdateMode,
};
use crate::scenario::kubernetes::Findings;
use crate::units::{Bytes, MilliCpu};

/// A VerticalPodAutoscaler as it is written.
#[derive(Clone, Debug)]
pub struct WrittenVertical {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// The file.
    pub file: Arc<str>,
    /// `spec.targetRef.kind`.
    pub target_kind: String,
    /// `spec.targetRef.name`.
    pub target_name: String,
    /// Where the target is named.
    pub target_span: Span,
    /// `spec.updatePolicy.updateMode`.
    pub mode: UpdateMode,
    /// `spec.updatePolicy.minReplicas`.
    pub min_replicas: Option<usize>,
    /// `spec.updatePolicy.evictionRequirements`; none: there is no update policy.
    pub eviction_requirements: Option<Vec<EvictionRequirement>>,
    /// `spec.resourcePolicy`.
    pub resource_policy: ResourcePolicy,
}

/// Modes by name; `Auto` stands for `Recreate`.
const MODES: &[(&str, UpdateMode)] = &[
    ("Off", UpdateMode::Off),
    ("Initial", UpdateMode::Initial),
    ("Recreate", UpdateMode::Recreate),
    ("Auto", UpdateMode::Recreate),
    ("InPlaceOrRecreate", UpdateMode::InPlaceOrRecreate),
    ("InPlace", UpdateMode::InPlace),
];

const REQUIREMENTS: &[(&str, bool)] = &[("TargetHigherThanRequests", true), ("TargetLowerThanRequests", false)];
const RESOURCES: &[(&str, Resource)] = &[("cpu", Resource::Cpu), ("memory", Resource::Memory)];
const VALUES: &[(&str, ControlledValues)] =
    &[("RequestsAndLimits", ControlledValues::RequestsAndLimits), ("RequestsOnly", ControlledValues::RequestsOnly)];

/// The autoscaler that an object says; none where it is wrong.
pub(super) fn read(object: &Object<'_>, findings: &mut Findings) -> Option<WrittenVertical> {
    let mut notes = Notes::new(object.file);
    let found = autoscaler(object, &mut notes);
    let is_sound = notes.issues.is_empty();
    findings.add("VerticalPodAutoscaler", object.file, notes);
    found.filter(|_| is_sound)
}

fn autoscaler(object: &Object<'_>, notes: &mut Notes) -> Option<WrittenVertical> {
    let header = header(object, "VerticalPodAutoscaler", true, notes)?;
    let Some(spec) = notes.mapping(object.tree.get("spec"), "spec") else {
        notes.refuse(Code::MissingKey, object.tree.span, "this VerticalPodAutoscaler has no `spec`");
        return None;
    };
    let Some(target) = notes.mapping(spec.get("targetRef"), "spec.targetRef") else {
        let hint = "name the workload: `targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}`";
        let message = "this VerticalPodAutoscaler has no `spec.targetRef`";
        notes.refuse_with_hint(Code::MissingKey, spec.span, message, hint);
        return None;
    };
    let target_kind = notes.required_text(target, "kind", "spec.targetRef");
    let target_name = notes.required_text(target, "name", "spec.targetRef");
    unknown_fields(spec, "spec", &["targetRef", "updatePolicy", "resourcePolicy"], notes);
    let policy = notes.mapping(spec.get("updatePolicy"), "spec.updatePolicy");
    let at = |key: &str| policy.and_then(|policy| policy.get(key));
    let mode = notes.choice(at("updateMode"), "spec.updatePolicy.updateMode", MODES).unwrap_or_default();
    if mode == UpdateMode::InPlace {
        let place = at("updateMode").map_or(spec.span, |tree| tree.span);
        let text = "the mode `InPlace` does nothing: the updater's feature gate of that name is closed, as it comes";
        notes.remarks.push((text, place));
    }
    let min_replicas = notes.number_within(at("minReplicas"), "spec.updatePolicy.minReplicas", 1..=i32::MAX);
    let requirements = policy.map(|policy| requirements(policy, notes));
    if let Some(policy) = policy {
        unknown_fields(policy, "spec.updatePolicy", &["updateMode", "minReplicas", "evictionRequirements"], notes);
    }
    let resources = notes.mapping(spec.get("resourcePolicy"), "spec.resourcePolicy");
    let containers = resources.and_then(|policy| policy.get("containerPolicies"));
    let field = "spec.resourcePolicy.containerPolicies";
    let containers = notes.list(containers, field).iter().filter_map(|tree| container(tree, field, notes)).collect();
    Some(WrittenVertical {
        namespace: header.namespace(),
        name: header.name(),
        file: object.file.clone(),
        target_kind: target_kind.to_owned(),
        target_name: target_name.to_owned(),
        target_span: target.span,
        mode,
        min_replicas: min_replicas.and_then(|count| usize::try_from(count).ok()),
        eviction_requirements: requirements,
        resource_policy: ResourcePolicy { containers, ..ResourcePolicy::default() },
    })
}

fn unknown_fields(tree: &Tree, at: &str, known: &[&str], notes: &mut Notes) {
    for entry in tree.entries().iter().filter(|entry| !known.contains(&&*entry.key)) {
        notes.unused(format!("{at}.{}", entry.key), &entry.value);
    }
}

fn requirements(policy: &Tree, notes: &mut Notes) -> Vec<EvictionRequirement> {
    let field = "spec.updatePolicy.evictionRequirements";
    let mut found = Vec::new();
    for tree in notes.list(policy.get("evictionRequirements"), field) {
        let change = format!("{field}[].changeRequirement");
        let resources = format!("{field}[].resources");
        let items = notes.list(tree.get("resources"), &resources);
        let resources = items.iter().filter_map(|one| notes.choice(Some(one), &resources, RESOURCES)).collect();
        if let Some(is_target_higher) = notes.choice(tree.get("changeRequirement"), &change, REQUIREMENTS) {
            found.push(EvictionRequirement { resources, is_target_higher });
        }
    }
    found
}

fn container(tree: &Tree, list: &str, notes: &mut Notes) -> Option<ContainerPolicy> {
    let field = |key: &str| format!("{list}[].{key}");
    let name = notes.required_text(tree, "containerName", &field("containerName"));
    let known = ["containerName", "mode", "minAllowed", "maxAllowed", "controlledResources", "controlledValues"];
    unknown_fields(tree, &format!("{list}[]"), &known, notes);
    let mode = notes.choice(tree.get("mode"), &field("mode"), &[("Auto", true), ("Off", false)]);
    let values = notes.choice(tree.get("controlledValues"), &field("controlledValues"), VALUES);
    if mode == Some(false) && values.is_some() {
        let message = format!("`{}` has no meaning where the mode is Off", field("controlledValues"));
        notes.refuse_with_hint(Code::Contradiction, tree.span, message, "leave one of the two out");
    }
    let mut policy = ContainerPolicy::named(name);
    policy.is_scaled = mode.unwrap_or(true);
    policy.controlled_values = values.unwrap_or_default();
    policy.min_allowed = amounts(tree, "minAllowed", &field("minAllowed"), notes);
    policy.max_allowed = amounts(tree, "maxAllowed", &field("maxAllowed"), notes);
    for (resource, name) in [(Resource::Cpu, "cpu"), (Resource::Memory, "memory")] {
        let (min, max) = (policy.min_allowed.get(resource), policy.max_allowed.get(resource));
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            let place = tree.get("minAllowed").unwrap_or(tree).span;
            let message = format!("`{}.{name}` is above `{}.{name}`", field("minAllowed"), field("maxAllowed"));
            notes.refuse(Code::Contradiction, place, message);
        }
    }
    if let Some(controlled) = tree.get("controlledResources").filter(|tree| !tree.is_null()) {
        let at = field("controlledResources");
        let items = notes.list(Some(controlled), &at);
        let listed: Vec<Resource> = items.iter().filter_map(|one| notes.choice(Some(one), &at, RESOURCES)).collect();
        policy.controls_cpu = listed.contains(&Resource::Cpu);
        policy.controls_memory = listed.contains(&Resource::Memory);
    }
    (!name.is_empty()).then_some(policy)
}

fn amounts(tree: &Tree, key: &str, field: &str, notes: &mut Notes) -> Amounts {
    let written: WrittenAmounts<'_> = notes.amounts(tree.get(key), field);
    let units = |resource: WrittenResource<'_>, unit: u128| {
        written.get(resource).map(|milli| u64::try_from(milli.div_ceil(unit)).unwrap_or(u64::MAX))
    };
    Amounts {
        cpu: units(WrittenResource::Cpu, 1).map(MilliCpu),
        memory: units(WrittenResource::Memory, 1000).map(Bytes),
    }
}

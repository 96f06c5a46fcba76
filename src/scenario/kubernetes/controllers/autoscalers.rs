//! `autoscaling/v2` and `autoscaling/v1` `HorizontalPodAutoscaler` to what a policy reads.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::super::files::Object;
use super::super::objects::header;
use super::super::read::Notes;
use crate::document::{Code, Node as Tree, Span};
use crate::scenario::kubernetes::Findings;

/// A HorizontalPodAutoscaler, ScaledObject or ScaledJob as it is written.
#[derive(Clone, Debug)]
pub struct WrittenAutoscaler {
    /// Its kind.
    pub kind: &'static str,
    /// The policy that does as it does.
    pub policy: &'static str,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// The file.
    pub file: Arc<str>,
    /// Where it begins.
    pub span: Span,
    /// `spec.scaleTargetRef.kind`; of a ScaledJob its own.
    pub target_kind: String,
    /// `spec.scaleTargetRef.name`.
    pub target_name: String,
    /// Where the target is named.
    pub target_span: Span,
    /// `spec.minReplicas`, or 1; of KEDA's objects `spec.minReplicaCount`, or 0.
    pub min_replicas: i32,
    /// `spec.maxReplicas`; of KEDA's objects `spec.maxReplicaCount`, or 100.
    pub max_replicas: i32,
    /// What else is in the `spec`, as the policy reads it.
    pub parameters: Json,
}

/// The autoscaler that an object says; none where it is wrong.
pub(super) fn read(object: &Object<'_>, version: Option<&str>, findings: &mut Findings) -> Option<WrittenAutoscaler> {
    let mut notes = Notes::new(object.file);
    let found = autoscaler(object, version, &mut notes);
    let is_sound = notes.issues.is_empty();
    findings.add("HorizontalPodAutoscaler", object.file, notes);
    found.filter(|_| is_sound)
}

fn autoscaler(object: &Object<'_>, version: Option<&str>, notes: &mut Notes) -> Option<WrittenAutoscaler> {
    let header = header(object, "HorizontalPodAutoscaler", true, notes)?;
    let Some(spec) = notes.mapping(object.tree.get("spec"), "spec") else {
        notes.refuse(Code::MissingKey, object.tree.span, "this HorizontalPodAutoscaler has no `spec`");
        return None;
    };
    let target = notes.mapping(spec.get("scaleTargetRef"), "spec.scaleTargetRef").unwrap_or(spec);
    let target_kind = notes.required_text(target, "kind", "spec.scaleTargetRef");
    let target_name = notes.required_text(target, "name", "spec.scaleTargetRef");
    let min_replicas = notes.number_within(spec.get("minReplicas"), "spec.minReplicas", 0..=i32::MAX).unwrap_or(1);
    let Some(max_replicas) = notes.number_within(spec.get("maxReplicas"), "spec.maxReplicas", 1..=i32::MAX) else {
        notes.refuse(Code::MissingKey, spec.span, "this HorizontalPodAutoscaler has no `spec.maxReplicas`");
        return None;
    };
    if max_replicas < min_replicas {
        let place = spec.get("maxReplicas").unwrap_or(spec).span;
        let message = format!("`spec.maxReplicas` is {max_replicas}, below `spec.minReplicas`, {min_replicas}");
        notes.refuse(Code::Contradiction, place, message);
    }
    for entry in spec.entries() {
        let known =
            ["scaleTargetRef", "minReplicas", "maxReplicas", "metrics", "behavior", "targetCPUUtilizationPercentage"];
        if !known.contains(&&*entry.key) {
            notes.unused(format!("spec.{}", entry.key), &entry.value);
        }
    }
    Some(WrittenAutoscaler {
        kind: "HorizontalPodAutoscaler",
        policy: "hpa",
        namespace: header.namespace(),
        name: header.name(),
        file: object.file.clone(),
        span: object.tree.span,
        target_kind: target_kind.to_owned(),
        target_name: target_name.to_owned(),
        target_span: target.span,
        min_replicas,
        max_replicas,
        parameters: parameters(spec, version, notes),
    })
}

/// Metrics and behaviour. Version 1 has a utilisation of CPU alone.
fn parameters(spec: &Tree, version: Option<&str>, notes: &mut Notes) -> Json {
    let mut parameters = serde_json::Map::new();
    if version == Some("autoscaling/v1") {
        let field = "spec.targetCPUUtilizationPercentage";
        let per_cent = notes.number_within(spec.get("targetCPUUtilizationPercentage"), field, 1..=i32::MAX);
        if let Some(per_cent) = per_cent {
            let target = json!({"type": "Utilization", "averageUtilization": per_cent});
            let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": target}});
            parameters.insert("metrics".to_owned(), json!([metric]));
        }
    }
    for key in ["metrics", "behavior"] {
        if let Some(tree) = spec.get(key).filter(|tree| !tree.is_null()) {
            parameters.insert(key.to_owned(), tree.to_json());
        }
    }
    Json::Object(parameters)
}

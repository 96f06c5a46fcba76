//! `keda.sh/v1alpha1` `ScaledObject` and `ScaledJob` to what a policy reads.
//!
//! Triggers become those of the rows `keda` and `keda-scaled-job`: `aws-sqs-queue` and `rabbitmq` count what waits and is worked
//! on in the service of the target, `prometheus` reads the metric of the scenario that is called as its query is, and `cron` is
//! what it is. Where a broker or server stands, and how one logs in to it, has no bearing.

use serde_json::{Map, Value as Json, json};

use super::super::edit;
use super::super::files::Object;
use super::super::objects::header;
use super::super::read::Notes;
use super::autoscalers::WrittenAutoscaler;
use super::job;
use super::kinds::{count, note_unused};
use crate::document::{Code, Node as Tree, Value};
use crate::model::controllers::ScaledJobSpec;
use crate::scenario::kubernetes::Findings;

/// Most Jobs or replicas, and most old Jobs of either kind, where an object says nothing.
const REPLICAS_MAX: i32 = 100;
const HISTORY_LIMIT: i32 = 100;
/// Triggers that are read.
const TRIGGERS: &str = "those that are read are aws-sqs-queue, rabbitmq, prometheus and cron; for others write an \
                        autoscaler for this target under `autoscaling.autoscalers`";

/// What a ScaledJob says of its Jobs beside how many there are to be.
pub(super) fn scaled_job(spec: &Tree, notes: &mut Notes) -> ScaledJobSpec {
    const KNOWN: &[&str] = &[
        "jobTargetRef",
        "pollingInterval",
        "successfulJobsHistoryLimit",
        "failedJobsHistoryLimit",
        "minReplicaCount",
        "maxReplicaCount",
        "scalingStrategy",
        "triggers",
    ];
    note_unused(spec, KNOWN, notes);
    let empty = Tree { span: spec.span, value: Value::Map(Vec::new()) };
    ScaledJobSpec {
        successful_history_limit: count(spec, "successfulJobsHistoryLimit", i32::MAX, notes).unwrap_or(HISTORY_LIMIT),
        failed_history_limit: count(spec, "failedJobsHistoryLimit", i32::MAX, notes).unwrap_or(HISTORY_LIMIT),
        job: job::job(spec.get("jobTargetRef").unwrap_or(&empty), notes),
    }
}

/// The template of a ScaledJob as KEDA completes it: containers that fail are started again.
pub(super) fn completed(template: &Tree) -> Tree {
    let mut template = template.clone();
    edit::set_default(&mut template, &["spec", "restartPolicy"], |span| edit::text(span, "OnFailure"));
    template
}

/// What decides on the number of Jobs of a ScaledJob, or of replicas of what a ScaledObject names; none where it is wrong.
pub(super) fn autoscaler(object: &Object<'_>, findings: &mut Findings) -> Option<WrittenAutoscaler> {
    let mut notes = Notes::new(object.file);
    let found = match object.kind {
        "ScaledJob" => of_scaled_job(object, &mut notes),
        _ => of_scaled_object(object, &mut notes),
    };
    let is_sound = notes.issues.is_empty();
    findings.add(if object.kind == "ScaledJob" { "ScaledJob" } else { "ScaledObject" }, object.file, notes);
    found.filter(|_| is_sound)
}

fn of_scaled_job(object: &Object<'_>, notes: &mut Notes) -> Option<WrittenAutoscaler> {
    let header = header(object, "ScaledJob", true, notes)?;
    // Without a spec it is no object that makes pods either, which says so.
    let spec = object.tree.get("spec").filter(|spec| !spec.entries().is_empty())?;
    let mut parameters = parameters(spec, notes);
    if let Some(strategy) = spec.get("scalingStrategy").filter(|tree| !tree.is_null()) {
        if let Some(conditions) = strategy.get("pendingPodConditions") {
            notes.unused("spec.scalingStrategy.pendingPodConditions", conditions);
        }
        let mut strategy = strategy.to_json();
        if let Some(strategy) = strategy.as_object_mut() {
            strategy.shift_remove("pendingPodConditions");
        }
        parameters.insert("scalingStrategy".to_owned(), strategy);
    }
    let (min_replicas, max_replicas) = bounds(spec, notes);
    Some(WrittenAutoscaler {
        kind: "ScaledJob",
        policy: "keda-scaled-job",
        namespace: header.namespace(),
        name: header.name(),
        file: object.file.clone(),
        span: object.tree.span,
        target_kind: "ScaledJob".to_owned(),
        target_name: header.name(),
        target_span: object.tree.span,
        // Upstream takes the most for the least where the least is more.
        min_replicas: min_replicas.min(max_replicas),
        max_replicas,
        parameters: Json::Object(parameters),
    })
}

fn of_scaled_object(object: &Object<'_>, notes: &mut Notes) -> Option<WrittenAutoscaler> {
    let header = header(object, "ScaledObject", true, notes)?;
    let Some(spec) = notes.mapping(object.tree.get("spec"), "spec") else {
        notes.refuse(Code::MissingKey, object.tree.span, "this ScaledObject has no `spec`");
        return None;
    };
    const COPIED: [&str; 3] = ["cooldownPeriod", "initialCooldownPeriod", "idleReplicaCount"];
    const READ: [&str; 6] =
        ["scaleTargetRef", "pollingInterval", "minReplicaCount", "maxReplicaCount", "advanced", "triggers"];
    let known: Vec<&str> = COPIED.into_iter().chain(READ).collect();
    note_unused(spec, &known, notes);
    let target = notes.mapping(spec.get("scaleTargetRef"), "spec.scaleTargetRef").unwrap_or(spec);
    let target_name = notes.required_text(target, "name", "spec.scaleTargetRef").to_owned();
    let target_kind = notes.text(target.get("kind"), "spec.scaleTargetRef.kind").unwrap_or("Deployment").to_owned();
    let mut parameters = parameters(spec, notes);
    for key in COPIED {
        if let Some(tree) = spec.get(key).filter(|tree| !tree.is_null()) {
            parameters.insert(key.to_owned(), tree.to_json());
        }
    }
    if let Some(behavior) = spec.at(&["advanced", "horizontalPodAutoscalerConfig", "behavior"]) {
        parameters
            .insert("advanced".to_owned(), json!({"horizontalPodAutoscalerConfig": {"behavior": behavior.to_json()}}));
    }
    if let Some(formula) = spec.at(&["advanced", "scalingModifiers"]) {
        notes.unused("spec.advanced.scalingModifiers", formula);
    }
    let (min_replicas, max_replicas) = bounds(spec, notes);
    if max_replicas < min_replicas {
        let place = spec.get("maxReplicaCount").unwrap_or(spec).span;
        let message = format!("`spec.maxReplicaCount` is {max_replicas}, below `spec.minReplicaCount`, {min_replicas}");
        notes.refuse(Code::Contradiction, place, message);
    }
    Some(WrittenAutoscaler {
        kind: "ScaledObject",
        policy: "keda",
        namespace: header.namespace(),
        name: header.name(),
        file: object.file.clone(),
        span: object.tree.span,
        target_kind,
        target_name,
        target_span: target.span,
        min_replicas,
        max_replicas,
        parameters: Json::Object(parameters),
    })
}

/// The fewest and the most Jobs or replicas.
fn bounds(spec: &Tree, notes: &mut Notes) -> (i32, i32) {
    let mut number = |key: &str, least| notes.number_within(spec.get(key), &format!("spec.{key}"), least..=i32::MAX);
    (number("minReplicaCount", 0).unwrap_or(0), number("maxReplicaCount", 1).unwrap_or(REPLICAS_MAX))
}

/// How often triggers are asked, and the triggers.
fn parameters(spec: &Tree, notes: &mut Notes) -> Map<String, Json> {
    let mut parameters = Map::new();
    if let Some(seconds) = notes.number_within(spec.get("pollingInterval"), "spec.pollingInterval", 1..=i32::MAX) {
        parameters.insert("pollingInterval".to_owned(), json!(seconds));
    }
    let triggers = notes.list(spec.get("triggers"), "spec.triggers");
    if triggers.is_empty() {
        notes.refuse(Code::MissingKey, spec.span, "there are no `spec.triggers`, so that nothing is ever scaled");
    }
    let triggers: Vec<Json> = triggers.iter().filter_map(|one| trigger(one, notes)).collect();
    parameters.insert("triggers".to_owned(), Json::Array(triggers));
    parameters
}

/// A trigger in the words of the rows.
fn trigger(tree: &Tree, notes: &mut Notes) -> Option<Json> {
    let kind = notes.required_text(tree, "type", "spec.triggers[]");
    let metadata = notes.mapping(tree.get("metadata"), "spec.triggers[].metadata")?;
    let (kind, keys): (&str, &[(&str, &str)]) = match kind {
        "aws-sqs-queue" => (
            "queue",
            &[
                ("queueLength", "queueLength"),
                ("activationQueueLength", "activationQueueLength"),
                ("scaleOnInFlight", "scaleOnInFlight"),
            ],
        ),
        "rabbitmq" => {
            let mode = metadata.get("mode").and_then(Tree::as_text).unwrap_or("QueueLength");
            if mode != "QueueLength" {
                let message = format!("the mode `{mode}` of a trigger of type rabbitmq is not read");
                notes.refuse_with_hint(Code::NotAllowed, metadata.span, message, "write QueueLength");
            }
            ("queue", &[("value", "queueLength"), ("activationValue", "activationQueueLength")])
        }
        "prometheus" => (
            "metric",
            &[
                ("query", "metricName"),
                ("threshold", "threshold"),
                ("activationThreshold", "activationThreshold"),
                ("ignoreNullValues", "ignoreNullValues"),
            ],
        ),
        "cron" => (
            "cron",
            &[("timezone", "timezone"), ("start", "start"), ("end", "end"), ("desiredReplicas", "desiredReplicas")],
        ),
        "" => return None,
        other => {
            let message = format!("triggers of type `{other}` are not read");
            notes.refuse_with_hint(Code::NotAllowed, tree.span, message, TRIGGERS);
            return None;
        }
    };
    let mut meant = Map::new();
    for (theirs, ours) in keys {
        if let Some(value) = metadata.get(theirs).filter(|value| !value.is_null()) {
            meant.insert((*ours).to_owned(), value.to_json());
        }
    }
    // Of what RabbitMQ says by default messages that are worked on are a part.
    if metadata
        .get("excludeUnacknowledged")
        .is_some_and(|tree| tree.to_json() == json!("true") || tree.to_json() == json!(true))
    {
        meant.insert("scaleOnInFlight".to_owned(), json!(false));
    }
    let metric_type = notes.text(tree.get("metricType"), "spec.triggers[].metricType");
    Some(json!({"type": kind, "metadata": meant, "metricType": metric_type}))
}

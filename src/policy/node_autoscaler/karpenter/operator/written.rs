//! A `NodePool` as its manifest writes it.
//!
//! Source: the custom resource `karpenter.sh/v1` of Karpenter v1.15.0. What is wrong with a manifest is for the reader of
//! scenarios to say, with its place; here the first thing that cannot be read is an error. Fields that decide nothing are
//! passed over.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::super::node_pool::{
    Budget, ConsolidationPolicy, Disruption, DisruptionReason, NodeCount, NodePool, NodeRequirement, NodeTemplate,
};
use super::super::requirement::Operator;
use super::super::resources::{ResourceKind, ResourceList};
use crate::model::{Label, Taint, TaintEffect};
use crate::policy::controllers::cron::CronSchedule;
use crate::policy::parameters::ParameterError;
use crate::units::{SimDuration, parse_quantity_milli};

/// What a missing `expireAfter` means.
const EXPIRE_AFTER: &str = "720h";

#[derive(Deserialize)]
struct Manifest {
    metadata: Name,
    spec: Spec,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
struct Spec {
    template: Template,
    disruption: Option<WrittenDisruption>,
    limits: Option<BTreeMap<String, Value>>,
    weight: Option<i32>,
    replicas: Option<u64>,
}

#[derive(Deserialize)]
struct Template {
    metadata: Option<Metadata>,
    spec: TemplateSpec,
}

#[derive(Default, Deserialize)]
struct Metadata {
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TemplateSpec {
    taints: Option<Vec<WrittenTaint>>,
    startup_taints: Option<Vec<WrittenTaint>>,
    requirements: Option<Vec<WrittenRequirement>>,
    node_class_ref: Option<NodeClassRef>,
    termination_grace_period: Option<String>,
    expire_after: Option<String>,
}

#[derive(Deserialize)]
struct NodeClassRef {
    #[serde(default)]
    group: String,
    #[serde(default)]
    kind: String,
    name: String,
}

#[derive(Deserialize)]
struct WrittenTaint {
    key: String,
    value: Option<String>,
    effect: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenRequirement {
    key: String,
    operator: String,
    #[serde(default)]
    values: Vec<String>,
    min_values: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenDisruption {
    consolidate_after: Option<String>,
    consolidation_policy: Option<String>,
    budgets: Option<Vec<WrittenBudget>>,
}

#[derive(Deserialize)]
struct WrittenBudget {
    reasons: Option<Vec<String>>,
    nodes: Option<String>,
    schedule: Option<String>,
    duration: Option<String>,
}

/// Reads a manifest; `extended` are the names of the extended resources that its limits may name.
///
/// # Errors
/// When something cannot be read.
pub fn node_pool(manifest: &Value, extended: &[String]) -> Result<NodePool, ParameterError> {
    let Manifest { metadata, spec } =
        Manifest::deserialize(manifest).map_err(|error| ParameterError(format!("a NodePool: {error}")))?;
    let of_pool = |error: ParameterError| ParameterError(format!("the NodePool `{}`: {}", metadata.name, error.0));
    Ok(NodePool {
        name: metadata.name.clone(),
        weight: spec.weight.unwrap_or(0),
        limits: limits(spec.limits.unwrap_or_default(), extended).map_err(of_pool)?,
        replicas: spec.replicas,
        template: template(spec.template).map_err(of_pool)?,
        disruption: spec.disruption.map_or_else(|| Ok(Disruption::default()), disruption).map_err(of_pool)?,
    })
}

/// CPU in milli-cores and all else in whole units. What nothing in the run has limits nothing.
fn limits(written: BTreeMap<String, Value>, extended: &[String]) -> Result<ResourceList, ParameterError> {
    let mut limits = ResourceList::default();
    for (name, value) in written {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let milli = parse_quantity_milli(&text).map_err(|error| ParameterError(error.to_string()))?;
        let position = || extended.iter().position(|other| *other == name);
        let kind = match &*name {
            "cpu" => ResourceKind::Cpu,
            "memory" => ResourceKind::Memory,
            "ephemeral-storage" => ResourceKind::EphemeralStorage,
            "pods" => ResourceKind::Pods,
            "nodes" => ResourceKind::Nodes,
            _ => match position().and_then(|position| u16::try_from(position).ok()) {
                Some(position) => ResourceKind::Extended(position),
                None => continue,
            },
        };
        let amount = if kind == ResourceKind::Cpu { milli } else { milli.div_ceil(1000) };
        limits.set(kind, i64::try_from(amount).unwrap_or(i64::MAX));
    }
    Ok(limits)
}

fn template(written: Template) -> Result<NodeTemplate, ParameterError> {
    let Metadata { labels, annotations } = written.metadata.unwrap_or_default();
    let spec = written.spec;
    let labels_of = |map: Option<BTreeMap<String, String>>| {
        map.unwrap_or_default().into_iter().map(|(key, value)| Label { key, value }).collect()
    };
    let taints = |list: Option<Vec<WrittenTaint>>| -> Result<Vec<Taint>, ParameterError> {
        list.unwrap_or_default().into_iter().map(taint).collect()
    };
    let requirements = spec.requirements.unwrap_or_default().into_iter().map(requirement);
    Ok(NodeTemplate {
        labels: labels_of(labels),
        annotations: labels_of(annotations),
        taints: taints(spec.taints)?,
        startup_taints: taints(spec.startup_taints)?,
        requirements: requirements.collect::<Result<_, _>>()?,
        node_class: spec
            .node_class_ref
            .map(|class| Label { key: format!("{}/{}", class.group, class.kind.to_lowercase()), value: class.name }),
        termination_grace_period: spec.termination_grace_period.map(|text| duration(&text)).transpose()?,
        expire_after: duration_or_never(spec.expire_after.as_deref().unwrap_or(EXPIRE_AFTER))?,
    })
}

fn taint(written: WrittenTaint) -> Result<Taint, ParameterError> {
    let effect = match &*written.effect {
        "NoSchedule" => TaintEffect::NoSchedule,
        "PreferNoSchedule" => TaintEffect::PreferNoSchedule,
        "NoExecute" => TaintEffect::NoExecute,
        other => return Err(ParameterError(format!("`{other}` is no effect of a taint"))),
    };
    Ok(Taint { key: written.key, value: written.value.unwrap_or_default(), effect })
}

fn requirement(written: WrittenRequirement) -> Result<NodeRequirement, ParameterError> {
    let operator = Operator::parse(&written.operator)
        .ok_or_else(|| ParameterError(format!("`{}` is no operator of a requirement", written.operator)))?;
    let WrittenRequirement { key, values, min_values, .. } = written;
    Ok(NodeRequirement { key, operator, values, min_values })
}

fn disruption(written: WrittenDisruption) -> Result<Disruption, ParameterError> {
    let defaults = Disruption::default();
    let policy = match written.consolidation_policy.as_deref() {
        None => defaults.policy,
        Some("WhenEmpty") => ConsolidationPolicy::WhenEmpty,
        Some("WhenEmptyOrUnderutilized") => ConsolidationPolicy::WhenEmptyOrUnderutilized,
        Some("Balanced") => ConsolidationPolicy::Balanced,
        Some(other) => return Err(ParameterError(format!("`{other}` is no consolidation policy"))),
    };
    let after = written.consolidate_after.as_deref();
    let budgets = written.budgets.map(|list| list.into_iter().map(budget).collect()).transpose()?;
    Ok(Disruption {
        consolidate_after: after.map_or(Ok(defaults.consolidate_after), duration_or_never)?,
        policy,
        budgets: budgets.unwrap_or(defaults.budgets),
    })
}

fn budget(written: WrittenBudget) -> Result<Budget, ParameterError> {
    let reason = |text: String| {
        Ok(match &*text {
            "Underutilized" => DisruptionReason::Underutilized,
            "Empty" => DisruptionReason::Empty,
            "Drifted" => DisruptionReason::Drifted,
            "Unhealthy" => DisruptionReason::Unhealthy,
            _ => return Err(ParameterError(format!("`{text}` is no reason of a disruption"))),
        })
    };
    let reasons: Option<BTreeSet<DisruptionReason>> =
        written.reasons.map(|list| list.into_iter().map(reason).collect()).transpose()?;
    let window = match (written.schedule, written.duration) {
        (Some(schedule), Some(length)) => {
            let schedule = CronSchedule::parse(&schedule).map_err(|error| ParameterError(error.to_string()))?;
            Some((schedule, duration(&length)?))
        }
        _ => None,
    };
    let nodes = written.nodes.as_deref().unwrap_or("10%");
    Ok(Budget { reasons, nodes: node_count(nodes)?, window })
}

fn node_count(text: &str) -> Result<NodeCount, ParameterError> {
    let (digits, is_percent) = text.strip_suffix('%').map_or((text, false), |digits| (digits, true));
    let number = digits.parse().map_err(|_| ParameterError(format!("`{text}` is no number of nodes")))?;
    Ok(if is_percent { NodeCount::Percent(number) } else { NodeCount::Count(number) })
}

fn duration(text: &str) -> Result<SimDuration, ParameterError> {
    SimDuration::parse(text).map_err(|error| ParameterError(error.to_string()))
}

fn duration_or_never(text: &str) -> Result<Option<SimDuration>, ParameterError> {
    if text == "Never" { Ok(None) } else { duration(text).map(Some) }
}

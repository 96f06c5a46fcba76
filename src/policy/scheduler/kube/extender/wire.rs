//! What is said over the wire (`k8s.io/kube-scheduler/extender/v1`).
//!
//! The Go types have no JSON tags, so their field names are written as in Go; answers are read in any case, as Go does.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{Cycle, objects};
use crate::ids::NodeId;
use crate::policy::scheduler::kube::preemption::Nomination;

/// An answer, read whatever the case of its keys.
pub(super) trait Answer: Sized {
    /// Reads an answer.
    fn read(text: &str) -> Result<Self, String>;
}

impl<T: DeserializeOwned + Default> Answer for T {
    fn read(text: &str) -> Result<T, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let answer: Option<T> = serde_json::from_value(lower_keys(value, 2)).map_err(|error| error.to_string())?;
        Ok(answer.unwrap_or_default())
    }
}

/// Puts the keys of the outer levels into lower case; below them keys are names of nodes or parts of objects.
fn lower_keys(value: Value, levels: u32) -> Value {
    match value {
        Value::Object(map) if levels > 0 => {
            let lower = |(key, value): (String, Value)| {
                let key = key.to_lowercase();
                let inner = if is_keyed_by_name(&key) { value } else { lower_keys(value, levels - 1) };
                (key, inner)
            };
            Value::Object(map.into_iter().map(lower).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| lower_keys(item, levels)).collect()),
        other => other,
    }
}

fn is_keyed_by_name(key: &str) -> bool {
    matches!(key, "failednodes" | "failedandunresolvablenodes" | "nodenametometavictims")
}

/// `ExtenderFilterResult`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FilterResult {
    pub(super) nodes: Option<NodeList>,
    #[serde(rename = "nodenames")]
    pub(super) node_names: Option<Vec<String>>,
    #[serde(rename = "failednodes", deserialize_with = "or_default")]
    pub(super) failed_nodes: BTreeMap<String, String>,
    #[serde(rename = "failedandunresolvablenodes", deserialize_with = "or_default")]
    pub(super) failed_and_unresolvable_nodes: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) error: String,
}

/// `v1.NodeList`, of which the names matter.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NodeList {
    #[serde(deserialize_with = "or_default")]
    items: Vec<Value>,
}

impl NodeList {
    pub(super) fn names(self) -> Vec<String> {
        let name = |node: &Value| node.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.items.iter().map(name).collect()
    }
}

/// `HostPriority`.
#[derive(Debug, Deserialize)]
pub(super) struct HostPriority {
    pub(super) host: String,
    pub(super) score: i64,
}

/// `ExtenderPreemptionResult`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PreemptionResult {
    #[serde(rename = "nodenametometavictims", deserialize_with = "or_default")]
    pub(super) victims: BTreeMap<String, MetaVictims>,
}

/// `MetaVictims`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MetaVictims {
    #[serde(rename = "Pods", alias = "pods", deserialize_with = "or_default")]
    pods: Vec<MetaPod>,
    #[serde(rename = "NumPDBViolations", alias = "numPDBViolations", alias = "numpdbviolations")]
    pub(super) budget_violations: i64,
}

#[derive(Debug, Deserialize)]
struct MetaPod {
    #[serde(rename = "UID", alias = "uid")]
    uid: String,
}

impl MetaVictims {
    pub(super) fn uids(&self) -> Vec<String> {
        self.pods.iter().map(|pod| pod.uid.clone()).collect()
    }
}

/// `ExtenderBindingResult`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BindingResult {
    #[serde(deserialize_with = "or_default")]
    pub(super) error: String,
}

/// Reads `null` as nothing, as Go does.
fn or_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(reader: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(reader).map(Option::unwrap_or_default)
}

/// `ExtenderPreemptionArgs`, with whole pods or with their UIDs.
pub(super) fn preemption_question(cycle: &Cycle<'_>, candidates: &[Nomination], names_only: bool) -> Value {
    let mut by_node = Map::new();
    for candidate in candidates {
        let pods = candidate.victims.iter().map(|&pod| {
            if names_only {
                json!({ "UID": objects::uid(pod) })
            } else {
                objects::pod(cycle.view, Some(pod), cycle.view.world.pods.class[pod.index()])
            }
        });
        let pods: Vec<Value> = pods.collect();
        let victims = json!({ "Pods": pods, "NumPDBViolations": candidate.pdb_violations });
        by_node.insert(cycle.view.world.nodes.name(candidate.node).to_owned(), victims);
    }
    let pod = objects::pod(cycle.view, cycle.pod, cycle.class);
    let key = if names_only { "NodeNameToMetaVictims" } else { "NodeNameToVictims" };
    json!({ "Pod": pod, key: by_node })
}

/// `ExtenderBindingArgs`.
pub(super) fn binding_question(cycle: &Cycle<'_>, node: NodeId) -> Value {
    let pod = cycle.pod.expect("only pods that exist are bound");
    json!({
        "PodName": objects::pod_name(cycle.view, pod),
        "PodNamespace": cycle.spec().namespace,
        "PodUID": objects::uid(pod),
        "Node": cycle.view.world.nodes.name(node),
    })
}

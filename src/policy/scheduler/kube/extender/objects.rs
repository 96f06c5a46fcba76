//! Pods and nodes as `v1.Pod` and `v1.Node`, as far as the model has them.

use serde_json::{Map, Value, json};

use crate::ids::{ClassId, PodId};
use crate::model::cluster::HOSTNAME_LABEL;
use crate::model::{Label, Resources, TaintEffect, TolerationOperator};
use crate::policy::scheduler::kube::NodeInfo;
use crate::world::View;

/// The UID of a pod: its number.
pub(super) fn uid(pod: PodId) -> String {
    format!("pod-{}", pod.0)
}

/// The pod of a UID.
pub(super) fn pod_of_uid(uid: &str) -> Option<PodId> {
    uid.strip_prefix("pod-")?.parse().ok().map(PodId)
}

/// The name of a pod within its namespace.
pub(super) fn pod_name(view: View<'_>, pod: PodId) -> String {
    let name = view.pod_name(pod);
    name.rsplit('/').next().unwrap_or_default().to_owned()
}

/// A pod; one without number is a sample of its class.
pub(super) fn pod(view: View<'_>, pod: Option<PodId>, class: ClassId) -> Value {
    let class = view.class(class);
    let spec = &class.spec;
    let name = pod.map_or_else(|| class.template.clone(), |pod| pod_name(view, pod));
    let node = pod.and_then(|pod| view.world.pods.node(pod)).map(|node| view.world.nodes.name(node));
    let tolerations: Vec<Value> = class
        .tolerations
        .iter()
        .map(|toleration| {
            let operator = match toleration.operator {
                TolerationOperator::Exists => "Exists",
                TolerationOperator::Equal => "Equal",
            };
            json!({
                "key": toleration.key,
                "operator": operator,
                "value": toleration.value,
                "effect": toleration.effect.map_or("", effect),
            })
        })
        .collect();
    let mut limits = Map::new();
    if let Some(amounts) = &class.limits {
        limits = resources(view, amounts, false);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": spec.namespace,
            "uid": pod.map(uid).unwrap_or_default(),
            "labels": labels(&spec.labels),
        },
        "spec": {
            "containers": [{
                "name": "main",
                "image": spec.images.first().cloned().unwrap_or_default(),
                "resources": { "requests": resources(view, &class.requests, false), "limits": limits },
            }],
            "nodeName": node.unwrap_or_default(),
            "nodeSelector": labels(&class.node_selector),
            "priority": class.priority,
            "schedulerName": spec.scheduler_name,
            "tolerations": tolerations,
        },
        "status": { "phase": if node.is_some() { "Running" } else { "Pending" } },
    })
}

/// A node.
pub(super) fn node(node: &NodeInfo<'_>) -> Value {
    let shape = node.shape();
    let mut labels = labels(&shape.labels);
    if let Some(hostname) = node.label(HOSTNAME_LABEL) {
        labels.insert(HOSTNAME_LABEL.to_owned(), hostname.into());
    }
    let taint =
        |taint: &crate::model::Taint| json!({ "key": taint.key, "value": taint.value, "effect": effect(taint.effect) });
    let taints: Vec<Value> = shape.taints.iter().map(taint).collect();
    let allocatable = resources(node.view, &shape.allocatable, true);
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": node.name(), "labels": labels },
        "spec": { "taints": taints, "unschedulable": node.is_unschedulable() },
        "status": { "allocatable": allocatable, "capacity": allocatable },
    })
}

fn effect(effect: TaintEffect) -> &'static str {
    match effect {
        TaintEffect::NoSchedule => "NoSchedule",
        TaintEffect::PreferNoSchedule => "PreferNoSchedule",
        TaintEffect::NoExecute => "NoExecute",
    }
}

fn labels(labels: &[Label]) -> Map<String, Value> {
    labels.iter().map(|label| (label.key.clone(), label.value.clone().into())).collect()
}

/// Quantities by name, without those that are zero.
fn resources(view: View<'_>, amounts: &Resources, with_pods: bool) -> Map<String, Value> {
    let mut all = Map::new();
    let mut put = |name: &str, amount: u64, quantity: String| {
        if amount > 0 {
            all.insert(name.to_owned(), quantity.into());
        }
    };
    put("cpu", amounts.cpu.0, format!("{}m", amounts.cpu.0));
    put("memory", amounts.memory.0, amounts.memory.0.to_string());
    put("ephemeral-storage", amounts.ephemeral_storage.0, amounts.ephemeral_storage.0.to_string());
    if with_pods {
        put("pods", amounts.pods, amounts.pods.to_string());
    }
    for (position, name) in view.model.cluster.extended_resources.iter().enumerate() {
        put(name, amounts.extended(position), amounts.extended(position).to_string());
    }
    all
}

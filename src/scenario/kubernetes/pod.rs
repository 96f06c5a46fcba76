//! `v1/Pod` to classes and listed pods.
//!
//! Requests are the effective ones of kube-scheduler (k8s.io/component-helpers/resource `PodRequests`, v1.34): the sum over
//! containers and restartable init containers, raised to what any init container needs while it starts, replaced by
//! pod-level requests where there are any, plus the overhead. Missing requests are the limits, as the API server has it.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::Findings;
use super::files::Object;
use super::read::{Amounts, Notes, Resource};
use crate::document::{Code, Entry, Node as Tree};
use crate::ids::{ClassId, NodeId};
use crate::model::{
    ArrivalSource, Cluster, Label, ListedPod, ListedPods, PodClass, Resources, Toleration, TolerationOperator, Workload,
};
use crate::units::SimTime;

/// Priorities of classes by name; the empty name is the default class.
pub(super) type PriorityClasses = BTreeMap<String, i32>;

/// What a pod says about itself.
struct PodFacts<'t> {
    namespace: &'t str,
    name: &'t str,
    template: String,
    requests: Amounts<'t>,
    limits: Amounts<'t>,
    priority: i32,
    node_selector: Vec<Label>,
    tolerations: Vec<Toleration>,
    node: Option<&'t Tree>,
}

/// Everything that tells classes apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct ClassKey<'t> {
    requests: Vec<(Resource<'t>, u128)>,
    limits: Vec<(Resource<'t>, u128)>,
    priority: i32,
    template: String,
    node_selector: Vec<Label>,
    tolerations: Vec<Toleration>,
}

/// The priorities that `PriorityClass` objects give, with the two that every cluster has.
pub(super) fn priority_classes(objects: &[Object<'_>], findings: &mut Findings) -> PriorityClasses {
    let mut classes = PriorityClasses::from([
        ("system-cluster-critical".to_owned(), 2_000_000_000),
        ("system-node-critical".to_owned(), 2_000_001_000),
    ]);
    for object in objects {
        let mut notes = Notes::new(object.file);
        let name = notes.text(object.tree.at(&["metadata", "name"]), "metadata.name").unwrap_or_default();
        let value = notes.number(object.tree.get("value"), "value");
        if notes.truth(object.tree.get("globalDefault"), "globalDefault") {
            classes.insert(String::new(), value.unwrap_or_default());
        }
        match (name, value) {
            ("", _) => notes.refuse(Code::MissingKey, object.tree.span, "this PriorityClass has no `metadata.name`"),
            (_, None) if notes.issues.is_empty() => {
                notes.refuse(Code::MissingKey, object.tree.span, "this PriorityClass has no `value`");
            }
            (_, value) => {
                classes.insert(name.to_owned(), value.unwrap_or_default());
            }
        }
        findings.add("PriorityClass", object.file, notes);
    }
    classes
}

/// Appends pods to the workload.
pub(super) fn add(
    objects: &[Object<'_>],
    priorities: &PriorityClasses,
    cluster: &mut Cluster,
    workload: &mut Workload,
    findings: &mut Findings,
) {
    let converted: Vec<(Option<PodFacts<'_>>, Notes)> =
        objects.par_iter().map(|object| facts(object, priorities)).collect();
    let mut pods: Vec<(PodFacts<'_>, &Object<'_>)> = Vec::with_capacity(converted.len());
    for (object, (facts, notes)) in objects.iter().zip(converted) {
        findings.add("Pod", object.file, notes);
        pods.extend(facts.map(|facts| (facts, object)));
    }
    let is_shared = check_names(&pods, findings);
    let nodes = bound_nodes(&pods, cluster, findings);
    let mut listed = ListedPods::default();
    listed.pods.reserve_exact(pods.len());
    let mut classes: BTreeMap<ClassKey<'_>, ClassId> = BTreeMap::new();
    let mut counts: BTreeMap<ClassId, f64> = std::mem::take(&mut workload.popularity).into_iter().collect();
    for (((facts, object), node), is_shared) in pods.into_iter().zip(nodes).zip(is_shared) {
        let mut notes = Notes::new(object.file);
        if notes.too_many_resources(cluster, object.tree.span) {
            findings.add("Pod", object.file, notes);
            break;
        }
        if is_shared {
            listed.names.push_fmt(format_args!("{}/{}", facts.namespace, facts.name));
        } else {
            listed.names.push(facts.name);
        }
        let class = intern(facts, &mut classes, cluster, workload);
        *counts.entry(class).or_insert(0.0) += 1.0;
        listed.pods.push(ListedPod { class, arrival: SimTime::ZERO, duration: None, node });
    }
    workload.popularity = counts.into_iter().collect();
    if !listed.pods.is_empty() {
        workload.sources.push(ArrivalSource::Listed(listed));
    }
}

/// Reports pods of the same namespace and name, and says of each pod whether its name alone is not unique.
fn check_names(pods: &[(PodFacts<'_>, &Object<'_>)], findings: &mut Findings) -> Vec<bool> {
    let mut order: Vec<usize> = (0..pods.len()).collect();
    order.sort_by_key(|&at| (pods[at].0.name, pods[at].0.namespace));
    let mut is_shared = vec![false; pods.len()];
    for pair in order.windows(2) {
        let (first, second) = (&pods[pair[0]], &pods[pair[1]]);
        if first.0.name != second.0.name {
            continue;
        }
        is_shared[pair[0]] = true;
        is_shared[pair[1]] = true;
        if first.0.namespace == second.0.namespace {
            let Object { file, tree, .. } = first.1;
            let mut notes = Notes::new(second.1.file);
            let message = format!(
                "the pod `{}` of the namespace `{}` is there already, from {file}:{}:{}",
                second.0.name, second.0.namespace, tree.span.line, tree.span.column
            );
            notes.refuse(Code::DuplicateName, second.1.tree.span, message);
            findings.add("Pod", second.1.file, notes);
        }
    }
    is_shared
}

/// The nodes that pods are bound to; reports names of nodes that are not there.
fn bound_nodes(
    pods: &[(PodFacts<'_>, &Object<'_>)],
    cluster: &Cluster,
    findings: &mut Findings,
) -> Vec<Option<NodeId>> {
    // Where nodes could not be read, missing ones are no news.
    let cluster_is_sound = findings.issues.is_empty();
    if pods.iter().all(|(facts, _)| facts.node.is_none()) {
        return vec![None; pods.len()];
    }
    let by_name: BTreeMap<&str, NodeId> =
        cluster.nodes.iter().enumerate().map(|(index, node)| (node.name.as_str(), NodeId::from_index(index))).collect();
    pods.iter()
        .map(|(facts, object)| {
            let tree = facts.node?;
            let name = tree.as_text().unwrap_or_default();
            let node = by_name.get(name).copied();
            if node.is_none() && cluster_is_sound {
                let mut notes = Notes::new(object.file);
                let message =
                    format!("the pod `{}` is bound to the node `{name}`, which the cluster does not have", facts.name);
                notes.refuse(Code::UnknownReference, tree.span, message);
                findings.add("Pod", object.file, notes);
            }
            node
        })
        .collect()
}

fn intern<'t>(
    facts: PodFacts<'t>,
    classes: &mut BTreeMap<ClassKey<'t>, ClassId>,
    cluster: &mut Cluster,
    workload: &mut Workload,
) -> ClassId {
    let PodFacts { template, requests, limits, priority, node_selector, tolerations, .. } = facts;
    let key = ClassKey { requests: requests.0, limits: limits.0, priority, template, node_selector, tolerations };
    if let Some(class) = classes.get(&key) {
        return *class;
    }
    let amounts = |amounts: &Vec<_>, cluster: &mut Cluster| Resources {
        pods: 1,
        ..Amounts(amounts.clone()).to_resources(cluster)
    };
    workload.classes.push(PodClass {
        template: key.template.clone(),
        requests: amounts(&key.requests, cluster),
        limits: (!key.limits.is_empty()).then(|| amounts(&key.limits, cluster)),
        gpu: None,
        priority: key.priority,
        node_selector: key.node_selector.clone(),
        tolerations: key.tolerations.clone(),
        spec: Box::default(),
    });
    let class = ClassId::from_index(workload.classes.len() - 1);
    classes.insert(key, class);
    class
}

fn facts<'t>(object: &Object<'t>, priorities: &PriorityClasses) -> (Option<PodFacts<'t>>, Notes) {
    let mut notes = Notes::new(object.file);
    let tree = object.tree;
    if matches!(tree.at(&["status", "phase"]).and_then(Tree::as_text), Some("Succeeded" | "Failed")) {
        notes.remarks.push(("pods that have ended (`status.phase` Succeeded or Failed) are left out", tree.span));
        return (None, notes);
    }
    let metadata = tree.get("metadata");
    let field = |key| metadata.and_then(|metadata| metadata.get(key));
    let name = notes.text(field("name"), "metadata.name").unwrap_or_default();
    if name.is_empty() && notes.issues.is_empty() {
        notes.refuse(Code::MissingKey, tree.span, "this Pod has no `metadata.name`");
    }
    let namespace = notes.text(field("namespace"), "metadata.namespace").unwrap_or("default");
    let owner = field("ownerReferences").and_then(|owners| owners.items().first()).and_then(|owner| owner.get("name"));
    let template = match owner.and_then(Tree::as_text) {
        Some(owner) => format!("{namespace}/{owner}"),
        None => namespace.to_owned(),
    };
    let Some(spec) = notes.mapping(tree.get("spec"), "spec") else {
        if notes.issues.is_empty() {
            notes.refuse(Code::MissingKey, tree.span, "this Pod has no `spec`");
        }
        return (None, notes);
    };
    let (requests, limits) = effective_amounts(spec, &mut notes);
    let facts = PodFacts {
        namespace,
        name,
        template,
        requests,
        limits,
        priority: priority(spec, priorities, &mut notes),
        node_selector: notes.labels(spec.get("nodeSelector"), "spec.nodeSelector"),
        tolerations: tolerations(spec, &mut notes),
        node: spec.get("nodeName").filter(|node| node.as_text().is_some_and(|name| !name.is_empty())),
    };
    note_unused(spec, &mut notes);
    (notes.issues.is_empty().then_some(facts), notes)
}

/// Requests and limits of one container, requests completed by the limits.
fn container_amounts<'t>(container: &'t Tree, field: &str, notes: &mut Notes) -> (Amounts<'t>, Amounts<'t>) {
    let resources = notes.mapping(container.get("resources"), field);
    let of = |kind| resources.and_then(|resources| resources.get(kind));
    let mut requests = notes.amounts(of("requests"), &format!("{field}.requests"));
    let limits = notes.amounts(of("limits"), &format!("{field}.limits"));
    for &(resource, limit) in &limits.0 {
        match requests.get(resource) {
            Some(request) if request > limit => {
                let message = format!("`{field}`: a request exceeds its limit");
                notes.refuse(Code::RequestAboveLimit, container.span, message);
            }
            // A request of zero is a request too: only an absent one is completed.
            None if !is_given(of("requests"), resource) => requests.add(&Amounts(vec![(resource, limit)])),
            _ => {}
        }
    }
    (requests, limits)
}

/// Whether an amount is written down, even as zero.
fn is_given(requests: Option<&Tree>, resource: Resource<'_>) -> bool {
    let name = match resource {
        Resource::Cpu => "cpu",
        Resource::Memory => "memory",
        Resource::EphemeralStorage => "ephemeral-storage",
        Resource::Pods => "pods",
        Resource::Extended(name) => name,
    };
    requests.is_some_and(|requests| requests.get(name).is_some())
}

/// What kube-scheduler counts for the pod, and its limits: of a resource for which some container has none, there is none.
fn effective_amounts<'t>(spec: &'t Tree, notes: &mut Notes) -> (Amounts<'t>, Amounts<'t>) {
    let (mut requests, mut limits) = (Amounts::default(), None::<Amounts<'t>>);
    let containers = notes.list(spec.get("containers"), "spec.containers");
    for container in containers {
        let (container_requests, container_limits) = container_amounts(container, "spec.containers[].resources", notes);
        requests.add(&container_requests);
        limits = Some(match limits {
            None => container_limits,
            Some(mut sum) => {
                sum.0.retain(|(resource, _)| container_limits.get(*resource).is_some());
                let mut both = container_limits;
                both.0.retain(|(resource, _)| sum.get(*resource).is_some());
                sum.add(&both);
                sum
            }
        });
    }
    if containers.is_empty() && notes.issues.is_empty() {
        notes.refuse(Code::MissingKey, spec.span, "this Pod has no `spec.containers`");
    }
    // Restartable init containers stay; each other init container runs beside those that came before it.
    let (mut staying, mut starting) = (Amounts::default(), Amounts::default());
    for container in notes.list(spec.get("initContainers"), "spec.initContainers") {
        let (mut needed, _) = container_amounts(container, "spec.initContainers[].resources", notes);
        if container.get("restartPolicy").and_then(Tree::as_text) == Some("Always") {
            requests.add(&needed);
            staying.add(&needed);
            needed = staying.clone();
        } else {
            needed.add(&staying);
        }
        starting.raise_to(&needed);
    }
    requests.raise_to(&starting);
    let (pod_requests, pod_limits) = container_amounts_of_pod(spec, &requests, notes);
    for &(resource, milli) in &pod_requests.0 {
        requests.0.retain(|(other, _)| *other != resource);
        requests.add(&Amounts(vec![(resource, milli)]));
    }
    let mut limits = limits.unwrap_or_default();
    limits.0.retain(|(resource, _)| pod_limits.get(*resource).is_none());
    limits.add(&pod_limits);
    let overhead = notes.amounts(spec.get("overhead"), "spec.overhead");
    requests.add(&overhead);
    (requests, limits)
}

/// Requests and limits of the pod as a whole. A limit stands in for a missing request only if no container requests any.
fn container_amounts_of_pod<'t>(
    spec: &'t Tree,
    of_containers: &Amounts<'t>,
    notes: &mut Notes,
) -> (Amounts<'t>, Amounts<'t>) {
    let resources = notes.mapping(spec.get("resources"), "spec.resources");
    let of = |kind| resources.and_then(|resources| resources.get(kind));
    let mut requests = notes.amounts(of("requests"), "spec.resources.requests");
    let limits = notes.amounts(of("limits"), "spec.resources.limits");
    let mut defaults = limits.clone();
    defaults.0.retain(|(resource, _)| of_containers.get(*resource).is_none());
    requests.default_to(&defaults);
    (requests, limits)
}

fn priority(spec: &Tree, priorities: &PriorityClasses, notes: &mut Notes) -> i32 {
    let tree = spec.get("priorityClassName");
    let class = notes.text(tree, "spec.priorityClassName").unwrap_or_default();
    if let Some(priority) = notes.number(spec.get("priority"), "spec.priority") {
        return priority;
    }
    match priorities.get(class) {
        Some(priority) => *priority,
        None if class.is_empty() => 0,
        None => {
            let place = tree.map_or(spec.span, |tree| tree.span);
            let message = format!("there is no PriorityClass `{class}`; list its manifest, or write `spec.priority`");
            notes.refuse(Code::UnknownReference, place, message);
            0
        }
    }
}

fn tolerations(spec: &Tree, notes: &mut Notes) -> Vec<Toleration> {
    let mut tolerations = Vec::new();
    for item in notes.list(spec.get("tolerations"), "spec.tolerations") {
        let key = notes.text(item.get("key"), "spec.tolerations[].key").unwrap_or_default();
        let value = notes.text(item.get("value"), "spec.tolerations[].value").unwrap_or_default();
        let operator = match notes.text(item.get("operator"), "spec.tolerations[].operator") {
            Some("Exists") => TolerationOperator::Exists,
            None | Some("" | "Equal") => TolerationOperator::Equal,
            Some(other) => {
                let place = item.get("operator").map_or(item.span, |operator| operator.span);
                notes.refuse(Code::NotAllowed, place, format!("`{other}` is no operator: Equal and Exists are"));
                continue;
            }
        };
        if operator == TolerationOperator::Equal && key.is_empty() {
            notes.refuse(Code::Contradiction, item.span, "a toleration without `key` needs the operator Exists");
        }
        if operator == TolerationOperator::Exists && !value.is_empty() {
            notes.refuse(Code::Contradiction, item.span, "a toleration with the operator Exists has no `value`");
        }
        let effect = match notes.text(item.get("effect"), "spec.tolerations[].effect") {
            None | Some("") => None,
            Some(effect) => notes.effect(effect, item.get("effect").map_or(item.span, |effect| effect.span)),
        };
        tolerations.push(Toleration { key: key.to_owned(), operator, value: value.to_owned(), effect });
    }
    tolerations.sort();
    tolerations.dedup();
    tolerations
}

/// Notes the fields that would change decisions in Kubernetes and do not here, and those that no Pod has.
fn note_unused(spec: &Tree, notes: &mut Notes) {
    for Entry { key, value, .. } in spec.entries() {
        match &**key {
            "containers" | "initContainers" => note_host_ports(value, spec, notes),
            "affinity" => {
                for Entry { key, value, .. } in value.entries() {
                    notes.unused(format!("spec.affinity.{key}"), value);
                }
            }
            "volumes" => {
                for volume in value.items() {
                    if let Some(claim) = volume.get("persistentVolumeClaim").or_else(|| volume.get("ephemeral")) {
                        notes.unused("spec.volumes[].persistentVolumeClaim", claim);
                        break;
                    }
                }
            }
            "schedulerName" if matches!(value.as_text(), Some("" | "default-scheduler")) => {}
            // Used, or without bearing on where and when a pod runs.
            "nodeSelector"
            | "tolerations"
            | "priority"
            | "priorityClassName"
            | "nodeName"
            | "overhead"
            | "resources"
            | "automountServiceAccountToken"
            | "dnsConfig"
            | "dnsPolicy"
            | "enableServiceLinks"
            | "ephemeralContainers"
            | "hostAliases"
            | "hostIPC"
            | "hostNetwork"
            | "hostPID"
            | "hostUsers"
            | "hostname"
            | "hostnameOverride"
            | "imagePullSecrets"
            | "os"
            | "preemptionPolicy"
            | "readinessGates"
            | "restartPolicy"
            | "runtimeClassName"
            | "securityContext"
            | "serviceAccount"
            | "serviceAccountName"
            | "setHostnameAsFQDN"
            | "shareProcessNamespace"
            | "subdomain"
            | "terminationGracePeriodSeconds" => {}
            _ => notes.unused(format!("spec.{key}"), value),
        }
    }
}

/// Ports of the host keep two pods from sharing a node; with the host's network every port is one.
fn note_host_ports(containers: &Tree, spec: &Tree, notes: &mut Notes) {
    let on_host_network = spec.get("hostNetwork").and_then(Tree::as_bool) == Some(true);
    let ports = containers.items().iter().filter_map(|container| container.get("ports")).flat_map(Tree::items);
    for port in ports {
        if on_host_network || port.get("hostPort").is_some_and(|port| port.as_int() != Some(0)) {
            notes.unused("spec.containers[].ports[].hostPort", port);
            return;
        }
    }
}

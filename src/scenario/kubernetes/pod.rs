//! `v1/Pod` to classes and listed pods.
//!
//! - `requests`: what a pod requests, as kube-scheduler counts it;
//! - `disruption`: what only node autoscalers read;
//! - `spec` and `affinity`: what only kube-scheduler reads; for other policies it is left alone, so that pods that differ
//!   in nothing else still share a class.

mod affinity;
mod disruption;
mod requests;
mod spec;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::files::{Object, is_from_dump};
use super::read::{Amounts, Notes, Resource};
use super::time::parse_instant_ns;
use super::{Findings, ReadFor, Warning};
use crate::document::{Code, Entry, Node as Tree};
use crate::ids::{ClassId, NodeId};
use crate::model::controllers::Adoption;
use crate::model::pod_spec::{DEFAULT_NAMESPACE, DEFAULT_SCHEDULER_NAME};
use crate::model::{
    ArrivalSource, Cluster, Label, ListedPod, ListedPods, ListedState, PodClass, PodDisruption, PodSpec, Resources,
    Toleration, TolerationOperator, Workload,
};
use crate::units::{SimDuration, SimTime};
use crate::world::nodes::scoring_request;
use requests::PodAmounts;

/// How long a pod takes to end that does not say (`terminationGracePeriodSeconds`).
const GRACE_SECONDS: i32 = 30;

/// A `PriorityClass`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Priority {
    value: i32,
    never_preempts: bool,
}

/// Priorities of classes by name; the empty name is the default class.
pub(super) type PriorityClasses = BTreeMap<String, Priority>;

/// How pods are read.
#[derive(Clone, Copy)]
pub(super) struct Options<'o> {
    pub(super) read_for: ReadFor,
    /// Whether names are always `namespace/name`, and not only where the name alone is not unique.
    pub(super) with_namespace: bool,
    /// Whether labels and namespace are read for every policy, because something other than kube-scheduler looks for the
    /// pods by them.
    pub(super) with_labels: bool,
    /// Whether it is read what pods say about being moved, because there are node autoscalers.
    pub(super) with_disruption: bool,
    pub(super) priorities: &'o PriorityClasses,
}

/// What a pod says about itself.
struct PodFacts<'t> {
    namespace: &'t str,
    name: &'t str,
    template: String,
    amounts: PodAmounts<'t>,
    priority: Priority,
    node_selector: Vec<Label>,
    tolerations: Vec<Toleration>,
    node: Option<&'t Tree>,
    spec: Option<Box<PodSpec>>,
    /// What stands in for `spec` where that is not read.
    lean_spec: Option<Box<PodSpec>>,
    disruption: PodDisruption,
    past: Past<'t>,
}

/// What had become of a pod before the run.
#[derive(Default)]
struct Past<'t> {
    /// In ns since 1970.
    start_ns: Option<i64>,
    nominated: Option<&'t str>,
    /// How long it still takes to end, if it has been told to.
    ends_in: Option<SimDuration>,
    owner: Option<Adoption>,
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
    spec: Option<Box<PodSpec>>,
    disruption: PodDisruption,
}

/// The priorities that `PriorityClass` objects give, with the two that every cluster has.
pub(super) fn priority_classes(objects: &[Object<'_>], findings: &mut Findings) -> PriorityClasses {
    let system = |value| Priority { value, never_preempts: false };
    let mut classes = PriorityClasses::from([
        ("system-cluster-critical".to_owned(), system(2_000_000_000)),
        ("system-node-critical".to_owned(), system(2_000_001_000)),
    ]);
    for object in objects {
        let mut notes = Notes::new(object.file);
        let name = notes.text(object.tree.at(&["metadata", "name"]), "metadata.name").unwrap_or_default();
        let value = notes.number(object.tree.get("value"), "value");
        let never_preempts = never_preempts(object.tree.get("preemptionPolicy"), "preemptionPolicy", &mut notes);
        let class = Priority { value: value.unwrap_or_default(), never_preempts: never_preempts.unwrap_or(false) };
        if notes.truth(object.tree.get("globalDefault"), "globalDefault") {
            classes.insert(String::new(), class);
        }
        match (name, value) {
            ("", _) => notes.refuse(Code::MissingKey, object.tree.span, "this PriorityClass has no `metadata.name`"),
            (_, None) if notes.issues.is_empty() => {
                notes.refuse(Code::MissingKey, object.tree.span, "this PriorityClass has no `value`");
            }
            _ => {
                classes.insert(name.to_owned(), class);
            }
        }
        findings.add("PriorityClass", object.file, notes);
    }
    classes
}

/// Whether a pod never preempts others; none where nothing is said.
fn never_preempts(tree: Option<&Tree>, field: &str, notes: &mut Notes) -> Option<bool> {
    notes.choice(tree, field, &[("Never", true), ("PreemptLowerPriority", false)])
}

/// Appends pods to the workload; `owners` says for each, as far as it goes, which object made it.
pub(super) fn add(
    objects: &[Object<'_>],
    owners: &[Option<Adoption>],
    options: Options<'_>,
    cluster: &mut Cluster,
    workload: &mut Workload,
    findings: &mut Findings,
) {
    let converted: Vec<(Option<PodFacts<'_>>, Notes)> =
        objects.par_iter().map(|object| facts(object, options)).collect();
    let mut pods: Vec<(PodFacts<'_>, &Object<'_>)> = Vec::with_capacity(converted.len());
    for (index, (object, (facts, notes))) in objects.iter().zip(converted).enumerate() {
        findings.add("Pod", object.file, notes);
        pods.extend(facts.map(|mut facts| {
            facts.past.owner = owners.get(index).copied().flatten();
            (facts, object)
        }));
    }
    let nodes = Nodes::new(&pods, cluster);
    nodes.leave_out_lost(&mut pods, findings);
    let is_shared = check_names(&pods, findings);
    let bound = nodes.bound(&pods, findings);
    let latest_start_ns = pods.iter().filter_map(|(facts, _)| facts.past.start_ns).max().unwrap_or_default();
    let mut listed = ListedPods::default();
    listed.pods.reserve_exact(pods.len());
    let states: Vec<ListedState> = pods.iter().map(|(facts, _)| nodes.state(facts, latest_start_ns)).collect();
    let mut classes: BTreeMap<ClassKey<'_>, ClassId> = BTreeMap::new();
    let mut counts: BTreeMap<ClassId, f64> = std::mem::take(&mut workload.popularity).into_iter().collect();
    for (position, (facts, object)) in pods.into_iter().enumerate() {
        let mut notes = Notes::new(object.file);
        if notes.too_many_resources(cluster, object.tree.span) {
            findings.add("Pod", object.file, notes);
            break;
        }
        if is_shared[position] || options.with_namespace {
            listed.names.push_fmt(format_args!("{}/{}", facts.namespace, facts.name));
        } else {
            listed.names.push(facts.name);
        }
        if states[position] != ListedState::default() {
            listed.states.insert(position as u32, states[position]);
        }
        let duration = facts.past.ends_in;
        let class = intern(facts, &mut classes, cluster, workload);
        *counts.entry(class).or_insert(0.0) += 1.0;
        listed.pods.push(ListedPod { class, arrival: SimTime::ZERO, duration, node: bound[position] });
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

/// The nodes that pods name.
struct Nodes<'c> {
    by_name: BTreeMap<&'c str, NodeId>,
}

impl<'c> Nodes<'c> {
    fn new(pods: &[(PodFacts<'_>, &Object<'_>)], cluster: &'c Cluster) -> Nodes<'c> {
        let are_named = pods.iter().any(|(facts, _)| facts.node.is_some() || facts.past.nominated.is_some());
        let nodes = cluster.nodes.iter().enumerate().filter(|_| are_named);
        Nodes { by_name: nodes.map(|(index, node)| (node.name.as_str(), NodeId::from_index(index))).collect() }
    }

    /// Takes out pods of a dump whose node is not there: of a cluster people dump a part, or try its objects on other nodes.
    /// Where their controller is among the objects, it makes others for them.
    fn leave_out_lost(&self, pods: &mut Vec<(PodFacts<'_>, &Object<'_>)>, findings: &mut Findings) {
        if !findings.issues.is_empty() {
            // Where nodes could not be read, missing ones are no news.
            return;
        }
        let mut missing: BTreeSet<&str> = BTreeSet::new();
        let mut lost = Vec::new();
        pods.retain(|(facts, object)| {
            let Some(node) = facts.node.filter(|_| is_from_dump(object.tree)) else { return true };
            let name = node.as_text().unwrap_or_default();
            let is_there = self.by_name.contains_key(name);
            if !is_there {
                missing.insert(name);
                lost.push((object.file.clone(), node.span));
            }
            is_there
        });
        let Some((file, span)) = lost.first() else { return };
        let message = format!(
            "pods of the dump are bound to nodes that the cluster does not have ({}) and are left out; list the dump under \
             `cluster.manifests` too, or take `spec.nodeName` away",
            some_of(&missing)
        );
        let warning = Warning { file: file.clone(), span: *span, message, objects: lost.len() as u64 };
        findings.warnings.insert(("Pod".to_owned(), "spec.nodeName".to_owned()), warning);
    }

    /// The nodes that pods are bound to; reports names of nodes that are not there.
    fn bound(&self, pods: &[(PodFacts<'_>, &Object<'_>)], findings: &mut Findings) -> Vec<Option<NodeId>> {
        // Where nodes could not be read, missing ones are no news.
        let cluster_is_sound = findings.issues.is_empty();
        let bound = pods.iter().map(|(facts, object)| {
            let tree = facts.node?;
            let name = tree.as_text().unwrap_or_default();
            let node = self.by_name.get(name).copied();
            if node.is_none() && cluster_is_sound {
                let mut notes = Notes::new(object.file);
                let message =
                    format!("the pod `{}` is bound to the node `{name}`, which the cluster does not have", facts.name);
                notes.refuse(Code::UnknownReference, tree.span, message);
                findings.add("Pod", object.file, notes);
            }
            node
        });
        bound.collect()
    }

    /// What had become of a pod before the run, which begins when the latest of the pods has started. A nomination for a
    /// node that is not there says nothing.
    fn state(&self, facts: &PodFacts<'_>, latest_start_ns: i64) -> ListedState {
        ListedState {
            start_ns: facts.past.start_ns.map(|start_ns| start_ns - latest_start_ns),
            nominated: facts.past.nominated.and_then(|name| self.by_name.get(name).copied()),
            is_terminating: facts.past.ends_in.is_some(),
            owner: facts.past.owner,
        }
    }
}

/// The first of some names, and how many more there are.
fn some_of(names: &BTreeSet<&str>) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let rest = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}

fn intern<'t>(
    facts: PodFacts<'t>,
    classes: &mut BTreeMap<ClassKey<'t>, ClassId>,
    cluster: &mut Cluster,
    workload: &mut Workload,
) -> ClassId {
    let key = class_key(facts);
    if let Some(class) = classes.get(&key) {
        return *class;
    }
    workload.classes.push(class_of(&key, cluster));
    let class = ClassId::from_index(workload.classes.len() - 1);
    classes.insert(key, class);
    class
}

/// The class of pods that are like one pod, which the template calls by that name.
pub(super) fn class(
    object: &Object<'_>,
    template: String,
    options: Options<'_>,
    cluster: &mut Cluster,
) -> (Option<PodClass>, Notes) {
    let (facts, mut notes) = facts(object, options);
    if notes.too_many_resources(cluster, object.tree.span) {
        return (None, notes);
    }
    let class = facts.map(|facts| class_of(&class_key(PodFacts { template, ..facts }), cluster));
    (class, notes)
}

fn class_key(facts: PodFacts<'_>) -> ClassKey<'_> {
    let PodFacts { template, amounts, priority, node_selector, tolerations, mut spec, lean_spec, disruption, .. } =
        facts;
    let (requests, limits) = (amounts.requests, amounts.limits);
    if let Some(spec) = &mut spec {
        spec.never_preempts = priority.never_preempts;
        spec.scoring_request = Some(amounts.scoring);
        spec.fit_scoring_request =
            (amounts.scoring_by_container != amounts.scoring).then_some(amounts.scoring_by_container);
    }
    let (requests, limits, priority) = (requests.0, limits.0, priority.value);
    let spec = spec.or(lean_spec);
    ClassKey { requests, limits, priority, template, node_selector, tolerations, spec, disruption }
}

fn class_of(key: &ClassKey<'_>, cluster: &mut Cluster) -> PodClass {
    let amounts = |amounts: &Vec<_>, cluster: &mut Cluster| Resources {
        pods: 1,
        ..Amounts(amounts.clone()).to_resources(cluster)
    };
    let mut class = PodClass {
        template: key.template.clone(),
        requests: amounts(&key.requests, cluster),
        limits: (!key.limits.is_empty()).then(|| amounts(&key.limits, cluster)),
        gpu: None,
        priority: key.priority,
        node_selector: key.node_selector.clone(),
        tolerations: key.tolerations.clone(),
        spec: key.spec.clone().unwrap_or_default(),
        disruption: key.disruption,
    };
    // What follows from the requests is not said twice.
    let scoring = class.spec.scoring_request.take();
    if scoring != Some(scoring_request(&class)) {
        class.spec.scoring_request = scoring;
    }
    class
}

fn facts<'t>(object: &Object<'t>, options: Options<'_>) -> (Option<PodFacts<'t>>, Notes) {
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
    let namespace = notes.text(field("namespace"), "metadata.namespace").filter(|name| !name.is_empty());
    let namespace = namespace.unwrap_or(DEFAULT_NAMESPACE);
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
    let node = spec.get("nodeName").filter(|node| node.as_text().is_some_and(|name| !name.is_empty()));
    let past = past(tree, spec, node.is_some(), options.read_for, &mut notes);
    if past.ends_in.is_some() && node.is_none() {
        notes.remarks.push(("pods without a node that are being deleted are left out", tree.span));
        return (None, notes);
    }
    let facts = PodFacts {
        namespace,
        name,
        template,
        amounts: requests::pod_amounts(tree, spec, &mut notes),
        priority: priority(spec, options.priorities, &mut notes),
        node_selector: notes.labels(spec.get("nodeSelector"), "spec.nodeSelector"),
        tolerations: tolerations(spec, &mut notes),
        node,
        spec: (options.read_for == ReadFor::KubeScheduler)
            .then(|| Box::new(spec::pod_spec(tree, spec, (namespace, name), &mut notes))),
        lean_spec: (options.with_labels || options.with_disruption).then(|| {
            let labels = notes.labels(field("labels"), "metadata.labels");
            let owner = if options.with_disruption { spec::owner(metadata, &mut notes) } else { None };
            Box::new(PodSpec { namespace: namespace.to_owned(), labels, owner, ..PodSpec::default() })
        }),
        disruption: match options.with_disruption {
            true => disruption::pod_disruption(tree, spec, &mut notes),
            false => PodDisruption::default(),
        },
        past,
    };
    note_unused(spec, options.read_for, &mut notes);
    (notes.issues.is_empty().then_some(facts), notes)
}

/// What had become of a pod before the run. Only kube-scheduler heeds nominations.
fn past<'t>(pod: &'t Tree, spec: &Tree, is_bound: bool, read_for: ReadFor, notes: &mut Notes) -> Past<'t> {
    let mut past = Past::default();
    if is_bound && let Some(start) = pod.at(&["status", "startTime"]).filter(|start| !start.is_null()) {
        let text = notes.text(Some(start), "status.startTime");
        past.start_ns = text.and_then(parse_instant_ns);
        if text.is_some() && past.start_ns.is_none() {
            let message = "`status.startTime` must be an instant such as 2024-05-06T07:08:09Z";
            notes.refuse(Code::BadQuantity, start.span, message);
        }
    }
    if !is_bound && read_for == ReadFor::KubeScheduler {
        let nominated = notes.text(pod.at(&["status", "nominatedNodeName"]), "status.nominatedNodeName");
        past.nominated = nominated.filter(|name| !name.is_empty());
    }
    if pod.at(&["metadata", "deletionTimestamp"]).is_some_and(|instant| !instant.is_null()) {
        let of_deletion = pod.at(&["metadata", "deletionGracePeriodSeconds"]);
        let seconds = match notes.number(of_deletion, "metadata.deletionGracePeriodSeconds") {
            Some(seconds) => seconds,
            None => notes
                .number(spec.get("terminationGracePeriodSeconds"), "spec.terminationGracePeriodSeconds")
                .unwrap_or(GRACE_SECONDS),
        };
        past.ends_in = Some(SimDuration::from_seconds(f64::from(seconds.max(0))));
    }
    past
}

/// The priority of a pod: as it is written, or else that of its class, from which it also takes the policy of preemption.
fn priority(spec: &Tree, priorities: &PriorityClasses, notes: &mut Notes) -> Priority {
    let tree = spec.get("priorityClassName");
    let class = notes.text(tree, "spec.priorityClassName").unwrap_or_default();
    let written = notes.number(spec.get("priority"), "spec.priority");
    let never_preempts = never_preempts(spec.get("preemptionPolicy"), "spec.preemptionPolicy", notes);
    let found = match priorities.get(class) {
        // The class of all pods that name none has no say where a priority is written.
        Some(_) if class.is_empty() && written.is_some() => Priority::default(),
        Some(found) => *found,
        None => {
            if !class.is_empty() && written.is_none() {
                let place = tree.map_or(spec.span, |tree| tree.span);
                let message =
                    format!("there is no PriorityClass `{class}`; list its manifest, or write `spec.priority`");
                notes.refuse(Code::UnknownReference, place, message);
            }
            Priority::default()
        }
    };
    Priority { value: written.unwrap_or(found.value), never_preempts: never_preempts.unwrap_or(found.never_preempts) }
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
        let seconds = notes.number(item.get("tolerationSeconds"), "spec.tolerations[].tolerationSeconds");
        let duration = seconds.map(|seconds| SimDuration::from_seconds(f64::from(seconds.max(0))));
        tolerations.push(Toleration { key: key.to_owned(), operator, value: value.to_owned(), effect, duration });
    }
    // One that is written twice counts twice: a pod that gets another toleration is tried again.
    tolerations.sort();
    tolerations
}

/// Notes the fields that would change decisions in Kubernetes and do not here, and those that no Pod has.
fn note_unused(spec: &Tree, read_for: ReadFor, notes: &mut Notes) {
    for Entry { key, value, .. } in spec.entries() {
        match &**key {
            "containers"
            | "initContainers"
            | "affinity"
            | "volumes"
            | "topologySpreadConstraints"
            | "schedulingGates"
            | "schedulerName"
            | "resourceClaims"
            | "schedulingGroup" => {
                if read_for != ReadFor::KubeScheduler {
                    note_for_kube_scheduler(key, value, spec, notes);
                }
            }
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

/// Notes a field that only kube-scheduler reads, where it can keep a pod from a node.
fn note_for_kube_scheduler(key: &str, value: &Tree, spec: &Tree, notes: &mut Notes) {
    match key {
        "containers" | "initContainers" => note_host_ports(value, spec, notes),
        "affinity" => {
            for Entry { key, value, .. } in value.entries() {
                notes.for_kube_scheduler(format!("spec.affinity.{key}"), value);
            }
        }
        "volumes" => {
            for volume in value.items() {
                if let Some(claim) = volume.get("persistentVolumeClaim").or_else(|| volume.get("ephemeral")) {
                    notes.for_kube_scheduler("spec.volumes[].persistentVolumeClaim", claim);
                    break;
                }
            }
        }
        "schedulerName" if matches!(value.as_text(), Some("" | DEFAULT_SCHEDULER_NAME)) => {}
        _ => notes.for_kube_scheduler(format!("spec.{key}"), value),
    }
}

/// Ports of the host keep two pods from sharing a node; with the host's network every port is one.
fn note_host_ports(containers: &Tree, spec: &Tree, notes: &mut Notes) {
    let on_host_network = spec.get("hostNetwork").and_then(Tree::as_bool) == Some(true);
    let ports = containers.items().iter().filter_map(|container| container.get("ports")).flat_map(Tree::items);
    for port in ports {
        if on_host_network || port.get("hostPort").is_some_and(|port| port.as_int() != Some(0)) {
            notes.for_kube_scheduler("spec.containers[].ports[].hostPort", port);
            return;
        }
    }
}

#[cfg(test)]
mod tests;

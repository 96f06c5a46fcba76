//! What the API server changes about a pod before it is kept: the defaults of `LimitRange` (plug-in `LimitRanger`) and of
//! `RuntimeClass` (plug-in `RuntimeClass`). Pods that carry a `metadata.uid` have been through it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::super::edit;
use super::super::files::Object;
use super::super::objects::header;
use super::super::read::Notes;
use crate::document::{Code, Node as Tree, Span};
use crate::model::pod_spec::DEFAULT_NAMESPACE;
use crate::model::runtime::{self, RuntimeProfile};
use crate::model::vertical_pod_autoscaler::{Amounts, LimitRangeItem, LimitRanges};
use crate::scenario::kubernetes::Findings;
use crate::units::{Bytes, MilliCpu, parse_quantity_milli};

/// What completes pods.
#[derive(Debug, Default)]
pub(super) struct Admission {
    /// By namespace and name.
    limit_ranges: BTreeMap<(String, String), Vec<ContainerLimits>>,
    /// What bounds vertical autoscalers, by the same: items for containers, and for pods.
    bounds: BTreeMap<(String, String), [Vec<LimitRangeItem>; 2]>,
    runtime_classes: BTreeMap<String, RuntimeClass>,
}

/// A `LimitRangeItem` of the type `Container`, completed by the defaults of the API server.
#[derive(Debug)]
struct ContainerLimits {
    limits: Vec<(String, Tree)>,
    requests: Vec<(String, Tree)>,
    min: Vec<(String, u128)>,
    max: Vec<(String, u128)>,
}

impl ContainerLimits {
    /// The part that vertical autoscalers look at.
    fn bounds(&self) -> LimitRangeItem {
        LimitRangeItem { min: both(&self.min), max: both(&self.max), default: both(&millis(&self.limits)) }
    }
}

#[derive(Debug)]
struct RuntimeClass {
    overhead: Option<Tree>,
    /// What is known of its handler.
    profile: Option<&'static RuntimeProfile>,
    node_selector: Vec<(String, Tree)>,
    tolerations: Vec<Tree>,
}

/// The entries of a mapping of quantities.
fn amounts(tree: Option<&Tree>, field: &str, notes: &mut Notes) -> Vec<(String, Tree)> {
    notes.amounts(tree, field);
    let entries = tree.map_or(&[][..], Tree::entries);
    entries.iter().map(|entry| (entry.key.to_string(), entry.value.clone())).collect()
}

fn milli(tree: &Tree) -> Option<u128> {
    parse_quantity_milli(&tree.scalar_text()?).ok()
}

fn millis(amounts: &[(String, Tree)]) -> Vec<(String, u128)> {
    amounts.iter().filter_map(|(name, tree)| Some((name.clone(), milli(tree)?))).collect()
}

fn add_missing(amounts: &mut Vec<(String, Tree)>, others: &[(String, Tree)]) {
    for other in others {
        if !amounts.iter().any(|(name, _)| *name == other.0) {
            amounts.push(other.clone());
        }
    }
}

impl Admission {
    pub(super) fn add_limit_range(&mut self, object: &Object<'_>, findings: &mut Findings) {
        let mut notes = Notes::new(object.file);
        if let Some(header) = header(object, "LimitRange", true, &mut notes) {
            let (mut items, mut bounds) = (Vec::new(), [Vec::new(), Vec::new()]);
            for item in notes.list(object.tree.at(&["spec", "limits"]), "spec.limits") {
                match notes.required_text(item, "type", "spec.limits[]") {
                    "Container" => {
                        let limits = container_limits(item, &mut notes);
                        bounds[0].push(limits.bounds());
                        items.push(limits);
                    }
                    "Pod" => {
                        let text = "LimitRange items of the type Pod bound vertical autoscalers only";
                        notes.remarks.push((text, item.span));
                        bounds[1].push(pod_bounds(item, &mut notes));
                    }
                    "" => {}
                    kind => notes.unused(format!("spec.limits[] of the type {kind}"), item),
                }
            }
            self.limit_ranges.insert((header.namespace(), header.name()), items);
            self.bounds.insert((header.namespace(), header.name()), bounds);
        }
        findings.add("LimitRange", object.file, notes);
    }

    /// What bounds vertical autoscalers, by namespace.
    pub(super) fn limit_ranges(&self) -> BTreeMap<String, LimitRanges> {
        let mut items: BTreeMap<&String, [Vec<LimitRangeItem>; 2]> = BTreeMap::new();
        for ((namespace, _), [containers, pods]) in &self.bounds {
            let all = items.entry(namespace).or_default();
            all[0].extend(containers);
            all[1].extend(pods);
        }
        let combined = |[containers, pods]: &[Vec<LimitRangeItem>; 2]| LimitRanges {
            container: LimitRangeItem::combined(containers),
            pod: LimitRangeItem::combined(pods),
        };
        items.iter().map(|(namespace, items)| ((*namespace).clone(), combined(items))).collect()
    }

    pub(super) fn add_runtime_class(&mut self, object: &Object<'_>, findings: &mut Findings) {
        let mut notes = Notes::new(object.file);
        if let Some(header) = header(object, "RuntimeClass", false, &mut notes) {
            let overhead = object.tree.at(&["overhead", "podFixed"]).filter(|tree| !tree.is_null());
            notes.amounts(overhead, "overhead.podFixed");
            let handler = notes.text(object.tree.get("handler"), "handler").unwrap_or_default();
            let profile = runtime::of_handler(handler);
            if overhead.is_none() && profile.is_some_and(|profile| profile.memory_overhead.0 > 0) {
                let text = "RuntimeClasses without `overhead` get the one that is known of their handler";
                notes.remarks.push((text, object.tree.span));
            }
            let selector = object.tree.at(&["scheduling", "nodeSelector"]);
            notes.labels(selector, "scheduling.nodeSelector");
            let selector = selector.map_or(&[][..], Tree::entries).iter();
            let tolerations = notes.list(object.tree.at(&["scheduling", "tolerations"]), "scheduling.tolerations");
            let class = RuntimeClass {
                overhead: overhead
                    .cloned()
                    .or_else(|| profile.map(|profile| known_overhead(profile, object.tree.span))),
                profile,
                node_selector: selector.map(|entry| (entry.key.to_string(), entry.value.clone())).collect(),
                tolerations: tolerations.to_vec(),
            };
            self.runtime_classes.insert(header.name(), class);
        }
        findings.add("RuntimeClass", object.file, notes);
    }

    /// What is known of the runtime that a pod asks for; none where it asks for none or nothing is known.
    pub(super) fn runtime_of(&self, spec: &Tree) -> Option<&'static RuntimeProfile> {
        let class = spec.get("runtimeClassName").and_then(Tree::as_text)?;
        self.runtime_classes.get(class)?.profile
    }

    /// A pod as the API server keeps it; reports what it would refuse.
    pub(super) fn complete<'t>(&self, pod: &'t Tree, notes: &mut Notes) -> Cow<'t, Tree> {
        let mut pod = Cow::Borrowed(pod);
        if pod.at(&["metadata", "uid"]).is_some() || pod.get("spec").is_none_or(|spec| spec.entries().is_empty()) {
            return pod;
        }
        let namespace = pod.at(&["metadata", "namespace"]).and_then(Tree::as_text).filter(|name| !name.is_empty());
        let namespace = namespace.unwrap_or(DEFAULT_NAMESPACE).to_owned();
        let from = (namespace.clone(), String::new());
        let ranges = self.limit_ranges.range(from..).take_while(|((of, _), _)| *of == namespace);
        for limits in ranges.flat_map(|(_, items)| items) {
            limit(pod.to_mut(), limits, notes);
        }
        let class = pod.at(&["spec", "runtimeClassName"]).and_then(Tree::as_text).filter(|name| !name.is_empty());
        if let Some(class) = class {
            match self.runtime_classes.get(class) {
                Some(class) => class.complete(pod.to_mut(), notes),
                None => {
                    let text = "pods name a RuntimeClass that is not listed: what it adds to them is left out";
                    notes.remarks.push((text, pod.span));
                }
            }
        }
        pod
    }
}

/// `overhead.podFixed` of a runtime, as somebody would write it.
fn known_overhead(profile: &RuntimeProfile, span: Span) -> Tree {
    let cpu = edit::text(span, format!("{}m", profile.cpu_overhead.0));
    let memory = edit::text(span, profile.memory_overhead.0.to_string());
    edit::mapping(span, [("cpu", cpu), ("memory", memory)])
}

fn container_limits(item: &Tree, notes: &mut Notes) -> ContainerLimits {
    let mut read = |key: &str| amounts(item.get(key), &format!("spec.limits[].{key}"), notes);
    let (mut limits, mut requests) = (read("default"), read("defaultRequest"));
    let (min, max) = (read("min"), read("max"));
    if let Some(ratio) = item.get("maxLimitRequestRatio") {
        notes.unused("spec.limits[].maxLimitRequestRatio", ratio);
    }
    add_missing(&mut limits, &max);
    add_missing(&mut requests, &limits);
    add_missing(&mut requests, &min);
    ContainerLimits { limits, requests, min: millis(&min), max: millis(&max) }
}

/// What an item of the type `Pod` says, which has no defaults.
fn pod_bounds(item: &Tree, notes: &mut Notes) -> LimitRangeItem {
    let mut read = |key: &str| millis(&amounts(item.get(key), &format!("spec.limits[].{key}"), notes));
    LimitRangeItem { min: both(&read("min")), max: both(&read("max")), default: Amounts::default() }
}

/// CPU and memory among amounts.
fn both(amounts: &[(String, u128)]) -> Amounts {
    let milli = |name: &str| amounts.iter().find(|(other, _)| other == name).map(|(_, milli)| *milli);
    let whole = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
    Amounts {
        cpu: milli("cpu").map(|milli| MilliCpu(whole(milli))),
        memory: milli("memory").map(|milli| Bytes(whole(milli / 1000))),
    }
}

/// Completes all containers of a pod and compares them with the range.
fn limit(pod: &mut Tree, limits: &ContainerLimits, notes: &mut Notes) {
    let Some(spec) = edit::slot(pod, "spec") else { return };
    for list in ["initContainers", "containers"] {
        for container in edit::items_mut(spec, list) {
            // A limit without a request is the request: that comes first.
            let written = container.at(&["resources", "limits"]).map_or(Vec::new(), |tree| tree.entries().to_vec());
            for entry in written {
                edit::set_default(container, &["resources", "requests", &entry.key], |_| entry.value.clone());
            }
            for (kind, defaults) in [("limits", &limits.limits), ("requests", &limits.requests)] {
                for (name, amount) in defaults {
                    edit::set_default(container, &["resources", kind, name], |_| amount.clone());
                }
            }
            for (kind, name, bound, is_max) in limits
                .min
                .iter()
                .map(|(name, bound)| ("requests", name, *bound, false))
                .chain(limits.max.iter().map(|(name, bound)| ("limits", name, *bound, true)))
            {
                let amount = container.at(&["resources", kind, name]).and_then(milli);
                if amount.is_some_and(|amount| if is_max { amount > bound } else { amount < bound }) {
                    let (word, key) = if is_max { ("above", "max") } else { ("below", "min") };
                    let message = format!("`resources.{kind}.{name}` is {word} the `{key}` of a LimitRange");
                    notes.refuse(Code::OutOfRange, container.span, message);
                }
            }
        }
    }
}

impl RuntimeClass {
    fn complete(&self, pod: &mut Tree, notes: &mut Notes) {
        if let Some(overhead) = &self.overhead {
            edit::set_default(pod, &["spec", "overhead"], |_| overhead.clone());
        }
        for (key, value) in &self.node_selector {
            let written = pod.at(&["spec", "nodeSelector", key]);
            if written.is_some_and(|written| written.as_text() != value.as_text()) {
                let message = format!("`spec.nodeSelector.{key}` contradicts the pod's RuntimeClass");
                notes.refuse(Code::Contradiction, pod.span, message);
            }
            edit::set_default(pod, &["spec", "nodeSelector", key], |_| value.clone());
        }
        for toleration in &self.tolerations {
            edit::push(pod, &["spec", "tolerations"], toleration.clone());
        }
    }
}

//! Kubernetes objects as they are, from files and directories into the model.
//!
//! Accepted are YAML streams, JSON, `List`, `NodeList`, `PodList` and so on, bare arrays, all of them gzipped or not, and
//! directories, whose files are read in order of name. What the model does not have is never dropped silently: there is one
//! [`Warning`] for each kind and field, with a count. Errors are [`Issue`]s with their place. Docker Compose files are read as the
//! objects that their services come to (`compose`).
//!
//! Kinds other than `Node` and `Pod`:
//! - `PriorityClass` gives pods their priority.
//! - `Namespace`, `Service`, `PodDisruptionBudget`, volumes, claims, storage classes and what CSI drivers report are read for
//!   kube-scheduler, from wherever they are listed ([`Objects`]). Other policies do not look at them, except that evictions
//!   heed disruption budgets.
//! - Kinds that make pods (`Deployment`, `ReplicaSet`, `ReplicationController`, `StatefulSet`, `DaemonSet`, `Job`, `CronJob`,
//!   `Rollout`) are read into [`PodMakers`] where workloads are listed; in a dump of a cluster (they have a `metadata.uid`) the pods that
//!   are there beside them are taken to be theirs. For kube-scheduler their selectors are read, which spread pods by default;
//!   with `replicas: 0` and no template that is all that is read.
//! - `LimitRange` and `RuntimeClass` complete pods as the API server would, `ResourceQuota` limits namespaces.
//! - `NodePool` and node classes of Karpenter are read where nodes are listed.
//! - All others are left out with a warning.
//!
//! Cost: parsing dominates; converting takes about 1 us an object, in parallel.

mod compose;
mod controllers;
mod devices;
mod edit;
mod files;
mod node;
mod node_pools;
mod objects;
mod pod;
mod read;
mod scheduler_configuration;
mod selector;
mod storage;
mod time;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

pub use controllers::{Behaviour, Measurement, PodMakers, WrittenAutoscaler, WrittenVertical};
pub(in crate::scenario) use controllers::{Change, Parts, kind_names};
pub use node_pools::{WrittenNodeClass, WrittenNodePool};
pub use scheduler_configuration::{load_scheduler_configuration, read_scheduler_configuration};

use files::{Object, read_files};
use read::Notes;

use crate::document::{Code, Issue, Issues, Node as Tree, Source, Span, parse};
use crate::model::{Cluster, Objects, Workload};

/// Which policy objects are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFor {
    /// `kube-scheduler`: everything that it looks at is read.
    KubeScheduler,
    /// Any other: what only kube-scheduler looks at is left alone, with a warning where it can keep a pod from a node.
    Others,
}

/// What was found beside the objects.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is wrong.
    pub issues: Issues,
    warnings: BTreeMap<(String, String), Warning>,
    /// Objects left to the other reading, by file.
    left_to_pods: BTreeMap<Arc<str>, Warning>,
    left_to_nodes: BTreeMap<Arc<str>, Warning>,
    /// Whether traffic looks for pods by labels and Services, which are then read for every policy.
    pub(in crate::scenario) for_traffic: bool,
    /// Whether node autoscalers look at what pods say about being moved, which is then read for every policy.
    pub(in crate::scenario) for_node_autoscalers: bool,
    /// `NodePool` objects.
    pub(in crate::scenario) node_pools: Vec<WrittenNodePool>,
    /// What they refer to.
    pub(in crate::scenario) node_classes: Vec<WrittenNodeClass>,
    /// Files that nodes and pods have been read from.
    read_for_nodes: BTreeSet<Arc<str>>,
    read_for_pods: BTreeSet<Arc<str>>,
    /// Where objects other than nodes and pods have been found.
    places: objects::Places,
}

/// Something in the manifests that a run does not look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The file where it comes first.
    pub file: Arc<str>,
    /// The place where it comes first.
    pub span: Span,
    /// What is not looked at.
    pub message: String,
    /// How many objects it concerns.
    pub objects: u64,
}

impl fmt::Display for Warning {
    /// `file:line:column: warning: message (n objects)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.span.line > 0 {
            write!(f, "{}:{}:", self.span.line, self.span.column)?;
        }
        let noun = if self.objects == 1 { "object" } else { "objects" };
        write!(f, " warning: {} ({} {noun})", self.message, self.objects)
    }
}

impl Findings {
    /// The warnings, in order of kind and field. Objects left to the other reading are none where the other reading has had
    /// the file.
    pub fn warnings(&self) -> impl Iterator<Item = &Warning> {
        fn lost<'w>(
            left: &'w BTreeMap<Arc<str>, Warning>,
            read: &'w BTreeSet<Arc<str>>,
        ) -> impl Iterator<Item = &'w Warning> {
            left.iter().filter(|(file, _)| !read.contains(*file)).map(|(_, warning)| warning)
        }
        let pods = lost(&self.left_to_pods, &self.read_for_pods);
        self.warnings.values().chain(lost(&self.left_to_nodes, &self.read_for_nodes)).chain(pods)
    }

    fn warn(&mut self, kind: &str, subject: &str, file: &Arc<str>, span: Span, message: impl FnOnce() -> String) {
        let new = || Warning { file: file.clone(), span, message: message(), objects: 0 };
        self.warnings.entry((kind.to_owned(), subject.to_owned())).or_insert_with(new).objects += 1;
    }

    /// Takes over what was noted about one object.
    fn add(&mut self, kind: &str, file: &Arc<str>, notes: Notes) {
        self.issues.extend(notes.issues);
        for (field, span) in notes.unused {
            self.warn(kind, &field, file, span, || format!("`{field}` of {kind} is not used by this release"));
        }
        for (field, span) in notes.for_kube_scheduler {
            let message = || format!("`{field}` of {kind} is used by the policy `kube-scheduler` only");
            self.warn(kind, &field, file, span, message);
        }
        for (text, span) in notes.remarks {
            self.warn(kind, text, file, span, || text.to_owned());
        }
    }

    /// Gives issues their source lines.
    fn attach_sources(&mut self, sources: &[(Source, Vec<Tree>)]) {
        if !self.issues.is_empty() {
            sources.iter().for_each(|(source, _)| self.issues.attach_source(&source.file, &source.text));
        }
    }
}

/// Appends the nodes of the files to the cluster, in the order of the files, and adds the objects that kube-scheduler reads.
pub fn add_nodes(
    paths: &[PathBuf],
    read_for: ReadFor,
    cluster: &mut Cluster,
    objects: &mut Objects,
    findings: &mut Findings,
) {
    let sources = read_files(paths, findings);
    let mut sorted = Sorted::default();
    for object in files::objects(&sources, findings) {
        match object.kind {
            "Node" if is_core_v1(&object, findings) => sorted.nodes.push(object),
            "Pod" => left(&object, "Pod objects are left to `workload.manifests`", &mut findings.left_to_pods),
            _ if node_pools::is_read(&object) => node_pools::add(&object, findings),
            _ if objects::is_read(&object) => sorted.others.push(object),
            _ => {}
        }
    }
    findings.read_for_nodes.extend(sources.iter().map(|(source, _)| source.file.clone()));
    node::add(&sorted.nodes, read_for, cluster, findings);
    objects::add(&sorted.others, read_for, objects, findings);
    findings.attach_sources(&sources);
}

/// Appends the pods of the files to the workload as one source: all arrive at the start, in the order of the files, and
/// stay. Pods that are bound already stay on their node. Resources that no node has are added to the cluster's list. Objects
/// that make pods are added to `makers`, which know the policy that is read for. The objects that kube-scheduler reads are
/// added too, unless their file has been read for nodes before.
pub fn add_pods(
    paths: &[PathBuf],
    makers: &mut PodMakers,
    cluster: &mut Cluster,
    workload: &mut Workload,
    objects: &mut Objects,
    findings: &mut Findings,
) {
    let sources = read_files(paths, findings);
    let mut sorted = Sorted::default();
    let read_for = makers.read_for();
    for object in files::objects(&sources, findings) {
        match object.kind {
            "Node" => left(&object, "Node objects are left to `cluster.manifests`", &mut findings.left_to_nodes),
            _ if node_pools::is_read(&object) => {
                left(&object, "NodePool objects are left to `cluster.manifests`", &mut findings.left_to_nodes);
            }
            _ if controllers::makes_pods(&object) => {
                if objects::is_read(&object) && read_for == ReadFor::KubeScheduler {
                    sorted.others.push(object);
                }
                if !controllers::is_selector_alone(&object) {
                    sorted.makers.push(object);
                } else if read_for != ReadFor::KubeScheduler {
                    sorted.others.push(object);
                }
            }
            _ if makers.add_limits(&object, cluster, findings) => {}
            _ => sorted.add(object, findings),
        }
    }
    // Of budgets and selectors whose file has been read for nodes the objects are there.
    let has_budgets = !objects.disruption_budgets.is_empty()
        || sorted.others.iter().any(|object| object.kind == objects::DISRUPTION_BUDGET);
    sorted.others.retain(|object| !findings.read_for_nodes.contains(object.file));
    findings.read_for_pods.extend(sources.iter().map(|(source, _)| source.file.clone()));
    makers.set_priorities(pod::priority_classes(&sorted.priority_classes, findings));
    let made = makers.register(&sorted.makers, findings);
    let owners = makers.adopt(&sorted.pods, &made, findings);
    let completed = makers.completed(&sorted.pods, findings);
    let pods: Vec<Object<'_>> = sorted
        .pods
        .iter()
        .zip(&completed)
        .map(|(pod, completed)| Object { tree: completed.as_ref().unwrap_or(pod.tree), ..*pod })
        .collect();
    let with_labels = has_budgets || findings.for_traffic;
    let with_disruption = findings.for_node_autoscalers;
    let priorities = makers.priorities();
    let options = pod::Options { read_for, with_namespace: false, with_labels, with_disruption, priorities };
    pod::add(&pods, &owners, options, cluster, workload, findings);
    objects::add(&sorted.others, read_for, objects, findings);
    makers.build_all(&mut Parts { cluster, workload, objects }, findings);
    findings.attach_sources(&sources);
}

/// Nodes, pods and objects of one text.
#[derive(Debug, Default)]
pub struct LoadedObjects {
    /// The nodes.
    pub cluster: Cluster,
    /// The pods in their order, one source; they are called `namespace/name`.
    pub workload: Workload,
    /// All other objects.
    pub objects: Objects,
    /// What is wrong, and what is not used.
    pub findings: Findings,
}

/// Reads objects of all kinds, in any order, from one text: everything that kube-scheduler looks at. The text is taken to list
/// the whole cluster, as a dump does: the pods of controllers are those that it lists.
pub fn load_objects(source: &Source) -> LoadedObjects {
    let mut loaded = LoadedObjects::default();
    let LoadedObjects { cluster, workload, objects, findings } = &mut loaded;
    let documents = parse(source, &mut findings.issues);
    let mut sorted = Sorted::default();
    for object in files::objects_of(&source.file, &documents, findings) {
        match object.kind {
            "Node" if is_core_v1(&object, findings) => sorted.nodes.push(object),
            "Node" => {}
            _ if objects::is_read(&object) => sorted.others.push(object),
            kind if controllers::makes_pods(&object) => {
                let message =
                    || format!("{kind} objects of the dump are left out: their pods are taken as they are listed");
                findings.warn(kind, "", object.file, object.tree.span, message);
            }
            _ => sorted.add(object, findings),
        }
    }
    node::add(&sorted.nodes, ReadFor::KubeScheduler, cluster, findings);
    let priorities = pod::priority_classes(&sorted.priority_classes, findings);
    let options = pod::Options {
        read_for: ReadFor::KubeScheduler,
        with_namespace: true,
        with_labels: false,
        with_disruption: false,
        priorities: &priorities,
    };
    pod::add(&sorted.pods, &[], options, cluster, workload, findings);
    objects::add(&sorted.others, ReadFor::KubeScheduler, objects, findings);
    findings.issues.attach_source(&source.file, &source.text);
    loaded
}

/// Objects by what becomes of them.
#[derive(Default)]
struct Sorted<'s> {
    nodes: Vec<Object<'s>>,
    pods: Vec<Object<'s>>,
    priority_classes: Vec<Object<'s>>,
    makers: Vec<Object<'s>>,
    others: Vec<Object<'s>>,
}

impl<'s> Sorted<'s> {
    /// Puts an object that is no node and makes no pods where it belongs.
    fn add(&mut self, object: Object<'s>, findings: &mut Findings) {
        match object.kind {
            "Pod" if is_core_v1(&object, findings) => self.pods.push(object),
            "Pod" => {}
            "PriorityClass" => self.priority_classes.push(object),
            _ if objects::is_read(&object) => self.others.push(object),
            kind => findings.warn(kind, "", object.file, object.tree.span, || {
                format!("{kind} objects are not used by this release")
            }),
        }
    }
}

fn left(object: &Object<'_>, message: &str, left: &mut BTreeMap<Arc<str>, Warning>) {
    let (file, span) = (object.file.clone(), object.tree.span);
    let new = || Warning { file: file.clone(), span, message: message.to_owned(), objects: 0 };
    left.entry(object.file.clone()).or_insert_with(new).objects += 1;
}

/// Whether an object is of the core API; reports it if not.
fn is_core_v1(object: &Object<'_>, findings: &mut Findings) -> bool {
    let version = object.tree.get("apiVersion");
    match version.map(|version| (version.as_text(), version.span)) {
        None | Some((Some("v1"), _)) => true,
        Some((found, span)) => {
            let message =
                format!("`apiVersion` of a {} is `v1`, not `{}`", object.kind, found.unwrap_or("something else"));
            findings.issues.push(Issue::new(Code::WrongKind, object.file, span, message));
            false
        }
    }
}

#[cfg(test)]
mod tests;

//! Kubernetes objects as they are: `v1/Node` and `v1/Pod` from files and directories into the model.
//!
//! Accepted are YAML streams, JSON, `List`, `NodeList`, `PodList` and so on, bare arrays, all of them gzipped or not, and
//! directories, whose files are read in order of name. What the model does not have is never dropped silently: there is one
//! [`Warning`] for each kind and field, with a count. Errors are [`Issue`]s with their place.
//!
//! Kinds other than `Node` and `Pod`:
//! - `PriorityClass` gives pods their priority.
//! - Kinds that create pods (`Deployment`, `Job`, ...) are errors when somebody wrote them, for their pods would be missing;
//!   in a dump of a cluster (they have a `metadata.uid`) their pods are there beside them, so they are left out with a warning.
//! - All others are left out with a warning.
//!
//! Cost: parsing dominates; converting takes about 1 us an object, in parallel.

mod files;
mod node;
mod pod;
mod read;
mod selector;
mod time;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use files::{Object, read_files};
use read::Notes;

use crate::document::{Code, Issue, Issues, Node as Tree, Source, Span};
use crate::model::{Cluster, Workload};

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
    /// Files that nodes and pods have been read from.
    read_for_nodes: BTreeSet<Arc<str>>,
    read_for_pods: BTreeSet<Arc<str>>,
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

/// Appends the nodes of the files to the cluster, in the order of the files.
pub fn add_nodes(paths: &[PathBuf], read_for: ReadFor, cluster: &mut Cluster, findings: &mut Findings) {
    let sources = read_files(paths, findings);
    let objects = files::objects(&sources, findings);
    let mut nodes = Vec::new();
    for object in &objects {
        match object.kind {
            "Node" if is_core_v1(object, findings) => nodes.push(*object),
            "Pod" => left(object, "Pod objects are left to `workload.manifests`", &mut findings.left_to_pods),
            _ => {}
        }
    }
    findings.read_for_nodes.extend(sources.iter().map(|(source, _)| source.file.clone()));
    node::add(&nodes, read_for, cluster, findings);
    findings.attach_sources(&sources);
}

/// Appends the pods of the files to the workload as one source: all arrive at the start, in the order of the files, and
/// stay. Pods that are bound already stay on their node. Resources that no node has are added to the cluster's list.
pub fn add_pods(
    paths: &[PathBuf],
    read_for: ReadFor,
    cluster: &mut Cluster,
    workload: &mut Workload,
    findings: &mut Findings,
) {
    let sources = read_files(paths, findings);
    let objects = files::objects(&sources, findings);
    let (mut pods, mut priority_classes) = (Vec::new(), Vec::new());
    for object in &objects {
        match object.kind {
            "Pod" if is_core_v1(object, findings) => pods.push(*object),
            "PriorityClass" => priority_classes.push(*object),
            "Node" => left(object, "Node objects are left to `cluster.manifests`", &mut findings.left_to_nodes),
            "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" | "CronJob" | "ReplicationController" => {
                pod_maker(object, findings);
            }
            kind => {
                findings.warn(kind, "", object.file, object.tree.span, || {
                    format!("{kind} objects are not used by this release")
                });
            }
        }
    }
    findings.read_for_pods.extend(sources.iter().map(|(source, _)| source.file.clone()));
    let priority_classes = pod::priority_classes(&priority_classes, findings);
    let options = pod::Options { read_for, with_namespace: false, priorities: &priority_classes };
    pod::add(&pods, options, cluster, workload, findings);
    findings.attach_sources(&sources);
}

fn left(object: &Object<'_>, message: &str, left: &mut BTreeMap<Arc<str>, Warning>) {
    let (file, span) = (object.file.clone(), object.tree.span);
    let new = || Warning { file: file.clone(), span, message: message.to_owned(), objects: 0 };
    left.entry(object.file.clone()).or_insert_with(new).objects += 1;
}

/// An object that makes pods; see the head of the module.
fn pod_maker(object: &Object<'_>, findings: &mut Findings) {
    let Object { kind, tree, file } = *object;
    if tree.at(&["metadata", "uid"]).is_some() {
        let message = || format!("{kind} objects of the dump are left out: their pods are taken as they are listed");
        findings.warn(kind, "", file, tree.span, message);
    } else {
        let place = tree.get("kind").map_or(tree.span, |kind| kind.span);
        let message = format!("{kind} objects cannot be used: their pods would be missing");
        let hint =
            "the kinds used are Node, Pod and PriorityClass; write the pods, or a template under `workload.templates`";
        findings.issues.push(Issue::new(Code::Manifest, file, place, message).with_hint(hint));
    }
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

//! What a script does to objects, each resolved beforehand: templates are all known before the run begins.

use std::path::PathBuf;

use super::super::files::{self, Object, read_files};
use super::super::read::Notes;
use super::super::{Findings, edit};
use super::adoption::are_alike;
use super::{Maker, Parts, PodMakers, SCALED_JOB, Template, keda, makes_pods, read};
use crate::document::{Code, Issue, Node as Tree};
use crate::ids::{ControllerId, RevisionId};
use crate::model::controllers::{ControllerKind, Operation, Verb};

/// Beyond so many replicas pods that an autoscaler adds share the claims of the last.
const SCALED_MAX: i32 = 10_000;

/// A change to an object that is there.
#[derive(Clone, Copy)]
pub(in crate::scenario) enum Change<'s> {
    Delete,
    Scale(i32),
    SetImage { container: &'s str, image: &'s str },
    Pause,
    Resume,
    RollBack,
    Promote { is_full: bool },
    Abort,
    Retry,
}

/// Why a change cannot be.
pub(in crate::scenario) struct Refusal {
    pub(in crate::scenario) code: Code,
    pub(in crate::scenario) message: String,
}

fn refuse<T>(code: Code, message: String) -> Result<T, Refusal> {
    Err(Refusal { code, message })
}

impl PodMakers {
    /// All objects as `kind/name`, for hints.
    pub(in crate::scenario) fn targets(&self, namespace: &str) -> Vec<String> {
        let of = self.list.iter().filter(|maker| maker.namespace == namespace);
        of.map(|maker| format!("{}/{}", maker.api_kind.to_lowercase(), maker.name)).collect()
    }

    /// The position of an object.
    pub(in crate::scenario) fn find(&self, kind: &str, namespace: &str, name: &str) -> Option<usize> {
        self.position(kind, namespace, name)
    }

    /// Makes what an object needs that somebody may scale up to so many replicas: pods of StatefulSets with claims of their own are
    /// of a class each.
    pub(in crate::scenario) fn make_room(
        &mut self,
        at: usize,
        replicas: i32,
        parts: &mut Parts<'_>,
        findings: &mut Findings,
    ) {
        let maker = &mut self.list[at];
        let present = maker.replicas;
        if !maker.claims.is_empty() && present.is_some_and(|present| present < replicas) {
            maker.scale(replicas.min(SCALED_MAX));
            self.build(at, parts, findings);
            self.list[at].replicas = present;
        }
    }

    /// What a change comes to.
    pub(in crate::scenario) fn change(
        &mut self,
        at: usize,
        change: Change<'_>,
        parts: &mut Parts<'_>,
        findings: &mut Findings,
    ) -> Result<Operation, Refusal> {
        let maker = &mut self.list[at];
        let what = format!("the {} `{}`", maker.api_kind, maker.name);
        if !maker.is_there {
            return refuse(Code::Contradiction, format!("{what} is not there at that time"));
        }
        let kind = &maker.kind;
        let verb = match change {
            Change::Delete => {
                maker.is_there = false;
                Verb::Delete
            }
            Change::Scale(replicas) if maker.replicas.is_some() => {
                maker.scale(replicas);
                Verb::Scale(replicas)
            }
            Change::Scale(_) => return refuse(Code::NotAllowed, format!("{what} has no number of replicas")),
            Change::Pause | Change::Resume => {
                use ControllerKind::{CronJob, Deployment, Job, Rollout};
                if !matches!(kind, Deployment(_) | Rollout(_) | Job(_) | CronJob(_)) {
                    let which = "Deployments, Rollouts, Jobs and CronJobs can";
                    return refuse(Code::NotAllowed, format!("{what} cannot be paused: {which}"));
                }
                if matches!(change, Change::Pause) { Verb::Pause } else { Verb::Resume }
            }
            Change::Promote { .. } | Change::Abort | Change::Retry => {
                if !matches!(kind, ControllerKind::Rollout(_)) {
                    return refuse(Code::NotAllowed, format!("{what} is released without steps: Rollouts are not"));
                }
                match change {
                    Change::Promote { is_full: true } => Verb::PromoteFully,
                    Change::Promote { is_full: false } => Verb::Promote,
                    Change::Abort => Verb::Abort,
                    _ => Verb::Retry,
                }
            }
            Change::RollBack => {
                use ControllerKind::{DaemonSet, Deployment, Rollout, StatefulSet};
                if !matches!(kind, Deployment(_) | Rollout(_) | StatefulSet(_) | DaemonSet(_)) {
                    let which = "Deployments, Rollouts, StatefulSets and DaemonSets can";
                    return refuse(Code::NotAllowed, format!("{what} cannot be rolled back: {which}"));
                }
                let Some(before) = maker.history.len().checked_sub(2) else {
                    return refuse(Code::Contradiction, format!("{what} has no template to go back to at that time"));
                };
                let revision = maker.history.remove(before);
                maker.history.push(revision);
                Verb::RollBack
            }
            Change::SetImage { container, image } => {
                if matches!(kind, ControllerKind::Job(_)) {
                    return refuse(Code::NotAllowed, format!("the template of {what} cannot be changed"));
                }
                let mut tree = maker.present().tree.clone();
                if !set_image(&mut tree, container, image) {
                    return refuse(Code::UnknownReference, format!("{what} has no container `{container}`"));
                }
                Verb::SetTemplate(maker.set_template(tree))
            }
        };
        self.build(at, parts, findings);
        Ok(Operation { controller: ControllerId::from_index(at), verb })
    }

    /// What it comes to that the objects of a file are applied: those that are there are changed, others made.
    pub(in crate::scenario) fn apply(
        &mut self,
        file: PathBuf,
        parts: &mut Parts<'_>,
        findings: &mut Findings,
    ) -> Vec<Operation> {
        let sources = read_files(&[file], findings);
        let mut operations = Vec::new();
        let objects = files::objects(&sources, findings);
        let is_template = |object: &&Object<'_>| object.kind.ends_with("AnalysisTemplate");
        objects.iter().filter(is_template).for_each(|object| self.analyses.add(object, findings));
        for object in objects.iter().filter(|object| !is_template(object)) {
            if makes_pods(object) {
                if object.kind == SCALED_JOB {
                    self.autoscalers.extend(keda::autoscaler(object, findings));
                }
                if let Some(maker) = read(object, &self.analyses, findings) {
                    self.apply_maker(maker, object, parts, &mut operations, findings);
                }
            } else if matches!(object.kind, "Pod" | "Node") {
                let message = format!("{} objects cannot be applied by the script", object.kind);
                let hint = "pods come from `workload.templates` with a `start`, nodes from the script's `add`";
                let issue = Issue::new(Code::Manifest, object.file, object.tree.span, message);
                findings.issues.push(issue.with_hint(hint));
            } else {
                let message = || format!("{} objects are not applied by the script", object.kind);
                findings.warn(object.kind, "apply", object.file, object.tree.span, message);
            }
        }
        findings.attach_sources(&sources);
        operations
    }

    fn apply_maker(
        &mut self,
        mut applied: Maker,
        object: &Object<'_>,
        parts: &mut Parts<'_>,
        operations: &mut Vec<Operation>,
        findings: &mut Findings,
    ) {
        let found = self.position(applied.api_kind, &applied.namespace, &applied.name);
        let at = found.unwrap_or(self.list.len());
        let mut operate = |verb| operations.push(Operation { controller: ControllerId::from_index(at), verb });
        match found {
            None => {
                applied.is_there_at_start = false;
                // Its selector is not among the objects that have been read.
                applied.has_selector_object = false;
                self.list.push(applied);
                operate(Verb::Create);
            }
            Some(_) => {
                let maker = &mut self.list[at];
                if !maker.is_there {
                    maker.is_there = true;
                    operate(Verb::Create);
                }
                if !same_otherwise(&maker.kind, &applied.kind) {
                    let mut notes = Notes::new(object.file);
                    let text =
                        "`apply` changes the template and the replicas of an object that is there, and nothing else";
                    notes.remarks.push((text, object.tree.span));
                    findings.add(maker.api_kind, object.file, notes);
                }
                let tree = applied.templates.swap_remove(0).tree;
                if !are_alike(&tree, &maker.present().tree) {
                    operate(Verb::SetTemplate(maker.set_template(tree)));
                }
                let is_written = object.tree.at(&["spec", "replicas"]).is_some_and(|replicas| !replicas.is_null());
                if let Some(replicas) = applied.replicas.filter(|_| is_written)
                    && maker.replicas != Some(replicas)
                {
                    maker.scale(replicas);
                    operate(Verb::Scale(replicas));
                }
            }
        }
        self.build(at, parts, findings);
    }
}

impl Maker {
    fn present(&self) -> &Template {
        let revision = self.history.last().expect("the template that it begins with stays in the history");
        &self.templates[revision.index()]
    }

    /// The revision of a template, which becomes the present one.
    fn set_template(&mut self, tree: Tree) -> RevisionId {
        let known = self.templates.iter().position(|template| are_alike(&template.tree, &tree));
        let position = known.unwrap_or_else(|| {
            self.templates.push(Template::new(tree));
            self.templates.len() - 1
        });
        let revision = RevisionId::from_index(position);
        self.history.retain(|other| *other != revision);
        self.history.push(revision);
        revision
    }

    /// Notes a number of replicas; classes of ordinals that it needs are made when the object is built again.
    fn scale(&mut self, replicas: i32) {
        self.replicas = Some(replicas);
    }
}

/// Whether two specs differ in nothing but the number of replicas.
fn same_otherwise(first: &ControllerKind, second: &ControllerKind) -> bool {
    let with_no_replicas = |kind: &ControllerKind| {
        let mut kind = kind.clone();
        match &mut kind {
            ControllerKind::ReplicaSet(spec) => spec.replicas = 0,
            ControllerKind::Deployment(spec) => spec.replicas = 0,
            ControllerKind::Rollout(spec) => spec.replicas = 0,
            ControllerKind::StatefulSet(spec) => spec.replicas = 0,
            ControllerKind::DaemonSet(_)
            | ControllerKind::Job(_)
            | ControllerKind::CronJob(_)
            | ControllerKind::ScaledJob(_) => {}
        }
        kind
    };
    with_no_replicas(first) == with_no_replicas(second)
}

/// Changes the image of a container; false when there is none of that name.
fn set_image(template: &mut Tree, container: &str, image: &str) -> bool {
    let Some(spec) = edit::slot(template, "spec") else { return false };
    for list in ["containers", "initContainers"] {
        for tree in edit::items_mut(spec, list) {
            if tree.get("name").and_then(Tree::as_text) == Some(container) {
                let span = tree.span;
                edit::set(tree, &["image"], edit::text(span, image));
                return true;
            }
        }
    }
    false
}

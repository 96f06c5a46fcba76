//! Dumps of clusters: which objects are left out because others make them, and which listed pods belong to which object.
//!
//! An object is taken to come from a dump when it has a `metadata.uid`. Pods are found by the reference to their
//! controller: through a ReplicaSet to its Deployment, through a Job to its CronJob, or directly.

use std::collections::BTreeMap;

use super::super::files::{Object, is_from_dump};
use super::super::{Findings, edit};
use super::template::{REVISION_HASH_LABEL, release_label, template_of};
use super::{Maker, PodMakers, SCALED_JOB, Template, keda, read};
use crate::document::Node as Tree;
use crate::ids::{ControllerId, RevisionId};
use crate::model::controllers::{Adoption, ControllerKind};
use crate::model::pod_spec::DEFAULT_NAMESPACE;

/// The annotations that number the revisions of a Deployment or Rollout.
const REVISION_ANNOTATIONS: [&str; 2] = ["deployment.kubernetes.io/revision", "rollout.argoproj.io/revision"];
/// The annotation of pods of indexed Jobs.
const INDEX_ANNOTATION: &str = "batch.kubernetes.io/job-completion-index";

type Name<'s> = (&'s str, &'s str);

/// Objects of a dump that others make, by namespace and name.
#[derive(Default)]
pub(in crate::scenario::kubernetes) struct Made<'s> {
    /// ReplicaSets, and kind and name of their Deployment or Rollout.
    replica_sets: BTreeMap<Name<'s>, (Name<'s>, &'s Tree)>,
    /// Jobs and the name of their CronJob.
    jobs: BTreeMap<Name<'s>, &'s str>,
    /// Whether objects that make pods are listed at all.
    is_any: bool,
}

fn at<'t>(tree: &'t Tree, path: &[&str]) -> Option<&'t str> {
    tree.at(path).and_then(Tree::as_text)
}

fn name(tree: &Tree) -> Name<'_> {
    let namespace = at(tree, &["metadata", "namespace"]).filter(|namespace| !namespace.is_empty());
    (namespace.unwrap_or(DEFAULT_NAMESPACE), at(tree, &["metadata", "name"]).unwrap_or_default())
}

/// Kind and name of the controller of an object.
fn owner(tree: &Tree) -> Option<Name<'_>> {
    let owners = tree.at(&["metadata", "ownerReferences"])?.items();
    let owner = owners.iter().find(|owner| owner.get("controller").and_then(Tree::as_bool) == Some(true))?;
    Some((owner.get("kind")?.as_text()?, owner.get("name")?.as_text()?))
}

/// Whether a Job has succeeded or failed.
fn has_ended(job: &Tree) -> bool {
    let conditions = job.at(&["status", "conditions"]).map_or(&[][..], Tree::items);
    conditions.iter().any(|condition| {
        let is_end = matches!(at(condition, &["type"]), Some("Complete" | "Failed"));
        is_end && at(condition, &["status"]) == Some("True")
    })
}

/// Whether some indexes of a Job have ended: which ones the model cannot say.
fn has_ended_indexes(job: &Tree) -> bool {
    ["completedIndexes", "failedIndexes"]
        .iter()
        .any(|key| at(job, &["status", key]).is_some_and(|list| !list.is_empty()))
}

impl PodMakers {
    /// Reads objects that make pods, those of a dump left out that other objects make or that have done their work.
    pub(in crate::scenario::kubernetes) fn register<'s>(
        &mut self,
        objects: &[Object<'s>],
        findings: &mut Findings,
    ) -> Made<'s> {
        let mut made = Made { is_any: !objects.is_empty(), ..Made::default() };
        let is_listed = |kind: &str, (namespace, wanted): Name<'_>| {
            objects.iter().any(|object| object.kind == kind && name(object.tree) == (namespace, wanted))
        };
        for object in objects {
            let tree = object.tree;
            let own = name(tree);
            let owner = owner(tree).filter(|_| is_from_dump(tree));
            let mut leave_out = |text: &'static str| {
                findings.warn(object.kind, text, object.file, tree.span, || text.to_owned());
            };
            match (object.kind, owner) {
                ("ReplicaSet", Some(maker @ (kind @ ("Deployment" | "Rollout"), name))) => {
                    if is_listed(kind, (own.0, name)) {
                        made.replica_sets.insert(own, (maker, tree));
                        continue;
                    }
                    if tree.at(&["spec", "replicas"]).and_then(Tree::as_int) == Some(0) {
                        leave_out("ReplicaSets without replicas whose Deployment is not listed are left out");
                        continue;
                    }
                }
                ("Job", Some(("CronJob", cron_job))) if is_listed("CronJob", (own.0, cron_job)) => {
                    made.jobs.insert(own, cron_job);
                    continue;
                }
                ("Job", _) if is_from_dump(tree) && has_ended(tree) => {
                    leave_out("Jobs of a dump that have ended are left out");
                    continue;
                }
                ("Job", _) if is_from_dump(tree) && has_ended_indexes(tree) => {
                    leave_out(
                        "indexed Jobs of a dump of which some indexes have ended are left out: their pods are taken as they are listed",
                    );
                    continue;
                }
                _ => {}
            }
            if let Some(mut maker) = read(object, &self.analyses, findings) {
                take_over_status(&mut maker, tree);
                self.add(maker, findings);
            }
            if object.kind == SCALED_JOB {
                self.autoscalers.extend(keda::autoscaler(object, findings));
            }
        }
        self.name_newest(objects, &made);
        made
    }

    /// Gives Deployments and Rollouts of a dump the hash of their newest ReplicaSet, and StatefulSets that of their newest revision.
    fn name_newest(&mut self, objects: &[Object<'_>], made: &Made<'_>) {
        let revision = |tree: &Tree| {
            let mut keys = REVISION_ANNOTATIONS.iter();
            keys.find_map(|key| at(tree, &["metadata", "annotations", key])?.parse::<u64>().ok())
        };
        for object in objects.iter().filter(|object| is_from_dump(object.tree)) {
            let (namespace, own) = name(object.tree);
            let Some(position) = self.position(object.kind, namespace, own) else { continue };
            let newest = match object.kind {
                kind @ ("Deployment" | "Rollout") => {
                    let sets = made.replica_sets.iter();
                    let sets = sets.filter(|((other, _), (maker, _))| *other == namespace && *maker == (kind, own));
                    let wanted = revision(object.tree);
                    let newest = sets.max_by_key(|(_, (_, tree))| (revision(tree) == wanted, revision(tree)));
                    newest.and_then(|(_, (_, tree))| at(tree, &["metadata", "labels", release_label(kind)]))
                }
                "StatefulSet" => at(object.tree, &["status", "updateRevision"])
                    .and_then(|revision| revision.strip_prefix(own)?.strip_prefix('-')),
                _ => None,
            };
            if let Some(hash) = newest {
                self.list[position].templates[0].hash = hash.to_owned();
                self.list[position].is_hash_known = true;
            }
        }
    }

    /// Which object made each pod, where that can be told; further templates are added where pods have them.
    pub(in crate::scenario::kubernetes) fn adopt(
        &mut self,
        pods: &[Object<'_>],
        made: &Made<'_>,
        findings: &mut Findings,
    ) -> Vec<Option<Adoption>> {
        let mut adopted = Vec::with_capacity(pods.len());
        for pod in pods {
            let has_ended = matches!(at(pod.tree, &["status", "phase"]), Some("Succeeded" | "Failed"));
            let owner = owner(pod.tree).filter(|_| !has_ended);
            let found = owner.and_then(|owner| self.maker_of(pod.tree, owner, made));
            if found.is_none() && made.is_any && owner.is_some_and(|(kind, _)| super::kind_named(kind).is_some()) {
                let text = "pods whose controller is not among the objects that are read are taken as they are listed";
                findings.warn("Pod", "ownerReferences", pod.file, pod.tree.span, || text.to_owned());
            }
            adopted.push(found.map(|(position, hash)| Adoption {
                controller: ControllerId::from_index(position),
                template: hash.map_or(RevisionId(0), |hash| self.revision(position, hash, pod.tree, made)),
                ordinal: ordinal(pod.tree, &self.list[position]),
            }));
        }
        adopted
    }

    /// The object that a pod belongs to, and the hash of its template.
    fn maker_of<'p>(
        &self,
        pod: &'p Tree,
        (kind, owner): Name<'p>,
        made: &Made<'_>,
    ) -> Option<(usize, Option<&'p str>)> {
        let (namespace, _) = name(pod);
        let position = |kind: &str, name: &str| {
            self.position(kind, namespace, name).filter(|&position| self.list[position].is_from_dump)
        };
        let label = |key: &str| at(pod, &["metadata", "labels", key]);
        if kind == "ReplicaSet" {
            if let Some(((kind, name), _)) = made.replica_sets.get(&(namespace, owner)) {
                return Some((position(kind, name)?, label(release_label(kind))));
            }
            if let Some(position) = position("ReplicaSet", owner) {
                return Some((position, None));
            }
            // The ReplicaSet is not listed, but its name says whose it is.
            let hash = label(release_label("Deployment"))?;
            let deployment = owner.strip_suffix(hash)?.strip_suffix('-')?;
            return Some((position("Deployment", deployment)?, Some(hash)));
        }
        if kind == "Job" {
            return match made.jobs.get(&(namespace, owner)) {
                Some(cron_job) => Some((position("CronJob", cron_job)?, None)),
                None => Some((position("Job", owner)?, None)),
            };
        }
        let hash = match kind {
            "StatefulSet" => label(REVISION_HASH_LABEL).and_then(|hash| hash.strip_prefix(owner)?.strip_prefix('-')),
            "DaemonSet" => label(REVISION_HASH_LABEL),
            "ReplicationController" => None,
            _ => return None,
        };
        Some((position(kind, owner)?, hash))
    }

    /// The template of that hash, which becomes one of the object's if it is none.
    fn revision(&mut self, position: usize, hash: &str, pod: &Tree, made: &Made<'_>) -> RevisionId {
        let maker = &mut self.list[position];
        if let Some(known) =
            maker.templates.iter().skip(usize::from(!maker.is_hash_known)).position(|one| one.hash == hash)
        {
            return RevisionId::from_index(known + usize::from(!maker.is_hash_known));
        }
        if !maker.is_hash_known && images(&maker.templates[0].tree) == images(pod) {
            maker.is_hash_known = true;
            maker.templates[0].hash = hash.to_owned();
            return RevisionId(0);
        }
        let set = format!("{}-{hash}", maker.name);
        let of_set = made.replica_sets.get(&(maker.namespace.as_str(), set.as_str()));
        let tree = of_set.and_then(|(_, tree)| tree.at(&["spec", "template"]).cloned());
        let tree = tree.unwrap_or_else(|| template_of(pod));
        maker.templates.push(Template { hash: hash.to_owned(), ..Template::new(tree) });
        let revision = RevisionId::from_index(maker.templates.len() - 1);
        maker.history.insert(maker.history.len() - 1, revision);
        revision
    }
}

/// The images of the containers of a pod or template.
fn images(tree: &Tree) -> Vec<Option<&str>> {
    let containers = tree.at(&["spec", "containers"]).map_or(&[][..], Tree::items);
    containers.iter().map(|container| at(container, &["image"])).collect()
}

/// Pods of a Job that have succeeded are not made again.
fn take_over_status(maker: &mut Maker, tree: &Tree) {
    let succeeded =
        tree.at(&["status", "succeeded"]).and_then(Tree::as_int).and_then(|count| i32::try_from(count).ok());
    if let (ControllerKind::Job(job), Some(succeeded), true) = (&mut maker.kind, succeeded, maker.is_from_dump)
        && let Some(completions) = &mut job.completions
    {
        *completions = (*completions - succeeded).max(0);
    }
}

fn ordinal(pod: &Tree, maker: &Maker) -> u32 {
    let text = match maker.api_kind {
        "StatefulSet" => at(pod, &["metadata", "name"]).and_then(|name| name.rsplit('-').next()),
        "Job" | "CronJob" => at(pod, &["metadata", "annotations", INDEX_ANNOTATION]),
        _ => None,
    };
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Whether two templates say the same.
pub(super) fn are_alike(first: &Tree, second: &Tree) -> bool {
    edit::canonical(first) == edit::canonical(second)
}

//! Objects that make pods into [`Controllers`]: Deployment, ReplicaSet, ReplicationController, StatefulSet, DaemonSet, Job,
//! CronJob, ScaledJob and Rollout.
//!
//! An object becomes a `Maker`: its own part of the `spec` (`kinds`, `job`), and its pod templates as trees. Of a template
//! one pod is put together as the controller would write it (`template`), completed as the API server does (`admission`),
//! and read by the same reader as pods that are listed; so classes follow the same rules. What its containers do is in
//! `life`, which pods of a dump belong to which object in `adoption`, and what a script does to objects in `operate`.
//!
//! While files are read, an object's id is its position in the order of reading; [`PodMakers::finish`] puts objects into
//! the order of the model and changes the ids that listed pods and the script carry.

mod admission;
mod adoption;
mod analysis;
mod autoscalers;
mod job;
mod keda;
mod kinds;
mod life;
mod operate;
mod quota;
mod rollout;
mod template;
mod vertical;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use analysis::Measurement;
pub use autoscalers::WrittenAutoscaler;
pub use life::Behaviour;
pub(in crate::scenario) use operate::Change;
pub use vertical::WrittenVertical;

use super::files::{Object, is_from_dump};
use super::objects::header;
use super::pod::{Options, PriorityClasses};
use super::read::Notes;
use super::{Findings, ReadFor};
use crate::document::{Code, Issue, Node as Tree, Span};
use crate::ids::{ControllerId, RevisionId};
use crate::model::controllers::{Controller, ControllerKind, Controllers, PodLife, PodTemplate, Quota};
use crate::model::made::Made;
use crate::model::pod_spec::{LabelRequirement, LabelSelector, SelectorOperator};
use crate::model::vertical_pod_autoscaler::LimitRanges;
use crate::model::{Action, ArrivalSource, Cluster, Objects, ScriptedAction, Workload};
use crate::policy::scheduler::kube::labels::selects;
use crate::units::SimDuration;
use admission::Admission;
use analysis::AnalysisTemplates;
use kinds::{APPS_V1BETA1, EXTENSIONS_V1BETA1};

/// How long containers run that end by themselves and of which nothing is said.
const JOB_RUN_TIME: SimDuration = SimDuration(60_000_000_000);

/// A kind of object that makes pods.
struct Kind {
    name: &'static str,
    version: &'static str,
    /// Versions that were served before, and what is said of them.
    old_versions: &'static [&'static str],
    old_remark: &'static str,
}

const APPS_REMARK: &str =
    "versions of the API before `apps/v1` are no longer served: they are read with their own defaults";
const BATCH_REMARK: &str = "versions of the API before `batch/v1` are no longer served: they are read as `batch/v1`";

const fn kind(
    name: &'static str,
    version: &'static str,
    old_versions: &'static [&'static str],
    old_remark: &'static str,
) -> Kind {
    Kind { name, version, old_versions, old_remark }
}

/// KEDA's kind that makes Jobs, and decides how many.
const SCALED_JOB: &str = "ScaledJob";

const KINDS: &[Kind] = &[
    kind("Deployment", "apps/v1", &["apps/v1beta2", APPS_V1BETA1, EXTENSIONS_V1BETA1], APPS_REMARK),
    kind("ReplicaSet", "apps/v1", &["apps/v1beta2", EXTENSIONS_V1BETA1], APPS_REMARK),
    kind("StatefulSet", "apps/v1", &["apps/v1beta2", APPS_V1BETA1], APPS_REMARK),
    kind("DaemonSet", "apps/v1", &["apps/v1beta2", EXTENSIONS_V1BETA1], APPS_REMARK),
    kind("Job", "batch/v1", &[], BATCH_REMARK),
    kind("CronJob", "batch/v1", &["batch/v1beta1", "batch/v2alpha1"], BATCH_REMARK),
    kind("ReplicationController", "v1", &[], APPS_REMARK),
    kind("Rollout", "argoproj.io/v1alpha1", &[], APPS_REMARK),
    kind(SCALED_JOB, "keda.sh/v1alpha1", &[], BATCH_REMARK),
];

/// Objects that make pods, as they are read.
#[derive(Debug)]
pub struct PodMakers {
    read_for: ReadFor,
    /// What the scenario says of containers, and whether there were any that it means.
    behaviours: Vec<(Behaviour, bool)>,
    admission: Admission,
    priorities: PriorityClasses,
    list: Vec<Maker>,
    lives: Vec<PodLife>,
    images: Vec<String>,
    quotas: Vec<Quota>,
    analyses: AnalysisTemplates,
    autoscalers: Vec<WrittenAutoscaler>,
    verticals: Vec<WrittenVertical>,
}

/// One object that makes pods.
#[derive(Clone, Debug)]
struct Maker {
    /// The kind as it is written, which tells ReplicationControllers from ReplicaSets.
    api_kind: &'static str,
    namespace: String,
    name: String,
    file: Arc<str>,
    span: Span,
    kind: ControllerKind,
    selector: Option<Tree>,
    /// Whether its selector is read with the objects that are not of this module.
    has_selector_object: bool,
    /// `spec.volumeClaimTemplates`.
    claims: Vec<Tree>,
    templates: Vec<Template>,
    /// Whether the hash of the first template is the cluster's own.
    is_hash_known: bool,
    is_from_dump: bool,
    is_there_at_start: bool,
    /// As the script leaves it so far.
    is_there: bool,
    replicas: Option<i32>,
    /// The templates that it had, in order; the last is the present one.
    history: Vec<RevisionId>,
}

/// A pod template on its way into the model.
#[derive(Clone, Debug)]
struct Template {
    tree: Tree,
    hash: String,
    /// What the model gets; none: to be made.
    built: Option<PodTemplate>,
}

/// What objects are read into.
pub(in crate::scenario) struct Parts<'m> {
    pub(in crate::scenario) cluster: &'m mut Cluster,
    pub(in crate::scenario) workload: &'m mut Workload,
    pub(in crate::scenario) objects: &'m mut Objects,
}

/// The kind of an object that makes pods, by its name.
fn kind_named(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// Whether an object is of a kind that makes pods, whatever its version.
pub(super) fn makes_pods(object: &Object<'_>) -> bool {
    kind_named(object.kind).is_some()
}

/// Whether an object only says which pods belong together: a ReplicaSet or the like without template and replicas.
pub(super) fn is_selector_alone(object: &Object<'_>) -> bool {
    let replicas = object.tree.at(&["spec", "replicas"]).and_then(Tree::as_int);
    replicas == Some(0) && object.tree.at(&["spec", "template"]).is_none_or(Tree::is_null)
}

impl PodMakers {
    /// None so far; `behaviours` say how containers behave, later ones field by field before earlier ones.
    pub fn new(read_for: ReadFor, behaviours: Vec<Behaviour>) -> PodMakers {
        PodMakers {
            read_for,
            behaviours: behaviours.into_iter().map(|behaviour| (behaviour, false)).collect(),
            admission: Admission::default(),
            priorities: PriorityClasses::default(),
            list: Vec::new(),
            lives: Vec::new(),
            images: Vec::new(),
            quotas: Vec::new(),
            analyses: AnalysisTemplates::default(),
            autoscalers: Vec::new(),
            verticals: Vec::new(),
        }
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are no objects.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The positions of behaviours that are about no container.
    pub fn unused_behaviours(&self) -> impl Iterator<Item = usize> {
        self.behaviours.iter().enumerate().filter(|(_, (_, is_used))| !is_used).map(|(position, _)| position)
    }

    pub(super) fn read_for(&self) -> ReadFor {
        self.read_for
    }

    pub(super) fn set_priorities(&mut self, priorities: PriorityClasses) {
        self.priorities = priorities;
    }

    pub(super) fn priorities(&self) -> &PriorityClasses {
        &self.priorities
    }

    fn options(&self, with_disruption: bool) -> Options<'_> {
        Options {
            read_for: self.read_for,
            with_namespace: false,
            with_labels: true,
            with_disruption,
            priorities: &self.priorities,
        }
    }

    /// Reads an object that pods and namespaces are limited or completed by, or that says what is measured; false when it is
    /// none.
    pub(super) fn add_limits(&mut self, object: &Object<'_>, cluster: &mut Cluster, findings: &mut Findings) -> bool {
        let version = object.tree.get("apiVersion").and_then(Tree::as_text);
        match (object.kind, version) {
            ("LimitRange", None | Some("v1")) => self.admission.add_limit_range(object, findings),
            ("RuntimeClass", None | Some("node.k8s.io/v1" | "node.k8s.io/v1beta1")) => {
                self.admission.add_runtime_class(object, findings);
            }
            ("AnalysisTemplate" | "ClusterAnalysisTemplate", None | Some("argoproj.io/v1alpha1")) => {
                self.analyses.add(object, findings);
            }
            ("HorizontalPodAutoscaler", None | Some("autoscaling/v2" | "autoscaling/v1")) => {
                self.autoscalers.extend(autoscalers::read(object, version, findings));
            }
            ("ScaledObject", None | Some("keda.sh/v1alpha1")) => {
                self.autoscalers.extend(keda::autoscaler(object, findings));
            }
            ("VerticalPodAutoscaler", None | Some("autoscaling.k8s.io/v1" | "autoscaling.k8s.io/v1beta2")) => {
                self.verticals.extend(vertical::read(object, findings));
            }
            ("ResourceQuota", None | Some("v1")) => self.quotas.extend(quota::read(object, cluster, findings)),
            _ => return false,
        }
        true
    }

    /// Takes what scales objects.
    pub(in crate::scenario) fn take_autoscalers(&mut self) -> Vec<WrittenAutoscaler> {
        std::mem::take(&mut self.autoscalers)
    }

    /// What bounds vertical autoscalers, by namespace.
    pub(in crate::scenario) fn limit_ranges(&self) -> BTreeMap<String, LimitRanges> {
        self.admission.limit_ranges()
    }

    /// Takes what sizes pods.
    pub(in crate::scenario) fn take_verticals(&mut self) -> Vec<WrittenVertical> {
        std::mem::take(&mut self.verticals)
    }

    /// Pods as the API server keeps them; none where nothing is changed.
    pub(super) fn completed(&self, pods: &[Object<'_>], findings: &mut Findings) -> Vec<Option<Tree>> {
        let complete = |pod: &Object<'_>| {
            let mut notes = Notes::new(pod.file);
            let completed = match self.admission.complete(pod.tree, &mut notes) {
                std::borrow::Cow::Borrowed(_) => None,
                std::borrow::Cow::Owned(tree) => Some(tree),
            };
            findings.add("Pod", pod.file, notes);
            completed
        };
        pods.iter().map(complete).collect()
    }

    fn position(&self, kind: &str, namespace: &str, name: &str) -> Option<usize> {
        let is_it = |maker: &Maker| maker.api_kind == kind && maker.name == name && maker.namespace == namespace;
        self.list.iter().position(is_it)
    }

    /// Puts an object that has been read into the list, unless there is one of its name.
    fn add(&mut self, maker: Maker, findings: &mut Findings) {
        match self.position(maker.api_kind, &maker.namespace, &maker.name) {
            None => self.list.push(maker),
            Some(at) => {
                let first = &self.list[at];
                let message = format!(
                    "the {} `{}` of the namespace `{}` is there already, from {}:{}:{}",
                    maker.api_kind, maker.name, maker.namespace, first.file, first.span.line, first.span.column
                );
                findings.issues.push(Issue::new(Code::DuplicateName, &maker.file, maker.span, message));
            }
        }
    }

    /// The model of all objects. Listed pods and the script get the ids that hold there.
    pub fn finish(mut self, workload: &mut Workload, script: &mut [ScriptedAction]) -> Controllers {
        let key = |maker: &Maker| (maker.namespace.clone(), maker.kind.name(), maker.name.clone(), maker.api_kind);
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        order.sort_by_key(|&at| key(&self.list[at]));
        let mut ids = vec![ControllerId(0); order.len()];
        for (position, &at) in order.iter().enumerate() {
            ids[at] = ControllerId::from_index(position);
        }
        for source in &mut workload.sources {
            if let ArrivalSource::Listed(listed) = source {
                let owners = listed.states.values_mut().filter_map(|state| state.owner.as_mut());
                owners.for_each(|owner| owner.controller = ids[owner.controller.index()]);
            }
        }
        for scripted in script {
            if let Action::Operate(operation) = &mut scripted.action {
                operation.controller = ids[operation.controller.index()];
            }
        }
        let controller = |at: &usize| {
            let maker = self.list[*at].clone();
            Controller {
                namespace: maker.namespace,
                name: maker.name,
                kind: maker.kind,
                templates: maker.templates.into_iter().filter_map(|template| template.built).collect(),
                is_there_at_start: maker.is_there_at_start,
            }
        };
        let list = order.iter().map(controller).collect();
        self.quotas.sort();
        Controllers { list, lives: self.lives, made_lives: Made::default(), images: self.images, quotas: self.quotas }
    }
}

/// Reads one object; none when it is wrong or none of those that are read.
fn read(object: &Object<'_>, analyses: &AnalysisTemplates, findings: &mut Findings) -> Option<Maker> {
    let kind = kind_named(object.kind)?;
    let mut notes = Notes::new(object.file);
    let maker =
        version(object, kind, &mut notes).and_then(|version| maker(object, kind, version, analyses, &mut notes));
    let is_sound = notes.issues.is_empty();
    findings.add(kind.name, object.file, notes);
    maker.filter(|_| is_sound)
}

/// The version of an object; reports one that is not known.
fn version<'t>(object: &Object<'t>, kind: &Kind, notes: &mut Notes) -> Option<&'t str> {
    let Some(tree) = object.tree.get("apiVersion").filter(|tree| !tree.is_null()) else { return Some("") };
    let version = notes.text(Some(tree), "apiVersion")?;
    if kind.old_versions.contains(&version) {
        notes.remarks.push((kind.old_remark, tree.span));
    } else if version != kind.version {
        if is_from_dump(object.tree) {
            notes
                .remarks
                .push(("objects of this kind and another API are left out: their pods are taken as listed", tree.span));
        } else {
            let message = format!("`{version}` has no {} that could be used: its pods would be missing", kind.name);
            let hint = format!("`apiVersion` of a {} is `{}`; or write the pods", kind.name, kind.version);
            notes.refuse_with_hint(Code::Manifest, tree.span, message, &hint);
        }
        return None;
    }
    Some(version)
}

fn maker(
    object: &Object<'_>,
    kind: &Kind,
    version: &str,
    analyses: &AnalysisTemplates,
    notes: &mut Notes,
) -> Option<Maker> {
    let header = header(object, kind.name, true, notes)?;
    let Some(spec) = notes.mapping(object.tree.get("spec"), "spec") else {
        notes.refuse(Code::MissingKey, object.tree.span, format!("this {} has no `spec`", kind.name));
        return None;
    };
    let controller_kind = match kind.name {
        "Deployment" => ControllerKind::Deployment(kinds::deployment(spec, version, notes)),
        "StatefulSet" => ControllerKind::StatefulSet(kinds::stateful_set(spec, version, notes)),
        "DaemonSet" => ControllerKind::DaemonSet(kinds::daemon_set(spec, version, notes)),
        "Job" => ControllerKind::Job(job::job(spec, notes)),
        "CronJob" => ControllerKind::CronJob(job::cron_job(spec, notes)),
        SCALED_JOB => ControllerKind::ScaledJob(keda::scaled_job(spec, notes)),
        "Rollout" => {
            let mut reader = rollout::Reader { namespace: &header.namespace(), templates: analyses, notes };
            ControllerKind::Rollout(reader.rollout(spec))
        }
        _ => ControllerKind::ReplicaSet(kinds::replica_set(spec, notes)),
    };
    let template = &pod_template(object, spec, kind, notes)?;
    let template_spec = template.get("spec")?;
    let selector = selector(spec, template, kind, version, object.tree, notes);
    match kind.name {
        "Job" | "CronJob" | SCALED_JOB => job::check_restart_policy(template_spec, notes),
        _ => check_always(template_spec, notes),
    }
    if kind.name == "StatefulSet" {
        let ControllerKind::StatefulSet(set) = &controller_kind else { return None };
        let last = u64::from(set.first_ordinal) + u64::from(set.replicas.unsigned_abs());
        if last > u64::from(kinds::REPLICAS_MAX.unsigned_abs()) {
            notes.refuse(Code::AbsurdSize, spec.span, format!("ordinals go up to {last}"));
        }
    }
    let replicas = controller_kind.has_replicas().then(|| controller_kind.replicas());
    let claims = notes.list(spec.get("volumeClaimTemplates"), "spec.volumeClaimTemplates");
    Some(Maker {
        api_kind: kind.name,
        namespace: header.namespace(),
        name: header.name(),
        file: object.file.clone(),
        span: object.tree.span,
        kind: controller_kind,
        selector,
        has_selector_object: super::objects::is_read(object),
        claims: if kind.name == "StatefulSet" { claims.to_vec() } else { Vec::new() },
        templates: vec![Template::new(template.clone())],
        is_hash_known: false,
        is_from_dump: is_from_dump(object.tree),
        is_there_at_start: true,
        is_there: true,
        replicas,
        history: vec![RevisionId(0)],
    })
}

/// The pod template of an object, completed as its controller does.
fn pod_template(object: &Object<'_>, spec: &Tree, kind: &Kind, notes: &mut Notes) -> Option<Tree> {
    let path: &[&str] = match kind.name {
        "CronJob" => &["jobTemplate", "spec", "template"],
        SCALED_JOB => &["jobTargetRef", "template"],
        _ => &["template"],
    };
    let field = format!("spec.{}", path.join("."));
    let template = notes.mapping(spec.at(path), &field);
    if template.and_then(|template| notes.mapping(template.get("spec"), &format!("{field}.spec"))).is_none() {
        let message = format!("this {} has no `{field}.spec`", kind.name);
        notes.refuse_with_hint(Code::MissingKey, object.tree.span, message, "its pods are made from it");
        return None;
    }
    if kind.name == SCALED_JOB { template.map(keda::completed) } else { template.cloned() }
}

/// Pods of objects that keep a number of them never end.
fn check_always(template_spec: &Tree, notes: &mut Notes) {
    let place = template_spec.get("restartPolicy").unwrap_or(template_spec).span;
    if !matches!(
        life::restart_policy(template_spec, notes),
        None | Some(crate::model::controllers::RestartPolicy::Always)
    ) {
        let message = "`restartPolicy` of the template must be Always";
        notes.refuse_with_hint(Code::NotAllowed, place, message, "pods that end by themselves are made by a Job");
    }
}

/// The selector of an object, which must select the pods of its template; none for Jobs, which need none.
fn selector(
    spec: &Tree,
    template: &Tree,
    kind: &Kind,
    version: &str,
    object: &Tree,
    notes: &mut Notes,
) -> Option<Tree> {
    if matches!(kind.name, "Job" | "CronJob" | SCALED_JOB) {
        return None;
    }
    let is_plain = kind.name == "ReplicationController";
    let labels_tree = template.at(&["metadata", "labels"]).filter(|tree| !tree.is_null());
    let labels = notes.labels(labels_tree, "spec.template.metadata.labels");
    let written = spec.get("selector").filter(|tree| !tree.is_null());
    let may_be_missing = is_plain || matches!(version, APPS_V1BETA1 | EXTENSIONS_V1BETA1);
    let tree = match written {
        Some(tree) if is_plain => super::edit::mapping(tree.span, [("matchLabels", tree.clone())]),
        Some(tree) => tree.clone(),
        None if may_be_missing => {
            let labels = labels_tree.cloned().unwrap_or(super::edit::mapping(spec.span, []));
            super::edit::mapping(spec.span, [("matchLabels", labels)])
        }
        None => {
            notes.refuse(Code::MissingKey, object.span, format!("this {} has no `spec.selector`", kind.name));
            return None;
        }
    };
    let selector = notes.label_selector(Some(&tree), "spec.selector")?;
    let place = written.unwrap_or(spec).span;
    if selector.requirements.is_empty() {
        notes.refuse(Code::NotAllowed, place, format!("`spec.selector` of a {} cannot be empty", kind.name));
    } else if !selects(Some(&selector), &labels) {
        let message = "`spec.selector` does not select the pods of `spec.template`";
        let hint = match unmet(&selector, &labels) {
            Some(label) => format!("the template's `metadata.labels` lack `{label}`"),
            None => "compare it with the template's `metadata.labels`".to_owned(),
        };
        notes.refuse_with_hint(Code::Contradiction, place, message, &hint);
    }
    Some(tree)
}

/// The first label that a selector asks for and that is not there.
fn unmet(selector: &LabelSelector, labels: &[crate::model::Label]) -> Option<String> {
    let is_met = |wanted: &LabelRequirement, value: &String| {
        labels.iter().any(|label| label.key == wanted.key && label.value == *value)
    };
    let mut equalities = selector.requirements.iter().filter(|wanted| wanted.operator == SelectorOperator::In);
    equalities.find_map(|wanted| match &wanted.values[..] {
        [value] if !is_met(wanted, value) => Some(format!("{}: {value}", wanted.key)),
        _ => None,
    })
}

/// The names of kinds, for what a scenario names.
pub(in crate::scenario) fn kind_names() -> Vec<&'static str> {
    KINDS.iter().map(|kind| kind.name).collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests;

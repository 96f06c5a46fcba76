//! Pod templates to the pods that controllers write, and those to classes.

use std::collections::BTreeMap;

use super::super::files::Object;
use super::super::objects::Header;
use super::super::read::Notes;
use super::super::{Findings, edit, pod, storage};
use super::life::Whose;
use super::{Maker, Parts, PodMakers, ReadFor, SCALED_JOB, Template};
use crate::document::{Entry, Node as Tree, Value};
use crate::ids::{ClassId, LifeId};
use crate::model::controllers::{ControllerKind, PodTemplate};
use crate::model::objects::{Controller as Selecting, Objects};

/// The label by which a Deployment tells its ReplicaSets apart.
const TEMPLATE_HASH_LABEL: &str = "pod-template-hash";
/// The label by which a Rollout tells its ReplicaSets apart.
const ROLLOUT_HASH_LABEL: &str = "rollouts-pod-template-hash";
/// The label by which StatefulSets and DaemonSets tell their revisions apart.
pub(super) const REVISION_HASH_LABEL: &str = "controller-revision-hash";

/// What pods of a DaemonSet tolerate (`AddOrUpdateDaemonPodTolerations`); the last on the network of the node only.
const DAEMON_TOLERATIONS: [(&str, &str); 7] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ("node.kubernetes.io/network-unavailable", "NoSchedule"),
];

/// The label by which a Deployment or Rollout tells its ReplicaSets apart.
pub(super) fn release_label(kind: &str) -> &'static str {
    if kind == "Rollout" { ROLLOUT_HASH_LABEL } else { TEMPLATE_HASH_LABEL }
}

impl Template {
    pub(super) fn new(tree: Tree) -> Template {
        let hash = hash(&tree);
        Template { tree, hash, built: None }
    }
}

/// A hash of a template in the alphabet of upstream's (`rand.SafeEncodeString` of a decimal number). The number is our own:
/// FNV-1a over what the template says.
fn hash(template: &Tree) -> String {
    const DIGITS: [char; 10] = ['4', '5', '6', '7', '8', '9', 'b', 'c', 'd', 'f'];
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let number = edit::canonical(template).bytes().fold(0x811c_9dc5, mix);
    let digit = |character: char| DIGITS[character.to_digit(10).unwrap_or_default() as usize];
    number.to_string().chars().map(digit).collect()
}

impl Maker {
    /// What pods are called by in tables.
    fn template_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    fn whose(&self) -> Whose<'_> {
        Whose { kind: self.api_kind, namespace: &self.namespace, name: &self.name }
    }

    /// How many classes each template has for now: the ordinals of pods that have claims of their own.
    fn ordinals(&self, read_for: ReadFor) -> u32 {
        match &self.kind {
            ControllerKind::StatefulSet(set) if self.has_own_claims(read_for) => {
                set.first_ordinal + self.replicas.unwrap_or(0).max(set.replicas).max(1).unsigned_abs()
            }
            _ => 1,
        }
    }

    /// About how many pods it makes.
    fn pods(&self, nodes: usize) -> f64 {
        match &self.kind {
            ControllerKind::DaemonSet(_) => nodes as f64,
            kind => match kind.job() {
                Some(job) => f64::from(job.completions.unwrap_or(job.parallelism)),
                None => f64::from(self.replicas.unwrap_or(0)),
            },
        }
    }

    fn has_own_claims(&self, read_for: ReadFor) -> bool {
        read_for == ReadFor::KubeScheduler && !self.claims.is_empty()
    }

    /// A pod of a template as the controller writes it.
    fn pod(&self, template: &Template, ordinal: Option<u32>) -> Tree {
        let span = template.tree.span;
        let part = |key: &str| template.tree.get(key).cloned().unwrap_or_else(|| edit::mapping(span, []));
        let mut pod = edit::mapping(
            span,
            [("kind", edit::text(span, "Pod")), ("metadata", part("metadata")), ("spec", part("spec"))],
        );
        let name = match ordinal {
            Some(ordinal) => format!("{}-{ordinal}", self.name),
            None => self.name.clone(),
        };
        edit::set(&mut pod, &["metadata", "name"], edit::text(span, name.as_str()));
        edit::set(&mut pod, &["metadata", "namespace"], edit::text(span, self.namespace.as_str()));
        let mut label = |key: &str, value: &str| {
            edit::set(&mut pod, &["metadata", "labels", key], edit::text(span, value));
        };
        let hash = template.hash.as_str();
        let (mut api_version, mut kind, mut owner) = ("apps/v1", self.api_kind, self.name.clone());
        match self.api_kind {
            "Deployment" | "Rollout" => {
                label(release_label(self.api_kind), hash);
                kind = "ReplicaSet";
                owner = format!("{}-{hash}", self.name);
            }
            "StatefulSet" => {
                label(REVISION_HASH_LABEL, &format!("{}-{hash}", self.name));
                if let Some(ordinal) = ordinal {
                    label("statefulset.kubernetes.io/pod-name", &name);
                    label("apps.kubernetes.io/pod-index", &ordinal.to_string());
                }
            }
            "DaemonSet" => label(REVISION_HASH_LABEL, hash),
            "Job" => {
                label("batch.kubernetes.io/job-name", &self.name);
                label("job-name", &self.name);
                api_version = "batch/v1";
            }
            "CronJob" | SCALED_JOB => {
                api_version = "batch/v1";
                kind = "Job";
            }
            "ReplicationController" => api_version = "v1",
            _ => {}
        }
        let owner = [
            ("apiVersion", edit::text(span, api_version)),
            ("kind", edit::text(span, kind)),
            ("name", edit::text(span, owner)),
            ("controller", Tree { span, value: Value::Bool(true) }),
        ];
        let owners = Tree { span, value: Value::List(vec![edit::mapping(span, owner)]) };
        edit::set(&mut pod, &["metadata", "ownerReferences"], owners);
        if self.api_kind == "DaemonSet" {
            add_daemon_tolerations(&mut pod);
        }
        if let Some(ordinal) = ordinal {
            self.add_claims(&mut pod, ordinal);
        }
        pod
    }

    fn claim_name(&self, claim: &Tree, ordinal: u32) -> String {
        let name = claim.at(&["metadata", "name"]).and_then(Tree::as_text).unwrap_or_default();
        format!("{name}-{}-{ordinal}", self.name)
    }

    /// Volumes of claims take the place of volumes of their name.
    fn add_claims(&self, pod: &mut Tree, ordinal: u32) {
        for claim in &self.claims {
            let name = claim.at(&["metadata", "name"]).and_then(Tree::as_text).unwrap_or_default();
            let claim_name = edit::text(claim.span, self.claim_name(claim, ordinal));
            let source = edit::mapping(claim.span, [("claimName", claim_name)]);
            let volume =
                edit::mapping(claim.span, [("name", edit::text(claim.span, name)), ("persistentVolumeClaim", source)]);
            if let Some(Value::List(volumes)) =
                edit::slot_at(pod, &["spec", "volumes"]).map(|volumes| &mut volumes.value)
            {
                volumes.retain(|volume| volume.get("name").and_then(Tree::as_text) != Some(name));
            }
            edit::push(pod, &["spec", "volumes"], volume);
        }
    }
}

fn add_daemon_tolerations(pod: &mut Tree) {
    let span = pod.span;
    let on_host_network = pod.at(&["spec", "hostNetwork"]).and_then(Tree::as_bool) == Some(true);
    let count = if on_host_network { DAEMON_TOLERATIONS.len() } else { DAEMON_TOLERATIONS.len() - 1 };
    for (key, effect) in &DAEMON_TOLERATIONS[..count] {
        let entries = [("key", *key), ("operator", "Exists"), ("effect", *effect)];
        let has = |toleration: &Tree| {
            entries.iter().all(|(key, value)| toleration.get(key).and_then(Tree::as_text) == Some(value))
        };
        if !pod.at(&["spec", "tolerations"]).is_some_and(|list| list.items().iter().any(has)) {
            let toleration = edit::mapping(span, entries.map(|(key, value)| (key, edit::text(span, value))));
            edit::push(pod, &["spec", "tolerations"], toleration);
        }
    }
}

impl PodMakers {
    /// Makes what is not made yet of all objects.
    pub(in crate::scenario::kubernetes) fn build_all(&mut self, parts: &mut Parts<'_>, findings: &mut Findings) {
        let mut popularity: BTreeMap<ClassId, f64> =
            std::mem::take(&mut parts.workload.popularity).into_iter().collect();
        for at in 0..self.list.len() {
            self.build(at, parts, findings);
            let maker = &self.list[at];
            // The pods of a dump have been counted as they are listed.
            if let Some(built) = maker.templates[0].built.as_ref().filter(|_| !maker.is_from_dump) {
                let share = maker.pods(parts.cluster.nodes.len()) / built.classes.len() as f64;
                built.classes.iter().for_each(|class| *popularity.entry(*class).or_insert(0.0) += share);
            }
        }
        parts.workload.popularity = popularity.into_iter().collect();
    }

    /// Makes the classes and lives of an object's templates that are not made yet, and what else follows from them.
    pub(super) fn build(&mut self, at: usize, parts: &mut Parts<'_>, findings: &mut Findings) {
        let maker = self.list[at].clone();
        for revision in 0..maker.templates.len() {
            let template = &maker.templates[revision];
            let life = match &template.built {
                Some(built) => built.life,
                None => self.intern_life(&maker, template, findings),
            };
            let mut classes = template.built.as_ref().map_or(Vec::new(), |built| built.classes.clone());
            if !self.extend_classes(&maker, template, &mut classes, parts, findings) {
                return;
            }
            let built = PodTemplate { hash: template.hash.clone(), classes, life };
            if self.read_for == ReadFor::KubeScheduler {
                self.select(&maker, template, parts.objects);
            }
            self.list[at].templates[revision].built = Some(built);
        }
        if maker.has_own_claims(self.read_for) {
            add_claim_objects(&maker, self.read_for, parts.objects, findings);
        }
    }

    fn intern_life(&mut self, maker: &Maker, template: &Template, findings: &mut Findings) -> LifeId {
        let mut notes = Notes::new(&maker.file);
        let empty = edit::mapping(template.tree.span, []);
        // Limits that the API server adds bear on what containers may use.
        let written = maker.pod(template, None);
        let pod = self.admission.complete(&written, &mut Notes::new(&maker.file));
        let life = self.life(pod.get("spec").unwrap_or(&empty), maker.whose(), &mut notes);
        findings.add(maker.api_kind, &maker.file, notes);
        let position = self.lives.iter().position(|other| *other == life).unwrap_or_else(|| {
            self.lives.push(life);
            self.lives.len() - 1
        });
        LifeId::from_index(position)
    }

    /// Appends the classes of ordinals that have none yet; false when there is something wrong with the pods.
    fn extend_classes(
        &mut self,
        maker: &Maker,
        template: &Template,
        classes: &mut Vec<ClassId>,
        parts: &mut Parts<'_>,
        findings: &mut Findings,
    ) -> bool {
        let has_own_claims = maker.has_own_claims(self.read_for);
        let first = match &maker.kind {
            ControllerKind::StatefulSet(set) => set.first_ordinal,
            _ => 0,
        };
        let from = u32::try_from(classes.len()).unwrap_or(u32::MAX);
        for ordinal in from..maker.ordinals(self.read_for) {
            // Ordinals before the first have no pods: they only keep the place.
            let written = maker.pod(template, has_own_claims.then_some(ordinal.max(first)));
            let mut notes = Notes::new(&maker.file);
            let pod = self.admission.complete(&written, &mut notes);
            let object = Object { kind: "Pod", tree: &pod, file: &maker.file };
            let options = self.options(findings.for_node_autoscalers);
            let (class, of_pod) = pod::class(&object, maker.template_name(), options, parts.cluster);
            notes.issues.extend(of_pod.issues.iter().cloned());
            let is_sound = notes.issues.is_empty();
            // What is said of one pod holds for all of them.
            if classes.is_empty() || !is_sound {
                findings.add("Pod", &maker.file, Notes { issues: Vec::new(), ..of_pod });
                findings.add("Pod", &maker.file, notes);
            }
            match class {
                Some(class) if is_sound => classes.push(parts.workload.intern_class(class)),
                _ => return false,
            }
        }
        true
    }

    /// Adds the selector that spreads the pods by default: of Deployments that of the ReplicaSet of the template.
    fn select(&self, maker: &Maker, template: &Template, objects: &mut Objects) {
        let Some(mut selector) = maker.selector.clone() else { return };
        let (kind, name) = match maker.api_kind {
            "Deployment" | "Rollout" => {
                let hash = edit::text(selector.span, template.hash.as_str());
                edit::set(&mut selector, &["matchLabels", release_label(maker.api_kind)], hash);
                ("ReplicaSet", format!("{}-{}", maker.name, template.hash))
            }
            "DaemonSet" => return,
            _ if maker.has_selector_object => return,
            kind => (kind, maker.name.clone()),
        };
        let mut notes = Notes::new(&maker.file);
        let Some(selector) = notes.label_selector(Some(&selector), "spec.selector") else { return };
        let is_same =
            |other: &Selecting| other.kind == kind && other.name == name && other.namespace == maker.namespace;
        if !objects.controllers.iter().any(is_same) {
            let namespace = maker.namespace.clone();
            objects.controllers.push(Selecting { namespace, kind: kind.to_owned(), name, selector });
            objects.sort();
        }
    }
}

/// The claims of a StatefulSet's pods, those left out that are there already.
fn add_claim_objects(maker: &Maker, read_for: ReadFor, objects: &mut Objects, findings: &mut Findings) {
    let ControllerKind::StatefulSet(set) = &maker.kind else { return };
    for claim in &maker.claims {
        let mut notes = Notes::new(&maker.file);
        for ordinal in set.first_ordinal..maker.ordinals(read_for) {
            let name = maker.claim_name(claim, ordinal);
            let is_it = |other: &crate::model::objects::PersistentVolumeClaim| {
                other.name == name && other.namespace == maker.namespace
            };
            if !objects.persistent_volume_claims.iter().any(is_it) {
                let header = Header { kind: "PersistentVolumeClaim", namespace: &maker.namespace, name: &name };
                storage::persistent_volume_claim(claim, &header, objects, &mut notes);
            }
            if !notes.issues.is_empty() {
                break;
            }
        }
        findings.add("PersistentVolumeClaim", &maker.file, notes);
    }
    objects.sort();
}

/// A template that a pod could come from, where its own is not known.
pub(super) fn template_of(pod: &Tree) -> Tree {
    let mut template = edit::mapping(pod.span, []);
    if let Some(labels) = pod.at(&["metadata", "labels"]) {
        edit::set(&mut template, &["metadata", "labels"], labels.clone());
    }
    let heeded = crate::model::disruption::POD_ANNOTATIONS;
    for key in heeded.into_iter().chain([crate::model::disruption::SAFE_VOLUMES]) {
        if let Some(annotation) = pod.at(&["metadata", "annotations", key]) {
            edit::set(&mut template, &["metadata", "annotations", key], annotation.clone());
        }
    }
    let mut spec = pod.get("spec").cloned().unwrap_or_else(|| edit::mapping(pod.span, []));
    if let Value::Map(entries) = &mut spec.value {
        // The priority is that of the class already, and the node that of this one pod.
        entries.retain(|entry: &Entry| !matches!(&*entry.key, "nodeName" | "priorityClassName"));
    }
    edit::set(&mut template, &["spec"], spec);
    template
}

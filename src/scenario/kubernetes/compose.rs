//! Docker Compose files into the trees of the Kubernetes objects that they come to.
//!
//! A document with `services` at the top and neither `kind` nor `apiVersion` is a Compose file, whatever its name. Every
//! service becomes one object that makes pods, and a Service where it has `ports` or `expose`. The trees carry the places of
//! the Compose file, and the readers of manifests do the rest; what is wrong is reported in the words of Compose.
//!
//! Sources: the Compose Specification with its `deploy.md` and JSON Schema (June 2026), and the mapping of kompose (June
//! 2026) where it has one. Where the file says nothing, Kubernetes' own defaults hold. Decisions:
//!
//! - **Names** are in lower case with `-` for `.` and `_`, as kompose writes them; the namespace is `default`, and the label of
//!   the pods is `app`. The container is called `container_name`, or else as the service is.
//! - **`deploy.mode`**: `replicated` is a Deployment of `deploy.replicas` or `scale` pods (default 1), `global` a DaemonSet,
//!   `replicated-job` a Job of so many completions at once, `global-job` a Job of one pod, with a warning: how many nodes
//!   there are is not known here.
//! - **Restarts**: pods of Deployments and DaemonSets are always started again; that `restart` or the condition says
//!   otherwise gets a warning, because most services that say so never end. `deploy.restart_policy.condition: none` alone makes
//!   a replicated service a Job that tries once. Jobs are `OnFailure` with `max_attempts` as the limit (without one, no limit).
//! - **Resources**: reservations are requests and limits are limits, in `deploy.resources` or as `cpus`, `mem_limit`,
//!   `mem_reservation`; as everywhere in Kubernetes, a limit without a request is the request. Devices with the capability
//!   `gpu` are `nvidia.com/gpu`, or `amd.com/gpu` for that driver; all devices of a node are taken to be one.
//! - **Updates**: `parallelism` (default 1, 0 for all) is `maxUnavailable` with the order `stop-first` (the default), and
//!   `maxSurge` with `start-first`; the longer of `delay` and `monitor` is `minReadySeconds`. An update that fails stays
//!   where it is, which is `failure_action: pause`. kompose heeds the order only where it is given; the default here is that of
//!   the specification. Without `update_config` a Deployment is updated as Kubernetes does by default.
//! - **Placement**: `==` is a `nodeSelector`, which all policies heed, `!=` a required node affinity. Labels of nodes keep
//!   their names; a node whose role is worker has no label `node-role.kubernetes.io/control-plane`. Preferences are spread
//!   constraints whose `maxSkew` falls to 1 in their order, as in kompose. `max_replicas_per_node: 1` is an anti-affinity.
//! - **Health**: a `healthcheck` is the readiness and the liveness probe, completed as Docker does (every 30 s, 30 s to
//!   answer, 3 failures, first after one interval). During `start_period` a startup probe stands before them, every
//!   `start_interval` (5 s), which gives up when Docker would: after the period and the failures allowed. Seconds are
//!   rounded up.
//! - **Variables** (`${NAME:-default}`) become their defaults, since no environment is read; one without a default is an error
//!   in a key that is read, and no matter in all others.
//! - Services with `profiles` are left out, `extends` is an error, both with a word on what to do.
//!
//! Cost: that of copying the parts that are read.

mod interpolation;
mod keys;
mod life;
mod placement;
mod ports;
mod read;
mod resources;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Findings;
use super::edit;
use super::read::Notes;
use crate::document::{Code, Entry, Issue, Node as Tree, Span, Value};
use life::Restart;

/// Most pods of a service, as of the objects that they become.
const PODS_MAX: i64 = 1_000_000;
/// What services are called in warnings.
const SERVICE: &str = "a Compose service";
/// What hints say where a file needs the whole of Compose to be understood.
const RESOLVE_HINT: &str = "`docker compose config` writes the file with everything resolved";

/// How a service is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Replicated,
    Global,
    ReplicatedJob,
    GlobalJob,
}

/// A service, of which only the keys that are read are left, with their variables replaced.
struct Service {
    /// The name of its objects.
    name: String,
    /// Where its name stands.
    span: Span,
    tree: Tree,
}

impl Service {
    /// The value under a path, if it says something.
    fn at(&self, path: &[&str]) -> Option<&Tree> {
        self.tree.at(path).filter(|tree| !tree.is_null())
    }

    /// `app: NAME`.
    fn labels(&self) -> Tree {
        edit::mapping(self.span, [("app", edit::text(self.span, self.name.as_str()))])
    }

    fn selector(&self) -> Tree {
        edit::mapping(self.span, [("matchLabels", self.labels())])
    }

    /// An object of its name, without a `spec`.
    fn object(&self, api_version: &str, kind: &str) -> Tree {
        let text = |text: &str| edit::text(self.span, text);
        let metadata = edit::mapping(self.span, [("name", text(&self.name)), ("labels", self.labels())]);
        edit::mapping(self.span, [("apiVersion", text(api_version)), ("kind", text(kind)), ("metadata", metadata)])
    }
}

/// A whole number.
fn number(span: Span, number: i64) -> Tree {
    Tree { span, value: Value::Int(number) }
}

fn list(span: Span, items: Vec<Tree>) -> Tree {
    Tree { span, value: Value::List(items) }
}

/// Whether a document is a Compose file.
fn is_compose(document: &Tree) -> bool {
    document.get("services").is_some() && document.get("kind").is_none() && document.get("apiVersion").is_none()
}

/// The documents of a file, with Compose files replaced by the objects that they come to.
pub(super) fn translate(file: &Arc<str>, documents: Vec<Tree>, findings: &mut Findings) -> Vec<Tree> {
    if !documents.iter().any(is_compose) {
        return documents;
    }
    let mut objects = Vec::new();
    for document in documents {
        if is_compose(&document) {
            add_objects(file, &document, &mut objects, findings);
        } else {
            objects.push(document);
        }
    }
    objects
}

fn add_objects(file: &Arc<str>, document: &Tree, objects: &mut Vec<Tree>, findings: &mut Findings) {
    keys::check_top(file, document, findings);
    let services = document.get("services").unwrap_or(document);
    if !matches!(services.value, Value::Map(_)) {
        let message = format!("`services` must be a mapping, not {}", services.type_name());
        findings.issues.push(Issue::new(Code::WrongType, file, services.span, message));
        return;
    }
    let mut names: BTreeMap<String, &Entry> = BTreeMap::new();
    let mut ports_left = ports::PORTS_MAX;
    for entry in services.entries().iter().filter(|entry| !entry.key.starts_with("x-")) {
        let mut notes = Notes::new(file);
        if let Some(service) = service(entry, findings, &mut notes) {
            if let Some(first) = names.insert(service.name.clone(), entry) {
                let message = format!("the service `{}` has the name `{}` of `{}`", entry.key, service.name, first.key);
                let hint = "names differ in more than capitals, dots, dashes and underscores";
                notes.refuse_with_hint(Code::DuplicateName, entry.span, message, hint);
            }
            let ports = ports::ports(&service, &mut ports_left, &mut notes);
            let maker = maker(&service, &ports, &mut notes);
            // What is wrong is said in the words of Compose, and not once more in those of Kubernetes.
            if notes.issues.is_empty() {
                objects.push(maker);
                objects.extend(ports::service_object(&service, &ports));
            }
        }
        findings.add(SERVICE, file, notes);
    }
}

/// A service with what is read of it; none when it is off or not one.
fn service(entry: &Entry, findings: &mut Findings, notes: &mut Notes) -> Option<Service> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    if entry.key.is_empty() || !entry.key.chars().all(is_name) {
        let message = format!("`{}` cannot be the name of a service", entry.key);
        notes.refuse_with_hint(Code::NotAllowed, entry.span, message, "names have letters, digits, `.`, `_` and `-`");
    }
    let Value::Map(_) = &entry.value.value else {
        let message = format!("the service `{}` must be a mapping, not {}", entry.key, entry.value.type_name());
        notes.refuse(Code::WrongType, entry.span, message);
        return None;
    };
    if let Some(profiles) = entry.value.get("profiles").filter(|profiles| !profiles.items().is_empty()) {
        let message =
            || "services with `profiles` are left out: they are off unless their profile is asked for".to_owned();
        findings.warn(SERVICE, "profiles", &notes.file, profiles.span, message);
        return None;
    }
    if let Some(extends) = entry.value.get("extends").filter(|extends| !extends.is_null()) {
        let message = "`extends` of a service is not resolved";
        notes.refuse_with_hint(Code::NotAllowed, extends.span, message, RESOLVE_HINT);
        return None;
    }
    if ["image", "build"].iter().all(|key| entry.value.get(key).is_none_or(Tree::is_null)) {
        let message = format!("the service `{}` has neither `image` nor `build`", entry.key);
        notes.refuse(Code::MissingKey, entry.span, message);
    }
    keys::check(&entry.value, findings, notes);
    let tree = keys::resolve(&entry.value, &mut Vec::new(), notes);
    Some(Service { name: name_of(&entry.key), span: entry.span, tree })
}

/// The name that an object can have.
fn name_of(text: &str) -> String {
    text.to_lowercase().replace(['.', '_'], "-")
}

/// The object that makes the pods of a service.
fn maker(service: &Service, ports: &[ports::Port], notes: &mut Notes) -> Tree {
    let modes = [
        ("replicated", Mode::Replicated),
        ("global", Mode::Global),
        ("replicated-job", Mode::ReplicatedJob),
        ("global-job", Mode::GlobalJob),
    ];
    let mode = notes.choice(service.at(&["deploy", "mode"]), "deploy.mode", &modes).unwrap_or(Mode::Replicated);
    let restart = life::restart(service, mode, notes);
    let replicas = replicas(service, mode, notes);
    let mut pod = pod_spec(service, mode, ports, notes);
    let job = match restart {
        Restart::Always => None,
        Restart::OnFailure { limit } => Some(("OnFailure", limit)),
        Restart::Never => Some(("Never", 0)),
    };
    let (api_version, kind) = match job {
        Some(_) => ("batch/v1", "Job"),
        None if mode == Mode::Global => ("apps/v1", "DaemonSet"),
        None => ("apps/v1", "Deployment"),
    };
    let mut object = service.object(api_version, kind);
    if let Some((policy, limit)) = job {
        edit::set(&mut pod, &["restartPolicy"], edit::text(service.span, policy));
        edit::set(&mut object, &["spec", "backoffLimit"], number(service.span, i64::from(limit)));
        edit::set(&mut object, &["spec", "parallelism"], replicas.clone());
        edit::set(&mut object, &["spec", "completions"], replicas);
    } else {
        edit::set(&mut object, &["spec", "selector"], service.selector());
        if kind == "Deployment" {
            edit::set(&mut object, &["spec", "replicas"], replicas);
        }
    }
    life::update(service, kind, &mut object, notes);
    edit::set(&mut object, &["spec", "template", "metadata", "labels"], service.labels());
    edit::set(&mut object, &["spec", "template", "spec"], pod);
    object
}

/// How many pods there are of a service.
fn replicas(service: &Service, mode: Mode, notes: &mut Notes) -> Tree {
    let trees = [("deploy.replicas", service.at(&["deploy", "replicas"])), ("scale", service.at(&["scale"]))];
    let [deployed, scaled] =
        trees.map(|(field, tree)| notes.whole(tree, field, 0..=PODS_MAX).zip(tree.map(|tree| tree.span)));
    if let (Some((deployed, _)), Some((scaled, span))) = (deployed, scaled)
        && deployed != scaled
    {
        notes.refuse(Code::Contradiction, span, format!("`scale` is {scaled}, and `deploy.replicas` is {deployed}"));
    }
    let given = deployed.or(scaled);
    if matches!(mode, Mode::Global | Mode::GlobalJob)
        && let Some((_, span)) = given
    {
        notes.refuse(Code::Contradiction, span, "services with one task a node have no number of replicas");
    }
    if mode == Mode::GlobalJob {
        let text = "services with `deploy.mode: global-job` are read as Jobs of one pod, and not of one for each node";
        notes.remarks.push((text, service.at(&["deploy", "mode"]).map_or(service.span, |mode| mode.span)));
    }
    let (count, span) = given.unwrap_or((1, service.span));
    number(span, count)
}

/// The pods of a service.
fn pod_spec(service: &Service, mode: Mode, ports: &[ports::Port], notes: &mut Notes) -> Tree {
    let span = service.span;
    let image = notes.text(service.at(&["image"]), "image").unwrap_or(&service.name);
    let image_span = service.at(&["image"]).map_or(span, |image| image.span);
    let name = notes.text(service.at(&["container_name"]), "container_name").map_or(service.name.clone(), name_of);
    let mut container =
        edit::mapping(span, [("name", edit::text(span, name)), ("image", edit::text(image_span, image))]);
    if let Some(policy) = pull_policy(service, notes) {
        edit::set(&mut container, &["imagePullPolicy"], policy);
    }
    resources::add(service, &mut container, notes);
    ports::add(ports, &mut container);
    life::add_probes(service, &mut container, notes);
    let mut pod = edit::mapping(span, [("containers", list(span, vec![container]))]);
    if let Some(tree) = service.at(&["stop_grace_period"])
        && let Some(seconds) = notes.seconds(Some(tree), "stop_grace_period")
    {
        edit::set(&mut pod, &["terminationGracePeriodSeconds"], number(tree.span, seconds));
    }
    if let Some(network) = service.at(&["network_mode"]).filter(|network| network.as_text() == Some("host")) {
        edit::set(&mut pod, &["hostNetwork"], Tree { span: network.span, value: Value::Bool(true) });
    }
    placement::add(service, mode, &mut pod, notes);
    pod
}

/// `imagePullPolicy`. Policies that ask again after some time are taken to find the image as it is.
fn pull_policy(service: &Service, notes: &mut Notes) -> Option<Tree> {
    let tree = service.at(&["pull_policy"])?;
    let text = notes.text(Some(tree), "pull_policy")?;
    let policy = match text {
        "always" => "Always",
        "never" => "Never",
        "missing" | "if_not_present" | "build" => "IfNotPresent",
        "refresh" | "daily" | "weekly" => {
            notes.unused(format!("pull_policy: {text}"), tree);
            "IfNotPresent"
        }
        _ if text.starts_with("every_") => {
            notes.unused("pull_policy: every_", tree);
            "IfNotPresent"
        }
        _ => {
            let message = format!("`pull_policy`: `{text}` is not allowed");
            let hint =
                "allowed are always, never, missing, if_not_present, build, refresh, daily, weekly, every_<duration>";
            notes.refuse_with_hint(Code::NotAllowed, tree.span, message, hint);
            return None;
        }
    };
    Some(edit::text(tree.span, policy))
}

#[cfg(test)]
mod tests;

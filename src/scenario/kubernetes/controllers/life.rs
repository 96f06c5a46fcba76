//! Containers of a pod template to [`PodLife`], with what the scenario says of how they behave.

use super::super::read::{Amounts, Notes, Resource};
use super::{JOB_RUN_TIME, PodMakers};
use crate::document::{Code, Node as Tree};
use crate::model::controllers::{Container, PodLife, Probe, Probes, PullPolicy, RestartPolicy};
use crate::model::usage::QualityOfService;
use crate::model::{Demand, Dist, Usage};
use crate::units::SimDuration;

/// `terminationGracePeriodSeconds` where nothing is said.
const GRACE_SECONDS: i32 = 30;

/// What a scenario says of how containers behave. Where it names nothing, it means all; of several that mean a container
/// the last that says something holds.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// Kind of the object, such as `Deployment`.
    pub kind: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Name of the container.
    pub container: Option<String>,
    /// See [`Container::start_up`].
    pub start_up: Option<Dist>,
    /// See [`Container::run_time`]; an inner none: it serves until it is stopped.
    pub run_time: Option<Option<Dist>>,
    /// See [`Container::pre_stop`].
    pub pre_stop: Option<Dist>,
    /// See [`Container::shut_down`].
    pub shut_down: Option<Dist>,
    /// See [`Container::exit_codes`].
    pub exit_codes: Option<Vec<(i32, f64)>>,
    /// See [`Container::checkpoint_every`].
    pub checkpoint_every: Option<SimDuration>,
    /// See [`Usage::cpu`].
    pub cpu: Option<Demand>,
    /// See [`Usage::memory`].
    pub memory: Option<Demand>,
}

/// The object whose containers are read.
#[derive(Clone, Copy)]
pub(super) struct Whose<'n> {
    pub(super) kind: &'static str,
    pub(super) namespace: &'n str,
    pub(super) name: &'n str,
}

impl Behaviour {
    fn is_about(&self, whose: Whose<'_>, container: &str) -> bool {
        let fits = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
        fits(&self.kind, whose.kind)
            && fits(&self.namespace, whose.namespace)
            && fits(&self.name, whose.name)
            && fits(&self.container, container)
    }
}

impl PodMakers {
    /// What the pods of a template do.
    pub(super) fn life(&mut self, spec: &Tree, whose: Whose<'_>, notes: &mut Notes) -> PodLife {
        let grace = notes.number_within(
            spec.get("terminationGracePeriodSeconds"),
            "spec.terminationGracePeriodSeconds",
            0..=i32::MAX,
        );
        let promises = Promises::of(spec, notes);
        // Pods that ask for no runtime start as containers do in an ideal world: at once.
        let sandbox_start = self.admission.runtime_of(spec).map_or(Dist::ZERO, |runtime| runtime.sandbox_start.clone());
        let mut read = |list: &str, notes: &mut Notes| -> Vec<Container> {
            let field = format!("spec.{list}");
            let items = notes.list(spec.get(list), &field);
            let is_init = list == "initContainers";
            let containers = items.iter().map(|tree| {
                let mut container = self.container(tree, &field, is_init, whose, notes);
                promises.complete(container.usage.get_or_insert_default(), tree, container.is_sidecar, notes);
                container
            });
            containers.collect()
        };
        PodLife {
            init_containers: read("initContainers", notes),
            containers: read("containers", notes),
            restart_policy: restart_policy(spec, notes).unwrap_or_default(),
            grace_period: seconds(grace.unwrap_or(GRACE_SECONDS)),
            sandbox_start,
        }
    }

    fn container(&mut self, tree: &Tree, list: &str, is_init: bool, whose: Whose<'_>, notes: &mut Notes) -> Container {
        let field = |key: &str| format!("{list}[].{key}");
        let name = notes.text(tree.get("name"), &field("name")).unwrap_or_default();
        let image = notes.text(tree.get("image"), &field("image")).unwrap_or_default();
        let policies =
            [("Always", PullPolicy::Always), ("IfNotPresent", PullPolicy::IfNotPresent), ("Never", PullPolicy::Never)];
        let pull_policy = notes.choice(tree.get("imagePullPolicy"), &field("imagePullPolicy"), &policies);
        let is_sidecar = is_init && tree.get("restartPolicy").and_then(Tree::as_text) == Some("Always");
        if let Some(rules) = tree.get("restartPolicyRules") {
            notes.unused(field("restartPolicyRules"), rules);
        }
        let mut container = Container {
            name: name.to_owned(),
            image: (!image.is_empty()).then(|| self.image(image)),
            pull_policy: pull_policy.unwrap_or_else(|| default_pull_policy(image)),
            is_sidecar,
            run_time: (is_init && !is_sidecar).then_some(Dist::ZERO),
            exit_codes: Vec::new(),
            start_up: Dist::ZERO,
            pre_stop: pre_stop(tree, &field("lifecycle.preStop.sleep.seconds"), notes),
            shut_down: Dist::ZERO,
            checkpoint_every: None,
            probes: Probes {
                startup: probe(tree, "startupProbe", list, notes),
                readiness: probe(tree, "readinessProbe", list, notes),
                liveness: probe(tree, "livenessProbe", list, notes),
            },
            restarts_on_resize: restarts_on_resize(tree, &field("resizePolicy"), notes),
            usage: None,
        };
        let is_told = self.behave(&mut container, whose);
        if !is_told && !is_init && matches!(whose.kind, "Job" | "CronJob") {
            container.run_time = Some(Dist::Constant(JOB_RUN_TIME));
            let text = "how long containers run that end by themselves is taken to be 60 s, where `runTime` of \
                        `workload.behaviours` says nothing";
            notes.remarks.push((text, tree.span));
        }
        container
    }

    /// Puts in what the scenario says of a container; gives whether it says how long it runs.
    fn behave(&mut self, container: &mut Container, whose: Whose<'_>) -> bool {
        let mut is_told = false;
        for (behaviour, is_used) in &mut self.behaviours {
            if !behaviour.is_about(whose, &container.name) {
                continue;
            }
            *is_used = true;
            if let Some(run_time) = &behaviour.run_time {
                container.run_time = run_time.clone();
                is_told = true;
            }
            if let Some(start_up) = &behaviour.start_up {
                container.start_up = start_up.clone();
            }
            if let Some(pre_stop) = &behaviour.pre_stop {
                container.pre_stop = pre_stop.clone();
            }
            if let Some(shut_down) = &behaviour.shut_down {
                container.shut_down = shut_down.clone();
            }
            if let Some(exit_codes) = &behaviour.exit_codes {
                container.exit_codes = exit_codes.clone();
            }
            container.checkpoint_every = behaviour.checkpoint_every.or(container.checkpoint_every);
            if behaviour.cpu.is_some() || behaviour.memory.is_some() {
                let usage = container.usage.get_or_insert_default();
                usage.cpu = behaviour.cpu.clone().or(usage.cpu.take());
                usage.memory = behaviour.memory.clone().or(usage.memory.take());
            }
        }
        is_told
    }

    fn image(&mut self, image: &str) -> u32 {
        let at = self.images.iter().position(|other| other == image).unwrap_or_else(|| {
            self.images.push(image.to_owned());
            self.images.len() - 1
        });
        u32::try_from(at).expect("fewer images than objects in files that fit into memory")
    }
}

/// Whether a container is started again when its CPU, or its memory, is resized; it is not where nothing is said.
fn restarts_on_resize(container: &Tree, field: &str, notes: &mut Notes) -> [bool; 2] {
    let mut restarts = [false; 2];
    for policy in notes.list(container.get("resizePolicy"), field) {
        let resources = [("cpu", 0), ("memory", 1)];
        let resource = notes.choice(policy.get("resourceName"), &format!("{field}[].resourceName"), &resources);
        let policies = [("NotRequired", false), ("RestartContainer", true)];
        let restart = notes.choice(policy.get("restartPolicy"), &format!("{field}[].restartPolicy"), &policies);
        if let (Some(resource), Some(restart)) = (resource, restart) {
            restarts[resource] = restart;
        }
    }
    restarts
}

/// What the containers of a pod are promised together, which bears on each of them.
struct Promises {
    quality: QualityOfService,
    /// Bytes that those request that are no init containers, at least.
    least_memory_request: u64,
}

/// Requests and limits of a container; a limit without a request is the request, too. What is wrong with them is said where
/// the pod is read.
fn amounts<'t>(container: &'t Tree, notes: &Notes) -> (Amounts<'t>, Amounts<'t>) {
    let mut unheard = Notes::new(&notes.file);
    let mut of = |kind| unheard.amounts(container.at(&["resources", kind]), "resources").without_zeros();
    let (mut requests, limits) = (of("requests"), of("limits"));
    requests.default_to(&limits);
    (requests, limits)
}

fn units(amounts: &Amounts<'_>, resource: Resource<'_>, unit: u128) -> Option<u64> {
    amounts.get(resource).map(|milli| u64::try_from(milli.div_ceil(unit)).unwrap_or(u64::MAX))
}

impl Promises {
    /// Works out the class of a pod (`ComputePodQOS`), without resources of the pod as a whole.
    fn of(spec: &Tree, notes: &Notes) -> Promises {
        let items = |list| spec.get(list).map_or(&[][..], Tree::items);
        let (mut has_any, mut is_guaranteed) = (false, true);
        for container in items("containers").iter().chain(items("initContainers")) {
            let (requests, limits) = amounts(container, notes);
            for resource in [Resource::Cpu, Resource::Memory] {
                has_any |= requests.get(resource).is_some();
                is_guaranteed &= limits.get(resource).is_some() && limits.get(resource) == requests.get(resource);
            }
        }
        let memory = |container| units(&amounts(container, notes).0, Resource::Memory, 1000).unwrap_or(0);
        Promises {
            quality: match (has_any, is_guaranteed) {
                (false, _) => QualityOfService::BestEffort,
                (true, true) => QualityOfService::Guaranteed,
                (true, false) => QualityOfService::Burstable,
            },
            least_memory_request: items("containers").iter().map(memory).min().unwrap_or(0),
        }
    }

    fn complete(&self, usage: &mut Usage, container: &Tree, is_sidecar: bool, notes: &Notes) {
        let (requests, limits) = amounts(container, notes);
        usage.cpu_request = units(&requests, Resource::Cpu, 1).unwrap_or(0);
        usage.cpu_limit = units(&limits, Resource::Cpu, 1);
        usage.memory_request = units(&requests, Resource::Memory, 1000).unwrap_or(0);
        usage.memory_limit = units(&limits, Resource::Memory, 1000);
        usage.least_main_memory_request = is_sidecar.then_some(self.least_memory_request);
        usage.quality = self.quality;
    }
}

/// `restartPolicy`, if it is given.
pub(super) fn restart_policy(spec: &Tree, notes: &mut Notes) -> Option<RestartPolicy> {
    let policies =
        [("Always", RestartPolicy::Always), ("OnFailure", RestartPolicy::OnFailure), ("Never", RestartPolicy::Never)];
    notes.choice(spec.get("restartPolicy"), "spec.restartPolicy", &policies)
}

/// The tag `latest` is asked for at every start, and is meant where there is neither tag nor digest
/// (`SetDefaults_Container`).
fn default_pull_policy(image: &str) -> PullPolicy {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    // A colon before the last slash is that of the registry's port.
    let tag = name.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    match (tag, digest) {
        (Some("latest"), _) | (None, None) => PullPolicy::Always,
        _ => PullPolicy::IfNotPresent,
    }
}

/// How long the hook before `SIGTERM` sleeps. What other hooks do is not known.
fn pre_stop(container: &Tree, field: &str, notes: &mut Notes) -> Dist {
    let seconds_of =
        notes.number_within(container.at(&["lifecycle", "preStop", "sleep", "seconds"]), field, 0..=i32::MAX);
    seconds_of.map_or(Dist::ZERO, |number| Dist::Constant(seconds(number)))
}

pub(super) fn seconds(number: i32) -> SimDuration {
    SimDuration::from_seconds(f64::from(number))
}

fn probe(container: &Tree, key: &str, list: &str, notes: &mut Notes) -> Option<Probe> {
    let field = format!("{list}[].{key}");
    let tree = notes.mapping(container.get(key), &field)?;
    // As in the API server a zero is what is not given, the delay excepted.
    let mut number = |name: &str, default: i32| {
        let number = notes.number_within(tree.get(name), &format!("{field}.{name}"), 0..=i32::MAX);
        number.filter(|number| *number > 0).unwrap_or(default)
    };
    let probe = Probe {
        initial_delay: seconds(number("initialDelaySeconds", 0)),
        period: seconds(number("periodSeconds", 10)),
        success_threshold: number("successThreshold", 1).unsigned_abs(),
        failure_threshold: number("failureThreshold", 3).unsigned_abs(),
        timeout: seconds(number("timeoutSeconds", 1)),
        grace_period: Some(number("terminationGracePeriodSeconds", 0)).filter(|grace| *grace > 0).map(seconds),
    };
    if let Some(grace) = tree.get("terminationGracePeriodSeconds").filter(|_| key == "readinessProbe") {
        notes.refuse(
            Code::Contradiction,
            grace.span,
            format!("`{field}.terminationGracePeriodSeconds` must not be set"),
        );
    }
    if key != "readinessProbe" && probe.success_threshold != 1 {
        let message = format!("`{field}.successThreshold` must be 1, not {}", probe.success_threshold);
        notes.refuse(Code::OutOfRange, tree.span, message);
    }
    Some(probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `parsers.ParseImageName` and `SetDefaults_Container`.
    #[test]
    fn images_say_when_they_are_pulled() {
        for (image, is_always) in [
            ("nginx", true),
            ("nginx:latest", true),
            ("nginx:1.27", false),
            ("registry:5000/nginx", true),
            ("registry:5000/nginx:1.27", false),
            ("nginx@sha256:0123", false),
            ("nginx:latest@sha256:0123", true),
        ] {
            assert_eq!(default_pull_policy(image) == PullPolicy::Always, is_always, "{image}");
        }
    }
}

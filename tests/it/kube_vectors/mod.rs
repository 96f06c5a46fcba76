//! The decisions of the real kube-scheduler, replayed: every verdict, score and victim in `tests/vectors/scheduler` must be
//! ours too. `conformance/FORMAT.md` says how the vectors are written, `crate::vectors` which are read. What the committed
//! ones compared stands in `docs/kube-scheduler-conformance.md`.

mod queue;
mod sampling;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use wavetank::document::Source;
use wavetank::ids::{NodeId, PodId};
use wavetank::model::kube_scheduler::{ExtensionPoint, IN_TREE_PLUGINS, Profile};
use wavetank::model::{
    ArrivalSource, Cluster, Delays, KubeSchedulerConfiguration, ListedPods, Model, Objects, OnEviction,
    OnUnschedulable, Outputs, PolicyChoice, Scheduling, Workload,
};
use wavetank::policy::scheduler::kube::framework::{Filters, totals};
use wavetank::policy::scheduler::kube::preemption::{Preemption, choose};
use wavetank::policy::scheduler::kube::schedule::{Attempt, Search};
use wavetank::policy::scheduler::kube::{Code, Cycle, Framework, NodeInfo, NodeTree, Rejection, allocate_claims};
use wavetank::rng::Seed;
use wavetank::scenario::kubernetes::{self, Findings, LoadedObjects};
use wavetank::world::{ClaimKey, Claims, Phase, View, World};

use crate::vectors::{self, Comparisons};

#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    config: Option<Value>,
    objects: Vec<Value>,
    nodes: Vec<String>,
    #[serde(default)]
    steps: Vec<Step>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Step {
    pod: String,
    prefilter: PreFilter,
    plugins: BTreeMap<String, Verdicts>,
    filter: Verdicts,
    score: Option<Scores>,
    message: String,
    preemption: Option<Victims>,
    after: After,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PreFilter {
    reject: BTreeMap<String, Verdict>,
    nodes: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Verdicts {
    ok: String,
    why: Vec<Verdict>,
    prefilter: Option<Verdict>,
    nominated: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Verdict {
    nodes: String,
    plugin: String,
    code: String,
    reasons: BTreeSet<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Scores {
    raw: BTreeMap<String, Vec<i64>>,
    weighted: BTreeMap<String, Vec<i64>>,
    total: Vec<i64>,
    best: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Victims {
    candidates: Vec<Candidate>,
    best: Vec<String>,
    message: String,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
struct Candidate {
    node: String,
    victims: Vec<String>,
    violations: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct After {
    bind: String,
    start_time: String,
    nominate: BTreeMap<String, String>,
    delete: Vec<String>,
    update: Vec<Value>,
}

/// What was compared: what it is, and of which plug-in; how often, and how often it agreed.
#[derive(Debug, Default)]
struct Tally {
    compared: Comparisons<(String, &'static str)>,
    left_out: BTreeMap<String, u64>,
}

impl Tally {
    fn compare<T: PartialEq + Debug>(&mut self, what: (&str, &'static str), place: &str, theirs: &T, ours: &T) {
        self.compared.compare((what.0.to_owned(), what.1), place, theirs, ours);
    }
}

/// What the kinds of decisions are, for the table in the docs.
const DECISIONS: [(&str, &str); 21] = [
    ("prefilter", "whether PreFilter rejects the pod, and in which words"),
    ("nodes", "the only nodes that PreFilter leaves"),
    ("filter", "one node: whether it passes, the reasons, whether preemption may help"),
    ("feasible", "the set of feasible nodes"),
    ("verdict", "one node, all filters with nominated pods: who rejects it, and why"),
    ("message", "the sentence that the pod's owner reads"),
    ("raw", "scores of all feasible nodes before normalisation"),
    ("weighted", "scores of all feasible nodes, normalised and weighted"),
    ("total", "sums of the weighted scores"),
    ("best", "the nodes that may be taken"),
    ("candidates", "preemption: every candidate node, its victims in order, broken budgets"),
    ("devices", "the devices that a claim gets"),
    ("profile", "which profile places the pod"),
    ("case", "the order in which nodes are looked at, one cluster"),
    ("pop", "the pod that is tried next, and the number of its attempt"),
    ("active", "the active pods in order, after each operation"),
    ("backoff", "the pods in back-off, after each operation"),
    ("waiting", "the unschedulable pods, after each operation"),
    ("order", "the order of nodes after nodes have joined and left"),
    ("count", "how many feasible nodes are enough"),
    ("rotation", "where the next search begins, after which nodes were found"),
];

/// The page of the docs, from what the committed vectors compared.
fn page(tally: &Tally) -> String {
    let mut page = String::from(
        "# Decisions compared with the real kube-scheduler v1.37.0\n\n\
         Written by `cargo test --test it kube_vectors` from the vectors in `tests/vectors/scheduler`, which the module in\n\
         `conformance/` wrote with the scheduler packages of Kubernetes; how, stands in `conformance/README.md`. A decision\n\
         that differs fails the test, so both columns are equal. `WAVETANK_REWRITE=1` writes this page anew.\n\n\
         | plug-in or part | decisions compared | agreeing |\n|---|---:|---:|\n",
    );
    let mut by_name: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for ((name, _), (compared, agreeing)) in &tally.compared.counts {
        let sums = by_name.entry(name).or_default();
        *sums = (sums.0 + compared, sums.1 + agreeing);
    }
    let all = vectors::sum(by_name.values());
    for (name, (compared, agreeing)) in by_name.into_iter().chain([("**all**", all)]) {
        page.push_str(&format!("| {name} | {compared} | {agreeing} |\n"));
    }
    page.push_str("\nThe same by kind of decision:\n\n");
    page.push_str("| plug-in or part | decision | compared | agreeing |\n|---|---|---:|---:|\n");
    let mut kinds = BTreeSet::new();
    for ((name, kind), (compared, agreeing)) in &tally.compared.counts {
        kinds.insert(*kind);
        page.push_str(&format!("| {name} | {kind} | {compared} | {agreeing} |\n"));
    }
    page.push('\n');
    for (kind, meaning) in DECISIONS.iter().filter(|(kind, _)| kinds.contains(kind)) {
        page.push_str(&format!("- `{kind}`: {meaning}\n"));
    }
    if !tally.left_out.is_empty() {
        page.push_str("\nLeft out:\n\n");
        for (why, cases) in &tally.left_out {
            page.push_str(&format!("- {why}: {cases}\n"));
        }
    }
    page
}

/// The plug-ins that filter or score here.
fn exists(name: &str) -> bool {
    let row = IN_TREE_PLUGINS.iter().find(|row| row.name == name);
    let acts = |point| row.is_some_and(|row| row.points.contains(&point));
    [ExtensionPoint::Filter, ExtensionPoint::Score]
        .into_iter()
        .all(|point| !acts(point) || Framework::new(&only(&Profile::default(), |other| other == name)).is_ok())
}

/// A profile with some of its plug-ins.
fn only(profile: &Profile, keep: impl Fn(&str) -> bool) -> Profile {
    let mut profile = profile.clone();
    profile.plugins.points.iter_mut().for_each(|point| point.retain(|(name, _)| keep(name)));
    profile
}

/// Seconds of a time such as `2026-01-02T03:04:05Z` since the start of its month.
fn seconds(time: &str) -> i64 {
    let part = |range: std::ops::Range<usize>| time[range].parse::<i64>().expect("a time");
    ((part(8..10) * 24 + part(11..13)) * 60 + part(14..16)) * 60 + part(17..19)
}

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn pod_key(pod: &Value) -> String {
    let namespace = Some(text(pod, "/metadata/namespace")).filter(|namespace| !namespace.is_empty());
    format!("{}/{}", namespace.unwrap_or("default"), text(pod, "/metadata/name"))
}

/// Objects as users' manifests are read. They have no `uid`, which tells a dump from what somebody wrote; here it is
/// namespace and name.
fn load(case: &str, objects: &[Value]) -> LoadedObjects {
    let mut objects = objects.to_vec();
    for object in &mut objects {
        let uid = format!("{}-{}", text(object, "/metadata/namespace"), text(object, "/metadata/name"));
        object["metadata"]["uid"] = Value::String(uid);
    }
    let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": objects });
    let loaded = kubernetes::load_objects(&Source { file: "objects.json".into(), text: list.to_string() });
    assert!(loaded.findings.issues.is_empty(), "{case}: {:?}", loaded.findings.issues);
    loaded
}

/// The model of a case.
fn model_of(case: &Case) -> Model {
    let LoadedObjects { cluster, workload, objects, .. } = load(&case.name, &case.objects);
    let configuration = configuration_of(&case.name, case.config.as_ref());
    Model { objects, ..model_with(&case.name, cluster, workload, configuration) }
}

/// A configuration as users' are read; none: the default.
fn configuration_of(case: &str, config: Option<&Value>) -> KubeSchedulerConfiguration {
    let Some(config) = config else { return KubeSchedulerConfiguration::default() };
    let mut findings = Findings::default();
    let source = Source { file: "scheduler.json".into(), text: config.to_string() };
    let configuration = kubernetes::load_scheduler_configuration(&source, &mut findings);
    assert!(findings.issues.is_empty(), "{case}: {:?}", findings.issues);
    configuration.expect("nothing is wrong with it")
}

fn model_with(name: &str, cluster: Cluster, workload: Workload, configuration: KubeSchedulerConfiguration) -> Model {
    Model {
        name: name.to_owned(),
        description: String::new(),
        seed: Seed { base: 1, replication: 0 },
        horizon: None,
        cluster,
        workload,
        controllers: wavetank::model::Controllers::default(),
        control_plane: wavetank::model::ControlPlane::default(),
        objects: Objects::default(),
        scheduling: Scheduling {
            policy: PolicyChoice::named("kube-scheduler"),
            queue: PolicyChoice::named("fifo"),
            on_unschedulable: OnUnschedulable::default(),
            on_eviction: OnEviction::default(),
            delays: Delays::default(),
            kube_scheduler: Some(Box::new(configuration)),
        },
        script: vec![],
        faults: wavetank::model::Faults::default(),
        traffic: wavetank::model::Traffic::default(),
        autoscaling: wavetank::model::Autoscaling::default(),
        provisioning: wavetank::model::Provisioning::default(),
        functions: None,
        sizing: None,
        power: None,
        carbon: None,
        outputs: Outputs::default(),
    }
}

fn listed(model: &Model) -> &ListedPods {
    match &model.workload.sources[0] {
        ArrivalSource::Listed(listed) => listed,
        ArrivalSource::Generated(_) => panic!("manifests are listed"),
    }
}

/// Changes what is taken of a node though that may be more than it offers: pods of the vectors are bound past every
/// scheduler and kubelet, which no run allows. What is free wraps around below zero, and [`NodeInfo`] wraps it back.
fn unchecked<T>(world: &mut World, node: NodeId, change: impl FnOnce(&mut World) -> T) -> T {
    const LOAN: u64 = 1 << 62;
    let lend = |world: &mut World, amount: u64| {
        let nodes = &mut world.nodes;
        let columns =
            [&mut nodes.free_cpu, &mut nodes.free_memory, &mut nodes.free_ephemeral_storage, &mut nodes.free_pods];
        for column in columns.into_iter().chain(&mut nodes.free_extended) {
            column[node.index()] = column[node.index()].wrapping_add(amount);
        }
    };
    lend(world, LOAN);
    let result = change(world);
    lend(world, LOAN.wrapping_neg());
    result
}

/// A case under way.
struct Replay<'m> {
    case: &'m Case,
    /// As the steps left them.
    objects: Vec<Value>,
    model: Model,
    world: World,
    pods: BTreeMap<String, PodId>,
    nodes: Vec<NodeId>,
    /// Whether two bound pods have the same port of a node. No kubelet allows that, and upstream takes the port for free
    /// as soon as one of them has left, as the documentation of NodePorts says.
    shares_ports: bool,
    tally: &'m mut Tally,
}

impl<'m> Replay<'m> {
    fn new(case: &'m Case, tally: &'m mut Tally) -> Replay<'m> {
        let model = model_of(case);
        let mut world = World::new(&model);
        let mut tree = NodeTree::default();
        tree.update(View { model: &model, world: &world });
        let nodes = tree.list();
        let names: Vec<&str> = nodes.iter().map(|&node| world.nodes.name(node)).collect();
        tally.compare(("order of nodes", "case"), &case.name, &case.nodes.iter().map(String::as_str).collect(), &names);
        let manifests = case.objects.iter().filter(|object| text(object, "/kind") == "Pod");
        let listed = listed(&model);
        let mut pods = BTreeMap::new();
        let (mut ports, mut shares_ports) = (BTreeSet::new(), false);
        for (number, (manifest, listed)) in (0..).zip(manifests.zip(&listed.pods)) {
            let pod = world.arrive((0, number), listed.class, u64::MAX);
            if let Some(node) = listed.node {
                let own = model.workload.class(listed.class).spec.host_ports.iter();
                for port in own {
                    shares_ports |= !ports.insert((node, port.clone()));
                }
                place(&mut world, &model, pod, node, text(manifest, "/status/startTime"));
            }
            pods.insert(pod_key(manifest), pod);
        }
        Replay { case, objects: case.objects.clone(), model, world, pods, nodes, shares_ports, tally }
    }

    fn run(&mut self) {
        for number in 0..self.case.steps.len() {
            let step = &self.case.steps[number];
            let place = format!("{} step {number}, {}", self.case.name, step.pod);
            self.compare(step, &place);
            if self.shares_ports && !step.after.delete.is_empty() {
                let left = self.case.steps.len() - number - 1;
                *self.tally.left_out.entry("steps after one of two pods on a port has left".to_owned()).or_default() +=
                    left as u64;
                break;
            }
            self.apply(step);
        }
    }

    fn compare(&mut self, step: &Step, place: &str) {
        let view = View { model: &self.model, world: &self.world };
        let pod = self.pods[&step.pod];
        let class = self.world.pods.class[pod.index()];
        let configuration = self.model.scheduling.kube_scheduler.as_deref().expect("it was put there");
        let scheduler_name = &view.class(class).spec.scheduler_name;
        let profile = configuration.profiles.iter().find(|profile| profile.scheduler_name == *scheduler_name);
        let Some(profile) = profile else {
            self.tally.compare(("profile", "pod"), place, &true, &false);
            return;
        };
        let profile = only(profile, exists);
        let cycle = Cycle { view, pod: Some(pod), class, nodes: &self.nodes, arguments: &profile.arguments };
        let tally = &mut *self.tally;
        for (name, _) in profile.plugins.at(ExtensionPoint::Filter) {
            compare_filter(tally, place, step, &cycle, (&profile, name));
        }
        let framework = Framework::new(&profile).expect("only plug-ins that exist are left");
        let search = Search { start: 0, percentage: 100 };
        let attempt = Attempt::make(&framework, &[], &cycle, search).expect("there are no extenders");
        compare_attempt(tally, place, step, &cycle, &attempt);
        if let Some(scores) = &step.score {
            // Their feasible nodes, so that a wrong verdict is not also a wrong score.
            let bits = step.filter.ok.bytes().zip(&self.nodes).filter(|(bit, _)| *bit == b'1');
            let feasible: Vec<NodeInfo<'_>> = bits.map(|(_, &node)| NodeInfo::new(view, node)).collect();
            compare_scores(tally, place, scores, &cycle, &framework, &feasible);
        }
        if let Some(victims) = step.preemption.as_ref().filter(|_| !self.shares_ports) {
            match attempt.post_filter_error(&framework) {
                Some(error) => {
                    tally.compare(("DefaultPreemption", "message"), place, &victims.message.as_str(), &error)
                }
                None => compare_preemption(tally, place, victims, &cycle, &attempt, &self.pods),
            }
        }
    }

    fn apply(&mut self, step: &Step) {
        let by_name = |world: &World, name: &str| {
            let nodes = (0..world.nodes.len()).map(NodeId::from_index);
            nodes.into_iter().find(|&node| world.nodes.name(node) == name).expect("the node is there")
        };
        if !step.after.update.is_empty() {
            let key = |object: &Value| {
                ["/kind", "/metadata/namespace", "/metadata/name"].map(|at| text(object, at).to_owned())
            };
            for updated in &step.after.update {
                self.objects.retain(|object| key(object) != key(updated));
                self.objects.push(updated.clone());
            }
            let ours = (!step.after.bind.is_empty()).then(|| {
                let node = by_name(&self.world, &step.after.bind);
                allocate_claims(View { model: &self.model, world: &self.world }, self.pods[&step.pod], node)
            });
            self.model.objects = load(&self.case.name, &self.objects).objects;
            self.world.claims = Claims::new(&self.model);
            for (claim, ours) in ours.into_iter().flatten() {
                if let (ClaimKey::Named(at), Some(ours)) = (claim, ours) {
                    let theirs = self.model.objects.devices.claims[at as usize].allocation.as_ref();
                    self.tally.compare(("DynamicResources", "devices"), &step.pod, &theirs, &Some(&ours));
                }
            }
        }
        for name in &step.after.delete {
            let pod = self.pods[name];
            let class = self.model.workload.class(self.world.pods.class[pod.index()]);
            let node = self.world.pods.node(pod).expect("victims are bound");
            unchecked(&mut self.world, node, |world| world.release(class, pod));
            self.world.set_phase(pod, Phase::Failed);
        }
        for (name, node) in &step.after.nominate {
            let pod = self.pods[name];
            self.world.nominated.remove(&pod);
            if !node.is_empty() {
                self.world.nominated.insert(pod, by_name(&self.world, node));
            }
        }
        if !step.after.bind.is_empty() {
            let node = by_name(&self.world, &step.after.bind);
            let pod = self.pods[&step.pod];
            self.world.nominated.remove(&pod);
            place(&mut self.world, &self.model, pod, node, &step.after.start_time);
        }
    }
}

fn place(world: &mut World, model: &Model, pod: PodId, node: NodeId, start: &str) {
    let class = model.workload.class(world.pods.class[pod.index()]);
    unchecked(world, node, |world| world.place(class, pod, node, 0));
    world.set_phase(pod, Phase::Running);
    world.pods.start_ns[pod.index()] = seconds(start) * 1_000_000_000;
}

fn code(code: Code) -> &'static str {
    match code {
        Code::Error => "E",
        Code::Unschedulable => "U",
        Code::UnschedulableAndUnresolvable => "UR",
    }
}

/// Plug-in, code and reasons in order.
type Words = (String, String, BTreeSet<String>);

fn words_of(rejection: &Rejection) -> Words {
    let reasons = rejection.reasons.iter().map(|reason| reason.to_string()).collect();
    (rejection.plugin.to_string(), code(rejection.code).to_owned(), reasons)
}

fn words_in(verdict: &Verdict, plugin: &str) -> Words {
    (plugin.to_owned(), verdict.code.clone(), verdict.reasons.clone())
}

/// What the vectors say of the node at a position; none: it passes.
fn verdict_at(verdicts: &Verdicts, position: usize) -> Option<&Verdict> {
    verdicts.why.iter().find(|verdict| verdict.nodes.as_bytes()[position] == b'1')
}

/// One filter plug-in alone, on all nodes, without nominated pods.
fn compare_filter(tally: &mut Tally, place: &str, step: &Step, cycle: &Cycle<'_>, (profile, name): (&Profile, &str)) {
    let framework = Framework::new(&only(profile, |other| other == name)).expect("the plug-in exists");
    let filters = match framework.pre_filter(cycle) {
        Ok(filters) => filters,
        Err(rejected) => {
            let rejection = rejected.diagnosis.absent_nodes.as_ref();
            let theirs = step.prefilter.reject.get(name).map(|verdict| words_in(verdict, name));
            tally.compare((name, "prefilter"), place, &theirs, &rejection.map(words_of));
            return;
        }
    };
    let theirs = step.prefilter.reject.get(name).map(|verdict| words_in(verdict, name));
    tally.compare((name, "prefilter"), place, &theirs, &None);
    let world_name = |node: &NodeId| cycle.view.world.nodes.name(*node).to_owned();
    let named = filters.nodes.as_ref().map(|(nodes, _)| nodes.iter().map(world_name).collect::<BTreeSet<_>>());
    // Names that no node has mean nothing here.
    let known: BTreeSet<String> = cycle.nodes.iter().map(world_name).collect();
    let theirs = step.prefilter.nodes.get(name).map(|names| names & &known);
    tally.compare((name, "nodes"), place, &theirs, &named);
    if theirs.is_some() || !step.prefilter.reject.contains_key(name) {
        for (position, &node) in cycle.nodes.iter().enumerate() {
            let ours = filters.filter(&NodeInfo::new(cycle.view, node)).err();
            let theirs = step.plugins.get(name).and_then(|verdicts| verdict_at(verdicts, position));
            let at = format!("{place} on {}", world_name(&node));
            let theirs = theirs.map(|verdict| words_in(verdict, name));
            tally.compare((name, "filter"), &at, &theirs, &ours.as_ref().map(words_of));
        }
    }
}

/// The verdicts of the whole cycle, and what is said of them.
fn compare_attempt(tally: &mut Tally, place: &str, step: &Step, cycle: &Cycle<'_>, attempt: &Attempt<'_>) {
    let is_feasible = |node: &NodeId| attempt.feasible.iter().any(|feasible| feasible.node == *node);
    let ok: String = cycle.nodes.iter().map(|node| if is_feasible(node) { '1' } else { '0' }).collect();
    tally.compare(("all filters", "feasible"), place, &step.filter.ok, &ok);
    if let Some(verdict) = &step.filter.prefilter {
        let ours = attempt.diagnosis.absent_nodes.as_ref().map(words_of);
        tally.compare(("all filters", "prefilter"), place, &Some(words_in(verdict, &verdict.plugin)), &ours);
    } else if !step.filter.nominated {
        for (position, node) in cycle.nodes.iter().enumerate().filter(|(_, node)| !is_feasible(node)) {
            let rejection = attempt.diagnosis.nodes.get(node).or(attempt.diagnosis.absent_nodes.as_ref());
            let theirs = verdict_at(&step.filter, position).map(|verdict| words_in(verdict, &verdict.plugin));
            let at = format!("{place} on {}", cycle.view.world.nodes.name(*node));
            // Of nodes that PreFilter left out the vectors tell the code; the words are in the message.
            let words = |words: Words| if words.0.is_empty() { (words.0, words.1, BTreeSet::new()) } else { words };
            let ours = rejection.map(words_of).map(words);
            tally.compare(("all filters", "verdict"), &at, &theirs.map(words), &ours);
        }
    }
    if attempt.feasible.is_empty() {
        let message = attempt.diagnosis.message(cycle.nodes.len());
        tally.compare(("all filters", "message"), place, &step.message, &message);
    }
}

fn compare_scores<'a>(
    tally: &mut Tally,
    place: &str,
    theirs: &Scores,
    cycle: &Cycle<'a>,
    framework: &Framework,
    feasible: &[NodeInfo<'a>],
) {
    let ours = framework.score(cycle, feasible);
    for scores in &ours {
        let name = scores.plugin.as_str();
        // A plug-in that skips counts as 0.
        if let Some(raw) = theirs.raw.get(name) {
            tally.compare((name, "raw"), place, raw, &scores.raw.clone().unwrap_or_else(|| vec![0; feasible.len()]));
        }
        let zeros = vec![0; feasible.len()];
        let weighted: Vec<i64> = scores.normalised.iter().map(|score| score * scores.weight).collect();
        tally.compare((name, "weighted"), place, theirs.weighted.get(name).unwrap_or(&zeros), &weighted);
    }
    let totals = totals(&ours, feasible.len());
    tally.compare(("all scores", "total"), place, &theirs.total, &totals);
    let best = totals.iter().max().copied();
    let best_nodes: BTreeSet<NodeId> =
        feasible.iter().zip(&totals).filter(|(_, total)| Some(**total) == best).map(|(node, _)| node.node).collect();
    let bits: String = cycle.nodes.iter().map(|node| if best_nodes.contains(node) { '1' } else { '0' }).collect();
    tally.compare(("all scores", "best"), place, &theirs.best, &bits);
}

fn compare_preemption<'a>(
    tally: &mut Tally,
    place: &str,
    theirs: &Victims,
    cycle: &Cycle<'a>,
    attempt: &Attempt<'a>,
    pods: &BTreeMap<String, PodId>,
) {
    const NAME: &str = "DefaultPreemption";
    let nothing = Filters::default();
    let filters = attempt.filters.as_ref().unwrap_or(&nothing);
    let preemption = Preemption { cycle, filters, diagnosis: &attempt.diagnosis };
    let name_of = |pod: &PodId| pods.iter().find(|(_, other)| *other == pod).map(|(name, _)| name.clone());
    match preemption.candidates(None) {
        Ok(mut candidates) => {
            let position = |node: NodeId| cycle.nodes.iter().position(|other| *other == node);
            candidates.sort_by_key(|candidate| position(candidate.node));
            let name = |node: NodeId| cycle.view.world.nodes.name(node).to_owned();
            let ours: Vec<Candidate> = candidates
                .iter()
                .map(|candidate| Candidate {
                    node: name(candidate.node),
                    victims: candidate.victims.iter().filter_map(name_of).collect(),
                    violations: candidate.pdb_violations,
                })
                .collect();
            tally.compare((NAME, "candidates"), place, &theirs.candidates, &ours);
            let best = choose(&cycle.view, candidates).map(|best| name(best.node)).unwrap_or_default();
            let is_best = theirs.best.contains(&best);
            tally.compare((NAME, "best"), place, &(&theirs.best, true), &(&theirs.best, is_best));
        }
        Err(reason) => {
            tally.compare((NAME, "candidates"), place, &theirs.candidates, &Vec::new());
            tally.compare((NAME, "message"), place, &theirs.message, &reason.message);
        }
    }
}

fn replay(path: &Path, tally: &mut Tally) {
    let (header, lines) = vectors::open(path);
    match header.kind.as_str() {
        "scheduler" => lines.for_each(|line| replay_case(&line, tally)),
        "queue" => lines.for_each(|line| queue::replay(&line, tally)),
        "sampling" => lines.for_each(|line| sampling::replay(&line, tally)),
        kind => panic!("{}: kind {kind}", path.display()),
    }
}

fn replay_case(line: &str, tally: &mut Tally) {
    let case: Case = serde_json::from_str(line).expect("the format is known");
    Replay::new(&case, tally).run();
}

#[test]
fn the_real_scheduler_decides_the_same() {
    let mut tally = Tally::default();
    vectors::files("scheduler").iter().for_each(|path| replay(path, &mut tally));
    tally.left_out.iter().for_each(|(why, cases)| println!("left out: {cases} x {why}"));
    tally.compared.assert_agreement();
    vectors::check_page("kube_vectors", "docs/kube-scheduler-conformance.md", &page(&tally));
}

//! The fast path against the plain form, on random clusters while pods come and go.

use serde_json::json;

use std::collections::BTreeMap;

use super::{FastPath, Find};
use crate::ids::{ClassId, NodeId, PodId};
use crate::model::cluster::NodeImage;
use crate::model::kube_scheduler::{ExtensionPoint, KubeSchedulerConfiguration, Profile, TieBreak};
use crate::model::objects::{Allowance, CountOrPercent, DisruptionBudget, Service};
use crate::model::pod_spec::{
    HostPort, LabelRequirement, NodeSelectorTerm, PodAffinityTerm, SelectorOperator, TopologySpreadConstraint,
    WhenUnsatisfiable,
};
use crate::model::{
    Cluster, Label, Model, Node, NodeShape, PodClass, PodSpec, Resources, ShapeId, Taint, TaintEffect, Toleration,
    TolerationOperator, Workload,
};
use crate::policy::scheduler::kube::schedule::{Attempt, Search};
use crate::policy::scheduler::kube::test_cluster::{hard, node_term, selector, term};
use crate::policy::scheduler::kube::{Cycle, Framework, NodeTree, Rejection};
use crate::policy::scheduler::{Decision, Refusal, Scheduler, filter, find};
use crate::rng::{Seed, Stream};
use crate::testkit;
use crate::units::{Bytes, MilliCpu};
use crate::world::{Deletion, NodeState, Phase, View, World};

const KEYS: [&str; 3] = ["topology.kubernetes.io/zone", "kubernetes.io/hostname", "rack"];
const PODS: [&str; 5] = ["app=a", "app=b", "app!=a", "tier", "app=a|b"];

/// Random clusters.
const SEEDS: u64 = 300;

struct Draw(Stream);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'t>(&mut self, items: &[&'t str]) -> &'t str {
        items[self.below(items.len())]
    }

    fn shape(&mut self) -> NodeShape {
        let mut labels = Vec::new();
        let mut label = |key: &str, value: String| labels.push(Label { key: key.to_owned(), value });
        if self.chance(60) {
            label("disk", ["ssd", "hdd"][self.below(2)].to_owned());
        }
        if self.chance(80) {
            label("rack", format!("r{}", self.below(4)));
        }
        if self.chance(90) {
            label("topology.kubernetes.io/zone", format!("z{}", self.below(3)));
        }
        let mut taints = Vec::new();
        for effect in [TaintEffect::NoSchedule, TaintEffect::PreferNoSchedule] {
            if self.chance(20) {
                let key = ["gpu", "spot"][self.below(2)].to_owned();
                taints.push(Taint { key, value: String::new(), effect });
            }
        }
        let allocatable = Resources {
            cpu: MilliCpu(1000 * (2 + self.below(6) as u64)),
            memory: Bytes((4 + self.below(12) as u64) << 30),
            pods: 4 + self.below(20) as u64,
            ..Resources::default()
        };
        // Some have an image that some pods need.
        let image = NodeImage { names: vec!["image:1".to_owned()], size_bytes: 400 << 20 };
        let images = if labels.len() == 2 { vec![image] } else { Vec::new() };
        NodeShape { labels, taints, allocatable, images, ..NodeShape::default() }
    }

    fn term(&mut self) -> PodAffinityTerm {
        let mut term = term(self.pick(&PODS), self.pick(&KEYS));
        if self.chance(20) {
            term.namespaces = vec!["default".to_owned(), "other".to_owned()];
        }
        if self.chance(10) {
            term.namespace_selector = Some(selector(""));
        }
        term
    }

    fn node_terms(&mut self) -> NodeSelectorTerm {
        node_term(self.pick(&["disk=ssd", "disk", "!disk", "rack=r0|r1"]))
    }

    fn spread(&mut self) -> TopologySpreadConstraint {
        let mut spread = hard(1 + self.below(3) as i32, self.pick(&KEYS), self.pick(&PODS));
        if self.chance(60) {
            spread.when_unsatisfiable = WhenUnsatisfiable::ScheduleAnyway;
        } else if self.chance(20) {
            spread.min_domains = Some(1 + self.below(4) as i32);
        }
        spread.honors_node_affinity = self.chance(80);
        spread.honors_node_taints = self.chance(30);
        spread
    }

    fn spec(&mut self) -> PodSpec {
        let labels = vec![Label { key: "app".to_owned(), value: self.pick(&["a", "b", "c"]).to_owned() }];
        let mut spec = PodSpec { labels, ..PodSpec::default() };
        if self.chance(30) {
            spec.labels.push(Label { key: "tier".to_owned(), value: "web".to_owned() });
        }
        if self.chance(15) {
            spec.namespace = "other".to_owned();
        }
        if self.chance(20) {
            let names = self.chance(30);
            spec.node_affinity.required = Some(vec![if names { self.names() } else { self.node_terms() }]);
        }
        if self.chance(30) {
            spec.node_affinity.preferred = vec![(1 + self.below(100) as i32, self.node_terms())];
        }
        for affinity in [&mut spec.pod_affinity, &mut spec.pod_anti_affinity] {
            if self.chance(20) {
                affinity.required.push(self.term());
            }
            if self.chance(25) {
                affinity.preferred.push((1 + self.below(100) as i32, self.term()));
            }
        }
        if self.chance(40) {
            spec.topology_spread = (0..1 + self.below(2)).map(|_| self.spread()).collect();
        }
        if self.chance(15) {
            let (ip, protocol) = ("0.0.0.0".to_owned(), "TCP".to_owned());
            spec.host_ports = vec![HostPort { ip, protocol, port: 8000 + self.below(2) as i32 }];
        }
        spec
    }

    fn class(&mut self, number: usize) -> PodClass {
        let cpu = if self.chance(20) { 1500 } else { 100 * self.below(8) as u64 };
        let requests = Resources {
            cpu: MilliCpu(cpu),
            memory: Bytes((self.below(8) as u64) << 28),
            pods: 1,
            ..Resources::default()
        };
        let toleration = |key: &str| Toleration {
            key: key.to_owned(),
            operator: TolerationOperator::Exists,
            value: String::new(),
            effect: None,
            duration: None,
        };
        let tolerations = if self.chance(40) { vec![toleration(self.pick(&["gpu", "spot"]))] } else { Vec::new() };
        let mut spec = if self.chance(75) { self.spec() } else { PodSpec::default() };
        spec.never_preempts = self.chance(5);
        if number.is_multiple_of(3) {
            spec.images = vec!["image:1".to_owned()];
        }
        let template = format!("t{number}");
        let priority = [0, 0, 5, 10][self.below(4)].max(if cpu == 1500 { 5 } else { 0 });
        PodClass { template, requests, tolerations, priority, spec: Box::new(spec), ..PodClass::default() }
    }

    /// A term that names some of the first nodes.
    fn names(&mut self) -> NodeSelectorTerm {
        let values = (0..1 + self.below(2)).map(|_| format!("n{}", self.below(10))).collect();
        let key = "metadata.name".to_owned();
        let fields = vec![LabelRequirement { key, operator: SelectorOperator::In, values }];
        NodeSelectorTerm { expressions: vec![], fields }
    }

    fn budget(&mut self) -> DisruptionBudget {
        let count = CountOrPercent::Count(self.below(3) as i32);
        let allowance = match self.below(3) {
            0 => Allowance::Given(self.below(3) as i32),
            1 => Allowance::MinAvailable(count),
            _ => Allowance::MaxUnavailable(count),
        };
        let selector = Some(selector(self.pick(&PODS)));
        let (namespace, name) = ("default".to_owned(), "budget".to_owned());
        DisruptionBudget { namespace, name, selector, allowance, disrupted_pods: vec![] }
    }

    fn configuration(&mut self) -> KubeSchedulerConfiguration {
        let tie_break = [TieBreak::First, TieBreak::Heap, TieBreak::Random][self.below(3)];
        let mut profile = Profile::default();
        if self.chance(50) {
            profile.arguments.preemption_candidates_min = 1 + self.below(4) as i32;
            profile.arguments.preemption_candidates_percentage = 0;
        }
        if self.chance(30) {
            // Another order of filters: others speak first.
            let filters = &mut profile.plugins.points[ExtensionPoint::Filter as usize];
            let at = self.below(filters.len());
            filters.rotate_left(at);
        }
        if self.chance(20) {
            profile.percentage_of_nodes_to_score = Some(60);
        }
        KubeSchedulerConfiguration { tie_break, profiles: vec![profile], ..KubeSchedulerConfiguration::default() }
    }

    fn model(&mut self) -> Model {
        let mut cluster = Cluster::default();
        let shapes: Vec<_> = (0..1 + self.below(6)).map(|_| self.shape()).collect();
        let shapes: Vec<_> = shapes.into_iter().map(|shape| cluster.intern_shape(shape)).collect();
        // What each shape becomes when its node has trouble.
        for shape in &shapes {
            let mut troubled = cluster.shape(*shape).clone();
            let (key, effect) = ("spot".to_owned(), TaintEffect::NoSchedule);
            troubled.taints.push(Taint { key, value: String::new(), effect });
            cluster.intern_shape(troubled);
        }
        // Every other cluster is large enough for a part of its nodes to be enough.
        let nodes = if self.chance(50) { 1 + self.below(30) } else { 100 + self.below(150) };
        for number in 0..nodes {
            let shape = shapes[self.below(shapes.len())];
            cluster.nodes.push(Node { name: format!("n{number}"), shape, unschedulable: self.chance(3) });
        }
        let classes = (0..1 + self.below(8)).map(|number| self.class(number)).collect();
        let mut model = testkit::model(cluster, Workload { classes, ..Workload::default() });
        if self.chance(30) {
            let selector = vec![Label { key: "app".to_owned(), value: "a".to_owned() }];
            let (namespace, name) = ("default".to_owned(), "service".to_owned());
            model.objects.services.push(Service { namespace, name, selector });
        }
        if self.chance(30) {
            model.objects.disruption_budgets = (0..1 + self.below(2)).map(|_| self.budget()).collect();
        }
        model.scheduling.kube_scheduler = Some(Box::new(self.configuration()));
        model
    }
}

/// A random cluster with classes of pods that use whatever keeps pods from nodes.
pub(in crate::policy) fn random_model(seed: u64) -> Model {
    Draw(testkit::SEED.stream("random-model", seed)).model()
}

fn policy(model: &Model, fast_path: bool) -> Box<dyn Scheduler> {
    let row = find("kube-scheduler").expect("a row of the table");
    row.build(&json!({ "fastPath": fast_path }), model, testkit::SEED).expect("a good configuration")
}

/// A cluster that runs, and both forms of the policy.
struct Trial<'m> {
    draw: Draw,
    model: &'m Model,
    world: World,
    fast: Box<dyn Scheduler>,
    plain: Box<dyn Scheduler>,
    running: Vec<PodId>,
    /// Refused pods, which are tried again.
    waiting: Vec<PodId>,
    inside: Inside,
}

/// The fast path itself, beside attempts in the plain form.
struct Inside {
    framework: Framework,
    percentage: i32,
    tree: NodeTree,
    nodes: Vec<NodeId>,
    path: FastPath,
}

/// How often things happened: the test means something only while all of them happen often.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    placed: u32,
    refused: u32,
    ties: u32,
    nominations: u32,
    victims: usize,
    promised: u32,
    left_to_plain: u32,
}

impl<'m> Trial<'m> {
    fn new(draw: Draw, model: &'m Model) -> Trial<'m> {
        let configuration = model.scheduling.kube_scheduler.as_ref().expect("the model has one");
        let profile = &configuration.profiles[0];
        let inside = Inside {
            framework: Framework::new(profile).expect("the plug-ins exist"),
            percentage: profile.percentage_of_nodes_to_score.unwrap_or(0),
            tree: NodeTree::default(),
            nodes: vec![],
            path: FastPath::default(),
        };
        let (fast, plain) = (policy(model, true), policy(model, false));
        let mut trial =
            Trial { draw, model, world: World::new(model), fast, plain, running: vec![], waiting: vec![], inside };
        // Pods that were there before: they came bound, and some are on their way out.
        let most = [0, 8, 24][trial.draw.below(3)];
        if most > 0 {
            for node in 0..trial.world.nodes.len() {
                for _ in 0..trial.draw.below(most) {
                    let (pod, class) = trial.arrive(node as u32);
                    let view = View { model, world: &trial.world };
                    if filter::fits(&view, class, NodeId::from_index(node)) {
                        let is_leaving = trial.draw.chance(5);
                        trial.world.pods.deletion[pod.index()] =
                            if is_leaving { Deletion::Requested } else { Deletion::None };
                        trial.place(pod, NodeId::from_index(node));
                    }
                }
            }
        }
        trial
    }

    fn arrive(&mut self, number: u32) -> (PodId, ClassId) {
        let class = ClassId::from_index(self.draw.below(self.model.workload.classes.len()));
        (self.world.arrive((0, number), class, u64::MAX), class)
    }

    fn place(&mut self, pod: PodId, node: NodeId) {
        let class = self.world.pods.class[pod.index()];
        self.world.place(self.model.workload.class(class), pod, node, 0);
        self.world.nominated.remove(&pod);
        let phase = [Phase::Starting, Phase::Running][self.draw.below(2)];
        self.world.set_phase(pod, phase);
        // Not all nodes have seen their pods.
        if self.draw.chance(90) {
            self.world.pods.start_ns[pod.index()] = self.world.time.0 as i64;
        }
        self.running.push(pod);
    }

    fn end(&mut self, pod: PodId) {
        self.running.retain(|other| *other != pod);
        let class = self.world.pods.class[pod.index()];
        self.world.release(self.model.workload.class(class), pod);
        self.world.set_phase(pod, Phase::Deleted);
    }

    /// What happens between two decisions: pods end, nodes are cordoned and join, promises are taken back.
    fn stir(&mut self) {
        self.world.time.0 += self.draw.below(3_000_000_000) as u64;
        if !self.running.is_empty() && self.draw.chance(20) {
            let pod = self.running[self.draw.below(self.running.len())];
            self.end(pod);
        }
        if !self.waiting.is_empty() && self.draw.chance(5) {
            let pod = self.waiting[self.draw.below(self.waiting.len())];
            self.world.nominated.remove(&pod);
        }
        let node = NodeId::from_index(self.draw.below(self.world.nodes.len()));
        if self.draw.chance(3) && self.world.nodes.state[node.index()].is_up() {
            let state = if self.draw.chance(50) { NodeState::Ready } else { NodeState::Cordoned };
            self.world.set_node_state(node, state);
        }
        if self.draw.chance(3) {
            let shape = self.world.nodes.shape[self.draw.below(self.world.nodes.len())];
            self.world.add_node(self.model, &format!("late-{}", self.world.nodes.len()), shape);
        }
        if self.draw.chance(3) {
            self.leave(node);
        }
        if self.draw.chance(3) {
            self.trouble(node);
        }
    }

    /// A node leaves, if it is not the last, and its pods are gone.
    fn leave(&mut self, node: NodeId) {
        if self.world.totals.nodes_up < 2 || !self.world.nodes.state[node.index()].is_up() {
            return;
        }
        for pod in self.world.nodes.pods(&self.world.pods, node).collect::<Vec<_>>() {
            self.end(pod);
        }
        self.world.set_node_state(node, NodeState::Removed);
    }

    /// A node gets a taint, or loses it.
    fn trouble(&mut self, node: NodeId) {
        let cluster = &self.model.cluster;
        let is_alike = |one: &NodeShape, other: &NodeShape| {
            (&one.labels, &one.allocatable) == (&other.labels, &other.allocatable) && one.taints != other.taints
        };
        let soft = |shape: &NodeShape| {
            shape.taints.iter().filter(|taint| taint.effect == TaintEffect::PreferNoSchedule).count()
        };
        let now = cluster.shape(self.world.nodes.shape[node.index()]);
        let other = cluster.shapes.iter().position(|shape| is_alike(now, shape) && soft(now) == soft(shape));
        if let Some(other) = other {
            self.world.nodes.shape[node.index()] = ShapeId(other as u32);
            self.world.changes.record(node);
        }
    }

    /// The next pod, a new one or one that waits.
    fn next(&mut self, number: u32) -> PodId {
        match self.waiting.len() {
            waiting if waiting > 0 && self.draw.chance(40) => self.waiting.swap_remove(self.draw.below(waiting)),
            _ => self.arrive(number).0,
        }
    }

    fn step(&mut self, number: u32, tally: &mut Tally, place: &str) {
        self.stir();
        let pod = self.next(number);
        let view = View { model: self.model, world: &self.world };
        let class = self.world.pods.class[pod.index()];
        tally.promised += u32::from(self.world.nominated.get(&pod).is_some());
        let start = self.draw.below(self.world.nodes.len());
        tally.left_to_plain += u32::from(!self.inside.compare(view, pod, start, place));
        let expected = self.plain.decide_for(&view, pod);
        assert_eq!(self.fast.decide_for(&view, pod), expected, "{place}, class {class:?}");
        let refusal = self.plain.refusal();
        assert_eq!(self.fast.refusal(), refusal, "{place}, class {class:?}");
        match expected {
            Decision::Place(placement) => {
                tally.placed += 1;
                tally.ties += u32::from(placement.ties > 1);
                self.place(pod, placement.node);
            }
            Decision::Unschedulable => {
                tally.refused += 1;
                self.refuse(pod, &refusal, tally);
            }
        }
    }

    /// As the engine does it, but that some victims are slow to go.
    fn refuse(&mut self, pod: PodId, refusal: &Refusal, tally: &mut Tally) {
        self.waiting.push(pod);
        if refusal.clears_nomination {
            self.world.nominated.remove(&pod);
        }
        let Some(nomination) = &refusal.nomination else { return };
        tally.nominations += 1;
        tally.victims += nomination.victims.len();
        let priority = |world: &World, pod: PodId| self.model.workload.class(world.pods.class[pod.index()]).priority;
        for other in self.world.nominated.on(nomination.node).to_vec() {
            if priority(&self.world, other) < priority(&self.world, pod) {
                self.world.nominated.remove(&other);
            }
        }
        self.world.nominated.insert(pod, nomination.node);
        for &victim in &nomination.victims {
            if self.draw.chance(85) {
                self.end(victim);
            }
        }
    }
}

impl Inside {
    /// Compares node by node; returns whether the fast path knew the class.
    fn compare(&mut self, view: View<'_>, pod: PodId, start: usize, place: &str) -> bool {
        if self.tree.update(view) {
            self.nodes = self.tree.list();
            self.path.follow(view, &self.nodes);
        }
        let class = view.world.pods.class[pod.index()];
        let (nodes, framework) = (&self.nodes, &self.framework);
        let cycle = Cycle { view, pod: Some(pod), class, nodes, arguments: framework.arguments() };
        let start = start % nodes.len();
        let search = Search { start, percentage: self.percentage };
        let attempt = Attempt::make(framework, &[], &cycle, search).expect("there are no extenders");
        let Some(found) = self.path.find(framework, &cycle, start, self.percentage) else { return false };
        match found {
            Find::Promised(node) => {
                assert_eq!((attempt.feasible[0].node, attempt.processed), (node, None), "{place}");
            }
            Find::Best(found) => {
                let theirs = (found.feasible(), Some(found.examined()));
                assert_eq!(theirs, (attempt.feasible.len(), attempt.processed), "{place}");
                if found.feasible() == 0 {
                    assert_eq!(self.path.refusal(framework, &cycle), attempt.diagnosis.summary(), "{place}");
                    let state = self.path.classes[class.index()].as_ref().and_then(Option::as_ref).expect("known");
                    if !state.is_named() {
                        let verdict = |(position, node): (usize, &NodeId)| {
                            Some((*node, state.final_verdicts().rejection(position)?.clone()))
                        };
                        let nodes: BTreeMap<NodeId, Rejection> = nodes.iter().enumerate().filter_map(verdict).collect();
                        assert_eq!(nodes, attempt.diagnosis.nodes, "{place}");
                    }
                }
            }
        }
        true
    }
}

#[test]
fn the_fast_path_decides_as_the_plain_form() {
    let mut tally = Tally::default();
    for seed in 0..SEEDS {
        let mut draw = Draw(Seed { base: seed, replication: 0 }.stream("test/fast", 0));
        let model = draw.model();
        let mut trial = Trial::new(draw, &model);
        for step in 0..60 {
            trial.step(step, &mut tally, &format!("seed {seed}, step {step}"));
        }
    }
    let Tally { placed, refused, ties, nominations, victims, promised, left_to_plain } = tally;
    let is_varied = placed > 5000 && refused > 1000 && ties > 500 && nominations > 200 && victims > 300;
    assert!(is_varied && promised > 100 && left_to_plain < 200, "{tally:?}");
}

//! The fast path against the plain form, on random clusters while pods come and go.

use serde_json::json;

use crate::ids::{ClassId, NodeId, PodId};
use crate::model::kube_scheduler::{KubeSchedulerConfiguration, TieBreak};
use crate::model::pod_spec::{
    HostPort, NodeSelectorTerm, PodAffinityTerm, TopologySpreadConstraint, WhenUnsatisfiable,
};
use crate::model::{
    Cluster, Label, Model, Node, NodeShape, PodClass, PodSpec, Resources, Taint, TaintEffect, Toleration,
    TolerationOperator, Workload,
};
use crate::policy::scheduler::kube::test_cluster::{hard, node_term, selector, term};
use crate::policy::scheduler::{Decision, Scheduler, find};
use crate::rng::{Seed, Stream};
use crate::testkit;
use crate::units::{Bytes, MilliCpu};
use crate::world::{NodeState, View, World};

const KEYS: [&str; 3] = ["topology.kubernetes.io/zone", "kubernetes.io/hostname", "rack"];
const PODS: [&str; 5] = ["app=a", "app=b", "app!=a", "tier", "app=a|b"];

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
        NodeShape { labels, taints, allocatable, ..NodeShape::default() }
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
            spec.node_affinity.required = Some(vec![self.node_terms()]);
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
        let requests = Resources {
            cpu: MilliCpu(100 * self.below(8) as u64),
            memory: Bytes((self.below(8) as u64) << 28),
            pods: 1,
            ..Resources::default()
        };
        let toleration = |key: &str| Toleration {
            key: key.to_owned(),
            operator: TolerationOperator::Exists,
            value: String::new(),
            effect: None,
        };
        let tolerations = if self.chance(40) { vec![toleration(self.pick(&["gpu", "spot"]))] } else { Vec::new() };
        let spec = if self.chance(75) { self.spec() } else { PodSpec::default() };
        let template = format!("t{number}");
        PodClass { template, requests, tolerations, spec: Box::new(spec), ..PodClass::default() }
    }

    fn model(&mut self) -> Model {
        let mut cluster = Cluster::default();
        let shapes: Vec<_> = (0..1 + self.below(6)).map(|_| self.shape()).collect();
        let shapes: Vec<_> = shapes.into_iter().map(|shape| cluster.intern_shape(shape)).collect();
        // Every other cluster is large enough for a part of its nodes to be enough.
        let nodes = if self.chance(50) { 1 + self.below(30) } else { 100 + self.below(150) };
        for number in 0..nodes {
            let shape = shapes[self.below(shapes.len())];
            cluster.nodes.push(Node { name: format!("n{number}"), shape, unschedulable: self.chance(3) });
        }
        let classes = (0..1 + self.below(8)).map(|number| self.class(number)).collect();
        let mut model = testkit::model(cluster, Workload { classes, ..Workload::default() });
        let tie_break = [TieBreak::First, TieBreak::Heap, TieBreak::Random][self.below(3)];
        let configuration = KubeSchedulerConfiguration { tie_break, ..KubeSchedulerConfiguration::default() };
        model.scheduling.kube_scheduler = Some(Box::new(configuration));
        model
    }
}

fn policy(model: &Model, fast_path: bool) -> Box<dyn Scheduler> {
    let row = find("kube-scheduler").expect("a row of the table");
    row.build(&json!({ "fastPath": fast_path }), model, testkit::SEED).expect("a good configuration")
}

/// What happens between two decisions: pods end, nodes are cordoned and join.
fn stir(draw: &mut Draw, model: &Model, world: &mut World, running: &mut Vec<PodId>) {
    if !running.is_empty() && draw.chance(30) {
        let pod = running.swap_remove(draw.below(running.len()));
        world.release(model.workload.class(world.pods.class[pod.index()]), pod);
    }
    let node = NodeId::from_index(draw.below(world.nodes.len()));
    if draw.chance(3) && world.nodes.state[node.index()].is_up() {
        let state = if draw.chance(50) { NodeState::Ready } else { NodeState::Cordoned };
        world.set_node_state(node, state);
    }
    if draw.chance(2) {
        let shape = world.nodes.shape[draw.below(world.nodes.len())];
        world.add_node(model, &format!("late-{}", world.nodes.len()), shape);
    }
}

#[test]
fn the_fast_path_decides_as_the_plain_form() {
    let (mut placed, mut refused, mut with_ties) = (0, 0, 0);
    for seed in 0..300 {
        let mut draw = Draw(Seed { base: seed, replication: 0 }.stream("test/fast", 0));
        let model = draw.model();
        let mut world = World::new(&model);
        let (mut fast, mut plain) = (policy(&model, true), policy(&model, false));
        let mut running = Vec::new();
        for step in 0..60 {
            stir(&mut draw, &model, &mut world, &mut running);
            let class = ClassId::from_index(draw.below(model.workload.classes.len()));
            let pod = world.arrive((0, step), class, u64::MAX);
            let view = View { model: &model, world: &world };
            let expected = plain.decide_for(&view, pod);
            assert_eq!(fast.decide_for(&view, pod), expected, "seed {seed}, step {step}, class {class:?}");
            match expected {
                Decision::Place(placement) => {
                    placed += 1;
                    with_ties += u32::from(placement.ties > 1);
                    world.place(model.workload.class(class), pod, placement.node, 0);
                    running.push(pod);
                }
                Decision::Unschedulable => refused += 1,
            }
        }
    }
    // The test means something only while all of these happen often.
    assert!(placed > 5000 && refused > 500 && with_ties > 500, "{placed} placed, {refused} refused, {with_ties} ties");
}

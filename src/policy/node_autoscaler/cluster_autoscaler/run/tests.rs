//! The loop over small worlds, turn by turn, and the filters against the scheduler's own.

use serde_json::{Value, json};

use super::ROW;
use super::picture::{Picture, State};
use crate::ids::{ClassId, GroupId, MachineId, NodeId, OfferId, PodId, PoolId};
use crate::model::disruption::{DoNotDisrupt, SafeToEvict};
use crate::model::kube_scheduler::Profile;
use crate::model::provisioning::{MachineDelays, Market, NodeGroup, Offer, Provisioning};
use crate::model::{Model, PodDisruption, Pool};
use crate::policy::node_autoscaler::cluster_autoscaler::snapshot::{Fits, NodeKey, Snapshot};
use crate::policy::node_autoscaler::{Action, NodeAutoscaler, Order, Seen, Setting};
use crate::policy::scheduler::kube::{Cycle, Framework, NodeInfo, random_model};
use crate::testkit::{SEED, cluster};
use crate::units::{SimDuration, SimTime};
use crate::world::fleet::Refusal;
use crate::world::{MachineState, NodeState, Phase, View, World};

fn ignore<T>(_: T) {}

fn at(seconds: u64) -> SimTime {
    SimTime(seconds * 1_000_000_000)
}

/// One pool of nodes with 4 cores that can grow from `min` to `max`, `nodes` of which are there; pods of class 0 ask for
/// 1500 milli-cores, those of class 1 for 1000 in `kube-system`.
fn model(nodes: usize, min: u32, max: u32) -> Model {
    let fixture = cluster().node("workers").times(nodes.max(1)).pod("batch").cpu(1500).pod("dns").cpu(1000);
    let fixture = fixture.edit_pod(|pod| pod.spec.namespace = "kube-system".to_owned());
    let mut model = fixture.model();
    for shape in &mut model.cluster.shapes {
        shape.pool = Some(PoolId(0));
    }
    model.cluster.nodes.truncate(nodes);
    let shape = crate::model::ShapeId(0);
    model.cluster.pools = vec![Pool { name: "workers".to_owned(), shapes: vec![shape] }];
    let (offers, delays) = (vec![OfferId(0)], MachineDelays::default());
    model.provisioning = Provisioning {
        groups: vec![NodeGroup { pool: PoolId(0), min, max, offers, is_spread: false, delays }],
        offers: vec![Offer { group: GroupId(0), shape, market: Market::OnDemand }],
        ..Provisioning::default()
    };
    model
}

/// A world, the autoscaler, and the pods that wait.
struct Play<'m> {
    model: &'m Model,
    world: World,
    policy: Box<dyn NodeAutoscaler>,
    waiting: Vec<(PodId, SimTime)>,
}

impl<'m> Play<'m> {
    fn new(model: &'m Model, parameters: &Value) -> Play<'m> {
        let setting = Setting { model, groups: &[GroupId(0)], position: 0 };
        let policy = ROW.build(parameters, &setting).expect("right parameters");
        Play { model, world: World::new(model), policy, waiting: Vec::new() }
    }

    fn arrive(&mut self, class: u32) -> PodId {
        let pod = self.world.arrive((0, 0), ClassId(class), u64::MAX);
        self.waiting.push((pod, self.world.time));
        pod
    }

    /// A pod that runs on a node.
    fn run(&mut self, class: u32, node: u32) -> PodId {
        let pod = self.world.arrive((0, 0), ClassId(class), u64::MAX);
        self.world.place(self.model.workload.class(ClassId(class)), pod, NodeId(node), 0);
        self.world.set_phase(pod, Phase::Running);
        pod
    }

    fn turn(&mut self, seconds: u64) -> Vec<Order> {
        self.world.time = at(seconds);
        let view = View { model: self.model, world: &self.world };
        let turn = self.policy.turn(&Seen { view, unschedulable: &self.waiting });
        assert_eq!(turn.next, at(seconds + 10));
        turn.orders
    }

    /// What a turn orders: machines bought, and machines returned.
    fn wishes(&mut self, seconds: u64) -> (u32, Vec<u32>) {
        let (mut bought, mut returned) = (0, Vec::new());
        for order in self.turn(seconds) {
            match order.action {
                Action::Buy { count, .. } => bought += count,
                Action::Return { machine, .. } => returned.push(machine.0),
                Action::Cordon(..) => panic!("it cordons nothing by itself"),
            }
        }
        (bought, returned)
    }

    fn order(&mut self, count: u32) -> Vec<MachineId> {
        let now = self.world.time;
        (0..count).map(|_| self.world.fleet.order(GroupId(0), OfferId(0), now)).collect()
    }

    fn join(&mut self, machine: MachineId) -> NodeId {
        let now = self.world.time;
        self.world.fleet.launch(machine, now);
        let node = self.world.add_node(self.model, &format!("new-{}", machine.0), crate::model::ShapeId(0));
        self.world.fleet.join(machine, node, now);
        node
    }

    fn drain(&mut self, machine: u32) {
        let (machine, now) = (MachineId(machine), self.world.time);
        self.world.fleet.drain(machine, now);
        let node = self.world.fleet.get(machine).node.expect("a node");
        self.world.set_node_state(node, NodeState::Cordoned);
    }
}

const NOTHING: (u32, Vec<u32>) = (0, vec![]);

#[test]
fn pods_that_fit_nowhere_buy_nodes_once() {
    let model = model(1, 0, 10);
    let mut play = Play::new(&model, &json!({}));
    play.run(0, 0);
    play.run(0, 0);
    play.world.time = at(9);
    (0..5).for_each(|_| ignore(play.arrive(0)));
    // The pods are younger than 2 s.
    assert_eq!(play.wishes(10), NOTHING);
    // 4000 / 1500 = 2 a node: 5 pods need 3 nodes.
    assert_eq!(play.wishes(20), (3, vec![]));
    let machines = play.order(3);
    // What is on its way has room for them.
    assert_eq!(play.wishes(30), NOTHING);
    // Two join, one of them is ready: still room for all.
    let first = play.join(machines[0]);
    play.join(machines[1]);
    play.world.fleet.become_ready(machines[0], at(40));
    assert_eq!(play.wishes(40), NOTHING);
    // Two go to the first, and two more come: 2 + 2 + 1 = 5 pods for the other two nodes, which take 4.
    for pod in 0..2 {
        let (pod, _) = play.waiting.remove(pod);
        play.world.place(model.workload.class(ClassId(0)), pod, first, 0);
    }
    (0..2).for_each(|_| ignore(play.arrive(0)));
    assert_eq!(play.wishes(50), (1, vec![]));
}

#[test]
fn the_largest_size_and_the_limit_of_the_cluster_hold() {
    let model = model(1, 0, 3);
    // Nodes there may be, nodes that are bought for 5 pods: 2 go to the node that is there, 3 need 2.
    for (parameters, bought) in [
        (json!({}), 2),
        (json!({"maxNodesTotal": 2}), 1),
        (json!({"maxNodesTotal": 1}), 0),
        (json!({"coresTotal": "0:8"}), 1),
        (json!({"coresTotal": "0:11"}), 1),
        (json!({"memoryTotal": "0:48"}), 2),
        (json!({"expendablePodsPriorityCutoff": 1}), 0),
        (json!({"newPodScaleUpDelay": "1m"}), 0),
        (json!({"expander": "price"}), 2),
    ] {
        let mut play = Play::new(&model, &parameters);
        (0..5).for_each(|_| ignore(play.arrive(0)));
        assert_eq!(play.wishes(10), (bought, vec![]), "{parameters}");
    }
}

#[test]
fn a_group_that_is_refused_backs_off() {
    let model = model(0, 0, 10);
    let mut play = Play::new(&model, &json!({}));
    play.arrive(0);
    assert_eq!(play.wishes(10), (1, vec![]));
    let machine = play.order(1)[0];
    assert_eq!(play.wishes(20), NOTHING);
    play.world.fleet.refuse(machine, Refusal::StockOut, at(25));
    // Left alone for 5 minutes from the turn that sees it, the last instant included.
    assert_eq!(play.wishes(30), NOTHING);
    assert_eq!(play.wishes(330), NOTHING);
    assert_eq!(play.wishes(340), (1, vec![]));
    let machine = play.order(1)[0];
    play.world.fleet.refuse(machine, Refusal::StockOut, at(345));
    // The second back-off is twice as long.
    assert_eq!(play.wishes(350), NOTHING);
    assert_eq!(play.wishes(950), NOTHING);
    assert_eq!(play.wishes(960), (1, vec![]));
}

#[test]
fn a_machine_that_never_registers_is_given_up() {
    let model = model(0, 0, 10);
    let mut play = Play::new(&model, &json!({"maxNodeProvisionTime": "2m"}));
    play.arrive(0);
    assert_eq!(play.wishes(10), (1, vec![]));
    let machine = play.order(1)[0];
    // Seen first at 20 s, it may take up to 140 s.
    (2..15).for_each(|turn| assert_eq!(play.wishes(turn * 10), NOTHING, "turn {turn}"));
    assert_eq!(play.wishes(150), (0, vec![machine.0]));
    play.world.fleet.end(machine, at(150));
    // The request timed out in the turn at 140 s, from when on the group is backed off for 5 minutes.
    assert_eq!(play.wishes(160), NOTHING);
    assert_eq!(play.wishes(440), NOTHING);
    assert_eq!(play.wishes(450), (1, vec![]));
}

#[test]
fn little_used_nodes_go_after_ten_minutes_one_drain_at_a_time() {
    let model = model(4, 1, 10);
    let mut play = Play::new(&model, &json!({}));
    // 37.5 % each on nodes 0 to 2, node 3 is empty.
    (0..3).for_each(|node| ignore(play.run(0, node)));
    (1..62).for_each(|turn| assert_eq!(play.wishes(turn * 10), NOTHING, "turn {turn}"));
    // Unneeded since 10 s. The empty node goes, and one of the others, whose pod goes to another.
    let (bought, returned) = play.wishes(620);
    assert_eq!((bought, returned.len(), returned[0]), (0, 2, 3));
    let drained = returned[1];
    assert!(drained < 3);
    returned.iter().for_each(|machine| play.drain(*machine));
    // While one is drained no other is.
    assert_eq!(play.wishes(630), NOTHING);
    // It is given up: the node is looked at again, and must be unneeded for another ten minutes.
    play.world.fleet.keep(MachineId(drained), at(635));
    play.world.set_node_state(NodeId(drained), NodeState::Ready);
    (64..125).for_each(|turn| assert_eq!(play.wishes(turn * 10), NOTHING, "turn {turn}"));
    assert_eq!(play.wishes(1250), (0, vec![drained]));
}

#[test]
fn what_keeps_nodes() {
    // Nodes there are, least size, pods (class, node), parameters, nodes that go at 620 s.
    let system: &[(u32, u32)] = &[(1, 0)];
    let full: &[(u32, u32)] = &[(0, 0), (0, 0), (0, 1)];
    for (nodes, min, pods, parameters, gone) in [
        // The least size.
        (2, 2, &[][..], json!({}), 0),
        (3, 2, &[][..], json!({}), 1),
        (3, 0, &[][..], json!({}), 3),
        (3, 0, &[][..], json!({"maxScaleDownParallelism": 2}), 2),
        (3, 0, &[][..], json!({"coresTotal": "7:100"}), 1),
        (3, 0, &[][..], json!({"scaleDownEnabled": false}), 0),
        // A pod of the system keeps its node for an hour, and longer as it may go nowhere but to the other node.
        (2, 0, system, json!({}), 1),
        (2, 1, system, json!({"skipNodesWithSystemPods": false}), 1),
        // 75 % are more than half; 37.5 % are not, but the other node has no room for the pod.
        (2, 0, full, json!({}), 0),
        (2, 0, &[(0, 0), (0, 1)][..], json!({"scaleDownUtilizationThreshold": 0.3}), 0),
        (2, 0, &[(0, 0), (0, 1)][..], json!({"scaleDownUnneededTime": "1h"}), 0),
    ] {
        let model = model(nodes, min, 10);
        let mut play = Play::new(&model, &parameters);
        pods.iter().for_each(|(class, node)| ignore(play.run(*class, *node)));
        let gone_before: usize = (1..62).map(|turn| play.wishes(turn * 10).1.len()).sum();
        let (_, returned) = play.wishes(620);
        assert_eq!((gone_before, returned.len()), (0, gone), "{nodes} nodes, at least {min}, {pods:?}, {parameters}");
    }
}

/// Two nodes of which one is enough: one goes at 620 s, unless the pod on each keeps its node. `batch` has 37.5 %.
#[test]
fn what_pods_and_nodes_say_keeps_nodes() {
    let safe = |safe_to_evict| PodDisruption { safe_to_evict, ..PodDisruption::default() };
    let with = |change: fn(&mut PodDisruption)| {
        let mut disruption = PodDisruption::default();
        change(&mut disruption);
        disruption
    };
    let local = |safe_to_evict| PodDisruption { has_local_storage: true, ..safe(safe_to_evict) };
    for (disruption, parameters, gone) in [
        (PodDisruption::default(), json!({}), 1),
        (safe(SafeToEvict::No), json!({}), 0),
        (safe(SafeToEvict::OnCompletion), json!({}), 0),
        (local(SafeToEvict::Unsaid), json!({}), 0),
        (local(SafeToEvict::Unsaid), json!({"skipNodesWithLocalStorage": false}), 1),
        // What is said to be safe may lose what it stores, and needs nobody to make another.
        (local(SafeToEvict::Yes), json!({}), 1),
        (with(|it| it.has_no_controller = true), json!({}), 0),
        (PodDisruption { has_no_controller: true, ..safe(SafeToEvict::Yes) }, json!({}), 1),
        // Nodes with nothing but pods of DaemonSets, or with mirrors, are empty: both go.
        (with(|it| it.passes_for_daemon = true), json!({}), 2),
        (with(|it| it.is_mirror = true), json!({}), 2),
        // Karpenter's are nothing to it.
        (with(|it| it.do_not_disrupt = DoNotDisrupt::Always), json!({}), 1),
    ] {
        let mut model = model(2, 0, 10);
        model.workload.classes[0].disruption = disruption;
        let mut play = Play::new(&model, &parameters);
        (0..2).for_each(|node| ignore(play.run(0, node)));
        (1..62).for_each(|turn| assert_eq!(play.wishes(turn * 10), NOTHING, "turn {turn}, {disruption:?}"));
        assert_eq!(play.wishes(620).1.len(), gone, "{disruption:?}, {parameters}");
    }
    for (is_disabled, gone) in [(false, 2), (true, 0)] {
        let mut model = model(2, 0, 10);
        model.cluster.shapes[0].disruption.scale_down_disabled = is_disabled;
        let mut play = Play::new(&model, &json!({}));
        (1..62).for_each(|turn| assert_eq!(play.wishes(turn * 10), NOTHING));
        assert_eq!(play.wishes(620).1.len(), gone);
    }
}

/// The pod came at 0 s and wants nothing bought before it is a minute old: the turn at 60 s is too early, that at 70 s not.
#[test]
fn a_pod_may_ask_for_patience() {
    let mut model = model(0, 0, 10);
    model.workload.classes[0].disruption.scale_up_delay = Some(SimDuration::from_seconds(60.0));
    let mut play = Play::new(&model, &json!({}));
    play.arrive(0);
    (1..7).for_each(|turn| assert_eq!(play.wishes(turn * 10), NOTHING, "turn {turn}"));
    assert_eq!(play.wishes(70), (1, vec![]));
}

#[test]
fn scale_down_pauses_after_a_scale_up() {
    let model = model(2, 0, 10);
    let mut play = Play::new(&model, &json!({}));
    let pods: Vec<PodId> = (0..4).map(|pod| play.run(0, pod / 2)).collect();
    (0..50).for_each(|turn| assert_eq!(play.wishes(turn * 10 + 10), NOTHING));
    play.world.time = at(505);
    let late = play.arrive(0);
    assert_eq!(play.wishes(510), (1, vec![]));
    let machine = play.order(1)[0];
    play.world.time = at(520);
    let node = play.join(machine);
    play.world.fleet.become_ready(machine, at(520));
    play.waiting.clear();
    play.world.place(model.workload.class(ClassId(0)), late, node, 0);
    // All pods of node 0 end. It is unneeded since 530 s, and goes after 1130 s; the pause ended at 1110 s.
    pods[..2].iter().for_each(|pod| ignore(play.world.release(model.workload.class(ClassId(0)), *pod)));
    (53..114).for_each(|turn| assert_eq!(play.wishes(turn * 10), NOTHING, "turn {turn}"));
    assert_eq!(play.wishes(1140), (0, vec![0]));
}

#[test]
fn a_quiet_turn_ends_when_something_changes() {
    let model = model(3, 3, 10);
    let mut play = Play::new(&model, &json!({}));
    (1..1000).for_each(|turn| assert_eq!(play.wishes(turn * 10), NOTHING));
    (0..7).for_each(|_| ignore(play.arrive(0)));
    // Six go to the nodes that are there.
    assert_eq!(play.wishes(10_000), (1, vec![]));
}

#[test]
fn the_least_size_is_enforced_if_asked_for() {
    let model = model(1, 3, 10);
    assert_eq!(Play::new(&model, &json!({})).wishes(10), NOTHING);
    assert_eq!(Play::new(&model, &json!({"enforceNodeGroupMinSize": true})).wishes(10), (2, vec![]));
}

#[test]
fn wrong_parameters_are_refused() {
    let model = model(1, 0, 1);
    let setting = Setting { model: &model, groups: &[GroupId(0)], position: 0 };
    for (parameters, why) in [
        (json!({"scanInterval": "0s"}), "`scanInterval` must be above 0"),
        (json!({"scaleDownUtilizationThreshold": 1.5}), "`scaleDownUtilizationThreshold` must be 0 to 1"),
        (json!({"coresTotal": "8"}), "`coresTotal` must be written as `min:max`, such as \"0:1000\""),
        (json!({"coresTotal": "8:4"}), "`coresTotal` must be written as `min:max`, such as \"0:1000\""),
        (
            json!({"expander": "cheapest"}),
            "there is no expander `cheapest`; there are random, most-pods, least-waste, least-nodes, price, priority",
        ),
        (json!({"expander": "random,price"}), "expander `price` comes after `random`, which leaves a single option"),
    ] {
        assert_eq!(ROW.build(&parameters, &setting).expect_err("a wrong parameter").to_string(), why);
    }
    let error =
        ROW.build(&json!({"expander": "priority", "priorities": {"5": ["("]}}), &setting).expect_err("a pattern");
    assert!(error.to_string().starts_with("`priorities`: a pattern of priority 5 cannot be read"), "{error}");
}

/// The nodes that a pod may go to, of which the scheduler's own filters and the picture must think alike.
fn fitting(view: View<'_>, framework: &Framework, state: &mut State, pod: PodId) -> Vec<NodeId> {
    let nodes: Vec<NodeId> = (0..view.world.nodes.len()).map(NodeId::from_index).collect();
    let (class, arguments) = (view.world.pods.class[pod.index()], Profile::default().arguments);
    let cycle = Cycle { view, pod: Some(pod), class, nodes: &nodes, arguments: &arguments };
    let filters = framework.pre_filter(&cycle).ok();
    let mut picture = Picture::new(view, state);
    let mut fitting = Vec::new();
    for &node in &nodes {
        let expected = filters.as_ref().is_some_and(|filters| filters.filter(&NodeInfo::new(view, node)).is_ok());
        picture.fork();
        let found = picture.place(pod, NodeKey(node.0)).is_ok();
        picture.revert();
        assert_eq!(found, expected, "{pod:?} of {class:?} on {node:?} of model {}", view.model.name);
        fitting.extend(expected.then_some(node));
    }
    fitting
}

/// Places pods at random where the scheduler's own filters let them, and asks both of every node all the while.
#[test]
fn filters_say_what_those_of_the_scheduler_say() {
    let framework = Framework::new(&Profile::default()).expect("the plug-ins of the release");
    let (mut questions, mut fits) = (0, 0);
    for seed in 0..60 {
        let model = Model { name: seed.to_string(), ..random_model(seed) };
        let mut world = World::new(&model);
        let mut state = State::new(i32::MIN);
        let mut stream = SEED.stream("filters", seed);
        let mut running: Vec<PodId> = Vec::new();
        for _ in 0..40 {
            let class = ClassId(stream.below(model.workload.classes.len() as u64) as u32);
            let pod = world.arrive((0, 0), class, u64::MAX);
            let nodes = fitting(View { model: &model, world: &world }, &framework, &mut state, pod);
            (questions, fits) = (questions + world.nodes.len(), fits + nodes.len());
            if !nodes.is_empty() {
                let node = nodes[stream.below(nodes.len() as u64) as usize];
                world.place(model.workload.class(class), pod, node, 0);
                world.set_phase(pod, Phase::Running);
                running.push(pod);
            }
            if stream.below(4) == 0 && !running.is_empty() {
                let pod = running.swap_remove(stream.below(running.len() as u64) as usize);
                // Some are on their way out, and still there.
                if world.request_deletion(pod) && stream.below(2) == 0 {
                    world.release(model.workload.class(world.pods.class[pod.index()]), pod);
                }
            }
        }
    }
    let refusals = questions - fits;
    assert!(questions > 50_000 && refusals > 10_000 && fits > 10_000, "{refusals} of {questions} refused");
}

/// Whatever is tried and taken back leaves the picture as a fresh one.
#[test]
fn what_is_taken_back_was_never_there() {
    for seed in 0..40 {
        let model = random_model(seed);
        let mut world = World::new(&model);
        let pods: Vec<PodId> = (0..60)
            .map(|pod| world.arrive((0, 0), ClassId(pod % model.workload.classes.len() as u32), u64::MAX))
            .collect();
        let view = View { model: &model, world: &world };
        let mut state = State::new(i32::MIN);
        let mut picture = Picture::new(view, &mut state);
        let mut stream = SEED.stream("undo", seed);
        let mould = super::picture::Mould { shape: crate::model::ShapeId(0), pods: vec![ClassId(0)] };
        let answers = |picture: &mut Picture<'_>| -> Vec<bool> {
            let keys = picture.keys().to_vec();
            let mut answers = Vec::new();
            for (pod, key) in pods.iter().take(8).flat_map(|pod| keys.iter().map(move |key| (*pod, *key))) {
                picture.fork();
                answers.push(picture.place(pod, key).is_ok());
                picture.revert();
            }
            answers
        };
        // Some pods for good.
        for pod in &pods[..20] {
            let key = picture.node_at(stream.below(picture.node_count() as u64) as usize);
            ignore(picture.place(*pod, key));
        }
        let before = answers(&mut picture);
        picture.fork();
        for pod in &pods[20..] {
            match stream.below(6) {
                0 => ignore(picture.make(&mould)),
                1 if picture.node_count() > 1 => {
                    let key = picture.node_at(stream.below(picture.node_count() as u64) as usize);
                    picture.make_ghost(key);
                    picture.remove(key);
                }
                _ => {
                    let key = picture.node_at(stream.below(picture.node_count() as u64) as usize);
                    ignore(picture.place(*pod, key));
                }
            }
        }
        picture.revert();
        assert_eq!(answers(&mut picture), before, "seed {seed}");
    }
}

#[test]
fn states_of_machines_are_told_apart() {
    // A machine that has joined and is not ready is no place for pods yet, and no candidate.
    let model = model(1, 0, 10);
    let mut play = Play::new(&model, &json!({"scaleDownUnneededTime": "10s", "scaleDownDelayAfterAdd": "0s"}));
    (0..2).for_each(|_| ignore(play.run(0, 0)));
    play.arrive(0);
    assert_eq!(play.wishes(10), (1, vec![]));
    let machine = play.order(1)[0];
    play.world.time = at(20);
    play.join(machine);
    assert_eq!(play.world.fleet.get(machine).state, MachineState::Joined);
    (2..60).for_each(|turn| assert_eq!(play.wishes(turn * 10), NOTHING, "turn {turn}"));
}

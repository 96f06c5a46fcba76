//! The plain rows, turn by turn on small fleets: what they order, and when they look again.

use serde_json::{Value, json};

use super::{Action, NodeAutoscaler, Seen, Setting, find};
use crate::ids::{ClassId, GroupId, MachineId, NodeId, OfferId, PodId, PoolId};
use crate::model::provisioning::{MachineDelays, Market, NodeGroup, Offer, Provisioning};
use crate::model::{Model, Pool, ShapeId};
use crate::testkit::cluster;
use crate::units::{SimDuration, SimTime};
use crate::world::{NodeState, Phase, View, World};

fn at(seconds: f64) -> SimTime {
    SimTime::ZERO.after(SimDuration::from_seconds(seconds))
}

/// One group of nodes with 4 cores and 16 GiB, `nodes` of which are there; pods of class 0 ask for a core, those of class 1
/// for 12 GiB.
fn model(nodes: usize, min: u32, max: u32) -> Model {
    let fixture = cluster().node("n").times(nodes.max(1)).pod("core").cpu(1000).pod("memory").memory_mib(12 * 1024);
    let mut model = fixture.model();
    model.cluster.shapes.iter_mut().for_each(|shape| shape.pool = Some(PoolId(0)));
    model.cluster.nodes.truncate(nodes);
    model.cluster.pools = vec![Pool { name: "n".to_owned(), shapes: vec![ShapeId(0)] }];
    let (offers, delays) = (vec![OfferId(0)], MachineDelays::default());
    model.provisioning = Provisioning {
        groups: vec![NodeGroup { pool: PoolId(0), min, max, offers, is_spread: false, delays }],
        offers: vec![Offer { group: GroupId(0), shape: ShapeId(0), market: Market::OnDemand }],
        ..Provisioning::default()
    };
    model
}

/// A world, the policy, and the pods that wait.
struct Play<'m> {
    model: &'m Model,
    world: World,
    policy: Box<dyn NodeAutoscaler>,
    waiting: Vec<(PodId, SimTime)>,
    /// When the policy looks again.
    next: SimTime,
}

impl<'m> Play<'m> {
    fn new(model: &'m Model, name: &str, parameters: &Value) -> Play<'m> {
        let setting = Setting { model, groups: &[GroupId(0)], position: 0 };
        let policy = find(name).expect("a row").build(parameters, &setting).expect("right parameters");
        let next = policy.first_turn();
        Play { model, world: World::new(model), policy, waiting: Vec::new(), next }
    }

    fn wait(&mut self, class: u32) {
        let pod = self.world.arrive((0, 0), ClassId(class), u64::MAX);
        self.waiting.push((pod, self.world.time));
    }

    /// A pod that runs on a node.
    fn run(&mut self, class: u32, node: u32) -> PodId {
        let pod = self.world.arrive((0, 0), ClassId(class), u64::MAX);
        self.world.place(self.model.workload.class(ClassId(class)), pod, NodeId(node), 0);
        self.world.set_phase(pod, Phase::Running);
        pod
    }

    fn end(&mut self, pod: PodId) {
        self.world.release(self.model.workload.class(self.world.pods.class[pod.index()]), pod);
    }

    /// What a turn orders, in words. Cordons are carried out; machines are not.
    fn turn(&mut self, seconds: f64) -> Vec<String> {
        self.world.time = at(seconds);
        let view = View { model: self.model, world: &self.world };
        let turn = self.policy.turn(&Seen { view, unschedulable: &self.waiting });
        self.next = turn.next;
        let mut words = Vec::new();
        for order in turn.orders {
            words.push(match order.action {
                Action::Buy { count, .. } => format!("buy {count}"),
                Action::Return { machine, .. } => format!("return {}", machine.0),
                Action::Cordon(machine, is_cordoned) => {
                    let node = self.world.fleet.get(machine).node.expect("a node");
                    let (state, word) = match is_cordoned {
                        true => (NodeState::Cordoned, "cordon"),
                        false => (NodeState::Ready, "uncordon"),
                    };
                    self.world.set_node_state(node, state);
                    format!("{word} {}", machine.0)
                }
            });
        }
        words
    }

    /// Machines are ordered, and on their way.
    fn order(&mut self, count: u32) -> Vec<MachineId> {
        let now = self.world.time;
        (0..count).map(|_| self.world.fleet.order(GroupId(0), OfferId(0), now)).collect()
    }

    /// Machines are ordered, and take pods at once.
    fn ready(&mut self, count: u32) {
        for machine in self.order(count) {
            let now = self.world.time;
            self.world.fleet.launch(machine, now);
            let node = self.world.add_node(self.model, &format!("new-{}", machine.0), ShapeId(0));
            self.world.fleet.join(machine, node, now);
            self.world.fleet.become_ready(machine, now);
        }
    }
}

#[test]
fn static_keeps_a_number() {
    let fixed = |machines: u32| json!({ "machines": machines });
    // Machines there are, least and largest size, parameters, what is ordered.
    for (nodes, min, max, parameters, expected) in [
        (2, 0, 10, fixed(2), vec![]),
        (2, 0, 10, fixed(5), vec!["buy 3"]),
        // 9 is more than the group may have: 3 - 2.
        (2, 0, 3, fixed(9), vec!["buy 1"]),
        // Node 0 has two pods, node 1 one: nodes without pods go first, then those with the fewest.
        (4, 0, 10, fixed(1), vec!["return 2", "return 3", "return 1"]),
        (4, 3, 10, fixed(0), vec!["return 2"]),
        // No number is the least size.
        (2, 2, 10, json!({}), vec![]),
        (3, 2, 10, json!({}), vec!["return 2"]),
    ] {
        let model = model(nodes, min, max);
        let mut play = Play::new(&model, "static", &parameters);
        for node in [0, 0, 1] {
            play.run(0, node);
        }
        assert_eq!(play.turn(0.0), expected, "{nodes} of {min} to {max}, {parameters}");
        assert_eq!(play.next, at(60.0));
    }
}

#[test]
fn static_replaces_what_was_lost_and_waits_for_what_comes() {
    let model = model(2, 0, 10);
    let mut play = Play::new(&model, "static", &json!({"machines": 2, "period": "10s"}));
    assert_eq!(play.turn(0.0), [""; 0]);
    play.world.fleet.end(MachineId(0), at(5.0));
    assert_eq!(play.turn(10.0), ["buy 1"]);
    // It is on its way, and counts.
    play.order(1);
    assert_eq!(play.turn(20.0), [""; 0]);
    // One too many is on its way: it goes before those that have nodes.
    play.order(1);
    assert_eq!(play.turn(30.0), ["return 2"]);
}

/// Runs begin on a Monday at midnight in UTC.
#[test]
fn scheduled_follows_the_clock() {
    let model = model(1, 1, 10);
    let actions = json!([
        {"schedule": "30 0 * * *", "machines": 4},
        {"schedule": "0 2 * * *", "timeZone": "Europe/Berlin", "machines": 2},
    ]);
    let mut play = Play::new(&model, "scheduled", &json!({"actions": actions, "period": "1h"}));
    // Of yesterday 2:00 in Berlin, 1:00 in UTC, is the last: 2 - 1. The next strike comes before the period is over.
    assert_eq!((play.turn(0.0), play.next), (vec!["buy 1".to_owned()], at(1800.0)));
    play.ready(1);
    // Half past: 4 - 2; the next strike is at one, half an hour later.
    assert_eq!((play.turn(1800.0), play.next), (vec!["buy 2".to_owned()], at(3600.0)));
    play.ready(2);
    assert_eq!((play.turn(3599.0), play.next), (vec![], at(3600.0)));
    // None has pods: of equals those that came first.
    assert_eq!(play.turn(3600.0), ["return 0", "return 1"]);
    assert_eq!(play.next, at(7200.0));
}

#[test]
fn scheduled_has_a_number_before_any_action() {
    let model = model(1, 1, 10);
    for (parameters, expected) in [
        // `@every` counts from the start: nothing has struck.
        (json!({"actions": [{"schedule": "@every 1h", "machines": 5}], "machines": 3}), vec!["buy 2"]),
        (json!({"actions": [{"schedule": "@every 1h", "machines": 5}]}), vec![]),
        // Of two at one instant the last in the list counts, within the size of the group: 10 - 1.
        (
            json!({"actions": [{"schedule": "0 0 * * *", "machines": 5}, {"schedule": "@daily", "machines": 50}]}),
            vec!["buy 9"],
        ),
    ] {
        assert_eq!(Play::new(&model, "scheduled", &parameters).turn(0.0), expected, "{parameters}");
    }
}

#[test]
fn utilization_counts_what_is_asked_for() {
    // Machines there are, pods on node 0 and pods that wait by class, target, what is ordered.
    type Pods = (usize, usize);
    let cases: [(usize, Pods, Pods, f64, &[&str]); 9] = [
        // 3 of 4 cores: 0.75 / 0.75 = 1 machine.
        (1, (3, 0), (0, 0), 0.75, &[]),
        // (3 + 1) / 4 = 1; 1 / 0.75 = 1.33: two.
        (1, (3, 0), (1, 0), 0.75, &["buy 1"]),
        // (4 + 5) / 8 x 2 / 0.5 = 4.5: five, three more.
        (2, (4, 0), (5, 0), 0.5, &["buy 3"]),
        // 12 + 24 GiB of 16 are more than 1 of 4 cores: 2.25 / 1, three.
        (1, (1, 1), (0, 2), 1.0, &["buy 2"]),
        // 40 / 4 / 1 = 10 are more than 5, the largest size: as many as it may.
        (1, (0, 0), (40, 0), 1.0, &["buy 4"]),
        // 2 of 12 cores x 3 = 0.5: one machine is enough, and has been for no time yet.
        (3, (2, 0), (0, 0), 1.0, &[]),
        (1, (0, 0), (0, 0), 1.0, &[]),
        // Where there is none, one to begin with.
        (0, (0, 0), (7, 0), 1.0, &["buy 1"]),
        (0, (0, 0), (0, 0), 1.0, &[]),
    ];
    for (nodes, running, waiting, target, expected) in cases {
        let model = model(nodes, 0, 5);
        let mut play = Play::new(&model, "utilization", &json!({ "target": target }));
        let pods = |(cores, memory): Pods| std::iter::repeat_n(0, cores).chain(std::iter::repeat_n(1, memory));
        for class in pods(running) {
            play.run(class, 0);
        }
        pods(waiting).for_each(|class| play.wait(class));
        assert_eq!(play.next, at(60.0));
        assert_eq!(play.turn(60.0), expected, "{nodes} machines, {running:?}, {waiting:?}, {target}");
        assert_eq!(play.next, at(120.0));
    }
}

/// Fewer must have been enough for 2 minutes on end: a wish for more in between begins them anew.
#[test]
fn utilization_returns_late_and_the_emptiest_first() {
    let model = model(3, 1, 10);
    let mut play = Play::new(&model, "utilization", &json!({"target": 1, "scaleInDelay": "2m"}));
    let mut pods: Vec<PodId> = [0, 0, 1, 1, 1, 2].into_iter().map(|node| play.run(0, node)).collect();
    // 6 of 12 cores are two of three machines.
    assert_eq!(play.turn(60.0), [""; 0]);
    // 9 of 12: three.
    let more: Vec<PodId> = (0..3).map(|_| play.run(0, 2)).collect();
    assert_eq!(play.turn(120.0), [""; 0]);
    more.into_iter().for_each(|pod| play.end(pod));
    // The wish of 120 s counts until 240 s.
    assert_eq!([play.turn(180.0), play.turn(240.0)], [vec![], vec![] as Vec<String>]);
    assert_eq!(play.turn(300.0), ["return 2"]);
    // Nothing is asked for, and nothing has been for long: but one is the fewest.
    play.world.fleet.end(MachineId(2), at(300.0));
    pods.drain(..5).for_each(|pod| play.end(pod));
    let later: Vec<Vec<String>> = (6..9).map(|minute| play.turn(f64::from(minute) * 60.0)).collect();
    assert_eq!(later, [vec![], vec![], vec!["return 0".to_owned()]]);
}

#[test]
fn a_warm_pool_serves_when_pods_wait() {
    let model = model(1, 1, 10);
    let parameters = json!({"spare": 2, "startDelay": "5s", "idleTime": "1m", "period": "10s"});
    let mut play = Play::new(&model, "warm-pool", &parameters);
    play.run(0, 0);
    assert_eq!(play.turn(0.0), ["buy 2"]);
    play.ready(2);
    // What is spare takes no pods.
    assert_eq!(play.turn(10.0), ["cordon 1", "cordon 2"]);
    assert_eq!(play.turn(20.0), [""; 0]);
    // Three pods of a core need one machine: it takes pods after 5 s, and is missing in the pool.
    (0..3).for_each(|_| play.wait(0));
    assert_eq!((play.turn(21.0), play.next), (vec!["buy 1".to_owned()], at(26.0)));
    play.ready(1);
    assert_eq!(play.turn(26.0), ["uncordon 1", "cordon 3"]);
    // They have been helped, and wait no longer.
    let pods: Vec<PodId> = std::mem::take(&mut play.waiting).into_iter().map(|(pod, _)| pod).collect();
    for pod in &pods {
        play.world.place(model.workload.class(ClassId(0)), *pod, NodeId(1), 0);
    }
    assert_eq!(play.turn(36.0), [""; 0]);
    pods.into_iter().for_each(|pod| play.end(pod));
    // Without pods since 46 s, as far as it sees, until 106 s: then it is a spare one, of which there are three.
    for seconds in [46.0, 56.0, 66.0, 76.0, 86.0, 96.0] {
        assert_eq!(play.turn(seconds), [""; 0], "{seconds} s");
    }
    assert_eq!(play.turn(106.0), ["cordon 1", "return 3"]);
}

#[test]
fn a_warm_pool_that_is_too_small_buys_what_is_missing() {
    // Pods that wait by class, spare machines, most machines: what is bought beside what is spare.
    for (cores, memory, spare, most, expected) in [
        // 6 cores: two machines, one of which is spare; one is bought to serve and one for the pool.
        (6, 0, 1, 10, &["buy 1", "buy 1"][..]),
        // 3 x 12 of 16 GiB: three by sum, though only one fits on each.
        (0, 3, 3, 10, &["buy 3"]),
        (0, 5, 3, 10, &["buy 1", "buy 3"]),
        // Of four that there may be, three are there.
        (20, 0, 2, 4, &["buy 1"]),
        (0, 0, 2, 10, &[]),
    ] {
        let model = model(1, 1, most);
        let mut play = Play::new(&model, "warm-pool", &json!({ "spare": spare }));
        play.turn(0.0);
        play.ready(spare);
        play.turn(10.0);
        (0..cores).for_each(|_| play.wait(0));
        (0..memory).for_each(|_| play.wait(1));
        assert_eq!(play.turn(20.0), expected, "{cores} cores, {memory} x 12 GiB, {spare} spare of {most}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let model = model(1, 0, 10);
    let setting = Setting { model: &model, groups: &[GroupId(0)], position: 0 };
    for (name, parameters, why) in [
        ("static", json!({"period": "0s"}), "`period` must be above 0"),
        ("static", json!({"period": "-1s"}), "is negative"),
        ("static", json!({"machines": -1}), "machines"),
        ("scheduled", json!({"period": "0s"}), "`period` must be above 0"),
        ("scheduled", json!({"actions": [{"schedule": "0 8 * *", "machines": 1}]}), "has 4 fields"),
        (
            "scheduled",
            json!({"actions": [{"schedule": "@daily", "timeZone": "Mars/Base", "machines": 1}]}),
            "there is no time zone `Mars/Base`",
        ),
        ("scheduled", json!({"actions": [{"schedule": "@daily"}]}), "machines"),
        ("utilization", json!({"target": 0}), "`target` must be above 0 and at most 1"),
        ("utilization", json!({"target": 1.01}), "`target` must be above 0 and at most 1"),
        ("warm-pool", json!({"period": "0s"}), "`period` must be above 0"),
        ("warm-pool", json!({"spare": "two"}), "spare"),
    ] {
        let said = find(name).expect("a row").build(&parameters, &setting).expect_err("wrong parameters").to_string();
        assert!(said.contains(why), "{name}, {parameters}: {said}");
    }
}

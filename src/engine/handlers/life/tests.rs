//! Worked timelines of pods of a ReplicaSet. A line is written whenever an instant is over and a pod has changed.

use crate::engine::watch;
use crate::ids::{ClassId, ControllerId, LifeId, NodeId};
use crate::model::controllers::{
    Container, Controller, ControllerKind, Operation, PodLife, PodTemplate, Probe, Probes, ReplicaSetSpec,
    RestartPolicy, Verb,
};
use crate::model::images::{Bandwidth, Image, Images, Layer};
use crate::model::{Action, Dist, Model, PolicyChoice, ScriptedAction};
use crate::observe::{CheckEveryEvent, Observer};
use crate::testkit;
use crate::units::{Bytes, SimDuration, SimTime};
use crate::world::View;

#[derive(Default)]
struct Timeline {
    lines: Vec<String>,
    latest: Vec<String>,
}

impl Timeline {
    fn note(&mut self, view: &View<'_>) {
        for (number, member) in view.world.owners.members.iter().enumerate() {
            let phase = view.world.pods.phase[member.pod.index()].name();
            let ready = if member.ready_since == SimTime::NEVER { "" } else { " ready" };
            let restarts = if member.restarts > 0 { format!(" x{}", member.restarts) } else { String::new() };
            let now = format!("{number} {phase}{ready}{restarts}");
            if self.latest.len() == number {
                self.latest.push(String::new());
            }
            if self.latest[number] != now {
                self.lines.push(format!("{} s: {now}", view.world.time));
                self.latest[number] = now;
            }
        }
    }
}

impl Observer for Timeline {
    fn time_advances(&mut self, view: &View<'_>, _to: SimTime) {
        self.note(view);
    }

    fn end(&mut self, view: &View<'_>) {
        self.note(view);
    }
}

fn seconds(count: u64) -> SimDuration {
    SimDuration(count * 1_000_000_000)
}

fn constant(count: u64) -> Dist {
    Dist::Constant(seconds(count))
}

fn server() -> Container {
    testkit::container("app")
}

/// A ReplicaSet of so many pods on nodes that take one pod each.
fn model(container: Container, replicas: i32, nodes: usize, script: &[(u64, Action)]) -> Model {
    let mut model = testkit::cluster().node("node").cpu(1000).times(nodes).pod("app").cpu(1000).model();
    model.scheduling.policy = PolicyChoice::named("first-fit");
    model.controllers.list = vec![Controller {
        namespace: "default".to_owned(),
        name: "app".to_owned(),
        kind: ControllerKind::ReplicaSet(ReplicaSetSpec { replicas, min_ready: SimDuration::ZERO }),
        templates: vec![PodTemplate { hash: "one".to_owned(), classes: vec![ClassId(0)], life: LifeId(0) }],
        is_there_at_start: true,
    }];
    model.controllers.lives =
        vec![PodLife { containers: vec![container], grace_period: seconds(30), ..PodLife::default() }];
    model.script =
        script.iter().map(|&(at, action)| ScriptedAction { at: SimTime::ZERO.after(seconds(at)), action }).collect();
    model.horizon = Some(SimTime::ZERO.after(seconds(200)));
    model
}

fn timeline(model: &Model) -> Vec<String> {
    let observer = (CheckEveryEvent, Timeline::default());
    watch(model, observer).expect("the policies are there").observer.1.lines
}

fn operate(verb: Verb) -> Action {
    Action::Operate(Operation { controller: ControllerId(0), verb })
}

#[test]
fn a_deleted_pod_ends_gracefully_before_its_node_is_free() {
    // One node for one pod. Ready at 20 s: it works at 12 s, and its probe is asked at 0, 10 and 20 s. It is deleted at
    // 100 s and takes 8 s; the node is free for another only then, which works at 120 s and is ready at 128 s.
    let readiness = Probe {
        initial_delay: SimDuration::ZERO,
        period: seconds(10),
        success_threshold: 1,
        failure_threshold: 3,
        timeout: seconds(1),
        grace_period: None,
    };
    let container = Container {
        start_up: constant(12),
        shut_down: constant(8),
        probes: Probes { readiness: Some(readiness), ..Probes::default() },
        ..server()
    };
    let script = [(100, operate(Verb::Scale(0))), (101, operate(Verb::Scale(1)))];
    let expected = [
        "0 s: 0 running",
        "20 s: 0 running ready",
        "101 s: 1 pending",
        "108 s: 0 deleted",
        "108 s: 1 running",
        "128 s: 1 running ready",
    ];
    assert_eq!(timeline(&model(container, 1, 1, &script)), expected);
}

#[test]
fn a_crash_loop_keeps_the_pod_and_its_node() {
    // Runs of 5 s: 0-5, at once 5-10, then 10 s after 10: 20-25, 20 s after 25: 45-50, 40 s after 50: 90-95, 80 s: 175.
    let container = Container { run_time: Some(constant(5)), exit_codes: vec![(1, 1.0)], ..server() };
    let expected = [
        "0 s: 0 running ready",
        "5 s: 0 running ready x1",
        "10 s: 0 running x1",
        "20 s: 0 running ready x2",
        "25 s: 0 running x2",
        "45 s: 0 running ready x3",
        "50 s: 0 running x3",
        "90 s: 0 running ready x4",
        "95 s: 0 running x4",
        "175 s: 0 running ready x5",
        "180 s: 0 running x5",
    ];
    assert_eq!(timeline(&model(container, 1, 1, &[])), expected);
}

#[test]
fn a_pod_goes_on_where_the_one_before_saved_its_work() {
    // 100 s of work, saved every 30 s. The node of the first pod crashes at 70 s, when 60 s are safe; the second has 40
    // s left: 110 s. The third begins anew.
    let container = Container { run_time: Some(constant(100)), checkpoint_every: Some(seconds(30)), ..server() };
    let mut model = model(container, 1, 2, &[(70, Action::Crash(NodeId(0)))]);
    model.controllers.lives[0].restart_policy = RestartPolicy::Never;
    let expected = [
        "0 s: 0 running ready",
        "70 s: 0 failed",
        "70 s: 1 running ready",
        "110 s: 1 succeeded",
        "110 s: 2 running ready",
    ];
    assert_eq!(timeline(&model), expected);
}

#[test]
fn nodes_pull_at_once_and_share_the_registry() {
    // 1 GB for each of two nodes through a registry of 1 Gb/s: 16 s. The node that crashes at 4 s, when a quarter of
    // both is there, leaves the registry to the other: 0.75 GB take 6 s more. The pod made in its stead waits for a
    // node.
    let container = Container { image: Some(0), ..server() };
    let images = Images {
        list: vec![Image { layers: vec![0] }],
        layers: vec![Layer { digest: "sha256:0".to_owned(), size: Bytes(1_000_000_000) }],
        registry_bandwidth: Some(Bandwidth(1_000_000_000)),
        ..Images::default()
    };
    let mut undisturbed = model(container.clone(), 2, 2, &[]);
    undisturbed.workload.images = images.clone();
    let expected = ["0 s: 0 starting", "0 s: 1 starting", "16 s: 0 running ready", "16 s: 1 running ready"];
    assert_eq!(timeline(&undisturbed), expected);
    let mut disturbed = model(container, 2, 2, &[(4, Action::Crash(NodeId(0)))]);
    disturbed.workload.images = images;
    let expected = ["0 s: 0 starting", "0 s: 1 starting", "4 s: 0 failed", "4 s: 2 pending", "10 s: 1 running ready"];
    assert_eq!(timeline(&disturbed), expected);
}

#[test]
fn the_second_pod_of_a_node_finds_the_image_there() {
    // The image comes at 8 s; the pod deleted at 50 s is replaced at once, on the same node.
    let container = Container { image: Some(0), ..server() };
    let mut model = model(container, 1, 1, &[(50, operate(Verb::Scale(0))), (51, operate(Verb::Scale(1)))]);
    model.workload.images = Images {
        list: vec![Image { layers: vec![0] }],
        layers: vec![Layer { digest: "sha256:0".to_owned(), size: Bytes(1_000_000_000) }],
        node_bandwidth: Some(Bandwidth(1_000_000_000)),
        ..Images::default()
    };
    let expected = ["0 s: 0 starting", "8 s: 0 running ready", "50 s: 0 deleted", "51 s: 1 running ready"];
    assert_eq!(timeline(&model), expected);
}

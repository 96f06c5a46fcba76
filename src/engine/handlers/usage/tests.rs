use std::collections::BTreeMap;

use crate::engine::watch;
use crate::ids::{ClassId, ControllerId, LifeId, NodeId};
use crate::model::controllers::{
    Container, Controller, ControllerKind, JobSpec, Operation, PodLife, PodTemplate, ReplicaSetSpec, RestartPolicy,
    Verb,
};
use crate::model::usage::QualityOfService;
use crate::model::{Action, Demand, Dist, Model, ScriptedAction, Usage};
use crate::observe::{CheckEveryEvent, Observer};
use crate::testkit::{self, Fixture};
use crate::units::{SimDuration, SimTime};
use crate::world::usage::UsageTotals;
use crate::world::{Phase, View, World};

const MIB: u64 = 1 << 20;

/// Notes what has become of each pod, whenever an instant is over.
#[derive(Default)]
struct Timeline {
    latest: BTreeMap<String, String>,
    lines: Vec<String>,
}

impl Timeline {
    fn note(&mut self, view: &View<'_>) {
        let world = view.world;
        for member in &world.owners.members {
            let controller = world.owners.list[member.owner.index()].controller;
            let name = format!("{}-{}", view.model.controllers.list[controller.index()].name, member.serial);
            let i = member.pod.index();
            let is_up = || member.life.as_ref().is_some_and(|life| life.containers[0].running().is_some());
            let state = match world.pods.phase[i] {
                Phase::Running if is_up() => format!("up {}", member.restarts),
                Phase::Running => "down".to_owned(),
                phase => format!("{} {}", phase.name(), world.pods.reason[i].name()).trim_end().to_owned(),
            };
            if self.latest.get(&name) != Some(&state) {
                self.lines.push(format!("{} s: {name} {state}", world.time));
                self.latest.insert(name, state);
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

/// From nothing so many MiB a second, for long enough.
fn leak(mib_per_second: u64) -> Option<Demand> {
    Some(Demand::Ramp { from: 0, to: mib_per_second * 10_000 * MIB, over: seconds(10_000) })
}

fn burstable(usage: Usage) -> Usage {
    Usage { quality: QualityOfService::Burstable, ..usage }
}

/// Adds an object of one pod, whose only container uses that; it works for `work` seconds where that is given.
fn add(model: &mut Model, name: &str, kind: ControllerKind, work: Option<u64>, usage: Usage) {
    let container = Container {
        run_time: work.map(|work| Dist::Constant(seconds(work))),
        usage: Some(Box::new(usage)),
        ..testkit::container("app")
    };
    let restart_policy = if work.is_some() { RestartPolicy::Never } else { RestartPolicy::Always };
    let life = PodLife { containers: vec![container], restart_policy, ..PodLife::default() };
    let number = model.controllers.list.len();
    let template = PodTemplate {
        hash: "hash".to_owned(),
        classes: vec![ClassId::from_index(number)],
        life: LifeId::from_index(number),
    };
    model.controllers.lives.push(life);
    model.controllers.list.push(Controller {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        kind,
        templates: vec![template],
        is_there_at_start: true,
    });
}

fn replica_set() -> ControllerKind {
    ControllerKind::ReplicaSet(ReplicaSetSpec { replicas: 1, min_ready: SimDuration::ZERO })
}

fn job() -> ControllerKind {
    ControllerKind::Job(JobSpec {
        parallelism: 1,
        completions: Some(1),
        is_indexed: false,
        backoff_limit: 6,
        backoff_limit_per_index: None,
        max_failed_indexes: None,
        active_deadline: None,
        ttl_after_finished: None,
        failure_rules: Vec::new(),
        replaces_only_failed: false,
        is_suspended: false,
    })
}

/// A node of one core and 1000 MiB, and two classes of pods that request 100 and 400 MiB.
fn fixture() -> Fixture {
    testkit::cluster()
        .node("node")
        .cpu(1000)
        .memory_mib(1000)
        .pod("first")
        .memory_mib(100)
        .pod("second")
        .memory_mib(400)
}

/// Runs the model until then with every invariant checked.
fn run(mut model: Model, until: u64) -> (Vec<String>, World) {
    model.horizon = Some(SimTime::ZERO.after(seconds(until)));
    let finished = watch(&model, (CheckEveryEvent, Timeline::default())).expect("policies are there");
    (finished.observer.1.lines, finished.world)
}

fn totals(world: &World) -> UsageTotals {
    world.usage.totals(NodeId(0), world.time)
}

#[test]
fn a_leak_ends_in_a_loop_of_kills() {
    let mut model = fixture().model();
    // 100 MiB a minute reach 512 MiB after 5.12 minutes, 307.2 s.
    let memory = Some(Demand::Ramp { from: 0, to: 1000 * MIB, over: seconds(600) });
    add(
        &mut model,
        "web",
        replica_set(),
        None,
        burstable(Usage { memory, memory_limit: Some(512 * MIB), ..Usage::default() }),
    );
    let (lines, world) = run(model, 1700);
    let expected = [
        "0 s: web-0 up 0",
        "307.2 s: web-0 up 1", // at once the first time
        "614.4 s: web-0 down",
        "624.4 s: web-0 up 2", // after 10 s
        "931.6 s: web-0 down",
        "951.6 s: web-0 up 3", // 20 s
        "1258.8 s: web-0 down",
        "1298.8 s: web-0 up 4", // 40 s
        "1606 s: web-0 down",
        "1686 s: web-0 up 5", // 80 s
    ];
    assert_eq!(lines, expected);
    assert_eq!(totals(&world), UsageTotals { oom_kills: 5, ..UsageTotals::default() });
}

#[test]
fn a_pod_that_is_never_started_again_fails() {
    let mut model = fixture().model();
    let usage = Usage { memory: leak(1), memory_limit: Some(50 * MIB), ..Usage::default() };
    add(&mut model, "batch", job(), Some(60), burstable(usage));
    let (lines, _) = run(model, 55);
    assert_eq!(lines[..2], ["0 s: batch-0 up 0", "50 s: batch-0 failed OOMKilled"]);
}

/// Work at one core each on a node of one core.
fn one_core() -> Usage {
    burstable(Usage { cpu: Some(Demand::Constant(1000)), cpu_request: 500, ..Usage::default() })
}

#[test]
fn two_batch_containers_on_one_core_slow_each_other_down() {
    let mut model = fixture().model();
    add(&mut model, "long", job(), Some(60), one_core());
    add(&mut model, "short", job(), Some(20), one_core());
    model.controllers.list[1].is_there_at_start = false;
    let create = Action::Operate(Operation { controller: ControllerId(1), verb: Verb::Create });
    model.script = vec![ScriptedAction { at: SimTime::ZERO.after(seconds(30)), action: create }];
    let (lines, world) = run(model, 100);
    // Alone until 30 s. Then half a core each: 20 s of work take 40 s, and 30 + 20 s are done of the 60 s. The last 10 s
    // are alone again.
    let expected = ["0 s: long-0 up 0", "30 s: short-0 up 0", "70 s: short-0 succeeded", "80 s: long-0 succeeded"];
    assert_eq!(lines, expected);
    assert_eq!(totals(&world), UsageTotals { contended_ns: seconds(40).0, ..UsageTotals::default() });
}

#[test]
fn cpu_is_shared_by_requests_throttled_by_limits_and_lent_by_the_system() {
    // (request and limit of each in milli-cores, reserved for the system) -> ends, seconds of contention and throttling.
    // Both want one core for 60 s.
    for (requests, limits, reserved, ends, contended, throttled) in [
        // 512 : 256 shares: two thirds and one third. 60 s take 90 s; then 30 of the other's 60 s are done, and 30 are left.
        ([500, 250], [None, None], 0, [90, 120], 90, 0),
        // Half a core at most: both have that, at the same time.
        ([500, 250], [Some(500), Some(500)], 0, [120, 120], 0, 240),
        // What is reserved for the system is there as long as the system does not ask for it.
        ([500, 250], [None, None], 1000, [60, 60], 0, 0),
    ] {
        let mut model = fixture().edit_node(|shape| shape.reserved.cpu.0 = reserved).model();
        for index in 0..2 {
            let usage = Usage { cpu_request: requests[index], cpu_limit: limits[index], ..one_core() };
            add(&mut model, ["first", "second"][index], job(), Some(60), usage);
        }
        let (lines, world) = run(model, 200);
        let mut expected = vec!["0 s: first-0 up 0".to_owned(), "0 s: second-0 up 0".to_owned()];
        expected.push(format!("{} s: first-0 succeeded", ends[0]));
        expected.push(format!("{} s: second-0 succeeded", ends[1]));
        assert_eq!(lines, expected, "{requests:?} {limits:?} {reserved}");
        let (contended_ns, throttled_ns) = (seconds(contended).0, seconds(throttled).0);
        assert_eq!(totals(&world), UsageTotals { contended_ns, throttled_ns, ..UsageTotals::default() });
    }
}

#[test]
fn series_change_the_speed() {
    let mut model = fixture().model();
    // 30 s at full speed, 30 s at a quarter (7.5 s of work), and then at full speed: 60 s are done at 60 + 22.5 s.
    let cpu = Some(Demand::Series(vec![(seconds(0), 500), (seconds(30), 4000), (seconds(60), 1000)]));
    add(&mut model, "batch", job(), Some(60), burstable(Usage { cpu, ..Usage::default() }));
    let (lines, world) = run(model, 100);
    assert_eq!(lines, ["0 s: batch-0 up 0", "82.5 s: batch-0 succeeded"]);
    assert_eq!(totals(&world).contended_ns, seconds(30).0);
}

#[test]
fn the_kubelet_evicts_who_uses_most_beyond_its_request() {
    let mut model = fixture().model();
    add(&mut model, "leak", replica_set(), None, burstable(Usage { memory: leak(1), ..Usage::default() }));
    let steady = Some(Demand::Constant(300 * MIB));
    add(&mut model, "steady", replica_set(), None, burstable(Usage { memory: steady, ..Usage::default() }));
    let (lines, world) = run(model, 1300);
    // Pods can use 1000 MiB and the 100 MiB of the threshold. 300 MiB and 1 MiB a second are more than 1000 MiB after
    // 700 s; the kubelet looks at 710 s. The one that leaks uses 710 of the 100 MiB that it requests.
    let expected = ["0 s: leak-0 up 0", "0 s: steady-0 up 0", "710 s: leak-0 failed Evicted", "710 s: leak-1 up 0"];
    assert_eq!(lines, expected);
    // A second later it looks again, and then every 10 s: at 1011 s the last shortage is 300 s ago.
    let expected = UsageTotals { evictions: 1, pressure_ns: seconds(301).0, ..UsageTotals::default() };
    assert_eq!(totals(&world), expected);
}

#[test]
fn a_node_under_pressure_takes_no_pods() {
    let mut model = fixture().model();
    add(&mut model, "leak", replica_set(), None, burstable(Usage { memory: leak(1), ..Usage::default() }));
    let steady = Some(Demand::Constant(300 * MIB));
    add(&mut model, "steady", replica_set(), None, burstable(Usage { memory: steady, ..Usage::default() }));
    model.cluster.add_pressure_variants();
    let (lines, _) = run(model, 1100);
    // As before; but the successor of the pod that is evicted finds the taint, which goes at 1011 s.
    let expected = [
        "0 s: leak-0 up 0",
        "0 s: steady-0 up 0",
        "710 s: leak-0 failed Evicted",
        "710 s: leak-1 pending Unschedulable",
        "1011 s: leak-1 up 0",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_soft_threshold_waits_and_gives_time_to_end() {
    let mut model = fixture().model();
    model.cluster.eviction.soft = Some((500 * MIB, seconds(90)));
    model.cluster.eviction.max_pod_grace_period = seconds(20);
    add(&mut model, "leak", replica_set(), None, burstable(Usage { memory: leak(1), ..Usage::default() }));
    model.controllers.lives[0].grace_period = seconds(30);
    model.controllers.lives[0].containers[0].shut_down = Dist::Constant(seconds(25));
    let (lines, _) = run(model, 800);
    // 1100 - 500 = 600 MiB are used after 600 s and more after that: seen at 610 s, and the 90 s are over at 700 s. It has
    // 20 s, of 30 s of its own, and is killed.
    assert_eq!(lines, ["0 s: leak-0 up 0", "720 s: leak-0 failed Evicted", "720 s: leak-1 up 0"]);
}

#[test]
fn a_node_without_memory_kills_before_the_kubelet_looks() {
    let mut model = fixture().model();
    add(
        &mut model,
        "leak",
        replica_set(),
        None,
        burstable(Usage { memory: leak(50), memory_request: 100 * MIB, ..Usage::default() }),
    );
    let steady = Usage { memory: Some(Demand::Constant(300 * MIB)), memory_request: 400 * MIB, ..Usage::default() };
    add(&mut model, "steady", replica_set(), None, burstable(steady));
    let (lines, world) = run(model, 40);
    // 300 MiB and 50 MiB a second are 1100 MiB after 16 s; the kubelet looks at 10 s (800 MiB), 20 s (500 MiB) and 30 s
    // (1000 MiB, just enough). Adjustments on 1100 MiB: 1000 - 90 = 910 for the one that leaks, 1000 - 363 = 637 for the
    // other, and it uses less, too.
    let expected = ["0 s: leak-0 up 0", "0 s: steady-0 up 0", "16 s: leak-0 up 1", "32 s: leak-0 down"];
    assert_eq!(lines, expected);
    assert_eq!(totals(&world), UsageTotals { oom_kills: 2, ..UsageTotals::default() });
}

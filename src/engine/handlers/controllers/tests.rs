use crate::engine::watch;
use crate::ids::{ClassId, ControllerId, LifeId, NodeId, RevisionId};
use crate::model::cluster::HOSTNAME_LABEL;
use crate::model::control_plane::{ControlPlane, RateLimit};
use crate::model::controllers::{
    Container, Controller, ControllerKind, DaemonSetSpec, DaemonSetUpdate, DeploymentSpec, DeploymentStrategy, JobSpec,
    Operation, PodFailureAction, PodFailureRequirement, PodFailureRule, PodLife, PodTemplate, Quota, QuotaResource,
    RestartPolicy, StatefulSetSpec, StatefulSetUpdate, Verb,
};
use crate::model::objects::CountOrPercent::Count;
use crate::model::objects::{Allowance, DisruptionBudget};
use crate::model::pod_spec::{LabelRequirement, LabelSelector, SelectorOperator};
use crate::model::{Action, Dist, Label, Model, PodClass, PolicyChoice, ScriptedAction};
use crate::observe::controllers;
use crate::observe::{CheckEveryEvent, Observer};
use crate::rng::Seed;
use crate::testkit;
use crate::units::{SimDuration, SimTime};
use crate::world::{Deletion, Phase, View};

mod rollouts;

/// Notes how many pods of each template there are and are ready, whenever an instant is over.
#[derive(Default)]
struct Timeline {
    lines: Vec<String>,
    latest: String,
}

impl Timeline {
    fn note(&mut self, view: &View<'_>) {
        let mut counts = [[0; 2]; 2];
        for member in &view.world.owners.members {
            let i = member.pod.index();
            let is_active = view.world.pods.deletion[i] == Deletion::None
                && (view.world.pods.phase[i] == Phase::Pending || view.world.pods.phase[i].holds_node());
            let [active, ready] = &mut counts[member.template.index()];
            *active += i32::from(is_active);
            *ready += i32::from(is_active && member.ready_since != SimTime::NEVER);
        }
        let [old, new] = counts.map(|[active, ready]| format!("{ready}/{active}"));
        let now = format!("old {old} new {new}");
        if now != self.latest {
            self.lines.push(format!("{} s: {now}", view.world.time));
            self.latest = now;
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

fn deployment(replicas: i32, strategy: DeploymentStrategy) -> Controller {
    controller(ControllerKind::Deployment(DeploymentSpec {
        replicas,
        strategy,
        min_ready: SimDuration::ZERO,
        progress_deadline: Some(seconds(600)),
        revision_history_limit: 10,
        is_paused: false,
    }))
}

fn controller(kind: ControllerKind) -> Controller {
    let template =
        |hash: &str, class| PodTemplate { hash: hash.to_owned(), classes: vec![ClassId(class)], life: LifeId(0) };
    Controller {
        namespace: "default".to_owned(),
        name: "web".to_owned(),
        kind,
        templates: vec![template("old", 0), template("new", 1)],
        is_there_at_start: true,
    }
}

/// Nodes of ten cores; pods of one core that take 5 s to start, told apart by their label.
fn model(controller: Controller, nodes: usize, script: &[(u64, Action)]) -> Model {
    let labelled = |class: &mut PodClass| {
        class.spec.labels = vec![Label { key: "app".to_owned(), value: "web".to_owned() }];
    };
    let cluster = testkit::cluster().node("node").cpu(10_000).times(nodes);
    let mut model = cluster.pod("old").cpu(1000).edit_pod(labelled).pod("new").cpu(1000).edit_pod(labelled).model();
    model.scheduling.policy = PolicyChoice::named("first-fit");
    model.controllers.list = vec![controller];
    model.controllers.lives = vec![PodLife { grace_period: seconds(30), ..PodLife::default() }];
    model.scheduling.delays.start = Dist::Constant(seconds(5));
    model.script =
        script.iter().map(|&(at, action)| ScriptedAction { at: SimTime::ZERO.after(seconds(at)), action }).collect();
    model.horizon = Some(SimTime::ZERO.after(seconds(100)));
    model
}

fn seconds(count: u64) -> SimDuration {
    SimDuration(count * 1_000_000_000)
}

fn operate(verb: Verb) -> Action {
    Action::Operate(Operation { controller: ControllerId(0), verb })
}

fn rolling(max_surge: i32, max_unavailable: i32) -> DeploymentStrategy {
    DeploymentStrategy::RollingUpdate { max_surge: Count(max_surge), max_unavailable: Count(max_unavailable) }
}

/// Runs the model with every invariant checked, and gives its timeline.
fn timeline(model: &Model) -> Vec<String> {
    let observer = (CheckEveryEvent, Timeline::default());
    watch(model, observer).expect("the policies are there").observer.1.lines
}

#[test]
fn a_rolling_update_keeps_to_surge_and_unavailability() {
    let change = (10, operate(Verb::SetTemplate(RevisionId(1))));
    let lines = timeline(&model(deployment(4, rolling(1, 1)), 1, &[change]));
    // At most 5 pods, at least 3 of them ready. At 10 s one old pod goes, so that two new ones may come (3 + 2 = 5); they
    // are ready at 15 s, when two more old ones go (5 - 3) and the last two new ones come (1 + 2 + 2 = 5).
    let expected = [
        "0 s: old 0/4 new 0/0",
        "5 s: old 4/4 new 0/0",
        "10 s: old 3/3 new 0/2",
        "15 s: old 1/1 new 2/4",
        "20 s: old 0/0 new 4/4",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn recreate_waits_until_all_old_pods_are_gone() {
    let change = (10, operate(Verb::SetTemplate(RevisionId(1))));
    let mut model = model(deployment(2, DeploymentStrategy::Recreate), 1, &[change]);
    model.controllers.lives[0].containers =
        vec![Container { shut_down: Dist::Constant(seconds(7)), ..testkit::container("app") }];
    let expected = [
        "0 s: old 0/2 new 0/0",
        "5 s: old 2/2 new 0/0",
        "10 s: old 0/0 new 0/0",
        "17 s: old 0/0 new 0/2",
        "22 s: old 0/0 new 2/2",
    ];
    assert_eq!(timeline(&model), expected);
}

#[test]
fn scaling_pausing_and_rolling_back() {
    let script = [
        (10, operate(Verb::Scale(3))),
        (20, operate(Verb::Pause)),
        (30, operate(Verb::SetTemplate(RevisionId(1)))), // waits for the end of the pause
        (40, operate(Verb::Resume)),
        (60, operate(Verb::RollBack)),
        (80, operate(Verb::Delete)),
    ];
    let expected = [
        "0 s: old 0/1 new 0/0",
        "5 s: old 1/1 new 0/0",
        "10 s: old 1/3 new 0/0",
        "15 s: old 3/3 new 0/0",
        "40 s: old 3/3 new 0/1", // one more than three at a time, and never less than three ready
        "45 s: old 2/2 new 1/2",
        "50 s: old 1/1 new 2/3",
        "55 s: old 0/0 new 3/3",
        "60 s: old 0/1 new 3/3",
        "65 s: old 1/2 new 2/2",
        "70 s: old 2/3 new 1/1",
        "75 s: old 3/3 new 0/0",
        "80 s: old 0/0 new 0/0",
    ];
    assert_eq!(timeline(&model(deployment(1, rolling(1, 0)), 1, &script)), expected);
}

#[test]
fn a_drain_waits_for_the_budget() {
    let mut model = model(deployment(3, rolling(1, 0)), 2, &[(20, Action::Drain(NodeId(0)))]);
    let requirement =
        LabelRequirement { key: "app".to_owned(), operator: SelectorOperator::In, values: vec!["web".to_owned()] };
    model.objects.disruption_budgets = vec![DisruptionBudget {
        namespace: "default".to_owned(),
        name: "web".to_owned(),
        selector: Some(LabelSelector { requirements: vec![requirement] }),
        allowance: Allowance::MinAvailable(Count(2)),
        disrupted_pods: Vec::new(),
    }];
    // One of three may go at a time; its successor on the other node is ready 5 s later, when the drain asks again.
    let expected = ["0 s: old 0/3 new 0/0", "5 s: old 3/3 new 0/0", "20 s: old 2/3 new 0/0", "35 s: old 3/3 new 0/0"];
    assert_eq!(timeline(&model), expected);
    model.objects.disruption_budgets.clear();
    let expected = ["0 s: old 0/3 new 0/0", "5 s: old 3/3 new 0/0", "20 s: old 0/3 new 0/0", "25 s: old 3/3 new 0/0"];
    assert_eq!(timeline(&model), expected);
}

#[test]
fn a_crash_is_healed() {
    let model = model(deployment(2, rolling(1, 0)), 2, &[(20, Action::Crash(NodeId(0)))]);
    let expected = ["0 s: old 0/2 new 0/0", "5 s: old 2/2 new 0/0", "20 s: old 0/2 new 0/0", "25 s: old 2/2 new 0/0"];
    assert_eq!(timeline(&model), expected);
}

#[test]
fn stateful_sets_start_in_order_and_update_from_the_top() {
    let spec = StatefulSetSpec {
        replicas: 3,
        first_ordinal: 0,
        min_ready: SimDuration::ZERO,
        is_parallel: false,
        update: StatefulSetUpdate::RollingUpdate { partition: 1, max_unavailable: Count(1) },
    };
    let script = [(20, operate(Verb::SetTemplate(RevisionId(1)))), (40, operate(Verb::Scale(1)))];
    let mut model = model(controller(ControllerKind::StatefulSet(spec)), 1, &script);
    model.controllers.lives[0].containers =
        vec![Container { shut_down: Dist::Constant(seconds(2)), ..testkit::container("app") }];
    let expected = [
        "0 s: old 0/1 new 0/0",
        "5 s: old 1/2 new 0/0",
        "10 s: old 2/3 new 0/0",
        "15 s: old 3/3 new 0/0",
        "20 s: old 2/2 new 0/0", // the highest goes, and comes back when it is gone
        "22 s: old 2/2 new 0/1",
        "27 s: old 1/1 new 1/1",
        "29 s: old 1/1 new 1/2",
        "34 s: old 1/1 new 2/2", // the partition keeps the lowest
        "40 s: old 1/1 new 1/1",
        "42 s: old 1/1 new 0/0",
    ];
    assert_eq!(timeline(&model), expected);
}

#[test]
fn daemon_sets_follow_the_nodes() {
    let update = DaemonSetUpdate::RollingUpdate { max_surge: Count(0), max_unavailable: Count(1) };
    let spec = DaemonSetSpec { min_ready: SimDuration::ZERO, update };
    let script = [(20, Action::Crash(NodeId(1))), (30, operate(Verb::SetTemplate(RevisionId(1))))];
    let mut model = model(controller(ControllerKind::DaemonSet(spec)), 3, &script);
    let ask = |class: &PodClass, node: usize| PodClass {
        node_selector: vec![Label { key: HOSTNAME_LABEL.to_owned(), value: format!("node-{node}") }],
        ..class.clone()
    };
    let classes = model.workload.classes.clone();
    model.workload.classes = classes.iter().flat_map(|class| (0..3).map(move |node| ask(class, node))).collect();
    model.controllers.list[0].templates[0].classes = (0..3).map(ClassId).collect();
    model.controllers.list[0].templates[1].classes = (3..6).map(ClassId).collect();
    let expected = [
        "0 s: old 0/3 new 0/0",
        "5 s: old 3/3 new 0/0",
        "20 s: old 2/2 new 0/0",
        "30 s: old 1/1 new 0/1", // one node after the other
        "35 s: old 0/0 new 1/2",
        "40 s: old 0/0 new 2/2",
    ];
    assert_eq!(timeline(&model), expected);
}

#[test]
fn a_client_writes_no_faster_than_its_limit() {
    let mut model = model(deployment(100, rolling(1, 0)), 10, &[]);
    model.control_plane.controller_writes = Some(RateLimit { per_second: 20.0, burst: 30 });
    let finished = watch(&model, CheckEveryEvent).expect("the policies are there");
    let mut made: Vec<f64> = finished.world.pods.arrival.iter().map(|arrival| arrival.as_seconds()).collect();
    made.sort_by(f64::total_cmp);
    // Thirty at once, then one every 50 ms: the hundredth after 70 of them, at 3.5 s. None is made twice.
    assert_eq!((made.len(), made[29], made[30], made[99]), (100, 0.0, 0.05, 3.5));
}

/// Random changes and disturbances of a Deployment: every invariant holds after every event, and once they are over all is
/// as it is wanted, under an ideal control plane and under one that takes its time.
#[test]
fn random_rollouts_keep_the_invariants_and_come_to_rest() {
    for seed in 0..150 {
        let mut draw = Seed { base: seed, replication: 0 }.stream("test/rollouts", 0);
        let mut below = |bound: u64| draw.below(bound) as i32;
        let (surge, unavailable) = (1 + below(2), below(3));
        let mut script = Vec::new();
        for _ in 0..below(8) {
            let action = match below(7) {
                0 => operate(Verb::Scale(1 + below(8))),
                1 | 2 => operate(Verb::SetTemplate(RevisionId(below(2) as u32))),
                3 => operate(Verb::RollBack),
                4 => Action::Drain(NodeId(below(2) as u32)),
                5 => Action::Crash(NodeId(0)),
                _ => operate(if below(2) == 0 { Verb::Pause } else { Verb::Resume }),
            };
            script.push((below(60) as u64, action));
        }
        script.sort_by_key(|(at, _)| *at);
        script.push((70, operate(Verb::Resume)));
        let mut model = model(deployment(1 + below(8), rolling(surge, unavailable)), 4, &script);
        model.seed = Seed { base: seed, replication: 0 };
        model.horizon = Some(SimTime::ZERO.after(seconds(1000)));
        let container = Container {
            start_up: Dist::Exponential { mean: 4.0 },
            shut_down: Dist::Exponential { mean: 6.0 },
            ..testkit::container("app")
        };
        model.controllers.lives[0].containers = vec![container];
        if below(2) == 0 {
            model.control_plane = ControlPlane::realistic();
        }
        let finished = watch(&model, CheckEveryEvent).expect("the policies are there");
        let view = View { model: &model, world: &finished.world };
        let standing = controllers::standing(&view, ControllerId(0));
        let wanted = finished.world.owners.controllers[0].replicas as u64;
        // Pods that were pushed out end after their grace period at the latest.
        let at_rest = (standing.pods, standing.ready, standing.updated, standing.terminating);
        assert_eq!(at_rest, (wanted, wanted, wanted, 0), "seed {seed}: {script:?}");
    }
}

#[test]
fn a_quota_holds_a_deployment_back() {
    let mut model = model(deployment(5, rolling(1, 0)), 1, &[(20, operate(Verb::Scale(2)))]);
    let hard = vec![(QuotaResource::RequestsCpu, 3500)];
    model.controllers.quotas = vec![Quota { namespace: "default".to_owned(), name: "small".to_owned(), hard }];
    // Three pods of one core fit.
    let expected = ["0 s: old 0/3 new 0/0", "5 s: old 3/3 new 0/0", "20 s: old 2/2 new 0/0"];
    assert_eq!(timeline(&model), expected);
}

#[test]
fn a_realistic_control_plane_gets_there_later() {
    let change = (10, operate(Verb::SetTemplate(RevisionId(1))));
    let mut model = model(deployment(4, rolling(1, 1)), 1, &[change]);
    model.control_plane = ControlPlane::realistic();
    let lines = timeline(&model);
    assert_eq!(lines.last().map(|line| line.split_once(": ").expect("time: counts").1), Some("old 0/0 new 4/4"));
    for line in &lines {
        let counts: Vec<i32> = line.split([' ', '/']).filter_map(|word| word.parse().ok()).collect();
        let [.., old_ready, old, new_ready, new] = counts[..] else { panic!("{line}") };
        let has_started =
            lines.iter().position(|other| other.contains("old 4/4")) < lines.iter().position(|other| other == line);
        assert!(old + new <= 5, "surge: {line}");
        assert!(!has_started || old_ready + new_ready >= 3, "unavailability: {line}");
    }
}

/// The second container ends with 42, the first well; the rule is about the second, and fails the Job at its first pod.
#[test]
fn failure_rules_know_containers_apart() {
    let rule = |container| PodFailureRule {
        action: PodFailureAction::FailJob,
        requirement: PodFailureRequirement::ExitCodes { container: Some(container), is_in: true, codes: vec![42] },
    };
    // About the other container the rule says nothing: pods come after 10 s and 20 s more, until two failures are too many.
    for (container_of_rule, pods) in [(1, 1), (0, 3)] {
        let mut model = model(
            controller(ControllerKind::Job(JobSpec {
                failure_rules: vec![rule(container_of_rule)],
                backoff_limit: 2,
                ..job()
            })),
            1,
            &[],
        );
        let ends_with =
            |code| Container { run_time: Some(Dist::ZERO), exit_codes: vec![(code, 1.0)], ..testkit::container("app") };
        model.controllers.lives[0].containers = vec![ends_with(0), ends_with(42)];
        model.controllers.lives[0].restart_policy = RestartPolicy::Never;
        let finished = watch(&model, CheckEveryEvent).expect("the policies are there");
        assert_eq!(finished.world.pods.len(), pods, "{container_of_rule}");
    }
}

/// A StatefulSet that is deleted and comes again with its new template knows nothing of the old one.
#[test]
fn what_is_deleted_leaves_nothing_to_its_successor() {
    let update = StatefulSetUpdate::RollingUpdate { partition: 2, max_unavailable: Count(1) };
    let spec =
        StatefulSetSpec { replicas: 2, first_ordinal: 0, min_ready: SimDuration::ZERO, is_parallel: true, update };
    let script =
        [(20, operate(Verb::Delete)), (30, operate(Verb::Create)), (30, operate(Verb::SetTemplate(RevisionId(1))))];
    let expected = [
        "0 s: old 0/2 new 0/0",
        "5 s: old 2/2 new 0/0",
        "20 s: old 0/0 new 0/0",
        "30 s: old 0/0 new 0/2",
        "35 s: old 0/0 new 2/2",
    ];
    assert_eq!(timeline(&model(controller(ControllerKind::StatefulSet(spec)), 1, &script)), expected);
}

fn job() -> JobSpec {
    JobSpec {
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
    }
}

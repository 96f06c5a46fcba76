//! Machines that are bought and returned, in whole runs: when, what becomes of their pods, and what they cost.
#![allow(clippy::disallowed_methods, reason = "tests write the files that they read")]

use wavetank::engine::watch;
use wavetank::experiment::single::{Detail, run_model};
use wavetank::ids::{GroupId, MachineId};
use wavetank::model::Model;
use wavetank::observe::{CheckEveryEvent, Observer};
use wavetank::policy::node_autoscaler::{NODE_AUTOSCALERS, Order};
use wavetank::scenario::{Environment, load_scenario};
use wavetank::world::View;

/// Notes every step of every machine: second, number of the machine, state.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Steps {
    pub(crate) list: Vec<String>,
    /// What was wanted.
    orders: Vec<String>,
}

impl Observer for Steps {
    fn machine_changed(&mut self, view: &View<'_>, machine: MachineId) {
        let one = view.world.fleet.get(machine);
        let launched = if one.launched <= view.world.time { "" } else { ", free" };
        self.list.push(format!("{} #{} {}{launched}", view.world.time, machine.0, one.state.name()));
    }

    fn provisioned(&mut self, view: &View<'_>, _: usize, order: &Order) {
        self.orders.push(format!("{} {:?}", view.world.time, order.action));
    }
}

/// The model of a scenario, with a manifest beside it called `objects.yaml`.
pub(crate) fn model(scenario: &str, manifest: &str) -> Model {
    let directory = tempfile::tempdir().expect("a directory");
    let text = format!("apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {{name: s}}\n{scenario}");
    std::fs::write(directory.path().join("objects.yaml"), manifest).expect("written");
    let path = directory.path().join("scenario.yaml");
    std::fs::write(&path, text).expect("written");
    load_scenario(&path, &[], 0, &Environment::default()).unwrap_or_else(|error| panic!("{error}")).model
}

pub(crate) fn steps(model: &Model) -> Steps {
    watch(model, (Steps::default(), CheckEveryEvent)).expect("the policies are there").observer.0
}

pub(crate) fn figure(model: &Model, name: &str) -> f64 {
    let record = run_model(model, Detail::Tables).expect("it runs");
    record.metrics.iter().find(|metric| metric.name == name).expect("a figure").value
}

/// Three pods that need a machine each, and one machine.
const BY_HAND: &str = "horizon: 10m
cluster:
  pools:
    - name: n
      count: 1
      allocatable: {cpu: 4, memory: 8Gi}
      usdPerHour: 3.6
      scaling: {min: 1, max: 5, launch: 5s, boot: 20s, ready: 10s, shutDown: 30s}
workload: {templates: [{name: a, count: 3, requests: {cpu: 4}, arrivals: {at: [0s, 0s, 0s]}, duration: 100s}]}
provisioning: {autoscalers: [{policy: utilization, parameters: {target: 1, scaleInDelay: 60s}}]}
";

/// At 60 s 12 of 4 cores are asked for: three machines, two more. They
/// are launched after 5 s, join after 20 s and take pods after 10 s: at 95 s. The first pod ends at 100 s, the others at
/// 195 s. For a minute two have been enough at 180 s, when the machine without a pod goes; shut down it is at 210 s. At 300 s
/// none has been needed for a minute, and one is the fewest.
#[test]
fn machines_come_and_go_as_worked_out_by_hand() {
    let model = model(BY_HAND, "");
    assert_eq!(
        steps(&model).list,
        [
            "60 #1 ordered, free",
            "60 #2 ordered, free",
            "65 #1 ordered",
            "65 #2 ordered",
            "85 #1 joined",
            "85 #2 joined",
            "95 #1 ready",
            "95 #2 ready",
            "180 #0 draining",
            "180 #0 ending",
            "210 #0 ended",
            "300 #1 draining",
            "300 #1 ending",
            "330 #1 ended",
        ]
    );
    // A tenth of a cent a second: 210 s, 65 to 330 s, 65 to 600 s.
    assert!((figure(&model, "cost_usd_total") - 0.001 * (210.0 + 265.0 + 535.0)).abs() < 1e-9);
    assert_eq!(figure(&model, "machines_ordered_total"), 2.0);
    assert_eq!(figure(&model, "machine_ready_after_s_mean"), 35.0);
}

/// The provider is out of stock from 30 to 90 s: what is ordered at 60 s is refused, what is ordered at 120 s comes.
#[test]
fn a_provider_that_has_none_refuses() {
    let model = model(
        "horizon: 200s
cluster:
  pools: [{name: n, count: 1, allocatable: {cpu: 4, memory: 8Gi}, scaling: {max: 5}}]
workload: {templates: [{name: a, count: 2, requests: {cpu: 4}, arrivals: {at: [0s, 0s]}, duration: 150s}]}
provisioning: {autoscalers: [{policy: utilization, parameters: {target: 1}}]}
faults: {events: [{at: 30s, for: 60s, stockOut: n}]}
",
        "",
    );
    let expected = ["60 #1 refused, free", "120 #2 ordered, free", "120 #2 ordered", "120 #2 ready"];
    assert_eq!(steps(&model).list, expected);
    assert_eq!(figure(&model, "machines_refused_total"), 1.0);
}

/// Whatever an autoscaler does by default, groups stay within their limits, nothing that must hold breaks, and the same run
/// goes the same way.
#[test]
fn every_autoscaler_keeps_what_must_hold() {
    for row in NODE_AUTOSCALERS {
        for seed in 0..4 {
            let model = model(
                &format!(
                    "seed: {seed}
horizon: 2h
cluster:
  pools:
    - {{name: a, count: 2, zones: [x, y], allocatable: {{cpu: 4, memory: 16Gi}}, usdPerHour: 0.2, scaling: {{min: 1, max: 12, \
                     boot: {{lognormal: {{mean: 40s, p99: 90s}}}}, ready: 10s, shutDown: 30s}}}}
    - {{name: b, count: 0, allocatable: {{cpu: 16, memory: 32Gi}}, usdPerHour: 0.7, scaling: {{max: 3, launch: 20s, boot: 40s}}}}
workload:
  manifests: [objects.yaml]
  templates:
    - {{name: small, requests: {{cpu: 1, memory: 2Gi}}, count: 100, arrivals: {{poisson: {{perSecond: 0.05}}}}, duration: \
                     {{exponential: {{mean: 5m}}}}}}
    - {{name: large, requests: {{cpu: 6, memory: 4Gi}}, count: 8, arrivals: {{poisson: {{perSecond: 0.01}}}}, duration: 10m}}
provisioning: {{autoscalers: [{{policy: {}}}]}}
faults: {{spot: [{{pool: b, timeToReclaim: {{exponential: {{mean: 20m}}}}, notice: 120s}}], events: [{{at: 20m, for: 10m, \
                     stockOut: a}}]}}
",
                    row.name
                ),
                "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 3, selector: {matchLabels: \
                 {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: web, resources: \
                 {requests: {cpu: 500m, memory: 1Gi}}}]}}}}\n---\n{apiVersion: policy/v1, kind: PodDisruptionBudget, \
                 metadata: {name: web}, spec: {maxUnavailable: 1, selector: {matchLabels: {a: b}}}}",
            );
            let limits = Limits { name: row.name, at_least: seed };
            let finished = watch(&model, (limits, (Steps::default(), CheckEveryEvent))).expect("it is there");
            assert_eq!(finished.observer.1.0, steps(&model), "{}, seed {seed}", row.name);
        }
    }
}

/// Sees to it that groups stay within their limits.
#[derive(Debug)]
struct Limits {
    name: &'static str,
    at_least: u64,
}

impl Observer for Limits {
    fn machine_changed(&mut self, view: &View<'_>, machine: MachineId) {
        let group: GroupId = view.world.fleet.get(machine).group;
        let (own, target) = (view.model.provisioning.group(group), view.world.fleet.target(group));
        assert!(target <= own.max as usize, "{}, seed {}: {target} of at most {}", self.name, self.at_least, own.max);
    }
}

/// A pod that needs a machine of its own comes at 50 s and finds room at 58 s, when another ends. A cache that is 10 s late has
/// not seen it at 55 s, and still has it at 65 s: a machine is bought that nobody needs. The order takes 2 s.
#[test]
fn a_late_cache_buys_for_pods_that_have_a_place() {
    let scenario = |skew: &str| {
        format!(
            "horizon: 120s
cluster:
  pools: [{{name: n, count: 1, allocatable: {{cpu: 4, memory: 8Gi}}, scaling: {{max: 5}}}}]
workload:
  templates:
    - {{name: a, count: 1, requests: {{cpu: 4}}, arrivals: {{at: [0s]}}, duration: 58s}}
    - {{name: b, count: 1, requests: {{cpu: 4}}, arrivals: {{at: [50s]}}, duration: 100s}}
provisioning: {{autoscalers: [{{policy: utilization, parameters: {{target: 1, period: 65s}}{skew}}}]}}
"
        )
    };
    assert_eq!(steps(&model(&scenario(""), "")).list, Vec::<String>::new());
    let late = steps(&model(&scenario(", watchDelay: 10s, orderDelay: 2s"), "")).list;
    assert_eq!(late, ["67 #1 ordered, free", "67 #1 ordered", "67 #1 ready"]);
}

/// The run above as AWS bills it: 210 s, 265 s and 535 s at a tenth of a cent a second are $1.01, the fee of nodes a tenth of
/// that, the control plane 60 cents for 600 s. Pods have the CPU of a machine for 100 s and nothing of its memory: of a
/// machine 0.126444 / 0.160340 is CPU, of which 3 x 100 s of 1 010 s are used.
#[test]
fn a_bill_sums_to_its_total() {
    let billing = "billing: {provider: aws, nodeFeePerHour: 0.36, controlPlanePerHour: 3.6}\n";
    let model = model(&format!("{BY_HAND}{billing}"), "");
    let record = run_model(&model, Detail::Tables).expect("it runs");
    let (_, bill) = record.tables.iter().find(|(name, _)| *name == "bill").expect("there is a bill");
    let Some(wavetank::results::Column::Fixed(_, amounts)) = bill.column("usd") else { panic!("no amounts") };
    let near = |one: f64, other: f64| (one - other).abs() < 1e-8;
    let total = 1.01 + 0.101 + 0.6;
    assert!(near(amounts.iter().sum(), total), "{amounts:?}");
    assert!(near(figure(&model, "cost_usd_total"), total));
    let used = 1.111 * (0.126_444 / 0.160_340) * (300.0 / 1010.0);
    assert!((figure(&model, "cost_idle_usd_total") - (1.111 - used)).abs() < 1e-4);
}

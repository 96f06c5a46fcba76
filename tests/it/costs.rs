//! What runs cost, whoever buys the machines: parts that sum to the whole, machines that are billed for their time and no
//! other, and bounds that no run is below.

use wavetank::engine::watch;
use wavetank::experiment::single::{Detail, RunRecord, run_model};
use wavetank::ids::PodId;
use wavetank::model::Model;
use wavetank::model::billing::Billing;
use wavetank::model::catalogue::Provider;
use wavetank::model::provisioning::Market;
use wavetank::observe::{Observer, Recorder};
use wavetank::policy::node_autoscaler::NODE_AUTOSCALERS;
use wavetank::results::Column;
use wavetank::units::SimTime;
use wavetank::world::{View, World};

use super::provisioning::model;

/// Two pools, one of which the provider takes back from; a service, small jobs and large ones.
fn scenario(policy: &str, seed: u64) -> Model {
    let provider = ["aws", "gcp", "azure", "private"][seed as usize % 4];
    let allocation = ["greatest", "requests", "usage"][seed as usize % 3];
    let ahead = match seed % 2 {
        0 => "",
        _ => ", reservations: [{instanceType: a, count: 2, usdPerHour: 0.12}]",
    };
    model(
        &format!(
            "seed: {seed}
horizon: 2h
cluster:
  pools:
    - {{name: own, count: 1, allocatable: {{cpu: 2, memory: 8Gi}}, usdPerHour: 0.05}}
    - {{name: a, count: 2, zones: [x, y], allocatable: {{cpu: 4, memory: 16Gi}}, usdPerHour: 0.2, scaling: {{min: 1, max: 12, \
             boot: {{lognormal: {{mean: 40s, p99: 90s}}}}, ready: 10s, shutDown: 30s}}}}
    - {{name: b, count: 0, allocatable: {{cpu: 16, memory: 32Gi}}, usdPerHour: 0.7, scaling: {{max: 3, launch: 20s, boot: 40s}}}}
workload:
  manifests: [objects.yaml]
  templates:
    - {{name: small, requests: {{cpu: 1, memory: 2Gi}}, count: 100, arrivals: {{poisson: {{perSecond: 0.05}}}}, duration: \
             {{exponential: {{mean: 5m}}}}}}
    - {{name: large, requests: {{cpu: 6, memory: 4Gi}}, count: 8, arrivals: {{poisson: {{perSecond: 0.01}}}}, duration: 10m}}
provisioning: {{bound: true, autoscalers: [{{policy: {policy}}}]}}
billing: {{provider: {provider}, allocation: {allocation}, nodeFeePerHour: 0.01, controlPlanePerHour: 0.1{ahead}}}
faults: {{spot: [{{pool: b, timeToReclaim: {{exponential: {{mean: 40m}}}}, notice: 120s}}]}}
"
        ),
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 3, selector: {matchLabels: {a: b}}, \
         template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: web, resources: {requests: {cpu: 500m, \
         memory: 1Gi}}}]}}}}",
    )
}

/// Sees to it that no machine has pods before it is ready or after its end.
#[derive(Debug, Default)]
struct Used {
    placements: u64,
}

impl Observer for Used {
    fn pod_placed(&mut self, view: &View<'_>, pod: PodId) {
        let node = view.world.pods.node(pod).expect("it has been placed");
        if let Some(machine) = view.world.fleet.of_node(node) {
            let (machine, now) = (view.world.fleet.get(machine), view.world.time);
            assert!(machine.ready <= now && now < machine.ended, "a pod at {now} on {machine:?}");
            self.placements += 1;
        }
    }
}

fn figure(record: &RunRecord, name: &str) -> f64 {
    record.metrics.iter().find(|metric| metric.name == name).expect("a figure").value
}

/// What nodes and machines cost by their own times, as the provider bills them; without reservations.
fn billed_usd(model: &Model, world: &World) -> f64 {
    let tariff = model.provisioning.tariff.as_ref().expect("a tariff");
    let billing = Billing::of(tariff.provider);
    let billed = |usd_per_hour: f64, from: SimTime, to: SimTime, is_free: bool| {
        let used = to.since(from);
        let hours = if is_free { 0.0 } else { billing.billed(used).as_seconds() / 3600.0 };
        usd_per_hour * hours + 0.01 * used.as_seconds() / 3600.0
    };
    let mut usd = 0.1 * world.time.as_seconds() / 3600.0;
    for machine in world.fleet.machines.iter().filter(|one| one.launched != SimTime::NEVER) {
        let (offer, end) = (model.provisioning.offer(machine.offer), machine.ended.min(world.time));
        let is_reclaimed = machine.ended != SimTime::NEVER && machine.reclaimed_at <= machine.ended;
        let is_spot = offer.market == Market::Spot && tariff.provider != Provider::Private;
        let is_short = end.since(machine.launched) < billing.free_if_reclaimed_before;
        let price = model.cluster.shape(offer.shape).usd_per_hour;
        usd += billed(price, machine.launched, end, is_reclaimed && is_spot && is_short);
    }
    for node in (0..world.nodes.len()).map(wavetank::ids::NodeId::from_index) {
        if world.fleet.of_node(node).is_none() {
            let i = node.index();
            let price = model.cluster.shape(world.nodes.shape[i]).usd_per_hour;
            usd += billed(price, world.nodes.added[i], world.nodes.removed[i].min(world.time), false);
        }
    }
    usd
}

/// The bill's lines sum to the cost, which is that of the machines' own times, to the cent; it is not below the bounds.
#[test]
fn whoever_buys_machines_the_bill_is_right_and_above_its_bound() {
    let mut evictions = 0.0;
    for row in NODE_AUTOSCALERS {
        for seed in 0..4 {
            let (model, at) = (scenario(row.name, seed), format!("{}, seed {seed}", row.name));
            let record = run_model(&model, Detail::Tables).expect("it runs");
            let (_, bill) = record.tables.iter().find(|(name, _)| *name == "bill").expect("there is a bill");
            let Some(Column::Fixed(_, amounts)) = bill.column("usd") else { panic!("no amounts") };
            let cost = figure(&record, "cost_usd_total");
            assert!((amounts.iter().sum::<f64>() - cost).abs() < 1e-6, "{at}: {cost} is not the sum of its parts");

            let [bound, instants] = ["cost_bound_usd", "cost_bound_instants_usd"].map(|name| figure(&record, name));
            assert!(0.0 < instants && instants <= bound && bound <= cost + 1e-6, "{at}: {instants}, {bound}, {cost}");

            let run = watch(&model, (Used::default(), Recorder::new(&model))).expect("it is there");
            assert!(run.observer.0.placements > 50, "{at}: {:?}", run.observer.0);
            if seed % 2 == 0 {
                let own = billed_usd(&model, &run.world);
                assert!((own - cost).abs() < 1e-6, "{at}: {cost}, and by the machines' times {own}");
            }
            evictions += figure(&record, "evictions_total");
        }
    }
    assert!(evictions > 10.0, "nothing was lost: {evictions}");
}

/// One pod on a node of 4 cores and 16 GiB for a dollar an hour, of which CPU is 0.126444 / 0.194236 = 0.650981. It requests a
/// core and 4 GiB, uses two cores, and memory evenly from nothing to 8 GiB within the hour: 4 GiB after half of it. The larger of
/// both is 4 GiB for half an hour and 6 GiB in the mean for the other half, 5 GiB; what it uses is 4 GiB in the mean.
#[test]
fn pods_pay_for_what_the_allocation_says() {
    let (cpu, memory) = (0.650_981_28, 0.349_018_72);
    for (allocation, cores, gib) in
        [("", 2.0, 5.0), ("greatest", 2.0, 5.0), ("requests", 1.0, 4.0), ("usage", 2.0, 4.0)]
    {
        let chosen = if allocation.is_empty() { String::new() } else { format!(", allocation: {allocation}") };
        let model = model(
            &format!(
                "horizon: 1h
cluster: {{pools: [{{name: n, count: 1, allocatable: {{cpu: 4, memory: 16Gi}}, usdPerHour: 1}}]}}
workload:
  manifests: [objects.yaml]
  behaviours: [{{name: web, cpu: 2, memory: {{ramp: {{from: 0, to: 8Gi, over: 60m}}}}}}]
billing: {{provider: private{chosen}}}
scheduler: {{policy: kube-scheduler}}
"
            ),
            "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 1, selector: {matchLabels: {a: b}}, \
             template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: web, resources: {requests: {cpu: 1, \
             memory: 4Gi}}}]}}}}",
        );
        let record = run_model(&model, Detail::Tables).expect("it runs");
        let paid = figure(&record, "cost_usd_total") - figure(&record, "cost_idle_usd_total");
        let expected = cpu * cores / 4.0 + memory * gib / 16.0;
        assert!((paid - expected).abs() < 1e-4, "{allocation}: {paid}, not {expected}");
    }
}

/// A pod of two cores has run for 40 of 100 s when its node crashes, on 4 cores and 16 GiB at a tenth of a cent a second: 80 core-
/// seconds, of which it held 2 x 0.031611 / 0.194236 = 0.325490 of the node, 1.302 cents. It begins anew on the other node, where
/// it is drained after 20 s: 40 core-seconds and 0.651 cents more. Pods that serve lose nothing.
#[test]
fn work_that_is_done_again_is_lost() {
    let model = model(
        "horizon: 5m
cluster: {pools: [{name: n, count: 3, allocatable: {cpu: 4, memory: 16Gi}, usdPerHour: 3.6}]}
workload:
  templates:
    - {name: work, count: 1, requests: {cpu: 2}, arrivals: {at: [0s]}, duration: 100s}
    - {name: serve, count: 1, requests: {cpu: 1}, arrivals: {at: [0s]}}
scheduler: {policy: first-fit}
script: [{at: 40s, crash: n-0}, {at: 60s, drain: n-1}]
billing: {provider: private}
",
        "",
    );
    let record = run_model(&model, Detail::Tables).expect("it runs");
    for (name, expected) in [
        ("evictions_total", 4.0),
        ("lost_work_core_h_total", 120.0 / 3600.0),
        ("lost_work_usd_total", 0.019_529_4),
        ("pods_late_total", 0.0),
    ] {
        let found = figure(&record, name);
        assert!((found - expected).abs() < 1e-6, "{name}: {found}, not {expected}");
    }
    assert!(figure(&record, "cold_starts_total").is_nan() && figure(&record, "evictions_beyond_budget_total").is_nan());
}

/// Each of ten requests a second for an hour comes from outside (1 KiB, for nothing), makes the web in zone a ask a store in zone b
/// (1 KiB there, 64 KiB back, 65 KiB for 0.02 a GiB) and is answered (512 KiB to the internet, for 0.09 a GiB): 36 000 requests are
/// 2.23 GiB and 17.58 GiB. One by one or as rates, the bill has what was answered.
#[test]
fn bytes_that_leave_a_zone_are_paid_for() {
    for mode in ["requests", "{fluid: {step: 15s}}"] {
        let model = egress(mode);
        let record = run_model(&model, Detail::Tables).expect("it runs");
        let (_, bill) = record.tables.iter().find(|(name, _)| *name == "bill").expect("there is a bill");
        let mut text = Vec::new();
        bill.write_csv(&mut text).expect("written");
        let text = String::from_utf8(text).expect("text");
        let paid = |kind: &str, workload: &str| -> f64 {
            let rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
            let rows = rows.filter(|row| row[0] == kind && row[3] == "r" && row[6] == workload);
            rows.map(|row| row[7].parse::<f64>().expect("dollars")).sum()
        };
        let answered = figure(&record, "requests_total") * (1.0 - figure(&record, "requests_failed_ratio"));
        assert!((answered - 36_000.0).abs() < 1_000.0, "{mode}: {answered}");
        let gib = |kib: f64| answered * kib / 1_048_576.0;
        for (kind, workload, expected) in
            [("egress-internet", "web", gib(512.0) * 0.09), ("egress-zone", "store", gib(65.0) * 0.02)]
        {
            let found = paid(kind, workload);
            assert!((found - expected).abs() < 1e-3 * expected, "{mode}: {kind} {found} instead of {expected}\n{text}");
        }
        let lines = text.lines().filter(|line| line.starts_with("egress")).count();
        assert_eq!(lines, 2, "{mode}: nothing else leaves a zone\n{text}");
    }
}

/// A web in one zone and its store in another, with sizes of messages.
fn egress(mode: &str) -> Model {
    let deployment = |name: &str, zone: &str| {
        format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}}}, spec: {{replicas: 2, selector: {{matchLabels: \
             {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{nodeSelector: \
             {{topology.kubernetes.io/zone: {zone}}}, containers: [{{name: c, image: c, resources: {{requests: {{cpu: \
             500m}}}}}}]}}}}}}}}"
        )
    };
    model(
        &format!(
            "seed: 4
horizon: 1h
cluster:
  pools:
    - {{name: n, count: 2, zones: [a, b], labels: {{topology.kubernetes.io/region: r}}, allocatable: {{cpu: 4, memory: 16Gi}}, \
             usdPerHour: 0.2}}
workload:
  manifests: [objects.yaml]
billing: {{provider: aws, egress: {{internetPerGib: 0.09, zonePerGib: 0.02}}}}
traffic:
  model: {mode}
  services:
    - {{name: web, pods: {{target: deployment/web}}, requestSize: 1Ki, responseSize: 512Ki, steps: [{{compute: 1ms}}, {{call: \
             {{service: store}}}}]}}
    - {{name: store, pods: {{target: deployment/store}}, operations: [{{name: get, requestSize: 1Ki, responseSize: 64Ki, steps: \
             [{{compute: 1ms}}]}}]}}
  sources:
    - {{name: users, to: web, rate: 10/s}}
"
        ),
        &format!("{}\n---\n{}", deployment("web", "a"), deployment("store", "b")),
    )
}

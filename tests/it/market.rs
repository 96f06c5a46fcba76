//! Machines of a catalogue in a market, in whole runs: what they are, when they are refused and taken back, and what they cost.
#![allow(clippy::disallowed_methods, reason = "tests write the files that they read")]

use wavetank::engine::watch;
use wavetank::experiment::single::{Detail, run_model};
use wavetank::ids::MachineId;
use wavetank::model::Model;
use wavetank::observe::{CheckEveryEvent, Observer};
use wavetank::scenario::{Environment, load_scenario};
use wavetank::world::View;

/// Two types in two regions, one of which has two zones.
const TYPES: &str = "provider,instance_type,vcpu,memory_mib,reserved_cpu_milli,reserved_memory_mib,usd_per_hour:home,\
                     spot_usd_per_hour:home,usd_per_hour:away,spot_usd_per_hour:away
aws,big,4,8192,0,0,1,0.3,2,0.5
aws,small,2,4096,0,0,0.5,0.1,,
";
const REGIONS: &str = "provider,region,zones\naws,away,away-a away-b\n";

/// The price doubles after ten minutes, is above the price on demand from 5 400 s on, and back after 6 600 s.
const PRICES: &str = "timestamp,instance_type,availability_zone,spot_price_usd_per_hour
2016-03-01T00:00:00Z,big,home,0.36
2016-03-01T00:10:00Z,big,home,0.72
2016-03-01T01:30:00Z,big,home,1.2
2016-03-01T01:50:00Z,big,home,0.36
";
/// Two machines for ten minutes, then one.
const CAPACITY: &str = "{\"metadata\": {\"gap_seconds\": 600}, \"data\": [2, 1]}";

/// Notes every step of every machine: second, number of the machine, zone, state, and why it was refused.
#[derive(Debug, Default)]
struct Steps(Vec<String>);

impl Observer for Steps {
    fn machine_changed(&mut self, view: &View<'_>, machine: MachineId) {
        let one = view.world.fleet.get(machine);
        let zone = view.model.cluster.shape(view.model.provisioning.offer(one.offer).shape).zone.expect("a zone");
        let zone = &view.model.cluster.zones[zone.index()];
        let why = one.refusal.map_or(String::new(), |why| format!(" {}", why.name()));
        self.0.push(format!("{} #{} {zone} {}{why}", view.world.time, machine.0, one.state.name()));
    }
}

/// A scenario with one pool of the type `big`, kept at a size by the policy `static`.
fn model(pool: &str, market: &str, rest: &str) -> Model {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("written");
    write("types.csv", TYPES);
    write("regions.csv", REGIONS);
    write("prices.csv", PRICES);
    write("capacity.json", CAPACITY);
    let text = format!(
        "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {{name: s}}\nhorizon: 2h\n\
         cluster: {{pools: [{{name: n, count: 0, instanceType: big, {pool}}}]}}\n\
         cloud:\n  region: home\n  catalogue: {{files: [types.csv], regionFiles: [regions.csv]}}\n  market: {{{market}}}\n\
         provisioning: {{autoscalers: [{{policy: static}}]}}\n{rest}\n"
    );
    write("scenario.yaml", &text);
    let path = directory.path().join("scenario.yaml");
    load_scenario(&path, &[], 0, &Environment::default()).unwrap_or_else(|error| panic!("{error}")).model
}

fn steps(model: &Model) -> Vec<String> {
    watch(model, (Steps::default(), CheckEveryEvent)).expect("the policies are there").observer.0.0
}

fn cost_usd(model: &Model) -> f64 {
    let record = run_model(model, Detail::Tables).expect("it runs");
    record.metrics.iter().find(|metric| metric.name == "cost_usd_total").expect("a figure").value
}

const DELAYS: &str = "launch: 5s, boot: 20s, ready: 10s";
const BID: &str = "spot: [{prices: {recorded: {file: prices.csv}}, reclaim: {priceAboveOnDemand: 1}}]";

/// The machine is launched at 5 s, told at 5 400 s that its price is above 1 dollar, and gone 2 min later. What is ordered in
/// its place, at every minute, is refused until the price is back at 6 600 s.
#[test]
fn a_machine_lives_until_its_price_is_above_its_bid() {
    let model = model(&format!("market: spot, scaling: {{min: 1, max: 1, {DELAYS}}}"), BID, "");
    let found = steps(&model);
    assert_eq!(found[..4], ["0 #0 home ordered", "5 #0 home ordered", "25 #0 home joined", "35 #0 home ready"]);
    let told = found.iter().position(|step| step.starts_with("5400 #0")).expect("it is told");
    assert_eq!(found[told], "5400 #0 home ready");
    assert_eq!(found[told + 1], "5520 #0 home ended");
    let refused = found.iter().filter(|step| step.ends_with("home refused stock-out")).count();
    // At 5 520, 5 580, ... 6 540 s.
    assert_eq!(refused, 18, "{found:?}");
    assert!(found.contains(&"6600 #19 home ordered".to_owned()), "{found:?}");
}

/// The first machine costs from 5 s to 5 520 s, the second from 6 605 s to the end at 7 200 s.
#[test]
fn spot_machines_cost_what_the_market_says() {
    let pool = format!("market: spot, scaling: {{min: 1, max: 1, {DELAYS}}}");
    // At each instant: 595 s at 0.36, 4 800 s at 0.72, 120 s at 1.2, and 595 s at 0.36.
    let instants = (595.0 * 0.36 + 4800.0 * 0.72 + 120.0 * 1.2 + 595.0 * 0.36) / 3600.0;
    let found = cost_usd(&model(&pool, BID, ""));
    assert!((found - instants).abs() < 1e-6, "{found} instead of {instants}");
    let azure = cost_usd(&model(&pool, BID, "billing: {provider: azure}"));
    assert!((azure - instants).abs() < 1e-6, "{azure} instead of {instants}");
    // AWS: an hour at the price of 5 s, 1 915 s at that of 3 605 s, and 595 s.
    let hours = (3600.0 * 0.36 + 1915.0 * 0.72 + 595.0 * 0.36) / 3600.0;
    let aws = cost_usd(&model(&pool, BID, "billing: {provider: aws}"));
    assert!((aws - hours).abs() < 1e-6, "{aws} instead of {hours}");
}

/// Of two machines the one that came last goes when there is one only; that is told 2 min before. It has not joined by then,
/// and does not any more.
#[test]
fn who_came_last_goes_first_when_there_are_fewer() {
    let capacity = "spot: [{capacity: {recorded: {file: capacity.json}}}]";
    let model = model("market: spot, scaling: {min: 2, max: 2, launch: 5s, boot: 11m, ready: 0s}", capacity, "");
    let found = steps(&model);
    assert_eq!(found[..4], ["0 #0 home ordered", "0 #1 home ordered", "5 #0 home ordered", "5 #1 home ordered"]);
    assert_eq!(found[4], "600 #1 home ordered", "{found:?}");
    assert!(
        found.contains(&"665 #0 home ready".to_owned()) && found.contains(&"720 #1 home ended".to_owned()),
        "{found:?}"
    );
    assert!(found.iter().all(|step| !step.contains("#1 home joined") && !step.contains("#1 home ready")), "{found:?}");
    // In its place there is none to be had for the rest of the run.
    assert!(
        found.iter().skip_while(|step| !step.starts_with("720 #1")).skip(1).all(|step| step.ends_with("stock-out"))
    );
}

/// In zone away-a there is none for the first half hour: what the group would spread comes from away-b.
#[test]
fn a_zone_that_has_none_is_passed_over() {
    let market = "stockOuts: [{of: {instanceTypes: [big], zones: [away-a]}, at: 0s, for: 30m}]";
    let model = model("region: away, scaling: {min: 2, max: 4}", market, "");
    let shapes: Vec<&str> = model.cluster.zones.iter().map(String::as_str).collect();
    assert_eq!(shapes, ["away-a", "away-b"]);
    let ordered: Vec<String> = steps(&model).into_iter().filter(|step| step.ends_with("ordered")).collect();
    assert!(ordered.iter().all(|step| step.contains("away-b")) && !ordered.is_empty(), "{ordered:?}");
    // Two machines at 2 dollars from the start on, on demand; the region has its own prices.
    assert!((cost_usd(&model) - 8.0).abs() < 1e-9);
}

/// Ten vCPUs hold two machines of four; what one machine gives back another may take.
#[test]
fn an_account_has_no_more_than_its_quota() {
    let model =
        model("scaling: {min: 3, max: 3}", "quotas: [{of: {regions: [home], market: on-demand}, vcpus: 10}]", "");
    let found = steps(&model);
    let refused: Vec<&String> = found.iter().filter(|step| step.ends_with("refused quota")).collect();
    assert_eq!(refused[0], "0 #2 home refused quota");
    // One a minute, from the first instant to the last.
    assert_eq!(refused.len(), 121, "{refused:?}");
    let present = found.iter().filter(|step| step.ends_with("ready")).count();
    assert_eq!(present, 2, "{found:?}");
}

/// `m5.large` in Ireland: what docs/cloud.md works out of it, its price, and times as AWS has them.
#[test]
fn a_pool_gets_what_its_type_has() {
    let text = "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {name: s}\nhorizon: 1h\n\
                cluster: {pools: [{name: n, instanceType: m5.large, region: eu-west-1, allocatable: {pods: 10}, \
                scaling: {max: 2, ready: 1s}}, {name: g, instanceType: g4dn.12xlarge, region: eu-west-1, usdPerHour: 7}]}\n";
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("scenario.yaml");
    std::fs::write(&path, text).expect("written");
    let model = load_scenario(&path, &[], 0, &Environment::default()).unwrap_or_else(|error| panic!("{error}")).model;
    let shape = model.cluster.shape_of(wavetank::ids::NodeId(0));
    assert_eq!((shape.allocatable.cpu.0, shape.allocatable.memory.0 >> 20, shape.allocatable.pods), (1930, 6903, 10));
    assert_eq!((shape.usd_per_hour, model.cluster.pools[0].shapes.len()), (0.107, 3));
    let label = |key: &str| shape.labels.iter().find(|label| label.key == key).map(|label| label.value.as_str());
    assert_eq!(label("node.kubernetes.io/instance-type"), Some("m5.large"));
    assert_eq!(
        (label("topology.kubernetes.io/region"), label("kubernetes.io/arch")),
        (Some("eu-west-1"), Some("amd64"))
    );
    let delays = &model.provisioning.groups[0].delays;
    assert_eq!((delays.ready.mean_seconds(), delays.boot.is_zero(), delays.launch.is_zero()), (1.0, false, true));
    let gpus = model.cluster.shape_of(wavetank::ids::NodeId(1));
    assert_eq!((gpus.gpu.map(|gpu| gpu.count), gpus.usd_per_hour), (Some(4), 7.0));
}

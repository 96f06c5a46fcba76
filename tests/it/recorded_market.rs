//! Recorded prices in a whole run: the scenarios under `scenarios/nodes/recorded`, whose machines and bill are compared with what
//! the file says, row by row.
//!
//! The recordings stand in the directory that `WAVETANK_DATA` names; without it tests that need them say 'skipped'.
#![allow(clippy::disallowed_methods, reason = "the data are where the environment says")]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use wavetank::engine::{Finished, watch};
use wavetank::importers::instant::parse_instant;
use wavetank::model::Model;
use wavetank::model::provisioning::Market;
use wavetank::observe::Recorder;
use wavetank::scenario::{Environment, load_scenario};
use wavetank::units::SimTime;
use wavetank::world::{Machine, MachineState};

/// What m4.10xlarge and its like cost on demand in 2016, as `types-2016.csv` has it.
const ON_DEMAND: [(&str, f64); 4] =
    [("m3.medium", 0.067), ("m3.large", 0.133), ("d2.xlarge", 0.69), ("m4.10xlarge", 2.394)];

/// Changes of prices by type and zone, in seconds.
type Changes = BTreeMap<(String, String), Vec<(f64, f64)>>;

/// The changes of a file by type and zone, in seconds from an instant on: read here a second time, in the plainest way.
fn changes(file: &Path, from: &str) -> Changes {
    let mut text = String::new();
    let compressed = std::fs::File::open(file).expect("the file");
    flate2::read::MultiGzDecoder::new(compressed).read_to_string(&mut text).expect("text");
    let second = |text: &str| parse_instant(text).expect("an instant").nanoseconds() as f64 / 1e9;
    let begin = second(from);
    let mut all = Changes::new();
    for row in text.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let change = (second(cells[0]) - begin, cells[4].parse().expect("a price"));
        all.entry((cells[1].to_owned(), cells[2].to_owned())).or_default().push(change);
    }
    all.values_mut().for_each(|list| list.sort_by(|one, other| one.0.total_cmp(&other.0)));
    all
}

/// The price at an instant.
fn price(changes: &[(f64, f64)], at_s: f64) -> f64 {
    changes.iter().rfind(|(from, _)| *from <= at_s).expect("the file begins before").1
}

/// A scenario that reads recordings, its run, and where the recordings are.
fn run_recorded(scenario: &str) -> Option<(Model, Finished<Recorder>, PathBuf)> {
    let Some(data) = std::env::var_os("WAVETANK_DATA").map(PathBuf::from) else {
        println!("{scenario}: skipped, WAVETANK_DATA is not set");
        return None;
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(scenario);
    let environment = Environment { data_directory: Some(data.clone()) };
    let model = load_scenario(&path, &[], 0, &environment).unwrap_or_else(|error| panic!("{error}")).model;
    let finished = watch(&model, Recorder::new(&model)).expect("the policies are there");
    Some((model, finished, data))
}

fn run() -> Option<(Model, Finished<Recorder>, Changes)> {
    let (model, finished, data) = run_recorded("nodes/recorded/spot-2016.yaml")?;
    let changes = changes(&data.join("aws-spot-2016/spot_price_history.csv.gz"), "2016-04-19T00:00:00Z");
    Some((model, finished, changes))
}

/// Type and zone of a machine.
fn place(model: &Model, machine: &Machine) -> (String, String) {
    let shape = model.cluster.shape(model.provisioning.offer(machine.offer).shape);
    let kind = shape.labels.iter().find(|label| label.key == "node.kubernetes.io/instance-type").expect("a type");
    (kind.value.clone(), model.cluster.zones[shape.zone.expect("a zone").index()].clone())
}

/// No spot machine is bought while the price is above that on demand, and none lives longer than 2 min after that; each costs,
/// for each of its hours, what the file has at the hour's beginning.
#[test]
fn spot_machines_of_2016_cost_and_go_as_the_file_says() {
    let Some((model, finished, changes)) = run() else { return };
    the_cheapest_zone_is_taken(&model, &finished, &changes);
    let world = &finished.world;
    let (mut spot_usd, mut told) = (0.0, 0);
    for one in &world.fleet.machines {
        if one.state == MachineState::Refused || model.provisioning.offer(one.offer).market != Market::Spot {
            continue;
        }
        let (kind, zone) = place(&model, one);
        let bid = ON_DEMAND.iter().find(|(name, _)| *name == kind).expect("a type").1;
        let series = &changes[&(kind, zone)];
        let (begin, end) = (one.launched.as_seconds(), one.ended.min(world.time).as_seconds());
        assert!(price(series, one.ordered.as_seconds()) <= bid, "bought above the bid at {}", one.ordered);
        let above =
            series.iter().find(|(at, price)| *at > begin && *price > bid).map_or(f64::INFINITY, |change| change.0);
        assert!(
            end <= above + 120.0 + 1e-6,
            "{} lived from {begin} to {end}, and was above the bid at {above}",
            one.offer.index()
        );
        if one.reclaimed_at != SimTime::NEVER {
            let at = one.reclaimed_at.as_seconds();
            assert!((at - above - 120.0).abs() < 1e-6, "taken back at {at}, above the bid at {above}");
            told += 1;
        }
        // Karpenter gives most back within the two minutes, and pays; what the provider takes in its first hour is free.
        if one.reclaimed_at <= one.ended && end - begin < 3600.0 && one.ended != SimTime::NEVER {
            continue;
        }
        // By the second begun, a minute at least.
        let used_ns = one.ended.min(world.time).since(one.launched).0;
        let billed = used_ns.div_ceil(1_000_000_000).max(60) as f64;
        let hours = (0..).map(|hour| f64::from(hour) * 3600.0).take_while(|from| *from < billed);
        spot_usd += hours.map(|from| price(series, begin + from) * (billed - from).min(3600.0) / 3600.0).sum::<f64>();
    }
    assert!(told > 5, "{told} machines were taken back");
    let bill = finished.observer.bill.as_ref().expect("a bill").table(&model);
    let found: f64 =
        rows(&bill).iter().filter(|row| row[0] == "spot").map(|row| row[7].parse::<f64>().expect("dollars")).sum();
    assert!((found - spot_usd).abs() < 1e-6 * spot_usd, "{found} instead of {spot_usd}");
}

/// Karpenter gets the cheapest zone of the instant: nearly always, as it does not ask for a zone that has just had none, nor for one that
/// was dearer than a machine on demand when it last asked for prices.
fn the_cheapest_zone_is_taken(model: &Model, finished: &Finished<Recorder>, changes: &Changes) {
    let (mut all, mut cheapest) = (0, 0);
    for one in &finished.world.fleet.machines {
        if one.state == MachineState::Refused || model.provisioning.offer(one.offer).market != Market::Spot {
            continue;
        }
        let (kind, zone) = place(model, one);
        let at_s = one.ordered.as_seconds();
        let paid = price(&changes[&(kind.clone(), zone)], at_s);
        let others = changes.iter().filter(|((other, _), _)| *other == kind).map(|(_, series)| price(series, at_s));
        all += 1;
        cheapest += u32::from(others.fold(f64::INFINITY, f64::min) >= paid - 1e-9);
    }
    assert!(all > 20 && cheapest * 10 >= all * 9, "{cheapest} of {all}");
}

/// The rows of a table as it is written.
fn rows(table: &wavetank::results::Table) -> Vec<Vec<String>> {
    let mut text = Vec::new();
    table.write_csv(&mut text).expect("written");
    let text = String::from_utf8(text).expect("text");
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// A trace of availability: seconds between two numbers, and the numbers, each times so many.
fn availability(file: &Path, times: i64) -> (f64, Vec<i64>) {
    let text = std::fs::read_to_string(file).expect("the file");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let numbers = json["data"].as_array().expect("a list").iter();
    let gap_s = json["metadata"]["gap_seconds"].as_f64().expect("seconds");
    (gap_s, numbers.map(|one| one.as_i64().expect("a number") * times).collect())
}

/// Of the spot machines of each zone there are never more than the trace has, but for the two minutes of their notice, and none is
/// bought while there is none; they are taken back when there are fewer, and for no other reason.
#[test]
fn spot_machines_of_2023_are_there_when_the_traces_say() {
    let Some((model, finished, data)) = run_recorded("nodes/recorded/availability-2023.yaml") else { return };
    let directory = data.join("spot-availability-2023/availability");
    let (notice_s, end_s) = (120.0, finished.world.time.as_seconds());
    let mut taken_back = 0;
    for (zone, file, times) in [
        ("us-west-2a", "16-node/aws-08-27-2023/us-west-2a_v100_1.json", 1),
        ("us-west-2b", "1-node/aws-02-15-2023/us-west-2b_v100_1.json", 4),
    ] {
        let (gap_s, there) = availability(&directory.join(file), times);
        let machines: Vec<(f64, f64, f64)> = (finished.world.fleet.machines.iter())
            .filter(|one| one.state != MachineState::Refused)
            .filter(|one| model.provisioning.offer(one.offer).market == Market::Spot)
            .filter(|one| place(&model, one).1 == zone)
            .map(|one| (one.launched.as_seconds(), one.ended.as_seconds(), one.reclaimed_at.as_seconds()))
            .collect();
        assert!(machines.len() > 10, "{zone}: {} spot machines", machines.len());
        for (step, &most) in there.iter().enumerate() {
            // Just before the next number, by when the notice of whoever was too many is over.
            let at_s = (step + 1) as f64 * gap_s - 1.0;
            let held = machines.iter().filter(|(from, to, _)| *from <= at_s && at_s < *to).count() as i64;
            assert!(at_s > end_s || held <= most, "{zone}: {held} of {most} at {at_s} s");
        }
        for &(from, _, reclaimed_s) in machines.iter().filter(|one| one.2 < end_s) {
            let told = (reclaimed_s - notice_s) / gap_s;
            let step = told.round() as usize;
            assert!((told - told.round()).abs() < 1e-3, "{zone}: told at {told} steps");
            assert!(there[step] < there[step - 1], "{zone}: taken back at step {step} though there are no fewer");
            assert!(from < reclaimed_s);
            taken_back += 1;
        }
    }
    assert!(taken_back > 20, "{taken_back} were taken back");
}

//! Energy, carbon and deferral in a run: worked out by hand, and on recorded grids and jobs.
#![allow(clippy::disallowed_methods, reason = "tests read files")]

use std::io::Read;
use std::path::PathBuf;

use wavetank::experiment::single::{Detail, run_model};
use wavetank::importers::carbon::read_intensity;
use wavetank::importers::instant::parse_instant;
use wavetank::policy::deferral::{self, Ask};
use wavetank::results::ResultWriter;
use wavetank::scenario::{Environment, load_scenario};
use wavetank::units::{SimDuration, SimTime};

use super::event_log::{model, run};

/// Two nodes of 4 cores in two zones, and a pod of 2 cores that runs for the first of two hours on the first of them.
const BY_HAND: &str = "
horizon: 2h
cluster: {pools: [{name: n, count: 2, zones: [a, b], allocatable: {cpu: 4, memory: 8Gi}}]}
workload:
  templates:
    - {name: job, requests: {cpu: 2}, arrivals: {at: [0s]}, duration: 1h}
power: {pue: 1.5, nodes: [{watts: {idle: 100, max: 300}, embodiedKg: 35.04}]}
carbon: {intensity: [{zone: a, constant: 100}, {constant: 400}]}
scheduler: {policy: first-fit}
outputs: {sampleEvery: 30m}
";

#[test]
fn energy_and_carbon_are_as_worked_out_by_hand() {
    let record = run_model(&model(BY_HAND), Detail::Tables).expect("it runs");
    let value = |name: &str| record.metrics.iter().find(|metric| metric.name == name).expect("a figure").value;
    for (name, expected) in [
        // n-0: an hour at 100 + 200 / 2 W and one at 100 W; n-1: two hours at 100 W; times 1.5.
        ("energy_kwh_total", 0.75),
        // 0.45 kWh at 100 g and 0.3 kWh at 400 g.
        ("carbon_kg_total", 0.165),
        // 35 040 g over 35 040 h: a gram an hour and node.
        ("carbon_embodied_kg_total", 0.004),
    ] {
        assert!((value(name) - expected).abs() < 1e-12, "{name} is {}, not {expected}", value(name));
    }
    let (_, table) = record.tables.iter().find(|(name, _)| *name == "energy").expect("a table");
    let place = tempfile::tempdir().expect("a directory");
    ResultWriter::create(place.path()).and_then(|writer| writer.table("energy.csv", table)).expect("it is written");
    let text = std::fs::read_to_string(place.path().join("energy.csv")).expect("it is there");
    // After 30 min: 300 W of 450 at 100 g, the rest at 400 g: 0.15 * 100 + 0.075 * 400 = 45 g of 225 Wh.
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows[0], "time_s,pool,power_w,intensity_g_per_kwh,energy_kwh,carbon_kg,carbon_embodied_kg");
    assert_eq!(rows[2], "1800,n,450.000,200.000,0.225000,0.045000,0.001000", "{text}");
}

/// Whether anybody asks for energy changes nothing else.
#[test]
fn energy_is_watched_only() {
    let without = BY_HAND.lines().filter(|line| !line.starts_with("power") && !line.starts_with("carbon"));
    let without: String = without.map(|line| format!("{line}\n")).collect();
    assert_eq!(run(&model(&without)).observer.lines, run(&model(BY_HAND)).observer.lines);
    let record = run_model(&model(&without), Detail::Tables).expect("it runs");
    assert!(record.tables.iter().all(|(name, _)| *name != "energy"));
    assert!(record.metrics.iter().all(|metric| !metric.name.contains("carbon") || metric.value.is_nan()));
}

/// One node in each zone. Intensity at a is lowest around noon, at b it is 250 all the time.
fn shifted(deferrable: &str) -> Vec<String> {
    let text = format!(
        "
horizon: 24h
cluster: {{pools: [{{name: n, count: 2, zones: [a, b], allocatable: {{cpu: 4, memory: 8Gi}}}}]}}
workload:
  templates:
    - {{name: job, requests: {{cpu: 2}}, arrivals: {{at: [0s]}}, duration: 1h}}
carbon:
  intensity: [{{zone: b, constant: 250}}, {{daily: {{mean: 300, amplitude: 100, highest: 0s}}}}]
  deferrable: [{{template: job, {deferrable}}}]
scheduler: {{policy: first-fit}}
"
    );
    run(&model(&text)).observer.lines
}

#[test]
fn pods_start_when_and_where_their_policy_says() {
    for (deferrable, started) in [
        ("deadline: 24h, policy: none", "0 job-0 running n-0"),
        // An hour about noon: 11:30.
        ("deadline: 24h, policy: lowest-window", "41400 job-0 running n-0"),
        // Only the last hour before the deadline is nearer to noon than the others.
        ("deadline: 6h", "18000 job-0 running n-0"),
        // Two hours, as its owner thinks: 11:00.
        ("deadline: 24h, length: 2h", "39600 job-0 running n-0"),
        // Now 400 at a, 250 at b.
        ("deadline: 24h, policy: lowest-region, zones: [a, b]", "0 job-0 running n-1"),
        ("deadline: 24h, policy: lowest-region, zones: [a]", "0 job-0 running n-0"),
        // At noon 200 at a.
        ("deadline: 24h, zones: [b, a]", "41400 job-0 running n-0"),
        // Before six a has 300 and more.
        ("deadline: 6h, zones: [a, b]", "0 job-0 running n-1"),
        ("deadline: 24h, policy: threshold, parameters: {g_per_kwh: 1000}", "0 job-0 running n-0"),
    ] {
        let lines = shifted(deferrable);
        assert_eq!(lines[0], "0 job-0 pending");
        assert_eq!(lines.get(1).map(String::as_str), Some(started), "{deferrable}: {lines:?}");
    }
}

/// Recorded jobs on recorded grids: what a policy that heeds carbon saves over none, when jobs may wait for a day.
#[test]
fn recorded_jobs_cost_less_carbon_when_they_wait() {
    let Some(data) = std::env::var_os("WAVETANK_DATA").map(PathBuf::from) else {
        println!("skipped, WAVETANK_DATA is not set");
        return;
    };
    let jobs = recorded_jobs(&data.join("gaia-batch/azure.csv.gz"), 3000);
    for (grid, saved_at_least) in [("DE_2022_15min", 0.05), ("GB_2020_30min", 0.05), ("NL_2021-2024_hourly", 0.02)] {
        let path = data.join(format!("carbon-intensity/{grid}.csv.gz"));
        let intensity = read_intensity(&path, None).expect("it is read");
        let carbon = |name: &str| {
            let row = deferral::find(name).expect("it is in the table");
            let policy = row.build(&serde_json::json!({})).expect("defaults are right");
            jobs.iter().fold(0.0, |sum, &(now, length, cores)| {
                let deadline = now.after(length).after(SimDuration(86_400_000_000_000));
                let choice = policy.decide(&Ask { now, deadline, length, places: &[&intensity] });
                sum + cores * intensity.integral(choice.start, choice.start.after(length))
            })
        };
        let (at_once, lowest) = (carbon("none"), carbon("lowest-window"));
        println!("{grid}: lowest window saves {:.1} %", 100.0 * (1.0 - lowest / at_once));
        assert!(lowest < at_once * (1.0 - saved_at_least), "{grid}: {lowest} of {at_once}");
        for row in deferral::DEFERRALS {
            let carbon = carbon(row.name);
            println!("  {}: {:.1} % of none", row.name, 100.0 * carbon / at_once);
            assert!(carbon >= lowest * (1.0 - 1e-9), "{grid}: {} beats the lowest window", row.name);
        }
    }
}

/// Arrival, length and cores of the first jobs of a trace.
fn recorded_jobs(path: &std::path::Path, most: usize) -> Vec<(SimTime, SimDuration, f64)> {
    let mut text = String::new();
    let file = std::fs::File::open(path).expect("the trace is there");
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("it is text");
    let number = |cell: Option<&str>| cell.and_then(|cell| cell.parse::<f64>().ok()).expect("a number");
    let span = |hours: f64| SimDuration::from_seconds(hours * 3600.0);
    let job = |line: &str| {
        let mut cells = line.split(',');
        let (arrival, length, cores) = (number(cells.next()), number(cells.next()), number(cells.next()));
        (SimTime::ZERO.after(span(arrival)), span(length), cores)
    };
    text.lines().skip(1).take(most).map(job).collect()
}

/// The scenario of recorded grids: between two samples, a quarter of an hour apart, intensity is that of one row of the file, read
/// here a second time, so carbon grows by it times the energy.
#[test]
fn carbon_of_a_run_on_recorded_grids_is_what_the_files_say() {
    let Some(data) = std::env::var_os("WAVETANK_DATA").map(PathBuf::from) else {
        println!("skipped, WAVETANK_DATA is not set");
        return;
    };
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/carbon/recorded/grids.yaml");
    let environment = Environment { data_directory: Some(data.clone()) };
    let model = load_scenario(&path, &[], 0, &environment).unwrap_or_else(|error| panic!("{error}")).model;
    let record = run_model(&model, Detail::Tables).expect("it runs");
    let mut text = Vec::new();
    let energy = &record.tables.iter().find(|(name, _)| *name == "energy").expect("a table").1;
    energy.write_csv(&mut text).expect("written");
    let text = String::from_utf8(text).expect("text");
    for (pool, file) in [
        ("germany", "DE_2022_15min"),
        ("france", "FR_2022_hourly"),
        ("netherlands", "NL_2021-2024_hourly"),
        ("australia", "AU_2021-2024_hourly"),
    ] {
        let series = intensity_from(&data.join(format!("carbon-intensity/{file}.csv.gz")), "2022-05-09 00:00:00");
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        let rows: Vec<[f64; 3]> = (rows.iter().filter(|row| row[1] == pool))
            .map(|row| [0, 4, 5].map(|cell| row[cell].parse::<f64>().expect("a number")))
            .collect();
        assert_eq!(rows.len(), 7 * 96 + 1, "{pool}");
        for pair in rows.windows(2) {
            let [[at_s, kwh, kg], [_, next_kwh, next_kg]] = [pair[0], pair[1]];
            let grams = series.iter().rfind(|(from_s, _)| *from_s <= at_s).expect("the file begins before").1;
            let (expected, found) = ((next_kwh - kwh) * grams / 1000.0, next_kg - kg);
            // Six decimals of energy and carbon.
            assert!((found - expected).abs() < 2e-6 + 2e-6 * grams / 1000.0, "{pool} at {at_s} s: {found}, {expected}");
        }
    }
}

/// Values of a file of intensities, with the seconds from an instant on at which they begin.
fn intensity_from(path: &std::path::Path, from: &str) -> Vec<(f64, f64)> {
    let mut text = String::new();
    let file = std::fs::File::open(path).expect("the file is there");
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("it is text");
    let second = |text: &str| parse_instant(text).expect("an instant").nanoseconds() as f64 / 1e9;
    let cells = text.lines().skip(1).map(|line| line.split_once(',').expect("two cells"));
    cells.map(|(at, grams)| (second(at) - second(from), grams.parse().expect("a number"))).collect()
}

//! Function platforms as scenarios: from the file to tables and figures.
#![allow(clippy::disallowed_methods, reason = "tests read and write files")]

use std::path::Path;

use wavetank::experiment::single::{Detail, RunRecord, run_model};
use wavetank::results::Table;
use wavetank::scenario::{Environment, load_scenario};
use wavetank::stats::interval::{mean_interval, student_t};

const HEAD: &str = "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {name: s}\n";

/// The run of a scenario with these lines, which stands beside these files.
fn run(lines: &str, files: &[(&str, &str)], replication: u32) -> RunRecord {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).expect("it can be written");
    }
    let path = directory.path().join("scenario.yaml");
    std::fs::write(&path, format!("{HEAD}{lines}")).expect("it can be written");
    let environment = Environment { data_directory: std::env::var_os("WAVETANK_DATA").map(Into::into) };
    let model = load_scenario(&path, &[], replication, &environment).map_err(|error| error.to_string());
    run_model(&model.expect("the scenario is right").model, Detail::Tables).expect("it runs")
}

fn figure(record: &RunRecord, name: &str) -> f64 {
    record.metrics.iter().find(|metric| metric.name == name).expect("it is a figure").value
}

/// A table as it is written, row by row.
fn rows(record: &RunRecord, name: &str) -> Vec<Vec<String>> {
    let table: &Table = &record.tables.iter().find(|table| table.0 == name).expect("it is a table").1;
    let mut text = Vec::new();
    table.write_csv(&mut text).expect("it is written");
    let text = String::from_utf8(text).expect("it is text");
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn cell(rows: &[Vec<String>], row: usize, column: &str) -> f64 {
    let at = rows[0].iter().position(|name| name == column).expect("it is a column");
    rows[row + 1][at].parse().expect("it is a number")
}

/// Calls at recorded instants: 0, 1, 3, 20 and 20.1 s, each of 2 s, a start of 1 s; instances of 1 GB stay for 5 s.
///
/// 0: cold, to 3. 1: cold, to 4. 3: the first instance, which is free then, to 5. The second waits from 4 to 9, the first from 5 to 10.
/// 20: cold, to 23. 20.1: cold, to 23.1. Both wait until 28 and 28.1, within the run of 30 s.
/// Busy 3 + 3 + 2 + 3 + 3 = 14, idle 5 + 5 + 5 + 5 = 20 s, so (14 + 20) / 30 instances on average.
/// Billed 14 000 ms: 14 * 0.0000166667 USD and 5 * 0.0000002. Latencies 3, 3, 2, 3, 3.
#[test]
fn a_small_run_goes_as_worked_out_by_hand() {
    let times = ("calls.csv", "time_s\n0\n1\n3\n20\n20.1\n");
    let lines = "horizon: 30s\nfunctions:\n  platform: {keepAlive: {fixed: 5s}}\n  list:\n    - {name: f, memory: 1Gi, \
                 arrivals: {replay: {file: calls.csv}}, duration: 2s, coldStart: 1s}\n";
    let record = run(lines, &[times], 0);
    for (name, expected) in [
        ("function_calls_total", 5.0),
        ("function_cold_start_pct", 80.0),
        ("function_cold_start_p75_pct", 80.0),
        ("function_throttled_pct", 0.0),
        ("function_latency_ms_mean", 2800.0),
        ("function_latency_ms_p50", 3000.0),
        ("function_wasted_gb_s_total", 20.0),
        ("function_instances_mean", 34.0 / 30.0),
        ("function_cost_usd_total", 14.0 * 0.000_016_666_7 + 5.0 * 0.2e-6),
        ("end_time_s", 30.0),
    ] {
        let found = figure(&record, name);
        assert!((found - expected).abs() < 1e-9 * expected.max(1.0), "{name} is {found}, not {expected}");
    }
    assert!(figure(&record, "pods_arrived").is_nan() && figure(&record, "task_cost_usd_total").is_nan());
    let functions = rows(&record, "functions");
    for (column, expected) in
        [("invocations", 5.0), ("cold", 4.0), ("instances_peak", 2.0), ("concurrency_peak", 2.0), ("wasted_gb_s", 20.0)]
    {
        assert!((cell(&functions, 0, column) - expected).abs() < 1e-9, "{column}");
    }
    let series = rows(&record, "function_series");
    assert_eq!((series.len(), cell(&series, 0, "invocations"), cell(&series, 0, "cold")), (2, 5.0, 4.0));
}

/// One provisioned instance: the calls at 0, 3, 20 meet it, those at 1 and 20.1 do not. It waits 30 - 3 * 2 = 24 s; the others
/// stay 5 s each after 4 and 23.1.
#[test]
fn provisioned_instances_cost_memory_that_waits() {
    let times = ("calls.csv", "time_s\n0\n1\n3\n20\n20.1\n");
    let lines = "horizon: 30s\nfunctions:\n  platform: {keepAlive: {fixed: 5s}, provisionedConcurrency: 1}\n  list:\n    - {name: f, \
                 memory: 1Gi, arrivals: {replay: {file: calls.csv}}, duration: 2s, coldStart: 1s}\n";
    let record = run(lines, &[times], 0);
    assert!((figure(&record, "function_cold_start_pct") - 40.0).abs() < 1e-9);
    assert!((figure(&record, "function_wasted_gb_s_total") - 34.0).abs() < 1e-9);
    assert_eq!(cell(&rows(&record, "functions"), 0, "instances_peak"), 2.0);
}

/// A task each ten minutes for an hour, the first after ten minutes: five before the end, as the sixth would come with it. Each
/// starts for 30 s and runs for 100: 130 s billed of 0.5 vCPU and 2 GB, the smallest size with 1.5 GiB.
#[test]
fn tasks_are_billed_by_size_and_second() {
    let lines = "horizon: 1h\nfunctions:\n  tasks: [{name: t, cpu: 400m, memory: 1.5Gi, rate: 6/h, arrivals: deterministic, \
                 duration: 100s, startUp: 30s}]\n";
    let record = run(lines, &[], 0);
    let hours = 5.0 * 130.0 / 3600.0;
    let expected = hours * (0.5 * 0.040_48 + 2.0 * 0.004_445);
    assert!((figure(&record, "task_cost_usd_total") - expected).abs() < 1e-12);
    let tasks = rows(&record, "tasks");
    for (column, expected) in [
        ("started", 5.0),
        ("concurrency_peak", 1.0),
        ("concurrency_mean", 650.0 / 3600.0),
        ("vcpu_hours", 0.5 * hours),
        ("gb_hours", 2.0 * hours),
        ("span_s_p99", 130.0),
    ] {
        assert!((cell(&tasks, 0, column) - expected).abs() < 1e-9, "{column}");
    }
    assert!(figure(&record, "function_calls_total").is_nan());
}

/// Counts by minute, with durations: 3 calls in the first minute and 1 in the third.
#[test]
fn tables_of_azure_are_run() {
    let counts =
        ("counts.csv", "HashOwner,HashApp,HashFunction,Trigger,480,481,482\no,a,f,http,3,0,1\no,b,f,http,0,2,0\n");
    let calls = ("calls.csv", "app,func,end_timestamp,duration\na,f,10.5,0.5\nb,f,3.25,3\na,f,60.1,0.2\n");
    let lines = "horizon: 3m\nfunctions:\n  platform: {keepAlive: none}\n  azure2019: {invocations: counts.csv}\n  azure2021: \
                 {file: calls.csv, coldStart: 2s}\n";
    let record = run(lines, &[counts, calls], 0);
    assert_eq!(figure(&record, "function_calls_total"), 9.0);
    let series = rows(&record, "function_series");
    let by_minute: Vec<f64> = (0..3).map(|minute| cell(&series, minute, "invocations")).collect();
    assert_eq!(by_minute, [6.0, 2.0, 1.0]);
    // Functions of one name are drawn apart, and each call of the last starts an instance: 0.5, 3 and 0.2 s, and 2 s before.
    let functions = rows(&record, "functions");
    assert_eq!(functions.len(), 5);
    assert!((cell(&functions, 3, "latency_ms_mean") - 5000.0).abs() < 1e-6);
}

/// The row of SimFaaS' documentation (Mahmoudi and Khazaei 2021) through a scenario: as the test of the library, which says why.
#[test]
fn the_steady_state_of_simfaas_is_met_through_a_scenario() {
    const RUNS: u32 = 6;
    let published = [0.14, 7.6612];
    let lines = "horizon: 1000000s\nfunctions:\n  platform: {keepAlive: {fixed: 10m}, routing: newestFirst, limits: none}\n  list:\n    \
                 - {name: f, memory: 128Mi, rate: 0.9/s, duration: {exponential: {mean: 1991ms}}, coldDuration: {exponential: \
                 {mean: 2244ms}}}\n";
    let runs: Vec<[f64; 2]> = (0..RUNS)
        .map(|replication| {
            let record = run(lines, &[], replication);
            ["function_cold_start_pct", "function_instances_mean"].map(|name| figure(&record, name))
        })
        .collect();
    for (quantity, theirs) in published.into_iter().enumerate() {
        let ours: Vec<f64> = runs.iter().map(|run| run[quantity]).collect();
        let interval = mean_interval(&ours);
        let deviation = interval.standard_error * f64::from(RUNS).sqrt();
        let half_width = student_t(0.975, u64::from(RUNS) - 1) * deviation * (1.0 + 1.0 / f64::from(RUNS)).sqrt();
        // The probability is published with four digits after the point, of percent with two.
        let rounding = if quantity == 0 { 0.005 } else { 0.000_05 };
        let distance = (theirs - interval.mean).abs();
        assert!(distance <= half_width + rounding, "{quantity}: {theirs}, ours {} +- {half_width}", interval.mean);
    }
}

/// The directory of real data; none, and says so, without it.
fn has_data(test: &str) -> bool {
    let is_there = std::env::var_os("WAVETANK_DATA").is_some_and(|data| Path::new(&data).is_dir());
    if !is_there {
        println!("{test}: skipped, WAVETANK_DATA is not set");
    }
    is_there
}

#[test]
fn the_functions_of_azure_2019_run_as_a_scenario() {
    if !has_data("the_functions_of_azure_2019_run_as_a_scenario") {
        return;
    }
    let run = |keep_alive: &str| {
        let lines = format!(
            "horizon: 480m\nfunctions:\n  platform: {{keepAlive: {keep_alive}, limits: none}}\n  azure2019:\n    invocations: \
             ${{WAVETANK_DATA}}/azure-functions-2019/sample250/invocations_min480-959.csv.gz\n    durations: \
             ${{WAVETANK_DATA}}/azure-functions-2019/sample250/durations.csv.gz\n    memoryTable: \
             ${{WAVETANK_DATA}}/azure-functions-2019/sample250/memory.csv.gz\n"
        );
        let record = run(&lines, &[], 0);
        // What the README of the data counts.
        assert_eq!(figure(&record, "function_calls_total"), 567_403.0);
        assert_eq!(rows(&record, "functions").len(), 251);
        ["function_cold_start_pct", "function_cold_start_p75_pct", "function_wasted_gb_s_total"]
            .map(|name| figure(&record, name))
    };
    let [none, short, long] = [run("none"), run("{fixed: 10m}"), run("{fixed: 1h}")];
    let hybrid = run("{hybridHistogram: {}}");
    println!("cold starts in % of calls, third quartile over functions, wasted GB-s:");
    println!("none {none:?}, 10 min {short:?}, 1 h {long:?}, hybrid {hybrid:?}");
    assert_eq!(none, [100.0, 100.0, 0.0]);
    // Longer is warmer and wastes more.
    assert!(short[0] > long[0] && short[2] < long[2]);
    // What the paper shows: the policy wastes less than ten minutes do, and functions that are called seldom fare better than with
    // an hour.
    assert!(hybrid[2] < short[2] && hybrid[1] < long[1] && long[1] < short[1]);
}

#[test]
fn the_calls_of_azure_2021_run_as_a_scenario() {
    if !has_data("the_calls_of_azure_2021_run_as_a_scenario") {
        return;
    }
    let lines = "functions:\n  azure2021: {file: \"${WAVETANK_DATA}/azure-functions-2021/invocations_first199.csv\"}\n";
    let record = run(lines, &[], 0);
    assert_eq!((figure(&record, "function_calls_total"), rows(&record, "functions").len()), (199.0, 32));
}

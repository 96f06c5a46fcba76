//! Rules that size containers, scored on recorded usage: virtual machines of a month, and pods of four hours. The series
//! stand in the directory that `WAVETANK_DATA` names; without it these tests say 'skipped'.
#![allow(clippy::disallowed_methods, reason = "tests read and write files")]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::json;
use wavetank::experiment::single::{Detail, run_model};
use wavetank::policy::autoscaler::vertical::back_test::{Apply, BackTest, Score, UsageStep};
use wavetank::policy::autoscaler::vertical::priority::UpdateThresholds;
use wavetank::policy::autoscaler::vertical::sizing::Usage;
use wavetank::policy::autoscaler::vertical::spec::{Amounts, ContainerResources, ResourcePolicy};
use wavetank::policy::autoscaler::vertical::table::{SIZINGS, SizingSetting};
use wavetank::scenario::{Environment, load_scenario};
use wavetank::units::{Bytes, MilliCpu, SimDuration, SimTime};

/// Of Bitbrains the recording's own step, so that a rule is asked once for each value.
const FIVE_MINUTES: SimDuration = SimDuration(300_000_000_000);
const MINUTE: SimDuration = SimDuration(60_000_000_000);

fn data(test: &str, part: &str) -> Option<PathBuf> {
    let directory = std::env::var_os("WAVETANK_DATA").map(|data| PathBuf::from(data).join(part));
    if directory.is_none() {
        println!("{test}: skipped, WAVETANK_DATA is not set");
    }
    directory
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path).expect("it is there")).read_to_string(&mut text).expect("it is text");
    text
}

/// What every rule makes of a set of series, each with its template.
fn scores(series: &[(Amounts, Vec<UsageStep>)], interval: SimDuration) -> BTreeMap<&'static str, Vec<Score>> {
    let policy = ResourcePolicy::default();
    let mut scores: BTreeMap<&'static str, Vec<Score>> = BTreeMap::new();
    for row in SIZINGS {
        for (own, steps) in series {
            let foresight = if row.is_clairvoyant { &steps[..] } else { &[] };
            let setting = SizingSetting { container: "app", policy: &policy, foresight, start: SimTime::ZERO };
            let mut sizing = row.build(&json!({}), &setting).expect("defaults are right");
            let apply = if row.name == "vpa" { Apply::Updater(UpdateThresholds::default()) } else { Apply::AtOnce };
            let template = ContainerResources { container: "app".to_owned(), requests: *own, limits: *own };
            let test = BackTest { template, start: SimTime::ZERO, interval, apply };
            scores.entry(row.name).or_default().push(test.run(steps, &mut *sizing));
        }
    }
    println!("rule                  core-h slack  throttled h  GiB-h slack      OOM  changes");
    for (name, own) in &scores {
        let sum = |of: fn(&Score) -> f64| own.iter().map(of).sum::<f64>();
        println!(
            "{name:20}{:>14.1}{:>13.1}{:>13.1}{:>9}{:>9}",
            sum(|score| score.slack_core_hours),
            sum(|score| score.throttled.as_seconds() / 3600.0),
            sum(|score| score.slack_gib_hours),
            sum(|score| score.oom_count as f64),
            sum(|score| score.changes as f64),
        );
    }
    scores
}

fn sum(scores: &BTreeMap<&'static str, Vec<Score>>, name: &str, of: fn(&Score) -> f64) -> f64 {
    scores[name].iter().map(of).sum()
}

/// A virtual machine: its capacity, and its usage. Rows without capacity or out of order are left out.
fn machine(path: &Path) -> (Amounts, Vec<UsageStep>) {
    let mut steps = vec![];
    let (mut last, mut capacity) = (0.0, [0.0f64; 2]);
    for line in text(path).lines().skip(1) {
        let values: Vec<f64> = line.split(';').map(|value| value.trim().parse().unwrap_or(0.0)).collect();
        let [time, cores, _, _, percent, memory_kb, used_kb, ..] = values[..] else { continue };
        if time <= last || cores == 0.0 || memory_kb == 0.0 {
            continue;
        }
        last = time;
        capacity = [capacity[0].max(cores), capacity[1].max(memory_kb)];
        let cpu = MilliCpu((cores * 10.0 * percent) as u64);
        steps.push(UsageStep { span: FIVE_MINUTES, usage: Usage { cpu, memory: Bytes((used_kb * 1024.0) as u64) } });
    }
    let [cores, memory_kb] = capacity;
    (Amounts::both(MilliCpu((cores * 1000.0) as u64), Bytes((memory_kb * 1024.0) as u64)), steps)
}

#[test]
fn rules_reclaim_what_virtual_machines_do_not_use() {
    let name = "rules_reclaim_what_virtual_machines_do_not_use";
    let Some(directory) = data(name, "bitbrains/fastStorage/2013-8") else { return };
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(directory).expect("it is there").map(|entry| entry.expect("it is there").path()).collect();
    paths.sort();
    let series: Vec<_> = paths.iter().map(|path| machine(path)).collect();
    assert_eq!(series.len(), 40);
    let scores = scores(&series, FIVE_MINUTES);
    let slack = |name| sum(&scores, name, |score| score.slack_core_hours);
    let gib = |name| sum(&scores, name, |score| score.slack_gib_hours);
    for rule in ["vpa", "autopilot-window", "autopilot-ensemble", "oracle"] {
        assert!(slack(rule) < slack("static") / 2.0 && gib(rule) < gib("static") / 2.0, "{rule}");
    }
    let changes = |name| sum(&scores, name, |score| score.changes as f64);
    // The updater is there to disturb pods seldom.
    assert!(changes("vpa") < changes("autopilot-window"));
    // It knows what is coming, from the end of the first interval on.
    assert_eq!(sum(&scores, "oracle", |score| score.oom_count as f64), 0.0);
}

#[test]
fn rules_end_running_out_of_memory() {
    let name = "rules_end_running_out_of_memory";
    let Some(directory) = data(name, "k8s-pod-memory-2022") else { return };
    let mut pods: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for line in text(&directory.join("pod_memory.csv.gz")).lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let bytes: f64 = cells[3].parse().expect("a number");
        pods.entry(cells[0].to_owned()).or_default().push(bytes as u64);
    }
    let step = |&bytes: &u64| UsageStep { span: MINUTE, usage: Usage { cpu: MilliCpu(100), memory: Bytes(bytes) } };
    // Each pod starts with a quarter of what it will need.
    let own = |samples: &Vec<u64>| {
        let peak = samples.iter().max().copied().unwrap_or(0);
        (Amounts::both(MilliCpu(1000), Bytes((peak / 4).max(1 << 20))), samples.iter().map(step).collect())
    };
    let series: Vec<(Amounts, Vec<UsageStep>)> = pods.values().map(own).collect();
    let scores = scores(&series, MINUTE);
    let ooms = |name| sum(&scores, name, |score| score.oom_count as f64);
    for rule in ["vpa", "autopilot-window", "autopilot-ensemble", "oracle"] {
        assert!(ooms(rule) < ooms("static"), "{rule}");
    }
    assert!(ooms("vpa") < ooms("static") / 2.0);
}

/// The figures of a scenario with these lines below `sizing`, under a rule.
fn scenario(policy: &str, lines: &str) -> BTreeMap<String, f64> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("scenario.yaml");
    let head = "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {name: s}\n";
    std::fs::write(&path, format!("{head}sizing:\n  policy: {policy}\n{lines}")).expect("it can be written");
    let environment = Environment { data_directory: std::env::var_os("WAVETANK_DATA").map(Into::into) };
    let loaded = load_scenario(&path, &[], 0, &environment).map_err(|error| error.to_string());
    let record = run_model(&loaded.expect("the scenario is right").model, Detail::Figures).expect("it runs");
    record.metrics.into_iter().map(|metric| (metric.name, metric.value)).collect()
}

#[test]
fn scenarios_of_recorded_machines_score_as_the_library_does() {
    let name = "scenarios_of_recorded_machines_score_as_the_library_does";
    let Some(directory) = data(name, "bitbrains/fastStorage/2013-8") else { return };
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(directory).expect("it is there").map(|entry| entry.expect("it is there").path()).collect();
    paths.sort();
    let series: Vec<_> = paths.iter().map(|path| machine(path)).collect();
    let scores = scores(&series, FIVE_MINUTES);
    let lines = "  interval: 5m\n  bitbrains: {path: \"${WAVETANK_DATA}/bitbrains/fastStorage/2013-8\"}\n";
    for policy in ["vpa", "static", "oracle"] {
        let found = scenario(policy, lines);
        for (figure, of) in [
            ("sizing_cpu_slack_core_h_total", (|score| score.slack_core_hours) as fn(&Score) -> f64),
            ("sizing_memory_slack_gib_h_total", |score| score.slack_gib_hours),
            ("sizing_cpu_throttled_s_total", |score| score.throttled.as_seconds()),
            ("sizing_ooms_total", |score| score.oom_count as f64),
            ("sizing_changes_total", |score| score.changes as f64),
        ] {
            let expected = sum(&scores, policy, of);
            assert!((found[figure] - expected).abs() <= 1e-9 * expected.abs(), "{policy}: {figure} {}", found[figure]);
        }
    }
}

#[test]
fn scenarios_of_recorded_pods_end_running_out_of_memory() {
    let name = "scenarios_of_recorded_pods_end_running_out_of_memory";
    if data(name, "k8s-pod-memory-2022").is_none() {
        return;
    }
    let lines = "  table: {file: \"${WAVETANK_DATA}/k8s-pod-memory-2022/pod_memory.csv.gz\", container: pod, time: step, every: 1m, \
                 memoryColumn: memory_bytes, peakPart: 0.25, limitRatio: 1}\n";
    let [vpa, fixed] = ["vpa", "static"].map(|policy| scenario(policy, lines)["sizing_ooms_total"]);
    println!("kills for memory: {vpa} with vpa, {fixed} with static");
    assert!(vpa < fixed / 2.0);
}

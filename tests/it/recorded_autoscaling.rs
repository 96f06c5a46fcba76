//! Published series meet autoscalers: the scenarios under `scenarios/autoscaling/recorded`, whose replicas are compared with what
//! the files say should have been there.
#![allow(clippy::disallowed_methods, reason = "the data are where the environment says")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wavetank::engine::{Finished, watch};
use wavetank::importers::requests::{RateOptions, read_rates};
use wavetank::importers::usage::{TableOptions, read_table};
use wavetank::model::Model;
use wavetank::observe::Recorder;
use wavetank::scenario::{Environment, load_scenario};
use wavetank::units::SimTime;

/// Where the data are; none, and said so, without the variable.
fn data(test: &str) -> Option<PathBuf> {
    let found = std::env::var_os("WAVETANK_DATA").map(PathBuf::from);
    if found.is_none() {
        println!("{test}: skipped, WAVETANK_DATA is not set");
    }
    found
}

fn model(name: &str, data: &Path) -> Model {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/autoscaling/recorded");
    let environment = Environment { data_directory: Some(data.to_owned()) };
    let path = root.join(name).with_extension("yaml");
    load_scenario(&path, &[], 0, &environment).unwrap_or_else(|error| panic!("{error}")).model
}

fn run(model: &Model) -> Finished<Recorder> {
    watch(model, Recorder::new(model)).expect("the policies are there")
}

/// Seconds, replicas wanted and ready, of the target of an autoscaler.
fn course(model: &Model, finished: &Finished<Recorder>, name: &str) -> Vec<(f64, u64, u64)> {
    let autoscaler = model.autoscaling.horizontal.iter().find(|one| one.name == name).expect("an autoscaler");
    let standings = finished.observer.controllers.of(autoscaler.target);
    standings.map(|(at, standing)| (at.as_seconds(), standing.wanted, standing.ready)).collect()
}

/// How many are ready then.
fn ready(course: &[(f64, u64, u64)], at_s: f64) -> f64 {
    course.iter().rfind(|step| step.0 <= at_s).map_or(0.0, |step| step.2 as f64)
}

/// The rate of every minute.
fn minutes(path: &Path, options: &RateOptions<'_>, scale: f64, count: usize) -> Vec<f64> {
    let steps = read_rates(path, options).expect("rates");
    let at = |minute: usize| SimTime(minute as u64 * 60_000_000_000);
    let rate = |minute| steps.iter().rfind(|step| step.0 <= at(minute)).map_or(0.0, |step| step.1 * scale);
    (0..count).map(rate).collect()
}

/// A HorizontalPodAutoscaler for `target` of a pod's CPU, whose load would keep so many pods wholly busy in each minute, from
/// minute 30 on. Upstream's rule leaves replicas alone while usage, a whole per cent, is within a tenth of the target, so
/// `n >= busy / (1.1 target + 1 %)` and `n <= busy / (0.9 target)`, or `n = ceil(busy / target)` after a change. Up it takes
/// the 15 s of the look, up to 30 s until metrics-server knows, and up to 17 s until new pods are ready, so 4 minutes hold
/// several rounds; down it waits 5 minutes, so 7. Where pods are wholly busy, usage does not tell how much more is wanted; each
/// round asks for `1 / target` times as many, and what has piled up makes it two rounds too many: so `is_saturated`.
fn follows_cpu(course: &[(f64, u64, u64)], busy: &[f64], target: f64, is_saturated: bool) {
    let most = |of: &[f64]| of.iter().copied().fold(0.0, f64::max);
    let least = |of: &[f64]| of.iter().copied().fold(f64::INFINITY, f64::min);
    for minute in 30..busy.len() {
        let found = ready(course, minute as f64 * 60.0);
        let highest = most(&busy[minute - 7..=minute]);
        let whole = (highest / target).ceil();
        let round = |replicas: f64| if is_saturated { (replicas / target).ceil() } else { replicas };
        let at_most = (highest / (0.9 * target)).max(round(round(whole))).max(2.0);
        let at_least = least(&busy[minute - 4..=minute]) / (1.1 * target + 0.01);
        let is_right = (at_least - 1e-9..=at_most + 1e-9).contains(&found);
        assert!(is_right, "minute {minute}: {found} replicas are not within {at_least} and {at_most}");
    }
}

#[test]
fn replicas_follow_the_world_cup() {
    let Some(data) = data("replicas_follow_the_world_cup") else { return };
    let model = model("worldcup98", &data);
    let finished = run(&model);
    let options = RateOptions { from: Some("1998-06-15 00:00"), ..RateOptions::default() };
    let rates = minutes(&data.join("worldcup98/requests_per_minute.csv.gz"), &options, 1.0, 96 * 60);
    // A request takes 10 ms of a core, and a pod has one.
    let busy: Vec<f64> = rates.iter().map(|rate| 0.01 * rate).collect();
    follows_cpu(&course(&model, &finished, "web"), &busy, 0.6, false);
    // Demand is what keeps pods busy to 80 %, minute by minute, after ten minutes.
    let (recorder, end) = (&finished.observer, finished.world.time);
    let targets = recorder.elasticity.as_ref().expect("a service is scaled").targets(&recorder.controllers, end);
    let figures = &targets[0].figures;
    let demand = busy[10..].iter().map(|busy| (busy / 0.8).ceil()).sum::<f64>() / (busy.len() - 10) as f64;
    let found = figures.demand_unit_s / figures.duration_s;
    assert!((found - demand).abs() < 0.01, "{found} instead of {demand}");
    // 60 % of use against 80 % of demand are a third more, and rounding and waiting cost less than one replica more.
    assert_eq!(figures.under_accuracy, 0.0);
    let surplus = demand / 3.0;
    assert!((surplus - 1.0..surplus + 1.0).contains(&figures.over_accuracy), "{}", figures.over_accuracy);
}

/// 10 s of work for each request: by Little's law as many workers are busy as requests come in ten seconds, and the number
/// in the system is about Poisson distributed. KEDA wants as many as there are and keeps the most of five minutes, which
/// hardly ever are more than five deviations beyond the mean.
#[test]
fn workers_follow_a_load_balancer() {
    let Some(data) = data("workers_follow_a_load_balancer") else { return };
    let model = model("nab", &data);
    let finished = run(&model);
    let options = RateOptions { from: Some("2014-04-12 00:04"), ..RateOptions::default() };
    let rates = minutes(&data.join("nab/elb_request_count_8c0756.csv.gz"), &options, 1.0, 24 * 60);
    let course = course(&model, &finished, "renderer");
    for hour in 0..24 {
        let busy = 10.0 * rates[60 * hour..60 * (hour + 1)].iter().sum::<f64>() / 60.0;
        let seconds = (3600 * hour..3600 * (hour + 1)).map(|second| ready(&course, second as f64));
        let found = seconds.sum::<f64>() / 3600.0;
        let at_most = busy + 5.0 * busy.sqrt() + 2.0;
        assert!((busy..at_most).contains(&found), "hour {hour}: {found} workers, {busy} busy");
    }
}

/// The function is called in bursts. After 60 s without a call, and 30 s of grace, nobody is left: whoever comes after two
/// silent minutes wakes it, and who comes after one may.
#[test]
fn every_burst_wakes_a_function() {
    let Some(data) = data("every_burst_wakes_a_function") else { return };
    let model = model("azure-functions", &data);
    let finished = run(&model);
    let options = RateOptions { function: Some("6513d95698"), ..RateOptions::default() };
    let file = data.join("azure-functions-2019/sample250/invocations_min480-959.csv.gz");
    let rates = minutes(&file, &options, 1.0, 480);
    let silent = |minute: usize, minutes: usize| {
        minute >= minutes && rates[minute] > 0.0 && rates[minute - minutes..minute].iter().all(|rate| *rate == 0.0)
    };
    let count = |minutes: usize| (0..480).filter(|minute| silent(*minute, minutes)).count();
    let (surely, perhaps) = (count(2), count(1));
    assert_eq!((surely, perhaps), (93, 96));
    let course = course(&model, &finished, "orchestrator");
    let wakes = course.windows(2).filter(|pair| pair[0].1 == 0 && pair[1].1 > 0).count();
    assert!((surely..=perhaps).contains(&wakes), "{wakes} times");
}

#[test]
fn recorded_cpu_is_shared_or_not() {
    let Some(data) = data("recorded_cpu_is_shared_or_not") else { return };
    let model = model("bitbrains", &data);
    let finished = run(&model);
    let file = data.join("bitbrains/fastStorage/2013-8/871.csv.gz");
    let second = wavetank::units::SimDuration(1_000_000_000);
    let (time, column) = (Some("Timestamp [ms]"), Some("CPU usage [MHZ]"));
    let options = RateOptions { time, column, every: Some(second), ..RateOptions::default() };
    // Cores of 2926 MHz over the quarter of a core that a pod has.
    let busy = minutes(&file, &options, 1.0 / 2926.0 / 0.25, 72 * 60);
    follows_cpu(&course(&model, &finished, "shared"), &busy, 0.7, true);

    // The one pod has half a core; the second comes when it uses more than 1.1 x 70 % of that.
    let (rows, scale) = (BTreeMap::new(), 1000.0 / 2926.0);
    let options = TableOptions { time, time_unit: None, column, scale, from: None, rows: &rows };
    let usage = read_table(&file, &options).expect("usage");
    let (from, amount) = usage.iter().find(|(_, milli)| *milli as f64 > 1.1 * 0.7 * 500.0).expect("a busy hour");
    assert_first_change(&course(&model, &finished, "alone"), from.as_seconds(), (*amount as f64 / 350.0).ceil());
}

/// The first change of replicas comes within a minute: 15 s until nodes are asked, which may have to be twice, and 15 s until
/// the autoscaler looks.
fn assert_first_change(course: &[(f64, u64, u64)], from_s: f64, replicas: f64) {
    let first = course.iter().find(|step| step.1 != course[0].1).expect("a change");
    assert!((from_s..from_s + 60.0).contains(&first.0), "at {} instead of {from_s} s", first.0);
    assert_eq!(first.1 as f64, replicas);
}

#[test]
fn recorded_memory_makes_replicas() {
    let Some(data) = data("recorded_memory_makes_replicas") else { return };
    let model = model("pod-memory", &data);
    let finished = run(&model);
    let rows = BTreeMap::from([("pod".to_owned(), "6".to_owned())]);
    let time_unit = Some(wavetank::units::SimDuration(60_000_000_000));
    let (time, column) = (Some("step"), Some("memory_bytes"));
    let options = TableOptions { time, time_unit, column, scale: 1.0, from: None, rows: &rows };
    let file = data.join("k8s-pod-memory-2022/pod_memory.csv.gz");
    let usage = read_table(&file, &options).expect("usage");
    // 80 % of 24 GiB, and a tenth more.
    let target = 0.8 * 24.0 * f64::from(1 << 30);
    let (from, amount) = usage.iter().find(|(_, bytes)| *bytes as f64 > 1.1 * target).expect("it grows");
    let course = course(&model, &finished, "worker");
    assert_first_change(&course, from.as_seconds(), (*amount as f64 / target).ceil());
    // Memory never comes back, so no replica goes while the first of them grows.
    assert!(course.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{course:?}");
}

//! Back-tests of sizes from text to model.
#![allow(clippy::disallowed_methods, reason = "tests write the files that they read")]

use super::*;
use crate::scenario::{Environment, load_scenario};

const GIB: u64 = 1 << 30;

/// The back-test of a scenario with these lines and files.
fn load(lines: &str, files: &[(&str, &str)]) -> SizingStudy {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let path = directory.path().join("scenario.yaml");
    let head = "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {name: s}\nhorizon: 1h\n";
    std::fs::write(&path, format!("{head}sizing:\n{lines}\n")).unwrap();
    match load_scenario(&path, &[], 0, &Environment::default()) {
        Ok(loaded) => *loaded.model.sizing.unwrap(),
        Err(error) => panic!("{error}"),
    }
}

fn amounts(container: &SizedContainer) -> Vec<(u64, u64, u64)> {
    let row = |step: &UsageStep| (step.span.0 / 1_000_000_000, step.usage.cpu.0, step.usage.memory.0);
    container.series.iter().map(row).collect()
}

#[test]
fn series_and_constants_last_until_the_horizon() {
    let lines = "  policy: vpa\n  interval: 30m\n  containers:\n    - {name: c, count: 2, requests: {cpu: 1}, limits: {cpu: 2}, cpu: \
                 {series: cpu.csv}, memory: 1Gi, every: 20m}";
    let study = load(lines, &[("cpu.csv", "time_s,value\n0,100m\n1200,1.5\n")]);
    assert_eq!((study.apply, study.interval), (SizingApply::Updater, SimDuration(1_800_000_000_000)));
    let names: Vec<&str> = study.containers.iter().map(|container| container.name.as_str()).collect();
    assert_eq!(names, ["c-0", "c-1"]);
    let container = &study.containers[0];
    assert_eq!(amounts(container), [(1200, 100, GIB), (1200, 1500, GIB), (1200, 1500, GIB)]);
    assert_eq!((container.requests.cpu, container.limits.cpu), (Some(MilliCpu(1000)), Some(MilliCpu(2000))));
}

#[test]
fn tables_and_machines_are_read() {
    let table = "pod,step,memory\nb,1,4294967296\na,1,1024\nb,3,8589934592\n";
    let machine = "Timestamp [ms];\tCPU cores;\tCPU capacity provisioned [MHZ];\tCPU usage [MHZ];\tCPU usage [%];\tMemory \
                   capacity provisioned [KB];\tMemory usage [KB]\n1;\t2;\t1;\t1;\t50.0;\t1048576.0;\t1024.0\n\
                   0;\t2;\t1;\t1;\t50.0;\t1048576.0;\t1024.0\n301;\t4;\t1;\t1;\t10.0;\t1048576.0;\t2048.0\n";
    let lines = "  policy: static\n  table: {file: table.csv, container: pod, time: step, every: 40m, memoryColumn: memory, \
                 peakPart: 0.25, limitRatio: 2}\n  bitbrains: {path: vm.csv}";
    let study = load(lines, &[("table.csv", table), ("vm.csv", machine)]);
    assert_eq!(study.apply, SizingApply::AtOnce);
    let [a, b, vm] = &study.containers[..] else { panic!("{study:?}") };
    // A quarter of 8 GiB, and twice that as a limit; the second step ends with the run, and the gap between them is left out.
    assert_eq!(amounts(b), [(2400, 0, 4 * GIB), (1200, 0, 8 * GIB)]);
    assert_eq!((b.requests.memory, b.limits.memory), (Some(Bytes(2 * GIB)), Some(Bytes(4 * GIB))));
    assert_eq!((a.requests.memory, a.requests.cpu), (Some(Bytes(MIB)), Some(MilliCpu(1))));
    // Half of 2 cores, and a tenth of 4; the row that goes back in time is left out.
    assert_eq!(amounts(vm), [(300, 1000, MIB), (300, 400, 2 * MIB)]);
    assert_eq!((vm.name.as_str(), vm.requests.cpu), ("vm", Some(MilliCpu(4000))));
}

#[test]
fn containers_of_one_kind_are_drawn_apart() {
    let lines = "  policy: vpa\n  containers:\n    - {name: c, count: 2, spread: 0.5, requests: {cpu: 1}, cpu: {daily: {mean: 1, noise: \
                 0.2}}}";
    let study = load(lines, &[]);
    let [one, other] = &study.containers[..] else { panic!("{study:?}") };
    assert_ne!(one.series, other.series);
    assert_eq!(one.series, load(lines, &[]).containers[0].series);
}

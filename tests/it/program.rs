//! The program, started as users start it.
#![allow(clippy::disallowed_methods, reason = "tests read files and start the program")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What the program left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit status; none when a signal ended it.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program, to be started in `directory`, without what the environment may say.
pub(crate) fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    command.args(arguments).current_dir(directory).env_remove("WAVETANK_DATA").stdin(Stdio::null());
    command
}

/// Runs the program in `directory`.
pub(crate) fn wavetank(directory: &Path, arguments: &[&str]) -> Ended {
    let output = command(directory, arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs the program, which must end well.
pub(crate) fn wavetank_ok(directory: &Path, arguments: &[&str]) -> Ended {
    let ended = wavetank(directory, arguments);
    assert_eq!(ended.status, Some(0), "{arguments:?}: {}", ended.stderr);
    ended
}

/// A busy cluster with every table: waits, evictions, GPUs, delays.
pub(crate) const SCENARIO: &str = "\
apiVersion: wavetank.dev/v1
kind: Scenario
metadata: {name: small, description: Too small a cluster for an hour.}
seed: 7
cluster:
  pools:
    - {name: cpu, count: 3, zones: [a, b], allocatable: {cpu: 8, memory: 32Gi, pods: 20}, usdPerHour: 0.4}
    - {name: gpu, count: 2, allocatable: {cpu: 16, memory: 64Gi, pods: 20}, gpu: {model: T4, count: 2}, usdPerHour: 1.5}
workload:
  templates:
    - name: batch
      count: 150
      arrivals: {poisson: {perSecond: 0.1}}
      requests: {cpu: 2, memory: 4Gi}
      duration: {exponential: {mean: 10m}}
    - name: training
      count: 20
      arrivals: {every: 60s}
      requests: {cpu: 2, memory: 4Gi}
      gpu: {count: 1, milli: 500}
      duration: {lognormal: {mean: 5m, p99: 20m}}
    - {name: huge, count: 1, arrivals: {every: 1s}, requests: {cpu: 64}}
scheduler:
  policy: least-allocated
  delays: {scheduling: 20ms, start: {exponential: {mean: 2s}}}
script:
  - {at: 10m, drain: cpu-0}
  - {at: 20m, crash: gpu-1}
  - {at: 30m, add: {pool: cpu, count: 1}}
outputs: {decisions: true, arrivals: true}
";

/// Two policies and two loads, twice each.
pub(crate) const EXPERIMENT: &str = "\
apiVersion: wavetank.dev/v1
kind: Experiment
metadata: {name: small-sweep, description: Packing against spreading.}
scenario: small.yaml
factors:
  - {name: policy, path: scheduler.policy, values: [least-allocated, first-fit]}
  - {name: nodes, path: 'cluster.pools[0].count', values: [3, 6]}
replications: 2
baseline: {policy: least-allocated}
";

/// A directory with `small.yaml` and `sweep.yaml`.
pub(crate) fn workplace() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("small.yaml"), SCENARIO).unwrap();
    fs::write(directory.path().join("sweep.yaml"), EXPERIMENT).unwrap();
    directory
}

/// Everything below a directory: path and bytes of each file.
pub(crate) fn files_below(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(place) = left.pop() {
        for entry in fs::read_dir(&place).unwrap_or_else(|error| panic!("{}: {error}", place.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

//! The command line: exit status, words, and what is left behind. 0: all well; 1: the run or the gate failed; 2: the
//! input is wrong.
#![allow(clippy::disallowed_methods, reason = "tests read files and start the program")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use super::program::{Ended, command, files_below, wavetank, wavetank_ok, workplace};
use wavetank::policy::autoscaler::AUTOSCALERS;
use wavetank::policy::autoscaler::vertical::table::SIZINGS;
use wavetank::policy::balancer::BALANCERS;
use wavetank::policy::node_autoscaler::NODE_AUTOSCALERS;
use wavetank::policy::queue::QUEUE_ORDERS;
use wavetank::policy::scheduler::SCHEDULERS;

/// The names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Every part of `said` stands in what the program said to people.
fn assert_said(ended: &Ended, said: &[&str], arguments: &[&str]) {
    for part in said {
        assert!(ended.stderr.contains(part), "{arguments:?} does not say `{part}`, but:\n{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("panicked"), "{arguments:?}: {}", ended.stderr);
}

#[test]
fn wrong_input_is_refused_with_status_2_and_leaves_nothing() {
    let place = workplace();
    fs::write(place.path().join("broken.yaml"), "apiVersion: wavetank.dev/v1\nkind: Scenario\nseed: x\n").unwrap();
    let before = names(place.path());
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["run", "small.yaml", "--set", "scheduler.policy=first-fitt"],
            &["there is no policy `first-fitt`", "did you mean `first-fit`?", "nothing was run"],
        ),
        (
            &["run", "small.yaml", "--set", "scheduler.queue=priorty"],
            &["priorty", "did you mean `priority`?", "nothing was run"],
        ),
        (
            &["run", "small.yaml", "--set", "scheduler.polcy=fgd"],
            &["unknown key `polcy` in `scheduler`", "did you mean `policy`?"],
        ),
        (&["run", "small.yaml", "--set", "cluster.pools[9].count=1"], &["--set:1:", "nothing was run"]),
        (&["run", "small.yaml", "--set", "seed"], &["--set:1:", "nothing was run"]),
        (&["run", "small.yaml", "--seed", "many"], &["invalid value 'many' for '--seed <N>'"]),
        (&["run", "small.yaml", "--set", "seed=one", "--set", "horizon=-1s"], &["2 problems found; nothing was run"]),
        (&["run", "small.yaml", "--set", "seed=2", "--set", "horizon=1y"], &["  1 | horizon=1y\n"]),
        (&["run", "nowhere.yaml"], &["nowhere.yaml: error[W0001]: no such file"]),
        (&["run", "broken.yaml"], &["broken.yaml:", "nothing was run"]),
        (&["run", "."], &["is a directory"]),
        (&["run", "sweep.yaml"], &["`kind` is `Experiment`, not `Scenario`", "wavetank sweep"]),
        (&["run"], &["required arguments were not provided", "Usage: wavetank run"]),
        (&["run", "small.yaml", "--format", "xml"], &["invalid value 'xml'"]),
        (&["sweep", "small.yaml"], &["`kind` is `Scenario`, not `Experiment`", "wavetank run"]),
        (&["sweep", "sweep.yaml", "--cells", "0..9"], &["cells 0..9 are not within the 4 cells of the experiment"]),
        (&["sweep", "sweep.yaml", "--cells", "2..2"], &["the range of cells `2..2` is empty"]),
        (&["sweep", "sweep.yaml", "--cells", "all"], &["`all` is not a range of cells"]),
        (&["sweep", "sweep.yaml", "--set", "factors[0].values[1]=best"], &["there is no policy `best`"]),
        (&["validate", "small.yaml", "broken.yaml"], &["broken.yaml:"]),
        (&["explain", "small.yaml", "--pod", "nobody"], &["no pod called `nobody` arrives"]),
        (&["explain", "nowhere.yaml", "--pod", "batch-0"], &["no such file"]),
        (&["policies", "frist-fit"], &["there is no policy called `frist-fit`", "did you mean `first-fit`?"]),
        (&["policies", "zzz"], &["there is no policy called `zzz`\nhint: the policies are `", "`first-fit`"]),
        (&["report", "nowhere"], &["nowhere is not a result directory: it has no manifest.json"]),
        (&["report", "."], &["is not a result directory: it has no manifest.json"]),
        (&["compare", "nowhere", "nowhere"], &["`nowhere`"]),
        (&["compare", ".", "."], &["holds no results"]),
        (&["simulate"], &["unrecognized subcommand 'simulate'"]),
    ];
    for (arguments, said) in cases {
        let ended = wavetank(place.path(), arguments);
        assert_eq!(ended.status, Some(2), "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert_said(&ended, said, arguments);
        assert_eq!(names(place.path()), before, "{arguments:?} leaves something behind");
    }
}

#[test]
fn what_is_not_ours_stays_untouched() {
    let place = workplace();
    let precious = place.path().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("thesis.tex"), "years of work").unwrap();
    fs::write(place.path().join("file"), "a file").unwrap();
    let before = files_below(place.path());
    for arguments in [
        ["run", "small.yaml", "--out", "precious"],
        ["run", "small.yaml", "--out", "file"],
        ["sweep", "sweep.yaml", "--out", "precious"],
        ["sweep", "sweep.yaml", "--out", "file"],
    ] {
        let ended = wavetank(place.path(), &arguments);
        assert_eq!(ended.status, Some(2), "{arguments:?}: {}", ended.stderr);
        assert_said(&ended, &["exists and is not a result directory of wavetank", "--out"], &arguments);
        assert_eq!(files_below(place.path()), before, "{arguments:?}");
    }
    fs::create_dir(place.path().join("empty")).unwrap();
    wavetank_ok(place.path(), &["run", "small.yaml", "--out", "empty"]);
    wavetank_ok(place.path(), &["run", "small.yaml", "--out", "empty"]);
}

#[cfg(unix)]
#[test]
fn places_that_cannot_be_written_are_errors_and_nothing_is_left() {
    let place = workplace();
    fs::write(place.path().join("file"), "a file").unwrap();
    let before = names(place.path());
    for (arguments, status) in [
        // Below a file no directory can be made, whoever asks.
        (["run", "small.yaml", "--out", "file/results"], 1),
        (["sweep", "sweep.yaml", "--out", "file/results"], 1),
        (["run", "small.yaml", "--out", "/proc/wavetank/results"], 1),
        (["run", "small.yaml", "--out", "/dev/null"], 2),
    ] {
        let ended = wavetank(place.path(), &arguments);
        assert_eq!(ended.status, Some(status), "{arguments:?}: {}", ended.stderr);
        assert_said(&ended, &["error: "], &arguments);
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert_eq!(names(place.path()), before, "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_read_only_directory_is_an_error() {
    use std::os::unix::fs::PermissionsExt;
    let place = workplace();
    let closed = place.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(closed.join("probe"), "").is_ok() {
        println!("skipped: this user writes where nobody may");
        return;
    }
    for arguments in
        [["run", "small.yaml", "--out", "closed/results"], ["sweep", "sweep.yaml", "--out", "closed/results"]]
    {
        let ended = wavetank(place.path(), &arguments);
        assert_eq!(ended.status, Some(1), "{arguments:?}: {}", ended.stderr);
        assert_said(&ended, &["error: ", "closed"], &arguments);
        assert!(names(&closed).is_empty());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_an_error() {
    let place = workplace();
    for arguments in
        [&["policies"][..], &["schema"], &["run", "small.yaml"], &["explain", "small.yaml", "--pod", "batch-0"]]
    {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command(place.path(), arguments).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("error: No space left on device"), "{arguments:?}: {said}");
    }
}

/// A limit on the size of files stands for a disk that fills up half way through a table.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_leaves_no_half_result() {
    // The signal would end the process; ignored, the write fails, as on a full disk. 8 blocks are 4 or 8 KiB.
    const LIMITED: &str = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"";
    let place = workplace();
    for (kind, file, out) in [("run", "small.yaml", "run"), ("sweep", "sweep.yaml", "sweep")] {
        let start = |out: &str| {
            let program = env!("CARGO_BIN_EXE_wavetank");
            let arguments = ["-c", LIMITED, program, kind, file, "--out", out];
            let output = Command::new("sh").args(arguments).current_dir(place.path()).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{kind}: {said}");
            assert!(said.contains("File too large") && !said.contains("panicked"), "{kind}: {said}");
        };
        start(out);
        let left = files_below(place.path());
        let temporary = left.keys().filter(|path| path.to_string_lossy().contains(".wavetank-"));
        assert_eq!(temporary.count(), 0, "{kind}: {:?}", left.keys());
        wavetank_ok(place.path(), &[kind, file, "--out", "whole"]);
        // What stands is whole.
        for (path, bytes) in files_below(&place.path().join("whole")) {
            let found = left.get(&Path::new(out).join(&path));
            let same = found.is_none_or(|found| *found == bytes || path == Path::new("manifest.json"));
            assert!(same, "{kind}: half of {} is left", path.display());
        }
        if kind == "run" {
            assert!(!place.path().join(out).exists(), "a run that failed leaves a directory");
            let before = files_below(&place.path().join("whole"));
            start("whole");
            assert!(files_below(&place.path().join("whole")) == before, "a failed run changes an earlier result");
        }
        fs::remove_dir_all(place.path().join("whole")).unwrap();
    }
}

#[test]
fn a_closed_pipe_ends_the_output_quietly() {
    let place = workplace();
    for arguments in [&["policies"][..], &["schema"], &["run", "small.yaml"]] {
        let mut child = command(place.path(), arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // As `head -c 0` does: the reader goes away before anything is written, or while it is.
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{arguments:?}: {said}");
        assert!(!said.contains("panicked") && !said.contains("error"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_run_that_fails_late_leaves_the_earlier_result() {
    let place = workplace();
    wavetank_ok(place.path(), &["run", "small.yaml", "--out", "result"]);
    let before = files_below(place.path());
    let ended = wavetank(place.path(), &["run", "small.yaml", "--out", "result", "--set", "scheduler.policy=none"]);
    assert_eq!(ended.status, Some(2));
    assert!(files_below(place.path()) == before, "a refused run changes an earlier result");
    assert_eq!(names(place.path()), ["result", "small.yaml", "sweep.yaml"]);
}

#[test]
fn every_policy_is_listed_described_and_runs() {
    let place = workplace();
    let listing = wavetank_ok(place.path(), &["policies"]).stdout;
    let rows = SCHEDULERS.iter().map(|row| ("scheduler.policy", row.name, row.source));
    for (key, name, source) in rows.chain(QUEUE_ORDERS.iter().map(|row| ("scheduler.queue", row.name, row.source))) {
        assert!(listing.lines().any(|line| line.trim_start().starts_with(name)), "{name} is not listed");
        let described = wavetank_ok(place.path(), &["policies", name]).stdout;
        assert!(described.contains(source), "{name}: {described}");
        let choice = format!("{key}={name}");
        let set = ["--set", choice.as_str(), "--set", "outputs.charts=false", "--format", "json"];
        let printed = wavetank_ok(place.path(), &[&["run", "small.yaml"][..], &set].concat()).stdout;
        let summary: serde_json::Value = serde_json::from_str(&printed).unwrap();
        let field = if key == "scheduler.policy" { "policy" } else { "queue" };
        assert_eq!(summary[field], name);
    }
}

#[test]
fn every_balancer_is_listed_and_described_by_each_of_its_names() {
    let place = workplace();
    let listing = wavetank_ok(place.path(), &["policies"]).stdout;
    for row in BALANCERS {
        assert!(listing.lines().any(|line| line.trim_start().starts_with(row.name)), "{} is not listed", row.name);
    }
    // A scheduler and a balancer have that name; the other is a word of Envoy.
    let described = wavetank_ok(place.path(), &["policies", "round-robin"]).stdout;
    assert!(described.contains("(scheduler policy)") && described.contains("(balancer policy)"), "{described}");
    let described = wavetank_ok(place.path(), &["policies", "MAGLEV"]).stdout;
    assert!(described.starts_with("maglev (balancer policy)") && described.contains("tableSize"), "{described}");
}

#[test]
fn every_rule_that_sizes_containers_is_listed_and_described() {
    let place = workplace();
    let listing = wavetank_ok(place.path(), &["policies"]).stdout;
    for row in SIZINGS {
        assert!(listing.lines().any(|line| line.trim_start().starts_with(row.name)), "{} is not listed", row.name);
        let described = wavetank_ok(place.path(), &["policies", row.name]).stdout;
        assert!(described.contains("(sizing policy)"), "{described}");
    }
}

#[test]
fn every_autoscaler_is_listed_and_described_by_each_of_its_names() {
    let place = workplace();
    let listing = wavetank_ok(place.path(), &["policies"]).stdout;
    for row in AUTOSCALERS {
        assert!(listing.lines().any(|line| line.trim_start().starts_with(row.name)), "{} is not listed", row.name);
        for name in row.aliases.iter().chain([&row.name]) {
            let described = wavetank_ok(place.path(), &["policies", name]).stdout;
            assert!(described.contains("(autoscaler policy)") && described.contains(row.source), "{described}");
        }
    }
}

#[test]
fn every_node_autoscaler_is_listed_and_described_by_each_of_its_names() {
    let place = workplace();
    let listing = wavetank_ok(place.path(), &["policies"]).stdout;
    for row in NODE_AUTOSCALERS {
        assert!(listing.lines().any(|line| line.trim_start().starts_with(row.name)), "{} is not listed", row.name);
        for name in row.aliases.iter().chain([&row.name]) {
            let described = wavetank_ok(place.path(), &["policies", name]).stdout;
            assert!(described.contains("(node autoscaler policy)") && described.contains(row.source), "{described}");
        }
    }
}

#[test]
fn the_summary_is_a_table_for_people_and_json_for_programs() {
    let place = workplace();
    let table = wavetank_ok(place.path(), &["run", "small.yaml", "--out", "a"]).stdout;
    assert!(table.starts_with("small\nToo small a cluster for an hour.\n5 nodes, policy least-allocated"), "{table}");
    let printed = wavetank_ok(place.path(), &["run", "small.yaml", "--out", "b", "--format", "json"]).stdout;
    let summary: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let text = fs::read_to_string(place.path().join("a/summary.csv")).unwrap();
    let mut compared = 0;
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let value: f64 = fields[2].parse().unwrap();
        assert_eq!(summary["metrics"][fields[0]].as_f64(), Some(value), "{}", fields[0]);
        compared += 1;
    }
    assert!(compared > 20);
    assert_eq!(summary["metrics"]["pods_arrived"], 171.0);
    for (name, seed) in [("seed", 7), ("replication", 0)] {
        assert_eq!(summary[name], seed);
    }
}

/// Every table gets its Parquet twin, and a later run without the option leaves none behind.
#[test]
fn tables_are_written_as_parquet_too() {
    let place = workplace();
    let tables = |directory: &str, extension: &str| -> Vec<String> {
        let names = names(&place.path().join(directory));
        names.iter().filter_map(|name| name.strip_suffix(extension)).map(str::to_owned).collect()
    };
    for (arguments, count) in
        [(["run", "small.yaml", "--out", "run"], 5), (["sweep", "sweep.yaml", "--out", "sweep"], 4)]
    {
        let out = arguments[3];
        wavetank_ok(place.path(), &[&arguments[..], &["--tables", "parquet"]].concat());
        assert!(tables(out, ".csv").len() >= count, "{:?}", tables(out, ".csv"));
        assert_eq!(tables(out, ".parquet"), tables(out, ".csv"));
        for name in tables(out, ".parquet") {
            let bytes = fs::read(place.path().join(out).join(format!("{name}.parquet"))).unwrap();
            assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "{name}");
        }
        wavetank_ok(place.path(), &arguments);
        assert!(tables(out, ".parquet").is_empty(), "{:?}", tables(out, ".parquet"));
    }
}

#[test]
fn compare_gates() {
    let place = workplace();
    wavetank_ok(place.path(), &["run", "small.yaml", "--out", "base"]);
    // Twice the nodes: shorter waits, higher cost.
    wavetank_ok(place.path(), &["run", "small.yaml", "--out", "more", "--set", "cluster.pools[0].count=6"]);
    for (arguments, status, said) in [
        (&["compare", "base", "more"][..], 0, &[][..]),
        (&["compare", "base", "base", "--fail-on", "wait_ms_mean:+0%"], 0, &["passed: wait_ms_mean"]),
        (&["compare", "base", "more", "--fail-on", "wait_ms_mean:+5%"], 0, &["passed: wait_ms_mean"]),
        (&["compare", "more", "base", "--fail-on", "wait_ms_mean:+5%"], 1, &["FAILED: wait_ms_mean", "1 of 1 limits"]),
        (&["compare", "base", "more", "--fail-on", "cost_usd_total:+1%"], 1, &["FAILED: cost_usd_total"]),
        (&["compare", "base", "more", "--fail-on", "cost_usd_total:+1000%"], 0, &["passed: cost_usd_total"]),
        (
            &["compare", "base", "more", "--fail-on", "wait_ms_mean:+5%", "--fail-on", "cost_usd_total:+0.01"],
            1,
            &["passed: wait_ms_mean", "FAILED: cost_usd_total", "1 of 2 limits broken"],
        ),
        (&["compare", "base", "more", "--fail-on", "no_such_metric:+1"], 2, &["no_such_metric"]),
        (&["compare", "base", "more", "--fail-on", "wait_ms_mean"], 2, &["is not a limit such as"]),
    ] {
        let ended = wavetank(place.path(), arguments);
        assert_eq!(ended.status, Some(status), "{arguments:?}: {}{}", ended.stdout, ended.stderr);
        assert_said(&ended, said, arguments);
        assert_eq!(ended.stdout.is_empty(), status == 2, "wrong input has no output: {arguments:?}");
    }
    let all = wavetank_ok(place.path(), &["compare", "base", "base", "--all"]).stdout;
    assert!(all.contains("pods_arrived"), "{all}");
}

#[test]
fn explain_says_where_and_why() {
    let place = workplace();
    let placed = wavetank_ok(place.path(), &["explain", "small.yaml", "--pod", "training-0"]).stdout;
    assert!(placed.starts_with("pod training-0 under policy least-allocated\narrived at 0 s"), "{placed}");
    assert!(placed.contains("placed on gpu-") && placed.contains("GPU 0"), "{placed}");
    assert!(placed.contains("2 of 5 nodes passed the filters"), "{placed}");
    // 64 cores: no node ever has so many; it is tried once, when it arrives.
    let waiting = wavetank_ok(place.path(), &["explain", "small.yaml", "--pod", "huge-0"]).stdout;
    assert!(waiting.contains("at the end it is pending"), "{waiting}");
    assert!(waiting.contains("0/5 nodes are available: 5 Insufficient cpu."), "{waiting}");
    assert_eq!(waiting.matches("nodes are available").count(), 1, "{waiting}");
}

#[test]
fn validate_says_what_is_well() {
    let place = workplace();
    let ended = wavetank_ok(place.path(), &["validate", "small.yaml", "sweep.yaml"]);
    assert_said(&ended, &["small.yaml: ok", "5 nodes", "sweep.yaml: ok", "4 cells, 8 runs"], &["validate"]);
    let schema: serde_json::Value = serde_json::from_str(&wavetank_ok(place.path(), &["schema"]).stdout).unwrap();
    assert!(schema.is_object());
    assert_eq!(names(place.path()), ["small.yaml", "sweep.yaml"]);
}

/// The Compose file of the repository: how many pods each service ends with, as its `deploy` and the script say.
#[test]
fn compose_files_are_run() {
    let place = workplace();
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/application/compose-run.yaml");
    let ended = wavetank_ok(place.path(), &["run", &scenario.to_string_lossy(), "--out", "out"]);
    let said = "services with `profiles` are left out: they are off unless their profile is asked for (1 object)";
    assert_said(&ended, &["compose.yaml:", said], &["run"]);
    let table = fs::read_to_string(place.path().join("out/controllers.csv")).unwrap();
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let [name, wanted, ready] =
        ["controller", "wanted", "ready"].map(|key| head.iter().position(|column| *column == key).unwrap());
    let last: BTreeMap<&str, (&str, &str)> = lines.map(|row| (row[name], (row[wanted], row[ready]))).collect();
    // Of the five nodes one crashes and one joins. The Job has ended after one pod.
    for (controller, pods) in [
        ("default/Deployment/nginx", "2"),
        ("default/Deployment/web", "6"),
        ("default/Deployment/mysql", "1"),
        ("default/Deployment/mongodb", "3"),
        ("default/DaemonSet/logs", "5"),
    ] {
        assert_eq!(last.get(controller), Some(&(pods, pods)), "{controller}: {last:?}");
    }
    assert_eq!(last.len(), 6, "{last:?}");
}

//! Whole sweeps over runs that are only arithmetic.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::rng::Seed;
use crate::stats::Direction;

fn design() -> Design {
    let factor = |name: &str, labels: &[&str]| Factor {
        name: name.into(),
        labels: labels.iter().map(|&label| label.into()).collect(),
    };
    let factors = vec![factor("policy", &["a", "b", "c"]), factor("load", &["1", "2"])];
    Design::new(factors, 5, vec![(0, 0)]).expect("it is a design")
}

fn metric(name: &str, value: f64, better: Direction) -> Metric {
    Metric { name: name.into(), unit: "unit".into(), value, better }
}

/// Numbers with many digits that depend on cell and replication.
fn noise(cell: &Cell, replication: u32) -> Result<RunOutcome, String> {
    let mut stream = Seed { base: 7, replication }.stream("noise", cell.index as u64);
    let metrics = vec![
        metric("wait_ms", stream.exponential(), Direction::Lower),
        metric("rate", stream.unit(), Direction::Higher),
    ];
    let curves = vec![Curve::new("rate", (0..4).map(|x| (f64::from(x), stream.normal())))];
    Ok(RunOutcome { metrics, curves })
}

/// How a test's sweep differs from a plain one.
struct Options<'a> {
    threads: usize,
    resume: bool,
    cells: Option<std::ops::Range<usize>>,
    version: &'static str,
    run: &'a replicate::RunFunction<'a>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options { threads: 1, resume: false, cells: None, version: "1", run: &noise }
    }
}

fn sweep(directory: &Path, options: Options<'_>) -> Result<SweepReport, SweepError> {
    let design = design();
    let store = Store::create(directory).expect("it can be made");
    let fingerprint = |cell: &Cell| Fingerprint::of(&[cell.name.as_bytes(), options.version.as_bytes()]);
    let fingerprints: Vec<Fingerprint> = design.cells().iter().map(fingerprint).collect();
    run_sweep(&Sweep {
        design: &design,
        store: &store,
        fingerprints: &fingerprints,
        run: options.run,
        progress: &|_| {},
        threads: options.threads,
        resume: options.resume,
        cells: options.cells,
    })
}

/// Every file of a directory by its path within.
fn contents(directory: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
        if path.is_dir() {
            files.extend(contents(&path).into_iter().map(|(inner, text)| (format!("{name}/{inner}"), text)));
        } else {
            files.insert(name, fs::read_to_string(&path).expect("it is text"));
        }
    }
    files
}

fn reference() -> BTreeMap<String, String> {
    let place = tempfile::tempdir().expect("a place to write");
    let report = sweep(place.path(), Options::default()).expect("it runs");
    let tables = store::RunCounts { ok: 30, failed: 0, missing: 0 };
    assert_eq!(report, SweepReport { done: 30, failed: 0, kept: 0, tables });
    let files = contents(place.path());
    assert_eq!(files.len(), 30 + 4);
    assert_eq!(files["runs.csv"].lines().count(), 1 + 30);
    // 6 cells with 2 metrics; 4 of them have a baseline; 6 curves of 4 places.
    assert_eq!(files["cells.csv"].lines().count(), 1 + 6 * 2);
    assert_eq!(files["comparisons.csv"].lines().count(), 1 + 4 * 2);
    assert_eq!(files["curves.csv"].lines().count(), 1 + 6 * 4);
    files
}

#[test]
fn threads_do_not_change_a_byte() {
    let expected = reference();
    for threads in [0, 2, 4] {
        let place = tempfile::tempdir().expect("a place to write");
        sweep(place.path(), Options { threads, ..Options::default() }).expect("it runs");
        assert_eq!(contents(place.path()), expected, "{threads} threads");
    }
}

#[test]
fn a_killed_sweep_resumes_to_the_same_bytes() {
    let expected = reference();
    let place = tempfile::tempdir().expect("a place to write");
    sweep(place.path(), Options::default()).expect("it runs");
    // As a killed process leaves it: some runs missing, no tables, one file of another version, halves.
    for name in ["runs/0-0.json", "runs/3-4.json", "runs/5-1.json", "cells.csv", "curves.csv"] {
        fs::remove_file(place.path().join(name)).expect("it was there");
    }
    fs::write(place.path().join("runs/2-2.json"), "{}").expect("it can be written");
    fs::write(place.path().join("runs/.wavetank-x1y2"), "{\"half").expect("it can be written");
    fs::write(place.path().join(".wavetank-x3y4"), "cell,hal").expect("it can be written");
    let again = AtomicUsize::new(0);
    let run = |cell: &Cell, replication| {
        again.fetch_add(1, Ordering::Relaxed);
        noise(cell, replication)
    };
    let options = Options { threads: 2, resume: true, run: &run, ..Options::default() };
    let report = sweep(place.path(), options).expect("it runs");
    assert_eq!((report.done, report.kept, again.into_inner()), (4, 26, 4));
    assert_eq!(contents(place.path()), expected);
}

#[test]
fn a_changed_experiment_keeps_nothing() {
    let place = tempfile::tempdir().expect("a place to write");
    sweep(place.path(), Options { version: "0", ..Options::default() }).expect("it runs");
    let options = Options { resume: true, cells: Some(0..2), ..Options::default() };
    let report = sweep(place.path(), options).expect("it runs");
    let tables = store::RunCounts { ok: 10, failed: 0, missing: 20 };
    assert_eq!(report, SweepReport { done: 10, failed: 0, kept: 0, tables });
    // Runs of the old experiment are in no table.
    assert_eq!(contents(place.path())["runs.csv"].lines().count(), 1 + 10);
}

#[test]
fn a_split_sweep_gives_the_same_bytes() {
    let expected = reference();
    let place = tempfile::tempdir().expect("a place to write");
    for cells in [4..6, 0..1, 1..4] {
        sweep(place.path(), Options { cells: Some(cells), ..Options::default() }).expect("it runs");
    }
    assert_eq!(contents(place.path()), expected);
}

#[test]
fn parts_of_a_sweep_may_run_at_the_same_time() {
    let expected = reference();
    for _ in 0..5 {
        let place = tempfile::tempdir().expect("a place to write");
        std::thread::scope(|scope| {
            for cells in [0..2, 2..4, 4..6] {
                scope.spawn(|| {
                    sweep(place.path(), Options { cells: Some(cells), ..Options::default() }).expect("it runs")
                });
            }
        });
        assert_eq!(contents(place.path()), expected);
    }
}

#[test]
fn a_run_that_fails_costs_one_row() {
    let place = tempfile::tempdir().expect("a place to write");
    let run = |cell: &Cell, replication| match (cell.index, replication) {
        (1, 3) => panic!("node {} is over its capacity, \"badly\"", 12),
        (2, 0) => Err("no such file".to_owned()),
        _ => noise(cell, replication),
    };
    let report = sweep(place.path(), Options { threads: 2, run: &run, ..Options::default() }).expect("it runs");
    let tables = store::RunCounts { ok: 28, failed: 2, missing: 0 };
    assert_eq!(report, SweepReport { done: 30, failed: 2, kept: 0, tables });

    let (files, expected) = (contents(place.path()), reference());
    let differing: Vec<&str> =
        files["runs.csv"].lines().zip(expected["runs.csv"].lines()).filter(|(a, b)| a != b).map(|(a, _)| a).collect();
    assert_eq!(
        differing,
        [
            "policy=a load=2,3,a,2,failed,\"panic: node 12 is over its capacity, \"\"badly\"\"\",,",
            "policy=b load=1,0,b,1,failed,no such file,,",
        ]
    );
    // Cell 1 is left with four values, and so is the comparison of cell 3 with it.
    assert!(files["cells.csv"].contains("\npolicy=a load=2,a,2,wait_ms,unit,4,"));
    assert!(files["comparisons.csv"].contains("\nwait_ms,unit,policy=a load=2,policy=b load=2,b,2,4,"));
    assert!(files["comparisons.csv"].contains("\nwait_ms,unit,policy=a load=2,policy=c load=2,c,2,4,"));

    // When the reason has gone, a resumed sweep does the failed runs again, and only those.
    let report = sweep(place.path(), Options { resume: true, ..Options::default() }).expect("it runs");
    assert_eq!((report.done, report.failed, report.kept), (2, 0, 28));
    assert_eq!(contents(place.path()), expected);
}

#[test]
fn tables_hold_what_was_worked_out_by_hand() {
    let place = tempfile::tempdir().expect("a place to write");
    let labels = |labels: [&str; 2]| labels.map(str::to_owned).to_vec();
    let factors = vec![Factor { name: "policy".into(), labels: labels(["old", "new"]) }];
    let design = Design::new(factors, 3, vec![(0, 0)]).expect("it is a design");
    let store = Store::create(place.path()).expect("it can be made");
    let fingerprints = vec![Fingerprint::of(&[]); 2];
    let run = |cell: &Cell, replication: u32| {
        let (base, own) = (f64::from(replication) * 10.0, [0.0, [-1.0, -2.0, -3.0][replication as usize]][cell.index]);
        let mut metrics = vec![metric("wait_ms", base + own, Direction::Lower)];
        // A metric that takes a factor's name, and that only the last run of the second cell has.
        metrics.extend((base + own == 17.0).then(|| metric("policy", 0.5, Direction::Neutral)));
        let places = if replication == 2 { vec![(1.0, 6.0)] } else { vec![(0.0, base), (1.0, f64::NAN)] };
        Ok(RunOutcome { metrics, curves: vec![Curve::new("queue", places)] })
    };
    let seen = Mutex::new(Vec::new());
    run_sweep(&Sweep {
        design: &design,
        store: &store,
        fingerprints: &fingerprints,
        run: &run,
        progress: &|progress| seen.lock().expect("no panic").push((progress.finished, progress.total)),
        threads: 1,
        resume: false,
        cells: None,
    })
    .expect("it runs");
    assert_eq!(seen.into_inner().expect("no panic"), (0..=6).map(|n| (n, 6)).collect::<Vec<_>>());

    let files = contents(place.path());
    assert_eq!(
        files["runs.csv"],
        "cell,replication,policy,status,error,wait_ms,policy_metric\n\
         policy=old,0,old,ok,,0,\npolicy=old,1,old,ok,,10,\npolicy=old,2,old,ok,,20,\n\
         policy=new,0,new,ok,,-1,\npolicy=new,1,new,ok,,8,\npolicy=new,2,new,ok,,17,0.5\n"
    );
    // Old: mean 10, deviation 10, half width 4.302652730 * 10 / sqrt(3) = 24.841377.
    // New: -1, 8, 17: mean 8, deviation 9, half width 4.302652730 * 9 / sqrt(3) = 22.357240.
    let rows: Vec<&str> = files["cells.csv"].lines().collect();
    assert_eq!(rows[0], "cell,policy,metric,unit,n,mean,ci95_low,ci95_high,min,max,sd");
    assert!(rows[1].starts_with("policy=old,old,wait_ms,unit,3,10,-14.841377"), "{}", rows[1]);
    assert!(rows[1].ends_with(",0,20,10"), "{}", rows[1]);
    assert_eq!(rows[2], "policy=old,old,policy,unit,0,,,,,,");
    assert!(rows[3].starts_with("policy=new,new,wait_ms,unit,3,8,-14.357239"), "{}", rows[3]);
    assert_eq!(rows[4], "policy=new,new,policy,unit,1,0.5,,,0.5,0.5,");
    // Differences -1, -2, -3: mean -2, deviation 1, half width 4.302652730 / sqrt(3) = 2.484138: not decided.
    let rows: Vec<&str> = files["comparisons.csv"].lines().collect();
    assert_eq!(rows[0], "metric,unit,baseline,cell,policy,n,mean_difference,ci95_low,ci95_high,verdict");
    assert!(rows[1].starts_with("wait_ms,unit,policy=old,policy=new,new,3,-2,-4.484137"), "{}", rows[1]);
    assert!(rows[1].ends_with(",undecided"), "{}", rows[1]);
    assert_eq!(rows[2], "policy,unit,policy=old,policy=new,new,0,,,,undecided");
    // At 0: values 0 and 10; at 1: NaN twice, and 6.
    assert_eq!(
        files["curves.csv"],
        "cell,policy,metric,x,n,mean,min,max\n\
         policy=old,old,queue,0,2,5,0,10\npolicy=old,old,queue,1,1,6,6,6\n\
         policy=new,new,queue,0,2,5,0,10\npolicy=new,new,queue,1,1,6,6,6\n"
    );
}

#[test]
fn what_cannot_be_stored_ends_the_sweep() {
    let place = tempfile::tempdir().expect("a place to write");
    fs::create_dir_all(place.path().join("runs/2-1.json/in-the-way")).expect("it can be made");
    let error = sweep(place.path(), Options::default()).expect_err("a directory cannot be replaced by a run");
    assert!(error.to_string().contains("2-1.json"), "{error}");
    assert!(!place.path().join("runs.csv").exists());
    assert!(contents(place.path()).keys().all(|name| !name.contains(crate::results::write::TEMPORARY_PREFIX)));
}

#[test]
fn cells_outside_the_design_are_an_error() {
    let place = tempfile::tempdir().expect("a place to write");
    for cells in [4..7, 6..6, 9..10] {
        let message = format!("cells {}..{} are not within the 6 cells of the experiment", cells.start, cells.end);
        let error =
            sweep(place.path(), Options { cells: Some(cells), ..Options::default() }).expect_err("out of range");
        assert_eq!(error.to_string(), message);
    }
}

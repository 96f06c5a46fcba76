//! The FGD experiments, exactly: every golden decision, every published value of the deterministic policies, and the
//! published means with shuffles of our own.
//!
//! The golden files stand in the directory that `WAVETANK_DATA` names; without it those tests say 'skipped'. A small
//! cluster worked by hand (`tests/data/fgd/README.md`) checks the arithmetic in any case.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wavetank::experiment::single::{Detail, RunRecord, run_model};
use wavetank::results::Table;
use wavetank::scenario::{Environment, Override, load_scenario};

/// The deterministic policies: our names and the published ones.
const POLICIES: [(&str, &str); 5] = [
    ("fgd-best-fit", "BestFit"),
    ("fgd-dot-product", "DotProd"),
    ("gpu-packing", "GpuPacking"),
    ("gpu-clustering", "GpuClustering"),
    ("fgd", "FGD"),
];
const WORKLOADS: [&str; 5] = ["default", "cpu200", "gpushare40", "gpuspec33", "multigpu50"];

/// The directory of the trace, or none with a word about it.
fn trace(test: &str) -> Option<PathBuf> {
    let directory = std::env::var_os("WAVETANK_DATA").map(|data| PathBuf::from(data).join("openb"));
    let directory = directory.filter(|directory| directory.is_dir());
    if directory.is_none() {
        println!("{test}: skipped, WAVETANK_DATA is not set");
    }
    directory
}

fn run(trace: &Path, scenario: &str, replication: u32, set: &[String]) -> RunRecord {
    let environment = Environment { data_directory: trace.parent().map(Path::to_owned) };
    let overrides: Vec<Override> =
        set.iter().map(|text| Override::parse(text, "test").expect("a change that can be read")).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/fgd").join(scenario);
    let loaded = load_scenario(&path, &overrides, replication, &environment).unwrap_or_else(|e| panic!("{e}"));
    run_model(&loaded.model, Detail::Tables).expect("the policy exists")
}

/// The first columns of a table as CSV lines.
fn lines(record: &RunRecord, table: &str, columns: usize) -> Vec<String> {
    let table: &Table = &record.tables.iter().find(|(name, _)| *name == table).expect("the table is there").1;
    let mut csv = Vec::new();
    table.write_csv(&mut csv).expect("memory can be written");
    let text = String::from_utf8(csv).expect("CSV is text");
    text.lines().map(|line| line.splitn(columns + 1, ',').take(columns).collect::<Vec<_>>().join(",")).collect()
}

fn assert_same_lines(name: &str, ours: &[String], golden: &Path) {
    let golden = std::fs::read_to_string(golden).expect("a golden file");
    let golden: Vec<&str> = golden.lines().collect();
    for (row, (ours, golden)) in ours.iter().zip(&golden).enumerate() {
        assert_eq!(ours, golden, "{name}, row {row}");
    }
    assert_eq!(ours.len(), golden.len(), "{name}: number of rows");
}

/// Twenty pods on six nodes: the rows on paper, the plain evaluator's and the simulator's are the same.
#[test]
fn decisions_worked_by_hand_are_reproduced() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fgd");
    let file = |name: &str| directory.join(name).display().to_string();
    for (policy, _) in POLICIES {
        let set = [
            format!("scheduler.policy={policy}"),
            format!("cluster.openb.nodes={}", file("nodes.csv")),
            format!("cluster.openb.rank={{file: {}}}", file("node_rank.csv")),
            format!("workload.openb.pods={}", file("pods.csv")),
            format!("workload.openb.order={{file: {}}}", file("order.csv")),
        ];
        let by_hand = directory.join(format!("decisions_{policy}.csv"));
        let evaluated = crate::fgd_rules::decisions(&directory, policy);
        assert_eq!(evaluated.len(), 21, "a heading and twenty arrivals");
        assert_same_lines(&format!("{policy}, evaluated"), &evaluated, &by_hand);
        let record = run(&directory.join("trace"), "replay.yaml", 0, &set);
        assert_same_lines(&format!("{policy}, simulated"), &lines(&record, "decisions", 6), &by_hand);
    }
}

#[test]
fn every_golden_decision_is_reproduced() {
    let Some(trace) = trace("golden decisions") else { return };
    let list = |file: &str| trace.join(file).display().to_string();
    let cases = [
        ("A", vec!["workload.openb.rows={from: 0, to: 2000}".to_owned()]),
        (
            "B",
            vec![
                "workload.openb.rows={from: 0, to: 2000}".to_owned(),
                format!("workload.openb.pods={}", list("openb_pod_list_gpuspec33.csv")),
                "cluster.openb.stride=6".to_owned(),
            ],
        ),
        (
            "C",
            vec![
                "workload.openb.rows={from: 2000, to: 4000}".to_owned(),
                format!("cluster.openb.nodes={}", list("openb_node_list_all_node.csv")),
                "cluster.openb.stride=5".to_owned(),
            ],
        ),
    ];
    for (case, set) in cases {
        for (policy, published) in POLICIES {
            let set: Vec<String> = set.iter().cloned().chain([format!("scheduler.policy={policy}")]).collect();
            let record = run(&trace, "replay.yaml", 0, &set);
            let golden = trace.join(format!("golden/case_{case}_{published}.csv"));
            assert_same_lines(&format!("case {case}, {published}"), &lines(&record, "decisions", 6), &golden);
        }
    }
}

/// The run that the authors published for one workload and policy, seed 42: their order of arrival and of nodes.
fn published_run(trace: &Path, workload: &str, policy: &str) -> RunRecord {
    let file = |name: String| trace.join(name).display().to_string();
    let set = [
        format!("scheduler.policy={policy}"),
        format!("workload.openb.pods={}", file(format!("openb_pod_list_{workload}.csv"))),
        format!("workload.openb.order={{file: {}}}", file(format!("golden/order_{workload}_seed42.csv"))),
        format!("cluster.openb.rank={{file: {}}}", file(format!("golden/node_rank_{workload}_seed42.csv"))),
    ];
    run(trace, "replay.yaml", 0, &set)
}

#[test]
fn whole_published_runs_are_reproduced() {
    let Some(trace) = trace("whole runs") else { return };
    for (policy, published) in [("fgd", "FGD"), ("fgd-best-fit", "BestFit")] {
        let record = published_run(&trace, "default", policy);
        let golden = trace.join(format!("golden/full_default_seed42_{published}.csv"));
        assert_same_lines(published, &lines(&record, "arrivals", 7), &golden);
    }
}

/// Cells of a CSV file by the given key columns.
fn published_values(path: &Path, keys: &[&str], value: &str) -> BTreeMap<Vec<String>, String> {
    let mut reader = csv::Reader::from_path(path).expect("a published table");
    let headers = reader.headers().expect("a heading").clone();
    let position = |name: &str| headers.iter().position(|header| header == name).expect("the column is there");
    let (keys, value): (Vec<usize>, usize) = (keys.iter().map(|key| position(key)).collect(), position(value));
    let record = |record: csv::StringRecord| {
        (keys.iter().map(|&key| record[key].to_owned()).collect(), record[value].to_owned())
    };
    reader.records().map(|row| record(row.expect("a row"))).collect()
}

#[test]
fn published_values_are_reproduced_to_the_last_digit() {
    let Some(trace) = trace("published values") else { return };
    let keys = ["trace", "policy", "metric", "arrived_pct"];
    let expected = published_values(&trace.join("golden/fgd_expected_seed42.csv"), &keys, "value");
    let mut compared = 0;
    for workload in WORKLOADS {
        for (policy, published) in POLICIES {
            let record = published_run(&trace, workload, policy);
            for line in lines(&record, "packing", 4).iter().skip(1) {
                let cells: Vec<&str> = line.split(',').collect();
                for (metric, value) in ["gpu_alloc_pct", "frag_ratio_pct", "frag_amount_pct"].iter().zip(&cells[1..]) {
                    let key = [workload, published, metric, cells[0]].map(str::to_owned).to_vec();
                    let Some(expected) = expected.get(&key) else { continue };
                    let number = |text: &str| text.parse::<f64>().expect("a number");
                    assert_eq!(number(value), number(expected), "{key:?}");
                    compared += 1;
                }
            }
        }
    }
    assert_eq!(compared, 975, "published values of the deterministic policies");
}

/// Means over `seeds` runs of the allocation at 130 %, and their standard error.
fn own_mean(trace: &Path, workload: &str, policy: &str, seeds: u32) -> (f64, f64) {
    let pods = trace.join(format!("openb_pod_list_{workload}.csv"));
    let set = [format!("scheduler.policy={policy}"), format!("workload.openb.pods={}", pods.display())];
    let at_130 = |record: &RunRecord| record.packing.iter().find(|point| point[0] == 130.0).expect("130 %")[1];
    let values: Vec<f64> = (0..seeds).map(|seed| at_130(&run(trace, "experiment.yaml", seed, &set))).collect();
    let interval = wavetank::stats::mean_interval(&values);
    (interval.mean, interval.standard_error)
}

#[test]
fn own_shuffles_give_the_published_means() {
    let Some(trace) = trace("own shuffles") else { return };
    let keys = ["trace", "policy", "metric", "arrived_pct"];
    let expected = published_values(&trace.join("fgd_expected.csv"), &keys, "mean");
    let mut best_other = f64::MIN;
    for (policy, published) in POLICIES.iter().chain(&[("random", "Random")]) {
        let key = ["default", published, "gpu_alloc_pct", "130"].map(str::to_owned).to_vec();
        let published_mean: f64 = expected[&key].parse().expect("a number");
        let (mean, standard_error) = own_mean(&trace, "default", policy, 10);
        // Both means are over ten seeds: the standard error of their difference is sqrt(2) times ours.
        let distance = (mean - published_mean) / (standard_error * std::f64::consts::SQRT_2);
        assert!(distance.abs() < 3.0, "{policy}: {mean} instead of {published_mean}, {distance} standard errors");
        if *policy == "fgd" {
            assert!(mean > 95.0, "{mean}");
        } else {
            best_other = best_other.max(mean);
        }
    }
    let (fgd, _) = own_mean(&trace, "default", "fgd", 10);
    assert!(fgd > best_other, "FGD {fgd} is not best: {best_other}");
}

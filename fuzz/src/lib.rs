//! What the fuzz targets do with their input, apart from the fuzzer, so that `cargo test` runs the same over the seeds
//! (`tests/it/fuzz.rs`).
//!
//! Each function takes any bytes at all and panics only when a promise is broken. None keeps state between inputs but a
//! directory of the thread, in which every file that the input may name has the same bytes each time.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wavetank::document::{Issue, Issues, Node, Source, Value, limits, read_documents};
use wavetank::importers::openb::{NodeOptions, Order, PodOptions, Rank, Times, read_nodes, read_pods};
use wavetank::model::{Cluster, Objects, Workload};
use wavetank::rng::Seed;
use wavetank::scenario::kubernetes::{Findings, PodMakers, ReadFor, add_nodes, add_pods};
use wavetank::scenario::{Environment, Override, ScenarioError, load_experiment, load_scenario_text};

/// One target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 3] = [("scenario", scenario), ("manifest", manifest), ("csv", csv)];

/// Files that scenarios may name, so that the readers behind the names are reached.
const NEIGHBOURS: [(&str, &str); 5] = [
    ("sound.yml", include_str!("../../tests/bad_input/sound.yml")),
    ("nodes.yml", include_str!("../seeds/manifest/objects.yaml")),
    ("pods.yml", include_str!("../seeds/manifest/objects.yaml")),
    ("nodes.csv", include_str!("../../tests/data/fgd/nodes.csv")),
    ("pods.csv", include_str!("../../tests/data/fgd/pods.csv")),
];

thread_local! {
    static DIRECTORY: TempDir = {
        let directory = tempfile::tempdir().expect("a directory for the input");
        for (name, text) in NEIGHBOURS {
            fs::write(directory.path().join(name), text).expect("room for the neighbours");
        }
        directory
    };
}

/// Calls `visit` with the thread's directory.
pub fn with_neighbours<T>(visit: impl FnOnce(&Path) -> T) -> T {
    DIRECTORY.with(|directory| visit(directory.path()))
}

/// Writes `bytes` into the thread's directory.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = with_neighbours(|directory| directory.join(name));
    fs::write(&path, bytes).expect("room for the input");
    path
}

/// Lines as the reader counts them.
fn line_count(text: &str) -> usize {
    text.split(['\n', '\r']).count()
}

/// Every issue has words, and a place that is in the text when it is about the text.
fn check_issues(issues: &[Issue], name: &Path, lines: usize) {
    for issue in issues {
        let words = issue.to_string();
        assert!(!words.is_empty());
        assert!(issue.span.line as usize <= lines || Path::new(&*issue.file) != name, "{words}");
    }
}

/// Scenarios and experiments: no text makes the reader panic, and every issue it finds points into the text. Lines
/// `# set: PATH=VALUE` at the start are overrides, as in the bad-input tests.
pub fn scenario(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let changes = text.lines().map_while(|line| line.strip_prefix("# set: "));
    let Ok(overrides) = changes.map(|change| Override::parse(change, "--set")).collect::<Result<Vec<_>, _>>() else {
        return;
    };
    let environment = Environment { data_directory: Some(with_neighbours(Path::to_owned)) };
    let path = with_neighbours(|directory| directory.join("fuzz.yaml"));
    let found = if text.contains("kind: Experiment") {
        let path = file("fuzz.yaml", bytes);
        load_experiment(&path, &overrides, &environment).map(|experiment| {
            for cell in experiment.cells().iter().take(4) {
                let _ = experiment.load_cell(cell, 0, &environment);
            }
        })
    } else {
        let source = Source { file: path.to_string_lossy().into(), text: text.to_owned() };
        load_scenario_text(&source, &overrides, 0, &environment).map(|_| ())
    };
    if let Err(ScenarioError(issues)) = found {
        assert!(!issues.is_empty());
        check_issues(&issues, &path, line_count(text));
    }
}

fn depth(node: &Node) -> usize {
    match &node.value {
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(entries) => 1 + entries.iter().map(|entry| depth(&entry.value)).max().unwrap_or(0),
        _ => 0,
    }
}

/// Kubernetes manifests: no bytes make the reader panic, compressed or not; every issue points into the text, and a tree
/// that comes out is no deeper than the limit.
pub fn manifest(bytes: &[u8]) {
    let path = file("manifest.yaml", bytes);
    let mut issues = Issues::default();
    let (source, documents) = read_documents(&path, &path.to_string_lossy().into(), &mut issues);
    for document in &documents {
        assert!(depth(document) <= limits::DEPTH);
        let _ = document.to_json();
    }
    let lines = source.map_or(usize::MAX, |source| line_count(&source.text));
    check_issues(&issues.into_sorted(), &path, lines);
    let (mut cluster, mut workload) = (Cluster::default(), Workload::default());
    let (mut objects, mut findings) = (Objects::default(), Findings::default());
    add_nodes(std::slice::from_ref(&path), ReadFor::KubeScheduler, &mut cluster, &mut objects, &mut findings);
    let mut makers = PodMakers::new(ReadFor::KubeScheduler, Vec::new());
    add_pods(std::slice::from_ref(&path), &mut makers, &mut cluster, &mut workload, &mut objects, &mut findings);
    check_issues(&findings.issues.into_sorted(), &path, lines);
}

/// The openb lists: no bytes make their readers panic. The input has up to four parts between lines `---`: rows of the
/// node list, the pod list, the order of arrival and the ranks of nodes. Headings are given, or nearly every input
/// would end at them.
pub fn csv(bytes: &[u8]) {
    const HEADINGS: [(&str, &[u8]); 4] = [
        ("nodes.fuzz", b"sn,cpu_milli,memory_mib,gpu,model\n"),
        (
            "pods.fuzz",
            b"name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,creation_time,deletion_time,scheduled_time\n",
        ),
        ("order.fuzz", b"seq,pod_row\n"),
        ("rank.fuzz", b"node,rank\n"),
    ];
    let mut parts = Vec::new();
    let mut rest = bytes;
    while parts.len() < HEADINGS.len() - 1 {
        let Some(at) = rest.windows(4).position(|window| window == b"---\n") else { break };
        parts.push(&rest[..at]);
        rest = &rest[at + 4..];
    }
    parts.push(rest);
    let path_of = |index: usize| {
        let (name, heading) = HEADINGS[index];
        file(name, &[heading, parts.get(index).copied().unwrap_or_default()].concat())
    };
    let [nodes, pods, order, rank] = [path_of(0), path_of(1), path_of(2), path_of(3)];
    let seed = Seed { base: 1, replication: 0 };
    let (mut cluster, mut workload) = (Cluster::default(), Workload::default());
    for rank in [Rank::NameOrder, Rank::Shuffled, Rank::File(rank)] {
        let options = NodeOptions { rank, ..NodeOptions::default() };
        let _ = read_nodes(&nodes, &options, seed, &mut cluster);
    }
    let sequence = PodOptions::default().times;
    for (inflate_to, times, order) in [
        (Some(1.3), sequence, Order::Shuffled),
        (None, Times::Trace, Order::FileOrder),
        (None, sequence, Order::File(order)),
    ] {
        let options = PodOptions { inflate_to, times, order, ..PodOptions::default() };
        let _ = read_pods(&pods, &options, seed, &mut cluster, &mut workload);
    }
}

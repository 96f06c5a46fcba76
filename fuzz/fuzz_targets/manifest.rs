//! No bytes make the reader of manifests panic, compressed or not; every issue points into the text, and a tree that
//! comes out is no deeper than the limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wavetank::document::{Issues, Node, Value, limits, read_documents};
use wavetank::model::{Cluster, Workload};
use wavetank::scenario::kubernetes::{Findings, add_nodes, add_pods};

fn depth(node: &Node) -> usize {
    match &node.value {
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(entries) => 1 + entries.iter().map(|entry| depth(&entry.value)).max().unwrap_or(0),
        _ => 0,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let directory = tempfile::tempdir().expect("a directory for the input");
    let path = directory.path().join("manifest.yaml");
    std::fs::write(&path, bytes).expect("room for the input");
    let mut issues = Issues::default();
    let (source, documents) = read_documents(&path, &"manifest.yaml".into(), &mut issues);
    for document in &documents {
        assert!(depth(document) <= limits::DEPTH);
        let _ = document.to_json();
    }
    let (mut cluster, mut workload, mut findings) = (Cluster::default(), Workload::default(), Findings::default());
    add_nodes(&[path.clone()], &mut cluster, &mut findings);
    add_pods(&[path], &mut cluster, &mut workload, &mut findings);
    for issue in findings.issues.into_sorted() {
        assert!(!issue.to_string().is_empty());
    }
    let lines = source.map_or(u32::MAX as usize, |source| source.text.split(['\n', '\r']).count());
    for issue in issues.into_sorted() {
        assert!(issue.span.line as usize <= lines, "{issue}");
    }
});

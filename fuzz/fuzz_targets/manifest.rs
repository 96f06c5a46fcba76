//! No bytes make the reader of manifests panic, compressed or not; every issue points into the text, and a tree that
//! comes out is no deeper than the limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wavetank::document::{Issues, Node, Value, limits, read_documents};

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
    let lines = source.map_or(u32::MAX as usize, |source| source.text.split(['\n', '\r']).count());
    for issue in issues.into_sorted() {
        assert!(issue.span.line as usize <= lines, "{issue}");
    }
});

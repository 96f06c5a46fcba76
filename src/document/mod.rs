//! Text to tree: YAML and JSON files as [`Node`]s that know their line and column, and the [`Issue`]s found in them.
//!
//! Everything a user writes (scenarios, experiments, Kubernetes manifests, `--set` values) enters through here, so that
//! every later message can point at a place. The syntax itself is read by `saphyr-parser`; this module adds what a
//! simulator owes its users: limits, duplicate keys, positions that survive splitting, and one shape of error.
//!
//! Invariants: equal bytes give equal trees and equal issues, whatever the number of threads; no input panics or
//! allocates beyond the limits in [`limits`]. Cost: about 25 ns a byte on one core, in parallel over documents.

mod issue;
mod node;
mod parse;
mod read;

pub use issue::{Code, Issue, Issues};
pub use node::{Entry, Node, Span, Value};
pub use parse::{parse, parse_value};
pub use read::{Source, read_bytes, read_documents, read_text};

/// What is refused as absurd, so that a hostile or broken file cannot exhaust the machine.
pub mod limits {
    /// Largest file, after decompression, in bytes.
    pub const FILE_BYTES: u64 = 512 << 20;
    /// Deepest nesting of lists and mappings.
    pub const DEPTH: usize = 64;
    /// Most nodes in one file; 512 MiB of ordinary manifests hold about 40 million.
    pub const NODES: u64 = 50_000_000;
    /// Bytes that copies made for anchors and aliases may occupy in any case.
    pub const ALIAS_BYTES: u64 = 1 << 20;
    /// Bytes that such copies may occupy on top of that for each byte of text.
    pub const ALIAS_BYTES_PER_BYTE: u64 = 16;
    /// Most issues that are kept; further ones are only counted.
    pub const ISSUES: usize = 1000;
}

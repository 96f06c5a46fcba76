//! Spans of all formats: who did what, when, for whom.

use std::collections::BTreeMap;

use super::super::Problems;
use crate::importers::ImportError;

/// Recorded spans, linked to those that they were done for.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    pub(super) list: Vec<Span>,
    /// Service and operation, by number.
    pub(super) operations: Vec<(String, String)>,
    pub(super) traces: u64,
    /// Spans whose parent is not there.
    pub(super) orphans: u64,
    /// Rows that say the same as one before.
    pub(super) repeated: u64,
    /// Whether times of different traces can be compared.
    pub(super) has_clock: bool,
    /// Whether operations have names by which a request can be known again.
    pub(super) has_names: bool,
}

impl Spans {
    /// How many operations of services were seen, those of callers included.
    pub fn operations(&self) -> usize {
        self.operations.len()
    }
}

/// A span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) operation: u32,
    /// Position of the span that it was done for.
    pub(super) parent: Option<u32>,
    /// Whether it has no parent, rather than one that is not there.
    pub(super) is_root: bool,
    pub(super) side: Side,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
}

/// Which end of a call a span was recorded at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The format does not say.
    Unknown,
    /// The caller, which waits.
    Client,
    /// The callee.
    Server,
    /// A callee for which nobody waits.
    Consumer,
    /// None: work within a service.
    Internal,
}

/// A row of a file.
pub(super) struct Row<'t> {
    pub(super) trace: &'t str,
    pub(super) span: &'t str,
    /// Empty for a root.
    pub(super) parent: &'t str,
    pub(super) service: &'t str,
    pub(super) operation: &'t str,
    pub(super) side: Side,
    pub(super) start_ns: u64,
    pub(super) duration_ns: u64,
}

/// Collects rows, and links them at the end.
#[derive(Default)]
pub(super) struct Collector {
    spans: Spans,
    numbers: BTreeMap<(String, String), u32>,
    traces: BTreeMap<(u32, String), u32>,
    /// By trace and name of the span: its position.
    positions: BTreeMap<(u32, String), u32>,
    /// Of each span: trace, and name of its parent.
    parents: Vec<(u32, String)>,
    /// Of each span: number of its file, and line.
    places: Vec<(u32, u64)>,
    files: Vec<String>,
}

impl Collector {
    pub(super) fn new(has_clock: bool, has_names: bool) -> Collector {
        Collector { spans: Spans { has_clock, has_names, ..Spans::default() }, ..Collector::default() }
    }

    /// Rows that follow are of this file. Names of traces hold within a file.
    pub(super) fn begin_file(&mut self, name: &str) {
        self.files.push(name.to_owned());
    }

    pub(super) fn add(&mut self, row: &Row<'_>, line: u64, problems: &mut Problems) {
        let file = self.files.len() as u32 - 1;
        let traces = self.traces.len() as u32;
        let trace = *self.traces.entry((file, row.trace.to_owned())).or_insert(traces);
        let operations = self.spans.operations.len() as u32;
        let key = (row.service.to_owned(), row.operation.to_owned());
        let operation = *self.numbers.entry(key.clone()).or_insert(operations);
        if operation == operations {
            self.spans.operations.push(key);
        }
        let is_root = row.parent.is_empty();
        let end_ns = row.start_ns.saturating_add(row.duration_ns);
        let span = Span { operation, parent: None, is_root, side: row.side, start_ns: row.start_ns, end_ns };
        let position = self.spans.list.len() as u32;
        let first = *self.positions.entry((trace, row.span.to_owned())).or_insert(position);
        if first == position {
            self.spans.list.push(span);
            self.parents.push((trace, row.parent.to_owned()));
            self.places.push((file, line));
        } else if self.spans.list[first as usize] == span && self.parents[first as usize].1 == row.parent {
            self.spans.repeated += 1;
        } else {
            let line_before = self.places[first as usize].1;
            let message = format!(
                "trace `{}` has another span `{}` in line {line_before}: give one of them another name, or remove it",
                row.trace, row.span
            );
            problems.push(&self.files[file as usize], line, message);
        }
    }

    /// The spans, each linked to its parent.
    pub(super) fn finish(mut self, mut problems: Problems) -> Result<Spans, Vec<ImportError>> {
        self.spans.traces = self.traces.len() as u64;
        for (span, key) in self.spans.list.iter_mut().zip(&self.parents).filter(|(span, _)| !span.is_root) {
            span.parent = self.positions.get(key).copied();
            self.spans.orphans += u64::from(span.parent.is_none());
        }
        let is_whole = problems.list.is_empty();
        if let Some(position) = circle(&self.spans.list).filter(|_| is_whole) {
            let (file, line) = self.places[position];
            let message = "the span is its own ancestor: parents lead in a circle; correct the column of parents";
            problems.push(&self.files[file as usize], line, message);
        } else if is_whole && !self.spans.list.iter().any(|span| span.is_root) {
            let message = "no span is without parent, so that nobody knows where requests enter; give the whole traces";
            problems.push(self.files.first().map_or("", String::as_str), 0, message);
        }
        problems.into_result(self.spans)
    }
}

/// A span from which parents never lead to an end.
fn circle(spans: &[Span]) -> Option<usize> {
    // By span: the last walk that came by; a walk that meets its own trace goes round.
    let mut seen = vec![usize::MAX; spans.len()];
    (0..spans.len()).find(|&first| {
        let mut at = first;
        while seen[at] == usize::MAX {
            seen[at] = first;
            match spans[at].parent {
                Some(parent) => at = parent as usize,
                None => return false,
            }
        }
        seen[at] == first
    })
}

/// For each span, those that were done for it.
pub(super) fn children(spans: &[Span]) -> Vec<Vec<u32>> {
    let mut children = vec![Vec::new(); spans.len()];
    for (position, span) in spans.iter().enumerate() {
        if let Some(parent) = span.parent {
            children[parent as usize].push(position as u32);
        }
    }
    children
}

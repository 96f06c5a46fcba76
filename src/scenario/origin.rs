//! Where each part of a resolved scenario comes from.
//!
//! A scenario is put together from its file, the file it is based on, and overrides, and every message must still point
//! at the line that somebody wrote. So each source gets a range of lines of its own, as a compiler's source map does,
//! and the nodes of the tree carry lines in that numbering.

use std::path::{Path, PathBuf};

use crate::document::{Code, Entry, Issue, Issues, Node, Source, Span, Value};

/// The sources of one tree.
#[derive(Debug, Default)]
pub(super) struct Origins {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    lines_before: u32,
    source: Source,
    /// Paths written in this source are relative to it.
    directory: PathBuf,
}

impl Origins {
    /// Adds a source; its nodes must be moved down by the lines returned.
    pub(super) fn add(&mut self, source: &Source, directory: &Path) -> u32 {
        let lines_before = self.parts.last().map_or(0, |part| part.lines_before + line_bound(&part.source.text));
        self.parts.push(Part { lines_before, source: source.clone(), directory: directory.to_owned() });
        lines_before
    }

    /// An issue at a place of the tree. Overrides of a command share a name, so that theirs get their line at once.
    pub(super) fn issue(&self, code: Code, span: Span, message: impl Into<String>) -> Issue {
        let (part, span) = self.part(span);
        let mut issue = Issue::new(code, &part.source.file, span, message);
        let is_alike = |other: &&Part| other.source.file == part.source.file;
        if self.parts.iter().filter(is_alike).count() > 1 {
            issue.source_line = part.source.text.lines().nth(span.line.saturating_sub(1) as usize).map(str::to_owned);
        }
        issue
    }

    /// The directory that paths written at a place of the tree are relative to.
    pub(super) fn directory(&self, span: Span) -> &Path {
        &self.part(span).0.directory
    }

    /// A value of the tree as its own source has it, and the place of what names it there.
    pub(super) fn original(&self, span: Span, value: &Node) -> Original {
        let (part, span) = self.part(span);
        let mut value = value.clone();
        let lines = self.part(value.span).0.lines_before;
        move_with(&mut value, &|span: &mut Span| span.line = span.line.saturating_sub(lines));
        Original { value, source: part.source.clone(), span }
    }

    /// The file that a place of the tree stands in.
    pub(super) fn file(&self, span: Span) -> PathBuf {
        PathBuf::from(&*self.part(span).0.source.file)
    }

    /// The issues, with their source lines where they have none yet.
    pub(super) fn with_source_lines(&self, issues: Vec<Issue>) -> Vec<Issue> {
        let mut all = Issues::default();
        all.extend(issues);
        for part in &self.parts {
            all.attach_source(&part.source.file, &part.source.text);
        }
        all.into_sorted()
    }

    fn part(&self, span: Span) -> (&Part, Span) {
        let after = self.parts.partition_point(|part| part.lines_before < span.line);
        let part = &self.parts[after.saturating_sub(1)];
        (part, Span { line: span.line.saturating_sub(part.lines_before), ..span })
    }
}

/// A value apart from its tree.
#[derive(Clone, Debug)]
pub(super) struct Original {
    /// The value, with places in its own source.
    pub(super) value: Node,
    /// That source.
    pub(super) source: Source,
    /// The place of the key or path that the value belongs to.
    pub(super) span: Span,
}

/// A number of lines that no place in the text exceeds.
fn line_bound(text: &str) -> u32 {
    text.bytes().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u32 + 2
}

/// Moves a node with all below it.
pub(super) fn moved(mut node: Node, lines: u32, columns_on_first_line: u32) -> Node {
    let shift = |span: &mut Span| {
        if span.line == 1 {
            span.column += columns_on_first_line;
        }
        span.line += lines;
    };
    move_with(&mut node, &shift);
    node
}

fn move_with(node: &mut Node, shift: &impl Fn(&mut Span)) {
    shift(&mut node.span);
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| move_with(item, shift)),
        Value::Map(entries) => {
            for Entry { span, value, .. } in entries {
                shift(span);
                move_with(value, shift);
            }
        }
        _ => {}
    }
}

//! Text to nodes, in parallel over the documents of a stream.
//!
//! A line that starts with `---` ends every construct of YAML, even a block text or a quoted one (YAML 1.2.2, 9.1.2),
//! so a stream can be cut there and its pieces parsed apart. Pieces are cut by size, never by the number of threads. A
//! piece that fails is parsed again document by document, so that each broken document is reported.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput, Tag};

use super::{Code, Entry, Issue, Issues, Node, Source, Span, Value, limits};

/// Pieces smaller than this are not worth a task of their own.
const PIECE_BYTES: usize = 64 << 10;

/// Parses a stream of YAML documents or a JSON text. Empty documents are left out. What is wrong goes to `issues`, with
/// its source line; sound documents are returned even when others are broken.
pub fn parse(source: &Source, issues: &mut Issues) -> Vec<Node> {
    let nodes_left = AtomicU64::new(limits::NODES);
    let pieces = cut(&source.text, PIECE_BYTES);
    let end = end_of(&source.text);
    let parsed: Vec<Parsed> = pieces.par_iter().map(|piece| parse_piece(*piece, end, &nodes_left)).collect();
    let mut documents = Vec::with_capacity(parsed.iter().map(|piece| piece.documents.len()).sum());
    let mut found = Issues::default();
    for piece in parsed {
        documents.extend(piece.documents);
        found.extend(piece.faults.into_iter().map(|fault| fault.into_issue(&source.file)));
    }
    if !found.is_empty() {
        found.attach_source(&source.file, &source.text);
        issues.extend(found.into_sorted());
    }
    documents
}

/// Parses the text of one value, such as the right side of `--set`. Nothing is `null`.
///
/// # Errors
/// The first thing that is wrong; `file` says in messages where the text came from.
pub fn parse_value(text: &str, file: &Arc<str>) -> Result<Node, Issue> {
    let source = Source { file: file.clone(), text: super::read::to_text(text.as_bytes().to_vec(), file)? };
    let mut issues = Issues::default();
    let mut documents = parse(&source, &mut issues);
    if let Some(issue) = issues.into_sorted().into_iter().next() {
        return Err(issue);
    }
    if documents.len() > 1 {
        return Err(Issue::new(Code::Syntax, file, documents[1].span, "one value is expected, not several documents"));
    }
    Ok(documents.pop().unwrap_or(Node { span: Span::new(1, 1), value: Value::Null }))
}

/// The lines of a text without their ends; `\n`, `\r\n` and `\r` end a line, as in YAML.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.bytes().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        let line = &rest[..end];
        let skip = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = rest.get(end + skip..).unwrap_or("");
        Some(line)
    })
}

/// The end of the last line of a text.
fn end_of(text: &str) -> Span {
    let body = text.strip_suffix("\r\n").or_else(|| text.strip_suffix(['\n', '\r'])).unwrap_or(text);
    let last = body.rsplit(['\n', '\r']).next().unwrap_or("");
    Span::new(count_lines(body) + 1, last.chars().count() as u32 + 1)
}

/// A part of the stream that starts at the start of a document.
#[derive(Clone, Copy)]
struct Piece<'t> {
    text: &'t str,
    /// Lines of the stream before this part.
    lines_before: u32,
}

/// Cuts a stream before lines that start with `---`, into pieces of at least `piece_bytes`.
fn cut(text: &str, piece_bytes: usize) -> Vec<Piece<'_>> {
    let bytes = text.as_bytes();
    // Directives belong to the document after them, and nothing but their document may follow: leave such streams
    // whole.
    let has_directive = text.starts_with('%') || text.contains("\n%") || text.contains("\r%");
    let mut pieces = Vec::new();
    let (mut start, mut lines_before) = (0, 0);
    let mut search = piece_bytes;
    while !has_directive && search < bytes.len() {
        let Some(found) = text.get(floor_boundary(text, search)..).and_then(|rest| rest.find("\n---")) else { break };
        let at = floor_boundary(text, search) + found + 1;
        if matches!(bytes.get(at + 3), None | Some(b' ' | b'\t' | b'\n' | b'\r')) {
            let piece = &text[start..at];
            pieces.push(Piece { text: piece, lines_before });
            lines_before += count_lines(piece);
            start = at;
            search = at + piece_bytes;
        } else {
            search = at;
        }
    }
    pieces.push(Piece { text: &text[start..], lines_before });
    pieces
}

fn floor_boundary(text: &str, mut position: usize) -> usize {
    while !text.is_char_boundary(position) {
        position -= 1;
    }
    position
}

/// How many line ends a text has.
fn count_lines(text: &str) -> u32 {
    let bytes = text.as_bytes();
    let line_feeds = bytes.iter().filter(|&&byte| byte == b'\n').count();
    let lone_returns = if text.contains('\r') {
        bytes.iter().enumerate().filter(|&(at, &byte)| byte == b'\r' && bytes.get(at + 1) != Some(&b'\n')).count()
    } else {
        0
    };
    (line_feeds + lone_returns) as u32
}

/// Something wrong at a place, before the file's name is known.
#[derive(Debug)]
struct Fault {
    code: Code,
    span: Span,
    message: String,
    hint: Option<&'static str>,
}

impl Fault {
    fn new(code: Code, span: Span, message: impl Into<String>) -> Fault {
        Fault { code, span, message: message.into(), hint: None }
    }

    fn into_issue(self, file: &Arc<str>) -> Issue {
        let issue = Issue::new(self.code, file, self.span, self.message);
        match self.hint {
            Some(hint) => issue.with_hint(hint),
            None => issue,
        }
    }
}

#[derive(Default)]
struct Parsed {
    documents: Vec<Node>,
    faults: Vec<Fault>,
}

fn parse_piece(piece: Piece<'_>, end: Span, nodes_left: &AtomicU64) -> Parsed {
    let mut alias_bytes = limits::ALIAS_BYTES + limits::ALIAS_BYTES_PER_BYTE * piece.text.len() as u64;
    let fault = match Builder::new(piece, end, nodes_left, alias_bytes).run() {
        Ok((parsed, _)) => return parsed,
        Err(fault) => fault,
    };
    let singles = cut(piece.text, 1);
    if singles.len() == 1 {
        return Parsed { documents: Vec::new(), faults: vec![fault] };
    }
    let mut all = Parsed::default();
    for single in singles {
        let single = Piece { lines_before: piece.lines_before + single.lines_before, ..single };
        match Builder::new(single, end, nodes_left, alias_bytes).run() {
            Ok((parsed, left)) => {
                alias_bytes = left;
                all.documents.extend(parsed.documents);
                all.faults.extend(parsed.faults);
            }
            Err(fault) if all.faults.len() < limits::ISSUES => all.faults.push(fault),
            Err(_) => {}
        }
    }
    all
}

/// An open list or mapping.
struct Frame {
    span: Span,
    anchor: usize,
    open: Open,
}

enum Open {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<(Span, Box<str>)> },
}

/// Builds nodes from the parser's events.
struct Builder<'t> {
    piece: Piece<'t>,
    /// The end of the whole text.
    end: Span,
    parser: Parser<'t, StrInput<'t>>,
    nodes_left: &'t AtomicU64,
    stack: Vec<Frame>,
    anchors: BTreeMap<usize, Node>,
    alias_bytes_left: u64,
    parsed: Parsed,
}

impl<'t> Builder<'t> {
    fn new(piece: Piece<'t>, end: Span, nodes_left: &'t AtomicU64, alias_bytes_left: u64) -> Self {
        Builder {
            piece,
            end,
            parser: Parser::new_from_str(piece.text),
            nodes_left,
            stack: Vec::new(),
            anchors: BTreeMap::new(),
            alias_bytes_left,
            parsed: Parsed::default(),
        }
    }

    /// Reads the piece to its end; gives also what is left of the budget for aliases.
    fn run(mut self) -> Result<(Parsed, u64), Fault> {
        let mut batch = 0;
        while let Some(event) = self.parser.next_event() {
            let (event, span) = event.map_err(|error| self.syntax_fault(&error))?;
            // The shared counter is touched once in a while only: cores would fight over it.
            batch += 1;
            if batch == 1024 {
                self.charge_nodes(batch)?;
                batch = 0;
            }
            self.handle(event, self.place(span.start))?;
        }
        self.charge_nodes(batch)?;
        Ok((self.parsed, self.alias_bytes_left))
    }

    fn charge_nodes(&self, count: u64) -> Result<(), Fault> {
        let left = self.nodes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(count));
        let refuse =
            || Fault::new(Code::TooLarge, Span::default(), format!("holds more than {} values", limits::NODES));
        left.map(|_| ()).map_err(|_| refuse())
    }

    fn handle(&mut self, event: Event<'t>, span: Span) -> Result<(), Fault> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Alias(anchor) => {
                let Some(target) = self.anchors.get(&anchor) else {
                    let message = "an alias to a value that encloses it, or that another document defines";
                    return Err(Fault::new(Code::Alias, span, message));
                };
                let depth = self.stack.len();
                let node = copy(target, depth, span, &mut self.alias_bytes_left)?;
                self.place_node(node, false)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                if self.expects_key() {
                    return self.place_key(text.into(), span, anchor, plain);
                }
                let value = match tag {
                    None if plain => plain_value(text.into()),
                    None => Value::Text(text.into()),
                    Some(tag) => tagged_value(text.into(), &tag, plain, span)?,
                };
                let node = Node { span, value };
                self.keep_anchor(anchor, &node)?;
                self.place_node(node, true)
            }
            Event::SequenceStart(anchor, tag) => self.open(Open::List(Vec::new()), anchor, tag.as_deref(), span),
            Event::MappingStart(anchor, tag) => {
                let open = Open::Map { entries: Vec::new(), key: None };
                self.open(open, anchor, tag.as_deref(), span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
        }
    }

    fn expects_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame { open: Open::Map { key: None, .. }, .. }))
    }

    fn open(&mut self, open: Open, anchor: usize, tag: Option<&Tag>, span: Span) -> Result<(), Fault> {
        if let Some(tag) = tag
            && !(tag.is_yaml_core_schema() && matches!(&*tag.suffix, "map" | "seq"))
        {
            return Err(unsupported_tag(tag, span));
        }
        if self.expects_key() {
            return Err(Fault::new(Code::UnsupportedYaml, span, "a list or mapping cannot be a key here"));
        }
        if self.stack.len() >= limits::DEPTH {
            return Err(too_deep(span));
        }
        self.stack.push(Frame { span, anchor, open });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        let frame = self.stack.pop().expect("the parser balances starts and ends");
        let value = match frame.open {
            Open::List(items) => Value::List(items),
            Open::Map { entries, .. } => Value::Map(self.finish_map(entries)?),
        };
        let node = Node { span: frame.span, value };
        self.keep_anchor(frame.anchor, &node)?;
        self.place_node(node, true)
    }

    fn keep_anchor(&mut self, anchor: usize, node: &Node) -> Result<(), Fault> {
        if anchor > 0 {
            let kept = copy(node, self.stack.len(), node.span, &mut self.alias_bytes_left)?;
            self.anchors.insert(anchor, kept);
        }
        Ok(())
    }

    fn place_key(&mut self, text: Box<str>, span: Span, anchor: usize, plain: bool) -> Result<(), Fault> {
        if anchor > 0 {
            self.keep_anchor(anchor, &Node { span, value: plain_value(text.clone()) })?;
        }
        // A quoted `<<` is an ordinary key; the mark keeps the two apart until the mapping ends.
        let text = if plain && &*text == "<<" { MERGE_KEY.into() } else { text };
        if let Some(Frame { open: Open::Map { key, .. }, .. }) = self.stack.last_mut() {
            *key = Some((span, text));
        }
        Ok(())
    }

    /// Puts a finished value where it belongs: into the open list or mapping, or into the list of documents.
    fn place_node(&mut self, node: Node, is_own: bool) -> Result<(), Fault> {
        match self.stack.last_mut().map(|frame| &mut frame.open) {
            None if node.is_null() => {}
            None => self.parsed.documents.push(node),
            Some(Open::List(items)) => items.push(node),
            Some(Open::Map { entries, key }) => match (key.take(), node.value) {
                (Some((span, key)), value) => {
                    entries.push(Entry { span, key, value: Node { span: node.span, value } });
                }
                (None, Value::Text(text)) if !is_own => *key = Some((node.span, text)),
                (None, _) => {
                    return Err(Fault::new(Code::UnsupportedYaml, node.span, "only text can be a key"));
                }
            },
        }
        Ok(())
    }

    /// Reports duplicate keys, of which the first stays, and carries out merges (`<<`).
    fn finish_map(&mut self, mut entries: Vec<Entry>) -> Result<Vec<Entry>, Fault> {
        let duplicates = duplicate_keys(&entries);
        if !duplicates.is_empty() {
            let mut position = 0;
            entries.retain(|entry| {
                position += 1;
                let keep = !duplicates.contains(&(position - 1));
                if !keep && self.parsed.faults.len() < limits::ISSUES {
                    let key = if &*entry.key == MERGE_KEY { "<<" } else { &*entry.key };
                    let message = format!("the key `{key}` stands here twice");
                    let mut fault = Fault::new(Code::DuplicateKey, entry.span, message);
                    fault.hint = Some("keep one of the two");
                    self.parsed.faults.push(fault);
                }
                keep
            });
        }
        match entries.iter().position(|entry| &*entry.key == MERGE_KEY) {
            Some(at) => merge(entries, at),
            None => Ok(entries),
        }
    }

    /// Where the parser stands. What is missing at the end of the text, it sees on a line of its own there; people see
    /// it at the end of the last line.
    fn place(&self, marker: Marker) -> Span {
        Span::new(marker.line() as u32 + self.piece.lines_before, marker.col() as u32 + 1).min(self.end)
    }

    fn syntax_fault(&self, error: &ScanError) -> Fault {
        let span = self.place(*error.marker());
        let line = lines(self.piece.text).nth(error.marker().line().saturating_sub(1)).unwrap_or("");
        if error.info().contains("anchor") {
            return Fault::new(Code::Alias, span, "there is no anchor of that name before this alias");
        }
        if error.info().contains("recursion limit") {
            return too_deep(span);
        }
        let mut fault = Fault::new(Code::Syntax, span, format!("not valid YAML: {}", error.info()));
        if line.trim_start_matches(' ').starts_with('\t') {
            fault.hint = Some("indent with spaces, not with tabs");
        }
        fault
    }
}

/// The positions of keys that stand earlier in the mapping too.
fn duplicate_keys(entries: &[Entry]) -> BTreeSet<usize> {
    const FEW: usize = 12;
    if entries.len() <= FEW {
        // Nearly all mappings are this small, and comparing all pairs is faster than sorting.
        let is_duplicate = |at: &usize| entries[..*at].iter().any(|entry| entry.key == entries[*at].key);
        return (1..entries.len()).filter(is_duplicate).collect();
    }
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by(|&a, &b| entries[a].key.cmp(&entries[b].key));
    order.windows(2).filter(|pair| entries[pair[0]].key == entries[pair[1]].key).map(|pair| pair[1]).collect()
}

/// Stands for an unquoted `<<` while a mapping is open; a control character cannot be part of a key.
const MERGE_KEY: &str = "\u{1}<<";

/// Carries out `<<: *defaults`: keys of the mappings named are added unless the mapping has them itself.
fn merge(mut entries: Vec<Entry>, at: usize) -> Result<Vec<Entry>, Fault> {
    let merged = entries.remove(at);
    let sources = match &merged.value.value {
        Value::Map(_) => std::slice::from_ref(&merged.value),
        Value::List(items) => items,
        _ => &[],
    };
    let all_maps = sources.iter().all(|node| matches!(node.value, Value::Map(_)));
    if sources.is_empty() || !all_maps {
        return Err(Fault::new(
            Code::UnsupportedYaml,
            merged.span,
            "`<<` needs a mapping, or a list of mappings, to merge",
        ));
    }
    let mut present: BTreeSet<Box<str>> = entries.iter().map(|entry| entry.key.clone()).collect();
    for entry in sources.iter().flat_map(Node::entries) {
        if present.insert(entry.key.clone()) {
            entries.push(entry.clone());
        }
    }
    Ok(entries)
}

/// A copy of an anchored value, paid from the budget of the document. All its places are `span`.
fn copy(node: &Node, depth: usize, span: Span, bytes_left: &mut u64) -> Result<Node, Fault> {
    if depth > limits::DEPTH {
        return Err(too_deep(span));
    }
    let text_bytes = match &node.value {
        Value::Text(text) => text.len(),
        Value::Map(entries) => entries.iter().map(|entry| entry.key.len() + size_of::<Entry>()).sum(),
        _ => 0,
    };
    let Some(left) = bytes_left.checked_sub((size_of::<Node>() + text_bytes) as u64) else {
        return Err(Fault::new(Code::Alias, span, "anchors and aliases expand to far more than the file itself"));
    };
    *bytes_left = left;
    let mut copy_of = |node: &Node| copy(node, depth + 1, span, bytes_left);
    let value = match &node.value {
        Value::List(items) => Value::List(items.iter().map(copy_of).collect::<Result<_, _>>()?),
        Value::Map(entries) => {
            let copy_entry = |entry: &Entry| Ok(Entry { span, key: entry.key.clone(), value: copy_of(&entry.value)? });
            Value::Map(entries.iter().map(copy_entry).collect::<Result<_, _>>()?)
        }
        scalar => scalar.clone(),
    };
    Ok(Node { span, value })
}

fn too_deep(span: Span) -> Fault {
    Fault::new(Code::TooDeep, span, format!("lists and mappings are nested more than {} deep", limits::DEPTH))
}

fn unsupported_tag(tag: &Tag, span: Span) -> Fault {
    Fault::new(Code::UnsupportedYaml, span, format!("the YAML tag `{tag}` has no meaning here"))
}

/// The value of a scalar with a tag such as `!!str`.
fn tagged_value(text: Box<str>, tag: &Tag, plain: bool, span: Span) -> Result<Value, Fault> {
    if !tag.is_yaml_core_schema() {
        return if tag.suffix == "!" || (tag.handle.is_empty() && tag.suffix.is_empty()) {
            Ok(Value::Text(text))
        } else {
            Err(unsupported_tag(tag, span))
        };
    }
    let untagged = plain_value(text.clone());
    match (tag.suffix.as_str(), untagged) {
        ("str", _) => Ok(Value::Text(text)),
        ("int", Value::Int(number)) => Ok(Value::Int(number)),
        ("float", Value::Int(number)) => Ok(Value::Float(number as f64)),
        ("float", Value::Float(number)) => Ok(Value::Float(number)),
        ("bool", Value::Bool(truth)) => Ok(Value::Bool(truth)),
        ("null", Value::Null) if plain => Ok(Value::Null),
        _ => Err(Fault::new(Code::UnsupportedYaml, span, format!("`{text}` is no `!!{}`", tag.suffix))),
    }
}

/// The value of an unquoted scalar by the core schema of YAML 1.2.2 (10.3.2).
fn plain_value(text: Box<str>) -> Value {
    // Most values are words; their first letter settles it.
    let may_be_special = matches!(
        text.as_bytes().first(),
        None | Some(b'0'..=b'9' | b'+' | b'-' | b'.' | b'~' | b't' | b'T' | b'f' | b'F' | b'n' | b'N')
    );
    if !may_be_special {
        return Value::Text(text);
    }
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Value::Float(f64::NAN),
        _ => match number(&text) {
            Some(value) => value,
            None => Value::Text(text),
        },
    }
}

/// A number of the core schema, whole or decimal.
fn number(text: &str) -> Option<Value> {
    if let Some(hexadecimal) = text.strip_prefix("0x") {
        return digits_only(hexadecimal, 16).then(|| i64::from_str_radix(hexadecimal, 16).ok().map(Value::Int))?;
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return digits_only(octal, 8).then(|| i64::from_str_radix(octal, 8).ok().map(Value::Int))?;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Some(Value::Float(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }));
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_digits = !whole.is_empty() || !fraction.is_empty();
    let all_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    if !has_digits || !all_digits || exponent.is_some_and(|exponent| !digits_only(exponent, 10)) {
        return None;
    }
    if exponent.is_none()
        && !mantissa.contains('.')
        && let Ok(whole) = text.parse()
    {
        return Some(Value::Int(whole));
    }
    text.parse().ok().map(Value::Float)
}

fn digits_only(text: &str, radix: u32) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_digit(radix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Node>, Vec<Issue>) {
        let source = Source { file: "f".into(), text: text.to_string() };
        let mut issues = Issues::default();
        let documents = parse(&source, &mut issues);
        (documents, issues.into_sorted())
    }

    /// Code, line, column of every issue.
    fn faults(text: &str) -> Vec<(&'static str, u32, u32)> {
        read(text).1.iter().map(|issue| (issue.code.id(), issue.span.line, issue.span.column)).collect()
    }

    fn json(text: &str) -> String {
        let (documents, issues) = read(text);
        assert!(issues.is_empty(), "{text}: {issues:?}");
        documents.iter().map(|node| node.to_json().to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn values_follow_the_core_schema() {
        for (text, expected) in [
            ("[1, -2, +3, 0x1F, 0o17]", "[1,-2,3,31,15]"),
            ("[1.5, .5, 1e3, -1.5E-2]", "[1.5,0.5,1000.0,-0.015]"),
            ("[true, False, yes, on]", r#"[true,false,"yes","on"]"#),
            ("[~, null, '']", r#"[null,null,""]"#),
            (
                "[500m, 1Gi, 1.2.3, 1_000, '5', .nan, -.inf, 0x, 1e]",
                r#"["500m","1Gi","1.2.3","1_000","5","NaN","-inf","0x","1e"]"#,
            ),
            ("9223372036854775808", "9.223372036854776e+18"),
            ("!!str 5", r#""5""#),
            ("!!float 5", "5.0"),
            ("{\"a\": {\"b\": [1, \"\\u00e9\"]}}", r#"{"a":{"b":[1,"é"]}}"#),
            ("a: |\n  x\n  y\nb: >-\n  x\n  y\n", r#"{"a":"x\ny\n","b":"x y"}"#),
            ("a: &x {k: 1}\nb: *x\n", r#"{"a":{"k":1},"b":{"k":1}}"#),
            ("a: &x {k: 1, l: 2}\nb: {<<: *x, k: 3}\n", r#"{"a":{"k":1,"l":2},"b":{"k":3,"l":2}}"#),
            ("'<<': 1", r#"{"<<":1}"#),
            ("a: 1\n---\n---\n# nothing\n--- 2\n...\n", r#"{"a":1} 2"#),
            ("", ""),
        ] {
            assert_eq!(json(text), expected, "{text}");
        }
    }

    #[test]
    fn faults_have_code_and_place() {
        for (text, expected) in [
            ("a: 1\nb: 2\na: 3\n", vec![("W0006", 3, 1)]),
            ("a: [1, 2\n", vec![("W0005", 1, 9)]),
            ("a: 1\n  b: 2\n", vec![("W0005", 2, 4)]),
            ("a: *nowhere\n", vec![("W0008", 1, 4)]),
            ("a: &x [*x]\n", vec![("W0008", 1, 8)]),
            ("a: &x 1\n---\na: *x\n", vec![("W0008", 3, 4)]),
            ("a: !secret x\n", vec![("W0009", 1, 4)]),
            ("? [a, b]\n: 1\n", vec![("W0009", 1, 3)]),
            ("a: 'x\n---\nb: 1\n---\nc: [\n", vec![("W0005", 1, 4), ("W0005", 5, 5)]),
        ] {
            assert_eq!(faults(text), expected, "{text}");
        }
    }

    /// The parser sees an empty value or key at the end one line further down.
    #[test]
    fn empty_values_at_the_end_stand_in_the_last_line() {
        for (text, place) in [
            ("? ", Span::new(1, 3)),
            ("? \n", Span::new(1, 3)),
            ("?\r\n", Span::new(1, 2)),
            ("a: 1\n? ", Span::new(2, 3)),
        ] {
            let (documents, issues) = read(text);
            assert!(issues.is_empty(), "{text:?}: {issues:?}");
            let last = documents[0].entries().last().unwrap();
            assert_eq!((&*last.key, last.span, last.value.span), ("", place, place), "{text:?}");
        }
    }

    #[test]
    fn a_broken_document_leaves_the_others() {
        let (documents, issues) = read("a: 1\n---\nb: [\n---\nc: 3\n");
        assert_eq!(documents.len(), 2);
        assert_eq!(issues.len(), 1);
    }

    #[test]
    fn deep_nesting_is_refused_at_any_depth() {
        for (depth, flow_column) in [(65, 65), (1000, 256), (100_000, 256)] {
            // The scanner looks ahead for keys, so its own limit of 255 brackets can come first.
            assert_eq!(faults(&"[".repeat(depth)), [("W0007", 1, flow_column)], "{depth}");
            assert_eq!(faults(&"- ".repeat(depth)), [("W0007", 1, 129)], "{depth}");
        }
        assert_eq!(json(&("[".repeat(64) + &"]".repeat(64))).len(), 128);
    }

    /// Ten levels of ten aliases are ten thousand million values.
    #[test]
    fn alias_bombs_are_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_string();
        for level in 1..10 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            text += &format!("a{level}: &a{level} [{aliases}]\n");
        }
        assert_eq!(faults(&text).iter().map(|fault| fault.0).collect::<Vec<_>>(), ["W0008"]);
    }

    /// Cutting a stream into pieces changes neither values nor places.
    #[test]
    fn pieces_are_equal_to_the_whole() {
        let mut text = String::new();
        for number in 0..2000 {
            text += &format!(
                "kind: Pod\nname: pod-{number}\r\nnested:\n  - é: '{number}'\n    block: |\n      --- x\n---\n"
            );
        }
        let whole = Piece { text: &text, lines_before: 0 };
        let nodes_left = AtomicU64::new(limits::NODES);
        let Ok((parsed, _)) = Builder::new(whole, end_of(&text), &nodes_left, 0).run() else {
            panic!("the stream is sound")
        };
        for piece_bytes in [1, 100, 1000, PIECE_BYTES] {
            let pieces = cut(&text, piece_bytes);
            assert!(pieces.len() > 1);
            let documents: Vec<Node> =
                pieces.iter().flat_map(|piece| parse_piece(*piece, end_of(&text), &nodes_left).documents).collect();
            assert!(documents == parsed.documents, "{piece_bytes}");
        }
    }

    #[test]
    fn one_value_is_read() {
        let file: Arc<str> = "--set".into();
        assert_eq!(parse_value("5s", &file).unwrap().to_json(), "5s");
        assert_eq!(parse_value("{a: [1]}", &file).unwrap().to_json().to_string(), r#"{"a":[1]}"#);
        assert!(parse_value("", &file).unwrap().is_null());
        assert!(parse_value("[1", &file).is_err());
        assert!(parse_value("1\n---\n2", &file).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[-\\[\\]{}:,&*a0 '\"|>#!%\n\t?.]{0,60}") {
            let (documents, issues) = read(&text);
            let end = end_of(&text);
            assert!(issues.iter().all(|issue| issue.span <= end));
            assert!(documents.iter().all(|document| document.span <= end));
        }
    }
}

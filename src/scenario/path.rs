//! Paths into a document, such as `cluster.pools[0].count` or `cluster.pools.gpu.count`, and overrides at them.
//!
//! A word selects a key of a mapping, or the item of a list whose `name` it is; a number in brackets, or after a dot,
//! selects an item of a list by position. Keys with dots are written in quotes: `allocatable."example.com/fpga"`.

use std::path::{Path, PathBuf};

use super::origin::{Original, Origins, moved};
use super::schema::suggestion;
use crate::document::{Code, Entry, Issue, Node, Source, Span, Value, parse_value};

/// One step of a path, and where it stands in the path's text (column, from 0).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    word: String,
    column: u32,
}

/// Splits a path into its steps.
fn steps(path: &str) -> Result<Vec<Step>, String> {
    let mut list = Vec::new();
    let mut characters = path.chars().zip(0u32..).peekable();
    let mut expects_word = true;
    while let Some(&(character, column)) = characters.peek() {
        match character {
            '[' => {
                characters.next();
                let word: String = characters.by_ref().take_while(|&(c, _)| c != ']').map(|(c, _)| c).collect();
                let word = word.trim_matches('"').to_owned();
                list.push(Step { word, column: column + 1 });
                expects_word = false;
            }
            '.' if !expects_word => {
                characters.next();
                expects_word = true;
            }
            '"' if expects_word => {
                characters.next();
                let word = characters.by_ref().take_while(|&(c, _)| c != '"').map(|(c, _)| c).collect();
                list.push(Step { word, column });
                expects_word = false;
            }
            _ if expects_word && character != '.' => {
                let mut word = String::new();
                while let Some((c, _)) = characters.next_if(|&(c, _)| !matches!(c, '.' | '[' | '"')) {
                    word.push(c);
                }
                list.push(Step { word, column });
                expects_word = false;
            }
            _ => return Err(format!("`{path}` is not a path such as scheduler.policy or cluster.pools[0].count")),
        }
    }
    if expects_word || list.iter().any(|step| step.word.is_empty()) {
        return Err(format!("`{path}` is not a path such as scheduler.policy or cluster.pools[0].count"));
    }
    Ok(list)
}

/// Whether a text is a path.
///
/// # Errors
/// In words, when it is none.
pub(super) fn check(path: &str) -> Result<(), String> {
    steps(path).map(|_| ())
}

/// The item of a list that a step selects.
fn item(items: &[Node], word: &str) -> Option<usize> {
    match word.parse::<usize>() {
        Ok(index) => (index < items.len()).then_some(index),
        Err(_) => items.iter().position(|item| item.get("name").and_then(Node::as_text) == Some(word)),
    }
}

/// The place of a path, or of the nearest part of it that is there. A list or mapping is best shown by its key.
pub(super) fn place(root: &Node, path: &str) -> Span {
    let mut node = root;
    let mut span = root.span;
    for step in steps(path).unwrap_or_default() {
        let next = match &node.value {
            Value::List(items) => item(items, &step.word).map(|index| (&items[index], items[index].span)),
            _ => node.entries().iter().find(|entry| *entry.key == *step.word).map(|entry| {
                let is_scalar = !matches!(entry.value.value, Value::List(_) | Value::Map(_));
                (&entry.value, if is_scalar { entry.value.span } else { entry.span })
            }),
        };
        match next {
            Some(next) => (node, span) = next,
            None => break,
        }
    }
    span
}

/// A change to a scenario: the value that a path gets, whatever stood there.
#[derive(Clone, Debug)]
pub struct Override {
    path: String,
    /// The value and where the override is written, for messages.
    origin: Original,
    /// What paths in the value are relative to; none: the scenario.
    directory: Option<PathBuf>,
}

impl Override {
    /// An override written as `PATH=VALUE`; the value is YAML. `origin` names the place in messages, such as `--set`.
    ///
    /// # Errors
    /// When there is no `=`, the path is not a path or the value is not YAML.
    pub fn parse(text: &str, origin: &str) -> Result<Override, Issue> {
        let source = Source { file: origin.into(), text: text.to_owned() };
        let refuse = |message: String| {
            let mut issue = Issue::new(Code::Override, &source.file, Span::new(1, 1), message);
            issue.source_line = text.lines().next().map(str::to_owned);
            issue.with_hint("write PATH=VALUE, such as scheduler.policy=fgd")
        };
        let mut in_quotes = false;
        let equals = text.find(|c| {
            in_quotes ^= c == '"';
            c == '=' && !in_quotes
        });
        let Some(equals) = equals else { return Err(refuse(format!("`{text}` has no `=`"))) };
        let (path, value) = (&text[..equals], &text[equals + 1..]);
        steps(path).map_err(refuse)?;
        let columns = text[..=equals].chars().count() as u32;
        let value = parse_value(value, &source.file).map_err(|mut issue| {
            issue.source_line = text.lines().nth(issue.span.line.saturating_sub(1) as usize).map(str::to_owned);
            if issue.span.line == 1 {
                issue.span.column += columns;
            }
            issue
        })?;
        let value = moved(value, 0, columns);
        let origin = Original { value, source, span: Span::new(1, 1) };
        Ok(Override { path: path.to_owned(), origin, directory: None })
    }

    /// An override whose value stands in a document, such as an experiment.
    pub(super) fn at(path: &str, origin: Original, directory: &Path) -> Override {
        Override { path: path.to_owned(), origin, directory: Some(directory.to_owned()) }
    }

    /// The path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Puts the value into the tree.
    pub(super) fn apply(&self, root: &mut Node, origins: &mut Origins, directory: &Path) -> Result<(), Issue> {
        let lines = origins.add(&self.origin.source, self.directory.as_deref().unwrap_or(directory));
        let start = self.origin.span;
        let place = |step: &Step| Span::new(start.line + lines, start.column + step.column);
        let steps = steps(&self.path).map_err(|message| {
            origins.issue(Code::Override, place(&Step { word: String::new(), column: 0 }), message)
        })?;
        let mut node = root;
        for step in &steps {
            let refuse = |message: String, hint: Option<String>| {
                let issue = origins.issue(Code::Override, place(step), message);
                Err(match hint {
                    Some(hint) => issue.with_hint(hint),
                    None => issue,
                })
            };
            if node.is_null() {
                *node = Node { span: place(step), value: Value::Map(Vec::new()) };
            }
            let type_name = node.type_name();
            node = match &mut node.value {
                Value::List(items) => match item(items, &step.word) {
                    Some(index) => &mut items[index],
                    None => {
                        let message = format!("`{}`: the list has no item `{}`", self.path, step.word);
                        let names: Vec<&str> = items.iter().filter_map(|item| item.get("name")?.as_text()).collect();
                        let hint = match items.len() {
                            0 => "the list is empty".to_owned(),
                            _ if !names.is_empty() && step.word.parse::<usize>().is_err() => {
                                suggestion(&step.word, &names, "its items are")
                            }
                            length => format!("its items are 0 to {}", length - 1),
                        };
                        return refuse(message, Some(hint));
                    }
                },
                Value::Map(entries) => {
                    let index = entries.iter().position(|entry| *entry.key == *step.word).unwrap_or_else(|| {
                        let value = Node { span: place(step), value: Value::Null };
                        entries.push(Entry { span: place(step), key: step.word.as_str().into(), value });
                        entries.len() - 1
                    });
                    &mut entries[index].value
                }
                _ => {
                    return refuse(
                        format!("`{}`: there is {type_name} before `{}`, which has no keys", self.path, step.word),
                        None,
                    );
                }
            };
        }
        *node = moved(self.origin.value.clone(), lines, 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(path: &str) -> Option<Vec<String>> {
        steps(path).ok().map(|steps| steps.into_iter().map(|step| step.word).collect())
    }

    #[test]
    fn paths_are_split_into_steps() {
        for (path, expected) in [
            ("seed", vec!["seed"]),
            ("cluster.pools[0].count", vec!["cluster", "pools", "0", "count"]),
            ("cluster.pools.gpu.count", vec!["cluster", "pools", "gpu", "count"]),
            ("pools[gpu]", vec!["pools", "gpu"]),
            ("a.\"example.com/fpga\".b", vec!["a", "example.com/fpga", "b"]),
            ("a[\"x.y\"]", vec!["a", "x.y"]),
        ] {
            assert_eq!(words(path).unwrap(), expected, "{path}");
        }
        for path in ["", ".", "a.", ".a", "a..b", "a[]", "a[0]b", "[\"\"]"] {
            assert!(words(path).is_none(), "{path}");
        }
    }

    fn applied(document: &str, text: &str) -> Result<String, String> {
        let source = Source { file: "f".into(), text: document.to_owned() };
        let mut root = parse_value(document, &source.file).map_err(|issue| issue.to_string())?;
        let mut origins = Origins::default();
        origins.add(&source, std::path::Path::new(""));
        let change = Override::parse(text, "--set").map_err(|issue| issue.message)?;
        change.apply(&mut root, &mut origins, std::path::Path::new("")).map_err(|issue| issue.message)?;
        Ok(root.to_json().to_string())
    }

    #[test]
    fn overrides_replace_and_add() {
        let document = "{a: {b: 1}, l: [{name: x, n: 1}, {name: y}]}";
        for (text, expected) in [
            ("a.b=2", r#"{"a":{"b":2},"l":[{"name":"x","n":1},{"name":"y"}]}"#),
            ("a={}", r#"{"a":{},"l":[{"name":"x","n":1},{"name":"y"}]}"#),
            ("a.c.d=[5s]", r#"{"a":{"b":1,"c":{"d":["5s"]}},"l":[{"name":"x","n":1},{"name":"y"}]}"#),
            ("l[0].n=2", r#"{"a":{"b":1},"l":[{"name":"x","n":2},{"name":"y"}]}"#),
            ("l.y.n=3", r#"{"a":{"b":1},"l":[{"name":"x","n":1},{"name":"y","n":3}]}"#),
            ("a.\"x.y=z\"=1", r#"{"a":{"b":1,"x.y=z":1},"l":[{"name":"x","n":1},{"name":"y"}]}"#),
        ] {
            assert_eq!(applied(document, text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["a.b.c=1", "l[2].n=1", "l.z=1", "a", "=1", "a=[", "a..b=1"] {
            assert!(applied(document, text).is_err(), "{text}");
        }
    }
}

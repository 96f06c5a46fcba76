//! The JSON Schema of the file formats, and a check of documents against it that reports everything at once.
//!
//! The schema comes from the types in `spec` through schemars, so the two cannot drift apart. The check understands the
//! part of JSON Schema that schemars emits for them. Its purpose are messages: where serde stops at the first problem
//! and knows no place, this names each problem with its place and what to write instead.

use serde_json::Value as Json;

use super::spec;
use crate::document::{Code, Entry, Node, Span, Value, limits};
use crate::model::images::Bandwidth;
use crate::units::{SimDuration, parse_quantity_milli, parse_rate};

/// The JSON Schema of scenario files.
pub fn scenario_schema() -> Json {
    titled(schemars::schema_for!(spec::ScenarioSpec), "wavetank scenario")
}

/// The JSON Schema of experiment files.
pub fn experiment_schema() -> Json {
    titled(schemars::schema_for!(spec::ExperimentSpec), "wavetank experiment")
}

fn titled(mut schema: schemars::Schema, title: &str) -> Json {
    schema.insert("title".to_owned(), title.into());
    schema.to_value()
}

/// One thing in a document that its schema does not allow.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Problem {
    pub(super) code: Code,
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// Checks a document against a schema; gives everything that is wrong, in the order of the document, and removes what
/// is wrong from the tree as far as that leaves the rest meaningful.
pub(super) fn check(document: &mut Node, schema: &Json) -> Vec<Problem> {
    let mut checker = Checker { root: schema, problems: Vec::new() };
    checker.value(document, schema, "");
    checker.problems
}

struct Checker<'s> {
    root: &'s Json,
    problems: Vec<Problem>,
}

/// What schemas allow at one place: all branches of `anyOf` and `oneOf`, references followed.
fn branches<'s>(root: &'s Json, schema: &'s Json, out: &mut Vec<&'s Json>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.strip_prefix("#/$defs/").unwrap_or(reference);
        return branches(root, &root["$defs"][name], out);
    }
    match schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Json::as_array) {
        Some(list) => list.iter().for_each(|branch| branches(root, branch, out)),
        None => out.push(schema),
    }
}

fn types(schema: &Json) -> Vec<&str> {
    match &schema["type"] {
        Json::String(name) => vec![name.as_str()],
        Json::Array(names) => names.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Whether a node has one of a schema's types. A schema without types takes everything.
fn has_type(node: &Node, schema: &Json) -> bool {
    let types = types(schema);
    types.is_empty()
        || types.iter().any(|name| {
            matches!(
                (*name, &node.value),
                ("null", Value::Null)
                    | ("boolean", Value::Bool(_))
                    | ("integer", Value::Int(_))
                    | ("number", Value::Int(_) | Value::Float(_))
                    | ("string", Value::Text(_))
                    | ("array", Value::List(_))
                    | ("object", Value::Map(_))
            )
        })
}

/// The whole number that a float such as 2e3 is; none where doubles skip whole numbers.
fn whole_float(node: &Node) -> Option<i64> {
    match node.value {
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(number as i64),
        _ => None,
    }
}

/// What a schema takes, in words.
fn expectation(schema: &Json) -> String {
    if schema["format"] == "duration" {
        return "a duration such as 90s".to_owned();
    }
    if schema["format"] == "rate" {
        return "a rate such as 100/s".to_owned();
    }
    if schema["format"] == "bandwidth" {
        return "a bandwidth such as 1Gbps".to_owned();
    }
    if schema["format"] == "quantity" {
        return "a quantity such as 500m or 1Gi".to_owned();
    }
    let words: Vec<&str> = types(schema)
        .into_iter()
        .filter_map(|name| match name {
            "boolean" => Some("true or false"),
            "integer" => Some("a whole number"),
            "number" => Some("a number"),
            "string" => Some("text"),
            "array" => Some("a list"),
            "object" => Some("a mapping"),
            _ => None,
        })
        .collect();
    words.join(" or ")
}

/// The key that tells an object schema from its siblings, when it has just one.
fn only_key(schema: &Json) -> Option<&str> {
    let properties = schema["properties"].as_object()?;
    if properties.len() == 1 { properties.keys().next().map(String::as_str) } else { None }
}

impl<'s> Checker<'s> {
    fn report(&mut self, code: Code, span: Span, message: String, hint: Option<String>) {
        if self.problems.len() < limits::ISSUES {
            self.problems.push(Problem { code, span, message, hint });
        }
    }

    /// Checks one value; false when it should be removed.
    fn value(&mut self, node: &mut Node, schema: &'s Json, path: &str) -> bool {
        let mut list = Vec::new();
        branches(self.root, schema, &mut list);
        if list.iter().any(|branch| branch.as_bool() == Some(true)) {
            return self.anything(node, path);
        }
        if list.iter().any(|branch| types(branch).contains(&"integer"))
            && let Some(whole) = whole_float(node)
        {
            node.value = Value::Int(whole);
        }
        let fitting: Vec<&Json> = list.iter().copied().filter(|branch| has_type(node, branch)).collect();
        let choices: Vec<&str> = list.iter().filter_map(|branch| branch["const"].as_str()).collect();
        let keys: Vec<&str> = list.iter().filter_map(|branch| only_key(branch)).collect();
        match &node.value {
            _ if fitting.is_empty() => self.wrong_type(node, &list, path),
            Value::Text(text) if choices.contains(&&**text) => true,
            Value::Text(text) if !choices.is_empty() && fitting.iter().all(|branch| branch.get("const").is_some()) => {
                let message = format!("{} cannot be `{text}`", named(path));
                let hint = Some(suggestion(text, &choices, "write one of"));
                self.report(Code::NotAllowed, node.span, message, hint);
                false
            }
            Value::Map(_) if keys.len() > 1 => self.one_of_keys(node, &list, &keys, path),
            Value::Map(_) => self.object(node, fitting[0], path),
            Value::List(_) => self.list(node, fitting[0], path),
            _ => {
                // A word that is none of the choices is meant as the other thing that can stand here.
                let other = fitting.iter().find(|branch| branch.get("const").is_none());
                self.scalar(node, other.unwrap_or(&fitting[0]), path)
            }
        }
    }

    /// A value of any type, in which only numbers that JSON lacks are wrong.
    fn anything(&mut self, node: &mut Node, path: &str) -> bool {
        match &mut node.value {
            Value::Float(number) if !number.is_finite() => {
                let message = format!("{} is {number}, not a finite number", named(path));
                self.report(Code::OutOfRange, node.span, message, None);
                false
            }
            Value::List(items) => {
                let mut sound = true;
                for item in items {
                    sound &= self.anything(item, path);
                }
                sound
            }
            Value::Map(entries) => {
                let mut sound = true;
                for entry in entries {
                    sound &= self.anything(&mut entry.value, &join(path, &entry.key));
                }
                sound
            }
            _ => true,
        }
    }

    fn wrong_type(&mut self, node: &Node, list: &[&'s Json], path: &str) -> bool {
        let mut expected: Vec<String> = Vec::new();
        let choices: Vec<String> =
            list.iter().filter_map(|branch| branch["const"].as_str()).map(|choice| format!("`{choice}`")).collect();
        let keys: Vec<String> =
            list.iter().filter_map(|branch| only_key(branch)).map(|key| format!("`{key}`")).collect();
        for branch in list {
            let words = if branch.get("const").is_some() {
                match choices.as_slice() {
                    [only] => only.clone(),
                    _ => format!("one of {}", choices.join(", ")),
                }
            } else if only_key(branch).is_some() && keys.len() > 1 {
                format!("a mapping with one of {}", keys.join(", "))
            } else {
                expectation(branch)
            };
            if !words.is_empty() && !expected.contains(&words) {
                expected.push(words);
            }
        }
        let is_word = matches!(node.value, Value::Bool(_) | Value::Int(_) | Value::Float(_));
        let wants = |name| {
            list.iter().any(|branch| branch.get("format") != Some(&"duration".into()) && types(branch).contains(&name))
        };
        let (code, message) = match node.value {
            Value::Float(number) if !number.is_finite() => {
                (Code::OutOfRange, format!("{} is {number}, not a finite number", named(path)))
            }
            Value::Float(number) if number.fract() == 0.0 && wants("integer") => {
                (Code::OutOfRange, format!("{} is {number}, more than can be counted", named(path)))
            }
            _ => {
                let expected = expected.join(" or ");
                (Code::WrongType, format!("{} must be {expected}, not {}", named(path), node.type_name()))
            }
        };
        let hint =
            (wants("string") && is_word && choices.is_empty()).then(|| "write it in quotes to make it text".to_owned());
        self.report(code, node.span, message, hint);
        false
    }

    /// A mapping whose only key says what it is, such as `{exponential: {mean: 5s}}`.
    fn one_of_keys(&mut self, node: &mut Node, list: &[&'s Json], keys: &[&str], path: &str) -> bool {
        let known: Vec<&Entry> = node.entries().iter().filter(|entry| keys.contains(&&*entry.key)).collect();
        match (known.as_slice(), node.entries()) {
            ([], []) => {
                let hint = Some(format!("give one of {}", quoted(keys)));
                self.report(Code::MissingKey, node.span, format!("{} is empty", named(path)), hint);
                false
            }
            ([], [first, ..]) => {
                let hint = Some(suggestion(&first.key, keys, "the keys here are"));
                self.report(Code::UnknownKey, first.span, format!("unknown key `{}`{}", first.key, within(path)), hint);
                false
            }
            ([_, second, ..], _) => {
                let message = format!("{} has both `{}` and `{}`", named(path), known[0].key, second.key);
                let hint = Some(format!("give only one of {}", quoted(keys)));
                self.report(Code::Contradiction, second.span, message, hint);
                false
            }
            ([only], _) => {
                let key = only.key.clone();
                let branch = list.iter().find(|branch| only_key(branch) == Some(&*key));
                branch.is_none_or(|branch| self.object(node, branch, path))
            }
        }
    }

    fn object(&mut self, node: &mut Node, schema: &'s Json, path: &str) -> bool {
        let Value::Map(entries) = &mut node.value else { return true };
        let properties = schema["properties"].as_object();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let mut sound = true;
        let mut seen_null = Vec::new();
        let mut removed = Vec::new();
        entries.retain_mut(|entry| {
            if let Some(property) = properties.and_then(|properties| properties.get(&*entry.key)) {
                if entry.value.is_null() {
                    // An empty value is an absent one, as in Kubernetes.
                    seen_null.push((entry.key.clone(), entry.span));
                    return false;
                }
                let keep = self.value(&mut entry.value, property, &join(path, &entry.key));
                if !keep {
                    removed.push(entry.key.clone());
                }
                return keep;
            }
            match schema.get("additionalProperties") {
                Some(Json::Bool(false)) => {
                    let keys: Vec<&str> =
                        properties.into_iter().flat_map(|map| map.keys()).map(String::as_str).collect();
                    let hint = Some(suggestion(&entry.key, &keys, "the keys here are"));
                    let message = format!("unknown key `{}`{}", entry.key, within(path));
                    self.report(Code::UnknownKey, entry.span, message, hint);
                    false
                }
                Some(additional) => self.value(&mut entry.value, additional, &join(path, &entry.key)),
                None => true,
            }
        });
        for key in required {
            let empty = seen_null.iter().find(|(name, _)| &**name == key);
            if let Some((_, span)) = empty {
                self.report(Code::MissingKey, *span, format!("{} is empty", named(&join(path, key))), None);
                sound = false;
            } else if removed.iter().any(|name| &**name == key) {
                sound = false;
            } else if !node.entries().iter().any(|entry| &*entry.key == key) {
                let hint = self.describe(schema, key);
                self.report(Code::MissingKey, node.span, format!("the key `{key}` is missing{}", within(path)), hint);
                sound = false;
            }
        }
        sound
    }

    /// The description of a property, as a hint for who left it out.
    fn describe(&self, schema: &Json, key: &str) -> Option<String> {
        let property = &schema["properties"][key];
        let text = property["description"].as_str()?;
        let first = text.split_inclusive(". ").next().unwrap_or(text).trim().trim_end_matches('.');
        Some(format!("`{key}`: {}", first.replace('\n', " ")))
    }

    fn list(&mut self, node: &mut Node, schema: &'s Json, path: &str) -> bool {
        let Value::List(items) = &mut node.value else { return true };
        let mut sound = true;
        if let Some(schema) = schema.get("items") {
            for (index, item) in items.iter_mut().enumerate() {
                sound &= self.value(item, schema, &format!("{path}[{index}]"));
            }
        }
        sound
    }

    fn scalar(&mut self, node: &Node, schema: &Json, path: &str) -> bool {
        let text = node.scalar_text().unwrap_or_default();
        let refused = match schema["format"].as_str() {
            Some("duration") => SimDuration::parse(&text).err(),
            Some("rate") => parse_rate(&text).err(),
            Some("bandwidth") => Bandwidth::parse(&text).err(),
            Some("quantity") if node.as_number().is_none_or(f64::is_finite) => parse_quantity_milli(&text).err(),
            _ => None,
        };
        if let Some(refused) = refused {
            self.report(Code::BadQuantity, node.span, format!("{}: {refused}", named(path)), None);
            return false;
        }
        if schema["minLength"].as_u64() == Some(1) && node.as_text() == Some("") {
            self.report(Code::OutOfRange, node.span, format!("{} is empty", named(path)), None);
            return false;
        }
        match node.as_number() {
            Some(number) if !number.is_finite() => {
                let message = format!("{} is {number}, not a finite number", named(path));
                self.report(Code::OutOfRange, node.span, message, None);
                false
            }
            Some(number) => self.range(node, number, schema, path),
            None => true,
        }
    }

    fn range(&mut self, node: &Node, number: f64, schema: &Json, path: &str) -> bool {
        let (format_min, format_max) = match schema["format"].as_str() {
            Some("uint32") => (0.0, f64::from(u32::MAX)),
            Some("uint64") => (0.0, i64::MAX as f64),
            Some("int32") => (f64::from(i32::MIN), f64::from(i32::MAX)),
            _ => (f64::NEG_INFINITY, f64::INFINITY),
        };
        let minimum = schema["minimum"].as_f64().unwrap_or(format_min);
        let maximum = schema["maximum"].as_f64().unwrap_or(format_max);
        let limit = if number < minimum {
            format!("at least {minimum}")
        } else if number > maximum {
            format!("at most {maximum}")
        } else if schema["exclusiveMinimum"].as_f64().is_some_and(|bound| number <= bound) {
            "more than 0".to_owned()
        } else {
            return true;
        };
        let text = node.scalar_text().unwrap_or_default();
        self.report(Code::OutOfRange, node.span, format!("{} must be {limit}, not {text}", named(path)), None);
        false
    }
}

fn named(path: &str) -> String {
    if path.is_empty() { "the file".to_owned() } else { format!("`{path}`") }
}

fn within(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" in `{path}`") }
}

/// A path one key longer.
pub(super) fn join(path: &str, key: &str) -> String {
    let key = if key.contains(['.', '[', ']', '"']) { format!("\"{key}\"") } else { key.to_owned() };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// The hint for a word that is not among those known: the nearest one, or after `list_them` all of them.
pub(crate) fn suggestion(word: &str, known: &[&str], list_them: &str) -> String {
    if known.is_empty() {
        return "there are none".to_owned();
    }
    let plain = |word: &str| word.to_lowercase().replace(['_', '-'], "");
    let distance = |candidate: &&&str| strsim::osa_distance(&plain(word), &plain(candidate));
    let length = word.chars().count();
    let is_near = |nearest: &&&str| distance(nearest) <= length.div_ceil(3) && distance(nearest) < length;
    let is_longer = |candidate: &&&str| length >= 3 && plain(candidate).starts_with(&plain(word));
    let nearest = known.iter().min_by_key(distance).filter(is_near).or_else(|| known.iter().find(is_longer));
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("{list_them} {}", quoted(known)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::parse_value;

    /// A scenario with every key of the format.
    const FULL: &str = include_str!("full.yaml");

    fn full() -> Node {
        parse_value(FULL, &"full.yaml".into()).unwrap()
    }

    #[test]
    fn a_scenario_with_every_key_is_sound() {
        let mut document = full();
        assert_eq!(check(&mut document, &scenario_schema()), []);
        assert_eq!(document, full(), "nothing may be taken out of a sound document");
        serde_json::from_value::<spec::ScenarioSpec>(document.to_json()).unwrap();
    }

    /// `full.yaml` really has every key, so that the tests above and below miss nothing.
    #[test]
    fn the_full_scenario_has_every_key() {
        fn keys(schema: &Json, found: &mut Vec<String>) {
            for (key, value) in schema.as_object().into_iter().flatten() {
                if key == "properties" {
                    found.extend(value.as_object().into_iter().flat_map(|map| map.keys().cloned()));
                }
                keys(value, found);
            }
            schema.as_array().into_iter().flatten().for_each(|item| keys(item, found));
        }
        let mut found = Vec::new();
        keys(&scenario_schema(), &mut found);
        assert!(found.len() > 90, "{}", found.len());
        for key in found {
            assert!(FULL.contains(&format!("{key}:")), "full.yaml lacks `{key}`");
        }
    }

    #[test]
    fn schemas_describe_every_property() {
        fn visit(schema: &Json, path: &str) {
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                let is_choice = schema["properties"].as_object().is_some_and(|map| map.len() == 1);
                assert!(is_choice || property.get("description").is_some(), "{path}.{name} has no description");
            }
            for (key, value) in schema.as_object().into_iter().flatten() {
                visit(value, &format!("{path}.{key}"));
            }
        }
        visit(&scenario_schema(), "");
        visit(&experiment_schema(), "");
    }

    #[test]
    fn words_are_suggested_when_they_are_near() {
        let known = ["count", "name", "allocatable"];
        for (word, hint) in [
            ("coutn", "did you mean `count`?"),
            ("Count", "did you mean `count`?"),
            ("alloc", "did you mean `allocatable`?"),
            ("x", "known: `count`, `name`, `allocatable`"),
            ("price", "known: `count`, `name`, `allocatable`"),
        ] {
            assert_eq!(suggestion(word, &known, "known:"), hint, "{word}");
        }
        assert_eq!(suggestion("x", &[], "known:"), "there are none");
    }

    /// Every place of the tree, as the positions of children from the root.
    fn places(node: &Node, here: &mut Vec<usize>, all: &mut Vec<Vec<usize>>) {
        all.push(here.clone());
        let children: Vec<&Node> = match &node.value {
            Value::List(items) => items.iter().collect(),
            Value::Map(entries) => entries.iter().map(|entry| &entry.value).collect(),
            _ => Vec::new(),
        };
        for (index, child) in children.into_iter().enumerate() {
            here.push(index);
            places(child, here, all);
            here.pop();
        }
    }

    fn at<'n>(node: &'n mut Node, place: &[usize]) -> &'n mut Node {
        place.iter().fold(node, |node, &index| match &mut node.value {
            Value::List(items) => &mut items[index],
            Value::Map(entries) => &mut entries[index].value,
            _ => unreachable!("the place is in the tree"),
        })
    }

    /// What of a document a place needs around it, and the place in that: lists have just the one item, and the document has
    /// nothing beside the key that the place is under but what is required.
    fn around(node: &Node, place: &[usize], is_document: bool) -> (Node, Vec<usize>) {
        let Some((&index, rest)) = place.split_first() else { return (node.clone(), Vec::new()) };
        let (value, at, mut below) = match &node.value {
            Value::List(items) => {
                let (item, below) = around(&items[index], rest, false);
                (Value::List(vec![item]), 0, below)
            }
            Value::Map(entries) => {
                let (value, below) = around(&entries[index].value, rest, false);
                let is_needed =
                    |entry: &Entry| !is_document || matches!(&*entry.key, "apiVersion" | "kind" | "metadata");
                let (before, after) = (&entries[..index], &entries[index + 1..]);
                let mut kept: Vec<Entry> = before.iter().filter(|entry| is_needed(entry)).cloned().collect();
                let at = kept.len();
                kept.push(Entry { value, ..entries[index].clone() });
                kept.extend(after.iter().filter(|entry| is_needed(entry)).cloned());
                (Value::Map(kept), at, below)
            }
            _ => unreachable!("the place is in the tree"),
        };
        below.insert(0, at);
        (Node { span: node.span, value }, below)
    }

    /// Whatever stands wherever: what the check lets pass, serde reads; what it does not, is reported.
    #[test]
    fn what_passes_the_check_can_be_read() {
        let schema = scenario_schema();
        let wrong = [
            "~", "true", "-1", "0", "3", "1.5", "1e300", ".nan", "''", "text", "5s", "-5s", "1Gi", "[]", "[1]", "{}",
            "{x: 1}",
        ];
        let (full, mut all) = (full(), Vec::new());
        places(&full, &mut Vec::new(), &mut all);
        let (mut passed, mut refused) = (0, 0);
        for place in &all {
            let (around, place) = around(&full, place, true);
            for text in wrong {
                let mut document = around.clone();
                at(&mut document, &place).value = parse_value(text, &"wrong".into()).unwrap().value;
                let problems = check(&mut document, &schema);
                let read = serde_json::from_value::<spec::ScenarioSpec>(document.to_json());
                if problems.is_empty() {
                    passed += 1;
                    assert!(read.is_ok(), "{text} at {place:?}: {}", read.unwrap_err());
                } else {
                    refused += 1;
                }
            }
        }
        assert!(passed > 100 && refused > 1000, "{passed} {refused}");
    }
}

//! Changes to trees, as admission and controllers make them to the objects that they pass on.
//!
//! What is put in stands where the object that it is put into stands, so that issues have a place.

use crate::document::{Entry, Node as Tree, Span, Value};

/// A text.
pub(super) fn text(span: Span, text: impl Into<Box<str>>) -> Tree {
    Tree { span, value: Value::Text(text.into()) }
}

/// A mapping of texts.
pub(super) fn mapping<'k>(span: Span, entries: impl IntoIterator<Item = (&'k str, Tree)>) -> Tree {
    let entry = |(key, value): (&str, Tree)| Entry { span, key: key.into(), value };
    Tree { span, value: Value::Map(entries.into_iter().map(entry).collect()) }
}

/// The value under a key, which is put in as null where it is missing; what is no mapping becomes one only from null.
pub(super) fn slot<'t>(tree: &'t mut Tree, key: &str) -> Option<&'t mut Tree> {
    let span = tree.span;
    if tree.is_null() {
        tree.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut tree.value else { return None };
    let at = entries.iter().position(|entry| &*entry.key == key).unwrap_or_else(|| {
        entries.push(Entry { span, key: key.into(), value: Tree { span, value: Value::Null } });
        entries.len() - 1
    });
    Some(&mut entries[at].value)
}

/// The value under a path; see [`slot`].
pub(super) fn slot_at<'t>(tree: &'t mut Tree, path: &[&str]) -> Option<&'t mut Tree> {
    path.iter().try_fold(tree, |tree, key| slot(tree, key))
}

/// Puts a value under a path, replacing what is there.
pub(super) fn set(tree: &mut Tree, path: &[&str], value: Tree) {
    if let Some(slot) = slot_at(tree, path) {
        *slot = value;
    }
}

/// Puts a value under a path unless there is one.
pub(super) fn set_default(tree: &mut Tree, path: &[&str], value: impl FnOnce(Span) -> Tree) {
    if let Some(slot) = slot_at(tree, path)
        && slot.is_null()
    {
        *slot = value(slot.span);
    }
}

/// Appends to the list under a path.
pub(super) fn push(tree: &mut Tree, path: &[&str], item: Tree) {
    let Some(slot) = slot_at(tree, path) else { return };
    if slot.is_null() {
        slot.value = Value::List(Vec::new());
    }
    if let Value::List(items) = &mut slot.value {
        items.push(item);
    }
}

/// The items of the list under a key; none where there is none.
pub(super) fn items_mut<'t>(tree: &'t mut Tree, key: &str) -> &'t mut [Tree] {
    let Value::Map(entries) = &mut tree.value else { return &mut [] };
    match entries.iter_mut().find(|entry| &*entry.key == key).map(|entry| &mut entry.value.value) {
        Some(Value::List(items)) => items,
        _ => &mut [],
    }
}

/// One text for trees that say the same: keys in order, nulls left out, places forgotten.
pub(super) fn canonical(tree: &Tree) -> String {
    let mut out = String::new();
    write_canonical(tree, &mut out);
    out
}

fn write_canonical(tree: &Tree, out: &mut String) {
    match &tree.value {
        Value::List(items) => {
            out.push('[');
            for item in items {
                write_canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Map(entries) => {
            let mut entries: Vec<&Entry> = entries.iter().filter(|entry| !entry.value.is_null()).collect();
            entries.sort_by(|a, b| a.key.cmp(&b.key));
            out.push('{');
            for entry in entries {
                out.push_str(&format!("{:?}:", entry.key));
                write_canonical(&entry.value, out);
                out.push(',');
            }
            out.push('}');
        }
        other => out.push_str(&format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::parse_value;

    fn tree(text: &str) -> Tree {
        parse_value(text, &"f".into()).unwrap()
    }

    #[test]
    fn trees_that_say_the_same_are_one_text() {
        let first = canonical(&tree("{a: 1, b: {c: [x, 2], d: null}}"));
        for (text, is_same) in [
            ("{b: {c: [x, 2]}, a: 1}", true),
            ("{a: '1', b: {c: [x, 2]}}", false),
            ("{a: 1, b: {c: [2, x]}}", false),
            ("{a: 1, b: {c: [x, 2], d: 0}}", false),
        ] {
            assert_eq!(canonical(&tree(text)) == first, is_same, "{text}");
        }
    }

    #[test]
    fn paths_are_made_where_they_are_missing() {
        let mut changed = tree("{a: {b: 1}, c: 5}");
        set(&mut changed, &["a", "b"], tree("2"));
        set_default(&mut changed, &["a", "b"], |_| tree("3"));
        set_default(&mut changed, &["d", "e"], |_| tree("4"));
        // A number holds no keys: it stays as it is, and its reader reports it.
        set(&mut changed, &["c", "f"], tree("6"));
        push(&mut changed, &["g"], tree("7"));
        push(&mut changed, &["g"], tree("8"));
        assert_eq!(canonical(&changed), canonical(&tree("{a: {b: 2}, c: 5, d: {e: 4}, g: [7, 8]}")));
        assert_eq!(items_mut(&mut changed, "g").len(), 2);
    }
}

//! Variables of Compose files: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME:?message}`, `${NAME:+replacement}`, the same
//! without the colon, and `$$` for `$`.
//!
//! No environment is read, because a run must not depend on it: every variable is unset.

use std::borrow::Cow;

/// Deepest nesting of defaults in defaults.
const DEPTH_MAX: usize = 16;

/// Why a text has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// A variable has no default.
    Unset { name: String, message: Option<String> },
    /// What follows a `$` is no variable.
    Malformed,
}

/// A text with its variables replaced.
pub(super) fn interpolate(text: &str) -> Result<Cow<'_, str>, Failure> {
    if text.contains('$') { replace(text, DEPTH_MAX).map(Cow::Owned) } else { Ok(Cow::Borrowed(text)) }
}

fn replace(text: &str, depth_left: usize) -> Result<String, Failure> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            after
        } else if let Some(inner) = after.strip_prefix('{') {
            let end = end_of_braces(inner).filter(|_| depth_left > 0).ok_or(Failure::Malformed)?;
            out.push_str(&value(&inner[..end], depth_left - 1)?);
            &inner[end + 1..]
        } else {
            let (name, _) = split_name(after);
            let failure = Failure::Unset { name: name.to_owned(), message: None };
            return Err(if name.is_empty() { Failure::Malformed } else { failure });
        };
    }
    out.push_str(rest);
    Ok(out)
}

/// The brace that closes one which is open.
fn end_of_braces(text: &str) -> Option<usize> {
    let mut open = 1;
    let mut before = '\0';
    for (at, character) in text.char_indices() {
        match character {
            '{' if before == '$' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
        before = character;
    }
    None
}

/// The name of a variable at the beginning of a text, and what follows.
fn split_name(text: &str) -> (&str, &str) {
    let is_name = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
    let end = text.bytes().position(|byte| !is_name(byte)).unwrap_or(text.len());
    let end = if text.starts_with(|first: char| first.is_ascii_digit()) { 0 } else { end };
    text.split_at(end)
}

/// What stands for the inside of a pair of braces.
fn value(inner: &str, depth_left: usize) -> Result<String, Failure> {
    let (name, rest) = split_name(inner);
    let unset = |message: &str| {
        let message = (!message.is_empty()).then(|| message.to_owned());
        Err(Failure::Unset { name: name.to_owned(), message })
    };
    // With the colon what is empty counts as unset; without an environment that is the same.
    let operation = rest.strip_prefix(':').unwrap_or(rest);
    match (operation.chars().next(), name) {
        (_, "") => Err(Failure::Malformed),
        (None, _) if rest.is_empty() => unset(""),
        (Some('-'), _) => replace(&operation[1..], depth_left),
        (Some('+'), _) => Ok(String::new()),
        (Some('?'), _) => unset(&operation[1..]),
        _ => Err(Failure::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_their_defaults() {
        let unset = |name: &str, message: Option<&str>| {
            Err(Failure::Unset { name: name.to_owned(), message: message.map(str::to_owned) })
        };
        let deep = format!("{}x{}", "${A:-".repeat(17), "}".repeat(17));
        for (text, expected) in [
            ("nginx:1.27", Ok("nginx:1.27")),
            ("nginx:${TAG:-1.27}", Ok("nginx:1.27")),
            ("${REGISTRY-docker.io}/nginx:${TAG:-1}", Ok("docker.io/nginx:1")),
            ("${A:-${B:-inner}}!", Ok("inner!")),
            ("${A:-}${B-}", Ok("")),
            ("a${A:+b}${A+c}d", Ok("ad")),
            ("$$A costs 5$$", Ok("$A costs 5$")),
            ("${A:-{x}}", Ok("{x}")),
            ("$A", unset("A", None)),
            ("x${_A1}", unset("_A1", None)),
            ("${A:-$B}", unset("B", None)),
            ("${A:?is needed}", unset("A", Some("is needed"))),
            ("${A?}", unset("A", None)),
            ("${}", Err(Failure::Malformed)),
            ("${1A}", Err(Failure::Malformed)),
            ("${A", Err(Failure::Malformed)),
            ("${A:}", Err(Failure::Malformed)),
            ("${A b}", Err(Failure::Malformed)),
            ("5 $ each", Err(Failure::Malformed)),
            (&deep, Err(Failure::Malformed)),
        ] {
            assert_eq!(interpolate(text).as_deref().map_err(Clone::clone), expected, "{text}");
        }
    }
}

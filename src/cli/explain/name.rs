//! From the name of a pod to where it comes from.

use crate::model::pod_spec::DEFAULT_NAMESPACE;
use crate::model::{ArrivalSource, ListedPods, Model};
use crate::scenario::suggestion;

/// Hints list no more names than this.
const NAMES_MAX: usize = 8;

/// The source that a pod of that name comes from, and its number there.
///
/// # Errors
/// A hint, where no source has such a pod.
pub(super) fn origin(model: &Model, name: &str) -> Result<(u16, u32), String> {
    for (at, source) in (0..).zip(&model.workload.sources) {
        let number = match source {
            ArrivalSource::Listed(listed) => listed_number(model, listed, name),
            ArrivalSource::Generated(pods) => {
                let number = name.strip_prefix(pods.name.as_str()).and_then(|rest| rest.strip_prefix('-'));
                // A leading zero or plus sign is another name.
                let number =
                    number.and_then(|text| text.parse().ok().filter(|number: &u32| number.to_string() == text));
                number.filter(|&number| pods.count.is_none_or(|count| u64::from(number) < count))
            }
        };
        if let Some(number) = number {
            return Ok((at, number));
        }
    }
    Err(hint(model, name))
}

/// The position of a listed pod: by its name, with or without its namespace.
fn listed_number(model: &Model, listed: &ListedPods, name: &str) -> Option<u32> {
    let names = || (0u32..).zip(&listed.pods).map(|(number, pod)| (number, pod, listed.names.get(number as usize)));
    if let Some((number, ..)) = names().find(|(_, _, other)| *other == name) {
        return Some(number);
    }
    let namespace = |class| &model.workload.class(class).spec.namespace;
    match name.split_once('/') {
        Some((space, rest)) => names().find(|(_, pod, other)| *other == rest && namespace(pod.class) == space),
        None => {
            let whole = format!("{DEFAULT_NAMESPACE}/{name}");
            names().find(|(_, _, other)| *other == whole)
        }
    }
    .map(|(number, ..)| number)
}

/// What the user may have meant.
fn hint(model: &Model, name: &str) -> String {
    let (stem, number) = match name.rsplit_once('-') {
        Some((stem, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => (stem, number),
        _ => (name, "0"),
    };
    let mut names: Vec<String> = Vec::new();
    for source in &model.workload.sources {
        match source {
            ArrivalSource::Listed(listed) => {
                names.extend((0..listed.pods.len()).map(|at| listed.names.get(at).to_owned()));
            }
            ArrivalSource::Generated(pods) => {
                let last = pods.count.map(|count| count.saturating_sub(1));
                if pods.name == stem {
                    return match last {
                        Some(0) => format!("the one pod of `{stem}` is called {stem}-0"),
                        Some(last) => format!("the pods of `{stem}` are called {stem}-0 to {stem}-{last}"),
                        None => format!("the pods of `{stem}` are called {stem}-0, {stem}-1, and so on"),
                    };
                }
                let is_there = last.is_none_or(|last| number.parse::<u64>().is_ok_and(|number| number <= last));
                names.push(format!("{}-{}", pods.name, if is_there { number } else { "0" }));
            }
        }
    }
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    if known.len() <= NAMES_MAX {
        return suggestion(name, &known, "pods are called");
    }
    let hint = suggestion(name, &known, "");
    if hint.starts_with("did you mean") {
        return hint;
    }
    format!("pods are called {}, and so on; pods.csv of a run lists them all", known[..NAMES_MAX].join(", "))
}

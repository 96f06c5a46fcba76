//! `spec.disruption` of a NodePool.

use super::{duration, only};
use crate::document::{Code, Node as Tree, Span};
use crate::policy::controllers::cron::CronSchedule;
use crate::scenario::kubernetes::read::Notes;

/// The most budgets of a pool.
const BUDGETS_MAX: usize = 50;

/// Checks consolidation and budgets.
pub(super) fn disruption(tree: Option<&Tree>, notes: &mut Notes) {
    let field = "spec.disruption";
    let Some(tree) = notes.mapping(tree, field) else { return };
    duration(tree.get("consolidateAfter"), &format!("{field}.consolidateAfter"), true, notes);
    let policies = [("WhenEmpty", ()), ("WhenEmptyOrUnderutilized", ()), ("Balanced", ())];
    notes.choice(tree.get("consolidationPolicy"), &format!("{field}.consolidationPolicy"), &policies);
    let field = format!("{field}.budgets");
    let items = notes.list(tree.get("budgets"), &field);
    if items.len() > BUDGETS_MAX {
        notes.refuse(Code::AbsurdSize, tree.span, format!("`{field}` has more than {BUDGETS_MAX} budgets"));
    }
    items.iter().for_each(|item| budget(item, &format!("{field}[]"), notes));
    only(tree, "spec.disruption", &["consolidateAfter", "consolidationPolicy", "budgets"], notes);
}

fn budget(item: &Tree, field: &str, notes: &mut Notes) {
    let reasons = [("Underutilized", ()), ("Empty", ()), ("Drifted", ()), ("Unhealthy", ())];
    for reason in notes.list(item.get("reasons"), &format!("{field}.reasons")) {
        notes.choice(Some(reason), &format!("{field}.reasons[]"), &reasons);
    }
    let place = |key: &str| item.get(key).map_or(item.span, |tree| tree.span);
    if let Some(text) = notes.text(item.get("nodes"), &format!("{field}.nodes"))
        && !is_node_count(text)
    {
        let message = format!("`{field}.nodes`: `{text}` is no number of nodes");
        notes.refuse_with_hint(Code::OutOfRange, place("nodes"), message, "such as \"5\" or \"10%\", at most 100%");
    }
    let schedule = notes.text(item.get("schedule"), &format!("{field}.schedule"));
    let length = notes.text(item.get("duration"), &format!("{field}.duration"));
    if schedule.is_some() != length.is_some() {
        let message = format!("`{field}`: `schedule` and `duration` go together");
        notes.refuse(Code::MissingKey, item.span, message);
    }
    if let Some(Err(error)) = schedule.map(CronSchedule::parse) {
        notes.refuse(Code::OutOfRange, place("schedule"), format!("`{field}.schedule`: {error}"));
    }
    if let Some(text) = length {
        window_length(text, field, place("duration"), notes);
    }
    only(item, field, &["reasons", "nodes", "schedule", "duration"], notes);
}

/// Hours and minutes only: schedules know no seconds.
fn window_length(text: &str, field: &str, span: Span, notes: &mut Notes) {
    let plain = text.strip_suffix("0s").filter(|rest| rest.ends_with(['h', 'm'])).unwrap_or(text);
    let (hours, minutes) = plain.split_once('h').unwrap_or(("", plain));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let has_hours = plain.contains('h');
    let right = (!has_hours || is_number(hours))
        && (minutes.is_empty() && has_hours || minutes.strip_suffix('m').is_some_and(is_number));
    if !right {
        let message = format!("`{field}.duration`: `{text}` is no duration in hours and minutes");
        notes.refuse_with_hint(Code::BadQuantity, span, message, "such as 8h, 30m or 1h30m");
    }
}

fn is_node_count(text: &str) -> bool {
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match text.strip_suffix('%') {
        Some(digits) => is_number(digits) && (digits == "100" || digits.len() <= 2),
        None => is_number(text) && text.len() <= 18,
    }
}

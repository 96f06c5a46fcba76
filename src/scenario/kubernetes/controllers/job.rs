//! The parts of the `spec` of Jobs and CronJobs beside the pod template, completed and checked as the API server does
//! (`pkg/apis/batch/v1/defaults.go`, `pkg/apis/batch/validation` of v1.37.0).

use super::super::read::Notes;
use super::kinds::{count, note_unused};
use super::life::{restart_policy, seconds};
use crate::document::{Code, Node as Tree};
use crate::model::controllers::{
    Concurrency, CronJobSpec, JobSpec, PodFailureAction, PodFailureRequirement, PodFailureRule, RestartPolicy,
};
use crate::units::SimDuration;

/// Back-off limit of Jobs that say nothing.
const BACKOFF_LIMIT: i32 = 6;
/// Most completions of a Job, and most pods of one at a time: indexed Jobs cannot have more than 100 000 (`maxParallelism`).
const COMPLETIONS_MAX: i32 = 1_000_000;
/// Most rules of a policy of pod failures, and most values of one.
const RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;

fn duration(spec: &Tree, key: &str, notes: &mut Notes) -> Option<SimDuration> {
    count(spec, key, i32::MAX, notes).map(seconds)
}

pub(super) fn job(spec: &Tree, notes: &mut Notes) -> JobSpec {
    const KNOWN: &[&str] = &[
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "podFailurePolicy",
        "backoffLimit",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
        "selector",
        "manualSelector",
        "template",
        "ttlSecondsAfterFinished",
        "completionMode",
        "suspend",
        "podReplacementPolicy",
    ];
    note_unused(spec, KNOWN, notes);
    let parallelism = count(spec, "parallelism", COMPLETIONS_MAX, notes);
    let completions = count(spec, "completions", COMPLETIONS_MAX, notes);
    let modes = [("Indexed", true), ("NonIndexed", false)];
    let is_indexed = notes.choice(spec.get("completionMode"), "spec.completionMode", &modes).unwrap_or(false);
    let backoff_limit_per_index = count(spec, "backoffLimitPerIndex", i32::MAX, notes);
    let max_failed_indexes = count(spec, "maxFailedIndexes", i32::MAX, notes);
    check_indexes(spec, is_indexed, completions, notes);
    let policies = [("Failed", true), ("TerminatingOrFailed", false)];
    let replaces = notes.choice(spec.get("podReplacementPolicy"), "spec.podReplacementPolicy", &policies);
    let failure_policy = spec.get("podFailurePolicy").filter(|policy| !policy.is_null());
    if let (Some(policy), Some(false)) = (failure_policy, replaces) {
        let message = "with `spec.podFailurePolicy`, `spec.podReplacementPolicy` is Failed";
        notes.refuse(Code::Contradiction, policy.span, message);
    }
    JobSpec {
        parallelism: parallelism.unwrap_or(1),
        completions: match (completions, parallelism) {
            (None, None) => Some(1),
            (completions, _) => completions,
        },
        is_indexed,
        backoff_limit: count(spec, "backoffLimit", i32::MAX, notes).unwrap_or(if backoff_limit_per_index.is_some() {
            i32::MAX
        } else {
            BACKOFF_LIMIT
        }),
        backoff_limit_per_index,
        max_failed_indexes,
        active_deadline: duration(spec, "activeDeadlineSeconds", notes),
        ttl_after_finished: duration(spec, "ttlSecondsAfterFinished", notes),
        failure_rules: failure_policy.map_or(Vec::new(), |policy| failure_rules(policy, spec, notes)),
        replaces_only_failed: replaces.unwrap_or(failure_policy.is_some()),
        is_suspended: notes.truth(spec.get("suspend"), "spec.suspend"),
    }
}

/// What only indexed Jobs have, and what they need.
fn check_indexes(spec: &Tree, is_indexed: bool, completions: Option<i32>, notes: &mut Notes) {
    let mode = spec.get("completionMode").unwrap_or(spec).span;
    if is_indexed && completions.is_none() {
        let message = "a Job with `completionMode: Indexed` needs `spec.completions`";
        notes.refuse_with_hint(Code::MissingKey, mode, message, "write how many indexes there are");
    }
    for key in ["backoffLimitPerIndex", "maxFailedIndexes"] {
        if let Some(tree) = spec.get(key).filter(|tree| !tree.is_null() && !is_indexed) {
            notes.refuse(Code::Contradiction, tree.span, format!("`spec.{key}` needs `completionMode: Indexed`"));
        }
    }
    let given = |key: &str| spec.get(key).filter(|tree| !tree.is_null());
    if let (Some(tree), None) = (given("maxFailedIndexes"), given("backoffLimitPerIndex")) {
        notes.refuse(Code::MissingKey, tree.span, "`spec.maxFailedIndexes` needs `spec.backoffLimitPerIndex`");
    }
    if let (Some(tree), Some(completions)) = (given("maxFailedIndexes"), completions)
        && tree.as_int().is_some_and(|indexes| indexes > i64::from(completions))
    {
        notes.refuse(Code::OutOfRange, tree.span, "`spec.maxFailedIndexes` is more than `spec.completions`");
    }
}

fn failure_rules(policy: &Tree, spec: &Tree, notes: &mut Notes) -> Vec<PodFailureRule> {
    let template = spec.at(&["template", "spec"]);
    if template.and_then(|template| template.get("restartPolicy")).and_then(Tree::as_text) == Some("OnFailure") {
        let message = "`spec.podFailurePolicy` needs `restartPolicy: Never` in the template";
        notes.refuse(Code::Contradiction, policy.span, message);
    }
    let items = notes.list(policy.get("rules"), "spec.podFailurePolicy.rules");
    if items.len() > RULES_MAX {
        let message = format!("`spec.podFailurePolicy.rules` has more than {RULES_MAX} rules");
        notes.refuse(Code::AbsurdSize, policy.span, message);
        return Vec::new();
    }
    items.iter().filter_map(|item| failure_rule(item, spec, notes)).collect()
}

fn failure_rule(item: &Tree, spec: &Tree, notes: &mut Notes) -> Option<PodFailureRule> {
    let field = "spec.podFailurePolicy.rules[]";
    let actions = [
        ("FailJob", PodFailureAction::FailJob),
        ("FailIndex", PodFailureAction::FailIndex),
        ("Ignore", PodFailureAction::Ignore),
        ("Count", PodFailureAction::Count),
    ];
    notes.required_text(item, "action", field);
    let action = notes.choice(item.get("action"), &format!("{field}.action"), &actions);
    if action == Some(PodFailureAction::FailIndex) && spec.get("backoffLimitPerIndex").is_none_or(Tree::is_null) {
        notes.refuse(Code::MissingKey, item.span, "the action FailIndex needs `spec.backoffLimitPerIndex`");
    }
    let exit_codes = item.get("onExitCodes").filter(|tree| !tree.is_null());
    let conditions = notes.list(item.get("onPodConditions"), &format!("{field}.onPodConditions"));
    let requirement = match (exit_codes, conditions) {
        (Some(codes), []) => exit_codes_of(codes, spec, notes),
        (None, [_, ..]) => {
            let mut are_disruptions = true;
            for condition in conditions {
                let is_disruption = condition.get("type").and_then(Tree::as_text) == Some("DisruptionTarget")
                    && condition.get("status").is_none_or(|status| status.as_text() == Some("True"));
                if !is_disruption {
                    notes.unused(format!("{field}.onPodConditions other than DisruptionTarget"), condition);
                }
                are_disruptions &= is_disruption;
            }
            are_disruptions.then_some(PodFailureRequirement::DisruptionTarget)
        }
        _ => {
            let message = format!("`{field}` needs either `onExitCodes` or `onPodConditions`");
            notes.refuse(Code::Contradiction, item.span, message);
            None
        }
    };
    Some(PodFailureRule { action: action?, requirement: requirement? })
}

fn exit_codes_of(tree: &Tree, spec: &Tree, notes: &mut Notes) -> Option<PodFailureRequirement> {
    let field = "spec.podFailurePolicy.rules[].onExitCodes";
    notes.required_text(tree, "operator", field);
    let is_in = notes.choice(tree.get("operator"), &format!("{field}.operator"), &[("In", true), ("NotIn", false)]);
    let name = notes.text(tree.get("containerName"), &format!("{field}.containerName"));
    let container = name.and_then(|name| {
        let items = |list| spec.at(&["template", "spec", list]).map_or(&[][..], Tree::items).iter();
        let mut containers = items("containers").chain(items("initContainers"));
        let found = containers.position(|one| one.get("name").and_then(Tree::as_text) == Some(name));
        if found.is_none() {
            let message = format!("the template has no container `{name}`");
            notes.refuse(Code::UnknownReference, tree.span, message);
        }
        found.and_then(|position| u32::try_from(position).ok())
    });
    let items = notes.list(tree.get("values"), &format!("{field}.values"));
    let codes: Vec<i32> =
        items.iter().filter_map(|item| notes.number(Some(item), &format!("{field}.values[]"))).collect();
    if codes.is_empty() || codes.len() > EXIT_CODES_MAX {
        let message = format!("`{field}.values` lists 1 to {EXIT_CODES_MAX} exit codes");
        notes.refuse(Code::OutOfRange, tree.span, message);
    }
    if !codes.windows(2).all(|pair| pair[0] < pair[1]) {
        notes.refuse(Code::NotAllowed, tree.span, format!("`{field}.values` must ascend, each once"));
    }
    if is_in == Some(true) && codes.contains(&0) {
        notes.refuse(Code::NotAllowed, tree.span, format!("`{field}.values`: with the operator In, 0 is no failure"));
    }
    Some(PodFailureRequirement::ExitCodes { container, is_in: is_in?, codes })
}

/// Jobs and CronJobs end: they say whether their containers are started again when they fail.
pub(super) fn check_restart_policy(template_spec: &Tree, notes: &mut Notes) {
    match restart_policy(template_spec, notes) {
        Some(RestartPolicy::OnFailure | RestartPolicy::Never) => {}
        found => {
            let place = template_spec.get("restartPolicy").unwrap_or(template_spec).span;
            let message = match found {
                Some(_) => "`restartPolicy: Always` has no place in the template of a Job",
                None => "the template of a Job has no `restartPolicy`",
            };
            notes.refuse_with_hint(Code::NotAllowed, place, message, "write OnFailure or Never");
        }
    }
}

pub(super) fn cron_job(spec: &Tree, notes: &mut Notes) -> CronJobSpec {
    const KNOWN: &[&str] = &[
        "schedule",
        "timeZone",
        "startingDeadlineSeconds",
        "concurrencyPolicy",
        "suspend",
        "jobTemplate",
        "successfulJobsHistoryLimit",
        "failedJobsHistoryLimit",
    ];
    note_unused(spec, KNOWN, notes);
    let schedule = notes.required_text(spec, "schedule", "spec");
    if !schedule.is_empty()
        && let Err(reason) = check_schedule(schedule)
    {
        let place = spec.get("schedule").unwrap_or(spec).span;
        let hint = "minute, hour, day of month, month, day of week, such as `*/5 * * * *`, or @hourly and the like";
        notes.refuse_with_hint(Code::NotAllowed, place, format!("`spec.schedule`: {reason}"), hint);
    }
    if let Some(zone) = spec.get("timeZone")
        && !matches!(zone.as_text(), Some("Etc/UTC" | "UTC"))
    {
        notes.unused("spec.timeZone", zone);
    }
    let policies = [("Allow", Concurrency::Allow), ("Forbid", Concurrency::Forbid), ("Replace", Concurrency::Replace)];
    let concurrency = notes.choice(spec.get("concurrencyPolicy"), "spec.concurrencyPolicy", &policies);
    let empty = Tree { span: spec.span, value: crate::document::Value::Map(Vec::new()) };
    CronJobSpec {
        schedule: schedule.to_owned(),
        starting_deadline: duration(spec, "startingDeadlineSeconds", notes),
        concurrency: concurrency.unwrap_or(Concurrency::Allow),
        is_suspended: notes.truth(spec.get("suspend"), "spec.suspend"),
        successful_history_limit: count(spec, "successfulJobsHistoryLimit", i32::MAX, notes).unwrap_or(3),
        failed_history_limit: count(spec, "failedJobsHistoryLimit", i32::MAX, notes).unwrap_or(1),
        job: job(spec.at(&["jobTemplate", "spec"]).unwrap_or(&empty), notes),
    }
}

/// Whether a schedule can be read, by the grammar of the parser that the CronJob controller uses (`cron.ParseStandard`).
fn check_schedule(schedule: &str) -> Result<(), String> {
    const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let fields: [(&str, u32, u32, &[&str]); 5] = [
        ("the minute", 0, 59, &[]),
        ("the hour", 0, 23, &[]),
        ("the day of the month", 1, 31, &[]),
        ("the month", 1, 12, MONTHS),
        ("the day of the week", 0, 6, DAYS),
    ];
    if schedule.contains("TZ") {
        return Err("a time zone stands in `spec.timeZone`".to_owned());
    }
    if let Some(descriptor) = schedule.strip_prefix('@') {
        let known = ["yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly"];
        let every = descriptor.strip_prefix("every ").map(SimDuration::parse);
        return match every {
            Some(Ok(_)) => Ok(()),
            _ if known.contains(&descriptor) => Ok(()),
            _ => Err(format!("`@{descriptor}` is not known")),
        };
    }
    let parts: Vec<&str> = schedule.split_whitespace().collect();
    if parts.len() != fields.len() {
        return Err(format!("it has {} fields, and needs 5", parts.len()));
    }
    for (part, (what, min, max, names)) in parts.into_iter().zip(fields) {
        for item in part.split(',') {
            check_range(item, min, max, names).map_err(|()| format!("`{item}` cannot be {what}"))?;
        }
    }
    Ok(())
}

/// One of `*`, `?`, `a`, `a-b`, each with `/step` or not.
fn check_range(item: &str, min: u32, max: u32, names: &[&str]) -> Result<(), ()> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step.parse::<u32>().map_err(|_| ())?)),
        None => (item, None),
    };
    if step == Some(0) {
        return Err(());
    }
    let number = |text: &str| {
        let position = names.iter().position(|name| *name == text.to_lowercase());
        match position.and_then(|position| u32::try_from(position).ok()) {
            Some(position) => Ok(min + position),
            None => text.parse::<u32>().map_err(|_| ()),
        }
    };
    let (from, to) = match (range, range.split_once('-')) {
        ("*" | "?", _) => (min, max),
        (_, Some((from, to))) => (number(from)?, number(to)?),
        (_, None) => (number(range)?, number(range)?),
    };
    if min <= from && from <= to && to <= max { Ok(()) } else { Err(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_those_of_the_controller() {
        for (schedule, is_sound) in [
            ("*/5 * * * *", true),
            ("0 0 1 jan sun", true),
            ("0,30 9-17 ? * MON-FRI", true),
            ("@hourly", true),
            ("@every 90s", true),
            ("5/15 * * * *", true),
            ("* * * *", false),
            ("60 * * * *", false),
            ("0 24 * * *", false),
            ("0 0 0 * *", false),
            ("0 0 * 13 *", false),
            ("0 0 * * 7", false),
            ("0 0 * * fry", false),
            ("5-1 * * * *", false),
            ("*/0 * * * *", false),
            ("@often", false),
            ("TZ=UTC 0 0 * * *", false),
        ] {
            assert_eq!(check_schedule(schedule).is_ok(), is_sound, "{schedule}");
        }
    }
}

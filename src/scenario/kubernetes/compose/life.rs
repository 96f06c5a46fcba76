//! How containers of a service are started again, updated and checked.

use super::super::edit;
use super::super::read::Notes;
use super::{Mode, Service, number};
use crate::document::{Code, Node as Tree, Span, Value};

/// How Docker completes a health check: seconds between two, seconds to answer, failures, seconds between two at the start.
const INTERVAL_SECONDS: i64 = 30;
const TIMEOUT_SECONDS: i64 = 30;
const RETRIES: i64 = 3;
const START_INTERVAL_SECONDS: i64 = 5;
/// What a Deployment has to make progress in where nothing is said.
const PROGRESS_DEADLINE_SECONDS: i64 = 600;

/// When containers are started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restart {
    Always,
    /// Only when they fail, and so many times.
    OnFailure {
        limit: i32,
    },
    Never,
}

/// When the containers of a service are started again, as far as the object that it becomes has that.
pub(super) fn restart(service: &Service, mode: Mode, notes: &mut Notes) -> Restart {
    let conditions = [("any", "any"), ("on-failure", "on-failure"), ("none", "none")];
    let policy = service.at(&["deploy", "restart_policy"]);
    let tree = policy.and_then(|policy| policy.get("condition"));
    let condition = notes.choice(tree, "deploy.restart_policy.condition", &conditions);
    let is_job = matches!(mode, Mode::ReplicatedJob | Mode::GlobalJob);
    let attempts = policy.and_then(|policy| policy.get("max_attempts"));
    let limit = notes.whole(attempts, "deploy.restart_policy.max_attempts", 0..=i64::from(i32::MAX));
    let of_service = restart_of_service(service, notes);
    if is_job {
        if let (Some("any"), Some(tree)) = (condition, tree) {
            let message = "the tasks of a job are not started again when they succeed";
            notes.refuse_with_hint(Code::Contradiction, tree.span, message, "write on-failure or none");
        }
        return match (condition, of_service) {
            (Some("none"), _) | (None, Some((true, _))) => Restart::Never,
            _ => Restart::OnFailure { limit: limit.and_then(|limit| i32::try_from(limit).ok()).unwrap_or(i32::MAX) },
        };
    }
    if let (Some(_), Some(attempts)) = (limit, attempts) {
        notes.unused("deploy.restart_policy.max_attempts", attempts);
    }
    match (condition, tree, of_service) {
        (Some("none"), Some(tree), _) if mode == Mode::Replicated => {
            let text = "services with `deploy.restart_policy.condition: none` are read as Jobs that try once";
            notes.remarks.push((text, tree.span));
            return Restart::Never;
        }
        (Some("none" | "on-failure"), Some(Tree { span, .. }), _) | (None, _, Some((_, span))) => {
            let text = "containers of services other than jobs are started again whenever they end, whatever the \
                        restart policy says";
            notes.remarks.push((text, *span));
        }
        _ => {}
    }
    Restart::Always
}

/// Whether `restart` says never, and where, if it says other than always.
fn restart_of_service<'s>(service: &'s Service, notes: &mut Notes) -> Option<(bool, &'s Span)> {
    let tree = service.at(&["restart"])?;
    let text = notes.text(Some(tree), "restart")?;
    match text {
        "always" | "unless-stopped" => None,
        "no" => Some((true, &tree.span)),
        "on-failure" => Some((false, &tree.span)),
        _ if text.strip_prefix("on-failure:").is_some_and(|attempts| attempts.parse::<u32>().is_ok()) => {
            Some((false, &tree.span))
        }
        _ => {
            let message = format!("`restart`: `{text}` is not allowed");
            let hint = "allowed are \"no\", always, on-failure, on-failure:<attempts>, unless-stopped";
            notes.refuse_with_hint(Code::NotAllowed, tree.span, message, hint);
            None
        }
    }
}

/// Puts the update of a service into its object.
pub(super) fn update(service: &Service, kind: &str, object: &mut Tree, notes: &mut Notes) {
    let field = "deploy.update_config";
    let Some(config) = service.at(&["deploy", "update_config"]) else { return };
    if kind == "Job" {
        return notes.unused("deploy.update_config of a job", config);
    }
    let parallelism = notes.whole(config.get("parallelism"), &format!("{field}.parallelism"), 0..=i64::from(i32::MAX));
    let orders = [("start-first", true), ("stop-first", false)];
    let starts_first = notes.choice(config.get("order"), &format!("{field}.order"), &orders).unwrap_or(false);
    let actions = [("pause", true), ("continue", false), ("rollback", false)];
    let action = config.get("failure_action");
    if let (Some(false), Some(action)) = (notes.choice(action, &format!("{field}.failure_action"), &actions), action) {
        notes.unused("deploy.update_config.failure_action other than pause", action);
    }
    let mut wait = |key: &str| notes.seconds(config.get(key), &format!("{field}.{key}")).unwrap_or(0);
    let min_ready = wait("delay").max(wait("monitor"));
    let span = config.get("parallelism").unwrap_or(config).span;
    let amount = match parallelism.unwrap_or(1) {
        0 => edit::text(span, "100%"),
        amount => number(span, amount),
    };
    let none = number(span, 0);
    let (surge, unavailable) = if starts_first { (amount, none) } else { (none, amount) };
    let strategy = if kind == "DaemonSet" { "updateStrategy" } else { "strategy" };
    edit::set(object, &["spec", strategy, "rollingUpdate", "maxSurge"], surge);
    edit::set(object, &["spec", strategy, "rollingUpdate", "maxUnavailable"], unavailable);
    if min_ready > 0 {
        edit::set(object, &["spec", "minReadySeconds"], number(config.span, min_ready));
    }
    // The deadline must leave time beside the wait.
    if kind == "Deployment" && min_ready >= PROGRESS_DEADLINE_SECONDS {
        let deadline = min_ready.saturating_add(PROGRESS_DEADLINE_SECONDS).min(i64::from(i32::MAX));
        edit::set(object, &["spec", "progressDeadlineSeconds"], number(config.span, deadline));
    }
}

/// Puts the health check of a service into its container.
pub(super) fn add_probes(service: &Service, container: &mut Tree, notes: &mut Notes) {
    let Some(check) = service.at(&["healthcheck"]) else { return };
    let is_none = match check.get("test").map(|test| &test.value) {
        Some(Value::List(words)) => words.first().and_then(Tree::as_text) == Some("NONE"),
        Some(Value::Text(text)) => &**text == "NONE",
        _ => false,
    };
    if notes.flag(check.get("disable"), "healthcheck.disable") || is_none {
        return;
    }
    // As in Docker a zero is what is not given.
    let mut seconds = |key: &str, default: i64| {
        let seconds = notes.seconds(check.get(key), &format!("healthcheck.{key}"));
        seconds.filter(|seconds| *seconds > 0).unwrap_or(default)
    };
    let (interval, timeout) = (seconds("interval", INTERVAL_SECONDS), seconds("timeout", TIMEOUT_SECONDS));
    let start_period = seconds("start_period", 0);
    let start_interval = seconds("start_interval", START_INTERVAL_SECONDS);
    let retries = notes.whole(check.get("retries"), "healthcheck.retries", 0..=i64::from(i32::MAX));
    let retries = retries.filter(|retries| *retries > 0).unwrap_or(RETRIES);
    let mut add = |name: &str, delay: i64, period: i64, failures: i64| {
        let numbers = [
            ("initialDelaySeconds", delay),
            ("periodSeconds", period),
            ("timeoutSeconds", timeout),
            ("failureThreshold", failures),
        ];
        let probe = numbers.map(|(key, value)| (key, number(check.span, value)));
        edit::set(container, &[name], edit::mapping(check.span, probe));
    };
    let mut delay = interval;
    if start_period > 0 {
        // Docker gives up after the period and then as many failures as are allowed, which are an interval apart.
        let until = retries.saturating_mul(interval).saturating_add(start_period);
        let failures = until.saturating_add(start_interval - 1) / start_interval;
        add("startupProbe", start_interval, start_interval, failures.min(i64::from(i32::MAX)));
        delay = 0;
    }
    add("readinessProbe", delay, interval, retries);
    add("livenessProbe", delay, interval, retries);
}

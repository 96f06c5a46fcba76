//! The parts of the `spec` of ReplicaSets, Deployments, StatefulSets and DaemonSets beside the pod template, completed and
//! checked as the API server does (`pkg/apis/apps/v1/defaults.go`, `pkg/apis/apps/validation` of v1.37.0).

use super::super::objects::count_or_percent;
use super::super::read::Notes;
use super::life::seconds;
use crate::document::{Code, Node as Tree};
use crate::model::controllers::{
    DaemonSetSpec, DaemonSetUpdate, DeploymentSpec, DeploymentStrategy, ReplicaSetSpec, StatefulSetSpec,
    StatefulSetUpdate,
};
use crate::model::objects::CountOrPercent;
use crate::units::SimDuration;

/// Most replicas of one object.
pub(super) const REPLICAS_MAX: i32 = 1_000_000;
/// Deadline of Deployments and Rollouts that say nothing.
pub(super) const PROGRESS_DEADLINE_SECONDS: i32 = 600;

/// The versions that were served before `apps/v1`, each with its own defaults.
pub(super) const EXTENSIONS_V1BETA1: &str = "extensions/v1beta1";
pub(super) const APPS_V1BETA1: &str = "apps/v1beta1";

/// A number that is not negative.
pub(super) fn count(spec: &Tree, key: &str, max: i32, notes: &mut Notes) -> Option<i32> {
    notes.number_within(spec.get(key), &format!("spec.{key}"), 0..=max)
}

pub(super) fn replicas(spec: &Tree, notes: &mut Notes) -> i32 {
    count(spec, "replicas", REPLICAS_MAX, notes).unwrap_or(1)
}

pub(super) fn min_ready(spec: &Tree, notes: &mut Notes) -> SimDuration {
    seconds(count(spec, "minReadySeconds", i32::MAX, notes).unwrap_or(0))
}

/// Notes the fields of `spec` that are not among those known.
pub(super) fn note_unused(spec: &Tree, known: &[&str], notes: &mut Notes) {
    note_unused_of(spec, known, "spec", notes);
}

/// Notes the fields of what stands at `field` that are not among those known.
pub(super) fn note_unused_of(tree: &Tree, known: &[&str], field: &str, notes: &mut Notes) {
    for entry in tree.entries().iter().filter(|entry| !known.contains(&&*entry.key)) {
        notes.unused(format!("{field}.{}", entry.key), &entry.value);
    }
}

/// A deadline must leave pods the time to become available.
pub(super) fn check_deadline(spec: &Tree, deadline: SimDuration, min_ready: SimDuration, notes: &mut Notes) {
    if deadline <= min_ready {
        let place = spec.get("progressDeadlineSeconds").unwrap_or(spec).span;
        let message = "`spec.progressDeadlineSeconds` must be more than `spec.minReadySeconds`";
        notes.refuse(Code::Contradiction, place, message);
    }
}

/// `maxSurge` and `maxUnavailable` of what stands at `field`, if anything does; at least one of them is not 0.
pub(super) fn surge_and_unavailable(
    tree: Option<&Tree>,
    field: &str,
    place: &Tree,
    default: CountOrPercent,
    notes: &mut Notes,
) -> (CountOrPercent, CountOrPercent) {
    let mut amount = |key: &str| {
        let found = tree.and_then(|tree| tree.get(key));
        count_or_percent(found, &format!("{field}.{key}"), notes).unwrap_or(default)
    };
    let (max_surge, max_unavailable) = (amount("maxSurge"), amount("maxUnavailable"));
    if is_zero(max_surge) && is_zero(max_unavailable) {
        let message = format!("`maxSurge` and `maxUnavailable` of `{field}` cannot both be 0");
        let hint = "no pod could be replaced; make one of them 1";
        notes.refuse_with_hint(Code::Contradiction, place.span, message, hint);
    }
    (max_surge, max_unavailable)
}

pub(super) fn replica_set(spec: &Tree, notes: &mut Notes) -> ReplicaSetSpec {
    note_unused(spec, &["replicas", "minReadySeconds", "selector", "template"], notes);
    ReplicaSetSpec { replicas: replicas(spec, notes), min_ready: min_ready(spec, notes) }
}

pub(super) fn deployment(spec: &Tree, version: &str, notes: &mut Notes) -> DeploymentSpec {
    const KNOWN: &[&str] = &[
        "replicas",
        "selector",
        "template",
        "strategy",
        "minReadySeconds",
        "revisionHistoryLimit",
        "paused",
        "progressDeadlineSeconds",
    ];
    note_unused(spec, KNOWN, notes);
    let min_ready = min_ready(spec, notes);
    let (history, deadline) = match version {
        EXTENSIONS_V1BETA1 => (i32::MAX, i32::MAX),
        APPS_V1BETA1 => (2, PROGRESS_DEADLINE_SECONDS),
        _ => (10, PROGRESS_DEADLINE_SECONDS),
    };
    let deadline = count(spec, "progressDeadlineSeconds", i32::MAX, notes).unwrap_or(deadline);
    // The largest number stands for no deadline at all.
    let progress_deadline = (deadline != i32::MAX).then(|| seconds(deadline));
    if let Some(deadline) = progress_deadline {
        check_deadline(spec, deadline, min_ready, notes);
    }
    DeploymentSpec {
        replicas: replicas(spec, notes),
        strategy: deployment_strategy(spec, version, notes),
        min_ready,
        progress_deadline,
        revision_history_limit: count(spec, "revisionHistoryLimit", i32::MAX, notes).unwrap_or(history),
        is_paused: notes.truth(spec.get("paused"), "spec.paused"),
    }
}

fn deployment_strategy(spec: &Tree, version: &str, notes: &mut Notes) -> DeploymentStrategy {
    let strategy = notes.mapping(spec.get("strategy"), "spec.strategy");
    let of = |key| strategy.and_then(|strategy| strategy.get(key)).filter(|tree| !tree.is_null());
    let is_recreate =
        notes.choice(of("type"), "spec.strategy.type", &[("Recreate", true), ("RollingUpdate", false)]) == Some(true);
    let rolling = notes.mapping(of("rollingUpdate"), "spec.strategy.rollingUpdate");
    if is_recreate {
        if let Some(rolling) = rolling {
            let message = "`spec.strategy.rollingUpdate` has no place beside the type Recreate";
            notes.refuse(Code::Contradiction, rolling.span, message);
        }
        return DeploymentStrategy::Recreate;
    }
    let default = match version {
        EXTENSIONS_V1BETA1 => CountOrPercent::Count(1),
        _ => CountOrPercent::Percent(25),
    };
    let place = rolling.unwrap_or(spec);
    let (max_surge, max_unavailable) =
        surge_and_unavailable(rolling, "spec.strategy.rollingUpdate", place, default, notes);
    not_above_all(max_unavailable, "maxUnavailable", place, notes);
    DeploymentStrategy::RollingUpdate { max_surge, max_unavailable }
}

fn is_zero(amount: CountOrPercent) -> bool {
    matches!(amount, CountOrPercent::Count(0) | CountOrPercent::Percent(0))
}

fn not_above_all(amount: CountOrPercent, key: &str, place: &Tree, notes: &mut Notes) {
    if let CountOrPercent::Percent(percent) = amount
        && percent > 100
    {
        notes.refuse(Code::OutOfRange, place.span, format!("`{key}` must not be more than 100%, and is {percent}%"));
    }
}

/// The type of an update strategy and its `rollingUpdate`; whether it is `OnDelete`.
fn update_strategy<'t>(spec: &'t Tree, is_on_delete_by_default: bool, notes: &mut Notes) -> (bool, Option<&'t Tree>) {
    let strategy = notes.mapping(spec.get("updateStrategy"), "spec.updateStrategy");
    let of = |key| strategy.and_then(|strategy| strategy.get(key)).filter(|tree| !tree.is_null());
    let types = [("OnDelete", true), ("RollingUpdate", false)];
    let is_on_delete = notes.choice(of("type"), "spec.updateStrategy.type", &types).unwrap_or(is_on_delete_by_default);
    let rolling = notes.mapping(of("rollingUpdate"), "spec.updateStrategy.rollingUpdate");
    (is_on_delete, rolling)
}

pub(super) fn stateful_set(spec: &Tree, version: &str, notes: &mut Notes) -> StatefulSetSpec {
    const KNOWN: &[&str] = &[
        "replicas",
        "selector",
        "template",
        "volumeClaimTemplates",
        "serviceName",
        "podManagementPolicy",
        "updateStrategy",
        "revisionHistoryLimit",
        "minReadySeconds",
        "ordinals",
    ];
    note_unused(spec, KNOWN, notes);
    let policies = [("OrderedReady", false), ("Parallel", true)];
    let policy = notes.choice(spec.get("podManagementPolicy"), "spec.podManagementPolicy", &policies);
    let (is_on_delete, rolling) = update_strategy(spec, version == APPS_V1BETA1, notes);
    let update = if is_on_delete {
        if let Some(rolling) = rolling {
            let message = "`spec.updateStrategy.rollingUpdate` has no place beside the type OnDelete";
            notes.refuse(Code::Contradiction, rolling.span, message);
        }
        StatefulSetUpdate::OnDelete
    } else {
        let of = |key| rolling.and_then(|rolling| rolling.get(key));
        let field = "spec.updateStrategy.rollingUpdate";
        let partition = notes.number_within(of("partition"), &format!("{field}.partition"), 0..=i32::MAX);
        let max_unavailable = count_or_percent(of("maxUnavailable"), &format!("{field}.maxUnavailable"), notes);
        let max_unavailable = max_unavailable.unwrap_or(CountOrPercent::Count(1));
        let place = rolling.unwrap_or(spec);
        not_above_all(max_unavailable, "maxUnavailable", place, notes);
        if is_zero(max_unavailable) {
            notes.refuse(Code::OutOfRange, place.span, format!("`{field}.maxUnavailable` cannot be 0"));
        }
        StatefulSetUpdate::RollingUpdate { partition: partition.unwrap_or(0).unsigned_abs(), max_unavailable }
    };
    let ordinals = notes.mapping(spec.get("ordinals"), "spec.ordinals");
    let start = ordinals.and_then(|ordinals| ordinals.get("start"));
    let first = notes.number_within(start, "spec.ordinals.start", 0..=REPLICAS_MAX);
    StatefulSetSpec {
        replicas: replicas(spec, notes),
        first_ordinal: first.unwrap_or(0).unsigned_abs(),
        min_ready: min_ready(spec, notes),
        is_parallel: policy.unwrap_or(false),
        update,
    }
}

pub(super) fn daemon_set(spec: &Tree, version: &str, notes: &mut Notes) -> DaemonSetSpec {
    const KNOWN: &[&str] =
        &["selector", "template", "updateStrategy", "minReadySeconds", "revisionHistoryLimit", "templateGeneration"];
    note_unused(spec, KNOWN, notes);
    let (is_on_delete, rolling) = update_strategy(spec, version == EXTENSIONS_V1BETA1, notes);
    let update = if is_on_delete {
        DaemonSetUpdate::OnDelete
    } else {
        let mut amount = |key: &str, default| {
            let tree = rolling.and_then(|rolling| rolling.get(key));
            let field = format!("spec.updateStrategy.rollingUpdate.{key}");
            count_or_percent(tree, &field, notes).unwrap_or(CountOrPercent::Count(default))
        };
        let (max_surge, max_unavailable) = (amount("maxSurge", 0), amount("maxUnavailable", 1));
        let place = rolling.unwrap_or(spec);
        not_above_all(max_surge, "maxSurge", place, notes);
        not_above_all(max_unavailable, "maxUnavailable", place, notes);
        if is_zero(max_surge) == is_zero(max_unavailable) {
            let message = "of `maxSurge` and `maxUnavailable` of a DaemonSet exactly one is not 0";
            let hint = "`maxUnavailable` is 1 where it is not given";
            notes.refuse_with_hint(Code::Contradiction, place.span, message, hint);
        }
        DaemonSetUpdate::RollingUpdate { max_surge, max_unavailable }
    };
    DaemonSetSpec { min_ready: min_ready(spec, notes), update }
}

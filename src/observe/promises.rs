//! Which promises a run broke, in one table: requests that failed or missed their objective, objectives that were broken over time,
//! pods that had to wait too long for a node, and evictions that disruption budgets would not have let happen.
//!
//! Cost: O(pods) once, at the end.

use std::collections::BTreeMap;

use super::losses::LossLog;
use super::{Recorder, bill};
use crate::ids::PodId;
use crate::results::{Column, Table};
use crate::units::{SimDuration, SimTime};
use crate::world::View;

/// Pods that wait longer for their first node than this are late: as long as a machine takes that is bought for them.
pub const LATE_AFTER: SimDuration = SimDuration(60_000_000_000);

/// A promise, and how far it was broken.
#[derive(Clone, Debug, PartialEq)]
pub struct Promise {
    /// What was promised.
    pub promise: &'static str,
    /// By whom or to whom: a source of requests, a service, or a workload with its namespace.
    pub subject: String,
    /// How much of it was broken.
    pub broken: f64,
    /// Of how much.
    pub of: f64,
    /// What these count.
    pub unit: &'static str,
}

/// What was promised in a run, and what came of it.
pub fn promises(view: &View<'_>, recorder: &Recorder) -> Vec<Promise> {
    let mut found = requests(recorder);
    found.extend(objectives(view, recorder));
    found.extend(placements(view));
    found.extend(recorder.losses.iter().flat_map(LossLog::budgets));
    found
}

/// How many pods waited longer than [`LATE_AFTER`] for a node, those that wait at the end too.
pub fn late_pods(view: &View<'_>) -> u64 {
    (0..view.world.pods.len()).filter(|&i| is_late(view, PodId::from_index(i))).count() as u64
}

/// `promises.csv`: a row a promise.
pub fn table(promises: &[Promise]) -> Table {
    let rows = || promises.iter();
    Table::new()
        .with("promise", Column::Text(rows().map(|one| one.promise).collect()))
        .with("subject", Column::Text(rows().map(|one| one.subject.as_str()).collect()))
        .with("broken", Column::Fixed(3, rows().map(|one| one.broken).collect()))
        .with("of", Column::Fixed(3, rows().map(|one| one.of).collect()))
        .with("unit", Column::Text(rows().map(|one| one.unit).collect()))
        .with("broken_pct", Column::Fixed(3, rows().map(|one| 100.0 * one.broken / one.of).collect()))
}

/// Requests of each source that did not end well, and those that missed their objective.
fn requests(recorder: &Recorder) -> Vec<Promise> {
    let figures = recorder.traffic.as_ref().and_then(|traffic| traffic.figures());
    let mut found = Vec::new();
    for source in figures.into_iter().flat_map(|figures| &figures.sources).filter(|source| source.fate.count > 0) {
        let (fate, of) = (&source.fate, source.fate.count as f64);
        let promise = |promise, broken| Promise { promise, subject: source.name.clone(), broken, of, unit: "requests" };
        found.push(promise("answered", fate.failed_ratio * of));
        if fate.objective.is_some() {
            found.push(promise("in objective", (1.0 - fate.good_ratio) * of));
        }
    }
    found
}

/// How long services that are scaled broke their objectives.
fn objectives(view: &View<'_>, recorder: &Recorder) -> Vec<Promise> {
    let targets = recorder.elasticity.iter().flat_map(|log| log.targets(&recorder.controllers, view.world.time));
    let kept = targets.filter_map(|target| {
        let violations = target.violations?;
        let subject = view.model.traffic.services[target.service.index()].name.clone();
        let (broken, of) = (violations.violated_s, violations.duration_s);
        Some(Promise { promise: "objective held", subject, broken, of, unit: "s" })
    });
    kept.collect()
}

/// Pods of each workload that were late.
fn placements(view: &View<'_>) -> Vec<Promise> {
    let mut workloads: BTreeMap<(&str, &str), [u64; 2]> = BTreeMap::new();
    for pod in (0..view.world.pods.len()).map(PodId::from_index) {
        let [late, all] = workloads.entry(bill::workload_of(view, pod)).or_default();
        (*late, *all) = (*late + u64::from(is_late(view, pod)), *all + 1);
    }
    let promise = |((namespace, workload), [late, all]): ((&str, &str), [u64; 2])| Promise {
        promise: "placed within 60 s",
        subject: format!("{namespace}/{workload}"),
        broken: late as f64,
        of: all as f64,
        unit: "pods",
    };
    workloads.into_iter().map(promise).collect()
}

fn is_late(view: &View<'_>, pod: PodId) -> bool {
    let pods = &view.world.pods;
    let end = pods.bound[pod.index()].min(pods.finished[pod.index()]).min(view.world.time);
    let arrival = pods.arrival[pod.index()];
    arrival != SimTime::NEVER && end > arrival.after(LATE_AFTER)
}

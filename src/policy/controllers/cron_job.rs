//! What the CronJob controller decides: when to make a Job, and which old ones go.
//!
//! Follows `pkg/controller/cronjob/{cronjob_controllerv2,utils}.go` of v1.37.0. [`sync`] is one `syncCronJob` with the
//! `cleanupFinishedJobs` that follows it. A Job is made 100 ms after its time at the earliest, since upstream looks again
//! so much later to be safe from clocks that are set back.
//!
//! Known deviations:
//! - Active are those of its Jobs that have not ended; upstream keeps a list of them, which can be behind.
//! - A schedule that never strikes is left alone; upstream reports it at every sync.
//!
//! Cost: O(j log j) for `j` Jobs, and for missed starts as many steps as the schedule is uneven.

use super::cron::{CronSchedule, WallClock};
use crate::ids::OwnerId;
use crate::model::controllers::{Concurrency, CronJobSpec};
use crate::units::{SimDuration, SimTime};

/// How much later than the schedule upstream looks again (`nextScheduleDelta`).
const SCHEDULE_DELTA: SimDuration = SimDuration(100_000_000);
/// More missed starts than this are worth a warning.
const MISSED_STARTS_MAX: i64 = 100;

/// A Job that a CronJob made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObservedJob {
    /// The Job.
    pub id: OwnerId,
    /// The time that it was made for.
    pub scheduled: SimTime,
    /// `status.startTime`.
    pub started: Option<SimTime>,
    /// Whether it is complete (`true`) or has failed; none: it has not ended.
    pub is_success: Option<bool>,
}

/// A CronJob as its controller sees it.
#[derive(Clone, Copy, Debug)]
pub struct ObservedCronJob<'a> {
    /// `spec`.
    pub spec: &'a CronJobSpec,
    /// `spec.schedule`.
    pub schedule: &'a CronSchedule,
    /// `metadata.creationTimestamp`.
    pub created: SimTime,
    /// `status.lastScheduleTime`.
    pub last_schedule: Option<SimTime>,
    /// Its Jobs that are there.
    pub jobs: &'a [ObservedJob],
}

/// What one sync brings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// A Job to make, for that time.
    pub create: Option<SimTime>,
    /// Jobs to delete with their pods, before the new one is made.
    pub delete: Vec<OwnerId>,
    /// The new `status.lastScheduleTime`.
    pub last_schedule: Option<SimTime>,
    /// Whether more than 100 starts were missed (event `TooManyMissedTimes`).
    pub has_missed_many: bool,
    /// When to look again, if nothing happens before.
    pub wake: Option<SimTime>,
}

/// Which starts lie behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Missed {
    /// From when on starts count, in seconds since 1970.
    earliest: i64,
    /// The last of them that is not in the future.
    latest: Option<i64>,
    /// How many were missed besides, about.
    count: i64,
}

/// One sync of a CronJob that is not being deleted.
pub fn sync(object: &ObservedCronJob<'_>, clock: WallClock, now: SimTime) -> Plan {
    let mut plan = Plan { last_schedule: object.last_schedule, ..Plan::default() };
    if !object.spec.is_suspended {
        schedule(object, clock, now, &mut plan);
    }
    clean_up(object, &mut plan.delete);
    plan
}

/// `syncCronJob`, as far as it is about the schedule.
fn schedule(object: &ObservedCronJob<'_>, clock: WallClock, now: SimTime, plan: &mut Plan) {
    let Some(missed) = missed_starts(object, clock, now, true) else { return };
    if let Some(latest) = missed.latest {
        plan.has_missed_many = missed.count > MISSED_STARTS_MAX;
        let at = clock.time(latest);
        let is_late = object.spec.starting_deadline.is_some_and(|deadline| at.after(deadline) < now);
        let is_done = plan.last_schedule == Some(at) || object.jobs.iter().any(|job| job.scheduled == at);
        let active = object.jobs.iter().filter(|job| job.is_success.is_none());
        let is_forbidden = object.spec.concurrency == Concurrency::Forbid && active.clone().next().is_some();
        if !is_late && !is_done && !is_forbidden {
            if object.spec.concurrency == Concurrency::Replace {
                plan.delete.extend(active.map(|job| job.id));
            }
            (plan.create, plan.last_schedule) = (Some(at), Some(at));
        }
    }
    plan.wake = next_look(&ObservedCronJob { last_schedule: plan.last_schedule, ..*object }, clock, now);
}

/// `nextScheduleTimeDuration`: when the schedule strikes next, and 100 ms.
fn next_look(object: &ObservedCronJob<'_>, clock: WallClock, now: SimTime) -> Option<SimTime> {
    let now_seconds = clock.unix_seconds(now);
    let from = match missed_starts(object, clock, now, false) {
        Some(Missed { latest: Some(latest), .. }) => latest,
        Some(Missed { earliest, count: 0, .. }) => earliest,
        _ => now_seconds,
    };
    let next = clock.time(object.schedule.next_after(from)?);
    Some(next.after(SCHEDULE_DELTA).max(now))
}

/// `mostRecentScheduleTime`; none: the schedule strikes at most once, and then never again.
fn missed_starts(
    object: &ObservedCronJob<'_>,
    clock: WallClock,
    now: SimTime,
    is_limited_by_deadline: bool,
) -> Option<Missed> {
    let now_seconds = clock.unix_seconds(now);
    let mut earliest = clock.unix_seconds(object.last_schedule.unwrap_or(object.created));
    if is_limited_by_deadline && let Some(deadline) = object.spec.starting_deadline {
        earliest = earliest.max(now_seconds - (deadline.0 / 1_000_000_000) as i64);
    }
    let first = object.schedule.next_after(earliest)?;
    if now_seconds < first {
        return Some(Missed { earliest, latest: None, count: 0 });
    }
    let second = object.schedule.next_after(first)?;
    if now_seconds < second {
        return Some(Missed { earliest, latest: Some(first), count: 0 });
    }
    // The schedule is taken to be even, and followed from shortly before the last start that it would have then.
    let period = second - first;
    let count = (now_seconds - first) / period + 1;
    let mut latest = None;
    let mut next = object.schedule.next_after(first + (count - 2) * period);
    while let Some(at) = next.filter(|&at| at <= now_seconds) {
        latest = Some(at);
        next = object.schedule.next_after(at);
    }
    Some(Missed { earliest, latest, count })
}

/// `cleanupFinishedJobs`: the oldest Jobs beyond the history limits go.
fn clean_up(object: &ObservedCronJob<'_>, delete: &mut Vec<OwnerId>) {
    let limits = [(true, object.spec.successful_history_limit), (false, object.spec.failed_history_limit)];
    for (is_success, limit) in limits {
        let mut jobs: Vec<&ObservedJob> = object.jobs.iter().filter(|job| job.is_success == Some(is_success)).collect();
        jobs.sort_by_key(|job| (job.started.is_none(), job.started, job.id));
        let surplus = jobs.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        delete.extend(jobs.iter().take(surplus).map(|job| job.id));
    }
}

#[cfg(test)]
mod tests;

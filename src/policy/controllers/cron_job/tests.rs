//! Tables of `utils_test.go` and `cronjob_controllerv2_test.go` of v1.37.0: hours around 10:00 on Thursday, May 19, 2016.

use super::*;
use crate::model::controllers::JobSpec;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
/// 2016-05-19 is day 16,940; the run begins at 8:00, so that 10:00 is two hours in.
const CLOCK: WallClock = WallClock { start_unix_seconds: 16_940 * 86_400 + 8 * 3600 };
/// 10:00.
const TOP: u64 = 2 * HOUR;

fn spec(schedule: &str) -> CronJobSpec {
    CronJobSpec {
        schedule: schedule.to_owned(),
        starting_deadline: None,
        concurrency: Concurrency::Allow,
        is_suspended: false,
        successful_history_limit: 3,
        failed_history_limit: 1,
        job: JobSpec {
            parallelism: 1,
            completions: Some(1),
            is_indexed: false,
            backoff_limit: 6,
            backoff_limit_per_index: None,
            max_failed_indexes: None,
            active_deadline: None,
            ttl_after_finished: None,
            failure_rules: vec![],
            replaces_only_failed: false,
            is_suspended: false,
        },
    }
}

fn deadline(seconds: u64) -> Option<SimDuration> {
    Some(SimDuration(seconds * SECOND))
}

fn with<R>(
    spec: &CronJobSpec,
    created: u64,
    last: Option<u64>,
    jobs: &[ObservedJob],
    part: impl FnOnce(&ObservedCronJob<'_>) -> R,
) -> R {
    let schedule = CronSchedule::parse(&spec.schedule).expect("a schedule");
    part(&ObservedCronJob {
        spec,
        schedule: &schedule,
        created: SimTime(created),
        last_schedule: last.map(SimTime),
        jobs,
    })
}

#[test]
fn missed_starts_are_upstreams() {
    // schedule, deadline, created, last; now; earliest, latest, at least so many missed. In ns after 10:00.
    let complex = "30 6-16/4 * * 1-5";
    type Row = (&'static str, Option<u64>, u64, Option<u64>, u64, u64, Option<u64>, i64);
    let rows: Vec<Row> = vec![
        ("0 * * * *", None, TOP, None, 30 * SECOND, 0, None, 0),
        ("0 * * * *", None, TOP, None, 61 * MINUTE, 0, Some(HOUR), 0),
        ("0 * * * *", None, TOP + 10 * SECOND, None, 301 * MINUTE, 10 * SECOND, Some(5 * HOUR), 5),
        // 14:30, 6:30 and 10:30: at periods of 16 h from 14:30 on, 20 h fit once.
        (complex, None, TOP, Some(30 * MINUTE), 24 * HOUR + 31 * MINUTE, 30 * MINUTE, Some(24 * HOUR + 30 * MINUTE), 2),
        // 11:30 and 12:30 are an hour apart; an hour and two before Friday, 16:30, nothing strikes.
        ("30 10,11,12 * * 1-5", None, TOP, Some(30 * MINUTE), 30 * HOUR + 30 * MINUTE, 30 * MINUTE, None, 30),
        (complex, None, TOP, Some(30 * MINUTE), 96 * HOUR + 31 * MINUTE, 30 * MINUTE, Some(96 * HOUR + 30 * MINUTE), 6),
        (complex, None, TOP, None, 24 * HOUR + 31 * MINUTE, 0, Some(24 * HOUR + 30 * MINUTE), 7),
        ("@every 1h", None, HOUR + MINUTE, Some(MINUTE), 168 * HOUR, MINUTE, Some(167 * HOUR + MINUTE), 167),
        ("0 * * * *", None, TOP, Some(0), 30 * SECOND, 0, None, 0),
        ("*/5 * * * *", None, TOP, Some(30 * MINUTE), 31 * MINUTE, 30 * MINUTE, None, 0),
        ("*/5 * * * *", Some(60), TOP, Some(30 * MINUTE), 31 * MINUTE, 30 * MINUTE, None, 0),
        // Earlier than the deadline allows: from 10:31 on.
        ("*/5 * * * *", Some(60), TOP, Some(30 * MINUTE), 32 * MINUTE, 31 * MINUTE, None, 0),
    ];
    for (schedule, seconds, created, last, now, earliest, latest, count) in rows {
        let spec = CronJobSpec { starting_deadline: seconds.and_then(deadline), ..spec(schedule) };
        let found = with(&spec, created, last.map(|last| TOP + last), &[], |object| {
            missed_starts(object, CLOCK, SimTime(TOP + now), true).expect("a schedule that strikes")
        });
        assert_eq!(CLOCK.time(found.earliest), SimTime(TOP + earliest), "{schedule} at {now}");
        assert_eq!(found.latest.map(|at| CLOCK.time(at)), latest.map(|at| SimTime(TOP + at)), "{schedule} at {now}");
        assert_eq!(found.count, count, "{schedule} at {now}");
    }
    let never =
        with(&spec("59 23 31 2 *"), TOP, None, &[], |object| missed_starts(object, CLOCK, SimTime(TOP + HOUR), true));
    assert_eq!(never, None);
}

#[test]
fn it_looks_again_100_ms_after_the_next_start() {
    // schedule, last; now; so much later. In ns after 10:00.
    let rows = [
        ("30 6-16/4 * * 1-5", Some(30 * MINUTE), 24 * HOUR + 31 * MINUTE, 3 * HOUR + 59 * MINUTE),
        ("30 10,11,12 * * 1-5", Some(30 * MINUTE), 30 * HOUR + 30 * MINUTE, 66 * HOUR),
        ("0 12 * * 4", Some(2 * HOUR), 19 * 24 * HOUR + HOUR + 30 * MINUTE, 48 * HOUR + 30 * MINUTE),
        ("0 12 * * 5", None, 6 * HOUR, 20 * HOUR),
    ];
    for (schedule, last, now, later) in rows {
        let now = SimTime(TOP + now);
        let found =
            with(&spec(schedule), TOP, last.map(|last| TOP + last), &[], |object| next_look(object, CLOCK, now));
        assert_eq!(found, Some(SimTime(now.0 + later).after(SCHEDULE_DELTA)), "{schedule}");
    }
}

fn job(id: u32, scheduled: u64, is_success: Option<bool>) -> ObservedJob {
    ObservedJob { id: OwnerId(id), scheduled: SimTime(scheduled), started: Some(SimTime(scheduled)), is_success }
}

#[test]
fn jobs_are_made_as_upstream_makes_them() {
    use Concurrency::{Allow, Forbid, Replace};
    let hourly = "0 * * * ?";
    let (before, after) = (TOP - MINUTE, TOP + MINUTE);
    // A Job of 9:00 that runs, and one that is done.
    let (running, done) = (job(7, HOUR, None), job(7, HOUR, Some(true)));
    let week_later = TOP + 7 * 24 * HOUR;
    // policy, suspended, deadline in s, last Job, now; made for, deleted, whether it looks again
    type Row = (Concurrency, bool, Option<u64>, Option<ObservedJob>, u64, Option<u64>, Vec<u32>, bool);
    let rows: Vec<Row> = vec![
        // Never ran, created at 9:59.
        (Allow, false, None, None, before, None, vec![], true),
        (Forbid, false, None, None, before, None, vec![], true),
        (Allow, true, None, None, after, None, vec![], false),
        // 10:01 is 60 s late.
        (Allow, false, Some(10), None, after, None, vec![], true),
        (Allow, false, Some(7200), None, after, Some(TOP), vec![], true),
        (Allow, false, None, None, after, Some(TOP), vec![], true),
        (Replace, false, None, None, after, Some(TOP), vec![], true),
        // Ran at 9:00 and is done.
        (Forbid, false, None, Some(done), after, Some(TOP), vec![], true),
        (Forbid, false, None, Some(done), before, None, vec![], true),
        // Ran at 9:00 and still runs.
        (Allow, false, None, Some(running), after, Some(TOP), vec![], true),
        (Forbid, false, None, Some(running), after, None, vec![], true),
        (Replace, false, None, Some(running), after, Some(TOP), vec![7], true),
        (Replace, false, Some(10), Some(running), after, None, vec![], true),
        (Replace, true, None, Some(running), after, None, vec![], false),
        // A week later the last start is made up for, and the others are not.
        (Allow, false, None, Some(done), week_later, Some(week_later), vec![], true),
        (Allow, false, Some(10), Some(done), week_later, Some(week_later), vec![], true),
        (Forbid, false, None, Some(running), week_later, None, vec![], true),
    ];
    for (concurrency, is_suspended, seconds, last, now, made, deleted, looks_again) in rows {
        let starting_deadline = seconds.and_then(deadline);
        let spec = CronJobSpec { concurrency, is_suspended, starting_deadline, ..spec(hourly) };
        let jobs: Vec<ObservedJob> = last.into_iter().collect();
        let last_schedule = last.map(|last| last.scheduled.0);
        let plan = with(&spec, before, last_schedule, &jobs, |object| sync(object, CLOCK, SimTime(now)));
        let label = format!("{concurrency:?} {is_suspended} {seconds:?} {last:?} at {now}");
        assert_eq!(plan.create, made.map(SimTime), "{label}");
        assert_eq!(plan.delete, deleted.into_iter().map(OwnerId).collect::<Vec<_>>(), "{label}");
        assert_eq!(plan.last_schedule, made.or(last_schedule).map(SimTime), "{label}");
        // To the next full hour and 100 ms.
        let next = SimTime((now / HOUR + 1) * HOUR).after(SCHEDULE_DELTA);
        assert_eq!(plan.wake, looks_again.then_some(next), "{label}");
    }
}

#[test]
fn a_start_is_made_once() {
    let spec = spec("0 * * * ?");
    let now = SimTime(TOP + 2 * MINUTE);
    let plan = with(&spec, TOP - MINUTE, Some(TOP), &[job(1, TOP, None)], |object| sync(object, CLOCK, now));
    assert_eq!((plan.create, plan.last_schedule), (None, Some(SimTime(TOP))));
    // Even where the status did not keep it.
    let plan = with(&spec, TOP - MINUTE, None, &[job(1, TOP, None)], |object| sync(object, CLOCK, now));
    assert_eq!(plan.create, None);
}

#[test]
fn more_than_100_missed_starts_are_told() {
    let spec = spec("* * * * *");
    // Starts at each full minute from 1 to 101 after the creation, and the last is made.
    for (minutes, told) in [(100, false), (101, true)] {
        let now = SimTime(TOP + minutes * MINUTE);
        let plan = with(&spec, TOP, None, &[], |object| sync(object, CLOCK, now));
        assert_eq!((plan.create, plan.has_missed_many), (Some(now), told), "{minutes}");
    }
}

#[test]
fn the_oldest_jobs_beyond_the_limits_go() {
    let spec = CronJobSpec { is_suspended: true, successful_history_limit: 2, ..spec("0 * * * *") };
    let unstarted = ObservedJob { started: None, ..job(9, 1, Some(false)) };
    let jobs = [
        job(1, 40, Some(true)),
        job(2, 10, Some(true)),
        job(3, 30, Some(false)),
        job(4, 20, Some(true)),
        job(5, 5, None),
        job(6, 20, Some(true)),
        unstarted,
    ];
    let plan = with(&spec, 0, None, &jobs, |object| sync(object, CLOCK, SimTime(TOP)));
    // Of 4 that succeeded (by start: 2, 4, 6, 1) two stay; of 2 that failed the one that never started counts as newest.
    assert_eq!(plan.delete, vec![OwnerId(2), OwnerId(4), OwnerId(3)]);
}

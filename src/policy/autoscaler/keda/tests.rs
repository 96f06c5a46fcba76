use super::cron::{CronTrigger, CronTriggerError};
use super::fallback::{Fallback, FallbackBehavior, Health, Outcome};
use super::scaled_job::{Calculation, Demand, Jobs, ScaledJob, ScalingStrategy, TriggerDemand};
use super::scaled_object::{Activity, Polled, ScaledObject, Status};
use super::trigger::{
    KafkaTrigger, Milli, PartitionLag, QueryTrigger, QueueOperation, RabbitMqMode, RabbitMqQueue, RabbitMqTrigger,
    Reading, SqsQueue, SqsTrigger, Target,
};
use crate::units::{SimDuration, SimTime};

fn at(seconds: u64) -> SimTime {
    SimTime(seconds * 1_000_000_000)
}

#[test]
fn metrics_are_rounded_half_to_even_to_thousandths() {
    // 0.0625 and 0.1875 lie in the middle exactly; 1.0005 is a little below as a binary number.
    for (value, milli) in [(0.0625, 62), (0.1875, 188), (1.0005, 1000), (2.0, 2000), (-1.0, 0), (f64::NAN, 0)] {
        assert_eq!(Milli::of(value), Milli(milli), "{value}");
    }
    assert_eq!(Milli::of(1e300), Milli(u64::MAX));
}

#[test]
fn queues_of_sqs_count_what_is_worked_on() {
    let queue = SqsQueue { visible: 7, in_flight: 3, delayed: 5 };
    let read = |trigger: SqsTrigger| trigger.read(&queue).metric;
    assert_eq!(read(SqsTrigger::default()), Milli(10_000));
    assert_eq!(read(SqsTrigger { scale_on_in_flight: false, ..SqsTrigger::default() }), Milli(7_000));
    assert_eq!(read(SqsTrigger { scale_on_delayed: true, ..SqsTrigger::default() }), Milli(15_000));
    // Active above the threshold, not at it.
    let at_threshold = SqsTrigger { activation_queue_length: 10, ..SqsTrigger::default() };
    assert!(!at_threshold.read(&queue).is_active);
    assert_eq!(SqsTrigger::default().target(), Target::AverageValue(Milli(5_000)));
}

#[test]
fn queues_of_rabbitmq_are_measured_in_several_ways() {
    let queue = RabbitMqQueue { messages: 40, ready: 30, publish_rate: 6.0, deliver_rate: 4.0 };
    let stands = RabbitMqQueue { deliver_rate: 0.0, ..queue };
    let empty = RabbitMqQueue { messages: 0, publish_rate: 0.0, ..stands };
    // Columns: mode; metric and activity of the queue, of one that stands still, and of one that is empty, at threshold 2.
    let rows = [
        (RabbitMqMode::QueueLength, (40_000, true), (40_000, true), (0, false)),
        // Messages that are there activate, too.
        (RabbitMqMode::MessageRate, (6_000, true), (6_000, true), (0, false)),
        (RabbitMqMode::DeliverGetRate, (4_000, true), (0, false), (0, false)),
        // 6 / 4; what stands still has the threshold and is active.
        (RabbitMqMode::PublishedToDeliveredRatio, (1_500, false), (2_000, true), (0, false)),
        // (6 - 4) / 4 + 40 / 4
        (RabbitMqMode::ExpectedQueueConsumptionTime, (10_500, true), (2_000, true), (0, false)),
    ];
    for (mode, moving, still, none) in rows {
        let trigger = RabbitMqTrigger { mode, activation_value: 2.0, ..RabbitMqTrigger::default() };
        let read = |queue| {
            let reading = trigger.read(queue);
            (reading.metric.0, reading.is_active)
        };
        assert_eq!([read(&queue), read(&stands), read(&empty)], [moving, still, none], "{mode:?}");
    }
    let trigger = RabbitMqTrigger { exclude_unacknowledged: true, ..RabbitMqTrigger::default() };
    assert_eq!(trigger.read(&queue).metric, Milli(30_000));
    // Means of counts are cut: (40 + 1) / 2.
    let other = RabbitMqQueue { messages: 1, ..RabbitMqQueue::default() };
    let together = |operation| RabbitMqQueue::together(&[queue, other], operation).messages;
    let operations = [QueueOperation::Sum, QueueOperation::Average, QueueOperation::Maximum];
    assert_eq!(operations.map(together), [41, 20, 40]);
}

#[test]
fn lag_is_bounded_by_partitions() {
    let read = |trigger: KafkaTrigger, lags: &[u64]| {
        let partitions: Vec<PartitionLag> =
            lags.iter().map(|&lag| PartitionLag { lag, lag_with_persistent: lag }).collect();
        trigger.read(&partitions).metric.0 / 1000
    };
    let plain = KafkaTrigger::default();
    // 95 of lag at 10 each would be nine replicas; there are three partitions.
    assert_eq!(read(plain, &[50, 45, 0]), 30);
    assert_eq!(read(KafkaTrigger { allow_idle_consumers: true, ..plain }, &[50, 45, 0]), 95);
    assert_eq!(read(KafkaTrigger { limit_to_partitions_with_lag: true, ..plain }, &[50, 45, 0]), 20);
    assert_eq!(read(plain, &[5, 5, 5]), 15);
    // Upstream's table: of 100 partitions at 10 each, the next divisor of 100 for a lag.
    let even = KafkaTrigger { ensure_even_distribution: true, ..plain };
    for (lag, factor) in [(10, 1), (20, 2), (40, 4), (50, 5), (99, 10), (100, 10), (101, 20)] {
        let mut lags = [0; 100];
        lags[0] = lag;
        assert_eq!(read(even, &lags), factor * 10, "{lag}");
    }
    // A consumer that stands still is active, and wants no replicas.
    let stuck = plain.read(&[PartitionLag { lag: 0, lag_with_persistent: 9 }]);
    assert_eq!(stuck, Reading { metric: Milli(0), is_active: true });
}

#[test]
fn queries_without_a_result_count_as_nothing_or_fail() {
    let trigger = QueryTrigger { activation_threshold: 5.0, ..QueryTrigger::new(100.0) };
    assert_eq!(trigger.read(Some(5.0)), Some(Reading { metric: Milli(5_000), is_active: false }));
    assert_eq!(trigger.read(Some(5.1)), Some(Reading { metric: Milli(5_100), is_active: true }));
    assert_eq!(trigger.read(None).map(|reading| reading.metric), Some(Milli(0)));
    let strict = QueryTrigger { ignore_null_values: false, ..trigger };
    assert_eq!(strict.read(Some(f64::INFINITY)), None);
}

#[test]
fn schedules_hold_from_start_to_end() {
    const HOUR: i64 = 3600;
    // 1970-01-01 was a Thursday. Upstream's examples: Thursdays, and every even hour.
    let thursday = CronTrigger::new("0 0 * * Thu", "59 23 * * Thu", "Etc/UTC", 10).expect("it is good");
    assert!(thursday.read(12 * HOUR).is_active);
    assert!(!thursday.read(36 * HOUR).is_active);
    assert_eq!(thursday.read(7 * 24 * HOUR), Reading { metric: Milli(10_000), is_active: true });
    let even = CronTrigger::new("0 */2 * * *", "0 1-23/2 * * *", "UTC", 3).expect("it is good");
    for hour in 0..24 {
        assert_eq!(even.read(hour * HOUR + 60).is_active, hour % 2 == 0, "{hour}");
    }
    // 22:00 to 06:00 two hours before UTC is 20:00 to 04:00.
    let night = CronTrigger::new("0 22 * * *", "0 6 * * *", "Etc/GMT-2", 1).expect("it is good");
    let active: Vec<i64> = (0..24).filter(|hour| night.read(hour * HOUR + 1).is_active).collect();
    assert_eq!(active, [0, 1, 2, 3, 20, 21, 22, 23]);
    let half = CronTrigger::new("30 5 * * *", "30 6 * * *", "+05:30", 1).expect("it is good");
    assert!(half.read(1).is_active && !half.read(HOUR + 1).is_active);
}

#[test]
fn schedules_that_are_wrong_are_refused() {
    let refused = |start, end, zone, replicas| match CronTrigger::new(start, end, zone, replicas) {
        Ok(_) => 0,
        Err(problems) => problems.len(),
    };
    assert_eq!(refused("-30 * * * *", "45 * * * *", "UTC", 10), 1);
    assert_eq!(refused("30 * * * *", "50 * * -3 *", "UTC", 10), 1);
    assert_eq!(refused("30 * * * *", "30 * * * *", "Moon/Tycho", 0), 3);
    assert_eq!(refused("30-33 * * * *", "45 * * * *", "UTC", 10), 0);
    let word = CronTrigger::new("@daily", "0 1 * * *", "UTC", 1).expect_err("upstream reads five fields");
    assert_eq!(word, [CronTriggerError::Word("@daily".to_owned())]);
}

#[test]
fn a_failing_trigger_falls_back_after_its_threshold() {
    let target = Target::AverageValue(Milli(10_000));
    let fallback = Fallback { failure_threshold: 3, replicas: 10, ..Fallback::default() };
    let mut health = Health::default();
    let mut fail = || health.observe(Some(&fallback), None, target, 5, 5);
    for _ in 0..3 {
        assert_eq!(fail(), Outcome { metric: None, is_active: false, is_error: true, is_fallback: false });
    }
    // Upstream's example: the fourth failure gives 10 replicas of 10 each.
    let expected = Outcome { metric: Some(Milli(100_000)), is_active: true, is_error: false, is_fallback: true };
    assert_eq!(fail(), expected);
    let good = Some(Reading { metric: Milli(1), is_active: false });
    health.observe(Some(&fallback), good, target, 5, 5);
    assert_eq!(health.failures, 0);
    assert!(health.observe(None, None, target, 5, 5).is_error);
    assert_eq!(health.failures, 0, "without a fallback nobody counts");
}

#[test]
fn fallbacks_know_how_many_replicas_there_are() {
    let target = Target::AverageValue(Milli(10_000));
    let metric = |behavior, replicas| {
        let fallback = Fallback { failure_threshold: 0, replicas: 10, behavior };
        fallback.metric(target, replicas, replicas).map(|milli| milli.0 / 10_000)
    };
    // Replicas that the HPA is to have, with 7 and with 15 there.
    let rows = [
        (FallbackBehavior::Static, 10, 10),
        (FallbackBehavior::CurrentReplicas, 7, 15),
        (FallbackBehavior::CurrentReplicasIfHigher, 10, 15),
        (FallbackBehavior::CurrentReplicasIfLower, 7, 10),
    ];
    for (behavior, few, many) in rows {
        assert_eq!([metric(behavior, 7), metric(behavior, 15)], [Some(few), Some(many)], "{behavior:?}");
    }
    // A target for all: the HPA multiplies by the replicas that are ready. 10 / 4 of it.
    let fallback = Fallback { replicas: 10, ..Fallback::default() };
    assert_eq!(fallback.metric(Target::Value(Milli(10_000)), 4, 4), Some(Milli(25_000)));
    assert_eq!(fallback.metric(Target::Value(Milli(10_000)), 4, 0), None);
}

const ACTIVE: Polled = Polled { is_active: true, is_error: false, is_fallback: false };
const QUIET: Polled = Polled { is_active: false, is_error: false, is_fallback: false };
const BROKEN: Polled = Polled { is_active: false, is_error: true, is_fallback: false };

#[test]
fn objects_move_between_zero_idle_and_minimum() {
    let plain = ScaledObject::default();
    let min = ScaledObject { min_replica_count: Some(5), ..plain };
    let idle = ScaledObject { idle_replica_count: Some(0), ..min };
    let fallback = ScaledObject { fallback: Some(Fallback { replicas: 3, ..Fallback::default() }), ..plain };
    let no_fallback = ScaledObject { fallback: Some(Fallback::default()), ..plain };
    // Columns: object, what a poll says, replicas there; replicas to write. None has been active for an hour.
    let rows = [
        (plain, ACTIVE, 0, Some(1)),
        (plain, ACTIVE, 4, None),
        (plain, QUIET, 10, Some(0)),
        (plain, QUIET, 0, None),
        (min, ACTIVE, 0, Some(5)),
        // Above zero the HPA holds the minimum.
        (min, ACTIVE, 1, None),
        (min, QUIET, 10, None),
        (min, QUIET, 2, Some(5)),
        (idle, ACTIVE, 1, Some(5)),
        (idle, ACTIVE, 5, None),
        (idle, QUIET, 5, Some(0)),
        (idle, QUIET, 0, None),
        // Who does not know leaves things as they are, unless the fallback is zero.
        (plain, BROKEN, 10, None),
        (fallback, BROKEN, 10, None),
        (no_fallback, BROKEN, 10, Some(0)),
    ];
    for (number, (object, polled, replicas, written)) in rows.into_iter().enumerate() {
        let mut status = Status { created: at(0), last_active: Some(at(100)) };
        let said = object.decide(&mut status, polled, replicas, at(3700));
        assert_eq!(said.replicas, written, "row {number}");
    }
}

#[test]
fn zero_comes_after_the_cooldown() {
    let object = ScaledObject { initial_cooldown_period: SimDuration(60_000_000_000), ..ScaledObject::default() };
    let mut status = Status { created: at(0), last_active: None };
    let mut poll = |polled, replicas, second| object.decide(&mut status, polled, replicas, at(second));
    // Never active: the initial cooldown, not at its end but after.
    assert_eq!(poll(QUIET, 1, 60).activity, Activity::Cooldown);
    assert_eq!(poll(QUIET, 1, 61).replicas, Some(0));
    assert_eq!(poll(ACTIVE, 0, 90).replicas, Some(1));
    assert_eq!(poll(ACTIVE, 3, 120).replicas, None);
    assert_eq!(poll(QUIET, 3, 420).activity, Activity::Cooldown);
    assert_eq!(poll(QUIET, 3, 421).replicas, Some(0));
    // A failure beside an active trigger does not count as activity.
    assert_eq!(poll(Polled { is_error: true, ..ACTIVE }, 3, 430).replicas, None);
    assert_eq!(poll(QUIET, 3, 431).replicas, Some(0));
}

#[test]
fn objects_tell_what_is_wrong_and_what_the_hpa_gets() {
    let object = ScaledObject::default();
    assert_eq!(object.hpa_bounds(), (1, 100));
    assert!(object.problems().is_empty());
    let wrong =
        ScaledObject { min_replica_count: Some(9), max_replica_count: Some(3), idle_replica_count: Some(9), ..object };
    assert_eq!(wrong.problems().len(), 2);
    // Triggers on CPU alone keep an object active, unless they fail.
    assert!(Polled::of(&[], true).is_active);
    assert!(!Polled::of(&[], false).is_active);
}

#[test]
fn strategies_follow_upstreams_tables() {
    let custom = |deduction, percentage| ScalingStrategy::named("custom", Some(deduction), percentage);
    let accurate = ScalingStrategy::named("accurate", None, "");
    let eager = ScalingStrategy::named("eager", None, "");
    // Columns: strategy; jobs asked for, running, pending, most; jobs to make at most.
    let rows: [(ScalingStrategy, [i64; 4], i64); 20] = [
        (ScalingStrategy::Default, [3, 2, 0, 5], 1),
        (ScalingStrategy::Default, [2, 0, 0, 5], 2),
        // 3 - 1 - 0.5 * 2
        (custom(1, "0.5"), [3, 2, 0, 5], 1),
        (custom(1, "0.5"), [10, 0, 0, 10], 9),
        (custom(2, "0"), [3, 2, 0, 5], 1),
        // 3 + 2, at most 4.
        (custom(-2, "0"), [3, 2, 0, 4], 4),
        // A percentage that is no number means the default strategy.
        (custom(1, ""), [3, 2, 0, 5], 1),
        (accurate, [3, 2, 0, 5], 3),
        (accurate, [5, 2, 0, 5], 3),
        (accurate, [3, 4, 2, 10], 1),
        (accurate, [5, 4, 2, 5], 1),
        (accurate, [3, 3, 3, 5], 0),
        (accurate, [15, 15, 15, 20], 0),
        (accurate, [10, 10, 10, 15], 0),
        (accurate, [20, 15, 10, 20], 5),
        (eager, [4, 3, 0, 10], 4),
        (eager, [4, 0, 3, 10], 4),
        (eager, [4, 7, 0, 10], 3),
        (eager, [4, 1, 6, 10], 3),
        (eager, [15, 0, 0, 10], 10),
    ];
    for (number, (strategy, [max_scale, running, pending, jobs_max], expected)) in rows.into_iter().enumerate() {
        let demand = Demand { max_scale, queue_length: 1 };
        let (most, asked) = strategy.effective_max(demand, Jobs { running, pending }, jobs_max);
        let all = if strategy == ScalingStrategy::Eager { jobs_max } else { 1 };
        assert_eq!((most, asked), (expected, all), "row {number}");
    }
}

#[test]
fn triggers_of_jobs_are_taken_together() {
    // Upstream's table: queues of 20, 10, 5 and 7 at 1, 2, 3 and 4 a job; the last is not active.
    let demands = |max: i64| {
        [(20, 1, true), (10, 2, true), (5, 3, true), (7, 4, false)].map(|(length, each, is_active)| {
            TriggerDemand::of(Reading { metric: Milli(length * 1000), is_active }, Milli(each * 1000), max)
        })
    };
    // Calculation, most jobs; what waits, jobs for it. 35 / 3 = 11.7; (20 + 5 + 5 / 3) / 3 = 8.9; 20 + 5 + 5 / 3 = 26.7.
    let rows =
        [("max", 100, 20, 20), ("min", 100, 5, 2), ("avg", 100, 12, 9), ("sum", 100, 35, 27), ("sum", 25, 35, 25)];
    for (name, max, queue_length, max_scale) in rows {
        let calculation = Calculation::named(name);
        let job = ScaledJob { max_replica_count: Some(max), calculation, ..ScaledJob::default() };
        let expected = (Demand { max_scale, queue_length }, true);
        assert_eq!(job.demand(&demands(i64::from(max))), expected, "{name}");
    }
}

#[test]
fn jobs_are_made_up_to_their_minimum_first() {
    let job = |min, max| ScaledJob { min_replica_count: min, max_replica_count: max, ..ScaledJob::default() };
    // The minimum counts apart from the rest; one of more than the maximum is the maximum.
    let bounds = [job(None, None), job(Some(2), Some(10)), job(Some(9), Some(4))].map(|j| (j.jobs_min(), j.jobs_max()));
    assert_eq!(bounds, [(0, 100), (2, 8), (4, 4)]);
    let least = job(Some(2), None);
    assert_eq!(least.jobs_to_make(&[], Jobs::default()), 2);
    assert_eq!(least.jobs_to_make(&[], Jobs { running: 1, pending: 0 }), 1);
    assert_eq!(least.jobs_to_make(&[], Jobs { running: 2, pending: 0 }), 0);
    // 7 wait at one a job; three run, of which one is the minimum's.
    let waits = TriggerDemand { queue_length: 7.0, max_value: 7.0, is_active: true };
    assert_eq!(job(Some(1), None).jobs_to_make(&[waits], Jobs { running: 3, pending: 0 }), 5);
    let quiet = TriggerDemand { is_active: false, ..waits };
    assert_eq!(job(None, None).jobs_to_make(&[quiet], Jobs::default()), 0);
}

//! Tables of `job_controller_test.go`, `backoff_utils_test.go`, `indexed_job_utils_test.go` and
//! `pod_failure_policy_test.go` of v1.37.0.

use super::*;
use crate::ids::{NodeId, RevisionId};
use crate::model::controllers::PodFailureRule;

const SECOND: u64 = 1_000_000_000;
const NOW: SimTime = SimTime(10_000 * SECOND);

fn at(seconds: u64) -> SimTime {
    SimTime(seconds * SECOND)
}

fn spec(parallelism: i32, completions: Option<i32>, backoff_limit: i32) -> JobSpec {
    JobSpec {
        parallelism,
        completions,
        is_indexed: false,
        backoff_limit,
        backoff_limit_per_index: None,
        max_failed_indexes: None,
        active_deadline: None,
        ttl_after_finished: None,
        failure_rules: vec![],
        replaces_only_failed: false,
        is_suspended: false,
    }
}

fn indexed(parallelism: i32, completions: i32, backoff_limit: i32) -> JobSpec {
    JobSpec { is_indexed: true, ..spec(parallelism, Some(completions), backoff_limit) }
}

/// A pod that ended, if it did, long ago.
fn pod(id: u32, index: u32, phase: PodPhase) -> JobPod {
    let pod = ObservedPod {
        id: PodId(id),
        created: at(0),
        phase,
        node: Some(NodeId(0)),
        ready_since: None,
        is_terminating: false,
        revision: RevisionId(0),
        ordinal: index,
        restarts: 0,
        sidecar_restarts: 0,
        deletion_cost: 0,
    };
    JobPod {
        pod,
        is_counted: false,
        finished: at(1),
        exit_codes: vec![],
        is_disrupted: false,
        restarts_total: 0,
        index_failures: (0, 0),
    }
}

/// Pods by a word: `p`ending, `r`unning, `R`unning and ready, `s`ucceeded, `f`ailed, `t`erminating; a number after the
/// letter is the index.
fn pods(text: &str) -> Vec<JobPod> {
    let made = |(id, word): (u32, &str)| {
        let (letter, index) = word.split_at(1);
        let phase = match letter {
            "p" => PodPhase::Pending,
            "s" => PodPhase::Succeeded,
            "f" => PodPhase::Failed,
            _ => PodPhase::Running,
        };
        let mut made = pod(id, index.parse().unwrap_or(0), phase);
        made.pod.ready_since = (letter == "R").then_some(at(2));
        made.pod.is_terminating = letter == "t";
        made
    };
    (0..).zip(text.split_whitespace()).map(made).collect()
}

fn decide(spec: &JobSpec, status: &JobStatus, pods: &[JobPod], now: SimTime) -> Plan {
    sync(&ObservedJob { spec, restarts_on_failure: false, status, pods }, now)
}

/// What a row of upstream's table expects.
#[derive(Debug, PartialEq)]
struct Expected {
    created: usize,
    deleted: usize,
    /// Active, ready, succeeded, failed, terminating.
    counts: (i32, i32, i32, i32, i32),
    end: Option<JobEnd>,
}

fn expect(created: usize, deleted: usize, counts: (i32, i32, i32, i32, i32), end: Option<JobEnd>) -> Expected {
    Expected { created, deleted, counts, end }
}

fn found(plan: &Plan) -> Expected {
    let status = &plan.status;
    let counts = (status.active, status.ready, status.succeeded, status.failed, status.terminating);
    expect(plan.create.len(), plan.delete.len(), counts, status.target)
}

#[test]
fn syncs_are_upstreams() {
    let complete = Some(JobEnd::CompletionsReached);
    let backoff = Some(JobEnd::BackoffLimitExceeded);
    let only_failed = |spec: JobSpec| JobSpec { replaces_only_failed: true, ..spec };
    let rows = [
        (spec(2, Some(5), 6), "", expect(2, 0, (2, 0, 0, 0, 0), None)),
        (spec(2, None, 6), "", expect(2, 0, (2, 0, 0, 0, 0), None)),
        (spec(2, Some(5), 6), "p p", expect(0, 0, (2, 0, 0, 0, 0), None)),
        (spec(3, Some(5), 6), "R R r", expect(0, 0, (3, 2, 0, 0, 0), None)),
        (spec(2, None, 6), "r r", expect(0, 0, (2, 0, 0, 0, 0), None)),
        (spec(2, Some(5), 6), "r s", expect(1, 0, (2, 0, 1, 0, 0), None)),
        // A pod that is told to end is a failure, unless it is waited for.
        (only_failed(spec(1, None, 6)), "r f t", expect(0, 0, (1, 0, 0, 1, 1), None)),
        (spec(1, Some(1), 6), "r f t", expect(0, 0, (1, 0, 0, 2, 1), None)),
        (spec(1, None, 6), "r f t", expect(0, 0, (1, 0, 0, 2, 1), None)),
        (only_failed(spec(1, Some(1), 6)), "r r t t t t", expect(0, 1, (1, 0, 0, 0, 5), None)),
        (spec(2, None, 6), "r", expect(1, 0, (2, 0, 0, 0, 0), None)),
        (spec(2, Some(5), 6), "r r r", expect(0, 1, (2, 0, 0, 0, 1), None)),
        (spec(2, Some(5), 6), "R R R", expect(0, 1, (2, 2, 0, 0, 1), None)),
        (spec(2, Some(5), 6), "r s f", expect(1, 0, (2, 0, 1, 1, 0), None)),
        (spec(2, Some(5), 6), "r f", expect(1, 0, (2, 0, 0, 1, 0), None)),
        (spec(2, Some(5), 6), "s s s s s", expect(0, 0, (0, 0, 5, 0, 0), complete)),
        // Without completions one success is enough, and the others are let end.
        (spec(2, None, 6), "r s", expect(0, 0, (1, 0, 1, 0, 0), None)),
        (spec(2, None, 6), "s s", expect(0, 0, (0, 0, 2, 0, 0), complete)),
        (spec(2, None, 6), "s f", expect(0, 0, (0, 0, 1, 1, 0), complete)),
        (spec(2, Some(5), 6), "r r r r r r r r r r", expect(0, 8, (2, 0, 0, 0, 8), None)),
        (spec(3, Some(4), 6), "r r r s s", expect(0, 1, (2, 0, 2, 0, 1), None)),
        (spec(2, Some(5), 6), "r r s s", expect(0, 0, (2, 0, 2, 0, 0), None)),
        (spec(2, Some(5), 0), "f", expect(0, 0, (0, 0, 0, 1, 0), backoff)),
        // Those that run when the Job fails are told to end, and count as failed.
        (spec(2, Some(3), 0), "R R f", expect(0, 2, (0, 0, 0, 3, 2), backoff)),
        (spec(1, Some(1), 1), "f", expect(1, 0, (1, 0, 0, 1, 0), None)),
        (spec(1, Some(1), 1), "f f", expect(0, 0, (0, 0, 0, 2, 0), backoff)),
        (spec(2, Some(2), 6), "r f f f f f f", expect(1, 0, (2, 0, 0, 6, 0), None)),
        (spec(2, Some(2), 6), "f f f f f f f", expect(0, 0, (0, 0, 0, 7, 0), backoff)),
        (spec(600, Some(600), 6), "", expect(500, 0, (500, 0, 0, 0, 0), None)),
    ];
    for (spec, text, expected) in rows {
        let plan = decide(&spec, &JobStatus::default(), &pods(text), NOW);
        assert_eq!(found(&plan), expected, "{text} of {spec:?}");
    }
}

#[test]
fn indexed_syncs_are_upstreams() {
    let complete = Some(JobEnd::CompletionsReached);
    let backoff = Some(JobEnd::BackoffLimitExceeded);
    let only_failed = |spec: JobSpec| JobSpec { replaces_only_failed: true, ..spec };
    // made and succeeded indexes, and the rest
    type Row = (JobSpec, &'static str, Vec<u32>, Vec<u32>, Expected);
    let rows: Vec<Row> = vec![
        (indexed(2, 5, 6), "", vec![0, 1], vec![], expect(2, 0, (2, 0, 0, 0, 0), None)),
        // The pod that ends holds index 0 as long as only failed ones are replaced.
        (only_failed(indexed(2, 5, 6)), "t0", vec![1], vec![], expect(1, 0, (1, 0, 0, 0, 1), None)),
        (indexed(2, 5, 6), "t0", vec![0, 1], vec![], expect(2, 0, (2, 0, 0, 1, 1), None)),
        (indexed(2, 3, 6), "s0 f1 s1 s2", vec![], vec![0, 1, 2], expect(0, 0, (0, 0, 3, 1, 0), complete)),
        (indexed(2, 3, 0), "s0 f1 r2", vec![], vec![0], expect(0, 1, (0, 0, 1, 2, 1), backoff)),
        (indexed(2, 3, 6), "s0 s1 s1", vec![2], vec![0, 1], expect(1, 0, (1, 0, 2, 0, 0), None)),
        (
            indexed(8, 20, 6),
            "r0 s2 p3 s4 s5 s7 s8 s9",
            vec![1, 6, 10, 11, 12, 13],
            vec![2, 4, 5, 7, 8, 9],
            expect(6, 0, (8, 0, 6, 0, 0), None),
        ),
        (indexed(3, 4, 6), "f0 p1 f2", vec![0, 2], vec![], expect(2, 0, (3, 0, 0, 2, 0), None)),
        // Of an index with two pods the one goes that has not come as far; nothing is made in the same sync.
        (indexed(5, 5, 6), "s0 r1 r2 p2", vec![], vec![0], expect(0, 1, (2, 0, 1, 0, 1), None)),
        (indexed(2, 5, 6), "s0 r5 s6 p7 f8", vec![], vec![0], expect(0, 2, (0, 0, 1, 0, 2), None)),
    ];
    for (spec, text, created, succeeded, expected) in rows {
        let plan = decide(&spec, &JobStatus::default(), &pods(text), NOW);
        assert_eq!(plan.create.iter().map(|pod| pod.index).collect::<Vec<_>>(), created, "{text}");
        assert_eq!(plan.status.succeeded_indexes.iter().copied().collect::<Vec<_>>(), succeeded, "{text}");
        assert_eq!(found(&plan), expected, "{text} of {spec:?}");
    }
}

#[test]
fn pending_indexes_are_upstreams() {
    // count, completions, active, succeeded, failed; pending
    let rows = [
        (5, 3, "", vec![], vec![], vec![0, 1, 2]),
        (2, 5, "", vec![], vec![], vec![0, 1]),
        (3, 10, "r0 p1", vec![], vec![], vec![2, 3, 4]),
        (6, 6, "p6", vec![4, 5], vec![], vec![0, 1, 2, 3]),
        (5, 20, "p3 r5 p8", vec![2, 3, 4, 9], vec![], vec![0, 1, 6, 7, 10]),
        (5, 20, "p3 p9", vec![1, 5, 9], vec![2, 6, 7], vec![0, 4, 8, 10, 11]),
    ];
    for (count, completions, active, succeeded, failed, expected) in rows {
        let (spec, pods) = (indexed(1, completions, 1), pods(active));
        let status = JobStatus {
            succeeded_indexes: succeeded.into_iter().collect(),
            failed_indexes: failed.into_iter().collect(),
            ..JobStatus::default()
        };
        let object = ObservedJob { spec: &spec, restarts_on_failure: false, status: &status, pods: &pods };
        assert_eq!(Round::new(&object, NOW).pending_indexes(count), expected, "{active} of {completions}");
    }
}

#[test]
fn failures_since_the_last_success_are_upstreams() {
    // failures before; ends of pods that succeeded, and that failed; failures, the last of them. In s after 9000.
    let rows = [
        (0, vec![], vec![10], (1, Some(10))),
        (0, vec![], vec![10, 9], (2, Some(10))),
        (0, vec![10], vec![8, 9], (0, None)),
        (0, vec![8], vec![10, 6, 7, 9], (2, Some(10))),
        (2, vec![], vec![10], (3, Some(10))),
        (0, vec![10], vec![10], (0, None)),
        (0, vec![], vec![], (0, None)),
        (0, vec![10], vec![], (0, None)),
        (3, vec![10], vec![9], (0, None)),
    ];
    for (before, succeeded, failed, expected) in rows {
        let ended = |phase, ends: &[u64]| -> Vec<JobPod> {
            ends.iter().map(|&end| JobPod { finished: at(9000 + end), ..pod(0, 0, phase) }).collect()
        };
        let pods = [ended(PodPhase::Succeeded, &succeeded), ended(PodPhase::Failed, &failed)].concat();
        let spec = spec(1, Some(100), 100);
        let status = JobStatus { failures_since_success: before, ..JobStatus::default() };
        let object = ObservedJob { spec: &spec, restarts_on_failure: false, status: &status, pods: &pods };
        let round = Round::new(&object, NOW);
        let last = round.status.last_failure.map(|last| last.0 / SECOND - 9000);
        assert_eq!((round.status.failures_since_success, last), expected, "{before}, {succeeded:?}, {failed:?}");
    }
}

#[test]
fn back_offs_double_up_to_ten_minutes() {
    // failures, s since the last; s to wait. 10 s, 20 s, 40 s, ...
    let rows = [
        (0, 0, None),
        (1, 0, Some(10)),
        (1, 1, Some(9)),
        (1, 10, None),
        (1, 11, None),
        (3, 0, Some(40)),
        (6, 0, Some(320)),
        (7, 0, Some(600)),
        (100, 0, Some(600)),
    ];
    for (failures, since, wait) in rows {
        let end = backoff_end(failures, Some(at(10_000 - since)), NOW);
        assert_eq!(end, wait.map(|wait| at(10_000 + wait)), "{failures}, {since} s ago");
    }
    // Never less than a second.
    assert_eq!(backoff_end(1, Some(SimTime(NOW.0 - 10 * SECOND + 1)), NOW), Some(at(10_001)));
}

#[test]
fn a_failed_pod_is_replaced_after_its_back_off() {
    let spec = spec(2, Some(2), 6);
    let failed = JobPod { finished: at(9_995), ..pod(0, 0, PodPhase::Failed) };
    let running = pod(1, 0, PodPhase::Running);
    let plan = decide(&spec, &JobStatus::default(), &[failed, running.clone()], NOW);
    assert_eq!(found(&plan), expect(0, 0, (1, 0, 0, 1, 0), None));
    assert_eq!((plan.wake, plan.counted), (Some(at(10_005)), vec![PodId(0)]));
    let plan = decide(&spec, &plan.status, &[running], at(10_005));
    assert_eq!(found(&plan), expect(1, 0, (2, 0, 0, 1, 0), None));
}

#[test]
fn restarts_of_containers_count_where_they_restart() {
    let backoff = Some(JobEnd::BackoffLimitExceeded);
    // parallelism, completions, limit; restarts of pods; active, failed, end
    let rows = [
        (1, 1, 0, vec![0], (1, 0, None)),
        (1, 1, 0, vec![1], (0, 1, backoff)),
        (1, 1, 1, vec![0], (1, 0, None)),
        (1, 1, 1, vec![1], (0, 1, backoff)),
        (1, 5, 2, vec![2], (0, 1, backoff)),
        (2, 5, 2, vec![1, 1], (0, 2, backoff)),
        (2, 5, 3, vec![1, 1], (2, 0, None)),
    ];
    for (parallelism, completions, limit, restarts, expected) in rows {
        for phase in [PodPhase::Running, PodPhase::Pending] {
            let made = |(id, &restarts_total)| JobPod { restarts_total, ..pod(id, 0, phase) };
            let pods: Vec<JobPod> = (0..).zip(&restarts).map(made).collect();
            let (spec, status) = (spec(parallelism, Some(completions), limit), JobStatus::default());
            let object = ObservedJob { spec: &spec, restarts_on_failure: true, status: &status, pods: &pods };
            let plan = sync(&object, NOW).status;
            assert_eq!((plan.active, plan.failed, plan.target), expected, "{limit}: {restarts:?}");
            let never = sync(&ObservedJob { restarts_on_failure: false, ..object }, NOW);
            assert_eq!(never.status.target, None, "{limit}: {restarts:?}");
        }
    }
}

#[test]
fn deadlines_are_upstreams() {
    let late = Some(JobEnd::DeadlineExceeded);
    // completions, deadline, s since the start, limit, suspended, pods; deleted, succeeded, failed, end
    let rows = [
        (1, 10, 15, 6, false, "r", (1, 0, 1, late)),
        (2, 10, 15, 6, false, "r s", (1, 1, 1, late)),
        (1, 10, 10, 6, false, "", (0, 0, 0, late)),
        (1, 1, 10, 0, false, "f", (0, 0, 1, Some(JobEnd::BackoffLimitExceeded))),
        (2, 10, 15, 6, true, "", (0, 0, 0, None)),
    ];
    for (completions, deadline, since, limit, is_suspended, text, expected) in rows {
        let active_deadline = Some(SimDuration(deadline * SECOND));
        let spec = JobSpec { active_deadline, is_suspended, ..spec(1, Some(completions), limit) };
        let status = JobStatus { started: Some(at(10_000 - since)), ..JobStatus::default() };
        let plan = decide(&spec, &status, &pods(text), NOW);
        let found = (plan.delete.len(), plan.status.succeeded, plan.status.failed, plan.status.target);
        assert_eq!(found, expected, "{deadline} s after {since} s: {text}");
    }
    let spec = JobSpec { active_deadline: Some(SimDuration(10 * SECOND)), ..spec(1, Some(1), 6) };
    assert_eq!(decide(&spec, &JobStatus::default(), &[], NOW).wake, Some(at(10_010)));
}

#[test]
fn a_suspended_job_gives_its_pods_up_and_starts_anew() {
    let deadline = Some(SimDuration(60 * SECOND));
    let running = JobSpec { active_deadline: deadline, ..spec(2, Some(4), 6) };
    let suspended = JobSpec { is_suspended: true, ..running.clone() };
    let status = JobStatus { started: Some(at(9_990)), ..JobStatus::default() };
    let plan = decide(&suspended, &status, &pods("R R s"), NOW);
    // What it deletes does not count as failed.
    assert_eq!(found(&plan), expect(0, 2, (0, 0, 1, 0, 2), None));
    assert_eq!(plan.counted, vec![PodId(0), PodId(1), PodId(2)]);
    assert_eq!((plan.status.is_suspended, plan.status.started, plan.wake), (true, None, None));
    let plan = decide(&running, &plan.status, &[], at(20_000));
    assert_eq!(found(&plan), expect(2, 0, (2, 0, 1, 0, 0), None));
    assert_eq!((plan.status.started, plan.wake), (Some(at(20_000)), Some(at(20_060))));
}

#[test]
fn a_job_ends_when_its_last_pod_has_ended() {
    let ttl = Some(SimDuration(100 * SECOND));
    let spec = JobSpec { ttl_after_finished: ttl, ..spec(1, Some(1), 0) };
    let mut pods = pods("f r");
    let plan = decide(&spec, &JobStatus::default(), &pods, NOW);
    assert_eq!((plan.delete.clone(), plan.status.finished), (vec![PodId(1)], None));
    assert_eq!(plan.counted, vec![PodId(0), PodId(1)]);
    pods.iter_mut().for_each(|pod| pod.is_counted = true);
    pods[1].pod.is_terminating = true;
    let plan = decide(&spec, &plan.status, &pods, at(10_010));
    assert_eq!((plan.status.terminating, plan.status.failed, plan.status.finished), (1, 2, None));
    pods[1].pod.phase = PodPhase::Failed;
    let plan = decide(&spec, &plan.status, &pods, at(10_030));
    let end = Some((JobEnd::BackoffLimitExceeded, at(10_030)));
    assert_eq!((plan.status.failed, plan.status.finished, plan.wake), (2, end, Some(at(10_130))));
    let later = decide(&spec, &plan.status, &pods, at(10_129));
    assert_eq!((later.deletes_job, later.wake, &later.status), (false, Some(at(10_130)), &plan.status));
    assert!(decide(&spec, &plan.status, &pods, at(10_130)).deletes_job);
}

fn rule(action: PodFailureAction, requirement: PodFailureRequirement) -> PodFailureRule {
    PodFailureRule { action, requirement }
}

fn exit_codes(container: Option<u32>, is_in: bool, codes: &[i32]) -> PodFailureRequirement {
    PodFailureRequirement::ExitCodes { container, is_in, codes: codes.to_vec() }
}

#[test]
fn the_first_rule_that_matches_decides() {
    use PodFailureAction::{Count, FailIndex, FailJob, Ignore};
    let disrupted = PodFailureRequirement::DisruptionTarget;
    // rules, exit codes by container, whether it was disrupted; action
    type Row = (Vec<PodFailureRule>, Vec<(u32, i32)>, bool, Option<PodFailureAction>);
    let rows: Vec<Row> = vec![
        (vec![], vec![(0, 1)], false, None),
        (vec![rule(FailJob, exit_codes(None, true, &[1, 2]))], vec![(0, 2)], false, Some(FailJob)),
        (vec![rule(FailJob, exit_codes(None, true, &[1, 2]))], vec![(0, 3)], false, None),
        (vec![rule(FailJob, exit_codes(None, false, &[1, 2]))], vec![(0, 3)], false, Some(FailJob)),
        // 0 is no failure, even where it is not one of the codes.
        (vec![rule(FailJob, exit_codes(None, false, &[1, 2]))], vec![(0, 0)], false, None),
        (vec![rule(FailJob, exit_codes(None, false, &[1, 2]))], vec![(0, 0), (1, 7)], false, Some(FailJob)),
        (vec![rule(Ignore, exit_codes(Some(1), true, &[5]))], vec![(0, 5), (1, 6)], false, None),
        (vec![rule(Ignore, exit_codes(Some(1), true, &[5]))], vec![(0, 6), (1, 5)], false, Some(Ignore)),
        (vec![rule(Ignore, disrupted.clone())], vec![], true, Some(Ignore)),
        (vec![rule(Ignore, disrupted.clone())], vec![(0, 137)], false, None),
        (vec![rule(Count, exit_codes(None, true, &[9])), rule(FailIndex, disrupted)], vec![(0, 9)], true, Some(Count)),
    ];
    for (failure_rules, codes, is_disrupted, expected) in rows {
        let spec = JobSpec { failure_rules, ..spec(1, Some(1), 6) };
        let status = JobStatus::default();
        let object = ObservedJob { spec: &spec, restarts_on_failure: false, status: &status, pods: &[] };
        let failed = JobPod { exit_codes: codes.clone(), is_disrupted, ..pod(0, 0, PodPhase::Failed) };
        assert_eq!(Round::new(&object, NOW).action(&failed), expected, "{codes:?}, {is_disrupted}");
    }
}

#[test]
fn rules_fail_the_job_or_forgive() {
    let failed = |code| JobPod { exit_codes: vec![(0, code)], ..pod(0, 0, PodPhase::Failed) };
    let running = pod(1, 0, PodPhase::Running);
    let with =
        |action| JobSpec { failure_rules: vec![rule(action, exit_codes(None, true, &[42]))], ..spec(2, Some(2), 0) };
    let plan = decide(&with(PodFailureAction::FailJob), &JobStatus::default(), &[failed(42), running.clone()], NOW);
    assert_eq!(found(&plan), expect(0, 1, (0, 0, 0, 2, 1), Some(JobEnd::PodFailurePolicy)));
    // Without a failure that counts, the limit of 0 holds.
    let plan = decide(&with(PodFailureAction::Ignore), &JobStatus::default(), &[failed(42), running.clone()], NOW);
    assert_eq!(found(&plan), expect(1, 0, (2, 0, 0, 0, 0), None));
    for (action, code) in [(PodFailureAction::Ignore, 1), (PodFailureAction::Count, 42)] {
        let plan = decide(&with(action), &JobStatus::default(), &[failed(code), running.clone()], NOW);
        assert_eq!(plan.status.target, Some(JobEnd::BackoffLimitExceeded), "{action:?}");
    }
    // With rules a pod that is told to end is waited for, as it may yet match one.
    let plan = decide(&with(PodFailureAction::FailJob), &JobStatus::default(), &pods("r t"), NOW);
    assert_eq!(found(&plan), expect(0, 0, (1, 0, 0, 0, 1), None));
}

#[test]
fn indexes_fail_on_their_own() {
    let spec = JobSpec { backoff_limit_per_index: Some(1), ..indexed(2, 2, i32::MAX) };
    let first = JobPod { finished: at(9_995), ..pod(0, 0, PodPhase::Failed) };
    let other = pod(1, 1, PodPhase::Running);
    // The index waits for its own 10 s, and its pod is counted when the next one is there.
    let plan = decide(&spec, &JobStatus::default(), &[first.clone(), other.clone()], NOW);
    assert_eq!((plan.create.len(), plan.wake, plan.counted), (0, Some(at(10_005)), vec![]));
    let plan = decide(&spec, &plan.status, &[first.clone(), other.clone()], at(10_005));
    assert_eq!(plan.create, vec![NewPod { index: 0, index_failures: (1, 0) }]);
    let second = JobPod { index_failures: (1, 0), ..pod(2, 0, PodPhase::Running) };
    let plan = decide(&spec, &plan.status, &[first, other.clone(), second.clone()], at(10_006));
    assert_eq!((plan.counted, plan.status.failed), (vec![PodId(0)], 1));
    // The second failure is one more than the limit: the index fails, the Job goes on with the other.
    let second = JobPod { pod: ObservedPod { phase: PodPhase::Failed, ..second.pod }, ..second };
    let plan = decide(&spec, &plan.status, &[second, other.clone()], at(10_020));
    assert_eq!((plan.create.len(), plan.delete.len(), plan.status.target), (0, 0, None));
    assert_eq!((plan.status.failed, plan.status.failed_indexes.clone()), (2, BTreeSet::from([0])));
    let done = JobPod { pod: ObservedPod { phase: PodPhase::Succeeded, ..other.pod }, ..other };
    let plan = decide(&spec, &plan.status, &[done], at(10_040));
    assert_eq!(plan.status.finished, Some((JobEnd::FailedIndexes, at(10_040))));
}

#[test]
fn too_many_failed_indexes_fail_the_job() {
    let per_index = JobSpec { backoff_limit_per_index: Some(0), ..indexed(3, 5, i32::MAX) };
    let spec = JobSpec { max_failed_indexes: Some(1), ..per_index.clone() };
    let plan = decide(&spec, &JobStatus::default(), &pods("f0 r1 r2"), NOW);
    assert_eq!((plan.status.target, plan.create.iter().map(|pod| pod.index).collect()), (None, vec![3]));
    let plan = decide(&spec, &JobStatus::default(), &pods("f0 f1 r2"), NOW);
    assert_eq!((plan.status.target, plan.delete.len()), (Some(JobEnd::MaxFailedIndexesExceeded), 1));
    // A rule can fail an index before its limit.
    let rules = vec![rule(PodFailureAction::FailIndex, exit_codes(None, true, &[3]))];
    let spec = JobSpec { failure_rules: rules, backoff_limit_per_index: Some(9), ..per_index };
    let failed = |id, code| JobPod { exit_codes: vec![(0, code)], ..pod(id, id, PodPhase::Failed) };
    let plan = decide(&spec, &JobStatus::default(), &[failed(0, 3), failed(1, 4)], NOW);
    assert_eq!(plan.status.failed_indexes, BTreeSet::from([0]));
    assert_eq!(
        plan.create.iter().map(|pod| (pod.index, pod.index_failures.0)).collect::<Vec<_>>(),
        [(1, 1), (2, 0), (3, 0)]
    );
}

//! Tables of `sync_test.go`, `rolling_test.go`, `recreate_test.go`, `progress_test.go` and `deployment_util_test.go` of
//! v1.37.0, whole rollouts by hand, and what must hold of every rollout.

use super::CountOrPercent::{Count, Percent};
use super::*;

mod rollouts;

const SECOND: u64 = 1_000_000_000;

fn at(seconds: u64) -> SimTime {
    SimTime(seconds * SECOND)
}

fn rolling(replicas: i32, max_surge: CountOrPercent, max_unavailable: CountOrPercent) -> DeploymentSpec {
    DeploymentSpec {
        replicas,
        strategy: DeploymentStrategy::RollingUpdate { max_surge, max_unavailable },
        min_ready: SimDuration::ZERO,
        progress_deadline: None,
        revision_history_limit: 10,
        is_paused: false,
    }
}

/// A ReplicaSet of its own template and age, all of whose pods are there and available.
fn set(id: u32, replicas: i32) -> ObservedReplicaSet {
    ObservedReplicaSet {
        id: OwnerId(id),
        created: at(u64::from(id)),
        is_terminating: false,
        template: RevisionId(id),
        replicas,
        min_ready: SimDuration::ZERO,
        revision: i64::from(id),
        desired_replicas: None,
        max_replicas: None,
        status: ReplicaSetStatus { replicas, ready: replicas, available: replicas, terminating: 0 },
        is_observed: true,
        unfinished_pods: replicas as u32,
    }
}

/// Runs a part of a sync of a Deployment whose present template is `template`.
fn with<R>(
    spec: &DeploymentSpec,
    template: u32,
    sets: &[ObservedReplicaSet],
    part: impl FnOnce(&mut Rollout<'_>) -> R,
) -> (R, Vec<i32>, Vec<Write>) {
    let status = DeploymentStatus::default();
    let object =
        ObservedDeployment { spec, template: RevisionId(template), generation: 1, status: &status, replica_sets: sets };
    let mut rollout = Rollout::new(&object, at(1000));
    let result = part(&mut rollout);
    (result, rollout.sets.iter().map(|set| set.replicas).collect(), rollout.writes)
}

#[test]
fn fenceposts_resolve_as_upstream() {
    let rows = [
        (Percent(0), Percent(0), 0, (0, 1)),
        (Percent(39), Percent(39), 10, (4, 3)),
        (Count(0), Percent(39), 10, (0, 3)),
        (Percent(39), Count(0), 10, (4, 0)),
        (Count(0), Count(0), 10, (0, 1)),
        // The comment of ResolveFenceposts: 1% of 2 rounds down to 0, so one may be missing.
        (Percent(0), Percent(1), 2, (0, 1)),
        (Percent(1), Percent(25), 2, (1, 0)),
        (Percent(25), Percent(25), 10, (3, 2)),
    ];
    for (surge, unavailable, desired, expected) in rows {
        assert_eq!(resolve_fenceposts(surge, unavailable, desired), expected, "{surge:?} {unavailable:?} {desired}");
    }
}

#[test]
fn max_unavailable_stays_within_the_replicas() {
    let rows = [(10, Count(5), 5), (10, Count(10), 10), (5, Count(10), 5), (0, Count(10), 0), (10, Percent(50), 5)];
    for (replicas, unavailable, expected) in rows {
        assert_eq!(max_unavailable(&rolling(replicas, Count(1), unavailable)), expected, "{unavailable:?}");
    }
    for (replicas, unavailable, expected) in [(10, Percent(100), 10), (5, Percent(100), 5)] {
        assert_eq!(max_unavailable(&rolling(replicas, Count(1), unavailable)), expected, "{unavailable:?}");
    }
    let recreate = DeploymentSpec { strategy: DeploymentStrategy::Recreate, ..rolling(3, Count(0), Count(1)) };
    assert_eq!((max_unavailable(&recreate), max_surge(&recreate)), (0, 0));
}

#[test]
fn a_new_replica_set_gets_what_the_surge_allows() {
    // replicas, size now, surge, size then; 5 pods are there.
    for (replicas, present, surge, expected) in [(1, 5, 1, 5), (6, 2, 10, 6)] {
        let spec = rolling(replicas, Count(surge), Count(1));
        assert_eq!(with(&spec, 9, &[set(1, 5)], |rollout| rollout.new_replicas(present)).0, expected);
    }
    let spec = DeploymentSpec { strategy: DeploymentStrategy::Recreate, ..rolling(3, Count(0), Count(1)) };
    assert_eq!(with(&spec, 9, &[set(1, 5)], |rollout| rollout.new_replicas(1)).0, 3);
}

#[test]
fn scaling_is_proportional_as_upstream() {
    let none = Count(0);
    // (replicas, surge) before, (replicas, surge) now, present template or none,
    // sizes (the oldest first) before and after
    type Row = ((i32, i32), (i32, i32), bool, Vec<i32>, Vec<i32>);
    let rows: Vec<Row> = vec![
        ((10, 0), (12, 0), true, vec![10], vec![12]),
        ((10, 0), (5, 0), true, vec![10], vec![5]),
        ((5, 0), (10, 0), true, vec![3, 2], vec![6, 4]),
        // 3 * 3/5 - 3 = -1.2 rounds to -1; the other 2 * 3/5 - 2 = -0.8 to -1.
        ((5, 0), (3, 0), true, vec![3, 2], vec![2, 1]),
        ((9, 0), (4, 0), true, vec![1, 8], vec![0, 4]),
        ((7, 0), (10, 0), true, vec![2, 3, 2], vec![3, 4, 3]),
        ((13, 0), (8, 0), true, vec![3, 8, 2], vec![2, 5, 1]),
        // The rest goes to the largest, of equal ones to the newest up and from the oldest down.
        ((3, 0), (4, 0), true, vec![1, 1, 1], vec![1, 1, 2]),
        ((3, 0), (2, 0), true, vec![1, 1, 1], vec![0, 1, 1]),
        ((4, 0), (5, 0), false, vec![2, 2], vec![2, 3]),
        ((6, 0), (0, 0), true, vec![1, 2, 3], vec![0, 0, 0]),
        ((6, 0), (6, 0), true, vec![0, 0, 0], vec![0, 0, 6]),
        ((10, 2), (20, 2), true, vec![6, 6], vec![11, 11]),
        // 8 * 56/13 - 8 = 26.46, 5 * 56/13 - 5 = 16.54: 26 + 17 = 43 = 56 - 13.
        ((10, 3), (50, 6), true, vec![8, 5], vec![34, 22]),
        ((10, 0), (14, 0), false, vec![3, 7], vec![4, 10]),
    ];
    for (before, now, has_new, sizes, expected) in rows {
        let sets: Vec<ObservedReplicaSet> = (1..)
            .zip(&sizes)
            .map(|(id, &size)| ObservedReplicaSet {
                desired_replicas: Some(before.0),
                max_replicas: Some(before.0 + before.1),
                ..set(id, size)
            })
            .collect();
        let template = if has_new { sizes.len() as u32 } else { 99 };
        let found = with(&rolling(now.0, Count(now.1), none), template, &sets, |rollout| rollout.scale()).1;
        assert_eq!(found, expected, "{before:?} to {now:?} of {sizes:?}");
    }
}

#[test]
fn a_replica_set_that_was_not_scaled_with_the_others_catches_up() {
    let annotated = |id, size, desired: i32| ObservedReplicaSet {
        desired_replicas: Some(desired),
        max_replicas: Some(desired),
        ..set(id, size)
    };
    // 4 pods of 5: the second has still the size for 3, so 1 * 5/3 - 1 rounds to 1.
    let sets = [annotated(1, 1, 5), annotated(2, 1, 3), annotated(3, 2, 5)];
    let found = with(&rolling(5, Count(0), Count(0)), 3, &sets, |rollout| rollout.scale());
    assert_eq!(found.1, vec![1, 2, 2]);
    let written = Write::ScaleReplicaSet { id: OwnerId(2), replicas: 2, desired_replicas: 5, max_replicas: 5 };
    assert_eq!(found.2, vec![written]);
}

#[test]
fn a_saturated_but_broken_replica_set_leaves_the_old_pods() {
    let annotated = |id, size| ObservedReplicaSet { desired_replicas: Some(2), max_replicas: Some(3), ..set(id, size) };
    let broken = ObservedReplicaSet { status: ReplicaSetStatus::default(), ..annotated(2, 2) };
    let spec = rolling(2, Count(1), Count(1));
    assert_eq!(with(&spec, 2, &[annotated(1, 1), broken], |rollout| rollout.scale()).1, vec![1, 2]);
    // Once it is available the old ones go.
    assert_eq!(with(&spec, 2, &[annotated(1, 1), annotated(2, 2)], |rollout| rollout.scale()).1, vec![0, 2]);
}

#[test]
fn fractions_are_upstreams() {
    // replicas, surge, pods by the status, size, max-replicas, fraction
    let rows = [
        (0, 0, 0, 10, None, -10),
        (10, 0, 0, 5, None, 0),
        (10, 0, 0, 5, Some(0), 0),
        (120, 0, 100, 50, None, 10),
        (120, 0, 100, 50, Some(0), 10),
        (120, 0, 0, 50, Some(100), 10),
        // 50 * 130/110 - 50 = 9.09
        (120, 10, 0, 50, Some(110), 9),
        (10, 0, 0, 6, Some(12), -1),
        // 50 * 110/130 - 50 = -7.69
        (100, 10, 0, 50, Some(130), -8),
    ];
    for (replicas, surge, there, size, max_replicas, expected) in rows {
        let spec = rolling(replicas, Count(surge), Count(1));
        let status = DeploymentStatus { replicas: there, ..DeploymentStatus::default() };
        let sets = [ObservedReplicaSet { max_replicas, ..set(1, size) }];
        let object = ObservedDeployment {
            spec: &spec,
            template: RevisionId(1),
            generation: 1,
            status: &status,
            replica_sets: &sets,
        };
        assert_eq!(Rollout::new(&object, at(9)).fraction(&sets[0]), expected, "{size} of {replicas}+{surge}");
    }
}

#[test]
fn the_new_replica_set_is_reconciled_as_upstream() {
    // surge, old size, new size, new size then; 10 replicas
    let rows = [(0, 10, 0, 0), (2, 10, 0, 2), (2, 5, 0, 7), (2, 10, 2, 2), (2, 2, 11, 10)];
    for (surge, old, new, expected) in rows {
        let spec = rolling(10, Count(surge), Count(0));
        let found = with(&spec, 2, &[set(1, old), set(2, new)], |rollout| rollout.reconcile_new(1));
        assert_eq!((found.0, found.1[1]), (new != expected, expected), "surge {surge}, {old} + {new}");
    }
}

#[test]
fn old_replica_sets_are_reconciled_as_upstream() {
    // unavailable, old size and available, new size and available, old size then; 10 replicas
    let rows = [
        // Nothing may be missing, but a surge of 0 forces 1.
        (0, (10, 10), (0, 0), 9),
        (2, (10, 10), (0, 0), 8),
        (2, (10, 8), (0, 0), 8),
        (2, (10, 9), (0, 0), 8),
        (2, (8, 8), (2, 0), 8),
    ];
    for (unavailable, old, new, expected) in rows {
        let spec = rolling(10, Count(0), Count(unavailable));
        let with_available = |id, (size, available)| ObservedReplicaSet {
            status: ReplicaSetStatus { available, ..set(id, size).status },
            ..set(id, size)
        };
        let sets = [with_available(1, old), with_available(2, new)];
        let found = with(&spec, 2, &sets, |rollout| rollout.reconcile_old(1));
        assert_eq!((found.0, found.1[0]), (old.0 != expected, expected), "{unavailable} of {old:?} and {new:?}");
    }
}

#[test]
fn unhealthy_pods_go_first() {
    let spec = rolling(10, Count(2), Count(2));
    // available, at most, cleaned; 10 pods
    for (available, most, expected) in [(8, 1, 1), (8, 3, 2), (8, 0, 0), (10, 3, 0)] {
        let old = ObservedReplicaSet { status: ReplicaSetStatus { available, ..set(1, 10).status }, ..set(1, 10) };
        let found = with(&spec, 9, &[old], |rollout| rollout.clean_up_unhealthy(&[0], most));
        assert_eq!(found.0, Some(expected), "{most} of {available}");
    }
    // More available than there ought to be: the counts are of another time.
    let stale = ObservedReplicaSet { status: set(1, 10).status, ..set(1, 8) };
    assert_eq!(with(&spec, 9, &[stale], |rollout| rollout.clean_up_unhealthy(&[0], 3)).0, None);
}

#[test]
fn old_replica_sets_shrink_by_what_is_available() {
    // unavailable, available, old size, size then; 10 replicas
    let rows = [(0, 10, 10, 9), (2, 10, 10, 8), (2, 8, 10, 10), (2, 10, 0, 0), (2, 1, 10, 10)];
    for (unavailable, available, size, expected) in rows {
        let spec = rolling(10, Count(0), Count(unavailable));
        let old = ObservedReplicaSet { status: ReplicaSetStatus { available, ..set(1, size).status }, ..set(1, size) };
        let min_available = 10 - max_unavailable(&spec);
        let found = with(&spec, 9, &[old], |rollout| rollout.scale_down_old(&[0], min_available));
        assert_eq!((found.0, found.1[0]), (size - expected, expected), "{available} available of {size}");
    }
}

#[test]
fn history_is_cut_as_upstream() {
    // (size, pods), limit, how many go
    type Row = (Vec<(i32, i32)>, i32, usize);
    let rows: Vec<Row> = vec![
        (vec![(0, 0), (0, 0), (0, 0)], 1, 2),
        (vec![(0, 0), (0, 1), (1, 0), (1, 1)], 0, 1),
        (vec![(0, 0), (0, 0)], 0, 2),
        (vec![(1, 1), (1, 1)], 0, 0),
        (vec![(0, 0), (0, 0), (0, 0)], i32::MAX, 0),
    ];
    for (sizes, limit, expected) in rows {
        let spec = DeploymentSpec { revision_history_limit: limit, ..rolling(1, Count(0), Count(0)) };
        let old = |(id, &(size, replicas))| ObservedReplicaSet {
            status: ReplicaSetStatus { replicas, ..ReplicaSetStatus::default() },
            ..set(id, size)
        };
        let sets: Vec<ObservedReplicaSet> = (1..).zip(&sizes).map(old).collect();
        assert_eq!(with(&spec, 99, &sets, |rollout| rollout.clean_up()).2.len(), expected, "{sizes:?}, limit {limit}");
    }
    let spec = DeploymentSpec { revision_history_limit: 0, ..rolling(1, Count(0), Count(0)) };
    let going = ObservedReplicaSet { is_terminating: true, ..set(1, 0) };
    let unseen = ObservedReplicaSet { is_observed: false, ..set(2, 0) };
    assert_eq!(with(&spec, 99, &[going, unseen], |rollout| rollout.clean_up()).2, vec![]);
}

#[test]
fn history_goes_by_revision() {
    // (size, revision), the oldest first; limit; the ids that go
    type Row = (Vec<(i32, i64)>, i32, Vec<u32>);
    let rows: Vec<Row> = vec![
        (vec![(0, 1), (0, 2)], 1, vec![1]),
        (vec![(0, 2), (0, 1)], 1, vec![2]),
        (vec![(0, 1), (0, 0)], 1, vec![2]),
        (vec![(0, 0), (0, 2)], 1, vec![1]),
        (vec![(1, 1), (0, 2), (0, 3)], 1, vec![2]),
        (vec![(1, 1), (1, 2), (0, 3)], 1, vec![]),
        (vec![(0, 3), (0, 1), (0, 4), (0, 2)], 2, vec![2, 4]),
    ];
    for (old, limit, expected) in rows {
        let spec = DeploymentSpec { revision_history_limit: limit, ..rolling(1, Count(0), Count(0)) };
        let sets: Vec<ObservedReplicaSet> =
            (1..).zip(&old).map(|(id, &(size, revision))| ObservedReplicaSet { revision, ..set(id, size) }).collect();
        let writes: Vec<Write> = expected.into_iter().map(|id| Write::DeleteReplicaSet(OwnerId(id))).collect();
        assert_eq!(with(&spec, 99, &sets, |rollout| rollout.clean_up()).2, writes, "{old:?}, limit {limit}");
    }
}

#[test]
fn recreate_waits_for_old_pods() {
    let spec = DeploymentSpec { strategy: DeploymentStrategy::Recreate, ..rolling(3, Count(0), Count(0)) };
    // pods by the status, pods that have not finished, whether it waits
    for (replicas, unfinished_pods, expected) in [(0, 2, true), (1, 0, true), (0, 0, false)] {
        let status = ReplicaSetStatus { replicas, ..ReplicaSetStatus::default() };
        let old = ObservedReplicaSet { status, unfinished_pods, ..set(1, 0) };
        assert_eq!(with(&spec, 9, &[old], |rollout| rollout.has_old_pods()).0, expected);
    }
    assert!(!with(&spec, 2, &[set(2, 3)], |rollout| rollout.has_old_pods()).0);
}

fn counts(replicas: i32, updated: i32, ready: i32, available: i32) -> DeploymentStatus {
    DeploymentStatus { replicas, updated, ready, available, ..DeploymentStatus::default() }
}

#[test]
fn completeness_is_upstreams() {
    // wanted, pods, of the present template, available
    let rows = [
        ((5, 5, 5, 4), false),
        ((5, 5, 5, 3), false),
        ((5, 5, 5, 5), true),
        ((5, 5, 4, 5), false),
        ((1, 2, 1, 1), false),
        ((1, 1, 1, 0), false),
    ];
    for ((wanted, replicas, updated, available), expected) in rows {
        let spec = rolling(wanted, Count(1), Count(0));
        let status = counts(replicas, updated, available, available);
        let object = ObservedDeployment {
            spec: &spec,
            template: RevisionId(0),
            generation: 0,
            status: &status,
            replica_sets: &[],
        };
        assert_eq!(is_complete(&object, &status), expected, "{wanted} {status:?}");
        // A status that has not seen the last change says nothing.
        assert!(!is_complete(&ObservedDeployment { generation: 1, ..object }, &status));
    }
}

#[test]
fn progress_is_upstreams() {
    // pods, of the present template, ready, available: before and after
    let rows = [
        ((10, 4, 4, 4), (10, 6, 4, 4), true),
        ((10, 4, 4, 4), (10, 4, 4, 4), false),
        ((10, 4, 6, 6), (8, 4, 6, 6), true),
        ((10, 7, 3, 3), (10, 6, 3, 3), false),
        ((10, 4, 7, 7), (8, 8, 5, 5), true),
        ((10, 10, 9, 8), (10, 10, 10, 8), true),
        ((10, 10, 10, 9), (10, 10, 10, 10), true),
    ];
    for (before, after, expected) in rows {
        let status = |(replicas, updated, ready, available)| counts(replicas, updated, ready, available);
        assert_eq!(has_progressed(&status(before), &status(after)), expected, "{before:?} to {after:?}");
    }
}

/// A Deployment of 3 with a deadline of 60 s as `TestSyncRolloutStatus` has it.
fn progress_of(
    deadline: Option<u64>,
    before: (i32, i32, i32),
    reason: Option<ProgressReason>,
    sets: &[ObservedReplicaSet],
    now: SimTime,
) -> Option<(ProgressReason, u64, u64)> {
    let spec = DeploymentSpec {
        strategy: DeploymentStrategy::Recreate,
        progress_deadline: deadline.map(|seconds| SimDuration(seconds * SECOND)),
        ..rolling(3, Count(0), Count(0))
    };
    let progressing = reason.map(|reason| Progressing { reason, updated: at(100), changed: at(50) });
    let status = DeploymentStatus { progressing, ..counts(before.0, before.1, before.2, before.2) };
    let object =
        ObservedDeployment { spec: &spec, template: RevisionId(2), generation: 0, status: &status, replica_sets: sets };
    let next = Rollout::new(&object, now).status_with_progress();
    next.progressing.map(|found| (found.reason, found.updated.0 / SECOND, found.changed.0 / SECOND))
}

#[test]
fn the_condition_follows_upstream() {
    use ProgressReason::*;
    let with_pods = |id, replicas, there, available| ObservedReplicaSet {
        status: ReplicaSetStatus { replicas: there, ready: available, available, terminating: 0 },
        ..set(id, replicas)
    };
    let (bar, foo) = (with_pods(1, 0, 1, 1), with_pods(2, 3, 2, 2));
    let full = with_pods(2, 3, 3, 3);
    // deadline, (pods, updated, available) before, reason, sets; reason, updated, changed. Now is 130 s.
    type Row = (Option<u64>, (i32, i32, i32), Option<ProgressReason>, Vec<ObservedReplicaSet>, Option<Found>);
    type Found = (ProgressReason, u64, u64);
    let rows: Vec<Row> = vec![
        (None, (2, 2, 2), Some(ReplicaSetUpdated), vec![bar, foo], None),
        (Some(60), (3, 3, 3), Some(NewReplicaSetAvailable), vec![full], Some((NewReplicaSetAvailable, 100, 50))),
        // One pod more is available (1 + 2): progress.
        (Some(60), (2, 2, 2), Some(ReplicaSetUpdated), vec![bar, foo], Some((ReplicaSetUpdated, 130, 50))),
        (Some(60), (2, 2, 2), Some(ProgressDeadlineExceeded), vec![bar, foo], Some((ReplicaSetUpdated, 130, 130))),
        (Some(60), (2, 2, 2), None, vec![bar, foo], Some((ReplicaSetUpdated, 130, 130))),
        (Some(60), (3, 3, 3), Some(ReplicaSetUpdated), vec![full], Some((NewReplicaSetAvailable, 130, 50))),
        (Some(60), (3, 3, 3), Some(ProgressDeadlineExceeded), vec![full], Some((NewReplicaSetAvailable, 130, 130))),
        (Some(60), (3, 3, 3), None, vec![full], Some((NewReplicaSetAvailable, 130, 130))),
        // Nothing moved: 130 - 100 = 30 s, of 20 s and of 60 s.
        (Some(20), (2, 2, 2), Some(ReplicaSetUpdated), vec![foo], Some((ProgressDeadlineExceeded, 130, 130))),
        (Some(60), (2, 2, 2), Some(ReplicaSetUpdated), vec![foo], Some((ReplicaSetUpdated, 100, 50))),
        // Just at the deadline is not after it.
        (Some(30), (2, 2, 2), Some(ReplicaSetUpdated), vec![foo], Some((ReplicaSetUpdated, 100, 50))),
        (Some(60), (2, 2, 2), Some(ProgressDeadlineExceeded), vec![foo], Some((ProgressDeadlineExceeded, 100, 50))),
        (Some(20), (4, 2, 3), Some(NewReplicaSetAvailable), vec![bar, foo], Some((ReplicaSetUpdated, 130, 50))),
        (Some(20), (2, 2, 3), Some(NewReplicaSetAvailable), vec![foo], Some((NewReplicaSetAvailable, 100, 50))),
    ];
    for (deadline, before, reason, sets, expected) in rows {
        let found = progress_of(deadline, before, reason, &sets, at(130));
        assert_eq!(found, expected, "{deadline:?} {before:?} {reason:?}");
    }
}

#[test]
fn a_stuck_rollout_is_looked_at_again() {
    use ProgressReason::*;
    let check = |deadline: Option<u64>, reason: Option<ProgressReason>, available, now| {
        let spec = DeploymentSpec {
            progress_deadline: deadline.map(|seconds| SimDuration(seconds * SECOND)),
            ..rolling(3, Count(0), Count(1))
        };
        let progressing = reason.map(|reason| Progressing { reason, updated: at(100), changed: at(100) });
        let status = DeploymentStatus { progressing, ..counts(3, 3, 3, available) };
        let object = ObservedDeployment {
            spec: &spec,
            template: RevisionId(2),
            generation: 0,
            status: &status,
            replica_sets: &[],
        };
        Rollout::new(&object, now).deadline_check(&status)
    };
    assert_eq!(check(None, Some(ReplicaSetUpdated), 2, at(130)), None);
    assert_eq!(check(Some(60), None, 2, at(130)), None);
    assert_eq!(check(Some(60), Some(ReplicaSetUpdated), 3, at(130)), None);
    assert_eq!(check(Some(60), Some(ProgressDeadlineExceeded), 0, at(130)), None);
    assert_eq!(check(Some(60), Some(NewReplicaSetAvailable), 2, at(130)), None);
    // 100 + 60 s, and a second; in the last second as soon as the deadline has passed.
    assert_eq!(check(Some(60), Some(ReplicaSetUpdated), 1, at(130)), Some(at(161)));
    assert_eq!(check(Some(60), Some(ReplicaSetUpdated), 1, at(159)), Some(at(161)));
    let late = SimTime(159 * SECOND + 1);
    assert_eq!(check(Some(60), Some(ReplicaSetUpdated), 1, late), Some(SimTime(160 * SECOND + 5_000_000)));
}

#[test]
fn the_template_before_is_that_of_the_second_highest_revision() {
    let revised = |id, revision| ObservedReplicaSet { revision, ..set(id, 0) };
    assert_eq!(template_before(&[revised(1, 3), revised(2, 1), revised(3, 4)]), Some(RevisionId(1)));
    assert_eq!(template_before(&[revised(1, 1)]), None);
}

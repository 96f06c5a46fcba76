//! The tables of upstream's `pods_restriction_factory_test.go` and its neighbours.

use super::*;

const MINUTE: SimDuration = SimDuration(60_000_000_000);

fn pod(id: u32, is_pending: bool) -> RestrictedPod {
    RestrictedPod { id: PodId(id), is_pending, resize: Resize::None, restarts_for_resize: false }
}

fn minute(count: u64) -> SimTime {
    SimTime(count * MINUTE.0)
}

/// Replicas, tolerance, least, pods (true: waits); who may be evicted, and who is when all are tried in turn.
type Case = (usize, f64, usize, Vec<bool>, Vec<bool>, Vec<bool>);

/// `TestDisruptReplicatedByController`.
#[test]
fn evictions_leave_enough_pods() {
    let (run, wait) = (false, true);
    let yes = |count| vec![true; count];
    let cases: Vec<Case> = vec![
        // Half of 3, cut off, is 1.
        (3, 0.5, 2, vec![run; 3], yes(3), vec![true, false, false]),
        (4, 0.5, 2, vec![run; 4], yes(4), vec![true, true, false, false]),
        // One of four is missing.
        (4, 0.5, 2, vec![run; 3], yes(3), vec![true, false, false]),
        // A tolerance of 0 allows one, while all are there.
        (3, 0.1, 2, vec![run; 3], yes(3), vec![true, false, false]),
        (3, 0.1, 2, vec![run; 2], vec![false; 2], vec![false; 2]),
        // Those that wait may always go.
        (3, 0.5, 2, vec![run, wait, run], vec![false, true, false], vec![false, true, false]),
        (4, 0.5, 2, vec![run, wait, wait, wait], vec![false, true, true, true], vec![false, true, true, true]),
        (1, 0.5, 1, vec![run], vec![true], vec![true]),
    ];
    for (replicas, eviction_tolerance, min_replicas, pods, evictable, evicted) in cases {
        let config = RestrictionConfig { eviction_tolerance, min_replicas, ..RestrictionConfig::default() };
        let pods: Vec<_> = (0..).zip(&pods).map(|(id, is_pending)| pod(id, *is_pending)).collect();
        let mut group = Group::count(&pods, Some(replicas), UpdateMode::Recreate, &config).expect("enough pods");
        let mut attempts = ResizeAttempts::default();
        let ours: Vec<_> = pods.iter().map(|pod| group.can_evict(pod, &mut attempts, minute(0))).collect();
        assert_eq!(ours, evictable, "{replicas} {eviction_tolerance}");
        let try_evict = |pod: &RestrictedPod| {
            let is_possible = group.can_evict(pod, &mut attempts, minute(0));
            if is_possible {
                group.evicted(pod);
            }
            is_possible
        };
        assert_eq!(pods.iter().map(try_evict).collect::<Vec<_>>(), evicted, "{replicas} {eviction_tolerance}");
    }
}

#[test]
fn small_groups_are_left_alone() {
    let config = RestrictionConfig::default();
    let skips = RestrictionConfig { in_place_skips_budget: true, ..config };
    let (one, two) = ([pod(0, false)], [pod(0, false), pod(1, false)]);
    let count = |pods: &[RestrictedPod], replicas, mode, config| Group::count(pods, replicas, mode, config);
    assert_eq!(count(&one, Some(1), UpdateMode::Recreate, &config), None);
    assert_eq!(count(&two, Some(0), UpdateMode::Recreate, &config), None, "its controller wants none");
    assert!(count(&two, None, UpdateMode::Recreate, &config).is_some(), "a Job is as large as it is");
    assert_eq!(count(&one, Some(1), UpdateMode::Recreate, &skips), None);
    // Where it stands it may be resized, but not evicted.
    let group = count(&one, Some(1), UpdateMode::InPlaceOrRecreate, &skips).expect("resizes need no budget");
    let mut attempts = ResizeAttempts::default();
    let mode = UpdateMode::InPlaceOrRecreate;
    assert!(!group.can_evict(&one[0], &mut attempts, minute(0)));
    assert_eq!(group.decide_in_place(&one[0], mode, &skips, &mut attempts, minute(0)), InPlaceDecision::Approved);
}

#[test]
fn resizes_and_evictions_share_the_tolerance() {
    let config = RestrictionConfig::default();
    let pods = [0, 1, 2, 3].map(|id| pod(id, false));
    let mut group = Group::count(&pods, Some(4), UpdateMode::InPlaceOrRecreate, &config).expect("enough pods");
    let mut attempts = ResizeAttempts::default();
    let decide = |group: &Group, attempts: &mut ResizeAttempts| {
        group.decide_in_place(&pods[0], UpdateMode::InPlaceOrRecreate, &config, attempts, minute(0))
    };
    assert_eq!(decide(&group, &mut attempts), InPlaceDecision::Approved);
    group.resized();
    assert_eq!(decide(&group, &mut attempts), InPlaceDecision::Approved);
    group.evicted(&pods[1]);
    assert_eq!(decide(&group, &mut attempts), InPlaceDecision::Deferred);
    assert!(!group.can_evict(&pods[2], &mut attempts, minute(0)));
}

/// `TestInPlaceDisruptReplicatedByController` and `TestCanEvictInPlacingPod`: a resize that fails, or takes too long, ends in
/// eviction, from when the updater saw it first.
#[test]
fn stalled_resizes_end_in_eviction() {
    use InPlaceDecision::{Deferred, Evict, Infeasible};
    let config = RestrictionConfig { has_in_place_mode: true, ..RestrictionConfig::default() };
    // (resize, minutes since it was seen, decision, decision in mode InPlace).
    for (resize, minutes, expected, in_place) in [
        (Resize::Deferred, 5, Deferred, Deferred),
        (Resize::Deferred, 6, Evict, Deferred),
        (Resize::InProgress, 60, Deferred, Deferred),
        (Resize::InProgress, 61, Evict, Deferred),
        (Resize::Infeasible, 0, Evict, Infeasible),
        (Resize::Error, 0, Evict, Deferred),
    ] {
        let mut pods = [0, 1, 2].map(|id| pod(id, false));
        pods[0].resize = resize;
        let group = Group::count(&pods, Some(3), UpdateMode::InPlaceOrRecreate, &config).expect("enough pods");
        let mut attempts = ResizeAttempts::default();
        let mut decide = |mode, now| group.decide_in_place(&pods[0], mode, &config, &mut attempts, now);
        decide(UpdateMode::InPlaceOrRecreate, minute(0));
        let what = format!("{resize:?} {minutes}");
        assert_eq!(decide(UpdateMode::InPlaceOrRecreate, minute(minutes)), expected, "{what}");
        assert_eq!(decide(UpdateMode::InPlace, minute(minutes)), in_place, "{what}");
        assert_eq!(group.can_evict(&pods[0], &mut attempts, minute(minutes)), expected == Evict, "{what}");
        // One of three is gone: nobody else may go, however it fares.
        let fewer = Group::count(&pods[..2], Some(3), UpdateMode::InPlaceOrRecreate, &config).expect("enough pods");
        assert!(!fewer.can_evict(&pods[0], &mut attempts, minute(minutes)), "{what}");
        attempts.retain(|_| false);
        assert_eq!(group.can_evict(&pods[0], &mut attempts, minute(minutes)), minutes == 0, "{what}: it is forgotten");
    }
}

#[test]
fn pods_that_wait_are_not_resized() {
    let config = RestrictionConfig::default();
    let pods = [pod(0, true), pod(1, false)];
    let group = Group::count(&pods, Some(2), UpdateMode::InPlaceOrRecreate, &config).expect("enough pods");
    let mut attempts = ResizeAttempts::default();
    let mode = UpdateMode::InPlaceOrRecreate;
    assert_eq!(group.decide_in_place(&pods[0], mode, &config, &mut attempts, minute(0)), InPlaceDecision::Deferred);
}

//! Tables of `TestSortingActivePodsWithRanks`, `TestGetPodsToDelete` and `TestCalculateStatus` of v1.37.0.

use super::*;
use crate::ids::RevisionId;

const HOUR: u64 = 3600 * 1_000_000_000;
/// The tables' "now".
const NOW: SimTime = SimTime(1000 * HOUR);

fn ago(hours: u64) -> SimTime {
    SimTime(NOW.0 - hours * HOUR)
}

fn pod(id: u32, node: Option<u32>, phase: PodPhase, ready_since: Option<SimTime>, created: SimTime) -> ObservedPod {
    ObservedPod {
        id: PodId(id),
        created,
        phase,
        node: node.map(NodeId),
        ready_since,
        is_terminating: false,
        revision: RevisionId(0),
        ordinal: 0,
        restarts: 0,
        sidecar_restarts: 0,
        deletion_cost: 0,
    }
}

fn ready(id: u32, since: SimTime, created: SimTime) -> ObservedPod {
    pod(id, Some(0), PodPhase::Running, Some(since), created)
}

#[test]
fn pods_are_given_up_in_upstreams_order() {
    let month = ago(720);
    let unscheduled = pod(1, None, PodPhase::Pending, None, month);
    let pending = pod(2, Some(0), PodPhase::Pending, None, month);
    let not_ready = pod(3, Some(0), PodPhase::Running, None, month);
    let now = ready(4, NOW, NOW);
    let then = ready(5, month, month);
    let many_restarts = ObservedPod { id: PodId(6), restarts: 9001, ..now };
    let many_sidecar_restarts = ObservedPod { id: PodId(7), sidecar_restarts: 9001, ..many_restarts };
    let created_then = ready(8, NOW, month);
    let cheap = ObservedPod { id: PodId(9), deletion_cost: 10, ..created_then };
    let dear = ObservedPod { id: PodId(10), deletion_cost: 100, ..created_then };
    let (two, five) = (ready(12, ago(2), month), ready(11, ago(5), month));
    // (goes first, its rank), (goes later, its rank)
    let rows = [
        ((unscheduled, 1), (pending, 2)),
        ((unscheduled, 2), (pending, 1)),
        ((pending, 1), (not_ready, 2)),
        ((not_ready, 1), (now, 1)),
        ((now, 1), (then, 1)),
        ((now, 2), (then, 1)),
        ((many_restarts, 1), (now, 1)),
        ((many_sidecar_restarts, 1), (many_restarts, 1)),
        ((now, 2), (many_restarts, 1)),
        ((now, 1), (created_then, 1)),
        ((created_then, 2), (now, 1)),
        ((cheap, 2), (dear, 1)),
        // log2 of 2 h in ns = 42.7, of 5 h = 44.03: another bucket.
        ((two, 1), (five, 1)),
    ];
    for (first, later) in rows {
        let (first_key, later_key) = (rank(&first.0, first.1, NOW), rank(&later.0, later.1, NOW));
        assert!(first_key < later_key, "{first:?} before {later:?}");
    }
}

#[test]
fn times_of_one_bucket_are_a_tie_that_the_lower_id_takes() {
    // log2 of 5 h in ns is 44.03, of 8 h 44.7: the older one goes first, for its id alone.
    let (five, eight) = (pod(2, None, PodPhase::Pending, None, ago(5)), pod(1, None, PodPhase::Pending, None, ago(8)));
    assert!(rank(&eight, 1, NOW) < rank(&five, 1, NOW));
    let (five, eight) = (ready(2, ago(5), ago(720)), ready(1, ago(8), ago(720)));
    assert!(rank(&eight, 1, NOW) < rank(&five, 1, NOW));
}

#[test]
fn ages_fall_into_buckets_by_powers_of_two() {
    let rows = [(0, -1), (1, 0), (2, 1), (3, 1), (4, 2), (1023, 9), (1024, 10)];
    for (age, bucket_of_age) in rows {
        assert_eq!(bucket(SimTime(NOW.0 - age), NOW), bucket_of_age, "{age} ns");
    }
    assert_eq!(bucket(SimTime(NOW.0 + 1), NOW), -1);
}

#[test]
fn the_pods_that_go_are_upstreams() {
    let unscheduled = pod(1, None, PodPhase::Pending, None, NOW);
    let pending = pod(2, Some(0), PodPhase::Pending, None, NOW);
    let not_ready = pod(3, Some(0), PodPhase::Running, None, NOW);
    let also_not_ready = pod(4, Some(0), PodPhase::Running, None, NOW);
    let on_one = pod(5, Some(1), PodPhase::Running, Some(NOW), NOW);
    let on_two = pod(6, Some(2), PodPhase::Running, Some(NOW), NOW);
    let beside = pod(7, Some(2), PodPhase::Running, Some(NOW), NOW);
    let own = None;
    // pods, related pods (none: the same), how many go, those that go
    type Row = (Vec<ObservedPod>, Option<Vec<ObservedPod>>, usize, Vec<u32>);
    let rows: Vec<Row> = vec![
        (vec![], own.clone(), 0, vec![]),
        (vec![not_ready, on_one], own.clone(), 2, vec![3, 5]),
        (vec![on_one, not_ready], own.clone(), 1, vec![3]),
        // All go: their order is as it was.
        (vec![on_one, on_two, not_ready, pending, unscheduled], own.clone(), 5, vec![5, 6, 3, 2, 1]),
        (vec![on_one, on_two, not_ready, pending, unscheduled], Some(vec![]), 5, vec![5, 6, 3, 2, 1]),
        (vec![pending, unscheduled], own.clone(), 1, vec![1]),
        (vec![on_one, not_ready, also_not_ready], own.clone(), 2, vec![3, 4]),
        (vec![on_one, on_two], Some(vec![on_one, on_two, beside]), 1, vec![6]),
        (vec![pending, not_ready], own.clone(), 1, vec![2]),
        (vec![on_one, on_two, not_ready, pending, unscheduled], own, 3, vec![1, 2, 3]),
    ];
    for (pods, related, count, expected) in rows {
        let related = related.unwrap_or_else(|| pods.clone());
        let gone = pods_to_delete(&pods, &related, count, NOW);
        assert_eq!(gone, expected.into_iter().map(PodId).collect::<Vec<_>>(), "{count} of {pods:?}");
    }
}

#[test]
fn counts_follow_upstream() {
    let hour = SimDuration(HOUR);
    let terminating = ObservedPod { is_terminating: true, ..ready(3, NOW, NOW) };
    let failed = pod(4, Some(0), PodPhase::Failed, None, NOW);
    // minimum ready time, pods, (replicas, ready, available, terminating)
    let rows = [
        (SimDuration::ZERO, vec![ready(1, NOW, NOW)], (1, 1, 1, 0)),
        (SimDuration::ZERO, vec![ready(1, NOW, NOW), ready(2, NOW, NOW)], (2, 2, 2, 0)),
        (SimDuration::ZERO, vec![pod(1, None, PodPhase::Pending, None, NOW)], (1, 0, 0, 0)),
        (hour, vec![ready(1, NOW, NOW)], (1, 1, 0, 0)),
        (hour, vec![ready(1, ago(1), NOW)], (1, 1, 1, 0)),
        (hour, vec![ready(1, ago(2), NOW)], (1, 1, 1, 0)),
        (SimDuration::ZERO, vec![ready(1, NOW, NOW), terminating, terminating], (1, 1, 1, 2)),
        (SimDuration::ZERO, vec![failed, ObservedPod { is_terminating: true, ..failed }], (0, 0, 0, 0)),
    ];
    for (min_ready, pods, expected) in rows {
        let found = status(min_ready, &pods, NOW);
        assert_eq!((found.replicas, found.ready, found.available, found.terminating), expected, "{pods:?}");
    }
}

#[test]
fn pods_are_made_and_deleted_in_bursts() {
    let pods: Vec<ObservedPod> = (0..1203).map(|id| pod(id, None, PodPhase::Pending, None, NOW)).collect();
    // wanted, present, made, deleted, again at once
    let rows = [
        (2, 0, 2, 0, false),
        (2, 2, 0, 0, false),
        (0, 2, 0, 2, false),
        (500, 0, 500, 0, false),
        (501, 0, 500, 0, true),
        // 1203 - 3 = 1200 are too many, 500 go now.
        (3, 1203, 0, 500, true),
    ];
    for (replicas, present, made, deleted, again) in rows {
        let spec = ReplicaSetSpec { replicas, min_ready: SimDuration::ZERO };
        let plan = manage_replicas(&spec, &pods[..present], &[], NOW);
        assert_eq!((plan.create, plan.delete.len()), (made, deleted), "{present} of {replicas}");
        assert_eq!(plan.wake, again.then_some(NOW), "{present} of {replicas}");
    }
}

#[test]
fn pods_that_end_are_made_again_and_availability_is_looked_at_in_time() {
    let spec = ReplicaSetSpec { replicas: 3, min_ready: SimDuration(HOUR) };
    let ending = ObservedPod { is_terminating: true, ..ready(1, ago(0), NOW) };
    let pods = [ending, ready(2, SimTime(NOW.0 - 20), NOW), ready(3, ago(2), NOW)];
    let plan = manage_replicas(&spec, &pods, &pods, NOW);
    // Two of three are active; the second is available an hour after it became ready, 20 ns ago.
    assert_eq!(plan, Plan { create: 1, delete: vec![], wake: Some(SimTime(NOW.0 + HOUR - 20)) });
}

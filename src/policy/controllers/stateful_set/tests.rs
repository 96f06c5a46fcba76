//! Cases of `stateful_set_control_test.go` of v1.37.0, and whole rollouts.

use super::*;
use crate::model::objects::CountOrPercent::{Count, Percent};
use crate::policy::controllers::PodPhase;
use crate::units::SimDuration;

const SECOND: u64 = 1_000_000_000;
const NOW: SimTime = SimTime(1000 * SECOND);
const OLD: RevisionId = RevisionId(0);
const NEW: RevisionId = RevisionId(1);

fn rolling(replicas: i32, is_parallel: bool, partition: u32, max_unavailable: i32) -> StatefulSetSpec {
    let max_unavailable = Count(max_unavailable);
    StatefulSetSpec {
        replicas,
        first_ordinal: 0,
        min_ready: SimDuration::ZERO,
        is_parallel,
        update: StatefulSetUpdate::RollingUpdate { partition, max_unavailable },
    }
}

/// An available pod of the old revision; its id is its ordinal.
fn pod(ordinal: u32) -> ObservedPod {
    ObservedPod {
        id: PodId(ordinal),
        created: SimTime::ZERO,
        phase: PodPhase::Running,
        node: None,
        ready_since: Some(SimTime::ZERO),
        is_terminating: false,
        revision: OLD,
        ordinal,
        restarts: 0,
        sidecar_restarts: 0,
        deletion_cost: 0,
    }
}

fn pending(ordinal: u32) -> ObservedPod {
    ObservedPod { phase: PodPhase::Pending, ready_since: None, ..pod(ordinal) }
}

fn terminating(ordinal: u32) -> ObservedPod {
    ObservedPod { is_terminating: true, ..pod(ordinal) }
}

fn failed(ordinal: u32) -> ObservedPod {
    ObservedPod { phase: PodPhase::Failed, ready_since: None, ..pod(ordinal) }
}

/// Ordinals that one sync makes, and those that it deletes.
fn decide(spec: &StatefulSetSpec, template: RevisionId, pods: &[ObservedPod]) -> (Vec<u32>, Vec<u32>) {
    let before = StatefulSetStatus { current_revision: Some(OLD), ..StatefulSetStatus::default() };
    let plan = sync(spec, template, &before, pods, NOW);
    (plan.create.iter().map(|pod| pod.ordinal).collect(), plan.delete.iter().map(|pod| pod.0).collect())
}

#[test]
fn pods_come_and_go_in_order_or_all_at_once() {
    let (ordered, parallel) = (rolling(3, false, 0, 1), rolling(3, true, 0, 1));
    // pods, (made, deleted) in order, (made, deleted) in parallel
    type Change = (Vec<u32>, Vec<u32>);
    let rows: Vec<(Vec<ObservedPod>, Change, Change)> = vec![
        (vec![], (vec![0], vec![]), (vec![0, 1, 2], vec![])),
        // The next one waits until the one before is ready.
        (vec![pending(0)], (vec![], vec![]), (vec![1, 2], vec![])),
        (vec![pod(0)], (vec![1], vec![]), (vec![1, 2], vec![])),
        // A gap is filled first.
        (vec![pod(0), pod(2)], (vec![1], vec![]), (vec![1], vec![])),
        // What has ended goes and is made again when it is gone; in order, nothing else happens.
        (vec![failed(0), pod(1)], (vec![], vec![0]), (vec![2], vec![0])),
        (vec![ObservedPod { is_terminating: true, ..failed(0) }, pod(1)], (vec![], vec![]), (vec![2], vec![])),
        (vec![terminating(0), pod(1)], (vec![], vec![]), (vec![2], vec![])),
        // Scaled down: from the top.
        (vec![pod(0), pod(1), pod(2), pod(3), pod(4)], (vec![], vec![4]), (vec![], vec![4, 3])),
        (vec![pod(0), pod(1), pod(2), pod(3), terminating(4)], (vec![], vec![]), (vec![], vec![3])),
        // In order, an unhealthy pod goes only if it is the lowest that is unhealthy.
        (vec![pod(0), pod(1), pod(2), pod(3), pending(4)], (vec![], vec![4]), (vec![], vec![4, 3])),
        (vec![pod(0), pod(1), pod(2), pending(3), pending(4)], (vec![], vec![]), (vec![], vec![4, 3])),
        (vec![pod(0), pending(1), pod(2), pod(3)], (vec![], vec![]), (vec![], vec![3])),
    ];
    for (pods, in_order, in_parallel) in rows {
        assert_eq!(decide(&ordered, OLD, &pods), in_order, "in order: {pods:?}");
        assert_eq!(decide(&parallel, OLD, &pods), in_parallel, "in parallel: {pods:?}");
    }
}

#[test]
fn ordinals_begin_where_they_are_told_to() {
    let spec = StatefulSetSpec { first_ordinal: 2, ..rolling(2, true, 0, 1) };
    assert_eq!(decide(&spec, OLD, &[pod(1), pod(2)]), (vec![3], vec![1]));
}

#[test]
fn a_minimum_ready_time_holds_the_next_pod() {
    let spec = StatefulSetSpec { min_ready: SimDuration(30 * SECOND), ..rolling(2, false, 0, 1) };
    let early = ObservedPod { ready_since: Some(SimTime(980 * SECOND)), ..pod(0) };
    let plan = sync(&spec, OLD, &StatefulSetStatus::default(), &[early], NOW);
    // 980 + 30 = 1010 s.
    assert_eq!((plan.create, plan.wake), (vec![], Some(SimTime(1010 * SECOND))));
    assert_eq!((plan.status.ready, plan.status.available), (1, 0));
}

/// Upstream's `TestStatefulSetControlRollingUpdateWithMaxUnavailableAndUnavailableStalePod`: of an update of `replicas`
/// available pods, some of them not ready and some told to end, which ordinals go.
#[test]
fn updates_spend_what_may_be_unavailable_as_upstream() {
    // parallel, replicas, partition, maxUnavailable, not ready, told to end, those that go
    type Row = (bool, i32, u32, i32, Vec<u32>, Vec<u32>, Vec<u32>);
    let rows: Vec<Row> = vec![
        (true, 1, 0, 1, vec![0], vec![], vec![0]),
        (true, 3, 0, 1, vec![2], vec![], vec![2]),
        (true, 5, 0, 2, vec![3, 4], vec![], vec![4, 3]),
        (false, 1, 0, 1, vec![0], vec![], vec![]),
        (false, 3, 0, 1, vec![2], vec![], vec![]),
        (false, 5, 0, 2, vec![4], vec![], vec![4]),
        (true, 3, 0, 1, vec![], vec![2], vec![]),
        (false, 3, 0, 1, vec![], vec![2], vec![]),
        // 3 - 2 = 1 more than the one that is unavailable anyway.
        (true, 5, 0, 3, vec![3], vec![4], vec![3, 2]),
        (true, 5, 0, 3, vec![4], vec![3], vec![4, 2]),
        (false, 5, 0, 3, vec![3], vec![4], vec![3]),
        (false, 5, 0, 3, vec![4], vec![3], vec![4]),
        (true, 5, 2, 1, vec![4], vec![], vec![4]),
        (true, 5, 2, 1, vec![2], vec![], vec![2]),
        (true, 5, 2, 1, vec![1], vec![], vec![]),
        (false, 5, 2, 1, vec![4], vec![], vec![]),
        (true, 5, 3, 2, vec![3, 4], vec![], vec![4, 3]),
        (true, 5, 3, 2, vec![1, 4], vec![], vec![4]),
        (true, 4, 0, 2, vec![0, 1], vec![], vec![1, 0]),
        (true, 5, 0, 3, vec![0, 1], vec![], vec![1, 0, 4]),
    ];
    for (is_parallel, replicas, partition, most, not_ready, ending, expected) in rows {
        let spec = rolling(replicas, is_parallel, partition, most);
        let made = |ordinal: u32| ObservedPod {
            ready_since: (!not_ready.contains(&ordinal)).then_some(SimTime::ZERO),
            is_terminating: ending.contains(&ordinal),
            ..pod(ordinal)
        };
        let pods: Vec<ObservedPod> = (0..replicas as u32).map(made).collect();
        let mut update = Update::new(&spec, OLD, NEW, &pods, NOW);
        let count = update.roll(partition as usize, most as usize);
        let gone: Vec<u32> = update.delete.iter().map(|pod| pod.0).collect();
        assert_eq!((count as usize, gone), (expected.len(), expected), "{spec:?}: {not_ready:?}, {ending:?}");
    }
}

/// A set whose pods are made, ended and ready at once, and the ordinals that went and came.
fn roll_out(spec: &StatefulSetSpec, template: RevisionId, mut pods: Vec<ObservedPod>) -> (String, Vec<RevisionId>) {
    let mut status = StatefulSetStatus { current_revision: Some(OLD), ..StatefulSetStatus::default() };
    let mut log = Vec::new();
    for _ in 0..100 {
        let plan = sync(spec, template, &status, &pods, NOW);
        let is_quiet = plan.create.is_empty() && plan.delete.is_empty() && plan.status == status;
        status = plan.status;
        pods.retain(|pod| !plan.delete.contains(&pod.id));
        log.extend(plan.delete.iter().map(|id| format!("-{}", id.0)));
        for new in plan.create {
            log.push(format!("+{}", new.ordinal));
            pods.push(ObservedPod { revision: new.revision, ..pod(new.ordinal) });
        }
        if is_quiet {
            pods.sort_by_key(|pod| pod.ordinal);
            return (log.join(" "), pods.iter().map(|pod| pod.revision).collect());
        }
    }
    panic!("no end: {log:?}");
}

#[test]
fn updates_go_from_the_top_down() {
    let old = || (0..3).map(pod).collect::<Vec<_>>();
    // One after the other, each made again before the next goes.
    let found = roll_out(&rolling(3, false, 0, 1), NEW, old());
    assert_eq!(found, ("-2 +2 -1 +1 -0 +0".to_owned(), vec![NEW; 3]));
    // Below the partition nothing changes.
    let found = roll_out(&rolling(3, false, 2, 1), NEW, old());
    assert_eq!(found, ("-2 +2".to_owned(), vec![OLD, OLD, NEW]));
    // Two at a time; in order they are made one after the other, from the bottom.
    let found = roll_out(&rolling(3, false, 0, 2), NEW, old());
    assert_eq!(found, ("-2 -1 +1 +2 -0 +0".to_owned(), vec![NEW; 3]));
    // 40% of 3 is 1.2, so one; and never less than one.
    for percent in [40, 1] {
        let update = StatefulSetUpdate::RollingUpdate { partition: 0, max_unavailable: Percent(percent) };
        let spec = StatefulSetSpec { update, ..rolling(3, true, 0, 1) };
        assert_eq!(roll_out(&spec, NEW, old()).0, "-2 +2 -1 +1 -0 +0");
    }
    let spec = StatefulSetSpec { update: StatefulSetUpdate::OnDelete, ..rolling(3, false, 0, 1) };
    assert_eq!(roll_out(&spec, NEW, old()), (String::new(), vec![OLD; 3]));
    // A pod that goes for another reason comes back with the new template.
    assert_eq!(roll_out(&spec, NEW, vec![pod(0), pod(2)]), ("+1".to_owned(), vec![OLD, NEW, OLD]));
}

#[test]
fn pods_below_the_partition_come_back_as_they_were() {
    let spec = rolling(2, false, 1, 1);
    let before = StatefulSetStatus { current_revision: Some(OLD), ..StatefulSetStatus::default() };
    let plan = sync(&spec, NEW, &before, &[], NOW);
    assert_eq!(plan.create, vec![NewPod { ordinal: 0, revision: OLD }]);
    let plan = sync(&spec, NEW, &before, &[pod(0)], NOW);
    assert_eq!(plan.create, vec![NewPod { ordinal: 1, revision: NEW }]);
}

#[test]
fn the_new_revision_becomes_the_current_one_when_all_are_ready() {
    let spec = rolling(2, false, 0, 1);
    let before = StatefulSetStatus { current_revision: Some(OLD), ..StatefulSetStatus::default() };
    let new = |ordinal| ObservedPod { revision: NEW, ..pod(ordinal) };
    let half = sync(&spec, NEW, &before, &[new(1), pod(0)], NOW).status;
    // 1 old pod less the 1 that this sync tells to end.
    assert_eq!((half.current_revision, half.current, half.updated), (Some(OLD), 0, 1));
    let unready = ObservedPod { ready_since: None, ..new(1) };
    assert_eq!(sync(&spec, NEW, &before, &[new(0), unready], NOW).status.current_revision, Some(OLD));
    let whole = sync(&spec, NEW, &before, &[new(0), new(1)], NOW).status;
    assert_eq!((whole.current_revision, whole.current, whole.updated), (Some(NEW), 2, 2));
}

//! Limits, back-off, registry, quotas, cadence, and a scale-up and a scale-down from end to end.

mod scale_down;
mod scale_up;

use super::backoff::Backoff;
use super::cadence::{LastTimes, MayScaleUp, WaitingPod, is_old_enough, may_scale_up};
use super::cluster_state::{ClusterState, GroupState, Instance, NodeState};
use super::eligibility::{Candidate, unremovable_reason};
use super::equivalence::{PodKind, groups};
use super::limiter::{EstimationContext, GroupSize, Limiter, Threshold, tighter};
use super::options::{NodeGroupOptions, Options};
use super::planner::Unremovable;
use super::quota::{CountedNode, Quota, Resources, Tracker};
use super::snapshot::NodeKey;
use super::utilization::{Ignored, Judged, PodShare, share, utilization};
use crate::ids::PodId;
use crate::units::{SimDuration, SimTime};

fn minutes(minutes: u64) -> SimDuration {
    SimDuration(minutes * 60_000_000_000)
}

fn at(minutes_from_start: u64) -> SimTime {
    SimTime::ZERO.after(minutes(minutes_from_start))
}

#[test]
fn limits_of_an_estimate() {
    // `threshold_based_limiter_test.go`: base, other, the tighter
    let table = [(-10, 10, -1), (-10, 0, -1), (-10, -10, -1), (0, 0, 0), (0, 10, 10), (5, 10, 5), (5, 0, 5)];
    for (base, other, expected) in table {
        assert_eq!(tighter(base, other), expected, "{base} {other}");
    }
    let size = |target, max| GroupSize { target, max };
    let context = |group, similar: &[GroupSize]| EstimationContext {
        group,
        similar: similar.to_vec(),
        ..EstimationContext::default()
    };
    // `sng_capacity_threshold_test.go`: 10 + 5 + 50 + 2
    let table = [
        (context(size(10, 20), &[size(5, 10), size(50, 100), size(3, 5)]), 67),
        (context(size(10, 5), &[size(5, 10), size(11, 10), size(5, 0)]), 5),
        (context(size(5, 5), &[size(10, 10), size(100, 100)]), -1),
        (context(size(10, 5), &[size(11, 10)]), -1),
    ];
    for (context, expected) in table {
        assert_eq!(Threshold::SimilarGroups.node_limit(Some(&context)), expected);
    }
    // `cluster_capacity_threshold_test.go`: the most, what there is, the limit
    for (cluster_max_nodes, current_nodes, expected) in [(10, 5, 5), (10, 11, -1), (0, 10, 0), (-5, 0, -1), (5, 5, -1)]
    {
        let context = EstimationContext { cluster_max_nodes, current_nodes, ..EstimationContext::default() };
        assert_eq!(Threshold::ClusterCapacity.node_limit(Some(&context)), expected);
    }
    assert_eq!(Threshold::ClusterCapacity.node_limit(None), 0);
}

#[test]
fn a_limiter_grants_nodes() {
    let fixed = |max_nodes, max_duration_ns| Threshold::Static { max_nodes, max_duration_ns };
    // thresholds, time of the questions, answers
    let table = [
        (vec![], 0, vec![true, true, true]),
        (vec![fixed(20, 5)], 10, vec![false, false]),
        (vec![fixed(3, 0)], 0, vec![true, true, true, false]),
        (vec![fixed(-1, 0), fixed(10, 0)], 0, vec![false]),
        (vec![fixed(100, -1), fixed(10, 60)], 0, vec![false]),
        (vec![fixed(20, 5)], 5, vec![true]),
    ];
    for (thresholds, now, expected) in table {
        let mut limiter = Limiter::new(thresholds.clone());
        for _ in 0..2 {
            limiter.start(None, SimTime::ZERO);
            let answers: Vec<bool> = expected.iter().map(|_| limiter.grant(SimTime(now))).collect();
            assert_eq!(answers, expected, "{thresholds:?}");
        }
    }
}

#[test]
fn pods_are_grouped_by_controller_and_kind() {
    let pod = |id, controller, kind| PodKind { pod: PodId(id), controller, is_daemon: false, kind };
    let pods = [
        pod(0, Some(1), 7),
        pod(1, None, 7),
        pod(2, Some(1), 7),
        pod(3, Some(2), 7),
        pod(4, Some(1), 8),
        pod(5, None, 7),
    ];
    let found = groups(&pods);
    let ids: Vec<Vec<u32>> = found.iter().map(|group| group.iter().map(|pod| pod.0).collect()).collect();
    assert_eq!(ids, [vec![0, 2], vec![1], vec![3], vec![4], vec![5]]);
    // The eleventh kind of a controller is never found again.
    let many: Vec<PodKind> = (0..22).map(|id| pod(id, Some(1), id % 11)).collect();
    let sizes: Vec<usize> = groups(&many).iter().map(Vec::len).collect();
    assert_eq!(sizes, [[2; 10].as_slice(), &[1, 1]].concat());
}

#[test]
fn back_off_doubles_and_is_forgotten() {
    // `exponential_backoff_test.go`
    let mut backoff = Backoff::new(minutes(5), minutes(30), minutes(180));
    assert_eq!(backoff.fail(0, at(0)), at(5));
    assert_eq!(backoff.fail(0, at(1)), at(6), "within a back-off it begins anew");
    assert!(backoff.is_backed_off(0, at(6)) && !backoff.is_backed_off(0, SimTime(at(6).0 + 1)));
    assert!(!backoff.is_backed_off(1, at(0)));
    // 10, 20, 30, 30 minutes
    let untils: Vec<SimTime> = [10, 30, 60, 100].iter().map(|now| backoff.fail(0, at(*now))).collect();
    assert_eq!(untils, [at(20), at(50), at(90), at(130)]);
    backoff.remove_stale(at(280));
    assert_eq!(backoff.fail(0, at(280)), at(310));
    backoff.remove_stale(at(461));
    assert_eq!(backoff.fail(0, at(461)), at(466));
    backoff.remove(0);
    assert!(!backoff.is_backed_off(0, at(461)));
}

fn registered(node: u32, group: Option<usize>, is_ready: bool) -> NodeState {
    let node = NodeKey(node);
    NodeState { node, group, is_ready, is_suspended: false, is_deleted: false, created: SimTime::ZERO }
}

fn of_size(target_size: i64) -> GroupState {
    GroupState { target_size, max_node_provision_time: minutes(15), max_node_startup_time: minutes(15) }
}

#[test]
fn a_scale_up_that_times_out_backs_its_group_off() {
    let mut state = ClusterState::new(&Options::default());
    let node = [registered(0, Some(0), true)];
    assert_eq!(state.update(&[of_size(1)], &node, &[], at(20)), []);
    state.register_scale_up(0, 4, at(20));
    state.set_groups(&[of_size(5)]);
    assert_eq!(state.upcoming(at(20))[&0], (4, vec![]));
    assert!(state.safety(0, at(20)).is_safe(), "what was asked for may be missing");
    // One more came up, one is starting, one instance has not registered.
    let starting = NodeState { created: at(29), ..registered(2, Some(0), false) };
    let nodes = [node[0], registered(1, Some(0), true), starting];
    let instance = [Instance { id: 9, group: 0 }];
    assert_eq!(state.update(&[of_size(5)], &nodes, &instance, at(30)), []);
    assert_eq!(state.upcoming(at(30))[&0], (3, vec![NodeKey(2)]));
    // Asked for at 20, 15 minutes to come: at 35 they may still come.
    assert_eq!(state.update(&[of_size(5)], &nodes, &instance, at(35)), []);
    assert_eq!(state.update(&[of_size(5)], &nodes, &instance, at(36)), [(0, 4)]);
    assert!(state.safety(0, at(36)).is_backed_off && state.upcoming(at(36)).is_empty());
    assert!(!state.safety(0, at(42)).is_backed_off, "five minutes later");
    // The instance, seen first at 30, should have registered by 45.
    assert!(state.long_unregistered(&[0], false, at(45)).is_empty());
    state.update(&[of_size(5)], &nodes, &instance, at(46));
    assert_eq!(state.long_unregistered(&[0], false, at(46))[&0], instance);
    assert!(state.long_unregistered(&[5], false, at(46)).is_empty(), "its group would be too small");
}

#[test]
fn too_many_unready_nodes_stop_everything() {
    let nodes =
        |unready: u32| -> Vec<NodeState> { (0..10).map(|node| registered(node, Some(0), node >= unready)).collect() };
    // 3 are always all right; 45 % of 10 are 4.5.
    for (unready, is_healthy) in [(0, true), (3, true), (4, true), (5, false)] {
        let mut state = ClusterState::new(&Options::default());
        state.update(&[of_size(10)], &nodes(unready), &[], at(60));
        assert_eq!((state.is_cluster_healthy(), state.is_group_healthy(0)), (is_healthy, is_healthy), "{unready}");
    }
    // A group of which nothing came is not healthy, unless it just grows.
    let mut state = ClusterState::new(&Options::default());
    state.update(&[of_size(5)], &[], &[], at(60));
    assert!(!state.is_group_healthy(0));
    state.register_scale_up(0, 5, at(60));
    state.set_groups(&[of_size(5)]);
    assert!(state.is_group_healthy(0));
}

#[test]
fn a_size_that_stays_wrong_is_put_right() {
    let mut state = ClusterState::new(&Options::default());
    let nodes = [registered(0, Some(0), true)];
    for now in [0, 10, 15] {
        state.update(&[of_size(3)], &nodes, &[], at(now));
        assert_eq!(state.sizes_to_fix(at(now)), []);
    }
    state.update(&[of_size(3)], &nodes, &[], at(16));
    assert_eq!(state.sizes_to_fix(at(16)), [(0, 2)]);
}

#[test]
fn quotas_limit_nodes() {
    let node = |cores, bytes| -> Resources {
        [("cpu", cores), ("memory", bytes), ("nodes", 1)].map(|(name, amount)| (name.to_owned(), amount)).into()
    };
    let limits = [("cpu", 20), ("memory", 100)].map(|(name, limit)| (name.to_owned(), limit));
    let quota = Quota { id: "cluster-wide".to_owned(), limits: limits.into(), groups: None };
    let there =
        [CountedNode { group: Some(0), resources: node(4, 10) }, CountedNode { group: None, resources: node(6, 10) }];
    let mut growth = Tracker::of_growth(std::slice::from_ref(&quota), &there);
    // 20 - 10 cores are left, 4 a node; 80 bytes, 10 a node.
    let check = growth.check(Some(0), &node(4, 10), 3);
    assert_eq!((check.allowed, check.exceeded), (2, vec![("cluster-wide".to_owned(), vec!["cpu".to_owned()])]));
    assert_eq!(growth.consume(Some(0), &node(4, 10), 2).allowed, 2);
    assert_eq!(growth.check(Some(1), &node(1, 90), 1).exceeded[0].1, ["memory"]);
    // Both limits bind: 2 cores for nodes of 2, 60 bytes for nodes of 25.
    assert_eq!(growth.check(Some(2), &node(2, 25), 4).allowed, 1);
    let keep = Quota { limits: [("cpu".to_owned(), 5)].into(), ..quota };
    let mut shrinking = Tracker::of_shrinking(&[keep], &there);
    assert_eq!(shrinking.consume(Some(0), &node(4, 10), 1).exceeded, []);
    assert_eq!(shrinking.consume(None, &node(6, 10), 1).allowed, 0);
}

#[test]
fn utilization_and_eligibility() {
    let pod = |request, is_daemon, is_mirror| PodShare { request, is_daemon, is_mirror, is_long_terminating: false };
    let pods = [pod(100, false, false), pod(100, true, false), pod(100, false, true)];
    let ending = PodShare { is_long_terminating: true, ..pods[0] };
    let ignoring = |daemons, mirrors| share(2000, pods.into_iter().chain([ending]), Ignored { daemons, mirrors });
    // `info_test.go`: what is left out is neither used nor there.
    assert_eq!(ignoring(false, false), Some(300.0 / 2000.0));
    assert_eq!(ignoring(true, false), Some(200.0 / 1900.0));
    assert_eq!(ignoring(true, true), Some(100.0 / 1800.0));
    assert_eq!(share(0, pods, Ignored::default()), None);
    let judged = |cpu, memory, gpu| utilization(cpu, memory, gpu).map(|it| (it.judged, it.share));
    assert_eq!(judged(Some(0.5), Some(0.4), None), Some((Judged::Cpu, 0.5)));
    assert_eq!(judged(Some(0.5), Some(0.5), None), Some((Judged::Memory, 0.5)));
    assert_eq!(judged(Some(0.5), None, None), None);
    assert_eq!(judged(Some(0.9), Some(0.9), Some(Some(0.1))), Some((Judged::Gpu, 0.1)));
    assert_eq!(judged(None, None, Some(None)), Some((Judged::Gpu, 0.0)));

    let used = |share| utilization(Some(share), Some(0.0), None);
    let node = Candidate {
        to_be_deleted_since: None,
        scale_down_disabled: false,
        has_group: true,
        is_ready: true,
        utilization: used(0.5),
    };
    let now = at(60);
    let table = [
        (node, None),
        (Candidate { utilization: used(0.51), ..node }, Some(Unremovable::NotUnderutilized)),
        (Candidate { to_be_deleted_since: Some(at(56)), ..node }, Some(Unremovable::CurrentlyBeingDeleted)),
        (Candidate { to_be_deleted_since: Some(at(55)), ..node }, None),
        (Candidate { scale_down_disabled: true, ..node }, Some(Unremovable::ScaleDownDisabledAnnotation)),
        (Candidate { has_group: false, ..node }, Some(Unremovable::NotAutoscaled)),
        (Candidate { utilization: None, ..node }, Some(Unremovable::UnexpectedError)),
        (Candidate { is_ready: false, ..node }, Some(Unremovable::ScaleDownUnreadyDisabled)),
    ];
    for (candidate, expected) in table {
        assert_eq!(unremovable_reason(&candidate, &NodeGroupOptions::default(), false, now), expected, "{candidate:?}");
    }
    assert_eq!(
        unremovable_reason(&Candidate { is_ready: false, ..node }, &NodeGroupOptions::default(), true, now),
        None
    );
}

#[test]
fn a_turn_waits_for_new_pods_and_pauses_after_changes() {
    let options = Options::default();
    let pod = |created_s: u64, asks_gpu| WaitingPod {
        created: SimTime(created_s * 1_000_000_000),
        scale_up_delay: None,
        asks_gpu,
    };
    let asked = |pods: &[WaitingPod], now_s: u64| may_scale_up(pods, 7, &options, SimTime(now_s * 1_000_000_000));
    assert_eq!(asked(&[], 10), MayScaleUp::NotNeeded);
    assert_eq!(asked(&[pod(9, false)], 10), MayScaleUp::TooSoon);
    assert_eq!(asked(&[pod(9, false), pod(8, false)], 10), MayScaleUp::Yes);
    // Pods with GPUs are waited for half a minute.
    assert_eq!(asked(&[pod(0, false), pod(8, true)], 30), MayScaleUp::TooSoon);
    assert_eq!(asked(&[pod(0, false), pod(8, true)], 38), MayScaleUp::Yes);
    let full = Options { max_nodes_total: 7, ..Options::default() };
    assert_eq!(may_scale_up(&[pod(0, false)], 7, &full, at(1)), MayScaleUp::MaxNodesReached);
    let delayed = WaitingPod { scale_up_delay: Some(minutes(1)), ..pod(0, false) };
    assert!(!is_old_enough(&delayed, &options, at(1)) && is_old_enough(&delayed, &options, SimTime(at(1).0 + 1)));
    let times = LastTimes { scale_up: Some(at(10)), failure: Some(at(18)), delete: Some(at(19)) };
    let pauses: Vec<bool> = [19, 20, 21].iter().map(|now| times.in_cooldown(&options, at(*now))).collect();
    // Ten minutes after 10, three after 18, none after 19.
    assert_eq!(pauses, [true, true, false]);
}

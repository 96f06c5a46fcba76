//! Cases of `daemon_controller_test.go` and `update_test.go` of v1.37.0.

use super::*;
use crate::model::objects::CountOrPercent::{self, Count, Percent};

const SECOND: u64 = 1_000_000_000;
const OLD: RevisionId = RevisionId(0);
const NEW: RevisionId = RevisionId(1);

fn at(seconds: u64) -> SimTime {
    SimTime(seconds * SECOND)
}

fn update(max_surge: CountOrPercent, max_unavailable: CountOrPercent) -> DaemonSetSpec {
    let update = DaemonSetUpdate::RollingUpdate { max_surge, max_unavailable };
    DaemonSetSpec { min_ready: SimDuration::ZERO, update }
}

fn nodes(count: u32) -> Vec<DaemonNode> {
    (0..count).map(|id| DaemonNode { id: NodeId(id), should_run: true, should_continue: true }).collect()
}

/// A ready pod of the old template on a node.
fn pod(id: u32, node: u32) -> (NodeId, ObservedPod) {
    let pod = ObservedPod {
        id: PodId(id),
        created: at(u64::from(id)),
        phase: PodPhase::Running,
        node: Some(NodeId(node)),
        ready_since: Some(at(0)),
        is_terminating: false,
        revision: OLD,
        ordinal: 0,
        restarts: 0,
        sidecar_restarts: 0,
        deletion_cost: 0,
    };
    (NodeId(node), pod)
}

fn with(base: (NodeId, ObservedPod), change: impl FnOnce(&mut ObservedPod)) -> (NodeId, ObservedPod) {
    let (node, mut pod) = base;
    change(&mut pod);
    (node, pod)
}

fn new(id: u32, node: u32) -> (NodeId, ObservedPod) {
    with(pod(id, node), |pod| pod.revision = NEW)
}

fn unready(base: (NodeId, ObservedPod)) -> (NodeId, ObservedPod) {
    with(base, |pod| pod.ready_since = None)
}

fn ending(base: (NodeId, ObservedPod)) -> (NodeId, ObservedPod) {
    with(base, |pod| pod.is_terminating = true)
}

fn plan(spec: &DaemonSetSpec, template: RevisionId, nodes: &[DaemonNode], pods: &[(NodeId, ObservedPod)]) -> Plan {
    let object = ObservedDaemonSet { spec, template, generation: 1, nodes, pods };
    sync(&object, &mut FailureBackoffs::default(), at(1000))
}

/// Nodes that get a pod, and pods that go.
fn decide(
    spec: &DaemonSetSpec,
    template: RevisionId,
    nodes: &[DaemonNode],
    pods: &[(NodeId, ObservedPod)],
) -> (Vec<u32>, Vec<u32>) {
    let plan = plan(spec, template, nodes, pods);
    (plan.create.iter().map(|node| node.0).collect(), plan.delete.iter().map(|pod| pod.0).collect())
}

#[test]
fn every_eligible_node_has_one_pod() {
    let spec = update(Count(0), Count(1));
    let mut nodes = nodes(4);
    // Node 2 keeps what it has, node 3 is not to have one.
    nodes[2].should_run = false;
    (nodes[3].should_run, nodes[3].should_continue) = (false, false);
    let waiting = with(pod(9, 7), |pod| pod.node = None);
    type Row = (Vec<(NodeId, ObservedPod)>, (Vec<u32>, Vec<u32>));
    let rows: Vec<Row> = vec![
        (vec![], (vec![0, 1], vec![])),
        (vec![pod(1, 0)], (vec![1], vec![])),
        (vec![pod(1, 0), pod(2, 1), pod(3, 2)], (vec![], vec![])),
        (vec![pod(1, 0), pod(2, 1), pod(3, 3)], (vec![], vec![3])),
        (vec![pod(1, 0), pod(2, 1), ending(pod(3, 3))], (vec![], vec![])),
        // Of several on a node the oldest stays, and one that waits for its node counts as younger.
        (vec![pod(1, 0), pod(2, 0), pod(3, 0), pod(4, 1)], (vec![], vec![2, 3])),
        (vec![with(pod(1, 0), |pod| pod.node = None), pod(2, 0), pod(4, 1)], (vec![], vec![1])),
        // A pod that is going keeps its place until it has ended.
        (vec![ending(pod(1, 0)), pod(2, 1)], (vec![], vec![])),
        (vec![with(ending(pod(1, 0)), |pod| pod.phase = PodPhase::Succeeded), pod(2, 1)], (vec![0], vec![])),
        // What has ended goes, and is made again after that.
        (vec![with(pod(1, 0), |pod| pod.phase = PodPhase::Succeeded), pod(2, 1)], (vec![], vec![1])),
        (vec![with(pod(1, 0), |pod| pod.phase = PodPhase::Failed), pod(2, 1)], (vec![], vec![1])),
        // For nodes that are gone nobody else deletes what waits for them; what was there is not its business.
        (vec![pod(1, 0), pod(2, 1), waiting, pod(8, 7)], (vec![], vec![9])),
    ];
    for (pods, expected) in rows {
        assert_eq!(decide(&spec, OLD, &nodes, &pods), expected, "{pods:?}");
    }
}

#[test]
fn writes_come_in_bursts() {
    let spec = update(Count(0), Count(1));
    let found = plan(&spec, OLD, &nodes(251), &[]);
    assert_eq!((found.create.len(), found.wake), (250, Some(at(1000))));
    let found = plan(&spec, OLD, &nodes(250), &[]);
    assert_eq!((found.create.len(), found.wake), (250, None));
}

#[test]
fn failed_pods_wait_twice_as_long_each_time() {
    let spec = update(Count(0), Count(1));
    let failed = [with(pod(1, 0), |pod| pod.phase = PodPhase::Failed)];
    let mut backoffs = FailureBackoffs::default();
    let nodes = nodes(1);
    let mut ask = |generation, milliseconds: u64| {
        let object = ObservedDaemonSet { spec: &spec, template: OLD, generation, nodes: &nodes, pods: &failed };
        let plan = sync(&object, &mut backoffs, SimTime(milliseconds * 1_000_000));
        (plan.delete.len(), plan.wake.map(|wake| wake.0 / 1_000_000))
    };
    // (generation, asked at), (deleted, asked again at), in ms: back-offs of 1, 2 and 4 s from the deletion before.
    let rows = [
        ((1, 0), (1, None)),
        // It is waited for the whole back-off anew: 500 + 1000.
        ((1, 500), (0, Some(1500))),
        ((1, 1000), (1, None)),
        ((1, 2999), (0, Some(4999))),
        ((1, 3000), (1, None)),
        // Another template begins anew.
        ((2, 3001), (1, None)),
        ((2, 4001), (1, None)),
        // After more than twice the longest back-off of 15 min it begins anew: 4001 + 1,800,000 is not yet more.
        ((2, 1_804_001), (1, None)),
        ((2, 1_808_000), (0, Some(1_812_000))),
        ((2, 3_700_000), (1, None)),
        ((2, 3_701_000), (1, None)),
    ];
    for ((generation, when), expected) in rows {
        assert_eq!(ask(generation, when), expected, "{generation} at {when}");
    }
}

#[test]
fn limits_of_updates_are_upstreams() {
    // surge, unavailable, nodes; surge, unavailable
    let rows = [
        (Count(0), Count(0), 0, (0, 0)),
        (Count(0), Count(1), 2, (0, 1)),
        (Count(0), Count(0), 2, (0, 1)),
        (Count(0), Percent(50), 2, (0, 1)),
        (Percent(50), Count(0), 2, (1, 0)),
        (Percent(100), Count(0), 2, (2, 0)),
        // 50% of 3 is rounded up.
        (Count(0), Percent(50), 3, (0, 2)),
    ];
    for (max_surge, max_unavailable, count, expected) in rows {
        let spec = update(max_surge, max_unavailable);
        let nodes = nodes(count);
        let object = ObservedDaemonSet { spec: &spec, template: NEW, generation: 1, nodes: &nodes, pods: &[] };
        let (surge, unavailable, desired) = Round::new(&object, at(0)).limits();
        assert_eq!(((surge, unavailable), desired), (expected, count as usize), "{spec:?}");
    }
}

#[test]
fn old_pods_are_replaced_node_by_node() {
    let nodes = nodes(5);
    let old = |ids: std::ops::Range<u32>| ids.map(|id| pod(id, id)).collect::<Vec<_>>();
    let spec = update(Count(0), Count(3));
    assert_eq!(decide(&spec, NEW, &nodes, &old(0..5)), (vec![], vec![0, 1, 2]));
    assert_eq!(decide(&spec, OLD, &nodes, &old(0..5)), (vec![], vec![]));
    // None is ready: nothing is lost by replacing them all.
    let unready_pods: Vec<_> = old(0..5).into_iter().map(unready).collect();
    assert_eq!(decide(&spec, NEW, &nodes, &unready_pods), (vec![], vec![0, 1, 2, 3, 4]));
    // One new one is not ready, and one is going: 3 - 2 = 1 more.
    let mixed = [unready(new(10, 0)), ending(pod(1, 1)), pod(2, 2), pod(3, 3), pod(4, 4)];
    assert_eq!(decide(&spec, NEW, &nodes, &mixed), (vec![], vec![2]));
    let on_delete = DaemonSetSpec { update: DaemonSetUpdate::OnDelete, ..spec };
    assert_eq!(decide(&on_delete, NEW, &nodes, &old(0..5)), (vec![], vec![]));
    // A node without a pod gets one first.
    assert_eq!(decide(&spec, NEW, &nodes, &old(0..4)), (vec![4], vec![]));
}

#[test]
fn unavailable_new_pods_do_not_save_unavailable_old_ones() {
    // Upstream: 100 nodes, 10 may be unavailable; 10 available old pods, 2 unavailable old ones, 88 unavailable new ones.
    let mut pods: Vec<_> = (0..10).map(|id| pod(id, id)).collect();
    pods.extend((10..12).map(|id| unready(pod(id, id))));
    pods.extend((12..100).map(|id| unready(new(id, id))));
    assert_eq!(decide(&update(Count(0), Count(10)), NEW, &nodes(100), &pods), (vec![], vec![10, 11]));
}

#[test]
fn surging_pods_come_beside_old_ones() {
    let nodes = nodes(5);
    let spec = update(Count(3), Count(0));
    let old: Vec<_> = (0..5).map(|id| pod(id, id)).collect();
    assert_eq!(decide(&spec, NEW, &nodes, &old), (vec![0, 1, 2], vec![]));
    // Where the old one is not ready it costs no surge.
    let unready_pods: Vec<_> = old.iter().copied().map(unready).collect();
    assert_eq!(decide(&spec, NEW, &nodes, &unready_pods), (vec![0, 1, 2, 3, 4], vec![]));
    // An old one goes when the new one is ready, or it is itself not ready.
    let both = |first, second| [first, second, pod(2, 1), pod(3, 2), pod(4, 3), pod(5, 4)];
    assert_eq!(decide(&spec, NEW, &nodes, &both(pod(1, 0), new(9, 0))), (vec![], vec![1]));
    assert_eq!(decide(&spec, NEW, &nodes, &both(unready(pod(1, 0)), unready(new(9, 0)))), (vec![], vec![1]));
    // One surges already: 3 - 1 = 2 more.
    assert_eq!(decide(&spec, NEW, &nodes, &both(pod(1, 0), unready(new(9, 0)))), (vec![1, 2], vec![]));
    // A pod that is going leaves room at once.
    assert_eq!(decide(&spec, OLD, &nodes, &both(ending(pod(1, 0)), ending(pod(9, 0)))), (vec![0], vec![]));
    // Of each kind the oldest stays.
    let many = [pod(1, 0), pod(6, 0), unready(new(7, 0)), new(8, 0), pod(2, 1), pod(3, 2), pod(4, 3), pod(5, 4)];
    assert_eq!(decide(&spec, NEW, &nodes, &many), (vec![], vec![8, 6]));
}

#[test]
fn surging_waits_for_the_minimum_ready_time() {
    let spec = DaemonSetSpec { min_ready: SimDuration(15 * SECOND), ..update(Count(3), Count(0)) };
    let nodes = nodes(1);
    let pods = [pod(1, 0), with(new(2, 0), |pod| pod.ready_since = Some(at(990)))];
    let found = plan(&spec, NEW, &nodes, &pods);
    // 990 + 15 = 1005 s.
    assert_eq!((found.delete, found.wake), (vec![], Some(at(1005))));
    let object = ObservedDaemonSet { spec: &spec, template: NEW, generation: 1, nodes: &nodes, pods: &pods };
    assert_eq!(sync(&object, &mut FailureBackoffs::default(), at(1005)).delete, vec![PodId(1)]);
}

#[test]
fn with_surge_pods_on_nodes_that_no_longer_fit_go_last() {
    let mut nodes = nodes(2);
    nodes[0].should_run = false;
    let spec = update(Count(1), Count(0));
    // The one on node 1 is not ready: the one on node 0 is all there is.
    assert_eq!(decide(&spec, NEW, &nodes, &[pod(1, 0), unready(new(2, 1))]), (vec![], vec![]));
    assert_eq!(decide(&spec, NEW, &nodes, &[pod(1, 0), new(2, 1)]), (vec![], vec![1]));
    assert_eq!(decide(&spec, NEW, &nodes, &[unready(pod(1, 0)), unready(new(2, 1))]), (vec![], vec![1]));
}

#[test]
fn the_status_counts_nodes() {
    let mut nodes = nodes(5);
    nodes[4].should_run = false;
    let pods = [pod(1, 0), unready(pod(2, 1)), new(3, 2), pod(5, 4)];
    let status = plan(&update(Count(0), Count(1)), NEW, &nodes, &pods).status;
    let expected = DaemonSetStatus { desired: 4, current: 3, misscheduled: 1, ready: 2, available: 2, updated: 1 };
    assert_eq!(status, expected);
}

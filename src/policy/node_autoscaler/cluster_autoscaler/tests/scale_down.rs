//! Scale-down from turn to turn.

use std::collections::BTreeSet;

use super::{at, minutes};
use crate::ids::PodId;
use crate::policy::node_autoscaler::cluster_autoscaler::drain::{Blocking, PodsToMove, RemainingBudgets};
use crate::policy::node_autoscaler::cluster_autoscaler::estimator::Amount;
use crate::policy::node_autoscaler::cluster_autoscaler::options::{NodeGroupOptions, Options};
use crate::policy::node_autoscaler::cluster_autoscaler::planner::{
    Facts, Planner, Turn, Unremovable, order_candidates,
};
use crate::policy::node_autoscaler::cluster_autoscaler::quota::{Resources, Tracker};
use crate::policy::node_autoscaler::cluster_autoscaler::removal::{MovedPod, Removable};
use crate::policy::node_autoscaler::cluster_autoscaler::simple::{SimpleNode, SimplePod, SimpleSnapshot};
use crate::policy::node_autoscaler::cluster_autoscaler::snapshot::{Fits, NodeKey, Rotation, Snapshot};
use crate::units::{Bytes, MilliCpu};

/// One group of nodes; pods from 9 on may not move.
struct World {
    budgets: Vec<Vec<usize>>,
    unready: Vec<NodeKey>,
    min_size: i64,
    size: i64,
}

impl Facts for World {
    fn ineligible(&self, _: NodeKey) -> Option<Unremovable> {
        None
    }
    fn part(&self, pods: &[PodId], _: &RemainingBudgets) -> Result<PodsToMove, (PodId, Blocking)> {
        match pods.iter().find(|pod| pod.0 >= 9) {
            Some(pod) => Err((*pod, Blocking::NotReplicated)),
            None => Ok(PodsToMove { pods: pods.to_vec(), ..PodsToMove::default() }),
        }
    }
    fn describe(&self, pod: PodId) -> MovedPod {
        MovedPod { pod, priority: 0, controller: None, is_daemon: false, kind: 0 }
    }
    fn budgets_of(&self, pod: PodId) -> &[usize] {
        self.budgets.get(pod.index()).map_or(&[], Vec::as_slice)
    }
    fn group(&self, _: NodeKey) -> Option<usize> {
        Some(0)
    }
    fn group_options(&self, _: usize) -> NodeGroupOptions {
        NodeGroupOptions::default()
    }
    fn group_sizes(&self, _: usize) -> (i64, i64) {
        (self.min_size, self.size)
    }
    fn registered(&self, _: usize) -> usize {
        4
    }
    fn deletions(&self, _: usize) -> usize {
        0
    }
    fn is_ready(&self, node: NodeKey) -> bool {
        !self.unready.contains(&node)
    }
    fn scale_down_disabled(&self, _: NodeKey) -> bool {
        false
    }
    fn counted(&self, _: NodeKey) -> Resources {
        Resources::new()
    }
}

/// Nodes of 1000 millicores and their pods; pods ask for 400.
fn cluster(pods: &[&[u32]]) -> SimpleSnapshot {
    let request = Amount { cpu: MilliCpu(400), memory: Bytes(1) };
    let all = vec![SimplePod { request, ..SimplePod::default() }; 20];
    let allocatable = Amount { cpu: MilliCpu(1000), memory: Bytes(100) };
    let node = |pods: &&[u32]| {
        let pods = pods.iter().map(|pod| PodId(*pod)).collect();
        SimpleNode { allocatable, max_pods: 110, pods, ..SimpleNode::default() }
    };
    SimpleSnapshot::new(all, pods.iter().map(node).collect(), SimpleNode::default())
}

struct Loop {
    world: World,
    snapshot: SimpleSnapshot,
    planner: Planner,
    rotation: Rotation,
}

impl Loop {
    fn new(pods: &[&[u32]]) -> Loop {
        let world = World { budgets: Vec::new(), unready: Vec::new(), min_size: 1, size: pods.len() as i64 };
        let planner = Planner::new(&Options::default());
        Loop { world, snapshot: cluster(pods), planner, rotation: Rotation::default() }
    }

    fn turn(&mut self, minute: u64, allowed: &[i64]) -> (Vec<Removable>, Vec<Removable>) {
        let nodes: Vec<NodeKey> = (0..self.snapshot.node_count()).map(|node| self.snapshot.node_at(node)).collect();
        let mut candidates = nodes.clone();
        candidates.sort_by_key(|node| !self.snapshot.pods_on(*node).is_empty());
        let turn = Turn {
            destinations: &nodes,
            candidates: &candidates,
            in_deletion: &BTreeSet::new(),
            recently_evicted: &[],
            now: at(minute),
        };
        let mut budgets = RemainingBudgets { allowed: allowed.to_vec() };
        let options = Options::default();
        self.planner.update(&turn, &mut self.snapshot, &mut self.rotation, &self.world, &mut budgets, &options);
        self.planner.nodes_to_delete(&self.world, &mut Tracker::of_shrinking(&[], &[]))
    }

    fn unneeded(&self) -> Vec<u32> {
        self.planner.unneeded().map(|(node, _)| node.0).collect()
    }
}

fn keys(nodes: &[Removable]) -> Vec<u32> {
    nodes.iter().map(|removable| removable.node.0).collect()
}

#[test]
fn a_node_goes_when_unneeded_for_longer_than_ten_minutes() {
    // Two pods a node. The pod of node 0 goes to 1, both then to 3 and 2, which are full and stay.
    let mut turns = Loop::new(&[&[0], &[1], &[2], &[3], &[]]);
    assert_eq!(turns.turn(0, &[]), (vec![], vec![]));
    assert_eq!(turns.unneeded(), [4, 0, 1]);
    assert_eq!(turns.planner.unremovable()[&NodeKey(0)], Unremovable::NotUnneededLongEnough);
    assert_eq!(turns.planner.unremovable()[&NodeKey(2)], Unremovable::NoPlaceToMovePods);
    assert_eq!(turns.turn(10, &[]), (vec![], vec![]));
    let (empty, drain) = turns.turn(11, &[]);
    assert_eq!((keys(&empty), keys(&drain)), (vec![4], vec![0, 1]));
    assert_eq!(drain[0].destinations, [(PodId(0), NodeKey(2))], "where it ended in the turn before");
    assert!(turns.snapshot.node_count() == 5, "the snapshot is as it was");
}

#[test]
fn the_least_size_and_unready_nodes_hold_back() {
    let mut turns = Loop::new(&[&[0], &[], &[]]);
    turns.world.min_size = 2;
    turns.turn(0, &[]);
    let (empty, drain) = turns.turn(11, &[]);
    assert_eq!((keys(&empty), keys(&drain)), (vec![1], vec![]));
    assert_eq!(turns.planner.unremovable()[&NodeKey(2)], Unremovable::NodeGroupMinSizeReached);
    turns.world.min_size = 0;
    turns.world.unready = vec![NodeKey(2)];
    assert_eq!(keys(&turns.turn(20, &[]).0), [1]);
    assert_eq!(turns.planner.unremovable()[&NodeKey(2)], Unremovable::NotUnreadyLongEnough);
    assert_eq!(keys(&turns.turn(21, &[]).0), [1, 2], "unready for longer than twenty minutes");
}

#[test]
fn a_node_that_may_not_go_is_left_alone_for_five_minutes() {
    let mut turns = Loop::new(&[&[9], &[1]]);
    turns.turn(0, &[]);
    assert_eq!(turns.planner.unremovable()[&NodeKey(0)], Unremovable::BlockedByPod(Blocking::NotReplicated));
    turns.turn(4, &[]);
    assert_eq!(turns.planner.unremovable()[&NodeKey(0)], Unremovable::RecentlyUnremovable);
    turns.turn(5, &[]);
    assert_eq!(turns.planner.unremovable()[&NodeKey(0)], Unremovable::BlockedByPod(Blocking::NotReplicated));
}

#[test]
fn nodes_that_budgets_let_go_at_once_come_first() {
    let mut turns = Loop::new(&[&[0, 1], &[2, 3], &[9], &[10], &[11], &[12]]);
    // Budget 0 covers both pods of node 0 and allows one disruption.
    turns.world.budgets = vec![vec![0], vec![0]];
    turns.turn(0, &[1]);
    let (_, drain) = turns.turn(11, &[1]);
    let risks: Vec<(u32, bool)> = drain.iter().map(|removable| (removable.node.0, removable.is_risky)).collect();
    assert_eq!(risks, [(1, false), (0, true)]);
}

#[test]
fn empty_nodes_are_tried_first() {
    let world = World { budgets: Vec::new(), unready: Vec::new(), min_size: 1, size: 5 };
    let nodes: Vec<NodeKey> = (0..5).map(NodeKey).collect();
    let previous = BTreeSet::from([NodeKey(4), NodeKey(2)]);
    // Nodes 1, 2 and 3 are empty, but 2 waits for a pod.
    let emptiness = |node: NodeKey| ((1..=3).contains(&node.0), node.0 == 2);
    let order: Vec<u32> = order_candidates(&nodes, &world, &previous, emptiness).iter().map(|node| node.0).collect();
    assert_eq!(order, [1, 3, 2, 4, 0]);
    let least = World { min_size: 5, ..world };
    assert_eq!(order_candidates(&nodes, &least, &previous, emptiness), []);
    assert_eq!(Options::default().node_group_defaults.scale_down_unneeded_time, minutes(10));
}

//! Upstream's cases: `budgets_test.go`, `softtaint_test.go`, `priority_test.go`.

use super::*;

fn nodes(group: usize, from: u32, count: u32) -> Vec<(NodeKey, usize)> {
    (from..from + count).map(|node| (NodeKey(node), group)).collect()
}

fn counts(batches: &[Batch]) -> Vec<(usize, usize)> {
    batches.iter().map(|batch| (batch.group, batch.nodes.len())).collect()
}

#[test]
fn nodes_are_cropped_to_what_goes_at_once() {
    let options = Options { max_drain_parallelism: 5, ..Options::default() };
    let alone = GroupFacts { is_atomic: false, target_size: 100, registered: 100 };
    let groups = [alone, alone];
    let case = |empty: u32, drain: u32, going| {
        let cropped = crop(&nodes(0, 0, empty), &nodes(1, 100, drain), &groups, going, &options);
        (counts(&cropped.empty), counts(&cropped.drain))
    };
    // 10 at once, 5 of them drained.
    assert_eq!(case(5, 0, (0, 0)), (vec![(0, 5)], vec![]));
    assert_eq!(case(20, 0, (0, 0)), (vec![(0, 10)], vec![]));
    assert_eq!(case(0, 20, (0, 0)), (vec![], vec![(1, 5)]));
    // Empty ones first: 8, and 2 more.
    assert_eq!(case(8, 10, (0, 0)), (vec![(0, 8)], vec![(1, 2)]));
    // 3 and 2 go already: 10 - 5 = 5 are left, 5 - 2 = 3 to drain.
    assert_eq!(case(0, 20, (3, 2)), (vec![], vec![(1, 3)]));
    assert_eq!(case(4, 20, (3, 2)), (vec![(0, 4)], vec![(1, 1)]));
    assert_eq!(case(4, 4, (9, 1)), (vec![], vec![]));
}

#[test]
fn whole_groups_may_exceed_the_limit_if_alone() {
    let whole = |size| GroupFacts { is_atomic: true, target_size: size, registered: size };
    let options = Options { max_drain_parallelism: 5, ..Options::default() };
    let case = |empty: Vec<(NodeKey, usize)>, drain: Vec<(NodeKey, usize)>, groups: &[GroupFacts]| {
        let cropped = crop(&empty, &drain, groups, (0, 0), &options);
        (counts(&cropped.empty), counts(&cropped.drain))
    };
    assert_eq!(case(nodes(0, 0, 20), vec![], &[whole(20)]), (vec![(0, 20)], vec![]));
    // Not all nodes of the group may go: none goes.
    assert_eq!(case(nodes(0, 0, 19), vec![], &[whole(20)]), (vec![], vec![]));
    // Empty and drained nodes make up the whole.
    assert_eq!(case(nodes(0, 0, 15), nodes(0, 50, 5), &[whole(20)]), (vec![(0, 15)], vec![(0, 5)]));
    // The second no longer may exceed.
    let both = [nodes(0, 0, 20), nodes(1, 50, 20)].concat();
    assert_eq!(case(both, vec![], &[whole(20), whole(20)]), (vec![(0, 20)], vec![]));
    assert_eq!(case(vec![], nodes(0, 0, 8), &[whole(8)]), (vec![], vec![(0, 8)]));
}

#[test]
fn marks_change_ten_at_a_time() {
    let marked = |node, is_marked| Marked { node: NodeKey(node), is_marked, is_being_deleted: false };
    let unneeded: Vec<Marked> = (0..9).map(|node| marked(node, node == 0)).collect();
    let mut needed: Vec<Marked> = (20..26).map(|node| marked(node, true)).collect();
    needed[0].is_being_deleted = true;
    let (lose, get) = soft_taints(&unneeded, &needed, &Options::default());
    // Five lose it, five get it; the rest waits for the next turn.
    assert_eq!(lose, (21..26).map(NodeKey).collect::<Vec<_>>());
    assert_eq!(get, (1..6).map(NodeKey).collect::<Vec<_>>());
}

#[test]
fn evictions_by_priority() {
    let seconds = |seconds: u64| SimDuration(seconds * 1_000_000_000);
    let pods: Vec<Evicted> =
        [(0, None), (1500, Some(seconds(700))), (-5, Some(seconds(5))), (1000, Some(seconds(100)))]
            .into_iter()
            .enumerate()
            .map(|(index, (priority, grace))| Evicted { pod: PodId::from_index(index), priority, grace })
            .collect();
    let options = Options::default();
    let single = rounds(&pods, &[], &options);
    // Grace of 600 s at most; 30 s to spare.
    let graces: Vec<u64> = single[0].pods.iter().map(|(_, grace)| grace.0 / 1_000_000_000).collect();
    assert_eq!((single.len(), graces, single[0].gone_within), (1, vec![30, 600, 5, 100], seconds(630)));
    let tiers = [(1000, 60), (0, 20)];
    let tiers = tiers.map(|(priority, grace)| GraceTier { priority, max_grace: seconds(grace) });
    let by_tier = rounds(&pods, &tiers, &options);
    let ids: Vec<Vec<u32>> = by_tier.iter().map(|round| round.pods.iter().map(|(pod, _)| pod.0).collect()).collect();
    // What is below every tier belongs to the lowest.
    assert_eq!(ids, [vec![0, 2], vec![1, 3]]);
    let start = SimTime(0);
    // Tried again every 10 s within 120 s.
    assert_eq!(retry_eviction(start, SimTime(100_000_000_000), &options), Some(SimTime(110_000_000_000)));
    assert_eq!(retry_eviction(start, SimTime(110_000_000_000), &options), None);
}

//! Lower bounds on the number of equal nodes that a set of requests needs, to stand beside every packing result.
//!
//! Both are O(n log n) at most. A packing that meets a bound is optimal; a gap proves nothing.

/// The volume bound (L1) for each resource: total demand over one node's capacity, rounded up. The greatest of them
/// bounds the number of nodes. `None` stands for a resource that is asked for but that a node has nothing of.
///
/// `items` holds one request per item, in the order of the resources of `capacity`.
///
/// # Panics
/// When an item has not as many resources as a node.
///
/// ```
/// use wavetank::stats::volume_bounds;
/// // 3 + 3 + 3 = 9 of 4 a node: 3 nodes; 1 + 0 + 1 = 2 of 8 a node: 1 node.
/// assert_eq!(volume_bounds(&[[3, 1], [3, 0], [3, 1]], &[4, 8]), [Some(3), Some(1)]);
/// ```
pub fn volume_bounds<I: AsRef<[u64]>>(items: &[I], capacity: &[u64]) -> Vec<Option<u64>> {
    let mut demand = vec![0u128; capacity.len()];
    for item in items {
        let item = item.as_ref();
        assert_eq!(item.len(), capacity.len(), "an item and a node differ in their number of resources");
        for (total, &amount) in demand.iter_mut().zip(item) {
            *total += u128::from(amount);
        }
    }
    let bound = |(total, &room): (u128, &u64)| match (total, room) {
        (0, _) => Some(0),
        (_, 0) => None,
        _ => u64::try_from(total.div_ceil(u128::from(room))).ok(),
    };
    demand.into_iter().zip(capacity).map(bound).collect()
}

/// The bound L2 of Martello and Toth (Discrete Applied Mathematics 28, 1990) for one resource. `None` when an item is
/// larger than a node.
///
/// For a threshold a up to half the capacity c, three groups count: items over c - a sit alone and leave no room for
/// items of a or more; items over c / 2 sit in nodes of their own but leave room; items from a to c / 2 fill that room,
/// and what does not fit opens further nodes by volume. Any threshold gives a bound; the greatest is L2. Only sizes
/// that occur need to be tried as thresholds, beside 0.
///
/// ```
/// use wavetank::stats::martello_toth_bound;
/// // Three items of 6 never share a node of 10, though their volume, 18, would fit into two.
/// assert_eq!(martello_toth_bound(&[6, 6, 6], 10), Some(3));
/// ```
pub fn martello_toth_bound(items: &[u64], capacity: u64) -> Option<u64> {
    let mut sizes: Vec<u64> = items.iter().copied().filter(|&size| size > 0).collect();
    sizes.sort_unstable();
    if sizes.last().is_some_and(|&largest| largest > capacity) {
        return None;
    }
    let mut volume = vec![0u128];
    for &size in &sizes {
        volume.push(volume[volume.len() - 1] + u128::from(size));
    }
    let half = sizes.partition_point(|&size| size <= capacity / 2);
    let thresholds = std::iter::once(0).chain(sizes[..half].iter().copied());
    let bound = |threshold: u64| {
        let alone = sizes.partition_point(|&size| size <= capacity - threshold);
        let small = sizes[..half].partition_point(|&size| size < threshold);
        let own_nodes = (sizes.len() - half) as u64;
        let room = (alone - half) as u128 * u128::from(capacity) - (volume[alone] - volume[half]);
        let rest = (volume[half] - volume[small]).saturating_sub(room);
        own_nodes + u64::try_from(rest.div_ceil(u128::from(capacity.max(1)))).expect("no more nodes than items")
    };
    Some(thresholds.map(bound).max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn volume_bounds_of_known_cases() {
        assert_eq!(volume_bounds::<[u64; 2]>(&[], &[4, 0]), [Some(0), Some(0)]);
        // 5 + 5 + 1 = 11 of 5: 3 nodes; 1 of none: impossible.
        assert_eq!(volume_bounds(&[[5, 1], [5, 0], [1, 0]], &[5, 0]), [Some(3), None]);
        // 2 (2^64 - 1) of 2^64 - 1: exactly 2, without overflow.
        assert_eq!(volume_bounds(&[[u64::MAX], [u64::MAX]], &[u64::MAX]), [Some(2)]);
    }

    #[test]
    fn martello_toth_bounds_of_known_cases() {
        for (items, capacity, expected) in [
            (&[][..], 100, Some(0)),
            (&[0, 0], 100, Some(0)),
            (&[101], 100, None),
            (&[1], 0, None),
            // The worked example of Martello and Toth (1990, chapter 8): volume 300 of 100 gives L1 = 3. At threshold
            // 33: 70 sits alone; 60 leaves 40; 50 + 3 * 33 = 149, 109 over, 2 nodes: 1 + 1 + 2 = 4.
            (&[70, 60, 50, 33, 33, 33, 11, 7, 3], 100, Some(4)),
            // Threshold 5: three items of 6 alone; 5 + 5 = 10 of 10: 3 + 1.
            (&[6, 6, 6, 5, 5], 10, Some(4)),
            // Exactly half: two share a node, 4 * 5 = 20 of 10.
            (&[5, 5, 5, 5], 10, Some(2)),
            // An odd capacity: 4 > 7 / 2, so no two of 4 share.
            (&[4, 4], 7, Some(2)),
        ] {
            assert_eq!(martello_toth_bound(items, capacity), expected, "{items:?} of {capacity}");
        }
    }

    /// The definition, tried at every threshold.
    fn by_definition(items: &[u64], capacity: u64) -> u64 {
        let bound = |a: u64| {
            let group = |keep: &dyn Fn(u64) -> bool| items.iter().copied().filter(|&w| keep(w)).collect::<Vec<u64>>();
            let alone = group(&|w| w > capacity - a).len() as u64;
            let large = group(&|w| capacity - a >= w && 2 * w > capacity);
            let small: u64 = group(&|w| 2 * w <= capacity && w >= a).iter().sum();
            let room = large.len() as u64 * capacity - large.iter().sum::<u64>();
            alone + large.len() as u64 + small.saturating_sub(room).div_ceil(capacity)
        };
        (0..=capacity / 2).map(bound).max().unwrap_or(0)
    }

    /// The fewest nodes, by trying every node for every item.
    fn optimum(items: &[u64], capacity: u64, free: &mut Vec<u64>) -> usize {
        let Some((&item, rest)) = items.split_first() else { return free.len() };
        let mut best = usize::MAX;
        for node in 0..free.len() {
            if free[node] >= item {
                free[node] -= item;
                best = best.min(optimum(rest, capacity, free));
                free[node] += item;
            }
        }
        free.push(capacity - item);
        best = best.min(optimum(rest, capacity, free));
        free.pop();
        best
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(items in prop::collection::vec(0..=30u64, 0..40), capacity in 30..60u64) {
            prop_assert_eq!(martello_toth_bound(&items, capacity), Some(by_definition(&items, capacity)));
        }

        #[test]
        fn lies_between_the_volume_bound_and_the_optimum(items in prop::collection::vec(1..=20u64, 1..8)) {
            let bound = martello_toth_bound(&items, 20).expect("every item fits");
            let volume = items.iter().sum::<u64>().div_ceil(20);
            prop_assert!(volume <= bound);
            prop_assert!(bound <= optimum(&items, 20, &mut Vec::new()) as u64);
        }
    }
}

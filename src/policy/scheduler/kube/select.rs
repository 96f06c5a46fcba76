//! Which of equally good nodes v1.37.0 takes.
//!
//! Upstream puts the scored nodes into a heap (`pkg/scheduler/framework/sorted_nodes.go`) that breaks ties by a random
//! number, but draws that number only for nodes that an extender has scored (`pkg/scheduler/schedule_one.go`, line
//! 1045). Without extenders the choice follows from the totals and the order in which nodes were found.

/// The position of the total that comes to the top when Go's `container/heap` puts `totals` into order; none of none.
/// An element yields only to a greater one below it, and of two such the left goes up: from the top the way leads into
/// the left half unless the best is only in the right one.
pub fn top_of_heap(totals: &[i64]) -> Option<usize> {
    // The highest total at or below each position; below i stand 2i + 1 and 2i + 2.
    let mut highest = totals.to_vec();
    for i in (1..totals.len()).rev() {
        highest[(i - 1) / 2] = highest[(i - 1) / 2].max(highest[i]);
    }
    let best = *highest.first()?;
    let mut at = 0;
    while totals[at] != best {
        at = if highest[2 * at + 1] == best { 2 * at + 1 } else { 2 * at + 2 };
    }
    Some(at)
}

/// Whether of two equally good elements of a heap `a` comes to the top: an element yields to no equal below it, and from
/// a common parent the left side goes up.
pub fn is_above(a: usize, b: usize) -> bool {
    // Counted from 1, the parent of i is i / 2, so that bits from the highest on are the way down from the top.
    let (a, b) = (a + 1, b + 1);
    let depth = a.ilog2().min(b.ilog2());
    let (side_a, side_b) = (a >> (a.ilog2() - depth), b >> (b.ilog2() - depth));
    if side_a == side_b { a < b } else { side_a < side_b }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::SEED;

    #[test]
    fn the_left_half_goes_first() {
        for (totals, expected) in [
            (vec![], None),
            (vec![3], Some(0)),
            // 3 stands at 2 and 3, and 3 is below 1, in the left half.
            (vec![1, 2, 3, 3], Some(3)),
            (vec![5, 5, 5], Some(0)),
            (vec![0, 7, 7], Some(1)),
            // At 2 and 5: 5 is below 2, which does not yield to its equal.
            (vec![0, 1, 7, 1, 1, 7], Some(2)),
            (vec![-4, -4], Some(0)),
        ] {
            assert_eq!(top_of_heap(&totals), expected, "{totals:?}");
        }
    }

    /// Go's `heap.Init` with "greater goes up", step by step, carrying positions along.
    fn heapify(totals: &[i64]) -> Option<usize> {
        let mut heap: Vec<(i64, usize)> = totals.iter().copied().zip(0..).collect();
        for start in (0..heap.len() / 2).rev() {
            let mut i = start;
            while 2 * i + 1 < heap.len() {
                let (left, right) = (2 * i + 1, 2 * i + 2);
                let child = if right < heap.len() && heap[right].0 > heap[left].0 { right } else { left };
                if heap[child].0 <= heap[i].0 {
                    break;
                }
                heap.swap(i, child);
                i = child;
            }
        }
        heap.first().map(|&(_, position)| position)
    }

    #[test]
    fn of_equals_the_one_above_is_found_by_their_places() {
        let mut stream = SEED.stream("test", 2);
        for _ in 0..2000 {
            let totals: Vec<i64> = (0..1 + stream.below(40)).map(|_| stream.below(3) as i64).collect();
            let best = totals.iter().max().copied().unwrap_or(0);
            let ties = (0..totals.len()).filter(|&at| totals[at] == best);
            let top = ties.reduce(|top, other| if is_above(other, top) { other } else { top });
            assert_eq!(top, top_of_heap(&totals), "{totals:?}");
        }
    }

    #[test]
    fn no_heap_is_needed_to_find_its_top() {
        let mut stream = SEED.stream("test", 1);
        for _ in 0..2000 {
            let totals: Vec<i64> = (0..stream.below(40)).map(|_| stream.below(4) as i64).collect();
            assert_eq!(top_of_heap(&totals), heapify(&totals), "{totals:?}");
        }
    }
}

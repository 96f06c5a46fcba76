//! Which of equally good nodes is taken.

use crate::model::kube_scheduler::TieBreak;
use crate::rng::Stream;

/// The node that is taken, and how clear that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Its position in the order in which nodes were looked at.
    pub position: usize,
    /// Its score.
    pub best: i64,
    /// How many nodes have that score.
    pub ties: usize,
}

/// Takes one of the nodes with the highest total; none of none. A random number is drawn only where nodes tie under
/// [`TieBreak::Random`].
pub fn select(totals: &[i64], tie_break: TieBreak, stream: &mut Stream) -> Option<Selection> {
    let best = totals.iter().copied().max()?;
    let mut bests = totals.iter().enumerate().filter(|&(_, total)| *total == best).map(|(position, _)| position);
    let ties = bests.clone().count();
    let skip = match tie_break {
        TieBreak::Random if ties > 1 => stream.below(ties as u64) as usize,
        TieBreak::Random | TieBreak::First => 0,
        TieBreak::Heap => return Some(Selection { position: top_of_heap(totals, best), best, ties }),
    };
    bests.nth(skip).map(|position| Selection { position, best, ties })
}

/// The position whose element comes to the top when Go's `container/heap` puts `totals` into order: an element yields
/// only to a greater one below it, and of two such the left goes up. So from the top the way leads into the left half
/// unless the best is only in the right one.
fn top_of_heap(totals: &[i64], best: i64) -> usize {
    // The highest total at or below each position; children of i are 2i + 1 and 2i + 2.
    let mut highest = totals.to_vec();
    for i in (1..totals.len()).rev() {
        highest[(i - 1) / 2] = highest[(i - 1) / 2].max(highest[i]);
    }
    let mut at = 0;
    while totals[at] != best {
        at = if highest[2 * at + 1] == best { 2 * at + 1 } else { 2 * at + 2 };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::SEED;

    #[test]
    fn the_best_is_taken_by_each_rule() {
        for (totals, first, heap) in [
            (vec![3], 0, 0),
            (vec![1, 2, 3, 3], 2, 3),
            (vec![5, 5, 5], 0, 0),
            // Positions 1 and 2 are the children of 0: left goes first.
            (vec![0, 7, 7], 1, 1),
            // 7 stands at 2 and 3: 3 is below 1, in the left half.
            (vec![0, 1, 7, 7], 2, 3),
            // At 2 and 5: 5 is below 2, which does not yield to its equal.
            (vec![0, 1, 7, 1, 1, 7], 2, 2),
            (vec![-4, -4], 0, 0),
        ] {
            let best = totals.iter().copied().max().expect("no case is empty");
            let ties = totals.iter().filter(|total| **total == best).count();
            let mut stream = SEED.stream("test", 0);
            for (rule, position) in [(TieBreak::First, first), (TieBreak::Heap, heap)] {
                let expected = Some(Selection { position, best, ties });
                assert_eq!(select(&totals, rule, &mut stream), expected, "{totals:?} {rule:?}");
            }
            assert_eq!(stream.bits(), SEED.stream("test", 0).bits(), "nothing was drawn");
        }
        assert_eq!(select(&[], TieBreak::First, &mut SEED.stream("test", 0)), None);
    }

    /// Go's `heap.Init` with "greater goes up", step by step, carrying positions along.
    fn heapify(totals: &[i64]) -> usize {
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
        heap[0].1
    }

    #[test]
    fn the_top_of_the_heap_is_found_without_a_heap() {
        let mut stream = SEED.stream("test", 1);
        for _ in 0..2000 {
            let totals: Vec<i64> = (0..=stream.below(40)).map(|_| stream.below(4) as i64).collect();
            let selection = select(&totals, TieBreak::Heap, &mut stream).expect("there is a node");
            assert_eq!(selection.position, heapify(&totals), "{totals:?}");
        }
    }

    #[test]
    fn ties_are_broken_evenly_at_random() {
        let mut stream = SEED.stream("test", 2);
        let mut counts = [0; 4];
        for _ in 0..3000 {
            let selection = select(&[9, 1, 9, 9], TieBreak::Random, &mut stream).expect("there is a node");
            counts[selection.position] += 1;
        }
        assert_eq!(counts[1], 0);
        // 1000 each; standard deviation sqrt(3000 * 1/3 * 2/3) = 26, and five of them are 130.
        assert!(counts.iter().all(|&count| count == 0 || (870..=1130).contains(&count)), "{counts:?}");
        // One best node: nothing is drawn.
        let mut stream = SEED.stream("test", 3);
        assert_eq!(select(&[1, 9], TieBreak::Random, &mut stream).map(|selection| selection.position), Some(1));
        assert_eq!(stream.bits(), SEED.stream("test", 3).bits());
    }
}

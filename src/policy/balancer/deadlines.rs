//! What Envoy's balancers share when weights differ: the backend with the earliest deadline is next, and its new deadline
//! is one over its weight later.
//!
//! Envoy, `source/common/upstream/edf_scheduler.h`: deadlines count in turns of a virtual clock that stands at the last
//! deadline that was met; of equal deadlines the older one comes first. A schedule begins as if a random number of picks
//! (below 429 496 729) had been made, so that not all clients begin with the same backend.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::Backend;

/// When it is a backend's turn. The greatest of a heap is the earliest.
#[derive(Clone, Copy, Debug)]
struct Entry {
    deadline: f64,
    order: u64,
    slot: u32,
    weight: u32,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        other.deadline.total_cmp(&self.deadline).then(other.order.cmp(&self.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

/// Most picks that a schedule begins with.
const PICKS_MAX: u32 = 429_496_729;
/// Added to weights at the beginning, lest rounding disturb the order of weights that are multiples of each other.
const EPSILON: f64 = 1e-13;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Entry>,
    now: f64,
    order: u64,
}

impl Deadlines {
    /// The schedule after that many picks.
    pub(super) fn new(backends: &[Backend], weight: impl Fn(u32, u32) -> f64, seed: u32) -> Deadlines {
        let picks = f64::from(seed % PICKS_MAX);
        let weights: Vec<f64> = backends.iter().map(|one| weight(one.slot, one.weight) + EPSILON).collect();
        let sum: f64 = weights.iter().sum();
        let mut schedule = Deadlines { order: backends.len() as u64, ..Deadlines::default() };
        let mut left = picks;
        let mut entries = Vec::with_capacity(backends.len());
        for (order, (backend, weight)) in backends.iter().zip(&weights).enumerate() {
            let mut made = (weight * picks / sum).floor();
            if made > 0.0 && made / weight >= picks / sum {
                made -= 1.0;
            }
            left -= made;
            schedule.now = schedule.now.max(made / weight);
            let deadline = (made + 1.0) / weight;
            entries.push(Entry { deadline, order: order as u64, slot: backend.slot, weight: backend.weight });
        }
        schedule.heap = entries.into();
        while left > 0.0 {
            schedule.next(&weight);
            left -= 1.0;
        }
        schedule
    }

    /// The next in turn. Its weight is asked for with its slot and its own weight.
    #[inline]
    pub(super) fn next(&mut self, weight: impl Fn(u32, u32) -> f64) -> Option<u32> {
        let mut earliest = self.heap.peek_mut()?;
        self.now = earliest.deadline;
        earliest.deadline = self.now + 1.0 / weight(earliest.slot, earliest.weight);
        earliest.order = self.order;
        self.order += 1;
        Some(earliest.slot)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::backends;
    use super::*;

    fn picks(schedule: &mut Deadlines, count: usize) -> Vec<u32> {
        (0..count).filter_map(|_| schedule.next(|_, weight| f64::from(weight))).collect()
    }

    #[test]
    fn deadlines_interleave_by_weight() {
        let of = |seed| Deadlines::new(&backends(&[(0, 1), (1, 2), (2, 4)]), |_, weight| f64::from(weight), seed);
        // Deadlines 1/1, 1/2, 1/4: 2 at 0.25; of 1 and 2 at 0.5 the older one, 1; 2; 2 at 0.75; at 1 the order in which
        // they were set: 0, 1 and 2; and again.
        let expected = [2, 1, 2, 2, 0, 1, 2];
        assert_eq!(picks(&mut of(0), 7), expected);
        // Wherever it begins, seven picks are a cycle; ties may fall otherwise than in a schedule that came there.
        for seed in [3, 7, 25, 70_003, 4_000_000_000] {
            let made = picks(&mut of(seed), 7);
            assert_eq!([0, 1, 2].map(|slot| made.iter().filter(|&&pick| pick == slot).count()), [1, 2, 4], "{seed}");
        }
        // After 5 picks the next are the last two of the cycle.
        assert_eq!(picks(&mut of(5), 2), expected[5..]);
    }
}

//! The event queue: pending events in the total order `(time, phase, sequence)`.
//!
//! Invariants: a popped event is the smallest of those pending; equal times and phases leave in the order in which they
//! came; no event may be pushed before the time of the last one popped.

mod heap;

use crate::units::SimTime;
use heap::Heap;

/// Bits of the order word below the phase; 2^56 events are two years of simulation at a thousand million a second.
const SEQUENCE_BITS: u32 = 56;

/// The place of an event in the total order: time first, then phase, then the order in which the pushes came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    /// The instant at which the event happens.
    pub time: SimTime,
    /// Phase in the top 8 bits, sequence number in the 56 below.
    order: u64,
}

impl EventKey {
    /// The phase given to [`EventQueue::push`]; among equal times the smaller phase comes first.
    pub fn phase_bits(self) -> u8 {
        (self.order >> SEQUENCE_BITS) as u8
    }

    /// How many events were pushed before this one.
    pub fn sequence(self) -> u64 {
        self.order & ((1 << SEQUENCE_BITS) - 1)
    }
}

/// A pending event and its key.
#[derive(Debug, Clone, Copy)]
struct Entry<E: Copy> {
    key: EventKey,
    event: E,
}

impl<E: Copy> Entry<E> {
    /// The key as one integer, which compares without branches.
    fn rank(&self) -> u128 {
        u128::from(self.key.time.0) << 64 | u128::from(self.key.order)
    }
}

/// A priority queue of events of type `E`.
#[derive(Debug, Clone)]
pub struct EventQueue<E: Copy> {
    heap: Heap<E>,
    pushes: u64,
    now: SimTime,
}

impl<E: Copy> Default for EventQueue<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Copy> EventQueue<E> {
    /// An empty queue at [`SimTime::ZERO`].
    pub fn new() -> Self {
        EventQueue { heap: Heap::new(), pushes: 0, now: SimTime::ZERO }
    }

    /// Adds an event. At one instant smaller phases leave first, and within a phase the order of the pushes decides.
    ///
    /// # Panics
    ///
    /// If `time` lies before the last popped event. The same instant is allowed with any phase, an earlier one too:
    /// the event then comes before everything pending with a larger key.
    pub fn push(&mut self, time: SimTime, phase: u8, event: E) {
        assert!(time >= self.now, "an event at {time} s was pushed after the clock had reached {} s", self.now);
        let order = u64::from(phase) << SEQUENCE_BITS | self.pushes;
        self.pushes += 1;
        self.heap.push(Entry { key: EventKey { time, order }, event });
    }

    /// Removes and returns the pending event with the smallest key.
    pub fn pop(&mut self) -> Option<(EventKey, E)> {
        let entry = self.heap.pop()?;
        self.now = entry.key.time;
        Some((entry.key, entry.event))
    }

    /// The time of the event that [`EventQueue::pop`] would return.
    pub fn peek_time(&mut self) -> Option<SimTime> {
        self.heap.peek().map(|entry| entry.key.time)
    }

    /// How many events are pending.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether no event is pending.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The queue and the slow obvious version beside it; every answer is compared.
    #[derive(Default)]
    struct Twin {
        queue: EventQueue<u32>,
        oracle: BTreeMap<(SimTime, u8, u64), u32>,
        pushes: u64,
        now: SimTime,
    }

    impl Twin {
        fn push(&mut self, time: SimTime, phase: u8) {
            let event = self.pushes as u32 ^ 0x5bd1;
            self.queue.push(time, phase, event);
            self.oracle.insert((time, phase, self.pushes), event);
            self.pushes += 1;
        }

        fn push_after(&mut self, delay_ns: u64, phase: u8) {
            self.push(SimTime(self.now.0.saturating_add(delay_ns)), phase);
        }

        fn pop(&mut self) -> bool {
            let expected = self.oracle.pop_first().map(|(key, event)| (key, event));
            let found = self.queue.pop().map(|(key, event)| ((key.time, key.phase_bits(), key.sequence()), event));
            assert_eq!(found, expected);
            assert_eq!(self.queue.len(), self.oracle.len());
            assert_eq!(self.queue.is_empty(), self.oracle.is_empty());
            if let Some(((time, ..), _)) = expected {
                self.now = time;
            }
            expected.is_some()
        }

        fn peek(&mut self) {
            assert_eq!(self.queue.peek_time(), self.oracle.first_key_value().map(|(key, _)| key.0));
        }

        fn drain(&mut self) {
            while self.pop() {}
        }
    }

    #[test]
    fn equal_times_leave_by_phase_and_then_in_the_order_of_the_pushes() {
        let mut queue = EventQueue::new();
        for (time, phase, name) in [(5, 1, 'c'), (5, 0, 'a'), (5, 1, 'd'), (4, 9, 'z'), (5, 0, 'b')] {
            queue.push(SimTime(time), phase, name);
        }
        let order: String = std::iter::from_fn(|| queue.pop()).map(|(_, name)| name).collect();
        assert_eq!(order, "zabcd");
    }

    #[test]
    fn a_key_tells_its_phase_and_sequence() {
        let mut queue = EventQueue::new();
        queue.push(SimTime(1), 255, ());
        queue.push(SimTime(0), 3, ());
        let keys: Vec<_> = std::iter::from_fn(|| queue.pop())
            .map(|(key, ())| (key.time.0, key.phase_bits(), key.sequence()))
            .collect();
        assert_eq!(keys, [(0, 3, 1), (1, 255, 0)]);
    }

    #[test]
    fn an_earlier_phase_of_the_same_instant_may_still_be_pushed() {
        let mut twin = Twin::default();
        twin.push(SimTime(7), 4);
        twin.push(SimTime(7), 5);
        twin.pop();
        twin.push(SimTime(7), 1);
        twin.peek();
        twin.drain();
    }

    #[test]
    #[should_panic(expected = "an event at 0.000000004 s was pushed after the clock had reached 0.000000005 s")]
    fn the_past_is_refused() {
        let mut queue = EventQueue::new();
        queue.push(SimTime(5), 0, ());
        queue.pop();
        queue.push(SimTime(4), 0, ());
    }

    proptest! {
        #[test]
        fn any_sequence_of_operations_agrees_with_the_oracle(
            operations in prop::collection::vec((0..3u8, 0..50u64, 0..4u8), 0..400)
        ) {
            let mut twin = Twin::default();
            for (kind, delay_ns, phase) in operations {
                match kind {
                    0 => { twin.pop(); }
                    1 => twin.peek(),
                    _ => twin.push_after(delay_ns, phase),
                }
            }
            twin.drain();
        }
    }
}

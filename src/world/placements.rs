//! Which pods came and went, in order: readers that count pods by place keep a position and catch up from there.
//!
//! A ring of bounded length, as in [`super::ChangeLog`]: a reader that lags too far counts afresh.

use super::changes;
use crate::ids::{ClassId, NodeId};

/// A pod that came to a node or left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The node.
    pub node: NodeId,
    /// The class of the pod.
    pub class: ClassId,
    /// Whether it came.
    pub came: bool,
    /// Whether it had been told to end.
    pub is_terminating: bool,
}

/// The latest moves, by position since the start of the run.
#[derive(Clone, Debug)]
pub struct Placements {
    ring: Vec<Move>,
    next: u64,
    /// The oldest move that is in the ring, whatever has come since.
    oldest: u64,
}

impl Placements {
    /// A log for a cluster of about `nodes` nodes.
    pub fn new(nodes: usize) -> Placements {
        let empty = Move { node: NodeId(0), class: ClassId(0), came: false, is_terminating: false };
        Placements { ring: vec![empty; nodes.max(1024).next_power_of_two()], next: 0, oldest: 0 }
    }

    /// Makes room for the moves in a cluster of so many nodes.
    pub(super) fn grow(&mut self, nodes: usize) {
        if nodes > self.ring.len() && !self.ring.is_empty() {
            self.oldest = self.oldest.max(self.next.saturating_sub(self.ring.len() as u64));
            self.ring = changes::grown(&self.ring, self.next, nodes);
        }
    }

    /// From now on counts moves and remembers none, for a world whose moves nobody follows: each costs a cache line.
    pub fn remember_none(&mut self) {
        self.ring = Vec::new();
    }

    /// Notes a move.
    #[inline]
    pub(super) fn record(&mut self, change: impl FnOnce() -> Move) {
        if !self.ring.is_empty() {
            let mask = self.ring.len() - 1;
            self.ring[self.next as usize & mask] = change();
        }
        self.next += 1;
    }

    /// The position after the latest move.
    #[inline]
    pub fn position(&self) -> u64 {
        self.next
    }

    /// The moves since `position`, oldest first; none when that is too long ago to be known.
    #[inline]
    pub fn since(&self, position: u64) -> Option<impl Iterator<Item = Move> + '_> {
        let mask = self.ring.len().wrapping_sub(1);
        (position >= self.oldest && self.next - position <= self.ring.len() as u64)
            .then(|| (position..self.next).map(move |at| self.ring[at as usize & mask]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_catch_up_or_count_afresh() {
        let mut log = Placements::new(1);
        let change = |node| Move {
            node: NodeId(node),
            class: ClassId(node % 2),
            came: node % 3 == 0,
            is_terminating: node % 5 == 0,
        };
        (0..1030).for_each(|node| log.record(|| change(node)));
        let seen: Vec<_> = log.since(1028).expect("recent").collect();
        assert_eq!(seen, [change(1028), change(1029)]);
        assert!(log.since(5).is_none());
        log.grow(2000);
        (1030..1100).for_each(|node| log.record(|| change(node)));
        let seen: Vec<_> = log.since(6).expect("it is still there").collect();
        assert_eq!(seen, (6..1100).map(change).collect::<Vec<_>>());
        assert!(log.since(5).is_none());
    }

    #[test]
    fn a_log_that_remembers_none_sends_readers_to_count_afresh() {
        let mut log = Placements::new(1);
        log.remember_none();
        log.record(|| unreachable!("nobody follows"));
        assert_eq!(log.position(), 1);
        assert!(log.since(0).is_none());
        assert_eq!(log.since(1).expect("nothing happened since").count(), 0);
    }
}

//! Which nodes changed, in order: readers keep a position and catch up from there.
//!
//! A ring of bounded length: a reader that lags by more changes than there are nodes is better off starting afresh,
//! and is told so.

use crate::ids::NodeId;

/// The latest changes of nodes, by position since the start of the run.
#[derive(Clone, Debug)]
pub struct ChangeLog {
    ring: Vec<NodeId>,
    next: u64,
}

impl ChangeLog {
    /// A log for a cluster of about `nodes` nodes.
    pub fn new(nodes: usize) -> ChangeLog {
        ChangeLog { ring: vec![NodeId(0); nodes.max(1024).next_power_of_two()], next: 0 }
    }

    /// Notes that a node changed.
    #[inline]
    pub fn record(&mut self, node: NodeId) {
        let mask = self.ring.len() - 1;
        self.ring[self.next as usize & mask] = node;
        self.next += 1;
    }

    /// The position after the latest change.
    #[inline]
    pub fn position(&self) -> u64 {
        self.next
    }

    /// The nodes that changed since `position`, oldest first, some of them several times; none when that is too long
    /// ago to be known.
    #[inline]
    pub fn since(&self, position: u64) -> Option<impl Iterator<Item = NodeId> + '_> {
        let mask = self.ring.len() - 1;
        (self.next - position <= self.ring.len() as u64)
            .then(|| (position..self.next).map(move |at| self.ring[at as usize & mask]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_catch_up_or_are_told_to_start_afresh() {
        let mut log = ChangeLog::new(1);
        for node in 0..1030 {
            log.record(NodeId(node));
        }
        assert_eq!(log.position(), 1030);
        let seen: Vec<_> = log.since(1028).expect("recent").collect();
        assert_eq!(seen, [NodeId(1028), NodeId(1029)]);
        assert_eq!(log.since(6).expect("just in the ring").count(), 1024);
        assert!(log.since(5).is_none());
    }
}

//! Which nodes changed, in order: readers keep a position and catch up from there.
//!
//! A ring of bounded length, which grows with the cluster: a reader that lags by more changes than there are nodes is
//! better off starting afresh, and is told so.

use crate::ids::NodeId;

/// The latest changes of nodes, by position since the start of the run.
#[derive(Clone, Debug)]
pub struct ChangeLog {
    ring: Vec<NodeId>,
    next: u64,
    /// The oldest change that is in the ring, whatever has come since.
    oldest: u64,
}

impl ChangeLog {
    /// A log for a cluster of about `nodes` nodes.
    pub fn new(nodes: usize) -> ChangeLog {
        ChangeLog { ring: vec![NodeId(0); nodes.max(1024).next_power_of_two()], next: 0, oldest: 0 }
    }

    /// Makes room for the changes of a cluster of so many nodes.
    pub(super) fn grow(&mut self, nodes: usize) {
        if nodes > self.ring.len() {
            self.oldest = self.oldest.max(self.next.saturating_sub(self.ring.len() as u64));
            self.ring = grown(&self.ring, self.next, nodes);
        }
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
        (position >= self.oldest && self.next - position <= self.ring.len() as u64)
            .then(|| (position..self.next).map(move |at| self.ring[at as usize & mask]))
    }
}

/// A longer ring with what is in a ring whose next position that is: every entry stands where its position says.
pub(super) fn grown<T: Copy>(ring: &[T], next: u64, nodes: usize) -> Vec<T> {
    let mut grown = vec![ring[0]; nodes.next_power_of_two()];
    let mask = grown.len() - 1;
    for at in next.saturating_sub(ring.len() as u64)..next {
        grown[at as usize & mask] = ring[at as usize & (ring.len() - 1)];
    }
    grown
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

    #[test]
    fn a_log_that_grows_remembers_what_it_knew() {
        let mut log = ChangeLog::new(1);
        (0..1100).for_each(|node| log.record(NodeId(node)));
        log.grow(1024);
        log.grow(1500);
        (1100..2000).for_each(|node| log.record(NodeId(node)));
        // 1100 - 1024 = 76 was the oldest when it grew.
        assert!(log.since(75).is_none());
        let seen: Vec<u32> = log.since(76).expect("it is still there").map(|node| node.0).collect();
        assert_eq!(seen, (76..2000).collect::<Vec<_>>());
        (2000..2200).for_each(|node| log.record(NodeId(node)));
        // 2200 - 2048 = 152.
        assert!(log.since(151).is_none() && log.since(152).is_some());
    }
}

//! A 4-ary min-heap of queue entries.
//!
//! Four children share one or two cache lines, so a heap of this arity is half as deep as a binary one for the same
//! number of cache misses per level. Push is O(1) on average for times that mostly grow, pop O(log n).

use super::Entry;

/// Children per heap node.
const ARITY: usize = 4;

/// A min-heap by event key; keys are unique, so its pop order does not depend on the order of the pushes.
#[derive(Debug, Clone)]
pub(super) struct Heap<E: Copy> {
    entries: Vec<Entry<E>>,
}

impl<E: Copy> Heap<E> {
    pub(super) fn new() -> Self {
        Heap { entries: Vec::new() }
    }

    /// Bytes reserved for entries.
    #[cfg(test)]
    pub(super) fn reserved_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<E>>()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All entries, in no useful order.
    pub(super) fn entries(&self) -> &[Entry<E>] {
        &self.entries
    }

    /// Empties the heap and returns what it held.
    pub(super) fn take(&mut self) -> Vec<Entry<E>> {
        std::mem::take(&mut self.entries)
    }

    /// Takes an empty vector for the entries to come. The heap must be empty.
    pub(super) fn reuse(&mut self, spare: Vec<Entry<E>>) {
        assert!(self.entries.is_empty() && spare.is_empty(), "no entry may be lost or appear");
        self.entries = spare;
    }

    pub(super) fn peek(&self) -> Option<&Entry<E>> {
        self.entries.first()
    }

    pub(super) fn push(&mut self, entry: Entry<E>) {
        self.entries.push(entry);
        let end = self.entries.len() - 1;
        sift_up(&mut self.entries, end, entry);
    }

    pub(super) fn pop(&mut self) -> Option<Entry<E>> {
        let last = self.entries.pop()?;
        let Some(&first) = self.entries.first() else {
            return Some(last);
        };
        let bottom = sink_hole(&mut self.entries);
        sift_up(&mut self.entries, bottom, last);
        Some(first)
    }
}

/// Moves the smallest child up into the hole at the root, and so on down; returns where the hole ends. The entry that
/// fills it came from the bottom row and nearly always belongs there, so it is not compared on the way down.
fn sink_hole<E: Copy>(entries: &mut [Entry<E>]) -> usize {
    let mut hole = 0;
    loop {
        let first_child = hole * ARITY + 1;
        let smallest = match entries.get(first_child..first_child + ARITY) {
            Some([a, b, c, d]) => {
                let (low, low_key) = if b.rank() < a.rank() { (1, b.rank()) } else { (0, a.rank()) };
                let (high, high_key) = if d.rank() < c.rank() { (3, d.rank()) } else { (2, c.rank()) };
                first_child + if high_key < low_key { high } else { low }
            }
            _ => match (first_child..entries.len()).min_by_key(|&child| entries[child].rank()) {
                Some(child) => child,
                None => return hole,
            },
        };
        entries[hole] = entries[smallest];
        hole = smallest;
    }
}

/// Puts `entry` into the hole at `hole` or above it, wherever its parent is smaller.
fn sift_up<E: Copy>(entries: &mut [Entry<E>], mut hole: usize, entry: Entry<E>) {
    let rank = entry.rank();
    while hole > 0 {
        let parent = (hole - 1) / ARITY;
        if entries[parent].rank() < rank {
            break;
        }
        entries[hole] = entries[parent];
        hole = parent;
    }
    entries[hole] = entry;
}

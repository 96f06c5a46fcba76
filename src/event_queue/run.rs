//! The current bucket in order: a sorted array read from the front.
//!
//! A bucket is distributed over as many slices of its width as it has entries and put right by insertion, which costs a
//! few nanoseconds per entry where a comparison sort costs the logarithm of the bucket; times that crowd into few
//! slices fall back to the comparison sort, so that no input is worse than O(n log n).

use super::Entry;
use super::wheel::{Bucket, Wheel};

/// Slices of a bucket at most, as a power of two.
const SLICE_BITS_MAX: u32 = 12;
/// Entries in one slice that insertion still puts in order cheaply.
const CROWDED: u32 = 16;

/// Vectors of more entries than this are not kept for reuse: a burst must not hold its memory for good.
const KEPT_MAX: usize = 1 << 16;

/// Sorted entries, of which those before `position` have been read.
#[derive(Debug, Clone)]
pub(super) struct Run<E: Copy> {
    entries: Vec<Entry<E>>,
    position: usize,
    /// Ends of the slices while a bucket is distributed.
    slices: Vec<u32>,
}

impl<E: Copy> Run<E> {
    pub(super) fn new() -> Self {
        Run { entries: Vec::new(), position: 0, slices: Vec::new() }
    }

    /// Bytes reserved for entries.
    #[cfg(test)]
    pub(super) fn reserved_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<E>>() + self.slices.capacity() * size_of::<u32>()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.position
    }

    pub(super) fn peek(&self) -> Option<&Entry<E>> {
        self.entries.get(self.position)
    }

    /// Moves past the entry that [`Run::peek`] shows.
    pub(super) fn skip(&mut self) {
        self.position += 1;
    }

    /// The entries still to be read, in order.
    pub(super) fn rest(&self) -> &[Entry<E>] {
        &self.entries[self.position..]
    }

    /// Forgets the content.
    pub(super) fn clear(&mut self) {
        empty_for_reuse(&mut self.entries);
        self.position = 0;
    }

    /// Replaces the content by `entries`, which may come in any order; returns an empty vector to be used again.
    pub(super) fn sort_from(&mut self, mut entries: Vec<Entry<E>>) -> Vec<Entry<E>> {
        self.clear();
        entries.sort_unstable_by_key(Entry::rank);
        std::mem::replace(&mut self.entries, entries)
    }

    /// Replaces the content by a bucket that was taken out of `wheel`.
    pub(super) fn fill(&mut self, bucket: Bucket, wheel: &mut Wheel<E>) {
        self.clear();
        let count = wheel.count(bucket);
        let slice_bits = count.max(1).ilog2().min(SLICE_BITS_MAX).min(wheel.shift());
        let slice_shift = wheel.shift() - slice_bits;
        let slice_of = |entry: &Entry<E>| (entry.key.time.0 >> slice_shift) as usize & ((1 << slice_bits) - 1);

        self.slices.clear();
        self.slices.resize(1 << slice_bits, 0);
        wheel.visit(bucket, |entry| self.slices[slice_of(entry)] += 1);
        let mut end = 0;
        let mut largest = 0;
        for slice in &mut self.slices {
            let size = *slice;
            largest = largest.max(size);
            *slice = end;
            end += size;
        }

        let filler = wheel.first(bucket);
        self.entries.resize(count, filler);
        wheel.drain(bucket, &mut |entry| {
            let slice = &mut self.slices[slice_of(&entry)];
            self.entries[*slice as usize] = entry;
            *slice += 1;
        });
        if largest <= CROWDED { self.insert_in_order() } else { self.sort_slices() }
    }

    fn insert_in_order(&mut self) {
        for from in 1..self.entries.len() {
            let entry = self.entries[from];
            let mut to = from;
            while to > 0 && self.entries[to - 1].rank() > entry.rank() {
                self.entries[to] = self.entries[to - 1];
                to -= 1;
            }
            if to != from {
                self.entries[to] = entry;
            }
        }
    }

    fn sort_slices(&mut self) {
        let mut start = 0;
        for &end in &self.slices {
            if end - start > 1 {
                self.entries[start as usize..end as usize].sort_unstable_by_key(Entry::rank);
            }
            start = end;
        }
    }
}

/// Empties a vector, and frees its memory if it is large.
fn empty_for_reuse<T>(vector: &mut Vec<T>) {
    vector.clear();
    if vector.capacity() > KEPT_MAX {
        *vector = Vec::new();
    }
}

//! Rings of unsorted buckets for the events beyond the current bucket.
//!
//! Level 0 has buckets of `2^shift` ns; every further level has buckets as wide as the whole ring below, so six levels
//! reach any time. An entry goes to the lowest level whose ring reaches it from the cursor; a bucket of an upper level
//! is spread over the levels below when the cursor arrives at its start. An entry is therefore written once for every
//! level it passes, and for the delays that a well chosen width expects, once.
//!
//! Buckets are chains of fixed chunks from one pool: half a chunk is lost per bucket in use, nothing is copied when a
//! bucket grows, and a drained chunk serves the next bucket.

use super::Entry;

/// Entries per chunk.
const CHUNK: usize = 16;
/// Binary logarithm of the buckets per ring.
const RING_BITS: u32 = 12;
/// Buckets per ring.
const RING: usize = 1 << RING_BITS;
/// "No chunk" in chains.
const NONE: u32 = u32::MAX;
/// The largest width in use, so that the second level still fits into 64 bits.
pub(super) const SHIFT_MAX: u32 = 63 - RING_BITS;

/// A chain of chunks: its first chunk, and the pool index behind its last entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    head: u32,
    end: u32,
}

const EMPTY: Bucket = Bucket { head: NONE, end: 0 };

/// Chunks of entries and the links between them.
#[derive(Debug, Clone)]
struct Pool<E: Copy> {
    entries: Vec<Entry<E>>,
    next: Vec<u32>,
    free: u32,
}

impl<E: Copy> Pool<E> {
    fn append(&mut self, bucket: &mut Bucket, entry: Entry<E>) {
        if (bucket.end as usize).is_multiple_of(CHUNK) {
            self.extend(bucket, entry);
        }
        self.entries[bucket.end as usize] = entry;
        bucket.end += 1;
    }

    /// Links a chunk to the end of a bucket whose last chunk is full. New chunks are filled with `entry`, which stands
    /// for "nothing" until they are written.
    #[cold]
    fn extend(&mut self, bucket: &mut Bucket, entry: Entry<E>) {
        let chunk = if self.free == NONE {
            // A quarter at a time keeps the reserve small beside the entries themselves.
            if self.entries.len() + CHUNK > self.entries.capacity() {
                self.entries.reserve_exact((self.entries.len() / 4).next_multiple_of(CHUNK).max(64 * CHUNK));
            }
            self.entries.resize(self.entries.len() + CHUNK, entry);
            self.next.push(NONE);
            let chunk = u32::try_from(self.next.len() - 1).expect("chunk numbers fit 32 bits");
            assert!(chunk < NONE / CHUNK as u32, "more than 2^32 events pending");
            chunk
        } else {
            let chunk = self.free;
            self.free = self.next[chunk as usize];
            self.next[chunk as usize] = NONE;
            chunk
        };
        if bucket.head == NONE {
            bucket.head = chunk;
        } else {
            self.next[bucket.end as usize / CHUNK - 1] = chunk;
        }
        bucket.end = chunk * CHUNK as u32;
    }

    /// The pool indices of the first chunk of `bucket`.
    fn first_chunk(&self, bucket: Bucket) -> std::ops::Range<usize> {
        let start = bucket.head as usize * CHUNK;
        let end = if self.next[bucket.head as usize] == NONE { bucket.end as usize } else { start + CHUNK };
        start..end
    }

    /// `bucket` without its first chunk.
    fn rest(&self, bucket: Bucket) -> Bucket {
        match self.next[bucket.head as usize] {
            NONE => EMPTY,
            head => Bucket { head, ..bucket },
        }
    }

    /// Gives the first chunk of `bucket` back to the pool and returns the rest.
    fn release_first(&mut self, bucket: Bucket) -> Bucket {
        let rest = self.rest(bucket);
        self.next[bucket.head as usize] = self.free;
        self.free = bucket.head;
        rest
    }

    fn visit(&self, mut bucket: Bucket, mut visit: impl FnMut(&Entry<E>)) {
        while bucket.head != NONE {
            self.entries[self.first_chunk(bucket)].iter().for_each(&mut visit);
            bucket = self.rest(bucket);
        }
    }

    fn release(&mut self, mut bucket: Bucket) {
        while bucket.head != NONE {
            bucket = self.release_first(bucket);
        }
    }
}

/// One ring, with a two-step bit set of its occupied buckets.
#[derive(Debug, Clone)]
struct Level {
    buckets: Box<[Bucket; RING]>,
    occupied: [u64; RING / 64],
    occupied_words: u64,
}

impl Level {
    fn new() -> Self {
        let buckets = vec![EMPTY; RING].into_boxed_slice().try_into().expect("the length of a ring");
        Level { buckets, occupied: [0; RING / 64], occupied_words: 0 }
    }

    fn append<E: Copy>(&mut self, index: u64, entry: Entry<E>, pool: &mut Pool<E>) {
        let slot = index as usize % RING;
        let bucket = &mut self.buckets[slot];
        if bucket.head == NONE {
            self.occupied[slot / 64] |= 1 << (slot % 64);
            self.occupied_words |= 1 << (slot / 64);
        }
        pool.append(bucket, entry);
    }

    fn take(&mut self, index: u64) -> Bucket {
        let slot = index as usize % RING;
        self.occupied[slot / 64] &= !(1 << (slot % 64));
        if self.occupied[slot / 64] == 0 {
            self.occupied_words &= !(1 << (slot / 64));
        }
        std::mem::replace(&mut self.buckets[slot], EMPTY)
    }

    /// The first occupied index at or after `from`, within one turn of the ring.
    fn next_occupied(&self, from: u64) -> Option<u64> {
        let start = from as usize % RING;
        let here = self.occupied[start / 64] >> (start % 64);
        if here != 0 {
            return Some(from + u64::from(here.trailing_zeros()));
        }
        let behind = start as u32 / 64 + 1;
        let words = self.occupied_words.rotate_right(behind % 64);
        if words == 0 {
            return None;
        }
        let word = (behind + words.trailing_zeros()) as usize % 64;
        let slot = word * 64 + self.occupied[word].trailing_zeros() as usize;
        Some(from + (slot.wrapping_sub(start) % RING) as u64)
    }
}

/// All events behind the current bucket, by bucket.
#[derive(Debug, Clone)]
pub(super) struct Wheel<E: Copy> {
    /// Binary logarithm of the width of a level-0 bucket, ns.
    shift: u32,
    /// Level-0 index of the current bucket; `u64::MAX` while the wheel is closed and takes nothing.
    cursor: u64,
    levels: Vec<Level>,
    pool: Pool<E>,
    /// Start of the earliest occupied bucket above level 0, ns; `u64::MAX` without one.
    upper_start: u64,
    len: usize,
}

impl<E: Copy> Wheel<E> {
    pub(super) fn new() -> Self {
        Wheel {
            shift: 0,
            cursor: u64::MAX,
            levels: Vec::new(),
            pool: Pool { entries: Vec::new(), next: Vec::new(), free: NONE },
            upper_start: u64::MAX,
            len: 0,
        }
    }

    /// Bytes reserved for entries.
    #[cfg(test)]
    pub(super) fn reserved_bytes(&self) -> usize {
        self.pool.entries.capacity() * size_of::<Entry<E>>() + self.pool.next.capacity() * size_of::<u32>()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn shift(&self) -> u32 {
        self.shift
    }

    pub(super) fn is_open(&self) -> bool {
        self.cursor != u64::MAX
    }

    /// Whether an event at `time` lies behind the current bucket of an open wheel.
    pub(super) fn takes(&self, time: u64) -> bool {
        time >> self.shift > self.cursor
    }

    /// Adds an entry that lies in or behind the current bucket.
    pub(super) fn insert(&mut self, entry: Entry<E>) {
        self.len += 1;
        let index = entry.key.time.0 >> self.shift;
        if index - self.cursor < RING as u64 {
            self.levels[0].append(index, entry, &mut self.pool);
        } else {
            self.insert_upper(entry);
        }
    }

    fn insert_upper(&mut self, entry: Entry<E>) {
        let time = entry.key.time.0;
        let mut level = 1;
        while (time >> self.level_shift(level)) - (self.cursor >> (RING_BITS * level)) >= RING as u64 {
            level += 1;
        }
        while self.levels.len() <= level as usize {
            self.levels.push(Level::new());
        }
        let level_shift = self.level_shift(level);
        self.upper_start = self.upper_start.min(time >> level_shift << level_shift);
        self.levels[level as usize].append(time >> level_shift, entry, &mut self.pool);
    }

    fn level_shift(&self, level: u32) -> u32 {
        self.shift + RING_BITS * level
    }

    /// Moves the cursor to the next occupied level-0 bucket and takes that bucket out.
    pub(super) fn take_next(&mut self) -> Option<Bucket> {
        loop {
            let near = self.levels.first().and_then(|level| level.next_occupied(self.cursor));
            let near_start = near.map_or(u64::MAX, |index| index << self.shift);
            if self.upper_start != u64::MAX && self.upper_start <= near_start {
                self.spread_upper();
                continue;
            }
            let index = near?;
            self.cursor = index;
            return Some(self.levels[0].take(index));
        }
    }

    /// The earliest start among the occupied buckets above level 0, and its level. Among equal starts any will do: the
    /// others keep theirs, and are next.
    fn earliest_upper(&self) -> Option<(u64, u32)> {
        let mut earliest = None;
        for level in 1..self.levels.len() as u32 {
            let level_cursor = self.cursor >> (RING_BITS * level);
            if let Some(index) = self.levels[level as usize].next_occupied(level_cursor) {
                let start = index << self.level_shift(level);
                if earliest.is_none_or(|(least, _)| start < least) {
                    earliest = Some((start, level));
                }
            }
        }
        earliest
    }

    /// Moves the cursor to the start of the earliest upper bucket and its entries to the levels below.
    fn spread_upper(&mut self) {
        let (start, level) = self.earliest_upper().expect("a start was recorded");
        self.cursor = start >> self.shift;
        let index = start >> self.level_shift(level);
        let bucket = self.levels[level as usize].take(index);
        self.reinsert(bucket);
        self.upper_start = self.earliest_upper().map_or(u64::MAX, |(start, _)| start);
    }

    /// Inserts the entries of a chain anew, chunk by chunk, so that one chunk at most exists twice.
    fn reinsert(&mut self, mut bucket: Bucket) {
        while bucket.head != NONE {
            for at in self.pool.first_chunk(bucket) {
                let entry = self.pool.entries[at];
                self.len -= 1;
                self.insert(entry);
            }
            bucket = self.pool.release_first(bucket);
        }
    }

    /// Takes every bucket out; the chains still count as content until they are drained or inserted anew.
    fn take_all(&mut self) -> Vec<Bucket> {
        self.upper_start = u64::MAX;
        let mut chains = Vec::new();
        for level in &mut self.levels {
            while let Some(slot) = level.next_occupied(0) {
                chains.push(level.take(slot));
            }
        }
        chains
    }

    /// Moves everything to `out` and takes nothing until [`Wheel::open`].
    pub(super) fn close(&mut self, mut out: impl FnMut(Entry<E>)) {
        for bucket in self.take_all() {
            self.drain(bucket, &mut out);
        }
        self.cursor = u64::MAX;
    }

    /// Sets the width, puts the cursor at `time` and sorts the content into the new buckets; what falls into the
    /// current one goes to `out`.
    pub(super) fn open(&mut self, shift: u32, time: u64, mut out: impl FnMut(Entry<E>)) {
        let chains = self.take_all();
        if self.levels.is_empty() {
            self.levels.push(Level::new());
        }
        self.shift = shift;
        self.cursor = time >> shift;
        for bucket in chains {
            self.reinsert(bucket);
        }
        let current = self.levels[0].take(self.cursor);
        self.drain(current, &mut out);
    }

    /// Passes the entries of a taken bucket to `out` and frees its chunks.
    pub(super) fn drain(&mut self, bucket: Bucket, out: &mut impl FnMut(Entry<E>)) {
        let mut count = 0;
        self.pool.visit(bucket, |&entry| {
            count += 1;
            out(entry);
        });
        self.pool.release(bucket);
        self.len -= count;
    }

    /// Passes the entries of a taken bucket to `visit` and leaves them in place.
    pub(super) fn visit(&self, bucket: Bucket, visit: impl FnMut(&Entry<E>)) {
        self.pool.visit(bucket, visit);
    }

    /// How many entries a taken bucket holds.
    pub(super) fn count(&self, mut bucket: Bucket) -> usize {
        let mut count = 0;
        while bucket.head != NONE {
            count += self.pool.first_chunk(bucket).len();
            bucket = self.pool.rest(bucket);
        }
        count
    }

    /// The first entry of a taken bucket.
    pub(super) fn first(&self, bucket: Bucket) -> Entry<E> {
        self.pool.entries[bucket.head as usize * CHUNK]
    }
}

//! Sets of nodes by score: the first node of the best score in two bit scans.
//!
//! One bit set a score, each with a summary of its words; which scores have nodes at all is a bit set of its own.
//! Memory: N/8 bytes a score in use.

/// Scores are bytes; code 0 stands for no score.
const CODES: usize = 256;

/// Nodes by score.
#[derive(Debug)]
pub(super) struct Buckets {
    nodes: usize,
    /// By code; empty until a node has that score.
    sets: Vec<BitSet>,
    counts: Vec<u32>,
    /// How many sets have been needed so far.
    sets_in_use: usize,
    /// Bits of the codes that have nodes.
    used: [u64; CODES / 64],
}

/// A set of positions with a summary: bit `w` of the summary says whether word `w` has a bit.
#[derive(Clone, Debug, Default)]
struct BitSet {
    words: Vec<u64>,
    summary: Vec<u64>,
}

impl BitSet {
    fn insert(&mut self, position: usize, nodes: usize) {
        if self.words.is_empty() {
            self.words = vec![0; nodes.div_ceil(64)];
            self.summary = vec![0; nodes.div_ceil(64 * 64)];
        }
        let word = position / 64;
        self.words[word] |= 1 << (position % 64);
        self.summary[word / 64] |= 1 << (word % 64);
    }

    fn remove(&mut self, position: usize) {
        let word = position / 64;
        self.words[word] &= !(1 << (position % 64));
        if self.words[word] == 0 {
            self.summary[word / 64] &= !(1 << (word % 64));
        }
    }

    fn first(&self) -> Option<usize> {
        let (group, bits) = self.summary.iter().enumerate().find(|(_, bits)| **bits != 0)?;
        let word = group * 64 + bits.trailing_zeros() as usize;
        Some(word * 64 + self.words[word].trailing_zeros() as usize)
    }
}

impl Buckets {
    /// The sets for these codes.
    pub(super) fn new(codes: &[u8]) -> Buckets {
        let mut buckets = Buckets {
            nodes: codes.len(),
            sets: vec![BitSet::default(); CODES],
            counts: vec![0; CODES],
            sets_in_use: 0,
            used: [0; CODES / 64],
        };
        for (node, &code) in codes.iter().enumerate() {
            buckets.insert(node, code);
        }
        buckets
    }

    fn insert(&mut self, node: usize, code: u8) {
        if code != 0 {
            let c = usize::from(code);
            self.sets_in_use += usize::from(self.sets[c].words.is_empty());
            self.sets[c].insert(node, self.nodes);
            self.counts[c] += 1;
            self.used[c / 64] |= 1 << (c % 64);
        }
    }

    /// Notes that the code of a node changes.
    #[inline]
    pub(super) fn change(&mut self, node: usize, old: u8, new: u8) {
        if old == new {
            return;
        }
        if old != 0 {
            let c = usize::from(old);
            self.sets[c].remove(node);
            self.counts[c] -= 1;
            if self.counts[c] == 0 {
                self.used[c / 64] &= !(1 << (c % 64));
            }
        }
        self.insert(node, new);
    }

    /// The highest code, the first node that has it, and how many have it.
    ///
    /// # Panics
    /// When no node has a code.
    pub(super) fn best(&self) -> (u8, usize, u32) {
        let (group, bits) =
            self.used.iter().enumerate().rev().find(|(_, bits)| **bits != 0).expect("some node has a score");
        let code = group * 64 + 63 - bits.leading_zeros() as usize;
        (code as u8, self.sets[code].first().expect("the count is not zero"), self.counts[code])
    }

    /// Memory that the sets take.
    pub(super) fn bytes(&self) -> usize {
        self.sets_in_use * (self.nodes.div_ceil(8) + self.nodes.div_ceil(512))
    }
}

//! Sets of nodes by score: the first node of the best score in two bit scans.
//!
//! One bit set a score, each with a summary of its words; which scores have nodes at all is a bit set of its own.
//! Memory: N/8 bytes a score in use.

/// Scores are bytes; code 0 stands for no score.
const CODES: usize = 256;

/// No words yet for a code.
const NO_SLOT: u8 = 0;

/// Nodes by score.
#[derive(Debug)]
pub(super) struct Buckets {
    /// One piece for each code that ever had nodes: a bit for each word below that is not zero, then a bit for each node.
    words: Vec<u64>,
    /// Words of a piece, and how many of them are the summary at its beginning.
    piece: usize,
    summary: usize,
    /// How many pieces there are.
    pieces: usize,
    /// By code: which piece it has, counted from 1.
    slots: [u8; CODES],
    /// By code: how many nodes have it.
    counts: [u32; CODES],
    /// Bits of the codes that have nodes.
    used: [u64; CODES / 64],
}

impl Buckets {
    /// The sets for these codes.
    pub(super) fn new(codes: &[u8]) -> Buckets {
        let (words, summary) = (codes.len().div_ceil(64), codes.len().div_ceil(64 * 64));
        let mut buckets = Buckets {
            words: Vec::new(),
            piece: words + summary,
            summary,
            pieces: 0,
            slots: [NO_SLOT; CODES],
            counts: [0; CODES],
            used: [0; CODES / 64],
        };
        for (node, &code) in codes.iter().enumerate() {
            buckets.insert(node, code);
        }
        buckets
    }

    /// The words of a code that has a piece.
    #[inline(always)]
    fn piece(&mut self, code: u8) -> (&mut [u64], &mut [u64]) {
        let slot = usize::from(self.slots[usize::from(code)]);
        self.words[(slot - 1) * self.piece..][..self.piece].split_at_mut(self.summary)
    }

    #[inline(always)]
    fn insert(&mut self, node: usize, code: u8) {
        if code == 0 {
            return;
        }
        let c = usize::from(code);
        if self.slots[c] == NO_SLOT {
            self.add_piece(code);
        }
        let (summary, words) = self.piece(code);
        words[node / 64] |= 1 << (node % 64);
        summary[node / 4096] |= 1 << (node / 64 % 64);
        self.counts[c] += 1;
        self.used[c / 64] |= 1 << (c % 64);
    }

    #[cold]
    fn add_piece(&mut self, code: u8) {
        self.pieces += 1;
        self.slots[usize::from(code)] = u8::try_from(self.pieces).expect("code 0 has no piece");
        self.words.resize(self.pieces * self.piece, 0);
    }

    /// Notes that the code of a node changes.
    #[inline(always)]
    pub(super) fn change(&mut self, node: usize, old: u8, new: u8) {
        if old == new {
            return;
        }
        if old != 0 {
            let (summary, words) = self.piece(old);
            // Whether a word or a count is down to zero is anybody's guess, the processor's too: hence no branches.
            let word = &mut words[node / 64];
            *word &= !(1 << (node % 64));
            summary[node / 4096] &= !(u64::from(*word == 0) << (node / 64 % 64));
            let c = usize::from(old);
            self.counts[c] -= 1;
            self.used[c / 64] &= !(u64::from(self.counts[c] == 0) << (c % 64));
        }
        self.insert(node, new);
    }

    /// The highest code, the first node that has it, and how many have it.
    ///
    /// # Panics
    /// When no node has a code.
    #[inline(always)]
    pub(super) fn best(&self) -> (u8, usize, u32) {
        let (group, bits) =
            self.used.iter().enumerate().rev().find(|(_, bits)| **bits != 0).expect("some node has a score");
        let code = group * 64 + 63 - bits.leading_zeros() as usize;
        let slot = usize::from(self.slots[code]);
        let (summary, words) = self.words[(slot - 1) * self.piece..][..self.piece].split_at(self.summary);
        let (group, bits) = summary.iter().enumerate().find(|(_, bits)| **bits != 0).expect("the count is not zero");
        let word = group * 64 + bits.trailing_zeros() as usize;
        (code as u8, word * 64 + words[word].trailing_zeros() as usize, self.counts[code])
    }

    /// How many codes have had nodes.
    #[inline]
    pub(super) fn sets_in_use(&self) -> usize {
        self.pieces
    }

    /// Memory that the sets take.
    pub(super) fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>() + size_of::<Buckets>()
    }
}

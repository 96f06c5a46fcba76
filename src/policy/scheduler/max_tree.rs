//! The highest score among many nodes, and the lowest node that has it.
//!
//! A tree of maxima with 64 children a node: leaves are the scores, and empty where a node did not pass the filters.
//! Invariant: every inner value is the maximum of its children; and of each block of 64 leaves it is known how many
//! have the maximum, because under policies that level the nodes many do.
//!
//! Cost: changing a leaf is a few stores and comparisons, unless it was the only maximum of its 64 and falls: then
//! those 64 are looked through. Finding the best walks 3 rows of 64. The loops over blocks become vector instructions.
//! Memory: 1/32 more than the leaves.

/// How many children a tree node has.
const FANOUT: usize = 64;

/// What a leaf can hold.
pub(super) trait Leaf: Copy + Ord + Default {
    /// Less than every score.
    const EMPTY: Self;

    /// The first of `values` that is `value`.
    #[inline]
    fn find(values: &[Self], value: Self) -> Option<usize> {
        values.iter().position(|&other| other == value)
    }
}

impl Leaf for u8 {
    const EMPTY: u8 = 0;

    /// Eight at a time in one word: the lowest byte that is zero once the value is taken out borrows, and no byte below
    /// it does.
    #[inline]
    fn find(values: &[u8], value: u8) -> Option<usize> {
        const ONES: u64 = u64::MAX / 255;
        let pattern = ONES * u64::from(value);
        let (words, rest) = values.as_chunks::<8>();
        for (at, bytes) in words.iter().enumerate() {
            let others = u64::from_le_bytes(*bytes) ^ pattern;
            let zeros = others.wrapping_sub(ONES) & !others & (ONES << 7);
            if zeros != 0 {
                return Some(at * 8 + zeros.trailing_zeros() as usize / 8);
            }
        }
        rest.iter().position(|&other| other == value).map(|at| words.len() * 8 + at)
    }
}

impl Leaf for i32 {
    const EMPTY: i32 = i32::MIN;
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct MaxTree<T> {
    /// How many leaves count; the rest pads the last block and is empty.
    len: usize,
    leaves: Vec<T>,
    blocks: Vec<T>,
    /// How many leaves of each block have its maximum.
    ties: Vec<u8>,
    tops: Vec<T>,
    /// How many leaves are not empty.
    filled: u32,
}

/// The best leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BestLeaf<T> {
    /// The first among the best.
    pub(super) position: usize,
    /// Their value.
    pub(super) value: T,
    /// How many there are.
    pub(super) ties: u32,
}

#[inline]
fn maximum<T: Leaf>(values: &[T]) -> T {
    values.iter().fold(T::EMPTY, |max, &value| if value > max { value } else { max })
}

/// How many values equal `value`; counted in bytes, a block at a time, which vectorises.
#[inline]
fn count<T: Leaf>(values: &[T], value: T) -> u32 {
    let in_block = |block: &[T]| block.iter().fold(0u8, |count, &other| count.wrapping_add(u8::from(other == value)));
    values.chunks(FANOUT).map(|block| u32::from(in_block(block))).sum()
}

#[inline]
fn find<T: Leaf>(values: &[T], value: T) -> usize {
    T::find(values, value).expect("an inner maximum is one of its children")
}

/// Leaves that have `value` below a run of blocks, each of which has `ties` of its maximum. At most 64 x 64 of them.
#[inline]
fn ties_below<T: Leaf>(blocks: &[T], ties: &[u8], value: T) -> u32 {
    let of_block = |(&block, &ties): (&T, &u8)| u16::from(ties) * u16::from(block == value);
    u32::from(blocks.iter().zip(ties).map(of_block).fold(0u16, u16::wrapping_add))
}

impl<T: Leaf> MaxTree<T> {
    /// How many leaves there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Makes the tree `len` leaves long; new ones are empty.
    pub(super) fn resize(&mut self, len: usize) {
        let padded = len.next_multiple_of(FANOUT);
        self.len = len;
        self.leaves.resize(padded, T::EMPTY);
        let blocks = padded / FANOUT;
        self.blocks.resize(blocks.next_multiple_of(FANOUT), T::EMPTY);
        self.ties.resize(self.blocks.len(), FANOUT as u8);
        self.tops.resize(self.blocks.len() / FANOUT, T::EMPTY);
    }

    /// The leaves, to be filled at once; [`MaxTree::rebuild`] must follow.
    pub(super) fn leaves_mut(&mut self) -> &mut [T] {
        &mut self.leaves[..self.len]
    }

    /// The leaves.
    pub(super) fn leaves(&self) -> &[T] {
        &self.leaves[..self.len]
    }

    /// Restores the inner values.
    pub(super) fn rebuild(&mut self) {
        let mut empty = 0;
        for ((block, ties), leaves) in self.blocks.iter_mut().zip(&mut self.ties).zip(self.leaves.chunks_exact(FANOUT))
        {
            *block = maximum(leaves);
            *ties = count(leaves, *block) as u8;
            empty += count(leaves, T::EMPTY);
        }
        for (top, blocks) in self.tops.iter_mut().zip(self.blocks.chunks_exact(FANOUT)) {
            *top = maximum(blocks);
        }
        self.filled = self.leaves.len() as u32 - empty;
    }

    /// Changes one leaf and gives what it was. Inner values are left behind: [`MaxTree::rebuild`] must follow before
    /// they are asked for.
    #[inline]
    pub(super) fn set_leaf(&mut self, position: usize, value: T) -> T {
        let old = std::mem::replace(&mut self.leaves[position], value);
        let (filled, was_filled) = (u32::from(value != T::EMPTY), u32::from(old != T::EMPTY));
        self.filled = self.filled.wrapping_add(filled).wrapping_sub(was_filled);
        old
    }

    /// Changes one leaf.
    #[inline]
    pub(super) fn set(&mut self, position: usize, value: T) {
        let old = self.set_leaf(position, value);
        let block = position / FANOUT;
        let block_max = self.blocks[block];
        if value > block_max {
            self.blocks[block] = value;
            self.ties[block] = 1;
            let top = &mut self.tops[block / FANOUT];
            *top = value.max(*top);
        } else {
            let ties = self.ties[block].wrapping_add(u8::from(value == block_max));
            self.ties[block] = ties.wrapping_sub(u8::from(old == block_max));
            if self.ties[block] == 0 {
                self.lower(block);
            }
        }
    }

    /// Finds the new maximum of a block that has lost its last.
    fn lower(&mut self, block: usize) {
        let leaves = &self.leaves[block * FANOUT..][..FANOUT];
        let old = std::mem::replace(&mut self.blocks[block], maximum(leaves));
        self.ties[block] = count(leaves, self.blocks[block]) as u8;
        let top = block / FANOUT;
        if self.tops[top] == old {
            self.tops[top] = maximum(&self.blocks[top * FANOUT..][..FANOUT]);
        }
    }

    /// How many leaves are not empty.
    pub(super) fn filled(&self) -> u32 {
        self.filled
    }

    /// The best leaves, if any is not empty.
    pub(super) fn best(&self) -> Option<BestLeaf<T>> {
        let value = maximum(&self.tops);
        if value == T::EMPTY {
            return None;
        }
        let top = find(&self.tops, value);
        let block = top * FANOUT + find(&self.blocks[top * FANOUT..][..FANOUT], value);
        let position = block * FANOUT + find(&self.leaves[block * FANOUT..][..FANOUT], value);
        let mut ties = 0;
        for (t, _) in self.tops.iter().enumerate().skip(top).filter(|&(_, &top)| top == value) {
            ties += ties_below(&self.blocks[t * FANOUT..][..FANOUT], &self.ties[t * FANOUT..][..FANOUT], value);
        }
        Some(BestLeaf { position, value, ties })
    }

    /// The first leaf from `from` on that is not empty, without going round.
    pub(super) fn next_filled(&self, from: usize) -> Option<usize> {
        let mut position = from;
        while position < self.len {
            if position.is_multiple_of(FANOUT) && self.blocks[position / FANOUT] == T::EMPTY {
                position += FANOUT;
            } else if self.leaves[position] == T::EMPTY {
                position += 1;
            } else {
                return Some(position);
            }
        }
        None
    }

    /// The leaf at place `place` (from 0) among those that are not empty.
    pub(super) fn nth_filled(&self, place: u32) -> Option<usize> {
        let mut left = place;
        for (b, leaves) in self.leaves.chunks_exact(FANOUT).enumerate() {
            let filled = FANOUT as u32 - count(leaves, T::EMPTY);
            if left < filled {
                let in_block = (0..FANOUT).filter(|&i| leaves[i] != T::EMPTY).nth(left as usize);
                return in_block.map(|i| b * FANOUT + i);
            }
            left -= filled;
        }
        None
    }

    /// Memory that the tree takes.
    pub(super) fn bytes(&self) -> usize {
        (self.leaves.capacity() + self.blocks.capacity() + self.tops.capacity()) * size_of::<T>() + self.ties.capacity()
    }
}

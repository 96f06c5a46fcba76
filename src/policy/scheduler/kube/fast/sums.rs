//! The sums of scores of all nodes, and the highest in every block of them, so that a stretch is looked through block by
//! block.
//!
//! Cost: O(1) a change, and a block when its highest goes; O(blocks) a search; O(nodes that moved) another order.

use super::order::Moves;

/// How many positions make a block.
const BLOCK: usize = 64;

/// The sum of a node that does not pass.
pub(super) const NOT_FEASIBLE: i32 = i32::MIN;

/// The highest sum of some positions, and how many have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Highest {
    pub(super) sum: i32,
    pub(super) count: u32,
}

impl Highest {
    const NOTHING: Highest = Highest { sum: NOT_FEASIBLE, count: 0 };

    fn of(sums: &[i32]) -> Highest {
        let sum = sums.iter().copied().fold(NOT_FEASIBLE, i32::max);
        Highest { sum, count: sums.iter().map(|&other| u32::from(other == sum)).sum() }
    }

    fn join(self, other: Highest) -> Highest {
        match self.sum.cmp(&other.sum) {
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Equal => Highest { sum: self.sum, count: self.count + other.count },
            std::cmp::Ordering::Greater => self,
        }
    }
}

/// Sums by position.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    sums: Vec<i32>,
    blocks: Vec<Highest>,
}

/// A piece of a stretch: a whole block, or positions.
#[derive(Clone, Copy, Debug)]
enum Piece {
    Block(usize),
    Positions(usize, usize),
}

impl Sums {
    /// `len` nodes that do not pass.
    pub(super) fn new(len: usize) -> Sums {
        let sums = vec![NOT_FEASIBLE; len];
        let blocks = sums.chunks(BLOCK).map(Highest::of).collect();
        Sums { sums, blocks }
    }

    /// Brings the sums into another order; nodes that were not there do not pass.
    pub(super) fn reorder(&mut self, moves: &Moves) {
        moves.apply(&mut self.sums, NOT_FEASIBLE);
        let unmoved = moves.unmoved / BLOCK;
        self.blocks.truncate(unmoved);
        self.blocks.extend(self.sums.chunks(BLOCK).skip(unmoved).map(Highest::of));
    }

    /// The sum at a position.
    #[inline]
    pub(super) fn get(&self, position: usize) -> i32 {
        self.sums[position]
    }

    /// Changes a sum.
    pub(super) fn set(&mut self, position: usize, sum: i32) {
        let before = std::mem::replace(&mut self.sums[position], sum);
        let block = &mut self.blocks[position / BLOCK];
        if before == sum {
            return;
        }
        if sum > block.sum {
            *block = Highest { sum, count: 1 };
            return;
        }
        block.count += u32::from(sum == block.sum);
        block.count -= u32::from(before == block.sum);
        if block.count == 0 {
            let start = position / BLOCK * BLOCK;
            *block = Highest::of(&self.sums[start..self.sums.len().min(start + BLOCK)]);
        }
    }

    /// The highest of `length` sums from `start` on and around.
    pub(super) fn highest(&self, start: usize, length: usize) -> Highest {
        self.pieces(start, length).fold(Highest::NOTHING, |highest, piece| {
            highest.join(match piece {
                Piece::Block(block) => self.blocks[block],
                Piece::Positions(from, to) => Highest::of(&self.sums[from..to]),
            })
        })
    }

    /// The `n`-th position, counted from 0, from `start` on and around that has this sum.
    pub(super) fn nth(&self, sum: i32, start: usize, n: usize) -> Option<usize> {
        let mut left = n as u32;
        for piece in self.pieces(start, self.sums.len()) {
            let (from, to) = match piece {
                Piece::Positions(from, to) => (from, to),
                Piece::Block(block) => {
                    let highest = self.blocks[block];
                    if highest.sum < sum || highest.sum == sum && highest.count <= left {
                        left -= if highest.sum == sum { highest.count } else { 0 };
                        continue;
                    }
                    (block * BLOCK, self.sums.len().min((block + 1) * BLOCK))
                }
            };
            for position in (from..to).filter(|&position| self.sums[position] == sum) {
                if left == 0 {
                    return Some(position);
                }
                left -= 1;
            }
        }
        None
    }

    fn pieces(&self, start: usize, length: usize) -> impl Iterator<Item = Piece> + '_ {
        let len = self.sums.len();
        let end = len.min(start + length);
        pieces(start, end).chain(pieces(0, (start + length).saturating_sub(len)))
    }
}

/// The positions from one up to before another: a part of a block, whole blocks, a part of a block.
fn pieces(from: usize, to: usize) -> impl Iterator<Item = Piece> {
    let head = to.min(from.next_multiple_of(BLOCK));
    let (first, last) = (head.div_ceil(BLOCK), to / BLOCK);
    let tail = to.min(head.max(last * BLOCK));
    let part = |from: usize, to: usize| (from < to).then_some(Piece::Positions(from, to)).into_iter();
    part(from, head).chain((first..last).map(Piece::Block)).chain(part(tail, to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::SEED;

    #[test]
    fn searches_are_those_of_a_walk() {
        let mut stream = SEED.stream("test/sums", 0);
        for _ in 0..300 {
            let len = 1 + stream.below(300) as usize;
            let mut sums = Sums::new(len);
            let mut plain = vec![NOT_FEASIBLE; len];
            for _ in 0..40 {
                let position = stream.below(len as u64) as usize;
                let sum = if stream.below(5) == 0 { NOT_FEASIBLE } else { stream.below(6) as i32 };
                sums.set(position, sum);
                plain[position] = sum;
                let start = stream.below(len as u64) as usize;
                let length = 1 + stream.below(len as u64) as usize;
                let walk = || (0..length).map(|offset| (start + offset) % len);
                let highest = walk().map(|position| plain[position]).max().expect("the stretch is not empty");
                let best: Vec<usize> = walk().filter(|&position| plain[position] == highest).collect();
                let found = sums.highest(start, length);
                assert_eq!((found.sum, found.count as usize), (highest, best.len()), "{plain:?} {start} {length}");
                let n = stream.below(best.len() as u64) as usize;
                assert_eq!(sums.nth(highest, start, n), Some(best[n]), "{plain:?} {start} {length} {n}");
            }
        }
    }
}

//! A set of positions in the order of nodes, looked through from a start and around.

/// A set of positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits {
    words: Vec<u64>,
    len: usize,
}

/// How far a search went that begins at a start and ends before the first position that is one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Members found, at most as many as were wanted.
    pub(super) found: usize,
    /// Positions from the start up to and with the last member that was wanted.
    pub(super) length: usize,
    /// Positions looked at: up to the member that was one too many, or all.
    pub(super) examined: usize,
}

impl Bits {
    /// No member among `len` positions.
    pub(super) fn new(len: usize) -> Bits {
        Bits { words: vec![0; len.div_ceil(64)], len }
    }

    /// How many positions there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Makes it `len` positions, those that are new without members.
    pub(super) fn resize(&mut self, len: usize) {
        if len < self.len {
            // Members beyond the end would be found again.
            (len..self.len).for_each(|position| self.set(position, false));
        }
        self.words.resize(len.div_ceil(64), 0);
        self.len = len;
    }

    #[inline]
    pub(super) fn get(&self, position: usize) -> bool {
        self.words[position / 64] >> (position % 64) & 1 == 1
    }

    #[inline]
    pub(super) fn set(&mut self, position: usize, member: bool) {
        let mask = 1 << (position % 64);
        let word = &mut self.words[position / 64];
        *word = if member { *word | mask } else { *word & !mask };
    }

    /// The members from `start` to the end and then from 0 to `start`.
    pub(super) fn around(&self, start: usize) -> impl Iterator<Item = usize> + '_ {
        self.members(start, self.len).chain(self.members(0, start))
    }

    /// The members from `start` up to before `end`.
    pub(super) fn members(&self, start: usize, end: usize) -> impl Iterator<Item = usize> + '_ {
        let last = end.div_ceil(64);
        (start / 64..last).flat_map(move |at| {
            let mut word = self.words[at] & mask(at, start, end);
            std::iter::from_fn(move || {
                if word == 0 {
                    return None;
                }
                let bit = word.trailing_zeros() as usize;
                word &= word - 1;
                Some(at * 64 + bit)
            })
        })
    }

    /// The `n`-th member, counted from 0.
    pub(super) fn nth(&self, mut n: usize) -> Option<usize> {
        for (at, &word) in self.words.iter().enumerate() {
            let members = word.count_ones() as usize;
            if n < members {
                return Some(at * 64 + nth_bit(word, n) as usize);
            }
            n -= members;
        }
        None
    }

    /// Looks around from `start` for `wanted` members, at least one.
    pub(super) fn window(&self, start: usize, wanted: usize) -> Window {
        let mut window = Window { found: 0, length: self.len, examined: self.len };
        for (from, to, before) in [(start, self.len, 0), (0, start, self.len - start)] {
            for at in from / 64..to.div_ceil(64) {
                let word = self.words[at] & mask(at, from, to);
                let members = word.count_ones() as usize;
                let offset = |bit: u32| before + at * 64 + bit as usize - from;
                if window.found < wanted && window.found + members >= wanted {
                    window.length = offset(nth_bit(word, wanted - window.found - 1)) + 1;
                }
                if window.found + members > wanted {
                    let excess = nth_bit(word, wanted - window.found);
                    return Window { found: wanted, examined: offset(excess), ..window };
                }
                window.found += members;
            }
        }
        window
    }
}

/// The bits of word `at` that lie from `start` up to before `end`.
#[inline]
fn mask(at: usize, start: usize, end: usize) -> u64 {
    let low = if at == start / 64 { u64::MAX << (start % 64) } else { u64::MAX };
    let high = if at == end / 64 { !(u64::MAX << (end % 64)) } else { u64::MAX };
    low & high
}

/// The place of the `n`-th member of a word, counted from 0.
#[inline]
fn nth_bit(mut word: u64, n: usize) -> u32 {
    for _ in 0..n {
        word &= word - 1;
    }
    word.trailing_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::SEED;

    /// The search, one position after another.
    fn slow_window(bits: &Bits, start: usize, wanted: usize) -> Window {
        let mut window = Window { found: 0, length: bits.len(), examined: bits.len() };
        for offset in 0..bits.len() {
            if bits.get((start + offset) % bits.len()) {
                if window.found == wanted {
                    return Window { examined: offset, ..window };
                }
                window.found += 1;
                if window.found == wanted {
                    window.length = offset + 1;
                }
            }
        }
        window
    }

    #[test]
    fn windows_are_those_of_a_walk() {
        let mut stream = SEED.stream("test/bits", 0);
        for _ in 0..2000 {
            let len = 1 + stream.below(200) as usize;
            let share = stream.below(101);
            let mut bits = Bits::new(len);
            (0..len).for_each(|position| bits.set(position, stream.below(100) < share));
            let (start, wanted) = (stream.below(len as u64) as usize, 1 + stream.below(len as u64) as usize);
            assert_eq!(bits.window(start, wanted), slow_window(&bits, start, wanted), "{bits:?} {start} {wanted}");
            let walked: Vec<usize> = (start..len).chain(0..start).filter(|&at| bits.get(at)).collect();
            assert_eq!(bits.around(start).collect::<Vec<_>>(), walked);
            let n = stream.below(len as u64) as usize;
            assert_eq!(bits.nth(n), bits.members(0, len).nth(n));
        }
    }

    #[test]
    fn a_shorter_set_forgets_what_was_beyond() {
        let mut bits = Bits::new(130);
        [3, 70, 129].into_iter().for_each(|position| bits.set(position, true));
        bits.resize(68);
        bits.resize(200);
        assert_eq!((bits.around(0).collect::<Vec<_>>(), bits.len()), (vec![3], 200));
    }

    #[test]
    fn a_cleared_position_is_gone() {
        let mut bits = Bits::new(130);
        bits.set(129, true);
        bits.set(64, true);
        bits.set(129, false);
        assert_eq!(bits.around(65).collect::<Vec<_>>(), [64]);
        assert_eq!(bits.window(65, 3), Window { found: 1, length: 130, examined: 130 });
    }
}

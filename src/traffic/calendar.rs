//! Which of many sources sends the next request.

use crate::units::SimTime;

/// An instant for each source, and the first of them. A change costs O(log n), a look nothing.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    /// By source, and never beyond them, up to a power of two.
    instants: Vec<SimTime>,
    /// The winners of a knockout in which of equals the lower number wins; node `n` plays off `2 n` and `2 n + 1`.
    winners: Vec<u32>,
}

impl Calendar {
    /// So many sources, of which none sends anything.
    pub(super) fn new(sources: usize) -> Calendar {
        let leaves = sources.next_power_of_two();
        let mut winners: Vec<u32> = vec![0; 2 * leaves];
        for node in (1..2 * leaves).rev() {
            winners[node] = if node < leaves { winners[2 * node] } else { (node - leaves) as u32 };
        }
        Calendar { instants: vec![SimTime::NEVER; leaves], winners }
    }

    /// When a source sends its next request.
    #[inline]
    pub(super) fn set(&mut self, source: usize, instant: SimTime) {
        self.instants[source] = instant;
        let mut node = (self.instants.len() + source) / 2;
        while node > 0 {
            let (low, high) = (self.winners[2 * node], self.winners[2 * node + 1]);
            let is_high = self.instants[high as usize] < self.instants[low as usize];
            self.winners[node] = if is_high { high } else { low };
            node /= 2;
        }
    }

    /// The source that is first, and when.
    #[inline]
    pub(super) fn first(&self) -> (usize, SimTime) {
        let source = self.winners[1] as usize;
        (source, self.instants[source])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn the_first_is_that_of_a_scan() {
        let mut stream = Stream::of_word(5);
        for sources in [1, 2, 3, 7, 8, 100] {
            let mut calendar = Calendar::new(sources);
            let mut instants = vec![SimTime::NEVER; sources];
            assert_eq!(calendar.first(), (0, SimTime::NEVER));
            for _ in 0..2000 {
                let source = stream.below(sources as u64) as usize;
                instants[source] = SimTime(stream.below(20));
                calendar.set(source, instants[source]);
                let first = *instants.iter().min().expect("one at least");
                let lowest = instants.iter().position(|&one| one == first).expect("it is one of them");
                assert_eq!(calendar.first(), (lowest, first));
            }
        }
    }
}

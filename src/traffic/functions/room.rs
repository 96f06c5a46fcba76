//! Whether an account surely has room for all calls of a slice of time.
//!
//! How long each call takes is known, but for whether it meets a warm instance. If even with the longer of both, and with no call
//! throttled, there are never more under way than the account may have, then its limit has no say in the slice. Time is divided into
//! steps, and what is under way in any part of a step counts for all of it: what is said errs on one side only.
//!
//! Cost: two additions a call, and one a step.

use crate::units::SimTime;

/// Most steps of a slice.
const STEPS: usize = 4096;

/// Calls under way in a slice of time, at most.
#[derive(Debug, Default)]
pub(super) struct Room {
    start: SimTime,
    end: SimTime,
    /// A step lasts for 2^shift ns.
    shift: u32,
    /// By how much more calls are under way in a step than in the one before.
    changes: Vec<i32>,
}

impl Room {
    /// Nothing is under way in this slice yet.
    pub(super) fn begin(&mut self, start: SimTime, end: SimTime) {
        let span_ns = end.0 - start.0;
        let shift = (span_ns / STEPS as u64 + 1).next_power_of_two().trailing_zeros();
        self.changes.clear();
        // Changes after the last step are not heeded.
        self.changes.resize((span_ns >> shift) as usize + 2, 0);
        (self.start, self.end, self.shift) = (start, end, shift);
    }

    /// A call from then on, which is within the slice, until then.
    #[inline]
    pub(super) fn take(&mut self, from: SimTime, to: SimTime) {
        let last = self.changes.len() - 1;
        let step = |at: SimTime| ((at.0 - self.start.0) >> self.shift) as usize;
        self.changes[step(from)] += 1;
        self.changes[step(to.max(from)).min(last - 1) + 1] -= 1;
    }

    /// Up to when no more than so many calls are under way.
    pub(super) fn until(&self, limit: usize) -> SimTime {
        let mut under_way = 0;
        let is_beyond = |change: &i32| {
            under_way += i64::from(*change);
            under_way > limit as i64
        };
        let (_, steps) = self.changes.split_last().expect("the slice has begun");
        match steps.iter().position(is_beyond) {
            Some(step) => SimTime(self.start.0 + ((step as u64) << self.shift)),
            None => self.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn there_is_room_until_too_many_are_under_way() {
        // Two from 10 to 30 and 20 to 40 ns, one that was there before until 15 ns, one beyond the end.
        let mut room = Room::default();
        room.begin(SimTime(5), SimTime(100));
        for (from, to) in [(10, 30), (20, 40), (5, 15), (90, 1000)] {
            room.take(SimTime(from), SimTime(to));
        }
        // Steps are one nanosecond long. What ends at 30 counts until then.
        assert_eq!([0, 1, 2, 3].map(|limit| room.until(limit).0), [5, 10, 100, 100]);
    }

    #[test]
    fn what_is_said_is_never_too_much() {
        let mut stream = Stream::of_word(1);
        let mut room = Room::default();
        for _ in 0..300 {
            let (start, span) = (stream.below(1000), 1 + (stream.bits() >> (30 + stream.below(33))));
            let calls: Vec<(u64, u64)> = (0..40)
                .map(|_| (start + stream.below(span), stream.below(1 + span / 4)))
                .map(|(from, span)| (from, from + span))
                .collect();
            room.begin(SimTime(start), SimTime(start + span));
            calls.iter().for_each(|&(from, to)| room.take(SimTime(from), SimTime(to)));
            for limit in [1, 5, 10, 40] {
                let until = room.until(limit).0;
                let before = calls.iter().filter(|(from, _)| *from < until);
                let most = before.map(|(at, _)| calls.iter().filter(|(from, to)| from <= at && at < to).count()).max();
                assert!(most.is_none_or(|most| most <= limit) && until >= start, "{limit}");
                assert!(limit < 40 || until == start + span);
            }
        }
    }
}

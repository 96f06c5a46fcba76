//! Spans that were noted and are not counted yet.
//!
//! Counting many at once costs less than counting each by itself. It also settles in which order spans of one instant are
//! counted, whatever the order in which they came: by length. So batches do not hang on how events of an instant follow
//! each other.

use crate::units::{SimDuration, SimTime};

/// How many are noted before they are counted.
pub(super) const LENGTH: usize = 256;

/// Spans, and when they were noted.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    instants: Vec<SimTime>,
    spans: Vec<SimDuration>,
}

impl Log {
    /// Whether what there is should be counted before another span is noted.
    #[inline]
    pub(super) fn is_due(&self, now: SimTime) -> bool {
        self.instants.len() >= LENGTH && self.instants.last() != Some(&now)
    }

    #[inline]
    pub(super) fn push(&mut self, now: SimTime, span: SimDuration) {
        self.instants.push(now);
        self.spans.push(span);
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// All that there is.
    pub(super) fn spans(&self) -> &[SimDuration] {
        &self.spans
    }

    pub(super) fn clear(&mut self) {
        self.instants.clear();
        self.spans.clear();
    }

    /// Where a batch ends that begins at `start` and has room for so many. If the border cuts through an instant, the spans
    /// of that instant are put into order first.
    pub(super) fn batch_end(&mut self, start: usize, room: u64) -> usize {
        let end = usize::try_from(room).map_or(self.len(), |room| self.len().min(start.saturating_add(room)));
        if let Some(&instant) = self.instants.get(end)
            && end > start
            && self.instants[end - 1] == instant
        {
            let from = self.instants[..end].iter().rposition(|&one| one != instant).map_or(0, |last| last + 1);
            let to = end + self.instants[end..].iter().position(|&one| one != instant).unwrap_or(self.len() - end);
            // What is before the start is counted already, and in order.
            self.spans[from.max(start)..to].sort_unstable();
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_instant_at_the_border_is_ordered() {
        let noted = [(1, 9), (1, 3), (2, 8), (2, 5), (2, 6), (2, 1), (3, 4)];
        for (start, room, end, spans) in [
            // The border is between instants, or behind all.
            (0, 2, 2, [9, 3, 8, 5, 6, 1, 4]),
            (0, 100, 7, [9, 3, 8, 5, 6, 1, 4]),
            (0, 3, 3, [9, 3, 1, 5, 6, 8, 4]),
            (2, 1, 3, [9, 3, 1, 5, 6, 8, 4]),
            // The first of the second instant was counted before.
            (3, 2, 5, [9, 3, 8, 1, 5, 6, 4]),
            (0, 1, 1, [3, 9, 8, 5, 6, 1, 4]),
        ] {
            let mut log = Log::default();
            noted.iter().for_each(|&(at, span)| log.push(SimTime(at), SimDuration(span)));
            assert_eq!((log.batch_end(start, room), log.spans()), (end, &spans.map(SimDuration)[..]), "{start} {room}");
        }
    }
}

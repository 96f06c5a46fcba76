//! What balancers share: who is there, and how many requests are in flight.

use super::Backend;

const NOWHERE: u32 = u32::MAX;

/// The backends in order of their slots, and where each slot is among them.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    backends: Vec<Backend>,
    /// By slot.
    positions: Vec<u32>,
}

impl Members {
    /// From now on there are these. For each of them: where it was before, if it was there.
    pub(super) fn replace(&mut self, backends: &[Backend]) -> Vec<Option<usize>> {
        let is_same = |backend: &Backend, before: &usize| self.backends[*before].hash == backend.hash;
        let before = backends.iter().map(|one| self.position(one.slot).filter(|before| is_same(one, before))).collect();
        self.positions.clear();
        self.positions.resize(slot_count(backends), NOWHERE);
        for (position, backend) in backends.iter().enumerate() {
            self.positions[backend.slot as usize] = position as u32;
        }
        self.backends.clear();
        self.backends.extend_from_slice(backends);
        before
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.backends.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.backends.is_empty()
    }

    /// All of them.
    #[inline]
    pub(super) fn backends(&self) -> &[Backend] {
        &self.backends
    }

    #[inline]
    pub(super) fn slot(&self, position: usize) -> u32 {
        self.backends[position].slot
    }

    /// Where a slot is; none: it has no backend.
    #[inline]
    pub(super) fn position(&self, slot: u32) -> Option<usize> {
        self.positions.get(slot as usize).filter(|&&position| position != NOWHERE).map(|&position| position as usize)
    }

    /// Whether all weights are equal.
    pub(super) fn are_equal(&self) -> bool {
        are_equal(&self.backends)
    }
}

/// Whether all weights are equal.
pub(super) fn are_equal(backends: &[Backend]) -> bool {
    backends.windows(2).all(|pair| pair[0].weight == pair[1].weight)
}

/// One more than the highest slot.
pub(super) fn slot_count(backends: &[Backend]) -> usize {
    backends.last().map_or(0, |last| last.slot as usize + 1)
}

/// What was known of the backends that stayed, in their new order; new ones begin with `fresh`.
pub(super) fn carried<T: Clone>(known: &[T], before: &[Option<usize>], fresh: &T) -> Vec<T> {
    before.iter().map(|before| before.map_or_else(|| fresh.clone(), |at| known[at].clone())).collect()
}

/// Requests in flight by slot, also of backends that have gone.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight {
    of_slots: Vec<u32>,
    all: u64,
}

impl InFlight {
    /// Makes room for these backends.
    pub(super) fn grow(&mut self, backends: &[Backend]) {
        self.of_slots.resize(slot_count(backends).max(self.of_slots.len()), 0);
    }

    #[inline]
    pub(super) fn of(&self, slot: u32) -> u32 {
        self.of_slots[slot as usize]
    }

    /// Of all slots together.
    pub(super) fn all(&self) -> u64 {
        self.all
    }

    #[inline]
    pub(super) fn sent(&mut self, slot: u32) {
        self.of_slots[slot as usize] += 1;
        self.all += 1;
    }

    #[inline]
    pub(super) fn answered(&mut self, slot: u32) {
        self.of_slots[slot as usize] -= 1;
        self.all -= 1;
    }

    /// Whether a slot, which need not be known, has any.
    #[cfg(test)]
    pub(super) fn has(&self, slot: u32) -> bool {
        self.of_slots.get(slot as usize).is_some_and(|&count| count > 0)
    }
}

//! The largest value of late (`pkg/autoscaler/aggregation/max`): what the scale-down delay holds pods to.

use std::collections::VecDeque;

use crate::units::{SimDuration, SimTime};

const SECOND_NS: u64 = 1_000_000_000;

/// The maximum of the values that were recorded within a time.
///
/// Only values that may still become the maximum are kept: older ones are larger.
#[derive(Clone, Debug)]
pub struct MaximumWindow {
    /// Number of the slot in time, and the largest value in it; slots ascend, values fall.
    maxima: VecDeque<(u64, i32)>,
    slots: u64,
    granularity: SimDuration,
}

impl MaximumWindow {
    /// An empty window.
    ///
    /// # Panics
    /// When the granularity is no whole number of seconds.
    pub fn new(span: SimDuration, granularity: SimDuration) -> MaximumWindow {
        assert!(granularity.0 >= SECOND_NS && granularity.0.is_multiple_of(SECOND_NS), "slots hold whole seconds");
        MaximumWindow { maxima: VecDeque::new(), slots: span.0.div_ceil(granularity.0), granularity }
    }

    /// Records a value.
    pub fn record(&mut self, now: SimTime, value: i32) {
        self.record_at(now.0 / self.granularity.0, value);
    }

    /// Records a value in a slot. Slots do not go back.
    pub(super) fn record_at(&mut self, slot: u64, mut value: i32) {
        while self.maxima.back().is_some_and(|&(_, last)| value >= last) {
            self.maxima.pop_back();
        }
        while self.maxima.front().is_some_and(|&(first, _)| slot.saturating_sub(first) >= self.slots) {
            self.maxima.pop_front();
        }
        if let Some(&(last, largest)) = self.maxima.back()
            && last == slot
        {
            value = value.max(largest);
            self.maxima.pop_back();
        }
        self.maxima.push_back((slot, value));
    }

    /// The maximum; 0 before the first record.
    pub fn maximum(&self) -> i32 {
        self.maxima.front().map_or(0, |&(_, value)| value)
    }
}

//! What is counted and measured of requests.
//!
//! Memory does not grow with the number of requests.

use super::attempt::Outcome;
use crate::units::{SimDuration, SimTime};

/// A number that changes now and then, and its integral over time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Level {
    value: u64,
    since: SimTime,
    /// The integral up to `since`, in units times ns.
    area: u128,
}

impl Level {
    /// Its present value.
    #[inline]
    pub fn value(&self) -> u64 {
        self.value
    }

    /// One more.
    #[inline]
    pub fn rise(&mut self, now: SimTime) {
        self.settle(now);
        self.value += 1;
    }

    /// One less.
    #[inline]
    pub fn fall(&mut self, now: SimTime) {
        self.settle(now);
        self.value -= 1;
    }

    #[inline]
    fn settle(&mut self, now: SimTime) {
        self.area += u128::from(self.value) * u128::from(now.0 - self.since.0);
        self.since = now;
    }

    /// The integral up to an instant that is not before the last change, in units times ns.
    pub fn area(&self, until: SimTime) -> u128 {
        self.area + u128::from(self.value) * u128::from(until.since(self.since).0)
    }
}

/// How requests of one kind fared.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many ended in which way.
    pub outcomes: [u64; Outcome::COUNT],
    /// Sum of the latencies of those that ended well, in ns.
    pub latency_ns: u128,
}

impl Tally {
    /// A request has ended.
    #[inline]
    pub fn note(&mut self, outcome: Outcome, latency: SimDuration) {
        self.outcomes[outcome as usize] += 1;
        if outcome.is_well() {
            self.latency_ns += u128::from(latency.0);
        }
    }

    /// Mean latency of those that ended well, in s.
    pub fn mean_latency_s(&self) -> f64 {
        self.latency_ns as f64 / self.outcomes[0] as f64 / 1e9
    }

    /// How many have ended.
    pub fn count(&self) -> u64 {
        self.outcomes.iter().sum()
    }
}

/// What is known of one service.
#[derive(Clone, Debug, Default)]
pub struct ServiceStatistics {
    /// Requests that are at its servers or in its queue.
    pub in_flight: Level,
    /// Those of them that wait.
    pub waiting: Level,
    /// How long all requests that have left were there, in ns, for Little's law.
    pub sojourn_ns: u128,
    /// When all requests that are there came, summed up, in ns.
    pub present_since_ns: u128,
    /// How attempts fared, as their callers see it.
    pub attempts: Tally,
    /// Attempts that were made again.
    pub retries: u64,
}

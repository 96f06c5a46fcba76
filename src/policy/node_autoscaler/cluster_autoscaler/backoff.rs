//! Groups that failed are left alone for a while, longer each time (`utils/backoff/exponential_backoff.go`).

use std::collections::BTreeMap;

use crate::units::{SimDuration, SimTime};

#[derive(Clone, Copy, Debug)]
struct Failure {
    duration: SimDuration,
    until: SimTime,
    last: SimTime,
}

/// The back-off of every group, by its position in the caller's list.
#[derive(Clone, Debug)]
pub struct Backoff {
    initial: SimDuration,
    max: SimDuration,
    reset: SimDuration,
    failures: BTreeMap<usize, Failure>,
}

impl Backoff {
    /// Back-offs that begin with `initial`, double up to `max`, and begin anew when the last failure is longer ago than
    /// `reset`.
    pub fn new(initial: SimDuration, max: SimDuration, reset: SimDuration) -> Backoff {
        Backoff { initial, max, reset, failures: BTreeMap::new() }
    }

    /// Registers a failure; returns until when the group is left alone. A failure within a back-off begins it anew at the
    /// same length.
    pub fn fail(&mut self, group: usize, now: SimTime) -> SimTime {
        let duration = match self.failures.get(&group) {
            None => self.initial,
            Some(failure) if failure.until < now => SimDuration(failure.duration.0.saturating_mul(2)).min(self.max),
            Some(failure) => failure.duration,
        };
        let until = now.after(duration);
        self.failures.insert(group, Failure { duration, until, last: now });
        until
    }

    /// Whether the group is left alone; the last instant of a back-off belongs to it.
    pub fn is_backed_off(&self, group: usize, now: SimTime) -> bool {
        self.failures.get(&group).is_some_and(|failure| failure.until >= now)
    }

    /// Forgets the group's failures, as after a scale-up that succeeded.
    pub fn remove(&mut self, group: usize) {
        self.failures.remove(&group);
    }

    /// Forgets failures that are longer ago than the reset time.
    pub fn remove_stale(&mut self, now: SimTime) {
        let reset = self.reset;
        self.failures.retain(|_, failure| failure.last.after(reset) >= now);
    }
}

//! What becomes of the number that a policy would like, before it is said.

use std::collections::VecDeque;

use super::{Decision, Observation, Reading, Setting};
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::units::{SimDuration, SimTime};

/// The bounds of an autoscaler, without what it may foresee.
pub(super) fn bounds(setting: &Setting<'_>) -> Setting<'static> {
    Setting { min_replicas: setting.min_replicas, max_replicas: setting.max_replicas, foresight: &[] }
}

/// There is no traffic to see.
pub(super) fn no_traffic() -> Decision {
    Decision::unknown("NoTraffic", "the target has no service with traffic")
}

/// So many replicas; the reason is told where it changes something.
pub(super) fn decision(seen: &Observation<'_>, replicas: i32, reason: &str, metric: Option<Reading>) -> Decision {
    let reason = if replicas == seen.replicas.wanted { "" } else { reason };
    Decision { metric, ..Decision::replicas(replicas, reason) }
}

/// A reading of requests a second of the whole target.
pub(super) fn rate_reading(current_per_s: f64, target_per_s: f64) -> Option<Reading> {
    Some(Reading { name: "requests".to_owned(), current: current_per_s, target: target_per_s })
}

/// The parameter of policies that reckon in requests a second.
pub(super) const REQUESTS_PER_REPLICA: Parameter = Parameter {
    name: "requestsPerReplica",
    unit: "1/s",
    default: "10",
    meaning: "requests a second that a replica serves well, above 0",
};

/// Refuses a [`REQUESTS_PER_REPLICA`] that is none.
pub(super) fn require_capacity(requests_per_replica: f64) -> Result<(), ParameterError> {
    let is_right = requests_per_replica > 0.0 && requests_per_replica.is_finite();
    parameters::require(is_right, "`requestsPerReplica` must be above 0")
}

/// The parameter of policies that scale in with delay.
pub(super) const SCALE_IN_DELAY: Parameter = Parameter {
    name: "scaleInDelay",
    unit: "",
    default: "300s",
    meaning: "there are as many replicas as the largest wish within this time",
};

/// Follows wishes upwards at once, and downwards to the largest one of late.
#[derive(Clone, Debug)]
pub(super) struct ScaleInDelay {
    span: SimDuration,
    /// Wishes that no later one reaches up to, in order of time and so of size.
    wishes: VecDeque<(SimTime, i32)>,
}

impl ScaleInDelay {
    pub(super) fn new(span: SimDuration) -> ScaleInDelay {
        ScaleInDelay { span, wishes: VecDeque::new() }
    }

    /// The largest wish of the last `span`, this one included; at first the number that there is counts as one.
    pub(super) fn settle(&mut self, now: SimTime, wanted: i32, wish: i32) -> i32 {
        if self.wishes.is_empty() && self.span > SimDuration::ZERO {
            self.wishes.push_back((now, wanted));
        }
        while self.wishes.back().is_some_and(|&(_, other)| other <= wish) {
            self.wishes.pop_back();
        }
        self.wishes.push_back((now, wish));
        while self.wishes.front().is_some_and(|&(at, _)| at.after(self.span) < now) {
            self.wishes.pop_front();
        }
        self.wishes.front().map_or(wish, |&(_, largest)| largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_wish_of_late() {
        let mut delay = ScaleInDelay::new(SimDuration(30));
        // There are 6 at first. 9 was wished at 10 and holds up to 40; then 5 of 20 up to 50, then 3 of 30.
        let wishes = [(0, 4), (10, 9), (20, 5), (30, 3), (40, 1), (41, 1), (50, 1), (51, 1), (60, 1), (61, 1), (62, 7)];
        let settled = wishes.map(|(at, wish)| delay.settle(SimTime(at), 6, wish));
        assert_eq!(settled, [6, 9, 9, 9, 9, 5, 5, 3, 3, 1, 7]);
    }
}

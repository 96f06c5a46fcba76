//! `percentile`: starts as soon as intensity is among the lowest of the time to its deadline.
//!
//! Parameters: `percent`.
//!
//! Source: Wiesner et al., "Let's wait awhile" (Middleware 2021), whose suspend-resume jobs wait for slots below a percentile.
//! The limit is the intensity up to which that part of the time from now to the deadline lies, of each place by itself.

use serde::Deserialize;

use super::{Ask, Choice, Deferral, DeferralRow};
use crate::policy::parameters::{self, Parameter};

pub(super) const ROW: DeferralRow = DeferralRow {
    name: "percentile",
    summary: "starts as soon as intensity is among the lowest of the time to its deadline",
    source: "Wiesner et al., Middleware 2021",
    parameters: &[Parameter {
        name: "percent",
        unit: "%",
        default: "30",
        meaning: "the part of that time that counts as low, 0 to 100",
    }],
    build: |parameters| {
        let policy: Percentile = parameters::read(parameters)?;
        parameters::require((0.0..=100.0).contains(&policy.percent), "`percent` must be from 0 to 100")?;
        Ok(Box::new(policy))
    },
};

/// See the module.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Percentile {
    percent: f64,
}

impl Default for Percentile {
    fn default() -> Percentile {
        Percentile { percent: 30.0 }
    }
}

impl Percentile {
    /// The intensity up to which that part of the time lies.
    fn limit(&self, ask: &Ask<'_>, place: usize) -> f64 {
        let (mut values, mut instant) = (Vec::new(), ask.now);
        while instant < ask.deadline {
            let until = ask.places[place].next_change(instant).map_or(ask.deadline, |change| change.min(ask.deadline));
            values.push((ask.places[place].at(instant), until.since(instant).0));
            instant = until;
        }
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut left = self.percent / 100.0 * ask.deadline.0.saturating_sub(ask.now.0) as f64;
        let at_limit = values.iter().find(|(_, span)| {
            left -= *span as f64;
            left <= 0.0
        });
        at_limit.or(values.last()).map_or(f64::INFINITY, |(value, _)| *value)
    }
}

impl Deferral for Percentile {
    fn decide(&self, ask: &Ask<'_>) -> Choice {
        ask.first_below(|place| self.limit(ask, place))
    }
}

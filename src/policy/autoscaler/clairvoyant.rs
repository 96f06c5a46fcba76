//! `clairvoyant`: knows what will come, and always has the fewest replicas that suffice; a bound, no policy.
//!
//! A replica serves `requestsPerReplica` requests a second and takes `startupDelay` to start. At each sync there are as many as
//! the largest rate needs until those of the next sync would be ready. Without a share that may fall short
//! (`allowedShortage`) no other sequence of numbers that always serves all requests costs less, as is shown where the sequence is
//! worked out: [`crate::stats::elasticity::bound::cheapest_supply`].
//!
//! Parameters: `requestsPerReplica`, `startupDelay`, `allowedShortage`, `period`.
//!
//! Source: the offline optimum of provisioning without cost of changes, by a maximum over a sliding window.
//! Cost: O(1) for each step of the rate.

use serde::Deserialize;

use super::wish::{REQUESTS_PER_REPLICA, bounds, decision, require_capacity};
use super::{AutoscalerRow, Decision, HorizontalAutoscaler, Observation, Reads, Setting};
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::stats::elasticity::bound::cheapest_supply;
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: AutoscalerRow = AutoscalerRow {
    name: "clairvoyant",
    aliases: &["oracle"],
    summary: "knows what will come, and has the fewest replicas that suffice: a bound",
    source: "the offline optimum, by a maximum over a sliding window",
    parameters: PARAMETERS,
    is_clairvoyant: true,
    build: |parameters, setting| {
        let params: Params = parameters::read(parameters)?;
        params.check()?;
        let path = params.path(setting.foresight);
        Ok(Box::new(Clairvoyant { period: params.period, bounds: bounds(setting), path, at: 0 }))
    },
};

const PARAMETERS: &[Parameter] = &[
    REQUESTS_PER_REPLICA,
    Parameter { name: "startupDelay", unit: "", default: "30s", meaning: "time until a new replica serves" },
    Parameter {
        name: "allowedShortage",
        unit: "",
        default: "0",
        meaning: "share of the requests of any instant that need not be served, 0 to less than 1",
    },
    Parameter { name: "period", unit: "", default: "15s", meaning: "time between syncs, above 0" },
];

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Params {
    requests_per_replica: f64,
    #[serde(deserialize_with = "parameters::duration")]
    startup_delay: SimDuration,
    allowed_shortage: f64,
    #[serde(deserialize_with = "parameters::duration")]
    period: SimDuration,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            requests_per_replica: 10.0,
            startup_delay: SimDuration(30_000_000_000),
            allowed_shortage: 0.0,
            period: SimDuration(15_000_000_000),
        }
    }
}

impl Params {
    fn check(&self) -> Result<(), ParameterError> {
        require_capacity(self.requests_per_replica)?;
        let is_share = (0.0..1.0).contains(&self.allowed_shortage);
        parameters::require(is_share, "`allowedShortage` must be from 0 to less than 1")?;
        parameters::require(self.period > SimDuration::ZERO, "`period` must be above 0")
    }

    /// How many replicas there are to be from which instant on.
    fn path(&self, foresight: &[(SimTime, f64)]) -> Vec<(SimTime, u32)> {
        let served = (1.0 - self.allowed_shortage) / self.requests_per_replica;
        let need = foresight.iter().map(|&(at, rate)| (at, libm::ceil(rate * served - 1e-9) as u32));
        // What is said at a sync holds up to the next one.
        cheapest_supply(&need.collect::<Vec<_>>(), SimDuration(self.startup_delay.0 + self.period.0))
    }
}

/// See the module.
#[derive(Clone, Debug)]
struct Clairvoyant {
    period: SimDuration,
    bounds: Setting<'static>,
    path: Vec<(SimTime, u32)>,
    /// How many steps of the path have begun.
    at: usize,
}

impl HorizontalAutoscaler for Clairvoyant {
    fn sync(&mut self, seen: &Observation<'_>) -> Decision {
        self.at += self.path[self.at..].iter().take_while(|(since, _)| *since <= seen.now).count();
        let needed = self.at.checked_sub(1).map_or(0, |last| self.path[last].1);
        let replicas = self.bounds.clamp(i32::try_from(needed).unwrap_or(i32::MAX));
        decision(seen, replicas, "it is known what comes", None)
    }

    fn sync_period(&self) -> SimDuration {
        self.period
    }

    fn reads(&self) -> Reads {
        Reads::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{asked, built_for, second};
    use super::*;

    fn numbers(parameters: serde_json::Value, foresight: &[(SimTime, f64)], seconds: &[f64]) -> Vec<i32> {
        let setting = Setting { min_replicas: 1, max_replicas: 20, foresight };
        let mut policy = built_for("clairvoyant", parameters, &setting);
        seconds.iter().map(|&at| asked(policy.as_mut(), second(at), 1, 0.0).replicas.expect("a number")).collect()
    }

    #[test]
    fn replicas_are_asked_for_just_before_they_are_needed() {
        // 95 a second from 300 to 400 need 10, which take 30 s: to be asked for at the last sync before 270 at the latest; what
        // is asked for at 255 holds up to 270. At 400 they are not needed any more.
        let foresight = [(second(0.0), 11.0), (second(300.0), 95.0), (second(400.0), 0.0), (second(450.0), 1e6)];
        let at = [0.0, 240.0, 255.0, 270.0, 390.0, 400.0, 405.0];
        assert_eq!(numbers(json!({}), &foresight, &at), [2, 2, 10, 10, 10, 1, 20]);
        // A tenth that may be missing leaves 85.5 and 9.9.
        assert_eq!(numbers(json!({"allowedShortage": 0.1}), &foresight, &at[..4]), [1, 1, 9, 9]);
    }

    #[test]
    fn who_foresees_nothing_has_the_fewest() {
        assert_eq!(numbers(json!({}), &[], &[0.0, 15.0]), [1, 1]);
    }
}

//! `seasonal-naive`: as many replicas as the rate of requests needs that came at this time of past seasons.
//!
//! The rate is averaged over steps; of a step of the season the `quantile` over the last `seasons` seasons is expected. There
//! are as many replicas as the largest rate needs that is expected from now up to `lead` after the next sync, or the present rate
//! if that is higher (unless `reacts` is off). In the first season nothing is expected, and the present rate counts.
//!
//! Parameters: `requestsPerReplica`, `period`, `step`, `season`, `lead`, `reacts`, `scaleInDelay`, `seasons`, `quantile`.
//!
//! Source: the seasonal naive method; see [`crate::stats::forecast::SeasonalNaive`].
//! Cost: O(lead / step x seasons).

use serde::Deserialize;

use super::AutoscalerRow;
use super::predictive::{self, Predictive};
use super::wish::bounds;
use crate::policy::parameters::{self, Parameter};
use crate::stats::forecast::SeasonalNaive;

/// More seasons than that are a mistake.
const SEASONS_MAX: usize = 1000;

pub(super) const ROW: AutoscalerRow = AutoscalerRow {
    name: "seasonal-naive",
    aliases: &[],
    summary: "as many as the rate needs that came at this time of past seasons, a quantile of them",
    source: "Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 5.2, with a quantile over seasons",
    parameters: &predictive::with::<2, 9>([
        Parameter { name: "seasons", unit: "", default: "7", meaning: "seasons that are remembered, 1 to 1000" },
        Parameter { name: "quantile", unit: "", default: "0.95", meaning: "of the past seasons, 0 to 1" },
    ]),
    is_clairvoyant: false,
    build: |parameters, setting| {
        let (common, Params { seasons, quantile }) = predictive::read(parameters)?;
        parameters::require((1..=SEASONS_MAX).contains(&seasons), "`seasons` must be from 1 to 1000")?;
        parameters::require((0.0..=1.0).contains(&quantile), "`quantile` must be from 0 to 1")?;
        let forecast = SeasonalNaive::new(common.season_steps()?, seasons, quantile);
        Ok(Box::new(Predictive::new(common, bounds(setting), forecast)))
    },
};

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Params {
    seasons: usize,
    quantile: f64,
}

impl Default for Params {
    fn default() -> Params {
        Params { seasons: 7, quantile: 0.95 }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{built, driven};

    /// The numbers of a policy that looks every minute and knows seasons of three.
    fn numbers(more: serde_json::Value, rates: &[f64]) -> Vec<i32> {
        let mut all = json!({"step": "1m", "season": "3m", "lead": "0s", "scaleInDelay": "0s", "reacts": false});
        all.as_object_mut().expect("parameters").extend(more.as_object().expect("parameters").clone());
        driven(built("seasonal-naive", all).as_mut(), rates)
    }

    #[test]
    fn a_quantile_of_past_seasons() {
        // Seasons 10 40 20, 30 60 20, 10 10 10. At minute k the steps k and k + 1 are expected, the largest counts.
        // In the first season the present counts: 1, then 4; at minute 3 there are 10 and 40, at 4 40 and 20; at 5 there are 20 and
        // the first step, of which there were 10 and 30; at 6 that and the second, of which there were 40 and 60; ...
        let rates = [10.0, 40.0, 20.0, 30.0, 60.0, 20.0, 10.0, 10.0];
        // Largest of the seasons: 7 expects 60 and 20.
        assert_eq!(numbers(json!({"quantile": 1}), &rates), [1, 4, 4, 4, 3, 6, 6, 3]);
        // Smallest: 6 expects 10 and 40.
        assert_eq!(numbers(json!({"quantile": 0}), &rates), [1, 4, 4, 4, 2, 4, 4, 2]);
        // Only the last season: 5 expects 20 and 30, 8 expects 20 and 10.
        assert_eq!(numbers(json!({"quantile": 0, "seasons": 1}), &rates), [1, 4, 4, 4, 3, 6, 6, 2]);
    }

    #[test]
    fn replicas_start_before_they_are_needed() {
        // With a lead of a minute the third step of the coming season is met two minutes before it begins.
        let rates = [10.0, 10.0, 90.0, 10.0, 10.0, 90.0];
        assert_eq!(numbers(json!({"lead": "0s"}), &rates)[2..5], [1, 9, 9]);
        assert_eq!(numbers(json!({"lead": "60s"}), &rates)[2..5], [9, 9, 9]);
    }
}

//! `holt-winters`: as many replicas as the rate of requests needs that Holt and Winters' additive triple exponential smoothing
//! foretells.
//!
//! The rate is averaged over steps; level, slope and a season of such steps are smoothed. There are as many replicas as the
//! largest rate needs that is expected from now up to `lead` after the next sync, or the present rate if that is higher (unless
//! `reacts` is off). In the first season nothing is foretold, and the present rate counts.
//!
//! Parameters: `requestsPerReplica`, `period`, `step`, `season`, `lead`, `reacts`, `scaleInDelay`, `levelWeight`,
//! `trendWeight`, `seasonWeight`.
//!
//! Source: Winters, Management Science 6:3 (1960); see [`crate::stats::forecast::HoltWinters`].
//! Cost: O(lead / step).

use serde::Deserialize;

use super::AutoscalerRow;
use super::predictive::{self, Predictive};
use super::wish::bounds;
use crate::policy::parameters::{self, Parameter};
use crate::stats::forecast::{HoltWinters, SmoothingWeights};

pub(super) const ROW: AutoscalerRow = AutoscalerRow {
    name: "holt-winters",
    aliases: &["predictive"],
    summary: "as many as a forecast of the rate by triple exponential smoothing needs",
    source: "Winters 1960, additive; Hyndman and Athanasopoulos, Forecasting: Principles and Practice",
    parameters: &predictive::with::<3, 10>([
        Parameter { name: "levelWeight", unit: "", default: "0.3", meaning: "of a new step in the level, 0 to 1" },
        Parameter { name: "trendWeight", unit: "", default: "0.02", meaning: "of a new step in the slope, 0 to 1" },
        Parameter { name: "seasonWeight", unit: "", default: "0.3", meaning: "of a new step in the season, 0 to 1" },
    ]),
    is_clairvoyant: false,
    build: |parameters, setting| {
        let (common, params): (_, Params) = predictive::read(parameters)?;
        let weights =
            SmoothingWeights { level: params.level_weight, trend: params.trend_weight, season: params.season_weight };
        let are_shares = [weights.level, weights.trend, weights.season].iter().all(|one| (0.0..=1.0).contains(one));
        parameters::require(are_shares, "weights must be from 0 to 1")?;
        let forecast = HoltWinters::new(weights, common.season_steps()?);
        Ok(Box::new(Predictive::new(common, bounds(setting), forecast)))
    },
};

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Params {
    level_weight: f64,
    trend_weight: f64,
    season_weight: f64,
}

impl Default for Params {
    fn default() -> Params {
        Params { level_weight: 0.3, trend_weight: 0.02, season_weight: 0.3 }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{built, driven, refused};

    /// Steps of a minute, seasons of four.
    fn parameters(more: serde_json::Value) -> serde_json::Value {
        let mut all = json!({"step": "1m", "season": "4m", "lead": "0s", "scaleInDelay": "0s"});
        all.as_object_mut().expect("parameters").extend(more.as_object().expect("parameters").clone());
        all
    }

    #[test]
    fn a_season_that_repeats_is_met_beforehand() {
        // Rates of a minute: 20 20 100 20. In the first season there are as many as the present rate needs. From minute 4 on it
        // is known what comes: at minute k those of the minute that begins and of the one after, of which the larger counts.
        let rates: Vec<f64> = [20.0, 20.0, 100.0, 20.0].repeat(3);
        let mut policy = built("holt-winters", parameters(json!({"reacts": false})));
        let expected = [2, 2, 10, 2, 10, 10, 2, 2, 10, 10, 2, 2];
        assert_eq!(driven(policy.as_mut(), &rates), expected);
    }

    #[test]
    fn the_present_counts_where_it_is_above() {
        // Known: 20 all the time. Then 150 come: 15 at once, or nothing but what is foretold: level 0.3 x 150 + 0.7 x 20 = 59,
        // slope 0.02 x 39 = 0.78, so 59.78 in a minute and 60.56 in two: 7.
        let rates = [20.0, 20.0, 20.0, 20.0, 150.0];
        let mut policy = built("holt-winters", parameters(json!({})));
        assert_eq!(driven(policy.as_mut(), &rates)[4], 15);
        let mut policy = built("holt-winters", parameters(json!({"reacts": false})));
        assert_eq!(driven(policy.as_mut(), &rates)[4], 7);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (wrong, why) in [
            (json!({"season": "90s"}), "whole number of steps"),
            (json!({"step": "30s"}), "shorter than `period`"),
            (json!({"levelWeight": 1.5}), "from 0 to 1"),
            (json!({"quantile": 0.5}), "quantile"),
        ] {
            assert!(refused("holt-winters", parameters(wrong.clone())).contains(why), "{wrong}");
        }
    }
}

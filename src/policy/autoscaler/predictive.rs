//! What policies share that foretell the rate of requests and start replicas before they are needed.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::wish::{
    REQUESTS_PER_REPLICA, SCALE_IN_DELAY, ScaleInDelay, decision, no_traffic, rate_reading, require_capacity,
};
use super::{Decision, HorizontalAutoscaler, Observation, Reads, Setting};
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::stats::forecast::Forecast;
use crate::units::{SimDuration, SimTime};

/// More steps of a season than that are a mistake.
const SEASON_STEPS_MAX: u64 = 100_000;

/// The parameters of all predictive policies.
const PARAMETERS: [Parameter; 7] = [
    REQUESTS_PER_REPLICA,
    Parameter { name: "period", unit: "", default: "60s", meaning: "time between syncs, above 0 and at most step" },
    Parameter { name: "step", unit: "", default: "10m", meaning: "the rate is averaged over steps of this length" },
    Parameter { name: "season", unit: "", default: "24h", meaning: "what repeats itself; a whole number of steps" },
    Parameter { name: "lead", unit: "", default: "5m", meaning: "replicas are there this long before they are needed" },
    Parameter {
        name: "reacts",
        unit: "",
        default: "true",
        meaning: "whether the present rate counts where it is above what was foretold",
    },
    SCALE_IN_DELAY,
];

/// All of them and those of one policy.
pub(super) const fn with<const OWN: usize, const ALL: usize>(own: [Parameter; OWN]) -> [Parameter; ALL] {
    let mut all = [PARAMETERS[0]; ALL];
    let mut at = 0;
    while at < ALL {
        all[at] = if at < PARAMETERS.len() { PARAMETERS[at] } else { own[at - PARAMETERS.len()] };
        at += 1;
    }
    all
}

/// Their values.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Common {
    requests_per_replica: f64,
    #[serde(deserialize_with = "parameters::duration")]
    period: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    step: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    season: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    lead: SimDuration,
    reacts: bool,
    #[serde(deserialize_with = "parameters::duration")]
    scale_in_delay: SimDuration,
}

impl Default for Common {
    fn default() -> Common {
        const MINUTE: u64 = 60_000_000_000;
        Common {
            requests_per_replica: 10.0,
            period: SimDuration(MINUTE),
            step: SimDuration(10 * MINUTE),
            season: SimDuration(24 * 60 * MINUTE),
            lead: SimDuration(5 * MINUTE),
            reacts: true,
            scale_in_delay: SimDuration(5 * MINUTE),
        }
    }
}

/// Reads the parameters that all share, and those of one policy.
pub(super) fn read<P: DeserializeOwned>(parameters: &Value) -> Result<(Common, P), ParameterError> {
    let given = parameters.as_object().cloned().unwrap_or_default();
    let (common, own): (Map<_, _>, Map<_, _>) =
        given.into_iter().partition(|(name, _)| PARAMETERS.iter().any(|one| one.name == name));
    Ok((parameters::read(&common.into())?, parameters::read(&own.into())?))
}

impl Common {
    /// How many steps a season has.
    pub(super) fn season_steps(&self) -> Result<usize, ParameterError> {
        require_capacity(self.requests_per_replica)?;
        parameters::require(self.period > SimDuration::ZERO, "`period` must be above 0")?;
        parameters::require(self.step >= self.period, "`step` must not be shorter than `period`")?;
        let steps = self.season.0 / self.step.0;
        let is_whole = self.season.0.is_multiple_of(self.step.0) && (1..=SEASON_STEPS_MAX).contains(&steps);
        parameters::require(is_whole, "`season` must be a whole number of steps, of 1 to 100000")?;
        Ok(steps as usize)
    }
}

/// Follows what a forecast says.
#[derive(Clone, Debug)]
pub(super) struct Predictive<F> {
    common: Common,
    bounds: Setting<'static>,
    forecast: F,
    delay: ScaleInDelay,
    /// Which step the present one is, counted from the start of the run.
    step: u64,
    /// Requests and seconds that were seen in it.
    arrivals: f64,
    seen_s: f64,
}

impl<F: Forecast> HorizontalAutoscaler for Predictive<F> {
    fn sync(&mut self, seen: &Observation<'_>) -> Decision {
        let Some(traffic) = seen.traffic else { return no_traffic() };
        let rate = traffic.arrival_rate_per_s();
        self.arrivals += traffic.arrivals;
        self.seen_s += traffic.window.as_seconds();
        self.end_steps(seen.now);
        let foretold = self.foretold(seen.now);
        let reactive = if self.common.reacts || foretold.is_none() { rate } else { 0.0 };
        let expected = foretold.unwrap_or(0.0).max(reactive);
        let wish = self.bounds.clamp_up(expected / self.common.requests_per_replica);
        let replicas = self.delay.settle(seen.now, self.bounds.clamp(seen.replicas.wanted), wish);
        let reason = if expected > reactive { "so many requests are expected" } else { "so many requests come now" };
        decision(seen, replicas, reason, rate_reading(expected, self.common.requests_per_replica))
    }

    fn sync_period(&self) -> SimDuration {
        self.common.period
    }

    fn reads(&self) -> Reads {
        Reads { traffic: true, ..Reads::default() }
    }
}

impl<F: Forecast> Predictive<F> {
    pub(super) fn new(common: Common, bounds: Setting<'static>, forecast: F) -> Predictive<F> {
        let delay = ScaleInDelay::new(common.scale_in_delay);
        Predictive { common, bounds, forecast, delay, step: 0, arrivals: 0.0, seen_s: 0.0 }
    }

    /// Tells the forecast of the steps that have ended; a step counts what was seen at syncs up to its end.
    fn end_steps(&mut self, now: SimTime) {
        let step = now.0 / self.common.step.0;
        if step == self.step || self.seen_s == 0.0 {
            return;
        }
        for _ in self.step..step {
            self.forecast.push(self.arrivals / self.seen_s);
        }
        (self.step, self.arrivals, self.seen_s) = (step, 0.0, 0.0);
    }

    /// The largest rate of the steps from now up to `lead` after the next sync; none: too little is known.
    fn foretold(&self, now: SimTime) -> Option<f64> {
        let last = now.after(self.common.period).after(self.common.lead).0 / self.common.step.0;
        let mut steps = 1..=(last - self.step + 1) as usize;
        steps.try_fold(0.0, |largest: f64, ahead| Some(largest.max(self.forecast.ahead(ahead)?)))
    }
}

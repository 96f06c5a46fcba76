//! `mpc`: model-predictive control: the cheapest plan for the next steps, of which the first is carried out.
//!
//! At every sync the rate of requests is foretold for `horizon` steps by a damped linear trend. Of all sequences of numbers the
//! one is planned with the least sum of: replicas (1 each step), missing replicas (`shortageCost` each step, in proportion), and
//! changes (`changeCost` a replica). What is added is ready after `startupDelay`, up to which it costs but does not serve. All
//! that must be started by now is asked for; then the plan is thrown away.
//!
//! Parameters: `requestsPerReplica`, `startupDelay`, `horizon`, `shortageCost`, `changeCost`, `levelWeight`, `trendWeight`,
//! `damping`, `period`.
//!
//! Source: model-predictive control as in Roy, Dubey, Gokhale, "Efficient Autoscaling in the Cloud Using Predictive Models for
//! Workload Forecasting" (IEEE CLOUD 2011), whose look-ahead has these three costs; the trend is that of
//! [`crate::stats::forecast::Holt`], the plan is found exactly by dynamic programming.
//! Known deviations: a replica that goes and comes back within `startupDelay` of the plan pays its start once more in full.
//! Cost: O(horizon x replicas that could be of use).

use serde::Deserialize;

use super::wish::{REQUESTS_PER_REPLICA, bounds, decision, no_traffic, rate_reading, require_capacity};
use super::{AutoscalerRow, Decision, HorizontalAutoscaler, Observation, Reads, Setting};
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::stats::forecast::{Forecast, Holt};
use crate::units::SimDuration;

#[cfg(test)]
mod tests;

pub(super) const ROW: AutoscalerRow = AutoscalerRow {
    name: "mpc",
    aliases: &["model-predictive"],
    summary: "the first step of the cheapest plan for what a trend foretells",
    source: "Roy, Dubey, Gokhale 2011; Gardner and McKenzie 1985 for the trend",
    parameters: PARAMETERS,
    is_clairvoyant: false,
    build: |parameters, setting| {
        let params: Params = parameters::read(parameters)?;
        params.check()?;
        let forecast = Holt::new(params.level_weight, params.trend_weight, params.damping);
        Ok(Box::new(Mpc { params, bounds: bounds(setting), forecast }))
    },
};

const PARAMETERS: &[Parameter] = &[
    REQUESTS_PER_REPLICA,
    Parameter { name: "startupDelay", unit: "", default: "30s", meaning: "time until a new replica serves" },
    Parameter { name: "horizon", unit: "", default: "20", meaning: "steps of a period that are planned, 1 to 1000" },
    Parameter { name: "shortageCost", unit: "", default: "10", meaning: "of a missing replica, above that of one: 1" },
    Parameter { name: "changeCost", unit: "", default: "4", meaning: "of one replica more or less, not negative" },
    Parameter { name: "levelWeight", unit: "", default: "0.5", meaning: "of a new rate in the level, 0 to 1" },
    Parameter { name: "trendWeight", unit: "", default: "0.2", meaning: "of a new rate in the slope, 0 to 1" },
    Parameter { name: "damping", unit: "", default: "0.9", meaning: "of the slope from step to step, 0 to 1" },
    Parameter { name: "period", unit: "", default: "30s", meaning: "time between syncs, above 0" },
];

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Params {
    requests_per_replica: f64,
    #[serde(deserialize_with = "parameters::duration")]
    startup_delay: SimDuration,
    horizon: usize,
    shortage_cost: f64,
    change_cost: f64,
    level_weight: f64,
    trend_weight: f64,
    damping: f64,
    #[serde(deserialize_with = "parameters::duration")]
    period: SimDuration,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            requests_per_replica: 10.0,
            startup_delay: SimDuration(30_000_000_000),
            horizon: 20,
            shortage_cost: 10.0,
            change_cost: 4.0,
            level_weight: 0.5,
            trend_weight: 0.2,
            damping: 0.9,
            period: SimDuration(30_000_000_000),
        }
    }
}

impl Params {
    fn check(&self) -> Result<(), ParameterError> {
        require_capacity(self.requests_per_replica)?;
        parameters::require((1..=1000).contains(&self.horizon), "`horizon` must be from 1 to 1000")?;
        let is_dear = self.shortage_cost > 1.0 && self.shortage_cost.is_finite();
        parameters::require(is_dear, "`shortageCost` must be above 1, what a replica costs")?;
        let is_cost = self.change_cost >= 0.0 && self.change_cost.is_finite();
        parameters::require(is_cost, "`changeCost` must not be negative")?;
        let shares = [self.level_weight, self.trend_weight, self.damping];
        let are_shares = shares.iter().all(|one| (0.0..=1.0).contains(one));
        parameters::require(are_shares, "`levelWeight`, `trendWeight` and `damping` must be from 0 to 1")?;
        parameters::require(self.period > SimDuration::ZERO, "`period` must be above 0")
    }

    /// Steps until a replica that is started now serves.
    fn startup_steps(&self) -> usize {
        self.startup_delay.0.div_ceil(self.period.0) as usize
    }
}

/// See the module.
#[derive(Clone, Debug)]
struct Mpc {
    params: Params,
    bounds: Setting<'static>,
    forecast: Holt,
}

impl HorizontalAutoscaler for Mpc {
    fn sync(&mut self, seen: &Observation<'_>) -> Decision {
        let Some(traffic) = seen.traffic else { return no_traffic() };
        let rate = traffic.arrival_rate_per_s();
        self.forecast.push(rate);
        let wanted = self.bounds.clamp(seen.replicas.wanted);
        let startup = self.params.startup_steps();
        // The horizon begins when what is started now serves; before that only less is possible.
        let steps = self.params.horizon + startup;
        let need: Vec<f64> = (1..=steps)
            .map(|ahead| self.forecast.ahead(ahead).unwrap_or(rate).max(0.0) / self.params.requests_per_replica)
            .collect();
        let costs = Costs { shortage: self.params.shortage_cost, change: self.params.change_cost, startup };
        let plan = costs.plan(&need, wanted, self.bounds);
        let replicas = plan.iter().take(startup + 1).copied().max().unwrap_or(wanted);
        let target = f64::from(replicas) * self.params.requests_per_replica;
        decision(seen, replicas, "the cheapest plan begins so", rate_reading(rate, target))
    }

    fn sync_period(&self) -> SimDuration {
        self.params.period
    }

    fn reads(&self) -> Reads {
        Reads { traffic: true, ..Reads::default() }
    }
}

/// What a plan is judged by, in costs of one replica for one step.
#[derive(Clone, Copy, Debug)]
struct Costs {
    shortage: f64,
    change: f64,
    /// Steps for which a replica costs before it serves.
    startup: usize,
}

impl Costs {
    /// The cheapest numbers that serve in each step, of which `wanted` may serve in the first ones and more later.
    fn plan(&self, need: &[f64], wanted: i32, bounds: Setting<'_>) -> Vec<i32> {
        // More than the largest need is of no use, less than the smallest bound is not allowed.
        let largest = need.iter().fold(0.0, |one: f64, &other| one.max(other));
        let most = bounds.clamp_up(largest).max(wanted);
        let numbers: Vec<i32> = (bounds.min_replicas..=most).collect();
        let rest = self.costs_to_go(need, wanted, &numbers);
        let (mut now, mut plan) = (wanted, Vec::with_capacity(need.len()));
        for (step, rest) in rest.iter().enumerate() {
            now = self.next(now, step, wanted, &numbers, rest);
            plan.push(now);
        }
        plan
    }

    /// What the steps from each on cost at least, by the number that serves in it.
    fn costs_to_go(&self, need: &[f64], wanted: i32, numbers: &[i32]) -> Vec<Vec<f64>> {
        let mut all = vec![Vec::new(); need.len()];
        let mut after = vec![0.0; numbers.len()];
        for step in (0..need.len()).rev() {
            let mut here = after;
            for (cost, &number) in here.iter_mut().zip(numbers) {
                *cost += f64::from(number) + self.shortage * (need[step] - f64::from(number)).max(0.0);
            }
            after = self.cheapest_change(&here, step, wanted, numbers);
            all[step] = here;
        }
        all
    }

    /// What it costs to go from each number to the best one, and on: the lower envelope of lines, in two passes.
    fn cheapest_change(&self, costs: &[f64], step: usize, wanted: i32, numbers: &[i32]) -> Vec<f64> {
        let mut best = costs.to_vec();
        for at in 1..best.len() {
            best[at] = best[at].min(best[at - 1] + self.change);
        }
        for at in (0..best.len() - 1).rev() {
            if let Some(up) = self.up(numbers[at + 1], step, wanted) {
                best[at] = best[at].min(best[at + 1] + up);
            }
        }
        best
    }

    /// What one replica more costs, when it is the `number`th; none: it cannot serve in that step.
    fn up(&self, number: i32, step: usize, wanted: i32) -> Option<f64> {
        if step >= self.startup {
            Some(self.change + self.startup as f64)
        } else if number <= wanted {
            // It is there or starting already, and only the plan had done without.
            Some(self.change)
        } else {
            None
        }
    }

    /// The best number for a step after `now`; of equally good ones the nearest.
    fn next(&self, now: i32, step: usize, wanted: i32, numbers: &[i32], rest: &[f64]) -> i32 {
        let first = numbers[0];
        let start = (now - first) as usize;
        let (mut best, mut best_cost) = (start, rest[start]);
        for at in (0..start).rev() {
            let cost = rest[at] + self.change * (start - at) as f64;
            (best, best_cost) = if cost < best_cost { (at, cost) } else { (best, best_cost) };
        }
        let mut climb = 0.0;
        for at in start + 1..numbers.len() {
            let Some(up) = self.up(numbers[at], step, wanted) else { break };
            climb += up;
            let cost = rest[at] + climb;
            (best, best_cost) = if cost < best_cost { (at, cost) } else { (best, best_cost) };
        }
        numbers[best]
    }
}

//! `target-tracking`: as many replicas as bring a metric back to its target, when alarms have seen it above for some
//! minutes, or below nine tenths of it for more.
//!
//! Every `period` there is a data point. After `highPoints` points in a row above the target there are `current x value /
//! target` replicas, rounded up; after `lowPoints` points in a row below 0.9 of the target likewise, but never fewer than one
//! unless there may be none. An alarm that lasts acts again at every point. For `scaleOutCooldown` after a scale-out only a
//! larger one counts, worked out from the number before it. For `scaleInCooldown` after a scale-in there is no other; a
//! scale-out ends that. A point that is missing begins both counts anew. With a `warmup`, as EC2 has it, pods are left out of
//! usage until they have been ready for so long, and there is no scale-in so long after a scale-out.
//!
//! Parameters: `metric`, `target`, `period`, `highPoints`, `lowPoints`, `scaleOutCooldown`, `scaleInCooldown`, `warmup`,
//! `disableScaleIn`.
//!
//! Source: target tracking of AWS Application Auto Scaling (cooldowns; default) and of EC2 Auto Scaling (warm-up) as their
//! user guides tell it, with the alarms that they make: 3 of 3 and 15 of 15 points of a minute. How many replicas they ask
//! for is not published beyond "in proportion" and rounding that neither adds too little nor removes too much.
//! Cost: O(pods).

use serde::Deserialize;

use super::alarms::{Alarm, Alarms, into_bounds};
use super::metric::{METRIC_MEANING, Metric};
use super::wish::{bounds, decision};
use super::{AutoscalerRow, Decision, HorizontalAutoscaler, Observation, Reading, Reads, Setting};
use crate::policy::parameters::{self, Parameter};
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: AutoscalerRow = AutoscalerRow {
    name: "target-tracking",
    aliases: &["aws-target-tracking"],
    summary: "in proportion to a metric and its target, behind alarms of some minutes and cooldowns",
    source: "AWS Application Auto Scaling, target tracking",
    parameters: PARAMETERS,
    is_clairvoyant: false,
    build: |parameters, setting| {
        let params: Params = parameters::read(parameters)?;
        parameters::require(params.target > 0.0 && params.target.is_finite(), "`target` must be above 0")?;
        parameters::require(params.period > SimDuration::ZERO, "`period` must be above 0")?;
        parameters::require(params.high_points > 0 && params.low_points > 0, "there must be at least one data point")?;
        let alarms = Alarms::new(params.high_points, params.low_points);
        Ok(Box::new(TargetTracking { params, bounds: bounds(setting), alarms }))
    },
};

const PARAMETERS: &[Parameter] = &[
    Parameter { name: "metric", unit: "", default: "cpu", meaning: METRIC_MEANING },
    Parameter { name: "target", unit: "", default: "70", meaning: "what the metric should be, above 0" },
    Parameter { name: "period", unit: "", default: "60s", meaning: "time between data points, above 0" },
    Parameter { name: "highPoints", unit: "", default: "3", meaning: "points above the target that raise the alarm" },
    Parameter { name: "lowPoints", unit: "", default: "15", meaning: "points below 0.9 of it that raise the other" },
    Parameter { name: "scaleOutCooldown", unit: "", default: "300s", meaning: "time after a scale-out" },
    Parameter { name: "scaleInCooldown", unit: "", default: "300s", meaning: "time after a scale-in" },
    Parameter { name: "warmup", unit: "", default: "0s", meaning: "time until a new replica counts as any other" },
    Parameter { name: "disableScaleIn", unit: "", default: "false", meaning: "whether it only scales out" },
];

/// Share of the target below which the second alarm counts.
const LOW_SHARE: f64 = 0.9;

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Params {
    metric: Metric,
    target: f64,
    #[serde(deserialize_with = "parameters::duration")]
    period: SimDuration,
    high_points: u32,
    low_points: u32,
    #[serde(deserialize_with = "parameters::duration")]
    scale_out_cooldown: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    scale_in_cooldown: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    warmup: SimDuration,
    disable_scale_in: bool,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            metric: Metric::Cpu,
            target: 70.0,
            period: SimDuration(60_000_000_000),
            high_points: 3,
            low_points: 15,
            scale_out_cooldown: SimDuration(300_000_000_000),
            scale_in_cooldown: SimDuration(300_000_000_000),
            warmup: SimDuration::ZERO,
            disable_scale_in: false,
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
struct TargetTracking {
    params: Params,
    bounds: Setting<'static>,
    alarms: Alarms,
}

impl HorizontalAutoscaler for TargetTracking {
    fn sync(&mut self, seen: &Observation<'_>) -> Decision {
        if let Some(decision) = into_bounds(&self.bounds, seen) {
            return decision;
        }
        let Params { metric, target, warmup, .. } = self.params;
        let Some(value) = metric.value(seen, warmup) else { return self.alarms.miss() };
        let reading = Reading { name: metric.name().to_owned(), current: value, target };
        let alarm = self.alarms.note(value > target, value < LOW_SHARE * target);
        let (replicas, reason) = self.judge(alarm, value, seen.replicas.wanted, seen.now);
        decision(seen, replicas, reason, Some(reading))
    }

    fn sync_period(&self) -> SimDuration {
        self.params.period
    }

    fn reads(&self) -> Reads {
        self.params.metric.reads()
    }
}

impl TargetTracking {
    /// How many replicas there should be, and why.
    fn judge(&mut self, alarm: Alarm, value: f64, wanted: i32, now: SimTime) -> (i32, &'static str) {
        match alarm {
            Alarm::High => return (self.scaled_out(value, wanted, now), "the metric was above its target"),
            Alarm::Low if !self.params.disable_scale_in && self.alarms.may_scale_in(now) => {}
            Alarm::Low | Alarm::None => return (wanted, ""),
        }
        let fewest = if self.bounds.min_replicas == 0 && value == 0.0 { 0 } else { 1 };
        let wish = self.bounds.clamp_up(f64::from(wanted) * value / self.params.target);
        let replicas = wish.max(fewest).min(wanted);
        if replicas < wanted {
            self.alarms.scaled_in(now, self.params.scale_in_cooldown);
        }
        (replicas, "the metric was below nine tenths of its target")
    }

    /// As many as the alarm asks for; in a cooldown, if those are more than what was added already.
    fn scaled_out(&mut self, value: f64, wanted: i32, now: SimTime) -> i32 {
        let base = self.alarms.base(now, wanted);
        // From none a single one is the way up.
        let replicas = self.bounds.clamp_up(f64::from(base.max(1)) * value / self.params.target);
        if replicas <= wanted {
            return wanted;
        }
        self.alarms.scaled_out(base, now, self.params.scale_out_cooldown, self.params.warmup);
        replicas
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{asked, built, built_for, second};
    use super::*;

    /// Drives it with `requests a second` at each minute; the number of replicas after each. Replicas are there at once.
    fn driven(parameters: serde_json::Value, rates: &[f64]) -> Vec<i32> {
        super::super::testing::driven(built("target-tracking", parameters).as_mut(), rates)
    }

    #[test]
    fn alarms_need_their_points_and_cooldowns_their_time() {
        let parameters = |low| serde_json::json!({"metric": "requests", "target": 10, "lowPoints": low});
        // 2 replicas: 50 / 2 = 25 a replica is above 10 at minutes 1, 2, 3: ceil(2 x 2.5) = 5. Then 10 each: no alarm.
        assert_eq!(driven(parameters(15), &[50.0; 5]), [2, 2, 5, 5, 5]);
        // 90 at minute 4: 90 / 5 = 18 each for the 4th time in a row: in the cooldown, from the 2 before: ceil(2 x 1.8) = 4
        // is no larger scale-out. 150 at minute 5: 30 each: ceil(2 x 3) = 6 is one.
        assert_eq!(driven(parameters(15), &[50.0, 50.0, 50.0, 90.0, 150.0]), [2, 2, 5, 5, 6]);
        // 4 / 2 = 2 a replica is below 9 twice: ceil(2 x 0.2) = 1.
        assert_eq!(driven(parameters(2), &[4.0; 3]), [2, 1, 1]);
    }

    #[test]
    fn scaling_in_waits_for_warm_up_and_cooldown() {
        let all = |more: serde_json::Value| {
            let mut all = serde_json::json!({"metric": "requests", "target": 10, "highPoints": 1, "lowPoints": 1,
                "scaleOutCooldown": "0s", "scaleInCooldown": "0s"});
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            all
        };
        // ceil(2 x 2.5) = 5 at minute 1; 4 / 5 = 0.8 is below 9, but only at minute 4 has it warmed up: ceil(5 x 0.08) = 1.
        let rates = [50.0, 4.0, 4.0, 4.0];
        assert_eq!(driven(all(serde_json::json!({"warmup": "3m"})), &rates), [5, 5, 5, 1]);
        assert_eq!(driven(all(serde_json::json!({"disableScaleIn": true})), &rates), [5, 5, 5, 5]);
        // From 2 up to 8 at minute 1; ceil(8 x 0.5) = 4 at minute 2; then nothing up to minute 4: 20 / 4 = 5, ceil(4 x 0.5) = 2.
        let rates = [80.0, 40.0, 20.0, 20.0];
        assert_eq!(driven(all(serde_json::json!({"scaleInCooldown": "2m"})), &rates), [8, 4, 4, 2]);
    }

    #[test]
    fn to_none_and_from_none() {
        let setting = Setting { min_replicas: 0, max_replicas: 20, foresight: &[] };
        let parameters = serde_json::json!({"metric": "requests", "target": 10, "highPoints": 1, "lowPoints": 1});
        let mut policy = built_for("target-tracking", parameters, &setting);
        // 25 a second for none are as for one: ceil(1 x 2.5).
        let minute = |at: f64| second(60.0 * at);
        assert_eq!(asked(policy.as_mut(), minute(1.0), 0, 25.0).replicas, Some(3));
        // A little asks for one, nothing for none, once the cooldown of a scale-in has passed.
        assert_eq!(asked(policy.as_mut(), minute(2.0), 3, 0.1).replicas, Some(1));
        assert_eq!(asked(policy.as_mut(), minute(3.0), 1, 0.0).replicas, Some(1));
        assert_eq!(asked(policy.as_mut(), minute(7.0), 1, 0.0).replicas, Some(0));
    }
}

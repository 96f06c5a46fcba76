//! `step-scaling`: a number of replicas more or less, the more the further a metric is beyond the threshold of an alarm.
//!
//! Every `period` there is a data point. After `highPoints` points in a row at or above `highThreshold` the step of
//! `scaleOutSteps` applies that the last point lies in; after `lowPoints` points in a row at or below `lowThreshold` that of
//! `scaleInSteps`. A step goes from `lower` to `upper`, both relative to the threshold and open if not given; its lower end
//! belongs to it when scaling out, its upper end when scaling in. Its `adjustment` is a number of replicas
//! (`changeInCapacity`), per cent of them (`percentChangeInCapacity`), or the number there shall be (`exactCapacity`). Per
//! cent are rounded towards 0, but to 1 or -1 at least unless they are 0, and change `minAdjustmentMagnitude` replicas at
//! least. For `cooldown` after a scale-out, replicas that it added count towards what the next one adds; for `cooldown` after a
//! scale-in there is no other, and a scale-out ends that. `warmup`, as EC2 has it instead of a cooldown, does the same to
//! scale-outs, leaves pods out of usage until they have been ready for so long, and lets no scale-in happen meanwhile. An
//! alarm that lasts acts again at every point; a point that is missing begins both counts anew.
//!
//! Parameters: `metric`, `period`, `highThreshold`, `highPoints`, `lowThreshold`, `lowPoints`, `adjustmentType`,
//! `scaleOutSteps`, `scaleInSteps`, `minAdjustmentMagnitude`, `cooldown`, `warmup`.
//!
//! Source: step scaling of AWS Application Auto Scaling and of EC2 Auto Scaling as their user guides tell it; steps and
//! thresholds by default are those of the guide's example, alarms those of target tracking.
//! Known deviations: the value that chooses the step is the last data point, not an aggregate of several.
//! Cost: O(pods + steps).

use serde::Deserialize;

use super::alarms::{Alarm, Alarms, into_bounds};
use super::metric::{METRIC_MEANING, Metric};
use super::wish::{bounds, decision};
use super::{AutoscalerRow, Decision, HorizontalAutoscaler, Observation, Reading, Reads, Setting};
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::units::{SimDuration, SimTime};

#[cfg(test)]
mod tests;

pub(super) const ROW: AutoscalerRow = AutoscalerRow {
    name: "step-scaling",
    aliases: &["aws-step-scaling"],
    summary: "steps up and down by how far a metric is beyond the threshold of an alarm, with cooldowns or warm-up",
    source: "AWS Application Auto Scaling and EC2 Auto Scaling, step scaling",
    parameters: PARAMETERS,
    is_clairvoyant: false,
    build: |parameters, setting| {
        let params: Params = parameters::read(parameters)?;
        params.check()?;
        let alarms = Alarms::new(params.high_points, params.low_points);
        Ok(Box::new(StepScaling { params, bounds: bounds(setting), alarms }))
    },
};

const PARAMETERS: &[Parameter] = &[
    Parameter { name: "metric", unit: "", default: "cpu", meaning: METRIC_MEANING },
    Parameter { name: "period", unit: "", default: "60s", meaning: "time between data points, above 0" },
    Parameter { name: "highThreshold", unit: "", default: "50", meaning: "where scaling out begins, not negative" },
    Parameter { name: "highPoints", unit: "", default: "3", meaning: "points there in a row that raise the alarm" },
    Parameter { name: "lowThreshold", unit: "", default: "50", meaning: "where scaling in begins, not negative" },
    Parameter { name: "lowPoints", unit: "", default: "15", meaning: "points there in a row that raise the alarm" },
    Parameter {
        name: "adjustmentType",
        unit: "",
        default: "percentChangeInCapacity",
        meaning: "what adjustments are: changeInCapacity, percentChangeInCapacity or exactCapacity",
    },
    Parameter {
        name: "scaleOutSteps",
        unit: "",
        default: r#"[{"lower":0,"upper":10,"adjustment":0},{"lower":10,"upper":20,"adjustment":10},{"lower":20,"adjustment":30}]"#,
        meaning: "steps above highThreshold, without gaps or overlap, from 0 up",
    },
    Parameter {
        name: "scaleInSteps",
        unit: "",
        default: r#"[{"lower":-10,"upper":0,"adjustment":0},{"lower":-20,"upper":-10,"adjustment":-10},{"upper":-20,"adjustment":-30}]"#,
        meaning: "steps below lowThreshold, without gaps or overlap, from 0 down",
    },
    Parameter {
        name: "minAdjustmentMagnitude",
        unit: "",
        default: "1",
        meaning: "replicas by which a step of some per cent changes the number at least",
    },
    Parameter { name: "cooldown", unit: "", default: "300s", meaning: "time after scaling out or in" },
    Parameter { name: "warmup", unit: "", default: "0s", meaning: "time until a new replica counts as any other" },
];

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum AdjustmentType {
    #[serde(rename = "changeInCapacity")]
    Change,
    #[serde(rename = "percentChangeInCapacity")]
    PercentChange,
    #[serde(rename = "exactCapacity")]
    Exact,
}

/// How to adjust within which distance from the threshold.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(default)]
    lower: Option<f64>,
    #[serde(default)]
    upper: Option<f64>,
    adjustment: i32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Params {
    metric: Metric,
    #[serde(deserialize_with = "parameters::duration")]
    period: SimDuration,
    high_threshold: f64,
    high_points: u32,
    low_threshold: f64,
    low_points: u32,
    adjustment_type: AdjustmentType,
    scale_out_steps: Vec<Step>,
    scale_in_steps: Vec<Step>,
    min_adjustment_magnitude: u32,
    #[serde(deserialize_with = "parameters::duration")]
    cooldown: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    warmup: SimDuration,
}

impl Default for Params {
    fn default() -> Params {
        let step = |lower, upper, adjustment| Step { lower, upper, adjustment };
        Params {
            metric: Metric::Cpu,
            period: SimDuration(60_000_000_000),
            high_threshold: 50.0,
            high_points: 3,
            low_threshold: 50.0,
            low_points: 15,
            adjustment_type: AdjustmentType::PercentChange,
            scale_out_steps: vec![
                step(Some(0.0), Some(10.0), 0),
                step(Some(10.0), Some(20.0), 10),
                step(Some(20.0), None, 30),
            ],
            scale_in_steps: vec![
                step(Some(-10.0), Some(0.0), 0),
                step(Some(-20.0), Some(-10.0), -10),
                step(None, Some(-20.0), -30),
            ],
            min_adjustment_magnitude: 1,
            cooldown: SimDuration(300_000_000_000),
            warmup: SimDuration::ZERO,
        }
    }
}

impl Params {
    fn check(&self) -> Result<(), ParameterError> {
        parameters::require(self.period > SimDuration::ZERO, "`period` must be above 0")?;
        for threshold in [self.high_threshold, self.low_threshold] {
            let is_right = threshold.is_finite() && threshold >= 0.0;
            parameters::require(is_right, "`highThreshold` and `lowThreshold` must not be negative")?;
        }
        parameters::require(self.high_points > 0 && self.low_points > 0, "there must be at least one data point")?;
        parameters::require(self.min_adjustment_magnitude > 0, "`minAdjustmentMagnitude` must be above 0")?;
        let is_exact = self.adjustment_type == AdjustmentType::Exact;
        check_steps("scaleOutSteps", &self.scale_out_steps, (Some(0.0), None), is_exact, 1)?;
        check_steps("scaleInSteps", &self.scale_in_steps, (None, Some(0.0)), is_exact, -1)
    }
}

/// Makes sure that steps cover a range once, and adjust in one direction.
fn check_steps(
    name: &str,
    steps: &[Step],
    (lower, upper): (Option<f64>, Option<f64>),
    is_exact: bool,
    sign: i32,
) -> Result<(), ParameterError> {
    let mut sorted = steps.to_vec();
    let bound = |step: &Step| step.lower.unwrap_or(f64::NEG_INFINITY);
    sorted.sort_by(|one, other| bound(one).total_cmp(&bound(other)));
    let reaches = |step: &Step| step.upper.is_none_or(|upper| bound(step) < upper);
    let is_joined = sorted.windows(2).all(|pair| pair[0].upper.is_some() && pair[0].upper == pair[1].lower);
    let has_ends =
        sorted.first().is_some_and(|step| step.lower == lower) && sorted.last().is_some_and(|step| step.upper == upper);
    let why = format!("`{name}` must cover all from the threshold on without gaps or overlap");
    parameters::require(is_joined && has_ends && sorted.iter().all(reaches), &why)?;
    let is_right = |step: &Step| if is_exact { step.adjustment >= 0 } else { step.adjustment.signum() != -sign };
    parameters::require(steps.iter().all(is_right), &format!("`{name}` has an adjustment in the wrong direction"))
}

/// See the module.
#[derive(Clone, Debug)]
struct StepScaling {
    params: Params,
    bounds: Setting<'static>,
    alarms: Alarms,
}

impl HorizontalAutoscaler for StepScaling {
    fn sync(&mut self, seen: &Observation<'_>) -> Decision {
        if let Some(decision) = into_bounds(&self.bounds, seen) {
            return decision;
        }
        let Params { metric, warmup, high_threshold, low_threshold, .. } = self.params;
        let Some(value) = metric.value(seen, warmup) else { return self.alarms.miss() };
        let wanted = seen.replicas.wanted;
        let (replicas, target, reason) = match self.alarms.note(value >= high_threshold, value <= low_threshold) {
            Alarm::High => {
                (self.scaled_out(value, wanted, seen.now), high_threshold, "the metric reached the upper threshold")
            }
            Alarm::Low => {
                (self.scaled_in(value, wanted, seen.now), low_threshold, "the metric reached the lower threshold")
            }
            Alarm::None => (wanted, high_threshold, ""),
        };
        let reading = Reading { name: metric.name().to_owned(), current: value, target };
        decision(seen, replicas, reason, Some(reading))
    }

    fn sync_period(&self) -> SimDuration {
        self.params.period
    }

    fn reads(&self) -> Reads {
        self.params.metric.reads()
    }
}

impl StepScaling {
    fn scaled_out(&mut self, value: f64, wanted: i32, now: SimTime) -> i32 {
        let breach = value - self.params.high_threshold;
        let has = |step: &&Step| {
            step.lower.is_none_or(|lower| breach >= lower) && step.upper.is_none_or(|upper| breach < upper)
        };
        let Some(step) = self.params.scale_out_steps.iter().find(has) else { return wanted };
        let base = self.alarms.base(now, wanted);
        let replicas = self.bounds.clamp(self.params.adjusted(base, step.adjustment));
        if replicas <= wanted {
            return wanted;
        }
        let settles = self.params.cooldown.max(self.params.warmup);
        self.alarms.scaled_out(base, now, settles, self.params.warmup);
        replicas
    }

    fn scaled_in(&mut self, value: f64, wanted: i32, now: SimTime) -> i32 {
        let breach = value - self.params.low_threshold;
        let has = |step: &&Step| {
            step.lower.is_none_or(|lower| breach > lower) && step.upper.is_none_or(|upper| breach <= upper)
        };
        let Some(step) = self.params.scale_in_steps.iter().find(has) else { return wanted };
        let replicas = self.bounds.clamp(self.params.adjusted(wanted, step.adjustment));
        if replicas >= wanted || !self.alarms.may_scale_in(now) {
            return wanted;
        }
        self.alarms.scaled_in(now, self.params.cooldown);
        replicas
    }
}

impl Params {
    /// So many replicas after an adjustment.
    fn adjusted(&self, replicas: i32, adjustment: i32) -> i32 {
        match self.adjustment_type {
            AdjustmentType::Exact => adjustment,
            AdjustmentType::Change => replicas.saturating_add(adjustment),
            AdjustmentType::PercentChange => {
                // Rust divides towards 0, as is asked for.
                let change = i64::from(replicas) * i64::from(adjustment) / 100;
                let least = i64::from(self.min_adjustment_magnitude) * i64::from(adjustment.signum());
                let change = if change.abs() < least.abs() { least } else { change };
                (i64::from(replicas) + change).clamp(0, i64::from(i32::MAX)) as i32
            }
        }
    }
}

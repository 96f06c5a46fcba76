//! `pid`: a proportional-integral-derivative controller of the number of replicas, with anti-windup.
//!
//! The error is how many replicas are missing: those that the metric asks for in proportion (`ready x value / target`) less
//! those that are wanted. The number is `kp x error + integral + kd x slope of the error`, rounded up. The integral begins at
//! the present number and grows by `ki x error` a second; what the bounds cut off the number is taken back from it over
//! `trackingTime` (back-calculation), so that it does not wind up while the number is at a bound. The slope is smoothed over
//! `derivativeFilter`. There is no error while the number is the one asked for, rounded up, and none downwards while replicas
//! are starting, so that it comes to rest.
//!
//! Parameters: `metric`, `target`, `kp`, `ki`, `kd`, `trackingTime`, `derivativeFilter`, `period`.
//!
//! Source: Åström and Hägglund, Advanced PID Control (2006), 3.5 (anti-windup by back-calculation); as an autoscaler Lim, Babu,
//! Chase, Parekh, "Automated Control in Cloud Computing" (ACDC 2009), whose controller is the integral part alone.
//! Cost: O(pods).

use serde::Deserialize;

use super::metric::{METRIC_MEANING, Metric};
use super::wish::{bounds, decision};
use super::{AutoscalerRow, Decision, HorizontalAutoscaler, Observation, Reading, Reads, Setting};
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: AutoscalerRow = AutoscalerRow {
    name: "pid",
    aliases: &[],
    summary: "a PID controller of the number of missing replicas, with anti-windup",
    source: "Astrom and Hagglund 2006; Lim et al. 2009",
    parameters: PARAMETERS,
    is_clairvoyant: false,
    build: |parameters, setting| {
        let params: Params = parameters::read(parameters)?;
        params.check()?;
        Ok(Box::new(Pid { params, bounds: bounds(setting), state: None }))
    },
};

const PARAMETERS: &[Parameter] = &[
    Parameter { name: "metric", unit: "", default: "cpu", meaning: METRIC_MEANING },
    Parameter { name: "target", unit: "", default: "70", meaning: "what the metric should be, above 0" },
    Parameter { name: "kp", unit: "", default: "0.1", meaning: "replicas for each that is missing, not negative" },
    Parameter { name: "ki", unit: "1/s", default: "0.03", meaning: "the same a second, not negative" },
    Parameter { name: "kd", unit: "s", default: "0", meaning: "the same for each more a second, not negative" },
    Parameter {
        name: "trackingTime",
        unit: "",
        default: "60s",
        meaning: "in which the integral follows a number that was cut, above 0",
    },
    Parameter { name: "derivativeFilter", unit: "", default: "30s", meaning: "over which the slope is smoothed" },
    Parameter { name: "period", unit: "", default: "15s", meaning: "time between syncs, above 0" },
];

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Params {
    metric: Metric,
    target: f64,
    kp: f64,
    ki: f64,
    kd: f64,
    #[serde(deserialize_with = "parameters::duration")]
    tracking_time: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    derivative_filter: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    period: SimDuration,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            metric: Metric::Cpu,
            target: 70.0,
            kp: 0.1,
            ki: 0.03,
            kd: 0.0,
            tracking_time: SimDuration(60_000_000_000),
            derivative_filter: SimDuration(30_000_000_000),
            period: SimDuration(15_000_000_000),
        }
    }
}

impl Params {
    fn check(&self) -> Result<(), ParameterError> {
        parameters::require(self.target > 0.0 && self.target.is_finite(), "`target` must be above 0")?;
        let are_gains = [self.kp, self.ki, self.kd].iter().all(|gain| gain.is_finite() && *gain >= 0.0);
        parameters::require(are_gains, "`kp`, `ki` and `kd` must not be negative")?;
        parameters::require(self.tracking_time > SimDuration::ZERO, "`trackingTime` must be above 0")?;
        parameters::require(self.period > SimDuration::ZERO, "`period` must be above 0")
    }
}

/// See the module.
#[derive(Clone, Debug)]
struct Pid {
    params: Params,
    bounds: Setting<'static>,
    state: Option<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    at: SimTime,
    integral: f64,
    error: f64,
    slope: f64,
}

impl Pid {
    /// Missing replicas; too many are below 0.
    fn error(&self, seen: &Observation<'_>, value: f64) -> f64 {
        let wanted = f64::from(seen.replicas.wanted);
        // With nobody ready the metric is that of one who is.
        let asked = f64::from(seen.replicas.ready.max(1)) * value / self.params.target;
        let error = asked - wanted;
        let is_starting = seen.replicas.ready < seen.replicas.wanted;
        let is_met = libm::ceil(asked - 1e-9) == wanted;
        if is_met || (is_starting && error < 0.0) { 0.0 } else { error }
    }

    /// The number before it is rounded and bounded.
    fn control(&mut self, now: SimTime, wanted: i32, error: f64) -> f64 {
        let before = self.state.unwrap_or(State { at: now, integral: f64::from(wanted), error, slope: 0.0 });
        let Params { kp, ki, kd, .. } = self.params;
        let passed = now.since(before.at).as_seconds();
        // The first look counts for a period, as every other does.
        let span_s = if passed > 0.0 { passed } else { self.params.period.as_seconds() };
        let filter_s = self.params.derivative_filter.as_seconds();
        let share = span_s / (filter_s + span_s);
        let slope = before.slope + share * ((error - before.error) / span_s - before.slope);
        let mut integral = before.integral + ki * error * span_s;
        let number = kp * error + integral + kd * slope;
        let held = number.clamp(f64::from(self.bounds.min_replicas), f64::from(self.bounds.max_replicas));
        integral += (held - number) * (span_s / self.params.tracking_time.as_seconds()).min(1.0);
        self.state = Some(State { at: now, integral, error, slope });
        number
    }
}

impl HorizontalAutoscaler for Pid {
    fn sync(&mut self, seen: &Observation<'_>) -> Decision {
        let Some(value) = self.params.metric.value(seen, SimDuration::ZERO) else {
            // What was remembered is of another time when the metric comes back.
            self.state = None;
            return Decision::unknown("InsufficientData", "the metric is not known");
        };
        let error = self.error(seen, value);
        let number = self.control(seen.now, seen.replicas.wanted, error);
        let reading =
            Reading { name: self.params.metric.name().to_owned(), current: value, target: self.params.target };
        decision(seen, self.bounds.clamp_up(number), "the controller's number", Some(reading))
    }

    fn sync_period(&self) -> SimDuration {
        self.params.period
    }

    fn reads(&self) -> Reads {
        self.params.metric.reads()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::ReplicaCounts;
    use super::super::testing::{ask, built, driven, traffic};
    use super::*;

    fn pid(more: serde_json::Value) -> Box<dyn HorizontalAutoscaler> {
        let mut all = json!({"metric": "requests", "target": 10, "period": "10s", "kp": 0, "ki": 0});
        all.as_object_mut().expect("parameters").extend(more.as_object().expect("parameters").clone());
        built("pid", all)
    }

    #[test]
    fn the_integral_alone() {
        // 100 a second at 10 each ask for 10. ki x 10 s = 0.5, from 2: error 8, 2 + 4 = 6; error 4, 8; error 2, 9; error 1,
        // 9.5, so 10; then there is none.
        assert_eq!(driven(pid(json!({"ki": 0.05})).as_mut(), &[100.0; 6]), [6, 8, 9, 10, 10, 10]);
        // 95 ask for 9.5, which 10 are rounded up: 2 + 3.75 = 5.75; with 6: 5.75 + 1.75 = 7.5; with 8: 7.5 + 0.75 = 8.25; with 9
        // a half is missing, which adds 0.25 each time: 8.5, 8.75, 9 and 9.25; with 10 nothing is.
        assert_eq!(driven(pid(json!({"ki": 0.05})).as_mut(), &[95.0; 9]), [6, 8, 9, 9, 9, 9, 10, 10, 10]);
    }

    #[test]
    fn proportion_and_slope() {
        // From 2 with 8 missing: 2 + 0.5 x 8 = 6; then 4 are missing: 2 + 2 = 4; 6: 5; 5: 4.5, so 5.
        assert_eq!(driven(pid(json!({"kp": 0.5})).as_mut(), &[100.0; 4]), [6, 4, 5, 5]);
        // The slope, without a filter: nothing at first; when 200 come after 20, 18 more in 10 s are 1.8 a second: 2 + 3.6.
        let parameters = json!({"kd": 2, "derivativeFilter": "0s"});
        assert_eq!(driven(pid(parameters).as_mut(), &[20.0, 200.0]), [2, 6]);
        // Smoothed over 10 s half of it counts: 2 + 1.8.
        let parameters = json!({"kd": 2, "derivativeFilter": "10s"});
        assert_eq!(driven(pid(parameters).as_mut(), &[20.0, 200.0]), [2, 4]);
    }

    #[test]
    fn the_integral_does_not_wind_up() {
        // A minute of 1000 asks for 100, of which there may be 20; then 100 ask for 10. With back-calculation within a period the
        // integral is 20 at the end of it, and 20 - 5 = 15, 15 - 2.5 = 12.5, with 13 of them 12.5 - 1.5 = 11 follow.
        let rates: Vec<f64> = [1000.0; 6].into_iter().chain([100.0; 3]).collect();
        let quick = driven(pid(json!({"ki": 0.05, "trackingTime": "10s"})).as_mut(), &rates);
        assert_eq!(quick[5..], [20, 15, 13, 11]);
        // Without it, or nearly so, it would take long: it stands at 20 still.
        let slow = driven(pid(json!({"ki": 0.05, "trackingTime": "24h"})).as_mut(), &rates);
        assert_eq!(slow[5..], [20, 20, 20, 20]);
    }

    #[test]
    fn who_starts_is_not_too_many() {
        let mut policy = pid(json!({"ki": 0.05}));
        let counts = ReplicaCounts { wanted: 8, current: 8, ready: 4 };
        let sample = traffic(policy.as_ref(), 40.0, 4);
        assert_eq!(ask(policy.as_mut(), SimTime(10_000_000_000), counts, Some(&sample)).replicas, Some(8));
    }
}

//! `erlang-c`: the fewest replicas at which a queueing model keeps its promise.
//!
//! The service is taken for an M/M/c queue whose servers are the workers of all replicas. Of the rate at which requests come, and
//! of the time that one takes, follows the smallest c with P(wait > `waitLimit`) at most `probability` (rule `tail`), or with a
//! mean wait of at most `waitLimit` (rule `mean`). Requests that wait already are served within `drainTime` on top. If the time
//! of service is not given it is measured, by the utilisation law: busy workers over requests answered, where what is longer
//! ago than some minutes counts less and less.
//!
//! Parameters: `rule`, `waitLimit`, `probability`, `serviceTime`, `workersPerReplica`, `drainTime`, `period`, `scaleInDelay`.
//!
//! Source: Erlang's formula for waiting (1917), as call centres are staffed by; see [`crate::stats::queueing::Mmc`].
//! Cost: O(workers).

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::wish::{SCALE_IN_DELAY, ScaleInDelay, bounds, decision, no_traffic, rate_reading};
use super::{AutoscalerRow, Decision, HorizontalAutoscaler, Observation, Reads, Setting, TrafficSample};
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::stats::queueing::Mmc;
use crate::units::SimDuration;

pub(super) const ROW: AutoscalerRow = AutoscalerRow {
    name: "erlang-c",
    aliases: &["queueing-model"],
    summary: "the fewest replicas with which an M/M/c queue keeps waits below a limit",
    source: "Erlang 1917; the measured time of service by the utilisation law",
    parameters: PARAMETERS,
    is_clairvoyant: false,
    build: |parameters, setting| {
        let params: Params = parameters::read(parameters)?;
        params.check()?;
        let delay = ScaleInDelay::new(params.scale_in_delay);
        Ok(Box::new(ErlangC { params, bounds: bounds(setting), delay, busy_s: 0.0, answered: 0.0 }))
    },
};

const PARAMETERS: &[Parameter] = &[
    Parameter { name: "rule", unit: "", default: "tail", meaning: "what is limited: tail or mean" },
    Parameter { name: "waitLimit", unit: "", default: "100ms", meaning: "the wait; above 0 with the rule mean" },
    Parameter { name: "probability", unit: "", default: "0.05", meaning: "of longer waits, above 0 and below 1" },
    Parameter {
        name: "serviceTime",
        unit: "",
        default: "measured",
        meaning: "mean time that a worker takes for a request, above 0, or measured",
    },
    Parameter { name: "workersPerReplica", unit: "", default: "1", meaning: "requests served at a time, 1 to 10000" },
    Parameter { name: "drainTime", unit: "", default: "60s", meaning: "time in which waiting requests go, above 0" },
    Parameter { name: "period", unit: "", default: "15s", meaning: "time between syncs, above 0" },
    SCALE_IN_DELAY,
];

/// How long what was measured counts: after so many seconds by 1 / e.
const MEMORY_S: f64 = 300.0;

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
enum Rule {
    Tail,
    Mean,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Params {
    rule: Rule,
    #[serde(deserialize_with = "parameters::duration")]
    wait_limit: SimDuration,
    probability: f64,
    /// None: it is measured.
    #[serde(deserialize_with = "duration_or_measured")]
    service_time: Option<SimDuration>,
    workers_per_replica: u32,
    #[serde(deserialize_with = "parameters::duration")]
    drain_time: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    period: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    scale_in_delay: SimDuration,
}

fn duration_or_measured<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SimDuration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "measured" { Ok(None) } else { SimDuration::parse(&text).map(Some).map_err(D::Error::custom) }
}

impl Default for Params {
    fn default() -> Params {
        Params {
            rule: Rule::Tail,
            wait_limit: SimDuration(100_000_000),
            probability: 0.05,
            service_time: None,
            workers_per_replica: 1,
            drain_time: SimDuration(60_000_000_000),
            period: SimDuration(15_000_000_000),
            scale_in_delay: SimDuration(300_000_000_000),
        }
    }
}

impl Params {
    fn check(&self) -> Result<(), ParameterError> {
        let is_limited = self.rule == Rule::Tail || self.wait_limit > SimDuration::ZERO;
        parameters::require(is_limited, "`waitLimit` must be above 0 with the rule mean")?;
        let is_probability = self.probability > 0.0 && self.probability < 1.0;
        parameters::require(is_probability, "`probability` must be above 0 and below 1")?;
        parameters::require(self.service_time != Some(SimDuration::ZERO), "`serviceTime` must be above 0")?;
        let has_workers = (1..=10_000).contains(&self.workers_per_replica);
        parameters::require(has_workers, "`workersPerReplica` must be from 1 to 10000")?;
        parameters::require(self.drain_time > SimDuration::ZERO, "`drainTime` must be above 0")?;
        parameters::require(self.period > SimDuration::ZERO, "`period` must be above 0")
    }

    /// Whether a queue is good enough.
    fn accepts(&self, queue: &Mmc) -> bool {
        let limit_s = self.wait_limit.as_seconds();
        match self.rule {
            Rule::Tail => queue.wait_tail(limit_s) <= self.probability,
            Rule::Mean => queue.mean_wait() <= limit_s,
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
struct ErlangC {
    params: Params,
    bounds: Setting<'static>,
    delay: ScaleInDelay,
    /// Seconds that workers were busy, and requests answered, of late.
    busy_s: f64,
    answered: f64,
}

impl ErlangC {
    fn measure(&mut self, traffic: &TrafficSample, ready: i32) {
        let kept = libm::exp(-traffic.window.as_seconds() / MEMORY_S);
        let workers = f64::from(ready) * f64::from(self.params.workers_per_replica);
        self.busy_s = kept * self.busy_s + traffic.utilisation * workers * traffic.window.as_seconds();
        self.answered = kept * self.answered + traffic.answered;
    }

    /// Mean time of service in seconds; none: it is not known yet.
    fn service_s(&self) -> Option<f64> {
        let measured = || (self.answered > 0.0 && self.busy_s > 0.0).then(|| self.busy_s / self.answered);
        self.params.service_time.map(SimDuration::as_seconds).or_else(measured)
    }

    /// The fewest replicas for that rate.
    fn replicas(&self, rate_per_s: f64, service_s: f64) -> i32 {
        let per_replica = self.params.workers_per_replica;
        let most = (self.bounds.max_replicas as u32).saturating_mul(per_replica);
        if rate_per_s == 0.0 {
            return self.bounds.clamp(0);
        }
        let queue = Mmc::fewest_servers(rate_per_s, service_s, most, |queue| self.params.accepts(queue));
        queue.map_or(self.bounds.max_replicas, |queue| self.bounds.clamp(queue.servers().div_ceil(per_replica) as i32))
    }
}

impl HorizontalAutoscaler for ErlangC {
    fn sync(&mut self, seen: &Observation<'_>) -> Decision {
        let Some(traffic) = seen.traffic else { return no_traffic() };
        self.measure(traffic, seen.replicas.ready);
        let rate = traffic.arrival_rate_per_s() + traffic.queued.max(0.0) / self.params.drain_time.as_seconds();
        let wanted = self.bounds.clamp(seen.replicas.wanted);
        let wish = match self.service_s() {
            Some(service_s) => self.replicas(rate, service_s),
            // Nobody has served anything yet; requests need somebody who does.
            None if rate > 0.0 => self.bounds.clamp(wanted.max(1)),
            None => self.bounds.clamp(0),
        };
        let replicas = self.delay.settle(seen.now, wanted, wish);
        decision(seen, replicas, "the queueing model asks for so many", rate_reading(rate, rate))
    }

    fn sync_period(&self) -> SimDuration {
        self.params.period
    }

    fn reads(&self) -> Reads {
        Reads { traffic: true, ..Reads::default() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{ask, asked, built, second};
    use super::super::{ReplicaCounts, TrafficSample};
    use super::*;

    fn number(parameters: serde_json::Value, rate_per_s: f64) -> i32 {
        let mut policy = built("erlang-c", parameters);
        asked(policy.as_mut(), second(15.0), 5, rate_per_s).replicas.expect("a number")
    }

    #[test]
    fn eight_erlang() {
        // 80 requests a second of 0.1 s: 8 erlang. Erlang C is 0.2450 with 11 servers, 0.1398 with 12.
        let tail = |probability: f64| json!({"waitLimit": "0s", "probability": probability, "serviceTime": "100ms"});
        assert_eq!([0.25, 0.2, 0.139].map(|probability| number(tail(probability), 80.0)), [11, 12, 13]);
        // P(wait > 0.1 s) = C exp(-(c - 8)): 0.2450 e^-3 = 0.0122 with 11; C(10, 8) = 0.4092, e^-2: 0.0554 with 10.
        let later = |probability: f64| json!({"probability": probability, "serviceTime": "100ms"});
        assert_eq!([0.06, 0.05, 0.0125].map(|probability| number(later(probability), 80.0)), [10, 11, 11]);
        // Mean wait C S / (c - 8): 0.2450 x 0.1 / 3 = 8.17 ms with 11, 0.4092 x 0.1 / 2 = 20.5 ms with 10.
        let mean = |limit: &str| json!({"rule": "mean", "waitLimit": limit, "serviceTime": "100ms"});
        assert_eq!(["21ms", "20ms", "8300us"].map(|limit| number(mean(limit), 80.0)), [10, 11, 11]);
    }

    #[test]
    fn replicas_have_workers_and_bounds() {
        // 12 workers are 3 replicas of 4 or 5, or 2 of 6; nothing comes: the fewest; too much comes: the most.
        let of = |workers: u32| {
            json!({"waitLimit": "0s", "probability": 0.2, "serviceTime": "100ms", "workersPerReplica": workers,
                "scaleInDelay": "0s"})
        };
        assert_eq!([4, 5, 6, 12].map(|workers| number(of(workers), 80.0)), [3, 3, 2, 1]);
        assert_eq!([0.0, 1e6].map(|rate| number(of(1), rate)), [1, 20]);
    }

    #[test]
    fn the_time_of_service_is_measured() {
        // Five replicas are 80 % busy with 40 requests a second: 4 / 40 = 0.1 s; 4 erlang and P(wait > 0) <= 0.2: Erlang C is
        // 0.2848 with 6 and 0.1351 with 7.
        let parameters = json!({"waitLimit": "0s", "probability": 0.2});
        assert_eq!(number(parameters.clone(), 40.0), 7);
        // Nothing was served yet.
        let mut policy = built("erlang-c", parameters);
        let counts = ReplicaCounts { wanted: 3, current: 3, ready: 0 };
        let traffic =
            TrafficSample { window: SimDuration(15_000_000_000), arrivals: 600.0, ..TrafficSample::default() };
        assert_eq!(ask(policy.as_mut(), second(15.0), counts, Some(&traffic)).replicas, Some(3));
    }

    #[test]
    fn who_waits_is_served_on_top() {
        // 80 + 2400 / 60 = 120 a second are 12 erlang.
        let sample = |queued: f64| {
            let window = SimDuration(15_000_000_000);
            TrafficSample { window, arrivals: 1200.0, queued, ..TrafficSample::default() }
        };
        let counts = ReplicaCounts { wanted: 12, current: 12, ready: 12 };
        let parameters = json!({"waitLimit": "0s", "probability": 0.2, "serviceTime": "100ms"});
        let number = |queued: f64| {
            ask(built("erlang-c", parameters.clone()).as_mut(), second(15.0), counts, Some(&sample(queued))).replicas
        };
        // Erlang C of 12 erlang is 0.2046 with 16 and 0.1266 with 17.
        assert_eq!((number(0.0), number(2400.0)), (Some(12), Some(17)));
    }

    #[test]
    fn without_traffic_nothing_is_said() {
        let mut policy = built("erlang-c", json!({}));
        let counts = ReplicaCounts { wanted: 3, current: 3, ready: 3 };
        assert_eq!(ask(policy.as_mut(), second(15.0), counts, None).replicas, None);
    }
}

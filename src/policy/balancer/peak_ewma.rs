//! `peak-ewma`: of two different backends drawn at random the one whose answers are expected sooner: a moving average of
//! latencies that jumps up to every peak and decays with time, times the requests in flight and the new one.
//!
//! An answer slower than the average becomes the average; a faster one pulls it by `1 - exp(-t / decayTime)`, where `t`
//! is the time since it was last looked at. To look at it counts as an answer without latency. A backend without any
//! answer costs nothing while it has nothing in flight and more than all others otherwise.
//!
//! Parameters: `decayTime`.
//!
//! Source: Finagle 24.8 `p2cPeakEwma` (`finagle-core/src/main/scala/com/twitter/finagle/loadbalancer/PeakEwma.scala`,
//! `p2c/P2CPick.scala`). Backends have no status here.
//! Cost: O(1), with two exponentials.

use serde::Deserialize;

use super::members::{InFlight, Members, carried};
use super::{AnyBalancer, Backend, Balancer, BalancerRow, Parameter, Question};
use crate::policy::parameters;
use crate::rng::Stream;
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "peak-ewma",
    aliases: &["finagle-peak-ewma"],
    summary: "of two backends drawn at random the one with less average latency times requests in flight",
    source: "Finagle's p2cPeakEwma",
    parameters: &[DECAY_TIME],
    follows_answers: true,
    asks_servers: false,
    weighs: false,
    build: |parameters| {
        let Params { decay_time } = parameters::read(parameters)?;
        parameters::require(decay_time > SimDuration::ZERO, "`decayTime` must be above 0")?;
        Ok(AnyBalancer::PeakEwma(Box::new(PeakEwma::new(decay_time, SimDuration::ZERO))))
    },
};

/// How `decayTime` is listed.
pub(super) const DECAY_TIME: Parameter =
    Parameter { name: "decayTime", unit: "", default: "10s", meaning: "mean age of what the average knows, above 0" };

/// What `decayTime` is unless it is given.
pub(super) const DECAY_TIME_DEFAULT: SimDuration = SimDuration(10_000_000_000);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct Params {
    #[serde(deserialize_with = "parameters::duration")]
    decay_time: SimDuration,
}

impl Default for Params {
    fn default() -> Self {
        Params { decay_time: DECAY_TIME_DEFAULT }
    }
}

/// What a backend without any answer costs while it has something in flight, in ns: the largest long, shifted by 16.
const PENALTY_NS: f64 = 140_737_488_355_327.0;

/// The average of one backend.
#[derive(Clone, Copy, Debug)]
struct Average {
    latency_ns: f64,
    /// When it was last looked at.
    looked: Option<SimTime>,
}

impl Average {
    #[inline]
    fn observe(&mut self, latency_ns: f64, now: SimTime, decay_time_ns: f64) {
        if latency_ns > self.latency_ns {
            self.latency_ns = latency_ns;
        } else {
            let elapsed = now.since(self.looked.unwrap_or(now));
            let kept = libm::exp(-(elapsed.0 as f64) / decay_time_ns);
            self.latency_ns = latency_ns * (1.0 - kept) + self.latency_ns * kept;
        }
        self.looked = Some(now);
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct PeakEwma {
    decay_time_ns: f64,
    /// What averages begin with; 0: nothing, and unknown backends are penalised.
    first_ns: f64,
    members: Members,
    in_flight: InFlight,
    averages: Vec<Average>,
}

impl PeakEwma {
    pub(super) fn new(decay_time: SimDuration, first: SimDuration) -> PeakEwma {
        PeakEwma {
            decay_time_ns: decay_time.0 as f64,
            first_ns: first.0 as f64,
            members: Members::default(),
            in_flight: InFlight::default(),
            averages: Vec::new(),
        }
    }

    #[inline]
    fn cost(&mut self, position: usize, now: SimTime) -> f64 {
        let average = &mut self.averages[position];
        average.observe(0.0, now, self.decay_time_ns);
        let in_flight = f64::from(self.in_flight.of(self.members.slot(position)));
        let is_unknown = self.first_ns == 0.0 && average.latency_ns == 0.0;
        if is_unknown && in_flight > 0.0 { PENALTY_NS + in_flight } else { average.latency_ns * (in_flight + 1.0) }
    }
}

impl Balancer for PeakEwma {
    fn set_backends(&mut self, backends: &[Backend]) {
        let before = self.members.replace(backends);
        self.in_flight.grow(backends);
        self.averages = carried(&self.averages, &before, &Average { latency_ns: self.first_ns, looked: None });
    }

    #[inline]
    fn pick(&mut self, question: &Question<'_>, stream: &mut Stream) -> Option<u32> {
        let count = self.members.len();
        if count < 2 {
            return self.members.backends().first().map(|backend| backend.slot);
        }
        let first = stream.below(count as u64) as usize;
        let second = stream.below(count as u64 - 1) as usize;
        let second = second + usize::from(second >= first);
        let is_first = self.cost(first, question.now) <= self.cost(second, question.now);
        Some(self.members.slot(if is_first { first } else { second }))
    }

    #[inline]
    fn sent(&mut self, slot: u32, _: SimTime) {
        self.in_flight.sent(slot);
    }

    #[inline]
    fn answered(&mut self, slot: u32, latency: SimDuration, _: bool, now: SimTime) {
        self.in_flight.answered(slot);
        if let Some(position) = self.members.position(slot) {
            self.averages[position].observe(latency.0 as f64, now, self.decay_time_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, backends, question, sent};
    use super::*;

    #[test]
    fn averages_jump_up_and_decay() {
        let mut average = Average { latency_ns: 0.0, looked: None };
        let mut observe = |latency_ns: f64, seconds: f64| {
            average.observe(latency_ns, at(seconds), 10e9);
            average.latency_ns
        };
        assert_eq!(observe(100.0, 0.0), 100.0);
        // 10 s later 1 / e = 0.367 879 of it is left: 20 * 0.632 121 + 100 * 0.367 879 = 49.4303.
        assert!((observe(20.0, 10.0) - 49.4303).abs() < 1e-4);
        assert_eq!(observe(60.0, 10.0), 60.0);
        assert!((observe(0.0, 20.0) - 22.0728).abs() < 1e-4);
    }

    #[test]
    fn costs_are_finagles() {
        let mut balancer = PeakEwma::new(DECAY_TIME_DEFAULT, SimDuration::ZERO);
        balancer.set_backends(&backends(&[(0, 1), (1, 1)]));
        // Unknown and idle: nothing; unknown and busy: the penalty and its requests.
        assert_eq!(balancer.cost(0, at(0.0)), 0.0);
        balancer.sent(0, at(0.0));
        assert_eq!(balancer.cost(0, at(0.0)), PENALTY_NS + 1.0);
        assert_eq!(sent(&mut balancer, 1), [1]);
        // Answers after 2 ms and 1 ms: 2 ms for 0, and 1 ms twice as 1 gets another request: the first of equals.
        balancer.answered(0, SimDuration(2_000_000), true, at(1.0));
        balancer.answered(1, SimDuration(1_000_000), true, at(1.0));
        let mut stream = Stream::of_word(4);
        let mut pick = |balancer: &mut PeakEwma| balancer.pick(&Question { now: at(1.0), ..question(0) }, &mut stream);
        assert!((0..20).all(|_| pick(&mut balancer) == Some(1)));
        balancer.sent(1, at(1.0));
        balancer.sent(1, at(1.0));
        assert!((0..20).all(|_| pick(&mut balancer) == Some(0)));
    }

    #[test]
    fn a_backend_that_comes_anew_begins_anew() {
        let mut balancer = PeakEwma::new(DECAY_TIME_DEFAULT, SimDuration(30));
        balancer.set_backends(&backends(&[(0, 1), (1, 1)]));
        balancer.sent(1, at(0.0));
        balancer.answered(1, SimDuration(500), true, at(0.0));
        assert_eq!((balancer.cost(0, at(0.0)), balancer.cost(1, at(0.0))), (30.0, 500.0));
        balancer.set_backends(&backends(&[(0, 1)]));
        balancer.set_backends(&backends(&[(0, 1), (1, 1)]));
        assert_eq!(balancer.cost(1, at(0.0)), 30.0);
    }
}

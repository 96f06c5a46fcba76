//! `envoy-least-request`: of some backends drawn at random, perhaps the same twice, the one with the fewest requests in
//! flight. If weights differ, or a bias is given, the backend with the earliest deadline, where a backend weighs
//! `weight / (in flight + 1) ^ bias` at the time of its last turn.
//!
//! Parameters: `choiceCount`, `activeRequestBias`.
//!
//! Source: Envoy `least_request` (`source/extensions/load_balancing_policies/least_request/least_request_lb.{h,cc}`),
//! with `least_request_lb_active_request_bias_forces_weighted` as it is by default in 2026. Slow start is not here; for
//! `FULL_SCAN` see `least-request`.
//! Cost: O(choices), or O(log n) if weights differ.

use serde::Deserialize;

use super::deadlines::Deadlines;
use super::members::{InFlight, Members};
use super::{AnyBalancer, Backend, Balancer, BalancerRow, Parameter, Question};
use crate::policy::parameters;
use crate::rng::Stream;
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "envoy-least-request",
    aliases: &["LEAST_REQUEST"],
    summary: "of two backends drawn at random the one with fewer requests in flight; weighted, by earliest deadline",
    source: "Envoy's LEAST_REQUEST",
    parameters: &[
        Parameter { name: "choiceCount", unit: "", default: "2", meaning: "how many are drawn, 1 to 1000" },
        Parameter {
            name: "activeRequestBias",
            unit: "",
            default: "null",
            meaning: "how much requests in flight count against weights, 0 or more; null: 1, if weights differ",
        },
    ],
    follows_answers: true,
    asks_servers: false,
    weighs: true,
    build: |parameters| {
        let parameters: Params = parameters::read(parameters)?;
        parameters::require((1..=1000).contains(&parameters.choice_count), "`choiceCount` must be 1 to 1000")?;
        let bias = parameters.active_request_bias;
        parameters::require(bias.is_none_or(|bias| bias >= 0.0), "`activeRequestBias` must not be negative")?;
        Ok(AnyBalancer::EnvoyLeastRequest(Box::new(EnvoyLeastRequest::new(parameters))))
    },
};

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct Params {
    choice_count: u32,
    active_request_bias: Option<f64>,
}

impl Default for Params {
    fn default() -> Self {
        Params { choice_count: 2, active_request_bias: None }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct EnvoyLeastRequest {
    parameters: Params,
    members: Members,
    in_flight: InFlight,
    is_weighted: bool,
    seed: Option<u32>,
    schedule: Option<Deadlines>,
}

impl EnvoyLeastRequest {
    fn new(parameters: Params) -> EnvoyLeastRequest {
        let (members, in_flight) = (Members::default(), InFlight::default());
        EnvoyLeastRequest { parameters, members, in_flight, is_weighted: false, seed: None, schedule: None }
    }

    fn pick_by_deadline(&mut self, stream: &mut Stream) -> Option<u32> {
        let seed = *self.seed.get_or_insert_with(|| (stream.bits() >> 32) as u32);
        let (in_flight, bias) = (&self.in_flight, self.parameters.active_request_bias.unwrap_or(1.0));
        let weight = |slot: u32, weight: u32| {
            let crowd = f64::from(in_flight.of(slot)) + 1.0;
            f64::from(weight) / if bias == 1.0 { crowd } else { libm::pow(crowd, bias) }
        };
        let start = || Deadlines::new(self.members.backends(), weight, seed);
        self.schedule.get_or_insert_with(start).next(weight)
    }
}

impl Balancer for EnvoyLeastRequest {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.members.replace(backends);
        self.in_flight.grow(backends);
        let is_biased = self.parameters.active_request_bias.is_some();
        self.is_weighted = backends.len() > 1 && (is_biased || !self.members.are_equal());
        self.schedule = None;
    }

    #[inline]
    fn pick(&mut self, _: &Question<'_>, stream: &mut Stream) -> Option<u32> {
        if self.is_weighted {
            return self.pick_by_deadline(stream);
        }
        let count = self.members.len() as u64;
        if count < 2 {
            return self.members.backends().first().map(|backend| backend.slot);
        }
        let mut draw = || self.members.slot(stream.below(count) as usize);
        let mut best = draw();
        for _ in 1..self.parameters.choice_count {
            let slot = draw();
            best = if self.in_flight.of(slot) < self.in_flight.of(best) { slot } else { best };
        }
        Some(best)
    }

    #[inline]
    fn sent(&mut self, slot: u32, _: SimTime) {
        self.in_flight.sent(slot);
    }

    #[inline]
    fn answered(&mut self, slot: u32, _: SimDuration, _: bool, _: SimTime) {
        self.in_flight.answered(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{backends, question, sent};
    use super::*;

    #[test]
    fn with_two_backends_the_busier_one_wins_a_quarter() {
        let mut balancer = EnvoyLeastRequest::new(Params::default());
        balancer.set_backends(&backends(&[(0, 1), (1, 1)]));
        balancer.sent(0, SimTime::ZERO);
        // It wins only if it is drawn twice: of 40 000 picks 10 000 are expected, with a standard deviation of 87.
        let mut stream = Stream::of_word(9);
        let busier = (0..40_000).filter(|_| balancer.pick(&question(0), &mut stream) == Some(0)).count();
        assert!(busier.abs_diff(10_000) < 450, "{busier}");
    }

    #[test]
    fn requests_in_flight_count_against_weights() {
        let mut balancer = EnvoyLeastRequest::new(Params::default());
        balancer.seed = Some(0);
        balancer.set_backends(&backends(&[(0, 1), (1, 2)]));
        // Deadlines 1/1 and 1/2. 1 at 0.5, next after 1/(2/1) at 1; 0 at 1, next after 1/(1/1) at 2; 1 at 1, next after
        // 1/(2/2) at 2; 0 at 2, next after 1/(1/2) at 4; 1 at 2, next after 1/(2/3) at 3.5; 1, next after 1/(2/4) at 5.5;
        // 0 at 4.
        assert_eq!(sent(&mut balancer, 7), [1, 0, 1, 0, 1, 1, 0]);
    }
}

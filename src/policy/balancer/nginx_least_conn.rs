//! `nginx-least-conn`: the backend with the fewest requests in flight for its weight; of equals by smooth weighted round
//! robin. Backends whose answers fail are left out for a while.
//!
//! Parameters: `maxFails`, `failTimeout`.
//!
//! Source: nginx 1.31.5 `least_conn` (`src/http/modules/ngx_http_upstream_least_conn_module.c`). Failures and
//! deviations: `peers.rs`.
//! Cost: O(n) a pick.

use super::members::InFlight;
use super::peers::{FAILURE_PARAMETERS, FailureParameters, Peers};
use super::{AnyBalancer, Backend, Balancer, BalancerRow, Question};
use crate::rng::Stream;
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "nginx-least-conn",
    aliases: &["least_conn"],
    summary: "the backend with the fewest requests in flight for its weight, of equals in turn",
    source: "nginx 1.31.5 least_conn",
    parameters: FAILURE_PARAMETERS,
    follows_answers: true,
    asks_servers: false,
    weighs: true,
    build: |parameters| {
        let (peers, in_flight) = (Peers::new(FailureParameters::read(parameters)?), InFlight::default());
        Ok(AnyBalancer::NginxLeastConn(Box::new(NginxLeastConn { peers, in_flight, loads: Vec::new() })))
    },
};

/// See the module.
#[derive(Clone, Debug)]
pub struct NginxLeastConn {
    peers: Peers,
    in_flight: InFlight,
    /// Requests in flight by weight of each peer, as the bits of a float: these are in the order of what they stand for.
    loads: Vec<u64>,
}

impl NginxLeastConn {
    fn note(&mut self, slot: u32) {
        if let Some(position) = self.peers.members().position(slot) {
            self.loads[position] = load(self.in_flight.of(slot), self.peers.members().backends()[position].weight);
        }
    }

    /// Whether some other peer has as little as this one.
    fn has_equal(&self, best: usize, now: SimTime) -> bool {
        let equals = |position: &usize| self.loads[*position] == self.loads[best] && *position != best;
        (0..self.loads.len()).filter(equals).any(|position| self.peers.is_usable(position, now))
    }
}

/// Upstream multiplies crosswise. Quotients of equal value have equal bits, and others differ while the product of both
/// numbers is below 2^52.
#[inline]
fn load(in_flight: u32, weight: u32) -> u64 {
    (f64::from(in_flight) / f64::from(weight)).to_bits()
}

impl Balancer for NginxLeastConn {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.peers.replace(backends);
        self.in_flight.grow(backends);
        self.loads = backends.iter().map(|backend| load(self.in_flight.of(backend.slot), backend.weight)).collect();
    }

    fn pick(&mut self, question: &Question<'_>, _: &mut Stream) -> Option<u32> {
        if self.loads.len() < 2 {
            return self.peers.round_robin(question.now);
        }
        let positions = (0..self.loads.len()).filter(|&position| self.peers.is_usable(position, question.now));
        let mut best = positions.min_by_key(|&position| self.loads[position])?;
        if self.has_equal(best, question.now) {
            let (loads, least) = (&self.loads, self.loads[best]);
            best = self.peers.turn_among(question.now, |position| loads[position] == least).unwrap_or(best);
        }
        Some(self.peers.chosen(best, question.now))
    }

    #[inline]
    fn sent(&mut self, slot: u32, _: SimTime) {
        self.in_flight.sent(slot);
        self.note(slot);
    }

    #[inline]
    fn answered(&mut self, slot: u32, _: SimDuration, is_well: bool, now: SimTime) {
        self.in_flight.answered(slot);
        self.note(slot);
        self.peers.answered(slot, is_well, now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, at, backends, question, sent};
    use super::*;

    fn balancer() -> AnyBalancer {
        ROW.build(&serde_json::json!({})).expect("the defaults are right")
    }

    #[test]
    fn equals_take_turns() {
        let mut one = balancer();
        one.set_backends(&backends(&[(0, 1), (1, 1), (2, 2)]));
        // All idle: a turn among all, 1 1 2 -> 2 (now 1 1 -2). Idle ones 0 and 1: 2 2 -> 0 (0 2). Only 1 is idle. 1/1 1/1
        // 1/2 -> 2. All are equal at 1/1 1/1 2/2: 1 3 0 -> 1 (1 -1 0).
        assert_eq!(sent(&mut one, 5), [2, 0, 1, 2, 1]);
        answer(&mut one, 0);
        assert_eq!(sent(&mut one, 1), [0]);
    }

    #[test]
    fn the_least_loaded_is_left_out_after_a_failure() {
        let mut one = balancer();
        one.set_backends(&backends(&[(0, 1), (1, 1)]));
        assert_eq!(sent(&mut one, 2), [0, 1]);
        one.answered(0, SimDuration::ZERO, false, at(1.0));
        let mut stream = Stream::of_word(0);
        let mut pick = |seconds| one.pick(&Question { now: at(seconds), ..question(0) }, &mut stream);
        assert_eq!((pick(1.5), pick(11.5)), (Some(1), Some(0)));
    }
}

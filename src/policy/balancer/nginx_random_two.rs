//! `nginx-random-two`: of two different backends drawn by weight the one with fewer requests in flight for its weight; of
//! equals the second. Backends whose answers fail are left out for a while.
//!
//! Parameters: `maxFails`, `failTimeout`.
//!
//! Source: nginx 1.31.5 `random two least_conn` (`src/http/modules/ngx_http_upstream_random_module.c`): after 20 draws
//! without success it goes over to round robin. Failures and deviations: `peers.rs`.
//! Cost: O(log n) a draw, of which there are 2 at best.

use super::members::InFlight;
use super::peers::{FAILURE_PARAMETERS, FailureParameters, Peers};
use super::random::drawn;
use super::{AnyBalancer, Backend, Balancer, BalancerRow, Question};
use crate::rng::Stream;
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "nginx-random-two",
    aliases: &["random-two"],
    summary: "of two backends drawn by weight the one with fewer requests in flight for its weight",
    source: "nginx 1.31.5 random two least_conn",
    parameters: FAILURE_PARAMETERS,
    follows_answers: true,
    asks_servers: false,
    weighs: true,
    build: |parameters| {
        let (peers, in_flight) = (Peers::new(FailureParameters::read(parameters)?), InFlight::default());
        Ok(AnyBalancer::NginxRandomTwo(Box::new(NginxRandomTwo { peers, in_flight })))
    },
};

/// How many draws may fail before it is the turn of round robin.
const TRIES_MAX: u32 = 20;

/// See the module.
#[derive(Clone, Debug)]
pub struct NginxRandomTwo {
    peers: Peers,
    in_flight: InFlight,
}

impl NginxRandomTwo {
    fn better(&self, first: usize, second: usize) -> usize {
        let backends = self.peers.members().backends();
        let load = |one: usize, other: usize| {
            u64::from(self.in_flight.of(backends[one].slot)) * u64::from(backends[other].weight)
        };
        if load(second, first) > load(first, second) { first } else { second }
    }
}

impl Balancer for NginxRandomTwo {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.peers.replace(backends);
        self.in_flight.grow(backends);
    }

    fn pick(&mut self, question: &Question<'_>, stream: &mut Stream) -> Option<u32> {
        if self.peers.members().len() < 2 {
            return self.peers.round_robin(question.now);
        }
        let (mut first, mut tries) = (None, 0);
        while tries <= TRIES_MAX {
            let position = drawn(self.peers.sums(), stream);
            match first {
                _ if first == Some(position) || !self.peers.is_usable(position, question.now) => tries += 1,
                None => {
                    first = Some(position);
                    tries += 1;
                }
                Some(first) => return Some(self.peers.chosen(self.better(first, position), question.now)),
            }
        }
        self.peers.round_robin(question.now)
    }

    #[inline]
    fn sent(&mut self, slot: u32, _: SimTime) {
        self.in_flight.sent(slot);
    }

    #[inline]
    fn answered(&mut self, slot: u32, _: SimDuration, is_well: bool, now: SimTime) {
        self.in_flight.answered(slot);
        self.peers.answered(slot, is_well, now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, backends, sent};
    use super::*;

    #[test]
    fn of_two_the_less_loaded_is_taken() {
        let mut one = ROW.build(&serde_json::json!({})).expect("the defaults are right");
        one.set_backends(&backends(&[(0, 1), (3, 3)]));
        // Any two are all: 8 requests end at 2/1 and 6/3, whatever the draws.
        let picks = sent(&mut one, 8);
        assert_eq!(picks.iter().filter(|&&slot| slot == 3).count(), 6, "{picks:?}");
        answer(&mut one, 3);
        assert_eq!(sent(&mut one, 1), [3]);
    }
}

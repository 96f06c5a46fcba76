//! `least-request`: the backend with the fewest requests in flight, as far as this balancer knows; of equals any.
//!
//! Parameters: none.
//!
//! Source: join-the-shortest-queue (Winston 1977; Mitzenmacher 1996 compares it with choices of d). Envoy's
//! `least_request` with `FULL_SCAN` does the same when all weights are equal; here weights are not looked at.
//! Cost: O(1): backends are kept in order of their requests in flight, which change by one at a time.

use super::members::{InFlight, slot_count};
use super::{AnyBalancer, Backend, Balancer, BalancerRow, Question};
use crate::policy::parameters;
use crate::rng::Stream;
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "least-request",
    aliases: &["least-connections", "join-the-shortest-queue", "jsq"],
    summary: "the backend with the fewest requests in flight, of equals any",
    source: "join-the-shortest-queue (Winston 1977); Envoy's least_request with FULL_SCAN",
    parameters: &[],
    follows_answers: true,
    asks_servers: false,
    weighs: false,
    build: |parameters| {
        parameters::none(parameters)?;
        Ok(AnyBalancer::LeastRequest(Box::default()))
    },
};

const NOWHERE: u32 = u32::MAX;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct LeastRequest {
    in_flight: InFlight,
    /// Slots of backends, those with fewer requests in flight first.
    order: Vec<u32>,
    /// Where each slot is in that order.
    places: Vec<u32>,
    /// How many backends have at most that many requests in flight.
    ends: Vec<u32>,
}

impl LeastRequest {
    fn swap(&mut self, place: u32, other: u32) {
        self.order.swap(place as usize, other as usize);
        self.places[self.order[place as usize] as usize] = place;
        self.places[self.order[other as usize] as usize] = other;
    }
}

impl Balancer for LeastRequest {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.in_flight.grow(backends);
        self.order = backends.iter().map(|backend| backend.slot).collect();
        self.order.sort_by_key(|&slot| self.in_flight.of(slot));
        self.places.clear();
        self.places.resize(slot_count(backends), NOWHERE);
        self.ends.clear();
        for (place, &slot) in self.order.iter().enumerate() {
            self.places[slot as usize] = place as u32;
            self.ends.resize(self.in_flight.of(slot) as usize + 1, place as u32);
            self.ends[self.in_flight.of(slot) as usize] = place as u32 + 1;
        }
    }

    #[inline]
    fn pick(&mut self, _: &Question<'_>, stream: &mut Stream) -> Option<u32> {
        let &first = self.order.first()?;
        let equals = self.ends[self.in_flight.of(first) as usize];
        let chosen = if equals < 2 { 0 } else { stream.below(u64::from(equals)) as usize };
        Some(self.order[chosen])
    }

    #[inline]
    fn sent(&mut self, slot: u32, _: SimTime) {
        let level = self.in_flight.of(slot) as usize;
        self.in_flight.sent(slot);
        let place = self.places.get(slot as usize).copied().unwrap_or(NOWHERE);
        if place != NOWHERE {
            // It becomes the last of its equals, and then the first of those with one more.
            self.swap(place, self.ends[level] - 1);
            self.ends[level] -= 1;
            if self.ends.len() == level + 1 {
                self.ends.push(self.order.len() as u32);
            }
        }
    }

    #[inline]
    fn answered(&mut self, slot: u32, _: SimDuration, _: bool, _: SimTime) {
        self.in_flight.answered(slot);
        let level = self.in_flight.of(slot) as usize;
        let place = self.places.get(slot as usize).copied().unwrap_or(NOWHERE);
        if place != NOWHERE {
            self.swap(place, self.ends[level]);
            self.ends[level] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, backends, question, sent};
    use super::*;

    #[test]
    fn every_pick_is_least_loaded_and_ties_are_uniform() {
        let mut balancer = LeastRequest::default();
        balancer.set_backends(&backends(&[(0, 1), (1, 1), (4, 1)]));
        // Three requests go to three backends; then one is the only idle one.
        let mut first = sent(&mut balancer, 3);
        first.sort_unstable();
        assert_eq!(first, [0, 1, 4]);
        answer(&mut balancer, 1);
        assert_eq!(sent(&mut balancer, 1), [1]);
        answer(&mut balancer, 0);
        answer(&mut balancer, 4);
        // Of 40 000 draws between 0 and 4, 20 000 are expected, with a standard deviation of 100.
        let mut stream = Stream::of_word(1);
        let picks: Vec<Option<u32>> = (0..40_000).map(|_| balancer.pick(&question(0), &mut stream)).collect();
        let zeros = picks.iter().filter(|&&pick| pick == Some(0)).count();
        assert!(zeros.abs_diff(20_000) < 500, "{zeros}");
        assert!(picks.iter().all(|pick| [Some(0), Some(4)].contains(pick)));
    }

    #[test]
    fn the_order_agrees_with_a_scan_in_a_storm() {
        let (mut balancer, mut stream) = (LeastRequest::default(), Stream::of_word(11));
        let (mut counts, mut there) = (vec![0u32; 12], (0..12).collect::<Vec<u32>>());
        balancer.set_backends(&backends(&there.iter().map(|&slot| (slot, 1)).collect::<Vec<_>>()));
        for step in 0..20_000 {
            if step % 50 == 0 {
                there = (0..12).filter(|_| stream.below(3) > 0).collect();
                balancer.set_backends(&backends(&there.iter().map(|&slot| (slot, 1)).collect::<Vec<_>>()));
            }
            let busy: Vec<u32> = (0..12).filter(|&slot| counts[slot as usize] > 0).collect();
            if stream.below(2) == 0 && !busy.is_empty() {
                let slot = busy[stream.below(busy.len() as u64) as usize];
                answer(&mut balancer, slot);
                counts[slot as usize] -= 1;
            } else if let Some(slot) = balancer.pick(&question(0), &mut stream) {
                assert_eq!(Some(counts[slot as usize]), there.iter().map(|&slot| counts[slot as usize]).min());
                // Others send there too.
                let slot = if stream.below(4) == 0 { there[stream.below(there.len() as u64) as usize] } else { slot };
                balancer.sent(slot, SimTime::ZERO);
                counts[slot as usize] += 1;
            }
        }
    }
}

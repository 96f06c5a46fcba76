//! What the IPVS schedulers `lc`, `wlc`, `sed` and `nq` share: the backend with the least load for its weight, of equals
//! the one that stands first.
//!
//! Loads stand in the leaves of a tournament, so that a request sent or answered plays log n matches and a pick none.
//! Upstream counts 256 for an active connection and 1 for an inactive one; here are no inactive ones, which makes the
//! factor void. Upstream's list has the newest backend first; here it is in order of slots.

use super::members::{InFlight, slot_count};
use super::{Backend, Balancer, Question};
use crate::rng::Stream;
use crate::units::{SimDuration, SimTime};

/// What is divided by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Requests in flight.
    Count,
    /// Requests in flight by weight.
    Ratio,
    /// Requests in flight and the new one, by weight.
    Delay,
    /// As `Delay`, but a backend with nothing in flight comes first.
    NeverQueue,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct LeastRatio {
    rule: Rule,
    in_flight: InFlight,
    /// Load and weight by slot; slots without a backend weigh nothing.
    loads: Vec<(u32, u32)>,
    /// Slots: the winner of `i` is the better one of `2 i` and `2 i + 1`. The second half are the leaves.
    winners: Vec<u32>,
}

impl LeastRatio {
    pub(super) fn new(rule: Rule) -> LeastRatio {
        LeastRatio { rule, in_flight: InFlight::default(), loads: Vec::new(), winners: Vec::new() }
    }

    fn load(&self, slot: u32) -> u32 {
        let in_flight = self.in_flight.of(slot);
        match self.rule {
            Rule::Count | Rule::Ratio => in_flight,
            Rule::NeverQueue if in_flight == 0 => 0,
            Rule::Delay | Rule::NeverQueue => in_flight + 1,
        }
    }

    /// The better one of two; of equals the left one. A weight of 0 loses against every other.
    #[inline]
    fn better(&self, left: u32, right: u32) -> u32 {
        let ((load, weight), (other_load, other_weight)) = (self.loads[left as usize], self.loads[right as usize]);
        let is_right = u64::from(other_load) * u64::from(weight) < u64::from(load) * u64::from(other_weight);
        if is_right { right } else { left }
    }

    #[inline]
    fn replay(&mut self, slot: u32) {
        if self.loads.get(slot as usize).is_some_and(|&(_, weight)| weight > 0) {
            self.loads[slot as usize].0 = self.load(slot);
            let mut match_number = (self.loads.len() + slot as usize) / 2;
            while match_number > 0 {
                self.winners[match_number] =
                    self.better(self.winners[2 * match_number], self.winners[2 * match_number + 1]);
                match_number /= 2;
            }
        }
    }
}

impl Balancer for LeastRatio {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.in_flight.grow(backends);
        let leaves = slot_count(backends).next_power_of_two();
        self.loads = vec![(1, 0); leaves];
        for backend in backends {
            let weight = if self.rule == Rule::Count { 1 } else { backend.weight };
            self.loads[backend.slot as usize] = (self.load(backend.slot), weight);
        }
        self.winners = vec![0; leaves];
        self.winners.extend(0..leaves as u32);
        for match_number in (1..leaves).rev() {
            self.winners[match_number] =
                self.better(self.winners[2 * match_number], self.winners[2 * match_number + 1]);
        }
    }

    #[inline]
    fn pick(&mut self, _: &Question<'_>, _: &mut Stream) -> Option<u32> {
        let &winner = self.winners.get(1)?;
        (self.loads[winner as usize].1 > 0).then_some(winner)
    }

    #[inline]
    fn sent(&mut self, slot: u32, _: SimTime) {
        self.in_flight.sent(slot);
        self.replay(slot);
    }

    #[inline]
    fn answered(&mut self, slot: u32, _: SimDuration, _: bool, _: SimTime) {
        self.in_flight.answered(slot);
        self.replay(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, backends, question, sent};
    use super::*;

    #[test]
    fn rules_send_as_their_ratios_say() {
        for (rule, expected) in [
            // Counts alone: in turn, the first of equals.
            (Rule::Count, [0, 1, 3, 0, 1, 3, 0, 1]),
            // 0/1 0/2 0/4: first; 1/1 0/2 0/4; 1/1 1/2 0/4; 1/1 1/2 1/4 -> 3; 1/2 = 2/4 -> the first, 1;
            // 1/1 2/2 2/4 -> 3; 1/1 2/2 3/4 -> 3; 1/1 = 2/2 = 4/4 -> 0.
            (Rule::Ratio, [0, 1, 3, 3, 1, 3, 3, 0]),
            // 1/1 1/2 1/4 -> 3; 2/4 = 1/2 -> 1; 1/1 2/2 2/4 -> 3; 3/4 -> 3; 1/1 = 2/2 = 4/4 -> 0; 2/1 2/2 4/4 -> 1;
            // 2/1 3/2 4/4 -> 3; 2/1 3/2 5/4 -> 3.
            (Rule::Delay, [3, 1, 3, 3, 0, 1, 3, 3]),
            // Idle ones first; then 2/1 2/2 2/4 -> 3; 3/4 -> 3; 2/1 2/2 4/4 -> 1; 2/1 3/2 4/4 -> 3; 2/1 3/2 5/4 -> 3.
            (Rule::NeverQueue, [0, 1, 3, 3, 3, 1, 3, 3]),
        ] {
            let mut balancer = LeastRatio::new(rule);
            balancer.set_backends(&backends(&[(0, 1), (1, 2), (3, 4)]));
            assert_eq!(sent(&mut balancer, 8), expected, "{rule:?}");
        }
    }

    #[test]
    fn the_tournament_agrees_with_a_scan() {
        for rule in [Rule::Count, Rule::Ratio, Rule::Delay, Rule::NeverQueue] {
            let (mut balancer, mut stream) = (LeastRatio::new(rule), Stream::of_word(5));
            let mut there = Vec::new();
            for step in 0..5000 {
                if step % 100 == 0 {
                    let slots = (0..stream.below(9) as u32).filter(|_| stream.below(4) > 0);
                    there = backends(&slots.map(|slot| (slot, 1 + slot % 3)).collect::<Vec<_>>());
                    balancer.set_backends(&there);
                }
                let weight = |one: &Backend| if rule == Rule::Count { 1 } else { u64::from(one.weight) };
                let scanned = there.iter().fold(None, |best: Option<&Backend>, one| {
                    let cost = |of: &Backend, by: &Backend| u64::from(balancer.load(of.slot)) * weight(by);
                    best.filter(|best| cost(best, one) <= cost(one, best)).or(Some(one))
                });
                let picked = balancer.pick(&question(0), &mut stream);
                assert_eq!(picked, scanned.map(|best| best.slot), "{rule:?}, step {step}");
                let busy = (0..9).find(|&slot| stream.below(3) == 0 && balancer.in_flight.has(slot));
                match (picked, busy) {
                    (_, Some(slot)) => answer(&mut balancer, slot),
                    (Some(slot), None) => balancer.sent(slot, SimTime::ZERO),
                    (None, None) => {}
                }
            }
        }
    }
}

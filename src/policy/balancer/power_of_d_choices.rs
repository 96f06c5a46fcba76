//! `power-of-d-choices`: of some different backends drawn at random the one with the fewest requests in flight; of equals
//! the one drawn first.
//!
//! Parameters: `choices`.
//!
//! Source: Mitzenmacher 2001, "The power of two choices in randomized load balancing"; Vvedenskaya, Dobrushin and
//! Karpelevich 1996. With 2 choices it is Finagle's `p2c` (24.8,
//! `finagle-core/src/main/scala/com/twitter/finagle/loadbalancer/p2c/P2CPick.scala`). Weights are not looked at.
//! Cost: O(choices) for the usual few, O(choices^2) at worst.

use serde::Deserialize;

use super::members::InFlight;
use super::{AnyBalancer, Backend, Balancer, BalancerRow, Parameter, Question};
use crate::policy::parameters;
use crate::rng::Stream;
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "power-of-d-choices",
    aliases: &["power-of-two-choices", "p2c", "finagle-p2c"],
    summary: "of two or more different backends drawn at random the one with the fewest requests in flight",
    source: "Mitzenmacher 2001; Finagle's p2c",
    parameters: &[Parameter { name: "choices", unit: "", default: "2", meaning: "how many are drawn, 1 to 1000" }],
    follows_answers: true,
    asks_servers: false,
    weighs: false,
    build: |parameters| {
        let Params { choices } = parameters::read(parameters)?;
        parameters::require((1..=1000).contains(&choices), "`choices` must be 1 to 1000")?;
        Ok(AnyBalancer::PowerOfDChoices(Box::new(PowerOfDChoices::new(choices))))
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Params {
    choices: usize,
}

impl Default for Params {
    fn default() -> Self {
        Params { choices: 2 }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct PowerOfDChoices {
    choices: usize,
    slots: Vec<u32>,
    in_flight: InFlight,
    /// What has been drawn for this pick, in ascending order.
    drawn: Vec<usize>,
}

impl PowerOfDChoices {
    fn new(choices: usize) -> PowerOfDChoices {
        PowerOfDChoices { choices, slots: Vec::new(), in_flight: InFlight::default(), drawn: Vec::new() }
    }
}

/// Draws one more of `count` positions, none twice; those drawn before are kept in ascending order.
#[inline]
pub(super) fn draw_another(drawn: &mut Vec<usize>, count: usize, stream: &mut Stream) -> usize {
    let mut position = stream.below((count - drawn.len()) as u64) as usize;
    let mut place = 0;
    while drawn.get(place).is_some_and(|&before| before <= position) {
        position += 1;
        place += 1;
    }
    drawn.insert(place, position);
    position
}

impl Balancer for PowerOfDChoices {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.slots = backends.iter().map(|backend| backend.slot).collect();
        self.in_flight.grow(backends);
    }

    #[inline]
    fn pick(&mut self, _: &Question<'_>, stream: &mut Stream) -> Option<u32> {
        if self.slots.len() < 2 {
            return self.slots.first().copied();
        }
        self.drawn.clear();
        let mut best = None::<u32>;
        for _ in 0..self.choices.min(self.slots.len()) {
            let slot = self.slots[draw_another(&mut self.drawn, self.slots.len(), stream)];
            best = best.filter(|&best| self.in_flight.of(best) <= self.in_flight.of(slot)).or(Some(slot));
        }
        best
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
    use super::super::testing::{answer, backends, sent};
    use super::*;

    #[test]
    fn ordered_samples_are_uniform() {
        // 60 000 ordered pairs of 3: each of the 6 is expected 10 000 times, with a standard deviation of 91.
        let (mut stream, mut counts) = (Stream::of_word(2), [0u32; 9]);
        for _ in 0..60_000 {
            let mut drawn = Vec::new();
            let first = draw_another(&mut drawn, 3, &mut stream);
            counts[3 * first + draw_another(&mut drawn, 3, &mut stream)] += 1;
        }
        for (pair, &count) in counts.iter().enumerate() {
            let expected = if pair % 4 == 0 { 0 } else { 10_000u32 };
            assert!(count.abs_diff(expected) <= 450 * u32::from(expected > 0), "{counts:?}");
        }
    }

    #[test]
    fn as_many_choices_as_backends_find_the_least_loaded() {
        let mut balancer = PowerOfDChoices::new(9);
        balancer.set_backends(&backends(&[(0, 1), (1, 1), (2, 1)]));
        let mut first = sent(&mut balancer, 6);
        first.sort_unstable();
        assert_eq!(first, [0, 0, 1, 1, 2, 2]);
        answer(&mut balancer, 2);
        assert_eq!(sent(&mut balancer, 1), [2]);
    }
}

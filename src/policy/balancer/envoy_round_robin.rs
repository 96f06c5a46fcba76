//! `envoy-round-robin`: the backends in turn from a random first one; if weights differ, by earliest deadline.
//!
//! Parameters: none.
//!
//! Source: Envoy `round_robin` (`source/extensions/load_balancing_policies/common/load_balancer_impl.cc`,
//! `source/common/upstream/edf_scheduler.h`). Slow start and preconnecting are not here. Where the turn begins is drawn
//! at the first pick.
//! Cost: O(1) with equal weights, O(log n) otherwise.

use super::deadlines::Deadlines;
use super::members::Members;
use super::{AnyBalancer, Backend, Balancer, BalancerRow, Question};
use crate::policy::parameters;
use crate::rng::Stream;

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "envoy-round-robin",
    aliases: &["ROUND_ROBIN"],
    summary: "the backends in turn from a random first one, by earliest deadline if weights differ",
    source: "Envoy's ROUND_ROBIN",
    parameters: &[],
    follows_answers: false,
    asks_servers: false,
    weighs: true,
    build: |parameters| {
        parameters::none(parameters)?;
        Ok(AnyBalancer::EnvoyRoundRobin(Box::default()))
    },
};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct EnvoyRoundRobin {
    members: Members,
    are_equal: bool,
    seed: Option<u32>,
    turn: u64,
    schedule: Option<Deadlines>,
}

fn weight(_: u32, weight: u32) -> f64 {
    f64::from(weight)
}

impl Balancer for EnvoyRoundRobin {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.members.replace(backends);
        self.are_equal = self.members.are_equal();
        self.schedule = None;
    }

    #[inline]
    fn pick(&mut self, _: &Question<'_>, stream: &mut Stream) -> Option<u32> {
        if self.members.is_empty() {
            return None;
        }
        let seed = *self.seed.get_or_insert_with(|| {
            self.turn = stream.bits() >> 32;
            self.turn as u32
        });
        if self.are_equal {
            let position = self.turn % self.members.len() as u64;
            self.turn += 1;
            return Some(self.members.slot(position as usize));
        }
        let start = || Deadlines::new(self.members.backends(), weight, seed);
        self.schedule.get_or_insert_with(start).next(weight)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{backends, sent};
    use super::*;

    #[test]
    fn turns_begin_anywhere_and_go_round() {
        let mut balancer = EnvoyRoundRobin::default();
        balancer.set_backends(&backends(&[(0, 3), (1, 3), (2, 3)]));
        let picks = sent(&mut balancer, 6);
        assert!(picks.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 3), "{picks:?}");
        // A cycle of weights 1, 2, 4 has that many of each, wherever it begins.
        balancer.set_backends(&backends(&[(0, 1), (1, 2), (2, 4)]));
        let picks = sent(&mut balancer, 7);
        assert_eq!([0, 1, 2].map(|slot| picks.iter().filter(|&&pick| pick == slot).count()), [1, 2, 4]);
    }
}

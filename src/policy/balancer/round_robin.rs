//! `round-robin`: the backends in turn.
//!
//! Parameters: none.
//!
//! Source: IPVS `rr` (Linux `net/netfilter/ipvs/ip_vs_rr.c`). Weights are not looked at. Upstream's list has the newest
//! backend first; here it is in order of slots.
//! Cost: O(1).

use super::{AnyBalancer, Backend, Balancer, BalancerRow, Question};
use crate::policy::parameters;
use crate::rng::Stream;

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "round-robin",
    aliases: &["rr", "ipvs-rr"],
    summary: "the backends in turn",
    source: "IPVS rr",
    parameters: &[],
    follows_answers: false,
    asks_servers: false,
    weighs: false,
    build: |parameters| {
        parameters::none(parameters)?;
        Ok(AnyBalancer::RoundRobin(Box::default()))
    },
};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct RoundRobin {
    slots: Vec<u32>,
    next: usize,
}

impl RoundRobin {
    /// The next in turn, if there is any.
    #[inline]
    pub(super) fn turn(&mut self) -> Option<u32> {
        if self.next >= self.slots.len() {
            self.next = 0;
        }
        let slot = self.slots.get(self.next).copied();
        self.next += 1;
        slot
    }
}

impl Balancer for RoundRobin {
    fn set_backends(&mut self, backends: &[Backend]) {
        // The turn goes on with the first backend that is not before the one whose turn it was.
        let turn = self.slots.get(self.next).copied().unwrap_or(0);
        self.slots = backends.iter().map(|backend| backend.slot).collect();
        self.next = self.slots.partition_point(|&slot| slot < turn);
    }

    #[inline]
    fn pick(&mut self, _: &Question<'_>, _: &mut Stream) -> Option<u32> {
        self.turn()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::backends;
    use super::*;

    #[test]
    fn turns_go_on_when_backends_change() {
        let mut balancer = RoundRobin::default();
        assert_eq!(balancer.turn(), None);
        balancer.set_backends(&backends(&[(0, 1), (1, 1), (2, 1), (3, 1)]));
        assert_eq!([(); 6].map(|()| balancer.turn()), [0, 1, 2, 3, 0, 1].map(Some));
        // It was the turn of 2, which has gone: 3 is the next.
        balancer.set_backends(&backends(&[(0, 1), (1, 1), (3, 1), (7, 1)]));
        assert_eq!([(); 4].map(|()| balancer.turn()), [3, 7, 0, 1].map(Some));
    }
}

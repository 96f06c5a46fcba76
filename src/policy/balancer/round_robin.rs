//! `round-robin`: the backends in turn.
//!
//! Parameters: none.
//!
//! Source: IPVS `rr` (Linux `net/netfilter/ipvs/ip_vs_rr.c`). Weights are not looked at. Cost: O(1).

use super::{AnyBalancer, Backend, Balancer, BalancerRow, Question};
use crate::policy::parameters;
use crate::rng::Stream;

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "round-robin",
    aliases: &["rr"],
    summary: "the backends in turn",
    source: "IPVS rr",
    parameters: &[],
    follows_answers: false,
    asks_servers: false,
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

impl Balancer for RoundRobin {
    fn set_backends(&mut self, backends: &[Backend]) {
        // The turn goes on with the first backend that is not before the one whose turn it was.
        let turn = self.slots.get(self.next).copied().unwrap_or(0);
        self.slots = backends.iter().map(|backend| backend.slot).collect();
        self.next = self.slots.partition_point(|&slot| slot < turn);
    }

    #[inline]
    fn pick(&mut self, _: &Question<'_>, _: &mut Stream) -> Option<u32> {
        if self.next >= self.slots.len() {
            self.next = 0;
        }
        let slot = self.slots.get(self.next).copied();
        self.next += 1;
        slot
    }
}

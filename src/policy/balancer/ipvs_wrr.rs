//! `ipvs-wrr`: the backends in turn, heavier ones more often, heaviest first.
//!
//! In the first of several rounds only the heaviest backends have their turn; each further round lets in those that
//! weigh less by the greatest common divisor of all weights. Thus a heavy backend gets requests in a row, unlike with
//! `weighted-round-robin`.
//!
//! Parameters: none.
//!
//! Source: IPVS `wrr` (Linux `net/netfilter/ipvs/ip_vs_wrr.c`). When backends change, the round begins anew with the
//! first backend, as upstream. Upstream's list has the newest backend first; here it is in order of slots.
//! Cost: O(n) a pick at worst, O(1) when weights are alike.

use super::{AnyBalancer, Backend, Balancer, BalancerRow, Question};
use crate::policy::parameters;
use crate::rng::Stream;

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "ipvs-wrr",
    aliases: &["wrr"],
    summary: "the backends in turn by weight, the heaviest first and several times in a row",
    source: "IPVS wrr",
    parameters: &[],
    follows_answers: false,
    asks_servers: false,
    weighs: true,
    build: |parameters| {
        parameters::none(parameters)?;
        Ok(AnyBalancer::IpvsWrr(Box::default()))
    },
};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct IpvsWrr {
    /// Slots and weights.
    backends: Vec<(u32, u32)>,
    /// Whose turn it is.
    next: usize,
    /// What a backend must weigh at least in this round.
    least: u32,
    most: u32,
    step: u32,
}

pub(super) fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

impl Balancer for IpvsWrr {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.backends = backends.iter().map(|backend| (backend.slot, backend.weight)).collect();
        let weights = || self.backends.iter().map(|&(_, weight)| weight);
        self.next = 0;
        self.step = weights().fold(0, greatest_common_divisor).max(1);
        // The last round lets in all that weigh 1 at least.
        self.most = (weights().max().unwrap_or(0) + 1).saturating_sub(self.step);
        if self.least > self.most || self.least == 0 {
            self.least = self.most;
        } else if self.step > 1 {
            self.least = self.least / self.step * self.step + 1;
        }
    }

    #[inline]
    fn pick(&mut self, _: &Question<'_>, _: &mut Stream) -> Option<u32> {
        if self.backends.is_empty() {
            return None;
        }
        loop {
            while let Some(&(slot, weight)) = self.backends.get(self.next) {
                self.next += 1;
                if weight >= self.least {
                    return Some(slot);
                }
            }
            self.next = 0;
            self.least = if self.least > self.step { self.least - self.step } else { self.most };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{backends, sent};
    use super::*;

    #[test]
    fn rounds_let_in_lighter_ones() {
        let mut balancer = IpvsWrr::default();
        balancer.set_backends(&backends(&[(0, 4), (1, 3), (2, 2)]));
        // Weights of at least 4, 3, 2, 1: 0 | 0 1 | 0 1 2 | 0 1 2.
        assert_eq!(sent(&mut balancer, 10), [0, 0, 1, 0, 1, 2, 0, 1, 2, 0]);
        let mut balancer = IpvsWrr::default();
        balancer.set_backends(&backends(&[(0, 4), (1, 2)]));
        // The divisor is 2: weights of at least 3 and 1.
        assert_eq!(sent(&mut balancer, 6), [0, 0, 1, 0, 0, 1]);
    }
}

//! `random`: any backend, each as likely as its weight is large.
//!
//! Parameters: none.
//!
//! Source: Envoy's random load balancer, and kube-proxy's iptables mode, whose rules choose with equal probability.
//! Cost: O(1) with equal weights, O(log n) otherwise.

use super::{AnyBalancer, Backend, Balancer, BalancerRow, Question};
use crate::policy::parameters;
use crate::rng::Stream;

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "random",
    aliases: &["iptables", "envoy-random"],
    summary: "any backend, by weight",
    source: "kube-proxy's iptables mode; Envoy's random",
    parameters: &[],
    follows_answers: false,
    asks_servers: false,
    build: |parameters| {
        parameters::none(parameters)?;
        Ok(AnyBalancer::Random(Box::default()))
    },
};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Random {
    slots: Vec<u32>,
    /// Sums of weights up to each backend; empty while all weights are equal.
    sums: Vec<u64>,
}

impl Balancer for Random {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.slots = backends.iter().map(|backend| backend.slot).collect();
        self.sums.clear();
        if backends.windows(2).any(|pair| pair[0].weight != pair[1].weight) {
            self.sums.extend(backends.iter().scan(0, |sum, backend| {
                *sum += u64::from(backend.weight);
                Some(*sum)
            }));
        }
    }

    #[inline]
    fn pick(&mut self, _: &Question<'_>, stream: &mut Stream) -> Option<u32> {
        let position = match self.sums.last() {
            _ if self.slots.len() < 2 => 0,
            None => stream.below(self.slots.len() as u64) as usize,
            Some(&total) => {
                let drawn = stream.below(total);
                self.sums.partition_point(|&sum| sum <= drawn)
            }
        };
        self.slots.get(position).copied()
    }
}

//! `random`: any backend, each as likely as its weight is large.
//!
//! Parameters: none.
//!
//! Source: nginx 1.31.5 `random` (`src/http/modules/ngx_http_upstream_random_module.c`). Its `max_fails` is not here.
//! Cost: O(1) with equal weights, O(log n) otherwise.

use super::members::are_equal;
use super::{AnyBalancer, Backend, Balancer, BalancerRow, Question};
use crate::policy::parameters;
use crate::rng::Stream;

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "random",
    aliases: &["nginx-random"],
    summary: "any backend, by weight",
    source: "nginx random",
    parameters: &[],
    follows_answers: false,
    asks_servers: false,
    weighs: true,
    build: |parameters| {
        parameters::none(parameters)?;
        Ok(AnyBalancer::Random(Box::new(Random::new(true))))
    },
};

/// See the module.
#[derive(Clone, Debug)]
pub struct Random {
    by_weight: bool,
    slots: Vec<u32>,
    /// Sums of weights up to each backend; empty while all are equally likely.
    sums: Vec<u64>,
}

impl Random {
    /// A balancer that knows weights, or one that does not.
    pub(super) fn new(by_weight: bool) -> Random {
        Random { by_weight, slots: Vec::new(), sums: Vec::new() }
    }
}

impl Balancer for Random {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.slots = backends.iter().map(|backend| backend.slot).collect();
        self.sums = if self.by_weight && !are_equal(backends) { sums(backends) } else { Vec::new() };
    }

    #[inline]
    fn pick(&mut self, _: &Question<'_>, stream: &mut Stream) -> Option<u32> {
        let position = match self.sums.is_empty() {
            _ if self.slots.len() < 2 => 0,
            true => stream.below(self.slots.len() as u64) as usize,
            false => drawn(&self.sums, stream),
        };
        self.slots.get(position).copied()
    }
}

/// Sums of weights up to each backend.
pub(super) fn sums(backends: &[Backend]) -> Vec<u64> {
    let mut sum = 0;
    let add = |backend: &Backend| {
        sum += u64::from(backend.weight);
        sum
    };
    backends.iter().map(add).collect()
}

/// A position, drawn by weight.
pub(super) fn drawn(sums: &[u64], stream: &mut Stream) -> usize {
    let drawn = stream.below(sums[sums.len() - 1]);
    sums.partition_point(|&sum| sum <= drawn)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{backends, question};
    use super::*;

    #[test]
    fn weights_are_odds_unless_they_are_not_looked_at() {
        // Of 40 000 draws with odds 1 : 3, 30 000 are expected with a standard deviation of 87; without weights 20 000.
        for (by_weight, expected) in [(true, 30_000.0), (false, 20_000.0)] {
            let mut balancer = Random::new(by_weight);
            balancer.set_backends(&backends(&[(2, 1), (5, 3)]));
            let mut stream = Stream::of_word(7);
            let picks = (0..40_000).filter(|_| balancer.pick(&question(0), &mut stream) == Some(5)).count();
            assert!((picks as f64 - expected).abs() < 500.0, "{picks}");
        }
    }
}

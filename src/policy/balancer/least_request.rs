//! `least-request`: the backend with the fewest requests in flight, as far as this balancer knows; of equals any.
//!
//! Parameters: none.
//!
//! Source: nginx `least_conn` and IPVS `lc` look at all backends; join-the-shortest-queue in the literature.
//! Cost: O(n) a pick over one dense column.

use super::{AnyBalancer, Backend, Balancer, BalancerRow, Question};
use crate::policy::parameters;
use crate::rng::Stream;
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "least-request",
    aliases: &["least-connections", "lc", "join-the-shortest-queue"],
    summary: "the backend with the fewest requests in flight",
    source: "nginx least_conn; IPVS lc",
    parameters: &[],
    follows_answers: true,
    asks_servers: false,
    build: |parameters| {
        parameters::none(parameters)?;
        Ok(AnyBalancer::LeastRequest(Box::default()))
    },
};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct LeastRequest {
    slots: Vec<u32>,
    in_flight: Vec<u32>,
}

impl Balancer for LeastRequest {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.slots = backends.iter().map(|backend| backend.slot).collect();
        let slots = self.slots.last().map_or(0, |&last| last as usize + 1);
        self.in_flight.resize(slots.max(self.in_flight.len()), 0);
    }

    fn pick(&mut self, _: &Question<'_>, stream: &mut Stream) -> Option<u32> {
        let least = self.slots.iter().map(|&slot| self.in_flight[slot as usize]).min()?;
        let equals = self.slots.iter().filter(|&&slot| self.in_flight[slot as usize] == least);
        let count = equals.clone().count();
        let chosen = if count < 2 { 0 } else { stream.below(count as u64) as usize };
        equals.copied().nth(chosen)
    }

    fn sent(&mut self, slot: u32, _: SimTime) {
        self.in_flight[slot as usize] += 1;
    }

    fn answered(&mut self, slot: u32, _: SimDuration, _: bool, _: SimTime) {
        self.in_flight[slot as usize] -= 1;
    }
}

//! `weighted-round-robin`: the backends in turn, heavier ones more often, as evenly spread as can be.
//!
//! At each pick every backend gains its weight; the one that then has most, of equals the first, is chosen and pays the
//! sum of all weights.
//!
//! Parameters: none.
//!
//! Source: smooth weighted round robin, nginx 1.31.5 `src/http/ngx_http_upstream_round_robin.c`, without what follows
//! failures there (see `nginx-round-robin`).
//! Cost: O(n) a pick over dense columns.

use super::peers::{FailureParameters, Peers};
use super::{AnyBalancer, Backend, Balancer, BalancerRow, Question};
use crate::policy::parameters;
use crate::rng::Stream;
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "weighted-round-robin",
    aliases: &["smooth-weighted-round-robin"],
    summary: "the backends in turn by weight, as evenly spread as can be",
    source: "nginx 1.31.5, smooth weighted round robin",
    parameters: &[],
    follows_answers: false,
    asks_servers: false,
    weighs: true,
    build: |parameters| {
        parameters::none(parameters)?;
        Ok(AnyBalancer::WeightedRoundRobin(Box::new(WeightedRoundRobin::new(FailureParameters::NONE))))
    },
};

/// See the module.
#[derive(Clone, Debug)]
pub struct WeightedRoundRobin {
    peers: Peers,
}

impl WeightedRoundRobin {
    pub(super) fn new(failure: FailureParameters) -> WeightedRoundRobin {
        WeightedRoundRobin { peers: Peers::new(failure) }
    }
}

impl Balancer for WeightedRoundRobin {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.peers.replace(backends);
    }

    #[inline]
    fn pick(&mut self, question: &Question<'_>, _: &mut Stream) -> Option<u32> {
        self.peers.round_robin(question.now)
    }

    #[inline]
    fn answered(&mut self, slot: u32, _: SimDuration, is_well: bool, now: SimTime) {
        self.peers.answered(slot, is_well, now);
    }
}

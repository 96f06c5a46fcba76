//! `nginx-hash-consistent`: the backend that comes next on a ring of hashes after the hash of the request's key, with 160
//! points for each unit of weight. Backends whose answers fail are left out for a while.
//!
//! If the backend is left out, the next point on the ring is asked, and after 20 of them round robin chooses.
//!
//! Parameters: `maxFails`, `failTimeout`.
//!
//! Source: nginx 1.31.5 `hash KEY consistent` (`src/http/modules/ngx_http_upstream_hash_module.c`), after Ketama. Upstream
//! hashes with CRC-32, here the 32 upper bits of SplitMix64 are taken. Failures and further deviations: `peers.rs`.
//! Cost: O(log ring) a pick; the first pick after a change of backends builds the ring.

use super::peers::{FAILURE_PARAMETERS, FailureParameters, Peers};
use super::ring_hash::{Ring, point};
use super::{AnyBalancer, Backend, Balancer, BalancerRow, Question};
use crate::rng::{Stream, split_mix};
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "nginx-hash-consistent",
    aliases: &["hash-consistent"],
    summary: "the next backend on a ring of hashes with 160 points for each unit of weight",
    source: "nginx 1.31.5 hash consistent",
    parameters: FAILURE_PARAMETERS,
    follows_answers: true,
    asks_servers: false,
    weighs: true,
    build: |parameters| {
        let peers = Peers::new(FailureParameters::read(parameters)?);
        Ok(AnyBalancer::NginxHashConsistent(Box::new(NginxHashConsistent { peers, ring: None })))
    },
};

const POINTS_PER_WEIGHT: u64 = 160;
const TRIES_MAX: usize = 20;

/// See the module.
#[derive(Clone, Debug)]
pub struct NginxHashConsistent {
    peers: Peers,
    /// None: backends have changed since it was built.
    ring: Option<Ring>,
}

fn ring(backends: &[Backend]) -> Ring {
    let points = backends.iter().enumerate().flat_map(|(owner, backend)| {
        let count = u64::from(backend.weight) * POINTS_PER_WEIGHT;
        (0..count).map(move |n| (point(backend.hash, n) >> 32, owner as u32))
    });
    Ring::new(points.collect())
}

impl Balancer for NginxHashConsistent {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.peers.replace(backends);
        self.ring = None;
    }

    fn pick(&mut self, question: &Question<'_>, _: &mut Stream) -> Option<u32> {
        if self.peers.members().len() < 2 {
            return self.peers.round_robin(question.now);
        }
        let ring = self.ring.get_or_insert_with(|| ring(self.peers.members().backends()));
        let place = ring.place(split_mix(question.key) >> 32);
        for place in place..=place + TRIES_MAX {
            let position = ring.owner(place);
            if self.peers.is_usable(position, question.now) {
                return Some(self.peers.chosen(position, question.now));
            }
        }
        self.peers.round_robin(question.now)
    }

    #[inline]
    fn answered(&mut self, slot: u32, _: SimDuration, is_well: bool, now: SimTime) {
        self.peers.answered(slot, is_well, now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, backends, question};
    use super::*;

    #[test]
    fn points_follow_weights_and_failures_lead_on() {
        let mut one = ROW.build(&serde_json::json!({})).expect("the defaults are right");
        let there = backends(&[(0, 1), (1, 2), (2, 1)]);
        let ring = ring(&there);
        let heavy = (0..ring.len()).filter(|&place| ring.owner(place) == 1).count();
        assert_eq!((ring.len(), heavy), (640, 320));
        // When one goes, no other's key moves.
        let fewer = self::ring(&backends(&[(0, 1), (1, 2)]));
        for hash in (0..2000).map(|key| split_mix(key) >> 32) {
            let owner = ring.owner(ring.place(hash));
            assert!(owner == 2 || owner == fewer.owner(fewer.place(hash)));
        }
        one.set_backends(&there);
        let mut stream = Stream::of_word(0);
        let first = one.pick(&question(5), &mut stream).expect("there are backends");
        one.answered(first, SimDuration::ZERO, false, at(0.0));
        let place = ring.place(split_mix(5) >> 32);
        let next = (place..).map(|place| ring.owner(place) as u32).find(|&owner| owner != first);
        assert_eq!(one.pick(&question(5), &mut stream), next);
    }
}

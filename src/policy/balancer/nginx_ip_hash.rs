//! `nginx-ip-hash`: the backend that a hash of the client's network says, by weight. Backends whose answers fail are left
//! out for a while.
//!
//! The hash begins with 89; each of the three bytes of the network makes it `(hash * 113 + byte) mod 6271`. Modulo the
//! sum of weights it falls on a backend. If that one is left out, the hash goes over the bytes again, and after 20
//! failures round robin chooses.
//!
//! Parameters: `maxFails`, `failTimeout`.
//!
//! Source: nginx 1.31.5 `ip_hash` (`src/http/modules/ngx_http_upstream_ip_hash_module.c`). Failures and deviations:
//! `peers.rs`; and the three bytes are the upper ones of SplitMix64 of the request's key, which is no address.
//! Cost: O(log n).

use super::peers::{FAILURE_PARAMETERS, FailureParameters, Peers};
use super::{AnyBalancer, Backend, Balancer, BalancerRow, Question};
use crate::rng::{Stream, split_mix};
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "nginx-ip-hash",
    aliases: &["ip_hash"],
    summary: "the backend that a hash of the request's key says, by weight; few keys stay when backends change",
    source: "nginx 1.31.5 ip_hash",
    parameters: FAILURE_PARAMETERS,
    follows_answers: true,
    asks_servers: false,
    weighs: true,
    build: |parameters| {
        let peers = Peers::new(FailureParameters::read(parameters)?);
        Ok(AnyBalancer::NginxIpHash(Box::new(NginxIpHash { peers })))
    },
};

const TRIES_MAX: u32 = 20;

/// See the module.
#[derive(Clone, Debug)]
pub struct NginxIpHash {
    peers: Peers,
}

/// The hash after going over the bytes once more.
fn rehashed(hash: u64, network: &[u8]) -> u64 {
    network.iter().fold(hash, |hash, &byte| (hash * 113 + u64::from(byte)) % 6271)
}

impl Balancer for NginxIpHash {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.peers.replace(backends);
    }

    fn pick(&mut self, question: &Question<'_>, _: &mut Stream) -> Option<u32> {
        if self.peers.members().len() < 2 {
            return self.peers.round_robin(question.now);
        }
        let address = split_mix(question.key).to_be_bytes();
        let (sums, mut hash) = (self.peers.sums(), 89);
        for _ in 0..=TRIES_MAX {
            hash = rehashed(hash, &address[..3]);
            let point = hash % sums[sums.len() - 1];
            let position = sums.partition_point(|&sum| sum <= point);
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
    fn the_hash_is_nginxs() {
        // 10.1.2.0/24: 89 * 113 + 10 = 10 067, mod 6271 = 3796; 3796 * 113 + 1 = 428 949, mod 6271 = 2521 (68 * 6271 =
        // 426 428); 2521 * 113 + 2 = 284 875, mod 6271 = 2680 (45 * 6271 = 282 195).
        assert_eq!(rehashed(89, &[10, 1, 2]), 2680);
    }

    #[test]
    fn a_key_stays_until_its_backend_fails() {
        let mut one = ROW.build(&serde_json::json!({})).expect("the defaults are right");
        one.set_backends(&backends(&[(0, 1), (1, 1), (2, 1)]));
        let mut stream = Stream::of_word(0);
        let first = one.pick(&question(77), &mut stream).expect("there are backends");
        assert!((0..5).all(|_| one.pick(&question(77), &mut stream) == Some(first)));
        one.answered(first, SimDuration::ZERO, false, at(0.0));
        assert_ne!(one.pick(&question(77), &mut stream), Some(first));
    }
}

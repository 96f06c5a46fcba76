//! `bounded-load`: `ring-hash`, but no backend gets more than its share of all requests in flight times a factor.
//!
//! A backend has room for `max(1, ceil(weight share * ceil((all in flight + 1) * hashBalanceFactor / 100)))` requests.
//! If the backend of the ring has more than that in flight, others are probed until one has not; if all have, the one
//! with the least for its room is taken.
//!
//! Parameters: `hashBalanceFactor`, `probing`, `minimumRingSize`, `maximumRingSize`.
//!
//! Source: Envoy `hash_balance_factor` of consistent hashing
//! (`source/extensions/load_balancing_policies/common/thread_aware_lb_impl.cc`; off by default there, 150 is the value that
//! its documentation explains), after Mirrokni, Thorup and Zadimoghaddam 2016. `random` probing is Envoy's, an order that the key decides
//! (there by a Mersenne twister, here by another generator), after Chen, Coleman and Shrivastava 2019; `ring` is the
//! paper's, on along the ring, where a backend is full when it has its room in flight rather than more. The ring is that
//! of `ring-hash`.
//! Cost: O(log ring) a pick while the first backend has room, O(n) for `random` probing, O(ring) for `ring` at worst.

use serde::Deserialize;

use super::members::{InFlight, Members};
use super::ring_hash::{MAXIMUM, MINIMUM, Ring, RingSize};
use super::{AnyBalancer, Backend, Balancer, BalancerRow, Parameter, Question};
use crate::policy::parameters;
use crate::rng::{Stream, split_mix};
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "bounded-load",
    aliases: &["bounded-load-consistent-hashing"],
    summary: "ring-hash, but no backend gets much more than its share of requests in flight",
    source: "Mirrokni et al. 2016; Envoy's hash_balance_factor",
    parameters: &[
        Parameter {
            name: "hashBalanceFactor",
            unit: "%",
            default: "150",
            meaning: "how much of the mean a backend may have in flight, 100 or more",
        },
        Parameter {
            name: "probing",
            unit: "",
            default: "random",
            meaning: "who is next: random (Envoy) or ring (paper)",
        },
        MINIMUM,
        MAXIMUM,
    ],
    follows_answers: true,
    asks_servers: false,
    weighs: true,
    build: |parameters| {
        let parameters: Params = parameters::read(parameters)?;
        parameters::require(parameters.hash_balance_factor >= 100, "`hashBalanceFactor` must be 100 or more")?;
        let (minimum_ring_size, maximum_ring_size) = (parameters.minimum_ring_size, parameters.maximum_ring_size);
        let size = RingSize { minimum_ring_size, maximum_ring_size }.checked()?;
        Ok(AnyBalancer::BoundedLoad(Box::new(BoundedLoad::new(&parameters, size))))
    },
};

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
enum Probing {
    Random,
    Ring,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct Params {
    hash_balance_factor: u32,
    probing: Probing,
    minimum_ring_size: u32,
    maximum_ring_size: u32,
}

impl Default for Params {
    fn default() -> Self {
        let RingSize { minimum_ring_size, maximum_ring_size } = RingSize::default();
        Params { hash_balance_factor: 150, probing: Probing::Random, minimum_ring_size, maximum_ring_size }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct BoundedLoad {
    hash_balance_factor: u32,
    probing: Probing,
    size: RingSize,
    members: Members,
    in_flight: InFlight,
    /// The part of all weight that each backend has.
    shares: Vec<f64>,
    /// None: backends have changed since it was built.
    ring: Option<Ring>,
    /// Positions of backends, for shuffling.
    order: Vec<usize>,
}

impl BoundedLoad {
    fn new(parameters: &Params, size: RingSize) -> BoundedLoad {
        BoundedLoad {
            hash_balance_factor: parameters.hash_balance_factor,
            probing: parameters.probing,
            size,
            members: Members::default(),
            in_flight: InFlight::default(),
            shares: Vec::new(),
            ring: None,
            order: Vec::new(),
        }
    }

    /// For how many requests a backend has room.
    fn room(&self, position: usize) -> u32 {
        let all = ((self.in_flight.all() + 1) * u64::from(self.hash_balance_factor)).div_ceil(100);
        ((all as f64 * self.shares[position]).ceil() as u32).max(1)
    }

    /// Which part of its room a backend has in flight.
    fn fullness(&self, position: usize) -> f64 {
        f64::from(self.in_flight.of(self.members.slot(position))) / f64::from(self.room(position))
    }

    /// Probes in an order that the hash decides. `first` has no room.
    fn probe_at_random(&mut self, first: usize, hash: u64) -> usize {
        let (mut stream, count) = (Stream::of_word(hash), self.members.len());
        let (mut least, mut least_full) = (first, self.fullness(first));
        self.order.clear();
        self.order.extend(0..count);
        for place in 0..count {
            let other = place + stream.below((count - place) as u64) as usize;
            self.order.swap(place, other);
            let position = self.order[place];
            let fullness = self.fullness(position);
            if fullness <= 1.0 {
                return position;
            }
            if fullness < least_full {
                (least, least_full) = (position, fullness);
            }
        }
        least
    }

    /// Goes on along the ring.
    fn probe_ring(&self, ring: &Ring, place: usize) -> usize {
        let mut owners = (place..place + ring.len()).map(|place| ring.owner(place));
        owners.find(|&owner| self.fullness(owner) < 1.0).unwrap_or_else(|| ring.owner(place))
    }
}

impl Balancer for BoundedLoad {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.members.replace(backends);
        self.in_flight.grow(backends);
        let sum: u64 = backends.iter().map(|backend| u64::from(backend.weight)).sum();
        self.shares = backends.iter().map(|backend| f64::from(backend.weight) / sum as f64).collect();
        self.ring = None;
    }

    fn pick(&mut self, question: &Question<'_>, _: &mut Stream) -> Option<u32> {
        if self.members.is_empty() {
            return None;
        }
        let ring = self.ring.take().unwrap_or_else(|| Ring::by_shares(self.members.backends(), self.size));
        let hash = split_mix(question.key);
        let place = ring.place(hash);
        let first = ring.owner(place);
        let position = match self.probing {
            Probing::Ring => self.probe_ring(&ring, place),
            Probing::Random if self.fullness(first) <= 1.0 => first,
            Probing::Random => self.probe_at_random(first, hash),
        };
        self.ring = Some(ring);
        Some(self.members.slot(position))
    }

    #[inline]
    fn sent(&mut self, slot: u32, _: SimTime) {
        self.in_flight.sent(slot);
    }

    #[inline]
    fn answered(&mut self, slot: u32, _: SimDuration, _: bool, _: SimTime) {
        self.in_flight.answered(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{backends, sent};
    use super::*;

    fn balancer(probing: &str) -> AnyBalancer {
        let mut one = ROW.build(&serde_json::json!({ "probing": probing })).expect("it is right");
        one.set_backends(&backends(&[(0, 1), (1, 1), (2, 1)]));
        one
    }

    #[test]
    fn one_key_fills_a_backend_and_spills() {
        // All requests have one key. Along the ring: with m in flight there are ceil(1.5 (m + 1)) places, a third for
        // each, rounded up: 1 for m = 0, 1; 2 for 2, 3; 3 for m = 4 (8 / 3), 5. At random a backend is over when it has
        // more than its room: m = 0, 1 -> the first (0 and 1 of 1); m = 2: 2 of 2; m = 3: 3 of 2, the second.
        for (probing, expected) in [("ring", [0, 1, 0, 1, 0, 1]), ("random", [0, 0, 0, 1, 0, 1])] {
            let picks = sent(&mut balancer(probing), 6);
            let second = picks.iter().copied().find(|&slot| slot != picks[0]);
            let ranks = picks.iter().map(|&slot| u32::from(slot != picks[0]));
            assert_eq!(ranks.collect::<Vec<_>>(), expected, "{probing}: {picks:?}");
            assert!(picks.iter().all(|&slot| slot == picks[0] || Some(slot) == second), "{probing}: {picks:?}");
        }
    }

    #[test]
    fn nobody_has_much_more_than_the_bound() {
        for (probing, slack) in [("ring", 0), ("random", 1)] {
            let picks = sent(&mut balancer(probing), 3000);
            let most = (0..3).map(|slot| picks.iter().filter(|&&pick| pick == slot).count()).max();
            // 1.5 times the mean of 1000.
            assert!(most.is_some_and(|most| (1400..=1500 + slack).contains(&most)), "{probing}: {most:?}");
        }
    }
}

//! `ring-hash`: the backend that comes next on a ring of hashes after the hash of the request's key.
//!
//! Every backend has points on the ring, heavier ones more: as many that the lightest has a whole number of them and the
//! ring at least `minimumRingSize`. When a backend comes or goes, its keys move, and some more as the others get more or
//! fewer points.
//!
//! Parameters: `minimumRingSize`, `maximumRingSize`.
//!
//! Source: Envoy `ring_hash` (`source/extensions/load_balancing_policies/ring_hash/ring_hash_lb.{h,cc}`), after Karger et
//! al. 1997 and Ketama. Upstream hashes names and keys with xxHash64, here hashes of names and keys go through SplitMix64.
//! Cost: O(log ring) a pick; the first pick after a change of backends builds the ring.

use serde::Deserialize;

use super::members::Members;
use super::{AnyBalancer, Backend, Balancer, BalancerRow, Parameter, Question};
use crate::policy::parameters::{self, ParameterError};
use crate::rng::{Stream, split_mix};

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "ring-hash",
    aliases: &["ketama", "envoy-ring-hash", "RING_HASH"],
    summary: "the next backend on a ring of hashes; few keys move when backends change",
    source: "Envoy's RING_HASH; Karger et al. 1997",
    parameters: &[MINIMUM, MAXIMUM],
    follows_answers: false,
    asks_servers: false,
    weighs: true,
    build: |parameters| {
        let size: RingSize = parameters::read(parameters)?;
        Ok(AnyBalancer::RingHash(Box::new(RingHash::new(size.checked()?))))
    },
};

/// How `minimumRingSize` is listed.
pub(super) const MINIMUM: Parameter = Parameter {
    name: "minimumRingSize",
    unit: "",
    default: "1024",
    meaning: "points on the ring at least, 1 to 8388608",
};
/// How `maximumRingSize` is listed.
pub(super) const MAXIMUM: Parameter = Parameter {
    name: "maximumRingSize",
    unit: "",
    default: "8388608",
    meaning: "points on the ring at most, from the minimum to 8388608",
};

const SIZE_MAX: u32 = 1 << 23;

/// How many points a ring has.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub(super) struct RingSize {
    pub(super) minimum_ring_size: u32,
    pub(super) maximum_ring_size: u32,
}

impl Default for RingSize {
    fn default() -> Self {
        RingSize { minimum_ring_size: 1024, maximum_ring_size: SIZE_MAX }
    }
}

impl RingSize {
    /// The size, if it is in its range.
    pub(super) fn checked(self) -> Result<RingSize, ParameterError> {
        let RingSize { minimum_ring_size: minimum, maximum_ring_size: maximum } = self;
        parameters::require((1..=SIZE_MAX).contains(&minimum), "`minimumRingSize` must be 1 to 8388608")?;
        let is_in_range = (minimum..=SIZE_MAX).contains(&maximum);
        parameters::require(is_in_range, "`maximumRingSize` must be between `minimumRingSize` and 8388608")?;
        Ok(self)
    }
}

/// Points with their owners, in order of the points.
#[derive(Clone, Debug, Default)]
pub(super) struct Ring {
    points: Vec<u64>,
    /// Positions of backends.
    owners: Vec<u32>,
}

impl Ring {
    pub(super) fn new(mut points: Vec<(u64, u32)>) -> Ring {
        points.sort_unstable();
        let (points, owners) = points.into_iter().unzip();
        Ring { points, owners }
    }

    /// Envoy's ring: a walk over the backends that keeps the sum of points as near to their share as can be.
    pub(super) fn by_shares(backends: &[Backend], size: RingSize) -> Ring {
        let sum: u64 = backends.iter().map(|backend| u64::from(backend.weight)).sum();
        let share = |backend: &Backend| f64::from(backend.weight) / sum as f64;
        let least = backends.iter().map(share).fold(1.0, f64::min);
        let whole = (least * f64::from(size.minimum_ring_size)).ceil() / least;
        let scale = whole.min(f64::from(size.maximum_ring_size));
        let (mut points, mut wanted) = (Vec::with_capacity(scale.ceil() as usize), 0.0);
        for (owner, backend) in backends.iter().enumerate() {
            wanted += scale * share(backend);
            let before = points.len();
            while (points.len() as f64) < wanted {
                points.push((point(backend.hash, (points.len() - before) as u64), owner as u32));
            }
        }
        Ring::new(points)
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    /// The place of the first point that is not before the hash; after the last comes the first.
    #[inline]
    pub(super) fn place(&self, hash: u64) -> usize {
        let place = self.points.partition_point(|&point| point < hash);
        if place == self.points.len() { 0 } else { place }
    }

    /// Which backend a place belongs to; places go round.
    #[inline]
    pub(super) fn owner(&self, place: usize) -> usize {
        self.owners[place % self.owners.len()] as usize
    }
}

/// The hash of a backend's n-th point.
pub(super) fn point(backend: u64, n: u64) -> u64 {
    split_mix(backend ^ split_mix(n))
}

/// See the module.
#[derive(Clone, Debug)]
pub struct RingHash {
    size: RingSize,
    members: Members,
    /// None: backends have changed since it was built.
    ring: Option<Ring>,
}

impl RingHash {
    pub(super) fn new(size: RingSize) -> RingHash {
        RingHash { size, members: Members::default(), ring: None }
    }
}

impl Balancer for RingHash {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.members.replace(backends);
        self.ring = None;
    }

    #[inline]
    fn pick(&mut self, question: &Question<'_>, _: &mut Stream) -> Option<u32> {
        if self.members.is_empty() {
            return None;
        }
        let ring = self.ring.get_or_insert_with(|| Ring::by_shares(self.members.backends(), self.size));
        Some(self.members.slot(ring.owner(ring.place(split_mix(question.key)))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{backends, question};
    use super::*;

    fn points(weights: &[(u32, u32)], size: RingSize) -> Vec<usize> {
        let ring = Ring::by_shares(&backends(weights), size);
        (0..weights.len()).map(|owner| (0..ring.len()).filter(|&place| ring.owner(place) == owner).count()).collect()
    }

    #[test]
    fn rings_have_the_points_that_envoy_gives_them() {
        // Shares of a third need 342 points each, which makes 1026.
        assert_eq!(points(&[(0, 1), (1, 1), (2, 1)], RingSize::default()), [342, 342, 342]);
        // The lightest one, a quarter, has 256 of 1024.
        assert_eq!(points(&[(0, 1), (4, 3)], RingSize::default()), [256, 768]);
        // Upstream's example: 6 points for 4 backends, 1.5 each, are 2, 1, 2 and 1.
        let size = RingSize { minimum_ring_size: 6, maximum_ring_size: 6 };
        assert_eq!(points(&[(0, 1), (1, 1), (2, 1), (3, 1)], size), [2, 1, 2, 1]);
    }

    #[test]
    fn places_go_round() {
        let ring = Ring::new(vec![(30, 1), (10, 0), (20, 2)]);
        for (hash, owner) in [(0, 0), (10, 0), (11, 2), (20, 2), (21, 1), (30, 1), (31, 0), (u64::MAX, 0)] {
            assert_eq!(ring.owner(ring.place(hash)), owner, "{hash}");
        }
    }

    #[test]
    fn few_other_keys_move_with_a_backend_that_goes() {
        let mut balancer = RingHash::new(RingSize::default());
        let picks = |balancer: &mut RingHash| -> Vec<Option<u32>> {
            (0..2000).map(|key| balancer.pick(&question(key), &mut Stream::of_word(0))).collect()
        };
        balancer.set_backends(&backends(&[(0, 1), (1, 1), (2, 1), (3, 1)]));
        let before = picks(&mut balancer);
        balancer.set_backends(&backends(&[(0, 1), (1, 1), (3, 1)]));
        // The others have 342 points instead of 256 each. The new ones are a quarter of the ring; two thirds of what they
        // take belonged to others, and three quarters of that not to the one that has gone: an eighth of all keys.
        let moved = before.iter().zip(&picks(&mut balancer)).filter(|(a, b)| a != b && **a != Some(2)).count();
        assert!(moved.abs_diff(250) < 100, "{moved}");
    }
}

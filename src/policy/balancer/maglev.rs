//! `maglev`: the backend that stands in a large table at the hash of the request's key.
//!
//! Every backend has its own order in which it would like the places of the table; in turn, heavier ones more often, each
//! takes the first free place of its order. Backends have their share of the table to one place, and few keys move when
//! backends change.
//!
//! Parameters: `tableSize`.
//!
//! Source: Envoy `maglev` (`source/extensions/load_balancing_policies/maglev/maglev_lb.{h,cc}`), after Eisenbud et al.
//! 2016, "Maglev", section 3.4. Upstream hashes names and keys with xxHash64 and has its turns in order of names; here
//! hashes of names and keys go through SplitMix64, and turns are in order of the hashes of names.
//! Cost: O(1) a pick; the first pick after a change of backends fills the table, 4 bytes a place.

use serde::Deserialize;

use super::{AnyBalancer, Backend, Balancer, BalancerRow, Parameter, Question};
use crate::policy::parameters;
use crate::rng::{Stream, split_mix};

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "maglev",
    aliases: &["envoy-maglev", "MAGLEV"],
    summary: "the backend in a large table at the hash of the request's key; few keys move when backends change",
    source: "Envoy's MAGLEV; Eisenbud et al. 2016",
    parameters: &[Parameter {
        name: "tableSize",
        unit: "",
        default: "65537",
        meaning: "places in the table, a prime number up to 5000011",
    }],
    follows_answers: false,
    asks_servers: false,
    weighs: true,
    build: |parameters| {
        let Params { table_size } = parameters::read(parameters)?;
        let is_right = table_size <= TABLE_MAX && is_prime(table_size);
        parameters::require(is_right, "`tableSize` must be a prime number up to 5000011")?;
        Ok(AnyBalancer::Maglev(Box::new(Maglev::new(table_size))))
    },
};

const TABLE_MAX: u32 = 5_000_011;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct Params {
    table_size: u32,
}

impl Default for Params {
    fn default() -> Self {
        Params { table_size: 65_537 }
    }
}

fn is_prime(number: u32) -> bool {
    number > 1 && (2..).take_while(|divisor| divisor * divisor <= number).all(|divisor| !number.is_multiple_of(divisor))
}

/// A place of the table that nobody has.
const FREE: u32 = u32::MAX;

/// The order in which a backend would like the places of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wishes {
    place: u32,
    skip: u32,
}

impl Wishes {
    /// Of a backend whose name has that hash. The size is a prime number, so that every place has its turn.
    pub(super) fn new(hash: u64, size: u32) -> Wishes {
        let (first, second) = (split_mix(hash), split_mix(split_mix(hash)));
        let skip = if size < 2 { 0 } else { second % u64::from(size - 1) + 1 };
        Wishes { place: (first % u64::from(size)) as u32, skip: skip as u32 }
    }

    /// Takes the first free place.
    pub(super) fn take(&mut self, table: &mut [u32], slot: u32) {
        let size = table.len() as u32;
        while table[self.place as usize] != FREE {
            self.place += self.skip;
            self.place -= if self.place >= size { size } else { 0 };
        }
        table[self.place as usize] = slot;
    }
}

/// A table without anybody.
pub(super) fn free_table(size: u32) -> Vec<u32> {
    vec![FREE; size as usize]
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Maglev {
    table_size: u32,
    backends: Vec<Backend>,
    /// Slots; empty: backends have changed since it was filled.
    table: Vec<u32>,
}

impl Maglev {
    fn new(table_size: u32) -> Maglev {
        Maglev { table_size, backends: Vec::new(), table: Vec::new() }
    }

    fn filled(&self) -> Vec<u32> {
        let mut in_turn = self.backends.clone();
        in_turn.sort_by_key(|backend| backend.hash);
        let heaviest = in_turn.iter().map(|backend| u64::from(backend.weight)).max().unwrap_or(1);
        let wishes = |backend: &Backend| (*backend, Wishes::new(backend.hash, self.table_size), 0u64);
        let mut entries: Vec<(Backend, Wishes, u64)> = in_turn.iter().map(wishes).collect();
        let (mut table, mut left) = (free_table(self.table_size), self.table_size);
        // One with a third of the heaviest weight has its turn in every third round.
        for round in 1u64.. {
            for (backend, wishes, due) in &mut entries {
                if left == 0 {
                    return table;
                }
                if round * u64::from(backend.weight) >= *due {
                    *due += heaviest;
                    wishes.take(&mut table, backend.slot);
                    left -= 1;
                }
            }
        }
        table
    }
}

impl Balancer for Maglev {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.backends = backends.to_vec();
        self.table.clear();
    }

    #[inline]
    fn pick(&mut self, question: &Question<'_>, _: &mut Stream) -> Option<u32> {
        if self.table.is_empty() {
            if self.backends.is_empty() {
                return None;
            }
            self.table = self.filled();
        }
        Some(self.table[(split_mix(question.key) % self.table.len() as u64) as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::backends;
    use super::*;

    #[test]
    fn wishes_are_taken_in_turn() {
        // The paper's example: 7 places; offsets 3, 0 and 3, skips 4, 2 and 1; B0 B1 B2 in turn. B0: 3; B1: 0; B2: 3 is
        // taken, 4; B0: 0, 4, 1 -> 1 (3+4=0 taken, 4 taken, 1); B1: 2; B2: 5; B0: 5, 2, 6 -> 6.
        let mut wishes = [(3, 4), (0, 2), (3, 1)].map(|(place, skip)| Wishes { place, skip });
        let mut table = free_table(7);
        for turn in 0..7 {
            wishes[turn % 3].take(&mut table, (turn % 3) as u32);
        }
        assert_eq!(table, [1, 0, 1, 0, 2, 2, 0]);
    }

    #[test]
    fn shares_follow_weights_and_few_places_move() {
        let filled = |of: &[(u32, u32)]| {
            let mut balancer = Maglev::new(65_537);
            balancer.set_backends(&backends(of));
            balancer.filled()
        };
        let count = |table: &[u32], slot: u32| table.iter().filter(|&&owner| owner == slot).count();
        let before = filled(&[(0, 1), (1, 1), (2, 2), (3, 4)]);
        // Of 65 537 places an eighth is 8192.1.
        for (slot, share) in [(0, 8192), (1, 8192), (2, 16_384), (3, 32_768)] {
            assert!(count(&before, slot).abs_diff(share) <= 2, "{}", count(&before, slot));
        }
        let equal = |slots: &[u32]| filled(&slots.iter().map(|&slot| (slot, 1)).collect::<Vec<_>>());
        let (all, fewer) = (equal(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), equal(&[0, 1, 2, 3, 4, 5, 6, 7, 8]));
        // A tenth of the places loses its owner; few others move (the paper's figure 12 has some percent).
        let moved = all.iter().zip(&fewer).filter(|(a, b)| a != b && **a != 9).count();
        assert!(moved < 65_537 / 10, "{moved}");
    }

    #[test]
    fn primes_are_told_apart() {
        assert_eq!((0..30).filter(|&n| is_prime(n)).collect::<Vec<_>>(), [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
        assert!(is_prime(65_537) && is_prime(TABLE_MAX) && !is_prime(65_535));
    }
}

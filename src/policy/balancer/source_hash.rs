//! `source-hash`: the backend that stands in a table of 256 at the hash of the request's key.
//!
//! The table holds the backends in turn, each as many times in a row as it weighs, until it is full.
//!
//! Parameters: `tableBits`.
//!
//! Source: IPVS `sh` (Linux `net/netfilter/ipvs/ip_vs_sh.c` with `hash_32` of `include/linux/hash.h`). Upstream hashes
//! the source address and, if told so, the port; here the two halves of the key, folded, stand for the address.
//! Upstream's list has the newest backend first; here it is in order of slots.
//! Cost: O(1); a change of backends costs the table.

use serde::Deserialize;

use super::{AnyBalancer, Backend, Balancer, BalancerRow, Parameter, Question};
use crate::policy::parameters;
use crate::rng::Stream;

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "source-hash",
    aliases: &["sh", "ipvs-sh"],
    summary: "the backend in a table at the hash of the request's key; most keys move when backends change",
    source: "IPVS sh",
    parameters: &[Parameter {
        name: "tableBits",
        unit: "",
        default: "8",
        meaning: "the table has 2 to the power of that many places, 4 to 16",
    }],
    follows_answers: false,
    asks_servers: false,
    weighs: true,
    build: |parameters| {
        let Params { table_bits } = parameters::read(parameters)?;
        parameters::require((4..=16).contains(&table_bits), "`tableBits` must be 4 to 16")?;
        Ok(AnyBalancer::SourceHash(Box::new(SourceHash { table_bits, table: Vec::new() })))
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct Params {
    table_bits: u32,
}

impl Default for Params {
    fn default() -> Self {
        Params { table_bits: 8 }
    }
}

/// The golden ratio's share of 2^32, as in Linux `include/linux/hash.h`.
const GOLDEN_RATIO: u32 = 0x61c8_8647;

/// See the module.
#[derive(Clone, Debug)]
pub struct SourceHash {
    table_bits: u32,
    /// Slots; empty without backends.
    table: Vec<u32>,
}

impl Balancer for SourceHash {
    fn set_backends(&mut self, backends: &[Backend]) {
        let repeated = |backend: &Backend| std::iter::repeat_n(backend.slot, backend.weight as usize);
        let in_turn = backends.iter().cycle().flat_map(repeated);
        self.table = in_turn.take(1 << self.table_bits).collect();
    }

    #[inline]
    fn pick(&mut self, question: &Question<'_>, _: &mut Stream) -> Option<u32> {
        let address = (question.key ^ (question.key >> 32)) as u32;
        let place = address.wrapping_mul(GOLDEN_RATIO) >> (32 - self.table_bits);
        self.table.get(place as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{backends, question};
    use super::*;

    #[test]
    fn the_table_holds_backends_in_turn() {
        let mut balancer = SourceHash { table_bits: 8, table: Vec::new() };
        balancer.set_backends(&backends(&[(0, 1), (3, 2)]));
        assert_eq!(balancer.table[..7], [0, 3, 3, 0, 3, 3, 0]);
        assert_eq!(balancer.table.len(), 256);
        // 1 * 0x61c88647 and 2 * 0x61c88647 = 0xc3910c8e begin with 0x61 = 97 = 32 * 3 + 1 and 0xc3 = 195 = 65 * 3.
        let mut pick = |key| balancer.pick(&question(key), &mut Stream::of_word(0));
        assert_eq!((pick(0), pick(1), pick(2)), (Some(0), Some(3), Some(0)));
        // The key's halves are folded: 2^32 is 1.
        assert_eq!(pick(1 << 32), Some(3));
    }
}

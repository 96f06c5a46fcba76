//! `ipvs-mh`: `maglev` with a table of 4093 places, where a backend has its turns of a round in a row.
//!
//! A backend has as many turns in a row as it weighs, after weights are divided by their greatest common divisor and
//! halved until the largest is below 64, and one at least.
//!
//! Parameters: none.
//!
//! Source: IPVS `mh` (Linux `net/netfilter/ipvs/ip_vs_mh.c`, `CONFIG_IP_VS_MH_TAB_INDEX` 12). Upstream hashes addresses
//! with a keyed SipHash, here hashes of names and keys go through SplitMix64; its flags `mh-fallback` and `mh-port` are
//! not here. Upstream's list has the newest backend first; here it is in order of slots.
//! Cost: O(1) a pick; the first pick after a change of backends fills the table.

use super::ipvs_wrr::greatest_common_divisor;
use super::maglev::{Wishes, free_table};
use super::{AnyBalancer, Backend, Balancer, BalancerRow, Question};
use crate::policy::parameters;
use crate::rng::{Stream, split_mix};

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "ipvs-mh",
    aliases: &["mh"],
    summary: "maglev with a table of 4093 places",
    source: "IPVS mh",
    parameters: &[],
    follows_answers: false,
    asks_servers: false,
    weighs: true,
    build: |parameters| {
        parameters::none(parameters)?;
        Ok(AnyBalancer::IpvsMh(Box::default()))
    },
};

const TABLE_SIZE: u32 = 4093;
/// Turns in a row have at most that many bits.
const TURN_BITS: u32 = 6;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct IpvsMh {
    backends: Vec<Backend>,
    /// Slots; empty: backends have changed since it was filled.
    table: Vec<u32>,
}

/// How many turns in a row each backend has.
fn turns(backends: &[Backend]) -> Vec<u32> {
    let divisor = backends.iter().map(|backend| backend.weight).fold(0, greatest_common_divisor).max(1);
    let most = backends.iter().map(|backend| backend.weight / divisor).max().unwrap_or(0);
    let shift = (u32::BITS - most.leading_zeros()).saturating_sub(TURN_BITS);
    backends.iter().map(|backend| ((backend.weight / divisor) >> shift).max(1)).collect()
}

fn filled(backends: &[Backend]) -> Vec<u32> {
    let mut wishes: Vec<Wishes> = backends.iter().map(|backend| Wishes::new(backend.hash, TABLE_SIZE)).collect();
    let turns = turns(backends);
    let mut table = free_table(TABLE_SIZE);
    let row = |position: usize| std::iter::repeat_n(position, turns[position] as usize);
    for position in (0..backends.len()).cycle().flat_map(row).take(TABLE_SIZE as usize) {
        wishes[position].take(&mut table, backends[position].slot);
    }
    table
}

impl Balancer for IpvsMh {
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
            self.table = filled(&self.backends);
        }
        Some(self.table[(split_mix(question.key) % u64::from(TABLE_SIZE)) as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::backends;
    use super::*;

    #[test]
    fn turns_follow_weights() {
        // The divisor is 10: 1, 2 and 3.
        assert_eq!(turns(&backends(&[(0, 10), (1, 20), (2, 30)])), [1, 2, 3]);
        // 1000 has 10 bits, which are shifted by 4: 62; 5 and 17 become 0, which is 1, and 1.
        assert_eq!(turns(&backends(&[(0, 1000), (1, 5), (2, 17)])), [62, 1, 1]);
        let table = filled(&backends(&[(0, 1), (1, 3)]));
        // 4093 = 1023 rounds of 4, and one place more for the first.
        assert_eq!(table.iter().filter(|&&slot| slot == 0).count(), 1024);
    }
}

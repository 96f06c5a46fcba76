//! `ipvs-lc`: the backend with the fewest requests in flight, of equals the first; weights are not looked at.
//!
//! Parameters: none.
//!
//! Source: IPVS `lc` (Linux `net/netfilter/ipvs/ip_vs_lc.c`).
//! Cost: O(1) a pick, O(log n) a request sent or answered.

use super::least_ratio::{LeastRatio, Rule};
use super::{AnyBalancer, BalancerRow};
use crate::policy::parameters;

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "ipvs-lc",
    aliases: &["lc"],
    summary: "the backend with the fewest requests in flight, of equals the first",
    source: "IPVS lc",
    parameters: &[],
    follows_answers: true,
    asks_servers: false,
    weighs: false,
    build: |parameters| {
        parameters::none(parameters)?;
        Ok(AnyBalancer::LeastRatio(Box::new(LeastRatio::new(Rule::Count))))
    },
};

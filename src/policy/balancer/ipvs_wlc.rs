//! `ipvs-wlc`: the backend with the fewest requests in flight for its weight, of equals the first.
//!
//! Parameters: none.
//!
//! Source: IPVS `wlc` (Linux `net/netfilter/ipvs/ip_vs_wlc.c`).
//! Cost: O(1) a pick, O(log n) a request sent or answered.

use super::least_ratio::{LeastRatio, Rule};
use super::{AnyBalancer, BalancerRow};
use crate::policy::parameters;

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "ipvs-wlc",
    aliases: &["wlc"],
    summary: "the backend with the fewest requests in flight for its weight, of equals the first",
    source: "IPVS wlc",
    parameters: &[],
    follows_answers: true,
    asks_servers: false,
    weighs: true,
    build: |parameters| {
        parameters::none(parameters)?;
        Ok(AnyBalancer::LeastRatio(Box::new(LeastRatio::new(Rule::Ratio))))
    },
};

//! `shortest-expected-delay`: the backend with the least (requests in flight + 1) / weight, of equals the first.
//!
//! Parameters: none.
//!
//! Source: IPVS `sed` (Linux `net/netfilter/ipvs/ip_vs_sed.c`), after Weinrib and Shenker 1988.
//! Cost: O(1) a pick, O(log n) a request sent or answered.

use super::least_ratio::{LeastRatio, Rule};
use super::{AnyBalancer, BalancerRow};
use crate::policy::parameters;

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "shortest-expected-delay",
    aliases: &["sed", "ipvs-sed"],
    summary: "the backend with the least (requests in flight + 1) / weight, of equals the first",
    source: "IPVS sed; Weinrib and Shenker 1988",
    parameters: &[],
    follows_answers: true,
    asks_servers: false,
    weighs: true,
    build: |parameters| {
        parameters::none(parameters)?;
        Ok(AnyBalancer::LeastRatio(Box::new(LeastRatio::new(Rule::Delay))))
    },
};

//! `never-queue`: the first backend with nothing in flight; if there is none, as `shortest-expected-delay`.
//!
//! Parameters: none.
//!
//! Source: IPVS `nq` (Linux `net/netfilter/ipvs/ip_vs_nq.c`), after Weinrib and Shenker 1988.
//! Cost: O(1) a pick, O(log n) a request sent or answered.

use super::least_ratio::{LeastRatio, Rule};
use super::{AnyBalancer, BalancerRow};
use crate::policy::parameters;

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "never-queue",
    aliases: &["nq", "ipvs-nq"],
    summary: "the first backend with nothing in flight, else as shortest-expected-delay",
    source: "IPVS nq; Weinrib and Shenker 1988",
    parameters: &[],
    follows_answers: true,
    asks_servers: false,
    weighs: true,
    build: |parameters| {
        parameters::none(parameters)?;
        Ok(AnyBalancer::LeastRatio(Box::new(LeastRatio::new(Rule::NeverQueue))))
    },
};

//! `nginx-round-robin`: `weighted-round-robin`, and backends whose answers fail are left out for a while.
//!
//! Parameters: `maxFails`, `failTimeout`.
//!
//! Source: nginx 1.31.5 `src/http/ngx_http_upstream_round_robin.c`, what an upstream does without any directive.
//! Failures and deviations: `peers.rs`.
//! Cost: O(n) a pick over dense columns.

use super::peers::{FAILURE_PARAMETERS, FailureParameters};
use super::weighted_round_robin::WeightedRoundRobin;
use super::{AnyBalancer, BalancerRow};

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "nginx-round-robin",
    aliases: &["nginx"],
    summary: "weighted-round-robin; backends that failed are left out for a while",
    source: "nginx 1.31.5, the default of an upstream",
    parameters: FAILURE_PARAMETERS,
    follows_answers: true,
    asks_servers: false,
    weighs: true,
    build: |parameters| {
        let failure = FailureParameters::read(parameters)?;
        Ok(AnyBalancer::WeightedRoundRobin(Box::new(WeightedRoundRobin::new(failure))))
    },
};

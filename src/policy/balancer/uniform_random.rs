//! `uniform-random`: any backend, all equally likely.
//!
//! Parameters: none.
//!
//! Source: kube-proxy of Kubernetes v1.37.0: `pkg/proxy/iptables/proxier.go` (rules in a row, the i-th of n taken with
//! probability 1 / (n - i)) and `pkg/proxy/nftables/proxier.go` (`numgen random mod n`); Envoy's random load balancer,
//! which does not look at weights either. Kube-proxy decides once for a connection, and probabilities of iptables are
//! rounded to 10 digits; here every request is decided for itself.
//! Cost: O(1).

use super::random::Random;
use super::{AnyBalancer, BalancerRow};
use crate::policy::parameters;

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "uniform-random",
    aliases: &["iptables", "nftables", "kube-proxy", "envoy-random", "RANDOM"],
    summary: "any backend, all equally likely",
    source: "kube-proxy v1.37.0, modes iptables and nftables; Envoy's RANDOM",
    parameters: &[],
    follows_answers: false,
    asks_servers: false,
    weighs: false,
    build: |parameters| {
        parameters::none(parameters)?;
        Ok(AnyBalancer::Random(Box::new(Random::new(false))))
    },
};

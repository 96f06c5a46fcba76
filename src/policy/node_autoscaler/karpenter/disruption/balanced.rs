//! The policy `Balanced`: a move must save enough for what it disrupts.
//!
//! Source: `balanced.go` and `designs/balanced-consolidation.md` of Karpenter v1.15.0. A move's score is the share of the
//! pool's cost that it saves over the share of the pool's disruption cost that it takes; it is made from a half on.

use std::collections::BTreeMap;

use super::super::node_pool::ConsolidationPolicy;
use super::super::scheduler::Environment;
use super::{Candidate, Command};

/// `BalancedK`: a move is made from a score of one over this on. The smallest number with which a pool's node can be
/// replaced by one of half its size.
pub const BALANCED_K: f64 = 2.0;

/// What a pool costs altogether.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PoolTotals {
    /// What all its nodes cost in US dollars per hour.
    pub usd_per_hour: f64,
    /// What it would cost to move all its pods.
    pub disruption_cost: f64,
}

/// What a move saves and what it disrupts, as shares of its pool.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// The share of the pool's cost that is saved.
    pub savings_fraction: f64,
    /// The share of the pool's disruption cost that is taken.
    pub disruption_fraction: f64,
}

impl Score {
    /// The score of a move (`ScoreMove`); 0 where the pool costs nothing.
    pub fn new(savings: f64, disruption_cost: f64, totals: PoolTotals) -> Score {
        if totals.usd_per_hour <= 0.0 || totals.disruption_cost <= 0.0 {
            return Score::default();
        }
        Score {
            savings_fraction: savings / totals.usd_per_hour,
            disruption_fraction: disruption_cost / totals.disruption_cost,
        }
    }

    /// Savings over disruption; 0 where nothing is saved, infinite where nothing is disrupted.
    pub fn value(self) -> f64 {
        if self.savings_fraction <= 0.0 {
            0.0
        } else if self.disruption_fraction == 0.0 {
            f64::INFINITY
        } else {
            self.savings_fraction / self.disruption_fraction
        }
    }

    /// Whether the move is made.
    pub fn is_approved(self) -> bool {
        self.value() >= 1.0 / BALANCED_K
    }
}

/// What pools cost, by position: prices and disruption costs of all their nodes, whether candidates or not.
pub fn totals(pools: usize, nodes: impl IntoIterator<Item = (usize, f64, f64)>) -> Vec<PoolTotals> {
    let mut totals = vec![PoolTotals::default(); pools];
    for (pool, usd_per_hour, disruption_cost) in nodes {
        totals[pool].usd_per_hour += usd_per_hour;
        totals[pool].disruption_cost += disruption_cost;
    }
    totals
}

/// Whether a node could go under its pool's policy in the best of cases: that nothing has to be bought for it
/// (`CanPassThreshold`).
pub fn can_pass(candidate: &Candidate, environment: &Environment, totals: &[PoolTotals]) -> bool {
    let of_pool = totals[candidate.pool];
    !is_balanced(environment, candidate.pool)
        || of_pool.usd_per_hour <= 0.0
        || Score::new(candidate.usd_per_hour, candidate.disruption_cost, of_pool).is_approved()
}

fn is_balanced(environment: &Environment, pool: usize) -> bool {
    environment.pools[pool].0.disruption.policy == ConsolidationPolicy::Balanced
}

/// Whether every pool with this policy approves of a move (`EvaluateBalancedMove`). Savings are attributed to pools by what
/// their nodes cost.
pub fn approves(
    command: &Command,
    candidates: &[&Candidate],
    environment: &Environment,
    totals: &[PoolTotals],
) -> bool {
    let mut by_pool: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for candidate in candidates {
        let (cost, disruption) = by_pool.entry(candidate.pool).or_default();
        *cost += candidate.usd_per_hour;
        *disruption += candidate.disruption_cost;
    }
    let cost: f64 = candidates.iter().map(|candidate| candidate.usd_per_hour).sum();
    let savings = cost - replacement_cost(command, environment);
    let is_shared = cost > 0.0 && by_pool.len() > 1;
    by_pool.iter().filter(|(pool, _)| is_balanced(environment, **pool)).all(|(pool, (of_pool, disruption))| {
        let savings = if is_shared { savings * (of_pool / cost) } else { savings };
        Score::new(savings, *disruption, totals[*pool]).is_approved()
    })
}

/// What the nodes to buy will cost: the cheapest offering of the first type of each (`EstimatedSavings`).
pub fn replacement_cost(command: &Command, environment: &Environment) -> f64 {
    let cost = |node: &super::NewNode| {
        let first = &environment.pools[node.pool].1[*node.types.first()?];
        let price = first.cheapest_price(&node.requirements, &environment.well_known);
        (price < f64::MAX).then_some(price)
    };
    command.replacements.iter().filter_map(cost).sum()
}

//! Consolidation: nodes whose pods fit elsewhere go, and so do nodes whose pods fit on one that is cheaper.
//!
//! Source: `consolidation.go`, `multinodeconsolidation.go` and `singlenodeconsolidation.go` of Karpenter v1.15.0.

use std::collections::{BTreeMap, BTreeSet};

use super::super::instance_type::{InstanceType, satisfies_min_values};
use super::super::requirement::Requirement;
use super::super::requirements::{CAPACITY_TYPE_LABEL, ON_DEMAND, Requirements, SPOT};
use super::super::scheduler::{Environment, NewNode, Scheduler};
use super::balanced::{PoolTotals, approves, can_pass};
use super::simulate::{Simulation, Surroundings, simulate, simulate_below};
use super::{Candidate, Command, Found, by_savings, within_budgets};

/// How many cheaper types there must be before a spot node is replaced by a spot node
/// (`MinInstanceTypesForSpotToSpotConsolidation`). Only so many are then asked for, so that the node that comes is not
/// replaced in its turn.
pub const SPOT_TO_SPOT_TYPES_MIN: usize = 15;
/// How many nodes are considered together at most.
pub const MULTI_NODE_MAX: usize = 100;

/// How to consolidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsolidationOptions {
    /// Whether spot nodes may be replaced by spot nodes (the feature gate `SpotToSpotConsolidation`, off by default).
    pub spot_to_spot: bool,
}

/// What consolidation works on.
#[derive(Debug)]
pub struct Consolidation<'s, 'e, 'a> {
    /// Finds places for pods.
    pub scheduler: &'s mut Scheduler<'e>,
    /// Pods that need places anyway.
    pub surroundings: &'a Surroundings,
    /// How to consolidate.
    pub options: ConsolidationOptions,
    /// What pools cost, by position, which pools with the policy `Balanced` need.
    pub totals: &'a [PoolTotals],
}

impl Consolidation<'_, '_, '_> {
    /// The most nodes that can go together (`MultiNodeConsolidation.ComputeCommands`): of the candidates, sorted by savings
    /// ratio and cut to the budgets and to [`MULTI_NODE_MAX`], the longest beginning that a binary search finds to work.
    pub fn multi_node<'c>(
        &mut self,
        candidates: impl IntoIterator<Item = &'c Candidate>,
        budgets: &mut [u64],
    ) -> Found {
        let candidates = by_savings(candidates);
        let allowed = within_budgets(&candidates, budgets);
        let is_constrained = allowed.len() < candidates.len();
        Found { command: self.first_n(&allowed), is_constrained }
    }

    fn first_n(&mut self, candidates: &[&Candidate]) -> Option<Command> {
        if candidates.len() < 2 {
            return None;
        }
        // Numbers of nodes less one, as signed ones: the upper end can pass the lower one.
        let (mut low, mut high) = (1, candidates.len().min(MULTI_NODE_MAX + 1) as i64 - 1);
        let mut best = None;
        while low <= high {
            let middle = (low + high) / 2;
            let first = &candidates[..=middle as usize];
            match self.valid_command(first) {
                Some(command) => {
                    best = Some(command);
                    low = middle + 1;
                }
                None => high = middle - 1,
            }
        }
        best
    }

    fn valid_command(&mut self, candidates: &[&Candidate]) -> Option<Command> {
        let mut command = self.compute(candidates)?;
        let environment = self.scheduler.environment();
        if let Some(replacement) = command.replacements.first_mut() {
            remove_same_type(replacement, candidates, environment);
            if replacement.types.is_empty() || !has_min_values(replacement, environment) {
                return None;
            }
        }
        approves(&command, candidates, environment, self.totals).then_some(command)
    }

    /// The first node that can go by itself (`SingleNodeConsolidation.ComputeCommands`), pools taking turns: pools of
    /// `unseen`, which the last search did not get to, first, then by name.
    pub fn single_node<'c>(
        &mut self,
        candidates: impl IntoIterator<Item = &'c Candidate>,
        budgets: &[u64],
        unseen: &BTreeSet<usize>,
    ) -> Found {
        let candidates = by_savings(candidates);
        let environment = self.scheduler.environment();
        let mut is_constrained = false;
        for candidate in take_turns(&candidates, environment, unseen) {
            if budgets[candidate.pool] == 0 {
                is_constrained = true;
                continue;
            }
            if !can_pass(candidate, environment, self.totals) {
                continue;
            }
            if let Some(command) = self.compute(&[candidate])
                && approves(&command, &[candidate], environment, self.totals)
            {
                return Found { command: Some(command), is_constrained };
            }
        }
        Found { command: None, is_constrained }
    }

    /// The first drifted node that can go (`Drift.ComputeCommands`): those without pods first, then the longest drifted.
    pub fn drifted<'c>(&mut self, candidates: impl IntoIterator<Item = &'c Candidate>, budgets: &[u64]) -> Found {
        let mut candidates: Vec<&Candidate> = candidates.into_iter().collect();
        candidates.sort_by_key(|candidate| (!candidate.pods.is_empty(), candidate.drifted));
        for candidate in candidates.iter().filter(|candidate| budgets[candidate.pool] > 0) {
            let simulation = simulate(self.scheduler, self.surroundings, &[candidate], false);
            if simulation.all_scheduled {
                let replacements = simulation.results.new_nodes.clone();
                let command = Command { nodes: vec![candidate.node], replacements, results: simulation.results };
                return Found { command: Some(command), is_constrained: false };
            }
        }
        Found::default()
    }

    /// What becomes of the pods of nodes that go, if that is worth it (`computeConsolidation`).
    pub fn compute(&mut self, candidates: &[&Candidate]) -> Option<Command> {
        if self.ends_at_once(candidates) || self.is_hopeless(candidates) {
            return None;
        }
        let bar = self.bar(candidates);
        let simulation = simulate_below(self.scheduler, self.surroundings, candidates, bar)?;
        self.command(candidates, simulation)
    }

    /// The same by simulating it to its end.
    #[cfg(test)]
    pub(super) fn compute_anyway(&mut self, candidates: &[&Candidate]) -> Option<Command> {
        let simulation = simulate(self.scheduler, self.surroundings, candidates, true);
        self.command(candidates, simulation)
    }

    fn command(&mut self, candidates: &[&Candidate], simulation: Simulation) -> Option<Command> {
        if !simulation.all_scheduled {
            return None;
        }
        let results = simulation.results;
        let nodes = candidates.iter().map(|candidate| candidate.node).collect();
        let mut node = match &results.new_nodes[..] {
            [] => return Some(Command { nodes, replacements: Vec::new(), results }),
            [node] => node.clone(),
            _ => return None,
        };
        self.scheduler.order_by_price(&mut node);
        let usd_per_hour = candidates.iter().map(|candidate| candidate.usd_per_hour).sum();
        let all_spot = candidates.iter().all(|candidate| candidate.capacity_type.as_deref() == Some(SPOT));
        if all_spot && node.requirements.get_or_any(CAPACITY_TYPE_LABEL).has(SPOT) {
            self.spot_to_spot(&mut node, candidates.len(), usd_per_hour)?;
        } else {
            self.cheaper_only(&mut node, usd_per_hour)?;
            let kinds = node.requirements.get_or_any(CAPACITY_TYPE_LABEL);
            if kinds.has(SPOT) && kinds.has(ON_DEMAND) {
                // Prices were compared as spot, so that a launch on demand must not stand in for it.
                node.requirements.add(CAPACITY_TYPE_LABEL, &Requirement::is(SPOT));
            }
        }
        Some(Command { nodes, replacements: vec![node], results })
    }

    /// What a node to buy has to cost less than, and whether it cannot be spot.
    fn bar(&self, candidates: &[&Candidate]) -> (f64, bool) {
        let usd_per_hour = candidates.iter().map(|candidate| candidate.usd_per_hour).sum();
        let all_spot = candidates.iter().all(|candidate| candidate.capacity_type.as_deref() == Some(SPOT));
        (usd_per_hour, all_spot && !self.options.spot_to_spot)
    }

    /// Whether the pod that is tried first moves, and would be on a node on which consolidation does not rely.
    pub(super) fn ends_at_once(&mut self, candidates: &[&Candidate]) -> bool {
        let (environment, nodes) = (self.scheduler.environment(), self.scheduler.nodes());
        let stays = |candidate: &&Candidate| nodes[candidate.node].is_initialized && !nodes[candidate.node].is_deleting;
        let heads = candidates.iter().filter_map(|candidate| candidate.pods.first());
        let Some(first) = heads.min_by_key(|pod| environment.turn_of(pod)) else { return false };
        candidates.iter().all(stays)
            && self.surroundings.heads().all(|head| environment.turn_of(first) < environment.turn_of(head))
            && self.scheduler.is_first_on_uninitialized(first.class)
    }

    /// Whether what pods surely need costs too much, so that nothing has to be simulated.
    pub(super) fn is_hopeless(&mut self, candidates: &[&Candidate]) -> bool {
        let nodes = self.scheduler.nodes();
        // Pods of nodes that go already may go to nodes that others leave alone.
        if candidates.iter().any(|candidate| nodes[candidate.node].is_deleting) {
            return false;
        }
        let bar = self.bar(candidates);
        let classes = candidates.iter().flat_map(|candidate| &candidate.pods).map(|pod| pod.class);
        if let [candidate] = candidates {
            return self.scheduler.surely_costs_without(candidate.node, classes, bar);
        }
        let without: Vec<usize> = candidates.iter().map(|candidate| candidate.node).collect();
        self.scheduler.surely_costs(classes, &without, bar)
    }

    fn cheaper_only(&mut self, node: &mut NewNode, usd_per_hour: f64) -> Option<()> {
        self.scheduler.keep_cheaper(node, usd_per_hour);
        (has_min_values(node, self.scheduler.environment()) && !node.types.is_empty()).then_some(())
    }

    /// Cuts the types of a spot node that replaces spot nodes (`computeSpotToSpotConsolidation`).
    fn spot_to_spot(&mut self, node: &mut NewNode, candidates: usize, usd_per_hour: f64) -> Option<()> {
        if !self.options.spot_to_spot {
            return None;
        }
        let environment = self.scheduler.environment();
        let types = &environment.pools[node.pool].1;
        node.requirements.add(CAPACITY_TYPE_LABEL, &Requirement::is(SPOT));
        let requirements = node.requirements.clone();
        let is_sold = |at: &usize| {
            types[*at].compatible(&requirements, &environment.well_known).any(|offering| offering.is_available)
        };
        node.types.retain(is_sold);
        self.cheaper_only(node, usd_per_hour)?;
        if candidates > 1 {
            return Some(());
        }
        if node.types.len() < SPOT_TO_SPOT_TYPES_MIN {
            return None;
        }
        let of_node = node.types.iter().map(|at| &types[*at]);
        let needed = satisfies_min_values(of_node, &node.requirements).needed;
        node.types.truncate(needed.max(SPOT_TO_SPOT_TYPES_MIN));
        Some(())
    }
}

/// Keeps the types that cost less at worst; none where none is left or they have too few values
/// (`RemoveInstanceTypeOptionsByPriceAndMinValues`).
pub fn cheaper_only(node: &mut NewNode, usd_per_hour: f64, environment: &Environment) -> Option<()> {
    remove_by_price(node, usd_per_hour, environment);
    (has_min_values(node, environment) && !node.types.is_empty()).then_some(())
}

fn remove_by_price(node: &mut NewNode, usd_per_hour: f64, environment: &Environment) {
    let types = &environment.pools[node.pool].1;
    let (requirements, known) = (&node.requirements, &environment.well_known);
    node.types.retain(|at| types[*at].worst_launch_price(requirements, known) < usd_per_hour);
}

fn has_min_values(node: &NewNode, environment: &Environment) -> bool {
    let types = &environment.pools[node.pool].1;
    satisfies_min_values(node.types.iter().map(|at| &types[*at]), &node.requirements).unsatisfied.is_empty()
}

/// Where a type to buy is also one that goes, keeps only what is cheaper than the cheapest such node: buying it would be
/// the same as keeping that one (`filterOutSameInstanceType`).
pub fn remove_same_type(node: &mut NewNode, candidates: &[&Candidate], environment: &Environment) {
    let mut prices: BTreeMap<&str, f64> = BTreeMap::new();
    for candidate in candidates {
        let Some(at) = candidate.instance_type else { continue };
        let instance_type = &environment.pools[candidate.pool].1[at];
        if let Some(price) = cheapest_of(instance_type, candidate, environment) {
            let known = prices.entry(&instance_type.name).or_insert(f64::MAX);
            *known = known.min(price);
        }
    }
    let going = |it: &InstanceType| {
        let is_it = |candidate: &&&Candidate| {
            candidate.instance_type.is_some_and(|at| environment.pools[candidate.pool].1[at].name == it.name)
        };
        // Upstream reads a price that it does not know as nothing at all.
        candidates.iter().find(is_it).map(|_| prices.get(it.name.as_str()).copied().unwrap_or(0.0))
    };
    let types = &environment.pools[node.pool].1;
    let most = node.types.iter().filter_map(|at| going(&types[*at])).fold(f64::MAX, f64::min);
    remove_by_price(node, most, environment);
}

/// The cheapest offering that a candidate's zone and kind of capacity leave.
fn cheapest_of(instance_type: &InstanceType, candidate: &Candidate, environment: &Environment) -> Option<f64> {
    let mut labels = Requirements::new();
    let of_candidate =
        [(crate::model::cluster::ZONE_LABEL, &candidate.zone), (CAPACITY_TYPE_LABEL, &candidate.capacity_type)];
    for (key, value) in of_candidate {
        if let Some(value) = value {
            labels.add(key, &Requirement::is(value));
        }
    }
    let offerings = instance_type.compatible(&labels, &environment.well_known);
    offerings.map(|offering| offering.usd_per_hour).reduce(f64::min)
}

/// The candidates of each pool in order, pool by pool in turns (`shuffleCandidates`).
fn take_turns<'c>(
    candidates: &[&'c Candidate],
    environment: &Environment,
    unseen: &BTreeSet<usize>,
) -> Vec<&'c Candidate> {
    if candidates.windows(2).all(|two| two[0].pool == two[1].pool) {
        return candidates.to_vec();
    }
    let mut rounds: BTreeMap<usize, usize> = BTreeMap::new();
    let mut turns: Vec<(usize, bool, &str, &Candidate)> = Vec::new();
    for candidate in candidates.iter().copied() {
        let round = rounds.entry(candidate.pool).or_default();
        let name = environment.pools[candidate.pool].0.name.as_str();
        turns.push((*round, !unseen.contains(&candidate.pool), name, candidate));
        *round += 1;
    }
    turns.sort_by_key(|(round, is_seen, name, _)| (*round, *is_seen, *name));
    turns.into_iter().map(|(.., candidate)| candidate).collect()
}

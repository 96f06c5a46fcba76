//! Which nodes go: what makes a node a candidate, what it costs its pods, and how many may go at a time.
//!
//! Source: `pkg/controllers/disruption` and `pkg/utils/disruption` of Karpenter v1.15.0. Every 10 s the methods are asked in
//! the order of [`METHODS`]; the first that finds something wins. A consolidation is looked at again after 15 s and carried
//! out only if it still holds ([`validate`]).
//!
//! Candidates that are equally good are taken in the order in which they are given; upstream's come in no order. Left out:
//! node repair, reservations that have to be freed first, capacity buffers, static pools, and time limits of searches,
//! which here end at once.

pub mod balanced;
pub mod consolidation;
mod simulate;

#[cfg(test)]
mod tests;

use super::instance_type::InstanceType;
use super::node_pool::{ConsolidationPolicy, DisruptionReason, NodePool};
use super::requirements::{CAPACITY_TYPE_LABEL, INSTANCE_TYPE_LABEL, NODE_POOL_LABEL};
use super::scheduler::{BatchPod, Environment, NewNode, NodeState, Results};
use crate::model::cluster::ZONE_LABEL;
use crate::units::{SimDuration, SimTime};

pub use simulate::{Simulation, Surroundings, simulate, simulate_below, validate};

/// How often nodes are looked at (`pollingPeriod`), in seconds.
pub const POLLING_PERIOD_S: f64 = 10.0;
/// How long a consolidation must hold before it is carried out (`commandValidationDelay`), in seconds.
pub const VALIDATION_DELAY_S: f64 = 15.0;
/// What it costs to disrupt a node without pods (`PerNodeBaseDisruptionCost`).
pub const NODE_COST: f64 = 1.0;

/// A way to find nodes that can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// All nodes without pods that matter.
    Emptiness,
    /// One node that is no longer what its pool asks for.
    Drift,
    /// Several nodes whose pods fit on others, or on one that is cheaper.
    MultiNodeConsolidation,
    /// One such node.
    SingleNodeConsolidation,
}

/// The methods in the order in which they are asked.
pub const METHODS: [Method; 4] =
    [Method::Emptiness, Method::Drift, Method::MultiNodeConsolidation, Method::SingleNodeConsolidation];

impl Method {
    /// The reason that budgets know.
    pub fn reason(self) -> DisruptionReason {
        match self {
            Method::Emptiness => DisruptionReason::Empty,
            Method::Drift => DisruptionReason::Drifted,
            Method::MultiNodeConsolidation | Method::SingleNodeConsolidation => DisruptionReason::Underutilized,
        }
    }
}

/// A node that could go: it is initialised, not going, no place was promised to a pod there, and neither the node nor its
/// pods nor a budget of theirs forbid it. The caller sees to that (`ValidateNodeDisruptable`, `ValidatePodsDisruptable`).
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The node, by position.
    pub node: usize,
    /// Its pool, by position in [`Environment::pools`].
    pub pool: usize,
    /// Its type, by position among those of its pool; none: it is not sold any more.
    pub instance_type: Option<usize>,
    /// Its zone.
    pub zone: Option<String>,
    /// Its kind of capacity.
    pub capacity_type: Option<String>,
    /// What it costs in US dollars per hour; 0 where that is not known.
    pub usd_per_hour: f64,
    /// What it costs to move its pods: [`NODE_COST`] and what each pod costs, if that is positive.
    pub disruption_cost: f64,
    /// Pods that would need another place, [presorted](Environment::presort).
    pub pods: Vec<BatchPod>,
    /// Whether nothing has happened to its pods for long enough.
    pub is_consolidatable: bool,
    /// Since when it has drifted.
    pub drifted: Option<SimTime>,
}

impl Candidate {
    /// A node as a candidate, with the costs of evicting its pods ([`eviction_cost`]); none: no pool of its name is known
    /// (`NewCandidate`).
    pub fn new(
        environment: &Environment,
        nodes: &[NodeState],
        node: usize,
        pods: Vec<(BatchPod, f64)>,
    ) -> Option<Candidate> {
        let state = &nodes[node];
        let name = state.label(NODE_POOL_LABEL)?;
        let pool = environment.pools.iter().position(|(pool, _)| pool.name == name)?;
        let types = &environment.pools[pool].1;
        let instance_type = types.iter().position(|it| Some(it.name.as_str()) == state.label(INSTANCE_TYPE_LABEL));
        let (zone, capacity_type) = (state.label(ZONE_LABEL), state.label(CAPACITY_TYPE_LABEL));
        let price = |it: &InstanceType| it.price(zone.unwrap_or(""), capacity_type.unwrap_or(""));
        let usd_per_hour = instance_type.and_then(|at| price(&types[at])).filter(|price| !price.is_nan());
        let disruption_cost = pods.iter().fold(NODE_COST, |sum, (_, cost)| sum + cost.max(0.0));
        let mut pods: Vec<BatchPod> = pods.into_iter().map(|(pod, _)| pod).collect();
        environment.presort(&mut pods);
        Some(Candidate {
            node,
            pool,
            instance_type,
            zone: zone.map(str::to_owned),
            capacity_type: capacity_type.map(str::to_owned),
            usd_per_hour: usd_per_hour.unwrap_or(0.0),
            disruption_cost,
            pods,
            is_consolidatable: false,
            drifted: None,
        })
    }

    /// Whether none of its pods matters (`IsEmpty`).
    pub fn is_empty(&self) -> bool {
        self.disruption_cost <= NODE_COST
    }

    /// What moving its pods brings for what it costs (`SavingsRatio`).
    pub fn savings_ratio(&self) -> f64 {
        self.usd_per_hour / self.disruption_cost
    }

    /// Whether a method may take it (`ShouldDisrupt`).
    pub fn is_for(&self, method: Method, environment: &Environment) -> bool {
        let pool = &environment.pools[self.pool].0;
        if pool.replicas.is_some() {
            return false;
        }
        let is_priced = self.instance_type.is_some() && self.zone.is_some() && self.capacity_type.is_some();
        let is_enabled = pool.disruption.consolidate_after.is_some();
        match method {
            Method::Drift => self.drifted.is_some(),
            Method::Emptiness => is_enabled && self.is_empty() && self.is_consolidatable,
            Method::MultiNodeConsolidation | Method::SingleNodeConsolidation => {
                let is_allowed = pool.disruption.policy != ConsolidationPolicy::WhenEmpty;
                is_priced && is_enabled && is_allowed && !self.is_empty() && self.is_consolidatable
            }
        }
    }
}

/// What evicting a pod costs (`EvictionCost`): 1, more or less by `karpenter.sh/disruption-cost`, else by
/// `controller.kubernetes.io/pod-deletion-cost`, and by priority; between -10 and 10.
pub fn eviction_cost(disruption_cost: Option<i32>, pod_deletion_cost: Option<i32>, priority: Option<i32>) -> f64 {
    let annotation = disruption_cost.or(pod_deletion_cost).map_or(0.0, |cost| f64::from(cost) / 134_217_728.0);
    let priority = priority.map_or(0.0, |priority| f64::from(priority) / 33_554_432.0);
    (1.0 + annotation + priority).clamp(-10.0, 10.0)
}

/// How many nodes a pool has and how many of them are gone or going, for its budgets (`NodePoolStats`). Only nodes that are
/// initialised and not yet drained count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolNodes {
    /// How many there are.
    pub nodes: u64,
    /// How many of them are going or not ready.
    pub disrupting: u64,
}

/// How many nodes of a pool may be disrupted now for a reason (`BuildDisruptionBudgetMapping`).
pub fn allowed_disruptions(pool: &NodePool, unix_seconds: i64, nodes: PoolNodes, reason: DisruptionReason) -> u64 {
    let allowed = pool.allowed_disruptions(unix_seconds, nodes.nodes, reason);
    allowed.map_or(u64::MAX, |allowed| allowed.saturating_sub(nodes.disrupting))
}

/// What to do: which nodes go, and what comes before.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The nodes that go, by position.
    pub nodes: Vec<usize>,
    /// The nodes to buy first. One for consolidation; drift may need several.
    pub replacements: Vec<NewNode>,
    /// Where the pods would go.
    pub results: Results,
}

/// What a method found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// What to do, if anything.
    pub command: Option<Command>,
    /// Whether a budget kept it from looking at a candidate: then it must look again even if nothing changes.
    pub is_constrained: bool,
}

/// Sorts by savings ratio, the largest first (`sortCandidates`).
pub fn by_savings<'c>(candidates: impl IntoIterator<Item = &'c Candidate>) -> Vec<&'c Candidate> {
    let rated = candidates.into_iter().map(|candidate| (candidate.savings_ratio(), candidate));
    let mut rated: Vec<(f64, &Candidate)> = rated.collect();
    rated.sort_by(|one, other| other.0.total_cmp(&one.0));
    rated.into_iter().map(|(_, candidate)| candidate).collect()
}

/// All empty nodes that the budgets, by pool, allow (`Emptiness.ComputeCommands`).
pub fn empty_nodes<'c>(candidates: impl IntoIterator<Item = &'c Candidate>, budgets: &mut [u64]) -> Found {
    let mut candidates = by_savings(candidates);
    candidates.retain(|candidate| candidate.is_empty());
    let found = within_budgets(&candidates, budgets);
    let is_constrained = found.len() < candidates.len();
    let nodes: Vec<usize> = found.iter().map(|candidate| candidate.node).collect();
    let command = Command { nodes, replacements: Vec::new(), results: Results::default() };
    Found { command: (!command.nodes.is_empty()).then_some(command), is_constrained }
}

/// The candidates that the budgets allow, which are used up.
pub(super) fn within_budgets<'c>(candidates: &[&'c Candidate], budgets: &mut [u64]) -> Vec<&'c Candidate> {
    let mut take = |candidate: &&Candidate| {
        let left = &mut budgets[candidate.pool];
        let is_allowed = *left > 0;
        *left = left.saturating_sub(1);
        is_allowed
    };
    candidates.iter().copied().filter(&mut take).collect()
}

/// Whether something happened to a node's pods within `consolidateAfter` (`IsUnderConsolidateAfter`). `last_pod_event` is
/// when a pod was last bound, ended or told to end; none: never, and the time since it was initialised counts.
pub fn is_under_consolidate_after(
    pool: &NodePool,
    initialized: Option<SimTime>,
    last_pod_event: Option<SimTime>,
    now: SimTime,
) -> bool {
    let (Some(after), Some(initialized)) = (pool.disruption.consolidate_after, initialized) else { return false };
    after > SimDuration::ZERO && now.since(last_pod_event.unwrap_or(initialized)) < after
}

/// Whether a node can be consolidated (`Consolidatable`): consolidation is on, it is initialised, and nothing happened to
/// its pods within `consolidateAfter`.
pub fn is_consolidatable(
    pool: &NodePool,
    initialized: Option<SimTime>,
    last_pod_event: Option<SimTime>,
    now: SimTime,
) -> bool {
    pool.disruption.consolidate_after.is_some()
        && initialized.is_some()
        && !is_under_consolidate_after(pool, initialized, last_pod_event, now)
}

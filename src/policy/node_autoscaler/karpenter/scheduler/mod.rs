//! The provisioning scheduler: which pods fit on nodes that are there or coming, and which nodes to buy for the others.
//!
//! Source: `pkg/controllers/provisioning/scheduling` of Karpenter v1.15.0. Pods are tried by CPU, then memory, the largest
//! first. Each goes to the first node that is there (initialised ones first, then by name), else to the new node with the
//! fewest pods that can still be of some type, else to a new node of the first pool that can. A pod that fits nowhere gives
//! up its preferences one by one; one that fits nowhere even so is tried again as long as others make progress.
//!
//! Upstream asks every node anew for every pod. Here pods with the same requests and tolerations share what was found out: a
//! node that was too small stays too small, requirements are interned, so that what follows from adding a pod's to a node's is
//! looked up, and the order of new nodes is mended in place, with the permutation that Go's sort would give. What was found out
//! is kept from one pass to the next ([`Kept`]).
//!
//! Cost: for a pod that fits, the machine types its node can still be; for one that does not, a word of bits for 64 nodes
//! and a word for each new node.

mod amounts;
mod bits;
mod bound;
mod claims;
mod daemons;
mod existing;
mod glimpse;
mod kept;
mod limits;
mod memo;
mod preferences;
mod prices;
mod queue;
mod reservations;
mod rules;
mod run;
mod topology;
mod topology_group;
mod variants;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::instance_type::InstanceType;
use super::node_pool::NodePool;
use super::requirements::{Requirements, WellKnownLabels};
use super::resources::ResourceList;
use crate::model::pod_spec::HostPort;
use crate::model::{Label, PodClass, Taint};
use glimpse::FirstPlaces;

pub use kept::Kept;
pub use preferences::relax;

/// `MaxInstanceTypes`: how many instance types a new node may be of at most.
pub const INSTANCE_TYPES_MAX: usize = 600;

/// What does not change from one pass to the next.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Labels that instance types may have without a pool saying so.
    pub well_known: WellKnownLabels,
    /// The label with the id of a reservation; empty: the provider has none.
    pub reservation_label: String,
    /// Pools with the instance types that the provider offers each, in the order of
    /// [`order_by_weight`](super::node_pool::order_by_weight); without static ones.
    pub pools: Vec<(NodePool, Vec<InstanceType>)>,
    /// Kinds of pod by position.
    pub classes: Vec<PodClass>,
    /// A pod of every daemon set.
    pub daemons: Vec<PodClass>,
    /// Labels of namespaces by name, which only namespace selectors look at.
    pub namespaces: BTreeMap<String, Vec<Label>>,
}

/// How to decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether preferences count (`PREFERENCE_POLICY`).
    pub preferences: PreferencePolicy,
    /// What happens where too few values are left (`MIN_VALUES_POLICY`).
    pub min_values: MinValuesPolicy,
    /// What happens where reservations are taken.
    pub reserved: ReservedMode,
}

/// Whether preferences count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PreferencePolicy {
    /// They count as required until the pod fits nowhere.
    #[default]
    Respect,
    /// They do not count.
    Ignore,
}

/// What happens where instance types have too few values among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinValuesPolicy {
    /// No new node.
    #[default]
    Strict,
    /// A new node with as many as there are.
    BestEffort,
}

/// What happens where a pod could use a reservation that is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReservedMode {
    /// It falls back to other capacity: what disruption does.
    #[default]
    Fallback,
    /// It waits for the next pass: what provisioning does.
    Strict,
}

/// A node as provisioning sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeState {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Vec<Label>,
    /// Its taints; while it is not initialised, without those that go by themselves.
    pub taints: Vec<Taint>,
    /// Whether there is a node, not just a machine that was ordered.
    pub has_node: bool,
    /// Whether it is initialised; nodes of nobody always are.
    pub is_initialized: bool,
    /// Whether it is to go: then it takes no pods.
    pub is_deleting: bool,
    /// Whether something happened to its pods within its pool's `consolidateAfter`.
    pub is_under_consolidate_after: bool,
    /// What it has, which limits of pools count.
    pub capacity: ResourceList,
    /// What of its allocatable resources no pod requests.
    pub available: ResourceList,
    /// What the pods of daemon sets on it request.
    pub daemon_requests: ResourceList,
    /// Ports that its pods take.
    pub host_ports: Vec<HostPort>,
    /// Its pods that are neither done nor ending: how many of each class, by position in [`Environment::classes`].
    pub pods: Vec<(usize, u32)>,
}

impl NodeState {
    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|label| label.key == key).map(|label| label.value.as_str())
    }

    pub(super) fn hostname(&self) -> &str {
        self.label(crate::model::cluster::HOSTNAME_LABEL).unwrap_or(&self.name)
    }
}

/// A pod to find a place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPod {
    /// Its kind, by position in [`Environment::classes`].
    pub class: usize,
    /// When it was created, in whole seconds.
    pub created_s: i64,
    /// Its place in the order of unique ids, which decides last.
    pub uid: u64,
    /// The node that it runs on, by position, if it is to move; none: it waits.
    pub node: Option<usize>,
}

/// What to find places for at once.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The pods. Those of nodes that go are not counted where they are.
    pub pods: Vec<BatchPod>,
    /// Nodes, by position, that are taken to be gone.
    pub without: Vec<usize>,
    /// Whether pods that move stay off nodes that are under `consolidateAfter`: what consolidation asks for.
    pub enforces_consolidate_after: bool,
    /// Where the pods stand in three runs, each of them [presorted](Environment::presort), the ends of the first two.
    pub bounds: Option<[usize; 2]>,
}

/// Where the pods go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Results {
    /// Nodes to buy, in the order in which they were last sorted.
    pub new_nodes: Vec<NewNode>,
    /// Pods, by position in the batch, that go to nodes that are there, by position, in order.
    pub existing: BTreeMap<usize, Vec<usize>>,
    /// Pods, by position in the batch, that fit nowhere, and why.
    pub failed: BTreeMap<usize, Failure>,
}

/// Why a pod has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It fits on no node that is there, and no pool has a type for it within its limits.
    NoCapacity,
    /// It waits for a reservation.
    Reserved,
    /// The types of its node that are to be launched have too few values.
    MinValues,
    /// It would fit only on a node that is not initialised, on which disruption does not rely.
    Uninitialized,
}

/// A node to buy.
#[derive(Clone, Debug, PartialEq)]
pub struct NewNode {
    /// Its pool, by position in [`Environment::pools`].
    pub pool: usize,
    /// Its pods, by position in the batch, in order.
    pub pods: Vec<usize>,
    /// What it meets.
    pub requirements: Requirements,
    /// The types it can be of, by position among those of its pool.
    pub types: Vec<usize>,
    /// What its pods and daemons request.
    pub requests: ResourceList,
    /// Whether fewer values than the pool wants had to do.
    pub min_values_relaxed: bool,
}

/// A scheduler over the nodes of one instant. It can be asked any number of times; nothing it answers changes the nodes.
#[derive(Debug)]
pub struct Scheduler<'e> {
    environment: &'e Environment,
    options: Options,
    nodes: &'e [NodeState],
    known: Kept,
    /// The places of nodes that are under `consolidateAfter`.
    recent: Vec<u64>,
    first_places: FirstPlaces,
    ties: u64,
}

impl<'e> Scheduler<'e> {
    /// Looks at pools and nodes (`NewScheduler`).
    pub fn new(environment: &'e Environment, nodes: &'e [NodeState], options: Options) -> Scheduler<'e> {
        let known = Kept::new(environment, nodes, options);
        Scheduler::over(environment, nodes, options, known)
    }

    fn over(environment: &'e Environment, nodes: &'e [NodeState], options: Options, known: Kept) -> Scheduler<'e> {
        let recent = known.existing.recent(nodes);
        Scheduler { environment, options, nodes, known, recent, first_places: FirstPlaces::default(), ties: 0 }
    }

    /// Finds places for a batch (`Solve`).
    pub fn solve(&mut self, batch: &Batch) -> Results {
        run::Run::new(self, batch, None).solve().expect("without a bar nothing is above it")
    }

    /// The same, unless it becomes plain on the way that more than one node is to be bought, or one of which a launch costs
    /// `usd_per_hour` or more, or that a pod that moves would be on a node that is not initialised, on which consolidation
    /// does not rely; `but_spot`: spot is not bought. Where pools have `minValues` nothing is plain: nodes to buy can
    /// be dropped again.
    pub fn solve_below(&mut self, batch: &Batch, (usd_per_hour, but_spot): (f64, bool)) -> Option<Results> {
        let mut pools = self.environment.pools.iter().map(|(pool, _)| &pool.template);
        let has_min_values = pools.any(|template| template.requirements.iter().any(|one| one.min_values.is_some()));
        let bar = (!has_min_values).then_some((usd_per_hour, but_spot));
        run::Run::new(self, batch, bar).solve()
    }

    /// Cuts the types of each new node to the cheapest `max` (`TruncateInstanceTypes`). A node that then has too few values
    /// is not bought, and its pods fail.
    pub fn truncate(&mut self, results: &mut Results, max: usize) {
        let environment = self.environment;
        let is_strict = self.options.min_values == MinValuesPolicy::Strict;
        let (mut failed, prices) = (Vec::new(), &mut self.known.prices);
        results.new_nodes.retain_mut(|node| {
            let types = &environment.pools[node.pool].1;
            prices.order(node, environment);
            let cut = &node.types[..node.types.len().min(max)];
            let chosen = cut.iter().map(|at| &types[*at]);
            let is_short = node.requirements.has_min_values()
                && is_strict
                && !super::instance_type::satisfies_min_values(chosen, &node.requirements).unsatisfied.is_empty();
            if is_short {
                failed.extend(node.pods.iter().map(|pod| (*pod, Failure::MinValues)));
            }
            node.types.truncate(max);
            !is_short
        });
        results.failed.extend(failed);
    }

    /// Sorts the types of a node to buy by price ([`order_by_price`](super::instance_type::order_by_price)).
    pub fn order_by_price(&mut self, node: &mut NewNode) {
        self.known.prices.order(node, self.environment);
    }

    /// Drops the types of a node to buy of which a launch could cost as much or more
    /// ([`worst_launch_price`](InstanceType::worst_launch_price)).
    pub fn keep_cheaper(&mut self, node: &mut NewNode, usd_per_hour: f64) {
        self.known.prices.keep_cheaper(node, usd_per_hour, self.environment);
    }

    /// How often, so far, one of several equally good domains was tried for a pod, where upstream takes any. As long as it
    /// is 0, nothing was left to chance.
    pub fn ties(&self) -> u64 {
        self.ties
    }

    /// What the scheduler knows about pools and pods.
    pub fn environment(&self) -> &'e Environment {
        self.environment
    }

    /// The nodes.
    pub fn nodes(&self) -> &'e [NodeState] {
        self.nodes
    }
}

fn is_of_pool(node: &NodeState, pool: &NodePool) -> bool {
    node.label(super::requirements::NODE_POOL_LABEL) == Some(&pool.name)
}

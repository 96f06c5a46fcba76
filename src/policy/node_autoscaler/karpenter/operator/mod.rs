//! `karpenter`: Karpenter in a run.
//!
//! Provisioning, disruption and the lives of nodes are those of the parent module; this one shows them the world, says when
//! they look, and turns what they decide into orders.
//!
//! - **Provisioning**: a pod that fits nowhere opens a window of `batchIdleDuration`, at most `batchMaxDuration`; pods that go
//!   on waiting ask again every 10 s. A pass also finds places for the pods of nodes that are going. As long as a machine that
//!   was ordered has not been launched, passes are left out: upstream waits until it knows what it got (`Synced`).
//! - **Launch**: the cheapest types of one kind of capacity, at most 60 ([`LAUNCH_TYPES_MAX`]). An order that the provider had
//!   nothing for is dropped; its offers are not asked for again for 3 min.
//! - **Lives**: an order that is not launched within 5 min, or has not joined within 15 min, is given up. Machines older than
//!   `expireAfter` go, whatever budgets of the pool say; `terminationGracePeriod` limits how long their pods can stay.
//!
//! Deviations beside those of the parent module: decisions take no time and see the present; machines that were lost are
//! noticed by their nodes leaving; GPUs that the model knows by device count as one extended resource in thousandths,
//! without their models; what volumes ask of nodes joins the required node affinity of their pods; `startupTaints` are what the time until a node is ready stands for.
//!
//! Parameters: `batchIdleDuration`, `batchMaxDuration`, `preferencePolicy`, `minValuesPolicy`, `disruptionPeriod`, `featureGates`,
//! `pricePeriod`, `nodePools`, `wellKnownLabels`; the first six are those of upstream's settings, the last two are filled in from
//! manifests.
//!
//! Source: `pkg/controllers` of Karpenter v1.15.0, and `pkg/providers/instance` of its AWS provider.
//! Cost: a turn in which nothing has changed costs a look at each machine and each pod that waits.

mod classes;
mod disrupting;
mod market;
mod memory;
mod provisioning;
mod sight;
pub mod written;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Deserialize;
use serde_json::Value;

use super::batcher::Batcher;
use super::disruption::POLLING_PERIOD_S;
use super::lifecycle;
use super::node_pool::{NodePool, NodeRequirement, order_by_weight};
use super::requirement::Operator;
use super::requirements::{CAPACITY_TYPE_LABEL, WellKnownLabels};
use super::scheduler::{Environment, MinValuesPolicy, Options, PreferencePolicy, ReservedMode};
use crate::ids::{GroupId, MachineId, OfferId, PodId};
use crate::policy::node_autoscaler::{Action, NodeAutoscaler, NodeAutoscalerRow, Order, Patience, Seen, Setting, Turn};
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::units::{SimDuration, SimTime};
use crate::world::MachineState;
use crate::world::fleet::Refusal;
use market::Market;
use memory::Memory;
use sight::Sight;

pub use market::LAUNCH_TYPES_MAX;

/// After so long whoever still waits for a place asks again, in seconds.
const REQUEUE_S: f64 = 10.0;

/// How often the AWS provider asks for prices, in seconds (`pkg/controllers/providers/pricing` of karpenter-provider-aws
/// 16b57d2).
const PRICE_PERIOD_S: f64 = 43_200.0;

pub(in crate::policy::node_autoscaler) const ROW: NodeAutoscalerRow = NodeAutoscalerRow {
    name: "karpenter",
    aliases: &[],
    summary: "buys the cheapest machines that pods which wait fit on, and replaces or returns those that cost too much",
    source: "Karpenter v1.15.0 (sigs.k8s.io/karpenter), launches and interruptions after its AWS provider",
    parameters: &[
        Parameter {
            name: "batchIdleDuration",
            unit: "duration",
            default: "1s",
            meaning: "pods that wait are looked at once no other has come for so long",
        },
        Parameter {
            name: "batchMaxDuration",
            unit: "duration",
            default: "10s",
            meaning: "pods that wait are looked at after so long at the latest, not below batchIdleDuration",
        },
        Parameter {
            name: "preferencePolicy",
            unit: "",
            default: "Respect",
            meaning: "whether preferences of pods count as long as they can be met: Respect or Ignore",
        },
        Parameter {
            name: "minValuesPolicy",
            unit: "",
            default: "Strict",
            meaning: "whether minValues that cannot be met keep a machine from being bought: Strict or BestEffort",
        },
        Parameter {
            name: "disruptionPeriod",
            unit: "duration",
            default: "10s",
            meaning: "time between looks for nodes that can go, above 0",
        },
        Parameter {
            name: "pricePeriod",
            unit: "duration",
            default: "12h",
            meaning: "how often spot prices are asked for, above 0; between, machines are chosen by those of the last time",
        },
        Parameter {
            name: "featureGates",
            unit: "",
            default: "{spotToSpotConsolidation: false}",
            meaning: "spotToSpotConsolidation: whether spot machines may be replaced by cheaper spot machines",
        },
        Parameter {
            name: "nodePools",
            unit: "",
            default: "[]",
            meaning: "NodePool manifests; pools without one have Karpenter's defaults",
        },
        Parameter {
            name: "wellKnownLabels",
            unit: "",
            default: "[]",
            meaning: "labels of machine types, which pods may ask for though no NodePool speaks of them",
        },
    ],
    build,
};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Params {
    #[serde(deserialize_with = "parameters::duration")]
    batch_idle_duration: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    batch_max_duration: SimDuration,
    preference_policy: WrittenPreferencePolicy,
    min_values_policy: WrittenMinValuesPolicy,
    #[serde(deserialize_with = "parameters::duration")]
    disruption_period: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    price_period: SimDuration,
    feature_gates: FeatureGates,
    node_pools: Vec<Value>,
    well_known_labels: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct FeatureGates {
    spot_to_spot_consolidation: bool,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            batch_idle_duration: SimDuration::from_seconds(1.0),
            batch_max_duration: SimDuration::from_seconds(10.0),
            preference_policy: WrittenPreferencePolicy::Respect,
            min_values_policy: WrittenMinValuesPolicy::Strict,
            disruption_period: SimDuration::from_seconds(POLLING_PERIOD_S),
            price_period: SimDuration::from_seconds(PRICE_PERIOD_S),
            feature_gates: FeatureGates::default(),
            node_pools: Vec::new(),
            well_known_labels: Vec::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum WrittenPreferencePolicy {
    Respect,
    Ignore,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum WrittenMinValuesPolicy {
    Strict,
    BestEffort,
}

fn build(parameters: &Value, setting: &Setting<'_>) -> Result<Box<dyn NodeAutoscaler>, ParameterError> {
    let params: Params = parameters::read(parameters)?;
    let is_window = params.batch_idle_duration <= params.batch_max_duration;
    parameters::require(is_window, "`batchIdleDuration` must not be above `batchMaxDuration`")?;
    parameters::require(params.disruption_period > SimDuration::ZERO, "`disruptionPeriod` must be above 0")?;
    parameters::require(params.price_period > SimDuration::ZERO, "`pricePeriod` must be above 0")?;
    let model = setting.model;
    let extended = &model.cluster.extended_resources;
    let mut pools = Vec::new();
    for manifest in &params.node_pools {
        pools.push(written::node_pool(manifest, extended)?);
    }
    for group in setting.groups {
        let name = pool_name(setting, *group);
        if pools.iter().all(|pool: &NodePool| pool.name != name) {
            pools.push(pool_of(setting, *group, name));
        }
    }
    order_by_weight(&mut pools);
    let group = |pool: NodePool| {
        let group = setting.groups.iter().find(|group| pool_name(setting, **group) == pool.name);
        group.map(|group| (pool, *group))
    };
    // A static pool buys nothing for pods; a pool without a group has nothing to buy.
    let pools: Vec<(NodePool, GroupId)> =
        pools.into_iter().filter(|pool| pool.replicas.is_none()).filter_map(group).collect();
    let groups = pools.iter().map(|(_, group)| *group).collect();
    let (market, pools) = Market::new(model, pools, params.price_period);
    let environment = Environment {
        well_known: WellKnownLabels::with(params.well_known_labels.iter().cloned()),
        reservation_label: String::new(),
        pools,
        classes: classes::of_model(model),
        daemons: classes::daemons(model),
        namespaces: model.objects.namespaces.clone(),
    };
    Ok(Box::new(Karpenter::new(&params, groups, market, environment)))
}

/// A pool without a manifest: it takes the kinds of capacity that it is offered.
fn pool_of(setting: &Setting<'_>, group: GroupId, name: &str) -> NodePool {
    let provisioning = &setting.model.provisioning;
    let offered = provisioning.group(group).offers.iter().map(|offer| provisioning.offer(*offer).market.name());
    let kinds: BTreeSet<&str> = offered.collect();
    let mut pool = NodePool::named(name);
    pool.template.requirements.push(NodeRequirement {
        key: CAPACITY_TYPE_LABEL.to_owned(),
        operator: Operator::In,
        values: kinds.into_iter().map(str::to_owned).collect(),
        min_values: None,
    });
    pool
}

fn pool_name<'m>(setting: &Setting<'m>, group: GroupId) -> &'m str {
    &setting.model.cluster.pools[setting.model.provisioning.group(group).pool.index()].name
}

/// Who asks for a pass of provisioning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asker {
    /// A pod that fits nowhere.
    Pod(PodId),
    /// A node that is going.
    Machine(MachineId),
}

/// An order whose machine is not known yet.
#[derive(Clone, Debug)]
struct Placed {
    group: GroupId,
    offers: Vec<OfferId>,
    /// The command that waits for it.
    command: Option<u64>,
    /// When the order was given.
    at: SimTime,
}

/// Karpenter in a run.
#[derive(Debug)]
struct Karpenter {
    options: Options,
    /// The groups of the pools of the environment.
    groups: Vec<GroupId>,
    market: Market,
    environment: Environment,
    sight: Sight,
    memory: Memory,
    batcher: Batcher,
    nomination_window: SimDuration,
    /// Who asks again, and when.
    askers: BTreeSet<(SimTime, Asker)>,
    /// Orders whose machines are not known yet, in order.
    placed: VecDeque<Placed>,
    /// Machines that are not launched yet, and what was asked for.
    launching: BTreeMap<MachineId, Vec<OfferId>>,
    machines_seen: usize,
    /// Machines that have not joined, by position of their pool.
    coming: BTreeSet<(usize, MachineId)>,
    /// Until when machines are kept for pods.
    nominated: BTreeMap<MachineId, SimTime>,
    last_pass: provisioning::LastPass,
    /// When machines go because of their age.
    expiries: BTreeSet<(SimTime, MachineId)>,
    /// Machines that the provider has said it takes back.
    interrupted: Vec<MachineId>,
    disruption: disrupting::Disruption,
    /// How many claims had been bound when classes were last made after them.
    claims_bound: Option<usize>,
}

impl Karpenter {
    fn new(params: &Params, groups: Vec<GroupId>, market: Market, environment: Environment) -> Karpenter {
        let options = Options {
            preferences: match params.preference_policy {
                WrittenPreferencePolicy::Respect => PreferencePolicy::Respect,
                WrittenPreferencePolicy::Ignore => PreferencePolicy::Ignore,
            },
            min_values: match params.min_values_policy {
                WrittenMinValuesPolicy::Strict => MinValuesPolicy::Strict,
                WrittenMinValuesPolicy::BestEffort => MinValuesPolicy::BestEffort,
            },
            reserved: ReservedMode::Strict,
        };
        Karpenter {
            options,
            groups,
            market,
            environment,
            sight: Sight::default(),
            memory: Memory::default(),
            batcher: Batcher::new(params.batch_idle_duration, params.batch_max_duration),
            nomination_window: lifecycle::nomination_window(params.batch_max_duration),
            askers: BTreeSet::new(),
            placed: VecDeque::new(),
            launching: BTreeMap::new(),
            machines_seen: 0,
            coming: BTreeSet::new(),
            nominated: BTreeMap::new(),
            last_pass: provisioning::LastPass::default(),
            expiries: BTreeSet::new(),
            interrupted: Vec::new(),
            disruption: disrupting::Disruption::new(
                params.disruption_period,
                params.feature_gates.spot_to_spot_consolidation,
            ),
            claims_bound: None,
        }
    }

    /// Finds the machines of the orders of the last turn, and what became of those that were under way.
    fn follow_orders(&mut self, seen: &Seen<'_>) {
        let fleet = &seen.view.world.fleet;
        for machine in (self.machines_seen..fleet.machines.len()).map(MachineId::from_index) {
            let one = fleet.get(machine);
            let Some(pool) = self.groups.iter().position(|group| *group == one.group) else { continue };
            self.coming.insert((pool, machine));
            if let Some(at) = lifecycle::expires_at(&self.environment.pools[pool].0.template, one.ordered) {
                self.expiries.insert((at, machine));
            }
            if self.placed.front().is_some_and(|placed| placed.group == one.group) {
                let placed = self.placed.pop_front().expect("there is one in front");
                self.launching.insert(machine, placed.offers);
                if let Some(command) = placed.command {
                    self.disruption.note_replacement(command, machine);
                }
            }
        }
        self.machines_seen = fleet.machines.len();
        let now = seen.now();
        // An order that nobody carries out is not waited for.
        let horizon = SimDuration::from_seconds(lifecycle::LAUNCH_TIMEOUT_S);
        self.placed.retain(|placed| now.since(placed.at) < horizon);
        let mut failed = Vec::new();
        // Where the provider spreads machines, the order of offers says nothing.
        let model = seen.view.model;
        let spread: Vec<GroupId> =
            self.groups.iter().copied().filter(|group| model.provisioning.group(*group).is_spread).collect();
        self.launching.retain(|machine, offers| {
            let one = fleet.get(*machine);
            match one.state {
                MachineState::Refused if one.refusal != Some(Refusal::GroupIsFull) => failed.append(offers),
                MachineState::Ordered if one.launched == SimTime::NEVER => return true,
                // What came before the offer that it got was not to be had.
                _ if spread.contains(&one.group) => {}
                _ => failed.extend(offers.iter().copied().take_while(|offer| *offer != one.offer)),
            }
            false
        });
        for offer in failed {
            self.market.failed(offer, now, &mut self.environment);
        }
    }

    /// Whether it is known of every order what it has brought (`Synced`).
    fn is_synced(&self) -> bool {
        self.launching.is_empty() && self.placed.is_empty()
    }

    /// Gives up what does not come up, and returns what is too old.
    fn lives(&mut self, seen: &Seen<'_>, orders: &mut Vec<Order>) {
        let (now, fleet) = (seen.now(), &seen.view.world.fleet);
        for machine in std::mem::take(&mut self.interrupted) {
            let one = fleet.get(machine);
            if self.groups.contains(&one.group) && one.state.is_wanted() {
                self.market.failed(one.offer, now, &mut self.environment);
                self.askers.insert((now, Asker::Machine(machine)));
                orders.push(self.return_of(machine, one.group, "interrupted"));
            }
        }
        while let Some((at, machine)) = self.expiries.first().copied().filter(|(at, _)| *at <= now) {
            self.expiries.remove(&(at, machine));
            let one = fleet.get(machine);
            if one.state.is_wanted() {
                self.askers.insert((now, Asker::Machine(machine)));
                orders.push(self.return_of(machine, one.group, "expired"));
            }
        }
        self.coming.retain(|(_, machine)| fleet.get(*machine).state == MachineState::Ordered);
        for (_, machine) in &self.coming {
            let one = fleet.get(*machine);
            let is_launched = one.launched != SimTime::NEVER;
            let until = lifecycle::given_up_at(one.ordered, is_launched, false);
            if until.is_some_and(|until| until <= now) {
                let reason = if is_launched { "did not register" } else { "was not launched" };
                orders.push(self.return_of(*machine, one.group, reason));
            }
        }
    }

    /// When some life next needs a look.
    fn next_of_lives(&self, seen: &Seen<'_>) -> SimTime {
        let fleet = &seen.view.world.fleet;
        let given_up = self.coming.iter().map(|(_, machine)| fleet.get(*machine));
        let given_up = given_up
            .filter_map(|one| lifecycle::given_up_at(one.ordered, one.launched != SimTime::NEVER, false))
            .filter(|at| *at > seen.now());
        let expiry = self.expiries.first().map(|(at, _)| *at);
        given_up.chain(expiry).min().unwrap_or(SimTime::NEVER)
    }

    fn return_of(&self, machine: MachineId, group: GroupId, reason: &'static str) -> Order {
        let pool = self.groups.iter().position(|other| *other == group);
        let template = pool.map(|pool| &self.environment.pools[pool].0.template);
        let force_after = template.and_then(|template| template.termination_grace_period);
        let patience = Patience { give_up_after: None, force_after, spares_protected: true };
        Order { action: Action::Return { machine, patience }, reason }
    }
}

impl NodeAutoscaler for Karpenter {
    fn first_turn(&self) -> SimTime {
        SimTime::ZERO
    }

    fn turn(&mut self, seen: &Seen<'_>) -> Turn {
        let mut orders = Vec::new();
        self.follow_orders(seen);
        let known = self.environment.classes.len();
        classes::catch_up(seen.view.model, &mut self.environment.classes);
        if known < self.environment.classes.len() {
            self.claims_bound = None;
        }
        self.market.refresh(seen.view.model, seen.now(), &mut self.environment);
        self.sight.refresh(seen.view, &self.groups, &self.environment);
        if classes::follow_claims(seen.view, &mut self.claims_bound, &mut self.environment.classes) {
            self.sight.version += 1;
        }
        self.lives(seen, &mut orders);
        // Nodes that are given back are not provisioned for.
        self.carry_on(seen, &mut orders);
        self.provision(seen, &mut orders);
        self.disrupt(seen, &mut orders);
        let now = seen.now();
        let next = self.next_pass(now).min(self.next_of_lives(seen)).min(self.disruption.next(now));
        Turn { orders, next: next.max(SimTime(seen.now().0 + 1)) }
    }

    fn pod_waits(&mut self, pod: PodId, now: SimTime) -> Option<SimTime> {
        let closes = self.batcher.trigger(pod, now);
        self.askers.insert((now.after(SimDuration::from_seconds(REQUEUE_S)), Asker::Pod(pod)));
        closes
    }

    fn machine_reclaimed(&mut self, machine: MachineId, now: SimTime) -> Option<SimTime> {
        self.interrupted.push(machine);
        Some(now)
    }

    fn node_changed(&mut self, machine: MachineId, now: SimTime) -> Option<SimTime> {
        self.disruption.note_pods(machine, now);
        None
    }
}

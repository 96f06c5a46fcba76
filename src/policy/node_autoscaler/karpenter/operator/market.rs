//! What can be bought: the offers of the model as instance types with offerings, and which of them the provider has lately
//! had none of.
//!
//! Sources: `GetInstanceTypes` and `Launch` of the AWS provider (1.x): offerings that failed are taken to be unavailable for
//! 3 min; a launch asks for the cheapest [`LAUNCH_TYPES_MAX`] types of one kind of capacity, reserved before spot before on
//! demand. Spot is bought by price alone: the provider's measure of how likely a reclaim is, which
//! `price-capacity-optimized` weighs in, is known to nobody outside.

use std::collections::BTreeMap;

use super::super::instance_type::{InstanceType, Offering};
use super::super::lifecycle::UNAVAILABLE_OFFERING_TTL_S;
use super::super::node_pool::NodePool;
use super::super::requirement::{Operator, Requirement};
use super::super::requirements::{
    CAPACITY_TYPE_LABEL, INITIALIZED_LABEL, INSTANCE_TYPE_LABEL, NODE_POOL_LABEL, ON_DEMAND, REGISTERED_LABEL,
    RESERVED, SPOT,
};
use super::super::resources::ResourceList;
use super::super::scheduler::{Environment, NewNode};
use crate::ids::{GroupId, OfferId};
use crate::model::cluster::ZONE_LABEL;
use crate::model::provisioning::Offer;
use crate::model::{Label, Model, NodeShape};
use crate::units::{SimDuration, SimTime};

/// How many types a launch asks for at most.
pub const LAUNCH_TYPES_MAX: usize = 60;

/// Type, zone and kind of capacity: what a provider runs out of.
type Kind = (String, String, String);

/// What can be bought for the pools.
#[derive(Debug)]
pub(super) struct Market {
    /// By pool, type and offering, as in the environment.
    offers: Vec<Vec<Vec<OfferId>>>,
    /// What each offer is, by offer: pool, type, offering.
    places: BTreeMap<OfferId, (usize, usize, usize)>,
    /// Until when offers are taken to be unavailable.
    unavailable: BTreeMap<Kind, SimTime>,
    /// How often availability or prices changed.
    version: u64,
    /// How often the provider is asked for prices, and when next; never where no price changes.
    price_period: SimDuration,
    prices_due: SimTime,
}

impl Market {
    /// Pools with the types that their groups offer.
    pub(super) fn new(
        model: &Model,
        pools: Vec<(NodePool, GroupId)>,
        price_period: SimDuration,
    ) -> (Market, Vec<(NodePool, Vec<InstanceType>)>) {
        let changes = model.provisioning.market.has_prices();
        let mut market = Market {
            offers: Vec::new(),
            places: BTreeMap::new(),
            unavailable: BTreeMap::new(),
            version: 0,
            price_period,
            prices_due: if changes { SimTime::ZERO } else { SimTime::NEVER },
        };
        let mut stocked = Vec::new();
        for (pool, group) in pools {
            let (types, offers) = types_of(model, &pool, group);
            for (at, of_type) in offers.iter().enumerate() {
                for (offering, offer) in of_type.iter().enumerate() {
                    market.places.insert(*offer, (stocked.len(), at, offering));
                }
            }
            market.offers.push(offers);
            stocked.push((pool, types));
        }
        (market, stocked)
    }

    /// Pool, type and offering of an offer.
    pub(super) fn place(&self, offer: OfferId) -> Option<(usize, usize, usize)> {
        self.places.get(&offer).copied()
    }

    /// Changes with what is taken to be available.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Notes that the provider had none of an offer.
    pub(super) fn failed(&mut self, offer: OfferId, now: SimTime, environment: &mut Environment) {
        let Some((pool, at, offering)) = self.place(offer) else { return };
        let of_type = &environment.pools[pool].1[at];
        let kind = kind_of(of_type, &of_type.offerings[offering]);
        let until = now.after(SimDuration::from_seconds(UNAVAILABLE_OFFERING_TTL_S));
        let is_new = self.unavailable.insert(kind, until).is_none();
        if is_new {
            self.restock(environment);
        }
    }

    /// Forgets failures that are long ago, and asks for prices when it is time.
    pub(super) fn refresh(&mut self, model: &Model, now: SimTime, environment: &mut Environment) {
        if self.prices_due <= now {
            self.prices_due = now.after(self.price_period);
            self.version += 1;
            for (offer, (pool, at, offering)) in &self.places {
                environment.pools[*pool].1[*at].offerings[*offering].usd_per_hour = model.usd_per_hour(*offer, now);
            }
        }
        let before = self.unavailable.len();
        self.unavailable.retain(|_, until| *until > now);
        if self.unavailable.len() < before {
            self.restock(environment);
        }
    }

    fn restock(&mut self, environment: &mut Environment) {
        self.version += 1;
        for (_, types) in &mut environment.pools {
            for of_type in types {
                for at in 0..of_type.offerings.len() {
                    let kind = kind_of(of_type, &of_type.offerings[at]);
                    of_type.offerings[at].is_available = !self.unavailable.contains_key(&kind);
                }
                set_offered(of_type);
            }
        }
    }

    /// The offers that a launch asks for, the best first; none: nothing is to be had. They are chosen by the prices that were
    /// last asked for; the provider takes the cheapest of them by what they cost now, `price`.
    pub(super) fn launch(
        &self,
        node: &NewNode,
        environment: &Environment,
        price: impl Fn(OfferId) -> f64,
    ) -> Vec<OfferId> {
        let types = &environment.pools[node.pool].1;
        let kinds = node.requirements.get_or_any(CAPACITY_TYPE_LABEL);
        let mut open: Vec<(f64, usize, usize)> = Vec::new();
        for at in plain_types(node, types) {
            for (offering, of) in types[at].offerings.iter().enumerate() {
                if of.is_launchable() && node.requirements.is_compatible(&of.requirements, &environment.well_known) {
                    open.push((of.usd_per_hour, at, offering));
                }
            }
        }
        let is_of = |kind: &str, (_, at, offering): &(f64, usize, usize)| {
            types[*at].offerings[*offering].capacity_type() == kind
        };
        let kind = [RESERVED, SPOT, ON_DEMAND]
            .into_iter()
            .find(|kind| kinds.has(kind) && open.iter().any(|one| is_of(kind, one)));
        let Some(kind) = kind else { return Vec::new() };
        // Spot that costs more than the cheapest machine on demand is left alone where both would do.
        let on_demand = open.iter().filter(|one| is_of(ON_DEMAND, one)).map(|one| one.0).fold(f64::MAX, f64::min);
        let mut chosen: Vec<_> = open.iter().filter(|one| is_of(kind, one)).copied().collect();
        if kind == SPOT && kinds.has(ON_DEMAND) && chosen.iter().any(|one| one.0 <= on_demand) {
            chosen.retain(|one| one.0 <= on_demand);
        }
        chosen.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut types_seen: Vec<usize> = Vec::new();
        chosen.retain(|(_, at, _)| {
            if !types_seen.contains(at) && types_seen.len() < LAUNCH_TYPES_MAX {
                types_seen.push(*at);
            }
            types_seen.contains(at)
        });
        let mut offers: Vec<OfferId> =
            chosen.into_iter().map(|(_, at, offering)| self.offers[node.pool][at][offering]).collect();
        if self.prices_due != SimTime::NEVER {
            offers.sort_by(|one, other| price(*one).total_cmp(&price(*other)));
        }
        offers
    }
}

/// The types of a node without those that nobody asked for: bare metal and accelerators, where plain ones will do
/// (`filterExoticInstanceTypes`).
fn plain_types(node: &NewNode, types: &[InstanceType]) -> Vec<usize> {
    let is_plain = |at: &usize| {
        let of_type = &types[*at];
        let label = |key: &str| of_type.requirements.get(key).and_then(Requirement::single);
        let is_metal = label("karpenter.k8s.aws/instance-size").is_some_and(|size| size.contains("metal"));
        let accelerated = ["karpenter.k8s.aws/instance-gpu-count", "karpenter.k8s.aws/instance-accelerator-count"];
        !is_metal && accelerated.iter().all(|key| label(key).is_none_or(|count| count == "0"))
    };
    let plain: Vec<usize> = node.types.iter().copied().filter(is_plain).collect();
    if plain.is_empty() { node.types.clone() } else { plain }
}

fn kind_of(of_type: &InstanceType, offering: &Offering) -> Kind {
    (of_type.name.clone(), offering.zone().to_owned(), offering.capacity_type().to_owned())
}

/// What a type's zones and kinds of capacity are: those of its available offerings.
fn set_offered(of_type: &mut InstanceType) {
    let available = || of_type.offerings.iter().filter(|offering| offering.is_available);
    let zones = Requirement::new(Operator::In, available().map(Offering::zone));
    let kinds = Requirement::new(Operator::In, available().map(Offering::capacity_type));
    of_type.requirements.set(ZONE_LABEL, zones);
    of_type.requirements.set(CAPACITY_TYPE_LABEL, kinds);
}

/// The types of a group, and their offers by type and offering.
fn types_of(model: &Model, pool: &NodePool, group: GroupId) -> (Vec<InstanceType>, Vec<Vec<OfferId>>) {
    let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
    let mut grouped: Vec<(&str, Vec<OfferId>)> = Vec::new();
    for offer in &model.provisioning.group(group).offers {
        let shape = model.cluster.shape(model.provisioning.offer(*offer).shape);
        let name = label(&shape.labels, INSTANCE_TYPE_LABEL).unwrap_or(&pool.name);
        let at = *by_name.entry(name).or_insert_with(|| {
            grouped.push((name, Vec::new()));
            grouped.len() - 1
        });
        grouped[at].1.push(*offer);
    }
    let types = grouped.iter().map(|(name, offers)| instance_type(model, pool, name, offers)).collect();
    (types, grouped.into_iter().map(|(_, offers)| offers).collect())
}

fn instance_type(model: &Model, pool: &NodePool, name: &str, offers: &[OfferId]) -> InstanceType {
    let shapes: Vec<(&Offer, &NodeShape)> = offers
        .iter()
        .map(|offer| model.provisioning.offer(*offer))
        .map(|offer| (offer, model.cluster.shape(offer.shape)))
        .collect();
    let first = shapes[0].1;
    let varying = varying_labels(&shapes);
    let offering = |(offer, shape): &(&Offer, &NodeShape)| {
        let zone = label(&shape.labels, ZONE_LABEL).unwrap_or("");
        let mut offering = Offering::new(zone, offer.market.name(), shape.usd_per_hour);
        for key in &varying {
            let value = label(&shape.labels, key);
            offering.requirements.add(key, &value.map_or_else(Requirement::does_not_exist, Requirement::is));
        }
        // How much a reservation holds is for the provider to say: here it is tried until it fails.
        offering.reservation_capacity = u32::MAX;
        offering
    };
    let overhead = ResourceList::from(&first.reserved);
    let capacity = capacity(first);
    let mut of_type = InstanceType::new(name, capacity, overhead, shapes.iter().map(offering).collect());
    for (_, shape) in &shapes {
        for Label { key, value } in shape.labels.iter().filter(|label| is_of_type(pool, &label.key)) {
            match of_type.requirements.remove(key) {
                Some(mut values) => {
                    values.insert(value);
                    of_type.requirements.set(key, values);
                }
                None => of_type.requirements.set(key, Requirement::is(value)),
            }
        }
    }
    of_type
}

/// What a machine has: what pods can request of it and what is kept from them.
pub(super) fn capacity(shape: &NodeShape) -> ResourceList {
    let mut capacity = allocatable(shape);
    let reserved = ResourceList::from(&shape.reserved);
    for (kind, amount) in reserved.iter() {
        capacity.set(kind, capacity.amount(kind) + amount);
    }
    capacity
}

/// What pods can request of a machine. Its GPUs, where they are known by model, count in thousandths as one more extended
/// resource ([`super::classes::with_gpus`]).
pub(super) fn allocatable(shape: &NodeShape) -> ResourceList {
    let mut resources = shape.allocatable.clone();
    if let Some(gpu) = shape.gpu {
        super::classes::add_gpus(&mut resources, u64::from(gpu.count) * u64::from(crate::model::cluster::GPU_MILLI));
    }
    ResourceList::from(&resources)
}

/// Labels beside zone and kind of capacity in which the shapes of one type differ.
fn varying_labels(shapes: &[(&Offer, &NodeShape)]) -> Vec<String> {
    let first = &shapes[0].1.labels;
    let keys = shapes.iter().flat_map(|(_, shape)| shape.labels.iter().map(|label| label.key.as_str()));
    let mut varying: Vec<String> = keys
        .filter(|key| ![ZONE_LABEL, CAPACITY_TYPE_LABEL].contains(key))
        .filter(|key| shapes.iter().any(|(_, shape)| label(&shape.labels, key) != label(first, key)))
        .map(str::to_owned)
        .collect();
    varying.sort();
    varying.dedup();
    varying
}

/// Whether a label says something about the machine, and is not what the pool gives its nodes.
fn is_of_type(pool: &NodePool, key: &str) -> bool {
    let of_pool = pool.template.labels.iter().any(|label| label.key == key)
        || pool.template.node_class.as_ref().is_some_and(|class| class.key == key);
    !of_pool && ![NODE_POOL_LABEL, REGISTERED_LABEL, INITIALIZED_LABEL, ZONE_LABEL, CAPACITY_TYPE_LABEL].contains(&key)
}

pub(super) fn label<'l>(labels: &'l [Label], key: &str) -> Option<&'l str> {
    labels.iter().find(|label| label.key == key).map(|label| label.value.as_str())
}

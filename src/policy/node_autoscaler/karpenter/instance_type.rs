//! Instance types: what a cloud sells, where, as what kind of capacity and at what price; which of them to launch.
//!
//! Source: `pkg/cloudprovider/types.go` of Karpenter v1.15.0. Left out: offerings whose capacity differs from that of their
//! instance type, limits of attached volumes, devices.

use std::collections::{BTreeMap, BTreeSet};

use super::go_sort::sort_as_go;
use super::requirement::Requirement;
use super::requirements::{
    CAPACITY_TYPE_LABEL, INSTANCE_TYPE_LABEL, ON_DEMAND, RESERVED, Requirements, SPOT, WellKnownLabels,
};
use super::resources::{ResourceKind, ResourceList};
use crate::model::cluster::ZONE_LABEL;

/// A kind of capacity in a zone at a price.
#[derive(Clone, Debug, PartialEq)]
pub struct Offering {
    /// Its labels; zone and capacity type are among them.
    pub requirements: Requirements,
    /// Price in US dollars per hour.
    pub usd_per_hour: f64,
    /// Whether the cloud can provide it now, as far as is known.
    pub is_available: bool,
    /// How many more machines the reservation holds, where it is one.
    pub reservation_capacity: u32,
}

impl Offering {
    /// An available offering in a zone.
    pub fn new(zone: &str, capacity_type: &str, usd_per_hour: f64) -> Offering {
        let mut requirements = Requirements::new();
        requirements.add(ZONE_LABEL, &Requirement::is(zone));
        requirements.add(CAPACITY_TYPE_LABEL, &Requirement::is(capacity_type));
        Offering { requirements, usd_per_hour, is_available: true, reservation_capacity: 0 }
    }

    /// The kind of capacity; empty where the offering does not say.
    pub fn capacity_type(&self) -> &str {
        self.label(CAPACITY_TYPE_LABEL)
    }

    /// The zone; empty where the offering does not say.
    pub fn zone(&self) -> &str {
        self.label(ZONE_LABEL)
    }

    pub(super) fn label(&self, key: &str) -> &str {
        self.requirements.get(key).and_then(Requirement::single).unwrap_or("")
    }

    /// Whether a machine can be launched: it is available, and a reservation has room (`Launchable`).
    pub fn is_launchable(&self) -> bool {
        let is_reserved = self.requirements.get(CAPACITY_TYPE_LABEL).is_some_and(|kind| kind.has(RESERVED));
        self.is_available && (!is_reserved || self.reservation_capacity > 0)
    }
}

/// A type of machine.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceType {
    /// Its name.
    pub name: String,
    /// What labels its machines can have.
    pub requirements: Requirements,
    /// Where and how it is sold.
    pub offerings: Vec<Offering>,
    /// What a machine has.
    pub capacity: ResourceList,
    /// What of it system, kubelet and eviction threshold keep.
    pub overhead: ResourceList,
}

impl InstanceType {
    /// A type with the labels that follow from its name and its available offerings.
    pub fn new(name: &str, capacity: ResourceList, overhead: ResourceList, offerings: Vec<Offering>) -> InstanceType {
        let available = || offerings.iter().filter(|offering| offering.is_available);
        let of = |values: Vec<&str>| Requirement::new(super::requirement::Operator::In, values);
        let mut requirements = Requirements::new();
        requirements.add(INSTANCE_TYPE_LABEL, &Requirement::is(name));
        requirements.add(ZONE_LABEL, &of(available().map(Offering::zone).collect()));
        requirements.add(CAPACITY_TYPE_LABEL, &of(available().map(Offering::capacity_type).collect()));
        InstanceType { name: name.to_owned(), requirements, offerings, capacity, overhead }
    }

    /// What pods can request of a machine.
    pub fn allocatable(&self) -> ResourceList {
        let mut allocatable = self.capacity.less(&self.overhead);
        for (kind, bytes) in self.capacity.iter() {
            if matches!(kind, ResourceKind::HugePages { .. }) {
                let memory = allocatable.amount(ResourceKind::Memory) - bytes;
                allocatable.set(ResourceKind::Memory, memory.max(0));
            }
        }
        allocatable
    }

    /// Offerings that are compatible with the requirements.
    pub(super) fn compatible<'a>(
        &'a self,
        requirements: &'a Requirements,
        well_known: &'a WellKnownLabels,
    ) -> impl Iterator<Item = &'a Offering> {
        self.offerings.iter().filter(move |of| requirements.is_compatible(&of.requirements, well_known))
    }

    /// The price of the offering in a zone of a kind of capacity, whether available or not.
    pub fn price(&self, zone: &str, capacity_type: &str) -> Option<f64> {
        let is_it = |offering: &&Offering| offering.zone() == zone && offering.capacity_type() == capacity_type;
        self.offerings.iter().find(is_it).map(|offering| offering.usd_per_hour)
    }

    /// The lowest price among launchable offerings that are compatible; `f64::MAX` where there is none.
    pub fn cheapest_price(&self, requirements: &Requirements, well_known: &WellKnownLabels) -> f64 {
        let launchable = self.compatible(requirements, well_known).filter(|offering| offering.is_launchable());
        launchable.map(|offering| offering.usd_per_hour).fold(f64::MAX, f64::min)
    }

    /// The highest price of what a launch would take: reserved capacity if there is any, else spot, else on demand
    /// (`Launchable().WorstLaunchPrice`); `f64::MAX` where there is nothing.
    pub fn worst_launch_price(&self, requirements: &Requirements, well_known: &WellKnownLabels) -> f64 {
        for kind in [RESERVED, SPOT, ON_DEMAND] {
            let is_kind = |of: &&Offering| {
                of.is_launchable() && of.requirements.get(CAPACITY_TYPE_LABEL).is_some_and(|have| have.has(kind))
            };
            let prices = self.compatible(requirements, well_known).filter(is_kind).map(|of| of.usd_per_hour);
            if let Some(worst) = prices.reduce(f64::max) {
                return worst;
            }
        }
        f64::MAX
    }
}

/// Whether minimum numbers of values are met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinValues {
    /// How many of the instance types, from the first on, are needed.
    pub needed: usize,
    /// Labels with too few values, and how many they have.
    pub unsatisfied: BTreeMap<String, usize>,
}

/// Whether instance types have enough values among them (`SatisfiesMinValues`). Only values that are required count.
pub fn satisfies_min_values<'a>(
    types: impl IntoIterator<Item = &'a InstanceType>,
    requirements: &Requirements,
) -> MinValues {
    let wanted: Vec<(&str, &Requirement, usize)> =
        requirements.iter().filter_map(|(key, needs)| Some((key, needs, needs.min_values()?))).collect();
    let mut found: Vec<BTreeSet<&str>> = vec![BTreeSet::new(); wanted.len()];
    let mut looked_at = 0;
    for instance_type in types {
        looked_at += 1;
        for ((key, needs, _), values) in wanted.iter().zip(&mut found) {
            let of_type = instance_type.requirements.get(key);
            values.extend(of_type.iter().flat_map(|of_type| of_type.values()).filter(|value| needs.has(value)));
        }
        if wanted.iter().zip(&found).all(|((.., min), values)| values.len() >= *min) {
            return MinValues { needed: if wanted.is_empty() { 0 } else { looked_at }, unsatisfied: BTreeMap::new() };
        }
    }
    // Without any type nothing was counted, and nothing counts as missing.
    let lacks = |((key, _, min), values): (&(&str, &Requirement, usize), &BTreeSet<&str>)| {
        (looked_at > 0 && values.len() < *min).then(|| ((*key).to_owned(), values.len()))
    };
    MinValues { needed: looked_at, unsatisfied: wanted.iter().zip(&found).filter_map(lacks).collect() }
}

/// Sorts instance types, given by position, by the price of their cheapest launchable offering (`OrderByPrice`).
pub fn order_by_price(
    order: &mut [usize],
    types: &[InstanceType],
    requirements: &Requirements,
    well_known: &WellKnownLabels,
) {
    let price = |at: &usize| types[*at].cheapest_price(requirements, well_known);
    let mut priced: Vec<(f64, usize)> = order.iter().map(|at| (price(at), *at)).collect();
    sort_as_go(&mut priced, |one, other| one.0 < other.0);
    for (place, (_, at)) in order.iter_mut().zip(priced) {
        *place = at;
    }
}

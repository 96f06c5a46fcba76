//! Rules of paying: from the file to the model.

mod spec;

use super::cloud::Supply;
use super::context::Context;
use super::schema::suggestion;
use super::spec::ScenarioSpec;
use crate::document::Code;
use crate::ids::ZoneId;
use crate::model::billing::{
    Allocation, Billing, Commitments, EgressTariff, Place, PlanRate, Reservation, SavingsPlan, Tariff,
};
use crate::model::catalogue::Provider;
use crate::model::cluster::{INSTANCE_TYPE_LABEL, REGION_LABEL};
use crate::model::money::Money;
use crate::model::{Cluster, NodeShape};
use spec::{AllocationSpec, EgressSpec, PlanRateSpec, ReservationSpec};
pub(super) use spec::{BillingSpec, ProviderSpec};

/// Builds the rules, if there are any.
pub(super) fn build(
    scenario: &ScenarioSpec,
    cluster: &Cluster,
    supply: &Supply,
    context: &mut Context<'_>,
) -> Option<Box<Tariff>> {
    let spec = scenario.billing.as_ref()?;
    let provider = provider(spec.provider);
    let mut names = Vec::new();
    let type_of_shape: Vec<u32> =
        cluster.shapes.iter().map(|kind| number(type_of(kind, cluster), &mut names)).collect();
    let region_of_shape: Vec<u32> =
        cluster.shapes.iter().map(|kind| number(label(kind, REGION_LABEL).unwrap_or(""), &mut names)).collect();
    let mut finder =
        Finder { names: &names, type_of_shape: &type_of_shape, region_of_shape: &region_of_shape, context };
    let reservations = spec.reservations.iter().enumerate();
    let reservations = reservations.flat_map(|(index, one)| finder.reservation(one, index)).collect();
    let mut plans = Vec::new();
    for (index, plan) in spec.savings_plans.iter().enumerate() {
        let at = |rate: usize| format!("billing.savingsPlans[{index}].rates[{rate}].instanceType");
        let rates = plan.rates.iter().enumerate().flat_map(|(rate, one)| finder.rate(one, &at(rate))).collect();
        plans.push(SavingsPlan { commitment_per_hour: Money::from_dollars(plan.commitment_per_hour), rates });
    }
    Some(Box::new(Tariff {
        provider,
        billing: Billing::of(provider),
        allocation: match spec.allocation {
            AllocationSpec::Greatest => Allocation::Greatest,
            AllocationSpec::Requests => Allocation::Requests,
            AllocationSpec::Usage => Allocation::Usage,
        },
        node_fee_per_hour: Money::from_dollars(spec.node_fee_per_hour),
        control_plane_per_hour: Money::from_dollars(spec.control_plane_per_hour),
        commitments: Commitments { reservations, plans },
        egress: egress(&spec.egress, provider),
        places: places(cluster, supply, &region_of_shape, &names),
        type_of_shape,
        region_of_shape,
        names,
    }))
}

/// What bytes cost: what is written, and else the provider's list prices.
fn egress(spec: &EgressSpec, provider: Provider) -> EgressTariff {
    let mut tariff = EgressTariff::of(provider);
    if let Some(price) = spec.zone_per_gib {
        tariff.zone_per_gib = Money::from_dollars(price);
    }
    if let Some(price) = spec.region_per_gib {
        tariff.region_per_gib = Money::from_dollars(price);
    }
    if let Some(price) = spec.internet_per_gib {
        tariff.internet_per_gib = vec![(u64::MAX, Money::from_dollars(price))];
    }
    tariff
}

/// Where each zone is, and last where nodes without a zone are; none: no machine can stand there.
fn places(cluster: &Cluster, supply: &Supply, region_of_shape: &[u32], names: &[String]) -> Vec<Option<Place>> {
    let mut places = vec![None; cluster.zones.len() + 1];
    for (shape, &region) in cluster.shapes.iter().zip(region_of_shape) {
        let place = Place { region, is_own: supply.is_own(&names[region as usize]) };
        places[shape.zone.map_or(cluster.zones.len(), ZoneId::index)].get_or_insert(place);
    }
    places
}

pub(super) fn provider(spec: ProviderSpec) -> Provider {
    match spec {
        ProviderSpec::Aws => Provider::Aws,
        ProviderSpec::Azure => Provider::Azure,
        ProviderSpec::Gcp => Provider::Gcp,
        ProviderSpec::Private => Provider::Private,
    }
}

fn label<'s>(kind: &'s NodeShape, key: &str) -> Option<&'s str> {
    kind.labels.iter().find(|label| label.key == key).map(|label| label.value.as_str())
}

/// The instance type of a shape: what its label says, or its pool.
fn type_of<'s>(kind: &'s NodeShape, cluster: &'s Cluster) -> &'s str {
    let pool = || kind.pool.map_or("", |pool| cluster.pools[pool.index()].name.as_str());
    label(kind, INSTANCE_TYPE_LABEL).unwrap_or_else(pool)
}

fn number(name: &str, names: &mut Vec<String>) -> u32 {
    let position = names.iter().position(|other| other == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    });
    position as u32
}

/// Finds types by name among those of the cluster.
struct Finder<'f, 'c> {
    names: &'f [String],
    type_of_shape: &'f [u32],
    region_of_shape: &'f [u32],
    context: &'f mut Context<'c>,
}

impl Finder<'_, '_> {
    /// The type of that name, in each region that it is in.
    fn places(&mut self, name: &str, at: &str) -> Vec<(u32, u32)> {
        let kinds = self.type_of_shape.iter().zip(self.region_of_shape);
        let mut places: Vec<(u32, u32)> = kinds
            .filter(|(kind, _)| self.names[**kind as usize] == name)
            .map(|(kind, region)| (*kind, *region))
            .collect();
        places.sort_unstable();
        places.dedup();
        if places.is_empty() {
            let mut known: Vec<&str> =
                self.type_of_shape.iter().map(|kind| self.names[*kind as usize].as_str()).collect();
            known.sort_unstable();
            known.dedup();
            let message = format!("`{at}`: no node of the cluster is a `{name}`");
            let hint = suggestion(name, &known, "the types are");
            self.context.report_with_hint(at, Code::UnknownReference, message, hint);
        }
        places
    }

    /// A reservation holds in one region: in the first where the type is.
    fn reservation(&mut self, one: &ReservationSpec, index: usize) -> Option<Reservation> {
        let at = format!("billing.reservations[{index}].instanceType");
        let (instance_type, region) = *self.places(&one.instance_type, &at).first()?;
        let usd_per_hour = Money::from_dollars(one.usd_per_hour);
        Some(Reservation { instance_type, region, count: one.count, usd_per_hour })
    }

    fn rate(&mut self, one: &PlanRateSpec, at: &str) -> Vec<PlanRate> {
        let usd_per_hour = Money::from_dollars(one.usd_per_hour);
        let rate = |(instance_type, region)| PlanRate { instance_type, region, usd_per_hour };
        self.places(&one.instance_type, at).into_iter().map(rate).collect()
    }
}

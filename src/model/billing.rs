//! How providers turn time and bytes into money.
//!
//! Sources: the providers' pricing pages as they stood in 2026: AWS EC2 on demand and spot billing, Savings Plans user guide
//! (how plans apply), Reserved Instances; Google Compute Engine VM billing; Azure Linux Virtual Machines pricing. Transfer
//! prices are those of the first region of each provider. All of them are list prices, without contracts or free allowances
//! that do not renew.

use super::catalogue::{InstanceType, Provider};
use super::money::Money;
use crate::units::{Bytes, MilliCpu, SimDuration};

const SECOND: SimDuration = SimDuration(1_000_000_000);
const MINUTE: SimDuration = SimDuration(60 * SECOND.0);
const HOUR: SimDuration = SimDuration(3600 * SECOND.0);

/// What time of an instance is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Billing {
    /// Time is rounded up to a multiple of this.
    pub granularity: SimDuration,
    /// At least this much is billed.
    pub minimum: SimDuration,
    /// A spot instance that the provider reclaims before it is this old costs nothing.
    pub free_if_reclaimed_before: SimDuration,
    /// For how long from the beginning of an instance on, and again, the spot price at its beginning holds; none: every
    /// change counts at once.
    pub spot_price_held: Option<SimDuration>,
}

impl Billing {
    /// By the hour begun, as clouds did before 2017 and some still do.
    pub const HOURLY: Billing = Billing {
        granularity: HOUR,
        minimum: SimDuration::ZERO,
        free_if_reclaimed_before: SimDuration::ZERO,
        spot_price_held: Some(HOUR),
    };

    /// How a provider bills Linux: AWS by the second from a minute on, spot instances at the price of the beginning of each of
    /// their hours (announcement of its pricing model, November 2017), and nothing for those that it reclaims in their first; Google by the second from a minute on, and nothing for those that it reclaims in their first minute;
    /// Azure by the second. One's own machines cost what they cost by the nanosecond.
    pub fn of(provider: Provider) -> Billing {
        let (granularity, minimum, free_if_reclaimed_before) = match provider {
            Provider::Aws => (SECOND, MINUTE, HOUR),
            Provider::Gcp => (SECOND, MINUTE, MINUTE),
            Provider::Azure => (SECOND, SimDuration::ZERO, SimDuration::ZERO),
            Provider::Private => (SimDuration(1), SimDuration::ZERO, SimDuration::ZERO),
        };
        let spot_price_held = (provider == Provider::Aws).then_some(HOUR);
        Billing { granularity, minimum, free_if_reclaimed_before, spot_price_held }
    }

    /// The time that is billed for time used.
    pub fn billed(&self, used: SimDuration) -> SimDuration {
        let used = used.max(self.minimum);
        SimDuration(used.0.div_ceil(self.granularity.0) * self.granularity.0)
    }
}

/// How an instance was bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purchase {
    /// On demand; reservations and savings plans may cover it.
    OnDemand,
    /// May be reclaimed; nothing covers it.
    Spot,
    /// One's own; nothing covers it.
    Owned,
}

/// What an instance costs, and where it belongs in the bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The node pool, by the caller's numbers.
    pub pool: u32,
    /// The instance type, by the caller's numbers.
    pub instance_type: u32,
    /// The region, by the caller's numbers.
    pub region: u32,
    /// How it was bought.
    pub purchase: Purchase,
    /// Price by the hour at the beginning.
    pub usd_per_hour: Money,
    /// What is paid by the hour for each node, whatever its size: agents' licences, a provider's fee for managing it.
    pub node_fee_per_hour: Money,
    /// What time is billed.
    pub billing: Billing,
    /// What it has: its cost is split by this.
    pub capacity: Amounts,
}

/// Amounts of what pods share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// CPU.
    pub cpu: MilliCpu,
    /// Memory.
    pub memory: Bytes,
    /// GPUs in thousandths.
    pub gpu_milli: u64,
}

impl Amounts {
    /// What a machine of a type has, as its node sees it.
    pub fn of(kind: &InstanceType) -> Amounts {
        let node = kind.allocatable();
        let gpus = kind.gpu.as_ref().map_or(0, |(_, count)| *count);
        Amounts { cpu: node.capacity_cpu, memory: node.capacity_memory, gpu_milli: 1000 * u64::from(gpus) }
    }

    /// The amounts in the order of [`resource_weights`].
    pub fn as_array(self) -> [u64; 3] {
        [self.cpu.0, self.memory.0, self.gpu_milli]
    }
}

/// How a machine's cost is shared between its CPU, memory and GPUs: by what each would cost at OpenCost's default prices
/// (`configs/default.json` of opencost 5f65333: 0.031611 for a core, 0.004237 for a GiB and 0.95 for a GPU by the hour), as
/// `pkg/costmodel/costmodel.go` does where a provider names one price for the whole.
pub fn resource_weights(capacity: Amounts) -> [u128; 3] {
    // Each is the price in millionths of a dollar, times thousandths, times 2^30.
    [
        31_611 * u128::from(capacity.cpu.0) * (1 << 30),
        4_237 * u128::from(capacity.memory.0) * 1000,
        950_000 * u128::from(capacity.gpu_milli) * (1 << 30),
    ]
}

/// What of a machine a pod pays for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allocation {
    /// At each instant the larger of what each container requests and uses, as OpenCost allocates: `getContainerAllocation` of
    /// `pkg/costmodel/costmodel.go` takes the larger of the two, and `applyCPUCoresAllocated` and its like of
    /// `allocation_helpers.go` the mean of that, never below the request (opencost 5f65333). Where usage is not known, what is
    /// requested. OpenCost samples each minute; here the integral is exact.
    #[default]
    Greatest,
    /// What pods request, for as long as they hold the node.
    Requests,
    /// What containers use, where that is known; of others what they request.
    Usage,
}

/// Machines that are paid whether they run or not, at a lower price: a reserved instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The instance type that it covers.
    pub instance_type: u32,
    /// The region that it covers.
    pub region: u32,
    /// How many instances.
    pub count: u32,
    /// Price of one by the hour, payments in advance spread over the term.
    pub usd_per_hour: Money,
}

/// An amount that is paid in every hour, and for which instances are had at lower prices: a savings plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavingsPlan {
    /// What is paid by the hour.
    pub commitment_per_hour: Money,
    /// The instances that it covers.
    pub rates: Vec<PlanRate>,
}

/// The price of an instance under a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanRate {
    /// The instance type.
    pub instance_type: u32,
    /// The region.
    pub region: u32,
    /// Price by the hour.
    pub usd_per_hour: Money,
}

/// Everything that is bought ahead. In every hour reservations cover first, then the plans in their order (AWS: those of one
/// family before those of all); each plan covers where it saves the largest part of the price on demand, and among equals
/// where its price is lowest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commitments {
    /// Reserved instances.
    pub reservations: Vec<Reservation>,
    /// Savings plans.
    pub plans: Vec<SavingsPlan>,
}

impl Commitments {
    /// Whether nothing was bought ahead.
    pub fn is_empty(&self) -> bool {
        self.reservations.is_empty() && self.plans.is_empty()
    }
}

/// By what rules a run is billed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tariff {
    /// Who is paid: nobody's machines are one's own.
    pub provider: Provider,
    /// What time is billed.
    pub billing: Billing,
    /// What of a machine a pod pays for.
    pub allocation: Allocation,
    /// What is paid by the hour for each node.
    pub node_fee_per_hour: Money,
    /// What is paid by the hour for the control plane.
    pub control_plane_per_hour: Money,
    /// What was bought ahead.
    pub commitments: Commitments,
    /// What bytes cost that leave a machine.
    pub egress: EgressTariff,
    /// Where each zone is, and last where nodes without a zone are; none: no machine can stand there.
    pub places: Vec<Option<Place>>,
    /// The instance type of each shape of the cluster, as a position in `names`.
    pub type_of_shape: Vec<u32>,
    /// The region of each shape, as a position in `names`.
    pub region_of_shape: Vec<u32>,
    /// Names of types and regions.
    pub names: Vec<String>,
}

/// Where a zone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its region, as a position in [`Tariff::names`].
    pub region: u32,
    /// Whether machines there are one's own: their bytes cost nothing, and those of a provider leave it on the way there.
    pub is_own: bool,
}

/// Where bytes go that leave a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Egress {
    /// Another zone of the region.
    Zone,
    /// Another region of the provider.
    Region,
    /// The internet.
    Internet,
}

/// What bytes cost that leave a machine, by the GiB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressTariff {
    /// To another zone.
    pub zone_per_gib: Money,
    /// To another region.
    pub region_per_gib: Money,
    /// To the internet: up to how many GiB in a month which price; what goes beyond the last costs the last price.
    pub internet_per_gib: Vec<(u64, Money)>,
}

impl EgressTariff {
    /// A provider's list prices. AWS and Azure do not bill the first 100 GiB of a month; AWS bills a byte to another zone
    /// at both ends, so twice 0.01; Azure does not bill bytes between zones.
    pub fn of(provider: Provider) -> EgressTariff {
        let (zone, region, internet): (f64, f64, &[(u64, f64)]) = match provider {
            Provider::Aws => {
                (0.02, 0.02, &[(100, 0.0), (10_340, 0.09), (51_300, 0.085), (153_700, 0.07), (u64::MAX, 0.05)])
            }
            Provider::Azure => {
                (0.0, 0.02, &[(100, 0.0), (10_340, 0.087), (51_300, 0.083), (153_700, 0.07), (u64::MAX, 0.05)])
            }
            Provider::Gcp => (0.01, 0.02, &[(1024, 0.12), (10_240, 0.11), (u64::MAX, 0.08)]),
            Provider::Private => (0.0, 0.0, &[]),
        };
        EgressTariff {
            zone_per_gib: Money::from_dollars(zone),
            region_per_gib: Money::from_dollars(region),
            internet_per_gib: internet.iter().map(|&(upto, price)| (upto, Money::from_dollars(price))).collect(),
        }
    }

    /// What so many bytes of a month cost.
    pub fn cost(&self, to: Egress, bytes: u64) -> Money {
        let tiers: &[(u64, Money)] = match to {
            Egress::Zone => &[(u64::MAX, self.zone_per_gib)],
            Egress::Region => &[(u64::MAX, self.region_per_gib)],
            Egress::Internet => &self.internet_per_gib,
        };
        let mut cost = Money::ZERO;
        let mut from = 0;
        for (at, &(upto_gib, price)) in tiers.iter().enumerate() {
            let upto = if at + 1 == tiers.len() { u64::MAX } else { upto_gib.saturating_mul(1 << 30) };
            cost += price.portion(bytes.min(upto).saturating_sub(from), 1 << 30);
            from = upto;
        }
        cost
    }
}

/// What a provider asks for a managed control plane by the hour: 0.10 for EKS in standard support, for GKE beyond the first
/// cluster, and for AKS in its standard tier.
pub fn control_plane_per_hour(provider: Provider) -> Money {
    match provider {
        Provider::Aws | Provider::Azure | Provider::Gcp => Money(100_000_000),
        Provider::Private => Money::ZERO,
    }
}

/// What a machine of one's own costs by the hour: its price spread over its life, and what it takes every year (power, room,
/// hands), in years of 8 760 hours.
///
/// # Panics
/// When the life is no time at all.
pub fn amortised(price: Money, life_years: u32, usd_per_year: Money) -> Money {
    price.portion(1, 8760 * u64::from(life_years)) + usd_per_year.portion(1, 8760)
}

/// The part of an amount by the hour that a span takes, rounded down, so that parts never exceed it.
pub fn covered_cost(usd_per_hour: Money, span: SimDuration) -> Money {
    Money(usd_per_hour.0 * i128::from(span.0) / i128::from(HOUR.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    #[test]
    fn time_is_billed_as_providers_do() {
        let seconds = |seconds: f64| SimDuration::from_seconds(seconds);
        for (billing, used, billed) in [
            (Billing::of(Provider::Aws), 10.0, 60.0),
            (Billing::of(Provider::Aws), 60.2, 61.0),
            (Billing::of(Provider::Gcp), 0.0, 60.0),
            (Billing::of(Provider::Azure), 10.5, 11.0),
            (Billing::of(Provider::Azure), 0.0, 0.0),
            (Billing::of(Provider::Private), 0.25, 0.25),
            (Billing::HOURLY, 3600.0, 3600.0),
            (Billing::HOURLY, 3600.1, 7200.0),
        ] {
            assert_eq!(billing.billed(seconds(used)), seconds(billed), "{billing:?} for {used} s");
        }
    }

    #[test]
    fn bytes_cost_by_tiers() {
        let gib = 1u64 << 30;
        let aws = EgressTariff::of(Provider::Aws);
        for (to, bytes, cost) in [
            (Egress::Zone, 50 * gib, "1"),
            (Egress::Region, gib / 2, "0.01"),
            (Egress::Internet, 100 * gib, "0"),
            // 10 GiB beyond the first 100
            (Egress::Internet, 110 * gib, "0.9"),
            // 10 240 GiB at 0.09 and 660 at 0.085
            (Egress::Internet, 11_000 * gib, "977.7"),
        ] {
            assert_eq!(aws.cost(to, bytes), usd(cost), "{to:?} {bytes}");
        }
        // 1024 GiB at 0.12 and 976 at 0.11
        assert_eq!(EgressTariff::of(Provider::Gcp).cost(Egress::Internet, 2000 * gib), usd("230.24"));
        assert_eq!(EgressTariff::of(Provider::Private).cost(Egress::Internet, 2000 * gib), Money::ZERO);
    }

    #[test]
    fn own_machines_cost_their_price_over_their_life() {
        // 17 520 / (4 * 8760) and 876 / 8760
        assert_eq!(amortised(usd("17520"), 4, usd("876")), usd("0.6"));
        assert_eq!(control_plane_per_hour(Provider::Aws).for_span(SimDuration(730 * HOUR.0)), usd("73"));
    }

    #[test]
    fn a_machine_is_worth_what_opencost_says_of_its_parts() {
        // 2 cores 0.063222, 8 GiB 0.033896: CPU is 65.10 % of m5.large.
        let [cpu, memory, gpu] =
            resource_weights(Amounts { cpu: MilliCpu(2000), memory: Bytes(8 << 30), gpu_milli: 0 });
        assert_eq!((cpu * 1_000_000 / (cpu + memory), gpu), (650_981, 0));
        // A GPU weighs 0.95 / 0.031611 = 30.05 cores.
        let [cpu, _, gpu] = resource_weights(Amounts { cpu: MilliCpu(1000), memory: Bytes(0), gpu_milli: 1000 });
        assert_eq!(gpu * 100 / cpu, 3005);
    }
}

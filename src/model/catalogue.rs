//! What can be rented: instance types with their prices by region.
//!
//! The catalogue that comes with the program stands in `catalogue/` as CSV, with sources and dates in its README; users add
//! files of the same form ([`crate::importers::catalogue`] reads both). A machine of one's own or at the edge is a type of the
//! provider `private`, whose price is what it costs by the hour.

mod allocatable;
mod delays;
#[cfg(test)]
mod tests;

pub use allocatable::{Allocatable, eni_pods};
pub use delays::{Basis, LaunchDelays};

use super::billing::Purchase;
use super::money::Money;
use crate::units::{Bytes, MilliCpu};

/// Who rents machines out, which decides how much of one pods can have, how long it takes and how it is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// Amazon Web Services, with nodes as EKS makes them.
    Aws,
    /// Microsoft Azure, with nodes as AKS makes them.
    Azure,
    /// Google Cloud, with nodes as GKE makes them.
    Gcp,
    /// Nobody: one's own machines, in a data centre or at the edge.
    Private,
}

impl Provider {
    /// Every provider, by name.
    pub const ALL: [Provider; 4] = [Provider::Aws, Provider::Azure, Provider::Gcp, Provider::Private];

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Aws => "aws",
            Provider::Azure => "azure",
            Provider::Gcp => "gcp",
            Provider::Private => "private",
        }
    }

    /// The provider of that name.
    pub fn find(name: &str) -> Option<Provider> {
        Provider::ALL.into_iter().find(|provider| provider.name() == name)
    }
}

/// The instruction set of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Architecture {
    /// `amd64` of `kubernetes.io/arch`.
    Amd64,
    /// `arm64` of `kubernetes.io/arch`.
    Arm64,
}

impl Architecture {
    /// The value of the label `kubernetes.io/arch`.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::Amd64 => "amd64",
            Architecture::Arm64 => "arm64",
        }
    }

    /// The architecture of that name.
    pub fn find(name: &str) -> Option<Architecture> {
        [Architecture::Amd64, Architecture::Arm64].into_iter().find(|architecture| architecture.name() == name)
    }
}

/// What the spot price of a type in the catalogue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpotBasis {
    /// The mean over a month and the zones of the region.
    Average,
    /// The provider's list price, which changes at most monthly.
    List,
    /// An estimate: a part of the price on demand.
    Estimate,
}

impl SpotBasis {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            SpotBasis::Average => "average",
            SpotBasis::List => "list",
            SpotBasis::Estimate => "estimate",
        }
    }

    /// The basis of that name.
    pub fn find(name: &str) -> Option<SpotBasis> {
        [SpotBasis::Average, SpotBasis::List, SpotBasis::Estimate].into_iter().find(|basis| basis.name() == name)
    }
}

/// What a type costs in a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The region.
    pub region: String,
    /// Price on demand by the hour.
    pub on_demand: Money,
    /// Typical price by the hour of what may be reclaimed at any time; none: it is not known, or not to be had.
    pub spot: Option<Money>,
    /// Between what percentages of spot instances are reclaimed in a month, if that is known.
    pub interruptions_percent: Option<(u8, u8)>,
}

impl Offer {
    /// The price by the hour of one that is bought in that way; none: there is no spot price.
    pub fn price(&self, purchase: Purchase) -> Option<Money> {
        match purchase {
            Purchase::OnDemand | Purchase::Owned => Some(self.on_demand),
            Purchase::Spot => self.spot,
        }
    }
}

/// A kind of machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceType {
    /// Who has it.
    pub provider: Provider,
    /// Its name, unique in the catalogue.
    pub name: String,
    /// The family, such as `m5`.
    pub family: String,
    /// The quota that its vCPUs count against, such as `Standard`.
    pub quota: String,
    /// Its instruction set.
    pub architecture: Architecture,
    /// CPU as sold: vCPUs.
    pub cpu: MilliCpu,
    /// Memory as sold.
    pub memory: Bytes,
    /// Model and number of its GPUs, if it has any.
    pub gpu: Option<(String, u32)>,
    /// What its network carries without bursts, in megabits per second, if known.
    pub network_mbps: Option<u32>,
    /// How many pods a node of it takes.
    pub pods_max: u32,
    /// What is kept from pods, where a file says it instead of the provider's formula.
    pub reserved: Option<(MilliCpu, Bytes)>,
    /// What the spot prices are.
    pub spot_basis: Option<SpotBasis>,
    /// Prices, by region.
    pub offers: Vec<Offer>,
}

impl InstanceType {
    /// What it costs in a region; none: it is not to be had there.
    pub fn offer(&self, region: &str) -> Option<&Offer> {
        let at = self.offers.binary_search_by(|offer| offer.region.as_str().cmp(region)).ok()?;
        Some(&self.offers[at])
    }

    /// What a node of it has, and what of that pods can have.
    pub fn allocatable(&self) -> Allocatable {
        allocatable::of(self)
    }
}

/// Where machines stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Whose region it is.
    pub provider: Provider,
    /// Its name, unique in the catalogue.
    pub name: String,
    /// Its zones.
    pub zones: Vec<String>,
}

/// Everything that can be rented. Types and regions are in order of their names, which are unique.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    types: Vec<InstanceType>,
    regions: Vec<Region>,
}

impl Catalogue {
    /// Every type, by name.
    pub fn types(&self) -> &[InstanceType] {
        &self.types
    }

    /// Every region, by name.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The type of that name.
    pub fn find(&self, name: &str) -> Option<&InstanceType> {
        self.types.binary_search_by(|kind| kind.name.as_str().cmp(name)).ok().map(|at| &self.types[at])
    }

    /// The region of that name.
    pub fn region(&self, name: &str) -> Option<&Region> {
        self.regions.binary_search_by(|region| region.name.as_str().cmp(name)).ok().map(|at| &self.regions[at])
    }

    /// The zones of a region; one that is in no table is one zone of its own name.
    pub fn zones(&self, region: &str) -> Vec<String> {
        self.region(region).map_or_else(|| vec![region.to_owned()], |region| region.zones.clone())
    }

    /// The types of a provider that are to be had in a region, with their prices there.
    pub fn offered(&self, provider: Provider, region: &str) -> impl Iterator<Item = (&InstanceType, &Offer)> {
        let types = self.types.iter().filter(move |kind| kind.provider == provider);
        types.filter_map(move |kind| kind.offer(region).map(|offer| (kind, offer)))
    }

    /// Adds a type; one of the same name makes way for it.
    pub fn add(&mut self, mut kind: InstanceType) {
        kind.offers.sort_by(|one, other| one.region.cmp(&other.region));
        match self.types.binary_search_by(|known| known.name.cmp(&kind.name)) {
            Ok(at) => self.types[at] = kind,
            Err(at) => self.types.insert(at, kind),
        }
    }

    /// Adds a region; one of the same name makes way for it.
    pub fn add_region(&mut self, region: Region) {
        match self.regions.binary_search_by(|known| known.name.cmp(&region.name)) {
            Ok(at) => self.regions[at] = region,
            Err(at) => self.regions.insert(at, region),
        }
    }
}

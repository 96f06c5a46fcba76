//! The market as it is written: a mirror for serde and schemars, without logic, like [`crate::scenario::spec`].

use schemars::JsonSchema;

use super::super::MarketKindSpec;
use crate::scenario::spec::{DistributionSpec, Duration};

/// What becomes of prices, stock and quotas while the run goes on.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MarketSpec {
    /// Prices of spot machines, and what takes them back: of several rules for a machine the first counts. Default: the price
    /// stays what it is, and nothing is taken back.
    pub spot: Vec<SpotSpec>,
    /// When there is nothing to be had. All that are about a machine count. Default: never.
    pub stock_outs: Vec<StockOutSpec>,
    /// How much an account may have at a time; a machine counts from its order until it is shut down. Default: any number.
    pub quotas: Vec<QuotaSpec>,
}

/// Some of what is sold: what is in all lists that are not empty.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SoldSpec {
    /// Instance types; of pools that name none, the pools. Default: all.
    pub instance_types: Vec<String>,
    /// Families, such as `m5`. Default: all.
    pub families: Vec<String>,
    /// What the provider calls its quotas, such as `Standard` (column `quota` of the catalogue). Default: all.
    pub quotas: Vec<String>,
    /// Regions. Default: all.
    pub regions: Vec<String>,
    /// Zones. Default: all.
    pub zones: Vec<String>,
    /// Pools and NodePools that buy. Default: all.
    pub pools: Vec<String>,
    /// Whether on demand or as spot. Default: both.
    pub market: Option<MarketKindSpec>,
}

/// The market of some spot machines. Each type has prices, capacity and lifetimes of its own in each zone.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SpotSpec {
    /// Which. Default: all.
    #[serde(default)]
    pub of: SoldSpec,
    /// How prices change. Default: they do not.
    pub prices: Option<PricesSpec>,
    /// How many machines of a type there are in a zone. Default: as many as are wanted.
    pub capacity: Option<CapacitySpec>,
    /// What takes machines back. Default: `capacity` where there is one, else nothing.
    pub reclaim: Option<ReclaimSpec>,
    /// How long before that it is told. Default: 2 min on AWS, 30 s on Azure and Google Cloud, at once on machines of one's own.
    pub notice: Option<Duration>,
}

/// How spot prices change.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PricesSpec {
    /// They wander, and come back to a mean: the logarithm is an Ornstein-Uhlenbeck process.
    Drawn(DrawnPricesSpec),
    /// As a file has them.
    Recorded(RecordedPricesSpec),
}

/// Prices that wander and come back.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DrawnPricesSpec {
    /// Mean price in US dollars per hour. Default: the spot price of the type.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub mean: Option<f64>,
    /// Standard deviation of the logarithm in the long run: 0.1 is about 10 % of the price.
    #[schemars(range(min = 0.0, max = 5.0))]
    pub deviation: f64,
    /// After how long half of a deviation from the mean is gone, above 0.
    pub half_life: Duration,
    /// How often prices change, above 0. Default: 15 min.
    pub step: Option<Duration>,
    /// The least price. Default: a tenth of the mean.
    #[schemars(range(min = 0.0))]
    pub at_least: Option<f64>,
    /// The highest price. Default: the price on demand where it is known, else ten times the mean.
    #[schemars(range(min = 0.0))]
    pub at_most: Option<f64>,
}

/// Prices of a file.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordedPricesSpec {
    /// A CSV table with the columns `timestamp`, `instance_type`, `availability_zone` and `spot_price_usd_per_hour`, a row for
    /// each change, or what `aws ec2 describe-spot-price-history` writes.
    pub file: String,
    /// The instant with which the run begins, such as `2016-03-01T00:00:00Z`. Default: the first of the file.
    pub from: Option<String>,
}

/// How many machines of a type there are in a zone.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CapacitySpec {
    /// Always so many.
    Fixed(u32),
    /// What others, who come and go, leave of a number of machines.
    Drawn(DrawnCapacitySpec),
    /// As a file has it.
    Recorded(RecordedCapacitySpec),
}

/// What others leave of a number of machines.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DrawnCapacitySpec {
    /// How many machines there are.
    pub total: u32,
    /// How many of them others hold, in the mean.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub others: f64,
    /// How long one of the others stays, in the mean; above 0.
    pub stay: Duration,
}

/// Capacity of a file.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordedCapacitySpec {
    /// A trace of SkyPilot: JSON with `metadata.gap_seconds` and a list `data` of numbers of machines.
    pub file: String,
    /// Machines for each that the file has. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub times: u32,
}

fn one() -> u32 {
    1
}

/// What takes spot machines back.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ReclaimSpec {
    /// Nothing.
    Never,
    /// There are fewer than run; those that were bought last go first.
    Capacity,
    /// A lifetime that fits the part of machines that the catalogue says are reclaimed in a month.
    Interruptions,
    /// The lifetime of Google's preemptible machines of 2019: many go in the first hours, the rest after a day.
    Bathtub,
    /// Their price goes above a price per hour in US dollars; above it there are none to be had.
    PriceAbove(f64),
    /// Their price goes above so many times the price on demand, such as 1.
    PriceAboveOnDemand(f64),
    /// A lifetime from the launch on.
    Lifetime(DistributionSpec),
}

/// When there is nothing to be had: once (`at`, `for`), or again and again (`available`, `out`), then of each type in each zone
/// by itself. Machines that run stay.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StockOutSpec {
    /// Of what. Default: of all.
    #[serde(default)]
    pub of: SoldSpec,
    /// When it begins.
    pub at: Option<Duration>,
    /// How long it lasts. Default: until the end of the run.
    #[serde(rename = "for")]
    pub span: Option<Duration>,
    /// How long there is something, drawn each time.
    pub available: Option<DistributionSpec>,
    /// How long there is nothing then, drawn each time.
    pub out: Option<DistributionSpec>,
}

/// How much an account may have of something: give one of `vcpus` and `machines`.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuotaSpec {
    /// Of what, together. Default: of all.
    #[serde(default)]
    pub of: SoldSpec,
    /// Most vCPUs.
    #[schemars(range(min = 0.0, max = 1e12))]
    pub vcpus: Option<f64>,
    /// Most machines.
    pub machines: Option<u32>,
}

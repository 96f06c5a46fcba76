//! What a cloud sells, as it is written: a mirror for serde and schemars, without logic, like [`crate::scenario::spec`].

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::market::MarketSpec;
use crate::scenario::billing::ProviderSpec;
use crate::scenario::spec::{DistributionSpec, GpuSpec, Quantity};

/// What can be bought: for the NodePools of the manifests, and for pools that name an `instanceType`.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CloudSpec {
    /// Where NodePools buy, and pools that name an `instanceType` and no region. Default: none.
    #[schemars(length(min = 1))]
    pub region: Option<String>,
    /// The table of types, and which of them NodePools can buy. Default: pools can name every type that comes with the program,
    /// and NodePools buy none of them.
    pub catalogue: Option<CatalogueSpec>,
    /// Further types of machine, for NodePools. Default: none.
    pub instance_types: Vec<InstanceTypeSpec>,
    /// What becomes of prices, stock and quotas while the run goes on. Default: prices stay, and everything is to be had.
    pub market: Option<MarketSpec>,
    /// From the order until the provider charges for a machine. Default: no time.
    pub launch: Option<DistributionSpec>,
    /// From there until its node joins the cluster. Default: that of the catalogue's provider, or no time.
    pub boot: Option<DistributionSpec>,
    /// From joining until the node takes pods. Default: that of the catalogue's provider, or no time.
    pub ready: Option<DistributionSpec>,
    /// From the order to end a machine until it costs no more. Default: no time.
    pub shut_down: Option<DistributionSpec>,
}

/// The table of types, and which of them NodePools can buy: those in `cloud.region` that all of the filters let through.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CatalogueSpec {
    /// Whose types NodePools can buy. Default: everybody's.
    pub provider: Option<ProviderSpec>,
    /// Families that NodePools can buy, such as `m5`. Default: all.
    pub families: Vec<String>,
    /// Types that NodePools can buy. Default: all.
    pub instance_types: Vec<String>,
    /// Zones of the region in which NodePools can buy. Default: all.
    pub zones: Vec<String>,
    /// CSV files of further types, with the columns of the tables that come with the program. A type that is known already is
    /// replaced.
    pub files: Vec<String>,
    /// CSV files of further regions, with the columns `provider`, `region` and `zones`. A region that no file has is one zone of
    /// its own name.
    pub region_files: Vec<String>,
}

/// How a machine is bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MarketKindSpec {
    /// At the list price, kept as long as it is wanted.
    OnDemand,
    /// At the spot price, and the provider may take it back.
    Spot,
}

/// A type of machine.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InstanceTypeSpec {
    /// Its name, unique: the value of the label `node.kubernetes.io/instance-type`.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The value of the label `kubernetes.io/arch`. Default: amd64.
    pub architecture: Option<String>,
    /// Zones in which it is sold.
    #[schemars(length(min = 1))]
    pub zones: Vec<String>,
    /// Further labels of its nodes, such as `karpenter.k8s.aws/instance-category`. Those of the form
    /// `karpenter.k8s.aws/instance-*` that follow from a name such as `m5.large` are there by themselves.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What pods can request, as in `cluster.pools`. Default: what `capacity` leaves.
    #[serde(default)]
    pub allocatable: BTreeMap<String, Quantity>,
    /// What it has, instead of `allocatable`.
    #[serde(default)]
    pub capacity: BTreeMap<String, Quantity>,
    /// What of `capacity` is kept for the system and the kubelet.
    #[serde(default)]
    pub reserved: BTreeMap<String, Quantity>,
    /// GPUs by model. Default: none.
    pub gpu: Option<GpuSpec>,
    /// Price on demand in US dollars per hour. Default: it is not sold so.
    #[schemars(range(min = 0.0))]
    pub usd_per_hour: Option<f64>,
    /// Price in US dollars per hour of what the provider may take back. Default: it is not sold so.
    #[schemars(range(min = 0.0))]
    pub spot_usd_per_hour: Option<f64>,
}

//! What a cloud sells, as it is written: a mirror for serde and schemars, without logic, like [`crate::scenario::spec`].

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::scenario::spec::{DistributionSpec, GpuSpec, Quantity};

/// What can be bought for the NodePools of the manifests.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CloudSpec {
    /// Types of machine. Default: none.
    pub instance_types: Vec<InstanceTypeSpec>,
    /// From the order until the provider charges for a machine. Default: no time.
    pub launch: Option<DistributionSpec>,
    /// From there until its node joins the cluster. Default: no time.
    pub boot: Option<DistributionSpec>,
    /// From joining until the node takes pods. Default: no time.
    pub ready: Option<DistributionSpec>,
    /// From the order to end a machine until it costs no more. Default: no time.
    pub shut_down: Option<DistributionSpec>,
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

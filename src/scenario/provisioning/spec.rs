//! Buying machines as it is written: a mirror for serde and schemars, without logic, like [`crate::scenario::spec`].

use schemars::JsonSchema;
use serde_json::{Map, Value as Json};

use crate::scenario::spec::{DistributionSpec, Duration};

/// Who buys machines and returns them.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProvisioningSpec {
    /// Node autoscalers. Default: none.
    pub autoscalers: Vec<NodeAutoscalerSpec>,
    /// Whether the run says what machines could have cost at least: `cost_bound_usd`, `cost_bound_instants_usd` and
    /// `cost_over_bound_ratio`. Default: `false`.
    pub bound: bool,
}

/// What buys machines for some pools, and returns them.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeAutoscalerSpec {
    /// Its name, unique. Default: that of its policy.
    pub name: Option<String>,
    /// Who decides; `wavetank policies` lists them.
    pub policy: String,
    /// Parameters of the policy. Default: its own.
    #[serde(default)]
    pub parameters: Map<String, Json>,
    /// Its pools, which have `scaling`. Default: all that have.
    #[serde(default)]
    pub pools: Vec<String>,
    /// How late it sees which pods fit nowhere: pods of late are not there yet, and pods that have found a place since still are.
    /// Default: no time.
    pub watch_delay: Option<Duration>,
    /// How long its orders take until they are carried out. Default: no time.
    pub order_delay: Option<Duration>,
}

/// How far a pool can grow and shrink, and how long its machines take.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScalingSpec {
    /// The fewest machines. Default: 0.
    #[serde(default)]
    pub min: u32,
    /// The most machines.
    pub max: u32,
    /// From the order until the provider charges for the machine. Default: no time.
    pub launch: Option<DistributionSpec>,
    /// From there until its node joins the cluster. Default: that of the provider of `instanceType`, or no time.
    pub boot: Option<DistributionSpec>,
    /// From joining until the node takes pods. Default: that of the provider of `instanceType`, or no time.
    pub ready: Option<DistributionSpec>,
    /// From the order to end the machine until it costs no more. Default: no time.
    pub shut_down: Option<DistributionSpec>,
}

//! Rules of paying as they are written: a mirror for serde and schemars, without logic, like [`crate::scenario::spec`].

use schemars::JsonSchema;

/// How machines are paid for, and what else is.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BillingSpec {
    /// Whose rules: `aws` (by the second from a minute on), `azure` (by the second), `gcp` (by the second from a minute on), or
    /// `private`: one's own machines, which cost what they cost for as long as they are there.
    pub provider: ProviderSpec,
    /// What of a machine a pod pays for. Default: `greatest`, as OpenCost does it.
    #[serde(default)]
    pub allocation: AllocationSpec,
    /// What is paid for each node, in US dollars per hour. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub node_fee_per_hour: f64,
    /// What is paid for the control plane, in US dollars per hour. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub control_plane_per_hour: f64,
    /// What bytes cost that leave a machine, for services whose `requestSize` or `responseSize` is known. Default: the provider's
    /// list prices.
    #[serde(default)]
    pub egress: EgressSpec,
    /// Machines that are paid for whether they run or not. Default: none.
    #[serde(default)]
    pub reservations: Vec<ReservationSpec>,
    /// Amounts that are paid in every hour, and for which machines are had at lower prices. Default: none.
    #[serde(default)]
    pub savings_plans: Vec<SavingsPlanSpec>,
}

/// Prices of bytes by the GiB, in US dollars.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EgressSpec {
    /// To another zone of the region. Default: the provider's.
    #[schemars(range(min = 0.0))]
    pub zone_per_gib: Option<f64>,
    /// To another region of the provider. Default: the provider's.
    #[schemars(range(min = 0.0))]
    pub region_per_gib: Option<f64>,
    /// To clients and servers elsewhere, whatever the amount. Default: the provider's, by amounts in a month.
    #[schemars(range(min = 0.0))]
    pub internet_per_gib: Option<f64>,
}

/// Whose rules of paying.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProviderSpec {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
    /// One's own machines.
    Private,
}

/// What of a machine a pod pays for.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AllocationSpec {
    /// At each instant the larger of what each container requests and uses; what it requests where usage is not known.
    #[default]
    Greatest,
    /// What pods request.
    Requests,
    /// What containers use; what they request where usage is not known.
    Usage,
}

/// Machines of a type that are paid for in advance.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReservationSpec {
    /// The type: value of the label `node.kubernetes.io/instance-type`, or name of the pool where its nodes have none.
    pub instance_type: String,
    /// How many.
    pub count: u32,
    /// Price of one by the hour, payments in advance spread over the term.
    #[schemars(range(min = 0.0))]
    pub usd_per_hour: f64,
}

/// An amount that is paid in every hour.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavingsPlanSpec {
    /// How much, in US dollars per hour.
    #[schemars(range(min = 0.0))]
    pub commitment_per_hour: f64,
    /// What machines cost under the plan.
    pub rates: Vec<PlanRateSpec>,
}

/// The price of a type under a plan.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanRateSpec {
    /// The type: see the reservations.
    pub instance_type: String,
    /// Price by the hour.
    #[schemars(range(min = 0.0))]
    pub usd_per_hour: f64,
}

//! Traffic as it is written: a mirror for serde and schemars, without logic, like [`crate::scenario::spec`].

mod calls;
mod service;
mod source;

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error as _};

use crate::scenario::spec::{DistributionSpec, Duration, Scalar};
use crate::units::parse_rate;

pub(super) use calls::{
    CallSpec, CircuitBreakerSpec, HedgingSpec, OutlierDetectionSpec, RequestLimitSpec, RetriesSpec, RetryBudgetSpec,
    RetryOnSpec, SidecarSpec,
};
pub(super) use service::{
    AdaptiveConcurrencySpec, BalancerSpec, BalancingSpec, EndingSpec, ExternalSpec, OperationSpec, PodsSpec, QueueSpec,
    ReleaseSpec, RequestOrderSpec, RouteSpec, ServiceSpec, StepSpec,
};
pub(super) use source::{
    ComponentSpec, CycleSpec, ModulatedStateSpec, RatePointSpec, RateSpec, ReplaySpec, RequestArrivalsSpec, SeriesSpec,
    SourceSpec, TargetsSpec,
};

/// Requests: who sends them, who answers them, and how they find their way.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrafficSpec {
    /// Whether requests are simulated one by one, or as rates. Default: `requests`.
    pub model: TrafficModelSpec,
    /// What is left out of the statistics at the start, such as `5m`. Default: nothing.
    pub warm_up: Duration,
    /// From when a backend comes or goes until clients know. Default: no time.
    pub endpoint_delay: Option<DistributionSpec>,
    /// Of how many requests one is recorded with all its calls. Default: of none.
    #[schemars(range(min = 1))]
    pub sample_one_in: Option<u64>,
    /// How often the use of CPU and memory that requests drive is told to nodes; more than 0. Default: 10s, as often as
    /// cAdvisor looks.
    pub usage_window: Option<Duration>,
    /// How long messages take. Default: no time.
    pub network: NetworkSpec,
    /// Who answers requests. Default: nobody.
    pub services: Vec<ServiceSpec>,
    /// Who sends requests. Default: nobody.
    pub sources: Vec<SourceSpec>,
}

/// How requests are simulated.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum TrafficModelSpec {
    /// One by one.
    #[default]
    Requests,
    /// As rates that are constant for a step at a time, for months of simulated time.
    Fluid {
        /// The step, more than 0. Default: 15s.
        step: Option<Duration>,
    },
}

/// How long a message takes from one place to another, one way. Places are zones; between a place and nowhere in
/// particular messages take no time.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NetworkSpec {
    /// Within a zone, such as `200us`. Default: no time.
    pub within_zone: Option<DistributionSpec>,
    /// Between zones of a region. Default: no time.
    pub between_zones: Option<DistributionSpec>,
    /// Between regions. Default: no time.
    pub between_regions: Option<DistributionSpec>,
    /// Regions and their zones, which may be zones without nodes, such as an edge site. Zones of nodes that are not listed
    /// are a region together. Default: one region.
    pub regions: BTreeMap<String, Vec<String>>,
    /// Pairs of zones for which something else holds. Default: none.
    pub pairs: Vec<ZonePairSpec>,
}

/// Two zones and how long a message takes between them, in either direction.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ZonePairSpec {
    /// The names of the two zones.
    pub zones: Vec<String>,
    /// How long a message takes, one way.
    pub latency: DistributionSpec,
}

/// How often something happens, such as `100/s`, `5/min`, `1.5k/s`; here per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate(pub f64);

impl JsonSchema for Rate {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // As with durations, a number without a unit is refused by the parser, whose words say why.
        json_schema!({ "type": ["string", "integer"], "format": "rate" })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Scalar(text) = Scalar::deserialize(deserializer)?;
        parse_rate(&text).map(Rate).map_err(D::Error::custom)
    }
}

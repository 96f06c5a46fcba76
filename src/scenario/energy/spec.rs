//! Power and carbon as they are written: a mirror for serde and schemars, without logic, like [`crate::scenario::spec`].

use schemars::JsonSchema;
use serde_json::{Map, Value as Json};

use crate::scenario::spec::Duration;

/// What nodes draw from the mains.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PowerSpec {
    /// Whose averages hold where nothing else is said: watts of a core, and the power usage effectiveness. Default: aws.
    pub provider: ProviderSpec,
    /// What the data centre draws over what its machines draw (power usage effectiveness). Default: the provider's.
    #[schemars(range(min = 1.0))]
    pub pue: Option<f64>,
    /// What nodes draw. Of several entries the first that names a node's pool, or none, holds. Default: the provider's averages.
    pub nodes: Vec<NodePowerSpec>,
}

/// A provider, whose averages are those of Cloud Carbon Footprint.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProviderSpec {
    /// 0.74 W to 3.5 W a core, effectiveness 1.135.
    #[default]
    Aws,
    /// 0.78 W to 3.76 W a core, effectiveness 1.125.
    Azure,
    /// 0.71 W to 4.26 W a core, effectiveness 1.1.
    Gcp,
}

/// What nodes of one pool draw: at most one of `watts`, `wattsPerCore` and `wattsTable`.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodePowerSpec {
    /// Name of the pool. Default: every node.
    pub pool: Option<String>,
    /// Of a whole node, linear in the use of its CPU.
    pub watts: Option<WattsSpec>,
    /// Of each core, linear in the use of the node's CPU. Default: the provider's.
    pub watts_per_core: Option<WattsSpec>,
    /// Of a whole node when 0 %, 10 %, ... 100 % of its CPU are used, as SPECpower reports them.
    #[serde(default)]
    pub watts_table: Vec<f64>,
    /// Of each GPU, linear in the share that is allocated. Default: what is known of its model, or nothing.
    pub watts_per_gpu: Option<WattsSpec>,
    /// Of each GiB of memory. Default: 0.392, or 0 where watts of whole nodes are given.
    #[schemars(range(min = 0.0))]
    pub watts_per_gib: Option<f64>,
    /// Carbon of making one node, in kg CO2e. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub embodied_kg: f64,
    /// How long a node is used, over which that is spread. Default: 35040h, four years.
    pub lifetime: Option<Duration>,
}

/// Power when idle and when busy.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WattsSpec {
    /// At no use.
    #[schemars(range(min = 0.0))]
    pub idle: f64,
    /// At full use.
    #[schemars(range(min = 0.0))]
    pub max: f64,
}

/// What a kWh costs the climate, and who heeds it.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CarbonSpec {
    /// Carbon intensity by zone. Of several entries the first that names a node's zone, or none, holds.
    pub intensity: Vec<IntensitySpec>,
    /// Pods that can wait for a better hour, or go to a better place. Default: none.
    pub deferrable: Vec<DeferrableSpec>,
}

/// Carbon intensity in g CO2e a kWh: exactly one of `constant`, `daily` and `file`.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IntensitySpec {
    /// Name of the zone. Default: every node.
    pub zone: Option<String>,
    /// Always the same.
    #[schemars(range(min = 0.0))]
    pub constant: Option<f64>,
    /// A day that comes again.
    pub daily: Option<DailyIntensitySpec>,
    /// A CSV file with the columns `timestamp` and `carbon_intensity`, in order of time; a value holds until the next.
    pub file: Option<String>,
    /// The instant of the file, written as there, that is the start of the run. Default: its first.
    pub from: Option<String>,
}

/// A sinusoid of 24 hours.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DailyIntensitySpec {
    /// The mean.
    #[schemars(range(min = 0.0))]
    pub mean: f64,
    /// How far it goes above the mean, and below it but not below 0.
    #[schemars(range(min = 0.0))]
    pub amplitude: f64,
    /// When it is highest, from the start of the run's first day.
    pub highest: Duration,
}

/// Pods of a template, or of a trace, that can wait.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeferrableSpec {
    /// Name of the template.
    pub template: String,
    /// From its arrival until a pod has to have ended.
    pub deadline: Duration,
    /// How long its owner thinks that a pod takes. Default: as long as it does.
    pub length: Option<Duration>,
    /// Who decides when it starts; `wavetank policies` lists them. Default: `lowest-window`.
    pub policy: Option<String>,
    /// Parameters of the policy. Default: its own.
    #[serde(default)]
    pub parameters: Map<String, Json>,
    /// Zones of which the policy chooses one. Default: none, pods go where the scheduler likes, and the policy looks at the
    /// intensity that holds for every node.
    #[serde(default)]
    pub zones: Vec<String>,
}

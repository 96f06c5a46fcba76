//! Requests: who sends them, what they ask for, who serves them and how they find their way.

pub mod arrivals;
pub mod calls;
pub mod server;
pub mod work;

pub use arrivals::{Arrivals, Gap, Keys, ModulatedState, Profile, Session, Source};
pub use calls::{CallPolicy, CircuitBreaker, Guard, Hedging, OutlierDetection, Retries, RetryBudget, RetryOn, Sidecar};
pub use server::{AdaptiveConcurrency, Order, Server, WarmUp};
pub use work::{Call, MessageSizes, Operation, OperationRef, Step};

use super::{Dist, PolicyChoice};
use crate::ids::{ClassId, ServiceId, ZoneId};
use crate::units::{SimDuration, SimTime};

/// All traffic of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    /// Who answers requests.
    pub services: Vec<Service>,
    /// Who sends them.
    pub sources: Vec<Source>,
    /// How long messages take.
    pub network: Network,
    /// Whether requests are simulated one by one, or as rates.
    pub mode: Mode,
    /// What happens before is not measured.
    pub warm_up: SimTime,
    /// How long it takes until clients know that a backend has come or gone.
    pub endpoint_delay: Dist,
    /// Of how many requests of sources one is recorded with all its calls; 0: of none.
    pub sample_one_in: u64,
    /// How often the use of CPU and memory that requests drive is told to nodes, above 0. Default: 10 s, as often as cAdvisor
    /// looks (`housekeeping_interval`).
    pub usage_window: SimDuration,
}

impl Default for Traffic {
    fn default() -> Self {
        Traffic {
            services: Vec::new(),
            sources: Vec::new(),
            network: Network::default(),
            mode: Mode::Requests,
            warm_up: SimTime::ZERO,
            endpoint_delay: Dist::ZERO,
            sample_one_in: 0,
            usage_window: SimDuration(10_000_000_000),
        }
    }
}

/// How requests are simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// One by one.
    #[default]
    Requests,
    /// As rates that are constant for a step at a time.
    Fluid {
        /// The step, above 0.
        step: SimDuration,
    },
}

/// What answers requests: backends behind one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Who serves.
    pub backends: Backends,
    /// How each backend serves.
    pub server: Server,
    /// Whether requests wait in one queue from which backends take them, rather than at the backends.
    pub has_shared_queue: bool,
    /// What can be asked for.
    pub operations: Vec<Operation>,
    /// Which backend a request goes to.
    pub balancer: PolicyChoice,
    /// Where that is decided.
    pub balancing: Balancing,
    /// What protects it.
    pub guard: Guard,
    /// What it promises.
    pub objective: Option<Objective>,
    /// Other services that take a part of its requests.
    pub routes: Vec<Route>,
    /// Where requests go that find no backend with room; none: they fail or wait.
    pub overflow: Option<ServiceId>,
    /// Which part of the requests is sent to another service as well, whose answers nobody waits for.
    pub mirror: Option<(ServiceId, f64)>,
    /// Releases of its software that serve otherwise than it says.
    pub releases: Vec<Release>,
}

/// A release of a service's software, which may be slower than others, or fail.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// The image of the first container, by which its pods are known.
    pub image: String,
    /// How fast it computes, as a factor above 0.
    pub speed: f64,
    /// How likely its answers are errors, 0 to 1, beside those of the operation.
    pub failure: f64,
}

/// Who serves the requests of a service.
#[derive(Clone, Debug, PartialEq)]
pub enum Backends {
    /// Pods of these classes, while they are ready.
    Pods(Vec<ClassId>),
    /// Something outside the cluster: a number of equal backends, in these zones in turn.
    Fixed {
        /// How many.
        count: u32,
        /// Where; empty: nowhere in particular.
        zones: Vec<ZoneId>,
        /// Weights for balancers that know them, in turn; empty: all 1.
        weights: Vec<u32>,
        /// Speeds, in turn, as factors; empty: all 1.
        speeds: Vec<f64>,
    },
    /// None of its own: a name whose routes say where requests go.
    None,
}

/// Where a balancer decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balancing {
    /// In one place that sees all requests for the service.
    #[default]
    Central,
    /// In every client by itself, which sees its own requests only.
    Clients,
}

/// A part of the requests of a service goes to another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The header and the value that requests must have; none: all requests.
    pub header: Option<(String, String)>,
    /// Where they go, by weight; scripts and releases may change the weights.
    pub targets: Vec<(ServiceId, f64)>,
}

/// A service level objective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// A request is good when it is answered well within that.
    pub latency: SimDuration,
    /// Which part of the requests is to be good, below 1.
    pub ratio: f64,
}

/// How long a message takes from one place to another, one way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    /// Within a zone.
    pub within_zone: Dist,
    /// Between zones of a region.
    pub between_zones: Dist,
    /// Between regions.
    pub between_regions: Dist,
    /// The region of each zone, by [`ZoneId`]; zones beyond the list are in region 0.
    pub regions: Vec<u32>,
    /// Pairs of zones that differ from that, both ways.
    pub pairs: Vec<(ZoneId, ZoneId, Dist)>,
}

impl Network {
    /// How long a message takes between two places; nothing where one of them is nowhere in particular.
    pub fn between(&self, from: Option<ZoneId>, to: Option<ZoneId>) -> &Dist {
        const NOWHERE: &Dist = &Dist::ZERO;
        let (Some(from), Some(to)) = (from, to) else { return NOWHERE };
        let is_pair =
            |(one, other, _): &&(ZoneId, ZoneId, Dist)| (*one, *other) == (from, to) || (*one, *other) == (to, from);
        if let Some((_, _, dist)) = self.pairs.iter().find(is_pair) {
            return dist;
        }
        let region = |zone: ZoneId| self.regions.get(zone.index()).copied().unwrap_or(0);
        match (from == to, region(from) == region(to)) {
            (true, _) => &self.within_zone,
            (false, true) => &self.between_zones,
            (false, false) => &self.between_regions,
        }
    }
}

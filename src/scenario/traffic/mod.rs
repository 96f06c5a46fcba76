//! Traffic: from the file to the model.
//!
//! One [`Builder`] makes every part and reports what is wrong with it. It runs twice: to check, when nothing but the file is
//! known, and to build, when the cluster and its pods are there, which is when zones, pods and files of data are looked up.

mod calls;
mod graph;
mod names;
mod pods;
mod profile;
mod services;
mod sources;
mod spec;
#[cfg(test)]
mod tests;
mod usage;

use super::context::Context;
use super::distribution::distribution;
use super::schema::suggestion;
use super::spec::{DistributionSpec, Duration, Quantity, ScenarioSpec};
use super::validate::unique;
use crate::document::Code;
use crate::ids::ZoneId;
use crate::model::traffic::{Arrivals, Mode, Network};
use crate::model::{Cluster, Controllers, Dist, Objects, Traffic, Workload};
use crate::units::{Bytes, MilliCpu, SimDuration, SimTime};
use names::Names;
use spec::{NetworkSpec, TrafficModelSpec};
pub(super) use spec::{RateSpec, RequestArrivalsSpec, TrafficSpec};
pub(super) use usage::drive_usage;

/// The step of the fluid mode where nothing is said.
const FLUID_STEP: SimDuration = SimDuration(15_000_000_000);
/// How often nodes are told what requests use where nothing is said.
const USAGE_WINDOW: SimDuration = SimDuration(10_000_000_000);

/// Whether there are services and none of them is sure to need the cluster.
pub(super) fn is_outside(spec: &TrafficSpec) -> bool {
    let is_outside = |service: &spec::ServiceSpec| service.external.is_some() || !service.routes.is_empty();
    !spec.services.is_empty() && spec.services.iter().all(is_outside)
}

/// Checks what can be checked without the cluster and without files of data.
pub(super) fn validate(scenario: &ScenarioSpec, context: &mut Context<'_>) {
    let Some(spec) = &scenario.traffic else { return };
    let names = spec.services.iter().map(|service| service.name.as_str());
    unique(names, "services", |index| format!("traffic.services[{index}].name"), context);
    let names = spec.sources.iter().map(|source| source.name.as_str());
    unique(names, "sources", |index| format!("traffic.sources[{index}].name"), context);
    let before = context.issues.len();
    let (names, horizon) = (Names::new(spec), horizon(scenario));
    let mut builder = Builder { spec, names, horizon, stage: Stage::Check, world: None, context };
    let traffic = builder.traffic();
    if builder.context.issues.len() == before {
        graph::check(&traffic, context);
    }
}

/// Whether a file is checked, for which no data is read, or a model is built of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Check,
    Build,
}

/// When something is called that is no service of `traffic`, by the same rules as there, but for users that wait for answers; what
/// is wrong is reported at `at.rate` and `at.arrivals`.
pub(super) fn calls(
    rate: Option<&RateSpec>,
    arrivals: &RequestArrivalsSpec,
    at: &str,
    horizon: Option<SimTime>,
    stage: Stage,
    context: &mut Context<'_>,
) -> Arrivals {
    let spec = TrafficSpec::default();
    let mut builder = Builder { spec: &spec, names: Names::new(&spec), horizon, stage, world: None, context };
    builder.calls(rate, arrivals, at)
}

/// Reports that something goes on for ever.
pub(super) fn needs_horizon(at: &str, why: &str, context: &mut Context<'_>) {
    let message = format!("{why}: the scenario needs a `horizon`");
    context.report_with_hint(at, Code::MissingKey, message, "say when the run ends, such as `horizon: 1h`");
}

/// What traffic can refer to in the rest of the model.
pub(super) struct World<'m> {
    pub(super) cluster: &'m Cluster,
    pub(super) workload: &'m Workload,
    pub(super) controllers: &'m Controllers,
    pub(super) objects: &'m Objects,
}

/// Gives the cluster the zones that only traffic knows.
pub(super) fn add_zones(scenario: &ScenarioSpec, cluster: &mut Cluster) {
    let Some(spec) = &scenario.traffic else { return };
    for zone in spec.network.regions.values().flatten() {
        cluster.intern_zone(zone);
    }
}

/// Builds what has been checked.
pub(super) fn build(scenario: &ScenarioSpec, world: World<'_>, context: &mut Context<'_>) -> Traffic {
    let Some(spec) = &scenario.traffic else { return Traffic::default() };
    let horizon = horizon(scenario);
    Builder { spec, names: Names::new(spec), horizon, stage: Stage::Build, world: Some(world), context }.traffic()
}

fn horizon(scenario: &ScenarioSpec) -> Option<SimTime> {
    scenario.horizon.map(|horizon| SimTime::ZERO.after(horizon.0))
}

/// Makes the parts of the model, and reports what is wrong with them; what is returned then stands in.
struct Builder<'s, 'c, 'x> {
    spec: &'s TrafficSpec,
    names: Names<'s>,
    horizon: Option<SimTime>,
    stage: Stage,
    /// None while checking.
    world: Option<World<'s>>,
    context: &'c mut Context<'x>,
}

impl Builder<'_, '_, '_> {
    fn traffic(&mut self) -> Traffic {
        let spec = self.spec;
        let mode = match spec.model {
            TrafficModelSpec::Requests => Mode::Requests,
            TrafficModelSpec::Fluid { step } => {
                Mode::Fluid { step: self.positive(step, FLUID_STEP, "traffic.model.fluid.step") }
            }
        };
        if self.horizon.is_some_and(|horizon| spec.warm_up.0.0 >= horizon.0) && spec.warm_up.0.0 > 0 {
            let message = "`traffic.warmUp` leaves nothing to measure before the horizon";
            self.context.report("traffic.warmUp", Code::OutOfRange, message);
        }
        Traffic {
            network: self.network(&spec.network),
            services: self.services(),
            sources: self.sources(),
            mode,
            warm_up: SimTime::ZERO.after(spec.warm_up.0),
            endpoint_delay: self.dist(spec.endpoint_delay.as_ref(), "traffic.endpointDelay"),
            sample_one_in: spec.sample_one_in.unwrap_or(0),
            usage_window: self.positive(spec.usage_window, USAGE_WINDOW, "traffic.usageWindow"),
        }
    }

    fn network(&mut self, spec: &NetworkSpec) -> Network {
        let at = "traffic.network";
        let mut regions = Vec::new();
        if let (Some(world), false) = (&self.world, spec.regions.is_empty()) {
            let region = |zone: &String| spec.regions.values().position(|zones| zones.contains(zone));
            let rest = spec.regions.len();
            regions = world.cluster.zones.iter().map(|zone| region(zone).unwrap_or(rest) as u32).collect();
        }
        let listed = spec.regions.values().flatten().map(String::as_str);
        unique(listed, "zones in `traffic.network.regions`", |_| format!("{at}.regions"), self.context);
        let mut pairs = Vec::new();
        for (index, pair) in spec.pairs.iter().enumerate() {
            let at = format!("{at}.pairs[{index}]");
            let latency = self.dist(Some(&pair.latency), &format!("{at}.latency"));
            match &pair.zones[..] {
                [from, to] if from != to => {
                    let ends = [from, to].map(|zone| self.zone(zone, &format!("{at}.zones")));
                    if let [Some(from), Some(to)] = ends {
                        pairs.push((from, to, latency));
                    }
                }
                _ => {
                    let message = format!("`{at}.zones` names two different zones");
                    self.context.report(&format!("{at}.zones"), Code::OutOfRange, message);
                }
            }
        }
        Network {
            within_zone: self.dist(spec.within_zone.as_ref(), &format!("{at}.withinZone")),
            between_zones: self.dist(spec.between_zones.as_ref(), &format!("{at}.betweenZones")),
            between_regions: self.dist(spec.between_regions.as_ref(), &format!("{at}.betweenRegions")),
            regions,
            pairs,
        }
    }

    /// The zone of that name; none while checking.
    fn zone(&mut self, name: &str, at: &str) -> Option<ZoneId> {
        let zones = &self.world.as_ref()?.cluster.zones;
        let found = zones.iter().position(|zone| zone == name);
        if found.is_none() {
            let known: Vec<&str> = zones.iter().map(String::as_str).collect();
            let hint = match known.is_empty() {
                true => "nodes have none; zones without nodes are named in `traffic.network.regions`".to_owned(),
                false => {
                    suggestion(name, &known, "zones without nodes are named in `traffic.network.regions`; there are")
                }
            };
            self.context.report_with_hint(at, Code::UnknownReference, format!("there is no zone `{name}`"), hint);
        }
        found.map(ZoneId::from_index)
    }

    /// A distribution; where there is none, no time.
    fn dist(&mut self, spec: Option<&DistributionSpec>, at: &str) -> Dist {
        match spec.map(distribution) {
            None => Dist::ZERO,
            Some(Ok(dist)) => dist,
            Some(Err(why)) => {
                self.context.report(at, Code::BadDistribution, format!("`{at}`: {why}"));
                Dist::ZERO
            }
        }
    }

    /// A span that must be more than 0; where there is none, `default`.
    fn positive(&mut self, span: Option<Duration>, default: SimDuration, at: &str) -> SimDuration {
        match span {
            None => default,
            Some(Duration(SimDuration::ZERO)) => {
                self.context.report(at, Code::OutOfRange, format!("`{at}` must be more than 0"));
                default
            }
            Some(Duration(span)) => span,
        }
    }

    /// As [`Builder::positive`], where nothing stands for for ever.
    fn optional(&mut self, span: Option<Duration>, at: &str) -> Option<SimDuration> {
        span.map(|span| self.positive(Some(span), SimDuration::ZERO, at))
    }

    fn cpu_milli(&mut self, spec: Option<&Quantity>, at: &str) -> Option<u64> {
        let Quantity(text) = spec?;
        match MilliCpu::parse(text) {
            Ok(MilliCpu(0)) => self.context.report(at, Code::OutOfRange, format!("`{at}` must be more than 0")),
            Ok(MilliCpu(milli)) => return Some(milli),
            Err(why) => self.context.report(at, Code::BadQuantity, format!("`{at}`: {why}")),
        }
        None
    }

    fn bytes(&mut self, spec: Option<&Quantity>, at: &str) -> u64 {
        match spec.map(|Quantity(text)| Bytes::parse(text)) {
            None => 0,
            Some(Ok(Bytes(bytes))) => bytes,
            Some(Err(why)) => {
                self.context.report(at, Code::BadQuantity, format!("`{at}`: {why}"));
                0
            }
        }
    }
}

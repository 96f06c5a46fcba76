//! Traffic by rates instead of requests: the same model, constant for a step at a time.
//!
//! A step goes forth and back through the graph of calls (`flow`): rates from sources (`profile`) to those whom they call, then
//! times and failures from those called to their callers (`call`). Backends that serve the same requests are a station
//! (`station`, `backends`), whose queues (`serve`, `queue`) are in steady state if they are fast against a step, and grow and
//! drain as fluid if not. What flowed is counted in the statistics that single requests fill, with latencies of quasi-random
//! requests (`measure`, `shape`).
//!
//! **Choices.** Latency is drawn at 64 points a step (Latin hypercube) rather than fitted by a lognormal or gamma distribution: sums,
//! maxima over parallel calls, retries and mixtures of backends are then exact up to the number of points, and the columns of
//! waits are scaled to the means of the queues. A wait is nothing, or a constant and something exponential whose mean and
//! variance are those of M/G/1. Only what decides about flows, how many are late, is a gamma fit, as it must be smooth.
//! Modulated sources are simulated, since their bursts are what they are there for.
//!
//! **Errors** against single requests, in a million requests of each model: throughput 0.2 %, utilisation 0.002; the mean
//! latency 1 % for M/G/c, processor sharing, limited queues, timeouts, users and parallel calls, 4 to 6 % for round robin, least
//! request and two choices with up to 100 backends, for quotas and for callers whose workers wait for those called, 14 % for
//! two choices and variable work; the 95th percentile 2 to 8 %, 11 % with retries, 19 % under quotas. `docs/traffic-fluid.md` has the table, and
//! what is left out: chance, clumps, keys, outlier ejection, adaptive concurrency.
//!
//! **Cost**: services that hang together by calls, backends or sources are a part with steps of its own (`part`). O(services and links of
//! the part) for a step and pass, a few passes where calls fail or are late; a step in which nothing has changed costs
//! nothing. Where backends have come or gone O(backends of their service) once.

mod backends;
mod bytes;
mod call;
mod finite;
mod flow;
mod graph;
mod groups;
mod measure;
mod meters;
mod part;
mod profile;
mod queue;
mod serve;
mod shape;
mod split;
mod station;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use backends::Node;
use flow::{Bracket, LinkFlow, NodeFlow};
use graph::Graph;
use measure::Carry;
pub use meters::FluidMeters;
use part::Part;
use profile::Inflow;
use shape::{Columns, POINTS, Points, Shape};
use split::ReleaseWindow;
use station::{Kind, Meter, Server, Station};

use super::carried::Carried;
use super::plane::{Notice, objective_of};
use super::slab::Slab;
use super::statistics::{Fate, ServiceStatistics};
use crate::ids::ServiceId;
use crate::model::Dist;
use crate::model::traffic::{Mode, Objective, Traffic};
use crate::rng::Seed;
use crate::units::{SimDuration, SimTime};

/// A queue that changes by less than that part of a request in a step stays as it is.
const STILL: f64 = 1e-6;

/// All traffic of a run as rates: between two events of the cluster it moves by itself.
#[derive(Debug)]
pub struct FluidPlane<'m> {
    traffic: &'m Traffic,
    seed: Seed,
    zones: usize,
    step: SimDuration,
    now: SimTime,
    /// Services that hang together, and the part of each station.
    parts: Vec<Part>,
    part_of: Vec<usize>,
    /// When the step of the first of them is over.
    next_due: SimTime,
    graph: Graph<'m>,
    inflows: Vec<Inflow<'m>>,
    brackets: Vec<Option<Bracket>>,
    /// How long a round of users takes, by source.
    rounds_s: Vec<f64>,
    flows: Vec<NodeFlow>,
    links: Vec<LinkFlow>,
    stations: Vec<Station<'m>>,
    /// Backends that get requests, by station.
    members: Vec<Vec<u32>>,
    /// Within how many seconds requests of a station must be begun.
    deadlines: Vec<f64>,
    /// Part of the attempts that is kept from backends, by service.
    guards: Vec<f64>,
    /// Of it what comes beyond a limit of rates.
    over_rate: Vec<f64>,
    /// Clients that balance by themselves.
    clients: u32,
    servers: Slab<Server>,
    /// Their kinds, and the numbers of these.
    kinds: Vec<Kind>,
    kind_numbers: BTreeMap<(u32, [u64; 3]), u32>,
    /// What they use, by server.
    meters: Vec<Meter>,
    nodes: Vec<Node>,
    news_so_far: u64,
    notices: Vec<Notice>,
    network_shapes: Vec<(&'m Dist, usize)>,
    no_time: usize,
    proxies: Vec<Option<usize>>,
    columns: Columns,
    /// Latencies of the round that is being measured, by node.
    points: Vec<Points>,
    carries: Vec<Carry>,
    /// Of how many points of a round one is kept of long runs.
    stride_max: usize,
    source_fates: Vec<Fate>,
    statistics: Vec<ServiceStatistics>,
    /// How requests of releases fared, by service, with what is left of counts.
    releases: Vec<Vec<ReleaseWindow>>,
    objectives: Vec<Option<Objective>>,
    /// Whether sizes of messages are known, and what they carried.
    carries_bytes: bool,
    pub(super) carried: Carried,
}

impl<'m> FluidPlane<'m> {
    /// Traffic before anything has happened, in a cluster with so many zones; servers outside the cluster are there. A model
    /// whose mode is not fluid is taken in steps of 15 s.
    pub fn new(traffic: &'m Traffic, zones: usize, seed: Seed) -> FluidPlane<'m> {
        let step = match traffic.mode {
            Mode::Fluid { step } => step.max(SimDuration(1)),
            Mode::Requests => SimDuration(15_000_000_000),
        };
        let mut graph = Graph::new(traffic, seed);
        let (network_shapes, no_time) = network_shapes(traffic, &mut graph, seed);
        let proxies = proxy_shapes(traffic, &mut graph, seed);
        let stations = (0..graph.stations).map(|station| {
            let first = graph.station_of.iter().position(|one| *one == station).expect("a station has a service");
            Station::new(traffic, ServiceId::from_index(first))
        });
        let (parts, part_of) = part::parts(&graph, traffic.sources.len(), traffic.warm_up == SimTime::ZERO);
        let mut plane = FluidPlane {
            traffic,
            seed,
            zones,
            step,
            now: SimTime::ZERO,
            parts,
            part_of,
            next_due: SimTime::ZERO,
            inflows: traffic.sources.iter().map(|source| Inflow::new(source, seed)).collect(),
            brackets: vec![None; traffic.sources.len()],
            rounds_s: vec![0.0; traffic.sources.len()],
            flows: vec![NodeFlow { passing: 1.0, ..NodeFlow::default() }; graph.nodes.len()],
            links: graph.links.iter().map(|link| LinkFlow::new(link.targets.len())).collect(),
            carries: graph.links.iter().map(|link| Carry::new(link.targets.len())).collect(),
            stations: stations.collect(),
            members: vec![Vec::new(); graph.stations],
            deadlines: deadlines(&graph),
            guards: vec![0.0; traffic.services.len()],
            over_rate: vec![0.0; traffic.services.len()],
            clients: traffic.sources.iter().map(|source| source.clients.max(1)).sum::<u32>().max(1),
            servers: Slab::default(),
            kinds: Vec::new(),
            kind_numbers: BTreeMap::new(),
            meters: Vec::new(),
            nodes: Vec::new(),
            news_so_far: 0,
            notices: Vec::new(),
            network_shapes,
            no_time,
            proxies,
            columns: Columns::new(seed),
            points: vec![[0.0; POINTS]; graph.nodes.len()],
            stride_max: measure::STRIDE_MAX,
            source_fates: vec![Fate::default(); traffic.sources.len()],
            statistics: traffic.services.iter().map(|_| ServiceStatistics::default()).collect(),
            releases: vec![Vec::new(); traffic.services.len()],
            objectives: traffic.sources.iter().map(|source| objective_of(traffic, source)).collect(),
            carries_bytes: graph.nodes.iter().any(|node| node.operation.sizes.are_known()),
            carried: Carried::default(),
            graph,
        };
        for service in 0..traffic.services.len() {
            plane.add_fixed(ServiceId::from_index(service));
        }
        plane
    }

    /// The present instant.
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// How many steps there were of all parts; those in which nothing changed are one.
    pub fn events_handled(&self) -> u64 {
        self.parts.iter().map(|part| part.steps).sum()
    }

    /// Moves time on to `until`, or to the instant of the first notice. Whether there are notices.
    pub fn advance(&mut self, until: SimTime) -> bool {
        while self.notices.is_empty() {
            if self.now >= until {
                return false;
            }
            if self.next_due <= self.now {
                self.begin_steps();
                continue;
            }
            self.now = until.min(self.next_due);
        }
        true
    }

    /// Parts whose step is over begin the next, up to the first that has notices.
    fn begin_steps(&mut self) {
        for part in 0..self.parts.len() {
            if self.parts[part].due() <= self.now && self.notices.is_empty() {
                self.begin_step(part);
            }
        }
        self.next_due = self.parts.iter().map(Part::due).min().unwrap_or(SimTime::NEVER);
    }

    /// When steps that begin now, and are not cut short, are over.
    fn end_of_step(&self) -> SimTime {
        SimTime((self.now.0 / self.step.0 + 1).saturating_mul(self.step.0))
    }

    /// Ends the step of a part, and finds what is true in the next.
    fn begin_step(&mut self, number: usize) {
        self.end_step(number);
        self.hear_news(number);
        if !self.notices.is_empty() {
            // The cluster may change something before it goes on.
            self.parts[number].is_stale = true;
            return;
        }
        let has_changed = std::mem::take(&mut self.parts[number].is_stale);
        if has_changed {
            self.regroup(number);
        }
        let end = self.end_of_step();
        let part = &mut self.parts[number];
        let limit = part.next_news().min(if part.is_warm { SimTime::NEVER } else { self.traffic.warm_up });
        let end = end.min(limit);
        (part.began, part.span) = (self.now, end.since(self.now));
        let mut steady = SimTime::NEVER;
        let mut is_same = !has_changed && part.steps > 0 && !part.is_moving;
        for &source in &part.sources {
            let inflow = &mut self.inflows[source];
            let before = inflow.rate;
            steady = steady.min(inflow.set(self.now, end));
            is_same &= before == inflow.rate;
        }
        part.steps += 1;
        if !is_same {
            let span_s = part.span.as_seconds();
            self.solve(number, span_s);
            self.look_at_groups(number);
            self.look_at_memory(number);
            self.parts[number].is_moving = self.moves(number);
        }
        let whole_steps = SimTime(steady.0 / self.step.0 * self.step.0);
        let part = &mut self.parts[number];
        // What was noticed of groups is for the next step.
        let holds = !part.is_moving && !part.has_news_of_groups;
        part.holds_until = if holds { end.max(whole_steps.min(limit)) } else { end };
    }

    /// Queues of a part are what they have become.
    fn end_step(&mut self, number: usize) {
        self.pour(number);
        let part = &mut self.parts[number];
        let elapsed = self.now.since(part.began);
        if elapsed == SimDuration::ZERO || part.span == SimDuration::ZERO {
            return;
        }
        let passed = (elapsed.as_seconds() / part.span.as_seconds()).min(1.0);
        for &station in &part.stations {
            let station = &mut self.stations[station];
            let is_served = station.is_served();
            for group in &mut station.groups {
                let end = if group.wait.utilisation > 0.0 { group.wait.queue } else { group.delay.queue };
                group.queue += passed * (end - group.queue);
            }
            if !is_served && station.spread == queue::Spread::Shared {
                station.held += station.flow.rate * elapsed.as_seconds();
            }
            if station.lost > 0.0 {
                let reaching = station.flow.rate * (1.0 - station.flow.unavailable);
                let counted = station.flow.lost * reaching * elapsed.as_seconds();
                station.lost = if counted < 1e-6 { 0.0 } else { (station.lost - counted).max(0.0) };
            }
        }
        part.began = self.now;
        if std::mem::take(&mut part.has_news_of_groups) {
            part.is_stale = true;
        }
    }

    /// Whether anything goes on in a part though nothing comes from outside.
    fn moves(&self, part: usize) -> bool {
        let is_restless = |station: &Station<'_>| {
            let unrest = |group: &station::Group| {
                let end = if group.wait.utilisation > 0.0 { group.wait.queue } else { group.delay.queue };
                (end - group.queue).abs() > STILL * (1.0 + end)
            };
            station.lost > 0.0
                || station.groups.iter().any(unrest)
                || !station.is_served() && station.spread == queue::Spread::Shared && station.flow.rate > 0.0
        };
        let mut stations = self.parts[part].stations.iter();
        stations.any(|&station| is_restless(&self.stations[station]) || self.is_warming_up(station))
    }

    /// Clients learn of backends, backends have answered their last request, and the warm-up is over.
    fn hear_news(&mut self, number: usize) {
        let now = self.now;
        for station in Part::take_due(&mut self.parts[number].news, now) {
            self.learn(station);
        }
        for station in Part::take_due(&mut self.parts[number].openings, now) {
            self.change(station);
        }
        for server in Part::take_due(&mut self.parts[number].draining, now) {
            self.drain(server);
        }
        if !self.parts[number].is_warm && now >= self.traffic.warm_up {
            self.begin_to_measure(number);
        }
    }

    /// The warm-up of a part is over.
    fn begin_to_measure(&mut self, number: usize) {
        let part = &mut self.parts[number];
        part.is_warm = true;
        part.sources.iter().for_each(|source| self.source_fates[*source].forget());
        part.services.iter().for_each(|service| self.statistics[*service].forget(self.now));
        for &station in &part.stations {
            let station = &mut self.stations[station];
            station.marked_compute_s = station.compute_s;
        }
    }

    /// Tells of pods that hold more requests than their memory allows.
    fn look_at_memory(&mut self, part: usize) {
        for &station in &self.parts[part].stations {
            let state = &self.stations[station];
            if state.model.server.memory_per_request == 0 {
                continue;
            }
            for &number in &self.members[station] {
                let server = &mut self.servers[number];
                let group = self.meters[number as usize].group();
                let present = group.map_or(0.0, |group| state.groups[group].present);
                let is_over = present > server.memory_requests;
                if is_over
                    && !server.is_told
                    && let Some(pod) = server.pod
                {
                    self.notices.push(Notice::OutOfMemory(pod));
                }
                server.is_told = is_over;
            }
        }
    }

    /// Seconds that have flowed since statistics of a part were brought up to date.
    fn pending_s(&self, part: usize) -> f64 {
        self.now.since(self.parts[part].poured).as_seconds()
    }

    /// Brings statistics up to the present instant.
    pub fn settle(&mut self) {
        (0..self.parts.len()).for_each(|part| self.pour(part));
    }

    /// How requests of sources fared, by source, as of the last time that it was [settled](FluidPlane::settle).
    pub fn sources(&self) -> &[Fate] {
        &self.source_fates
    }

    /// What is known of a service, as of the last time that it was [settled](FluidPlane::settle).
    pub fn statistics(&self, service: ServiceId) -> &ServiceStatistics {
        &self.statistics[service.index()]
    }

    /// How many backends of a service are ready.
    pub fn backends(&self, service: ServiceId) -> usize {
        self.stations[self.graph.station_of[service.index()]].ready.len()
    }

    /// Core-time that requests have used of the backends of a service over the whole run, in ns. What a backend of several
    /// services has done counts for each of them.
    pub fn compute_ns(&mut self, service: ServiceId) -> u64 {
        let number = self.graph.station_of[service.index()];
        let (station, pending_s) = (&self.stations[number], self.pending_s(self.part_of[number]));
        ((station.compute_s + station.flow.compute * pending_s) * 1e9) as u64
    }

    /// The same since the warm-up was over.
    pub fn measured_compute_ns(&mut self, service: ServiceId) -> u64 {
        let marked = self.stations[self.graph.station_of[service.index()]].marked_compute_s;
        self.compute_ns(service) - (marked * 1e9) as u64
    }

    /// What requests of sources were promised, by source: by the service that a source asks first.
    pub fn objectives(&self) -> &[Option<Objective>] {
        &self.objectives
    }

    /// What the windows have seen begins anew.
    pub fn begin_windows(&mut self) {
        self.settle();
        self.source_fates.iter_mut().for_each(Fate::begin_window);
        self.statistics.iter_mut().for_each(|statistics| statistics.attempts.begin_window());
    }

    /// Takes what the cluster has to know.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }
}

/// Within how many seconds requests of each station must be begun: none, unless all that call it say so.
fn deadlines(graph: &Graph<'_>) -> Vec<f64> {
    let mut longest = vec![0.0_f64; graph.stations];
    for link in &graph.links {
        let deadline_s = link.policy.deadline.map_or(f64::INFINITY, SimDuration::as_seconds);
        for target in &link.targets {
            let station = graph.station_of[graph.nodes[target.node].target.service.index()];
            longest[station] = longest[station].max(deadline_s);
        }
    }
    longest.into_iter().map(|deadline_s| if deadline_s > 0.0 { deadline_s } else { f64::INFINITY }).collect()
}

/// The shapes of the network's distributions, and that of no time at all.
fn network_shapes<'m>(traffic: &'m Traffic, graph: &mut Graph<'m>, seed: Seed) -> (Vec<(&'m Dist, usize)>, usize) {
    let network = &traffic.network;
    let dists = [&network.within_zone, &network.between_zones, &network.between_regions];
    let mut found = Vec::new();
    for dist in dists.into_iter().chain(network.pairs.iter().map(|(_, _, dist)| dist)) {
        let stream = seed.stream("traffic/fluid/network", graph.shapes.len() as u64);
        found.push((dist, graph.shapes.len()));
        graph.shapes.push(Shape::new(dist, stream));
    }
    graph.shapes.push(Shape::new(&Dist::ZERO, seed.stream("traffic/fluid/network", 0)));
    (found, graph.shapes.len() - 1)
}

/// The shapes of what proxies add, by service.
fn proxy_shapes(traffic: &Traffic, graph: &mut Graph<'_>, seed: Seed) -> Vec<Option<usize>> {
    let mut found = Vec::new();
    for (number, service) in traffic.services.iter().enumerate() {
        found.push(service.guard.sidecar.as_ref().map(|proxy| {
            let stream = seed.stream("traffic/fluid/proxies", number as u64);
            graph.shapes.push(Shape::new(&proxy.latency, stream));
            graph.shapes.len() - 1
        }));
    }
    found
}

//! The state of all traffic, and its loop.

use std::collections::VecDeque;

use super::arrivals::ArrivalTimes;
use super::attempt::{Attempt, NONE};
use super::calendar::Calendar;
use super::carried::Carried;
use super::client::{Budget, Client, Outliers};
use super::collapsed::{Part, Workers};
use super::event::Event;
use super::node::NodeCores;
use super::patience::PendingCall;
use super::server::{Pace, Server};
use super::slab::Slab;
use super::source::SourceState;
use super::spans::{Span, Spans};
use super::statistics::{Fate, ServiceStatistics, Window};
use crate::event_queue::EventQueue;
use crate::ids::{PodId, ServiceId};
use crate::model::traffic::{Arrivals, Balancing, Objective, Service, Source, Traffic};
use crate::policy::ParameterError;
use crate::policy::balancer::{self, Backend, Load};
use crate::rng::{Seed, Stream, split_mix};
use crate::units::{SimDuration, SimTime};

/// Something that the cluster has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A pod that was told to end has answered its last request.
    Drained(PodId),
    /// A pod that is there for so many requests has answered the last of them.
    Done(PodId),
    /// A pod holds more requests than its memory allows.
    OutOfMemory(PodId),
}

/// All traffic of a run: between two events of the cluster it moves by itself.
#[derive(Debug)]
pub struct DataPlane<'m> {
    pub(super) traffic: &'m Traffic,
    pub(super) seed: Seed,
    pub(super) now: SimTime,
    pub(super) events: EventQueue<Event>,
    pub(super) sources: Vec<SourceState<'m>>,
    /// When the sources' requests come, and the next of each.
    pub(super) arrivals: Vec<ArrivalTimes<'m>>,
    pub(super) calendar: Calendar,
    pub(super) services: Vec<ServiceState<'m>>,
    pub(super) servers: Slab<Server>,
    /// Nodes whose cores servers share.
    pub(super) nodes: Vec<NodeCores>,
    pub(super) attempts: Slab<Attempt>,
    pub(super) calls: Slab<PendingCall<'m>>,
    pub(super) clients: Vec<Client>,
    /// By source, and client of the source: the clients for services that balance there.
    pub(super) source_clients: Vec<Vec<Vec<(ServiceId, u32)>>>,
    pub(super) budgets: Vec<Option<Budget>>,
    /// Whether every message arrives at once.
    pub(super) is_instant: bool,
    pub(super) notices: Vec<Notice>,
    /// Requests that are done at one instant, while they are being gone through.
    pub(super) done: Vec<u32>,
    /// Servers so far, and news of backends.
    pub(super) servers_made: u64,
    pub(super) news: u64,
    /// How requests of sources fared, and what they were promised, by source.
    pub(super) source_fates: Vec<Fate>,
    pub(super) objectives: Vec<Option<Objective>>,
    /// How many zones the services' backends may be in.
    pub(super) zones: usize,
    /// What messages carried whose sizes are known.
    pub(super) carried: Carried,
    pub(super) events_handled: u64,
    pub(super) requests_sent: u64,
    /// What is recorded of single requests.
    pub(super) spans: Spans,
    /// When measuring begins; never: it has begun.
    warms_up_at: SimTime,
    /// Sources and services with latencies that are not counted yet.
    pub(super) uncounted_sources: Vec<u16>,
    pub(super) uncounted_services: Vec<ServiceId>,
    /// What needs no events.
    pub(super) parts: Vec<Part>,
}

/// A service while it runs.
#[derive(Debug)]
pub(super) struct ServiceState<'m> {
    pub model: &'m Service,
    /// The servers, by slot.
    pub slots: Vec<Slot>,
    pub free_slots: Vec<u32>,
    /// What servers say of themselves, by slot.
    pub loads: Vec<Load>,
    /// What they know of their latency, by slot.
    pub paces: Vec<Pace>,
    /// Backends that are ready, in order of their slots.
    pub ready: Vec<Backend>,
    /// Backends that clients know of.
    pub known: Vec<Backend>,
    /// Clients that balance requests for it.
    pub clients: Vec<u32>,
    /// Requests that wait in the queue that servers share.
    pub queue: VecDeque<u32>,
    /// Weights of the routes' targets as they are now.
    pub weights: Vec<Vec<f64>>,
    /// Groups of its backends among which requests are divided, with their weights; empty: they are not.
    pub split: Vec<(u32, f64)>,
    /// How requests that groups answered have fared since somebody last asked.
    pub groups: Vec<(u32, Window)>,
    /// Tokens of the rate limit, and when they were counted.
    pub tokens: (f64, SimTime),
    /// Whether the balancer wants to know of servers without requests, or asks them.
    pub tells_idle: bool,
    pub asks_servers: bool,
    /// Where nothing needs events: its position in its part, and when workers are free, by slot.
    pub station: u16,
    pub workers: Vec<Workers>,
    pub statistics: ServiceStatistics,
}

/// A number for a backend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// The server; [`NONE`]: it is gone.
    pub server: u32,
    /// The group that it belongs to.
    pub group: u32,
    /// Requests that were sent to it and have not ended for their clients.
    pub sent: u32,
}

impl<'m> DataPlane<'m> {
    /// Traffic before anything has happened, in a cluster with so many zones; servers outside the cluster are there.
    ///
    /// # Errors
    /// When a balancer refuses its parameters, which does not happen to a validated model.
    pub fn new(traffic: &'m Traffic, zones: usize, seed: Seed) -> Result<DataPlane<'m>, ParameterError> {
        let mut plane = DataPlane::idle(traffic, zones, seed)?;
        plane.collapse();
        plane.begin_sources();
        Ok(plane)
    }

    /// The same with events for all requests, also for those whose end is known when they come. Everything that is measured
    /// is the same; it only takes longer.
    ///
    /// # Errors
    /// As [`DataPlane::new`].
    pub fn with_events_only(traffic: &'m Traffic, zones: usize, seed: Seed) -> Result<DataPlane<'m>, ParameterError> {
        let mut plane = DataPlane::idle(traffic, zones, seed)?;
        plane.begin_sources();
        Ok(plane)
    }

    /// Traffic without sources that have begun.
    fn idle(traffic: &'m Traffic, zones: usize, seed: Seed) -> Result<DataPlane<'m>, ParameterError> {
        let network = &traffic.network;
        let spans = [&network.within_zone, &network.between_zones, &network.between_regions];
        let has_sidecars = traffic.services.iter().any(|service| service.guard.sidecar.is_some());
        let mut plane = DataPlane {
            traffic,
            seed,
            now: SimTime::ZERO,
            events: EventQueue::new(),
            sources: traffic.sources.iter().map(|source| SourceState::new(source, seed)).collect(),
            arrivals: Vec::new(),
            calendar: Calendar::new(traffic.sources.len()),
            services: traffic.services.iter().map(ServiceState::new).collect::<Result<_, _>>()?,
            servers: Slab::default(),
            nodes: Vec::new(),
            attempts: Slab::default(),
            calls: Slab::default(),
            clients: Vec::new(),
            source_clients: traffic.sources.iter().map(|one| vec![Vec::new(); one.clients.max(1) as usize]).collect(),
            budgets: Vec::new(),
            is_instant: spans.iter().all(|span| span.is_zero()) && network.pairs.is_empty() && !has_sidecars,
            notices: Vec::new(),
            done: Vec::new(),
            servers_made: 0,
            news: 0,
            source_fates: vec![Fate::default(); traffic.sources.len()],
            objectives: traffic.sources.iter().map(|source| objective_of(traffic, source)).collect(),
            zones,
            carried: Carried::default(),
            events_handled: 0,
            requests_sent: 0,
            spans: Spans::default(),
            warms_up_at: if traffic.warm_up > SimTime::ZERO { traffic.warm_up } else { SimTime::NEVER },
            uncounted_sources: Vec::new(),
            uncounted_services: Vec::new(),
            parts: Vec::new(),
        };
        for service in 0..traffic.services.len() {
            if traffic.services[service].balancing == Balancing::Central {
                plane.add_client(ServiceId::from_index(service), 0);
            }
            plane.add_fixed(ServiceId::from_index(service));
        }
        Ok(plane)
    }

    fn begin_sources(&mut self) {
        // Where sources are that need no events: the part, and the position in it.
        let mut places = vec![None; self.sources.len()];
        for (number, part) in self.parts.iter().enumerate() {
            part.sources.iter().enumerate().for_each(|(at, &source)| places[source] = Some((number, at)));
        }
        for (source, place) in places.into_iter().enumerate() {
            let model = self.sources[source].model;
            let stream = self.seed.stream(&format!("traffic/arrivals/{}", model.name), 0);
            let mut times = ArrivalTimes::new(&model.arrivals, stream);
            let first = times.next();
            let (calendar, at) = match place {
                Some((part, at)) => (&mut self.parts[part].calendar, at),
                None => (&mut self.calendar, source),
            };
            calendar.set(at, first.map_or(SimTime::NEVER, |one| one.at));
            self.sources[source].listed = first.and_then(|one| one.operation);
            self.arrivals.push(times);
            if let Arrivals::Closed { users, think } = &model.arrivals {
                for _ in 0..*users {
                    let client = self.sources[source].begin_session(None);
                    let pause = think.fast_sample(&mut self.sources[source].pause_stream(client));
                    self.events.push(SimTime::ZERO.after(pause), 0, Event::Think { source: source as u16, client });
                }
            }
        }
    }

    /// From now on it counts.
    fn on_warm_up(&mut self) {
        self.source_fates.iter_mut().for_each(Fate::forget);
        for service in 0..self.services.len() {
            let used_ns = self.compute_ns(ServiceId::from_index(service));
            let statistics = &mut self.services[service].statistics;
            statistics.forget(self.now);
            statistics.marked_compute_ns = used_ns;
        }
    }

    /// The present instant.
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// How many events were handled: arrivals, and what came out of the queue.
    pub fn events_handled(&self) -> u64 {
        self.events_handled
    }

    /// Moves time on to `until`, or to the instant of the first notice; what happens at `until` itself is left. Whether
    /// there are notices.
    pub fn advance(&mut self, until: SimTime) -> bool {
        if self.warms_up_at < until {
            if self.run(self.warms_up_at) {
                return true;
            }
            self.warms_up_at = SimTime::NEVER;
            self.on_warm_up();
        }
        self.run(until)
    }

    fn run(&mut self, until: SimTime) -> bool {
        while self.notices.is_empty() {
            let (source, arrival) = self.calendar.first();
            if let Some((key, event)) = self.events.pop_before(arrival.min(until)) {
                self.now = key.time;
                self.handle(event);
            } else if arrival < until {
                self.now = arrival;
                self.on_arrival(source);
            } else {
                self.now = self.now.max(until);
                break;
            }
            self.events_handled += 1;
        }
        self.catch_up(self.now);
        self.count_all();
        !self.notices.is_empty()
    }

    /// Counts the latencies that are noted.
    pub(super) fn count_all(&mut self) {
        while let Some(source) = self.uncounted_sources.pop() {
            self.source_fates[usize::from(source)].flush(self.objectives[usize::from(source)]);
        }
        while let Some(service) = self.uncounted_services.pop() {
            let state = &mut self.services[service.index()];
            state.statistics.flush(state.model.objective);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Think { source, client } => self.on_think(source, client),
            Event::Reach(attempt) => self.reach(attempt),
            Event::Step(attempt) => self.on_step(attempt),
            Event::Compute(server) => self.on_compute(server),
            Event::Answer(attempt) => self.answer(attempt),
            Event::Timeout(call) => self.on_timeout(call),
            Event::Again(call) => self.on_again(call),
            Event::Deadline(call) => self.on_deadline(call),
            Event::Endpoints(service) => self.on_endpoints(service),
            Event::Readmit(client) => self.on_readmit(client),
            Event::Told(server) => self.on_told(server),
            Event::Adapt(server) => self.on_adapt(server),
        }
    }

    /// How requests of sources fared, by source.
    pub fn sources(&self) -> &[Fate] {
        &self.source_fates
    }

    /// What is known of a service.
    pub fn statistics(&self, service: ServiceId) -> &ServiceStatistics {
        &self.services[service.index()].statistics
    }

    /// How many backends of a service are ready.
    pub fn backends(&self, service: ServiceId) -> usize {
        self.services[service.index()].ready.len()
    }

    /// Core-time that requests have used of the backends of a service over the whole run, in ns. What a backend of several
    /// services has done counts for each of them.
    pub fn compute_ns(&mut self, service: ServiceId) -> u64 {
        let state = &self.services[service.index()];
        let slots: Vec<u32> = state.slots.iter().map(|slot| slot.server).collect();
        let gone_ns = state.statistics.gone_compute_ns;
        gone_ns + slots.into_iter().filter(|&server| is_some(server)).map(|server| self.used_ns(server)).sum::<u64>()
    }

    /// The same since the warm-up was over.
    pub fn measured_compute_ns(&mut self, service: ServiceId) -> u64 {
        self.compute_ns(service) - self.statistics(service).marked_compute_ns
    }

    /// What requests of sources were promised, by source: by the service that a source asks first.
    pub fn objectives(&self) -> &[Option<Objective>] {
        &self.objectives
    }

    /// What the windows have seen begins anew.
    pub fn begin_windows(&mut self) {
        self.count_all();
        self.source_fates.iter_mut().for_each(Fate::begin_window);
        self.services.iter_mut().for_each(|service| service.statistics.attempts.begin_window());
    }

    /// What was recorded of single requests, in the order in which they were sent.
    pub fn spans(&self) -> &[Span] {
        self.spans.list()
    }

    /// Takes what the cluster has to know.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Puts an event into the queue.
    #[inline]
    pub(super) fn schedule(&mut self, delay: SimDuration, event: Event) {
        self.events.push(self.now.after(delay), 0, event);
    }

    /// A place where requests for a service are balanced.
    pub(super) fn add_client(&mut self, service: ServiceId, entity: u64) -> u32 {
        let state = &mut self.services[service.index()];
        let number = self.clients.len() as u32;
        let guard = &state.model.guard;
        let name = format!("traffic/balancer/{}", state.model.name);
        let row = balancer::find(&state.model.balancer.name).expect("the plane was made with it");
        let mut client = Client {
            service,
            group: None,
            of_groups: Vec::new(),
            balancer: row.build(&state.model.balancer.parameters).expect("the plane was made with them"),
            stream: self.seed.stream(&name, entity),
            in_flight: 0,
            retries: 0,
            outliers: guard.outlier_detection.map(|rules| Box::new(Outliers::new(rules))),
        };
        client.set_backends(&state.known);
        state.clients.push(number);
        self.clients.push(client);
        self.budgets.push(None);
        number
    }

    /// What is drawn for a step of a request, whoever serves it and whenever.
    #[inline]
    pub(super) fn step_stream(seed: u64, step: u64) -> Stream {
        Stream::of_word(split_mix(seed ^ (step + 1).wrapping_mul(0xd6e8_feb8_6659_fd93)))
    }

    /// What is drawn for an attempt that was sent then.
    #[inline]
    pub(super) fn attempt_stream(seed: u64, sent: SimTime, step: u64) -> Stream {
        // An odd number without a pattern spreads the instant over the word.
        DataPlane::step_stream(seed ^ sent.0.wrapping_mul(0x9fb2_1c65_1e98_df25), step)
    }
}

impl<'m> ServiceState<'m> {
    fn new(model: &'m Service) -> Result<ServiceState<'m>, ParameterError> {
        let unknown = || ParameterError(format!("there is no balancer called `{}`", model.balancer.name));
        let row = balancer::find(&model.balancer.name).ok_or_else(unknown)?;
        row.build(&model.balancer.parameters)?;
        Ok(ServiceState {
            model,
            slots: Vec::new(),
            free_slots: Vec::new(),
            loads: Vec::new(),
            paces: Vec::new(),
            ready: Vec::new(),
            known: Vec::new(),
            clients: Vec::new(),
            queue: VecDeque::new(),
            weights: model
                .routes
                .iter()
                .map(|route| route.targets.iter().map(|(_, weight)| *weight).collect())
                .collect(),
            split: Vec::new(),
            groups: Vec::new(),
            tokens: (model.guard.rate_limit.map_or(0.0, |limit| f64::from(limit.burst)), SimTime::ZERO),
            tells_idle: row.name == "join-idle-queue",
            asks_servers: row.asks_servers,
            station: 0,
            workers: Vec::new(),
            statistics: ServiceStatistics::default(),
        })
    }

    /// Whether a request may pass the rate limit, which takes a token.
    pub(super) fn passes_rate_limit(&mut self, now: SimTime) -> bool {
        let Some(limit) = self.model.guard.rate_limit else { return true };
        let (tokens, filled) = self.tokens;
        let tokens = (tokens + now.since(filled).as_seconds() * limit.per_second).min(f64::from(limit.burst));
        let passes = tokens >= 1.0;
        self.tokens = (if passes { tokens - 1.0 } else { tokens }, now);
        passes
    }
}

/// What the service promises that a source asks first.
pub(super) fn objective_of(traffic: &Traffic, source: &Source) -> Option<Objective> {
    let (operation, _) = source.mix.first()?;
    traffic.services[operation.service.index()].objective
}

/// Whether a number stands for something.
#[inline]
pub(super) fn is_some(number: u32) -> bool {
    number != NONE
}

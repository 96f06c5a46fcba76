//! Backends come and go, and clients learn of it.

use super::attempt::{NONE, Outcome, Place};
use super::compute::Compute;
use super::event::Event;
use super::limit::ConcurrencyLimit;
use super::node::NodeCores;
use super::plane::{DataPlane, Notice, ServiceState, Slot, is_some};
use super::server::{Pace, Server, State};
use crate::ids::{PodId, ServiceId, ZoneId};
use crate::model::traffic::{Backends, Server as ServerRules};
use crate::policy::balancer::{Backend, Load};
use crate::rng::split_mix;
use crate::units::{SimDuration, SimTime};

/// A pod that is about to serve.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// The pod.
    pub pod: PodId,
    /// From when on it listens.
    pub opens_at: SimTime,
    /// Where it is.
    pub zone: Option<ZoneId>,
    /// The node, as a number of the caller's own.
    pub node: u32,
    /// Milli-cores requested, which are its weight on the node.
    pub cpu_request: u64,
    /// Milli-cores that it gets at most.
    pub cpu_limit: Option<u64>,
    /// Bytes of memory that it gets at most.
    pub memory_limit: Option<u64>,
    /// How fast it computes, as a factor.
    pub speed: f64,
    /// How likely its answers are errors, beside those of the operations.
    pub failure: f64,
    /// The release that it belongs to, as a number of the caller's own.
    pub group: u32,
}

/// What requests need of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerLoad {
    /// Core-time used up so far, in ns.
    pub compute_ns: u64,
    /// How long requests stood still because the limit of CPU was reached, in ns.
    pub throttled_ns: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
}

/// Cores that a pod may use for requests, and how many its memory is enough for.
fn room_of(rules: &ServerRules, seat: &Seat) -> (f64, u32) {
    let limit = rules.cpu_milli.or(seat.cpu_limit).map_or(f64::INFINITY, |milli| milli as f64 / 1000.0);
    let room = seat.memory_limit.filter(|_| rules.memory_per_request > 0);
    let memory_requests = room.map_or(u32::MAX, |limit| {
        (limit.saturating_sub(rules.memory_base) / rules.memory_per_request).min(u64::from(u32::MAX)) as u32
    });
    (limit, memory_requests)
}

/// The kernel's shares of a request: 1024 a core, at least 2.
pub(super) fn cpu_weight(seat: &Seat) -> f64 {
    (seat.cpu_request as f64 * 1.024).max(2.0)
}

impl DataPlane<'_> {
    /// The backends of a service that are outside the cluster.
    pub(super) fn add_fixed(&mut self, service: ServiceId) {
        let model = self.services[service.index()].model;
        let Backends::Fixed { count, zones, weights, speeds } = &model.backends else { return };
        let in_turn = |at: u32, length: usize| at as usize % length.max(1);
        for at in 0..*count {
            let cpu = model.server.cpu_milli.map(|milli| milli as f64 / 1000.0);
            let server = Server {
                speed: speeds.get(in_turn(at, speeds.len())).copied().unwrap_or(1.0),
                zone: zones.get(in_turn(at, zones.len())).copied(),
                compute: cpu.map(|cores| Box::new(Compute::new(cores, model.server.quota_period, self.now))),
                ..self.new_server(service)
            };
            let number = self.add_server(server);
            let weight = weights.get(in_turn(at, weights.len())).copied().unwrap_or(1);
            self.join(number, service, weight);
        }
        self.learn(service);
    }

    /// A server as its service has it, which nobody knows yet.
    fn new_server(&self, service: ServiceId) -> Server {
        let rules = &self.services[service.index()].model.server;
        Server {
            pod: None,
            opens_at: SimTime::ZERO,
            services: Vec::new(),
            zone: None,
            state: State::Open,
            since: self.now,
            speed: 1.0,
            failure: 0.0,
            group: 0,
            entity: 0,
            present: 0,
            busy: 0,
            is_filling: false,
            workers: rules.workers.unwrap_or(u32::MAX),
            takes_left: u32::MAX,
            queue: std::collections::VecDeque::new(),
            compute: None,
            limit: rules.adaptive.map(|adaptive| {
                let stream = self.seed.stream("traffic/adaptive", self.servers_made + 1);
                Box::new(ConcurrencyLimit::new(adaptive, self.now, stream))
            }),
            memory_requests: u32::MAX,
            clients: Vec::new(),
            compute_ns: 0,
            peak: 0,
            adapts_at: SimTime::NEVER,
            node: None,
            cpu_weight: 0.0,
        }
    }

    fn add_server(&mut self, mut server: Server) -> u32 {
        self.servers_made += 1;
        server.entity = self.servers_made;
        let adaptive = server.limit.is_some();
        let number = self.servers.put(server);
        if adaptive {
            self.servers[number].adapts_at = self.now.after(SimDuration(1));
            self.schedule(SimDuration(1), Event::Adapt(number));
        }
        number
    }

    /// Makes a server a backend of a service.
    fn join(&mut self, number: u32, service: ServiceId, weight: u32) {
        let server = &mut self.servers[number];
        let state = &mut self.services[service.index()];
        let slot = match state.free_slots.pop() {
            Some(slot) => slot,
            None => {
                state.slots.push(Slot { server: NONE, group: 0, sent: 0 });
                state.loads.push(Load::default());
                state.paces.push(Pace::default());
                state.slots.len() as u32 - 1
            }
        };
        state.slots[slot as usize] = Slot { server: number, group: server.group, sent: 0 };
        state.loads[slot as usize] = Load::default();
        state.paces[slot as usize] = Pace::default();
        state.statistics.servers.rise(self.now);
        state.statistics.limit_milli.change(server.limit_milli(), self.now);
        for client in &state.clients {
            if let Some(outliers) = &mut self.clients[*client as usize].outliers {
                outliers.forget(slot);
            }
        }
        server.services.push((service, slot));
        let hash = split_mix(server.entity.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let backend = Backend { slot, weight, zone: server.zone, hash };
        let at = state.ready.partition_point(|one| one.slot < slot);
        state.ready.insert(at, backend);
    }

    /// A pod that serves these services has its containers running: requests that reach it are served. Clients know of it
    /// once it is ready.
    ///
    /// # Panics
    /// When there is no service.
    pub fn open(&mut self, seat: &Seat, services: &[ServiceId]) -> u32 {
        let rules = &self.services[services[0].index()].model.server;
        let (limit, memory_requests) = room_of(rules, seat);
        let server = Server {
            pod: Some(seat.pod),
            opens_at: seat.opens_at,
            zone: seat.zone,
            speed: seat.speed,
            failure: seat.failure,
            group: seat.group,
            compute: Some(Box::new(Compute::new(limit, rules.quota_period, self.now))),
            takes_left: rules.requests_per_pod.unwrap_or(u32::MAX),
            memory_requests,
            node: Some(seat.node),
            cpu_weight: cpu_weight(seat),
            ..self.new_server(services[0])
        };
        let number = self.add_server(server);
        while self.nodes.len() <= seat.node as usize {
            self.nodes.push(NodeCores { cores: f64::INFINITY, servers: Vec::new(), wanted: 0.0, is_contended: false });
        }
        self.nodes[seat.node as usize].servers.push(number);
        for service in services {
            self.join(number, *service, 1);
            self.set_ready(number, *service, false);
        }
        number
    }

    /// A pod has been resized where it runs: what it requests, and its limits, are those of the seat from now on.
    pub fn resize(&mut self, number: u32, seat: &Seat) {
        let server = &mut self.servers[number];
        let Some(&(first, _)) = server.services.first() else { return };
        let rules = &self.services[first.index()].model.server;
        let (limit, memory_requests) = room_of(rules, seat);
        let before = server.limit_milli();
        (server.memory_requests, server.cpu_weight) = (memory_requests, cpu_weight(seat));
        if let Some(compute) = &mut server.compute {
            compute.set_limit(limit, self.now);
        }
        let change = server.limit_milli() - before;
        for (service, _) in &server.services {
            self.services[service.index()].statistics.limit_milli.change(change, self.now);
        }
        self.divide_node(seat.node);
    }

    /// What requests have used of a pod, and the memory that they needed at the most since that was last asked.
    pub fn load_of(&mut self, number: u32) -> ServerLoad {
        let compute_ns = self.used_ns(number);
        let server = &mut self.servers[number];
        let rules = &self.services[server.services[0].0.index()].model.server;
        let peak = std::mem::replace(&mut server.peak, server.present);
        ServerLoad {
            compute_ns,
            throttled_ns: server.compute.as_ref().map_or(0, |compute| compute.throttled_ns()),
            memory_bytes: rules.memory_base + u64::from(peak) * rules.memory_per_request,
        }
    }

    /// Core-time that requests have used of a pod, in ns.
    pub fn core_ns_of(&mut self, number: u32) -> u64 {
        self.used_ns(number)
    }

    /// Core-time that requests have used of a server, in ns.
    pub(super) fn used_ns(&mut self, number: u32) -> u64 {
        let now = self.now;
        let server = &mut self.servers[number];
        server.compute_ns + server.compute.as_mut().map_or(0, |compute| compute.used_ns(now))
    }

    /// Cores of a node that its servers may use.
    pub fn set_node_cores(&mut self, node: u32, cores: f64) {
        if let Some(state) = self.nodes.get_mut(node as usize)
            && state.cores != cores
        {
            state.cores = cores;
            if state.is_contended || state.wanted > cores {
                self.divide_node(node);
            }
        }
    }

    /// Clients are told, now or when the news has spread, that a backend is ready, or not any more.
    pub fn tell_ready(&mut self, number: u32, is_ready: bool) {
        let services = self.servers[number].services.clone();
        for (service, _) in services {
            self.set_ready(number, service, is_ready);
            self.spread(service);
        }
        self.count_all();
    }

    fn set_ready(&mut self, number: u32, service: ServiceId, is_ready: bool) {
        let server = &self.servers[number];
        let slot = server.slot_in(service);
        let hash = split_mix(server.entity.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let backend = Backend { slot, weight: 1, zone: server.zone, hash };
        let ready = &mut self.services[service.index()].ready;
        let at = ready.partition_point(|one| one.slot < slot);
        let is_known = ready.get(at).is_some_and(|one| one.slot == slot);
        match (is_known, is_ready) {
            (false, true) => ready.insert(at, backend),
            (true, false) => {
                ready.remove(at);
            }
            _ => {}
        }
    }

    /// News of the backends of a service are on their way.
    fn spread(&mut self, service: ServiceId) {
        let mut stream = self.seed.stream("traffic/endpoints", self.news);
        self.news += 1;
        match self.traffic.endpoint_delay.sample(&mut stream) {
            SimDuration::ZERO => self.learn(service),
            delay => self.schedule(delay, Event::Endpoints(service.0)),
        }
    }

    /// News have arrived.
    pub(super) fn on_endpoints(&mut self, service: u32) {
        self.learn(ServiceId(service));
    }

    /// Clients know the backends as they are.
    fn learn(&mut self, service: ServiceId) {
        let state = &mut self.services[service.index()];
        let before = std::mem::replace(&mut state.known, state.ready.clone());
        self.tell_clients(service);
        let state = &self.services[service.index()];
        let idle: Vec<u32> = state.known.iter().map(|backend| backend.slot).collect();
        for backend in before {
            self.free_slot(service, backend.slot);
        }
        for slot in idle {
            let server = self.services[service.index()].slots[slot as usize].server;
            if is_some(server) {
                self.fill(server, service);
            }
        }
    }

    /// Tells balancers of a service which backends are known, those of a group which of them are in it.
    pub(super) fn tell_clients(&mut self, service: ServiceId) {
        let ServiceState { known, slots, clients, .. } = &self.services[service.index()];
        for &client in clients {
            let client = &mut self.clients[client as usize];
            match client.group {
                None => client.set_backends(known),
                Some(group) => {
                    let is_in = |backend: &&Backend| slots[backend.slot as usize].group == group;
                    let of_group: Vec<Backend> = known.iter().filter(is_in).copied().collect();
                    client.set_backends(&of_group);
                }
            }
        }
    }

    /// A request to a backend has ended for its client.
    #[inline]
    pub(super) fn release_slot(&mut self, service: ServiceId, slot: u32) {
        let seat = &mut self.services[service.index()].slots[slot as usize];
        seat.sent -= 1;
        if seat.sent == 0 && !is_some(seat.server) {
            self.free_slot(service, slot);
        }
    }

    /// The number of a backend that is gone is given out again when nobody has it in hand.
    fn free_slot(&mut self, service: ServiceId, slot: u32) {
        let state = &mut self.services[service.index()];
        let seat = &state.slots[slot as usize];
        let is_known = state.known.binary_search_by_key(&slot, |backend| backend.slot).is_ok();
        if !is_some(seat.server) && seat.sent == 0 && !is_known && !state.free_slots.contains(&slot) {
            state.free_slots.push(slot);
        }
    }

    /// A pod ends: it is not ready any more, serves as before until it is told at that instant, and goes when it has answered
    /// what it has by then.
    pub fn end(&mut self, number: u32, told_at: SimTime) {
        self.tell_ready(number, false);
        let server = &mut self.servers[number];
        let refuses = self.services[server.services[0].0.index()].model.server.refuses_when_ending;
        server.state = State::Ending { told_at, refuses };
        match told_at > self.now {
            true => self.events.push(told_at, 0, Event::Told(number)),
            false => self.on_told(number),
        }
    }

    /// A pod is told to end, after its hook.
    pub(super) fn on_told(&mut self, number: u32) {
        let server = &self.servers[number];
        if let (State::Ending { told_at, .. }, Some(pod)) = (server.state, server.pod)
            && told_at <= self.now
            && server.present == 0
        {
            self.notices.push(Notice::Drained(pod));
        }
    }

    /// A pod is gone, with all requests that are there.
    pub fn close(&mut self, number: u32) {
        self.tell_ready(number, false);
        self.servers[number].state = State::Gone;
        let queue = std::mem::take(&mut self.servers[number].queue);
        for attempt in queue {
            let service = self.attempts[attempt].request.operation.service;
            self.services[service.index()].statistics.waiting.fall(self.now);
            self.lose(attempt);
        }
        for attempt in 0..self.attempts.places() {
            let one = &self.attempts[attempt];
            if one.server == number && one.place == Place::Served {
                self.servers[number].busy -= 1;
                self.note_wait(attempt);
                self.lose(attempt);
            }
        }
        self.end_calls_of(number);
        self.forget(number);
        self.count_all();
    }

    /// A request is lost with its server.
    fn lose(&mut self, attempt: u32) {
        let one = self.attempts[attempt];
        self.leave(one.request.operation.service, one.server, one.reached);
        let one = &mut self.attempts[attempt];
        one.place = Place::Over;
        one.wakes_at = SimTime::NEVER;
        one.outcome = Outcome::Lost;
        self.respond(attempt);
    }

    /// Nothing of a server that is gone is kept but what is still to be answered.
    fn forget(&mut self, number: u32) {
        let used_ns = self.used_ns(number);
        let server = &mut self.servers[number];
        let limit_milli = server.limit_milli();
        let wanted = server.compute.as_ref().map_or(0.0, |compute| compute.wanted_cores());
        let (services, node) = (std::mem::take(&mut server.services), server.node);
        server.compute = None;
        let clients = std::mem::take(&mut server.clients);
        clients.into_iter().for_each(|(service, client)| self.retire(client, service));
        for (service, slot) in services {
            let state = &mut self.services[service.index()];
            state.slots[slot as usize].server = NONE;
            state.statistics.gone_compute_ns += used_ns;
            state.statistics.servers.fall(self.now);
            state.statistics.limit_milli.change(-limit_milli, self.now);
            self.free_slot(service, slot);
        }
        if let Some(node) = node {
            let state = &mut self.nodes[node as usize];
            state.servers.retain(|&one| one != number);
            state.wanted -= wanted;
            if state.is_contended {
                self.divide_node(node);
            }
        }
        // Requests on their way to it still name it, and so do answers on their way from it: for these its place is kept.
        for attempt in 0..self.attempts.places() {
            let one = &mut self.attempts[attempt];
            if one.server == number && one.place == Place::Travelling {
                one.server = NONE;
            }
            if one.request.caller == number && one.place != Place::Over {
                one.request.caller = NONE;
            }
        }
        let is_named = self.attempts.live().any(|(_, one)| one.server == number && one.place == Place::Over);
        if !is_named {
            self.servers.free(number);
        }
    }

    /// A client is not used any more, as the server that it was at is gone; answers for it may still come.
    fn retire(&mut self, client: u32, service: ServiceId) {
        let of_groups = std::mem::take(&mut self.clients[client as usize].of_groups);
        self.services[service.index()].clients.retain(|&one| one != client);
        self.clients[client as usize].set_backends(&[]);
        self.budgets[client as usize] = None;
        of_groups.into_iter().for_each(|(_, of_group)| self.retire(of_group, service));
    }
}

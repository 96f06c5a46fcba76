//! Backends come and go, as with single requests.

use std::collections::BTreeMap;

use super::FluidPlane;
use super::groups::DRIFT;
use super::part::Part;
use super::station::{Kind, Meter, NO_GROUP, NO_NODE, Server, Used};
use crate::ids::ServiceId;
use crate::model::traffic::{Backends, Server as ServerRules};
use crate::traffic::endpoints::{Seat, cpu_weight};
use crate::traffic::plane::Notice;
use crate::traffic::server::State;
use crate::units::{SimDuration, SimTime};

/// Cores of a node, and the servers on it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub cores: f64,
    pub servers: Vec<u32>,
    /// The sum of their weights.
    pub weight: f64,
}

/// Where a backend computes.
#[derive(Clone, Copy, Debug)]
struct Place {
    node: u32,
    limit: f64,
    cpu_weight: f64,
}

/// Cores that a pod may use for requests, and how many its memory is enough for.
fn room_of(rules: &ServerRules, seat: &Seat) -> (f64, f64) {
    let limit = rules.cpu_milli.or(seat.cpu_limit).map_or(f64::INFINITY, |milli| milli as f64 / 1000.0);
    let room = seat.memory_limit.filter(|_| rules.memory_per_request > 0);
    let memory_requests =
        room.map_or(f64::INFINITY, |limit| (limit.saturating_sub(rules.memory_base) / rules.memory_per_request) as f64);
    (limit, memory_requests)
}

/// The number of a kind, which is a new one where it is new.
fn number_of_kind(kinds: &mut Vec<Kind>, numbers: &mut BTreeMap<(u32, [u64; 3]), u32>, kind: Kind) -> u32 {
    let exact = [kind.speed, kind.weight, kind.failure].map(f64::to_bits);
    *numbers.entry((kind.release, exact)).or_insert_with(|| {
        kinds.push(kind);
        kinds.len() as u32 - 1
    })
}

impl FluidPlane<'_> {
    /// The backends of a service that are outside the cluster.
    pub(super) fn add_fixed(&mut self, service: ServiceId) {
        let model = &self.traffic.services[service.index()];
        let Backends::Fixed { count, zones, weights, speeds } = &model.backends else { return };
        let in_turn = |at: u32, length: usize| at as usize % length.max(1);
        for at in 0..*count {
            let server = Server {
                zone: zones.get(in_turn(at, zones.len())).copied(),
                is_ready: true,
                ..self.new_server(vec![service])
            };
            let kind = Kind {
                speed: speeds.get(in_turn(at, speeds.len())).copied().unwrap_or(1.0),
                weight: f64::from(weights.get(in_turn(at, weights.len())).copied().unwrap_or(1)),
                failure: 0.0,
                release: 0,
            };
            let limit = model.server.cpu_milli.map_or(f64::INFINITY, |milli| milli as f64 / 1000.0);
            let station = server.station;
            let number = self.put_server(server, kind, Place { node: NO_NODE, limit, cpu_weight: 0.0 });
            self.count_server(number, true);
            self.stations[station].ready.push(number);
        }
        self.learn(self.graph.station_of[service.index()]);
    }

    fn new_server(&self, services: Vec<ServiceId>) -> Server {
        Server {
            pod: None,
            station: self.graph.station_of[services[0].index()],
            services,
            zone: None,
            state: State::Open,
            since: self.now,
            memory_requests: f64::INFINITY,
            is_ready: false,
            opens_at: SimTime::ZERO,
            is_told: false,
            is_drained: false,
        }
    }

    fn put_server(&mut self, server: Server, kind: Kind, place: Place) -> u32 {
        let rules = &self.traffic.services[server.services[0].index()].server;
        let Place { node, limit, cpu_weight } = place;
        let kind = number_of_kind(&mut self.kinds, &mut self.kind_numbers, kind);
        let meter = Meter {
            station: server.station as u32,
            kind,
            node,
            group: NO_GROUP,
            used: Used::default(),
            cores_used: 0.0,
            cpu_weight,
            limit,
            queue: 0.0,
            memory_base: rules.memory_base,
            memory_per_request: rules.memory_per_request,
        };
        let number = self.servers.put(server);
        if self.meters.len() <= number as usize {
            self.meters.resize(number as usize + 1, meter);
        }
        self.meters[number as usize] = meter;
        number
    }

    /// A pod that serves these services has its containers running. Clients know of it once it is ready.
    ///
    /// # Panics
    /// When there is no service.
    pub fn open(&mut self, seat: &Seat, services: &[ServiceId]) -> u32 {
        let (limit, memory_requests) = room_of(&self.traffic.services[services[0].index()].server, seat);
        let server = Server {
            pod: Some(seat.pod),
            opens_at: seat.opens_at,
            zone: seat.zone,
            memory_requests,
            ..self.new_server(services.to_vec())
        };
        let kind = Kind { speed: seat.speed, weight: 1.0, failure: seat.failure, release: seat.group };
        let (station, opens_at) = (server.station, server.opens_at);
        let place = Place { node: seat.node, limit, cpu_weight: cpu_weight(seat) };
        let number = self.put_server(server, kind, place);
        self.count_server(number, true);
        if opens_at > self.now {
            self.part_mut(station).openings.push((opens_at, station));
            self.wake_at(station, opens_at);
        }
        while self.nodes.len() <= seat.node as usize {
            self.nodes.push(Node { cores: f64::INFINITY, servers: Vec::new(), weight: 0.0 });
        }
        self.nodes[seat.node as usize].servers.push(number);
        self.weigh(seat.node);
        number
    }

    /// A pod has been resized where it runs: what it requests, and its limits, are those of the seat from now on.
    pub fn resize(&mut self, number: u32, seat: &Seat) {
        let first = self.servers[number].services[0];
        let (limit, memory_requests) = room_of(&self.traffic.services[first.index()].server, seat);
        self.count_server(number, false);
        self.servers[number].memory_requests = memory_requests;
        let meter = &mut self.meters[number as usize];
        (meter.limit, meter.cpu_weight) = (limit, cpu_weight(seat));
        self.weigh(seat.node);
        self.count_server(number, true);
        for neighbour in self.nodes[seat.node as usize].servers.clone() {
            self.change(self.servers[neighbour].station);
        }
    }

    /// Adds up the weights of what is on a node.
    fn weigh(&mut self, node: u32) {
        let node = &mut self.nodes[node as usize];
        node.weight = node.servers.iter().map(|server| self.meters[*server as usize].cpu_weight).sum();
    }

    /// There is one server more, or less.
    fn count_server(&mut self, number: u32, is_new: bool) {
        let server = &self.servers[number];
        let limit = self.meters[number as usize].limit;
        let milli = if limit.is_finite() { libm::round(limit * 1000.0) as i64 } else { 0 };
        for service in &server.services {
            let statistics = &mut self.statistics[service.index()];
            if is_new {
                statistics.servers.rise(self.now);
                statistics.limit_milli.change(milli, self.now);
            } else {
                statistics.servers.fall(self.now);
                statistics.limit_milli.change(-milli, self.now);
            }
        }
    }

    /// Cores of a node that its servers may use.
    pub fn set_node_cores(&mut self, node: u32, cores: f64) {
        let Some(state) = self.nodes.get_mut(node as usize) else { return };
        let before = std::mem::replace(&mut state.cores, cores);
        if (cores - before).abs() <= DRIFT / 2.0 * before && before.is_finite() {
            return;
        }
        for server in state.servers.clone() {
            self.change(self.servers[server].station);
        }
    }

    /// Clients are told, now or when the news has spread, that a backend is ready, or not any more.
    pub fn tell_ready(&mut self, number: u32, is_ready: bool) {
        let server = &mut self.servers[number];
        server.is_ready = is_ready;
        let station = server.station;
        let ready = &mut self.stations[station].ready;
        match (ready.binary_search(&number), is_ready) {
            (Err(at), true) => ready.insert(at, number),
            (Ok(at), false) => {
                ready.remove(at);
            }
            _ => {}
        }
        let mut stream = self.seed.stream("traffic/endpoints", self.news_so_far);
        self.news_so_far += 1;
        match self.traffic.endpoint_delay.sample(&mut stream) {
            SimDuration::ZERO => self.learn(station),
            delay => {
                let at = self.now.after(delay);
                self.part_mut(station).news.push((at, station));
                self.wake_at(station, at);
            }
        }
    }

    pub(super) fn part_mut(&mut self, station: usize) -> &mut Part {
        &mut self.parts[self.part_of[station]]
    }

    /// What is known of a station now holds until then at most.
    fn wake_at(&mut self, station: usize, at: SimTime) {
        let part = self.part_mut(station);
        part.holds_until = part.holds_until.min(at);
        self.next_due = self.next_due.min(at);
    }

    /// Groups of a station must be made anew, and the step of its part ends now.
    pub(super) fn change(&mut self, station: usize) {
        self.stations[station].is_changed = true;
        self.part_mut(station).is_stale = true;
        self.next_due = SimTime::ZERO;
    }

    /// Clients know the backends as they are.
    pub(super) fn learn(&mut self, station: usize) {
        let state = &mut self.stations[station];
        state.known.clone_from(&state.ready);
        self.change(station);
    }

    /// A pod ends: it is not ready any more, serves as before until it is told at that instant, and goes when it has answered
    /// what it has by then.
    pub fn end(&mut self, number: u32, told_at: SimTime) {
        self.tell_ready(number, false);
        let server = &mut self.servers[number];
        let refuses = self.traffic.services[server.services[0].index()].server.refuses_when_ending;
        server.state = State::Ending { told_at, refuses };
        let number_of_station = server.station;
        if told_at > self.now {
            self.part_mut(number_of_station).openings.push((told_at, number_of_station));
            self.wake_at(number_of_station, told_at);
        }
        self.change(number_of_station);
        let station = &self.stations[number_of_station];
        let stay_s = match self.meters[number as usize].group() {
            Some(group) if station.groups[group].present > 1e-3 => {
                // Until the last of them has gone: about the mean stay, and longer the more there are.
                let group = &station.groups[group];
                let stay_s = group.present * group.count / (station.flow.rate * group.share).max(1e-12);
                stay_s * (1.0 + libm::log1p(group.present))
            }
            _ => 0.0,
        };
        let hook = SimDuration(told_at.0.saturating_sub(self.now.0));
        let stay = SimDuration::from_seconds(stay_s.min(1e9)).max(hook);
        if stay == SimDuration::ZERO {
            return self.drain(number);
        }
        let at = self.now.after(stay);
        self.part_mut(number_of_station).draining.push((at, number));
        self.wake_at(number_of_station, at);
    }

    /// All requests of a server that ends are answered.
    pub(super) fn drain(&mut self, number: u32) {
        let server = &mut self.servers[number];
        server.is_drained = true;
        if let Some(pod) = server.pod {
            self.notices.push(Notice::Drained(pod));
        }
    }

    /// A pod is gone, with all requests that are there.
    pub fn close(&mut self, number: u32) {
        let server = &self.servers[number];
        let station = server.station;
        if let Some(group) = self.meters[number as usize].group().filter(|_| !server.is_drained) {
            self.stations[station].lost += self.stations[station].groups[group].present;
        }
        self.tell_ready(number, false);
        self.count_server(number, false);
        self.servers[number].state = State::Gone;
        self.part_mut(station).draining.retain(|(_, one)| *one != number);
        self.change(station);
        let node = self.meters[number as usize].node;
        if node != NO_NODE {
            self.nodes[node as usize].servers.retain(|one| *one != number);
            self.weigh(node);
        }
        self.part_mut(station).gone.push(number);
    }

    /// Numbers of servers of a part that nobody knows any more are given out again.
    pub(super) fn forget_gone(&mut self, part: usize) {
        let stations = &self.stations;
        let servers = &self.servers;
        let (kept, free): (Vec<u32>, Vec<u32>) = self.parts[part]
            .gone
            .iter()
            .copied()
            .partition(|&number| stations[servers[number].station].known.contains(&number));
        self.parts[part].gone = kept;
        free.into_iter().for_each(|number| self.servers.free(number));
    }

    /// How much longer requests take at backends that are new, on average over a station's.
    pub(super) fn warm_up_factor(&self, station: usize) -> f64 {
        let state = &self.stations[station];
        let Some(rules) = state.model.server.warm_up else { return 1.0 };
        let members = &self.members[station];
        let span_s = rules.span.as_seconds();
        let extra = |&number: &u32| {
            let age_s = self.now.since(self.servers[number].since).as_seconds();
            (rules.slowdown - 1.0) * (1.0 - age_s / span_s).max(0.0)
        };
        1.0 + members.iter().map(extra).sum::<f64>() / (members.len() as f64).max(1.0)
    }

    /// Whether any backend is still new.
    pub(super) fn is_warming_up(&self, station: usize) -> bool {
        let Some(rules) = self.stations[station].model.server.warm_up else { return false };
        self.members[station].iter().any(|&number| self.now.since(self.servers[number].since) < rules.span)
    }
}

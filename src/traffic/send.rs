//! From the caller to a server: where a request goes, whether it may, and how long it travels.

use super::attempt::{Attempt, NONE, Origin, Outcome, Place, Request};
use super::event::Event;
use super::plane::{DataPlane, is_some};
use crate::ids::{ServiceId, ZoneId};
use crate::model::traffic::{Balancing, CallPolicy, OperationRef};
use crate::policy::balancer::{Balancer, Question};
use crate::rng::split_mix;
use crate::units::{SimDuration, SimTime};

/// Draws of a request beside those of its steps.
const ROUTE: u64 = 1 << 40;
const MIRROR: u64 = 2 << 40;
const NETWORK: u64 = 3 << 40;

impl<'m> DataPlane<'m> {
    /// A caller calls: once, or as often as its policy says.
    #[inline]
    pub(super) fn call(&mut self, request: Request, origin: Origin, policy: &'m CallPolicy) {
        if policy.is_plain() {
            self.send(request, origin, false);
        } else {
            self.call_patiently(request, origin, policy);
        }
    }

    /// Makes an attempt.
    #[inline]
    pub(super) fn send(&mut self, request: Request, origin: Origin, is_retry: bool) {
        let attempt = self.prepare(request, origin, is_retry);
        self.dispatch(attempt);
    }

    /// An attempt that is about to be sent.
    #[inline]
    pub(super) fn prepare(&mut self, mut request: Request, origin: Origin, is_retry: bool) -> u32 {
        let model = self.services[request.operation.service.index()].model;
        if !model.routes.is_empty() {
            request.operation = self.routed(&request);
        }
        if model.overflow.is_some() {
            request.operation = self.with_room(request.operation);
        }
        let span = if request.trace == 0 { 0 } else { self.spans.begin(&request, self.now) };
        self.attempts.put(Attempt {
            request,
            origin,
            sent: self.now,
            reached: SimTime::NEVER,
            waited: SimDuration::ZERO,
            wakes_at: SimTime::NEVER,
            client: NONE,
            server: NONE,
            slot: NONE,
            step: 0,
            pending: 0,
            outcome: Outcome::Well,
            place: Place::Travelling,
            is_retry,
            span,
        })
    }

    /// Sends an attempt on its way.
    #[inline]
    pub(super) fn dispatch(&mut self, attempt: u32) {
        let one = &self.attempts[attempt];
        let (service, is_retry) = (one.request.operation.service, one.is_retry);
        let state = &mut self.services[service.index()];
        state.statistics.retries += u64::from(is_retry);
        if state.model.guard.rate_limit.is_some() && !state.passes_rate_limit(self.now) {
            self.attempts[attempt].outcome = Outcome::Refused;
            return self.answer(attempt);
        }
        if state.model.mirror.is_some() && !is_retry {
            let request = self.attempts[attempt].request;
            self.mirror(&request);
        }
        match self.services[service.index()].model.has_shared_queue {
            true => self.reach(attempt),
            false => self.choose(attempt, service),
        }
    }

    /// The balancer chooses a backend for an attempt.
    #[inline]
    fn choose(&mut self, attempt: u32, service: ServiceId) {
        let client = self.client_of(attempt, service);
        let state = &mut self.services[service.index()];
        let place = &mut self.clients[client as usize];
        let one = &mut self.attempts[attempt];
        let (key, zone, is_retry) = (one.request.key, one.request.zone, one.is_retry);
        if !place.admits(&state.model.guard, is_retry) {
            one.outcome = Outcome::Refused;
            return self.answer(attempt);
        }
        let question = Question { now: self.now, key, zone, loads: &state.loads };
        let Some(slot) = place.balancer.pick(&question, &mut place.stream) else {
            one.outcome = Outcome::Unavailable;
            return self.answer(attempt);
        };
        place.balancer.sent(slot, self.now);
        place.in_flight += 1;
        place.retries += u32::from(is_retry);
        let seat = &mut state.slots[slot as usize];
        seat.sent += 1;
        (one.client, one.slot, one.server) = (client, slot, seat.server);
        if !is_some(seat.server) {
            // The backend has gone, and the client does not know yet.
            one.outcome = Outcome::Unavailable;
            return self.answer(attempt);
        }
        if self.is_instant {
            return self.reach(attempt);
        }
        let to = self.servers[seat.server].zone;
        match self.travel(attempt, zone, to, 0) {
            SimDuration::ZERO => self.reach(attempt),
            delay => self.schedule(delay, Event::Reach(attempt)),
        }
    }

    /// How long a message of an attempt takes: the request (0) or the answer (1).
    pub(super) fn travel(&self, attempt: u32, from: Option<ZoneId>, to: Option<ZoneId>, way: u64) -> SimDuration {
        let one = &self.attempts[attempt];
        let dist = self.traffic.network.between(from, to);
        let sidecar = &self.services[one.request.operation.service.index()].model.guard.sidecar;
        if dist.is_zero() && sidecar.is_none() {
            return SimDuration::ZERO;
        }
        // A retry travels at another speed than the attempt before.
        let mut stream = DataPlane::attempt_stream(one.request.seed, one.sent, NETWORK + way);
        let proxies = sidecar.as_ref().map_or(SimDuration::ZERO, |proxy| proxy.latency.fast_sample(&mut stream));
        dist.fast_sample(&mut stream) + proxies
    }

    /// Which client balances an attempt.
    #[inline]
    fn client_of(&mut self, attempt: u32, service: ServiceId) -> u32 {
        let state = &self.services[service.index()];
        if state.model.balancing == Balancing::Central && state.split.is_empty() {
            return state.clients[0];
        }
        let request = self.attempts[attempt].request;
        let client = self.client_for(service, &request);
        match self.services[service.index()].split.is_empty() {
            true => client,
            false => self.group_client(client, service, request.seed),
        }
    }

    /// Which client balances a request for a service.
    #[inline]
    pub(super) fn client_for(&mut self, service: ServiceId, request: &Request) -> u32 {
        let state = &self.services[service.index()];
        if state.model.balancing == Balancing::Central {
            return state.clients[0];
        }
        let list = match is_some(request.caller) {
            true => &self.servers[request.caller].clients,
            false => &self.source_clients[usize::from(request.source)][request.through as usize],
        };
        if let Some(&(_, client)) = list.iter().find(|(known, _)| *known == service) {
            return client;
        }
        let entity = match is_some(request.caller) {
            true => 1 << 40 | self.servers[request.caller].entity,
            false => u64::from(request.source) << 20 | u64::from(request.through) | 2 << 40,
        };
        let client = self.add_client(service, entity);
        match is_some(request.caller) {
            true => self.servers[request.caller].clients.push((service, client)),
            false => self.source_clients[usize::from(request.source)][request.through as usize].push((service, client)),
        }
        client
    }

    /// Where the routes of a service send a request: the first route that the headers fit.
    fn routed(&self, request: &Request) -> OperationRef {
        let from = request.operation;
        let state = &self.services[from.service.index()];
        let headers = &self.sources[usize::from(request.source)].model.headers;
        let fits = |header: &Option<(String, String)>| header.as_ref().is_none_or(|header| headers.contains(header));
        let Some(route) = state.model.routes.iter().position(|route| fits(&route.header)) else { return from };
        let (targets, weights) = (&state.model.routes[route].targets, &state.weights[route]);
        let mut drawn = DataPlane::step_stream(request.seed, ROUTE).unit() * weights.iter().sum::<f64>();
        for ((target, _), weight) in targets.iter().zip(weights) {
            if drawn < *weight {
                return self.counterpart(from, *target);
            }
            drawn -= weight;
        }
        targets.last().map_or(from, |(target, _)| self.counterpart(from, *target))
    }

    /// The operation of the same name at another service; the first one where there is none.
    fn counterpart(&self, from: OperationRef, service: ServiceId) -> OperationRef {
        let name = &self.services[from.service.index()].model.operations[from.operation as usize].name;
        let operations = &self.services[service.index()].model.operations;
        let operation = operations.iter().position(|one| one.name == *name).unwrap_or(0) as u32;
        OperationRef { service, operation }
    }

    /// The operation itself, or that of the service that takes what its own has no room for.
    fn with_room(&self, operation: OperationRef) -> OperationRef {
        let mut service = operation.service;
        // A chain of services that overflow into each other ends at the last.
        for _ in 0..self.services.len() {
            let state = &self.services[service.index()];
            let Some(next) = state.model.overflow else { break };
            let is_open = |slot: &&super::plane::Slot| is_some(slot.server);
            let has_room = state.slots.iter().filter(is_open).any(|slot| {
                let server = &self.servers[slot.server];
                server.takes(self.now) && server.has_room()
            });
            if has_room {
                break;
            }
            service = next;
        }
        if service == operation.service { operation } else { self.counterpart(operation, service) }
    }

    /// Sends a copy of the request to the service that mirrors it.
    fn mirror(&mut self, request: &Request) {
        let Some((to, part)) = self.services[request.operation.service.index()].model.mirror else { return };
        if DataPlane::step_stream(request.seed, MIRROR).unit() >= part {
            return;
        }
        let copy = Request {
            operation: self.counterpart(request.operation, to),
            seed: split_mix(request.seed ^ MIRROR),
            trace: 0,
            ..*request
        };
        self.send(copy, Origin::Nobody, false);
    }
}

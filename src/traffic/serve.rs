//! At the server: requests wait, are served step by step, and leave.

use super::attempt::{Origin, Outcome, Place, Request};
use super::carried::{End, Way};
use super::event::Event;
use super::plane::{DataPlane, Notice, is_some};
use super::server::State;
use crate::ids::ServiceId;
use crate::model::traffic::{Call, Order, Step};
use crate::rng::split_mix;
use crate::units::{SimDuration, SimTime};

/// How deep calls may be nested: a loop in the graph of calls ends there.
const DEPTH_MAX: u16 = 64;
/// What decides whether a request fails.
const FAILURE: u64 = 4 << 40;

/// Whether the answer to an attempt is an error: drawn for each, since another attempt is made in the hope that the error was
/// a passing one.
#[inline]
pub(super) fn has_failed(probability: f64, seed: u64, sent: SimTime) -> bool {
    probability > 0.0 && DataPlane::attempt_stream(seed, sent, FAILURE).unit() < probability
}

impl<'m> DataPlane<'m> {
    /// A request reaches its server, or the queue that servers share.
    pub(super) fn reach(&mut self, attempt: u32) {
        let one = &mut self.attempts[attempt];
        one.reached = self.now;
        let (service, number) = (one.request.operation.service, one.server);
        if !is_some(number) {
            return match self.services[service.index()].model.has_shared_queue {
                true => self.reach_shared(attempt, service),
                false => self.turn_away(attempt, Outcome::Unavailable),
            };
        }
        let server = &mut self.servers[number];
        match server.state {
            State::Open if server.opens_at <= self.now => {}
            State::Ending { told_at, refuses } if !refuses || self.now < told_at => {}
            _ => return self.turn_away(attempt, Outcome::Unavailable),
        }
        if !server.lets_in() {
            return self.turn_away(attempt, Outcome::Refused);
        }
        if server.has_room() {
            self.enter(service, number);
            return self.start(attempt, number);
        }
        let limit = self.services[service.index()].model.server.queue_limit;
        if limit.is_some_and(|limit| server.queue.len() >= limit as usize) {
            return self.turn_away(attempt, Outcome::Refused);
        }
        self.attempts[attempt].place = Place::Waiting;
        server.queue.push_back(attempt);
        self.enter(service, number);
        self.services[service.index()].statistics.waiting.rise(self.now);
    }

    /// A request that is not let in goes back.
    fn turn_away(&mut self, attempt: u32, outcome: Outcome) {
        self.attempts[attempt].outcome = outcome;
        self.attempts[attempt].reached = SimTime::NEVER;
        self.respond(attempt);
    }

    fn reach_shared(&mut self, attempt: u32, service: ServiceId) {
        let state = &mut self.services[service.index()];
        state.statistics.in_flight.rise(self.now);
        state.statistics.present_since_ns += u128::from(self.now.0);
        let servers = &self.servers;
        let has_room = |slot: u32| {
            let server = &servers[state.slots[slot as usize].server];
            server.takes(self.now) && server.has_room() && server.lets_in()
        };
        let free = state.ready.iter().map(|backend| backend.slot).find(|&slot| has_room(slot));
        match free {
            Some(slot) => {
                let server = state.slots[slot as usize].server;
                self.take_shared(attempt, server, slot);
            }
            None if state.model.server.queue_limit.is_some_and(|limit| state.queue.len() >= limit as usize) => {
                state.statistics.in_flight.fall(self.now);
                state.statistics.present_since_ns -= u128::from(self.now.0);
                self.turn_away(attempt, Outcome::Refused);
            }
            None => {
                self.attempts[attempt].place = Place::Waiting;
                state.statistics.waiting.rise(self.now);
                state.queue.push_back(attempt);
            }
        }
    }

    fn take_shared(&mut self, attempt: u32, server: u32, slot: u32) {
        let one = &mut self.attempts[attempt];
        (one.server, one.slot) = (server, slot);
        let service = one.request.operation.service;
        let left = &mut self.servers[server].takes_left;
        if *left != u32::MAX {
            *left -= 1;
        }
        self.note_presence(service, server);
        self.start(attempt, server);
    }

    /// One more request is at a server.
    #[inline]
    fn enter(&mut self, service: ServiceId, number: u32) {
        let statistics = &mut self.services[service.index()].statistics;
        statistics.in_flight.rise(self.now);
        statistics.present_since_ns += u128::from(self.now.0);
        self.note_presence(service, number);
    }

    /// A server has one more request than before: its memory may be too small for it.
    #[inline]
    fn note_presence(&mut self, service: ServiceId, number: u32) {
        let server = &mut self.servers[number];
        // The request itself is about to be counted where it is served; one that waits is counted already.
        server.present += 1;
        server.peak = server.peak.max(server.present);
        if server.present > server.memory_requests
            && let Some(pod) = server.pod
        {
            self.notices.push(Notice::OutOfMemory(pod));
        }
        let state = &mut self.services[service.index()];
        if state.asks_servers {
            let slot = server.slot_in(service);
            let load = &mut state.loads[slot as usize];
            load.in_flight += 1;
            load.latency_ns = state.paces[slot as usize].latency_ns(load.in_flight);
        }
    }

    /// A worker takes a request.
    #[inline]
    pub(super) fn start(&mut self, attempt: u32, number: u32) {
        let server = &mut self.servers[number];
        server.busy += 1;
        let one = &mut self.attempts[attempt];
        one.place = Place::Served;
        one.waited = self.now.since(one.reached);
        let service = one.request.operation.service;
        if let Some(span) = self.spans.get_mut(one.span) {
            (span.reached, span.began, span.server) = (one.reached, self.now, server.entity);
        }
        if self.now > one.request.deadline {
            one.outcome = Outcome::Timeout;
            return self.finish(attempt);
        }
        if let Some(proxy) = &self.services[service.index()].model.guard.sidecar
            && proxy.compute > SimDuration::ZERO
        {
            one.step = 0;
            return self.compute(attempt, number, proxy.compute);
        }
        self.proceed(attempt);
    }

    /// A step of known length is over.
    pub(super) fn on_step(&mut self, attempt: u32) {
        let one = &mut self.attempts[attempt];
        if one.wakes_at == self.now && one.place == Place::Served {
            one.wakes_at = SimTime::NEVER;
            self.proceed(attempt);
        }
    }

    /// Goes from step to step until one takes time.
    pub(super) fn proceed(&mut self, attempt: u32) {
        loop {
            let one = &mut self.attempts[attempt];
            let (of, seed, server) = (one.request.operation, one.request.seed, one.server);
            let model: &'m _ = self.services[of.service.index()].model;
            let operation = &model.operations[of.operation as usize];
            let number = one.step;
            let Some(step) = operation.steps.get(usize::from(number)) else {
                return self.finish(attempt);
            };
            one.step += 1;
            match step {
                Step::Compute(dist) => {
                    let work = dist.fast_sample(&mut DataPlane::step_stream(seed, u64::from(number)));
                    if work > SimDuration::ZERO {
                        return self.compute(attempt, server, work);
                    }
                }
                Step::Wait(dist) => {
                    let span = dist.fast_sample(&mut DataPlane::step_stream(seed, u64::from(number)));
                    if span > SimDuration::ZERO {
                        return self.sleep(attempt, span);
                    }
                }
                Step::Call(calls) => {
                    if self.call_out(attempt, calls, number) {
                        return;
                    }
                }
            }
        }
    }

    /// The attempt's step is over after that span.
    #[inline]
    pub(super) fn sleep(&mut self, attempt: u32, span: SimDuration) {
        let until = self.now.after(span);
        self.attempts[attempt].wakes_at = until;
        self.events.push(until, 0, Event::Step(attempt));
    }

    /// Calls other services; whether there is anything to wait for. A step whose calls have failed ends the request.
    fn call_out(&mut self, attempt: u32, calls: &'m [Call], step: u16) -> bool {
        let request = self.attempts[attempt].request;
        let caller = self.attempts[attempt].server;
        let zone = self.servers[caller].zone;
        // While calls are being made the attempt waits for one more, so that answers that come at once do not end the step.
        self.attempts[attempt].pending = 1;
        for (branch, call) in calls.iter().enumerate() {
            let base = split_mix(
                request.seed ^ ((u64::from(step) << 32) | (branch as u64 + 1)).wrapping_mul(0xa076_1d64_78bd_642f),
            );
            let mut stream = DataPlane::step_stream(base, 0);
            let (is_made, is_cached) = (stream.unit() < call.probability, stream.unit() < call.cache_hit);
            if !is_made || is_cached || request.depth >= DEPTH_MAX {
                continue;
            }
            for copy in 0..call.count {
                let child = Request {
                    operation: call.target,
                    seed: split_mix(base ^ u64::from(copy)),
                    zone,
                    caller,
                    depth: request.depth + 1,
                    parent_span: self.attempts[attempt].span,
                    ..request
                };
                if call.is_detached {
                    self.call(Request { deadline: SimTime::NEVER, ..child }, Origin::Nobody, &call.policy);
                    continue;
                }
                self.attempts[attempt].pending += 1;
                self.call(child, Origin::Parent { is_optional: call.is_optional, attempt }, &call.policy);
            }
        }
        self.attempts[attempt].pending -= 1;
        self.attempts[attempt].pending > 0 || self.fail_if_failed(attempt)
    }

    /// Whether the attempt has ended because a call of its failed.
    fn fail_if_failed(&mut self, attempt: u32) -> bool {
        let has_failed = !self.attempts[attempt].outcome.is_well();
        if has_failed {
            self.finish(attempt);
        }
        has_failed
    }

    /// A call that a request waits for has ended.
    pub(super) fn answer_parent(&mut self, attempt: u32, is_optional: bool, outcome: Outcome) {
        let one = &mut self.attempts[attempt];
        one.pending -= 1;
        match one.place {
            // Its server was lost meanwhile; nobody needs it after the last answer.
            Place::Answered if one.pending == 0 => return self.attempts.free(attempt),
            Place::Over | Place::Answered => return,
            _ => {}
        }
        if !outcome.is_well() && !is_optional {
            one.outcome = Outcome::Error;
        }
        if one.pending == 0 && !self.fail_if_failed(attempt) {
            self.proceed(attempt);
        }
    }

    /// A request has been served: its worker takes the next one, and the answer goes out.
    pub(super) fn finish(&mut self, attempt: u32) {
        let one = &self.attempts[attempt];
        let (number, service, reached) = (one.server, one.request.operation.service, one.reached);
        let model = self.services[service.index()].model;
        let operation = &model.operations[one.request.operation.operation as usize];
        let failure = operation.failure + self.servers[number].failure;
        if one.outcome.is_well() && has_failed(failure, one.request.seed, one.sent) {
            self.attempts[attempt].outcome = Outcome::Error;
        }
        if operation.sizes.are_known() {
            let request = &self.attempts[attempt].request;
            let server = &self.servers[number];
            let way = Way {
                service,
                caller: End { is_pod: is_some(request.caller), zone: request.zone },
                server: End { is_pod: server.pod.is_some(), zone: server.zone },
            };
            self.carried.add(way, operation.sizes, 1.0);
        }
        self.note_wait(attempt);
        self.leave(service, number, reached);
        self.servers[number].busy -= 1;
        self.attempts[attempt].place = Place::Over;
        self.fill(number, service);
        self.respond(attempt);
    }

    /// A request leaves the worker that it waited for.
    #[inline]
    pub(super) fn note_wait(&mut self, attempt: u32) {
        let one = &self.attempts[attempt];
        let service = one.request.operation.service;
        let statistics = &mut self.services[service.index()].statistics;
        if statistics.is_counted() {
            self.uncounted_services.push(service);
        }
        statistics.note_wait(self.now, one.waited);
    }

    /// One request less is at a server.
    #[inline]
    pub(super) fn leave(&mut self, service: ServiceId, number: u32, reached: SimTime) {
        let latency = self.now.since(reached);
        let state = &mut self.services[service.index()];
        state.statistics.in_flight.fall(self.now);
        state.statistics.present_since_ns -= u128::from(reached.0);
        state.statistics.sojourn_ns += u128::from(latency.0);
        let server = &mut self.servers[number];
        server.present -= 1;
        if let Some(limit) = &mut server.limit {
            limit.note(reached, self.now);
        }
        if state.asks_servers {
            let slot = server.slot_in(service) as usize;
            let (load, pace) = (&mut state.loads[slot], &mut state.paces[slot]);
            pace.note(latency, load.in_flight);
            load.in_flight -= 1;
            load.latency_ns = pace.latency_ns(load.in_flight);
        }
    }

    /// Gives free workers of a server what waits for them.
    pub(super) fn fill(&mut self, number: u32, service: ServiceId) {
        // A request that takes no time ends while it is being started; the loop that started it goes on then.
        if std::mem::replace(&mut self.servers[number].is_filling, true) {
            return;
        }
        while self.fill_one(number, service) {}
        self.servers[number].is_filling = false;
    }

    /// Gives a free worker a request; whether there was one, and a worker.
    fn fill_one(&mut self, number: u32, service: ServiceId) -> bool {
        let server = &mut self.servers[number];
        if !server.has_room() || server.state == State::Gone {
            return false;
        }
        let order = self.services[service.index()].model.server.order;
        let next = match order {
            Order::Fifo => server.queue.pop_front(),
            Order::Lifo => server.queue.pop_back(),
        };
        if let Some(next) = next {
            let service = self.attempts[next].request.operation.service;
            self.services[service.index()].statistics.waiting.fall(self.now);
            self.start(next, number);
            return true;
        }
        let takes = server.takes(self.now) && server.lets_in();
        if takes && self.fill_from_shared(number) {
            return true;
        }
        self.note_idle(number, service);
        false
    }

    /// Takes a request from the queue that the server shares with others; whether there was one.
    fn fill_from_shared(&mut self, number: u32) -> bool {
        for position in 0..self.servers[number].services.len() {
            let (service, slot) = self.servers[number].services[position];
            let state = &mut self.services[service.index()];
            if !state.model.has_shared_queue || state.queue.is_empty() {
                continue;
            }
            let next = match state.model.server.order {
                Order::Fifo => state.queue.pop_front(),
                Order::Lifo => state.queue.pop_back(),
            };
            if let Some(next) = next {
                state.statistics.waiting.fall(self.now);
                self.take_shared(next, number, slot);
                return true;
            }
        }
        false
    }

    /// A server that has nothing to do tells balancers that want to know, and goes if it was told to.
    fn note_idle(&mut self, number: u32, service: ServiceId) {
        use crate::policy::balancer::Balancer;
        let server = &self.servers[number];
        if server.present > 0 {
            return;
        }
        match (server.state, server.pod) {
            (State::Ending { .. }, _) => self.on_told(number),
            (State::Open, Some(pod)) if server.takes_left == 0 => self.notices.push(Notice::Done(pod)),
            (State::Open, _) if self.services[service.index()].tells_idle => {
                let slot = server.slot_in(service);
                // It tells one of the clients, each in turn as its requests end.
                let clients = &self.services[service.index()].clients;
                if let Some(&client) = clients.get(self.events_handled as usize % clients.len().max(1)) {
                    self.clients[client as usize].balancer.became_idle(slot);
                }
            }
            _ => {}
        }
    }

    /// The answer goes back to the caller.
    #[inline]
    pub(super) fn respond(&mut self, attempt: u32) {
        let one = &mut self.attempts[attempt];
        one.place = Place::Over;
        if let Some(span) = self.spans.get_mut(one.span)
            && span.server != 0
        {
            span.finished = self.now;
        }
        if self.is_instant {
            return self.answer(attempt);
        }
        let one = &self.attempts[attempt];
        let from = if is_some(one.server) { self.servers[one.server].zone } else { None };
        match self.travel(attempt, from, one.request.zone, 1) {
            SimDuration::ZERO => self.answer(attempt),
            delay => self.schedule(delay, Event::Answer(attempt)),
        }
    }

    /// A server sets its limit anew.
    pub(super) fn on_adapt(&mut self, number: u32) {
        let server = &mut self.servers[number];
        if server.adapts_at != self.now || server.state == State::Gone {
            return;
        }
        let (service, _) = server.services[0];
        let Some(limit) = &mut server.limit else { return };
        server.adapts_at = limit.update(self.now);
        self.events.push(server.adapts_at, 0, Event::Adapt(number));
        self.fill(number, service);
    }
}

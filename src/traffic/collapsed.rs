//! Stations without events: where the order of service is that of arrival and nothing interferes, the instants at which a
//! request begins and ends are known when it arrives.
//!
//! It begins when the first of the server's workers is free (Kiefer and Wolfowitz 1955, "On the Theory of Queues with Many
//! Servers", Transactions of the AMS 78:1; with one worker Lindley 1952, "The Theory of Queues with a Single Server",
//! Mathematical Proceedings of the Cambridge Philosophical Society 48:2). So instead of two events a request takes one
//! look at the workers. All draws are those that the request would have had, and all that is measured is the same to the last
//! bit, which a test holds for random models: latencies are counted in the order in which requests end ([`super::log`]).
//!
//! The model is divided into parts that have nothing to do with each other, and a part is collapsed when
//!
//! - messages take no time and no requests are recorded;
//! - its sources are open, without sessions, and make one attempt a call;
//! - its services have fixed backends with workers of their own: no shared queue, cores or queue limit, no warm-up, no
//!   adaptive concurrency; first come is first served, or everybody at once;
//! - nothing stands before them: no guard, route, overflow or mirror, and a balancer that follows neither answers nor
//!   what servers say;
//! - their operations call nobody, and compute in the first step at most, so that cores are used from the begin on.
//!
//! Cost: O(1) for each request, and O(log c) with more than 16 workers at a server; memory for those in flight.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::select_unpredictable;

use super::attempt::{NONE, Outcome};
use super::calendar::Calendar;
use super::cores::scaled;
use super::plane::{DataPlane, is_some};
use super::serve::has_failed;
use crate::ids::{ServiceId, ZoneId};
use crate::model::traffic::{Arrivals, Backends, Guard, OperationRef, Order, Service, Step, Traffic};
use crate::policy::balancer::{self, Balancer, Question};
use crate::units::{SimDuration, SimTime};

/// Requests that are taken in before those that have ended are counted.
const BLOCK: usize = 2048;
/// So many workers are looked through one by one.
const SCANNED: usize = 16;

/// A part of the model that needs no events.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// In ascending order.
    pub sources: Vec<usize>,
    pub services: Vec<ServiceId>,
    /// When its sources send, by position.
    pub calendar: Calendar,
    /// Requests that have come and are not counted, in the order in which they came.
    passages: Vec<Passage>,
    /// Core-time of requests that wait, which their servers will have used.
    waiting_ns: Vec<(u32, u64)>,
    /// What its services' statistics need beside, by position.
    totals: Vec<Total>,
    /// Nothing happens before.
    quiet_until: SimTime,
    /// Where all its requests are counted, if they end well there.
    place: Option<Place>,
    /// Those that are being counted.
    latencies: Vec<SimDuration>,
    waits: Vec<SimDuration>,
}

/// An operation, and the zone of servers.
type Place = (u32, Option<ZoneId>);

/// Sums over requests of a service.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    /// How long all that have ended had waited, in ns.
    waited_ns: u128,
    /// Those that are there.
    present: u64,
    /// When these came, summed up, in ns.
    since_ns: u128,
    /// Those that wait.
    waiting: u64,
    /// How long those that are there have waited so far, in ns.
    waiting_ns: u128,
}

/// A request from its arrival to its end, both of which are known.
#[derive(Clone, Copy, Debug)]
struct Passage {
    end: SimTime,
    latency: SimDuration,
    wait: SimDuration,
    /// Core-time that it uses.
    compute_ns: u64,
    operation: OperationRef,
    /// [`NONE`]: no server was found.
    server: u32,
    /// Position of the service in its part.
    station: u16,
    source: u16,
    outcome: Outcome,
    /// How many steps of it take time.
    steps: u8,
}

impl Passage {
    fn arrival(&self) -> SimTime {
        SimTime(self.end.0 - self.latency.0)
    }

    fn start(&self) -> SimTime {
        self.arrival().after(self.wait)
    }
}

impl Part {
    /// Requests that have not ended.
    pub(super) fn in_flight(&self) -> usize {
        self.passages.len()
    }

    /// The services of those that are at a server, and whether they wait.
    pub(super) fn present(&self, now: SimTime) -> impl Iterator<Item = (ServiceId, bool)> + '_ {
        let at_servers = self.passages.iter().filter(|passage| is_some(passage.server));
        at_servers.map(move |passage| (passage.operation.service, passage.start() >= now))
    }
}

/// When the workers of a server are free.
#[derive(Clone, Debug)]
pub(super) enum Workers {
    Unlimited,
    One(SimTime),
    Few(Vec<SimTime>),
    Many(BinaryHeap<Reverse<SimTime>>),
}

impl Workers {
    fn new(count: Option<u32>) -> Workers {
        let free = |count: u32| std::iter::repeat_n(SimTime::ZERO, count as usize);
        match count {
            None => Workers::Unlimited,
            Some(1) => Workers::One(SimTime::ZERO),
            Some(count) if count as usize <= SCANNED => Workers::Few(free(count).collect()),
            Some(count) => Workers::Many(free(count).map(Reverse).collect()),
        }
    }

    /// When a request begins that arrives now and takes so long: the first worker that is free takes it.
    #[inline]
    fn take(&mut self, now: SimTime, span: SimDuration) -> SimTime {
        let begin = |free: &mut SimTime| {
            let start = now.max(*free);
            *free = start.after(span);
            start
        };
        match self {
            Workers::Unlimited => now,
            Workers::One(free) => begin(free),
            Workers::Few(all) => {
                // Which one it is cannot be guessed, so branches would cost more than both ways do.
                let mut first = (SimTime::NEVER, 0);
                for (worker, &free) in all.iter().enumerate() {
                    first = select_unpredictable(free < first.0, (free, worker), first);
                }
                begin(&mut all[first.1])
            }
            Workers::Many(all) => all.peek_mut().map_or(now, |mut free| begin(&mut free.0)),
        }
    }
}

impl<'m> DataPlane<'m> {
    /// Finds the parts that need no events.
    pub(super) fn collapse(&mut self) {
        if !self.is_instant || self.traffic.sample_one_in > 0 {
            return;
        }
        for (sources, services) in parts(self.traffic) {
            let is_eligible = |service: &ServiceId| is_collapsible(&self.traffic.services[service.index()]);
            let is_open = |&source: &usize| {
                let model = &self.traffic.sources[source];
                let is_closed =
                    matches!(model.arrivals, Arrivals::Closed { .. } | Arrivals::Open { session: Some(_), .. });
                !is_closed && model.policy.is_plain()
            };
            let is_small = u16::try_from(services.len()).is_ok();
            if sources.is_empty() || !is_small || !services.iter().all(is_eligible) || !sources.iter().all(is_open) {
                continue;
            }
            for (position, service) in services.iter().enumerate() {
                let state = &mut self.services[service.index()];
                state.station = position as u16;
                state.workers = state.slots.iter().map(|_| Workers::new(state.model.server.workers)).collect();
            }
            let place = self.only_place(&sources, &services);
            self.parts.push(Part {
                calendar: Calendar::new(sources.len()),
                totals: vec![Total::default(); services.len()],
                sources,
                services,
                passages: Vec::new(),
                waiting_ns: Vec::new(),
                quiet_until: SimTime::ZERO,
                place,
                latencies: Vec::new(),
                waits: Vec::new(),
            });
        }
    }

    /// Where all requests of a part are counted, if that is one place.
    fn only_place(&self, sources: &[usize], services: &[ServiceId]) -> Option<Place> {
        let ([source], [service]) = (sources, services) else { return None };
        let [(to, _)] = self.sources[*source].model.mix.as_slice() else { return None };
        let state = &self.services[service.index()];
        let mut zones = state.slots.iter().map(|slot| self.servers[slot.server].zone);
        let zone = zones.next()?;
        let is_certain = state.model.operations[to.operation as usize].failure == 0.0;
        (is_certain && zones.all(|other| other == zone)).then_some((to.operation, zone))
    }

    /// Moves the parts that need no events on.
    pub(super) fn catch_up(&mut self, until: SimTime) {
        let mut parts = std::mem::take(&mut self.parts);
        // Parts move on one after the other, so memory for many requests is needed once.
        let (mut passages, mut latencies, mut waits) = (Vec::new(), Vec::new(), Vec::new());
        for part in parts.iter_mut().filter(|part| part.quiet_until < until) {
            passages.append(&mut part.passages);
            std::mem::swap(&mut passages, &mut part.passages);
            (part.latencies, part.waits) = (latencies, waits);
            for (server, compute_ns) in part.waiting_ns.drain(..) {
                self.servers[server].compute_ns += compute_ns;
            }
            loop {
                let next = self.admit(part, until);
                self.count_ended(part, next.min(until));
                if next >= until {
                    break;
                }
            }
            self.settle_part(part, until);
            let left = part.passages.as_slice().to_vec();
            passages = std::mem::replace(&mut part.passages, left);
            passages.clear();
            (latencies, waits) = (std::mem::take(&mut part.latencies), std::mem::take(&mut part.waits));
        }
        self.parts = parts;
    }

    /// Takes in the next requests that come before an instant. When the one after them comes.
    fn admit(&mut self, part: &mut Part, until: SimTime) -> SimTime {
        // So what waits for long is looked at now and then only.
        let room = BLOCK.max(part.passages.len() / 2);
        for _ in 0..room {
            let (position, now) = part.calendar.first();
            if now >= until {
                break;
            }
            let source = part.sources[position];
            let (draft, through, next) = self.next_draft(source);
            part.calendar.set(position, next);
            let passage = self.pass(now, source as u16, draft, through);
            part.passages.push(passage);
            self.requests_sent += 1;
            self.events_handled += 1;
        }
        part.calendar.first().1
    }

    /// A request comes, and goes through.
    #[inline]
    fn pass(&mut self, now: SimTime, source: u16, draft: super::source::Draft, through: u32) -> Passage {
        let service = draft.operation.service;
        let request = self.request_of(source, draft, through);
        let client = self.client_for(service, &request);
        let state = &mut self.services[service.index()];
        let place = &mut self.clients[client as usize];
        let question = Question { now, key: draft.key, zone: request.zone, loads: &state.loads };
        let mut passage = Passage {
            end: now,
            latency: SimDuration::ZERO,
            wait: SimDuration::ZERO,
            compute_ns: 0,
            operation: draft.operation,
            server: NONE,
            station: state.station,
            source,
            outcome: Outcome::Unavailable,
            steps: 0,
        };
        let Some(slot) = place.balancer.pick(&question, &mut place.stream) else { return passage };
        place.balancer.sent(slot, now);
        passage.server = state.slots[slot as usize].server;
        let server = &mut self.servers[passage.server];
        let operation = &state.model.operations[draft.operation.operation as usize];
        let mut span = SimDuration::ZERO;
        for (number, step) in operation.steps.iter().enumerate() {
            let (Step::Compute(dist) | Step::Wait(dist)) = step else { continue };
            let drawn = dist.fast_sample(&mut DataPlane::step_stream(draft.seed, number as u64));
            if drawn > SimDuration::ZERO {
                let is_compute = matches!(step, Step::Compute(_));
                let taken = if is_compute { scaled(drawn, 1.0 / server.speed) } else { drawn };
                passage.compute_ns += if is_compute { taken.0 } else { 0 };
                span += taken;
                passage.steps += 1;
            }
        }
        server.compute_ns += passage.compute_ns;
        let start = state.workers[slot as usize].take(now, span);
        passage.end = start.after(span);
        (passage.latency, passage.wait) = (passage.end.since(now), start.since(now));
        passage.outcome = if has_failed(operation.failure, draft.seed, now) { Outcome::Error } else { Outcome::Well };
        passage
    }

    /// Counts the requests that end before an instant.
    fn count_ended(&mut self, part: &mut Part, until: SimTime) {
        let (mut count, mut last, mut is_sorted, mut is_plain) = (0, None, true, part.place.is_some());
        for passage in part.passages.iter().filter(|passage| passage.end < until) {
            count += 1;
            is_sorted &= last <= Some(passage.end);
            is_plain &= last != Some(passage.end) && is_some(passage.server);
            last = Some(passage.end);
        }
        if count == 0 {
            return;
        }
        let services = part.services.iter().map(|service| self.services[service.index()].statistics.room());
        let sources = part.sources.iter().map(|&source| self.source_fates[source].room());
        // As long as no batch is complete the order does not matter.
        if !is_sorted && services.chain(sources).any(|room| count > room) {
            let mut ended: Vec<Passage> = part.passages.extract_if(.., |passage| passage.end < until).collect();
            ended.sort_by_key(|passage| passage.end);
            is_plain &= ended.windows(2).all(|pair| pair[0].end < pair[1].end);
            return self.count_passages(part, &mut ended, until, is_plain);
        }
        let mut passages = std::mem::take(&mut part.passages);
        self.count_passages(part, &mut passages, until, is_plain);
        part.passages = passages;
    }

    /// Counts those of the passages that end before an instant, in their order, and leaves the others.
    fn count_passages(&mut self, part: &mut Part, passages: &mut Vec<Passage>, until: SimTime, is_plain: bool) {
        if let Some(place) = part.place
            && is_plain
        {
            return self.count_at_once(part, passages, until, place);
        }
        passages.retain(|passage| {
            let has_ended = passage.end < until;
            if has_ended {
                self.count_passage(&mut part.totals, passage);
            }
            !has_ended
        });
    }

    /// The same for passages that differ in their times only, and end at different instants.
    fn count_at_once(&mut self, part: &mut Part, passages: &mut Vec<Passage>, until: SimTime, place: Place) {
        part.latencies.clear();
        part.waits.clear();
        let (mut kept, mut waited_ns, mut steps) = (0, 0, 0);
        for at in 0..passages.len() {
            let passage = passages[at];
            if passage.end < until {
                part.latencies.push(passage.latency);
                part.waits.push(passage.wait);
                waited_ns += u128::from(passage.wait.0);
                steps += u64::from(passage.steps);
            } else {
                passages[kept] = passage;
                kept += 1;
            }
        }
        passages.truncate(kept);
        part.totals[0].waited_ns += waited_ns;
        self.events_handled += steps;
        let (state, source) = (&mut self.services[part.services[0].index()], part.sources[0]);
        let spans = (part.latencies.as_slice(), part.waits.as_slice());
        state.statistics.note_all(place, self.zones, spans, state.model.objective);
        self.source_fates[source].note_all(&part.latencies, self.objectives[source]);
    }

    #[inline]
    fn count_passage(&mut self, totals: &mut [Total], passage: &Passage) {
        let Passage { end, latency, outcome, operation, server, .. } = *passage;
        self.note_attempt_at(end, operation, server, outcome, latency);
        self.answer_source_at(end, passage.source, outcome, latency);
        if is_some(server) {
            let statistics = &mut self.services[operation.service.index()].statistics;
            statistics.note_wait(end, passage.wait);
            statistics.sojourn_ns += u128::from(latency.0);
            totals[usize::from(passage.station)].waited_ns += u128::from(passage.wait.0);
            self.events_handled += u64::from(passage.steps);
        }
    }

    /// Levels and sums become what they are at an instant.
    fn settle_part(&mut self, part: &mut Part, now: SimTime) {
        part.quiet_until = part.calendar.first().1;
        for passage in &part.passages {
            let (start, total) = (passage.start(), &mut part.totals[usize::from(passage.station)]);
            total.present += 1;
            total.since_ns += u128::from(passage.arrival().0);
            total.waiting_ns += u128::from(now.min(start).since(passage.arrival()).0);
            // Whatever begins later begins when something else ends.
            part.quiet_until = part.quiet_until.min(passage.end);
            if start >= now {
                total.waiting += 1;
                self.servers[passage.server].compute_ns -= passage.compute_ns;
                part.waiting_ns.push((passage.server, passage.compute_ns));
            }
        }
        for (service, total) in part.services.iter().zip(&mut part.totals) {
            let statistics = &mut self.services[service.index()].statistics;
            statistics.present_since_ns = total.since_ns;
            let present_ns = u128::from(total.present) * u128::from(now.0) - total.since_ns;
            statistics.in_flight.set(total.present, statistics.sojourn_ns + present_ns, now);
            statistics.waiting.set(total.waiting, total.waited_ns + total.waiting_ns, now);
            *total = Total { waited_ns: total.waited_ns, ..Total::default() };
        }
    }
}

/// Sources and services that have to do with each other, directly or through others.
fn parts(traffic: &Traffic) -> Vec<(Vec<usize>, Vec<ServiceId>)> {
    let mut leaders: Vec<usize> = (0..traffic.services.len()).collect();
    let first_of = |source: &crate::model::traffic::Source| source.mix.first().map(|(to, _)| to.service.index());
    for source in &traffic.sources {
        source.mix.iter().for_each(|(to, _)| unite(&mut leaders, to.service.index(), first_of(source).unwrap_or(0)));
    }
    for (position, service) in traffic.services.iter().enumerate() {
        neighbours(service).for_each(|other| unite(&mut leaders, position, other.index()));
    }
    let mut parts: Vec<(Vec<usize>, Vec<ServiceId>)> = vec![Default::default(); leaders.len()];
    for position in 0..leaders.len() {
        parts[leader(&leaders, position)].1.push(ServiceId::from_index(position));
    }
    for (position, source) in traffic.sources.iter().enumerate() {
        if let Some(first) = first_of(source) {
            parts[leader(&leaders, first)].0.push(position);
        }
    }
    parts
}

fn leader(leaders: &[usize], mut position: usize) -> usize {
    while leaders[position] != position {
        position = leaders[position];
    }
    position
}

fn unite(leaders: &mut [usize], one: usize, other: usize) {
    let (one, other) = (leader(leaders, one), leader(leaders, other));
    leaders[one.max(other)] = one.min(other);
}

/// Services that get requests of a service.
fn neighbours(service: &Service) -> impl Iterator<Item = ServiceId> + '_ {
    let calls = service.operations.iter().flat_map(|operation| &operation.steps).filter_map(|step| match step {
        Step::Call(calls) => Some(calls),
        Step::Compute(_) | Step::Wait(_) => None,
    });
    let called = calls.flatten().map(|call| call.target.service);
    let routed = service.routes.iter().flat_map(|route| route.targets.iter().map(|(target, _)| *target));
    called.chain(routed).chain(service.overflow).chain(service.mirror.map(|(target, _)| target))
}

/// Whether requests go through a service as the module says.
fn is_collapsible(service: &Service) -> bool {
    let rules = &service.server;
    let is_fixed = matches!(service.backends, Backends::Fixed { count, .. } if count > 0);
    let has_order = rules.workers.is_none() || (rules.order == Order::Fifo && rules.queue_limit.is_none());
    let is_simple = rules.workers != Some(0) && rules.cpu_milli.is_none() && rules.warm_up.is_none();
    let stands_alone = service.guard == Guard::default() && neighbours(service).next().is_none();
    let is_blind = balancer::find(&service.balancer.name).is_some_and(|row| !row.follows_answers && !row.asks_servers);
    let is_leaf = service.operations.iter().all(|operation| {
        let later = operation.steps.iter().skip(1);
        u8::try_from(operation.steps.len()).is_ok() && later.into_iter().all(|step| matches!(step, Step::Wait(_)))
    });
    is_fixed
        && !service.has_shared_queue
        && has_order
        && is_simple
        && rules.adaptive.is_none()
        && stands_alone
        && is_blind
        && is_leaf
        && service.routes.is_empty()
        && service.releases.is_empty()
}

#[cfg(test)]
mod tests;

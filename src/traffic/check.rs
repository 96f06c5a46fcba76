//! What has to be true of the data plane between two events, recomputed from the attempts there are.

use std::collections::BTreeMap;

use super::attempt::{Attempt, NONE, Origin, Place};
use super::collapsed::Part;
use super::plane::{DataPlane, is_some};
use super::server::State;
use crate::ids::ServiceId;
use crate::model::traffic::Server as Rules;

/// Counts that the data plane keeps, as the attempts say that they should be.
#[derive(Default)]
struct Counts {
    /// By service: attempts at its servers or in its queue, and those of them that wait.
    present: BTreeMap<u32, (u64, u64)>,
    /// By server: attempts there, and those that are served.
    servers: BTreeMap<u32, (u32, u32)>,
    /// By client: attempts that it waits for, and retries among them.
    clients: BTreeMap<u32, (u32, u32)>,
    /// By service and slot: the same attempts.
    slots: BTreeMap<(u32, u32), u32>,
}

impl DataPlane<'_> {
    /// Requests of sources so far.
    pub fn requests_sent(&self) -> u64 {
        self.requests_sent
    }

    /// Requests of sources that have not ended. Takes O(requests in flight).
    pub fn requests_in_flight(&self) -> u64 {
        let is_of_source = |origin: Origin| matches!(origin, Origin::Source(_));
        let is_answered = |one: &Attempt| one.place == Place::Answered;
        let plain = self.attempts.live().filter(|(_, one)| is_of_source(one.origin) && !is_answered(one));
        let patient = self.calls.live().filter(|(_, one)| is_of_source(one.origin()));
        let collapsed: usize = self.parts.iter().map(Part::in_flight).sum();
        (plain.count() + patient.count() + collapsed) as u64
    }

    /// Attempts, and calls that wait for theirs: what is kept in memory for requests that have not ended everywhere.
    pub fn live(&self) -> usize {
        let collapsed: usize = self.parts.iter().map(Part::in_flight).sum();
        self.attempts.live().count() + self.calls.live().count() + collapsed
    }

    /// Recomputes what is kept about servers, clients and queues. Takes O(everything there is).
    ///
    /// # Panics
    /// When something kept differs from what it stands for, or a server serves more than it may.
    pub fn check(&self) {
        let mut counts = Counts::default();
        for (number, one) in self.attempts.live() {
            counts.add(number, one);
        }
        for (service, is_waiting) in self.parts.iter().flat_map(|part| part.present(self.now)) {
            let present = counts.present.entry(service.0).or_default();
            (present.0, present.1) = (present.0 + 1, present.1 + u64::from(is_waiting));
        }
        self.check_servers(&counts);
        self.check_services(&counts);
        for (number, client) in self.clients.iter().enumerate() {
            let kept = (client.in_flight, client.retries);
            let counted = counts.clients.get(&(number as u32)).copied().unwrap_or_default();
            assert_eq!(kept, counted, "requests and retries in flight through client {number}");
        }
    }

    fn check_servers(&self, counts: &Counts) {
        // Of those that are gone only the place is left, for answers that are on their way.
        let is_there = |server: &super::server::Server| server.state != State::Gone || server.present > 0;
        let live: BTreeMap<u32, _> = self.servers.live().filter(|(_, server)| is_there(server)).collect();
        for (_, call) in self.calls.live() {
            let caller = call.caller();
            assert!(!is_some(caller) || live.contains_key(&caller), "server {caller} still calls, and is gone");
        }
        for number in counts.servers.keys() {
            assert!(live.contains_key(number), "requests are at server {number}, which is gone");
        }
        for (number, server) in live {
            let counted = counts.servers.get(&number).copied().unwrap_or_default();
            assert_eq!((server.present, server.busy), counted, "requests present and served at server {number}");
            assert!(server.busy <= server.workers, "server {number} serves {} with {}", server.busy, server.workers);
            assert!(server.state != State::Gone && !server.is_filling, "server {number} is left half way");
            for &attempt in &server.queue {
                let one = &self.attempts[attempt];
                let place = (one.place, one.server);
                assert_eq!(place, (Place::Waiting, number), "attempt {attempt} in the queue of server {number}");
            }
            assert_eq!(server.queue.len() as u32, server.present - server.busy, "the queue of server {number}");
            for attempt in server.compute.iter().flat_map(|compute| compute.attempts()) {
                let one = &self.attempts[attempt];
                let place = (one.place, one.server);
                assert_eq!(place, (Place::Served, number), "attempt {attempt} on the cores of server {number}");
            }
        }
    }

    fn check_services(&self, counts: &Counts) {
        for (number, state) in self.services.iter().enumerate() {
            let (name, service) = (&state.model.name, number as u32);
            let kept = (state.statistics.in_flight.value(), state.statistics.waiting.value());
            let counted = counts.present.get(&service).copied().unwrap_or_default();
            assert_eq!(kept, counted, "requests present and waiting at `{name}`");
            let Rules { queue_limit, .. } = state.model.server;
            let queued = state.queue.len();
            assert!(queue_limit.is_none_or(|limit| queued <= limit as usize), "{queued} in the queue of `{name}`");
            for (slot, seat) in (0..).zip(&state.slots) {
                let sent = counts.slots.get(&(service, slot)).copied().unwrap_or_default();
                assert_eq!(seat.sent, sent, "requests sent to slot {slot} of `{name}`");
                if is_some(seat.server) {
                    let found = self.servers[seat.server].slot_in(ServiceId(service));
                    assert_eq!(found, slot, "the server in slot {slot} of `{name}`");
                }
            }
        }
    }
}

impl Counts {
    fn add(&mut self, number: u32, one: &Attempt) {
        let service = one.request.operation.service.0;
        if matches!(one.place, Place::Waiting | Place::Served) {
            let is_waiting = one.place == Place::Waiting;
            let present = self.present.entry(service).or_default();
            (present.0, present.1) = (present.0 + 1, present.1 + u64::from(is_waiting));
            if is_some(one.server) {
                let server = self.servers.entry(one.server).or_default();
                (server.0, server.1) = (server.0 + 1, server.1 + u32::from(!is_waiting));
            } else {
                assert!(is_waiting, "attempt {number} is served by nobody");
            }
        }
        if one.client != NONE {
            let client = self.clients.entry(one.client).or_default();
            (client.0, client.1) = (client.0 + 1, client.1 + u32::from(one.is_retry));
            *self.slots.entry((service, one.slot)).or_default() += 1;
        }
    }
}

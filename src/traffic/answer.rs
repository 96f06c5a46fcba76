//! Back at the caller: what became of an attempt.

use super::attempt::{NONE, Origin, Outcome, Place};
use super::event::Event;
use super::plane::{DataPlane, is_some};
use crate::model::traffic::OperationRef;
use crate::policy::balancer::Balancer;
use crate::units::{SimDuration, SimTime};

impl DataPlane<'_> {
    /// An attempt has ended for its caller.
    pub(super) fn answer(&mut self, attempt: u32) {
        let one = &self.attempts[attempt];
        let (origin, outcome, source, latency) =
            (one.origin, one.outcome, one.request.source, self.now.since(one.sent));
        let (operation, server, pending, span) = (one.request.operation, one.server, one.pending, one.span);
        self.settle_with_client(attempt, outcome);
        if origin != Origin::GivenUp
            && let Some(span) = self.spans.get_mut(span)
        {
            (span.answered, span.outcome) = (self.now, outcome);
        }
        match pending {
            0 => self.attempts.free(attempt),
            _ => self.attempts[attempt].place = Place::Answered,
        }
        if origin == Origin::GivenUp {
            return;
        }
        self.note_attempt(operation, server, outcome, latency);
        match origin {
            Origin::Nobody | Origin::GivenUp => {}
            Origin::Source(session) => self.answer_source(source, session, outcome, latency),
            Origin::Parent { is_optional, attempt } => self.answer_parent(attempt, is_optional, outcome),
            Origin::Call(call) => self.answer_call(call, attempt, outcome),
        }
    }

    /// Counts how an attempt ended for its caller.
    #[inline]
    pub(super) fn note_attempt(&mut self, of: OperationRef, server: u32, outcome: Outcome, latency: SimDuration) {
        self.note_attempt_at(self.now, of, server, outcome, latency);
    }

    /// Counts how an attempt ended at an instant.
    #[inline]
    pub(super) fn note_attempt_at(
        &mut self,
        now: SimTime,
        of: OperationRef,
        server: u32,
        outcome: Outcome,
        latency: SimDuration,
    ) {
        let zone = if is_some(server) { self.servers[server].zone } else { None };
        let state = &mut self.services[of.service.index()];
        if state.statistics.is_counted() {
            self.uncounted_services.push(of.service);
        }
        state.statistics.attempts.note(now, outcome, latency, state.model.objective);
        state.statistics.note((of.operation, zone), outcome, latency, self.zones);
        if !state.split.is_empty() && is_some(server) {
            let group = self.servers[server].group;
            state.note_group(group, outcome, latency);
        }
    }

    /// The client through which an attempt was sent does not wait for it any more.
    #[inline]
    pub(super) fn settle_with_client(&mut self, attempt: u32, outcome: Outcome) {
        let one = &mut self.attempts[attempt];
        if !is_some(one.client) {
            return;
        }
        let (number, slot) = (std::mem::replace(&mut one.client, NONE), one.slot);
        let latency = self.now.since(one.sent);
        let client = &mut self.clients[number as usize];
        client.balancer.answered(slot, latency, outcome.is_blameless(), self.now);
        client.in_flight -= 1;
        client.retries -= u32::from(one.is_retry);
        let service = client.service;
        if let Some(outliers) = &mut client.outliers
            && outliers.note(slot, outcome, self.now)
        {
            self.eject(number);
        }
        self.release_slot(service, slot);
    }

    /// A client leaves out a backend from now on.
    fn eject(&mut self, number: u32) {
        let client = &mut self.clients[number as usize];
        let Some(outliers) = &mut client.outliers else { return };
        let left = outliers.left();
        client.balancer.set_backends(&left);
        let (is_watching, interval) = (std::mem::replace(&mut outliers.is_watching, true), outliers.interval());
        if !is_watching {
            self.schedule(interval.max(SimDuration(1)), Event::Readmit(number));
        }
    }

    /// A client looks at the backends that it has left out.
    pub(super) fn on_readmit(&mut self, number: u32) {
        let client = &mut self.clients[number as usize];
        let Some(outliers) = &mut client.outliers else { return };
        if outliers.readmit(self.now) {
            let left = outliers.left();
            client.balancer.set_backends(&left);
        }
        outliers.is_watching = outliers.is_needed();
        let (is_watching, interval) = (outliers.is_watching, outliers.interval());
        if is_watching {
            self.schedule(interval.max(SimDuration(1)), Event::Readmit(number));
        }
    }
}

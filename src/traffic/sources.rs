//! Requests begin at their sources, and their answers come back there.

use super::attempt::{NONE, Origin, Outcome, Request};
use super::event::Event;
use super::plane::{DataPlane, is_some};
use super::source::Draft;
use crate::model::Dist;
use crate::model::traffic::Arrivals;
use crate::units::{SimDuration, SimTime};

/// A client whose request failed waits at least that long, so that a failure that takes no time does not stop time.
const PAUSE_AFTER_FAILURE: SimDuration = SimDuration(1_000_000);

impl<'m> DataPlane<'m> {
    /// The next request, or session, of a source begins.
    pub(super) fn on_arrival(&mut self, source: usize) {
        if let Some(mean) = self.sources[source].mean_session() {
            let next = self.arrivals[source].next();
            self.calendar.set(source, next.map_or(SimTime::NEVER, |one| one.at));
            let client = self.sources[source].begin_session(Some(mean));
            return self.send_of_session(source as u16, client);
        }
        let (draft, through, next) = self.next_draft(source);
        self.calendar.set(source, next);
        self.send_from_source(source as u16, draft, through, NONE);
    }

    /// The next request of a source without sessions, which balancing client it goes through, and when the one after it comes.
    #[inline]
    pub(super) fn next_draft(&mut self, source: usize) -> (Draft, u32, SimTime) {
        let next = self.arrivals[source].next();
        let state = &mut self.sources[source];
        let listed = std::mem::replace(&mut state.listed, next.and_then(|one| one.operation));
        (state.draft(listed), state.next_client(), next.map_or(SimTime::NEVER, |one| one.at))
    }

    /// A client has thought.
    pub(super) fn on_think(&mut self, source: u16, client: u32) {
        self.send_of_session(source, client);
    }

    fn send_of_session(&mut self, source: u16, client: u32) {
        let state = &mut self.sources[usize::from(source)];
        let draft = state.session_draft(client);
        let through = state.clients[client].through;
        self.send_from_source(source, draft, through, client);
    }

    fn send_from_source(&mut self, source: u16, draft: Draft, through: u32, session: u32) {
        let every = self.traffic.sample_one_in;
        let is_recorded = every > 0 && self.requests_sent.is_multiple_of(every);
        self.requests_sent += 1;
        let mut request = self.request_of(source, draft, through);
        if is_recorded {
            request.trace = self.spans.next_trace();
        }
        let policy = &self.sources[usize::from(source)].model.policy;
        self.call(request, Origin::Source(session), policy);
    }

    /// A request as its source sends it.
    #[inline]
    pub(super) fn request_of(&self, source: u16, draft: Draft, through: u32) -> Request {
        Request {
            operation: draft.operation,
            seed: draft.seed,
            key: draft.key,
            deadline: SimTime::NEVER,
            zone: self.sources[usize::from(source)].model.zone,
            caller: NONE,
            through,
            source,
            depth: 0,
            trace: 0,
            parent_span: 0,
        }
    }

    /// A source has its answer.
    #[inline]
    pub(super) fn answer_source(&mut self, source: u16, session: u32, outcome: Outcome, latency: SimDuration) {
        self.answer_source_at(self.now, source, outcome, latency);
        if is_some(session) {
            self.go_on(source, session, outcome);
        }
    }

    /// Counts how a request of a source ended at an instant.
    #[inline]
    pub(super) fn answer_source_at(&mut self, now: SimTime, source: u16, outcome: Outcome, latency: SimDuration) {
        let objective = self.objectives[usize::from(source)];
        let fate = &mut self.source_fates[usize::from(source)];
        if fate.is_counted() {
            self.uncounted_sources.push(source);
        }
        fate.note(now, outcome, latency, objective);
    }

    /// A client with a session thinks, or ends it.
    fn go_on(&mut self, source: u16, session: u32, outcome: Outcome) {
        let state = &mut self.sources[usize::from(source)];
        let client = &mut state.clients[session];
        if client.left == 0 {
            return state.clients.free(session);
        }
        if client.left != u64::MAX {
            client.left -= 1;
        }
        let think: &'m Dist = match &state.model.arrivals {
            Arrivals::Closed { think, .. } => think,
            Arrivals::Open { session: Some(session), .. } => &session.think,
            _ => return,
        };
        let mut pause = think.fast_sample(&mut state.pause_stream(session));
        if !outcome.is_well() {
            pause = pause.max(PAUSE_AFTER_FAILURE);
        }
        self.schedule(pause, Event::Think { source, client: session });
    }
}

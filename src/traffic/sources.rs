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
        let state = &mut self.sources[source];
        let next = self.arrivals[source].next();
        self.calendar.set(source, next.map_or(SimTime::NEVER, |one| one.at));
        if let Some(mean) = state.mean_session() {
            let client = state.begin_session(Some(mean));
            return self.send_of_session(source as u16, client);
        }
        let listed = std::mem::replace(&mut state.listed, next.and_then(|one| one.operation));
        let draft = state.draft(listed);
        let through = state.next_client();
        self.send_from_source(source as u16, draft, through, NONE);
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
        let model = self.sources[usize::from(source)].model;
        let every = self.traffic.sample_one_in;
        let is_recorded = every > 0 && self.requests_sent.is_multiple_of(every);
        self.requests_sent += 1;
        let request = Request {
            operation: draft.operation,
            seed: draft.seed,
            key: draft.key,
            deadline: SimTime::NEVER,
            zone: model.zone,
            caller: NONE,
            through,
            source,
            depth: 0,
            trace: if is_recorded { self.spans.next_trace() } else { 0 },
            parent_span: 0,
        };
        self.call(request, Origin::Source(session), &model.policy);
    }

    /// A source has its answer.
    #[inline]
    pub(super) fn answer_source(&mut self, source: u16, session: u32, outcome: Outcome, latency: SimDuration) {
        let objective = self.objectives[usize::from(source)];
        let fate = &mut self.source_fates[usize::from(source)];
        if fate.is_counted() {
            self.uncounted_sources.push(source);
        }
        fate.note(self.now, outcome, latency, objective);
        if is_some(session) {
            self.go_on(source, session, outcome);
        }
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

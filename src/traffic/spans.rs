//! What is recorded of single requests: one span for each attempt.

use super::attempt::{Outcome, Request};
use crate::model::traffic::OperationRef;
use crate::units::SimTime;

/// One attempt of a recorded request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The request of a source that it belongs to, from 1.
    pub trace: u32,
    /// Its number among all spans, from 1.
    pub number: u32,
    /// The span that it was sent from; 0: a source.
    pub parent: u32,
    /// The source that the request comes from.
    pub source: u16,
    /// What was asked for.
    pub operation: OperationRef,
    /// The server, in the order in which they came into being, from 1; 0: none served it.
    pub server: u64,
    /// When it was sent.
    pub sent: SimTime,
    /// When it reached the server.
    pub reached: SimTime,
    /// When the server began with it.
    pub began: SimTime,
    /// When the server was done with it; [`SimTime::NEVER`]: not yet, or none served it.
    pub finished: SimTime,
    /// When the caller had the answer or gave up; [`SimTime::NEVER`]: not yet.
    pub answered: SimTime,
    /// How it ended for the caller.
    pub outcome: Outcome,
}

/// All spans so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Spans {
    list: Vec<Span>,
    traces: u32,
}

impl Spans {
    /// The number of another request that is recorded.
    pub(super) fn next_trace(&mut self) -> u32 {
        self.traces += 1;
        self.traces
    }

    /// The number of a new span.
    pub(super) fn begin(&mut self, request: &Request, now: SimTime) -> u32 {
        let number = self.list.len() as u32 + 1;
        self.list.push(Span {
            trace: request.trace,
            number,
            parent: request.parent_span,
            source: request.source,
            operation: request.operation,
            server: 0,
            sent: now,
            reached: now,
            began: now,
            finished: SimTime::NEVER,
            answered: SimTime::NEVER,
            outcome: Outcome::Lost,
        });
        number
    }

    /// The span with that number; none for 0.
    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Span> {
        self.list.get_mut((number as usize).wrapping_sub(1))
    }

    pub(super) fn list(&self) -> &[Span] {
        &self.list
    }
}

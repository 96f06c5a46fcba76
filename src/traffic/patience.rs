//! Calls whose callers do not take every attempt as it comes: timeouts, retries, hedging, deadlines.

use super::attempt::{Origin, Outcome, Request};
use super::client::Budget;
use super::event::Event;
use super::plane::DataPlane;
use crate::model::traffic::{CallPolicy, Retries, RetryOn};
use crate::units::{SimDuration, SimTime};

/// What pauses before retries are drawn from.
const PAUSE: u64 = 5 << 40;

/// A call until it has its answer.
#[derive(Clone, Debug)]
pub(super) struct PendingCall<'m> {
    policy: &'m CallPolicy,
    request: Request,
    origin: Origin,
    began: SimTime,
    /// Attempts on their way, and when the caller will have waited long enough for each.
    tries: Vec<(u32, SimTime)>,
    retries: u32,
    hedges: u32,
    /// When another attempt is due, and whether it is one beside the others.
    again_at: SimTime,
    is_hedge: bool,
}

impl PendingCall<'_> {
    /// Who waits for the answer.
    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    /// The server that calls; [`NONE`](super::attempt::NONE): a source.
    pub(super) fn caller(&self) -> u32 {
        self.request.caller
    }

    /// Whether there is still something to come of it.
    pub(super) fn is_pending(&self) -> bool {
        !self.tries.is_empty() || self.again_at != SimTime::NEVER
    }
}

impl<'m> DataPlane<'m> {
    /// Makes a call under a policy.
    pub(super) fn call_patiently(&mut self, mut request: Request, origin: Origin, policy: &'m CallPolicy) {
        if let Some(deadline) = policy.deadline {
            request.deadline = request.deadline.min(self.now.after(deadline));
        }
        if request.deadline <= self.now {
            // The caller itself is late already: there is no time left even for one attempt.
            return self.answer_origin(origin, request.source, Outcome::Timeout, SimDuration::ZERO);
        }
        let call = self.calls.put(PendingCall {
            policy,
            request,
            origin,
            began: self.now,
            tries: Vec::new(),
            retries: 0,
            hedges: 0,
            again_at: SimTime::NEVER,
            is_hedge: false,
        });
        if policy.deadline.is_some() {
            self.events.push(request.deadline, 0, Event::Deadline(call));
        }
        if let Some(budget) = self.budget_of(call) {
            budget.deposit();
        }
        self.attempt(call, false);
    }

    /// The bucket of retries of the place that calls, if there is one.
    fn budget_of(&mut self, call: u32) -> Option<&mut Budget> {
        let one = &self.calls[call];
        let rules = one.policy.retries.as_ref()?.budget?;
        let request = one.request;
        let client = self.client_for(request.operation.service, &request);
        Some(self.budgets[client as usize].get_or_insert_with(|| Budget::new(rules)))
    }

    /// Makes one attempt at a call, and another one beside it later if there is no answer by then.
    fn attempt(&mut self, call: u32, is_retry: bool) {
        let request = self.calls[call].request;
        let attempt = self.prepare(request, Origin::Call(call), is_retry);
        let one = &mut self.calls[call];
        let times_out_at = one.policy.timeout.map_or(SimTime::NEVER, |timeout| self.now.after(timeout));
        one.tries.push((attempt, times_out_at));
        if times_out_at != SimTime::NEVER {
            self.events.push(times_out_at, 0, Event::Timeout(call));
        }
        if let Some(hedging) = one.policy.hedging
            && one.hedges < hedging.limit
            && one.again_at == SimTime::NEVER
        {
            one.again_at = self.now.after(hedging.after);
            one.is_hedge = true;
            self.events.push(one.again_at, 0, Event::Again(call));
        }
        // The answer may come at once, and the call be over.
        self.dispatch(attempt);
    }

    /// An attempt at a call has ended.
    pub(super) fn answer_call(&mut self, call: u32, attempt: u32, outcome: Outcome) {
        let tries = &mut self.calls[call].tries;
        tries.retain(|(one, _)| *one != attempt);
        if outcome.is_well() {
            return self.end_call(call, outcome);
        }
        self.try_again(call, outcome);
    }

    /// The caller has waited long enough for those attempts that were sent that long ago.
    pub(super) fn on_timeout(&mut self, call: u32) {
        let now = self.now;
        while let Some(position) = self.calls[call].tries.iter().position(|(_, at)| *at == now) {
            let (attempt, _) = self.calls[call].tries.remove(position);
            self.give_up(attempt, Outcome::Timeout);
            if self.try_again(call, Outcome::Timeout) {
                return;
            }
        }
    }

    /// The caller does not wait for an attempt any more; the server does not know.
    fn give_up(&mut self, attempt: u32, outcome: Outcome) {
        self.settle_with_client(attempt, outcome);
        let one = &mut self.attempts[attempt];
        one.origin = Origin::GivenUp;
        let (operation, server, latency) = (one.request.operation, one.server, self.now.since(one.sent));
        if let Some(span) = self.spans.get_mut(one.span) {
            (span.answered, span.outcome) = (self.now, outcome);
        }
        self.note_attempt(operation, server, outcome, latency);
    }

    /// After a failure: a retry, or the end of the call unless other attempts are on their way. Whether the call is over.
    fn try_again(&mut self, call: u32, outcome: Outcome) -> bool {
        let one = &self.calls[call];
        let is_waiting = !one.tries.is_empty();
        if let Some(retries) = &one.policy.retries
            && is_worth(retries.on, outcome)
            && one.retries < retries.limit
            && (one.again_at == SimTime::NEVER || one.is_hedge)
        {
            let pause = pause(retries, one.request.seed, one.retries);
            let is_in_time = self.now.after(pause) < one.request.deadline;
            let now = self.now;
            if is_in_time && self.budget_of(call).is_none_or(|budget| budget.withdraw(now)) {
                let one = &mut self.calls[call];
                one.retries += 1;
                (one.again_at, one.is_hedge) = (now.after(pause), false);
                self.events.push(now.after(pause), 0, Event::Again(call));
                return false;
            }
        }
        let one = &self.calls[call];
        if is_waiting || one.again_at != SimTime::NEVER && !one.is_hedge {
            return false;
        }
        self.end_call(call, outcome);
        true
    }

    /// Another attempt is due.
    pub(super) fn on_again(&mut self, call: u32) {
        let one = &mut self.calls[call];
        if one.again_at != self.now {
            return;
        }
        one.again_at = SimTime::NEVER;
        let is_hedge = one.is_hedge;
        one.hedges += u32::from(is_hedge);
        self.attempt(call, !is_hedge);
    }

    /// All the time of a call is over.
    pub(super) fn on_deadline(&mut self, call: u32) {
        let one = &self.calls[call];
        if one.is_pending() && one.request.deadline == self.now {
            self.end_call(call, Outcome::Timeout);
        }
    }

    /// The caller has its answer, or gives up.
    fn end_call(&mut self, call: u32, outcome: Outcome) {
        let one = &mut self.calls[call];
        let (origin, request, latency) = (one.origin, one.request, self.now.since(one.began));
        one.again_at = SimTime::NEVER;
        let tries = std::mem::take(&mut one.tries);
        for (attempt, _) in tries {
            // What is given up because another attempt was faster says nothing bad about its backend.
            self.give_up(attempt, if outcome.is_well() { Outcome::Superseded } else { Outcome::Timeout });
        }
        self.calls.free(call);
        self.answer_origin(origin, request.source, outcome, latency);
    }

    /// The calls of a server that is gone end with it.
    pub(super) fn end_calls_of(&mut self, server: u32) {
        for call in 0..self.calls.places() {
            let one = &self.calls[call];
            if one.is_pending() && one.caller() == server {
                self.end_call(call, Outcome::Lost);
            }
        }
    }

    /// Whoever waits for a call is told how it ended.
    fn answer_origin(&mut self, origin: Origin, source: u16, outcome: Outcome, latency: SimDuration) {
        match origin {
            Origin::Source(session) => self.answer_source(source, session, outcome, latency),
            Origin::Parent { is_optional, attempt } => self.answer_parent(attempt, is_optional, outcome),
            Origin::Nobody | Origin::GivenUp | Origin::Call(_) => {}
        }
    }
}

fn is_worth(on: RetryOn, outcome: Outcome) -> bool {
    match outcome {
        Outcome::Well | Outcome::Superseded => false,
        Outcome::Timeout => on.timeouts,
        Outcome::Refused | Outcome::Unavailable => on.refusals,
        Outcome::Error | Outcome::Lost => on.errors,
    }
}

/// The pause before a retry, of which there have been so many.
fn pause(rules: &Retries, seed: u64, retries: u32) -> SimDuration {
    let longest = rules.base.0.saturating_mul(1 << retries.min(32)).min(rules.max.0);
    if !rules.has_jitter {
        return SimDuration(longest);
    }
    let drawn = DataPlane::step_stream(seed, PAUSE + u64::from(retries)).unit();
    SimDuration((drawn * longest as f64) as u64)
}

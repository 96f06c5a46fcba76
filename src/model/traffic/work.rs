//! What requests ask for: operations and their steps.

use super::CallPolicy;
use crate::ids::ServiceId;
use crate::model::Dist;

/// An operation of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OperationRef {
    /// The service.
    pub service: ServiceId,
    /// The position among its operations.
    pub operation: u32,
}

/// One kind of request that a service answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// What is done, one after the other. What each step takes is drawn from a stream of the request's own.
    pub steps: Vec<Step>,
    /// How likely the answer is an error, 0 to 1.
    pub failure: f64,
    /// How large its messages are.
    pub sizes: MessageSizes,
}

/// Bytes of a request and of its answer, in the mean, with all that wraps them; 0: nothing is known, and nothing is paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageSizes {
    /// Of the request.
    pub request: u64,
    /// Of the answer, be it an error or not.
    pub response: u64,
}

impl MessageSizes {
    /// Whether anything is known.
    #[inline]
    pub fn are_known(self) -> bool {
        self != MessageSizes::default()
    }
}

/// One part of the work on a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Time of one core.
    Compute(Dist),
    /// Time during which nothing is used but the worker.
    Wait(Dist),
    /// Calls of other services, all at once; the step ends when the last is answered.
    Call(Vec<Call>),
}

/// One call of another service.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What is called.
    pub target: OperationRef,
    /// How likely it is made at all.
    pub probability: f64,
    /// How likely a cache has the answer, so that the call is not made.
    pub cache_hit: f64,
    /// How often it is made, at once.
    pub count: u32,
    /// Whether nobody waits for the answer.
    pub is_detached: bool,
    /// Whether the caller goes on without an answer when the call fails.
    pub is_optional: bool,
    /// What the caller does about slow and failed calls.
    pub policy: CallPolicy,
}

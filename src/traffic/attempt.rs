//! One try at getting an answer: a request on its way to a server, there, and back.

use crate::ids::ZoneId;
use crate::model::traffic::OperationRef;
use crate::units::{SimDuration, SimTime};

/// Stands for "none" where a number is kept.
pub(super) const NONE: u32 = u32::MAX;

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Outcome {
    /// It is answered.
    Well,
    /// The answer says that something went wrong.
    Error,
    /// The caller gave up.
    Timeout,
    /// It was refused: a queue was full, or a limit reached.
    Refused,
    /// There was no backend, or it did not listen.
    Unavailable,
    /// The server went away with the request.
    Lost,
    /// Another attempt at the same call was faster.
    Superseded,
}

impl Outcome {
    /// How many there are.
    pub const COUNT: usize = 7;
    /// All of them, in order.
    pub const ALL: [Outcome; Outcome::COUNT] = [
        Outcome::Well,
        Outcome::Error,
        Outcome::Timeout,
        Outcome::Refused,
        Outcome::Unavailable,
        Outcome::Lost,
        Outcome::Superseded,
    ];

    /// The word that stands in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Well => "ok",
            Outcome::Error => "error",
            Outcome::Timeout => "timeout",
            Outcome::Refused => "refused",
            Outcome::Unavailable => "unavailable",
            Outcome::Lost => "lost",
            Outcome::Superseded => "superseded",
        }
    }

    /// Whether it is the answer that the caller wanted.
    #[inline]
    pub fn is_well(self) -> bool {
        self == Outcome::Well
    }

    /// Whether it says nothing bad about the server.
    #[inline]
    pub fn is_blameless(self) -> bool {
        matches!(self, Outcome::Well | Outcome::Superseded)
    }
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nobody ever did.
    Nobody,
    /// Nobody any more: the caller gave it up, and has counted it.
    GivenUp,
    /// A source, or a client of it that has a session; [`NONE`]: no session.
    Source(u32),
    /// A request that is being served elsewhere.
    Parent {
        /// Whether it goes on when this fails.
        is_optional: bool,
        /// The attempt, which stays while it waits for answers.
        attempt: u32,
    },
    /// A call that may take several attempts, and forgets those that it gives up.
    Call(u32),
}

/// What a request is, whoever serves it: it stays the same over all attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    /// What is asked for.
    pub operation: OperationRef,
    /// What everything about it is drawn from.
    pub seed: u64,
    /// What keeps it together with others.
    pub key: u64,
    /// When nobody wants an answer any more.
    pub deadline: SimTime,
    /// Where the caller is.
    pub zone: Option<ZoneId>,
    /// The server that sends it; [`NONE`]: its source.
    pub caller: u32,
    /// Which of the clients of its source it comes from.
    pub through: u32,
    /// The source that it goes back to.
    pub source: u16,
    /// Calls between it and its source.
    pub depth: u16,
    /// The number of the recorded request that it belongs to; 0: none.
    pub trace: u32,
    /// The recorded span that it was sent from; 0: none.
    pub parent_span: u32,
}

/// One attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// The request.
    pub request: Request,
    /// Who waits for the answer.
    pub origin: Origin,
    /// When it was sent.
    pub sent: SimTime,
    /// When it reached the server, or the queue that servers share.
    pub reached: SimTime,
    /// How long it waited for a worker, once it has one.
    pub waited: SimDuration,
    /// When its step is over, if that is known.
    pub wakes_at: SimTime,
    /// Through which client it was sent; [`NONE`]: through none, or the client has given it up.
    pub client: u32,
    /// The server; [`NONE`]: none was found yet, or it is not there any more.
    pub server: u32,
    /// The server's number among the backends of the service.
    pub slot: u32,
    /// The step that comes next.
    pub step: u16,
    /// Calls of its step that are not answered yet.
    pub pending: u16,
    /// How it ended, once that is known.
    pub outcome: Outcome,
    /// Where it is.
    pub place: Place,
    /// Whether it is another attempt at a call.
    pub is_retry: bool,
    /// The recorded span; 0: none.
    pub span: u32,
}

/// Where an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Between caller and server.
    Travelling,
    /// At the server, or in the queue that servers share, without a worker.
    Waiting,
    /// At the server, with a worker.
    Served,
    /// It has ended; its answer may be on its way.
    Over,
    /// It has ended and the caller knows; only answers that it waited for are still to come.
    Answered,
}

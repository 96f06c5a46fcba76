//! Everything that can happen to a request.

/// An event of the data plane. What it is about knows when it expects its next event: one that comes at another instant is
/// stale, and is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A client has thought, and sends its next request. Scheduled by the answer before, handled in `sources`.
    Think {
        /// The source.
        source: u16,
        /// The client.
        client: u32,
    },
    /// A request reaches its server. Scheduled when it is sent, handled in `serve`.
    Reach(u32),
    /// A step of known length is over. Scheduled by the step, handled in `serve`.
    Step(u32),
    /// Something happens to the requests that share a server's cores. Scheduled by whatever changes how they share,
    /// handled in `cores`.
    Compute(u32),
    /// An answer reaches the caller. Scheduled by the server, handled in `answer`.
    Answer(u32),
    /// A caller has waited long enough for an attempt. Scheduled by the attempt, handled in `patience`.
    Timeout(u32),
    /// A caller makes another attempt: after a failure, or beside a slow attempt. Handled in `patience`.
    Again(u32),
    /// All the time of a call is over. Handled in `patience`.
    Deadline(u32),
    /// Clients learn of backends that have come and gone. Scheduled by these, handled in `endpoints`.
    Endpoints(u32),
    /// A client looks at the backends that it has left out. Handled in `answer`.
    Readmit(u32),
    /// A server is told to end, after its hook. Handled in `endpoints`.
    Told(u32),
    /// A server sets its limit anew. Handled in `serve`.
    Adapt(u32),
}

const _: () = assert!(size_of::<Event>() == 8, "there is an event for everything that happens to a request");

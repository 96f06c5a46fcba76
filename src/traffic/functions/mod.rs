//! A function platform under a stream of calls: cold starts, instances, throttling and cost.
//!
//! An instance serves one call at a time. A call goes to a provisioned instance, else to one that waits, else to one that starts
//! for it, unless a limit forbids; a call that is throttled is lost. What an instance does after a call is
//! [`crate::policy::autoscaler::functions::keep_alive`]'s.
//!
//! Functions meet only in the limit of the account, so that there is no queue of events for all: a function's instances catch
//! up with the time when it is called. Of events at one instant, ends of calls come first, then unloading, then the call. A run
//! takes slices of time, and each function's calls of a slice together, unless the account might be short of room within it
//! (`slices`, `room`).
//!
//! Cost: a few operations and a step in a heap as deep as the function's calls under way; a second heap, of all calls under
//! way, and one of the next calls of all functions, while the account might be short of room: 0.12 us a call, and 0.3 us then, half of
//! it to draw the call. Memory grows with functions and their instances, not with calls: a slice takes 8 MB.

mod calls;
mod instances;
mod latencies;
mod platform;
mod report;
mod room;
mod run;
mod slices;

pub use crate::model::functions::{PlatformSettings, Routing};
pub use calls::CallStream;
pub use latencies::Latencies;
pub use platform::{Fate, Platform, PlatformError, simulate};
pub use report::{FunctionReport, Report};
pub use run::{FunctionRun, FunctionWindow, TaskReport, run};

#[cfg(test)]
mod tests;

//! A function platform under a stream of calls: cold starts, instances, throttling and cost.
//!
//! An instance serves one call at a time. A call goes to a provisioned instance, else to one that waits, else to one that starts
//! for it, unless a limit forbids; a call that is throttled is lost. What an instance does after a call is
//! [`crate::policy::autoscaler::functions::keep_alive`]'s.
//!
//! Functions meet only in the limit of the account, so that there is no queue of events for all: a function's instances catch
//! up with the time when it is called. Of events at one instant, ends of calls come first, then unloading, then the call.
//!
//! Cost: a few operations and a step in a heap as deep as the function's calls under way; a second heap, of all calls under
//! way, while the account has a limit. Memory grows with functions and their instances, not with calls.

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

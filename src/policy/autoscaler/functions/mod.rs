//! Function platforms: one request an instance, and how long instances wait for the next.
//!
//! - [`keep_alive`]: how long an instance stays after a call, and when it is loaded again: not at all, for a fixed time, or as
//!   the histogram of idle times says ([`hybrid`]);
//! - [`lambda`]: which calls are throttled in the manner of AWS Lambda;
//! - [`fargate`]: the sizes of tasks;
//! - [`price`]: what calls, instances and tasks cost.
//!
//! The loop over calls is [`crate::traffic`]'s.

pub mod fargate;
pub mod hybrid;
pub mod keep_alive;
pub mod lambda;
pub mod price;

#[cfg(test)]
mod tests;

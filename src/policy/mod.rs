//! Decisions, and nothing but decisions: no policy schedules an event, writes the world or sees the future.
//!
//! Each kind of policy has a folder: a trait, a decision, one table of policies, and one file a policy. Command line,
//! docs, file checks and contract tests iterate the tables, so adding a policy touches two places: its file and its
//! row.

#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod autoscaler;
pub mod balancer;
pub mod controllers;
pub mod deferral;
pub mod disruption;
pub mod kubelet;
pub mod node_autoscaler;
pub mod parameters;
pub mod queue;
pub mod scheduler;
pub mod time_zone;
mod timetable;

#[cfg(test)]
mod conformance;

pub use parameters::{Parameter, ParameterError};

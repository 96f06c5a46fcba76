//! Time: the event queue, the loop, and the one writer of the world.
//!
//! [`run`](run::Simulation::run) pops the next event in the total order `(time, phase, sequence)`, moves time there and
//! hands the event to its handler. Handlers ask policies and call `apply`, which changes the world and schedules what
//! follows. Observers see everything and change nothing.

#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod event;
pub mod life;
pub mod run;

mod apply;
mod apply_health;
mod handlers;
mod sources;
mod waiting;

pub use event::{Event, Step};
pub use run::{Finished, RunError, Simulation, watch};

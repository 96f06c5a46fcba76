//! The data plane: requests from clients to servers and back.

#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

mod answer;
mod arrivals;
mod attempt;
mod calendar;
mod carried;
mod check;
mod choice;
mod client;
mod collapsed;
mod compute;
mod cores;
mod endpoints;
mod event;
mod fluid;
pub mod functions;
mod limit;
mod log;
mod node;
mod patience;
mod plane;
mod send;
mod serve;
mod server;
mod slab;
mod source;
mod sources;
mod spans;
mod split;
mod statistics;

pub use attempt::Outcome;
pub use carried::{Carried, End, Way};
pub use choice::{Meters, Plane};
pub use endpoints::{Seat, ServerLoad};
pub use fluid::{FluidMeters, FluidPlane};
pub use plane::{DataPlane, Notice};
pub use spans::Span;
pub use statistics::{Cell, Fate, Level, ServiceStatistics, Window};

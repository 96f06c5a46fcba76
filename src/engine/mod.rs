//! Time: everything that decides what happens next, and in which order.
//!
//! The order of events is total, `(time, phase, sequence)`, and lives in [`queue`] alone; nothing else in the engine
//! compares two events.

pub mod queue;

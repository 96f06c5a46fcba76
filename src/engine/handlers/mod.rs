//! What happens when an event is due, by component.

mod arrival;
pub(super) mod controllers;
mod deletion;
mod drain;
mod life;
mod node;
mod pod;
pub(super) mod queue;
mod scheduling;
mod usage;

//! What happens when an event is due, by component.

mod arrival;
mod controllers;
mod node;
mod pod;
pub(super) mod queue;
mod scheduling;

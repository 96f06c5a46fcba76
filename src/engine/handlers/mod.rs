//! What happens when an event is due, by component.

mod arrival;
mod node;
mod pod;
pub(super) mod queue;
mod scheduling;

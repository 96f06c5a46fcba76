//! What happens when an event is due, by component.

mod arrival;
mod node;
mod pod;
mod scheduling;

//! What happens when an event is due, by component.

mod arrival;
pub(super) mod autoscaling;
pub(super) mod controllers;
pub(super) mod deferral;
mod deletion;
mod drain;
pub(super) mod faults;
mod life;
mod loads;
mod market;
mod node;
pub(super) mod node_lifecycle;
mod out_of_service;
mod pod;
pub(super) mod provisioning;
pub(super) mod queue;
mod scheduling;
pub(super) mod traffic;
mod usage;
pub(super) mod writes;

//! The integration tests, in one binary: linking is what costs.

mod audit;
mod bad_input;
mod fgd;
mod random_model;
mod swarm;

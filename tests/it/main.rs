//! The integration tests, in one binary: linking is what costs.

mod bad_input;

//! File to validated model: parse, check, validate, build.

pub use crate::document::{self, Code, Issue, Issues};

//! File to validated model: parse, check, validate, build.

mod spec;

pub use crate::document::{self, Code, Issue, Issues};
#[test]
fn dump(){ println!("{}", serde_json::to_string(&schemars::schema_for!(spec::ScenarioSpec)).unwrap()); }

//! File to validated model: parse, check, validate, build.
//!
//! A file becomes a tree that knows its places ([`crate::document`]); overrides and the scenario it is based on are
//! put into the tree; the tree is checked against the schema of the format; what the schema cannot say is validated;
//! and only a tree without any issue is built into a [`Model`](crate::model::Model). Every stage reports all it finds. Nothing after `build`
//! sees the file format.
//!
//! Deliberately absent: the environment. What a scenario may see of it is passed in as [`Environment`].

mod autoscaling;
mod billing;
mod build;
mod cloud;
mod context;
mod daemons;
mod device_plugin;
mod distribution;
mod energy;
mod experiment;
mod faults;
mod functions;
mod images;
mod import;
pub mod kubernetes;
mod load;
mod origin;
mod path;
mod provisioning;
mod schema;
mod script;
mod sizing;
mod spec;
mod traffic;
mod usage;
mod validate;

pub use context::Environment;
pub use experiment::{Cell, Experiment, Factor, Level, load_experiment};
pub use load::{Loaded, ScenarioError, file_kind, load_scenario, load_scenario_text};
pub use path::Override;
pub(crate) use schema::suggestion;
pub use schema::{experiment_schema, scenario_schema};
pub use spec::{ExperimentSpec, ScenarioSpec};
pub use validate::{NODES_MAX, PODS_MAX, RUNS_MAX};

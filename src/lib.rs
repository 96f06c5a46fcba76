//! wavetank: a discrete-event simulator of Kubernetes-style clusters, and a harness to compare policies on it.
//!
//! Data flows through the modules in this order:
//!
//! ```text
//! files -> scenario -> model -> engine -> observe -> results -> report
//!          importers    |       world                  |
//!                       |       policy             experiment (many runs)
//! ```
//!
//! Dependencies point down this ladder only; the tidy test holds the table against the `use crate::` lines:
//!
//! | layer | modules |
//! |---|---|
//! | 0 | `units` `ids` `rng` |
//! | 1 | `document` `event_queue` `stats` |
//! | 2 | `results` |
//! | 3 | `model` |
//! | 4 | `world` `importers` |
//! | 5 | `policy` |
//! | 6 | `traffic` |
//! | 7 | `observe` |
//! | 8 | `engine` `scenario` |
//! | 9 | `experiment` `bench` |
//! | 10 | `report` |
//! | 11 | `cli` |
//!
//! To add
//! - **a policy**: one file in its folder under `policy/`, one row in the folder's table. Listings, checks, docs and
//!   contract tests follow.
//! - **a mechanism**: `model` (what it is), `scenario/spec.rs` and `scenario/build.rs` (how it is written), `world` (its
//!   state, and its invariant in `world/check.rs`), `engine/event.rs` (its events), `engine/handlers/` (what they do),
//!   `engine/apply.rs` (what they change), `observe` (what is seen of it).
//! - **an importer**: one file in `importers/`, one row in its table.
//! - **a bench workload**: one row and one function in `bench/workloads.rs`.

pub mod ids;
pub mod rng;
pub mod units;

pub mod document;
pub mod event_queue;
pub mod model;
pub mod results;
pub mod stats;

pub mod importers;
pub mod world;

pub mod policy;

pub mod traffic;

pub mod observe;

pub mod engine;
pub mod scenario;

pub mod bench;
pub mod experiment;

pub mod report;

pub mod cli;

#[cfg(test)]
mod testkit;

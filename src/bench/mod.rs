//! Benchmarks of scheduling policies: named workloads, timed runs in processes of their own, comparisons with intervals.
//!
//! This is the one part of the library that looks at a clock. What is timed is the ordinary engine with an ordinary
//! policy inside a stopwatch; placements are hashed, so that two programs that decide differently are noticed.
//! Invariants: a workload is a function of its sizes alone; the clock never reaches a model, a policy or the world.
//!
//! - [`workloads`]: what is scheduled, one table;
//! - [`measure`]: one timed run;
//! - [`suite`]: many runs, each in a child process, and what is kept of them;
//! - [`compare`]: is this program slower than another one, or than itself in an earlier suite?

pub mod compare;
pub mod measure;
pub mod suite;
pub mod tables;
pub mod workloads;

mod draft;

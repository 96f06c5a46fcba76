//! Experiments: factors make cells, cells times replications make runs, runs make tables with intervals.
//!
//! ```text
//! Design (factors x replications) -> Cell -> runs in parallel -> Store (one file a run) -> tables
//! ```
//! What a run is stays with the caller, who hands in a function from a cell and a replication to a [`RunOutcome`].
//! Every run is stored at once, and tables are made from the stored runs alone, in the order of the design: so the
//! number of threads, an interruption or a split over machines cannot change a byte.

pub mod compare;
pub mod design;
pub mod outcome;
pub mod replicate;
pub mod single;
pub mod store;
mod tables;
#[cfg(test)]
mod tests;

pub use compare::{CompareError, Comparison, ComparisonRow, Gate, GateResult, compare};
pub use design::{Cell, Design, DesignError, Factor, parse_cells};
pub use outcome::{Curve, Metric, RunOutcome};
pub use replicate::{Progress, Sweep, SweepError, SweepReport, run_sweep};
pub use store::{Fingerprint, Store, StoreError};

//! Round robin: nodes take turns.
//!
//! Decides: the first feasible node after the one that was taken last, going round.
//! Parameters: none.
//! Source: round robin.
//! Known deviations: none.
//! Example: node 2 was taken last, nodes 1, 2 and 5 fit: node 5, then node 1.

use super::cyclic::{Cyclic, Start};
use super::{Scheduler, SchedulerRow};
use crate::policy::parameters;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "round-robin",
    summary: "the next node that fits after the one taken last, going round",
    source: "round robin",
    parameters: &[],
    build: |parameters, _, _| {
        parameters::none(parameters)?;
        Ok(Box::new(Cyclic::new(Start::AfterLast)) as Box<dyn Scheduler>)
    },
};

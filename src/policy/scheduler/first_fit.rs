//! First fit: the first node that fits, in order of node rank.
//!
//! Decides: the feasible node with the lowest id.
//! Parameters: none.
//! Source: first fit (Johnson 1973).
//! Known deviations: none.
//! Example: nodes 2 and 5 fit: node 2.

use super::cyclic::{Cyclic, Start};
use super::{Scheduler, SchedulerRow};
use crate::policy::parameters;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "first-fit",
    summary: "the first node that fits",
    source: "first fit (Johnson 1973)",
    parameters: &[],
    build: |parameters, _, _| {
        parameters::none(parameters)?;
        Ok(Box::new(Cyclic::new(Start::AlwaysFirst)) as Box<dyn Scheduler>)
    },
};

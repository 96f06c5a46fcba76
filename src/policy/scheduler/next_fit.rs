//! Next fit: stay with a node until a pod does not fit, then go on to the next that fits, going round.
//!
//! Decides: the first feasible node from the one that was taken last, that one included.
//! Parameters: none.
//! Source: next fit (Johnson 1973), going round instead of opening new bins without end.
//! Known deviations: none.
//! Example: node 2 was taken last, nodes 1 and 5 fit: node 5.

use super::cyclic::{Cyclic, Start};
use super::{Scheduler, SchedulerRow};
use crate::policy::parameters;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "next-fit",
    summary: "the node taken last, or the next that fits, going round",
    source: "next fit (Johnson 1973)",
    parameters: &[],
    build: |parameters, _, _| {
        parameters::none(parameters)?;
        Ok(Box::new(Cyclic::new(Start::AtLast)) as Box<dyn Scheduler>)
    },
};

//! Shortest duration first.
//!
//! Rule: rank = duration in ns; pods that run for ever come last. Parameters: none. The duration is taken as known, as
//! an estimate by the user would be.
//! Source: shortest job first (Smith 1956).

use super::{QueueOrder, QueueOrderRow, without_parameters};
use crate::ids::PodId;
use crate::world::View;

pub(super) const ROW: QueueOrderRow = QueueOrderRow {
    name: "shortest-first",
    summary: "the pod that will run for the shortest time",
    source: "shortest job first (Smith 1956)",
    parameters: &[],
    build: without_parameters::<ShortestFirst>,
};

#[derive(Default)]
struct ShortestFirst;

impl QueueOrder for ShortestFirst {
    fn rank(&self, view: &View<'_>, pod: PodId) -> i64 {
        i64::try_from(view.world.pods.duration_ns[pod.index()]).unwrap_or(i64::MAX)
    }
}

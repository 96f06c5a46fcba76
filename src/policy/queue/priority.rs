//! Highest priority first.
//!
//! Rule: rank = -priority. Parameters: none.
//! Source: kube-scheduler's PrioritySort (`pkg/scheduler/framework/plugins/queuesort/priority_sort.go`, v1.34).
//! Known deviation: among equals the pod that arrived first goes first; upstream compares the time it was last queued.

use super::{QueueOrder, QueueOrderRow, without_parameters};
use crate::ids::PodId;
use crate::world::View;

pub(super) const ROW: QueueOrderRow = QueueOrderRow {
    name: "priority",
    summary: "the pod with the highest priority",
    source: "kube-scheduler PrioritySort (v1.34)",
    parameters: &[],
    build: without_parameters::<Priority>,
};

#[derive(Default)]
struct Priority;

impl QueueOrder for Priority {
    fn rank(&self, view: &View<'_>, pod: PodId) -> i64 {
        -i64::from(view.class_of(pod).priority)
    }
}

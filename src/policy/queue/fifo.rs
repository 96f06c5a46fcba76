//! First in, first out.
//!
//! Rule: rank 0 for every pod, so the order of arrival decides. Parameters: none.
//! Source: ours; kube-scheduler's order among pods of equal priority.

use super::{QueueOrder, QueueOrderRow, without_parameters};
use crate::ids::PodId;
use crate::world::View;

pub(super) const ROW: QueueOrderRow = QueueOrderRow {
    name: "fifo",
    summary: "the pod that arrived first",
    source: "order of arrival",
    parameters: &[],
    build: without_parameters::<Fifo>,
};

#[derive(Default)]
struct Fifo;

impl QueueOrder for Fifo {
    fn rank(&self, _: &View<'_>, _: PodId) -> i64 {
        0
    }
}

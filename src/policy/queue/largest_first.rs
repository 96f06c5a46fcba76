//! Largest request first.
//!
//! Rule: rank = -(largest share of the cluster's allocatable cpu, memory or GPU that the pod requests), in parts per
//! 10^12. Parameters: none.
//! Source: first-fit decreasing's order, with the dominant share of Ghodsi et al. (NSDI 2011) as size.

use super::{QueueOrder, QueueOrderRow, without_parameters};
use crate::ids::PodId;
use crate::world::View;

pub(super) const ROW: QueueOrderRow = QueueOrderRow {
    name: "largest-first",
    summary: "the pod with the largest dominant share",
    source: "decreasing order of the dominant share (Ghodsi et al., NSDI 2011)",
    parameters: &[],
    build: without_parameters::<LargestFirst>,
};

#[derive(Default)]
struct LargestFirst;

impl QueueOrder for LargestFirst {
    fn rank(&self, view: &View<'_>, pod: PodId) -> i64 {
        let (class, totals) = (view.class_of(pod), &view.world.totals);
        let gpu = class.gpu.as_ref().map_or(0, |gpu| gpu.total_milli());
        let share = |amount: u64, of: u64| if of == 0 { 0.0 } else { amount as f64 / of as f64 };
        let dominant = share(class.requests.cpu.0, totals.cpu_allocatable)
            .max(share(class.requests.memory.0, totals.memory_allocatable))
            .max(share(gpu, totals.gpu_allocatable));
        -((dominant * 1e12) as i64)
    }
}

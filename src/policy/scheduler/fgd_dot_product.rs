//! The DotProd that FGD was compared with: the smallest product of request and free amounts.
//!
//! Decides: the highest of trunc(100 (1 - (C c + G g) / 2)), with C and c the node's free and the pod's requested cpu
//! in units of 128 cores, G and g the same for GPU in units of 8, summed over devices. Memory does not count. A shared
//! GPU is the fitting one with the least left.
//! Parameters: none. Source: DotProd in the simulator of Weng et al., "Beware of Fragmentation" (USENIX ATC 2023;
//! hkust-adsl/kubernetes-scheduler-simulator at 8f3d641). Known deviations: none.
//! Example: a pod of 64 cores and 4 GPUs; nodes with 64 cores and 4 GPUs, or 128 cores and 8 GPUs free: 75 (0.25 and
//! 0.25) against 50 (0.5 and 0.5), so the first is taken.

use serde_json::Value;

use super::scored::{Scored, Scorer};
use super::{Scheduler, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::policy::parameters::{self, ParameterError};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "fgd-dot-product",
    summary: "the node with the smallest dot product of request and free cpu and GPU",
    source: "DotProd of Weng et al., Beware of Fragmentation (USENIX ATC 2023)",
    parameters: &[],
    build: |parameters, _, _| build(parameters),
};

struct FgdDotProduct;

fn build(parameters: &Value) -> Result<Box<dyn Scheduler>, ParameterError> {
    parameters::none(parameters)?;
    Ok(Box::new(Scored::new(FgdDotProduct)))
}

impl Scorer for FgdDotProduct {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        let (nodes_now, class) = (&view.world.nodes, view.class(class));
        let gpu = class.gpu.as_ref().map_or(0, |gpu| gpu.total_milli());
        scores.extend(nodes.iter().map(|node| {
            let free = [nodes_now.free_cpu[node.index()], u64::from(nodes_now.gpu_left_total[node.index()])];
            grade(free, [class.requests.cpu.0, gpu])
        }));
    }
}

/// Milli-cores and milli-GPU of the largest node of the paper's trace.
const LARGEST: [f64; 2] = [128_000.0, 8000.0];

/// How little `free` and `requested` (milli-cores, milli-GPU) have in common, in whole percent.
#[inline]
fn grade(free: [u64; 2], requested: [u64; 2]) -> Score {
    let product = |r: usize| (free[r] as f64 / LARGEST[r]) * (requested[r] as f64 / LARGEST[r]);
    ((1.0 - (product(0) + product(1)) / 2.0) * 100.0) as Score
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_products_score_high() {
        for (free, requested, score) in [
            // 1 - (0.5 x 0.5 + 0.5 x 0.5) / 2
            ([64_000, 4000], [64_000, 4000], 75),
            // 1 - (1 x 0.5 + 1 x 0.5) / 2
            ([128_000, 8000], [64_000, 4000], 50),
            // 1 - (0.75 x 0.0625) / 2 = 0.97656...
            ([96_000, 8000], [8000, 0], 97),
            ([0, 0], [0, 0], 100),
        ] {
            assert_eq!(grade(free, requested), score, "{free:?} {requested:?}");
        }
    }
}

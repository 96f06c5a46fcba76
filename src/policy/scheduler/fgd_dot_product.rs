//! Dot product as the FGD study defines it: the node whose free resources are least aligned with the request.
//!
//! Decides: the highest of trunc(100 (1 - (C/128000 c/128000 + G/8000 g/8000) / 2)), C and G the milli-cores and
//! milli-GPU left before placing, c and g the request.
//! Parameters: none.
//! Source: the DotProd baseline of Weng et al. (USENIX ATC 2023), simulator hkust-adsl/kubernetes-scheduler-simulator at
//! 8f3d641.
//! Known deviations: scores below -150, of nodes of many times the scale, count as -150; the golden cases agree.
//! Example: one of 8 GPUs and 12 cores on an empty node of 96 cores score trunc(100 (1 - (0.0703 + 0.125) / 2)) = 90.

use super::fgd_best_fit::{CPU_SCALE, GPU_SCALE, SCORES};
use super::scored::{self, Scorer};
use super::{Build, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "fgd-dot-product",
    summary: "the node whose free cpu and GPU are least aligned with the request",
    source: "DotProd of Weng et al., Beware of Fragmentation (USENIX ATC 2023)",
    parameters: &[],
    build: Build::Score(|parameters, _| scored::without_parameters(parameters, FgdDotProduct)),
};

pub(super) struct FgdDotProduct;

impl Scorer for FgdDotProduct {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        let class = view.class(class);
        let cpu = class.requests.cpu.0 as f64;
        let gpu = class.gpu.as_ref().map_or(0, |gpu| gpu.total_milli()) as f64;
        let columns = &view.world.nodes;
        scores.extend(nodes.iter().map(|node| {
            let i = node.index();
            alignment_score([columns.free_cpu[i] as f64, f64::from(columns.gpu_left_total[i])], [cpu, gpu])
        }));
    }

    /// Wider than 0 to 100: nodes larger than the scale of the study score below zero.
    fn range(&self) -> std::ops::RangeInclusive<Score> {
        SCORES
    }
}

fn alignment_score(left: [f64; 2], request: [f64; 2]) -> Score {
    let cpu = (left[0] / CPU_SCALE) * (request[0] / CPU_SCALE);
    let gpu = (left[1] / GPU_SCALE) * (request[1] / GPU_SCALE);
    let score = (100.0 * (1.0 - (cpu + gpu) / 2.0)) as Score;
    score.max(*SCORES.start())
}

#[cfg(test)]
mod tests {
    use super::alignment_score;

    #[test]
    fn aligned_nodes_score_lower() {
        // 0.75 x 0.09375 + 1 x 0.125 = 0.1953; 100 (1 - 0.0977) = 90.2
        assert_eq!(alignment_score([96_000.0, 8_000.0], [12_000.0, 1_000.0]), 90);
        assert_eq!(alignment_score([0.0, 0.0], [12_000.0, 1_000.0]), 100);
        assert_eq!(alignment_score([128_000.0, 8_000.0], [128_000.0, 8_000.0]), 0);
    }
}

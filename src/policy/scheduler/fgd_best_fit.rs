//! Best fit as the FGD study defines it: the node with the least cpu and GPU left.
//!
//! Decides: the highest of trunc(100 (1 - ((C - c) / 128000 x 0.5 + (G - g) / 8000 x 0.5))), C and G the milli-cores and
//! milli-GPU left before placing, c and g the request. Reported after min-max normalisation over the feasible nodes.
//! Parameters: none. The divisors are fixed, so small nodes look full and are preferred.
//! Source: the BestFit baseline of Weng et al. (USENIX ATC 2023), simulator hkust-adsl/kubernetes-scheduler-simulator at
//! 8f3d641.
//! Known deviations: scores below -150, of nodes of many times the scale, count as -150; the golden cases agree.
//! Example: 64 of 128 cores and 4 of 8 GPUs left after placing score 50.

use super::scored::{self, Scorer};
use super::{Build, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "fgd-best-fit",
    summary: "the node with the least cpu and GPU left, by the fixed scale of the FGD study",
    source: "BestFit of Weng et al., Beware of Fragmentation (USENIX ATC 2023)",
    parameters: &[],
    build: Build::Score(|parameters, _| scored::without_parameters(parameters, FgdBestFit)),
};

/// Milli-cores of the largest node of the study.
pub(super) const CPU_SCALE: f64 = 128_000.0;
/// Milli-GPU of the largest node of the study.
pub(super) const GPU_SCALE: f64 = 8_000.0;

/// Lowest and highest score: below the lowest, nodes are all alike.
pub(super) const SCORES: std::ops::RangeInclusive<Score> = -150..=100;

pub(super) struct FgdBestFit;

impl Scorer for FgdBestFit {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        let class = view.class(class);
        let (cpu, gpu) = (class.requests.cpu.0, class.gpu.as_ref().map_or(0, |gpu| gpu.total_milli()));
        let columns = &view.world.nodes;
        scores.extend(nodes.iter().map(|node| {
            let i = node.index();
            left_score((columns.free_cpu[i] - cpu) as f64, (u64::from(columns.gpu_left_total[i]) - gpu) as f64)
        }));
    }

    fn normalised(&self) -> bool {
        true
    }

    /// Wider than 0 to 100: nodes larger than the scale of the study score below zero.
    fn range(&self) -> std::ops::RangeInclusive<Score> {
        SCORES
    }
}

fn left_score(cpu_left: f64, gpu_left: f64) -> Score {
    let score = (100.0 * (1.0 - (cpu_left / CPU_SCALE * 0.5 + gpu_left / GPU_SCALE * 0.5))) as Score;
    score.max(*SCORES.start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::scheduler::Decision;
    use crate::testkit::{cluster, policy, step};
    use crate::world::World;

    #[test]
    fn less_left_scores_higher() {
        assert_eq!(left_score(64_000.0, 4_000.0), 50);
        assert_eq!(left_score(0.0, 0.0), 100);
        assert_eq!(left_score(32_000.0, 1_000.0), 81); // 100 (1 - (0.125 + 0.0625)) = 81.25
    }

    #[test]
    fn the_reported_score_is_normalised() {
        let nodes =
            cluster().node("large").cpu(96_000).gpus("G2", 8).times(2).node("small").cpu(64_000).gpus("P100", 2);
        let model = nodes.pod("p").cpu(8000).gpu(1, 1000).model();
        let (mut world, mut scheduler) = (World::new(&model), policy("fgd-best-fit", &model));
        let mut report = || match step(&mut *scheduler, &model, &mut world, ClassId(0)) {
            Decision::Place(placement) => (placement.node.0, placement.feasible, placement.best, placement.ties),
            Decision::Unschedulable => panic!("there is room"),
        };
        // 71 against 21 and 21; then 81 against the same (48/128 and 0/8 left); then the large nodes are equal.
        assert_eq!([report(), report(), report()], [(2, 3, 100, 1), (2, 3, 100, 1), (0, 2, 0, 2)]);
    }
}

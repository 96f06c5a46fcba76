//! The BestFit that FGD was compared with: least cpu and GPU left, measured against the largest node there is.
//!
//! Decides: the highest of s = trunc(100 (1 - (0.5 (free cpu - requested) / 128 cores + 0.5 (free GPU - requested) / 8
//! GPUs))), free GPU summed over the node's devices. Reported is s after min-max normalisation over the feasible nodes:
//! 100 for the best, 0 when all are equal. Memory does not count. A shared GPU is the fitting one with the least left.
//! Parameters: none. Source: BestFit in the simulator of Weng et al., "Beware of Fragmentation" (USENIX ATC 2023;
//! hkust-adsl/kubernetes-scheduler-simulator at 8f3d641). Known deviations: none.
//! Example: a pod of 8 cores and 1 GPU; nodes with 64 cores and 2 GPUs, or 96 cores and 8 GPUs free: 56/128 and 1/8
//! left give 71, 88/128 and 7/8 left give 21; the first is taken, and 100 reported.

use serde_json::Value;

use super::scored::{Scored, Scorer};
use super::{Scheduler, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::policy::parameters::{self, ParameterError};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "fgd-best-fit",
    summary: "the node with least cpu and GPU left, by fixed measures",
    source: "BestFit of Weng et al., Beware of Fragmentation (USENIX ATC 2023)",
    parameters: &[],
    build: |parameters, _, _| build(parameters),
};

struct FgdBestFit;

fn build(parameters: &Value) -> Result<Box<dyn Scheduler>, ParameterError> {
    parameters::none(parameters)?;
    Ok(Box::new(Scored::new(FgdBestFit)))
}

impl Scorer for FgdBestFit {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        let (nodes_now, class) = (&view.world.nodes, view.class(class));
        let gpu = class.gpu.as_ref().map_or(0, |gpu| gpu.total_milli());
        scores.extend(nodes.iter().map(|node| {
            let i = node.index();
            grade(nodes_now.free_cpu[i] - class.requests.cpu.0, u64::from(nodes_now.gpu_left_total[i]) - gpu)
        }));
    }

    fn normalised(&self) -> bool {
        true
    }
}

/// Milli-cores of the largest node of the paper's trace.
const CPU_MILLI_LARGEST: f64 = 128_000.0;
/// Milli-GPU of the largest node of the paper's trace.
const GPU_MILLI_LARGEST: f64 = 8000.0;

/// How full a node is that has so many milli-cores and milli-GPU left, in whole percent.
#[inline]
fn grade(cpu_left: u64, gpu_left: u64) -> Score {
    let left = cpu_left as f64 / CPU_MILLI_LARGEST * 0.5 + gpu_left as f64 / GPU_MILLI_LARGEST * 0.5;
    ((1.0 - left) * 100.0) as Score
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::scheduler::Decision;
    use crate::testkit::{cluster, policy, step};
    use crate::world::World;

    #[test]
    fn fuller_nodes_score_higher() {
        for (cpu_left, gpu_left, score) in [
            (0, 0, 100),
            (128_000, 8000, 0),
            // 1 - (0.4375 / 2 + 0.125 / 2) = 0.71875
            (56_000, 1000, 71),
            // 1 - (0.6875 / 2 + 0.875 / 2) = 0.21875
            (88_000, 7000, 21),
            // 1 - (2 / 2 + 2 / 2) = -1: nodes larger than the largest of the trace score below 0.
            (256_000, 16_000, -100),
        ] {
            assert_eq!(grade(cpu_left, gpu_left), score, "{cpu_left} {gpu_left}");
        }
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

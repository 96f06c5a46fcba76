//! The GpuClustering that FGD was compared with: pods with the same GPU request keep together.
//!
//! Decides: the highest score. A pod without GPU scores 0 everywhere. Else i + m, with i = 25 (8000 - G) / 8000 rounded
//! toward zero, G the node's free milli-GPU, and m
//! - 75 where all GPU pods on the node are of the pod's kind;
//! - 50 where some are, and others are not;
//! - 25 where there is no GPU pod;
//! - 0 where all are of other kinds.
//!
//! Kinds: shared GPU, and each number of whole GPUs. A shared GPU is the fitting one with the least left.
//! Parameters: none. Source: GpuClustering in the simulator of Weng et al., "Beware of Fragmentation" (USENIX ATC 2023;
//! hkust-adsl/kubernetes-scheduler-simulator at 8f3d641).
//! Known deviations: requests for 1, 2, 4 and 8 whole GPUs are kinds of their own, all other requests for several GPUs
//! are one kind together; upstream has a kind for every number and cannot take shares of several GPUs.
//! Example: a pod of half a GPU; a node of 2 GPUs with one shared pod (1500 left) scores 20 + 75, one with a whole-GPU
//! pod (1000 left) 21, an idle one 18 + 25.

use serde_json::Value;

use super::scored::{Scored, Scorer};
use super::{Scheduler, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::policy::parameters::{self, ParameterError};
use crate::world::View;
use crate::world::nodes::{GPU_KINDS, gpu_kind};

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "gpu-clustering",
    summary: "nodes whose GPU pods request the same number of GPUs",
    source: "GpuClustering of Weng et al., Beware of Fragmentation (USENIX ATC 2023)",
    parameters: &[],
    build: |parameters, _, _| build(parameters),
};

struct GpuClustering;

fn build(parameters: &Value) -> Result<Box<dyn Scheduler>, ParameterError> {
    parameters::none(parameters)?;
    Ok(Box::new(Scored::new(GpuClustering)))
}

impl Scorer for GpuClustering {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        let Some(request) = &view.class(class).gpu else {
            scores.resize(scores.len() + nodes.len(), 0);
            return;
        };
        let (kind, nodes_now) = (gpu_kind(request), &view.world.nodes);
        scores.extend(nodes.iter().map(|node| {
            let i = node.index();
            grade(kind, &nodes_now.gpu_kind_pods[i], nodes_now.gpu_left_total[i])
        }));
    }
}

/// The score of a node with so many pods of each kind and so many milli-GPU left, for a pod of `kind`.
#[inline]
fn grade(kind: usize, pods: &[u16; GPU_KINDS], gpu_left: u32) -> Score {
    let used = 25 * (8000 - gpu_left as Score) / 8000;
    let kinds = pods.iter().filter(|&&count| count > 0).count();
    let affinity = match (pods[kind] > 0, kinds) {
        (true, 1) => 75,
        (true, _) => 50,
        (false, 0) => 25,
        (false, _) => 0,
    };
    used + affinity
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_kinds_attract() {
        for (kind, pods, gpu_left, score) in [
            // 25 x 6500 / 8000 = 20.3; alone with its kind.
            (0, [1, 0, 0, 0, 0, 0], 1500, 95),
            // 25 x 7000 / 8000 = 21.9; others only.
            (0, [0, 1, 0, 0, 0, 0], 1000, 21),
            // 25 x 6000 / 8000 = 18.75; idle.
            (0, [0, 0, 0, 0, 0, 0], 2000, 43),
            // 25 x 7500 / 8000 = 23.4; both kinds.
            (0, [2, 1, 0, 0, 0, 0], 500, 73),
            (1, [2, 1, 0, 0, 0, 0], 500, 73),
            (4, [2, 1, 0, 0, 0, 0], 500, 23),
            // An idle node of 8, and of 16: 25 x -8000 / 8000 = -25.
            (4, [0, 0, 0, 0, 0, 0], 8000, 25),
            (4, [0, 0, 0, 0, 0, 0], 16_000, 0),
            // 25 x -100 / 8000 = -0.3, rounded toward zero.
            (4, [0, 0, 0, 0, 1, 0], 8100, 75),
        ] {
            assert_eq!(grade(kind, &pods, gpu_left), score, "kind {kind} on {pods:?} with {gpu_left} left");
        }
    }
}

//! GPU clustering: pods of one GPU kind go together.
//!
//! Decides: the highest of trunc(25 (8000 - G) / 8000) + bonus, G = milli-GPU left on the node. Kinds of pods: sharing
//! a device, and one, two, four, eight whole devices. Bonus: 75 if the node's only kind is the pod's; 50 if it has that
//! kind and others; 25 if it has no GPU pod; else 0. Pods without GPU score 0.
//! Parameters: none.
//! Source: the GpuClustering baseline of Weng et al. (USENIX ATC 2023), simulator
//! hkust-adsl/kubernetes-scheduler-simulator at 8f3d641.
//! Known deviations: numbers of devices other than 1, 2, 4 and 8, and shares of several devices, form one more kind;
//! upstream has a kind for each number and refuses shares of several. As upstream, the first term is negative where more
//! than 8 devices are free.
//! Example: a one-device pod on a node with 4000 left and only such pods scores 12 + 75 = 87.

use super::scored::{self, Scorer};
use super::{Build, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::world::View;
use crate::world::nodes::{GPU_KINDS, gpu_kind};

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "gpu-clustering",
    summary: "nodes that run pods of the same number of GPUs already",
    source: "GpuClustering of Weng et al., Beware of Fragmentation (USENIX ATC 2023)",
    parameters: &[],
    build: Build::Score(|parameters, _| scored::without_parameters(parameters, GpuClustering)),
};

pub(super) struct GpuClustering;

impl Scorer for GpuClustering {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        let Some(request) = &view.class(class).gpu else {
            scores.resize(scores.len() + nodes.len(), 0);
            return;
        };
        let kind = gpu_kind(request);
        let columns = &view.world.nodes;
        scores.extend(nodes.iter().map(|node| {
            clustering_score(kind, columns.gpu_left_total[node.index()], &columns.gpu_kind_pods[node.index()])
        }));
    }

    /// From 32 devices free, 25 (8000 - 32 000) / 8000, to the only kind on a full node.
    fn range(&self) -> std::ops::RangeInclusive<Score> {
        -75..=100
    }
}

fn clustering_score(kind: usize, left_milli: u32, pods_by_kind: &[u16; GPU_KINDS]) -> Score {
    let fullness = 25 * (8000 - left_milli as Score) / 8000;
    let kinds = pods_by_kind.iter().filter(|&&pods| pods > 0).count();
    let bonus = match (pods_by_kind[kind] > 0, kinds) {
        (true, 1) => 75,
        (true, _) => 50,
        (false, 0) => 25,
        (false, _) => 0,
    };
    fullness + bonus
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_one_kind_attract_each_other() {
        for (left, pods, score) in [
            (4000, [0, 3, 0, 0, 0, 0], 12 + 75), // 25 x 4000 / 8000 = 12.5
            (4000, [1, 3, 0, 0, 0, 0], 12 + 50),
            (8000, [0; 6], 25),
            (1000, [0; 6], 21 + 25), // 25 x 7000 / 8000 = 21.875
            (6000, [2, 0, 0, 0, 0, 0], 6),
            (16_000, [0; 6], 0),            // 25 x -8000 / 8000 = -25
            (8100, [0, 1, 0, 0, 0, 0], 75), // 25 x -100 / 8000 = -0.3, rounded toward zero
        ] {
            assert_eq!(clustering_score(1, left, &pods), score, "{left} left, {pods:?}");
        }
    }
}

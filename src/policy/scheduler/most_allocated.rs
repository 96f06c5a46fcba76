//! The node that would be most allocated, as the kube-scheduler's bin-packing strategy scores it.
//!
//! Decides: the highest of floor((cpu score + memory score) / 2), each floor(100 min(requested, allocatable) /
//! allocatable) with the pod counted in and unset requests counted as 100 milli-cores and 200 MiB. A resource that a
//! node does not have is left out.
//! Parameters: none.
//! Source: kube-scheduler NodeResourcesFit, strategy MostAllocated, weights 1
//! (`pkg/scheduler/framework/plugins/noderesources/most_allocated.go`, v1.34).
//! Known deviations: ties go to the node of the lowest rank, not to a random one; all nodes are scored; the defaults
//! stand in for a whole pod that requests zero or nothing, upstream for each container that requests nothing.
//! Example: a node of 4 cores and 8 GiB with 3 cores and 2 GiB requested scores (75 + 25) / 2 = 50.

use super::scored::{self, Scorer};
use super::{Build, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::world::View;
use crate::world::nodes::scoring_request;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "most-allocated",
    summary: "the node with the largest share of cpu and memory taken",
    source: "kube-scheduler NodeResourcesFit MostAllocated (v1.34)",
    parameters: &[],
    build: Build::Score(|parameters, _| scored::without_parameters(parameters, MostAllocated)),
};

pub(super) struct MostAllocated;

impl Scorer for MostAllocated {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        let (cpu, memory) = scoring_request(view.class(class));
        let columns = &view.world.nodes;
        scores.extend(nodes.iter().map(|node| {
            let i = node.index();
            let cpu = share_taken(columns.cpu[i], columns.scoring_cpu[i] + cpu);
            let memory = share_taken(columns.memory[i], columns.scoring_memory[i] + memory);
            scored::mean_of_present([cpu, memory])
        }));
    }
}

/// Percent of `allocatable` taken, rounded down; none when there is nothing to allocate.
fn share_taken(allocatable: u64, requested: u64) -> Option<u64> {
    (requested.min(allocatable) * 100).checked_div(allocatable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{cluster, scores_of, world_with};

    #[test]
    fn shares_are_rounded_down_and_capped() {
        for (allocatable, requested, expected) in [
            (4000, 3000, Some(75)), // 300 000 / 4000
            (3000, 1000, Some(33)), // 33.3
            (1000, 2000, Some(100)),
            (0, 0, None),
        ] {
            assert_eq!(share_taken(allocatable, requested), expected);
        }
    }

    #[test]
    fn scores_are_those_of_upstream() {
        let nodes = cluster().node("a").cpu(4000).memory_mib(16_000).times(2).node("no-memory").cpu(4000).memory_mib(0);
        let pods = nodes.pod("half").cpu(2000).memory_mib(4000).pod("quarter").cpu(1000).memory_mib(4000);
        let model = pods.pod("bare").pod("cpu").cpu(1000).model();
        let world = world_with(&model, &[(0, 1, 0)]);
        // Node 0: 25 and 25. Node 1: 75 and 50, mean 62.5. Node 2 offers no memory and cannot take the pod.
        assert_eq!(scores_of(MostAllocated, &model, &world, 1), [25, 62, i32::MIN]);
        // 100 milli-cores of 4000: 2; 200 MiB of 16000: 1; mean 1.5. Node 1: 2100: 52; 4200: 26; mean 39.
        // Node 2: cpu alone: 2.
        assert_eq!(scores_of(MostAllocated, &model, &world, 2), [1, 39, 2]);
        // 1000: 25, 200 MiB: 1, mean 13. Node 1: 3000: 75, 4200: 26, mean 50.5. Node 2: 25.
        assert_eq!(scores_of(MostAllocated, &model, &world, 3), [13, 50, 25]);
    }
}

//! The node that would be most allocated, as the kube-scheduler's bin-packing strategy scores it.
//!
//! Decides: the highest of floor((cpu score + memory score) / 2), each floor(100 min(requested, allocatable) /
//! allocatable) with the pod counted in and unset requests counted as 100 milli-cores and 200 MiB. A resource that a
//! node does not have is left out.
//! Parameters: none.
//! Source: kube-scheduler NodeResourcesFit, strategy MostAllocated, weights 1
//! (`pkg/scheduler/framework/plugins/noderesources/most_allocated.go`, v1.34).
//! Known deviations: ties go to the node of the lowest rank, not to a random one; all nodes are scored.
//! Example: a node of 4 cores and 8 GiB with 3 cores and 2 GiB requested scores (75 + 25) / 2 = 50.

use super::scored::{self, Scorer};
use super::{SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::world::View;
use crate::world::nodes::scoring_request;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "most-allocated",
    summary: "the node with the largest share of cpu and memory taken",
    source: "kube-scheduler NodeResourcesFit MostAllocated (v1.34)",
    parameters: &[],
    build: |parameters, _, _| scored::without_parameters(parameters, MostAllocated),
};

struct MostAllocated;

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
    use super::share_taken;

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
}

//! The node that would be least allocated, as the stock kube-scheduler scores it.
//!
//! Decides: the highest of floor((cpu score + memory score) / 2), each floor(100 (allocatable - requested) /
//! allocatable) with the pod counted in and unset requests counted as 100 milli-cores and 200 MiB; 0 when over.
//! A resource that a node does not have is left out.
//! Parameters: none.
//! Source: kube-scheduler NodeResourcesFit, strategy LeastAllocated, weights 1
//! (`pkg/scheduler/framework/plugins/noderesources/least_allocated.go`, v1.34).
//! Known deviations: ties go to the node of the lowest rank, not to a random one; all nodes are scored.
//! Example: a node of 4 cores and 8 GiB with 3 cores and 2 GiB requested scores (25 + 75) / 2 = 50.

use std::ops::Range;

use super::scored::{self, Scorer};
use super::{SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::world::View;
use crate::world::nodes::scoring_request;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "least-allocated",
    summary: "the node with the largest share of cpu and memory left",
    source: "kube-scheduler NodeResourcesFit LeastAllocated (v1.34)",
    parameters: &[],
    build: |parameters, _, _| scored::without_parameters(parameters, LeastAllocated),
};

struct LeastAllocated;

impl Scorer for LeastAllocated {
    fn score_range(&mut self, view: &View<'_>, class: ClassId, range: Range<usize>, _: &[u8], scores: &mut [Score]) {
        let (cpu, memory) = scoring_request(view.class(class));
        let columns = &view.world.nodes;
        let cpus = columns.cpu[range.clone()].iter().zip(&columns.scoring_cpu[range.clone()]);
        let memories = columns.memory[range.clone()].iter().zip(&columns.scoring_memory[range]);
        for (score, (of_cpu, of_memory)) in scores.iter_mut().zip(cpus.zip(memories)) {
            let cpu = share_left(*of_cpu.0, of_cpu.1 + cpu);
            let memory = share_left(*of_memory.0, of_memory.1 + memory);
            *score = scored::mean_of_present([cpu, memory]);
        }
    }

    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        let (cpu, memory) = scoring_request(view.class(class));
        let columns = &view.world.nodes;
        scores.extend(nodes.iter().map(|node| {
            let i = node.index();
            let cpu = share_left(columns.cpu[i], columns.scoring_cpu[i] + cpu);
            let memory = share_left(columns.memory[i], columns.scoring_memory[i] + memory);
            scored::mean_of_present([cpu, memory])
        }));
    }
}

/// Percent of `allocatable` left, rounded down; none when there is nothing to allocate.
#[inline]
fn share_left(allocatable: u64, requested: u64) -> Option<u64> {
    if allocatable == 0 {
        return None;
    }
    Some(allocatable.saturating_sub(requested).saturating_mul(100) / allocatable)
}

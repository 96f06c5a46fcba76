//! The node that would be least allocated, as the stock kube-scheduler scores it.
//!
//! Decides: the highest of floor((cpu score + memory score) / 2), each floor(100 (allocatable - requested) /
//! allocatable) with the pod counted in and unset requests counted as 100 milli-cores and 200 MiB; 0 when over.
//! A resource that a node does not have is left out.
//! Parameters: none. Source: kube-scheduler NodeResourcesFit, strategy LeastAllocated, weights 1
//! (`pkg/scheduler/framework/plugins/noderesources/least_allocated.go`, v1.34).
//! Known deviations: ties go to the node of the lowest rank, not to a random one; all nodes are scored.

use serde_json::Value;

use super::scored::{Scored, Scorer};
use super::{Scheduler, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::policy::parameters::{self, ParameterError};
use crate::world::View;
use crate::world::nodes::scoring_request;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "least-allocated",
    summary: "the node with the largest share of cpu and memory left",
    source: "kube-scheduler NodeResourcesFit LeastAllocated (v1.34)",
    parameters: &[],
    build: |parameters, _, _| build(parameters),
};

struct LeastAllocated;

fn build(parameters: &Value) -> Result<Box<dyn Scheduler>, ParameterError> {
    parameters::none(parameters)?;
    Ok(Box::new(Scored::new(LeastAllocated)))
}

impl Scorer for LeastAllocated {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        let (cpu, memory) = scoring_request(view.class(class));
        let columns = &view.world.nodes;
        scores.extend(nodes.iter().map(|node| {
            let i = node.index();
            let cpu = share_left(columns.cpu[i], columns.scoring_cpu[i] + cpu);
            let memory = share_left(columns.memory[i], columns.scoring_memory[i] + memory);
            match (cpu, memory) {
                (Some(cpu), Some(memory)) => ((cpu + memory) / 2) as Score,
                (Some(one), None) | (None, Some(one)) => one as Score,
                (None, None) => 0,
            }
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

//! The node that would be most allocated, as kube-scheduler scores it when told to pack.
//!
//! Decides: the highest of floor((cpu score + memory score) / 2), each floor(100 requested / allocatable) with the pod
//! counted in, unset requests counted as 100 milli-cores and 200 MiB, and what is requested capped at what is
//! allocatable. A resource that a node does not have is left out; a node without both scores 0.
//! Parameters: none. Source: kube-scheduler NodeResourcesFit, strategy MostAllocated, cpu and memory with weight 1
//! (`pkg/scheduler/framework/plugins/noderesources/most_allocated.go` and `resource_allocation.go`, v1.34).
//! Known deviations: ties go to the node of the lowest rank, not to a random one; all nodes are scored; the defaults
//! stand in for a whole pod that requests zero or nothing, upstream for each container that requests nothing.
//! Example: an idle node of 4 cores and 16 GiB and one with 2 cores and 4 GiB taken; a pod of 1 core and 4 GiB: 25
//! (25 and 25) against 62 (75 and 50), so the second is taken.

use serde_json::Value;

use super::least_allocated::mean_of_offered;
use super::scored::{Scored, Scorer};
use super::{Scheduler, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::policy::parameters::{self, ParameterError};
use crate::world::View;
use crate::world::nodes::scoring_request;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "most-allocated",
    summary: "the node with the smallest share of cpu and memory left",
    source: "kube-scheduler NodeResourcesFit MostAllocated (v1.34)",
    parameters: &[],
    build: |parameters, _, _| build(parameters),
};

struct MostAllocated;

fn build(parameters: &Value) -> Result<Box<dyn Scheduler>, ParameterError> {
    parameters::none(parameters)?;
    Ok(Box::new(Scored::new(MostAllocated)))
}

impl Scorer for MostAllocated {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        let (cpu, memory) = scoring_request(view.class(class));
        let columns = &view.world.nodes;
        scores.extend(nodes.iter().map(|node| {
            let i = node.index();
            mean_of_offered(
                share_requested(columns.cpu[i], columns.scoring_cpu[i] + cpu),
                share_requested(columns.memory[i], columns.scoring_memory[i] + memory),
            )
        }));
    }
}

/// Percent of `allocatable` requested, at most 100 and rounded down; none when there is nothing to allocate.
#[inline]
fn share_requested(allocatable: u64, requested: u64) -> Option<u64> {
    if allocatable == 0 {
        return None;
    }
    Some(requested.min(allocatable).saturating_mul(100) / allocatable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{cluster, scores_of, world_with};

    #[test]
    fn shares_are_capped_and_rounded_down() {
        for (allocatable, requested, share) in [
            (4000, 1000, Some(25)),
            // 100 x 2 / 3 = 66.7
            (3000, 2000, Some(66)),
            // Defaults of pods without requests can add up to more than there is.
            (1000, 1100, Some(100)),
            (0, 0, None),
            (0, 100, None),
        ] {
            assert_eq!(share_requested(allocatable, requested), share, "{requested} of {allocatable}");
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

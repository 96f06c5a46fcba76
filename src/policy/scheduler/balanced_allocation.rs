//! The node whose cpu and memory would be taken most evenly, as kube-scheduler scores it.
//!
//! Decides: the highest of trunc(100 (1 - s)), with s half the difference of the requested shares of cpu and memory
//! (their standard deviation), each min(1, requested / allocatable) with the pod counted in and unset requests counted
//! as nothing. With one resource offered s is 0. A pod that requests neither cpu nor memory scores 0 everywhere.
//! Parameters: none. Source: kube-scheduler NodeResourcesBalancedAllocation with its default resources, cpu and memory
//! (`pkg/scheduler/framework/plugins/noderesources/balanced_allocation.go` and `resource_allocation.go`, v1.34).
//! Known deviations: upstream uses this score beside others and never alone; ties go to the node of the lowest rank, not
//! to a random one; all nodes are scored.
//! Example: a node of 4 cores and 16 GiB, a pod of 2 cores and 4 GiB: 1/2 against 1/4, s = 1/8, score 87.

use serde_json::Value;

use super::scored::{Scored, Scorer};
use super::{Scheduler, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::policy::parameters::{self, ParameterError};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "balanced-allocation",
    summary: "the node whose cpu and memory are taken most evenly",
    source: "kube-scheduler NodeResourcesBalancedAllocation (v1.34)",
    parameters: &[],
    build: |parameters, _, _| build(parameters),
};

struct BalancedAllocation;

fn build(parameters: &Value) -> Result<Box<dyn Scheduler>, ParameterError> {
    parameters::none(parameters)?;
    Ok(Box::new(Scored::new(BalancedAllocation)))
}

impl Scorer for BalancedAllocation {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        let (cpu, memory) = (view.class(class).requests.cpu.0, view.class(class).requests.memory.0);
        if cpu == 0 && memory == 0 {
            scores.resize(scores.len() + nodes.len(), 0);
            return;
        }
        let columns = &view.world.nodes;
        scores.extend(nodes.iter().map(|node| {
            let i = node.index();
            grade(
                fraction(columns.cpu[i], columns.cpu[i] - columns.free_cpu[i] + cpu),
                fraction(columns.memory[i], columns.memory[i] - columns.free_memory[i] + memory),
            )
        }));
    }
}

/// The share of `allocatable` that is requested, at most 1; none when there is nothing to allocate.
#[inline]
fn fraction(allocatable: u64, requested: u64) -> Option<f64> {
    (allocatable > 0).then(|| (requested as f64 / allocatable as f64).min(1.0))
}

/// How even two shares are, in whole percent.
#[inline]
fn grade(cpu: Option<f64>, memory: Option<f64>) -> Score {
    let deviation = match (cpu, memory) {
        (Some(cpu), Some(memory)) => ((cpu - memory) / 2.0).abs(),
        _ => 0.0,
    };
    ((1.0 - deviation) * 100.0) as Score
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{cluster, scores_of, world_with};

    #[test]
    fn even_shares_score_best() {
        for (cpu, memory, score) in [
            (Some(0.5), Some(0.5), 100),
            // 1 - 0.25 / 2 = 0.875
            (Some(0.5), Some(0.25), 87),
            (Some(0.25), Some(0.5), 87),
            // 1 - 1 / 2
            (Some(0.0), Some(1.0), 50),
            // One resource cannot be uneven.
            (Some(0.7), None, 100),
            (None, None, 100),
        ] {
            assert_eq!(grade(cpu, memory), score, "{cpu:?} {memory:?}");
        }
    }

    #[test]
    fn scores_are_those_of_upstream() {
        let nodes = cluster().node("a").cpu(4000).memory_mib(16_000).times(2);
        let pods = nodes.pod("half").cpu(2000).memory_mib(4000).pod("memory").memory_mib(4000).pod("bare");
        let model = pods.model();
        let world = world_with(&model, &[(0, 1, 0), (2, 1, 0)]);
        // Node 0: 0.5 and 0.25. Node 1: 1.0 and 0.5, s = 0.25; the bare pod there counts nothing.
        assert_eq!(scores_of(BalancedAllocation, &model, &world, 0), [87, 75]);
        // Node 0: 0 and 0.25, s = 0.125. Node 1: 0.5 and 0.5.
        assert_eq!(scores_of(BalancedAllocation, &model, &world, 1), [87, 100]);
        // Without requests upstream skips the score.
        assert_eq!(scores_of(BalancedAllocation, &model, &world, 2), [0, 0]);
    }
}

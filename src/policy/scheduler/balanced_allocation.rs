//! The node whose cpu and memory would be taken most evenly.
//!
//! Decides: the highest of trunc(100 (1 - |cpu fraction - memory fraction| / 2)), each fraction = requested / allocatable
//! with the pod counted in, at most 1. A node that lacks one of the two scores 100. Pods that request neither score 0
//! everywhere.
//! Parameters: none.
//! Source: kube-scheduler NodeResourcesBalancedAllocation, resources cpu and memory
//! (`pkg/scheduler/framework/plugins/noderesources/balanced_allocation.go`, v1.34), after Huang et al. on balanced
//! resource use.
//! Known deviations: ties go to the node of the lowest rank, not to a random one; all nodes are scored.
//! Example: cpu 3 of 4 cores (0.75) and memory 2 of 8 GiB (0.25) score trunc(100 (1 - 0.25)) = 75.

use super::scored::{self, Scorer};
use super::{Build, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "balanced-allocation",
    summary: "the node whose cpu and memory would be taken most evenly",
    source: "kube-scheduler NodeResourcesBalancedAllocation (v1.34)",
    parameters: &[],
    build: Build::Score(|parameters, _| scored::without_parameters(parameters, BalancedAllocation)),
};

pub(super) struct BalancedAllocation;

impl Scorer for BalancedAllocation {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        let requests = &view.class(class).requests;
        let (cpu, memory) = (requests.cpu.0, requests.memory.0);
        if cpu == 0 && memory == 0 {
            scores.resize(scores.len() + nodes.len(), 0);
            return;
        }
        let columns = &view.world.nodes;
        scores.extend(nodes.iter().map(|node| {
            let i = node.index();
            let cpu = fraction(columns.cpu[i], columns.cpu[i] - columns.free_cpu[i] + cpu);
            let memory = fraction(columns.memory[i], columns.memory[i] - columns.free_memory[i] + memory);
            balance(cpu, memory)
        }));
    }
}

fn fraction(allocatable: u64, requested: u64) -> Option<f64> {
    (allocatable > 0).then(|| (requested as f64 / allocatable as f64).min(1.0))
}

/// One hundred less the standard deviation of the two fractions in percent.
fn balance(cpu: Option<f64>, memory: Option<f64>) -> Score {
    let deviation = cpu.zip(memory).map_or(0.0, |(cpu, memory)| ((cpu - memory) / 2.0).abs());
    ((1.0 - deviation) * 100.0) as Score
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{cluster, scores_of, world_with};

    #[test]
    fn even_use_scores_highest() {
        for (cpu, memory, score) in [
            (Some(0.75), Some(0.25), 75), // 100 (1 - 0.5 / 2)
            (Some(0.5), Some(0.5), 100),
            (Some(1.0), Some(0.0), 50),
            (Some(0.9), None, 100),
        ] {
            assert_eq!(balance(cpu, memory), score);
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

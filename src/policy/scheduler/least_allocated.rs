//! The node that would be least allocated, as the stock kube-scheduler scores it.
//!
//! Decides: the highest of floor((cpu score + memory score) / 2), each floor(100 (allocatable - requested) /
//! allocatable) with the pod counted in and unset requests counted as 100 milli-cores and 200 MiB; 0 when over.
//! A resource that a node does not have is left out.
//! Parameters: none.
//! Source: kube-scheduler NodeResourcesFit, strategy LeastAllocated, weights 1
//! (`pkg/scheduler/framework/plugins/noderesources/least_allocated.go`, v1.34).
//! Known deviations: ties go to the node of the lowest rank, not to a random one; all nodes are scored; the defaults
//! stand in for a whole pod that requests zero or nothing, upstream for each container that requests nothing.
//! Example: a node of 4 cores and 8 GiB with 3 cores and 2 GiB requested scores (25 + 75) / 2 = 50.

use super::rows::{self, Rows};
use super::scored::{self, Scorer};
use super::{Build, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::model::PodClass;
use crate::world::View;
use crate::world::nodes::scoring_request;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "least-allocated",
    summary: "the node with the largest share of cpu and memory left",
    source: "kube-scheduler NodeResourcesFit LeastAllocated (v1.34)",
    parameters: &[],
    build: Build::Score(|parameters, _| scored::without_parameters(parameters, LeastAllocated)),
};

pub(super) struct LeastAllocated;

impl Scorer for LeastAllocated {
    fn scores_rows(&self) -> bool {
        true
    }

    fn score_rows(&mut self, class: &PodClass, rows: &Rows<'_>, scores: &mut [f64]) {
        let (cpu, memory) = scoring_request(class);
        let (cpu, memory) = (cpu as f64, memory as f64);
        let n = scores.len();
        let (cpu_percent, memory_percent) = (&rows.cpu_percent[..n], &rows.memory_percent[..n]);
        let (left_cpu, left_memory) = (&rows.scoring_cpu[..n], &rows.scoring_memory[..n]);
        for i in 0..n {
            let cpu = rows::percent(left_cpu[i] - cpu, cpu_percent[i]);
            let memory = rows::percent(left_memory[i] - memory, memory_percent[i]);
            scores[i] = rows::half(cpu + memory);
        }
    }

    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        let request = scoring_request(view.class(class));
        scores.extend(nodes.iter().map(|node| score(view, request, *node)));
    }

    #[inline(always)]
    fn score_one(&mut self, view: &View<'_>, class: ClassId, node: NodeId) -> Option<Score> {
        Some(score(view, scoring_request(view.class(class)), node))
    }
}

#[inline(always)]
fn score(view: &View<'_>, (cpu, memory): (u64, u64), node: NodeId) -> Score {
    let (columns, i) = (&view.world.nodes, node.index());
    let (of_cpu, of_memory) = (columns.cpu[i], columns.memory[i]);
    let (cpu, memory) = (columns.scoring_cpu[i] + cpu, columns.scoring_memory[i] + memory);
    let in_rows = |amount: u64| (1..=rows::AMOUNT_MAX).contains(&amount);
    if in_rows(of_cpu) && in_rows(of_memory) {
        // As in rows: without divisions of integers, and back to an integer but once.
        let percent = |requested: u64, of: u64| {
            rows::percent(of.saturating_sub(requested) as i64 as f64, 100.0 / of as i64 as f64)
        };
        return Score::from(rows::integer(rows::half(percent(cpu, of_cpu) + percent(memory, of_memory))));
    }
    scored::mean_of_present([share_left(of_cpu, cpu), share_left(of_memory, memory)])
}

/// Percent of `allocatable` left, rounded down; none when there is nothing to allocate.
fn share_left(allocatable: u64, requested: u64) -> Option<u64> {
    let left = u128::from(allocatable.saturating_sub(requested));
    (left * 100).checked_div(u128::from(allocatable)).map(|percent| percent as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{cluster, scores_of, world_with};

    #[test]
    fn shares_are_rounded_down_and_never_negative() {
        for (allocatable, requested, share) in [
            (4000, 1000, Some(75)),
            // 100 x 1 / 3 = 33.3
            (3000, 2000, Some(33)),
            // Defaults of pods without requests can add up to more than there is.
            (1000, 1100, Some(0)),
            (0, 0, None),
            (0, 100, None),
        ] {
            assert_eq!(share_left(allocatable, requested), share, "{requested} of {allocatable}");
        }
    }

    #[test]
    fn floating_point_scores_are_the_integer_ones() {
        let mut stream = crate::rng::Seed { base: 1, replication: 0 }.stream("test/shares", 0);
        for _ in 0..200 {
            // Around the bound of what is scored in floating point.
            let memory_mib = 1 + stream.below((1 << 24) * 11 / 10);
            let cpu = 1 + stream.below(1000);
            let nodes = cluster().node("a").cpu(cpu).memory_mib(memory_mib);
            let (cpu_wanted, memory_wanted) = (1 + stream.below(cpu), 1 + stream.below(memory_mib));
            let model = nodes.pod("p").cpu(cpu_wanted).memory_mib(memory_wanted).model();
            let world = world_with(&model, &[]);
            let exact = (100 * (cpu - cpu_wanted) / cpu + 100 * (memory_mib - memory_wanted) / memory_mib) / 2;
            assert_eq!(scores_of(LeastAllocated, &model, &world, 0), [exact as i32], "{cpu_wanted} of {cpu}");
        }
    }

    #[test]
    fn scores_are_those_of_upstream() {
        let nodes = cluster().node("a").cpu(4000).memory_mib(16_000).times(2).node("no-memory").cpu(4000).memory_mib(0);
        let pods = nodes.pod("half").cpu(2000).memory_mib(4000).pod("quarter").cpu(1000).memory_mib(4000);
        let model = pods.pod("bare").pod("cpu").cpu(1000).model();
        let world = world_with(&model, &[(0, 1, 0)]);
        // Node 0: 75 and 75. Node 1: 25 and 50, mean 37.5. Node 2 offers no memory and cannot take the pod.
        assert_eq!(scores_of(LeastAllocated, &model, &world, 1), [75, 37, i32::MIN]);
        // 3900 of 4000: 97; 15800 of 16000: 98; mean 97.5. Node 1: 1900: 47; 11800: 73; mean 60. Node 2: cpu alone: 97.
        assert_eq!(scores_of(LeastAllocated, &model, &world, 2), [97, 60, 97]);
        // 3000: 75, 15800: 98, mean 86.5. Node 1: 1000: 25, 11800: 73, mean 49. Node 2: 75.
        assert_eq!(scores_of(LeastAllocated, &model, &world, 3), [86, 49, 75]);
    }
}

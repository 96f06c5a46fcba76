//! Any node that fits.
//!
//! Decides: a node drawn uniformly from the feasible ones; a pod that shares a GPU takes a device drawn uniformly from
//! those that fit, whole GPUs are the free ones with the lowest index. Draws come from the stream `scheduler/random`
//! of the run's seed: one per placement, and one more for a shared GPU.
//! Parameters: none. Source: Random of Weng et al., "Beware of Fragmentation" (USENIX ATC 2023); the draws are ours, so
//! single runs differ from theirs and means agree.
//! Example: two nodes with room: either with probability 1/2, whatever their load.

use serde_json::Value;

use super::index::NodeIndex;
use super::{Decision, Placement, Scheduler, SchedulerRow, gpus, unscored};
use crate::ids::{ClassId, NodeId};
use crate::model::cluster::GPU_MILLI;
use crate::policy::parameters::{self, ParameterError};
use crate::rng::{Seed, Stream};
use crate::world::{GpuMask, View};

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "random",
    summary: "any node that fits, with equal chances",
    source: "uniform choice; Random of Weng et al. (USENIX ATC 2023)",
    parameters: &[],
    build: |parameters, _, seed| build(parameters, seed),
};

struct Random {
    index: NodeIndex,
    stream: Stream,
}

fn build(parameters: &Value, seed: Seed) -> Result<Box<dyn Scheduler>, ParameterError> {
    parameters::none(parameters)?;
    Ok(Box::new(Random { index: NodeIndex::default(), stream: seed.stream("scheduler/random", 0) }))
}

impl Random {
    fn choose_gpus(&mut self, view: &View<'_>, class: ClassId, node: NodeId) -> GpuMask {
        match &view.class(class).gpu {
            Some(request) if request.count == 1 && request.milli < GPU_MILLI => {
                let left = view.world.nodes.gpu_left(node);
                let fitting: Vec<usize> = (0..left.len()).filter(|&device| left[device] >= request.milli).collect();
                1 << fitting[self.stream.below(fitting.len() as u64) as usize]
            }
            _ => gpus::best_fit_on(view, class, node),
        }
    }
}

impl Scheduler for Random {
    fn decide(&mut self, view: &View<'_>, class: ClassId) -> Decision {
        let candidates = self.index.refresh(view, class, &mut unscored);
        let feasible = candidates.feasible();
        if feasible == 0 {
            return Decision::Unschedulable;
        }
        let node = candidates.nth(self.stream.below(u64::from(feasible)) as u32);
        let gpus = self.choose_gpus(view, class, node);
        Decision::Place(Placement { node, gpus, feasible, best: -1, ties: 1 })
    }
}

#[cfg(test)]
mod tests {
    use crate::ids::ClassId;
    use crate::policy::scheduler::Decision;
    use crate::testkit::{cluster, policy};
    use crate::world::{View, World};

    #[test]
    fn nodes_and_shared_devices_are_equally_likely() {
        let nodes = cluster().node("n").cpu(8000).gpus("T4", 2).times(2).node("small").cpu(500).gpus("T4", 2);
        let model = nodes.pod("share").cpu(1000).gpu(1, 500).model();
        let world = World::new(&model);
        let mut scheduler = policy("random", &model);
        let mut counts = [[0u32; 2]; 2];
        for _ in 0..4000 {
            let decision = scheduler.decide(&View { model: &model, world: &world }, ClassId(0));
            let Decision::Place(placement) = decision else { panic!("two nodes fit") };
            assert_eq!(placement.feasible, 2);
            counts[placement.node.index()][placement.gpus.trailing_zeros() as usize] += 1;
        }
        // Each of four outcomes has mean 4000 / 4 = 1000 and standard deviation sqrt(4000 x 1/4 x 3/4) = 27.4; the
        // bound is five of them.
        assert!(counts.iter().flatten().all(|&count| count.abs_diff(1000) < 137), "{counts:?}");
    }
}

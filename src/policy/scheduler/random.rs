//! Random: any node that fits.
//!
//! Decides: a feasible node, each equally likely; a pod that shares a device gets a fitting one, each equally likely.
//! Parameters: none.
//! Source: the Random baseline of Weng et al. (USENIX ATC 2023).
//! Known deviations: draws come from the policy's own stream, so single placements differ from the authors'; their
//! distribution does not.
//! Example: nodes 1 and 4 fit: either, with probability one half.

use super::index::NodeIndex;
use super::scored::FeasibleOnly;
use super::{Build, Decision, Placement, Scheduler, SchedulerRow, gpus};
use crate::ids::{ClassId, NodeId};
use crate::model::cluster::GPU_MILLI;
use crate::policy::parameters;
use crate::rng::Stream;
use crate::world::{GpuMask, View};

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "random",
    summary: "any node that fits, each equally likely",
    source: "Random of Weng et al., Beware of Fragmentation (USENIX ATC 2023)",
    parameters: &[],
    build: Build::Other(|parameters, _, seed| {
        parameters::none(parameters)?;
        Ok(Box::new(Random { stream: seed.stream("scheduler/random", 0), index: NodeIndex::default() }))
    }),
};

struct Random {
    stream: Stream,
    index: NodeIndex,
}

impl Scheduler for Random {
    fn decide(&mut self, view: &View<'_>, class: ClassId) -> Decision {
        let candidates = self.index.refresh(view, class, &mut FeasibleOnly);
        let feasible = candidates.feasible();
        if feasible == 0 {
            return Decision::Unschedulable;
        }
        let node = candidates.nth(self.stream.below(feasible.into()) as u32);
        let gpus = self.choose_gpus(view, class, node);
        Decision::Place(Placement { node, gpus, feasible, best: -1, ties: 1 })
    }
}

impl Random {
    fn choose_gpus(&mut self, view: &View<'_>, class: ClassId, node: NodeId) -> GpuMask {
        let left = view.world.nodes.gpu_left(node);
        match &view.class(class).gpu {
            None => 0,
            Some(request) if request.count == 1 && request.milli < GPU_MILLI => {
                let fitting: Vec<usize> = (0..left.len()).filter(|&device| left[device] >= request.milli).collect();
                1 << fitting[self.stream.below(fitting.len() as u64) as usize]
            }
            Some(request) => gpus::best_fit(request, left),
        }
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

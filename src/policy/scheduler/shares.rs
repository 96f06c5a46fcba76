//! Requests and free amounts of cpu, memory and GPU as shares of what one node offers.
//!
//! What the policies of this project's own making have in common: three numbers each, in this order, all in f64 with
//! the sums taken from left to right, so that every platform gets the same bits.

use crate::ids::{ClassId, NodeId};
use crate::world::View;

/// How fine the integer scores of our own policies are: a whole is a million.
pub(super) const SCALE: f64 = 1_000_000.0;

/// Shares of the node's allocatable cpu, memory and GPU; 0 for a resource that the node does not offer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shares {
    /// What the pod requests.
    pub(super) demand: [f64; 3],
    /// What is free before the pod is placed.
    pub(super) free: [f64; 3],
}

impl Shares {
    /// The shares of a pod of `class` and of what is free on `node`.
    pub(super) fn new(view: &View<'_>, class: ClassId, node: NodeId) -> Shares {
        let (nodes, class, i) = (&view.world.nodes, view.class(class), node.index());
        let gpu_demand = class.gpu.as_ref().map_or(0, |gpu| gpu.total_milli());
        let gpu_offered = u64::from(nodes.gpu_count(node)) * 1000;
        let share = |amount: u64, offered: u64| if offered == 0 { 0.0 } else { amount as f64 / offered as f64 };
        Shares {
            demand: [
                share(class.requests.cpu.0, nodes.cpu[i]),
                share(class.requests.memory.0, nodes.memory[i]),
                share(gpu_demand, gpu_offered),
            ],
            free: [
                share(nodes.free_cpu[i], nodes.cpu[i]),
                share(nodes.free_memory[i], nodes.memory[i]),
                share(u64::from(nodes.gpu_left_total[i]), gpu_offered),
            ],
        }
    }

    /// The mean share that placing the pod leaves of the resources that it requests; none if it requests nothing.
    pub(super) fn mean_left(&self) -> Option<f64> {
        let (mut sum, mut count) = (0.0, 0.0);
        for (demand, free) in self.demand.into_iter().zip(self.free) {
            if demand > 0.0 {
                sum += free - demand;
                count += 1.0;
            }
        }
        (count > 0.0).then(|| sum / count)
    }
}

/// The sum of the products, left to right.
pub(super) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{cluster, world_with};

    #[test]
    fn shares_are_relative_to_the_node() {
        let nodes = cluster().node("gpu").cpu(8000).memory_mib(1000).gpus("T4", 2).node("cpu").cpu(4000).memory_mib(0);
        let model = nodes.pod("share").cpu(2000).memory_mib(250).gpu(1, 500).pod("cpu").cpu(1000).model();
        let world = world_with(&model, &[(0, 0, 0b10)]);
        let view = View { model: &model, world: &world };
        // Node 0 has 6 of 8 cores, 750 of 1000 MiB and 1500 of 2000 milli-GPU free; the pod asks 2, 250 and 500.
        let shares = Shares::new(&view, ClassId(0), NodeId(0));
        assert_eq!(shares, Shares { demand: [0.25, 0.25, 0.25], free: [0.75, 0.75, 0.75] });
        assert_eq!(shares.mean_left(), Some(0.5));
        // Node 1 offers neither memory nor GPU; 1 of 4 cores is asked of 4 free.
        let shares = Shares::new(&view, ClassId(1), NodeId(1));
        assert_eq!(shares, Shares { demand: [0.25, 0.0, 0.0], free: [1.0, 0.0, 0.0] });
        assert_eq!(shares.mean_left(), Some(0.75));
        // 0.25 x 1 + 0 + 0
        assert_eq!(dot(shares.demand, shares.free), 0.25);
        assert_eq!(Shares { demand: [0.0; 3], ..shares }.mean_left(), None);
    }
}

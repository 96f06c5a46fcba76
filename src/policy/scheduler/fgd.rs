//! FGD: fragmentation gradient descent.
//!
//! Decides: the node where the expected GPU fragment grows least. With F the node's fragment over the typical pods
//! ([`fragment`]), the score is trunc(100 / (1 + exp(-(F before - F after) / 1000))), 0 to 100; for a pod that shares a
//! device, the best over the devices that fit, the lowest device among equals.
//! Parameters: `coverage`, the share of the workload's pods that the typical pods make up (default 0.95).
//! Source: Weng et al., "Beware of Fragmentation" (USENIX ATC 2023), and its simulator
//! (hkust-adsl/kubernetes-scheduler-simulator at 8f3d641). The integer score is part of the policy: a finer one packs
//! about one point worse.

use serde::Deserialize;
use serde_json::Value;

use super::scored::{ScorePolicy, Scored, Scorer};
use super::{Build, SchedulerRow, Score, gpus};
use crate::ids::{ClassId, NodeId};
use crate::model::Model;
use crate::model::cluster::GPU_MILLI;
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::world::fragment::{DeviceChange, FragmentTable, TypicalPod, node_fragment, typical_pods};
use crate::world::nodes::mask_devices;
use crate::world::{GpuMask, View};

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "fgd",
    summary: "the node where the expected GPU fragment grows least",
    source: "Weng et al., Beware of Fragmentation (USENIX ATC 2023)",
    parameters: &[Parameter {
        name: "coverage",
        unit: "",
        default: "0.95",
        meaning: "share of the workload's pods that the typical pods make up, above 0 and at most 1",
    }],
    build: Build::Score(build),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Params {
    coverage: f64,
}

impl Default for Params {
    fn default() -> Self {
        Params { coverage: 0.95 }
    }
}

struct Fgd {
    typical: Vec<TypicalPod>,
    table: FragmentTable,
    /// Scratch: milli-GPU left on the devices of one node.
    left: Vec<u16>,
}

fn build(parameters: &Value, model: &Model) -> Result<Box<dyn ScorePolicy>, ParameterError> {
    let params: Params = parameters::read(parameters)?;
    if !(params.coverage > 0.0 && params.coverage <= 1.0) {
        return Err(ParameterError(format!("coverage is {}, but must be above 0 and at most 1", params.coverage)));
    }
    Ok(Box::new(Scored::new(Fgd::new(model, params.coverage))))
}

impl Fgd {
    fn new(model: &Model, coverage: f64) -> Fgd {
        let typical = typical_pods(&model.cluster, &model.workload, coverage);
        let table = FragmentTable::new(&typical, model.cluster.gpu_models.len());
        Fgd { typical, table, left: Vec::new() }
    }

    /// The score of the best way to take the GPUs on `node`, and that way.
    fn best_way(&mut self, view: &View<'_>, class: ClassId, node: NodeId) -> (Score, GpuMask) {
        let nodes = &view.world.nodes;
        let class = view.class(class);
        let cpu_after = nodes.free_cpu[node.index()] - class.requests.cpu.0;
        let left = nodes.gpu_left(node);
        let before = self.table.fragment(nodes, node);
        let score = |from, to| grade(before - self.table.fragment_after(node, cpu_after, DeviceChange { from, to }));
        match &class.gpu {
            None => (score(0, 0), 0),
            Some(request) if request.count == 1 && request.milli < GPU_MILLI => {
                let mut best = (Score::MIN, 0);
                for (device, &from) in left.iter().enumerate() {
                    // A device with as much left as an earlier one scores the same, and the earlier one wins.
                    if from >= request.milli && !left[..device].contains(&from) {
                        let grade = score(from, from - request.milli);
                        if grade > best.0 {
                            best = (grade, 1 << device);
                        }
                    }
                }
                best
            }
            Some(request) => {
                let mask = gpus::best_fit(request, left);
                if request.count == 1 {
                    return (score(GPU_MILLI, 0), mask);
                }
                self.left.clear();
                self.left.extend(left);
                for device in mask_devices(mask) {
                    self.left[device] -= request.milli;
                }
                let after = node_fragment(&self.typical, cpu_after, nodes.gpu_model[node.index()], &self.left);
                (grade(before - after), mask)
            }
        }
    }
}

/// The sigmoid of the fall of the fragment, in whole percent.
fn grade(fall: f64) -> Score {
    (1.0 / (1.0 + libm::exp(-fall / 1000.0)) * 100.0) as Score
}

impl Scorer for Fgd {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        scores.extend(nodes.iter().map(|&node| self.best_way(view, class, node).0));
    }

    fn choose_gpus(&mut self, view: &View<'_>, class: ClassId, node: NodeId) -> GpuMask {
        self.best_way(view, class, node).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;
    use crate::testkit::cluster;
    use crate::world::World;

    #[test]
    fn the_table_of_fragments_changes_no_bit() {
        let nodes =
            cluster().node("none").cpu(8000).node("a").cpu(64_000).gpus("A", 8).node("b").cpu(9000).gpus("B", 2);
        let pods = nodes.pod("cpu").cpu(3000).pod("third").cpu(1500).gpu(1, 333).pod("one").cpu(2000).gpu(1, 1000);
        let pods = pods.pod("two").cpu(4000).gpu(2, 1000).pod("b").cpu(700).gpu(1, 460).gpu_spec("B");
        let model = pods.model();
        let mut fgd = Fgd::new(&model, 1.0);
        assert_eq!(fgd.typical.len(), 5);
        let (mut world, mut stream) =
            (World::new(&model), Seed { base: 1, replication: 0 }.stream("test/fragments", 0));
        let mut placed = 0;
        for _ in 0..400 {
            let (node, class) = (NodeId(stream.below(3) as u32), ClassId(stream.below(5) as u32));
            let view = View { model: &model, world: &world };
            let nodes = &view.world.nodes;
            let (i, mut left) = (node.index(), nodes.gpu_left(node).to_vec());
            let slow = node_fragment(&fgd.typical, nodes.free_cpu[i], nodes.gpu_model[i], &left);
            assert_eq!(fgd.table.fragment(nodes, node).to_bits(), slow.to_bits());
            for device in 0..left.len() {
                let (from, to) = (left[device], left[device] / 2);
                left[device] = to;
                let slow = node_fragment(&fgd.typical, 1999, nodes.gpu_model[i], &left);
                let fast = fgd.table.fragment_after(node, 1999, DeviceChange { from, to });
                assert_eq!(fast.to_bits(), slow.to_bits(), "{left:?}");
                left[device] = from;
            }
            if crate::policy::scheduler::filter::fits(&view, class, node) {
                let gpus = fgd.best_way(&view, class, node).1;
                let pod = world.arrive((0, 0), class, u64::MAX);
                world.place(model.workload.class(class), pod, node, gpus);
                placed += 1;
            } else if !world.pods.is_empty() {
                let pod = crate::ids::PodId(stream.below(world.pods.len() as u64) as u32);
                if world.pods.node(pod).is_some() {
                    world.release(model.workload.class(world.pods.class[pod.index()]), pod);
                }
            }
        }
        assert!(placed > 50, "{placed}");
    }
}

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

use super::scored::{Scored, Scorer};
use super::{Scheduler, SchedulerRow, Score, gpus};
use crate::ids::{ClassId, NodeId};
use crate::model::Model;
use crate::model::cluster::GPU_MILLI;
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::world::fragment::{TypicalPod, node_fragment, typical_pods};
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
    build: |parameters, model, _| build(parameters, model),
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
}

fn build(parameters: &Value, model: &Model) -> Result<Box<dyn Scheduler>, ParameterError> {
    let params: Params = parameters::read(parameters)?;
    if !(params.coverage > 0.0 && params.coverage <= 1.0) {
        return Err(ParameterError(format!("coverage is {}, but must be above 0 and at most 1", params.coverage)));
    }
    let typical = typical_pods(&model.cluster, &model.workload, params.coverage);
    Ok(Box::new(Scored::new(Fgd { typical })))
}

impl Fgd {
    /// The score of the best way to take the GPUs on `node`, and that way.
    fn best_way(&self, view: &View<'_>, class: ClassId, node: NodeId) -> (Score, GpuMask) {
        let nodes = &view.world.nodes;
        let (i, class) = (node.index(), view.class(class));
        let model = nodes.gpu_model[i];
        let cpu_after = nodes.free_cpu[i] - class.requests.cpu.0;
        let mut left = nodes.gpu_left(node).to_vec();
        let before = node_fragment(&self.typical, nodes.free_cpu[i], model, &left);
        let score = |left: &[u16]| grade(before - node_fragment(&self.typical, cpu_after, model, left));
        match &class.gpu {
            None => (score(&left), 0),
            Some(request) if request.count == 1 && request.milli < GPU_MILLI => {
                let mut best = (Score::MIN, 0);
                for device in 0..left.len() {
                    if left[device] >= request.milli {
                        left[device] -= request.milli;
                        let grade = score(&left);
                        left[device] += request.milli;
                        if grade > best.0 {
                            best = (grade, 1 << device);
                        }
                    }
                }
                best
            }
            Some(request) => {
                let mask = gpus::best_fit(request, &left);
                for device in mask_devices(mask) {
                    left[device] -= request.milli;
                }
                (score(&left), mask)
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

//! Kinds of pod as Karpenter sees them: what the model has, GPUs that are known by model counted as an extended resource.

use crate::model::cluster::HOSTNAME_LABEL;
use crate::model::controllers::ControllerKind;
use crate::model::{Model, PodClass, Resources};

/// Where thousandths of GPUs stand among extended resources: after all that have a name.
const GPU_POSITION: usize = 1000;

/// The classes of the run.
pub(super) fn of_model(model: &Model) -> Vec<PodClass> {
    model.workload.classes.iter().map(with_gpus).collect()
}

/// A pod of every DaemonSet, as it would run on any node.
pub(super) fn daemons(model: &Model) -> Vec<PodClass> {
    let daemon_sets = model.controllers.list.iter().filter(|one| matches!(one.kind, ControllerKind::DaemonSet(_)));
    let first = |one: &crate::model::controllers::Controller| {
        let class = one.templates.first()?.classes.first()?;
        let mut pod = with_gpus(model.workload.class(*class));
        pod.node_selector.retain(|label| label.key != HOSTNAME_LABEL);
        Some(pod)
    };
    daemon_sets.filter_map(first).collect()
}

/// The class with its request for GPUs among its extended resources. Which models it accepts is not asked.
pub(super) fn with_gpus(class: &PodClass) -> PodClass {
    let mut class = class.clone();
    if let Some(gpu) = &class.gpu {
        add_gpus(&mut class.requests, gpu.total_milli());
    }
    class
}

/// Adds so many thousandths of GPUs.
pub(super) fn add_gpus(resources: &mut Resources, milli: u64) {
    resources.extended.resize(GPU_POSITION + 1, 0);
    resources.extended[GPU_POSITION] += milli;
}

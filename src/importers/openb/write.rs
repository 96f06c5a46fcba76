//! The same formats, written: so that generated clusters can be given to other tools.

use std::fmt::Write as _;

use super::MIB;
use crate::model::{ArrivalSource, Cluster, ListedPods, Workload};
use crate::units::Bytes;

/// The nodes of a cluster as an openb node list, in the order of the cluster. Memory is rounded down to MiB; labels,
/// taints, extended resources and pod slots have no place in the format.
pub fn write_nodes(cluster: &Cluster) -> String {
    let mut text = "sn,cpu_milli,memory_mib,gpu,model\n".to_owned();
    for node in &cluster.nodes {
        let shape = cluster.shape(node.shape);
        let (count, model) =
            shape.gpu.map_or((0, ""), |gpu| (gpu.count, cluster.gpu_models[gpu.model.index()].as_str()));
        let (name, model) = (quoted(&node.name), quoted(model));
        let (cpu, memory) = (shape.allocatable.cpu.0, shape.allocatable.memory.0 / MIB);
        writeln!(text, "{name},{cpu},{memory},{count},{model}").expect("writing to a string cannot fail");
    }
    text
}

/// The listed pods of a workload as an openb pod list, in their order of arrival, source by source. Times are in whole
/// seconds, rounded down; a pod that stays has no deletion time. Memory is rounded up to MiB. Generated sources have no
/// pods yet and are left out.
pub fn write_pods(cluster: &Cluster, workload: &Workload) -> String {
    let mut text = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,\
                    scheduled_time\n"
        .to_owned();
    for source in &workload.sources {
        if let ArrivalSource::Listed(listed) = source {
            write_listed(listed, cluster, workload, &mut text);
        }
    }
    text
}

fn write_listed(listed: &ListedPods, cluster: &Cluster, workload: &Workload, text: &mut String) {
    const SECOND_NS: u64 = 1_000_000_000;
    for (row, pod) in listed.pods.iter().enumerate() {
        let class = workload.class(pod.class);
        let Bytes(memory) = class.requests.memory;
        let (count, milli) = class.gpu.as_ref().map_or((0, 0), |gpu| (gpu.count, gpu.milli));
        let models: Vec<&str> = class
            .gpu
            .iter()
            .flat_map(|gpu| &gpu.models)
            .map(|model| cluster.gpu_models[model.index()].as_str())
            .collect();
        let creation = pod.arrival.0 / SECOND_NS;
        let deletion = pod.duration.map(|duration| (creation + duration.0 / SECOND_NS).to_string()).unwrap_or_default();
        writeln!(
            text,
            "{},{},{},{count},{milli},{},,,{creation},{deletion},{creation}",
            quoted(listed.names.get(row)),
            class.requests.cpu.0,
            memory.div_ceil(MIB),
            quoted(&models.join("|")),
        )
        .expect("writing to a string cannot fail");
    }
}

/// A CSV field, in quotes where it needs them.
fn quoted(field: &str) -> std::borrow::Cow<'_, str> {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\"")).into()
    } else {
        field.into()
    }
}

//! GPUs as manifests ask for them: `nvidia.com/gpu` and its like mean whole devices where nodes have devices and no node offers
//! the resource by that name.

use crate::model::{Cluster, GpuRequest, PodClass, Workload};

/// Resources of device plugins that stand for whole GPUs.
const GPU_RESOURCES: [&str; 3] = ["nvidia.com/gpu", "amd.com/gpu", "gpu.intel.com/i915"];
/// A whole GPU.
const WHOLE_MILLI: u16 = 1000;

/// Pods that request GPUs by the name of a resource get devices. Where several such names are in use nobody could tell whose the
/// devices are, and the pods wait.
pub(super) fn give_devices(cluster: &Cluster, workload: &mut Workload) {
    if cluster.shapes.iter().all(|shape| shape.gpu.is_none()) {
        return;
    }
    let known = cluster.extended_resources.iter().enumerate();
    let in_use: Vec<usize> =
        known.filter(|(_, name)| GPU_RESOURCES.contains(&name.as_str())).map(|(position, _)| position).collect();
    if let [position] = in_use[..]
        && cluster.shapes.iter().all(|shape| shape.allocatable.extended(position) == 0)
    {
        workload.classes.iter_mut().for_each(|class| give_device(class, position));
    }
}

fn give_device(class: &mut PodClass, position: usize) {
    let count = class.requests.extended(position);
    if count == 0 || class.gpu.is_some() {
        return;
    }
    class.requests.extended[position] = 0;
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    class.gpu = Some(GpuRequest { count, milli: WHOLE_MILLI, models: Vec::new() });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::GpuModelId;
    use crate::model::{GpuDevices, NodeShape, Resources};

    fn pod(amount: u64) -> Workload {
        let requests = Resources { extended: vec![0, amount], ..Resources::default() };
        Workload { classes: vec![PodClass { requests, ..PodClass::default() }], ..Workload::default() }
    }

    fn cluster(offered: u64) -> Cluster {
        let allocatable = Resources { extended: vec![0, offered], ..Resources::default() };
        let gpu = Some(GpuDevices { model: GpuModelId(0), count: 2 });
        Cluster {
            extended_resources: vec!["example.com/fpga".to_owned(), "nvidia.com/gpu".to_owned()],
            shapes: vec![NodeShape { gpu, allocatable, ..NodeShape::default() }],
            ..Cluster::default()
        }
    }

    #[test]
    fn a_resource_that_no_node_offers_means_devices() {
        let mut workload = pod(2);
        give_devices(&cluster(0), &mut workload);
        let class = &workload.classes[0];
        assert_eq!(class.gpu.as_ref().map(|gpu| (gpu.count, gpu.milli)), Some((2, 1000)));
        assert_eq!(class.requests.extended(1), 0);
    }

    #[test]
    fn of_two_resources_nobody_can_tell_whose_the_devices_are() {
        let mut workload = pod(2);
        let mut cluster = cluster(0);
        cluster.extended_resources.push("amd.com/gpu".to_owned());
        give_devices(&cluster, &mut workload);
        assert_eq!((workload.classes[0].gpu.as_ref(), workload.classes[0].requests.extended(1)), (None, 2));
    }

    #[test]
    fn a_resource_that_nodes_offer_stays() {
        let mut workload = pod(2);
        give_devices(&cluster(4), &mut workload);
        assert_eq!((workload.classes[0].gpu.as_ref(), workload.classes[0].requests.extended(1)), (None, 2));
    }
}

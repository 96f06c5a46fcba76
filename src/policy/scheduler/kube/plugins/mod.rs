//! The plug-ins, one file each, and the table that finds them by name.

use super::framework::{FilterPlugin, ScorePlugin};
use crate::model::kube_scheduler::PluginArguments;

mod accounts;
mod balanced_allocation;
pub(super) mod dynamic_resources;
mod gpu_devices;
pub(super) mod image_locality;
pub(super) mod inter_pod_affinity;
mod node_affinity;
mod node_declared_features;
mod node_name;
pub(super) mod node_ports;
mod node_resources_fit;
pub(super) mod node_unschedulable;
pub(super) mod normalise;
pub(super) mod pod_topology_spread;
pub mod priority_sort;
pub mod scheduling_gates;
mod taint_toleration;
#[cfg(test)]
mod testing;
pub(super) mod volumes;

pub(in crate::policy) use inter_pod_affinity::finds as affinity_finds;
pub(in crate::policy) use node_ports::conflict as ports_conflict;

/// The filter of that name.
pub(super) fn filter(name: &str, _arguments: &PluginArguments) -> Option<Box<dyn FilterPlugin>> {
    Some(match name {
        dynamic_resources::NAME => Box::new(dynamic_resources::DynamicResources),
        inter_pod_affinity::NAME => Box::new(inter_pod_affinity::InterPodAffinity),
        node_affinity::NAME => Box::new(node_affinity::NodeAffinity),
        node_declared_features::NAME => Box::new(node_declared_features::NodeDeclaredFeatures),
        node_name::NAME => Box::new(node_name::NodeName),
        node_ports::NAME => Box::new(node_ports::NodePorts),
        node_resources_fit::NAME => Box::new(node_resources_fit::NodeResourcesFit),
        node_unschedulable::NAME => Box::new(node_unschedulable::NodeUnschedulable),
        pod_topology_spread::NAME => Box::new(pod_topology_spread::PodTopologySpread),
        taint_toleration::NAME => Box::new(taint_toleration::TaintToleration),
        volumes::BINDING => Box::new(volumes::VolumeBinding),
        volumes::LIMITS => Box::new(volumes::NodeVolumeLimits),
        volumes::RESTRICTIONS => Box::new(volumes::VolumeRestrictions),
        volumes::ZONE => Box::new(volumes::VolumeZone),
        _ => return None,
    })
}

/// Our own filter, which stands after those of every profile, and its name.
pub(super) fn own_filter() -> (String, Box<dyn FilterPlugin>) {
    (gpu_devices::NAME.to_owned(), Box::new(gpu_devices::GpuDevices))
}

/// The scorer of that name.
pub(super) fn scorer(name: &str, _arguments: &PluginArguments) -> Option<Box<dyn ScorePlugin>> {
    Some(match name {
        balanced_allocation::NAME => Box::new(balanced_allocation::BalancedAllocation),
        image_locality::NAME => Box::new(image_locality::ImageLocality),
        dynamic_resources::NAME => Box::new(dynamic_resources::DynamicResources),
        inter_pod_affinity::NAME => Box::new(inter_pod_affinity::InterPodAffinity),
        node_affinity::NAME => Box::new(node_affinity::NodeAffinity),
        node_resources_fit::NAME => Box::new(node_resources_fit::NodeResourcesFit),
        pod_topology_spread::NAME => Box::new(pod_topology_spread::PodTopologySpread),
        taint_toleration::NAME => Box::new(taint_toleration::TaintToleration),
        volumes::BINDING => Box::new(volumes::VolumeBinding),
        _ => return None,
    })
}

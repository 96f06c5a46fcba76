//! The plug-ins, one file each, and the table that finds them by name.

use super::framework::{FilterPlugin, ScorePlugin};
use crate::model::kube_scheduler::PluginArguments;

mod inter_pod_affinity;
mod node_name;
mod pod_topology_spread;

/// The filter of that name.
pub(super) fn filter(name: &str, _arguments: &PluginArguments) -> Option<Box<dyn FilterPlugin>> {
    Some(match name {
        inter_pod_affinity::NAME => Box::new(inter_pod_affinity::InterPodAffinity),
        node_name::NAME => Box::new(node_name::NodeName),
        pod_topology_spread::NAME => Box::new(pod_topology_spread::PodTopologySpread),
        _ => return None,
    })
}

/// The scorer of that name.
pub(super) fn scorer(name: &str, _arguments: &PluginArguments) -> Option<Box<dyn ScorePlugin>> {
    Some(match name {
        inter_pod_affinity::NAME => Box::new(inter_pod_affinity::InterPodAffinity),
        pod_topology_spread::NAME => Box::new(pod_topology_spread::PodTopologySpread),
        _ => return None,
    })
}

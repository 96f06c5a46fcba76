//! Volumes that are made for claims, as an external provisioner makes them.
//!
//! A volume can be reached from where the node is for which it is made: its node affinity takes the node's values of the
//! labels that the node's CSI driver names as `topologyKeys`, or else of those by which the capacity is told, or else of
//! those that the class's `allowedTopologies` name. Without any of these it can be reached from everywhere. It is as large
//! as the claim asks.

use super::binding::CapacityLeft;
use super::{class_name, limits};
use crate::model::objects::{PersistentVolume, PersistentVolumeClaim, StorageClass};
use crate::model::pod_spec::{LabelRequirement, NodeSelectorTerm, SelectorOperator};
use crate::policy::scheduler::kube::NodeInfo;

/// The volume that is made for a claim on a node.
pub(super) fn volume(
    claim: &PersistentVolumeClaim,
    class: &StorageClass,
    capacity: Option<&CapacityLeft<'_>>,
    node: &NodeInfo<'_>,
) -> PersistentVolume {
    let mut name = format!("pvc-{}-{}", claim.namespace, claim.name);
    while node.view.model.objects.persistent_volumes.iter().any(|other| other.name == name) {
        name.push_str("-x");
    }
    let driver = limits::driver_of(&class.provisioner, true);
    let keys = topology_keys(driver, class, capacity, node);
    let expressions: Vec<LabelRequirement> = keys.into_iter().filter_map(|key| requirement(key, node)).collect();
    let term = NodeSelectorTerm { expressions, fields: Vec::new() };
    PersistentVolume {
        labels: Vec::new(),
        capacity_bytes: claim.request_bytes,
        access_modes: claim.access_modes.clone(),
        storage_class: class_name(claim).to_owned(),
        is_block: claim.is_block,
        node_affinity: (!term.expressions.is_empty()).then(|| vec![term]),
        claim: None,
        is_claim_bound: false,
        csi: driver.map(|driver| (driver.to_owned(), name.clone())),
        is_available: true,
        is_deleting: false,
        name,
    }
}

/// The labels that say from where a volume can be reached.
fn topology_keys<'a>(
    driver: Option<&str>,
    class: &'a StorageClass,
    capacity: Option<&CapacityLeft<'a>>,
    node: &NodeInfo<'a>,
) -> Vec<&'a str> {
    let drivers = node.view.model.objects.csi_nodes.get(node.name()).map_or(&[][..], Vec::as_slice);
    let own = drivers.iter().find(|own| Some(own.driver.as_str()) == driver);
    let of_driver = own.into_iter().flat_map(|own| own.topology_keys.iter().map(String::as_str));
    let topology = capacity.and_then(|capacity| capacity.capacity.node_topology.as_ref());
    let of_capacity = topology.into_iter().flat_map(|topology| keys(&topology.requirements));
    let of_class = class.allowed_topologies.iter().flat_map(|term| keys(&term.expressions));
    let mut all: Vec<&str> = of_driver.collect();
    if all.is_empty() {
        all = of_capacity.collect();
    }
    if all.is_empty() {
        all = of_class.collect();
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn keys(requirements: &[LabelRequirement]) -> impl Iterator<Item = &str> {
    requirements.iter().map(|requirement| requirement.key.as_str())
}

/// That a node is like this one in a label, if this one has it.
fn requirement(key: &str, node: &NodeInfo<'_>) -> Option<LabelRequirement> {
    let values = vec![node.label(key)?.to_owned()];
    Some(LabelRequirement { key: key.to_owned(), operator: SelectorOperator::In, values })
}

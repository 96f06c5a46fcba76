//! Kubernetes objects beside nodes and pods that bear on placement.
//!
//! They mirror the API types of v1.37.0, with quantities parsed and the rest left out. Most runs have none.

use std::collections::BTreeMap;

use super::cluster::Label;
use super::devices::Devices;
use super::pod_spec::{LabelSelector, NodeSelectorTerm};

/// The objects of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objects {
    /// Labels of namespaces by name, each sorted by key. A namespace that is not listed has the one label
    /// `kubernetes.io/metadata.name`, its name.
    pub namespaces: BTreeMap<String, Vec<Label>>,
    /// Services in order of namespace and name.
    pub services: Vec<Service>,
    /// ReplicaSets, StatefulSets and ReplicationControllers in order of namespace, kind and name.
    pub controllers: Vec<Controller>,
    /// Disruption budgets in order of namespace and name.
    pub disruption_budgets: Vec<DisruptionBudget>,
    /// Volumes in order of name.
    pub persistent_volumes: Vec<PersistentVolume>,
    /// Claims of volumes in order of namespace and name.
    pub persistent_volume_claims: Vec<PersistentVolumeClaim>,
    /// Classes of storage in order of name.
    pub storage_classes: Vec<StorageClass>,
    /// Capacities that drivers report, in order of name.
    pub storage_capacities: Vec<StorageCapacity>,
    /// CSI drivers in order of name.
    pub csi_drivers: Vec<CsiDriver>,
    /// What nodes' CSI drivers can attach, by name of node.
    pub csi_nodes: BTreeMap<String, Vec<CsiNodeDriver>>,
    /// Devices, what drivers offer of them, and claims.
    pub devices: Devices,
}

impl Objects {
    /// Puts every list into the order that its documentation promises.
    pub fn sort(&mut self) {
        self.services.sort();
        self.controllers.sort();
        self.disruption_budgets.sort();
        self.persistent_volumes.sort_by(|a, b| a.name.cmp(&b.name));
        self.persistent_volume_claims.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        self.storage_classes.sort_by(|a, b| a.name.cmp(&b.name));
        self.storage_capacities.sort_by(|a, b| a.name.cmp(&b.name));
        self.csi_drivers.sort_by(|a, b| a.name.cmp(&b.name));
        self.devices.arrange();
    }
}

/// `v1.Service`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `spec.selector`, sorted by key; empty: it selects nothing.
    pub selector: Vec<Label>,
}

/// An object whose selector finds its pods.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Controller {
    /// Its namespace.
    pub namespace: String,
    /// Its kind: `ReplicaSet`, `StatefulSet` or `ReplicationController`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `spec.selector`.
    pub selector: LabelSelector,
}

/// `policy/v1.PodDisruptionBudget`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DisruptionBudget {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `spec.selector`; none selects nothing, an empty one every pod of the namespace.
    pub selector: Option<LabelSelector>,
    /// How many pods may be disrupted now.
    pub allowance: Allowance,
    /// `status.disruptedPods`: names of pods whose eviction is under way already.
    pub disrupted_pods: Vec<String>,
}

/// How many pods of a budget may be disrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Allowance {
    /// `status.disruptionsAllowed`, as written.
    Given(i32),
    /// `spec.minAvailable`: the healthy pods above this number.
    MinAvailable(CountOrPercent),
    /// `spec.maxUnavailable`: this number less those that are unhealthy.
    MaxUnavailable(CountOrPercent),
}

/// `intstr.IntOrString`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CountOrPercent {
    /// A number of pods.
    Count(i32),
    /// A share of the expected pods, rounded up.
    Percent(i32),
}

/// `v1.PersistentVolume`.
#[derive(Clone, Debug, PartialEq)]
pub struct PersistentVolume {
    /// Its name.
    pub name: String,
    /// Its labels, sorted by key.
    pub labels: Vec<Label>,
    /// `spec.capacity.storage` in bytes.
    pub capacity_bytes: u64,
    /// `spec.accessModes`, sorted.
    pub access_modes: Vec<AccessMode>,
    /// `spec.storageClassName`; empty: of no class.
    pub storage_class: String,
    /// Whether `spec.volumeMode` is `Block`.
    pub is_block: bool,
    /// `spec.nodeAffinity.required`: terms of which a node must meet one; none: any node.
    pub node_affinity: Option<Vec<NodeSelectorTerm>>,
    /// `spec.claimRef`: namespace and name of the claim it is reserved for.
    pub claim: Option<(String, String)>,
    /// Whether `spec.claimRef.uid` is set, so that the claim is bound and not only reserved.
    pub is_claim_bound: bool,
    /// Driver and handle of a CSI volume.
    pub csi: Option<(String, String)>,
    /// Whether `status.phase` is `Available`, or nothing is said.
    pub is_available: bool,
    /// Whether the volume is being deleted.
    pub is_deleting: bool,
}

/// How a volume can be mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessMode {
    /// By one node.
    ReadWriteOnce,
    /// By many nodes, for reading.
    ReadOnlyMany,
    /// By many nodes.
    ReadWriteMany,
    /// By one pod.
    ReadWriteOncePod,
}

/// `v1.PersistentVolumeClaim`.
#[derive(Clone, Debug, PartialEq)]
pub struct PersistentVolumeClaim {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `spec.selector`.
    pub selector: Option<LabelSelector>,
    /// `spec.resources.requests.storage` in bytes.
    pub request_bytes: u64,
    /// `spec.accessModes`, sorted.
    pub access_modes: Vec<AccessMode>,
    /// `spec.storageClassName`; none where it is missing.
    pub storage_class: Option<String>,
    /// Whether `spec.volumeMode` is `Block`.
    pub is_block: bool,
    /// `spec.volumeName`; empty: not bound.
    pub volume: String,
    /// Whether the annotation `pv.kubernetes.io/bind-completed` is there.
    pub is_bind_completed: bool,
    /// The node of the annotation `volume.kubernetes.io/selected-node`.
    pub selected_node: Option<String>,
    /// Name of the pod that owns the claim, if one does.
    pub owner_pod: Option<String>,
    /// Whether the claim is lost (`status.phase` Lost).
    pub is_lost: bool,
    /// Whether the claim is being deleted.
    pub is_deleting: bool,
}

/// `storage/v1.StorageClass`.
#[derive(Clone, Debug, PartialEq)]
pub struct StorageClass {
    /// Its name.
    pub name: String,
    /// Its provisioner; `kubernetes.io/no-provisioner` makes no volumes.
    pub provisioner: String,
    /// Whether `volumeBindingMode` is `WaitForFirstConsumer`.
    pub waits_for_consumer: bool,
    /// `allowedTopologies`; a node must meet one, if there are any.
    pub allowed_topologies: Vec<NodeSelectorTerm>,
    /// Whether it is the class of claims that name none.
    pub is_default: bool,
}

/// `storage/v1.CSIStorageCapacity`.
#[derive(Clone, Debug, PartialEq)]
pub struct StorageCapacity {
    /// Its name.
    pub name: String,
    /// Its storage class.
    pub storage_class: String,
    /// Which nodes it is for; none: no node.
    pub node_topology: Option<LabelSelector>,
    /// `capacity` in bytes, if known.
    pub capacity_bytes: Option<u64>,
    /// `maximumVolumeSize` in bytes, if known.
    pub maximum_volume_bytes: Option<u64>,
}

/// `storage/v1.CSIDriver`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsiDriver {
    /// Its name.
    pub name: String,
    /// `spec.storageCapacity`: whether its capacities are looked at.
    pub has_storage_capacity: bool,
    /// `spec.attachRequired`; the default is yes.
    pub requires_attach: bool,
    /// `spec.preventPodSchedulingIfMissing`: whether a node without the driver takes no pods that use it.
    pub prevents_scheduling_if_missing: bool,
}

/// `storage/v1.CSINodeDriver`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsiNodeDriver {
    /// Name of the driver.
    pub driver: String,
    /// Most volumes that can be attached; none: no limit.
    pub attachable_max: Option<u32>,
}

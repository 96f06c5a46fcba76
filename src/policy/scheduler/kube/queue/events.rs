//! What happens in the cluster, as far as it may help a pod that waits (`framework.ClusterEvent`).
//!
//! An event holds the objects it is about as they were before and after, by number, so that it can be looked at later:
//! a pod that was being tried when it happened is judged by it when the attempt has failed.

use crate::ids::{ClassId, NodeId, PodId};
use crate::model::cluster::ShapeId;
use crate::model::{NodeShape, PodClass, Taint};
use crate::policy::scheduler::kube::labels::{self, NodeLabels};
use crate::world::{NodeState, View};

/// A node at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeObject {
    /// Which node.
    pub node: NodeId,
    /// What it is.
    pub shape: ShapeId,
    /// Whether it is cordoned.
    pub is_unschedulable: bool,
}

impl NodeObject {
    /// The node as it is now.
    pub fn of(view: &View<'_>, node: NodeId) -> NodeObject {
        let nodes = &view.world.nodes;
        let is_unschedulable = nodes.state[node.index()] == NodeState::Cordoned;
        NodeObject { node, shape: nodes.shape[node.index()], is_unschedulable }
    }

    pub(super) fn shape<'a>(&self, view: &View<'a>) -> &'a NodeShape {
        view.model.cluster.shape(self.shape)
    }
}

/// A node of an event, with its names at hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeAt<'a> {
    pub(super) view: View<'a>,
    pub(super) object: NodeObject,
}

impl NodeLabels for NodeAt<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        labels::of_node(&self.view, self.object.node, self.object.shape(&self.view), key)
    }

    fn name(&self) -> &str {
        self.view.world.nodes.name(self.object.node)
    }

    fn taints(&self) -> &[Taint] {
        &self.object.shape(&self.view).taints
    }
}

/// What changed about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeChange {
    /// What it offers to pods.
    Allocatable,
    /// Its labels.
    Labels,
    /// Its taints, or it was uncordoned.
    Taints,
    /// The features it declares.
    DeclaredFeatures,
    /// Something that no plug-in of the release asks for; extenders may.
    Other,
}

/// What changed about a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodChange {
    /// Its labels.
    Labels,
    /// It requests less of something.
    ScaleDown,
    /// It requests more of something.
    ScaleUp,
    /// Its last scheduling gate is gone.
    GatesEliminated,
    /// It has another number of tolerations.
    Tolerations,
    /// The claims generated for it.
    ResourceClaims,
    /// Something else.
    Other,
}

/// What happened to an object that is neither node nor pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectChange {
    /// A StorageClass was created.
    StorageClassAdded {
        /// Whether it binds volumes when a pod needs them.
        waits_for_first_consumer: bool,
    },
    /// The topologies that a StorageClass allows changed.
    AllowedTopologies,
    /// The claim at this position of the model's claims was created.
    ClaimAdded(u32),
    /// The claim at this position changed: it was bound, for instance.
    ClaimUpdated(u32),
    /// A volume was created.
    VolumeAdded,
    /// A volume changed.
    VolumeUpdated {
        /// Whether its labels of zone or region did.
        changes_topology: bool,
    },
    /// A node's CSI drivers became known.
    CsiNodeAdded,
    /// A node's CSI drivers changed.
    CsiNodeUpdated {
        /// Whether one of them can attach more than before.
        raises_limit: bool,
    },
    /// A driver reports capacity where it did not, or more than before.
    StorageCapacityGrown,
    /// The ResourceClaim at this position of the model's was created or got its devices.
    ResourceClaimUpdated(u32),
    /// A ResourceClaim gave its devices back, or device classes or slices changed.
    DevicesFreed,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterEvent {
    /// A node joined.
    NodeAdded(NodeObject),
    /// A node changed in one respect; see [`ClusterEvent::of_node_update`].
    NodeUpdated {
        /// In which.
        change: NodeChange,
        /// The node before.
        old: NodeObject,
        /// The node after.
        new: NodeObject,
    },
    /// A node left.
    NodeRemoved(NodeObject),
    /// A pod of this class was bound to a node.
    PodAssigned(ClassId),
    /// A bound pod changed in one respect; see [`ClusterEvent::of_pod_update`].
    PodUpdated {
        /// In which.
        change: PodChange,
        /// Its class before.
        old: ClassId,
        /// Its class after.
        new: ClassId,
    },
    /// A pod of this class left its node, or gave up the node it was nominated to.
    PodRemoved {
        /// Its class.
        class: ClassId,
        /// The highest priority that this can help: for a nomination that of the pod itself; none: any.
        up_to: Option<i32>,
    },
    /// A pod that waits or is being tried changed itself; the queue makes these.
    TargetPodUpdated {
        /// In which respect.
        change: PodChange,
        /// Its class before.
        old: ClassId,
        /// Its class after.
        new: ClassId,
    },
    /// Something happened to another object.
    ObjectChanged(ObjectChange),
    /// Pods have waited for so long that they are tried again whatever rejected them; the queue makes these.
    Timeout,
    /// A plug-in wants this pod to be tried again; the queue makes these.
    ForceActivate(PodId),
}

impl ClusterEvent {
    /// The events that an update of a node makes, in upstream's order; none if nothing changed that could help a pod. A
    /// cordon makes none.
    pub fn of_node_update(view: &View<'_>, old: NodeObject, new: NodeObject) -> Vec<ClusterEvent> {
        let (before, after) = (old.shape(view), new.shape(view));
        let mut changes = Vec::new();
        if old.is_unschedulable && !new.is_unschedulable {
            changes.push(NodeChange::Taints);
        }
        if before.allocatable != after.allocatable || before.gpu != after.gpu {
            changes.push(NodeChange::Allocatable);
        }
        if before.labels != after.labels {
            changes.push(NodeChange::Labels);
        }
        if before.taints != after.taints {
            changes.push(NodeChange::Taints);
        }
        if before.declared_features != after.declared_features {
            changes.push(NodeChange::DeclaredFeatures);
        }
        changes.into_iter().map(|change| ClusterEvent::NodeUpdated { change, old, new }).collect()
    }

    /// The events that an update of a bound pod makes, in upstream's order; at least one.
    pub fn of_pod_update(view: &View<'_>, old: ClassId, new: ClassId) -> Vec<ClusterEvent> {
        let changes = pod_changes(view.class(old), view.class(new));
        changes.into_iter().map(|change| ClusterEvent::PodUpdated { change, old, new }).collect()
    }
}

/// In which respects a pod changed (`PodSchedulingPropertiesChange`).
pub(super) fn pod_changes(old: &PodClass, new: &PodClass) -> Vec<PodChange> {
    let mut changes = Vec::new();
    if old.spec.labels != new.spec.labels {
        changes.push(PodChange::Labels);
    }
    if requests_less(new, old) {
        changes.push(PodChange::ScaleDown);
    }
    if requests_less(old, new) {
        changes.push(PodChange::ScaleUp);
    }
    if !old.spec.scheduling_gates.is_empty() && new.spec.scheduling_gates.is_empty() {
        changes.push(PodChange::GatesEliminated);
    }
    if old.tolerations.len() != new.tolerations.len() {
        changes.push(PodChange::Tolerations);
    }
    if old.spec.resource_claims != new.spec.resource_claims {
        changes.push(PodChange::ResourceClaims);
    }
    if changes.is_empty() {
        changes.push(PodChange::Other);
    }
    changes
}

/// Whether one pod requests less of some resource than the other.
fn requests_less(one: &PodClass, other: &PodClass) -> bool {
    let (less, more) = (&one.requests, &other.requests);
    let positions = 0..less.extended.len().max(more.extended.len());
    less.cpu < more.cpu
        || less.memory < more.memory
        || less.ephemeral_storage < more.ephemeral_storage
        || positions.into_iter().any(|position| less.extended(position) < more.extended(position))
}

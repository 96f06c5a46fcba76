//! Which plug-in wants to hear of which event (`EventsToRegister`), and whether the event may lift its rejection of a pod
//! (its `QueueingHintFn`).
//!
//! A hint looks at the event and at the pod's class, never at the rest of the cluster: it may say yes in vain, and is
//! the same for all pods of a class. Extenders hear of everything and always say yes.
//!
//! Known deviations: in-tree volumes that only a PersistentVolume names and annotations of CSINodes about migration are
//! not modelled, and neither are changes of CSIDrivers and VolumeAttachments.
//!
//! Source: `pkg/scheduler/framework/plugins/*`, v1.37.0, with that release's default feature gates.

use super::events::{ClusterEvent, NodeAt, NodeChange, NodeObject, ObjectChange, PodChange};
use super::plugin_set::{Plugin, PluginSet};
use crate::ids::ClassId;
use crate::model::kube_scheduler::PluginArguments;
use crate::model::pod_spec::{PodAffinityTerm, PodVolume, WhenUnsatisfiable};
use crate::model::{NodeShape, PodClass, PodSpec};
use crate::policy::scheduler::kube::Cycle;
use crate::policy::scheduler::kube::labels::{self, NodeLabels};
use crate::policy::scheduler::kube::plugins::pod_topology_spread::Constraint;
use crate::policy::scheduler::kube::plugins::{node_ports, node_unschedulable, volumes};
use crate::world::View;

pub(super) const SCHEDULING_GATES: Plugin = Plugin::named("SchedulingGates");
pub(super) const DYNAMIC_RESOURCES: Plugin = Plugin::named("DynamicResources");
pub(super) const DEFAULT_PREEMPTION: Plugin = Plugin::named("DefaultPreemption");
const NODE_NAME: Plugin = Plugin::named("NodeName");
const NODE_UNSCHEDULABLE: Plugin = Plugin::named("NodeUnschedulable");
const TAINT_TOLERATION: Plugin = Plugin::named("TaintToleration");
const NODE_AFFINITY: Plugin = Plugin::named("NodeAffinity");
const NODE_PORTS: Plugin = Plugin::named("NodePorts");
const NODE_RESOURCES_FIT: Plugin = Plugin::named("NodeResourcesFit");
const VOLUME_RESTRICTIONS: Plugin = Plugin::named("VolumeRestrictions");
const NODE_VOLUME_LIMITS: Plugin = Plugin::named("NodeVolumeLimits");
const VOLUME_BINDING: Plugin = Plugin::named("VolumeBinding");
const VOLUME_ZONE: Plugin = Plugin::named("VolumeZone");
const POD_TOPOLOGY_SPREAD: Plugin = Plugin::named("PodTopologySpread");
const INTER_POD_AFFINITY: Plugin = Plugin::named("InterPodAffinity");
const NODE_DECLARED_FEATURES: Plugin = Plugin::named("NodeDeclaredFeatures");

/// The plug-ins that registered for an event. [`ClusterEvent::Timeout`] and [`ClusterEvent::ForceActivate`] concern none:
/// they move pods whatever rejected them.
pub(super) fn registered(event: &ClusterEvent) -> PluginSet {
    let plugins: &[Plugin] = match event {
        ClusterEvent::NodeAdded(_) => &[
            NODE_NAME,
            NODE_UNSCHEDULABLE,
            TAINT_TOLERATION,
            NODE_AFFINITY,
            NODE_PORTS,
            NODE_RESOURCES_FIT,
            VOLUME_RESTRICTIONS,
            VOLUME_BINDING,
            VOLUME_ZONE,
            POD_TOPOLOGY_SPREAD,
            INTER_POD_AFFINITY,
            DYNAMIC_RESOURCES,
            NODE_DECLARED_FEATURES,
        ],
        ClusterEvent::NodeUpdated { change, .. } => match change {
            NodeChange::Allocatable => &[NODE_RESOURCES_FIT, DYNAMIC_RESOURCES],
            NodeChange::Labels => &[
                NODE_AFFINITY,
                VOLUME_BINDING,
                VOLUME_ZONE,
                POD_TOPOLOGY_SPREAD,
                INTER_POD_AFFINITY,
                DYNAMIC_RESOURCES,
            ],
            NodeChange::Taints => &[NODE_UNSCHEDULABLE, TAINT_TOLERATION, POD_TOPOLOGY_SPREAD],
            NodeChange::DeclaredFeatures => &[NODE_DECLARED_FEATURES],
            NodeChange::Other => &[],
        },
        ClusterEvent::NodeRemoved(_) => &[POD_TOPOLOGY_SPREAD],
        ClusterEvent::PodAssigned(_) => &[POD_TOPOLOGY_SPREAD, INTER_POD_AFFINITY],
        ClusterEvent::PodUpdated { change, .. } => match change {
            PodChange::Labels => &[POD_TOPOLOGY_SPREAD, INTER_POD_AFFINITY],
            PodChange::ScaleDown => &[NODE_RESOURCES_FIT],
            _ => &[],
        },
        ClusterEvent::PodRemoved { .. } => &[
            NODE_PORTS,
            NODE_RESOURCES_FIT,
            VOLUME_RESTRICTIONS,
            NODE_VOLUME_LIMITS,
            POD_TOPOLOGY_SPREAD,
            INTER_POD_AFFINITY,
            DEFAULT_PREEMPTION,
        ],
        ClusterEvent::TargetPodUpdated { change, .. } => match change {
            PodChange::Labels => &[POD_TOPOLOGY_SPREAD, INTER_POD_AFFINITY, NODE_DECLARED_FEATURES],
            PodChange::ScaleDown => &[NODE_RESOURCES_FIT, NODE_DECLARED_FEATURES],
            PodChange::GatesEliminated => &[SCHEDULING_GATES, NODE_DECLARED_FEATURES],
            PodChange::Tolerations => {
                &[NODE_UNSCHEDULABLE, TAINT_TOLERATION, POD_TOPOLOGY_SPREAD, NODE_DECLARED_FEATURES]
            }
            PodChange::ResourceClaims => &[DYNAMIC_RESOURCES, NODE_DECLARED_FEATURES],
            PodChange::ScaleUp | PodChange::Other => &[NODE_DECLARED_FEATURES],
        },
        ClusterEvent::ObjectChanged(change) => registered_for_object(*change),
        ClusterEvent::Timeout | ClusterEvent::ForceActivate(_) => return PluginSet::EMPTY,
    };
    plugins.iter().copied().chain([Plugin::EXTENDER]).collect()
}

fn registered_for_object(change: ObjectChange) -> &'static [Plugin] {
    match change {
        ObjectChange::StorageClassAdded { .. } | ObjectChange::ClaimUpdated(_) => &[VOLUME_BINDING, VOLUME_ZONE],
        ObjectChange::VolumeAdded | ObjectChange::VolumeUpdated { .. } => &[VOLUME_BINDING, VOLUME_ZONE],
        ObjectChange::ClaimAdded(_) => &[VOLUME_RESTRICTIONS, NODE_VOLUME_LIMITS, VOLUME_BINDING, VOLUME_ZONE],
        ObjectChange::AllowedTopologies | ObjectChange::StorageCapacityGrown => &[VOLUME_BINDING],
        ObjectChange::CsiNodeAdded => &[NODE_VOLUME_LIMITS, VOLUME_BINDING],
        ObjectChange::CsiNodeUpdated { .. } => &[NODE_VOLUME_LIMITS],
        ObjectChange::ResourceClaimUpdated(_) | ObjectChange::DevicesFreed => &[DYNAMIC_RESOURCES],
    }
}

/// A class of pods that wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting<'a> {
    pub(super) view: View<'a>,
    pub(super) class: ClassId,
    /// Of the profile that is to place them.
    pub(super) arguments: &'a PluginArguments,
}

impl<'a> Waiting<'a> {
    /// Whether an event may lift a plug-in's rejection; the plug-in registered for it.
    pub(super) fn is_helped(&self, plugin: Plugin, event: &ClusterEvent) -> bool {
        match plugin {
            NODE_UNSCHEDULABLE => self.after_cordon(event),
            TAINT_TOLERATION => self.after_taints(event),
            NODE_AFFINITY => self.after_node_labels(event),
            NODE_PORTS => self.after_ports(event),
            NODE_RESOURCES_FIT => self.after_resources(event),
            VOLUME_RESTRICTIONS | NODE_VOLUME_LIMITS | VOLUME_BINDING | VOLUME_ZONE => {
                self.after_volumes(plugin, event)
            }
            POD_TOPOLOGY_SPREAD => self.after_spread(event),
            INTER_POD_AFFINITY => self.after_affinity(event),
            DYNAMIC_RESOURCES => self.after_claims(event),
            NODE_DECLARED_FEATURES => self.after_features(event),
            // Whatever its preemption waits for is for the plug-ins to say whose rejection it is to lift.
            DEFAULT_PREEMPTION => false,
            _ => true,
        }
    }

    fn pod(&self) -> &'a PodClass {
        self.view.class(self.class)
    }

    fn spec(&self) -> &'a PodSpec {
        &self.pod().spec
    }

    fn at(&self, object: NodeObject) -> NodeAt<'a> {
        NodeAt { view: self.view, object }
    }

    fn after_cordon(&self, event: &ClusterEvent) -> bool {
        match event {
            ClusterEvent::NodeAdded(new) => !new.is_unschedulable,
            ClusterEvent::NodeUpdated { old, new, .. } => old.is_unschedulable && !new.is_unschedulable,
            ClusterEvent::TargetPodUpdated { new, .. } => node_unschedulable::tolerates_cordon(self.view.class(*new)),
            _ => true,
        }
    }

    fn after_taints(&self, event: &ClusterEvent) -> bool {
        let tolerates = |node| labels::tolerates_taints(self.pod(), &self.at(node));
        match event {
            ClusterEvent::NodeAdded(new) => tolerates(*new),
            ClusterEvent::NodeUpdated { old, new, .. } => !tolerates(*old) && tolerates(*new),
            _ => true,
        }
    }

    fn after_node_labels(&self, event: &ClusterEvent) -> bool {
        let added = self.arguments.added_node_affinity.as_ref().and_then(|affinity| affinity.required.as_deref());
        let is_allowed =
            |node: &NodeAt<'_>| added.is_none_or(|terms| terms.iter().any(|term| labels::meets_term(term, node)));
        let is_met = |node: &NodeAt<'_>| labels::meets_required_node_affinity(self.pod(), node);
        match event {
            ClusterEvent::NodeAdded(new) => is_allowed(&self.at(*new)) && is_met(&self.at(*new)),
            ClusterEvent::NodeUpdated { old, new, .. } => {
                let new = self.at(*new);
                is_allowed(&new) && is_met(&new) && !is_met(&self.at(*old))
            }
            _ => true,
        }
    }

    fn after_ports(&self, event: &ClusterEvent) -> bool {
        match event {
            ClusterEvent::PodRemoved { class, .. } => {
                let freed = &self.view.class(*class).spec.host_ports;
                let wants = |freed| self.spec().host_ports.iter().any(|wanted| node_ports::conflict(wanted, freed));
                freed.iter().any(wants)
            }
            _ => true,
        }
    }

    fn after_resources(&self, event: &ClusterEvent) -> bool {
        let pod = self.pod();
        match event {
            ClusterEvent::NodeAdded(new) => fits_empty(pod, new.shape(&self.view)),
            ClusterEvent::NodeUpdated { old, new, .. } => {
                let (old, new) = (old.shape(&self.view), new.shape(&self.view));
                fits_empty(pod, new) && offers_more(pod, old, new)
            }
            ClusterEvent::PodUpdated { old, new, .. } => frees_some(pod, self.view.class(*old), self.view.class(*new)),
            _ => true,
        }
    }

    fn after_volumes(&self, plugin: Plugin, event: &ClusterEvent) -> bool {
        match event {
            ClusterEvent::PodRemoved { class, .. } => {
                let other = &self.view.class(*class).spec;
                match plugin {
                    NODE_VOLUME_LIMITS => other.volumes.iter().any(volumes::may_count),
                    _ => volumes::may_exclude(self.spec(), other),
                }
            }
            ClusterEvent::ObjectChanged(change) => match *change {
                ObjectChange::StorageClassAdded { waits_for_first_consumer } => {
                    plugin == VOLUME_BINDING || waits_for_first_consumer
                }
                ObjectChange::ClaimAdded(at) | ObjectChange::ClaimUpdated(at) => {
                    let counts_ephemeral = plugin == VOLUME_BINDING || plugin == NODE_VOLUME_LIMITS;
                    self.names_claim(at, counts_ephemeral)
                }
                ObjectChange::VolumeUpdated { changes_topology } => plugin == VOLUME_BINDING || changes_topology,
                ObjectChange::CsiNodeUpdated { raises_limit } => raises_limit,
                _ => true,
            },
            _ => true,
        }
    }

    /// Whether the pods name a claim, or one like it is made for each of them.
    fn names_claim(&self, at: u32, counts_ephemeral: bool) -> bool {
        let claim = &self.view.model.objects.persistent_volume_claims[at as usize];
        let is_named = |volume: &PodVolume| match volume {
            PodVolume::Claim { name, is_ephemeral, .. } => *name == claim.name && (counts_ephemeral || !is_ephemeral),
            _ => false,
        };
        self.spec().namespace == claim.namespace && self.spec().volumes.iter().any(is_named)
    }

    fn after_spread(&self, event: &ClusterEvent) -> bool {
        let cycle = Cycle { view: self.view, pod: None, class: self.class, nodes: &[], arguments: self.arguments };
        let constraints = Constraint::all(&cycle, WhenUnsatisfiable::DoNotSchedule);
        let is_found = |pod: &PodSpec| constraints.iter().any(|constraint| constraint.selects(&pod.labels));
        let is_near = |pod: &PodSpec| pod.namespace == self.spec().namespace;
        match *event {
            ClusterEvent::PodAssigned(class) | ClusterEvent::PodRemoved { class, .. } => {
                let other = &self.view.class(class).spec;
                is_near(other) && is_found(other)
            }
            ClusterEvent::PodUpdated { old, new, .. } => {
                let (old, new) = (&self.view.class(old).spec, &self.view.class(new).spec);
                is_near(new) && changes_a_match(&constraints, old, new)
            }
            ClusterEvent::TargetPodUpdated { old, new, .. } => {
                let (old, new) = (self.view.class(old), self.view.class(new));
                let honors_taints = || constraints.iter().any(|constraint| constraint.honors_node_taints);
                (old.tolerations != new.tolerations && honors_taints())
                    || changes_a_match(&constraints, &old.spec, &new.spec)
            }
            ClusterEvent::NodeAdded(node) | ClusterEvent::NodeRemoved(node) => {
                has_all_keys(&self.at(node), &constraints)
            }
            ClusterEvent::NodeUpdated { old, new, .. } => {
                let (old, new) = (self.at(old), self.at(new));
                let moves = |constraint: &Constraint<'_>| {
                    old.label(constraint.topology_key) != new.label(constraint.topology_key)
                };
                let matches = has_all_keys(&new, &constraints);
                has_all_keys(&old, &constraints) != matches
                    || matches && (constraints.iter().any(moves) || old.taints() != new.taints())
            }
            _ => true,
        }
    }

    fn after_affinity(&self, event: &ClusterEvent) -> bool {
        let spec = self.spec();
        let (affinity, anti_affinity) = (&spec.pod_affinity.required, &spec.pod_anti_affinity.required);
        let other = |class: &ClassId| &*self.view.class(*class).spec;
        match event {
            ClusterEvent::PodAssigned(class) => all_find(affinity, spec, other(class)),
            ClusterEvent::PodRemoved { class, .. } => {
                let removed = other(class);
                any_finds(anti_affinity, spec, removed) || any_finds(&removed.pod_anti_affinity.required, removed, spec)
            }
            ClusterEvent::PodUpdated { old, new, .. } => {
                let (old, new) = (other(old), other(new));
                !all_find(affinity, spec, old) && all_find(affinity, spec, new)
                    || any_finds(anti_affinity, spec, old) && !any_finds(anti_affinity, spec, new)
            }
            ClusterEvent::NodeAdded(node) => {
                let node = self.at(*node);
                !anti_affinity.is_empty() || affinity.iter().any(|term| node.label(&term.topology_key).is_some())
            }
            ClusterEvent::NodeUpdated { old, new, .. } => {
                let (old, new) = (self.at(*old), self.at(*new));
                let changes = |term: &PodAffinityTerm| old.label(&term.topology_key) != new.label(&term.topology_key);
                let joins = |term: &PodAffinityTerm| new.label(&term.topology_key).is_some() && changes(term);
                let leaves = |term: &PodAffinityTerm| old.label(&term.topology_key).is_some() && changes(term);
                affinity.iter().any(joins) || anti_affinity.iter().any(leaves)
            }
            _ => true,
        }
    }

    fn after_claims(&self, event: &ClusterEvent) -> bool {
        match event {
            ClusterEvent::ObjectChanged(ObjectChange::ResourceClaimUpdated(at)) => {
                let claim = &self.view.model.objects.devices.claims[*at as usize];
                let mut names = self.spec().resource_claims.iter().filter_map(|wanted| wanted.claim.as_ref());
                self.spec().namespace == claim.namespace && names.any(|name| *name == claim.name)
            }
            _ => true,
        }
    }

    fn after_features(&self, event: &ClusterEvent) -> bool {
        match event {
            ClusterEvent::TargetPodUpdated { old, new, .. } => {
                let required = |class: &ClassId| &self.view.class(*class).spec.required_features;
                required(old) != required(new)
            }
            _ => true,
        }
    }
}

/// Whether an update of a pod's labels makes some constraint find it that did not, or the other way round.
fn changes_a_match(constraints: &[Constraint<'_>], old: &PodSpec, new: &PodSpec) -> bool {
    constraints.iter().any(|constraint| constraint.selects(&old.labels) != constraint.selects(&new.labels))
}

fn has_all_keys(node: &NodeAt<'_>, constraints: &[Constraint<'_>]) -> bool {
    constraints.iter().all(|constraint| node.label(constraint.topology_key).is_some())
}

/// Whether a term finds a pod as the hints of `InterPodAffinity` ask: they do not look up the labels of its namespace, so
/// that a selector of namespaces is held against no labels at all.
fn finds(term: &PodAffinityTerm, of: &PodSpec, other: &PodSpec) -> bool {
    let is_named = match (&term.namespaces[..], &term.namespace_selector) {
        ([], None) => of.namespace == other.namespace,
        (names, _) => names.contains(&other.namespace),
    };
    (is_named || labels::selects(term.namespace_selector.as_ref(), &[]))
        && labels::selects(term.selector.as_ref(), &other.labels)
}

fn all_find(terms: &[PodAffinityTerm], of: &PodSpec, other: &PodSpec) -> bool {
    !terms.is_empty() && terms.iter().all(|term| finds(term, of, other))
}

fn any_finds(terms: &[PodAffinityTerm], of: &PodSpec, other: &PodSpec) -> bool {
    terms.iter().any(|term| finds(term, of, other))
}

/// Whether a pod would fit a node of that shape if it were empty. Unlike in the filter no resource is passed over.
fn fits_empty(pod: &PodClass, shape: &NodeShape) -> bool {
    let (asked, offered) = (&pod.requests, &shape.allocatable);
    let has_gpus = pod
        .gpu
        .as_ref()
        .is_none_or(|asked| shape.gpu.is_some_and(|gpu| asked.accepts(gpu.model) && asked.count <= gpu.count));
    has_gpus
        && offered.pods >= 1
        && asked.cpu <= offered.cpu
        && asked.memory <= offered.memory
        && asked.ephemeral_storage <= offered.ephemeral_storage
        && (0..asked.extended.len()).all(|position| asked.extended(position) <= offered.extended(position))
}

/// Whether a node offers more of something that a pod requests, or takes more pods.
fn offers_more(pod: &PodClass, old: &NodeShape, new: &NodeShape) -> bool {
    let (asked, before, after) = (&pod.requests, &old.allocatable, &new.allocatable);
    let grows = |position| asked.extended(position) > 0 && after.extended(position) > before.extended(position);
    after.pods > before.pods
        || asked.cpu.0 > 0 && after.cpu > before.cpu
        || asked.memory.0 > 0 && after.memory > before.memory
        || asked.ephemeral_storage.0 > 0 && after.ephemeral_storage > before.ephemeral_storage
        || (0..asked.extended.len()).any(grows)
        || pod.gpu.is_some() && new.gpu != old.gpu
}

/// Whether a bound pod gives up some of what a pod requests.
fn frees_some(pod: &PodClass, old: &PodClass, new: &PodClass) -> bool {
    let (asked, before, after) = (&pod.requests, &old.requests, &new.requests);
    let shrinks = |position| asked.extended(position) > 0 && after.extended(position) < before.extended(position);
    asked.cpu.0 > 0 && after.cpu < before.cpu
        || asked.memory.0 > 0 && after.memory < before.memory
        || asked.ephemeral_storage.0 > 0 && after.ephemeral_storage < before.ephemeral_storage
        || (0..asked.extended.len()).any(shrinks)
}

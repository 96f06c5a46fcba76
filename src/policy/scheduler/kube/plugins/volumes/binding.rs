//! `VolumeBinding`: a pod goes where its volumes are, or where they can be found or made.
//!
//! Claims that are bound hold the pod to the nodes of their volumes. Claims of a class that waits for its first consumer
//! take the smallest free volume that suits both claim and node, the smallest claim choosing first, or else must be such
//! as the class can provision for the node. Nodes are scored by how much of what there is would be taken.
//!
//! Of equally large volumes, and of capacities that suffice, the first by name is taken; upstream takes any.
//!
//! Source: `pkg/scheduler/framework/plugins/volumebinding` and `component-helpers/storage/volume`, v1.37.0, with the
//! features `StorageCapacityScoring` and `VolumeAttributesClass` on, as by default; no claim has an attributes class.

use std::collections::BTreeMap;

use super::{
    check_owner, claim, claim_not_found, claims_of, class_name, error, position, provision, storage_class, volume,
};
use crate::ids::{NodeId, PodId};
use crate::model::kube_scheduler::PluginArguments;
use crate::model::objects::{PersistentVolume, PersistentVolumeClaim, StorageCapacity, StorageClass};
use crate::model::pod_spec::{LabelRequirement, NodeSelectorTerm};
use crate::policy::scheduler::kube::framework::{FilterPlugin, NodeFilter, NodeScorer, PreFilter, ScorePlugin};
use crate::policy::scheduler::kube::labels::{self, NodeLabels};
use crate::policy::scheduler::kube::{Code, Cycle, NodeInfo, Rejection};
use crate::world::{BoundVolume, View};

/// Its name.
pub(in super::super) const NAME: &str = "VolumeBinding";

const UNBOUND: &str = "pod has unbound immediate PersistentVolumeClaims";
const NODE_CONFLICT: &str = "node(s) didn't match PersistentVolume's node affinity";
const BIND_CONFLICT: &str = "node(s) didn't find available persistent volumes to bind";
const NO_SPACE: &str = "node(s) did not have enough free storage";
const NO_VOLUME: &str = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";

/// The plug-in.
#[derive(Debug)]
pub(in super::super) struct VolumeBinding;

/// The claims of one pod, of which none must be bound before.
#[derive(Clone, Debug)]
struct PodClaims<'a> {
    cycle: Cycle<'a>,
    bound: Vec<&'a PersistentVolumeClaim>,
    waiting: Vec<&'a PersistentVolumeClaim>,
}

/// What would be done for the pod on one node.
#[derive(Debug, Default)]
struct PodVolumes<'a> {
    bindings: Vec<(&'a PersistentVolumeClaim, &'a PersistentVolume)>,
    provisions: Vec<(&'a PersistentVolumeClaim, Provision<'a>)>,
}

/// Of what class a volume would be made, and from which capacity; none where nobody keeps account.
type Provision<'a> = (&'a StorageClass, Option<CapacityLeft<'a>>);

impl FilterPlugin for VolumeBinding {
    fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> PreFilter<'a> {
        match PodClaims::new(cycle) {
            Err(rejection) => PreFilter::Reject(rejection),
            Ok(None) => PreFilter::Skip,
            Ok(Some(claims)) => {
                PreFilter::Run { filter: Box::new(claims) as Box<dyn NodeFilter<'a> + 'a>, nodes: None }
            }
        }
    }
}

impl ScorePlugin for VolumeBinding {
    fn pre_score<'a>(&self, cycle: &Cycle<'a>, _feasible: &[NodeInfo<'a>]) -> Option<Box<dyn NodeScorer<'a> + 'a>> {
        let claims = PodClaims::new(cycle).ok().flatten();
        Some(Box::new(CapacityScorer { claims, shape: &cycle.arguments.volume_binding_shape }))
    }
}

impl<'a> PodClaims<'a> {
    /// The claims; none if the pod has none (`podHasPVCs`, `GetPodVolumeClaims`).
    fn new(cycle: &Cycle<'a>) -> Result<Option<PodClaims<'a>>, Rejection> {
        let (view, spec) = (&cycle.view, cycle.spec());
        let mut claims = Vec::new();
        for (name, is_ephemeral) in claims_of(spec) {
            claims.push(usable(cycle, name, is_ephemeral).map_err(|reason| Rejection::unresolvable(NAME, reason))?);
        }
        if claims.is_empty() {
            return Ok(None);
        }
        let is_bound = |claim: &&PersistentVolumeClaim| !claim.volume.is_empty() && claim.is_bind_completed;
        let (bound, waiting): (Vec<_>, Vec<_>) = claims.into_iter().partition(is_bound);
        let may_wait = |claim: &&PersistentVolumeClaim| {
            let class = storage_class(view, class_name(claim));
            claim.volume.is_empty() && class.is_some_and(|class| class.waits_for_consumer)
        };
        if !waiting.iter().all(may_wait) {
            return Err(Rejection::unresolvable(NAME, UNBOUND));
        }
        Ok(Some(PodClaims { cycle: *cycle, bound, waiting }))
    }

    /// What would be done on a node (`FindPodVolumes`).
    fn on(&self, node: &impl NodeLabels) -> Result<PodVolumes<'a>, Rejection> {
        let view = &self.cycle.view;
        let mut reasons = Vec::new();
        let mut is_lost = false;
        for claim in &self.bound {
            match volume(view, &claim.volume) {
                None => is_lost = true,
                Some(volume) if !reaches(volume, node) => reasons.push(NODE_CONFLICT),
                Some(_) => continue,
            }
            break;
        }
        let mut volumes = PodVolumes::default();
        if let Err(failure) = self.arrange(node, &mut volumes) {
            reasons.push(failure.map_err(|message| error(NAME, message))?);
        }
        if is_lost {
            reasons.push(NO_VOLUME);
        }
        if reasons.is_empty() {
            return Ok(volumes);
        }
        let reasons = reasons.into_iter().map(Into::into).collect();
        Err(Rejection { plugin: NAME.into(), code: Code::UnschedulableAndUnresolvable, reasons })
    }

    /// Finds or makes volumes for the claims that wait; the error is a reason, or an error in its turn.
    fn arrange(
        &self,
        node: &impl NodeLabels,
        volumes: &mut PodVolumes<'a>,
    ) -> Result<(), Result<&'static str, String>> {
        let view = &self.cycle.view;
        let is_elsewhere = |claim: &&PersistentVolumeClaim| {
            claim.selected_node.as_ref().is_some_and(|selected| *selected != node.name())
        };
        if self.waiting.iter().any(is_elsewhere) {
            return Err(Ok(BIND_CONFLICT));
        }
        let is_selected = |claim: &&PersistentVolumeClaim| claim.selected_node.is_some();
        let (mut to_make, mut to_find): (Vec<_>, Vec<_>) = self.waiting.iter().copied().partition(is_selected);
        to_find.sort_by_key(|claim| claim.request_bytes);
        for claim in to_find {
            let chosen: Vec<&str> = volumes.bindings.iter().map(|(_, volume)| volume.name.as_str()).collect();
            match matching(view, claim, node, &chosen) {
                Some(volume) => volumes.bindings.push((claim, volume)),
                None => to_make.push(claim),
            }
        }
        for claim in to_make {
            let name = class_name(claim);
            let Some(class) = storage_class(view, name) else {
                return Err(Err(format!("failed to find storage class {name:?}")));
            };
            let can_make = !class.provisioner.is_empty() && class.provisioner != NO_PROVISIONER;
            let is_allowed = class.allowed_topologies.is_empty()
                || class.allowed_topologies.iter().any(|term| labels::meets_term(term, node));
            if !can_make || !is_allowed {
                return Err(Ok(BIND_CONFLICT));
            }
            let capacity = capacity(view, claim, class, node).map_err(Ok)?;
            volumes.provisions.push((claim, (class, capacity)));
        }
        Ok(())
    }
}

/// The volumes that the claims of a pod get with a node (`AssumePodVolumes`, `BindPodVolumes`): none for those that have one,
/// and none at all where they cannot be had there.
pub fn bind(view: View<'_>, pod: PodId, node: NodeId) -> Vec<crate::world::VolumeBinding> {
    let class = view.world.pods.class[pod.index()];
    if claims_of(&view.class(class).spec).next().is_none() {
        return Vec::new();
    }
    let arguments = PluginArguments::default();
    let cycle = Cycle { view, pod: Some(pod), class, nodes: &[], arguments: &arguments };
    let Ok(Some(claims)) = PodClaims::new(&cycle) else { return Vec::new() };
    let node = NodeInfo::new(view, node);
    let Ok(PodVolumes { bindings, provisions }) = claims.on(&node) else { return Vec::new() };
    let binding = |claim: &PersistentVolumeClaim, volume| {
        let claim = position(&view, &claim.namespace, &claim.name)?;
        Some(crate::world::VolumeBinding { claim, node: node.name().to_owned(), volume })
    };
    let found = bindings.iter().map(|(claim, volume)| binding(claim, BoundVolume::Found(volume.name.clone())));
    let made = provisions.iter().map(|(claim, (class, capacity))| {
        let volume = Box::new(provision::volume(claim, class, capacity.as_ref(), &node));
        let capacity = capacity.map(|capacity| capacity.position);
        binding(claim, BoundVolume::Made { volume, capacity })
    });
    found.chain(made).flatten().collect()
}

/// Whether the claims of a pod have volumes on a node that need not exist, or can be given some there.
pub(super) fn allows(cycle: &Cycle<'_>, node: &impl NodeLabels) -> bool {
    PodClaims::new(cycle).is_ok_and(|claims| claims.is_none_or(|claims| claims.on(node).is_ok()))
}

/// A claim that can be used.
fn usable<'a>(cycle: &Cycle<'a>, name: &str, is_ephemeral: bool) -> Result<&'a PersistentVolumeClaim, String> {
    let Some(claim) = claim(&cycle.view, &cycle.spec().namespace, name) else {
        return Err(if is_ephemeral {
            format!("waiting for ephemeral volume controller to create the persistentvolumeclaim {name:?}")
        } else {
            claim_not_found(name)
        });
    };
    if claim.is_lost {
        let volume = &claim.volume;
        return Err(format!("persistentvolumeclaim {name:?} bound to non-existent persistentvolume {volume:?}"));
    }
    if claim.is_deleting {
        return Err(format!("persistentvolumeclaim {name:?} is being deleted"));
    }
    if is_ephemeral {
        let pod = cycle.pod.map(|pod| cycle.view.pod_name(pod));
        check_owner(claim, pod.as_deref())?;
    }
    Ok(claim)
}

/// Whether a volume can be used on a node (`CheckNodeAffinity`); names of nodes are not looked at.
fn reaches(volume: &PersistentVolume, node: &impl NodeLabels) -> bool {
    let has_label = |requirement: &LabelRequirement| labels::meets(requirement, node.label(&requirement.key));
    let is_met = |term: &NodeSelectorTerm| {
        let is_empty = term.expressions.is_empty() && term.fields.is_empty();
        let fields = term.fields.iter().all(|requirement| labels::meets(requirement, None));
        !is_empty && fields && term.expressions.iter().all(has_label)
    };
    volume.node_affinity.as_ref().is_none_or(|terms| terms.iter().any(is_met))
}

/// The volume that suits claim and node best and is not among those chosen (`FindMatchingVolume`): the one that is
/// reserved for the claim, or else the smallest.
fn matching<'a>(
    view: &View<'a>,
    claim: &PersistentVolumeClaim,
    node: &impl NodeLabels,
    chosen: &[&str],
) -> Option<&'a PersistentVolume> {
    let is_reserved = |volume: &PersistentVolume| {
        volume.claim.as_ref().is_some_and(|(namespace, name)| (namespace, name) == (&claim.namespace, &claim.name))
    };
    let suits = |volume: &&PersistentVolume| {
        view.world.volumes.volume(&volume.name).is_none()
            && volume.storage_class == class_name(claim)
            && !chosen.contains(&volume.name.as_str())
            && (volume.claim.is_none() || is_reserved(volume))
            && volume.capacity_bytes >= claim.request_bytes
            && volume.is_block == claim.is_block
            && !volume.is_deleting
    };
    let is_free = |volume: &&PersistentVolume| {
        volume.is_available
            && claim.selector.as_ref().is_none_or(|selector| labels::selects(Some(selector), &volume.labels))
            && claim.access_modes.iter().all(|mode| volume.access_modes.contains(mode))
            && reaches(volume, node)
    };
    let mut volumes = view.model.objects.persistent_volumes.iter().filter(suits);
    match volumes.clone().find(|volume| is_reserved(volume)) {
        Some(reserved) => reaches(reserved, node).then_some(reserved),
        None => volumes.by_ref().filter(is_free).min_by_key(|volume| volume.capacity_bytes),
    }
}

/// A capacity from which a claim can be provisioned.
#[derive(Clone, Copy, Debug)]
pub(super) struct CapacityLeft<'a> {
    /// Its position in the model's list.
    pub(super) position: u32,
    /// What the driver says.
    pub(super) capacity: &'a StorageCapacity,
    /// What is left of it, in bytes, if the driver says how much there was.
    left_bytes: Option<u64>,
}

/// The capacity that a claim would be provisioned from; none where nobody keeps account (`hasEnoughCapacity`).
fn capacity<'a>(
    view: &View<'a>,
    claim: &PersistentVolumeClaim,
    class: &StorageClass,
    node: &impl NodeLabels,
) -> Result<Option<CapacityLeft<'a>>, &'static str> {
    let objects = &view.model.objects;
    let driver = objects.csi_drivers.iter().find(|driver| driver.name == class.provisioner);
    if !driver.is_some_and(|driver| driver.has_storage_capacity) {
        return Ok(None);
    }
    let suffices = |(position, capacity): (u32, &'a StorageCapacity)| {
        let (left_bytes, largest_bytes) = view.world.volumes.left(position, capacity);
        let limit = largest_bytes.or(left_bytes);
        let topology = capacity.node_topology.as_ref();
        let reaches_node = |requirement: &LabelRequirement| labels::meets(requirement, node.label(&requirement.key));
        let is_enough = capacity.storage_class == class.name
            && limit.is_some_and(|limit| limit >= claim.request_bytes)
            && topology.is_some_and(|topology| topology.requirements.iter().all(reaches_node));
        is_enough.then_some(CapacityLeft { position, capacity, left_bytes })
    };
    (0..).zip(&objects.storage_capacities).find_map(suffices).map(Some).ok_or(NO_SPACE)
}

impl<'a> NodeFilter<'a> for PodClaims<'a> {
    fn filter(&self, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        self.on(node).map(drop)
    }

    fn fork(&self) -> Box<dyn NodeFilter<'a> + 'a> {
        Box::new(self.clone())
    }
}

/// Scores nodes by the share of volumes or capacities that would be taken, class by class.
#[derive(Debug)]
struct CapacityScorer<'a> {
    claims: Option<PodClaims<'a>>,
    shape: &'a [(i64, i64)],
}

impl CapacityScorer<'_> {
    /// The score of a utilisation in percent, linear between the points of the shape.
    fn score_of(&self, utilisation: i64) -> i64 {
        let points = || self.shape.iter().map(|(utilisation, score)| (*utilisation, score * 10));
        let Some(next) = points().position(|(point, _)| utilisation <= point) else {
            return points().next_back().map_or(0, |(_, score)| score);
        };
        let (right, high) = (self.shape[next].0, self.shape[next].1 * 10);
        match next.checked_sub(1).map(|before| self.shape[before]) {
            None => high,
            Some((left, low)) => low * 10 + (high - low * 10) * (utilisation - left) / (right - left),
        }
    }

    fn score_of_class(&self, requested: u64, capacity: u64) -> i64 {
        if capacity == 0 || requested > capacity {
            return self.score_of(100);
        }
        self.score_of((u128::from(requested) * 100 / u128::from(capacity)) as i64)
    }
}

impl<'a> NodeScorer<'a> for CapacityScorer<'a> {
    fn score(&self, node: &NodeInfo<'a>) -> i64 {
        let Some(Ok(volumes)) = self.claims.as_ref().map(|claims| claims.on(node)) else { return 0 };
        // Requested and available bytes by class.
        let mut classes: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        if volumes.bindings.is_empty() {
            for (claim, (_, capacity)) in &volumes.provisions {
                if let Some(capacity) = capacity {
                    let sums = classes.entry(class_name(claim)).or_default();
                    *sums = (sums.0 + claim.request_bytes, capacity.left_bytes.unwrap_or(0));
                }
            }
        }
        for (claim, volume) in &volumes.bindings {
            let sums = classes.entry(&volume.storage_class).or_default();
            *sums = (sums.0 + claim.request_bytes, sums.1 + volume.capacity_bytes);
        }
        if classes.is_empty() {
            return 0;
        }
        let sum: i64 = classes.values().map(|(requested, capacity)| self.score_of_class(*requested, *capacity)).sum();
        libm::round(sum as f64 / classes.len() as f64) as i64
    }
}

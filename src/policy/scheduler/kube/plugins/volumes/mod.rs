//! The plug-ins that look at volumes, and what they have in common.
//!
//! They read claims, volumes and classes as the model has them, or as [`crate::world::Volumes`] says they are since. Two things of upstream's are left out: volumes of kinds
//! that Kubernetes once had built in are not translated to CSI where only a PersistentVolume names them, and
//! `VolumeAttachment` objects are not counted beside the pods that use the volumes.

mod binding;
mod limits;
mod provision;
mod restrictions;
#[cfg(test)]
mod tests;
mod zone;

pub use binding::bind;
pub(super) use binding::{NAME as BINDING, VolumeBinding};
pub(in crate::policy::scheduler::kube) use limits::may_count;
pub(super) use limits::{NAME as LIMITS, NodeVolumeLimits};
pub(in crate::policy::scheduler::kube) use restrictions::may_exclude;
pub(super) use restrictions::{NAME as RESTRICTIONS, VolumeRestrictions};
pub(super) use zone::{NAME as ZONE, VolumeZone};

use super::super::labels::NodeLabels;
use super::super::{Code, Cycle, Rejection};
use crate::ids::{ClassId, PodId};
use crate::model::PodSpec;
use crate::model::cluster::HOSTNAME_LABEL;
use crate::model::kube_scheduler::PluginArguments;
use crate::model::objects::{PersistentVolume, PersistentVolumeClaim, StorageClass};
use crate::model::pod_spec::{NodeSelectorTerm, PodVolume};
use crate::world::View;

/// Whether a pod's claims let it go to a node that need not exist, as `VolumeBinding` and `VolumeZone` say.
pub fn allow(view: View<'_>, pod: PodId, class: ClassId, node: &impl NodeLabels) -> bool {
    if claims_of(&view.class(class).spec).next().is_none() {
        return true;
    }
    let arguments = PluginArguments::default();
    let cycle = Cycle { view, pod: Some(pod), class, nodes: &[], arguments: &arguments };
    binding::allows(&cycle, node) && zone::allows(&cycle, node)
}

/// From where the volumes of a pod's claims can be reached: for each the terms of which a node must meet one. Claims without a
/// volume ask for what their class of storage allows; volumes that are no driver's do not ask for a node by name, as pods
/// that move leave what they hold (`GetRequirements` of Karpenter's `VolumeTopology`).
pub fn reach(view: View<'_>, spec: &PodSpec) -> Vec<Vec<NodeSelectorTerm>> {
    let of_claim = |(name, _): (&str, bool)| {
        let claim = claim(&view, &spec.namespace, name)?;
        if claim.volume.is_empty() {
            return Some(storage_class(&view, class_name(claim))?.allowed_topologies.clone());
        }
        let volume = volume(&view, &claim.volume)?;
        let mut terms = volume.node_affinity.clone()?;
        for term in terms.iter_mut().filter(|_| volume.csi.is_none()) {
            term.expressions.retain(|requirement| requirement.key != HOSTNAME_LABEL);
        }
        Some(terms)
    };
    let is_bound_to_some = |terms: &Vec<NodeSelectorTerm>| terms.iter().all(|term| !term.expressions.is_empty());
    claims_of(spec).filter_map(of_claim).filter(|terms| !terms.is_empty() && is_bound_to_some(terms)).collect()
}

/// The position of a claim in the model's list.
fn position(view: &View<'_>, namespace: &str, name: &str) -> Option<u32> {
    let claims = &view.model.objects.persistent_volume_claims;
    let order = |claim: &PersistentVolumeClaim| (claim.namespace.as_str(), claim.name.as_str()).cmp(&(namespace, name));
    claims.binary_search_by(order).ok().map(|at| at as u32)
}

/// A claim by its namespace and name.
fn claim<'a>(view: &View<'a>, namespace: &str, name: &str) -> Option<&'a PersistentVolumeClaim> {
    let at = position(view, namespace, name)?;
    let changed = view.world.volumes.claim(at);
    Some(changed.unwrap_or(&view.model.objects.persistent_volume_claims[at as usize]))
}

/// A volume by its name.
fn volume<'a>(view: &View<'a>, name: &str) -> Option<&'a PersistentVolume> {
    if let Some(changed) = view.world.volumes.volume(name) {
        return Some(changed);
    }
    let volumes = &view.model.objects.persistent_volumes;
    let at = volumes.binary_search_by(|volume| volume.name.as_str().cmp(name)).ok()?;
    Some(&volumes[at])
}

/// A class of storage by its name; the empty name is none's.
fn storage_class<'a>(view: &View<'a>, name: &str) -> Option<&'a StorageClass> {
    let classes = &view.model.objects.storage_classes;
    let at = classes.binary_search_by(|class| class.name.as_str().cmp(name)).ok()?;
    Some(&classes[at])
}

/// The name of a claim's class; empty: none.
fn class_name(claim: &PersistentVolumeClaim) -> &str {
    claim.storage_class.as_deref().unwrap_or("")
}

/// The claims that a pod uses: names, and whether they are made for it.
fn claims_of(spec: &PodSpec) -> impl Iterator<Item = (&str, bool)> {
    spec.volumes.iter().filter_map(|volume| match volume {
        PodVolume::Claim { name, is_ephemeral, .. } => Some((name.as_str(), *is_ephemeral)),
        _ => None,
    })
}

/// The claims that a pod names itself.
fn named_claims_of(spec: &PodSpec) -> impl Iterator<Item = &str> {
    claims_of(spec).filter(|(_, is_ephemeral)| !is_ephemeral).map(|(name, _)| name)
}

/// A claim that was made for a pod must be owned by it (`ephemeral.VolumeIsForPod`).
fn check_owner(claim: &PersistentVolumeClaim, pod: Option<&str>) -> Result<(), String> {
    if pod.is_some_and(|pod| claim.owner_pod.as_deref() != Some(pod)) {
        let (namespace, pod) = (&claim.namespace, pod.unwrap_or_default());
        let name = &claim.name;
        return Err(format!("PVC {namespace}/{name} was not created for pod {namespace}/{pod} (pod is not owner)"));
    }
    Ok(())
}

fn claim_not_found(name: &str) -> String {
    format!("persistentvolumeclaim {name:?} not found")
}

/// The end of an attempt.
fn error(plugin: &'static str, message: String) -> Rejection {
    Rejection { plugin: plugin.into(), code: Code::Error, reasons: vec![message.into()] }
}

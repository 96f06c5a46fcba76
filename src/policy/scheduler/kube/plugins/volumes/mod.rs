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

use super::super::{Code, Rejection};
use crate::model::PodSpec;
use crate::model::objects::{PersistentVolume, PersistentVolumeClaim, StorageClass};
use crate::model::pod_spec::PodVolume;
use crate::world::View;

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

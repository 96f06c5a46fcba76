//! The plug-ins that look at volumes, and what they have in common.
//!
//! They read claims, volumes and classes as the model has them. Two things of upstream's are left out: volumes of kinds
//! that Kubernetes once had built in are not translated to CSI where only a PersistentVolume names them, and
//! `VolumeAttachment` objects are not counted beside the pods that use the volumes.

mod binding;
mod limits;
mod restrictions;
#[cfg(test)]
mod tests;
mod zone;

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

/// A claim by its namespace and name.
fn claim<'a>(view: &View<'a>, namespace: &str, name: &str) -> Option<&'a PersistentVolumeClaim> {
    let claims = &view.model.objects.persistent_volume_claims;
    let key = |claim: &'a PersistentVolumeClaim| (claim.namespace.as_str(), claim.name.as_str());
    let at = claims.binary_search_by(|claim| key(claim).cmp(&(namespace, name))).ok()?;
    Some(&claims[at])
}

/// A volume by its name.
fn volume<'a>(view: &View<'a>, name: &str) -> Option<&'a PersistentVolume> {
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

//! `NodeVolumeLimits`: no more volumes than a node's CSI drivers can attach.
//!
//! Source: `pkg/scheduler/framework/plugins/nodevolumelimits/csi.go`, v1.37.0.

use std::collections::{BTreeMap, BTreeSet};

use super::{check_owner, claim, claim_not_found, class_name, error, storage_class, volume};
use crate::ids::PodId;
use crate::model::objects::{CsiNodeDriver, PersistentVolumeClaim};
use crate::model::pod_spec::PodVolume;
use crate::policy::scheduler::kube::framework::{FilterPlugin, NodeFilter, PreFilter};
use crate::policy::scheduler::kube::{Cycle, NodeInfo, Rejection};
use crate::world::View;

/// Its name.
pub(in super::super) const NAME: &str = "NodeVolumeLimits";

const TOO_MANY: &str = "node(s) exceed max volume count";
const GCE_DRIVER: &str = "pd.csi.storage.gke.io";
const AWS_DRIVER: &str = "ebs.csi.aws.com";
/// Provisioners that were once built in, and the drivers that took their place on nodes that have CSI at all; without a
/// driver their volumes are not counted.
const BUILT_IN: [(&str, Option<&str>); 7] = [
    ("kubernetes.io/aws-ebs", Some(AWS_DRIVER)),
    ("kubernetes.io/gce-pd", Some(GCE_DRIVER)),
    ("kubernetes.io/azure-disk", Some("disk.csi.azure.com")),
    ("kubernetes.io/cinder", Some("cinder.csi.openstack.org")),
    ("kubernetes.io/portworx-volume", Some("pxd.portworx.com")),
    ("kubernetes.io/azure-file", None),
    ("kubernetes.io/vsphere-volume", None),
];

/// Volumes by driver and handle.
type Volumes = BTreeSet<(String, String)>;

/// The plug-in.
#[derive(Debug)]
pub(in super::super) struct NodeVolumeLimits;

/// The volumes of one pod.
#[derive(Clone, Debug)]
struct Limits<'a> {
    cycle: Cycle<'a>,
}

/// Whether a volume can count against a limit.
pub(in crate::policy::scheduler::kube) fn may_count(volume: &PodVolume) -> bool {
    use PodVolume::{AwsElasticBlockStore, Claim, GcePersistentDisk};
    matches!(volume, Claim { .. } | GcePersistentDisk { .. } | AwsElasticBlockStore { .. })
}

impl FilterPlugin for NodeVolumeLimits {
    fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> PreFilter<'a> {
        if cycle.spec().volumes.iter().any(may_count) {
            PreFilter::Run { filter: Box::new(Limits { cycle: *cycle }), nodes: None }
        } else {
            PreFilter::Skip
        }
    }
}

impl<'a> NodeFilter<'a> for Limits<'a> {
    fn filter(&self, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        let view = &self.cycle.view;
        let drivers = view.model.objects.csi_nodes.get(node.name()).map(Vec::as_slice);
        let mut new = Volumes::new();
        add(view, self.cycle.class, self.cycle.pod, drivers, true, &mut new)?;
        if let Some((driver, _)) = new.iter().find(|(driver, _)| is_missing(view, driver, drivers)) {
            return Err(Rejection::unschedulable(NAME, format!("{driver} CSI driver is not installed on the node")));
        }
        let limits = drivers.unwrap_or(&[]).iter().filter_map(|driver| Some((&driver.driver, driver.attachable_max?)));
        let limits: BTreeMap<&String, u32> = limits.collect();
        if new.is_empty() || limits.is_empty() {
            return Ok(());
        }
        let mut attached = Volumes::new();
        for pod in node.pods() {
            add(view, view.world.pods.class[pod.index()], Some(pod), drivers, false, &mut attached)?;
        }
        let count = |volumes: &mut dyn Iterator<Item = &(String, String)>, name: &String| {
            volumes.filter(|(driver, _)| driver == name).count()
        };
        let is_beyond = |(driver, max): (&&String, &u32)| {
            let coming = count(&mut new.difference(&attached), driver);
            coming > 0 && count(&mut attached.iter(), driver) + coming > *max as usize
        };
        if limits.iter().any(is_beyond) { Err(Rejection::unschedulable(NAME, TOO_MANY)) } else { Ok(()) }
    }

    fn fork(&self) -> Box<dyn NodeFilter<'a> + 'a> {
        Box::new(self.clone())
    }
}

/// Whether a driver that wants pods kept from nodes without it is not on the node.
fn is_missing(view: &View<'_>, name: &str, drivers: Option<&[CsiNodeDriver]>) -> bool {
    let driver = view.model.objects.csi_drivers.iter().find(|driver| driver.name == name);
    driver.is_some_and(|driver| driver.prevents_scheduling_if_missing)
        && drivers.is_none_or(|drivers| drivers.iter().all(|driver| driver.driver != name))
}

/// Adds the volumes of a pod that a driver attaches (`filterAttachableVolumes`).
fn add(
    view: &View<'_>,
    class: crate::ids::ClassId,
    pod: Option<PodId>,
    drivers: Option<&[CsiNodeDriver]>,
    is_new: bool,
    volumes: &mut Volumes,
) -> Result<(), Rejection> {
    let spec = &view.class(class).spec;
    for volume in &spec.volumes {
        let found = match volume {
            PodVolume::Claim { name, is_ephemeral, .. } => match claim(view, &spec.namespace, name) {
                Some(claim) => {
                    if *is_ephemeral {
                        let pod = pod.map(|pod| view.pod_name(pod));
                        check_owner(claim, pod.as_deref()).map_err(|message| error(NAME, message))?;
                    }
                    driver_and_handle(view, claim, drivers.is_some())
                }
                None if is_new => {
                    let reason = format!("looking up PVC {}/{name}: {}", spec.namespace, claim_not_found(name));
                    return Err(Rejection::unresolvable(NAME, reason));
                }
                None => None,
            },
            PodVolume::GcePersistentDisk { name, .. } if drivers.is_some() => {
                Some((GCE_DRIVER.to_owned(), format!("projects/UNSPECIFIED/zones/UNSPECIFIED/disks/{name}")))
            }
            PodVolume::AwsElasticBlockStore { id } if drivers.is_some() => {
                let handle = id.strip_prefix("aws://").map_or(id.as_str(), |id| id.rsplit('/').next().unwrap_or(id));
                Some((AWS_DRIVER.to_owned(), handle.to_owned()))
            }
            _ => None,
        };
        volumes.extend(found.filter(|(driver, handle)| !driver.is_empty() && !handle.is_empty()));
    }
    Ok(())
}

/// The driver of a claim and the handle of its volume; while there is no volume, the driver that its class has, and a
/// handle of its own (`getCSIDriverInfo`).
fn driver_and_handle(view: &View<'_>, claim: &PersistentVolumeClaim, has_csi: bool) -> Option<(String, String)> {
    if let Some(volume) = volume(view, &claim.volume) {
        return volume.csi.clone();
    }
    let class = storage_class(view, class_name(claim))?;
    let provisioner = class.provisioner.as_str();
    let driver = match BUILT_IN.iter().find(|(name, _)| *name == provisioner) {
        Some((_, driver)) => driver.filter(|_| has_csi)?,
        None => provisioner,
    };
    Some((driver.to_owned(), format!("not-provisioned-{}/{}", claim.namespace, claim.name)))
}

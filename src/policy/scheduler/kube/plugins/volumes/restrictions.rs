//! `VolumeRestrictions`: disks that only one node may write to, and claims that only one pod may use.
//!
//! Source: `pkg/scheduler/framework/plugins/volumerestrictions`, v1.37.0. As there, a pod of another namespace whose claim
//! has the same name is counted when it is thought to come or go.

use std::collections::BTreeSet;

use super::{claim, claim_not_found, named_claims_of};
use crate::ids::PodId;
use crate::model::PodSpec;
use crate::model::objects::AccessMode;
use crate::model::pod_spec::PodVolume;
use crate::policy::scheduler::kube::framework::{FilterPlugin, NodeFilter, PreFilter};
use crate::policy::scheduler::kube::{Cycle, NodeInfo, Rejection};

/// Its name.
pub(in super::super) const NAME: &str = "VolumeRestrictions";

const DISK_IN_USE: &str = "node(s) had no available disk";
const CLAIM_IN_USE: &str =
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod";

/// The plug-in.
#[derive(Debug)]
pub(in super::super) struct VolumeRestrictions;

/// A pod's disks and claims.
#[derive(Clone, Debug)]
struct Restrictions<'a> {
    cycle: Cycle<'a>,
    /// Claims that one pod may use.
    exclusive: BTreeSet<&'a str>,
    /// How often other pods use them.
    uses: i64,
}

impl FilterPlugin for VolumeRestrictions {
    fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> PreFilter<'a> {
        let spec = cycle.spec();
        let mut exclusive = BTreeSet::new();
        for name in named_claims_of(spec) {
            match claim(&cycle.view, &spec.namespace, name) {
                None => return PreFilter::Reject(Rejection::unresolvable(NAME, claim_not_found(name))),
                Some(claim) if claim.access_modes.contains(&AccessMode::ReadWriteOncePod) => {
                    exclusive.insert(name);
                }
                Some(_) => {}
            }
        }
        let uses = uses(cycle, &exclusive);
        if uses == 0 && !spec.volumes.iter().any(is_disk) {
            return PreFilter::Skip;
        }
        let filter = Restrictions { cycle: *cycle, exclusive, uses };
        PreFilter::Run { filter: Box::new(filter) as Box<dyn NodeFilter<'a> + 'a>, nodes: None }
    }
}

/// How many of the claims are used by a pod on any node.
fn uses(cycle: &Cycle<'_>, exclusive: &BTreeSet<&str>) -> i64 {
    if exclusive.is_empty() {
        return 0;
    }
    let mut used = BTreeSet::new();
    for &node in cycle.nodes {
        for pod in NodeInfo::new(cycle.view, node).pods() {
            let spec = &cycle.view.class_of(pod).spec;
            if spec.namespace == cycle.spec().namespace {
                used.extend(named_claims_of(spec).filter(|name| exclusive.contains(name)));
            }
        }
    }
    used.len() as i64
}

impl Restrictions<'_> {
    fn change(&mut self, pod: PodId, change: i64) {
        let names = named_claims_of(&self.cycle.view.class_of(pod).spec);
        self.uses += change * names.filter(|name| self.exclusive.contains(name)).count() as i64;
    }
}

impl<'a> NodeFilter<'a> for Restrictions<'a> {
    fn filter(&self, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        let own = self.cycle.spec();
        if node.pods().any(|pod| share_disk(own, &self.cycle.view.class_of(pod).spec)) {
            return Err(Rejection::unschedulable(NAME, DISK_IN_USE));
        }
        if self.uses > 0 {
            return Err(Rejection::unschedulable(NAME, CLAIM_IN_USE));
        }
        Ok(())
    }

    fn add_pod(&mut self, pod: PodId, _node: &NodeInfo<'a>) {
        self.change(pod, 1);
    }

    fn remove_pod(&mut self, pod: PodId, _node: &NodeInfo<'a>) {
        self.change(pod, -1);
    }

    fn fork(&self) -> Box<dyn NodeFilter<'a> + 'a> {
        Box::new(self.clone())
    }
}

/// Whether the leaving of another pod may let a pod in: it holds one of its disks, or a claim that may be for one pod
/// only.
pub(in crate::policy::scheduler::kube) fn may_exclude(own: &PodSpec, other: &PodSpec) -> bool {
    let names = |name| named_claims_of(own).any(|own| own == name);
    own.namespace == other.namespace && (share_disk(own, other) || named_claims_of(other).any(names))
}

fn is_disk(volume: &PodVolume) -> bool {
    !matches!(volume, PodVolume::Claim { .. } | PodVolume::InlineCsi { .. })
}

fn share_disk(own: &PodSpec, other: &PodSpec) -> bool {
    own.volumes.iter().any(|volume| other.volumes.iter().any(|existing| clash(volume, existing)))
}

/// Whether two pods on one node cannot both mount these (`isVolumeConflict`): the same disk, unless both only read it;
/// an EBS volume even then.
fn clash(volume: &PodVolume, existing: &PodVolume) -> bool {
    use PodVolume::{AwsElasticBlockStore, GcePersistentDisk, Iscsi, Rbd};
    match (volume, existing) {
        (GcePersistentDisk { name, read_only }, GcePersistentDisk { name: other, read_only: both }) => {
            name == other && !(*read_only && *both)
        }
        (AwsElasticBlockStore { id }, AwsElasticBlockStore { id: other }) => id == other,
        (Iscsi { iqn, read_only }, Iscsi { iqn: other, read_only: both }) => iqn == other && !(*read_only && *both),
        (
            Rbd { monitors, pool, image, read_only },
            Rbd { monitors: others, pool: other_pool, image: other_image, read_only: both },
        ) => {
            let is_same = monitors.iter().any(|monitor| others.contains(monitor));
            is_same && (pool, image) == (other_pool, other_image) && !(*read_only && *both)
        }
        _ => false,
    }
}

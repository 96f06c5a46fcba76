//! `VolumeZone`: a pod goes to the zone and region that the labels of its volumes name.
//!
//! Source: `pkg/scheduler/framework/plugins/volumezone/volume_zone.go`, v1.37.0.

use std::collections::BTreeSet;

use super::{claim, claim_not_found, class_name, named_claims_of, storage_class, volume};
use crate::model::objects::PersistentVolume;
use crate::policy::scheduler::kube::framework::{FilterPlugin, NodeFilter, PreFilter};
use crate::policy::scheduler::kube::labels::{self, NodeLabels};
use crate::policy::scheduler::kube::{Cycle, NodeInfo, Rejection};

/// Its name.
pub(in super::super) const NAME: &str = "VolumeZone";

const CONFLICT: &str = "node(s) had no available volume zone";
/// The labels that count, and those that a node may carry instead.
const TOPOLOGY_LABELS: [(&str, &str); 4] = [
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("topology.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("topology.kubernetes.io/region", "topology.kubernetes.io/region"),
];
/// Parts the zones of a volume that is in several.
const ZONE_DELIMITER: &str = "__";

/// The plug-in.
#[derive(Debug)]
pub(in super::super) struct VolumeZone;

/// What volumes ask for: a label, the label that a node may carry instead, values.
type Wanted<'a> = Vec<(&'static str, &'static str, BTreeSet<&'a str>)>;

/// What the volumes of one pod ask for.
#[derive(Clone, Debug)]
struct Zones<'a> {
    wanted: Wanted<'a>,
}

impl FilterPlugin for VolumeZone {
    fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> PreFilter<'a> {
        match wanted(cycle) {
            Err(reason) => PreFilter::Reject(Rejection::unresolvable(NAME, reason)),
            Ok(wanted) if wanted.is_empty() => PreFilter::Skip,
            Ok(wanted) => PreFilter::Run { filter: Box::new(Zones { wanted }), nodes: None },
        }
    }
}

/// The labels of the volumes that the pod's claims are bound to.
fn wanted<'a>(cycle: &Cycle<'a>) -> Result<Wanted<'a>, String> {
    let (view, spec) = (&cycle.view, cycle.spec());
    let mut wanted = Vec::new();
    for name in named_claims_of(spec) {
        let claim = claim(view, &spec.namespace, name).ok_or_else(|| claim_not_found(name))?;
        if !claim.volume.is_empty() {
            let found = volume(view, &claim.volume);
            let volume = found.ok_or_else(|| format!("persistentvolume {:?} not found", claim.volume))?;
            wanted.extend(zones(volume));
            continue;
        }
        let class_name = class_name(claim);
        if class_name.is_empty() {
            return Err("PersistentVolumeClaim had no pv name and storageClass name".to_owned());
        }
        let class = storage_class(view, class_name);
        let class = class.ok_or_else(|| format!("storageclass.storage.k8s.io {class_name:?} not found"))?;
        if !class.waits_for_consumer {
            return Err("PersistentVolume had no name".to_owned());
        }
    }
    Ok(wanted)
}

/// A label with an empty zone among its zones counts as if it were not there.
fn zones(volume: &PersistentVolume) -> Wanted<'_> {
    let zones_of = |value| {
        let zones: BTreeSet<&str> = str::split(value, ZONE_DELIMITER).map(str::trim).collect();
        (!zones.contains("")).then_some(zones)
    };
    let label = |(key, current): (&'static str, &'static str)| {
        Some((key, current, labels::value(&volume.labels, key).and_then(zones_of)?))
    };
    TOPOLOGY_LABELS.into_iter().filter_map(label).collect()
}

/// Whether a node has the labels that volumes ask for; one without any zone has them all.
fn are_met(wanted: &Wanted<'_>, node: &impl NodeLabels) -> bool {
    let is_met = |(key, current, values): &(&str, &str, BTreeSet<&str>)| {
        node.label(key).or_else(|| node.label(current)).is_some_and(|value| values.contains(value))
    };
    TOPOLOGY_LABELS.iter().all(|(key, _)| node.label(key).is_none()) || wanted.iter().all(is_met)
}

/// Whether the volumes of a pod are in the zone of a node that need not exist.
pub(super) fn allows(cycle: &Cycle<'_>, node: &impl NodeLabels) -> bool {
    wanted(cycle).is_ok_and(|wanted| are_met(&wanted, node))
}

impl<'a> NodeFilter<'a> for Zones<'a> {
    fn filter(&self, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        if are_met(&self.wanted, node) { Ok(()) } else { Err(Rejection::unresolvable(NAME, CONFLICT)) }
    }

    fn fork(&self) -> Box<dyn NodeFilter<'a> + 'a> {
        Box::new(self.clone())
    }
}

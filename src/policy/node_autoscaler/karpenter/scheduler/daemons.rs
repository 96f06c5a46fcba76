//! What daemon sets will take of a new node.
//!
//! Source: `buildDaemonOverheadGroups` and `isDaemonPodCompatible` of `scheduler.go`.

use super::super::instance_type::InstanceType;
use super::super::requirements::{Requirements, WellKnownLabels};
use super::super::resources::{ResourceKind, ResourceList};
use super::preferences::{drop_alternative, tolerate_preferred_taints};
use crate::model::pod_spec::HostPort;
use crate::model::{PodClass, Taint};
use crate::world::constraints::tolerates;

/// Types on which the same daemons run.
#[derive(Clone, Debug)]
pub(super) struct DaemonGroup {
    pub(super) types: Vec<usize>,
    pub(super) overhead: ResourceList,
    pub(super) ports: Vec<HostPort>,
}

/// What pods of daemon sets request together.
pub(super) fn requests<'a>(daemons: impl IntoIterator<Item = &'a PodClass>) -> ResourceList {
    let mut sum = ResourceList::default();
    let mut count = 0;
    for daemon in daemons {
        let mut request = ResourceList::from(&daemon.requests);
        request.set(ResourceKind::Pods, 1);
        sum.add(&request);
        count += 1;
    }
    if count > 0 { sum } else { ResourceList::default() }
}

/// Parts the types of a template by the daemons that run on them. Upstream's groups come in no order; here they come in
/// that of their first types. As upstream's, daemons lose the alternatives that a type did not meet, for all that follows.
pub(super) fn groups(
    daemons: &mut [PodClass],
    taints: &[Taint],
    template: &Requirements,
    (all, of_template): (&[InstanceType], &[usize]),
    well_known: &WellKnownLabels,
) -> Vec<DaemonGroup> {
    let mut groups: Vec<(Vec<usize>, DaemonGroup)> = Vec::new();
    for at in of_template {
        let runs = |daemon: &mut PodClass| runs_on(daemon, taints, template, &all[*at], well_known);
        let runs: Vec<bool> = daemons.iter_mut().map(runs).collect();
        let compatible: Vec<usize> = (0..daemons.len()).filter(|daemon| runs[*daemon]).collect();
        match groups.iter_mut().find(|(key, _)| *key == compatible) {
            Some((_, group)) => group.types.push(*at),
            None => {
                let overhead = requests(compatible.iter().map(|daemon| &daemons[*daemon]));
                let ports = compatible.iter().flat_map(|daemon| daemons[*daemon].spec.host_ports.iter().cloned());
                let group = DaemonGroup { types: vec![*at], overhead, ports: ports.collect() };
                groups.push((compatible, group));
            }
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Whether a daemon runs on nodes of a template and type, by any of its alternatives.
fn runs_on(
    daemon: &mut PodClass,
    taints: &[Taint],
    template: &Requirements,
    instance_type: &InstanceType,
    well_known: &WellKnownLabels,
) -> bool {
    tolerate_preferred_taints(daemon);
    if !taints.iter().all(|taint| daemon.tolerations.iter().any(|it| tolerates(it, taint))) {
        return false;
    }
    loop {
        let wanted = Requirements::of_pod(daemon);
        if template.is_compatible(&wanted, well_known) && instance_type.requirements.intersects(&wanted) {
            return true;
        }
        if !drop_alternative(daemon) {
            return false;
        }
    }
}

/// Whether a daemon runs on a node that is there (`isDaemonPodCompatibleWithNode`): only its first alternative counts.
pub(super) fn runs_on_node(daemon: &PodClass, taints: &[Taint], labels: &Requirements) -> bool {
    taints.iter().all(|taint| daemon.tolerations.iter().any(|it| tolerates(it, taint)))
        && labels.is_compatible(&Requirements::of_pod(daemon), &WellKnownLabels::none())
}

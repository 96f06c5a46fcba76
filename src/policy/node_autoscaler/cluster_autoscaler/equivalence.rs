//! Pods that are tried as one (`core/scaleup/equivalence/groups.go`).

use std::collections::BTreeMap;

use crate::ids::PodId;

/// Groups that are told apart of one controller; pods of further kinds are groups of their own.
pub const MAX_GROUPS_BY_CONTROLLER: usize = 10;

/// What decides which pods are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodKind {
    /// The pod.
    pub pod: PodId,
    /// Its controller, if it has one.
    pub controller: Option<u64>,
    /// Whether a DaemonSet made it, or an annotation says so.
    pub is_daemon: bool,
    /// Pods with the same number have equal labels and, but for names and order, equal specifications.
    pub kind: u32,
}

/// Parts pods into groups, each in the order of the pods, groups in the order of their first pod. A pod without a
/// controller or of a DaemonSet is a group of its own.
///
/// Cost: at most ten comparisons a pod.
pub fn groups(pods: &[PodKind]) -> Vec<Vec<PodId>> {
    let mut groups: Vec<Vec<PodId>> = Vec::new();
    let mut known: BTreeMap<u64, Vec<(u32, usize)>> = BTreeMap::new();
    for pod in pods {
        let Some(controller) = pod.controller.filter(|_| !pod.is_daemon) else {
            groups.push(vec![pod.pod]);
            continue;
        };
        let of_controller = known.entry(controller).or_default();
        if let Some(&(_, group)) = of_controller.iter().find(|(kind, _)| *kind == pod.kind) {
            groups[group].push(pod.pod);
            continue;
        }
        if of_controller.len() < MAX_GROUPS_BY_CONTROLLER {
            of_controller.push((pod.kind, groups.len()));
        }
        groups.push(vec![pod.pod]);
    }
    groups
}

//! What the DaemonSet controller decides: on which nodes to make pods, and which pods to delete.
//!
//! Follows `pkg/controller/daemon/{daemon_controller,update}.go` and `pkg/controller/daemon/util/daemonset_util.go` of
//! v1.37.0; the back-off of failed pods is `client-go/util/flowcontrol/backoff.go`, 1 s doubling to 15 min. [`sync`] is one
//! `updateDaemonSet`. Which nodes fit (taints, selector, affinity) is the caller's to find.
//!
//! Known deviations:
//! - Nodes are gone through in the order of their ids, upstream's in the random order of a map.
//! - A failed pod's back-off is dropped with its DaemonSet, not after a while by a collector of garbage; what it decides is
//!   the same.
//! - A creation never fails, so there is no slow start.
//!
//! Cost: O(n + p log p) for `n` nodes and `p` pods.

use std::collections::BTreeMap;

use super::{ObservedPod, PodPhase, earlier, next_available, scaled};
use crate::ids::{NodeId, PodId, RevisionId};
use crate::model::controllers::{DaemonSetSpec, DaemonSetUpdate};
use crate::units::{SimDuration, SimTime};

/// How many pods one sync makes, and how many it deletes at most (`BurstReplicas`).
pub const BURST_REPLICAS: usize = 250;
/// The first back-off of a failed pod.
const BACKOFF_BASE: SimDuration = SimDuration(1_000_000_000);
/// The longest back-off of a failed pod.
const BACKOFF_MAX: SimDuration = SimDuration(15 * 60 * 1_000_000_000);

/// A node as the controller sees it (`nodeShouldRunDaemonPod`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaemonNode {
    /// The node.
    pub id: NodeId,
    /// Whether a pod is to be there: selector and affinity fit, and all taints are tolerated that keep pods off.
    pub should_run: bool,
    /// Whether a pod that is there may stay: as above, with taints of the effect `NoExecute` only.
    pub should_continue: bool,
}

/// What the controller remembers of failed pods, by node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailureBackoffs {
    generation: u64,
    by_node: BTreeMap<NodeId, (SimDuration, SimTime)>,
}

impl FailureBackoffs {
    /// Forgets everything when the DaemonSet has changed since.
    fn enter(&mut self, generation: u64) {
        if self.generation != generation {
            *self = FailureBackoffs { generation, by_node: BTreeMap::new() };
        }
    }

    /// Whether a failed pod of that node has to wait (`IsInBackOffSinceUpdate`), and how long the present back-off is.
    fn waiting(&self, node: NodeId, now: SimTime) -> Option<SimDuration> {
        let (backoff, updated) = *self.by_node.get(&node)?;
        (now.since(updated) < backoff).then_some(backoff)
    }

    /// Another failure (`Next`).
    fn count(&mut self, node: NodeId, now: SimTime) {
        let next = match self.by_node.get(&node) {
            Some(&(backoff, updated)) if now.since(updated).0 <= 2 * BACKOFF_MAX.0 => {
                SimDuration((2 * backoff.0).min(BACKOFF_MAX.0))
            }
            _ => BACKOFF_BASE,
        };
        self.by_node.insert(node, (next, now));
    }
}

/// `apps/v1.DaemonSetStatus`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DaemonSetStatus {
    /// `desiredNumberScheduled`: nodes that are to have a pod.
    pub desired: i32,
    /// `currentNumberScheduled`: those of them that have one.
    pub current: i32,
    /// `numberMisscheduled`: nodes that have one and are not to.
    pub misscheduled: i32,
    /// `numberReady`.
    pub ready: i32,
    /// `numberAvailable`.
    pub available: i32,
    /// `updatedNumberScheduled`: nodes whose oldest pod is of the present template.
    pub updated: i32,
}

/// What one sync brings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Nodes to make a pod for, of the present template.
    pub create: Vec<NodeId>,
    /// Pods to delete.
    pub delete: Vec<PodId>,
    /// The new `status`.
    pub status: DaemonSetStatus,
    /// When to look again, if nothing happens before: when the next pod becomes available, when a failed pod may go, or
    /// now where the burst was too small.
    pub wake: Option<SimTime>,
}

/// A DaemonSet as its controller sees it.
#[derive(Clone, Copy, Debug)]
pub struct ObservedDaemonSet<'a> {
    /// `spec`, without the template.
    pub spec: &'a DaemonSetSpec,
    /// `spec.template`.
    pub template: RevisionId,
    /// `metadata.generation`: grows with every change of spec or template.
    pub generation: u64,
    /// All nodes of the cluster, in order of their ids.
    pub nodes: &'a [DaemonNode],
    /// Its pods, each with the node that it is for.
    pub pods: &'a [(NodeId, ObservedPod)],
}

/// One sync of a DaemonSet that is not being deleted.
pub fn sync(object: &ObservedDaemonSet<'_>, backoffs: &mut FailureBackoffs, now: SimTime) -> Plan {
    backoffs.enter(object.generation);
    let mut round = Round::new(object, now);
    round.manage(backoffs);
    // What was just written has to be seen before an update goes on.
    if round.create.is_empty() && round.delete.is_empty() {
        let (max_surge, max_unavailable, desired) = round.limits();
        match object.spec.update {
            DaemonSetUpdate::OnDelete => {}
            DaemonSetUpdate::RollingUpdate { .. } if max_surge == 0 => round.replace(max_unavailable),
            DaemonSetUpdate::RollingUpdate { .. } => round.surge(max_surge, desired),
        }
    }
    if round.create.len().max(round.delete.len()) > BURST_REPLICAS {
        round.wake = Some(now);
    }
    round.create.truncate(BURST_REPLICAS);
    round.delete.truncate(BURST_REPLICAS);
    let pods: Vec<ObservedPod> = object.pods.iter().map(|(_, pod)| *pod).collect();
    Plan {
        status: round.status(),
        wake: earlier(round.wake, next_available(&pods, object.spec.min_ready, now)),
        create: round.create,
        delete: round.delete,
    }
}

/// One sync under way.
struct Round<'a> {
    object: &'a ObservedDaemonSet<'a>,
    now: SimTime,
    /// The pods of each node: those that have a node first, then the oldest.
    pods: BTreeMap<NodeId, Vec<&'a ObservedPod>>,
    create: Vec<NodeId>,
    delete: Vec<PodId>,
    wake: Option<SimTime>,
}

/// The pods of one node that are not told to end: the only one of the present template, and the only other one.
struct Pair<'a> {
    new: Option<&'a ObservedPod>,
    old: Option<&'a ObservedPod>,
}

impl<'a> Round<'a> {
    /// `getNodesToDaemonPods`.
    fn new(object: &'a ObservedDaemonSet<'a>, now: SimTime) -> Self {
        let mut pods: BTreeMap<NodeId, Vec<&ObservedPod>> = BTreeMap::new();
        for (node, pod) in object.pods {
            if !(pod.phase.is_finished() && pod.is_terminating) {
                pods.entry(*node).or_default().push(pod);
            }
        }
        for list in pods.values_mut() {
            list.sort_by_key(|pod| (pod.node.is_none(), pod.created, pod.id));
        }
        Round { object, now, pods, create: Vec::new(), delete: Vec::new(), wake: None }
    }

    fn is_available(&self, pod: &ObservedPod) -> bool {
        pod.is_available(self.object.spec.min_ready, self.now)
    }

    fn node(&self, id: NodeId) -> Option<&'a DaemonNode> {
        self.object.nodes.iter().find(|node| node.id == id)
    }

    /// `AllowsSurge`.
    fn allows_surge(&self) -> bool {
        matches!(self.object.spec.update, DaemonSetUpdate::RollingUpdate { max_surge, .. } if scaled(max_surge, 1, true) > 0)
    }

    /// `manage`: one pod where there is to be one, none where there is not.
    fn manage(&mut self, backoffs: &mut FailureBackoffs) {
        for node in self.object.nodes {
            let pods = self.pods.get(&node.id).cloned().unwrap_or_default();
            if node.should_run && pods.is_empty() {
                self.create.push(node.id);
            } else if node.should_continue {
                self.manage_node(node, &pods, backoffs);
            } else {
                self.delete.extend(pods.iter().filter(|pod| !pod.is_terminating).map(|pod| pod.id));
            }
        }
        // `getUnscheduledPodsWithoutNode`: no other controller takes pods that wait for a node that is gone.
        let there: Vec<NodeId> = self.object.nodes.iter().map(|node| node.id).collect();
        for pods in self.pods.iter().filter(|(node, _)| !there.contains(node)).map(|(_, pods)| pods) {
            self.delete.extend(pods.iter().filter(|pod| pod.node.is_none()).map(|pod| pod.id));
        }
    }

    /// `podsShouldBeOnNode`, where pods may stay.
    fn manage_node(&mut self, node: &DaemonNode, pods: &[&'a ObservedPod], backoffs: &mut FailureBackoffs) {
        let mut running = Vec::new();
        for pod in pods.iter().filter(|pod| !pod.is_terminating) {
            match (pod.phase, backoffs.waiting(node.id, self.now)) {
                (PodPhase::Failed, Some(backoff)) => {
                    // Upstream waits for the whole back-off anew, not for what is left of it.
                    self.wake = earlier(self.wake, Some(self.now.after(backoff)));
                }
                (PodPhase::Failed, None) => {
                    backoffs.count(node.id, self.now);
                    self.delete.push(pod.id);
                }
                (PodPhase::Succeeded, _) => self.delete.push(pod.id),
                _ => running.push(*pod),
            }
        }
        if !self.allows_surge() {
            self.delete.extend(running.iter().skip(1).map(|pod| pod.id));
        } else if running.is_empty() {
            self.create.extend(node.should_run.then_some(node.id));
        } else if running.len() > 1 {
            self.prune_surge(&running);
        }
    }

    /// Of several pods on a node the oldest of each revision stay: both only while the new one is not available and the old
    /// one is ready.
    fn prune_surge(&mut self, running: &[&'a ObservedPod]) {
        let (new, old): (Vec<&ObservedPod>, Vec<&ObservedPod>) =
            running.iter().partition(|pod| pod.revision == self.object.template);
        self.delete.extend(new.iter().skip(1).chain(old.iter().skip(1)).map(|pod| pod.id));
        if let (Some(new), Some(old)) = (new.first(), old.first())
            && (!old.is_ready() || self.is_available(new))
        {
            self.delete.push(old.id);
        }
    }

    /// `updatedDesiredNodeCounts`: surge, unavailable, and how many nodes are to have a pod.
    fn limits(&self) -> (usize, usize, usize) {
        let DaemonSetUpdate::RollingUpdate { max_surge, max_unavailable } = self.object.spec.update else {
            return (0, 0, 0);
        };
        let desired = self.object.nodes.iter().filter(|node| node.should_run).count();
        let resolve = |value| usize::try_from(scaled(value, desired as i32, true)).unwrap_or(0);
        match (resolve(max_surge), resolve(max_unavailable)) {
            (0, 0) if desired > 0 => (0, 1, desired),
            (surge, unavailable) => (surge, unavailable, desired),
        }
    }

    /// `findUpdatedPodsOnNode`; none where there are several of a kind.
    fn pair(&self, pods: &[&'a ObservedPod]) -> Option<Pair<'a>> {
        let alive = pods.iter().copied().filter(|pod| !pod.is_terminating);
        let (new, old): (Vec<&ObservedPod>, Vec<&ObservedPod>) =
            alive.partition(|pod| pod.revision == self.object.template);
        (new.len() <= 1 && old.len() <= 1).then(|| Pair { new: new.first().copied(), old: old.first().copied() })
    }

    /// The nodes with pods, and those that are to have one.
    fn nodes_in_play(&self) -> Vec<NodeId> {
        let wanted = self.object.nodes.iter().filter(|node| node.should_run).map(|node| node.id);
        let mut nodes: Vec<NodeId> = self.pods.keys().copied().chain(wanted).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// `rollingUpdate` without surge: old pods go, those that are not available at once, the others as long as no more
    /// than `max_unavailable` nodes are without an available pod.
    fn replace(&mut self, max_unavailable: usize) {
        let mut unavailable = 0;
        let mut candidates = Vec::new();
        for node in self.nodes_in_play() {
            let pods = self.pods.get(&node).cloned().unwrap_or_default();
            match self.pair(&pods) {
                Some(Pair { new: Some(new), old: None }) => unavailable += usize::from(!self.is_available(new)),
                Some(Pair { new: None, old: Some(old) }) if self.is_available(old) => candidates.push(old.id),
                Some(Pair { new: None, old: Some(old) }) => {
                    self.delete.push(old.id);
                    unavailable += 1;
                }
                _ => unavailable += 1,
            }
        }
        self.delete.extend(candidates.into_iter().take(max_unavailable.saturating_sub(unavailable)));
    }

    /// `rollingUpdate` with surge: new pods come beside old ones, and old ones go when they are available.
    fn surge(&mut self, max_surge: usize, desired: usize) {
        let (mut surging, mut available) = (0, 0);
        let (mut create, mut candidates) = (Vec::new(), Vec::new());
        let (mut delete, mut unwanted) = (Vec::new(), Vec::new());
        for (&node, pods) in &self.pods {
            let Some(Pair { new, old }) = self.pair(pods) else {
                surging += 1;
                continue;
            };
            available += usize::from(old.or(new).is_some_and(|pod| self.is_available(pod)));
            match (old, new) {
                (None, _) => {}
                (Some(_), Some(new)) if !self.is_available(new) => surging += 1,
                (Some(old), Some(_)) => delete.push(old.id),
                (Some(old), None) => {
                    // Upstream gives up the whole round when the node is gone.
                    let Some(found) = self.node(node) else { return };
                    match (found.should_run, self.is_available(old)) {
                        (true, true) => candidates.push(node),
                        (true, false) => create.push(node),
                        (false, true) => unwanted.push(old.id),
                        (false, false) => delete.push(old.id),
                    }
                }
            }
        }
        // Pods on nodes that are no longer to have one go only once there are more than enough.
        delete.extend(unwanted.into_iter().take(available.saturating_sub(desired)));
        create.extend(candidates.into_iter().take(max_surge.saturating_sub(surging)));
        (self.create, self.delete) = (create, delete);
    }

    /// `updateDaemonSetStatus`.
    fn status(&self) -> DaemonSetStatus {
        let mut status = DaemonSetStatus::default();
        for node in self.object.nodes {
            let oldest = self.pods.get(&node.id).and_then(|pods| pods.first());
            status.desired += i32::from(node.should_run);
            match (node.should_run, oldest) {
                (true, Some(pod)) => {
                    status.current += 1;
                    status.ready += i32::from(pod.is_ready());
                    status.available += i32::from(self.is_available(pod));
                    status.updated += i32::from(pod.revision == self.object.template);
                }
                (false, Some(_)) => status.misscheduled += 1,
                (_, None) => {}
            }
        }
        status
    }
}

#[cfg(test)]
mod tests;

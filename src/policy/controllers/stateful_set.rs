//! What the StatefulSet controller decides: which pods to make, by ordinal, and which to delete.
//!
//! Follows `pkg/controller/statefulset/{stateful_set_control,stateful_set_utils}.go` of v1.37.0 with its default feature
//! gates (`maxUnavailable` counts, there is no strategy `Recreate`). [`sync`] is one `updateStatefulSet`.
//!
//! Known deviations:
//! - Claims are always there, and there is no retention policy for them.
//! - The history of revisions is the list of templates, and none of it goes.
//!
//! Cost: O(p log p + r) for `p` pods and `r` replicas.

use super::{ObservedPod, next_available, scaled};
use crate::ids::{PodId, RevisionId};
use crate::model::controllers::{StatefulSetSpec, StatefulSetUpdate};
use crate::units::SimTime;

/// `apps/v1.StatefulSetStatus`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatefulSetStatus {
    /// `currentRevision`: the one that pods below the partition are made of; none: nothing was synced yet.
    pub current_revision: Option<RevisionId>,
    /// `replicas`: pods there are, those told to end among them.
    pub replicas: i32,
    /// `readyReplicas`.
    pub ready: i32,
    /// `availableReplicas`.
    pub available: i32,
    /// `currentReplicas`: pods of the current revision.
    pub current: i32,
    /// `updatedReplicas`: pods of the update revision.
    pub updated: i32,
}

/// A pod to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewPod {
    /// Its ordinal.
    pub ordinal: u32,
    /// The template to make it of.
    pub revision: RevisionId,
}

/// What one sync brings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Pods to make, in this order.
    pub create: Vec<NewPod>,
    /// Pods to delete, in this order.
    pub delete: Vec<PodId>,
    /// The new `status`.
    pub status: StatefulSetStatus,
    /// When to look again, if nothing happens before: when the next pod becomes available.
    pub wake: Option<SimTime>,
}

/// One sync of a StatefulSet that is not being deleted. `template` is the revision that it is to have, `before` the
/// status that the last sync left, and `pods` are its pods: at most one an ordinal, as their names are.
pub fn sync(
    spec: &StatefulSetSpec,
    template: RevisionId,
    before: &StatefulSetStatus,
    pods: &[ObservedPod],
    now: SimTime,
) -> Plan {
    let current = before.current_revision.unwrap_or(template);
    let mut update = Update::new(spec, current, template, pods, now);
    let goes_on = update.manage_replicas() && update.manage_condemned();
    let mut plan = Plan {
        status: counts(spec, current, template, pods, now),
        wake: next_available(pods, spec.min_ready, now),
        ..Plan::default()
    };
    if goes_on && let StatefulSetUpdate::RollingUpdate { partition, max_unavailable } = spec.update {
        let at_most = scaled(max_unavailable, spec.replicas, false).max(1) as usize;
        plan.status.current -= update.roll(partition as usize, at_most);
    }
    (plan.create, plan.delete) = (update.create, update.delete);
    complete(spec, template, &mut plan.status);
    plan
}

/// `updateStatus`.
fn counts(
    spec: &StatefulSetSpec,
    current: RevisionId,
    template: RevisionId,
    pods: &[ObservedPod],
    now: SimTime,
) -> StatefulSetStatus {
    let mut status = StatefulSetStatus { current_revision: Some(current), ..StatefulSetStatus::default() };
    for pod in pods {
        let runs = !pod.phase.is_finished() && pod.is_ready();
        status.replicas += 1;
        status.ready += i32::from(runs);
        status.available += i32::from(runs && pod.is_available(spec.min_ready, now));
        status.current += i32::from(!pod.is_terminating && pod.revision == current);
        status.updated += i32::from(!pod.is_terminating && pod.revision == template);
    }
    status
}

/// `completeUpdate`: once all pods are of the new revision and ready, it is the current one.
fn complete(spec: &StatefulSetSpec, template: RevisionId, status: &mut StatefulSetStatus) {
    let wanted = spec.replicas;
    if (status.updated, status.ready, status.replicas) == (wanted, wanted, wanted) {
        (status.current, status.current_revision) = (status.updated, Some(template));
    }
}

/// One sync under way.
struct Update<'a> {
    spec: &'a StatefulSetSpec,
    current: RevisionId,
    template: RevisionId,
    now: SimTime,
    /// The pods that there ought to be, by ordinal less the first; none: to be made.
    replicas: Vec<Option<&'a ObservedPod>>,
    /// The others, the highest ordinal first.
    condemned: Vec<&'a ObservedPod>,
    create: Vec<NewPod>,
    delete: Vec<PodId>,
}

impl<'a> Update<'a> {
    fn new(
        spec: &'a StatefulSetSpec,
        current: RevisionId,
        template: RevisionId,
        pods: &'a [ObservedPod],
        now: SimTime,
    ) -> Self {
        let mut replicas = vec![None; usize::try_from(spec.replicas).unwrap_or(0)];
        let mut condemned = Vec::new();
        for pod in pods {
            let slot = pod.ordinal.checked_sub(spec.first_ordinal).and_then(|at| replicas.get_mut(at as usize));
            match slot {
                Some(slot) => *slot = Some(pod),
                None => condemned.push(pod),
            }
        }
        condemned.sort_by_key(|pod| std::cmp::Reverse((pod.ordinal, pod.id)));
        Update { spec, current, template, now, replicas, condemned, create: Vec::new(), delete: Vec::new() }
    }

    /// `isRunningAndAvailable`.
    fn is_available(&self, pod: &ObservedPod) -> bool {
        !pod.phase.is_finished() && pod.is_available(self.spec.min_ready, self.now)
    }

    /// `isUnavailable`: a pod that is missing, not available or told to end.
    fn is_unavailable(&self, pod: Option<&ObservedPod>) -> bool {
        pod.is_none_or(|pod| pod.is_terminating || !self.is_available(pod))
    }

    /// Whether the pod is of another revision than it ought to be, and may be told to end.
    fn is_stale(&self, pod: &ObservedPod) -> bool {
        pod.revision != self.template && !pod.is_terminating
    }

    fn delete(&mut self, pod: &ObservedPod) {
        if !self.delete.contains(&pod.id) {
            self.delete.push(pod.id);
        }
    }

    /// The revision of a pod that is made now: the current one below the partition, else the new one
    /// (`newVersionedStatefulSetPod`).
    fn revision(&self, position: usize) -> RevisionId {
        match self.spec.update {
            StatefulSetUpdate::RollingUpdate { partition, .. } if position < partition as usize => self.current,
            _ => self.template,
        }
    }

    /// `processReplica` for each: makes what is missing and deletes what has ended. Returns whether the sync goes on,
    /// which in order it does only once all are available.
    fn manage_replicas(&mut self) -> bool {
        for position in 0..self.replicas.len() {
            let is_settled = match self.replicas[position] {
                None => {
                    let ordinal = self.spec.first_ordinal + position as u32;
                    self.create.push(NewPod { ordinal, revision: self.revision(position) });
                    false
                }
                Some(pod) if pod.phase.is_finished() => {
                    if !pod.is_terminating {
                        self.delete(pod);
                    }
                    false
                }
                found => !self.is_unavailable(found),
            };
            if !is_settled && !self.spec.is_parallel {
                return false;
            }
        }
        true
    }

    /// `processCondemned` for each: deletes from the top, in order one at a time. Returns whether the sync goes on.
    fn manage_condemned(&mut self) -> bool {
        // In order, all replicas are available here: the first unhealthy pod is the lowest of these.
        let first_unavailable = self.condemned.iter().rev().find(|pod| self.is_unavailable(Some(pod))).copied();
        for pod in self.condemned.clone() {
            let may_go = self.spec.is_parallel
                || self.is_available(pod)
                || first_unavailable.is_some_and(|first| first.id == pod.id);
            if !pod.is_terminating && may_go {
                self.delete(pod);
            }
            if !self.spec.is_parallel {
                return false;
            }
        }
        true
    }

    /// `updateStatefulSetAfterInvariantEstablished`: takes pods of other revisions from the top down, as long as no more
    /// than `at_most` are unavailable. Returns how many it takes.
    fn roll(&mut self, partition: usize, at_most: usize) -> i32 {
        let unavailable = self.replicas.iter().filter(|pod| self.is_unavailable(**pod)).count();
        let budget = at_most.saturating_sub(unavailable);
        let candidates: Vec<&ObservedPod> =
            self.replicas.iter().skip(partition).rev().flatten().copied().filter(|pod| self.is_stale(pod)).collect();
        let (available, others): (Vec<&ObservedPod>, Vec<&ObservedPod>) =
            candidates.iter().copied().partition(|pod| self.is_available(pod));
        let taken: Vec<&ObservedPod> = if self.spec.is_parallel {
            // Those that are unavailable anyway cost nothing.
            others.into_iter().chain(available.into_iter().take(budget)).collect()
        } else {
            candidates.into_iter().take(budget).collect()
        };
        for pod in &taken {
            self.delete(pod);
        }
        taken.len() as i32
    }
}

#[cfg(test)]
mod tests;

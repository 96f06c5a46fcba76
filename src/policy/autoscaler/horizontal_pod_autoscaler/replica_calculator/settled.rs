//! Pods whose CPU counts for good.
//!
//! Of a pod that has been there for longer than it may take to start only the sample changes: whether its CPU counts, and what
//! it requests, stay as they are until something about the pod changes. So sums over all pods, which who measures has at hand,
//! less those of the few others, are the sums over pods that have settled.
//!
//! Cost: O(pods) where pods have changed or another one may have settled, else O(pods that have not settled) for each look.

use super::super::super::observation::{ObservedContainer, ObservedPod as Pod, Totals};
use super::super::Settings;
use super::super::seen::{Observed, ObservedPod};
use super::pods::{Group, Sample, group};
use crate::units::SimTime;

/// The pods of an observation that have settled.
#[derive(Clone, Debug, Default)]
pub struct SettledPods {
    /// The version of the pods that this is about; none: nobody has looked.
    version: Option<u64>,
    /// When another one may have settled.
    next: SimTime,
    /// How many have, and the milli-cores that they request together; the sum wraps around.
    pub(super) count: usize,
    pub(super) requests: i64,
    /// Positions of the others.
    pub(super) others: Vec<u32>,
}

/// Pods that have settled, and sums over all pods.
#[derive(Clone, Copy, Debug)]
pub struct Settled<'a> {
    /// The pods.
    pub pods: &'a SettledPods,
    /// The sums.
    pub totals: &'a Totals,
}

impl SettledPods {
    /// Looks at the pods, unless they are those that it has looked at.
    pub fn look(&mut self, settings: &Settings, now: SimTime, version: u64, observed: &Observed<'_>) {
        if self.version == Some(version) && now < self.next {
            return;
        }
        let others = std::mem::take(&mut self.others);
        *self = SettledPods { version: Some(version), next: SimTime::NEVER, others, ..SettledPods::default() };
        self.others.clear();
        for (position, pod) in observed.pods.iter().enumerate() {
            let settles_at = pod.started.map(|started| started.after(settings.cpu_initialization_period));
            let is_old = settles_at.is_some_and(|at| at <= now);
            match requests_of(observed.containers_of(pod)) {
                Some(requests) if is_old && counts(settings, now, pod) => {
                    self.count += 1;
                    self.requests = self.requests.wrapping_add(requests);
                }
                _ => self.others.push(position as u32),
            }
            self.next = settles_at.filter(|at| *at > now).map_or(self.next, |at| self.next.min(at));
        }
    }

    /// Whether these are the pods that sums are about, all of which have settled and have samples.
    pub fn are_all(&self, now: SimTime, totals: &Totals) -> bool {
        let is_known = self.version == Some(totals.version) && now < self.next;
        is_known && self.others.is_empty() && totals.sampled == self.count
    }
}

/// Whether the CPU of a pod that is old counts, whatever its sample is.
fn counts(settings: &Settings, now: SimTime, pod: &Pod) -> bool {
    let any_sample = Sample::plain(pod.id, 0);
    group(settings, now, &ObservedPod::of(pod), Some(&any_sample), true) == Group::Ready
}

/// What the containers of a pod request of CPU, in milli-cores; none: one says nothing, or there is none.
fn requests_of(containers: &[ObservedContainer<'_>]) -> Option<i64> {
    let sum = |sum: i64, one: &ObservedContainer<'_>| Some(sum.wrapping_add(one.cpu_request_milli? as i64));
    containers.iter().try_fold(0, sum).filter(|_| !containers.is_empty())
}

//! Which pods count, and what they request: `groupPods` and `calculateRequests`.

use super::super::seen::{ConditionStatus, ContainerAmounts, ObservedPod, Seen};
use super::super::spec::ResourceName;
use super::{ReplicaCalculator, name_of};
use crate::ids::PodId;
use crate::units::{SimDuration, SimTime};
use crate::world::lives::PodPhase;

/// A value of one pod.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) pod: PodId,
    pub(super) at: SimTime,
    pub(super) window: SimDuration,
    pub(super) value: i64,
}

impl Sample {
    /// A value of which time does not matter.
    pub(super) fn plain(pod: PodId, value: i64) -> Sample {
        Sample { pod, at: SimTime::ZERO, window: SimDuration::ZERO, value }
    }
}

/// How a pod takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// Its value counts.
    Ready,
    /// It is not ready, or has been for too short: it counts as using nothing when there are too few.
    Unready,
    /// It has no value: something is assumed.
    Missing,
    /// It is going or has failed.
    Ignored,
}

/// A pod whose value counts, or a value whose pod is gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pod: PodId,
    pub(super) value: i64,
    /// What it requests; none: its pod is gone, or nobody has asked.
    pub(super) request: Option<i64>,
}

/// A pod whose value does not count.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeftOut {
    pod: PodId,
    pub(super) group: Group,
    pub(super) request: Option<i64>,
}

/// Pods and values, brought together.
#[derive(Debug)]
pub(super) struct Measured {
    /// In the order of pods' ids.
    pub(super) counted: Vec<Counted>,
    /// Those that are unready or missing, in the order of pods' ids.
    pub(super) left_out: Vec<LeftOut>,
    /// How many of those that count are there.
    pub(super) ready_count: usize,
}

impl Measured {
    /// Goes along pods and values at once, both in the order of pods' ids.
    pub(super) fn new(calculator: &ReplicaCalculator<'_>, samples: &[Sample], is_cpu: bool) -> Measured {
        let counted = Vec::with_capacity(samples.len());
        let mut measured = Measured { counted, left_out: Vec::new(), ready_count: 0 };
        let mut samples = samples.iter().peekable();
        for pod in calculator.seen.pods {
            while let Some(gone) = samples.next_if(|sample| sample.pod < pod.id) {
                measured.counted.push(Counted { pod: gone.pod, value: gone.value, request: None });
            }
            let sample = samples.next_if(|sample| sample.pod == pod.id);
            let group = calculator.group(pod, sample, is_cpu);
            match (group, sample) {
                (Group::Ready, Some(sample)) => {
                    measured.ready_count += 1;
                    measured.counted.push(Counted { pod: pod.id, value: sample.value, request: None });
                }
                (Group::Unready | Group::Missing, _) => {
                    measured.left_out.push(LeftOut { pod: pod.id, group, request: None });
                }
                _ => {}
            }
        }
        measured.counted.extend(samples.map(|gone| Counted { pod: gone.pod, value: gone.value, request: None }));
        measured
    }

    /// Finds out what every pod requests of a resource, or what a container of it does.
    ///
    /// # Errors
    /// When a pod that is there, whether it counts or not, says nothing of it. The first one is named; upstream's order of
    /// pods is that of a hash table.
    pub(super) fn ask_requests(
        &mut self,
        seen: &Seen<'_>,
        resource: &ResourceName,
        container: Option<&str>,
    ) -> Result<(), String> {
        let mut counted = self.counted.iter_mut().peekable();
        let mut left_out = self.left_out.iter_mut().peekable();
        for pod in seen.pods {
            let request = request_of(seen, pod, resource, container)?;
            while counted.next_if(|one| one.pod < pod.id).is_some() {}
            if let Some(one) = counted.next_if(|one| one.pod == pod.id) {
                one.request = Some(request);
            }
            if let Some(one) = left_out.next_if(|one| one.pod == pod.id) {
                one.request = Some(request);
            }
        }
        Ok(())
    }
}

impl ReplicaCalculator<'_> {
    /// One round of `groupPods`.
    fn group(&self, pod: &ObservedPod<'_>, sample: Option<&Sample>, is_cpu: bool) -> Group {
        if pod.is_terminating || pod.phase == PodPhase::Failed {
            return Group::Ignored;
        }
        if pod.phase == PodPhase::Pending {
            return Group::Unready;
        }
        let Some(sample) = sample else { return Group::Missing };
        if is_cpu && self.is_warming_up(pod, sample) { Group::Unready } else { Group::Ready }
    }

    /// Whether a pod's CPU does not count, because it is not ready or may still be starting.
    fn is_warming_up(&self, pod: &ObservedPod<'_>, sample: &Sample) -> bool {
        let (Some(ready), Some(started)) = (pod.ready, pod.started) else { return true };
        let is_false = ready.status == ConditionStatus::False;
        if started.after(self.settings.cpu_initialization_period) > self.now {
            // While it may be initialising, a whole window must lie after it became ready.
            is_false || sample.at < ready.since.after(sample.window)
        } else {
            // Later, only a pod that has never been ready is left out.
            is_false && started.after(self.settings.initial_readiness_delay) > ready.since
        }
    }
}

/// What one pod requests, in thousandths of the unit.
fn request_of(
    seen: &Seen<'_>,
    pod: &ObservedPod<'_>,
    resource: &ResourceName,
    container: Option<&str>,
) -> Result<i64, String> {
    let missing = |one: &ContainerAmounts<'_>| {
        format!("missing request for {resource} in container {} of Pod {}", one.name, name_of(seen, pod.id))
    };
    if let Some(wanted) = container {
        let Some(one) = pod.requests.containers.iter().find(|one| one.name == wanted) else {
            return Err(format!("container {wanted} not found in Pod {}", name_of(seen, pod.id)));
        };
        return one.amounts.milli(resource).ok_or_else(|| missing(one));
    }
    if let Some(requests) = pod.requests.pod_level {
        let missing = || format!("missing pod-level request for {resource} in Pod {}", name_of(seen, pod.id));
        return requests.milli(resource).ok_or_else(missing);
    }
    let mut sum = 0i64;
    for one in pod.requests.containers {
        sum = sum.wrapping_add(one.amounts.milli(resource).ok_or_else(|| missing(one))?);
    }
    Ok(sum)
}

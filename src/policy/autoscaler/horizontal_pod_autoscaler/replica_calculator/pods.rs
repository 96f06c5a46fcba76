//! Which pods count, and what they request: `groupPods` and `calculateRequests`.

use super::super::seen::{ConditionStatus, ContainerAmounts, ObservedPod, Seen};
use super::super::spec::ResourceName;
use super::{ReplicaCalculator, Tally, name_of};
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

/// A pod whose value does not count.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeftOut {
    pub(super) group: Group,
    /// What it requests; none: nobody has asked.
    pub(super) request: Option<i64>,
}

/// Whose requests of a resource are needed: of a container, or of all.
pub(super) type Requests<'a> = (&'a ResourceName, Option<&'a str>);

/// Pods and values, brought together.
#[derive(Debug)]
pub(super) struct Measured {
    /// Values that count, those whose pods are gone among them, in the order of pods' ids.
    pub(super) counted: Tally,
    /// Pods that are unready or missing, in the order of their ids.
    pub(super) left_out: Vec<LeftOut>,
    /// How many of the pods whose values count are there.
    pub(super) ready_count: usize,
}

impl Measured {
    /// Goes along pods and values at once, both in the order of pods' ids, and asks what the pods request, if it is needed.
    ///
    /// # Errors
    /// When a pod that is there, whether it counts or not, says nothing of what it requests. The first one is named; upstream's
    /// order of pods is that of a hash table. When no value counts at all, which upstream finds out before.
    pub(super) fn new(
        calculator: &ReplicaCalculator<'_>,
        samples: impl Iterator<Item = Sample>,
        is_cpu: bool,
        requests: Option<Requests<'_>>,
    ) -> Result<Measured, String> {
        let mut measured = Measured { counted: Tally::default(), left_out: Vec::new(), ready_count: 0 };
        let mut samples = samples.peekable();
        let mut problem = None;
        for pod in calculator.seen.pods {
            while let Some(gone) = samples.next_if(|sample| sample.pod < pod.id) {
                measured.counted.add(gone.value, None);
            }
            let sample = samples.next_if(|sample| sample.pod == pod.id);
            let request = match requests {
                Some((resource, container)) if problem.is_none() => {
                    let found = request_of(calculator.seen, pod, resource, container);
                    found.map_err(|why| problem = Some(why)).ok()
                }
                _ => None,
            };
            let group = calculator.group(pod, sample.as_ref(), is_cpu);
            match (group, sample) {
                (Group::Ready, Some(sample)) => {
                    measured.ready_count += 1;
                    measured.counted.add(sample.value, request);
                }
                (Group::Unready | Group::Missing, _) => measured.left_out.push(LeftOut { group, request }),
                _ => {}
            }
        }
        samples.for_each(|gone| measured.counted.add(gone.value, None));
        if measured.counted.count == 0 {
            return Err("did not receive metrics for targeted pods (pods might be unready)".to_owned());
        }
        problem.map_or(Ok(measured), Err)
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

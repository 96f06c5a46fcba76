//! Which pods count, and what they request: `groupPods` and `calculateRequests`.

use super::super::super::observation::ObservedPod as Pod;
use super::super::Settings;
use super::super::seen::{ConditionStatus, Observed, ObservedPod, Seen};
use super::super::spec::ResourceName;
use super::settled::Settled;
use super::{ReplicaCalculator, Tally, name_of, value_of};
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
#[derive(Debug, Default)]
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
        let mut measured = Measured::default();
        let mut samples = samples.peekable();
        let mut problem = None;
        for pod in calculator.pods() {
            while let Some(gone) = samples.next_if(|sample| sample.pod < pod.id) {
                measured.counted.add(gone.value, None);
            }
            let sample = samples.next_if(|sample| sample.pod == pod.id);
            let request = match requests {
                Some((resource, container)) if problem.is_none() => {
                    let found = request_of(calculator.seen, &pod, resource, container);
                    found.map_err(|why| problem = Some(why)).ok()
                }
                _ => None,
            };
            measured.add(calculator.group(&pod, sample.as_ref(), is_cpu), sample, request);
        }
        samples.for_each(|gone| measured.counted.add(gone.value, None));
        measured.complete(problem)
    }

    /// The same of pods of an observation, whose samples stand beside them.
    ///
    /// # Errors
    /// See [`Measured::new`].
    pub(super) fn observed(
        calculator: &ReplicaCalculator<'_>,
        observed: &Observed<'_>,
        requests: Requests<'_>,
        needs_requests: bool,
    ) -> Result<Measured, String> {
        let is_sum_of_cpu = matches!(requests, (ResourceName::Cpu, None));
        if let Some(settled) = observed.settled.filter(|_| is_sum_of_cpu)
            && let Some(measured) = Measured::settled(calculator, observed, settled, needs_requests)
        {
            return measured.complete(None);
        }
        let (mut measured, mut problem) = (Measured::default(), None);
        for known in observed.pods {
            measured.look(calculator, observed, known, (requests, needs_requests), &mut problem);
        }
        measured.complete(problem)
    }

    /// The same of the CPU of all containers, where only pods that have not settled are looked at. None where one of those that
    /// have is without a sample, or one of the others does not say what it requests.
    fn settled(
        calculator: &ReplicaCalculator<'_>,
        observed: &Observed<'_>,
        Settled { pods, totals }: Settled<'_>,
        needs_requests: bool,
    ) -> Option<Measured> {
        let (mut measured, mut problem) = (Measured::default(), None);
        let (mut sampled, mut cpu_milli) = (totals.sampled, totals.cpu_milli);
        for &position in &pods.others {
            let known = &observed.pods[position as usize];
            measured.look(calculator, observed, known, ((&ResourceName::Cpu, None), needs_requests), &mut problem);
            if known.sample.is_some() {
                sampled -= 1;
                let own = observed.containers_of(known).iter();
                cpu_milli = own.fold(cpu_milli, |left, one| left.wrapping_sub(one.cpu_milli));
            }
        }
        if sampled != pods.count || problem.is_some() {
            return None;
        }
        measured.counted.add_many(pods.count, cpu_milli as i64, needs_requests.then_some(pods.requests));
        measured.ready_count += pods.count;
        Some(measured)
    }

    /// Takes in a pod of an observation.
    fn look(
        &mut self,
        calculator: &ReplicaCalculator<'_>,
        observed: &Observed<'_>,
        known: &Pod,
        ((resource, container), needs_requests): (Requests<'_>, bool),
        problem: &mut Option<String>,
    ) {
        let is_cpu = *resource == ResourceName::Cpu;
        let own = observed.containers_of(known);
        let used = || value_of(own.iter().map(|one| (one.name, one.milli(resource).1)), container);
        let sample = known
            .sample
            .and_then(|sample| Some(Sample { pod: known.id, at: sample.at, window: sample.window, value: used()? }));
        let request = match needs_requests && problem.is_none() {
            true => {
                let requests = own.iter().map(|one| (one.name, one.milli(resource).0));
                let found = sum_of_requests(calculator.seen, known.id, requests, (resource, container));
                found.map_err(|why| *problem = Some(why)).ok()
            }
            false => None,
        };
        self.add(calculator.group(&ObservedPod::of(known), sample.as_ref(), is_cpu), sample, request);
    }

    fn add(&mut self, group: Group, sample: Option<Sample>, request: Option<i64>) {
        match (group, sample) {
            (Group::Ready, Some(sample)) => {
                self.ready_count += 1;
                self.counted.add(sample.value, request);
            }
            (Group::Unready | Group::Missing, _) => self.left_out.push(LeftOut { group, request }),
            _ => {}
        }
    }

    fn complete(self, problem: Option<String>) -> Result<Measured, String> {
        if self.counted.count == 0 {
            return Err("did not receive metrics for targeted pods (pods might be unready)".to_owned());
        }
        problem.map_or(Ok(self), Err)
    }
}

impl ReplicaCalculator<'_> {
    fn group(&self, pod: &ObservedPod<'_>, sample: Option<&Sample>, is_cpu: bool) -> Group {
        group(self.settings, self.now, pod, sample, is_cpu)
    }
}

/// One round of `groupPods`.
pub(super) fn group(
    settings: &Settings,
    now: SimTime,
    pod: &ObservedPod<'_>,
    sample: Option<&Sample>,
    is_cpu: bool,
) -> Group {
    if pod.is_terminating || pod.phase == PodPhase::Failed {
        return Group::Ignored;
    }
    if pod.phase == PodPhase::Pending {
        return Group::Unready;
    }
    let Some(sample) = sample else { return Group::Missing };
    if is_cpu && is_warming_up(settings, now, pod, sample) { Group::Unready } else { Group::Ready }
}

/// Whether a pod's CPU does not count, because it is not ready or may still be starting.
fn is_warming_up(settings: &Settings, now: SimTime, pod: &ObservedPod<'_>, sample: &Sample) -> bool {
    let (Some(ready), Some(started)) = (pod.ready, pod.started) else { return true };
    let is_false = ready.status == ConditionStatus::False;
    if started.after(settings.cpu_initialization_period) > now {
        // While it may be initialising, a whole window must lie after it became ready.
        is_false || sample.at < ready.since.after(sample.window)
    } else {
        // Later, only a pod that has never been ready is left out.
        is_false && started.after(settings.initial_readiness_delay) > ready.since
    }
}

/// What one pod requests, in thousandths of the unit.
fn request_of(
    seen: &Seen<'_>,
    pod: &ObservedPod<'_>,
    resource: &ResourceName,
    container: Option<&str>,
) -> Result<i64, String> {
    if container.is_none()
        && let Some(requests) = pod.requests.pod_level
    {
        let missing = || format!("missing pod-level request for {resource} in Pod {}", name_of(seen, pod.id));
        return requests.milli(resource).ok_or_else(missing);
    }
    let amounts = pod.requests.containers.iter().map(|one| (one.name, one.amounts.milli(resource)));
    sum_of_requests(seen, pod.id, amounts, (resource, container))
}

/// The same of what its containers request.
fn sum_of_requests<'n>(
    seen: &Seen<'_>,
    pod: PodId,
    mut amounts: impl Iterator<Item = (&'n str, Option<i64>)>,
    (resource, container): Requests<'_>,
) -> Result<i64, String> {
    let missing =
        |name: &str| format!("missing request for {resource} in container {name} of Pod {}", name_of(seen, pod));
    if let Some(wanted) = container {
        let Some((name, amount)) = amounts.find(|(name, _)| *name == wanted) else {
            return Err(format!("container {wanted} not found in Pod {}", name_of(seen, pod)));
        };
        return amount.ok_or_else(|| missing(name));
    }
    let mut sum = 0i64;
    for (name, amount) in amounts {
        sum = sum.wrapping_add(amount.ok_or_else(|| missing(name))?);
    }
    Ok(sum)
}

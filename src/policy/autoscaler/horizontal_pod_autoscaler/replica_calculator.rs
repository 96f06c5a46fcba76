//! How many replicas one metric asks for: `replica_calculator.go` and `metrics/utilization.go`.
//!
//! Values are integers, in thousandths of their unit; averages and per cent are cut to whole ones; ratios are `f64`, and
//! replicas are rounded up. Sums wrap around where upstream's do: of memory that happens from 92 TB on, because sums are
//! taken a hundredfold. What is beyond the range of a target integer becomes its smallest value, as on amd64.
//!
//! Cost: O(p) for `p` pods; of the CPU of whole pods that are observed, most often far less (`settled`).

use super::Settings;
use super::seen::{MetricSamples, ObservedPod, PodUsage, PodsSeen, Seen};
use super::spec::ResourceName;
use crate::ids::PodId;
use crate::units::SimTime;
use crate::world::lives::PodPhase;

mod pods;
mod settled;

#[cfg(test)]
mod tests;

pub use settled::{Settled, SettledPods};

use pods::{Group, Measured, Requests, Sample};

/// How far the ratio of usage to target may be from 1 without a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerances {
    /// Below 1.
    pub down: f64,
    /// Above 1.
    pub up: f64,
}

impl Tolerances {
    /// Whether the ratio is so near to 1 that nothing is changed.
    pub fn is_within(&self, ratio: f64) -> bool {
        (1.0 - self.down) <= ratio && ratio <= (1.0 + self.up)
    }
}

/// What a metric asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// So many replicas.
    pub replicas: i32,
    /// The measured value, in thousandths of its unit: the mean of the pods, or of an object or external metric the whole.
    pub usage_milli: i64,
    /// The measured share of the requests in per cent, where the target is such a share.
    pub utilization: Option<i32>,
}

/// What a metric of pods is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// So many per cent of the requests.
    Utilization(i32),
    /// So much of each pod, in thousandths of the unit.
    Usage(i64),
}

/// Works out how many replicas a metric asks for.
#[derive(Clone, Copy, Debug)]
pub struct ReplicaCalculator<'a> {
    /// The present instant.
    pub now: SimTime,
    /// Flags of the controller.
    pub settings: &'a Settings,
    /// The pods and their usage.
    pub seen: &'a Seen<'a>,
    /// Tolerances of the autoscaler.
    pub tolerances: Tolerances,
}

/// Sums over what was measured of pods.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// Of all values.
    total: i64,
    /// How many.
    count: i64,
    /// Of the values of pods that are there.
    total_of_known: i64,
    /// Of their requests.
    requests: i64,
    /// How many.
    known: i64,
}

impl Tally {
    fn add(&mut self, value: i64, request: Option<i64>) {
        self.total = self.total.wrapping_add(value);
        self.count += 1;
        if let Some(request) = request {
            self.total_of_known = self.total_of_known.wrapping_add(value);
            self.requests = self.requests.wrapping_add(request);
            self.known += 1;
        }
    }

    /// The same of many values at once, given what they and their requests come to.
    fn add_many(&mut self, count: usize, total: i64, requests: Option<i64>) {
        self.total = self.total.wrapping_add(total);
        self.count += count as i64;
        if let Some(requests) = requests {
            self.total_of_known = self.total_of_known.wrapping_add(total);
            self.requests = self.requests.wrapping_add(requests);
            self.known += count as i64;
        }
    }
}

impl Goal {
    /// The ratio of usage to the goal, the mean usage, and the utilisation.
    fn ratio(self, tally: &Tally) -> Result<(f64, i64, Option<i32>), String> {
        match self {
            Goal::Usage(target) => {
                let mean = tally.total.wrapping_div(tally.count);
                Ok((mean as f64 / target as f64, mean, None))
            }
            Goal::Utilization(target) => {
                if tally.requests == 0 {
                    return Err("no metrics returned matched known pods".to_owned());
                }
                let utilization = tally.total_of_known.wrapping_mul(100).wrapping_div(tally.requests) as i32;
                let mean = tally.total_of_known.wrapping_div(tally.known);
                Ok((f64::from(utilization) / f64::from(target), mean, Some(utilization)))
            }
        }
    }

    /// What a pod without a sample is taken to use when there are too many pods: all of its request, or what it should.
    fn cautious(self, request: Option<i64>) -> i64 {
        match self {
            Goal::Usage(target) => target,
            Goal::Utilization(target) => {
                request.unwrap_or(0).wrapping_mul(i64::from(target.max(100))).wrapping_div(100)
            }
        }
    }
}

impl<'a> ReplicaCalculator<'a> {
    /// Of a resource that the pods use, or that one container of each uses (`GetResourceReplicas`, `GetRawResourceReplicas`).
    ///
    /// # Errors
    /// In upstream's words, when usage is not known, nothing of it is of a pod that counts, or a request is missing.
    pub fn resource(
        &self,
        current: i32,
        goal: Goal,
        resource: &ResourceName,
        container: Option<&str>,
    ) -> Result<Proposal, String> {
        let failed = |why: &str| format!("unable to get metrics for resource {resource}: {why}");
        let nothing = || failed("no metrics returned from resource metrics API");
        let requests = matches!(goal, Goal::Utilization(_)).then_some((resource, container));
        let usage = match &self.seen.pods {
            PodsSeen::Observed(observed) => {
                if observed.pods.iter().all(|pod| pod.sample.is_none()) {
                    return Err(nothing());
                }
                let measured = Measured::observed(self, observed, (resource, container), requests.is_some())?;
                return self.settle(current, goal, &measured);
            }
            PodsSeen::Listed { usage, .. } => {
                usage.map_err(|why| failed(&format!("unable to fetch metrics from resource metrics API: {why}")))?
            }
        };
        if usage.is_empty() {
            return Err(nothing());
        }
        let samples = usage.iter().filter_map(|pod| sample_of(pod, resource, container));
        self.of_pods(current, goal, samples, *resource == ResourceName::Cpu, requests)
    }

    /// Of a metric of the pods (`GetMetricReplicas`).
    ///
    /// # Errors
    /// See [`ReplicaCalculator::resource`].
    pub fn pods_metric(
        &self,
        current: i32,
        target_milli: i64,
        name: &str,
        samples: &MetricSamples<'_>,
    ) -> Result<Proposal, String> {
        let failed = |why: &str| format!("unable to get metric {name}: {why}");
        let values = match samples {
            MetricSamples::OfPods(Ok(values)) if !values.is_empty() => *values,
            MetricSamples::OfPods(Err(why)) => {
                return Err(failed(&format!("unable to fetch metrics from custom metrics API: {why}")));
            }
            _ => return Err(failed("no metrics returned from custom metrics API")),
        };
        let at = |sample: &super::seen::PodSample| Sample::plain(sample.pod, sample.value_milli);
        self.of_pods(current, Goal::Usage(target_milli), values.iter().map(at), false, None)
    }

    /// Of values of pods. `requests` says whose requests are needed, if any are.
    fn of_pods(
        &self,
        current: i32,
        goal: Goal,
        samples: impl Iterator<Item = Sample>,
        is_cpu: bool,
        requests: Option<Requests<'_>>,
    ) -> Result<Proposal, String> {
        if self.pods().next().is_none() {
            return Err("no pods returned by selector while calculating replica count".to_owned());
        }
        self.settle(current, goal, &Measured::new(self, samples, is_cpu, requests)?)
    }

    /// The proposal, once pods are grouped.
    fn settle(&self, current: i32, goal: Goal, measured: &Measured) -> Result<Proposal, String> {
        let mut tally = measured.counted;
        let (ratio, usage_milli, utilization) = goal.ratio(&tally)?;
        let proposal = |replicas| Proposal { replicas, usage_milli, utilization };
        let unready = || measured.left_out.iter().filter(|one| one.group == Group::Unready);
        let missing = || measured.left_out.iter().filter(|one| one.group == Group::Missing);
        let raises_with_unready = ratio > 1.0 && unready().next().is_some();
        if !raises_with_unready && missing().next().is_none() {
            let is_within = self.tolerances.is_within(ratio);
            let ready = measured.ready_count as f64;
            return Ok(proposal(if is_within { current } else { int32((ratio * ready).ceil()) }));
        }
        // What is not known must not make the change larger than it is, and not turn it round.
        if ratio < 1.0 {
            missing().for_each(|one| tally.add(goal.cautious(one.request), one.request));
        } else if ratio > 1.0 {
            missing().for_each(|one| tally.add(0, one.request));
        }
        if raises_with_unready {
            unready().for_each(|one| tally.add(0, one.request));
        }
        let (new_ratio, _, _) = goal.ratio(&tally)?;
        let turns_round = (ratio < 1.0 && new_ratio > 1.0) || (ratio > 1.0 && new_ratio < 1.0);
        if self.tolerances.is_within(new_ratio) || turns_round {
            return Ok(proposal(current));
        }
        let replicas = int32((new_ratio * tally.count as f64).ceil());
        let turns_round = (new_ratio < 1.0 && replicas > current) || (new_ratio > 1.0 && replicas < current);
        Ok(proposal(if turns_round { current } else { replicas }))
    }

    /// Of a value that the ready pods share: of an object (`GetObjectMetricReplicas`) or external
    /// (`GetExternalMetricReplicas`).
    ///
    /// # Errors
    /// When a change needs the number of ready pods, and there are no pods.
    pub fn shared_value(&self, current: i32, usage_milli: i64, target_milli: i64) -> Result<Proposal, String> {
        let ratio = usage_milli as f64 / target_milli as f64;
        let replicas = if current == 0 {
            int32(ratio.ceil())
        } else if self.tolerances.is_within(ratio) {
            current
        } else {
            let wanted = ratio * self.ready_pods()? as f64;
            if wanted > f64::from(i32::MAX) { i32::MAX } else { int32(wanted.ceil()) }
        };
        Ok(Proposal { replicas, usage_milli, utilization: None })
    }

    /// Of a value of an object, so much for each pod (`GetObjectPerPodMetricReplicas`).
    pub fn object_per_pod(&self, status_replicas: i32, usage_milli: i64, target_milli: i64) -> Proposal {
        let replicas = self.per_pod(status_replicas, usage_milli, target_milli, int32);
        let mean = (usage_milli as f64 / f64::from(status_replicas)).ceil();
        Proposal { replicas, usage_milli: int64(mean), utilization: None }
    }

    /// Of an external value, so much for each pod (`GetExternalPerPodMetricReplicas`).
    pub fn external_per_pod(&self, status_replicas: i32, usage_milli: i64, target_milli: i64) -> Proposal {
        let bounded = |wanted: f64| if wanted > f64::from(i32::MAX) { i32::MAX } else { int32(wanted) };
        let replicas = self.per_pod(status_replicas, usage_milli, target_milli, bounded);
        let is_beyond = usage_milli as f64 >= i64::MAX as f64;
        let mean = int64((usage_milli as f64 / f64::from(status_replicas)).ceil());
        Proposal { replicas, usage_milli: if is_beyond { i64::MAX } else { mean }, utilization: None }
    }

    fn per_pod(&self, status_replicas: i32, usage: i64, target: i64, whole: impl Fn(f64) -> i32) -> i32 {
        let ratio = usage as f64 / (target as f64 * f64::from(status_replicas));
        if self.tolerances.is_within(ratio) { status_replicas } else { whole((usage as f64 / target as f64).ceil()) }
    }

    /// `getReadyPodsCount`.
    fn ready_pods(&self) -> Result<i64, String> {
        if self.pods().next().is_none() {
            let why = "no pods returned by selector while calculating replica count";
            return Err(format!("unable to calculate ready pods: {why}"));
        }
        let is_ready = |pod: &ObservedPod<'_>| pod.phase == PodPhase::Running && pod.is_ready();
        Ok(self.pods().filter(is_ready).count() as i64)
    }

    /// The pods; of those that are observed without what they request.
    fn pods(&self) -> impl Iterator<Item = ObservedPod<'a>> {
        let (listed, observed) = match self.seen.pods {
            PodsSeen::Listed { pods, .. } => (pods, &[][..]),
            PodsSeen::Observed(observed) => (&[][..], observed.pods),
        };
        listed.iter().copied().chain(observed.iter().map(ObservedPod::of))
    }
}

/// The sum of series, which stops at the largest value that there is. Where values are negative the two ways in which
/// upstream guards against more differ: `is_per_pod` says which is meant.
pub fn sum_of_series(values_milli: &[i64], is_per_pod: bool) -> i64 {
    let mut sum = 0i64;
    for &value in values_milli {
        if !is_per_pod && value > 0 && sum > i64::MAX - value {
            return i64::MAX;
        }
        sum = sum.wrapping_add(value);
        if is_per_pod && sum < 0 {
            return i64::MAX;
        }
    }
    sum
}

/// What a pod, or a container of it, used of a resource; none: the API does not tell (`getPodMetrics`,
/// `getContainerMetrics`).
fn sample_of(usage: &PodUsage<'_>, resource: &ResourceName, container: Option<&str>) -> Option<Sample> {
    let amounts = usage.containers.iter().map(|container| (container.name, container.amounts.milli(resource)));
    let value = value_of(amounts, container)?;
    Some(Sample { pod: usage.pod, at: usage.at, window: usage.window, value })
}

/// The amount of a container, or of all of them together, if there are any.
fn value_of<'n>(
    mut amounts: impl ExactSizeIterator<Item = (&'n str, Option<i64>)>,
    container: Option<&str>,
) -> Option<i64> {
    match container {
        Some(wanted) => amounts.find(|(name, _)| *name == wanted)?.1,
        None if amounts.len() == 0 => None,
        None => amounts.try_fold(0i64, |sum, (_, amount)| Some(sum.wrapping_add(amount?))),
    }
}

/// Go's conversion of a whole float to `int32` on amd64: beyond the range, and of what is no number, it is the smallest.
pub(super) fn int32(value: f64) -> i32 {
    if value >= f64::from(i32::MIN) && value <= f64::from(i32::MAX) { value as i32 } else { i32::MIN }
}

/// The same to `int64`.
fn int64(value: f64) -> i64 {
    if value >= i64::MIN as f64 && value < i64::MAX as f64 { value as i64 } else { i64::MIN }
}

/// Names of pods in messages.
fn name_of(seen: &Seen<'_>, pod: PodId) -> String {
    (seen.pod_name)(pod)
}

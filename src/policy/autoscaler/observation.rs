//! What an autoscaler sees.

use std::fmt;
use std::ops::Range;

use crate::ids::PodId;
use crate::units::{SimDuration, SimTime};
use crate::world::lives::PodPhase;

/// What an autoscaler sees when it is asked.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// The present instant.
    pub now: SimTime,
    /// Replicas of the target.
    pub replicas: ReplicaCounts,
    /// The pods that the target's selector finds, in order of their ids, those that are ending or have ended among them.
    pub pods: &'a [ObservedPod],
    /// Containers of all [`Observation::pods`]: see [`Observation::containers_of`].
    pub containers: &'a [ObservedContainer<'a>],
    /// Sums over all pods; none: who asks has not added up.
    pub totals: Option<Totals>,
    /// What requests for the target's service did since the last sync; none: the target has no service with traffic.
    pub traffic: Option<&'a TrafficSample>,
    /// Metrics of each pod (custom metrics API), as far as they are read.
    pub pod_metrics: &'a [PodMetric<'a>],
    /// Metrics of objects and external ones, as far as they are read. What is not there is not known.
    pub metrics: &'a [NamedMetric<'a>],
    /// Whether somebody reads the texts of the decision.
    pub wants_text: bool,
    /// What things are called, for those texts.
    pub names: Names<'a>,
}

/// What things are called.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// The namespace of the autoscaler and its target.
    pub namespace: &'a str,
    /// The autoscaler.
    pub autoscaler: &'a str,
    /// The kind of its target, such as `Deployment`.
    pub kind: &'a str,
    /// Its target.
    pub target: &'a str,
    /// A pod.
    pub pod: &'a dyn Fn(PodId) -> String,
}

impl Default for Names<'_> {
    /// Nothing has a name, and pods are called by their numbers.
    fn default() -> Self {
        Names { namespace: "", autoscaler: "", kind: "", target: "", pod: &|pod| pod.0.to_string() }
    }
}

impl fmt::Debug for Names<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Names { namespace, autoscaler, kind, target, pod: _ } = self;
        let mut fields = formatter.debug_struct("Names");
        fields.field("namespace", namespace).field("autoscaler", autoscaler);
        fields.field("kind", kind).field("target", target).finish_non_exhaustive()
    }
}

impl<'a> Observation<'a> {
    /// The containers of a pod that are no init containers, then sidecars, in the order of its template.
    pub fn containers_of(&self, pod: &ObservedPod) -> &'a [ObservedContainer<'a>] {
        &self.containers[pod.containers()]
    }
}

/// Numbers of replicas of a target, as its subresource `scale` tells them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicaCounts {
    /// `spec.replicas`.
    pub wanted: i32,
    /// `status.replicas`: pods that are there and have not been told to end.
    pub current: i32,
    /// Pods of them that are ready.
    pub ready: i32,
}

/// A pod, and the last sample of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObservedPod {
    /// The pod.
    pub id: PodId,
    /// `status.phase`.
    pub phase: PodPhase,
    /// Whether it has been told to end (`metadata.deletionTimestamp`).
    pub is_terminating: bool,
    /// `status.startTime`: when its kubelet first saw it; none: it has no node yet.
    pub started: Option<SimTime>,
    /// The condition `Ready`: whether it is true, and since when it has been so (`lastTransitionTime`); none: the pod has no
    /// such condition yet.
    pub ready: Option<(bool, SimTime)>,
    /// The last sample of its usage that the metrics pipeline has; none: it has none of this pod.
    pub sample: Option<Sample>,
    /// Position of its first container among [`Observation::containers`].
    pub first_container: u32,
    /// How many containers it has.
    pub container_count: u32,
}

impl ObservedPod {
    /// Whether it is ready now.
    pub fn is_ready(&self) -> bool {
        self.ready.is_some_and(|(is_ready, _)| is_ready)
    }

    /// Positions of its containers among [`Observation::containers`].
    pub fn containers(&self) -> Range<usize> {
        let first = self.first_container as usize;
        first..first + self.container_count as usize
    }
}

/// Sums over the pods of an observation: who knows most of the pods from before need only look at the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Another one when anything about pods or containers is other than it was, but for samples and what was used.
    pub version: u64,
    /// Pods with a sample.
    pub sampled: usize,
    /// What their containers used of CPU, in milli-cores; the sum wraps around.
    pub cpu_milli: u64,
}

impl Totals {
    /// Adds a pod.
    pub fn add(&mut self, pod: &ObservedPod, containers: &[ObservedContainer<'_>]) {
        if pod.sample.is_some() {
            self.sampled += 1;
            self.cpu_milli = containers.iter().fold(self.cpu_milli, |sum, one| sum.wrapping_add(one.cpu_milli));
        }
    }
}

/// When and over which time usage was sampled (`metrics.k8s.io`: `timestamp` and `window` of `PodMetrics`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The end of the time that it is about.
    pub at: SimTime,
    /// The time that CPU usage is the mean of.
    pub window: SimDuration,
}

/// A container, and what it used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObservedContainer<'a> {
    /// Its name.
    pub name: &'a str,
    /// `resources.requests.cpu` in milli-cores; none: it has none.
    pub cpu_request_milli: Option<u64>,
    /// `resources.requests.memory` in bytes; none: it has none.
    pub memory_request_bytes: Option<u64>,
    /// Mean CPU usage in milli-cores over the window of [`ObservedPod::sample`]; without a sample of no meaning.
    pub cpu_milli: u64,
    /// Memory in use at its end (working set), in bytes; without a sample of no meaning.
    pub memory_bytes: u64,
}

/// What requests for a service did during a span, summed over its pods. In fluid traffic counts need not be whole.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TrafficSample {
    /// The span: from the last sync up to now; at the first from the start of the run.
    pub window: SimDuration,
    /// Requests that came in.
    pub arrivals: f64,
    /// Requests that were answered well.
    pub answered: f64,
    /// Requests that failed or were given up.
    pub failed: f64,
    /// Mean number of requests in the service over the span: waiting and being served, at pods and for want of a pod.
    pub concurrency: f64,
    /// Requests that are in the service now.
    pub in_flight: f64,
    /// Requests of them that wait for a worker now.
    pub queued: f64,
    /// Requests of those that wait because there is no pod for them (at an activator), if they wait at all.
    pub held: f64,
    /// Median latency of the requests that ended, in s; none: none has ended.
    pub latency_p50_s: Option<f64>,
    /// 95th percentile of the latency in s.
    pub latency_p95_s: Option<f64>,
    /// 99th percentile of the latency in s.
    pub latency_p99_s: Option<f64>,
    /// Mean latency in s.
    pub latency_mean_s: Option<f64>,
    /// Mean share of the pods' workers that were busy over the span, 0 to 1.
    pub utilisation: f64,
}

impl TrafficSample {
    /// Requests a second.
    pub fn arrival_rate_per_s(&self) -> f64 {
        if self.window == SimDuration::ZERO { 0.0 } else { self.arrivals / self.window.as_seconds() }
    }
}

/// A metric of each pod.
#[derive(Clone, Copy, Debug)]
pub struct PodMetric<'a> {
    /// Its name.
    pub name: &'a str,
    /// When it was sampled, and the span.
    pub sample: Sample,
    /// Thousandths of its unit by position among [`Observation::pods`]; none: it is not known of that pod.
    pub values_milli: &'a [Option<i64>],
}

/// Which metric of an object, or which external metric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricSource {
    /// `metric.name`.
    pub name: String,
    /// `describedObject` as `kind/name`; none: it is external.
    pub object: Option<String>,
    /// `metric.selector`, as it is written; empty: none.
    pub selector: String,
}

/// Such a metric.
#[derive(Clone, Copy, Debug)]
pub struct NamedMetric<'a> {
    /// Which one.
    pub source: &'a MetricSource,
    /// When it was read.
    pub at: SimTime,
    /// Thousandths of its unit: of an object one value, of an external metric one for each series that was found.
    pub values_milli: &'a [i64],
}

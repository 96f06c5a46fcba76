//! What the controller sees when it looks.

use std::fmt;

use crate::ids::PodId;
use crate::units::{Bytes, MilliCpu, SimDuration, SimTime};
use crate::world::lives::PodPhase;

use super::super::observation::{ObservedContainer, ObservedPod as Pod};
use super::replica_calculator::Settled;
use super::spec::ResourceName;

/// What the controller sees of one autoscaler's target when it looks.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The target's subresource `scale`, or why it cannot be had.
    pub scale: Result<ObservedScale<'a>, &'a str>,
    /// The pods that the selector finds, and what they use.
    pub pods: PodsSeen<'a>,
    /// What the other metrics APIs say, one for each metric of the spec, in its order. Those for metrics of usage are not
    /// read.
    pub samples: &'a [MetricSamples<'a>],
    /// Other autoscalers of the namespace whose selector finds one of the pods, in the order of their names.
    pub also_selected_by: &'a [&'a str],
    /// Names of pods, for messages.
    pub pod_name: &'a dyn Fn(PodId) -> String,
    /// Why writing the scale fails, if it does.
    pub update_error: Option<&'a str>,
}

impl fmt::Debug for Seen<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen { scale, pods, samples, also_selected_by, pod_name: _, update_error } = self;
        let mut fields = formatter.debug_struct("Seen");
        fields.field("scale", scale).field("pods", pods).field("samples", samples);
        fields.field("also_selected_by", also_selected_by).field("update_error", update_error).finish_non_exhaustive()
    }
}

/// Pods in the order of their ids, those that are ending or have ended among them, and what they use.
#[derive(Clone, Copy, Debug)]
pub enum PodsSeen<'a> {
    /// As the API server and the resource metrics API list them.
    Listed {
        /// The pods.
        pods: &'a [ObservedPod<'a>],
        /// What is measured, in the order of pods' ids; pods that are gone by now may be among them. Or why the API does not
        /// answer.
        usage: Result<&'a [PodUsage<'a>], &'a str>,
    },
    /// As observations have them.
    Observed(Observed<'a>),
}

impl PodsSeen<'_> {
    /// No pods, of which nothing is measured.
    pub const NONE: PodsSeen<'static> = PodsSeen::Listed { pods: &[], usage: Ok(&[]) };
}

/// Pods in the order of their ids, and the containers of all of them: what observations hold, so that nothing is copied.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The pods, with the samples of their usage.
    pub pods: &'a [Pod],
    /// What their containers request and used.
    pub containers: &'a [ObservedContainer<'a>],
    /// Those that have settled, where that is known.
    pub settled: Option<Settled<'a>>,
}

impl<'a> Observed<'a> {
    /// The containers of a pod.
    pub(super) fn containers_of(&self, pod: &Pod) -> &'a [ObservedContainer<'a>] {
        &self.containers[pod.containers()]
    }
}

impl<'a> ObservedPod<'a> {
    /// The pod of an observation, without what it requests.
    #[inline]
    pub(super) fn of(pod: &Pod) -> ObservedPod<'a> {
        let ready = pod.ready.map(|(is_ready, since)| {
            let status = if is_ready { ConditionStatus::True } else { ConditionStatus::False };
            ReadyCondition { status, since }
        });
        let Pod { id, phase, is_terminating, started, .. } = *pod;
        ObservedPod { id, phase, is_terminating, started, ready, requests: PodRequests::default() }
    }
}

impl ObservedContainer<'_> {
    /// What it requests, and what it used, in thousandths of a unit.
    #[inline]
    pub(super) fn milli(&self, resource: &ResourceName) -> (Option<i64>, Option<i64>) {
        let requests =
            Amounts { cpu: self.cpu_request_milli.map(MilliCpu), memory: self.memory_request_bytes.map(Bytes) };
        let used = Amounts { cpu: Some(MilliCpu(self.cpu_milli)), memory: Some(Bytes(self.memory_bytes)) };
        (requests.milli(resource), used.milli(resource))
    }
}

/// `autoscaling/v1` `Scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObservedScale<'a> {
    /// `spec.replicas`.
    pub spec_replicas: i32,
    /// `status.replicas`.
    pub status_replicas: i32,
    /// `status.selector`, for messages; empty: there is none, which is an error.
    pub selector: &'a str,
}

/// A pod as the controller sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObservedPod<'a> {
    /// The pod.
    pub id: PodId,
    /// `status.phase`.
    pub phase: PodPhase,
    /// Whether it has been told to end (`metadata.deletionTimestamp`).
    pub is_terminating: bool,
    /// `status.startTime`: when its kubelet first saw it; none: no kubelet has.
    pub started: Option<SimTime>,
    /// The condition `Ready`; none: the pod has no such condition yet.
    pub ready: Option<ReadyCondition>,
    /// What its containers request.
    pub requests: PodRequests<'a>,
}

impl ObservedPod<'_> {
    /// Whether it counts as ready (`podutil.IsPodReady`).
    pub fn is_ready(&self) -> bool {
        self.ready.is_some_and(|ready| ready.status == ConditionStatus::True)
    }
}

/// A pod's condition `Ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyCondition {
    /// `status`.
    pub status: ConditionStatus,
    /// `lastTransitionTime`.
    pub since: SimTime,
}

/// `v1.ConditionStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionStatus {
    /// `True`.
    True,
    /// `False`.
    False,
    /// `Unknown`.
    Unknown,
}

/// What a pod requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodRequests<'a> {
    /// Containers in their order, then sidecars (init containers that are restarted) in theirs.
    pub containers: &'a [ContainerAmounts<'a>],
    /// Where `spec.resources.requests` names cpu, memory or huge pages: what the pod requests as a whole
    /// (`resourcehelpers.PodRequests`: those, for what they do not name the sum of the containers, and the overhead).
    pub pod_level: Option<Amounts>,
}

/// Amounts of one container: what it requests, or what it used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerAmounts<'a> {
    /// Its name.
    pub name: &'a str,
    /// How much of what.
    pub amounts: Amounts,
}

/// Amounts of resources; what is none is not there, which is not the same as 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// CPU. Upstream rounds usage, which is measured in billionths of a core, up to milli-cores.
    pub cpu: Option<MilliCpu>,
    /// Memory.
    pub memory: Option<Bytes>,
}

impl Amounts {
    /// The amount of a resource in thousandths of its unit, as upstream counts in.
    pub(super) fn milli(&self, resource: &ResourceName) -> Option<i64> {
        match resource {
            ResourceName::Cpu => self.cpu.map(|cpu| cpu.0 as i64),
            ResourceName::Memory => self.memory.map(|memory| (memory.0 as i64).saturating_mul(1000)),
            ResourceName::Other(_) => None,
        }
    }
}

/// `PodMetrics` of the resource metrics API: what the containers of a pod used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PodUsage<'a> {
    /// The pod.
    pub pod: PodId,
    /// `timestamp`: the end of the time over which CPU was measured.
    pub at: SimTime,
    /// `window`: that time.
    pub window: SimDuration,
    /// `containers`.
    pub containers: &'a [ContainerAmounts<'a>],
}

/// What the custom and external metrics APIs say of one metric, or why they do not answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricSamples<'a> {
    /// A metric of usage: the answer is that of [`PodsSeen`].
    OfUsage,
    /// A metric of pods, in the order of their ids; pods that are gone by now may be among them.
    OfPods(Result<&'a [PodSample], &'a str>),
    /// A metric of an object, in thousandths of its unit.
    OfObject(Result<i64, &'a str>),
    /// An external metric: the series that its selector finds, in thousandths of its unit.
    OfSeries(Result<&'a [i64], &'a str>),
}

/// A metric of one pod.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PodSample {
    /// The pod.
    pub pod: PodId,
    /// The value in thousandths of its unit.
    pub value_milli: i64,
}

//! How many replicas a workload is to have: pod autoscalers behind one face.
//!
//! A horizontal autoscaler is asked every [`HorizontalAutoscaler::sync_period`]. It sees what a controller can see: the
//! numbers of replicas, the pods of its target with the last sample that the metrics pipeline has of each, what the
//! requests of the target's service did since it was last asked, and named metrics. It says how many replicas there should
//! be, and why, in words for `wavetank explain`. Writing is the engine's: it scales the target as `kubectl scale` would.
//!
//! An autoscaler never says less than [`Setting::min_replicas`] or more than [`Setting::max_replicas`], and it does not
//! know what will come: only rows that are [`AutoscalerRow::is_clairvoyant`] are given [`Setting::foresight`].
//!
//! Cost: a sync is asked for every few seconds of virtual time for every autoscaler, so it should be linear in the pods of its
//! target at most, and make no text where nothing changes ([`Observation::wants_text`]).

use std::fmt::Debug;

use serde_json::Value;

use super::parameters::{Parameter, ParameterError};
use crate::units::{SimDuration, SimTime};

pub mod functions;
pub mod horizontal_pod_autoscaler;
pub mod keda;
pub mod knative;
pub mod vertical;

mod alarms;
mod clairvoyant;
mod erlang_c;
mod holt_winters;
mod hpa;
mod keda_row;
mod kpa;
mod metric;
mod mpc;
mod observation;
mod pid;
mod predictive;
mod q_learning;
mod scheduled;
mod seasonal_naive;
mod static_replicas;
mod step_scaling;
mod target_tracking;
mod wish;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod shootout;
#[cfg(test)]
mod testing;

pub use observation::{
    MetricSource, NamedMetric, Names, Observation, ObservedContainer, ObservedPod, PodMetric, ReplicaCounts, Sample,
    Totals, TrafficSample,
};

/// How often upstream's controllers look, unless they are told otherwise (`--horizontal-pod-autoscaler-sync-period`).
pub const SYNC_PERIOD: SimDuration = SimDuration(15_000_000_000);

/// What an autoscaler is made for.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The fewest replicas that it may ask for. 0: it may scale to zero.
    pub min_replicas: i32,
    /// The most replicas that it may ask for, at least [`Setting::min_replicas`] and 1.
    pub max_replicas: i32,
    /// The arrivals that will come at the service of the target, for rows that are clairvoyant; else empty. Each entry is an
    /// instant and the mean number of requests a second from then up to the next, in order of time.
    pub foresight: &'a [(SimTime, f64)],
}

impl Setting<'_> {
    /// The number of replicas nearest to `wanted` that may be asked for.
    pub fn clamp(&self, wanted: i32) -> i32 {
        wanted.clamp(self.min_replicas, self.max_replicas)
    }

    /// The same of a number that is no whole one, rounded up; what is no number asks for the most.
    pub fn clamp_up(&self, wanted: f64) -> i32 {
        // A share of 1e-9 is an error of arithmetic rather than a reason for a replica.
        let whole = libm::ceil(wanted - 1e-9);
        if whole < f64::from(self.max_replicas) { self.clamp(whole as i32) } else { self.max_replicas }
    }
}

/// Decides how many replicas there should be.
pub trait HorizontalAutoscaler: Debug + Send {
    /// How many replicas there should be now. It is asked in order of time.
    fn sync(&mut self, seen: &Observation<'_>) -> Decision;

    /// How long it is from one sync to the next, more than 0.
    fn sync_period(&self) -> SimDuration {
        SYNC_PERIOD
    }

    /// How long it is from the start to the first sync.
    fn first_sync(&self) -> SimDuration {
        self.sync_period()
    }

    /// What it reads. What it does not read need not be gathered, and may be missing from what it sees.
    fn reads(&self) -> Reads;

    /// Whether its next sync, which is now and sees these totals, needs samples of single pods and what their containers used;
    /// if not those that it sees may be old.
    fn needs_samples(&self, _now: SimTime, _totals: &Totals) -> bool {
        true
    }
}

/// What an autoscaler reads of an [`Observation`], beside the numbers of replicas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// [`Observation::pods`] and their samples.
    pub pods: bool,
    /// [`Observation::traffic`].
    pub traffic: bool,
    /// Names of metrics of each pod, in [`Observation::pod_metrics`].
    pub pod_metrics: Vec<String>,
    /// Object and external metrics, in [`Observation::metrics`].
    pub metrics: Vec<MetricSource>,
}

/// What an autoscaler has decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// `status.desiredReplicas`: how many replicas there should be. None: it could not tell, and changes nothing.
    pub replicas: Option<i32>,
    /// Why that many, as the event of a change says it: `cpu resource utilization (percentage of request) above target`.
    /// It may be empty where nothing changes.
    pub reason: String,
    /// The metric that decided, if one did: its name, what it was and what it should be, in its own unit.
    pub metric: Option<Reading>,
    /// Its conditions, in the order in which `kubectl describe` shows them; of upstream's controller `AbleToScale`,
    /// `ScalingActive` and `ScalingLimited`. Without [`Observation::wants_text`] messages may be empty.
    pub conditions: Vec<Condition>,
    /// Events of kind `Warning`, as reason and message, such as `FailedGetResourceMetric`.
    pub warnings: Vec<(&'static str, String)>,
}

/// A metric and its target.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Its name, such as `cpu`.
    pub name: String,
    /// What it was, in its own unit: per cent of requests, milli-cores, requests a second.
    pub current: f64,
    /// What it should be.
    pub target: f64,
}

/// A condition of an autoscaler (`v2.HorizontalPodAutoscalerCondition`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `type`: `AbleToScale`, `ScalingActive`, `ScalingLimited`.
    pub kind: &'static str,
    /// `status`.
    pub is_true: bool,
    /// `reason`, one word.
    pub reason: &'static str,
    /// `message`.
    pub message: String,
}

impl Decision {
    /// So many replicas for this reason.
    pub fn replicas(replicas: i32, reason: impl Into<String>) -> Decision {
        Decision { replicas: Some(replicas), reason: reason.into(), ..Decision::default() }
    }

    /// Nothing can be said, for this reason: one word, and a sentence.
    pub fn unknown(reason: &'static str, message: impl Into<String>) -> Decision {
        let message = message.into();
        let condition = Condition { kind: "ScalingActive", is_true: false, reason, message: message.clone() };
        Decision { reason: message.clone(), conditions: vec![condition], ..Decision::default() }
    }
}

type Build = fn(&Value, &Setting<'_>) -> Result<Box<dyn HorizontalAutoscaler>, ParameterError>;

/// One row of the table of horizontal autoscalers.
#[derive(Clone, Copy, Debug)]
pub struct AutoscalerRow {
    /// Name as written in files.
    pub name: &'static str,
    /// Other names. No two rows share a name.
    pub aliases: &'static [&'static str],
    /// What it does, in a line.
    pub summary: &'static str,
    /// Where the rule comes from.
    pub source: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
    /// Whether it knows what will come: a bound, no policy.
    pub is_clairvoyant: bool,
    build: Build,
}

impl AutoscalerRow {
    /// The policy with these parameters.
    ///
    /// # Errors
    /// When a parameter is wrong, or missing where there is no default.
    pub fn build(
        &self,
        parameters: &Value,
        setting: &Setting<'_>,
    ) -> Result<Box<dyn HorizontalAutoscaler>, ParameterError> {
        (self.build)(parameters, setting)
    }
}

/// Every horizontal autoscaler there is.
pub const AUTOSCALERS: &[AutoscalerRow] = &[
    static_replicas::ROW,
    hpa::ROW,
    kpa::ROW,
    keda_row::ROW,
    keda_row::jobs::ROW,
    target_tracking::ROW,
    step_scaling::ROW,
    scheduled::ROW,
    holt_winters::ROW,
    seasonal_naive::ROW,
    erlang_c::ROW,
    pid::ROW,
    mpc::ROW,
    q_learning::ROW,
    clairvoyant::ROW,
];

/// The row with that name, or with that name among its aliases.
pub fn find(name: &str) -> Option<&'static AutoscalerRow> {
    AUTOSCALERS.iter().find(|row| row.name == name || row.aliases.contains(&name))
}

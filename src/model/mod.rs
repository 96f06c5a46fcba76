//! What one run is: cluster, workload, scheduling, script. Immutable once built, and free of any file format.

#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod autoscaling;
pub mod billing;
pub mod carbon;
pub mod catalogue;
pub mod cluster;
pub mod conditions;
pub mod control_plane;
pub mod controllers;
pub mod devices;
pub mod disruption;
pub mod dist;
pub mod faults;
pub mod functions;
pub mod horizontal_pod_autoscaler;
pub mod images;
pub mod kube_scheduler;
pub mod made;
pub mod market;
pub mod money;
pub mod node_lifecycle;
pub mod objects;
pub mod pod_spec;
pub mod power;
pub mod provisioning;
pub mod resources;
pub mod rollouts;
pub mod runtime;
pub mod scheduling;
pub mod script;
pub mod sizing;
pub mod traffic;
pub mod usage;
pub mod vertical_pod_autoscaler;
pub mod workload;

pub use autoscaling::Autoscaling;
pub use carbon::{Carbon, Intensity};
pub use catalogue::Catalogue;
pub use cluster::{Cluster, GpuDevices, Label, Node, NodeShape, Pool, ShapeId, Taint, TaintEffect};
pub use control_plane::ControlPlane;
pub use controllers::Controllers;
pub use disruption::{NodeDisruption, PodDisruption};
pub use dist::Dist;
pub use faults::Faults;
pub use functions::Functions;
pub use images::Images;
pub use kube_scheduler::KubeSchedulerConfiguration;
pub use money::Money;
pub use node_lifecycle::NodeLifecycle;
pub use objects::Objects;
pub use pod_spec::PodSpec;
pub use power::Power;
pub use provisioning::Provisioning;
pub use resources::Resources;
pub use scheduling::{Delays, OnEviction, OnUnschedulable, PolicyChoice, Scheduling};
pub use script::{Action, ScriptedAction};
pub use sizing::SizingStudy;
pub use traffic::Traffic;
pub use usage::{Demand, Eviction, Usage};
pub use workload::{
    ArrivalSource, Arrivals, GeneratedPods, GpuRequest, ListedPod, ListedPods, ListedState, PodClass, Toleration,
    TolerationOperator, Workload,
};

use crate::ids::OfferId;
use crate::rng::Seed;
use crate::units::{SimDuration, SimTime};

/// One run, validated: everything that the engine needs to know, and nothing about where it came from.
#[derive(Clone, Debug)]
pub struct Model {
    /// Name of the scenario.
    pub name: String,
    /// What the scenario shows, in a sentence.
    pub description: String,
    /// Seed of all random streams.
    pub seed: Seed,
    /// When the run ends; none: when nothing is left to happen.
    pub horizon: Option<SimTime>,
    /// The machines.
    pub cluster: Cluster,
    /// The pods and when they arrive.
    pub workload: Workload,
    /// Objects that make pods.
    pub controllers: Controllers,
    /// How long the control plane takes.
    pub control_plane: ControlPlane,
    /// Kubernetes objects beside those, nodes and pods.
    pub objects: Objects,
    /// Who decides where pods go, and how long that takes.
    pub scheduling: Scheduling,
    /// Scripted changes to the cluster, in order of time.
    pub script: Vec<ScriptedAction>,
    /// What goes wrong.
    pub faults: Faults,
    /// Requests: who sends and who serves them.
    pub traffic: Traffic,
    /// What scales pods.
    pub autoscaling: Autoscaling,
    /// What buys machines and returns them.
    pub provisioning: Provisioning,
    /// A function platform, beside the cluster.
    pub functions: Option<Box<Functions>>,
    /// Containers whose sizes are back-tested, beside the cluster.
    pub sizing: Option<Box<SizingStudy>>,
    /// What nodes draw; none: nobody asks.
    pub power: Option<Power>,
    /// What a kWh costs the climate; none: nobody asks.
    pub carbon: Option<Carbon>,
    /// What to record.
    pub outputs: Outputs,
}

impl Model {
    /// The price by the hour of an offer at an instant, in US dollars. No policy may ask for a later instant than the present.
    pub fn usd_per_hour(&self, offer: OfferId, at: SimTime) -> f64 {
        let own = || self.cluster.shape(self.provisioning.offer(offer).shape).usd_per_hour;
        self.provisioning.market.price(offer, at).map_or_else(own, money::Money::as_dollars)
    }

    /// What a machine of an offer costs in a span at the price of each instant, in US dollars.
    pub fn machine_cost_usd(&self, offer: OfferId, from: SimTime, to: SimTime) -> f64 {
        let hours = to.since(from.min(to)).0 as f64 / 3.6e12;
        let own = || self.cluster.shape(self.provisioning.offer(offer).shape).usd_per_hour * hours;
        self.provisioning.market.cost(offer, from, to).map_or_else(own, money::Money::as_dollars)
    }
}

/// What a run records beside its summary.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    /// Spacing of the time series; none: chosen so that a few hundred points cover the run.
    pub sample_every: Option<SimDuration>,
    /// Whether every decision is written to `decisions.csv`.
    pub decisions: bool,
    /// Whether the state after every arrival is written to `arrivals.csv`.
    pub arrivals: bool,
    /// Whether one row per pod is written to `pods.csv`.
    pub pods: bool,
    /// Whether charts and report are drawn.
    pub charts: bool,
}

impl Default for Outputs {
    fn default() -> Self {
        Outputs { sample_every: None, decisions: false, arrivals: false, pods: true, charts: true }
    }
}

//! What leaves the engine: the observer trait, and the collectors that fill the result tables.
//!
//! Observers see everything and change nothing. Methods have empty defaults, tuples compose, and `()` costs nothing.

#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod autoscaling;
pub mod bill;
pub mod controllers;
pub mod cost_bound;
pub mod decisions;
pub mod elasticity;
pub mod energy;
pub mod fragments;
pub mod functions;
pub mod ledger;
pub mod losses;
pub mod machines;
pub mod market;
pub mod node_usage;
pub mod packing;
pub mod promises;
pub mod recorder;
pub mod rollouts;
pub mod series;
pub mod sizing;
pub mod summary;
pub mod tables;
pub mod traffic;
pub mod verticals;

pub use recorder::Recorder;

use crate::ids::{AutoscalerId, ControllerId, MachineId, NodeId, PodId, VerticalId};
use crate::model::vertical_pod_autoscaler::ContainerRecommendation;
use crate::policy::autoscaler::{self, ReplicaCounts};
use crate::policy::node_autoscaler::Order;
use crate::policy::scheduler::kube::Nomination;
use crate::policy::scheduler::{Decision, Explanation};
use crate::traffic::Plane;
use crate::units::SimTime;
use crate::world::View;

/// One look of an autoscaler at its target.
#[derive(Clone, Copy, Debug)]
pub struct Autoscaled<'a> {
    /// Which.
    pub autoscaler: AutoscalerId,
    /// The replicas that it saw.
    pub replicas: ReplicaCounts,
    /// What it decided.
    pub decision: &'a autoscaler::Decision,
}

/// What a vertical autoscaler recommends.
#[derive(Clone, Copy, Debug)]
pub struct Recommended<'a> {
    /// Which.
    pub vertical: VerticalId,
    /// For each container, in the order of their names; empty: nothing is known yet.
    pub recommendations: &'a [ContainerRecommendation],
    /// What the containers of its target had and used, in the order in which they were first seen.
    pub containers: &'a [ContainerSeen],
}

/// The containers of one name in the pods of a target, together, as the last samples have them. Amounts are milli-cores and
/// bytes, by [`Resource`](crate::model::vertical_pod_autoscaler::Resource).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerSeen {
    /// Their name.
    pub name: String,
    /// How many have a sample.
    pub runs: u64,
    /// Requested by them.
    pub requested: [u64; 2],
    /// Used by them.
    pub used: [u64; 2],
    /// Requested and not used by each of them.
    pub slack: [u64; 2],
    /// Used by each of them beyond its request.
    pub short: [u64; 2],
}

impl ContainerSeen {
    /// One container more.
    pub fn add(&mut self, requested: [u64; 2], used: [u64; 2]) {
        self.runs += 1;
        for resource in 0..2 {
            self.requested[resource] += requested[resource];
            self.used[resource] += used[resource];
            self.slack[resource] += requested[resource].saturating_sub(used[resource]);
            self.short[resource] += used[resource].saturating_sub(requested[resource]);
        }
    }
}

/// What a vertical autoscaler's updater did about a pod, or what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodChange {
    /// It is evicted, and its replacement gets what is recommended.
    Evicted,
    /// It was resized where it runs.
    Resized,
    /// Its resize waits for room on its node.
    Deferred,
    /// Its node can never hold it.
    Infeasible,
}

/// Watches a run.
pub trait Observer {
    /// The run begins.
    fn begin(&mut self, _view: &View<'_>) {}
    /// Time is about to move to `to`; until then everything stays as it is.
    fn time_advances(&mut self, _view: &View<'_>, _to: SimTime) {}
    /// A pod has arrived.
    fn pod_arrived(&mut self, _view: &View<'_>, _pod: PodId) {}
    /// Whether the next decision about this pod is to be explained, which takes longer.
    fn wants_explanation(&self, _view: &View<'_>, _pod: PodId) -> bool {
        false
    }
    /// What the scheduler saw when it decided; the decision is about to be carried out. Comes for those pods whose
    /// explanation is wanted.
    fn explained(&mut self, _view: &View<'_>, _pod: PodId, _explanation: &Explanation) {}
    /// The scheduler has tried to place a pod, and the decision is carried out.
    fn decided(&mut self, _view: &View<'_>, _pod: PodId, _decision: &Decision) {}
    /// A node is promised to a pod, and the victims are about to lose it.
    fn nominated(&mut self, _view: &View<'_>, _pod: PodId, _nomination: &Nomination) {}
    /// A pod is about to lose its node by drain, removal, crash, taint or preemption, as its reason says.
    fn pod_evicted(&mut self, _view: &View<'_>, _pod: PodId) {}
    /// The scheduler could not try a pod, or not bind it: an extender failed. The pod is tried again after a wait.
    fn scheduling_failed(&mut self, _view: &View<'_>, _pod: PodId, _message: &str) {}
    /// A pod has got a node.
    fn pod_placed(&mut self, _view: &View<'_>, _pod: PodId) {}
    /// A pod gives back its node, which it still holds.
    fn pod_leaves(&mut self, _view: &View<'_>, _pod: PodId) {}
    /// Something about an object that makes pods, or about its pods, has changed.
    fn controller_changed(&mut self, _view: &View<'_>, _controller: ControllerId) {}
    /// What a node holds, or its state, is about to change.
    fn node_changes(&mut self, _view: &View<'_>, _node: NodeId) {}
    /// What containers use of a node's CPU is about to change.
    fn usage_changes(&mut self, _view: &View<'_>, _node: NodeId) {}
    /// What containers use of a node's CPU, or memory, takes another course from now on.
    fn usage_changed(&mut self, _view: &View<'_>, _node: NodeId) {}
    /// Whether it is to be told what requests use of each pod.
    fn wants_loads(&self) -> bool {
        false
    }
    /// In the last window requests used so many milli-cores and bytes of a pod's container, by its position and which of its
    /// runs that is. It comes before what containers use of their node changes with it.
    fn load_changed(&mut self, _view: &View<'_>, _pod: PodId, _run: (u32, u32), _load: (u64, u64)) {}
    /// A container of a pod is about to be killed for memory.
    fn container_killed(&mut self, _view: &View<'_>, _pod: PodId, _container: usize) {}
    /// A pod that holds a node requests something else from now on.
    fn pod_resized(&mut self, _view: &View<'_>, _pod: PodId) {}
    /// A node has joined.
    fn node_added(&mut self, _view: &View<'_>, _node: NodeId) {}
    /// A node autoscaler wants something done; it is about to be carried out.
    fn provisioned(&mut self, _view: &View<'_>, _autoscaler: usize, _order: &Order) {}
    /// A machine has taken a step on its way.
    fn machine_changed(&mut self, _view: &View<'_>, _machine: MachineId) {}
    /// An event has been handled.
    fn event_handled(&mut self, _view: &View<'_>) {}
    /// A window of traffic is over.
    fn traffic_seen(&mut self, _view: &View<'_>, _plane: &mut Plane<'_>) {}
    /// Traffic has reached the end of the run.
    fn traffic_ended(&mut self, _view: &View<'_>, _plane: &mut Plane<'_>) {}
    /// Whether the next decision of this autoscaler is to be told in its own words, which takes longer.
    fn wants_autoscaler_text(&self, _view: &View<'_>, _autoscaler: AutoscalerId) -> bool {
        false
    }
    /// An autoscaler has looked at its target; what it decided is about to be written.
    fn autoscaled(&mut self, _view: &View<'_>, _sync: &Autoscaled<'_>) {}
    /// A vertical autoscaler has looked, and recommends that.
    fn recommended(&mut self, _view: &View<'_>, _look: &Recommended<'_>) {}
    /// A vertical autoscaler changes a pod.
    fn pod_sized(&mut self, _view: &View<'_>, _vertical: VerticalId, _change: PodChange) {}
    /// The run is over.
    fn end(&mut self, _view: &View<'_>) {}
}

impl Observer for () {}

macro_rules! forward {
    ($($method:ident($($name:ident: $type:ty),*);)*) => {
        $(fn $method(&mut self, view: &View<'_>, $($name: $type),*) {
            self.0.$method(view, $($name),*);
            self.1.$method(view, $($name),*);
        })*
    };
}

/// What is seen is seen by both parts.
macro_rules! tell_both {
    () => {
        fn wants_explanation(&self, view: &View<'_>, pod: PodId) -> bool {
            self.0.wants_explanation(view, pod) || self.1.wants_explanation(view, pod)
        }

        fn traffic_seen(&mut self, view: &View<'_>, plane: &mut Plane<'_>) {
            self.0.traffic_seen(view, plane);
            self.1.traffic_seen(view, plane);
        }

        fn traffic_ended(&mut self, view: &View<'_>, plane: &mut Plane<'_>) {
            self.0.traffic_ended(view, plane);
            self.1.traffic_ended(view, plane);
        }

        fn wants_loads(&self) -> bool {
            self.0.wants_loads() || self.1.wants_loads()
        }

        fn wants_autoscaler_text(&self, view: &View<'_>, autoscaler: AutoscalerId) -> bool {
            self.0.wants_autoscaler_text(view, autoscaler) || self.1.wants_autoscaler_text(view, autoscaler)
        }

        forward! {
            begin();
            autoscaled(sync: &Autoscaled<'_>);
            recommended(look: &Recommended<'_>);
            pod_sized(vertical: VerticalId, change: PodChange);
            time_advances(to: SimTime);
            pod_arrived(pod: PodId);
            decided(pod: PodId, decision: &Decision);
            explained(pod: PodId, explanation: &Explanation);
            nominated(pod: PodId, nomination: &Nomination);
            pod_evicted(pod: PodId);
            pod_placed(pod: PodId);
            pod_leaves(pod: PodId);
            scheduling_failed(pod: PodId, message: &str);
            controller_changed(controller: ControllerId);
            node_changes(node: NodeId);
            usage_changes(node: NodeId);
            usage_changed(node: NodeId);
            load_changed(pod: PodId, run: (u32, u32), load: (u64, u64));
            pod_resized(pod: PodId);
            container_killed(pod: PodId, container: usize);
            node_added(node: NodeId);
            provisioned(autoscaler: usize, order: &Order);
            machine_changed(machine: MachineId);
            event_handled();
            end();
        }
    };
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    tell_both!();
}

/// Somebody who watches, whoever it is: for [`crate::engine::watch`].
pub(crate) struct Whoever<'o>(pub(crate) &'o mut dyn Observer, pub(crate) ());

impl Observer for Whoever<'_> {
    tell_both!();
}

/// Checks every invariant after every event, and panics when one is broken. Slow: for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckEveryEvent;

impl Observer for CheckEveryEvent {
    fn event_handled(&mut self, view: &View<'_>) {
        if let Err(violation) = view.world.check(view.model) {
            panic!("after an event at {} s: {violation}", view.world.time);
        }
    }
}

//! Policies that buy and return nodes.
//!
//! What each decides is a function of what it is shown; the engine decides how long a machine takes and what becomes of an
//! order. One folder an autoscaler: each follows its own rules about which pod fits where, which are not the scheduler's.
//!
//! An autoscaler has turns. It says itself when the next one is ([`Turn::next`]), and may ask for an earlier one when a pod
//! is found to fit nowhere ([`NodeAutoscaler::pod_waits`]). In a turn it sees the world, the pods that fit nowhere, and the
//! machines of its groups, and gives orders. Orders are carried out in their order; the engine sees to limits of groups, to
//! disruption budgets, to what the provider has, and to what is charged.
//!
//! Cost: a turn comes every few seconds of virtual time, so one in which nothing has changed must cost next to nothing.

use std::fmt::Debug;

use serde_json::Value;

use super::parameters::{Parameter, ParameterError};
use crate::ids::{GroupId, MachineId, OfferId, PodId};
use crate::model::Model;
use crate::units::{SimDuration, SimTime};
use crate::world::View;

pub mod cluster_autoscaler;
pub mod karpenter;

mod desired;
mod fixed;
mod scheduled;
#[cfg(test)]
mod tests;
mod utilization;
mod warm_pool;

/// What an autoscaler is made for.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'m> {
    /// The run.
    pub model: &'m Model,
    /// The groups that it may buy for, in the order of the model.
    pub groups: &'m [GroupId],
    /// Its position among the autoscalers, for streams of its own.
    pub position: usize,
}

/// What an autoscaler sees in its turn.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The present; [`crate::world::World::fleet`] has the machines.
    pub view: View<'a>,
    /// The pods that the scheduler has tried and that fit nowhere, each with the instant from which on that is so, in order of
    /// their ids.
    pub unschedulable: &'a [(PodId, SimTime)],
}

impl Seen<'_> {
    /// The present instant.
    pub fn now(&self) -> SimTime {
        self.view.world.time
    }
}

/// What an autoscaler wants in a turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// What is to be done, in this order.
    pub orders: Vec<Order>,
    /// When it looks again; [`SimTime::NEVER`]: not by itself. More than the present.
    pub next: SimTime,
}

/// One thing that an autoscaler wants done, and why in a few words.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// What.
    pub action: Action,
    /// Why, for tables and charts: `pods fit nowhere`, `underutilized`.
    pub reason: &'static str,
}

/// What an autoscaler can do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Buys so many machines, each of the first of the offers that the provider has. The offers belong to one group.
    Buy {
        /// What would do, the best first; at least one.
        offers: Vec<OfferId>,
        /// How many, at least 1. More than the group may have are refused.
        count: u32,
    },
    /// Empties a machine's node within the budgets of its pods, and then ends the machine. A machine that has not joined
    /// ends at once.
    Return {
        /// Which.
        machine: MachineId,
        /// What becomes of it when the pods do not go.
        patience: Patience,
    },
    /// Its node takes no more pods (true), or takes them again.
    Cordon(MachineId, bool),
}

/// What becomes of a node that is being emptied and whose pods do not go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    /// After so long the node is kept, and takes pods again; none: it is never given up.
    pub give_up_after: Option<SimDuration>,
    /// After so long pods are deleted whatever their budgets say; none: never.
    pub force_after: Option<SimDuration>,
    /// Whether pods that are not to be disrupted (`karpenter.sh/do-not-disrupt`) are waited for until then.
    pub spares_protected: bool,
}

/// Buys and returns machines.
pub trait NodeAutoscaler: Debug + Send {
    /// When it looks first.
    fn first_turn(&self) -> SimTime;

    /// Looks, and says what is to be done. It is asked in order of time.
    fn turn(&mut self, seen: &Seen<'_>) -> Turn;

    /// A pod was found to fit nowhere. If it wants a turn for that, when; one that is due earlier stays.
    fn pod_waits(&mut self, _pod: PodId, _now: SimTime) -> Option<SimTime> {
        None
    }

    /// The provider has said when it takes a machine back. If it wants a turn for that, when.
    fn machine_reclaimed(&mut self, _machine: MachineId, _now: SimTime) -> Option<SimTime> {
        None
    }

    /// A pod has come to a node, or left it. If it wants a turn for that, when.
    fn node_changed(&mut self, _machine: MachineId, _now: SimTime) -> Option<SimTime> {
        None
    }
}

type Build = fn(&Value, &Setting<'_>) -> Result<Box<dyn NodeAutoscaler>, ParameterError>;

/// One row of the table of node autoscalers.
#[derive(Clone, Copy, Debug)]
pub struct NodeAutoscalerRow {
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
    build: Build,
}

impl NodeAutoscalerRow {
    /// The policy with these parameters.
    ///
    /// # Errors
    /// When a parameter is wrong, or missing where there is no default.
    pub fn build(&self, parameters: &Value, setting: &Setting<'_>) -> Result<Box<dyn NodeAutoscaler>, ParameterError> {
        (self.build)(parameters, setting)
    }
}

/// Every node autoscaler there is.
pub const NODE_AUTOSCALERS: &[NodeAutoscalerRow] = &[
    cluster_autoscaler::run::ROW,
    karpenter::operator::ROW,
    scheduled::ROW,
    fixed::ROW,
    utilization::ROW,
    warm_pool::ROW,
];

/// The row with that name, or with that name among its aliases.
pub fn find(name: &str) -> Option<&'static NodeAutoscalerRow> {
    NODE_AUTOSCALERS.iter().find(|row| row.name == name || row.aliases.contains(&name))
}

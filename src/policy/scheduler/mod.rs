//! Which node a pod goes to.
//!
//! Most policies are a [`Scorer`]: every node that passes the filters gets an integer score from its own state, the
//! highest wins, and of equals the lowest [`NodeId`], which is the cluster's declared tie-break rank. [`Scored`] keeps
//! those scores in a [`NodeIndex`], so a decision costs what changed since the class was last looked at, not what
//! exists. The others (first fit, next fit, round robin, random) ask the
//! same index which nodes fit.

use serde_json::Value;

use super::parameters::{Parameter, ParameterError};
use crate::ids::{ClassId, NodeId, PodId};
use crate::model::Model;
use crate::rng::Seed;
use crate::world::{GpuMask, View};

pub mod explanation;
pub mod filter;
pub mod gpus;
pub mod index;
pub mod kube;
pub mod rows;
pub mod scored;

mod balanced_allocation;
mod best_fit;
mod buckets;
mod cosine;
mod cyclic;
mod dot_product;
mod fgd;
mod fgd_best_fit;
mod fgd_dot_product;
mod first_fit;
mod gpu_clustering;
mod gpu_packing;
mod kube_scheduler;
mod l2_norm;
mod least_allocated;
mod max_tree;
mod most_allocated;
mod next_fit;
#[cfg(test)]
pub(super) mod oracle;
mod random;
mod round_robin;
mod vectors;
mod worst_fit;

pub use explanation::{Explanation, Verdict};
pub use index::{NodeIndex, Score};
pub use scored::{Scored, Scorer};

/// Chooses a node for a pod.
///
/// Contract, held by the contract tests over every row of the table: the node passes [`filter::fits`] and the GPUs
/// are free on it; nothing is refused that fits somewhere; the answer depends on the view, the class, the policy's
/// earlier decisions and its own random stream alone.
pub trait Scheduler: Send {
    /// Where a pod of `class` goes now, or that it fits nowhere.
    fn decide(&mut self, view: &View<'_>, class: ClassId) -> Decision;

    /// Where a certain pod goes now. To most policies all pods of a class are alike.
    fn decide_for(&mut self, view: &View<'_>, pod: PodId) -> Decision {
        self.decide(view, view.world.pods.class[pod.index()])
    }

    /// As [`Scheduler::decide_for`], and what the policy saw. The decision is the same.
    fn explain(&mut self, view: &View<'_>, pod: PodId) -> (Decision, Explanation) {
        let explanation = explanation::of_filters(view, view.world.pods.class[pod.index()]);
        (self.decide_for(view, pod), explanation)
    }

    /// The queue in which pods wait for this policy; none: the one that the model names, from which a pod is tried again
    /// as soon as something has changed that can help it.
    fn queue(&self) -> Option<kube::queue::SchedulingQueue> {
        None
    }

    /// Whether the policy follows [`crate::world::Placements`]; the engine keeps that log short for the others.
    fn follows_placements(&self) -> bool {
        false
    }

    /// Whether somebody outside the simulation binds the pod, which holds its node already: then [`Scheduler::bind`] is to be
    /// called when the binding is due.
    fn binds(&self, _view: &View<'_>, _pod: PodId) -> bool {
        false
    }

    /// Lets the pod be bound by who says so.
    ///
    /// # Errors
    /// Why it was not bound.
    fn bind(&mut self, _view: &View<'_>, _pod: PodId) -> Result<(), String> {
        Ok(())
    }

    /// Why the pod of the last decision was refused, where the policy can say.
    fn refusal(&mut self) -> Refusal {
        Refusal::default()
    }
}

/// Why a pod was refused, and what could be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// What the nodes had against the pod.
    pub diagnosis: kube::Summary,
    /// How many nodes there were.
    pub nodes: usize,
    /// The pods that could make room, and where.
    pub nomination: Option<kube::preemption::Nomination>,
    /// Whether the pod loses the node that it was nominated for.
    pub clears_nomination: bool,
    /// Whether something went wrong, so that the attempt says nothing about the nodes.
    pub is_error: bool,
    /// What went wrong.
    pub message: String,
}

/// What a scheduler decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The pod goes to a node.
    Place(Placement),
    /// No node passes the filters.
    Unschedulable,
}

/// Where a pod goes, and how clear the choice was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The node.
    pub node: NodeId,
    /// The devices it takes there.
    pub gpus: GpuMask,
    /// How many nodes passed the filters.
    pub feasible: u32,
    /// The highest score; -1 when there was nothing to score: one feasible node, or a policy without scores.
    pub best: i64,
    /// How many nodes had the highest score.
    pub ties: u32,
}

/// One row of the table of schedulers.
#[derive(Clone, Copy)]
pub struct SchedulerRow {
    /// Name as written in files.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Where the rule comes from: paper, or upstream file and version.
    pub source: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
    build: Build,
}

/// Makes a scheduler from its parameters, for one run.
#[derive(Clone, Copy)]
enum Build {
    /// One that is nothing but a score over nodes.
    Score(fn(&Value, &Model) -> Built<dyn scored::ScorePolicy>),
    /// Any other.
    Other(fn(&Value, &Model, Seed) -> Built<dyn Scheduler>),
}

/// A policy, or what is wrong with its parameters.
type Built<P> = Result<Box<P>, ParameterError>;

impl std::fmt::Debug for SchedulerRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SchedulerRow").field("name", &self.name).finish_non_exhaustive()
    }
}

impl SchedulerRow {
    /// The policy for one run, with these parameters.
    ///
    /// # Errors
    /// When a parameter is wrong.
    pub fn build(&self, parameters: &Value, model: &Model, seed: Seed) -> Result<Box<dyn Scheduler>, ParameterError> {
        match self.build {
            Build::Score(build) => build(parameters, model).map(|policy| policy as Box<dyn Scheduler>),
            Build::Other(build) => build(parameters, model, seed),
        }
    }

    /// Whether the policy is nothing but a score over nodes, so that kube-scheduler can use it as a plug-in; see
    /// [`kube::own_policies`].
    pub fn is_score(&self) -> bool {
        matches!(self.build, Build::Score(_))
    }

    /// The policy's score alone, with these parameters; none where it is more than a score.
    ///
    /// # Errors
    /// When a parameter is wrong.
    pub fn scorer(&self, parameters: &Value, model: &Model) -> Result<Option<Box<dyn Scorer>>, ParameterError> {
        match self.build {
            Build::Score(build) => build(parameters, model).map(|policy| Some(policy.into_scorer())),
            Build::Other(_) => Ok(None),
        }
    }
}

/// Every scheduler there is.
pub const SCHEDULERS: &[SchedulerRow] = &[
    first_fit::ROW,
    next_fit::ROW,
    best_fit::ROW,
    worst_fit::ROW,
    random::ROW,
    round_robin::ROW,
    least_allocated::ROW,
    most_allocated::ROW,
    balanced_allocation::ROW,
    dot_product::ROW,
    cosine::ROW,
    l2_norm::ROW,
    gpu_packing::ROW,
    gpu_clustering::ROW,
    fgd_best_fit::ROW,
    fgd_dot_product::ROW,
    fgd::ROW,
    kube_scheduler::ROW,
];

/// The row with that name.
pub fn find(name: &str) -> Option<&'static SchedulerRow> {
    SCHEDULERS.iter().find(|row| row.name == name)
}

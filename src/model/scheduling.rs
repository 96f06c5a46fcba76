//! Who decides where pods go, in which order, and how long each step takes.

use super::{Dist, KubeSchedulerConfiguration};

/// The scheduler of a run.
#[derive(Clone, Debug)]
pub struct Scheduling {
    /// The policy that chooses nodes.
    pub policy: PolicyChoice,
    /// The policy that orders waiting pods.
    pub queue: PolicyChoice,
    /// What becomes of a pod that fits nowhere.
    pub on_unschedulable: OnUnschedulable,
    /// What becomes of a pod that loses its node.
    pub on_eviction: OnEviction,
    /// How long each step takes.
    pub delays: Delays,
    /// The configuration of the policy `kube-scheduler`; none: the defaults of the release.
    pub kube_scheduler: Option<Box<KubeSchedulerConfiguration>>,
}

/// A policy by its name in the table of its kind, with its parameters as written.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyChoice {
    /// Name in the table.
    pub name: String,
    /// Parameters; checked by the policy's own type.
    pub parameters: serde_json::Value,
}

impl PolicyChoice {
    /// A policy with its default parameters.
    pub fn named(name: &str) -> PolicyChoice {
        PolicyChoice { name: name.to_owned(), parameters: serde_json::Value::Object(serde_json::Map::new()) }
    }
}

/// What becomes of a pod that fits nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnschedulable {
    /// It waits, and is tried again when something changed that can help it.
    #[default]
    Wait,
    /// It is deleted at once and never tried again.
    Drop,
}

/// What becomes of a pod that loses its node by drain, removal or crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnEviction {
    /// It waits for a place again and starts its work anew, as a controller's replacement would.
    #[default]
    Requeue,
    /// It ends: evicted by a drain, deleted by a removal, failed by a crash, as a bare Kubernetes pod does.
    End,
}

/// How long each step of a pod's way takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delays {
    /// How long the scheduler is busy with one pod; it takes one at a time.
    pub scheduling: Dist,
    /// From the decision until the pod is bound.
    pub binding: Dist,
    /// From bound until the pod runs.
    pub start: Dist,
}

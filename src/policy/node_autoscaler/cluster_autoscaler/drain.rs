//! Which pods keep a node, which can be moved, and which end by themselves (`simulator/drainability`, `utils/drain`).
//!
//! The rules are asked in a fixed order, and the first that answers decides:
//!
//! | | rule | answer |
//! |---|---|---|
//! | 1 | mirror pod | passed over |
//! | 2 | terminating for longer than its grace period and 30 s | passed over |
//! | 3 | its controller is gone or wants too few replicas | keeps the node |
//! | 4 | of a DaemonSet | may go |
//! | 5 | annotated `safe-to-evict: "true"` | may go |
//! | 6 | ended | may go |
//! | 7 | annotated `safe-to-evict: on-completion` | is waited for |
//! | 8 | without a controller that would replace it | keeps the node |
//! | 9 | in `kube-system` without a budget | keeps the node, for an hour; then may go |
//! | 10 | annotated `safe-to-evict: "false"` | keeps the node |
//! | 11 | with local storage | keeps the node |
//! | 12 | covered by a budget that allows no disruption | keeps the node |
//!
//! Rules 3, 9 and 11 can be switched off; 8 then lets any controller do. A pod that no rule answers for may go.
//!
//! Cost: a dozen comparisons a pod, and one look-up a budget of the pod.

use super::options::DrainOptions;
use crate::ids::PodId;
pub use crate::model::disruption::SafeToEvict;
use crate::units::{SimDuration, SimTime};

/// Time beyond the grace period after which a terminating pod is passed over.
pub const LONG_TERMINATING_EXTRA: SimDuration = SimDuration(30_000_000_000);

/// Grace period of pods that do not say.
pub const DEFAULT_GRACE: SimDuration = SimDuration(30_000_000_000);

/// The kinds of controllers that rules tell apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ControllerKind {
    /// ReplicationController.
    ReplicationController,
    /// ReplicaSet.
    #[default]
    ReplicaSet,
    /// StatefulSet.
    StatefulSet,
    /// Job.
    Job,
    /// DaemonSet.
    DaemonSet,
    /// Any other.
    Other,
}

/// A pod's controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Controller {
    /// What it is.
    pub kind: ControllerKind,
    /// Whether its API group is `apps`; asked of StatefulSets and DaemonSets only.
    pub is_of_apps: bool,
    /// Whether it is there; `None`: nobody can say, and rule 3 does not answer.
    pub exists: Option<bool>,
    /// Replicas it wants, if it says.
    pub replicas: Option<i64>,
}

/// How a pod ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// It has not.
    #[default]
    Alive,
    /// All its containers ended well.
    Succeeded,
    /// One ended badly.
    Failed,
}

/// When containers are started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Always.
    #[default]
    Always,
    /// After a failure.
    OnFailure,
    /// Never.
    Never,
}

/// A volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Its name in the pod.
    pub name: String,
    /// Whether what it holds stays on the node: a path of the host, or an empty directory that is not in memory.
    pub is_local: bool,
}

/// What the rules see of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainPod<'a> {
    /// Its controller.
    pub controller: Option<Controller>,
    /// Its namespace.
    pub namespace: &'a str,
    /// Whether it mirrors a pod that the node started by itself.
    pub is_mirror: bool,
    /// Whether an annotation says that it is to be treated as of a DaemonSet.
    pub is_daemon_by_annotation: bool,
    /// Whether it may be evicted.
    pub safe_to_evict: SafeToEvict,
    /// How it ended.
    pub end: End,
    /// When its containers are started again.
    pub restart_policy: RestartPolicy,
    /// When it was asked to end.
    pub deletion: Option<SimTime>,
    /// Its grace period; `None`: the default.
    pub grace: Option<SimDuration>,
    /// When it was made; `None`: not known.
    pub created: Option<SimTime>,
    /// Its volumes.
    pub volumes: &'a [Volume],
    /// Names of volumes whose contents may be lost, from `safe-to-evict-local-volumes`, parted at commas.
    pub safe_volumes: &'a [String],
    /// The budgets that cover it, by their positions in the tracker.
    pub budgets: &'a [usize],
}

impl DrainPod<'_> {
    /// Whether the pod is of a DaemonSet or passes for one.
    pub fn is_daemon(&self) -> bool {
        self.controller.is_some_and(|controller| controller.kind == ControllerKind::DaemonSet)
            || self.is_daemon_by_annotation
    }

    /// Whether it ended for good.
    fn is_terminal(&self) -> bool {
        match (self.restart_policy, self.end) {
            (_, End::Failed) => true,
            (RestartPolicy::Never | RestartPolicy::OnFailure, End::Succeeded) => true,
            (RestartPolicy::Always, End::Succeeded) | (_, End::Alive) => false,
        }
    }

    fn has_blocking_local_storage(&self) -> bool {
        self.volumes.iter().any(|volume| volume.is_local && !self.safe_volumes.contains(&volume.name))
    }

    /// Whether it has been terminating for longer than its grace period and 30 s.
    pub fn is_long_terminating(&self, now: SimTime) -> bool {
        let grace = self.grace.unwrap_or(DEFAULT_GRACE);
        self.deletion.is_some_and(|asked| asked.after(grace).after(LONG_TERMINATING_EXTRA) < now)
    }
}

/// Why a pod keeps its node (`BlockingPodReason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blocking {
    /// Its controller is gone.
    ControllerNotFound,
    /// Its controller wants too few replicas.
    MinReplicasReached,
    /// Nothing would replace it.
    NotReplicated,
    /// It would lose what it stored.
    LocalStorageRequested,
    /// It says so.
    NotSafeToEvictAnnotation,
    /// It is of the system.
    UnmovableKubeSystemPod,
    /// A budget does not let it.
    NotEnoughPdb,
}

/// What the rules say of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drainability {
    /// No rule answered; it may go.
    Undefined,
    /// It may go.
    Ok,
    /// It keeps the node.
    Blocked(Blocking),
    /// It does not count.
    Skip,
    /// It is waited for.
    WaitForCompletion,
}

/// What the budgets still allow (`RemainingPdbTracker`), by budget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemainingBudgets {
    /// Disruptions each allows; may fall below zero.
    pub allowed: Vec<i64>,
}

impl RemainingBudgets {
    /// Whether pods, each given by its budgets, may go one after another, and whether all at once (`CanRemovePods`).
    pub fn can_remove(&self, pods: &[&[usize]]) -> (bool, bool) {
        let mut at_once = true;
        for (budget, allowed) in self.allowed.iter().enumerate() {
            let count = pods.iter().filter(|budgets| budgets.contains(&budget)).count();
            if count > 0 && *allowed < 1 {
                return (false, false);
            }
            at_once &= count == 0 || *allowed >= count as i64;
        }
        (true, at_once)
    }

    /// Charges the budgets of pods that go.
    pub fn remove(&mut self, pods: &[&[usize]]) {
        for budget in pods.iter().flat_map(|budgets| budgets.iter()) {
            self.allowed[*budget] -= 1;
        }
    }
}

/// Asks the rules in their order.
pub fn drainability(
    pod: &DrainPod<'_>,
    options: &DrainOptions,
    budgets: &RemainingBudgets,
    now: SimTime,
) -> Drainability {
    let custom = options.skip_nodes_with_custom_controller_pods;
    let controllers = || replica_count(pod, options.min_replica_count).filter(|_| custom);
    let blocked = |holds: bool, reason: Blocking| holds.then_some(Drainability::Blocked(reason));
    let is_covered_tightly = || pod.budgets.iter().any(|budget| budgets.allowed[*budget] < 1);
    let has_storage = || options.skip_nodes_with_local_storage && pod.has_blocking_local_storage();
    None.or_else(|| pod.is_mirror.then_some(Drainability::Skip))
        .or_else(|| pod.is_long_terminating(now).then_some(Drainability::Skip))
        .or_else(|| controllers().map(Drainability::Blocked))
        .or_else(|| pod.is_daemon().then_some(Drainability::Ok))
        .or_else(|| (pod.safe_to_evict == SafeToEvict::Yes).then_some(Drainability::Ok))
        .or_else(|| pod.is_terminal().then_some(Drainability::Ok))
        .or_else(|| (pod.safe_to_evict == SafeToEvict::OnCompletion).then_some(Drainability::WaitForCompletion))
        .or_else(|| blocked(!is_replicated(pod, custom), Blocking::NotReplicated))
        .or_else(|| system(pod, options, now))
        .or_else(|| blocked(pod.safe_to_evict == SafeToEvict::No, Blocking::NotSafeToEvictAnnotation))
        .or_else(|| blocked(has_storage(), Blocking::LocalStorageRequested))
        .or_else(|| blocked(is_covered_tightly(), Blocking::NotEnoughPdb))
        .unwrap_or(Drainability::Undefined)
}

/// Rule 3: whether the controller is gone or wants too few replicas.
fn replica_count(pod: &DrainPod<'_>, min_replicas: i64) -> Option<Blocking> {
    let controller = pod.controller?;
    let exists = controller.exists?;
    let (asks_existence, asks_replicas) = match controller.kind {
        ControllerKind::ReplicationController => (true, true),
        // What passes for a pod of a DaemonSet is not asked about any other controller.
        _ if pod.is_daemon() => (controller.kind == ControllerKind::DaemonSet && controller.is_of_apps, false),
        ControllerKind::ReplicaSet => (true, true),
        ControllerKind::Job => (true, false),
        ControllerKind::StatefulSet => (controller.is_of_apps, false),
        ControllerKind::DaemonSet | ControllerKind::Other => (false, false),
    };
    if asks_existence && !exists {
        return Some(Blocking::ControllerNotFound);
    }
    let too_few = asks_replicas && controller.replicas.is_some_and(|replicas| replicas < min_replicas);
    too_few.then_some(Blocking::MinReplicasReached)
}

/// Rule 8: whether a controller would replace the pod.
fn is_replicated(pod: &DrainPod<'_>, only_known_kinds: bool) -> bool {
    let is_known = |kind| !matches!(kind, ControllerKind::DaemonSet | ControllerKind::Other);
    pod.controller.is_some_and(|controller| !only_known_kinds || is_known(controller.kind))
}

/// Rule 9: pods of the system without a budget.
fn system(pod: &DrainPod<'_>, options: &DrainOptions, now: SimTime) -> Option<Drainability> {
    if !options.skip_nodes_with_system_pods || pod.namespace != "kube-system" || !pod.budgets.is_empty() {
        return None;
    }
    let is_old = pod.created.is_some_and(|created| now > created.after(options.system_pod_disruption_timeout));
    Some(if is_old { Drainability::Ok } else { Drainability::Blocked(Blocking::UnmovableKubeSystemPod) })
}

/// The pods of a node by what draining it does with them (`PodMoveInfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodsToMove {
    /// Pods that need another place.
    pub pods: Vec<PodId>,
    /// Pods of DaemonSets, which end with the node.
    pub daemons: Vec<PodId>,
    /// Pods that are waited for.
    pub on_completion: Vec<PodId>,
}

/// Parts a node's pods (`GetPodsToMove`).
///
/// # Errors
/// With the first pod that keeps the node, and why.
pub fn pods_to_move<'a>(
    pods: impl IntoIterator<Item = (PodId, DrainPod<'a>)>,
    options: &DrainOptions,
    budgets: &RemainingBudgets,
    now: SimTime,
) -> Result<PodsToMove, (PodId, Blocking)> {
    let mut parted = PodsToMove::default();
    for (id, pod) in pods {
        match drainability(&pod, options, budgets, now) {
            Drainability::Undefined | Drainability::Ok if pod.is_daemon() => parted.daemons.push(id),
            Drainability::Undefined | Drainability::Ok => parted.pods.push(id),
            Drainability::WaitForCompletion => parted.on_completion.push(id),
            Drainability::Blocked(reason) => return Err((id, reason)),
            Drainability::Skip => {}
        }
    }
    Ok(parted)
}

#[cfg(test)]
mod tests;

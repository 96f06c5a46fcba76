//! What scale-down asks of nodes and pods, answered by the world: the planner's facts.
//!
//! Cost: a few look-ups a pod; the eligibility of a node is worked out once a turn.

use crate::ids::{ClassId, GroupId, NodeId, PodId};
use crate::model::controllers::{ControllerKind as Kind, RestartPolicy as Restart};
use crate::model::{NodeShape, OnEviction, PodClass};
use crate::policy::disruption;
use crate::policy::node_autoscaler::cluster_autoscaler::drain::{
    Blocking, Controller, ControllerKind, DrainPod, PodsToMove, RemainingBudgets, RestartPolicy, Volume, pods_to_move,
};
use crate::policy::node_autoscaler::cluster_autoscaler::estimator::Amount;
use crate::policy::node_autoscaler::cluster_autoscaler::options::{NodeGroupOptions, Options};
use crate::policy::node_autoscaler::cluster_autoscaler::planner::{Facts, Unremovable};
use crate::policy::node_autoscaler::cluster_autoscaler::quota::{CountedNode, NODES, Resources};
use crate::policy::node_autoscaler::cluster_autoscaler::removal::MovedPod;
use crate::policy::node_autoscaler::cluster_autoscaler::snapshot::NodeKey;
use crate::units::SimTime;
use crate::world::{Condition, MachineState, NodeState, View};

/// Numbers of controllers that the model does not have begin here: pods of one class then count as of one.
const UNKNOWN_CONTROLLERS: u64 = 1 << 40;

/// What stands for the local volumes of a pod that may not be lost: which they are decides nothing.
static LOCAL: [Volume; 1] = [Volume { name: String::new(), is_local: true }];

/// The groups of one autoscaler, as a provider reports them.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    pub(super) ids: Vec<GroupId>,
    /// By position: the least size, the largest, and the size it should have.
    pub(super) sizes: Vec<(i64, i64, i64)>,
    /// By position: nodes that are registered.
    pub(super) registered: Vec<usize>,
    /// By position: nodes that this autoscaler is deleting.
    pub(super) deletions: Vec<usize>,
}

impl Groups {
    /// The position of a node's group, if it is one of them.
    pub(super) fn of(&self, view: &View<'_>, node: NodeId) -> Option<usize> {
        let machine = view.world.fleet.of_node(node)?;
        let group = view.world.fleet.get(machine).group;
        self.ids.iter().position(|id| *id == group)
    }
}

/// The budgets that cover a class, by class, as far as they were asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Covers {
    by_class: Vec<Option<Vec<usize>>>,
}

impl Covers {
    /// Looks up the budgets of a class.
    pub(super) fn learn(&mut self, view: &View<'_>, class: ClassId, pod: PodId) {
        if self.by_class.len() <= class.index() {
            self.by_class.resize(class.index() + 1, None);
        }
        let known = &mut self.by_class[class.index()];
        if known.is_none() {
            *known = Some(disruption::budgets_of(view, pod));
        }
    }

    fn of(&self, class: ClassId) -> &[usize] {
        self.by_class.get(class.index()).and_then(Option::as_ref).map_or(&[], Vec::as_slice)
    }
}

/// See [`Facts`].
#[derive(Debug)]
pub(super) struct Known<'f> {
    pub(super) view: View<'f>,
    pub(super) groups: &'f Groups,
    pub(super) options: &'f Options,
    pub(super) covers: &'f Covers,
    /// By node; nodes that are no candidates are not asked for.
    pub(super) ineligible: &'f [Option<Unremovable>],
    pub(super) now: SimTime,
}

/// Whether a node is ready, whatever it is about to be.
pub(super) fn is_ready(view: &View<'_>, node: NodeId) -> bool {
    let machine = view.world.fleet.of_node(node);
    let state = machine.map(|machine| view.world.fleet.get(machine).state);
    state != Some(MachineState::Joined)
        && view.world.nodes.state[node.index()].is_up()
        && view.world.health.condition[node.index()] == Condition::Ready
}

/// Whether a node is ready and takes pods.
pub(super) fn takes_pods(view: &View<'_>, node: NodeId) -> bool {
    view.world.nodes.state[node.index()] == NodeState::Ready && is_ready(view, node)
}

/// Whether the node's annotation forbids that it goes.
pub(super) fn scale_down_disabled(view: &View<'_>, node: NodeId) -> bool {
    view.model.cluster.shape(view.world.nodes.shape[node.index()]).disruption.scale_down_disabled
}

/// Whether a DaemonSet made the pod, or an annotation says that it passes for one.
pub(super) fn is_daemon(view: &View<'_>, pod: PodId) -> bool {
    if view.class_of(pod).disruption.passes_for_daemon {
        return true;
    }
    match view.world.controller_of(pod) {
        Some(controller) => matches!(view.model.controllers.list[controller.index()].kind, Kind::DaemonSet(_)),
        None => view.class_of(pod).spec.owner.as_ref().is_some_and(|owner| owner.kind == "DaemonSet"),
    }
}

/// What decides which pods are of one controller.
pub(super) fn controller_number(view: &View<'_>, pod: PodId) -> Option<u64> {
    match view.world.member(pod) {
        Some(member) => Some(member.owner.0.into()),
        None => controller(view, pod).map(|_| UNKNOWN_CONTROLLERS + u64::from(view.world.pods.class[pod.index()].0)),
    }
}

/// The controller of a pod. Pods of templates and traces, which wait for another node when they lose theirs, pass for pods
/// of a ReplicaSet; Pods as manifests write them have the controller that they name, or none.
fn controller(view: &View<'_>, pod: PodId) -> Option<Controller> {
    let unknown = |kind| Controller { kind, is_of_apps: true, exists: None, replicas: None };
    let Some(member) = view.world.member(pod) else {
        let owner = view.class_of(pod).spec.owner.as_ref();
        let named = owner.map(|owner| unknown(kind_called(&owner.kind)));
        let is_known = view.class_of(pod).disruption.has_no_controller;
        let is_replaced = view.model.scheduling.on_eviction == OnEviction::Requeue && !is_known;
        return named.or_else(|| is_replaced.then(|| unknown(ControllerKind::ReplicaSet)));
    };
    let owner = &view.world.owners.list[member.owner.index()];
    let kind = match view.model.controllers.list[owner.controller.index()].kind {
        Kind::ReplicaSet(_) | Kind::Deployment(_) | Kind::Rollout(_) => ControllerKind::ReplicaSet,
        Kind::StatefulSet(_) => ControllerKind::StatefulSet,
        Kind::DaemonSet(_) => ControllerKind::DaemonSet,
        Kind::Job(_) | Kind::CronJob(_) | Kind::ScaledJob(_) => ControllerKind::Job,
    };
    let replicas = Some(i64::from(owner.replicas)).filter(|_| kind == ControllerKind::ReplicaSet);
    Some(Controller { kind, is_of_apps: true, exists: Some(owner.is_there), replicas })
}

fn kind_called(name: &str) -> ControllerKind {
    match name {
        "ReplicationController" => ControllerKind::ReplicationController,
        "ReplicaSet" => ControllerKind::ReplicaSet,
        "StatefulSet" => ControllerKind::StatefulSet,
        "Job" => ControllerKind::Job,
        "DaemonSet" => ControllerKind::DaemonSet,
        _ => ControllerKind::Other,
    }
}

impl<'f> Known<'f> {
    fn class(&self, pod: PodId) -> &'f PodClass {
        self.view.class_of(pod)
    }

    fn node(key: NodeKey) -> NodeId {
        NodeId(key.0)
    }

    /// The pod as the drain rules see it.
    fn drained(&self, pod: PodId) -> DrainPod<'_> {
        let view = &self.view;
        let life = view.world.member(pod).map(|member| {
            let owner = &view.world.owners.list[member.owner.index()];
            let templates = &view.model.controllers.list[owner.controller.index()].templates;
            &view.model.controllers.lives[templates[member.template.index()].life.index()]
        });
        let restart_policy = life.map_or(RestartPolicy::Always, |life| match life.restart_policy {
            Restart::Always => RestartPolicy::Always,
            Restart::OnFailure => RestartPolicy::OnFailure,
            Restart::Never => RestartPolicy::Never,
        });
        let class = self.class(pod);
        DrainPod {
            controller: controller(view, pod),
            namespace: &class.spec.namespace,
            is_mirror: class.disruption.is_mirror,
            is_daemon_by_annotation: class.disruption.passes_for_daemon,
            safe_to_evict: class.disruption.safe_to_evict,
            volumes: if class.disruption.has_local_storage { &LOCAL } else { &[] },
            restart_policy,
            grace: life.map(|life| life.grace_period),
            created: Some(view.world.pods.arrival[pod.index()]),
            budgets: self.budgets_of(pod),
            ..DrainPod::default()
        }
    }
}

impl Facts for Known<'_> {
    fn ineligible(&self, node: NodeKey) -> Option<Unremovable> {
        self.ineligible[node.0 as usize]
    }

    fn part(&self, pods: &[PodId], budgets: &RemainingBudgets) -> Result<PodsToMove, (PodId, Blocking)> {
        let pods = pods.iter().map(|pod| (*pod, self.drained(*pod)));
        pods_to_move(pods, &self.options.drain, budgets, self.now)
    }

    fn describe(&self, pod: PodId) -> MovedPod {
        moved(&self.view, pod)
    }

    fn budgets_of(&self, pod: PodId) -> &[usize] {
        self.covers.of(self.view.world.pods.class[pod.index()])
    }

    fn group(&self, node: NodeKey) -> Option<usize> {
        self.groups.of(&self.view, Self::node(node))
    }

    fn group_options(&self, _group: usize) -> NodeGroupOptions {
        self.options.node_group_defaults
    }

    fn group_sizes(&self, group: usize) -> (i64, i64) {
        let (min, _, target) = self.groups.sizes[group];
        (min, target)
    }

    fn registered(&self, group: usize) -> usize {
        self.groups.registered[group]
    }

    fn deletions(&self, group: usize) -> usize {
        self.groups.deletions[group]
    }

    fn is_ready(&self, node: NodeKey) -> bool {
        is_ready(&self.view, Self::node(node))
    }

    fn scale_down_disabled(&self, node: NodeKey) -> bool {
        scale_down_disabled(&self.view, Self::node(node))
    }

    fn counted(&self, node: NodeKey) -> Resources {
        counted(&self.view, Self::node(node))
    }
}

/// What is known of a pod that needs a place.
pub(super) fn moved(view: &View<'_>, pod: PodId) -> MovedPod {
    let class = view.world.pods.class[pod.index()];
    MovedPod {
        pod,
        priority: view.class(class).priority,
        controller: controller_number(view, pod),
        is_daemon: is_daemon(view, pod),
        kind: class.0,
    }
}

/// What quotas count of a node.
fn counted(view: &View<'_>, node: NodeId) -> Resources {
    resources(view.model.cluster.shape(view.world.nodes.shape[node.index()]))
}

/// All that there is of a node.
pub(super) fn capacity(shape: &NodeShape) -> Amount {
    Amount { cpu: shape.allocatable.cpu + shape.reserved.cpu, memory: shape.allocatable.memory + shape.reserved.memory }
}

/// Whole cores, bytes and the node itself, as quotas count them; cores are rounded up.
pub(super) fn resources(shape: &NodeShape) -> Resources {
    let all = capacity(shape);
    let (cores, memory) = (all.cpu.0.div_ceil(1000) as i64, all.memory.0 as i64);
    Resources::from([("cpu".to_owned(), cores), ("memory".to_owned(), memory), (NODES.to_owned(), 1)])
}

/// What quotas count of every node that is up.
pub(super) fn counted_nodes(view: &View<'_>, groups: &Groups) -> Vec<CountedNode> {
    let up = (0..view.world.nodes.len()).map(NodeId::from_index);
    let up = up.filter(|node| view.world.nodes.state[node.index()].is_up());
    up.map(|node| CountedNode { group: groups.of(view, node), resources: counted(view, node) }).collect()
}

//! The cluster as Karpenter sees it (`state.Cluster`): nodes, and machines that were ordered and have no node yet.
//!
//! Entries keep their position as long as they live; what has gone leaves an entry that takes no pods, until so many have
//! gone that all are listed anew. Entries follow the log of changes, so that a turn costs what has changed.
//!
//! Cost: a comparison for each machine of the groups, and the pods of each node that changed.

use std::collections::{BTreeMap, BTreeSet};

use super::super::node_pool::NodePool;
use super::super::requirements::{
    CAPACITY_TYPE_LABEL, INITIALIZED_LABEL, INSTANCE_TYPE_LABEL, NODE_POOL_LABEL, REGISTERED_LABEL,
};
use super::super::resources::ResourceList;
use super::super::scheduler::{Environment, NodeState};
use super::market;
use crate::ids::{GroupId, MachineId, NodeId, PodId};
use crate::model::cluster::{HOSTNAME_LABEL, ZONE_LABEL};
use crate::model::controllers::ControllerKind;
use crate::model::{Label, NodeShape, Resources, Taint, TaintEffect};
use crate::units::{Bytes, MilliCpu, SimTime};
use crate::world::{MachineState, Phase, View};

/// The taint of nodes that take no more pods.
const UNSCHEDULABLE_TAINT: &str = "node.kubernetes.io/unschedulable";
/// So many entries of what has gone are kept at least before all are listed anew.
const GONE_MIN: usize = 64;

/// What stands behind an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The machine, if it is of a pool of ours.
    pub(super) machine: Option<MachineId>,
    /// The node, if there is one.
    pub(super) node: Option<NodeId>,
    /// Where the machine was on its way; nodes of others are ready.
    state: MachineState,
    is_gone: bool,
    /// Whether it is to go, as its node has it.
    is_deleting: bool,
    /// Whether its node is under `consolidateAfter`.
    is_recent: bool,
}

impl Entry {
    fn new(machine: Option<MachineId>, node: Option<NodeId>, state: MachineState) -> Entry {
        Entry { machine, node, state, is_gone: false, is_deleting: false, is_recent: false }
    }
}

/// The cluster.
#[derive(Debug, Default)]
pub(super) struct Sight {
    /// By position.
    pub(super) nodes: Vec<NodeState>,
    /// What is behind each, by position.
    pub(super) entries: Vec<Entry>,
    /// How often anything changed.
    pub(super) version: u64,
    /// Machines that are about to go, before anybody is told so (`MarkForDeletion`).
    marked: BTreeSet<MachineId>,
    /// The version at which each entry last changed, by position.
    pub(super) stamps: Vec<u64>,
    /// How often all were listed anew.
    pub(super) generation: u64,
    pools: Vec<Option<usize>>,
    initialized: Vec<Option<SimTime>>,
    of_machine: BTreeMap<MachineId, usize>,
    of_node: BTreeMap<NodeId, usize>,
    machines_seen: usize,
    fleet_seen: usize,
    nodes_seen: usize,
    changes_seen: u64,
    gone: usize,
}

impl Sight {
    /// Catches up.
    pub(super) fn refresh(&mut self, view: View<'_>, groups: &[GroupId], environment: &Environment) {
        let changed = view.world.changes.since(self.changes_seen).map(Iterator::collect::<Vec<NodeId>>);
        let too_many_gone = self.gone > GONE_MIN.max(self.entries.len() / 2);
        match changed {
            Some(mut changed) if !too_many_gone => {
                changed.sort_unstable();
                changed.dedup();
                self.catch_up(view, groups, environment, &changed);
            }
            _ => {
                let marked = std::mem::take(&mut self.marked);
                let (version, generation) = (self.version + 1, self.generation + 1);
                *self = Sight { version, generation, marked, ..Sight::default() };
                self.catch_up(view, groups, environment, &[]);
            }
        }
        self.changes_seen = view.world.changes.position();
    }

    fn catch_up(&mut self, view: View<'_>, groups: &[GroupId], environment: &Environment, changed: &[NodeId]) {
        let fleet = &view.world.fleet;
        for machine in (self.machines_seen..fleet.machines.len()).map(MachineId::from_index) {
            let one = fleet.get(machine);
            if groups.contains(&one.group) && one.ended == SimTime::NEVER {
                let entry = Entry::new(Some(machine), None, MachineState::Ordered);
                self.of_machine.insert(machine, self.entries.len());
                self.push(view, entry, groups, environment);
            }
        }
        self.machines_seen = fleet.machines.len();
        // What is listed anew looks at all machines.
        let is_anew = self.fleet_seen == 0;
        let all = (0..if is_anew { self.entries.len() } else { 0 }).filter_map(|at| self.entries[at].machine);
        let all: Vec<MachineId> = all.collect();
        let moved = if is_anew { all.as_slice() } else { fleet.changed_since(self.fleet_seen) };
        for machine in moved {
            self.follow(view, *machine, environment);
        }
        self.fleet_seen = fleet.changes();
        for node in (self.nodes_seen..view.world.nodes.len()).map(NodeId::from_index) {
            if !self.of_node.contains_key(&node) && view.world.nodes.state[node.index()].is_up() {
                let entry = Entry::new(None, Some(node), MachineState::Ready);
                self.of_node.insert(node, self.entries.len());
                self.push(view, entry, groups, environment);
            }
        }
        self.nodes_seen = view.world.nodes.len();
        for node in changed {
            if let Some(at) = self.of_node.get(node).copied() {
                self.update(view, at, environment);
            }
        }
    }

    /// Follows a machine to where it is on its way.
    fn follow(&mut self, view: View<'_>, machine: MachineId, environment: &Environment) {
        let Some(at) = self.of_machine(machine) else { return };
        let (Entry { node, state, is_gone, .. }, now) = (self.entries[at], view.world.fleet.get(machine));
        if is_gone || (now.state, now.node) == (state, node) {
            return;
        }
        self.entries[at].state = now.state;
        self.entries[at].node = now.node;
        if let Some(node) = now.node {
            self.of_node.insert(node, at);
        }
        self.update(view, at, environment);
    }

    fn push(&mut self, view: View<'_>, entry: Entry, groups: &[GroupId], environment: &Environment) {
        self.entries.push(entry);
        self.nodes.push(NodeState::default());
        self.stamps.push(0);
        self.initialized.push(None);
        let group = entry.machine.map(|machine| view.world.fleet.get(machine).group);
        self.pools.push(group.and_then(|group| groups.iter().position(|other| *other == group)));
        self.update(view, self.entries.len() - 1, environment);
    }

    /// The position of a machine.
    pub(super) fn of_machine(&self, machine: MachineId) -> Option<usize> {
        self.of_machine.get(&machine).copied()
    }

    /// The pool of the machine at a position.
    pub(super) fn pool_of(&self, at: usize) -> Option<usize> {
        self.pools[at]
    }

    /// When the machine at a position first took pods.
    pub(super) fn initialized(&self, at: usize) -> Option<SimTime> {
        self.initialized[at]
    }

    /// Whether there is something at a position.
    pub(super) fn is_there(&self, at: usize) -> bool {
        !self.entries[at].is_gone
    }

    fn update(&mut self, view: View<'_>, at: usize, environment: &Environment) {
        if self.entries[at].is_gone {
            return;
        }
        self.version += 1;
        self.stamps[at] = self.version;
        let entry = self.entries[at];
        let ready = entry.machine.map(|machine| view.world.fleet.get(machine).ready);
        self.initialized[at] = ready.filter(|ready| *ready != SimTime::NEVER);
        let is_down = entry.node.is_some_and(|node| !view.world.nodes.state[node.index()].is_up());
        if is_down || matches!(entry.state, MachineState::Ended | MachineState::Refused) {
            self.entries[at] = Entry { is_gone: true, is_deleting: true, is_recent: false, ..entry };
            self.gone += 1;
            self.nodes[at] = NodeState { is_deleting: true, ..NodeState::default() };
            return;
        }
        let old = std::mem::take(&mut self.nodes[at]);
        let mut new = state(view, entry, old, environment);
        new.is_deleting |= entry.machine.is_some_and(|machine| self.marked.contains(&machine));
        self.entries[at].is_deleting = new.is_deleting;
        self.nodes[at] = new;
    }

    /// Whether the node at a position is to go.
    pub(super) fn is_deleting(&self, at: usize) -> bool {
        self.entries[at].is_deleting
    }

    /// Whether the machine at a position takes pods, or has.
    pub(super) fn is_initialized(&self, at: usize) -> bool {
        let entry = self.entries[at];
        !entry.is_gone && (entry.machine.is_none() || entry.state >= MachineState::Ready)
    }

    /// Notes whether the node at a position is under `consolidateAfter`.
    pub(super) fn set_recent(&mut self, at: usize, is_recent: bool) {
        if self.entries[at].is_recent != is_recent {
            self.entries[at].is_recent = is_recent;
            self.nodes[at].is_under_consolidate_after = is_recent;
        }
    }

    /// The positions of what has changed since a version.
    pub(super) fn changed_since(&self, version: u64) -> Vec<usize> {
        (0..self.stamps.len()).filter(|at| self.stamps[*at] > version).collect()
    }

    /// A machine is about to go, or is not after all.
    pub(super) fn mark(&mut self, machine: MachineId, goes: bool) {
        if goes {
            self.marked.insert(machine);
        } else {
            self.marked.remove(&machine);
        }
        if let Some(at) = self.of_machine(machine) {
            let leaves = matches!(self.entries[at].state, MachineState::Draining | MachineState::Ending);
            let is_deleting = goes || leaves || self.entries[at].is_gone;
            (self.nodes[at].is_deleting, self.entries[at].is_deleting) = (is_deleting, is_deleting);
            self.version += 1;
            self.stamps[at] = self.version;
        }
    }
}

/// What an entry comes to. Names and labels are kept, as nothing changes them but the joining of a node.
fn state(view: View<'_>, entry: Entry, old: NodeState, environment: &Environment) -> NodeState {
    let world = view.world;
    let shape = shape_of(view, entry);
    let is_initialized = entry.machine.is_none() || entry.state >= MachineState::Ready;
    let is_new = old.name.is_empty() || old.has_node != entry.node.is_some() || old.is_initialized != is_initialized;
    let (name, labels) = if is_new { identity(view, entry, shape, is_initialized) } else { (old.name, old.labels) };
    let mut state = NodeState {
        name,
        labels,
        taints: taints(view, entry, shape, is_initialized),
        has_node: entry.node.is_some(),
        is_initialized,
        is_deleting: matches!(entry.state, MachineState::Draining | MachineState::Ending),
        is_under_consolidate_after: old.is_under_consolidate_after,
        capacity: if is_new { market::capacity(shape) } else { old.capacity },
        available: ResourceList::default(),
        daemon_requests: ResourceList::default(),
        host_ports: Vec::new(),
        pods: Vec::new(),
    };
    let Some(node) = entry.node else {
        state.available = market::allocatable(shape);
        return state;
    };
    state.available = available(view, node);
    let mut pods: BTreeMap<usize, u32> = BTreeMap::new();
    for pod in world.nodes.pods(&world.pods, node) {
        let class = world.pods.class[pod.index()].index();
        let of_class = &environment.classes[class];
        if is_daemon(view, pod) {
            state.daemon_requests.add(&ResourceList::from(&of_class.requests));
        }
        if !view.is_terminating(pod) {
            *pods.entry(class).or_default() += 1;
        }
        state.host_ports.extend(of_class.spec.host_ports.iter().cloned());
    }
    state.pods = pods.into_iter().collect();
    state
}

fn shape_of<'v>(view: View<'v>, entry: Entry) -> &'v NodeShape {
    let shape = match (entry.node, entry.machine) {
        (Some(node), _) => view.world.nodes.shape[node.index()],
        (None, Some(machine)) => view.model.provisioning.offer(view.world.fleet.get(machine).offer).shape,
        (None, None) => unreachable!("an entry has a node or a machine"),
    };
    view.model.cluster.shape(shape)
}

/// Name and labels: those of the shape, and those that Karpenter gives the nodes of its pools.
fn identity(view: View<'_>, entry: Entry, shape: &NodeShape, is_initialized: bool) -> (String, Vec<Label>) {
    let pool_name = || shape.pool.map_or("", |pool| view.model.cluster.pools[pool.index()].name.as_str());
    let name = match (entry.node, entry.machine) {
        (Some(node), _) => view.world.nodes.name(node).to_owned(),
        (None, Some(machine)) => format!("{}-machine-{:08}", pool_name(), machine.0),
        (None, None) => String::new(),
    };
    let mut labels = shape.labels.clone();
    let mut add = |key: &str, value: &str| {
        if labels.iter().all(|label| label.key != key) {
            labels.push(Label { key: key.to_owned(), value: value.to_owned() });
        }
    };
    add(HOSTNAME_LABEL, &name);
    if let Some(machine) = entry.machine {
        let offer = view.model.provisioning.offer(view.world.fleet.get(machine).offer);
        add(NODE_POOL_LABEL, pool_name());
        add(INSTANCE_TYPE_LABEL, pool_name());
        add(ZONE_LABEL, "");
        add(CAPACITY_TYPE_LABEL, offer.market.name());
        if entry.node.is_some() {
            add(REGISTERED_LABEL, "true");
        }
        if is_initialized {
            add(INITIALIZED_LABEL, "true");
        }
    }
    labels.sort();
    (name, labels)
}

/// Its taints; of a machine that is on its way those that will stay.
fn taints(view: View<'_>, entry: Entry, shape: &NodeShape, is_initialized: bool) -> Vec<Taint> {
    if let (false, Some(machine)) = (is_initialized, entry.machine) {
        let offer = view.model.provisioning.offer(view.world.fleet.get(machine).offer);
        return view.model.cluster.shape(offer.shape).taints.clone();
    }
    let mut taints = shape.taints.clone();
    let is_cordoned =
        entry.node.is_some_and(|node| view.world.nodes.state[node.index()] == crate::world::NodeState::Cordoned);
    if is_cordoned {
        let effect = TaintEffect::NoSchedule;
        taints.push(Taint { key: UNSCHEDULABLE_TAINT.to_owned(), value: String::new(), effect });
    }
    taints
}

fn available(view: View<'_>, node: NodeId) -> ResourceList {
    let (nodes, i) = (&view.world.nodes, node.index());
    let mut free = Resources {
        cpu: MilliCpu(nodes.free_cpu[i]),
        memory: Bytes(nodes.free_memory[i]),
        ephemeral_storage: Bytes(nodes.free_ephemeral_storage[i]),
        pods: nodes.free_pods[i],
        extended: nodes.free_extended.iter().map(|column| column[i]).collect(),
    };
    if nodes.gpu_left_total[i] > 0 {
        super::classes::add_gpus(&mut free, u64::from(nodes.gpu_left_total[i]));
    }
    ResourceList::from(&free)
}

/// Whether a pod is of a DaemonSet: it comes and goes with its node.
pub(super) fn is_daemon(view: View<'_>, pod: PodId) -> bool {
    let controller = view.world.controller_of(pod);
    controller.is_some_and(|one| matches!(view.model.controllers.list[one.index()].kind, ControllerKind::DaemonSet(_)))
}

/// Whether a pod needs another place when its node goes (`IsReschedulable`): it has not ended, is not ending unless its
/// successor waits for that, and is neither of a DaemonSet nor of its node.
pub(super) fn is_reschedulable(view: View<'_>, pod: PodId) -> bool {
    let controller = view.world.controller_of(pod).map(|one| &view.model.controllers.list[one.index()].kind);
    let is_of_set = matches!(controller, Some(ControllerKind::StatefulSet(_)));
    let phase = view.world.pods.phase[pod.index()];
    (phase == Phase::Pending || phase.holds_node())
        && (!view.is_terminating(pod) || is_of_set)
        && !is_daemon(view, pod)
        && !view.class_of(pod).disruption.is_mirror
}

/// Whether a pod that has not ended forbids that its node is disrupted (`IsDisruptable`). A pod counts as started when it is
/// bound.
pub(super) fn is_protected(view: View<'_>, pod: PodId) -> bool {
    let until = view.class_of(pod).disruption.do_not_disrupt.until(Some(view.world.pods.bound[pod.index()]));
    let phase = view.world.pods.phase[pod.index()];
    let is_active = (phase == Phase::Pending || phase.holds_node()) && !view.is_terminating(pod);
    is_active && until.is_some_and(|until| until > view.world.time)
}

/// What the nodes of a pool have together, machines that go not counted.
pub(super) fn usage(sight: &Sight, pool: &NodePool) -> ResourceList {
    let mut usage = ResourceList::default();
    let is_of_pool = |state: &&NodeState| !state.is_deleting && state.label(NODE_POOL_LABEL) == Some(&pool.name);
    for state in sight.nodes.iter().filter(is_of_pool) {
        usage.add(&state.capacity);
        usage.add(&[(super::super::resources::ResourceKind::Nodes, 1)].into_iter().collect());
    }
    usage
}

//! What is true now: columns of nodes and pods, and the log of what changed.
//!
//! One writer: only `engine::apply` calls the methods that change the world; everybody else holds a [`View`]. Counters
//! are kept incrementally and [`World::check`] recomputes them all from scratch.
//!
//! Cost: placing or releasing a pod touches one node's row and one pod's row, O(resource kinds + GPUs of the node).

#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod changes;
pub mod check;
pub mod claims;
pub mod constraints;
pub mod fleet;
pub mod fragment;
pub mod health;
pub mod images;
pub mod lives;
pub mod nodes;
pub mod nominations;
pub mod owners;
pub mod placements;
pub mod pods;
pub mod priorities;
pub mod tally;
pub mod usage;
pub mod view;
pub mod volumes;

pub use changes::ChangeLog;
pub use claims::{ClaimKey, Claims};
pub use constraints::Constraints;
pub use fleet::{Fleet, Machine, MachineState};
pub use health::{Condition, Health, Kubelet};
pub use nodes::{GpuMask, NodeState, Nodes};
pub use nominations::Nominations;
pub use owners::{ControllerState, Member, Owner, Owners};
pub use placements::{Move, Placements};
pub use pods::{Deletion, Phase, Pods};
pub use priorities::Priorities;
pub use usage::NodeUsages;
pub use view::View;
pub use volumes::{BoundVolume, VolumeBinding, Volumes};

use self::images::ImageStore;
use crate::ids::{ClassId, NodeId, PodId};
use crate::model::node_lifecycle::Trouble;
use crate::model::{Model, PodClass, ShapeId, Workload};
use crate::units::SimTime;

/// The state of one run at one instant.
#[derive(Clone, Debug)]
pub struct World {
    /// The present instant.
    pub time: SimTime,
    /// The machines.
    pub nodes: Nodes,
    /// Whether nodes report, and what is believed of them.
    pub health: Health,
    /// The pods that have arrived.
    pub pods: Pods,
    /// Which nodes changed, in order.
    pub changes: ChangeLog,
    /// Which pods came to nodes and left them, in order.
    pub placements: Placements,
    /// Which images nodes have.
    pub images: ImageStore,
    /// What containers use on nodes.
    pub usage: NodeUsages,
    /// Who makes pods, and whose pods are whose.
    pub owners: Owners,
    /// Pods that wait for a node that preemption is making room on.
    pub nominated: Nominations,
    /// Which claims have devices, and what is taken of each device.
    pub claims: Claims,
    /// Which claims have got volumes.
    pub volumes: Volumes,
    /// Machines that are bought and returned.
    pub fleet: Fleet,
    /// Which class may go to which shape of node.
    pub constraints: Constraints,
    /// How many pods of each priority hold a node.
    pub priorities: Priorities,
    /// How many pods are in each phase, by [`Phase`].
    pub pods_by_phase: [u64; Phase::COUNT],
    /// What all schedulable or cordoned nodes offer and what is taken of it.
    pub totals: Totals,
}

/// Sums over the nodes that are up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Nodes that are up, cordoned ones included.
    pub nodes_up: u64,
    /// Milli-cores offered.
    pub cpu_allocatable: u64,
    /// Milli-cores taken.
    pub cpu_allocated: u64,
    /// Bytes of memory offered.
    pub memory_allocatable: u64,
    /// Bytes of memory taken.
    pub memory_allocated: u64,
    /// Milli-GPU offered.
    pub gpu_allocatable: u64,
    /// Milli-GPU taken.
    pub gpu_allocated: u64,
}

impl World {
    /// The world of `model` before anything happened: its nodes, and no pods.
    pub fn new(model: &Model) -> World {
        let mut world = World {
            time: SimTime::ZERO,
            nodes: Nodes::new(model.cluster.extended_resources.len()),
            health: Health::default(),
            pods: Pods::default(),
            changes: ChangeLog::new(model.cluster.nodes.len()),
            placements: Placements::new(model.cluster.nodes.len()),
            images: ImageStore::new(&model.workload.images),
            usage: NodeUsages::default(),
            owners: Owners::new(&model.controllers),
            nominated: Nominations::new(model.cluster.nodes.len()),
            claims: Claims::new(model),
            volumes: Volumes::default(),
            fleet: Fleet::new(model.provisioning.groups.len()),
            constraints: Constraints::new(&model.cluster, &model.workload.classes),
            priorities: Priorities::default(),
            pods_by_phase: [0; Phase::COUNT],
            totals: Totals::default(),
        };
        for node in &model.cluster.nodes {
            let id = world.add_node(model, &node.name, node.shape);
            if node.unschedulable {
                world.set_node_state(id, NodeState::Cordoned);
            }
            world.own_first_machine(model, id);
        }
        world
    }

    /// A node that is there at the start and whose pool can grow is a machine that has long been ready.
    fn own_first_machine(&mut self, model: &Model, node: NodeId) {
        let shape = self.nodes.shape[node.index()];
        let group = model.cluster.shape(shape).pool.and_then(|pool| model.provisioning.group_of(pool));
        let Some(group) = group else { return };
        let offers = &model.provisioning.group(group).offers;
        let offer = offers.iter().find(|offer| model.provisioning.offer(**offer).shape == shape).unwrap_or(&offers[0]);
        let machine = self.fleet.order(group, *offer, self.time);
        self.fleet.launch(machine, self.time);
        self.fleet.join(machine, node, self.time);
        self.fleet.become_ready(machine, self.time);
    }

    /// Adds an empty node that is ready.
    pub fn add_node(&mut self, model: &Model, name: &str, shape: ShapeId) -> NodeId {
        let id = self.nodes.push(name, shape, model.cluster.shape(shape), self.time);
        self.health.push();
        self.count_node(id, true);
        self.changes.grow(self.nodes.len());
        self.placements.grow(self.nodes.len());
        self.changes.record(id);
        id
    }

    /// Makes a node ready, cordoned, removed or crashed. The pods of a node that goes down must have left it.
    ///
    /// # Panics
    /// When a node that is down changes again, or goes down with pods on it.
    pub fn set_node_state(&mut self, node: NodeId, state: NodeState) {
        let i = node.index();
        assert!(self.nodes.state[i].is_up(), "a node that is down stays down");
        if !state.is_up() {
            assert_eq!(self.nodes.pod_count[i], 0, "a node goes down with pods on it");
            self.count_node(node, false);
            self.nodes.removed[i] = self.time;
        }
        self.nodes.state[i] = state;
        self.changes.record(node);
    }

    /// The kubelet of a node stops, is cut off, or is heard again.
    pub fn set_kubelet(&mut self, node: NodeId, kubelet: Kubelet) {
        self.health.set_kubelet(node, kubelet, self.time);
    }

    /// The condition `Ready` of a node changes, and its taint of the effect `NoSchedule` with it.
    ///
    /// # Panics
    /// When the model has no node lifecycle.
    pub fn set_condition(&mut self, model: &Model, node: NodeId, condition: Condition) {
        self.health.set_condition(node, condition, self.time);
        self.set_taints(model, node);
    }

    /// A node gets another taint of the effect `NoExecute`, or loses it.
    ///
    /// # Panics
    /// When the model has no node lifecycle.
    pub fn set_no_execute(&mut self, model: &Model, node: NodeId, trouble: Option<Trouble>) {
        self.health.no_execute[node.index()] = trouble;
        self.set_taints(model, node);
    }

    /// Gives a node the variant of its shape that has the taints of its conditions.
    pub fn set_taints(&mut self, model: &Model, node: NodeId) {
        self.nodes.shape[node.index()] = self.tainted_shape(model, node);
        self.changes.record(node);
    }

    /// The variant of the node's shape that has the taints of its conditions.
    pub(super) fn tainted_shape(&self, model: &Model, node: NodeId) -> ShapeId {
        let i = node.index();
        let (mut shape, no_schedule) = (self.nodes.shape[i], self.health.condition[i].trouble());
        if model.cluster.plain_shapes > 0 {
            shape = model.cluster.tainted(shape, no_schedule, self.health.no_execute[i]);
        }
        shape = model.cluster.serving(shape, self.health.out_of_service.contains(&node));
        let is_under_pressure = self.usage.get(node).is_some_and(|usage| usage.monitor.is_under_pressure);
        model.cluster.pressed(shape, is_under_pressure)
    }

    /// A pod stops because its node goes down, and keeps its place: events of its life so far are stale.
    pub fn interrupt(&mut self, pod: PodId) {
        let generation = &mut self.pods.generation[pod.index()];
        *generation = generation.wrapping_add(1);
        *self.health.interruptions.entry(pod).or_insert(0) += 1;
    }

    /// Adds the node to the totals, or takes it out again.
    fn count_node(&mut self, node: NodeId, up: bool) {
        let i = node.index();
        let gpu = u64::from(self.nodes.gpu_count(node)) * 1000;
        let totals = &mut self.totals;
        if up {
            totals.nodes_up += 1;
            totals.cpu_allocatable += self.nodes.cpu[i];
            totals.memory_allocatable += self.nodes.memory[i];
            totals.gpu_allocatable += gpu;
        } else {
            totals.nodes_up -= 1;
            totals.cpu_allocatable -= self.nodes.cpu[i];
            totals.memory_allocatable -= self.nodes.memory[i];
            totals.gpu_allocatable -= gpu;
        }
    }

    /// Moves a pod into another phase and counts it there.
    pub fn set_phase(&mut self, pod: PodId, phase: Phase) {
        let old = std::mem::replace(&mut self.pods.phase[pod.index()], phase);
        self.pods_by_phase[old as usize] -= 1;
        self.pods_by_phase[phase as usize] += 1;
        self.recount(pod);
    }

    /// Reserves what `pod` requests on `node`.
    ///
    /// # Panics
    /// When the pod holds a node already, or the node has not that much left (invariant I2).
    #[inline]
    pub fn place(&mut self, class: &PodClass, pod: PodId, node: NodeId, gpus: GpuMask) {
        self.nodes.take(class, node, gpus);
        self.pods.link(&mut self.nodes, pod, node, gpus);
        self.record_move(pod, node, true);
        self.priorities.add(class.priority);
        self.totals.cpu_allocated += class.requests.cpu.0;
        self.totals.memory_allocated += class.requests.memory.0;
        if let Some(gpu) = &class.gpu {
            self.totals.gpu_allocated += gpu.total_milli();
        }
        self.changes.record(node);
    }

    #[inline(always)]
    fn record_move(&mut self, pod: PodId, node: NodeId, came: bool) {
        let pods = &self.pods;
        self.placements.record(|| {
            let (class, deletion) = (pods.class[pod.index()], pods.deletion[pod.index()]);
            Move { node, class, came, is_terminating: deletion != Deletion::None }
        });
    }

    /// Tells a pod that holds a node to end; says whether it had not been told before.
    pub fn request_deletion(&mut self, pod: PodId) -> bool {
        let i = pod.index();
        let node = self.pods.node(pod);
        if self.pods.deletion[i] != Deletion::None {
            return false;
        }
        // Readers that count pods by place count those that leave apart.
        if let Some(node) = node {
            self.record_move(pod, node, false);
        }
        self.pods.deletion[i] = Deletion::Requested;
        if let Some(node) = node {
            self.record_move(pod, node, true);
            self.changes.record(node);
        }
        self.recount(pod);
        true
    }

    /// Lets a pod that holds a node hold what another class requests, which differs in requests alone.
    ///
    /// # Panics
    /// When the pod holds no node, or the node has not that much left (invariant I2).
    pub fn resize(&mut self, workload: &Workload, pod: PodId, class: ClassId) {
        let i = pod.index();
        let node = self.pods.node(pod).expect("a pod without a node is resized");
        let (old, new, gpus) = (workload.class(self.pods.class[i]), workload.class(class), self.pods.gpus(pod));
        self.constraints.learn(workload, class);
        self.record_move(pod, node, false);
        self.nodes.give_back(old, node, gpus);
        self.nodes.take(new, node, gpus);
        self.pods.class[i] = class;
        self.record_move(pod, node, true);
        let totals = &mut self.totals;
        totals.cpu_allocated = totals.cpu_allocated - old.requests.cpu.0 + new.requests.cpu.0;
        totals.memory_allocated = totals.memory_allocated - old.requests.memory.0 + new.requests.memory.0;
        self.changes.record(node);
    }

    /// Gives back what `pod` holds, and returns the node it held.
    ///
    /// # Panics
    /// When the pod holds no node.
    #[inline]
    pub fn release(&mut self, class: &PodClass, pod: PodId) -> NodeId {
        let (node, gpus) = self.pods.unlink(&mut self.nodes, pod);
        self.nodes.give_back(class, node, gpus);
        self.record_move(pod, node, false);
        self.priorities.remove(class.priority);
        self.totals.cpu_allocated -= class.requests.cpu.0;
        self.totals.memory_allocated -= class.requests.memory.0;
        if let Some(gpu) = &class.gpu {
            self.totals.gpu_allocated -= gpu.total_milli();
        }
        self.changes.record(node);
        node
    }
}

impl World {
    /// Adds a pod that arrives now and waits.
    pub fn arrive(&mut self, origin: (u16, u32), class: ClassId, duration_ns: u64) -> PodId {
        self.pods_by_phase[Phase::Pending as usize] += 1;
        self.pods.push(origin, class, self.time, duration_ns)
    }
}

//! The simulated cluster: the nodes of the world with their pods, and nodes that were made from templates.
//!
//! It is kept from turn to turn, and looks again only at nodes that changed. What is tried on it is noted, so that it can be
//! taken back.
//!
//! Cost: O(pods of the node) for each node that changed; a question a few comparisons, with topology a look-up a term.

use super::rules::{Labelled, Rules};
use super::topology::{Place, Topology};
use crate::ids::{ClassId, NodeId, PodId};
use crate::model::{GpuRequest, NodeShape, PodClass, ShapeId};
use crate::policy::node_autoscaler::cluster_autoscaler::snapshot::{Fits, Growing, NodeKey, Refusal, Snapshot};
use crate::policy::scheduler::kube::{plugins, volumes_allow};
use crate::policy::scheduler::{filter, gpus};
use crate::world::nodes::mask_devices;
use crate::world::{GpuMask, NodeState, View};

/// Keys from here on are nodes that were made.
const FIRST_MADE: u32 = 1 << 31;

/// Numbers of made nodes begin anew after so many.
const KEYS_IN_USE: u32 = 1 << 30;

/// A pod that comes with a template and is no pod of the world.
pub(super) const NOBODY: PodId = PodId(u32::MAX);

/// A pod on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) pod: PodId,
    pub(super) class: ClassId,
    pub(super) gpus: GpuMask,
    pub(super) is_terminating: bool,
}

/// What nobody has taken of a node; below zero where pods were promised more than there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Free {
    cpu: i64,
    memory: i64,
    ephemeral_storage: i64,
    pods: i64,
    extended: Vec<i64>,
    gpus: Vec<u16>,
}

/// A node.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) shape: ShapeId,
    pub(super) node: Option<NodeId>,
    free: Free,
    pub(super) pods: Vec<Held>,
    /// Whether it takes no pods that do not tolerate that.
    pub(super) is_cordoned: bool,
    /// Whether it is being deleted.
    is_doomed: bool,
    is_listed: bool,
}

impl Slot {
    /// Milli-cores and bytes that its pods ask for.
    pub(super) fn taken(&self, shape: &NodeShape) -> (u64, u64) {
        let taken = |offered: u64, free: i64| u64::try_from(offered as i64 - free).unwrap_or(0);
        (taken(shape.allocatable.cpu.0, self.free.cpu), taken(shape.allocatable.memory.0, self.free.memory))
    }
}

/// A fresh node of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mould {
    pub(super) shape: ShapeId,
    /// The pods that come with it.
    pub(super) pods: Vec<ClassId>,
}

/// What is undone when a fork is given up.
#[derive(Clone, Debug)]
enum Undo {
    Unplace(NodeKey, Held),
    Place(NodeKey, usize, Held),
    Doom(NodeKey, bool),
    List(usize, NodeKey),
    Unmake(NodeKey),
}

/// The part that is kept from turn to turn.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    real: Vec<Option<Slot>>,
    made: Vec<Slot>,
    /// How many nodes were made in earlier turns: a key means another node in each turn.
    made_before: u32,
    /// The most nodes that were made in this turn.
    made_most: u32,
    list: Vec<NodeKey>,
    rules: Rules,
    topology: Topology,
    undo: Vec<Undo>,
    forks: Vec<usize>,
    /// Up to where changes of the world are known; `None`: nothing is.
    position: Option<u64>,
    /// Pods of lower priority are as good as not there.
    cutoff: i32,
}

/// The simulated cluster, and the world that it pictures.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    pub(super) view: View<'a>,
    pub(super) state: &'a mut State,
}

impl<'a> Picture<'a> {
    /// Looks at the nodes that changed since the last time.
    pub(super) fn new(view: View<'a>, state: &'a mut State) -> Picture<'a> {
        state.made_before = (state.made_before + std::mem::take(&mut state.made_most)) % KEYS_IN_USE;
        state.made.clear();
        let mut picture = Picture { view, state };
        picture.catch_up();
        picture
    }

    fn catch_up(&mut self) {
        let (world, nodes) = (self.view.world, self.view.world.nodes.len());
        let known = self.state.position.and_then(|position| world.changes.since(position));
        let mut changed: Vec<NodeId> = match known {
            Some(nodes) => nodes.collect(),
            None => (0..nodes).map(NodeId::from_index).collect(),
        };
        changed.sort_unstable();
        changed.dedup();
        self.state.position = Some(world.changes.position());
        self.state.real.resize_with(nodes, || None);
        changed.iter().for_each(|node| self.look_at(*node));
    }

    /// Takes a node in as it is now.
    fn look_at(&mut self, node: NodeId) {
        let key = NodeKey(node.0);
        let was_listed = self.state.real[node.index()].is_some();
        if let Some(old) = self.state.real[node.index()].take() {
            self.count(key, &old, -1);
        }
        if !self.view.world.nodes.state[node.index()].is_up() {
            if was_listed {
                self.state.list.retain(|other| *other != key);
            }
            return;
        }
        let slot = self.slot_of(node);
        self.count(key, &slot, 1);
        self.state.real[node.index()] = Some(slot);
        if !was_listed {
            self.state.list.push(key);
        }
    }

    /// Counts a node of the world with its pods, or no longer.
    fn count(&mut self, key: NodeKey, slot: &Slot, change: i32) {
        if self.state.topology.is_empty() {
            return;
        }
        let node = self.labelled(slot);
        let at = Place { node: &node, key };
        if change > 0 {
            self.state.topology.count_node(at, change);
        }
        slot.pods.iter().for_each(|held| self.state.topology.change(at, held, change.into()));
        if change < 0 {
            self.state.topology.count_node(at, change);
        }
    }

    fn slot_of(&self, node: NodeId) -> Slot {
        let (world, i) = (self.view.world, node.index());
        let nodes = &world.nodes;
        let mut slot = Slot {
            shape: nodes.shape[i],
            node: Some(node),
            free: Free {
                cpu: nodes.free_cpu[i] as i64,
                memory: nodes.free_memory[i] as i64,
                ephemeral_storage: nodes.free_ephemeral_storage[i] as i64,
                pods: nodes.free_pods[i] as i64,
                extended: nodes.free_extended.iter().map(|column| column[i] as i64).collect(),
                gpus: nodes.gpu_left(node).to_vec(),
            },
            pods: Vec::new(),
            is_cordoned: nodes.state[i] == NodeState::Cordoned,
            is_doomed: false,
            is_listed: true,
        };
        for pod in nodes.pods(&world.pods, node) {
            let class = world.pods.class[pod.index()];
            let is_terminating = self.view.is_terminating(pod);
            let held = Held { pod, class, gpus: world.pods.gpus(pod), is_terminating };
            match self.view.class(class).priority < self.state.cutoff {
                true => slot.free.give_back(self.view.class(class), held.gpus),
                false => slot.pods.push(held),
            }
        }
        slot.pods.reverse();
        slot
    }

    fn labelled(&self, slot: &Slot) -> Labelled<'a> {
        Labelled { view: self.view, shape: slot.shape, node: slot.node }
    }

    /// The node with that key.
    pub(super) fn slot(&self, key: NodeKey) -> &Slot {
        match self.state.made_index(key) {
            Some(index) => &self.state.made[index],
            None => self.state.real[key.0 as usize].as_ref().expect("a node of the picture"),
        }
    }

    fn class_of(&self, pod: PodId) -> ClassId {
        self.view.world.pods.class[pod.index()]
    }

    /// Adds a fresh node at the end.
    pub(super) fn make(&mut self, mould: &Mould) -> NodeKey {
        let key = self.state.next_key();
        let shape = self.view.model.cluster.shape(mould.shape);
        let offered = &shape.allocatable;
        let extended = (0..self.view.model.cluster.extended_resources.len()).map(|kind| offered.extended(kind) as i64);
        let free = Free {
            cpu: offered.cpu.0 as i64,
            memory: offered.memory.0 as i64,
            ephemeral_storage: offered.ephemeral_storage.0 as i64,
            pods: offered.pods as i64,
            extended: extended.collect(),
            gpus: vec![crate::model::cluster::GPU_MILLI; shape.gpu.map_or(0, |gpu| gpu.count as usize)],
        };
        let slot = Slot {
            shape: mould.shape,
            node: None,
            free,
            pods: Vec::new(),
            is_cordoned: false,
            is_doomed: false,
            is_listed: true,
        };
        self.count(key, &slot, 1);
        self.state.made.push(slot);
        self.state.made_most = self.state.made_most.max(self.state.made.len() as u32);
        self.state.list.push(key);
        self.state.undo.push(Undo::Unmake(key));
        mould.pods.iter().for_each(|class| self.hold(key, NOBODY, *class));
        key
    }

    /// Puts a pod on a node without asking, as one that is promised the node.
    pub(super) fn promise(&mut self, pod: PodId, key: NodeKey) {
        self.hold(key, pod, self.class_of(pod));
    }

    fn hold(&mut self, key: NodeKey, pod: PodId, class: ClassId) {
        let gpu = &self.view.class(class).gpu;
        let left = &self.slot(key).free.gpus;
        let fits = |request: &&GpuRequest| filter::gpus_fit(request, left);
        let gpus = gpu.as_ref().filter(fits).map_or(0, |request| gpus::best_fit(request, left));
        let held = Held { pod, class, gpus, is_terminating: false };
        self.put(key, usize::MAX, held);
        self.state.undo.push(Undo::Unplace(key, held));
    }

    /// Puts a pod back at its place among the pods of a node.
    fn put(&mut self, key: NodeKey, at: usize, held: Held) {
        let view = self.view;
        let slot = self.state.slot_mut(key);
        slot.free.take(view.class(held.class), held.gpus);
        slot.pods.insert(at.min(slot.pods.len()), held);
        self.tell_topology(key, &held, 1);
    }

    fn take_off(&mut self, key: NodeKey, pod: PodId, class: ClassId) -> (usize, Held) {
        let view = self.view;
        let slot = self.state.slot_mut(key);
        let is_it = |held: &Held| held.pod == pod && held.class == class;
        let at = slot.pods.iter().rposition(is_it).expect("a pod that is on the node");
        let held = slot.pods.remove(at);
        slot.free.give_back(view.class(class), held.gpus);
        self.tell_topology(key, &held, -1);
        (at, held)
    }

    fn tell_topology(&mut self, key: NodeKey, held: &Held, change: i64) {
        if !self.state.topology.is_empty() {
            let node = self.labelled(self.slot(key));
            self.state.topology.change(Place { node: &node, key }, held, change);
        }
    }

    fn take_back(&mut self, undo: Undo) {
        match undo {
            Undo::Unplace(key, held) => drop(self.take_off(key, held.pod, held.class)),
            Undo::Place(key, at, held) => self.put(key, at, held),
            Undo::Doom(key, was) => self.state.slot_mut(key).is_doomed = was,
            Undo::List(position, key) => {
                self.state.list.insert(position, key);
                self.relist(key, true);
            }
            Undo::Unmake(key) => {
                assert_eq!(self.state.list.pop(), Some(key), "nodes are made at the end of the list");
                self.relist(key, false);
                self.state.made.pop();
            }
        }
    }

    /// The domains of an empty node count from now on, or no longer.
    fn relist(&mut self, key: NodeKey, is_listed: bool) {
        self.state.slot_mut(key).is_listed = is_listed;
        if !self.state.topology.is_empty() {
            let node = self.labelled(self.slot(key));
            self.state.topology.count_node(Place { node: &node, key }, if is_listed { 1 } else { -1 });
        }
    }

    /// Whether the filters that know the node alone let pods of the class.
    fn has_room(&mut self, class: ClassId, key: NodeKey) -> bool {
        let view = self.view;
        let index = self.state.made_index(key);
        let State { rules, real, made, .. } = &mut *self.state;
        let slot = match index {
            Some(index) => &made[index],
            None => real[key.0 as usize].as_ref().expect("a node of the picture"),
        };
        let pods = view.class(class);
        let ports = &pods.spec.host_ports;
        let takes_port = |held: &Held| {
            let taken = &view.class(held.class).spec.host_ports;
            taken.iter().any(|taken| ports.iter().any(|wanted| plugins::ports_conflict(wanted, taken)))
        };
        slot.free.has(pods)
            && (!slot.is_cordoned || rules.tolerates_cordon(&view, class))
            && (!slot.is_doomed || rules.tolerates_deletion(&view, class))
            && rules.allows(class, &Labelled { view, shape: slot.shape, node: slot.node })
            && pods.gpu.as_ref().is_none_or(|request| filter::gpus_fit(request, &slot.free.gpus))
            && (ports.is_empty() || !slot.pods.iter().any(takes_port))
    }

    /// Why the other pods keep a pod of the class from the node.
    fn topology_refusal(&mut self, class: ClassId, key: NodeKey) -> Option<Refusal> {
        if self.state.topology.is_new(class) {
            self.begin_topology(class);
        }
        if self.state.topology.is_empty() {
            return None;
        }
        let node = self.labelled(self.slot(key));
        self.state.topology.refusal(class, Place { node: &node, key })
    }

    fn begin_topology(&mut self, class: ClassId) {
        let view = self.view;
        let mut topology = std::mem::take(&mut self.state.topology);
        let nodes = self.state.list.iter().map(|key| {
            let slot = self.slot(*key);
            (self.labelled(slot), *key, slot.pods.as_slice())
        });
        topology.begin(&view, class, nodes);
        self.state.topology = topology;
    }

    /// Whether it is a node of the world.
    pub(super) fn is_real(&self, key: NodeKey) -> bool {
        key.0 < FIRST_MADE
    }

    /// The nodes, in the order in which they came.
    pub(super) fn keys(&self) -> &[NodeKey] {
        &self.state.list
    }
}

impl Fits for Picture<'_> {
    fn node_count(&self) -> usize {
        self.state.list.len()
    }

    fn node_at(&self, position: usize) -> NodeKey {
        self.state.list[position]
    }

    fn is_cordoned(&self, node: NodeKey) -> bool {
        self.slot(node).is_cordoned
    }

    fn place(&mut self, pod: PodId, node: NodeKey) -> Result<(), Refusal> {
        let class = self.class_of(pod);
        if !self.has_room(class, node) || !volumes_allow(self.view, pod, class, &self.labelled(self.slot(node))) {
            return Err(Refusal::Filter);
        }
        match self.topology_refusal(class, node) {
            Some(refusal) => Err(refusal),
            None => {
                self.hold(node, pod, class);
                Ok(())
            }
        }
    }

    fn refuses_for_good(&self, pod: PodId) -> bool {
        !self.state.topology.depends_on_others(self.class_of(pod))
    }
}

impl Snapshot for Picture<'_> {
    fn fork(&mut self) {
        self.state.forks.push(self.state.undo.len());
    }

    fn revert(&mut self) {
        let mark = self.state.forks.pop().expect("a fork");
        while self.state.undo.len() > mark {
            let undo = self.state.undo.pop().expect("something to undo");
            self.take_back(undo);
        }
    }

    fn commit(&mut self) {
        self.state.forks.pop().expect("a fork");
    }

    fn holds(&self, node: NodeKey) -> bool {
        match self.state.made_index(node) {
            Some(index) => self.state.made.get(index).is_some_and(|slot| slot.is_listed),
            None => self.state.real.get(node.0 as usize).and_then(Option::as_ref).is_some_and(|slot| slot.is_listed),
        }
    }

    fn pods_on(&self, node: NodeKey) -> Vec<PodId> {
        self.slot(node).pods.iter().map(|held| held.pod).collect()
    }

    fn unplace(&mut self, pod: PodId, node: NodeKey) {
        let (at, held) = self.take_off(node, pod, self.class_of(pod));
        self.state.undo.push(Undo::Place(node, at, held));
    }

    fn make_ghost(&mut self, node: NodeKey) {
        while let Some(held) = self.slot(node).pods.last().copied() {
            let (at, held) = self.take_off(node, held.pod, held.class);
            self.state.undo.push(Undo::Place(node, at, held));
        }
        let was = std::mem::replace(&mut self.state.slot_mut(node).is_doomed, true);
        self.state.undo.push(Undo::Doom(node, was));
    }

    fn remove(&mut self, node: NodeKey) {
        let position = self.state.list.iter().position(|other| *other == node).expect("a node of the list");
        self.state.list.remove(position);
        self.relist(node, false);
        self.state.undo.push(Undo::List(position, node));
    }
}

/// A picture that grows by fresh nodes of one group, and shrinks again when it is dropped.
#[derive(Debug)]
pub(super) struct Grown<'p, 'a> {
    picture: &'p mut Picture<'a>,
    mould: Mould,
}

impl<'p, 'a> Grown<'p, 'a> {
    pub(super) fn new(picture: &'p mut Picture<'a>, mould: Mould) -> Grown<'p, 'a> {
        picture.fork();
        Grown { picture, mould }
    }
}

impl Drop for Grown<'_, '_> {
    fn drop(&mut self) {
        self.picture.revert();
    }
}

impl Fits for Grown<'_, '_> {
    fn node_count(&self) -> usize {
        self.picture.node_count()
    }

    fn node_at(&self, position: usize) -> NodeKey {
        self.picture.node_at(position)
    }

    fn is_cordoned(&self, node: NodeKey) -> bool {
        self.picture.is_cordoned(node)
    }

    fn place(&mut self, pod: PodId, node: NodeKey) -> Result<(), Refusal> {
        self.picture.place(pod, node)
    }

    fn refuses_for_good(&self, pod: PodId) -> bool {
        self.picture.refuses_for_good(pod)
    }
}

impl Growing for Grown<'_, '_> {
    fn add_node(&mut self) -> NodeKey {
        self.picture.make(&self.mould)
    }
}

impl Free {
    fn has(&self, pods: &PodClass) -> bool {
        let wanted = &pods.requests;
        let fits = |wanted: u64, free: i64| wanted == 0 || wanted as i64 <= free;
        fits(wanted.pods, self.pods)
            && fits(wanted.cpu.0, self.cpu)
            && fits(wanted.memory.0, self.memory)
            && fits(wanted.ephemeral_storage.0, self.ephemeral_storage)
            && self.extended.iter().enumerate().all(|(kind, free)| fits(wanted.extended(kind), *free))
    }

    fn take(&mut self, pods: &PodClass, gpus: GpuMask) {
        self.shift(pods, -1);
        if let Some(request) = &pods.gpu {
            mask_devices(gpus).for_each(|device| self.gpus[device] -= request.milli);
        }
    }

    fn give_back(&mut self, pods: &PodClass, gpus: GpuMask) {
        self.shift(pods, 1);
        if let Some(request) = &pods.gpu {
            mask_devices(gpus).for_each(|device| self.gpus[device] += request.milli);
        }
    }

    fn shift(&mut self, pods: &PodClass, sign: i64) {
        let wanted = &pods.requests;
        self.cpu += sign * wanted.cpu.0 as i64;
        self.memory += sign * wanted.memory.0 as i64;
        self.ephemeral_storage += sign * wanted.ephemeral_storage.0 as i64;
        self.pods += sign * wanted.pods as i64;
        for (kind, free) in self.extended.iter_mut().enumerate() {
            *free += sign * wanted.extended(kind) as i64;
        }
    }
}

impl State {
    /// Nothing is known yet; pods of lower priority than `cutoff` will be passed over.
    pub(super) fn new(cutoff: i32) -> State {
        State { cutoff, ..State::default() }
    }

    fn made_index(&self, key: NodeKey) -> Option<usize> {
        key.0.checked_sub(FIRST_MADE).map(|number| number.wrapping_sub(self.made_before) as usize)
    }

    fn next_key(&self) -> NodeKey {
        NodeKey(FIRST_MADE + self.made_before + self.made.len() as u32)
    }

    fn slot_mut(&mut self, key: NodeKey) -> &mut Slot {
        match self.made_index(key) {
            Some(index) => &mut self.made[index],
            None => self.real[key.0 as usize].as_mut().expect("a node of the picture"),
        }
    }
}

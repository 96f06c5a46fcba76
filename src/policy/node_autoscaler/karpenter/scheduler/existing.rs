//! Nodes that are there or ordered: what is left of them, in the order in which they are tried.
//!
//! Source: `existingnode.go` and `sortExistingNodes`. Left out: volumes and devices.

use std::collections::BTreeMap;

use super::super::requirements::Requirements;
use super::super::resources::ResourceList;
use super::amounts::{Kinds, Row};
use super::bound::Slots;
use super::memo::{Memo, Shape, TaintSet};
use super::variants::{Needs, Variant};
use super::{NodeState, amounts, bits, daemons, memo};
use crate::model::cluster::HOSTNAME_LABEL;
use crate::model::pod_spec::HostPort;
use crate::model::{Label, PodClass};

/// What changes about a node when a pod is put there.
#[derive(Clone, Debug)]
pub(super) struct Room {
    pub(super) left: Row,
    pub(super) shape: Shape,
    pub(super) ports: Vec<HostPort>,
}

/// What the order of nodes depends on: those that take no pods are left out, initialised ones come first, then by name.
#[derive(Debug, PartialEq, Eq)]
struct Rank {
    is_deleting: bool,
    is_initialized: bool,
    name: String,
}

impl Rank {
    fn of(node: &NodeState) -> Rank {
        Rank { is_deleting: node.is_deleting, is_initialized: node.is_initialized, name: node.name.clone() }
    }

    fn key(&self) -> (bool, &str) {
        (!self.is_initialized, &self.name)
    }
}

/// A step by which the order of nodes became what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// The node at a place left it.
    Out(usize),
    /// A node came before the one at a place.
    In(usize),
}

/// So many nodes that change their places are moved one by one; more are cheaper to sort anew.
const MOVED_MAX: usize = 64;

/// The nodes that take pods.
#[derive(Debug)]
pub(super) struct Existing {
    /// Nodes, by position, in the order in which they are tried.
    pub(super) order: Vec<usize>,
    /// The places of nodes in that order; none: a node that takes no pods.
    pub(super) place: Vec<Option<usize>>,
    /// How many of the first in that order are initialised: all that are.
    pub(super) initialized: usize,
    ranks: Vec<Rank>,
    rooms: Vec<Room>,
    taints: Vec<TaintSet>,
    /// What is left once the pods of the batch are placed so far, of nodes that got any.
    changed: BTreeMap<usize, Room>,
}

impl Existing {
    pub(super) fn new(daemons: &[PodClass], nodes: &[NodeState], kinds: &Kinds, memo: &mut Memo) -> Existing {
        let (mut alike, mut shapes) = (BTreeMap::new(), BTreeMap::new());
        let rooms = nodes.iter().map(|node| room(daemons, node, (kinds, memo), (&mut alike, &mut shapes))).collect();
        let taints = nodes.iter().map(|node| memo.taint_set(&node.taints)).collect();
        let ranks = nodes.iter().map(Rank::of).collect();
        let mut existing = Existing {
            order: Vec::new(),
            place: Vec::new(),
            initialized: 0,
            ranks,
            rooms,
            taints,
            changed: BTreeMap::new(),
        };
        existing.sort();
        existing.number();
        existing
    }

    /// Looks again at nodes that have changed. Returns how the order became what it is; none: it was sorted anew.
    pub(super) fn catch_up(
        &mut self,
        daemons: &[PodClass],
        (nodes, changed): (&[NodeState], &[usize]),
        kinds: &Kinds,
        memo: &mut Memo,
    ) -> Option<Vec<Move>> {
        let (mut alike, mut shapes) = (BTreeMap::new(), BTreeMap::new());
        let mut ranks: Vec<(usize, Rank)> = Vec::new();
        for at in changed.iter().copied() {
            let node = &nodes[at];
            let room = room(daemons, node, (kinds, memo), (&mut alike, &mut shapes));
            let (taints, rank) = (memo.taint_set(&node.taints), Rank::of(node));
            if at == self.rooms.len() {
                self.rooms.push(room);
                self.taints.push(taints);
            } else {
                (self.rooms[at], self.taints[at]) = (room, taints);
            }
            if self.ranks.get(at) != Some(&rank) {
                ranks.push((at, rank));
            }
        }
        assert_eq!(self.rooms.len(), nodes.len(), "new nodes are among those that have changed");
        let moves = (ranks.len() <= MOVED_MAX).then(Vec::new);
        self.rank(ranks, moves)
    }

    /// Gives nodes new ranks, and moves each to its place where moves are to be told; else sorts all.
    fn rank(&mut self, ranks: Vec<(usize, Rank)>, mut moves: Option<Vec<Move>>) -> Option<Vec<Move>> {
        if ranks.is_empty() {
            return moves;
        }
        for (node, rank) in ranks {
            if let Some(moves) = &mut moves {
                moves.extend(self.leave(node).map(Move::Out));
            }
            if node == self.ranks.len() {
                self.ranks.push(rank);
            } else {
                self.ranks[node] = rank;
            }
            if let Some(moves) = &mut moves {
                moves.extend(self.enter(node).map(Move::In));
            }
        }
        if moves.is_none() {
            self.sort();
        }
        self.number();
        moves
    }

    /// Takes a node out of the order. Returns its place, if it had one.
    fn leave(&mut self, node: usize) -> Option<usize> {
        self.ranks.get(node).filter(|rank| !rank.is_deleting)?;
        let place = self.place_by_rank(node);
        assert_eq!(self.order[place], node, "all that take pods are in order");
        self.order.remove(place);
        Some(place)
    }

    /// Puts a node into the order. Returns its place, if it gets one.
    fn enter(&mut self, node: usize) -> Option<usize> {
        if self.ranks[node].is_deleting {
            return None;
        }
        let place = self.place_by_rank(node);
        self.order.insert(place, node);
        Some(place)
    }

    /// How many nodes come before one by their ranks; those that are alike are in the order of their positions.
    fn place_by_rank(&self, node: usize) -> usize {
        let turn = |node: usize| (self.ranks[node].key(), node);
        self.order.partition_point(|other| turn(*other) < turn(node))
    }

    fn sort(&mut self) {
        let ranks = &self.ranks;
        self.order = (0..ranks.len()).filter(|node| !ranks[*node].is_deleting).collect();
        self.order.sort_by_key(|node| ranks[*node].key());
    }

    /// Notes which place each node has.
    fn number(&mut self) {
        self.place.clear();
        self.place.resize(self.ranks.len(), None);
        for (at, node) in self.order.iter().enumerate() {
            self.place[*node] = Some(at);
        }
        self.initialized = self.order.partition_point(|node| self.ranks[*node].is_initialized);
    }

    /// The places of nodes that are under `consolidateAfter`.
    pub(super) fn recent(&self, nodes: &[NodeState]) -> Vec<u64> {
        let mut recent = Vec::new();
        for (at, node) in self.order.iter().enumerate() {
            if nodes[*node].is_under_consolidate_after {
                bits::set(&mut recent, at);
            }
        }
        recent
    }

    pub(super) fn room(&self, node: usize) -> &Room {
        self.changed.get(&node).unwrap_or(&self.rooms[node])
    }

    pub(super) fn taints(&self, node: usize) -> TaintSet {
        self.taints[node]
    }

    /// Whether pods of this batch were put there.
    pub(super) fn is_changed(&self, node: usize) -> bool {
        self.changed.contains_key(&node)
    }

    /// Puts a pod there.
    pub(super) fn put(&mut self, node: usize, (variant, needs): (&Variant, &Needs), shape: Shape) {
        let room = self.changed.entry(node).or_insert_with(|| self.rooms[node].clone());
        amounts::subtract(&mut room.left, &needs.requests);
        room.shape = shape;
        room.ports.extend(variant.pod.spec.host_ports.iter().cloned());
    }

    /// Takes all pods of the batch away again.
    pub(super) fn restore(&mut self) {
        self.changed.clear();
    }

    /// Whether a node will never be large enough, or free of taints, for a pod.
    pub(super) fn is_unfit(&self, node: usize, needs: &Needs, memo: &mut Memo) -> bool {
        !amounts::fits(&needs.requests, &self.room(node).left) || !memo.tolerates(self.taints[node], needs.tolerations)
    }
}

impl Existing {
    /// What a pod makes of a node, before topologies are asked, if its ports are free there and it can be there at all. That the
    /// node is large enough is for the caller to see.
    pub(super) fn asked_shape(
        &self,
        (node, hostname): (usize, &str),
        variant: &Variant,
        memo: &mut Memo,
    ) -> Option<Shape> {
        let room = self.room(node);
        if ports_conflict(&variant.pod.spec.host_ports, &room.ports) {
            return None;
        }
        asked_shape((room.shape, hostname), variant, memo::Undefined::Never, memo)
    }

    /// How many pods with such needs a node has room for, if only they came, and how many if the number of pods did not
    /// matter.
    pub(super) fn slots(&self, node: usize, (needs, kinds): (&Needs, &Kinds), memo: &mut Memo) -> Slots {
        if self.is_unfit(node, needs, memo) {
            return Slots::default();
        }
        Slots::within(&self.room(node).left, &needs.requests, kinds)
    }
}

/// What daemons request on nodes that are alike, by shape, taints, and the host name where some daemon asks for one.
type DaemonRequests<'n> = BTreeMap<(Shape, TaintSet, &'n str), ResourceList>;

/// What is left of a node: what no pod requests, less what daemons that are yet to come will. The daemons of a node depend
/// on its labels and taints, so that they are worked out once for nodes that are alike in both.
fn room<'n>(
    daemons: &[PodClass],
    node: &'n NodeState,
    (kinds, memo): (&Kinds, &mut Memo),
    (alike, shapes): (&mut DaemonRequests<'n>, &mut BTreeMap<Vec<&'n Label>, Shape>),
) -> Room {
    let labels = || Requirements::of_labels(&node.labels);
    let but_name = node.labels.iter().filter(|label| label.key != HOSTNAME_LABEL).collect();
    let shape = *shapes.entry(but_name).or_insert_with(|| memo.shape(labels()));
    let mut daemon_requests = if daemons.is_empty() {
        ResourceList::default()
    } else {
        // Some daemon may ask for a host name.
        let hostname = if daemons.iter().any(asks_for_a_name) { node.hostname() } else { "" };
        let key = (shape, memo.taint_set(&node.taints), hostname);
        let requests = || {
            let labels = labels();
            daemons::requests(daemons.iter().filter(|daemon| daemons::runs_on_node(daemon, &node.taints, &labels)))
        };
        alike.entry(key).or_insert_with(requests).clone()
    };
    daemon_requests.subtract(&node.daemon_requests);
    let to_come = daemon_requests.iter().map(|(kind, amount)| (kind, amount.max(0))).collect();
    let left = kinds.room(Some(&node.available.less(&to_come)));
    Room { left, shape, ports: node.host_ports.clone() }
}

fn asks_for_a_name(daemon: &PodClass) -> bool {
    Requirements::of_pod(daemon).get(crate::model::cluster::HOSTNAME_LABEL).is_some()
}

/// Whether a pod's ports are free (`HostPort.Matches`): equal port and protocol, and equal addresses or one that stands for
/// all.
pub(super) fn ports_conflict(wanted: &[HostPort], taken: &[HostPort]) -> bool {
    let is_any = |ip: &str| ip == "0.0.0.0" || ip == "::" || ip.is_empty();
    wanted.iter().any(|one| {
        taken.iter().any(|other| {
            let same_address = one.ip == other.ip || is_any(&one.ip) || is_any(&other.ip);
            one.port == other.port && one.protocol == other.protocol && same_address
        })
    })
}

/// What a pod makes of a node, before topologies are asked, if it can be there at all.
pub(super) fn asked_shape(
    (shape, hostname): (Shape, &str),
    variant: &Variant,
    undefined: memo::Undefined,
    memo: &mut Memo,
) -> Option<Shape> {
    let right_name = variant.hostname.as_ref().is_none_or(|wanted| wanted.has(hostname));
    (right_name && memo.is_compatible(shape, variant.ask, undefined)).then(|| memo.sum(shape, variant.ask))
}

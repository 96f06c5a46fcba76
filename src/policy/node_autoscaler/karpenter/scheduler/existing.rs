//! Nodes that are there or ordered: what is left of them, in the order in which they are tried.
//!
//! Source: `existingnode.go` and `sortExistingNodes`. Left out: volumes and devices.

use std::collections::BTreeMap;

use super::super::requirements::Requirements;
use super::super::resources::ResourceList;
use super::amounts::{Kinds, Row};
use super::memo::{Memo, Shape, TaintSet};
use super::variants::{Needs, Variant};
use super::{NodeState, amounts, daemons, memo};
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

/// The nodes that take pods.
#[derive(Debug)]
pub(super) struct Existing {
    /// Nodes, by position, in the order in which they are tried.
    pub(super) order: Vec<usize>,
    /// The places of nodes in that order; none: a node that takes no pods.
    pub(super) place: Vec<Option<usize>>,
    rooms: Vec<Room>,
    taints: Vec<TaintSet>,
    /// What is left once the pods of the batch are placed so far, of nodes that got any.
    changed: BTreeMap<usize, Room>,
}

impl Existing {
    pub(super) fn new(daemons: &[PodClass], nodes: &[NodeState], kinds: &Kinds, memo: &mut Memo) -> Existing {
        let mut order: Vec<usize> = (0..nodes.len()).filter(|node| !nodes[*node].is_deleting).collect();
        order.sort_by_key(|node| (!nodes[*node].is_initialized, nodes[*node].name.as_str()));
        let mut place = vec![None; nodes.len()];
        for (at, node) in order.iter().enumerate() {
            place[*node] = Some(at);
        }
        let (mut alike, mut shapes) = (BTreeMap::new(), BTreeMap::new());
        let rooms = nodes.iter().map(|node| {
            let (left, shape) = room(daemons, node, memo, (&mut alike, &mut shapes));
            Room { left: kinds.room(Some(&left)), shape, ports: node.host_ports.clone() }
        });
        let rooms = rooms.collect();
        let taints = nodes.iter().map(|node| memo.taint_set(&node.taints)).collect();
        Existing { order, place, rooms, taints, changed: BTreeMap::new() }
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

/// What daemons request on nodes that are alike, by shape, taints, and the host name where some daemon asks for one.
type DaemonRequests<'n> = BTreeMap<(Shape, TaintSet, &'n str), ResourceList>;

/// What is left of a node: what no pod requests, less what daemons that are yet to come will. The daemons of a node depend
/// on its labels and taints, so that they are worked out once for nodes that are alike in both.
fn room<'n>(
    daemons: &[PodClass],
    node: &'n NodeState,
    memo: &mut Memo,
    (kinds, shapes): (&mut DaemonRequests<'n>, &mut BTreeMap<Vec<&'n Label>, Shape>),
) -> (ResourceList, Shape) {
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
        kinds.entry(key).or_insert_with(requests).clone()
    };
    daemon_requests.subtract(&node.daemon_requests);
    let to_come = daemon_requests.iter().map(|(kind, amount)| (kind, amount.max(0))).collect();
    (node.available.less(&to_come), shape)
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

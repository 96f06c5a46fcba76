//! What cluster-autoscaler asks of the simulated cluster, and how it walks the nodes (`simulator/clustersnapshot`).

use crate::ids::PodId;

/// A node of a snapshot: one of the cluster's, one on its way, or one made from a template. The caller chooses the keys;
/// they stay the same while nodes come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey(pub u32);

/// Why a pod was not placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Any filter but the next.
    Filter,
    /// The pod would break a spreading constraint; upstream tells this one apart by its message.
    TopologySpread,
}

/// A cluster in which pods can be tried: the scheduler's filters, without its scores.
///
/// Cost: the autoscaler calls `place` far more often than anything else.
pub trait Fits {
    /// Nodes in the snapshot.
    fn node_count(&self) -> usize;

    /// The node at a position below `node_count`, in the order in which nodes were added.
    fn node_at(&self, position: usize) -> NodeKey;

    /// Whether the node is cordoned; walks over all nodes pass it over, whatever the pod tolerates.
    fn is_cordoned(&self, _node: NodeKey) -> bool {
        false
    }

    /// Places the pod on the node if all filters let it.
    ///
    /// # Errors
    /// With the filter's reason; the snapshot is then as before.
    fn place(&mut self, pod: PodId, node: NodeKey) -> Result<(), Refusal>;

    /// Whether a node that refused the pod refuses it until a pod leaves the node: true where only resources, taints,
    /// selectors, ports and anti-affinity are asked, false where another placement can mend a refusal (spreading,
    /// affinity). It only saves time: a walk then asks each node once a group.
    fn refuses_for_good(&self, _pod: PodId) -> bool {
        false
    }
}

/// A snapshot that grows by nodes of one template: what an estimate works on. The nodes are given back by the caller.
pub trait Growing: Fits {
    /// Adds a node made from the template at the end of the list.
    fn add_node(&mut self) -> NodeKey;
}

/// A snapshot that can be forked, and whose nodes can be emptied and removed: what a removal is tried on.
pub trait Snapshot: Fits {
    /// Remembers the state; forks nest.
    fn fork(&mut self);

    /// Goes back to the last fork.
    fn revert(&mut self);

    /// Keeps what was done since the last fork.
    fn commit(&mut self);

    /// Whether the node is in the snapshot.
    fn holds(&self, node: NodeKey) -> bool;

    /// The pods on the node, in the order in which they came.
    fn pods_on(&self, node: NodeKey) -> Vec<PodId>;

    /// Takes the pod off the node.
    fn unplace(&mut self, pod: PodId, node: NodeKey);

    /// Empties the node of all pods and taints it as one that will be deleted; its domains stay, and its place in the list.
    fn make_ghost(&mut self, node: NodeKey);

    /// Takes the node out of the list.
    fn remove(&mut self, node: NodeKey);
}

/// Where the walk over all nodes begins: one after the last node that took a pod (`lastIndexOrderMapping` with offset 1).
/// Upstream keeps one for the snapshot, through scale-up and scale-down and from turn to turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Position of the last node that took a pod.
    pub last_index: usize,
}

impl Rotation {
    /// The position that is asked first among `count` nodes.
    pub fn start(self, count: usize) -> usize {
        if count == 0 { 0 } else { (1 + self.last_index) % count }
    }
}

/// Places the pod on the first node, in rotation, that is acceptable, not cordoned and lets it
/// (`SchedulePodOnAnyNodeMatching`). `None`: no node does.
///
/// Cost: one question a node until one takes the pod.
pub fn place_on_any<S: Fits>(
    snapshot: &mut S,
    rotation: &mut Rotation,
    pod: PodId,
    is_acceptable: impl Fn(NodeKey) -> bool,
) -> Option<NodeKey> {
    let count = snapshot.node_count();
    let start = rotation.start(count);
    for position in (start..count).chain(0..start) {
        let node = snapshot.node_at(position);
        if snapshot.is_cordoned(node) || !is_acceptable(node) {
            continue;
        }
        if snapshot.place(pod, node).is_ok() {
            rotation.last_index = position;
            return Some(node);
        }
    }
    None
}

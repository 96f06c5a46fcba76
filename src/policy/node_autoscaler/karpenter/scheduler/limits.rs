//! What the limits of pools leave.

use super::super::instance_type::InstanceType;
use super::super::resources::{ResourceKind, ResourceList};
use super::amounts::{self, Kinds, Row};
use super::{Environment, NodeState, is_of_pool};

/// The limits of a pool.
#[derive(Debug)]
pub(super) struct Limits {
    kinds: Kinds,
    /// What they leave once the nodes that stay are counted.
    left: Row,
    /// What a machine of each type has.
    capacity: Vec<Row>,
    most: Row,
}

/// The limits of each pool, by position; none: a pool without limits.
pub(super) fn limits(environment: &Environment, nodes: &[NodeState]) -> Vec<Option<Limits>> {
    let of_pool = environment.pools.iter().map(|(pool, types)| {
        let mut left = (!pool.limits.is_empty()).then(|| pool.limits.clone())?;
        for node in nodes.iter().filter(|node| !node.is_deleting && is_of_pool(node, pool)) {
            left = left.less(&counted_capacity(node));
        }
        Some(Limits::new(&left, types))
    });
    of_pool.collect()
}

/// What a node counts against the limits of its pool: its capacity and itself.
fn counted_capacity(node: &NodeState) -> ResourceList {
    let mut capacity = node.capacity.clone();
    capacity.set(ResourceKind::Nodes, 1);
    capacity
}

impl Limits {
    fn new(left: &ResourceList, types: &[InstanceType]) -> Limits {
        let kinds = Kinds::of([left]);
        let capacity: Vec<Row> = types.iter().map(|of_type| kinds.row(&of_type.capacity)).collect();
        let mut most = vec![0; kinds.len()];
        capacity.iter().for_each(|row| amounts::raise(&mut most, row));
        Limits { left: kinds.row(left), kinds, capacity, most }
    }

    /// What they leave before anything is bought.
    pub(super) fn left(&self) -> Row {
        self.left.clone()
    }

    /// What they leave once a node is taken to be gone.
    pub(super) fn give_back(&self, left: &mut Row, node: &NodeState) {
        amounts::add(left, &self.kinds.row(&counted_capacity(node)));
    }

    /// Of some types those that may still be bought; none: no other node may.
    pub(super) fn within(&self, left: &Row, types: &[usize]) -> Option<Vec<usize>> {
        if self.kinds.column(ResourceKind::Nodes).is_some_and(|at| left[at] == 0) {
            return None;
        }
        if amounts::fits(&self.most, left) {
            return Some(types.to_vec());
        }
        let within: Vec<usize> = types.iter().copied().filter(|at| amounts::fits(&self.capacity[*at], left)).collect();
        (!within.is_empty()).then_some(within)
    }

    /// Takes the most that a new node of some types can be.
    pub(super) fn charge(&self, left: &mut Row, types: &[usize]) {
        let mut most = vec![0; self.kinds.len()];
        types.iter().for_each(|at| amounts::raise(&mut most, &self.capacity[*at]));
        amounts::subtract(left, &most);
    }
}

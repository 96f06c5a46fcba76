//! The nodes in their order, and what moves when nodes join or leave.

use std::sync::Arc;

use crate::ids::NodeId;

/// The place of a node that has none.
const NOWHERE: u32 = u32::MAX;

/// The nodes in their order, and back.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    /// By position. Whoever keeps something by position keeps the nodes with it, to notice another order.
    pub(super) nodes: Arc<[NodeId]>,
    /// By node; [`NOWHERE`] for nodes that are not up.
    position: Vec<u32>,
}

impl Order {
    /// Takes in another order.
    pub(super) fn follow(&mut self, nodes: &[NodeId]) {
        for node in self.nodes.iter() {
            self.position[node.index()] = NOWHERE;
        }
        let len = nodes.iter().map(|node| node.index() + 1).max().unwrap_or(0);
        self.position.resize(self.position.len().max(len), NOWHERE);
        for (at, node) in nodes.iter().enumerate() {
            self.position[node.index()] = at as u32;
        }
        self.nodes = nodes.into();
    }

    /// Where a node stands, if it is up.
    #[inline]
    pub(super) fn position(&self, node: NodeId) -> Option<usize> {
        let position = *self.position.get(node.index())?;
        (position != NOWHERE).then_some(position as usize)
    }

    /// What has moved since the nodes stood as they did `before`.
    pub(super) fn moves_since(&self, before: &[NodeId]) -> Moves {
        let unmoved = self.nodes.iter().zip(before).take_while(|(now, before)| now == before).count();
        let mut origins = vec![NOWHERE; self.nodes.len() - unmoved];
        for (at, node) in before.iter().enumerate().skip(unmoved) {
            if let Some(position) = self.position(*node) {
                origins[position - unmoved] = at as u32;
            }
        }
        Moves { unmoved, origins }
    }
}

/// Where nodes stood in an order before.
#[derive(Clone, Debug)]
pub(super) struct Moves {
    /// So many nodes stand at the beginning of both.
    pub(super) unmoved: usize,
    /// Where the others stood, by their position after these.
    origins: Vec<u32>,
}

impl Moves {
    /// All nodes of an order have just joined.
    pub(super) fn all_joined(order: &Order) -> Moves {
        order.moves_since(&[])
    }

    /// The positions of nodes that were not there.
    pub(super) fn joined(&self) -> impl Iterator<Item = usize> + '_ {
        let joined = self.origins.iter().enumerate().filter(|(_, origin)| **origin == NOWHERE);
        joined.map(|(at, _)| self.unmoved + at)
    }

    /// Brings what is kept by position into the present order; nodes that were not there get `new`.
    pub(super) fn apply<T: Copy>(&self, kept: &mut Vec<T>, new: T) {
        let moved = kept.split_off(self.unmoved);
        // All that stood at the beginning stands there still.
        let of = |origin: &u32| moved.get((*origin as usize).wrapping_sub(self.unmoved)).copied().unwrap_or(new);
        kept.extend(self.origins.iter().map(of));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::SEED;

    #[test]
    fn what_is_kept_moves_with_its_node() {
        let mut stream = SEED.stream("test/order", 0);
        for _ in 0..500 {
            let mut draw = |len: u64| -> Vec<NodeId> {
                let mut nodes: Vec<NodeId> = (0..len as u32).filter(|_| stream.below(3) > 0).map(NodeId).collect();
                // Either the order is kept from some place on, or nodes stand anywhere.
                for _ in 0..stream.below(4) {
                    if let Some(last) = nodes.len().checked_sub(1) {
                        nodes.swap(stream.below(last as u64 + 1) as usize, last);
                    }
                }
                nodes
            };
            let (before, now) = (draw(20), draw(24));
            let mut order = Order::default();
            order.follow(&before);
            let mut kept: Vec<u32> = before.iter().map(|node| node.0).collect();
            order.follow(&now);
            let moves = order.moves_since(&before);
            moves.apply(&mut kept, 99);
            let is_new = |node: &NodeId| !before.contains(node);
            let expected: Vec<u32> = now.iter().map(|node| if is_new(node) { 99 } else { node.0 }).collect();
            assert_eq!(kept, expected, "{before:?} {now:?}");
            let joined: Vec<NodeId> = moves.joined().map(|position| now[position]).collect();
            assert_eq!(joined, now.iter().copied().filter(is_new).collect::<Vec<_>>());
            for node in (0..30).map(NodeId) {
                assert_eq!(order.position(node), now.iter().position(|other| *other == node), "{now:?}");
            }
        }
    }
}

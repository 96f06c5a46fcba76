//! The script changes nodes. An action on a node that is down already changes nothing.

use crate::engine::run::Simulation;
use crate::ids::{NodeId, PoolId};
use crate::model::Action;
use crate::observe::Observer;
use crate::world::pods::Reason;
use crate::world::{NodeState, Phase};

impl<O: Observer> Simulation<'_, O> {
    pub(in crate::engine) fn on_script(&mut self, action: Action) {
        match action {
            Action::AddNodes { pool, count } => self.add_nodes(pool, count),
            Action::Cordon(node) => self.change_state(node, NodeState::Cordoned),
            Action::Uncordon(node) => {
                if self.world.health.out_of_service.contains(&node) {
                    self.apply_out_of_service(node, false);
                }
                self.change_state(node, NodeState::Ready);
            }
            Action::OutOfService(node) => self.take_out_of_service(node),
            Action::Drain(node) => {
                self.change_state(node, NodeState::Cordoned);
                self.on_drain(node);
            }
            Action::Remove(node) if self.has_lifecycle() => self.lose_node(node),
            Action::Crash(node) if self.has_lifecycle() => self.put_down(node),
            Action::Remove(node) => self.take_down(node, NodeState::Removed, Phase::Deleted, Reason::NodeRemoved),
            Action::Crash(node) => self.take_down(node, NodeState::Crashed, Phase::Failed, Reason::NodeCrashed),
            Action::Operate(operation) => self.operate(operation),
        }
    }

    fn add_nodes(&mut self, pool: PoolId, count: u32) {
        if self.is_stocked_out(pool) {
            return;
        }
        let kind = &self.model.cluster.pools[pool.index()];
        for _ in 0..count {
            let number = self.pool_sizes[pool.index()];
            self.pool_sizes[pool.index()] += 1;
            let shape = kind.shapes[number as usize % kind.shapes.len()];
            self.apply_new_node(&format!("{}-{number}", kind.name), shape);
        }
    }

    pub(in crate::engine) fn is_up(&self, node: NodeId) -> bool {
        self.world.nodes.state.get(node.index()).is_some_and(|state| state.is_up())
    }

    pub(in crate::engine) fn change_state(&mut self, node: NodeId, state: NodeState) {
        if self.is_up(node) {
            self.apply_node_state(node, state);
        }
    }

    pub(in crate::engine) fn take_down(&mut self, node: NodeId, state: NodeState, phase: Phase, reason: Reason) {
        if self.is_up(node) {
            // Cordoned first: a pod that is requeued must not come back to a node that is going down.
            self.apply_node_state(node, NodeState::Cordoned);
            self.evict_all(node, phase, reason);
            self.lose_images(node);
            self.apply_node_state(node, state);
        }
    }

    pub(in crate::engine) fn evict_all(&mut self, node: NodeId, phase: Phase, reason: Reason) {
        if !self.is_up(node) {
            return;
        }
        for pod in self.pods_on(node) {
            self.apply_eviction(pod, phase, reason);
        }
    }
}

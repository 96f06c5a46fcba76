//! What becomes of nodes that stop reporting, and of their pods, becomes changes: the other part of the one writer.

use super::Step;
use super::run::Simulation;
use crate::ids::{NodeId, PodId};
use crate::model::node_lifecycle::Trouble;
use crate::observe::Observer;
use crate::policy::scheduler::kube::queue::NodeObject;
use crate::units::SimDuration;
use crate::world::pods::Reason;
use crate::world::{Condition, Deletion, Kubelet, Phase, View};

impl<O: Observer> Simulation<'_, O> {
    /// The kubelet of a node stops, is cut off, or is heard again.
    pub(super) fn apply_kubelet(&mut self, node: NodeId, kubelet: Kubelet) {
        self.observer.node_changes(&View { model: self.model, world: &self.world }, node);
        self.world.set_kubelet(node, kubelet);
    }

    /// The condition of a node changes.
    pub(super) fn apply_condition(&mut self, node: NodeId, condition: Condition) {
        if self.world.health.condition[node.index()] != condition {
            self.change_taints(node, |simulation| simulation.world.set_condition(simulation.model, node, condition));
        }
    }

    /// A node gets its taint of the effect `NoExecute`, or loses it.
    pub(super) fn apply_no_execute(&mut self, node: NodeId, trouble: Option<Trouble>) {
        if self.world.health.no_execute[node.index()] != trouble {
            self.change_taints(node, |simulation| simulation.world.set_no_execute(simulation.model, node, trouble));
            self.review_pods(node);
        }
    }

    fn change_taints(&mut self, node: NodeId, change: impl FnOnce(&mut Self)) {
        let view = View { model: self.model, world: &self.world };
        self.observer.node_changes(&view, node);
        let old = NodeObject::of(&view, node);
        change(self);
        self.tell_queue_of_node(old, node);
        self.note_room(node);
    }

    /// The pods of a node that goes down stop where they are, and keep their places.
    pub(super) fn apply_stop(&mut self, node: NodeId) {
        for pod in self.pods_on(node) {
            if matches!(self.world.pods.phase[pod.index()], Phase::Starting | Phase::Running) {
                self.world.interrupt(pod);
            }
        }
    }

    /// A node that has booted ends the pods that have been told to end, and starts the others again.
    pub(super) fn apply_restart(&mut self, node: NodeId) {
        for pod in self.pods_on(node) {
            if matches!(self.world.pods.phase[pod.index()], Phase::Starting | Phase::Running) {
                self.world.set_phase(pod, Phase::Starting);
                if !self.is_held_back(pod, Step::Bind) {
                    self.begin_start(pod);
                }
            }
        }
    }

    /// A pod is told to end. It does so at once, or when its node is heard again.
    pub(super) fn apply_deletion(&mut self, pod: PodId, reason: Reason) {
        if self.world.pods.deletion[pod.index()] != Deletion::None {
            return;
        }
        let node = self.world.pods.node(pod);
        if node.is_some_and(|node| !self.world.health.is_reporting(node)) {
            self.world.set_deletion(pod, Deletion::Requested);
            self.world.pods.reason[pod.index()] = reason;
        } else {
            self.apply_eviction(pod, Phase::Evicted, reason);
        }
    }

    /// The pods of a node that have been told to end do so.
    pub(super) fn apply_deletions(&mut self, node: NodeId) {
        for pod in self.pods_on(node) {
            if self.world.pods.deletion[pod.index()] != Deletion::None {
                self.apply_eviction(pod, Phase::Evicted, self.world.pods.reason[pod.index()]);
            }
        }
    }

    /// How long a write to the API server takes that takes `span` when all is well.
    pub(super) fn slowed_write(&self, span: SimDuration) -> SimDuration {
        let slowdown = self.world.health.services.api_server_slowdown;
        if slowdown == 1.0 { span } else { SimDuration::from_seconds(span.as_seconds() * slowdown) }
    }

    /// The pods that hold a place on a node, in order of arrival.
    pub(super) fn pods_on(&self, node: NodeId) -> Vec<PodId> {
        let mut pods: Vec<PodId> = self.world.nodes.pods(&self.world.pods, node).collect();
        pods.sort_unstable();
        pods
    }
}

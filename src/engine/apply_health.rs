//! What becomes of nodes that stop reporting, and of their pods, becomes changes: the other part of the one writer.

use super::Step;
use super::run::Simulation;
use crate::ids::{NodeId, PodId};
use crate::model::node_lifecycle::Trouble;
use crate::observe::Observer;
use crate::policy::scheduler::kube::queue::NodeObject;
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

    /// A node comes under memory pressure, or is so no longer.
    pub(super) fn apply_memory_pressure(&mut self, node: NodeId) {
        self.change_taints(node, |simulation| simulation.world.set_taints(simulation.model, node));
    }

    /// A node is said to be out of service, or no longer.
    pub(super) fn apply_out_of_service(&mut self, node: NodeId, is_out: bool) {
        self.change_taints(node, |simulation| {
            let nodes = &mut simulation.world.health.out_of_service;
            if is_out {
                nodes.insert(node);
            } else {
                nodes.remove(&node);
            }
            simulation.world.set_taints(simulation.model, node);
        });
    }

    /// A node's taints change, which may open it to pods or close it.
    fn change_taints(&mut self, node: NodeId, change: impl FnOnce(&mut Self)) {
        let view = View { model: self.model, world: &self.world };
        self.observer.node_changes(&view, node);
        let old = NodeObject::of(&view, node);
        change(self);
        self.tell_queue_of_node(old, node);
        self.tell_daemon_sets();
        self.note_room(node);
    }

    /// The pods of a node that goes down stop where they are, and keep their places.
    pub(super) fn apply_stop(&mut self, node: NodeId) {
        for pod in self.pods_on(node) {
            if self.is_at_work(pod) {
                self.world.interrupt(pod);
                self.end_life(pod);
            }
        }
    }

    /// A node that has booted starts its pods again.
    pub(super) fn apply_restart(&mut self, node: NodeId) {
        for pod in self.pods_on(node) {
            if self.is_at_work(pod) && self.fails_by_boot(pod) {
                self.apply_end(pod, Phase::Failed, Reason::NodeCrashed);
            } else if self.is_at_work(pod) {
                self.world.set_phase(pod, Phase::Starting);
                self.apply_readiness(pod, false);
                if !self.is_held_back(pod, Step::Bind) {
                    self.begin_start(pod);
                }
            }
        }
    }

    /// Whether the pod is with its kubelet.
    fn is_at_work(&self, pod: PodId) -> bool {
        matches!(self.world.pods.phase[pod.index()], Phase::Starting | Phase::Running)
    }

    /// No pod of the node counts as ready any more: it has not been heard of for too long (`MarkPodsNotReady`).
    pub(super) fn apply_not_ready(&mut self, node: NodeId) {
        self.pods_on(node).into_iter().for_each(|pod| self.apply_readiness(pod, false));
    }

    /// A pod is told to end by something that disrupts it. Those of controllers take the time that they need; others end
    /// at once. None does before its node hears of it.
    pub(super) fn apply_deletion(&mut self, pod: PodId, reason: Reason) {
        if self.world.pods.deletion[pod.index()] != Deletion::None {
            return;
        }
        if self.world.member(pod).is_some() {
            self.note_disruption(pod);
            self.world.pods.reason[pod.index()] = reason;
            self.observer.pod_evicted(&View { model: self.model, world: &self.world }, pod);
            self.delete_pod(pod, reason);
        } else if self.hears_of(pod) {
            self.apply_eviction(pod, Phase::Evicted, reason);
        } else {
            self.world.request_deletion(pod);
            self.world.pods.reason[pod.index()] = reason;
            self.note_deletion(pod);
        }
    }

    /// A pod is told to end to make room for one of higher priority (`PreemptPod`): those of controllers have their grace
    /// period, of others nothing is known that would take time.
    pub(super) fn apply_preemption(&mut self, pod: PodId) {
        if self.world.member(pod).is_none() {
            return self.apply_eviction(pod, Phase::Deleted, Reason::Preempted);
        }
        self.note_disruption(pod);
        // One that ends anyway goes on with that.
        let is_ending = self.world.pods.deletion[pod.index()] != Deletion::None;
        if !is_ending {
            self.world.pods.reason[pod.index()] = Reason::Preempted;
            self.observer.pod_evicted(&View { model: self.model, world: &self.world }, pod);
            self.delete_pod(pod, Reason::Preempted);
        }
        if self.world.pods.phase[pod.index()].holds_node() {
            self.world.pods.deletion[pod.index()] = Deletion::Preempted;
        }
    }

    /// A node that is heard again hears which of its pods have been told to end. After a boot their containers do not run
    /// any more, so that they end at once.
    pub(super) fn apply_deletions(&mut self, node: NodeId, has_booted: bool) {
        for pod in self.pods_on(node) {
            let reason = self.world.pods.reason[pod.index()];
            if self.world.pods.deletion[pod.index()] == Deletion::None {
                continue;
            }
            match (self.world.member(pod).is_some(), has_booted) {
                (true, true) => self.apply_end(pod, Phase::Deleted, reason),
                (true, false) => self.begin_shut_down(pod),
                // Pods of before the run that are ending have a date of their own.
                (false, false) if reason == Reason::None => {}
                (false, _) => self.apply_eviction(pod, Phase::Evicted, reason),
            }
        }
    }

    /// The pods that hold a place on a node, in order of arrival.
    pub(super) fn pods_on(&self, node: NodeId) -> Vec<PodId> {
        let mut pods: Vec<PodId> = self.world.nodes.pods(&self.world.pods, node).collect();
        pods.sort_unstable();
        pods
    }
}

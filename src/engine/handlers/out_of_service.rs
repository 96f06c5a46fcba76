//! Nodes that somebody says are out of service: what was told to end there need not be heard of any more.
//!
//! After the taint `node.kubernetes.io/out-of-service` and `gcTerminating` of `pkg/controller/podgc/gc_controller.go` of
//! v1.37.0. The taint stays until the script uncordons the node. Known deviations: a toleration with seconds counts as one
//! without; on a node that is only cut off, pods are gone at once, where their containers run on until the node is heard
//! again.

use crate::engine::event::NodeStep;
use crate::engine::run::Simulation;
use crate::ids::{NodeId, PodId};
use crate::model::node_lifecycle::out_of_service_taint;
use crate::observe::Observer;
use crate::policy::controllers::node_lifecycle::{COLLECT_PERIOD, Stay, next_pass, stay};
use crate::world::pods::Reason;
use crate::world::{Condition, Deletion, Phase};

impl<O: Observer> Simulation<'_, O> {
    /// The node is out of service: its pods are told to end.
    pub(in crate::engine) fn take_out_of_service(&mut self, node: NodeId) {
        if !self.is_there(node) || self.world.health.out_of_service.contains(&node) {
            return;
        }
        self.apply_out_of_service(node, true);
        let taint = [out_of_service_taint()];
        for pod in self.pods_on(node) {
            let class = self.model.workload.class(self.world.pods.class[pod.index()]);
            if stay(&class.tolerations, &taint) == Stay::NotAtAll {
                self.apply_deletion(pod, Reason::TaintEviction);
            }
        }
        // Some may have been told before.
        self.collect_terminating_soon(node);
    }

    /// A pod has been told to end: if its node is out of service, that is looked after.
    pub(in crate::engine) fn note_deletion(&mut self, pod: PodId) {
        let node = self.world.pods.node(pod).filter(|node| self.world.health.out_of_service.contains(node));
        if let Some(node) = node {
            self.collect_terminating_soon(node);
        }
    }

    fn collect_terminating_soon(&mut self, node: NodeId) {
        self.schedule_node_step(node, next_pass(self.world.time, COLLECT_PERIOD), NodeStep::CollectTerminating);
    }

    /// A pass of the collector of pods over one node.
    pub(in crate::engine) fn collect_terminating(&mut self, node: NodeId) {
        if !self.is_there(node) || !self.world.health.out_of_service.contains(&node) {
            return;
        }
        let is_told = |simulation: &Self, pod: &PodId| simulation.world.pods.deletion[pod.index()] != Deletion::None;
        let told: Vec<PodId> = self.pods_on(node).into_iter().filter(|pod| is_told(self, pod)).collect();
        if told.is_empty() {
            return;
        }
        let is_ready = self.world.health.condition[node.index()] == Condition::Ready;
        if is_ready || !self.world.health.services.api_server_is_up {
            let next = self.world.time.after(COLLECT_PERIOD);
            return self.schedule_node_step(node, next, NodeStep::CollectTerminating);
        }
        for pod in told {
            let reason = self.world.pods.reason[pod.index()];
            match self.world.member(pod) {
                Some(_) => self.apply_end(pod, Phase::Deleted, reason),
                None => self.apply_eviction(pod, Phase::Evicted, reason),
            }
        }
    }
}

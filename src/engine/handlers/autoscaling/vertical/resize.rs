//! Pods are resized where they run, as kubelet v1.37.0 does it (`pkg/kubelet/allocation`).
//!
//! A resize that asks for more than the node can ever give is infeasible and stays so; one for which there is no room now is
//! deferred, and tried again when a pod leaves the node, and every minute: pods of higher priority first, then guaranteed ones,
//! then those that have waited the longest. Everything else is done at once.
//!
//! Containers whose `resizePolicy` asks for it are stopped and started again (`computePodResizeAction`).
//!
//! Known deviations: while a resize is deferred the scheduler counts what the pod has, upstream the larger of that and what is
//! asked for; a limit of memory below what is used is set, and the container killed, where upstream waits.

use std::cmp::Reverse;

use super::VerticalState;
use super::sizes::with_recommendations;
use crate::engine::run::Simulation;
use crate::ids::{ClassId, LifeId, NodeId, PodId, VerticalId};
use crate::model::controllers::PodLife;
use crate::model::usage::QualityOfService;
use crate::observe::{Observer, PodChange};
use crate::policy::autoscaler::vertical::resized::resources_of;
use crate::policy::autoscaler::vertical::restriction::Resize;
use crate::policy::autoscaler::vertical::updater::Answer;
use crate::policy::scheduler::kube::queue::ClusterEvent;
use crate::units::SimTime;
use crate::world::{Deletion, View};

/// A resize that was asked for and is not done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    /// What the pod is to become.
    class: ClassId,
    life: LifeId,
    vertical: VerticalId,
    /// Since when it has waited.
    since: SimTime,
    /// How the kubelet has answered.
    pub(super) status: Resize,
}

/// The class of quality of pods with that life.
fn quality(life: &PodLife) -> Option<QualityOfService> {
    life.containers.iter().find_map(|one| one.usage.as_ref()).map(|usage| usage.quality)
}

impl<'m, O: Observer> Simulation<'m, O> {
    /// The API server is asked for a resize, and the kubelet hears of it. What would change the class of quality is refused.
    pub(super) fn ask_for_resize(&mut self, state: &mut VerticalState<'m>, pod: PodId) -> Answer {
        let (Some(controller), Some(life)) = (self.world.controller_of(pod), self.life_now(pod)) else {
            return Answer::Refused;
        };
        let before = resources_of(life);
        let Some(after) = with_recommendations(state, controller, &before) else { return Answer::Refused };
        let Some(vertical) = state.loop_of(controller) else { return Answer::Refused };
        if after == before {
            return Answer::Accepted;
        }
        let base = self.model.workload.base_class(self.world.pods.class[pod.index()]);
        let template = self.template_life(pod).expect("a pod with a life has a template");
        let (class, number) = self.intern_size(base, template, &after);
        if quality(life) != quality(self.model.controllers.life(number)) {
            return Answer::Refused;
        }
        let since = state.pending.get(&pod).map_or(self.world.time, |known| known.since);
        let pending = Pending { class, life: number, vertical, since, status: Resize::None };
        match self.kubelet_answers(pod, pending) {
            Resize::None => {
                state.pending.remove(&pod);
                self.carry_out_resize(pod, pending);
            }
            status => {
                state.pending.insert(pod, Pending { status, ..pending });
                let view = View { model: self.model, world: &self.world };
                let change = if status == Resize::Infeasible { PodChange::Infeasible } else { PodChange::Deferred };
                self.observer.pod_sized(&view, vertical, change);
            }
        }
        Answer::Accepted
    }

    /// What the template of a pod says of its containers.
    fn template_life(&self, pod: PodId) -> Option<&'m PodLife> {
        let member = self.world.member(pod)?;
        let controller = self.world.controller_of(pod)?;
        let template = &self.controller(controller).templates[member.template.index()];
        Some(self.model.controllers.life(template.life))
    }

    /// Whether a resize can be done now (none is left over then), later, or never (`canAdmitPod` of a resize).
    fn kubelet_answers(&self, pod: PodId, pending: Pending) -> Resize {
        let Some(node) = self.world.pods.node(pod) else { return Resize::Infeasible };
        let nodes = &self.world.nodes;
        let i = node.index();
        let workload = &self.model.workload;
        let old = &workload.class(self.world.pods.class[pod.index()]).requests;
        let new = &workload.class(pending.class).requests;
        if new.cpu.0 > nodes.cpu[i] || new.memory.0 > nodes.memory[i] {
            return Resize::Infeasible;
        }
        let has_room =
            new.cpu.0 <= nodes.free_cpu[i] + old.cpu.0 && new.memory.0 <= nodes.free_memory[i] + old.memory.0;
        match has_room && self.hears_of(pod) {
            true => Resize::None,
            false => Resize::Deferred,
        }
    }

    fn carry_out_resize(&mut self, pod: PodId, pending: Pending) {
        let node = self.world.pods.node(pod).expect("only pods on nodes are resized");
        self.observer.node_changes(&View { model: self.model, world: &self.world }, node);
        let old = self.world.pods.class[pod.index()];
        let stopped = self.stopped_by_resize(pod, self.model.controllers.life(pending.life));
        self.world.resize(&self.model.workload, pod, pending.class);
        if let Some(member) = self.world.member_mut(pod) {
            member.resized = Some(pending.life);
        }
        let view = View { model: self.model, world: &self.world };
        self.observer.pod_sized(&view, pending.vertical, PodChange::Resized);
        self.observer.pod_resized(&view, pod);
        let events = ClusterEvent::of_pod_update(&view, old, pending.class);
        let frees_room = {
            let (old, new) = (&view.class(old).requests, &view.class(pending.class).requests);
            new.cpu < old.cpu || new.memory < old.memory
        };
        events.iter().for_each(|event| self.tell_queue(event));
        if frees_room {
            self.note_room(node);
        }
        self.resize_server(pod);
        self.look_at_resized(node);
        self.tell_controller(pod);
        for index in stopped {
            self.drive(pod, |driver| driver.restart_for_resize(index));
        }
    }

    /// Containers that have to be started again to get what the new life of their pod has: one whose `resizePolicy` wants that for a
    /// resource of which its request or its limit changes.
    fn stopped_by_resize(&self, pod: PodId, after: &PodLife) -> Vec<usize> {
        let Some(before) = self.life_now(pod) else { return Vec::new() };
        let first = before.init_containers.len();
        let pairs = resources_of(before).into_iter().zip(resources_of(after)).zip(&before.containers);
        let stops = pairs.map(|((old, new), container)| {
            let [cpu, memory] = container.restarts_on_resize;
            cpu && (old.requests.cpu, old.limits.cpu) != (new.requests.cpu, new.limits.cpu)
                || memory && (old.requests.memory, old.limits.memory) != (new.requests.memory, new.limits.memory)
        });
        stops.enumerate().filter(|(_, stops)| *stops).map(|(index, _)| first + index).collect()
    }

    /// Tries resizes again that were put off: those on a node, or all.
    pub(super) fn retry_resizes_of(&mut self, state: &mut VerticalState<'m>, on: Option<NodeId>) {
        let is_meant = |pod: &PodId| on.is_none() || self.world.pods.node(*pod) == on;
        let deferred = state.pending.iter().filter(|(_, pending)| pending.status == Resize::Deferred);
        let mut pods: Vec<PodId> = deferred.map(|(pod, _)| *pod).filter(is_meant).collect();
        pods.sort_by_key(|pod| {
            let priority = self.model.workload.class(self.world.pods.class[pod.index()]).priority;
            let is_guaranteed = self.life_now(*pod).and_then(quality) == Some(QualityOfService::Guaranteed);
            (Reverse(priority), !is_guaranteed, state.pending[pod].since, *pod)
        });
        for pod in pods {
            let pending = state.pending[&pod];
            let stays = self.world.pods.node(pod).is_some() && self.world.pods.deletion[pod.index()] == Deletion::None;
            if stays && self.kubelet_answers(pod, pending) == Resize::None {
                state.pending.remove(&pod);
                self.carry_out_resize(pod, pending);
            }
        }
    }

    /// A pod has left a node: what was put off there may be done now.
    pub(in crate::engine) fn retry_resizes(&mut self, node: NodeId) {
        let Some(mut state) = self.vertical.take() else { return };
        if !state.pending.is_empty() {
            self.retry_resizes_of(&mut state, Some(node));
        }
        self.vertical = Some(state);
    }
}

//! Pods are told to end: by their controller, by a user, by a drain.

use crate::engine::Step;
use crate::engine::run::Simulation;
use crate::ids::PodId;
use crate::observe::Observer;
use crate::units::SimDuration;
use crate::world::Phase;
use crate::world::pods::Reason;

impl<O: Observer> Simulation<'_, O> {
    /// Tells a pod to end, as the API's deletion does. One without a node is gone at once; one on a node ends when its
    /// containers have ended, at the latest after its grace period. One that has ended goes, too.
    pub(in crate::engine) fn delete_pod(&mut self, pod: PodId, reason: Reason) {
        let phase = self.world.pods.phase[pod.index()];
        if phase == Phase::Pending {
            if let Some(queue) = &mut self.kube_queue {
                queue.pods.delete(pod);
            }
            self.world.nominated.remove(&pod);
            self.apply_end(pod, Phase::Deleted, reason);
        } else if !phase.holds_node() {
            self.world.leave(pod);
            self.tell_controller(pod);
        } else if self.world.request_deletion(pod) {
            self.world.pods.reason[pod.index()] = reason;
            self.begin_shut_down(pod);
            self.tell_controller(pod);
        }
    }

    /// The node ends the pod, if it hears of it.
    pub(in crate::engine) fn begin_shut_down(&mut self, pod: PodId) {
        if self.hears_of(pod) {
            let delay = self.shut_down_delay(pod);
            self.schedule_step(pod, delay, Step::End);
        }
    }

    /// How long the pod takes to end: its slowest container, but no longer than its grace period.
    fn shut_down_delay(&self, pod: PodId) -> SimDuration {
        let Some(member) = self.world.member(pod) else { return SimDuration::ZERO };
        let controller = self.world.owners.list[member.owner.index()].controller;
        let template = &self.controller(controller).templates[member.template.index()];
        let life = &self.model.controllers.lives[template.life.index()];
        let identity = u64::from(controller.0) << 32 | u64::from(member.serial);
        let mut stream = self.model.seed.stream("pod/shut-down", identity);
        let slowest = life.containers.iter().map(|container| container.shut_down.sample(&mut stream)).max();
        slowest.unwrap_or(SimDuration::ZERO).min(life.grace_period)
    }
}

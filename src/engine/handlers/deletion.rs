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
            self.note_deletion(pod);
            self.tell_controller(pod);
        }
    }

    /// The node ends the pod, if it hears of it.
    pub(in crate::engine) fn begin_shut_down(&mut self, pod: PodId) {
        if self.hears_of(pod) && !self.terminate_life(pod) {
            self.schedule_step(pod, SimDuration::ZERO, Step::End);
        }
    }
}

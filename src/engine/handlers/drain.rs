//! A node is drained as `kubectl drain --ignore-daemonsets` does it: cordoned, then each pod evicted that its budget lets go;
//! the others are asked for again until they are gone.

use crate::engine::Event;
use crate::engine::run::Simulation;
use crate::ids::{NodeId, PodId};
use crate::model::PodDisruption;
use crate::model::controllers::ControllerKind;
use crate::observe::Observer;
use crate::policy::disruption;
use crate::units::SimDuration;
use crate::world::pods::Reason;
use crate::world::{NodeState, View};

/// How long `kubectl drain` waits before it asks again for a pod that a budget keeps (`evictPods`).
const RETRY: SimDuration = SimDuration(5_000_000_000);

impl<O: Observer> Simulation<'_, O> {
    /// Evicts what may go from a node that is cordoned, and comes back for the rest.
    pub(in crate::engine) fn on_drain(&mut self, node: NodeId) {
        if self.world.nodes.state.get(node.index()) != Some(&NodeState::Cordoned) {
            return;
        }
        let mut is_kept = false;
        for pod in self.pods_on(node) {
            if self.stays_with_node(pod) {
                continue;
            }
            match disruption::may_evict(&View { model: self.model, world: &self.world }, pod) {
                true => self.apply_deletion(pod, Reason::NodeDrained),
                false => is_kept = true,
            }
        }
        if is_kept {
            self.schedule(self.world.time.after(RETRY), Event::Drain { node });
        }
    }

    /// Whether a DaemonSet made the pod, which would make it again on the same node.
    pub(in crate::engine) fn is_daemon(&self, pod: PodId) -> bool {
        let controller = self.world.controller_of(pod);
        controller.is_some_and(|controller| matches!(self.controller(controller).kind, ControllerKind::DaemonSet(_)))
    }

    /// Whether the pod is not evicted but ends with its node: a DaemonSet or the kubelet itself made it.
    pub(in crate::engine) fn stays_with_node(&self, pod: PodId) -> bool {
        self.is_daemon(pod) || self.disruption_of(pod).is_mirror
    }

    /// Whether the pod says that it is not to be disrupted now.
    pub(in crate::engine) fn is_protected(&self, pod: PodId) -> bool {
        let until = self.disruption_of(pod).do_not_disrupt.until(Some(self.world.pods.bound[pod.index()]));
        until.is_some_and(|until| until > self.world.time)
    }

    fn disruption_of(&self, pod: PodId) -> PodDisruption {
        self.model.workload.class(self.world.pods.class[pod.index()]).disruption
    }
}

//! Pods arrive.

use crate::engine::Event;
use crate::engine::run::Simulation;
use crate::ids::{NodeId, PodId};
use crate::model::ListedState;
use crate::observe::Observer;
use crate::policy::scheduler::{Placement, filter, gpus};
use crate::units::SimDuration;
use crate::world::pods::Reason;
use crate::world::{Deletion, Phase, View};

impl<O: Observer> Simulation<'_, O> {
    pub(in crate::engine) fn on_arrive(&mut self, source: u16) {
        let workload = &self.model.workload;
        let arriving = self.sources.take(workload, source.into(), self.world.time);
        let duration_ns = arriving.duration.map_or(u64::MAX, |duration| duration.0);
        let (class, held) = match arriving.node {
            Some(_) => (arriving.class, SimDuration::ZERO),
            None => self.defer(arriving.class, arriving.duration),
        };
        let pod = self.world.arrive((source, arriving.number), class, duration_ns);
        if let Some(next) = self.sources.next_arrival(workload, source.into()) {
            self.schedule(next, Event::Arrive { source });
        }
        self.note_past(pod, arriving.state);
        self.observer.pod_arrived(&View { model: self.model, world: &self.world }, pod);
        match arriving.node {
            Some(node) => self.admit(pod, node),
            None => self.hold(pod, held),
        }
    }

    /// Takes over what had become of a pod before the run.
    fn note_past(&mut self, pod: PodId, state: ListedState) {
        let ListedState { start_ns, nominated, is_terminating, owner } = state;
        if let Some(adoption) = owner {
            self.adopt(pod, adoption);
        }
        if let Some(start_ns) = start_ns {
            self.world.pods.start_ns[pod.index()] = start_ns;
        }
        if is_terminating {
            self.world.pods.deletion[pod.index()] = Deletion::Requested;
            self.world.recount(pod);
        }
        if let Some(node) = nominated {
            self.world.nominated.insert(pod, node);
        }
    }

    /// A pod that came bound to a node: the node takes it or refuses it, as a kubelet would. The scheduler is not
    /// asked, and neither are selectors, taints and cordons.
    fn admit(&mut self, pod: PodId, node: NodeId) {
        let view = View { model: self.model, world: &self.world };
        let up = self.world.nodes.state[node.index()].is_up();
        let resources_fit = filter::resource_refusal(&view, self.world.pods.class[pod.index()], node).is_none();
        let request = view.class_of(pod).gpu.as_ref();
        let left = self.world.nodes.gpu_left(node);
        if up && resources_fit && request.is_none_or(|request| filter::gpus_fit(request, left)) {
            let gpus = request.map_or(0, |request| gpus::best_fit(request, left));
            self.apply_placement(pod, &Placement { node, gpus, feasible: 1, best: -1, ties: 1 });
        } else {
            self.apply_end(pod, Phase::Failed, Reason::OutOfResources);
        }
    }

    /// Puts a pending pod into the queue.
    pub(in crate::engine) fn enqueue(&mut self, pod: PodId) {
        let class = self.world.pods.class[pod.index()];
        let view = View { model: self.model, world: &self.world };
        if let Some(queue) = &mut self.kube_queue {
            queue.pods.add(pod, class, &view, self.world.time);
            self.attend_queue();
            return;
        }
        if self.waiting.is_blocked(class) {
            // A node may have got room that the scheduler has not looked at yet: then the pod is not refused.
            self.unblock_helped_classes();
        }
        let view = View { model: self.model, world: &self.world };
        let rank = self.queue_order.rank(&view, pod);
        let blocked = self.waiting.is_blocked(class);
        self.waiting.push(class, rank, pod);
        if blocked {
            self.note_unschedulable(pod);
        } else {
            self.request_scheduling();
        }
    }
}

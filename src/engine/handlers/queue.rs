//! Pods wait in the queue of kube-scheduler: it hears of everything that may help one of them, and has timers.

use crate::engine::Event;
use crate::engine::run::Simulation;
use crate::ids::{NodeId, PodId};
use crate::observe::Observer;
use crate::policy::scheduler::Refusal;
use crate::policy::scheduler::kube::queue::{ClusterEvent, NodeObject, PluginSet, SchedulingQueue};
use crate::policy::scheduler::kube::{GPU_DEVICES, Nomination};
use crate::units::SimTime;
use crate::world::pods::Reason;
use crate::world::{Phase, View};

/// The queue and its timer.
#[derive(Debug)]
pub(in crate::engine) struct KubeQueue {
    pub(in crate::engine) pods: SchedulingQueue,
    /// When the pending [`Event::Flush`] is due; [`SimTime::NEVER`]: there is none.
    flush_at: SimTime,
    /// How many changes of nodes there had been when a flush last found nothing else to happen.
    idle_at: Option<u64>,
}

impl KubeQueue {
    pub(in crate::engine) fn new(pods: SchedulingQueue) -> KubeQueue {
        KubeQueue { pods, flush_at: SimTime::NEVER, idle_at: None }
    }
}

impl<O: Observer> Simulation<'_, O> {
    /// Tells the queue of something that may help a pod.
    pub(in crate::engine) fn tell_queue(&mut self, event: &ClusterEvent) {
        let Some(queue) = &mut self.kube_queue else { return };
        let view = View { model: self.model, world: &self.world };
        queue.pods.move_on_event(event, &view, self.world.time);
        self.attend_queue();
    }

    /// Tells the queue how a node has changed.
    pub(in crate::engine) fn tell_queue_of_node(&mut self, old: NodeObject, node: NodeId) {
        if self.kube_queue.is_none() {
            return;
        }
        let view = View { model: self.model, world: &self.world };
        let new = NodeObject::of(&view, node);
        let events = match self.world.nodes.state[node.index()].is_up() {
            true => ClusterEvent::of_node_update(&view, old, new),
            false => vec![ClusterEvent::NodeRemoved(old)],
        };
        for event in events {
            self.tell_queue(&event);
        }
    }

    /// Sees to it that active pods are tried, and that the timers ring.
    pub(in crate::engine) fn attend_queue(&mut self) {
        let Some(queue) = &mut self.kube_queue else { return };
        let [active, backoff, ..] = queue.pods.counts();
        let next = queue.pods.next_flush(self.world.time);
        if let Some(next) = next.filter(|next| *next < queue.flush_at) {
            queue.flush_at = next;
            self.schedule(next, Event::Flush);
        }
        if active + backoff > 0 {
            self.request_scheduling();
        }
    }

    /// The timers ring. When nothing else is left to happen and nothing has changed since they last rang, pods that wait
    /// would wait for ever: then they ring no more, so that the run can end.
    pub(in crate::engine) fn on_flush(&mut self) {
        let nothing_else = self.events.is_empty();
        let changes = self.world.changes.position();
        let Some(queue) = &mut self.kube_queue else { return };
        if queue.flush_at != self.world.time {
            return;
        }
        queue.flush_at = SimTime::NEVER;
        if nothing_else && queue.idle_at == Some(changes) {
            return;
        }
        queue.idle_at = nothing_else.then_some(changes);
        let view = View { model: self.model, world: &self.world };
        queue.pods.flush(&view, self.world.time);
        self.attend_queue();
    }

    /// The attempt of a pod has failed: it waits, and pods of lower priority may have to go for it.
    pub(in crate::engine) fn put_back(&mut self, pod: PodId, refusal: Refusal) {
        let rejecting = &refusal.diagnosis.unschedulable_plugins;
        let plugins = match refusal.is_error {
            true => PluginSet::EMPTY,
            // Our own filter of devices waits for the same events as the one of resources.
            false => PluginSet::of(rejecting.iter().map(|name| match name.as_ref() {
                GPU_DEVICES => "NodeResourcesFit",
                name => name,
            })),
        };
        if refusal.clears_nomination {
            self.clear_nomination(pod);
        }
        let view = View { model: self.model, world: &self.world };
        let Some(queue) = &mut self.kube_queue else { return };
        if refusal.nomination.is_some() {
            queue.pods.begin_preemption(pod);
        }
        queue.pods.add_unschedulable(pod, plugins, PluginSet::EMPTY, &view, self.world.time);
        match refusal.nomination {
            Some(nomination) => self.preempt(pod, nomination),
            None => self.attend_queue(),
        }
    }

    /// Promises the node to the pod, and ends the victims. The last of them to go lets the pod in again.
    fn preempt(&mut self, pod: PodId, nomination: Nomination) {
        let Nomination { node, victims, .. } = nomination;
        let priority = |simulation: &Self, pod: PodId| {
            simulation.model.workload.class(simulation.world.pods.class[pod.index()]).priority
        };
        let own = priority(self, pod);
        let promised = self.world.nominated.iter().filter(|(_, other)| **other == node).map(|(other, _)| *other);
        let outdone: Vec<PodId> = promised.filter(|other| priority(self, *other) < own).collect();
        outdone.into_iter().for_each(|other| self.clear_nomination(other));
        self.world.nominated.insert(pod, node);
        let (last, others) = victims.split_last().expect("a nomination has victims");
        for &victim in others {
            self.apply_eviction(victim, Phase::Deleted, Reason::Preempted);
        }
        let view = View { model: self.model, world: &self.world };
        if let Some(queue) = &mut self.kube_queue {
            queue.pods.end_preemption(pod, false, &view);
        }
        self.apply_eviction(*last, Phase::Deleted, Reason::Preempted);
    }

    /// Takes back the promise of a node.
    fn clear_nomination(&mut self, pod: PodId) {
        if self.world.nominated.remove(&pod).is_some() {
            let class = self.world.pods.class[pod.index()];
            let up_to = Some(self.model.workload.class(class).priority);
            self.tell_queue(&ClusterEvent::PodRemoved { class, up_to });
        }
    }
}

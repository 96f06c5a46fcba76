//! Pods wait in the queue of kube-scheduler: it hears of everything that may help one of them, and has timers.

use std::collections::BTreeMap;

use crate::engine::Event;
use crate::engine::run::Simulation;
use crate::ids::{NodeId, PodId};
use crate::model::OnUnschedulable;
use crate::observe::Observer;
use crate::policy::scheduler::Refusal;
use crate::policy::scheduler::kube::queue::{ClusterEvent, NodeObject, PluginSet, QueuedPod, SchedulingQueue};
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
    /// Pods that wait for an extender to bind them, as the queue knew them.
    pub(in crate::engine) binding: BTreeMap<PodId, QueuedPod>,
    /// How often an extender did not bind a pod.
    failed_bindings: u64,
    /// Whether something went wrong since the timers last rang.
    has_failed: bool,
    /// How often they rang since something last changed.
    idle_rings: u32,
}

/// How often pods whose attempts went wrong are tried again when nothing else is left to happen: what is outside the
/// simulation may recover, but need not.
const IDLE_RINGS_MAX: u32 = 5;

impl KubeQueue {
    pub(in crate::engine) fn new(pods: SchedulingQueue) -> KubeQueue {
        KubeQueue {
            pods,
            flush_at: SimTime::NEVER,
            idle_at: None,
            binding: BTreeMap::new(),
            failed_bindings: 0,
            has_failed: false,
            idle_rings: 0,
        }
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
    /// would wait for ever: then they ring no more, so that the run can end. Where something outside has failed, it gets a
    /// few more chances.
    pub(in crate::engine) fn on_flush(&mut self) {
        let nothing_else = self.events.is_empty();
        let Some(queue) = &mut self.kube_queue else { return };
        // A binding that failed has taken room and given it back, and nothing has changed.
        let changes = self.world.changes.position() - 2 * queue.failed_bindings;
        if queue.flush_at != self.world.time {
            return;
        }
        queue.flush_at = SimTime::NEVER;
        if nothing_else && queue.idle_at == Some(changes) {
            queue.idle_rings += 1;
            if !queue.has_failed || queue.idle_rings >= IDLE_RINGS_MAX {
                return;
            }
        } else {
            queue.idle_rings = 0;
        }
        queue.has_failed = false;
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
        if refusal.is_error {
            self.note_error(pod, &refusal.message);
        }
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

    /// Promises the node to the pod, and tells the victims to end. The last of them to go lets the pod in again.
    fn preempt(&mut self, pod: PodId, nomination: Nomination) {
        let node = nomination.node;
        let priority = |simulation: &Self, pod: PodId| {
            simulation.model.workload.class(simulation.world.pods.class[pod.index()]).priority
        };
        let own = priority(self, pod);
        let promised = self.world.nominated.on(node).iter().copied();
        let outdone: Vec<PodId> = promised.filter(|other| priority(self, *other) < own).collect();
        outdone.into_iter().for_each(|other| self.clear_nomination(other));
        self.world.nominated.insert(pod, node);
        self.observer.nominated(&View { model: self.model, world: &self.world }, pod, &nomination);
        let victims = nomination.victims;
        let (last, others) = victims.split_last().expect("a nomination has victims");
        for &victim in others {
            self.apply_preemption(victim);
        }
        let view = View { model: self.model, world: &self.world };
        if let Some(queue) = &mut self.kube_queue {
            queue.pods.end_preemption(pod, false, &view);
        }
        self.apply_preemption(*last);
    }

    /// Notes that the scheduler could not try a pod, or not bind it.
    fn note_error(&mut self, pod: PodId, message: &str) {
        self.world.pods.reason[pod.index()] = Reason::SchedulerError;
        if let Some(queue) = &mut self.kube_queue {
            queue.has_failed = true;
        }
        self.observer.scheduling_failed(&View { model: self.model, world: &self.world }, pod, message);
    }

    /// The attempt of a pod has succeeded. If an extender is to bind it, the queue's knowledge of it is kept until then.
    pub(in crate::engine) fn end_attempt(&mut self, pod: PodId) {
        let Some(queue) = &mut self.kube_queue else { return };
        let queued = queue.pods.take(pod);
        if self.scheduler.binds(&View { model: self.model, world: &self.world }, pod) {
            queue.binding.extend(queued.map(|queued| (pod, queued)));
        }
    }

    /// Whether an extender is to bind the pod.
    pub(in crate::engine) fn awaits_extender(&self, pod: PodId) -> bool {
        self.kube_queue.as_ref().is_some_and(|queue| queue.binding.contains_key(&pod))
    }

    /// Lets the extender bind a pod that waits for it; says whether the pod is bound. If not, its node is free again for
    /// others, and it is tried again after a wait (`handleBindingCycleError`).
    pub(in crate::engine) fn bind_by_extender(&mut self, pod: PodId) -> bool {
        let Some(queued) = self.kube_queue.as_mut().and_then(|queue| queue.binding.remove(&pod)) else { return true };
        let bound = self.scheduler.bind(&View { model: self.model, world: &self.world }, pod);
        let Err(message) = bound else { return true };
        if self.model.scheduling.on_unschedulable == OnUnschedulable::Drop {
            self.apply_end(pod, Phase::Deleted, Reason::None);
            self.note_error(pod, &message);
            return false;
        }
        self.apply_release(pod);
        self.world.set_phase(pod, Phase::Pending);
        self.note_error(pod, &message);
        let view = View { model: self.model, world: &self.world };
        if let Some(queue) = &mut self.kube_queue {
            queue.failed_bindings += 1;
            queue.pods.add_after_error(queued, &view, self.world.time);
        }
        self.attend_queue();
        false
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

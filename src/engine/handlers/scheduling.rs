//! The scheduler decides.

use crate::engine::Step;
use crate::engine::run::Simulation;
use crate::ids::PodId;
use crate::model::OnUnschedulable;
use crate::observe::Observer;
use crate::policy::scheduler::{Decision, filter};
use crate::world::pods::Reason;
use crate::world::{Phase, View};

impl<O: Observer> Simulation<'_, O> {
    pub(in crate::engine) fn on_schedule(&mut self) {
        self.schedule_due = false;
        if !self.world.health.services.api_server_is_up {
            return;
        }
        self.unblock_helped_classes();
        while !self.scheduler_busy
            && let Some((pod, rank)) = self.next_pod()
        {
            let delay = self.delay("delay/scheduling", |delays| &delays.scheduling, pod);
            if delay.0 == 0 {
                self.decide(pod, rank);
            } else {
                self.scheduler_busy = true;
                self.rank_in_hand = rank;
                self.schedule_step(pod, delay, Step::Decide);
            }
        }
    }

    pub(in crate::engine) fn on_decide(&mut self, pod: PodId) {
        self.scheduler_busy = false;
        if self.world.pods.phase[pod.index()] == Phase::Pending {
            self.decide(pod, self.rank_in_hand);
        } else if let Some(queue) = &mut self.kube_queue {
            queue.pods.done(pod);
        }
        self.attend_queue();
        if self.waiting.may_pop() || !self.freed.is_empty() {
            self.request_scheduling();
        }
    }

    /// The next pod to be tried, and its rank.
    fn next_pod(&mut self) -> Option<(PodId, i64)> {
        if let Some(queue) = &mut self.kube_queue {
            return queue.pods.pop().map(|queued| (queued.pod, 0));
        }
        // Pods that were deleted while they waited are still in line.
        std::iter::from_fn(|| self.waiting.pop()).find(|(pod, _)| self.world.pods.phase[pod.index()] == Phase::Pending)
    }

    /// Asks the policy and carries out what it says. The policy sees the world as it is when it has finished thinking.
    fn decide(&mut self, pod: PodId, rank: i64) {
        let view = View { model: self.model, world: &self.world };
        let class = self.world.pods.class[pod.index()];
        let decision = match self.observer.wants_explanation(&view, pod) {
            false => self.scheduler.decide_for(&view, pod),
            true => {
                let (decision, explanation) = self.scheduler.explain(&view, pod);
                self.observer.explained(&view, pod, &explanation);
                decision
            }
        };
        match &decision {
            Decision::Place(placement) => {
                self.world.pods.attempts[pod.index()] += 1;
                self.end_attempt(pod);
                self.apply_placement(pod, placement);
                self.observer.decided(&View { model: self.model, world: &self.world }, pod, &decision);
            }
            Decision::Unschedulable => match self.model.scheduling.on_unschedulable {
                OnUnschedulable::Drop => {
                    if let Some(queue) = &mut self.kube_queue {
                        queue.pods.done(pod);
                    }
                    self.apply_end(pod, Phase::Deleted, Reason::Unschedulable);
                    self.note_unschedulable(pod);
                }
                OnUnschedulable::Wait if self.kube_queue.is_some() => {
                    let refusal = self.scheduler.refusal();
                    self.note_unschedulable(pod);
                    self.put_back(pod, refusal);
                }
                OnUnschedulable::Wait => {
                    let untried = self.waiting.block(class, view.class(class).requests.cpu.0);
                    self.waiting.push(class, rank, pod);
                    self.note_unschedulable(pod);
                    // The others of the class fit nowhere either: to the observers they were tried, too.
                    for other in untried.into_iter().filter(|&other| other != pod) {
                        if self.world.pods.phase[other.index()] == Phase::Pending {
                            self.note_unschedulable(other);
                        }
                    }
                }
            },
        }
    }

    /// Notes an attempt that found no place.
    pub(in crate::engine) fn note_unschedulable(&mut self, pod: PodId) {
        self.world.pods.attempts[pod.index()] += 1;
        self.world.pods.reason[pod.index()] = Reason::Unschedulable;
        if self.world.pods.phase[pod.index()] == Phase::Pending {
            self.note_unplaced(pod);
        }
        self.observer.decided(&View { model: self.model, world: &self.world }, pod, &Decision::Unschedulable);
    }

    /// Lets blocked classes take turns again that fit a node which got room.
    pub(in crate::engine) fn unblock_helped_classes(&mut self) {
        let mut freed = std::mem::take(&mut self.freed);
        let view = View { model: self.model, world: &self.world };
        for node in freed.drain(..) {
            self.is_freed[node.index()] = false;
            let cpu = self.world.nodes.free_cpu[node.index()];
            self.waiting.unblock(cpu, |class| filter::fits(&view, class, node));
        }
        self.freed = freed;
    }
}

//! Decisions become changes: the only writer of the world.

use super::Step;
use super::run::Simulation;
use crate::ids::{NodeId, PodId};
use crate::model::controllers::ControllerKind;
use crate::model::{OnEviction, ShapeId};
use crate::observe::Observer;
use crate::policy::scheduler::kube::queue::{ClusterEvent, NodeObject, ObjectChange};
use crate::policy::scheduler::{Placement, kube};
use crate::units::{SimDuration, SimTime};
use crate::world::claims::ClaimKey;
use crate::world::pods::{NOT_STARTED_NS, Reason};
use crate::world::{BoundVolume, Deletion, NodeState, Phase, View, VolumeBinding};

impl<O: Observer> Simulation<'_, O> {
    /// Reserves the node for the pod and begins the binding.
    pub(super) fn apply_placement(&mut self, pod: PodId, placement: &Placement) {
        self.observer.node_changes(&View { model: self.model, world: &self.world }, placement.node);
        let view = View { model: self.model, world: &self.world };
        let claims = kube::allocate_claims(view, pod, placement.node);
        let volumes = kube::bind_volumes(view, pod, placement.node);
        let allocated = self.world.claims.take(pod, claims);
        let class = self.model.workload.class(self.world.pods.class[pod.index()]);
        self.world.place(class, pod, placement.node, placement.gpus);
        self.observer.pod_placed(&View { model: self.model, world: &self.world }, pod);
        self.world.nominated.remove(&pod);
        self.note_placed_or_gone(pod);
        self.note_pods_of(placement.node);
        self.tell_queue(&ClusterEvent::PodAssigned(self.world.pods.class[pod.index()]));
        for claim in allocated {
            if let ClaimKey::Named(position) = claim {
                self.tell_queue(&ClusterEvent::ObjectChanged(ObjectChange::ResourceClaimUpdated(position)));
            }
        }
        volumes.into_iter().for_each(|binding| self.apply_volume(binding));
        self.world.set_phase(pod, Phase::Bound);
        self.world.pods.reason[pod.index()] = Reason::None;
        let delay = self.slowed_write(self.delay("delay/binding", |delays| &delays.binding, pod));
        let delay = SimDuration(delay.0 + self.binding_write().0);
        // Extenders are called between decisions, not within one.
        if delay.0 == 0 && !self.awaits_extender(pod) {
            self.apply_binding(pod);
        } else {
            self.schedule_step(pod, delay, Step::Bind);
        }
    }

    /// A claim gets its volume.
    fn apply_volume(&mut self, binding: VolumeBinding) {
        let claim = binding.claim;
        let volume = match &binding.volume {
            BoundVolume::Found(_) => ObjectChange::VolumeUpdated { changes_topology: false },
            BoundVolume::Made { .. } => ObjectChange::VolumeAdded,
        };
        if self.world.volumes.bind(self.model, binding) {
            self.tell_queue(&ClusterEvent::ObjectChanged(volume));
            self.tell_queue(&ClusterEvent::ObjectChanged(ObjectChange::ClaimUpdated(claim)));
        }
    }

    /// The pod is bound and begins to start.
    pub(super) fn apply_binding(&mut self, pod: PodId) {
        if self.awaits_api_server(pod) || !self.bind_by_extender(pod) {
            return;
        }
        // Pods that came bound may have started before the run.
        let start_ns = &mut self.world.pods.start_ns[pod.index()];
        if *start_ns == NOT_STARTED_NS {
            *start_ns = i64::try_from(self.world.time.0).unwrap_or(NOT_STARTED_NS);
        }
        let bound = &mut self.world.pods.bound[pod.index()];
        if *bound == SimTime::NEVER {
            *bound = self.world.time;
        }
        self.world.set_phase(pod, Phase::Starting);
        self.review_pod(pod);
        if !self.is_held_back(pod, Step::Bind) {
            self.begin_start(pod);
        }
    }

    /// The node begins to start the pod.
    pub(super) fn begin_start(&mut self, pod: PodId) {
        let delay = self.delay("delay/start", |delays| &delays.start, pod);
        if delay.0 == 0 {
            self.apply_start(pod);
        } else {
            self.schedule_step(pod, delay, Step::Start);
        }
    }

    /// The pod runs, or where it is known what its containers do, they begin.
    pub(super) fn apply_start(&mut self, pod: PodId) {
        if self.begin_life(pod) {
            return;
        }
        self.apply_running(pod, self.world.time);
        self.begin_work(pod);
    }

    /// The pod, of whose containers nothing is known, is seen to run, since that instant.
    pub(super) fn apply_running(&mut self, pod: PodId, since: SimTime) {
        self.world.set_phase(pod, Phase::Running);
        self.world.pods.running[pod.index()] = since;
        self.note_server(pod);
    }

    /// The pod begins its work.
    pub(super) fn begin_work(&mut self, pod: PodId) {
        let duration_ns = self.world.pods.duration_ns[pod.index()];
        if duration_ns != u64::MAX {
            self.schedule_step(pod, SimDuration(duration_ns), Step::Finish);
        }
    }

    /// The pod ends, and gives back what it held.
    pub(super) fn apply_end(&mut self, pod: PodId, phase: Phase, reason: Reason) {
        self.end_life(pod);
        self.note_placed_or_gone(pod);
        if self.world.pods.node(pod).is_some() {
            self.apply_release(pod);
        }
        self.world.set_phase(pod, phase);
        self.world.pods.reason[pod.index()] = reason;
        self.world.pods.finished[pod.index()] = self.world.time;
        self.apply_readiness(pod, false);
        if self.is_forgotten(pod) {
            self.world.leave(pod);
        }
        self.tell_controller(pod);
    }

    /// The pod becomes ready, or is so no longer.
    pub(super) fn apply_readiness(&mut self, pod: PodId, is_ready: bool) {
        let now = self.world.time;
        let Some(member) = self.world.member_mut(pod) else { return };
        if (member.ready_since != SimTime::NEVER) != is_ready {
            member.ready_since = if is_ready { now } else { SimTime::NEVER };
            member.unready_since = if is_ready { SimTime::NEVER } else { now };
            self.world.recount(pod);
            self.tell_controller(pod);
            self.note_server(pod);
        }
    }

    /// Whether the controller of a pod that has ended has no use for it: it is deleted, or the controller counts only pods
    /// that have not ended.
    fn is_forgotten(&self, pod: PodId) -> bool {
        let Some(controller) = self.world.controller_of(pod) else { return false };
        match self.controller(controller).kind {
            // Jobs count every pod once, also those that were deleted.
            ControllerKind::Job(_) | ControllerKind::CronJob(_) | ControllerKind::ScaledJob(_) => {
                self.controller_loops.jobs.has_counted(pod)
            }
            ControllerKind::ReplicaSet(_) | ControllerKind::Deployment(_) | ControllerKind::Rollout(_) => true,
            _ => matches!(self.world.pods.phase[pod.index()], Phase::Deleted | Phase::Evicted),
        }
    }

    /// The pod loses its node: it ends in `phase`, or waits for a place again, as the model says.
    pub(super) fn apply_eviction(&mut self, pod: PodId, phase: Phase, reason: Reason) {
        self.world.pods.reason[pod.index()] = reason;
        self.observer.pod_evicted(&View { model: self.model, world: &self.world }, pod);
        let generation = &mut self.world.pods.generation[pod.index()];
        *generation = generation.wrapping_add(1);
        self.note_disruption(pod);
        let on_eviction = match self.world.member(pod) {
            // Its controller makes another.
            Some(_) => OnEviction::End,
            // Nobody but the kubelet of its node can make it.
            None if self.model.workload.class(self.world.pods.class[pod.index()]).disruption.is_mirror => {
                OnEviction::End
            }
            None => self.model.scheduling.on_eviction,
        };
        match on_eviction {
            OnEviction::End => self.apply_end(pod, phase, reason),
            OnEviction::Requeue => {
                self.apply_release(pod);
                self.world.pods.deletion[pod.index()] = Deletion::None;
                self.world.pods.start_ns[pod.index()] = NOT_STARTED_NS;
                self.world.set_phase(pod, Phase::Pending);
                self.world.pods.reason[pod.index()] = reason;
                self.enqueue(pod);
            }
        }
    }

    /// The pod ends by disruption, which its Job may count otherwise (condition `DisruptionTarget`).
    pub(super) fn note_disruption(&mut self, pod: PodId) {
        if let Some(member) = self.world.member_mut(pod) {
            member.is_disrupted = true;
        }
    }

    pub(super) fn apply_release(&mut self, pod: PodId) {
        if let Some(queue) = &mut self.kube_queue {
            queue.binding.remove(&pod);
        }
        let node = self.world.pods.node(pod).expect("a pod without a node is released");
        self.lifecycle.forget(pod);
        let view = View { model: self.model, world: &self.world };
        self.observer.node_changes(&view, node);
        self.observer.pod_leaves(&view, pod);
        let class = self.model.workload.class(self.world.pods.class[pod.index()]);
        self.world.release(class, pod);
        let frees_devices = self.world.claims.give_back(pod);
        self.note_pod_left(node);
        self.note_room(node);
        self.retry_resizes(node);
        self.note_server(pod);
        let class = self.world.pods.class[pod.index()];
        self.tell_queue(&ClusterEvent::PodRemoved { class, up_to: None });
        if frees_devices {
            self.tell_queue(&ClusterEvent::ObjectChanged(ObjectChange::DevicesFreed));
        }
    }

    /// A new node joins.
    pub(super) fn apply_new_node(&mut self, name: &str, shape: ShapeId) {
        let node = self.world.add_node(self.model, name, shape);
        self.is_freed.push(false);
        self.learn_daemon_classes(node);
        self.lifecycle.add_node(self.world.time);
        let view = View { model: self.model, world: &self.world };
        self.observer.node_added(&view, node);
        let event = ClusterEvent::NodeAdded(NodeObject::of(&view, node));
        self.note_room(node);
        self.tell_queue(&event);
        self.schedule_faults_of(node);
        self.look_at_nodes_soon();
        self.tell_daemon_sets();
    }

    /// The node changes its state.
    pub(super) fn apply_node_state(&mut self, node: NodeId, state: NodeState) {
        let view = View { model: self.model, world: &self.world };
        self.observer.node_changes(&view, node);
        let old = NodeObject::of(&view, node);
        self.world.set_node_state(node, state);
        self.tell_queue_of_node(old, node);
        self.tell_daemon_sets();
        if state == NodeState::Ready {
            self.note_room(node);
        }
        if !state.is_up() {
            self.note_node_gone(node);
        }
    }

    /// Notes that a node has more room than before, which may help a waiting pod.
    pub(super) fn note_room(&mut self, node: NodeId) {
        if self.waiting.any_blocked() && !std::mem::replace(&mut self.is_freed[node.index()], true) {
            self.freed.push(node);
            self.request_scheduling();
        }
    }

    /// Makes sure that the scheduler looks at the waiting pods at this instant.
    pub(super) fn request_scheduling(&mut self) {
        if !self.schedule_due && !self.scheduler_busy {
            self.schedule_due = true;
            self.schedule(self.world.time, super::Event::Schedule);
        }
    }
}

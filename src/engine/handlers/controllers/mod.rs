//! Controllers act: they look at what they own and write what is missing or too much.
//!
//! A controller is synced when something that it watches has changed, and at the instant it asked for; all changes of one
//! instant lead to one sync, after them and before the scheduler.

mod deployments;
mod jobs;
mod quotas;
mod rollouts;
mod scaled_jobs;
mod sets;

use std::collections::BTreeMap;

use deployments::Annotations;
use jobs::JobLoops;
use rollouts::RolloutState;

use crate::engine::Event;
use crate::engine::run::Simulation;
use crate::ids::{ControllerId, OwnerId, PodId, RevisionId};
use crate::model::controllers::{Adoption, Controller, ControllerKind, Operation, PodLife, Verb};
use crate::observe::Observer;
use crate::policy::controllers::daemon_set::FailureBackoffs;
use crate::policy::controllers::deployment::DeploymentStatus;
use crate::policy::controllers::stateful_set::StatefulSetStatus;
use crate::policy::controllers::{ObservedPod, PodPhase};
use crate::units::{SimDuration, SimTime};
use crate::world::pods::{MADE_BY_CONTROLLER, Reason};
use crate::world::{Deletion, Phase, View};

/// What the controllers keep beside what the API keeps.
#[derive(Debug)]
pub(in crate::engine) struct ControllerLoops {
    /// When the pending [`Event::Sync`] of each controller is due; [`SimTime::NEVER`]: there is none.
    sync_at: Vec<SimTime>,
    /// Whether each controller has had a pod refused since its last sync began.
    is_refused: Vec<bool>,
    /// Since when the pods of each controller are counted, and how many it has made since.
    made_at: Vec<(SimTime, u32)>,
    /// A controller that makes pods without end while time hardly moves: the run is given up.
    pub(in crate::engine) endless: Option<ControllerId>,
    /// Until when each controller waits to see what it has written.
    held_until: Vec<SimTime>,
    /// `status` of Deployments.
    deployments: BTreeMap<ControllerId, DeploymentStatus>,
    /// Rollouts.
    rollouts: BTreeMap<ControllerId, RolloutState>,
    /// What Deployments and Rollouts have written into their ReplicaSets.
    annotations: BTreeMap<OwnerId, Annotations>,
    /// `status` of StatefulSets.
    stateful_sets: BTreeMap<ControllerId, StatefulSetStatus>,
    /// Nodes on which pods of DaemonSets failed.
    daemon_backoffs: BTreeMap<ControllerId, FailureBackoffs>,
    /// Jobs, CronJobs and ScaledJobs.
    pub(in crate::engine) jobs: JobLoops,
}

impl ControllerLoops {
    pub(in crate::engine) fn new(controllers: usize) -> ControllerLoops {
        ControllerLoops {
            sync_at: vec![SimTime::NEVER; controllers],
            is_refused: vec![false; controllers],
            made_at: vec![(SimTime::ZERO, 0); controllers],
            endless: None,
            held_until: vec![SimTime::ZERO; controllers],
            deployments: BTreeMap::new(),
            rollouts: BTreeMap::new(),
            annotations: BTreeMap::new(),
            stateful_sets: BTreeMap::new(),
            daemon_backoffs: BTreeMap::new(),
            jobs: JobLoops::default(),
        }
    }
}

impl ControllerLoops {
    /// Forgets what was kept of an object that is gone: one of that name that comes later begins anew.
    fn forget(&mut self, controller: ControllerId) {
        self.deployments.remove(&controller);
        self.rollouts.remove(&controller);
        self.stateful_sets.remove(&controller);
        self.daemon_backoffs.remove(&controller);
        self.jobs.forget(controller);
    }
}

/// Letters of generated names (`apimachinery/pkg/util/rand`): none that could form a word.
const NAME_LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// How many pods a controller that wants up to ten may make within [`MADE_WITHIN`]; others that many more.
const MADE_AT_ONCE_MAX: usize = 1000;
const MADE_WITHIN: SimDuration = SimDuration(1_000_000);
/// Length of a generated suffix.
const SUFFIX_LENGTH: usize = 5;

impl<'m, O: Observer> Simulation<'m, O> {
    /// Creates the controllers that are there from the start.
    pub(in crate::engine) fn create_controllers(&mut self) {
        for index in 0..self.model.controllers.list.len() {
            if self.model.controllers.list[index].is_there_at_start {
                self.operate(Operation { controller: ControllerId::from_index(index), verb: Verb::Create });
            }
        }
    }

    /// Somebody changes an object that makes pods, and its controller sees it at once. What is not there cannot be changed.
    pub(in crate::engine) fn operate(&mut self, operation: Operation) {
        self.change(operation);
        self.request_sync(operation.controller, self.world.time);
    }

    /// The same, before its controller has seen it.
    pub(in crate::engine) fn change(&mut self, operation: Operation) {
        let Operation { controller, verb } = operation;
        let now = self.world.time;
        let state = &mut self.world.owners.controllers[controller.index()];
        if state.is_there == (verb == Verb::Create) {
            return;
        }
        state.generation += 1;
        match verb {
            Verb::Create => {
                state.is_there = true;
                state.created = now;
            }
            Verb::Delete => self.delete_controller(controller),
            Verb::Scale(replicas) => state.replicas = replicas,
            Verb::MakeJobs(count) => self.controller_loops.jobs.ask_for(controller, count),
            Verb::SetTemplate(template) => state.template = template,
            Verb::Pause => state.is_paused = true,
            Verb::Resume => state.is_paused = false,
            Verb::RollBack => self.roll_back(controller),
            Verb::Promote | Verb::PromoteFully => state.is_paused = false,
            Verb::Abort | Verb::Retry => {}
        }
        self.operate_rollout(controller, verb);
        self.note_change(controller);
    }

    /// The controller goes, and all that it owns with it (garbage collection by ownership).
    fn delete_controller(&mut self, controller: ControllerId) {
        let state = &mut self.world.owners.controllers[controller.index()];
        state.is_there = false;
        for owner in state.owners.clone() {
            self.delete_owner(owner);
        }
        self.controller_loops.forget(controller);
    }

    /// An owner goes, and its pods with it.
    pub(in crate::engine) fn delete_owner(&mut self, owner: OwnerId) {
        for pod in self.world.owners.list[owner.index()].pods.clone() {
            self.delete_pod(pod, Reason::Deleted);
        }
        self.world.remove_owner(owner);
    }

    /// Makes sure that the controller looks at what it owns at `at` or before.
    pub(in crate::engine) fn request_sync(&mut self, controller: ControllerId, at: SimTime) {
        let at = at.max(self.controller_loops.held_until[controller.index()]);
        let pending = &mut self.controller_loops.sync_at[controller.index()];
        if at < *pending {
            *pending = at;
            self.schedule(at, Event::Sync { controller });
        }
    }

    /// The controller has written something that it sees at `seen`, and does not look again before.
    pub(in crate::engine) fn hold_controller(&mut self, controller: ControllerId, seen: SimTime) {
        let held = &mut self.controller_loops.held_until[controller.index()];
        *held = seen.max(*held);
    }

    /// Something about a pod has changed that its controller watches.
    pub(in crate::engine) fn tell_controller(&mut self, pod: PodId) {
        if let Some(controller) = self.world.controller_of(pod) {
            self.note_change(controller);
            let seen = self.seen_at(controller);
            self.request_sync(controller, seen);
        }
    }

    /// Tells the observers of a change.
    fn note_change(&mut self, controller: ControllerId) {
        if let Some(autoscaling) = &mut self.autoscaling {
            autoscaling.note_change(controller);
        }
        self.observer.controller_changed(&View { model: self.model, world: &self.world }, controller);
    }

    pub(in crate::engine) fn on_sync(&mut self, controller: ControllerId) {
        let pending = &mut self.controller_loops.sync_at[controller.index()];
        if *pending != self.world.time {
            return;
        }
        *pending = SimTime::NEVER;
        if self.world.time < self.controller_loops.held_until[controller.index()] {
            return self.request_sync(controller, self.world.time);
        }
        // Without the API server nothing is seen and nothing written; all are synced when it answers again.
        let api_server_is_up = self.world.health.services.api_server_is_up;
        if !self.world.owners.controllers[controller.index()].is_there || !api_server_is_up {
            return;
        }
        self.controller_loops.is_refused[controller.index()] = false;
        let wake = match &self.controller(controller).kind {
            ControllerKind::ReplicaSet(_) => self.sync_replica_set(controller),
            ControllerKind::Deployment(_) => self.sync_deployment(controller),
            ControllerKind::Rollout(_) => self.sync_rollout(controller),
            ControllerKind::StatefulSet(_) => self.sync_stateful_set(controller),
            ControllerKind::DaemonSet(_) => self.sync_daemon_set(controller),
            ControllerKind::Job(_) => self.sync_job(controller),
            ControllerKind::CronJob(_) => self.sync_cron_job(controller),
            ControllerKind::ScaledJob(_) => self.sync_scaled_job(controller),
        };
        if let Some(wake) = wake {
            self.request_sync(controller, wake);
        }
    }

    /// The controller as it was written.
    pub(in crate::engine) fn controller(&self, controller: ControllerId) -> &'m Controller {
        &self.model.controllers.list[controller.index()]
    }

    /// The one owner of a controller that owns its pods itself; made if it is not there.
    pub(in crate::engine) fn own_owner(&mut self, controller: ControllerId) -> OwnerId {
        let state = &self.world.owners.controllers[controller.index()];
        let template = state.template;
        match state.owners.first() {
            Some(owner) => *owner,
            None => self.world.add_owner(controller, self.controller(controller).name.clone(), template),
        }
    }

    /// The pods of an owner as its controller sees them.
    pub(in crate::engine) fn observe_pods(&self, owner: OwnerId) -> Vec<ObservedPod> {
        self.world.owners.list[owner.index()].pods.iter().map(|pod| self.observe_pod(*pod)).collect()
    }

    /// A pod as its controller sees it.
    pub(in crate::engine) fn observe_pod(&self, pod: PodId) -> ObservedPod {
        let pods = &self.world.pods;
        let member = self.world.member(pod).expect("owners list pods that have an owner");
        let ready_since = (member.ready_since != SimTime::NEVER).then_some(member.ready_since);
        ObservedPod {
            id: pod,
            created: pods.arrival[pod.index()],
            phase: match pods.phase[pod.index()] {
                Phase::Pending | Phase::Bound | Phase::Starting => PodPhase::Pending,
                Phase::Running => PodPhase::Running,
                Phase::Succeeded => PodPhase::Succeeded,
                Phase::Failed | Phase::Evicted | Phase::Deleted => PodPhase::Failed,
            },
            node: pods.node(pod),
            ready_since,
            is_terminating: pods.deletion[pod.index()] != Deletion::None,
            revision: member.template,
            ordinal: member.ordinal,
            restarts: member.restarts,
            sidecar_restarts: member.sidecar_restarts,
            deletion_cost: 0,
        }
    }

    /// Makes a pod, which waits for a node from now on; none where a quota is in the way.
    pub(in crate::engine) fn make_pod(&mut self, owner: OwnerId, template: RevisionId, ordinal: u32) -> Option<PodId> {
        let controller = self.world.owners.list[owner.index()].controller;
        let (class, resized) = self.size_new_pod(controller, template, ordinal);
        // After a refusal the rest of the sync is left out.
        if self.controller_loops.is_refused[controller.index()] || !self.quotas_allow(class) {
            self.note_refusal(controller);
            return None;
        }
        self.world.owners.controllers[controller.index()].refusals = 0;
        let name = self.pod_name(owner, ordinal);
        let number = u32::try_from(self.world.owners.members.len()).expect("there are fewer than 2^32 pods");
        let (class, held) = self.defer(class, None);
        let pod = self.world.arrive((MADE_BY_CONTROLLER, number), class, u64::MAX);
        self.world.join(pod, owner, name, template, ordinal);
        if let Some(member) = self.world.member_mut(pod) {
            member.resized = resized;
        }
        self.observer.pod_arrived(&View { model: self.model, world: &self.world }, pod);
        self.note_change(controller);
        self.hold(pod, held);
        self.note_made(controller);
        Some(pod)
    }

    /// Sees to it that the run ends where a controller makes pods without end, each of which is gone at once: one that
    /// tolerates the taint of its node for no time, say.
    fn note_made(&mut self, controller: ControllerId) {
        let now = self.world.time;
        let (at, count) = &mut self.controller_loops.made_at[controller.index()];
        if now >= at.after(MADE_WITHIN) {
            (*at, *count) = (now, 0);
        }
        *count += 1;
        let count = *count as usize;
        if count > MADE_AT_ONCE_MAX && count > MADE_AT_ONCE_MAX / 10 * self.pods_wanted(controller) {
            self.controller_loops.endless = Some(controller);
        }
    }

    /// How many pods a controller may come to need at most, if each does what it is there for.
    fn pods_wanted(&self, controller: ControllerId) -> usize {
        let kind = &self.controller(controller).kind;
        let wanted = match kind.job() {
            Some(job) => job.parallelism.max(job.completions.unwrap_or(0)),
            None if matches!(kind, ControllerKind::DaemonSet(_)) => return self.world.nodes.len(),
            None => self.world.owners.controllers[controller.index()].replicas,
        };
        usize::try_from(wanted).unwrap_or(0)
    }

    /// A pod that was there before the run comes to the object that made it. Pods of CronJobs and ScaledJobs stay on their own:
    /// their Job goes on without them.
    pub(in crate::engine) fn adopt(&mut self, pod: PodId, adoption: Adoption) {
        let Adoption { controller, template, ordinal } = adoption;
        let owner = match &self.controller(controller).kind {
            ControllerKind::CronJob(_) | ControllerKind::ScaledJob(_) => return,
            ControllerKind::Deployment(_) | ControllerKind::Rollout(_) => self.replica_set_with(controller, template),
            _ => self.own_owner(controller),
        };
        let name = View { model: self.model, world: &self.world }.pod_name(pod);
        self.world.join(pod, owner, name, template, ordinal);
        self.note_change(controller);
    }

    /// What the pods of an owner do.
    pub(in crate::engine) fn life_of(&self, owner: OwnerId) -> &'m PodLife {
        let entry = &self.world.owners.list[owner.index()];
        let template = &self.controller(entry.controller).templates[entry.template.index()];
        &self.model.controllers.lives[template.life.index()]
    }

    /// The name of the next pod of an owner, as its kind forms it.
    fn pod_name(&self, owner: OwnerId, ordinal: u32) -> String {
        let Owned { name, controller, made, is_indexed } = self.owned(owner);
        if matches!(controller.kind, ControllerKind::StatefulSet(_)) {
            return format!("{name}-{ordinal}");
        }
        let suffix = self.generated_suffix("pod/name", u64::from(owner.0) << 32 | u64::from(made));
        if is_indexed { format!("{name}-{ordinal}-{suffix}") } else { format!("{name}-{suffix}") }
    }

    /// What the API server puts behind a `generateName`.
    fn generated_suffix(&self, purpose: &str, number: u64) -> String {
        let mut stream = self.model.seed.stream(purpose, number);
        let letter = |_| char::from(NAME_LETTERS[stream.below(NAME_LETTERS.len() as u64) as usize]);
        (0..SUFFIX_LENGTH).map(letter).collect()
    }

    fn owned(&self, owner: OwnerId) -> Owned<'_> {
        let entry = &self.world.owners.list[owner.index()];
        let controller = self.controller(entry.controller);
        let is_indexed = controller.kind.job().is_some_and(|job| job.is_indexed);
        let made = self.world.owners.controllers[entry.controller.index()].pods_made;
        Owned { name: &entry.name, controller, made, is_indexed }
    }
}

/// What forms the names of an owner's pods.
struct Owned<'a> {
    name: &'a str,
    controller: &'a Controller,
    made: u32,
    is_indexed: bool,
}

#[cfg(test)]
mod tests;

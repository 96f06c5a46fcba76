//! Deployments act through ReplicaSets, ReplicaSets through pods.

use crate::engine::handlers::writes::Write;
use crate::engine::run::Simulation;
use crate::ids::{ControllerId, OwnerId, RevisionId};
use crate::model::controllers::{ControllerKind, DeploymentSpec, ReplicaSetSpec};
use crate::observe::Observer;
use crate::policy::controllers::deployment::{self, ObservedDeployment, ObservedReplicaSet, Write as Change};
use crate::policy::controllers::{ObservedPod, earlier, replica_set};
use crate::units::{SimDuration, SimTime};

/// A Deployment or Rollout that has not settled after so many syncs at one instant never will.
pub(super) const SYNCS_MAX: usize = 1000;

/// What a Deployment or Rollout writes into a ReplicaSet beside its size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Annotations {
    pub(super) revision: i64,
    pub(super) desired_replicas: Option<i32>,
    /// Rollouts do not write it.
    pub(super) max_replicas: Option<i32>,
    pub(super) min_ready: SimDuration,
    /// When a Rollout lets it go.
    pub(super) scale_down_at: Option<SimTime>,
}

impl<O: Observer> Simulation<'_, O> {
    /// Syncs a ReplicaSet that stands alone.
    pub(super) fn sync_replica_set(&mut self, controller: ControllerId) -> Option<SimTime> {
        let ControllerKind::ReplicaSet(spec) = &self.controller(controller).kind else {
            unreachable!("asked for ReplicaSets only")
        };
        let state = &self.world.owners.controllers[controller.index()];
        let spec = ReplicaSetSpec { replicas: state.replicas, ..*spec };
        let template = state.template;
        let owner = self.own_owner(controller);
        let entry = &mut self.world.owners.list[owner.index()];
        // The pods that are there keep theirs.
        entry.template = template;
        entry.replicas = spec.replicas;
        let pods = self.observe_pods(owner);
        self.manage_replicas(owner, &spec, &pods, &[])
    }

    fn manage_replicas(
        &mut self,
        owner: OwnerId,
        spec: &ReplicaSetSpec,
        pods: &[ObservedPod],
        related: &[ObservedPod],
    ) -> Option<SimTime> {
        let plan = replica_set::manage_replicas(spec, pods, related, self.world.time);
        let template = self.world.owners.list[owner.index()].template;
        let controller = self.world.owners.list[owner.index()].controller;
        for _ in 0..plan.create {
            self.write(controller, Write::Make { owner, template, ordinal: 0, index_failures: (0, 0) });
        }
        for pod in plan.delete {
            self.write(controller, Write::Delete { pod });
        }
        plan.wake
    }

    /// Syncs a Deployment and its ReplicaSets until nothing is left to do at this instant.
    pub(super) fn sync_deployment(&mut self, controller: ControllerId) -> Option<SimTime> {
        let now = self.world.time;
        for _ in 0..SYNCS_MAX {
            let mut wake = self.sync_replica_sets_of(controller);
            let spec = self.deployment_spec(controller);
            let sets = self.observe_replica_sets(controller);
            let state = &self.world.owners.controllers[controller.index()];
            let status = self.controller_loops.deployments.get(&controller).copied().unwrap_or_default();
            let object = ObservedDeployment {
                spec: &spec,
                template: state.template,
                generation: state.generation,
                status: &status,
                replica_sets: &sets,
            };
            let sync = deployment::sync(&object, now);
            self.controller_loops.deployments.insert(controller, sync.status);
            for change in sync.writes {
                self.write_replica_set(controller, change);
            }
            wake = earlier(wake, sync.wake);
            if wake != Some(now) {
                return wake;
            }
            if !self.model.control_plane.is_ideal() {
                return Some(self.own_write_seen_at(controller));
            }
        }
        panic!("the Deployment `{}` does not settle", self.controller(controller).name);
    }

    fn deployment_spec(&self, controller: ControllerId) -> DeploymentSpec {
        let ControllerKind::Deployment(spec) = &self.controller(controller).kind else {
            unreachable!("asked for Deployments only")
        };
        let state = &self.world.owners.controllers[controller.index()];
        DeploymentSpec { replicas: state.replicas, is_paused: state.is_paused, ..spec.clone() }
    }

    pub(super) fn sync_replica_sets_of(&mut self, controller: ControllerId) -> Option<SimTime> {
        let owners = self.world.owners.controllers[controller.index()].owners.clone();
        let pods: Vec<Vec<ObservedPod>> = owners.iter().map(|owner| self.observe_pods(*owner)).collect();
        let related = pods.concat();
        let mut wake = None;
        for (owner, pods) in owners.into_iter().zip(&pods) {
            let spec = ReplicaSetSpec {
                replicas: self.world.owners.list[owner.index()].replicas,
                min_ready: self.controller_loops.annotations[&owner].min_ready,
            };
            wake = earlier(wake, self.manage_replicas(owner, &spec, pods, &related));
        }
        wake
    }

    pub(super) fn observe_replica_sets(&self, controller: ControllerId) -> Vec<ObservedReplicaSet> {
        let owners = &self.world.owners.controllers[controller.index()].owners;
        owners.iter().map(|owner| self.observe_replica_set(*owner)).collect()
    }

    fn observe_replica_set(&self, id: OwnerId) -> ObservedReplicaSet {
        let owner = &self.world.owners.list[id.index()];
        let annotations = &self.controller_loops.annotations[&id];
        let pods = self.observe_pods(id);
        let unfinished = pods.iter().filter(|pod| !pod.phase.is_finished()).count();
        ObservedReplicaSet {
            id,
            created: owner.created,
            is_terminating: false,
            template: owner.template,
            replicas: owner.replicas,
            min_ready: annotations.min_ready,
            revision: annotations.revision,
            desired_replicas: annotations.desired_replicas,
            max_replicas: annotations.max_replicas,
            status: replica_set::status(annotations.min_ready, &pods, self.world.time),
            is_observed: true,
            unfinished_pods: u32::try_from(unfinished).expect("a ReplicaSet has fewer than 2^32 pods"),
        }
    }

    fn write_replica_set(&mut self, controller: ControllerId, change: Change) {
        match change {
            Change::CreateReplicaSet { template, replicas, min_ready, revision, desired_replicas, max_replicas } => {
                let owner = self.make_release_set(controller, template, min_ready, revision);
                self.world.owners.list[owner.index()].replicas = replicas;
                let written = self.annotations_of(owner);
                written.desired_replicas = Some(desired_replicas);
                written.max_replicas = Some(max_replicas);
            }
            Change::AdoptReplicaSet { id, min_ready, revision } => {
                let written = self.annotations_of(id);
                written.min_ready = min_ready;
                written.revision = revision;
            }
            Change::ScaleReplicaSet { id, replicas, desired_replicas, max_replicas } => {
                let written = self.annotations_of(id);
                written.desired_replicas = Some(desired_replicas);
                written.max_replicas = Some(max_replicas);
                self.world.owners.list[id.index()].replicas = replicas;
            }
            Change::DeleteReplicaSet(id) => {
                self.controller_loops.annotations.remove(&id);
                self.delete_owner(id);
            }
        }
    }

    pub(super) fn annotations_of(&mut self, id: OwnerId) -> &mut Annotations {
        let annotations = self.controller_loops.annotations.get_mut(&id);
        annotations.expect("ReplicaSets of Deployments and Rollouts have annotations")
    }

    /// Makes a ReplicaSet without pods.
    pub(super) fn make_release_set(
        &mut self,
        controller: ControllerId,
        template: RevisionId,
        min_ready: SimDuration,
        revision: i64,
    ) -> OwnerId {
        let name = self.replica_set_name(controller, template);
        let owner = self.world.add_owner(controller, name, template);
        let written =
            Annotations { revision, desired_replicas: None, max_replicas: None, min_ready, scale_down_at: None };
        self.controller_loops.annotations.insert(owner, written);
        owner
    }

    /// The ReplicaSet that pods of before the run belong to, one larger than before.
    pub(super) fn replica_set_with(&mut self, controller: ControllerId, template: RevisionId) -> OwnerId {
        let owners = &self.world.owners;
        let mut sets = owners.controllers[controller.index()].owners.iter();
        let found = sets.find(|owner| owners.list[owner.index()].template == template).copied();
        let owner = found.unwrap_or_else(|| {
            let is_present = template == self.world.owners.controllers[controller.index()].template;
            let templates = self.controller(controller).templates.len() as i64;
            // Later templates of a dump are older.
            let revision = if is_present { templates } else { templates - i64::from(template.0) };
            let (min_ready, max_replicas) = match &self.controller(controller).kind {
                ControllerKind::Rollout(spec) => (spec.min_ready, None),
                _ => {
                    let spec = self.deployment_spec(controller);
                    (spec.min_ready, Some(spec.replicas + deployment::max_surge(&spec)))
                }
            };
            let replicas = self.world.owners.controllers[controller.index()].replicas;
            let owner = self.make_release_set(controller, template, min_ready, revision);
            let written = self.annotations_of(owner);
            written.desired_replicas = Some(replicas);
            written.max_replicas = max_replicas;
            owner
        });
        self.world.owners.list[owner.index()].replicas += 1;
        owner
    }

    fn replica_set_name(&self, controller: ControllerId, template: RevisionId) -> String {
        let deployment = self.controller(controller);
        format!("{}-{}", deployment.name, deployment.templates[template.index()].hash)
    }

    /// `kubectl rollout undo`: the template before the present one, where there is one.
    pub(super) fn roll_back(&mut self, controller: ControllerId) {
        let before = match &self.controller(controller).kind {
            ControllerKind::Deployment(_) | ControllerKind::Rollout(_) => {
                deployment::template_before(&self.observe_replica_sets(controller))
            }
            _ => {
                let template = self.world.owners.controllers[controller.index()].template;
                template.0.checked_sub(1).map(RevisionId)
            }
        };
        if let Some(before) = before {
            self.world.owners.controllers[controller.index()].template = before;
        }
    }
}

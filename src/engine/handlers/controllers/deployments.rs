//! Deployments act through ReplicaSets, ReplicaSets through pods.

use crate::engine::handlers::writes::Write;
use crate::engine::run::Simulation;
use crate::ids::{ControllerId, OwnerId, RevisionId};
use crate::model::controllers::{ControllerKind, DeploymentSpec, ReplicaSetSpec};
use crate::observe::Observer;
use crate::policy::controllers::deployment::{self, ObservedDeployment, ObservedReplicaSet, Write as Change};
use crate::policy::controllers::replica_set::{self, Counted, Plan, ReplicaSetStatus};
use crate::policy::controllers::{ObservedPod, earlier};
use crate::units::{SimDuration, SimTime};

/// A Deployment or Rollout that has not settled after so many syncs at one instant never will: a million pods come and go 500
/// at a sync.
pub(super) const SYNCS_MAX: usize = 10_000;

/// Plans for up to so many pods are compared with those from a look at every pod, where debug assertions are on.
const ORACLE_PODS_MAX: usize = 100;

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
        let plan = self.plan_replicas(owner, &spec, &[]);
        self.write_replicas(owner, plan)
    }

    /// What a ReplicaSet makes or gives up; `related` are all those of the Deployment that owns it.
    fn plan_replicas(&self, owner: OwnerId, spec: &ReplicaSetSpec, related: &[OwnerId]) -> Plan {
        let (entry, now) = (&self.world.owners.list[owner.index()], self.world.time);
        let active = entry.tally.active as usize;
        let counted = Counted { active, next_available: entry.tally.next_available(spec.min_ready, now) };
        let plan = replica_set::plan(spec, counted, now, |count| {
            if count == active {
                return entry.pods.iter().copied().filter(|pod| self.observe_pod(*pod).is_active()).collect();
            }
            let candidates = self.world.first_given_up(owner, related, count);
            let candidates: Vec<ObservedPod> = candidates.into_iter().map(|pod| self.observe_pod(pod)).collect();
            replica_set::ranked(&candidates, |node| self.world.active_on(node, related), count, now)
        });
        debug_assert!(
            !self.are_few(owner, related) || plan == self.plan_from_all_pods(owner, spec, related),
            "{plan:?}"
        );
        plan
    }

    /// Whether there are so few pods that a look at all of them costs little.
    fn are_few(&self, owner: OwnerId, related: &[OwnerId]) -> bool {
        let owners = related.iter().chain([&owner]);
        owners.map(|owner| self.world.owners.list[owner.index()].pods.len()).sum::<usize>() <= ORACLE_PODS_MAX
    }

    /// The same plan, from a look at every pod.
    fn plan_from_all_pods(&self, owner: OwnerId, spec: &ReplicaSetSpec, related: &[OwnerId]) -> Plan {
        let related: Vec<ObservedPod> = related.iter().flat_map(|owner| self.observe_pods(*owner)).collect();
        replica_set::manage_replicas(spec, &self.observe_pods(owner), &related, self.world.time)
    }

    fn write_replicas(&mut self, owner: OwnerId, plan: Plan) -> Option<SimTime> {
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
        let plan = |owner: &OwnerId| {
            let replicas = self.world.owners.list[owner.index()].replicas;
            let spec = ReplicaSetSpec { replicas, min_ready: self.controller_loops.annotations[owner].min_ready };
            self.plan_replicas(*owner, &spec, &owners)
        };
        // All look before one writes.
        let plans: Vec<Plan> = owners.iter().map(plan).collect();
        let mut wake = None;
        for (owner, plan) in owners.into_iter().zip(plans) {
            wake = earlier(wake, self.write_replicas(owner, plan));
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
        let (tally, min_ready) = (&owner.tally, annotations.min_ready);
        let count = |pods: u32| i32::try_from(pods).expect("pods are counted in i32, as upstream's");
        ObservedReplicaSet {
            id,
            created: owner.created,
            is_terminating: false,
            template: owner.template,
            replicas: owner.replicas,
            min_ready,
            revision: annotations.revision,
            desired_replicas: annotations.desired_replicas,
            max_replicas: annotations.max_replicas,
            status: ReplicaSetStatus {
                replicas: count(tally.active),
                ready: count(tally.ready),
                available: count(tally.available(min_ready, self.world.time)),
                terminating: count(tally.terminating),
            },
            is_observed: true,
            unfinished_pods: tally.active + tally.terminating,
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

//! What makes pods: the state of Deployments and their like, the ReplicaSets and Jobs that there are, and their pods.
//!
//! A controller of the model ([`crate::model::controllers::Controller`]) acts through owners: a Deployment through its
//! ReplicaSets, a CronJob or ScaledJob through its Jobs, all others through one owner, themselves.
//!
//! Cost: joining and leaving cost O(log p) of the owner's list of `p` pods, which holds those that are not gone; what they come
//! to is kept beside it ([`Tally`]).

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{ClassId, ControllerId, LifeId, NodeId, OwnerId, PodId, RevisionId};
use crate::model::controllers::{Controller, Controllers, PodLife};
use crate::units::{SimDuration, SimTime};

use super::World;
use super::lives::Life;
use super::tally::{Share, Tally};

/// Stands for no owner in [`super::Pods::member`].
pub const NO_MEMBER: u32 = u32::MAX;

/// State of controllers, owners and their pods.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    /// Controllers by [`ControllerId`].
    pub controllers: Vec<ControllerState>,
    /// Owners by [`OwnerId`], also those that are gone.
    pub list: Vec<Owner>,
    /// Classes of pods of DaemonSets on nodes that have joined and of which the model did not know.
    pub daemon_classes: BTreeMap<(ControllerId, RevisionId, NodeId), ClassId>,
    /// Pods that have an owner, by the number in [`super::Pods::member`], also those that are gone.
    pub members: Vec<Member>,
}

/// What is true of a controller now.
#[derive(Clone, Debug, PartialEq)]
pub struct ControllerState {
    /// Whether it is there: created and not deleted.
    pub is_there: bool,
    /// The template that it has now.
    pub template: RevisionId,
    /// `spec.replicas`; of kinds without replicas 0.
    pub replicas: i32,
    /// `spec.paused` or `spec.suspend`.
    pub is_paused: bool,
    /// `metadata.creationTimestamp`.
    pub created: SimTime,
    /// Its owners that are there, oldest first.
    pub owners: Vec<OwnerId>,
    /// `metadata.generation`: how often its `spec` changed.
    pub generation: u64,
    /// How many pods it has made.
    pub pods_made: u32,
    /// How many of its syncs in a row have had a pod refused by a quota.
    pub refusals: u32,
    /// How its release stands; of Rollouts that have been looked at.
    pub release: Option<Box<Release>>,
}

/// How the release of a Rollout stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// How many of its steps are done.
    pub step: u32,
    /// Share of the traffic in percent that the stable template gets.
    pub stable_weight_pct: f64,
    /// Share of the traffic in percent that the new template gets; 0 where it is the stable one.
    pub canary_weight_pct: f64,
    /// `status.phase`.
    pub phase: &'static str,
    /// `status.message`.
    pub message: String,
}

/// Something that owns pods directly.
#[derive(Clone, Debug, PartialEq)]
pub struct Owner {
    /// The controller that it acts for.
    pub controller: ControllerId,
    /// Its `metadata.name`.
    pub name: String,
    /// The template of its pods; of owners that roll by themselves the one that it has now.
    pub template: RevisionId,
    /// `spec.replicas`, as its controller has set it.
    pub replicas: i32,
    /// Share in percent of the traffic of its controller that its pods get; none: as their share of those that are ready.
    pub traffic_weight_pct: Option<f64>,
    /// `metadata.creationTimestamp`.
    pub created: SimTime,
    /// Whether it is there.
    pub is_there: bool,
    /// Work that pods which ended before their time left at their last checkpoints, with their ordinals, oldest first:
    /// the next pod of the ordinal goes on from there.
    pub saved_work: Vec<(u32, Vec<SimDuration>)>,
    /// Its pods that are not gone, oldest first; pods that have ended stay as long as the API has them.
    pub pods: BTreeSet<PodId>,
    /// What they come to.
    pub tally: Tally,
}

/// A pod that has an owner.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The pod.
    pub pod: PodId,
    /// Its `metadata.name`.
    pub name: String,
    /// Its owner.
    pub owner: OwnerId,
    /// The template that it was made from.
    pub template: RevisionId,
    /// Ordinal in a StatefulSet, completion index of a Job, node of a DaemonSet; else 0.
    pub ordinal: u32,
    /// The how-many-th pod of its controller it is: with the controller its identity in random streams, whatever the
    /// policy.
    pub serial: u32,
    /// Since when it has been ready; [`SimTime::NEVER`]: it is not.
    pub ready_since: SimTime,
    /// Since when it has not been ready after it was; [`SimTime::NEVER`]: it has never ceased to be.
    pub unready_since: SimTime,
    /// How often its containers were started again: the largest number of one that is not a sidecar.
    pub restarts: u32,
    /// The same of its sidecars.
    pub sidecar_restarts: u32,
    /// What its containers are, where they were resized; none: as its template says.
    pub resized: Option<LifeId>,
    /// What its containers are doing, once its node has been told of it.
    pub life: Option<Box<Life>>,
    /// The exit code of the container that ended it; 0 while it runs.
    pub exit_code: i32,
    /// Whether it ended by disruption (condition `DisruptionTarget`).
    pub is_disrupted: bool,
    /// What it adds to the tally of its owner; none: it is not in its list any more.
    pub share: Option<Share>,
}

impl Owners {
    /// The controllers as they are before anything happened: none is there.
    pub fn new(controllers: &Controllers) -> Owners {
        let state = |controller: &Controller| ControllerState {
            is_there: false,
            template: RevisionId(0),
            replicas: controller.kind.replicas(),
            is_paused: controller.kind.is_paused(),
            created: SimTime::NEVER,
            owners: Vec::new(),
            generation: 0,
            pods_made: 0,
            refusals: 0,
            release: None,
        };
        Owners { controllers: controllers.list.iter().map(state).collect(), ..Owners::default() }
    }

    /// The member entry of a pod, if it has an owner.
    pub fn member(&self, number: u32) -> Option<&Member> {
        self.members.get(number as usize)
    }
}

impl World {
    /// The entry of a pod that has an owner.
    pub fn member(&self, pod: PodId) -> Option<&Member> {
        self.owners.member(self.pods.member[pod.index()])
    }

    /// The entry of a pod that has an owner, to be changed.
    pub fn member_mut(&mut self, pod: PodId) -> Option<&mut Member> {
        self.owners.members.get_mut(self.pods.member[pod.index()] as usize)
    }

    /// What the containers of a pod that has an owner are.
    pub fn life_of<'m>(&self, controllers: &'m Controllers, member: &Member) -> &'m PodLife {
        let template = || {
            let controller = self.owners.list[member.owner.index()].controller;
            controllers.list[controller.index()].templates[member.template.index()].life
        };
        controllers.life(member.resized.unwrap_or_else(template))
    }

    /// The controller behind a pod.
    pub fn controller_of(&self, pod: PodId) -> Option<ControllerId> {
        self.member(pod).map(|member| self.owners.list[member.owner.index()].controller)
    }

    /// Whether a pod works and takes requests: it is ready, or where nothing is known of its readiness, it runs.
    pub fn is_ready(&self, pod: PodId) -> bool {
        match self.member(pod) {
            Some(member) => member.ready_since != SimTime::NEVER,
            None => self.pods.phase[pod.index()] == super::Phase::Running,
        }
    }

    /// Adds an owner without pods.
    pub fn add_owner(&mut self, controller: ControllerId, name: String, template: RevisionId) -> OwnerId {
        let id = OwnerId::from_index(self.owners.list.len());
        let created = self.time;
        self.owners.list.push(Owner {
            controller,
            name,
            template,
            replicas: 0,
            traffic_weight_pct: None,
            created,
            is_there: true,
            saved_work: Vec::new(),
            pods: BTreeSet::new(),
            tally: Tally::default(),
        });
        self.owners.controllers[controller.index()].owners.push(id);
        id
    }

    /// Takes an owner away; its pods have been told to end.
    pub fn remove_owner(&mut self, owner: OwnerId) {
        let entry = &mut self.owners.list[owner.index()];
        entry.is_there = false;
        let owners = &mut self.owners.controllers[entry.controller.index()].owners;
        owners.retain(|other| *other != owner);
    }

    /// Notes whose a pod is. It must be new.
    ///
    /// # Panics
    /// When the pod has an owner already.
    pub fn join(&mut self, pod: PodId, owner: OwnerId, name: String, template: RevisionId, ordinal: u32) {
        let number = &mut self.pods.member[pod.index()];
        assert_eq!(*number, NO_MEMBER, "a pod has one owner");
        *number = u32::try_from(self.owners.members.len()).expect("there are at most as many members as pods");
        let entry = &mut self.owners.list[owner.index()];
        entry.pods.insert(pod);
        let made = &mut self.owners.controllers[entry.controller.index()].pods_made;
        self.owners.members.push(Member {
            pod,
            name,
            owner,
            template,
            ordinal,
            serial: *made,
            ready_since: SimTime::NEVER,
            unready_since: SimTime::NEVER,
            restarts: 0,
            sidecar_restarts: 0,
            resized: None,
            life: None,
            exit_code: 0,
            is_disrupted: false,
            share: None,
        });
        *made += 1;
        self.count_in(pod);
    }

    /// Takes a pod that is gone out of its owner's list.
    pub fn leave(&mut self, pod: PodId) {
        let Some(member) = self.member_mut(pod) else { return };
        let owner = member.owner;
        member.life = None;
        self.owners.list[owner.index()].pods.remove(&pod);
        self.count_out(pod);
    }
}

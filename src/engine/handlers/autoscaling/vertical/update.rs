//! What the updater sees, and what comes of its steps.

use super::{VerticalLoop, VerticalState};
use crate::engine::handlers::autoscaling::AutoscalingState;
use crate::engine::run::Simulation;
use crate::ids::{OwnerId, PodId, VerticalId};
use crate::model::controllers::ControllerKind;
use crate::model::vertical_pod_autoscaler::ContainerResources;
use crate::observe::{Observer, PodChange};
use crate::policy::autoscaler::vertical::priority::{RunningContainer, Termination};
use crate::policy::autoscaler::vertical::resized::resources_of;
use crate::policy::autoscaler::vertical::restriction::{Resize, RestrictedPod};
use crate::policy::autoscaler::vertical::updater::{Answer, Change, ObservedPod, ObservedVpa};
use crate::policy::controllers::PodPhase;
use crate::policy::disruption;
use crate::world::View;
use crate::world::pods::Reason;

impl<'m, O: Observer> Simulation<'m, O> {
    /// The pods of each autoscaler as the updater sees them: those that have a node, have not ended, and were not told to.
    pub(super) fn observe_for_updates(
        &self,
        state: &VerticalState<'m>,
        seen: &mut AutoscalingState<'m>,
    ) -> Vec<Vec<ObservedPod>> {
        let of_loop = |one: &VerticalLoop<'m>| {
            let target = seen.target(one.model.target);
            let pods = seen.targets[target].pods.iter();
            let living = pods.filter(|pod| !pod.phase.is_finished() && !pod.is_terminating);
            living.filter_map(|pod| self.observe_for_update(state, pod.id, pod.phase)).collect()
        };
        state.loops.iter().map(of_loop).collect()
    }

    fn observe_for_update(&self, state: &VerticalState<'m>, pod: PodId, phase: PodPhase) -> Option<ObservedPod> {
        self.world.pods.node(pod)?;
        let member = self.world.member(pod)?;
        let life = member.life.as_deref();
        let resize = state.pending.get(&pod).map_or(Resize::None, |pending| pending.status);
        let template = self.life_now(pod)?;
        let container = |(index, resources): (usize, ContainerResources)| {
            let own = life.and_then(|life| life.containers.get(template.init_containers.len() + index));
            let last = own.and_then(|own| own.last_end);
            let last_termination =
                last.map(|end| Termination { started: end.started, finished: end.at, is_oom: end.is_oom_killed });
            RunningContainer { resources, last_termination, is_observed: true }
        };
        Some(ObservedPod {
            restricted: RestrictedPod {
                id: pod,
                is_pending: phase == PodPhase::Pending,
                resize,
                restarts_for_resize: template.containers.iter().any(|one| one.restarts_on_resize != [false; 2]),
            },
            controller: Some(member.owner.0),
            replicas: self.replicas_of(member.owner),
            started: life.map(|life| life.began),
            containers: resources_of(template).into_iter().enumerate().map(container).collect(),
        })
    }

    /// What the controller of pods is asked for (`getReplicaCount`); none: a Job.
    fn replicas_of(&self, owner: OwnerId) -> Option<usize> {
        let entry = &self.world.owners.list[owner.index()];
        let count = match &self.controller(entry.controller).kind {
            ControllerKind::Deployment(_) | ControllerKind::Rollout(_) => entry.replicas,
            ControllerKind::DaemonSet(_) => return Some(entry.tally.ready as usize),
            ControllerKind::Job(_) | ControllerKind::CronJob(_) | ControllerKind::ScaledJob(_) => return None,
            _ => self.world.owners.controllers[entry.controller.index()].replicas,
        };
        Some(usize::try_from(count).unwrap_or(0))
    }

    /// One loop of the updater.
    pub(super) fn update_pods(&mut self, state: &mut VerticalState<'m>, observed: &[Vec<ObservedPod>]) {
        let now = self.world.time;
        let is_there = |pod: PodId| self.world.pods.node(pod).is_some();
        state.updater.forget(is_there);
        state.pending.retain(|pod, _| is_there(*pod));
        let mut updater = state.updater.clone();
        let recommendations: Vec<_> = state.loops.iter().map(|one| one.recommendations.clone()).collect();
        let loops: Vec<_> = state.loops.iter().map(|one| one.model).collect();
        let vpas = loops.iter().zip(&recommendations).zip(observed).map(|((model, recommendations), pods)| {
            let vpa = ObservedVpa {
                mode: model.mode,
                min_replicas: model.min_replicas,
                eviction_requirements: model.eviction_requirements.as_deref(),
                policy: &model.resource_policy,
                recommendations,
                ranges: &model.limit_ranges,
            };
            (vpa, pods.as_slice())
        });
        updater.run_once(now, vpas, |step| match step.change {
            Change::Evict => self.evict_to_resize(state, step.pod),
            Change::Resize => self.ask_for_resize(state, step.pod),
        });
        state.updater = updater;
    }

    /// The API server evicts a pod, if its budgets let it go.
    fn evict_to_resize(&mut self, state: &VerticalState<'m>, pod: PodId) -> Answer {
        let view = View { model: self.model, world: &self.world };
        if !disruption::may_evict(&view, pod) {
            return Answer::Refused;
        }
        if let Some(vertical) = self.vertical_of(state, pod) {
            self.observer.pod_sized(&view, vertical, PodChange::Evicted);
        }
        self.apply_deletion(pod, Reason::VerticallyScaled);
        Answer::Accepted
    }

    /// The autoscaler of a pod.
    pub(super) fn vertical_of(&self, state: &VerticalState<'m>, pod: PodId) -> Option<VerticalId> {
        state.loop_of(self.world.controller_of(pod)?)
    }
}

//! What the recommender learns, in the order of its loop: pods, what they used, who was killed for memory, who is gone.

use super::{OomKill, VerticalLoop, VerticalState};
use crate::engine::handlers::autoscaling::AutoscalingState;
use crate::engine::handlers::autoscaling::pods::Target;
use crate::engine::run::Simulation;
use crate::ids::{PodId, VerticalId};
use crate::model::controllers::{Container, ControllerKind, PodLife};
use crate::model::{Demand, Usage as ContainerUsage};
use crate::observe::{ContainerSeen, Observer, Recommended};
use crate::policy::autoscaler::ObservedContainer;
use crate::policy::autoscaler::vertical::back_test::UsageStep;
use crate::policy::autoscaler::vertical::cluster::LabelSet;
use crate::policy::autoscaler::vertical::resized::resources_of;
use crate::policy::autoscaler::vertical::sizing::Usage;
use crate::policy::autoscaler::vertical::workload::TemplateContainer;
use crate::units::{Bytes, MilliCpu, SimDuration, SimTime};
use crate::world::View;

/// Spacing of what a clairvoyant is told.
const FORESIGHT_STEP: SimDuration = SimDuration(60_000_000_000);

/// The containers of a template, with what they will use up to `horizon`, if a rule is to know that. Of what is drawn or comes
/// from requests nothing is known beforehand.
pub(super) fn containers(life: &PodLife, horizon: Option<SimTime>) -> Vec<TemplateContainer<'_>> {
    let foresight_of = |container: &Container| {
        let known = horizon.zip(container.usage.as_deref());
        known.map_or_else(Vec::new, |(until, usage)| foresight(usage, until))
    };
    let containers = life.containers.iter();
    containers.map(|one| TemplateContainer { name: &one.name, foresight: foresight_of(one) }).collect()
}

fn foresight(usage: &ContainerUsage, until: SimTime) -> Vec<UsageStep> {
    let is_known = |demand: &Option<Demand>| !matches!(demand, Some(Demand::Load | Demand::Drawn(_)));
    if !is_known(&usage.cpu) || !is_known(&usage.memory) {
        return Vec::new();
    }
    let steps = until.0.div_ceil(FORESIGHT_STEP.0);
    let at = |demand: &Option<Demand>, age| demand.as_ref().map_or(0, |demand| demand.at(0, age));
    let step = |number: u64| {
        let age = SimDuration(number * FORESIGHT_STEP.0);
        let used = Usage { cpu: MilliCpu(at(&usage.cpu, age)), memory: Bytes(at(&usage.memory, age)) };
        UsageStep { span: FORESIGHT_STEP, usage: used }
    };
    (0..steps).map(step).collect()
}

/// Counts what a container has and uses.
fn count(seen: &mut Vec<ContainerSeen>, container: &ObservedContainer<'_>) {
    let position = seen.iter().position(|one| one.name == container.name).unwrap_or_else(|| {
        seen.push(ContainerSeen { name: container.name.to_owned(), ..ContainerSeen::default() });
        seen.len() - 1
    });
    let requested = [container.cpu_request_milli, container.memory_request_bytes].map(|amount| amount.unwrap_or(0));
    seen[position].add(requested, [container.cpu_milli, container.memory_bytes]);
}

impl<'m, O: Observer> Simulation<'m, O> {
    /// One loop of the recommender.
    pub(super) fn recommend(&mut self, state: &mut VerticalState<'m>, seen: &mut AutoscalingState<'m>) {
        let now = self.world.time;
        for one in &mut state.loops {
            let target = seen.target(one.model.target);
            let target = &mut seen.targets[target];
            if target.is_stale {
                self.look_at_pods(target);
            }
            target.show(now);
            target.hear_of_steady();
            one.seen = self.learn(one, target);
        }
        for kill in std::mem::take(&mut state.oom_kills) {
            let controller = self.world.controller_of(kill.pod);
            if let Some(which) = controller.and_then(|controller| state.loop_of(controller)) {
                state.loops[which.index()].sizing.observe_oom(kill.pod, kill.at, &kill.container);
            }
        }
        for (position, one) in state.loops.iter_mut().enumerate() {
            self.forget_gone(one);
            one.recommendations = one.sizing.recommend(now);
            let known = &one.known;
            one.sizing.collect_garbage(now, |labels| known.is_empty() || known.values().any(|own| *own == labels));
            let vertical = VerticalId::from_index(position);
            let look = Recommended { vertical, recommendations: &one.recommendations, containers: &one.seen };
            self.observer.recommended(&View { model: self.model, world: &self.world }, &look);
        }
    }

    /// Pods of a target, and the last samples of what their containers use.
    fn learn(&self, one: &mut VerticalLoop<'m>, target: &Target<'m>) -> Vec<ContainerSeen> {
        let now = self.world.time;
        let mut seen: Vec<ContainerSeen> = Vec::new();
        for pod in &target.pods {
            let Some(life) = self.life_now(pod.id).filter(|_| !pod.phase.is_finished()) else { continue };
            if !one.known.contains_key(&pod.id) {
                let labels = self.labels_of(one, pod.id);
                one.known.insert(pod.id, labels);
                one.sizing.see_pod(pod.id, labels, life.containers.iter().map(|one| one.name.as_str()), now);
            }
            let Some(sample) = pod.sample else { continue };
            let first = pod.first_container as usize;
            for offset in first..first + life.containers.len().min(pod.container_count as usize) {
                let container = &target.containers[offset];
                // Of a container that does not run there is no sample.
                if target.gauges[offset].run.is_none() {
                    continue;
                }
                let used = Usage { cpu: MilliCpu(container.cpu_milli), memory: Bytes(container.memory_bytes) };
                one.sizing.observe(pod.id, container.name, sample.at, used);
                count(&mut seen, container);
            }
        }
        seen
    }

    /// The number of a pod's labels: those of its template and what its controller adds.
    fn labels_of(&self, one: &mut VerticalLoop<'m>, pod: PodId) -> LabelSet {
        let member = self.world.member(pod).expect("a pod of a target has an owner");
        let other = match &self.controller(one.model.target).kind {
            ControllerKind::StatefulSet(_) => member.ordinal,
            ControllerKind::Job(_) | ControllerKind::CronJob(_) | ControllerKind::ScaledJob(_) => member.owner.0,
            _ => 0,
        };
        let next = LabelSet(one.labels.len() as u32);
        *one.labels.entry((member.template.0, other)).or_insert(next)
    }

    fn forget_gone(&self, one: &mut VerticalLoop<'m>) {
        let is_gone = |pod: &PodId| !self.is_living(*pod);
        let gone: Vec<PodId> = one.known.keys().copied().filter(is_gone).collect();
        for pod in gone {
            one.known.remove(&pod);
            one.sizing.forget(pod);
        }
    }

    /// Whether a pod has not ended.
    pub(super) fn is_living(&self, pod: PodId) -> bool {
        let phase = self.world.pods.phase[pod.index()];
        phase == crate::world::Phase::Pending || phase.holds_node()
    }

    /// A container is about to be killed for memory.
    pub(in crate::engine) fn note_oom_kill(&mut self, pod: PodId, index: usize) {
        let Some(state) = &self.vertical else { return };
        let controller = self.world.controller_of(pod);
        let Some(life) = self.life_now(pod).filter(|_| controller.is_some_and(|one| state.loop_of(one).is_some()))
        else {
            return;
        };
        let Some(main) = index.checked_sub(life.init_containers.len()) else { return };
        let (container, at) = (resources_of(life).swap_remove(main), self.world.time);
        if let Some(state) = &mut self.vertical {
            state.oom_kills.push(OomKill { pod, at, container });
        }
    }
}

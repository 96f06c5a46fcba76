//! Checks of runs with objects that make pods, made apart from the engine's own arithmetic: nothing is lost, nothing runs
//! twice, budgets hold, and every eviction has a cause.

use std::collections::{BTreeMap, BTreeSet};

use wavetank::ids::{NodeId, OwnerId, PodId};
use wavetank::model::controllers::ControllerKind;
use wavetank::model::faults::FaultKind;
use wavetank::model::objects::{Allowance, CountOrPercent, DisruptionBudget};
use wavetank::model::pod_spec::SelectorOperator;
use wavetank::model::{Action, TaintEffect};
use wavetank::observe::Observer;
use wavetank::policy::scheduler::Decision;
use wavetank::policy::scheduler::kube::Nomination;
use wavetank::units::SimTime;
use wavetank::world::pods::Reason;
use wavetank::world::{Deletion, Phase, View};

use super::audit::Audit;

/// More events than this at one instant of such a small run never end.
const EVENTS_MAX: u32 = 10_000;

/// Watches a run, and panics when something is wrong.
#[derive(Debug, Default)]
pub(crate) struct WorkloadAudit {
    /// The phase of each pod after the last event.
    phases: Vec<Phase>,
    /// Pods of which a nomination said that they have to go.
    victims: BTreeSet<PodId>,
    /// Events at this instant.
    events: u32,
    /// Evictions by reason.
    pub(crate) evictions: BTreeMap<&'static str, u64>,
    /// Containers that were started again.
    pub(crate) restarts: u64,
    /// Pods that succeeded.
    pub(crate) successes: u64,
}

fn pods(view: &View<'_>) -> impl Iterator<Item = PodId> {
    (0..view.world.pods.len()).map(PodId::from_index)
}

fn has_ended(phase: Phase) -> bool {
    !matches!(phase, Phase::Pending | Phase::Bound | Phase::Starting | Phase::Running)
}

/// Neither ended nor told to.
fn is_active(view: &View<'_>, pod: PodId) -> bool {
    !has_ended(view.world.pods.phase[pod.index()]) && view.world.pods.deletion[pod.index()] == Deletion::None
}

/// Whether the budget is for the pod. Selectors in the swarm are equalities.
fn is_of(view: &View<'_>, budget: &DisruptionBudget, pod: PodId) -> bool {
    let spec = &view.class_of(pod).spec;
    let requirements = budget.selector.as_ref().map_or(&[][..], |selector| &selector.requirements);
    spec.namespace == budget.namespace
        && !requirements.is_empty()
        && requirements.iter().all(|wanted| {
            assert_eq!(wanted.operator, SelectorOperator::In);
            spec.labels.iter().any(|label| label.key == wanted.key && wanted.values.contains(&label.value))
        })
}

/// Pods of the budget that are healthy, and how many must be; none: their controllers do not say how many there should be.
fn standing(view: &View<'_>, budget: &DisruptionBudget) -> Option<(i64, i64)> {
    let (owners, world) = (&view.world.owners, view.world);
    let covered: Vec<PodId> =
        pods(view).filter(|&pod| !has_ended(world.pods.phase[pod.index()]) && is_of(view, budget, pod)).collect();
    let is_healthy = |pod: &&PodId| {
        let is_ready = world.member(**pod).is_none_or(|member| member.ready_since != SimTime::NEVER);
        is_active(view, **pod) && world.pods.phase[pod.index()] == Phase::Running && is_ready
    };
    let healthy = covered.iter().filter(is_healthy).count() as i64;
    let controllers: BTreeSet<_> = covered.iter().filter_map(|&pod| world.controller_of(pod)).collect();
    let has_scale = |kind: &ControllerKind| {
        !matches!(kind, ControllerKind::DaemonSet(_) | ControllerKind::Job(_) | ControllerKind::CronJob(_))
    };
    let scale = |&controller: &wavetank::ids::ControllerId| {
        let is_known = has_scale(&view.model.controllers.list[controller.index()].kind);
        let state = &owners.controllers[controller.index()];
        (is_known && state.is_there).then_some(i64::from(state.replicas))
    };
    let expected: Option<i64> = controllers.iter().map(scale).sum();
    let share = |value: CountOrPercent| match value {
        CountOrPercent::Count(count) => Some(i64::from(count)),
        CountOrPercent::Percent(percent) => expected.map(|of| (of as f64 * f64::from(percent) / 100.0).ceil() as i64),
    };
    let desired = match budget.allowance {
        Allowance::Given(_) => panic!("budgets of the swarm have no status"),
        Allowance::MinAvailable(least) => share(least)?,
        Allowance::MaxUnavailable(most) => (expected? - share(most)?).max(0),
    };
    Some((healthy, desired))
}

/// I8: the API server lets the pod go, as `pkg/registry/core/pod/storage/eviction.go` says.
fn check_budgets(view: &View<'_>, pod: PodId) {
    if view.world.pods.phase[pod.index()] != Phase::Running {
        return;
    }
    let budgets: Vec<_> =
        view.model.objects.disruption_budgets.iter().filter(|budget| is_of(view, budget, pod)).collect();
    assert!(budgets.len() < 2, "I8: pod {} has two budgets and is evicted", pod.0);
    let Some(budget) = budgets.first() else { return };
    let standing = standing(view, budget);
    let (healthy, desired) = standing.unwrap_or_else(|| panic!("I8: nobody knows how many pods {} keeps", budget.name));
    let is_ready = view.world.member(pod).is_none_or(|member| member.ready_since != SimTime::NEVER);
    let is_free = !is_ready && healthy >= desired && desired > 0;
    assert!(is_free || healthy > desired, "I8: {} has {healthy} of {desired} and pod {} goes", budget.name, pod.0);
}

/// Whether the script did something to the node by now.
fn script_has(view: &View<'_>, is_it: impl Fn(Action) -> bool) -> bool {
    view.model.script.iter().any(|scripted| scripted.at <= view.world.time && is_it(scripted.action))
}

fn is_reclaimed(view: &View<'_>, node: NodeId) -> bool {
    let faults = &view.model.faults;
    let listed = |kind: FaultKind| matches!(kind, FaultKind::Reclaim(other) if other == node);
    !faults.spot.is_empty() || faults.listed.iter().any(|fault| fault.at <= view.world.time && listed(fault.kind))
}

impl WorkloadAudit {
    /// Every eviction has a cause.
    fn check_cause(&self, view: &View<'_>, pod: PodId, reason: Reason) {
        let world = view.world;
        let node = world.pods.node(pod).unwrap_or_else(|| panic!("pod {} is evicted and has no node", pod.0));
        let has_cause = match reason {
            Reason::NodeDrained => script_has(view, |action| action == Action::Drain(node)),
            Reason::NodeRemoved => {
                script_has(view, |action| action == Action::Remove(node)) || is_reclaimed(view, node)
            }
            Reason::NodeCrashed => script_has(view, |action| action == Action::Crash(node)),
            Reason::NodeReclaimed => is_reclaimed(view, node),
            Reason::Preempted => self.victims.contains(&pod),
            Reason::TaintEviction => {
                let taints = &view.model.cluster.shape(world.nodes.shape[node.index()]).taints;
                taints.iter().any(|taint| taint.effect == TaintEffect::NoExecute)
                    || script_has(view, |action| action == Action::OutOfService(node))
            }
            Reason::Evicted => world.usage.get(node).is_some_and(|usage| usage.monitor.is_under_pressure),
            _ => false,
        };
        assert!(has_cause, "pod {} is evicted from {} for {reason:?} without cause", pod.0, world.nodes.name(node));
    }

    /// Nothing runs twice: what has ended stays so, and an identity is taken once.
    fn check_identities(&mut self, view: &View<'_>) {
        let world = view.world;
        for pod in pods(view) {
            let (is, i) = (world.pods.phase[pod.index()], pod.index());
            let was = *self.phases.get(i).unwrap_or(&Phase::Pending);
            assert!(!has_ended(was) || was == is, "I1: pod {i} was {was:?} and is {is:?}");
            let is_listed = world.member(pod).is_some();
            assert!(!is_listed || is != Phase::Pending || was == Phase::Pending, "I1: pod {i} waits a second time");
            self.successes += u64::from(is == Phase::Succeeded && was != is);
            self.phases.resize(self.phases.len().max(i + 1), Phase::Pending);
            self.phases[i] = is;
        }
        let mut taken: BTreeMap<(OwnerId, u32), u32> = BTreeMap::new();
        for member in &world.owners.members {
            let owner = &world.owners.list[member.owner.index()];
            let phase = world.pods.phase[member.pod.index()];
            let counts = match &view.model.controllers.list[owner.controller.index()].kind {
                ControllerKind::StatefulSet(_) => !has_ended(phase) && owner.is_there,
                ControllerKind::Job(spec) if spec.is_indexed => phase == Phase::Succeeded,
                ControllerKind::CronJob(spec) if spec.job.is_indexed => phase == Phase::Succeeded,
                _ => false,
            };
            let holders = taken.entry((member.owner, member.ordinal)).or_default();
            *holders += u32::from(counts);
            assert!(*holders < 2, "I1: {} is there twice", member.name);
        }
    }

    /// Nothing is lost: objects whose controllers see everything at once have the pods that they want.
    fn check_replicas(view: &View<'_>) {
        let (model, world) = (view.model, view.world);
        let is_ideal = model.control_plane == wavetank::model::ControlPlane::default();
        if !is_ideal || !world.health.services.api_server_is_up || !model.controllers.quotas.is_empty() {
            return;
        }
        for owner in world.owners.list.iter().filter(|owner| owner.is_there) {
            let controller = &model.controllers.list[owner.controller.index()];
            let has_replicas = matches!(
                controller.kind,
                ControllerKind::Deployment(_) | ControllerKind::ReplicaSet(_) | ControllerKind::Rollout(_)
            );
            let active = owner.pods.iter().filter(|&&pod| is_active(view, pod)).count() as i64;
            assert!(!has_replicas || active == i64::from(owner.replicas), "{}: {active} pods", owner.name);
        }
    }
}

impl Observer for WorkloadAudit {
    fn time_advances(&mut self, view: &View<'_>, _to: SimTime) {
        self.events = 0;
        WorkloadAudit::check_replicas(view);
        if view.model.scheduling.delays.scheduling.is_zero() {
            Audit::check_waiting(view);
        }
    }

    fn decided(&mut self, view: &View<'_>, pod: PodId, decision: &Decision) {
        if let Decision::Place(placement) = decision {
            Audit::check_placement(view, pod, placement);
        }
    }

    fn nominated(&mut self, view: &View<'_>, pod: PodId, nomination: &Nomination) {
        for victim in &nomination.victims {
            let (own, others) = (view.class_of(pod).priority, view.class_of(*victim).priority);
            assert!(others < own, "pod {} of {own} preempts one of {others}", pod.0);
            self.victims.insert(*victim);
        }
    }

    fn pod_evicted(&mut self, view: &View<'_>, pod: PodId) {
        let reason = view.world.pods.reason[pod.index()];
        *self.evictions.entry(reason.name()).or_default() += 1;
        self.check_cause(view, pod, reason);
        if reason == Reason::NodeDrained {
            check_budgets(view, pod);
        }
    }

    fn event_handled(&mut self, view: &View<'_>) {
        self.check_identities(view);
        self.events += 1;
        assert!(self.events < EVENTS_MAX, "{} s does not end", view.world.time);
    }

    fn end(&mut self, view: &View<'_>) {
        assert_eq!(Some(view.world.time), view.model.horizon, "I3: the run ends at its horizon");
        self.restarts = view.world.owners.members.iter().map(|member| u64::from(member.restarts)).sum();
    }
}

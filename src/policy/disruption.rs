//! Disruption budgets: how the disruption controller counts, what preemption spares, and what an eviction may do.
//!
//! After `pkg/controller/disruption`, `defaultpreemption` and `pkg/registry/core/pod/storage/eviction.go` of v1.37.0. Known
//! deviations: the counts are those of this instant, where upstream's lag; `unhealthyPodEvictionPolicy` is taken to be
//! `IfHealthyBudget`, the default; pods without a controller count as if one wanted them, since those of templates and
//! traces never have one, where upstream leaves them out.
//!
//! Cost: a budget looks at all pods each time it is asked.

use std::collections::BTreeMap;

use crate::ids::PodId;
use crate::model::objects::{Allowance, CountOrPercent, DisruptionBudget};
use crate::policy::scheduler::kube::labels;
use crate::world::{Phase, View};

/// The budgets of the run and what they allow now.
#[derive(Debug, Default)]
pub(crate) struct Budgets<'a> {
    budgets: Vec<(&'a DisruptionBudget, i64)>,
}

impl<'a> Budgets<'a> {
    /// Counts pods for the budgets that say how many must stay; the others say how many may go.
    pub(crate) fn new(view: &View<'a>) -> Budgets<'a> {
        let budgets = view.model.objects.disruption_budgets.iter();
        Budgets { budgets: budgets.map(|budget| (budget, allowed(view, budget))).collect() }
    }

    /// Parts pods, the most important first, into those that a budget would keep and the others
    /// (`FilterVictimsWithPDBViolation`).
    pub(crate) fn partition(&self, view: &View<'_>, pods: &[PodId]) -> (Vec<PodId>, Vec<PodId>) {
        let mut left: Vec<i64> = self.budgets.iter().map(|(_, allowed)| *allowed).collect();
        pods.iter().partition(|pod| self.keeps(view, &mut left, **pod))
    }

    /// Whether a budget would keep the pod; if not, it is charged to all its budgets.
    fn keeps(&self, view: &View<'_>, left: &mut [i64], pod: PodId) -> bool {
        self.budgets.iter().zip(left).any(|((budget, _), left)| {
            if !covers(view, budget, pod) || is_disrupted(view, budget, pod) {
                return false;
            }
            *left -= 1;
            *left < 0
        })
    }
}

/// The budgets that cover a pod, by their positions in the model; whether its eviction is under way is not asked.
pub(crate) fn budgets_of(view: &View<'_>, pod: PodId) -> Vec<usize> {
    let budgets = view.model.objects.disruption_budgets.iter().enumerate();
    budgets.filter(|(_, budget)| covers(view, budget, pod)).map(|(position, _)| position).collect()
}

/// How many pods each budget lets go now, by its position in the model.
pub(crate) fn allowances(view: &View<'_>) -> Vec<i64> {
    Budgets::new(view).budgets.iter().map(|(_, allowed)| *allowed).collect()
}

/// What budgets forbid at one instant, counted once for any number of pods.
#[derive(Debug)]
pub(crate) struct Evictions<'a>(Vec<(&'a DisruptionBudget, bool)>);

impl<'a> Evictions<'a> {
    /// Counts pods for all budgets.
    pub(crate) fn new(view: View<'a>) -> Evictions<'a> {
        let is_used_up = |budget: &DisruptionBudget| {
            standing(&view, budget, selects).is_none_or(|standing| standing.healthy <= standing.desired)
        };
        let budgets = view.model.objects.disruption_budgets.iter();
        Evictions(budgets.map(|budget| (budget, is_used_up(budget))).collect())
    }

    /// Whether there are no budgets.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a pod that works could not be evicted: it has two budgets, or one that is used up.
    pub(crate) fn blocks(&self, view: &View<'_>, pod: PodId) -> bool {
        if view.world.pods.phase[pod.index()] != Phase::Running || view.is_terminating(pod) {
            return false;
        }
        let mut of_pod = self.0.iter().filter(|(budget, _)| selects(view, budget, pod));
        of_pod.next().is_some_and(|(_, is_used_up)| *is_used_up || of_pod.next().is_some())
    }
}

/// Whether there is a budget for a pod.
pub(crate) fn is_covered(view: &View<'_>, pod: PodId) -> bool {
    view.model.objects.disruption_budgets.iter().any(|budget| covers(view, budget, pod))
}

/// Whether a budget is for a pod. A budget without requirements, and a pod without labels, are for none, although the
/// API says otherwise of the former.
fn covers(view: &View<'_>, budget: &DisruptionBudget, pod: PodId) -> bool {
    let spec = &view.class_of(pod).spec;
    let is_empty = budget.selector.as_ref().is_none_or(|selector| selector.requirements.is_empty());
    let is_here = budget.namespace == spec.namespace && !spec.labels.is_empty();
    is_here && !is_empty && labels::selects(budget.selector.as_ref(), &spec.labels)
}

/// Whether the API server has begun to evict the pod, so that it is charged already.
fn is_disrupted(view: &View<'_>, budget: &DisruptionBudget, pod: PodId) -> bool {
    if budget.disrupted_pods.is_empty() {
        return false;
    }
    // Pods whose names are not unique are called `namespace/name`.
    let name = view.pod_name(pod);
    let short = name.strip_prefix(&budget.namespace).and_then(|name| name.strip_prefix('/')).unwrap_or(&name);
    budget.disrupted_pods.iter().any(|disrupted| disrupted == short)
}

/// How a budget stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    /// Pods that are ready and stay.
    healthy: i64,
    /// How many of them the budget keeps.
    desired: i64,
}

/// How many pods may be disrupted now.
fn allowed(view: &View<'_>, budget: &DisruptionBudget) -> i64 {
    match budget.allowance {
        Allowance::Given(allowed) => allowed.into(),
        _ => standing(view, budget, covers).map_or(0, |standing| (standing.healthy - standing.desired).max(0)),
    }
}

/// What finds a budget's pods.
type Covers = fn(&View<'_>, &DisruptionBudget, PodId) -> bool;

/// None: it depends on how many pods there should be, and a controller does not say (`failSafe`: nothing may go).
fn standing(view: &View<'_>, budget: &DisruptionBudget, covers: Covers) -> Option<Standing> {
    let (expected, healthy) = count(view, budget, covers);
    let desired = match budget.allowance {
        Allowance::Given(given) => healthy - i64::from(given),
        Allowance::MinAvailable(CountOrPercent::Count(available)) => available.into(),
        Allowance::MinAvailable(available) => scaled(available, expected?),
        Allowance::MaxUnavailable(unavailable) => (expected? - scaled(unavailable, expected?)).max(0),
    };
    Some(Standing { healthy, desired })
}

/// How many pods there should be, and how many are ready and stay. There should be as many as the controllers of the pods
/// that are there want (`getExpectedScale`), and of pods without a controller those that have not ended; none: one of the
/// controllers is gone or has no replicas.
fn count(view: &View<'_>, budget: &DisruptionBudget, covers: Covers) -> (Option<i64>, i64) {
    let world = view.world;
    let (mut unmanaged, mut healthy) = (0, 0);
    let mut scales = BTreeMap::new();
    for pod in (0..world.pods.len()).map(PodId::from_index) {
        let phase = world.pods.phase[pod.index()];
        if !(phase == Phase::Pending || phase.holds_node()) || !covers(view, budget, pod) {
            continue;
        }
        match world.controller_of(pod) {
            Some(controller) => {
                let state = &world.owners.controllers[controller.index()];
                let has_scale = state.is_there && view.model.controllers.list[controller.index()].kind.has_replicas();
                scales.insert(controller, has_scale.then_some(i64::from(state.replicas)));
            }
            None => unmanaged += 1,
        }
        let stays = !view.is_terminating(pod) && !is_disrupted(view, budget, pod);
        healthy += i64::from(stays && phase == Phase::Running && world.is_ready(pod));
    }
    (scales.into_values().sum::<Option<i64>>().map(|wanted| wanted + unmanaged), healthy)
}

/// Whether the API server lets a pod be evicted now.
pub fn may_evict(view: &View<'_>, pod: PodId) -> bool {
    let mut budgets = view.model.objects.disruption_budgets.iter().filter(|budget| selects(view, budget, pod));
    // What has not started, or goes anyway, is not disrupted.
    if view.world.pods.phase[pod.index()] != Phase::Running || view.is_terminating(pod) {
        return true;
    }
    let Some(budget) = budgets.next() else { return true };
    // A pod with two budgets is refused: the server does not know which to charge.
    if budgets.next().is_some() {
        return false;
    }
    let Some(Standing { healthy, desired }) = standing(view, budget, selects) else { return false };
    if !view.world.is_ready(pod) && healthy >= desired && desired > 0 {
        return true;
    }
    healthy > desired
}

/// Whether a budget's selector finds a pod; an empty one finds every pod of the namespace.
fn selects(view: &View<'_>, budget: &DisruptionBudget, pod: PodId) -> bool {
    let spec = &view.class_of(pod).spec;
    budget.selector.is_some()
        && budget.namespace == spec.namespace
        && labels::selects(budget.selector.as_ref(), &spec.labels)
}

/// A share is rounded up.
fn scaled(value: CountOrPercent, of: i64) -> i64 {
    match value {
        CountOrPercent::Count(count) => count.into(),
        CountOrPercent::Percent(percent) => (i64::from(percent) * of + 99) / 100,
    }
}

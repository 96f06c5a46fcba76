//! Disruption budgets, as preemption counts by them.

use crate::ids::PodId;
use crate::model::objects::{Allowance, CountOrPercent, DisruptionBudget};
use crate::policy::scheduler::kube::labels;
use crate::world::{Phase, View};

/// The budgets of the run and what they allow now.
#[derive(Debug)]
pub(super) struct Budgets<'a> {
    budgets: Vec<(&'a DisruptionBudget, i64)>,
}

impl<'a> Budgets<'a> {
    /// Counts pods for the budgets that say how many must stay; the others say how many may go.
    pub(super) fn new(view: &View<'a>) -> Budgets<'a> {
        let budgets = view.model.objects.disruption_budgets.iter();
        Budgets { budgets: budgets.map(|budget| (budget, allowed(view, budget))).collect() }
    }

    /// Parts pods, the most important first, into those that a budget would keep and the others
    /// (`FilterVictimsWithPDBViolation`).
    pub(super) fn partition(&self, view: &View<'_>, pods: &[PodId]) -> (Vec<PodId>, Vec<PodId>) {
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

/// How many pods may be disrupted now, as the disruption controller counts (`pkg/controller/disruption`). It asks the
/// pods' controllers how many there should be; here these are the pods that have not ended.
fn allowed(view: &View<'_>, budget: &DisruptionBudget) -> i64 {
    let (expected, healthy) = match budget.allowance {
        Allowance::Given(_) => (0, 0),
        _ => count(view, budget),
    };
    match budget.allowance {
        Allowance::Given(allowed) => allowed.into(),
        Allowance::MinAvailable(available) => (healthy - scaled(available, expected)).max(0),
        Allowance::MaxUnavailable(unavailable) => {
            let desired = (expected - scaled(unavailable, expected)).max(0);
            (healthy - desired).max(0)
        }
    }
}

/// How many pods there should be, and how many work and stay.
fn count(view: &View<'_>, budget: &DisruptionBudget) -> (i64, i64) {
    let pods = &view.world.pods;
    let (mut expected, mut healthy) = (0, 0);
    for pod in (0..pods.len()).map(PodId::from_index) {
        let phase = pods.phase[pod.index()];
        if (phase == Phase::Pending || phase.holds_node()) && covers(view, budget, pod) {
            let stays = !view.is_terminating(pod) && !is_disrupted(view, budget, pod);
            expected += 1;
            healthy += i64::from(phase == Phase::Running && stays);
        }
    }
    (expected, healthy)
}

/// A share is rounded up.
fn scaled(value: CountOrPercent, of: i64) -> i64 {
    match value {
        CountOrPercent::Count(count) => count.into(),
        CountOrPercent::Percent(percent) => (i64::from(percent) * of + 99) / 100,
    }
}

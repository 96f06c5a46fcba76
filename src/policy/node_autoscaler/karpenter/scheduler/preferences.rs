//! How pods that fit nowhere give up what they only prefer.
//!
//! Source: `preferences.go`.

use crate::model::pod_spec::WhenUnsatisfiable;
use crate::model::{PodClass, TaintEffect, Toleration, TolerationOperator};

/// Takes one thing from a pod: the first of several alternatives of required node affinity, else the heaviest preferred
/// term of pod affinity, of pod anti-affinity, of node affinity, else the first spread constraint that only scores, else,
/// where some pool has such taints, its preference for nodes without them. Returns whether there was something to take.
pub fn relax(pod: &mut PodClass, tolerates_preferred: bool) -> bool {
    drop_alternative(pod)
        || drop_heaviest(&mut pod.spec.pod_affinity.preferred)
        || drop_heaviest(&mut pod.spec.pod_anti_affinity.preferred)
        || drop_heaviest(&mut pod.spec.node_affinity.preferred)
        || drop_spread(pod)
        || (tolerates_preferred && tolerate_preferred_taints(pod))
}

/// Drops the first required term where there are more: one has to stay.
pub(super) fn drop_alternative(pod: &mut PodClass) -> bool {
    match &mut pod.spec.node_affinity.required {
        Some(terms) if terms.len() > 1 => {
            terms.remove(0);
            true
        }
        _ => false,
    }
}

fn drop_heaviest<T>(terms: &mut Vec<(i32, T)>) -> bool {
    terms.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    let is_there = !terms.is_empty();
    if is_there {
        terms.remove(0);
    }
    is_there
}

/// Drops a constraint; the last one takes its place.
fn drop_spread(pod: &mut PodClass) -> bool {
    let constraints = &mut pod.spec.topology_spread;
    let soft = constraints.iter().position(|it| it.when_unsatisfiable == WhenUnsatisfiable::ScheduleAnyway);
    soft.map(|at| constraints.swap_remove(at)).is_some()
}

/// Adds a toleration of all taints that only score, if it is not there.
pub(super) fn tolerate_preferred_taints(pod: &mut PodClass) -> bool {
    let toleration = Toleration {
        key: String::new(),
        operator: TolerationOperator::Exists,
        value: String::new(),
        effect: Some(TaintEffect::PreferNoSchedule),
        duration: None,
    };
    let is_same = |have: &Toleration| Toleration { duration: None, ..have.clone() } == toleration;
    if pod.tolerations.iter().any(is_same) {
        return false;
    }
    pod.tolerations.push(toleration);
    true
}

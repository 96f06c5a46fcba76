//! What a recommendation becomes for one pod: within LimitRanges, the policy, and limits that stay.
//!
//! Follows `pkg/utils/vpa/capping.go` of the Vertical Pod Autoscaler 1.8.1, which the updater and the admission both apply.
//!
//! Known deviations, most of them where a LimitRange of pods is broken and upstream's code leaves its own track:
//! - A container without a recommendation and without requests keeps its limits; upstream ends with a nil pointer.
//! - A container without a recommendation has no bounds; upstream ends with a write to a nil map where bounds would have to
//!   be lowered.
//! - An amount that would become 0 of memory is 0; upstream makes it -1 byte.
//! - More than 9.2 * 10^15 bytes of memory are compared with a limit as they are; upstream's number overflows.

use super::proportion;
use super::recommender::{at_least, at_most};
use super::spec::{
    Amounts, ContainerRecommendation, ContainerResources, ControlledValues, LimitRangeItem, LimitRanges, Resource,
    ResourcePolicy, recommendation_for,
};

/// The recommendations for the containers of a pod, within all bounds (`cappingRecommendationProcessor.Apply`). Those for
/// containers that the pod does not have are left out. An empty list means that there is no recommendation yet.
pub fn cap_for_pod(
    recommendations: &[ContainerRecommendation],
    containers: &[ContainerResources],
    policy: &ResourcePolicy,
    ranges: &LimitRanges,
) -> Vec<ContainerRecommendation> {
    if recommendations.is_empty() {
        return vec![];
    }
    let mut capped = recommendations.to_vec();
    if let Some(range) = &ranges.pod {
        cap_to_pod_range(&mut capped, containers, range);
    }
    capped.retain(|one| containers.iter().any(|container| container.container == one.container));
    for recommendation in &mut capped {
        let container = containers.iter().find(|container| container.container == recommendation.container);
        let Some(container) = container else { continue };
        let ContainerRecommendation { target, lower_bound, upper_bound, .. } = recommendation;
        for amounts in [target, lower_bound, upper_bound] {
            amounts.update(|resource, amount| cap(amount, resource, container, policy, ranges));
        }
    }
    capped
}

fn cap(
    amount: u64,
    resource: Resource,
    container: &ContainerResources,
    policy: &ResourcePolicy,
    ranges: &LimitRanges,
) -> u64 {
    let limit = container.limits.get(resource);
    let mut amount = amount;
    if let Some(range) = &ranges.container {
        let (min, max) = boundaries(resource, container, range);
        amount = at_most(at_least(amount, min), max);
    }
    if let Some(own) = policy.of(&container.container) {
        amount = at_most(at_least(amount, own.min_allowed.or_zero(resource)), own.max_allowed.or_zero(resource));
    }
    let keeps_limit = policy.controlled_values(&container.container) == ControlledValues::RequestsOnly;
    if keeps_limit { limit.map_or(amount, |limit| amount.min(limit)) } else { amount }
}

/// The least and the most that a container may request such that its limit, which follows in proportion, stays within the
/// range, too; 0: no bound.
fn boundaries(resource: Resource, container: &ContainerResources, range: &LimitRangeItem) -> (u64, u64) {
    let (request, limit) = (container.requests.or_zero(resource), container.limits.or_zero(resource));
    let (min, default) = (range.min.or_zero(resource), range.default.or_zero(resource));
    let boundary = |bound: u64| proportion::boundary_request(request, limit, bound, default);
    (boundary(min).max(min), boundary(range.max.or_zero(resource)))
}

/// Which of the amounts of a recommendation.
type Field = fn(&mut ContainerRecommendation) -> &mut Amounts;

/// Brings the sums of a pod within a range (`capProportionallyToPodLimitRange`).
fn cap_to_pod_range(
    recommendations: &mut Vec<ContainerRecommendation>,
    containers: &[ContainerResources],
    range: &LimitRangeItem,
) {
    for container in containers {
        if recommendation_for(recommendations, &container.container).is_none() && !container.requests.is_empty() {
            let target = container.requests;
            let container = container.container.clone();
            recommendations.push(ContainerRecommendation { container, target, ..ContainerRecommendation::default() });
        }
    }
    let fields: [Field; 3] = [|one| &mut one.upper_bound, |one| &mut one.target, |one| &mut one.lower_bound];
    for field in fields {
        for resource in Resource::ALL {
            apply_pod_range(recommendations, containers, range, resource, field);
        }
    }
}

/// `applyPodLimitRange`.
fn apply_pod_range(
    recommendations: &mut [ContainerRecommendation],
    containers: &[ContainerResources],
    range: &LimitRangeItem,
    resource: Resource,
    field: Field,
) {
    let (min, max) = (range.min.or_zero(resource), range.max.or_zero(resource));
    let (mut sum_limit, mut sum_recommended) = (0, 0);
    for container in containers {
        let (request, limit) = (container.requests.or_zero(resource), container.limits.or_zero(resource));
        let own = recommendations.iter_mut().find(|one| one.container == container.container);
        let recommended = own.map_or(request, |own| field(own).or_zero(resource));
        sum_limit += proportion::limit(limit, request, recommended, range.default.or_zero(resource)).unwrap_or(0);
        sum_recommended += recommended;
    }
    let is_within = min <= sum_limit && min <= sum_recommended && (max == 0 || sum_limit <= max);
    // Where there is a limit, something is recommended, so that neither sum is divided by in vain.
    if is_within || sum_limit == 0 {
        return;
    }
    let change = |amount: u64| {
        if min > sum_recommended {
            // CPU is rounded up; for memory upstream has cut the fraction off before it comes to that.
            match resource {
                Resource::Cpu => proportion::scaled_up(amount, sum_recommended, min),
                Resource::Memory => proportion::scaled(amount, sum_recommended, min),
            }
        } else {
            let total = if max != 0 && max < sum_limit { max } else { min };
            proportion::scaled(amount, sum_limit, total)
        }
    };
    for one in recommendations.iter_mut().filter(|one| containers.iter().any(|own| own.container == one.container)) {
        let amounts = field(one);
        if !amounts.is_empty() {
            amounts.set(resource, Some(change(amounts.or_zero(resource))));
        }
    }
}

#[cfg(test)]
mod tests;

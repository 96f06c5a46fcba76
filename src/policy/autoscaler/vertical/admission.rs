//! What a pod gets when it is made, or is resized where it runs.
//!
//! Follows `pkg/admission-controller/resource/pod/{recommendation,patch}` of the Vertical Pod Autoscaler 1.8.1.
//!
//! Not here: the boost of CPU at the start (`CPUStartupBoost`, alpha, off by default).

use super::capping::cap_for_pod;
use super::proportion;
use super::spec::{
    Amounts, ContainerRecommendation, ContainerResources, ControlledValues, LimitRanges, Resource, ResourcePolicy,
    UpdateMode, recommendation_for,
};

/// What each container of a pod is to request and its limits, in the order of the containers; what nothing is said of stays as
/// it is (`GetContainersResourcesForPod`).
///
/// `containers` are as the template has them when a pod is made, as they run when it is resized.
pub fn resources_for_pod(
    recommendations: &[ContainerRecommendation],
    containers: &[ContainerResources],
    mode: UpdateMode,
    policy: &ResourcePolicy,
    ranges: &LimitRanges,
) -> Vec<ContainerResources> {
    let capped = match mode {
        UpdateMode::Off => vec![],
        _ => cap_for_pod(recommendations, containers, policy, ranges),
    };
    let default = ranges.container.map_or(Amounts::default(), |range| range.default);
    let resources_of = |container: &ContainerResources| {
        let name = &container.container;
        let requests = recommendation_for(&capped, name).map_or(Amounts::default(), |one| one.target);
        let mut limits = Amounts::default();
        if policy.controlled_values(name) == ControlledValues::RequestsAndLimits {
            for resource in Resource::ALL {
                let (limit, request) = (container.limits.or_zero(resource), container.requests.or_zero(resource));
                let recommended = requests.or_zero(resource);
                limits.set(resource, proportion::limit(limit, request, recommended, default.or_zero(resource)));
            }
        }
        ContainerResources { container: name.clone(), requests, limits }
    };
    containers.iter().map(resources_of).collect()
}

/// A container with what it is given.
pub fn applied(container: &ContainerResources, change: &ContainerResources) -> ContainerResources {
    ContainerResources {
        container: container.container.clone(),
        requests: change.requests.or(container.requests),
        limits: change.limits.or(container.limits),
    }
}

#[cfg(test)]
mod tests;

//! Which pods the updater changes, and in which order.
//!
//! Follows `pkg/updater/priority` of the Vertical Pod Autoscaler 1.8.1.
//!
//! Known deviation: pods of equal priority stay in the order that they are given in; upstream's sort mixes equal ones where
//! there are more than twelve pods.

pub use super::spec::EvictionRequirement;
use super::spec::{ContainerRecommendation, ContainerResources, Resource, ResourcePolicy, recommendation_for};
use crate::units::{SimDuration, SimTime};

/// The last end of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termination {
    /// When that run of it started.
    pub started: SimTime,
    /// When it ended.
    pub finished: SimTime,
    /// Whether it ended for using more memory than it may.
    pub is_oom: bool,
}

/// A container as the updater sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningContainer {
    /// What it has.
    pub resources: ContainerResources,
    /// Its last end, if it ended.
    pub last_termination: Option<Termination>,
    /// Whether the admission saw it (annotation `vpaObservedContainers`; true where there is no annotation). Others, which
    /// were injected later, are left alone.
    pub is_observed: bool,
}

/// How much a pod needs a change (`PodPriority`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Priority {
    /// Whether a request is below its lower or above its upper bound, or missing.
    pub is_outside_recommended_range: bool,
    /// Whether a request is below its target, or missing.
    pub scales_up: bool,
    /// Relative differences between the pod's requests and targets, summed over the resources.
    pub resource_diff: f64,
}

impl Priority {
    /// Whether a pod with this priority comes after one with the other (`Less`).
    pub fn is_less(&self, other: &Priority) -> bool {
        if self.scales_up != other.scales_up { other.scales_up } else { self.resource_diff < other.resource_diff }
    }
}

/// The priority of a pod, whose recommendations were capped for it (`GetUpdatePriority`).
pub fn priority(containers: &[RunningContainer], recommendations: &[ContainerRecommendation]) -> Priority {
    let mut priority = Priority::default();
    for resource in Resource::ALL {
        let (mut requested, mut recommended) = (0u64, None::<u64>);
        for container in containers.iter().filter(|container| container.is_observed) {
            let Some(own) = recommendation_for(recommendations, &container.resources.container) else { continue };
            let Some(target) = own.target.get(resource) else { continue };
            recommended = Some(recommended.unwrap_or(0) + target);
            let Some(request) = container.resources.requests.get(resource) else {
                priority.scales_up = true;
                priority.is_outside_recommended_range = true;
                continue;
            };
            requested += request;
            priority.scales_up |= target > request;
            let is_below = own.lower_bound.get(resource).is_some_and(|bound| request < bound);
            let is_above = own.upper_bound.get(resource).is_some_and(|bound| request > bound);
            priority.is_outside_recommended_range |= is_below || is_above;
        }
        if let Some(recommended) = recommended {
            let (requested, recommended) = (thousandths(resource, requested), thousandths(resource, recommended));
            let requested = requested.max(1.0);
            priority.resource_diff += (requested - recommended).abs() / requested;
        }
    }
    priority
}

/// Upstream's sums are in thousandths of the unit.
fn thousandths(resource: Resource, amount: u64) -> f64 {
    match resource {
        Resource::Cpu => amount as f64,
        Resource::Memory => (u128::from(amount) * 1000) as f64,
    }
}

/// Thresholds of the updater (`UpdateConfig`); flags in brackets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpdateThresholds {
    /// A smaller difference is not worth a change (`pod-update-threshold`).
    pub min_change_priority: f64,
    /// A pod whose requests are within the range is changed only when it is at least that old
    /// (`in-recommendation-bounds-eviction-lifetime-threshold`).
    pub pod_lifetime: SimDuration,
    /// A container that ran out of memory within that time from its start, and within that time from now, is changed at
    /// once (`evict-after-oom-threshold`).
    pub evict_after_oom: SimDuration,
}

impl Default for UpdateThresholds {
    fn default() -> UpdateThresholds {
        UpdateThresholds {
            min_change_priority: 0.1,
            pod_lifetime: SimDuration(12 * 3_600_000_000_000),
            evict_after_oom: SimDuration(600_000_000_000),
        }
    }
}

impl UpdateThresholds {
    /// Whether a pod of that priority is to be changed (`UpdatePriorityCalculator.AddPod`). `started` is none while its status
    /// has no start time.
    pub fn accepts(
        &self,
        priority: &Priority,
        containers: &[RunningContainer],
        policy: &ResourcePolicy,
        started: Option<SimTime>,
        now: SimTime,
    ) -> bool {
        let is_quick_oom = containers.iter().any(|container| {
            let is_scaled = policy.scales(&container.resources.container);
            container.is_observed && is_scaled && self.is_quick_oom(container.last_termination, now)
        });
        if is_quick_oom && priority.resource_diff == 0.0 {
            return false;
        }
        if is_quick_oom || priority.is_outside_recommended_range {
            return true;
        }
        let is_old = started.is_some_and(|started| now >= started.after(self.pod_lifetime));
        is_old && priority.resource_diff >= self.min_change_priority
    }

    fn is_quick_oom(&self, termination: Option<Termination>, now: SimTime) -> bool {
        let is_within = |from: SimTime, to: SimTime| to < from.after(self.evict_after_oom);
        termination
            .is_some_and(|last| last.is_oom && is_within(last.started, last.finished) && is_within(last.finished, now))
    }
}

/// Whether a pod fulfils all requirements: with one container, or since a container lacks a request
/// (`scalingDirectionPodEvictionAdmission`). `requirements` is none where there is no update policy.
pub fn admits(
    containers: &[RunningContainer],
    recommendations: &[ContainerRecommendation],
    requirements: Option<&[EvictionRequirement]>,
) -> bool {
    let Some(requirements) = requirements else { return true };
    containers.iter().any(|container| {
        let Some(own) = recommendation_for(recommendations, &container.resources.container) else { return false };
        let requests = &container.resources.requests;
        let lacks_request = requests.cpu.is_none() || requests.memory.is_none();
        let is_fulfilled = |requirement: &EvictionRequirement| {
            requirement.resources.iter().any(|&resource| {
                let (request, target) = (requests.or_zero(resource), own.target.or_zero(resource));
                if requirement.is_target_higher { target > request } else { target < request }
            })
        };
        lacks_request || requirements.iter().all(is_fulfilled)
    })
}

#[cfg(test)]
mod tests;

//! Pods of another size: what the kubelet and the scheduler see of them.
//!
//! Requests of a pod are those of `PodRequests` (k8s.io/component-helpers/resource, v0.37): the sum over containers and
//! sidecars, raised to what any init container needs while it starts. What the template's pods request beside their
//! containers, their overhead, stays.

use crate::model::PodClass;
use crate::model::controllers::{Container, PodLife};
use crate::model::usage::QualityOfService;
use crate::model::vertical_pod_autoscaler::{Amounts, ContainerResources};
use crate::units::{Bytes, MilliCpu};
use crate::world::nodes::{DEFAULT_SCORING_CPU_MILLI, DEFAULT_SCORING_MEMORY_BYTES, scoring_request};

/// What each container of a pod that is no init container requests, and its limits.
pub fn resources_of(life: &PodLife) -> Vec<ContainerResources> {
    let of = |container: &Container| {
        let given = |amount: u64| (amount > 0).then_some(amount);
        let usage = container.usage.as_deref();
        let request = Amounts {
            cpu: usage.and_then(|usage| given(usage.cpu_request)).map(MilliCpu),
            memory: usage.and_then(|usage| given(usage.memory_request)).map(Bytes),
        };
        let limits = Amounts {
            cpu: usage.and_then(|usage| usage.cpu_limit).map(MilliCpu),
            memory: usage.and_then(|usage| usage.memory_limit).map(Bytes),
        };
        ContainerResources { container: container.name.clone(), requests: request, limits }
    };
    life.containers.iter().map(of).collect()
}

/// The life of pods whose containers have these resources, in the order of the template.
pub fn resized_life(base: &PodLife, resources: &[ContainerResources]) -> PodLife {
    let mut life = base.clone();
    for (container, own) in life.containers.iter_mut().zip(resources) {
        let usage = container.usage.get_or_insert_default();
        usage.cpu_request = own.requests.cpu.map_or(0, |cpu| cpu.0);
        usage.memory_request = own.requests.memory.map_or(0, |memory| memory.0);
        usage.cpu_limit = own.limits.cpu.map(|cpu| cpu.0);
        usage.memory_limit = own.limits.memory.map(|memory| memory.0);
    }
    let quality = quality(&life);
    let least = resources.iter().map(|own| own.requests.memory.map_or(0, |memory| memory.0)).min().unwrap_or(0);
    for container in life.init_containers.iter_mut().chain(&mut life.containers) {
        if let Some(usage) = &mut container.usage {
            usage.quality = quality;
            usage.least_main_memory_request = usage.least_main_memory_request.map(|_| least);
        }
    }
    life
}

/// `ComputePodQOS`, without resources of the pod as a whole.
fn quality(life: &PodLife) -> QualityOfService {
    let (mut has_any, mut is_guaranteed) = (false, true);
    for container in life.init_containers.iter().chain(&life.containers) {
        let Some(usage) = container.usage.as_deref() else {
            is_guaranteed = false;
            continue;
        };
        has_any |= usage.cpu_request > 0 || usage.memory_request > 0;
        is_guaranteed &= usage.cpu_limit == Some(usage.cpu_request) && usage.memory_limit == Some(usage.memory_request);
    }
    match (has_any, is_guaranteed) {
        (false, _) => QualityOfService::BestEffort,
        (true, true) => QualityOfService::Guaranteed,
        (true, false) => QualityOfService::Burstable,
    }
}

/// The class of pods whose life was `before` and is `after`.
pub fn resized_class(base: &PodClass, before: &PodLife, after: &PodLife) -> PodClass {
    let mut class = base.clone();
    let shift = |amount: u64, of: &dyn Fn(&PodLife) -> u64| (amount + of(after)).saturating_sub(of(before));
    class.requests.cpu.0 = shift(base.requests.cpu.0, &|life| effective(life, cpu_request));
    class.requests.memory.0 = shift(base.requests.memory.0, &|life| effective(life, memory_request));
    if let Some(limits) = &mut class.limits {
        // A container without a limit leaves the pod without one; none of them gets one that had none.
        limits.cpu.0 = shift(limits.cpu.0, &|life| total_limit(life, |usage| usage.cpu_limit));
        limits.memory.0 = shift(limits.memory.0, &|life| total_limit(life, |usage| usage.memory_limit));
    }
    let scored = |(cpu, memory): (u64, u64)| {
        let cpu = shift(cpu, &|life| effective(life, |one| or(cpu_request(one), DEFAULT_SCORING_CPU_MILLI)));
        let memory =
            shift(memory, &|life| effective(life, |one| or(memory_request(one), DEFAULT_SCORING_MEMORY_BYTES)));
        (cpu, memory)
    };
    class.spec.scoring_request = Some(scored(scoring_request(base)));
    class.spec.fit_scoring_request = base.spec.fit_scoring_request.map(scored);
    class
}

fn or(amount: u64, default: u64) -> u64 {
    if amount == 0 { default } else { amount }
}

fn cpu_request(container: &Container) -> u64 {
    container.usage.as_ref().map_or(0, |usage| usage.cpu_request)
}

fn memory_request(container: &Container) -> u64 {
    container.usage.as_ref().map_or(0, |usage| usage.memory_request)
}

/// The sum over containers and sidecars, raised to what any init container needs while it starts.
fn effective(life: &PodLife, of: impl Fn(&Container) -> u64) -> u64 {
    let mut total: u64 = life.containers.iter().map(&of).sum();
    let (mut staying, mut starting) = (0, 0);
    for container in &life.init_containers {
        let needed = of(container);
        if container.is_sidecar {
            total += needed;
            staying += needed;
            starting = staying.max(starting);
        } else {
            starting = (staying + needed).max(starting);
        }
    }
    total.max(starting)
}

/// The sum of limits, where all containers have one; else 0.
fn total_limit(life: &PodLife, of: fn(&crate::model::Usage) -> Option<u64>) -> u64 {
    let limits = life.containers.iter().map(|one| one.usage.as_deref().and_then(of));
    limits.sum::<Option<u64>>().unwrap_or(0)
}

#[cfg(test)]
mod tests;

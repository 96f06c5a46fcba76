//! What a VerticalPodAutoscaler asks for, and what it knows of pods.
//!
//! Names and defaults are those of `autoscaling.k8s.io/v1` in the Vertical Pod Autoscaler 1.8.1. Amounts are whole
//! milli-cores and bytes.

use std::collections::BTreeSet;

use crate::units::{Bytes, MilliCpu, SimDuration};

/// What is scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// CPU, in milli-cores.
    Cpu,
    /// Memory, in bytes.
    Memory,
}

impl Resource {
    /// Both of them.
    pub const ALL: [Resource; 2] = [Resource::Cpu, Resource::Memory];
}

/// How much of each resource; none: nothing is said of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// CPU.
    pub cpu: Option<MilliCpu>,
    /// Memory.
    pub memory: Option<Bytes>,
}

impl Amounts {
    /// Of both.
    pub fn both(cpu: MilliCpu, memory: Bytes) -> Amounts {
        Amounts { cpu: Some(cpu), memory: Some(memory) }
    }

    /// Milli-cores or bytes.
    pub fn get(&self, resource: Resource) -> Option<u64> {
        match resource {
            Resource::Cpu => self.cpu.map(|cpu| cpu.0),
            Resource::Memory => self.memory.map(|memory| memory.0),
        }
    }

    /// Milli-cores or bytes; 0 where nothing is said.
    pub fn or_zero(&self, resource: Resource) -> u64 {
        self.get(resource).unwrap_or(0)
    }

    /// Sets milli-cores or bytes.
    pub fn set(&mut self, resource: Resource, amount: Option<u64>) {
        match resource {
            Resource::Cpu => self.cpu = amount.map(MilliCpu),
            Resource::Memory => self.memory = amount.map(Bytes),
        }
    }

    /// What is said here, and where nothing is, what is said there.
    #[must_use]
    pub fn or(self, other: Amounts) -> Amounts {
        Amounts { cpu: self.cpu.or(other.cpu), memory: self.memory.or(other.memory) }
    }

    /// Whether nothing is said of either.
    pub fn is_empty(&self) -> bool {
        self.cpu.is_none() && self.memory.is_none()
    }

    /// Changes what is said, resource by resource.
    pub fn update(&mut self, change: impl Fn(Resource, u64) -> u64) {
        for resource in Resource::ALL {
            self.set(resource, self.get(resource).map(|amount| change(resource, amount)));
        }
    }
}

/// `spec.updatePolicy.updateMode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpdateMode {
    /// Nothing is changed, only recommended.
    Off,
    /// Pods get what is recommended when they are made.
    Initial,
    /// Pods are evicted as well (`Auto` means this, too).
    #[default]
    Recreate,
    /// Pods are resized where they run, and evicted where that fails.
    InPlaceOrRecreate,
    /// Pods are resized where they run, and never evicted (alpha: nothing happens unless the updater's gate is open).
    InPlace,
}

/// `containerPolicies[].controlledValues`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ControlledValues {
    /// Limits follow requests in proportion.
    #[default]
    RequestsAndLimits,
    /// Limits stay, and requests stay within them.
    RequestsOnly,
}

/// `containerPolicies[]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerPolicy {
    /// Name of the container; `*` stands for all that have no policy of their own.
    pub container: String,
    /// Whether there are recommendations for it (`mode: Off` says no).
    pub is_scaled: bool,
    /// The least that is recommended.
    pub min_allowed: Amounts,
    /// The most that is recommended.
    pub max_allowed: Amounts,
    /// Whether CPU and whether memory is scaled (`controlledResources`).
    pub controls_cpu: bool,
    /// See `controls_cpu`.
    pub controls_memory: bool,
    /// What is changed of a container.
    pub controlled_values: ControlledValues,
    /// `oomBumpUpRatio`, which counts when `PerVPAConfig` is on.
    pub oom_bump_up_ratio: Option<f64>,
    /// `oomMinBumpUp` in bytes, which counts when `PerVPAConfig` is on.
    pub oom_min_bump_up_bytes: Option<f64>,
    /// `memoryAggregationIntervalSeconds`, which counts when `PerVPAConfig` is on.
    pub memory_aggregation_interval: Option<SimDuration>,
    /// `memoryAggregationIntervalCount`, which counts when `PerVPAConfig` is on.
    pub memory_aggregation_interval_count: Option<u64>,
}

impl ContainerPolicy {
    /// The policy that says nothing but whom it is for.
    pub fn named(container: &str) -> ContainerPolicy {
        ContainerPolicy {
            container: container.to_owned(),
            is_scaled: true,
            min_allowed: Amounts::default(),
            max_allowed: Amounts::default(),
            controls_cpu: true,
            controls_memory: true,
            controlled_values: ControlledValues::default(),
            oom_bump_up_ratio: None,
            oom_min_bump_up_bytes: None,
            memory_aggregation_interval: None,
            memory_aggregation_interval_count: None,
        }
    }

    /// Whether it scales that resource.
    pub fn controls(&self, resource: Resource) -> bool {
        match resource {
            Resource::Cpu => self.controls_cpu,
            Resource::Memory => self.controls_memory,
        }
    }
}

/// `spec.resourcePolicy`, and what annotations add to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourcePolicy {
    /// `containerPolicies`.
    pub containers: Vec<ContainerPolicy>,
    /// Containers whose CPU is rounded up to whole cores, where the recommender has that post-processor: those with an
    /// annotation `vpa-post-processor.kubernetes.io/CONTAINER_integerCPU: "true"`.
    pub integer_cpu: BTreeSet<String>,
}

impl ResourcePolicy {
    /// The policy of a container: its own, or the last one for all (`GetContainerResourcePolicy`).
    pub fn of(&self, container: &str) -> Option<&ContainerPolicy> {
        let own = self.containers.iter().find(|policy| policy.container == container);
        own.or_else(|| self.containers.iter().rev().find(|policy| policy.container == "*"))
    }

    /// Whether there are recommendations for a container.
    pub fn scales(&self, container: &str) -> bool {
        self.of(container).is_none_or(|policy| policy.is_scaled)
    }

    /// What is changed of a container.
    pub fn controlled_values(&self, container: &str) -> ControlledValues {
        self.of(container).map_or(ControlledValues::default(), |policy| policy.controlled_values)
    }
}

/// What is recommended for a container (`RecommendedContainerResources`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerRecommendation {
    /// Name of the container.
    pub container: String,
    /// What it should request.
    pub target: Amounts,
    /// Who requests less is changed at once.
    pub lower_bound: Amounts,
    /// Who requests more is changed at once.
    pub upper_bound: Amounts,
    /// The target before the policy's least and most.
    pub uncapped_target: Amounts,
}

/// The recommendation for a container by name.
pub fn recommendation_for<'r>(
    recommendations: &'r [ContainerRecommendation],
    container: &str,
) -> Option<&'r ContainerRecommendation> {
    recommendations.iter().find(|recommendation| recommendation.container == container)
}

/// What a container requests, and its limits: those that it has where it runs, else those of its template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerResources {
    /// Name of the container.
    pub container: String,
    /// Requests.
    pub requests: Amounts,
    /// Limits.
    pub limits: Amounts,
}

/// What a LimitRange says, of containers or of pods; nothing is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitRangeItem {
    /// The least that may be requested.
    pub min: Amounts,
    /// The highest limit.
    pub max: Amounts,
    /// Limits of containers that have none.
    pub default: Amounts,
}

impl LimitRangeItem {
    /// One item that limits as much as all of them, in order: the highest minimum, the lowest maximum, the last default
    /// (`LimitRangeCalculator`). None: there are no items that say anything.
    pub fn combined(items: &[LimitRangeItem]) -> Option<LimitRangeItem> {
        let mut combined = LimitRangeItem::default();
        for item in items {
            if !item.default.is_empty() {
                combined.default = item.default;
            }
            for resource in Resource::ALL {
                let (min, max) = (combined.min.get(resource), combined.max.get(resource));
                combined.min.set(resource, min.max(item.min.get(resource)));
                let lower = |ours: u64| item.max.get(resource).map_or(ours, |theirs| ours.min(theirs));
                combined.max.set(resource, max.map(lower).or(item.max.get(resource)));
            }
        }
        (combined != LimitRangeItem::default()).then_some(combined)
    }
}

/// LimitRanges of a namespace, those of a type combined into one (`LimitRangeCalculator`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitRanges {
    /// For each container.
    pub container: Option<LimitRangeItem>,
    /// For all containers of a pod together.
    pub pod: Option<LimitRangeItem>,
}

/// What has to be so for a pod to be evicted or resized (`evictionRequirements[]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvictionRequirement {
    /// One of these has to fulfil it.
    pub resources: Vec<Resource>,
    /// `TargetHigherThanRequests`, or `TargetLowerThanRequests`.
    pub is_target_higher: bool,
}

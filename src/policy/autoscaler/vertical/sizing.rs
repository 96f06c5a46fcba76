//! What sizes one container from its own usage: the same questions to every rule, for back-tests and comparisons.

use super::aggregate::{AggregateState, AggregationsConfig, ContainerState};
use super::recommender::RecommenderConfig;
use super::spec::{ContainerRecommendation, ContainerResources, Resource, ResourcePolicy};
use crate::units::{Bytes, MilliCpu, SimTime};

/// What a container used over a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU, on average.
    pub cpu: MilliCpu,
    /// Memory, at the end.
    pub memory: Bytes,
}

/// A rule that says how large a container should be.
pub trait Sizing {
    /// The container used that much until `at`. Instants ascend.
    fn observe(&mut self, at: SimTime, usage: Usage);

    /// The container was killed at `at` since it used more memory than its limit; so large it was.
    fn observe_oom(&mut self, at: SimTime, resources: &ContainerResources);

    /// What it should be like; none: nothing is known yet.
    fn recommend(&mut self, now: SimTime) -> Option<ContainerRecommendation>;
}

/// The Vertical Pod Autoscaler, for a container that no other one shares its aggregate with.
#[derive(Clone, Debug)]
pub struct KubeVpa {
    recommender: RecommenderConfig,
    policy: ResourcePolicy,
    container: String,
    aggregate: AggregateState,
    state: ContainerState,
}

impl KubeVpa {
    /// For the only container of a pod, before its first sample.
    pub fn new(
        container: &str,
        aggregations: &AggregationsConfig,
        recommender: RecommenderConfig,
        policy: ResourcePolicy,
    ) -> KubeVpa {
        let mut aggregate = AggregateState::new(aggregations, SimTime::ZERO);
        if aggregations.per_vpa_config
            && let Some(own) = policy.of(container)
        {
            aggregate.update_from_policy(own);
        }
        let state = ContainerState::default();
        KubeVpa { recommender, policy, container: container.to_owned(), aggregate, state }
    }
}

impl Sizing for KubeVpa {
    fn observe(&mut self, at: SimTime, usage: Usage) {
        self.state.add_sample(&mut self.aggregate, Resource::Cpu, at, usage.cpu.0);
        self.state.add_sample(&mut self.aggregate, Resource::Memory, at, usage.memory.0);
    }

    fn observe_oom(&mut self, at: SimTime, resources: &ContainerResources) {
        let request = resources.requests.or_zero(Resource::Memory);
        self.state.record_oom(&mut self.aggregate, at, request).expect("samples and events come in order");
    }

    fn recommend(&mut self, _now: SimTime) -> Option<ContainerRecommendation> {
        self.recommender.recommend(&[(&self.container, &self.aggregate)], &self.policy).pop()
    }
}

/// Nothing is ever changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed;

impl Sizing for Fixed {
    fn observe(&mut self, _at: SimTime, _usage: Usage) {}

    fn observe_oom(&mut self, _at: SimTime, _resources: &ContainerResources) {}

    fn recommend(&mut self, _now: SimTime) -> Option<ContainerRecommendation> {
        None
    }
}

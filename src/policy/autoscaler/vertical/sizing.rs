//! What sizes a container from its usage: the same questions to every rule, for back-tests and comparisons.
//!
//! All pods of a workload feed one rule, which gives them one size. The engine may also keep the Vertical Pod Autoscaler's
//! own memory instead, [`ClusterState`](super::cluster::ClusterState), which tells rollouts apart and sizes all
//! containers of a pod.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::aggregate::{AggregateState, AggregationsConfig, ContainerState};
use super::recommender::RecommenderConfig;
use super::spec::{ContainerRecommendation, ContainerResources, Resource, ResourcePolicy};
use crate::ids::PodId;
pub use crate::model::sizing::Usage;
use crate::units::SimTime;

/// A rule that says how large the containers of one name in the pods of a workload should be.
pub trait Sizing: Debug + Send {
    /// The container of a pod used that much until `at`. Instants ascend.
    fn observe(&mut self, pod: PodId, at: SimTime, usage: Usage);

    /// The container of a pod was killed at `at` since it used more memory than its limit; so large it was.
    fn observe_oom(&mut self, pod: PodId, at: SimTime, resources: &ContainerResources);

    /// A pod is gone. What its container used stays.
    fn forget(&mut self, pod: PodId);

    /// What they should be like; none: nothing is known yet.
    fn recommend(&mut self, now: SimTime) -> Option<ContainerRecommendation>;
}

/// The Vertical Pod Autoscaler, for pods of one container.
#[derive(Clone, Debug)]
pub struct KubeVpa {
    recommender: RecommenderConfig,
    policy: ResourcePolicy,
    container: String,
    aggregate: AggregateState,
    states: BTreeMap<PodId, ContainerState>,
}

impl KubeVpa {
    /// Before the first sample.
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
        KubeVpa { recommender, policy, container: container.to_owned(), aggregate, states: BTreeMap::new() }
    }
}

impl Sizing for KubeVpa {
    fn observe(&mut self, pod: PodId, at: SimTime, usage: Usage) {
        let state = self.states.entry(pod).or_default();
        state.add_sample(&mut self.aggregate, Resource::Cpu, at, usage.cpu.0);
        state.add_sample(&mut self.aggregate, Resource::Memory, at, usage.memory.0);
    }

    fn observe_oom(&mut self, pod: PodId, at: SimTime, resources: &ContainerResources) {
        let request = resources.requests.or_zero(Resource::Memory);
        let state = self.states.entry(pod).or_default();
        // What is too old says nothing that later samples do not.
        state.record_oom(&mut self.aggregate, at, request).ok();
    }

    fn forget(&mut self, pod: PodId) {
        self.states.remove(&pod);
    }

    fn recommend(&mut self, _now: SimTime) -> Option<ContainerRecommendation> {
        self.recommender.recommend(&[(&self.container, &self.aggregate)], &self.policy).pop()
    }
}

/// Nothing is ever changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed;

impl Sizing for Fixed {
    fn observe(&mut self, _pod: PodId, _at: SimTime, _usage: Usage) {}

    fn observe_oom(&mut self, _pod: PodId, _at: SimTime, _resources: &ContainerResources) {}

    fn forget(&mut self, _pod: PodId) {}

    fn recommend(&mut self, _now: SimTime) -> Option<ContainerRecommendation> {
        None
    }
}

//! The recommender's memory: aggregates of usage, and the containers that feed them.
//!
//! Follows `pkg/recommender/model/{cluster,vpa}.go` of the Vertical Pod Autoscaler 1.8.1. Which pods have the same labels is
//! told by the caller, who gives each set of labels (within its namespace) a number; a rollout brings a new one, since it changes
//! the hash of the template.
//!
//! Known deviation: where a VPA takes in several aggregates of one container name, they are added in the order of
//! their numbers; upstream's order is that of a Go map, so that the last bits of its sums differ from loop to loop.
//!
//! Cost: a sample O(log n) for n containers; a recommendation O(buckets) for each aggregate; forgetting O(n) an hour.

use std::collections::{BTreeMap, BTreeSet};

use super::aggregate::{AggregateState, AggregationsConfig, ContainerState, StaleOom};
use super::recommender::RecommenderConfig;
use super::spec::{ContainerRecommendation, Resource, ResourcePolicy};
use crate::ids::PodId;
use crate::units::{SimDuration, SimTime};

/// How often obsolete aggregates are looked for (`aggregateContainerStateGCInterval`).
pub const GARBAGE_COLLECTION_INTERVAL: SimDuration = SimDuration(3_600_000_000_000);

/// Pods with the same labels in the same namespace, as the caller numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelSet(pub u32);

#[derive(Clone, Debug)]
struct Pod {
    labels: LabelSet,
    containers: BTreeMap<String, ContainerState>,
}

/// Pods, their containers and the aggregates of their usage (`ClusterState`).
#[derive(Clone, Debug)]
pub struct ClusterState {
    config: AggregationsConfig,
    pods: BTreeMap<PodId, Pod>,
    aggregates: BTreeMap<(LabelSet, String), AggregateState>,
    collected: Option<SimTime>,
}

/// A sample or an event of a pod or container that the recommender does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownContainer {
    /// There is no such container.
    #[error("the recommender knows no such container")]
    Unknown,
    /// There is, but the event is too old.
    #[error(transparent)]
    Stale(#[from] StaleOom),
}

impl ClusterState {
    /// Without pods.
    pub fn new(config: AggregationsConfig) -> ClusterState {
        ClusterState { config, pods: BTreeMap::new(), aggregates: BTreeMap::new(), collected: None }
    }

    /// A pod is there, with these containers, or has other labels or containers than before.
    pub fn set_pod<'c>(
        &mut self,
        pod: PodId,
        labels: LabelSet,
        containers: impl IntoIterator<Item = &'c str>,
        now: SimTime,
    ) {
        let known = self.pods.entry(pod).or_insert_with(|| Pod { labels, containers: BTreeMap::new() });
        known.labels = labels;
        for name in containers {
            known.containers.entry(name.to_owned()).or_default();
            let aggregate = self.aggregates.entry((labels, name.to_owned()));
            aggregate.or_insert_with(|| AggregateState::new(&self.config, now));
        }
    }

    /// A pod is gone. What its containers used stays.
    pub fn remove_pod(&mut self, pod: PodId) {
        self.pods.remove(&pod);
    }

    /// Adds a sample, in milli-cores or bytes; whether it was used. It is not where it is out of order, or the container is
    /// unknown.
    pub fn add_sample(&mut self, pod: PodId, container: &str, resource: Resource, at: SimTime, usage: u64) -> bool {
        self.with_container(pod, container, at, |state, aggregate| state.add_sample(aggregate, resource, at, usage))
            .unwrap_or(false)
    }

    /// A container was killed since it used more memory than it may; see [`ContainerState::record_oom`].
    ///
    /// # Errors
    /// When the container is unknown, or that was too long ago.
    pub fn record_oom(
        &mut self,
        pod: PodId,
        container: &str,
        at: SimTime,
        request_bytes: u64,
    ) -> Result<(), UnknownContainer> {
        let recorded =
            self.with_container(pod, container, at, |state, aggregate| state.record_oom(aggregate, at, request_bytes));
        Ok(recorded.ok_or(UnknownContainer::Unknown)??)
    }

    fn with_container<T>(
        &mut self,
        pod: PodId,
        container: &str,
        now: SimTime,
        act: impl FnOnce(&mut ContainerState, &mut AggregateState) -> T,
    ) -> Option<T> {
        let pod = self.pods.get_mut(&pod)?;
        let state = pod.containers.get_mut(container)?;
        let aggregate = self.aggregates.entry((pod.labels, container.to_owned()));
        Some(act(state, aggregate.or_insert_with(|| AggregateState::new(&self.config, now))))
    }

    /// The aggregate of a container name in pods with these labels.
    pub fn aggregate(&self, labels: LabelSet, container: &str) -> Option<&AggregateState> {
        self.aggregates.get(&(labels, container.to_owned()))
    }

    /// What is known of each container name in pods with any of these labels (`AggregateStateByContainerName`).
    pub fn aggregates_by_name(
        &mut self,
        labels: &BTreeSet<LabelSet>,
        policy: &ResourcePolicy,
        now: SimTime,
    ) -> BTreeMap<String, AggregateState> {
        let mut by_name: BTreeMap<String, AggregateState> = BTreeMap::new();
        for ((_, name), aggregate) in self.aggregates.iter_mut().filter(|((own, _), _)| labels.contains(own)) {
            if self.config.per_vpa_config
                && let Some(policy) = policy.of(name)
            {
                aggregate.update_from_policy(policy);
            }
            let sum = by_name.entry(name.clone()).or_insert_with(|| AggregateState::new(&self.config, now));
            sum.merge(aggregate);
        }
        by_name
    }

    /// What is recommended for the containers of pods with these labels, in the order of their names.
    pub fn recommend(
        &mut self,
        recommender: &RecommenderConfig,
        labels: &BTreeSet<LabelSet>,
        policy: &ResourcePolicy,
        now: SimTime,
    ) -> Vec<ContainerRecommendation> {
        let by_name = self.aggregates_by_name(labels, policy, now);
        let containers: Vec<_> = by_name.iter().map(|(name, state)| (name.as_str(), state)).collect();
        recommender.recommend(&containers, policy)
    }

    /// Forgets aggregates that nothing feeds and that have no samples, and those without a sample for long, unless that was
    /// done within the hour. `is_contributive` says of which labels there are pods, or a controller that may make some.
    pub fn collect_garbage(&mut self, now: SimTime, is_contributive: impl Fn(LabelSet) -> bool) {
        if self.collected.is_some_and(|last| now.since(last) < GARBAGE_COLLECTION_INTERVAL) {
            return;
        }
        self.collected = Some(now);
        self.aggregates
            .retain(|(labels, _), state| (state.samples > 0 || is_contributive(*labels)) && !state.is_expired(now));
    }
}

#[cfg(test)]
mod tests;

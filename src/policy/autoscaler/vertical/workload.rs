//! What sizes all containers of a workload's pods: the Vertical Pod Autoscaler's recommender with its memory of rollouts, or
//! another rule of the table for each container.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::back_test::UsageStep;
use super::cluster::{ClusterState, LabelSet};
use super::recommender::{RecommenderConfig, cap_to_policy};
use super::sizing::{Sizing, Usage};
use super::spec::{Amounts, ContainerRecommendation, ContainerResources, Resource, ResourcePolicy};
use super::table::{SizingRow, SizingSetting, VPA_NAME, vpa_settings};
use crate::ids::PodId;
use crate::policy::parameters::ParameterError;
use crate::units::SimTime;

/// What sizes the containers of one workload.
#[derive(Debug)]
pub struct WorkloadSizing {
    policy: ResourcePolicy,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    /// `vpa`: all containers of a pod together.
    Recommender {
        cluster: Box<ClusterState>,
        config: RecommenderConfig,
        /// Labels that pods have had.
        labels: BTreeSet<LabelSet>,
    },
    /// Any other: each container by itself.
    Each(BTreeMap<String, Box<dyn Sizing>>),
}

/// A container of a template, for rules that are made for each of them.
#[derive(Clone, Debug, Default)]
pub struct TemplateContainer<'t> {
    /// Its name.
    pub name: &'t str,
    /// What it will use from the start of the run on, for rules that are clairvoyant; else empty.
    pub foresight: Vec<UsageStep>,
}

impl WorkloadSizing {
    /// The rule of a row, before the first sample.
    ///
    /// # Errors
    /// When a parameter is unknown, or wrong.
    pub fn new(
        row: &SizingRow,
        parameters: &Value,
        policy: &ResourcePolicy,
        containers: &[TemplateContainer<'_>],
    ) -> Result<WorkloadSizing, ParameterError> {
        let rule = if row.name == VPA_NAME {
            let (config, aggregations) = vpa_settings(parameters)?;
            let cluster = Box::new(ClusterState::new(aggregations));
            Rule::Recommender { cluster, config, labels: BTreeSet::new() }
        } else {
            let build = |one: &TemplateContainer<'_>| {
                let foresight = one.foresight.as_slice();
                let setting = SizingSetting { container: one.name, policy, foresight, start: SimTime::ZERO };
                Ok((one.name.to_owned(), row.build(parameters, &setting)?))
            };
            let scaled = containers.iter().filter(|one| policy.scales(one.name));
            Rule::Each(scaled.map(build).collect::<Result<_, ParameterError>>()?)
        };
        Ok(WorkloadSizing { policy: policy.clone(), rule })
    }

    /// A pod is there, with these labels and containers.
    pub fn see_pod<'c>(
        &mut self,
        pod: PodId,
        own: LabelSet,
        containers: impl IntoIterator<Item = &'c str>,
        now: SimTime,
    ) {
        if let Rule::Recommender { cluster, labels, .. } = &mut self.rule {
            cluster.set_pod(pod, own, containers, now);
            labels.insert(own);
        }
    }

    /// A container of a pod used that much until `at`. Instants ascend.
    pub fn observe(&mut self, pod: PodId, container: &str, at: SimTime, usage: Usage) {
        match &mut self.rule {
            Rule::Recommender { cluster, .. } => {
                cluster.add_sample(pod, container, Resource::Cpu, at, usage.cpu.0);
                cluster.add_sample(pod, container, Resource::Memory, at, usage.memory.0);
            }
            Rule::Each(rules) => {
                if let Some(rule) = rules.get_mut(container) {
                    rule.observe(pod, at, usage);
                }
            }
        }
    }

    /// A container of a pod was killed at `at` since it used more memory than it may; so large it was.
    pub fn observe_oom(&mut self, pod: PodId, at: SimTime, container: &ContainerResources) {
        match &mut self.rule {
            Rule::Recommender { cluster, .. } => {
                let request = container.requests.or_zero(Resource::Memory);
                // What is too old, or of a pod that went before anybody looked, says nothing.
                cluster.record_oom(pod, &container.container, at, request).ok();
            }
            Rule::Each(rules) => {
                if let Some(rule) = rules.get_mut(&container.container) {
                    rule.observe_oom(pod, at, container);
                }
            }
        }
    }

    /// A pod is gone. What its containers used stays.
    pub fn forget(&mut self, pod: PodId) {
        match &mut self.rule {
            Rule::Recommender { cluster, .. } => cluster.remove_pod(pod),
            Rule::Each(rules) => rules.values_mut().for_each(|rule| rule.forget(pod)),
        }
    }

    /// What containers should be like, in the order of their names, within what the policy allows; empty: nothing is known
    /// yet.
    pub fn recommend(&mut self, now: SimTime) -> Vec<ContainerRecommendation> {
        match &mut self.rule {
            Rule::Recommender { cluster, config, labels } => cluster.recommend(config, labels, &self.policy, now),
            Rule::Each(rules) => {
                let mut all: Vec<_> = rules.values_mut().filter_map(|rule| rule.recommend(now)).collect();
                all.iter_mut().for_each(|one| leave_out(one, &self.policy));
                cap_to_policy(&mut all, &self.policy, Amounts::default());
                all
            }
        }
    }

    /// Forgets what is obsolete; `is_contributive` says of which labels there are pods, or may come some.
    pub fn collect_garbage(&mut self, now: SimTime, is_contributive: impl Fn(LabelSet) -> bool) {
        if let Rule::Recommender { cluster, .. } = &mut self.rule {
            cluster.collect_garbage(now, is_contributive);
        }
    }
}

/// Says nothing of resources that the policy does not control.
fn leave_out(recommendation: &mut ContainerRecommendation, policy: &ResourcePolicy) {
    let Some(own) = policy.of(&recommendation.container) else { return };
    let ContainerRecommendation { target, lower_bound, upper_bound, uncapped_target, .. } = recommendation;
    for amounts in [target, lower_bound, upper_bound, uncapped_target] {
        for resource in Resource::ALL.into_iter().filter(|resource| !own.controls(*resource)) {
            amounts.set(resource, None);
        }
    }
}

#[cfg(test)]
mod tests;

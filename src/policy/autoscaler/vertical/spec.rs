//! What a VerticalPodAutoscaler asks for, and what it knows of pods: the types of the model.

pub use crate::model::vertical_pod_autoscaler::{
    Amounts, ContainerPolicy, ContainerRecommendation, ContainerResources, ControlledValues, EvictionRequirement,
    LimitRangeItem, LimitRanges, Resource, ResourcePolicy, UpdateMode, recommendation_for,
};

#[cfg(test)]
mod tests;

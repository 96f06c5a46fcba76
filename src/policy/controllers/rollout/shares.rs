//! Which share of the traffic each ReplicaSet gets.

use super::{ReleaseSet, RolloutStatus};
use crate::model::rollouts::{RolloutSpec, RolloutStrategy};

/// Whether something divides the traffic, rather than that it goes to all pods alike.
pub fn divides_traffic(spec: &RolloutSpec, status: &RolloutStatus) -> bool {
    matches!(spec.strategy, RolloutStrategy::BlueGreen(_)) || status.weights.is_some()
}

/// The share of the traffic in percent that goes to each ReplicaSet, in the order given: what a router was told, the one
/// that a Service selects, or where a Service selects all pods the share of the available ones.
pub fn traffic_shares(spec: &RolloutSpec, status: &RolloutStatus, sets: &[ReleaseSet]) -> Vec<f64> {
    let by_pods = || {
        let available: i32 = sets.iter().map(|other| other.set.status.available).sum();
        let share = |other: &ReleaseSet| f64::from(other.set.status.available) * 100.0 / f64::from(available.max(1));
        sets.iter().map(share).collect()
    };
    let max_weight = match &spec.strategy {
        RolloutStrategy::BlueGreen(_) => {
            let share = |other: &ReleaseSet| if status.active == Some(other.set.template) { 100.0 } else { 0.0 };
            return sets.iter().map(share).collect();
        }
        RolloutStrategy::Canary(canary) => canary.routing.map(|routing| routing.max_weight),
    };
    let (Some(weights), Some(max_weight)) = (status.weights, max_weight) else { return by_pods() };
    let share = |other: &ReleaseSet| {
        let template = other.set.template;
        let canary = if template == weights.canary_template { weights.canary } else { 0 };
        let stable = if Some(template) == weights.stable_template { weights.stable } else { 0 };
        f64::from(canary + stable) * 100.0 / f64::from(max_weight)
    };
    sets.iter().map(share).collect()
}

//! A workload between zero and its HPA (`pkg/scaling/executor/scale_scaledobjects.go`).

use super::fallback::{Fallback, Outcome};
use super::{COOLDOWN_PERIOD, POLLING_INTERVAL};
use crate::units::{SimDuration, SimTime};

/// Replicas of the HPA, unless the object says otherwise (`defaultHPAMaxReplicas`).
const REPLICAS_MAX: u32 = 100;

/// `spec` of a ScaledObject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaledObject {
    /// How often triggers are asked.
    pub polling_interval: SimDuration,
    /// How long after it was last active a workload goes to zero or its idle number.
    pub cooldown_period: SimDuration,
    /// How long after it was made an object that was never active leaves its replicas alone.
    pub initial_cooldown_period: SimDuration,
    /// Replicas without an active trigger; none: as few as `min_replica_count` allows.
    pub idle_replica_count: Option<u32>,
    /// Fewest replicas; none: 0.
    pub min_replica_count: Option<u32>,
    /// Most replicas; none: 100.
    pub max_replica_count: Option<u32>,
    /// What happens when triggers fail.
    pub fallback: Option<Fallback>,
}

impl Default for ScaledObject {
    fn default() -> ScaledObject {
        ScaledObject {
            polling_interval: POLLING_INTERVAL,
            cooldown_period: COOLDOWN_PERIOD,
            initial_cooldown_period: SimDuration::ZERO,
            idle_replica_count: None,
            min_replica_count: None,
            max_replica_count: None,
            fallback: None,
        }
    }
}

/// What one poll of all triggers says together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// Whether any trigger is active.
    pub is_active: bool,
    /// Whether any trigger failed.
    pub is_error: bool,
    /// Whether any trigger's metric is a fallback's.
    pub is_fallback: bool,
}

impl Polled {
    /// The triggers together. With `is_resource_only` there are none but on CPU and memory, which know no activation: the
    /// object is active.
    pub fn of(outcomes: &[Outcome], is_resource_only: bool) -> Polled {
        let is_error = outcomes.iter().any(|outcome| outcome.is_error);
        Polled {
            is_active: outcomes.iter().any(|outcome| outcome.is_active) || (is_resource_only && !is_error),
            is_error,
            is_fallback: outcomes.iter().any(|outcome| outcome.is_fallback),
        }
    }
}

/// The condition `Active` after a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Some trigger is active.
    Active,
    /// None is.
    Inactive,
    /// None is, and the workload waits for the end of its cooldown.
    Cooldown,
}

/// What a poll leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Replicas to write; none: as they are.
    pub replicas: Option<u32>,
    /// The condition.
    pub activity: Activity,
}

/// What is remembered of a ScaledObject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// When it was made.
    pub created: SimTime,
    /// When a trigger was last active.
    pub last_active: Option<SimTime>,
}

impl ScaledObject {
    /// Fewest and most replicas of the HPA that it makes (`GetHPAMinReplicas`, `GetHPAMaxReplicas`): never fewer than one,
    /// as an HPA rests while its workload has none.
    pub fn hpa_bounds(&self) -> (u32, u32) {
        let min = self.min_replica_count.filter(|&min| min > 0).unwrap_or(1);
        (min, self.max_replica_count.unwrap_or(REPLICAS_MAX))
    }

    /// Everything that is wrong with its numbers (`CheckReplicaCountBoundsAreValid`).
    pub fn problems(&self) -> Vec<String> {
        let (min, max) = self.hpa_bounds();
        let min = self.min_replica_count.map_or(0, |_| min);
        let mut problems = Vec::new();
        if min > max {
            problems.push(format!("minReplicaCount {min} must not be more than maxReplicaCount {max}"));
        }
        if let Some(idle) = self.idle_replica_count.filter(|&idle| idle >= min) {
            problems.push(format!("idleReplicaCount {idle} must be less than minReplicaCount {min}"));
        }
        problems
    }

    /// What a poll leads to, for a workload with so many replicas (`RequestScale`).
    pub fn decide(&self, status: &mut Status, polled: Polled, replicas: u32, now: SimTime) -> Decision {
        let min = self.min_replica_count.unwrap_or(0);
        if polled.is_active {
            let is_idle = self.idle_replica_count.is_some() && replicas < min;
            let wakes = is_idle || replicas == 0;
            // A failure beside an active trigger leaves the time of the last activity as it was.
            if wakes || !polled.is_error {
                status.last_active = Some(now);
            }
            return Decision { replicas: wakes.then_some(min.max(1)), activity: Activity::Active };
        }
        let inactive = Decision { replicas: None, activity: Activity::Inactive };
        let holds = match &self.fallback {
            Some(fallback) => fallback.replicas != 0,
            None => true,
        };
        if polled.is_error && holds {
            return inactive;
        }
        let is_above_idle = self.idle_replica_count.is_some_and(|idle| replicas > idle);
        if is_above_idle || (replicas > 0 && min == 0) {
            if !self.has_cooled_down(status, now) {
                return Decision { activity: Activity::Cooldown, ..inactive };
            }
            return Decision { replicas: Some(self.idle_replica_count.unwrap_or(min)), ..inactive };
        }
        let is_below = self.idle_replica_count.is_none() && replicas < min;
        Decision { replicas: is_below.then_some(min), ..inactive }
    }

    /// Whether the cooldown since the last activity is over, or the initial one if there was no activity.
    fn has_cooled_down(&self, status: &Status, now: SimTime) -> bool {
        match status.last_active {
            Some(last) => last.after(self.cooldown_period) < now,
            None => status.created.after(self.initial_cooldown_period) < now,
        }
    }
}

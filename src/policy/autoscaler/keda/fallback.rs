//! What stands in for a metric when its trigger fails (`pkg/fallback/fallback.go`).

use super::trigger::{Milli, Reading, Target};

/// Which replicas a failing trigger falls back to (`fallback.behavior`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FallbackBehavior {
    /// `static`: those that the spec says.
    #[default]
    Static,
    /// `currentReplicas`: as many as there are.
    CurrentReplicas,
    /// `currentReplicasIfHigher`: as many as there are, at least those of the spec.
    CurrentReplicasIfHigher,
    /// `currentReplicasIfLower`: as many as there are, at most those of the spec.
    CurrentReplicasIfLower,
}

/// `spec.fallback` of a ScaledObject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fallback {
    /// Failures in a row that are borne: one more, and the fallback holds.
    pub failure_threshold: u32,
    /// Replicas.
    pub replicas: u32,
    /// Which replicas.
    pub behavior: FallbackBehavior,
}

/// What became of a trigger in a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The metric for the HPA; none: the HPA is told of the failure, and keeps its replicas unless another metric wants more.
    pub metric: Option<Milli>,
    /// Whether the trigger counts as active; a fallback always does.
    pub is_active: bool,
    /// Whether it failed, and no fallback covers that.
    pub is_error: bool,
    /// Whether the metric is a fallback's.
    pub is_fallback: bool,
}

/// The failures of a trigger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Failures in a row. Only counted where there is a fallback.
    pub failures: u32,
}

impl Health {
    /// What a poll is taken for, given what the trigger reported (none: it failed), the replicas that there are, and how many
    /// of them are ready.
    pub fn observe(
        &mut self,
        fallback: Option<&Fallback>,
        reading: Option<Reading>,
        target: Target,
        replicas: u32,
        ready_replicas: u32,
    ) -> Outcome {
        if let Some(Reading { metric, is_active }) = reading {
            self.failures = 0;
            return Outcome { metric: Some(metric), is_active, is_error: false, is_fallback: false };
        }
        let failed = Outcome { metric: None, is_active: false, is_error: true, is_fallback: false };
        let Some(fallback) = fallback else { return failed };
        self.failures = self.failures.saturating_add(1);
        if self.failures <= fallback.failure_threshold {
            return failed;
        }
        match fallback.metric(target, replicas, ready_replicas) {
            Some(metric) => Outcome { metric: Some(metric), is_active: true, is_error: false, is_fallback: true },
            None => failed,
        }
    }
}

impl Fallback {
    /// The metric at which the HPA arrives at the replicas of the fallback; none: the target is one for all replicas, and none
    /// is ready.
    pub fn metric(&self, target: Target, replicas: u32, ready_replicas: u32) -> Option<Milli> {
        let mut wanted = f64::from(match self.behavior {
            FallbackBehavior::Static => self.replicas,
            FallbackBehavior::CurrentReplicas => replicas,
            FallbackBehavior::CurrentReplicasIfHigher => replicas.max(self.replicas),
            FallbackBehavior::CurrentReplicasIfLower => replicas.min(self.replicas),
        });
        if let Target::Value(_) = target {
            if ready_replicas == 0 {
                return None;
            }
            wanted /= f64::from(ready_replicas);
        }
        Some(Milli((target.milli().value() * 1000.0 * wanted) as u64))
    }
}

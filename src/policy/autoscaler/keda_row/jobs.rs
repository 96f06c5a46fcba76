//! `keda-scaled-job`: KEDA's ScaledJob, a Job for so much that waits.
//!
//! Replicas are Jobs that have not ended; those of which a pod runs or has run are ready. At each poll it asks for as many more
//! as the rules of [`super::super::keda::scaled_job`] say, and never for fewer than there are: Jobs end by themselves.
//!
//! Parameters: `triggers`, `pollingInterval` and `scalingStrategy`, as in the spec of a ScaledJob; `minReplicaCount` and
//! `maxReplicaCount` are those of the autoscaler. Triggers are those of the row `keda`.
//!
//! Known deviation: `pendingPodConditions` is not here.
//!
//! Source: KEDA v2.21.0, `pkg/scaling/executor/scale_jobs.go` and `pkg/scaling/scaledjob/metrics.go`.
//! Cost: O(triggers).

use super::parameter;
use super::written::{self, JobParams, Trigger};
use crate::policy::autoscaler::keda::scaled_job::{Jobs, ScaledJob, TriggerDemand};
use crate::policy::autoscaler::{AutoscalerRow, Condition, Decision, HorizontalAutoscaler, Observation, Reads};
use crate::policy::parameters;
use crate::units::SimDuration;

pub(in crate::policy::autoscaler) const ROW: AutoscalerRow = AutoscalerRow {
    name: "keda-scaled-job",
    aliases: &["scaled-job"],
    summary: "KEDA's ScaledJob: a Job for so much that waits, beside those that run",
    source: "KEDA v2.21.0, pkg/scaling/executor/scale_jobs.go",
    parameters: &[
        parameter(
            "triggers",
            "[]",
            "each with `type` (queue, cron, metric), `metadata` and `metricType`; none: one queue",
        ),
        parameter("pollingInterval", "30", "seconds from one poll of the triggers to the next, above 0"),
        parameter(
            "scalingStrategy",
            "null",
            "`strategy` (default, custom, accurate, eager) and what it needs, and `multipleScalersCalculation`",
        ),
    ],
    is_clairvoyant: false,
    build: |parameters, setting| {
        let params: JobParams = parameters::read(parameters)?;
        let (object, triggers, interval) = params.read(setting)?;
        Ok(Box::new(KedaScaledJob { object, triggers, interval }))
    },
};

/// See the module.
#[derive(Clone, Debug)]
struct KedaScaledJob {
    object: ScaledJob,
    triggers: Vec<Trigger>,
    interval: SimDuration,
}

impl HorizontalAutoscaler for KedaScaledJob {
    fn sync(&mut self, seen: &Observation<'_>) -> Decision {
        // A trigger that fails is left out, as upstream does.
        let readings: Vec<_> =
            self.triggers.iter().filter_map(|trigger| Some((trigger, trigger.read(seen)?))).collect();
        let most = self.object.jobs_max();
        let demand = |(trigger, reading): &(&Trigger, _)| TriggerDemand::of(*reading, trigger.target().milli(), most);
        let demands: Vec<TriggerDemand> = readings.iter().map(demand).collect();
        let running = i64::from(seen.replicas.wanted);
        let jobs = Jobs { running, pending: running - i64::from(seen.replicas.ready) };
        let more = self.object.jobs_to_make(&demands, jobs);
        let (_, is_active) = self.object.demand(&demands);
        let (reason, message) = match is_active {
            true => ("ScalerActive", "a trigger is active"),
            false => ("ScalerNotActive", "no trigger is active"),
        };
        let message = if seen.wants_text { message.to_owned() } else { String::new() };
        Decision {
            replicas: Some(i32::try_from(running + more).unwrap_or(i32::MAX)),
            reason: if more > 0 { format!("{more} more jobs") } else { String::new() },
            metric: readings.first().map(|(trigger, reading)| trigger.shown(*reading)),
            conditions: vec![Condition { kind: "Active", is_true: is_active, reason, message }],
            warnings: Vec::new(),
        }
    }

    fn sync_period(&self) -> SimDuration {
        self.interval
    }

    fn first_sync(&self) -> SimDuration {
        SimDuration::ZERO
    }

    fn reads(&self) -> Reads {
        written::reads(&self.triggers)
    }
}

#[cfg(test)]
mod tests;

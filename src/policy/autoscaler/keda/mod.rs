//! KEDA v2.21.0: scaling on what waits in queues, on schedules and on metrics of any kind, from and to zero.
//!
//! | here | upstream | what it decides |
//! |---|---|---|
//! | [`trigger`] | `pkg/scalers` | the metric of a trigger and whether it is active: queues, lag, schedules, queries |
//! | [`cron`] | `pkg/scalers/cron_scaler.go` | whether a schedule wants its replicas |
//! | [`fallback`] | `pkg/fallback` | which metric stands in when a trigger fails |
//! | [`scaled_object`] | `pkg/scaling/executor/scale_scaledobjects.go` | activation, idle and zero, and the bounds of the HPA |
//! | [`scaled_job`] | `pkg/scaling/scaledjob`, `pkg/scaling/executor/scale_jobs.go` | how many jobs to make |
//!
//! KEDA itself moves a workload between zero (or the idle number) and one (or the minimum); above that it hands its metrics
//! to a HorizontalPodAutoscaler, of which [`scaled_object::ScaledObject::hpa_bounds`] and [`trigger::Target`] are the spec.
//! The caller polls every [`POLLING_INTERVAL`], or as the object says.
//!
//! Known deviations from upstream:
//! - Metrics are milli-units in 64 bits; a metric of more than 1.8e16 is that number.
//! - Schedules are in UTC or at a fixed distance from it. Upstream knows every zone's summer time.
//! - Formulas over several triggers (`scalingModifiers`), push scalers, and the annotations that pause are not here. Triggers
//!   on CPU and memory are resource metrics of the HPA, and keep the object active ([`scaled_object::Polled::of`]).
//! - Between zero and the HPA upstream may use metrics that the HPA has fetched, of objects that never go to zero. The value
//!   is the same; here it is always the poll's.

pub mod cron;
pub mod fallback;
pub mod scaled_job;
pub mod scaled_object;
pub mod trigger;

use crate::units::SimDuration;

/// How often triggers are asked, unless the object says otherwise (`pollingInterval`).
pub const POLLING_INTERVAL: SimDuration = SimDuration(30_000_000_000);
/// How long after it was last active a workload goes to zero, unless the object says otherwise (`cooldownPeriod`).
pub const COOLDOWN_PERIOD: SimDuration = SimDuration(300_000_000_000);

#[cfg(test)]
mod tests;

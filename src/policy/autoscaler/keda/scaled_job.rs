//! How many jobs to make for what waits (`pkg/scaling/scaledjob/metrics.go`, `pkg/scaling/executor/scale_jobs.go`).

use super::trigger::{Milli, Reading};

/// Most jobs, unless the object says otherwise (`defaultScaledJobMaxReplicaCount`).
const JOBS_MAX: i64 = 100;

/// How many of the jobs that metrics ask for are made (`scalingStrategy.strategy`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ScalingStrategy {
    /// `default`: the metrics' number, less the jobs that run. For queues that still count what is being worked on.
    #[default]
    Default,
    /// `custom`: the metrics' number, less a part of the jobs that run and a number.
    Custom {
        /// `customScalingQueueLengthDeduction`
        queue_length_deduction: i64,
        /// `customScalingRunningJobPercentage`, as a factor.
        running_job_percentage: f64,
    },
    /// `accurate`: the metrics' number, less the jobs that have not begun. For queues that no longer count what is being
    /// worked on.
    Accurate,
    /// `eager`: as many as there is room for.
    Eager,
}

impl ScalingStrategy {
    /// The strategy of a name and its settings as they are written (`NewScalingStrategy`). Upstream does not refuse names that
    /// it does not know, nor a percentage that is no number: that is the default strategy.
    pub fn named(name: &str, queue_length_deduction: Option<i32>, running_job_percentage: &str) -> ScalingStrategy {
        match name {
            "custom" => running_job_percentage.parse().map_or(ScalingStrategy::Default, |running_job_percentage| {
                let queue_length_deduction = i64::from(queue_length_deduction.unwrap_or(0));
                ScalingStrategy::Custom { queue_length_deduction, running_job_percentage }
            }),
            "accurate" => ScalingStrategy::Accurate,
            "eager" => ScalingStrategy::Eager,
            _ => ScalingStrategy::Default,
        }
    }

    /// The most jobs to make now, and how many are asked for (`GetEffectiveMaxScale`).
    pub fn effective_max(&self, demand: Demand, jobs: Jobs, jobs_max: i64) -> (i64, i64) {
        let Demand { max_scale, queue_length } = demand;
        match *self {
            ScalingStrategy::Default => (max_scale - jobs.running, queue_length),
            ScalingStrategy::Custom { queue_length_deduction, running_job_percentage } => {
                let running = (jobs.running as f64 * running_job_percentage) as i64;
                (jobs_max.min(max_scale - queue_length_deduction - running), queue_length)
            }
            ScalingStrategy::Accurate if max_scale + jobs.running - jobs.pending > jobs_max => {
                (jobs_max - jobs.running, queue_length)
            }
            ScalingStrategy::Accurate => (max_scale - jobs.pending, queue_length),
            ScalingStrategy::Eager => (max_scale.min(jobs_max - jobs.running - jobs.pending), jobs_max),
        }
    }
}

/// How several triggers are taken together (`multipleScalersCalculation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calculation {
    /// The one with the longest queue.
    #[default]
    Maximum,
    /// The one with the shortest queue of those that are active.
    Minimum,
    /// The mean of those that are active.
    Average,
    /// The sum of those that are active.
    Sum,
}

impl Calculation {
    /// The calculation of a name; unknown names mean the longest queue, as upstream has it.
    pub fn named(name: &str) -> Calculation {
        match name {
            "min" => Calculation::Minimum,
            "avg" => Calculation::Average,
            "sum" => Calculation::Sum,
            _ => Calculation::Maximum,
        }
    }
}

/// What one trigger asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TriggerDemand {
    /// What waits.
    pub queue_length: f64,
    /// Jobs for it.
    pub max_value: f64,
    /// Whether the trigger is active.
    pub is_active: bool,
}

impl TriggerDemand {
    /// What a reading asks for, at so much for each job (`CalculateQueueLengthAndMaxValue`). With no target it asks for none.
    pub fn of(reading: Reading, target: Milli, jobs_max: i64) -> TriggerDemand {
        let (queue_length, target) = (reading.metric.value(), target.value());
        let max_value = if target == 0.0 { 0.0 } else { (queue_length / target).min(jobs_max as f64) };
        TriggerDemand { queue_length, max_value, is_active: reading.is_active }
    }
}

/// What all triggers ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Jobs that what waits would keep busy.
    pub max_scale: i64,
    /// What waits.
    pub queue_length: i64,
}

/// Jobs that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jobs {
    /// Jobs that have not ended.
    pub running: i64,
    /// Of these, jobs of which no pod runs or has run (or whose pods lack the conditions that the object names).
    pub pending: i64,
}

/// `spec` of a ScaledJob, as far as it decides on numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ScaledJob {
    /// `minReplicaCount`; none: 0.
    pub min_replica_count: Option<u32>,
    /// `maxReplicaCount`; none: 100.
    pub max_replica_count: Option<u32>,
    /// How many of the jobs asked for are made.
    pub strategy: ScalingStrategy,
    /// How triggers are taken together.
    pub calculation: Calculation,
}

impl ScaledJob {
    /// Jobs that there always are (`MinReplicaCount`).
    pub fn jobs_min(&self) -> i64 {
        let min = i64::from(self.min_replica_count.unwrap_or(0));
        self.max_replica_count.map_or(min, |max| min.min(i64::from(max)))
    }

    /// Most jobs beyond those (`MaxReplicaCount`).
    pub fn jobs_max(&self) -> i64 {
        match (self.min_replica_count, self.max_replica_count) {
            (Some(min), Some(max)) if min > max => i64::from(max),
            (_, Some(max)) => i64::from(max) - self.jobs_min(),
            (_, None) => JOBS_MAX,
        }
    }

    /// What the triggers ask for together, and whether any is active (`IsScaledJobActive`). With a minimum of jobs the object
    /// is always active.
    pub fn demand(&self, triggers: &[TriggerDemand]) -> (Demand, bool) {
        let (queue_length, max_value, is_active) = together(self.calculation, triggers);
        let max_value = max_value.min(self.jobs_max() as f64);
        let demand = Demand { max_scale: max_value.ceil() as i64, queue_length: queue_length.ceil() as i64 };
        (demand, is_active || self.jobs_min() > 0)
    }

    /// How many jobs are made now (`RequestJobScale`).
    pub fn jobs_to_make(&self, triggers: &[TriggerDemand], jobs: Jobs) -> i64 {
        let (demand, is_active) = self.demand(triggers);
        let (most, asked) = self.scaling_decision(demand, jobs);
        if is_active { asked.min(most).max(0) } else { 0 }
    }

    /// The most jobs to make, and how many are asked for (`getScalingDecision`).
    pub fn scaling_decision(&self, demand: Demand, jobs: Jobs) -> (i64, i64) {
        let min = self.jobs_min();
        if jobs.running < min {
            return (min - jobs.running, min - jobs.running);
        }
        let beyond = Jobs { running: jobs.running - min, ..jobs };
        self.strategy.effective_max(demand, beyond, self.jobs_max())
    }
}

/// The queue length, the jobs for it, and whether any trigger is active.
fn together(calculation: Calculation, triggers: &[TriggerDemand]) -> (f64, f64, bool) {
    let mut chosen = TriggerDemand::default();
    let active = || triggers.iter().filter(|trigger| trigger.is_active);
    match calculation {
        Calculation::Minimum => {
            for trigger in active() {
                // An empty queue is no shortest one: upstream takes 0 for "none yet".
                if chosen.queue_length == 0.0 || trigger.queue_length < chosen.queue_length {
                    chosen = *trigger;
                }
            }
        }
        Calculation::Maximum => {
            for trigger in active() {
                if trigger.queue_length > chosen.queue_length {
                    chosen = *trigger;
                }
            }
        }
        Calculation::Average | Calculation::Sum => {
            for trigger in active() {
                chosen.queue_length += trigger.queue_length;
                chosen.max_value += trigger.max_value;
                chosen.is_active = true;
            }
            let count = active().count() as f64;
            if calculation == Calculation::Average && chosen.is_active {
                (chosen.queue_length, chosen.max_value) = (chosen.queue_length / count, chosen.max_value / count);
            }
        }
    }
    (chosen.queue_length, chosen.max_value, chosen.is_active)
}

//! What the analysis controller of Argo Rollouts decides: when a metric is measured, and what the measurements say of it.
//!
//! Follows `analysis/analysis.go` of v1.9.1 (`reconcileAnalysisRun`). Measurements take no time here, and instants are
//! exact, where upstream's are cut to seconds: a measurement is due at its instant, not after it.
//!
//! Cost: O(metrics) a sync.

use crate::model::rollouts::{Metric, Outcome};
use crate::units::{SimDuration, SimTime};

/// When a measurement that was an error is repeated (`DefaultErrorRetryInterval`).
const ERROR_RETRY_INTERVAL: SimDuration = SimDuration(10_000_000_000);

/// `AnalysisPhase`, from the best to the worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnalysisPhase {
    /// It is over, and well.
    Successful,
    /// It goes on.
    #[default]
    Running,
    /// It is over, and says nothing.
    Inconclusive,
    /// It is over: nothing could be measured.
    Error,
    /// It is over, and badly.
    Failed,
}

impl AnalysisPhase {
    /// Whether it is over (`Completed`).
    pub fn is_over(self) -> bool {
        self != AnalysisPhase::Running
    }

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            AnalysisPhase::Successful => "Successful",
            AnalysisPhase::Running => "Running",
            AnalysisPhase::Inconclusive => "Inconclusive",
            AnalysisPhase::Error => "Error",
            AnalysisPhase::Failed => "Failed",
        }
    }
}

/// An analysis under way, or over.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalysisRun {
    /// When it began.
    pub started: SimTime,
    /// Whether it has been told to end (`spec.terminate`).
    pub is_terminated: bool,
    /// `status.phase`.
    pub phase: AnalysisPhase,
    /// `status.message`.
    pub message: String,
    results: Vec<MetricResult>,
}

/// `MetricResult`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct MetricResult {
    phase: AnalysisPhase,
    failed: u32,
    inconclusive: u32,
    errors_in_a_row: u32,
    successes_in_a_row: u32,
    /// Measurements that were no errors.
    count: u32,
    /// All measurements.
    measurements: u32,
    latest: Option<(Outcome, SimTime)>,
}

impl AnalysisRun {
    /// A run of so many metrics that begins now.
    pub fn new(metrics: usize, now: SimTime) -> AnalysisRun {
        AnalysisRun {
            started: now,
            is_terminated: false,
            phase: AnalysisPhase::Running,
            message: String::new(),
            results: vec![MetricResult::default(); metrics],
        }
    }

    /// Measures what is due and judges it. `measure` gives the measurement of a metric, by its position, that has that
    /// number. Returns when to look again; none: the run is over.
    pub fn sync(
        &mut self,
        metrics: &[Metric],
        now: SimTime,
        measure: &mut dyn FnMut(usize, u32) -> Outcome,
    ) -> Option<SimTime> {
        // A metric that has failed ends the others, which is seen the next time.
        for _ in 0..2 {
            if self.phase.is_over() {
                return None;
            }
            let is_ending = self.is_ending(metrics);
            for (at, metric) in metrics.iter().enumerate() {
                if !is_ending && self.due(at, metric).is_some_and(|due| due <= now) {
                    let outcome = measure(at, self.results[at].measurements);
                    self.results[at].note(outcome, now);
                }
            }
            self.assess(metrics, is_ending);
        }
        let due = metrics.iter().enumerate().filter_map(|(at, metric)| self.due(at, metric));
        if self.phase.is_over() { None } else { due.min() }
    }

    /// `IsTerminating`.
    fn is_ending(&self, metrics: &[Metric]) -> bool {
        let is_bad =
            |(result, metric): (&MetricResult, &Metric)| !metric.is_dry_run && result.phase > AnalysisPhase::Running;
        self.is_terminated || self.results.iter().zip(metrics).any(is_bad)
    }

    /// When a metric is measured next; none: no more.
    fn due(&self, at: usize, metric: &Metric) -> Option<SimTime> {
        let result = &self.results[at];
        let Some((outcome, measured)) = result.latest else { return Some(self.started.after(metric.initial_delay)) };
        if result.phase.is_over() || effective_count(metric).is_some_and(|count| result.count >= count) {
            return None;
        }
        match (outcome, metric.interval) {
            (Outcome::Error, _) => Some(measured.after(ERROR_RETRY_INTERVAL)),
            (_, interval) => interval.map(|interval| measured.after(interval)),
        }
    }

    /// `assessRunStatus`.
    fn assess(&mut self, metrics: &[Metric], is_ending: bool) {
        let mut worst: Option<AnalysisPhase> = None;
        let mut message = if self.is_terminated { "Run Terminated".to_owned() } else { String::new() };
        let mut is_complete = true;
        for (result, metric) in self.results.iter_mut().zip(metrics) {
            if result.latest.is_none() {
                is_complete = false;
                continue;
            }
            result.phase = result.assess(metric, is_ending);
            if !result.phase.is_over() {
                is_complete = false;
            } else if metric.is_dry_run {
                worst = worst.or(Some(AnalysisPhase::Successful));
            } else if worst.is_none_or(|worst| result.phase > worst) {
                worst = Some(result.phase);
                if let Some((_, cause)) = result.trouble(metric) {
                    message = format!("Metric \"{}\" assessed {} due to {cause}", metric.name, result.phase.name());
                }
            }
        }
        if is_ending {
            self.phase = worst.unwrap_or(AnalysisPhase::Successful);
            self.message = message;
        } else if let Some(worst) = worst.filter(|_| is_complete) {
            self.phase = worst;
            self.message = message;
        }
    }
}

/// `EffectiveCount`; none: no end.
fn effective_count(metric: &Metric) -> Option<u32> {
    match metric.count {
        None | Some(0) => metric.interval.is_none().then_some(1),
        count => count,
    }
}

impl MetricResult {
    fn note(&mut self, outcome: Outcome, now: SimTime) {
        self.measurements += 1;
        self.latest = Some((outcome, now));
        self.successes_in_a_row = if outcome == Outcome::Successful { self.successes_in_a_row + 1 } else { 0 };
        self.errors_in_a_row = if outcome == Outcome::Error { self.errors_in_a_row + 1 } else { 0 };
        self.count += u32::from(outcome != Outcome::Error);
        self.failed += u32::from(outcome == Outcome::Failed);
        self.inconclusive += u32::from(outcome == Outcome::Inconclusive);
    }

    /// `assessMetricStatus`.
    fn assess(&self, metric: &Metric, is_ending: bool) -> AnalysisPhase {
        if self.phase.is_over() {
            return self.phase;
        }
        if let Some((phase, _)) = self.trouble(metric) {
            return phase;
        }
        let needed = metric.consecutive_success_limit;
        if needed > 0 && self.successes_in_a_row >= needed {
            return AnalysisPhase::Successful;
        }
        if effective_count(metric).is_some_and(|count| self.count >= count) {
            return match (needed > 0, metric.failure_limit.is_some()) {
                (true, true) => AnalysisPhase::Inconclusive,
                (true, false) => AnalysisPhase::Failed,
                (false, _) => AnalysisPhase::Successful,
            };
        }
        if is_ending { AnalysisPhase::Successful } else { AnalysisPhase::Running }
    }

    /// `assessMetricFailureInconclusiveOrError`: the last limit that is passed decides.
    fn trouble(&self, metric: &Metric) -> Option<(AnalysisPhase, String)> {
        if self.errors_in_a_row > metric.consecutive_error_limit {
            let (count, limit) = (self.errors_in_a_row, metric.consecutive_error_limit);
            let cause = format!("consecutiveErrors ({count}) > consecutiveErrorLimit ({limit})");
            return Some((AnalysisPhase::Error, cause));
        }
        if self.inconclusive > metric.inconclusive_limit {
            let (count, limit) = (self.inconclusive, metric.inconclusive_limit);
            let cause = format!("inconclusive ({count}) > inconclusiveLimit ({limit})");
            return Some((AnalysisPhase::Inconclusive, cause));
        }
        let limit = metric.failure_limit.filter(|limit| self.failed > *limit)?;
        Some((AnalysisPhase::Failed, format!("failed ({}) > failureLimit ({limit})", self.failed)))
    }
}

#[cfg(test)]
mod tests;

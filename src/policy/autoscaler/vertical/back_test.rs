//! What a rule would have done with a recorded series of usage, and what that would have cost.
//!
//! The series is what the container would use if it were let. What it does use, and what rules see, is cut at its limits: of
//! CPU it is throttled, of memory it is killed, once in every interval as long as it needs more than its limit. Restarts take no
//! time and change nothing of what is needed afterwards.

use super::admission;
use super::priority::{RunningContainer, Termination, UpdateThresholds, priority};
use super::sizing::{Sizing, Usage};
use super::spec::{ContainerRecommendation, ContainerResources, LimitRanges, Resource, ResourcePolicy, UpdateMode};
use crate::ids::PodId;
pub use crate::model::sizing::UsageStep;
use crate::units::{SimDuration, SimTime};

/// When a recommendation is applied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Apply {
    /// As soon as it differs.
    AtOnce,
    /// When the Vertical Pod Autoscaler's updater would.
    Updater(UpdateThresholds),
}

/// How a series is played.
#[derive(Clone, Debug, PartialEq)]
pub struct BackTest {
    /// The container as its template has it. Limits follow requests in this proportion; one without a limit is never
    /// throttled, or never killed.
    pub template: ContainerResources,
    /// When the series begins.
    pub start: SimTime,
    /// How often usage is sampled and the rule is asked, more than 0.
    pub interval: SimDuration,
    /// When what it says is applied.
    pub apply: Apply,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Length of the series.
    pub span: SimDuration,
    /// CPU used, in core-hours.
    pub used_core_hours: f64,
    /// CPU requested and not used, in core-hours.
    pub slack_core_hours: f64,
    /// CPU used beyond the request, in core-hours.
    pub short_core_hours: f64,
    /// Memory used, in GiB-hours.
    pub used_gib_hours: f64,
    /// Memory requested and not used, in GiB-hours.
    pub slack_gib_hours: f64,
    /// Memory used beyond the request, in GiB-hours.
    pub short_gib_hours: f64,
    /// How often it was killed for using more memory than its limit.
    pub oom_count: u64,
    /// How long it wanted more CPU than its limit.
    pub throttled: SimDuration,
    /// CPU that it wanted and did not get, in core-hours.
    pub throttled_core_hours: f64,
    /// How often requests or limits were changed.
    pub changes: u64,
}

/// A span of a series in which neither usage nor sizes changed.
#[derive(Clone, Copy, Debug)]
pub struct PlayedSpan<'r> {
    /// When it began.
    pub from: SimTime,
    /// How long it lasted.
    pub span: SimDuration,
    /// What was used of what was needed.
    pub used: Usage,
    /// How large the container was.
    pub resources: &'r ContainerResources,
}

/// The only pod.
const POD: PodId = PodId(0);
const CORE_HOUR: f64 = 1000.0 * 3.6e12;
const GIB_HOUR: f64 = (1u64 << 30) as f64 * 3.6e12;

/// The part of a run that goes on.
struct Run<'t> {
    test: &'t BackTest,
    current: ContainerResources,
    started: SimTime,
    last_termination: Option<Termination>,
    score: Score,
}

impl BackTest {
    /// Plays a series.
    ///
    /// # Panics
    /// When the interval is 0.
    pub fn run(&self, series: &[UsageStep], sizing: &mut dyn Sizing) -> Score {
        self.run_watched(series, sizing, &mut |_| ())
    }

    /// Plays a series, and tells of every span in which nothing changed.
    ///
    /// # Panics
    /// When the interval is 0.
    pub fn run_watched(
        &self,
        series: &[UsageStep],
        sizing: &mut dyn Sizing,
        watch: &mut dyn FnMut(&PlayedSpan<'_>),
    ) -> Score {
        assert!(self.interval > SimDuration::ZERO, "a rule is asked from time to time");
        let mut run = Run {
            test: self,
            current: self.template.clone(),
            started: self.start,
            last_termination: None,
            score: Score::default(),
        };
        let mut now = self.start;
        for step in series {
            let ends = now.after(step.span);
            while now < ends {
                let span = SimDuration(self.interval.0.min(ends.0 - now.0));
                let seen = run.account(step.usage, span);
                watch(&PlayedSpan { from: now, span, used: seen, resources: &run.current });
                now = now.after(span);
                run.observe(now, step.usage, seen, sizing);
                if let Some(recommendation) = sizing.recommend(now) {
                    run.apply(now, recommendation);
                }
            }
        }
        run.score
    }
}

impl Run<'_> {
    /// Books a span in which nothing changes; what is used of what is needed.
    fn account(&mut self, needed: Usage, span: SimDuration) -> Usage {
        let ContainerResources { requests, limits, .. } = &self.current;
        let mut used = needed;
        used.cpu = limits.cpu.map_or(needed.cpu, |limit| needed.cpu.min(limit));
        used.memory = limits.memory.map_or(needed.memory, |limit| needed.memory.min(limit));
        let score = &mut self.score;
        score.span += span;
        let book = |used: u64, request: u64, unit: f64, sums: [&mut f64; 3]| {
            let amounts = [used, request.saturating_sub(used), used.saturating_sub(request)];
            for (sum, amount) in sums.into_iter().zip(amounts) {
                *sum += amount as f64 * span.0 as f64 / unit;
            }
        };
        let of_cpu = [&mut score.used_core_hours, &mut score.slack_core_hours, &mut score.short_core_hours];
        book(used.cpu.0, requests.or_zero(Resource::Cpu), CORE_HOUR, of_cpu);
        let of_memory = [&mut score.used_gib_hours, &mut score.slack_gib_hours, &mut score.short_gib_hours];
        book(used.memory.0, requests.or_zero(Resource::Memory), GIB_HOUR, of_memory);
        if needed.cpu > used.cpu {
            score.throttled += span;
            score.throttled_core_hours += (needed.cpu.0 - used.cpu.0) as f64 * span.0 as f64 / CORE_HOUR;
        }
        used
    }

    fn observe(&mut self, now: SimTime, needed: Usage, used: Usage, sizing: &mut dyn Sizing) {
        sizing.observe(POD, now, used);
        if needed.memory > used.memory {
            self.score.oom_count += 1;
            let started = self.last_termination.map_or(self.started, |last| last.finished.max(self.started));
            self.last_termination = Some(Termination { started, finished: now, is_oom: true });
            sizing.observe_oom(POD, now, &self.current);
        }
    }

    fn apply(&mut self, now: SimTime, recommendation: ContainerRecommendation) {
        let policy = ResourcePolicy::default();
        if let Apply::Updater(thresholds) = self.test.apply
            && !self.is_accepted(&thresholds, &recommendation, &policy, now)
        {
            return;
        }
        let template = std::slice::from_ref(&self.test.template);
        let ranges = LimitRanges::default();
        let changed = admission::resources_for_pod(&[recommendation], template, UpdateMode::Recreate, &policy, &ranges);
        let next = admission::applied(&self.test.template, &changed[0]);
        if next != self.current {
            self.score.changes += 1;
            (self.current, self.started, self.last_termination) = (next, now, None);
        }
    }

    fn is_accepted(
        &self,
        thresholds: &UpdateThresholds,
        recommendation: &ContainerRecommendation,
        policy: &ResourcePolicy,
        now: SimTime,
    ) -> bool {
        let container = RunningContainer {
            resources: self.current.clone(),
            last_termination: self.last_termination,
            is_observed: true,
        };
        let containers = std::slice::from_ref(&container);
        let priority = priority(containers, std::slice::from_ref(recommendation));
        thresholds.accepts(&priority, containers, policy, Some(self.started), now)
    }
}

#[cfg(test)]
mod tests;

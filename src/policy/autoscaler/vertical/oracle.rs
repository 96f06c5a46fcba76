//! Sizes with hindsight: the least that covers a share of the time to come.
//!
//! No rule that changes sizes as often can be smaller and cover as much. The series is told beforehand, which only a
//! back-test can.
//!
//! Cost: O(n log n) for n steps within the horizon, once a horizon.

use super::back_test::UsageStep;
use super::sizing::{Sizing, Usage};
use super::spec::{Amounts, ContainerRecommendation, ContainerResources};
use crate::ids::PodId;
use crate::units::{Bytes, MilliCpu, SimDuration, SimTime};

/// Parameters of [`Oracle`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OracleConfig {
    /// Time is cut into pieces of this length from the start on, and each piece gets the least that covers it.
    pub horizon: SimDuration,
    /// Share of the time for which CPU is enough, between 0 and 1.
    pub cpu_percentile: f64,
    /// Share of the time for which memory is enough, between 0 and 1; less than 1 means running out of it.
    pub memory_percentile: f64,
}

impl Default for OracleConfig {
    fn default() -> OracleConfig {
        OracleConfig { horizon: SimDuration(86_400_000_000_000), cpu_percentile: 0.95, memory_percentile: 1.0 }
    }
}

/// The least amount that is enough for a share of the time. Without time it is 0.
pub fn least_covering(usage: impl IntoIterator<Item = (SimDuration, u64)>, share: f64) -> u64 {
    let mut usage: Vec<(u64, u64)> = usage.into_iter().map(|(span, amount)| (amount, span.0)).collect();
    usage.sort_unstable();
    let total: u128 = usage.iter().map(|(_, span)| u128::from(*span)).sum();
    let needed = share * total as f64;
    let mut covered = 0u128;
    let found = usage.iter().find(|(_, span)| {
        covered += u128::from(*span);
        covered as f64 >= needed
    });
    found.or(usage.last()).map_or(0, |(amount, _)| *amount)
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Oracle {
    config: OracleConfig,
    container: String,
    start: SimTime,
    /// Start of each step.
    steps: Vec<(SimTime, UsageStep)>,
    /// What was decided, and until when it stands.
    decided: Option<(SimTime, Amounts)>,
}

impl Oracle {
    /// For a container that will use this, from `start` on.
    pub fn new(container: &str, config: OracleConfig, start: SimTime, series: &[UsageStep]) -> Oracle {
        let mut at = start;
        let steps = series.iter().map(|step| {
            let own = (at, *step);
            at = at.after(step.span);
            own
        });
        Oracle { config, container: container.to_owned(), start, steps: steps.collect(), decided: None }
    }

    fn decide(&self, now: SimTime) -> Option<(SimTime, Amounts)> {
        let horizon = self.config.horizon.0.max(1);
        let pieces = now.since(self.start).0 / horizon + 1;
        let until = self.start.after(SimDuration(pieces.saturating_mul(horizon)));
        let first = self.steps.partition_point(|(start, step)| start.after(step.span) <= now);
        let ahead: Vec<_> = self.steps[first..].iter().take_while(|(start, _)| *start < until).collect();
        if ahead.is_empty() {
            return None;
        }
        let of = |amount: fn(&Usage) -> u64| {
            ahead.iter().map(move |(start, step)| {
                let span = SimDuration(start.after(step.span).min(until).0 - (*start).max(now).0);
                (span, amount(&step.usage))
            })
        };
        let cpu = least_covering(of(|usage| usage.cpu.0), self.config.cpu_percentile);
        let memory = least_covering(of(|usage| usage.memory.0), self.config.memory_percentile);
        Some((until, Amounts::both(MilliCpu(cpu), Bytes(memory))))
    }
}

impl Sizing for Oracle {
    fn observe(&mut self, _pod: PodId, _at: SimTime, _usage: Usage) {}

    fn observe_oom(&mut self, _pod: PodId, _at: SimTime, _resources: &ContainerResources) {}

    fn forget(&mut self, _pod: PodId) {}

    fn recommend(&mut self, now: SimTime) -> Option<ContainerRecommendation> {
        if self.decided.is_none_or(|(until, _)| now >= until) {
            self.decided = self.decide(now).or(self.decided);
        }
        let (_, target) = self.decided?;
        let container = self.container.clone();
        let bounds = ContainerRecommendation { container, target, ..ContainerRecommendation::default() };
        Some(ContainerRecommendation { lower_bound: target, upper_bound: target, uncapped_target: target, ..bounds })
    }
}

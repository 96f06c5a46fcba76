//! When the kubelet evicts because memory is short, and whom (`eviction_manager.go`, `rankMemoryPressure`).

use std::cmp::{Ordering, Reverse};

use crate::model::usage::Eviction;
use crate::units::{SimDuration, SimTime};
use crate::world::usage::PressureMonitor;

/// How often the kubelet looks (`evictionMonitoringPeriod`).
pub const MONITORING_PERIOD: SimDuration = SimDuration(10_000_000_000);
/// How long it waits for a pod to be gone that it has evicted (`podCleanupTimeout`).
pub const CLEANUP_TIMEOUT: SimDuration = SimDuration(30_000_000_000);
/// How long after the end of that pod it looks again (`podCleanupPollFreq`).
pub const CLEANUP_POLL: SimDuration = SimDuration(1_000_000_000);
/// How long a pod has to end at a hard threshold (`immediateEvictionGracePeriodSeconds`).
pub const IMMEDIATE_GRACE: SimDuration = SimDuration(1_000_000_000);
/// Priority from which pods are critical and never evicted (`SystemCriticalPriority`).
pub const CRITICAL_PRIORITY: i32 = 2_000_000_000;
/// Priority of pods that are critical for their node (`system-node-critical`).
pub const NODE_CRITICAL_PRIORITY: i32 = 2_000_001_000;

/// A threshold at which a pod must go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// `evictionHard`.
    Hard,
    /// `evictionSoft`, its grace period over.
    Soft,
}

/// One look at the memory that is available (`synchronize`): whether a pod must go now.
pub fn observe(monitor: &mut PressureMonitor, rules: &Eviction, available: u64, now: SimTime) -> Option<Threshold> {
    let thresholds = [Some((rules.hard, SimDuration::ZERO)), rules.soft];
    let mut is_met = false;
    for (index, threshold) in thresholds.into_iter().enumerate() {
        let Some((least, grace)) = threshold else { continue };
        let first = &mut monitor.first_observed[index];
        let reclaim = if monitor.is_reclaiming[index] { rules.minimum_reclaim } else { 0 };
        if available < least.saturating_add(reclaim) {
            *first = (*first).min(now);
            is_met = true;
            monitor.is_reclaiming[index] = now.since(*first) >= grace;
        } else {
            *first = SimTime::NEVER;
            monitor.is_reclaiming[index] = false;
        }
    }
    if is_met {
        monitor.last_observed = Some(now);
    }
    monitor.is_under_pressure =
        monitor.last_observed.is_some_and(|observed| now.since(observed) < rules.transition_period);
    match monitor.is_reclaiming {
        [true, _] => Some(Threshold::Hard),
        [_, true] => Some(Threshold::Soft),
        _ => None,
    }
}

/// A pod that may be evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Bytes that it uses.
    pub used: u64,
    /// Bytes that it requests.
    pub requested: u64,
    /// Its priority.
    pub priority: i32,
}

/// Who goes first is the lesser: those that use more than they request, then those of lower priority, then those that use
/// most beyond their request.
pub fn order(one: &Candidate, other: &Candidate) -> Ordering {
    let key = |pod: &Candidate| {
        let beyond = i128::from(pod.used) - i128::from(pod.requested);
        (Reverse(beyond > 0), pod.priority, Reverse(beyond))
    };
    key(one).cmp(&key(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SimTime {
        SimTime(seconds * 1_000_000_000)
    }

    #[test]
    fn pods_beyond_their_requests_go_first() {
        // (used, requested, priority), in the order in which they go.
        let order_of_eviction = [
            (900, 100, -5), // of those beyond their request the lowest priority
            (700, 0, 0),    // 700 beyond
            (800, 300, 0),  // 500 beyond
            (100, 0, 7),
            (600, 600, 0),   // not beyond: 0 below
            (1000, 1001, 0), // 1 below
            (100, 900, 0),   // 800 below
            (600, 600, 1),
        ];
        let pod = |&(used, requested, priority): &(u64, u64, i32)| Candidate { used, requested, priority };
        let expected: Vec<Candidate> = order_of_eviction.iter().map(pod).collect();
        let mut pods = expected.clone();
        pods.reverse();
        pods.sort_by(order);
        assert_eq!(pods, expected);
    }

    /// Looks at instants (s), with so much available: what must go, and whether the node is under pressure.
    fn looks(rules: &Eviction, table: &[(u64, u64, Option<Threshold>, bool)]) {
        let mut monitor = PressureMonitor::new(SimTime::ZERO);
        for &(now, available, expected, is_under_pressure) in table {
            let found = observe(&mut monitor, rules, available, at(now));
            assert_eq!((found, monitor.is_under_pressure), (expected, is_under_pressure), "at {now} s");
        }
    }

    #[test]
    fn a_hard_threshold_evicts_at_once_and_pressure_outlasts_it() {
        let hard = Some(Threshold::Hard);
        let rules = Eviction { hard: 100, ..Eviction::default() };
        looks(
            &rules,
            // Last below the threshold at 20 s: under pressure for less than 300 s from then.
            &[
                (0, 100, None, false),
                (10, 99, hard, true),
                (20, 50, hard, true),
                (30, 100, None, true),
                (310, 100, None, true),
                (320, 100, None, false),
            ],
        );
    }

    #[test]
    fn a_soft_threshold_has_a_grace_period() {
        let soft = Some(Threshold::Soft);
        let rules = Eviction {
            hard: 100,
            soft: Some((300, SimDuration(20_000_000_000))),
            minimum_reclaim: 50,
            ..Eviction::default()
        };
        looks(
            &rules,
            &[
                (0, 299, None, true),
                (10, 300, None, true), // not below: the grace period begins anew
                (20, 200, None, true),
                (30, 200, None, true),
                (40, 200, soft, true),
                (50, 349, soft, true), // 50 more than the threshold must come back
                (60, 350, None, true),
                (70, 320, None, true), // that was enough
                (80, 99, Some(Threshold::Hard), true),
            ],
        );
    }
}

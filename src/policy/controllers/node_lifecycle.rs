//! What the node lifecycle controller and the taint eviction controller of v1.37.0 decide.
//!
//! Sources: `pkg/controller/nodelifecycle/node_lifecycle_controller.go` and `scheduler/rate_limited_queue.go` there,
//! `pkg/controller/tainteviction/taint_eviction.go`, and the token bucket of `golang.org/x/time/rate`.
//!
//! Known deviations: both loops start at 0 s and take no time, so that nodes are looked at on multiples of the monitor
//! period, and tainted on multiples of 100 ms; upstream's loops drift by what each pass takes. Nodes that wait for their
//! taint go in the order of the cluster, where upstream's go in the order of a hash map. Zones are told apart by the zone
//! label alone, without the region.

use crate::model::{NodeLifecycle, Taint, TaintEffect, Toleration};
use crate::units::{SimDuration, SimTime};
use crate::world::constraints::tolerates;

/// How often nodes that wait for a taint are looked at (`NodeEvictionPeriod`).
pub const TAINT_PERIOD: SimDuration = SimDuration(100_000_000);
/// How often pods on nodes that are gone are looked for (`gcCheckPeriod` of `pkg/controller/podgc`).
pub const COLLECT_PERIOD: SimDuration = SimDuration(20_000_000_000);
/// How long a node must be missed before its pods are deleted (`quarantineTime`, same place).
pub const COLLECT_QUARANTINE: SimDuration = SimDuration(40_000_000_000);

/// The first instant from `earliest` on at which a loop of that period comes around.
pub fn next_pass(earliest: SimTime, period: SimDuration) -> SimTime {
    SimTime(earliest.0.div_ceil(period.0) * period.0)
}

/// When a node that was last heard of at `heartbeat` is given up: at the first pass more than the grace period after the
/// pass that saw the heartbeat.
pub fn unknown_at(heartbeat: SimTime, parameters: &NodeLifecycle) -> SimTime {
    let seen = next_pass(heartbeat, parameters.monitor_period);
    let end_of_grace = seen.after(parameters.monitor_grace_period);
    next_pass(end_of_grace.after(SimDuration(1)), parameters.monitor_period)
}

/// When the pods of a node that is gone are deleted: at the pass that finds the node still missing after the quarantine
/// that began with the pass that first missed it.
pub fn collected_at(gone: SimTime) -> SimTime {
    next_pass(next_pass(gone, COLLECT_PERIOD).after(COLLECT_QUARANTINE), COLLECT_PERIOD)
}

/// How many of a zone's nodes are well (`ZoneState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneState {
    /// Enough.
    Normal,
    /// Too few.
    PartialDisruption,
    /// None.
    FullDisruption,
}

impl ZoneState {
    /// The state of a zone with so many nodes of either kind (`ComputeZoneState`).
    pub fn of(ready: u32, not_ready: u32, parameters: &NodeLifecycle) -> ZoneState {
        let share = not_ready as f32 / (not_ready + ready) as f32;
        if ready == 0 && not_ready > 0 {
            ZoneState::FullDisruption
        } else if not_ready > 2 && share >= parameters.unhealthy_zone_threshold {
            ZoneState::PartialDisruption
        } else {
            ZoneState::Normal
        }
    }

    /// How many of its nodes get a taint a second (`setLimiterInZone`), when not all zones are fully disrupted.
    pub fn eviction_rate(self, nodes: u32, parameters: &NodeLifecycle) -> f32 {
        match self {
            ZoneState::Normal | ZoneState::FullDisruption => parameters.eviction_rate,
            ZoneState::PartialDisruption if nodes > parameters.large_cluster_size_threshold => {
                parameters.secondary_eviction_rate
            }
            ZoneState::PartialDisruption => 0.0,
        }
    }
}

/// A token bucket that holds one token, in upstream's floating-point arithmetic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limiter {
    rate: f32,
    tokens: f64,
    last: SimTime,
}

impl Limiter {
    /// A full bucket that gets `rate` tokens a second; one of rate 0 never gives any.
    pub fn new(rate: f32, now: SimTime) -> Limiter {
        Limiter { rate, tokens: 1.0, last: now }
    }

    fn tokens_at(&self, now: SimTime) -> f64 {
        (self.tokens + now.since(self.last).as_seconds() * f64::from(self.rate)).min(1.0)
    }

    /// How long, in ns, until there is a whole token; upstream asks whether this is nothing.
    fn wait_ns(&self, now: SimTime) -> u64 {
        let missing = 1.0 - self.tokens_at(now);
        if missing <= 0.0 { 0 } else { (missing / f64::from(self.rate) * 1e9) as u64 }
    }

    /// Takes a token if there is one.
    pub fn try_accept(&mut self, now: SimTime) -> bool {
        if self.rate <= 0.0 || self.wait_ns(now) > 0 {
            return false;
        }
        (self.tokens, self.last) = (self.tokens_at(now) - 1.0, now);
        true
    }

    /// Goes on at another rate; whoever had to wait before waits for a whole token again (`SwapLimiter`).
    pub fn swap(&mut self, rate: f32, now: SimTime) {
        if self.rate == rate {
            return;
        }
        let had_to_wait = !self.try_accept(now);
        *self = Limiter::new(rate, now);
        if had_to_wait {
            self.try_accept(now);
        }
    }

    /// The first pass of the tainting loop, from `now` on, at which there is a token; none: never.
    pub fn next_token(&self, now: SimTime) -> Option<SimTime> {
        if self.rate <= 0.0 {
            return None;
        }
        let mut at = next_pass(now.after(SimDuration(self.wait_ns(now))), TAINT_PERIOD);
        // What is waited for and what has come are rounded each for itself.
        while self.wait_ns(at) > 0 {
            at = at.after(TAINT_PERIOD);
        }
        Some(at)
    }
}

/// How long a pod may stay on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// Not at all: there is a taint that it does not tolerate.
    NotAtAll,
    /// For so long from when the first of the taints came.
    For(SimDuration),
    /// For ever.
    Forever,
}

/// How long a pod may stay on a node with these taints (`processPodOnNode`).
pub fn stay(tolerations: &[Toleration], taints: &[Taint]) -> Stay {
    let mut shortest = None;
    for taint in taints.iter().filter(|taint| taint.effect == TaintEffect::NoExecute) {
        // The first that fits counts, even where another would hold out longer.
        let Some(toleration) = tolerations.iter().find(|toleration| tolerates(toleration, taint)) else {
            return Stay::NotAtAll;
        };
        shortest = [shortest, toleration.duration].into_iter().flatten().min();
    }
    shortest.map_or(Stay::Forever, Stay::For)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TolerationOperator;

    const S: u64 = 1_000_000_000;

    fn at(seconds: u64) -> SimTime {
        SimTime(seconds * S)
    }

    #[test]
    fn nodes_are_given_up_after_the_grace_period() {
        let parameters = NodeLifecycle::default();
        for (heartbeat_s, unknown_s) in [
            // Seen at 90; 140 is not more than 50 s later, 145 is.
            (90, 145),
            // Seen at 95, given up after 145: at 150.
            (91, 150),
            (95, 150),
            (0, 55),
        ] {
            assert_eq!(unknown_at(at(heartbeat_s), &parameters), at(unknown_s), "{heartbeat_s}");
        }
        let parameters = NodeLifecycle { monitor_grace_period: SimDuration(40 * S), ..parameters };
        assert_eq!(unknown_at(at(90), &parameters), at(135));
    }

    #[test]
    fn pods_of_nodes_that_are_gone_are_collected() {
        // Missed at the next multiple of 20 s, deleted 40 s after that.
        for (gone_s, collected_s) in [(100, 140), (101, 160), (119, 160), (120, 160)] {
            assert_eq!(collected_at(at(gone_s)), at(collected_s));
        }
    }

    #[test]
    fn zones_are_disrupted_by_number_and_share() {
        let parameters = NodeLifecycle::default();
        for (ready, not_ready, state, rate) in [
            (3, 0, ZoneState::Normal, 0.1),
            (0, 1, ZoneState::FullDisruption, 0.1),
            // Two are never too many; 3 of 5 are 0.6; 5 of 10 are 0.5.
            (1, 2, ZoneState::Normal, 0.1),
            (2, 3, ZoneState::PartialDisruption, 0.0),
            (5, 5, ZoneState::Normal, 0.1),
            // 33 of 60 are 0.55, which is enough, and 60 are more than 50.
            (27, 33, ZoneState::PartialDisruption, 0.01),
            (28, 32, ZoneState::Normal, 0.1),
            (0, 0, ZoneState::Normal, 0.1),
        ] {
            let found = ZoneState::of(ready, not_ready, &parameters);
            assert_eq!((found, found.eviction_rate(ready + not_ready, &parameters)), (state, rate));
        }
    }

    #[test]
    fn the_bucket_holds_one_token() {
        let mut limiter = Limiter::new(0.1, at(0));
        assert!(limiter.try_accept(at(7)));
        assert!(!limiter.try_accept(at(7)));
        // 0.1 as a 32-bit number is a little more than a tenth: a token in 10 s.
        assert_eq!(limiter.next_token(at(7)), Some(at(17)));
        assert!(!limiter.try_accept(at(16)));
        assert!(limiter.try_accept(at(17)));
        // 0.01 is a little less than a hundredth: 100 s are not enough, and the next pass is a tenth later.
        let mut slow = Limiter::new(0.01, at(0));
        assert!(slow.try_accept(at(0)));
        assert_eq!(slow.next_token(at(0)), Some(SimTime(100 * S + S / 10)));
        assert!(!slow.try_accept(at(100)) && slow.try_accept(SimTime(100 * S + S / 10)));
    }

    #[test]
    fn a_swapped_bucket_is_full_only_where_the_old_one_was() {
        let mut full = Limiter::new(0.1, at(0));
        full.swap(0.01, at(5));
        assert!(full.try_accept(at(5)));
        // From rate 0 the first token takes its time.
        let mut never = Limiter::new(0.1, at(0));
        never.swap(0.0, at(5));
        assert_eq!((never.next_token(at(9)), never.try_accept(at(9))), (None, false));
        never.swap(0.1, at(20));
        assert_eq!(never.next_token(at(20)), Some(at(30)));
    }

    #[test]
    fn pods_stay_as_long_as_all_their_tolerations_hold() {
        let taint = |key: &str, effect| Taint { key: key.to_owned(), value: String::new(), effect };
        let toleration = |key: &str, seconds: Option<u64>| Toleration {
            key: key.to_owned(),
            operator: TolerationOperator::Exists,
            value: String::new(),
            effect: None,
            duration: seconds.map(|seconds| SimDuration(seconds * S)),
        };
        let taints = [taint("a", TaintEffect::NoExecute), taint("b", TaintEffect::NoExecute)];
        let seconds = |count: u64| Stay::For(SimDuration(count * S));
        for (tolerations, expected) in [
            (vec![], Stay::NotAtAll),
            (vec![toleration("a", None)], Stay::NotAtAll),
            (vec![toleration("", None)], Stay::Forever),
            (vec![toleration("a", Some(60)), toleration("b", None)], seconds(60)),
            (vec![toleration("a", Some(60)), toleration("b", Some(30))], seconds(30)),
            // The first that fits counts: for `a` it is the one of 10 s in both cases, or for `b`.
            (vec![toleration("", Some(10)), toleration("a", None)], seconds(10)),
            (vec![toleration("a", None), toleration("", Some(10))], seconds(10)),
        ] {
            assert_eq!(stay(&tolerations, &taints), expected, "{tolerations:?}");
        }
        assert_eq!(stay(&[], &[taint("a", TaintEffect::NoSchedule)]), Stay::Forever);
    }
}

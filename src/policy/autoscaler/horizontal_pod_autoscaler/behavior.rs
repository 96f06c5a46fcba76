//! How what the metrics ask for is held back: stabilisation, rates, bounds.
//!
//! Lists of recommendations and of changes grow only while they must: a new entry takes the place of the last one that no
//! window reaches any more, as upstream has it. Instants are compared as upstream does: exclusive or inclusive at the edge
//! of a window, by kind of window.

use super::Autoscaler;
use super::replica_calculator::int32;
use super::spec::{HorizontalPodAutoscalerSpec, PolicyKind, ScalingPolicy, ScalingRules, SelectPolicy};
use super::status::{ConditionType, Status};
use crate::units::{SimDuration, SimTime};

#[cfg(test)]
mod tests;

/// Without a behaviour, replicas may at most grow by this factor at once (`scaleUpLimitFactor`).
const SCALE_UP_FACTOR: f64 = 2.0;
/// Without a behaviour, so many replicas are always allowed (`scaleUpLimitMinimum`).
const SCALE_UP_MIN: f64 = 4.0;

/// What the controller remembers of one autoscaler from sync to sync.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// What the status says. Upstream reads the conditions back; the rest is only written.
    pub status: Status,
    recommendations: Vec<Recommendation>,
    scale_ups: Vec<ScaleEvent>,
    scale_downs: Vec<ScaleEvent>,
}

/// What metrics asked for at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Recommendation {
    replicas: i32,
    at: SimTime,
}

/// A change of replicas that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ScaleEvent {
    /// By how many, not negative.
    change: i32,
    at: SimTime,
    is_outdated: bool,
}

/// How many there are and may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) current: i32,
    pub(super) min: i32,
    pub(super) max: i32,
}

/// A number of replicas, and why it is that.
struct Limited {
    replicas: i32,
    reason: &'static str,
    message: &'static str,
}

const WITHIN_RANGE: (&str, &str) = ("DesiredWithinRange", "the desired count is within the acceptable range");
const TOO_MANY: (&str, &str) = ("TooManyReplicas", "the desired replica count is more than the maximum replica count");
const TOO_FEW: (&str, &str) = ("TooFewReplicas", "the desired replica count is less than the minimum replica count");
const SCALE_UP_LIMIT: (&str, &str) =
    ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate");
const SCALE_DOWN_LIMIT: (&str, &str) =
    ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate");
const SCALE_UP_STABILIZED: (&str, &str) = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
);
const SCALE_DOWN_STABILIZED: (&str, &str) = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
);
const READY_FOR_NEW_SCALE: (&str, &str) = ("ReadyForNewScale", "recommended size matches current size");

fn limited(replicas: i32, (reason, message): (&'static str, &'static str)) -> Limited {
    Limited { replicas, reason, message }
}

/// `event.timestamp.Before(now.Add(-span))`, without going below the start of time.
fn is_before(at: SimTime, now: SimTime, span: SimDuration) -> bool {
    at.after(span) < now
}

/// `event.timestamp.After(now.Add(-span))`.
fn is_after(at: SimTime, now: SimTime, span: SimDuration) -> bool {
    at.after(span) > now
}

fn seconds(seconds: i32) -> SimDuration {
    SimDuration(u64::try_from(seconds).unwrap_or(0) * 1_000_000_000)
}

impl State {
    /// `recordInitialRecommendation`: the number at first sight counts as asked for.
    pub(super) fn record_initial(&mut self, now: SimTime, replicas: i32) {
        if self.recommendations.is_empty() {
            self.recommendations.push(Recommendation { replicas, at: now });
        }
    }

    /// The number of replicas that is written, of what is asked for.
    pub(super) fn normalize(&mut self, autoscaler: &Autoscaler<'_>, now: SimTime, bounds: Bounds, asked: i32) -> i32 {
        let behavior = autoscaler.spec.behavior.as_ref();
        let rules = behavior.and_then(|behavior| behavior.scale_up.as_ref().zip(behavior.scale_down.as_ref()));
        let (stabilized, stabilization, limit) = match rules {
            None => {
                let window = autoscaler.settings.downscale_stabilization;
                let stabilized = self.stabilize_down(now, window, asked);
                (stabilized, SCALE_DOWN_STABILIZED, limit_plainly(bounds, stabilized))
            }
            Some((up, down)) => {
                // The flag is cut to whole seconds on its way into the spec.
                let default_s = autoscaler.settings.downscale_stabilization.0 / 1_000_000_000;
                let default = SimDuration(default_s * 1_000_000_000);
                let windows = (window_of(up, SimDuration::ZERO), window_of(down, default));
                let stabilized = self.stabilize(now, windows, bounds.current, asked);
                let rises = asked >= bounds.current;
                let stabilization = if rises { SCALE_UP_STABILIZED } else { SCALE_DOWN_STABILIZED };
                (stabilized, stabilization, self.limit_rate(now, (up, down), bounds, stabilized))
            }
        };
        let (reason, message) = if stabilized == asked { READY_FOR_NEW_SCALE } else { stabilization };
        self.status.set_condition(now, ConditionType::AbleToScale, true, reason, message);
        let is_limited = limit.replicas != stabilized;
        self.status.set_condition(now, ConditionType::ScalingLimited, is_limited, limit.reason, limit.message);
        limit.replicas
    }

    /// `stabilizeRecommendation`: not below anything asked for in the window.
    fn stabilize_down(&mut self, now: SimTime, window: SimDuration, asked: i32) -> i32 {
        let mut highest = asked;
        let mut old = None;
        for (position, one) in self.recommendations.iter().enumerate() {
            if is_before(one.at, now, window) {
                old = Some(position);
            } else {
                highest = highest.max(one.replicas);
            }
        }
        self.record(old, Recommendation { replicas: asked, at: now });
        highest
    }

    /// `stabilizeRecommendationWithBehaviors`: as near to what is as what was asked for in the windows allows.
    fn stabilize(
        &mut self,
        now: SimTime,
        (up_window, down_window): (SimDuration, SimDuration),
        current: i32,
        asked: i32,
    ) -> i32 {
        let (mut lowest, mut highest) = (asked, asked);
        let mut old = None;
        for (position, one) in self.recommendations.iter().enumerate() {
            if is_after(one.at, now, up_window) {
                lowest = lowest.min(one.replicas);
            }
            if is_after(one.at, now, down_window) {
                highest = highest.max(one.replicas);
            }
            if is_before(one.at, now, up_window) && is_before(one.at, now, down_window) {
                old = Some(position);
            }
        }
        self.record(old, Recommendation { replicas: asked, at: now });
        current.max(lowest).min(highest)
    }

    fn record(&mut self, old: Option<usize>, new: Recommendation) {
        match old {
            Some(position) => self.recommendations[position] = new,
            None => self.recommendations.push(new),
        }
    }

    /// `convertDesiredReplicasWithBehaviorRate`: within the bounds, and not faster than the policies allow.
    fn limit_rate(
        &self,
        now: SimTime,
        (up, down): (&ScalingRules, &ScalingRules),
        bounds: Bounds,
        desired: i32,
    ) -> Limited {
        let Bounds { current, min, max } = bounds;
        if desired > current {
            let limit = self.scale_up_limit(now, current, up).max(current);
            let (most, why) = if max > limit { (limit, SCALE_UP_LIMIT) } else { (max, TOO_MANY) };
            if desired > most {
                return limited(most, why);
            }
        } else if desired < current {
            let limit = self.scale_down_limit(now, current, down).min(current);
            let (fewest, why) = if min < limit { (limit, SCALE_DOWN_LIMIT) } else { (min, TOO_FEW) };
            if desired < fewest {
                return limited(fewest, why);
            }
        }
        limited(desired, WITHIN_RANGE)
    }

    /// `calculateScaleUpLimitWithScalingRules`.
    fn scale_up_limit(&self, now: SimTime, current: i32, rules: &ScalingRules) -> i32 {
        let allowed = |policy: &ScalingPolicy| {
            let start = self.at_start_of_period(now, current, policy.period_s);
            match policy.kind {
                PolicyKind::Pods => start.wrapping_add(policy.value),
                // Rounded up, so that a small share of few replicas still allows one.
                PolicyKind::Percent => int32((f64::from(start) * (1.0 + f64::from(policy.value) / 100.0)).ceil()),
            }
        };
        let limits = rules.policies.iter().flatten().map(allowed);
        match rules.select_policy {
            Some(SelectPolicy::Disabled) => current,
            Some(SelectPolicy::Min) => limits.min().unwrap_or(i32::MAX),
            Some(SelectPolicy::Max) | None => limits.max().unwrap_or(i32::MIN),
        }
    }

    /// `calculateScaleDownLimitWithBehaviors`.
    fn scale_down_limit(&self, now: SimTime, current: i32, rules: &ScalingRules) -> i32 {
        let allowed = |policy: &ScalingPolicy| {
            let start = self.at_start_of_period(now, current, policy.period_s);
            match policy.kind {
                PolicyKind::Pods => start.wrapping_sub(policy.value),
                PolicyKind::Percent => int32(f64::from(start) * (1.0 - f64::from(policy.value) / 100.0)),
            }
        };
        let limits = rules.policies.iter().flatten().map(allowed);
        match rules.select_policy {
            Some(SelectPolicy::Disabled) => current,
            Some(SelectPolicy::Min) => limits.max().unwrap_or(i32::MIN),
            Some(SelectPolicy::Max) | None => limits.min().unwrap_or(i32::MAX),
        }
    }

    /// How many replicas there were before the changes of the period.
    fn at_start_of_period(&self, now: SimTime, current: i32, period_s: i32) -> i32 {
        let change = |events: &[ScaleEvent]| {
            let recent = events.iter().filter(|event| is_after(event.at, now, seconds(period_s)));
            recent.fold(0i32, |sum, event| sum.wrapping_add(event.change))
        };
        current.wrapping_sub(change(&self.scale_ups)).wrapping_add(change(&self.scale_downs))
    }

    /// `storeScaleEvent`: remembers a change for as long as a policy looks back. Without a behaviour nothing is remembered.
    pub(super) fn store_scale_event(&mut self, spec: &HorizontalPodAutoscalerSpec, now: SimTime, from: i32, to: i32) {
        let Some(behavior) = &spec.behavior else { return };
        let rises = to > from;
        let (rules, events) = if rises {
            (&behavior.scale_up, &mut self.scale_ups)
        } else {
            (&behavior.scale_down, &mut self.scale_downs)
        };
        let policies = rules.iter().filter_map(|rules| rules.policies.as_ref()).flatten();
        let longest = seconds(policies.map(|policy| policy.period_s).max().unwrap_or(0));
        events.iter_mut().filter(|event| is_before(event.at, now, longest)).for_each(|event| event.is_outdated = true);
        let change = if rises { to.wrapping_sub(from) } else { from.wrapping_sub(to) };
        let event = ScaleEvent { change, at: now, is_outdated: false };
        match events.iter().rposition(|event| event.is_outdated) {
            Some(position) => events[position] = event,
            None => events.push(event),
        }
    }
}

/// The window of a direction.
fn window_of(rules: &ScalingRules, default: SimDuration) -> SimDuration {
    rules.stabilization_window_s.map_or(default, seconds)
}

/// `convertDesiredReplicasWithRules`: within the bounds, and at most twice as many at once.
fn limit_plainly(bounds: Bounds, desired: i32) -> Limited {
    let limit = int32((SCALE_UP_FACTOR * f64::from(bounds.current)).max(SCALE_UP_MIN));
    let (most, why) = if bounds.max > limit { (limit, SCALE_UP_LIMIT) } else { (bounds.max, TOO_MANY) };
    if desired < bounds.min {
        limited(bounds.min, TOO_FEW)
    } else if desired > most {
        limited(most, why)
    } else {
        limited(desired, WITHIN_RANGE)
    }
}

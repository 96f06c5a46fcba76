//! What the controller says: status, conditions and events, in upstream's words.

use std::borrow::Cow;

use crate::units::SimTime;

/// `HorizontalPodAutoscalerStatus`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// `currentReplicas`, as of the last sync that could tell.
    pub current_replicas: i32,
    /// `desiredReplicas`.
    pub desired_replicas: i32,
    /// `lastScaleTime`.
    pub last_scale: Option<SimTime>,
    /// `currentMetrics`, in the order of the spec's metrics, none for those that are not known; empty: none was looked at.
    pub current_metrics: Vec<Option<MetricValue>>,
    /// `conditions`, in the order in which they were first set.
    pub conditions: Vec<Condition>,
}

impl Status {
    /// The condition of this type.
    pub fn condition(&self, kind: ConditionType) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// `setCondition`.
    pub(super) fn set_condition(
        &mut self,
        now: SimTime,
        kind: ConditionType,
        is_true: bool,
        reason: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) {
        let message = message.into();
        match self.conditions.iter_mut().find(|condition| condition.kind == kind) {
            Some(condition) => {
                let last_transition = if condition.is_true == is_true { condition.last_transition } else { now };
                *condition = Condition { kind, is_true, reason, message, last_transition };
            }
            None => self.conditions.push(Condition { kind, is_true, reason, message, last_transition: now }),
        }
    }

    /// `removeCondition`.
    pub(super) fn remove_condition(&mut self, kind: ConditionType) {
        self.conditions.retain(|condition| condition.kind != kind);
    }
}

/// `MetricValueStatus`: what a metric was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetricValue {
    /// `averageUtilization`, in per cent of the requests.
    pub average_utilization: Option<i32>,
    /// `averageValue`, in thousandths of the unit.
    pub average_value_milli: Option<i64>,
    /// `value`, in thousandths of the unit.
    pub value_milli: Option<i64>,
}

/// `HorizontalPodAutoscalerConditionType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// Whether scaling is possible and not held back.
    AbleToScale,
    /// Whether a number of replicas can be worked out.
    ScalingActive,
    /// Whether a bound holds the number back.
    ScalingLimited,
    /// Whether the controller itself has scaled to zero.
    ScaledToZero,
}

impl ConditionType {
    /// The name as `kubectl describe` shows it.
    pub fn name(self) -> &'static str {
        match self {
            ConditionType::AbleToScale => "AbleToScale",
            ConditionType::ScalingActive => "ScalingActive",
            ConditionType::ScalingLimited => "ScalingLimited",
            ConditionType::ScaledToZero => "ScaledToZero",
        }
    }
}

/// `HorizontalPodAutoscalerCondition`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `type`.
    pub kind: ConditionType,
    /// `status`; the controller never sets it to unknown.
    pub is_true: bool,
    /// `reason`, one word.
    pub reason: &'static str,
    /// `message`.
    pub message: Cow<'static, str>,
    /// `lastTransitionTime`: since when the status has been what it is.
    pub last_transition: SimTime,
}

/// An event about the autoscaler, as the controller hands it to its recorder. What the recorder does with it (it merges
/// events that are alike, and drops some when there are many) is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whether its type is `Warning`; else it is `Normal`.
    pub is_warning: bool,
    /// `reason`, one word.
    pub reason: &'static str,
    /// `message`.
    pub message: String,
}

/// What a sync came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// What is written to `spec.replicas` of the target's scale; none: nothing is written, or writing failed.
    pub scale_to: Option<i32>,
    /// Why, as the event says it; empty: the number stays what it is.
    pub reason: String,
    /// What the metrics ask for together, before limits and windows; none: they were not looked at, or do not suffice.
    pub proposed: Option<i32>,
    /// The metric that asks for the most, in the words of the condition; empty as above.
    pub metric: String,
    /// Events, in order.
    pub events: Vec<Event>,
    /// The error that the sync ends with, which goes to the controller's log. A sync that scales may have one, too.
    pub error: Option<String>,
}

impl Outcome {
    pub(super) fn warn(&mut self, reason: &'static str, message: impl Into<String>) {
        self.events.push(Event { is_warning: true, reason, message: message.into() });
    }
}

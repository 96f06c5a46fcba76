//! Whole looks: `TestReplicaLimits`, `TestScaleToZeroBehavior`, `TestScaleWithOneInvalidMetric` and conditions of
//! `horizontal_test.go` of v1.37.0, and courses worked out by hand.

use super::seen::{MetricSamples, ObservedScale, PodsSeen, Seen};
use super::spec::{
    Behavior, HorizontalPodAutoscalerSpec, MetricIdentifier, MetricSpec, MetricTarget, ObjectReference, PolicyKind,
    ScalingPolicy, ScalingRules, SelectPolicy,
};
use super::status::{ConditionType, Outcome};
use super::{Autoscaler, Settings, State};
use crate::units::SimTime;

const SECOND: u64 = 1_000_000_000;

/// An autoscaler that wants one replica for each 10 units of an external metric, between looks of 15 s.
struct Course {
    spec: HorizontalPodAutoscalerSpec,
    settings: Settings,
    state: State,
    now: SimTime,
    replicas: i32,
}

/// What is seen of the metrics: their values in units, none for those that are not there.
type Values<'a> = &'a [Option<i64>];

impl Course {
    fn new(replicas: i32, (min, max): (i32, i32), metrics: usize) -> Course {
        let metric = |number: usize| MetricSpec::External {
            metric: MetricIdentifier { name: format!("queue-{number}"), selector: None },
            target: MetricTarget::average_value(10_000),
        };
        let spec = HorizontalPodAutoscalerSpec {
            min_replicas: Some(min),
            max_replicas: max,
            metrics: (0..metrics).map(metric).collect(),
            behavior: None,
        };
        let (settings, state) = (Settings::default(), State::default());
        Course { spec: spec.with_defaults(), settings, state, now: SimTime(3600 * SECOND), replicas }
    }

    fn with_behavior(mut self, behavior: Behavior) -> Course {
        self.spec.behavior = Some(behavior);
        Course { spec: self.spec.with_defaults(), ..self }
    }

    /// A look, and 15 s.
    fn look(&mut self, values: Values<'_>) -> Outcome {
        self.look_at(values, |_| {})
    }

    fn look_at(&mut self, values: Values<'_>, change: impl FnOnce(&mut Seen<'_>)) -> Outcome {
        let series: Vec<Option<[i64; 1]>> = values.iter().map(|value| value.map(|value| [value * 1000])).collect();
        let samples: Vec<MetricSamples<'_>> = series
            .iter()
            .map(|one| MetricSamples::OfSeries(one.as_ref().map(|one| &one[..]).ok_or("it is down")))
            .collect();
        let mut seen = Seen {
            scale: Ok(ObservedScale {
                spec_replicas: self.replicas,
                status_replicas: self.replicas,
                selector: "app=web",
            }),
            pods: PodsSeen::NONE,
            samples: &samples,
            also_selected_by: &[],
            pod_name: &|pod| format!("pod-{}", pod.0),
            update_error: None,
        };
        change(&mut seen);
        let target = ObjectReference { kind: "Deployment".into(), name: "web".into(), api_version: "apps/v1".into() };
        let autoscaler = Autoscaler {
            namespace: "default",
            name: "web",
            target: &target,
            spec: &self.spec,
            settings: &self.settings,
        };
        let outcome = autoscaler.sync(&mut self.state, self.now, &seen);
        self.replicas = outcome.scale_to.unwrap_or(self.replicas);
        self.now = self.now.after(self.settings.sync_period);
        outcome
    }

    /// Replicas after each look.
    fn replicas(&mut self, values: &[i64]) -> Vec<i32> {
        values.iter().map(|&value| (self.look(&[Some(value)]), self.replicas).1).collect()
    }

    /// Conditions as type, status and reason.
    fn conditions(&self) -> Vec<(&'static str, bool, &'static str)> {
        let conditions = &self.state.status.conditions;
        conditions.iter().map(|one| (one.kind.name(), one.is_true, one.reason)).collect()
    }

    fn message(&self, kind: ConditionType) -> &str {
        &self.state.status.condition(kind).expect("the condition").message
    }
}

#[test]
fn bounds_are_met_without_a_look_at_the_metrics() {
    // Replicas, bounds; replicas written, reason.
    let rows = [
        (2, (3, 5), Some(3), "Current number of replicas below Spec.MinReplicas"),
        (10, (3, 5), Some(5), "Current number of replicas above Spec.MaxReplicas"),
        (0, (3, 5), None, ""),
        (0, (0, 5), None, ""),
    ];
    for (replicas, bounds, want, reason) in rows {
        let mut course = Course::new(replicas, bounds, 1);
        let outcome = course.look(&[None]);
        assert_eq!((outcome.scale_to, outcome.reason.as_str()), (want, reason), "{replicas} of {bounds:?}");
        assert!(course.state.status.current_metrics.is_empty());
        let conditions = if want.is_some() {
            [("AbleToScale", true, "SucceededRescale"), ("ScaledToZero", false, "NotScaledToZero")]
        } else {
            [("AbleToScale", true, "SucceededGetScale"), ("ScalingActive", false, "ScalingDisabled")]
        };
        assert_eq!(course.conditions(), conditions, "{replicas} of {bounds:?}");
    }
}

#[test]
fn a_change_is_told_in_upstreams_words() {
    let mut course = Course::new(3, (1, 20), 1);
    // 50 / 10 = 5.
    let outcome = course.look(&[Some(50)]);
    assert_eq!(outcome.scale_to, Some(5));
    assert_eq!(outcome.events[0].message, "New size: 5; reason: external metric queue-0(nil) above target");
    let (reason, is_warning) = (outcome.events[0].reason, outcome.events[0].is_warning);
    assert_eq!((reason, is_warning), ("SuccessfulRescale", false));
    let active = "the HPA was able to successfully calculate a replica count from external metric queue-0(nil)";
    assert_eq!(course.message(ConditionType::ScalingActive), active);
    let able = "the HPA controller was able to update the target scale to 5";
    assert_eq!(course.message(ConditionType::AbleToScale), able);
    // The mean of 50 over 3 is 16.667.
    assert_eq!(course.state.status.current_metrics[0].and_then(|metric| metric.average_value_milli), Some(16_667));
    let outcome = course.look(&[Some(50)]);
    assert!(outcome.events.is_empty());
    let want = [
        ("AbleToScale", true, "ReadyForNewScale"),
        ("ScalingActive", true, "ValidMetricFound"),
        ("ScalingLimited", false, "DesiredWithinRange"),
        ("ScaledToZero", false, "NotScaledToZero"),
    ];
    assert_eq!(course.conditions(), want);
    assert_eq!(course.state.status.last_scale, Some(SimTime(3600 * SECOND)));
}

#[test]
fn without_a_behaviour_it_rises_at_once_and_falls_after_five_minutes() {
    let mut course = Course::new(1, (1, 100), 1);
    // max(2 * 1, 4) = 4, then twice as many each.
    assert_eq!(course.replicas(&[300, 300, 300, 300, 300]), [4, 8, 16, 30, 30]);
    // 30 were asked for last at 60 s; at 360 s that still counts, at 375 s it does not.
    assert_eq!(course.replicas(&[20; 20]), [30; 20]);
    assert_eq!(course.state.status.conditions[0].reason, "ScaleDownStabilized");
    assert_eq!(course.replicas(&[20, 20]), [2, 2]);
}

#[test]
fn a_behaviour_holds_both_directions() {
    let policy = |kind, value, period_s| Some(vec![ScalingPolicy { kind, value, period_s }]);
    let behavior = Behavior {
        scale_up: Some(ScalingRules { policies: policy(PolicyKind::Pods, 2, 30), ..ScalingRules::default() }),
        scale_down: Some(ScalingRules {
            stabilization_window_s: Some(45),
            policies: policy(PolicyKind::Percent, 50, 60),
            ..ScalingRules::default()
        }),
    };
    let mut course = Course::new(2, (1, 100), 1).with_behavior(behavior);
    // Two pods in 30 s: the change at 0 s counts up to, and not including, 30 s.
    assert_eq!(course.replicas(&[100, 100, 100, 100, 100]), [4, 4, 6, 6, 8]);
    // 100 was last asked for at 60 s, which counts up to, and not including, 105 s. Then half of what there was 60 s
    // before, so far as changes since then are remembered: (8 - 2) / 2.
    assert_eq!(course.replicas(&[10, 10, 10]), [8, 8, 3]);
    // (3 + 5) / 2 is more than there are; once the change at 105 s is forgotten, 3 / 2 is 1.
    assert_eq!(course.replicas(&[10, 10, 10, 10]), [3, 3, 3, 1]);
}

#[test]
fn a_direction_can_be_switched_off() {
    let off = ScalingRules { select_policy: Some(SelectPolicy::Disabled), ..ScalingRules::default() };
    let mut course = Course::new(5, (1, 100), 1).with_behavior(Behavior { scale_up: None, scale_down: Some(off) });
    course.settings.downscale_stabilization = crate::units::SimDuration(0);
    assert_eq!(course.replicas(&[10, 10, 70, 10]), [5, 5, 7, 7]);
    assert_eq!(course.state.status.conditions[2].reason, "ScaleDownLimit");
}

#[test]
fn the_largest_proposal_of_several_metrics_wins() {
    let mut course = Course::new(3, (1, 20), 3);
    let outcome = course.look(&[Some(40), Some(60), Some(10)]);
    assert_eq!(outcome.scale_to, Some(6));
    assert_eq!(outcome.metric, "external metric queue-1(nil)");
}

#[test]
fn a_metric_that_fails_stops_scaling_down_only() {
    let mut course = Course::new(3, (1, 20), 2);
    let failed = "unable to get external metric default/queue-0/nil: unable to fetch metrics from external metrics API: \
                  it is down";
    // Up: 60 / 10.
    let outcome = course.look(&[None, Some(60)]);
    assert_eq!(outcome.scale_to, Some(6));
    let error = format!(
        "invalid metrics (1 invalid out of 2), first error is: failed to get queue-0 external metric value: failed to get \
         queue-0 external metric: {failed}"
    );
    assert_eq!(outcome.error.as_deref(), Some(error.as_str()));
    assert_eq!((outcome.events[0].reason, outcome.events[0].message.as_str()), ("FailedGetExternalMetric", failed));
    // Down: 10 / 10.
    let outcome = course.look(&[None, Some(10)]);
    assert_eq!((outcome.scale_to, outcome.events[1].reason), (None, "FailedComputeMetricsReplicas"));
    assert_eq!(course.state.status.desired_replicas, 6);
    let active = course.state.status.condition(ConditionType::ScalingActive).expect("the condition");
    assert_eq!((active.is_true, active.reason), (false, "FailedGetExternalMetric"));
    let message = format!("the HPA was unable to compute the replica count: {failed}");
    assert_eq!(active.message, message);
    // The values of those that can be had are in the status: 10 over 6.
    let values: Vec<Option<i64>> = course
        .state
        .status
        .current_metrics
        .iter()
        .map(|value| value.and_then(|value| value.average_value_milli))
        .collect();
    assert_eq!(values, [None, Some(1667)]);
}

#[test]
fn to_zero_and_back() {
    let mut course = Course::new(2, (0, 10), 1);
    course.settings.downscale_stabilization = crate::units::SimDuration(0);
    assert_eq!(course.replicas(&[20, 0, 0, 15]), [2, 0, 0, 2]);
    // With the gate off nobody remembers who scaled to zero.
    let mut course = Course::new(2, (0, 10), 1);
    course.settings.can_scale_to_zero = false;
    course.settings.downscale_stabilization = crate::units::SimDuration(0);
    assert_eq!(course.replicas(&[20, 0, 0, 15]), [2, 0, 0, 0]);
    assert_eq!(course.state.status.condition(ConditionType::ScaledToZero), None);
}

#[test]
fn back_from_zero_there_are_as_many_as_the_spec_wants_by_now() {
    let mut course = Course::new(1, (0, 10), 1);
    course.settings.downscale_stabilization = crate::units::SimDuration(0);
    // The number at first sight counts as asked for at that instant.
    assert_eq!(course.replicas(&[0, 0]), [1, 0]);
    assert_eq!(course.message(ConditionType::ScaledToZero), "the HPA controller scaled the workload to zero");
    course.spec.min_replicas = Some(2);
    // Where the bound of normalisation raises the number, upstream has no reason to tell.
    let outcome = course.look(&[Some(0)]);
    assert_eq!(outcome.scale_to, Some(2));
    assert_eq!(outcome.events[0].message, "New size: 2; reason: ");
    // A behaviour does not raise what the metric does not ask for.
    let mut course = Course::new(1, (0, 10), 1).with_behavior(Behavior::default());
    course.settings.downscale_stabilization = crate::units::SimDuration(0);
    assert_eq!(course.replicas(&[0]), [0]);
    course.spec.min_replicas = Some(2);
    let outcome = course.look(&[Some(0)]);
    assert_eq!(outcome.scale_to, Some(2));
    assert_eq!(outcome.events[0].message, "New size: 2; reason: Current number of replicas below Spec.MinReplicas");
}

#[test]
fn what_cannot_be_read_or_written_is_said() {
    let mut course = Course::new(2, (1, 10), 1);
    let outcome = course.look_at(&[Some(50)], |seen| seen.scale = Err("not found"));
    assert_eq!(
        outcome.error.as_deref(),
        Some("failed to query scale subresource for Deployment/default/web: not found")
    );
    assert_eq!(course.conditions(), [("AbleToScale", false, "FailedGetScale")]);

    let outcome = course.look_at(&[Some(50)], |seen| seen.update_error = Some("timed out"));
    assert_eq!((outcome.scale_to, outcome.events[0].reason), (None, "FailedRescale"));
    let message = "New size: 4; reason: external metric queue-0(nil) above target; error: timed out";
    assert_eq!(outcome.events[0].message, message);
    assert_eq!(course.conditions()[0], ("AbleToScale", false, "FailedUpdateScale"));

    let outcome = course.look_at(&[Some(50)], |seen| {
        seen.scale = Ok(ObservedScale { spec_replicas: 2, status_replicas: 2, selector: "" });
    });
    assert_eq!(
        (outcome.events[0].reason, outcome.events[0].message.as_str()),
        ("SelectorRequired", "selector is required")
    );
    assert_eq!(course.conditions()[1], ("ScalingActive", false, "InvalidSelector"));

    let outcome = course.look_at(&[Some(50)], |seen| seen.also_selected_by = &["api"]);
    let message = "pods by selector app=web are controlled by more than one HPA (e.g. [default/api default/web])";
    assert_eq!((outcome.events[0].reason, outcome.events[0].message.as_str()), ("AmbiguousSelector", message));
}

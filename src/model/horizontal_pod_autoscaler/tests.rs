//! Defaults, texts and what is refused.

use super::{
    Behavior, HorizontalPodAutoscalerSpec, MetricIdentifier, MetricSelector, MetricSpec, MetricTarget, ObjectReference,
    PolicyKind, ResourceName, ScalingPolicy, ScalingRules, SelectPolicy, Tolerance,
};
use crate::model::pod_spec::{LabelRequirement, SelectorOperator};

fn spec() -> HorizontalPodAutoscalerSpec {
    HorizontalPodAutoscalerSpec { min_replicas: None, max_replicas: 10, metrics: Vec::new(), behavior: None }
}

fn external(target: MetricTarget) -> MetricSpec {
    MetricSpec::External { metric: MetricIdentifier { name: "queue".into(), selector: None }, target }
}

#[test]
fn what_is_not_written_is_upstreams_default() {
    let ours = spec().with_defaults();
    assert_eq!(ours.min_replicas, Some(1));
    let cpu = MetricSpec::Resource { name: ResourceName::Cpu, target: MetricTarget::utilization(80) };
    assert_eq!((ours.metrics, ours.behavior), (vec![cpu], None));

    let written = ScalingRules { select_policy: Some(SelectPolicy::Min), ..ScalingRules::default() };
    let behavior = Some(Behavior { scale_up: Some(written), scale_down: None });
    let ours = HorizontalPodAutoscalerSpec { behavior, ..spec() }.with_defaults().behavior.expect("it stays");
    let up = ScalingRules { select_policy: Some(SelectPolicy::Min), ..ScalingRules::default_up() };
    assert_eq!((ours.scale_up, ours.scale_down), (Some(up), Some(ScalingRules::default_down())));
}

#[test]
fn tolerances_are_the_products_that_upstream_gets() {
    // Digits times a power of ten: 50 * 0.001; 57 thousandths ten times over are not 0.57.
    let rows =
        [("0", 0.0), ("0.05", 50.0 * 1e-3), ("50m", 50.0 * 1e-3), ("0.57", 570.0 * 1e-3), ("1", 1.0), ("2k", 2000.0)];
    for (text, ratio) in rows {
        assert_eq!(Tolerance::parse(text).map(Tolerance::as_ratio), Ok(ratio), "{text}");
    }
    assert_eq!(Tolerance::parse("0.0005").map(Tolerance::as_ratio), Ok(500.0 * 1e-6));
    assert!(Tolerance::parse("-0.1").is_err());
    assert!(Tolerance::parse("a lot").is_err());
}

#[test]
fn selectors_are_shown_as_upstream_shows_them() {
    let requirement = |key: &str, operator, values: &[&str]| LabelRequirement {
        key: key.into(),
        operator,
        values: values.iter().map(|&value| value.to_owned()).collect(),
    };
    let selector = MetricSelector {
        match_labels: vec![("a".into(), "1".into()), ("b".into(), "2".into())],
        match_expressions: vec![
            requirement("tier", SelectorOperator::In, &["gold", "silver"]),
            requirement("old", SelectorOperator::DoesNotExist, &[]),
        ],
    };
    let want = "&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},MatchExpressions:[]LabelSelectorRequirement{\
                LabelSelectorRequirement{Key:tier,Operator:In,Values:[gold silver],},\
                LabelSelectorRequirement{Key:old,Operator:DoesNotExist,Values:[],},},}";
    assert_eq!(selector.to_string(), want);
    let keys: Vec<String> = selector.to_label_selector().requirements.into_iter().map(|one| one.key).collect();
    assert_eq!(keys, ["a", "b", "old", "tier"]);
    assert_eq!(MetricIdentifier { name: "queue".into(), selector: None }.selector_text(), "nil");
}

#[test]
fn everything_that_is_wrong_is_found_at_once() {
    let both = MetricTarget { value_milli: Some(0), ..MetricTarget::average_value(5) };
    let neither = MetricTarget { average_value_milli: None, ..MetricTarget::average_value(5) };
    let wrong = ScalingRules {
        stabilization_window_s: Some(3601),
        policies: Some(vec![ScalingPolicy { kind: PolicyKind::Pods, value: 0, period_s: 1801 }]),
        ..ScalingRules::default()
    };
    let empty =
        ScalingRules { policies: Some(Vec::new()), stabilization_window_s: Some(-1), ..ScalingRules::default() };
    let nobody = ObjectReference { kind: String::new(), name: "front".into(), api_version: String::new() };
    let spec = HorizontalPodAutoscalerSpec {
        min_replicas: Some(12),
        max_replicas: 10,
        metrics: vec![
            external(both),
            MetricSpec::Resource { name: ResourceName::Cpu, target: MetricTarget::utilization(0) },
            MetricSpec::ContainerResource { name: ResourceName::Memory, container: String::new(), target: neither },
            MetricSpec::Object {
                described_object: nobody,
                metric: MetricIdentifier { name: String::new(), selector: None },
                target: neither,
            },
        ],
        behavior: Some(Behavior { scale_up: Some(wrong), scale_down: Some(empty) }),
    };
    let fields: Vec<String> = spec.problems(true).into_iter().map(|problem| problem.field).collect();
    let want = [
        "maxReplicas",
        "metrics[0].external.target.value",
        "metrics[0].external.target.value",
        "metrics[1].resource.target.averageUtilization",
        "metrics[2].containerResource.container",
        "metrics[2].containerResource.target.averageUtilization",
        "metrics[3].object.describedObject.kind",
        "metrics[3].object.metric.name",
        "metrics[3].object.target.averageValue",
        "behavior.scaleUp.stabilizationWindowSeconds",
        "behavior.scaleUp.policies[0].value",
        "behavior.scaleUp.policies[0].periodSeconds",
        "behavior.scaleDown.stabilizationWindowSeconds",
        "behavior.scaleDown.policies",
    ];
    assert_eq!(fields, want);
}

#[test]
fn zero_replicas_need_the_gate_and_a_metric_that_does_not_need_pods() {
    let zero = |metrics| HorizontalPodAutoscalerSpec { min_replicas: Some(0), metrics, ..spec() };
    let texts = |spec: HorizontalPodAutoscalerSpec, gate| -> Vec<String> {
        spec.problems(gate).iter().map(ToString::to_string).collect()
    };
    assert!(texts(zero(vec![external(MetricTarget::value(5))]), true).is_empty());
    let gate = "minReplicas: must be greater than or equal to 1";
    assert_eq!(texts(zero(vec![external(MetricTarget::value(5))]), false), [gate]);
    let metric = "metrics: must specify at least one Object or External metric to support scaling to zero replicas";
    assert_eq!(texts(zero(Vec::new()), true), [metric]);
    let none = HorizontalPodAutoscalerSpec { max_replicas: 0, ..spec() };
    assert_eq!(texts(none, true), ["maxReplicas: must be set and greater than 0"]);
}

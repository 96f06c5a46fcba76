//! Rollouts and the templates of their analyses.

use super::*;
use crate::model::rollouts::{
    AbortScaleDown, CanaryScale, CanaryStep, Measured, Outcome, RolloutSpec, RolloutStrategy, TrafficRouting,
    TrafficValue,
};
use crate::scenario::kubernetes::Measurement;

const TEMPLATES: &str = "---\n{apiVersion: argoproj.io/v1alpha1, kind: AnalysisTemplate, metadata: {name: rate}, spec: \
                         {metrics: [{name: rate, interval: 30s, count: 5, failureLimit: '1', provider: {web: {}}}, \
                         {name: speed, provider: {web: {}}}], dryRun: [{metricName: speed}]}}\n";

fn rollout(spec: &str) -> String {
    format!("{}{TEMPLATES}", object("argoproj.io/v1alpha1", "Rollout", spec))
}

fn spec(loaded: &Loaded) -> &RolloutSpec {
    let ControllerKind::Rollout(spec) = &loaded.only().kind else { panic!("{:?}", loaded.issues()) };
    spec
}

#[test]
fn rollouts_are_completed() {
    let loaded = load(&rollout(", strategy: {canary: {}}"));
    assert_eq!(loaded.warnings(), Vec::<String>::new());
    let plain = spec(&loaded);
    assert_eq!((plain.replicas, plain.progress_deadline, plain.revision_history_limit), (1, seconds(600), 10));
    let RolloutStrategy::Canary(canary) = &plain.strategy else { panic!() };
    let percent = CountOrPercent::Percent(25);
    assert_eq!((canary.max_surge, canary.max_unavailable, canary.routing), (percent, percent, None));
    // Its pods and its ReplicaSets carry the label of Rollouts.
    let template = &loaded.only().templates[0];
    let labels: Vec<&str> =
        loaded.class(template.classes[0]).spec.labels.iter().map(|label| label.key.as_str()).collect();
    assert_eq!(labels, ["app", "rollouts-pod-template-hash"]);
    assert_eq!(loaded.objects.controllers[0].name, format!("web-{}", template.hash));

    let loaded = load(&rollout(", strategy: {blueGreen: {activeService: web}}"));
    let RolloutStrategy::BlueGreen(blue_green) = &spec(&loaded).strategy else { panic!() };
    assert!(blue_green.promotes && !blue_green.has_preview);
    assert_eq!((blue_green.promotes_after, blue_green.scale_down_delay), (SimDuration::ZERO, None));
    assert_eq!(blue_green.abort_scale_down, AbortScaleDown::Default);
}

#[test]
fn steps_and_analyses_are_read() {
    let loaded = load(&rollout(
        ", strategy: {canary: {trafficRouting: {istio: {}}, dynamicStableScale: true, abortScaleDownDelaySeconds: 0, \
         analysis: {startingStep: 2, templates: [{templateName: rate}]}, steps: [{setWeight: 20}, {pause: {}}, \
         {pause: {duration: 5m}}, {pause: {duration: '90'}}, {setCanaryScale: {replicas: 3}}, \
         {setCanaryScale: {weight: 30}}, {setCanaryScale: {matchTrafficWeight: true}}, \
         {analysis: {templates: [{templateName: rate}]}}, {setHeaderRoute: {name: a}}]}}",
    ));
    let RolloutStrategy::Canary(canary) = &spec(&loaded).strategy else { panic!() };
    let CanaryStep::Analysis(analysis) = &canary.steps[7] else { panic!("{:?}", canary.steps) };
    let expected = [
        CanaryStep::SetWeight(20),
        CanaryStep::Pause(None),
        CanaryStep::Pause(Some(seconds(300))),
        CanaryStep::Pause(Some(seconds(90))),
        CanaryStep::SetCanaryScale(CanaryScale::Replicas(3)),
        CanaryStep::SetCanaryScale(CanaryScale::Weight(30)),
        CanaryStep::SetCanaryScale(CanaryScale::TrafficWeight),
        CanaryStep::Analysis(analysis.clone()),
        CanaryStep::Nothing,
    ];
    assert_eq!(canary.steps, expected);
    let routing = TrafficRouting {
        max_weight: 100,
        scales_stable: true,
        min_pods: None,
        scale_down_delay: seconds(30),
        scale_down_revision_limit: None,
        abort_scale_down: AbortScaleDown::Never,
    };
    assert_eq!(canary.routing, Some(routing));
    assert_eq!(canary.background.as_ref().map(|background| background.starting_step), Some(2));
    let metrics: Vec<_> = analysis
        .metrics
        .iter()
        .map(|metric| (&*metric.name, metric.interval, metric.count, metric.failure_limit, metric.is_dry_run))
        .collect();
    let expected = [("rate", Some(seconds(30)), Some(5), Some(1), false), ("speed", None, None, Some(0), true)];
    assert_eq!(metrics, expected);
    assert_eq!(loaded.warnings().len(), 1, "{:?}", loaded.warnings()); // setHeaderRoute
}

#[test]
fn wrong_rollouts_are_refused() {
    for (spec, said) in [
        ("", "this Rollout has no `spec.strategy.canary` or `spec.strategy.blueGreen`"),
        (", strategy: {canary: {}, blueGreen: {activeService: a}}", "either `canary` or `blueGreen`, not both"),
        (", strategy: {blueGreen: {}}", "has no `activeService`"),
        (", strategy: {blueGreen: {activeService: a, previewService: a}}", "are both `a`"),
        (", strategy: {canary: {maxSurge: 0, maxUnavailable: 0}}", "cannot both be 0"),
        (", strategy: {canary: {dynamicStableScale: true}}", "`spec.strategy.canary.dynamicStableScale` needs a"),
        (", strategy: {canary: {steps: [{setWeight: 101}]}}", "must be from 0 to 100, not 101"),
        (", strategy: {canary: {steps: [{setWeigth: 10}]}}", "`setWeigth` is no step of a canary"),
        (", strategy: {canary: {steps: [{setWeight: 10, pause: {}}]}}", "must say one thing"),
        (", strategy: {canary: {steps: [{pause: {duration: soon}}]}}", "must be a span such as 30s"),
        (", strategy: {canary: {steps: [{setCanaryScale: {replicas: 1}}]}}", "`setCanaryScale` needs a"),
        (", strategy: {canary: {analysis: {templates: [{templateName: rat}]}}}", "there is no AnalysisTemplate `rat`"),
        (", strategy: {canary: {analysis: {}}}", "names no template"),
    ] {
        let issues = load(&rollout(spec)).issues().join("\n");
        assert!(issues.contains(said), "{spec}: {issues}");
    }
}

/// Of two templates, `web` and `web:2`, the second is bad.
#[test]
fn measurements_are_by_metric_and_image() {
    let text = rollout(", strategy: {canary: {steps: [{analysis: {templates: [{templateName: rate}]}}]}}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("objects.yaml");
    std::fs::write(&path, text).unwrap();
    let (mut cluster, mut workload) = (Cluster::default(), Workload::default());
    let (mut objects, mut findings) = (Objects::default(), Findings::default());
    let mut makers = PodMakers::new(ReadFor::Others, Vec::new());
    add_pods(&[path], &mut makers, &mut cluster, &mut workload, &mut objects, &mut findings);
    let mut parts =
        crate::scenario::kubernetes::Parts { cluster: &mut cluster, workload: &mut workload, objects: &mut objects };
    let change = crate::scenario::kubernetes::Change::SetImage { container: "c", image: "web:2" };
    assert!(makers.change(0, change, &mut parts, &mut findings).is_ok());
    let about = |metric: Option<&str>, image: Option<&str>, measured| Measurement {
        template: "rate".to_owned(),
        metric: metric.map(str::to_owned),
        namespace: None,
        rollout: Some("web".to_owned()),
        image: image.map(str::to_owned),
        measured,
    };
    let bad = Measured::Series(vec![Outcome::Failed]);
    let measurements = [
        about(Some("rate"), None, Measured::Drawn(0.9)),
        about(Some("rate"), Some("web:2"), bad.clone()),
        about(None, Some("web:3"), Measured::Drawn(0.5)),
    ];
    // The last is about no template, and nothing is said of `speed`.
    assert_eq!(makers.measure(&measurements, &mut findings), [2]);
    assert!(findings.warnings().any(|warning| warning.message.contains("what the metric `speed` of `rate` measures")));
    let controllers = makers.finish(&mut workload, &mut []);
    let ControllerKind::Rollout(spec) = &controllers.list[0].kind else { panic!() };
    let RolloutStrategy::Canary(canary) = &spec.strategy else { panic!() };
    let CanaryStep::Analysis(analysis) = &canary.steps[0] else { panic!() };
    let good = Measured::Series(vec![Outcome::Successful]);
    assert_eq!(analysis.metrics[0].measured, [Measured::Drawn(0.9), bad]);
    assert_eq!(analysis.metrics[1].measured, [good.clone(), good]);
}

/// A condition that cannot be read matters only where a number is judged by it.
#[test]
fn conditions_that_cannot_be_read_are_refused_where_they_judge() {
    let text = rollout(", strategy: {canary: {steps: [{analysis: {templates: [{templateName: rate}]}}]}}")
        .replace("{name: speed,", "{name: speed, successCondition: 'result[0] < {{args.most}}',");
    for (metric, measured, said) in [
        ("rate", Measured::Values(vec![1.0]), None),
        ("speed", Measured::Drawn(0.9), None),
        ("speed", Measured::Values(vec![1.0]), Some("`successCondition`: `{` cannot be read there")),
        (
            "speed",
            Measured::TrafficValue(TrafficValue::LatencyP95S),
            Some("`successCondition`: `{` cannot be read there"),
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("objects.yaml");
        std::fs::write(&path, &text).unwrap();
        let (mut cluster, mut workload) = (Cluster::default(), Workload::default());
        let (mut objects, mut findings) = (Objects::default(), Findings::default());
        let mut makers = PodMakers::new(ReadFor::Others, Vec::new());
        add_pods(&[path], &mut makers, &mut cluster, &mut workload, &mut objects, &mut findings);
        let measurement = Measurement {
            template: "rate".to_owned(),
            metric: Some(metric.to_owned()),
            namespace: None,
            rollout: None,
            image: None,
            measured: measured.clone(),
        };
        assert_eq!(makers.measure(&[measurement], &mut findings), [0; 0]);
        let issues: Vec<String> = findings.issues.into_sorted().iter().map(|issue| issue.message.clone()).collect();
        match said {
            None => assert_eq!(issues, [""; 0], "{metric} {measured:?}"),
            Some(said) => {
                assert!(issues.len() == 1 && issues[0].starts_with(said), "{metric} {measured:?}: {issues:?}")
            }
        }
    }
}

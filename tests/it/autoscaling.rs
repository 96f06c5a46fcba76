//! Autoscalers in whole runs: what they see, when, and what comes of it.
#![allow(clippy::disallowed_methods, reason = "tests write the files that they read")]

use wavetank::engine::watch;
use wavetank::model::Model;
use wavetank::observe::{Autoscaled, CheckEveryEvent, Observer, Recorder, summary};
use wavetank::scenario::{Environment, load_scenario};
use wavetank::world::View;

/// Notes every change of the number of replicas that is asked for: second, and the number.
#[derive(Debug, Default)]
struct Changes {
    list: Vec<(f64, i32)>,
    /// The metric at each sync.
    readings: Vec<(f64, f64)>,
}

impl Observer for Changes {
    fn autoscaled(&mut self, view: &View<'_>, sync: &Autoscaled<'_>) {
        let now = view.world.time.as_seconds();
        if let Some(replicas) = sync.decision.replicas.filter(|replicas| *replicas != sync.replicas.wanted) {
            self.list.push((now, replicas));
        }
        if let Some(metric) = &sync.decision.metric {
            self.readings.push((now, metric.current));
        }
    }
}

/// A Deployment of two pods of half a core, and what else is said.
fn model(manifest: &str, scenario: &str) -> Model {
    let directory = tempfile::tempdir().expect("a directory");
    let deployment = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 2, \
                      selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: \
                      [{name: app, image: web, resources: {requests: {cpu: 500m, memory: 100Mi}}}]}}}}";
    let text = format!(
        "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {{name: s}}\nhorizon: 10m\n\
         cluster: {{pools: [{{name: n, count: 4, allocatable: {{cpu: 16, memory: 64Gi}}}}]}}\n{scenario}"
    );
    std::fs::write(directory.path().join("web.yaml"), format!("{deployment}\n---\n{manifest}")).expect("written");
    std::fs::write(directory.path().join("scenario.yaml"), text).expect("written");
    let path = directory.path().join("scenario.yaml");
    load_scenario(&path, &[], 0, &Environment::default()).unwrap_or_else(|error| panic!("{error}")).model
}

fn changes(model: &Model) -> Changes {
    let finished = watch(model, (Changes::default(), CheckEveryEvent)).expect("the policies are there");
    finished.observer.0
}

/// A HorizontalPodAutoscaler for half of the requests of CPU, 1 to 10 replicas.
const HALF: &str = "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web}, spec: \
                    {scaleTargetRef: {kind: Deployment, name: web}, minReplicas: 1, maxReplicas: 10, metrics: \
                    [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]}}";

/// Every pod uses 400 of 500 milli-cores, 80 %. Nodes are asked at 15 s, 30 s and so on; a pod has a sample when it was there
/// at two of them: those of the start at 30 s, those made at 30 s at 60 s.
/// At 30 s 2 x 80 / 50 = 3.2: 4. At 45 s the new ones have no sample and count as idle: (80 + 80) / 4 = 40 %, no reason to
/// grow. At 60 s 4 x 1.6 = 6.4: 7. At 90 s 7 x 1.6 = 11.2, and 10 is the most.
#[test]
fn usage_of_its_own_is_followed_at_the_pace_of_the_pipeline() {
    let behaviours = "workload: {manifests: [web.yaml], behaviours: [{name: web, cpu: 400m}]}";
    let found = changes(&model(HALF, behaviours));
    assert_eq!(found.list, [(30.0, 4), (60.0, 7), (90.0, 10)]);
    assert!(found.readings.iter().all(|(_, per_cent)| *per_cent == 80.0), "{:?}", found.readings);
}

/// 100 requests a second of 10 ms use a core: at 50 % of half a core that is 4 pods.
#[test]
fn requests_are_followed_in_both_modes() {
    for mode in ["requests", "{fluid: {step: 15s}}"] {
        let traffic = format!(
            "workload: {{manifests: [web.yaml]}}\ntraffic:\n  model: {mode}\n  services: [{{name: web, pods: {{target: \
             deployment/web}}, steps: [{{compute: 10ms}}]}}]\n  sources: [{{name: users, to: web, rate: 100/s}}]\n"
        );
        let found = changes(&model(HALF, &traffic));
        assert_eq!(found.list, [(30.0, 4)], "{mode}");
        let last = found.readings.last().expect("it has looked").1;
        assert!((last - 50.0).abs() < 5.0, "{mode}: {last}");
    }
}

/// Without a HorizontalPodAutoscaler, by what is seen of requests: 100 a second at 25 a replica.
#[test]
fn other_policies_stand_in_for_a_manifest() {
    let traffic = "workload: {manifests: [web.yaml]}\nautoscaling:\n  autoscalers: [{target: deploy/web, policy: \
                   target-tracking, parameters: {metric: requests, target: 25, period: 30s, highPoints: 2}}]\ntraffic:\n  \
                   model: {fluid: {}}\n  services: [{name: web, pods: {target: deployment/web}, steps: [{compute: \
                   10ms}]}]\n  sources: [{name: users, to: web, rate: 100/s}]\n";
    let model = model(HALF, traffic);
    assert_eq!(model.autoscaling.horizontal.len(), 1);
    // The bounds are those of the manifest.
    assert_eq!(model.autoscaling.horizontal[0].max_replicas, 10);
    assert_eq!(changes(&model).list, [(60.0, 4)]);
}

/// 100 requests a second of 10 ms use a core, which is 2 pods of half a core, or 2.5 that are busy to 80 %: 3. There are 2 up to
/// 60 s and then 4, of 600 s: one is missing for a tenth of the time, one too many for the rest. Pods are ready at once, so the
/// cheapest supply is 3 x 600 replica-seconds; there were 2 x 60 + 4 x 540. Without a limit of CPU nobody waits.
#[test]
fn replicas_are_compared_with_what_requests_need() {
    let traffic = "workload: {manifests: [web.yaml]}\nautoscaling:\n  autoscalers: [{target: deploy/web, policy: \
                   target-tracking, parameters: {metric: requests, target: 25, period: 30s, highPoints: 2}}]\ntraffic:\n  \
                   model: {fluid: {}}\n  services: [{name: web, pods: {target: deployment/web}, steps: [{compute: \
                   10ms}], objective: {latency: 50ms, ratio: 0.9}}]\n  sources: [{name: users, to: web, rate: 100/s}]\n";
    let model = model(HALF, traffic);
    let finished = watch(&model, Recorder::new(&model)).expect("the policies are there");
    let (recorder, end) = (&finished.observer, finished.world.time);
    let log = recorder.elasticity.as_ref().expect("a service is scaled");
    let targets = log.targets(&recorder.controllers, end);
    let [found] = &targets[..] else { panic!("one target: {targets:?}") };
    let figures = &found.figures;
    assert_eq!((figures.under_accuracy, figures.over_accuracy), (0.1, 0.9));
    assert_eq!((figures.under_timeshare_percent, figures.over_timeshare_percent), (10.0, 90.0));
    assert_eq!((found.start_s, found.replica_s, found.cheapest_replica_s), (0.0, 2280.0, 1800.0));
    assert_eq!(found.violations.map(|found| found.violated_s), Some(0.0));
    let totals = log.totals(&recorder.controllers, end);
    assert_eq!((totals.missing_mean, totals.surplus_mean, totals.cost_ratio), (0.1, 0.9, 2280.0 / 1800.0));
}

/// A metric from outside that rises to 90 messages after two minutes, 10 of them for each replica.
#[test]
fn external_metrics_come_from_series() {
    let external = HALF.replace(
        "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}",
        "{type: External, external: {metric: {name: messages}, target: {type: AverageValue, averageValue: '10'}}}",
    );
    let scenario = "workload: {manifests: [web.yaml]}\nautoscaling: {metrics: [{name: messages, series: [{at: 0s, value: \
                    20}, {at: 2m, value: 90}]}]}";
    // At most twice as many at a time.
    assert_eq!(changes(&model(&external, scenario)).list, [(120.0, 4), (135.0, 8), (150.0, 9)]);
}

/// A control plane that takes its time, and answers of nodes that can be read 10 s later, make the pods later, too.
#[test]
fn delays_add_up() {
    let behaviours = "workload: {manifests: [web.yaml], behaviours: [{name: web, cpu: 400m}]}\nautoscaling: \
                      {metricsServer: {delay: 10s}}";
    // What was asked at 30 s is seen at 45 s.
    let found = changes(&model(HALF, behaviours));
    assert_eq!(found.list.first(), Some(&(45.0, 4)));
    let realistic = changes(&model(HALF, &format!("controlPlane: {{preset: realistic}}\n{behaviours}")));
    assert_eq!(realistic.list.last().map(|change| change.1), Some(10));
}

/// A ScaledJob whose pods take one request each, of 10 s, from a minute with one every other second.
fn scaled_jobs(spec: &str, scenario: &str) -> Model {
    let template = "{template: {spec: {restartPolicy: Never, containers: [{name: app, image: work, resources: {requests: \
                    {cpu: '1', memory: 100Mi}, limits: {cpu: '1'}}}]}}}";
    let manifest = format!(
        "{{apiVersion: keda.sh/v1alpha1, kind: ScaledJob, metadata: {{name: work}}, spec: {{jobTargetRef: {template}, \
         {spec}}}}}"
    );
    let traffic = format!(
        "workload: {{manifests: [web.yaml]}}\ntraffic:\n  services: [{{name: work, pods: {{target: scaledjob/work}}, queue: \
         shared, server: {{workers: 1, requestsPerPod: 1}}, steps: [{{compute: 10s}}]}}]\n  sources: [{{name: users, to: \
         work, timeout: 9m, rate: [{{spike: {{at: 1m, peak: 0.5/s, hold: 1m}}}}]}}]\n{scenario}"
    );
    model(&manifest, &traffic)
}

const SQS: &str = "triggers: [{type: aws-sqs-queue, metadata: {queueURL: q, queueLength: '1'}}]";

/// Each request is a Job's, and each Job one request's, whatever the polls; of those that have ended 5 are kept.
#[test]
fn a_job_is_made_for_each_request() {
    let model = scaled_jobs(&format!("successfulJobsHistoryLimit: 5, {SQS}"), "");
    let observer = (Recorder::new(&model), (Changes::default(), CheckEveryEvent));
    let finished = watch(&model, observer).expect("the policies are there");
    let (recorder, (changes, _)) = &finished.observer;
    let view = View { model: &model, world: &finished.world };
    let metrics = summary::summary(&view, recorder, finished.events);
    let value = |name: &str| metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value);
    let requests = value("requests_total").expect("there were requests");
    assert!(requests > 10.0, "{requests}");
    assert_eq!(value("requests_failed_ratio"), Some(0.0));
    // The Deployment of two stands beside.
    assert_eq!(value("pods_arrived"), Some(requests + 2.0));
    assert_eq!(value("pods_succeeded"), Some(requests));
    assert!(changes.list.iter().all(|(at_s, _)| at_s % 30.0 == 0.0), "asked between polls: {:?}", changes.list);
    let target = model.autoscaling.horizontal[0].target;
    assert_eq!(finished.world.owners.controllers[target.index()].owners.len(), 5);
}

/// Three messages at every poll from the start on, and nobody takes one: two Jobs for them at most, which run on.
#[test]
fn no_more_jobs_than_may_be() {
    let trigger = "triggers: [{type: prometheus, metadata: {query: messages, threshold: '1', serverAddress: x}}]";
    let scenario = "autoscaling: {metrics: [{name: messages, series: [{at: 0s, value: 3}]}]}\n";
    let model = scaled_jobs(&format!("maxReplicaCount: 2, pollingInterval: 10, {trigger}"), scenario);
    let changes = changes(&model);
    assert_eq!(changes.list.first(), Some(&(0.0, 2)));
    assert!(changes.list.iter().all(|(_, jobs)| *jobs <= 2), "{:?}", changes.list);
}

/// As `external_metrics_come_from_series`, by KEDA's object: 90 at 10 each are 9, of which 7 may be, and at most twice as many at a
/// time.
#[test]
fn scaled_objects_are_read_as_they_are() {
    let object = "{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: web}, spec: {scaleTargetRef: {name: \
                  web}, minReplicaCount: 1, maxReplicaCount: 7, cooldownPeriod: 60, triggers: [{type: prometheus, \
                  metadata: {serverAddress: x, query: messages, threshold: '10'}}]}}";
    let scenario = "workload: {manifests: [web.yaml]}\nautoscaling: {metrics: [{name: messages, series: [{at: 0s, value: \
                    20}, {at: 2m, value: 90}]}]}";
    let model = model(object, scenario);
    let [one] = &model.autoscaling.horizontal[..] else { panic!("one autoscaler") };
    assert_eq!((one.policy.name.as_str(), one.min_replicas, one.max_replicas), ("keda", 1, 7));
    let found = changes(&model).list;
    assert_eq!(found.iter().map(|(_, replicas)| *replicas).collect::<Vec<_>>(), [4, 7]);
}

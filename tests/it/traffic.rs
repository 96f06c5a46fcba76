//! Requests and the cluster: who serves them from when to when, and what they do to pods. Instants worked out by hand.
//!
//! Requests come every second from 1 s on. A pod is ready 5 s after it is made unless a case says otherwise.

use std::path::Path;

use super::event_log::model;
use wavetank::engine::watch;
use wavetank::ids::ServiceId;
use wavetank::observe::{CheckEveryEvent, Observer};
use wavetank::scenario::{Environment, Override, load_scenario};
use wavetank::traffic::{Outcome, Plane};
use wavetank::world::View;

/// How requests ended, in the order of [`Outcome::ALL`], and how long those that ended well took on average, in ms.
#[derive(Debug, Default)]
struct Ends {
    outcomes: [u64; Outcome::COUNT],
    mean_latency_ms: f64,
    oom_kills: u64,
    /// `ready/there` pods whenever that changes, with the instant.
    pods: Vec<String>,
    has_littles_law: bool,
}

impl Ends {
    fn note(&mut self, view: &View<'_>) {
        let members = view.world.owners.members.iter();
        let there = members.clone().filter(|member| view.world.pods.phase[member.pod.index()].holds_node()).count();
        let ready = members.filter(|member| member.ready_since != wavetank::units::SimTime::NEVER).count();
        let is = format!("{ready}/{there}");
        if self.pods.last().is_none_or(|last| last.rsplit(' ').next() != Some(&is)) {
            self.pods.push(format!("{} {is}", view.world.time));
        }
    }
}

impl Observer for Ends {
    fn time_advances(&mut self, view: &View<'_>, _: wavetank::units::SimTime) {
        self.note(view);
    }

    fn traffic_ended(&mut self, view: &View<'_>, plane: &mut Plane<'_>) {
        let fate = &plane.sources()[0];
        self.outcomes = fate.outcomes;
        self.mean_latency_ms = fate.latency.mean_interval_s(0.95).estimate * 1e3;
        let (area, sojourns) = plane.statistics(ServiceId(0)).littles_law(plane.now());
        self.has_littles_law = area == sojourns;
        self.oom_kills = view.world.usage.iter().map(|(_, usage)| usage.totals.oom_kills).sum();
    }
}

/// A Deployment of one replica on a node of 4 cores, requests for it every second that take `steps`, and what is given.
struct Case {
    manifests: &'static str,
    container: &'static str,
    pod: &'static str,
    steps: &'static str,
    more: &'static str,
    horizon: &'static str,
}

const CASE: Case =
    Case { manifests: "", container: "", pod: "", steps: "[{wait: 100ms}]", more: "", horizon: "20500ms" };

fn run(case: &Case) -> Ends {
    let Case { manifests, container, pod, steps, more, horizon } = case;
    let directory = tempfile::tempdir().unwrap();
    let manifest = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  replicas: 1\n  \
         selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    \
         spec: {{{pod} containers: [{{name: app, image: a{container}}}]}}\n{manifests}"
    );
    std::fs::write(directory.path().join("web.yaml"), manifest).unwrap();
    let hog = if manifests.is_empty() { "" } else { ", {name: hog, cpu: 4}" };
    let scenario = format!(
        "cluster: {{pools: [{{name: n, count: 1, allocatable: {{cpu: 4, memory: 8Gi}}}}]}}\n\
         workload:\n  manifests: [{}]\n  behaviours: [{{name: web, startUp: 5s}}{hog}]\n\
         traffic:\n  services:\n    - name: web\n      pods: {{target: deployment/web}}\n      steps: {steps}\n      {}\n  \
         sources:\n    - {{name: users, to: web, rate: 1/s, arrivals: deterministic}}\n{}\nhorizon: {horizon}\n",
        directory.path().join("web.yaml").display(),
        more.split('|').next().unwrap_or(""),
        more.split('|').nth(1).unwrap_or(""),
    );
    let model = model(&scenario);
    let observer = (CheckEveryEvent, Ends::default());
    let ends = watch(&model, observer).unwrap().observer.1;
    assert!(ends.has_littles_law, "the area is the sum of the sojourns");
    ends
}

#[test]
fn requests_are_served_from_when_a_pod_is_ready() {
    // Nobody is there at 1, 2, 3 and 4 s; those of 5 to 20 s are served, the last by 20.1 s.
    let ends = run(&CASE);
    assert_eq!(ends.outcomes, [16, 0, 0, 0, 4, 0, 0]);
    assert!((ends.mean_latency_ms - 100.0).abs() < 1e-9, "{ends:?}");
}

#[test]
fn clients_learn_of_it_later() {
    // The pod has no probe, so it is ready when it is started; with 6.5 s of delay they know of it from 6.5 s on.
    let ends = run(&Case { more: "|  endpointDelay: 6500ms", ..CASE });
    assert_eq!(ends.outcomes, [14, 0, 0, 0, 6, 0, 0]);
}

#[test]
fn a_pod_that_is_told_to_end_answers_what_it_has() {
    // Requests take 3 s. The pod is told to end at 10.5 s, when those of 8, 9 and 10 s are there, and is gone at 13 s, when the
    // last of them is answered. Those of 5 to 10 s are served, those of 1 to 4 and 11 to 20 s not.
    let script = "|script: [{at: 10500ms, scale: {target: deployment/web, replicas: 0}}]";
    let ends = run(&Case { steps: "[{wait: 3s}]", more: script, ..CASE });
    assert_eq!(ends.outcomes, [6, 0, 0, 0, 14, 0, 0]);
    assert_eq!(ends.pods.last().unwrap(), "13 0/0");
}

#[test]
fn grace_ends_before_the_last_answer() {
    // The same with 2 s to end, which the pod gets at the least: it is killed at 12.5 s with the request of 10 s.
    let script = "|script: [{at: 10500ms, scale: {target: deployment/web, replicas: 0}}]";
    let case = Case { pod: "terminationGracePeriodSeconds: 2,", steps: "[{wait: 3s}]", more: script, ..CASE };
    let ends = run(&case);
    assert_eq!(ends.outcomes, [5, 0, 0, 0, 14, 1, 0]);
    assert_eq!(ends.pods.last().unwrap(), "12.5 0/0");
}

#[test]
fn requests_that_need_more_memory_than_there_is_kill_the_container() {
    // Room for two: 60 + 2 x 20 MiB. Requests take 3 s, so the third, of 7 s, kills the container, and three are lost. It is
    // started again at once, works and is ready at 12 s, and dies again at 14 s; then it waits 10 s. Those of 1 to 4, 8 to 11
    // and 15 to 20 s find nobody.
    let case = Case {
        container: ", resources: {limits: {memory: 100Mi}}",
        steps: "[{wait: 3s}]",
        more: "server: {memory: {base: 60Mi, perRequest: 20Mi}}",
        ..CASE
    };
    let ends = run(&case);
    assert_eq!(ends.outcomes, [0, 0, 0, 0, 14, 6, 0], "{ends:?}");
    assert_eq!(ends.oom_kills, 2);
}

#[test]
fn a_limit_of_cpu_slows_requests() {
    // A quarter of a core: 25 ms in each period of 100 ms. A request of 60 ms that begins with a period computes from 0 to 25,
    // 100 to 125 and 200 to 210 ms.
    let case = Case { container: ", resources: {limits: {cpu: 250m}}", steps: "[{compute: 60ms}]", ..CASE };
    let ends = run(&case);
    assert!((ends.mean_latency_ms - 210.0).abs() < 1e-3, "{ends:?}");
    // Slowed evenly it takes four times as long.
    let ends = run(&Case { more: "server: {quotaPeriod: 0s}", ..case });
    assert!((ends.mean_latency_ms - 240.0).abs() < 1e-3, "{ends:?}");
}

#[test]
fn what_others_want_of_the_node_is_not_there_for_requests() {
    // A hog wants all 4 cores of the node and requests 3 of them; the pod requests 1, and so has 1 of the 4 for its requests.
    // Two sources send at the same instants, and each request computes 400 ms: together they want 2 cores, get half a core
    // each, and take 800 ms.
    let hog = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: hog}\nspec:\n  replicas: 1\n  selector: \
               {matchLabels: {app: hog}}\n  template:\n    metadata: {labels: {app: hog}}\n    spec: {containers: \
               [{name: hog, image: h, resources: {requests: {cpu: 3}}}]}\n";
    let both = "|    - {name: twins, to: web, rate: 1/s, arrivals: deterministic}\n  usageWindow: 1s";
    let case = Case { container: ", resources: {requests: {cpu: 1}}", steps: "[{compute: 400ms}]", more: both, ..CASE };
    assert!((run(&case).mean_latency_ms - 400.0).abs() < 1e-3);
    let ends = run(&Case { manifests: hog, ..case });
    assert!((ends.mean_latency_ms - 800.0).abs() < 1e-3, "{ends:?}");
}

/// A release that fails one request in ten is undone by the condition of its own metric, `result[0] >= 0.99`, as it is by a bound
/// in the scenario; the same condition lets it pass where it is asked how many requests there were.
#[test]
fn the_condition_of_a_metric_judges_requests() {
    for (traffic, phase) in
        [("value: successRatio", "Degraded"), ("maxFailureRatio: 0.01", "Degraded"), ("value: requests", "Progressing")]
    {
        let changes = [
            "horizon=7m".to_owned(),
            "script=[{at: 5m, setImage: {target: rollout/web, container: flask, image: \"example/web:1.1\"}}]"
                .to_owned(),
            format!(
                "workload.analyses=[{{template: success-rate, traffic: {{{traffic}}}}}, {{template: smoke-test, success: 1}}]"
            ),
        ];
        let changes: Vec<Override> = changes.iter().map(|text| Override::parse(text, "--set").unwrap()).collect();
        let loaded = load_scenario(Path::new("scenarios/traffic/canary.yaml"), &changes, 0, &Environment::default());
        let model = loaded.unwrap_or_else(|error| panic!("{error}")).model;
        let finished = watch(&model, CheckEveryEvent).unwrap();
        let web = model.controllers.list.iter().position(|one| one.name == "web").unwrap();
        let release = finished.world.owners.controllers[web].release.as_deref().unwrap();
        assert_eq!(release.phase, phase, "{traffic}: {}", release.message);
    }
}

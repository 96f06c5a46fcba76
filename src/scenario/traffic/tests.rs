//! Traffic from text to model.
#![allow(clippy::disallowed_methods, reason = "tests write the files that they read")]

use crate::ids::{ClassId, ServiceId, ZoneId};
use crate::model::traffic::{
    Arrivals, Backends, Balancing, Call, Gap, Hedging, Mode, Network, OperationRef, Retries, RetryBudget, RetryOn, Step,
};
use crate::model::{Dist, Model, Traffic};
use crate::scenario::{Environment, load_scenario};
use crate::units::{SimDuration, SimTime};

const MS: u64 = 1_000_000;

/// The model of a scenario with these lines and files; else what is said about it.
fn load(lines: &str, files: &[(&str, &str)]) -> Result<Model, String> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let path = directory.path().join("scenario.yaml");
    let head = "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {name: s}\n";
    std::fs::write(&path, format!("{head}{lines}\n")).unwrap();
    let loaded = load_scenario(&path, &[], 0, &Environment::default());
    loaded.map(|loaded| loaded.model).map_err(|error| {
        let said = |issue: &crate::document::Issue| {
            format!("{}: {} {}\n", issue.code.id(), issue.message, issue.hint.as_deref().unwrap_or(""))
        };
        error.0.iter().map(said).collect()
    })
}

fn traffic(lines: &str) -> Result<Traffic, String> {
    load(lines, &[]).map(|model| model.traffic)
}

/// Points in seconds of the rate of a source, in a run of 100 s.
fn profile(rate: &str, files: &[(&str, &str)]) -> Result<Vec<(f64, f64)>, String> {
    let lines = format!(
        "horizon: 100s\ntraffic: {{services: [{{name: a, external: {{}}}}], sources: [{{name: s, to: a, rate: {rate}}}]}}"
    );
    let traffic = load(&lines, files)?.traffic;
    let Arrivals::Open { rate, .. } = &traffic.sources[0].arrivals else { panic!("{:?}", traffic.sources) };
    let rounded = |rate: f64| (rate * 1e6).round() / 1e6;
    Ok(rate.points.iter().map(|(time, rate)| (time.as_seconds(), rounded(*rate))).collect())
}

#[test]
fn rates_are_lines_between_points() {
    for (rate, expected) in [
        ("100/s", &[(0.0, 100.0)][..]),
        ("[100/s, 60/min]", &[(0.0, 101.0)]),
        (
            "{steps: [{at: 10s, rate: 5/s}, {at: 20s, rate: 0}]}",
            &[(0.0, 0.0), (10.0, 0.0), (10.0, 5.0), (20.0, 5.0), (20.0, 0.0)],
        ),
        ("{steps: [{at: 0s, rate: 5/s}, {at: 20s, rate: 6/s}]}", &[(0.0, 5.0), (20.0, 5.0), (20.0, 6.0)]),
        ("{lines: [{at: 10s, rate: 5/s}, {at: 20s, rate: 6/s}]}", &[(0.0, 0.0), (10.0, 0.0), (10.0, 5.0), (20.0, 6.0)]),
        ("{ramp: {to: 5/s, at: 10s, over: 20s}}", &[(0.0, 0.0), (10.0, 0.0), (30.0, 5.0)]),
        ("{ramp: {from: 5/s, to: 1/s, over: 20s}}", &[(0.0, 5.0), (20.0, 1.0)]),
        (
            "{spike: {at: 10s, peak: 9/s, rise: 1s, hold: 2s, fall: 3s}}",
            &[(0.0, 0.0), (10.0, 0.0), (11.0, 9.0), (13.0, 9.0), (16.0, 0.0)],
        ),
        // Where lines meet, values are added: at 15 s the ramp has half of its 10.
        (
            "[{ramp: {to: 10/s, at: 10s, over: 10s}}, {steps: [{at: 15s, rate: 2/s}]}]",
            &[(0.0, 0.0), (10.0, 0.0), (15.0, 5.0), (15.0, 7.0), (20.0, 12.0)],
        ),
    ] {
        assert_eq!(profile(rate, &[]).as_deref(), Ok(expected), "{rate}");
    }
}

#[test]
fn cycles_are_sampled_until_the_horizon() {
    // 100 s are 4 1/6 periods of 96 samples each: 400 samples, and the first at the start.
    let points = profile("{sinusoid: {mean: 10/s, amplitude: 5/s, period: 24s}}", &[]).unwrap();
    assert!(points.len() >= 401, "{}", points.len());
    let at = |second: f64| points.iter().find(|(time, _)| *time == second).map(|(_, rate)| *rate);
    // Up at a quarter, down at three quarters.
    assert_eq!([at(0.0), at(6.0), at(12.0), at(18.0), at(96.0)], [10.0, 15.0, 10.0, 5.0, 10.0].map(Some));
    // Where it would be below 0 it is 0: 10 + 20 cos at 2/3 of pi, a third of 24 s after the peak.
    let points = profile("{sinusoid: {mean: 10/s, amplitude: 20/s, period: 24s, peak: 0s}}", &[]).unwrap();
    assert!(points.contains(&(8.0, 0.0)) && points.contains(&(12.0, 0.0)), "{points:?}");
    assert!(points.iter().all(|(_, rate)| *rate >= 0.0));
    // Of a day with four values the run sees the first 100 s, on the way from 1 to 3 within six hours.
    let day = profile("{daily: [1/s, 3/s, 1/s, 3/s]}", &[]).unwrap();
    assert_eq!(day, [(0.0, 1.0), (21_600.0, 3.0)]);
    // Mean 2 is twice the mean of the shape. At three it is half way from 2 to 3, times 2 on the second day.
    let day = profile("{daily: {mean: 4/s, shape: [2, 3, 1, 2], start: 27h, days: [1, 2]}}", &[]).unwrap();
    assert_eq!(day, [(0.0, 10.0), (10_800.0, 12.0)]);
    assert_eq!(profile("{weekly: [7/s]}", &[]).unwrap(), [(0.0, 7.0)]);
    let crowd = profile("{flashCrowd: {at: 10s, peak: 64/s, rise: 1s, halfLife: 2s}}", &[]).unwrap();
    for (time, rate) in [(10.0, 0.0), (11.0, 64.0), (13.0, 32.0), (15.0, 16.0), (31.0, 0.0625), (31.0, 0.0)] {
        assert!(crowd.contains(&(time, rate)), "{time}: {crowd:?}");
    }
}

#[test]
fn recorded_rates_are_scaled() {
    let file = ("x.csv", "time_s,count\n0,10\n10,20\n");
    let expected = [(0.0, 2.0), (10.0, 2.0), (10.0, 4.0), (20.0, 4.0), (20.0, 0.0)];
    assert_eq!(profile("{series: {file: x.csv, scale: 2}}", &[file]).unwrap(), expected);
    let refused = profile("{series: {file: x.csv, column: none}}", &[file]).unwrap_err();
    assert!(refused.contains("`none` is missing from the heading"), "{refused}");
}

#[test]
fn arrivals_are_read() {
    let services = "services: [{name: a, external: {}}, {name: b, external: {}, operations: [{name: x}, {name: y}]}]";
    let arrivals = |source: &str| {
        let lines = format!("horizon: 1h\ntraffic: {{{services}, sources: [{{name: s, {source}}}]}}");
        let file = ("r.csv", "time_s,operation\n1,y\n2.5,b/x\n");
        load(&lines, &[file]).map(|model| model.traffic.sources[0].arrivals.clone())
    };
    for (text, expected) in [
        ("poisson", Gap::Exponential),
        ("deterministic", Gap::Deterministic),
        ("{gamma: {shape: 2}}", Gap::Gamma(2.0)),
        ("{weibull: {shape: 0.5}}", Gap::Weibull(0.5)),
        // The variance of the logarithm is ln(1 + 1).
        ("{lognormal: {cv: 1}}", Gap::Lognormal(std::f64::consts::LN_2.sqrt())),
    ] {
        match arrivals(&format!("to: a, rate: 1/s, arrivals: {text}")) {
            Ok(Arrivals::Open { gap, session: None, .. }) => assert_eq!(gap, expected, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    let closed = arrivals("to: a, arrivals: {closed: {users: 5, think: 2s}}").unwrap();
    assert_eq!(closed, Arrivals::Closed { users: 5, think: Dist::Constant(SimDuration(2000 * MS)) });
    let replay =
        arrivals("to: [{service: b, operation: x}, {service: b, operation: y}], arrivals: {replay: {file: r.csv}}");
    assert_eq!(
        replay.unwrap(),
        Arrivals::Replay([(SimTime(1000 * MS), Some(1)), (SimTime(2500 * MS), Some(0))].into())
    );
    let modulated = arrivals("to: a, rate: 1/s, arrivals: {modulated: [{factor: 1, stay: 9s}, {factor: 5, stay: 1s}]}");
    let Ok(Arrivals::Modulated { states, .. }) = modulated else { panic!("{modulated:?}") };
    assert_eq!((states[1].factor, states[1].mean_stay), (5.0, SimDuration(1000 * MS)));
}

/// What a caller does about failures, by default as Envoy and Finagle do.
#[test]
fn policies_have_the_defaults_of_their_models() {
    let policy = |text: &str| {
        let lines = format!(
            "horizon: 1h\ntraffic: {{services: [{{name: a, external: {{}}}}], sources: [{{name: s, to: a, rate: 1/s, {text}}}]}}"
        );
        traffic(&lines).map(|traffic| traffic.sources[0].policy.clone())
    };
    let all = RetryOn { timeouts: true, refusals: true, errors: true };
    let retries = Retries {
        limit: 3,
        base: SimDuration(25 * MS),
        max: SimDuration(250 * MS),
        has_jitter: true,
        budget: Some(RetryBudget { ratio: 0.2, min_per_second: 10.0, window: SimDuration(10_000 * MS) }),
        on: all,
    };
    assert!(policy("clients: 1").unwrap().is_plain());
    assert_eq!(policy("retries: {limit: 3, budget: {}}").unwrap().retries, Some(retries.clone()));
    let few = Retries {
        base: SimDuration(5 * MS),
        max: SimDuration(50 * MS),
        budget: None,
        on: RetryOn { timeouts: true, refusals: false, errors: false },
        ..retries
    };
    let found = policy("timeout: 1s, retries: {limit: 3, base: 5ms, on: [timeouts]}, hedging: {after: 50ms}").unwrap();
    assert_eq!((found.retries, found.timeout), (Some(few), Some(SimDuration(1000 * MS))));
    assert_eq!(found.hedging, Some(Hedging { after: SimDuration(50 * MS), limit: 1 }));
}

#[test]
fn steps_and_routes_are_read() {
    let traffic = traffic(
        "horizon: 1h
traffic:
  model: {fluid: {}}
  services:
  - name: web
    routes: [{header: {name: canary, value: 'yes'}, to: [{service: next, weight: 3}, {service: main}]}, {to: [{service: main}]}]
  - {name: next, external: {}, operations: [{name: write}, {name: read}]}
  - name: main
    external: {count: 3, weights: [1, 2]}
    balancer: {name: rr, in: clients}
    operations:
    - name: read
      steps: [{compute: 5ms}, {parallel: [{service: db, operation: get}, {service: log, probability: 0.5}]}]
    - {name: write, failure: 0.1, steps: [{send: {service: log, count: 2}}, {call: {service: db, operation: put, cacheHit: 0.25, optional: true}}]}
  - {name: db, external: {}, operations: [{name: get}, {name: put}]}
  - {name: log, external: {}, queue: shared, outlierDetection: {baseEjection: 400s}}
  sources:
  - {name: s, to: [{service: web, operation: read, weight: 3}, {service: web, operation: write}], rate: 1/s}
",
    )
    .unwrap();
    assert_eq!(traffic.mode, Mode::Fluid { step: SimDuration(15_000 * MS) });
    let operation = |service, operation| OperationRef { service: ServiceId(service), operation };
    assert_eq!(traffic.sources[0].mix, [(operation(0, 1), 0.75), (operation(0, 0), 0.25)]);
    let [web, _, main, _, log] = &traffic.services[..] else { panic!() };
    assert_eq!((&web.backends, web.operations.len()), (&Backends::None, 2));
    assert_eq!(web.routes[0].targets, [(ServiceId(1), 0.75), (ServiceId(2), 0.25)]);
    assert_eq!(main.balancing, Balancing::Clients);
    assert_eq!(main.balancer.name, "round-robin");
    let call = |target, probability| Call {
        target,
        probability,
        cache_hit: 0.0,
        count: 1,
        is_detached: false,
        is_optional: false,
        policy: Default::default(),
    };
    assert_eq!(main.operations[0].steps[1], Step::Call(vec![call(operation(3, 0), 1.0), call(operation(4, 0), 0.5)]));
    let sent = Call { count: 2, is_detached: true, ..call(operation(4, 0), 1.0) };
    assert_eq!(main.operations[1].steps[0], Step::Call(vec![sent]));
    assert_eq!((log.has_shared_queue, main.operations[1].failure), (true, 0.1));
    // As in Envoy: the longest ejection is no shorter than the first.
    assert_eq!(log.guard.outlier_detection.map(|outliers| outliers.max_ejection), Some(SimDuration(400_000 * MS)));
}

#[test]
fn a_proxy_holds_memory_beside_its_server() {
    let memory = |service: &str| {
        let lines = format!("traffic: {{services: [{{name: a, external: {{}}, {service}}}]}}");
        load(&lines, &[]).map(|model| model.traffic.services[0].server.memory_base)
    };
    assert_eq!(memory("server: {memory: {base: 100Mi}}, sidecar: {memory: 50Mi}"), Ok(150 << 20));
    assert_eq!(memory("sidecar: {memory: 50Mi}"), Ok(50 << 20));
    let said = memory("sidecar: {memory: 50Mb}").unwrap_err();
    assert!(said.contains("traffic.services[0].sidecar.memory"), "{said}");
}

#[test]
fn a_limit_of_a_queue_needs_requests_that_wait() {
    for (service, is_right) in [
        ("server: {queueLimit: 5, workers: 2}", true),
        ("server: {queueLimit: 5}", false),
        // What comes beyond the limit is refused, except in a shared queue.
        ("server: {queueLimit: 5, adaptiveConcurrency: {}}", false),
        ("server: {queueLimit: 5, adaptiveConcurrency: {}}, queue: shared", true),
    ] {
        let said = load(&format!("traffic: {{services: [{{name: a, external: {{}}, {service}}}]}}"), &[]);
        let said = said.map(|_| ()).err().unwrap_or_default();
        assert_eq!(said.contains("`traffic.services[0].server.queueLimit` needs"), !is_right, "{service}: {said}");
    }
}

#[test]
fn zones_of_the_network_may_be_without_nodes() {
    let lines = |zone: &str| {
        format!(
            "horizon: 1h
cluster: {{pools: [{{name: n, count: 2, zones: [a, b], allocatable: {{cpu: 1, memory: 1Gi}}}}]}}
traffic:
  network: {{withinZone: 50us, regions: {{us: [edge], eu: [b]}}, pairs: [{{zones: [edge, a], latency: 7ms}}]}}
  services: [{{name: a, external: {{zones: [b, edge]}}}}]
  sources: [{{name: s, to: a, zone: {zone}, rate: 1/s}}]"
        )
    };
    let model = load(&lines("edge"), &[]).unwrap();
    assert_eq!(model.cluster.zones, ["a", "b", "edge"]);
    let Network { regions, pairs, within_zone, .. } = &model.traffic.network;
    // Regions are in order of their names: eu, us; what is in none comes after them.
    assert_eq!(regions, &[2, 0, 1]);
    assert_eq!(pairs[0], (ZoneId(2), ZoneId(0), Dist::Constant(SimDuration(7 * MS))));
    assert_eq!(within_zone, &Dist::Constant(SimDuration(50_000)));
    assert_eq!(model.traffic.sources[0].zone, Some(ZoneId(2)));
    let said = load(&lines("egde"), &[]).unwrap_err();
    assert!(said.contains("there is no zone `egde` did you mean `edge`?"), "{said}");
}

const MANIFESTS: &str = "\
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: other}, spec: {selector: {app: web}}}
---
{apiVersion: v1, kind: Service, metadata: {name: twin, namespace: x}, spec: {selector: {app: web}}}
---
{apiVersion: v1, kind: Service, metadata: {name: twin, namespace: y}, spec: {selector: {app: web}}}
---
{apiVersion: v1, kind: Service, metadata: {name: bare}, spec: {}}
---
{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {app: web, tier: front}}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: q, namespace: other, labels: {app: web}}, spec: {containers: [{name: c}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, resources: {requests: {cpu: 1}}}]}}
";

/// Classes: the pods p (0) and q (1), those of the Deployment (2), and of the template (3).
#[test]
fn pods_are_found() {
    for policy in ["first-fit", "kube-scheduler"] {
        for (service, expected) in [
            ("name: web", Ok(vec![0, 2])),
            ("name: other/web", Ok(vec![1])),
            ("name: any, pods: {selector: {app: web, tier: front}}", Ok(vec![0])),
            ("name: any, pods: {selector: {app: web}, namespace: other}", Ok(vec![1])),
            ("name: any, pods: {target: deployment/web}", Ok(vec![2])),
            ("name: any, pods: {template: batch}", Ok(vec![3])),
            ("name: wob", Err("no Service of that name did you mean `web`?")),
            ("name: something", Err("give it `pods`, `external` or `routes`")),
            ("name: twin", Err("call it `x/twin` or `y/twin`")),
            ("name: bare", Err("its Service has no selector")),
            ("name: any, pods: {selector: {app: wob}}", Err("has the labels app=wob did you mean `app=web`?")),
            (
                "name: any, pods: {selector: {tier: front}, namespace: other}",
                Err("pods of the namespace `default` have"),
            ),
            (
                "name: any, pods: {target: deployment/wob}",
                Err("no object `deployment/wob` that makes pods did you mean"),
            ),
            ("name: any, pods: {template: bitch}", Err("has no template `bitch` did you mean `batch`?")),
            ("name: any, pods: {target: deployment/web, template: batch}", Err("in exactly one way")),
            ("name: any, pods: {namespace: other}", Err("in exactly one way")),
        ] {
            let lines = format!(
                "horizon: 1h
cluster: {{pools: [{{name: n, allocatable: {{cpu: 8, memory: 1Gi}}}}]}}
workload: {{manifests: [all.yaml], templates: [{{name: batch, requests: {{cpu: 2}}}}]}}
scheduler: {{policy: {policy}}}
traffic: {{services: [{{{service}}}]}}"
            );
            let found =
                load(&lines, &[("all.yaml", MANIFESTS)]).map(|model| model.traffic.services[0].backends.clone());
            match (&found, expected) {
                (Ok(Backends::Pods(classes)), Ok(expected)) => {
                    assert_eq!(classes, &expected.into_iter().map(ClassId).collect::<Vec<_>>(), "{policy} {service}");
                }
                (Err(said), Err(expected)) => assert!(said.contains(expected), "{policy} {service}: {said}"),
                (found, expected) => panic!("{policy} {service}: {found:?} instead of {expected:?}"),
            }
        }
    }
}

#[test]
fn a_cluster_is_needed_only_by_pods() {
    for (lines, is_needed) in [
        ("traffic: {services: [{name: a, external: {}}]}", false),
        ("traffic: {services: [{name: a, external: {}}, {name: b, routes: [{to: [{service: a}]}]}]}", false),
        ("traffic: {services: [{name: a, pods: {selector: {app: web}}}]}", true),
        ("traffic: {services: [{name: a, external: {}}]}\nworkload: {templates: [{name: t}]}", true),
        ("seed: 1", true),
        ("traffic: {}", true),
    ] {
        let said = load(lines, &[]).map(|_| ()).err().unwrap_or_default();
        assert_eq!(said.contains("`cluster` has no nodes"), is_needed, "{lines}: {said}");
        assert!(is_needed || said.is_empty(), "{lines}: {said}");
    }
}

#[test]
fn calls_come_to_an_end() {
    for (a, b, is_endless) in [
        ("{service: b}", "", false),
        ("{service: b}", "{service: a}", true),
        ("{service: b}", "{service: a, probability: 0.5}", false),
        // Twice a half is one again; with a cache in between it is less.
        ("{service: b, count: 2}", "{service: a, probability: 0.5}", true),
        ("{service: b, count: 2, cacheHit: 0.1}", "{service: a, probability: 0.5}", false),
        // A call of itself, and another: 0.6 + 0.7 * 0.5 is less than one, 0.6 + 0.9 * 0.5 is not.
        ("{service: a, probability: 0.6}, {service: b, probability: 0.7}", "{service: a, probability: 0.5}", false),
        ("{service: a, probability: 0.6}, {service: b, probability: 0.9}", "{service: a, probability: 0.5}", true),
        // The call is never made.
        ("{service: a, probability: 0}", "", false),
    ] {
        let steps =
            |calls: &str| if calls.is_empty() { String::new() } else { format!(", steps: [{{parallel: [{calls}]}}]") };
        let lines = format!(
            "traffic: {{services: [{{name: a, external: {{}}{}}}, {{name: b, external: {{}}{}}}]}}",
            steps(a),
            steps(b)
        );
        let said = load(&lines, &[]).map(|_| ()).err().unwrap_or_default();
        assert_eq!(said.contains("calls never come to an end: "), is_endless, "{a} {b}: {said}");
        assert!(is_endless || said.is_empty(), "{a} {b}: {said}");
    }
}

#[test]
fn requests_are_not_passed_on_in_a_circle() {
    for (first, second, circle) in [
        ("routes: [{to: [{service: b}]}]", "overflow: a", "in a circle: a -> b -> a"),
        ("overflow: b", "mirror: {to: a}", "in a circle: a -> b -> a"),
        // The service itself stands for its own backends.
        ("routes: [{to: [{service: b}, {service: a}]}]", "queue: shared", ""),
        ("overflow: a", "queue: shared", "passes requests on to itself"),
    ] {
        let services = format!("{{name: a, external: {{}}, {first}}}, {{name: b, external: {{}}, {second}}}");
        let said = traffic(&format!("traffic: {{services: [{services}]}}")).map(|_| ()).err().unwrap_or_default();
        assert!(said.contains(circle) && said.is_empty() == circle.is_empty(), "{first} {second}: {said}");
    }
}

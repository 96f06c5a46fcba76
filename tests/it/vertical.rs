//! Vertical autoscalers in whole runs: whom they change, when, and what comes of it.
#![allow(clippy::disallowed_methods, reason = "tests write the files that they read")]

use wavetank::engine::watch;
use wavetank::experiment::single::{Detail, run_model};
use wavetank::ids::{NodeId, PodId, VerticalId};
use wavetank::model::Model;
use wavetank::observe::PodChange::{self, Deferred, Evicted, Infeasible, Resized};
use wavetank::observe::{CheckEveryEvent, Observer};
use wavetank::scenario::{Environment, load_scenario};
use wavetank::world::{View, World};

/// Notes what becomes of pods: second, and what.
#[derive(Debug, Default)]
struct Changes(Vec<(f64, PodChange)>);

impl Observer for Changes {
    fn pod_sized(&mut self, view: &View<'_>, _: VerticalId, change: PodChange) {
        self.0.push((view.world.time.as_seconds(), change));
    }
}

/// A Deployment of two pods with that container, a VerticalPodAutoscaler with that policy, and what else is said.
fn load(resources: &str, policy: &str, scenario: &str) -> Result<Model, String> {
    let directory = tempfile::tempdir().expect("a directory");
    let manifests = format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web}}, spec: {{replicas: 2, selector: {{matchLabels: \
         {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, spec: {{terminationGracePeriodSeconds: 0, containers: \
         [{{name: app, image: web, resources: {resources}}}]}}}}}}}}\n---\n{{apiVersion: autoscaling.k8s.io/v1, kind: \
         VerticalPodAutoscaler, metadata: {{name: web}}, spec: {{targetRef: {{apiVersion: apps/v1, kind: Deployment, name: \
         web}}, {policy}}}}}"
    );
    let text = format!("apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {{name: s}}\nhorizon: 15m\n{scenario}");
    std::fs::write(directory.path().join("web.yaml"), manifests).expect("written");
    std::fs::write(directory.path().join("scenario.yaml"), text).expect("written");
    let path = directory.path().join("scenario.yaml");
    load_scenario(&path, &[], 0, &Environment::default()).map(|loaded| loaded.model).map_err(|error| error.to_string())
}

/// Requests of 50 milli-cores and 300 MiB, of which 400 milli-cores and 100 MiB are used, on a node of 4 cores of which so many
/// milli-cores can be requested.
fn needy(mode: &str, milli: u64, more: &str) -> Model {
    let reserved = 4000 - milli;
    let scenario = format!(
        "cluster: {{nodes: [{{name: n, capacity: {{cpu: 4, memory: 64Gi}}, reserved: {{cpu: {reserved}m}}}}]}}\nworkload: {{manifests: \
         [web.yaml], behaviours: [{{name: web, cpu: 400m, memory: 100Mi}}]}}\n{more}"
    );
    let policy = format!("updatePolicy: {{updateMode: {mode}}}");
    load("{requests: {cpu: 50m, memory: 300Mi}}", &policy, &scenario).unwrap_or_else(|error| panic!("{error}"))
}

fn run(model: &Model) -> (Vec<(f64, PodChange)>, World) {
    let fresh = model.clone();
    let finished = watch(&fresh, (Changes::default(), CheckEveryEvent)).expect("the policies are there");
    (finished.observer.0.0, finished.world)
}

/// Milli-cores that are allocated on the node.
fn allocated(world: &World) -> u64 {
    world.nodes.cpu[0] - world.nodes.free_cpu[0]
}

/// 400 milli-cores are in the bucket that ends at 0.2 (1.05^23 - 1) = 0.4143 cores; with the margin 0.4764 are the target. At
/// 60 s there is no history and the lower bound is 0; at 120 s it is a minute long, and the lower bound 476 (1 + 0.001 x
/// 1440)^-2 = 80 milli-cores, more than the 50. Of two pods one may go at a time. Memory stays: 300 MiB are within the bounds.
#[test]
fn pods_that_request_too_little_are_evicted_one_by_one() {
    for scheduler in ["first-fit", "kube-scheduler", "best-fit"] {
        let model = needy("Recreate", 4000, &format!("scheduler: {{policy: {scheduler}}}\n"));
        let (changes, world) = run(&model);
        assert_eq!(changes, [(120.0, Evicted), (180.0, Evicted)], "{scheduler}");
        assert_eq!((world.pods.len(), allocated(&world)), (4, 2 * 476), "{scheduler}");
        // The target of memory is the least that there is, 250 MiB.
        assert_eq!(world.nodes.memory[0] - world.nodes.free_memory[0], 500 << 20, "{scheduler}");
    }
}

#[test]
fn modes_say_who_is_changed() {
    for (mode, pods, milli) in [("Off", 2, 100), ("Initial", 2, 100), ("Recreate", 4, 952), ("Auto", 4, 952)] {
        let (changes, world) = run(&needy(mode, 4000, ""));
        assert_eq!((world.pods.len(), allocated(&world)), (pods, milli), "{mode}: {changes:?}");
    }
    // Initial sizes pods that come for another reason: of three replicas the new one has 476 milli-cores.
    let script = "script: [{at: 5m, scale: {target: deployment/web, replicas: 3}}]\n";
    for (mode, milli) in [("Off", 150), ("Initial", 100 + 476)] {
        assert_eq!(allocated(&run(&needy(mode, 4000, script)).1), milli, "{mode}");
    }
}

#[test]
fn pods_are_resized_where_they_run() {
    let (changes, world) = run(&needy("InPlaceOrRecreate", 4000, ""));
    assert_eq!(changes, [(120.0, Resized), (180.0, Resized)]);
    assert_eq!((world.pods.len(), allocated(&world)), (2, 2 * 476));
}

/// A `resizePolicy` that wants it has each container started again once, when its pod is resized.
#[test]
fn containers_start_again_for_a_resize_where_their_policy_wants_it() {
    for (policy, restarts) in [
        ("{resourceName: cpu, restartPolicy: RestartContainer}", [1, 1]),
        ("{resourceName: memory, restartPolicy: RestartContainer}", [1, 1]),
        ("{resourceName: cpu, restartPolicy: NotRequired}", [0, 0]),
    ] {
        let scenario = "cluster: {nodes: [{name: n, allocatable: {cpu: 4, memory: 64Gi}}]}\nworkload: {manifests: \
                        [web.yaml], behaviours: [{name: web, cpu: 400m, memory: 100Mi}]}\n";
        let container = format!("{{requests: {{cpu: 50m, memory: 300Mi}}}}, resizePolicy: [{policy}]");
        let model = load(&container, "updatePolicy: {updateMode: InPlaceOrRecreate}", scenario);
        let (changes, world) = run(&model.unwrap_or_else(|error| panic!("{error}")));
        assert_eq!(changes, [(120.0, Resized), (180.0, Resized)], "{policy}");
        let lives =
            world.nodes.pods(&world.pods, NodeId(0)).map(|pod| world.member(pod).and_then(|one| one.life.as_deref()));
        let found: Vec<u32> = lives.map(|life| life.expect("a pod with containers").restarts()).collect();
        assert_eq!(found, restarts, "{policy}");
    }
}

/// On 600 milli-cores one pod of 476 has room beside one of 50, two have none: the second resize is put off at 180 s. The updater
/// sees that at 240 s, and 300 s are over after 540 s: at 600 s it evicts the pod. Its replacement finds no room.
#[test]
fn a_resize_without_room_waits_and_ends_in_eviction() {
    let (changes, world) = run(&needy("InPlaceOrRecreate", 600, ""));
    assert_eq!(changes, [(120.0, Resized), (180.0, Deferred), (600.0, Evicted)]);
    assert_eq!(allocated(&world), 476);
}

/// A pod that leaves lets the resize be done that waits: at 200 s the Deployment is scaled to one, and whoever is left has what is
/// recommended.
#[test]
fn a_resize_that_waits_is_done_when_there_is_room() {
    let script = "script: [{at: 200s, scale: {target: deployment/web, replicas: 1}}]\n";
    let (changes, world) = run(&needy("InPlaceOrRecreate", 600, script));
    let kinds: Vec<PodChange> = changes.iter().map(|(_, change)| *change).collect();
    assert_eq!(&kinds[..2], [Resized, Deferred]);
    let left: Vec<PodId> = world.nodes.pods(&world.pods, NodeId(0)).collect();
    assert_eq!((left.len(), allocated(&world)), (1, 476), "{changes:?}");
}

/// The node can never hold 476 milli-cores, and the kubelet says so. At 180 s the other pod is asked to be resized first, which
/// uses up what may be disturbed; at 240 s both have failed and one is evicted.
#[test]
fn a_resize_that_can_never_be_ends_in_eviction() {
    let (changes, _) = run(&needy("InPlaceOrRecreate", 400, ""));
    assert_eq!(changes, [(120.0, Infeasible), (180.0, Infeasible), (240.0, Evicted)]);
}

#[test]
fn budgets_are_kept() {
    let scenario = "cluster: {nodes: [{name: n, allocatable: {cpu: 4, memory: 64Gi}}]}\nworkload: {manifests: \
                    [web.yaml], behaviours: [{name: web, cpu: 400m, memory: 100Mi}]}\n";
    let budget = "updatePolicy: {updateMode: Recreate}}}\n---\n{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: \
                  {name: web}, spec: {minAvailable: 2, selector: {matchLabels: {a: b}}";
    let model =
        load("{requests: {cpu: 50m, memory: 300Mi}}", budget, scenario).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(run(&model).0, []);
}

/// As `pods_that_request_too_little_are_evicted_one_by_one`, with a limit of eight times the request, which stays so: of 476
/// milli-cores it would be 3 808, and where the limits of a pod may come to 1 600 the request is 476 x 1 600 / 3 808 = 200.
#[test]
fn limit_ranges_bound_what_is_recommended() {
    let scenario = "cluster: {nodes: [{name: n, allocatable: {cpu: 4, memory: 64Gi}}]}\nworkload: {manifests: \
                    [web.yaml], behaviours: [{name: web, cpu: 400m, memory: 100Mi}]}\n";
    for (namespace, milli) in [("default", 2 * 200), ("other", 2 * 476)] {
        let policy = format!(
            "updatePolicy: {{updateMode: Recreate}}}}}}\n---\n{{apiVersion: v1, kind: LimitRange, metadata: {{name: pods, \
             namespace: {namespace}}}, spec: {{limits: [{{type: Pod, max: {{cpu: 1600m}}}}]"
        );
        let model = load("{requests: {cpu: 50m, memory: 300Mi}, limits: {cpu: 400m}}", &policy, scenario);
        let (changes, world) = run(&model.unwrap_or_else(|error| panic!("{error}")));
        assert_eq!(changes, [(120.0, Evicted), (180.0, Evicted)], "{namespace}");
        assert_eq!(allocated(&world), milli, "{namespace}");
    }
}

/// 300 MiB are needed and 200 MiB the limit. A kill counts as 200 + 100 MiB, which is in the bucket that ends at 2e8 (1.05^20 -
/// 1) = 331 MB; with the margin 380 258 472 bytes are the target, and the limit stays as large as the request.
///
/// The first new pod is made before there is a sample of CPU, and gets the least, 25 milli-cores. Of 100 the target is 0.2
/// (1.05^9 - 1) x 1.15 = 126; two minutes after the first sample the lower bound is 126 (1 + 0.72)^-2 = 42, and the pod goes again.
///
/// A container that is killed starts again at once, then after 10 s, 20 s, 40 s: the pod that goes at 60 s was killed at 0, 0, 10 and 30
/// s, the other one at 70 s, too.
#[test]
fn kills_for_memory_are_learned_from() {
    let scenario = "cluster: {nodes: [{name: n, allocatable: {cpu: 4, memory: 64Gi}}]}\nworkload: {manifests: \
                    [web.yaml], behaviours: [{name: web, cpu: 100m, memory: 300Mi}]}\n";
    let resources = "{requests: {cpu: 200m, memory: 200Mi}, limits: {memory: 200Mi}}";
    let model =
        load(resources, "updatePolicy: {updateMode: Recreate}", scenario).unwrap_or_else(|error| panic!("{error}"));
    let (changes, world) = run(&model);
    assert_eq!(changes, [(60.0, Evicted), (120.0, Evicted), (240.0, Evicted)]);
    assert_eq!(world.nodes.memory[0] - world.nodes.free_memory[0], 2 * 380_258_472);
    let kills = world.usage.totals(NodeId(0), world.time).oom_kills;
    assert_eq!(kills, 9);
}

/// 20 requests a second of 20 ms need 0.4 cores, and two pods have limits of 0.1 each, so half of the requests are given up until
/// pods are resized; their limits are twice their requests then, too.
#[test]
fn servers_get_their_new_limits_while_they_run() {
    for traffic in ["requests", "{fluid: {step: 15s}}"] {
        let figures = |mode: &str| {
            let scenario = format!(
                "cluster: {{nodes: [{{name: n, allocatable: {{cpu: 4, memory: 64Gi}}}}]}}\nworkload: {{manifests: \
                 [web.yaml], behaviours: [{{name: web, memory: 100Mi}}]}}\ntraffic:\n  model: {traffic}\n  services: \
                 [{{name: web, pods: {{target: deployment/web}}, steps: [{{compute: 20ms}}]}}]\n  sources: [{{name: users, to: \
                 web, timeout: 2s, rate: 20/s}}]\n"
            );
            let resources = "{requests: {cpu: 50m, memory: 300Mi}, limits: {cpu: 100m}}";
            let model = load(resources, &format!("updatePolicy: {{updateMode: {mode}}}"), &scenario);
            let record = run_model(&model.unwrap_or_else(|error| panic!("{error}")), Detail::Figures).expect("it runs");
            let names = ["requests_failed_ratio", "vertical_resizes_total", "vertical_evictions_total"];
            names.map(|name| record.metrics.iter().find(|one| one.name == name).expect("a figure").value)
        };
        let ([alone, ..], [failed, resizes, evictions]) = (figures("Off"), figures("InPlaceOrRecreate"));
        assert!(alone > 0.4 && failed < 0.7 * alone, "{traffic}: {alone} {failed}");
        assert!(resizes >= 2.0 && evictions == 0.0, "{traffic}: {resizes} {evictions}");
    }
}

/// The same under other rules: the oracle knows from the start, and takes what is used.
#[test]
fn other_rules_stand_in_for_a_manifest() {
    let rule = |name: &str| format!("autoscaling: {{verticalAutoscalers: [{{target: deploy/web, policy: {name}}}]}}\n");
    assert_eq!(allocated(&run(&needy("Recreate", 4000, &rule("oracle"))).1), 2 * 400);
    assert_eq!(allocated(&run(&needy("Recreate", 4000, &rule("static"))).1), 2 * 50);
}

#[test]
fn a_run_is_the_same_every_time() {
    let model = needy("InPlaceOrRecreate", 600, "scheduler: {policy: kube-scheduler}\n");
    let record = || {
        let record = run_model(&model, Detail::Tables).expect("it runs");
        let tables = record.tables.iter().map(|(name, table)| format!("{name} {table:?}"));
        tables.collect::<Vec<String>>()
    };
    assert_eq!(record(), record());
    assert!(model.workload.made.is_empty(), "a run adds to a model of its own");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let scenario = "cluster: {nodes: [{name: n, allocatable: {cpu: 4, memory: 64Gi}}]}\nworkload: {manifests: \
                    [web.yaml], behaviours: [{name: web, cpu: 400m, memory: 100Mi}]}\n";
    for (policy, message) in [
        ("updatePolicy: {updateMode: Sometimes}", "`spec.updatePolicy.updateMode`"),
        ("updatePolicy: {minReplicas: 0}", "`spec.updatePolicy.minReplicas`"),
        (
            "resourcePolicy: {containerPolicies: [{containerName: app, minAllowed: {cpu: 2}, maxAllowed: {cpu: 1}}]}",
            "`spec.resourcePolicy.containerPolicies[].minAllowed.cpu` is above \
             `spec.resourcePolicy.containerPolicies[].maxAllowed.cpu`",
        ),
        (
            "resourcePolicy: {containerPolicies: [{containerName: app, mode: 'Off', controlledValues: RequestsOnly}]}",
            "has no meaning where the mode is Off",
        ),
        (
            "updatePolicy: {updateMode: Auto}}}\n---\n{apiVersion: autoscaling.k8s.io/v1, kind: VerticalPodAutoscaler, \
             metadata: {name: other}, spec: {targetRef: {kind: Deployment, name: wb}",
            "there is no Deployment `wb` in the namespace `default`",
        ),
        (
            "updatePolicy: {updateMode: Auto}}}\n---\n{apiVersion: autoscaling.k8s.io/v1, kind: VerticalPodAutoscaler, \
             metadata: {name: other}, spec: {targetRef: {kind: Deployment, name: web}",
            "`web` is sized by two VerticalPodAutoscalers, `web` and `other`",
        ),
    ] {
        let error = load("{requests: {cpu: 50m, memory: 300Mi}}", policy, scenario).expect_err(message);
        assert!(error.contains(message), "{error}");
    }
    for (key, message) in [
        ("policy: vpaa", "there is no rule `vpaa` that sizes containers"),
        ("parameters: {targetCpuPercentle: 1}", "the rule `vpa` has no parameter `targetCpuPercentle`"),
        ("parameters: {targetCpuPercentile: 2}", "the rule `vpa`: `targetCpuPercentile` must be 0 to 1"),
        ("namespace: other", "there is no Deployment `web` in the namespace `other`"),
    ] {
        let own = format!("{scenario}autoscaling: {{verticalAutoscalers: [{{target: deployment/web, {key}}}]}}\n");
        let error = load("{requests: {cpu: 50m, memory: 300Mi}}", "updatePolicy: {}", &own).expect_err(message);
        assert!(error.contains(message), "{error}");
    }
}

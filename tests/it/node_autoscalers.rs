//! Node autoscalers in whole runs: the plain rows by hand, what keeps a machine, and that no drain breaks a budget.

use std::collections::BTreeSet;

use wavetank::engine::watch;
use wavetank::ids::PodId;
use wavetank::model::Model;
use wavetank::observe::{CheckEveryEvent, Observer};
use wavetank::rng::{Seed, Stream};
use wavetank::world::pods::Reason;
use wavetank::world::{Phase, View};

use crate::provisioning::{figure, model, steps};

/// The row `policy` on one pool, with pods of 4 cores, one to a machine, that come and stay at these seconds.
fn run_of(policy: &str, pool: &str, pods: &str, script: &str) -> Vec<String> {
    let scenario = format!(
        "horizon: 400s
cluster: {{pools: [{{name: n, allocatable: {{cpu: 4, memory: 8Gi}}, {pool}}}]}}
workload: {{templates: [{{name: a, requests: {{cpu: 4}}, arrivals: {{at: [{pods}]}}, duration: 90s}}]}}
provisioning: {{autoscalers: [{{policy: {policy}}}]}}
script: [{script}]
"
    );
    steps(&model(&scenario, "")).list
}

/// Two machines are wanted of one that is there; the first is lost at 70 s, which the look at 100 s sees.
#[test]
fn static_keeps_its_number_in_a_run() {
    let pool = "count: 1, scaling: {max: 5, boot: 20s}";
    let expected = [
        "0 #1 ordered, free",
        "0 #1 ordered",
        "20 #1 ready",
        "70 #0 ended",
        "100 #2 ordered, free",
        "100 #2 ordered",
        "120 #2 ready",
    ];
    let found = run_of("static, parameters: {machines: 2, period: 50s}", pool, "0s", "{at: 70s, remove: n-0}");
    assert_eq!(found, expected);
}

/// Three machines from 1 to 3 minutes past midnight, one at any other time. The pod of the first ends at 90 s; of three that
/// are as empty the two that came first go.
#[test]
fn scheduled_follows_the_clock_in_a_run() {
    let pool = "count: 1, scaling: {max: 5, boot: 20s, shutDown: 10s}";
    let actions = "[{schedule: 1 0 * * *, machines: 3}, {schedule: 3 0 * * *, machines: 1}]";
    let policy = format!("scheduled, parameters: {{actions: {actions}, machines: 1, period: 1h}}");
    let expected = [
        "60 #1 ordered, free",
        "60 #2 ordered, free",
        "60 #1 ordered",
        "60 #2 ordered",
        "80 #1 ready",
        "80 #2 ready",
        "180 #0 draining",
        "180 #0 ending",
        "180 #1 draining",
        "180 #1 ending",
        "190 #0 ended",
        "190 #1 ended",
    ];
    assert_eq!(run_of(&policy, pool, "0s", ""), expected);
}

/// One spare machine, bought at the start, ready at 20 s and cordoned. At 100 s two pods come: one goes to the first machine,
/// which is free since 90 s, the other to the spare one 3 s later, and the pool is filled up at once, by 120 s. Both have ended at
/// 194 s; the first machine is idle for a minute first and goes back to the pool, which then has one too many.
#[test]
fn a_warm_pool_serves_in_a_run() {
    let pool = "count: 1, scaling: {min: 1, max: 5, boot: 20s}";
    let policy = "warm-pool, parameters: {spare: 1, startDelay: 3s, idleTime: 60s}";
    let found = run_of(policy, pool, "0s, 100s, 100s", "");
    let of = |state: &str| found.iter().filter(|step| step.ends_with(state)).cloned().collect::<Vec<String>>();
    assert_eq!(of("ready"), ["20 #1 ready", "120 #2 ready"]);
    let [ended] = &of("ended")[..] else { panic!("{found:?}") };
    assert!(ended.contains(" #2 "), "{ended}");
}

/// One keeps two machines, the other knows of nobody who would need any. Alone one of them buys one machine and the other none;
/// together they undo each other's work every minute.
#[test]
fn two_autoscalers_can_fight() {
    let fixed = "{policy: static, parameters: {machines: 2}}";
    let by_use = "{policy: utilization, parameters: {scaleInDelay: 0s}}";
    let ordered = |autoscalers: &str| {
        let scenario = format!(
            "horizon: 10m
cluster: {{pools: [{{name: n, allocatable: {{cpu: 4, memory: 8Gi}}, scaling: {{max: 5, boot: 20s}}}}]}}
provisioning: {{autoscalers: [{autoscalers}]}}
"
        );
        figure(&model(&scenario, ""), "machines_ordered_total")
    };
    assert_eq!([ordered(fixed), ordered(by_use)], [1.0, 0.0]);
    // One at 0 s; from 1 to 10 min two are returned each minute, and at the same instant two are bought: 1 + 10 x 2.
    assert_eq!(ordered(&format!("{fixed}, {by_use}")), 21.0);
}

/// The scheduler keeps all pods from cheap machines, and cluster-autoscaler does not know: it buys three of them, takes the pods
/// to fit there from then on, and neither buys anything else nor gives them back.
#[test]
fn an_autoscaler_whose_rules_differ_buys_what_does_not_help() {
    let scenario = |configuration: &str| {
        format!(
            "horizon: 1h
cluster:
  pools:
    - {{name: cheap, count: 0, labels: {{tier: cheap}}, allocatable: {{cpu: 4, memory: 8Gi}}, usdPerHour: 0.1, scaling: {{max: 9}}}}
    - {{name: dear, count: 0, labels: {{tier: dear}}, allocatable: {{cpu: 4, memory: 8Gi}}, usdPerHour: 0.2, scaling: {{max: 9}}}}
workload: {{templates: [{{name: a, requests: {{cpu: 3}}, count: 3}}]}}
scheduler: {{policy: kube-scheduler{configuration}}}
provisioning: {{autoscalers: [{{policy: cluster-autoscaler, parameters: {{expander: price}}}}]}}
"
        )
    };
    let configuration = "apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
  - schedulerName: default-scheduler
    pluginConfig:
      - name: NodeAffinity
        args: {addedAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: tier, \
                         operator: In, values: [dear]}]}]}}}
";
    let outcome = |scenario: &str| {
        let model = model(scenario, configuration);
        ["machines_ordered_total", "machines_ended_total", "pods_running", "pods_pending"]
            .map(|name| figure(&model, name))
    };
    assert_eq!(outcome(&scenario("")), [3.0, 0.0, 3.0, 0.0]);
    assert_eq!(outcome(&scenario(", configuration: objects.yaml")), [3.0, 0.0, 0.0, 3.0]);
}

/// A pod on `b-0` that would fit on `a-0`, and what keeps the machine of `b-0`.
struct Keeps<'a> {
    /// Beside requests, in flow style: metadata and spec of the template.
    metadata: &'a str,
    spec: &'a str,
    /// Of the Deployment.
    namespace: &'a str,
    /// Of the pool `b`.
    annotations: &'a str,
}

const NOTHING: Keeps<'static> = Keeps { metadata: "", spec: "", namespace: "default", annotations: "" };

const QUICK: &str = "cluster-autoscaler, parameters: {scaleDownUnneededTime: 30s, scaleDownDelayAfterAdd: 0s}";

fn two_pools(workload: &str, policy: &str, annotations: &str, scheduler: &str) -> String {
    format!(
        "horizon: 5m
cluster:
  pools:
    - {{name: b, count: 1, zones: [z], allocatable: {{cpu: 4, memory: 8Gi}}, usdPerHour: 1, annotations: {{{annotations}}}, \
         scaling: {{max: 3}}}}
    - {{name: a, count: 1, zones: [y], allocatable: {{cpu: 4, memory: 8Gi}}}}
workload: {workload}
scheduler: {{policy: {scheduler}}}
provisioning: {{autoscalers: [{{policy: {policy}}}]}}
"
    )
}

fn returned(scenario: &str, objects: &str) -> f64 {
    figure(&model(scenario, objects), "machines_ended_total")
}

#[test]
fn what_manifests_say_keeps_machines_in_runs() {
    let annotated = |key: &str, value: &str| format!("annotations: {{{key}: '{value}'}}");
    let unsafe_pod = annotated("cluster-autoscaler.kubernetes.io/safe-to-evict", "false");
    let protected = annotated("karpenter.sh/do-not-disrupt", "true");
    let for_hour = annotated("karpenter.sh/do-not-disrupt", "1h");
    let for_minute = annotated("karpenter.sh/do-not-disrupt", "1m");
    let safe_volume = annotated("cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes", "v");
    let directory = Keeps { spec: "volumes: [{name: v, emptyDir: {}}]", ..NOTHING };
    let memory = Keeps { spec: "volumes: [{name: v, emptyDir: {medium: Memory}}]", ..NOTHING };
    let path = Keeps { spec: "volumes: [{name: v, hostPath: {path: /var}}]", ..NOTHING };
    let system = Keeps { namespace: "kube-system", ..NOTHING };
    let of_pod = |metadata| Keeps { metadata, ..NOTHING };
    let of_node = |annotations| Keeps { annotations, ..NOTHING };
    let for_cluster_autoscaler = "cluster-autoscaler.kubernetes.io/scale-down-disabled: 'true'";
    let for_karpenter = "karpenter.sh/do-not-disrupt: 'true'";
    // What there is, and how many machines cluster-autoscaler and Karpenter return: each heeds its own.
    for (keeps, by_cluster_autoscaler, by_karpenter) in [
        (NOTHING, 1.0, 1.0),
        (of_pod(&unsafe_pod), 0.0, 1.0),
        (of_pod(&protected), 1.0, 0.0),
        (of_pod(&for_hour), 1.0, 0.0),
        (of_pod(&for_minute), 1.0, 1.0),
        (Keeps { metadata: &safe_volume, ..directory }, 1.0, 1.0),
        (directory, 0.0, 1.0),
        (memory, 1.0, 1.0),
        (path, 0.0, 1.0),
        (system, 0.0, 1.0),
        (of_node(for_cluster_autoscaler), 0.0, 1.0),
        (of_node(for_karpenter), 1.0, 0.0),
    ] {
        let Keeps { metadata, spec, namespace, annotations } = keeps;
        let objects = format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web, namespace: {namespace}}}, spec: {{replicas: 1, \
             selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}, {metadata}}}, spec: {{{spec}{} \
             containers: [{{name: c, image: web, resources: {{requests: {{cpu: 500m}}}}}}]}}}}}}}}",
            if spec.is_empty() { "" } else { "," }
        );
        let of = |policy: &str| {
            let workload = "{manifests: [objects.yaml]}";
            returned(&two_pools(workload, policy, annotations, "first-fit"), &objects)
        };
        let found = (of(QUICK), of("karpenter"));
        assert_eq!(found, (by_cluster_autoscaler, by_karpenter), "{metadata} {spec} {namespace} {annotations}");
    }
}

/// Pods as they are written, without anybody who would make another, and pods of the short form.
#[test]
fn bare_pods_and_templates_in_runs() {
    let pod = |owner: &str| {
        format!(
            "{{kind: Pod, metadata: {{name: p, {owner}}}, spec: {{nodeName: b-0, containers: [{{name: c, image: web, resources: \
             {{requests: {{cpu: 500m}}}}}}]}}}}"
        )
    };
    let manifests = "{manifests: [objects.yaml]}";
    let of = |policy: &str, objects: &str| returned(&two_pools(manifests, policy, "", "first-fit"), objects);
    let owned = pod("ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web, controller: true}]");
    let custom = pod("ownerReferences: [{apiVersion: example.com/v1, kind: Game, name: web, controller: true}]");
    // cluster-autoscaler leaves what it does not know the controller of, unless it is told otherwise.
    let lenient = "cluster-autoscaler, parameters: {scaleDownUnneededTime: 30s, scaleDownDelayAfterAdd: 0s, \
                   skipNodesWithCustomControllerPods: false}";
    for (objects, policy, expected) in [
        (pod(""), QUICK, 0.0),
        (pod(""), lenient, 0.0),
        (pod(""), "karpenter", 1.0),
        (owned, QUICK, 1.0),
        (custom.clone(), QUICK, 0.0),
        (custom, lenient, 1.0),
    ] {
        assert_eq!(of(policy, &objects), expected, "{policy}: {objects}");
    }
    for (annotations, policy, expected) in [
        ("", QUICK, 1.0),
        ("cluster-autoscaler.kubernetes.io/safe-to-evict: 'false'", QUICK, 0.0),
        ("karpenter.sh/do-not-disrupt: 'true'", "karpenter", 0.0),
    ] {
        let template = format!("{{name: t, requests: {{cpu: 500m}}, count: 1, annotations: {{{annotations}}}}}");
        let scenario = two_pools(&format!("{{templates: [{template}]}}"), policy, "", "first-fit");
        assert_eq!(returned(&scenario, ""), expected, "{annotations} {policy}");
    }
}

/// A pod on `b-0`, in zone z, whose volume is in z: it cannot go to `a-0`, in zone y.
#[test]
fn volumes_bind_pods_to_their_zone() {
    let volume = |zone: &str| {
        format!(
            "{{apiVersion: v1, kind: PersistentVolume, metadata: {{name: v}}, spec: {{capacity: {{storage: 1Gi}}, accessModes: \
             [ReadWriteOnce], csi: {{driver: d, volumeHandle: h}}, claimRef: {{namespace: default, name: c, uid: u}}, \
             nodeAffinity: {{required: {{nodeSelectorTerms: [{{matchExpressions: [{{key: topology.kubernetes.io/zone, operator: \
             In, values: [{zone}]}}]}}]}}}}}}}}\n---\n{{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {{name: c, \
             annotations: {{pv.kubernetes.io/bind-completed: 'yes'}}}}, spec: {{accessModes: [ReadWriteOnce], volumeName: v, \
             resources: {{requests: {{storage: 1Gi}}}}}}}}\n---\n"
        )
    };
    let pod = "{kind: Pod, metadata: {name: p, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web, controller: \
               true}]}, spec: {nodeName: b-0, volumes: [{name: v, persistentVolumeClaim: {claimName: c}}], containers: [{name: c, \
               image: web, resources: {requests: {cpu: 500m}}}]}}";
    // Of a volume that is in both zones the pod goes with it.
    for (zones, expected) in [("z", 0.0), ("'y', 'z'", 1.0)] {
        let objects = volume(zones) + pod;
        for policy in [QUICK, "karpenter"] {
            let scenario = two_pools("{manifests: [objects.yaml]}", policy, "", "kube-scheduler");
            assert_eq!(returned(&scenario, &objects), expected, "{policy}, zones {zones}");
        }
    }
}

const BUDGETED: &str = "
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 2, selector: {matchLabels: {app: web}}, template: \
                        {metadata: {labels: {app: web}}, spec: {terminationGracePeriodSeconds: 10, containers: [{name: c, image: \
                        web, resources: {requests: {cpu: 500m}}, readinessProbe: {periodSeconds: 5, initialDelaySeconds: 20}}]}}}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web}, spec: {minAvailable: 1, selector: {matchLabels: {app: \
                        web}}}}
";

/// Both pods are on the machine that is to go at 60 s. One goes at once; its successor is ready after 20 s, at 80 s, and not
/// before the other may be evicted: the machine ends later than that, and at no time is there no ready pod.
#[test]
fn a_machine_waits_for_the_budgets_of_its_pods() {
    let scenario = "horizon: 5m
cluster:
  pools:
    - {name: n, count: 1, allocatable: {cpu: 4, memory: 8Gi}, scaling: {max: 1}}
    - {name: rest, count: 1, allocatable: {cpu: 4, memory: 8Gi}}
workload: {manifests: [objects.yaml]}
scheduler: {policy: first-fit}
provisioning: {autoscalers: [{policy: scheduled, parameters: {machines: 1, actions: [{schedule: '@every 1m', machines: 0}]}}]}
";
    let model = model(scenario, BUDGETED);
    let list = steps(&model).list;
    assert_eq!(list[0], "60 #0 draining");
    let [ending] = &list[1..list.len() - 1] else { panic!("{list:?}") };
    let second: f64 = ending.split(' ').next().and_then(|second| second.parse().ok()).expect("an instant");
    // Asked for again every 5 s, it is evicted at 85 s at the latest, and has 10 s to end.
    assert!(ending.ends_with("ending") && (80.0..=95.0).contains(&second), "{list:?}");
    let guard = Guard::new(&[Budget { app: "web".to_owned(), kept: 1 }], 0);
    let guard = watch(&model, guard).expect("the policies are there").observer;
    assert_eq!((guard.evicted, guard.broken.len(), guard.fewest), (2, 0, 1), "{:?}", guard.broken);
    assert_eq!(figure(&model, "pods_running"), 2.0);
}

/// A budget: the pods with this label, of which so many must be ready.
#[derive(Clone, Debug)]
struct Budget {
    app: String,
    kept: usize,
}

/// Notes drains that leave fewer ready pods than a budget keeps. It knows nothing of how budgets are counted: it looks at the
/// pods after every event.
#[derive(Debug)]
struct Guard {
    budgets: Vec<Budget>,
    /// How many more it asks for than the budgets do: with one it must see something.
    strictness: usize,
    /// Ready pods after the last event, by budget.
    ready: Vec<BTreeSet<PodId>>,
    /// How many ready pods drains told to go.
    evicted: usize,
    /// The fewest ready pods of a budget since all its pods were first ready.
    fewest: usize,
    was_full: bool,
    broken: Vec<String>,
}

impl Guard {
    fn new(budgets: &[Budget], strictness: usize) -> Guard {
        let ready = vec![BTreeSet::new(); budgets.len()];
        let (evicted, fewest, was_full, broken) = (0, usize::MAX, false, Vec::new());
        Guard { budgets: budgets.to_vec(), strictness, ready, evicted, fewest, was_full, broken }
    }
}

impl Observer for Guard {
    fn event_handled(&mut self, view: &View<'_>) {
        let pods = &view.world.pods;
        for (budget, ready) in self.budgets.iter().zip(&mut self.ready) {
            let is_its = |pod: PodId| {
                let labels = &view.class_of(pod).spec.labels;
                labels.iter().any(|label| label.key == "app" && label.value == budget.app)
            };
            let is_ready = |pod: &PodId| {
                is_its(*pod)
                    && pods.phase[pod.index()] == Phase::Running
                    && view.world.is_ready(*pod)
                    && !view.is_terminating(*pod)
            };
            let now: BTreeSet<PodId> = (0..pods.len()).map(PodId::from_index).filter(is_ready).collect();
            let drained = ready.difference(&now).filter(|pod| pods.reason[pod.index()] == Reason::NodeDrained).count();
            self.evicted += drained;
            if drained > 0 && now.len() < budget.kept + self.strictness {
                let (kept, left) = (budget.kept, now.len());
                self.broken.push(format!("{} s: {left} of {} are left, {kept} are kept", view.world.time, budget.app));
            }
            self.was_full |= now.len() > budget.kept;
            if self.was_full {
                self.fewest = self.fewest.min(now.len());
            }
            *ready = now;
        }
    }
}

/// A random budget of so many replicas: what is written, and how many it keeps.
fn random_budget(stream: &mut Stream, replicas: u64) -> (String, usize) {
    let number = stream.below(replicas + 1);
    let percent = stream.below(101);
    let share = (percent * replicas).div_ceil(100);
    let (written, kept) = match stream.below(4) {
        0 => (format!("minAvailable: {number}"), number),
        1 => (format!("maxUnavailable: {number}"), replicas - number),
        2 => (format!("minAvailable: {percent}%"), share),
        _ => (format!("maxUnavailable: {percent}%"), replicas - share),
    };
    (written, kept as usize)
}

/// A random small world under a policy, with its budgets. Machines come and go with batches of pods, by the clock and by script.
fn random_world(policy: &str, seed: u64) -> (Model, Vec<Budget>) {
    let mut stream = Seed { base: 71, replication: 0 }.stream("drains", seed);
    let (mut objects, mut budgets) = (String::new(), Vec::new());
    for app in ["one", "two"] {
        let (replicas, delay, grace) = (1 + stream.below(4), stream.below(30), stream.below(40));
        let (written, kept) = random_budget(&mut stream, replicas);
        objects += &format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {app}}}, spec: {{replicas: {replicas}, selector: \
             {{matchLabels: {{app: {app}}}}}, template: {{metadata: {{labels: {{app: {app}}}}}, spec: \
             {{terminationGracePeriodSeconds: {grace}, containers: [{{name: c, image: web, resources: {{requests: {{cpu: {}}}}}, \
             readinessProbe: {{periodSeconds: 5, initialDelaySeconds: {delay}}}}}]}}}}}}}}\n---\n{{apiVersion: policy/v1, kind: \
             PodDisruptionBudget, metadata: {{name: {app}}}, spec: {{{written}, selector: {{matchLabels: {{app: {app}}}}}}}}}\n---\n",
            1 + stream.below(2)
        );
        budgets.push(Budget { app: app.to_owned(), kept });
    }
    let (nodes, drained, batch) = (3 + stream.below(3), stream.below(3), 4 + stream.below(8));
    let scheduler = ["worst-fit", "first-fit", "random"][stream.below(3) as usize];
    let scenario = format!(
        "seed: {seed}
horizon: 40m
cluster: {{pools: [{{name: n, count: {nodes}, allocatable: {{cpu: 4, memory: 16Gi}}, usdPerHour: 0.2, scaling: {{min: 1, max: 10, \
         boot: 20s, ready: 5s}}}}]}}
workload:
  manifests: [objects.yaml]
  templates:
    - {{name: batch, requests: {{cpu: 2}}, count: {batch}, start: 3m, arrivals: {{poisson: {{perSecond: 0.1}}}}, duration: \
         {{exponential: {{mean: 4m}}}}}}
scheduler: {{policy: {scheduler}}}
provisioning: {{autoscalers: [{{policy: {policy}}}]}}
script: [{{at: 2m, drain: n-{drained}}}]
"
    );
    (model(&scenario, &objects), budgets)
}

#[test]
fn no_drain_breaks_a_budget() {
    let up_and_down = "{schedule: '*/6 * * * *', machines: 2}, {schedule: '3-59/6 * * * *', machines: 6}";
    let scheduled = format!("scheduled, parameters: {{actions: [{up_and_down}]}}");
    let policies = [
        QUICK,
        "karpenter",
        &scheduled,
        "static, parameters: {machines: 2}",
        "utilization, parameters: {scaleInDelay: 1m}",
        "warm-pool, parameters: {idleTime: 1m}",
    ];
    let mut tight = 0;
    for policy in policies {
        let (mut evicted, mut broken) = (0, Vec::new());
        for seed in 0..6 {
            let (model, budgets) = random_world(policy, seed);
            let observer = ((Guard::new(&budgets, 0), Guard::new(&budgets, 1)), CheckEveryEvent);
            let ((guard, strict), _) = watch(&model, observer).expect("the policies are there").observer;
            evicted += guard.evicted;
            tight += strict.broken.len();
            broken.extend(guard.broken.iter().map(|broken| format!("{policy}, seed {seed}, at {broken}")));
        }
        assert_eq!(broken, [""; 0]);
        assert!(evicted > 0, "{policy}: no drain has told a ready pod to go");
    }
    // Budgets bind: a budget that kept one more would often have been broken.
    assert!(tight >= 10, "only {tight} drains have left no more than a budget keeps");
}

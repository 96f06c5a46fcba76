//! Random small scenarios with objects that make pods, as files: a scenario, its manifests, and what its script applies.
//!
//! What is drawn reaches every kind of object, probes, back-offs, images, usage, budgets, quotas, faults of every kind and
//! a control plane that takes time. All of it is valid: a scenario that is refused is a mistake here or in the reader.

use serde_json::{Map, Value, json};

use super::random_model::Draw;

/// Files of a scenario by name; the first is the scenario.
pub(crate) struct Files(pub(crate) Vec<(String, String)>);

/// An object that makes pods.
#[derive(Clone, Debug)]
struct Object {
    kind: &'static str,
    name: String,
    /// Whether it is there at the present point of the script.
    is_there: bool,
    /// How many templates it has had.
    templates: u32,
}

impl Object {
    fn target(&self) -> String {
        format!("{}/{}", self.kind.to_lowercase(), self.name)
    }
}

/// Kinds of objects, Deployments twice as often as others.
const KINDS: [&str; 8] =
    ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "Rollout", "Deployment"];

/// The scenario of a seed: always the same.
pub(crate) fn random_scenario(seed: u64) -> Files {
    let draw = &mut Draw::new("workload-swarm", seed);
    let horizon_s = *draw.one_of(&[60, 300, 600, 600, 1800]);
    let mut objects: Vec<Object> = (0..draw.between(1, 4)).map(|number| object(draw, number)).collect();
    let mut items: Vec<Value> = objects.iter().map(|object| manifest(draw, object.kind, &object.name)).collect();
    items.extend(fixed_objects());
    items.extend(guards(draw, &objects));
    let mut files = vec![
        ("scenario.json".to_owned(), String::new()),
        ("objects.json".to_owned(), json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()),
    ];
    let (cluster, nodes) = cluster(draw);
    let faults = draw.maybe(0.5, |draw| faults(draw, &cluster, &nodes, &objects, horizon_s));
    let has_lifecycle = faults.is_some() || cluster.get("nodeLifecycle").is_some();
    let workload = json!({
        "manifests": ["objects.json"],
        "behaviours": objects.iter().flat_map(|object| behaviour(draw, object)).collect::<Vec<_>>(),
        "images": draw.maybe(0.5, images).unwrap_or(json!({})),
    });
    let mut script = Script { nodes, gone: Vec::new(), has_lifecycle, files: Vec::new() };
    let actions = script.actions(draw, &mut objects, horizon_s);
    files.extend(script.files);
    let scenario = json!({
        "apiVersion": "wavetank.dev/v1",
        "kind": "Scenario",
        "metadata": {"name": format!("workload-swarm-{seed}")},
        "seed": seed,
        "horizon": format!("{horizon_s}s"),
        "cluster": cluster,
        "workload": workload,
        "scheduler": scheduler(draw),
        "controlPlane": control_plane(draw),
        "faults": faults.unwrap_or(json!({})),
        "script": actions,
    });
    files[0].1 = scenario.to_string();
    Files(files)
}

fn object(draw: &mut Draw, number: u64) -> Object {
    let kind = *draw.one_of(&KINDS);
    Object { kind, name: format!("w{number}"), is_there: true, templates: 1 }
}

/// A span of a few seconds or minutes, often a round one, so that many things happen at once.
fn span(draw: &mut Draw, most_s: u64) -> String {
    match draw.between(0, 5) {
        0 => "0s".to_owned(),
        1 => format!("{}ms", draw.between(0, 1000 * most_s)),
        2 => format!("{}s", 10 * draw.between(0, most_s / 10)),
        _ => format!("{}s", draw.between(0, most_s)),
    }
}

fn distribution(draw: &mut Draw, most_s: u64) -> Value {
    let mean = format!("{}s", draw.between(1, most_s));
    match draw.between(0, 5) {
        0 => json!({"exponential": {"mean": mean}}),
        1 => json!({"uniform": {"min": "0s", "max": mean}}),
        2 => json!({"weibull": {"scale": mean, "shape": 0.7}}),
        _ => json!(span(draw, most_s)),
    }
}

fn cluster(draw: &mut Draw) -> (Value, Vec<String>) {
    let count = draw.between(1, 6);
    let zones = *draw.one_of(&[&[][..], &["a", "b"], &["a", "b", "c"]]);
    let capacity = draw
        .one_of(&[
            json!({"allocatable": {"cpu": 4, "memory": "8Gi"}}),
            json!({"allocatable": {"cpu": 1, "memory": "2Gi", "pods": 4}}),
            json!({"capacity": {"cpu": 4, "memory": "4Gi"}, "reserved": {"memory": "500Mi"}}),
        ])
        .clone();
    let mut pool = json!({"name": "n", "count": count, "zones": zones});
    extend(&mut pool, capacity);
    let mut cluster = json!({"pools": [pool]});
    if draw.chance(0.3) {
        extend(&mut cluster, json!({"nodeLifecycle": {"bootNotReady": distribution(draw, 60)}}));
    }
    if draw.chance(0.3) {
        let grace = span(draw, 120);
        extend(
            &mut cluster,
            json!({"kubelet": {
                "evictionHard": {"memory.available": "200Mi"},
                "evictionSoft": {"memory.available": "1Gi"},
                "evictionSoftGracePeriod": {"memory.available": grace},
                "evictionMaxPodGracePeriod": span(draw, 60),
            }}),
        );
    }
    (cluster, (0..count).map(|number| format!("n-{number}")).collect())
}

/// Puts the keys of one mapping into another.
fn extend(target: &mut Value, more: Value) {
    let (Value::Object(target), Value::Object(more)) = (target, more) else { panic!("both are mappings") };
    target.extend(more);
}

/// Objects that others ask for.
fn fixed_objects() -> Vec<Value> {
    vec![
        json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 1000}),
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "ssd"},
               "provisioner": "disk.example.com", "volumeBindingMode": "WaitForFirstConsumer"}),
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate", "metadata": {"name": "rate"},
               "spec": {"metrics": [{"name": "rate", "interval": "10s", "count": 3, "failureLimit": 1,
                                     "provider": {"web": {"url": "http://rate"}}}]}}),
    ]
}

/// Budgets and quotas.
fn guards(draw: &mut Draw, objects: &[Object]) -> Vec<Value> {
    let mut guards = Vec::new();
    for object in objects {
        if !draw.chance(0.5) {
            continue;
        }
        let bound = *draw.one_of(&["minAvailable", "maxUnavailable"]);
        let amount = some_of(draw);
        guards.push(json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": object.name},
            "spec": {bound: amount, "selector": {"matchLabels": {"app": object.name}}},
        }));
    }
    if draw.chance(0.2) {
        let hard = draw.one_of(&[json!({"pods": "4"}), json!({"requests.cpu": "3"})]).clone();
        guards.push(
            json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": hard}}),
        );
    }
    guards
}

fn some_of(draw: &mut Draw) -> Value {
    draw.one_of(&[json!(0), json!(1), json!(1), json!(2), json!("25%"), json!("50%"), json!("100%")]).clone()
}

fn scheduler(draw: &mut Draw) -> Value {
    let policy = *draw.one_of(&["kube-scheduler", "kube-scheduler", "first-fit", "least-allocated"]);
    let on_eviction = *draw.one_of(&["requeue", "end"]);
    let mut scheduler = json!({"policy": policy, "onEviction": on_eviction});
    if draw.chance(0.3) {
        let delays = json!({"scheduling": span(draw, 1), "binding": span(draw, 3), "start": distribution(draw, 5)});
        extend(&mut scheduler, json!({"delays": delays}));
    }
    scheduler
}

fn control_plane(draw: &mut Draw) -> Value {
    match draw.between(0, 5) {
        0 | 1 => json!({"preset": "realistic"}),
        2 => json!({"apiWrite": distribution(draw, 3), "watch": distribution(draw, 3),
                    "controllerWrites": {"perSecond": 1, "burst": 2}}),
        _ => json!({}),
    }
}

fn images(draw: &mut Draw) -> Value {
    json!({
        "registry": {"bandwidth": draw.one_of(&["10Mbps", "1Gbps"])},
        "node": {
            "bandwidth": "500Mbps",
            "disk": draw.one_of(&["300Mi", "1Gi", "50Gi"]),
            "maxParallelPulls": draw.between(1, 3),
            "imageMinimumGCAge": span(draw, 60),
        },
        "sizes": {"a:*": "200Mi", "b:*": "40Mi", "c*": "5Mi"},
        "layers": {"a:2": [{"digest": "x", "size": "100Mi"}, {"digest": "y", "size": "150Mi"}],
                   "b:2": [{"digest": "x", "size": "100Mi"}]},
    })
}

fn image(draw: &mut Draw) -> &'static str {
    ["a:1", "a:2", "b:1", "b:2", "c"][draw.between(0, 4) as usize]
}

// Pods.

fn container(draw: &mut Draw, name: &str, is_probed: bool) -> Value {
    let mut container = json!({"name": name, "image": image(draw)});
    if draw.chance(0.8) {
        let requests =
            json!({"cpu": draw.one_of(&["0", "100m", "500m", "1"]), "memory": draw.one_of(&["64Mi", "512Mi", "1Gi"])});
        let limits = if draw.chance(0.4) { json!({"memory": "1Gi", "cpu": "2"}) } else { json!({}) };
        extend(&mut container, json!({"resources": {"requests": requests, "limits": limits}}));
    }
    if draw.chance(0.2) {
        extend(&mut container, json!({"imagePullPolicy": draw.one_of(&["Always", "IfNotPresent", "Never"])}));
    }
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        if is_probed && draw.chance(0.25) {
            let mut asked = json!({"tcpSocket": {"port": 80}, "periodSeconds": draw.between(1, 15),
                                   "initialDelaySeconds": draw.between(0, 20), "failureThreshold": draw.between(1, 5)});
            if probe != "readinessProbe" && draw.chance(0.3) {
                extend(&mut asked, json!({"terminationGracePeriodSeconds": draw.between(1, 20)}));
            }
            extend(&mut container, json!({probe: asked}));
        }
    }
    if is_probed && draw.chance(0.2) {
        let seconds = draw.between(1, 40);
        extend(&mut container, json!({"lifecycle": {"preStop": {"sleep": {"seconds": seconds}}}}));
    }
    container
}

fn template(draw: &mut Draw, app: &str, restart_policy: Option<&str>) -> Value {
    let containers: Vec<Value> =
        (0..draw.between(1, 5).saturating_sub(3).max(1)).map(|n| container(draw, &format!("c{n}"), true)).collect();
    let mut spec = json!({"containers": containers});
    if draw.chance(0.3) {
        let is_sidecar = draw.chance(0.5);
        let mut first = container(draw, "i0", is_sidecar);
        if is_sidecar {
            extend(&mut first, json!({"restartPolicy": "Always"}));
        }
        extend(&mut spec, json!({"initContainers": [first]}));
    }
    if let Some(policy) = restart_policy {
        extend(&mut spec, json!({"restartPolicy": policy}));
    }
    if draw.chance(0.4) {
        extend(&mut spec, json!({"terminationGracePeriodSeconds": draw.one_of(&[0, 1, 5, 60])}));
    }
    if draw.chance(0.2) {
        extend(&mut spec, json!({"priorityClassName": "high"}));
    }
    if draw.chance(0.3) {
        // Not 0: a pod that tolerates its node's taint for no time comes again and again at one instant.
        let seconds = *draw.one_of(&[1, 10, 60]);
        let toleration = json!({"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds});
        extend(&mut spec, json!({"tolerations": [toleration]}));
    }
    json!({"metadata": {"labels": {"app": app}}, "spec": spec})
}

// Objects that make pods.

fn manifest(draw: &mut Draw, kind: &str, name: &str) -> Value {
    let selector = json!({"matchLabels": {"app": name}});
    let (version, spec) = match kind {
        "Deployment" => ("apps/v1", deployment(draw, name)),
        "ReplicaSet" => ("apps/v1", json!({"template": template(draw, name, None)})),
        "StatefulSet" => ("apps/v1", stateful_set(draw, name)),
        "DaemonSet" => ("apps/v1", daemon_set(draw, name)),
        "Rollout" => ("argoproj.io/v1alpha1", rollout(draw, name)),
        "Job" => ("batch/v1", job(draw, name)),
        _ => ("batch/v1", cron_job(draw, name)),
    };
    let mut manifest = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec});
    if !matches!(kind, "Job" | "CronJob") {
        extend(&mut manifest["spec"], json!({"selector": selector}));
        if draw.chance(0.3) {
            extend(&mut manifest["spec"], json!({"minReadySeconds": draw.between(0, 20)}));
        }
        if kind != "DaemonSet" {
            extend(&mut manifest["spec"], json!({"replicas": replicas(draw)}));
        }
    }
    manifest
}

fn replicas(draw: &mut Draw) -> u64 {
    *draw.one_of(&[0, 1, 2, 3, 3, 5, 8])
}

fn deployment(draw: &mut Draw, name: &str) -> Value {
    let mut spec = json!({"template": template(draw, name, None), "revisionHistoryLimit": draw.between(0, 3)});
    let surge = some_of(draw);
    match draw.between(0, 3) {
        0 => extend(&mut spec, json!({"strategy": {"type": "Recreate"}})),
        1 => extend(
            &mut spec,
            json!({"strategy": {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": draw.between(1, 2)}}}),
        ),
        2 => extend(&mut spec, json!({"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}})),
        _ => {}
    }
    if draw.chance(0.3) {
        extend(&mut spec, json!({"progressDeadlineSeconds": draw.between(21, 100)}));
    }
    spec
}

fn stateful_set(draw: &mut Draw, name: &str) -> Value {
    let mut spec = json!({"template": template(draw, name, None), "serviceName": name});
    if draw.chance(0.3) {
        extend(&mut spec, json!({"podManagementPolicy": "Parallel"}));
    }
    let strategy = draw
        .one_of(&[
            json!({"type": "OnDelete"}),
            json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}),
            json!({"type": "RollingUpdate"}),
        ])
        .clone();
    extend(&mut spec, json!({"updateStrategy": strategy}));
    if draw.chance(0.2) {
        let claim = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
                           "storageClassName": "ssd", "resources": {"requests": {"storage": "1Gi"}}}});
        extend(&mut spec, json!({"volumeClaimTemplates": [claim]}));
    }
    spec
}

fn daemon_set(draw: &mut Draw, name: &str) -> Value {
    let strategy = draw
        .one_of(&[
            json!({"type": "OnDelete"}),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}}),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
        ])
        .clone();
    json!({"updateStrategy": strategy, "template": template(draw, name, None)})
}

fn rollout(draw: &mut Draw, name: &str) -> Value {
    let strategy = if draw.chance(0.3) {
        json!({"blueGreen": {"activeService": name, "autoPromotionSeconds": draw.between(1, 60),
                             "scaleDownDelaySeconds": draw.between(1, 60)}})
    } else {
        let step = |draw: &mut Draw| match draw.between(0, 3) {
            0 => json!({"pause": {"duration": draw.between(1, 60)}}),
            1 => json!({"analysis": {"templates": [{"templateName": "rate"}]}}),
            _ => json!({"setWeight": draw.one_of(&[0, 10, 20, 50, 100])}),
        };
        let steps: Vec<Value> = (0..draw.between(0, 4)).map(|_| step(draw)).collect();
        json!({"canary": {"steps": steps, "maxSurge": draw.one_of(&["25%", "50%"])}})
    };
    json!({"template": template(draw, name, None), "strategy": strategy})
}

fn job(draw: &mut Draw, name: &str) -> Value {
    let policy = *draw.one_of(&["Never", "OnFailure"]);
    let mut spec = json!({
        "template": template(draw, name, Some(policy)),
        "parallelism": draw.between(0, 4),
        "backoffLimit": draw.between(0, 6),
    });
    if draw.chance(0.6) {
        let completions = draw.between(1, 6);
        extend(&mut spec, json!({"completions": completions}));
        if draw.chance(0.4) {
            extend(&mut spec, json!({"completionMode": "Indexed"}));
            if policy == "Never" && draw.chance(0.6) {
                extend(&mut spec, json!({"backoffLimitPerIndex": draw.between(0, 2)}));
            }
        }
    }
    if draw.chance(0.2) {
        extend(&mut spec, json!({"activeDeadlineSeconds": draw.between(1, 200)}));
    }
    if draw.chance(0.2) {
        extend(&mut spec, json!({"ttlSecondsAfterFinished": draw.between(0, 60)}));
    }
    if policy == "Never" && draw.chance(0.4) {
        let action = *draw.one_of(&["FailJob", "Ignore", "Count"]);
        let codes =
            json!({"action": action, "onExitCodes": {"containerName": "c0", "operator": "In", "values": [1, 137]}});
        let disruption = json!({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]});
        extend(&mut spec, json!({"podFailurePolicy": {"rules": [disruption, codes]}}));
    }
    spec
}

fn cron_job(draw: &mut Draw, name: &str) -> Value {
    json!({
        "schedule": draw.one_of(&["* * * * *", "*/2 * * * *", "1,4 * * * *"]),
        "concurrencyPolicy": draw.one_of(&["Allow", "Forbid", "Replace"]),
        "successfulJobsHistoryLimit": draw.between(0, 3),
        "failedJobsHistoryLimit": draw.between(0, 2),
        "jobTemplate": {"spec": job(draw, name)},
    })
}

/// What its containers do, if anything is said of it.
fn behaviour(draw: &mut Draw, object: &Object) -> Option<Value> {
    if !draw.chance(0.7) {
        return None;
    }
    let mut behaviour = json!({"kind": object.kind, "name": object.name});
    for key in ["startUp", "shutDown"] {
        if draw.chance(0.5) {
            extend(&mut behaviour, json!({key: distribution(draw, 40)}));
        }
    }
    if draw.chance(0.5) {
        let codes = draw.one_of(&[json!({"0": 1}), json!({"0": 0.5, "1": 0.5}), json!({"1": 0.3, "137": 0.7})]).clone();
        // Runs of no time would be restarted without end at one instant; Kubernetes waits only from the second on.
        extend(&mut behaviour, json!({"runTime": {"uniform": {"min": "1s", "max": "100s"}}, "exitCodes": codes}));
        if draw.chance(0.3) {
            extend(&mut behaviour, json!({"checkpointEvery": "7s"}));
        }
    }
    if draw.chance(0.4) {
        let memory = draw
            .one_of(&[
                json!("300Mi"),
                json!({"ramp": {"from": "50Mi", "to": "3Gi", "over": "5m"}}),
                json!({"uniform": {"min": "100Mi", "max": "2Gi"}}),
            ])
            .clone();
        extend(&mut behaviour, json!({"memory": memory}));
    }
    if draw.chance(0.3) {
        let cpu = draw.one_of(&[json!("1500m"), json!({"uniform": {"min": "0", "max": "3"}})]).clone();
        extend(&mut behaviour, json!({"cpu": cpu}));
    }
    Some(behaviour)
}

// What happens.

fn faults(draw: &mut Draw, cluster: &Value, nodes: &[String], objects: &[Object], horizon_s: u64) -> Value {
    let zones = cluster["pools"][0]["zones"].as_array().cloned().unwrap_or_default();
    let event = |draw: &mut Draw| {
        let node = draw.one_of(nodes).clone();
        let mut fault = match draw.between(0, 9) {
            0 | 1 => json!({"nodeDown": node}),
            2 => json!({"reclaim": node}),
            3 => json!({"apiServerDown": true}),
            4 => json!({"apiServerSlowdown": 5}),
            5 => json!({"registrySlowdown": 10}),
            6 => json!({"stockOut": "n"}),
            7 if !zones.is_empty() => json!({"zoneDown": draw.one_of(&zones)}),
            _ if !zones.is_empty() => json!({"zoneCutOff": draw.one_of(&zones)}),
            _ => json!({"nodeDown": node}),
        };
        extend(&mut fault, json!({"at": span(draw, horizon_s), "for": format!("{}s", draw.between(1, 400))}));
        fault
    };
    let events: Vec<Value> = (0..draw.between(1, 4)).map(|_| event(draw)).collect();
    let mut faults = json!({"events": events});
    if draw.chance(0.3) {
        let entry = json!({"timeToFailure": {"exponential": {"mean": "5m"}}, "timeToRepair": distribution(draw, 100)});
        extend(&mut faults, json!({"nodes": [entry]}));
    }
    if draw.chance(0.2) {
        let entry = json!({"pool": "n", "timeToReclaim": {"exponential": {"mean": "20m"}}, "notice": span(draw, 120)});
        extend(&mut faults, json!({"spot": [entry]}));
    }
    if draw.chance(0.3) {
        let crash =
            json!({"target": objects[0].target(), "timeToCrash": {"exponential": {"mean": "1m"}}, "exitCode": 137});
        extend(&mut faults, json!({"pods": [crash]}));
    }
    faults
}

struct Script {
    nodes: Vec<String>,
    /// Nodes that have been taken away.
    gone: Vec<String>,
    has_lifecycle: bool,
    /// What is applied.
    files: Vec<(String, String)>,
}

impl Script {
    fn actions(&mut self, draw: &mut Draw, objects: &mut [Object], horizon_s: u64) -> Vec<Value> {
        let mut instants: Vec<u64> = (0..draw.between(0, 12)).map(|_| draw.between(0, horizon_s)).collect();
        instants.sort_unstable();
        let actions = instants.into_iter().filter_map(|at| {
            let mut action = match draw.chance(0.3) {
                true => self.on_node(draw)?,
                false => self.on_object(draw, objects)?,
            };
            action.insert("at".to_owned(), json!(format!("{at}s")));
            Some(Value::Object(action))
        });
        actions.collect()
    }

    fn on_node(&mut self, draw: &mut Draw) -> Option<Map<String, Value>> {
        let node = draw.one_of(&self.nodes).clone();
        let verbs = ["cordon", "uncordon", "drain", "drain", "remove", "crash", "add", "outOfService"];
        let verb = *draw.one_of(&verbs[..if self.has_lifecycle { 8 } else { 7 }]);
        if verb == "add" {
            return mapping(json!({"add": {"pool": "n", "count": 1}}));
        }
        if self.gone.contains(&node) {
            return None;
        }
        if verb == "remove" || verb == "crash" {
            self.gone.push(node.clone());
        }
        mapping(json!({verb: node}))
    }

    fn on_object(&mut self, draw: &mut Draw, objects: &mut [Object]) -> Option<Map<String, Value>> {
        let position = draw.between(0, objects.len() as u64 - 1) as usize;
        let object = &mut objects[position];
        let target = object.target();
        if !object.is_there || draw.chance(0.1) {
            object.is_there = true;
            object.templates += 1;
            let file = format!("apply-{}.json", self.files.len());
            self.files.push((file.clone(), manifest(draw, object.kind, &object.name).to_string()));
            return mapping(json!({"apply": file}));
        }
        let is_release = matches!(object.kind, "Deployment" | "Rollout");
        match draw.between(0, 9) {
            0 | 1 if !matches!(object.kind, "DaemonSet" | "Job" | "CronJob") => {
                mapping(json!({"scale": {"target": target, "replicas": replicas(draw)}}))
            }
            2..=4 if object.kind != "Job" => {
                object.templates += 1;
                // Of its own, so that there is a template to go back to.
                let image = format!("{}-{}", image(draw), object.templates);
                mapping(json!({"setImage": {"target": target, "container": "c0", "image": image}}))
            }
            5 if is_release || matches!(object.kind, "Job" | "CronJob") => {
                mapping(json!({"pause": {"target": target}}))
            }
            6 if is_release || matches!(object.kind, "Job" | "CronJob") => {
                mapping(json!({"resume": {"target": target}}))
            }
            7 if is_release && object.templates > 2 => mapping(json!({"rollBack": {"target": target}})),
            8 if object.kind == "Rollout" => {
                let verb = *draw.one_of(&["promote", "abort", "retry"]);
                mapping(json!({verb: {"target": target}}))
            }
            9 => {
                object.is_there = false;
                object.templates = 0;
                mapping(json!({"delete": {"target": target}}))
            }
            _ => None,
        }
    }
}

fn mapping(value: Value) -> Option<Map<String, Value>> {
    let Value::Object(mapping) = value else { panic!("an action is a mapping") };
    Some(mapping)
}

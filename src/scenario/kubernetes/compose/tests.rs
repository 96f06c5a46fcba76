#![allow(clippy::disallowed_methods, reason = "tests write the files that they read")]

use super::*;
use crate::document::{Source, parse, parse_value};
use crate::model::Workload;
use crate::model::controllers::{ControllerKind, Controllers, DaemonSetUpdate, DeploymentStrategy, RestartPolicy};
use crate::model::objects::CountOrPercent;
use crate::model::pod_spec::SelectorOperator;
use crate::model::{Cluster, Objects, PodClass, PodSpec};
use crate::scenario::kubernetes::{PodMakers, ReadFor, add_pods};
use crate::units::{Bytes, MilliCpu, SimDuration};

/// What the model gets from a Compose file.
struct Loaded {
    workload: Workload,
    objects: Objects,
    controllers: Controllers,
    cluster: Cluster,
    findings: Findings,
}

impl Loaded {
    /// The issues as `line:column message`.
    fn issues(&self) -> Vec<String> {
        let issues = self.findings.issues.as_slice().iter();
        issues.map(|issue| format!("{}:{} {}", issue.span.line, issue.span.column, issue.message)).collect()
    }

    fn warnings(&self) -> Vec<String> {
        let warnings = self.findings.warnings();
        warnings.map(|warning| format!("{}:{} {}", warning.span.line, warning.span.column, warning.message)).collect()
    }

    fn only(&self) -> &crate::model::controllers::Controller {
        assert_eq!(self.issues(), [""; 0]);
        match &self.controllers.list[..] {
            [only] => only,
            list => panic!("{} objects", list.len()),
        }
    }

    fn class(&self) -> &PodClass {
        self.workload.class(self.only().templates[0].classes[0])
    }

    fn pod(&self) -> &PodSpec {
        &self.class().spec
    }

    fn life(&self) -> &crate::model::controllers::PodLife {
        &self.controllers.lives[self.only().templates[0].life.index()]
    }
}

fn load_bytes(name: &str, bytes: &[u8]) -> Loaded {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let (mut cluster, mut workload) = (Cluster::default(), Workload::default());
    let (mut objects, mut findings) = (Objects::default(), Findings::default());
    let mut makers = PodMakers::new(ReadFor::KubeScheduler, Vec::new());
    add_pods(&[path], &mut makers, &mut cluster, &mut workload, &mut objects, &mut findings);
    let controllers = makers.finish(&mut workload, &mut []);
    Loaded { workload, objects, controllers, cluster, findings }
}

fn load(text: &str) -> Loaded {
    load_bytes("compose.yaml", text.as_bytes())
}

/// A file with the one service `web` of which that is said, on lines of their own from the fourth.
fn load_service(lines: &str) -> Loaded {
    load(&format!("services:\n  web:\n    image: web:1\n{}", indented(lines)))
}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("    {line}\n")).collect()
}

fn seconds(number: u64) -> SimDuration {
    SimDuration(number * 1_000_000_000)
}

#[test]
fn modes_are_kinds() {
    for (lines, kind, pods) in [
        ("", "Deployment", 1),
        ("scale: 3", "Deployment", 3),
        ("deploy: {replicas: 4}", "Deployment", 4),
        ("deploy: {mode: replicated, replicas: \"${REPLICAS:-5}\"}", "Deployment", 5),
        ("deploy: {mode: global}", "DaemonSet", 1),
        ("deploy: {mode: replicated-job, replicas: 6}", "Job", 6),
        ("deploy: {mode: global-job}", "Job", 1),
        ("deploy: {replicas: 2, restart_policy: {condition: none}}", "Job", 2),
        ("deploy: {mode: global, restart_policy: {condition: none}}", "DaemonSet", 1),
        ("deploy: {replicas: 2, restart_policy: {condition: on-failure}}", "Deployment", 2),
        ("restart: \"no\"", "Deployment", 1),
    ] {
        let loaded = load_service(lines);
        let only = loaded.only();
        assert_eq!((only.name.as_str(), only.namespace.as_str()), ("web", "default"), "{lines}");
        let found = match &only.kind {
            ControllerKind::Deployment(deployment) => ("Deployment", deployment.replicas),
            ControllerKind::DaemonSet(_) => ("DaemonSet", 1),
            ControllerKind::Job(job) => {
                assert_eq!(job.completions, Some(job.parallelism), "{lines}");
                ("Job", job.parallelism)
            }
            _ => ("other", 0),
        };
        assert_eq!(found, (kind, pods), "{lines}");
        let labels = &loaded.pod().labels;
        assert!(labels.iter().any(|label| (label.key.as_str(), label.value.as_str()) == ("app", "web")), "{lines}");
    }
}

#[test]
fn jobs_are_started_again_as_they_say() {
    let (on_failure, never) = (RestartPolicy::OnFailure, RestartPolicy::Never);
    for (lines, policy, limit) in [
        ("deploy: {mode: replicated-job}", on_failure, i32::MAX),
        ("deploy: {mode: replicated-job, restart_policy: {max_attempts: 3}}", on_failure, 3),
        ("deploy: {mode: replicated-job, restart_policy: {condition: none}}", never, 0),
        ("deploy: {mode: replicated-job}\nrestart: \"no\"", never, 0),
        ("deploy: {restart_policy: {condition: none}}", never, 0),
    ] {
        let loaded = load_service(lines);
        let ControllerKind::Job(job) = &loaded.only().kind else { panic!("{lines}") };
        assert_eq!((loaded.life().restart_policy, job.backoff_limit), (policy, limit), "{lines}");
    }
}

#[test]
fn resources_are_requests_and_limits() {
    const MIB: u64 = 1 << 20;
    // Milli-cores and MiB of the requests, then of the limits.
    for (lines, requests, limits) in [
        (
            "deploy: {resources: {reservations: {cpus: '0.25', memory: 20M}, limits: {cpus: 0.5, memory: 50m}}}",
            (250, 20),
            Some((500, 50)),
        ),
        ("deploy: {resources: {reservations: {cpus: 1, memory: 1gb}}}", (1000, 1024), None),
        // A limit without a request is the request.
        ("deploy: {resources: {limits: {cpus: '2', memory: 1g}}}", (2000, 1024), Some((2000, 1024))),
        ("cpus: 1.5\nmem_limit: 1g\nmem_reservation: 512m", (1500, 512), Some((1500, 1024))),
        ("mem_limit: 1073741824\ndeploy: {resources: {limits: {memory: 1g}}}", (0, 1024), Some((0, 1024))),
        ("cpus: 0\nmem_limit: 0", (0, 0), None),
        // A ten-thousandth of a core is rounded up.
        ("cpus: 0.0001", (1, 0), Some((1, 0))),
    ] {
        let loaded = load_service(lines);
        let class = loaded.class();
        let expected = |(cpu, mib): (u64, u64)| (MilliCpu(cpu), Bytes(mib * MIB));
        assert_eq!((class.requests.cpu, class.requests.memory), expected(requests), "{lines}");
        let found = class.limits.as_ref().map(|limits| (limits.cpu, limits.memory));
        assert_eq!(found, limits.map(expected), "{lines}");
    }
}

#[test]
fn devices_are_extended_resources() {
    let reserve = |device: &str| format!("deploy: {{resources: {{reservations: {{devices: [{device}]}}}}}}");
    for (lines, resource, amount, warnings) in [
        (reserve("{capabilities: [gpu], count: 2}"), "nvidia.com/gpu", 2, 0),
        (reserve("{capabilities: [gpu], driver: amd, count: '1'}"), "amd.com/gpu", 1, 0),
        (reserve("{capabilities: [gpu], device_ids: ['0', '3', '5']}"), "nvidia.com/gpu", 3, 0),
        (reserve("{capabilities: [gpu], count: 1}, {capabilities: [gpu], count: 2}"), "nvidia.com/gpu", 3, 0),
        (reserve("{capabilities: [gpu], count: all}"), "nvidia.com/gpu", 1, 1),
        (reserve("{capabilities: [gpu]}"), "nvidia.com/gpu", 1, 1),
        ("gpus: all".to_owned(), "nvidia.com/gpu", 1, 1),
        ("gpus: [{driver: nvidia, count: 4}]".to_owned(), "nvidia.com/gpu", 4, 0),
        (reserve("{capabilities: [tpu], count: 2}"), "", 0, 1),
    ] {
        let loaded = load_service(&lines);
        let extended = &loaded.class().requests.extended;
        let at = loaded.cluster.extended_resources.iter().position(|name| name == resource);
        let found = at.and_then(|at| extended.get(at).copied()).unwrap_or(0);
        assert_eq!((found, loaded.warnings().len()), (amount, warnings), "{lines}");
    }
}

#[test]
fn updates_are_strategies() {
    let (count, percent) = (CountOrPercent::Count, CountOrPercent::Percent);
    for (config, surge, unavailable, ready, deadline) in [
        ("{}", percent(25), percent(25), 0, 600),
        ("{parallelism: 2, delay: 10s}", count(0), count(2), 10, 600),
        ("{order: start-first}", count(1), count(0), 0, 600),
        ("{parallelism: 0, order: start-first}", percent(100), count(0), 0, 600),
        // 1m30s = 90 s; half a second is rounded up.
        ("{parallelism: '3', monitor: 1m30s, delay: 5s}", count(0), count(3), 90, 600),
        ("{delay: 500ms}", count(0), count(1), 1, 600),
        // 10 min of waiting and as much to make progress in
        ("{delay: 10m}", count(0), count(1), 600, 1200),
    ] {
        let config = if config == "{}" { String::new() } else { format!("deploy: {{update_config: {config}}}") };
        let loaded = load_service(&config);
        let ControllerKind::Deployment(deployment) = &loaded.only().kind else { panic!("{config}") };
        let strategy = DeploymentStrategy::RollingUpdate { max_surge: surge, max_unavailable: unavailable };
        assert_eq!(deployment.strategy, strategy, "{config}");
        assert_eq!(deployment.min_ready, seconds(ready), "{config}");
        assert_eq!(deployment.progress_deadline, Some(seconds(deadline)), "{config}");
    }
    let loaded = load_service("deploy: {mode: global, update_config: {order: start-first, parallelism: 2, delay: 3s}}");
    let ControllerKind::DaemonSet(set) = &loaded.only().kind else { panic!("a DaemonSet") };
    let update = DaemonSetUpdate::RollingUpdate { max_surge: count(2), max_unavailable: count(0) };
    assert_eq!((set.update, set.min_ready), (update, seconds(3)));
}

#[test]
fn placement_is_affinity_and_spreading() {
    let place = |placement: &str| load_service(&format!("deploy:\n  placement: {placement}"));
    let loaded = place("{constraints: [node.labels.zone==a, node.hostname == n-1]}");
    let selector: Vec<String> =
        loaded.class().node_selector.iter().map(|label| format!("{}={}", label.key, label.value)).collect();
    assert_eq!(selector, ["kubernetes.io/hostname=n-1", "zone=a"]);

    use SelectorOperator::{DoesNotExist, Exists, In, NotIn};
    for (constraint, key, operator, values) in [
        ("node.labels.zone != a", "zone", NotIn, &["a"][..]),
        ("node.role==worker", "node-role.kubernetes.io/control-plane", DoesNotExist, &[]),
        ("node.role != manager", "node-role.kubernetes.io/control-plane", DoesNotExist, &[]),
        ("node.role == manager", "node-role.kubernetes.io/control-plane", Exists, &[]),
        ("node.platform.arch!=x86_64", "kubernetes.io/arch", NotIn, &["amd64"]),
        ("engine.labels.operatingsystem!=windows", "kubernetes.io/os", NotIn, &["windows"]),
    ] {
        let loaded = place(&format!("{{constraints: ['{constraint}']}}"));
        let affinity = format!("{:?}", loaded.pod());
        let terms = loaded.pod().node_affinity.required.as_ref().unwrap_or_else(|| panic!("{affinity}"));
        let found = &terms[0].expressions[0];
        assert_eq!((found.key.as_str(), found.operator), (key, operator), "{constraint}");
        assert_eq!(found.values, values, "{constraint}");
    }
    // Two values of one label: the second must be asked for too, although no node can have both.
    let loaded = place("{constraints: [node.labels.zone==a, node.labels.zone==b]}");
    let terms = loaded.pod().node_affinity.required.as_ref().unwrap();
    assert_eq!((loaded.class().node_selector.len(), terms[0].expressions[0].operator), (1, In));

    let loaded = place("{preferences: [{spread: node.labels.zone}, {spread: node.labels.rack}]}");
    let spreads: Vec<(i32, &str)> =
        loaded.pod().topology_spread.iter().map(|spread| (spread.max_skew, spread.topology_key.as_str())).collect();
    assert_eq!(spreads, [(2, "zone"), (1, "rack")]);

    let loaded = place("{max_replicas_per_node: 1}");
    let anti_affinity = &loaded.pod().pod_anti_affinity.required;
    assert_eq!(anti_affinity.len(), 1);
    assert_eq!(anti_affinity[0].topology_key, "kubernetes.io/hostname");
    assert!(place("{max_replicas_per_node: 0}").warnings().is_empty());
    assert_eq!(place("{max_replicas_per_node: 2}").warnings().len(), 1);
}

#[test]
fn health_checks_are_probes() {
    // Delay, period, time-out in seconds and failures of the startup probe, and of the two others.
    for (check, startup, others) in [
        ("{test: curl localhost}", None, Some((30, 30, 30, 3))),
        ("{test: [CMD, x], interval: 10s, timeout: 2s, retries: 5}", None, Some((10, 10, 2, 5))),
        // 60 s and 3 failures 10 s apart: 90 s, or 18 attempts 5 s apart
        ("{test: x, interval: 10s, start_period: 1m}", Some((5, 5, 30, 18)), Some((0, 10, 30, 3))),
        // 7 s + 2 * 10 s = 27 s, or 14 attempts 2 s apart
        (
            "{test: x, interval: 10s, retries: 2, start_period: 7s, start_interval: 1500ms}",
            Some((2, 2, 30, 14)),
            Some((0, 10, 30, 2)),
        ),
        ("{interval: 0s, retries: 0, timeout: 1s}", None, Some((30, 30, 1, 3))),
        ("{test: 'test $$HOME = ${HOME}'}", None, Some((30, 30, 30, 3))),
        ("{disable: true}", None, None),
        ("{test: [NONE]}", None, None),
        ("{test: NONE}", None, None),
    ] {
        let loaded = load_service(&format!("healthcheck: {check}"));
        loaded.only();
        let probes = &loaded.life().containers[0].probes;
        let figures = |probe: &Option<crate::model::controllers::Probe>| {
            let whole = |duration: SimDuration| duration.0 / 1_000_000_000;
            probe.as_ref().map(|probe| {
                let (delay, period) = (whole(probe.initial_delay), whole(probe.period));
                (delay, period, whole(probe.timeout), probe.failure_threshold)
            })
        };
        assert_eq!(figures(&probes.startup), startup, "{check}");
        assert_eq!(figures(&probes.readiness), others, "{check}");
        assert_eq!(figures(&probes.liveness), others, "{check}");
    }
}

#[test]
fn ports_make_a_service() {
    // The ports of the node, and whether there is a Service.
    for (lines, of_node, has_service) in [
        ("", vec![], false),
        ("ports: ['8080:80', 443, '127.0.0.1:53:53/udp', '[::1]:90-92:90-92']", vec![], true),
        ("expose: ['8000', 9000/tcp]", vec![], true),
        ("ports: [{target: 80, published: 8080, mode: host, protocol: tcp}]", vec![("TCP", 8080)], true),
        ("ports: [{target: 53, published: '53', mode: host, protocol: udp}]", vec![("UDP", 53)], true),
        ("ports: [{target: 80, published: '8080-8090'}]", vec![], true),
        // On the network of the node every port is one.
        ("network_mode: host\nexpose: [80]", vec![("TCP", 80)], true),
    ] {
        let loaded = load_service(lines);
        let ports = &loaded.pod().host_ports;
        let found: Vec<(&str, i32)> = ports.iter().map(|port| (port.protocol.as_str(), port.port)).collect();
        assert_eq!(found, of_node, "{lines}");
        let selectors: Vec<_> = loaded.objects.services.iter().map(|service| &service.selector[..]).collect();
        assert_eq!(selectors.len(), usize::from(has_service), "{lines}");
        assert!(selectors.iter().all(|labels| labels.len() == 1 && labels[0].value == "web"), "{lines}");
    }
}

#[test]
fn containers_are_named_and_stopped_as_they_say() {
    let loaded = load_service("container_name: Main_1\nstop_grace_period: 1m30s\npull_policy: always");
    let life = loaded.life();
    assert_eq!((life.containers[0].name.as_str(), life.grace_period), ("main-1", seconds(90)));
    assert_eq!(life.containers[0].pull_policy, crate::model::controllers::PullPolicy::Always);
    let loaded = load("services: {My_Web.v2: {build: .}}");
    assert_eq!((loaded.only().name.as_str(), loaded.pod().images[0].as_str()), ("my-web-v2", "my-web-v2"));
}

/// What is wrong, with its place in the file: the service's keys begin on line 4 in column 5.
#[test]
fn mistakes_are_shown_where_they_are() {
    for (lines, expected) in [
        ("deploy:\n  replicas: many", "5:17 `deploy.replicas` must be a whole number, not text"),
        ("deploy: {mode: swarm}", "4:20 `deploy.mode`: `swarm` is not allowed"),
        ("deploy: {mode: global, replicas: 2}", "4:38 services with one task a node have no number of replicas"),
        ("deploy: [1]", "4:13 `deploy` must be a mapping, not a list"),
        ("scale: 2\ndeploy: {replicas: 3}", "4:12 `scale` is 2, and `deploy.replicas` is 3"),
        ("image2: x\ncpus: 500m", "5:11 `cpus` must be a number of cores such as 0.5"),
        ("mem_limit: 1 GiBi", "4:16 `mem_limit` must be a size such as 512m or 2gb"),
        (
            "cpus: 2\ndeploy: {resources: {limits: {cpus: 1}}}",
            "4:11 `cpus` differs from `deploy.resources.limits.cpus`",
        ),
        ("mem_limit: 1g\nmem_reservation: 2g", "5:22 `reservations.memory` exceeds `limits.memory`"),
        ("restart: sometimes", "4:14 `restart`: `sometimes` is not allowed"),
        (
            "deploy:\n  mode: replicated-job\n  restart_policy: {condition: any}",
            "6:35 the tasks of a job are not started again when they succeed",
        ),
        ("stop_grace_period: soon", "4:24 `stop_grace_period`: `soon` is not a duration such as 90s, 5m or 1h30m"),
        ("pull_policy: daily2", "4:18 `pull_policy`: `daily2` is not allowed"),
        ("ports: ['80:http']", "4:13 `ports[]` must be such as 80, \"8080:80\" or \"127.0.0.1:53:53/udp\""),
        ("ports: [{published: 80}]", "4:13 `ports[]` has no `target`"),
        (
            "deploy: {placement: {constraints: [zone=a]}}",
            "4:40 `deploy.placement.constraints[]`: `zone=a` is no constraint",
        ),
        (
            "deploy: {placement: {constraints: [zone==a]}}",
            "4:40 `deploy.placement.constraints[]`: nodes have no `zone`",
        ),
        ("healthcheck: {retries: -1}", "4:28 `healthcheck.retries` must be from 0 to 2147483647, not -1"),
        ("mem_limit: ${LIMIT}", "4:16 the variable `LIMIT` has no default"),
        ("mem_limit: ${LIMIT:?say how much}", "4:16 the variable `LIMIT` has no default: say how much"),
        ("container_name: a$", "4:21 `a$`: what follows `$` is no variable"),
        ("extends: {service: base}", "4:14 `extends` of a service is not resolved"),
    ] {
        let loaded = load_service(lines);
        assert_eq!(loaded.issues()[0], expected, "{lines}");
        assert!(loaded.controllers.list.is_empty(), "{lines}");
    }
    for (text, expected) in [
        ("services: [web]", "1:11 `services` must be a mapping, not a list"),
        ("services:\n  web:\n", "2:3 the service `web` must be a mapping, not nothing (null)"),
        ("services:\n  web: {ports: [80]}", "2:3 the service `web` has neither `image` nor `build`"),
        ("services:\n  'a b': {image: x}", "2:3 `a b` cannot be the name of a service"),
        ("services:\n  a_b: {image: x}\n  A.b: {image: x}", "3:3 the service `A.b` has the name `a-b` of `a_b`"),
        (
            "services: {a: {image: x, ports: [1-65535]}, b: {image: x, ports: [1-65535]}}",
            "1:67 the services up to here have more than 100000 ports",
        ),
    ] {
        assert_eq!(load(text).issues(), [expected], "{text}");
    }
    let shown = load_service("mem_limit: ${LIMIT}").findings.issues.as_slice()[0].to_string();
    assert!(shown.contains("\n  4 |     mem_limit: ${LIMIT}\n    |                ^"), "{shown}");
    assert!(shown.ends_with("hint: no environment is read; write a default, as in `${LIMIT:-...}`"), "{shown}");
}

#[test]
fn what_is_not_used_is_said_once() {
    let loaded = load(
        "x-base: &base\n  image: app:1\n  environment: {SECRET: \"${SECRET}\"}\n  depends_on: [db]\n\
         services:\n  a: {<<: *base, volumes: ['data:/data']}\n  b: {<<: *base, x-note: 1, comand: run}\n\
         \x20 c: {<<: *base, profiles: [debug], mem_limit: \"${NONE}\"}\n\
         volumes: {data: {}}\nsecret: {}\ninclude: [other.yaml]\n",
    );
    assert_eq!(loaded.issues(), [""; 0]);
    let names: Vec<&str> = loaded.controllers.list.iter().map(|controller| controller.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let mut warnings: Vec<String> = loaded
        .findings
        .warnings()
        .map(|warning| {
            format!("{}:{} {} x{}", warning.span.line, warning.span.column, warning.message, warning.objects)
        })
        .collect();
    warnings.sort();
    let mut expected = [
        "6:11 `depends_on` of a Compose service is not used by this release x2".to_owned(),
        "6:27 `volumes` of a Compose service is not used by this release x1".to_owned(),
        "7:29 a Compose service has no `comand`; did you mean `command`? x1".to_owned(),
        "8:28 services with `profiles` are left out: they are off unless their profile is asked for x1".to_owned(),
        "10:1 a Compose file has no `secret`; did you mean `secrets`? x1".to_owned(),
        "11:1 `include` of a Compose file is not followed: list those files under `workload.manifests` x1".to_owned(),
    ];
    expected.sort();
    assert_eq!(warnings, expected);
}

#[test]
fn compose_files_are_known_by_what_they_say() {
    let compose = "services: {web: {image: web:1}}\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, compose.as_bytes()).unwrap();
    for (name, bytes) in [
        ("docker-compose.yml", compose.as_bytes().to_vec()),
        ("stack.json", b"{\"services\": {\"web\": {\"image\": \"web:1\"}}}".to_vec()),
        ("compose.yaml.gz", gzip.finish().unwrap()),
    ] {
        assert_eq!(load_bytes(name, &bytes).only().name, "web", "{name}");
    }
    // Beside Kubernetes objects; what has a kind is none of Compose.
    let mixed = format!(
        "{compose}---\n{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{containers: [{{name: c, image: i}}]}}}}\n\
         ---\n{{kind: Mesh, services: {{}}}}\n"
    );
    let loaded = load(&mixed);
    assert_eq!((loaded.only().name.as_str(), loaded.workload.sources.len()), ("web", 1));
    assert_eq!(loaded.warnings(), ["5:1 Mesh objects are not used by this release"]);
}

/// The trees themselves, for one service that says something of everything.
#[test]
fn trees_are_those_of_manifests() {
    let source = Source {
        file: "compose.yaml".into(),
        text: "services: {web: {image: 'web:1', ports: ['8080:80'], deploy: {replicas: 2, resources: {limits: \
               {memory: 1m}}}}}"
            .into(),
    };
    let mut findings = Findings::default();
    let documents = parse(&source, &mut findings.issues);
    let objects = translate(&source.file, documents, &mut findings);
    assert!(findings.issues.is_empty() && findings.warnings().next().is_none());
    let expected = [
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: {app: web}}, spec: {replicas: 2, selector: \
         {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'web:1', \
         resources: {limits: {memory: '1048576'}}, ports: [{containerPort: 80, protocol: TCP}]}]}}}}",
        "{apiVersion: v1, kind: Service, metadata: {name: web, labels: {app: web}}, spec: {selector: {app: web}, ports: \
         [{port: 8080, targetPort: 80, protocol: TCP}]}}",
    ];
    assert_eq!(objects.len(), expected.len());
    for (object, expected) in objects.iter().zip(expected) {
        let expected = parse_value(expected, &"expected".into()).unwrap();
        assert_eq!(edit::canonical(object), edit::canonical(&expected));
    }
}

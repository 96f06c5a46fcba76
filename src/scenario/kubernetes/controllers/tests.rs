#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests write the files that they read, or say that they do not"
)]

use std::path::{Path, PathBuf};

use super::*;
use crate::ids::ClassId;
use crate::model::controllers::{
    Concurrency, CronJobSpec, DaemonSetUpdate, DeploymentStrategy, JobSpec, PodFailureAction, PodFailureRequirement,
    PullPolicy, QuotaResource, RestartPolicy, StatefulSetUpdate,
};
use crate::model::objects::CountOrPercent;
use crate::model::{Dist, PodClass, TolerationOperator};
use crate::scenario::kubernetes::{add_nodes, add_pods};

/// Everything that files are read into.
struct Loaded {
    cluster: Cluster,
    workload: Workload,
    objects: Objects,
    controllers: Controllers,
    findings: Findings,
}

impl Loaded {
    fn issues(&self) -> Vec<String> {
        let issues = self.findings.issues.as_slice().iter();
        let mut lines: Vec<String> = issues.map(|issue| format!("{} {}", issue.code.id(), issue.message)).collect();
        lines.sort();
        lines
    }

    fn warnings(&self) -> Vec<String> {
        self.findings.warnings().map(|warning| format!("{} x{}", warning.message, warning.objects)).collect()
    }

    fn only(&self) -> &Controller {
        assert_eq!(self.issues(), [""; 0]);
        match &self.controllers.list[..] {
            [only] => only,
            list => panic!("{} objects", list.len()),
        }
    }

    fn class(&self, class: ClassId) -> &PodClass {
        self.workload.class(class)
    }
}

fn load_paths(nodes: &[PathBuf], paths: &[PathBuf], read_for: ReadFor, behaviours: Vec<Behaviour>) -> Loaded {
    let (mut cluster, mut workload) = (Cluster::default(), Workload::default());
    let (mut objects, mut findings) = (Objects::default(), Findings::default());
    add_nodes(nodes, read_for, &mut cluster, &mut objects, &mut findings);
    let mut makers = PodMakers::new(read_for, behaviours);
    add_pods(paths, &mut makers, &mut cluster, &mut workload, &mut objects, &mut findings);
    let controllers = makers.finish(&mut workload, &mut []);
    Loaded { cluster, workload, objects, controllers, findings }
}

fn load_for(text: &str, read_for: ReadFor, behaviours: Vec<Behaviour>) -> Loaded {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("objects.yaml");
    std::fs::write(&path, text).unwrap();
    load_paths(&[], &[path], read_for, behaviours)
}

fn load(text: &str) -> Loaded {
    load_for(text, ReadFor::KubeScheduler, Vec::new())
}

const POD: &str =
    "metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: web, resources: {requests: {cpu: 1}}}]}";
const JOB_POD: &str = "spec: {restartPolicy: Never, containers: [{name: c, image: work:1}]}";

/// An object of that kind whose `spec` also says what is given.
fn object(version: &str, kind: &str, spec: &str) -> String {
    let template = if kind == "Job" { JOB_POD } else { POD };
    let selector = if kind == "Job" { "" } else { "selector: {matchLabels: {app: web}}, " };
    format!(
        "{{apiVersion: {version}, kind: {kind}, metadata: {{name: web}}, \
         spec: {{{selector}template: {{{template}}}{spec}}}}}\n"
    )
}

fn cron_job(spec: &str, job: &str) -> String {
    format!(
        "{{apiVersion: batch/v1, kind: CronJob, metadata: {{name: web}}, \
         spec: {{{spec}, jobTemplate: {{spec: {{template: {{{JOB_POD}}}{job}}}}}}}}}\n"
    )
}

fn seconds(number: u64) -> SimDuration {
    SimDuration(number * 1_000_000_000)
}

mod rollouts;

/// Deployments, by version: `pkg/apis/apps/v1/defaults.go`, and those of the versions that are gone.
#[test]
fn deployments_are_completed() {
    let percent = CountOrPercent::Percent(25);
    let one = CountOrPercent::Count(1);
    for (version, amount, deadline, history) in [
        ("apps/v1", percent, Some(seconds(600)), 10),
        ("apps/v1beta2", percent, Some(seconds(600)), 10),
        ("apps/v1beta1", percent, Some(seconds(600)), 2),
        ("extensions/v1beta1", one, None, i32::MAX),
    ] {
        let loaded = load(&object(version, "Deployment", ""));
        let ControllerKind::Deployment(spec) = &loaded.only().kind else { panic!("{version}") };
        let rolling = DeploymentStrategy::RollingUpdate { max_surge: amount, max_unavailable: amount };
        assert_eq!((spec.replicas, spec.strategy, spec.is_paused), (1, rolling, false), "{version}");
        assert_eq!((spec.progress_deadline, spec.revision_history_limit), (deadline, history), "{version}");
        assert_eq!(loaded.warnings().is_empty(), version == "apps/v1");
    }
    let loaded = load(&object(
        "apps/v1",
        "Deployment",
        ", replicas: 3, minReadySeconds: 5, paused: true, strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}",
    ));
    let ControllerKind::Deployment(spec) = &loaded.only().kind else { panic!() };
    let rolling = DeploymentStrategy::RollingUpdate { max_surge: one, max_unavailable: CountOrPercent::Count(0) };
    assert_eq!((spec.replicas, spec.strategy, spec.is_paused, spec.min_ready), (3, rolling, true, seconds(5)));
}

#[test]
fn pods_are_written_as_controllers_write_them() {
    let loaded = load(&object("apps/v1", "Deployment", ", replicas: 2"));
    let template = &loaded.only().templates[0];
    assert!(template.hash.chars().all(|character| "456789bcdf".contains(character)), "{}", template.hash);
    let class = loaded.class(template.classes[0]);
    let labels: Vec<(&str, &str)> =
        class.spec.labels.iter().map(|label| (label.key.as_str(), label.value.as_str())).collect();
    assert_eq!(labels, [("app", "web"), ("pod-template-hash", template.hash.as_str())]);
    let owner = class.spec.owner.as_ref().map(|owner| (owner.kind.clone(), owner.name.clone()));
    assert_eq!(owner, Some(("ReplicaSet".to_owned(), format!("web-{}", template.hash))));
    assert_eq!((class.template.as_str(), class.requests.cpu.0), ("default/web", 1000));
    // Its ReplicaSet spreads them by default: it selects its own pods and no others.
    let [set] = &loaded.objects.controllers[..] else { panic!("{:?}", loaded.objects.controllers) };
    assert_eq!((set.kind.as_str(), set.name.clone()), ("ReplicaSet", format!("web-{}", template.hash)));
    assert!(selects(Some(&set.selector), &class.spec.labels));
    assert!(!selects(Some(&set.selector), &class.spec.labels[..1]));
    // For other policies nothing but labels and namespace is read.
    let loaded = load_for(&object("apps/v1", "Deployment", ""), ReadFor::Others, Vec::new());
    let class = loaded.class(loaded.only().templates[0].classes[0]);
    assert_eq!((class.spec.labels.len(), &class.spec.owner, class.spec.images.len()), (2, &None, 0));
    assert!(loaded.objects.controllers.is_empty());
    assert_eq!(loaded.workload.popularity, [(ClassId(0), 1.0)]);
}

/// The hash is that of what the template says, not of how it is written.
#[test]
fn hashes_are_of_the_content() {
    let hash = |text: &str| load(text).only().templates[0].hash.clone();
    let first = hash(&object("apps/v1", "Deployment", ""));
    let same = object("apps/v1", "Deployment", ", replicas: 7").replace("name: c, image: web", "image: web, name: c");
    assert_eq!(hash(&same), first);
    assert_ne!(hash(&object("apps/v1", "Deployment", "").replace("image: web", "image: web:2")), first);
}

#[test]
fn stateful_sets_have_claims_by_ordinal() {
    let claims = ", replicas: 2, ordinals: {start: 1}, podManagementPolicy: Parallel, \
                  volumeClaimTemplates: [{metadata: {name: data}, spec: {resources: {requests: {storage: 1Gi}}}}]";
    let text = object("apps/v1", "StatefulSet", claims);
    let loaded = load(&text);
    let ControllerKind::StatefulSet(spec) = &loaded.only().kind else { panic!() };
    assert_eq!((spec.replicas, spec.first_ordinal, spec.is_parallel), (2, 1, true));
    let update = StatefulSetUpdate::RollingUpdate { partition: 0, max_unavailable: CountOrPercent::Count(1) };
    assert_eq!(spec.update, update);
    // Ordinal 0 has no pod and keeps the place of ordinal 1.
    let classes = &loaded.only().templates[0].classes;
    assert_eq!((classes.len(), classes[0] == classes[1], classes[1] == classes[2]), (3, true, false));
    let names: Vec<&str> = loaded.objects.persistent_volume_claims.iter().map(|claim| claim.name.as_str()).collect();
    assert_eq!(names, ["data-web-1", "data-web-2"]);
    assert_eq!(loaded.objects.persistent_volume_claims[0].request_bytes, 1 << 30);
    let volumes = format!("{:?}", loaded.class(classes[2]).spec.volumes);
    assert!(volumes.contains("data-web-2"), "{volumes}");
    // Other policies do not look at claims.
    let loaded = load_for(&text, ReadFor::Others, Vec::new());
    assert_eq!(loaded.only().templates[0].classes.len(), 1);
}

#[test]
fn daemons_tolerate_what_ails_nodes() {
    for (spec, count) in [("", 6), (", hostNetwork: true", 7)] {
        let text = object("apps/v1", "DaemonSet", "")
            .replace("spec: {containers", &format!("spec: {{x: []{spec}, containers"));
        let loaded = load(&text);
        let ControllerKind::DaemonSet(set) = &loaded.only().kind else { panic!() };
        let (max_surge, max_unavailable) = (CountOrPercent::Count(0), CountOrPercent::Count(1));
        assert_eq!(set.update, DaemonSetUpdate::RollingUpdate { max_surge, max_unavailable });
        let class = loaded.class(loaded.only().templates[0].classes[0]);
        assert_eq!(class.tolerations.len(), count, "{:?}", class.tolerations);
        assert!(class.tolerations.iter().all(|toleration| toleration.operator == TolerationOperator::Exists));
    }
}

/// `SetDefaults_Job` and `SetDefaults_CronJob`.
#[test]
fn jobs_are_completed() {
    let job = |spec: &str| match load(&object("batch/v1", "Job", spec)).only().kind.clone() {
        ControllerKind::Job(job) => job,
        other => panic!("{other:?}"),
    };
    let numbers = |job: &JobSpec| (job.parallelism, job.completions, job.backoff_limit);
    for (spec, expected) in [
        ("", (1, Some(1), 6)),
        (", parallelism: 3", (3, None, 6)),
        (", completions: 5", (1, Some(5), 6)),
        (", completions: 5, completionMode: Indexed, backoffLimitPerIndex: 1", (1, Some(5), i32::MAX)),
    ] {
        assert_eq!(numbers(&job(spec)), expected, "{spec}");
    }
    let policy = job(
        ", podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {containerName: c, operator: In, values: [3, 42]}}, \
         {action: Ignore, onPodConditions: [{type: DisruptionTarget}]}]}",
    );
    assert!(policy.replaces_only_failed);
    let codes = PodFailureRequirement::ExitCodes { container: Some(0), is_in: true, codes: vec![3, 42] };
    let actions: Vec<_> = policy.failure_rules.into_iter().map(|rule| (rule.action, rule.requirement)).collect();
    let disruption = (PodFailureAction::Ignore, PodFailureRequirement::DisruptionTarget);
    assert_eq!(actions, [(PodFailureAction::FailJob, codes), disruption]);
    let loaded = load(&cron_job("schedule: '*/5 * * * *', suspend: true", ", backoffLimit: 2"));
    let ControllerKind::CronJob(CronJobSpec { schedule, concurrency, job, .. }) = &loaded.only().kind else { panic!() };
    assert_eq!((schedule.as_str(), *concurrency, job.backoff_limit), ("*/5 * * * *", Concurrency::Allow, 2));
}

#[test]
fn what_the_api_server_refuses_is_refused() {
    let deployment = |spec: &str| object("apps/v1", "Deployment", spec);
    let job = |spec: &str| object("batch/v1", "Job", spec);
    for (text, expected) in [
        (deployment(", replicas: -1"), vec!["W0104 `spec.replicas` must be from 0 to 1000000, not -1"]),
        (
            deployment(", strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}}"),
            vec!["W0205 `maxSurge` and `maxUnavailable` of `spec.strategy.rollingUpdate` cannot both be 0"],
        ),
        (
            deployment(", strategy: {type: Recreate, rollingUpdate: {maxSurge: 1}}"),
            vec!["W0205 `spec.strategy.rollingUpdate` has no place beside the type Recreate"],
        ),
        (
            deployment(", progressDeadlineSeconds: 5, minReadySeconds: 5"),
            vec!["W0205 `spec.progressDeadlineSeconds` must be more than `spec.minReadySeconds`"],
        ),
        (
            deployment("").replace("{matchLabels: {app: web}}", "{matchLabels: {app: wob}}"),
            vec!["W0205 `spec.selector` does not select the pods of `spec.template`"],
        ),
        (
            deployment("").replace("{matchLabels: {app: web}}", "{}"),
            vec!["W0105 `spec.selector` of a Deployment cannot be empty"],
        ),
        (deployment("").replace("selector: ", "selecter: "), vec!["W0102 this Deployment has no `spec.selector`"]),
        (
            deployment("").replace("containers: ", "restartPolicy: Never, containers: "),
            vec!["W0105 `restartPolicy` of the template must be Always"],
        ),
        (
            object("apps/v1", "DaemonSet", ", updateStrategy: {rollingUpdate: {maxSurge: 1}}"),
            vec!["W0205 of `maxSurge` and `maxUnavailable` of a DaemonSet exactly one is not 0"],
        ),
        (
            job(", completionMode: Indexed, backoffLimit: -1"),
            vec![
                "W0102 a Job with `completionMode: Indexed` needs `spec.completions`",
                "W0104 `spec.backoffLimit` must be at least 0, not -1",
            ],
        ),
        (job(", backoffLimitPerIndex: 1"), vec!["W0205 `spec.backoffLimitPerIndex` needs `completionMode: Indexed`"]),
        (job("").replace("restartPolicy: Never, ", ""), vec!["W0105 the template of a Job has no `restartPolicy`"]),
        (
            job(", podFailurePolicy: {rules: [{action: Count, onExitCodes: {operator: In, values: [2, 0]}}]}"),
            vec![
                "W0105 `spec.podFailurePolicy.rules[].onExitCodes.values` must ascend, each once",
                "W0105 `spec.podFailurePolicy.rules[].onExitCodes.values`: with the operator In, 0 is no failure",
            ],
        ),
        (cron_job("schedule: '* * *'", ""), vec!["W0105 `spec.schedule`: it has 3 fields, and needs 5"]),
        (
            object("batch.volcano.sh/v1alpha1", "Job", ""),
            vec!["W0401 `batch.volcano.sh/v1alpha1` has no Job that could be used: its pods would be missing"],
        ),
    ] {
        assert_eq!(load(&text).issues(), expected, "{text}");
    }
    let twice = load(&format!("{}---\n{}", deployment(""), deployment("")));
    assert!(twice.issues()[0].contains("the Deployment `web` of the namespace `default` is there already"));
}

#[test]
fn containers_become_lives() {
    let spec = "{terminationGracePeriodSeconds: 5, initContainers: [{name: first, image: i:1}, \
                {name: side, image: s, restartPolicy: Always}], containers: [{name: c, image: web, \
                lifecycle: {preStop: {sleep: {seconds: 3}}}, readinessProbe: {periodSeconds: 2, httpGet: {port: 80}}, \
                livenessProbe: {failureThreshold: 5, terminationGracePeriodSeconds: 7}}]}";
    let text = object("apps/v1", "Deployment", "")
        .replace("{containers: [{name: c, image: web, resources: {requests: {cpu: 1}}}]}", spec);
    let behaviour = |kind: Option<&str>, container: Option<&str>, start: u64| Behaviour {
        kind: kind.map(str::to_owned),
        container: container.map(str::to_owned),
        start_up: Some(Dist::Constant(seconds(start))),
        ..Behaviour::default()
    };
    let mut last = behaviour(None, Some("c"), 9);
    last.exit_codes = Some(vec![(0, 0.9), (1, 0.1)]);
    let behaviours = vec![behaviour(Some("Deployment"), None, 2), last, behaviour(Some("Job"), None, 4)];
    let loaded = load_for(&text, ReadFor::KubeScheduler, behaviours);
    let life = &loaded.controllers.lives[loaded.only().templates[0].life.index()];
    assert_eq!((life.grace_period, life.restart_policy), (seconds(5), RestartPolicy::Always));
    let [first, side] = &life.init_containers[..] else { panic!() };
    assert_eq!((first.is_sidecar, &first.run_time), (false, &Some(Dist::ZERO)));
    assert_eq!((side.is_sidecar, &side.run_time), (true, &None));
    assert_eq!((first.pull_policy, side.pull_policy), (PullPolicy::IfNotPresent, PullPolicy::Always));
    let container = &life.containers[0];
    assert_eq!((&container.pre_stop, &container.shut_down), (&Dist::Constant(seconds(3)), &Dist::ZERO));
    assert_eq!(container.image.map(|image| loaded.controllers.images[image as usize].as_str()), Some("web"));
    let readiness = container.probes.readiness.unwrap();
    assert_eq!((readiness.period, readiness.timeout, readiness.failure_threshold), (seconds(2), seconds(1), 3));
    let liveness = container.probes.liveness.unwrap();
    assert_eq!((liveness.failure_threshold, liveness.grace_period), (5, Some(seconds(7))));
    // The later entry wins in what it says: 9 s for `c`, 2 s for the others.
    let starts: Vec<&Dist> = [first, side, container].map(|container| &container.start_up).to_vec();
    assert_eq!(starts, [&Dist::Constant(seconds(2)), &Dist::Constant(seconds(2)), &Dist::Constant(seconds(9))]);
    assert_eq!(container.exit_codes, [(0, 0.9), (1, 0.1)]);
}

/// Requests and limits are completed as the API server does, and the class of the pod is that of all its containers.
#[test]
fn usage_knows_what_was_promised() {
    use crate::model::usage::QualityOfService::{self, BestEffort, Burstable, Guaranteed};
    use crate::model::{Demand, Usage};
    let range = "{apiVersion: v1, kind: LimitRange, metadata: {name: l}, \
                 spec: {limits: [{type: Container, default: {memory: 512Mi}}]}}\n---\n";
    let both = "{limits: {cpu: 500m, memory: 1Gi}}";
    let usage = |before: &str, resources: &str, side: &str| -> Usage {
        let containers = format!(
            "{{initContainers: [{{name: side, image: s, restartPolicy: Always, resources: {side}}}], \
             containers: [{{name: c, image: web, resources: {resources}}}]}}"
        );
        let text = object("apps/v1", "Deployment", "")
            .replace("{containers: [{name: c, image: web, resources: {requests: {cpu: 1}}}]}", &containers);
        let memory = Some(Demand::Constant(7));
        let behaviours = vec![
            Behaviour { memory, ..Behaviour::default() },
            Behaviour { cpu: Some(Demand::Constant(9)), container: Some("c".to_owned()), ..Behaviour::default() },
        ];
        let loaded = load_for(&format!("{before}{text}"), ReadFor::KubeScheduler, behaviours);
        let life = &loaded.controllers.lives[loaded.only().templates[0].life.index()];
        let side = life.init_containers[0].usage.clone().unwrap();
        assert_eq!((side.cpu, side.memory), (None, Some(Demand::Constant(7))));
        let usage = life.containers[0].usage.clone().unwrap();
        assert_eq!((&usage.cpu, &usage.memory), (&Some(Demand::Constant(9)), &Some(Demand::Constant(7))));
        assert_eq!((side.quality, side.least_main_memory_request), (usage.quality, Some(usage.memory_request)));
        *usage
    };
    type Row<'a> = (&'a str, &'a str, &'a str, (u64, Option<u64>, u64, Option<u64>), QualityOfService);
    let rows: [Row<'_>; 5] = [
        ("", "{}", "{}", (0, None, 0, None), BestEffort),
        // A limit without a request is the request, too.
        ("", both, both, (500, Some(500), 1 << 30, Some(1 << 30)), Guaranteed),
        ("", both, "{}", (500, Some(500), 1 << 30, Some(1 << 30)), Burstable),
        ("", "{requests: {cpu: 250m}}", "{}", (250, None, 0, None), Burstable),
        (range, "{}", "{}", (0, None, 512 << 20, Some(512 << 20)), Burstable),
    ];
    for (before, resources, side, promised, quality) in rows {
        let usage = usage(before, resources, side);
        let found = (usage.cpu_request, usage.cpu_limit, usage.memory_request, usage.memory_limit);
        assert_eq!((found, usage.quality), (promised, quality), "{before}{resources} {side}");
    }
}

#[test]
fn jobs_run_for_a_minute_where_nothing_is_said() {
    let run_time = |loaded: &Loaded| loaded.controllers.lives[0].containers[0].run_time.clone();
    let loaded = load(&object("batch/v1", "Job", ""));
    assert_eq!(run_time(&loaded), Some(Dist::Constant(seconds(60))));
    assert!(loaded.warnings()[0].contains("is taken to be 60 s"), "{:?}", loaded.warnings());
    let behaviour = Behaviour { run_time: Some(Some(Dist::Constant(seconds(7)))), ..Behaviour::default() };
    let loaded = load_for(&object("batch/v1", "Job", ""), ReadFor::KubeScheduler, vec![behaviour]);
    assert_eq!((run_time(&loaded), loaded.warnings()), (Some(Dist::Constant(seconds(7))), Vec::new()));
}

/// `SetDefaults_LimitRangeItem` and the plug-in LimitRanger: the limit is the default, the request that of the range, except
/// where a limit is written, which is the request then.
#[test]
fn limit_ranges_complete_containers() {
    let range = "{apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [{type: Container, \
                 default: {cpu: 2}, defaultRequest: {cpu: 500m}, max: {memory: 1Gi}}]}}\n---\n";
    for (resources, cpu, memory) in [
        ("{}", 500, 1 << 30),
        ("{requests: {cpu: 1}}", 1000, 1 << 30),
        ("{limits: {cpu: 1, memory: 1Mi}}", 1000, 1 << 20),
    ] {
        let pod = format!(
            "{{kind: Pod, metadata: {{name: p}}, spec: {{containers: [{{name: c, resources: {resources}}}]}}}}\n"
        );
        let requests = |loaded: &Loaded, class: usize| {
            let requests = &loaded.workload.classes[class].requests;
            (requests.cpu.0, requests.memory.0)
        };
        assert_eq!(requests(&load(&format!("{range}{pod}")), 0), (cpu, memory), "{resources}");
        let deployment = object("apps/v1", "Deployment", "").replace("{requests: {cpu: 1}}", resources);
        assert_eq!(requests(&load(&format!("{range}{deployment}")), 0), (cpu, memory), "{resources}");
        let elsewhere = range.replace("name: l", "name: l, namespace: other");
        assert_eq!(load(&format!("{elsewhere}{pod}")).workload.classes.len(), 1);
    }
    let over = object("apps/v1", "Deployment", "").replace("{requests: {cpu: 1}}", "{limits: {memory: 2Gi}}");
    let issues = load(&format!("{range}{over}")).issues();
    assert_eq!(issues, ["W0104 `resources.limits.memory` is above the `max` of a LimitRange"]);
}

#[test]
fn runtime_classes_complete_pods() {
    let class_text = "{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: kata}, handler: kata, \
                 overhead: {podFixed: {cpu: 250m}}, scheduling: {nodeSelector: {vm: 'yes'}, \
                 tolerations: [{key: vm, operator: Exists}]}}\n---\n";
    let deployment =
        object("apps/v1", "Deployment", "").replace("containers: ", "runtimeClassName: kata, containers: ");
    let loaded = load(&format!("{class_text}{deployment}"));
    let class = loaded.class(loaded.only().templates[0].classes[0]);
    let plain_memory = class.requests.memory.0;
    assert_eq!((class.requests.cpu.0, class.node_selector.len(), class.tolerations.len()), (1250, 1, 1));
    assert_eq!(loaded.controllers.lives[0].sandbox_start, Dist::Constant(SimDuration(500_000_000)));
    // A microVM whose class says no overhead has the one that is known of it.
    let micro =
        class_text.replace("handler: kata", "handler: kata-fc").replace("overhead: {podFixed: {cpu: 250m}}, ", "");
    let loaded = load(&format!("{micro}{deployment}"));
    let class = loaded.class(loaded.only().templates[0].classes[0]);
    let overhead_bytes = class.requests.memory.0 - 120 * (1 << 20);
    assert_eq!((class.requests.cpu.0, overhead_bytes), (1250, plain_memory));
    assert!(loaded.warnings()[0].contains("without `overhead`"), "{:?}", loaded.warnings());
    let missing = load(&deployment);
    assert!(missing.warnings()[0].contains("RuntimeClass that is not listed"), "{:?}", missing.warnings());
}

#[test]
fn quotas_are_read() {
    let quota = "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {pods: 3, cpu: 4, requests.cpu: 1500m, \
                 limits.memory: 1Gi, count/jobs.batch: 2, requests.example.com/fpga: 1, services: 5}}}";
    let loaded = load(quota);
    let [quota] = &loaded.controllers.quotas[..] else { panic!("{:?}", loaded.issues()) };
    let expected = [
        (QuotaResource::Pods, 3),
        (QuotaResource::RequestsCpu, 1500),
        (QuotaResource::RequestsExtended(0), 1),
        (QuotaResource::LimitsMemory, 1 << 30),
        (QuotaResource::Count("jobs.batch".to_owned()), 2),
    ];
    assert_eq!(quota.hard, expected);
    assert_eq!(loaded.warnings(), ["`spec.hard.services` of ResourceQuota is not used by this release x1"]);
    assert_eq!(loaded.cluster.extended_resources, ["example.com/fpga"]);
}

/// A dump: pods find the Deployment through its ReplicaSets, of which the old one has a pod left; those of a Job that a
/// CronJob made belong to the CronJob; a pod of an unknown ReplicaSet is taken as it is listed.
#[test]
fn pods_of_a_dump_are_adopted() {
    let owned = |name: &str, kind: &str, owner: &str, labels: &str, more: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, uid: u, labels: {{{labels}}}, \
             ownerReferences: [{{kind: {kind}, name: {owner}, controller: true}}]{more}}}, \
             spec: {{containers: [{{name: c, image: web}}]}}}}\n"
        )
    };
    let set = |name: &str, revision: u32| {
        object("apps/v1", "ReplicaSet", "").replace(
            "{name: web}",
            &format!(
                "{{name: web-{name}, uid: u, labels: {{pod-template-hash: {name}}}, \
                 annotations: {{deployment.kubernetes.io/revision: '{revision}'}}, \
                 ownerReferences: [{{kind: Deployment, name: web, controller: true}}]}}"
            ),
        )
    };
    let with_uid = |text: String| text.replace("metadata: {name: web}", "metadata: {name: web, uid: u}");
    let job = object("batch/v1", "Job", "").replace(
        "metadata: {name: web}",
        "metadata: {name: web-1, uid: u, ownerReferences: [{kind: CronJob, name: web, controller: true}]}",
    );
    let text = [
        with_uid(object("apps/v1", "Deployment", ", replicas: 2")),
        set("old", 1).replace("image: web", "image: web:0"),
        set("new", 2),
        set("older", 0),
        with_uid(object("apps/v1", "StatefulSet", "")).replace("name: web, uid", "name: db, uid"),
        with_uid(cron_job("schedule: '@daily'", "")),
        job,
        owned("a", "ReplicaSet", "web-new", "app: web, pod-template-hash: new", ""),
        owned("b", "ReplicaSet", "web-old", "app: web, pod-template-hash: old", ""),
        owned("db-3", "StatefulSet", "db", "controller-revision-hash: db-x", ""),
        owned("c", "Job", "web-1", "", ", annotations: {batch.kubernetes.io/job-completion-index: '4'}"),
        owned("d", "ReplicaSet", "lost-1", "", ""),
        owned("e", "Node", "n", "", ""),
    ]
    .join("---\n");
    let loaded = load(&text);
    assert_eq!(loaded.issues(), [""; 0]);
    let kinds: Vec<&str> = loaded.controllers.list.iter().map(|controller| controller.kind.name()).collect();
    assert_eq!(kinds, ["CronJob", "Deployment", "StatefulSet"]);
    let hashes: Vec<&str> =
        loaded.controllers.list[1].templates.iter().map(|template| template.hash.as_str()).collect();
    assert_eq!(hashes, ["new", "old"]);
    assert_eq!(loaded.controllers.list[2].templates[0].hash, "x");
    let ArrivalSource::Listed(listed) = &loaded.workload.sources[0] else { panic!() };
    let owners: Vec<Option<(u32, u32, u32)>> = (0..6)
        .map(|pod| {
            let owner = listed.states.get(&pod)?.owner?;
            Some((owner.controller.0, owner.template.0, owner.ordinal))
        })
        .collect();
    assert_eq!(owners, [Some((1, 0, 0)), Some((1, 1, 0)), Some((2, 0, 3)), Some((0, 0, 4)), None, None]);
    let lost = "pods whose controller is not among the objects that are read are taken as they are listed x1";
    assert!(loaded.warnings().iter().any(|warning| warning == lost), "{:?}", loaded.warnings());
}

#[test]
fn what_is_over_in_a_dump_is_left_out() {
    let with_uid = |text: String| text.replace("metadata: {name: web}", "metadata: {name: web, uid: u}");
    let job = |status: &str| {
        let job = with_uid(object("batch/v1", "Job", ", completions: 5, parallelism: 2"));
        load(&job.replace("kind: Job", &format!("kind: Job, status: {status}")))
    };
    assert_eq!(job("{conditions: [{type: Failed, status: 'True'}]}").controllers.list.len(), 0);
    // Of 5 completions 2 are left when 3 pods have succeeded.
    let ControllerKind::Job(spec) = job("{succeeded: 3}").only().kind.clone() else { panic!() };
    assert_eq!((spec.completions, spec.parallelism), (Some(2), 2));
}

fn data(folder: &str) -> Option<PathBuf> {
    let found = std::env::var_os("WAVETANK_DATA").map(|root| Path::new(&root).join(folder));
    if found.is_none() {
        eprintln!("skipped: WAVETANK_DATA is not set");
    }
    found.filter(|folder| folder.exists())
}

/// Every folder of the real objects is read without an issue, for either kind of policy.
#[test]
fn real_objects_are_read() {
    let Some(dumps) = data("k8s-dumps") else { return };
    for read_for in [ReadFor::KubeScheduler, ReadFor::Others] {
        let mut folders: Vec<PathBuf> = std::fs::read_dir(&dumps)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect();
        folders.sort();
        for folder in folders {
            let mut parts: Vec<PathBuf> =
                std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            parts.sort();
            for part in parts.iter().filter(|part| part.is_dir() || part.extension().is_some_and(|end| end == "json")) {
                let loaded = load_paths(&[], std::slice::from_ref(part), read_for, Vec::new());
                assert_eq!(loaded.issues(), [""; 0], "{}", part.display());
            }
        }
        for (bundle, controllers) in [("k3s-bundle-1", 5), ("k3s-bundle-2", 5)] {
            let bundle = [dumps.join(bundle)];
            let loaded = load_paths(&bundle, &bundle, read_for, Vec::new());
            assert_eq!(loaded.issues(), [""; 0], "{bundle:?}");
            let shown: Vec<String> =
                loaded.controllers.list.iter().map(|one| format!("{}/{}", one.kind.name(), one.name)).collect();
            // Five running pods of each have their controller beside them.
            let ArrivalSource::Listed(listed) = &loaded.workload.sources[0] else { panic!() };
            assert_eq!(listed.states.values().filter(|state| state.owner.is_some()).count(), 5);
            assert_eq!(shown.len(), controllers, "{shown:?} {:?}", loaded.warnings());
        }
    }
}

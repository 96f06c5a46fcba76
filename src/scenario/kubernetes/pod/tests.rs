use crate::document::Source;
use crate::ids::NodeId;
use crate::model::pod_spec::{
    HostPort, LabelRequirement, LabelSelector, Owner, PodResourceClaim, PodVolume, SelectorOperator, WhenUnsatisfiable,
};
use crate::model::{ArrivalSource, ListedPods, ListedState, PodClass, PodSpec};
use crate::scenario::kubernetes::{LoadedObjects, load_objects};
use crate::units::SimDuration;
use crate::world::nodes::scoring_request;

fn load(text: &str) -> LoadedObjects {
    load_objects(&Source { file: "objects.yaml".into(), text: text.to_owned() })
}

fn issues(text: &str) -> Vec<String> {
    let issues = load(text).findings.issues.into_sorted();
    issues.iter().map(|issue| format!("{} {}", issue.code.id(), issue.message)).collect()
}

/// A pod `p` with the given keys beside `kind`, in flow style.
fn pod_text(metadata: &str, spec: &str, status: &str) -> String {
    format!("{{kind: Pod, metadata: {{name: p, {metadata}}}, spec: {{{spec}}}, status: {{{status}}}}}")
}

fn pod(metadata: &str, spec: &str, status: &str) -> PodClass {
    let text = pod_text(metadata, spec, status);
    let loaded = load(&text);
    assert_eq!(loaded.findings.issues.into_sorted(), [], "{text}");
    loaded.workload.classes[0].clone()
}

fn spec(spec: &str) -> PodSpec {
    *pod("labels: {app: web, rev: r1}", &format!("containers: [{{}}], {spec}"), "").spec
}

fn listed(loaded: &LoadedObjects) -> &ListedPods {
    match &loaded.workload.sources[..] {
        [ArrivalSource::Listed(listed)] => listed,
        _ => panic!("one listed source is expected"),
    }
}

fn requirement(key: &str, operator: SelectorOperator, values: &[&str]) -> LabelRequirement {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    LabelRequirement { key: key.to_owned(), operator, values }
}

fn selector(requirements: &[LabelRequirement]) -> Option<LabelSelector> {
    Some(LabelSelector { requirements: requirements.to_vec() })
}

#[test]
fn scorers_count_defaults_per_container() {
    const MI: u64 = 1 << 20;
    // cpu in milli-cores and memory in MiB as requested, and as scored
    for (spec, status, requested, scored) in [
        // 100m and 200Mi for each of two containers
        ("containers: [{}, {}]", "", (0, 0), (200, 400)),
        // 300m + 100m; 200Mi + 50Mi
        (
            "containers: [{resources: {requests: {cpu: 300m}}}, {resources: {requests: {memory: 50Mi}}}]",
            "",
            (300, 50),
            (400, 250),
        ),
        // an explicit zero is a request
        ("containers: [{resources: {requests: {cpu: 0, memory: 0}}}]", "", (0, 0), (0, 0)),
        // a limit of zero is a request of zero
        ("containers: [{resources: {limits: {cpu: 0}}}]", "", (0, 0), (0, 200)),
        // the container with 100m is below the init container with 100m beside a sidecar with 20m
        (
            "containers: [{}], initContainers: [{restartPolicy: Always, resources: {requests: {cpu: 20m, memory: 1Mi}}}, {}]",
            "",
            (20, 1),
            (120, 201),
        ),
        // overhead is added: 100m + 5m
        ("containers: [{}], overhead: {cpu: 5m}", "", (5, 0), (105, 200)),
        // pod-level cpu stands, memory is nobody's and counts per container
        ("resources: {requests: {cpu: 1}}, containers: [{}, {}]", "", (1000, 0), (1000, 400)),
        // pod-level cpu and the containers' memory, of which one has none
        (
            "resources: {requests: {cpu: 1}}, containers: [{}, {resources: {requests: {memory: 7Mi}}}]",
            "",
            (1000, 7),
            (1000, 7),
        ),
        // a pod-level limit completes what no container requests
        ("resources: {limits: {cpu: 2, memory: 9Mi}}, containers: [{}]", "", (2000, 9), (2000, 9)),
        // huge pages of containers do not give way to pod-level cpu
        (
            "resources: {requests: {cpu: 1}}, containers: [{resources: {limits: {hugepages-2Mi: 4Mi, memory: 9Mi}}}]",
            "",
            (1000, 9),
            (1000, 9),
        ),
        // a resize that is under way: the node still holds 500m of the old size
        (
            "containers: [{name: a, resources: {requests: {cpu: 100m, memory: 3Mi}}}]",
            "containerStatuses: [{name: a, allocatedResources: {cpu: 100m, memory: 3Mi}, resources: {requests: {cpu: 500m, memory: 3Mi}}}]",
            (500, 3),
            (500, 3),
        ),
        // a resize that cannot be done: what is asked for does not count
        (
            "containers: [{name: a, resources: {requests: {cpu: 9, memory: 3Mi}}}]",
            "conditions: [{type: PodResizePending, reason: Infeasible}], \
             containerStatuses: [{name: a, allocatedResources: {cpu: 500m, memory: 3Mi}}]",
            (500, 3),
            (500, 3),
        ),
    ] {
        let class = pod("", spec, status);
        assert_eq!((class.requests.cpu.0, class.requests.memory.0 / MI), requested, "{spec}");
        assert_eq!(scoring_request(&class), (scored.0, scored.1 * MI), "{spec}");
    }
    // What follows from the requests anyway is not said, so that a template's class is the same.
    assert_eq!(pod("", "containers: [{}]", "").spec.scoring_request, None);
}

#[test]
fn pods_say_who_they_are() {
    let owners =
        "ownerReferences: [{kind: Job, name: j}, {apiVersion: apps/v1, kind: ReplicaSet, name: r, controller: true}]";
    let metadata = format!("namespace: shop, labels: {{b: '2', a: '1'}}, {owners}");
    let keys = "containers: [{}], schedulerName: mine, schedulingGates: [{name: g/a}, {name: g/b}], preemptionPolicy: Never, \
                schedulingGroup: {podGroupName: gang}";
    let spec = pod(&metadata, keys, "").spec;
    assert_eq!((spec.namespace.as_str(), spec.scheduler_name.as_str()), ("shop", "mine"));
    assert_eq!(spec.labels.iter().map(|label| label.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let owner = Owner { api_version: "apps/v1".to_owned(), kind: "ReplicaSet".to_owned(), name: "r".to_owned() };
    assert_eq!(spec.owner, Some(owner));
    assert_eq!(spec.scheduling_gates, ["g/a", "g/b"]);
    assert!(spec.never_preempts);
    assert_eq!(spec.pod_group.as_deref(), Some("gang"));
    let plain = pod("", "containers: [{}]", "").spec;
    assert_eq!(*plain, PodSpec { images: vec![String::new()], ..PodSpec::default() });
}

#[test]
fn the_policy_of_preemption_comes_from_the_class_of_priority() {
    let class = "{kind: PriorityClass, metadata: {name: meek}, value: 7, preemptionPolicy: Never}\n---\n";
    for (spec, priority, never_preempts) in [
        ("priorityClassName: meek", 7, true),
        ("priorityClassName: meek, priority: 7", 7, true),
        ("priorityClassName: meek, preemptionPolicy: PreemptLowerPriority", 7, false),
        ("priority: 3", 3, false),
    ] {
        let text = format!("{class}{}", pod_text("", &format!("containers: [{{}}], {spec}"), ""));
        let found = &load(&text).workload.classes[0];
        assert_eq!((found.priority, found.spec.never_preempts), (priority, never_preempts), "{spec}");
    }
}

#[test]
fn node_affinity_is_read() {
    let affinity = spec(
        "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [
           {matchExpressions: [{key: zone, operator: In, values: [b, a]}, {key: cores, operator: Gt, values: ['4']}]},
           {matchFields: [{key: metadata.name, operator: In, values: [n]}]}]},
         preferredDuringSchedulingIgnoredDuringExecution: [{weight: 5, preference: {matchExpressions: [{key: ssd, operator: Exists}]}}]}}",
    )
    .node_affinity;
    let required = affinity.required.unwrap();
    assert_eq!(
        required[0].expressions,
        [requirement("zone", SelectorOperator::In, &["b", "a"]), requirement("cores", SelectorOperator::Gt, &["4"])]
    );
    assert_eq!(required[1].fields, [requirement("metadata.name", SelectorOperator::In, &["n"])]);
    assert_eq!(affinity.preferred[0].0, 5);
    assert_eq!(affinity.preferred[0].1.expressions, [requirement("ssd", SelectorOperator::Exists, &[])]);
    assert_eq!(spec("affinity: {nodeAffinity: {}}").node_affinity.required, None);
}

/// `matchLabelKeys` become requirements of the selector with the pod's own values; keys that it lacks do not.
#[test]
fn label_keys_are_merged_into_selectors() {
    let spec = spec(
        "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [
           {topologyKey: host, labelSelector: {matchLabels: {app: web}}, matchLabelKeys: [rev, none], mismatchLabelKeys: [app]},
           {topologyKey: host, matchLabelKeys: [rev], namespaces: [x], namespaceSelector: {}}]},
         podAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 100, podAffinityTerm: {topologyKey: zone}}]}},
         topologySpreadConstraints: [
           {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {}, matchLabelKeys: [rev], minDomains: 3},
           {maxSkew: 2, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, nodeAffinityPolicy: Ignore, nodeTaintsPolicy: Honor}]",
    );
    let terms = &spec.pod_anti_affinity.required;
    let rev = requirement("rev", SelectorOperator::In, &["r1"]);
    assert_eq!(
        terms[0].selector,
        selector(&[
            requirement("app", SelectorOperator::In, &["web"]),
            rev.clone(),
            requirement("app", SelectorOperator::NotIn, &["web"])
        ])
    );
    assert_eq!((terms[0].namespace_selector.clone(), terms[0].topology_key.as_str()), (None, "host"));
    assert_eq!((terms[1].selector.clone(), terms[1].namespace_selector.clone()), (None, selector(&[])));
    assert_eq!(terms[1].namespaces, ["x"]);
    assert_eq!(spec.pod_affinity.preferred[0].0, 100);
    let [hard, soft] = &spec.topology_spread[..] else { panic!("two constraints") };
    assert_eq!((hard.selector.clone(), hard.min_domains, hard.max_skew), (selector(&[rev]), Some(3), 1));
    assert_eq!((hard.honors_node_affinity, hard.honors_node_taints), (true, false));
    assert_eq!((soft.honors_node_affinity, soft.honors_node_taints), (false, true));
    assert_eq!((soft.when_unsatisfiable, &soft.selector), (WhenUnsatisfiable::ScheduleAnyway, &None));
}

#[test]
fn ports_of_the_node_are_those_that_stay() {
    let port = |ip: &str, protocol: &str, port| HostPort { ip: ip.to_owned(), protocol: protocol.to_owned(), port };
    for (spec, expected) in [
        ("containers: [{ports: [{containerPort: 80}]}]", vec![]),
        ("containers: [{ports: [{containerPort: 80, hostPort: 8080}]}]", vec![port("0.0.0.0", "TCP", 8080)]),
        (
            "hostNetwork: true, containers: [{ports: [{containerPort: 80, protocol: UDP, hostIP: 10.0.0.1}]}]",
            vec![port("10.0.0.1", "UDP", 80)],
        ),
        // an init container is gone when the pod runs; a sidecar stays
        (
            "containers: [{}], initContainers: [{ports: [{hostPort: 1}]}, {restartPolicy: Always, ports: [{hostPort: 2}]}]",
            vec![port("0.0.0.0", "TCP", 2)],
        ),
    ] {
        assert_eq!(pod("", spec, "").spec.host_ports, expected, "{spec}");
    }
}

#[test]
fn images_and_volumes_are_read() {
    let spec = pod(
        "",
        "containers: [{image: main}, {}], initContainers: [{image: 'init:1'}], volumes: [
           {name: a, emptyDir: {}}, {name: b, image: {reference: data}},
           {name: c, persistentVolumeClaim: {claimName: claim, readOnly: true}}, {name: d, ephemeral: {}},
           {name: e, gcePersistentDisk: {pdName: pd}}, {name: f, awsElasticBlockStore: {volumeID: v}},
           {name: g, rbd: {monitors: [m], image: i}}, {name: h, iscsi: {iqn: q, readOnly: true}}, {name: i, csi: {driver: d}}]",
        "",
    )
    .spec;
    assert_eq!(spec.images, ["init:1", "main", "", "data"]);
    let text = |text: &str| text.to_owned();
    assert_eq!(
        spec.volumes,
        [
            PodVolume::Claim { name: text("claim"), is_ephemeral: false, read_only: true },
            PodVolume::Claim { name: text("p-d"), is_ephemeral: true, read_only: false },
            PodVolume::GcePersistentDisk { name: text("pd"), read_only: false },
            PodVolume::AwsElasticBlockStore { id: text("v") },
            PodVolume::Rbd { monitors: vec![text("m")], pool: text("rbd"), image: text("i"), read_only: false },
            PodVolume::Iscsi { iqn: text("q"), read_only: true },
            PodVolume::InlineCsi { driver: text("d") },
        ]
    );
}

#[test]
fn claims_of_templates_are_named_in_the_status() {
    let claims = pod(
        "",
        "containers: [{}], resourceClaims: [{name: a, resourceClaimName: mine}, {name: b, resourceClaimTemplateName: t}, \
         {name: c, resourceClaimTemplateName: t}, {name: d, resourceClaimTemplateName: t}]",
        // of c it is known that it needs no claim
        "resourceClaimStatuses: [{name: b, resourceClaimName: p-b-x}, {name: c}]",
    )
    .spec
    .resource_claims;
    let claim = |name: &str, claim: Option<&str>, template: Option<&str>| PodResourceClaim {
        name: name.to_owned(),
        claim: claim.map(str::to_owned),
        template: template.map(str::to_owned),
    };
    let expected = [claim("a", Some("mine"), None), claim("b", Some("p-b-x"), None), claim("d", None, Some("t"))];
    assert_eq!(claims, expected);
}

#[test]
fn the_past_of_pods_is_kept() {
    let node =
        |name| format!("{{kind: Node, metadata: {{name: {name}}}, status: {{capacity: {{cpu: 4, pods: 10}}}}}}\n---\n");
    let pod = |name: &str, metadata: &str, spec: &str, status: &str| {
        format!(
            "{{kind: Pod, metadata: {{name: {name}, {metadata}}}, spec: {{containers: [{{}}], {spec}}}, status: {{{status}}}}}\n---\n"
        )
    };
    let text = [
        node("n"),
        node("m"),
        pod("old", "", "nodeName: n", "startTime: '2024-01-01T00:00:00Z'"),
        pod("new", "", "nodeName: m", "startTime: '2024-01-01T00:00:10Z'"),
        pod("silent", "", "nodeName: m", ""),
        pod("waits", "", "", "nominatedNodeName: m"),
        pod("leaves", "deletionTimestamp: '2024-01-01T00:00:00Z', deletionGracePeriodSeconds: 5", "nodeName: n", ""),
        pod("gone", "deletionTimestamp: '2024-01-01T00:00:00Z'", "", ""),
    ]
    .concat();
    let loaded = load(&text);
    let warnings: Vec<&str> = loaded.findings.warnings().map(|warning| warning.message.as_str()).collect();
    assert_eq!(warnings, ["pods without a node that are being deleted are left out"]);
    let pods = listed(&loaded);
    let names: Vec<&str> = (0..pods.names.len()).map(|row| pods.names.get(row)).collect();
    assert_eq!(names, ["default/old", "default/new", "default/silent", "default/waits", "default/leaves"]);
    let nodes: Vec<Option<NodeId>> = pods.pods.iter().map(|pod| pod.node).collect();
    assert_eq!(nodes, [Some(NodeId(0)), Some(NodeId(1)), Some(NodeId(1)), None, Some(NodeId(0))]);
    // The run begins with the latest start.
    let state = |position: u32| pods.states.get(&position).copied().unwrap_or_default();
    assert_eq!(state(0), ListedState { start_ns: Some(-10_000_000_000), ..ListedState::default() });
    assert_eq!(state(1), ListedState { start_ns: Some(0), ..ListedState::default() });
    assert_eq!(state(2), ListedState::default());
    assert_eq!(state(3), ListedState { nominated: Some(NodeId(1)), ..ListedState::default() });
    assert!(state(4).is_terminating);
    let durations: Vec<Option<SimDuration>> = pods.pods.iter().map(|pod| pod.duration).collect();
    assert_eq!(durations, [None, None, None, None, Some(SimDuration(5_000_000_000))]);
}

#[test]
fn broken_specs_are_reported() {
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let node = |requirement: &str| {
        format!(
            "affinity: {{nodeAffinity: {{{required}: {{nodeSelectorTerms: [{{matchExpressions: [{requirement}]}}]}}}}}}"
        )
    };
    let at = format!("spec.affinity.nodeAffinity.{required}.nodeSelectorTerms[].matchExpressions[]");
    for (spec, expected) in [
        (node("{key: a, operator: In}"), format!("W0205 `{at}`: the operator In needs `values`")),
        (node("{key: a, operator: Exists, values: [x]}"), format!("W0205 `{at}`: the operator Exists takes no `values`")),
        (node("{key: a, operator: Gt, values: [x]}"), format!("W0205 `{at}`: the operator Gt needs a whole number")),
        (node("{key: a, operator: Like, values: [x]}"), format!("W0105 `{at}.operator`: `Like` is not allowed")),
        (node("{operator: Exists}"), format!("W0102 `{at}` has no `key`")),
        (node("{key: a}"), format!("W0102 `{at}` has no `operator`")),
        (
            format!(
                "affinity: {{nodeAffinity: {{{required}: {{nodeSelectorTerms: [{{matchFields: [{{key: spec.x, operator: In, values: [n]}}]}}]}}}}}}"
            ),
            format!(
                "W0105 `spec.affinity.nodeAffinity.{required}.nodeSelectorTerms[].matchFields` selects by one value of `metadata.name`"
            ),
        ),
        (
            format!("affinity: {{podAffinity: {{{required}: [{{labelSelector: {{}}}}]}}}}"),
            format!("W0102 `spec.affinity.podAffinity.{required}[]` has no `topologyKey`"),
        ),
        (
            "topologySpreadConstraints: [{maxSkew: 0, topologyKey: z, whenUnsatisfiable: DoNotSchedule}]".to_owned(),
            "W0104 `spec.topologySpreadConstraints[].maxSkew` must be at least 1, not 0".to_owned(),
        ),
        (
            "topologySpreadConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: ScheduleAnyway, minDomains: 2}]".to_owned(),
            "W0205 `spec.topologySpreadConstraints[].minDomains` needs `whenUnsatisfiable: DoNotSchedule`".to_owned(),
        ),
        (
            "topologySpreadConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: DoNotSchedule}, \
             {maxSkew: 2, topologyKey: z, whenUnsatisfiable: DoNotSchedule}]"
                .to_owned(),
            "W0201 `spec.topologySpreadConstraints` has two constraints with the topologyKey `z` and DoNotSchedule".to_owned(),
        ),
        (
            "resourceClaims: [{name: a}]".to_owned(),
            "W0205 `spec.resourceClaims[]` needs either `resourceClaimName` or `resourceClaimTemplateName`".to_owned(),
        ),
        (
            "volumes: [{persistentVolumeClaim: {}}]".to_owned(),
            "W0102 `spec.volumes[].persistentVolumeClaim` has no `claimName`".to_owned(),
        ),
        ("preemptionPolicy: Sometimes".to_owned(), "W0105 `spec.preemptionPolicy`: `Sometimes` is not allowed".to_owned()),
    ] {
        assert_eq!(issues(&pod_text("", &format!("containers: [{{}}], {spec}"), "")), [expected], "{spec}");
    }
    let ports = pod_text("", "containers: [{ports: [{hostPort: 70000}]}]", "");
    assert_eq!(issues(&ports), ["W0104 `spec.containers[].ports[].hostPort` must be from 0 to 65535, not 70000"]);
    let start = pod_text("", "containers: [{}], nodeName: n", "startTime: noon");
    assert_eq!(issues(&start), ["W0106 `status.startTime` must be an instant such as 2024-05-06T07:08:09Z"]);
}

/// Whatever is put in the place of a value, it is an issue or fits, and no panic.
#[test]
fn no_spec_panics() {
    let text = pod_text(
        "labels: {a: b}, ownerReferences: [{controller: true}], deletionTimestamp: x",
        "containers: [{name: c, ports: [{hostPort: 1}], image: i, resources: {limits: {cpu: 1}}}], nodeName: n, \
         affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchFields: [{key: a, operator: In, values: [a]}]}]}}, \
         podAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: z, labelSelector: {matchLabels: {a: b}}, matchLabelKeys: [a]}}]}}, \
         topologySpreadConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: DoNotSchedule}], resources: {requests: {cpu: 2}}, \
         volumes: [{name: v, ephemeral: {}}], resourceClaims: [{name: r, resourceClaimTemplateName: t}], schedulingGates: [{name: g}]",
        "startTime: x, resources: {requests: {cpu: 1}}, allocatedResources: {cpu: 1}, conditions: [{type: PodResizePending}], \
         containerStatuses: [{name: c, allocatedResources: {cpu: 1}}], resourceClaimStatuses: [{name: r}]",
    );
    let keys: Vec<&str> = text
        .match_indices(": ")
        .map(|(at, _)| {
            let start = text[..at].rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |start| start + 1);
            &text[start..at]
        })
        .collect();
    assert!(keys.len() > 50, "{keys:?}");
    for key in keys {
        for value in ["null", "5", "[]", "{}", "[[]]", "[5]", "{a: [1]}", "'x'", "1e400", "-1", "true"] {
            load(&text.replace(&format!("{key}: "), &format!("{key}: {value}, x{key}: ")));
        }
    }
}

#[test]
fn features_that_a_pod_needs_follow_from_its_spec() {
    for (keys, expected) in [
        ("containers: [{}]", vec![]),
        ("containers: [{}, {restartPolicyRules: [{action: Restart}]}]", vec![]),
        (
            "containers: [{restartPolicyRules: [{action: Restart}, {action: RestartAllContainers}]}]",
            vec!["RestartAllContainersOnContainerExits"],
        ),
        (
            "initContainers: [{restartPolicyRules: [{action: RestartAllContainers}]}], containers: [{}]",
            vec!["RestartAllContainersOnContainerExits"],
        ),
        ("hostNetwork: true, hostUsers: false, containers: [{}]", vec!["UserNamespacesHostNetworkSupport"]),
        ("hostNetwork: true, hostUsers: true, containers: [{}]", vec![]),
        ("hostUsers: false, containers: [{}]", vec![]),
        ("containers: [{volumeMounts: [{name: v}]}]", vec![]),
        ("containers: [{volumeMounts: [{name: v, bindMountOptions: [noexec]}]}]", vec!["VolumeBindMountOptions"]),
    ] {
        assert_eq!(pod("", keys, "").spec.required_features, expected, "{keys}");
    }
}

#[test]
fn the_fit_of_resources_is_scored_without_pod_level_requests() {
    const MI: u64 = 1 << 20;
    // One container of 100m; the pod as a whole asks for 1000m. Memory counts as 200 MiB either way.
    let keys = "resources: {requests: {cpu: 1}}, containers: [{resources: {requests: {cpu: 100m}}}]";
    let class = pod("", keys, "");
    assert_eq!(scoring_request(&class), (1000, 200 * MI));
    assert_eq!(class.spec.fit_scoring_request, Some((100, 200 * MI)));
    // Without pod-level requests there is nothing to leave out.
    assert_eq!(pod("", "containers: [{resources: {requests: {cpu: 100m}}}]", "").spec.fit_scoring_request, None);
}

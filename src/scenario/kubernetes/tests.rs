#![allow(clippy::disallowed_methods, reason = "tests write the files that they read")]

use std::io::Write as _;

use super::*;
use crate::ids::NodeId;
use crate::model::{ArrivalSource, ListedPods, PodClass, TaintEffect};
use crate::units::{Bytes, MilliCpu};

/// One file with the given text.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("objects.yaml");
    std::fs::write(&path, text).unwrap();
    (directory, path)
}

/// Issues as `code line:column message`, without what varies.
fn issues(findings: Findings) -> Vec<String> {
    let directory = std::env::temp_dir().to_string_lossy().into_owned();
    findings
        .issues
        .into_sorted()
        .iter()
        .map(|issue| {
            let at = issue.message.find(&directory).map_or(issue.message.len(), |at| at - 7);
            format!("{} {}:{} {}", issue.code.id(), issue.span.line, issue.span.column, &issue.message[..at])
        })
        .collect()
}

fn warnings(findings: &Findings) -> Vec<String> {
    findings.warnings().map(|warning| format!("{} x{}", warning.message, warning.objects)).collect()
}

fn nodes(text: &str) -> (Cluster, Findings) {
    let (_directory, path) = file(text);
    let (mut cluster, mut findings) = (Cluster::default(), Findings::default());
    add_nodes(&[path], ReadFor::Others, &mut cluster, &mut Objects::default(), &mut findings);
    (cluster, findings)
}

/// Pods on a cluster of one node called `n`.
fn pods(text: &str) -> (Cluster, Workload, Findings) {
    let (mut cluster, mut findings) =
        nodes("{kind: Node, metadata: {name: n}, status: {capacity: {cpu: 4, pods: 10}}}");
    let (_directory, path) = file(text);
    let mut workload = Workload::default();
    let mut makers = PodMakers::new(ReadFor::Others, Vec::new());
    add_pods(&[path], &mut makers, &mut cluster, &mut workload, &mut Objects::default(), &mut findings);
    (cluster, workload, findings)
}

fn listed(workload: &Workload) -> &ListedPods {
    match &workload.sources[..] {
        [ArrivalSource::Listed(listed)] => listed,
        _ => panic!("one listed source is expected"),
    }
}

fn names(workload: &Workload) -> Vec<&str> {
    let names = &listed(workload).names;
    (0..names.len()).map(|row| names.get(row)).collect()
}

/// The class of one pod with the given `spec`, in flow style.
fn class(spec: &str) -> (Cluster, PodClass) {
    let (cluster, workload, findings) = pods(&format!("{{kind: Pod, metadata: {{name: p}}, spec: {spec}}}"));
    assert!(findings.issues.is_empty(), "{spec}: {:?}", issues(findings));
    (cluster, workload.classes[0].clone())
}

#[test]
fn nodes_are_taken_as_they_are() {
    let (cluster, findings) = nodes(
        "apiVersion: v1
kind: Node
metadata:
  name: a
  labels: {kubernetes.io/hostname: a, zone-less: 'yes', topology.kubernetes.io/zone: z1}
spec:
  unschedulable: true
  podCIDR: 10.0.0.0/24
  taints:
  - {key: node.kubernetes.io/unschedulable, effect: NoSchedule}
  - {key: gpu, value: 'true', effect: NoExecute, timeAdded: null}
status:
  capacity: {cpu: 8, memory: 9Gi, pods: 110}
  allocatable: {cpu: 7910m, memory: 8Gi, ephemeral-storage: 1k, pods: '50', nvidia.com/gpu: 2, hugepages-2Mi: 0}
---
{apiVersion: v1, kind: NodeList, items: [
  {metadata: {name: b}, status: {capacity: {cpu: 2, memory: 1e9, pods: 110}}},
  {kind: Node, metadata: {name: c}, status: {capacity: {cpu: 2, memory: 1e9, pods: 110}}}]}
",
    );
    assert_eq!(issues(findings), [""; 0]);
    let names: Vec<&str> = cluster.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(cluster.shapes.len(), 2);
    let shape = cluster.shape_of(NodeId(0));
    assert_eq!(shape.allocatable.cpu, MilliCpu(7910));
    assert_eq!(shape.allocatable.memory, Bytes(8 << 30));
    assert_eq!(shape.allocatable.ephemeral_storage, Bytes(1000));
    assert_eq!(shape.allocatable.pods, 50);
    assert_eq!(
        (cluster.extended_resources.as_slice(), shape.allocatable.extended.as_slice()),
        (&["nvidia.com/gpu".to_owned()][..], &[2][..])
    );
    assert_eq!((cluster.zones.as_slice(), shape.zone.map(|zone| zone.0)), (&["z1".to_owned()][..], Some(0)));
    assert_eq!(
        shape.labels.iter().map(|label| label.key.as_str()).collect::<Vec<_>>(),
        ["topology.kubernetes.io/zone", "zone-less"]
    );
    // The taint of the cordon is the cordon.
    assert!(cluster.nodes[0].unschedulable);
    assert_eq!(
        shape.taints.iter().map(|taint| (taint.key.as_str(), taint.effect)).collect::<Vec<_>>(),
        [("gpu", TaintEffect::NoExecute)]
    );
    assert_eq!(cluster.shape_of(NodeId(1)).allocatable.memory, Bytes(1_000_000_000));
    assert!(shape.gpu.is_none());
}

#[test]
fn broken_nodes_are_reported_with_their_place() {
    for (text, expected) in [
        (
            "kind: Node\nmetadata: {}\n",
            vec![
                "W0102 1:1 this Node has neither `status.allocatable` nor `status.capacity`",
                "W0102 1:1 this Node has no `metadata.name`",
            ],
        ),
        (
            "kind: Node\nmetadata: {name: a, labels: {rack: 1}}\nspec: {taints: [{key: a, effect: Never}], unschedulable: 1}\nstatus: {allocatable: {cpu: 4 cores, memory: [1], gpu: 1, example.com/x: 500m}}\n",
            vec![
                "W0103 2:36 `metadata.labels.rack` must be text, not a whole number",
                "W0105 3:34 `Never` is no effect of a taint",
                "W0103 3:58 `spec.unschedulable` must be true or false, not a whole number",
                "W0106 4:29 `status.allocatable.cpu`: `4 cores` has an unknown unit; units are m, k, M, G, T, P, E and Ki, Mi, Gi, Ti, Pi, Ei",
                "W0106 4:46 `status.allocatable.memory` must be a quantity such as 500m or 1Gi, not a list",
                "W0105 4:51 `status.allocatable`: there is no resource `gpu`",
                "W0106 4:74 `status.allocatable.example.com/x`: `500m` is not whole, as extended resources are",
            ],
        ),
        (
            "{kind: Node, metadata: {name: a}, status: {capacity: {cpu: 1}}}\n---\n{kind: Node, metadata: {name: a}, status: {capacity: {cpu: 1}}}\n",
            vec!["W0201 3:1 the node `a` is there already"],
        ),
        ("apiVersion: v2\nkind: Node\n", vec!["W0010 1:13 `apiVersion` of a Node is `v1`, not `v2`"]),
        ("- {spec: a}\n- {metadata: b}\n", vec!["W0010 1:1 none of these 2 objects has a `kind`"]),
        (
            "- 5\n- {metadata: {}}\n- {kind: [1]}\n",
            vec!["W0010 2:3 this object has no `kind`", "W0010 3:10 `kind` must be text, not a list"],
        ),
    ] {
        assert_eq!(issues(nodes(text).1), expected, "{text}");
    }
}

/// Of what is no object, one warning a file says how much there is.
#[test]
fn what_is_no_object_is_left_out() {
    let node = "{kind: Node, metadata: {name: a}, status: {capacity: {cpu: 1, pods: 9}}}";
    let nothing = "nothing is read from this file: what it holds has no `kind` and is no Kubernetes object";
    let some = "what has no `kind` is no Kubernetes object and is left out";
    for (text, expected) in [
        ("- {pod: a}\n- {pod: b}\n".to_owned(), vec![format!("{nothing} x2")]),
        ("5\n".to_owned(), vec![format!("{nothing} x1")]),
        (format!("{node}\n---\nreplicaCount: 3\n---\n- 5\n- {{pod: a}}\n"), vec![format!("{some} x3")]),
        (format!("{node}\n---\nnull\n"), vec![]),
    ] {
        let (cluster, findings) = nodes(&text);
        let found = warnings(&findings);
        assert_eq!((found, issues(findings)), (expected, Vec::new()), "{text}");
        assert_eq!(cluster.nodes.len(), usize::from(text.contains("Node")));
    }
}

/// Pods of a dump whose node is not there are left out; what somebody wrote by hand is refused.
#[test]
fn pods_of_a_dump_may_be_bound_to_other_nodes() {
    let pod = |name: &str, node: &str, uid: &str| {
        let spec = format!("{{nodeName: {node}, containers: [{{}}]}}");
        format!("{{kind: Pod, metadata: {{name: {name}{uid}}}, spec: {spec}}}\n---\n")
    };
    let uid = ", uid: u";
    let far = ["x", "y", "z", "w", "w"].iter().zip(0..).map(|(node, at)| pod(&format!("p{at}"), node, uid));
    let text = far.collect::<String>() + &pod("here", "n", uid);
    let (_, workload, findings) = pods(&text);
    assert_eq!(
        warnings(&findings),
        ["pods of the dump are bound to nodes that the cluster does not have (`w`, `x`, `y` and 1 more) and are left \
             out; list the dump under `cluster.manifests` too, or take `spec.nodeName` away x5"]
    );
    assert_eq!(issues(findings), [""; 0]);
    assert_eq!(listed(&workload).pods.len(), 1);
    let (_, _, findings) = pods(&pod("p", "x", ""));
    assert_eq!(issues(findings), ["W0202 1:51 the pod `p` is bound to the node `x`, which the cluster does not have"]);
}

/// Effective requests; the arithmetic is above each row.
#[test]
fn requests_are_those_of_kube_scheduler() {
    for (spec, cpu_milli, memory) in [
        // 500 + 250; a limit alone is the request: 100 + 0
        (
            "{containers: [{resources: {requests: {cpu: 500m}, limits: {cpu: 1, memory: 100}}}, {resources: {requests: {cpu: 250m}}}]}",
            750,
            100,
        ),
        // nothing requested
        ("{containers: [{}]}", 0, 0),
        // max(100, 300) and max(1000, 10)
        (
            "{initContainers: [{resources: {requests: {cpu: 300m, memory: 10}}}], containers: [{resources: {requests: {cpu: 100m, memory: 1k}}}]}",
            300,
            1000,
        ),
        // sidecar 200 + 100 = 300, against init 150 before the sidecar and 50 + 200 after it
        (
            "{initContainers: [{resources: {requests: {cpu: 150m}}}, {restartPolicy: Always, resources: {requests: {cpu: 200m}}}, {resources: {requests: {cpu: 50m}}}], containers: [{resources: {requests: {cpu: 100m}}}]}",
            300,
            0,
        ),
        // the last init container beside the sidecar: 400 + 200 against 300
        (
            "{initContainers: [{restartPolicy: Always, resources: {requests: {cpu: 200m}}}, {resources: {requests: {cpu: 400m}}}], containers: [{resources: {requests: {cpu: 100m}}}]}",
            600,
            0,
        ),
        // max(100, 300) + 50
        (
            "{overhead: {cpu: 50m}, initContainers: [{resources: {requests: {cpu: 300m}}}], containers: [{resources: {requests: {cpu: 100m}}}]}",
            350,
            0,
        ),
        // the pod's own 2 cores replace 300m; its memory limit does not replace what a container requests
        (
            "{resources: {requests: {cpu: 2}, limits: {memory: 1k}}, containers: [{resources: {requests: {cpu: 300m, memory: 10}}}]}",
            2000,
            10,
        ),
        // no container requests memory, so the pod's limit is the request
        ("{resources: {limits: {memory: 1k}}, containers: [{resources: {requests: {cpu: 300m}}}]}", 300, 1000),
        // 0.5 + 0.5 bytes in two containers are one byte, not two
        ("{containers: [{resources: {requests: {memory: 500m}}}, {resources: {requests: {memory: 500m}}}]}", 0, 1),
        // a request of zero is not completed by the limit
        ("{containers: [{resources: {requests: {cpu: 0}, limits: {cpu: 1}}}]}", 0, 0),
    ] {
        let (_, class) = class(spec);
        assert_eq!(
            (class.requests.cpu.0, class.requests.memory.0, class.requests.pods),
            (cpu_milli, memory, 1),
            "{spec}"
        );
    }
}

#[test]
fn limits_and_extended_resources_are_summed() {
    let (cluster, both) = class(
        "{containers: [{resources: {limits: {cpu: 1, memory: 10, example.com/x: 2}}}, {resources: {limits: {cpu: 2, example.com/y: 1}}}]}",
    );
    assert_eq!(cluster.extended_resources, ["example.com/x", "example.com/y"]);
    assert_eq!(both.requests.extended, [2, 1]);
    // The second container may use any memory, so there is no limit for the pod.
    let limits = both.limits.unwrap();
    assert_eq!((limits.cpu, limits.memory), (MilliCpu(3000), Bytes(0)));
    assert_eq!(class("{containers: [{}]}").1.limits, None);
}

#[test]
fn pods_keep_what_the_scheduler_looks_at() {
    let text = "
kind: PriorityClass
metadata: {name: high}
value: 1000
---
kind: Pod
metadata: {name: a, namespace: x, ownerReferences: [{kind: Job, name: j}]}
spec: {priorityClassName: high, containers: [{}], nodeSelector: {disk: ssd, arch: arm}, tolerations: [{key: k, operator: Exists, effect: NoExecute, tolerationSeconds: 300}, {key: k, value: v}]}
---
kind: Pod
metadata: {name: a, namespace: z}
spec: {priority: -5, priorityClassName: high, nodeName: n, containers: [{}]}
---
kind: Pod
metadata: {name: b}
spec: {containers: [{}]}
---
kind: Pod
metadata: {name: c}
spec: {containers: [{}]}
status: {phase: Succeeded}
---
kind: Pod
metadata: {name: d}
spec: {containers: [{}]}
";
    let (_, workload, findings) = pods(text);
    assert_eq!(warnings(&findings), ["pods that have ended (`status.phase` Succeeded or Failed) are left out x1"]);
    assert_eq!(issues(findings), [""; 0]);
    assert_eq!(names(&workload), ["x/a", "z/a", "b", "d"]);
    let pods = &listed(&workload).pods;
    assert_eq!(pods.iter().map(|pod| pod.class.0).collect::<Vec<_>>(), [0, 1, 2, 2]);
    assert_eq!(pods.iter().map(|pod| pod.node).collect::<Vec<_>>(), [None, Some(NodeId(0)), None, None]);
    assert_eq!(workload.popularity.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [1.0, 1.0, 2.0]);
    let classes = &workload.classes;
    assert_eq!(classes.iter().map(|class| class.priority).collect::<Vec<_>>(), [1000, -5, 0]);
    assert_eq!(classes.iter().map(|class| class.template.as_str()).collect::<Vec<_>>(), ["x/j", "z", "default"]);
    assert_eq!(classes[0].node_selector.iter().map(|label| label.key.as_str()).collect::<Vec<_>>(), ["arch", "disk"]);
    let tolerations: Vec<_> =
        classes[0].tolerations.iter().map(|one| (one.key.as_str(), one.value.as_str(), one.effect)).collect();
    assert_eq!(tolerations, [("k", "v", None), ("k", "", Some(TaintEffect::NoExecute))]);
}

#[test]
fn broken_pods_are_reported_with_their_place() {
    let pod = |rest: &str| format!("{{kind: Pod, metadata: {{name: p}}, {rest}}}");
    for (text, expected) in [
        (pod(""), vec!["W0102 1:1 this Pod has no `spec`"]),
        ("{kind: Pod, spec: {containers: [{}]}}".to_owned(), vec!["W0102 1:1 this Pod has no `metadata.name`"]),
        (pod("spec: {}"), vec!["W0102 1:40 this Pod has no `spec.containers`"]),
        (pod("spec: {containers: 5}"), vec!["W0103 1:53 `spec.containers` must be a list, not a whole number"]),
        (
            pod("spec: {containers: [{resources: {requests: {cpu: 2}, limits: {cpu: 1}}}]}"),
            vec!["W0206 1:54 `spec.containers[].resources`: a request exceeds its limit"],
        ),
        (
            pod("spec: {containers: [{resources: {requests: {cpu: -2}}}]}"),
            vec!["W0106 1:83 `spec.containers[].resources.requests.cpu`: `-2` is negative"],
        ),
        (
            pod("spec: {containers: [{}], nodeName: other}"),
            vec!["W0202 1:69 the pod `p` is bound to the node `other`, which the cluster does not have"],
        ),
        (
            pod("spec: {containers: [{}], priorityClassName: none}"),
            vec!["W0202 1:78 there is no PriorityClass `none`; list its manifest, or write `spec.priority`"],
        ),
        (
            pod(
                "spec: {containers: [{}], tolerations: [{value: v}, {key: k, operator: Exists, value: v}, {operator: In}]}",
            ),
            vec![
                "W0205 1:73 a toleration without `key` needs the operator Exists",
                "W0205 1:85 a toleration with the operator Exists has no `value`",
                "W0105 1:134 `In` is no operator: Equal and Exists are",
            ],
        ),
        (
            format!("[{0}, {0}]", pod("spec: {containers: [{}]}")),
            vec!["W0201 1:62 the pod `p` of the namespace `default` is there already"],
        ),
        ("kind: Deployment\nmetadata: {name: d}\n".to_owned(), vec!["W0102 1:1 this Deployment has no `spec`"]),
        (
            "kind: ReplicaSet\nmetadata: {name: r}\nspec: {replicas: 1}\n".to_owned(),
            vec!["W0102 1:1 this ReplicaSet has no `spec.template.spec`"],
        ),
    ] {
        assert_eq!(issues(pods(&text).2), expected, "{text}");
    }
}

#[test]
fn what_is_not_used_is_said_once_with_a_count() {
    let spec = "{containers: [{ports: [{containerPort: 80, hostPort: 80}]}], affinity: {podAntiAffinity: {a: 1}, nodeAffinity: {}}, \
                topologySpreadConstraints: [{maxSkew: 1}], volumes: [{emptyDir: {}}, {persistentVolumeClaim: {claimName: c}}], \
                schedulerName: mine, dnsPolicy: Default, nodeSelecter: {a: b}, restartPolicy: Always}";
    let text = format!(
        "[{{kind: Pod, metadata: {{name: a}}, spec: {spec}}}, {{kind: Pod, metadata: {{name: b}}, spec: {spec}}}, {{kind: ConfigMap}}, \
         {{kind: Node}}, {{kind: Job, metadata: {{name: j, uid: 1}}, status: {{conditions: [{{type: Complete, status: 'True'}}]}}}}]"
    );
    let (_, workload, findings) = pods(&text);
    assert_eq!(
        warnings(&findings),
        [
            "ConfigMap objects are not used by this release x1",
            "Jobs of a dump that have ended are left out x1",
            "`spec.affinity.podAntiAffinity` of Pod is used by the policy `kube-scheduler` only x2",
            "`spec.containers[].ports[].hostPort` of Pod is used by the policy `kube-scheduler` only x2",
            "`spec.nodeSelecter` of Pod is not used by this release x2",
            "`spec.schedulerName` of Pod is used by the policy `kube-scheduler` only x2",
            "`spec.topologySpreadConstraints` of Pod is used by the policy `kube-scheduler` only x2",
            "`spec.volumes[].persistentVolumeClaim` of Pod is used by the policy `kube-scheduler` only x2",
            "Node objects are left to `cluster.manifests` x1",
        ]
    );
    let first = findings.warnings().next().unwrap();
    assert!(first.to_string().contains(": warning: ConfigMap"), "{first}");
    assert_eq!(issues(findings), [""; 0]);
    assert_eq!(names(&workload), ["a", "b"]);
}

/// Objects are read from wherever they are listed, once, and only for kube-scheduler.
#[test]
fn objects_are_read_for_kube_scheduler() {
    let (_directory, path) = file(
        "[{kind: Node, metadata: {name: n, labels: {kubernetes.io/hostname: h}}, spec: {taints: [{key: k, effect: PreferNoSchedule}]}, \
         status: {capacity: {cpu: 4, pods: 10}, images: [{names: [a, b], sizeBytes: 7}], declaredFeatures: [G, F]}}, \
         {apiVersion: v1, kind: Service, metadata: {name: s}, spec: {selector: {a: b}}}, \
         {apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: r}, spec: {replicas: 0, selector: {matchLabels: {a: b}}}}, \
         {kind: Pod, metadata: {name: p, labels: {a: b}}, spec: {containers: [{}], schedulerName: mine}}]",
    );
    let paths = [path];
    let read = |read_for, node_paths: &[PathBuf]| {
        let (mut cluster, mut workload) = (Cluster::default(), Workload::default());
        let (mut objects, mut findings) = (Objects::default(), Findings::default());
        add_nodes(node_paths, read_for, &mut cluster, &mut objects, &mut findings);
        let mut makers = PodMakers::new(read_for, Vec::new());
        add_pods(&paths, &mut makers, &mut cluster, &mut workload, &mut objects, &mut findings);
        (cluster, workload, objects, findings)
    };
    let (cluster, workload, objects, findings) = read(ReadFor::KubeScheduler, &paths);
    assert_eq!(warnings(&findings), [""; 0]);
    assert_eq!(issues(findings), [""; 0]);
    assert_eq!((objects.services.len(), objects.controllers.len()), (1, 1));
    assert_eq!(workload.classes[0].spec.scheduler_name, "mine");
    assert_eq!(names(&workload), ["p"]);
    assert_eq!(cluster.hostnames[&NodeId(0)].as_deref(), Some("h"));
    let shape = cluster.shape_of(NodeId(0));
    assert_eq!((shape.images[0].names.len(), shape.images[0].size_bytes), (2, 7));
    assert_eq!(shape.declared_features, ["F", "G"]);
    // Listed with the pods alone.
    let (_, _, objects, _) = read(ReadFor::KubeScheduler, &[]);
    assert_eq!((objects.services.len(), objects.controllers.len()), (1, 1));
    let (cluster, workload, objects, findings) = read(ReadFor::Others, &paths);
    assert_eq!(
        warnings(&findings),
        [
            "a Node's label `kubernetes.io/hostname` is taken to be its name x1",
            "taints with `PreferNoSchedule` are used by the policy `kube-scheduler` only x1",
            "`spec.schedulerName` of Pod is used by the policy `kube-scheduler` only x1",
            "ReplicaSet objects are used by the policy `kube-scheduler` only x1",
            "Service objects are used by the policy `kube-scheduler` only x1",
        ]
    );
    assert_eq!(objects, Objects::default());
    assert_eq!(workload.classes[0].spec, Box::default());
    assert!(cluster.hostnames.is_empty() && cluster.shape_of(NodeId(0)).images.is_empty());
}

#[test]
fn absurd_numbers_of_resources_are_refused() {
    let amounts = |from: u32| (from..from + 600).map(|i| format!("e/r{i}: 1, ")).collect::<String>();
    let node = |name: &str, from| {
        format!("{{kind: Node, metadata: {{name: {name}}}, status: {{capacity: {{{}}}}}}}\n---\n", amounts(from))
    };
    let text = node("a", 0) + &node("b", 600) + &node("c", 1200);
    assert_eq!(issues(nodes(&text).1), ["W0204 3:1 the objects up to here name more than 1000 extended resources"]);
    let text =
        format!("{{kind: Node, metadata: {{name: a}}, status: {{capacity: {{{}}}}}}}", amounts(0) + &amounts(600));
    assert_eq!(issues(nodes(&text).1), ["W0204 1:54 `status.capacity` has more than 1000 resources"]);
}

/// Nodes that could not be read are not reported again by every pod on them.
#[test]
fn one_fault_is_reported_once() {
    let (_directory, path) = file(
        "[{kind: Node, metadata: {name: n}}, {kind: Pod, metadata: {name: p}, spec: {nodeName: n, containers: [{}]}}]",
    );
    let (_, _, findings) = read(std::slice::from_ref(&path), std::slice::from_ref(&path));
    assert_eq!(issues(findings), ["W0102 1:2 this Node has neither `status.allocatable` nor `status.capacity`"]);
}

#[test]
fn directories_are_read_in_order_of_name() {
    let directory = tempfile::tempdir().unwrap();
    let node =
        |name: &str| format!("{{kind: Node, metadata: {{name: {name}}}, status: {{capacity: {{cpu: 1, pods: 1}}}}}}");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(node("third").as_bytes()).unwrap();
    std::fs::write(directory.path().join("c.yaml.gz"), gzip.finish().unwrap()).unwrap();
    std::fs::write(directory.path().join("a.json"), "{\"kind\": \"List\", \"items\": []}").unwrap();
    std::fs::write(directory.path().join("README.md"), "no manifest").unwrap();
    std::fs::create_dir(directory.path().join("b")).unwrap();
    std::fs::write(directory.path().join("b/2.yml"), node("second")).unwrap();
    std::fs::write(directory.path().join("b/1.YAML"), node("first")).unwrap();
    let (mut cluster, mut findings) = (Cluster::default(), Findings::default());
    add_nodes(&[directory.path().to_owned()], ReadFor::Others, &mut cluster, &mut Objects::default(), &mut findings);
    assert_eq!(issues(findings), [""; 0]);
    let names: Vec<&str> = cluster.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["first", "second", "third"]);

    let empty = tempfile::tempdir().unwrap();
    for (path, expected) in [
        (
            empty.path().to_owned(),
            "W0001 0:0 holds no manifest: no file ends in .yaml, .yml or .json, or those with .gz",
        ),
        (PathBuf::from("nowhere.yaml"), "W0001 0:0 no such file"),
    ] {
        let mut findings = Findings::default();
        add_nodes(&[path], ReadFor::Others, &mut Cluster::default(), &mut Objects::default(), &mut findings);
        assert_eq!(issues(findings), [expected]);
    }
}

/// A folder of public data; tests that need it say so and pass without it.
fn data(folder: &str) -> Option<PathBuf> {
    match std::env::var_os("WAVETANK_DATA") {
        Some(directory) => Some(PathBuf::from(directory).join(folder)),
        None => {
            let _ = writeln!(std::io::stderr(), "skipped: the manifests of {folder} need WAVETANK_DATA");
            None
        }
    }
}

fn read(node_paths: &[PathBuf], pod_paths: &[PathBuf]) -> (Cluster, Workload, Findings) {
    let (mut cluster, mut workload, mut findings) = (Cluster::default(), Workload::default(), Findings::default());
    add_nodes(node_paths, ReadFor::Others, &mut cluster, &mut Objects::default(), &mut findings);
    let mut makers = PodMakers::new(ReadFor::Others, Vec::new());
    add_pods(pod_paths, &mut makers, &mut cluster, &mut workload, &mut Objects::default(), &mut findings);
    (cluster, workload, findings)
}

#[test]
fn the_benchmark_of_simulators_is_read() {
    let Some(directory) = data("k8s-sims") else { return };
    for (size, node_count, pod_count) in [(100, 100, 1067), (400, 400, 3940), (1200, 1213, 7064)] {
        let start = std::time::Instant::now();
        let (cluster, workload, findings) =
            read(&[directory.join(format!("nodes-{size}.yaml.gz"))], &[directory.join(format!("pods-{size}.yaml.gz"))]);
        let _ = writeln!(std::io::stderr(), "{size}: {:?}, {} classes", start.elapsed(), workload.classes.len());
        assert_eq!(warnings(&findings), [""; 0]);
        assert_eq!(issues(findings), [""; 0]);
        assert_eq!((cluster.nodes.len(), names(&workload).len()), (node_count, pod_count));
        // GPUs of this benchmark are extended resources of nodes that no pod requests.
        assert_eq!(cluster.extended_resources, ["alibabacloud.com/gpu-count", "alibabacloud.com/gpu-milli"]);
        assert_eq!(cluster.shape_of(NodeId(0)).allocatable.pods, 1001);
        assert_eq!(workload.classes[0].requests.cpu, MilliCpu(12_000));
        assert_eq!(workload.classes[0].limits.as_ref().map(|limits| limits.memory), Some(Bytes(16_384 << 20)));
    }
}

#[test]
fn dumps_of_real_clusters_are_read() {
    let Some(directory) = data("k8s-dumps") else { return };
    // Eight pods less two that have ended, and seven less two.
    for (bundle, node_count, pod_count) in [("k3s-bundle-1", 1, 6), ("k3s-bundle-2", 1, 5)] {
        let bundle = [directory.join(bundle)];
        let (cluster, workload, findings) = read(&bundle, &bundle);
        // Both readings have had every file, so no object is left to the other.
        let shown = warnings(&findings);
        assert!(!shown.iter().any(|warning| warning.contains("are left to")), "{shown:?}");
        assert!(shown.iter().any(|warning| warning.contains("Jobs of a dump that have ended")), "{shown:?}");
        assert_eq!(issues(findings), [""; 0], "{bundle:?}");
        assert_eq!((cluster.nodes.len(), names(&workload).len()), (node_count, pod_count), "{bundle:?}");
        assert!(listed(&workload).pods.iter().all(|pod| pod.node == Some(NodeId(0))));
    }
    let (mut cluster, mut findings) = (Cluster::default(), Findings::default());
    add_nodes(
        &[directory.join("troubleshoot/nodes.json")],
        ReadFor::Others,
        &mut cluster,
        &mut Objects::default(),
        &mut findings,
    );
    assert_eq!(issues(findings), [""; 0]);
    assert_eq!((cluster.nodes.len(), cluster.extended_resources.as_slice()), (7, &["nvidia.com/gpu".to_owned()][..]));
}

/// Whatever is cut off or turned around in a manifest, it is an issue and no panic.
#[test]
fn no_manifest_panics() {
    let text = "{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {a: b}}, spec: {containers: [{resources: {requests: {cpu: 1}}}], \
                nodeSelector: {a: b}, tolerations: [{key: k, operator: Exists}], priority: 1, overhead: {cpu: 1}}}";
    let values = ["null", "5", "[]", "{}", "[[]]", "{a: [1]}", "'x'", "1e400", "-1", "true"];
    for key in [
        "metadata",
        "name",
        "labels",
        "spec",
        "containers",
        "resources",
        "requests",
        "cpu",
        "nodeSelector",
        "tolerations",
        "priority",
        "overhead",
    ] {
        for value in values {
            let changed = text.replace(&format!("{key}: "), &format!("{key}: {value}, x{key}: "));
            let (_, workload, findings) = pods(&changed);
            assert!(workload.sources.len() == 1 || !findings.issues.is_empty(), "{changed}");
            // As a node it lacks its capacity in any case.
            let (cluster, findings) = nodes(&changed.replace("kind: Pod", "kind: Node"));
            assert!(cluster.nodes.is_empty() && !findings.issues.is_empty(), "{changed}");
        }
    }
}

use crate::document::Source;
use crate::model::Label;
use crate::model::Objects;
use crate::model::objects::{
    AccessMode, Allowance, Controller, CountOrPercent, CsiDriver, CsiNodeDriver, DisruptionBudget, PersistentVolume,
    PersistentVolumeClaim, Service, StorageCapacity, StorageClass,
};
use crate::model::pod_spec::{LabelRequirement, LabelSelector, NodeSelectorTerm, SelectorOperator};
use crate::scenario::kubernetes::{LoadedObjects, load_objects};

fn load(text: &str) -> LoadedObjects {
    load_objects(&Source { file: "objects.yaml".into(), text: text.to_owned() })
}

fn objects(text: &str) -> Objects {
    let loaded = load(text);
    assert_eq!(loaded.findings.issues.into_sorted(), [], "{text}");
    loaded.objects
}

fn issues(text: &str) -> Vec<String> {
    let issues = load(text).findings.issues.into_sorted();
    issues.iter().map(|issue| format!("{} {}", issue.code.id(), issue.message)).collect()
}

fn label(key: &str, value: &str) -> Label {
    Label { key: key.to_owned(), value: value.to_owned() }
}

fn is_in(key: &str, value: &str) -> LabelRequirement {
    LabelRequirement { key: key.to_owned(), operator: SelectorOperator::In, values: vec![value.to_owned()] }
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
fn namespaces_services_and_controllers_are_read() {
    let found = objects(
        "[{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: a}}},
          {apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {selector: {b: '2', a: '1'}}},
          {apiVersion: v1, kind: Service, metadata: {name: none}, spec: {type: ExternalName}},
          {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, uid: u}, spec: {replicas: 3, selector: {matchLabels: {a: b}}}},
          {apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web}, spec: {replicas: 0, selector: {matchExpressions: [{key: a, operator: In, values: [b]}]}}},
          {apiVersion: v1, kind: ReplicationController, metadata: {name: old}, spec: {replicas: 0, template: {metadata: {labels: {a: b}}}}}]",
    );
    // The API server labels every namespace with its name.
    assert_eq!(found.namespaces["shop"], [label("kubernetes.io/metadata.name", "shop"), label("team", "a")]);
    assert_eq!(
        found.services,
        [
            Service { namespace: text("default"), name: text("none"), selector: vec![] },
            Service { namespace: text("shop"), name: text("web"), selector: vec![label("a", "1"), label("b", "2")] },
        ]
    );
    let controller = |kind: &str, name: &str| Controller {
        namespace: text("default"),
        kind: text(kind),
        name: text(name),
        selector: LabelSelector { requirements: vec![is_in("a", "b")] },
    };
    assert_eq!(
        found.controllers,
        [controller("ReplicaSet", "web"), controller("ReplicationController", "old"), controller("StatefulSet", "db")]
    );
}

#[test]
fn disruption_budgets_are_read() {
    for (keys, allowance) in [
        ("spec: {minAvailable: 2}", Allowance::MinAvailable(CountOrPercent::Count(2))),
        ("spec: {maxUnavailable: 30%}", Allowance::MaxUnavailable(CountOrPercent::Percent(30))),
        ("spec: {maxUnavailable: 1}, status: {disruptionsAllowed: 4}", Allowance::Given(4)),
        ("spec: {}", Allowance::Given(0)),
    ] {
        let found =
            objects(&format!("{{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {{name: b}}, {keys}}}"));
        let budget = DisruptionBudget {
            namespace: text("default"),
            name: text("b"),
            selector: None,
            allowance,
            disrupted_pods: vec![],
        };
        assert_eq!(found.disruption_budgets, [budget], "{keys}");
    }
    let found = objects(
        "{kind: PodDisruptionBudget, metadata: {name: b}, spec: {selector: {}}, status: {disruptedPods: {p: '2024-01-01T00:00:00Z'}}}",
    );
    assert_eq!(found.disruption_budgets[0].selector, Some(LabelSelector::default()));
    assert_eq!(found.disruption_budgets[0].disrupted_pods, ["p"]);
}

#[test]
fn volumes_and_claims_are_read() {
    let found = objects(
        "[{apiVersion: v1, kind: PersistentVolume, metadata: {name: v, labels: {z: a}}, spec: {capacity: {storage: 1Gi},
           accessModes: [ReadWriteMany, ReadWriteOnce], storageClassName: fast, volumeMode: Block,
           nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: z, operator: In, values: [a]}]}]}},
           claimRef: {namespace: ns, name: c, uid: u}, csi: {driver: d, volumeHandle: h}}, status: {phase: Bound}},
          {apiVersion: v1, kind: PersistentVolume, metadata: {name: free, deletionTimestamp: now}, spec: {capacity: {storage: 1}}},
          {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c, namespace: ns, annotations: {pv.kubernetes.io/bind-completed: 'yes',
             volume.kubernetes.io/selected-node: n}, ownerReferences: [{kind: Pod, name: p, controller: true}]},
           spec: {resources: {requests: {storage: 500Mi}}, accessModes: [ReadWriteOncePod], storageClassName: '', volumeName: v, selector: {matchLabels: {z: a}}}},
          {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: lost}, status: {phase: Lost}}]",
    );
    let term = NodeSelectorTerm { expressions: vec![is_in("z", "a")], fields: vec![] };
    let bound = PersistentVolume {
        name: text("v"),
        labels: vec![label("z", "a")],
        capacity_bytes: 1 << 30,
        access_modes: vec![AccessMode::ReadWriteOnce, AccessMode::ReadWriteMany],
        storage_class: text("fast"),
        is_block: true,
        node_affinity: Some(vec![term]),
        claim: Some((text("ns"), text("c"))),
        is_claim_bound: true,
        csi: Some((text("d"), text("h"))),
        is_available: false,
        is_deleting: false,
    };
    assert_eq!(found.persistent_volumes[1], bound);
    let free = &found.persistent_volumes[0];
    assert_eq!((free.name.as_str(), free.is_available, free.is_deleting, &free.claim), ("free", true, true, &None));
    let claim = PersistentVolumeClaim {
        namespace: text("ns"),
        name: text("c"),
        selector: Some(LabelSelector { requirements: vec![is_in("z", "a")] }),
        request_bytes: 500 << 20,
        access_modes: vec![AccessMode::ReadWriteOncePod],
        storage_class: Some(String::new()),
        is_block: false,
        volume: text("v"),
        is_bind_completed: true,
        selected_node: Some(text("n")),
        owner_pod: Some(text("p")),
        is_lost: false,
        is_deleting: false,
    };
    assert_eq!(found.persistent_volume_claims[1], claim);
    let lost = &found.persistent_volume_claims[0];
    assert_eq!((lost.name.as_str(), lost.is_lost, &lost.storage_class), ("lost", true, &None));
}

#[test]
fn storage_classes_and_drivers_are_read() {
    let found = objects(
        "[{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: fast, annotations: {storageclass.kubernetes.io/is-default-class: 'true'}},
           provisioner: d, volumeBindingMode: WaitForFirstConsumer, allowedTopologies: [{matchLabelExpressions: [{key: z, values: [a]}]}]},
          {apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: slow}, provisioner: d},
          {apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: d}, spec: {storageCapacity: true, attachRequired: false}},
          {apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: e}, spec: {preventPodSchedulingIfMissing: true}},
          {apiVersion: storage.k8s.io/v1, kind: CSINode, metadata: {name: n}, spec: {drivers: [{name: d, allocatable: {count: 3}}, {name: e}]}},
          {apiVersion: storage.k8s.io/v1, kind: CSIStorageCapacity, metadata: {name: s, namespace: x}, storageClassName: fast, nodeTopology: {}, capacity: 1Gi}]",
    );
    let term = NodeSelectorTerm { expressions: vec![is_in("z", "a")], fields: vec![] };
    let class = |name: &str, waits_for_consumer, allowed_topologies, is_default| StorageClass {
        name: text(name),
        provisioner: text("d"),
        waits_for_consumer,
        allowed_topologies,
        is_default,
    };
    assert_eq!(found.storage_classes, [class("fast", true, vec![term], true), class("slow", false, vec![], false)]);
    let driver = |name: &str, has_storage_capacity, requires_attach, prevents_scheduling_if_missing| CsiDriver {
        name: text(name),
        has_storage_capacity,
        requires_attach,
        prevents_scheduling_if_missing,
    };
    assert_eq!(found.csi_drivers, [driver("d", true, false, false), driver("e", false, true, true)]);
    let on_node = |driver: &str, attachable_max| CsiNodeDriver { driver: text(driver), attachable_max };
    assert_eq!(found.csi_nodes["n"], [on_node("d", Some(3)), on_node("e", None)]);
    let capacity = StorageCapacity {
        name: text("s"),
        storage_class: text("fast"),
        node_topology: Some(LabelSelector::default()),
        capacity_bytes: Some(1 << 30),
        maximum_volume_bytes: None,
    };
    assert_eq!(found.storage_capacities, [capacity]);
}

#[test]
fn broken_objects_are_reported() {
    for (text, expected) in [
        ("{kind: Service, spec: {}}", "W0102 this Service has no `metadata.name`"),
        (
            "[{kind: Service, metadata: {name: a}}, {kind: Service, metadata: {name: a, namespace: b}}, {kind: Service, metadata: {name: a}}]",
            "W0201 the Service `a` of the namespace `default` is there already, from objects.yaml:1:2",
        ),
        (
            "{kind: StatefulSet, metadata: {name: a}, spec: {replicas: 0}}",
            "W0102 this StatefulSet has no `spec.selector`",
        ),
        (
            "{kind: PodDisruptionBudget, metadata: {name: a}, spec: {minAvailable: half}}",
            "W0106 `spec.minAvailable` must be a number of pods such as 2, or a share such as 50%",
        ),
        (
            "{kind: PodDisruptionBudget, metadata: {name: a}, spec: {minAvailable: 1, maxUnavailable: 1}}",
            "W0205 a PodDisruptionBudget has either `minAvailable` or `maxUnavailable`",
        ),
        (
            "{kind: PersistentVolume, metadata: {name: a}, spec: {capacity: {storage: big}}}",
            "W0106 `spec.capacity.storage`: `big` is not a quantity such as 500m, 2 or 1Gi",
        ),
        (
            "{kind: PersistentVolumeClaim, metadata: {name: a}, spec: {accessModes: [Often]}}",
            "W0105 `spec.accessModes[]`: `Often` is not allowed",
        ),
        ("{kind: StorageClass, metadata: {name: a}}", "W0102 this StorageClass has no `provisioner`"),
        (
            "{kind: CSINode, metadata: {name: a}, spec: {drivers: [{name: d, allocatable: {count: -1}}]}}",
            "W0104 `spec.drivers[].allocatable.count` must be at least 0, not -1",
        ),
    ] {
        assert_eq!(issues(text), [expected], "{text}");
    }
    // A Service of another API is another kind of thing.
    let loaded = load("{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: a}}");
    let warnings: Vec<&str> = loaded.findings.warnings().map(|warning| warning.message.as_str()).collect();
    assert_eq!(warnings, ["Service objects are not used by this release"]);
}
